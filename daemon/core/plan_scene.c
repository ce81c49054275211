#include "plan_scene.h"
#include "cowherd/exception_store.h"
#include "cowherd/ladder.h"
#include "plan_overflow.h"
#include <stdarg.h>
#include <stdio.h>

void scene_decide(struct plan *plan, enum plan_verdict verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(plan->reason, sizeof(plan->reason), format, arguments);
    va_end(arguments);
    plan->verdict = verdict;
}

void scene_add(struct plan *plan, enum step_kind kind, dev_t device)
{
    plan->steps[plan->n_steps++] = (struct step){.kind = kind, .device = device};
}

/* A table of ours that waits in a device's inactive slot. Its chunk size is not compared: the kernel prints 0
 * for a snapshot-merge that waits for its handover. */
bool table_is_waiting(const struct dm_device *device, const struct target *table)
{
    if (!device || !device->has_inactive || device->inactive.n_targets != 1)
        return false;
    const struct target *waiting = &device->inactive.targets[0];
    return waiting->kind == table->kind && waiting->origin == table->origin &&
           waiting->store == table->store && waiting->length_sectors == table->length_sectors;
}

/* Only where it does not wait already: the kernel refuses a second merge table for one store. */
void scene_add_load(struct plan *plan, const struct dm_device *device, struct target table)
{
    if (!table_is_waiting(device, &table))
        plan->steps[plan->n_steps++] = (struct step){
            .kind = STEP_LOAD, .device = device->number, .table = table};
}

struct target scene_merge_table(const struct intent *intent)
{
    return (struct target){
        .kind = TARGET_SNAPSHOT_MERGE,
        .length_sectors = intent->length_sectors,
        .origin = intent->origin,
        .store = intent->store,
        .chunk_sectors = intent->chunk_sectors,
        .store_type = intent->store_type,
    };
}

struct target scene_error_table(const struct intent *intent)
{
    return (struct target){.kind = TARGET_ERROR, .length_sectors = intent->length_sectors};
}

bool target_is_ours(const struct target *target, enum target_kind kind, const struct intent *intent)
{
    return target && target->kind == kind && target->origin == intent->origin &&
           target->store == intent->store;
}

bool scene_merge_waits_in(const struct dm_device *device, const struct intent *intent)
{
    struct target table = scene_merge_table(intent);
    return table_is_waiting(device, &table);
}

bool target_is_origin_of(const struct target *target, const struct intent *intent)
{
    return target && target->kind == TARGET_SNAPSHOT_ORIGIN && target->origin == intent->origin;
}

/* As long as it does the suspension of S is ours: the merge table, or D's own once more, with which a
 * handover is taken back. */
bool scene_table_waits_in(const struct dm_device *origin_user, const struct intent *intent)
{
    const struct target *active = origin_user ? dm_device_only_target(origin_user) : NULL;
    return scene_merge_waits_in(origin_user, intent) ||
           (target_is_origin_of(active, intent) && table_is_waiting(origin_user, active));
}

static struct sample sample_of(const struct intent *intent, const struct snapshot_status *status)
{
    struct exception_store store = {
        .total_sectors = status->total_sectors,
        .chunk_sectors = intent->chunk_sectors,
        .persistent = intent->store_type != STORE_TRANSIENT,
    };
    return (struct sample){
        .used_sectors = status->used_sectors,
        .total_sectors = status->total_sectors,
        .bytes_left = exception_store_bytes_left(&store, status->used_sectors),
    };
}

/* By the rung's own measure. */
static bool usage_has_fallen(const struct intent *intent, const struct snapshot_status *status)
{
    struct sample sample = sample_of(intent, status);
    if (intent_is_ordered(intent))
        return false;
    if (intent->free_bytes)
        return sample_is_roomier(&sample, intent->free_bytes, intent->hysteresis_centipercent);
    return sample_used_centipercent(&sample) + intent->hysteresis_centipercent < intent->used_centipercent;
}

/* Who orders a drop means the snapshot, lost or not. */
static bool may_be_lost(const struct intent *intent)
{
    return intent->lost || (intent_is_ordered(intent) && intent->action == ACTION_DROP);
}

