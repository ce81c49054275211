/* account: a text is replaced or stays, and all that an account owns is freed. */
#include "cowherd/account.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
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
    assert_int_equal(account_set_text(&text, word), 0);
    word[0] = '9';
    assert_string_equal(text, "8:16");
    assert_int_equal(account_set_text(&text, "/dev/sdb"),
                     0); /* the leak checker sees whether the first is freed */
    assert_string_equal(text, "/dev/sdb");
    assert_int_equal(account_set_text(&text, text), 0);
    assert_string_equal(text, "/dev/sdb");
    free(text);
}

static void test_without_memory_a_text_stays(void **state)
{
    (void)state;
    char *text = NULL;
    assert_int_equal(account_set_text(&text, "8:16"), 0);
    without_memory = true;
    int r = account_set_text(&text, "/dev/sdb");
    without_memory = false;
    assert_int_equal(r, -ENOMEM);
    assert_string_equal(text, "8:16");
    free(text);
}

/* Of what it owns nothing is left, for the leak checker to find. */
static void test_done(void **state)
{
    (void)state;
    static const struct account empty;
    struct account account = {.n_rungs = 1, .rungs = calloc(1, sizeof(*account.rungs)), .major = 8};
    assert_non_null(account.rungs);
    char **texts[] = {&account.name,           &account.uuid,          &account.role,
                      &account.state,          &account.origin,        &account.origin_device,
                      &account.store,          &account.store_device,  &account.section,
                      &account.next_rung,      &account.guarantee,     &account.guarantee_reason,
                      &account.action.kind,    &account.action.phase,  &account.action.rung,
                      &account.action.reason,  &account.rungs[0].text, &account.rungs[0].in_time,
                      &account.rungs[0].reason};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(account_set_text(texts[i], "x"), 0);
    account_done(&account);
    assert_memory_equal(&account, &empty, sizeof(empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_replaced_by_a_copy),
        cmocka_unit_test(test_without_memory_a_text_stays),
        cmocka_unit_test(test_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
