#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/metrics.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The accounts of these tests own nothing: their texts are literals. */
static char *lit(const char *text)
{
    return (char *)(uintptr_t)text;
}

static struct account account(const char *name)
{
    return (struct account){
        .name = lit(name),
        .uuid = lit("TEST-1"),
        .role = lit("backup"),
        .state = lit("valid"),
        .origin = lit("/dev/mapper/base"),
        .store = lit("/dev/vdb"),
        .has_usage = true,
        .used_sectors = 16,
        .total_sectors = UINT64_C(1) << 31,
        .metadata_sectors = 8,
        .free_bytes = UINT64_C(1099511620000),
        .has_rate = true,
        .fill_rate_bytes = 4096,
        .seconds_left = 7200.5,
        .section = lit("snapshot root-*"),
        .guarantee = lit("yes"),
    };
}

static char *format(const struct account *accounts, size_t n_accounts, const struct tally *tally)
{
    static const struct tally nothing;
    struct metrics metrics = {
        .accounts = accounts,
        .n_accounts = n_accounts,
        .tally = tally ? tally : &nothing,
        .looked_usec = UINT64_C(1700000000123456),
        .version = "1.2.3",
    };
    char *text;
    size_t length;
    assert_int_equal(metrics_format(&metrics, &text, &length), 0);
    assert_int_equal(strlen(text), length);
    assert_int_equal(text[length - 1], '\n');
    return text;
}

/* How often there is this line. */
static unsigned count_line(const char *text, const char *line)
{
    unsigned n = 0;
    size_t length = strlen(line);
    for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        n += strncmp(at, line, length) == 0 && at[length] == '\n';
    return n;
}

#define assert_line(text, line) assert_int_equal(count_line(text, line), 1)

#define LABELS "{snapshot=\"root\",uuid=\"TEST-1\"}"

static void test_everything_of_a_snapshot(void **state)
{
    (void)state;
    struct account root = account("root");
    char *text = format(&root, 1, NULL);
    assert_line(text, "cowherd_snapshot_used_bytes" LABELS " 8192");
    assert_line(text, "cowherd_snapshot_size_bytes" LABELS " 1099511627776");
    assert_line(text, "cowherd_snapshot_metadata_bytes" LABELS " 4096");
    assert_line(text, "cowherd_snapshot_free_bytes" LABELS " 1099511620000");
    assert_line(text, "cowherd_snapshot_fill_rate_bytes" LABELS " 4096");
    assert_line(text, "cowherd_snapshot_seconds_left" LABELS " 7200.5");
    assert_line(text, "cowherd_snapshot_guarantee" LABELS " 1");
    assert_line(text, "cowherd_snapshot_held" LABELS " 0");
    assert_line(text, "cowherd_snapshot_lost_total" LABELS " 0");
    assert_line(text, "cowherd_snapshot_info{snapshot=\"root\",uuid=\"TEST-1\",role=\"backup\","
                      "origin=\"/dev/mapper/base\",store=\"/dev/vdb\",section=\"snapshot root-*\"} 1");
    assert_line(text, "cowherd_snapshots 1");
    assert_line(text, "cowherd_configuration_error 0");
    assert_line(text, "cowherd_build_info{version=\"1.2.3\"} 1");
    assert_line(text, "cowherd_last_look_timestamp_seconds 1700000000.123");
    assert_line(text, "cowherd_action_total{action=\"extend\",result=\"failed\"} 0");
    free(text);
}

static void test_what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct account root = account("root");
    root.has_usage = root.has_rate = false;
    root.guarantee = NULL;
    root.state = lit("Merge failed");
    root.held_until_usec = 1;
    struct tally tally = {0};
    struct metrics metrics = {.accounts = &root, .n_accounts = 1, .tally = &tally, .version = "1"};
    char *text;
    size_t length;
    assert_int_equal(metrics_format(&metrics, &text, &length), 0);
    static const char *const missing[] = {"used", "size",         "metadata",  "free",
                                          "fill", "seconds_left", "guarantee", "last_look"};
    for (size_t i = 0; i < COUNT(missing); i++) {
        char start[64];
        snprintf(start, sizeof(start), "\ncowherd_snapshot_%s", missing[i]);
        assert_null(strstr(text, start));
    }
    assert_null(strstr(text, "last_look"));
    assert_line(text, "cowherd_snapshot_held" LABELS " 1");
    assert_line(text, "cowherd_snapshot_state{snapshot=\"root\",uuid=\"TEST-1\",state=\"merge_failed\"} 1");
    assert_line(text, "cowherd_snapshot_state{snapshot=\"root\",uuid=\"TEST-1\",state=\"valid\"} 0");
    free(text);
}

static void test_nothing_fills_it(void **state)
{
    (void)state;
    struct account root = account("root");
    root.seconds_left = -1;
    root.guarantee = lit("no");
    char *text = format(&root, 1, NULL);
    assert_line(text, "cowherd_snapshot_seconds_left" LABELS " +Inf");
    assert_line(text, "cowherd_snapshot_guarantee" LABELS " 0");
    free(text);
}

