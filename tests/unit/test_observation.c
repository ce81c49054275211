/* observation: finding devices, and what a table says about a number. */
#include "cowherd/observation.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define ORIGIN makedev(254, 1)
#define STORE  makedev(254, 2)
#define OTHER  makedev(254, 3)

static bool without_memory;

/* Stands in for libc's, so that the lack of memory can be tried. */
void *reallocarray(void *memory, size_t n, size_t size)
{
    return without_memory ? NULL : realloc(memory, n * size);
}

static struct dm_device *add_device(struct observation *observation, unsigned device_minor)
{
    struct dm_device *device = observation_add(observation);
    assert_non_null(device);
    device->number = makedev(254, device_minor);
    return device;
}

static void add_target(struct dm_table *table, enum target_kind kind, dev_t origin, dev_t store)
{
    struct target target = {.kind = kind, .origin = origin, .store = store};
    assert_int_equal(dm_table_add(table, &target), 0);
}

static void test_find(void **state)
{
    (void)state;
    struct observation observation = {0};
    assert_null(observation_find(&observation, ORIGIN));
    for (unsigned i = 0; i < 100; i++)
        add_device(&observation, i);
    assert_int_equal(observation.n_devices, 100);
    assert_true(observation.n_allocated >= 100);
    for (unsigned i = 0; i < 100; i++)
        assert_ptr_equal(observation_find(&observation, makedev(254, i)), &observation.devices[i]);
    assert_null(observation_find(&observation, makedev(254, 100)));
    assert_null(observation_find(&observation, makedev(253, 1)));
    observation_done(&observation);
}

static void test_added_devices_are_empty(void **state)
{
    (void)state;
    static const struct dm_device empty;
    struct observation observation = {0};
    for (unsigned i = 0; i < 40; i++) {
        struct dm_device *device = observation_add(&observation);
        assert_memory_equal(device, &empty, sizeof(empty));
        memset(device->name, 'x', sizeof(device->name));
    }
    observation_done(&observation);
}

static void test_done_is_reusable(void **state)
{
    (void)state;
    static const struct observation empty;
    struct observation observation = {0};
    for (int round = 0; round < 2; round++) {
        struct dm_device *device = add_device(&observation, 7);
        add_target(&device->active, TARGET_LINEAR, ORIGIN, 0);
        add_target(&device->inactive, TARGET_LINEAR, ORIGIN, 0);
        add_target(&device->inactive, TARGET_ERROR, 0, 0);
        observation_done(&observation);
        assert_memory_equal(&observation, &empty, sizeof(empty));
    }
    observation_done(&observation);
}

static void test_table_keeps_order(void **state)
{
    (void)state;
    struct dm_device device = {.number = ORIGIN};
    for (uint64_t i = 0; i < 50; i++) {
        struct target target = {.kind = TARGET_LINEAR, .start_sectors = i};
        assert_int_equal(dm_table_add(&device.active, &target), 0);
    }
    assert_int_equal(device.active.n_targets, 50);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(device.active.targets[i].start_sectors, i);
    dm_device_done(&device);
    assert_null(device.active.targets);
    assert_int_equal(device.active.n_targets, 0);
    assert_true(device.number == 0);
}

/* In any order of the devices, the list answers as the observation does. */
static void test_origin_users(void **state)
{
    (void)state;
    struct observation observation = {0};
    struct origin_users users;
    assert_int_equal(observation_list_origin_users(&observation, &users), 0);
    assert_null(origin_users_find(&users, ORIGIN, 0));
    origin_users_done(&users);
    for (unsigned i = 0; i < 30; i++) {
        enum target_kind kinds[] = {TARGET_SNAPSHOT_ORIGIN, TARGET_LINEAR, TARGET_SNAPSHOT_MERGE,
                                    TARGET_SNAPSHOT};
        add_target(&add_device(&observation, 10 + i)->active, kinds[i % 4], makedev(8, i * 7 % 11), 0);
    }
    assert_int_equal(observation_list_origin_users(&observation, &users), 0);
    for (unsigned origin = 0; origin < 12; origin++)
        for (unsigned except = 9; except < 41; except++)
            assert_ptr_equal(
                origin_users_find(&users, makedev(8, origin), makedev(254, except)),
                observation_find_origin_user(&observation, makedev(8, origin), makedev(254, except)));
    origin_users_done(&users);
    observation_done(&observation);
}

