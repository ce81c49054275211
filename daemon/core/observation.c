#include "cowherd/observation.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_FIRST 16 /* more than most machines have; doubled from there */

const struct dm_device *observation_find(const struct observation *observation, dev_t number)
{
    for (size_t i = 0; i < observation->n_devices; i++) {
        if (observation->devices[i].number == number)
            return &observation->devices[i];
    }
    return NULL;
}

const struct dm_device *observation_find_unreadable(const struct observation *observation)
{
    for (size_t i = 0; i < observation->n_devices; i++)
        if (observation->devices[i].error != 0)
            return &observation->devices[i];
    return NULL;
}

static bool is_origin_user(const struct target *target)
{
    return target->kind == TARGET_SNAPSHOT_ORIGIN || target->kind == TARGET_SNAPSHOT_MERGE;
}

static bool uses_origin(const struct dm_device *device, dev_t origin)
{
    for (size_t i = 0; i < device->active.n_targets; i++) {
        const struct target *target = &device->active.targets[i];
        if (target->origin == origin && is_origin_user(target))
            return true;
    }
    return false;
}

const struct dm_device *observation_find_origin_user(const struct observation *observation, dev_t origin,
                                                     dev_t except)
{
    for (size_t i = 0; i < observation->n_devices; i++) {
        const struct dm_device *device = &observation->devices[i];
        if (device->number != except && uses_origin(device, origin))
            return device;
    }
    return NULL;
}

static size_t count_origin_users(const struct observation *observation)
{
    size_t n = 0;
    for (size_t i = 0; i < observation->n_devices; i++)
        for (size_t j = 0; j < observation->devices[i].active.n_targets; j++)
            n += is_origin_user(&observation->devices[i].active.targets[j]);
    return n;
}

/* Those of one origin in the order of the observation. */
static int compare_origin_users(const void *one, const void *other)
{
    const struct origin_user *a = one, *b = other;
    if (a->origin != b->origin)
        return a->origin < b->origin ? -1 : 1;
    return a->device < b->device ? -1 : a->device > b->device;
}

int observation_list_origin_users(const struct observation *observation, struct origin_users *ret_users)
{
    size_t n = count_origin_users(observation);
    struct origin_users users = {.items = calloc(n ? n : 1, sizeof(*users.items))};
    if (!users.items)
        return -ENOMEM;
    for (size_t i = 0; i < observation->n_devices; i++) {
        const struct dm_device *device = &observation->devices[i];
        for (size_t j = 0; j < device->active.n_targets; j++)
            if (is_origin_user(&device->active.targets[j]))
                users.items[users.n_items++] = (struct origin_user){device->active.targets[j].origin, device};
    }
    qsort(users.items, users.n_items, sizeof(*users.items), compare_origin_users);
    *ret_users = users;
    return 0;
}

const struct dm_device *origin_users_find(const struct origin_users *users, dev_t origin, dev_t except)
{
    size_t low = 0, high = users->n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (users->items[middle].origin < origin)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < users->n_items && users->items[low].origin == origin; low++)
        if (users->items[low].device->number != except)
            return users->items[low].device;
    return NULL;
}

void origin_users_done(struct origin_users *users)
{
    free(users->items);
    *users = (struct origin_users){0};
}

const struct target *dm_device_only_target(const struct dm_device *device)
{
    return device->error == 0 && device->active.n_targets == 1 ? device->active.targets : NULL;
}

bool dm_uuid_is_lvm(const char *uuid)
{
    return strncmp(uuid, "LVM-", 4) == 0;
}

bool dm_device_is_lvm(const struct dm_device *device)
{
    return dm_uuid_is_lvm(device->uuid);
}

int observation_reserve(struct observation *observation, size_t n_devices)
{
    if (n_devices <= observation->n_allocated)
        return 0;
    struct dm_device *devices = reallocarray(observation->devices, n_devices, sizeof(*devices));
    if (!devices)
        return -ENOMEM;
    memset(devices + observation->n_allocated, 0, (n_devices - observation->n_allocated) * sizeof(*devices));
    observation->devices = devices;
    observation->n_allocated = n_devices;
    return 0;
}

void dm_table_clear(struct dm_table *table)
{
    table->n_targets = 0;
}

static void clear_device(struct dm_device *device)
{
    struct dm_device empty = {.active = device->active, .inactive = device->inactive};
    dm_table_clear(&empty.active);
    dm_table_clear(&empty.inactive);
    *device = empty;
}

struct dm_device *observation_add(struct observation *observation)
{
    size_t n = observation->n_allocated ? 2 * observation->n_allocated : DEVICES_FIRST;
    if (observation->n_devices == observation->n_allocated && observation_reserve(observation, n) < 0)
        return NULL;
    struct dm_device *device = &observation->devices[observation->n_devices++];
    clear_device(device);
    return device;
}

void observation_remove(struct observation *observation, size_t i)
{
    struct dm_device *place = &observation->devices[i], gone = *place;
    size_t n_behind = --observation->n_devices - i;
    memmove(place, place + 1, n_behind * sizeof(*place));
    place[n_behind] = gone;
}

void observation_clear(struct observation *observation)
{
    observation->n_devices = 0;
}

static int table_grow(struct dm_table *table)
{
    size_t n = table->n_allocated ? 2 * table->n_allocated : 1;
    struct target *targets = reallocarray(table->targets, n, sizeof(*targets));
    if (!targets)
        return -ENOMEM;
    table->targets = targets;
    table->n_allocated = n;
    return 0;
}

int dm_table_add(struct dm_table *table, const struct target *target)
{
    int r = table->n_targets < table->n_allocated ? 0 : table_grow(table);
    if (r == 0)
        table->targets[table->n_targets++] = *target;
    return r;
}

void dm_device_done(struct dm_device *device)
{
    free(device->active.targets);
    free(device->inactive.targets);
    *device = (struct dm_device){0};
}

void observation_done(struct observation *observation)
{
    for (size_t i = 0; i < observation->n_allocated; i++)
        dm_device_done(&observation->devices[i]);
    free(observation->devices);
    *observation = (struct observation){0};
}
