#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/report/journal_private.h"
#include "cowherd/hooks.h"
#include <signal.h>
#include <unistd.h>

/* The loop of these tests never turns: what has been started stays at work, so that queues are seen as they
 * are. Whether the hooks can be run here does not matter. */

static char said[64 * 1024]; /* EVENT|ACTION|RESULT|SNAPSHOT of every entry, one a line */
static unsigned n_failed;

static const char *find(const struct iovec *fields, int n_fields, const char *name, char value[static 600])
{
    value[0] = '\0';
    for (int i = 0; i < n_fields; i++)
        if (fields[i].iov_len > strlen(name) && memcmp(fields[i].iov_base, name, strlen(name)) == 0)
            snprintf(value, 600, "%.*s", (int)(fields[i].iov_len - strlen(name)),
                     (char *)fields[i].iov_base + strlen(name));
    return value;
}

static int take_entry(const struct iovec *fields, int n_fields)
{
    char event[600], action[600], result[600], snapshot[600];
    size_t length = strlen(said);
    snprintf(said + length, sizeof(said) - length, "%s|%s|%s|%s\n",
             find(fields, n_fields, "COWHERD_EVENT=", event),
             find(fields, n_fields, "COWHERD_ACTION=", action),
             find(fields, n_fields, "COWHERD_RESULT=", result),
             find(fields, n_fields, "COWHERD_SNAPSHOT=", snapshot));
    return 0;
}

static unsigned count(const char *text)
{
    unsigned n = 0;
    for (const char *at = said; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static struct hook the_hook = {.name = "page", .command = "/bin/true", .file = "f", .line = 1};
static struct configuration configuration = {.hook_timeout_usec = 30000000, .hooks = &the_hook, .n_hooks = 1};

static struct hooks hooks;
static struct event_fields facts;

/* As the manager does: `on stalled` may have a hook of its own. */
static void on_failed(const struct subject *subject, void *user)
{
    struct action action = {.kind = ACTION_EXEC, .hook = "page", .text = "exec page"};
    struct rung rung = {.condition = {.kind = CONDITION_STALLED},
                        .actions = &action,
                        .n_actions = 1,
                        .text = "on stalled = exec page"};
    (void)user;
    n_failed++;
    hooks_run(&hooks, &configuration, subject, &rung, &facts);
}

static int setup(void **state)
{
    struct journal_outlet outlet = {.send = take_entry, .line_fd = -1};
    struct event event = {.kind = EVENT_RUNG, .sentence = "x"};
    (void)state;
    said[0] = '\0';
    n_failed = 0;
    hooks = (struct hooks){.failed = on_failed};
    event_fields_make(&event, &facts);
    return sd_event_new(&hooks.event) < 0 || journal_open_outlet("test", &outlet, &hooks.journal) < 0;
}

/* Ends the hooks; what was said is complete then. */
static void finish(void)
{
    hooks_done(&hooks);
    journal_close(hooks.journal, 10000000);
    sd_event_unref(hooks.event);
}

static void cross(const char *snapshot, unsigned times)
{
    struct action action = {.kind = ACTION_EXEC, .hook = "page", .text = "exec page"};
    struct rung rung = {.actions = &action, .n_actions = 1, .text = "at 50% = exec page"};
    struct subject subject = {.name = snapshot, .uuid = ""};
    for (unsigned i = 0; i < times; i++)
        hooks_run(&hooks, &configuration, &subject, &rung, &facts);
}

static void test_one_at_a_time_for_each_snapshot(void **state)
{
    (void)state;
    cross("a", 3);
    cross("b", 2);
    finish();
    assert_int_equal(count("action-start|"), 2);
    assert_int_equal(count("action-start|exec page||a\n"), 1);
    assert_int_equal(count("action-start|exec page||b\n"), 1);
    assert_int_equal(count("action-failed|exec page|not run: cowherd is stopped|a\n"), 2);
    assert_int_equal(count("action-failed|exec page|not run: cowherd is stopped|b\n"), 1);
}

static void test_so_many_side_by_side(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HOOKS_RUNNING_MAX + 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%u", i);
        cross(name, 1);
    }
    finish();
    assert_int_equal(count("action-start|"), HOOKS_RUNNING_MAX);
    assert_int_equal(count("not run: cowherd is stopped"), 3);
}

/* Each that is dropped is said, and fires `on stalled`; whose hook is dropped in turn, and fires nothing. */
static void test_what_does_not_fit_the_queue_is_said(void **state)
{
    (void)state;
    cross("a", 1 + HOOKS_WAITING_MAX + 2);
    assert_int_equal(n_failed, 2);
    cross("b", 1);
    assert_int_equal(n_failed, 2);
    finish();
    assert_int_equal(count("action-failed|exec page|dropped, for too many hooks wait already|a\n"), 4);
    assert_int_equal(count("not run: cowherd is stopped|a\n"), HOOKS_WAITING_MAX);
}

static void test_uuid_before_name(void **state)
{
    struct action action = {.kind = ACTION_EXEC, .hook = "page", .text = "exec page"};
    struct rung rung = {.actions = &action, .n_actions = 1, .text = "at 50% = exec page"};
    struct subject subjects[] = {
        {.name = "old", .uuid = "U"}, {.name = "new", .uuid = "U"}, {.name = "new", .uuid = "V"}};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        hooks_run(&hooks, &configuration, &subjects[i], &rung, &facts);
    finish();
    assert_int_equal(count("action-start|"), 2);
}

static void test_a_dry_run_only_says(void **state)
{
    (void)state;
    hooks.dry_run = true;
    cross("a", 2);
    assert_int_equal(hooks.n_items, 0);
    finish();
    assert_int_equal(count("action-start|exec page|dry-run|a\n"), 2);
    assert_int_equal(count("action-failed"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_at_a_time_for_each_snapshot, setup),
        cmocka_unit_test_setup(test_so_many_side_by_side, setup),
        cmocka_unit_test_setup(test_what_does_not_fit_the_queue_is_said, setup),
        cmocka_unit_test_setup(test_uuid_before_name, setup),
        cmocka_unit_test_setup(test_a_dry_run_only_says, setup),
    };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
