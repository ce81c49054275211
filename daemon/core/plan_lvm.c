#include "plan_actions.h"
#include <stdio.h>
#include <string.h>

static const struct dm_device *find_uuid(const struct scene *scene, const char *uuid, const char *layer)
{
    char wanted[DM_UUID_BYTES + 8];
    if (!uuid[0])
        return NULL;
    snprintf(wanted, sizeof(wanted), "%s%s", uuid, layer);
    for (size_t i = 0; i < scene->seen->n_devices; i++)
        if (strcmp(scene->seen->devices[i].uuid, wanted) == 0)
            return &scene->seen->devices[i];
    return NULL;
}

static void add_lvm(struct scene *scene, enum step_kind kind, const struct dm_device *device)
{
    struct step *step = &scene->plan->steps[scene->plan->n_steps++];
    *step = (struct step){.kind = kind, .device = device->number};
    strcpy(step->name, device->name);
}

/* The origin's volume, by UUID: activated anew it has another number. */
static const struct dm_device *find_origin_volume(const struct scene *scene)
{
    const struct dm_device *volume = find_uuid(scene, scene->intent->origin_user_uuid, "");
    return volume ? volume : scene->origin_user;
}

/* A command of lvm's that was killed halfway leaves devices suspended. For one that is at work the refresh waits. */
static const struct dm_device *find_left_suspended(const struct scene *scene)
{
    const struct dm_device *origin = find_origin_volume(scene);
    const struct dm_device *snapshot = find_uuid(scene, scene->intent->uuid, "");
    const struct dm_device *beneath[] = {
        snapshot,
        find_uuid(scene, scene->intent->uuid, "-cow"),
        origin,
        origin ? find_uuid(scene, origin->uuid, "-real") : NULL,
    };
    for (size_t i = 0; i < sizeof(beneath) / sizeof(beneath[0]); i++)
        if (beneath[i] && beneath[i]->suspended)
            return origin ? origin : snapshot;
    return NULL;
}

static void add_lvm_end(struct scene *scene)
{
    const struct dm_device *left = find_left_suspended(scene);
    if (left)
        add_lvm(scene, STEP_LVM_REFRESH, left);
    scene_add(scene->plan, STEP_FORGET, 0);
}

/* The device that merges the snapshot's store into the origin. */
static const struct dm_device *find_merging(const struct scene *scene, const struct target **ret_target)
{
    const struct dm_device *store = find_uuid(scene, scene->intent->uuid, "-cow");
    for (size_t i = 0; store && i < scene->seen->n_devices; i++) {
        const struct target *target = dm_device_only_target(&scene->seen->devices[i]);
        if (target && target->kind == TARGET_SNAPSHOT_MERGE && target->store == store->number) {
            *ret_target = target;
            return &scene->seen->devices[i];
        }
    }
    return NULL;
}

/* The kernel has the new size before lvm's metadata has: an lvextend that was killed between them leaves a store that
 * the next refresh shrinks again. So it is lvm that has the last word on what is done. */
static void plan_extend(struct scene *scene, const struct target *target)
{
    const struct intent *intent = scene->intent;
    if (extend_is_done(scene, target)) {
        add_lvm(scene, STEP_LVM_CONFIRM, scene->snapshot);
        add_lvm_end(scene);
    } else if (scene_is_withheld(scene) || !scene_may_begin(scene, target))
        return;
    else if (!extend_can_fill(scene, target))
        scene_decide(scene->plan, PLAN_ABANDON, "its store can never fill: it has room for the whole origin");
    else if (intent->limit_sectors && target->status.total_sectors >= intent->limit_sectors)
        scene_decide(scene->plan, PLAN_REFUSE, "its store is as large as extend-limit allows");
    else
        add_lvm(scene, STEP_LVM_EXTEND, scene->snapshot);
}

static void lvm_extend_plan(struct scene *scene, const struct target *target)
{
    if (!scene->snapshot)
        scene_decide(scene->plan, PLAN_ABANDON, "it is gone");
    else if (target_is_ours(target, TARGET_SNAPSHOT, scene->intent))
        plan_extend(scene, target);
    else
        scene_decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
}

static void plan_remove(struct scene *scene, const struct target *target)
{
    if (scene_is_withheld(scene))
        return;
    if (scene->snapshot->open_count > 0)
        scene_decide(scene->plan, PLAN_DEFER, "the snapshot is open, and lvm removes no open volume");
    else if (scene_may_begin(scene, target))
        add_lvm(scene, STEP_LVM_REMOVE, scene->snapshot);
}

/* It is no device any more. While its origin is one, only a removal can be why; else both are inactive, and nothing
 * fills. */
