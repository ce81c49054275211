#include "cowherd/watched_child.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void forget(struct watched_child *watched)
{
    watched->exit_source = sd_event_source_disable_unref(watched->exit_source);
    watched->deadline_source = sd_event_source_disable_unref(watched->deadline_source);
}

static int watch_child(struct watched_child *watched, sd_event *event, const struct child_watch *watch)
{
    int r = sd_event_add_child(event, &watched->exit_source, watched->child.pid, WEXITED, watch->on_exit,
                               watch->user);
    if (r < 0 || watch->deadline_usec == UINT64_MAX)
        return r;
    return sd_event_add_time_relative(event, &watched->deadline_source, CLOCK_MONOTONIC, watch->deadline_usec,
                                      0, watch->on_deadline, watch->user);
}

int watched_child_start(struct watched_child *watched, child_function function, const void *argument,
                        sd_event *event, const struct child_watch *watch)
{
    int r = child_start(function, argument, &watched->child);
    if (r < 0)
        return r;
    r = watch_child(watched, event, watch);
    if (r < 0)
        watched_child_abandon(watched);
    return r;
}

int watched_child_take_result(struct watched_child *watched, void *ret_result, size_t size)
{
    int r = child_take_result(&watched->child, ret_result, size);
    forget(watched);
    return r;
}

void watched_child_kill(const struct watched_child *watched)
{
    kill(watched->child.pid, SIGKILL);
}

void watched_child_leave(struct watched_child *watched)
{
    if (watched->child.result_fd >= 0)
        close(watched->child.result_fd);
    watched->child.result_fd = -1;
    forget(watched);
}

void watched_child_abandon(struct watched_child *watched)
{
    watched_child_kill(watched);
    waitpid(watched->child.pid, NULL, 0);
    watched_child_leave(watched);
}
