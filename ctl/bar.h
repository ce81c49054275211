/* A bar of a number of columns: how much of a whole is filled. Pure.
 *
 * With UTF-8 in eighths of a column between thin walls, else in '#' between brackets. Rounded down, but something is
 * never shown as nothing, nor less than all as all.
 */
#pragma once

#include <stdbool.h>

#define BAR_COLUMNS_MAX 200
#define BAR_MAX         (4 * BAR_COLUMNS_MAX + 1)

/* columns: from 3 on, with the walls. */
const char *bar_text(double percent, unsigned columns, bool is_utf8, char text[static BAR_MAX]);
