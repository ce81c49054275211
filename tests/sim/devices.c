#include "devices.h"
#include "children.h"
#include "oracle.h"
#include "writers.h"
#include <stdio.h>

#define DM_MAJOR 254

static dev_t group_device(const struct group *group, size_t index)
{
    return makedev(DM_MAJOR, group->index * 8 + (unsigned)index + 1);
}

dev_t devices_origin(const struct group *group)
{
    return makedev(8, group->index * 16 + 1);
}

dev_t devices_store(const struct group *group, size_t store)
{
    if (store == CT)
        return makedev(8, group->index * 16 + 2);
    return group->setup->is_linear ? group_device(group, X) : makedev(7, group->index);
}

bool devices_is_dm(dev_t number)
{
    return major(number) == DM_MAJOR;
}

struct group *devices_group_of(dev_t number)
{
    for (size_t i = 0; i < world.history->n_groups; i++) {
        struct group *group = &world.groups[i];
        bool is_device = devices_is_dm(number) && minor(number) / 8 == group->index;
        if (is_device || number == devices_store(group, C) || number == devices_store(group, CT))
            return group;
    }
    return NULL;
}

struct model_device *devices_find(dev_t number, struct group **ret_group)
{
    struct group *group = devices_group_of(number);
    if (ret_group)
        *ret_group = group;
    return group ? find_device(&group->machine, number) : NULL;
}

static struct target table_for(const struct group *group, size_t index)
{
    const struct group_setup *setup = group->setup;
    struct target target = {.length_sectors = setup->origin_sectors, .origin = devices_origin(group)};
    if (index == X)
        return (struct target){.kind = TARGET_LINEAR,
                               .length_sectors = setup->store_sectors,
                               .origin = makedev(8, group->index * 16 + 3)};
    if (index == D) {
        target.kind = TARGET_SNAPSHOT_ORIGIN;
        return target;
    }
    target.kind = TARGET_SNAPSHOT;
    target.store = devices_store(group, index == S ? C : CT);
    target.store_type = setup->store_type;
    target.chunk_sectors = setup->chunk_sectors;
    return target;
}

static void make_device(struct group *group, size_t index)
{
    struct model_device *device = &group->machine.devices[index];
    if (device->exists || world.n_uuids >= UUIDS_MAX)
        return;
    *device = (struct model_device){
        .exists = true,
        .number = group_device(group, index),
        .disk_sequence = ++world.n_sequences,
        .active = {.targets = {table_for(group, index)}, .n_targets = 1, .resumed = true, .valid = true},
    };
    snprintf(device->name, sizeof(device->name), "%c%u", "sdtx"[index], group -> index);
    snprintf(device->uuid, sizeof(device->uuid), "u%u", world.n_uuids++);
    world.dm_event = true;
}

static void make_store(struct group *group, size_t store, uint64_t sectors)
{
    group->machine.stores[store] = (struct model_store){
        .number = devices_store(group, store),
        .chunk_sectors = group->setup->chunk_sectors,
        .total_sectors = sectors,
    };
    group->store_sequence = ++world.n_sequences;
}

bool devices_are_merging(const struct group *group)
{
    for (size_t i = 0; i < N_DEVICES; i++) {
        const struct model_device *device = &group->machine.devices[i];
        if (device->exists && device->active.n_targets == 1 &&
            device->active.targets[0].kind == TARGET_SNAPSHOT_MERGE)
            return true;
    }
    return false;
}

bool devices_have_snapshot(const struct group *group)
{
    const struct model_device *snapshot = &group->machine.devices[S];
    return snapshot->exists && snapshot->active.n_targets == 1 &&
           snapshot->active.targets[0].kind == TARGET_SNAPSHOT;
}

static void destroy_all(struct group *group)
{
    for (size_t i = 0; i < N_DEVICES; i++)
        if (group->machine.devices[i].exists) {
            destroy_device(&group->machine, &group->machine.devices[i]);
            world.dm_event = true;
        }
}

