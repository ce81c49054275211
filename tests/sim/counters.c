/* A kernel that counts nobody's writes: every snapshot is paced. Without counters none of the rest is called. */
#include "cowherd/write_counter.h"
#include <errno.h>
#include <stdlib.h>

int write_counters_open(struct write_counters **ret_counters)
{
    (void)ret_counters;
    return -ENOENT;
}

int write_counters_fd(const struct write_counters *counters)
{
    (void)counters;
    abort();
}

unsigned write_counters_cpus(const struct write_counters *counters)
{
    (void)counters;
    abort();
}

int write_counters_take(struct write_counters *counters)
{
    (void)counters;
    abort();
}

void write_counters_close(struct write_counters *counters)
{
    (void)counters;
    abort();
}

int write_counter_open(struct write_counters *counters, dev_t device, struct write_counter **ret_counter)
{
    (void)counters, (void)device, (void)ret_counter;
    abort();
}

int write_counter_arm(struct write_counter *counter, uint64_t period)
{
    (void)counter, (void)period;
    abort();
}

int write_counter_disarm(struct write_counter *counter)
{
    (void)counter;
    abort();
}

bool write_counter_has_fired(struct write_counter *counter)
{
    (void)counter;
    abort();
}

int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes)
{
    (void)counter, (void)ret_writes;
    abort();
}

void write_counter_close(struct write_counter *counter)
{
    if (counter)
        abort();
}
