#include "printable.h"
#include <stdbool.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

void printable_print(const char *text, FILE *stream)
{
    while (*text) {
        mbstate_t state = {0};
        wchar_t character;
        size_t bytes = mbrtowc(&character, text, strlen(text), &state);
        bool is_character = bytes != (size_t)-1 && bytes != (size_t)-2;
        bool is_shown = is_character && iswprint((wint_t)character);
        for (size_t n = is_character ? bytes : 1; n > 0; n--, text++) {
            if (is_shown)
                fputc(*text, stream);
            else
                fprintf(stream, "\\x%02x", (unsigned char)*text);
        }
    }
}
