#include "cowherd/usec_text.h"
#include <inttypes.h>
#include <stdio.h>

#define MSEC UINT64_C(1000)
#define SEC  (1000 * MSEC)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)

static void put_tenths(uint64_t usec, uint64_t unit, const char *name, char text[static USEC_TEXT_MAX])
{
    uint64_t tenths = usec % unit * 10 / unit;
    if (tenths)
        snprintf(text, USEC_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " %s", usec / unit, tenths, name);
    else
        snprintf(text, USEC_TEXT_MAX, "%" PRIu64 " %s", usec / unit, name);
}

static void put_pair(uint64_t usec, uint64_t unit, const char *name, uint64_t part, const char *part_name,
                     char text[static USEC_TEXT_MAX])
{
    snprintf(text, USEC_TEXT_MAX, "%" PRIu64 " %s %" PRIu64 " %s", usec / unit, name, usec % unit / part,
             part_name);
}

const char *usec_text(uint64_t usec, char text[static USEC_TEXT_MAX])
{
    if (usec < 10 * MSEC)
        put_tenths(usec, MSEC, "ms", text);
    else if (usec < SEC)
        snprintf(text, USEC_TEXT_MAX, "%" PRIu64 " ms", usec / MSEC);
    else if (usec < MIN)
        put_tenths(usec, SEC, "s", text);
    else if (usec < HOUR)
        put_pair(usec, MIN, "min", SEC, "s", text);
    else if (usec < DAY)
        put_pair(usec, HOUR, "h", MIN, "min", text);
    else
        put_pair(usec, DAY, "d", HOUR, "h", text);
    return text;
}
