#include "../../daemon/manager_state.h"
#include "children.h"
#include "devices.h"
#include "loop.h"
#include "oracle_state.h"
#include "storage.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_LOOK_USEC  UINT64_C(45000000) /* at every device, while something is done or nobody is watched */
#define QUIET_LOOK_USEC UINT64_C(360000000) /* and even if no event ever comes */
#define IDLE_TURNS_MAX  200                 /* without a look: words to the service manager */
#define RATE_MIN_USEC   50000

struct oracle oracle;

/* The verdict comes at the end of the turn, with all that is said in it. */
void oracle_fails(const char *format, ...)
{
    va_list arguments;
    if (oracle.verdict[0])
        return;
    va_start(arguments, format);
    vsnprintf(oracle.verdict, sizeof(oracle.verdict), format, arguments);
    va_end(arguments);
    world_trace("WRONG: %s", oracle.verdict);
}

const char *oracle_verdict(void)
{
    return oracle.verdict[0] ? oracle.verdict : NULL;
}

void oracle_begin(const struct history *history)
{
    oracle = (struct oracle){.history = history};
}

void oracle_daemon_starts(void)
{
    memset(oracle.shadows, 0, sizeof(oracle.shadows));
    memset(oracle.attempts, 0, sizeof(oracle.attempts));
    oracle.was_reloaded = oracle.started_usec && oracle.config != oracle.read_config; /* between two lives */
    oracle.started_usec = world.clock_usec;
    oracle.config = oracle.read_config;
    oracle.has_cause = true;
    oracle.has_looked = oracle.look_failed = false;
    oracle.late_usec = 0; /* of a wake-up in which the one before ended */
    oracle.idle_turns = 0;
    oracle.manager = NULL;
    oracle.lessons++;
}

void oracle_daemon_is_gone(void)
{
    pace_forget_unwritten();
    oracle.manager = NULL;
}

const struct config_setup *oracle_config(void)
{
    return &oracle.history->configs[oracle.config];
}

const struct ladder_setup *oracle_ladder(const struct shadow *shadow)
{
    return &oracle_config()->ladders[shadow->group->index];
}

struct book *oracle_book(const char *uuid)
{
    return &oracle.books[strtoul(uuid + 1, NULL, 10) % UUIDS_MAX];
}

struct shadow *oracle_find(const char *uuid)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists && uuid && strcmp(oracle.shadows[i].uuid, uuid) == 0)
            return &oracle.shadows[i];
    return NULL;
}

void oracle_causes_look(void)
{
    oracle.has_cause = true;
}

void oracle_config_read(size_t config)
{
    oracle.read_config = config;
}

/* ---- the rungs of one look */

static uint32_t used_centipercent(const struct level *level)
{
    return (uint32_t)((unsigned __int128)level->used_sectors * 10000 / level->total_sectors);
}

static void fire(struct shadow *shadow, size_t rung)
{
    uint32_t bit = UINT32_C(1) << rung;
    if (shadow->fired & bit)
        return;
    shadow->expected |= bit;
    shadow->fired |= bit;
    shadow->fired_centipercent[rung] = used_centipercent(&shadow->level);
    shadow->fired_sectors[rung] = shadow->level.total_sectors;
}

static void climb(struct shadow *shadow)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = 0; i < ladder->n_rungs; i++) {
        uint32_t bit = UINT32_C(1) << i;
        const struct rung_setup *rung = &ladder->rungs[i];
        if (rung->condition == CONDITION_TIME)
            continue;
        if (reference_rearms(rung, oracle.history->hysteresis_centipercent, &shadow->level))
            shadow->fired &= ~bit;
        if (!reference_is_crossed(rung, &shadow->level))
            continue;
        fire(shadow, i);
    }
}

/* A burst that has passed, or an extension. */
static bool time_rearms(const struct shadow *shadow, size_t rung, uint64_t left_usec)
{
    uint32_t used = used_centipercent(&shadow->level), fired = shadow->fired_centipercent[rung];
    bool has_fallen = used < fired && fired - used >= oracle.history->hysteresis_centipercent;
    return shadow->level.chunks_left > 0 &&
           (has_fallen || left_usec / 2 > oracle_ladder(shadow)->rungs[rung].value ||
            left_usec > oracle_ladder(shadow)->rungs[rung].value * 2);
}

static void climb_in_time(struct shadow *shadow, uint64_t left_usec)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = 0; i < ladder->n_rungs; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (ladder->rungs[i].condition != CONDITION_TIME)
            continue;
        if (time_rearms(shadow, i, left_usec))
            shadow->fired &= ~bit;
        if (left_usec <= ladder->rungs[i].value || shadow->level.chunks_left == 0)
            fire(shadow, i);
    }
}

