#include "text_writer.h"
#include <errno.h>
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

void text_writer_put_escaped(struct text_writer *writer, const char *value)
{
    for (const unsigned char *byte = (const unsigned char *)value; *byte && !writer->full; byte++)
        if (*byte < 0x20 || *byte == 0x7f || *byte == '\\')
            text_writer_put(writer, "\\x%02x", *byte);
        else
            text_writer_put(writer, "%c", *byte);
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

int text_unescape(const char *text, size_t length, char *field, size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '\\') {
            if (i + 3 >= length || text[i + 1] != 'x')
                return -EBADMSG;
            int high = hex_digit(text[i + 2]), low = hex_digit(text[i + 3]);
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return -EBADMSG;
            byte = (char)(high * 16 + low);
            i += 3;
        }
        if (out + 1 >= size)
            return -EBADMSG;
        field[out++] = byte;
    }
    field[out] = '\0';
    return 0;
}
