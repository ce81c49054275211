/* A hostile client of the daemon on the system bus, for 90-bus: hostile crowd|leavers|huge COUNT.
 *
 * crowd: opens so many connections, as many at once as it is given, half of which stop in the middle of saying who they are.
 * leavers: so many clients that each ask something costly and leave before the answer.
 * huge: so many calls with an argument of 24 MiB.
 * Prints how many it came to. What the bus refuses is no error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define HERD       "org.cowherd.Herd1"
#define ROOT       "/org/cowherd/Herd1"
#define AT_ONCE    400
#define HUGE_BYTES (24U << 20)

static int open_halfway(void)
{
    static const char hello[] = "\0AUTH EXTER";
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/dbus/system_bus_socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
                    send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Half of them whole clients, half in the middle of their first words. */
static unsigned crowd(unsigned count)
{
    static int fds[AT_ONCE];
    static sd_bus *buses[AT_ONCE];
    unsigned came = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i % AT_ONCE;
        if (i >= AT_ONCE && at % 2)
            close(fds[at]);
        else if (i >= AT_ONCE)
            buses[at] = sd_bus_close_unref(buses[at]);
        if (at % 2)
            came += (fds[at] = open_halfway()) >= 0;
        else
            came += sd_bus_open_system(&buses[at]) >= 0;
    }
    return came;
}

static unsigned leavers(unsigned count)
{
    unsigned came = 0;
    for (unsigned i = 0; i < count; i++) {
        sd_bus *bus = NULL;
        sd_bus_message *call = NULL;
        if (sd_bus_open_system(&bus) >= 0 &&
            sd_bus_message_new_method_call(bus, &call, HERD, ROOT, "org.freedesktop.DBus.ObjectManager",
                                           "GetManagedObjects") >= 0 &&
            sd_bus_send(bus, call, NULL) >= 0 && sd_bus_flush(bus) >= 0)
            came++;
        sd_bus_message_unref(call);
        sd_bus_close_unref(bus);
    }
    return came;
}

static unsigned huge(unsigned count)
{
    char *text = malloc(HUGE_BYTES + 1);
    unsigned came = 0;
    if (!text)
        return 0;
    memset(text, 'x', HUGE_BYTES);
    text[HUGE_BYTES] = '\0';
    for (unsigned i = 0; i < count; i++) {
        sd_bus *bus = NULL;
        if (sd_bus_open_system(&bus) >= 0)
            came += sd_bus_call_method(bus, HERD, ROOT, HERD ".Manager", "Explain", NULL, NULL, "s", text) <
                    0;
        sd_bus_close_unref(bus);
    }
    free(text);
    return came;
}

int main(int argc, char **argv)
{
    unsigned count = argc == 3 ? (unsigned)atoi(argv[2]) : 0, came;
    if (count && strcmp(argv[1], "crowd") == 0)
        came = crowd(count);
    else if (count && strcmp(argv[1], "leavers") == 0)
        came = leavers(count);
    else if (count && strcmp(argv[1], "huge") == 0)
        came = huge(count);
    else
        return 2;
    printf("%u\n", came);
    return 0;
}
