#include "cowherd/plan.h"
#include "plan_actions.h"
#include <string.h>

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
        [STEP_PROVE_MERGED] = "prove merged",
        [STEP_ZERO_MERGED] = "zero merged store",
        [STEP_ZERO] = "zero store",
        [STEP_FORGET] = "forget",
        [STEP_GROW_TABLE] = "load a longer table",
        [STEP_GROW_LOOP] = "grow the backing file",
        [STEP_LVM_EXTEND] = "lvextend",
        [STEP_LVM_CONFIRM] = "lvs",
        [STEP_LVM_REMOVE] = "lvremove",
        [STEP_LVM_REMOVE_REST] = "lvremove",
        [STEP_LVM_MERGE] = "lvconvert --merge",
        [STEP_LVM_REFRESH] = "lvchange --refresh",
        [STEP_LVM_FINISH] = "lvpoll",
        [STEP_LVM_CHECK_GONE] = "lvs",
    };
    return names[kind];
}

bool step_kind_changes_tables(enum step_kind kind)
{
    return kind != STEP_PROVE_MERGED && kind != STEP_ZERO && kind != STEP_ZERO_MERGED &&
           kind != STEP_LVM_CONFIRM && kind != STEP_LVM_REMOVE_REST && kind != STEP_LVM_CHECK_GONE &&
           kind != STEP_FORGET;
}

bool step_kind_is_lvm(enum step_kind kind)
{
    return kind >= STEP_LVM_EXTEND;
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
    const struct dm_device *unreadable = observation_find_unreadable(seen);
    scene.snapshot = find_same(seen, intent->device, intent->disk_sequence);
    if (scene.snapshot && strcmp(scene.snapshot->uuid, intent->uuid) != 0)
        scene.snapshot = NULL; /* the number is another device's now */
    scene.origin_user = find_same(seen, intent->origin_user, intent->origin_user_disk_sequence);

    plan.begun = unreadable; /* for all that is known: then nothing takes its place */
    if (unreadable)
        scene_decide(&plan, PLAN_REFUSE, "%s cannot be read: %s", unreadable->name,
                     strerror(-unreadable->error));
    else if (dm_uuid_is_lvm(intent->uuid))
        lvm_plan(&scene);
    else if (intent->action == ACTION_EXTEND)
        extend_plan(&scene);
    else if (intent->action == ACTION_DROP)
        drop_plan(&scene);
    else if (intent->role == ROLE_LIVE)
        live_merge_plan(&scene);
    else
        rollback_plan(&scene);
    if (plan.verdict == PLAN_ABANDON)
        scene_add(&plan, STEP_FORGET, 0);
    *ret_plan = plan;
}
