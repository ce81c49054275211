#include "cowherd/manager.h"
#include "cowherd/announce.h"
#include "cowherd/autopsy.h"
#include "cowherd/brakes.h"
#include "cowherd/decision.h"
#include "cowherd/dmeventd.h"
#include "cowherd/errand.h"
#include "cowherd/exception_store.h"
#include "cowherd/herd.h"
#include "cowherd/hooks.h"
#include "cowherd/intent_file.h"
#include "cowherd/kernel.h"
#include "cowherd/notify.h"
#include "cowherd/pacing.h"
#include "cowherd/recall.h"
#include "directories.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#define MISSING_POLL_USEC UINT64_C(1000000)  /* device-mapper is not there yet: asked for once a second */
#define BLIND_POLL_USEC   UINT64_C(500000)   /* no dm events before driver 4.38: listed twice a second */
#define SAFETY_LOOK_USEC  UINT64_C(60000000) /* a complete look even if no event ever comes */
#define STATUS_USEC       UINT64_C(1000000)
#define SETTLE_USEC       UINT64_C(35000000) /* for what is under way, longer than the deadline of its child */
#define STOP_WAIT_USEC    UINT64_C(35000000) /* for children at work when the daemon is told to stop */

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
    struct dmeventd_questions dmeventd;
    uint64_t look_usec; /* the next complete look */
    uint64_t watchdog_usec;
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

static struct journal *library_journal;

static void log_library(int priority, const char *message)
{
    journal_message(library_journal, priority, "%s", message);
}

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const struct policy *policy_of(const struct manager *manager, const char *name, const char *uuid)
{
    return policy_find(manager->configuration.policies, manager->configuration.n_policies, name, uuid);
}

static void on_stalled(const struct subject *subject, void *user)
{
    struct manager *manager = user;
    const struct policy *policy = policy_of(manager, subject->name, subject->uuid);
    const struct rung *rung = policy ? policy_rung_by_kind(policy, CONDITION_STALLED) : NULL;
    if (!rung)
        return;
    struct event_fields facts;
    announce_rung(manager->journal, subject, rung, &facts);
    hooks_run(&manager->hooks, &manager->configuration, subject, rung, &facts);
}

/* A ladder is an escalation: a rung written before the one whose action waits already does not take its place. What
 * waits for a snapshot that is lost cannot be begun any more. */
static bool is_outranked(const struct manager *manager, const struct intent *intent,
                         const struct policy *policy, const struct rung *rung)
{
    const struct errand *errand = errands_find(&manager->errands, intent);
    const struct intent *latest = !errand                 ? NULL
                                  : errand->has_successor ? &errand->successor
                                                          : &errand->pursuit.intent;
    const struct rung *waiting = latest ? policy_rung_by_text(policy, latest->rung) : NULL;
    return waiting && waiting > rung; /* both in the policy's array, in the order they are written */
}

static void wake(struct manager *manager)
{
    sd_event_source_set_time(manager->timer, 0);
    sd_event_source_set_enabled(manager->timer, SD_EVENT_ONESHOT);
}

static void carry_out(struct manager *manager, const struct member *member, const struct policy *policy,
                      const struct rung *rung)
{
    if (manager->stopping)
        return; /* its rung is crossed again when the daemon is back */
    const struct action *action = rung_changing_action(rung);
    const char *impossible = recall_waits_for(&manager->recall, member->device)
                                 ? "what was begun before the machine went down must be finished first"
                                 : decision_why_impossible(member);
    if (impossible) {
        struct subject subject = subject_of_member(member);
        struct stage stage = {
            .action = action_kind_name(action->kind), .rung = rung->text, .result = impossible};
        announce_failed(manager->journal, &subject, &stage);
        on_stalled(&subject, manager);
        return;
    }
    struct intent intent = decision_intent(member, policy, rung, manager->boot_id);
    if (!snapshot_state_is_lost(member->target.status.state) && is_outranked(manager, &intent, policy, rung))
        return;
    if (errands_begin(&manager->errands, &intent, &member->sample, false, false, now_usec()) < 0)
        journal_message(manager->journal, LOG_ERR, "Out of memory: %s is not carried out.", rung->text);
    wake(manager);
}

