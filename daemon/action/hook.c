#include "cowherd/hook.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define HOOK_PROGRAM "cowherd-hook"

/* Where it is installed; else beside the daemon, which then runs where it was built. NULL: nowhere. */
static const char *find_program(char beside[static PATH_MAX])
{
    if (access(COWHERD_HOOK_PROGRAM, X_OK) == 0)
        return COWHERD_HOOK_PROGRAM;
    ssize_t n = readlink("/proc/self/exe", beside, PATH_MAX - sizeof(HOOK_PROGRAM));
    if (n <= 0)
        return NULL;
    beside[n] = '\0';
    strcpy(strrchr(beside, '/') + 1, HOOK_PROGRAM);
    return access(beside, X_OK) == 0 ? beside : NULL;
}

/* In a session of its own, not this child's child to be killed with it: nobody waits for its process. */
static int spawn(const char *program, int socket_fd)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -errno : 0;
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    setsid();
    if (dup2(socket_fd, STDIN_FILENO) >= 0 && null_fd >= 0 && dup2(null_fd, STDOUT_FILENO) >= 0)
        execl(program, program, NULL);
    _exit(127);
}

static int start(const struct hook_task *task, const char *program, int socket_fd, char *ret_message,
                 size_t message_max)
{
    if (sd_booted() > 0)
        return hook_unit_start(task, program, socket_fd, ret_message, message_max);
    int r = spawn(program, socket_fd);
    if (r < 0)
        snprintf(ret_message, message_max, "no process can be started for it: %s", strerror(-r));
    return r;
}

/* The order is in the socket before anybody reads it. */
static int hand_over(const struct hook_task *task, const char *program, int *ret_fd, char *ret_message,
                     size_t message_max)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ||
        send(fds[0], task->block, task->block_size, MSG_NOSIGNAL) < 0) {
        int error = errno;
        snprintf(ret_message, message_max, "no socket for it: %s", strerror(error));
        return -error;
    }
    int r = start(task, program, fds[1], ret_message, message_max);
    if (r < 0)
        recv(fds[1], NULL, 0, MSG_DONTWAIT); /* taken back: a systemd that is only late finds no order */
    close(fds[1]);
    *ret_fd = fds[0];
    return r;
}

void hook_run(const void *argument, int result_fd)
{
    const struct hook_task *task = argument;
    struct hook_outcome outcome = {.version = HOOK_OUTCOME_VERSION, .end = HOOK_REFUSED}, received;
    char beside[PATH_MAX];
    const char *program = find_program(beside);
    int fd = -1;
    if (!program)
        snprintf(outcome.output, sizeof(outcome.output), "%s: %s", COWHERD_HOOK_PROGRAM, strerror(ENOENT));
    else if (hand_over(task, program, &fd, outcome.output, sizeof(outcome.output)) >= 0) {
        outcome.end = HOOK_NO_WORD;
        if (recv(fd, &received, sizeof(received), 0) == sizeof(received) &&
            received.version == HOOK_OUTCOME_VERSION && received.n_output <= HOOK_OUTPUT_MAX)
            outcome = received;
    }
    if (outcome.end == HOOK_REFUSED)
        outcome.n_output = (uint32_t)strnlen(outcome.output, sizeof(outcome.output));
    if (write(result_fd, &outcome, sizeof(outcome)) != sizeof(outcome))
        _exit(1);
}
