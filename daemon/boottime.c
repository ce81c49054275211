#include "boottime.h"
#include <time.h>

#define SUSPEND_MIN_USEC UINT64_C(100000) /* no machine is suspended and back in less */

static uint64_t read_usec(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t boottime_now_usec(void)
{
    return read_usec(CLOCK_BOOTTIME);
}

/* The two clocks differ by nothing else; but read one after the other they seem to by a little more each time, and what is
 * taken off times must not tremble. What passes between the two readings must not look like sleep: the one that sleep
 * counts for is read first. */
uint64_t boottime_slept_usec(void)
{
    static uint64_t slept_usec;
    uint64_t now_usec = read_usec(CLOCK_BOOTTIME), awake_usec = read_usec(CLOCK_MONOTONIC);
    if (now_usec > awake_usec + slept_usec + SUSPEND_MIN_USEC)
        slept_usec = now_usec - awake_usec;
    return slept_usec;
}
