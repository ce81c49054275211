#include "cowherd/brakes.h"
#include "cowherd/dm_action.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define RECALLED_MAX 256

struct hold {
    struct intent intent; /* of the errand, for its snapshot's identity and for announcements */
    struct sample sample;
    dev_t device; /* that is held: the origin's user or the snapshot itself */
    uint64_t disk_sequence;
    bool was_alive;      /* at the look before */
    bool alive;          /* its errand is there */
    bool in_flight;      /* and its action in time to be waited for */
    bool wanted;         /* and writers could be faster */
    bool expired;        /* the deadline has passed once */
    uint64_t since_usec; /* of what is in flight */
    unsigned stretches;  /* of the errand when that began */
    uint64_t expected_usec;
    bool is_measured;
    struct brake_rate rate;
    bool told;
    bool failure_told;
    uint64_t told_usec;
};

struct limit {
    dev_t device;
    uint64_t disk_sequence;
    struct brake_rate wanted;
    struct brake_rate set;
    bool left;      /* found at the start: what is set is not known */
    bool uncertain; /* the last child failed, and may have set some of it */
    bool by_throttle;
    uint64_t next_usec; /* to be tried or refreshed no sooner */
    struct brake_rate asked;
    bool busy; /* a child is at it */
    uint64_t start_usec;
    struct child child;
    sd_event_source *exit_source;
    sd_event_source *deadline_source;
    struct brakes *brakes;
};

/* An action has its time, and those who are held have theirs, while the machine is awake. */
static uint64_t now_usec_of(sd_event *event)
{
    uint64_t now = 0;
    sd_event_now(event, CLOCK_MONOTONIC, &now);
    return now;
}

static bool is_free(struct brake_rate rate)
{
    return rate.bytes_per_second == UINT64_MAX && rate.writes_per_second == UINT64_MAX;
}

/* ---- what is said */

static struct subject subject_of(const struct hold *hold)
{
    struct subject subject = subject_of_intent(&hold->intent);
    subject.has_sample = true;
    subject.sample = hold->sample;
    return subject;
}

static struct brake_stage stage_of(const struct hold *hold, const struct limit *limit, uint64_t now_usec)
{
    return (struct brake_stage){
        .action = action_kind_name(hold->intent.action),
        .rung = hold->intent.rung,
        .rate = hold->rate,
        .by_throttle = limit->by_throttle,
        .expected_usec = hold->expected_usec,
        .took_usec = now_usec - hold->told_usec,
        .overdue = hold->expired && hold->alive,
    };
}

static void tell_hold(const struct limit *limit, struct hold *hold, uint64_t now_usec)
{
    struct subject subject = subject_of(hold);
    struct brake_stage stage = stage_of(hold, limit, now_usec);
    if (hold->wanted && !hold->told && !is_free(limit->set)) {
        announce_brake_engaged(limit->brakes->journal, &subject, &stage);
        hold->told = true;
        hold->told_usec = now_usec;
    } else if (!hold->wanted && hold->told && !brake_rate_differs(limit->set, limit->wanted)) {
        announce_brake_released(limit->brakes->journal, &subject, &stage);
        hold->told = false;
    }
}

static void tell(const struct limit *limit, uint64_t now_usec)
{
    const struct brakes *brakes = limit->brakes;
    for (size_t i = 0; i < brakes->n_holds; i++)
        if (brakes->holds[i]->device == limit->device)
            tell_hold(limit, brakes->holds[i], now_usec);
}

static void tell_failure(const struct limit *limit, int error, uint64_t now_usec)
{
    const struct brakes *brakes = limit->brakes;
    if (is_free(limit->asked))
        journal_message(brakes->journal, LOG_ERR, "The limits on %u:%u cannot be put back: %s",
                        major(limit->device), minor(limit->device), strerror(-error));
    for (size_t i = 0; i < brakes->n_holds; i++) {
        struct hold *hold = brakes->holds[i];
        if (hold->device != limit->device || hold->failure_told || !hold->wanted || hold->told)
            continue;
        struct subject subject = subject_of(hold);
        struct brake_stage stage = stage_of(hold, limit, now_usec);
        announce_brake_failed(brakes->journal, &subject, &stage, strerror(-error));
        hold->failure_told = true;
    }
}

/* ---- limits */

static void forget_child(struct limit *limit)
{
    limit->exit_source = sd_event_source_disable_unref(limit->exit_source);
    limit->deadline_source = sd_event_source_disable_unref(limit->deadline_source);
    limit->busy = false;
}

