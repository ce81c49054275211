/* What several commands take alike: --color and the NAMEs of snapshots, each read by a child of the command's argp, which
 * gives it its input in ARGP_KEY_INIT. What is said of them in the help is the command's.
 */
#pragma once

#include <argp.h>
#include <stddef.h>

#define ARGUMENTS_NAME_HELP "NAME is a dm name, as it is or with \\xNN as it is printed, or a UUID"

struct argument_names {
    char **items; /* argv's */
    size_t n_items;
};

/* --color WHEN. Its input is an enum colour_choice (style.h). */
extern const struct argp arguments_colour;

/* Any number of NAMEs. Its input is a struct argument_names. */
extern const struct argp arguments_names;

/* One NAME, or none: a second is an error. Its input is a const char *. */
extern const struct argp arguments_name;