/* Where there are two that may act on a snapshot. */
static void ask_for_dmeventd(struct manager *manager, const struct member *member)
{
    const struct policy *policy = member->policy;
    bool acts = policy &&
                (policy_rung_by_action(policy, ACTION_EXTEND) ||
                 policy_rung_by_action(policy, ACTION_MERGE) || policy_rung_by_action(policy, ACTION_DROP));
    if (acts && dm_uuid_is_lvm(member->uuid))
        dmeventd_ask(&manager->dmeventd, member->name, member->uuid);
}

static void on_dmeventd(const char *uuid, void *user)
{
    struct manager *manager = user;
    for (size_t i = 0; i < manager->herd.n_members; i++)
        if (strcmp(manager->herd.members[i]->uuid, uuid) == 0)
            announce_second_watcher(manager->journal, manager->herd.members[i]);
}

static void on_crossed(struct manager *manager, const struct member *member, uint32_t crossed)
{
    struct subject subject = subject_of_member(member);
    for (size_t i = 0; i < member->policy->n_rungs; i++) {
        if (!(crossed & UINT32_C(1) << i))
            continue;
        struct event_fields facts;
        announce_rung(manager->journal, &subject, &member->policy->rungs[i], &facts);
        hooks_run(&manager->hooks, &manager->configuration, &subject, &member->policy->rungs[i], &facts);
    }
    int chosen = ladder_rung_to_carry_out(member->policy, crossed);
    if (chosen >= 0) {
        carry_out(manager, member, member->policy, &member->policy->rungs[chosen]);
        ask_for_dmeventd(manager, member);
    }
}

static struct errand *errand_of(const struct manager *manager, const struct member *member)
{
    struct intent like = {
        .device = member->device,
        .disk_sequence = member->disk_sequence,
        .origin = member->target.origin,
        .store = member->target.store,
    };
    strcpy(like.uuid, member->uuid);
    strcpy(like.boot_id, manager->boot_id);
    return errands_find(&manager->errands, &like);
}

static bool is_handed_over(const struct manager *manager, const struct errand *errand)
{
    const struct dm_device *device = observation_find(&manager->seen, errand->pursuit.intent.origin_user);
    const struct target *target = device ? dm_device_only_target(device) : NULL;
    return target && target->kind == TARGET_SNAPSHOT_MERGE;
}

/* The handover of a rollback invalidates the snapshot it takes the store from: that is no loss. */
static void on_lost(struct manager *manager, struct member *member)
{
    const struct errand *errand = errand_of(manager, member);
    if (errand && errand->pursuit.intent.action == ACTION_MERGE &&
        errand->pursuit.intent.role == ROLE_BACKUP && (errand->acting || is_handed_over(manager, errand))) {
        member->lost_told = false; /* should the merge come to nothing, it is told then */
        return;
    }
    autopsies_begin(&manager->autopsies, member);
}

static void on_known_lost(const struct member *member, const char *reason, void *user)
{
    struct manager *manager = user;
    const struct policy *policy = policy_of(manager, member->name, member->uuid);
    const struct rung *rung = policy ? policy_rung_by_kind(policy, CONDITION_LOST) : NULL;
    struct subject subject = subject_of_member(member);
    struct event_fields facts;
    announce_lost(manager->journal, &subject, rung, reason, &facts);
    if (rung)
        hooks_run(&manager->hooks, &manager->configuration, &subject, rung, &facts);
    const struct rung *next = policy ? decision_rung_when_lost(member, policy) : NULL;
    if (next)
        carry_out(manager, member, policy, next);
}

