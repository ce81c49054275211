#include "cowherd/dm_action.h"
#include "cowherd/intent_file.h"
#include "cowherd/kernel.h"
#include "cowherd/lvm_action.h"
#include "cowherd/lvm_tool.h"
#include "cowherd/store_device.h"
#include "cowherd/store_growth.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* For udev's answer: the steps are done by then, only its links are not. */
#define COOKIE_WAIT_USEC UINT64_C(5000000)

/* No plan has more steps than PLAN_STEPS_MAX, nor is it taken back and begun again so often: more go in a circle. */
#define ROUNDS_MAX 64

/* udev's blkid has a device open for some milliseconds after its user. */
#define CLOSED_TRIES      20
#define CLOSED_PAUSE_NSEC 25000000L

/* libdevmapper's last complaint, which says more than an errno: a child does not log, it reports. */
static char last_complaint[256];

static void note_complaint(int priority, const char *message)
{
    if (priority <= LOG_ERR)
        snprintf(last_complaint, sizeof(last_complaint), "%s", message);
}

/* lvm has a command more than once only where something is still suspended after it. */
#define LVM_STEPS_MAX 6

struct run {
    struct intent intent;
    const struct intent *earlier;
    const char *state_directory;
    bool recorded;
    bool locked;
    char why[GROWTH_REASON_MAX]; /* a step's own words for its failure, or empty */
    int growth_lock;             /* store_growth.h; -1: not held */
    unsigned n_lvm_steps;
    bool lvm_has_extended;           /* it has just said so itself, and need not be asked */
    char lvm_words[PLAN_REASON_MAX]; /* of the last command */
    char lvm_said[PLAN_REASON_MAX];  /* of the last one that went well and said something */
    struct action_result result;
};

