/* What cowctl watch shows: the table, a bar for each merge, and the last words of the journal. */
#pragma once

#include "accounts.h"
#include "recent.h"
#include "status_table.h"

struct picture {
    const struct accounts *accounts; /* NULL: not known, for the reason in failure */
    const struct failure *failure;
    const struct recent *recent;
    struct status_table_options table;
    unsigned lines; /* of the screen; 0: not limited, and neither date nor journal */
    uint64_t now_usec;
};

/* Draws it as text, allocated; NULL without memory. */
char *picture_draw(const struct picture *picture);
