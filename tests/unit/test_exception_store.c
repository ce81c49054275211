/* exception_store: against a model of the kernel's allocator that goes step by step, and at the edges. */
#include "cowherd/exception_store.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct exception_store persistent(uint64_t total_sectors, uint32_t chunk_sectors)
{
    return (struct exception_store){total_sectors, chunk_sectors, true};
}

/* The kernel's persistent store as dm-snap-persistent.c keeps it. */
struct kernel_store {
    uint64_t chunks;
    uint64_t area_exceptions;
    uint64_t next_free;
    uint64_t committed;
};

static struct kernel_store kernel_store_new(uint64_t chunks, uint64_t area_exceptions)
{
    return (struct kernel_store){chunks, area_exceptions, 2, 0};
}

/* One exception: persistent_prepare_exception() and persistent_commit_exception(). False: invalidated. */
static bool kernel_store_add(struct kernel_store *kernel)
{
    uint64_t stride = kernel->area_exceptions + 1;
    if (kernel->chunks < kernel->next_free + 1)
        return false;
    kernel->next_free++;
    if (kernel->next_free % stride == 1)
        kernel->next_free++;
    kernel->committed++;
    if (kernel->committed % kernel->area_exceptions != 0)
        return true;
    uint64_t next_area_chunk = 1 + stride * (kernel->committed / kernel->area_exceptions);
    return next_area_chunk < kernel->chunks; /* it is zeroed now; past the end that is an I/O error */
}

static uint64_t kernel_capacity(uint64_t chunks, uint64_t area_exceptions)
{
    struct kernel_store kernel = kernel_store_new(chunks, area_exceptions);
    uint64_t exceptions = 0;
    while (kernel_store_add(&kernel))
        exceptions++;
    return exceptions;
}

static void compare_sizes(uint32_t chunk_sectors, uint64_t chunks_max)
{
    uint64_t area = chunk_sectors * UINT64_C(32);
    for (uint64_t chunks = 0; chunks <= chunks_max; chunks++) {
        uint64_t expected = kernel_capacity(chunks, area);
        struct exception_store exact = persistent(chunks * chunk_sectors, chunk_sectors);
        struct exception_store ragged = persistent((chunks + 1) * chunk_sectors - 1, chunk_sectors);
        assert_int_equal(exception_store_capacity(&exact), expected);
        assert_int_equal(exception_store_capacity(&ragged), expected);
    }
}

static void test_capacity_is_the_kernels(void **state)
{
    (void)state;
    compare_sizes(1, 400);   /* areas of 32 */
    compare_sizes(2, 400);   /* areas of 64 */
    compare_sizes(3, 400);   /* no power of two: the arithmetic does not care */
    compare_sizes(8, 800);   /* 4 KiB: areas of 256 */
    compare_sizes(32, 2100); /* 16 KiB: areas of 1024 */
}

/* At every moment of a store's life the kernel's used sectors tell what is left. */
static void follow_filling(uint32_t chunk_sectors, uint64_t chunks)
{
    struct exception_store store = persistent(chunks * chunk_sectors, chunk_sectors);
    struct kernel_store kernel = kernel_store_new(chunks, chunk_sectors * UINT64_C(32));
    uint64_t capacity = kernel_capacity(chunks, chunk_sectors * UINT64_C(32));
    uint64_t exceptions = 0;
    do {
        uint64_t used_sectors = kernel.next_free * chunk_sectors;
        assert_int_equal(exception_store_chunks_needed(&store, exceptions), kernel.next_free);
        assert_int_equal(exception_store_exceptions(&store, used_sectors), exceptions);
        assert_int_equal(exception_store_chunks_left(&store, used_sectors), capacity - exceptions);
        assert_int_equal(exception_store_bytes_left(&store, used_sectors),
                         (capacity - exceptions) * chunk_sectors * 512);
        exceptions++;
    } while (kernel_store_add(&kernel));
    assert_int_equal(exceptions, capacity + 1);
}

static void test_left_follows_the_kernel(void **state)
{
    (void)state;
    for (uint64_t chunks = 2; chunks <= 140; chunks++)
        follow_filling(1, chunks);
    for (uint64_t chunks = 510; chunks <= 520; chunks++)
        follow_filling(8, chunks);
}

