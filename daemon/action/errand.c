#include "cowherd/errand.h"
#include "cowherd/dm_action.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_usec_of(sd_event *event)
{
    uint64_t now = 0;
    sd_event_now(event, CLOCK_BOOTTIME, &now);
    return now;
}

/* It stands still while the machine is suspended, and so does what is measured. */
static uint64_t awake_usec_of(sd_event *event)
{
    uint64_t now = 0;
    sd_event_now(event, CLOCK_MONOTONIC, &now);
    return now;
}

static struct subject subject_of(const struct errand *errand)
{
    const struct errands *errands = errand->errands;
    struct subject subject = subject_of_intent(&errand->pursuit.intent);
    subject.sample = errand->sample;
    subject.has_sample = errands->present(&errand->pursuit.intent, &subject.sample, errands->user) ||
                         errand->has_sample;
    return subject;
}

static struct stage stage_of(const struct errand *errand, uint64_t now_usec)
{
    const struct pursuit *pursuit = &errand->pursuit;
    return (struct stage){
        .action = action_kind_name(pursuit->intent.action),
        .rung = pursuit->intent.rung,
        .result = pursuit->reason,
        .took_usec = pursuit->started ? now_usec - pursuit->start_usec : 0,
        .dry_run = errand->errands->dry_run,
        .goes_on = errand->goes_on,
        .half_done = pursuit->intent.interrupted && pursuit->intent.role == ROLE_BACKUP,
    };
}

static void announce(const struct errand *errand, unsigned tell, uint64_t now_usec)
{
    struct journal *journal = errand->errands->journal;
    if (!tell)
        return;
    struct subject subject = subject_of(errand);
    struct stage stage = stage_of(errand, now_usec);
    if (tell & TELL_START) {
        stage.result = NULL;
        announce_start(journal, &subject, &stage);
    }
    if (tell & TELL_DONE)
        announce_done(journal, &subject, &stage);
    if (tell & TELL_FAILED)
        announce_failed(journal, &subject, &stage);
    if (tell & TELL_DEFERRED)
        announce_deferred(journal, &subject, &stage);
    if (tell & TELL_STALLED)
        errand->errands->stalled(&subject, errand->errands->user);
}

static void stop_acting(struct errand *errand)
{
    errand->acting = false;
    errand->overdue = false;
}

static void free_errand(struct errand *errand)
{
    watched_child_leave(&errand->child);
    free(errand);
}

static void remove_errand(struct errands *errands, struct errand *errand)
{
    for (size_t i = 0; i < errands->n_items; i++)
        if (errands->items[i] == errand) {
            errands->items[i] = errands->items[--errands->n_items];
            break;
        }
    free_errand(errand);
}

/* Nobody decides an order anew: that it comes to nothing is told. */
static void give_way(struct errand *errand, const struct intent *successor, uint64_t now_usec)
{
    struct pursuit *pursuit = &errand->pursuit;
    if (!intent_is_ordered(&pursuit->intent) || pursuit->phase == PURSUIT_ENDED)
        return;
    snprintf(pursuit->reason, sizeof(pursuit->reason), "another took its place: %s", successor->rung);
    announce(errand, TELL_FAILED, now_usec);
}

/* What the snapshot was when it was decided, and from when on the action takes its time: of this intent, not of the one before. */
static void begin_anew(struct errand *errand, const struct sample *sample)
{
    errand->has_sample = sample != NULL;
    if (sample)
        errand->sample = *sample;
    errand->since_usec = awake_usec_of(errand->errands->event);
    errand->stopped_usec = 0;
}

/* A later rung's action takes the place of one that has not begun; one that has begun is finished. */
static void hand_to_successor(struct errand *errand, uint64_t now_usec)
{
    bool recorded = errand->pursuit.recorded && errand->pursuit.phase != PURSUIT_ENDED;
    bool done = errand->pursuit.phase == PURSUIT_ENDED && errand->pursuit.begun;
    if (!errand->has_successor || done || !pursuit_may_be_overtaken(&errand->pursuit))
        return;
    errand->has_successor = false;
    give_way(errand, &errand->successor, now_usec);
    errand->goes_on = false;
    begin_anew(errand, errand->successor_has_sample ? &errand->successor_sample : NULL);
    pursuit_begin(&errand->pursuit, &errand->successor, recorded, now_usec);
    errand->pursuit.outdated = true; /* what is recorded is another's */
}

/* How far it came is not known: as if past the point of no return, until the next plan shows it, so that nobody takes its
 * place over a merge that nobody would finish. */
