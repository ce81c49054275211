#include "cowherd/bytes_text.h"
#include "cowherd/exception_store.h"
#include "cowherd/growth.h"
#include "plan_actions.h"
#include <sys/sysmacros.h>

#define LOOP_MAJOR 7 /* linux/major.h: never another driver's */

uint64_t plan_extend_goal_sectors(const struct intent *intent)
{
    uint64_t limit = intent->limit_sectors;
    if (intent->chunk_sectors)
        limit -= limit % intent->chunk_sectors;
    return intent->limit_sectors && limit < intent->grow_to_sectors ? limit : intent->grow_to_sectors;
}

/* The store, where it is a dm device. */
static const struct dm_device *find_store(const struct scene *scene)
{
    return observation_find(scene->seen, scene->intent->store);
}

static bool our_table_waits(const struct scene *scene)
{
    const struct dm_device *store = find_store(scene);
    return store && growth_waits(store, plan_extend_goal_sectors(scene->intent));
}

/* Loaded before extend-limit was lowered, and never resumed. */
static bool too_long_a_table_waits(const struct scene *scene)
{
    const struct dm_device *store = find_store(scene);
    return store && !our_table_waits(scene) && growth_waits(store, scene->intent->grow_to_sectors);
}

bool extend_can_fill(const struct scene *scene, const struct target *target)
{
    struct exception_store store = {
        .total_sectors = target->status.total_sectors,
        .chunk_sectors = target->chunk_sectors,
        .persistent = target->store_type != STORE_TRANSIENT,
    };
    return exception_store_can_fill(&store, scene->intent->length_sectors);
}

bool extend_is_done(const struct scene *scene, const struct target *target)
{
    const struct intent *intent = scene->intent;
    uint64_t total_sectors = target->status.total_sectors;
    bool has_grown = total_sectors > intent->from_sectors &&
                     total_sectors >= plan_extend_goal_sectors(intent);
    return target->status.state == SNAPSHOT_VALID && (has_grown || total_sectors >= intent->grow_to_sectors);
}

/* Whether it is wanted and allowed at all; decides where it is not. */
static bool may_extend(struct scene *scene, const struct target *target)
{
    char text[BYTES_TEXT_MAX];
    uint64_t goal = plan_extend_goal_sectors(scene->intent);
    if (scene_is_withheld(scene) || !scene_may_begin(scene, target))
        return false;
    if (!extend_can_fill(scene, target))
        scene_decide(scene->plan, PLAN_ABANDON, "its store can never fill: it has room for the whole origin");
    else if (goal <= target->status.total_sectors)
        scene_decide(scene->plan, PLAN_REFUSE, "its store is at its extend-limit of %s already",
                     bytes_text(scene->intent->limit_sectors * SECTOR_BYTES, text));
    else
        return true;
    return false;
}

static void plan_linear(struct scene *scene, const struct dm_device *store)
{
    bool ours = our_table_waits(scene), too_long = too_long_a_table_waits(scene);
    const struct dm_device *other = ours ? growth_find_collision(scene->seen, store) : NULL;
    if (store->has_inactive && !ours && !too_long)
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has loaded a table into its store");
    else if (store->suspended)
        scene_decide(scene->plan, PLAN_DEFER, "somebody else has suspended its store");
    else if (other)
        scene_decide(scene->plan, PLAN_REFUSE, "%s has taken the same extents", other->name);
    else if (!ours && !scene->intent->extend_from[0])
        scene_decide(scene->plan, PLAN_REFUSE, "its section has no extend-from to take extents from");
    else {
        if (too_long)
            scene_add(scene->plan, STEP_CLEAR, store->number);
        if (!ours)
            scene_add(scene->plan, STEP_GROW_TABLE, store->number);
        scene_add(scene->plan, STEP_RESUME, store->number);
        scene_add(scene->plan, STEP_FORGET, 0);
        scene->plan->begun = ours; /* so near the end that nothing overtakes it */
    }
}

static void plan_growth(struct scene *scene)
{
    const struct dm_device *store = find_store(scene);
    if (!store && major(scene->intent->store) == LOOP_MAJOR) {
        scene_add(scene->plan, STEP_GROW_LOOP, scene->intent->store);
        scene_add(scene->plan, STEP_FORGET, 0);
    } else if (store && dm_device_is_lvm(store))
        scene_decide(scene->plan, PLAN_REFUSE, "its store is lvm's");
    else if (!store || !growth_is_linear(&store->active))
        scene_decide(scene->plan, PLAN_REFUSE, "its store is neither a dm linear device nor a loop device");
    else
        plan_linear(scene, store);
}

void extend_plan(struct scene *scene)
{
    const struct target *target = scene->snapshot ? dm_device_only_target(scene->snapshot) : NULL;
    const struct target *origin_target = scene->origin_user ? dm_device_only_target(scene->origin_user)
                                                            : NULL;
    bool done = false;
    scene_add_overtaken(scene);
    if (!scene->snapshot)
        scene_decide(scene->plan, PLAN_ABANDON, "it is gone");
    else if (target_is_ours(target, TARGET_SNAPSHOT_MERGE, scene->intent) ||
             target_is_ours(origin_target, TARGET_SNAPSHOT_MERGE, scene->intent))
        scene_decide(scene->plan, PLAN_ABANDON, "it is being merged");
    else if (!target_is_ours(target, TARGET_SNAPSHOT, scene->intent))
        scene_decide(scene->plan, PLAN_ABANDON, "its table is not what it was");
    else if (extend_is_done(scene, target))
        done = true;
    else if (may_extend(scene, target))
        plan_growth(scene);
    if ((done || scene->plan->verdict != PLAN_ACT) &&
        (our_table_waits(scene) || too_long_a_table_waits(scene)))
        scene_add(scene->plan, STEP_CLEAR, scene->intent->store);
    if (done)
        scene_add(scene->plan, STEP_FORGET, 0);
}
