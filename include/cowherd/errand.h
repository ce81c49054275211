/* Errands: the pursuits of the daemon, each with the child that acts for it, on the event loop.
 *
 * The manager brings intents and observations, an errand starts children, kills those that overstay, takes
 * their results and announces what comes of it. What to do is decided by plan.h and pursuit.h, not here.
 */
#pragma once

#include "cowherd/action_memory.h"
#include "cowherd/announce.h"
#include "cowherd/watched_child.h"
#include <systemd/sd-event.h>

struct errands;

struct errand {
    struct pursuit pursuit;
    bool has_sample;
    struct sample sample; /* of its snapshot when it was decided */
    bool goes_on;         /* its intent was found when the daemon started, or its merge was somebody else's */
    bool has_successor;   /* a later rung wants this when the child has ended */
    struct intent successor;
    bool successor_has_sample;
    struct sample successor_sample;
    bool has_earlier; /* its intent is of an earlier boot, and recorded as such */
    struct intent earlier;
    bool settled; /* it has come as far as it can for now: the kernel merges, or it has failed or must wait */
    unsigned stretches;    /* children so far */
    uint64_t attempt_usec; /* CLOCK_MONOTONIC: when the last one was started */
    uint64_t since_usec;   /* CLOCK_MONOTONIC: what its action takes counts from here */
    uint64_t stopped_usec; /* when a look first showed that the filling had stopped; 0: not yet */
    bool acting;
    bool overdue; /* its child was killed for its deadline; that is told already */
    struct watched_child child;
    struct errands *errands;
};

struct errands {
    struct errand **items;
    size_t n_items;
    sd_event *event;
    struct journal *journal;
    const char *state_directory;
    bool dry_run;
    struct action_memory memory; /* what actions took */
    /* What is used of a snapshot's store now, for what is said; false: not known any more. */
    bool (*present)(const struct intent *intent, struct sample *ret_sample, void *user);
    void (*stalled)(const struct subject *subject, void *user); /* `on stalled` is due */
    void (*ended)(const struct errand *errand, void *user); /* a child has ended, or an order: look again */
    void *user;
};

/* Takes on an intent: a new errand, or a later rung's word on one that runs. sample may be NULL. */
int errands_begin(struct errands *errands, const struct intent *intent, const struct sample *sample,
                  bool goes_on, bool recorded, uint64_t now_usec);

/* Takes on an intent of an earlier boot, whose devices were found again (relocation.h). */
int errands_begin_relocated(struct errands *errands, const struct intent *intent,
                            const struct intent *earlier, uint64_t now_usec);

/* Lets errands go on by what was seen: all of them after a complete look, else those that are due, whose
 * devices alone were looked at. */
void errands_consider(struct errands *errands, const struct observation *seen, bool complete,
                      uint64_t now_usec);

/* When the first of them is due; UINT64_MAX for never. */
uint64_t errands_next_usec(const struct errands *errands);

/* The errand of a snapshot, or NULL. */
struct errand *errands_find(const struct errands *errands, const struct intent *like);

/* Whether a target is the merging origin of an errand: its business, not another snapshot, as long as the merge has not
 * failed. */
bool errands_own(const struct errands *errands, const struct dm_device *device, const struct target *target);

/* Whether all merges have settled: whoever mounts their devices from now on is not in their way. */
bool errands_settled(const struct errands *errands);

/* What an action of this snapshot is to be reckoned with, from the look that crosses its rung to where it stops the filling;
 * 0: not seen (action_times.h). */
uint64_t errands_took_usec(const struct errands *errands, enum action_kind action,
                           const struct member *member);

/* How many have a child at work. */
size_t errands_acting(const struct errands *errands);

/* Has every intent held, or not any more: the function says why, or "". One whose hold ends goes on at once. */
void errands_hold(struct errands *errands, const char *(*held)(const struct intent *intent, void *user),
                  void *user);

/* Has every intent reviewed, after the configuration has changed: the function may cancel it. */
void errands_review(struct errands *errands, void (*review)(struct intent *intent, void *user), void *user);

void errands_done(struct errands *errands);
