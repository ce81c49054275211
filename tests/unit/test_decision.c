/* decision: what a crossed rung means for one snapshot. */
#include "cowherd/decision.h"
#include "cowherd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

/* A ladder of one rung of each action that changes the device. */
struct fixture {
    struct action actions[3];
    struct rung rungs[3];
    struct policy policy;
    struct member member;
};

static void set_up(struct fixture *fixture)
{
    static const char *const texts[] = {"at 75% = extend 20%", "at 16MiB free = merge", "at 95% = drop"};
    *fixture = (struct fixture){
        .actions = {{.kind = ACTION_EXTEND, .is_percent = true, .amount = 2000},
                    {.kind = ACTION_MERGE},
                    {.kind = ACTION_DROP}},
        .rungs = {{.condition = {CONDITION_USED, 7500}},
                  {.condition = {CONDITION_FREE, 16 * MIB}},
                  {.condition = {CONDITION_USED, 9500}}},
        .policy = {.n_rungs = 3,
                   .hysteresis_centipercent = 200,
                   .drop_open = true,
                   .extend_limit_bytes = 128 * MIB,
                   .extend_from = (char *)"/dev/spare"},
        .member = {.name = "root",
                   .uuid = "X",
                   .device = makedev(254, 1),
                   .disk_sequence = 7,
                   .alone = true,
                   .role = ROLE_BACKUP,
                   .origin_user = makedev(254, 2),
                   .origin_user_name = "sys",
                   .origin_user_uuid = "Y",
                   .has_sample = true},
    };
    for (size_t i = 0; i < 3; i++) {
        fixture->rungs[i].actions = &fixture->actions[i];
        fixture->rungs[i].n_actions = 1;
        fixture->rungs[i].text = (char *)texts[i];
    }
    fixture->policy.rungs = fixture->rungs;
    fixture->member.policy = &fixture->policy;
    fixture->member.target = (struct target){.kind = TARGET_SNAPSHOT,
                                             .length_sectors = 1 << 20,
                                             .origin = makedev(8, 1),
                                             .store = makedev(8, 2),
                                             .chunk_sectors = 16};
    fixture->member.sample = (struct sample){.used_sectors = 104857, .total_sectors = 131072};
}

static void expect_another(const struct herd *herd, const struct intent *intent)
{
    assert_null(decision_member(herd, intent));
}

/* Whoever differs in anything that tells snapshots apart is another. */
static void test_whom_an_intent_is_for(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct member other = fixture.member, *members[] = {&other, &fixture.member};
    struct herd herd = {.members = members, .n_members = 2};
    struct intent intent = decision_intent(&fixture.member, &fixture.policy, &fixture.rungs[2], "boot");
    other.target.store = makedev(8, 3); /* of the same device */
    assert_ptr_equal(decision_member(&herd, &intent), &fixture.member);

    struct intent device = intent, sequence = intent, origin = intent, store = intent, uuid = intent;
    device.device = makedev(254, 3);
    sequence.disk_sequence = 8;
    origin.origin = makedev(8, 4);
    store.store = makedev(8, 4);
    strcpy(uuid.uuid, "Z");
    expect_another(&herd, &device);
    expect_another(&herd, &sequence);
    expect_another(&herd, &origin);
    expect_another(&herd, &store);
    expect_another(&herd, &uuid);
    herd.n_members = 0;
    expect_another(&herd, &intent);
}

static void test_an_intent_says_whom_it_is_about(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct intent intent = decision_intent(&fixture.member, &fixture.policy, &fixture.rungs[2], "boot");
    assert_int_equal(intent.action, ACTION_DROP);
    assert_int_equal(intent.role, ROLE_BACKUP);
    assert_true(intent.device == makedev(254, 1) && intent.origin_user == makedev(254, 2));
    assert_true(intent.origin == makedev(8, 1) && intent.store == makedev(8, 2));
    assert_int_equal(intent.disk_sequence, 7);
    assert_string_equal(intent.origin_user_name, "sys");
    assert_string_equal(intent.origin_user_uuid, "Y");
    assert_string_equal(intent.name, "root");
    assert_string_equal(intent.uuid, "X");
    assert_string_equal(intent.rung, "at 95% = drop");
    assert_string_equal(intent.boot_id, "boot");
    assert_string_equal(intent.extend_from, "/dev/spare");
    assert_int_equal(intent.limit_sectors, 128 * MIB / 512);
    assert_int_equal(intent.grow_to_sectors, 0);
    assert_true(intent.drop_open);
}

