/* growth: longer tables against a bitmap of a small device, who may use a spare device, and tables that wait. */
#include "cowherd/growth.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define SPARE     makedev(8, 16)
#define ELSEWHERE makedev(8, 32)
#define ORIGIN    makedev(8, 48)
#define STORE     makedev(254, 1)
#define SNAPSHOT  makedev(254, 2)
#define USER      makedev(254, 3)
#define SECTORS   4096 /* of the spare device: twice what is reserved */
#define ALIGN     8

static struct dm_device *add_device(struct observation *seen, dev_t number, const char *name)
{
    struct dm_device *device = observation_add(seen);
    assert_non_null(device);
    device->number = number;
    strcpy(device->name, name);
    return device;
}

static void add_target(struct dm_table *table, struct target target)
{
    target.start_sectors = growth_length_sectors(table);
    assert_int_equal(dm_table_add(table, &target), 0);
}

static void add_linear(struct dm_table *table, dev_t number, uint64_t offset, uint64_t length)
{
    add_target(table, (struct target){.kind = TARGET_LINEAR,
                                      .origin = number,
                                      .offset_sectors = offset,
                                      .length_sectors = length});
}

static struct spare spare_of(uint64_t sectors)
{
    return (struct spare){.path = "/dev/spare", .number = SPARE, .size_sectors = sectors};
}

/* ---- free extents */

static uint64_t seed;

static uint64_t any(uint64_t below)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return (seed >> 33) % below;
}

/* Users of the spare device, some of them with tables that only wait. */
static void scatter(struct observation *seen, bool *used)
{
    struct dm_device *user = add_device(seen, USER, "user");
    for (uint64_t i = any(8); i > 0; i--) {
        uint64_t offset = any(SECTORS), length = 1 + any(SECTORS / 4);
        if (length > SECTORS - offset)
            length = SECTORS - offset;
        bool waits = any(2);
        add_linear(waits ? &user->inactive : &user->active, SPARE, offset, length);
        memset(used + offset, true, length);
    }
    user->has_inactive = user->inactive.n_targets > 0;
}

static void place_store(struct observation *seen, bool *used)
{
    struct dm_device *store = add_device(seen, STORE, "store");
    uint64_t offset = any(SECTORS / ALIGN) * ALIGN, length = 0;
    while (offset + length < SECTORS && length < 64 && !used[offset + length])
        length++;
    add_linear(&store->active, ELSEWHERE, 100, 64);
    if (length == 0)
        return;
    add_linear(&store->active, SPARE, offset, length);
    memset(used + offset, true, length);
}

/* What can be had: whole aligned extents behind the reserve; behind the store's end also what is not aligned. */
static uint64_t count_free(const bool *used, const struct dm_table *active)
{
    uint64_t n = 0, run = 0, behind = 0;
    const struct target *last = &active->targets[active->n_targets - 1];
    uint64_t end = last->origin == SPARE ? last->offset_sectors + last->length_sectors : SECTORS;
    while (end + behind < SECTORS && !used[end + behind])
        behind++;
    behind -= behind % ALIGN;
    for (uint64_t i = GROWTH_RESERVED_SECTORS; i < SECTORS; i++) {
        bool is_free = !used[i] && !(i >= end && i < end + behind);
        run = is_free && (run > 0 || i % ALIGN == 0) ? run + 1 : 0;
        n += run > 0 && run % ALIGN == 0 ? ALIGN : 0;
    }
    return n + behind;
}

static void check_table(const struct dm_table *table, const struct dm_table *active, bool *used)
{
    uint64_t reach = 0;
    assert_in_range(table->n_targets, active->n_targets, GROWTH_TARGETS_MAX);
    for (size_t i = 0; i < table->n_targets; i++) {
        const struct target *target = &table->targets[i];
        uint64_t old = i < active->n_targets ? active->targets[i].length_sectors : 0;
        assert_int_equal(target->kind, TARGET_LINEAR);
        assert_int_equal(target->start_sectors, reach);
        reach += target->length_sectors;
        if (i < active->n_targets) {
            assert_true(target->origin == active->targets[i].origin);
            assert_int_equal(target->offset_sectors, active->targets[i].offset_sectors);
            assert_true(target->length_sectors == old ||
                        (i + 1 == active->n_targets && target->length_sectors > old));
        } else {
            assert_true(target->origin == SPARE);
            assert_int_equal(target->offset_sectors % ALIGN, 0);
            assert_true(target->offset_sectors >= GROWTH_RESERVED_SECTORS);
        }
        for (uint64_t at = target->offset_sectors + old; at < target->offset_sectors + target->length_sectors;
             at++) {
            assert_true(at < SECTORS);
            assert_false(used[at]);
            used[at] = true;
        }
    }
}

