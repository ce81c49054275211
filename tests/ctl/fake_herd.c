/* A service that looks like the daemon on the bus (fake_service.h) and shows what its script on standard input tells it
 * (fake_script.h). "ready" is printed when it is on the bus, "ok" after each command. At the end of its input it ends.
 */
#include "fake_script.h"
#include "fake_service.h"
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static int take_line(sd_event_source *source, int fd, uint32_t events, void *user)
{
    static char buffer[65536];
    static size_t length;
    (void)user, (void)events;
    ssize_t n = read(fd, buffer + length, sizeof(buffer) - length - 1);
    if (n <= 0)
        return sd_event_exit(sd_event_source_get_event(source), 0);
    length += (size_t)n;
    for (char *end; (end = memchr(buffer, '\n', length));) {
        *end = '\0';
        puts(script_obey(buffer) ? "ok" : "what?");
        length -= (size_t)(end + 1 - buffer);
        memmove(buffer, end + 1, length);
    }
    return 0;
}

int main(void)
{
    sd_event *event = NULL;
    sd_bus *bus = NULL;
    int r;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if ((r = sd_event_default(&event)) < 0 || (r = sd_bus_open_system(&bus)) < 0 ||
        (r = sd_bus_attach_event(bus, event, 0)) < 0 ||
        (r = sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, take_line, NULL)) < 0)
        die("bus", r);
    service_publish(bus);
    puts("ready");
    r = sd_event_loop(event);
    sd_bus_flush_close_unref(bus);
    sd_event_unref(event);
    return r < 0;
}
