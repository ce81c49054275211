#include "cowherd/status.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

/* The kernel's own limits (MINORBITS of kdev_t.h): what is beyond it never prints. */
#define MAJOR_MAX ((UINT64_C(1) << 12) - 1)
#define MINOR_MAX ((UINT64_C(1) << 20) - 1)

static const char *const state_names[] = {
    [SNAPSHOT_VALID] = "valid",       [SNAPSHOT_INVALID] = "Invalid",
    [SNAPSHOT_OVERFLOW] = "Overflow", [SNAPSHOT_MERGE_FAILED] = "Merge failed",
    [SNAPSHOT_UNKNOWN] = "Unknown",
};

static const char *const kind_names[] = {
    [TARGET_OTHER] = "other",
    [TARGET_SNAPSHOT] = "snapshot",
    [TARGET_SNAPSHOT_MERGE] = "snapshot-merge",
    [TARGET_SNAPSHOT_ORIGIN] = "snapshot-origin",
    [TARGET_LINEAR] = "linear",
    [TARGET_ERROR] = "error",
};

static const char *const store_type_names[] = {
    [STORE_PERSISTENT] = "P",
    [STORE_PERSISTENT_OVERFLOW] = "PO",
    [STORE_TRANSIENT] = "N",
};

/* The takers read one thing at the cursor and move it behind; where they return false the line is refused as
 * a whole, so that the cursor no longer matters. */

static bool take_char(const char **cursor, char wanted)
{
    if (**cursor != wanted)
        return false;
    (*cursor)++;
    return true;
}

/* A number as the kernel's %u and %llu write it: digits alone, no leading zero. strtoull() would also take
 * signs and blanks. */
static bool take_number(const char **cursor, uint64_t max, uint64_t *ret_number)
{
    const char *start = *cursor;
    uint64_t number = 0;
    for (; **cursor >= '0' && **cursor <= '9'; (*cursor)++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(**cursor - '0'), &number))
            return false;
    }
    if (*cursor == start || (*start == '0' && *cursor - start > 1) || number > max)
        return false;
    *ret_number = number;
    return true;
}

static bool take_device(const char **cursor, dev_t *ret_device)
{
    uint64_t major_number;
    uint64_t minor_number;
    if (!take_number(cursor, MAJOR_MAX, &major_number) || !take_char(cursor, ':') ||
        !take_number(cursor, MINOR_MAX, &minor_number))
        return false;
    *ret_device = makedev((unsigned)major_number, (unsigned)minor_number);
    return true;
}

static bool take_store_type(const char **cursor, enum store_type *ret_type)
{
    size_t length = strcspn(*cursor, " ");
    for (enum store_type type = STORE_PERSISTENT; type <= STORE_TRANSIENT; type++) {
        if (strlen(store_type_names[type]) != length || strncmp(*cursor, store_type_names[type], length) != 0)
            continue;
        *cursor += length;
        *ret_type = type;
        return true;
    }
    return false;
}

/* A power of two, as the kernel insists; or 0, which it prints of a loaded table that waits to take the store
 * over from another one. */
static bool take_chunk_sectors(const char **cursor, uint32_t *ret_sectors)
{
    uint64_t sectors;
    if (!take_number(cursor, UINT32_MAX, &sectors) || (sectors & (sectors - 1)) != 0)
        return false;
    *ret_sectors = (uint32_t)sectors;
    return true;
}

static bool take_word(const char **cursor)
{
    const char *start = *cursor;
    while (**cursor > ' ' && **cursor <= '~')
        (*cursor)++;
    return *cursor > start;
}

/* " 2 discard_zeroes_cow discard_passdown_origin": nothing here depends on them, but a line whose count is
 * wrong is not the kernel's. Without features the kernel writes nothing at all. */
static bool take_features(const char **cursor)
{
    uint64_t n_features;
    if (**cursor == '\0')
        return true;
    if (!take_char(cursor, ' ') || !take_number(cursor, UINT32_MAX, &n_features) || n_features == 0)
        return false;
    for (; n_features > 0; n_features--) {
        if (!take_char(cursor, ' ') || !take_word(cursor))
            return false;
    }
    return true;
}

