#include "cowherd/bytes_text.h"
#include <inttypes.h>
#include <stdio.h>

const char *bytes_text(uint64_t bytes, char text[static BYTES_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    while (unit < 4 && bytes >> (10 * (unit + 1)) > 0)
        unit++;
    uint64_t whole = bytes >> (10 * unit);
    /* Of a remainder below 2^40, so ten times it fits. */
    uint64_t tenths = ((bytes - (whole << (10 * unit))) * 10) >> (10 * unit);
    if (tenths > 0)
        snprintf(text, BYTES_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths, units[unit]);
    else
        snprintf(text, BYTES_TEXT_MAX, "%" PRIu64 " %s", whole, units[unit]);
    return text;
}
