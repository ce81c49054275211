#include "cowherd/notify.h"
#include "cowherd/event.h"
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

/* The last status the manager has been given, as the caller had it: most looks bring the same again. */
static char last_status[NOTIFY_STATUS_MAX];
static bool has_last_status;

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* The address in NOTIFY_SOCKET: a path, or an abstract name behind "@". */
static int socket_address(const char *name, struct sockaddr_un *ret_address, socklen_t *ret_length)
{
    size_t length = strlen(name);

    if (name[0] != '/' && name[0] != '@')
        return -EAFNOSUPPORT;
    if (length < 2 || length >= sizeof ret_address->sun_path)
        return -EINVAL;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, name, length);
    if (name[0] == '@')
        ret_address->sun_path[0] = '\0';
    /* An abstract name is exactly its bytes, a path has its end. */
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'));
    return 0;
}

static int send_state(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t length;

    if (!name)
        return 0;
    int r = socket_address(name, &address, &length);
    if (r < 0)
        return r;
    __attribute__((cleanup(close_fd))) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, length) <
        0)
        return -errno;
    return 0;
}

/* A status as the manager takes it: one line of UTF-8. */
static void clean_status(const char *status, char text[static NOTIFY_STATUS_MAX])
{
    size_t length = event_text_cut(status, NOTIFY_STATUS_MAX - 1), at = 0;

    while (at < length) {
        size_t bytes = event_text_character(status + at, length - at);
        if (bytes > 0) {
            memcpy(text + at, status + at, bytes);
            at += bytes;
            continue;
        }
        unsigned char byte = (unsigned char)status[at];
        text[at++] = byte < ' ' || byte == 0x7f ? ' ' : '?';
    }
    text[length] = '\0';
}

static int send_status(const char *prefix, const char *status)
{
    char text[NOTIFY_STATUS_MAX], state[NOTIFY_STATUS_MAX + 32];

    clean_status(status, text);
    snprintf(state, sizeof state, "%sSTATUS=%s", prefix, text);
    int r = send_state(state);
    if (r < 0)
        return r;
    stpncpy(last_status, status, sizeof last_status - 1);
    has_last_status = true;
    return 0;
}

int notify_ready(const char *status)
{
    return send_status("READY=1\n", status);
}

int notify_status(const char *status)
{
    if (has_last_status && strncmp(status, last_status, sizeof last_status - 1) == 0)
        return 0;
    return send_status("", status);
}

int notify_reloading(void)
{
    struct timespec now;
    char state[64];

    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return -errno;
    uint64_t usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, usec);
    return send_state(state);
}

int notify_stopping(void)
{
    return send_state("STOPPING=1");
}

int notify_watchdog(void)
{
    return send_state("WATCHDOG=1");
}

int notify_watchdog_period(uint64_t usec)
{
    char state[64];

    snprintf(state, sizeof state, "WATCHDOG_USEC=%" PRIu64, usec);
    return send_state(state);
}

uint64_t notify_watchdog_usec(void)
{
    uint64_t usec;

    /* The environment stays: it is asked again after every reload. */
    return sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}
