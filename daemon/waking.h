/* Waking: who is looked at when its store has been written to so often, and who is paced (counting.h, write_counter.h).
 *
 * A snapshot that is counted needs no timer but the heartbeat. Where writes cannot be counted (by none of the
 * means, or there is no permission) every snapshot is paced, that is said once, and tried again once a minute.
 *
 * COWHERD_COUNTING=no in the environment switches counting off, records and events leave better means unused, to measure what
 * they are worth.
 */
#pragma once

#include "cowherd/herd.h"
#include "cowherd/journal.h"
#include <systemd/sd-event.h>

struct write_counters;
struct waiter;

struct waking {
    sd_event *event;
    struct journal *journal;
    void (*woken)(void *user); /* counters have fired: those who are due are to be looked at */
    void *user;
    struct write_counters *counters; /* NULL: none to be had, or nobody to count for */
    sd_event_source *source;
    struct waiter **waiters;
    size_t n_waiters;
    bool told;
    uint64_t retry_usec;
};

struct waking_view {
    const struct herd *herd;
    const struct observation *seen;
    uint64_t longest_usec;   /* the longest poll */
    uint64_t heartbeat_usec; /* between two looks at whoever stands still */
    uint64_t now_usec;
};

/* After every look at all who were due: opens, arms and stops counters by what was seen. */
void waking_consider(struct waking *waking, const struct waking_view *view);

/* When a member is to be looked at that would be looked at after paced_usec if it is not counted. watched: it is to be
 * looked at so soon although it is counted. */
uint64_t waking_due_usec(const struct member *member, uint64_t paced_usec, bool watched);

/* Whether nobody needs a look before the next heartbeat unless something happens. */
bool waking_is_calm(const struct herd *herd, uint64_t heartbeat_usec);

/* Whether a member's store is being counted now; whether one that has just been found will be. */
bool waking_is_counting(const struct member *member);
bool waking_will_count(struct waking *waking, uint64_t now_usec);

/* For who has no waking: 0 where writes can be counted here, else a negative errno; -ECANCELED: COWHERD_COUNTING=no. */
int waking_can_count(void);

/* Before a member is freed. */
void waking_forget(struct waking *waking, struct member *member);

void waking_done(struct waking *waking);
