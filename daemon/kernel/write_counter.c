#include "counter_means.h"

int write_counters_open(enum counting_way way, struct write_counters **ret_counters)
{
    int r = -1;
    if (way == COUNTING_AS_CAN_BE)
        r = program_counters_open(true, ret_counters);
    if (r < 0 && way != COUNTING_BY_EVENTS)
        r = program_counters_open(false, ret_counters);
    return r < 0 ? event_counters_open(ret_counters) : r;
}

int write_counters_fd(const struct write_counters *counters)
{
    return counters->means->fd(counters);
}

unsigned write_counters_cpus(const struct write_counters *counters)
{
    return counters->means->cpus(counters);
}

int write_counters_take(struct write_counters *counters)
{
    return counters->means->take(counters);
}

void write_counters_close(struct write_counters *counters)
{
    counters->means->close(counters);
}

int write_counter_open(struct write_counters *counters, dev_t device, bool is_linear,
                       struct write_counter **ret_counter)
{
    struct counter_source source;
    int r = counter_source_choose(device, is_linear, &source);
    return r < 0 ? r : counters->means->counter_open(counters, &source, ret_counter);
}

int write_counter_arm(struct write_counter *counter, uint64_t period)
{
    return counter->means->arm(counter, period);
}

int write_counter_disarm(struct write_counter *counter)
{
    return counter->means->disarm(counter);
}

bool write_counter_has_fired(struct write_counter *counter)
{
    bool fired = counter->fired;
    counter->fired = false;
    return fired;
}

int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes)
{
    return counter->means->read(counter, ret_writes);
}

void write_counter_close(struct write_counter *counter)
{
    if (counter)
        counter->means->counter_close(counter);
}