static void test_one_state_is_one(void **state)
{
    (void)state;
    static const char *const words[][2] = {{"valid", "valid"},       {"merging", "merging"},
                                           {"Invalid", "invalid"},   {"Overflow", "overflow"},
                                           {"Unknown", "unknown"},   {"Merge failed", "merge_failed"},
                                           {"something", "unknown"}, {NULL, "unknown"}};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct account root = account("root");
        char line[128];
        root.state = lit(words[i][0]);
        char *text = format(&root, 1, NULL);
        snprintf(line, sizeof(line),
                 "cowherd_snapshot_state{snapshot=\"root\",uuid=\"TEST-1\",state=\"%s\"} 1", words[i][1]);
        assert_line(text, line);
        unsigned n = 0;
        for (const char *at = text; (at = strstr(at, "\ncowherd_snapshot_state{")); at++)
            n += strncmp(strstr(at, "} "), "} 1\n", 4) == 0;
        assert_int_equal(n, 1);
        free(text);
    }
}

static void test_no_snapshots(void **state)
{
    (void)state;
    char *text = format(NULL, 0, NULL);
    assert_line(text, "cowherd_snapshots 0");
    assert_line(text, "# TYPE cowherd_snapshot_used_bytes gauge");
    assert_null(strstr(text, "snapshot=\""));
    free(text);
}

static void test_names_are_escaped(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"with blank", "with blank"},
        {"quote\"", "quote\\\""},
        {"back\\slash", "back\\\\slash"},
        {"new\nline", "new\\nline"},
        {"caf\303\251", "caf\303\251"},
        {"\342\202\254", "\342\202\254"},
        {"latin\351", "latin\\\\xe9"},
        {"\377\376", "\\\\xff\\\\xfe"},
        {"cut\342\202", "cut\\\\xe2\\\\x82"},
        {"\300\200", "\\\\xc0\\\\x80"},            /* longer than need be */
        {"\355\240\200", "\\\\xed\\\\xa0\\\\x80"}, /* half of a surrogate pair */
        {"\302\205", "\302\205"},                  /* a control character, but UTF-8 */
        {"\001\t", "\001\t"},
        {"{a=\"b\"} 1", "{a=\\\"b\\\"} 1"},
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        struct account one = account(names[i][0]);
        one.section = lit(names[i][0]);
        char *text = format(&one, 1, NULL), line[256];
        snprintf(line, sizeof(line), "cowherd_snapshot_held{snapshot=\"%s\",uuid=\"TEST-1\"} 0", names[i][1]);
        assert_line(text, line);
        snprintf(line, sizeof(line), "section=\"%s\"} 1\n", names[i][1]);
        assert_non_null(strstr(text, line));
        free(text);
    }
}

/* One pair of equal series, and the reader refuses the whole file. */
static void assert_no_line_twice(const char *text)
{
    char *copy = strdup(text), *lines[512], *rest = NULL;
    size_t n = 0;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *end = line[0] == '#' ? NULL : strrchr(line, ' ');
        if (end)
            *end = '\0';
        for (size_t i = 0; i < n; i++)
            assert_string_not_equal(lines[i], line);
        assert_true(n < COUNT(lines));
        lines[n++] = line;
    }
    free(copy);
}

static void test_no_two_series_are_equal(void **state)
{
    (void)state;
    struct account_rung rungs[] = {{.text = lit("at 50% = alert")}, {.text = lit("at 50% = alert")}};
    struct account accounts[] = {account("a"),     account("a"),      account("a"),    account("a@8"),
                                 account("b\377"), account("b\\xff"), account("c@16"), account("c")};
    accounts[1].start_sectors = 8; /* written as the third is called */
    accounts[2].start_sectors = 16;
    accounts[7].start_sectors = 16;
    for (size_t i = 0; i < COUNT(accounts); i++) {
        accounts[i].rungs = rungs;
        accounts[i].n_rungs = COUNT(rungs);
    }
    struct tally_record records[] = {
        {.snapshot = lit("a"), .uuid = lit("TEST-1"), .rung = lit("at 50% = alert"), .count = 3},
        {.snapshot = lit("a"), .uuid = lit("TEST-1"), .rung = lit("removed"), .count = 4},
        {.snapshot = lit("g\377"), .uuid = lit(""), .rung = lit("r"), .count = 1},
        {.snapshot = lit("g\\xff"), .uuid = lit(""), .rung = lit("r"), .count = 1},
        {.snapshot = lit("b\\xff"), .uuid = lit("TEST-1"), .rung = lit("r"), .count = 1},
        {.snapshot = lit("g"), .uuid = lit(""), .count = 2},
    };
    struct tally tally = {.records = records, .n_records = COUNT(records)};
    char *text = format(accounts, COUNT(accounts), &tally);
    assert_no_line_twice(text);
    assert_line(text,
                "cowherd_snapshot_rung_total{snapshot=\"a\",uuid=\"TEST-1\",rung=\"at 50% = alert\"} 3");
    assert_line(text, "cowherd_snapshot_rung_total{snapshot=\"a\",uuid=\"TEST-1\",rung=\"removed\"} 4");
    assert_line(text, "cowherd_snapshot_lost_total{snapshot=\"g\",uuid=\"\"} 2");
    assert_line(text, "cowherd_snapshot_held{snapshot=\"a@8\",uuid=\"TEST-1\"} 0");
    assert_line(text, "cowherd_snapshot_held{snapshot=\"a@16\",uuid=\"TEST-1\"} 0");
    free(text);
}

