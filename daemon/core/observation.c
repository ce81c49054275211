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

static bool uses_origin(const struct dm_device *device, dev_t origin)
{
    for (size_t i = 0; i < device->active.n_targets; i++) {
        const struct target *target = &device->active.targets[i];
        if (target->origin == origin &&
            (target->kind == TARGET_SNAPSHOT_ORIGIN || target->kind == TARGET_SNAPSHOT_MERGE))
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

static bool observation_grow(struct observation *observation)
{
    size_t n = observation->n_allocated == 0 ? DEVICES_FIRST : 2 * observation->n_allocated;
    struct dm_device *devices = reallocarray(observation->devices, n, sizeof(*devices));
    if (!devices)
        return false;
    observation->devices = devices;
    observation->n_allocated = n;
    return true;
}

struct dm_device *observation_add(struct observation *observation)
{
    if (observation->n_devices == observation->n_allocated && !observation_grow(observation))
        return NULL;
    struct dm_device *device = &observation->devices[observation->n_devices++];
    *device = (struct dm_device){0};
    return device;
}

int dm_table_add(struct dm_table *table, const struct target *target)
{
    struct target *targets = reallocarray(table->targets, table->n_targets + 1, sizeof(*targets));
    if (!targets)
        return -ENOMEM;
    targets[table->n_targets++] = *target;
    table->targets = targets;
    return 0;
}

void dm_device_done(struct dm_device *device)
{
    free(device->active.targets);
    free(device->inactive.targets);
    *device = (struct dm_device){0};
}

void observation_done(struct observation *observation)
{
    for (size_t i = 0; i < observation->n_devices; i++)
        dm_device_done(&observation->devices[i]);
    free(observation->devices);
    *observation = (struct observation){0};
}
