/* Looking: list, table, status, info. Nothing here changes anything or can block. */
#include "cowherd/disk_memory.h"
#include "cowherd/kernel.h"
#include "disk_nodes.h"
#include "inquiry.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define _cleanup_nodes_ __attribute__((cleanup(disk_nodes_done)))

/* Kept for the next look, children's copies too. */
static struct inquiry all_devices, one_device;
static struct disk_memory remembered;
static struct observation spare;

static int read_targets(struct dm_table *table)
{
    struct inquiry_line line;
    for (size_t place = 0; inquiry_next_line(&one_device, &place, &line);) {
        struct target target = {0};
        int r = target_parse(line.kind, line.text, line.start_sectors, line.length_sectors, &target);
        if (r < 0 || (r = dm_table_add(table, &target)) < 0)
            return r;
    }
    return 0;
}

static int read_table(dev_t number, unsigned flags, struct dm_table *table)
{
    int r = inquiry_ask(&one_device, DM_TABLE_STATUS, number, DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG | flags);
    return r < 0 ? r : read_targets(table);
}

static unsigned open_count_of(const struct dm_ioctl *info)
{
    return info->open_count > 0 ? (unsigned)info->open_count : 0;
}

/* Of the last answer. */
static void set_info(struct dm_device *device)
{
    const struct dm_ioctl *info = one_device.answer;
    device->open_count = open_count_of(info);
    device->suspended = info->flags & DM_SUSPEND_FLAG;
    device->deferred_remove = info->flags & DM_DEFERRED_REMOVE;
    device->has_inactive = info->flags & DM_INACTIVE_PRESENT_FLAG;
}

/* One status line, onto the target that the table had in its place. */
static int take_status(struct target *target, const struct inquiry_line *line)
{
    if (target->start_sectors != line->start_sectors || target->length_sectors != line->length_sectors)
        return -ESTALE;
    if (target->kind == TARGET_OTHER)
        return 0;
    if (strcmp(line->kind, target_kind_name(target->kind)) != 0)
        return -ESTALE;
    return target_is_snapshot(target) ? snapshot_status_parse(line->text, &target->status) : 0;
}

static int take_statuses(struct dm_table *table)
{
    struct inquiry_line line;
    size_t i = 0;
    for (size_t place = 0; inquiry_next_line(&one_device, &place, &line);) {
        if (i == table->n_targets)
            return -ESTALE;
        int r = take_status(&table->targets[i++], &line);
        if (r < 0)
            return r;
    }
    return i == table->n_targets ? 0 : -ESTALE;
}

/* The status lines of a device: they must still fit the table that was read before them. */
static int read_status(struct dm_device *device)
{
    int r = inquiry_ask(&one_device, DM_TABLE_STATUS, device->number, DM_NOFLUSH_FLAG);
    if (r < 0)
        return r;
    if (strcmp(one_device.answer->uuid, device->uuid) != 0)
        return -ESTALE;
    return take_statuses(&device->active);
}

static bool has_snapshot(const struct dm_table *table)
{
    for (size_t i = 0; i < table->n_targets; i++)
        if (target_is_snapshot(&table->targets[i]))
            return true;
    return false;
}

_Static_assert(DM_NAME_LEN == DM_NAME_BYTES && DM_UUID_LEN == DM_UUID_BYTES, "the kernel's names fit");

static int read_sequence(struct dm_device *device, const struct disk_memory *memory)
{
    if (memory && disk_memory_find(memory, device->number, &device->disk_sequence))
        return 0;
    return kernel_disk_sequence(device->number, &device->disk_sequence);
}

/* memory: NULL where the disk sequence number must be read. */
static int look_at(struct dm_device *device, const struct disk_memory *memory)
{
    int r = read_table(device->number, 0, &device->active);
    if (r < 0)
        return r;
    strcpy(device->name, one_device.answer->name);
    strcpy(device->uuid, one_device.answer->uuid);
    set_info(device);
    if ((r = read_sequence(device, memory)) < 0)
        return r;
    if (has_snapshot(&device->active)) {
        if ((r = read_status(device)) < 0)
            return r;
        set_info(device);
    }
    if (!device->has_inactive)
        return 0;
    r = read_table(device->number, DM_QUERY_INACTIVE_TABLE_FLAG, &device->inactive);
    if (r < 0)
        return r;
    /* Swapped in or cleared between the two calls: then the active table may be another, too. */
    return one_device.answer->flags & DM_INACTIVE_PRESENT_FLAG ? 0 : -ESTALE;
}