/* A page fault on a device that is suspended would never end: nothing of this process may be missing then. */
static int lock_memory(struct run *run)
{
    if (!run->locked && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
        return -errno;
    run->locked = true;
    return 0;
}

/* The new record first, then the one of the earlier boot goes: there is one at any time. */
static int store(struct run *run)
{
    int r = intent_file_store(run->state_directory, &run->intent);
    if (r == 0 && run->earlier)
        r = intent_file_remove(run->state_directory, run->earlier);
    return r;
}

/* The intent is kept, with the cookie, before anything changes: whoever comes after a crash finds both. A cookie that
 * could not be made is somebody else's, or none. */
static int record(struct run *run)
{
    uint32_t cookie = 0;
    if (run->recorded)
        return 0;
    if (dm_uuid_is_lvm(run->intent.uuid) || kernel_cookie_choose(&cookie) < 0)
        cookie = 0; /* without udev's answer, but in time */
    run->intent.cookie = cookie;
    int r = store(run);
    if (r < 0)
        return r;
    run->recorded = true;
    if (!cookie || kernel_cookie_create(cookie) == 0)
        return 0;
    run->intent.cookie = 0;
    return store(run);
}

/* A merge that may be begun by these steps is on disk as such before the first of them, while nothing is suspended:
 * whoever comes after a reboot must not take its origin for a whole one. */
static int record_merge(struct run *run, const struct plan *plan)
{
    if (run->intent.action != ACTION_MERGE || plan->verdict != PLAN_ACT || run->intent.handing_over)
        return 0;
    run->intent.handing_over = true;
    return run->recorded ? store(run) : 0;
}

/* A live merge can be seen in the tables, and is adopted from there by whoever comes after a crash. So it is not held
 * up where it cannot be recorded: what it saves may be the filesystem of the record. */
static bool may_go_unrecorded(const struct intent *intent)
{
    return intent->action == ACTION_MERGE && intent->role == ROLE_LIVE;
}

static void release_cookie(struct run *run)
{
    if (run->intent.cookie)
        kernel_cookie_release(run->intent.cookie, COOKIE_WAIT_USEC);
    run->intent.cookie = 0;
}

/* Before the devices are looked at: what has the store's number by then, and is the snapshot's still, is its store. What
 * comes there later is another disk. */
static void identify_store(struct run *run)
{
    if (!run->intent.store_disk_sequence)
        kernel_disk_sequence(run->intent.store, &run->intent.store_disk_sequence);
}

/* A run that was killed leaves its cookie, and where it is to be found. */
static void take_up_record(struct run *run)
{
    struct intent left;
    run->intent.cookie = 0;
    if (intent_file_read(run->state_directory, &run->intent, &left) < 0 ||
        !intent_same_snapshot(&left, &run->intent))
        return;
    run->intent.store_disk_sequence = left.store_disk_sequence;
    run->intent.handing_over = left.handing_over;
    run->intent.asked_lvm = run->result.asked_lvm = run->intent.asked_lvm || left.asked_lvm;
    if (left.cookie)
        kernel_cookie_release(left.cookie, 0);
}

/* Holding the device exclusively keeps a mount away between the check and the swap. Readers such as udev's
 * blkid are not kept away, but waited for a moment. */
static int resume_closed(dev_t device, uint32_t cookie)
{
    unsigned count = 0;
    int r = 0, fd = kernel_device_open(device, O_RDONLY | O_EXCL | O_NONBLOCK);
    if (fd < 0)
        return fd;
    for (int i = 0; i < CLOSED_TRIES && (r = kernel_open_count(device, &count)) == 0 && count > 1; i++)
        nanosleep(&(struct timespec){.tv_nsec = CLOSED_PAUSE_NSEC}, NULL);
    if (r == 0)
        r = count == 1 ? kernel_resume(device, cookie) : -EBUSY;
    close(fd);
    return r;
}

/* A store that is gone needs no zeroing, and one of its number that came after it is somebody else's. */
static int zero_store(const struct run *run, bool only_if_merged)
{
    uint64_t sequence = 0;
    int r = kernel_disk_sequence(run->intent.store, &sequence);
    if (r < 0)
        return r;
    if (sequence != run->intent.store_disk_sequence)
        return 0;
    r = store_device_zero(run->intent.store, only_if_merged);
    return r == -ENXIO ? 0 : r;
}

/* A record that is there must go: after a reboot it would be gone on with. */
static bool was_never_recorded(const struct run *run)
{
    struct intent left;
    return may_go_unrecorded(&run->intent) &&
           intent_file_read(run->state_directory, &run->intent, &left) == -ENOENT;
}

static int forget(struct run *run)
{
    release_cookie(run);
    int r = intent_file_remove(run->state_directory, &run->intent);
    if (r < 0 && !was_never_recorded(run))
        return r;
    run->recorded = false;
    run->result.ended = true;
    return 0;
}

static int resume(struct run *run, dev_t device)
{
    bool grows = run->intent.action == ACTION_EXTEND && device == run->intent.store;
    int r = grows ? store_growth_lock(run->state_directory, &run->growth_lock, run->why) : 0;
    if (r == 0)
        r = kernel_resume(device, run->intent.cookie);
    if (r == 0 && grows) {
        close(run->growth_lock);
        run->growth_lock = -1;
    }
    return r;
}

/* What lvm has taken on is recorded at once. */
static int take_lvm_step(struct run *run, const struct step *step)
{
    bool had_asked = run->intent.asked_lvm;
    snprintf(run->lvm_words, sizeof(run->lvm_words), "lvm's commands change nothing");
    if (run->n_lvm_steps++ >= LVM_STEPS_MAX)
        return -ELOOP;
    run->lvm_words[0] = '\0';
    if (step->kind == STEP_LVM_CONFIRM && run->lvm_has_extended)
        return 0;
    int r = lvm_action_step(step, &run->intent, run->lvm_words);
    run->result.asked_lvm = run->intent.asked_lvm;
    run->result.grow_to_sectors = run->intent.grow_to_sectors;
    run->lvm_has_extended = run->lvm_has_extended || (r == 0 && step->kind == STEP_LVM_EXTEND);
    if (r == 0 && run->lvm_words[0])
        strcpy(run->lvm_said, run->lvm_words);
    if (r == 0 && run->intent.asked_lvm != had_asked)
        r = store(run);
    return r;
}

static int carry_out(struct run *run, const struct step *step)
{
    switch (step->kind) {
    case STEP_LOAD:
        return kernel_load(step->device, &step->table);
    case STEP_CLEAR:
        return kernel_clear(step->device);
    case STEP_SUSPEND:
        return kernel_suspend(step->device);
    case STEP_RESUME:
        return resume(run, step->device);
    case STEP_RESUME_CLOSED:
        return resume_closed(step->device, run->intent.cookie);
    case STEP_REMOVE:
        return kernel_remove(step->device, false, run->intent.cookie);
    case STEP_REMOVE_DEFERRED:
        return kernel_remove(step->device, true, run->intent.cookie);
    case STEP_PROVE_MERGED:
        return store_device_is_merged(run->intent.store, run->intent.chunk_sectors);
    case STEP_ZERO_MERGED:
        return zero_store(run, true);
    case STEP_ZERO:
        return zero_store(run, false);
    case STEP_GROW_TABLE:
        return store_growth_load(&run->intent, run->state_directory, &run->growth_lock, run->why);
    case STEP_GROW_LOOP:
        return store_growth_loop(&run->intent, run->why);
    case STEP_FORGET:
        return forget(run);
    default:
        return take_lvm_step(run, step);
    }
}

static bool may_stall_io(enum step_kind kind)
{
    return kind == STEP_SUSPEND || kind == STEP_RESUME || kind == STEP_RESUME_CLOSED;
}

static void fail(struct run *run, const char *what, int error)
{
    run->result.error = error;
    if (run->why[0])
        snprintf(run->result.reason, sizeof(run->result.reason), "%s", run->why);
    else
        snprintf(run->result.reason, sizeof(run->result.reason), "%s: %s%s%s", what, strerror(-error),
                 last_complaint[0] ? "; " : "", last_complaint);
}

/* The store still holds what a merge would have emptied: somebody else took the snapshot away before it. */
static int abandon_unmerged(struct run *run)
{
    run->result.verdict = PLAN_ABANDON;
    snprintf(run->result.reason, sizeof(run->result.reason),
             "it went before it was merged: its store still holds exceptions and is left as it is");
    return forget(run);
}

/* Looking changes nothing: while the kernel merges, nothing is recorded. */
static int prove(struct run *run, const struct step *step)
{
    int r = carry_out(run, step);
    if (r == -ENOTEMPTY)
        run->result.verdict = PLAN_WAIT;
    else if (r < 0)
        fail(run, step_kind_name(step->kind), r);
    return r;
}

static int take_step(struct run *run, const struct step *step)
{
    if (step->kind == STEP_PROVE_MERGED)
        return prove(run, step);
    int r = step->kind == STEP_FORGET ? 0 : record(run); /* nothing is recorded to be forgotten */
    if (r == -ESTALE || (r < 0 && may_go_unrecorded(&run->intent))) { /* stale: it has gone; this tidies up */
        run->intent.cookie = 0;
    } else if (r < 0) {
        fail(run, "recording the intent", r);
        return r;
    }
    if (may_stall_io(step->kind) && (r = lock_memory(run)) < 0) {
        fail(run, "locking memory", r);
        return r;
    }
    last_complaint[0] = run->why[0] = '\0';
    r = carry_out(run, step);
    if (r == -ENOTEMPTY && step->kind == STEP_ZERO_MERGED)
        r = abandon_unmerged(run);
    /* Opened in the last moment: the next plan sees it and takes the beginning back. */
    if (r == -EBUSY && (step->kind == STEP_RESUME_CLOSED || step->kind == STEP_REMOVE))
        return -EAGAIN;
    if (r < 0)
        fail(run, step_kind_name(step->kind), r);
    if (r < 0 && step_kind_is_lvm(step->kind))
        strcpy(run->result.reason, run->lvm_words);
    return r;
}

static int observe_and_plan(struct run *run, struct plan *ret_plan)
{
    struct observation seen = {0};
    int r = kernel_observe(&seen);
    if (r < 0) {
        fail(run, "looking at the devices", r);
        return r;
    }
    plan_make(&run->intent, &seen, ret_plan);
    observation_done(&seen);
    run->result.begun = ret_plan->begun;
    if (!run->result.ended)
        run->result.verdict = ret_plan->verdict;
    return 0;
}

/* It may wait until the next boot, where it must be found. No cookie is needed for that. A merge that runs and may go
 * unrecorded has not failed for want of a record. */
static void record_waiting(struct run *run, const struct plan *plan)
{
    bool waits = plan->verdict == PLAN_DEFER || plan->verdict == PLAN_WAIT || intent_is_ordered(&run->intent);
    bool runs = plan->verdict == PLAN_WAIT && may_go_unrecorded(&run->intent);
    int r = waits && !run->recorded ? store(run) : 0;
    if (r < 0 && !runs)
        fail(run, "recording the intent", r);
}

/* The next step, and those behind it until the tables have changed: then the plan is another. */
static int take_steps(struct run *run, const struct plan *plan)
{
    int r = record_merge(run, plan);
    if (r < 0)
        fail(run, "recording the merge", r);
    for (size_t i = 0; i < plan->n_steps && r == 0; i++) {
        r = take_step(run, &plan->steps[i]);
        if (step_kind_changes_tables(plan->steps[i].kind) || run->result.ended)
            break;
    }
    return r;
}

/* What lvm says of its end is not what counts: a command that failed may have done its part, or find it done. */
static bool has_moved_on(struct run *run, const struct plan *plan)
{
    struct plan next;
    struct action_result failure = run->result;
    if (!step_kind_is_lvm(plan->steps[0].kind) || observe_and_plan(run, &next) < 0)
        return false;
    bool same = next.n_steps > 0 && next.steps[0].kind == plan->steps[0].kind;
    if (same)
        run->result = failure;
    else
        run->result.error = 0;
    return !same;
}

static void pursue(struct run *run)
{
    struct plan plan;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (observe_and_plan(run, &plan) < 0)
            return;
        snprintf(run->result.reason, sizeof(run->result.reason), "%s", plan.reason);
        if (plan.n_steps == 0) {
            record_waiting(run, &plan);
            return;
        }
        int r = take_steps(run, &plan);
        if (run->result.ended || (r < 0 && r != -EAGAIN && !has_moved_on(run, &plan)))
            return;
    }
    fail(run, "the steps go in a circle", -ELOOP);
}

