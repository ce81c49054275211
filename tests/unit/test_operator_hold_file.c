/* operator_hold_file: kept over a restart, and none where there is no file. */
#include "cowherd/operator_hold_file.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BOOT "11111111-1111-1111-1111-111111111111"

static void test_kept(void **state)
{
    char directory[] = "/tmp/cowherd-test.XXXXXX", path[64];
    struct operator_holds holds = {0}, read = {0};
    struct held_device device = {.name = "a", .uuid = "", .disk_sequence = 7};
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(operator_hold_file_read(directory, BOOT, &read), 0);
    assert_int_equal(read.n_items, 0);
    operator_holds_set(&holds, device, 10, "held");
    assert_int_equal(operator_hold_file_store(directory, &holds, BOOT), 0);
    assert_int_equal(operator_hold_file_read(directory, BOOT, &read), 0);
    assert_non_null(operator_holds_find(&read, device));
    operator_holds_done(&read);
    operator_holds_done(&holds);
    assert_int_equal(operator_hold_file_store(directory, &holds, BOOT), 0);
    assert_int_equal(operator_hold_file_read(directory, BOOT, &read), 0);
    assert_int_equal(read.n_items, 0);
    snprintf(path, sizeof(path), "%s/holds", directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0); /* nothing half-written is left */
    assert_int_equal(operator_hold_file_store(directory, &holds, BOOT), -ENOENT);
    assert_int_equal(operator_hold_file_read(directory, BOOT, &read), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
