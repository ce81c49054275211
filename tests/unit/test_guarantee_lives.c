/* guarantee against whole lives of stores that are filled at up to the fastest rate there may be, looked at as pacing says,
 * with actions that take their time: none is lost where it said yes. */
#include "cowherd/brake.h"
#include "fixture_guarantee.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- bursts, idle, any rate up to the assumed one, looks as pacing says and as late as was measured */

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 16) % limit;
}

struct writer {
    uint64_t rate;
    uint64_t until_usec;
};

/* A writer's next mood: idle, full speed, or anything between, for a while. */
static void change_mood(struct writer *writer, uint64_t fastest, uint64_t now_usec)
{
    uint64_t mood = random_below(4);
    writer->rate = mood == 0 ? 0 : mood < 3 ? fastest : random_below(fastest + 1);
    writer->until_usec = now_usec + 1 + random_below(mood == 0 ? 20 * SECOND : 300 * MSEC);
}

/* Bytes written until then. */
static uint64_t write_until(struct writer *writer, uint64_t fastest, uint64_t now_usec, uint64_t then_usec)
{
    uint64_t millionths = 0;
    while (now_usec < then_usec) {
        if (now_usec >= writer->until_usec)
            change_mood(writer, fastest, now_usec);
        uint64_t end = writer->until_usec < then_usec ? writer->until_usec : then_usec;
        millionths += writer->rate * (end - now_usec);
        now_usec = end;
    }
    return millionths / SECOND;
}

static uint64_t interval_of(struct fixture *fixture, int *ret_rung)
{
    const struct member *member = &fixture->member;
    struct pacing_subject subject = {
        .bytes_to_next_rung = ladder_bytes_to_next(&member->ladder, member->policy, &member->sample,
                                                   ret_rung),
        .bytes_left = member->sample.bytes_left,
        .waits_for_time = ladder_waits_for_time(&member->ladder, member->policy),
        .peak_bytes_per_second = member->sample.peak_bytes_per_second,
    };
    const struct action *action = *ret_rung >= 0 ? rung_changing_action(&member->policy->rungs[*ret_rung])
                                                 : NULL;
    subject.action_usec = action ? fixture->subject.took_usec[action->kind] : 0;
    return pacing_interval_usec(&fixture->bounds.pacing, &subject);
}

/* Lives until a changing rung's action has come; returns whether the snapshot lives. */
static bool live(struct fixture *fixture)
{
    struct member *member = &fixture->member;
    struct exception_store store = store_of(member);
    uint64_t capacity = exception_store_capacity(&store), chunk = store.chunk_sectors * SECTOR_BYTES;
    uint64_t fastest = fixture->bounds.pacing.assumed_bytes_per_second, now_usec = 0, bytes = 0,
             done_usec = 0;
    struct writer writer = {0};
    while (true) {
        int rung;
        uint64_t next = now_usec + interval_of(fixture, &rung) +
                        random_below(fixture->bounds.pacing.late_usec + 1);
        if (done_usec && next > done_usec)
            next = done_usec;
        bytes += write_until(&writer, fastest, now_usec, next);
        now_usec = next;
        if (bytes / chunk > capacity)
            return false;
        if (now_usec == done_usec)
            return true;
        use(member, bytes / chunk);
        uint32_t crossed = ladder_climb(&member->ladder, member->policy, &member->sample);
        int chosen = ladder_rung_to_carry_out(member->policy, crossed);
        if (chosen >= 0 && !done_usec)
            done_usec = now_usec + fixture->subject.took_usec[fixture->actions[chosen].kind];
    }
}

