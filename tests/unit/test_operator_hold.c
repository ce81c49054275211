/* operator_hold: whose hold it is, when the first ends, and the text, which is read whole or not at all. */
#include "cowherd/operator_hold.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOOT "11111111-1111-1111-1111-111111111111"

static struct held_device device(const char *name, const char *uuid, uint64_t disk_sequence)
{
    return (struct held_device){.name = name, .uuid = uuid, .disk_sequence = disk_sequence};
}

static void test_whose_it_is(void **state)
{
    struct operator_holds holds = {0};
    (void)state;
    assert_int_equal(operator_holds_set(&holds, device("a", "", 7), 10, "held"), 0);
    assert_non_null(operator_holds_find(&holds, device("a", "", 7)));
    assert_non_null(operator_holds_find(&holds, device("renamed", "", 7)));
    assert_null(operator_holds_find(&holds, device("a", "", 8))); /* removed, and made anew */
    assert_null(operator_holds_find(&holds, device("a", "X", 7)));
    assert_non_null(operator_holds_find(&holds, device("a", "", 0))); /* an older kernel */
    assert_null(operator_holds_find(&holds, device("b", "", 0)));
    operator_holds_done(&holds);
}

static void test_set_and_remove(void **state)
{
    struct operator_holds holds = {0};
    (void)state;
    assert_int_equal(operator_holds_next_usec(&holds), UINT64_MAX);
    operator_holds_set(&holds, device("a", "", 1), 30, "first");
    operator_holds_set(&holds, device("b", "", 2), 20, "second");
    operator_holds_set(&holds, device("c", "", 3), UINT64_MAX, "third");
    assert_int_equal(operator_holds_next_usec(&holds), 20);
    operator_holds_set(&holds, device("b", "", 2), 40, "again");
    assert_int_equal(holds.n_items, 3);
    assert_string_equal(operator_holds_find(&holds, device("b", "", 2))->reason, "again");
    assert_int_equal(operator_holds_next_usec(&holds), 30);
    operator_holds_remove(&holds, operator_holds_find(&holds, device("a", "", 1)));
    assert_null(operator_holds_find(&holds, device("a", "", 1)));
    assert_non_null(operator_holds_find(&holds, device("c", "", 3)));
    assert_int_equal(operator_holds_next_usec(&holds), 40);
    operator_holds_done(&holds);
}

static int make_text(char *text, size_t size)
{
    struct operator_holds holds = {0};
    operator_holds_set(&holds, device("a \t\n\\ name", "LVM-x", 7), 123456789, "held by root until 12:30:00");
    operator_holds_set(&holds, device("plain", "", 0), UINT64_MAX, "held\tby\nsomebody");
    int length = operator_holds_format(&holds, BOOT, text, size);
    operator_holds_done(&holds);
    return length;
}

static void test_text_and_back(void **state)
{
    struct operator_holds holds = {0};
    char text[1024];
    (void)state;
    int length = make_text(text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_int_equal(operator_holds_parse(text, BOOT, &holds), 0);
    assert_int_equal(holds.n_items, 2);
    const struct operator_hold *hold = operator_holds_find(&holds, device("a \t\n\\ name", "LVM-x", 7));
    assert_non_null(hold);
    assert_int_equal(hold->until_usec, 123456789);
    assert_string_equal(hold->reason, "held by root until 12:30:00");
    hold = operator_holds_find(&holds, device("plain", "", 0));
    assert_non_null(hold);
    assert_true(hold->until_usec == UINT64_MAX);
    assert_string_equal(hold->reason, "held\tby\nsomebody");
    operator_holds_done(&holds);
    assert_int_equal(make_text(text, 64), -ENOBUFS);
}

static void test_another_boot_has_none(void **state)
{
    struct operator_holds holds = {0};
    char text[1024];
    (void)state;
    make_text(text, sizeof(text));
    assert_int_equal(operator_holds_parse(text, "22222222-2222-2222-2222-222222222222", &holds), 0);
    assert_int_equal(holds.n_items, 0);
    assert_null(holds.items);
}

/* Cut anywhere, with any byte replaced: refused, or still of its form; never read beyond its end. */
static void test_damage(void **state)
{
    char text[1024];
    (void)state;
    int length = make_text(text, sizeof(text));
    for (int i = 0; i < length; i++) {
        struct operator_holds holds = {0};
        char *cut = strndup(text, (size_t)i);
        assert_int_equal(operator_holds_parse(cut, BOOT, &holds), -EBADMSG);
        assert_null(holds.items);
        free(cut);
        for (int byte = 1; byte < 256; byte++) {
            char *damaged = strdup(text);
            damaged[i] = (char)byte;
            int r = operator_holds_parse(damaged, BOOT, &holds);
            assert_true(r == 0 || r == -EBADMSG);
            operator_holds_done(&holds);
            free(damaged);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_it_is),   cmocka_unit_test(test_set_and_remove),
        cmocka_unit_test(test_text_and_back), cmocka_unit_test(test_another_boot_has_none),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
