/* The scene of a plan: the devices of one intent at this moment, and what all plans do with them. */
#pragma once

#include "cowherd/plan.h"

struct scene {
    const struct intent *intent;
    const struct observation *seen;
    const struct dm_device *snapshot;    /* S; NULL: gone */
    const struct dm_device *origin_user; /* D; NULL: none */
    struct plan *plan;
};

/* The verdict and its reason. */
void scene_decide(struct plan *plan, enum plan_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends a step. A load only where that table does not wait already: the kernel refuses a second merge table for one
 * store. */
void scene_add(struct plan *plan, enum step_kind kind, dev_t device);
void scene_add_load(struct plan *plan, const struct dm_device *device, struct target table);

/* The tables that an intent's devices get. */
struct target scene_merge_table(const struct intent *intent);
struct target scene_error_table(const struct intent *intent);

/* Whether a target is of that kind with the intent's origin and store; a snapshot-origin over its origin; what a device
 * is when its merge has ended. NULL is none of these. */
bool target_is_ours(const struct target *target, enum target_kind kind, const struct intent *intent);
bool target_is_origin_of(const struct target *target, const struct intent *intent);
bool target_is_merged(const struct target *target, const struct intent *intent);

/* Whether a table waits in a device's inactive slot: this one; the intent's merge table; one that says that the
 * suspension of S is ours; the merge table of a live merge in S. */
bool table_is_waiting(const struct dm_device *device, const struct target *table);
bool scene_merge_waits_in(const struct dm_device *device, const struct intent *intent);
bool scene_table_waits_in(const struct dm_device *origin_user, const struct intent *intent);
bool scene_live_merge_waits(const struct scene *scene);

/* Whether it is not to be begun: the configuration no longer wants it, or an operator holds it; decides then. */
bool scene_is_withheld(struct scene *scene);

/* Whether state and usage are still those that an action may begin from; decides where they are not. */
bool scene_may_begin(struct scene *scene, const struct target *target);

/* The steps that plans share: S goes; a rollback's beginning is taken back; that of any merge that another action has
 * overtaken; the store is zeroed and the intent forgotten. */
void scene_add_release(struct scene *scene, const struct target *target);
void scene_add_back_out(struct scene *scene);
void scene_add_overtaken(struct scene *scene);
void scene_add_end(struct scene *scene, enum step_kind zero);
