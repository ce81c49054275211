/* What outlives the daemon, in memory (storage.c); the functions of the daemon's own headers are there, too. */
#pragma once

#include "cowherd/intent.h"

void storage_clear(void);

/* Whether anything is recorded of a snapshot. */
bool storage_has(const char *uuid);

/* What is recorded of this very snapshot; NULL: nothing. */
const struct intent *storage_record(const struct intent *like);

/* Whether the daemon has gone while a child of it was writing down what actions took. */
bool storage_was_being_kept(void);
