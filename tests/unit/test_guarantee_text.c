/* guarantee_text: the sentences, with the figures of what is judged. */
#include "fixture_guarantee.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_sentences(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 6000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 12 * MSEC;
    assert_string_equal(text(&fixture),
                        "at 256 MiB/s this store goes from 60 % to full in 99 ms, that is seen "
                        "within 50 ms, drop took 12 ms: in time");
    only_rung(&fixture, 9500, ACTION_DROP);
    assert_string_equal(text(&fixture),
                        "at 256 MiB/s this store goes from 95 % to full in 12 ms, that is seen "
                        "within 50 ms, drop took 12 ms: move this rung to 75 % or lower (15.9 MiB "
                        "free); the rung is \"a rung\"");
    strcpy(fixture.member.uuid, "LVM-x");
    strcpy(fixture.member.name, "vg-s");
    fixture.actions[0].kind = ACTION_EXTEND;
    fixture.actions[0].amount = 1024 * MIB;
    fixture.subject.took_usec[ACTION_EXTEND] = 1900 * MSEC;
    assert_string_equal(
        text(&fixture),
        "at 256 MiB/s this store goes from 95 % to full in 12 ms, that is seen "
        "within 50 ms, lvextend took 1.9 s: in time only up to 1.6 MiB/s; the rung is \"a rung\"");
    fixture.bounds.pacing.assumed_bytes_per_second = 12 * MIB;
    fixture.subject.woken_by_counting = true;
    assert_string_equal(text(&fixture),
                        "at 12 MiB/s this store goes from 95 % to full in 265 ms, lvextend took "
                        "1.9 s: move this rung to 64 % or lower (22.9 MiB free); the rung is \"a rung\"");
    fixture.bounds.brake = true;
    only_rung(&fixture, 9050, ACTION_MERGE);
    assert_string_equal(text(&fixture),
                        "at 12 MiB/s this store goes from 90.50 % to full in 504 ms, lvconvert "
                        "--merge is assumed to take 3 s: in time, for writers are held until then");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
