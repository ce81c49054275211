/* The manager: the daemon's loop. Sources in (dm events, one timer, signals, children), decisions out.
 *
 * It holds no policy and no knowledge of device-mapper: it brings observations to the herd, findings to the journal,
 * crossed rungs to the errands, and the errands' plans to their children. It never blocks, but for a reload, which
 * reads its files in the loop.
 */
#pragma once

#include "cowherd/configuration.h"
#include "cowherd/journal.h"
#include <stdbool.h>

struct manager_options {
    const struct config_places *places;
    bool dry_run; /* --dry-run; the configuration may say so too */
};

/* Runs until SIGTERM or SIGINT. Takes over the configuration. Returns 0 or a negative errno. */
int manager_run(const struct manager_options *options, struct configuration *configuration,
                struct journal *journal);
