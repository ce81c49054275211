#include "columns.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#define ESCAPE_COLUMNS 4 /* \xNN */

/* Nearly all there is: a table of a thousand snapshots took a third longer without this. */
static bool is_plain(char byte)
{
    return byte >= ' ' && byte <= '~' && byte != '\\';
}

static unsigned taken(const unsigned *widths, size_t n)
{
    unsigned total = 0;
    for (size_t i = 0; i < n; i++)
        total += widths[i] ? widths[i] + 1 : 0;
    return total ? total - 1 : 0;
}

/* The shown column with the lowest number that is not 0; n where there is none. */
static size_t first_to_drop(const struct column_need *needs, size_t n, const unsigned *widths)
{
    size_t first = n;
    for (size_t i = 0; i < n; i++)
        if (widths[i] && needs[i].dropped && (first == n || needs[i].dropped < needs[first].dropped))
            first = i;
    return first;
}

static void drop(const struct column_need *needs, size_t n, unsigned width, unsigned *widths)
{
    size_t i;
    while (taken(widths, n) > width && (i = first_to_drop(needs, n, widths)) < n)
        widths[i] = 0;
}

static size_t first_to_grow(const struct column_need *needs, size_t n, const unsigned *widths)
{
    size_t first = n;
    for (size_t i = 0; i < n; i++)
        if (widths[i] && widths[i] < needs[i].natural && (first == n || needs[i].grown < needs[first].grown))
            first = i;
    return first;
}

static void grow(const struct column_need *needs, size_t n, unsigned width, unsigned *widths)
{
    size_t i;
    while (taken(widths, n) < width && (i = first_to_grow(needs, n, widths)) < n) {
        unsigned more = needs[i].natural - widths[i], room = width - taken(widths, n);
        widths[i] += more < room ? more : room;
    }
}

void columns_fit(const struct column_need *needs, size_t n_needs, unsigned width, unsigned *ret_widths)
{
    for (size_t i = 0; i < n_needs; i++)
        ret_widths[i] = width ? needs[i].least : needs[i].natural;
    if (!width)
        return;
    drop(needs, n_needs, width, ret_widths);
    grow(needs, n_needs, width, ret_widths);
}

/* The character that text begins with, as libsmartcols prints it: its columns, and its bytes in the text. */
static unsigned take_character(const char *text, size_t *ret_bytes)
{
    mbstate_t state = {0};
    wchar_t character;
    if (is_plain(text[0])) {
        *ret_bytes = 1;
        return 1;
    }
    size_t bytes = mbrtowc(&character, text, strlen(text), &state);
    if (bytes == (size_t)-1 || bytes == (size_t)-2) {
        *ret_bytes = 1;
        return ESCAPE_COLUMNS;
    }
    *ret_bytes = bytes;
    if (!iswprint((wint_t)character) || (text[0] == '\\' && text[1] == 'x'))
        return (unsigned)bytes * ESCAPE_COLUMNS;
    int columns = wcwidth(character);
    return columns > 0 ? (unsigned)columns : 0;
}

unsigned columns_of_text(const char *text)
{
    unsigned columns = 0;
    size_t bytes;
    for (; *text; text += bytes)
        columns += take_character(text, &bytes);
    return columns;
}

/* The bytes of as much of the text as fits; *ret_is_all: whether that is all of it. */
static size_t fitting(const char *text, unsigned width, bool *ret_is_all)
{
    unsigned columns = 0;
    size_t bytes, at = 0;
    for (; text[at]; at += bytes) {
        columns += take_character(text + at, &bytes);
        if (columns > width)
            break;
    }
    *ret_is_all = text[at] == '\0';
    return at;
}

char *columns_cut(const char *text, unsigned width, const char *mark)
{
    unsigned mark_columns = columns_of_text(mark);
    bool is_all;
    char *cut;
    size_t length = fitting(text, width, &is_all);
    if (is_all)
        return strdup(text);
    length = fitting(text, width > mark_columns ? width - mark_columns : 0, &is_all);
    return asprintf(&cut, "%.*s%s", (int)length, text, width > mark_columns ? mark : "") < 0 ? NULL : cut;
}
