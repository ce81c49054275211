/* What was seen of the kernel: every dm device with its tables and status, as plain data.
 *
 * The kernel room fills it, the core reasons over it. A device whose lookup failed is in it all the same,
 * with error set: it exists, and nothing else is known of it.
 */
#pragma once

#include "cowherd/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DM_NAME_BYTES 128 /* with the terminating zero, as in the kernel's dm-ioctl.h */
#define DM_UUID_BYTES 129

struct dm_table {
    struct target *targets;
    size_t n_targets;
    size_t n_allocated;
};

struct dm_device {
    char name[DM_NAME_BYTES]; /* raw bytes: anything but a zero or a slash */
    char uuid[DM_UUID_BYTES]; /* may be empty */
    dev_t number;
    uint64_t disk_sequence; /* the kernel's number of this very disk since boot; 0: not known (before 5.15) */
    int error;              /* negative errno of the lookup; all below is unknown then */
    unsigned open_count;
    bool suspended;
    bool deferred_remove; /* goes when its last user closes it */
    bool has_inactive;    /* a table is loaded that has not been swapped in */
    struct dm_table active;
    struct dm_table inactive; /* its status fields are never filled in */
};

struct observation {
    struct dm_device *devices;
    size_t n_devices;
    size_t n_allocated; /* those behind n_devices are empty, but for the memory of their tables */
};

/* The device of that number, or NULL. */
const struct dm_device *observation_find(const struct observation *observation, dev_t number);

/* A device whose lookup failed, or NULL: nothing is certain while there is one. */
const struct dm_device *observation_find_unreadable(const struct observation *observation);

/* A device with a target `snapshot-origin` or `snapshot-merge` over that origin: where the system
 * runs when it runs on the origin. The device `except` is passed over. NULL where there is none. */
const struct dm_device *observation_find_origin_user(const struct observation *observation, dev_t origin,
                                                     dev_t except);

/* The same for many questions: who uses which origin, valid as long as the observation. Listing: 0 or -ENOMEM. */
struct origin_users {
    struct origin_user {
        dev_t origin;
        const struct dm_device *device;
    } * items;
    size_t n_items;
};

int observation_list_origin_users(const struct observation *observation, struct origin_users *ret_users);
const struct dm_device *origin_users_find(const struct origin_users *users, dev_t origin, dev_t except);
void origin_users_done(struct origin_users *users);

/* The only target of the device's active table, or NULL where it has none or several, or is not known. */
const struct target *dm_device_only_target(const struct dm_device *device);

/* A uuid says that lvm made the device; a device's does. */
bool dm_uuid_is_lvm(const char *uuid);
bool dm_device_is_lvm(const struct dm_device *device);

/* Makes room for so many devices in all, where it is known beforehand. 0 or -ENOMEM. */
int observation_reserve(struct observation *observation, size_t n_devices);

/* Appends an empty device. Returns it, valid until the next one is added, or NULL without memory. */
struct dm_device *observation_add(struct observation *observation);

/* Appends a target to a table. Returns 0 or -ENOMEM. */
int dm_table_add(struct dm_table *table, const struct target *target);

/* Takes a device away again. */
void observation_remove(struct observation *observation, size_t i);

/* Leave it empty, its memory ready to be used again: to be given new pages at each look costs as much as parsing it. */
void dm_table_clear(struct dm_table *table);
void observation_clear(struct observation *observation);

/* Free what they own and leave it empty. */
void dm_device_done(struct dm_device *device);
void observation_done(struct observation *observation);
