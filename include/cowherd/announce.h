/* Announcements: what happens to a snapshot, put into words and fields, and handed to the journal.
 *
 * One function for each thing that can happen; the sentence says what happened, how full the store is and
 * what that means, for somebody who reads nothing but this one line.
 */
#pragma once

#include "cowherd/brake.h"
#include "cowherd/event_fields.h"
#include "cowherd/herd.h"
#include "cowherd/journal.h"
#include "cowherd/pursuit.h"

/* Whom an announcement is about: a member, or what an intent still knows of it when it has gone. */
struct subject {
    const char *name;
    const char *uuid;
    enum role role;
    bool has_sample;
    struct sample sample;
};

struct subject subject_of_member(const struct member *member);
struct subject subject_of_intent(const struct intent *intent);

/* guarantee: "yes: at 256 MiB/s …" */
void announce_found(struct journal *journal, const struct member *member, const char *guarantee);
void announce_renamed(struct journal *journal, const struct member *member);
void announce_role(struct journal *journal, const struct member *member);
void announce_gone(struct journal *journal, const struct member *member);

/* A rung that was climbed, with the priority of its alert; of a loss with its reason, else NULL. The facts are for its hooks. */
void announce_rung(struct journal *journal, const struct subject *subject, const struct rung *rung,
                   const char *reason, struct event_fields *ret_facts);

/* A lost snapshot: why, and what is lost by it. rung: its `on lost` one, or NULL. */
void announce_lost(struct journal *journal, const struct subject *subject, const struct rung *rung,
                   const char *reason, struct event_fields *ret_facts);

/* The stages of an action. result: the reason, or NULL; all in the words of the plan. */
struct stage {
    const char *action; /* as written: "drop" */
    const char *rung;   /* as written, or NULL */
    const char *result;
    uint64_t took_usec; /* done: since its start; 0: not known */
    bool dry_run;
    bool goes_on; /* start: it had been begun before this daemon was started */
    bool
        half_done; /* failed, deferred: the machine went down in the middle, its origin may be half rolled back */
};

void announce_start(struct journal *journal, const struct subject *subject, const struct stage *stage);
void announce_done(struct journal *journal, const struct subject *subject, const struct stage *stage);
void announce_failed(struct journal *journal, const struct subject *subject, const struct stage *stage);
void announce_deferred(struct journal *journal, const struct subject *subject, const struct stage *stage);

/* The same of a hook. result: what it wrote, or why it failed. */
void announce_hook_start(struct journal *journal, const struct subject *subject, const char *hook,
                         const struct stage *stage);
void announce_hook_done(struct journal *journal, const struct subject *subject, const char *hook,
                        const struct stage *stage);
void announce_hook_failed(struct journal *journal, const struct subject *subject, const char *hook,
                          const struct stage *stage);

/* The brake: writers are held, are let go, cannot be held. */
struct brake_stage {
    const char *action; /* that they are held for */
    const char *rung;
    struct brake_rate rate;
    bool by_throttle;       /* all copying of dm-snapshot is, instead of the writers of one device */
    uint64_t expected_usec; /* what the action is expected to take */
    uint64_t took_usec;     /* released: how long they were held */
    bool overdue;           /* released: because the action has taken longer than anybody may be held */
};

void announce_brake_engaged(struct journal *journal, const struct subject *subject,
                            const struct brake_stage *stage);
void announce_brake_released(struct journal *journal, const struct subject *subject,
                             const struct brake_stage *stage);
void announce_brake_failed(struct journal *journal, const struct subject *subject,
                           const struct brake_stage *stage, const char *reason);
/* A hold of an operator's: that it begins ("held by root until 12:30:00"), that it has ended, and why. */
void announce_hold(struct journal *journal, const struct subject *subject, const char *reason);
void announce_hold_end(struct journal *journal, const struct subject *subject, const char *reason);

/* lvm's dmeventd watches it too. */
void announce_second_watcher(struct journal *journal, const struct member *member);

/* The configuration: taken, or refused with one message (FILE:LINE: text). */
void announce_config(struct journal *journal, int priority, const char *result, const char *sentence);

/* "watching 3 snapshots; fullest: root-backup, 42.10 % …": the STATUS line. herd: NULL while the kernel has no device-mapper. */
#define STATUS_MAX 512
const char *announce_status(const struct herd *herd, size_t n_actions, const char *config_error,
                            char text[static STATUS_MAX]);
