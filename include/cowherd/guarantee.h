/* The guarantee: whether a snapshot cannot be lost by filling, however its writers write within the fastest rate: yes or
 * no, with the reason in figures.
 *
 * Fastest is the faster of the measured peak and the assumed rate. From the height at which a rung is crossed the store is
 * full after
 *
 *     room above the rung / fastest
 *
 * and until the rung's action has stopped the filling it takes
 *
 *     until the crossing is seen:   the shortest poll, or nothing where writes are counted; and what looks come late
 *     + the action:                 what it has been seen to take, else an assumption (brake.h)
 *
 * A rung is in time where the second is no more than the first. Where the brake can hold the writers, it need not be the
 * whole action: by the time the brake is set there must be so much room left that the brake keeps some until the action has
 * come without reaching its floor. An extension must besides add as much as one round costs, or the writer gains on it; what
 * comes when extend-limit is reached is judged then, like any other ladder.
 *
 * Which rung: the lowest of those that change the device and can be carried out at this moment (plan.h: nobody has open
 * what must be closed, there is something to extend to, …). Those above wait for its child, so they cannot be in time where
 * it is not. Of several that are crossed in one look the last written is carried out: so the times of later ones within one
 * look's reach count too, and one of them that cannot be carried out spoils it. A rung of "TIME left" has no height and is
 * never counted on. A rung that has fired counts while its action is under way. Nothing is said of stores that are lost
 * otherwise (I/O errors), nor of an action that fails for a reason which no table shows, such as a full volume group.
 */
#pragma once

#include "cowherd/herd.h"
#include "cowherd/pacing.h"
#include "cowherd/plan.h"

/* From the decision until writers are held, before it has been measured here: a child and a few small files. An
 * assumption, like BRAKE_DM_USEC; the daemon replaces it by the longest that it has seen (brakes.h). */
#define GUARANTEE_BRAKE_USEC UINT64_C(50000)

enum guarantee_verdict {
    GUARANTEE_UNKNOWN,      /* no: the store's state is not known, or it is lost */
    GUARANTEE_NEVER_FULL,   /* yes: the store has room for the whole origin */
    GUARANTEE_MERGING,      /* yes: nothing fills it any more */
    GUARANTEE_IN_TIME,      /* yes */
    GUARANTEE_HELD,         /* yes: with the brake */
    GUARANTEE_LATE,         /* no */
    GUARANTEE_TOO_LITTLE,   /* no: an extension adds less than is filled meanwhile */
    GUARANTEE_NO_HEIGHT,    /* no: a rung of "TIME left" */
    GUARANTEE_CANNOT_ACT,   /* no: the reason is the plan's */
    GUARANTEE_OUTRANKED,    /* no: a rung that cannot act would take its place */
    GUARANTEE_NOTHING_ACTS, /* no: no rung that changes the device is armed */
    GUARANTEE_DRY_RUN,      /* no */
};

struct guarantee_bounds {
    struct pacing_bounds pacing;
    bool brake;           /* writers can be held */
    uint64_t engage_usec; /* until they are: the longest seen, or GUARANTEE_BRAKE_USEC */
    bool dry_run;
};

struct guarantee_subject {
    const struct member *member;
    const struct observation *seen;      /* NULL: whether actions can be carried out now is not asked */
    bool woken_by_counting;              /* its rungs are waited for by counting writes, not by polling */
    uint64_t took_usec[ACTION_DROP + 1]; /* by kind of action; 0: not seen */
    int under_way;                       /* the rung whose action is, or -1 */
    uint64_t under_way_used_sectors;     /* when that was decided */
    const char *under_way_reason;        /* why it has failed or must wait, or NULL */
    const char *held;                    /* why no action is begun on it by an operator's word, or NULL */
    uint64_t
        order_usec; /* what an operator's order takes that is at work: every rung waits for it; 0: none is */
};

/* One rung that changes the device, judged as if it were the lowest. */
struct guarantee_rung {
    unsigned rung; /* of the policy */
    enum guarantee_verdict verdict;
    bool is_lvm;
    enum action_kind action;
    bool is_measured;
    uint64_t action_usec; /* with what it may have to wait for */
    uint64_t seen_usec;   /* until it is seen that the rung is crossed */
    uint64_t bytes_per_second;
    uint64_t from_exceptions; /* where it is crossed */
    uint32_t from_centipercent;
    uint64_t room_bytes;
    uint64_t to_full_usec;
    uint64_t more_bytes;        /* extend: what it adds */
    uint64_t needed_bytes;      /* what goes until it has come: TOO_LITTLE: what it should add */
    uint32_t suggested_percent; /* LATE: the highest whole percentage at which it would be in time; 0: none */
    uint64_t suggested_free_bytes; /* the same as room */
    uint64_t bytes_per_second_max; /* LATE: up to this rate it would be in time */
    char reason[PLAN_REASON_MAX];  /* CANNOT_ACT, OUTRANKED */
};

struct guarantee {
    bool holds;
    enum guarantee_verdict verdict;
    int decisive;     /* index into rungs of the one that verdict is about, or -1 */
    const char *text; /* of that one as written, the policy's; NULL: none */
    struct guarantee_rung rungs[POLICY_RUNGS_MAX];
    size_t n_rungs;
};

void guarantee_judge(const struct guarantee_subject *subject, const struct guarantee_bounds *bounds,
                     struct guarantee *ret_guarantee);

bool guarantee_verdict_holds(enum guarantee_verdict verdict);

/* The reason as a sentence without its full stop: "at 256 MiB/s this store goes from 95 % to full in 80 ms, …". Where there is no
 * guarantee it ends with the rung as written. */
#define GUARANTEE_TEXT_MAX 768
const char *guarantee_text(const struct guarantee *guarantee, char text[static GUARANTEE_TEXT_MAX]);
const char *guarantee_rung_text(const struct guarantee_rung *rung, char text[static GUARANTEE_TEXT_MAX]);
