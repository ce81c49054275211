/* Holding: on whom no action is begun, by an operator's word (cowherd/operator_hold.h), in the loop.
 *
 * A held errand is deferred by its plan, with the hold's reason. Holds are kept in the runtime directory.
 */
#pragma once

#include "manager_state.h"

/* Reads what an earlier daemon has left. */
void holding_recall(struct manager *manager);

/* Before the errands go on: ends what is over, forgets whose device is gone, and tells every errand of its hold. */
void holding_consider(struct manager *manager);

/* Begins or releases one, tells of it and keeps it. 0, or a negative errno: it is in force, and not kept. -ENOMEM: it is not
 * in force. seconds 0: until it is released. reason: of the new hold. */
int holding_begin(struct manager *manager, const struct member *member, uint64_t seconds, const char *reason);
int holding_release(struct manager *manager, const struct member *member, const char *who);

/* "held by root until 12:30:00", or NULL: it is not. */
const char *holding_reason(const struct manager *manager, const struct member *member);

/* CLOCK_BOOTTIME; 0: it is not; UINT64_MAX: until it is released. */
uint64_t holding_until_usec(const struct manager *manager, const struct member *member);
