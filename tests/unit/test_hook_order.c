#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/hook_order.h"
#include <errno.h>
#include <stdlib.h>

static char all_bytes[256 + 2];

static void make_all_bytes(void)
{
    strcpy(all_bytes, "A=");
    for (int i = 1; i < 256; i++)
        all_bytes[1 + i] = (char)i;
}

static void assert_same(char *const *a, char *const *b)
{
    for (; *a && *b; a++, b++)
        assert_string_equal(*a, *b);
    assert_ptr_equal(*a, *b);
}

static void test_any_bytes_arrive(void **state)
{
    char *environment[] = {all_bytes, "B=", "C=a\nb", "", NULL};
    char *arguments[] = {"/bin/a b", "", "$(id)", all_bytes + 2, NULL};
    struct hook_order order = {.timeout_usec = UINT64_MAX,
                               .environment = environment,
                               .arguments = arguments},
                      taken;
    char *block;
    size_t size;

    (void)state;
    assert_int_equal(hook_order_encode(&order, &block, &size), 0);
    assert_int_equal(hook_order_decode(block, size, &taken), 0);
    assert_true(taken.timeout_usec == UINT64_MAX);
    assert_same(taken.environment, environment);
    assert_same(taken.arguments, arguments);
    free(taken.environment);
    free(block);
}

/* Half an order is none: cut anywhere, or with something behind it. */
static void test_only_a_whole_order_is_one(void **state)
{
    char *environment[] = {"A=1", "B=2", NULL}, *arguments[] = {"/a", "b", NULL};
    struct hook_order order = {.timeout_usec = 30, .environment = environment, .arguments = arguments}, taken;
    char *block, copy[256];
    size_t size;

    (void)state;
    assert_int_equal(hook_order_encode(&order, &block, &size), 0);
    for (size_t cut = 0; cut < size; cut++) {
        memcpy(copy, block, cut);
        assert_int_equal(hook_order_decode(copy, cut, &taken), -EBADMSG);
    }
    memcpy(copy, block, size);
    copy[size] = '\0';
    assert_int_equal(hook_order_decode(copy, size + 1, &taken), -EBADMSG);
    assert_int_equal(hook_order_decode(copy, size, &taken), 0);
    free(taken.environment);
    free(block);
}

static void refuse(const char *block, size_t size)
{
    char copy[256];
    struct hook_order taken;

    memcpy(copy, block, size);
    assert_int_equal(hook_order_decode(copy, size, &taken), -EBADMSG);
}

static void test_other_blocks_are_refused(void **state)
{
#define REFUSE(text) refuse(text, sizeof(text))
    (void)state;
    REFUSE("cowherd-hook 2\0001\0000\0001\0/a");
    REFUSE("cowherd-hook 1\0001\0000\0000");
    REFUSE("cowherd-hook 1\0001\0-1\0001\0/a");
    REFUSE("cowherd-hook 1\0001\00018446744073709551615\0001\0/a");
    REFUSE("cowherd-hook 1\0001\00099999999999999999999\0001\0/a");
    REFUSE("cowherd-hook 1\0001x\0000\0001\0/a");
    REFUSE("cowherd-hook 1\0\0000\0001\0/a");
#undef REFUSE
}

static void test_too_large_is_refused(void **state)
{
    static char large[HOOK_ORDER_BYTES_MAX];
    char *environment[] = {NULL}, *arguments[] = {"/a", large, NULL}, *block = NULL;
    struct hook_order order = {.environment = environment, .arguments = arguments};
    size_t size;

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(hook_order_encode(&order, &block, &size), -E2BIG);
    assert_null(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_bytes_arrive),
        cmocka_unit_test(test_only_a_whole_order_is_one),
        cmocka_unit_test(test_other_blocks_are_refused),
        cmocka_unit_test(test_too_large_is_refused),
    };
    make_all_bytes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
