/* Counting by one program in the kernel for all counters. */
#include "counter_means.h"
#include "counter_program.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct program_counter {
    struct write_counter base;
    struct program_counters *counters;
    enum counter_tracepoint tracepoint;
    uint32_t slot;
    uint64_t period; /* UINT64_MAX: not armed */
};

/* At a tracepoint while it has users: whoever passes it pays. */
struct attachment {
    int program_fd;
    int fd; /* that it runs by */
    size_t n_users;
};

struct program_counters {
    struct write_counters base;
    struct counter_maps maps;
    struct counter_table *table;
    uint64_t *consumed; /* the ring's positions */
    const uint64_t *produced;
    bool by_bios; /* or by records */
    struct attachment attachments[N_TRACEPOINTS];
    struct program_counter *items[COUNTER_SLOTS]; /* by their slots */
};

static const struct counter_means program_means;

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t table_bytes(void)
{
    size_t page = page_bytes(), bytes = sizeof(struct counter_table);
    return (bytes + page - 1) / page * page;
}

/* ---- one counter */

/* From the writes that have been counted by now, so that none is before whoever looks behind this call. */
static void begin_period(const struct program_counter *counter)
{
    struct counter_slot *slot = &counter->counters->table->slots[counter->slot];
    uint64_t writes = __atomic_load_n(&slot->writes, __ATOMIC_ACQUIRE), next;
    if (__builtin_add_overflow(writes, counter->period, &next))
        next = UINT64_MAX;
    __atomic_store_n(&slot->next, next, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->has_fired, 0, __ATOMIC_RELEASE);
}

static int arm(struct write_counter *base, uint64_t period)
{
    struct program_counter *counter = (struct program_counter *)base;
    counter->period = period;
    begin_period(counter);
    return 0;
}

static int disarm(struct write_counter *base)
{
    return arm(base, UINT64_MAX);
}

static int read_count(const struct write_counter *base, uint64_t *ret_writes)
{
    const struct program_counter *counter = (const struct program_counter *)base;
    *ret_writes = __atomic_load_n(&counter->counters->table->slots[counter->slot].writes, __ATOMIC_ACQUIRE);
    return 0;
}

/* ---- the tracepoints */

