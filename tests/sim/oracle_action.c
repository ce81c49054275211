/* Actions: what the daemon's children may do, and when. */
#include "../../daemon/manager_state.h"
#include "children.h"
#include "cowherd/pursuit.h"
#include "devices.h"
#include "oracle_state.h"
#include "storage.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what is said */

/* Somebody else's merge is finished where there is a merge rung. */
static bool is_adopted(const struct shadow *shadow)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (ladder->rungs[i].action == ACTION_MERGE)
            return oracle.is_foreign_merge[shadow->group->index];
    return false;
}

static void take_start(struct shadow *shadow, const struct event *event)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    struct intent like = {.origin = shadow->group->machine.devices[shadow->index].active.targets[0].origin,
                          .store = devices_store(shadow->group, shadow->index == S ? C : CT)};
    snprintf(like.uuid, sizeof(like.uuid), "%s", shadow->uuid);
    const struct intent *record = storage_record(&like);
    bool is_justified = (record && strcmp(record->rung, event->rung) == 0) ||
                        strncmp(event->rung, "on ", 3) == 0 || shadow->state == SNAPSHOT_OVERFLOW ||
                        is_adopted(shadow) || oracle.was_reloaded;
    uint32_t chosen = shadow->chosen;
    for (size_t i = ladder->n_rungs; i-- > 0;) /* those of this turn are not chosen from yet */
        if (shadow->alerts & UINT32_C(1) << i && action_kind_changes(ladder->rungs[i].action)) {
            chosen |= UINT32_C(1) << i;
            break;
        }
    shadow->wanted_usec = 0;
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (chosen & UINT32_C(1) << i && strcmp(ladder->rungs[i].text, event->rung) == 0) {
            shadow->wanted_usec = shadow->alerts & UINT32_C(1) << i ? oracle.turn_usec
                                                                    : shadow->chosen_usec[i];
            is_justified = true;
        }
    if (!is_justified)
        oracle_fails("%s: \"%s\" is begun, and was not the one to be carried out", shadow->uuid, event->rung);
    shadow->is_started = !record && !is_adopted(shadow); /* only from its beginning it can be timed */
    shadow->has_learned = false;
    shadow->child_usec = shadow->stopped_usec = 0;
}

static void rearm(struct shadow *shadow, const char *text, bool surely)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = 0; i < ladder->n_rungs; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (strcmp(ladder->rungs[i].text, text) != 0)
            continue;
        if (shadow->fired_sectors[i] == shadow->group->machine.stores[C].total_sectors)
            continue; /* it has been crossed since it has grown */
        if (surely)
            shadow->fired &= ~bit;
        else
            shadow->maybe_armed |= bit;
        shadow->pace.doubtful_usec = 0; /* it may be passed at the level of the last look */
    }
}

/* Of those that follow one another at once the first alone is measured. */
static bool is_first(const struct shadow *shadow)
{
    const struct errands *errands = &oracle.manager->errands;
    for (size_t i = 0; i < errands->n_items; i++)
        if (strcmp(errands->items[i]->pursuit.intent.uuid, shadow->uuid) == 0)
            return errands->items[i]->stretches == 1;
    return false;
}

static void take_end(struct shadow *shadow, const struct event *event, bool is_done)
{
    bool extends = strcmp(event->action, action_kind_name(ACTION_EXTEND)) == 0;
    shadow->is_acting = !is_done;
    if (is_done && shadow->is_started && shadow->stretches == 1 && !shadow->has_learned && is_first(shadow))
        oracle_fails("%s: what \"%s\" took is not learned", shadow->uuid, event->rung);
    shadow->stretches = is_done ? 0 : shadow->stretches;
    promise_break(shadow);
    if (extends && event->rung)
        rearm(shadow, event->rung, is_done);
    if (is_done && !extends && oracle_book(shadow->uuid)->ends++ > 0)
        oracle_fails("%s: a second action comes to its end", shadow->uuid);
}

