#include "cowherd/guarantee.h"
#include "cowherd/brake.h"
#include "cowherd/decision.h"
#include "cowherd/exception_store.h"
#include <stdio.h>
#include <string.h>

#define SECOND_USEC UINT64_C(1000000)
#define WHOLE       10000 /* hundredths of a percent in a whole */

/* Until the action has come the brake lets half of the room go, at the most, and as much at its floor as it costs at twice
 * the margin: with that much left when it is set two groups of writers, each at the whole rate, do not fill it (unit test). */
#define RESERVE_MARGIN (2 * BRAKE_MARGIN)

typedef unsigned __int128 wide;

/* A rung that changes the device and is armed, or whose action is under way. */
struct candidate {
    unsigned rung;
    const struct rung *text;
    const struct action *action;
    uint64_t took_usec;
    bool is_measured;
    bool is_under_way;
    bool can_act;
    bool has_height;
    bool is_passed; /* usage is above its height already */
    uint64_t at;    /* exceptions when it is crossed */
    char reason[PLAN_REASON_MAX];
};

struct trial {
    const struct guarantee_subject *subject;
    const struct guarantee_bounds *bounds;
    const struct member *member;
    struct exception_store store;
    uint64_t capacity; /* in exceptions */
    uint64_t chunk_bytes;
    uint64_t bytes_per_second;
    uint64_t seen_usec;
    struct candidate candidates[POLICY_RUNGS_MAX];
    size_t n_candidates;
};

static uint64_t saturate(wide value)
{
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return saturate((wide)a + b);
}

/* What comes in a time, rounded up. */
static uint64_t filled_bytes(uint64_t bytes_per_second, uint64_t usec)
{
    return saturate(((wide)bytes_per_second * usec + SECOND_USEC - 1) / SECOND_USEC);
}

/* The fewest exceptions with which that many sectors are used, as the kernel counts them; no more than fit. */
static uint64_t exceptions_using(const struct trial *trial, wide sectors)
{
    const struct exception_store *store = &trial->store;
    wide empty = (wide)exception_store_chunks_needed(store, 0) * store->chunk_sectors;
    if (sectors <= empty)
        return 0;
    uint64_t n = exception_store_exceptions(store, saturate(sectors - 1)) + 1;
    return n < trial->capacity ? n : trial->capacity;
}

static uint64_t exceptions_at_percent(const struct trial *trial, uint64_t centipercent)
{
    wide share = (wide)centipercent * trial->store.total_sectors;
    return exceptions_using(trial, share / WHOLE + (share % WHOLE != 0));
}

static uint64_t exceptions_at(const struct trial *trial, const struct condition *condition)
{
    if (condition->kind == CONDITION_USED)
        return exceptions_at_percent(trial, condition->value);
    uint64_t chunks = condition->value / trial->chunk_bytes;
    return chunks < trial->capacity ? trial->capacity - chunks : 0;
}

/* ---- who counts */

static bool is_counted(const struct trial *trial, unsigned rung)
{
    const struct policy *policy = trial->member->policy;
    bool is_ladder = policy->rungs[rung].condition.kind < CONDITION_LOST;
    return is_ladder && rung_changing_action(&policy->rungs[rung]) &&
           (!trial->member->ladder.marks[rung].fired || (int)rung == trial->subject->under_way);
}

/* Whether the action would be carried out if it were wanted now, by the plan of this moment. */
static void ask_plan(const struct trial *trial, struct candidate *candidate)
{
    struct plan plan;
    const char *impossible = decision_why_impossible(trial->member, candidate->action->kind);
    if (!impossible)
        impossible = trial->subject->held;
    candidate->can_act = !impossible;
    snprintf(candidate->reason, sizeof(candidate->reason), "%s", impossible ? impossible : "");
    if (impossible || !trial->subject->seen)
        return;
    struct intent intent = decision_intent(trial->member, trial->member->policy, candidate->text, "");
    plan_make(&intent, trial->subject->seen, &plan);
    candidate->can_act = plan.verdict == PLAN_ACT || plan.verdict == PLAN_WAIT;
    snprintf(candidate->reason, sizeof(candidate->reason), "%s", candidate->can_act ? "" : plan.reason);
}

