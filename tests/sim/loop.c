#include "loop.h"
#include "children.h"
#include "counters.h"
#include "oracle.h"
#include "world.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-event.h>
#include <time.h>

enum source_kind { SOURCE_TIME, SOURCE_IO, SOURCE_SIGNAL, SOURCE_CHILD };

struct sd_event_source {
    struct sd_event_source *next;
    sd_event *event;
    enum source_kind kind;
    bool enabled;
    clockid_t clock;
    uint64_t usec;
    int number; /* descriptor, signal or process */
    union {
        sd_event_time_handler_t time;
        sd_event_io_handler_t io;
        sd_event_signal_handler_t signal;
        sd_event_child_handler_t child;
    } handler;
    void *user;
};

struct sd_event {
    sd_event_source *sources;
    uint64_t now_usec; /* of this iteration */
    bool exits;
};

jmp_buf loop_ends;
struct loop_figures loop_figures;

int sd_event_new(sd_event **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

sd_event *sd_event_unref(sd_event *event)
{
    free(event);
    return NULL;
}

int sd_event_exit(sd_event *event, int code)
{
    (void)code;
    event->exits = true;
    return 0;
}

static uint64_t clock_now(clockid_t clock)
{
    return clock == CLOCK_MONOTONIC ? world.clock_usec - world.slept_usec : world.clock_usec;
}

int sd_event_now(sd_event *event, clockid_t clock, uint64_t *ret)
{
    *ret = clock == CLOCK_MONOTONIC ? world_awake_usec(event->now_usec) : event->now_usec;
    return 0;
}

static int add(sd_event *event, sd_event_source **ret, const struct sd_event_source *like)
{
    sd_event_source *source = malloc(sizeof(*source));
    if (!source)
        return -ENOMEM;
    *source = *like;
    source->event = event;
    source->enabled = true;
    source->next = event->sources;
    event->sources = source;
    if (ret)
        *ret = source;
    return 0;
}

int sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                      uint64_t accuracy, sd_event_time_handler_t callback, void *userdata)
{
    (void)accuracy;
    return add(
        event, ret,
        &(struct sd_event_source){
            .kind = SOURCE_TIME, .clock = clock, .usec = usec, .handler.time = callback, .user = userdata});
}

int sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                               uint64_t accuracy, sd_event_time_handler_t callback, void *userdata)
{
    return sd_event_add_time(event, ret, clock, clock_now(clock) + usec, accuracy, callback, userdata);
}

int sd_event_add_io(sd_event *event, sd_event_source **ret, int fd, uint32_t events,
                    sd_event_io_handler_t callback, void *userdata)
{
    (void)events;
    return add(
        event, ret,
        &(struct sd_event_source){.kind = SOURCE_IO, .number = fd, .handler.io = callback, .user = userdata});
}

int sd_event_add_signal(sd_event *event, sd_event_source **ret, int sig, sd_event_signal_handler_t callback,
                        void *userdata)
{
    return add(event, ret,
               &(struct sd_event_source){
                   .kind = SOURCE_SIGNAL, .number = sig, .handler.signal = callback, .user = userdata});
}

int sd_event_add_child(sd_event *event, sd_event_source **ret, pid_t pid, int options,
                       sd_event_child_handler_t callback, void *userdata)
{
    (void)options;
    return add(event, ret,
               &(struct sd_event_source){
                   .kind = SOURCE_CHILD, .number = pid, .handler.child = callback, .user = userdata});
}

int sd_event_source_set_time(sd_event_source *source, uint64_t usec)
{
    source->usec = usec;
    return 0;
}

int sd_event_source_set_enabled(sd_event_source *source, int enabled)
{
    source->enabled = enabled != SD_EVENT_OFF;
    return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *source)
{
    if (!source)
        return NULL;
    for (sd_event_source **place = &source->event->sources; *place; place = &(*place)->next)
        if (*place == source) {
            *place = source->next;
            break;
        }
    free(source);
    return NULL;
}

/* ---- one iteration */

static uint64_t due_usec(const sd_event_source *source)
{
    return source->clock == CLOCK_MONOTONIC ? source->usec + world.slept_usec : source->usec;
}

static bool is_pending(const sd_event_source *source)
{
    if (!source->enabled)
        return false;
    switch (source->kind) {
    case SOURCE_TIME:
        return due_usec(source) <= world.clock_usec;
    case SOURCE_IO:
        return source->number == COUNTERS_FD ? counters_are_pending() : world.dm_event;
    case SOURCE_SIGNAL:
        return (source->number == SIGHUP && world.hang_up) || (source->number == SIGTERM && world.terminate);
    case SOURCE_CHILD:
        return children_has_ended(source->number);
    }
    return false;
}

/* Of several any may be the first: the daemon must not rely on one. */
static sd_event_source *find_pending(const sd_event *event)
{
    sd_event_source *found = NULL;
    unsigned n = 0;
    for (sd_event_source *source = event->sources; source; source = source->next)
        if (is_pending(source) && random_next(&world.random) % ++n == 0)
            found = source;
    return found;
}

static void dispatch(sd_event_source *source)
{
    source->event->now_usec = world.clock_usec;
    oracle_dispatches(source->kind == SOURCE_TIME && source->clock == CLOCK_BOOTTIME);
    switch (source->kind) {
    case SOURCE_TIME:
        source->enabled = false; /* SD_EVENT_ONESHOT */
        source->handler.time(source, source->usec, source->user);
        break;
    case SOURCE_IO:
        source->handler.io(source, source->number, 0, source->user);
        break;
    case SOURCE_SIGNAL:
        *(source->number == SIGHUP ? &world.hang_up : &world.terminate) = false;
        source->handler.signal(source, NULL, source->user);
        break;
    case SOURCE_CHILD:
        source->enabled = false;
        source->handler.child(source, NULL, source->user);
        break;
    }
}

static uint64_t next_timer_usec(const sd_event *event)
{
    uint64_t next = UINT64_MAX;
    for (const sd_event_source *source = event->sources; source; source = source->next)
        if (source->enabled && source->kind == SOURCE_TIME && due_usec(source) < next)
            next = due_usec(source);
    return next;
}

static void stop_where_told(void)
{
    if (world.crash)
        longjmp(loop_ends, LOOP_CRASHED);
    if (world.clock_usec >= world.history->length_usec || loop_figures.looks >= world.history->looks_max ||
        oracle_verdict())
        longjmp(loop_ends, LOOP_OVER);
}

static void wake_up(uint64_t timer_usec)
{
    uint64_t late = world.late_usec ? world.late_usec
                                    : random_between(&world.random, 0, world.history->late_usec);
    loop_figures.wake_ups++;
    oracle_wakes_late(timer_usec, late);
    world.late_usec = 0;
    world_advance(timer_usec + late);
}

/* Until the next of: the daemon's timer, a child's call, something of the world. */
static void sleep_until_something(const sd_event *event)
{
    uint64_t timer = next_timer_usec(event), child = children_next_usec(), next = world_next_usec();
    next = child < next ? child : next;
    oracle_before_sleep(timer);
    if (next > world.history->length_usec)
        next = world.history->length_usec;
    if (timer <= next)
        wake_up(timer);
    else
        world_advance(next);
    children_run();
}

int sd_event_loop(sd_event *event)
{
    while (!event->exits) {
        sd_event_source *source = find_pending(event);
        if (source) {
            dispatch(source);
            oracle_after_dispatch();
        } else {
            sleep_until_something(event);
        }
        stop_where_told();
    }
    return 0;
}
