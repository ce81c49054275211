/* action_times: whose times count, how they are forgotten, and their text: whole or not at all. */
#include "cowherd/action_times.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MSEC UINT64_C(1000)
#define SEC  (1000 * MSEC)

static struct action_times times;
static char text[ACTION_TIMES_TEXT_MAX + 1];

static int clear(void **state)
{
    (void)state;
    times = (struct action_times){0};
    return 0;
}

static struct action_subject named(const char *name)
{
    return (struct action_subject){name, ""};
}
static struct action_subject lvm(const char *uuid)
{
    return (struct action_subject){"vg-lv", uuid};
}

static void test_the_last_ones_count(void **state)
{
    (void)state;
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), 0);
    action_times_take(&times, ACTION_DROP, named("a"), 12 * MSEC, 1);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), 12 * MSEC);
    action_times_take(&times, ACTION_DROP, named("a"), 900 * MSEC, 1);
    for (int i = 1; i < ACTION_TIMES_KEPT; i++) {
        action_times_take(&times, ACTION_DROP, named("a"), 10 * MSEC, 1);
        assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), 900 * MSEC);
    }
    action_times_take(&times, ACTION_DROP, named("a"), 11 * MSEC, 1);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), 11 * MSEC);
    assert_int_equal(action_times_usec(&times, ACTION_MERGE, named("a")), 0);
    assert_int_equal(times.n_items, 1);
}

static void test_own_before_kin(void **state)
{
    (void)state;
    action_times_take(&times, ACTION_EXTEND, named("a"), 5 * MSEC, 1);
    action_times_take(&times, ACTION_EXTEND, named("b"), 70 * MSEC, 1);
    action_times_take(&times, ACTION_EXTEND, lvm("LVM-1"), 2 * SEC, 1);
    assert_int_equal(action_times_usec(&times, ACTION_EXTEND, named("a")), 5 * MSEC);
    assert_int_equal(action_times_usec(&times, ACTION_EXTEND, named("new")), 70 * MSEC);
    assert_int_equal(action_times_usec(&times, ACTION_EXTEND, lvm("LVM-2")), 2 * SEC);
    assert_int_equal(action_times_usec(&times, ACTION_EXTEND, (struct action_subject){"x", "other-1"}),
                     70 * MSEC);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), 0);
}

/* The name is another's where there is a UUID, and a name that reads like an lvm UUID is none. */
static void test_identity(void **state)
{
    (void)state;
    action_times_take(&times, ACTION_DROP, (struct action_subject){"a", "uuid-1"}, 5 * MSEC, 1);
    action_times_take(&times, ACTION_DROP, (struct action_subject){"a", "uuid-2"}, 6 * MSEC, 1);
    action_times_take(&times, ACTION_DROP, named("uuid-1"), 7 * MSEC, 1);
    action_times_take(&times, ACTION_DROP, named("LVM-1"), 8 * MSEC, 1);
    assert_int_equal(times.n_items, 4);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, (struct action_subject){"b", "uuid-1"}),
                     5 * MSEC);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("uuid-1")), 7 * MSEC);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, lvm("LVM-1")), 0);
    action_times_take(&times, ACTION_DROP, named(""), 9 * MSEC, 1);
    assert_int_equal(times.n_items, 4);
}

static void test_limits_of_a_time(void **state)
{
    (void)state;
    action_times_take(&times, ACTION_DROP, named("a"), 0, 1);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), 1);
    action_times_take(&times, ACTION_DROP, named("a"), UINT64_MAX, 1);
    assert_int_equal(action_times_usec(&times, ACTION_DROP, named("a")), ACTION_TIME_USEC_MAX);
}

static struct action_times through_text(uint32_t day)
{
    struct action_times read = {0};
    int length = action_times_format(&times, day, text, sizeof(text));
    assert_true(length > 0);
    assert_int_equal(strlen(text), length);
    assert_int_equal(action_times_parse(text, &read), 0);
    return read;
}

static void test_unseen_ages_out(void **state)
{
    (void)state;
    action_times_take(&times, ACTION_DROP, named("gone"), MSEC, 1000);
    action_times_take(&times, ACTION_DROP, named("there"), MSEC, 1000);
    action_times_take(&times, ACTION_MERGE, named("there"), MSEC, 1000);
    assert_true(action_times_see(&times, named("there"), 1050));
    assert_false(action_times_see(&times, named("there"), 1050));
    assert_false(action_times_see(&times, named("there"), 3)); /* a clock that is behind */
    assert_false(action_times_see(&times, named("nobody"), 1060));
    assert_int_equal(through_text(1000 + ACTION_TIMES_DAYS).n_items, 3);
    assert_int_equal(through_text(1001 + ACTION_TIMES_DAYS).n_items, 2);
    assert_int_equal(through_text(1051 + ACTION_TIMES_DAYS).n_items, 0);
    assert_int_equal(through_text(0).n_items, 3);
}

/* There is always room for a new one, and it takes that of the one unseen for longest. */
static void test_bounded(void **state)
{
    (void)state;
    char name[DM_NAME_BYTES];
    for (unsigned i = 0; i < 3 * ACTION_TIMES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        action_times_take(&times, ACTION_DROP, named(name), i + 1, 1000 + i);
    }
    assert_int_equal(times.n_items, ACTION_TIMES_MAX);
    for (unsigned i = 2 * ACTION_TIMES_MAX; i < 3 * ACTION_TIMES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(action_times_usec(&times, ACTION_DROP, named(name)), i + 1);
    }
}

