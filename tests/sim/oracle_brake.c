/* The brake (cowherd/brake.h): while an action is in flight that could come too late, the writers that fill its store are
 * held, slowly enough, and in the turn of the look that shows the need; and let go in the turn in which nothing is.
 *
 * "Held" is a limit that is set, or a child that is at it, or one that has failed just now: the next one has its pause.
 */
#include "../../daemon/action/limits.h"
#include "../../daemon/manager_state.h"
#include "children.h"
#include "cowherd/dm_action.h"
#include "cowherd/pursuit.h"
#include "devices.h"
#include "oracle_state.h"
#include <string.h>

#define CALM_USEC     UINT64_C(60000000) /* after it nobody is held for what waits */
#define CAUTIOUS_USEC UINT64_C(3000000)

/* What waits for a device to be closed is looked at so often; another one that has it open may be udev's moment. */
#define MOMENT_USEC (PURSUIT_DEFERRED_USEC + PURSUIT_GRACE_USEC + UINT64_C(200000))
#define TOLERANCE   120 /* percent: a rate is replaced from a tenth of a difference on */

/* Nobody is held for longer than an action's deadline. */
#define FLIGHT_MAX_USEC (DM_ACTION_DEADLINE_USEC - UINT64_C(1000000))

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t awake_usec(void)
{
    return world.clock_usec - world.slept_usec;
}

void oracle_brake_ended(dev_t device, const void *data)
{
    const struct brake_limit_result *result = data;
    const struct group *group = devices_group_of(device);
    if (group && (!result || result->error < 0))
        oracle.brake_failed_usec[group->index] = awake_usec();
}

static bool is_held(const struct group *group)
{
    return group->cap.bytes_per_second != UINT64_MAX || group->cap.writes_per_second != UINT64_MAX;
}

/* A limit is being set, or has failed and waits for its pause and the look after it. */
static bool is_changing(struct group *group)
{
    uint64_t failed_usec = oracle.brake_failed_usec[group->index];
    uint64_t pause_usec = LIMIT_REFRESH_USEC + 2 * oracle.history->shortest_usec + oracle.history->late_usec;
    return children_brake(devices_written(group)->number) ||
           (failed_usec && awake_usec() <= failed_usec + pause_usec);
}

/* ---- held for nothing */

static uint64_t last_active_usec(const struct group *group)
{
    uint64_t last = oracle.started_usec;
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].group == group && oracle.shadows[i].active_usec > last)
            last = oracle.shadows[i].active_usec;
    return last;
}

bool brake_successor_is_due(const struct group *group)
{
    const struct errands *errands = oracle.manager ? &oracle.manager->errands : NULL;
    for (size_t i = 0; errands && i < errands->n_items; i++) {
        const struct pursuit *pursuit = &errands->items[i]->pursuit;
        bool is_fresh = pursuit->phase == PURSUIT_WANTED ||
                        (pursuit->phase == PURSUIT_DEFERRED && !pursuit->deferred_told);
        if (is_fresh && devices_group_of(pursuit->intent.device) == group)
            return true;
    }
    return false;
}

static bool is_anything_wanted(const struct group *group)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists && oracle.shadows[i].group == group && oracle.shadows[i].is_acting)
            return true;
    return children_act_for(group->index) || brake_successor_is_due(group);
}

static void judge_hold(struct group *group)
{
    uint64_t last = max(last_active_usec(group), group->disturbed_usec);
    bool is_wanted = is_anything_wanted(group);
    bool is_moving = world.clock_usec <= last + CALM_USEC ||
                     world.clock_usec <= group->opened_usec + MOMENT_USEC;
    bool must_wait = is_wanted && (is_moving || children_act_for(group->index));
    if (!devices_written(group)->exists || !is_held(group) || must_wait || is_changing(group))
        return;
    if (oracle.has_looked && !oracle.look_failed)
        oracle_fails("the writers of group %u are held for nothing", group->index);
}

/* ---- not held */

static void note_flight(struct shadow *shadow)
{
    if (!shadow->is_acting) {
        shadow->flight_usec = 0;
    } else if (!shadow->flight_usec) {
        shadow->flight_usec = awake_usec();
        shadow->flight_sectors = shadow->level.total_sectors;
    }
}

