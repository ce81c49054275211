/* When a snapshot must be looked at again, and need not be yet.
 *
 * Two of the daemon's own measurements go into that: what looks were late by, and what actions took. Both are taken from
 * it, and held against what was seen from outside when they are taken: oracle_wakes_late(), action_times_take().
 */
#include "../../daemon/manager_state.h"
#include "children.h"
#include "counters.h"
#include "cowherd/action_times.h"
#include "devices.h"
#include "oracle_state.h"
#include "storage.h"
#include "writers.h"
#include <inttypes.h>
#include <string.h>

#define SHOWN_USEC      UINT64_C(1000000) /* counted: no look sooner for nothing but to be told */
#define HEARTBEAT       UINT64_C(45000000)
#define UNREADABLE_USEC UINT64_C(500000) /* with all others, until they can all be read */
#define TIME_SHARE      16 /* counted, with a rung of time: no more of the room goes by unseen */
#define CALM_USEC       UINT64_C(1200000000) /* a rate is smoothed, and has gone to nothing by then */
#define CALM_WAKE_UPS   40                   /* besides the heartbeats */
#define KEPT_AFTER_USEC UINT64_C(30000000)   /* what was learned is on disk by then */

static uint64_t less(uint64_t usec, uint64_t by_usec)
{
    return usec > by_usec ? usec - by_usec : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t within_bounds(uint64_t usec)
{
    usec = usec < oracle.history->shortest_usec ? oracle.history->shortest_usec : usec;
    return min(usec, oracle.history->longest_usec);
}

/* ---- what the daemon has measured */

static uint64_t awake_usec(void)
{
    return world.clock_usec - world.slept_usec;
}

static uint64_t late_usec(void)
{
    return oracle.manager ? lateness_usec(&oracle.manager->lateness, world.clock_usec) : 0;
}

uint64_t pace_took_usec(const struct shadow *shadow, enum action_kind action)
{
    struct action_subject subject = {.name = shadow->name, .uuid = shadow->uuid};
    return oracle.manager ? action_times_usec(&oracle.manager->errands.memory.times, action, subject) : 0;
}

/* ---- the rungs ahead */

static uint64_t fastest(const struct shadow *shadow)
{
    uint64_t assumed = oracle.history->assumed_bytes_per_second, peak = shadow->peak_bytes_per_second;
    return peak > assumed ? peak : assumed;
}

static bool is_armed(const struct shadow *shadow, size_t rung, bool with_doubtful)
{
    uint32_t armed = ~shadow->fired | (with_doubtful ? shadow->maybe_armed : 0);
    return armed & UINT32_C(1) << rung;
}

/* The rung that comes next, and how far it is; n_rungs: none with a height. */
static size_t next_rung(const struct shadow *shadow, bool with_doubtful, uint64_t *ret_usec)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    size_t next = ladder->n_rungs;
    *ret_usec = UINT64_MAX;
    for (size_t i = 0; i < ladder->n_rungs; i++) {
        uint64_t usec = reference_fill_usec(reference_bytes_to(&ladder->rungs[i], &shadow->level),
                                            fastest(shadow));
        bool is_carried_out = usec == *ret_usec && action_kind_changes(ladder->rungs[i].action);
        if (!is_armed(shadow, i, with_doubtful) || (usec >= *ret_usec && !is_carried_out))
            continue;
        *ret_usec = usec;
        next = i;
    }
    return next;
}

static bool may_wait_for_time(const struct shadow *shadow, bool with_doubtful)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (ladder->rungs[i].condition == CONDITION_TIME &&
            (with_doubtful || !(shadow->fired & UINT32_C(1) << i)))
            return true;
    return false;
}

static bool may_fill(const struct shadow *shadow)
{
    return shadow->state == SNAPSHOT_VALID && shadow->kind == TARGET_SNAPSHOT;
}

