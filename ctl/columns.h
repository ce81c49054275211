/* The columns of a table: which of them are shown, and how wide each is, in so much room. Pure, but for the locale's
 * characters.
 */
#pragma once

#include <stddef.h>

struct column_need {
    unsigned least;   /* columns of the terminal below which it is of no use */
    unsigned natural; /* with which nothing is cut */
    unsigned dropped; /* of those that can be, the one with the lowest number goes first; 0: never */
    unsigned grown;   /* the one with the lowest number gets what is left first */
};

/* One blank lies between two columns. ret_widths: 0 is not shown. width 0: not limited. */
void columns_fit(const struct column_need *needs, size_t n_needs, unsigned width, unsigned *ret_widths);

/* The columns that a text takes as libsmartcols prints it: what cannot be shown as \xNN. */
unsigned columns_of_text(const char *text);

/* The text, allocated, in so many columns at most; a mark stands for what is missing. NULL without memory. */
char *columns_cut(const char *text, unsigned width, const char *mark);
