/* Kills the daemon and its acting child at one chosen call of theirs, or makes that call fail: preloaded into
 * cowherd in the virtual machine. The calls that change something are numbered in the order in which they are
 * made, over all children, so that a dry pass counts them and one run each stops at every one.
 *
 * /run/crash.conf (read anew at each fork of the daemon): "AT WHEN FAULT", for example "7 before kill", "7
 * after kill", "7 before 16" (errno), "7 before hang". "0 before kill" only counts. Each call appends "N
 * NAME" to /run/crash.log, in shared order. A fault happens once: /run/crash.done is made right before it.
 *
 * "-1 NAME MSEC" counts nothing and delays each call of that name instead: "-1 remove 3000".
 */
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

static void read_conf(void)
{
    char when[16] = "", fault[16] = "";
    FILE *file = fopen("/run/crash.conf", "re");
    if (!file || fscanf(file, "%d %15s %15s", &at, when, fault) != 3)
        at = -1;
    if (file)
        fclose(file);
    after = strcmp(when, "after") == 0;
    hang = strcmp(fault, "hang") == 0;
    snprintf(delayed, sizeof(delayed), "%s", at < 0 ? when : "");
    fault_errno = atoi(fault);
}

__attribute__((constructor)) static void begin(void)
{
    daemon_pid = getpid();
    read_conf();
}

/* The number of this call, over all children: one line each in a file that all of them append to. */
static int count(const char *name)
{
    char line[64];
    struct stat status;
    static int (*next_open)(const char *, int, ...);
    if (!next_open)
        next_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    int fd = next_open("/run/crash.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return 0;
    int n = snprintf(line, sizeof(line), "%-31s\n", name);
    if (write(fd, line, (size_t)n) != n || fstat(fd, &status) < 0) {
        close(fd);
        return 0;
    }
    close(fd);
    return (int)(status.st_size / n);
}

static int claim(void)
{
    static int (*next_open)(const char *, int, ...);
    if (!next_open)
        next_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    int fd = next_open("/run/crash.done", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
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
    if (request == DM_TABLE_LOAD)
        return "load";
    if (request == DM_TABLE_CLEAR)
        return "clear";
    if (request == DM_DEV_REMOVE)
        return "remove";
    if (request == LOOP_SET_CAPACITY)
        return "set capacity";
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
    leave(number);
    return r;
}

#define WRAP(type, name, parameters, arguments)                                                              \
    type name parameters                                                                                     \
    {                                                                                                        \
        int number = enter(#name);                                                                           \
        if (number < 0)                                                                                      \
            return -1;                                                                                       \
        type r = NEXT(name) arguments;                                                                       \
        int error = errno;                                                                                   \
        leave(number);                                                                                       \
        errno = error;                                                                                       \
        return r;                                                                                            \
    }

WRAP(int, fsync, (int fd), (fd))
WRAP(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(int, fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length))
WRAP(int, ftruncate, (int fd, off_t length), (fd, length))
WRAP(int, semop, (int id, struct sembuf *operations, size_t n), (id, operations, n))

/* Looking for a cookie changes nothing, and how often that is done depends on udev's speed. */
int semget(key_t key, int n, int flags)
{
    int (*next)(key_t, int, int) = NEXT(semget);
    int number = flags & IPC_CREAT ? enter("semget") : 0;
    if (number < 0)
        return -1;
    int r = next(key, n, flags);
    if (number)
        leave(number);
    return r;
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
