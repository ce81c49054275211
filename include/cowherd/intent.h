/* The intent: what is to be done with one snapshot, recorded before the first step and kept until the last.
 *
 * It says what is wanted and of which devices, never how far it has come: that is read from the kernel's
 * tables (plan.h). As text it is key=value lines with a last line "end", so that a file cut short is not
 * taken for one.
 */
#pragma once

#include "cowherd/observation.h"
#include "cowherd/policy.h"

#define INTENT_TEXT_MAX 8192 /* names, a rung and a path, escaped to four times their size, and numbers */
#define INTENT_RUNG_MAX 256  /* a configuration line has 200 characters at most */
#define INTENT_PATH_MAX 256
#define INTENT_HELD_MAX 192 /* who, and until when */

/* What the rung of an operator's order begins with: no rung of a configuration does. */
#define INTENT_ORDER  "order of "
#define BOOT_ID_BYTES 37 /* a UUID with its end */

struct intent {
    enum action_kind action; /* ACTION_EXTEND, ACTION_MERGE or ACTION_DROP */
    enum role role;
    bool role_forced; /* by its section, whatever the tables say */
    bool drop_open;   /* its readers may lose it */
    bool lost;        /* the dead snapshot is to be removed: `on lost = drop` */
    char rung[INTENT_RUNG_MAX];

    char name[DM_NAME_BYTES]; /* the snapshot's */
    char uuid[DM_UUID_BYTES];
    dev_t device;
    uint64_t disk_sequence;
    dev_t origin;
    dev_t store;
    uint64_t store_disk_sequence; /* set when it is first acted for; 0: not known */
    uint64_t length_sectors;
    uint32_t chunk_sectors;
    enum store_type store_type;

    dev_t origin_user; /* backup: the snapshot-origin device that becomes snapshot-merge; 0: none */
    uint64_t origin_user_disk_sequence;
    char origin_user_name[DM_NAME_BYTES]; /* by name and UUID it is found again after a reboot */
    char origin_user_uuid[DM_UUID_BYTES];
    bool handing_over; /* recorded right before a merge is begun, and no longer when that was taken back */
    bool
        interrupted; /* an earlier boot's merge had been begun: half of it may be done, so it is finished whatever
                          rungs and usage say by now (relocation.h) */

    uint64_t from_sectors;             /* extend: the store's size when it was decided */
    uint64_t grow_to_sectors;          /* extend: the store's size that is wanted */
    uint64_t limit_sectors;            /* extend-limit; 0: none */
    char extend_from[INTENT_PATH_MAX]; /* or empty */

    bool asked_lvm; /* lvm has taken on the merge, and does it by itself when the origin is activated next */

    uint32_t
        used_centipercent; /* when it was decided; below this less the hysteresis a rung's is not begun any more */
    uint32_t hysteresis_centipercent;
    uint64_t
        free_bytes; /* of a rung of BYTES free, whose height in percent is another when its store grows; or 0 */

    bool
        cancelled; /* the configuration no longer wants it, or the operator: it is not begun any more. Not recorded. */
    char held[INTENT_HELD_MAX]; /* by an operator: why it is not begun yet; or empty. Not recorded. */
    uint32_t cookie;            /* of udev, to be released after a crash; 0: none */
    char boot_id[BOOT_ID_BYTES];
};

/* Writes it as text. Returns the length without the end, or -ENOBUFS. */
int intent_format(const struct intent *intent, char *text, size_t size);

/* Reads it from text. Returns 0, or -EBADMSG where anything is missing, doubled, unknown or not of its form. */
int intent_parse(const char *text, struct intent *ret_intent);

/* Whether it is an operator's order: then no rung stands behind it, and it does not depend on usage. */
bool intent_is_ordered(const struct intent *intent);

/* Whether two intents are about the same snapshot (same device of the same boot, same origin and store). */
bool intent_same_snapshot(const struct intent *a, const struct intent *b);

/* Whether what is recorded in its place (same origin and store, same boot) is a newer snapshot's: its own has gone. */
bool intent_must_yield(const struct intent *intent, const struct intent *recorded);