/* The time that is left is the daemon's own figure: no height gives it. */
uint32_t __real_ladder_climb(struct ladder *ladder, const struct policy *policy, const struct sample *sample);
uint32_t __wrap_ladder_climb(struct ladder *ladder, const struct policy *policy, const struct sample *sample);

uint32_t __wrap_ladder_climb(struct ladder *ladder, const struct policy *policy, const struct sample *sample)
{
    const struct herd *herd = &oracle.manager->herd;
    for (size_t i = 0; i < herd->n_members; i++) {
        struct shadow *shadow = ladder == &herd->members[i]->ladder ? oracle_find(herd->members[i]->uuid)
                                                                    : NULL;
        if (shadow && shadow->kind == TARGET_SNAPSHOT)
            climb_in_time(shadow, sample->time_left_usec);
    }
    return __real_ladder_climb(ladder, policy, sample);
}

static void measure_rate(struct shadow *shadow, uint64_t now_usec)
{
    uint64_t used = shadow->level.used_sectors * 512, elapsed = now_usec - shadow->rate_usec;
    if (shadow->has_rate && elapsed < RATE_MIN_USEC)
        return;
    shadow->pace.has_moved = shadow->has_rate && used > shadow->rate_used_bytes;
    if (shadow->pace.has_moved) {
        shadow->moved_usec = world.clock_usec - world.slept_usec;
        uint64_t rate = (uint64_t)((unsigned __int128)(used - shadow->rate_used_bytes) * 1000000 / elapsed);
        if (rate > shadow->peak_bytes_per_second)
            shadow->peak_bytes_per_second = rate;
    }
    shadow->has_rate = true;
    shadow->rate_usec = now_usec;
    shadow->rate_used_bytes = used;
}

/* ---- looks */

static void look_at(struct shadow *shadow, const struct target *target, uint64_t now_usec)
{
    shadow->asked_usec = now_usec;
    shadow->state = target->status.state;
    shadow->kind = target->kind;
    if (target->status.state == SNAPSHOT_VALID) {
        shadow->level = reference_level(shadow->group->setup->chunk_sectors, target->status.used_sectors,
                                        target->status.total_sectors);
        shadow->has_level = shadow->is_fresh = true;
        shadow->level_usec = now_usec;
        shadow->is_lost_told = false;
        measure_rate(shadow, world_awake_usec(now_usec)); /* asleep nothing is written */
        if (target->kind == TARGET_SNAPSHOT)
            climb(shadow);
    }
    pace_take(shadow);
}

static bool is_same(const struct shadow *shadow, const struct dm_device *device)
{
    return shadow->exists && shadow->device == device->number &&
           shadow->disk_sequence == device->disk_sequence && strcmp(shadow->uuid, device->uuid) == 0;
}

static struct shadow *shadow_of(const struct dm_device *device)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (is_same(&oracle.shadows[i], device))
            return &oracle.shadows[i];
    return NULL;
}

static struct shadow *add_shadow(const struct dm_device *device, size_t index)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++) {
        struct shadow *shadow = &oracle.shadows[i];
        if (shadow->exists)
            continue;
        *shadow = (struct shadow){.exists = true,
                                  .device = device->number,
                                  .disk_sequence = device->disk_sequence,
                                  .group = devices_group_of(device->number),
                                  .index = index};
        snprintf(shadow->uuid, sizeof(shadow->uuid), "%.15s", device->uuid);
        snprintf(shadow->name, sizeof(shadow->name), "%.7s", device->name);
        shadow->is_acting = storage_has(shadow->uuid); /* it is gone on with */
        return shadow;
    }
    return NULL;
}

static const struct target *snapshot_target(const struct dm_device *device, size_t *ret_index)
{
    *ret_index = (minor(device->number) - 1) % 8;
    bool is_shadowed = *ret_index == S || *ret_index == T;
    return is_shadowed && !device->error && device->active.n_targets == 1 &&
                   target_is_snapshot(&device->active.targets[0])
               ? &device->active.targets[0]
               : NULL;
}