/* The longest text there can be fits: names of 128 bytes that are all escaped, the longest numbers. */
static void test_text_fits(void **state)
{
    (void)state;
    char uuid[DM_UUID_BYTES];
    for (unsigned i = 0; i < ACTION_TIMES_MAX; i++) {
        memset(uuid, 1, sizeof(uuid) - 1);
        uuid[sizeof(uuid) - 1] = '\0';
        uuid[0] = (char)(1 + i % 31), uuid[1] = (char)(1 + i / 31);
        for (int j = 0; j < ACTION_TIMES_KEPT; j++)
            action_times_take(&times, ACTION_EXTEND, (struct action_subject){"", uuid}, UINT64_MAX,
                              UINT32_MAX);
    }
    assert_int_equal(times.n_items, ACTION_TIMES_MAX);
    struct action_times read = through_text(UINT32_MAX);
    assert_memory_equal(&read, &times, sizeof(read));
    assert_int_equal(action_times_format(&times, 0, text, 1000), -ENOBUFS);
}

static void test_any_name(void **state)
{
    (void)state;
    action_times_take(&times, ACTION_DROP, named("two words\nend\n\\x41 \x7f\xff"), 5, 7);
    struct action_times read = through_text(7);
    assert_memory_equal(&read, &times, sizeof(read));
}

static bool is_refused(const char *bad)
{
    struct action_times read = {.n_items = 77};
    int r = action_times_parse(bad, &read);
    assert_true(r == 0 || r == -EBADMSG);
    assert_true(r == 0 || read.n_items == 77);
    return r < 0;
}

#define HEAD "cowherd action times 1\n"

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "end\n",
        "cowherd action times 2\nend\n",
        HEAD,
        HEAD "end",
        HEAD "end\n\n",
        HEAD "\nend\n",
        HEAD "drop 1 5 name a",
        HEAD "drop 1 5 name a\n",
        HEAD "alert 1 5 name a\nend\n",
        HEAD "drop 1 5 name \nend\n",
        HEAD "drop 1 5 name\nend\n",
        HEAD "drop 1  name a\nend\n",
        HEAD "drop 1 0 name a\nend\n",
        HEAD "drop 1 5, name a\nend\n",
        HEAD "drop 1 ,5 name a\nend\n",
        HEAD "drop 1 3600000001 name a\nend\n",
        HEAD "drop 1 99999999999999999999999 name a\nend\n",
        HEAD "drop 4294967296 5 name a\nend\n",
        HEAD "drop -1 5 name a\nend\n",
        HEAD "drop 1 5 nam a\nend\n",
        HEAD "drop 1 1,2,3,4,5 name a\nend\n",
        HEAD "drop 1 5 name a\\x4\nend\n",
        HEAD "drop 1 5 name a\\x00\nend\n",
        HEAD " drop 1 5 name a\nend\n",
        HEAD "drop 1\n5 name a\nend\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!is_refused(bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_false(is_refused(HEAD "end\n"));
    assert_false(is_refused(HEAD "drop 1 5,6,7,8 name a b\nmerge 0 1 uuid x\nend\n"));
}

/* A file that was cut short anywhere, or has one byte changed to anything, is refused or still says something sound. */
static void test_every_damage(void **state)
{
    (void)state;
    char damaged[512];
    action_times_take(&times, ACTION_DROP, named("a b"), 12345, 20000);
    action_times_take(&times, ACTION_EXTEND, lvm("LVM-x"), 1900000, 20001);
    int length = action_times_format(&times, 20001, text, sizeof(text));
    for (int cut = 0; cut < length; cut++) {
        memcpy(damaged, text, (size_t)cut);
        damaged[cut] = 0;
        assert_true(is_refused(damaged));
    }
    for (int at = 0; at < length; at++)
        for (int byte = 1; byte < 256; byte++) {
            struct action_times read = {0};
            memcpy(damaged, text, (size_t)length + 1);
            damaged[at] = (char)byte;
            if (action_times_parse(damaged, &read) < 0)
                continue;
            assert_true(read.n_items <= 2);
            for (size_t i = 0; i < read.n_items; i++)
                assert_in_range(read.items[i].took_usec[0], 1, ACTION_TIME_USEC_MAX);
        }
}

static void test_too_many(void **state)
{
    (void)state;
    size_t at = (size_t)snprintf(text, sizeof(text), HEAD);
    for (unsigned i = 0; i <= ACTION_TIMES_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "drop 1 5 name n%u\n", i);
    snprintf(text + at, sizeof(text) - at, "end\n");
    assert_true(is_refused(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_last_ones_count, clear),
        cmocka_unit_test_setup(test_own_before_kin, clear),
        cmocka_unit_test_setup(test_identity, clear),
        cmocka_unit_test_setup(test_limits_of_a_time, clear),
        cmocka_unit_test_setup(test_unseen_ages_out, clear),
        cmocka_unit_test_setup(test_bounded, clear),
        cmocka_unit_test_setup(test_text_fits, clear),
        cmocka_unit_test_setup(test_any_name, clear),
        cmocka_unit_test_setup(test_bad_text, clear),
        cmocka_unit_test_setup(test_every_damage, clear),
        cmocka_unit_test_setup(test_too_many, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
