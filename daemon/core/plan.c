#include "cowherd/plan.h"
#include "cowherd/exception_store.h"
#include "cowherd/ladder.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The devices of one intent as they are at this moment: what every case below reasons over. */
struct scene {
    const struct intent *intent;
    const struct observation *seen;
    const struct dm_device *snapshot;    /* S; NULL: gone */
    const struct dm_device *origin_user; /* D; NULL: none */
    struct plan *plan;
};

const char *step_kind_name(enum step_kind kind)
{
    static const char *const names[] = {
        [STEP_LOAD] = "load",
        [STEP_CLEAR] = "clear",
        [STEP_SUSPEND] = "suspend",
        [STEP_RESUME] = "resume",
        [STEP_RESUME_CLOSED] = "resume while closed",
        [STEP_REMOVE] = "remove",
        [STEP_REMOVE_DEFERRED] = "deferred remove",
        [STEP_ZERO_MERGED] = "zero merged store",
        [STEP_ZERO] = "zero store",
        [STEP_FORGET] = "forget",
    };
    return names[kind];
}

bool step_kind_changes_tables(enum step_kind kind)
{
    return kind != STEP_ZERO && kind != STEP_ZERO_MERGED && kind != STEP_FORGET;
}

__attribute__((format(printf, 3, 4))) static void decide(struct plan *plan, enum plan_verdict verdict,
                                                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(plan->reason, sizeof(plan->reason), format, arguments);
    va_end(arguments);
    plan->verdict = verdict;
}

static void add(struct plan *plan, enum step_kind kind, dev_t device)
{
    plan->steps[plan->n_steps++] = (struct step){.kind = kind, .device = device};
}

/* A table of ours that waits in a device's inactive slot. Its chunk size is not compared: the kernel prints 0
 * for a snapshot-merge that waits for its handover. */
static bool is_waiting(const struct dm_device *device, const struct target *table)
{
    if (!device || !device->has_inactive || device->inactive.n_targets != 1)
        return false;
    const struct target *waiting = &device->inactive.targets[0];
    return waiting->kind == table->kind && waiting->origin == table->origin &&
           waiting->store == table->store && waiting->offset_sectors == table->offset_sectors &&
           waiting->length_sectors == table->length_sectors;
}

/* Only where it does not wait already: the kernel refuses a second merge table for one store. */
static void add_load(struct plan *plan, const struct dm_device *device, struct target table)
{
    if (!is_waiting(device, &table))
        plan->steps[plan->n_steps++] = (struct step){
            .kind = STEP_LOAD, .device = device->number, .table = table};
}

static struct target merge_table(const struct intent *intent)
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

static struct target error_table(const struct intent *intent)
{
    return (struct target){.kind = TARGET_ERROR, .length_sectors = intent->length_sectors};
}

static bool is_ours(const struct target *target, enum target_kind kind, const struct intent *intent)
{
    return target && target->kind == kind && target->origin == intent->origin &&
           target->store == intent->store;
}

static bool has_our_merge_waiting(const struct dm_device *device, const struct intent *intent)
{
    struct target table = merge_table(intent);
    return is_waiting(device, &table);
}

static bool is_origin_of(const struct target *target, const struct intent *intent)
{
    return target && target->kind == TARGET_SNAPSHOT_ORIGIN && target->origin == intent->origin;
}

/* As long as it does the suspension of S is ours: the merge table, or D's own once more, with which a
 * handover is taken back. */
static bool has_our_table_waiting(const struct dm_device *origin_user, const struct intent *intent)
{
    const struct target *active = origin_user ? dm_device_only_target(origin_user) : NULL;
    return has_our_merge_waiting(origin_user, intent) ||
           (is_origin_of(active, intent) && is_waiting(origin_user, active));
}

static bool is_sibling(const struct scene *scene, const struct dm_device *device, const struct target *target)
{
    return device != scene->snapshot && target->kind == TARGET_SNAPSHOT &&
           target->origin == scene->intent->origin && target->store != scene->intent->store;
}