/* Below it, less the hysteresis, what the rung wanted is not begun any more. */
static void test_the_height_of_a_rung(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    const struct member *member = &fixture.member;
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[2], "").used_centipercent, 7999);
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[2], "").free_bytes, 0);
    fixture.rungs[2].condition = (struct condition){CONDITION_FREE, 32 * MIB}; /* of 64 */
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[2], "").used_centipercent, 5000);
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[2], "").free_bytes, 32 * MIB);
    fixture.rungs[2].condition.value = MIB; /* crossed before, for the store's last part is of no use */
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[2], "").used_centipercent, 7999);
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[1], "").used_centipercent, 7500);
    fixture.rungs[1].condition = (struct condition){CONDITION_TIME, 1};
    assert_int_equal(decision_intent(member, &fixture.policy, &fixture.rungs[1], "").used_centipercent, 7999);
}

static uint64_t grow_to(struct fixture *fixture, bool is_percent, uint64_t amount)
{
    struct action action = {.kind = ACTION_EXTEND, .is_percent = is_percent, .amount = amount};
    return decision_grow_to_sectors(&fixture->member, &fixture->policy, &action);
}

static void test_how_far_it_grows(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.policy.extend_limit_bytes = 0;
    assert_int_equal(grow_to(&fixture, true, 10000), 2 * 131072);
    assert_int_equal(grow_to(&fixture, true, 2000), 131072 + 26224); /* 26214 in whole chunks */
    assert_int_equal(grow_to(&fixture, false, 16 * MIB), 131072 + 32768);
    assert_int_equal(grow_to(&fixture, false, 512), 131072 + 16);
    fixture.member.sample.total_sectors = UINT64_MAX - 5;
    assert_true(grow_to(&fixture, true, 10000) == UINT64_MAX);
    fixture.member.target.chunk_sectors = 0;
    fixture.member.sample.total_sectors = 100;
    assert_int_equal(grow_to(&fixture, true, 1000), 110);
}

/* So that an extension which has reached what it could is known to be done. */
static void test_it_grows_no_further_than_it_may_or_need(void **state)
{
    const uint64_t enough = (2 + 65536 + 65536 / 512) * 16; /* F of every chunk of the origin */
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.policy.extend_limit_bytes = 80 * MIB + 1000;
    assert_int_equal(grow_to(&fixture, false, 8 * MIB), 131072 + 16384);
    assert_int_equal(grow_to(&fixture, false, 32 * MIB), 80 * MIB / 512);
    fixture.policy.extend_limit_bytes = 64 * MIB; /* at its limit: that is the plan's to refuse */
    assert_int_equal(grow_to(&fixture, false, 32 * MIB), 131072 + 65536);
    fixture.policy.extend_limit_bytes = 0;
    assert_int_equal(grow_to(&fixture, false, 1024 * MIB), enough);
    fixture.policy.extend_limit_bytes = 80 * MIB;
    assert_int_equal(grow_to(&fixture, false, 1024 * MIB), 80 * MIB / 512);
    fixture.policy.extend_limit_bytes = 0;
    fixture.member.sample.total_sectors = enough; /* it can never fill: that, too */
    assert_int_equal(grow_to(&fixture, false, 8 * MIB), enough + 16384);
    fixture.member.target.store_type = STORE_TRANSIENT;
    fixture.member.sample.total_sectors = 131072;
    assert_int_equal(grow_to(&fixture, false, 1024 * MIB), 65536 * 16);
}

static void test_what_lvm_can_be_asked_for(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct member *member = &fixture.member;
    strcpy(member->uuid, "LVM-1");
    strcpy(member->name, "vg0-root--backup");
    assert_null(decision_why_impossible(member, ACTION_EXTEND));
    strcpy(member->name, "root");
    assert_non_null(strstr(decision_why_impossible(member, ACTION_EXTEND), "no such names"));
    strcpy(member->name, "vg0-root");
    member->alone = false;
    assert_non_null(strstr(decision_why_impossible(member, ACTION_EXTEND), "other targets"));
}

