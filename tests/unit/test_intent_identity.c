/* intent: which intents are of one snapshot, and which yields to which. */
#include "cowherd/intent.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

static struct intent an_intent(void)
{
    return (struct intent){
        .action = ACTION_DROP,
        .role = ROLE_BACKUP,
        .rung = "at 95% = drop",
        .name = "root-snapshot",
        .uuid = "CRYPT-1234",
        .device = makedev(254, 3),
        .disk_sequence = 41,
        .origin = makedev(8, 17),
        .store = makedev(259, 1048575),
        .used_centipercent = 9500,
        .cookie = 5,
        .boot_id = "0b5f6e9c-6b1c-4b8e-9a44-1f6f6c8f2f11",
    };
}

static void test_same_snapshot(void **state)
{
    (void)state;
    struct intent a = an_intent(), b = an_intent();
    b.action = ACTION_MERGE;
    b.role = ROLE_LIVE;
    strcpy(b.rung, "at 75% = merge");
    strcpy(b.name, "renamed");
    b.used_centipercent = 7500;
    b.cookie = 0;
    b.cancelled = true;
    assert_true(intent_same_snapshot(&a, &b));
    b = an_intent(), b.device = makedev(254, 4);
    assert_false(intent_same_snapshot(&a, &b));
    b = an_intent(), b.disk_sequence++;
    assert_false(intent_same_snapshot(&a, &b));
    b = an_intent(), b.origin = makedev(8, 18);
    assert_false(intent_same_snapshot(&a, &b));
    b = an_intent(), b.store = makedev(8, 18);
    assert_false(intent_same_snapshot(&a, &b));
    b = an_intent(), strcpy(b.uuid, "other");
    assert_false(intent_same_snapshot(&a, &b));
    b = an_intent(), b.boot_id[0] = 'x';
    assert_false(intent_same_snapshot(&a, &b));
}

static void test_what_yields(void **state)
{
    (void)state;
    struct intent intent = an_intent(), recorded = an_intent();
    assert_false(intent_must_yield(&intent, &recorded)); /* its own */
    recorded.disk_sequence = intent.disk_sequence + 1;
    assert_true(intent_must_yield(&intent, &recorded));
    assert_false(intent_must_yield(&recorded, &intent));
    intent.disk_sequence = 0; /* not known: an old kernel */
    assert_false(intent_must_yield(&intent, &recorded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_snapshot),
        cmocka_unit_test(test_what_yields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
