#include "cowherd/store_growth.h"
#include "cleanup.h"
#include "cowherd/backing_file.h"
#include "cowherd/block_stack.h"
#include "cowherd/bytes_text.h"
#include "cowherd/exception_store.h"
#include "cowherd/kernel.h"
#include "cowherd/loop_device.h"
#include "cowherd/plan.h"
#include "cowherd/spare_device.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Ten seconds: an extension takes one at most. */
#define LOCK_TRIES      200
#define LOCK_PAUSE_NSEC 50000000L

#define EXTENT_SECTORS_MIN 8 /* 4 KiB: the largest logical block of a disk */

static inline void free_targets(struct dm_table *table)
{
    free(table->targets);
}

#define _cleanup_targets_     __attribute__((cleanup(free_targets)))
#define _cleanup_observation_ __attribute__((cleanup(observation_done)))

__attribute__((format(printf, 3, 4))) static int say(char *reason, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, GROWTH_REASON_MAX, format, arguments);
    va_end(arguments);
    return error;
}

/* The store's number is another disk's when it has been taken away and made anew. 0: not known. */
static int check_store(const struct intent *intent, uint64_t disk_sequence, char *reason)
{
    if (intent->store_disk_sequence && disk_sequence != intent->store_disk_sequence)
        return say(reason, -ESTALE, "its store has gone, and another device has its number");
    return 0;
}

/* ---- the spare device */

struct spare_found {
    struct spare spare;
    uint64_t disk_sequence;
    struct block_list holders, below;
};

/* The path may be a link (/dev/disk/by-id/…): whose it is now is what counts. */
static int find_number(const char *path, dev_t *ret_number, char *reason)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return say(reason, -errno, "extend-from = %s: %s", path, strerror(errno));
    if (!S_ISBLK(status.st_mode))
        return say(reason, -ENOTBLK, "extend-from = %s is not a block device", path);
    *ret_number = status.st_rdev;
    return 0;
}

static int find_spare(const struct intent *intent, struct spare_found *ret_found, char *reason)
{
    struct spare *spare = &ret_found->spare;
    *spare = (struct spare){.path = intent->extend_from};
    int r = find_number(spare->path, &spare->number, reason);
    if (r < 0)
        return r;
    if ((r = kernel_device_sectors(spare->number, &spare->size_sectors)) < 0 ||
        (r = block_stack_holders(spare->number, &ret_found->holders)) < 0 ||
        (r = block_stack_below(spare->number, &ret_found->below)) < 0 ||
        (r = block_stack_has_partitions(spare->number, &spare->has_partitions)) < 0 ||
        (r = kernel_disk_sequence(spare->number, &ret_found->disk_sequence)) < 0)
        return say(reason, r, "what uses %s cannot be told: %s", spare->path, strerror(-r));
    spare->holders = ret_found->holders.numbers;
    spare->n_holders = ret_found->holders.n_numbers;
    spare->below = ret_found->below.numbers;
    spare->n_below = ret_found->below.n_numbers;
    return 0;
}

struct mapped {
    const struct observation *seen;
    dev_t number;
};

static bool is_mapped(uint64_t sector, const void *user)
{
    const struct mapped *mapped = user;
    return growth_is_mapped(mapped->seen, mapped->number, sector);
}

/* A device with a filesystem on it, or anything else that is known, was named by mistake. */
static int check_signature(const struct observation *seen, const struct spare *spare, char *reason)
{
    char name[SPARE_SIGNATURE_MAX];
    struct mapped mapped = {.seen = seen, .number = spare->number};
    int r = spare_device_signature(spare->number, is_mapped, &mapped, name);
    if (r == -ENOPKG)
        return say(reason, r, "whether %s carries data is not known, for there is no wipefs(8)", spare->path);
    if (r == -ECANCELED)
        return say(reason, r, "%s is slow to answer, and another action is not to wait for it", spare->path);
    if (r < 0)
        return say(reason, r, "%s cannot be read: %s", spare->path, strerror(-r));
    if (name[0])
        return say(reason, -EBUSY, "%s carries data (%s); if nobody needs it, wipefs -a %s gives it free",
                   spare->path, name, spare->path);
    return 0;
}

