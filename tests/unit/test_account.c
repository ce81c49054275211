/* account: all that it owns is freed. */
#include "cowherd/account.h"
#include "cowherd/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

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
        assert_int_equal(text_replace(texts[i], "x"), 0);
    account_done(&account);
    assert_memory_equal(&account, &empty, sizeof(empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