void action_event(struct shadow *shadow, const struct event *event)
{
    bool is_hook = event->rung && strstr(event->rung, "exec");
    if (is_hook)
        return;
    switch (event->kind) {
    case EVENT_ACTION_START:
        take_start(shadow, event);
        break;
    case EVENT_ACTION_DONE:
        take_end(shadow, event, true);
        break;
    case EVENT_ACTION_FAILED:
        take_end(shadow, event, false);
        break;
    case EVENT_DEFERRED:
        promise_break(shadow);
        shadow->is_acting = true;
        break;
    default:
        return;
    }
    if (event->kind == EVENT_ACTION_START)
        shadow->is_acting = true;
    shadow->active_usec = world.clock_usec;
}

/* ---- attempts */

static struct attempts *attempts_of(const struct intent *intent)
{
    struct attempts *free_one = NULL;
    for (size_t i = 0; i < SHADOWS_MAX; i++) {
        struct attempts *attempts = &oracle.attempts[i];
        if (strcmp(attempts->uuid, intent->uuid) == 0 && strcmp(attempts->rung, intent->rung) == 0)
            return attempts;
        if (!free_one && !attempts->uuid[0])
            free_one = attempts;
    }
    if (!free_one)
        free_one = &oracle.attempts[0];
    *free_one = (struct attempts){0};
    snprintf(free_one->uuid, sizeof(free_one->uuid), "%.15s", intent->uuid);
    snprintf(free_one->rung, sizeof(free_one->rung), "%s", intent->rung);
    return free_one;
}

/* Its rung was crossed once more, or it is decided anew. */
void action_begins_anew(const char *uuid, const char *rung)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (strcmp(oracle.attempts[i].uuid, uuid) == 0 && strcmp(oracle.attempts[i].rung, rung) == 0)
            oracle.attempts[i].is_anew = true;
}

/* The pause that a failure must be followed by: it doubles, but for extensions (pursuit.h). */
static uint64_t pause_usec(const struct intent *intent, unsigned failures)
{
    uint64_t pause = PURSUIT_RETRY_MIN_USEC;
    if (intent->action == ACTION_EXTEND)
        return PURSUIT_EXTEND_RETRY_MIN_USEC;
    for (unsigned i = 1; i < failures && pause < PURSUIT_RETRY_MAX_USEC; i++)
        pause *= 2;
    return pause < PURSUIT_RETRY_MAX_USEC ? pause : PURSUIT_RETRY_MAX_USEC;
}

/* A merge that has been begun goes on at its own pace, and one that waits for a sibling's when that has moved on. */
static bool is_still_a_snapshot(const struct intent *intent)
{
    struct group *group;
    const struct model_device *device = devices_find(intent->device, &group);
    return device && !group->setup->has_sibling && device->active.n_targets == 1 &&
           device->active.targets[0].kind == TARGET_SNAPSHOT;
}

/* A merge or a drop that had to wait for a device to be closed begins as soon as it is, whatever has failed
 * before: neither says more than "it must wait" meanwhile. An extension waits for nobody. */
static bool has_come_free(const struct intent *intent, const struct attempts *attempts)
{
    const struct group *group = devices_group_of(intent->device);
    return intent->action != ACTION_EXTEND && group && group->opened_usec > attempts->failed_usec;
}

static void judge_attempt(const struct intent *intent)
{
    struct attempts *attempts = attempts_of(intent);
    uint64_t since = world.clock_usec - attempts->failed_usec;
    bool is_anew = attempts->is_anew;
    attempts->is_anew = false;
    attempts->start_usec = world.clock_usec;
    if (is_anew)
        attempts->failures = 0;
    if (attempts->failures > 0 && is_still_a_snapshot(intent) && !has_come_free(intent, attempts) &&
        since * 100 < pause_usec(intent, attempts->failures) * 99)
        oracle_fails("%s: \"%s\" is tried again %" PRIu64 " us after failure %u", intent->uuid, intent->rung,
                     since, attempts->failures);
}

