/* recall: what was under way when the daemon went down is gone on with by what its record knows. */
#include "cowherd/intent_file.h"
#include "cowherd/recall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define BOOT "11111111-1111-1111-1111-111111111111"
#define NOW  UINT64_C(1000000)

static char directory[64];
static struct errands errands;
static struct recall recall;

/* A merge that lvm has taken on, and that waits for its origin to be closed. */
static struct intent deferred_merge(void)
{
    return (struct intent){
        .action = ACTION_MERGE,
        .role = ROLE_BACKUP,
        .rung = "at 50% = merge",
        .name = "vg0-s",
        .uuid = "LVM-s",
        .device = makedev(254, 3),
        .disk_sequence = 7,
        .origin = makedev(254, 1),
        .store = makedev(254, 2),
        .handing_over = true,
        .asked_lvm = true,
        .boot_id = BOOT,
    };
}

/* What a rung that is crossed wants of the same snapshot: it knows nothing of lvm's answer. */
static struct intent crossed(enum action_kind action, const char *rung)
{
    struct intent intent = deferred_merge();
    intent.action = action;
    intent.handing_over = intent.asked_lvm = false;
    strcpy(intent.rung, rung);
    return intent;
}

static struct errand *restart_with(const struct intent *recorded)
{
    assert_int_equal(intent_file_store(directory, recorded), 0);
    recall_read(&recall, NOW);
    assert_int_equal(errands.n_items, 1);
    return errands.items[0];
}

/* At the first look after the start, before the recorded one had its first plan. */
static void test_its_own_rung_takes_no_place(void **state)
{
    struct intent recorded = deferred_merge(), again = crossed(ACTION_MERGE, "at 50% = merge");
    struct errand *errand = restart_with(&recorded);
    (void)state;
    assert_int_equal(errands_begin(&errands, &again, NULL, false, false, NOW), 0);
    assert_int_equal(errands.n_items, 1);
    assert_true(errand->pursuit.intent.asked_lvm);
    assert_true(errand->pursuit.intent.handing_over);
    assert_true(errand->pursuit.recorded);
    assert_true(errand->goes_on);
    assert_false(errand->has_successor);
}

/* It may have begun: the next rung waits for the plan that shows it. */
static void test_the_next_rung_is_its_successor(void **state)
{
    struct intent recorded = deferred_merge(), next = crossed(ACTION_DROP, "at 90% = drop");
    struct errand *errand = restart_with(&recorded);
    (void)state;
    assert_int_equal(errands_begin(&errands, &next, NULL, false, false, NOW), 0);
    assert_int_equal(errand->pursuit.intent.action, ACTION_MERGE);
    assert_true(errand->pursuit.intent.asked_lvm);
    assert_true(errand->has_successor);
    assert_int_equal(errand->successor.action, ACTION_DROP);
}

static int start(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/cowherd-test.XXXXXX");
    errands = (struct errands){.state_directory = directory};
    recall = (struct recall){.errands = &errands, .boot_id = BOOT};
    return mkdtemp(directory) ? sd_event_new(&errands.event) : -1;
}

static int stop(void **state)
{
    struct intent recorded = deferred_merge();
    (void)state;
    recall_done(&recall);
    errands_done(&errands);
    sd_event_unref(errands.event);
    return intent_file_remove(directory, &recorded) || rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_its_own_rung_takes_no_place, start, stop),
        cmocka_unit_test_setup_teardown(test_the_next_rung_is_its_successor, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
