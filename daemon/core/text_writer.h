/* Text into a buffer of the caller's, piece by piece: what does not fit makes it full, and is left out.
 *
 * Names are any bytes: escaped, what could break a line, and the escape itself, is \xNN.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text_writer {
    char *text;
    size_t size;
    size_t length;
    bool full;
};

__attribute__((format(printf, 2, 3))) void text_writer_put(struct text_writer *writer, const char *format,
                                                           ...);

void text_writer_put_escaped(struct text_writer *writer, const char *value);

/* The value that was escaped in length bytes of text, into a field of that size. Returns 0 or -EBADMSG. */
int text_unescape(const char *text, size_t length, char *field, size_t size);