/* The plan sees no way: holding writers makes it no more possible, and a child only records what it waits for. */
static bool is_refused(const struct shadow *shadow)
{
    const struct errands *errands = oracle.manager ? &oracle.manager->errands : NULL;
    for (size_t i = 0; errands && i < errands->n_items; i++)
        if (strcmp(errands->items[i]->pursuit.intent.uuid, shadow->uuid) == 0)
            return errands->items[i]->pursuit.refused;
    return false;
}

/* Whether what the child does is still to stop the filling, as far as the last look shows. */
static bool is_awaited(const struct shadow *shadow, const struct intent *intent)
{
    uint64_t total = shadow->level.total_sectors; /* a daemon before this one may have made it longer */
    bool has_grown = intent->action == ACTION_EXTEND &&
                     (total > shadow->flight_sectors || total >= intent->grow_to_sectors);
    bool is_wanted = !oracle.was_reloaded || action_has_rung(shadow->group, intent);
    return shadow->kind == TARGET_SNAPSHOT && shadow->state == SNAPSHOT_VALID && shadow->has_level &&
           !intent->lost && !has_grown && is_wanted && !oracle.look_failed && !is_refused(shadow);
}

/* The bytes that could be written in a time, at the rate that must be reckoned with. */
static uint64_t filled_bytes(uint64_t usec)
{
    return (uint64_t)((unsigned __int128)oracle.history->assumed_bytes_per_second * usec / 1000000);
}

/* What is left lasts for twice as long as the action is still to take, and has at least taken; past its time, for four times as
 * long. It is to take what it has been seen to take, and from when it was wanted CAUTIOUS_USEC at least. */
static uint64_t allowed_bytes_per_second(uint64_t left_bytes, uint64_t rest_usec, uint64_t elapsed_usec)
{
    uint64_t usec = max(rest_usec, 2 * elapsed_usec);
    uint64_t rate = (uint64_t)((unsigned __int128)left_bytes * 1000000 / 2 / usec);
    return max(rate, BRAKE_FLOOR_BYTES_PER_SECOND);
}

static void judge_unheld(struct shadow *shadow)
{
    struct group *group = shadow->group;
    uint64_t start_usec = 0, flight_usec = awake_usec() - shadow->flight_usec;
    const struct intent *intent = children_intent_for(shadow->uuid, &start_usec);
    if (!intent || !oracle_config()->brake || flight_usec > FLIGHT_MAX_USEC || !is_awaited(shadow, intent) ||
        !devices_written(group)->exists || is_changing(group))
        return;
    uint64_t began = world_awake_usec(start_usec), seen = world_awake_usec(shadow->level_usec);
    uint64_t elapsed_usec = seen > began ? seen - began : 0;
    uint64_t took_usec = pace_took_usec(shadow, intent->action);
    uint64_t left_bytes = shadow->level.chunks_left * group->setup->chunk_sectors * UINT64_C(512);
    uint64_t cautious_usec = flight_usec < CAUTIOUS_USEC ? CAUTIOUS_USEC - flight_usec : 0;
    uint64_t rest_usec = took_usec > elapsed_usec ? took_usec - elapsed_usec : 1;
    uint64_t allowed = allowed_bytes_per_second(left_bytes, max(rest_usec, cautious_usec), elapsed_usec);
    if (2 * filled_bytes(max(took_usec, elapsed_usec)) <= left_bytes)
        return;
    if (!is_held(group))
        oracle_fails("%s: its action may come too late, and the writers are not held", shadow->uuid);
    else if (group->cap.bytes_per_second / TOLERANCE > allowed / 100)
        oracle_fails("%s: its writers are held, and may fill its store before its action has come",
                     shadow->uuid);
}

void brake_before_sleep(void)
{
    for (size_t i = 0; i < oracle.history->n_groups; i++)
        judge_hold(&world.groups[i]);
    for (size_t i = 0; i < SHADOWS_MAX; i++) {
        struct shadow *shadow = &oracle.shadows[i];
        if (!shadow->exists)
            continue;
        note_flight(shadow);
        if (shadow->is_acting)
            judge_unheld(shadow);
    }
}
