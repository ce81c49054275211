/* Counting: how many writes to a store may go by before its snapshot must be looked at.
 *
 * An exception costs its store at least one write. So with N exceptions left to the next rung it need not be looked
 * at before N writes; there is nothing to poll for until then. Each CPU counts for itself, and fires at its own
 * `period` of writes: with C CPUs up to C * (period - 1) writes may go unseen. With period <= N / C no rung is passed
 * unseen. A store writes more than once for some exceptions (metadata), and once for none (a chunk that is copied
 * already): then a counter fires early, never late.
 *
 * Periods are powers of two, so that N falls by half before a counter is armed anew, not at every look.
 *
 * A store that fills is looked at besides, at each hundredth of its size or so, between once a second and the longest poll,
 * for its fill and rate to be told. "TIME left" depends on that rate, which is nothing that writes add up to: of a store that stands still the first write wakes then, and one that
 * fills is looked at whenever a share of its room is gone.
 *
 * Counting pays as long as writes fill the store. Where they only overwrite what is copied already, close to a rung, it
 * would wake at each of them: a budget of looks is spent by that, and while it is made up the snapshot is paced.
 */
#pragma once

#include "cowherd/exception_store.h"

/* The soonest look for nothing but to be told: what people see of a store that fills is no older. */
#define COUNTING_SHOWN_USEC UINT64_C(1000000)

/* Of the room left, for a rung of "TIME left": at each such look the rate is known anew. */
#define COUNTING_TIME_SHARE 16

/* In the long run a counter causes no more looks than ten a second; one takes some ten microseconds. */
#define COUNTING_LOOK_USEC UINT64_C(100000)

/* Looks in a row. Passing a rung at full speed takes some five for each halving and CPU: N = 2^20 chunks, 100. */
#define COUNTING_LOOKS_PER_CPU UINT64_C(128)

/* Exceptions are counted as used before they are written: no more than the kernel lets wait (dm-snapshot's cow_threshold,
 * 2048) and those of one request. */
#define COUNTING_IN_FLIGHT UINT64_C(4096)

struct counting_subject {
    struct exception_store store;
    uint64_t used_sectors;
    uint64_t bytes_to_next_rung; /* UINT64_MAX: no rung of a known height is armed */
    bool waits_for_time;         /* a "TIME left" rung is armed */
    uint64_t bytes_per_second;   /* its smoothed rate; 0: it stands still */
    unsigned cpus;
    uint64_t longest_usec;   /* the longest poll */
    uint64_t heartbeat_usec; /* looks that come whatever happens */
};

struct counting_plan {
    uint64_t period;     /* writes on one CPU, at least 1 */
    uint64_t timer_usec; /* when it is looked at although its counter has not fired */
};

struct counting_plan counting_plan(const struct counting_subject *subject);

/* The looks that counters have caused of late. Zeroed: none. */
struct counting_budget {
    uint64_t looks;
    uint64_t since_usec;
    bool spent;
};

void counting_fired(struct counting_budget *budget);

/* Whether the counter is to be relied on now: not from where the budget is spent until half of it is there again. */
bool counting_pays(struct counting_budget *budget, unsigned cpus, uint64_t now_usec);

/* Whether more exceptions were made than a counter can have missed: it does not see this store's writes. */
bool counting_is_deaf(uint64_t exceptions, uint64_t writes);