static void ask_pursuit(const struct trial *trial, struct candidate *candidate)
{
    const char *reason = trial->subject->under_way_reason;
    candidate->can_act = !reason;
    snprintf(candidate->reason, sizeof(candidate->reason), "%s", reason ? reason : "");
}

static void set_height(const struct trial *trial, struct candidate *candidate)
{
    uint64_t used_sectors = candidate->is_under_way ? trial->subject->under_way_used_sectors
                                                    : trial->member->sample.used_sectors;
    uint64_t present = exception_store_exceptions(&trial->store, used_sectors);
    candidate->has_height = candidate->text->condition.kind != CONDITION_TIME;
    if (!candidate->has_height)
        return;
    candidate->at = exceptions_at(trial, &candidate->text->condition);
    candidate->is_passed = present > candidate->at;
    if (candidate->is_passed)
        candidate->at = present < trial->capacity ? present : trial->capacity;
}

static void add_candidate(struct trial *trial, unsigned rung)
{
    struct candidate *candidate = &trial->candidates[trial->n_candidates++];
    const struct rung *text = &trial->member->policy->rungs[rung];
    const struct action *action = rung_changing_action(text);
    uint64_t took_usec = trial->subject->took_usec[action->kind];
    uint64_t assumed_usec = dm_uuid_is_lvm(trial->member->uuid) ? BRAKE_LVM_USEC : BRAKE_DM_USEC;
    *candidate = (struct candidate){
        .rung = rung,
        .text = text,
        .action = action,
        .took_usec = took_usec ? took_usec : assumed_usec,
        .is_measured = took_usec != 0,
        .is_under_way = (int)rung == trial->subject->under_way,
    };
    if (candidate->is_under_way)
        ask_pursuit(trial, candidate);
    else
        ask_plan(trial, candidate);
    set_height(trial, candidate);
}

static void set_up(struct trial *trial, const struct guarantee_subject *subject,
                   const struct guarantee_bounds *bounds)
{
    const struct member *member = subject->member;
    const struct pacing_bounds *pacing = &bounds->pacing;
    uint64_t peak = member->sample.peak_bytes_per_second, assumed = pacing->assumed_bytes_per_second;
    uint64_t poll_usec = pacing->shortest_usec < pacing->longest_usec ? pacing->shortest_usec
                                                                      : pacing->longest_usec;
    /* Not as a whole: clearing the candidates, who are most of it, would cost more than the judgement. */
    trial->subject = subject;
    trial->bounds = bounds;
    trial->member = member;
    trial->store = (struct exception_store){
        .total_sectors = member->sample.total_sectors,
        .chunk_sectors = member->target.chunk_sectors,
        .persistent = member->target.store_type != STORE_TRANSIENT,
    };
    trial->chunk_bytes = member->target.chunk_sectors * SECTOR_BYTES;
    trial->bytes_per_second = peak > assumed ? peak : assumed;
    trial->seen_usec = add(subject->woken_by_counting ? 0 : poll_usec, pacing->late_usec);
    trial->n_candidates = 0;
    trial->capacity = exception_store_capacity(&trial->store);
}

/* ---- one rung */

/* What the others add: an action that may be at work already is waited for; one that may be crossed in the same look takes
 * its place. */
struct others {
    uint64_t wait_usec;
    uint64_t took_usec;
    const struct candidate *spoiler;
};

static bool may_take_place(const struct trial *trial, const struct candidate *other,
                           const struct candidate *candidate, uint64_t at)
{
    uint64_t reach = filled_bytes(trial->bytes_per_second, trial->seen_usec) / trial->chunk_bytes + 1;
    return other->rung > candidate->rung &&
           (!other->has_height || other->is_under_way || other->at <= add(at, reach));
}

