#include "plugin.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct limits warning = {.percent = 70, .seconds = 600},
                           critical = {.percent = 90, .seconds = -1};
static char written[4096];

static struct account account(const char *name, double percent, double left)
{
    return (struct account){.name = (char *)name,
                            .state = (char *)"valid",
                            .has_usage = true,
                            .has_rate = true,
                            .used_percent = percent,
                            .seconds_left = left,
                            .free_bytes = 1 << 20};
}

static enum plugin_state report(struct account *items, size_t n_items, bool is_offline)
{
    struct accounts accounts = {
        .items = items, .n_items = n_items, .is_offline = is_offline, .why_offline = {.is_unguarded = true}};
    strcpy(accounts.why_offline.sentence, "cowherd is not running");
    FILE *stream = fmemopen(written, sizeof(written), "w");
    enum plugin_state state = plugin_report(&accounts, &warning, &critical, stream);
    fclose(stream);
    return state;
}

static const char *label(const char *name)
{
    FILE *stream = fmemopen(written, sizeof(written), "w");
    plugin_put_label(name, " left", stream);
    fclose(stream);
    return written;
}

static void the_line_is_as_the_guidelines_have_it(void **state)
{
    struct account items[] = {account("a", 42.1, -1), account("b", 10, 7200)};
    (void)state;
    assert_int_equal(report(items, 2, false), PLUGIN_OK);
    assert_string_equal(written,
                        "COWHERD OK - 2 snapshots; fullest: a 42.10 %, 1 MiB free| 'a'=42.10%;70;90;0;100 "
                        "'b'=10.00%;70;90;0;100 'b left'=7200s;600:;;0\n");
    assert_int_equal(report(NULL, 0, false), PLUGIN_OK);
    assert_string_equal(written, "COWHERD OK - 0 snapshots\n");
}

static void labels_are_quoted(void **state)
{
    (void)state;
    assert_string_equal(label("plain"), "'plain left'");
    assert_string_equal(label("it's"), "'it''s left'");
    assert_string_equal(label("a=b|c"), "'a\\x3db\\x7cc left'");
    assert_string_equal(label("new\nline"), "'new\\x0aline left'");
}

static void the_worst_decides(void **state)
{
    struct account full = account("full", 90, -1), high = account("high", 70, -1),
                   soon = account("soon", 1, 600);
    struct account fine = account("fine", 69.99, 601), lost = account("lost", 0, -1),
                   odd = account("odd", 0, -1);
    struct account merging = account("merging", 99, -1);
    (void)state;
    lost.state = (char *)"Overflow", lost.has_usage = false;
    odd.state = (char *)"Unknown", odd.has_usage = false;
    merging.state = (char *)"merging";
    assert_int_equal(report(&fine, 1, false), PLUGIN_OK);
    assert_int_equal(report(&merging, 1, false), PLUGIN_OK);
    assert_int_equal(report(&high, 1, false), PLUGIN_WARNING);
    assert_int_equal(report(&soon, 1, false), PLUGIN_WARNING);
    assert_int_equal(report(&full, 1, false), PLUGIN_CRITICAL);
    assert_int_equal(report(&lost, 1, false), PLUGIN_CRITICAL);
    assert_int_equal(report(&odd, 1, false), PLUGIN_UNKNOWN);
    struct account all[] = {fine, high, lost, odd};
    assert_int_equal(report(all, 4, false), PLUGIN_CRITICAL);
    assert_non_null(strstr(
        written, "; critical: lost Overflow; warning: high 70.00 %, 1 MiB free; unknown: odd Unknown|"));
}

static void without_a_daemon_it_is_a_warning_at_least(void **state)
{
    struct account fine = account("fine", 1, -1), full = account("full", 95, -1);
    (void)state;
    assert_int_equal(report(&fine, 1, true), PLUGIN_WARNING);
    assert_non_null(strstr(written, "COWHERD WARNING - 1 snapshot; cowherd is not running"));
    assert_int_equal(report(&full, 1, true), PLUGIN_CRITICAL);
    assert_int_equal(report(NULL, 0, true), PLUGIN_WARNING);
}

static void a_thousand_problems_make_one_short_sentence(void **state)
{
    static struct account items[1000];
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        items[i] = account("x", 95, -1);
        items[i].has_usage = false;
        items[i].state = (char *)"Invalid";
    }
    assert_int_equal(report(items, 1000, false), PLUGIN_CRITICAL);
    assert_non_null(strstr(written, " and 990 more\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_is_as_the_guidelines_have_it),
        cmocka_unit_test(labels_are_quoted),
        cmocka_unit_test(the_worst_decides),
        cmocka_unit_test(without_a_daemon_it_is_a_warning_at_least),
        cmocka_unit_test(a_thousand_problems_make_one_short_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