static uint64_t awake_usec(void)
{
    return world.clock_usec - world.slept_usec;
}

void oracle_child_starts(const struct intent *intent)
{
    struct shadow *shadow = oracle_find(intent->uuid);
    if (oracle_config()->dry_run)
        oracle_fails("%s: a child acts in a dry run", intent->uuid);
    if (intent->action == ACTION_MERGE && children_change(devices_group_of(intent->device)->index))
        oracle_fails("%s: a merge is begun beside another action on its origin", intent->uuid);
    judge_attempt(intent);
    if (shadow) {
        shadow->is_acting = true;
        shadow->stretches++;
        if (!shadow->child_usec)
            shadow->child_usec = awake_usec();
        shadow->active_usec = world.clock_usec;
    }
}

void oracle_child_ended(const struct intent *intent, const void *data)
{
    const struct action_result *result = data;
    struct shadow *shadow = oracle_find(intent->uuid);
    struct attempts *attempts = attempts_of(intent);
    if (result && (result->ended || !result->error)) {
        attempts->failures = 0;
    } else if (result && is_still_a_snapshot(intent)) {
        attempts->failures++;
        attempts->failed_usec = world.clock_usec;
    }
    if (shadow)
        shadow->active_usec = world.clock_usec;
}

/* By the daemon, which looks at what was done: a dm event may have had it look since the child ended. */
void oracle_result_taken(void)
{
    oracle.has_cause = true;
}

/* ---- changes */

bool action_has_rung(const struct group *group, const struct intent *intent)
{
    const struct ladder_setup *ladder = &oracle_config()->ladders[group->index];
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (ladder->rungs[i].action == intent->action && strcmp(ladder->rungs[i].text, intent->rung) == 0)
            return true;
    return false;
}

static bool is_destructive(const struct intent *intent, const struct model_device *device, enum change change)
{
    bool is_snapshot = device->active.n_targets == 1 && device->active.targets[0].kind == TARGET_SNAPSHOT;
    bool swaps_snapshot = is_snapshot && change == CHANGE_SWAP;
    return intent->action != ACTION_EXTEND &&
           (swaps_snapshot || (is_snapshot && (change == CHANGE_REMOVE || change == CHANGE_SUSPEND)));
}

/* One that went, or was made anew, since this child looked is a moment that nobody can close. */
static void judge_identity(const struct group *group, const struct intent *intent,
                           const struct model_device *device)
{
    size_t index = (size_t)(device - group->machine.devices);
    const char *wanted = index == D ? intent->origin_user_uuid : intent->uuid;
    if (!device->exists && group->removed_usec >= children_looked_usec())
        return;
    if (index != X && device->disk_sequence <= children_looked_at_sequence() &&
        strcmp(device->uuid, wanted) != 0)
        oracle_fails("%s: \"%s\" is done to %s", intent->uuid, intent->rung, device->uuid);
}

static const struct rung_setup *setup_of(const struct group *group, const struct intent *intent)
{
    for (size_t i = 0; i < oracle.history->n_configs; i++) {
        const struct ladder_setup *ladder = &oracle.history->configs[i].ladders[group->index];
        for (size_t j = 0; j < ladder->n_rungs; j++)
            if (strcmp(ladder->rungs[j].text, intent->rung) == 0)
                return &ladder->rungs[j];
    }
    return NULL;
}

