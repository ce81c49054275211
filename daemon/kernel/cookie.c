/* Cookies: udev's answer that it has processed a table change. A SysV semaphore each, which outlives its
 * process. */
#include "cowherd/kernel.h"
#include "task.h"
#include <errno.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <time.h>

#define COOKIE_POLL_USEC UINT64_C(5000) /* udev takes some milliseconds for an event */

/* The key is chosen, so that it can be recorded, before the semaphore is made: the library's
 * dm_udev_create_cookie() would leave a moment in which a killed process leaks it. Its form is the library's:
 * the magic, then 16 bits. */
int kernel_cookie_choose(uint32_t *ret_cookie)
{
    uint16_t base = 0;
    if (!dm_udev_get_sync_support())
        return -EOPNOTSUPP; /* no udev runs here, nobody would answer */
    while (base == 0)
        if (getrandom(&base, sizeof(base), GRND_NONBLOCK) != sizeof(base))
            return -EAGAIN;
    *ret_cookie = (uint32_t)DM_COOKIE_MAGIC << DM_UDEV_FLAGS_SHIFT | base;
    return 0;
}

int kernel_cookie_create(uint32_t cookie)
{
    union {
        int value;
        struct semid_ds *status;
        unsigned short *values;
    } one = {.value = 1}; /* ours; each step adds one, udev takes it back */
    int semaphore = semget((key_t)cookie, 1, 0600 | IPC_CREAT | IPC_EXCL);
    if (semaphore < 0)
        return -errno;
    if (semctl(semaphore, 0, SETVAL, one) == 0)
        return 0;
    int error = errno;
    semctl(semaphore, 0, IPC_RMID); /* nobody would: its key is not kept for want of a use */
    return -error;
}

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* dm_udev_wait() never returns while udevd is stuck, so the state is asked for until the deadline. It destroys a cookie
 * that is ready; where that fails it says so, and yet that the cookie was ready. */
static bool wait_ready(uint32_t cookie, uint64_t wait_usec)
{
    uint64_t deadline_usec = now_usec() + wait_usec;
    int ready = 0;
    bool asked;
    while ((asked = dm_udev_wait_immediate(cookie, &ready)) && !ready && now_usec() < deadline_usec)
        nanosleep(&(struct timespec){.tv_nsec = (long)COOKIE_POLL_USEC * 1000}, NULL);
    return asked && ready;
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