static void test_a_transient_store_is_not_merged(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.member.target.store_type = STORE_TRANSIENT;
    assert_non_null(strstr(decision_why_impossible(&fixture.member, ACTION_MERGE), "transient"));
    assert_null(decision_why_impossible(&fixture.member, ACTION_DROP));
    assert_null(decision_why_impossible(&fixture.member, ACTION_EXTEND));
    fixture.member.target.store_type = STORE_PERSISTENT;
    assert_null(decision_why_impossible(&fixture.member, ACTION_MERGE));
}

/* Its store still holds what was not merged, and nobody else has that. */
static void test_a_failed_merge_is_not_dropped(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.member.target.kind = TARGET_SNAPSHOT_MERGE;
    fixture.member.target.status.state = SNAPSHOT_MERGE_FAILED;
    assert_non_null(strstr(decision_why_impossible(&fixture.member, ACTION_DROP), "not merged"));
    fixture.member.target.kind = TARGET_SNAPSHOT;
    fixture.member.target.status.state = SNAPSHOT_INVALID;
    assert_null(decision_why_impossible(&fixture.member, ACTION_DROP));
}

/* Each "on lost" counts; of those that change something the last written. */
static void test_of_several_the_last_is_carried_out(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    fixture.member.target.status.state = SNAPSHOT_INVALID;
    for (size_t i = 0; i < 2; i++) {
        fixture.rungs[i].condition.kind = CONDITION_LOST;
        fixture.actions[i].kind = ACTION_DROP;
    }
    assert_ptr_equal(decision_rung_when_lost(&fixture.member, &fixture.policy), &fixture.rungs[1]);
    fixture.actions[1].kind = ACTION_ALERT;
    assert_ptr_equal(decision_rung_when_lost(&fixture.member, &fixture.policy), &fixture.rungs[0]);
    assert_ptr_equal(policy_next_rung_by_kind(&fixture.policy, CONDITION_LOST, NULL), &fixture.rungs[0]);
    assert_ptr_equal(policy_next_rung_by_kind(&fixture.policy, CONDITION_LOST, &fixture.rungs[0]),
                     &fixture.rungs[1]);
    assert_null(policy_next_rung_by_kind(&fixture.policy, CONDITION_LOST, &fixture.rungs[1]));
    assert_null(policy_next_rung_by_kind(&fixture.policy, CONDITION_STALLED, NULL));
}

static void test_only_a_merge_rung_adopts(void **state)
{
    struct fixture fixture;
    struct intent intent = {.cookie = 5};
    (void)state;
    set_up(&fixture);
    assert_false(decision_adopts_merge(&fixture.member, "boot", &intent)); /* it does not merge */
    fixture.member.target.kind = TARGET_SNAPSHOT_MERGE;
    fixture.policy.n_rungs = 1;
    assert_false(decision_adopts_merge(&fixture.member, "boot", &intent));
    fixture.policy.n_rungs = 3;
    fixture.member.alone = false;
    assert_false(decision_adopts_merge(&fixture.member, "boot", &intent));
    fixture.member.alone = true;
    strcpy(fixture.member.uuid, "LVM-1");
    assert_false(decision_adopts_merge(&fixture.member, "boot", &intent));
    fixture.member.policy = NULL;
    assert_false(decision_adopts_merge(&fixture.member, "boot", &intent));
    assert_int_equal(intent.cookie, 5);
    fixture.member.policy = &fixture.policy;
    strcpy(fixture.member.uuid, "X");
    assert_true(decision_adopts_merge(&fixture.member, "boot", &intent));
    assert_int_equal(intent.role, ROLE_LIVE);
    assert_true(intent.origin_user == 0);
    assert_string_equal(intent.origin_user_name, "");
    assert_string_equal(intent.origin_user_uuid, "");
    assert_string_equal(intent.rung, "at 16MiB free = merge");
}

