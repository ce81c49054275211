/* What the parts of the event loop share: the manager's data, and who asks for whom.
 *
 * manager.c     sources in: dm events, one timer, signals, children that have ended
 * looks.c       when who is looked at, and how
 * reactions.c   what a finding leads to: words, hooks, errands
 * guarantees.c  whether each snapshot's guarantee holds
 * waking.c      who is looked at when its store was written to, instead of after a time
 * metrics_feed.c  what is counted, and when the metrics file is written
 * health.c      what the service manager hears
 * orders.c      what an operator may order; holding.c on whom no action is begun; reload.c the configuration anew
 */
#pragma once

#include "cowherd/autopsy.h"
#include "cowherd/brakes.h"
#include "cowherd/dmeventd.h"
#include "cowherd/errand.h"
#include "cowherd/herd.h"
#include "cowherd/hooks.h"
#include "cowherd/intent_file.h"
#include "cowherd/lateness.h"
#include "cowherd/manager.h"
#include "cowherd/operator_hold.h"
#include "cowherd/recall.h"
#include "metrics_feed.h"
#include "waking.h"
#include <systemd/sd-event.h>

/* A look at everybody even if nothing is ever written: 80 an hour, and at each the watchdog hears of it. */
#define HEARTBEAT_USEC UINT64_C(45000000)

/* And at every device of the machine, with its tables, although an event tells of each that comes, goes or changes: three times
 * what a look at everybody costs. While something is done, with every heartbeat. */
#define COMPLETE_LOOK_USEC (8 * HEARTBEAT_USEC)

struct service_bus;

struct manager {
    const struct manager_options *options;
    struct configuration configuration;
    struct journal *journal;
    sd_event *event;
    sd_event_source *timer;
    sd_event_source *dm_source;
    int dm_fd; /* -1: no device-mapper yet, or no events of it */
    bool blind;
    struct observation seen;
    struct herd herd;
    struct errands errands;
    struct recall recall;
    struct autopsies autopsies;
    struct hooks hooks;
    struct brakes brakes;
    struct operator_holds holds;
    struct dmeventd_questions dmeventd;
    struct waking waking;
    struct service_bus *bus; /* NULL: not on D-Bus */
    struct metrics_feed metrics;
    uint64_t look_usec;     /* the next complete look, no later */
    uint64_t complete_usec; /* the last one */
    struct lateness lateness;
    uint64_t due_usec;       /* when the timer was set for a look */
    uint64_t due_slept_usec; /* and how long the machine had slept until then */
    bool can_hold;           /* control groups are there for the brake */
    uint64_t can_hold_usec;  /* to be asked again */
    uint64_t watchdog_usec;
    bool watchdog_is_long;    /* it waits for a heartbeat more */
    uint64_t keep_alive_usec; /* the next word to the watchdog */
    bool looked;              /* the last complete look succeeded */
    bool ready;
    uint64_t ready_by_usec; /* ready, whatever has not settled by then */
    bool stopping;
    bool missing_told;
    bool status_waits;
    uint64_t status_usec; /* no STATUS before */
    char boot_id[BOOT_ID_BYTES];
    char config_error[256];
};

/* What is under way has had its time by then: longer than the deadline of its child. */
#define SETTLE_USEC UINT64_C(35000000)

/* The timer fires as soon as the loop is back. */
void manager_wake(struct manager *manager);