static void try_one(uint64_t number, unsigned *n_grown, unsigned *n_short)
{
    bool used[SECTORS] = {0};
    struct observation seen = {0};
    struct dm_table table = {0};
    char reason[GROWTH_REASON_MAX] = "";
    struct spare spare = spare_of(SECTORS);
    seed = number;
    scatter(&seen, used);
    place_store(&seen, used);
    const struct dm_device *store = observation_find(&seen, STORE);
    uint64_t wanted = (1 + any(SECTORS / ALIGN / 4)) * ALIGN;
    uint64_t goal = growth_length_sectors(&store->active) + wanted;
    uint64_t can = count_free(used, &store->active);
    int r = growth_make_table(&seen, store, &spare, goal, ALIGN, &table, reason);
    if (can < wanted) {
        assert_int_equal(r, -ENOSPC);
        assert_non_null(strstr(reason, "no space"));
        assert_null(table.targets);
        (*n_short)++;
    } else {
        assert_int_equal(r, 0);
        assert_int_equal(growth_length_sectors(&table), goal);
        check_table(&table, &store->active, used);
        (*n_grown)++;
    }
    free(table.targets);
    observation_done(&seen);
}

static void test_only_free_extents_and_all_of_them(void **state)
{
    unsigned n_grown = 0, n_short = 0;
    (void)state;
    for (uint64_t i = 0; i < 20000; i++)
        try_one(i, &n_grown, &n_short);
    assert_true(n_grown > 1000 && n_short > 1000);
}

static void test_the_shortage_is_said(void **state)
{
    struct observation seen = {0};
    struct dm_table table = {0};
    char reason[GROWTH_REASON_MAX];
    struct spare spare = spare_of(GROWTH_RESERVED_SECTORS + 4096 + 5);
    (void)state;
    add_linear(&add_device(&seen, STORE, "store")->active, ELSEWHERE, 0, 8192);
    assert_int_equal(growth_make_table(&seen, seen.devices, &spare, 8192 + 6144, ALIGN, &table, reason),
                     -ENOSPC);
    assert_string_equal(reason, "no space: 3 MiB are wanted, and 2 MiB are free on /dev/spare");
    assert_int_equal(growth_make_table(&seen, seen.devices, &spare, 8192 + 4096, ALIGN, &table, reason), 0);
    free(table.targets);
    observation_done(&seen);
}

/* What a table that waits in the store itself would take is what a new one replaces. */
static void test_its_own_waiting_table_is_in_nobodys_way(void **state)
{
    struct observation seen = {0};
    struct dm_table table = {0};
    char reason[GROWTH_REASON_MAX];
    struct spare spare = spare_of(SECTORS);
    (void)state;
    struct dm_device *store = add_device(&seen, STORE, "store");
    add_linear(&store->active, ELSEWHERE, 0, 64);
    add_linear(&store->inactive, SPARE, 0, SECTORS);
    store->has_inactive = true;
    assert_int_equal(growth_make_table(&seen, store, &spare, 64 + 2048, ALIGN, &table, reason), 0);
    free(table.targets);
    observation_done(&seen);
}

