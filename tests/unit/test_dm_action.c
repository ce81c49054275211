/* dm_action: the acting child and its daemon against a model kernel, with every fault and every pair of faults.
 *
 * dm_action.c, pursuit.c and the plans are the real ones; what they call of the kernel, of the intents on disk and of the
 * store is played here. Each of those calls is a point at which child and daemon are killed, before and after it, or the
 * child alone (it hangs past its deadline), or at which it fails. Behind the first fault the calls are counted anew, in
 * whatever order they are then made, and the second one is tried at each of them.
 */
#include "cowherd/dm_action.h"
#include "cowherd/intent_file.h"
#include "cowherd/kernel.h"
#include "cowherd/lvm_action.h"
#include "cowherd/lvm_tool.h"
#include "cowherd/store_device.h"
#include "cowherd/store_growth.h"
#include "model_actions.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS_MAX  60 /* of the daemon; a pursuit that never ends needs more */
#define COOKIES_MAX 64
#define SEQUENCE    7     /* the store's */
#define SHORT       49152 /* sectors of a store that is to be extended */
#define LONG        65536

enum fault_kind {
    FAULT_KILL_BEFORE,
    FAULT_KILL_AFTER,
    FAULT_HANG, /* before the call, until the child is killed */
    FAULT_EIO,
    FAULT_EBUSY, /* what the child takes for "somebody has it open" */
    N_FAULTS,
};

struct fault {
    int at; /* 1: at the first call from here on; 0: none */
    enum fault_kind kind;
};

enum child_end { CHILD_ENDED, CHILD_HANGS, CHILD_KILLED }; /* killed: the daemon with it */

static struct machine machine;
static bool recorded; /* the intent is on disk */
static struct intent record;
static bool disk_is_full;        /* nothing can be recorded */
static int looks_to_replacement; /* with that look the store becomes another disk of its number; 0: none */
static uint64_t store_sequence = SEQUENCE;
static bool cookies[COOKIES_MAX]; /* those there are */
static uint32_t n_cookies;
static struct fault faults[2];
static int n_faults;  /* that have come */
static int calls;     /* since the last fault */
static bool is_fatal; /* after this call */
static jmp_buf child_dies;
static int result_pipe[2];

/* ---- faults */

static bool is_due(enum fault_kind *ret_kind)
{
    calls++;
    if (n_faults == 2 || faults[n_faults].at != calls)
        return false;
    *ret_kind = faults[n_faults++].kind;
    calls = 0;
    return true;
}

/* Before a call of the child's. Returns the error that it is to fail with, or 0. */
static int enter(void)
{
    enum fault_kind kind;
    if (!is_due(&kind))
        return 0;
    switch (kind) {
    case FAULT_KILL_BEFORE:
        longjmp(child_dies, CHILD_KILLED);
    case FAULT_HANG:
        longjmp(child_dies, CHILD_HANGS);
    case FAULT_KILL_AFTER:
        is_fatal = true;
        return 0;
    case FAULT_EBUSY:
        return -EBUSY;
    default:
        return -EIO;
    }
}

static int leave(int result)
{
    if (is_fatal) {
        is_fatal = false;
        longjmp(child_dies, CHILD_KILLED);
    }
    return result;
}

/* ---- what the child calls */

void kernel_open(void (*log)(int priority, const char *message))
{
    (void)log;
}

int mlockall(int flags)
{
    (void)flags;
    return 0; /* a test need not be allowed to */
}

int kernel_observe(struct observation *ret_observation)
{
    int r = enter();
    if (r < 0)
        return r;
    *ret_observation = (struct observation){0};
    if (!is_fatal)
        observe(&machine, ret_observation);
    if (looks_to_replacement > 0 && --looks_to_replacement == 0)
        store_sequence++;
    return leave(0);
}

static int change(dev_t number, int (*operation)(struct model_device *device, const void *argument),
                  const void *argument)
{
    int r = enter();
    if (r < 0)
        return r;
    struct model_device *device = find_device(&machine, number);
    return leave(device ? operation(device, argument) : -ENXIO);
}

static int load(struct model_device *device, const void *table)
{
    return model_load(&machine, device, table);
}

static int clear(struct model_device *device, const void *argument)
{
    (void)argument;
    destroy_table(&machine, &device->inactive);
    return 0;
}

static int suspend(struct model_device *device, const void *argument)
{
    (void)argument;
    device->suspended = true;
    return 0;
}

/* A store that is a dm device is as long as its table: the kernel asks it for its size. */
static int resume(struct model_device *device, const void *argument)
{
    (void)argument;
    int r = model_resume(&machine, device);
    if (device->number == STORE)
        machine.stores[C].total_sectors = device->active.targets[0].length_sectors;
    return r;
}