static struct others weigh_others(const struct trial *trial, const struct candidate *candidate, uint64_t at)
{
    struct others others = {.wait_usec = trial->subject->order_usec};
    for (size_t i = 0; i < trial->n_candidates; i++) {
        const struct candidate *other = &trial->candidates[i];
        if (other == candidate)
            continue;
        bool takes_place = may_take_place(trial, other, candidate, at);
        bool may_be_at_work = other->is_under_way || (!other->has_height && other->can_act);
        if (takes_place && !other->can_act)
            others.spoiler = other;
        if (takes_place && other->took_usec > others.took_usec)
            others.took_usec = other->took_usec;
        if (may_be_at_work && other->took_usec > others.wait_usec)
            others.wait_usec = other->took_usec;
    }
    return others;
}

/* lvremove first writes the origin's dirty pages out, and holding them holds it (brake_awaits()). */
static bool can_hold(const struct trial *trial, const struct candidate *candidate)
{
    const struct member *member = trial->member;
    bool has_device = member->role == ROLE_LIVE || member->origin_user;
    bool holds_itself = candidate->action->kind == ACTION_DROP && dm_uuid_is_lvm(member->uuid);
    return trial->bounds->brake && has_device && !holds_itself;
}

/* What must be left when the brake is set. */
static uint64_t reserve_bytes(const struct trial *trial, uint64_t action_usec)
{
    uint64_t bytes = filled_bytes(BRAKE_FLOOR_BYTES_PER_SECOND, action_usec);
    uint64_t writes = filled_bytes(BRAKE_FLOOR_WRITES_PER_SECOND, action_usec);
    wide costs = (wide)writes * trial->chunk_bytes;
    return saturate((costs > bytes ? costs : bytes) * RESERVE_MARGIN);
}

/* What an extension adds; UINT64_MAX where the store can never fill then. */
static uint64_t more_bytes(const struct trial *trial, const struct candidate *candidate)
{
    const struct member *member = trial->member;
    struct exception_store grown = trial->store;
    grown.total_sectors = decision_grow_to_sectors(member, member->policy, candidate->action);
    if (!exception_store_can_fill(&grown, member->target.length_sectors))
        return UINT64_MAX;
    return saturate((wide)(grown.total_sectors - trial->store.total_sectors) * SECTOR_BYTES);
}

/* Bytes from the rung on until its action has come: without the brake, and with it. */
struct costs {
    uint64_t free;
    uint64_t held; /* UINT64_MAX: cannot be held */
};

static struct costs costs_of(const struct trial *trial, const struct candidate *candidate,
                             uint64_t action_usec)
{
    uint64_t rate = trial->bytes_per_second, engage_usec = trial->bounds->engage_usec;
    struct costs costs = {filled_bytes(rate, add(trial->seen_usec, action_usec)), UINT64_MAX};
    if (can_hold(trial, candidate))
        costs.held = add(filled_bytes(rate, add(trial->seen_usec, engage_usec)),
                         reserve_bytes(trial, action_usec));
    return costs;
}

static enum guarantee_verdict weigh(const struct guarantee_rung *rung, struct costs costs)
{
    if (costs.free <= rung->room_bytes && costs.free <= rung->more_bytes)
        return GUARANTEE_IN_TIME;
    if (costs.held <= rung->room_bytes && costs.held <= rung->more_bytes)
        return GUARANTEE_HELD;
    bool fits = costs.free <= rung->room_bytes || costs.held <= rung->room_bytes;
    return fits ? GUARANTEE_TOO_LITTLE : GUARANTEE_LATE;
}