static void drive(struct limit *limit, uint64_t now_usec);

static void learn_engaging(const struct limit *limit, const struct brake_limit_result *result,
                           uint64_t now_usec)
{
    struct brakes *brakes = limit->brakes;
    uint64_t took_usec = now_usec - limit->start_usec;
    if (is_free(limit->asked) || result->error == -ESTALE)
        return;
    brakes->is_failing = result->error < 0 || result->by_throttle;
    if (!brakes->is_failing && is_free(limit->set) && took_usec > brakes->engage_usec)
        brakes->engage_usec = took_usec;
}

static void conclude(struct limit *limit, const struct brake_limit_result *result, uint64_t now_usec)
{
    if (result->error == 0 || result->error == -ESTALE) { /* stale: its limits have gone with the device */
        if (limit->left && is_free(limit->asked))
            journal_message(limit->brakes->journal, LOG_NOTICE,
                            "The limits on %u:%u that an earlier cowherd had set are put back.",
                            major(limit->device), minor(limit->device));
        limit->left = limit->uncertain = false;
        limit->set = limit->asked;
        limit->by_throttle = result->by_throttle;
        limit->next_usec = now_usec;
        if (!is_free(limit->set))
            tell(limit, now_usec);
    } else {
        limit->uncertain = true; /* some of it may be set */
        limit->next_usec = now_usec + BRAKES_REFRESH_USEC;
        tell_failure(limit, result->error, now_usec);
    }
    drive(limit, now_usec);
    tell(limit, now_usec);
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct limit *limit = user;
    struct brake_limit_result result;
    (void)source, (void)info;
    if (child_take_result(&limit->child, &result, sizeof(result)) < 0)
        result = (struct brake_limit_result){.error = -EPIPE};
    forget_child(limit);
    learn_engaging(limit, &result, now_usec_of(limit->brakes->event));
    conclude(limit, &result, now_usec_of(limit->brakes->event));
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct limit *limit = user;
    (void)source, (void)usec;
    kill(limit->child.pid, SIGKILL);
    tell_failure(limit, -ETIMEDOUT, now_usec_of(limit->brakes->event));
    return 0;
}

static int watch_child(struct limit *limit)
{
    sd_event *event = limit->brakes->event;
    int r = sd_event_add_child(event, &limit->exit_source, limit->child.pid, WEXITED, on_exit_child, limit);
    if (r < 0)
        return r;
    return sd_event_add_time_relative(event, &limit->deadline_source, CLOCK_MONOTONIC, BRAKES_CHILD_USEC, 0,
                                      on_deadline, limit);
}

static void abandon_child(struct limit *limit)
{
    kill(limit->child.pid, SIGKILL);
    waitpid(limit->child.pid, NULL, 0);
    close(limit->child.result_fd);
    forget_child(limit);
}

static struct brake_limit order_of(const struct limit *limit, struct brake_rate rate)
{
    return (struct brake_limit){
        .directory = limit->brakes->runtime_directory,
        .device = limit->device,
        .disk_sequence = limit->disk_sequence,
        .rate = rate,
    };
}

static void start(struct limit *limit, uint64_t now_usec)
{
    struct brake_limit order = order_of(limit, limit->wanted);
    limit->asked = limit->wanted;
    limit->start_usec = now_usec;
    int r = child_start(brake_limit_run, &order, &limit->child);
    if (r >= 0) {
        limit->busy = true;
        r = watch_child(limit);
        if (r < 0)
            abandon_child(limit);
    }
    limit->next_usec = now_usec + BRAKES_REFRESH_USEC;
    if (r < 0)
        tell_failure(limit, r, now_usec);
}

/* What is wanted is set, unless a child is at it: then when that has ended. */
static void drive(struct limit *limit, uint64_t now_usec)
{
    bool is_other = limit->left || limit->uncertain || brake_rate_differs(limit->set, limit->wanted);
    bool is_failed = is_other && now_usec < limit->next_usec;
    bool is_refresh = !is_free(limit->wanted) && now_usec >= limit->next_usec + BRAKES_REFRESH_USEC;
    if (!limit->busy && !is_failed && (is_other || is_refresh))
        start(limit, now_usec);
}

static struct limit *find_limit(const struct brakes *brakes, dev_t device)
{
    for (size_t i = 0; i < brakes->n_limits; i++)
        if (brakes->limits[i]->device == device)
            return brakes->limits[i];
    return NULL;
}

