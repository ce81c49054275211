#include "cowherd/backing_file.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZEROES_BYTES UINT64_C(65536)

/* Gives back what lies behind the file's end. Cutting it to its own size does that on ext4 and xfs; and it is never
 * shorter than its loop device. */
static void give_back(int fd, uint64_t size_bytes)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && (uint64_t)status.st_size >= size_bytes &&
        ftruncate(fd, (off_t)size_bytes) < 0)
        return; /* it is only space: the shortage is what is told */
}

/* The file stays as long as it is until all is there. */
static int allocate(int fd, uint64_t old_bytes, uint64_t goal_bytes, uint64_t size_bytes)
{
    while (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)old_bytes, (off_t)(goal_bytes - old_bytes)) < 0) {
        int error = errno;
        if (error == EINTR)
            continue;
        if (error == ENOSPC || error == EDQUOT || error == EFBIG)
            give_back(fd, size_bytes);
        return -error;
    }
    if (size_bytes < goal_bytes && ftruncate(fd, (off_t)goal_bytes) < 0)
        return -errno;
    return 0;
}

/* What an earlier try has written is behind the old end already. The zeroes are written out at once: only then has
 * every filesystem found room for them. */
static int write_zeroes(int fd, uint64_t old_bytes, uint64_t goal_bytes, uint64_t size_bytes)
{
    static const char zeroes[ZEROES_BYTES];
    uint64_t at = size_bytes > old_bytes ? size_bytes : old_bytes;
    int error = 0;
    while (at < goal_bytes && !error) {
        uint64_t left = goal_bytes - at;
        ssize_t n = pwrite(fd, zeroes, left < ZEROES_BYTES ? left : ZEROES_BYTES, (off_t)at);
        if (n < 0 && errno != EINTR)
            error = errno;
        else if (n > 0)
            at += (uint64_t)n;
    }
    if (!error && fdatasync(fd) < 0)
        error = errno;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        give_back(fd, size_bytes);
    return -error;
}

int backing_file_grow(int fd, uint64_t old_bytes, uint64_t goal_bytes)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    uint64_t size_bytes = (uint64_t)status.st_size;
    if (size_bytes < old_bytes)
        return -ESTALE; /* cut beneath its loop device */
    if (goal_bytes <= old_bytes)
        return 0;
    int r = allocate(fd, old_bytes, goal_bytes, size_bytes);
    return r == -EOPNOTSUPP || r == -ENOSYS ? write_zeroes(fd, old_bytes, goal_bytes, size_bytes) : r;
}
