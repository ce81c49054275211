#include "style.h"
#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MAX 1000 /* nobody reads a longer line */

int style_parse_colour(const char *text, enum colour_choice *ret_choice)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (int i = COLOUR_AUTO; i <= COLOUR_NEVER; i++)
        if (strcmp(names[i], text) == 0) {
            *ret_choice = (enum colour_choice)i;
            return 0;
        }
    return -EINVAL;
}

bool style_is_dumb(FILE *stream)
{
    const char *terminal = getenv("TERM");
    return !isatty(fileno(stream)) || !terminal || strcmp(terminal, "dumb") == 0;
}

bool style_has_colour(enum colour_choice choice, FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    if (choice != COLOUR_AUTO)
        return choice == COLOUR_ALWAYS;
    return !(no_colour && no_colour[0]) && !style_is_dumb(stream);
}

bool style_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

unsigned style_width(FILE *stream)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;
    return width > WIDTH_MAX ? WIDTH_MAX : (unsigned)width;
}