/* After a failed step nothing stays suspended until the next try: a beginning is taken back as if it were no longer
 * wanted. Past the point of no return there is nothing to take back. */
static void take_back(struct run *run)
{
    struct plan plan;
    struct action_result failure = run->result;
    bool interrupted = run->intent.interrupted;
    run->intent.cancelled = true;
    run->intent.interrupted = false;
    for (int round = 0; round < PLAN_STEPS_MAX; round++)
        if (observe_and_plan(run, &plan) < 0 || plan.begun || plan.n_steps == 0 ||
            plan.steps[0].kind == STEP_FORGET || take_step(run, &plan.steps[0]) < 0)
            break;
    run->intent.cancelled = false;
    run->intent.interrupted = interrupted;
    failure.begun = run->result.begun || interrupted;
    run->result = failure;
}

/* Between two stretches of work (the kernel merges, somebody has the device open) no cookie is held. */
static void rest(struct run *run)
{
    if (!run->recorded)
        return;
    release_cookie(run);
    run->intent.handing_over = run->intent.handing_over && run->result.begun;
    store(run);
}

void dm_action_run(const void *argument, int result_fd)
{
    const struct dm_action *action = argument;
    struct run run = {
        .intent = action->intent,
        .earlier = action->earlier,
        .state_directory = action->state_directory,
        .growth_lock = -1,
    };
    kernel_open(note_complaint);
    if (dm_uuid_is_lvm(run.intent.uuid))
        lvm_tool_heed_hurry();
    take_up_record(&run);
    identify_store(&run);
    pursue(&run);
    if (run.result.error)
        take_back(&run);
    rest(&run);
    if (run.result.ended && !run.result.reason[0])
        strcpy(run.result.reason, run.lvm_said);
    if (write(result_fd, &run.result, sizeof(run.result)) != sizeof(run.result))
        _exit(1);
}
