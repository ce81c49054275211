/* How fast a store fills: a smoothed rate to tell people and to judge "TIME left", and the peak for pacing.
 *
 * Time is an argument: microseconds of a clock that stands still while the machine sleeps (CLOCK_MONOTONIC), for then
 * nothing is written: an hour asleep would look like peace. All rates are bytes per second of the store, metadata
 * included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIME_UNKNOWN_USEC UINT64_MAX /* "never, as far as one can tell" */

/* The kernel writes dirty pages back every 5 s unless told otherwise (vm.dirty_writeback_centisecs = 500):
 * over a shorter window every write-back looks like a flood and every pause between two like peace. */
#define FILL_RATE_WINDOW_USEC UINT64_C(5000000)

/* The default of shortest-poll. One request of 1 MiB takes all its chunks at once: over a millisecond, as looks may follow
 * each other when a counter wakes, that alone would be a peak of 1 GiB/s. */
#define FILL_RATE_INTERVAL_MIN_USEC UINT64_C(50000)

struct fill_rate {
    bool started;
    uint64_t last_usec;
    uint64_t last_used_bytes;
    double smoothed_bytes_per_second;
    uint64_t peak_bytes_per_second; /* the fastest interval so far */
};

/* Takes in what was used at a time. A first call only sets the start; used bytes that fell (a merge, a new
 * store) count as standing still; a time that does not advance changes nothing, nor does one that advances by
 * less than FILL_RATE_INTERVAL_MIN_USEC: what came meanwhile is part of the next interval that is longer. */
void fill_rate_update(struct fill_rate *rate, uint64_t now_usec, uint64_t used_bytes);

/* The smoothed rate: an exponential mean over about FILL_RATE_WINDOW_USEC, starting from nothing, so that one
 * burst does not look like the end of the world, nor one quiet interval like peace. An interval of dt weighs
 * dt / (dt + window). Whole bytes, rounded down. */
uint64_t fill_rate_bytes_per_second(const struct fill_rate *rate);

/* The fastest interval seen. */
uint64_t fill_rate_peak_bytes_per_second(const struct fill_rate *rate);

/* Time until bytes_left are gone at the smoothed rate; TIME_UNKNOWN_USEC where nothing fills (less than a
 * byte a second). */
uint64_t fill_rate_time_left_usec(const struct fill_rate *rate, uint64_t bytes_left);
