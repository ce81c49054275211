/* guarantee at every height, size and time: yes is never wrong, and no is never wrong by more than a chunk; what it suggests is
 * in time, and a little more is not. */
#include "fixture_guarantee.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The fewest exceptions at which a ladder calls the rung crossed, by trying. */
static uint64_t crossed_at(struct fixture *fixture)
{
    struct member member = fixture->member;
    struct exception_store store = store_of(&member);
    uint64_t low = 0, high = exception_store_capacity(&store);
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        struct ladder ladder = {0};
        use(&member, middle);
        if (ladder_climb(&ladder, &fixture->policy, &member.sample))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void check_bound(struct fixture *fixture, uint64_t took_usec)
{
    struct exception_store store = store_of(&fixture->member);
    uint64_t capacity = exception_store_capacity(&store), crossed = crossed_at(fixture);
    uint64_t rate = fixture->bounds.pacing.assumed_bytes_per_second;
    uint64_t usec = fixture->bounds.pacing.shortest_usec + fixture->bounds.pacing.late_usec + took_usec;
    uint64_t filled = chunks_filled(rate, usec, store.chunk_sectors * SECTOR_BYTES);
    fixture->subject.took_usec[ACTION_DROP] = took_usec;
    enum guarantee_verdict said = verdict(fixture);
    assert_int_equal(fixture->guarantee.rungs[0].from_exceptions, crossed);
    uint64_t unseen = crossed > 0 ? crossed - 1 : 0; /* when it was looked at last */
    if (said == GUARANTEE_IN_TIME)
        assert_true(unseen + filled <= capacity);
    else
        assert_true(said == GUARANTEE_LATE && crossed + filled > capacity);
}

static void test_no_false_yes(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned n = 0;
    for (uint32_t chunk = 8; chunk <= 1024; chunk *= 4)
        for (uint64_t size = 200 * KIB; size < 600 * MIB; size = size * 7 / 3 + 777)
            for (uint64_t rate = 100 * KIB; rate < 4000 * MIB; rate *= 9)
                for (uint64_t percent = 1; percent <= 100; percent += 3) {
                    begin(&fixture);
                    set_store(&fixture, size, chunk);
                    fixture.member.target.store_type = n % 3 ? STORE_PERSISTENT_OVERFLOW : STORE_TRANSIENT;
                    use(&fixture.member, 0);
                    fixture.bounds.pacing.assumed_bytes_per_second = rate;
                    fixture.bounds.pacing.late_usec = n % 7 * MSEC;
                    only_rung(&fixture, percent * 100, ACTION_DROP);
                    check_bound(&fixture, 1 + n++ % 5 * 70 * MSEC);
                }
    assert_true(n > 5000);
}

static void test_free_heights(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint64_t free = 0; free < 80 * MIB; free += 333 * KIB) {
        begin(&fixture);
        add_rung(&fixture, CONDITION_FREE, free, ACTION_DROP, 0);
        check_bound(&fixture, 77 * MSEC);
    }
}

/* The suggestion is in time, and one percent more is not; where there is none not even 1 % would be. */
static void test_suggestion_is_the_highest(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned n = 0, n_none = 0;
    for (int brake = 0; brake < 2; brake++)
        for (uint64_t size = 200 * KIB; size < 2000 * MIB; size = size * 3 / 2 + 777)
            for (uint64_t rate = MIB; rate < 4000 * MIB; rate *= 3)
                for (uint64_t took = MSEC; took < 10 * SECOND; took *= 5) {
                    begin(&fixture);
                    set_store(&fixture, size, 8);
                    fixture.bounds.pacing.assumed_bytes_per_second = rate;
                    fixture.bounds.brake = brake;
                    fixture.subject.took_usec[ACTION_DROP] = took;
                    only_rung(&fixture, 10000, ACTION_DROP);
                    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
                    uint64_t percent = fixture.guarantee.rungs[0].suggested_percent;
                    assert_in_range(percent, 0, 99);
                    if (percent) {
                        only_rung(&fixture, percent * 100, ACTION_DROP);
                        assert_true(guarantee_verdict_holds(verdict(&fixture)));
                    }
                    only_rung(&fixture, (percent + 1) * 100, ACTION_DROP);
                    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
                    n++;
                    n_none += percent == 0;
                }
    assert_true(n_none > 10 && n_none < n / 2);
}

/* The rate up to which it would be in time: it is, and a little more is not. */
static void test_rate_is_the_highest(void **state)
{
    (void)state;
    struct fixture fixture;
    for (int brake = 0; brake < 2; brake++)
        for (uint64_t percent = 50; percent < 100; percent++) {
            begin(&fixture);
            fixture.bounds.brake = brake;
            fixture.bounds.pacing.assumed_bytes_per_second = 100000 * MIB;
            only_rung(&fixture, percent * 100, ACTION_DROP);
            assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
            uint64_t rate = fixture.guarantee.rungs[0].bytes_per_second_max;
            fixture.bounds.pacing.assumed_bytes_per_second = rate;
            assert_true(guarantee_verdict_holds(verdict(&fixture)));
            fixture.bounds.pacing.assumed_bytes_per_second = rate + 100;
            assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_false_yes),
        cmocka_unit_test(test_free_heights),
        cmocka_unit_test(test_suggestion_is_the_highest),
        cmocka_unit_test(test_rate_is_the_highest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
