/* Figures for tables, JSON and performance data: short, without blanks, and with a dot whatever the locale. Pure.
 * All are rounded down: nobody is promised more room or time than there is.
 */
#pragma once

#include <stdint.h>

#define FIGURES_MAX 32

const char *figures_bytes(uint64_t bytes, char text[static FIGURES_MAX]); /* "512B", "1.5GiB" */
const char *figures_rate(uint64_t bytes, char text[static FIGURES_MAX]);  /* "75KiB/s" */

/* "119s", "119min", "47h", "12d": the unit that leaves a figure to be seen to change. */
const char *figures_time(double seconds, char text[static FIGURES_MAX]);

/* "42.10" */
const char *figures_percent(double percent, char text[static FIGURES_MAX]);

/* RFC 3339, in UTC: "2026-11-23T00:50:03.250Z". */
const char *figures_date(uint64_t realtime_usec, char text[static FIGURES_MAX]);
