/* Kernel text to plain data: table and status lines of the device-mapper targets that matter here.
 *
 * Nothing is guessed: a line that is not exactly what the kernel writes is refused with -EBADMSG and the
 * ret_ argument stays untouched. Numbers are digits alone, without leading zeros; a line has nothing behind
 * its end, not even a newline. Source of the formats: the kernel's dm-snap.c, dm-linear.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum snapshot_state {
    SNAPSHOT_VALID,
    SNAPSHOT_INVALID,      /* the store filled or failed: the snapshot is lost */
    SNAPSHOT_OVERFLOW,     /* the store of a "PO" snapshot filled: reads go on, all writes fail */
    SNAPSHOT_MERGE_FAILED, /* an I/O error during a merge: it stopped halfway */
    SNAPSHOT_UNKNOWN,      /* the kernel says that it does not know: nothing is concluded from it */
};

/* The kernel's word for a state ("Invalid"), "valid" for SNAPSHOT_VALID. */
const char *snapshot_state_name(enum snapshot_state state);

/* Invalid, overflowed or merge failed: what `on lost` is about. */
bool snapshot_state_is_lost(enum snapshot_state state);

/* A status line of `snapshot` and `snapshot-merge`. The numbers are 0 unless the state is SNAPSHOT_VALID. */
struct snapshot_status {
    enum snapshot_state state;
    uint64_t used_sectors;
    uint64_t total_sectors;
    uint64_t metadata_sectors;
    bool has_metadata; /* false with old kernels, whose line ends after the total */
};

/* Parses "<used>/<total> <metadata>", "<used>/<total>" or a status word. Used may be more than the total: the
 * store may have been shrunk. Returns 0 or -EBADMSG. */
int snapshot_status_parse(const char *line, struct snapshot_status *ret_status);

/* A merge is at its end when nothing but metadata is left in the store. False without metadata sectors. */
bool snapshot_status_is_merged(const struct snapshot_status *status);

enum target_kind {
    TARGET_OTHER,
    TARGET_SNAPSHOT,
    TARGET_SNAPSHOT_MERGE,
    TARGET_SNAPSHOT_ORIGIN,
    TARGET_LINEAR,
    TARGET_ERROR,
};

/* The kernel's name of a target ("snapshot-merge"), "other" for TARGET_OTHER. */
const char *target_kind_name(enum target_kind kind);

enum store_type {
    STORE_PERSISTENT,          /* P  */
    STORE_PERSISTENT_OVERFLOW, /* PO: userspace knows about the state Overflow */
    STORE_TRANSIENT,           /* N  */
};

/* "P", "PO" or "N". */
const char *store_type_name(enum store_type type);

/* One line of a device's table. */
struct target {
    enum target_kind kind;
    uint64_t start_sectors;
    uint64_t length_sectors;
    dev_t origin;            /* snapshot, -merge, -origin: the origin; linear: the device below */
    dev_t store;             /* snapshot, -merge */
    uint64_t offset_sectors; /* linear */
    uint32_t chunk_sectors;  /* snapshot, -merge: a power of two; 0 in a loaded table that waits to take over
                                the store of another one */
    enum store_type store_type;
    struct snapshot_status status; /* snapshot, -merge: filled in by whoever reads the status, until then
                                      SNAPSHOT_UNKNOWN */
};

/* Parses a table line. A target of another kind is TARGET_OTHER whatever its parameters, no error. A
 * snapshot's features ("2 discard_zeroes_cow discard_passdown_origin") are checked and ignored.
 * Returns 0 or -EBADMSG. */
int target_parse(const char *kind, const char *parameters, uint64_t start_sectors, uint64_t length_sectors,
                 struct target *ret_target);

/* Is it `snapshot` or `snapshot-merge`? */
bool target_is_snapshot(const struct target *target);
