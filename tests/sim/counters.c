/* write_counter.h over the model's writers: each CPU counts for itself and fires at each `period` of its writes. */
#include "counters.h"
#include "cowherd/write_counter.h"
#include "devices.h"
#include "world.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STORES_MAX (2 * GROUPS_MAX)

struct write_counter {
    bool is_open;
    bool is_deaf; /* it waits for remapped writes, where none is remapped */
    dev_t store;
    uint64_t period; /* 0: not armed */
    uint64_t counted[COUNTERS_CPUS_MAX];
    uint64_t writes;
    unsigned turn;     /* the CPU of the next write */
    bool fired, waits; /* to be taken */
};

/* Of each store what the oracle asks. */
struct activity {
    dev_t store;
    bool is_active;
};

static struct write_counter counters[STORES_MAX];
static struct activity activities[STORES_MAX];
static bool are_open, is_stale;

void counters_abandon(void)
{
    memset(counters, 0, sizeof(counters));
    are_open = is_stale = false;
}

void counters_begin(void)
{
    counters_abandon();
    memset(activities, 0, sizeof(activities));
}

static struct write_counter *find(dev_t store)
{
    for (size_t i = 0; i < STORES_MAX; i++)
        if (counters[i].is_open && counters[i].store == store)
            return &counters[i];
    return NULL;
}

static struct activity *activity_of(dev_t store)
{
    for (size_t i = 0; i < STORES_MAX; i++) {
        if (activities[i].store == 0)
            activities[i].store = store;
        if (activities[i].store == store)
            return &activities[i];
    }
    abort();
}

/* ---- the world's */

bool counters_are_pending(void)
{
    bool pending = is_stale;
    for (size_t i = 0; i < STORES_MAX; i++)
        pending = pending || (counters[i].is_open && counters[i].waits);
    return pending;
}

void counters_go_stale(void)
{
    is_stale = are_open;
}

/* Writes until a CPU's own one comes. */
static uint64_t until_turn(const struct write_counter *counter, unsigned cpu, unsigned cpus)
{
    return (cpu + cpus - counter->turn % cpus) % cpus;
}

void counters_write(dev_t store, uint64_t writes, unsigned cpus)
{
    struct write_counter *counter = find(store);
    if (!counter || !counter->period || counter->is_deaf)
        return;
    counter->turn %= cpus;
    for (unsigned i = 0; i < cpus; i++) {
        uint64_t before = until_turn(counter, i, cpus);
        uint64_t own = writes > before ? (writes - before - 1) / cpus + 1 : 0;
        counter->counted[i] += own;
        if (counter->counted[i] < counter->period)
            continue;
        counter->counted[i] %= counter->period;
        counter->fired = counter->waits = true;
    }
    counter->turn = (unsigned)((counter->turn + writes) % cpus);
    counter->writes += writes;
}

uint64_t counters_until_fired(dev_t store, unsigned cpus)
{
    const struct write_counter *counter = find(store);
    uint64_t until = UINT64_MAX;
    for (unsigned i = 0; counter && counter->period && !counter->is_deaf && i < cpus; i++) {
        uint64_t own = counter->period - counter->counted[i];
        uint64_t writes = until_turn(counter, i, cpus) + (own - 1) * cpus + 1;
        until = writes < until ? writes : until;
    }
    return until;
}

uint64_t counters_unseen(dev_t store)
{
    const struct write_counter *counter = find(store);
    uint64_t unseen = 0;
    if (!counter || !counter->period || counter->is_deaf || is_stale)
        return UINT64_MAX;
    for (unsigned i = 0; i < world.history->n_cpus; i++)
        unseen += counter->period - 1 - counter->counted[i];
    return unseen;
}

bool counters_were_active(dev_t store)
{
    struct activity *activity = activity_of(store);
    bool was = activity->is_active;
    activity->is_active = false;
    return was;
}

/* ---- the daemon's */

int write_counters_open(enum counting_way way, struct write_counters **ret_counters)
{
    (void)way;
    if (world.history->n_cpus == 0)
        return -ENOENT;
    counters_abandon();
    are_open = true;
    *ret_counters = (struct write_counters *)counters;
    return 0;
}

int write_counters_fd(const struct write_counters *all)
{
    (void)all;
    return COUNTERS_FD;
}

unsigned write_counters_cpus(const struct write_counters *all)
{
    (void)all;
    return world.history->n_cpus;
}

int write_counters_take(struct write_counters *all)
{
    (void)all;
    for (size_t i = 0; i < STORES_MAX; i++)
        counters[i].waits = false;
    return is_stale ? -ESTALE : 0;
}

void write_counters_close(struct write_counters *all)
{
    (void)all;
    counters_abandon();
}

int write_counter_open(struct write_counters *all, dev_t device, bool is_linear,
                       struct write_counter **ret_counter)
{
    (void)all;
    for (size_t i = 0; i < STORES_MAX; i++) {
        if (counters[i].is_open)
            continue;
        counters[i] = (struct write_counter){
            .is_open = true, .store = device, .is_deaf = is_linear && !devices_is_dm(device)};
        *ret_counter = &counters[i];
        return 0;
    }
    return -EMFILE;
}

int write_counter_arm(struct write_counter *counter, uint64_t period)
{
    counter->period = period;
    counter->fired = counter->waits = false;
    memset(counter->counted, 0, sizeof(counter->counted));
    activity_of(counter->store)->is_active = true;
    return 0;
}

int write_counter_disarm(struct write_counter *counter)
{
    counter->period = 0;
    return 0;
}

bool write_counter_has_fired(struct write_counter *counter)
{
    bool fired = counter->fired;
    counter->fired = false;
    activity_of(counter->store)->is_active |= fired;
    return fired;
}

int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes)
{
    *ret_writes = counter->writes;
    return 0;
}

void write_counter_close(struct write_counter *counter)
{
    if (counter)
        *counter = (struct write_counter){0};
}