static void test_a_reload_is_heard(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct intent intent = decision_intent(&fixture.member, &fixture.policy, &fixture.rungs[0], "boot");
    fixture.policy.extend_limit_bytes = 256 * MIB;
    fixture.policy.extend_from = NULL;
    fixture.policy.drop_open = false;
    decision_review(&intent, &fixture.policy);
    assert_false(intent.cancelled);
    assert_false(intent.drop_open);
    assert_int_equal(intent.limit_sectors, 256 * MIB / 512);
    assert_string_equal(intent.extend_from, "");
    intent.grow_to_sectors = 192 * MIB / 512;
    decision_review(&intent, &fixture.policy);
    assert_int_equal(intent.grow_to_sectors, 192 * MIB / 512);
    fixture.policy.extend_limit_bytes = 160 * MIB;
    decision_review(&intent, &fixture.policy);
    assert_int_equal(plan_extend_goal_sectors(&intent), 160 * MIB / 512);
    fixture.policy.extend_limit_bytes = 0;
    decision_review(&intent, &fixture.policy); /* what was wanted is known still */
    assert_int_equal(plan_extend_goal_sectors(&intent), 192 * MIB / 512);
    fixture.actions[0].kind = ACTION_DROP; /* the same words for another action */
    decision_review(&intent, &fixture.policy);
    assert_true(intent.cancelled);
    fixture.actions[0].kind = ACTION_EXTEND;
    decision_review(&intent, &fixture.policy);
    assert_false(intent.cancelled);
    decision_review(&intent, NULL);
    assert_true(intent.cancelled);
}

/* An overflowed live snapshot is merged where the section has a merge rung; any other lost one gets what `on lost` says. */
static void test_what_a_lost_one_gets(void **state)
{
    struct fixture fixture;
    struct target *target = &fixture.member.target;
    (void)state;
    set_up(&fixture);
    fixture.member.role = ROLE_LIVE;
    target->status.state = SNAPSHOT_OVERFLOW;
    fixture.actions[0].kind = ACTION_MERGE;
    fixture.rungs[1].condition.kind = CONDITION_LOST;
    fixture.actions[1].kind = ACTION_ALERT;
    assert_ptr_equal(decision_rung_when_lost(&fixture.member, &fixture.policy), &fixture.rungs[0]);
    fixture.actions[1].kind = ACTION_DROP;
    assert_ptr_equal(decision_rung_when_lost(&fixture.member, &fixture.policy), &fixture.rungs[0]);
    target->kind = TARGET_SNAPSHOT_MERGE;
    assert_null(decision_rung_when_lost(&fixture.member, &fixture.policy));
    target->kind = TARGET_SNAPSHOT;
    fixture.member.role = ROLE_BACKUP;
    assert_ptr_equal(decision_rung_when_lost(&fixture.member, &fixture.policy), &fixture.rungs[1]);
    fixture.member.role = ROLE_LIVE;
    target->status.state = SNAPSHOT_INVALID;
    assert_ptr_equal(decision_rung_when_lost(&fixture.member, &fixture.policy), &fixture.rungs[1]);
    fixture.actions[1].kind = ACTION_ALERT;
    assert_null(decision_rung_when_lost(&fixture.member, &fixture.policy));
    fixture.rungs[1].condition.kind = CONDITION_USED;
    assert_null(decision_rung_when_lost(&fixture.member, &fixture.policy));
}

/* No rung stands behind it, and none makes it stand again when it was taken back. */
static void test_an_order_outlives_a_reload(void **state)
{
    struct fixture fixture;
    (void)state;
    set_up(&fixture);
    struct intent intent = decision_intent(&fixture.member, &fixture.policy, &fixture.rungs[2], "boot");
    strcpy(intent.rung, INTENT_ORDER "root");
    fixture.policy.drop_open = false;
    decision_review(&intent, &fixture.policy);
    assert_false(intent.cancelled || intent.drop_open);
    decision_review(&intent, NULL);
    assert_false(intent.cancelled);
    assert_string_equal(intent.extend_from, "");
    assert_int_equal(intent.limit_sectors, 0);
    intent.cancelled = true;
    decision_review(&intent, &fixture.policy);
    assert_true(intent.cancelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whom_an_intent_is_for),
        cmocka_unit_test(test_an_intent_says_whom_it_is_about),
        cmocka_unit_test(test_the_height_of_a_rung),
        cmocka_unit_test(test_how_far_it_grows),
        cmocka_unit_test(test_it_grows_no_further_than_it_may_or_need),
        cmocka_unit_test(test_what_lvm_can_be_asked_for),
        cmocka_unit_test(test_only_a_merge_rung_adopts),
        cmocka_unit_test(test_a_reload_is_heard),
        cmocka_unit_test(test_what_a_lost_one_gets),
        cmocka_unit_test(test_of_several_the_last_is_carried_out),
        cmocka_unit_test(test_a_transient_store_is_not_merged),
        cmocka_unit_test(test_a_failed_merge_is_not_dropped),
        cmocka_unit_test(test_an_order_outlives_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
