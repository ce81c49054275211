/* Children: whatever may block runs in one, and its result comes back over a pipe.
 *
 * A child is a fork of the daemon. It never logs and never returns: its function writes one result, of
 * PIPE_BUF bytes at most (so that it arrives whole or not at all), and the child leaves by _exit(). It dies
 * with the daemon.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int result_fd;
};

typedef void (*child_function)(const void *argument, int result_fd);

/* Starts one. The argument is the child's own copy. Returns 0 or a negative errno. */
int child_start(child_function function, const void *argument, struct child *ret_child);

/* Reads the result of a child that has ended, size bytes. Returns 0, or -EPIPE where it left none (it was
 * killed). Closes the pipe in either case. */
int child_take_result(struct child *child, void *ret_result, size_t size);
