/* Since when, as people say it: "2h" (ago), "today", "yesterday", "12:30", "2026-11-23", "2026-11-23 12:30[:15]". Pure, but for the
 * time zone.
 */
#pragma once

#include <stdint.h>

/* Microseconds of CLOCK_REALTIME. Returns 0 or -EINVAL. */
int since_parse(const char *text, uint64_t now_usec, uint64_t *ret_usec);
