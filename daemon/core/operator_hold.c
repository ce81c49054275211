#include "cowherd/operator_hold.h"
#include "text_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_of(const struct operator_hold *hold, struct held_device device)
{
    if (strcmp(hold->uuid, device.uuid) != 0)
        return false;
    if (hold->disk_sequence && device.disk_sequence) /* says it all: it may be renamed */
        return hold->disk_sequence == device.disk_sequence;
    return strcmp(hold->name, device.name) == 0;
}

struct operator_hold *operator_holds_find(const struct operator_holds *holds, struct held_device device)
{
    for (size_t i = 0; i < holds->n_items; i++)
        if (is_of(&holds->items[i], device))
            return &holds->items[i];
    return NULL;
}

static struct operator_hold *add(struct operator_holds *holds)
{
    struct operator_hold *items = reallocarray(holds->items, holds->n_items + 1, sizeof(*items));
    if (!items)
        return NULL;
    holds->items = items;
    items[holds->n_items] = (struct operator_hold){0};
    return &items[holds->n_items++];
}

int operator_holds_set(struct operator_holds *holds, struct held_device device, uint64_t until_usec,
                       const char *reason)
{
    struct operator_hold *hold = operator_holds_find(holds, device);
    if (!hold && !(hold = add(holds)))
        return -ENOMEM;
    snprintf(hold->name, sizeof(hold->name), "%s", device.name);
    snprintf(hold->uuid, sizeof(hold->uuid), "%s", device.uuid);
    snprintf(hold->reason, sizeof(hold->reason), "%s", reason);
    hold->disk_sequence = device.disk_sequence;
    hold->until_usec = until_usec;
    return 0;
}

void operator_holds_remove(struct operator_holds *holds, struct operator_hold *hold)
{
    *hold = holds->items[--holds->n_items];
}

uint64_t operator_holds_next_usec(const struct operator_holds *holds)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < holds->n_items; i++)
        if (holds->items[i].until_usec < next)
            next = holds->items[i].until_usec;
    return next;
}

/* Tabs are between the values: in them they are escaped. */
int operator_holds_format(const struct operator_holds *holds, const char *boot_id, char *text, size_t size)
{
    struct text_writer writer = {.text = text, .size = size};
    text_writer_put(&writer, "boot %s\n", boot_id);
    for (size_t i = 0; i < holds->n_items; i++) {
        const struct operator_hold *hold = &holds->items[i];
        text_writer_put(&writer, "%" PRIu64 "\t%" PRIu64 "\t", hold->until_usec, hold->disk_sequence);
        text_writer_put_escaped(&writer, hold->name);
        text_writer_put(&writer, "\t");
        text_writer_put_escaped(&writer, hold->uuid);
        text_writer_put(&writer, "\t");
        text_writer_put_escaped(&writer, hold->reason);
        text_writer_put(&writer, "\n");
    }
    text_writer_put(&writer, "end\n");
    return writer.full ? -ENOBUFS : (int)writer.length;
}

/* The value up to that byte; *text is behind it then. */
static int get_text(const char **text, char separator, char *field, size_t size)
{
    size_t length = strcspn(*text, "\t\n");
    if ((*text)[length] != separator)
        return -EBADMSG;
    int r = text_unescape(*text, length, field, size);
    *text += length + 1;
    return r;
}

static int get_number(const char **text, uint64_t *ret_number)
{
    char digits[24], *end;
    int r = get_text(text, '\t', digits, sizeof(digits));
    if (r < 0)
        return r;
    if (digits[0] < '0' || digits[0] > '9')
        return -EBADMSG;
    errno = 0;
    uint64_t number = strtoull(digits, &end, 10);
    if (errno || *end)
        return -EBADMSG;
    *ret_number = number;
    return 0;
}

static int parse_line(const char **text, struct operator_hold *hold)
{
    int r;
    if ((r = get_number(text, &hold->until_usec)) < 0 || (r = get_number(text, &hold->disk_sequence)) < 0 ||
        (r = get_text(text, '\t', hold->name, sizeof(hold->name))) < 0 ||
        (r = get_text(text, '\t', hold->uuid, sizeof(hold->uuid))) < 0)
        return r;
    return get_text(text, '\n', hold->reason, sizeof(hold->reason));
}

int operator_holds_parse(const char *text, const char *boot_id, struct operator_holds *ret_holds)
{
    struct operator_holds holds = {0};
    char boot[BOOT_ID_BYTES];
    int r = -EBADMSG;
    if (strncmp(text, "boot ", 5) != 0)
        return r;
    text += 5;
    for (r = get_text(&text, '\n', boot, sizeof(boot)); r == 0 && strcmp(text, "end\n") != 0;) {
        struct operator_hold *hold = add(&holds);
        r = hold ? parse_line(&text, hold) : -ENOMEM;
    }
    if (r < 0 || strcmp(boot, boot_id) != 0)
        operator_holds_done(&holds);
    if (r == 0)
        *ret_holds = holds;
    return r;
}

void operator_holds_done(struct operator_holds *holds)
{
    free(holds->items);
    *holds = (struct operator_holds){0};
}
