/* brake_record: what is ours and what is theirs, and that a record comes back from its text as it was. */
#include "cowherd/brake_record.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define MAX UINT64_MAX

static struct brake_rate rate(uint64_t bytes, uint64_t writes)
{
    return (struct brake_rate){bytes, writes};
}

static void assert_rate(struct brake_rate is, uint64_t bytes, uint64_t writes)
{
    assert_true(is.bytes_per_second == bytes);
    assert_true(is.writes_per_second == writes);
}

static void test_none_of_theirs(void **state)
{
    (void)state;
    struct brake_record record = {0};
    struct brake_group *group = brake_record_see(&record, "system.slice", BRAKE_FREE);
    brake_record_want(&record, rate(1000, 10));
    assert_rate(brake_record_held(&record, group), 1000, 10);
    assert_rate(brake_record_released(&record, group, rate(1000, 10)), MAX, MAX);
}

static void test_theirs_is_lower(void **state)
{
    (void)state;
    struct brake_record record = {0};
    struct brake_group *group = brake_record_see(&record, "system.slice", rate(500, MAX));
    brake_record_want(&record, rate(1000, 10));
    assert_rate(brake_record_held(&record, group), 500, 10);
    assert_rate(brake_record_released(&record, group, rate(500, 10)), 500, MAX);
}

static void test_theirs_is_higher(void **state)
{
    (void)state;
    struct brake_record record = {0};
    struct brake_group *group = brake_record_see(&record, "system.slice", rate(5000, 50));
    brake_record_want(&record, rate(1000, 10));
    assert_rate(brake_record_held(&record, group), 1000, 10);
    assert_rate(brake_record_released(&record, group, rate(1000, 10)), 5000, 50);
}

/* What somebody sets while we hold is his, and stays. */
static void test_changed_meanwhile(void **state)
{
    (void)state;
    struct brake_record record = {0};
    struct brake_group *group = brake_record_see(&record, "system.slice", rate(5000, 50));
    brake_record_want(&record, rate(1000, 10));
    assert_rate(brake_record_released(&record, group, rate(700, 10)), 700, 50);
    assert_ptr_equal(brake_record_see(&record, "system.slice", rate(700, 10)), group);
    brake_record_want(&record, rate(900, 9));
    assert_rate(brake_record_held(&record, group), 700, 9);
    assert_rate(brake_record_released(&record, group, rate(700, 9)), 700, 50);
    assert_int_equal(record.n_groups, 1);
}

/* Between the record and the limits we may have been killed: then the limits are those before. */
static void test_killed_between(void **state)
{
    (void)state;
    struct brake_record record = {0};
    struct brake_group *group = brake_record_see(&record, "system.slice", BRAKE_FREE);
    brake_record_want(&record, rate(1000, 10));
    brake_record_want(&record, rate(800, 8));
    assert_rate(brake_record_released(&record, group, rate(1000, 10)), MAX, MAX);
    assert_rate(brake_record_released(&record, group, rate(800, 10)), MAX, MAX);
    assert_ptr_equal(brake_record_see(&record, "system.slice", rate(1000, 10)), group);
    assert_rate(group->theirs, MAX, MAX);
}

/* A rate that has not reached every group is to be set before the next: else it would look like theirs after that. */
static void test_unsettled(void **state)
{
    (void)state;
    struct brake_record record = {.ours = {1000, 10}, .before = {2000, 20}};
    brake_record_see(&record, "a", BRAKE_FREE);
    assert_false(record.is_unsettled);
    brake_record_see(&record, "a", record.ours);
    assert_false(record.is_unsettled);
    brake_record_see(&record, "a", (struct brake_rate){2000, 20});
    assert_true(record.is_unsettled);
    record.is_unsettled = false;
    brake_record_see(&record, "a", (struct brake_rate){1000, 20});
    assert_true(record.is_unsettled);
    record.is_unsettled = false;
    record.before = record.ours;
    brake_record_see(&record, "a", record.ours);
    assert_false(record.is_unsettled);
}