static void judge_height(struct group *group, const struct intent *intent, const struct model_device *device)
{
    const struct model_store *store = model_store_of(&group->machine, device);
    const struct rung_setup *rung = setup_of(group, intent);
    if (!store || store->state != SNAPSHOT_VALID || !device->active.valid || !rung)
        return;
    uint64_t used = model_chunks_needed(store, store->exceptions) * store->chunk_sectors;
    struct level level = reference_level(store->chunk_sectors, used, store->total_sectors);
    if (!reference_is_crossed(rung, &level) && rung->condition != CONDITION_TIME &&
        reference_rearms(rung, oracle.history->hysteresis_centipercent + 1, &level))
        oracle_fails("%s: \"%s\" is done below its height", intent->uuid, intent->rung);
}

static void judge_readers(const struct group *group, const struct intent *intent,
                          const struct model_device *device, enum change change)
{
    bool is_merge = device->inactive.n_targets == 1 &&
                    device->inactive.targets[0].kind == TARGET_SNAPSHOT_MERGE;
    if (change == CHANGE_SWAP && !is_merge && intent->action == ACTION_DROP && device->open_count > 0 &&
        !oracle_config()->ladders[group->index].drop_open && !oracle.was_reloaded)
        oracle_fails("%s is dropped from under its readers", intent->uuid);
}

/* Whoever has opened the origin since this child looked is kept away by the swap itself. */
static void judge_closed(const struct group *group, const struct intent *intent,
                         const struct model_device *device, enum change change)
{
    bool begins = change == CHANGE_SUSPEND && intent->action == ACTION_MERGE && intent->role == ROLE_BACKUP &&
                  strcmp(device->uuid, intent->uuid) == 0;
    if (begins && group->is_mounted && group->opened_usec < children_looked_usec())
        oracle_fails("%s: \"%s\" is begun while its origin is open", intent->uuid, intent->rung);
}

/* Its store fills no more. */
static void note_stop(const struct intent *intent)
{
    struct shadow *shadow = oracle_find(intent->uuid);
    if (shadow && !shadow->stopped_usec)
        shadow->stopped_usec = awake_usec();
}

void oracle_changes(struct group *group, struct model_device *device, enum change change)
{
    const struct intent *intent = children_intent();
    if (!intent)
        return;
    if (change != CHANGE_LOAD)
        judge_identity(group, intent, device);
    judge_closed(group, intent, device, change);
    bool is_live_merge = intent->action == ACTION_MERGE && intent->role == ROLE_LIVE;
    if (!storage_record(intent) && !is_live_merge)
        oracle_fails("%s: \"%s\" is at work and not recorded", intent->uuid, intent->rung);
    if (!is_destructive(intent, device, change) || strcmp(device->uuid, intent->uuid) != 0)
        return;
    note_stop(intent);
    judge_height(group, intent, device);
    judge_readers(group, intent, device, change);
    if (!action_has_rung(group, intent) && !oracle.was_reloaded && strncmp(intent->rung, "on ", 3) != 0)
        oracle_fails("%s: \"%s\" is done, and no such rung is there", intent->uuid, intent->rung);
}

/* One growth for each time that its rung was crossed. */
void oracle_grows(struct group *group, uint64_t to_sectors)
{
    const struct intent *intent = children_intent();
    const struct rung_setup *rung = setup_of(group, intent);
    struct book *book = oracle_book(intent->uuid);
    uint64_t total = group->machine.stores[C].total_sectors;
    uint64_t most = total + (uint64_t)((unsigned __int128)total * (rung ? rung->amount : 0) / 10000) +
                    2 * group->setup->chunk_sectors;
    const struct model_device *snapshot = &group->machine.devices[S];
    judge_identity(group, intent, snapshot);
    if (strcmp(snapshot->uuid, intent->uuid) != 0)
        return;
    note_stop(intent);
    if (to_sectors > total && ++book->growths > book->extend_alerts)
        oracle_fails("%s: its store grows more often than a rung asked for it", intent->uuid);
    if (rung && to_sectors > most)
        oracle_fails("%s: its store grows further than its rung says", intent->uuid);
}

void oracle_merged_by_somebody(struct group *group)
{
    oracle.is_foreign_merge[group->index] = true;
}
