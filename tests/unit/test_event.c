#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/event.h"
#include "cowherd/fill_rate.h"
#include <syslog.h>

#define SEC UINT64_C(1000000)

static void test_kinds_have_the_names_of_the_contract(void **state)
{
    (void)state;
    static const char *const names[] = {"found",         "gone",     "rung", "action-start", "action-done",
                                        "action-failed", "deferred", "lost", "brake",        "config"};

    assert_int_equal(EVENT_KINDS, sizeof names / sizeof names[0]);
    for (int i = 0; i < EVENT_KINDS; i++)
        assert_string_equal(event_kind_name((enum event_kind)i), names[i]);
}

static void test_message_ids_are_distinct_128_bit_numbers(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_KINDS; i++) {
        const char *id = event_kind_message_id((enum event_kind)i);
        assert_int_equal(strlen(id), 32);
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        assert_int_equal(id[12], '4'); /* random, as sd_id128_randomize() makes them */
        assert_non_null(strchr("89ab", id[16]));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(id, event_kind_message_id((enum event_kind)j));
    }
}

/* They are in people's scripts: these two lines may never change. */
static void test_message_ids_stay(void **state)
{
    (void)state;
    assert_string_equal(event_kind_message_id(EVENT_FOUND), "29535dd4c2074f75aafaf61ceecf0c00");
    assert_string_equal(event_kind_message_id(EVENT_LOST), "5fff42fc63694feca9d6f39da6d6e597");
}

static void test_priorities(void **state)
{
    (void)state;
    assert_int_equal(event_priority(ALERT_NOTICE), LOG_NOTICE);
    assert_int_equal(event_priority(ALERT_WARNING), LOG_WARNING);
    assert_int_equal(event_priority(ALERT_CRITICAL), LOG_CRIT);
}

static void assert_percent(uint64_t used, uint64_t total, const char *expected)
{
    struct sample sample = {.used_sectors = used, .total_sectors = total};
    char text[EVENT_TEXT_MAX];

    assert_ptr_equal(event_text_percent(&sample, text), text);
    assert_string_equal(text, expected);
}

static void test_percent(void **state)
{
    (void)state;
    assert_percent(0, 0, "0.00");
    assert_percent(0, 1000, "0.00");
    assert_percent(1, 20000, "0.00");
    assert_percent(1, 10000, "0.01");
    assert_percent(5, 1000, "0.50");
    assert_percent(7142, 10000, "71.42");
    assert_percent(9999, 10000, "99.99");
    assert_percent(99999, 100000, "99.99");
    assert_percent(8192, 8192, "100.00");
}

static void assert_bytes(uint64_t bytes, const char *expected)
{
    char text[EVENT_TEXT_MAX];

    assert_ptr_equal(event_text_bytes(bytes, text), text);
    assert_string_equal(text, expected);
}

static void test_bytes(void **state)
{
    (void)state;
    assert_bytes(0, "0 B");
    assert_bytes(1, "1 B");
    assert_bytes(1023, "1023 B");
    assert_bytes(1024, "1 KiB");
    assert_bytes(1024 + 102, "1 KiB");
    assert_bytes(1024 + 103, "1.1 KiB");
    assert_bytes(2047, "1.9 KiB");
    assert_bytes((1 << 20) - 1, "1023.9 KiB");
    assert_bytes(1 << 20, "1 MiB");
    assert_bytes(UINT64_C(3) << 29, "1.5 GiB");
    assert_bytes(UINT64_C(512) << 20, "512 MiB");
    assert_bytes((UINT64_C(1) << 40) - 1, "1023.9 GiB");
    assert_bytes(UINT64_C(1) << 40, "1 TiB");
    assert_bytes(UINT64_C(5) << 50, "5120 TiB");
    assert_bytes(UINT64_MAX, "16777215.9 TiB");
}

static void assert_time(uint64_t usec, const char *expected)
{
    char text[EVENT_TEXT_MAX];

    assert_ptr_equal(event_text_time(usec, text), text);
    assert_string_equal(text, expected);
}

static void test_time(void **state)
{
    (void)state;
    assert_time(0, "0 ms");
    assert_time(999, "0 ms");
    assert_time(350 * 1000, "350 ms");
    assert_time(SEC - 1, "999 ms");
    assert_time(SEC, "1 s");
    assert_time(2 * SEC - 1, "1 s");
    assert_time(59 * SEC, "59 s");
    assert_time(60 * SEC, "1 min");
    assert_time(125 * SEC, "2 min 5 s");
    assert_time(3600 * SEC - 1, "59 min 59 s");
    assert_time(3600 * SEC, "1 h");
    assert_time(3659 * SEC, "1 h");
    assert_time(3660 * SEC, "1 h 1 min");
    assert_time(86400 * SEC - 1, "23 h 59 min");
    assert_time(86400 * SEC, "1 d");
    assert_time(86400 * SEC + 3599 * SEC, "1 d");
    assert_time(3 * 86400 * SEC + 4 * 3600 * SEC, "3 d 4 h");
    assert_time(UINT64_MAX - 1, "213503982 d 8 h");
    assert_time(TIME_UNKNOWN_USEC, "ever");
}

