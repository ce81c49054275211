#include "plan_siblings.h"
#include "cowherd/exception_store.h"

static bool is_sibling(const struct scene *scene, const struct dm_device *device, const struct target *target)
{
    return device != scene->snapshot && target->kind == TARGET_SNAPSHOT &&
           target->origin == scene->intent->origin && target->store != scene->intent->store;
}

/* What a merged device becomes: writes must go on reaching the siblings' copy-out, where there are siblings. */
struct target siblings_merged_table(const struct scene *scene)
{
    struct target table = {
        .kind = TARGET_LINEAR,
        .length_sectors = scene->intent->length_sectors,
        .origin = scene->intent->origin,
    };
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++)
            if (is_sibling(scene, device, &device->active.targets[j]))
                table.kind = TARGET_SNAPSHOT_ORIGIN;
    }
    return table;
}

uint64_t plan_sibling_cost_chunks(uint64_t merged_exceptions, uint32_t merged_chunk_sectors,
                                  uint32_t sibling_chunk_sectors, uint64_t origin_sectors)
{
    if (merged_chunk_sectors == 0 || sibling_chunk_sectors == 0)
        return UINT64_MAX;
    uint64_t origin_chunks = origin_sectors / sibling_chunk_sectors +
                             (origin_sectors % sibling_chunk_sectors != 0);
    uint64_t each = merged_chunk_sectors > sibling_chunk_sectors
                        ? merged_chunk_sectors / sibling_chunk_sectors
                        : 1;
    uint64_t cost;
    if (__builtin_mul_overflow(merged_exceptions, each, &cost) || cost > origin_chunks)
        return origin_chunks;
    return cost;
}

/* All that a merge has to write; where the status no longer tells, as much as there can be. */
static uint64_t exceptions_to_merge(const struct target *merged)
{
    struct exception_store store = {
        .total_sectors = merged->status.total_sectors,
        .chunk_sectors = merged->chunk_sectors,
        .persistent = true,
    };
    if (merged->status.state != SNAPSHOT_VALID)
        return UINT64_MAX;
    return exception_store_exceptions(&store, merged->status.used_sectors);
}

/* A sibling may be longer than the snapshot that is merged, and have copied chunks behind its end. */
static uint64_t copied_sectors_at_most(const struct scene *scene, const struct target *sibling)
{
    uint64_t merged = scene->intent->length_sectors;
    return sibling->length_sectors > merged ? sibling->length_sectors : merged;
}

/* As tight as the status allows: what the sibling has copied already, it does not copy again, but which chunks these
 * are only its store tells. That it has a chunk for all the origin settles it. */
static bool sibling_may_fill(const struct scene *scene, const struct target *merged,
                             const struct target *sibling)
{
    struct exception_store store = {
        .total_sectors = sibling->status.total_sectors,
        .chunk_sectors = sibling->chunk_sectors,
        .persistent = sibling->store_type != STORE_TRANSIENT,
    };
    if (sibling->status.state == SNAPSHOT_INVALID)
        return false; /* nothing of it is left to lose */
    if (sibling->status.state != SNAPSHOT_VALID)
        return true;
    if (!exception_store_can_fill(&store, copied_sectors_at_most(scene, sibling)))
        return false;
    return plan_sibling_cost_chunks(exceptions_to_merge(merged), merged->chunk_sectors,
                                    sibling->chunk_sectors, scene->intent->length_sectors) >
           exception_store_chunks_left(&store, sibling->status.used_sectors);
}

/* Merging writes to the origin, which fills the siblings' stores: none may be lost by it. */
const struct dm_device *siblings_at_risk(const struct scene *scene, const struct target *merged)
{
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++)
            if (is_sibling(scene, device, &device->active.targets[j]) &&
                sibling_may_fill(scene, merged, &device->active.targets[j]))
                return device;
    }
    return NULL;
}

const struct dm_device *siblings_other_merge(const struct scene *scene)
{
    for (size_t i = 0; i < scene->seen->n_devices; i++) {
        const struct dm_device *device = &scene->seen->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++) {
            const struct target *target = &device->active.targets[j];
            if (target->kind == TARGET_SNAPSHOT_MERGE && target->origin == scene->intent->origin)
                return device;
        }
    }
    return NULL;
}
