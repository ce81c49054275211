/* The nodes of an account's devices: what people know them by, where account_member.h has numbers. */
#pragma once

#include "cowherd/account.h"
#include "cowherd/observation.h"
#include <sys/types.h>

/* Puts the nodes of these devices in the place of the account's origin and store; a device without a node keeps its number.
 * The names of those that were seen are taken from there: with a thousand snapshots, to read them in sysfs would cost as much as
 * all the rest. Returns 0 or -ENOMEM. */
int account_take_nodes(struct account *account, const struct observation *seen, dev_t origin, dev_t store);