/* On any CPU, and never enabled: a program that is attached to it runs on all. */
static int open_event(enum counter_tracepoint tracepoint)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attributes), .sample_period = 1, .disabled = true};
    char text[1024];
    const char *list = text;
    unsigned first, last;
    uint64_t number;
    int r = counter_tracepoint_number(tracepoint, &number);
    if (r < 0 || (r = counter_cpus_online(text, sizeof(text))) < 0)
        return r;
    if (!counter_next_range(&list, &first, &last))
        return -EIO;
    attributes.config = number;
    int fd = (int)syscall(SYS_perf_event_open, &attributes, -1, (int)first, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int attach_to_records(int program_fd, enum counter_tracepoint tracepoint)
{
    int fd = open_event(tracepoint);
    if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int use(struct program_counters *counters, enum counter_tracepoint tracepoint)
{
    struct attachment *attachment = &counters->attachments[tracepoint];
    if (attachment->n_users == 0) {
        int fd = counters->by_bios ? counter_program_attach_to_bios(attachment->program_fd)
                                   : attach_to_records(attachment->program_fd, tracepoint);
        if (fd < 0)
            return fd;
        attachment->fd = fd;
    }
    attachment->n_users++;
    return 0;
}

static void leave(struct program_counters *counters, enum counter_tracepoint tracepoint)
{
    struct attachment *attachment = &counters->attachments[tracepoint];
    if (--attachment->n_users > 0)
        return;
    close(attachment->fd);
    attachment->fd = -1;
}

/* ---- opening and closing a counter */

static int open_counter(struct write_counters *base, const struct counter_source *source,
                        struct write_counter **ret_counter)
{
    struct program_counters *counters = (struct program_counters *)base;
    struct program_counter *counter = calloc(1, sizeof(*counter));
    uint32_t slot;
    int r = counter ? use(counters, source->tracepoint) : -ENOMEM;
    if (r >= 0 && (r = counter_table_add(counters->table, source, &slot)) < 0)
        leave(counters, source->tracepoint);
    if (r < 0) {
        free(counter);
        return r;
    }
    *counter = (struct program_counter){
        {&program_means, false}, counters, source->tracepoint, slot, UINT64_MAX};
    counters->items[slot] = counter;
    *ret_counter = &counter->base;
    return 0;
}

static void close_counter(struct write_counter *base)
{
    struct program_counter *counter = (struct program_counter *)base;
    struct program_counters *counters = counter->counters;
    counter_table_remove(counters->table, counter->tracepoint, counter->slot);
    leave(counters, counter->tracepoint);
    counters->items[counter->slot] = NULL;
    free(counter);
}

/* ---- all */

static int get_fd(const struct write_counters *base)
{
    return ((const struct program_counters *)base)->maps.ring;
}

static unsigned get_cpus(const struct write_counters *base)
{
    (void)base;
    return 1;
}

/* What comes through the ring is no more than a wake-up: it is taken before the slots are read, so that who fires after that
 * wakes once more. */
static int take(struct write_counters *base)
{
    struct program_counters *counters = (struct program_counters *)base;
    uint64_t produced = __atomic_load_n(counters->produced, __ATOMIC_ACQUIRE);
    __atomic_store_n(counters->consumed, produced, __ATOMIC_RELEASE);
    for (size_t i = 0; i < COUNTER_SLOTS; i++) {
        struct program_counter *counter = counters->items[i];
        if (!counter || !__atomic_load_n(&counters->table->slots[i].has_fired, __ATOMIC_ACQUIRE))
            continue;
        begin_period(counter);
        counter->base.fired = true;
    }
    return 0;
}

static void close_all(struct write_counters *base)
{
    struct program_counters *counters = (struct program_counters *)base;
    for (size_t i = 0; i < COUNTER_SLOTS; i++)
        if (counters->items[i])
            close_counter(&counters->items[i]->base);
    if (counters->table)
        munmap(counters->table, table_bytes());
    if (counters->consumed)
        munmap(counters->consumed, page_bytes());
    if (counters->produced)
        munmap((void *)(uintptr_t)counters->produced, page_bytes());
    for (size_t i = 0; i < N_TRACEPOINTS; i++)
        if (counters->attachments[i].program_fd >= 0)
            close(counters->attachments[i].program_fd);
    counter_maps_close(&counters->maps);
    free(counters);
}

/* NULL and errno. */
static void *map(int fd, size_t bytes, int protection, size_t offset)
{
    void *at = mmap(NULL, bytes, protection, MAP_SHARED, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

/* The first page of a ring is the reader's, the second the kernel's; behind them is what is of no interest here. */
static int map_all(struct program_counters *counters)
{
    int both = PROT_READ | PROT_WRITE, ring = counters->maps.ring;
    counters->table = map(counters->maps.table, table_bytes(), both, 0);
    if (counters->table)
        counters->consumed = map(ring, page_bytes(), both, 0);
    if (counters->consumed)
        counters->produced = map(ring, page_bytes(), PROT_READ, page_bytes());
    return counters->produced ? 0 : -errno;
}

/* Of the kernel that runs: read once, which takes some 20 ms. */
static int get_layout(struct counter_layout *ret_layout)
{
    static struct counter_layout layout;
    static bool is_known;
    int r = is_known ? 0 : counter_layout_read(COUNTER_LAYOUT_FILE, &layout);
    if (r < 0)
        return r;
    is_known = true;
    *ret_layout = layout;
    return 0;
}

static int load_programs(struct program_counters *counters)
{
    struct counter_layout layout;
    int r = counters->by_bios ? get_layout(&layout) : 0;
    for (enum counter_tracepoint i = 0; r >= 0 && i < N_TRACEPOINTS; i++)
        r = counters->attachments[i].program_fd = counters->by_bios
                                                      ? counter_program_load_for_bios(i, &layout,
                                                                                      &counters->maps)
                                                      : counter_program_load_for_records(i, &counters->maps);
    return r < 0 ? r : 0;
}

/* What may be loaded need not be allowed to run: then these are not the means. */
static int try_attaching(struct program_counters *counters)
{
    int r = 0;
    for (enum counter_tracepoint i = 0; r >= 0 && i < N_TRACEPOINTS; i++) {
        r = use(counters, i);
        if (r >= 0)
            leave(counters, i);
    }
    return r;
}

static int open_all(struct program_counters *counters)
{
    int r = counter_maps_open(&counters->maps);
    if (r >= 0)
        r = load_programs(counters);
    if (r >= 0)
        r = try_attaching(counters);
    return r < 0 ? r : map_all(counters);
}

int program_counters_open(bool by_bios, struct write_counters **ret_counters)
{
    struct program_counters *counters = calloc(1, sizeof(*counters));
    if (!counters)
        return -ENOMEM;
    counters->base.means = &program_means;
    counters->by_bios = by_bios;
    counters->maps = (struct counter_maps){-1, -1};
    for (size_t i = 0; i < N_TRACEPOINTS; i++)
        counters->attachments[i] = (struct attachment){.program_fd = -1, .fd = -1};
    int r = open_all(counters);
    if (r < 0)
        close_all(&counters->base);
    else
        *ret_counters = &counters->base;
    return r;
}

static const struct counter_means program_means = {
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