static void assert_name(const char *name, const char *expected)
{
    char text[EVENT_NAME_MAX];

    assert_ptr_equal(event_text_name(name, text), text);
    assert_string_equal(text, expected);
}

static void test_name(void **state)
{
    (void)state;
    assert_name("", "");
    assert_name("vg0-root", "vg0-root");
    assert_name("a;touch $(id) ~", "a;touch $(id) ~");
    assert_name("two\nlines", "two\\x0alines");
    assert_name("\x1b[2J\x7f\x01", "\\x1b[2J\\x7f\\x01");
    assert_name("back\\slash", "back\\x5cslash");
    assert_name("Kühe €\U0001F404", "Kühe €\U0001F404");
    assert_name("\xff\xc3", "\\xff\\xc3");
    assert_name("\xc3(", "\\xc3(");
    assert_name("csi \xc2\x9b", "csi \\xc2\\x9b"); /* a terminal may take U+009B as ESC [ */
}

static void test_name_at_its_longest(void **state)
{
    (void)state;
    char name[200], expected[EVENT_NAME_MAX];

    memset(name, 0xff, sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < 127; i++)
        memcpy(expected + 4 * i, "\\xff", 5);
    assert_name(name, expected);

    memset(name, 'n', 127);
    name[126] = '\xc3'; /* the 127th and 128th byte are one character: cut before it */
    name[127] = '\xbc';
    memset(expected, 'n', 126);
    expected[126] = '\0';
    assert_name(name, expected);
}

/* No two names may read the same: of all names of up to two bytes. */
static void test_names_stay_distinct(void **state)
{
    (void)state;
    static unsigned char seen[256 * 256];
    unsigned n = 0;

    for (unsigned first = 1; first < 256; first++)
        for (unsigned second = 0; second < 256; second++) {
            const char name[] = {(char)first, (char)second, '\0'};
            char text[EVENT_NAME_MAX], back[8];
            size_t length = 0;
            event_text_name(name, text);
            for (const char *at = text; *at; length++) {
                unsigned byte;
                if (*at == '\\' && sscanf(at, "\\x%2x", &byte) == 1) {
                    back[length] = (char)byte;
                    at += 4;
                } else {
                    back[length] = *at++;
                }
            }
            assert_int_equal(length, strlen(name));
            assert_memory_equal(back, name, length);
            assert_int_equal(seen[first * 256 + second]++, 0);
            n++;
        }
    assert_int_equal(n, 255 * 256);
}

static size_t encode(uint32_t code, size_t length, char bytes[static 4])
{
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(length == 1 ? code : (0xf00U >> length & 0xf0) | code);
    return length;
}

/* Every code point in every length it can be written in: one of them is right, and it must be no control. */
static void test_characters_by_brute_force(void **state)
{
    (void)state;
    static const uint32_t below[] = {0, 0x80, 0x800, 0x10000, 0x200000};

    for (uint32_t code = 0; code < 0x120000; code++)
        for (size_t length = 1; length <= 4; length++) {
            char bytes[4];
            if (code >= below[length])
                continue;
            encode(code, length, bytes);
            bool shortest = code >= below[length - 1];
            bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
            bool valid = shortest && !control && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
            if (event_text_character(bytes, length) != (valid ? length : 0))
                fail_msg("U+%04X in %zu bytes", code, length);
            if (event_text_character(bytes, length - 1) != 0)
                fail_msg("U+%04X in %zu bytes, cut short", code, length);
        }
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(event_text_cut("", 0), 0);
    assert_int_equal(event_text_cut("", 5), 0);
    assert_int_equal(event_text_cut("abc", 3), 3);
    assert_int_equal(event_text_cut("abcd", 3), 3);
    assert_int_equal(event_text_cut("ab€", 5), 5);
    assert_int_equal(event_text_cut("ab€", 4), 2);
    assert_int_equal(event_text_cut("ab€", 3), 2);
    assert_int_equal(event_text_cut("ab€", 2), 2);
    assert_int_equal(event_text_cut("ab€c", 5), 5);
    assert_int_equal(event_text_cut("\U0001F404", 3), 0);
    assert_int_equal(event_text_cut("\U0001F404", 0), 0);
    assert_int_equal(event_text_cut("\x80\x80\x80\x80\x80", 4), 4);
}

/* ---- the journal's explanations, conf/cowherd.catalog */

#define CATALOG_BYTES_MAX 65536

