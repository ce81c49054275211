/* Changing: load, clear, suspend, resume, remove. */
#include "cowherd/kernel.h"
#include "task.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

static int format_table(const struct target *target, char *text, size_t size)
{
    unsigned origin_major = major(target->origin), origin_minor = minor(target->origin);
    int n = -1;
    if (target_is_snapshot(target))
        n = snprintf(text, size, "%u:%u %u:%u %s %u", origin_major, origin_minor, major(target->store),
                     minor(target->store), store_type_name(target->store_type), target->chunk_sectors);
    else if (target->kind == TARGET_SNAPSHOT_ORIGIN)
        n = snprintf(text, size, "%u:%u", origin_major, origin_minor);
    else if (target->kind == TARGET_LINEAR)
        n = snprintf(text, size, "%u:%u %llu", origin_major, origin_minor,
                     (unsigned long long)target->offset_sectors);
    else if (target->kind == TARGET_ERROR)
        n = snprintf(text, size, "%s", "");
    return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

static int add_target(struct dm_task *task, const struct target *target)
{
    char parameters[128];
    int r = format_table(target, parameters, sizeof(parameters));
    if (r < 0)
        return r;
    return dm_task_add_target(task, target->start_sectors, target->length_sectors,
                              target_kind_name(target->kind), parameters)
               ? 0
               : -ENOMEM;
}

int kernel_load_table(dev_t device, const struct dm_table *table)
{
    _cleanup_task_ struct dm_task *task = NULL;
    int r = task_create(DM_DEVICE_RELOAD, device, &task);
    for (size_t i = 0; i < table->n_targets && r == 0; i++)
        r = add_target(task, &table->targets[i]);
    return r < 0 ? r : task_run(task, NULL);
}

int kernel_load(dev_t device, const struct target *target)
{
    struct target copy = *target;
    return kernel_load_table(device, &(struct dm_table){.targets = &copy, .n_targets = 1});
}

int kernel_clear(dev_t device)
{
    _cleanup_task_ struct dm_task *task = NULL;
    int r = task_create(DM_DEVICE_CLEAR, device, &task);
    return r < 0 ? r : task_run(task, NULL);
}

/* Without a cookie the library tells udev to leave the device alone, for it would make its nodes itself: then udev takes
 * the link /dev/mapper/NAME away. It does not where it is told that nobody waits for udev. */
static int run_unsynchronised(struct dm_task *task)
{
    uint32_t none = 0;
    int synchronised = dm_udev_get_sync_support();
    dm_udev_set_sync_support(0);
    int r = dm_task_set_cookie(task, &none, DM_UDEV_DISABLE_LIBRARY_FALLBACK) ? task_run(task, NULL) : -EIO;
    dm_udev_set_sync_support(synchronised);
    return r;
}

/* The cookie joins before the ioctl and is answered by udev after it; when the ioctl fails no event comes,
 * and the library takes its share back itself. Nodes are udev's alone to make and to remove. */
static int run_with_cookie(struct dm_task *task, uint32_t cookie)
{
    if (!cookie)
        return run_unsynchronised(task);
    return dm_task_set_cookie(task, &cookie, DM_UDEV_DISABLE_LIBRARY_FALLBACK) ? task_run(task, NULL) : -EIO;
}

/* Filesystems are not frozen: freezing writes out all dirty pages, through the snapshot, into a store that is
 * about to be full. A table swap needs no more than the requests in flight to have ended, which the kernel
 * sees to. */
static int swap_or_suspend(int type, dev_t device, uint32_t cookie)
{
    _cleanup_task_ struct dm_task *task = NULL;
    int r = task_create(type, device, &task);
    if (r < 0)
        return r;
    if (!dm_task_skip_lockfs(task))
        return -EINVAL;
    return run_with_cookie(task, cookie);
}

int kernel_suspend(dev_t device)
{
    return swap_or_suspend(DM_DEVICE_SUSPEND, device, 0);
}

int kernel_resume(dev_t device, uint32_t cookie)
{
    return swap_or_suspend(DM_DEVICE_RESUME, device, cookie);
}

int kernel_remove(dev_t device, bool deferred, uint32_t cookie)
{
    _cleanup_task_ struct dm_task *task = NULL;
    int r = task_create(DM_DEVICE_REMOVE, device, &task);
    if (r < 0)
        return r;
    if (deferred && !dm_task_deferred_remove(task))
        return -EINVAL;
    return run_with_cookie(task, cookie);
}
