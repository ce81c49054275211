/* plan_siblings: what a merge may cost the other snapshots of its origin, to the chunk. */
#include "cowherd/plan.h"
#include "model_run.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_sibling_with_two_targets(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    struct model_table *table = &machine.devices[T].active;
    table->targets[1] = table->targets[0];
    table->targets[0] = (struct target){.kind = TARGET_LINEAR, .length_sectors = 8, .origin = ELSEWHERE};
    table->n_targets = 2;
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    shrink_sibling(&machine, &intent);
    expect_untouched(&machine, &intent, PLAN_REFUSE);
    grow_sibling(&machine, &intent);
    struct run run = run_of(&machine, &intent);
    pursue_to_end(&run);
    assert_true(run.ended);
    assert_non_null(strstr(machine.log, "load D snapshot-origin\n"));
    assert_null(strstr(machine.log, " T"));
}

static void test_sibling_to_the_chunk(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    uint64_t enough = chunks_needed(100 + EXCEPTIONS) * CHUNK_SECTORS;
    machine.stores[CT].total_sectors = enough;
    finish_afresh(&machine, &intent, &scenarios[ROLLBACK_SIBLING]); /* and the model agrees */
    prepare_rollback_sibling(&machine, &intent);
    machine.stores[CT].total_sectors = enough - CHUNK_SECTORS;
    expect_untouched(&machine, &intent, PLAN_REFUSE);
    machine.devices[T].active.targets[0].origin = ELSEWHERE; /* then it is no sibling */
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    prepare_rollback_sibling(&machine, &intent);
    shrink_sibling(&machine, &intent);
    machine.devices[T].active.valid = false; /* lost already */
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
}

/* Its store has room for every chunk of the origin, whatever is left of it. */
static void test_sibling_that_cannot_fill(void **state)
{
    (void)state;
    struct machine machine;
    struct intent intent;
    struct plan plan;
    prepare_rollback_sibling(&machine, &intent);
    machine.stores[CT] = (struct model_store){.exceptions = 0};
    machine.stores[CT].total_sectors = chunks_needed(LENGTH_SECTORS / CHUNK_SECTORS) * CHUNK_SECTORS;
    machine.stores[CT].exceptions = LENGTH_SECTORS / CHUNK_SECTORS - 10; /* all but ten are copied */
    make_plan(&machine, &intent, &plan);
    assert_int_equal(plan.verdict, PLAN_ACT);
    machine.stores[CT].total_sectors -= CHUNK_SECTORS;
    expect_untouched(&machine, &intent, PLAN_REFUSE);
}

static void test_sibling_cost(void **state)
{
    static const struct {
        uint64_t exceptions;
        uint32_t merged_chunk, sibling_chunk;
        uint64_t origin, cost;
    } cases[] = {
        {0, 8, 8, 262144, 0},
        {1, 8, 8, 262144, 1},
        {4000, 8, 8, 262144, 4000},
        {32768, 8, 8, 262144, 32768},
        {32769, 8, 8, 262144, 32768}, /* never more than the origin has */
        {1, 32, 8, 262144, 4},        /* one of its chunks is four of the sibling's */
        {100, 32, 8, 262144, 400},
        {1, 8, 32, 262144, 1}, /* the worst case: each in another one */
        {8192, 8, 32, 262144, 8192},
        {8193, 8, 32, 262144, 8192},
        {100, 8, 8, 17, 3}, /* the origin's last part is a chunk */
        {100, 8, 8, 16, 2},
        {100, 8, 8, 0, 0},
        {UINT64_MAX, 8, 8, UINT64_MAX, UINT64_MAX / 8 + 1},
        {UINT64_MAX, 16, 8, 800, 100},
        {UINT64_MAX / 2, 16, 8, UINT64_MAX, UINT64_MAX / 8 + 1},
        {UINT64_MAX / 2 + 2, 16, 8, UINT64_MAX, UINT64_MAX / 8 + 1}, /* wraps to 2 */
        {UINT64_MAX, 1, 1, UINT64_MAX, UINT64_MAX},
        {1, UINT32_C(1) << 31, 1, UINT64_MAX, UINT64_C(1) << 31},
        {UINT64_C(1) << 33, UINT32_C(1) << 31, 1, UINT64_MAX, UINT64_MAX}, /* wraps to 0 */
        {1, 0, 8, 262144, UINT64_MAX},                                     /* not known: the worst */
        {1, 8, 0, 262144, UINT64_MAX},
        {0, 0, 0, 0, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(plan_sibling_cost_chunks(cases[i].exceptions, cases[i].merged_chunk,
                                             cases[i].sibling_chunk, cases[i].origin) == cases[i].cost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sibling_with_two_targets),
        cmocka_unit_test(test_sibling_to_the_chunk),
        cmocka_unit_test(test_sibling_that_cannot_fill),
        cmocka_unit_test(test_sibling_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
