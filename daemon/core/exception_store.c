#include "cowherd/exception_store.h"

/* struct disk_exception of dm-snap-persistent.c: two 64-bit chunk numbers. */
#define DISK_EXCEPTION_BYTES 16

/* Behind the header chunk and the first area's metadata chunk. */
#define FIRST_DATA_CHUNK 2

static uint64_t whole_chunks(const struct exception_store *store, uint64_t sectors)
{
    return store->chunk_sectors == 0 ? 0 : sectors / store->chunk_sectors;
}

/* The inverse of F: the largest n with F(n) <= chunks. */
static uint64_t exceptions_within(const struct exception_store *store, uint64_t chunks)
{
    uint64_t area = exception_store_area_exceptions(store);
    if (area == 0)
        return chunks;
    if (chunks < FIRST_DATA_CHUNK)
        return 0;
    uint64_t strides = (chunks - FIRST_DATA_CHUNK) / (area + 1);
    uint64_t rest = (chunks - FIRST_DATA_CHUNK) % (area + 1);
    /* An area's last exception counts only where the next area's metadata chunk, which the kernel zeroes when
     * it commits that exception, fits as well: that is where rest would be the next stride. */
    return strides * area + (rest < area ? rest : area - 1);
}

uint64_t exception_store_area_exceptions(const struct exception_store *store)
{
    if (!store->persistent)
        return 0;
    return store->chunk_sectors * (SECTOR_BYTES / DISK_EXCEPTION_BYTES);
}

uint64_t exception_store_chunks_needed(const struct exception_store *store, uint64_t exceptions)
{
    if (store->chunk_sectors == 0)
        return UINT64_MAX;
    if (!store->persistent)
        return exceptions;
    uint64_t metadata = FIRST_DATA_CHUNK + exceptions / exception_store_area_exceptions(store);
    uint64_t chunks;
    return __builtin_add_overflow(exceptions, metadata, &chunks) ? UINT64_MAX : chunks;
}

uint64_t exception_store_capacity(const struct exception_store *store)
{
    return exceptions_within(store, whole_chunks(store, store->total_sectors));
}

uint64_t exception_store_exceptions(const struct exception_store *store, uint64_t used_sectors)
{
    return exceptions_within(store, whole_chunks(store, used_sectors));
}

uint64_t exception_store_chunks_left(const struct exception_store *store, uint64_t used_sectors)
{
    uint64_t capacity = exception_store_capacity(store);
    uint64_t exceptions = exception_store_exceptions(store, used_sectors);
    return exceptions < capacity ? capacity - exceptions : 0;
}

uint64_t exception_store_bytes_left(const struct exception_store *store, uint64_t used_sectors)
{
    uint64_t chunk_bytes = store->chunk_sectors * SECTOR_BYTES;
    uint64_t bytes;
    if (__builtin_mul_overflow(exception_store_chunks_left(store, used_sectors), chunk_bytes, &bytes))
        return UINT64_MAX;
    return bytes;
}

bool exception_store_can_fill(const struct exception_store *store, uint64_t origin_sectors)
{
    if (store->chunk_sectors == 0)
        return origin_sectors > 0;
    uint64_t origin_chunks = origin_sectors / store->chunk_sectors;
    if (origin_sectors % store->chunk_sectors != 0)
        origin_chunks++; /* the origin's last part is copied as a chunk of its own */
    return origin_chunks > exception_store_capacity(store);
}