static bool take_snapshot(const char **cursor, struct target *target)
{
    return take_device(cursor, &target->origin) && take_char(cursor, ' ') &&
           take_device(cursor, &target->store) && take_char(cursor, ' ') &&
           take_store_type(cursor, &target->store_type) && take_char(cursor, ' ') &&
           take_chunk_sectors(cursor, &target->chunk_sectors) && take_features(cursor);
}

static bool take_linear(const char **cursor, struct target *target)
{
    return take_device(cursor, &target->origin) && take_char(cursor, ' ') &&
           take_number(cursor, UINT64_MAX, &target->offset_sectors);
}

static bool take_parameters(const char **cursor, struct target *target)
{
    switch (target->kind) {
    case TARGET_SNAPSHOT:
    case TARGET_SNAPSHOT_MERGE:
        return take_snapshot(cursor, target);
    case TARGET_SNAPSHOT_ORIGIN:
        return take_device(cursor, &target->origin);
    case TARGET_LINEAR:
        return take_linear(cursor, target);
    case TARGET_ERROR:
        return true; /* has none */
    case TARGET_OTHER:
        *cursor += strlen(*cursor);
        return true;
    }
    return false;
}

static enum target_kind target_kind_from_name(const char *name)
{
    for (enum target_kind kind = TARGET_SNAPSHOT; kind <= TARGET_ERROR; kind++) {
        if (strcmp(name, kind_names[kind]) == 0)
            return kind;
    }
    return TARGET_OTHER;
}

static bool parse_state_word(const char *line, enum snapshot_state *ret_state)
{
    for (enum snapshot_state state = SNAPSHOT_INVALID; state <= SNAPSHOT_UNKNOWN; state++) {
        if (strcmp(line, state_names[state]) != 0)
            continue;
        *ret_state = state;
        return true;
    }
    return false;
}

/* Used may exceed the total: the store may have been shrunk under the snapshot. */
static bool take_usage(const char **cursor, struct snapshot_status *status)
{
    if (!take_number(cursor, UINT64_MAX, &status->used_sectors) || !take_char(cursor, '/') ||
        !take_number(cursor, UINT64_MAX, &status->total_sectors))
        return false;
    if (**cursor == '\0')
        return true;
    status->has_metadata = true;
    return take_char(cursor, ' ') && take_number(cursor, UINT64_MAX, &status->metadata_sectors);
}

const char *snapshot_state_name(enum snapshot_state state)
{
    return state_names[state];
}

bool snapshot_state_is_lost(enum snapshot_state state)
{
    return state == SNAPSHOT_INVALID || state == SNAPSHOT_OVERFLOW || state == SNAPSHOT_MERGE_FAILED;
}

int snapshot_status_parse(const char *line, struct snapshot_status *ret_status)
{
    struct snapshot_status status = {.state = SNAPSHOT_VALID};
    const char *cursor = line;
    if (!parse_state_word(line, &status.state) && (!take_usage(&cursor, &status) || *cursor != '\0'))
        return -EBADMSG;
    *ret_status = status;
    return 0;
}

bool snapshot_status_is_merged(const struct snapshot_status *status)
{
    return status->state == SNAPSHOT_VALID && status->has_metadata &&
           status->used_sectors == status->metadata_sectors;
}

const char *target_kind_name(enum target_kind kind)
{
    return kind_names[kind];
}

const char *store_type_name(enum store_type type)
{
    return store_type_names[type];
}

int target_parse(const char *kind, const char *parameters, uint64_t start_sectors, uint64_t length_sectors,
                 struct target *ret_target)
{
    struct target target = {
        .kind = target_kind_from_name(kind),
        .start_sectors = start_sectors,
        .length_sectors = length_sectors,
        .status.state = SNAPSHOT_UNKNOWN,
    };
    const char *cursor = parameters;
    if (!take_parameters(&cursor, &target) || *cursor != '\0')
        return -EBADMSG;
    *ret_target = target;
    return 0;
}

bool target_is_snapshot(const struct target *target)
{
    return target->kind == TARGET_SNAPSHOT || target->kind == TARGET_SNAPSHOT_MERGE;
}
