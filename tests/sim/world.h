/* The machine that a history happens to: model kernels (one for each origin), writers, time.
 *
 * Fill levels are advanced from event to event, so that idle time costs nothing. There is one world at a time: what
 * stands in for the kernel and the system has no other argument.
 */
#pragma once

#include "cowherd/brake.h"
#include "history.h"
#include "model_kernel.h"

#define UUIDS_MAX 512

struct group {
    const struct group_setup *setup;
    unsigned index;
    struct machine machine;
    uint64_t write_bytes_per_second;
    bool is_mounted;
    bool is_read;          /* the snapshot, by somebody */
    uint64_t opened_usec;  /* when one of its devices was opened or closed last */
    uint64_t removed_usec; /* when its snapshots were taken away last */
    struct brake_rate cap;
    unsigned __int128 fill_carried, merge_carried; /* less than a chunk, in bytes x microseconds */
    uint64_t store_sequence;
    uint64_t disturbed_usec; /* since when nothing is promised (oracle.h) */
};

struct world {
    const struct history *history;
    struct random random;
    uint64_t clock_usec; /* CLOCK_BOOTTIME */
    uint64_t slept_usec; /* of these CLOCK_MONOTONIC knows nothing */
    struct {
        uint64_t until_usec, slept_usec; /* and in all until then */
    } sleeps[ITEMS_MAX];
    size_t n_sleeps;
    struct group groups[GROUPS_MAX];
    size_t next_item;
    bool dm_event; /* since it was last armed */
    size_t config; /* that is on disk */
    bool config_is_bad;
    unsigned n_uuids, n_releases, n_status;
    uint64_t n_sequences;

    bool is_up;
    bool hang_up;                                             /* SIGHUP waits */
    bool terminate;                                           /* SIGTERM waits */
    bool crash;                                               /* kill -9 */
    uint64_t down_usec;                                       /* after a crash or a stop */
    uint64_t late_usec;                                       /* the next wake-up, by an item */
    uint64_t calls_to_crash, calls_to_failure, calls_to_hang; /* 0: none */
    uint64_t calls_to_replace;                                /* of acting children */
    int failure;
    uint64_t hang_usec;
    unsigned n_blind;
    bool no_space, disk_full;
};

extern struct world world;
extern bool world_traces; /* to standard output */

void world_begin(const struct history *history);

/* Time goes on, up to and with every item that is due. */
void world_advance(uint64_t to_usec);

/* When something happens by itself: an item, a store that fills. UINT64_MAX: never. */
uint64_t world_next_usec(void);

/* A time less what had been slept by then. */
uint64_t world_awake_usec(uint64_t at_usec);

/* Something that no promise covers has happened to it. */
void world_disturb(struct group *group);
void world_disturb_all(void);

__attribute__((format(printf, 1, 2))) void world_trace(const char *format, ...);
