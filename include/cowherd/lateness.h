/* Lateness: how much later than it was due a look has come lately, so that pacing and the guarantee allow for it.
 *
 * The longest of late is kept and halves every LATENESS_HALVING_USEC: what made the loop late once (a flood of events, a
 * sweep of many snapshots, a busy machine) is likely to come again soon, and not for ever. Pure: times are arguments,
 * microseconds of CLOCK_BOOTTIME.
 */
#pragma once

#include <stdint.h>

/* Long against the longest poll of 10 s, so that looks which are rare see it; short against an operator's patience. */
#define LATENESS_HALVING_USEC UINT64_C(60000000)

struct lateness {
    uint64_t longest_usec;
    uint64_t at_usec; /* when it was that */
};

/* Takes in one look: due at a time, come at another, with the machine asleep for slept_usec in between. A sleeping machine
 * writes nothing: that is not late. Nor is what came early. */
void lateness_take(struct lateness *lateness, uint64_t due_usec, uint64_t came_usec, uint64_t slept_usec);

/* The lateness to allow for now. */
uint64_t lateness_usec(const struct lateness *lateness, uint64_t now_usec);