static struct limit *add_limit(struct brakes *brakes, dev_t device)
{
    struct limit **limits = reallocarray(brakes->limits, brakes->n_limits + 1, sizeof(*limits));
    if (!limits)
        return NULL;
    brakes->limits = limits;
    struct limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return NULL;
    *limit = (struct limit){.device = device, .wanted = BRAKE_FREE, .set = BRAKE_FREE, .brakes = brakes};
    limit->child.result_fd = -1;
    return limits[brakes->n_limits++] = limit;
}

static struct limit *take_limit(struct brakes *brakes, dev_t device, uint64_t disk_sequence)
{
    struct limit *limit = find_limit(brakes, device);
    if (!limit && !(limit = add_limit(brakes, device)))
        return NULL;
    if (limit->disk_sequence != disk_sequence)
        limit->set = BRAKE_FREE; /* another device has the number now, without limits of ours */
    limit->disk_sequence = disk_sequence;
    return limit;
}

static bool is_idle(const struct limit *limit)
{
    return !limit->busy && !limit->left && !limit->uncertain && is_free(limit->set) && is_free(limit->wanted);
}

static void drop_idle_limits(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_limits;)
        if (is_idle(brakes->limits[i])) {
            free(brakes->limits[i]);
            brakes->limits[i] = brakes->limits[--brakes->n_limits];
        } else
            i++;
}

/* ---- holds */

static const struct member *find_member(const struct herd *herd, const struct intent *intent)
{
    for (size_t i = 0; i < herd->n_members; i++) {
        const struct member *member = herd->members[i];
        if (member->device == intent->device && member->disk_sequence == intent->disk_sequence &&
            member->target.origin == intent->origin && member->target.store == intent->store)
            return member;
    }
    return NULL;
}

static struct hold *find_hold(const struct brakes *brakes, const struct intent *intent)
{
    for (size_t i = 0; i < brakes->n_holds; i++)
        if (intent_same_snapshot(&brakes->holds[i]->intent, intent))
            return brakes->holds[i];
    return NULL;
}

static struct hold *add_hold(struct brakes *brakes)
{
    struct hold **holds = reallocarray(brakes->holds, brakes->n_holds + 1, sizeof(*holds));
    if (!holds)
        return NULL;
    brakes->holds = holds;
    struct hold *hold = calloc(1, sizeof(*hold));
    if (!hold)
        return NULL;
    return holds[brakes->n_holds++] = hold;
}

/* A hold that is still told of serves the next errand of its snapshot, too, whose time begins anew. */
static void begin_anew(struct hold *hold, const struct errand *errand, uint64_t now_usec)
{
    hold->since_usec = now_usec;
    hold->stretches = errand->stretches;
    hold->expired = false;
}

/* The store has grown, by whatever it was: what waits for nothing but its size comes no nearer by holding anybody, and
 * lvextend writes a filesystem's dirty pages out after it. */
static bool has_grown(const struct errand *errand, const struct member *member)
{
    return errand->pursuit.intent.action == ACTION_EXTEND && errand->has_sample &&
           member->sample.total_sectors > errand->sample.total_sectors;
}

/* Not for longer than the deadline: after it only a new attempt is waited for, while its child acts. */
static bool is_in_time(struct hold *hold, const struct errand *errand, uint64_t now_usec)
{
    if (hold->expired && errand->stretches != hold->stretches) {
        hold->since_usec = now_usec;
        hold->stretches = errand->stretches;
    }
    bool in_time = now_usec - hold->since_usec <= DM_ACTION_DEADLINE_USEC;
    if (!in_time && !hold->expired) {
        hold->expired = true;
        hold->stretches = errand->stretches;
    }
    return in_time && (!hold->expired || errand->acting);
}

static void take_device(struct hold *hold, const struct member *member)
{
    bool is_backup = member->role == ROLE_BACKUP;
    hold->device = is_backup ? member->origin_user : member->device;
    hold->disk_sequence = is_backup ? member->origin_user_disk_sequence : member->disk_sequence;
}

static struct brake_subject subject_for(const struct hold *hold, const struct member *member,
                                        const struct brakes_view *view)
{
    const struct sample *sample = &member->sample;
    uint64_t peak = sample->peak_bytes_per_second, assumed = view->assumed_bytes_per_second;
    return (struct brake_subject){
        .chunks_left = sample->chunks_left,
        .chunk_bytes = member->target.chunk_sectors * UINT64_C(512),
        .fastest_bytes_per_second = peak > assumed ? peak : assumed,
        .expected_usec = hold->expected_usec,
        .is_measured = hold->is_measured,
        .elapsed_usec = view->now_usec - hold->since_usec,
    };
}

