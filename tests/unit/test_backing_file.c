/* backing_file: against a file in the temporary directory, with a filesystem that has no space or cannot allocate. */
#include "cowherd/backing_file.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB UINT64_C(1024)
#define OLD (64 * KIB)

static int allocate_error;   /* what fallocate() fails with; 0: it works */
static uint64_t space_bytes; /* how much may be written */
static uint64_t cut_bytes;   /* what the file was last cut to */
static unsigned n_cuts;

/* These stand in for libc's. */
int fallocate(int fd, int mode, off_t offset, off_t length)
{
    struct stat status;
    assert_int_equal(mode, FALLOC_FL_KEEP_SIZE);
    assert_true(length > 0);
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(status.st_size >= offset);
    errno = allocate_error;
    return allocate_error ? -1 : 0;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (space_bytes == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (size > space_bytes)
        size = space_bytes;
    space_bytes -= size;
    assert_int_equal(lseek(fd, offset, SEEK_SET), offset);
    return write(fd, data, size);
}

int ftruncate(int fd, off_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    cut_bytes = (uint64_t)size;
    n_cuts++;
    return truncate(path, size);
}

static int set_up(void **state)
{
    char path[] = "/tmp/test_backing_file.XXXXXX";
    static int fd;
    char data[OLD];
    fd = mkstemp(path);
    memset(data, 'x', sizeof(data));
    *state = &fd;
    allocate_error = 0;
    space_bytes = UINT64_MAX;
    n_cuts = 0;
    return fd < 0 || unlink(path) < 0 || write(fd, data, sizeof(data)) != (ssize_t)sizeof(data);
}

static int tear_down(void **state)
{
    return close(*(int *)*state);
}

static uint64_t size_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return (uint64_t)status.st_size;
}

/* What is in the loop device is untouched, what comes behind it is zero. */
static void check_content(int fd)
{
    char byte;
    for (uint64_t at = 0; at < size_of(fd); at += KIB) {
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        assert_int_equal(byte, at < OLD ? 'x' : 0);
    }
}

static void test_it_is_longer(void **state)
{
    int fd = *(int *)*state;
    assert_int_equal(backing_file_grow(fd, OLD, 3 * OLD), 0);
    assert_int_equal(size_of(fd), 3 * OLD);
    check_content(fd);
    assert_int_equal(backing_file_grow(fd, OLD, 3 * OLD), 0); /* killed before the loop device was told */
    assert_int_equal(backing_file_grow(fd, OLD, 2 * OLD), 0);
    assert_int_equal(size_of(fd), 3 * OLD); /* never shorter */
    assert_int_equal(backing_file_grow(fd, 3 * OLD, 3 * OLD), 0);
    assert_int_equal(backing_file_grow(fd, 4 * OLD, 5 * OLD), -ESTALE);
}

static void test_without_space_it_is_as_it_was(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EFBIG};
    int fd = *(int *)*state;
    for (size_t i = 0; i < 3; i++) {
        allocate_error = errors[i];
        n_cuts = 0;
        assert_int_equal(backing_file_grow(fd, OLD / 2, 3 * OLD), -errors[i]);
        assert_int_equal(n_cuts, 1); /* what was allocated behind its end is given back */
        assert_int_equal(cut_bytes, OLD);
        assert_int_equal(size_of(fd), OLD);
    }
    allocate_error = EIO;
    n_cuts = 0;
    assert_int_equal(backing_file_grow(fd, OLD, 3 * OLD), -EIO);
    assert_int_equal(n_cuts, 0);
    check_content(fd);
}

static void test_where_nothing_can_be_allocated_zeroes_are_written(void **state)
{
    int fd = *(int *)*state;
    allocate_error = EOPNOTSUPP;
    assert_int_equal(backing_file_grow(fd, OLD, 3 * OLD + 5), 0);
    assert_int_equal(size_of(fd), 3 * OLD + 5);
    assert_int_equal(n_cuts, 0);
    check_content(fd);
    space_bytes = OLD + 7;
    assert_int_equal(backing_file_grow(fd, OLD, 9 * OLD), -ENOSPC);
    assert_int_equal(size_of(fd), 3 * OLD + 5); /* of this try nothing stays */
    space_bytes = OLD;                          /* and what an earlier one left is not written again */
    assert_int_equal(backing_file_grow(fd, OLD, 4 * OLD + 5), 0);
    check_content(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_is_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_space_it_is_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_where_nothing_can_be_allocated_zeroes_are_written, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
