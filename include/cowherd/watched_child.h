/* A child (child.h) that the event loop watches: it calls back at the child's end, and at its deadline.
 *
 * A child that hangs in the kernel does not end by being killed: its end is called back whenever it comes.
 */
#pragma once

#include "cowherd/child.h"
#include <stdint.h>
#include <systemd/sd-event.h>

struct watched_child {
    struct child child;
    sd_event_source *exit_source;
    sd_event_source *deadline_source;
};

#define WATCHED_CHILD_NONE ((struct watched_child){.child = {.result_fd = -1}})

struct child_watch {
    uint64_t deadline_usec; /* from now on; UINT64_MAX: none */
    sd_event_child_handler_t on_exit;
    sd_event_time_handler_t on_deadline;
    void *user;
};

/* Starts one, as child_start(). Returns 0, or a negative errno with no child left. */
int watched_child_start(struct watched_child *watched, child_function function, const void *argument,
                        sd_event *event, const struct child_watch *watch);

/* At its end: takes its result, as child_take_result(), and watches no more. */
int watched_child_take_result(struct watched_child *watched, void *ret_result, size_t size);

void watched_child_kill(const struct watched_child *watched);

/* Kills it and waits for it. */
void watched_child_abandon(struct watched_child *watched);

/* Watches no more, and leaves it to itself. */
void watched_child_leave(struct watched_child *watched);
