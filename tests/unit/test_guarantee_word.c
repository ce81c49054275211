/* guarantee_word: a change is told once it has lasted, and one that comes again and again ever more seldom. */
#include "cowherd/guarantee_word.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND    UINT64_C(1000000)
#define HOUR      (3600 * SECOND)
#define HEARTBEAT (45 * SECOND)
#define BEGIN     (100 * SECOND)

static void test_a_change_is_told_when_it_has_lasted(void **state)
{
    struct guarantee_word word = {.told = true};
    (void)state;
    assert_false(guarantee_word_take(&word, true, BEGIN));
    assert_int_equal(guarantee_word_due_usec(&word), UINT64_MAX);
    assert_false(guarantee_word_take(&word, false, BEGIN));
    assert_int_equal(guarantee_word_due_usec(&word), BEGIN + GUARANTEE_LASTING_USEC);
    assert_false(guarantee_word_take(&word, false, BEGIN + GUARANTEE_LASTING_USEC - 1));
    assert_true(guarantee_word_take(&word, false, BEGIN + GUARANTEE_LASTING_USEC));
    assert_int_equal(guarantee_word_due_usec(&word), UINT64_MAX);
    assert_false(guarantee_word_take(&word, false, BEGIN + HOUR));
}

static void test_what_does_not_last_is_no_change(void **state)
{
    struct guarantee_word word = {.told = true};
    (void)state;
    guarantee_word_take(&word, false, BEGIN);
    assert_false(guarantee_word_take(&word, true, BEGIN + SECOND / 2));
    assert_false(guarantee_word_take(&word, false, BEGIN + SECOND));
    assert_int_equal(guarantee_word_due_usec(&word), BEGIN + SECOND + GUARANTEE_LASTING_USEC);
    guarantee_word_forget(&word);
    assert_int_equal(guarantee_word_due_usec(&word), UINT64_MAX);
}

/* Lets a change come at a time, and returns for how long it must last to be told. */
static uint64_t change_lasts(struct guarantee_word *word, uint64_t at_usec)
{
    bool holds = !word->told;
    assert_false(guarantee_word_take(word, holds, at_usec));
    uint64_t due_usec = guarantee_word_due_usec(word);
    assert_false(guarantee_word_take(word, holds, due_usec - 1));
    assert_true(guarantee_word_take(word, holds, due_usec));
    return due_usec - at_usec;
}

static void test_each_must_last_longer(void **state)
{
    struct guarantee_word word = {0};
    uint64_t at_usec = BEGIN, usec = GUARANTEE_LASTING_USEC;
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(change_lasts(&word, at_usec), usec);
        at_usec += HOUR;
        usec = usec < GUARANTEE_LASTING_MAX_USEC ? 2 * usec : usec;
    }
    assert_int_equal(usec, GUARANTEE_LASTING_MAX_USEC);
    assert_int_equal(change_lasts(&word, at_usec + GUARANTEE_CALM_USEC), GUARANTEE_LASTING_USEC);
    assert_int_equal(change_lasts(&word, at_usec + GUARANTEE_CALM_USEC + HOUR), 2 * GUARANTEE_LASTING_USEC);
    guarantee_word_begin_anew(&word);
    assert_int_equal(change_lasts(&word, at_usec + GUARANTEE_CALM_USEC + 2 * HOUR), GUARANTEE_LASTING_USEC);
}

/* On the verge, it is another at each heartbeat, for a week. */
static void test_one_that_comes_and_goes_is_told_a_few_times(void **state)
{
    struct guarantee_word word = {0};
    unsigned n_told = 0;
    (void)state;
    for (uint64_t i = 0; i < 7 * 24 * HOUR / HEARTBEAT; i++) {
        uint64_t at_usec = BEGIN + i * HEARTBEAT;
        n_told += guarantee_word_take(&word, i % 3 == 0, at_usec);
        n_told += guarantee_word_take(&word, i % 3 == 0, at_usec + SECOND);
    }
    assert_in_range(n_told, 7, 7 * 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_is_told_when_it_has_lasted),
        cmocka_unit_test(test_what_does_not_last_is_no_change),
        cmocka_unit_test(test_each_must_last_longer),
        cmocka_unit_test(test_one_that_comes_and_goes_is_told_a_few_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