/* ---- a longer table */

int store_growth_lock(const char *state_directory, int *lock_fd, char reason[static GROWTH_REASON_MAX])
{
    reason[0] = '\0';
    if (*lock_fd >= 0)
        return 0;
    _cleanup_fd_ int fd = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (i == LOCK_TRIES)
            return say(reason, -EBUSY, "another store is being extended, and that does not end");
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NSEC}, NULL);
    }
    *lock_fd = fd;
    fd = -1;
    return 0;
}

static int load_longer(const struct intent *intent, const struct observation *seen, const struct spare *spare,
                       char *reason)
{
    _cleanup_targets_ struct dm_table table = {0};
    const struct dm_device *store = observation_find(seen, intent->store);
    uint64_t goal_sectors = plan_extend_goal_sectors(intent);
    uint32_t extent_sectors = intent->chunk_sectors > EXTENT_SECTORS_MIN ? intent->chunk_sectors
                                                                         : EXTENT_SECTORS_MIN;
    if (!store || store->has_inactive || store->suspended || !growth_is_linear(&store->active) ||
        growth_length_sectors(&store->active) >= goal_sectors)
        return say(reason, -ESTALE, "its store's table has changed just now");
    int r = check_store(intent, store->disk_sequence, reason);
    if (r == 0)
        r = growth_check_spare(seen, intent, spare, reason);
    if (r == 0)
        r = growth_make_table(seen, store, spare, goal_sectors, extent_sectors, &table, reason);
    if (r < 0)
        return r;
    r = kernel_load_table(store->number, &table);
    if (r == -EBUSY)
        say(reason, r, "%s is in use: mounted, swap, or part of another device", spare->path);
    return r;
}

static int check_spare(const struct intent *intent, const struct spare *spare, char *reason)
{
    _cleanup_observation_ struct observation seen = {0};
    int r = kernel_observe(&seen);
    if (r == 0)
        r = growth_check_spare(&seen, intent, spare, reason);
    return r < 0 ? r : check_signature(&seen, spare, reason);
}

/* The lock may have been waited for. */
static int find_same_spare(const struct intent *intent, const struct spare_found *checked,
                           struct spare_found *ret_found, char *reason)
{
    int r = find_spare(intent, ret_found, reason);
    bool is_same = ret_found->spare.number == checked->spare.number &&
                   ret_found->spare.size_sectors == checked->spare.size_sectors &&
                   ret_found->disk_sequence == checked->disk_sequence;
    if (r == 0 && !is_same)
        return say(reason, -ESTALE, "extend-from = %s has just become another device", checked->spare.path);
    return r;
}

int store_growth_load(const struct intent *intent, const char *state_directory, int *lock_fd,
                      char reason[static GROWTH_REASON_MAX])
{
    _cleanup_observation_ struct observation seen = {0};
    struct spare_found checked, found;
    reason[0] = '\0';
    int r = find_spare(intent, &checked, reason);
    if (r < 0 || (r = check_spare(intent, &checked.spare, reason)) < 0)
        return r; /* before the lock: the device may not answer */
    if ((r = store_growth_lock(state_directory, lock_fd, reason)) < 0 ||
        (r = find_same_spare(intent, &checked, &found, reason)) < 0 || (r = kernel_observe(&seen)) < 0)
        return r;
    return load_longer(intent, &seen, &found.spare, reason);
}

/* ---- a longer backing file */

