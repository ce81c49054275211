/* Brakes: while an errand's action is in flight, or waits for the last one's child to end, the writers that fill its store
 * are held back (brake.h), by a child (brake_limit.h), and let go when it has come.
 *
 * A hold is one snapshot's need, a limit is what is set on one device for all holds on it. The newest rate wins; one
 * child at a time is at work on a device. A hold lasts until the filling is stopped, and no longer than an action's
 * deadline; when that has passed, only attempts that are begun later hold again, each while its child acts.
 */
#pragma once

#include "cowherd/brake_limit.h"
#include "cowherd/errand.h"
#include "cowherd/herd.h"
#include <systemd/sd-event.h>

struct hold;
struct limit;

struct brakes {
    struct hold **holds;
    size_t n_holds;
    struct limit **limits;
    size_t n_limits;
    sd_event *event;
    struct journal *journal;
    const char *runtime_directory;
    uint64_t engage_usec;       /* the longest that it took to hold writers who were free; 0: not seen */
    bool is_failing;            /* the last ones could not be held one device at a time */
    void (*failed)(void *user); /* a limit is to be tried again, at brakes_next_usec() */
    void *user;
};

struct brakes_view {
    const struct herd *herd;
    const struct errands *errands;
    bool enabled; /* brake = yes */
    uint64_t assumed_bytes_per_second;
    uint64_t look_usec;  /* how often a member is looked at that is watched */
    uint64_t now_usec;   /* CLOCK_MONOTONIC: that of brakes */
    uint64_t slept_usec; /* CLOCK_BOOTTIME less that */
};

/* Puts back what an earlier daemon has left. */
void brakes_recall(struct brakes *brakes);

/* After each look: who is to be held, and how fast. Never blocks. */
void brakes_consider(struct brakes *brakes, const struct brakes_view *view);

/* Whether a member is to be looked at as often as may be: its action is in flight. */
bool brakes_watch(const struct brakes *brakes, const struct member *member);

/* When a limit that could not be set, or put back, is to be tried again; UINT64_MAX: none is. */
uint64_t brakes_next_usec(const struct brakes *brakes);

/* Puts everything back, waiting for it, and frees. */
void brakes_done(struct brakes *brakes);
