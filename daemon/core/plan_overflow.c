#include "plan_overflow.h"

/* Not in the backup role: there the next write to the origin makes the snapshot Invalid, and its store is no longer
 * what a rollback would need. */
bool overflow_can_be_saved(const struct intent *intent, const struct snapshot_status *status)
{
    return status->state == SNAPSHOT_OVERFLOW && intent->action == ACTION_MERGE && intent->role == ROLE_LIVE;
}

void overflow_add_proof(struct scene *scene, const struct snapshot_status *status)
{
    if (status->state == SNAPSHOT_OVERFLOW)
        scene_add(scene->plan, STEP_PROVE_MERGED, scene->intent->store);
}
