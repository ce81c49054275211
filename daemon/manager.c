#include "cowherd/manager.h"
#include "boottime.h"
#include "cowherd/decision.h"
#include "cowherd/kernel.h"
#include "cowherd/notify.h"
#include "directories.h"
#include "guarantees.h"
#include "health.h"
#include "holding.h"
#include "looks.h"
#include "manager_state.h"
#include "reactions.h"
#include "reload.h"
#include "service_bus.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <unistd.h>

#define STOP_WAIT_USEC UINT64_C(35000000) /* for children at work when the daemon is told to stop */

static struct journal *library_journal;

static void log_library(int priority, const char *message)
{
    journal_message(library_journal, priority, "%s", message);
}

void manager_wake(struct manager *manager)
{
    sd_event_source_set_time(manager->timer, 0);
    sd_event_source_set_enabled(manager->timer, SD_EVENT_ONESHOT);
}

static void consider_brakes(struct manager *manager)
{
    const struct configuration *configuration = &manager->configuration;
    struct brakes_view view = {
        .herd = &manager->herd,
        .errands = &manager->errands,
        .enabled = configuration->brake && !manager->errands.dry_run,
        .assumed_bytes_per_second = configuration->assumed_bytes_per_second,
        .look_usec = configuration->shortest_poll_usec,
        .now_usec = boottime_now_usec() - boottime_slept_usec(),
        .slept_usec = boottime_slept_usec(),
    };
    brakes_consider(&manager->brakes, &view);
}

static void consider_waking(struct manager *manager)
{
    struct waking_view view = {
        .herd = &manager->herd,
        .seen = &manager->seen,
        .longest_usec = manager->configuration.longest_poll_usec,
        .heartbeat_usec = HEARTBEAT_USEC,
        .now_usec = boottime_now_usec(),
    };
    waking_consider(&manager->waking, &view);
}

/* Writers are not held for longer because nobody is looked at meanwhile. */
static uint64_t brakes_due_usec(const struct manager *manager)
{
    uint64_t next_usec = brakes_next_usec(&manager->brakes);
    return next_usec == UINT64_MAX ? UINT64_MAX : next_usec + boottime_slept_usec();
}

/* After every look: what people and the service manager hear, and when to look again. */
static void settle(struct manager *manager)
{
    consider_brakes(manager);
    consider_waking(manager);
    guarantees_consider(manager); /* by whether it is counted now */
    service_bus_consider(manager->bus);
    health_tell(manager);
    metrics_feed_consider(manager);
    uint64_t look = looks_next_usec(manager), word = health_next_usec(manager);
    uint64_t metrics = metrics_feed_next_usec(manager), brakes = brakes_due_usec(manager);
    word = metrics < word ? metrics : word;
    word = brakes < word ? brakes : word;
    manager->due_usec = look;
    manager->due_slept_usec = boottime_slept_usec();
    sd_event_source_set_time(manager->timer, look < word ? look : word);
    sd_event_source_set_enabled(manager->timer, SD_EVENT_ONESHOT);
}

static int on_dm_event(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct manager *manager = user;
    (void)events;
    /* Arm, then look: what happens in between is looked at twice rather than never. */
    int r = kernel_events_arm(fd);
    if (r < 0) {
        manager->blind = true;
        journal_message(manager->journal, LOG_WARNING,
                        "dm events are lost (%s): the devices are listed twice a second.", strerror(-r));
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    }
    looks_complete(manager);
    settle(manager);
    return 0;
}

static void tell_missing(struct manager *manager, int error)
{
    if (!manager->missing_told)
        journal_message(manager->journal, LOG_NOTICE,
                        "No device-mapper in this kernel yet (%s): waiting for it.", strerror(-error));
    manager->missing_told = true;
}

