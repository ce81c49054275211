/* store_growth: on a loop device, whose number may be another one's at any moment. */
#include "cowherd/backing_file.h"
#include "cowherd/kernel.h"
#include "cowherd/loop_device.h"
#include "cowherd/store_growth.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define SEQUENCE UINT64_C(7)
#define SHORT    64 /* sectors */
#define LONG     128

static char path[] = "/tmp/test_store_growth.XXXXXX"; /* the backing file */
static uint64_t sequence;                             /* that has the number now */
static bool is_replaced_meanwhile;                    /* while space is allocated */
static unsigned n_grown, n_taken;
static uint64_t allocated_bytes; /* up to here */

/* These stand in for the kernel's and the file's. */
int loop_device_read(dev_t loop, struct loop_device *ret_device)
{
    struct stat status;
    (void)loop;
    assert_int_equal(stat(path, &status), 0);
    *ret_device = (struct loop_device){.file_device = status.st_dev, .file_inode = status.st_ino};
    strcpy(ret_device->path, path);
    return 0;
}

int loop_device_take_size(dev_t loop)
{
    (void)loop;
    n_taken++;
    return 0;
}

int kernel_device_sectors(dev_t device, uint64_t *ret_sectors)
{
    (void)device;
    *ret_sectors = SHORT;
    return 0;
}

int kernel_disk_sequence(dev_t device, uint64_t *ret_sequence)
{
    (void)device;
    *ret_sequence = sequence;
    return 0;
}

int backing_file_grow(int fd, uint64_t old_bytes, uint64_t goal_bytes)
{
    (void)fd;
    assert_int_equal(old_bytes, SHORT * 512);
    allocated_bytes = goal_bytes;
    n_grown++;
    sequence += is_replaced_meanwhile;
    return 0;
}

/* What these tests do not come to. */
int kernel_observe(struct observation *ret_observation)
{
    (void)ret_observation;
    return -EIO;
}

int kernel_load_table(dev_t device, const struct dm_table *table)
{
    (void)device, (void)table;
    return -EIO;
}

int kernel_device_open(dev_t device, int flags)
{
    (void)device, (void)flags;
    return -EIO;
}

static char reason[GROWTH_REASON_MAX];

static int grow_within(uint64_t recorded_sequence, uint64_t limit_sectors)
{
    struct intent intent = {.action = ACTION_EXTEND,
                            .store = makedev(7, 1),
                            .store_disk_sequence = recorded_sequence,
                            .grow_to_sectors = LONG,
                            .limit_sectors = limit_sectors};
    n_grown = n_taken = 0;
    return store_growth_loop(&intent, reason);
}

static int grow(uint64_t recorded_sequence)
{
    return grow_within(recorded_sequence, 0);
}

static void test_the_store_that_was_recorded_grows(void **state)
{
    (void)state;
    sequence = SEQUENCE;
    is_replaced_meanwhile = false;
    assert_int_equal(grow(SEQUENCE), 0);
    assert_int_equal(n_grown, 1);
    assert_int_equal(allocated_bytes, LONG * 512);
    assert_int_equal(n_taken, 1);
}

static void test_another_device_of_its_number_does_not(void **state)
{
    (void)state;
    sequence = SEQUENCE + 1;
    is_replaced_meanwhile = false;
    assert_int_equal(grow(SEQUENCE), -ESTALE);
    assert_int_equal(n_grown, 0);
    assert_int_equal(n_taken, 0);
}

static void test_nor_one_that_comes_while_its_file_grows(void **state)
{
    (void)state;
    sequence = SEQUENCE;
    is_replaced_meanwhile = true;
    assert_int_equal(grow(SEQUENCE), -ESTALE);
    assert_int_equal(n_grown, 1);
    assert_int_equal(n_taken, 0);
}

/* Kernels before 5.15 have no such numbers. */
static void test_where_no_number_is_known_it_grows(void **state)
{
    (void)state;
    sequence = 0;
    is_replaced_meanwhile = false;
    assert_int_equal(grow(0), 0);
    assert_int_equal(n_taken, 1);
}

/* The loop device takes on all of it. */
static void test_a_file_that_is_longer_already(void **state)
{
    (void)state;
    sequence = SEQUENCE;
    is_replaced_meanwhile = false;
    assert_int_equal(truncate(path, 4 * LONG * 512), 0);
    assert_int_equal(grow_within(SEQUENCE, 2 * LONG), -EFBIG);
    assert_int_equal(n_grown + n_taken, 0);
    if (!strstr(reason, "is longer already (256 KiB) than its extend-limit of 128 KiB"))
        fail_msg("it says: %s", reason);
    assert_int_equal(grow_within(SEQUENCE, 4 * LONG), 0);
    assert_int_equal(allocated_bytes, 4 * LONG * 512);
    assert_int_equal(n_taken, 1);
    assert_int_equal(grow(SEQUENCE), 0);
    assert_int_equal(allocated_bytes, 4 * LONG * 512);
    assert_int_equal(truncate(path, 0), 0);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_store_that_was_recorded_grows),
        cmocka_unit_test(test_another_device_of_its_number_does_not),
        cmocka_unit_test(test_nor_one_that_comes_while_its_file_grows),
        cmocka_unit_test(test_where_no_number_is_known_it_grows),
        cmocka_unit_test(test_a_file_that_is_longer_already),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
