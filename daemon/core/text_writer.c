#include "text_writer.h"
#include <stdarg.h>
#include <stdio.h>

void text_writer_put(struct text_writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = writer->size - writer->length;
    int n = vsnprintf(writer->text + writer->length, room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= room)
        writer->full = true;
    else
        writer->length += (size_t)n;
}
