#include "cowherd/bus.h"
#include "bus_budget.h"
#include "bus_manager.h"
#include "bus_name.h"
#include "bus_objects.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <time.h>

#define PRIORITY INT64_C(1000) /* behind everything else of the loop, whose priority is 0 */

#define TURN_USEC         UINT64_C(2000) /* what a look may have to wait for, and one message that takes longer */
#define RETRY_MIN_USEC    UINT64_C(1000000)
#define RETRY_MAX_USEC    UINT64_C(60000000)
#define STUCK_USEC        UINT64_C(30000000) /* no bus that lives takes nothing for so long */
#define REPLIES_MAX       16 /* not taken yet: whoever asks for more is refused, so that answers cannot pile up */
#define MESSAGES_MAX_MORE 1024 /* and so many beside two for each snapshot: then the connection is dropped */

struct bus {
    sd_event *event;
    struct journal *journal;
    const struct bus_service *service;
    sd_bus *connection; /* NULL: until retry_usec */
    sd_event_source *timer;
    sd_event_source *input;
    int input_fd;
    struct bus_objects objects;
    struct bus_manager manager;
    struct bus_budget budget;
    bool has_input;
    bool is_refused; /* the name: it is to be asked for again later */
    bool refusal_told;
    bool is_changed; /* a round is due */
    bool is_stale;   /* a snapshot has come or gone: who asks is not answered by the last round */
    bool is_hurried; /* which was made for that, and nobody has been served since */
    bool in_round;
    bool looks;          /* in this round */
    uint64_t round_usec; /* when the last one ended; all times are CLOCK_MONOTONIC */
    uint64_t retry_usec;
    uint64_t backoff_usec;
    uint64_t stuck_usec; /* since when output waits; 0: none does */
    unsigned dropped;
};

static uint64_t clock_usec(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t now_usec(void)
{
    return clock_usec(CLOCK_MONOTONIC);
}

static uint64_t n_waiting(const struct bus *bus)
{
    uint64_t n = 0;
    return sd_bus_get_n_queued_write(bus->connection, &n) < 0 ? 0 : n;
}

/* ---- connecting */

static void disconnect(struct bus *bus)
{
    bus->input = sd_event_source_disable_unref(bus->input);
    bus->input_fd = -1;
    bus_manager_detach(&bus->manager);
    bus_objects_detach(&bus->objects);
    bus->connection = sd_bus_close_unref(bus->connection);
    bus->has_input = bus->in_round = bus->is_refused = false;
    bus->stuck_usec = 0;
}

static void retry_later(struct bus *bus)
{
    disconnect(bus);
    bus->retry_usec = now_usec() + bus->backoff_usec;
    bus->backoff_usec *= 2;
    if (bus->backoff_usec > RETRY_MAX_USEC)
        bus->backoff_usec = RETRY_MAX_USEC;
}

/* Another daemon may have the name: then it is ours as soon as that has gone. */
static int on_name(sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct bus *bus = user;
    (void)error;
    bus->is_refused = sd_bus_message_is_method_error(reply, NULL);
    if (!bus->is_refused)
        bus->backoff_usec = RETRY_MIN_USEC;
    else if (!bus->refusal_told)
        journal_message(bus->journal, LOG_WARNING, "The system bus refuses the name %s: %s", BUS_NAME,
                        sd_bus_message_get_error(reply)->message);
    bus->refusal_told = bus->is_refused;
    return 0;
}

/* What must not be done here or not now. GetMachineId reads a file, which may lie on a disk that hangs. */
static int on_message(sd_bus_message *message, void *user, sd_bus_error *error)
{
    struct bus *bus = user;
    (void)error;
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", "GetMachineId"))
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_NOT_SUPPORTED, "It is in /etc/machine-id.");
    if (sd_bus_message_is_method_call(message, NULL, NULL) && n_waiting(bus) > REPLIES_MAX)
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                          "Too many answers have not been taken yet.");
    return 0;
}

/* watch_bind: it waits for the bus's socket to appear. Descriptors are not wanted. */
static int set_up(sd_bus *connection)
{
    const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    int r = sd_bus_set_address(connection, address ? address : "unix:path=/run/dbus/system_bus_socket");
    if (r >= 0)
        r = sd_bus_set_bus_client(connection, true);
    if (r >= 0)
        r = sd_bus_set_watch_bind(connection, true);
    if (r >= 0)
        r = sd_bus_negotiate_fds(connection, false);
    return r;
}

