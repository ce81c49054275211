/* recall: what was under way when the daemon went down is gone on with by what its record knows. */
#include "../../daemon/report/journal_private.h"
#include "cowherd/intent_file.h"
#include "cowherd/recall.h"
#include <errno.h>
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

/* A live merge that the kernel has ended while nobody ran. */
static struct intent ended_merge(void)
{
    struct intent intent = deferred_merge();
    intent.role = ROLE_LIVE;
    intent.asked_lvm = false;
    strcpy(intent.uuid, "raw");
    return intent;
}

static struct target merged_target = {
    .kind = TARGET_SNAPSHOT_MERGE,
    .length_sectors = 8192,
    .chunk_sectors = 8,
    .status = {.state = SNAPSHOT_VALID,
               .used_sectors = 16,
               .total_sectors = 1024,
               .metadata_sectors = 16,
               .has_metadata = true},
};

static struct dm_device merged_device = {
    .name = "vg0-s",
    .uuid = "raw",
    .disk_sequence = 7,
    .active = {.targets = &merged_target, .n_targets = 1},
};

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

/* Nor does it of an extension, unless it wants more than that. */
static void test_an_extension_of_the_same_size_is_under_way(void **state)
{
    struct intent recorded = crossed(ACTION_EXTEND, "at 75% = extend 20%"), again;
    (void)state;
    recorded.grow_to_sectors = 1200;
    again = recorded;
    struct errand *errand = restart_with(&recorded);
    assert_int_equal(errands_begin(&errands, &again, NULL, false, false, NOW), 0);
    assert_false(errand->has_successor);
    again.grow_to_sectors++;
    assert_int_equal(errands_begin(&errands, &again, NULL, false, false, NOW), 0);
    assert_true(errand->has_successor);
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

static bool knows_nothing(const struct intent *intent, struct sample *ret_sample, void *user)
{
    (void)intent, (void)ret_sample, (void)user;
    return false;
}

static int take_entry(const struct iovec *fields, int n_fields)
{
    (void)fields, (void)n_fields;
    return 0;
}

/* A reload may make a dry run of it: the record stays, and so does who goes on with it when the dry run ends. */
static void test_a_dry_run_keeps_what_has_begun(void **state)
{
    struct intent recorded = ended_merge(), read;
    struct errand *errand = restart_with(&recorded);
    struct observation seen = {.devices = &merged_device, .n_devices = 1};
    (void)state;
    merged_device.number = recorded.device;
    merged_target.origin = recorded.origin;
    merged_target.store = recorded.store;
    errands.dry_run = true;
    errands_consider(&errands, &seen, true, NOW);
    assert_int_equal(errands.n_items, 1);
    assert_false(errand->acting);
    assert_true(errands_next_usec(&errands) > NOW);
    assert_int_equal(intent_file_read(directory, &recorded, &read), 0);
    errands_consider(&errands, &seen, true, NOW + 1);
    assert_int_equal(errands.n_items, 1);
}

static int start(void **state)
{
    struct journal_outlet outlet = {.send = take_entry, .line_fd = -1};
    (void)state;
    strcpy(directory, "/tmp/cowherd-test.XXXXXX");
    errands = (struct errands){.state_directory = directory, .present = knows_nothing};
    if (journal_open_outlet("test", &outlet, &errands.journal) < 0)
        return -1;
    recall = (struct recall){.errands = &errands, .boot_id = BOOT};
    return mkdtemp(directory) ? sd_event_new(&errands.event) : -1;
}

static int stop(void **state)
{
    struct intent deferred = deferred_merge(), ended = ended_merge();
    (void)state;
    recall_done(&recall);
    errands_done(&errands);
    journal_close(errands.journal, 10000000);
    sd_event_unref(errands.event);
    intent_file_remove(directory, &deferred);
    intent_file_remove(directory, &ended); /* whichever there is */
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_its_own_rung_takes_no_place, start, stop),
        cmocka_unit_test_setup_teardown(test_an_extension_of_the_same_size_is_under_way, start, stop),
        cmocka_unit_test_setup_teardown(test_the_next_rung_is_its_successor, start, stop),
        cmocka_unit_test_setup_teardown(test_a_dry_run_keeps_what_has_begun, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
