/* order: an operator's word as an intent, its rank among the rungs, and the sentences. */
#include "cowherd/order.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

struct fixture {
    struct policy policy;
    struct member member;
};

static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .policy = {.drop_open = true,
                   .extend_limit_bytes = 96 * MIB,
                   .extend_from = (char *)"/dev/spare",
                   .hysteresis_centipercent = 200},
        .member = {.name = "root",
                   .uuid = "X",
                   .device = makedev(254, 1),
                   .alone = true,
                   .role = ROLE_BACKUP,
                   .origin_user = makedev(254, 2),
                   .origin_user_name = "sys",
                   .has_sample = true,
                   .target = {.kind = TARGET_SNAPSHOT, .length_sectors = 1 << 20, .chunk_sectors = 16},
                   .sample = {.used_sectors = 65536, .total_sectors = 131072}},
    };
    fixture->member.policy = &fixture->policy;
}

static struct intent order(const struct fixture *fixture, enum action_kind kind, uint64_t amount)
{
    struct action action = {.kind = kind, .amount = amount};
    return order_intent(&fixture->member, &action, "user alice (1000)", "boot");
}

static void test_its_section_holds_for_an_order(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct intent intent = order(&fixture, ACTION_DROP, 0);
    assert_true(intent_is_ordered(&intent));
    assert_string_equal(intent.rung, "order of user alice (1000)");
    assert_int_equal(intent.action, ACTION_DROP);
    assert_int_equal(intent.role, ROLE_BACKUP);
    assert_true(intent.drop_open);
    assert_string_equal(intent.extend_from, "/dev/spare");
    assert_string_equal(intent.boot_id, "boot");
    assert_int_equal(intent.used_centipercent, 5000);
    intent = order(&fixture, ACTION_EXTEND, 16 * MIB);
    assert_int_equal(intent.grow_to_sectors, 80 * MIB / 512);
    intent = order(&fixture, ACTION_EXTEND, 64 * MIB);
    assert_int_equal(intent.grow_to_sectors, 96 * MIB / 512);
    fixture.member.policy = NULL;
    intent = order(&fixture, ACTION_EXTEND, 64 * MIB);
    assert_int_equal(intent.grow_to_sectors, 128 * MIB / 512);
    assert_int_equal(intent.limit_sectors, 0);
    assert_false(intent.drop_open);
    assert_string_equal(intent.extend_from, "");
}

/* As one that is adopted by a rung. */
static void test_a_merge_that_runs_is_only_finished(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    assert_true(order(&fixture, ACTION_MERGE, 0).origin_user == makedev(254, 2));
    fixture.member.target.kind = TARGET_SNAPSHOT_MERGE;
    struct intent intent = order(&fixture, ACTION_MERGE, 0);
    assert_int_equal(intent.role, ROLE_LIVE);
    assert_true(intent.origin_user == 0);
    assert_string_equal(intent.origin_user_name, "");
}

/* After a restart every rung below is crossed anew. */
static void test_what_was_passed_leaves_it_its_place(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct intent ordered = order(&fixture, ACTION_DROP, 0);
    struct intent rung = {.rung = "at 40% = merge", .used_centipercent = 4000};
    assert_true(order_outranks(&ordered, &rung));
    rung.used_centipercent = 5000;
    assert_true(order_outranks(&ordered, &rung));
    rung.used_centipercent = 5001;
    assert_false(order_outranks(&ordered, &rung));
    assert_false(order_outranks(&rung, &rung));
}

static struct plan plan_of(enum plan_verdict verdict, enum step_kind step, const char *reason)
{
    struct plan plan = {.verdict = verdict, .steps = {{.kind = step}}, .n_steps = 1};
    strcpy(plan.reason, reason);
    return plan;
}

static void check(const struct fixture *fixture, enum action_kind kind, struct plan plan, const char *would,
                  const char *begun)
{
    char text[ORDER_TEXT_MAX];
    struct intent intent = order(fixture, kind, 16 * MIB);
    assert_string_equal(order_would_text(&intent, &plan, "root", 131072, text), would);
    if (begun)
        assert_string_equal(order_begun_text(&intent, &plan, "root", text), begun);
}

static void test_sentences(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    check(&fixture, ACTION_DROP, plan_of(PLAN_ACT, STEP_REMOVE, ""), "root would be dropped: it is not open",
          "root is being dropped");
    check(&fixture, ACTION_DROP, plan_of(PLAN_ACT, STEP_REMOVE_DEFERRED, ""),
          "root would be dropped from under its readers", "root is being dropped");
    check(&fixture, ACTION_DROP, plan_of(PLAN_DEFER, STEP_FORGET, "the snapshot is open"),
          "root would not be dropped yet: the snapshot is open",
          "root is not dropped yet: the snapshot is open; it follows by itself as soon as it can");
    check(&fixture, ACTION_EXTEND, plan_of(PLAN_ACT, STEP_GROW_TABLE, ""),
          "root would be extended from 64 MiB to 80 MiB", "root is being extended");
    check(&fixture, ACTION_EXTEND, plan_of(PLAN_REFUSE, STEP_FORGET, "no space"),
          "root cannot be extended now: no space", NULL);
    check(&fixture, ACTION_EXTEND, plan_of(PLAN_ABANDON, STEP_FORGET, "it is gone"),
          "root cannot be extended: it is gone", NULL);
    check(&fixture, ACTION_MERGE, plan_of(PLAN_ACT, STEP_LOAD, ""),
          "root would be merged: the old data comes back, the new data goes", "root is being merged");
    check(&fixture, ACTION_MERGE, plan_of(PLAN_WAIT, STEP_FORGET, "the kernel is merging"),
          "root is being merged already, and would be finished",
          "root is being merged already, and will be finished");
    fixture.member.role = ROLE_LIVE;
    check(&fixture, ACTION_MERGE, plan_of(PLAN_ACT, STEP_LOAD, ""),
          "root would be merged: the new data is kept, there is no way back then", "root is being merged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_section_holds_for_an_order),
        cmocka_unit_test(test_a_merge_that_runs_is_only_finished),
        cmocka_unit_test(test_what_was_passed_leaves_it_its_place),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
