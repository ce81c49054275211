/* Looking: list, table, status, info. Nothing here changes anything or can block. */
#include "cowherd/kernel.h"
#include "task.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_targets(struct dm_task *task, struct dm_table *table)
{
    void *next = NULL;
    do {
        uint64_t start, length;
        char *kind, *parameters;
        struct target target = {0};
        next = dm_get_next_target(task, next, &start, &length, &kind, &parameters);
        if (!kind)
            continue; /* a device without a table */
        int r = target_parse(kind, parameters ? parameters : "", start, length, &target);
        if (r < 0 || (r = dm_table_add(table, &target)) < 0)
            return r;
    } while (next);
    return 0;
}

static int read_table(dev_t number, bool inactive, struct dm_info *ret_info, struct dm_task **ret_task,
                      struct dm_table *table)
{
    _cleanup_task_ struct dm_task *task = NULL;
    int r = task_create(DM_DEVICE_TABLE, number, &task);
    if (r < 0)
        return r;
    if (!dm_task_no_flush(task) || (inactive && !dm_task_query_inactive_table(task)))
        return -EINVAL;
    if ((r = task_run(task, ret_info)) < 0 || (r = read_targets(task, table)) < 0)
        return r;
    if (ret_task) {
        *ret_task = task;
        task = NULL;
    }
    return 0;
}

static void set_info(struct dm_device *device, const struct dm_info *info)
{
    device->open_count = info->open_count > 0 ? (unsigned)info->open_count : 0;
    device->suspended = info->suspended;
    device->deferred_remove = info->deferred_remove;
    device->has_inactive = info->inactive_table;
}

/* One status line, onto the target that the table had in its place. */
static int take_status(struct target *target, uint64_t start, uint64_t length, const char *kind,
                       const char *line)
{
    if (target->start_sectors != start || target->length_sectors != length)
        return -ESTALE;
    if (target->kind == TARGET_OTHER)
        return 0;
    if (strcmp(kind, target_kind_name(target->kind)) != 0)
        return -ESTALE;
    return target_is_snapshot(target) ? snapshot_status_parse(line, &target->status) : 0;
}

static int take_statuses(struct dm_task *task, struct dm_table *table)
{
    void *next = NULL;
    size_t i = 0;
    do {
        uint64_t start, length;
        char *kind, *line;
        next = dm_get_next_target(task, next, &start, &length, &kind, &line);
        if (!kind)
            continue;
        if (i == table->n_targets)
            return -ESTALE;
        int r = take_status(&table->targets[i++], start, length, kind, line ? line : "");
        if (r < 0)
            return r;
    } while (next);
    return i == table->n_targets ? 0 : -ESTALE;
}

/* The status lines of a device: they must still fit the table that was read before them. */
static int read_status(struct dm_device *device, struct dm_info *ret_info)
{
    _cleanup_task_ struct dm_task *task = NULL;
    int r = task_create(DM_DEVICE_STATUS, device->number, &task);
    if (r < 0)
        return r;
    if (!dm_task_no_flush(task))
        return -EINVAL;
    if ((r = task_run(task, ret_info)) < 0)
        return r;
    const char *uuid = dm_task_get_uuid(task);
    if (!uuid || strcmp(uuid, device->uuid) != 0)
        return -ESTALE;
    return take_statuses(task, &device->active);
}

static bool has_snapshot(const struct dm_table *table)
{
    for (size_t i = 0; i < table->n_targets; i++)
        if (target_is_snapshot(&table->targets[i]))
            return true;
    return false;
}

static int copy_text(char *to, size_t size, const char *from)
{
    if (!from || strlen(from) >= size)
        return -EBADMSG;
    strcpy(to, from);
    return 0;
}

static int look_at(struct dm_device *device)
{
    _cleanup_task_ struct dm_task *task = NULL;
    struct dm_info info;
    int r = read_table(device->number, false, &info, &task, &device->active);
    if (r < 0)
        return r;
    if ((r = copy_text(device->name, sizeof(device->name), dm_task_get_name(task))) < 0 ||
        (r = copy_text(device->uuid, sizeof(device->uuid), dm_task_get_uuid(task))) < 0)
        return r;
    if ((r = kernel_disk_sequence(device->number, &device->disk_sequence)) < 0)
        return r;
    if (has_snapshot(&device->active) && (r = read_status(device, &info)) < 0)
        return r;
    set_info(device, &info);
    if (!device->has_inactive)
        return 0;
    /* Swapped in or cleared between the two calls: then it is no table that waits. */
    r = read_table(device->number, true, &info, NULL, &device->inactive);
    return r == -ENXIO ? 0 : r;
}

static void forget_tables(struct dm_device *device)
{
    free(device->active.targets);
    free(device->inactive.targets);
    device->active = device->inactive = (struct dm_table){0};
}

/* A table swapped between table and status is looked at again, three times in all: it cannot go on for ever. */
static int look_again(struct dm_device *device)
{
    int r = -ESTALE;
    for (int i = 0; i < 3 && r == -ESTALE; i++) {
        forget_tables(device);
        r = look_at(device);
    }
    return r;
}

static int add_device(struct observation *observation, const struct dm_names *entry)
{
    struct dm_device *device = observation_add(observation);
    if (!device)
        return -ENOMEM;
    device->number = entry->dev;
    strncpy(device->name, entry->name, sizeof(device->name) - 1);
    int r = look_again(device);
    if (r == -ENXIO) {
        dm_device_done(device);
        observation->n_devices--;
    } else if (r < 0) {
        forget_tables(device);
        device->error = r;
    }
    return r == -ENOMEM ? r : 0;
}

int kernel_observe(struct observation *ret_observation)
{
    _cleanup_task_ struct dm_task *task = NULL;
    struct observation observation = {0};
    int r = task_create(DM_DEVICE_LIST, 0, &task);
    if (r < 0 || (r = task_run(task, NULL)) < 0)
        return r;
    const struct dm_names *entry = dm_task_get_names(task);
    if (!entry)
        return -EIO;
    for (; entry->dev && r == 0; entry = (const void *)((const char *)entry + entry->next)) {
        r = add_device(&observation, entry);
        if (!entry->next)
            break;
    }
    if (r < 0)
        observation_done(&observation);
    else
        *ret_observation = observation;
    return r;
}

int kernel_sample(const struct dm_device *known, struct dm_device *ret_device)
{
    struct dm_info info;
    struct dm_device device = *known;
    device.active = device.inactive = (struct dm_table){0};
    device.error = 0;
    int r = 0;
    for (size_t i = 0; i < known->active.n_targets && r == 0; i++)
        r = dm_table_add(&device.active, &known->active.targets[i]);
    for (size_t i = 0; i < known->inactive.n_targets && r == 0; i++)
        r = dm_table_add(&device.inactive, &known->inactive.targets[i]);
    if (r == 0)
        r = read_status(&device, &info);
    if (r < 0) {
        dm_device_done(&device);
        return r;
    }
    set_info(&device, &info);
    *ret_device = device;
    return 0;
}

int kernel_open_count(dev_t device, unsigned *ret_count)
{
    _cleanup_task_ struct dm_task *task = NULL;
    struct dm_info info;
    int r = task_create(DM_DEVICE_INFO, device, &task);
    if (r < 0 || (r = task_run(task, &info)) < 0)
        return r;
    *ret_count = info.open_count > 0 ? (unsigned)info.open_count : 0;
    return 0;
}
