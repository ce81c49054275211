#include "cowherd/child.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What is to stop the daemon does not stop a child between two steps: it is let finish, or killed; a SIGTERM waits for
 * who heeds it. It ends together with the daemon: whoever is started in its place must not meet a child of the old one
 * at work. */
static void prepare(pid_t parent)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before the line above */
}

int child_start(child_function function, const void *argument, struct child *ret_child)
{
    int pipe_fds[2];
    pid_t parent = getpid();
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return -error;
    }
    if (pid == 0) {
        prepare(parent);
        close(pipe_fds[0]);
        function(argument, pipe_fds[1]);
        _exit(0);
    }
    close(pipe_fds[1]);
    *ret_child = (struct child){.pid = pid, .result_fd = pipe_fds[0]};
    return 0;
}

int child_take_result(struct child *child, void *ret_result, size_t size)
{
    ssize_t n = read(child->result_fd, ret_result, size);
    close(child->result_fd);
    child->result_fd = -1;
    return n == (ssize_t)size ? 0 : -EPIPE;
}
