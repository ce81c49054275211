/* Counting writes to block devices: perf's counters on tracepoints.
 *
 * Where all writes to a device are passed on to another (a partition, a dm device of linear targets) they are counted as they
 * are, at block:block_bio_remap, and elsewhere when they come, at block:block_bio_queue. The first costs writers less: of the
 * four bios by which a chunk is copied into a linear store all are queued and one is remapped, and each that passes an armed
 * tracepoint takes some 440 instructions more, whoever it is for (6.1; tests/bench/cost).
 *
 * A counter is one event for each CPU, with a filter on the device's number. An event that has counted its period of
 * writes puts a record into a ring that all events of its CPU share, and wakes whoever polls the one descriptor of all.
 * The ring's own event is the tracepoint cpuhp:cpuhp_exit, so that a CPU that comes or goes wakes too: a CPU that comes is
 * counted by nobody yet.
 *
 * Needs tracefs, for the tracepoints' numbers, and CAP_PERFMON or CAP_SYS_ADMIN. Measured (6.1): a fresh event fires at
 * exactly its period. PERF_EVENT_IOC_PERIOD on a running event makes it fire at the next write, and then once more after
 * its former period: a counter is stopped while it gets another one. An event whose CPU went is dead, also when that
 * comes back.
 *
 * Opening, arming and closing take microseconds for each CPU, closing the last counter some milliseconds. 0 or a negative
 * errno; ret_ arguments are untouched on failure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct write_counters; /* what all of them share */
struct write_counter;

/* -ENOENT: no tracefs, or a kernel without these tracepoints. -EACCES, -EPERM: not allowed. */
int write_counters_open(struct write_counters **ret_counters);

/* Polls readable when a counter has fired, or a CPU came or went. */
int write_counters_fd(const struct write_counters *counters);

unsigned write_counters_cpus(const struct write_counters *counters);

/* After a wake-up: marks who has fired. -ESTALE: a CPU came or went, or went and came back while nobody looked (the machine
 * was suspended), or records were lost: close all and open them anew. */
int write_counters_take(struct write_counters *counters);

/* Closes all that are still open, too. */
void write_counters_close(struct write_counters *counters);

/* A counter of the writes to a device, not armed. is_linear: it is a dm device that has linear targets only; as soon as it has
 * others that counts too few. -EMFILE: the descriptors that are left are for others. */
int write_counter_open(struct write_counters *counters, dev_t device, bool is_linear,
                       struct write_counter **ret_counter);

/* From now on it fires at every so many writes on one CPU. Whoever relies on it looks once after this call: writes are not
 * counted while it is being armed. */
int write_counter_arm(struct write_counter *counter, uint64_t period);

int write_counter_disarm(struct write_counter *counter);

/* Whether it has fired since this was asked last. */
bool write_counter_has_fired(struct write_counter *counter);

/* How many writes were counted while it was armed. */
int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes);

/* NULL is allowed. */
void write_counter_close(struct write_counter *counter);