static int attach(struct bus *bus)
{
    int r = set_up(bus->connection);
    if (r >= 0)
        r = bus_objects_attach(&bus->objects, bus->connection);
    if (r >= 0)
        r = bus_manager_attach(&bus->manager, bus->connection);
    if (r >= 0)
        r = sd_bus_add_filter(bus->connection, NULL, on_message, bus);
    if (r >= 0)
        r = sd_bus_start(bus->connection);
    if (r >= 0)
        r = sd_bus_request_name_async(bus->connection, NULL, BUS_NAME, SD_BUS_NAME_QUEUE, on_name, bus);
    return r;
}

static void join(struct bus *bus)
{
    if (sd_bus_new(&bus->connection) < 0 || attach(bus) < 0)
        retry_later(bus);
}

/* ---- a turn */

static bool is_ready(const struct bus *bus)
{
    return bus->connection && sd_bus_is_ready(bus->connection) > 0;
}

/* Where they come and go all the time, somebody is served between two. */
static bool may_hurry(const struct bus *bus)
{
    return bus->is_stale && bus->has_input && !bus->is_hurried;
}

/* What is still to be taken of the last one is not added to. From its end on, so that one that takes longer than the time between
 * two leaves some to serve whoever it was for. */
static bool round_is_due(const struct bus *bus)
{
    bool is_time = now_usec() >= bus->round_usec + BUS_ROUND_USEC || may_hurry(bus);
    return is_ready(bus) && (bus->is_changed || bus->has_input || !bus->objects.told) && is_time &&
           n_waiting(bus) == 0;
}

static void go_on_with_round(struct bus *bus)
{
    bool begins = !bus->in_round;
    if (begins) {
        bus->looks = bus->has_input;
        bus->is_hurried = may_hurry(bus);
        bus->is_changed = bus->is_stale = false;
        bus->in_round = true;
        bus_objects_begin_round(&bus->objects);
    }
    if (bus->service->publish(begins, bus->looks, bus->service->user))
        return;
    bus_objects_end_round(&bus->objects);
    bus->in_round = false;
    bus->round_usec = now_usec();
}

/* Of one client's messages each may cost something: it is the time that counts. */
static void serve(struct bus *bus)
{
    uint64_t begun = clock_usec(CLOCK_THREAD_CPUTIME_ID), used = 0;
    int r;
    do {
        r = sd_bus_process(bus->connection, NULL);
        used = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begun;
    } while (r > 0 && used < TURN_USEC);
    bus->is_hurried = false;
    bus_budget_use(&bus->budget, used, now_usec());
    if (r <= 0)
        bus->has_input = false;
    if (r < 0 || bus->is_refused)
        retry_later(bus);
}

/* Returns whether it was. */
static bool drop_if_stuck(struct bus *bus)
{
    uint64_t n = n_waiting(bus);
    bool is_stuck = n > 0 && bus->stuck_usec && now_usec() >= bus->stuck_usec + STUCK_USEC;
    if (!is_stuck && n <= 2 * bus->objects.n_items + MESSAGES_MAX_MORE)
        return false;
    bus->dropped++;
    journal_message(
        bus->journal, LOG_WARNING,
        "The system bus does not take what it is sent: left, to be joined again (%u times so far).",
        bus->dropped);
    retry_later(bus);
    return true;
}

static void take_turn(struct bus *bus)
{
    if (!bus->connection) {
        if (now_usec() >= bus->retry_usec)
            join(bus);
    } else if (drop_if_stuck(bus)) {
        return;
    } else if (bus->in_round || round_is_due(bus)) {
        go_on_with_round(bus);
    } else if (bus_budget_wait_usec(&bus->budget, now_usec()) == 0) {
        serve(bus);
    }
}

/* ---- when the next turn is */

static int on_input(sd_event_source *source, int fd, uint32_t events, void *user);