static void on_finding(const struct finding *finding, void *user)
{
    struct manager *manager = user;
    switch (finding->kind) {
    case FINDING_FOUND:
        announce_found(manager->journal, finding->member);
        ask_for_dmeventd(manager, finding->member);
        break;
    case FINDING_RENAMED:
        announce_renamed(manager->journal, finding->member);
        break;
    case FINDING_ROLE:
        announce_role(manager->journal, finding->member);
        break;
    case FINDING_GONE:
        announce_gone(manager->journal, finding->member);
        dmeventd_forget(&manager->dmeventd, finding->member->uuid);
        break;
    case FINDING_CROSSED:
        on_crossed(manager, finding->member, finding->crossed);
        break;
    case FINDING_LOST:
        on_lost(manager, finding->member);
        break;
    }
}

static bool is_ours(const struct dm_device *device, const struct target *target, void *user)
{
    struct manager *manager = user;
    return errands_own(&manager->errands, device, target);
}

static struct herd_view view_of(struct manager *manager)
{
    return (struct herd_view){
        .policies = manager->configuration.policies,
        .n_policies = manager->configuration.n_policies,
        .is_ours = is_ours,
        .tell = on_finding,
        .user = manager,
    };
}

static void adopt_merges(struct manager *manager)
{
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        const struct member *member = manager->herd.members[i];
        struct intent intent;
        if (manager->errands.dry_run || errand_of(manager, member) ||
            !decision_adopts_merge(member, manager->boot_id, &intent))
            continue;
        errands_begin(&manager->errands, &intent, &member->sample, true, false, now_usec());
    }
}

static void consider_errands(struct manager *manager, bool complete)
{
    if (!manager->stopping && manager->looked)
        errands_consider(&manager->errands, &manager->seen, complete, now_usec());
}

static void review_intent(struct intent *intent, void *user)
{
    struct manager *manager = user;
    const struct policy *policy = policy_of(manager, intent->name, intent->uuid);
    decision_review(intent, policy);
}

/* Before the herd's look, so that no rung is carried out on a device whose merge was under way. */
static void look_for_recalled(struct manager *manager)
{
    size_t n_waiting = manager->recall.n_items;
    recall_look(&manager->recall, &manager->seen, now_usec());
    if (manager->recall.n_items < n_waiting)
        errands_review(&manager->errands, review_intent, manager);
}

/* Nothing raises an event when the time to tell what is not there has come. */
static uint64_t next_look_usec(const struct manager *manager)
{
    uint64_t due = recall_next_usec(&manager->recall), now = now_usec();
    uint64_t next = now + (manager->blind ? BLIND_POLL_USEC : SAFETY_LOOK_USEC);
    return due > now && due < next ? due : next;
}

static int look(struct manager *manager)
{
    struct observation seen = {0};
    struct herd_view view = view_of(manager);
    int r = kernel_observe(&seen);
    manager->looked = r >= 0;
    manager->look_usec = next_look_usec(manager);
    if (r < 0) {
        manager->look_usec = now_usec() + MISSING_POLL_USEC;
        journal_message(manager->journal, LOG_ERR, "Cannot list the dm devices: %s", strerror(-r));
        return r;
    }
    if (observation_find_unreadable(&seen))
        manager->look_usec = now_usec() + BLIND_POLL_USEC; /* nothing is done until all can be read */
    observation_done(&manager->seen);
    manager->seen = seen;
    look_for_recalled(manager);
    r = herd_look(&manager->herd, &manager->seen, now_usec(), &view);
    adopt_merges(manager);
    consider_errands(manager, true);
    return r;
}

static uint64_t interval_usec(const struct manager *manager, const struct member *member)
{
    const struct configuration *configuration = &manager->configuration;
    struct pacing_bounds bounds = {
        .longest_usec = configuration->longest_poll_usec,
        .shortest_usec = configuration->shortest_poll_usec,
        .assumed_bytes_per_second = configuration->assumed_bytes_per_second,
    };
    int rung = -1;
    if (brakes_watch(&manager->brakes, member))
        return bounds.shortest_usec;
    if (!member->policy || !member->has_sample || member->target.kind != TARGET_SNAPSHOT ||
        member->target.status.state != SNAPSHOT_VALID)
        return bounds.longest_usec;
    struct pacing_subject subject = {
        .bytes_to_next_rung = ladder_bytes_to_next(&member->ladder, member->policy, &member->sample, &rung),
        .bytes_left = member->sample.bytes_left,
        .waits_for_time = ladder_waits_for_time(&member->ladder, member->policy),
        .peak_bytes_per_second = member->sample.peak_bytes_per_second,
    };
    const struct action *action = rung >= 0 ? rung_changing_action(&member->policy->rungs[rung]) : NULL;
    subject.action_usec = action ? errands_took_usec(&manager->errands, action->kind, member->uuid) : 0;
    return pacing_interval_usec(&bounds, &subject);
}

