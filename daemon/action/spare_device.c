#include "cowherd/spare_device.h"
#include "cleanup.h"
#include "cowherd/exception_store.h"
#include "cowherd/kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOT_RUN 127

/* It reads a few dozen blocks, in some 10 ms. On a device that does not answer it would hold up the child, which has 30 s
 * (dm_action.h), and whatever rung comes next. */
#define DEADLINE_SECONDS 10
#define PAUSE_NSEC       50000000L

#define LIST_MAX 8192 /* a line of 30 bytes for each signature */

struct wipefs {
    pid_t pid;
    int output_fd;
    struct timespec end;
    char list[LIST_MAX];
    size_t length;
};

static volatile sig_atomic_t is_hurried;

static void on_hurry(int number)
{
    (void)number;
    is_hurried = 1;
}

/* Until there is something to read, or for a moment where there is no descriptor. The child's SIGTERM, which says that a rung
 * waits that matters more, counts here and nowhere else. */
static int wait_for(int fd, const struct timespec *end)
{
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    struct timespec now, left = {.tv_nsec = PAUSE_NSEC};
    sigset_t none;
    sigemptyset(&none);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (is_hurried || now.tv_sec >= end->tv_sec)
        return is_hurried ? -ECANCELED : -ETIMEDOUT;
    if (fd >= 0)
        left = (struct timespec){.tv_sec = end->tv_sec - now.tv_sec};
    int r = ppoll(&poll, 1, &left, &none);
    if (is_hurried)
        return -ECANCELED;
    if (r < 0 && errno != EINTR)
        return -errno;
    return r == 0 && fd >= 0 ? -ETIMEDOUT : 0;
}

/* A wipefs has this lock for as long as it lives: one that hangs in the kernel, where no kill ends it, is not joined by
 * another one with every try. Returns the descriptor. */
static int claim(dev_t device, const struct timespec *end)
{
    char path[64];
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(device), minor(device));
    int r = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ENXIO : -errno;
    while (r == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
        r = errno == EWOULDBLOCK || errno == EINTR ? wait_for(-1, end) : -errno;
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

/* Without an order to wipe it only reads. It gets the very device that was opened here: that may hang as well. It does not
 * outlive who asks. */
static _Noreturn void become_wipefs(dev_t device, int output_fd, pid_t parent)
{
    char path[32], *environment[] = {(char *)"LC_ALL=C", NULL};
    char *arguments[] = {(char *)"wipefs",
                         (char *)"--parsable",
                         (char *)"--noheadings",
                         (char *)"--output",
                         (char *)"OFFSET,TYPE",
                         path,
                         NULL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(NOT_RUN);
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int device_fd = kernel_device_open(device, O_RDONLY);
    if (device_fd < 0)
        dprintf(output_fd, "!%d\n", -device_fd);
    else if (null_fd >= 0 && dup2(null_fd, STDERR_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
             fcntl(device_fd, F_SETFD, 0) >= 0) {
        snprintf(path, sizeof(path), "/dev/fd/%d", device_fd);
        execve("/usr/sbin/wipefs", arguments, environment);
        execve("/sbin/wipefs", arguments, environment);
    }
    _exit(device_fd < 0 ? 0 : NOT_RUN);
}

static int start(dev_t device, struct wipefs *wipefs)
{
    int pipe_fds[2];
    pid_t parent = getpid();
    _cleanup_fd_ int lock_fd = claim(device, &wipefs->end);
    if (lock_fd < 0)
        return lock_fd;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(lock_fd, F_SETFD, 0);
        become_wipefs(device, pipe_fds[1], parent);
    }
    int error = errno;
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return -error;
    }
    wipefs->pid = pid;
    wipefs->output_fd = pipe_fds[0];
    return 0;
}

/* All that it says. A list that is cut short is no list. */
static int read_list(struct wipefs *wipefs)
{
    for (ssize_t n = 1; n > 0; wipefs->length += (size_t)n) {
        int r = wait_for(wipefs->output_fd, &wipefs->end);
        if (r < 0)
            return r;
        if (wipefs->length == LIST_MAX - 1)
            return -E2BIG;
        n = read(wipefs->output_fd, wipefs->list + wipefs->length, LIST_MAX - 1 - wipefs->length);
        if (n < 0)
            return -errno;
    }
    wipefs->list[wipefs->length] = '\0';
    return 0;
}

/* How it ended. */
static int wait_for_end(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN)
        return -ENOPKG;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* One that is killed is not waited for: it may hang in the kernel for ever. */
static int run(dev_t device, struct wipefs *wipefs)
{
    struct sigaction action = {.sa_handler = on_hurry};
    int error = 0;
    sigaction(SIGTERM, &action, NULL);
    clock_gettime(CLOCK_MONOTONIC, &wipefs->end);
    wipefs->end.tv_sec += DEADLINE_SECONDS;
    wipefs->length = 0;
    int r = start(device, wipefs);
    if (r < 0)
        return r;
    r = read_list(wipefs);
    close(wipefs->output_fd);
    if (r < 0) {
        kill(wipefs->pid, SIGKILL);
        return r;
    }
    r = wait_for_end(wipefs->pid);
    return r == 0 && sscanf(wipefs->list, "!%d", &error) == 1 ? -error : r;
}

int spare_device_signature(dev_t device, bool (*passed_over)(uint64_t sector, const void *user),
                           const void *user, char ret_name[static SPARE_SIGNATURE_MAX])
{
    char name[SPARE_SIGNATURE_MAX], found[SPARE_SIGNATURE_MAX] = "";
    struct wipefs wipefs;
    int r = run(device, &wipefs);
    if (r < 0)
        return r;
    for (char *rest = wipefs.list, *line; (line = strsep(&rest, "\n")) && rest;) {
        int64_t offset_bytes;
        if (sscanf(line, "%" SCNi64 ",%63[^,\n]", &offset_bytes, name) != 2)
            return -EPROTO;
        if (!found[0] && !passed_over((uint64_t)offset_bytes / SECTOR_BYTES, user))
            strcpy(found, name);
    }
    strcpy(ret_name, found);
    return 0;
}
