/* store_device: what lies in a store, read block by block up to its end. */
#include "cowherd/kernel.h"
#include "cowherd/store_device.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECTORS_MAX 64

static char path[] = "/tmp/test_store_device.XXXXXX"; /* the store */
static uint8_t bytes[SECTORS_MAX * 512];

/* Direct I/O is for devices. */
int kernel_device_open(dev_t device, int flags)
{
    (void)device;
    int fd = open(path, flags & ~(O_DIRECT | O_EXCL));
    return fd < 0 ? -errno : fd;
}

static void put32(size_t at, uint32_t value)
{
    value = htole32(value);
    memcpy(&bytes[at], &value, sizeof(value));
}

static void put_exception(size_t chunk, size_t index, uint64_t new_chunk)
{
    uint64_t exception[2] = {htole64(index), htole64(new_chunk)};
    memcpy(&bytes[chunk * 512 + index * sizeof(exception)], exception, sizeof(exception));
}

/* A store of chunks of one sector, so many of them. */
static struct exception_store make_store(size_t chunks)
{
    memset(bytes, 0, sizeof(bytes));
    put32(0, UINT32_C(0x70416e53));
    put32(4, 1);
    put32(8, 1);
    put32(12, 1);
    return (struct exception_store){.total_sectors = chunks, .chunk_sectors = 1, .persistent = true};
}

static void write_store(size_t chunks)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, bytes, chunks * 512), chunks * 512);
    close(fd);
}

static uint64_t exceptions(const struct exception_store *geometry)
{
    struct store_contents contents;
    assert_int_equal(store_device_read(0, geometry, &contents), 0);
    assert_true(contents.valid);
    return contents.exceptions;
}

/* A sector holds 32 exceptions, a block that is read eight sectors. */
static void test_an_area_at_the_end(void **state)
{
    (void)state;
    struct exception_store geometry = make_store(9);
    put_exception(1, 0, 2);
    put_exception(1, 1, 3);
    write_store(9);
    assert_int_equal(exceptions(&geometry), 2);
    assert_int_equal(store_device_is_merged(0, 1), -ENOTEMPTY);
    memset(&bytes[512], 0, 512);
    write_store(9);
    assert_int_equal(exceptions(&geometry), 0);
    assert_int_equal(store_device_is_merged(0, 1), 0);
}

static void test_the_second_area_too(void **state)
{
    (void)state;
    struct exception_store geometry = make_store(40);
    for (size_t i = 0; i < 32; i++)
        put_exception(1, i, 2 + i);
    put_exception(34, 0, 35);
    put_exception(34, 1, 36);
    write_store(40);
    assert_int_equal(exceptions(&geometry), 34);
}

static void test_what_is_no_store(void **state)
{
    (void)state;
    struct exception_store geometry = make_store(40);
    struct store_contents contents;
    write_store(0);
    assert_int_equal(store_device_read(0, &geometry, &contents), -EBADMSG);
    bytes[0] = 'X';
    write_store(40);
    assert_int_equal(store_device_read(0, &geometry, &contents), -EBADMSG);
    assert_int_equal(store_device_zero(0, false), 0); /* somebody's data: it is left */
    bytes[0] = 0x53;
    write_store(40);
    assert_int_equal(store_device_zero(0, false), 0);
    assert_int_equal(store_device_read(0, &geometry, &contents), -EBADMSG);
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
        cmocka_unit_test(test_an_area_at_the_end),
        cmocka_unit_test(test_the_second_area_too),
        cmocka_unit_test(test_what_is_no_store),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