static uint64_t due_usec(const struct manager *manager, const struct member *member)
{
    return member->asked_usec + interval_usec(manager, member);
}

/* Takes a fresh sample of a device into what was seen. 0; -ESTALE or -ENXIO: a complete look is due. */
static int sample(struct manager *manager, dev_t number)
{
    for (size_t i = 0; i < manager->seen.n_devices; i++) {
        struct dm_device *device = &manager->seen.devices[i], fresh;
        if (device->number != number || device->error)
            continue;
        int r = kernel_sample(device, &fresh);
        if (r < 0)
            return r;
        dm_device_done(device);
        *device = fresh;
        return 0;
    }
    return -ESTALE;
}

/* Looks at one member. Returns whether a complete look is due. */
static bool look_at_member(struct manager *manager, struct member *member)
{
    struct herd_view view = view_of(manager);
    bool stale = false;
    dev_t number = member->device;
    member->asked_usec = now_usec();
    int r = sample(manager, number);
    if (r == -ESTALE || r == -ENXIO)
        return true;
    if (r == 0)
        herd_sample(&manager->herd, observation_find(&manager->seen, number), now_usec(), &view, &stale);
    else
        journal_message(manager->journal, LOG_WARNING, "Cannot read the status of %s: %s", member->name,
                        strerror(-r));
    return stale;
}

/* An action that is tried again is not put off for longer than its store allows. */
static void hurry_errands(struct manager *manager)
{
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        const struct member *member = manager->herd.members[i];
        struct errand *errand = errand_of(manager, member);
        if (errand && member->has_sample)
            pursuit_hurry(&errand->pursuit, member->sample.time_left_usec, now_usec());
    }
}

static bool look_at_due_members(struct manager *manager)
{
    bool stale = false;
    for (size_t i = 0; i < manager->herd.n_members; i++)
        if (due_usec(manager, manager->herd.members[i]) <= now_usec())
            stale = look_at_member(manager, manager->herd.members[i]) || stale;
    return stale;
}

/* lvm's volume has another number when it was activated anew. */
static dev_t origin_user_now(const struct manager *manager, const struct intent *intent)
{
    for (size_t i = 0; intent->asked_lvm && i < manager->seen.n_devices; i++)
        if (strcmp(manager->seen.devices[i].uuid, intent->origin_user_uuid) == 0)
            return manager->seen.devices[i].number;
    return intent->origin_user;
}

/* The devices of the errands that are due, whose open counts and merges raise no event. */
static bool look_at_due_errands(struct manager *manager)
{
    bool stale = false;
    for (size_t i = 0; i < manager->errands.n_items; i++) {
        const struct pursuit *pursuit = &manager->errands.items[i]->pursuit;
        if (manager->errands.items[i]->acting || pursuit->next_usec > now_usec())
            continue;
        dev_t devices[] = {pursuit->intent.device, origin_user_now(manager, &pursuit->intent)};
        for (size_t j = 0; j < 2; j++) {
            int r = devices[j] && observation_find(&manager->seen, devices[j]) ? sample(manager, devices[j])
                                                                               : 0;
            stale = stale || r < 0;
        }
    }
    return stale;
}

/* While a store fills every look has another text: the service manager hears one a second. */
static bool may_tell_status(struct manager *manager)
{
    manager->status_waits = manager->ready && now_usec() < manager->status_usec;
    if (!manager->status_waits)
        manager->status_usec = now_usec() + STATUS_USEC;
    return !manager->status_waits;
}

