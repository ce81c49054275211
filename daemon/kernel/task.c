#include "task.h"
#include "cowherd/kernel.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <syslog.h>

static void (*log_function)(int priority, const char *message);

/* The library's own levels are syslog's in the low bits. What it says below warning is of no use to anybody
 * here. */
__attribute__((format(printf, 5, 6))) static void library_log(int level, const char *file, int line,
                                                              int dm_errno, const char *format, ...)
{
    char message[512];
    va_list arguments;
    (void)file, (void)line, (void)dm_errno;
    int priority = level & LOG_PRIMASK;
    if (priority > LOG_WARNING || !log_function)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    log_function(priority, message);
}

void kernel_open(void (*log)(int priority, const char *message))
{
    log_function = log;
    dm_log_with_errno_init(library_log);
    dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
}

int task_create(int type, dev_t device, struct dm_task **ret_task)
{
    _cleanup_task_ struct dm_task *task = dm_task_create(type);
    if (!task)
        return -ENOMEM;
    if (device &&
        (!dm_task_set_major(task, (int)major(device)) || !dm_task_set_minor(task, (int)minor(device))))
        return -EINVAL;
    *ret_task = task;
    task = NULL;
    return 0;
}

int task_run(struct dm_task *task, struct dm_info *ret_info)
{
    struct dm_info info;
    if (!dm_task_run(task)) {
        int error = dm_task_get_errno(task);
        return error > 0 ? -error : -EIO;
    }
    if (!ret_info)
        return 0;
    if (!dm_task_get_info(task, &info))
        return -EIO;
    if (!info.exists)
        return -ENXIO;
    *ret_info = info;
    return 0;
}
