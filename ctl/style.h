/* How things look: colour, and the characters of bars. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum colour_choice { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* "auto", "always", "never". Returns 0 or -EINVAL. */
int style_parse_colour(const char *text, enum colour_choice *ret_choice);

/* Whether to write in colour: on a terminal that has any, and where NO_COLOR is not set. */
bool style_has_colour(enum colour_choice choice, FILE *stream);

/* Whether the locale's characters are UTF-8. */
bool style_is_utf8(void);

/* Not a terminal, or TERM=dumb: no picture can be drawn over another one. */
bool style_is_dumb(FILE *stream);

/* Columns of the terminal; without one those of $COLUMNS, else 0: not limited. */
unsigned style_width(FILE *stream);
