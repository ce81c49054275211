/* A history: what happens to a machine, and how its daemon is configured, made of a seed alone.
 *
 * A history is a list of items, each at its time; any of them may be left out (shrinking does), and what is left is still
 * a history.
 */
#pragma once

#include "cowherd/policy.h"
#include "cowherd/status.h"
#include "random.h"

#define GROUPS_MAX  3
#define CONFIGS_MAX 3
#define RUNGS_MAX   6
#define ITEMS_MAX   600
#define TEXT_BYTES  4096

/* One origin, with the snapshots over it. */
struct group_setup {
    bool is_live;
    bool has_sibling;
    bool is_linear; /* the store is a dm device; else a loop device */
    enum store_type store_type;
    uint32_t chunk_sectors;
    uint64_t origin_sectors;
    uint64_t store_sectors;
    uint64_t sibling_sectors;
    uint32_t write_bytes;      /* of one write */
    unsigned writer_cpus;      /* that its writers run on in turn */
    unsigned writes_per_chunk; /* to the store: the data, and what there is of metadata */
    bool rewrites;             /* live: it goes on where every chunk is copied already */
    uint64_t merge_bytes_per_second;
};

struct rung_setup {
    enum condition_kind condition;
    uint64_t value;          /* as in struct condition */
    enum action_kind action; /* ACTION_ALERT: nothing else */
    uint64_t amount;         /* extend: hundredths of a percent */
    char text[64];           /* as written */
};

struct ladder_setup {
    struct rung_setup rungs[RUNGS_MAX];
    size_t n_rungs;
    bool drop_open;
};

struct config_setup {
    bool brake;
    bool dry_run;
    struct ladder_setup ladders[GROUPS_MAX];
    char text[TEXT_BYTES];
};

enum item_kind {
    ITEM_WRITE,   /* a: bytes per second from now on */
    ITEM_UNMOUNT, /* and nobody writes */
    ITEM_OPEN,    /* the snapshot is opened by a reader */
    ITEM_CLOSE,
    ITEM_CREATE, /* everything anew where something is missing: same names and numbers, other UUIDs */
    ITEM_REMOVE, /* the snapshots, by their administrator */
    ITEM_MERGE,  /* a live merge, begun by somebody else */
    ITEM_IO_ERROR,
    ITEM_RELOAD,        /* a: which configuration; b: with an error in it */
    ITEM_CRASH,         /* kill -9; a: down for so long */
    ITEM_CRASH_AT_CALL, /* a: with that call of a child to come; b: down for so long */
    ITEM_STOP,          /* SIGTERM; a: down for so long */
    ITEM_SLEEP,         /* the machine, for a */
    ITEM_LATE,          /* the loop is woken too late by a */
    ITEM_FAIL,          /* a: that call of a child to come; b: negative errno */
    ITEM_HANG,          /* a: that call; b: for so long */
    ITEM_BLIND,         /* the daemon's next a looks fail */
    ITEM_UNREADABLE,    /* the snapshot's lookup fails from now on, or no longer (a) */
    ITEM_NO_SPACE,      /* extensions fail from now on, or no longer (a) */
    ITEM_DISK_FULL,     /* intents cannot be stored, or can again (a) */
    ITEM_CPU,           /* one comes or goes */
    ITEM_REPLACE, /* a: with that call of an acting child to come its devices become others of the same names */
};

struct item {
    uint64_t at_usec;
    enum item_kind kind;
    unsigned group;
    uint64_t a, b;
};

struct history {
    uint64_t seed;
    uint64_t length_usec;
    uint64_t looks_max; /* it ends earlier where the daemon has looked so often */
    uint64_t longest_usec, shortest_usec, assumed_bytes_per_second;
    uint32_t hysteresis_centipercent;
    uint64_t late_usec; /* a wake-up is late by up to so much */
    uint64_t call_usec; /* a call of a child takes up to so much */
    bool is_tight;      /* stores that fill in seconds, at a rate just below the assumed one */
    bool releases_fail; /* every second one: writers who are held cannot be let go at once */
    unsigned n_cpus;    /* that count writes; 0: there are no counters */
    struct group_setup groups[GROUPS_MAX];
    size_t n_groups;
    struct config_setup configs[CONFIGS_MAX];
    size_t n_configs;
    struct item items[ITEMS_MAX];
    bool left_out[ITEMS_MAX];
    size_t n_items;
};

void history_make(uint64_t seed, struct history *ret_history);

const char *item_kind_name(enum item_kind kind);
