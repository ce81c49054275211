#include "bar.h"
#include <string.h>

#define EIGHTHS 8

/* How many of so many steps are filled. */
static unsigned filled_steps(double percent, unsigned steps)
{
    if (!(percent > 0))
        return 0;
    if (percent >= 100)
        return steps;
    unsigned filled = (unsigned)(percent * steps / 100);
    return filled == 0 ? 1 : filled;
}

static char *put(char *at, const char *character, unsigned times)
{
    for (; times > 0; times--)
        at = stpcpy(at, character);
    return at;
}

static void put_blocks(double percent, unsigned columns, char *text)
{
    static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned eighths = filled_steps(percent, columns * EIGHTHS);
    unsigned part = eighths % EIGHTHS;
    char *at = put(text, "▕", 1);
    at = put(at, "█", eighths / EIGHTHS);
    at = put(at, parts[part], 1);
    at = put(at, " ", columns - eighths / EIGHTHS - (part > 0));
    put(at, "▏", 1);
}

static void put_signs(double percent, unsigned columns, char *text)
{
    unsigned filled = filled_steps(percent, columns);
    char *at = put(text, "[", 1);
    at = put(at, "#", filled);
    at = put(at, " ", columns - filled);
    put(at, "]", 1);
}

const char *bar_text(double percent, unsigned columns, bool is_utf8, char text[static BAR_MAX])
{
    unsigned inner = (columns > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : columns) - 2;
    if (is_utf8)
        put_blocks(percent, inner, text);
    else
        put_signs(percent, inner, text);
    return text;
}
