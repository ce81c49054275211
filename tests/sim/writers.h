/* The writers of a group: how fast they fill its stores, held or not, and what comes of that by itself: losses, counters
 * that fire, merges that go on.
 */
#pragma once

#include "world.h"

/* Bytes a second that a group's stores fill with at present. */
uint64_t writers_fill_rate(const struct group *group);

bool writers_may_fill(const struct group *group, size_t index);

/* From now on at that rate. */
void writers_write_at(struct group *group, uint64_t bytes_per_second);

/* So much time goes by. */
void writers_advance(struct group *group, uint64_t usec);

/* Their limit is set: that begins a slice, all of which may be written at once (the kernel's blk-throttle.c). */
void writers_take_slice(struct group *group);

/* When something comes of writing alone; UINT64_MAX: never. */
uint64_t writers_next_usec(void);
