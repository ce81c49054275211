/* watched_child: what the loop calls back, and that no child is left where it cannot. */
#include "cowherd/watched_child.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    sd_event *event;
    struct watched_child child;
    bool was_late;
    int taken, result;
};

static void answer(const void *argument, int result_fd)
{
    if (write(result_fd, argument, sizeof(int)) != sizeof(int))
        _exit(1);
}

static void hang(const void *argument, int result_fd)
{
    (void)argument, (void)result_fd;
    for (;;)
        pause();
}

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct fixture *fixture = user;
    (void)source, (void)info;
    fixture->taken = watched_child_take_result(&fixture->child, &fixture->result, sizeof(fixture->result));
    return sd_event_exit(fixture->event, 0);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct fixture *fixture = user;
    (void)source, (void)usec;
    fixture->was_late = true;
    watched_child_kill(&fixture->child);
    return 0;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    fixture = (struct fixture){.child = WATCHED_CHILD_NONE, .taken = 1};
    *state = &fixture;
    return sd_event_new(&fixture.event);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sd_event_unref(fixture->event);
    return 0;
}

static int start(struct fixture *fixture, child_function function, uint64_t deadline_usec)
{
    static const int argument = 42;
    struct child_watch watch = {.deadline_usec = deadline_usec,
                                .on_exit = on_exit_child,
                                .on_deadline = on_deadline,
                                .user = fixture};
    return watched_child_start(&fixture->child, function, &argument, fixture->event, &watch);
}

static void assert_nothing_left(const struct fixture *fixture)
{
    assert_int_equal(fixture->child.child.result_fd, -1);
    assert_null(fixture->child.exit_source);
    assert_null(fixture->child.deadline_source);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_its_end(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, answer, UINT64_C(60000000)), 0);
    assert_non_null(fixture->child.deadline_source);
    assert_int_equal(sd_event_loop(fixture->event), 0);
    assert_int_equal(fixture->taken, 0);
    assert_int_equal(fixture->result, 42);
    assert_false(fixture->was_late);
    assert_nothing_left(fixture);
}

static void test_its_deadline(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, hang, 1000), 0);
    assert_int_equal(sd_event_loop(fixture->event), 0);
    assert_true(fixture->was_late);
    assert_int_equal(fixture->taken, -EPIPE);
    assert_nothing_left(fixture);
}

static void test_without_a_deadline(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, answer, UINT64_MAX), 0);
    assert_null(fixture->child.deadline_source);
    assert_int_equal(sd_event_loop(fixture->event), 0);
    assert_int_equal(fixture->taken, 0);
    assert_nothing_left(fixture);
}

/* A loop that has ended watches nobody. */
static void test_where_it_cannot_be_watched(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(sd_event_exit(fixture->event, 0), 0);
    assert_int_equal(sd_event_loop(fixture->event), 0);
    assert_int_equal(start(fixture, hang, UINT64_MAX), -ESTALE);
    assert_nothing_left(fixture);
}

static void test_abandoned(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, hang, UINT64_C(60000000)), 0);
    watched_child_abandon(&fixture->child);
    assert_nothing_left(fixture);
}

/* It goes on, and nothing is heard of it. */
static void test_left(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(start(fixture, hang, UINT64_C(60000000)), 0);
    pid_t pid = fixture->child.child.pid;
    watched_child_leave(&fixture->child);
    assert_null(fixture->child.exit_source);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_nothing_left(fixture);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_its_end),
        TEST(test_its_deadline),
        TEST(test_without_a_deadline),
        TEST(test_where_it_cannot_be_watched),
        TEST(test_abandoned),
        TEST(test_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