static void fill_killed(const struct errand *errand, struct action_result *result)
{
    *result = (struct action_result){
        .verdict = PLAN_REFUSE,
        .begun = true,
        .error = errand->overdue ? -ETIMEDOUT : -EPIPE,
    };
    snprintf(result->reason, sizeof(result->reason), "%s",
             errand->overdue ? "it took too long and was stopped" : "the child that did it was killed");
}

/* Whether nothing fills the store any more, or it is longer: what the child does after that is not waited for. */
static bool has_stopped_filling(const struct errand *errand, const struct observation *seen)
{
    const struct intent *intent = &errand->pursuit.intent;
    const struct dm_device *device = observation_find(seen, intent->device);
    const struct target *target = device ? dm_device_only_target(device) : NULL;
    if (device && device->error)
        return false;
    if (intent->action == ACTION_EXTEND)
        return target && target->status.total_sectors >= plan_extend_goal_sectors(intent);
    return !device || device->disk_sequence != intent->disk_sequence ||
           (target && target->kind != TARGET_SNAPSHOT);
}

/* What pacing must allow for: the first stretch, until the merge runs or the snapshot is dropped. */
static void learn_duration(const struct errand *errand)
{
    const struct intent *intent = &errand->pursuit.intent;
    struct action_subject subject = {.name = intent->name, .uuid = intent->uuid};
    uint64_t stopped_usec = errand->stopped_usec ? errand->stopped_usec
                                                 : awake_usec_of(errand->errands->event);
    if (errand->pursuit.started && !errand->goes_on && errand->stretches == 1)
        action_memory_learn(&errand->errands->memory, intent->action, subject,
                            stopped_usec - errand->since_usec);
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct errand *errand = user;
    struct errands *errands = errand->errands;
    struct action_result result;
    uint64_t now_usec = now_usec_of(errands->event);
    (void)source, (void)info;
    bool told = errand->overdue;
    bool was_killed = watched_child_take_result(&errand->child, &result, sizeof(result)) < 0;
    if (was_killed)
        fill_killed(errand, &result);
    stop_acting(errand);
    unsigned tell = pursuit_take_result(&errand->pursuit, &result, now_usec);
    if (!was_killed && (result.begun || tell & TELL_DONE))
        learn_duration(errand);
    announce(errand, told ? tell & TELL_DONE : tell, now_usec);
    errands->ended(errand, errands->user);
    hand_to_successor(errand, now_usec);
    if (errand->pursuit.phase == PURSUIT_ENDED)
        remove_errand(errands, errand);
    return 0;
}

/* It may hang in the kernel for ever, then not even the kill ends it: so this is told now. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct errand *errand = user;
    (void)source, (void)usec;
    watched_child_kill(&errand->child);
    errand->overdue = true;
    errand->settled = true;
    snprintf(errand->pursuit.reason, sizeof(errand->pursuit.reason),
             "it has taken longer than %d s and is stopped", (int)(DM_ACTION_DEADLINE_USEC / 1000000));
    announce(errand, TELL_FAILED | (errand->pursuit.stalled ? 0 : TELL_STALLED),
             now_usec_of(errand->errands->event));
    errand->pursuit.stalled = true;
    return 0;
}

static void start_child(struct errand *errand, uint64_t now_usec)
{
    struct dm_action action = {
        .intent = errand->pursuit.intent,
        .earlier = errand->has_earlier ? &errand->earlier : NULL,
        .state_directory = errand->errands->state_directory,
    };
    struct child_watch watch = {
        .deadline_usec = DM_ACTION_DEADLINE_USEC,
        .on_exit = on_exit_child,
        .on_deadline = on_deadline,
        .user = errand,
    };
    int r = watched_child_start(&errand->child, dm_action_run, &action, errand->errands->event, &watch);
    if (r >= 0) {
        errand->acting = true;
        errand->stretches++;
        errand->attempt_usec = awake_usec_of(errand->errands->event);
        return;
    }
    struct action_result result = {.verdict = PLAN_REFUSE, .begun = errand->pursuit.begun, .error = r};
    snprintf(result.reason, sizeof(result.reason), "no child can be started: %s", strerror(-r));
    announce(errand, pursuit_take_result(&errand->pursuit, &result, now_usec), now_usec);
}

/* A deferral that is not told yet may be udev's blkid, which has a device open for a moment. */
static bool has_settled(const struct errand *errand)
{
    const struct pursuit *pursuit = &errand->pursuit;
    switch (pursuit->phase) {
    case PURSUIT_WANTED:
    case PURSUIT_ACTING:
        return false;
    case PURSUIT_DEFERRED:
        return pursuit->deferred_told;
    case PURSUIT_MERGING:
    case PURSUIT_RETRYING:
    case PURSUIT_ENDED:
        break;
    }
    return true;
}