/* Who is ordered after this service may mount the origin of a rollback: the first stretch of what is under way comes
 * before. */
static bool may_be_ready(const struct manager *manager)
{
    if (manager->missing_told)
        return true;
    return manager->looked && (errands_settled(&manager->errands) || now_usec() >= manager->ready_by_usec);
}

static void tell_status(struct manager *manager)
{
    char text[STATUS_MAX];
    const char *error = manager->config_error[0] ? manager->config_error : NULL;
    if (!may_tell_status(manager))
        return;
    announce_status(&manager->herd, manager->errands.n_items, error, text);
    if (manager->missing_told)
        snprintf(text, sizeof(text), "waiting for device-mapper, which this kernel has not loaded");
    if (manager->ready)
        notify_status(text);
    else if (may_be_ready(manager))
        manager->ready = notify_ready(text) >= 0; /* else again at the next look */
}

/* The watchdog hears only of a loop that has just looked at everybody who was due. */
static void keep_alive(struct manager *manager)
{
    if (!manager->watchdog_usec || now_usec() < manager->keep_alive_usec)
        return;
    manager->keep_alive_usec = now_usec() + manager->watchdog_usec / 3;
    if (manager->looked || manager->missing_told)
        notify_watchdog();
}

static uint64_t next_usec(const struct manager *manager)
{
    uint64_t next = manager->look_usec, errands = errands_next_usec(&manager->errands);
    if (manager->watchdog_usec && manager->keep_alive_usec < next)
        next = manager->keep_alive_usec;
    if (manager->looked && errands < next)
        next = errands;
    if (manager->status_waits && manager->status_usec < next)
        next = manager->status_usec;
    if (!manager->ready && manager->ready_by_usec > now_usec() && manager->ready_by_usec < next)
        next = manager->ready_by_usec;
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        uint64_t due = due_usec(manager, manager->herd.members[i]);
        if (due < next)
            next = due;
    }
    return next;
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
        .now_usec = now_usec(),
    };
    brakes_consider(&manager->brakes, &view);
}

/* After every look: what people and the service manager hear, and when to look again. */
static void settle(struct manager *manager)
{
    consider_brakes(manager);
    tell_status(manager);
    keep_alive(manager);
    sd_event_source_set_time(manager->timer, next_usec(manager));
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
    look(manager);
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
        manager->look_usec = now_usec() + MISSING_POLL_USEC;
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
    if (!attach(manager)) {
        settle(manager);
        return 0;
    }
    bool stale = look_at_due_members(manager);
    hurry_errands(manager);
    stale = look_at_due_errands(manager) || stale;
    if (stale || now_usec() >= manager->look_usec)
        look(manager);
    else
        consider_errands(manager, false);
    settle(manager);
    return 0;
}

/* An extension may have made less room than was filled meanwhile: then its rung is crossed again, and it goes on. */
static void rearm(struct manager *manager, const struct intent *intent)
{
    for (size_t i = 0; i < manager->herd.n_members; i++) {
        struct member *member = manager->herd.members[i];
        if (member->device == intent->device && member->policy)
            ladder_rearm(&member->ladder, member->policy, intent->rung);
    }
}

/* A child of an errand has ended: what it did is looked at, whether or not its events have come yet. */
static void on_errand_ended(const struct errand *errand, void *user)
{
    struct manager *manager = user;
    const struct pursuit *pursuit = &errand->pursuit;
    if (pursuit->phase == PURSUIT_ENDED && pursuit->intent.action == ACTION_EXTEND)
        rearm(manager, &pursuit->intent);
    if (manager->stopping && errands_acting(&manager->errands) == 0) {
        sd_event_exit(manager->event, 0);
        return;
    }
    manager->look_usec = now_usec();
    wake(manager);
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

static void announce_messages(struct manager *manager, const struct config_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++) {
        const struct config_message *message = &messages->items[i];
        char sentence[EVENT_SENTENCE_MAX];
        snprintf(sentence, sizeof(sentence), "%s:%u: %s%s", message->file, message->line,
                 message->is_warning ? "warning: " : "", message->text);
        announce_config(manager->journal, message->is_warning ? LOG_WARNING : LOG_ERR,
                        message->is_warning ? "warning" : "error", sentence);
        if (!message->is_warning && !manager->config_error[0])
            snprintf(manager->config_error, sizeof(manager->config_error), "%.250s", sentence);
    }
}

