/* Accounts as the daemon sends them: the answer to GetManagedObjects.
 *
 * Which property is which member of struct account is one table in account_message.c. A property that is not in it, or is
 * not of the type that it should be, is passed over: a newer daemon may say more.
 */
#pragma once

#include "cowherd/account.h"
#include <systemd/sd-bus.h>

/* Reads a{oa{sa{sv}}}. Returns 0, -ENOMEM, or another negative errno where the message is something else. */
int account_message_read(sd_bus_message *message, struct account **ret_accounts, size_t *ret_n_accounts);
