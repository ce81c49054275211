#include "plan_actions.h"
#include "plan_overflow.h"
#include "plan_siblings.h"

bool merge_may_begin(struct scene *scene, const struct target *target)
{
    const struct dm_device *other = siblings_other_merge(scene);
    const struct dm_device *sibling = siblings_at_risk(scene, target);
    if (!scene_may_begin(scene, target))
        return false;
    if (target->store_type == STORE_TRANSIENT)
        scene_decide(scene->plan, PLAN_ABANDON, "a transient store (N) cannot be merged");
    else if (other)
        scene_decide(scene->plan, PLAN_DEFER, "%s is merging into the same origin", other->name);
    else if (sibling)
        scene_decide(scene->plan, PLAN_REFUSE, "it may fill the store of %s, a snapshot of the same origin",
                     sibling->name);
    else
        return true;
    return false;
}

/* A table that waits behind a merge, and is not the one that this merge ends with. */
static bool has_foreign_table_waiting(const struct dm_device *device, const struct intent *intent)
{
    return device->has_inactive &&
           !(device->inactive.n_targets == 1 && target_is_merged(&device->inactive.targets[0], intent));
}

/* The kernel refused the handover: the merge table is D's, but D was left suspended. A snapshot-merge has its
 * chunk size from its first resume on; one that is suspended after that is suspended by somebody else. */
bool merge_is_refused_handover(const struct dm_device *device, const struct target *merging)
{
    return device->suspended && merging->chunk_sectors == 0;
}

/* Waits for the kernel's merge on a device, and finishes it. */
void merge_plan(struct scene *scene, const struct dm_device *device, const struct target *target)
{
    scene->plan->begun = true;
    if (merge_is_refused_handover(device, target)) {
        scene_add(scene->plan, STEP_RESUME, device->number);
    } else if (snapshot_state_is_lost(target->status.state) && target->status.state != SNAPSHOT_OVERFLOW) {
        scene_decide(scene->plan, PLAN_REFUSE, "the merge cannot end: its status is %s",
                     snapshot_state_name(target->status.state));
    } else if (device->suspended) {
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has suspended %s", device->name);
    } else if (has_foreign_table_waiting(device, scene->intent)) {
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into %s", device->name);
    } else if (snapshot_status_is_merged(&target->status) || target->status.state == SNAPSHOT_OVERFLOW) {
        overflow_add_proof(scene, &target->status);
        scene_add_load(scene->plan, device, siblings_merged_table(scene));
        scene_add(scene->plan, STEP_RESUME, device->number);
        scene_add_end(scene, STEP_ZERO_MERGED);
    } else {
        scene_decide(scene->plan, PLAN_WAIT, "the kernel is merging");
    }
}

/* Merging into an origin which somebody uses through another device changes the data beneath him. */
static const struct dm_device *find_open_origin_user(const struct scene *scene)
{
    const struct dm_device *user = observation_find_origin_user(scene->seen, scene->intent->origin,
                                                                scene->intent->device);
    return user && user->open_count > 0 ? user : NULL;
}

static void plan_live_merge_start(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    const struct dm_device *user = find_open_origin_user(scene);
    scene->plan->begun = scene->intent->interrupted;
    if (scene_is_withheld(scene))
        ;
    else if (snapshot->has_inactive && !scene_merge_waits_in(snapshot, scene->intent))
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into it");
    else if (snapshot->suspended)
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has suspended it");
    else if (!scene->intent->role_forced &&
             observation_find_origin_user(scene->seen, scene->intent->origin, snapshot->number))
        scene_decide(scene->plan, scene->intent->interrupted ? PLAN_REFUSE : PLAN_ABANDON,
                     "the system runs on its origin now: it is not a live snapshot");
    else if (user)
        scene_decide(scene->plan, PLAN_DEFER, "the origin's device %s is open", user->name);
    else if (merge_may_begin(scene, target)) {
        scene_add_load(scene->plan, snapshot, scene_merge_table(scene->intent));
        scene_add(scene->plan, STEP_RESUME, snapshot->number);
        return;
    }
    if (scene_merge_waits_in(snapshot, scene->intent))
        scene_add(scene->plan, STEP_CLEAR, snapshot->number);
}

void live_merge_plan(struct scene *scene)
{
    const struct target *target = scene->snapshot ? dm_device_only_target(scene->snapshot) : NULL;
    if (!scene->snapshot)
        scene_decide(scene->plan, PLAN_ABANDON, "it is gone");
    else if (target_is_ours(target, TARGET_SNAPSHOT, scene->intent))
        plan_live_merge_start(scene, target);
    else if (target_is_ours(target, TARGET_SNAPSHOT_MERGE, scene->intent))
        merge_plan(scene, scene->snapshot, target);
    else if (target_is_merged(target, scene->intent)) {
        scene->plan->begun = true;
        scene_add_end(scene, STEP_ZERO_MERGED);
    } else
        scene_decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
}
