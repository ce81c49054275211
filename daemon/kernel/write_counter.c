#include "cowherd/write_counter.h"
#include "cowherd/block_stack.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define QUEUE_EVENT "block/block_bio_queue"
#define REMAP_EVENT "block/block_bio_remap"
#define CPU_EVENT   "cpuhp/cpuhp_exit"

/* Numbers of devices in the kernel, and so in its filters: MKDEV() of kdev_t.h. */
#define KERNEL_MINOR_BITS 20

#define LOST_BYTES 64 /* more than the largest record here: one of lost records has 32 */

#define RESERVED_DESCRIPTORS 256 /* for all else that is opened, children's pipes and sysfs */

#define PERIOD_MAX (UINT64_C(1) << 62) /* the kernel refuses the highest bit */

/* A ring of one page of records of 16 bytes. */
struct ring {
    unsigned cpu;
    int fd;
    uint64_t id;
    struct perf_event_mmap_page *header;
};

struct write_counter {
    struct write_counters *counters;
    bool fired;
    bool armed;
    int *fds; /* one for each ring */
    uint64_t *ids;
};

/* What the events of one counter are. */
struct source {
    uint64_t tracepoint;
    char filter[64];
};

struct write_counters {
    int epoll_fd;
    uint64_t queue, remap; /* the tracepoints' numbers */
    struct ring *rings;
    size_t n_rings;
    struct write_counter **items;
    size_t n_items;
};

static int read_tracepoint(const char *name, uint64_t *ret_number)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    int r = -ENOENT;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[128];
        uint64_t number;
        snprintf(path, sizeof(path), "%s/events/%s/id", places[i], name);
        FILE *file = fopen(path, "re");
        if (!file) {
            r = errno == ENOENT ? r : -errno;
            continue;
        }
        int n = fscanf(file, "%" SCNu64, &number);
        fclose(file);
        if (n != 1)
            return -EIO;
        *ret_number = number;
        return 0;
    }
    return r;
}

/* The next range of a list such as "0-3,8"; false at its end. */
static bool next_range(const char **list, unsigned *ret_first, unsigned *ret_last)
{
    unsigned first, last;
    int length = 0;
    if (sscanf(*list, "%u%n", &first, &length) != 1)
        return false;
    *list += length;
    last = first;
    length = 0;
    if (sscanf(*list, "-%u%n", &last, &length) == 1)
        *list += length;
    if (**list == ',')
        (*list)++;
    *ret_first = first;
    *ret_last = last;
    return last >= first;
}

static int read_online(char *text, int size)
{
    FILE *file = fopen("/sys/devices/system/cpu/online", "re");
    if (!file)
        return -errno;
    const char *line = fgets(text, size, file);
    fclose(file);
    return line ? 0 : -EIO;
}

static int open_event(uint64_t tracepoint, uint64_t period, unsigned cpu, bool disabled)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT,
        .size = sizeof(attributes),
        .config = tracepoint,
        .sample_period = period,
        .sample_type = PERF_SAMPLE_IDENTIFIER,
        .disabled = disabled,
        .wakeup_events = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attributes, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void close_ring(struct ring *ring)
{
    if (ring->header)
        munmap(ring->header, 2 * page_bytes());
    close(ring->fd);
}

