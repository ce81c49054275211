/* The contract once more, in other words than the daemon's: what a rung is, when it fires, when to look next, what is
 * in time. The oracle holds the daemon against it.
 */
#pragma once

#include "history.h"

/* One look at one store. Bytes and chunks as FACTS 1 has them. */
struct level {
    uint64_t used_sectors, total_sectors;
    uint64_t chunks_left, bytes_left;
};

struct level reference_level(uint32_t chunk_sectors, uint64_t used_sectors, uint64_t total_sectors);

/* For rungs with a height; one of time never crosses here. */
bool reference_is_crossed(const struct rung_setup *rung, const struct level *level);
bool reference_rearms(const struct rung_setup *rung, uint32_t hysteresis_centipercent,
                      const struct level *level);

/* What may still be filled before the rung is crossed; UINT64_MAX for a rung of time. */
uint64_t reference_bytes_to(const struct rung_setup *rung, const struct level *level);

uint64_t reference_fill_usec(uint64_t bytes, uint64_t bytes_per_second);