/* What a dry run has only decided is still to be done. */
static void climb_anew(struct herd *herd)
{
    for (size_t i = 0; i < herd->n_members; i++)
        herd->members[i]->ladder = (struct ladder){0};
}

static void take_configuration(struct manager *manager, struct configuration *configuration)
{
    struct configuration old = manager->configuration;
    manager->configuration = *configuration;
    herd_set_policies(&manager->herd, manager->configuration.policies, manager->configuration.n_policies);
    if (old.dry_run && !manager->configuration.dry_run)
        climb_anew(&manager->herd);
    configuration_done(&old);
    manager->errands.dry_run = manager->options->dry_run || manager->configuration.dry_run;
    manager->hooks.dry_run = manager->errands.dry_run;
    errands_review(&manager->errands, review_intent, manager);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
    struct manager *manager = user;
    struct configuration configuration = {0};
    struct config_messages messages = {0};
    (void)source, (void)info;
    notify_reloading();
    int r = configuration_read(manager->options->places, &configuration, &messages);
    manager->config_error[0] = '\0';
    announce_messages(manager, &messages);
    config_messages_done(&messages);
    if (r >= 0) {
        take_configuration(manager, &configuration);
        announce_config(manager->journal, LOG_INFO, "taken",
                        "The configuration was read again and is in force.");
    } else {
        announce_config(manager->journal, LOG_ERR, "refused",
                        "The configuration is refused as a whole: the former one stays in force.");
    }
    manager->ready = false;
    manager->ready_by_usec = now_usec() + SETTLE_USEC;
    look(manager);
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
    manager->recall = (struct recall){.errands = &manager->errands, .boot_id = manager->boot_id};
    recall_read(&manager->recall, now_usec());
    errands_review(&manager->errands, review_intent, manager);
    manager->ready_by_usec = now_usec() + SETTLE_USEC;
}

static int set_up(struct manager *manager)
{
    int r = add_sources(manager);
    if (r < 0)
        return r;
    r = intent_boot_id(manager->boot_id);
    if (r < 0)
        return r;
    manager->errands = (struct errands){
        .event = manager->event,
        .journal = manager->journal,
        .state_directory = directory_state(),
        .dry_run = manager->options->dry_run || manager->configuration.dry_run,
        .stalled = on_stalled,
        .ended = on_errand_ended,
        .user = manager,
    };
    manager->autopsies = (struct autopsies){.event = manager->event, .tell = on_known_lost, .user = manager};
    manager->hooks = (struct hooks){
        .event = manager->event,
        .journal = manager->journal,
        .dry_run = manager->errands.dry_run,
        .failed = on_stalled,
        .user = manager,
    };
    manager->brakes = (struct brakes){
        .event = manager->event, .journal = manager->journal, .runtime_directory = directory_runtime()};
    manager->dmeventd = (struct dmeventd_questions){
        .event = manager->event, .tell = on_dmeventd, .user = manager};
    manager->watchdog_usec = notify_watchdog_usec();
    library_journal = manager->journal;
    kernel_open(log_library);
    recall(manager);
    return 0;
}

static void tear_down(struct manager *manager)
{
    autopsies_done(&manager->autopsies);
    hooks_done(&manager->hooks);
    brakes_done(&manager->brakes);
    recall_done(&manager->recall);
    dmeventd_done(&manager->dmeventd);
    errands_done(&manager->errands);
    herd_done(&manager->herd);
    observation_done(&manager->seen);
    configuration_done(&manager->configuration);
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
