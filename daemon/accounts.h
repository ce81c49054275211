/* Accounts: what the daemon knows of its snapshots at this moment, as plain data for everybody outside (cowherd/account.h).
 *
 * A snapshot whose store has been handed to its origin is no member any more while that merges: its account is that of the
 * errand, until it has ended.
 */
#pragma once

#include "cowherd/account.h"
#include "manager_state.h"

/* The account of one member. 0, or -ENOMEM. */
int accounts_take(const struct manager *manager, const struct member *member, struct account *ret_account);

/* The account of an errand whose snapshot is no member. 0, or -ENOMEM. */
int accounts_take_errand(const struct manager *manager, const struct errand *errand,
                         struct account *ret_account);

/* Whether there is a member that this errand is about. */
bool accounts_has_member(const struct manager *manager, const struct errand *errand);

/* Of everybody. 0, or -ENOMEM with nothing allocated. Free them with accounts_free(). */
int accounts_take_all(const struct manager *manager, struct account **ret_accounts, size_t *ret_n_accounts);
