/* What the daemon has said, out of the journal: all of it, or what is about one snapshot.
 */
#pragma once

#include "failure.h"
#include <stdint.h>
#include <systemd/sd-journal.h>

/* name: a dm name, raw or escaped, or a UUID; NULL: all. EX_NOPERM where the system's journal may not be read. */
int log_reader_open(const char *name, sd_journal **ret_journal, struct failure *ret_failure);

/* Puts it before the first entry since that time (0: of all), of which it shows the last n_max (0: all). Returns 0 or a
 * negative errno; sd_journal_next() then goes from one to the next. */
int log_reader_seek(sd_journal *journal, uint64_t since_usec, uint64_t n_max);
