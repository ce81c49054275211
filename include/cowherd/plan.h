/* The plan: role x action x observed tables -> the dm steps that are left.
 *
 * The same function starts an action, goes on with it after a crash, backs out of it and finishes it: it
 * knows nothing but the intent and the tables of this moment. Given any half-done state it yields the steps
 * that are left, in their order; carried out one at a time with a fresh observation between them they lead to
 * PLAN_ACT's end, the STEP_FORGET.
 *
 * S the snapshot, D the snapshot-origin device over the same origin O, C the store.
 *
 *   live merge       S: load snapshot-merge, resume (one atomic swap, also when mounted)
 *                    when merged: S: load linear (snapshot-origin where siblings remain), resume; zero C
 *   … overflowed     the same; when its store is proven to be empty, for the status does not tell (plan_overflow.h)
 *   rollback merge   D: load snapshot-merge; S: suspend; D: resume (the handover, D closed)
 *                    S: load error, resume, remove
 *                    when merged: D: load linear (or snapshot-origin), resume; zero C
 *   … taken back     D: load its own table; S: resume; D: clear
 *   drop, closed     S: remove; zero C
 *   drop, open       (backup, drop-open) S: load error, resume, deferred remove; zero C
 *   extend, linear   C: load a longer table (growth.h), resume (one atomic swap)
 *   extend, loop     C's backing file: allocate; C: take its new size
 *
 * A merge that a reboot interrupted (intent.h) is past the point of no return from the start: usage, rungs and a
 * lost snapshot do not end it, an open origin defers it.
 *
 * A snapshot of lvm's is changed by lvm's own commands, whatever its role; deferring, too, is lvm's:
 *
 *   lvm extend       lvextend, until C is as large as wanted
 *   lvm drop         S closed: lvremove; S gone: what lvm still has of it
 *   lvm merge        lvconvert --merge; a refresh of D's volume once S and D are closed; the kernel merges; what
 *                    lvm does at the end of a merge; done when lvm no longer has S
 *
 * S suspended with our table waiting in D is ours; any other suspension or waiting table is somebody else's,
 * and nothing is done beneath his hands.
 */
#pragma once

#include "cowherd/intent.h"
#include "cowherd/observation.h"

enum step_kind {
    STEP_LOAD,  /* the table into the device's inactive slot */
    STEP_CLEAR, /* the inactive slot */
    STEP_SUSPEND,
    STEP_RESUME,        /* swaps a loaded table in */
    STEP_RESUME_CLOSED, /* the same, only while nobody has the device open */
    STEP_REMOVE,
    STEP_REMOVE_DEFERRED, /* when its last user closes it */
    STEP_PROVE_MERGED,    /* while an exception is left in the store, the rest waits */
    STEP_ZERO_MERGED,     /* the store's first 4 KiB, if no exception is left in it */
    STEP_ZERO,            /* the store's first 4 KiB */
    STEP_FORGET,          /* the recorded intent */
    STEP_GROW_TABLE,      /* a longer table, made right then, into the store's inactive slot */
    STEP_GROW_LOOP,       /* the store's backing file and the loop device over it */

    STEP_LVM_EXTEND,
    STEP_LVM_CONFIRM, /* that lvm, too, has the store as large as the kernel has it */
    STEP_LVM_REMOVE,
    STEP_LVM_REMOVE_REST, /* what lvm still has of a snapshot that is no device any more; nothing is no error */
    STEP_LVM_MERGE,
    STEP_LVM_REFRESH,    /* tables as lvm has them, nothing suspended, an asked merge begun */
    STEP_LVM_FINISH,     /* what lvm does when the kernel has merged */
    STEP_LVM_CHECK_GONE, /* fails as long as lvm has the snapshot */
};

/* "load", "resume", …: for messages. */
const char *step_kind_name(enum step_kind kind);

/* Whether a step shows in tables or status; the plan behind one that does must be made anew. */
bool step_kind_changes_tables(enum step_kind kind);

/* Whether it is a command of lvm's. */
bool step_kind_is_lvm(enum step_kind kind);

struct step {
    enum step_kind kind;
    dev_t device;
    struct target table;      /* STEP_LOAD */
    char name[DM_NAME_BYTES]; /* lvm's: the device's at this moment; empty where there is none */
};

enum plan_verdict {
    PLAN_ACT,    /* the steps lead to the end, or to a merge that must be waited for */
    PLAN_WAIT,   /* the kernel is merging; nothing to do until it is done */
    PLAN_DEFER,  /* it may not be done now and goes on by itself once it may (somebody has the device open) */
    PLAN_REFUSE, /* it cannot be done now; to be tried again */
    PLAN_ABANDON, /* it cannot or need not be done any more */
};

#define PLAN_STEPS_MAX  12
#define PLAN_REASON_MAX 320

struct plan {
    enum plan_verdict verdict;
    bool begun;                        /* the tables are past the point from which there is a way back */
    char reason[PLAN_REASON_MAX];      /* why it waits, is deferred, refused or abandoned; else empty */
    struct step steps[PLAN_STEPS_MAX]; /* PLAN_DEFER, _REFUSE: what takes back a beginning */
    size_t n_steps;
};

/* What is left to do. The observation must be complete (every device of the machine). */
void plan_make(const struct intent *intent, const struct observation *seen, struct plan *ret_plan);

/* The size that an extension goes for: what is wanted, within its limit. */
uint64_t plan_extend_goal_sectors(const struct intent *intent);

/* The most chunks of a sibling's store that merging a snapshot can cost it: every merged chunk that it has
 * not copied yet. Both chunk sizes in sectors; never more than the origin has chunks. */
uint64_t plan_sibling_cost_chunks(uint64_t merged_exceptions, uint32_t merged_chunk_sectors,
                                  uint32_t sibling_chunk_sectors, uint64_t origin_sectors);