/* What a merged device becomes: writes must go on reaching the siblings' copy-out, where there are siblings.
 */
static struct target merged_table(const struct scene *scene)
{
    struct target table = {
        .kind = TARGET_LINEAR,
        .length_sectors = scene->intent->length_sectors,
        .origin = scene->intent->origin,
    };
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++)
            if (is_sibling(scene, device, &device->active.targets[j]))
                table.kind = TARGET_SNAPSHOT_ORIGIN;
    }
    return table;
}

uint64_t plan_sibling_cost_chunks(uint64_t merged_exceptions, uint32_t merged_chunk_sectors,
                                  uint32_t sibling_chunk_sectors, uint64_t origin_sectors)
{
    if (merged_chunk_sectors == 0 || sibling_chunk_sectors == 0)
        return UINT64_MAX;
    uint64_t origin_chunks = origin_sectors / sibling_chunk_sectors +
                             (origin_sectors % sibling_chunk_sectors != 0);
    uint64_t each = merged_chunk_sectors > sibling_chunk_sectors
                        ? merged_chunk_sectors / sibling_chunk_sectors
                        : 1;
    uint64_t cost;
    if (__builtin_mul_overflow(merged_exceptions, each, &cost) || cost > origin_chunks)
        return origin_chunks;
    return cost;
}

static bool sibling_may_fill(const struct scene *scene, const struct target *merged,
                             const struct target *sibling)
{
    struct exception_store store = {
        .total_sectors = sibling->status.total_sectors,
        .chunk_sectors = sibling->chunk_sectors,
        .persistent = sibling->store_type != STORE_TRANSIENT,
    };
    struct exception_store merging = {
        .total_sectors = merged->status.total_sectors,
        .chunk_sectors = merged->chunk_sectors,
        .persistent = true,
    };
    if (sibling->status.state != SNAPSHOT_VALID ||
        !exception_store_can_fill(&store, scene->intent->length_sectors))
        return false;
    uint64_t exceptions = exception_store_exceptions(&merging, merged->status.used_sectors);
    return plan_sibling_cost_chunks(exceptions, merged->chunk_sectors, sibling->chunk_sectors,
                                    scene->intent->length_sectors) >
           exception_store_chunks_left(&store, sibling->status.used_sectors);
}

/* Merging writes to the origin, which fills the siblings' stores: none may be lost by it. */
static const struct dm_device *find_sibling_at_risk(const struct scene *scene, const struct target *merged)
{
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++)
            if (is_sibling(scene, device, &device->active.targets[j]) &&
                sibling_may_fill(scene, merged, &device->active.targets[j]))
                return device;
    }
    return NULL;
}

static const struct dm_device *find_other_merge(const struct scene *scene)
{
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++) {
            const struct target *target = &device->active.targets[j];
            if (target->kind == TARGET_SNAPSHOT_MERGE && target->origin == scene->intent->origin)
                return device;
        }
    }
    return NULL;
}

/* A lookup that failed says nothing: what cannot be seen might be a sibling or a user of the store. */
static const struct dm_device *find_unreadable(const struct observation *seen)
{
    for (size_t i = 0; i < seen->n_devices; i++)
        if (seen->devices[i].error)
            return &seen->devices[i];
    return NULL;
}

static uint32_t used_centipercent(const struct snapshot_status *status)
{
    struct sample sample = {.used_sectors = status->used_sectors, .total_sectors = status->total_sectors};
    return sample_used_centipercent(&sample);
}

static bool usage_has_fallen(const struct intent *intent, const struct snapshot_status *status)
{
    return used_centipercent(status) + intent->hysteresis_centipercent < intent->used_centipercent;
}

