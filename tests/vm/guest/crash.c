/* Kills the daemon and its acting child at one chosen call of theirs, makes that call fail, or hang: preloaded into
 * cowherd in the virtual machine. The calls that change something (tables, files, semaphores, processes) are numbered
 * in the order in which they are made, over all children, so that a dry pass counts them and one run each stops at
 * every one. A child's listing of the devices is numbered too, for it can fail.
 *
 * /run/crash.conf (read anew at each fork of the daemon): "AT WHEN FAULT", for example "7 before kill", "7 after
 * kill", "7 before 16" (errno), "7 before hang", "7 before stuck". A call that hangs does so until the daemon has
 * waited a tenth of its deadline, one that is stuck for all of it. "0 before kill" only counts. Each call appends its
 * name to /run/crash.log, in shared order. A fault happens once: /run/crash.done is made right before it.
 *
 * "-1 NAME MSEC" counts nothing and delays each call of that name instead: "-1 remove 3000".
 */
#include "cowherd/dm_action.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t daemon_pid;
static int at;
static int after;
static int fault_errno;
static int hang;
static char delayed[16];
static int in_haste;

static void read_conf(void)
{
    char when[16] = "", fault[16] = "";
    FILE *file = fopen("/run/crash.conf", "re");
    if (!file || fscanf(file, "%d %15s %15s", &at, when, fault) != 3)
        at = -1;
    if (file)
        fclose(file);
    after = strcmp(when, "after") == 0;
    in_haste = strcmp(fault, "hang") == 0;
    hang = in_haste || strcmp(fault, "stuck") == 0;
    snprintf(delayed, sizeof(delayed), "%s", at < 0 ? when : "");
    fault_errno = atoi(fault);
}

__attribute__((constructor)) static void begin(void)
{
    daemon_pid = getpid();
    read_conf();
}

static int open_own(const char *path, int flags)
{
    static int (*next)(const char *, int, ...);
    if (!next)
        next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return next(path, flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static ssize_t write_own(int fd, const void *data, size_t size)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (!next)
        next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return next(fd, data, size);
}

/* The number of this call, over all children: one line each in a file that all of them append to. */
static int count(const char *name)
{
    char line[64];
    struct stat status;
    int fd = open_own("/run/crash.log", O_APPEND);
    if (fd < 0)
        return 0;
    int n = snprintf(line, sizeof(line), "%-15s\n", name);
    if (write_own(fd, line, (size_t)n) != n || fstat(fd, &status) < 0) {
        close(fd);
        return 0;
    }
    close(fd);
    return (int)(status.st_size / n);
}

static int claim(void)
{
    int fd = open_own("/run/crash.done", O_EXCL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void die(void)
{
    pid_t parent = getpid() == daemon_pid ? 0 : getppid();
    if (parent == daemon_pid)
        kill(parent, SIGKILL);
    kill(getpid(), SIGKILL);
    pause();
}

/* Before a call. Returns its number, or -1 with errno where it is to fail. */
static int enter(const char *name)
{
    if (strcmp(name, delayed) == 0)
        usleep((useconds_t)fault_errno * 1000);
    if (at < 0)
        return 0;
    int number = count(name);
    if (number != at || after || !claim())
        return number;
    if (hang)
        for (;;)
            pause();
    if (fault_errno) {
        errno = fault_errno;
        return -1;
    }
    die();
    return number;
}

static void leave(int number)
{
    if (at > 0 && after && number == at && claim())
        die();
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *name_of(unsigned long request, const struct dm_ioctl *io)
{
    if (request == DM_LIST_DEVICES && getpid() != daemon_pid)
        return "list";
    if (request == LOOP_SET_CAPACITY)
        return "set-capacity";
    if (request == DM_TABLE_LOAD)
        return "load";
    if (request == DM_TABLE_CLEAR)
        return "clear";
    if (request == DM_DEV_REMOVE)
        return "remove";
    if (request == DM_DEV_SUSPEND)
        return io->flags & DM_SUSPEND_FLAG ? "suspend" : "resume";
    return NULL;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    int (*next)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    const char *name = name_of(request, argument);
    if (!name)
        return next(fd, request, argument);
    int number = enter(name);
    if (number < 0)
        return -1;
    int r = next(fd, request, argument);
    int error = errno;
    leave(number);
    errno = error;
    return r;
}

#define WRAP_IF(changes, type, name, parameters, arguments)                                                  \
    type name parameters                                                                                     \
    {                                                                                                        \
        int number = (changes) ? enter(#name) : 0;                                                           \
        if (number < 0)                                                                                      \
            return -1;                                                                                       \
        type r = NEXT(name) arguments;                                                                       \
        int error = errno;                                                                                   \
        leave(number);                                                                                       \
        errno = error;                                                                                       \
        return r;                                                                                            \
    }

#define WRAP(type, name, parameters, arguments) WRAP_IF(1, type, name, parameters, arguments)

/* What the daemon says is not counted: how often it does depends on the time. What a child reports is. */
static int is_counted(int fd)
{
    struct stat status;
    if (fd == STDERR_FILENO || fstat(fd, &status) < 0)
        return 0;
    return S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) ||
           (S_ISFIFO(status.st_mode) && getpid() != daemon_pid);
}

WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(int, semop, (int id, struct sembuf *operations, size_t n), (id, operations, n))
WRAP_IF(is_counted(fd), ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))

/* Looking for a cookie changes nothing, and how often that is done depends on udev's speed. */
WRAP_IF(flags &IPC_CREAT, int, semget, (key_t key, int n, int flags), (key, n, flags))

int semctl(int id, int n, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    int (*next)(int, int, int, ...) = (int (*)(int, int, int, ...))dlsym(RTLD_NEXT, "semctl");
    int number = command == SETVAL || command == IPC_RMID ? enter("semctl") : 0;
    if (number < 0)
        return -1;
    int r = next(id, n, command, argument);
    int error = errno;
    leave(number);
    errno = error;
    return r;
}

/* Files that are made, or written from their beginning on. */
static int open_counted(const char *name, int at_fd, const char *path, int flags, mode_t mode)
{
    int (*next)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT,
                                                                                           "openat");
    int number = flags & (O_CREAT | O_TRUNC) ? enter(name) : 0;
    if (number < 0)
        return -1;
    int fd = next(at_fd, path, flags, mode);
    int error = errno;
    leave(number);
    errno = error;
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_counted("open", AT_FDCWD, path, flags, mode);
}

int openat(int fd, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_counted("openat", fd, path, flags, mode);
}

pid_t fork(void)
{
    if (getpid() == daemon_pid)
        read_conf();
    int number = enter("fork");
    if (number < 0)
        return -1;
    pid_t pid = NEXT(fork)();
    leave(number);
    return pid;
}

/* Waiting out every deadline would make a test of hours; what comes after it is the same. */
int sd_event_add_time_relative(void *event, void **source, clockid_t clock, uint64_t usec, uint64_t accuracy,
                               void *callback, void *user)
{
    int (*next)(void *, void **, clockid_t, uint64_t, uint64_t, void *,
                void *) = (__typeof__(next))dlsym(RTLD_NEXT, "sd_event_add_time_relative");
    if (in_haste && usec == DM_ACTION_DEADLINE_USEC)
        usec /= 10;
    return next(event, source, clock, usec, accuracy, callback, user);
}