static int take_away(struct model_device *device, const void *deferred)
{
    return model_remove(&machine, device, *(const bool *)deferred);
}

int kernel_load(dev_t device, const struct target *table)
{
    return change(device, load, table);
}

int kernel_clear(dev_t device)
{
    return change(device, clear, NULL);
}

int kernel_suspend(dev_t device)
{
    return change(device, suspend, NULL);
}

int kernel_resume(dev_t device, uint32_t cookie)
{
    assert_true(!cookie || cookies[cookie]);
    return change(device, resume, NULL);
}

static int load_longer(struct model_device *store, const void *argument)
{
    struct target table = store->active.targets[0];
    (void)argument;
    table.length_sectors = LONG;
    return model_load(&machine, store, &table);
}

/* No child is beside this one. */
int store_growth_lock(const char *state_directory, int *lock_fd, char reason[static GROWTH_REASON_MAX])
{
    (void)state_directory, (void)lock_fd;
    reason[0] = '\0';
    return 0;
}

int store_growth_load(const struct intent *intent, const char *state_directory, int *lock_fd,
                      char reason[static GROWTH_REASON_MAX])
{
    (void)state_directory, (void)lock_fd;
    reason[0] = '\0';
    return change(intent->store, load_longer, NULL);
}

int store_growth_loop(const struct intent *intent, char reason[static GROWTH_REASON_MAX])
{
    reason[0] = '\0';
    int r = enter();
    if (r < 0)
        return r;
    machine.stores[C].total_sectors = intent->grow_to_sectors;
    return leave(0);
}

/* None of these snapshots is lvm's. */
int lvm_action_step(const struct step *step, struct intent *intent, char words[static PLAN_REASON_MAX])
{
    (void)step, (void)intent, (void)words;
    fail_msg("a command of lvm's for a snapshot that is not");
    return -EINVAL;
}

void lvm_tool_heed_hurry(void)
{
    fail_msg("a command of lvm's for a snapshot that is not");
}

int kernel_remove(dev_t device, bool deferred, uint32_t cookie)
{
    assert_true(!cookie || cookies[cookie]);
    return change(device, take_away, &deferred);
}

/* Somebody else than the child, who has it open while he asks. */
int kernel_open_count(dev_t device, unsigned *ret_count)
{
    *ret_count = find_device(&machine, device)->open_count + 1;
    return 0;
}

int kernel_device_open(dev_t device, int flags)
{
    (void)device;
    int fd = open("/dev/null", flags);
    return fd < 0 ? -errno : fd;
}

int kernel_disk_sequence(dev_t device, uint64_t *ret_sequence)
{
    assert_true(device == STORE || device == LOOP_STORE);
    *ret_sequence = store_sequence;
    return 0;
}

int kernel_cookie_choose(uint32_t *ret_cookie)
{
    assert_true(n_cookies + 1 < COOKIES_MAX);
    *ret_cookie = ++n_cookies;
    return 0;
}

/* No cookie is made that could not be found after a crash. */
int kernel_cookie_create(uint32_t cookie)
{
    assert_true(recorded && record.cookie == cookie);
    int r = enter();
    if (r < 0)
        return r;
    cookies[cookie] = true;
    return leave(0);
}

/* However it fails, the cookie is gone. */
int kernel_cookie_release(uint32_t cookie, uint64_t wait_usec)
{
    (void)wait_usec;
    int r = enter();
    cookies[cookie] = false;
    return leave(r);
}

int store_device_zero(dev_t store, bool only_if_merged)
{
    assert_true(recorded || only_if_merged); /* a live merge is not held up where it cannot be recorded */
    int r = enter();
    return r < 0 ? r : leave(model_zero(&machine, store, only_if_merged));
}

int store_device_is_merged(dev_t store, uint32_t chunk_sectors)
{
    (void)chunk_sectors;
    int r = enter();
    return r < 0 ? r : leave(model_is_merged(&machine, store));
}

int intent_file_store(const char *directory, const struct intent *intent)
{
    (void)directory;
    int r = enter();
    if (r < 0 || disk_is_full)
        return r < 0 ? r : -ENOSPC;
    if (recorded && intent_must_yield(intent, &record))
        return leave(-ESTALE);
    recorded = true;
    record = *intent;
    return leave(0);
}

int intent_file_read(const char *directory, const struct intent *intent, struct intent *ret_intent)
{
    (void)directory, (void)intent;
    if (!recorded)
        return -ENOENT;
    *ret_intent = record;
    return 0;
}

int intent_file_remove(const char *directory, const struct intent *intent)
{
    (void)directory;
    int r = enter();
    if (r < 0)
        return r;
    recorded = recorded && !intent_same_snapshot(&record, intent);
    return leave(0);
}

