/* lvm_name: what a dm name and UUID say of lvm's volume. */
#include "cowherd/lvm_name.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GROUP_UUID  "PCmduvDKt2kX8bhZnpmPGgKOEEKqGfab"
#define VOLUME_UUID "BoutXDiTiODv1Ntlu9dmHIwpnH6ZtcMr"

static void expect_split(const char *dm_name, const char *group, const char *volume)
{
    struct lvm_name name;
    assert_int_equal(lvm_name_split(dm_name, &name), 0);
    assert_string_equal(name.group, group);
    assert_string_equal(name.volume, volume);
}

static void test_names_are_split_at_the_single_hyphen(void **state)
{
    (void)state;
    expect_split("vg0-s", "vg0", "s");
    expect_split("vg--a-sn--1", "vg-a", "sn-1");
    expect_split("a----b-c", "a--b", "c");
    expect_split("_.+-x.y", "_.+", "x.y");
    expect_split("a---b", "a-", "b");
}

static void test_what_lvm_does_not_make_is_refused(void **state)
{
    (void)state;
    struct lvm_name name = {.group = "kept"};
    static const char *const names[] = {
        "",      "vg0",         "-",      "vg0-",   "-s",      "--a-s",  "vg0-s-cow", "vg0-s-real",
        "vg0--", "vg0-s; true", "vg/0-s", "vg0-s$", "vg0-s\n", ".-s",    "vg0-..",    "vg0-\xc3\xa4",
        "a b-c", "--",          "---",    "vg0--s", "-----",   "a-\x01",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(lvm_name_split(names[i], &name), -EINVAL);
    assert_string_equal(name.group, "kept");
}

static void test_the_longest_name_fits(void **state)
{
    (void)state;
    char long_name[DM_NAME_BYTES];
    struct lvm_name name;
    memset(long_name, 'x', sizeof(long_name));
    long_name[1] = '-';
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(lvm_name_split(long_name, &name), 0);
    assert_int_equal(strlen(name.volume), sizeof(long_name) - 3);
}

static void test_uuids(void **state)
{
    (void)state;
    char uuid[LVM_UUID_BYTES] = "kept";
    assert_int_equal(lvm_uuid_of_volume("LVM-" GROUP_UUID VOLUME_UUID, uuid), 0);
    assert_string_equal(uuid, "BoutXD-iTiO-Dv1N-tlu9-dmHI-wpnH-6ZtcMr");
    strcpy(uuid, "kept");
    assert_int_equal(lvm_uuid_of_volume("LVM-" GROUP_UUID VOLUME_UUID "-cow", uuid), -EINVAL);
    assert_int_equal(lvm_uuid_of_volume("LVM-" GROUP_UUID, uuid), -EINVAL);
    assert_int_equal(lvm_uuid_of_volume("DM--" GROUP_UUID VOLUME_UUID, uuid), -EINVAL);
    assert_int_equal(lvm_uuid_of_volume("LVM-" GROUP_UUID "BoutXDiTiODv1Ntlu9dmHIwpnH6Ztc\"r", uuid),
                     -EINVAL);
    assert_int_equal(lvm_uuid_of_volume("", uuid), -EINVAL);
    assert_string_equal(uuid, "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_split_at_the_single_hyphen),
        cmocka_unit_test(test_what_lvm_does_not_make_is_refused),
        cmocka_unit_test(test_the_longest_name_fits),
        cmocka_unit_test(test_uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
