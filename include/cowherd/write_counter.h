/* Counting writes to block devices, at the kernel's tracepoints.
 *
 * Where all writes to a device are passed on to another (a partition, a dm device of linear targets) they are counted as they
 * are, at block:block_bio_remap, and elsewhere when they come, at block:block_bio_queue. The first costs writers less: of the
 * four bios by which a chunk is copied into a linear store all are queued and one is remapped, and all that pass a tracepoint
 * that counts pay for it, whoever it is for.
 *
 * Counted is by the first of three means that there is:
 *
 *  - A program in the kernel (BPF), which reads the bios themselves and finds by the device's number whether a write is
 *    counted. It counts for all CPUs together: what a write pays does not depend on how many counters there are
 *    (tests/bench/cost has what it is). Needs Linux 5.12 with types of its own to read (CONFIG_DEBUG_INFO_BTF), and CAP_BPF
 *    with CAP_PERFMON, or CAP_SYS_ADMIN; neither tracefs nor perf.
 *  - The same program (5.8) behind the records that the kernel writes of each bio that passes the tracepoint. Whoever
 *    passes pays three times as much. Needs tracefs besides, for what a record is.
 *    The kernel leaves a program out on a CPU where it is running already, which is in an interrupt of it, and writes to a
 *    store are begun by threads (6.1). One of the second means it also leaves out where another program runs, or a map of
 *    one is being changed, which a preemptible kernel may interrupt for a thread that writes.
 *  - perf's events: each counter is one event for each CPU, with a filter on the device's number, and each write pays for
 *    each counter. An event that has counted its period of writes puts a record into a ring that all events of its CPU share.
 *    The ring's own event is the tracepoint cpuhp:cpuhp_exit, so that a CPU that comes or goes wakes too: a CPU that comes
 *    is counted by nobody yet. Measured (6.1): a fresh event fires at exactly its period. PERF_EVENT_IOC_PERIOD on a running
 *    one makes it fire at the next write, and then once more after its former period: a counter is stopped while it gets
 *    another one. An event whose CPU went is dead, also when that comes back.
 *
 * Opening all takes some 20 ms the first time. Opening, arming and closing one take microseconds for each CPU, closing the last
 * counter some milliseconds. 0 or a negative errno; ret_ arguments are untouched on failure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct write_counters; /* what all of them share */
struct write_counter;

enum counting_way {
    COUNTING_AS_CAN_BE,
    COUNTING_BY_RECORDS, /* the second means or the third */
    COUNTING_BY_EVENTS,  /* the third */
};

/* Of the last means: -ENOENT: no tracefs, or a kernel without these tracepoints. -EACCES, -EPERM: not allowed. */
int write_counters_open(enum counting_way way, struct write_counters **ret_counters);

/* Polls readable when a counter has fired, or a CPU came or went. */
int write_counters_fd(const struct write_counters *counters);

/* On how many CPUs writes are counted each for itself; 1: on all together. */
unsigned write_counters_cpus(const struct write_counters *counters);

/* After a wake-up: marks who has fired. -ESTALE: a CPU came or went, or went and came back while nobody looked (the machine
 * was suspended), or records were lost: close all and open them anew. */
int write_counters_take(struct write_counters *counters);

/* Closes all that are still open, too. */
void write_counters_close(struct write_counters *counters);

/* A counter of the writes to a device, not armed. is_linear: it is a dm device that has linear targets only; as soon as it has
 * others that counts too few. -EMFILE: the descriptors that are left are for others, or there are too many. -EEXIST: that
 * device is being counted. */
int write_counter_open(struct write_counters *counters, dev_t device, bool is_linear,
                       struct write_counter **ret_counter);

/* From now on it fires at every so many writes on one of those CPUs. Whoever relies on it looks once after this call: writes are not
 * counted while it is being armed. */
int write_counter_arm(struct write_counter *counter, uint64_t period);

int write_counter_disarm(struct write_counter *counter);

/* Whether it has fired since this was asked last. */
bool write_counter_has_fired(struct write_counter *counter);

/* How many writes were counted while it was armed. */
int write_counter_read(const struct write_counter *counter, uint64_t *ret_writes);

/* NULL is allowed. */
void write_counter_close(struct write_counter *counter);