static void test_no_more_than_so_many_pieces(void **state)
{
    struct observation seen = {0};
    struct dm_table table = {0};
    char reason[GROWTH_REASON_MAX];
    struct spare spare = spare_of(GROWTH_RESERVED_SECTORS + 200 * 16);
    (void)state;
    struct dm_device *user = add_device(&seen, USER, "user");
    for (uint64_t i = 0; i < 200; i++)
        add_linear(&user->active, SPARE, GROWTH_RESERVED_SECTORS + i * 16, 8);
    add_linear(&add_device(&seen, STORE, "store")->active, ELSEWHERE, 0, 64);
    const struct dm_device *store = observation_find(&seen, STORE);
    uint64_t most = 64 + (GROWTH_TARGETS_MAX - 1) * 8;
    assert_int_equal(growth_make_table(&seen, store, &spare, most + 8, ALIGN, &table, reason), -ENOSPC);
    assert_non_null(strstr(reason, "more than 64 pieces"));
    assert_int_equal(growth_make_table(&seen, store, &spare, most, ALIGN, &table, reason), 0);
    assert_int_equal(table.n_targets, GROWTH_TARGETS_MAX);
    free(table.targets);
    observation_done(&seen);
}

static void test_is_mapped(void **state)
{
    struct observation seen = {0};
    (void)state;
    struct dm_device *user = add_device(&seen, USER, "user");
    add_linear(&user->active, SPARE, 8, 8);
    add_linear(&user->inactive, SPARE, 100, 1);
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(growth_is_mapped(&seen, SPARE, i), (i >= 8 && i < 16) || i == 100);
    assert_false(growth_is_mapped(&seen, ELSEWHERE, 8));
    observation_done(&seen);
}

/* ---- whose the spare device is */

struct fixture {
    struct observation seen;
    struct intent intent;
    struct spare spare;
    dev_t holders[2], below[2];
    char reason[GROWTH_REASON_MAX];
};

static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .intent = {.device = SNAPSHOT, .store = STORE, .origin = ORIGIN, .origin_user = makedev(254, 9)},
        .spare = spare_of(SECTORS),
        .holders = {STORE, USER},
        .below = {SPARE, makedev(8, 0)},
    };
    fixture->spare.holders = fixture->holders;
    fixture->spare.below = fixture->below;
    fixture->spare.n_below = 2;
    add_linear(&add_device(&fixture->seen, STORE, "store")->active, SPARE, 0, 8);
    add_linear(&add_device(&fixture->seen, USER, "user")->active, SPARE, 8, 8);
}

static const char *refusal(struct fixture *fixture)
{
    fixture->reason[0] = '\0';
    int r = growth_check_spare(&fixture->seen, &fixture->intent, &fixture->spare, fixture->reason);
    assert_int_equal(r, fixture->reason[0] ? -EBUSY : 0);
    return fixture->reason;
}

static void test_a_spare_with_linear_users_will_do(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    assert_string_equal(refusal(&fixture), "");
    fixture.spare.n_holders = 2;
    assert_string_equal(refusal(&fixture), "");
    fixture.spare.has_partitions = true;
    assert_string_equal(refusal(&fixture), "/dev/spare has partitions: name one of them");
    observation_done(&fixture.seen);
}

static void test_the_stack_gives_nothing_to_itself(void **state)
{
    const dev_t stack[] = {SNAPSHOT, STORE, ORIGIN, makedev(254, 9)};
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    for (size_t i = 0; i < 4; i++) {
        fixture.below[1] = stack[i];
        assert_non_null(strstr(refusal(&fixture), "extend-from = /dev/spare lies on the s"));
    }
    fixture.below[0] = fixture.spare.number = ORIGIN;
    assert_string_equal(refusal(&fixture), "extend-from = /dev/spare is the snapshot's origin");
    observation_done(&fixture.seen);
}

static void test_users_that_are_not_understood(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.spare.n_holders = 2;
    struct dm_device *user = &fixture.seen.devices[1];
    strcpy(user->uuid, "LVM-abc");
    assert_string_equal(refusal(&fixture), "/dev/spare is lvm's: it holds user");
    user->uuid[0] = '\0';
    add_target(&user->inactive, (struct target){.kind = TARGET_OTHER, .length_sectors = 8});
    assert_string_equal(refusal(&fixture), "/dev/spare is used by user, in a way that is not known");
    fixture.spare.n_holders = 1; /* it holds something else */
    assert_string_equal(refusal(&fixture), "");
    fixture.holders[0] = makedev(9, 0);
    assert_string_equal(refusal(&fixture), "/dev/spare is in use by another device (9:0)");
    fixture.spare.n_holders = 0;
    add_target(&user->inactive,
               (struct target){.kind = TARGET_SNAPSHOT, .origin = ELSEWHERE, .store = SPARE});
    assert_string_equal(refusal(&fixture), "/dev/spare belongs to the snapshot device user");
    user->error = -EIO;
    assert_string_equal(refusal(&fixture), "user cannot be read: Input/output error");
    observation_done(&fixture.seen);
}

