#include "json.h"
#include "names.h"
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

static void put_byte(FILE *stream, char byte)
{
    unsigned char value = (unsigned char)byte;
    if (byte == '"' || byte == '\\')
        fprintf(stream, "\\%c", byte);
    else if (byte == '\n')
        fputs("\\n", stream);
    else if (byte == '\t')
        fputs("\\t", stream);
    else if (value < ' ' || value == 0x7f)
        fprintf(stream, "\\u%04x", value);
    else
        fputc(byte, stream);
}

void json_put_text(FILE *stream, const char *text)
{
    if (!text) {
        fputs("null", stream);
        return;
    }
    fputc('"', stream);
    while (*text) {
        size_t length = names_utf8_length(text);
        if (length == 0)
            fprintf(stream, "\\\\x%02x", (unsigned char)*text++);
        for (; length > 0; length--)
            put_byte(stream, *text++);
    }
    fputc('"', stream);
}

void json_put_real(FILE *stream, double number, unsigned decimals)
{
    double scale = pow(10, decimals);
    if (!isfinite(number))
        fputs("null", stream);
    else
        fprintf(stream, "%.*f", (int)decimals, floor(number * scale + 1e-6) / scale);
}

void json_put_number(FILE *stream, uint64_t number)
{
    fprintf(stream, "%" PRIu64, number);
}