static bool must_stand_back(const struct errand *errand)
{
    const struct errands *errands = errand->errands;
    for (size_t i = 0; i < errands->n_items; i++)
        if (errands->items[i] != errand && errands->items[i]->acting &&
            pursuit_stands_back(&errand->pursuit, &errands->items[i]->pursuit))
            return true;
    return false;
}

/* A dry run decides, and no more. What had begun before it was made one is recorded, and is gone on with when it ends; who
 * is told so decides nothing anew. */
static void decide_only(struct pursuit *pursuit, bool was_recorded, uint64_t now_usec)
{
    if (pursuit->begun && was_recorded)
        pursuit_put_off(pursuit, "a dry run changes nothing: it goes on behind it", now_usec);
    else
        pursuit->phase = PURSUIT_ENDED;
}

/* Returns whether the errand has ended. */
static bool consider(struct errand *errand, const struct observation *seen, uint64_t now_usec)
{
    struct plan plan;
    unsigned tell;
    if (errand->pursuit.phase != PURSUIT_WANTED) /* it had to wait for something else */
        errand->since_usec = awake_usec_of(errand->errands->event);
    plan_make(&errand->pursuit.intent, seen, &plan);
    if (errand->has_successor && !plan.begun) { /* before the same is tried again */
        errand->pursuit.begun = false;
        hand_to_successor(errand, now_usec);
        plan_make(&errand->pursuit.intent, seen, &plan);
    }
    bool was_recorded = errand->pursuit.recorded;
    bool start = pursuit_consider(&errand->pursuit, &plan, now_usec, &tell);
    announce(errand, tell, now_usec);
    if (!errand->errands->dry_run && pursuit_must_be_recorded(&errand->pursuit))
        start = true;
    if (start && errand->errands->dry_run)
        decide_only(&errand->pursuit, was_recorded, now_usec);
    else if (start)
        start_child(errand, now_usec);
    errand->settled = errand->settled || has_settled(errand);
    bool has_ended = errand->pursuit.phase == PURSUIT_ENDED;
    if (has_ended && intent_is_ordered(&errand->pursuit.intent))
        errand->errands->ended(errand, errand->errands->user); /* the ladder goes on */
    return has_ended;
}

void errands_consider(struct errands *errands, const struct observation *seen, bool complete,
                      uint64_t now_usec)
{
    for (size_t i = 0; i < errands->n_items;) {
        struct errand *errand = errands->items[i];
        if (complete && errand->acting && !errand->stopped_usec && has_stopped_filling(errand, seen))
            errand->stopped_usec = awake_usec_of(errands->event);
        bool is_due = complete || errand->pursuit.next_usec <= now_usec;
        if (is_due && !errand->acting && must_stand_back(errand)) {
            uint64_t soonest_usec = now_usec + PURSUIT_MERGING_USEC;
            if (errand->pursuit.next_usec < soonest_usec) /* who has failed waits longer */
                errand->pursuit.next_usec = soonest_usec;
            is_due = false;
        }
        if (!errand->acting && is_due && consider(errand, seen, now_usec))
            remove_errand(errands, errand);
        else
            i++;
    }
}

struct errand *errands_find(const struct errands *errands, const struct intent *like)
{
    for (size_t i = 0; i < errands->n_items; i++)
        if (intent_same_snapshot(&errands->items[i]->pursuit.intent, like))
            return errands->items[i];
    return NULL;
}