static void consider_errand(struct brakes *brakes, const struct errand *errand,
                            const struct brakes_view *view)
{
    const struct intent *intent = &errand->pursuit.intent;
    const struct member *member = find_member(view->herd, intent);
    struct hold *hold = find_hold(brakes, intent);
    if (!member || has_grown(errand, member) || !brake_awaits(&errand->pursuit, member))
        return;
    if (!hold && !(hold = add_hold(brakes)))
        return;
    if (!hold->was_alive)
        begin_anew(hold, errand, view->now_usec);
    hold->alive = true;
    hold->intent = *intent;
    hold->sample = member->sample;
    take_device(hold, member);
    uint64_t took_usec = errands_took_usec(view->errands, intent->action, member);
    hold->is_measured = took_usec > 0;
    hold->expected_usec = brake_expected_usec(took_usec, dm_uuid_is_lvm(member->uuid), view->look_usec);
    hold->in_flight = is_in_time(hold, errand, view->now_usec);
    struct brake_subject subject = subject_for(hold, member, view);
    hold->wanted = hold->in_flight && hold->device && view->enabled && brake_is_needed(&subject);
    hold->rate = brake_rate(&subject);
}

static void want_rates(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_limits; i++)
        brakes->limits[i]->wanted = BRAKE_FREE;
    for (size_t i = 0; i < brakes->n_holds; i++) {
        const struct hold *hold = brakes->holds[i];
        struct limit *limit = hold->wanted ? take_limit(brakes, hold->device, hold->disk_sequence) : NULL;
        if (limit)
            limit->wanted = brake_rate_min(limit->wanted, hold->rate);
    }
}

static void drop_ended_holds(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_holds;)
        if (!brakes->holds[i]->alive &&
            (!brakes->holds[i]->told || !find_limit(brakes, brakes->holds[i]->device))) {
            free(brakes->holds[i]);
            brakes->holds[i] = brakes->holds[--brakes->n_holds];
        } else
            i++;
}

void brakes_consider(struct brakes *brakes, const struct brakes_view *view)
{
    for (size_t i = 0; i < brakes->n_holds; i++) {
        struct hold *hold = brakes->holds[i];
        hold->was_alive = hold->alive;
        hold->alive = hold->in_flight = hold->wanted = false;
    }
    for (size_t i = 0; i < view->errands->n_items; i++)
        consider_errand(brakes, view->errands->items[i], view);
    want_rates(brakes);
    for (size_t i = 0; i < brakes->n_limits; i++) {
        drive(brakes->limits[i], view->now_usec);
        tell(brakes->limits[i], view->now_usec);
    }
    drop_idle_limits(brakes);
    drop_ended_holds(brakes);
}

bool brakes_watch(const struct brakes *brakes, const struct member *member)
{
    for (size_t i = 0; i < brakes->n_holds; i++) {
        const struct hold *hold = brakes->holds[i];
        if (hold->in_flight && hold->intent.device == member->device)
            return true;
    }
    return false;
}

void brakes_recall(struct brakes *brakes)
{
    dev_t devices[RECALLED_MAX];
    int n = brake_limit_list(brakes->runtime_directory, devices, RECALLED_MAX);
    for (int i = 0; i < n; i++) {
        struct limit *limit = add_limit(brakes, devices[i]);
        if (!limit)
            return;
        limit->left = true;
        drive(limit, now_usec_of(brakes->event));
    }
}

static void put_back(struct limit *limit)
{
    if (limit->busy)
        abandon_child(limit);
    struct brake_limit order = order_of(limit, BRAKE_FREE);
    int r = brake_limit_set(&order, NULL);
    limit->wanted = limit->asked = BRAKE_FREE;
    if (r < 0) {
        tell_failure(limit, r, now_usec_of(limit->brakes->event));
        return;
    }
    limit->set = BRAKE_FREE;
    tell(limit, now_usec_of(limit->brakes->event));
}

void brakes_done(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_holds; i++)
        brakes->holds[i]->wanted = false;
    for (size_t i = 0; i < brakes->n_limits; i++) {
        put_back(brakes->limits[i]);
        free(brakes->limits[i]);
    }
    for (size_t i = 0; i < brakes->n_holds; i++)
        free(brakes->holds[i]);
    free(brakes->holds);
    free(brakes->limits);
    *brakes = (struct brakes){0};
}
