/* The other snapshots of a plan's origin: what a merge may cost them, and what it leaves behind for them. */
#pragma once

#include "plan_scene.h"

/* What a merged device becomes: a snapshot-origin as long as there are siblings that must see its writes, else linear. */
struct target siblings_merged_table(const struct scene *scene);

/* A sibling whose store the merge of this snapshot may fill, or NULL. */
const struct dm_device *siblings_at_risk(const struct scene *scene, const struct target *merged);

/* A device that merges into the same origin, or NULL: the kernel does one at a time. */
const struct dm_device *siblings_other_merge(const struct scene *scene);
