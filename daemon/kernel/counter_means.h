/* The means of counting (write_counter.h), which have the same functions. Each of their structures begins with these. */
#pragma once

#include "counter_source.h"
#include "cowherd/write_counter.h"

struct counter_means {
    int (*fd)(const struct write_counters *counters);
    unsigned (*cpus)(const struct write_counters *counters);
    int (*take)(struct write_counters *counters);
    void (*close)(struct write_counters *counters);
    int (*counter_open)(struct write_counters *counters, const struct counter_source *source,
                        struct write_counter **ret_counter);
    int (*arm)(struct write_counter *counter, uint64_t period);
    int (*disarm)(struct write_counter *counter);
    int (*read)(const struct write_counter *counter, uint64_t *ret_writes);
    void (*counter_close)(struct write_counter *counter);
};

struct write_counters {
    const struct counter_means *means;
};

struct write_counter {
    const struct counter_means *means;
    bool fired;
};

/* by_bios: the program reads them, and not the tracepoint's records. */
int program_counters_open(bool by_bios, struct write_counters **ret_counters);
int event_counters_open(struct write_counters **ret_counters);
