/* Counting by perf's events: one for each counter and CPU. */
#include "counter_means.h"
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
#include <unistd.h>

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

struct event_counter {
    struct write_counter base;
    struct event_counters *counters;
    bool armed;
    int *fds; /* one for each ring */
    uint64_t *ids;
};

struct event_counters {
    struct write_counters base;
    int epoll_fd;
    uint64_t tracepoints[N_TRACEPOINTS]; /* their numbers */
    struct ring *rings;
    size_t n_rings;
    struct event_counter **items;
    size_t n_items;
};

static const struct counter_means event_means;

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

static int map_ring(struct event_counters *counters, struct ring *ring)
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

static int add_ring(struct event_counters *counters, uint64_t tracepoint, unsigned cpu)
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

static int add_rings(struct event_counters *counters)
{
    char text[1024];
    const char *list = text;
    unsigned first, last;
    uint64_t tracepoint;
    int r = counter_cpu_tracepoint_number(&tracepoint);
    if (r < 0 || (r = counter_cpus_online(text, sizeof(text))) < 0)
        return r;
    while (r == 0 && counter_next_range(&list, &first, &last))
        for (unsigned cpu = first; r == 0 && cpu <= last; cpu++)
            r = add_ring(counters, tracepoint, cpu);
    return r == 0 && counters->n_rings == 0 ? -EIO : r;
}

static void forget(struct event_counters *counters, const struct event_counter *counter)
{
    for (size_t i = 0; i < counters->n_items; i++)
        if (counters->items[i] == counter) {
            counters->items[i] = counters->items[--counters->n_items];
            return;
        }
}

static void close_counter(struct write_counter *base)
{
    struct event_counter *counter = (struct event_counter *)base;
    for (size_t i = 0; counter->fds && i < counter->counters->n_rings; i++)
        if (counter->fds[i] >= 0)
            close(counter->fds[i]);
    forget(counter->counters, counter);
    free(counter->fds);
    free(counter->ids);
    free(counter);
}

static void close_all(struct write_counters *base)
{
    struct event_counters *counters = (struct event_counters *)base;
    while (counters->n_items > 0)
        close_counter(&counters->items[counters->n_items - 1]->base);
    for (size_t i = 0; i < counters->n_rings; i++)
        close_ring(&counters->rings[i]);
    if (counters->epoll_fd >= 0)
        close(counters->epoll_fd);
    free(counters->items);
    free(counters->rings);
    free(counters);
}

static int open_all(struct event_counters *counters)
{
    int r = 0;
    counters->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (counters->epoll_fd < 0)
        return -errno;
    for (enum counter_tracepoint i = 0; r == 0 && i < N_TRACEPOINTS; i++)
        r = counter_tracepoint_number(i, &counters->tracepoints[i]);
    return r < 0 ? r : add_rings(counters);
}

int event_counters_open(struct write_counters **ret_counters)
{
    struct event_counters *counters = calloc(1, sizeof(*counters));
    if (!counters)
        return -ENOMEM;
    counters->base.means = &event_means;
    int r = open_all(counters);
    if (r < 0)
        close_all(&counters->base);
    else
        *ret_counters = &counters->base;
    return r;
}

static int get_fd(const struct write_counters *base)
{
    return ((const struct event_counters *)base)->epoll_fd;
}

static unsigned get_cpus(const struct write_counters *base)
{
    return (unsigned)((const struct event_counters *)base)->n_rings;
}

/* ---- taking the records */

static void mark(struct event_counters *counters, size_t ring, uint64_t id)
{
    for (size_t i = 0; i < counters->n_items; i++)
        if (counters->items[i]->ids[ring] == id)
            counters->items[i]->base.fired = true;
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
static bool take_record(struct event_counters *counters, size_t number, uint64_t position,
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

static bool take_ring(struct event_counters *counters, size_t number)
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

static int take(struct write_counters *base)
{
    struct event_counters *counters = (struct event_counters *)base;
    bool is_stale = false;
    for (size_t i = 0; i < counters->n_rings; i++)
        is_stale = take_ring(counters, i) || is_stale;
    return is_stale ? -ESTALE : 0;
}

/* ---- one counter */

/* Appends the event of the next ring. */
static int add_event(struct event_counter *counter, size_t number, const struct counter_source *source)
{
    const struct ring *ring = &counter->counters->rings[number];
    char filter[64];
    /* All that is no read: writes of zeroes, by which the kernel may empty a chunk, have no W on most kernels. */
    snprintf(filter, sizeof(filter), "%s == %" PRIu32 " && !(rwbs ~ \"R*\")",
             counter_tracepoint_field(source->tracepoint), source->number);
    int fd = open_event(counter->counters->tracepoints[source->tracepoint], PERIOD_MAX, ring->cpu, true);
    if (fd < 0)
        return fd;
    counter->fds[number] = fd;
    if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0 ||
        ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) < 0 ||
        ioctl(fd, PERF_EVENT_IOC_ID, &counter->ids[number]) < 0)
        return -errno;
    return 0;
}

/* Counters must not take the descriptors that looking and acting need. */
static bool has_descriptors(const struct event_counters *counters)
{
    long most = sysconf(_SC_OPEN_MAX);
    size_t needed = (counters->n_items + 2) * counters->n_rings + RESERVED_DESCRIPTORS;
    return most < 0 || needed <= (size_t)most;
}

static struct event_counter *new_counter(struct event_counters *counters)
{
    size_t n = counters->n_items + 1;
    struct event_counter **items = reallocarray(counters->items, n, sizeof(*items));
    if (!items)
        return NULL;
    counters->items = items;
    struct event_counter *counter = calloc(1, sizeof(*counter));
    if (!counter)
        return NULL;
    counter->base.means = &event_means;
    counter->counters = counters;
    counter->fds = malloc(counters->n_rings * sizeof(*counter->fds));
    counter->ids = calloc(counters->n_rings, sizeof(*counter->ids));
    for (size_t i = 0; counter->fds && i < counters->n_rings; i++)
        counter->fds[i] = -1;
    items[counters->n_items++] = counter;
    return counter;
}

static int open_counter(struct write_counters *base, const struct counter_source *source,
                        struct write_counter **ret_counter)
{
    struct event_counters *counters = (struct event_counters *)base;
    if (!has_descriptors(counters))
        return -EMFILE;
    struct event_counter *counter = new_counter(counters);
    if (!counter)
        return -ENOMEM;
    int r = counter->fds && counter->ids ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < counters->n_rings; i++)
        r = add_event(counter, i, source);
    if (r < 0)
        close_counter(&counter->base);
    else
        *ret_counter = &counter->base;
    return r;
}

static int stop(struct event_counter *counter)
{
    for (size_t i = 0; i < counter->counters->n_rings; i++)
        if (ioctl(counter->fds[i], PERF_EVENT_IOC_DISABLE, 0) < 0)
            return -errno;
    counter->armed = false;
    return 0;
}

static int arm(struct write_counter *base, uint64_t period)
{
    struct event_counter *counter = (struct event_counter *)base;
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

static int disarm(struct write_counter *base)
{
    struct event_counter *counter = (struct event_counter *)base;
    return counter->armed ? stop(counter) : 0;
}

static int read_count(const struct write_counter *base, uint64_t *ret_writes)
{
    const struct event_counter *counter = (const struct event_counter *)base;
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

static const struct counter_means event_means = {
    .fd = get_fd,
    .cpus = get_cpus,
    .take = take,
    .close = close_all,
    .counter_open = open_counter,
    .arm = arm,
    .disarm = disarm,
    .read = read_count,
    .counter_close = close_counter,
};
