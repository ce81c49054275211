/* The plans of the single actions, and what both merges share. */
#pragma once

#include "plan_scene.h"

void live_merge_plan(struct scene *scene);
void rollback_plan(struct scene *scene);
void drop_plan(struct scene *scene);
void extend_plan(struct scene *scene);

/* Whether the store is as long as was wanted, or has grown as far as extend-limit allows by now. */
bool extend_is_done(const struct scene *scene, const struct target *target);

/* Whether the store can fill at all. */
bool extend_can_fill(const struct scene *scene, const struct target *target);

/* All actions on a snapshot of lvm's. */
void lvm_plan(struct scene *scene);

/* Whether a merge may be begun; decides where it may not. */
bool merge_may_begin(struct scene *scene, const struct target *target);

/* Waits for the kernel's merge on a device, and finishes it. */
void merge_plan(struct scene *scene, const struct dm_device *device, const struct target *target);

/* The kernel refused the handover: the merge table is D's, but D was left suspended. */
bool merge_is_refused_handover(const struct dm_device *device, const struct target *merging);