static int open_backing(const struct loop_device *loop, char *reason)
{
    struct stat status;
    int fd = open(loop->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return say(reason, -errno, "its backing file %s: %s", loop->path, strerror(errno));
    if (fstat(fd, &status) < 0 || status.st_dev != loop->file_device || status.st_ino != loop->file_inode) {
        close(fd);
        return say(reason, -ESTALE, "%s is not its backing file: that was deleted, replaced or is hidden",
                   loop->path);
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return say(reason, -ENOTSUP, "its loop device lies on %s, which is not a file that can grow",
                   loop->path);
    }
    return fd;
}

static int say_shortage(const struct loop_device *loop, uint64_t missing_bytes, char *reason)
{
    char text[BYTES_TEXT_MAX];
    return say(reason, -ENOSPC, "no space: the filesystem of %s has not the %s more that are wanted",
               loop->path, bytes_text(missing_bytes, text));
}

/* A loop device takes on the whole of its file: where that is longer than is wanted, all of it must be there, and within the
 * limit. */
static int reckon_with_length(const struct intent *intent, const struct loop_device *loop, int fd,
                              uint64_t *goal_bytes, char *reason)
{
    struct stat status;
    char is[BYTES_TEXT_MAX], limit[BYTES_TEXT_MAX];
    if (fstat(fd, &status) < 0)
        return say(reason, -errno, "its backing file %s: %s", loop->path, strerror(errno));
    uint64_t size_bytes = (uint64_t)status.st_size;
    if (size_bytes <= *goal_bytes)
        return 0;
    uint64_t store_bytes = size_bytes - loop->offset_bytes;
    if (intent->limit_sectors && store_bytes / SECTOR_BYTES > intent->limit_sectors)
        return say(reason, -EFBIG, "its backing file %s is longer already (%s) than its extend-limit of %s",
                   loop->path, bytes_text(store_bytes, is),
                   bytes_text(intent->limit_sectors * SECTOR_BYTES, limit));
    *goal_bytes = size_bytes;
    return 0;
}

static int grow_file(const struct intent *intent, const struct loop_device *loop, uint64_t old_bytes,
                     uint64_t goal_bytes, char *reason)
{
    _cleanup_fd_ int fd = open_backing(loop, reason);
    if (fd < 0)
        return fd;
    int r = reckon_with_length(intent, loop, fd, &goal_bytes, reason);
    if (r < 0)
        return r;
    r = backing_file_grow(fd, old_bytes, goal_bytes);
    if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)
        return say_shortage(loop, goal_bytes - old_bytes, reason);
    return r < 0 ? say(reason, r, "its backing file %s: %s", loop->path, strerror(-r)) : 0;
}

static int check_loop(const struct intent *intent, char *reason)
{
    uint64_t disk_sequence;
    int r = kernel_disk_sequence(intent->store, &disk_sequence);
    return r < 0 ? r : check_store(intent, disk_sequence, reason);
}

int store_growth_loop(const struct intent *intent, char reason[static GROWTH_REASON_MAX])
{
    struct loop_device loop;
    uint64_t old_sectors, goal_bytes;
    reason[0] = '\0';
    int r = loop_device_read(intent->store, &loop);
    if (r < 0 || (r = kernel_device_sectors(intent->store, &old_sectors)) < 0)
        return r;
    if ((r = check_loop(intent, reason)) < 0) /* of what has just been read */
        return r;
    if (loop.limit_bytes)
        return say(reason, -ENOTSUP, "its loop device has a size limit (losetup --sizelimit)");
    if (__builtin_mul_overflow(plan_extend_goal_sectors(intent), SECTOR_BYTES, &goal_bytes) ||
        __builtin_add_overflow(goal_bytes, loop.offset_bytes, &goal_bytes) || goal_bytes > INT64_MAX)
        return say(reason, -EFBIG, "no file can be as long as it would have to be");
    r = grow_file(intent, &loop, old_sectors * SECTOR_BYTES + loop.offset_bytes, goal_bytes, reason);
    if (r == 0)
        r = check_loop(intent, reason); /* allocating takes its time */
    return r < 0 ? r : loop_device_take_size(intent->store);
}
