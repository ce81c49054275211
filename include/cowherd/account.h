/* The account of a snapshot: everything that is known of it at one moment, as plain data that owns its texts.
 *
 * The daemon gives it of its members (daemon/accounts.h), cowctl of what it reads from the kernel itself where no daemon
 * runs. It is carried over D-Bus (org.cowherd.Herd1.Snapshot), and printed as a table, as JSON and as metrics. Texts are
 * raw bytes as the kernel and the configuration have them: whoever prints one escapes it. A text that is NULL is not known
 * or does not apply.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account_rung {
    char *text;    /* as written: "at 75% = extend 20%" */
    bool fired;    /* else armed */
    char *in_time; /* "yes" or "no" of one that changes the device (guarantee.h), else NULL */
    char *reason;  /* of in_time, in figures; or NULL */
};

struct account_action {
    char *kind;              /* "extend", "merge", "drop"; NULL: none is under way */
    char *phase;             /* "wanted", "acting", "merging", "deferred", "retrying" (pursuit.h) */
    char *rung;              /* as written; of an order of an operator's, who gave it */
    char *reason;            /* why it waits or has failed; or NULL */
    double progress_percent; /* of a merge; below 0: not known */
};

struct account {
    char *name;
    char *uuid;
    uint32_t major;
    uint32_t minor;
    uint64_t start_sectors; /* of its target in its device: 0, but where a table has several */
    char *role;             /* "backup", "live" */
    char *
        state; /* "valid", "merging", or the kernel's word: "Invalid", "Overflow", "Merge failed", "Unknown" */
    char *origin;        /* "/dev/vdb", "/dev/mapper/base"; "8:16" where it has no node */
    char *origin_device; /* "8:16" */
    char *store;
    char *store_device;
    bool has_usage; /* of the store, in what follows; false unless valid or merging */
    uint64_t used_sectors;
    uint64_t total_sectors;
    uint64_t metadata_sectors;
    uint32_t chunk_sectors;
    uint64_t chunks_left; /* of data that still fit: exact (exception_store.h) */
    uint64_t free_bytes;  /* the same in bytes */
    double used_percent;
    bool has_rate;            /* only a daemon knows it */
    uint64_t fill_rate_bytes; /* per second, smoothed */
    double seconds_left;      /* at that rate; below 0: nothing fills it, or not known */
    char *
        section; /* of the configuration: "snapshot root-*", "snapshot uuid:LVM-*"; NULL: none, nothing guards it */
    struct account_rung *rungs;
    size_t n_rungs;
    char *next_rung; /* the armed one that is reached first, as written */
    char *guarantee; /* "yes", "no" */
    char *guarantee_reason;
    struct account_action action;
    uint64_t held_until_usec; /* CLOCK_REALTIME; 0: not held by an operator */
    uint64_t looked_usec;     /* CLOCK_REALTIME: when the kernel was last asked */
    bool is_counted;          /* woken by its store's writes, not polling */
};

/* Frees what it owns and leaves it empty. */
void account_done(struct account *account);

/* The same of many, and the array. */
void accounts_free(struct account *accounts, size_t n_accounts);
