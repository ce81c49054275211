/* child: its result, its end, and the SIGTERM that comes before it heeds one. */
#include "cowherd/child.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static volatile sig_atomic_t heard;

static void on_sigterm(int number)
{
    heard = number;
}

static void answer(const void *argument, int result_fd)
{
    if (write(result_fd, argument, sizeof(int)) != sizeof(int))
        _exit(1);
}

static void die(const void *argument, int result_fd)
{
    (void)argument, (void)result_fd;
    raise(SIGKILL);
}

/* It heeds SIGTERM only when one has come already. */
static void heed_late(const void *argument, int result_fd)
{
    sigset_t set;
    (void)argument;
    do {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        sigpending(&set);
    } while (!sigismember(&set, SIGTERM));
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_sigterm}, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    int result = heard;
    answer(&result, result_fd);
}

static int outcome(child_function function, int argument, int signal_sent)
{
    struct child child;
    int result = -1;
    assert_int_equal(child_start(function, &argument, &child), 0);
    if (signal_sent)
        kill(child.pid, signal_sent);
    assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
    int r = child_take_result(&child, &result, sizeof(result));
    assert_int_equal(child.result_fd, -1);
    return r < 0 ? r : result;
}

static void test_result(void **state)
{
    (void)state;
    assert_int_equal(outcome(answer, 42, 0), 42);
    assert_int_equal(outcome(die, 0, 0), -EPIPE);
}

/* As the daemon has it, which takes the signal from a descriptor. */
static void test_a_hurry_is_not_lost(void **state)
{
    sigset_t set;
    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    alarm(60);
    assert_int_equal(outcome(heed_late, 0, SIGTERM), SIGTERM);
    alarm(0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_a_hurry_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
