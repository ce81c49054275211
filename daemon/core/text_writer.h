/* Text into a buffer of the caller's, piece by piece: what does not fit makes it full, and is left out. */
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
