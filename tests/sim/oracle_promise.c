/* Promises: that a snapshot whose rung is high enough above the end is not lost, as long as nothing happens that no
 * guarantee covers.
 *
 * Until the daemon has a guarantee of its own to ask, it is computed here: from the crossing of the rung the daemon needs
 * the shortest poll, what a wake-up may be late by, and the calls of its action; in that time, at the faster of the
 * assumed rate and the measured peak, the store must not fill.
 */
#include "oracle_state.h"
#include <string.h>

#define CALLS_MAX  30    /* of a child, from its start to where the filling stops */
#define LOOKS_USEC 20000 /* all looks of one turn of the loop, some of them slow */

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

void promise_allow_late(uint64_t late_usec)
{
    (void)late_usec;
}

static uint64_t needed_usec(void)
{
    return oracle.history->shortest_usec + 2 * oracle.history->late_usec + LOOKS_USEC +
           CALLS_MAX * oracle.history->call_usec;
}

static bool can_act(const struct shadow *shadow, const struct rung_setup *rung)
{
    const struct group *group = shadow->group;
    bool is_live = group->setup->is_live;
    switch (rung->action) {
    case ACTION_EXTEND:
        return shadow->index == S && !world.no_space &&
               shadow->level.total_sectors + shadow->level.total_sectors / 10000 * rung->amount <=
                   group->setup->store_sectors * 4;
    case ACTION_DROP:
        return !is_live && group->machine.devices[shadow->index].open_count == 0;
    case ACTION_MERGE:
        return is_live;
    default:
        return false;
    }
}

/* The first armed rung that can save it: what the guarantee says of it. */
static bool is_guaranteed(const struct shadow *shadow, const struct rung_setup *rung, uint64_t rate)
{
    uint64_t room = shadow->level.bytes_left - reference_bytes_to(rung, &shadow->level);
    uint64_t needed = (uint64_t)((unsigned __int128)rate * needed_usec() / 1000000) +
                      2 * shadow->group->setup->chunk_sectors * UINT64_C(512);
    uint64_t more = (uint64_t)((unsigned __int128)shadow->level.total_sectors * 512 * rung->amount / 10000);
    return room > needed && (rung->action != ACTION_EXTEND || more > 2 * needed);
}

static bool is_disturbed(const struct shadow *shadow)
{
    return oracle_config()->dry_run || world.disk_full || shadow->is_acting ||
           shadow->state != SNAPSHOT_VALID || shadow->kind != TARGET_SNAPSHOT || oracle.look_failed;
}

/* What several rungs do to one another is not promised: only the highest that changes the device counts. */
static size_t last_changing_rung(const struct ladder_setup *ladder)
{
    for (size_t i = ladder->n_rungs; i-- > 0;)
        if (action_kind_changes(ladder->rungs[i].action))
            return i;
    return ladder->n_rungs;
}

static bool has_other_changing(const struct ladder_setup *ladder, size_t rung)
{
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (i != rung && action_kind_changes(ladder->rungs[i].action))
            return true;
    return false;
}

void promise_make(struct shadow *shadow)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    uint64_t assumed = oracle.history->assumed_bytes_per_second, peak = shadow->peak_bytes_per_second;
    struct promise *promise = &shadow->promise;
    size_t rung = last_changing_rung(ladder);
    if (promise->holds && shadow->chosen & UINT32_C(1) << promise->rung)
        promise->is_due = true;
    if (!shadow->is_fresh || (promise->holds && promise->is_due))
        return;
    *promise = (struct promise){.rung = rung, .made_usec = world.clock_usec};
    promise->bytes_per_second = peak > assumed ? peak : assumed;
    bool armed = rung < ladder->n_rungs && !(shadow->fired & UINT32_C(1) << rung) &&
                 ladder->rungs[rung].condition != CONDITION_TIME && !has_other_changing(ladder, rung);
    promise->holds = armed && !is_disturbed(shadow) && can_act(shadow, &ladder->rungs[rung]) &&
                     world_fill_rate(shadow->group) <= promise->bytes_per_second &&
                     is_guaranteed(shadow, &ladder->rungs[rung], promise->bytes_per_second);
}

void oracle_writes(struct group *group)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].group == group &&
            world_fill_rate(group) / 100 * 101 > oracle.shadows[i].promise.bytes_per_second)
            promise_break(&oracle.shadows[i]);
}

void oracle_lost(struct group *group, size_t index)
{
    struct shadow *shadow = oracle_find(group->machine.devices[index].uuid);
    if (!world.is_up || !shadow || !shadow->promise.holds)
        return;
    oracle_fails("%s is lost, and \"%s\" was said to be in time (promised at %.6f)", shadow->uuid,
                 oracle_ladder(shadow)->rungs[shadow->promise.rung].text,
                 (double)shadow->promise.made_usec / 1e6);
}
