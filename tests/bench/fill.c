/* Fills an exception store at an exact rate, until all is written or SIGTERM comes, and says what happened when.
 *
 *     fill DEVICE BLOCK_BYTES FIRST_BYTE BYTES BYTES_PER_SECOND [SIZE_FILE [LOCK_DIRECTORY LOCK_NAME]]
 *
 * Block i is written, past the page cache, at the start plus i blocks' time, by the clock: what a slow machine delays
 * is made up for. Rate 0: as fast as it goes. SIZE_FILE is the size of the store in sysfs, read all the time without
 * asking device-mapper: a bounded writer ends when it has grown. LOCK_NAME in LOCK_DIRECTORY is opened by whoever is about to
 * change the store. All times are microseconds of CLOCK_REALTIME, as the journal's. Standard output:
 *
 *     w TIME BYTES        so much has been written by then, FIRST_BYTE included; one line for each block
 *     grown TIME          lock TIME
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define ALIGNMENT   4096
#define LOOK_USEC   1000
#define SECOND_USEC UINT64_C(1000000)

struct witness {
    const char *size_file;
    const char *lock_directory, *lock_name;
    atomic_ullong grown_usec, locked_usec;
    atomic_bool over;
};

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
    (void)number;
    told_to_end = 1;
}

static uint64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SECOND_USEC + (uint64_t)now.tv_nsec / 1000;
}

static void sleep_until(uint64_t usec)
{
    struct timespec until = {(time_t)(usec / SECOND_USEC), (long)(usec % SECOND_USEC) * 1000};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == EINTR) {}
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t read_number(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return 0; /* its device has gone: it will not grow */
    text[n] = '\0';
    return strtoull(text, NULL, 10);
}

static bool names_lock(const char *buffer, ssize_t size, const char *name)
{
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *)(buffer + at);
        if (event->len && strcmp(event->name, name) == 0)
            return true;
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return false;
}

static int watch_lock(const struct witness *witness)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, witness->lock_directory, IN_OPEN | IN_CREATE) < 0)
        die(witness->lock_directory);
    return fd;
}

static void *observe(void *user)
{
    struct witness *witness = user;
    alignas(struct inotify_event) char buffer[4096];
    int size_fd = open(witness->size_file, O_RDONLY | O_CLOEXEC);
    int lock_fd = witness->lock_name ? watch_lock(witness) : -1;
    if (size_fd < 0)
        die(witness->size_file);
    uint64_t before = read_number(size_fd);
    while (!witness->over) {
        if (!witness->grown_usec && read_number(size_fd) > before)
            witness->grown_usec = now_usec();
        ssize_t n = lock_fd >= 0 && !witness->locked_usec ? read(lock_fd, buffer, sizeof(buffer)) : 0;
        if (n > 0 && names_lock(buffer, n, witness->lock_name))
            witness->locked_usec = now_usec();
        usleep(LOOK_USEC);
    }
    close(size_fd);
    if (lock_fd >= 0)
        close(lock_fd);
    return NULL;
}

static void write_all(int fd, const char *block, size_t size, uint64_t at)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, block + done, size - done, (off_t)(at + done));
        if (n < 0 && errno != EINTR)
            die("write");
        done += n > 0 ? (size_t)n : 0;
    }
}

static void fill(int fd, size_t block_bytes, uint64_t first, uint64_t bytes, uint64_t rate,
                 const struct witness *witness)
{
    char *block = aligned_alloc(ALIGNMENT, block_bytes);
    if (!block)
        die("memory");
    memset(block, 0x5a, block_bytes);
    uint64_t start_usec = now_usec();
    printf("w %llu %llu\n", (unsigned long long)start_usec, (unsigned long long)first);
    for (uint64_t done = 0; done < bytes && !told_to_end && !(rate && witness->grown_usec);
         done += block_bytes) {
        if (rate)
            sleep_until(start_usec + (uint64_t)((unsigned __int128)done * SECOND_USEC / rate));
        write_all(fd, block, block_bytes, first + done);
        printf("w %llu %llu\n", (unsigned long long)now_usec(),
               (unsigned long long)(first + done + block_bytes));
    }
    free(block);
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7 && argc != 9) {
        fprintf(stderr, "usage: fill DEVICE BLOCK FIRST BYTES RATE [SIZE_FILE [LOCK_DIRECTORY LOCK_NAME]]\n");
        return 2;
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    struct witness witness = {.size_file = argc > 6 ? argv[6] : NULL};
    if (argc > 8)
        witness.lock_directory = argv[7], witness.lock_name = argv[8];
    static char buffer[1 << 20]; /* nothing is printed before the end: that would cost time */
    setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    int fd = open(argv[1], O_WRONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        die(argv[1]);
    pthread_t thread;
    if (witness.size_file && pthread_create(&thread, NULL, observe, &witness) != 0)
        die("thread");
    fill(fd, strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0),
         strtoull(argv[5], NULL, 0), &witness);
    witness.over = true;
    if (witness.size_file)
        pthread_join(thread, NULL);
    if (witness.grown_usec)
        printf("grown %llu\n", (unsigned long long)witness.grown_usec);
    if (witness.locked_usec)
        printf("lock %llu\n", (unsigned long long)witness.locked_usec);
    return 0;
}