static int map_ring(struct write_counters *counters, struct ring *ring)
{
    if (ioctl(ring->fd, PERF_EVENT_IOC_ID, &ring->id) < 0)
        return -errno;
    void *map = mmap(NULL, 2 * page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    ring->header = map;
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(counters->epoll_fd, EPOLL_CTL_ADD, ring->fd, &event) < 0 ? -errno : 0;
}

static int add_ring(struct write_counters *counters, uint64_t tracepoint, unsigned cpu)
{
    struct ring *rings = reallocarray(counters->rings, counters->n_rings + 1, sizeof(*rings));
    if (!rings)
        return -ENOMEM;
    counters->rings = rings;
    int fd = open_event(tracepoint, 1, cpu, false);
    if (fd < 0)
        return fd == -ENODEV ? 0 : fd; /* it is about to go */
    struct ring *ring = &rings[counters->n_rings++];
    *ring = (struct ring){.cpu = cpu, .fd = fd};
    return map_ring(counters, ring);
}

static int add_rings(struct write_counters *counters)
{
    char text[1024];
    const char *list = text;
    unsigned first, last;
    uint64_t tracepoint;
    int r = read_tracepoint(CPU_EVENT, &tracepoint);
    if (r < 0 || (r = read_online(text, sizeof(text))) < 0)
        return r;
    while (r == 0 && next_range(&list, &first, &last))
        for (unsigned cpu = first; r == 0 && cpu <= last; cpu++)
            r = add_ring(counters, tracepoint, cpu);
    return r == 0 && counters->n_rings == 0 ? -EIO : r;
}

int write_counters_open(struct write_counters **ret_counters)
{
    struct write_counters *counters = calloc(1, sizeof(*counters));
    if (!counters)
        return -ENOMEM;
    counters->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int r = counters->epoll_fd < 0 ? -errno : read_tracepoint(QUEUE_EVENT, &counters->queue);
    if (r == 0)
        r = read_tracepoint(REMAP_EVENT, &counters->remap);
    if (r == 0)
        r = add_rings(counters);
    if (r < 0) {
        write_counters_close(counters);
        return r;
    }
    *ret_counters = counters;
    return 0;
}

int write_counters_fd(const struct write_counters *counters)
{
    return counters->epoll_fd;
}

unsigned write_counters_cpus(const struct write_counters *counters)
{
    return (unsigned)counters->n_rings;
}

void write_counters_close(struct write_counters *counters)
{
    while (counters->n_items > 0)
        write_counter_close(counters->items[counters->n_items - 1]);
    for (size_t i = 0; i < counters->n_rings; i++)
        close_ring(&counters->rings[i]);
    if (counters->epoll_fd >= 0)
        close(counters->epoll_fd);
    free(counters->items);
    free(counters->rings);
    free(counters);
}

/* ---- taking the records */

static void mark(struct write_counters *counters, size_t ring, uint64_t id)
{
    for (size_t i = 0; i < counters->n_items; i++)
        if (counters->items[i]->ids[ring] == id)
            counters->items[i]->fired = true;
}

/* Records lie in the page as in a ring, and have a multiple of eight bytes: their header and the number behind it are
 * never torn. */
static uint64_t word_at(const struct ring *ring, uint64_t position)
{
    uint64_t word;
    const char *page = (const char *)ring->header + page_bytes();
    memcpy(&word, page + (position & (page_bytes() - 1)), sizeof(word));
    return word;
}

/* Returns whether a CPU came or went, or records were lost, of which it may have been one. */
static bool take_record(struct write_counters *counters, size_t number, uint64_t position,
                        uint64_t *ret_bytes)
{
    const struct ring *ring = &counters->rings[number];
    uint64_t word = word_at(ring, position), id = word_at(ring, position + sizeof(word));
    struct perf_event_header header;
    memcpy(&header, &word, sizeof(header));
    *ret_bytes = header.size;
    if (header.type != PERF_RECORD_SAMPLE || id == ring->id)
        return true;
    mark(counters, number, id);
    return false;
}

static bool take_ring(struct write_counters *counters, size_t number)
{
    const struct ring *ring = &counters->rings[number];
    uint64_t head = __atomic_load_n(&ring->header->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = ring->header->data_tail, bytes = 0;
    bool is_stale = head - tail > page_bytes() - LOST_BYTES; /* full: some may have found no place */
    for (; tail < head; tail += bytes) {
        is_stale = take_record(counters, number, tail, &bytes) || is_stale;
        if (bytes == 0)
            break;
    }
    __atomic_store_n(&ring->header->data_tail, head, __ATOMIC_RELEASE);
    return is_stale;
}

int write_counters_take(struct write_counters *counters)
{
    bool is_stale = false;
    for (size_t i = 0; i < counters->n_rings; i++)
        is_stale = take_ring(counters, i) || is_stale;
    return is_stale ? -ESTALE : 0;
}

/* ---- one counter */

/* Remapped, a write has the device's number as its old one. */
static int choose_source(const struct write_counters *counters, dev_t device, bool is_linear,
                         struct source *ret_source)
{
    dev_t disk;
    int r = block_stack_disk(device, &disk);
    if (r < 0)
        return r;
    bool is_remapped = is_linear || disk != device;
    uint32_t number = major(device) << KERNEL_MINOR_BITS | minor(device);
    struct source source = {.tracepoint = is_remapped ? counters->remap : counters->queue};
    /* All that is no read: writes of zeroes, by which the kernel may empty a chunk, have no W on most kernels. */
    snprintf(source.filter, sizeof(source.filter), "%s == %" PRIu32 " && !(rwbs ~ \"R*\")",
             is_remapped ? "old_dev" : "dev", number);
    *ret_source = source;
    return 0;
}

/* Appends the event of the next ring. */
static int add_event(struct write_counter *counter, size_t number, const struct source *source)
{
    const struct ring *ring = &counter->counters->rings[number];
    int fd = open_event(source->tracepoint, PERIOD_MAX, ring->cpu, true);
    if (fd < 0)
        return fd;
    counter->fds[number] = fd;
    if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, source->filter) < 0 ||
        ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) < 0 ||
        ioctl(fd, PERF_EVENT_IOC_ID, &counter->ids[number]) < 0)
        return -errno;
    return 0;
}