static void plan_removed(struct scene *scene)
{
    if (!find_origin_volume(scene)) {
        scene_decide(scene->plan, PLAN_DEFER, "its volume group is not active");
        return;
    }
    scene->plan->begun = true;
    scene_add(scene->plan, STEP_LVM_REMOVE_REST, 0);
    add_lvm_end(scene);
}

static void remove_plan(struct scene *scene, const struct target *target)
{
    const struct target *merging;
    if (find_merging(scene, &merging))
        scene_decide(scene->plan, PLAN_ABANDON, "it is being merged");
    else if (!find_uuid(scene, scene->intent->uuid, ""))
        plan_removed(scene);
    else if (target_is_ours(target, TARGET_SNAPSHOT, scene->intent))
        plan_remove(scene, target);
    else
        scene_decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
}

/* lvm begins it when both are closed and it looks at the tables anew; who activates the origin makes it look, and so
 * do we. */
static void plan_asked_merge(struct scene *scene, const struct dm_device *snapshot,
                             const struct target *target)
{
    const struct dm_device *origin = find_origin_volume(scene);
    scene->plan->begun = true;
    if (snapshot_state_is_lost(target->status.state))
        scene_decide(scene->plan, PLAN_ABANDON, "it is lost: its status is %s",
                     snapshot_state_name(target->status.state));
    else if (!origin || origin->open_count > 0 || snapshot->open_count > 0)
        scene_decide(scene->plan, PLAN_DEFER,
                     "%s is open: lvm merges it when its origin is activated next; until then it goes on "
                     "filling, and lvm neither extends nor removes it",
                     origin && origin->open_count > 0 ? origin->name : "the snapshot");
    else
        add_lvm(scene, STEP_LVM_REFRESH, origin);
}

static void plan_kernel_merge(struct scene *scene, const struct dm_device *merging,
                              const struct target *target)
{
    const struct dm_device *left = find_left_suspended(scene);
    scene->plan->begun = true;
    if (left)
        add_lvm(scene, STEP_LVM_REFRESH, left);
    else if (snapshot_state_is_lost(target->status.state))
        scene_decide(scene->plan, PLAN_REFUSE, "the merge cannot end: its status is %s",
                     snapshot_state_name(target->status.state));
    else if (snapshot_status_is_merged(&target->status))
        add_lvm(scene, STEP_LVM_FINISH, merging);
    else
        scene_decide(scene->plan, PLAN_WAIT, "the kernel is merging");
}

/* The child that asked lvm may have been killed before it could record that lvm had taken it on: that it was about to ask
 * was recorded. */
static bool may_have_been_asked(const struct intent *intent)
{
    return intent->asked_lvm || intent->handing_over;
}

/* Neither a snapshot nor merging any more: it is done, if lvm says so. */
static void plan_merge_end(struct scene *scene)
{
    const struct dm_device *origin = find_origin_volume(scene);
    bool asked = may_have_been_asked(scene->intent);
    scene->plan->begun = asked;
    if (!asked)
        scene_decide(scene->plan, PLAN_ABANDON, "it went before it could be merged");
    else if (!origin)
        scene_decide(scene->plan, PLAN_DEFER, "its volume group is not active");
    else {
        scene_add(scene->plan, STEP_LVM_CHECK_GONE, 0);
        add_lvm_end(scene);
    }
}

static void lvm_merge_plan(struct scene *scene, const struct target *target)
{
    const struct target *merge_target = NULL;
    const struct dm_device *merging = find_merging(scene, &merge_target);
    const struct dm_device *snapshot = find_uuid(scene, scene->intent->uuid, "");
    const struct target *now = snapshot ? dm_device_only_target(snapshot) : NULL;
    if (merging)
        plan_kernel_merge(scene, merging, merge_target);
    else if (now && now->kind == TARGET_SNAPSHOT && scene->intent->asked_lvm)
        plan_asked_merge(scene, snapshot, now);
    else if (!snapshot || (now && now->kind == TARGET_ERROR))
        plan_merge_end(scene);
    else if ((!now || now->kind != TARGET_SNAPSHOT) && may_have_been_asked(scene->intent)) {
        scene->plan->begun = true; /* a merge that has ended leaves a plain volume for a moment */
        scene_decide(scene->plan, PLAN_WAIT, "lvm is changing its tables");
    } else if (!target_is_ours(target, TARGET_SNAPSHOT, scene->intent))
        scene_decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
    else if (!scene_is_withheld(scene) && merge_may_begin(scene, target))
        add_lvm(scene, STEP_LVM_MERGE, scene->snapshot);
}

void lvm_plan(struct scene *scene)
{
    const struct target *target = scene->snapshot ? dm_device_only_target(scene->snapshot) : NULL;
    if (scene->intent->action == ACTION_EXTEND)
        lvm_extend_plan(scene, target);
    else if (scene->intent->action == ACTION_DROP)
        remove_plan(scene, target);
    else
        lvm_merge_plan(scene, target);
}