/* The snapshot as it was when the intent was made: the state and usage that an action may begin from. */
bool scene_may_begin(struct scene *scene, const struct target *target)
{
    const struct intent *intent = scene->intent;
    const struct snapshot_status *status = &target->status;
    if (overflow_can_be_saved(intent, status))
        return true;
    if (intent->lost && !snapshot_state_is_lost(status->state))
        scene_decide(scene->plan, PLAN_ABANDON, "it is not lost");
    else if (!intent->lost && status->state == SNAPSHOT_UNKNOWN)
        scene_decide(scene->plan, PLAN_REFUSE, "the kernel does not know its state");
    else if (!may_be_lost(intent) && snapshot_state_is_lost(status->state))
        scene_decide(scene->plan, intent->interrupted ? PLAN_REFUSE : PLAN_ABANDON,
                     "it is lost: its status is %s", snapshot_state_name(status->state));
    else if (!intent->lost && !intent->interrupted && usage_has_fallen(intent, status))
        scene_decide(scene->plan, PLAN_ABANDON, "its store is no longer as full as when this was decided");
    else
        return true;
    return false;
}

bool scene_is_withheld(struct scene *scene)
{
    const struct intent *intent = scene->intent;
    if (intent->interrupted)
        return false;
    if (intent->cancelled)
        scene_decide(scene->plan, PLAN_ABANDON,
                     intent_is_ordered(intent) ? "the order was taken back"
                                               : "its rung is no longer in the configuration");
    else if (intent->held[0])
        scene_decide(scene->plan, PLAN_DEFER, "%s", intent->held);
    return intent->cancelled || intent->held[0];
}

static bool table_uses(const struct dm_table *table, dev_t number)
{
    for (size_t i = 0; i < table->n_targets; i++)
        if (table->targets[i].store == number || table->targets[i].origin == number)
            return true;
    return false;
}

static bool store_has_another_user(const struct scene *scene)
{
    dev_t store = scene->intent->store;
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        if (device != scene->snapshot && device != scene->origin_user &&
            (table_uses(&device->active, store) || table_uses(&device->inactive, store)))
            return true;
    }
    return false;
}

/* After the merge or the removal: the store must not be taken for a snapshot's again, then nothing is left. A
 * store that somebody has put to use again by now is his. */
void scene_add_end(struct scene *scene, enum step_kind zero)
{
    if (!store_has_another_user(scene))
        scene_add(scene->plan, zero, scene->intent->store);
    scene_add(scene->plan, STEP_FORGET, 0);
}

bool target_is_merged(const struct target *target, const struct intent *intent)
{
    return target && ((target->kind == TARGET_LINEAR && target->origin == intent->origin &&
                       target->offset_sectors == 0) ||
                      target_is_origin_of(target, intent));
}

/* S must go, for it has no store any more; its readers get errors. */
void scene_add_release(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    bool is_error = target && target->kind == TARGET_ERROR;
    if (!is_error)
        scene_add_load(scene->plan, snapshot, scene_error_table(scene->intent));
    if (!is_error || snapshot->suspended)
        scene_add(scene->plan, STEP_RESUME, snapshot->number);
    if (snapshot->open_count == 0)
        scene_add(scene->plan, STEP_REMOVE, snapshot->number);
    else if (!snapshot->deferred_remove)
        scene_add(scene->plan, STEP_REMOVE_DEFERRED, snapshot->number);
}

bool scene_live_merge_waits(const struct scene *scene)
{
    const struct dm_device *snapshot = scene->snapshot;
    const struct target *active = snapshot ? dm_device_only_target(snapshot) : NULL;
    return target_is_ours(active, TARGET_SNAPSHOT, scene->intent) &&
           scene_merge_waits_in(snapshot, scene->intent);
}

/* The kernel does not resume S while D waits to take over its store, and S's suspension is ours only as long as a table
 * of ours waits in D: so D's own table takes the merge's place until S is resumed. */
void scene_add_back_out(struct scene *scene)
{
    const struct dm_device *snapshot = scene->snapshot, *origin_user = scene->origin_user;
    if (!scene_table_waits_in(origin_user, scene->intent))
        return;
    if (snapshot && snapshot->suspended) {
        if (dm_device_only_target(origin_user))
            scene_add_load(scene->plan, origin_user, *dm_device_only_target(origin_user));
        scene_add(scene->plan, STEP_RESUME, snapshot->number);
    }
    scene_add(scene->plan, STEP_CLEAR, origin_user->number);
}

void scene_add_overtaken(struct scene *scene)
{
    if (scene_live_merge_waits(scene))
        scene_add(scene->plan, STEP_CLEAR, scene->snapshot->number);
    scene_add_back_out(scene);
}
