/* The accounts of a machine without a running daemon: what the kernel and the configuration say by themselves.
 *
 * Not known then: how fast a store fills, the guarantee, which rungs have fired.
 */
#pragma once

#include "cowherd/account.h"
#include "failure.h"

/* Only root may ask device-mapper: else EX_NOPERM. A configuration that is refused is told on standard error, and is as if
 * there were none. Returns 0 or -1. */
int offline_accounts(struct account **ret_accounts, size_t *ret_n_accounts, struct failure *ret_failure);
