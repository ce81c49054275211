#include "cowherd/hook_supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_BYTES_MAX (64 * 1024) /* what a pipe holds: a writer that goes on is not listened to for ever */

struct run {
    pid_t pid; /* also of its process group */
    int pid_fd;
    int output_fd; /* -1: closed by all who could write to it */
    struct hook_outcome *outcome;
};

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* --- in the hook's process --- */

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns only where it fails. */
static int become(const struct hook_order *order, int output_fd)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(output_fd, STDERR_FILENO) < 0 || chdir("/") < 0)
        return errno;
    setsid();
    umask(022);
    reset_signals();
    execve(order->arguments[0], order->arguments, order->environment);
    return errno;
}

/* --- in the supervisor's --- */

/* Waits until the hook's program runs. Returns 0 or why it does not. */
static int await_exec(int error_fd)
{
    int error = 0;
    ssize_t n;
    do
        n = read(error_fd, &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    return n == sizeof(error) ? error : 0;
}

static int fork_hook(const struct hook_order *order, int output_fd, pid_t *ret_pid)
{
    int error_fds[2];
    if (pipe2(error_fds, O_CLOEXEC) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0) {
        int error = become(order, output_fd);
        _exit(write(error_fds[1], &error, sizeof(error)) == sizeof(error) ? 127 : 126);
    }
    int error = pid < 0 ? errno : 0;
    close(error_fds[1]);
    if (error == 0) {
        error = await_exec(error_fds[0]);
        if (error != 0)
            waitpid(pid, NULL, 0);
    }
    close(error_fds[0]);
    if (error == 0)
        *ret_pid = pid;
    return error;
}

/* Returns 0 or an errno. */
static int start(const struct hook_order *order, struct run *run)
{
    int output_fds[2];
    if (pipe2(output_fds, O_CLOEXEC) < 0)
        return errno;
    int error = fork_hook(order, output_fds[1], &run->pid);
    close(output_fds[1]);
    run->output_fd = output_fds[0];
    if (error != 0)
        return error;
    run->pid_fd = pidfd_open(run->pid, 0);
    if (run->pid_fd >= 0 && fcntl(run->output_fd, F_SETFL, O_NONBLOCK) == 0)
        return 0;
    error = errno;
    kill(-run->pid, SIGKILL);
    waitpid(run->pid, NULL, 0);
    return error;
}

/* Keeps the last HOOK_OUTPUT_MAX bytes. */
static void keep(struct hook_outcome *outcome, const char *bytes, size_t n)
{
    if (n > HOOK_OUTPUT_MAX) {
        bytes += n - HOOK_OUTPUT_MAX;
        n = HOOK_OUTPUT_MAX;
        outcome->is_cut = true;
    }
    size_t old = outcome->n_output, over = old + n > HOOK_OUTPUT_MAX ? old + n - HOOK_OUTPUT_MAX : 0;
    outcome->is_cut = outcome->is_cut || over > 0;
    memmove(outcome->output, outcome->output + over, old - over);
    memcpy(outcome->output + old - over, bytes, n);
    outcome->n_output = (uint32_t)(old - over + n);
}

/* Reads once. Returns how many bytes; 0 where there are none now. */
static size_t listen_once(struct run *run)
{
    char bytes[4096];
    ssize_t n = read(run->output_fd, bytes, sizeof(bytes));
    if (n > 0) {
        keep(run->outcome, bytes, (size_t)n);
        return (size_t)n;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(run->output_fd);
        run->output_fd = -1;
    }
    return 0;
}

/* Listens until the hook's process ends. Returns false where it has not by the deadline. */
static bool await_end(struct run *run, uint64_t deadline_usec)
{
    for (;;) {
        uint64_t now = now_usec();
        if (now >= deadline_usec)
            return false;
        uint64_t left_usec = deadline_usec - now;
        struct timespec left = {
            .tv_sec = (time_t)(left_usec / 1000000),
            .tv_nsec = (long)(left_usec % 1000000) * 1000,
        };
        struct pollfd fds[] = {{.fd = run->pid_fd, .events = POLLIN},
                               {.fd = run->output_fd, .events = POLLIN}};
        if (ppoll(fds, 2, &left, NULL) <= 0)
            continue;
        if (fds[0].revents)
            return true;
        listen_once(run);
    }
}

/* Returns whether it has ended. */
static bool stop(struct run *run)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    for (size_t i = 0; i < 2; i++) {
        kill(-run->pid, signals[i]);
        if (await_end(run, now_usec() + HOOK_GRACE_USEC))
            return true;
    }
    return false;
}

/* The group is killed while the process that it is named after is not yet buried: its number is nobody else's. */
static void bury(const struct run *run)
{
    siginfo_t info = {0};
    kill(-run->pid, SIGKILL);
    if (waitid(P_PID, (id_t)run->pid, &info, WEXITED) < 0)
        return;
    if (run->outcome->end == HOOK_OVERDUE)
        return;
    run->outcome->end = info.si_code == CLD_EXITED ? HOOK_EXITED : HOOK_KILLED;
    run->outcome->number = info.si_status;
}

static void see_through(struct run *run, uint64_t timeout_usec)
{
    uint64_t now = now_usec();
    uint64_t deadline_usec = timeout_usec > UINT64_MAX - now ? UINT64_MAX : now + timeout_usec;
    bool ended = await_end(run, deadline_usec);
    if (!ended) {
        run->outcome->end = HOOK_OVERDUE;
        ended = stop(run);
    }
    if (ended)
        bury(run);
    for (size_t n = 1, bytes = 0; run->output_fd >= 0 && n > 0 && bytes < DRAIN_BYTES_MAX; bytes += n)
        n = listen_once(run);
}

void hook_supervise(const struct hook_order *order, struct hook_outcome *ret_outcome)
{
    __attribute__((cleanup(close_fd))) int output_fd = -1;
    __attribute__((cleanup(close_fd))) int pid_fd = -1;
    struct run run = {.pid_fd = -1, .output_fd = -1, .outcome = ret_outcome};
    *ret_outcome = (struct hook_outcome){.version = HOOK_OUTCOME_VERSION, .end = HOOK_EXITED};
    int error = start(order, &run);
    if (error != 0) {
        ret_outcome->end = HOOK_NOT_STARTED;
        ret_outcome->number = error;
    } else {
        see_through(&run, order->timeout_usec);
    }
    output_fd = run.output_fd;
    pid_fd = run.pid_fd;
}
