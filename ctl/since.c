#include "since.h"
#include "cowherd/value.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static bool matches(const char *text, const char *format, struct tm *date)
{
    struct tm read = *date;
    const char *end = strptime(text, format, &read);
    if (!end || *end)
        return false;
    *date = read;
    return true;
}

static bool parse_date(const char *text, struct tm *date)
{
    if (strcmp(text, "today") == 0)
        return true;
    if (strcmp(text, "yesterday") == 0) {
        date->tm_mday--;
        return true;
    }
    return matches(text, "%Y-%m-%d %H:%M:%S", date) || matches(text, "%Y-%m-%d %H:%M", date) ||
           matches(text, "%Y-%m-%d", date) || matches(text, "%H:%M:%S", date) || matches(text, "%H:%M", date);
}

int since_parse(const char *text, uint64_t now_usec, uint64_t *ret_usec)
{
    const char *error;
    uint64_t ago_usec;
    time_t now = (time_t)(now_usec / 1000000);
    struct tm date;
    if (value_parse_time(text, &ago_usec, &error) == 0) {
        *ret_usec = ago_usec < now_usec ? now_usec - ago_usec : 0;
        return 0;
    }
    if (!localtime_r(&now, &date))
        return -EINVAL;
    date.tm_hour = date.tm_min = date.tm_sec = 0;
    if (!parse_date(text, &date))
        return -EINVAL;
    date.tm_isdst = -1;
    time_t seconds = mktime(&date);
    if (seconds < 0)
        return -EINVAL;
    *ret_usec = (uint64_t)seconds * 1000000;
    return 0;
}
