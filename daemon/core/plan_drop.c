#include "plan_actions.h"

/* This drop was stopped between its load and its resume. */
static bool has_our_error_waiting(const struct dm_device *snapshot, const struct intent *intent)
{
    struct target table = scene_error_table(intent);
    return table_is_waiting(snapshot, &table);
}

static bool may_drop(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    bool may_break = scene->intent->role == ROLE_BACKUP && scene->intent->drop_open;
    if (scene_is_withheld(scene))
        return false;
    if (snapshot->has_inactive && !has_our_error_waiting(snapshot, scene->intent) &&
        !scene_live_merge_waits(scene))
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into it");
    else if (snapshot->suspended && !scene_table_waits_in(scene->origin_user, scene->intent))
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has suspended it");
    else if (snapshot->open_count > 0 && !may_break)
        scene_decide(scene->plan, PLAN_DEFER, "the snapshot is open");
    else
        return scene_may_begin(scene, target);
    return false;
}

static void plan_drop_start(struct scene *scene, const struct target *target)
{
    const struct dm_device *snapshot = scene->snapshot;
    if (!may_drop(scene, target)) {
        if (has_our_error_waiting(snapshot, scene->intent))
            scene_add(scene->plan, STEP_CLEAR, snapshot->number);
        return;
    }
    if (snapshot->open_count > 0)
        scene_add_release(scene, target);
    else
        scene_add(scene->plan, STEP_REMOVE, snapshot->number);
    scene_add_end(scene, STEP_ZERO);
}

void drop_plan(struct scene *scene)
{
    const struct dm_device *snapshot = scene->snapshot;
    const struct target *target = snapshot ? dm_device_only_target(snapshot) : NULL;
    const struct target *origin_target = scene->origin_user ? dm_device_only_target(scene->origin_user)
                                                            : NULL;
    scene_add_overtaken(scene);
    if (target_is_ours(target, TARGET_SNAPSHOT_MERGE, scene->intent) ||
        target_is_ours(origin_target, TARGET_SNAPSHOT_MERGE, scene->intent)) {
        scene_decide(scene->plan, PLAN_ABANDON, "it is being merged");
    } else if (!snapshot) {
        scene->plan->begun = true;
        scene_add_end(scene, STEP_ZERO);
    } else if (target && target->kind == TARGET_ERROR) {
        scene->plan->begun = true;
        scene_add_release(scene, target);
        scene_add_end(scene, STEP_ZERO);
    } else if (target_is_ours(target, TARGET_SNAPSHOT, scene->intent))
        plan_drop_start(scene, target);
    else
        scene_decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
}
