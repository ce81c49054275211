/* The limits of cowctl check: from which use, or below which time left, a snapshot is worth a warning, or is critical. Pure.
 */
#pragma once

#include <stdbool.h>

struct limits {
    double percent; /* used; below 0: none */
    double seconds; /* left; below 0: none */
};

#define LIMITS_NONE ((struct limits){.percent = -1, .seconds = -1})

/* Adds one, of either kind but once of each: "70%" or "70", "2h". On -EINVAL *ret_error is a sentence that says what is wrong. */
int limits_parse(const char *text, struct limits *limits, const char **ret_error);

bool limits_has_any(const struct limits *limits);

/* Fills in the defaults, 70% and 90%, which give way to what was given. -EINVAL where a warning comes behind what is critical. */
int limits_complete(struct limits *warning, struct limits *critical, const char **ret_error);

/* seconds_left below 0: nothing fills it. */
bool limits_are_reached(const struct limits *limits, double used_percent, double seconds_left);
