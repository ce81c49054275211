/* Errands: the pursuits of the daemon, each with the child that acts for it, on the event loop.
 *
 * The manager brings intents and observations, an errand starts children, kills those that overstay, takes
 * their results and announces what comes of it. What to do is decided by plan.h and pursuit.h, not here.
 */
#pragma once

#include "cowherd/announce.h"
#include "cowherd/child.h"
#include <systemd/sd-event.h>

struct errands;

struct errand {
    struct pursuit pursuit;
    bool has_sample;
    struct sample sample; /* of its snapshot when it was decided, for its announcements */
    bool goes_on;         /* its intent was found when the daemon started, or its merge was somebody else's */
    bool has_successor;   /* a later rung wants this when the child has ended */
    struct intent successor;
    bool has_earlier; /* its intent is of an earlier boot, and recorded as such */
    struct intent earlier;
    bool settled; /* it has come as far as it can for now: the kernel merges, or it has failed or must wait */
    unsigned stretches; /* children so far */
    bool acting;
    bool overdue; /* its child was killed for its deadline; that is told already */
    struct child child;
    sd_event_source *exit_source;
    sd_event_source *deadline_source;
    struct errands *errands;
};

struct errands {
    struct errand **items;
    size_t n_items;
    sd_event *event;
    struct journal *journal;
    const char *state_directory;
    bool dry_run;
    uint64_t took_usec[2][ACTION_DROP + 1];                     /* errands_took_usec(); lvm's apart */
    void (*stalled)(const struct subject *subject, void *user); /* `on stalled` is due */
    void (*ended)(const struct errand *errand, void *user);     /* a child has ended: look again */
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

/* The longest time seen from an action's start to where it stopped the filling, of snapshots of this one's kind (lvm's
 * or not); 0: not seen. */
uint64_t errands_took_usec(const struct errands *errands, enum action_kind action, const char *uuid);

/* How many have a child at work. */
size_t errands_acting(const struct errands *errands);

/* Has every intent reviewed, after the configuration has changed: the function may cancel it. */
void errands_review(struct errands *errands, void (*review)(struct intent *intent, void *user), void *user);

void errands_done(struct errands *errands);
