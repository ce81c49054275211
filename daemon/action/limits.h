/* Limits: what is set on one device for all holds on it (brakes.h), by one child at a time (brake_limit.h).
 *
 * brakes.c says what is wanted; a limit is driven there, through failed children and control groups that come and go, and
 * brakes.c is told.
 */
#pragma once

#include "cowherd/brakes.h"
#include "cowherd/watched_child.h"

/* A child that sets a limit and has not come back is stuck in the kernel. */
#define LIMIT_CHILD_USEC UINT64_C(5000000)

/* Control groups come and go; the failed is tried again. */
#define LIMIT_REFRESH_USEC UINT64_C(1000000)

struct limit {
    dev_t device;
    uint64_t disk_sequence;
    struct brake_rate wanted;
    struct brake_rate set;
    bool left;      /* found at the start: what is set is not known */
    bool uncertain; /* the last child failed, and may have set some of it */
    bool by_throttle;
    uint64_t next_usec; /* to be tried or refreshed no sooner */
    struct brake_rate asked;
    bool busy; /* a child is at it */
    uint64_t start_usec;
    struct watched_child child;
    struct brakes *brakes;
};

bool limit_is_free(struct brake_rate rate);

/* CLOCK_MONOTONIC: an action has its time, and those who are held have theirs, while the machine is awake. */
uint64_t limits_now_usec(const struct brakes *brakes);

/* The limit of a device, or NULL; a new one, NULL without memory; either, for this very disk. */
struct limit *limits_find(const struct brakes *brakes, dev_t device);
struct limit *limits_add(struct brakes *brakes, dev_t device);
struct limit *limits_take(struct brakes *brakes, dev_t device, uint64_t disk_sequence);

/* What is wanted is set, unless a child is at it: then when that has ended. */
void limit_drive(struct limit *limit, uint64_t now_usec);

/* At the end: takes it off, waiting for it. */
void limit_put_back(struct limit *limit);

/* Forgets those that are not set and not wanted. */
void limits_drop_idle(struct brakes *brakes);

/* brakes.c: everybody who is held on its device is spoken of, when it is set or put back, and when that has failed. */
void brakes_tell(const struct limit *limit, uint64_t now_usec);
void brakes_tell_failure(const struct limit *limit, int error, uint64_t now_usec);
