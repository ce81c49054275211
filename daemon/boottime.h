/* The clock that everything here is timed by: it goes on while the machine is suspended. The one place that reads it, so
 * that it can be another one. */
#pragma once

#include <stdint.h>

uint64_t boottime_now_usec(void);

/* How much of it the machine has been suspended since it was booted. */
uint64_t boottime_slept_usec(void);
