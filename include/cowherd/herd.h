/* The herd: which snapshots are watched, and what each look at them shows.
 *
 * A member is one snapshot target of one device. Its identity is UUID, device number, the kernel's disk
 * sequence number, and origin and store of its table: a name or a minor that is reused by another snapshot is
 * another member. A member is forgotten only when a complete observation lacks its device or shows another
 * table in it; a lookup error never forgets anybody.
 *
 * Pure: observations, policies and time come in, findings go out through a function of the caller's.
 */
#pragma once

#include "cowherd/fill_rate.h"
#include "cowherd/guarantee_word.h"
#include "cowherd/ladder.h"
#include "cowherd/observation.h"
#include "cowherd/policy.h"

/* What is known and said of its guarantee, by whoever judges it (guarantee.h). */
struct member_guarantee {
    uint64_t judged_usec; /* after the look of that time */
    bool is_known;
    bool holds;
    struct guarantee_word word;
    uint64_t print; /* another when the verdict or the reason of a rung is */
};

struct waiter;

struct member {
    char name[DM_NAME_BYTES];
    char uuid[DM_UUID_BYTES];
    dev_t device;
    uint64_t disk_sequence;
    struct target target; /* as last seen */
    bool alone;           /* the device has no other target: it may be changed */
    enum role role;
    bool role_forced;
    dev_t origin_user; /* backup: the device through which the system uses the origin; 0: none */
    uint64_t origin_user_disk_sequence;
    char origin_user_name[DM_NAME_BYTES];
    char origin_user_uuid[DM_UUID_BYTES];

    const struct policy *policy; /* NULL: no section matches, nothing guards it */
    struct ladder ladder;
    struct fill_rate rate;
    bool has_sample;
    struct sample sample; /* of the last look at which it was valid */
    uint64_t asked_usec;  /* CLOCK_BOOTTIME when its status was last asked for, with or without an answer */
    uint64_t peeked_usec; /* CLOCK_BOOTTIME when the loop last read its devices for somebody outside */
    uint64_t around_usec; /* CLOCK_BOOTTIME when what its guarantee rests on besides was last read alone */
    size_t seen_at;       /* where its device was among all when it was looked for last: it is tried first */
    bool lost_told;
    struct member_guarantee guarantee;
    struct waiter *waiter; /* the loop's, freed by it: how it is woken for this one */
    bool seen;             /* during a look */
};

struct herd {
    struct member **members; /* in the order of their devices' numbers */
    size_t n_members;
    size_t n_allocated;
};

enum finding_kind {
    FINDING_FOUND,
    FINDING_RENAMED,
    FINDING_ROLE,    /* the tables show another role than before */
    FINDING_GONE,    /* the member is freed behind the call */
    FINDING_CROSSED, /* rungs of its ladder */
    FINDING_LOST,    /* Invalid, Overflow or Merge failed, told once */
};

struct finding {
    enum finding_kind kind;
    struct member *member;
    uint32_t crossed; /* FINDING_CROSSED: bit i is the policy's rung i */
};

typedef void (*finding_function)(const struct finding *finding, void *user);

struct herd_view {
    const struct policy *policies;
    size_t n_policies;
    uint64_t
        slept_usec; /* of the time now, how long the machine has slept: CLOCK_BOOTTIME less CLOCK_MONOTONIC */
    /* Devices that an action of ours has made a snapshot-merge are its business, not another snapshot:
     * whether a target is such a one. */
    bool (*is_ours)(const struct dm_device *device, const struct target *target, void *user);
    finding_function tell;
    void *user;
};

/* A complete look: every device of the machine. Tells the gone first, then the found, then what each sample
 * shows. Returns 0 or -ENOMEM (then not everybody is watched). */
int herd_look(struct herd *herd, const struct observation *seen, uint64_t now_usec,
              const struct herd_view *view);

/* What the sample of a member would be with this status of its snapshot; nothing is taken into it. False where the status has
 * no figures. */
bool herd_preview(const struct member *member, const struct snapshot_status *status, uint64_t now_usec,
                  uint64_t slept_usec, struct sample *ret_sample);

/* A look at one device that was sampled between complete looks. A device whose identity or table no longer
 * fits its member changes nothing; *ret_stale says that a complete look is due. */
void herd_sample(struct herd *herd, const struct dm_device *device, uint64_t now_usec,
                 const struct herd_view *view, bool *ret_stale);

/* Gives every member the policy that matches it now; fired rungs that stand in both stay fired. */
void herd_set_policies(struct herd *herd, const struct policy *policies, size_t n_policies);

/* The fullest valid member, or NULL. */
const struct member *herd_fullest(const struct herd *herd);

void herd_done(struct herd *herd);
