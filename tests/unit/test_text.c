/* text: one is replaced by a copy, or stays. */
#include "cowherd/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool without_memory;

char *strdup(const char *text)
{
    size_t n_bytes = strlen(text) + 1;
    char *copy = without_memory ? NULL : malloc(n_bytes);
    return copy ? memcpy(copy, text, n_bytes) : NULL;
}

static void test_a_text_is_replaced_by_a_copy(void **state)
{
    (void)state;
    char word[] = "8:16", *text = NULL;
    assert_int_equal(text_replace(&text, word), 0);
    word[0] = '9';
    assert_string_equal(text, "8:16");
    assert_int_equal(text_replace(&text, "/dev/sdb"),
                     0); /* the leak checker sees whether the first is freed */
    assert_string_equal(text, "/dev/sdb");
    assert_int_equal(text_replace(&text, text), 0);
    assert_string_equal(text, "/dev/sdb");
    assert_int_equal(text_replace(&text, NULL), 0);
    assert_null(text);
}

static void test_without_memory_a_text_stays(void **state)
{
    (void)state;
    char *text = NULL;
    assert_int_equal(text_replace(&text, "8:16"), 0);
    without_memory = true;
    int r = text_replace(&text, "/dev/sdb");
    without_memory = false;
    assert_int_equal(r, -ENOMEM);
    assert_string_equal(text, "8:16");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_replaced_by_a_copy),
        cmocka_unit_test(test_without_memory_a_text_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
