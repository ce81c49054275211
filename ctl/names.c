#include "names.h"
#include "cowherd/event.h"
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int hex_digit(char character)
{
    if (isdigit((unsigned char)character))
        return character - '0';
    return tolower((unsigned char)character) - 'a' + 10;
}

static bool is_escape(const char *text)
{
    return text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char)text[2]) &&
           isxdigit((unsigned char)text[3]);
}

const char *names_unescape(const char *text, char bytes[static NAMES_TEXT_MAX])
{
    size_t n = 0;
    while (*text && n < NAMES_TEXT_MAX - 1) {
        if (is_escape(text)) {
            bytes[n++] = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
            text += 4;
        } else {
            bytes[n++] = *text++;
        }
    }
    bytes[n] = '\0';
    return bytes;
}

size_t names_utf8_length(const char *text)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
    if (first < 0x80)
        return 1;
    if (first == 0xc2 && second >= 0x80 && second < 0xa0)
        return 2;
    return event_text_character(text, strnlen(text, 4));
}

const char *names_utf8(const char *name, char text[static NAMES_TEXT_MAX])
{
    size_t n = 0;
    while (*name && n + 4 < NAMES_TEXT_MAX) {
        size_t length = names_utf8_length(name);
        if (length == 0) {
            n += (size_t)snprintf(text + n, NAMES_TEXT_MAX - n, "\\x%02x", (unsigned char)*name++);
            continue;
        }
        memcpy(text + n, name, length);
        n += length;
        name += length;
    }
    text[n] = '\0';
    return text;
}

const char *names_argument(const char *name, char text[static NAMES_TEXT_MAX])
{
    return strcmp(names_utf8(name, text), name) == 0 ? text : event_text_name(name, text);
}

bool names_is(const char *pattern, const struct account *account)
{
    char bytes[NAMES_TEXT_MAX];
    return strcmp(pattern, account->name) == 0 || (account->uuid && strcmp(pattern, account->uuid) == 0) ||
           strcmp(names_unescape(pattern, bytes), account->name) == 0;
}

bool names_match(const char *pattern, const struct account *account)
{
    return names_is(pattern, account) || fnmatch(pattern, account->name, 0) == 0;
}

void names_refuse_glob(const char *name, struct failure *failure)
{
    size_t length = strlen(failure->sentence);
    if (failure->code == EX_NOINPUT && strpbrk(name, "*?["))
        snprintf(failure->sentence + length, sizeof(failure->sentence) - length,
                 " This command takes one name, no glob.");
}