/* ---- the daemon */

static enum child_end run_child(const struct intent *intent, struct action_result *ret_result)
{
    struct dm_action action = {.intent = *intent, .state_directory = "/nowhere"};
    int end = setjmp(child_dies);
    if (end != CHILD_ENDED)
        return (enum child_end)end;
    dm_action_run(&action, result_pipe[1]);
    assert_int_equal(read(result_pipe[0], ret_result, sizeof(*ret_result)), sizeof(*ret_result));
    return CHILD_ENDED;
}

static void plan_now(const struct intent *intent, struct plan *ret_plan)
{
    struct observation seen = {0};
    observe(&machine, &seen);
    plan_make(intent, &seen, ret_plan);
    observation_done(&seen);
}

/* As errand.c: what became of a child that was killed is not known. Returns whether the daemon lives on. */
static bool act(struct pursuit *pursuit, uint64_t now_usec)
{
    struct action_result result = {.verdict = PLAN_REFUSE, .begun = true, .error = -ETIMEDOUT};
    enum child_end end = run_child(&pursuit->intent, &result);
    if (end == CHILD_KILLED)
        return false;
    pursuit_take_result(pursuit, &result, now_usec);
    return true;
}

/* What could not be begun is taken back before it is tried again, if nothing hinders that. */
static void assert_nothing_held(const struct pursuit *pursuit)
{
    for (size_t i = 0; i < N_DEVICES && !pursuit->begun && n_faults < 2; i++)
        if (machine.devices[i].suspended || machine.devices[i].inactive.n_targets > 0)
            fail_msg("%s is left suspended or half loaded: %s", device_names[i], pursuit->reason);
}

static bool is_idle(const struct pursuit *pursuit)
{
    return pursuit->phase == PURSUIT_DEFERRED || pursuit->phase == PURSUIT_RETRYING;
}

/* One life of the daemon: to the end of its pursuit, or to its own. Returns whether it came to the former. */
static bool live(const struct intent *decided, uint64_t *now_usec)
{
    struct pursuit pursuit;
    struct plan plan;
    unsigned tell;
    pursuit_begin(&pursuit, recorded ? &record : decided, recorded, *now_usec);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        plan_now(&pursuit.intent, &plan);
        if (pursuit_consider(&pursuit, &plan, *now_usec, &tell) && !act(&pursuit, *now_usec))
            return false;
        if (pursuit.phase == PURSUIT_ENDED)
            return true;
        if (pursuit.phase == PURSUIT_MERGING)
            merge(&machine, EXCEPTIONS / 2);
        if (is_idle(&pursuit))
            assert_nothing_held(&pursuit);
        *now_usec = pursuit.next_usec;
    }
    fail_msg("it does not end: %s", pursuit.reason);
    return false;
}

static void name_faults(char text[TEXT_MAX])
{
    static const char *const names[] = {"kill before", "kill after", "hang", "EIO", "EBUSY"};
    text[0] = '\0';
    for (int i = 0; i < 2; i++)
        if (faults[i].at)
            append(text, " %s call %d", names[faults[i].kind], faults[i].at);
}

/* To the end, whatever happens. Returns how many calls were made behind the last fault. */
static int run(const struct scenario *scenario, struct fault first, struct fault second)
{
    struct intent intent;
    uint64_t now_usec = 1;
    char text[TEXT_MAX], where[TEXT_MAX];
    scenario->prepare(&machine, &intent);
    recorded = false;
    memset(cookies, 0, sizeof(cookies));
    n_cookies = 0;
    faults[0] = first;
    faults[1] = second;
    n_faults = calls = 0;
    while (!live(&intent, &now_usec))
        ;
    describe(&machine, text);
    name_faults(where);
    if (strcmp(text, scenario->end) != 0)
        fail_msg("%s,%s: is\n%sshould be\n%s", scenario->name, where, text, scenario->end);
    assert_true(intent.action != ACTION_EXTEND || machine.stores[C].total_sectors == LONG);
    if (recorded || memchr(cookies, true, sizeof(cookies)))
        fail_msg("%s,%s: an intent or a cookie is left", scenario->name, where);
    assert_false(machine.swapped_while_open);
    return calls;
}

/* ---- extending: S live, its store short */

static void prepare_extend(struct machine *ret_machine, struct intent *ret_intent)
{
    scenarios[LIVE_MERGE].prepare(ret_machine, ret_intent);
    ret_machine->stores[C].total_sectors = SHORT;
    ret_intent->action = ACTION_EXTEND;
    ret_intent->grow_to_sectors = LONG;
    strcpy(ret_intent->extend_from, "/dev/spare");
}