static void test_limits(void **state)
{
    (void)state;
    const char *text = "8:0 rbps=1 wbps=2 riops=3 wiops=4\n254:1 rbps=max wbps=77 riops=9 wiops=max\n"
                       "254:11 rbps=max wbps=max riops=max wiops=5";
    assert_rate(brake_record_parse_limits(text, makedev(8, 0)), 2, 4);
    assert_rate(brake_record_parse_limits(text, makedev(254, 1)), 77, MAX);
    assert_rate(brake_record_parse_limits(text, makedev(254, 11)), MAX, 5);
    assert_rate(brake_record_parse_limits(text, makedev(54, 1)), MAX, MAX);
    assert_rate(brake_record_parse_limits("", makedev(8, 0)), MAX, MAX);
}

static struct brake_record record_of(void)
{
    struct brake_record record = {
        .device = makedev(254, 3), .disk_sequence = 17, .has_throttle = true, .throttle = 100};
    brake_record_see(&record, "system.slice", rate(MAX, 5));
    brake_record_see(&record, "a group with blanks.slice", rate(7, MAX));
    brake_record_want(&record, rate(1000, 10));
    brake_record_want(&record, rate(900, 9));
    return record;
}

static void test_text(void **state)
{
    (void)state;
    char text[BRAKE_RECORD_MAX], again[BRAKE_RECORD_MAX];
    struct brake_record record = record_of(), *read = calloc(1, sizeof(*read));
    int length = brake_record_format(&record, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_int_equal(brake_record_parse(text, read), 0);
    assert_int_equal(brake_record_format(read, again, sizeof(again)), length);
    assert_string_equal(text, again);
    assert_string_equal(read->groups[1].name, "a group with blanks.slice");
    assert_rate(read->groups[0].theirs, MAX, 5);
    assert_rate(read->before, 1000, 10);
    assert_true(read->device == makedev(254, 3));
    assert_int_equal(read->throttle, 100);
    for (int size = 0; size <= length; size++)
        assert_int_equal(brake_record_format(&record, again, (size_t)size), -ENOBUFS);
    free(read);
}

/* Cut anywhere it is no record. */
static void test_cut(void **state)
{
    (void)state;
    char text[BRAKE_RECORD_MAX];
    struct brake_record record = record_of(), read;
    for (int length = brake_record_format(&record, text, sizeof(text)) - 1; length >= 0; length--) {
        text[length] = '\0';
        assert_int_equal(brake_record_parse(text, &read), -EBADMSG);
    }
}

static void test_no_way_out(void **state)
{
    (void)state;
    struct brake_record read;
    const char *head = "device 1:2 3\nours 1 1 before 1 1\n";
    static const char *const lines[] = {"group 1 1 ..\n", "group 1 1 a/b\n",   "group 1 1 /etc\n",
                                        "group 1 1\n",    "group 1 1 \n",      "group 1 x\n",
                                        "throttle\n",     "throttle 1 more\n", "nonsense\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "%s%send\n", head, lines[i]);
        assert_int_equal(brake_record_parse(text, &read), -EBADMSG);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    char name[BRAKE_GROUP_BYTES + 1], text[BRAKE_RECORD_MAX];
    struct brake_record *record = calloc(1, sizeof(*record)), *read = calloc(1, sizeof(*read));
    memset(name, 'x', sizeof(name));
    name[BRAKE_GROUP_BYTES] = '\0';
    assert_null(brake_record_see(record, name, BRAKE_FREE));
    name[BRAKE_GROUP_BYTES - 1] = '\0';
    for (int i = 0; i < BRAKE_GROUPS_MAX; i++) {
        name[0] = (char)('0' + i);
        assert_non_null(brake_record_see(record, name, BRAKE_FREE));
    }
    assert_null(brake_record_see(record, "one more", BRAKE_FREE));
    assert_true(brake_record_format(record, text, sizeof(text)) > 0);
    assert_int_equal(brake_record_parse(text, read), 0);
    assert_int_equal(read->n_groups, BRAKE_GROUPS_MAX);
    assert_string_equal(read->groups[BRAKE_GROUPS_MAX - 1].name, record->groups[BRAKE_GROUPS_MAX - 1].name);
    free(record);
    free(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_of_theirs),
        cmocka_unit_test(test_theirs_is_lower),
        cmocka_unit_test(test_theirs_is_higher),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_killed_between),
        cmocka_unit_test(test_unsettled),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_no_way_out),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
