/* account_member: what a member tells, and how far a merge is. */
#include "cowherd/account_member.h"
#include "cowherd/exception_store.h"
#include "cowherd/fill_rate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define CHUNK 8

static struct rung rungs[] = {
    {.condition = {CONDITION_USED, 5000}, .text = (char *)"at 50% = alert"},
    {.condition = {CONDITION_USED, 7500}, .text = (char *)"at 75% = drop"},
    {.condition = {CONDITION_LOST, 0}, .text = (char *)"on lost = alert critical"},
};

static struct policy policy = {.pattern = (char *)"LVM-*", .by_uuid = true, .rungs = rungs, .n_rungs = 3};

/* A store of 1000 chunks, 600 of them used, filled at 1 KiB a second. */
static struct member valid_member(void)
{
    struct member member = {
        .name = "a \n\xff",
        .uuid = "LVM-x",
        .device = makedev(254, 7),
        .target = {.kind = TARGET_SNAPSHOT,
                   .start_sectors = 64,
                   .origin = makedev(8, 16),
                   .store = makedev(8, 32),
                   .chunk_sectors = CHUNK,
                   .status = {.state = SNAPSHOT_VALID,
                              .used_sectors = 600 * CHUNK,
                              .total_sectors = 1000 * CHUNK,
                              .metadata_sectors = 4 * CHUNK,
                              .has_metadata = true}},
        .role = ROLE_BACKUP,
        .policy = &policy,
        .has_sample = true,
        .sample = {.used_sectors = 600 * CHUNK,
                   .total_sectors = 1000 * CHUNK,
                   .chunks_left = 398,
                   .bytes_left = 398 * CHUNK * SECTOR_BYTES,
                   .rate_bytes_per_second = 1024,
                   .time_left_usec = 1592500000},
        .asked_usec = 5,
    };
    member.ladder.marks[0].fired = true;
    return member;
}

static void test_everything_it_tells(void **state)
{
    (void)state;
    struct member member = valid_member();
    struct account account;
    assert_int_equal(account_of_member(&member, 1000, &account), 0);
    assert_string_equal(account.name, "a \n\xff");
    assert_string_equal(account.uuid, "LVM-x");
    assert_int_equal(account.major, 254);
    assert_int_equal(account.minor, 7);
    assert_int_equal(account.start_sectors, 64);
    assert_string_equal(account.role, "backup");
    assert_string_equal(account.state, "valid");
    assert_string_equal(account.origin, "8:16");
    assert_string_equal(account.origin_device, "8:16");
    assert_string_equal(account.store, "8:32");
    assert_string_equal(account.store_device, "8:32");
    assert_true(account.has_usage);
    assert_int_equal(account.used_sectors, 600 * CHUNK);
    assert_int_equal(account.metadata_sectors, 4 * CHUNK);
    struct exception_store store = {
        .total_sectors = 1000 * CHUNK, .chunk_sectors = CHUNK, .persistent = true};
    assert_int_equal(account.chunks_left, exception_store_chunks_left(&store, 600 * CHUNK));
    assert_int_equal(account.free_bytes, account.chunks_left * CHUNK * SECTOR_BYTES);
    assert_true(account.used_percent == 60.0);
    assert_true(account.has_rate);
    assert_int_equal(account.fill_rate_bytes, 1024);
    assert_true(account.seconds_left == 1592.5);
    assert_int_equal(account.looked_usec, 1005);
    account_done(&account);
}

static void test_its_ladder(void **state)
{
    (void)state;
    struct member member = valid_member();
    struct account account;
    assert_int_equal(account_of_member(&member, 0, &account), 0);
    assert_string_equal(account.section, "snapshot uuid:LVM-*");
    assert_int_equal(account.n_rungs, 3);
    assert_string_equal(account.rungs[1].text, "at 75% = drop");
    assert_true(account.rungs[0].fired);
    assert_false(account.rungs[1].fired);
    assert_false(account.rungs[2].fired);
    assert_null(account.rungs[1].in_time);
    assert_string_equal(account.next_rung, "at 75% = drop");
    account_done(&account);
    member.policy = NULL;
    assert_int_equal(account_of_member(&member, 0, &account), 0);
    assert_null(account.section);
    assert_int_equal(account.n_rungs, 0);
    assert_null(account.next_rung);
    account_done(&account);
}

/* What its store held when it was lost is no usage of now. */
static void test_lost(void **state)
{
    (void)state;
    struct member member = valid_member();
    struct account account;
    member.target.status = (struct snapshot_status){.state = SNAPSHOT_MERGE_FAILED};
    member.lost_told = true;
    assert_int_equal(account_of_member(&member, 0, &account), 0);
    assert_string_equal(account.state, "Merge failed");
    assert_false(account.has_usage);
    assert_false(account.has_rate);
    assert_true(account.seconds_left < 0);
    assert_int_equal(account.used_sectors, 0);
    assert_int_equal(account.chunk_sectors, CHUNK);
    assert_null(account.next_rung);
    assert_true(account.rungs[2].fired);
    account_done(&account);
}

static void test_nothing_fills_it(void **state)
{
    (void)state;
    struct member member = valid_member();
    struct account account;
    member.sample.time_left_usec = TIME_UNKNOWN_USEC;
    assert_int_equal(account_of_member(&member, 0, &account), 0);
    assert_true(account.seconds_left < 0);
    account_done(&account);
    member = valid_member();
    member.target.kind = TARGET_SNAPSHOT_MERGE; /* whatever it was filled at before */
    assert_int_equal(account_of_member(&member, 0, &account), 0);
    assert_string_equal(account.state, "merging");
    assert_true(account.seconds_left < 0);
    assert_null(account.next_rung);
    account_done(&account);
}

/* 595 exceptions and 4 chunks of metadata were there: F(595) = 2 + 595 + 595/256 = 599. */
static void test_merge_progress(void **state)
{
    (void)state;
    struct target target = valid_member().target;
    uint64_t used = 599 * CHUNK;
    assert_true(account_merged_percent(&target, used) == 0); /* not begun */
    target.kind = TARGET_SNAPSHOT_MERGE;
    target.status.metadata_sectors = 4 * CHUNK;
    target.status.used_sectors = (595 + 4) * CHUNK;
    assert_true(account_merged_percent(&target, used) == 0);
    target.status.used_sectors = (119 + 4) * CHUNK;
    assert_true(account_merged_percent(&target, used) == 80.0);
    target.status.used_sectors = (700 + 4) * CHUNK; /* more came before it was begun */
    assert_true(account_merged_percent(&target, used) == 0);
    target.status.used_sectors = 4 * CHUNK;
    assert_true(account_merged_percent(&target, used) == 100);
    assert_true(account_merged_percent(&target, 0) == 100);
    target.status.has_metadata = false;
    assert_true(account_merged_percent(&target, used) < 0);
    target.status = (struct snapshot_status){.state = SNAPSHOT_OVERFLOW};
    assert_true(account_merged_percent(&target, used) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_it_tells),
        cmocka_unit_test(test_its_ladder),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_nothing_fills_it),
        cmocka_unit_test(test_merge_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
