/* Hooks: those of the daemon that run or wait, on the event loop.
 *
 * Those of one snapshot run one after the other, in the order in which their rungs were crossed; those of
 * different snapshots side by side, HOOKS_RUNNING_MAX at most. A call keeps copies of all it needs: it is made
 * also when its snapshot has vanished or its section has gone from the configuration.
 */
#pragma once

#include "cowherd/announce.h"
#include "cowherd/configuration.h"
#include "cowherd/event_fields.h"
#include <systemd/sd-event.h>

#define HOOKS_RUNNING_MAX 8
#define HOOKS_WAITING_MAX 16  /* of one snapshot; a further one is dropped, and said to be */
#define HOOKS_CALLS_MAX   256 /* of all */

struct hook_call;

struct hooks {
    struct hook_call **items; /* the oldest first */
    size_t n_items;
    sd_event *event;
    struct journal *journal;
    bool starting;
    bool dry_run;                                              /* only say what would be run */
    void (*failed)(const struct subject *subject, void *user); /* not those of `on stalled` */
    void *user;
};

/* Runs the hooks of a rung, with the facts of the event that it stands for. */
void hooks_run(struct hooks *hooks, const struct configuration *configuration, const struct subject *subject,
               const struct rung *rung, const struct event_fields *facts);

/* The daemon ends: hooks that run go on by themselves, those that wait are said not to be run. */
void hooks_done(struct hooks *hooks);
