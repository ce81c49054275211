#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/notify.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The manager's end: a datagram socket of an abstract name. */
static int manager = -1;
static char path[64];

static void listen_as(const char *name, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);

    memcpy(address.sun_path + (abstract ? 1 : 0), name, length);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    assert_int_equal(bind(manager, (struct sockaddr *)&address, size), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "@cowherd-test-notify-%ld", (long)getpid());
    listen_as(path + 1, true);
    return setenv("NOTIFY_SOCKET", path, 1);
}

static int teardown(void **state)
{
    (void)state;
    close(manager);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return unsetenv("NOTIFY_SOCKET");
}

static ssize_t receive(char *buffer, size_t size)
{
    ssize_t length = recv(manager, buffer, size - 1, MSG_DONTWAIT);

    if (length >= 0)
        buffer[length] = '\0';
    return length;
}

static void assert_received(const char *expected)
{
    char buffer[4096];

    assert_int_equal(receive(buffer, sizeof buffer), strlen(expected));
    assert_string_equal(buffer, expected);
}

static void assert_silence(void)
{
    char buffer[4096];

    assert_int_equal(receive(buffer, sizeof buffer), -1);
    assert_int_equal(errno, EAGAIN);
}

static void test_exact_bytes(void **state)
{
    (void)state;
    assert_int_equal(notify_ready("2 snapshots"), 0);
    assert_received("READY=1\nSTATUS=2 snapshots");
    assert_int_equal(notify_status("3 snapshots"), 0);
    assert_received("STATUS=3 snapshots");
    assert_int_equal(notify_watchdog(), 0);
    assert_received("WATCHDOG=1");
    assert_int_equal(notify_watchdog_period(90000000), 0);
    assert_received("WATCHDOG_USEC=90000000");
    assert_int_equal(notify_stopping(), 0);
    assert_received("STOPPING=1");
    assert_silence();
}

static void test_the_same_status_is_sent_once(void **state)
{
    (void)state;
    assert_int_equal(notify_status("first"), 0);
    assert_received("STATUS=first");
    assert_int_equal(notify_status("first"), 0);
    assert_silence();
    assert_int_equal(notify_status("second"), 0);
    assert_received("STATUS=second");
    assert_int_equal(notify_status("first"), 0);
    assert_received("STATUS=first");
    assert_int_equal(notify_ready("ready"), 0);
    assert_received("READY=1\nSTATUS=ready");
    assert_int_equal(notify_status("ready"), 0);
    assert_silence();
    assert_int_equal(notify_ready("ready"), 0);
    assert_received("READY=1\nSTATUS=ready");
    assert_int_equal(notify_status(""), 0);
    assert_received("STATUS=");
}

static uint64_t monotonic_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void test_reloading_says_when_in_microseconds(void **state)
{
    (void)state;
    char buffer[256];
    unsigned long long usec;
    int end = 0;

    uint64_t before = monotonic_usec();
    assert_int_equal(notify_reloading(), 0);
    uint64_t after = monotonic_usec();
    ssize_t length = receive(buffer, sizeof buffer);
    assert_int_equal(sscanf(buffer, "RELOADING=1\nMONOTONIC_USEC=%llu%n", &usec, &end), 1);
    assert_int_equal(end, length);
    assert_in_range(usec, before, after);
}

static void test_a_status_is_one_line_of_utf8(void **state)
{
    (void)state;
    assert_int_equal(notify_ready("a\nREADY=0\rb\x7f\x1b[2J"), 0);
    assert_received("READY=1\nSTATUS=a READY=0 b  [2J");
    assert_int_equal(notify_status("Kühe \xff€"), 0);
    assert_received("STATUS=Kühe ?€");
}

static void test_a_long_status_is_cut_at_a_character(void **state)
{
    (void)state;
    char status[3 * NOTIFY_STATUS_MAX], expected[NOTIFY_STATUS_MAX + 32] = "STATUS=";

    memset(status, 'x', sizeof status - 1);
    status[sizeof status - 1] = '\0';
    memcpy(status + NOTIFY_STATUS_MAX - 2, "ü", 2); /* its second byte is one too many */
    memset(expected + 7, 'x', NOTIFY_STATUS_MAX - 2);
    assert_int_equal(notify_status(status), 0);
    assert_received(expected);
    memset(status + NOTIFY_STATUS_MAX - 2, 'y', 3);
    expected[7 + NOTIFY_STATUS_MAX - 2] = 'y';
    assert_int_equal(notify_status(status), 0);
    assert_received(expected);
}

static void test_no_manager_is_no_error(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_ready("r"), 0);
    assert_int_equal(notify_status("s"), 0);
    assert_int_equal(notify_reloading(), 0);
    assert_int_equal(notify_watchdog(), 0);
    assert_int_equal(notify_stopping(), 0);
    assert_silence();
}

static void test_a_path_as_the_address(void **state)
{
    (void)state;
    char directory[] = "/tmp/cowherd-test-XXXXXX", name[64];

    assert_non_null(mkdtemp(directory));
    snprintf(name, sizeof name, "%s/socket", directory);
    close(manager);
    listen_as(name, false);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(notify_watchdog(), 0);
    assert_received("WATCHDOG=1");
    unlink(name);
    assert_int_equal(notify_watchdog(), -ENOENT);
    rmdir(directory);
}

static void test_bad_addresses(void **state)
{
    (void)state;
    char name[200] = "/";

    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(notify_watchdog(), -EAFNOSUPPORT);
    setenv("NOTIFY_SOCKET", "@", 1);
    assert_int_equal(notify_watchdog(), -EINVAL);
    memset(name + 1, 'n', 107);
    setenv("NOTIFY_SOCKET", name, 1); /* 108 bytes leave no room for the end */
    assert_int_equal(notify_watchdog(), -EINVAL);
    name[107] = '\0';
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(notify_watchdog(), -ENOENT);
    setenv("NOTIFY_SOCKET", "@cowherd-test-nobody-listens", 1);
    assert_int_equal(notify_watchdog(), -ECONNREFUSED);
}

/* A manager that does not read must not hold up the loop; what it did not get is sent again. */
static void test_a_manager_that_does_not_read(void **state)
{
    (void)state;
    char buffer[64];
    int r = 0;

    alarm(20); /* a wait without end ends the test */
    for (int i = 0; i < 100000 && r == 0; i++)
        r = notify_watchdog();
    alarm(0);
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(notify_status("unheard"), -EAGAIN);
    while (receive(buffer, sizeof buffer) >= 0)
        assert_string_equal(buffer, "WATCHDOG=1");
    assert_int_equal(notify_status("unheard"), 0);
    assert_received("STATUS=unheard");
}

static void test_no_descriptor_is_left_open(void **state)
{
    (void)state;
    int before = dup(manager);
    close(before);

    for (int i = 0; i < 20; i++) {
        assert_int_equal(notify_watchdog(), 0);
        assert_received("WATCHDOG=1");
    }
    int after = dup(manager);
    close(after);
    assert_int_equal(after, before);
}

static void test_watchdog(void **state)
{
    (void)state;
    char pid[32];

    assert_int_equal(notify_watchdog_usec(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_usec(), 30000000);
    assert_string_equal(getenv("WATCHDOG_USEC"), "30000000"); /* asked again and again */
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_usec(), 30000000);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    assert_int_equal(notify_watchdog_usec(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_usec(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exact_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_same_status_is_sent_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reloading_says_when_in_microseconds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_status_is_one_line_of_utf8, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_status_is_cut_at_a_character, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_manager_is_no_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_path_as_the_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_manager_that_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptor_is_left_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watchdog, setup, teardown),
    };

    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