void pace_take(struct shadow *shadow)
{
    struct pace *pace = &shadow->pace;
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    uint64_t half = reference_fill_usec(shadow->level.bytes_left, fastest(shadow)) / 2;
    *pace = (struct pace){.fills = may_fill(shadow), .is_known = true, .has_moved = pace->has_moved};
    if (!pace->fills)
        return;
    size_t next = next_rung(shadow, false, &pace->rung_usec);
    pace->action = next < ladder->n_rungs ? ladder->rungs[next].action : ACTION_ALERT;
    next_rung(shadow, true, &pace->doubtful_usec);
    pace->half_usec = may_wait_for_time(shadow, false) ? half : UINT64_MAX;
    pace->doubtful_half_usec = may_wait_for_time(shadow, true) ? half : UINT64_MAX;
}

/* ---- not too late */

static uint64_t latest_usec(const struct shadow *shadow)
{
    const struct pace *pace = &shadow->pace;
    uint64_t usec = pace->rung_usec;
    if (!pace->fills)
        return oracle.history->longest_usec;
    if (usec != UINT64_MAX && action_kind_changes(pace->action))
        usec = less(usec, pace_took_usec(shadow, pace->action));
    usec = min(usec, pace->half_usec);
    if (usec != UINT64_MAX)
        usec = less(usec, late_usec());
    return within_bounds(usec);
}

/* Whether no armed rung can be passed before the counter of its store fires; UINT64_MAX writes: it is not armed. */
static bool is_counted(const struct shadow *shadow, uint64_t unseen)
{
    struct model_store *store = &shadow->group->machine.stores[shadow->index == S ? C : CT];
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    if (unseen == UINT64_MAX || !shadow->pace.fills)
        return false;
    uint64_t most = min(store->exceptions + unseen, model_capacity(store));
    uint64_t used = model_chunks_needed(store, most) * store->chunk_sectors;
    struct level level = reference_level(store->chunk_sectors, used, store->total_sectors);
    for (size_t i = 0; i < ladder->n_rungs; i++) {
        if (shadow->fired & UINT32_C(1) << i)
            continue;
        if (ladder->rungs[i].condition == CONDITION_TIME ? unseen > shadow->level.chunks_left / TIME_SHARE
                                                         : reference_is_crossed(&ladder->rungs[i], &level))
            return false;
    }
    return unseen < shadow->level.chunks_left || unseen == 0;
}

static uint64_t latest_counted_usec(const struct shadow *shadow)
{
    uint64_t shown = oracle.history->longest_usec > SHOWN_USEC ? oracle.history->longest_usec : SHOWN_USEC;
    return shadow->pace.has_moved ? shown : HEARTBEAT;
}

static void judge_late(const struct shadow *shadow, uint64_t timer_usec)
{
    uint64_t latest = latest_usec(shadow);
    if (oracle_is_unreadable(shadow) && latest < UNREADABLE_USEC)
        latest = UNREADABLE_USEC;
    if (timer_usec <= shadow->asked_usec + latest + 1)
        return;
    dev_t store = devices_store(shadow->group, shadow->index == S ? C : CT);
    bool counted = is_counted(shadow, counters_unseen(store));
    if (!counted)
        oracle_fails("%s must be looked at within %" PRIu64 " us, and is not for %" PRIu64 " us",
                     shadow->uuid, latest, timer_usec - shadow->asked_usec);
    else if (timer_usec > shadow->asked_usec + latest_counted_usec(shadow) + 1)
        oracle_fails("%s fills, is counted, and is not looked at for %" PRIu64 " us", shadow->uuid,
                     timer_usec - shadow->asked_usec);
}

/* ---- not too early */

/* Between two looks at it the daemon may have learned more, or forgotten. */
static void note_measured(struct shadow *shadow)
{
    struct pace *pace = &shadow->pace;
    uint64_t late = late_usec();
    pace->late_usec = late > pace->late_usec ? late : pace->late_usec;
    if (pace->noted_lessons == oracle.lessons)
        return;
    pace->noted_lessons = oracle.lessons;
    for (enum action_kind action = ACTION_EXTEND; action <= ACTION_DROP; action++) {
        uint64_t took = pace_took_usec(shadow, action);
        pace->took_usec = took > pace->took_usec ? took : pace->took_usec;
    }
}