static void test_needed(void **state)
{
    (void)state;
    struct exception_store store = persistent(0, 8);
    assert_int_equal(exception_store_area_exceptions(&store), 256);
    assert_int_equal(exception_store_chunks_needed(&store, 0), 2);
    assert_int_equal(exception_store_chunks_needed(&store, 1), 3);
    assert_int_equal(exception_store_chunks_needed(&store, 255), 257);
    assert_int_equal(exception_store_chunks_needed(&store, 256), 259);
    assert_int_equal(exception_store_chunks_needed(&store, 257), 260);
    assert_int_equal(exception_store_chunks_needed(&store, 511), 514);
    assert_int_equal(exception_store_chunks_needed(&store, 512), 516);
    assert_true(exception_store_chunks_needed(&store, UINT64_MAX) == UINT64_MAX);
    assert_true(exception_store_chunks_needed(&store, UINT64_MAX - 1) == UINT64_MAX);
}

/* capacity(F(n)) is n, capacity(F(n) - 1) is n - 1, F(capacity(T)) <= T < F(capacity(T) + 1). */
static void compare_inverse(uint32_t chunk_sectors, uint64_t exceptions)
{
    struct exception_store store = persistent(0, chunk_sectors);
    uint64_t chunks = exception_store_chunks_needed(&store, exceptions);
    if (chunks > UINT64_MAX / chunk_sectors)
        return;
    store.total_sectors = chunks * chunk_sectors;
    assert_true(exception_store_capacity(&store) == exceptions);
    store.total_sectors--;
    assert_true(exception_store_capacity(&store) == (exceptions == 0 ? 0 : exceptions - 1));
}

static void test_inverse_for_every_chunk_size(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 31; shift++) {
        uint32_t chunk_sectors = UINT32_C(1) << shift;
        uint64_t area = chunk_sectors * UINT64_C(32);
        uint64_t most = UINT64_MAX / chunk_sectors;
        for (uint64_t n = 0; n < 3; n++) {
            compare_inverse(chunk_sectors, n);
            compare_inverse(chunk_sectors, area - 1 + n);
            compare_inverse(chunk_sectors, 7 * area - 1 + n);
            compare_inverse(chunk_sectors, most / 2 + n);
        }
    }
}

static void test_largest_sizes(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 31; shift++) {
        struct exception_store store = persistent(UINT64_MAX, UINT32_C(1) << shift);
        uint64_t chunks = UINT64_MAX >> shift;
        uint64_t capacity = exception_store_capacity(&store);
        assert_true(exception_store_chunks_needed(&store, capacity) <= chunks);
        uint64_t one_more = exception_store_chunks_needed(&store, capacity + 1);
        assert_true(one_more > chunks || one_more == UINT64_MAX);
        assert_true(exception_store_bytes_left(&store, 0) == UINT64_MAX);
        assert_true(exception_store_chunks_left(&store, UINT64_MAX) == 0);
        assert_true(exception_store_bytes_left(&store, UINT64_MAX) == 0);
    }
}

static void test_bytes_at_the_limit(void **state)
{
    (void)state;
    struct exception_store store = {(UINT64_C(1) << 55) - 8, 8, false};
    assert_true(exception_store_bytes_left(&store, 0) == UINT64_MAX - 4095);
    store.total_sectors += 8;
    assert_true(exception_store_bytes_left(&store, 0) == UINT64_MAX);
}

static void test_used_between_two_heights(void **state)
{
    (void)state;
    struct exception_store store = persistent(600 * 8, 8);
    assert_int_equal(exception_store_exceptions(&store, 0), 0);
    assert_int_equal(exception_store_exceptions(&store, 3 * 8 - 1), 0);
    assert_int_equal(exception_store_exceptions(&store, 3 * 8), 1);
    assert_int_equal(exception_store_exceptions(&store, 258 * 8), 255); /* no F(n) is 258 */
    assert_int_equal(exception_store_exceptions(&store, 259 * 8), 256);
}

