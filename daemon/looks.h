/* Looks: when who is looked at, and how.
 *
 * A complete look lists every device, after every dm event and every few minutes; between two, members and the devices of
 * errands are sampled one by one when they are due. Every look hands its findings to the reactions and moves the errands on.
 */
#pragma once

#include "manager_state.h"

#define MISSING_POLL_USEC UINT64_C(1000000) /* what cannot be listed is asked for once a second */

/* 0 or a negative errno, which has been said. */
int looks_complete(struct manager *manager);

/* Everybody and everything that is due; a complete look where one is, or where something was not as it had been seen. */
void looks_due(struct manager *manager);

/* Looks at one member now, beside its own times. What follows from it is done by manager_wake(). Returns whether a complete
 * look is due. */
bool looks_at(struct manager *manager, struct member *member);

/* Takes fresh figures of a member's devices into what was seen, and lets nothing follow from them; once a second at the
 * most, however often somebody asks. What cannot be read stays as it was. */
void looks_peek(struct manager *manager, struct member *member);

/* When something is due next, CLOCK_BOOTTIME. */
uint64_t looks_next_usec(const struct manager *manager);
