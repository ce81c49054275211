/* Counters of writes (counters.c), as perf has them: what the world tells them, and what the oracle asks. The daemon's side
 * is write_counter.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COUNTERS_FD       998
#define COUNTERS_CPUS_MAX 4

/* A history begins. */
void counters_begin(void);

/* The daemon is gone, and they with it. */
void counters_abandon(void);

/* Whether the descriptor of all of them polls readable. */
bool counters_are_pending(void);

/* A CPU came or went. */
void counters_go_stale(void);

/* Writers on that many CPUs in turn have written to a store. */
void counters_write(dev_t store, uint64_t writes, unsigned cpus);

/* How many such writes make one fire; UINT64_MAX: none is armed. */
uint64_t counters_until_fired(dev_t store, unsigned cpus);

/* How many writes may come before one fires, on whatever CPUs; UINT64_MAX: none is armed. */
uint64_t counters_unseen(dev_t store);

/* Whether one was armed, or the daemon was told that it has fired, since this was asked last. */
bool counters_were_active(dev_t store);