static uint64_t soonest_usec(const struct shadow *shadow)
{
    const struct pace *pace = &shadow->pace;
    if (!pace->is_known)
        return 0;
    if (!pace->fills)
        return oracle.history->longest_usec;
    uint64_t usec = min(less(pace->doubtful_usec, pace->took_usec), pace->doubtful_half_usec);
    return within_bounds(less(usec, pace->late_usec));
}

static const struct member *member_of(const struct shadow *shadow)
{
    const struct herd *herd = &oracle.manager->herd;
    for (size_t i = 0; i < herd->n_members; i++)
        if (herd->members[i]->device == shadow->device && strcmp(herd->members[i]->uuid, shadow->uuid) == 0)
            return herd->members[i];
    return NULL;
}

/* Its guarantee seems to have changed: it is asked once more when that has lasted. */
static bool is_asked_for_guarantee(const struct shadow *shadow)
{
    const struct member *member = oracle.manager ? member_of(shadow) : NULL;
    return member && world.clock_usec >= guarantee_word_due_usec(&member->guarantee.word);
}

void pace_judge_look(struct shadow *shadow, uint64_t now_usec)
{
    uint64_t since = now_usec - shadow->asked_usec;
    bool is_watched = shadow->is_acting || brake_successor_is_due(shadow->group);
    uint64_t soonest = is_watched ? oracle.history->shortest_usec : soonest_usec(shadow);
    bool was_active = counters_were_active(devices_store(shadow->group, shadow->index == S ? C : CT));
    if (since * 10 < soonest * 9 && !was_active && !is_asked_for_guarantee(shadow))
        oracle_fails("%s is looked at after %" PRIu64 " us, and need not be before %" PRIu64 " us",
                     shadow->uuid, since, soonest);
}

/* The daemon's own word for when it was: it also asks for the figures of what it says, which is no look. */
void pace_take_asked(struct shadow *shadow)
{
    const struct member *member = oracle.manager ? member_of(shadow) : NULL;
    shadow->asked_usec = member ? member->asked_usec : world.clock_usec;
}

/* ---- the daemon's measurements, from outside */

/* What is late once is allowed for from then on, for a while. */
void oracle_wakes_late(uint64_t due_usec, uint64_t usec)
{
    bool is_look = oracle.manager && oracle.manager->due_usec == due_usec && due_usec >= world.clock_usec;
    oracle.late_usec = is_look && oracle.has_looked ? usec : 0;
    oracle.late_slept_usec = oracle.manager ? oracle.manager->due_slept_usec : 0;
    oracle.calm_wake_ups++;
    promise_allow_late(usec);
}

void oracle_dispatches(bool is_look)
{
    oracle.turn_usec = awake_usec();
    oracle.late_counts = is_look;
}

/* A machine that sleeps before the turn, or in it, was not late; and what is late halves meanwhile. */
static void judge_lateness(void)
{
    bool has_slept = oracle.late_slept_usec != world.slept_usec;
    if (oracle.late_counts && !has_slept && late_usec() < oracle.late_usec / 100 * 99)
        oracle_fails("a look was late by %" PRIu64 " us, and %" PRIu64 " us are allowed for",
                     oracle.late_usec, late_usec());
    oracle.late_usec = 0;
    oracle.late_counts = false;
}

/* No sooner than its store had stopped filling, and no longer ago than its rung was crossed. */
static void judge_took(struct shadow *shadow, enum action_kind action, uint64_t usec)
{
    uint64_t stopped = shadow->stopped_usec, now = awake_usec();
    if (stopped && shadow->child_usec && usec + 1 < less(stopped, shadow->child_usec))
        oracle_fails("%s: %s is said to have taken %" PRIu64 " us, and its store filled for %" PRIu64 " us",
                     shadow->uuid, action_kind_name(action), usec, less(stopped, shadow->child_usec));
    if (shadow->wanted_usec && usec > less(now, shadow->wanted_usec) + 1)
        oracle_fails("%s: %s is said to have taken %" PRIu64 " us, and was wanted %" PRIu64 " us ago",
                     shadow->uuid, action_kind_name(action), usec, less(now, shadow->wanted_usec));
}

void __real_action_times_take(struct action_times *times, enum action_kind action,
                              struct action_subject subject, uint64_t took_usec, uint32_t day);
