/* Cookies: udev's answer that it has processed a table change. A SysV semaphore each, which outlives its
 * process. */
#include "cowherd/kernel.h"
#include "task.h"
#include <errno.h>
#include <sys/sem.h>
#include <time.h>

#define COOKIE_POLL_USEC UINT64_C(5000) /* udev takes some milliseconds for an event */

int kernel_cookie_create(uint32_t *ret_cookie)
{
    uint32_t cookie = 0;
    if (!dm_udev_get_sync_support())
        return -EOPNOTSUPP; /* no udev runs here, nobody would answer */
    if (!dm_udev_create_cookie(&cookie) || !cookie)
        return -EIO;
    *ret_cookie = cookie;
    return 0;
}

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* dm_udev_wait() never returns while udevd is stuck, so the state is asked for until the deadline. */
static bool wait_ready(uint32_t cookie, uint64_t wait_usec)
{
    uint64_t deadline_usec = now_usec() + wait_usec;
    int ready = 0;
    while (dm_udev_wait_immediate(cookie, &ready) && !ready && now_usec() < deadline_usec)
        nanosleep(&(struct timespec){.tv_nsec = (long)COOKIE_POLL_USEC * 1000}, NULL);
    return ready;
}

int kernel_cookie_release(uint32_t cookie, uint64_t wait_usec)
{
    int semaphore = semget((key_t)cookie, 1, 0);
    if (semaphore < 0)
        return errno == ENOENT ? 0 : -errno;
    if (wait_ready(cookie, wait_usec))
        return 0;
    /* A process that was killed between joining and its ioctl leaves a count that nobody takes back. */
    return semctl(semaphore, 0, IPC_RMID) < 0 && errno != EINVAL && errno != EIDRM ? -errno : -ETIMEDOUT;
}
