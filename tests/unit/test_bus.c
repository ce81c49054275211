#include "cowherd/bus.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME           "org.cowherd.Herd1"
#define PART_USEC      20000
#define ROUND_USEC     (BUS_ROUND_USEC + BUS_ROUND_USEC / 5)
#define ANSWER_BY_USEC UINT64_C(20000000)

/* ---- a bus of its own */

static char address[256];
static pid_t bus_pid;

static int start_bus(void **state)
{
    (void)state;
    int pid;
    FILE *said = popen("dbus-daemon --session --fork --print-address=1 --print-pid=1", "r");
    if (!said)
        return -1;
    int n = fscanf(said, "%255s %d", address, &pid);
    pclose(said);
    if (n != 2)
        return -1;
    bus_pid = pid;
    return setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
}

static int stop_bus(void **state)
{
    (void)state;
    return bus_pid > 0 ? kill(bus_pid, SIGTERM) : 0;
}

/* ---- a daemon whose rounds take longer than the time between two */

struct slow {
    sd_event *event;
    struct journal *journal;
    struct bus *bus;
    uint64_t begun_usec;
};

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool publish_slowly(bool begins, bool looks, void *user)
{
    struct slow *slow = user;
    (void)looks;
    if (begins)
        slow->begun_usec = now_usec();
    usleep(PART_USEC);
    return now_usec() < slow->begun_usec + ROUND_USEC;
}

static void tell_facts(struct bus_facts *ret_facts, void *user)
{
    (void)user;
    *ret_facts = (struct bus_facts){.n_snapshots = 3};
}

/* Asks as soon as there is somebody to ask; its exit code says what came of it. */
static int ask(void)
{
    sd_bus *bus = NULL;
    sd_bus_message *reply = NULL;
    const char *owner;
    if (sd_bus_open_system(&bus) < 0)
        return 2;
    while (sd_bus_call_method(bus, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", NULL,
                              &reply, "s", NAME) < 0)
        usleep(PART_USEC);
    if (sd_bus_message_read(reply, "s", &owner) < 0)
        return 3;
    sd_bus_message_unref(reply);
    sd_bus_set_method_call_timeout(bus, ANSWER_BY_USEC);
    int r = sd_bus_call_method(bus, NAME, "/org/cowherd/Herd1", "org.freedesktop.DBus.ObjectManager",
                               "GetManagedObjects", NULL, &reply, "");
    return r == -ETIMEDOUT ? 4 : r < 0 ? 5 : 0;
}

static int on_answer(sd_event_source *source, const siginfo_t *info, void *user)
{
    (void)user;
    return sd_event_exit(sd_event_source_get_event(source),
                         info->si_code == CLD_EXITED ? info->si_status : -1);
}

static void open_slow(struct slow *slow, const struct bus_service *service)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    assert_int_equal(sd_event_new(&slow->event), 0);
    assert_int_equal(journal_open("test", &slow->journal), 0);
    assert_int_equal(bus_open(slow->event, slow->journal, service, &slow->bus), 0);
}

static void rounds_that_take_long_starve_nobody(void **state)
{
    (void)state;
    pid_t client = fork();
    assert_true(client >= 0);
    if (client == 0)
        _exit(ask());
    struct slow slow = {0};
    struct bus_service service = {.publish = publish_slowly, .facts = tell_facts, .user = &slow};
    open_slow(&slow, &service);
    assert_true(sd_event_add_child(slow.event, NULL, client, WEXITED, on_answer, NULL) >= 0);
    assert_int_equal(sd_event_loop(slow.event), 0);
    bus_close(slow.bus);
    journal_close(slow.journal, 10000000);
    sd_event_unref(slow.event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rounds_that_take_long_starve_nobody, start_bus, stop_bus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