void __wrap_action_times_take(struct action_times *times, enum action_kind action,
                              struct action_subject subject, uint64_t took_usec, uint32_t day);

void __wrap_action_times_take(struct action_times *times, enum action_kind action,
                              struct action_subject subject, uint64_t usec, uint32_t day)
{
    struct shadow *shadow = oracle_find(subject.uuid);
    struct book *book = oracle_book(subject.uuid);
    __real_action_times_take(times, action, subject, usec, day);
    oracle.lessons++;
    if (shadow) {
        judge_took(shadow, action, usec);
        shadow->has_learned = true;
    }
    book->took_usec[action] = usec;
    book->learned_usec[action] = awake_usec();
    if (action_times_usec(times, action, subject) < usec)
        oracle_fails("%s: that %s took %" PRIu64 " us is not remembered", subject.uuid,
                     action_kind_name(action), usec);
}

void oracle_memory_is_lost(void)
{
    oracle.memory_lost_usec = awake_usec();
}

/* What was learned just before the daemon went may not be on disk. */
void pace_forget_unwritten(void)
{
    if (storage_was_being_kept())
        oracle_memory_is_lost();
    for (size_t i = 0; i < UUIDS_MAX; i++)
        for (enum action_kind action = ACTION_EXTEND; action <= ACTION_DROP; action++)
            if (oracle.books[i].learned_usec[action] + KEPT_AFTER_USEC > awake_usec())
                oracle.books[i].took_usec[action] = 0;
}

/* What was learned some time before the daemon went is known to the next one. */
void pace_judge_memory(const struct shadow *shadow)
{
    const struct book *book = oracle_book(shadow->uuid);
    for (enum action_kind action = ACTION_EXTEND; action <= ACTION_DROP; action++) {
        bool is_kept = book->took_usec[action] > 0 && oracle.memory_lost_usec < book->learned_usec[action];
        if (is_kept && pace_took_usec(shadow, action) < book->took_usec[action])
            oracle_fails("%s: that %s took %" PRIu64 " us is forgotten", shadow->uuid,
                         action_kind_name(action), book->took_usec[action]);
    }
}

/* ---- waking */

/* Nobody writes, nothing is done, and everybody is counted. */
static bool is_calm(void)
{
    bool calm = oracle.has_looked && !oracle.look_failed && oracle.manager &&
                oracle.manager->errands.n_items == 0 && oracle.manager->recall.n_items == 0 &&
                children_next_usec() == UINT64_MAX;
    for (size_t i = 0; i < oracle.history->n_groups; i++)
        calm = calm && writers_fill_rate(&world.groups[i]) == 0;
    size_t n_strange = calm ? oracle.manager->herd.n_members : 0; /* that somebody merges */
    for (size_t i = 0; calm && i < SHADOWS_MAX; i++) {
        const struct shadow *shadow = &oracle.shadows[i];
        n_strange -= shadow->exists;
        if (shadow->exists)
            calm = shadow->pace.fills && awake_usec() > shadow->moved_usec + CALM_USEC &&
                   shadow->level.chunks_left > 0 &&
                   counters_unseen(devices_store(shadow->group, shadow->index == S ? C : CT)) != UINT64_MAX;
    }
    return calm && n_strange == 0;
}

static void judge_calm(void)
{
    if (!is_calm()) {
        oracle.calm_usec = world.clock_usec;
        oracle.calm_wake_ups = 0;
        return;
    }
    uint64_t usec = world.clock_usec - oracle.calm_usec;
    if (oracle.calm_wake_ups > usec / HEARTBEAT + CALM_WAKE_UPS)
        oracle_fails("nothing happens, and the loop has been woken %" PRIu64 " times in %" PRIu64 " s",
                     oracle.calm_wake_ups, usec / 1000000);
}

void pace_after_dispatch(void)
{
    judge_lateness();
    promise_allow_late(awake_usec() - oracle.turn_usec);
}

void pace_note_measured(void)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists)
            note_measured(&oracle.shadows[i]);
}

void pace_before_sleep(uint64_t timer_usec)
{
    judge_calm();
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists && oracle.shadows[i].pace.is_known)
            judge_late(&oracle.shadows[i], timer_usec);
}
