#include "plan_actions.h"

static bool may_hand_over(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot, *origin_user = scene->origin_user;
    bool waiting = scene_table_waits_in(origin_user, scene->intent);
    if (scene_is_withheld(scene))
        return false;
    if (dm_device_only_target(origin_user)->length_sectors != scene->intent->length_sectors)
        scene_decide(scene->plan, PLAN_REFUSE, "the origin's device %s is not as long as it",
                     origin_user->name);
    else if (origin_user->open_count > 0)
        scene_decide(scene->plan, PLAN_DEFER, "the origin's device %s is open", origin_user->name);
    else if (snapshot->open_count > 0 && !scene->intent->drop_open)
        scene_decide(scene->plan, PLAN_DEFER, "the snapshot is open");
    else if (origin_user->has_inactive && !waiting)
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into %s", origin_user->name);
    else if (origin_user->suspended)
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has suspended %s", origin_user->name);
    else if (snapshot->has_inactive || (snapshot->suspended && !waiting))
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has suspended it or loaded a table into it");
    else
        return merge_may_begin(scene, target);
    return false;
}

static void plan_rollback_start(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot, *origin_user = scene->origin_user;
    scene->plan->begun = scene->intent->interrupted;
    if (!may_hand_over(scene, target)) {
        scene_add_back_out(scene);
        return;
    }
    scene_add_load(scene->plan, origin_user, scene_merge_table(scene->intent));
    if (!snapshot->suspended)
        scene_add(scene->plan, STEP_SUSPEND, snapshot->number);
    scene_add(scene->plan, STEP_RESUME_CLOSED, origin_user->number);
    scene_add_release(scene, target);
}

/* The kernel refuses the handover while S is not suspended. */
static void add_resume_handover(struct scene *scene, const struct target *target,
                                const struct target *merging)
{
    if (!merge_is_refused_handover(scene->origin_user, merging))
        return;
    if (target->kind == TARGET_SNAPSHOT && !scene->snapshot->suspended)
        scene_add(scene->plan, STEP_SUSPEND, scene->snapshot->number);
    scene_add(scene->plan, STEP_RESUME, scene->origin_user->number);
}

/* D is merging: S goes first (unless its last user keeps it), then the end of the merge is waited for. */
static void plan_rollback_merging(struct scene *scene, const struct target *merging)
{
    const struct dm_device *snapshot = scene->snapshot;
    scene->plan->begun = true;
    if (snapshot && !(snapshot->deferred_remove && snapshot->open_count > 0)) {
        const struct target *target = dm_device_only_target(snapshot);
        if (target_is_ours(target, TARGET_SNAPSHOT, scene->intent) ||
            (target && target->kind == TARGET_ERROR)) {
            add_resume_handover(scene, target, merging);
            scene_add_release(scene, target);
            return;
        }
    }
    merge_plan(scene, scene->origin_user, merging);
}

/* S is gone, or goes when its last user closes it. */
static bool is_released(const struct dm_device *snapshot, const struct target *target)
{
    return !snapshot || (snapshot->deferred_remove && target && target->kind == TARGET_ERROR);
}

void rollback_plan(struct scene *scene)
{
    const struct dm_device *origin_user = scene->origin_user;
    const struct target *target = scene->snapshot ? dm_device_only_target(scene->snapshot) : NULL;
    const struct target *origin_target = origin_user ? dm_device_only_target(origin_user) : NULL;
    if (!origin_user)
        scene_decide(scene->plan, PLAN_REFUSE,
                     "there is no snapshot-origin device over its origin to roll back");
    else if (!origin_target)
        scene_decide(scene->plan, PLAN_REFUSE, "the origin's device %s has other targets beside it",
                     origin_user->name);
    else if (dm_device_is_lvm(origin_user))
        scene_decide(scene->plan, PLAN_REFUSE, "the origin's device %s is lvm's", origin_user->name);
    else if (target_is_ours(origin_target, TARGET_SNAPSHOT_MERGE, scene->intent))
        plan_rollback_merging(scene, origin_target);
    else if (is_released(scene->snapshot, target) && target_is_merged(origin_target, scene->intent)) {
        scene->plan->begun = true;
        scene_add_back_out(scene); /* S may have been taken away before the handover */
        scene_add_end(scene, STEP_ZERO_MERGED);
    } else if (target_is_ours(target, TARGET_SNAPSHOT, scene->intent) &&
               target_is_origin_of(origin_target, scene->intent))
        plan_rollback_start(scene, target);
    else {
        scene_decide(scene->plan, PLAN_ABANDON, "the tables are not what they were");
        scene_add_back_out(scene);
    }
}