static int add_errand(struct errands *errands, struct errand **ret_errand)
{
    struct errand **items = reallocarray(errands->items, errands->n_items + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    errands->items = items;
    struct errand *errand = calloc(1, sizeof(*errand));
    if (!errand)
        return -ENOMEM;
    errand->errands = errands;
    errand->child = WATCHED_CHILD_NONE;
    *ret_errand = items[errands->n_items++] = errand;
    return 0;
}

static void set_successor(struct errand *errand, const struct intent *intent, const struct sample *sample)
{
    errand->successor = *intent;
    errand->has_successor = true;
    errand->successor_has_sample = sample != NULL;
    if (sample)
        errand->successor_sample = *sample;
}

/* An lvextend that hangs does not hold up a drop: its child ends it. A further extension has to wait for it in any case. */
static void hurry(const struct errand *errand)
{
    if (errand->acting && errand->pursuit.intent.action == ACTION_EXTEND &&
        errand->successor.action != ACTION_EXTEND)
        kill(errand->child.child.pid, SIGTERM);
}

/* Its rung was crossed again meanwhile: what is being done is what is wanted, and keeps its pace. A further extension has a
 * size of its own. */
static bool is_under_way(const struct errand *errand, const struct intent *intent)
{
    const struct intent *present = &errand->pursuit.intent;
    return !errand->has_successor && present->action == intent->action &&
           strcmp(present->rung, intent->rung) == 0 && intent->grow_to_sectors <= present->grow_to_sectors;
}

int errands_begin(struct errands *errands, const struct intent *intent, const struct sample *sample,
                  bool goes_on, bool recorded, uint64_t now_usec)
{
    struct errand *errand = errands_find(errands, intent);
    if (errand && !pursuit_may_be_overtaken(&errand->pursuit)) {
        if (is_under_way(errand, intent))
            return 0;
        set_successor(errand, intent, sample);
        hurry(errand);
        return 0;
    }
    bool takes_place = errand != NULL; /* then what is recorded is another's */
    if (errand) {
        give_way(errand, intent, now_usec);
        recorded = recorded || errand->pursuit.recorded;
    } else if (add_errand(errands, &errand) < 0)
        return -ENOMEM;
    begin_anew(errand, sample);
    errand->goes_on = goes_on;
    pursuit_begin(&errand->pursuit, intent, recorded, now_usec);
    errand->pursuit.outdated = errand->pursuit.outdated || takes_place;
    return 0;
}

int errands_begin_relocated(struct errands *errands, const struct intent *intent,
                            const struct intent *earlier, uint64_t now_usec)
{
    int r = errands_begin(errands, intent, NULL, true, true, now_usec);
    struct errand *errand = errands_find(errands, intent);
    if (r < 0)
        return r;
    errand->earlier = *earlier;
    errand->has_earlier = true;
    errand->pursuit.outdated = true;
    return 0;
}

uint64_t errands_next_usec(const struct errands *errands)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < errands->n_items; i++)
        if (!errands->items[i]->acting && errands->items[i]->pursuit.next_usec < next)
            next = errands->items[i]->pursuit.next_usec;
    return next;
}

/* lvm's volume has other numbers when it was activated anew, and merges one snapshot at a time. */
static bool is_merging_origin(const struct intent *intent, const struct dm_device *device,
                              const struct target *target)
{
    if (intent->asked_lvm)
        return strcmp(device->uuid, intent->origin_user_uuid) == 0;
    return device->number == intent->origin_user && target->origin == intent->origin &&
           target->store == intent->store;
}

bool errands_own(const struct errands *errands, const struct dm_device *device, const struct target *target)
{
    for (size_t i = 0; i < errands->n_items; i++) {
        const struct intent *intent = &errands->items[i]->pursuit.intent;
        if (target->kind == TARGET_SNAPSHOT_MERGE && !snapshot_state_is_lost(target->status.state) &&
            is_merging_origin(intent, device, target))
            return true;
    }
    return false;
}

bool errands_settled(const struct errands *errands)
{
    for (size_t i = 0; i < errands->n_items; i++)
        if (errands->items[i]->pursuit.intent.action == ACTION_MERGE && !errands->items[i]->settled)
            return false;
    return true;
}

uint64_t errands_took_usec(const struct errands *errands, enum action_kind action,
                           const struct member *member)
{
    struct action_subject subject = {.name = member->name, .uuid = member->uuid};
    return action_times_usec(&errands->memory.times, action, subject);
}

size_t errands_acting(const struct errands *errands)
{
    size_t n = 0;
    for (size_t i = 0; i < errands->n_items; i++)
        n += errands->items[i]->acting;
    return n;
}

void errands_hold(struct errands *errands, const char *(*held)(const struct intent *intent, void *user),
                  void *user)
{
    for (size_t i = 0; i < errands->n_items; i++) {
        struct errand *errand = errands->items[i];
        struct intent *intent = &errand->pursuit.intent;
        const char *reason = held(intent, user);
        if (strcmp(intent->held, reason) != 0)
            errand->pursuit.next_usec = 0;
        snprintf(intent->held, sizeof(intent->held), "%s", reason);
        snprintf(errand->successor.held, sizeof(errand->successor.held), "%s", reason);
    }
}

void errands_review(struct errands *errands, void (*review)(struct intent *intent, void *user), void *user)
{
    for (size_t i = 0; i < errands->n_items; i++) {
        struct errand *errand = errands->items[i];
        review(&errand->pursuit.intent, user);
        if (errand->pursuit.phase == PURSUIT_RETRYING)
            errand->pursuit.next_usec = 0; /* what it failed for may be allowed now */
        if (errand->has_successor)
            review(&errand->successor, user);
        errand->has_successor = errand->has_successor && !errand->successor.cancelled;
    }
}

void errands_done(struct errands *errands)
{
    for (size_t i = 0; i < errands->n_items; i++)
        free_errand(errands->items[i]);
    free(errands->items);
    errands->items = NULL;
    errands->n_items = 0;
    action_memory_done(&errands->memory);
}