/* The snapshot as it was when the intent was made: the state and usage that an action may begin from. */
static bool may_begin(struct scene *scene, const struct target *target)
{
    const struct intent *intent = scene->intent;
    const struct snapshot_status *status = &target->status;
    if (intent->lost && !snapshot_state_is_lost(status->state))
        decide(scene->plan, PLAN_ABANDON, "it is not lost");
    else if (!intent->lost && status->state == SNAPSHOT_UNKNOWN)
        decide(scene->plan, PLAN_REFUSE, "the kernel does not know its state");
    else if (!intent->lost && snapshot_state_is_lost(status->state))
        decide(scene->plan, PLAN_ABANDON, "it is lost: its status is %s", snapshot_state_name(status->state));
    else if (!intent->lost && usage_has_fallen(intent, status))
        decide(scene->plan, PLAN_ABANDON, "its store is no longer as full as when this was decided");
    else
        return true;
    return false;
}

static bool may_begin_merge(struct scene *scene, const struct target *target)
{
    const struct dm_device *other = find_other_merge(scene);
    const struct dm_device *sibling = find_sibling_at_risk(scene, target);
    if (!may_begin(scene, target))
        return false;
    if (target->store_type == STORE_TRANSIENT)
        decide(scene->plan, PLAN_ABANDON, "a transient store (N) cannot be merged");
    else if (other)
        decide(scene->plan, PLAN_DEFER, "%s is merging into the same origin", other->name);
    else if (sibling)
        decide(scene->plan, PLAN_REFUSE, "it may fill the store of %s, a snapshot of the same origin",
               sibling->name);
    else
        return true;
    return false;
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
static void add_end(struct scene *scene, enum step_kind zero)
{
    if (!store_has_another_user(scene))
        add(scene->plan, zero, scene->intent->store);
    add(scene->plan, STEP_FORGET, 0);
}

static bool is_merged(const struct target *target, const struct intent *intent)
{
    return target && ((target->kind == TARGET_LINEAR && target->origin == intent->origin &&
                       target->offset_sectors == 0) ||
                      is_origin_of(target, intent));
}

/* A table that waits behind a merge, and is not the one that this merge ends with. */
static bool has_foreign_table_waiting(const struct dm_device *device, const struct intent *intent)
{
    return device->has_inactive &&
           !(device->inactive.n_targets == 1 && is_merged(&device->inactive.targets[0], intent));
}

/* The kernel refused the handover: the merge table is D's, but D was left suspended. A snapshot-merge has its
 * chunk size from its first resume on; one that is suspended after that is suspended by somebody else. */
static bool is_refused_handover(const struct dm_device *device, const struct target *merging)
{
    return device->suspended && merging->chunk_sectors == 0;
}

/* Waits for the kernel's merge on a device, and finishes it. */
static void plan_merging(struct scene *scene, const struct dm_device *device, const struct target *target)
{
    scene->plan->begun = true;
    if (is_refused_handover(device, target)) {
        add(scene->plan, STEP_RESUME, device->number);
    } else if (snapshot_state_is_lost(target->status.state)) {
        decide(scene->plan, PLAN_REFUSE, "the merge cannot end: its status is %s",
               snapshot_state_name(target->status.state));
    } else if (device->suspended) {
        decide(scene->plan, PLAN_DEFER, "somebody else has suspended %s", device->name);
    } else if (has_foreign_table_waiting(device, scene->intent)) {
        decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into %s", device->name);
    } else if (snapshot_status_is_merged(&target->status)) {
        add_load(scene->plan, device, merged_table(scene));
        add(scene->plan, STEP_RESUME, device->number);
        add_end(scene, STEP_ZERO_MERGED);
    } else {
        decide(scene->plan, PLAN_WAIT, "the kernel is merging");
    }
}

/* Merging into an origin which somebody uses through another device changes the data beneath him. */
static const struct dm_device *find_open_origin_user(const struct scene *scene)
{
    const struct dm_device *user = observation_find_origin_user(scene->seen, scene->intent->origin,
                                                                scene->intent->device);
    return user && user->open_count > 0 ? user : NULL;
}

static bool is_cancelled(struct scene *scene)
{
    if (scene->intent->cancelled)
        decide(scene->plan, PLAN_ABANDON, "its rung is no longer in the configuration");
    return scene->intent->cancelled;
}

static void plan_live_merge_start(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    const struct dm_device *user = find_open_origin_user(scene);
    if (is_cancelled(scene))
        ;
    else if (snapshot->has_inactive && !has_our_merge_waiting(snapshot, scene->intent))
        decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into it");
    else if (snapshot->suspended)
        decide(scene->plan, PLAN_DEFER, "somebody else has suspended it");
    else if (!scene->intent->role_forced &&
             observation_find_origin_user(scene->seen, scene->intent->origin, snapshot->number))
        decide(scene->plan, PLAN_ABANDON, "the system runs on its origin now: it is not a live snapshot");
    else if (user)
        decide(scene->plan, PLAN_DEFER, "the origin's device %s is open", user->name);
    else if (may_begin_merge(scene, target)) {
        add_load(scene->plan, snapshot, merge_table(scene->intent));
        add(scene->plan, STEP_RESUME, snapshot->number);
        return;
    }
    if (has_our_merge_waiting(snapshot, scene->intent))
        add(scene->plan, STEP_CLEAR, snapshot->number);
}

static void plan_live_merge(struct scene *scene)
{
    const struct target *target = scene->snapshot ? dm_device_only_target(scene->snapshot) : NULL;
    if (!scene->snapshot)
        decide(scene->plan, PLAN_ABANDON, "it is gone");
    else if (is_ours(target, TARGET_SNAPSHOT, scene->intent))
        plan_live_merge_start(scene, target);
    else if (is_ours(target, TARGET_SNAPSHOT_MERGE, scene->intent))
        plan_merging(scene, scene->snapshot, target);
    else if (is_merged(target, scene->intent)) {
        scene->plan->begun = true;
        add_end(scene, STEP_ZERO_MERGED);
    } else
        decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
}

/* S and D as they were before. The kernel does not resume S while D waits to take over its store, and S's
 * suspension is ours only as long as a table of ours waits in D: so D's own table takes the merge's place
 * until S is resumed. */
static void add_rollback_back_out(struct scene *scene)
{
    const struct dm_device *snapshot = scene->snapshot, *origin_user = scene->origin_user;
    if (!has_our_table_waiting(origin_user, scene->intent))
        return;
    if (snapshot && snapshot->suspended) {
        if (dm_device_only_target(origin_user))
            add_load(scene->plan, origin_user, *dm_device_only_target(origin_user));
        add(scene->plan, STEP_RESUME, snapshot->number);
    }
    add(scene->plan, STEP_CLEAR, origin_user->number);
}

static bool may_hand_over(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot, *origin_user = scene->origin_user;
    bool waiting = has_our_table_waiting(origin_user, scene->intent);
    if (is_cancelled(scene))
        return false;
    if (dm_device_only_target(origin_user)->length_sectors != scene->intent->length_sectors)
        decide(scene->plan, PLAN_REFUSE, "the origin's device %s is not as long as it", origin_user->name);
    else if (origin_user->open_count > 0)
        decide(scene->plan, PLAN_DEFER, "the origin's device %s is open", origin_user->name);
    else if (snapshot->open_count > 0 && !scene->intent->drop_open)
        decide(scene->plan, PLAN_DEFER, "the snapshot is open");
    else if (origin_user->has_inactive && !waiting)
        decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into %s", origin_user->name);
    else if (origin_user->suspended)
        decide(scene->plan, PLAN_DEFER, "somebody else has suspended %s", origin_user->name);
    else if (snapshot->has_inactive || (snapshot->suspended && !waiting))
        decide(scene->plan, PLAN_DEFER, "somebody else has suspended it or loaded a table into it");
    else
        return may_begin_merge(scene, target);
    return false;
}

/* S must go, for it has no store any more; its readers get errors. */
static void add_release_snapshot(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    bool is_error = target && target->kind == TARGET_ERROR;
    if (!is_error)
        add_load(scene->plan, snapshot, error_table(scene->intent));
    if (!is_error || snapshot->suspended)
        add(scene->plan, STEP_RESUME, snapshot->number);
    if (snapshot->open_count == 0)
        add(scene->plan, STEP_REMOVE, snapshot->number);
    else if (!snapshot->deferred_remove)
        add(scene->plan, STEP_REMOVE_DEFERRED, snapshot->number);
}

static void plan_rollback_start(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot, *origin_user = scene->origin_user;
    if (!may_hand_over(scene, target)) {
        add_rollback_back_out(scene);
        return;
    }
    add_load(scene->plan, origin_user, merge_table(scene->intent));
    if (!snapshot->suspended)
        add(scene->plan, STEP_SUSPEND, snapshot->number);
    add(scene->plan, STEP_RESUME_CLOSED, origin_user->number);
    add_release_snapshot(scene, target);
}

/* The kernel refuses the handover while S is not suspended. */
static void add_resume_handover(struct scene *scene, const struct target *target,
                                const struct target *merging)
{
    if (!is_refused_handover(scene->origin_user, merging))
        return;
    if (target->kind == TARGET_SNAPSHOT && !scene->snapshot->suspended)
        add(scene->plan, STEP_SUSPEND, scene->snapshot->number);
    add(scene->plan, STEP_RESUME, scene->origin_user->number);
}

/* D is merging: S goes first (unless its last user keeps it), then the end of the merge is waited for. */
static void plan_rollback_merging(struct scene *scene, const struct target *merging)
{
    const struct dm_device *snapshot = scene->snapshot;
    scene->plan->begun = true;
    if (snapshot && !(snapshot->deferred_remove && snapshot->open_count > 0)) {
        const struct target *target = dm_device_only_target(snapshot);
        if (is_ours(target, TARGET_SNAPSHOT, scene->intent) || (target && target->kind == TARGET_ERROR)) {
            add_resume_handover(scene, target, merging);
            add_release_snapshot(scene, target);
            return;
        }
    }
    plan_merging(scene, scene->origin_user, merging);
}

/* S is gone, or goes when its last user closes it. */
static bool is_released(const struct dm_device *snapshot, const struct target *target)
{
    return !snapshot || (snapshot->deferred_remove && target && target->kind == TARGET_ERROR);
}

static void plan_rollback(struct scene *scene)
{
    const struct dm_device *origin_user = scene->origin_user;
    const struct target *target = scene->snapshot ? dm_device_only_target(scene->snapshot) : NULL;
    const struct target *origin_target = origin_user ? dm_device_only_target(origin_user) : NULL;
    if (!origin_user)
        decide(scene->plan, PLAN_REFUSE, "there is no snapshot-origin device over its origin to roll back");
    else if (dm_device_is_lvm(origin_user))
        decide(scene->plan, PLAN_REFUSE, "the origin's device %s is lvm's", origin_user->name);
    else if (is_ours(origin_target, TARGET_SNAPSHOT_MERGE, scene->intent))
        plan_rollback_merging(scene, origin_target);
    else if (is_released(scene->snapshot, target) && is_merged(origin_target, scene->intent)) {
        scene->plan->begun = true;
        add_rollback_back_out(scene); /* S may have been taken away before the handover */
        add_end(scene, STEP_ZERO_MERGED);
    } else if (is_ours(target, TARGET_SNAPSHOT, scene->intent) && is_origin_of(origin_target, scene->intent))
        plan_rollback_start(scene, target);
    else {
        decide(scene->plan, PLAN_ABANDON, "the tables are not what they were");
        add_rollback_back_out(scene);
    }
}

/* This drop was stopped between its load and its resume. */
static bool has_our_error_waiting(const struct dm_device *snapshot, const struct intent *intent)
{
    struct target table = error_table(intent);
    return is_waiting(snapshot, &table);
}

static bool may_drop(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    bool may_break = scene->intent->role == ROLE_BACKUP && scene->intent->drop_open;
    if (is_cancelled(scene))
        return false;
    if (snapshot->has_inactive && !has_our_error_waiting(snapshot, scene->intent))
        decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into it");
    else if (snapshot->suspended && !has_our_table_waiting(scene->origin_user, scene->intent))
        decide(scene->plan, PLAN_DEFER, "somebody else has suspended it");
    else if (snapshot->open_count > 0 && !may_break)
        decide(scene->plan, PLAN_DEFER, "the snapshot is open");
    else
        return may_begin(scene, target);
    return false;
}

static void plan_drop_start(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    if (!may_drop(scene, target)) {
        if (has_our_error_waiting(snapshot, scene->intent))
            add(scene->plan, STEP_CLEAR, snapshot->number);
        return;
    }
    if (snapshot->open_count > 0)
        add_release_snapshot(scene, target);
    else
        add(scene->plan, STEP_REMOVE, snapshot->number);
    add_end(scene, STEP_ZERO);
}

static void plan_drop(struct scene *scene)
{
    const struct dm_device *snapshot = scene->snapshot;
    const struct target *target = snapshot ? dm_device_only_target(snapshot) : NULL;
    const struct target *origin_target = scene->origin_user ? dm_device_only_target(scene->origin_user)
                                                            : NULL;
    add_rollback_back_out(scene); /* of a rollback that this drop has overtaken */
    if (is_ours(target, TARGET_SNAPSHOT_MERGE, scene->intent) ||
        is_ours(origin_target, TARGET_SNAPSHOT_MERGE, scene->intent)) {
        decide(scene->plan, PLAN_ABANDON, "it is being merged");
    } else if (!snapshot) {
        scene->plan->begun = true;
        add_end(scene, STEP_ZERO);
    } else if (target && target->kind == TARGET_ERROR) {
        scene->plan->begun = true;
        add_release_snapshot(scene, target);
        add_end(scene, STEP_ZERO);
    } else if (is_ours(target, TARGET_SNAPSHOT, scene->intent))
        plan_drop_start(scene, target);
    else
        decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
}

static const struct dm_device *find_same(const struct observation *seen, dev_t number, uint64_t disk_sequence)
{
    const struct dm_device *device = number ? observation_find(seen, number) : NULL;
    return device && device->disk_sequence == disk_sequence ? device : NULL;
}

void plan_make(const struct intent *intent, const struct observation *seen, struct plan *ret_plan)
{
    struct plan plan = {.verdict = PLAN_ACT};
    struct scene scene = {.intent = intent, .seen = seen, .plan = &plan};
    const struct dm_device *unreadable = find_unreadable(seen);
    scene.snapshot = find_same(seen, intent->device, intent->disk_sequence);
    if (scene.snapshot && strcmp(scene.snapshot->uuid, intent->uuid) != 0)
        scene.snapshot = NULL; /* the number is another device's now */
    scene.origin_user = find_same(seen, intent->origin_user, intent->origin_user_disk_sequence);

    if (unreadable)
        decide(&plan, PLAN_REFUSE, "%s cannot be read: %s", unreadable->name, strerror(-unreadable->error));
    else if (scene.snapshot && dm_device_is_lvm(scene.snapshot))
        decide(&plan, PLAN_REFUSE,
               "lvm's snapshots can only be changed through lvm, which is not yet possible");
    else if (intent->action == ACTION_DROP)
        plan_drop(&scene);
    else if (intent->role == ROLE_LIVE)
        plan_live_merge(&scene);
    else
        plan_rollback(&scene);
    if (plan.verdict == PLAN_ABANDON)
        add(&plan, STEP_FORGET, 0);
    *ret_plan = plan;
}