static void any_ladder(struct fixture *fixture)
{
    static const uint64_t sizes[] = {8 * MIB, 32 * MIB, 128 * MIB, 1024 * MIB};
    begin(fixture);
    set_store(fixture, sizes[random_below(4)], 8U << random_below(5));
    fixture->bounds.pacing.assumed_bytes_per_second = MIB << random_below(9);
    fixture->bounds.pacing.late_usec = random_below(20 * MSEC);
    fixture->subject.took_usec[ACTION_MERGE] = 1 + random_below(400 * MSEC);
    fixture->subject.took_usec[ACTION_DROP] = 1 + random_below(400 * MSEC);
    uint64_t percent = 1 + random_below(95);
    for (int i = 0; i < 3 && percent <= 100; i++, percent += 1 + random_below(10))
        add_rung(fixture, CONDITION_USED, percent * 100, random_below(3) ? ACTION_DROP : ACTION_MERGE, 0);
    fixture->actions[0].kind = random_below(2) ? ACTION_ALERT : ACTION_DROP;
}

static void test_never_lost_where_yes(void **state)
{
    (void)state;
    unsigned n_yes = 0, n_no = 0, n_lost = 0;
    for (random_state = 1; n_yes + n_no < 8000;) {
        struct fixture fixture;
        any_ladder(&fixture);
        bool holds = guarantee_verdict_holds(verdict(&fixture));
        if (fixture.guarantee.verdict == GUARANTEE_NOTHING_ACTS)
            continue;
        bool lives = live(&fixture);
        assert_true(lives || !holds);
        n_yes += holds;
        n_no += !holds;
        n_lost += !lives;
    }
    assert_true(n_yes > 800 && n_lost > 800); /* it says both, and no for a reason */
}

/* ---- with the brake: what is held after it is set does not fill the store before the action has come */

static bool survives_held(struct fixture *fixture, unsigned groups)
{
    const struct guarantee_rung *rung = &fixture->guarantee.rungs[0];
    uint64_t chunk = fixture->member.target.chunk_sectors * SECTOR_BYTES;
    uint64_t engaged_usec = rung->seen_usec + fixture->bounds.engage_usec;
    uint64_t gone = chunks_filled(rung->bytes_per_second, engaged_usec, chunk);
    double left = (double)(rung->room_bytes / chunk) - (double)gone;
    struct brake_subject subject = {
        .chunk_bytes = chunk,
        .expected_usec = brake_expected_usec(rung->action_usec, rung->is_lvm, 50 * MSEC)};
    struct brake_rate held = {0};
    for (uint64_t now = 0; now < rung->action_usec; now += MSEC) {
        if (now % (50 * MSEC) == 0) {
            subject.chunks_left = left < 0 ? 0 : (uint64_t)left;
            subject.elapsed_usec = now;
            held = brake_rate(&subject);
        }
        double bytes = (double)held.bytes_per_second / (double)chunk, writes = (double)held.writes_per_second;
        left -= groups * (bytes > writes ? bytes : writes) / 1000;
        if (left < 0)
            return false;
    }
    return true;
}

static void test_held_is_enough(void **state)
{
    (void)state;
    unsigned n = 0;
    for (uint64_t size = 4 * MIB; size < 1024 * MIB; size = size * 5 / 4 + 4096)
        for (uint64_t rate = MIB; rate <= 1024 * MIB; rate *= 2)
            for (uint32_t chunk = 8; chunk <= 1024; chunk *= 2)
                for (uint64_t took = 10 * MSEC; took < 8 * SECOND; took *= 3) {
                    struct fixture fixture;
                    begin(&fixture);
                    set_store(&fixture, size, chunk);
                    fixture.bounds.brake = true;
                    fixture.bounds.pacing.assumed_bytes_per_second = rate;
                    fixture.subject.took_usec[ACTION_DROP] = took;
                    only_rung(&fixture, 5000, ACTION_DROP);
                    if (verdict(&fixture) != GUARANTEE_HELD)
                        continue;
                    assert_true(survives_held(&fixture, 1));
                    assert_true(survives_held(&fixture, 2));
                    n++;
                }
    assert_true(n > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_lost_where_yes),
        cmocka_unit_test(test_held_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
