/* The pursuit: how one intent is followed to its end - when to act, wait, defer, retry, and what to say of
 * it.
 *
 * Pure: plans, results of the acting child, and time come in; out come "start the child" and what is to be
 * told. A pursuit holds nothing that the kernel's tables say: after a restart one made from the recorded
 * intent goes on.
 */
#pragma once

#include "cowherd/plan.h"

/* The first retry comes after a second; each failure doubles that, up to five minutes: space or a lock may
 * come back.
 */
#define PURSUIT_RETRY_MIN_USEC UINT64_C(1000000)
#define PURSUIT_RETRY_MAX_USEC UINT64_C(300000000)

/* Space comes back at any time and raises no event; asking costs a child's moment. So an extension is tried again
 * every ten seconds at least, and a few times within what its store has left. */
#define PURSUIT_EXTEND_RETRY_MAX_USEC UINT64_C(10000000)
#define PURSUIT_EXTEND_RETRY_MIN_USEC UINT64_C(250000)
#define PURSUIT_EXTEND_TRIES_LEFT     4

/* Neither the closing of a device nor the end of a merge raises a dm event: they are looked for. */
#define PURSUIT_DEFERRED_USEC UINT64_C(500000)
#define PURSUIT_MERGING_USEC  UINT64_C(250000)

/* A deferral is told when it has lasted so long. */
#define PURSUIT_GRACE_USEC UINT64_C(300000)

enum pursuit_phase {
    PURSUIT_WANTED,   /* nothing tried yet */
    PURSUIT_ACTING,   /* a child is at it */
    PURSUIT_MERGING,  /* the kernel is at it */
    PURSUIT_DEFERRED, /* until somebody closes a device */
    PURSUIT_RETRYING, /* failed or refused; again at next_usec */
    PURSUIT_ENDED,
};

/* "wanted", "acting", …: for people. */
const char *pursuit_phase_name(enum pursuit_phase phase);

/* What a step of a pursuit gives to tell; a set. */
enum pursuit_tell {
    TELL_START = 1 << 0,
    TELL_DONE = 1 << 1,
    TELL_FAILED = 1 << 2,
    TELL_DEFERRED = 1 << 3,
    TELL_STALLED = 1 << 4, /* failed or deferred for the first time since it last went well */
};

struct pursuit {
    struct intent intent;
    enum pursuit_phase phase;
    bool recorded;  /* the intent may be in the state directory */
    bool outdated;  /* what is recorded of it is not all that is known, or nothing is recorded */
    bool recording; /* its child was started for no more than that, while it is to be tried again later */
    bool begun;     /* past the point from which there is a way back */
    bool done;      /* it has ended as it was to */
    bool started;   /* its start has been told */
    bool stalled;
    bool refused; /* by its plan, before anything was tried, and not begun since */
    bool deferred_told;
    uint64_t deferred_usec;       /* since when it is deferred for this reason; 0: it is not */
    unsigned failures;            /* in a row */
    uint64_t start_usec;          /* when its child first started */
    uint64_t next_usec;           /* look at its plan again no later */
    unsigned failures_told;       /* in a row, of one reason */
    uint64_t tell_usec;           /* the same reason is not told again before */
    char reason[PLAN_REASON_MAX]; /* why it is deferred or has failed */
};

/* What the child brings back. */
struct action_result {
    enum plan_verdict verdict; /* of the last plan it made */
    bool ended;                /* the intent is forgotten: done, or abandoned where the verdict says so */
    bool begun;
    bool asked_lvm;           /* lvm has taken on the merge: kept in the intent */
    uint64_t grow_to_sectors; /* extend: what it can be given, of what was wanted */
    int error;                /* of the step that failed: negative errno, or 0 */
    char reason[PLAN_REASON_MAX];
};

/* Takes on an intent. recorded: it was found in the state directory. */
void pursuit_begin(struct pursuit *pursuit, const struct intent *intent, bool recorded, uint64_t now_usec);

/* Whether a later rung's action may take its place: not while a child acts, nor past the point of no return, nor where
 * an earlier boot has been past it. */
bool pursuit_may_be_overtaken(const struct pursuit *pursuit);

/* The store of an extension that is tried again is full in that time: it is not waited for longer than that
 * allows. */
void pursuit_hurry(struct pursuit *pursuit, uint64_t time_left_usec, uint64_t now_usec);

/* It is not gone on with for now, and nothing has failed. */
void pursuit_put_off(struct pursuit *pursuit, const char *reason, uint64_t now_usec);

/* Whether it must wait until another one's child is back: two that change who merges into one origin would each go by tables
 * that the other one is changing; and where a snapshot has taken the place of one whose child is still at work, that child
 * would take the record away, which is named for the place. */
bool pursuit_stands_back(const struct pursuit *pursuit, const struct pursuit *acting);

/* What follows from the plan of this moment. Returns whether the child is to be started now; *ret_tell gets a
 * set of enum pursuit_tell. Call it only when no child acts and the pursuit has not ended. */
bool pursuit_consider(struct pursuit *pursuit, const struct plan *plan, uint64_t now_usec,
                      unsigned *ret_tell);

/* Whether the child is to be started only to record it: an order that must wait; a merge that must wait for a device to be closed may have to
 * wait for the next boot, and whoever makes the tables there must find it; one that the kernel went on with after a
 * reboot is this boot's now. Call it behind pursuit_consider(). */
bool pursuit_must_be_recorded(struct pursuit *pursuit);

/* What follows from a child's end. Returns what is to be told. */
unsigned pursuit_take_result(struct pursuit *pursuit, const struct action_result *result, uint64_t now_usec);
