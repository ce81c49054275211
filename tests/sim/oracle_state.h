/* What the oracle knows: shared by its parts, and by nobody else. */
#pragma once

#include "oracle.h"
#include "reference.h"

#define SHADOWS_MAX 32

/* What was promised of one snapshot at the last look before its rung was crossed. */
struct promise {
    bool holds;
    bool is_due; /* the rung has been crossed */
    size_t rung;
    uint64_t bytes_per_second; /* up to that rate */
    uint64_t made_usec;
};

/* A snapshot as the daemon must know it. */
struct shadow {
    bool exists, seen;
    char uuid[16];
    dev_t device;
    uint64_t disk_sequence;
    struct group *group;
    size_t index; /* S or T */

    uint32_t fired, maybe_armed, expected, chosen; /* sets of its ladder's rungs */
    uint32_t alerts;                               /* in this look */
    bool is_lost_told;
    bool has_level;
    bool is_fresh; /* looked at in this turn */
    struct level level;
    enum snapshot_state state;
    enum target_kind kind;

    uint64_t asked_usec;
    uint64_t latest_usec, soonest_usec; /* from asked_usec: when the next look must, and may, be */
    bool has_rate;
    uint64_t rate_usec, rate_used_bytes, peak_bytes_per_second;

    bool is_acting;     /* something is wanted of it, or being done */
    bool is_started;    /* its start was said */
    unsigned stretches; /* children since the last action was done */
    uint64_t start_usec, extend_took_usec;
    uint64_t active_usec; /* when something was last heard of that */
    struct promise promise;
};

/* What is known of a snapshot for as long as the history lasts. */
struct book {
    unsigned extend_alerts, growths, ends;
};

/* Attempts of one action on one snapshot. */
struct attempts {
    char uuid[16];
    char rung[INTENT_RUNG_MAX];
    unsigned failures;
    bool is_anew; /* its rung has been crossed once more: the next one needs no pause */
    uint64_t start_usec, failed_usec;
};

struct oracle {
    const struct history *history;
    struct shadow shadows[SHADOWS_MAX];
    struct book books[UUIDS_MAX];
    struct attempts attempts[SHADOWS_MAX];
    size_t config;      /* in force */
    size_t read_config; /* that is being taken */
    bool is_foreign_merge[GROUPS_MAX];
    bool was_reloaded; /* in this life */
    uint64_t started_usec;
    uint64_t longest_action_usec, longest_late_usec;
    bool has_cause;
    bool has_looked;
    bool look_failed;
    uint64_t looked_usec;
    uint64_t sequence_at_child_look;
    uint64_t idle_wake_ups, looks_at_wake_up;
    char verdict[512];
};

extern struct oracle oracle;

const struct ladder_setup *oracle_ladder(const struct shadow *shadow);
struct shadow *oracle_find(const char *uuid);
struct book *oracle_book(const char *uuid);
const struct config_setup *oracle_config(void);

/* oracle_promise.c */
void promise_make(struct shadow *shadow);
void promise_break(struct shadow *shadow);

/* oracle_action.c */
void action_event(struct shadow *shadow, const struct event *event);
void action_before_sleep(void);
void action_begins_anew(const char *uuid, const char *rung);
