/* account_nodes: which device's node stands where. The devices are the test's own. */
#include "cowherd/account_nodes.h"
#include "cowherd/kernel.h"
#include "cowherd/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define WITHOUT_NODE makedev(7, 9)

int kernel_device_node(dev_t device, char path[static KERNEL_NODE_MAX])
{
    if (device == WITHOUT_NODE)
        return -ENXIO;
    strcpy(path, device == makedev(8, 16) ? "/dev/sdb" : "/dev/mapper/store");
    return 0;
}

void kernel_node_of_name(const char *name, char path[static KERNEL_NODE_MAX])
{
    snprintf(path, KERNEL_NODE_MAX, "/dev/mapper/%s", name);
}

static const struct observation nothing_seen;

static struct account numbered(void)
{
    struct account account = {0};
    assert_int_equal(text_replace(&account.origin, "8:16"), 0);
    assert_int_equal(text_replace(&account.origin_device, "8:16"), 0);
    assert_int_equal(text_replace(&account.store, "7:9"), 0);
    assert_int_equal(text_replace(&account.store_device, "7:9"), 0);
    return account;
}

static void test_nodes_replace_numbers(void **state)
{
    (void)state;
    struct account account = numbered();
    assert_int_equal(account_take_nodes(&account, &nothing_seen, makedev(8, 16), makedev(253, 1)), 0);
    assert_string_equal(account.origin, "/dev/sdb");
    assert_string_equal(account.store, "/dev/mapper/store");
    assert_string_equal(account.origin_device, "8:16");
    assert_string_equal(account.store_device, "7:9");
    account_done(&account);
}

static void test_without_a_node_the_number_stays(void **state)
{
    (void)state;
    struct account account = numbered();
    assert_int_equal(account_take_nodes(&account, &nothing_seen, makedev(8, 16), WITHOUT_NODE), 0);
    assert_string_equal(account.origin, "/dev/sdb");
    assert_string_equal(account.store, "7:9");
    account_done(&account);
    account = numbered();
    assert_int_equal(account_take_nodes(&account, &nothing_seen, WITHOUT_NODE, makedev(253, 1)), 0);
    assert_string_equal(account.origin, "8:16");
    assert_string_equal(account.store, "/dev/mapper/store");
    account_done(&account);
}

static void test_the_name_of_what_was_seen_is_not_read_again(void **state)
{
    (void)state;
    struct dm_device device = {.name = "seen-store", .number = makedev(253, 1)};
    struct observation seen = {.devices = &device, .n_devices = 1};
    struct account account = numbered();
    assert_int_equal(account_take_nodes(&account, &seen, makedev(8, 16), makedev(253, 1)), 0);
    assert_string_equal(account.origin, "/dev/sdb");
    assert_string_equal(account.store, "/dev/mapper/seen-store");
    account_done(&account);
    account = numbered();
    device.error = -EIO;
    assert_int_equal(account_take_nodes(&account, &seen, makedev(8, 16), makedev(253, 1)), 0);
    assert_string_equal(account.store, "/dev/mapper/store");
    account_done(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_replace_numbers),
        cmocka_unit_test(test_without_a_node_the_number_stays),
        cmocka_unit_test(test_the_name_of_what_was_seen_is_not_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
