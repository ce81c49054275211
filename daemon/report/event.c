#include "cowherd/event.h"
#include "cowherd/bytes_text.h"
#include "cowherd/fill_rate.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define USEC_PER_MSEC  UINT64_C(1000)
#define USEC_PER_SEC   UINT64_C(1000000)
#define NAME_BYTES_MAX 127 /* of a dm name, as in the kernel's dm-ioctl.h */

static const struct {
    const char *name;
    const char *message_id;
} kinds[EVENT_KINDS] = {
    [EVENT_FOUND] = {"found", "29535dd4c2074f75aafaf61ceecf0c00"},
    [EVENT_GONE] = {"gone", "967e4f6de5984b1b9894774d06f3d9ae"},
    [EVENT_RUNG] = {"rung", "051aac6565a74f40a5894d434d34d58f"},
    [EVENT_ACTION_START] = {"action-start", "f3d1bd23e4514d1298ea306a305c7368"},
    [EVENT_ACTION_DONE] = {"action-done", "2c2df1b5fb8a4fa9a96d2371855e3833"},
    [EVENT_ACTION_FAILED] = {"action-failed", "2b5da71ba7614ea1a852d77b515b3794"},
    [EVENT_DEFERRED] = {"deferred", "11f3973934694c06add0731f678d281f"},
    [EVENT_LOST] = {"lost", "5fff42fc63694feca9d6f39da6d6e597"},
    [EVENT_BRAKE] = {"brake", "6d76d68cdc9a486bb9fb64fd50daeebe"},
    [EVENT_CONFIG] = {"config", "01924c400d4a4bc9aa7db2a1606618e1"},
};

const char *event_kind_name(enum event_kind kind)
{
    return kinds[kind].name;
}

const char *event_kind_message_id(enum event_kind kind)
{
    return kinds[kind].message_id;
}

int event_priority(enum alert_level level)
{
    switch (level) {
    case ALERT_NOTICE:
        return LOG_NOTICE;
    case ALERT_WARNING:
        return LOG_WARNING;
    case ALERT_CRITICAL:
        return LOG_CRIT;
    }
    return LOG_CRIT;
}

const char *event_text_percent(const struct sample *sample, char text[static EVENT_TEXT_MAX])
{
    uint32_t centipercent = sample_used_centipercent(sample);

    snprintf(text, EVENT_TEXT_MAX, "%" PRIu32 ".%02" PRIu32, centipercent / 100, centipercent % 100);
    return text;
}

const char *event_text_bytes(uint64_t bytes, char text[static EVENT_TEXT_MAX])
{
    return bytes_text(bytes, text);
}

/* A second at least. */
static void text_seconds(uint64_t seconds, char text[static EVENT_TEXT_MAX])
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    unsigned unit = 0;

    while (seconds < units[unit].seconds)
        unit++;
    int n = snprintf(text, EVENT_TEXT_MAX, "%" PRIu64 " %s", seconds / units[unit].seconds, units[unit].name);
    uint64_t rest = seconds % units[unit].seconds;
    if (unit < 3 && rest >= units[unit + 1].seconds)
        snprintf(text + n, EVENT_TEXT_MAX - (size_t)n, " %" PRIu64 " %s", rest / units[unit + 1].seconds,
                 units[unit + 1].name);
}

const char *event_text_time(uint64_t usec, char text[static EVENT_TEXT_MAX])
{
    if (usec == TIME_UNKNOWN_USEC)
        snprintf(text, EVENT_TEXT_MAX, "ever");
    else if (usec < USEC_PER_SEC)
        snprintf(text, EVENT_TEXT_MAX, "%" PRIu64 " ms", usec / USEC_PER_MSEC);
    else
        text_seconds(usec / USEC_PER_SEC, text);
    return text;
}

/* Length of a UTF-8 sequence by its first byte; 0 for one that starts none. */
static size_t sequence_length(unsigned char first)
{
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

size_t event_text_character(const char *text, size_t size)
{
    /* Below these a sequence is longer than it need be; of two bytes also a control character (C1). */
    static const uint32_t smallest[] = {[2] = 0xa0, [3] = 0x800, [4] = 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;

    if (size == 0)
        return 0;
    if (bytes[0] < 0x80)
        return bytes[0] >= ' ' && bytes[0] != 0x7f;

    size_t length = sequence_length(bytes[0]);
    if (length == 0 || length > size)
        return 0;
    uint32_t code = bytes[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3fU);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < smallest[length] || code > 0x10ffff || surrogate ? 0 : length;
}

size_t event_text_cut(const char *text, size_t bytes_max)
{
    size_t length = strnlen(text, bytes_max);

    if (text[length] == '\0' || length == 0)
        return length;
    /* Where the cut falls into a character, before that; bytes that are no UTF-8 may be cut anywhere. */
    for (size_t back = 1; back <= 3 && back <= length; back++)
        if (sequence_length((unsigned char)text[length - back]) > back)
            return length - back;
    return length;
}

const char *event_text_name(const char *name, char text[static EVENT_NAME_MAX])
{
    size_t length = event_text_cut(name, NAME_BYTES_MAX), at = 0;

    for (size_t i = 0; i < length;) {
        size_t bytes = event_text_character(name + i, length - i);
        if (bytes == 0 || name[i] == '\\') {
            at += (size_t)snprintf(text + at, EVENT_NAME_MAX - at, "\\x%02x", (unsigned char)name[i]);
            i++;
        } else {
            memcpy(text + at, name + i, bytes);
            at += bytes;
            i += bytes;
        }
    }
    text[at] = '\0';
    return text;
}