void devices_create(struct group *group)
{
    if (devices_have_snapshot(group) || devices_are_merging(group))
        return;
    bool was_mounted = group->is_mounted;
    destroy_all(group);
    make_store(group, C, group->setup->store_sectors);
    make_store(group, CT, group->setup->sibling_sectors);
    if (group->setup->is_linear)
        make_device(group, X);
    if (!group->setup->is_live)
        make_device(group, D);
    make_device(group, S);
    if (group->setup->has_sibling)
        make_device(group, T);
    group->fill_carried = group->merge_carried = 0;
    group->is_mounted = group->is_read = false;
    group->cap = BRAKE_FREE; /* it went with the device */
    group->write_bytes_per_second = was_mounted ? group->write_bytes_per_second : 0;
    world_disturb(group);
    world_trace("group %u is made anew", group->index);
}

/* ---- users */

void devices_open(struct group *group, struct model_device *device, bool *is_open, bool wanted)
{
    if (!device->exists || *is_open == wanted || children_hold(device->number) > 0)
        return; /* … or a child has it for itself */
    *is_open = wanted;
    group->opened_usec = world.clock_usec;
    if (wanted)
        device->open_count++;
}

struct model_device *devices_written(struct group *group)
{
    return &group->machine.devices[group->setup->is_live ? S : D];
}

void devices_close(struct group *group, size_t index, bool *is_open)
{
    if (*is_open && group->machine.devices[index].exists && group->machine.devices[index].open_count > 0) {
        bool goes = group->machine.devices[index].deferred_remove;
        close_device(&group->machine, index);
        world.dm_event = world.dm_event || (goes && !group->machine.devices[index].exists);
        group->opened_usec = world.clock_usec;
    }
    *is_open = false;
}

void devices_unmount(struct group *group)
{
    group->write_bytes_per_second = 0;
    devices_close(group, group->setup->is_live ? S : D, &group->is_mounted);
}

/* Other snapshots need not be empty ones. */
static void refill(struct group *group, size_t index, uint64_t exceptions)
{
    struct model_device *device = &group->machine.devices[index];
    uint64_t most = model_capacity(&group->machine.stores[index == S ? C : CT]);
    if (device->exists)
        model_fill(&group->machine, device, exceptions < most ? exceptions : most);
}

void devices_replace(struct group *group)
{
    bool is_busy = !devices_have_snapshot(group) || devices_are_merging(group);
    for (size_t i = 0; i < N_DEVICES; i++) {
        const struct model_device *device = &group->machine.devices[i];
        is_busy = is_busy || (device->exists && (device->suspended || device->inactive.n_targets > 0 ||
                                                 children_hold(device->number) > 0));
    }
    if (is_busy)
        return;
    devices_unmount(group);
    devices_close(group, S, &group->is_read);
    uint64_t exceptions[N_STORES];
    for (size_t i = 0; i < N_STORES; i++)
        exceptions[i] = group->machine.stores[i].exceptions;
    destroy_all(group);
    devices_create(group);
    if (random_percent(&world.random, 50))
        return;
    refill(group, S, exceptions[C]);
    refill(group, T, exceptions[CT]);
}

void devices_remove_snapshots(struct group *group)
{
    static const size_t indexes[] = {S, T};
    if (devices_are_merging(group))
        return;
    if (group->setup->is_live)
        devices_unmount(group);
    devices_close(group, S, &group->is_read);
    group->removed_usec = world.clock_usec;
    for (size_t i = 0; i < 2; i++) {
        struct model_device *device = &group->machine.devices[indexes[i]];
        if (device->exists && device->open_count == 0 && !device->suspended) {
            destroy_device(&group->machine, device);
            world.dm_event = true;
        }
    }
}

void devices_merge_by_somebody(struct group *group)
{
    struct model_device *snapshot = &group->machine.devices[S];
    if (!group->setup->is_live || !devices_have_snapshot(group) || snapshot->inactive.n_targets > 0 ||
        snapshot->suspended || devices_are_merging(group) || group->machine.devices[T].exists)
        return;
    struct target target = snapshot->active.targets[0];
    target.kind = TARGET_SNAPSHOT_MERGE;
    if (model_load(&group->machine, snapshot, &target) == 0)
        model_resume(&group->machine, snapshot);
    snapshot->suspended = false;
    world.dm_event = true;
    oracle_merged_by_somebody(group);
}

void devices_fail_io(struct group *group)
{
    struct model_device *snapshot = &group->machine.devices[S];
    if (!writers_may_fill(group, S))
        return;
    snapshot->active.valid = false;
    world.dm_event = true;
    world_disturb(group);
}