/* Returns whether there is a device-mapper to look at. */
static bool attach(struct manager *manager)
{
    if (manager->dm_fd >= 0 || manager->blind)
        return true;
    int r = kernel_events_open(&manager->dm_fd);
    if (r == -EOPNOTSUPP) {
        manager->blind = true;
        journal_message(
            manager->journal, LOG_NOTICE,
            "This kernel's device-mapper has no events to wait for: it is listed twice a second.");
    } else if (r < 0) {
        tell_missing(manager, r);
        manager->look_usec = boottime_now_usec() + MISSING_POLL_USEC;
        return false;
    } else if (sd_event_add_io(manager->event, &manager->dm_source, manager->dm_fd, EPOLLIN, on_dm_event,
                               manager) < 0) {
        manager->blind = true;
    }
    manager->missing_told = false;
    return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
    struct manager *manager = user;
    (void)source, (void)usec;
    if (attach(manager))
        looks_due(manager);
    settle(manager);
    return 0;
}

static void on_counters(void *user)
{
    struct manager *manager = user;
    looks_due(manager);
    settle(manager);
}

/* What the store of an extension is long now: as it was to be, or as somebody else may have made it. */
static uint64_t grown_to_sectors(struct manager *manager, const struct pursuit *pursuit)
{
    struct sample sample;
    if (pursuit->done)
        return plan_extend_goal_sectors(&pursuit->intent);
    return reactions_present(&pursuit->intent, &sample, manager) ? sample.total_sectors : 0;
}

/* An extension may have made less room than was filled meanwhile: then its rung is crossed again, and it goes on. An order
 * may have taken the place of a rung's action that waited, or kept one out. */
static void rearm(struct manager *manager, const struct pursuit *pursuit)
{
    const struct intent *intent = &pursuit->intent;
    uint64_t sectors = grown_to_sectors(manager, pursuit);
    struct member *member = decision_member(&manager->herd, intent);
    if (!member || !member->policy)
        return;
    if (intent_is_ordered(intent))
        ladder_rearm_actions(&member->ladder, member->policy);
    else
        ladder_rearm(&member->ladder, member->policy, intent->rung, sectors);
}

/* A child of an errand has ended, or an order: what it did is looked at, whether or not its events have come yet. */
static void on_errand_ended(const struct errand *errand, void *user)
{
    struct manager *manager = user;
    const struct pursuit *pursuit = &errand->pursuit;
    if (pursuit->phase == PURSUIT_ENDED &&
        (pursuit->intent.action == ACTION_EXTEND || intent_is_ordered(&pursuit->intent)))
        rearm(manager, pursuit);
    if (manager->stopping && errands_acting(&manager->errands) == 0) {
        sd_event_exit(manager->event, 0);
        return;
    }
    manager->look_usec = boottime_now_usec();
    manager_wake(manager);
}

static void on_limit_failed(void *user)
{
    manager_wake(user);
}

static int on_stop_overdue(sd_event_source *source, uint64_t usec, void *user)
{
    struct manager *manager = user;
    (void)source, (void)usec;
    return sd_event_exit(manager->event, 0);
}

/* A child at work is let finish its stretch, so that nothing stays half done; what is left is in its intent. Until then it
 * is looked at, so that the brake follows. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct manager *manager = user;
    (void)source, (void)info;
    manager->stopping = true;
    notify_stopping();
    if (errands_acting(&manager->errands) == 0)
        return sd_event_exit(manager->event, 0);
    return sd_event_add_time_relative(manager->event, NULL, CLOCK_MONOTONIC, STOP_WAIT_USEC, 0,
                                      on_stop_overdue, manager);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct manager *manager = user;
    (void)source, (void)info;
    reload(manager);
    settle(manager);
    return 0;
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int add_sources(struct manager *manager)
{
    int r = block_signals();
    if (r < 0 || (r = sd_event_new(&manager->event)) < 0 ||
        (r = sd_event_add_signal(manager->event, NULL, SIGTERM, on_stop, manager)) < 0 ||
        (r = sd_event_add_signal(manager->event, NULL, SIGINT, on_stop, manager)) < 0 ||
        (r = sd_event_add_signal(manager->event, NULL, SIGHUP, on_reload, manager)) < 0)
        return r;
    /* Accuracy 1 us: the default lets a timer be a quarter of a second late. */
    return sd_event_add_time(manager->event, &manager->timer, CLOCK_BOOTTIME, 0, 1, on_timer, manager);
}

