/* Promises: what the daemon itself says of a snapshot, that it cannot be lost by filling (cowherd/guarantee.h), is held
 * against it.
 *
 * The last word before the decisive rung is crossed counts. It is taken back where something happens that it does not
 * cover: writers faster than it was said of, a wake-up later than was allowed for, an action or the brake slower than it
 * was reckoned with, and whatever the world calls a disturbance.
 */
#include "../../daemon/manager_state.h"
#include "cowherd/guarantee.h"
#include "oracle_state.h"
#include "writers.h"
#include <string.h>

/* A look takes its time, and some a hundred times as long: a word that has less to spare than this is none. */
#define SPARE_USEC UINT64_C(1000)

void promise_break(struct shadow *shadow)
{
    shadow->promise.holds = false;
}

void oracle_forgive(struct group *group)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].group == group)
            promise_break(&oracle.shadows[i]);
}

/* A look was late by so much, or took so long. */
void promise_allow_late(uint64_t late_usec)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (late_usec > oracle.shadows[i].promise.late_usec)
            promise_break(&oracle.shadows[i]);
}

/* ---- the daemon's word */

static struct shadow *shadow_of(const struct member *member)
{
    struct shadow *shadow = oracle_find(member->uuid);
    return shadow && shadow->device == member->device ? shadow : NULL;
}

static size_t index_of(const struct shadow *shadow, const char *text)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (strcmp(ladder->rungs[i].text, text) == 0)
            return i;
    return ladder->n_rungs;
}

static bool has_time_to_spare(const struct guarantee_rung *rung)
{
    return rung->to_full_usec >= rung->seen_usec + rung->action_usec + 2 * SPARE_USEC;
}

/* Held writers are let go again by a child, whose time is taken from the history. */
static bool can_be_held(const struct guarantee_bounds *bounds)
{
    return oracle.history->call_usec * 2 + SPARE_USEC < bounds->engage_usec;
}

static void take_rung(struct shadow *shadow, const struct member *member, const struct guarantee *guarantee,
                      const struct guarantee_bounds *bounds)
{
    const struct guarantee_rung *rung = &guarantee->rungs[guarantee->decisive];
    struct promise *word = &shadow->word;
    bool is_held = guarantee->verdict == GUARANTEE_HELD;
    word->rung = index_of(shadow, member->policy->rungs[rung->rung].text);
    word->action_usec = rung->action_usec;
    word->bytes_per_second = rung->bytes_per_second;
    word->holds = word->holds && (is_held ? can_be_held(bounds) : has_time_to_spare(rung));
}

void __real_guarantee_judge(const struct guarantee_subject *subject, const struct guarantee_bounds *bounds,
                            struct guarantee *ret_guarantee);
void __wrap_guarantee_judge(const struct guarantee_subject *subject, const struct guarantee_bounds *bounds,
                            struct guarantee *ret_guarantee);

void __wrap_guarantee_judge(const struct guarantee_subject *subject, const struct guarantee_bounds *bounds,
                            struct guarantee *ret_guarantee)
{
    __real_guarantee_judge(subject, bounds, ret_guarantee);
    struct shadow *shadow = subject->seen ? shadow_of(subject->member) : NULL;
    if (!shadow)
        return;
    shadow->word = (struct promise){
        .holds = ret_guarantee->holds && ret_guarantee->verdict != GUARANTEE_MERGING,
        .rung = RUNGS_MAX,
        .bytes_per_second = UINT64_MAX,
        .action_usec = UINT64_MAX,
        .late_usec = bounds->pacing.late_usec + SPARE_USEC,
        .made_usec = world.clock_usec,
    };
    if (ret_guarantee->decisive >= 0)
        take_rung(shadow, subject->member, ret_guarantee, bounds);
}

/* ---- the promise */

static bool is_disturbed(const struct shadow *shadow)
{
    return oracle_config()->dry_run || world.disk_full || world.no_space || shadow->is_acting ||
           shadow->state != SNAPSHOT_VALID || shadow->kind != TARGET_SNAPSHOT || oracle.look_failed;
}

void promise_make(struct shadow *shadow)
{
    struct promise *promise = &shadow->promise;
    if (promise->holds && promise->rung < RUNGS_MAX && shadow->chosen & UINT32_C(1) << promise->rung)
        promise->is_due = true;
    if (!shadow->word.made_usec || (promise->holds && promise->is_due))
        return;
    *promise = shadow->word;
    shadow->word.made_usec = 0;
    promise->holds = promise->holds && !is_disturbed(shadow) &&
                     writers_fill_rate(shadow->group) <= promise->bytes_per_second;
}

void oracle_writes(struct group *group)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].group == group &&
            writers_fill_rate(group) / 100 * 101 > oracle.shadows[i].promise.bytes_per_second)
            promise_break(&oracle.shadows[i]);
}

/* The action is at work for longer than it was reckoned with. */
static bool is_overdue(const struct shadow *shadow)
{
    uint64_t awake_usec = world.clock_usec - world.slept_usec;
    return shadow->promise.is_due && awake_usec - shadow->decided_usec > shadow->promise.action_usec;
}

void oracle_lost(struct group *group, size_t index)
{
    struct shadow *shadow = oracle_find(group->machine.devices[index].uuid);
    if (!world.is_up || !shadow || !shadow->promise.holds || is_overdue(shadow))
        return;
    const struct promise *promise = &shadow->promise;
    bool has_rung = promise->rung < oracle_ladder(shadow)->n_rungs;
    oracle_fails("%s is lost, and \"%s\" was said to be in time (promised at %.6f)", shadow->uuid,
                 has_rung ? oracle_ladder(shadow)->rungs[promise->rung].text : "it cannot fill",
                 (double)promise->made_usec / 1e6);
}
