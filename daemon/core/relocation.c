#include "cowherd/relocation.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct search {
    const struct intent *earlier;
    const struct observation *seen;
    struct relocation *result;
};

__attribute__((format(printf, 2, 3))) static void not_found(struct search *search, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(search->result->reason, sizeof(search->result->reason), format, arguments);
    va_end(arguments);
}

/* The kernel lets no two devices have the same name or the same UUID. */
static const struct dm_device *find_by_identity(const struct observation *seen, const char *uuid,
                                                const char *name)
{
    for (size_t i = 0; i < seen->n_devices; i++) {
        const struct dm_device *device = &seen->devices[i];
        if (strcmp(device->uuid, uuid) == 0 && (uuid[0] || strcmp(device->name, name) == 0))
            return device;
    }
    return NULL;
}

/* P or PO is the choice of whoever makes the table; the store on disk is the same. */
static bool is_persistent(enum store_type type)
{
    return type != STORE_TRANSIENT;
}

static bool fits(const struct target *target, const struct intent *earlier)
{
    return target->length_sectors == earlier->length_sectors &&
           target->chunk_sectors == earlier->chunk_sectors &&
           is_persistent(target->store_type) == is_persistent(earlier->store_type);
}

static void take_snapshot(struct intent *intent, const struct dm_device *device)
{
    strcpy(intent->name, device->name);
    strcpy(intent->uuid, device->uuid);
    intent->device = device->number;
    intent->disk_sequence = device->disk_sequence;
}

/* Whoever has made it merge has begun it, if nobody had. */
static void take_table(struct intent *intent, const struct target *target)
{
    intent->interrupted = intent->interrupted || target->kind == TARGET_SNAPSHOT_MERGE;
    intent->origin = target->origin;
    intent->store = target->store;
    intent->store_type = target->store_type;
}

static void take_origin_user(struct intent *intent, const struct dm_device *device)
{
    intent->origin_user = device ? device->number : 0;
    intent->origin_user_disk_sequence = device ? device->disk_sequence : 0;
    strcpy(intent->origin_user_name, device ? device->name : "");
    strcpy(intent->origin_user_uuid, device ? device->uuid : "");
}

/* The snapshot by its identity, and its target; notes that it is there. NULL: not, or not as it was. */
static const struct target *find_snapshot(struct search *search, const struct dm_device **ret_device)
{
    const struct intent *earlier = search->earlier;
    const struct dm_device *device = find_by_identity(search->seen, earlier->uuid, earlier->name);
    const struct target *target = device ? dm_device_only_target(device) : NULL;
    if (!device)
        not_found(search, "it is not there");
    else if (!target || !target_is_snapshot(target))
        not_found(search, "%s is there, but is no snapshot", device->name);
    else if (!fits(target, earlier))
        not_found(search, "%s is there, but has another length, chunk size or kind of store than it had",
                  device->name);
    else {
        search->result->snapshot = device->number;
        *ret_device = device;
        return target;
    }
    return NULL;
}

/* Somebody has made the merge go on already. */
static bool relocate_merging_origin(struct search *search, const struct dm_device *origin_user,
                                    const struct target *merging)
{
    const struct dm_device *device = NULL;
    struct intent *intent = &search->result->intent;
    if (!fits(merging, search->earlier)) {
        not_found(search, "%s merges, but has another length, chunk size or kind of store than it had",
                  origin_user->name);
        return false;
    }
    const struct target *target = find_snapshot(search, &device);
    bool is_both = target && target->store == merging->store && target->origin == merging->origin;
    take_table(intent, merging);
    take_origin_user(intent, origin_user);
    intent->device = 0;
    intent->disk_sequence = 0;
    if (is_both)
        take_snapshot(intent, device);
    return true;
}

static bool relocate_pair(struct search *search, const struct dm_device *origin_user)
{
    const struct dm_device *device = NULL;
    const struct target *origin_target = origin_user ? dm_device_only_target(origin_user) : NULL;
    const struct target *target = find_snapshot(search, &device);
    if (!target)
        return false;
    if (!origin_user)
        not_found(search, "the origin's device %s is not there", search->earlier->origin_user_name);
    else if (target->kind != TARGET_SNAPSHOT || !origin_target ||
             origin_target->kind != TARGET_SNAPSHOT_ORIGIN || origin_target->origin != target->origin)
        not_found(
            search,
            "%s and the origin's device %s are there, but not as snapshot and snapshot-origin of one origin",
            device->name, origin_user->name);
    else {
        take_snapshot(&search->result->intent, device);
        take_table(&search->result->intent, target);
        take_origin_user(&search->result->intent, origin_user);
        return true;
    }
    return false;
}

static bool relocate_rollback(struct search *search)
{
    const struct intent *earlier = search->earlier;
    const struct dm_device *origin_user = find_by_identity(search->seen, earlier->origin_user_uuid,
                                                           earlier->origin_user_name);
    const struct target *target = origin_user ? dm_device_only_target(origin_user) : NULL;
    if (target && target->kind == TARGET_SNAPSHOT_MERGE)
        return relocate_merging_origin(search, origin_user, target);
    return relocate_pair(search, origin_user);
}

static bool relocate_live(struct search *search)
{
    const struct dm_device *device = NULL;
    const struct target *target = find_snapshot(search, &device);
    if (!target)
        return false;
    take_snapshot(&search->result->intent, device);
    take_table(&search->result->intent, target);
    take_origin_user(&search->result->intent,
                     observation_find_origin_user(search->seen, target->origin, device->number));
    return true;
}

bool relocation_is_wanted(const struct intent *earlier)
{
    return earlier->action == ACTION_MERGE && !earlier->asked_lvm && !dm_uuid_is_lvm(earlier->uuid);
}

void relocation_make(const struct intent *earlier, const struct observation *seen, const char *boot_id,
                     struct relocation *ret_relocation)
{
    struct relocation result = {.intent = *earlier};
    struct search search = {.earlier = earlier, .seen = seen, .result = &result};
    const struct dm_device *unreadable = observation_find_unreadable(seen);
    result.intent.interrupted = earlier->interrupted || earlier->handing_over;
    result.intent.handing_over = false;
    if (unreadable)
        not_found(&search, "%s cannot be read: %s", unreadable->name, strerror(-unreadable->error));
    else
        result.found = earlier->role == ROLE_LIVE ? relocate_live(&search) : relocate_rollback(&search);
    result.intent.store_disk_sequence = 0;
    result.intent.cookie = 0;
    snprintf(result.intent.boot_id, sizeof(result.intent.boot_id), "%s", boot_id);
    *ret_relocation = result;
}

bool relocation_is_same(const struct intent *a, const struct intent *b)
{
    return strcmp(a->uuid, b->uuid) == 0 && strcmp(a->name, b->name) == 0 &&
           a->length_sectors == b->length_sectors;
}
