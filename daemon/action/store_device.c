#include "cowherd/store_device.h"
#include "cleanup.h"
#include "cowherd/kernel.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE_MAGIC          UINT32_C(0x70416e53) /* dm-snap-persistent.c: SNAP_MAGIC, "SnAp" */
#define STORE_VERSION        1
#define EXCEPTIONS_IN_FLIGHT UINT64_C(2048) /* dm-snap.c: DEFAULT_COW_THRESHOLD */

struct disk_header {
    uint32_t magic;
    uint32_t valid;
    uint32_t version;
    uint32_t chunk_sectors;
};

struct disk_exception {
    uint64_t old_chunk;
    uint64_t new_chunk; /* 0: this entry and all behind it are free */
};

static inline void free_block(void **block)
{
    free(*block);
}

#define _cleanup_block_ __attribute__((cleanup(free_block)))

/* Direct I/O: the kernel reads and writes the store past the page cache, which may hold what was there before. */
static int open_store(dev_t store, int flags)
{
    return kernel_device_open(store, flags | O_DIRECT);
}

/* An area of chunks below 4 KiB may begin less than a block before the end: what lies behind it is no exception. */
static int read_block(int fd, void *block, uint64_t offset_bytes)
{
    ssize_t n = pread(fd, block, STORE_HEADER_BYTES, (off_t)offset_bytes);
    if (n < 0)
        return -errno;
    if (n < (ssize_t)SECTOR_BYTES)
        return -EBADMSG;
    memset((char *)block + n, 0, STORE_HEADER_BYTES - (size_t)n);
    return 0;
}

static struct disk_header parse_header(const void *block)
{
    struct disk_header header;
    memcpy(&header, block, sizeof(header));
    return (struct disk_header){
        .magic = le32toh(header.magic),
        .valid = le32toh(header.valid),
        .version = le32toh(header.version),
        .chunk_sectors = le32toh(header.chunk_sectors),
    };
}

/* Opens a store for reading, with a block to read into. The caller cleans both up, also on failure. */
static int open_header(dev_t store, int *fd, void **block, struct disk_header *ret_header)
{
    *fd = open_store(store, O_RDONLY);
    if (*fd < 0)
        return *fd;
    *block = aligned_alloc(STORE_HEADER_BYTES, STORE_HEADER_BYTES);
    if (!*block)
        return -ENOMEM;
    int r = read_block(*fd, *block, 0);
    if (r == 0)
        *ret_header = parse_header(*block);
    return r;
}

static uint64_t new_chunk(const void *block, size_t index)
{
    struct disk_exception exception;
    memcpy(&exception, (const char *)block + index * sizeof(exception), sizeof(exception));
    return le64toh(exception.new_chunk);
}

/* The first metadata area begins with the second chunk; a merge clears its entries from the last to the
 * first. */
static int check_merged(int fd, const struct disk_header *header, void *block)
{
    int r = read_block(fd, block, header->chunk_sectors * SECTOR_BYTES);
    if (r < 0)
        return r;
    return new_chunk(block, 0) ? -ENOTEMPTY : 0;
}

int store_device_is_merged(dev_t store, uint32_t chunk_sectors)
{
    _cleanup_fd_ int fd = -1;
    _cleanup_block_ void *block = NULL;
    struct disk_header header;
    int r = open_header(store, &fd, &block, &header);
    if (r < 0)
        return r;
    if (header.magic != STORE_MAGIC || header.version != STORE_VERSION || !header.valid ||
        header.chunk_sectors != chunk_sectors)
        return -EBADMSG;
    return check_merged(fd, &header, block);
}

static int overwrite(dev_t store, void *block)
{
    _cleanup_fd_ int fd = open_store(store, O_RDWR | O_EXCL);
    if (fd < 0)
        return fd;
    memset(block, 0, STORE_HEADER_BYTES);
    ssize_t n = pwrite(fd, block, STORE_HEADER_BYTES, 0);
    if (n != STORE_HEADER_BYTES)
        return n < 0 ? -errno : -EIO;
    return fsync(fd) < 0 ? -errno : 0;
}

int store_device_zero(dev_t store, bool only_if_merged)
{
    _cleanup_fd_ int fd = -1;
    _cleanup_block_ void *block = NULL;
    struct disk_header header;
    int r = open_header(store, &fd, &block, &header);
    if (r < 0)
        return r;
    if (header.magic != STORE_MAGIC)
        return 0;
    if (only_if_merged && (r = check_merged(fd, &header, block)) < 0)
        return r;
    return overwrite(store, block);
}

/* Entries in one metadata area, read block by block until a free one. */
static int count_area(int fd, void *block, uint64_t offset_bytes, uint64_t area_exceptions,
                      uint64_t *ret_count)
{
    const size_t per_block = STORE_HEADER_BYTES / sizeof(struct disk_exception);
    uint64_t count = 0;
    while (count < area_exceptions) {
        int r = read_block(fd, block, offset_bytes + count * sizeof(struct disk_exception));
        if (r < 0)
            return r;
        size_t i = 0;
        while (i < per_block && count < area_exceptions && new_chunk(block, i)) {
            i++;
            count++;
        }
        if (i < per_block)
            break;
    }
    *ret_count = count;
    return 0;
}

int store_device_read(dev_t store, const struct exception_store *geometry,
                      struct store_contents *ret_contents)
{
    _cleanup_fd_ int fd = -1;
    _cleanup_block_ void *block = NULL;
    struct disk_header header;
    int r = open_header(store, &fd, &block, &header);
    if (r < 0)
        return r;
    if (header.magic != STORE_MAGIC || header.version != STORE_VERSION || !geometry->persistent ||
        header.chunk_sectors != geometry->chunk_sectors)
        return -EBADMSG;
    uint64_t area_exceptions = exception_store_area_exceptions(geometry), found = area_exceptions;
    uint64_t capacity = exception_store_capacity(geometry);
    struct store_contents contents = {.valid = header.valid != 0};
    for (uint64_t area = 0; found == area_exceptions && contents.exceptions < capacity; area++) {
        uint64_t chunk = 1 + area * (area_exceptions + 1);
        r = count_area(fd, block, chunk * geometry->chunk_sectors * SECTOR_BYTES, area_exceptions, &found);
        if (r < 0)
            return r;
        contents.exceptions += found;
    }
    *ret_contents = contents;
    return 0;
}

bool store_contents_say_full(const struct exception_store *geometry, const struct store_contents *contents)
{
    uint64_t capacity = exception_store_capacity(geometry);
    uint64_t missing = contents->exceptions < capacity ? capacity - contents->exceptions : 0;
    return missing <= EXCEPTIONS_IN_FLIGHT && missing <= capacity / 2;
}