/* Counters must not take the descriptors that looking and acting need. */
static bool has_descriptors(const struct write_counters *counters)
{
    long most = sysconf(_SC_OPEN_MAX);
    size_t needed = (counters->n_items + 2) * counters->n_rings + RESERVED_DESCRIPTORS;
    return most < 0 || needed <= (size_t)most;
}

static struct write_counter *new_counter(struct write_counters *counters)
{
    size_t n = counters->n_items + 1;
    struct write_counter **items = reallocarray(counters->items, n, sizeof(*items));
    if (!items)
        return NULL;
    counters->items = items;
    struct write_counter *counter = calloc(1, sizeof(*counter));
    if (!counter)
        return NULL;
    counter->counters = counters;
    counter->fds = malloc(counters->n_rings * sizeof(*counter->fds));
    counter->ids = calloc(counters->n_rings, sizeof(*counter->ids));
    for (size_t i = 0; counter->fds && i < counters->n_rings; i++)
        counter->fds[i] = -1;
    items[counters->n_items++] = counter;
    return counter;
}

int write_counter_open(struct write_counters *counters, dev_t device, bool is_linear,
                       struct write_counter **ret_counter)
{
    struct source source;
    int r = choose_source(counters, device, is_linear, &source);
    if (r < 0)
        return r;
    if (!has_descriptors(counters))
        return -EMFILE;
    struct write_counter *counter = new_counter(counters);
    if (!counter)
        return -ENOMEM;
    r = counter->fds && counter->ids ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < counters->n_rings; i++)
        r = add_event(counter, i, &source);
    if (r < 0) {
        write_counter_close(counter);
        return r;
    }
    *ret_counter = counter;
    return 0;
}

static int stop(struct write_counter *counter)
{
    for (size_t i = 0; i < counter->counters->n_rings; i++)
        if (ioctl(counter->fds[i], PERF_EVENT_IOC_DISABLE, 0) < 0)
            return -errno;
    counter->armed = false;
    return 0;
}

int write_counter_arm(struct write_counter *counter, uint64_t period)
{
    if (period > PERIOD_MAX)
        period = PERIOD_MAX;
    int r = counter->armed ? stop(counter) : 0;
    for (size_t i = 0; r == 0 && i < counter->counters->n_rings; i++)
        if (ioctl(counter->fds[i], PERF_EVENT_IOC_PERIOD, &period) < 0 ||
            ioctl(counter->fds[i], PERF_EVENT_IOC_ENABLE, 0) < 0)
            r = -errno;
    counter->armed = true; /* some of it, at least */
    return r;
}

int write_counter_disarm(struct write_counter *counter)
{
    return counter->armed ? stop(counter) : 0;
}

bool write_counter_has_fired(struct write_counter *counter)
{
    bool fired = counter->fired;
    counter->fired = false;
    return fired;
}

int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes)
{
    uint64_t writes = 0;
    for (size_t i = 0; i < counter->counters->n_rings; i++) {
        uint64_t part;
        ssize_t n = read(counter->fds[i], &part, sizeof(part));
        if (n != (ssize_t)sizeof(part))
            return n < 0 ? -errno : -EIO;
        writes += part;
    }
    *ret_writes = writes;
    return 0;
}

static void forget(struct write_counters *counters, const struct write_counter *counter)
{
    for (size_t i = 0; i < counters->n_items; i++)
        if (counters->items[i] == counter) {
            counters->items[i] = counters->items[--counters->n_items];
            return;
        }
}

void write_counter_close(struct write_counter *counter)
{
    if (!counter)
        return;
    for (size_t i = 0; counter->fds && i < counter->counters->n_rings; i++)
        if (counter->fds[i] >= 0)
            close(counter->fds[i]);
    forget(counter->counters, counter);
    free(counter->fds);
    free(counter->ids);
    free(counter);
}
