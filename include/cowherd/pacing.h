/* Pacing: when a snapshot must be looked at again so that no rung is crossed unseen.
 *
 * The next look comes no later than the store could reach the next rung, at the faster of the measured peak
 * and the assumed rate, less the time that the rung's action has been seen to take and less the time that looks have
 * come late of late; within the two poll bounds. A rung of "TIME left" has no height: for it, looks come at half the
 * time in which the store could be full. With nothing armed the longest poll is the interval; it also wins over a
 * shortest that exceeds it.
 *
 * So whatever a writer does within that rate, a look that finds a rung crossed finds it overshot by no more than what
 * fills in the shortest poll and the lateness.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pacing_bounds {
    uint64_t longest_usec;
    uint64_t shortest_usec;
    uint64_t assumed_bytes_per_second;
    uint64_t late_usec; /* that looks come later than they are due (lateness.h) */
};

struct pacing_subject {
    uint64_t bytes_to_next_rung; /* UINT64_MAX: no rung of a known height is armed */
    uint64_t bytes_left;
    bool waits_for_time; /* a "TIME left" rung is armed */
    uint64_t peak_bytes_per_second;
    uint64_t action_usec; /* what the next rung's action has been seen to take; 0: not seen */
};

/* Microseconds from the last look to the next one. */
uint64_t pacing_interval_usec(const struct pacing_bounds *bounds, const struct pacing_subject *subject);