static void test_only_target(void **state)
{
    (void)state;
    struct dm_device device = {0};
    add_target(&device.inactive, TARGET_LINEAR, ORIGIN, 0);
    assert_null(dm_device_only_target(&device));
    add_target(&device.active, TARGET_SNAPSHOT, ORIGIN, STORE);
    assert_ptr_equal(dm_device_only_target(&device), device.active.targets);
    device.error = -EBADMSG;
    assert_null(dm_device_only_target(&device));
    device.error = 0;
    add_target(&device.active, TARGET_LINEAR, ORIGIN, 0);
    assert_null(dm_device_only_target(&device));
    dm_device_done(&device);
}

static void expect_origin_user(enum target_kind kind, bool expected)
{
    struct observation observation = {0};
    struct dm_device *device = add_device(&observation, 10);
    add_target(&device->active, kind, ORIGIN, STORE);
    assert_ptr_equal(observation_find_origin_user(&observation, ORIGIN, 0), expected ? device : NULL);
    assert_null(observation_find_origin_user(&observation, STORE, 0));
    assert_null(observation_find_origin_user(&observation, ORIGIN, device->number));
    add_target(&device->active, TARGET_LINEAR, OTHER, 0); /* whatever else the device is made of */
    assert_ptr_equal(observation_find_origin_user(&observation, ORIGIN, 0), expected ? device : NULL);
    observation_done(&observation);
}

static void test_origin_user(void **state)
{
    (void)state;
    expect_origin_user(TARGET_SNAPSHOT_ORIGIN, true);
    expect_origin_user(TARGET_SNAPSHOT_MERGE, true);
    expect_origin_user(TARGET_SNAPSHOT, false);
    expect_origin_user(TARGET_LINEAR, false);
    expect_origin_user(TARGET_OTHER, false);
}

static void test_origin_user_behind_others(void **state)
{
    (void)state;
    struct observation observation = {0};
    add_target(&add_device(&observation, 10)->active, TARGET_SNAPSHOT_MERGE, ORIGIN, STORE);
    add_target(&add_device(&observation, 11)->inactive, TARGET_SNAPSHOT_ORIGIN, ORIGIN, 0);
    add_target(&add_device(&observation, 12)->active, TARGET_SNAPSHOT_ORIGIN, ORIGIN, 0);
    assert_ptr_equal(observation_find_origin_user(&observation, ORIGIN, makedev(254, 10)),
                     &observation.devices[2]); /* not 11: nobody runs on a table that is not swapped in */
    observation_done(&observation);
}

static void test_unreadable(void **state)
{
    (void)state;
    struct observation observation = {0};
    assert_null(observation_find_unreadable(&observation));
    add_device(&observation, 10);
    add_device(&observation, 11)->error = -EBADMSG;
    assert_ptr_equal(observation_find_unreadable(&observation), &observation.devices[1]);
    observation.devices[1].error = 0;
    assert_null(observation_find_unreadable(&observation));
    observation_done(&observation);
}

static void test_lvm(void **state)
{
    (void)state;
    struct dm_device device = {.uuid = "LVM-qWf0"};
    assert_true(dm_device_is_lvm(&device));
    strcpy(device.uuid, "lvm-qWf0");
    assert_false(dm_device_is_lvm(&device));
    strcpy(device.uuid, "CRYPT-LVM-");
    assert_false(dm_device_is_lvm(&device));
    strcpy(device.uuid, "LVM");
    assert_false(dm_device_is_lvm(&device));
    strcpy(device.uuid, "");
    assert_false(dm_device_is_lvm(&device));
}

static void test_without_memory(void **state)
{
    (void)state;
    struct observation observation = {0};
    without_memory = true;
    assert_null(observation_add(&observation));
    without_memory = false;
    struct dm_device *device = add_device(&observation, 10);
    add_target(&device->active, TARGET_LINEAR, ORIGIN, 0);
    while (observation.n_devices < observation.n_allocated)
        add_device(&observation, 11);
    size_t n_devices = observation.n_devices;
    struct target target = {.kind = TARGET_ERROR};
    without_memory = true;
    assert_null(observation_add(&observation));
    assert_int_equal(dm_table_add(&observation.devices[0].active, &target), -ENOMEM);
    without_memory = false;
    assert_int_equal(observation.n_devices, n_devices);
    assert_int_equal(observation.devices[0].active.n_targets, 1);
    assert_true(observation.devices[0].active.targets[0].origin == ORIGIN);
    observation_done(&observation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_added_devices_are_empty),
        cmocka_unit_test(test_done_is_reusable),
        cmocka_unit_test(test_table_keeps_order),
        cmocka_unit_test(test_origin_users),
        cmocka_unit_test(test_only_target),
        cmocka_unit_test(test_origin_user),
        cmocka_unit_test(test_origin_user_behind_others),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_lvm),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