static void mark_seen(const struct observation *seen)
{
    size_t index;
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        oracle.shadows[i].seen = false;
    for (size_t i = 0; i < seen->n_devices; i++) {
        const struct dm_device *device = &seen->devices[i];
        struct shadow *shadow = snapshot_target(device, &index) ? shadow_of(device) : NULL;
        if (shadow)
            shadow->seen = true;
        for (size_t j = 0; device->error && j < SHADOWS_MAX; j++)
            if (oracle.shadows[j].device == device->number) {
                oracle.shadows[j].seen = true;
                oracle.shadows[j].asked_usec = world.clock_usec;
            }
    }
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        oracle.shadows[i].exists = oracle.shadows[i].exists && oracle.shadows[i].seen;
}

/* The one that somebody has merged, or that we do: not another snapshot while it is an errand's. */
static bool is_errands(const struct dm_device *device, const struct target *target)
{
    return target->kind == TARGET_SNAPSHOT_MERGE && !shadow_of(device);
}

int __real_herd_look(struct herd *herd, const struct observation *seen, uint64_t now_usec,
                     const struct herd_view *view);
int __wrap_herd_look(struct herd *herd, const struct observation *seen, uint64_t now_usec,
                     const struct herd_view *view);
void __real_herd_sample(struct herd *herd, const struct dm_device *device, uint64_t now_usec,
                        const struct herd_view *view, bool *ret_stale);
void __wrap_herd_sample(struct herd *herd, const struct dm_device *device, uint64_t now_usec,
                        const struct herd_view *view, bool *ret_stale);

static uint64_t complete_look_usec(void)
{
    const struct manager *manager = oracle.manager;
    bool is_quiet = manager && manager->herd.n_members > 0 && manager->errands.n_items == 0;
    return is_quiet ? QUIET_LOOK_USEC : BUSY_LOOK_USEC;
}

static void judge_cause(void)
{
    uint64_t since = world.clock_usec - oracle.looked_usec;
    bool is_blind = oracle.look_failed;                     /* then each snapshot that is due asks for one */
    bool is_recalling = oracle.manager->recall.n_items > 0; /* it has a time of its own */
    uint64_t soonest = is_recalling ? BUSY_LOOK_USEC : complete_look_usec();
    if (oracle.has_looked && !oracle.has_cause && !is_blind && since * 10 < soonest * 9)
        oracle_fails("a complete look without a cause, %" PRIu64 " us after the last one", since);
}

int __wrap_herd_look(struct herd *herd, const struct observation *seen, uint64_t now_usec,
                     const struct herd_view *view)
{
    size_t index;
    oracle.manager = view->user;
    judge_cause();
    mark_seen(seen);
    oracle.has_cause = false;
    oracle.has_looked = true;
    oracle.look_failed = observation_find_unreadable(seen) != NULL;
    oracle.looked_usec = now_usec;
    for (size_t i = 0; i < seen->n_devices; i++) {
        const struct target *target = snapshot_target(&seen->devices[i], &index);
        struct shadow *shadow = target ? shadow_of(&seen->devices[i]) : NULL;
        if (target && !shadow && !is_errands(&seen->devices[i], target) &&
            (shadow = add_shadow(&seen->devices[i], index)))
            pace_judge_memory(shadow);
        if (shadow)
            look_at(shadow, target, now_usec);
    }
    return __real_herd_look(herd, seen, now_usec, view);
}

void __wrap_herd_sample(struct herd *herd, const struct dm_device *device, uint64_t now_usec,
                        const struct herd_view *view, bool *ret_stale)
{
    struct shadow *shadow = shadow_of(device);
    if (shadow && device->active.n_targets == 1) {
        pace_judge_look(shadow, now_usec);
        look_at(shadow, &device->active.targets[0], now_usec);
    }
    __real_herd_sample(herd, device, now_usec, view, ret_stale);
}

bool oracle_is_unreadable(const struct shadow *shadow)
{
    const struct dm_device *seen = oracle.manager ? observation_find(&oracle.manager->seen, shadow->device)
                                                  : NULL;
    return seen && seen->error;
}

/* Then a second is waited. Whoever could not be read is asked for with all others, and that was it. */
void oracle_look_failed(void)
{
    oracle.look_failed = oracle.has_cause = true;
    oracle.looked_usec = world.clock_usec;
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists && oracle_is_unreadable(&oracle.shadows[i]))
            oracle.shadows[i].asked_usec = world.clock_usec;
}

/* A look that brings nothing counts as one. */
void oracle_asked(dev_t device)
{
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists && oracle.shadows[i].device == device)
            pace_take_asked(&oracle.shadows[i]);
    oracle.has_cause = true;
}

/* A table that waits, or does not any more, is read in a complete look. */
void oracle_shows_waiting(void)
{
    oracle.has_cause = true;
}

