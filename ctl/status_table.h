/* The table of cowctl status and watch: one line for each snapshot, fitted into the terminal's width. */
#pragma once

#include "accounts.h"
#include <stdio.h>

struct status_table_options {
    bool no_header;
    bool bytes; /* sizes as plain numbers of bytes */
    bool has_colour;
    bool is_utf8;
    unsigned width; /* 0: not limited, nothing is cut */
};

/* Returns 0 or a negative errno. */
int status_table_print(const struct accounts *accounts, const struct status_table_options *options,
                       FILE *stream);

/* A lost one is "Invalid", "Overflow" or "Merge failed". */
bool status_table_is_lost(const struct account *account);
