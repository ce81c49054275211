#include "cowherd/brakes.h"
#include "cowherd/decision.h"
#include "cowherd/dm_action.h"
#include "limits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <syslog.h>

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
    struct brake_rate rate;
    bool told;
    bool failure_told;
    uint64_t told_usec;
};

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
    if (hold->wanted && !hold->told && !limit_is_free(limit->set)) {
        announce_brake_engaged(limit->brakes->journal, &subject, &stage);
        hold->told = true;
        hold->told_usec = now_usec;
    } else if (!hold->wanted && hold->told && !brake_rate_differs(limit->set, limit->wanted)) {
        announce_brake_released(limit->brakes->journal, &subject, &stage);
        hold->told = false;
    }
}

void brakes_tell(const struct limit *limit, uint64_t now_usec)
{
    const struct brakes *brakes = limit->brakes;
    for (size_t i = 0; i < brakes->n_holds; i++)
        if (brakes->holds[i]->device == limit->device)
            tell_hold(limit, brakes->holds[i], now_usec);
}

void brakes_tell_failure(const struct limit *limit, int error, uint64_t now_usec)
{
    const struct brakes *brakes = limit->brakes;
    if (limit_is_free(limit->asked))
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

/* ---- holds */

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

/* Whether its child acts, and for this: not for what was wanted before. */
static bool is_acting_for(const struct errand *errand, const struct intent *intent)
{
    return errand->acting && intent == &errand->pursuit.intent;
}

/* A hold that is still told of serves the next errand of its snapshot, too, whose time begins anew: with its child, which may
 * have been started a little earlier in this turn. */
static void begin_anew(struct hold *hold, const struct errand *errand, const struct intent *intent,
                       uint64_t now_usec)
{
    bool is_begun = is_acting_for(errand, intent) && errand->attempt_usec < now_usec;
    hold->since_usec = is_begun ? errand->attempt_usec : now_usec;
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

/* What is to come in time: the errand's action, or what a later rung wants as soon as its child has ended; NULL: neither. */
static const struct intent *awaited(const struct errand *errand, const struct member *member)
{
    if (!has_grown(errand, member) && brake_awaits(&errand->pursuit, member))
        return &errand->pursuit.intent;
    if (!errand->has_successor)
        return NULL;
    struct pursuit next = {.phase = PURSUIT_WANTED, .intent = errand->successor};
    return brake_awaits(&next, member) ? &errand->successor : NULL;
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

/* How far its child had come when the member was looked at. */
static uint64_t attempt_usec(const struct errand *errand, const struct intent *intent, uint64_t taken_usec,
                             uint64_t slept_usec)
{
    uint64_t began_usec = errand->attempt_usec + slept_usec;
    return is_acting_for(errand, intent) && taken_usec > began_usec ? taken_usec - began_usec : 0;
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
        .elapsed_usec = view->now_usec - hold->since_usec,
    };
}

static void consider_errand(struct brakes *brakes, const struct errand *errand,
                            const struct brakes_view *view)
{
    const struct member *member = decision_member(view->herd, &errand->pursuit.intent);
    const struct intent *intent = member ? awaited(errand, member) : NULL;
    struct hold *hold = find_hold(brakes, &errand->pursuit.intent);
    if (!intent)
        return;
    if (!hold && !(hold = add_hold(brakes)))
        return;
    if (!hold->was_alive)
        begin_anew(hold, errand, intent, view->now_usec);
    hold->alive = true;
    hold->intent = *intent;
    hold->sample = member->sample;
    take_device(hold, member);
    uint64_t took_usec = errands_took_usec(view->errands, intent->action, member);
    hold->expected_usec = brake_expected_usec(took_usec, dm_uuid_is_lvm(member->uuid), view->look_usec);
    hold->in_flight = is_in_time(hold, errand, view->now_usec);
    struct brake_subject subject = subject_for(hold, member, view);
    subject.attempt_usec = attempt_usec(errand, intent, member->sample.taken_usec, view->slept_usec);
    hold->wanted = hold->in_flight && hold->device && view->enabled && brake_is_needed(&subject);
    hold->rate = brake_rate(&subject);
}

static void want_rates(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_limits; i++)
        brakes->limits[i]->wanted = BRAKE_FREE;
    for (size_t i = 0; i < brakes->n_holds; i++) {
        const struct hold *hold = brakes->holds[i];
        struct limit *limit = hold->wanted ? limits_take(brakes, hold->device, hold->disk_sequence) : NULL;
        if (limit)
            limit->wanted = brake_rate_min(limit->wanted, hold->rate);
    }
}

static void drop_ended_holds(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_holds;)
        if (!brakes->holds[i]->alive &&
            (!brakes->holds[i]->told || !limits_find(brakes, brakes->holds[i]->device))) {
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
        limit_drive(brakes->limits[i], view->now_usec);
        brakes_tell(brakes->limits[i], view->now_usec);
    }
    limits_drop_idle(brakes);
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
        struct limit *limit = limits_add(brakes, devices[i]);
        if (!limit)
            return;
        limit->left = true;
        limit_drive(limit, limits_now_usec(brakes));
    }
}

void brakes_done(struct brakes *brakes)
{
    for (size_t i = 0; i < brakes->n_holds; i++)
        brakes->holds[i]->wanted = false;
    for (size_t i = 0; i < brakes->n_limits; i++) {
        limit_put_back(brakes->limits[i]);
        free(brakes->limits[i]);
    }
    for (size_t i = 0; i < brakes->n_holds; i++)
        free(brakes->holds[i]);
    free(brakes->holds);
    free(brakes->limits);
    *brakes = (struct brakes){0};
}
