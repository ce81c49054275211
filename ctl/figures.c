#include "figures.h"
#include "cowherd/bytes_text.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A percentage came as hundredths and went through a division: it may lie a little below what it was. */
#define ROUNDING 1e-6

#define LAST_DATE_USEC UINT64_C(253402300799000000) /* the end of the year 9999 */

const char *figures_bytes(uint64_t bytes, char text[static FIGURES_MAX])
{
    char apart[BYTES_TEXT_MAX];
    bytes_text(bytes, apart);
    char *blank = strchr(apart, ' ');
    snprintf(text, FIGURES_MAX, "%.*s%s", (int)(blank - apart), apart, blank + 1);
    return text;
}

const char *figures_rate(uint64_t bytes, char text[static FIGURES_MAX])
{
    figures_bytes(bytes, text);
    strcat(text, "/s");
    return text;
}

const char *figures_time(double seconds, char text[static FIGURES_MAX])
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    unsigned unit = 0;
    while (unit < 3 && seconds < 2 * units[unit].seconds)
        unit++;
    snprintf(text, FIGURES_MAX, "%.0f%s", floor(seconds / units[unit].seconds), units[unit].name);
    return text;
}

const char *figures_percent(double percent, char text[static FIGURES_MAX])
{
    snprintf(text, FIGURES_MAX, "%.2f", floor(percent * 100 + ROUNDING) / 100);
    return text;
}

const char *figures_date(uint64_t realtime_usec, char text[static FIGURES_MAX])
{
    /* What has no end, such as a hold, lasts for as long as a date can say. */
    uint64_t usec = realtime_usec < LAST_DATE_USEC ? realtime_usec : LAST_DATE_USEC;
    time_t seconds = (time_t)(usec / 1000000);
    struct tm date;
    gmtime_r(&seconds, &date);
    size_t n = strftime(text, FIGURES_MAX, "%Y-%m-%dT%H:%M:%S", &date);
    snprintf(text + n, FIGURES_MAX - n, ".%03uZ", (unsigned)(usec / 1000 % 1000));
    return text;
}