static void test_counters(void **state)
{
    (void)state;
    struct account_rung rungs[] = {{.text = lit("at 50% = alert")}, {.text = lit("at 60% = drop")}};
    struct account root = account("root");
    root.rungs = rungs;
    root.n_rungs = COUNT(rungs);
    struct tally_record records[] = {
        {.snapshot = lit("root"), .uuid = lit("TEST-1"), .rung = lit("at 60% = drop"), .count = 2},
        {.snapshot = lit("root"), .uuid = lit("TEST-1"), .count = 1},
    };
    struct tally tally = {
        .records = records,
        .n_records = COUNT(records),
        .actions = {[ACTION_DROP] = {.done = 3, .failed = 1, .timed = 2, .took_usec = 2500000}}};
    char *text = format(&root, 1, &tally);
    assert_line(text,
                "cowherd_snapshot_rung_total{snapshot=\"root\",uuid=\"TEST-1\",rung=\"at 50% = alert\"} 0");
    assert_line(text,
                "cowherd_snapshot_rung_total{snapshot=\"root\",uuid=\"TEST-1\",rung=\"at 60% = drop\"} 2");
    assert_line(text, "cowherd_snapshot_lost_total" LABELS " 1");
    assert_line(text, "cowherd_action_total{action=\"drop\",result=\"done\"} 3");
    assert_line(text, "cowherd_action_total{action=\"drop\",result=\"failed\"} 1");
    assert_line(text, "cowherd_action_duration_seconds_sum{action=\"drop\"} 2.5");
    assert_line(text, "cowherd_action_duration_seconds_count{action=\"drop\"} 2");
    assert_line(text, "cowherd_action_total{action=\"merge\",result=\"done\"} 0");
    free(text);
}

/* "name" of "name{labels} value"; what a summary adds to the name is not part of its family's. */
static size_t family_length(const char *line)
{
    size_t length = strcspn(line, "{ ");
    static const char *const endings[] = {"_sum", "_count"};
    for (size_t i = 0; i < COUNT(endings); i++) {
        size_t end = strlen(endings[i]);
        if (length > end && memcmp(line + length - end, endings[i], end) == 0)
            return length - end;
    }
    return length;
}

/* Each line belongs to the family whose HELP and TYPE are above it, and those come once. */
static void test_families_stand_together(void **state)
{
    (void)state;
    struct account accounts[] = {account("a"), account("b"), account("c")};
    struct account_rung rung = {.text = lit("at 50% = alert")};
    char *text = format(accounts, COUNT(accounts), NULL), *rest = NULL, family[64] = "";
    for (size_t i = 0; i < COUNT(accounts); i++) {
        accounts[i].rungs = &rung;
        accounts[i].n_rungs = 1;
    }
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "), line + 7);
            char *next = strtok_r(NULL, "\n", &rest), type[80];
            snprintf(type, sizeof(type), "# TYPE %s ", family);
            assert_memory_equal(next, type, strlen(type));
            continue;
        }
        assert_int_equal(family_length(line), strlen(family));
        assert_memory_equal(line, family, strlen(family));
    }
    free(text);
}

/* Prometheus' own reader and its advice on names. */
static void test_promtool_finds_nothing(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null") != 0)
        skip();
    struct account_rung rungs[] = {{.text = lit("at 50% = alert")}, {.text = lit("on lost = exec \"x\\y\"")}};
    struct account accounts[] = {account("a"), account("two words\""), account("new\nline"),
                                 account("latin\351"), account("latin\\xe9")};
    struct tally tally = {.actions = {[ACTION_MERGE] = {.done = 1, .timed = 1, .took_usec = 1}}};
    accounts[1].rungs = rungs;
    accounts[1].n_rungs = COUNT(rungs);
    accounts[2].seconds_left = -1;
    accounts[0].uuid = lit("");
    char *text = format(accounts, COUNT(accounts), &tally);
    FILE *promtool = popen("promtool check metrics", "w");
    assert_non_null(promtool);
    fputs(text, promtool);
    assert_int_equal(pclose(promtool), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_of_a_snapshot),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_nothing_fills_it),
        cmocka_unit_test(test_one_state_is_one),
        cmocka_unit_test(test_no_snapshots),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_no_two_series_are_equal),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_families_stand_together),
        cmocka_unit_test(test_promtool_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
