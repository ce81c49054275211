#include "check_limits.h"
#include "cowherd/value.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PERCENT_MAX_CENTI 10000
#define LIMIT_MAX         64
#define WARNING_PERCENT   70 /* the built-in ladder's rungs */
#define CRITICAL_PERCENT  90

static int parse_percent(const char *text, struct limits *limits, const char **ret_error)
{
    char with_sign[LIMIT_MAX];
    uint64_t centipercent;
    snprintf(with_sign, sizeof(with_sign), "%s%s", text, strchr(text, '%') ? "" : "%");
    int r = value_parse_percent(with_sign, &centipercent, ret_error);
    if (r < 0)
        return r;
    if (centipercent > PERCENT_MAX_CENTI) {
        *ret_error = "a percentage is at most 100%";
        return -EINVAL;
    }
    if (limits->percent >= 0) {
        *ret_error = "there is a percentage already";
        return -EINVAL;
    }
    limits->percent = (double)centipercent / 100;
    return 0;
}

static int parse_time(const char *text, struct limits *limits, const char **ret_error)
{
    uint64_t usec;
    int r = value_parse_time(text, &usec, ret_error);
    if (r < 0)
        return r;
    if (limits->seconds >= 0) {
        *ret_error = "there is a time already";
        return -EINVAL;
    }
    limits->seconds = (double)usec / 1e6;
    return 0;
}

int limits_parse(const char *text, struct limits *limits, const char **ret_error)
{
    size_t length = strlen(text);
    if (length == 0 || length >= LIMIT_MAX - 1) {
        *ret_error = "a limit is N% used, or a TIME left";
        return -EINVAL;
    }
    if (strspn(text, "0123456789.% ") == length)
        return parse_percent(text, limits, ret_error);
    return parse_time(text, limits, ret_error);
}

bool limits_has_any(const struct limits *limits)
{
    return limits->percent >= 0 || limits->seconds >= 0;
}

int limits_complete(struct limits *warning, struct limits *critical, const char **ret_error)
{
    bool is_low = critical->percent >= 0 && critical->percent < WARNING_PERCENT;
    if (!limits_has_any(warning))
        warning->percent = is_low ? critical->percent : WARNING_PERCENT;
    if (!limits_has_any(critical))
        critical->percent = warning->percent > CRITICAL_PERCENT ? warning->percent : CRITICAL_PERCENT;
    bool is_fuller = critical->percent >= 0 && warning->percent > critical->percent;
    bool is_sooner = warning->seconds >= 0 && warning->seconds < critical->seconds;
    if (!is_fuller && !is_sooner)
        return 0;
    *ret_error = is_fuller ? "the warning's percentage is above the critical one"
                           : "the warning's time is below the critical one";
    return -EINVAL;
}

bool limits_are_reached(const struct limits *limits, double used_percent, double seconds_left)
{
    bool is_full = limits->percent >= 0 && used_percent >= limits->percent;
    bool is_soon = limits->seconds >= 0 && seconds_left >= 0 && seconds_left <= limits->seconds;
    return is_full || is_soon;
}
