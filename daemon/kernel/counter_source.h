/* Where the writes to a device are counted: at which tracepoint, and in which of its fields the device's number is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum counter_tracepoint { TRACEPOINT_QUEUE, TRACEPOINT_REMAP, N_TRACEPOINTS };

struct counter_source {
    enum counter_tracepoint tracepoint;
    uint32_t number; /* of the device, as the kernel has it: MKDEV() */
};

/* is_linear as in write_counter.h. 0 or a negative errno. */
int counter_source_choose(dev_t device, bool is_linear, struct counter_source *ret_source);

/* The field with the device's number: "dev", "old_dev". */
const char *counter_tracepoint_field(enum counter_tracepoint tracepoint);

/* The tracepoint's number; that of "cpuhp:cpuhp_exit". -ENOENT: no tracefs, or no such tracepoint. -EACCES. */
int counter_tracepoint_number(enum counter_tracepoint tracepoint, uint64_t *ret_number);
int counter_cpu_tracepoint_number(uint64_t *ret_number);

/* Where its fields begin in its record, bytes. -EBADMSG: it has others. */
int counter_tracepoint_offsets(enum counter_tracepoint tracepoint, unsigned *ret_device, unsigned *ret_rwbs);

/* The list of the CPUs that are there, "0-3,8", and the next range of it; false at its end. */
int counter_cpus_online(char *text, int size);
bool counter_next_range(const char **list, unsigned *ret_first, unsigned *ret_last);
