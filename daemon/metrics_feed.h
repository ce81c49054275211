/* The feed of the metrics file (metrics.h, metrics_file.h): counts what happens, and has the file written by a child.
 *
 * At most every METRICS_SOON_USEC while something changes; an idle daemon writes at every second heartbeat, for a child's
 * end wakes it once more (80 heartbeats and 40 ends of children an hour). One child at a time: one that hangs on its disk
 * is killed after METRICS_DEADLINE_USEC, and waited for if that does not help. That it cannot be written is said once, and
 * when it can be again, too. Where the configuration names another file, or none any more, the old one is removed: two with the
 * same series in one directory make the exporter refuse both. `cowherd --dry-run` writes nothing: a service may run beside it, whose file this is.
 */
#pragma once

#include "cowherd/tally.h"
#include "cowherd/watched_child.h"
#include <systemd/sd-event.h>

#define METRICS_SOON_USEC     UINT64_C(15000000)
#define METRICS_DEADLINE_USEC UINT64_C(10000000)

struct manager;

struct metrics_feed {
    struct tally tally;
    char *path;            /* that is written to; NULL: none */
    char *former_path;     /* to be removed by the next child; NULL: none */
    bool has_file;         /* at its path is one of ours */
    uint64_t begun_usec;   /* the last write, CLOCK_BOOTTIME */
    uint64_t written_mark; /* what was changing when it began */
    uint64_t looked_usec;  /* CLOCK_REALTIME: the last look */
    bool writing;
    bool overdue;
    bool failure_told;
    struct watched_child child;
};

/* Counts from now on. */
void metrics_feed_begin(struct manager *manager);

/* After every look: begins to write where that is due. */
void metrics_feed_consider(struct manager *manager);

/* When something that has changed is due to be written, CLOCK_BOOTTIME; UINT64_MAX: nothing, the next look is soon enough. */
uint64_t metrics_feed_next_usec(const struct manager *manager);

void metrics_feed_done(struct manager *manager);
