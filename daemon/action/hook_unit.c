#include "cowherd/hook.h"
#include "cowherd/hook_supervisor.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

/* systemd's own socket: there from the first moment, with no bus daemon between. Root's. */
#define SYSTEMD_ADDRESS "unix:path=/run/systemd/private"
#define CALL_USEC       UINT64_C(20000000)

#define UNIT_NAME_MAX 64

static const char *unit_name(char name[static UNIT_NAME_MAX])
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    snprintf(name, UNIT_NAME_MAX, "cowherd-hook-%d-%" PRIu64 ".service", (int)getpid(),
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    return name;
}

static int connect_systemd(sd_bus **ret_bus)
{
    __attribute__((cleanup(sd_bus_unrefp))) sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);
    if (r < 0 || (r = sd_bus_set_address(bus, SYSTEMD_ADDRESS)) < 0 || (r = sd_bus_start(bus)) < 0)
        return r;
    *ret_bus = bus;
    bus = NULL;
    return 0;
}

/* No default dependencies: they would let a hook wait for the end of the boot. What of the unit is left when
 * cowherd-hook ends is killed by systemd, and all of it where cowherd-hook itself does not keep the deadline. */
static int append_properties(sd_bus_message *message, const struct hook_task *task, const char *program,
                             int socket_fd)
{
    char description[EVENT_NAME_MAX + 32], name[EVENT_NAME_MAX];
    uint64_t limit_usec = task->timeout_usec < UINT64_MAX / 2 ? task->timeout_usec + 3 * HOOK_GRACE_USEC
                                                              : UINT64_MAX;
    snprintf(description, sizeof(description), "Hook %s of cowherd", event_text_name(task->name, name));
    int r = sd_bus_message_append(
        message, "a(sv)", 9, "Description", "s", description, "DefaultDependencies", "b", 0, "CollectMode",
        "s", "inactive-or-failed", "RuntimeMaxUSec", "t", limit_usec, "TimeoutStopUSec", "t", HOOK_GRACE_USEC,
        "StandardInputFileDescriptor", "h", socket_fd, "StandardOutput", "s", "journal", "StandardError", "s",
        "journal", "ExecStart", "a(sasb)", 1, program, 1, program, 0);
    return r < 0 ? r : sd_bus_message_append(message, "a(sa(sv))", 0);
}

static int call(sd_bus *bus, const struct hook_task *task, const char *program, int socket_fd,
                sd_bus_error *error)
{
    __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
    char name[UNIT_NAME_MAX];
    int r = sd_bus_message_new_method_call(bus, &message, "org.freedesktop.systemd1",
                                           "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                           "StartTransientUnit");
    if (r < 0 || (r = sd_bus_message_append(message, "ss", unit_name(name), "fail")) < 0 ||
        (r = append_properties(message, task, program, socket_fd)) < 0)
        return r;
    return sd_bus_call(bus, message, CALL_USEC, error, NULL);
}

int hook_unit_start(const struct hook_task *task, const char *program, int socket_fd, char *ret_message,
                    size_t message_max)
{
    __attribute__((cleanup(sd_bus_unrefp))) sd_bus *bus = NULL;
    __attribute__((cleanup(sd_bus_error_free))) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = connect_systemd(&bus);
    if (r >= 0)
        r = call(bus, task, program, socket_fd, &error);
    if (r < 0)
        snprintf(ret_message, message_max, "systemd does not start a unit for it: %s",
                 error.message ? error.message : strerror(-r));
    return r < 0 ? r : 0;
}
