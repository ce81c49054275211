/* Holds of an operator's: snapshots on which no action is begun for a while.
 *
 * A hold is about one device of one boot (name, UUID, and the kernel's disk sequence number where it has one) and ends at a
 * time of CLOCK_BOOTTIME, when it is released, or with its device. As text it is one line each behind the boot's identifier,
 * and a last line "end", so that a file cut short is not taken for one.
 *
 * Pure: time comes in.
 */
#pragma once

#include "cowherd/intent.h"

/* Who may hold a thousand devices holds them all. */
#define OPERATOR_HOLDS_TEXT_MAX (1 << 20)

struct held_device {
    const char *name;
    const char *uuid;
    uint64_t disk_sequence;
};

struct operator_hold {
    char name[DM_NAME_BYTES];
    char uuid[DM_UUID_BYTES];
    uint64_t disk_sequence;       /* 0: not known */
    uint64_t until_usec;          /* CLOCK_BOOTTIME; UINT64_MAX: until it is released */
    char reason[INTENT_HELD_MAX]; /* "held by root until 12:30:00": of what waits for it */
};

struct operator_holds {
    struct operator_hold *items;
    size_t n_items;
};

/* The hold of a device, or NULL. */
struct operator_hold *operator_holds_find(const struct operator_holds *holds, struct held_device device);

/* Holds it, in place of an earlier hold. 0 or -ENOMEM. */
int operator_holds_set(struct operator_holds *holds, struct held_device device, uint64_t until_usec,
                       const char *reason);

/* Forgets one of them. */
void operator_holds_remove(struct operator_holds *holds, struct operator_hold *hold);

/* When the first of them ends; UINT64_MAX for never. */
uint64_t operator_holds_next_usec(const struct operator_holds *holds);

/* As text. Returns its length without the end, or -ENOBUFS. */
int operator_holds_format(const struct operator_holds *holds, const char *boot_id, char *text, size_t size);

/* From text. Those of another boot are none. 0; -EBADMSG where anything is not of its form, -ENOMEM. */
int operator_holds_parse(const char *text, const char *boot_id, struct operator_holds *ret_holds);

void operator_holds_done(struct operator_holds *holds);
