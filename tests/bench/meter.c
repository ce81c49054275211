/* What a process costs while a time passes, or while a command runs.
 *
 *     meter PID SECONDS
 *     meter PID COMMAND [ARGUMENT]...
 *
 * Prints: seconds, wake-ups (voluntary context switches of all its threads), CPU nanoseconds, ioctls. Threads that come
 * or go meanwhile are not counted.
 */
#include <dirent.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 128
#define IOCTL_EVENT "/sys/kernel/tracing/events/syscalls/sys_enter_ioctl/id"

struct thread {
    pid_t number;
    int ioctls_fd;
};

struct reading {
    uint64_t wake_ups, cpu_nsec, ioctls;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t event_id(void)
{
    FILE *file = fopen(IOCTL_EVENT, "re");
    uint64_t id;
    if (!file || fscanf(file, "%" SCNu64, &id) != 1)
        die(IOCTL_EVENT);
    fclose(file);
    return id;
}

static int count_ioctls(pid_t thread, uint64_t id)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attributes), .config = id};
    long fd = syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        die("perf_event_open");
    return (int)fd;
}

static size_t list_threads(pid_t process, struct thread *threads)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/%d/task", process);
    DIR *directory = opendir(name);
    size_t n = 0;
    uint64_t id = event_id();
    if (!directory)
        die(name);
    for (struct dirent *entry; (entry = readdir(directory)) && n < THREADS_MAX;) {
        pid_t number = atoi(entry->d_name);
        if (number > 0)
            threads[n++] = (struct thread){number, count_ioctls(number, id)};
    }
    closedir(directory);
    return n;
}

static uint64_t wake_ups_of(pid_t process, pid_t thread)
{
    char name[96], line[256];
    uint64_t number = 0;
    snprintf(name, sizeof(name), "/proc/%d/task/%d/status", process, thread);
    FILE *file = fopen(name, "re");
    while (file && fgets(line, sizeof(line), file))
        sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &number);
    if (file)
        fclose(file);
    return number;
}

static uint64_t cpu_nsec_of(pid_t process, pid_t thread)
{
    char name[96];
    uint64_t nsec = 0;
    snprintf(name, sizeof(name), "/proc/%d/task/%d/schedstat", process, thread);
    FILE *file = fopen(name, "re");
    if (!file || fscanf(file, "%" SCNu64, &nsec) != 1)
        nsec = 0;
    if (file)
        fclose(file);
    return nsec;
}

static struct reading read_all(pid_t process, const struct thread *threads, size_t n)
{
    struct reading sum = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t ioctls = 0;
        if (read(threads[i].ioctls_fd, &ioctls, sizeof(ioctls)) != sizeof(ioctls))
            die("counter");
        sum.ioctls += ioctls;
        sum.wake_ups += wake_ups_of(process, threads[i].number);
        sum.cpu_nsec += cpu_nsec_of(process, threads[i].number);
    }
    return sum;
}

static void run(char **command)
{
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        execvp(command[0], command);
        die(command[0]);
    }
    int status;
    if (waitpid(child, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "%s failed\n", command[0]);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static struct thread threads[THREADS_MAX];
    if (argc < 3) {
        fprintf(stderr, "usage: meter PID SECONDS|COMMAND...\n");
        return 2;
    }
    pid_t process = atoi(argv[1]);
    size_t n = list_threads(process, threads);
    char *end;
    double seconds = strtod(argv[2], &end), begin = now_seconds();
    struct reading before = read_all(process, threads, n);
    if (*end == '\0')
        usleep((useconds_t)(seconds * 1e6));
    else
        run(argv + 2);
    struct reading after = read_all(process, threads, n);
    printf("%.3f %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", now_seconds() - begin,
           after.wake_ups - before.wake_ups, after.cpu_nsec - before.cpu_nsec, after.ioctls - before.ioctls);
    return 0;
}