static uint32_t centipercent_at(const struct trial *trial, uint64_t exceptions)
{
    struct sample sample = {.total_sectors = trial->store.total_sectors};
    sample.used_sectors = saturate((wide)exception_store_chunks_needed(&trial->store, exceptions) *
                                   trial->store.chunk_sectors);
    return sample_used_centipercent(&sample);
}

static void measure_room(const struct trial *trial, const struct candidate *candidate, uint64_t at,
                         struct guarantee_rung *rung)
{
    const struct condition *condition = &candidate->text->condition;
    bool is_its_percent = condition->kind == CONDITION_USED && !candidate->is_passed;
    rung->from_exceptions = at;
    rung->from_centipercent = is_its_percent ? (uint32_t)condition->value : centipercent_at(trial, at);
    rung->room_bytes = saturate((wide)(trial->capacity - at) * trial->chunk_bytes);
    rung->to_full_usec = trial->bytes_per_second
                             ? saturate((wide)rung->room_bytes * SECOND_USEC / trial->bytes_per_second)
                             : UINT64_MAX;
}

/* Judges a rung as if it were crossed at that many exceptions. */
static void judge_at(const struct trial *trial, const struct candidate *candidate, uint64_t at,
                     struct guarantee_rung *ret_rung)
{
    struct others others = weigh_others(trial, candidate, at);
    uint64_t took_usec = candidate->took_usec > others.took_usec ? candidate->took_usec : others.took_usec;
    struct guarantee_rung rung = {
        .rung = candidate->rung,
        .is_lvm = dm_uuid_is_lvm(trial->member->uuid),
        .action = candidate->action->kind,
        .is_measured = candidate->is_measured,
        .action_usec = add(took_usec, others.wait_usec),
        .seen_usec = trial->seen_usec,
        .bytes_per_second = trial->bytes_per_second,
        .more_bytes = UINT64_MAX,
    };
    struct costs costs = costs_of(trial, candidate, rung.action_usec);
    rung.needed_bytes = costs.free < costs.held ? costs.free : costs.held;
    measure_room(trial, candidate, at, &rung);
    if (rung.action == ACTION_EXTEND)
        rung.more_bytes = more_bytes(trial, candidate);
    if (!candidate->can_act)
        rung.verdict = GUARANTEE_CANNOT_ACT;
    else if (!candidate->has_height)
        rung.verdict = GUARANTEE_NO_HEIGHT;
    else if (others.spoiler)
        rung.verdict = GUARANTEE_OUTRANKED;
    else
        rung.verdict = weigh(&rung, costs);
    snprintf(rung.reason, sizeof(rung.reason), "%s",
             rung.verdict == GUARANTEE_OUTRANKED ? others.spoiler->reason : candidate->reason);
    *ret_rung = rung;
}

/* ---- what it would take */

static void suggest_height(const struct trial *trial, const struct candidate *candidate,
                           struct guarantee_rung *rung)
{
    const struct condition *condition = &candidate->text->condition;
    uint64_t below = condition->kind == CONDITION_USED ? (condition->value - 1) / 100 : 99;
    for (uint64_t percent = below; percent > 0; percent--) {
        struct guarantee_rung tried;
        judge_at(trial, candidate, exceptions_at_percent(trial, percent * 100), &tried);
        if (!guarantee_verdict_holds(tried.verdict))
            continue;
        rung->suggested_percent = (uint32_t)percent;
        rung->suggested_free_bytes = tried.room_bytes;
        return;
    }
}

static uint64_t rate_within(uint64_t bytes, uint64_t usec)
{
    return usec ? saturate((wide)bytes * SECOND_USEC / usec) : UINT64_MAX;
}

