/* The ladder: which rungs a sample has crossed.
 *
 * A rung fires once when it is crossed, and is armed again when usage has fallen by the hysteresis:
 *
 * N%: crossed at used / total >= N, armed again below N minus hysteresis (never where that is 0 or less).
 *
 * SIZE free: crossed when the chunks left are no more than SIZE, armed again above SIZE plus hysteresis of
 * the store.
 *
 * TIME left: crossed when the store is full in TIME or less at the smoothed rate; armed again when usage has
 * fallen by the hysteresis below where it fired, or the time left is more than twice TIME (a burst that has
 * passed).
 *
 * A store without a chunk left has crossed every rung, whatever its percentage says, and arms none again. on
 * lost and on stalled are not the ladder's: they are events, not heights.
 *
 * Percentages are compared exactly, in integers: "at 70%" is crossed at used * 100 == total * 70.
 */
#pragma once

#include "cowherd/policy.h"
#include <stdbool.h>
#include <stdint.h>

/* One look at one store, everything derived. */
struct sample {
    uint64_t taken_usec; /* CLOCK_BOOTTIME */
    uint64_t used_sectors;
    uint64_t total_sectors;
    uint64_t chunks_left;
    uint64_t bytes_left;            /* of chunks that still fit */
    uint64_t rate_bytes_per_second; /* smoothed */
    uint64_t peak_bytes_per_second;
    uint64_t time_left_usec; /* TIME_UNKNOWN_USEC: nothing fills */
};

/* used / total in hundredths of a percent, rounded down; 0 of an empty total. */
uint32_t sample_used_centipercent(const struct sample *sample);

/* Whether that is more than so many bytes left, by more than the hysteresis, which is a share of the store: then a rung of BYTES
 * free is armed again, and what it has decided is not begun any more. */
bool sample_is_roomier(const struct sample *sample, uint64_t bytes, uint32_t hysteresis_centipercent);

struct ladder_mark {
    bool fired;
    uint32_t fired_centipercent;  /* usage when it fired */
    uint64_t fired_total_sectors; /* and the store's size */
};

/* Which rungs of a policy have fired; marks[i] is the policy's rung i. Zeroed: all armed. */
struct ladder {
    struct ladder_mark marks[POLICY_RUNGS_MAX];
};

/* Re-arms and fires. Returns the set of rungs that this sample crossed: bit i is the policy's rung i. */
uint32_t ladder_climb(struct ladder *ladder, const struct policy *policy, const struct sample *sample);

/* Of a set of rungs crossed in one look the one that is carried out: the last written whose action changes
 * the device; -1 where none does. */
int ladder_rung_to_carry_out(const struct policy *policy, uint32_t crossed);

/* Bytes the store may still take until the next armed rung is crossed, for rungs whose height is known (N%,
 * SIZE free); UINT64_MAX where none is armed. Never more than bytes_left, for a full store crosses them all.
 * *ret_rung gets its index, or -1; of several at one height the one that would be carried out. */
uint64_t ladder_bytes_to_next(const struct ladder *ladder, const struct policy *policy,
                              const struct sample *sample, int *ret_rung);

/* Whether an armed rung waits for "TIME left". */
bool ladder_waits_for_time(const struct ladder *ladder, const struct policy *policy);

/* Arms the rung with this text again, whatever usage is, for its store has grown to that size: unless it has been crossed
 * at that size already, and is not to be told twice. */
void ladder_rearm(struct ladder *ladder, const struct policy *policy, const char *text,
                  uint64_t grown_to_sectors);

/* Arms every rung again whose action changes the device. */
void ladder_rearm_actions(struct ladder *ladder, const struct policy *policy);

/* Keeps what fired over a change of policy: rungs with the same text stay as they were, new ones are armed. */
void ladder_carry_over(struct ladder *ladder, const struct policy *from, const struct policy *to);
