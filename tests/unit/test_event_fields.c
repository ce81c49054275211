/* event_fields: what the journal gets of an event. */
#include "cowherd/fill_rate.h"
#include "fixture_journal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

/* Sends one event and returns what journald got. */
static const char *sent_of(const struct event *event)
{
    struct journal *journal = open_with(-1, false);
    unsigned before = journald.n_sent;

    journal_event(journal, event);
    journal_close(journal, 10 * SEC);
    assert_int_equal(journald.n_sent, before + 1);
    return journald.sent[before];
}

static void test_every_field(void **state)
{
    (void)state;
    assert_string_equal(sent_of(&full_event), FULL_FIELDS_BEFORE_MESSAGE
                        "MESSAGE=extending the store of vg0-root failed|SYSLOG_IDENTIFIER=cowherd");
}

static void test_what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_CONFIG, .priority = LOG_NOTICE, .sentence = "read", .uuid = ""};

    assert_string_equal(sent_of(&event),
                        "PRIORITY=5|COWHERD_EVENT=config|MESSAGE_ID=01924c400d4a4bc9aa7db2a1606618e1|"
                        "MESSAGE=read|SYSLOG_IDENTIFIER=cowherd");
}

static void test_sample_at_its_edges(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_GONE, .priority = LOG_CRIT, .role = ROLE_LIVE, .has_sample = true};

    event.sample.time_left_usec = TIME_UNKNOWN_USEC;
    assert_string_equal(sent_of(&event),
                        "PRIORITY=2|COWHERD_EVENT=gone|COWHERD_ROLE=live|COWHERD_USED_SECTORS=0|"
                        "COWHERD_TOTAL_SECTORS=0|COWHERD_PERCENT=0.00|COWHERD_RATE=0|"
                        "COWHERD_SECONDS_LEFT=infinity|MESSAGE_ID=967e4f6de5984b1b9894774d06f3d9ae|"
                        "SYSLOG_IDENTIFIER=cowherd");
    event.sample.time_left_usec = 999999;
    assert_non_null(strstr(sent_of(&event), "|COWHERD_SECONDS_LEFT=0|"));
    event.sample.time_left_usec = UINT64_MAX - 1;
    event.sample.rate_bytes_per_second = UINT64_MAX;
    assert_non_null(strstr(sent_of(&event), "|COWHERD_SECONDS_LEFT=18446744073709|"));
    assert_non_null(strstr(sent_of(&event), "|COWHERD_RATE=18446744073709551615|"));
}

static void test_any_bytes_survive(void **state)
{
    (void)state;
    char name[128];
    struct event event = full_event;

    for (size_t i = 0; i < 127; i++)
        name[i] = (char)(i + 1);
    name[127] = '\0';
    event.snapshot = name;
    event.uuid = "\xff\xfe\n=\n";
    const char *sent = sent_of(&event);
    const char *at = strstr(sent, "|COWHERD_SNAPSHOT=");
    assert_non_null(at);
    assert_memory_equal(at + 18, name, 127);
    assert_non_null(strstr(sent, "|COWHERD_UUID=\xff\xfe\n=\n|"));
}

static void test_long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[3 * EVENT_SENTENCE_MAX], expected[EVENT_SENTENCE_MAX + 64];
    struct event event = {.kind = EVENT_RUNG, .priority = LOG_WARNING, .sentence = text, .result = text};

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text + EVENT_RESULT_MAX - 2, "ü", 2);
    memcpy(text + EVENT_SENTENCE_MAX - 3, "ü", 2); /* just fits */
    const char *sent = sent_of(&event);
    int n = snprintf(expected, sizeof expected, "|COWHERD_RESULT=%.*s|", EVENT_RESULT_MAX - 2, text);
    assert_non_null(strstr(sent, expected));
    snprintf(expected, sizeof expected, "|MESSAGE=%.*s|", EVENT_SENTENCE_MAX - 1, text);
    assert_non_null(strstr(sent, expected));
    assert_int_equal(n, EVENT_RESULT_MAX - 2 + 17);
}

static void test_the_largest_entry_fits(void **state)
{
    (void)state;
    char text[3 * EVENT_SENTENCE_MAX], expected[SENT_BYTES];
    struct event event = {
        .kind = EVENT_ACTION_FAILED,
        .priority = LOG_DEBUG,
        .snapshot = text,
        .uuid = text,
        .role = ROLE_BACKUP,
        .has_sample = true,
        .sample = {.used_sectors = UINT64_MAX / 2, .total_sectors = UINT64_MAX, .time_left_usec = 5},
        .rung = text,
        .action = text,
        .result = text,
        .sentence = text,
    };

    event.sample.rate_bytes_per_second = UINT64_MAX;
    memset(text, '\1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const int small = EVENT_RESULT_MAX - 1, large = EVENT_SENTENCE_MAX - 1;
    snprintf(expected, sizeof expected,
             "PRIORITY=7|COWHERD_EVENT=action-failed|COWHERD_SNAPSHOT=%.*s|COWHERD_UUID=%.*s|"
             "COWHERD_ROLE=backup|COWHERD_USED_SECTORS=9223372036854775807|"
             "COWHERD_TOTAL_SECTORS=18446744073709551615|COWHERD_PERCENT=49.99|"
             "COWHERD_RATE=18446744073709551615|COWHERD_SECONDS_LEFT=0|COWHERD_RUNG=%.*s|"
             "COWHERD_ACTION=%.*s|COWHERD_RESULT=%.*s|MESSAGE_ID=2b5da71ba7614ea1a852d77b515b3794|"
             "MESSAGE=%.*s|SYSLOG_IDENTIFIER=cowherd",
             small, text, small, text, small, text, small, text, small, text, large, text);
    assert_string_equal(sent_of(&event), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_known_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sample_at_its_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_bytes_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_are_cut_at_a_character, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_largest_entry_fits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
