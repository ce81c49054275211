#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Control bytes would let a configuration write to the terminal of whoever checks it. */
static void make_printable(char *text)
{
    for (; *text; text++) {
        if (*text == '\t')
            *text = ' ';
        else if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* Where a message of that line belongs: behind the last one of the same file that is not about a later
 * line. */
static size_t find_place(const struct config_messages *messages, const char *file, unsigned line)
{
    size_t i = messages->n_items;

    while (i > 0 && messages->items[i - 1].line > line && strcmp(messages->items[i - 1].file, file) == 0)
        i--;
    return i;
}

static int make_room(struct config_messages *messages)
{
    struct config_message *items;

    /* Doubled whenever a power of two is full: noise may bring a message a line. */
    if ((messages->n_items & (messages->n_items - 1)) != 0)
        return 0;
    items = reallocarray(messages->items, messages->n_items ? messages->n_items * 2 : 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    messages->items = items;
    return 0;
}

/* Takes over the message's text. */
static int insert(struct config_messages *messages, struct config_message *message, const char *file)
{
    size_t place;

    make_printable(message->text);
    message->file = strdup(file);
    if (!message->file || make_room(messages) < 0) {
        free(message->file);
        free(message->text);
        return -ENOMEM;
    }
    place = find_place(messages, file, message->line);
    memmove(&messages->items[place + 1], &messages->items[place],
            (messages->n_items - place) * sizeof(messages->items[0]));
    messages->items[place] = *message;
    messages->n_items++;
    if (!message->is_warning)
        messages->n_errors++;
    return 0;
}

int config_error(struct config_messages *messages, const char *file, unsigned line, const char *format, ...)
{
    struct config_message message = {.line = line};
    va_list arguments;
    int r;

    va_start(arguments, format);
    r = vasprintf(&message.text, format, arguments);
    va_end(arguments);
    if (r < 0)
        return -ENOMEM;
    return insert(messages, &message, file);
}

int config_warning(struct config_messages *messages, const char *file, unsigned line, const char *format, ...)
{
    struct config_message message = {.line = line, .is_warning = true};
    va_list arguments;
    int r;

    va_start(arguments, format);
    r = vasprintf(&message.text, format, arguments);
    va_end(arguments);
    if (r < 0)
        return -ENOMEM;
    return insert(messages, &message, file);
}

void config_messages_done(struct config_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++) {
        free(messages->items[i].file);
        free(messages->items[i].text);
    }
    free(messages->items);
    *messages = (struct config_messages){0};
}
