/* An account (account.h) of what a member of the herd tells by itself: all but the nodes of its devices (account_nodes.h),
 * and what only a daemon knows: the guarantee, the action that is under way and how it is woken.
 */
#pragma once

#include "cowherd/account.h"
#include "cowherd/herd.h"

/* Fills it in; origin and store are MAJOR:MINOR. realtime_usec: what CLOCK_REALTIME was when CLOCK_BOOTTIME was 0. Returns 0,
 * or -ENOMEM with nothing allocated. */
int account_of_member(const struct member *member, uint64_t realtime_usec, struct account *ret_account);

/* Fills in what the store of a snapshot or a merge holds; nothing where the status has no numbers. */
void account_take_usage(struct account *account, const struct target *target);

/* How much of what there was to merge is merged, in percent: used_sectors is what the store held when it was decided. */
double account_merged_percent(const struct target *target, uint64_t used_sectors);

/* Fills in the origin and the store of an account that has none yet: MAJOR:MINOR. Returns 0 or -ENOMEM. */
int account_take_devices(struct account *account, dev_t origin, dev_t store);
