/* plan_overflow: a live snapshot that has overflowed is merged, and its merge is not ended before its store is proven to
 * be empty. */
#include "cowherd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define ORIGIN         makedev(1, 0)
#define STORE          makedev(1, 1)
#define SIBLING_STORE  makedev(1, 2)
#define SNAPSHOT       makedev(254, 1)
#define SIBLING        makedev(254, 2)
#define LENGTH_SECTORS 65536
#define CHUNK_SECTORS  8
#define TEXT_MAX       512

/* The snapshot, and a sibling where a case wants one. */
struct fixture {
    struct intent intent;
    struct target active[2], inactive;
    struct dm_device devices[2];
    struct observation seen;
};

static struct target snapshot_target(enum target_kind kind, dev_t store, enum snapshot_state state)
{
    return (struct target){.kind = kind,
                           .length_sectors = LENGTH_SECTORS,
                           .origin = ORIGIN,
                           .store = store,
                           .chunk_sectors = CHUNK_SECTORS,
                           .store_type = STORE_PERSISTENT_OVERFLOW,
                           .status = {.state = state}};
}

static void set_up(struct fixture *fixture, enum target_kind kind, enum snapshot_state state)
{
    *fixture = (struct fixture){0};
    fixture->active[0] = snapshot_target(kind, STORE, state);
    fixture->devices[0] = (struct dm_device){.name = "S",
                                             .number = SNAPSHOT,
                                             .active = {.targets = fixture->active, .n_targets = 1},
                                             .inactive = {.targets = &fixture->inactive}};
    fixture->seen = (struct observation){.devices = fixture->devices, .n_devices = 1};
    fixture->intent = (struct intent){.action = ACTION_MERGE,
                                      .role = ROLE_LIVE,
                                      .device = SNAPSHOT,
                                      .origin = ORIGIN,
                                      .store = STORE,
                                      .length_sectors = LENGTH_SECTORS,
                                      .chunk_sectors = CHUNK_SECTORS,
                                      .store_type = STORE_PERSISTENT_OVERFLOW,
                                      .used_centipercent = 9000};
}

static void add_sibling(struct fixture *fixture, uint64_t total_sectors)
{
    fixture->active[1] = snapshot_target(TARGET_SNAPSHOT, SIBLING_STORE, SNAPSHOT_VALID);
    fixture->active[1].status.used_sectors = 2 * CHUNK_SECTORS;
    fixture->active[1].status.total_sectors = total_sectors;
    fixture->devices[1] = (struct dm_device){
        .name = "T", .number = SIBLING, .active = {.targets = &fixture->active[1], .n_targets = 1}};
    fixture->seen.n_devices = 2;
}

static void load(struct fixture *fixture, struct target table)
{
    fixture->inactive = table;
    fixture->devices[0].inactive.n_targets = 1;
    fixture->devices[0].has_inactive = true;
}

/* The verdict, and the steps by name; a load with its table. */
static void expect_plan(const struct fixture *fixture, enum plan_verdict verdict, const char *steps)
{
    struct plan plan;
    char text[TEXT_MAX] = "";
    plan_make(&fixture->intent, &fixture->seen, &plan);
    for (size_t i = 0; i < plan.n_steps; i++) {
        size_t length = strlen(text);
        bool is_load = plan.steps[i].kind == STEP_LOAD;
        snprintf(text + length, sizeof(text) - length, "%s%s%s%s", i ? ", " : "",
                 step_kind_name(plan.steps[i].kind), is_load ? " " : "",
                 is_load ? target_kind_name(plan.steps[i].table.kind) : "");
    }
    assert_string_equal(text, steps);
    assert_int_equal(plan.verdict, verdict);
}

static void test_it_is_merged(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_OVERFLOW);
    expect_plan(&fixture, PLAN_ACT, "load snapshot-merge, resume");
    fixture.devices[0].open_count = 1;
    expect_plan(&fixture, PLAN_ACT, "load snapshot-merge, resume");
    load(&fixture, snapshot_target(TARGET_SNAPSHOT_MERGE, STORE, SNAPSHOT_UNKNOWN));
    expect_plan(&fixture, PLAN_ACT, "resume");
}

/* As after a kill at any point: no step that ends the merge comes without the proof before it. */
static void test_its_end_is_proven(void **state)
{
    struct fixture fixture;
    struct target linear = {.kind = TARGET_LINEAR, .length_sectors = LENGTH_SECTORS, .origin = ORIGIN};
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_OVERFLOW);
    expect_plan(&fixture, PLAN_ACT, "prove merged, load linear, resume, zero merged store, forget");
    load(&fixture, linear);
    expect_plan(&fixture, PLAN_ACT, "prove merged, resume, zero merged store, forget");
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_OVERFLOW);
    add_sibling(&fixture, 800);
    expect_plan(&fixture, PLAN_ACT, "prove merged, load snapshot-origin, resume, zero merged store, forget");
    /* One that can be read from the status needs none. */
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_VALID);
    fixture.active[0].status = (struct snapshot_status){
        .used_sectors = 16, .total_sectors = 800, .metadata_sectors = 16, .has_metadata = true};
    expect_plan(&fixture, PLAN_ACT, "load linear, resume, zero merged store, forget");
}

