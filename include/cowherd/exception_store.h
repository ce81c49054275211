/* The exception store: how many chunks it holds and how many are left, exact to the chunk.
 *
 * A persistent store (version 1) is a header chunk, then areas of one metadata chunk followed by up to
 * E = chunk_bytes / 16 data chunks. So n exceptions need
 *
 *     F(n) = 2 + n + n / E        chunks (integer division)
 *
 * With F(n) chunks the nth exception still fits and the (n + 1)th invalidates the snapshot; with F(n) - 1 the
 * nth does. A transient store ("N") has no metadata: n exceptions need n chunks. A part of the store that is
 * smaller than a chunk is unusable. Source: the kernel's dm-snap-persistent.c; measured (tests/vm).
 *
 * Units are in the names: sectors are 512 bytes, chunks are chunk_sectors sectors. No function here
 * overflows: what is not representable is UINT64_MAX, and a store with chunk_sectors 0 holds nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SECTOR_BYTES UINT64_C(512)

struct exception_store {
    uint64_t total_sectors;
    uint32_t chunk_sectors;
    bool persistent; /* P and PO; false for N */
};

/* E: data chunks described by one metadata chunk; 0 for a transient store. */
uint64_t exception_store_area_exceptions(const struct exception_store *store);

/* F(exceptions): chunks that a store must have to hold that many; UINT64_MAX where it is not representable. */
uint64_t exception_store_chunks_needed(const struct exception_store *store, uint64_t exceptions);

/* The largest n with F(n) <= whole chunks of the store. */
uint64_t exception_store_capacity(const struct exception_store *store);

/* The n whose F(n) is used_sectors, as the kernel counts them; the next lower where it is none. */
uint64_t exception_store_exceptions(const struct exception_store *store, uint64_t used_sectors);

/* Exceptions that still fit: 0 says that the next one kills the snapshot. */
uint64_t exception_store_chunks_left(const struct exception_store *store, uint64_t used_sectors);

/* Bytes of chunks that still fit: chunks left times the chunk size; UINT64_MAX where it is not representable. */
uint64_t exception_store_bytes_left(const struct exception_store *store, uint64_t used_sectors);

/* Whether changing every chunk of an origin of that size would fill the store at all. */
bool exception_store_can_fill(const struct exception_store *store, uint64_t origin_sectors);
