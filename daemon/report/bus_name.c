#include "bus_name.h"
#include "cowherd/event.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *bus_path_of(const char *name, uint64_t start_sectors)
{
    char text[4 * 128], *path = NULL;
    if (start_sectors)
        snprintf(text, sizeof(text), "%s@%" PRIu64, name, start_sectors);
    int r = sd_bus_path_encode(BUS_SNAPSHOTS, start_sectors ? text : name, &path);
    return r < 0 ? NULL : path;
}

/* Bytes of the character that it starts with, also of one that nobody can see; 0: it is none. */
static size_t character(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80)
        return 1;
    if (bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0)
        return 2;
    return event_text_character(text, strnlen(text, 4));
}

const char *bus_utf8(const char *text, char **ret_copy)
{
    const char *at = text;
    *ret_copy = NULL;
    while (*at && character(at))
        at += character(at);
    if (!*at)
        return text;
    char *copy = malloc(4 * strlen(text) + 1), *end = copy;
    if (!copy)
        return NULL;
    for (at = text; *at;) {
        size_t bytes = character(at);
        if (bytes)
            end = mempcpy(end, at, bytes);
        else
            end += sprintf(end, "\\x%02x", (unsigned char)*at);
        at += bytes ? bytes : 1;
    }
    *end = '\0';
    return *ret_copy = copy;
}

int bus_append_text(sd_bus_message *message, const char *text)
{
    char *copy = NULL;
    const char *utf8 = bus_utf8(text ? text : "", &copy);
    int r = utf8 ? sd_bus_message_append_basic(message, 's', utf8) : -ENOMEM;
    free(copy);
    return r;
}
