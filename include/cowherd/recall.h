/* Recalling what was under way when the daemon or the machine went down.
 *
 * Intents of this boot are gone on with at once. Those of an earlier boot wait until a complete look shows
 * their devices again (relocation.h), however late these are made; that they are not there is told once, and
 * their records are kept. To give one up, remove its file from the state directory and restart the daemon.
 */
#pragma once

#include "cowherd/errand.h"
#include "cowherd/relocation.h"

/* Whoever makes tables at boot has had time by then. */
#define RECALL_GRACE_USEC UINT64_C(20000000)

struct recalled {
    struct intent earlier;
    dev_t snapshot; /* it is there, but not all that it needs */
    bool told;
};

struct recall {
    struct recalled *items;
    size_t n_items;
    struct errands *errands;
    const char *boot_id;
    uint64_t tell_usec; /* what is not there by then is told */
};

/* Reads the records. May block on the disk: before the daemon is ready. */
void recall_read(struct recall *recall, uint64_t now_usec);

/* Looks for the devices of those that wait, after a complete look and before the herd's. */
void recall_look(struct recall *recall, const struct observation *seen, uint64_t now_usec);

/* When the next look for them is due, if none comes before; UINT64_MAX for never. */
uint64_t recall_next_usec(const struct recall *recall);

/* Whether one of them that had been begun is about this snapshot: then nothing else may be done with it. */
bool recall_waits_for(const struct recall *recall, dev_t snapshot);

void recall_done(struct recall *recall);