/* What an earlier daemon, or one before the last boot, has left to be put back or gone on with. */
static void recall(struct manager *manager)
{
    int r = manager->options->dry_run ? 0 : intent_file_sweep(manager->errands.state_directory);
    if (r < 0) /* once more, for nobody comes by again before the next start */
        r = intent_file_sweep(manager->errands.state_directory);
    if (r < 0)
        journal_message(manager->journal, LOG_WARNING, "Half-written intents cannot be removed: %s",
                        strerror(-r));
    if (!manager->options->dry_run)
        brakes_recall(&manager->brakes);
    action_memory_recall(&manager->errands.memory);
    manager->recall = (struct recall){.errands = &manager->errands, .boot_id = manager->boot_id};
    recall_read(&manager->recall, boottime_now_usec());
    errands_review(&manager->errands, reactions_review_intent, manager);
    manager->ready_by_usec = boottime_now_usec() + SETTLE_USEC;
}

/* What is carried out, and what holds writers meanwhile. */
static void wire_actions(struct manager *manager)
{
    const char *state_directory = directory_state();
    manager->errands = (struct errands){
        .event = manager->event,
        .journal = manager->journal,
        .state_directory = state_directory,
        .dry_run = manager->options->dry_run || manager->configuration.dry_run,
        .memory = {.event = manager->event,
                   .journal = manager->journal,
                   .state_directory = manager->options->dry_run ? NULL : state_directory},
        .present = reactions_present,
        .stalled = react_to_stalled,
        .ended = on_errand_ended,
        .user = manager,
    };
    manager->brakes = (struct brakes){
        .event = manager->event,
        .journal = manager->journal,
        .runtime_directory = directory_runtime(),
        .failed = on_limit_failed,
        .user = manager,
    };
}

/* What is asked, woken and called besides. */
static void wire_helpers(struct manager *manager)
{
    manager->autopsies = (struct autopsies){
        .event = manager->event, .tell = react_to_known_lost, .user = manager};
    manager->hooks = (struct hooks){
        .event = manager->event,
        .journal = manager->journal,
        .dry_run = manager->errands.dry_run,
        .failed = react_to_stalled,
        .user = manager,
    };
    manager->dmeventd = (struct dmeventd_questions){
        .event = manager->event, .tell = react_to_dmeventd, .user = manager};
    manager->waking = (struct waking){
        .event = manager->event, .journal = manager->journal, .woken = on_counters, .user = manager};
}

static int set_up(struct manager *manager)
{
    int r = add_sources(manager);
    if (r < 0)
        return r;
    r = intent_boot_id(manager->boot_id);
    if (r < 0)
        return r;
    wire_actions(manager);
    wire_helpers(manager);
    manager->watchdog_usec = notify_watchdog_usec();
    library_journal = manager->journal;
    kernel_open(log_library);
    metrics_feed_begin(manager);
    recall(manager);
    holding_recall(manager);
    r = service_bus_open(manager, &manager->bus);
    if (r < 0)
        journal_message(manager->journal, LOG_WARNING, "D-Bus cannot be served: %s", strerror(-r));
    return 0;
}

static void tear_down(struct manager *manager)
{
    autopsies_done(&manager->autopsies);
    hooks_done(&manager->hooks);
    brakes_done(&manager->brakes);
    operator_holds_done(&manager->holds);
    recall_done(&manager->recall);
    dmeventd_done(&manager->dmeventd);
    errands_done(&manager->errands);
    waking_done(&manager->waking);
    herd_done(&manager->herd);
    observation_done(&manager->seen);
    configuration_done(&manager->configuration);
    service_bus_close(manager->bus); /* behind all that may have something to tell */
    metrics_feed_done(manager);      /* behind whoever may still say something */
    sd_event_source_disable_unref(manager->dm_source);
    sd_event_source_disable_unref(manager->timer);
    sd_event_unref(manager->event);
    if (manager->dm_fd >= 0)
        close(manager->dm_fd);
}

int manager_run(const struct manager_options *options, struct configuration *configuration,
                struct journal *journal)
{
    struct manager manager = {
        .options = options, .configuration = *configuration, .journal = journal, .dm_fd = -1};
    *configuration = (struct configuration){0};
    int r = set_up(&manager);
    if (r >= 0)
        r = sd_event_loop(manager.event);
    tear_down(&manager);
    return r;
}
