/* One libdevmapper task, for the files of this room. */
#pragma once

#include <libdevmapper.h>
#include <sys/types.h>

static inline void task_destroy(struct dm_task **task)
{
    if (*task)
        dm_task_destroy(*task);
}

#define _cleanup_task_ __attribute__((cleanup(task_destroy)))

/* A task for a device by its number; 0: for none. Returns 0, -ENOMEM or -EINVAL (a setter refused). */
int task_create(int type, dev_t device, struct dm_task **ret_task);

/* Runs it. Returns 0 or the ioctl's negative errno; -ENXIO also where the library calls that a success. */
int task_run(struct dm_task *task, struct dm_info *ret_info);
