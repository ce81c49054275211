/* The tally: what has happened since the daemon was started, counted from its events (event.h) for the metrics.
 *
 * Rungs and losses are counted by snapshot, by its name and UUID, and actions by kind. A snapshot's counts are kept for
 * TALLY_KEPT_USEC when it has gone, so that what happened to it last is still read; beyond TALLY_RECORDS_MAX the one counted
 * longest ago is forgotten. What there is no memory for is not counted.
 */
#pragma once

#include "cowherd/event.h"

#define TALLY_RECORDS_MAX 4096
#define TALLY_KEPT_USEC   UINT64_C(3600000000)
#define TALLY_ACTIONS     (ACTION_DROP + 1)

struct tally_record {
    char *snapshot;
    char *uuid;
    char *rung; /* as written; NULL: it was lost */
    uint64_t count;
    uint64_t counted; /* when, as a number of events */
    uint64_t gone_usec;
    bool is_gone;
};

struct tally_action {
    uint64_t done;
    uint64_t failed;
    uint64_t timed; /* of those done, and what they took together */
    uint64_t took_usec;
};

struct tally {
    struct tally_record *records;
    size_t n_records;
    struct tally_action actions[TALLY_ACTIONS]; /* by enum action_kind; alerts are not counted */
    uint64_t n_events;                          /* that were counted */
};

void tally_take(struct tally *tally, const struct event *event, uint64_t now_usec);

/* How often a rung was crossed, or, where rung is NULL, the snapshot was lost. */
uint64_t tally_count(const struct tally *tally, const char *snapshot, const char *uuid, const char *rung);

void tally_done(struct tally *tally);
