#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/hook_supervisor.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SEC UINT64_C(1000000)

static struct hook_outcome outcome;
static uint64_t took_usec;

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void run(char *const *arguments, uint64_t timeout_usec)
{
    char *environment[] = {"PATH=/usr/bin:/bin", "A=b", NULL};
    struct hook_order order = {
        .timeout_usec = timeout_usec, .environment = environment, .arguments = (char **)arguments};
    uint64_t begin = now_usec();

    hook_supervise(&order, &outcome);
    took_usec = now_usec() - begin;
}

static void run_shell(const char *script, uint64_t timeout_usec)
{
    run((char *[]){"/bin/sh", "-c", (char *)script, "sh", "x  y", "$(id)", NULL}, timeout_usec);
}

static void expect(int end, int number, const char *output)
{
    assert_int_equal(outcome.end, end);
    assert_int_equal(outcome.number, number);
    assert_int_equal(outcome.n_output, strlen(output));
    assert_memory_equal(outcome.output, output, outcome.n_output);
}

static void test_exit_codes_and_signals(void **state)
{
    (void)state;
    run_shell("exit 0", SEC * 30);
    expect(HOOK_EXITED, 0, "");
    run_shell("echo out; echo err >&2; exit 3", SEC * 30);
    expect(HOOK_EXITED, 3, "out\nerr\n");
    run_shell("kill -SEGV $$", SEC * 30);
    expect(HOOK_KILLED, SIGSEGV, "");
}

static void test_what_it_is_given(void **state)
{
    (void)state;
    run_shell("tr '\\0' '\\n' </proc/$$/environ; printf '<%s>' \"$@\"; cat; pwd; umask", SEC * 30);
    expect(HOOK_EXITED, 0, "PATH=/usr/bin:/bin\nA=b\n<x  y><$(id)>/\n0022\n");
    run_shell("ls /proc/self/fd | wc -l", SEC * 30);
    expect(HOOK_EXITED, 0, "4\n"); /* one of them is the directory */
    /* Started by make, or by anyone through posix_spawn(), the C library's own signals 32 and 33 are ignored. */
    run_shell(
        "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t' | sed s/0000000180000000/0000000000000000/",
        SEC * 30);
    expect(HOOK_EXITED, 0, "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
}

static void test_a_missing_program(void **state)
{
    (void)state;
    run((char *[]){"/no/such/program", NULL}, SEC * 30);
    expect(HOOK_NOT_STARTED, ENOENT, "");
    run((char *[]){"/etc/passwd", NULL}, SEC * 30);
    expect(HOOK_NOT_STARTED, EACCES, "");
}

static void test_the_last_of_much_output_is_kept(void **state)
{
    char expected[HOOK_OUTPUT_MAX + 1];

    (void)state;
    run_shell("i=0; while [ $i -lt 20000 ]; do echo $((i + 10000000)); i=$((i + 1)); done", SEC * 60);
    assert_int_equal(outcome.n_output, HOOK_OUTPUT_MAX);
    assert_true(outcome.is_cut);
    for (int i = 0; i < HOOK_OUTPUT_MAX / 9 + 1; i++) {
        int from = HOOK_OUTPUT_MAX - 9 * (i + 1);
        snprintf(expected, sizeof(expected), "%d\n", 10019999 - i);
        assert_memory_equal(outcome.output + (from > 0 ? from : 0), expected + (from > 0 ? 0 : -from),
                            (size_t)(from > 0 ? 9 : 9 + from));
    }
    run_shell("head -c 1000000 /dev/zero", SEC * 30);
    assert_int_equal(outcome.end, HOOK_EXITED);
    assert_int_equal(outcome.number, 0);
    run_shell("printf 1234", SEC * 30);
    assert_false(outcome.is_cut);
}

static void test_the_deadline(void **state)
{
    (void)state;
    run_shell("echo begun; sleep 600; echo on", SEC / 2);
    expect(HOOK_OVERDUE, 0, "begun\n");
    assert_in_range(took_usec, SEC / 2, SEC * 4);
    run_shell("trap 'echo cleaned up; exit 0' TERM; sleep 600 & wait", SEC / 2);
    expect(HOOK_OVERDUE, 0, "cleaned up\n");
}

static void test_who_ignores_term_is_killed(void **state)
{
    (void)state;
    run_shell("trap '' TERM; echo deaf; while :; do sleep 1; done", SEC / 10);
    expect(HOOK_OVERDUE, 0, "deaf\n");
    assert_in_range(took_usec, HOOK_GRACE_USEC, 2 * HOOK_GRACE_USEC);
}

static void kill_escaped(void)
{
    pid_t pid = (pid_t)strtol(outcome.output, NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, 0), 0);
    kill(pid, SIGKILL);
}

/* One that stays in the group is killed with it; one that left it holds the pipe open, and holds up nobody. */
static void test_who_holds_the_output_open_does_not_hold_it_up(void **state)
{
    (void)state;
    run_shell("sleep 600 & echo $!", SEC * 60);
    assert_int_equal(outcome.end, HOOK_EXITED);
    assert_true(took_usec < SEC * 10);
    pid_t left = (pid_t)strtol(outcome.output, NULL, 10);
    for (int i = 0; i < 1000 && kill(left, 0) == 0; i++)
        usleep(10000);
    assert_int_equal(kill(left, 0), -1);
    run_shell("setsid sh -c 'echo $$; exec sleep 60' & sleep 0.5", SEC * 60);
    assert_int_equal(outcome.end, HOOK_EXITED);
    assert_true(took_usec < SEC * 10);
    kill_escaped();
    run_shell("setsid sh -c 'echo $$; exec sleep 60' & sleep 600", SEC / 2);
    assert_int_equal(outcome.end, HOOK_OVERDUE);
    assert_true(took_usec < SEC * 4);
    kill_escaped();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes_and_signals),
        cmocka_unit_test(test_what_it_is_given),
        cmocka_unit_test(test_a_missing_program),
        cmocka_unit_test(test_the_last_of_much_output_is_kept),
        cmocka_unit_test(test_the_deadline),
        cmocka_unit_test(test_who_ignores_term_is_killed),
        cmocka_unit_test(test_who_holds_the_output_open_does_not_hold_it_up),
    };
    close_range(STDERR_FILENO + 1, ~0U, 0); /* what the tests were started with is not theirs */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