/* A store that was shrunk under its snapshot. */
static void test_used_beyond_total(void **state)
{
    (void)state;
    struct exception_store store = persistent(10 * 8, 8);
    assert_int_equal(exception_store_chunks_left(&store, 9 * 8), 1);
    assert_int_equal(exception_store_chunks_left(&store, 10 * 8), 0);
    assert_int_equal(exception_store_chunks_left(&store, 20 * 8), 0);
}

static void test_transient(void **state)
{
    (void)state;
    struct exception_store store = {.total_sectors = 10 * 8 + 7, .chunk_sectors = 8, .persistent = false};
    assert_int_equal(exception_store_area_exceptions(&store), 0);
    assert_int_equal(exception_store_chunks_needed(&store, 7), 7);
    assert_true(exception_store_chunks_needed(&store, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(exception_store_capacity(&store), 10);
    assert_int_equal(exception_store_exceptions(&store, 31), 3);
    assert_int_equal(exception_store_chunks_left(&store, 32), 6);
    assert_int_equal(exception_store_bytes_left(&store, 32), 6 * 4096);
}

static void test_without_a_chunk_size(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct exception_store store = {.total_sectors = 4096, .chunk_sectors = 0, .persistent = i == 1};
        assert_int_equal(exception_store_area_exceptions(&store), 0);
        assert_true(exception_store_chunks_needed(&store, 0) == UINT64_MAX);
        assert_int_equal(exception_store_capacity(&store), 0);
        assert_int_equal(exception_store_exceptions(&store, 4096), 0);
        assert_int_equal(exception_store_chunks_left(&store, 0), 0);
        assert_int_equal(exception_store_bytes_left(&store, 0), 0);
        assert_true(exception_store_can_fill(&store, 1));
        assert_false(exception_store_can_fill(&store, 0));
    }
}

static void test_can_fill(void **state)
{
    (void)state;
    struct exception_store store = persistent(259 * 8, 8); /* F(256) chunks */
    assert_false(exception_store_can_fill(&store, 0));
    assert_false(exception_store_can_fill(&store, 256 * 8));
    assert_true(exception_store_can_fill(&store, 256 * 8 + 1)); /* a part of a chunk is a chunk */
    store.total_sectors--;
    assert_true(exception_store_can_fill(&store, 256 * 8));
    assert_false(exception_store_can_fill(&store, 255 * 8));
    store = persistent(UINT64_MAX, 1);
    assert_true(exception_store_can_fill(&store, UINT64_MAX));
}

/* The worked examples of cowherd-snapshots(7): ".It what Ta chunk sectors Ta n Ta F(n) Ta sectors". */
static void test_figures_of_the_manual_page(void **state)
{
    (void)state;
    char line[1024];
    unsigned n_rows = 0;
    FILE *stream = fopen(SOURCE_DIR "/man/cowherd-snapshots.7", "re");
    assert_non_null(stream);
    while (fgets(line, sizeof(line), stream)) {
        uint64_t n, chunks, sectors;
        uint32_t chunk_sectors;
        const char *figures = strstr(line, " Ta ");
        if (!figures || sscanf(figures, " Ta %" SCNu32 " Ta %" SCNu64 " Ta %" SCNu64 " Ta %" SCNu64,
                               &chunk_sectors, &n, &chunks, &sectors) != 4)
            continue;
        struct exception_store store = persistent(sectors, chunk_sectors);
        assert_int_equal(exception_store_chunks_needed(&store, n), chunks);
        assert_int_equal(chunks * chunk_sectors, sectors);
        assert_int_equal(exception_store_capacity(&store), n);
        n_rows++;
    }
    fclose(stream);
    assert_int_equal(n_rows, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity_is_the_kernels),
        cmocka_unit_test(test_left_follows_the_kernel),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_inverse_for_every_chunk_size),
        cmocka_unit_test(test_largest_sizes),
        cmocka_unit_test(test_bytes_at_the_limit),
        cmocka_unit_test(test_used_between_two_heights),
        cmocka_unit_test(test_used_beyond_total),
        cmocka_unit_test(test_transient),
        cmocka_unit_test(test_without_a_chunk_size),
        cmocka_unit_test(test_can_fill),
        cmocka_unit_test(test_figures_of_the_manual_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