static void prepare_extend_linear(struct machine *ret_machine, struct intent *ret_intent)
{
    prepare_extend(ret_machine, ret_intent);
    add_device(ret_machine, X, TARGET_LINEAR, 0);
    ret_machine->devices[X].number = STORE;
    ret_machine->devices[X].active.targets[0].origin = ELSEWHERE;
    ret_machine->devices[X].active.targets[0].length_sectors = SHORT;
}

static void prepare_extend_loop(struct machine *ret_machine, struct intent *ret_intent)
{
    prepare_extend(ret_machine, ret_intent);
    ret_machine->devices[S].active.targets[0].store = LOOP_STORE;
    ret_intent->store = LOOP_STORE;
}

static const struct scenario extensions[] = {
    {"extend, linear", prepare_extend_linear, 2, "",
     "S: snapshot\nX: linear of another part elsewhere\nC: 4000\n"},
    {"extend, loop", prepare_extend_loop, 1, "", "S: snapshot\nC: 4000\n"},
};

/* ---- the tests */

static const struct fault no_fault = {0};

static void test_without_a_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        assert_true(run(&scenarios[i], no_fault, no_fault) >= 8);
}

/* Behind each fault the run goes on, so the second is tried until it comes no more. */
static int every_second_fault(const struct scenario *scenario, struct fault first)
{
    int runs = 0, points = run(scenario, first, no_fault);
    for (int at = 1; at <= points; at++)
        for (int kind = 0; kind < N_FAULTS; kind++, runs++)
            run(scenario, first, (struct fault){at, (enum fault_kind)kind});
    return runs;
}

static void every_pair(const struct scenario *scenario)
{
    int runs = 0, points = run(scenario, no_fault, no_fault);
    for (int at = 1; at <= points; at++)
        for (int kind = 0; kind < N_FAULTS; kind++)
            runs += every_second_fault(scenario, (struct fault){at, (enum fault_kind)kind}) + 1;
    print_message("%s: %d points, %d runs with one or two faults\n", scenario->name, points, runs);
}

static void test_every_pair_of_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        every_pair(&scenarios[i]);
}

static void test_every_pair_while_extending(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
        every_pair(&extensions[i]);
}

/* It runs, and its end needs no record: nothing has failed. */
static void test_live_merge_on_a_full_disk(void **state)
{
    struct intent intent;
    struct action_result result;
    (void)state;
    scenarios[LIVE_MERGE].prepare(&machine, &intent);
    recorded = false;
    n_faults = 2; /* none to come */
    disk_is_full = true;
    assert_int_equal(run_child(&intent, &result), CHILD_ENDED);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verdict, PLAN_WAIT);
    merge(&machine, EXCEPTIONS);
    assert_int_equal(run_child(&intent, &result), CHILD_ENDED);
    assert_true(result.ended);
    disk_is_full = false;
}

static void begin_alone(size_t scenario, struct intent *ret_intent)
{
    scenarios[scenario].prepare(&machine, ret_intent);
    recorded = false;
    n_faults = 2; /* none to come */
}

/* The snapshot has gone, and one of the same origin and store has come that something is to be done with, too. */
static void test_another_snapshots_record_is_left(void **state)
{
    struct intent intent;
    struct action_result result;
    (void)state;
    begin_alone(DROP, &intent);
    destroy_device(&machine, &machine.devices[S]);
    recorded = true;
    record = intent;
    strcpy(record.uuid, "newer");
    record.disk_sequence++;
    assert_int_equal(run_child(&intent, &result), CHILD_ENDED);
    assert_true(result.ended);
    assert_true(recorded);
    assert_string_equal(record.uuid, "newer");
}

/* It was seen, and is another one when the intent is recorded. */
static void test_a_store_that_was_replaced_is_not_zeroed(void **state)
{
    struct intent intent;
    struct action_result result;
    (void)state;
    begin_alone(DROP, &intent);
    looks_to_replacement = 1;
    assert_int_equal(run_child(&intent, &result), CHILD_ENDED);
    assert_true(result.ended);
    assert_int_equal(store_sequence, SEQUENCE + 1);
    assert_false(machine.stores[C].zeroed);
    store_sequence = SEQUENCE;
}

static int set_up(void **state)
{
    (void)state;
    return pipe(result_pipe);
}

static int tear_down(void **state)
{
    (void)state;
    return close(result_pipe[0]) | close(result_pipe[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_fault),
        cmocka_unit_test(test_every_pair_of_faults),
        cmocka_unit_test(test_every_pair_while_extending),
        cmocka_unit_test(test_live_merge_on_a_full_disk),
        cmocka_unit_test(test_another_snapshots_record_is_left),
        cmocka_unit_test(test_a_store_that_was_replaced_is_not_zeroed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