static void forget_tables(struct dm_device *device)
{
    dm_table_clear(&device->active);
    dm_table_clear(&device->inactive);
}

/* A table swapped between table and status is looked at again, three times in all: it cannot go on for ever. Returns
 * what the last one did; where that is an error the device has it, too. */
static int look_again(struct dm_device *device, const struct disk_memory *memory)
{
    int r = -ESTALE;
    device->error = 0;
    for (int i = 0; i < 3 && r == -ESTALE; i++) {
        forget_tables(device);
        r = look_at(device, memory);
    }
    if (r < 0) {
        forget_tables(device);
        device->error = r;
    }
    return r;
}

static int add_device(struct observation *observation, const struct dm_name_list *entry)
{
    struct dm_device *device = observation_add(observation);
    if (!device)
        return -ENOMEM;
    device->number = entry->dev;
    strcpy(device->name, entry->name);
    int r = look_again(device, &remembered);
    if (r == -ENXIO)
        observation_remove(observation, observation->n_devices - 1);
    return r == -ENOMEM ? r : 0;
}

/* What was remembered of a device is no longer true, or nobody can say: it is read. */
static int read_forgotten(struct observation *observation, const struct disk_nodes *nodes)
{
    int result = 0;
    for (size_t i = 0; i < observation->n_devices;) {
        struct dm_device *device = &observation->devices[i];
        int r = disk_memory_is_refuted(&remembered, nodes, device->number) ? look_again(device, NULL) : 0;
        if (r == -ENOMEM)
            result = r;
        if (r == -ENXIO)
            observation_remove(observation, i);
        else
            i++;
    }
    return result;
}

static int verify(struct observation *observation)
{
    _cleanup_nodes_ struct disk_nodes nodes = {0};
    int r = observation->n_devices ? disk_nodes_read(major(observation->devices[0].number), &nodes) : 0;
    if (r == -ENOMEM)
        return r; /* without a listing for another reason nothing is remembered */
    if (disk_memory_is_confirmed(&remembered, &nodes))
        return 0;
    if ((r = disk_nodes_sort(&nodes)) < 0 || (r = read_forgotten(observation, &nodes)) < 0)
        return r;
    return disk_memory_take(&remembered, &nodes, observation);
}

static size_t count_names(const struct dm_name_list *entry)
{
    size_t n = 0;
    for (; entry; entry = inquiry_next_name(entry))
        n++;
    return n;
}

static int look_at_all(struct observation *observation)
{
    int r = inquiry_ask(&all_devices, DM_LIST_DEVICES, 0, 0);
    if (r < 0)
        return r;
    const struct dm_name_list *entry = inquiry_first_name(&all_devices);
    r = observation_reserve(observation, count_names(entry));
    for (; entry && r == 0; entry = inquiry_next_name(entry))
        r = add_device(observation, entry);
    return r < 0 ? r : verify(observation);
}

int kernel_observe(struct observation *ret_observation)
{
    struct observation observation = spare;
    spare = (struct observation){0};
    int r = look_at_all(&observation);
    if (r < 0)
        kernel_recycle(&observation);
    else
        *ret_observation = observation;
    return r;
}

void kernel_recycle(struct observation *observation)
{
    observation_done(&spare);
    spare = *observation;
    observation_clear(&spare);
    *observation = (struct observation){0};
}

int kernel_sample(const struct dm_device *known, struct dm_device *ret_device)
{
    struct dm_device device = *known;
    device.active = device.inactive = (struct dm_table){0};
    device.error = 0;
    int r = 0;
    for (size_t i = 0; i < known->active.n_targets && r == 0; i++)
        r = dm_table_add(&device.active, &known->active.targets[i]);
    for (size_t i = 0; i < known->inactive.n_targets && r == 0; i++)
        r = dm_table_add(&device.inactive, &known->inactive.targets[i]);
    if (r == 0)
        r = read_status(&device);
    if (r < 0) {
        dm_device_done(&device);
        return r;
    }
    set_info(&device);
    *ret_device = device;
    return 0;
}

int kernel_open_count(dev_t device, unsigned *ret_count)
{
    int r = inquiry_ask(&one_device, DM_DEV_STATUS, device, 0);
    if (r < 0)
        return r;
    *ret_count = open_count_of(one_device.answer);
    return 0;
}