/* ---- what the daemon says */

static size_t find_rung(const struct ladder_setup *ladder, const char *text)
{
    for (size_t i = 0; text && i < ladder->n_rungs; i++)
        if (strcmp(ladder->rungs[i].text, text) == 0)
            return i;
    return ladder->n_rungs;
}

static void take_alert(struct shadow *shadow, size_t index)
{
    const struct rung_setup *rung = &oracle_ladder(shadow)->rungs[index];
    uint32_t bit = UINT32_C(1) << index;
    shadow->alerts |= bit;
    if (rung->action == ACTION_EXTEND)
        oracle_book(shadow->uuid)->extend_alerts++;
    if (action_kind_changes(rung->action)) /* it may be begun in this very turn */
        action_begins_anew(shadow->uuid, rung->text);
    if (!((shadow->expected | shadow->maybe_armed) & bit))
        oracle_fails("%s: \"%s\" is alerted and has not been crossed", shadow->uuid, rung->text);
    if (!(shadow->expected & bit) && rung->condition != CONDITION_TIME && (shadow->maybe_armed & bit) &&
        !reference_is_crossed(rung, &shadow->level))
        oracle_fails("%s: \"%s\" is alerted below its height", shadow->uuid, rung->text);
    shadow->expected &= ~bit;
    shadow->maybe_armed &= ~bit;
}

static void take_figures(const struct shadow *shadow, const struct event *event)
{
    const struct sample *sample = &event->sample;
    if (!event->has_sample || !shadow->has_level || sample->taken_usec != shadow->asked_usec)
        return;
    if (sample->chunks_left != shadow->level.chunks_left ||
        sample->used_sectors != shadow->level.used_sectors)
        oracle_fails("%s: %" PRIu64 " chunks are said to be left, it is %" PRIu64, shadow->uuid,
                     sample->chunks_left, shadow->level.chunks_left);
}

static enum role true_role(const struct shadow *shadow)
{
    const struct model_device *user = &shadow->group->machine.devices[D];
    return user->exists ? ROLE_BACKUP : ROLE_LIVE;
}

static void take_loss(struct shadow *shadow)
{
    if (shadow->is_lost_told)
        oracle_fails("%s: its loss is told twice", shadow->uuid);
    if (!snapshot_state_is_lost(shadow->state))
        oracle_fails("%s is said to be lost, and is not", shadow->uuid);
    shadow->is_lost_told = true;
    for (size_t i = 0; i < oracle_ladder(shadow)->n_rungs;
         i++) /* what saves one that has overflowed waits no more */
        if (oracle_ladder(shadow)->rungs[i].action == ACTION_MERGE)
            action_begins_anew(shadow->uuid, oracle_ladder(shadow)->rungs[i].text);
}

/* What stands in both stays fired. */
static void carry_over(struct shadow *shadow, const struct ladder_setup *old)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    uint32_t fired = 0, maybe = 0, centipercent[RUNGS_MAX];
    uint64_t sectors[RUNGS_MAX];
    for (size_t i = 0; i < ladder->n_rungs; i++) {
        size_t before = find_rung(old, ladder->rungs[i].text);
        bool stood = before < old->n_rungs;
        fired |= stood && (shadow->fired & UINT32_C(1) << before) ? UINT32_C(1) << i : 0;
        maybe |= stood && (shadow->maybe_armed & UINT32_C(1) << before) ? UINT32_C(1) << i : 0;
        centipercent[i] = stood ? shadow->fired_centipercent[before] : 0;
        sectors[i] = stood ? shadow->fired_sectors[before] : 0;
    }
    memcpy(shadow->fired_centipercent, centipercent, sizeof(centipercent));
    memcpy(shadow->fired_sectors, sectors, sizeof(sectors));
    shadow->fired = fired;
    shadow->maybe_armed = maybe;
    shadow->chosen = 0;
    memset(shadow->chosen_usec, 0, sizeof(shadow->chosen_usec));
    promise_break(shadow);
}

static void take_config(const struct event *event)
{
    size_t old = oracle.config;
    bool acts_now = oracle.history->configs[old].dry_run &&
                    !oracle.history->configs[oracle.read_config].dry_run;
    oracle.has_cause = true;
    if (!event->result || strcmp(event->result, "taken") != 0)
        return;
    oracle.config = oracle.read_config;
    oracle.was_reloaded = true;
    memset(oracle.attempts, 0, sizeof(oracle.attempts));
    for (size_t i = 0; i < SHADOWS_MAX; i++) {
        struct shadow *shadow = &oracle.shadows[i];
        if (!shadow->exists)
            continue;
        carry_over(shadow, &oracle.history->configs[old].ladders[shadow->group->index]);
        if (acts_now)
            shadow->fired = shadow->maybe_armed = 0;
        if (shadow->has_level)
            pace_take(shadow);
        shadow->pace.doubtful_usec = 0;
    }
}