static void test_a_broken_merge_is_not_ended(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_INVALID);
    expect_plan(&fixture, PLAN_REFUSE, "");
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_MERGE_FAILED);
    expect_plan(&fixture, PLAN_REFUSE, "");
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_OVERFLOW);
    fixture.devices[0].suspended = true;
    expect_plan(&fixture, PLAN_DEFER, "");
    set_up(&fixture, TARGET_SNAPSHOT_MERGE, SNAPSHOT_OVERFLOW);
    load(&fixture, (struct target){.kind = TARGET_ERROR, .length_sectors = LENGTH_SECTORS});
    expect_plan(&fixture, PLAN_DEFER, "");
}

/* Nothing but a live merge can save anything. */
static void test_what_is_not_begun(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_OVERFLOW);
    fixture.intent.action = ACTION_DROP;
    expect_plan(&fixture, PLAN_ABANDON, "forget");
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_INVALID);
    expect_plan(&fixture, PLAN_ABANDON, "forget");
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_OVERFLOW);
    fixture.intent.cancelled = true;
    expect_plan(&fixture, PLAN_ABANDON, "forget");
}

/* The system runs on the origin: a rollback out of an overflowed store is not begun. */
static void test_not_in_the_backup_role(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_OVERFLOW);
    fixture.active[1] = (struct target){
        .kind = TARGET_SNAPSHOT_ORIGIN, .length_sectors = LENGTH_SECTORS, .origin = ORIGIN};
    fixture.devices[1] = (struct dm_device){
        .name = "D", .number = SIBLING, .active = {.targets = &fixture.active[1], .n_targets = 1}};
    fixture.seen.n_devices = 2;
    expect_plan(&fixture, PLAN_ABANDON, "forget");
    fixture.intent.role = ROLE_BACKUP;
    fixture.intent.origin_user = SIBLING;
    expect_plan(&fixture, PLAN_ABANDON, "forget");
}

/* How much it has to write is not known any more: only a sibling with room for all the origin is safe. */
static void test_its_siblings(void **state)
{
    const uint64_t origin_chunks = LENGTH_SECTORS / CHUNK_SECTORS, area = CHUNK_SECTORS * 512 / 16;
    const uint64_t room_for_all = (2 + origin_chunks + origin_chunks / area) * CHUNK_SECTORS;
    struct fixture fixture;
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_OVERFLOW);
    add_sibling(&fixture, room_for_all);
    expect_plan(&fixture, PLAN_ACT, "load snapshot-merge, resume");
    add_sibling(&fixture, room_for_all - CHUNK_SECTORS);
    expect_plan(&fixture, PLAN_REFUSE, "");
    fixture.active[1].status.state = SNAPSHOT_INVALID;
    expect_plan(&fixture, PLAN_ACT, "load snapshot-merge, resume");
}

/* A sibling that is longer than what is merged may have filled its store with what lies behind. */
static void test_a_longer_sibling(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture, TARGET_SNAPSHOT, SNAPSHOT_VALID);
    fixture.intent.used_centipercent = 0;
    fixture.intent.length_sectors = fixture.active[0].length_sectors = 100 * CHUNK_SECTORS;
    fixture.active[0].status = (struct snapshot_status){
        .used_sectors = 52 * CHUNK_SECTORS, .total_sectors = 200 * CHUNK_SECTORS}; /* 50 exceptions */
    add_sibling(&fixture, 112 * CHUNK_SECTORS);                                    /* 110 of them */
    fixture.active[1].status.used_sectors = 72 * CHUNK_SECTORS;                    /* 40 left */
    fixture.active[1].length_sectors = 100 * CHUNK_SECTORS;
    expect_plan(&fixture, PLAN_ACT, "load snapshot-merge, resume");
    fixture.active[1].length_sectors = 200 * CHUNK_SECTORS;
    expect_plan(&fixture, PLAN_REFUSE, "");
    fixture.active[1].status.used_sectors = 62 * CHUNK_SECTORS; /* 50 left */
    expect_plan(&fixture, PLAN_ACT, "load snapshot-merge, resume");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_merged),
        cmocka_unit_test(test_its_end_is_proven),
        cmocka_unit_test(test_a_broken_merge_is_not_ended),
        cmocka_unit_test(test_what_is_not_begun),
        cmocka_unit_test(test_not_in_the_backup_role),
        cmocka_unit_test(test_its_siblings),
        cmocka_unit_test(test_a_longer_sibling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