static void read_catalog(char text[static CATALOG_BYTES_MAX])
{
    FILE *file = fopen(SOURCE_DIR "/conf/cowherd.catalog", "re");
    assert_non_null(file);
    size_t n = fread(text, 1, CATALOG_BYTES_MAX - 1, file);
    assert_true(n > 0 && n < CATALOG_BYTES_MAX - 1);
    text[n] = '\0';
    fclose(file);
}

static const char *next_entry(const char *at)
{
    const char *entry = strstr(at, "\n-- ");
    return entry ? entry + 1 : NULL;
}

static void test_every_message_id_is_explained_once(void **state)
{
    (void)state;
    char text[CATALOG_BYTES_MAX];
    unsigned times[EVENT_KINDS] = {0};
    read_catalog(text);
    for (const char *entry = next_entry(text); entry; entry = next_entry(entry)) {
        int kind = 0;
        while (kind < EVENT_KINDS &&
               strncmp(entry + 3, event_kind_message_id((enum event_kind)kind), 32) != 0)
            kind++;
        if (kind == EVENT_KINDS)
            fail_msg("no event has this id: %.35s", entry);
        times[kind]++;
    }
    for (int kind = 0; kind < EVENT_KINDS; kind++)
        if (times[kind] != 1)
            fail_msg("%s has %u entries", event_kind_name((enum event_kind)kind), times[kind]);
}

/* What systemd wants of an entry: these headers at once, an empty line, and no line of the text that it would take for a
 * comment. */
static void test_explanations_are_as_systemd_reads_them(void **state)
{
    (void)state;
    static const char *const headers[] = {"Subject: ", "Defined-By: cowherd\n",
                                          "Support: ", "Documentation: man:"};
    char text[CATALOG_BYTES_MAX];
    read_catalog(text);
    for (const char *entry = next_entry(text); entry; entry = next_entry(entry)) {
        const char *line = strchr(entry, '\n') + 1;
        for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++, line = strchr(line, '\n') + 1)
            if (strncmp(line, headers[i], strlen(headers[i])) != 0)
                fail_msg("%.35s: no %s", entry, headers[i]);
        assert_int_equal(*line++, '\n');
        assert_true(*line > ' ' && strncmp(line, "-- ", 3) != 0);
        for (; *line && strncmp(line, "-- ", 3) != 0; line = strchr(line, '\n') + 1)
            assert_null(*line == '\n' ? NULL : strchr("#;", *line));
    }
}

/* A field that the kind's entries may lack would be shown by its name. */
static void test_explanations_use_fields_that_are_there(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        unsigned kinds; /* bits */
    } always[] = {
        {"@COWHERD_SNAPSHOT@", ~(1U << EVENT_CONFIG)},
        {"@COWHERD_RUNG@", 1U << EVENT_RUNG},
        {"@COWHERD_ACTION@", 1U << EVENT_ACTION_START | 1U << EVENT_ACTION_DONE | 1U << EVENT_ACTION_FAILED |
                                 1U << EVENT_DEFERRED},
        {"@COWHERD_RESULT@", 1U << EVENT_ACTION_FAILED | 1U << EVENT_DEFERRED | 1U << EVENT_LOST |
                                 1U << EVENT_BRAKE | 1U << EVENT_CONFIG},
    };
    char text[CATALOG_BYTES_MAX];
    read_catalog(text);
    for (const char *entry = next_entry(text); entry; entry = next_entry(entry)) {
        const char *end = next_entry(entry) ? next_entry(entry) : strchr(entry, '\0');
        unsigned kind = 0, known;
        while (kind < EVENT_CONFIG &&
               strncmp(entry + 3, event_kind_message_id((enum event_kind)kind), 32) != 0)
            kind++;
        for (const char *at = strchr(entry, '@'); at && at < end; at = strchr(strchr(at + 1, '@') + 1, '@')) {
            for (known = 0; known < sizeof(always) / sizeof(always[0]); known++)
                if (strncmp(at, always[known].field, strlen(always[known].field)) == 0 &&
                    always[known].kinds >> kind & 1)
                    break;
            if (known == sizeof(always) / sizeof(always[0]))
                fail_msg("%s: not always there: %.30s", event_kind_name((enum event_kind)kind), at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_id_is_explained_once),
        cmocka_unit_test(test_explanations_are_as_systemd_reads_them),
        cmocka_unit_test(test_explanations_use_fields_that_are_there),
        cmocka_unit_test(test_kinds_have_the_names_of_the_contract),
        cmocka_unit_test(test_message_ids_are_distinct_128_bit_numbers),
        cmocka_unit_test(test_message_ids_stay),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_name_at_its_longest),
        cmocka_unit_test(test_names_stay_distinct),
        cmocka_unit_test(test_characters_by_brute_force),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