/* ---- a table that waits */

static void test_whose_table_waits(void **state)
{
    struct dm_device store = {.number = STORE};
    (void)state;
    add_linear(&store.active, ELSEWHERE, 0, 64);
    add_linear(&store.active, SPARE, 8, 8);
    assert_false(growth_waits(&store, 80));
    store.has_inactive = true;
    add_linear(&store.inactive, ELSEWHERE, 0, 64);
    assert_false(growth_waits(&store, 64)); /* shorter */
    add_linear(&store.inactive, SPARE, 8, 16);
    assert_true(growth_waits(&store, 80));
    assert_false(growth_waits(&store, 88));
    add_linear(&store.inactive, SPARE, 64, 8);
    assert_true(growth_waits(&store, 88));
    struct target *targets = store.inactive.targets;
    targets[0].offset_sectors = 8;
    assert_false(growth_waits(&store, 88));
    targets[0].offset_sectors = 0;
    targets[1].origin = ORIGIN;
    assert_false(growth_waits(&store, 88));
    targets[1].origin = SPARE;
    targets[2].kind = TARGET_ERROR;
    assert_false(growth_waits(&store, 88));
    targets[2].kind = TARGET_LINEAR;
    targets[0].length_sectors = 72, targets[1].start_sectors = 72, targets[1].length_sectors = 8;
    assert_false(growth_waits(&store, 88)); /* only the last one may be longer */
    targets[0].length_sectors = targets[1].start_sectors = 64, targets[1].length_sectors = 16;
    assert_true(growth_waits(&store, 88));
    store.active.targets[0].kind = TARGET_OTHER;
    assert_false(growth_waits(&store, 88));
    dm_device_done(&store);
}

static void test_what_somebody_else_has_taken_meanwhile(void **state)
{
    struct observation seen = {0};
    (void)state;
    add_device(&seen, STORE, "store");
    add_device(&seen, USER, "user");
    struct dm_device *store = &seen.devices[0], *user = &seen.devices[1];
    add_linear(&store->active, SPARE, 0, 8);
    add_linear(&store->inactive, SPARE, 0, 16);
    add_linear(&store->inactive, SPARE, 64, 8);
    assert_null(growth_find_collision(&seen, store));
    add_linear(&user->active, SPARE, 16, 48);
    add_linear(&user->active, SPARE, 72, 8);
    add_linear(&user->active, ELSEWHERE, 8, 80);
    assert_null(growth_find_collision(&seen, store));
    add_linear(&user->inactive, SPARE, 71, 1);
    assert_ptr_equal(growth_find_collision(&seen, store), user);
    user->inactive.targets[0].offset_sectors = 15;
    assert_ptr_equal(growth_find_collision(&seen, store), user);
    user->inactive.targets[0].offset_sectors = 7; /* a part that the store has already: that is how it was */
    assert_null(growth_find_collision(&seen, store));
    store->inactive.targets[1].offset_sectors = 0; /* its own */
    assert_ptr_equal(growth_find_collision(&seen, store), store);
    observation_done(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_free_extents_and_all_of_them),
        cmocka_unit_test(test_the_shortage_is_said),
        cmocka_unit_test(test_its_own_waiting_table_is_in_nobodys_way),
        cmocka_unit_test(test_no_more_than_so_many_pieces),
        cmocka_unit_test(test_is_mapped),
        cmocka_unit_test(test_a_spare_with_linear_users_will_do),
        cmocka_unit_test(test_the_stack_gives_nothing_to_itself),
        cmocka_unit_test(test_users_that_are_not_understood),
        cmocka_unit_test(test_whose_table_waits),
        cmocka_unit_test(test_what_somebody_else_has_taken_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
