#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/hook.h"
#include <stdlib.h>
#include <syslog.h>

#define ANY_NAME "a 'b' \"c\" $(id) `id` %n\n\x01\xff\xc3"

static void expect(const struct event *event, const char *const *expected)
{
    struct event_fields facts;
    char **environment;
    size_t i = 0;

    event_fields_make(event, &facts);
    assert_int_equal(hook_environment(&facts, &environment), 0);
    for (; environment[i] && expected[i]; i++)
        assert_string_equal(environment[i], expected[i]);
    assert_null(environment[i]);
    assert_null(expected[i]);
    free(environment);
}

static void test_every_fact_under_the_name_it_has_in_the_journal(void **state)
{
    static const char *const expected[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "COWHERD_EVENT=rung",
        "COWHERD_SNAPSHOT=" ANY_NAME,
        "COWHERD_UUID=LVM-x",
        "COWHERD_ROLE=backup",
        "COWHERD_USED_SECTORS=901",
        "COWHERD_TOTAL_SECTORS=1000",
        "COWHERD_PERCENT=90.10",
        "COWHERD_RATE=4096",
        "COWHERD_SECONDS_LEFT=12",
        "COWHERD_RUNG=at 90% = exec page",
        "COWHERD_ACTION=exec page",
        "COWHERD_RESULT=why",
        "COWHERD_MESSAGE=Said.\nTwice.",
        NULL,
    };
    struct event event = {
        .kind = EVENT_RUNG,
        .priority = LOG_CRIT,
        .snapshot = ANY_NAME,
        .uuid = "LVM-x",
        .role = ROLE_BACKUP,
        .has_sample = true,
        .sample = {.used_sectors = 901,
                   .total_sectors = 1000,
                   .rate_bytes_per_second = 4096,
                   .time_left_usec = 12999999},
        .rung = "at 90% = exec page",
        .action = "exec page",
        .result = "why",
        .sentence = "Said.\nTwice.",
    };

    (void)state;
    expect(&event, expected);
}

static void test_what_is_not_known_is_left_out(void **state)
{
    static const char *const expected[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "COWHERD_EVENT=lost",
        "COWHERD_SNAPSHOT=s",
        "COWHERD_MESSAGE=x",
        NULL};
    struct event event = {.kind = EVENT_LOST, .snapshot = "s", .uuid = "", .sentence = "x"};

    (void)state;
    expect(&event, expected);
}

/* The largest event there can be: the sanitizers watch the room. */
static void test_the_largest_event(void **state)
{
    static char large[2 * EVENT_SENTENCE_MAX];
    struct event event = {
        .kind = EVENT_ACTION_FAILED,
        .snapshot = large,
        .uuid = large,
        .role = ROLE_LIVE,
        .has_sample = true,
        .sample = {.used_sectors = UINT64_MAX / 20000,
                   .total_sectors = UINT64_MAX / 20000,
                   .rate_bytes_per_second = UINT64_MAX,
                   .time_left_usec = UINT64_MAX - 1},
        .rung = large,
        .action = large,
        .result = large,
        .sentence = large,
    };
    struct event_fields facts;
    char **environment;
    size_t n = 0;

    (void)state;
    memset(large, 'x', sizeof large - 1);
    event_fields_make(&event, &facts);
    assert_int_equal(facts.sizes.n, EVENT_FIELDS_MAX);
    assert_int_equal(hook_environment(&facts, &environment), 0);
    while (environment[n])
        n++;
    assert_int_equal(n, 2 + EVENT_FIELDS_MAX - 2); /* less PRIORITY and MESSAGE_ID */
    assert_int_equal(strlen(environment[n - 1]), strlen("COWHERD_MESSAGE=") + EVENT_SENTENCE_MAX - 1);
    free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fact_under_the_name_it_has_in_the_journal),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_the_largest_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
