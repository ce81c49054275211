/* counter_table: by its number a device is found, as the program in the kernel finds it. */
#include "../../daemon/kernel/counter_table.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAJOR     (253U << COUNTER_HASH_SHIFT)
#define UNTOUCHED 9999

static struct counter_table table;

static int empty(void **state)
{
    (void)state;
    table = (struct counter_table){0};
    return 0;
}

/* As counter_program.c has it. 0: nobody counts it. */
static uint32_t find(enum counter_tracepoint tracepoint, uint32_t number)
{
    uint32_t slot = table.first[tracepoint][(number >> COUNTER_HASH_SHIFT ^ number) & (COUNTER_HASHES - 1)];
    for (int i = 0; slot && i < COUNTER_CHAIN; i++, slot = table.slots[slot].follower)
        if (table.slots[slot].number == number)
            return slot;
    return 0;
}

static uint32_t add(enum counter_tracepoint tracepoint, uint32_t number)
{
    uint32_t slot = UNTOUCHED;
    assert_int_equal(counter_table_add(&table, &(struct counter_source){tracepoint, number}, &slot), 0);
    assert_int_not_equal(slot, 0);
    assert_true(slot < COUNTER_SLOTS);
    return slot;
}

static void refused(enum counter_tracepoint tracepoint, uint32_t number, int error)
{
    uint32_t slot = UNTOUCHED;
    assert_int_equal(counter_table_add(&table, &(struct counter_source){tracepoint, number}, &slot), error);
    assert_int_equal(slot, UNTOUCHED);
}

static void test_found(void **state)
{
    (void)state;
    uint32_t one = add(TRACEPOINT_REMAP, MAJOR | 1), two = add(TRACEPOINT_REMAP, MAJOR | 2);
    assert_int_not_equal(one, two);
    assert_int_equal(find(TRACEPOINT_REMAP, MAJOR | 1), one);
    assert_int_equal(find(TRACEPOINT_REMAP, MAJOR | 2), two);
    assert_int_equal(find(TRACEPOINT_QUEUE, MAJOR | 2), 0);
    assert_int_equal(find(TRACEPOINT_REMAP, MAJOR | 3), 0);
    refused(TRACEPOINT_REMAP, MAJOR | 2, -EEXIST);
    assert_int_not_equal(add(TRACEPOINT_QUEUE, MAJOR | 2), two);
    counter_table_remove(&table, TRACEPOINT_REMAP, two);
    assert_int_equal(find(TRACEPOINT_REMAP, MAJOR | 2), 0);
    assert_int_not_equal(find(TRACEPOINT_QUEUE, MAJOR | 2), 0);
}

static void test_begins_unarmed(void **state)
{
    (void)state;
    uint32_t slot = add(TRACEPOINT_QUEUE, MAJOR);
    table.slots[slot].writes = 7;
    table.slots[slot].next = 7;
    table.slots[slot].has_fired = 1;
    counter_table_remove(&table, TRACEPOINT_QUEUE, slot);
    for (uint32_t next = 0; next != slot; counter_table_remove(&table, TRACEPOINT_QUEUE, next))
        next = add(TRACEPOINT_QUEUE, MAJOR | 5);
    assert_int_equal(table.slots[slot].writes, 0);
    assert_int_equal(table.slots[slot].has_fired, 0);
    assert_true(table.slots[slot].next == UINT64_MAX);
}

/* A program may still be at it. */
static void test_given_away_late(void **state)
{
    (void)state;
    uint32_t slot = add(TRACEPOINT_QUEUE, MAJOR);
    counter_table_remove(&table, TRACEPOINT_QUEUE, slot);
    for (unsigned i = 2; i < COUNTER_SLOTS; i++)
        assert_int_not_equal(add(TRACEPOINT_QUEUE, MAJOR | i), slot);
    assert_int_equal(add(TRACEPOINT_QUEUE, MAJOR), slot);
}

/* Of one hash: any of them goes, and the others are still found. */
static void test_chain(void **state)
{
    (void)state;
    for (unsigned gone = 0; gone < COUNTER_CHAIN; gone++) {
        uint32_t slots[COUNTER_CHAIN];
        empty(NULL);
        for (unsigned i = 0; i < COUNTER_CHAIN; i++)
            slots[i] = add(TRACEPOINT_QUEUE, MAJOR | i * COUNTER_HASHES);
        refused(TRACEPOINT_QUEUE, MAJOR | COUNTER_CHAIN * COUNTER_HASHES, -EMFILE);
        refused(TRACEPOINT_QUEUE, MAJOR, -EEXIST);
        counter_table_remove(&table, TRACEPOINT_QUEUE, slots[gone]);
        for (unsigned i = 0; i < COUNTER_CHAIN; i++)
            assert_int_equal(find(TRACEPOINT_QUEUE, MAJOR | i * COUNTER_HASHES), i == gone ? 0 : slots[i]);
        add(TRACEPOINT_QUEUE, MAJOR | COUNTER_CHAIN * COUNTER_HASHES);
    }
}

static void test_full(void **state)
{
    (void)state;
    for (unsigned i = 1; i < COUNTER_SLOTS; i++)
        add(TRACEPOINT_REMAP, MAJOR | i);
    refused(TRACEPOINT_REMAP, MAJOR | COUNTER_SLOTS, -EMFILE);
    counter_table_remove(&table, TRACEPOINT_REMAP, find(TRACEPOINT_REMAP, MAJOR | 77));
    add(TRACEPOINT_REMAP, MAJOR | COUNTER_SLOTS);
    counter_table_remove(&table, TRACEPOINT_REMAP, find(TRACEPOINT_REMAP, MAJOR | COUNTER_SLOTS));
    add(TRACEPOINT_REMAP, MAJOR | 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_found, empty),
        cmocka_unit_test_setup(test_begins_unarmed, empty),
        cmocka_unit_test_setup(test_given_away_late, empty),
        cmocka_unit_test_setup(test_chain, empty),
        cmocka_unit_test_setup(test_full, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