/* Until it is ready the descriptor is now one of inotify, now a socket, perhaps of the same number. */
static int watch(struct bus *bus, bool is_paused)
{
    int fd = sd_bus_get_fd(bus->connection), events = sd_bus_get_events(bus->connection);
    if (fd < 0 || events < 0)
        return fd < 0 ? fd : events;
    if (fd != bus->input_fd || !is_ready(bus)) {
        bus->input = sd_event_source_disable_unref(bus->input);
        int r = sd_event_add_io(bus->event, &bus->input, fd, 0, on_input, bus);
        if (r >= 0)
            r = sd_event_source_set_priority(bus->input, PRIORITY);
        if (r < 0)
            return r;
        bus->input_fd = fd;
    }
    int r = sd_event_source_set_io_events(bus->input, (uint32_t)events);
    return r < 0 ? r : sd_event_source_set_enabled(bus->input, is_paused ? SD_EVENT_OFF : SD_EVENT_ON);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_round_usec(const struct bus *bus)
{
    bool wanted = is_ready(bus) && (bus->is_changed || !bus->objects.told);
    if (bus->in_round)
        return 0;
    return wanted && n_waiting(bus) == 0 ? bus->round_usec + BUS_ROUND_USEC : UINT64_MAX;
}

static uint64_t next_turn_usec(struct bus *bus, uint64_t pause_usec)
{
    uint64_t next = UINT64_MAX;
    if (!bus->connection)
        return bus->retry_usec;
    if (n_waiting(bus) == 0)
        bus->stuck_usec = 0;
    else if (!bus->stuck_usec)
        bus->stuck_usec = now_usec();
    if (bus->stuck_usec)
        next = bus->stuck_usec + STUCK_USEC;
    next = earlier(next, next_round_usec(bus));
    if (pause_usec)
        return earlier(next, now_usec() + pause_usec);
    uint64_t usec;
    if (bus->has_input)
        return 0;
    return sd_bus_get_timeout(bus->connection, &usec) < 0 ? next : earlier(next, usec);
}

static void arm(struct bus *bus)
{
    uint64_t pause_usec = bus_budget_wait_usec(&bus->budget, now_usec());
    if (bus->connection && watch(bus, pause_usec > 0 || bus->in_round) < 0)
        retry_later(bus);
    uint64_t next = next_turn_usec(bus, pause_usec);
    sd_event_source_set_time(bus->timer, next);
    sd_event_source_set_enabled(bus->timer, next == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *user)
{
    struct bus *bus = user;
    (void)source, (void)fd;
    bus->has_input = bus->has_input || (events & EPOLLIN);
    if (events & EPOLLOUT)
        bus->stuck_usec = 0;
    take_turn(bus);
    arm(bus);
    return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *user)
{
    struct bus *bus = user;
    (void)source, (void)usec;
    take_turn(bus);
    arm(bus);
    return 0;
}

/* ---- for the daemon */

int bus_open(sd_event *event, struct journal *journal, const struct bus_service *service,
             struct bus **ret_bus)
{
    struct bus *bus = calloc(1, sizeof(*bus));
    if (!bus)
        return -ENOMEM;
    *bus = (struct bus){
        .event = sd_event_ref(event),
        .journal = journal,
        .service = service,
        .input_fd = -1,
        .manager.service = service,
        .backoff_usec = RETRY_MIN_USEC,
    };
    bus_budget_begin(&bus->budget, now_usec());
    int r = sd_event_add_time(event, &bus->timer, CLOCK_MONOTONIC, 0, 1, on_time, bus);
    if (r >= 0)
        r = sd_event_source_set_priority(bus->timer, PRIORITY);
    if (r < 0) {
        bus_close(bus);
        return r;
    }
    *ret_bus = bus;
    return 0;
}

bool bus_is_connected(const struct bus *bus)
{
    return bus && is_ready(bus);
}

void bus_changed(struct bus *bus)
{
    if (!bus_is_connected(bus) || bus->is_changed)
        return;
    bus->is_changed = true;
    arm(bus);
}

void bus_changed_at_once(struct bus *bus)
{
    bus->round_usec = 0;
    bus_changed(bus);
}

int bus_put(struct bus *bus, struct account *account, uint64_t stamp)
{
    return bus_objects_put(&bus->objects, account, stamp);
}

bool bus_keep(struct bus *bus, const char *name, uint64_t start_sectors, uint64_t stamp)
{
    return bus_objects_keep(&bus->objects, name, start_sectors, stamp);
}

void bus_event(struct bus *bus, const struct event *event)
{
    if (!bus_is_connected(bus) || !event->snapshot)
        return;
    const char *known = bus_objects_path_of(&bus->objects, event->snapshot);
    char *path = known ? NULL : bus_path_of(event->snapshot, 0);
    if (known || path)
        bus_manager_signal(bus->connection, event, known ? known : path);
    free(path);
    if (event->kind == EVENT_FOUND || event->kind == EVENT_GONE)
        bus->is_stale = true;
    if (event->kind == EVENT_ACTION_FAILED)
        bus_changed_at_once(bus);
    arm(bus);
}

unsigned bus_dropped(const struct bus *bus)
{
    return bus->dropped;
}

void bus_close(struct bus *bus)
{
    if (!bus)
        return;
    disconnect(bus);
    bus_objects_done(&bus->objects);
    sd_event_source_disable_unref(bus->timer);
    sd_event_unref(bus->event);
    free(bus);
}
