/* The limits of one device: sets them, puts them back, and keeps the record of both (brake_record.h).
 *
 * `io.max` of every control group at the top but our own slice, or, where no group has one, the parameter
 * `snapshot_copy_throttle` of the dm_snapshot module, which holds all copying of the machine at 2 to 3 MB/s (not
 * writes of whole chunks to a live snapshot). The record is in the runtime directory before the first limit is set,
 * and is removed after the last one has been put back: whoever comes after a crash finds both.
 *
 * Setting a limit may wait for the device's I/O: call these in a child. 0 or a negative errno.
 */
#pragma once

#include "cowherd/brake.h"
#include <sys/types.h>

struct brake_limit {
    const char *directory; /* the runtime directory; the records are in its subdirectory "brakes" */
    dev_t device;
    uint64_t disk_sequence; /* 0: not known */
    struct brake_rate rate; /* BRAKE_FREE: put back what was */
};

struct brake_limit_result {
    int error;
    bool by_throttle; /* no control group could be limited: all copying is throttled */
    unsigned n_groups;
};

/* Sets the rate, or puts back what was. -ESTALE where the number is another device's by now. */
int brake_limit_set(const struct brake_limit *limit, struct brake_limit_result *ret_result);

/* Whether there is a control group whose writers could be held. Reads what cannot block. */
bool brake_limit_is_possible(void);

/* A child_function (child.h): the argument is a struct brake_limit, the result a struct brake_limit_result. */
void brake_limit_run(const void *limit, int result_fd);

/* The devices that have a record, at most max of them. Returns how many, or a negative errno. */
int brake_limit_list(const char *directory, dev_t *devices, size_t max);

/* Puts back all that is recorded. Returns how many devices' limits could not be put back, or a negative errno. */
int brake_limit_release_all(const char *directory);
