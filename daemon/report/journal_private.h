/* Where the journal's thread puts its entries: apart from the module's header for its tests, which have no
 * journald and need one that is stuck.
 */
#pragma once

#include "cowherd/journal.h"
#include <stdbool.h>
#include <sys/uio.h>

struct journal_outlet {
    int (*send)(const struct iovec *fields, int n_fields); /* negative errno: not taken, a line is written */
    int line_fd;                                           /* -1: no lines at all */
    bool line_always; /* a line for every entry, not only for those that were not taken */
};

/* The outlet to the system's journal, with lines to fd: none if fd is closed or /dev/null; besides the
 * journal unless fd is what journal_stream (the value of JOURNAL_STREAM, or NULL) says. */
struct journal_outlet journal_outlet_for(int fd, const char *journal_stream);

/* journal_open() with another outlet. */
int journal_open_outlet(const char *program, const struct journal_outlet *outlet,
                        struct journal **ret_journal);
