/* The record of a brake: what the limits of one device were before ours, so that they can be put back.
 *
 * One record a device, with every control group that may be limited. Theirs is what somebody else has set; ours is
 * the one rate that we want for all of them. A group gets the lower of both. What a group holds is ours where it is
 * our rate of now or the one before (a crash may fall between record and limit); anything else is somebody else's,
 * and is kept.
 *
 * As text it is lines with a last line "end", so that a file cut short is not taken for one.
 */
#pragma once

#include "cowherd/brake.h"
#include <sys/types.h>

#define BRAKE_GROUP_BYTES 256 /* with the end: a file name */
#define BRAKE_GROUPS_MAX  64  /* a machine has four or five at the top */
#define BRAKE_RECORD_MAX  ((BRAKE_GROUPS_MAX + 5) * (BRAKE_GROUP_BYTES + 64))

struct brake_group {
    char name[BRAKE_GROUP_BYTES];
    struct brake_rate theirs;
};

struct brake_record {
    dev_t device;
    uint64_t disk_sequence;
    struct brake_rate ours;
    struct brake_rate before; /* ours before that */
    bool has_throttle;        /* instead of groups: the throttle of all copying */
    int throttle;             /* what it was */
    bool
        is_unsettled; /* a group holds the rate before still: ours is to be set before another. Not recorded */
    size_t n_groups;
    struct brake_group groups[BRAKE_GROUPS_MAX];
};

/* Takes another rate of ours. */
void brake_record_want(struct brake_record *record, struct brake_rate rate);

/* Takes in what a group holds at present. Returns the group, or NULL where there are too many or its name is too long. */
struct brake_group *brake_record_see(struct brake_record *record, const char *name,
                                     struct brake_rate present);

/* What a group is to hold while braked; what it is to hold again afterwards, given what it holds. */
struct brake_rate brake_record_held(const struct brake_record *record, const struct brake_group *group);
struct brake_rate brake_record_released(const struct brake_record *record, const struct brake_group *group,
                                        struct brake_rate present);

/* A device's limits in the text of an io.max file; free where it has none. */
struct brake_rate brake_record_parse_limits(const char *text, dev_t device);

/* Text of a record: its length without the end or -ENOBUFS; 0 or -EBADMSG. */
int brake_record_format(const struct brake_record *record, char *text, size_t size);
int brake_record_parse(const char *text, struct brake_record *ret_record);