static void suggest_rate(const struct trial *trial, const struct candidate *candidate,
                         struct guarantee_rung *rung)
{
    uint64_t reserve = reserve_bytes(trial, rung->action_usec);
    uint64_t held_usec = add(rung->seen_usec, trial->bounds->engage_usec);
    rung->bytes_per_second_max = rate_within(rung->room_bytes, add(rung->seen_usec, rung->action_usec));
    if (!can_hold(trial, candidate) || rung->room_bytes <= reserve)
        return;
    uint64_t held_rate = rate_within(rung->room_bytes - reserve, held_usec);
    if (held_rate > rung->bytes_per_second_max)
        rung->bytes_per_second_max = held_rate;
}

static void judge_rung(const struct trial *trial, const struct candidate *candidate,
                       struct guarantee_rung *ret_rung)
{
    judge_at(trial, candidate, candidate->at, ret_rung);
    if (ret_rung->verdict != GUARANTEE_LATE)
        return;
    suggest_rate(trial, candidate, ret_rung);
    if (!candidate->is_passed)
        suggest_height(trial, candidate, ret_rung);
}

/* ---- the snapshot */

/* The lowest that can act; of several at one height the one that is carried out. Where none can: the lowest of all. */
static int find_decisive(const struct trial *trial)
{
    int decisive = -1;
    for (size_t i = 0; i < trial->n_candidates; i++) {
        const struct candidate *candidate = &trial->candidates[i];
        const struct candidate *best = decisive >= 0 ? &trial->candidates[decisive] : NULL;
        bool counts = candidate->can_act && candidate->has_height;
        bool best_counts = best && best->can_act && best->has_height;
        if (!best || (counts && !best_counts) || (counts == best_counts && candidate->at <= best->at))
            decisive = (int)i;
    }
    return decisive;
}

bool guarantee_verdict_holds(enum guarantee_verdict verdict)
{
    return verdict == GUARANTEE_NEVER_FULL || verdict == GUARANTEE_MERGING || verdict == GUARANTEE_IN_TIME ||
           verdict == GUARANTEE_HELD;
}

/* What needs no ladder; GUARANTEE_NOTHING_ACTS: it does. */
static enum guarantee_verdict judge_state(const struct trial *trial)
{
    const struct member *member = trial->member;
    if (!member->has_sample || member->target.status.state != SNAPSHOT_VALID || !trial->chunk_bytes)
        return GUARANTEE_UNKNOWN;
    if (member->target.kind != TARGET_SNAPSHOT)
        return GUARANTEE_MERGING;
    bool can_fill = exception_store_can_fill(&trial->store, member->target.length_sectors);
    return can_fill ? GUARANTEE_NOTHING_ACTS : GUARANTEE_NEVER_FULL;
}

static void judge_ladder(struct trial *trial, struct guarantee *guarantee)
{
    for (unsigned i = 0; i < trial->member->policy->n_rungs; i++)
        if (is_counted(trial, i))
            add_candidate(trial, i);
    for (size_t i = 0; i < trial->n_candidates; i++)
        judge_rung(trial, &trial->candidates[i], &guarantee->rungs[i]);
    guarantee->n_rungs = trial->n_candidates;
    guarantee->decisive = find_decisive(trial);
    if (guarantee->decisive < 0)
        return;
    guarantee->text = trial->candidates[guarantee->decisive].text->text;
    guarantee->verdict = trial->bounds->dry_run ? GUARANTEE_DRY_RUN
                                                : guarantee->rungs[guarantee->decisive].verdict;
}

void guarantee_judge(const struct guarantee_subject *subject, const struct guarantee_bounds *bounds,
                     struct guarantee *ret_guarantee)
{
    struct trial trial;
    set_up(&trial, subject, bounds);
    ret_guarantee->decisive = -1;
    ret_guarantee->text = NULL;
    ret_guarantee->n_rungs = 0;
    ret_guarantee->verdict = judge_state(&trial);
    if (ret_guarantee->verdict == GUARANTEE_NOTHING_ACTS && subject->member->policy)
        judge_ladder(&trial, ret_guarantee);
    ret_guarantee->holds = guarantee_verdict_holds(ret_guarantee->verdict);
}
