/* The last entries of the journal, as they come. */
#pragma once

#include "failure.h"
#include "log_entry.h"
#include <stddef.h>

#define RECENT_MAX 50 /* more lines no screen has left */

struct recent {
    sd_journal *journal;    /* NULL: it cannot be read */
    struct failure failure; /* why not */
    struct log_entry entries[RECENT_MAX];
    size_t n_entries;
};

/* Reads the last ones. Without a journal that can be read it stays empty. */
void recent_open(struct recent *recent);

/* Takes in what has come since. Returns whether anything has. */
bool recent_update(struct recent *recent);

void recent_close(struct recent *recent);
