/* What the oracle knows: shared by its parts, and by nobody else. */
#pragma once

#include "oracle.h"
#include "reference.h"

#define SHADOWS_MAX 32

/* What was promised of one snapshot at the last look before its rung was crossed. */
struct promise {
    bool holds;
    bool is_due;               /* the rung has been crossed */
    size_t rung;               /* RUNGS_MAX: it needs none */
    uint64_t bytes_per_second; /* up to that rate */
    uint64_t action_usec;      /* its action takes no longer */
    uint64_t late_usec;        /* a look comes no later */
    uint64_t made_usec;        /* 0: none is made */
};

/* From the last look at it to the next. */
struct pace {
    bool is_known;
    bool fills;
    bool has_moved;                             /* between the last two looks */
    uint64_t rung_usec;                         /* until the next rung of a height could be reached */
    enum action_kind action;                    /* of that */
    uint64_t half_usec;                         /* for rungs of time */
    uint64_t doubtful_usec, doubtful_half_usec; /* with those that may be armed */
    uint64_t late_usec, took_usec;              /* the most that was allowed for since */
    uint64_t noted_lessons;                     /* of the daemon's, when took_usec was asked for */
};

/* A snapshot as the daemon must know it. */
struct shadow {
    bool exists, seen;
    char uuid[16], name[8];
    dev_t device;
    uint64_t disk_sequence;
    struct group *group;
    size_t index; /* S or T */

    uint32_t fired, maybe_armed, expected, chosen; /* sets of its ladder's rungs */
    uint32_t alerts;                               /* in this look */
    uint32_t fired_centipercent[RUNGS_MAX];        /* where each has fired */
    uint64_t fired_sectors[RUNGS_MAX];             /* and at which size of the store */
    uint64_t chosen_usec[RUNGS_MAX]; /* awake: when each was last to be carried out; 0: not known */
    bool is_lost_told;
    bool has_level;
    bool is_fresh; /* looked at in this turn */
    struct level level;
    uint64_t level_usec; /* when it was seen */
    enum snapshot_state state;
    enum target_kind kind;

    uint64_t asked_usec;
    struct pace pace;
    bool has_rate;
    uint64_t moved_usec; /* of the last look that showed it fuller, without what the machine slept */
    uint64_t rate_usec, rate_used_bytes, peak_bytes_per_second;

    bool is_acting;       /* something is wanted of it, or being done */
    bool is_started;      /* its start was said */
    unsigned stretches;   /* children since the last action was done */
    uint64_t active_usec; /* when something was last heard of that */
    uint64_t decided_usec, wanted_usec, child_usec,
        stopped_usec; /* awake: the last rung to be carried out, the one whose start was said (0: not known), its first
                         child, when its store filled no more */
    uint64_t flight_usec,
        flight_sectors;  /* since when something is wanted, and its store's size then; 0: nothing */
    bool has_learned;    /* what that took */
    struct promise word; /* of this turn of the loop, the daemon's */
    struct promise promise;
};

/* What is known of a snapshot for as long as the history lasts. */
struct book {
    unsigned extend_alerts, growths, ends;
    uint64_t took_usec[ACTION_DROP + 1],
        learned_usec[ACTION_DROP + 1]; /* by its actions, the last; when, awake */
};

/* Attempts of one action on one snapshot. */
struct attempts {
    char uuid[16];
    char rung[INTENT_RUNG_MAX];
    unsigned failures;
    bool is_anew; /* its rung has been crossed once more: the next one needs no pause */
    uint64_t start_usec, failed_usec;
};

struct manager;

struct oracle {
    const struct history *history;
    struct shadow shadows[SHADOWS_MAX];
    struct book books[UUIDS_MAX];
    struct attempts attempts[SHADOWS_MAX];
    size_t config;      /* in force */
    size_t read_config; /* that is being taken */
    bool is_foreign_merge[GROUPS_MAX];
    uint64_t brake_failed_usec[GROUPS_MAX]; /* the last limit that could not be set */
    bool was_reloaded;                      /* in this life */
    uint64_t started_usec;
    const struct manager *manager;       /* the daemon's own data; NULL: it has not looked yet */
    uint64_t late_usec, late_slept_usec; /* the wake-up of this turn */
    bool late_counts;
    uint64_t turn_usec;        /* awake: this turn of the loop */
    uint64_t memory_lost_usec; /* awake: a write of what it has learned has failed */
    uint64_t lessons;          /* how often a daemon may have learned what actions take; from 1 */
    uint64_t calm_usec, calm_wake_ups;
    bool has_cause;
    bool has_looked;
    bool look_failed;
    uint64_t looked_usec;
    uint64_t idle_turns, looks_at_turn;
    char verdict[512];
};

extern struct oracle oracle;

const struct ladder_setup *oracle_ladder(const struct shadow *shadow);
struct shadow *oracle_find(const char *uuid);
struct book *oracle_book(const char *uuid);
const struct config_setup *oracle_config(void);
bool oracle_is_unreadable(const struct shadow *shadow); /* as far as the daemon has seen */

/* oracle_pace.c */
void pace_take(struct shadow *shadow);
void pace_judge_look(struct shadow *shadow, uint64_t now_usec);
void pace_take_asked(struct shadow *shadow);
void pace_judge_memory(const struct shadow *shadow);
void pace_forget_unwritten(void);
void pace_after_dispatch(void);
void pace_note_measured(void); /* behind whatever changes the pace */
void pace_before_sleep(uint64_t timer_usec);
uint64_t pace_took_usec(const struct shadow *shadow,
                        enum action_kind action); /* as far as the daemon knows */

/* oracle_promise.c */
void promise_allow_late(uint64_t late_usec);
void promise_make(struct shadow *shadow);
void promise_break(struct shadow *shadow);

/* oracle_brake.c */
void brake_before_sleep(void);
/* Whether what took the place of an action that has just ended may be begun in a moment. */
bool brake_successor_is_due(const struct group *group);

/* oracle_action.c */
void action_event(struct shadow *shadow, const struct event *event);
bool action_has_rung(const struct group *group, const struct intent *intent);
void action_begins_anew(const char *uuid, const char *rung);