void oracle_event(const struct event *event)
{
    struct shadow *shadow = oracle_find(event->uuid);
    if (event->kind == EVENT_CONFIG)
        take_config(event);
    if (!shadow)
        return;
    take_figures(shadow, event);
    size_t rung = find_rung(oracle_ladder(shadow), event->rung);
    if (event->kind == EVENT_FOUND && event->role != true_role(shadow))
        oracle_fails("%s is said to be a %s snapshot", shadow->uuid, role_name(event->role));
    if (event->kind == EVENT_RUNG && rung < oracle_ladder(shadow)->n_rungs)
        take_alert(shadow, rung);
    if (event->kind == EVENT_LOST)
        take_loss(shadow);
    action_event(shadow, event);
}

/* ---- after every turn of the loop */

static void judge_alerts(struct shadow *shadow)
{
    const struct ladder_setup *ladder = oracle_ladder(shadow);
    for (size_t i = ladder->n_rungs; i-- > 0 && shadow->alerts;) {
        uint32_t bit = UINT32_C(1) << i;
        if (!(shadow->alerts & bit) || !action_kind_changes(ladder->rungs[i].action))
            continue;
        shadow->chosen |= bit; /* the last written of them */
        shadow->chosen_usec[i] = oracle.turn_usec;
        shadow->is_acting = true;
        if (!children_intent_for(shadow->uuid, &(uint64_t){0})) /* else that comes after it */
            shadow->decided_usec = oracle.turn_usec;
        shadow->active_usec = world.clock_usec;
        break;
    }
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (shadow->expected & ~shadow->maybe_armed & UINT32_C(1) << i)
            oracle_fails("%s: \"%s\" is crossed and not alerted", shadow->uuid, ladder->rungs[i].text);
    if (shadow->alerts)
        pace_take(shadow); /* one of time has fired */
    shadow->expected = shadow->alerts = 0;
}

/* What the world does to itself wakes nobody: the daemon's turns count. */
static void judge_idle(void)
{
    uint64_t looks = loop_figures.looks + loop_figures.complete_looks;
    if (looks != oracle.looks_at_turn)
        oracle.idle_turns = 0;
    oracle.looks_at_turn = looks;
    if (++oracle.idle_turns > IDLE_TURNS_MAX + (world.clock_usec - oracle.looked_usec) / 10000)
        oracle_fails("the loop spins: %" PRIu64 " turns without a look", oracle.idle_turns);
}

void oracle_after_dispatch(void)
{
    judge_idle();
    pace_after_dispatch();
    for (size_t i = 0; i < SHADOWS_MAX; i++)
        if (oracle.shadows[i].exists) {
            judge_alerts(&oracle.shadows[i]);
            promise_make(&oracle.shadows[i]);
            oracle.shadows[i].is_fresh = false;
        }
    pace_note_measured();
    for (size_t i = 0; i < oracle.history->n_groups; i++)
        if (world.groups[i].machine.swapped_while_open)
            oracle_fails("the origin of group %zu was changed beneath somebody who has it open", i);
}

static void judge_unseen(void)
{
    static const size_t indexes[] = {S, T};
    for (size_t i = 0; i < oracle.history->n_groups * 2; i++) {
        const struct model_device *device = &world.groups[i / 2].machine.devices[indexes[i % 2]];
        bool is_snapshot = device->exists && !device->error && device->active.n_targets == 1 &&
                           device->active.targets[0].kind == TARGET_SNAPSHOT;
        if (is_snapshot && oracle.has_looked && !oracle.look_failed && !oracle_find(device->uuid))
            oracle_fails("%s is there and is not watched", device->uuid);
    }
}

static void judge_complete(uint64_t timer_usec)
{
    uint64_t latest = oracle.looked_usec + complete_look_usec();
    if (oracle.has_looked && timer_usec > latest && timer_usec > world.clock_usec + 1)
        oracle_fails("the devices are not looked at for %" PRIu64 " us", timer_usec - oracle.looked_usec);
}

void oracle_before_sleep(uint64_t timer_usec)
{
    judge_unseen();
    judge_complete(timer_usec);
    pace_before_sleep(timer_usec);
    brake_before_sleep();
}
