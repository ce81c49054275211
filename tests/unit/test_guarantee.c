/* guarantee: against stores that are filled at the fastest rate there may be, looked at as pacing says, with actions that
 * take their time: none is lost where it said yes, and it says no only where one chunk more would be. */
#include "cowherd/brake.h"
#include "cowherd/exception_store.h"
#include "cowherd/guarantee.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define KIB    (UINT64_C(1) << 10)
#define MIB    (UINT64_C(1) << 20)
#define MSEC   UINT64_C(1000)
#define SECOND (1000 * MSEC)

/* ---- a snapshot, its ladder, and what is judged */

struct fixture {
    struct action actions[POLICY_RUNGS_MAX];
    struct rung rungs[POLICY_RUNGS_MAX];
    struct policy policy;
    struct member member;
    struct guarantee_subject subject;
    struct guarantee_bounds bounds;
    struct guarantee guarantee;
};

static struct exception_store store_of(const struct member *member)
{
    return (struct exception_store){
        .total_sectors = member->sample.total_sectors,
        .chunk_sectors = member->target.chunk_sectors,
        .persistent = member->target.store_type != STORE_TRANSIENT,
    };
}

static void use(struct member *member, uint64_t exceptions)
{
    struct exception_store store = store_of(member);
    member->sample.used_sectors = exception_store_chunks_needed(&store, exceptions) * store.chunk_sectors;
    member->sample.chunks_left = exception_store_chunks_left(&store, member->sample.used_sectors);
    member->sample.bytes_left = exception_store_bytes_left(&store, member->sample.used_sectors);
}

static void set_store(struct fixture *fixture, uint64_t bytes, uint32_t chunk_sectors)
{
    fixture->member.sample.total_sectors = bytes / SECTOR_BYTES;
    fixture->member.target.chunk_sectors = chunk_sectors;
    use(&fixture->member, 0);
}

/* 64 MiB in chunks of 4 KiB, before an origin of 1 TiB, 256 MiB/s, looks every 50 ms, no brake. */
static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture->policy = (struct policy){.pattern = (char *)"*", .rungs = fixture->rungs};
    fixture->member = (struct member){
        .name = "s",
        .device = makedev(254, 1),
        .alone = true,
        .role = ROLE_BACKUP,
        .origin_user = makedev(254, 2),
        .policy = &fixture->policy,
        .has_sample = true,
        .target = {.kind = TARGET_SNAPSHOT,
                   .origin = makedev(8, 1),
                   .store = makedev(8, 2),
                   .length_sectors = UINT64_C(1) << 31,
                   .status = {.state = SNAPSHOT_VALID}},
    };
    fixture->subject = (struct guarantee_subject){.member = &fixture->member, .under_way = -1};
    fixture->bounds = (struct guarantee_bounds){
        .pacing = {.longest_usec = 10 * SECOND,
                   .shortest_usec = 50 * MSEC,
                   .assumed_bytes_per_second = 256 * MIB},
        .engage_usec = GUARANTEE_BRAKE_USEC,
    };
    set_store(fixture, 64 * MIB, 8);
}

static void add_rung(struct fixture *fixture, enum condition_kind condition, uint64_t value,
                     enum action_kind kind, uint64_t amount)
{
    size_t i = fixture->policy.n_rungs++;
    fixture->actions[i] = (struct action){.kind = kind, .amount = amount};
    fixture->rungs[i] = (struct rung){
        .condition = {condition, value},
        .actions = &fixture->actions[i],
        .n_actions = 1,
        .text = (char *)"a rung",
    };
}

static void only_rung(struct fixture *fixture, uint64_t centipercent, enum action_kind kind)
{
    fixture->policy.n_rungs = 0;
    add_rung(fixture, CONDITION_USED, centipercent, kind, 0);
}

static enum guarantee_verdict verdict(struct fixture *fixture)
{
    guarantee_judge(&fixture->subject, &fixture->bounds, &fixture->guarantee);
    assert_int_equal(fixture->guarantee.holds, guarantee_verdict_holds(fixture->guarantee.verdict));
    return fixture->guarantee.verdict;
}

static const char *text(struct fixture *fixture)
{
    static char said[GUARANTEE_TEXT_MAX];
    verdict(fixture);
    return guarantee_text(&fixture->guarantee, said);
}

/* ---- the figures */

static void test_sentences(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 6000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 12 * MSEC;
    assert_string_equal(text(&fixture),
                        "at 256 MiB/s this store goes from 60 % to full in 99 ms, that is seen "
                        "within 50 ms, drop took 12 ms: in time");
    only_rung(&fixture, 9500, ACTION_DROP);
    assert_string_equal(text(&fixture),
                        "at 256 MiB/s this store goes from 95 % to full in 12 ms, that is seen "
                        "within 50 ms, drop took 12 ms: move this rung to 75 % or lower (15.9 MiB "
                        "free)");
    strcpy(fixture.member.uuid, "LVM-x");
    strcpy(fixture.member.name, "vg-s");
    fixture.actions[0].kind = ACTION_EXTEND;
    fixture.actions[0].amount = 1024 * MIB;
    fixture.subject.took_usec[ACTION_EXTEND] = 1900 * MSEC;
    assert_string_equal(text(&fixture),
                        "at 256 MiB/s this store goes from 95 % to full in 12 ms, that is seen "
                        "within 50 ms, lvextend took 1.9 s: in time only up to 1.6 MiB/s");
    fixture.bounds.pacing.assumed_bytes_per_second = 12 * MIB;
    fixture.subject.woken_by_counting = true;
    assert_string_equal(text(&fixture),
                        "at 12 MiB/s this store goes from 95 % to full in 265 ms, lvextend took "
                        "1.9 s: move this rung to 64 % or lower (22.9 MiB free)");
    fixture.bounds.brake = true;
    only_rung(&fixture, 9050, ACTION_MERGE);
    assert_string_equal(text(&fixture),
                        "at 12 MiB/s this store goes from 90.50 % to full in 504 ms, lvconvert "
                        "--merge is assumed to take 3 s: in time, for writers are held until then");
}

/* ---- every height, size and time: yes is never wrong, and no is never wrong by more than a chunk */

static uint64_t chunks_filled(uint64_t rate, uint64_t usec, uint64_t chunk_bytes)
{
    uint64_t bytes = (rate * usec + SECOND - 1) / SECOND;
    return (bytes + chunk_bytes - 1) / chunk_bytes;
}

/* The fewest exceptions at which a ladder calls the rung crossed, by trying. */
static uint64_t crossed_at(struct fixture *fixture)
{
    struct member member = fixture->member;
    struct exception_store store = store_of(&member);
    uint64_t low = 0, high = exception_store_capacity(&store);
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        struct ladder ladder = {0};
        use(&member, middle);
        if (ladder_climb(&ladder, &fixture->policy, &member.sample))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void check_bound(struct fixture *fixture, uint64_t took_usec)
{
    struct exception_store store = store_of(&fixture->member);
    uint64_t capacity = exception_store_capacity(&store), crossed = crossed_at(fixture);
    uint64_t rate = fixture->bounds.pacing.assumed_bytes_per_second;
    uint64_t usec = fixture->bounds.pacing.shortest_usec + fixture->bounds.pacing.late_usec + took_usec;
    uint64_t filled = chunks_filled(rate, usec, store.chunk_sectors * SECTOR_BYTES);
    fixture->subject.took_usec[ACTION_DROP] = took_usec;
    enum guarantee_verdict said = verdict(fixture);
    assert_int_equal(fixture->guarantee.rungs[0].from_exceptions, crossed);
    uint64_t unseen = crossed > 0 ? crossed - 1 : 0; /* when it was looked at last */
    if (said == GUARANTEE_IN_TIME)
        assert_true(unseen + filled <= capacity);
    else
        assert_true(said == GUARANTEE_LATE && crossed + filled > capacity);
}

static void test_no_false_yes(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned n = 0;
    for (uint32_t chunk = 8; chunk <= 1024; chunk *= 4)
        for (uint64_t size = 200 * KIB; size < 600 * MIB; size = size * 7 / 3 + 777)
            for (uint64_t rate = 100 * KIB; rate < 4000 * MIB; rate *= 9)
                for (uint64_t percent = 1; percent <= 100; percent += 3) {
                    begin(&fixture);
                    set_store(&fixture, size, chunk);
                    fixture.member.target.store_type = n % 3 ? STORE_PERSISTENT_OVERFLOW : STORE_TRANSIENT;
                    use(&fixture.member, 0);
                    fixture.bounds.pacing.assumed_bytes_per_second = rate;
                    fixture.bounds.pacing.late_usec = n % 7 * MSEC;
                    only_rung(&fixture, percent * 100, ACTION_DROP);
                    check_bound(&fixture, 1 + n++ % 5 * 70 * MSEC);
                }
    assert_true(n > 5000);
}

static void test_free_heights(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint64_t free = 0; free < 80 * MIB; free += 333 * KIB) {
        begin(&fixture);
        add_rung(&fixture, CONDITION_FREE, free, ACTION_DROP, 0);
        check_bound(&fixture, 77 * MSEC);
    }
}

/* The suggestion is in time, and one percent more is not; where there is none not even 1 % would be. */
static void test_suggestion_is_the_highest(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned n = 0, n_none = 0;
    for (int brake = 0; brake < 2; brake++)
        for (uint64_t size = 200 * KIB; size < 2000 * MIB; size = size * 3 / 2 + 777)
            for (uint64_t rate = MIB; rate < 4000 * MIB; rate *= 3)
                for (uint64_t took = MSEC; took < 10 * SECOND; took *= 5) {
                    begin(&fixture);
                    set_store(&fixture, size, 8);
                    fixture.bounds.pacing.assumed_bytes_per_second = rate;
                    fixture.bounds.brake = brake;
                    fixture.subject.took_usec[ACTION_DROP] = took;
                    only_rung(&fixture, 10000, ACTION_DROP);
                    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
                    uint64_t percent = fixture.guarantee.rungs[0].suggested_percent;
                    assert_in_range(percent, 0, 99);
                    if (percent) {
                        only_rung(&fixture, percent * 100, ACTION_DROP);
                        assert_true(guarantee_verdict_holds(verdict(&fixture)));
                    }
                    only_rung(&fixture, (percent + 1) * 100, ACTION_DROP);
                    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
                    n++;
                    n_none += percent == 0;
                }
    assert_true(n_none > 10 && n_none < n / 2);
}

/* The rate up to which it would be in time: it is, and a little more is not. */
static void test_rate_is_the_highest(void **state)
{
    (void)state;
    struct fixture fixture;
    for (int brake = 0; brake < 2; brake++)
        for (uint64_t percent = 50; percent < 100; percent++) {
            begin(&fixture);
            fixture.bounds.brake = brake;
            fixture.bounds.pacing.assumed_bytes_per_second = 100000 * MIB;
            only_rung(&fixture, percent * 100, ACTION_DROP);
            assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
            uint64_t rate = fixture.guarantee.rungs[0].bytes_per_second_max;
            fixture.bounds.pacing.assumed_bytes_per_second = rate;
            assert_true(guarantee_verdict_holds(verdict(&fixture)));
            fixture.bounds.pacing.assumed_bytes_per_second = rate + 100;
            assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
        }
}

/* ---- whole lives: bursts, idle, any rate up to the assumed one, looks as pacing says and as late as was measured */

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
        .expected_usec = brake_expected_usec(rung->action_usec, rung->is_lvm, 50 * MSEC),
        .is_measured = true};
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

static void test_who_can_be_held(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.bounds.brake = true;
    fixture.bounds.pacing.assumed_bytes_per_second = 64 * MIB;
    fixture.subject.took_usec[ACTION_DROP] = fixture.subject.took_usec[ACTION_MERGE] = 2 * SECOND;
    only_rung(&fixture, 5000, ACTION_DROP);
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    fixture.member.origin_user = 0; /* nobody to hold */
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    fixture.member.role = ROLE_LIVE;
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    strcpy(fixture.member.uuid, "LVM-x"); /* lvremove would wait for those who are held */
    strcpy(fixture.member.name, "vg-s");
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    fixture.actions[0].kind = ACTION_MERGE;
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    fixture.bounds.brake = false;
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
}

/* ---- extensions */

static void test_extension_must_gain(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    set_store(&fixture, 1024 * MIB, 8);
    fixture.subject.took_usec[ACTION_EXTEND] = 350 * MSEC; /* with the look: 100 MiB at 250 MiB/s */
    fixture.bounds.pacing.assumed_bytes_per_second = 250 * MIB;
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_EXTEND, 100 * MIB);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.actions[0].amount = 99 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_TOO_LITTLE);
    assert_non_null(strstr(text(&fixture), "extend by 100 MiB or more"));
    fixture.actions[0] = (struct action){.kind = ACTION_EXTEND, .is_percent = true, .amount = 1000};
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.policy.extend_limit_bytes = 1100 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_TOO_LITTLE);
    fixture.member.target.length_sectors = 1060 * MIB / SECTOR_BYTES; /* then it can never fill */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
}

/* 8.4 MiB go until it has come: 6.4 until the writers are held, 2 while they are. */
static void test_held_extension_must_gain(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.bounds.brake = true;
    fixture.bounds.pacing.assumed_bytes_per_second = 64 * MIB;
    fixture.subject.took_usec[ACTION_EXTEND] = 2 * SECOND;
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_EXTEND, 9 * MIB);
    assert_int_equal(verdict(&fixture), GUARANTEE_HELD);
    fixture.actions[0].amount = 8 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_TOO_LITTLE);
}

/* ---- what is not a matter of time */

static void test_states(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    only_rung(&fixture, 5000, ACTION_ALERT);
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    add_rung(&fixture, CONDITION_LOST, 0, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    add_rung(&fixture, CONDITION_TIME, 3600 * SECOND, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_NO_HEIGHT);
    add_rung(&fixture, CONDITION_USED, 100, ACTION_DROP, 0);
    fixture.subject.took_usec[ACTION_DROP] = 2 * MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.member.policy = NULL;
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    fixture.member.policy = &fixture.policy;
    fixture.bounds.dry_run = true;
    assert_int_equal(verdict(&fixture), GUARANTEE_DRY_RUN);
    fixture.member.target.length_sectors = 60 * MIB / SECTOR_BYTES;
    assert_int_equal(verdict(&fixture), GUARANTEE_NEVER_FULL);
    fixture.member.target.kind = TARGET_SNAPSHOT_MERGE;
    assert_int_equal(verdict(&fixture), GUARANTEE_MERGING);
    fixture.member.target.status.state = SNAPSHOT_INVALID;
    assert_int_equal(verdict(&fixture), GUARANTEE_UNKNOWN);
    fixture.member.target.status.state = SNAPSHOT_VALID;
    fixture.member.has_sample = false;
    assert_int_equal(verdict(&fixture), GUARANTEE_UNKNOWN);
}

/* Exactly F(origin chunks): one chunk less, and it can fill. */
static void test_never_full_is_exact(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint64_t chunks = 1; chunks < 3000; chunks += 13) {
        begin(&fixture);
        struct exception_store store = store_of(&fixture.member);
        uint64_t bytes = exception_store_chunks_needed(&store, chunks) * 4 * KIB;
        fixture.member.target.length_sectors = chunks * 8;
        set_store(&fixture, bytes, 8);
        assert_int_equal(verdict(&fixture), GUARANTEE_NEVER_FULL);
        set_store(&fixture, bytes - SECTOR_BYTES, 8);
        assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    }
}

/* What was measured counts where it is faster than what is assumed. */
static void test_peak_counts(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 1000, ACTION_DROP);
    fixture.bounds.pacing.assumed_bytes_per_second = MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.member.sample.peak_bytes_per_second = 1024 * MIB;
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.rungs[0].bytes_per_second, 1024 * MIB);
}

/* Of the lowest, not of the best: those above wait for its child. */
static void test_the_lowest_decides(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    set_store(&fixture, 1024 * MIB, 8);
    fixture.subject.took_usec[ACTION_EXTEND] = 3 * SECOND;
    fixture.subject.took_usec[ACTION_DROP] = MSEC;
    add_rung(&fixture, CONDITION_USED, 6000, ACTION_EXTEND, 1024 * MIB);
    add_rung(&fixture, CONDITION_USED, 8500, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.decisive, 0);
    assert_int_equal(fixture.guarantee.rungs[1].verdict, GUARANTEE_IN_TIME);
    fixture.member.ladder.marks[0].fired = true; /* it has come to nothing */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    assert_int_equal(fixture.guarantee.n_rungs, 1);
}

/* Two within one look's reach: the later written is carried out, and its time counts. */
static void test_crossed_together(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.subject.took_usec[ACTION_DROP] = MSEC;
    fixture.subject.took_usec[ACTION_MERGE] = 2 * SECOND;
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_DROP, 0);
    add_rung(&fixture, CONDITION_USED, 6000, ACTION_MERGE, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    fixture.rungs[1].condition.value = 9500; /* 28 MiB further: not in 50 ms */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.rungs[1].condition = (struct condition){CONDITION_TIME, 1000 * SECOND}; /* at any moment */
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
}

/* A rung of "TIME left" may have its child at work when a later one is crossed, which then waits for it. */
static void test_waits_for_a_time_rung(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    fixture.subject.took_usec[ACTION_DROP] = MSEC;
    fixture.subject.took_usec[ACTION_MERGE] = 2 * SECOND;
    add_rung(&fixture, CONDITION_TIME, 1000 * SECOND, ACTION_MERGE, 0);
    add_rung(&fixture, CONDITION_USED, 5000, ACTION_DROP, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.decisive, 1);
    assert_int_equal(fixture.guarantee.rungs[1].action_usec, 2001 * MSEC);
    fixture.subject.took_usec[ACTION_MERGE] = MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
}

/* ---- whether it can act at all: as the plan says of the tables */

static void see(struct observation *seen, struct fixture *fixture, unsigned open_count,
                unsigned origin_open_count)
{
    struct dm_device *snapshot = observation_add(seen);
    strcpy(snapshot->name, "s");
    snapshot->number = fixture->member.device;
    snapshot->open_count = open_count;
    fixture->member.target.status.used_sectors = fixture->member.sample.used_sectors;
    fixture->member.target.status.total_sectors = fixture->member.sample.total_sectors;
    assert_int_equal(dm_table_add(&snapshot->active, &fixture->member.target), 0);
    struct dm_device *origin = observation_add(seen);
    strcpy(origin->name, "o");
    origin->number = fixture->member.origin_user;
    origin->open_count = origin_open_count;
    struct target target = {.kind = TARGET_SNAPSHOT_ORIGIN,
                            .origin = fixture->member.target.origin,
                            .length_sectors = fixture->member.target.length_sectors};
    assert_int_equal(dm_table_add(&origin->active, &target), 0);
    fixture->subject.seen = seen;
}

static void test_can_it_act(void **state)
{
    (void)state;
    struct fixture fixture;
    struct observation closed = {0}, open = {0}, mounted = {0};
    begin(&fixture);
    only_rung(&fixture, 1000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = fixture.subject.took_usec[ACTION_MERGE] = MSEC;
    see(&closed, &fixture, 0, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    see(&open, &fixture, 1, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    assert_string_equal(text(&fixture), "drop cannot be carried out now: the snapshot is open");
    fixture.policy.drop_open = true;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    see(&mounted, &fixture, 0, 1);
    only_rung(&fixture, 1000, ACTION_MERGE);
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    add_rung(&fixture, CONDITION_USED, 2000, ACTION_DROP, 0); /* while that one cannot, this one does */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    assert_int_equal(fixture.guarantee.decisive, 1);
    fixture.actions[0].kind = ACTION_DROP; /* the other way round the merge would take its place */
    fixture.actions[1].kind = ACTION_MERGE;
    assert_int_equal(verdict(&fixture), GUARANTEE_OUTRANKED);
    fixture.rungs[1].condition.value = 9900;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.member.alone = false;
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    observation_done(&closed);
    observation_done(&open);
    observation_done(&mounted);
}

/* ---- on the way */

static void test_passed(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 2000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 50 * MSEC; /* with the look 25.6 MiB of 64 */
    struct exception_store store = store_of(&fixture.member);
    uint64_t capacity = exception_store_capacity(&store);
    use(&fixture.member, capacity - 6600);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    use(&fixture.member, capacity - 6500);
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
    assert_int_equal(fixture.guarantee.rungs[0].suggested_percent, 0);
}

static void test_under_way(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 2000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 50 * MSEC;
    fixture.member.ladder.marks[0].fired = true;
    assert_int_equal(verdict(&fixture), GUARANTEE_NOTHING_ACTS);
    fixture.subject.under_way = 0;
    fixture.subject.under_way_used_sectors = fixture.member.sample.total_sectors / 2;
    struct exception_store store = store_of(&fixture.member);
    use(&fixture.member, exception_store_capacity(&store)); /* while it comes */
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.subject.under_way_reason = "no space";
    assert_string_equal(text(&fixture), "drop cannot be carried out now: no space");
    add_rung(&fixture, CONDITION_USED, 3000, ACTION_DROP, 0); /* a later one may have to wait for its child */
    use(&fixture.member, 0);
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    assert_int_equal(fixture.guarantee.rungs[1].action_usec, 100 * MSEC);
}

/* Nothing overflows, whatever the figures. */
static void test_extremes(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 511, 4096, MIB, UINT64_MAX / 512, UINT64_MAX};
    for (unsigned i = 0; i < 7 * 7 * 7 * 7; i++) {
        struct fixture fixture;
        begin(&fixture);
        only_rung(&fixture, 5000, i % 2 ? ACTION_EXTEND : ACTION_DROP);
        add_rung(&fixture, CONDITION_FREE, values[i % 7], ACTION_EXTEND, values[i % 7]);
        fixture.bounds.brake = true;
        fixture.bounds.engage_usec = values[i / 7 % 7];
        fixture.bounds.pacing.late_usec = values[i / 49 % 7];
        fixture.bounds.pacing.assumed_bytes_per_second = values[i / 343];
        fixture.subject.took_usec[ACTION_EXTEND] = values[i % 5];
        fixture.member.sample.total_sectors = values[i / 7 % 7];
        fixture.member.target.chunk_sectors = (uint32_t)values[i % 3];
        fixture.member.target.length_sectors = UINT64_MAX;
        assert_in_range(strlen(text(&fixture)), 1, GUARANTEE_TEXT_MAX - 1);
    }
}

/* No rung may begin anything then; what is under way has its own word. */
static void test_held_by_an_operator(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 6000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 12 * MSEC;
    assert_true(guarantee_verdict_holds(verdict(&fixture)));
    fixture.subject.held = "held by root until 12:30:00";
    assert_string_equal(text(&fixture), "drop cannot be carried out now: held by root until 12:30:00");
    assert_int_equal(verdict(&fixture), GUARANTEE_CANNOT_ACT);
    fixture.subject.under_way = 0;
    assert_true(guarantee_verdict_holds(verdict(&fixture)));
}

/* An order at work is waited for by every rung: at 60 % there are 99 ms. */
static void test_an_order_at_work(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    only_rung(&fixture, 6000, ACTION_DROP);
    fixture.subject.took_usec[ACTION_DROP] = 12 * MSEC;
    fixture.subject.order_usec = 30 * MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_IN_TIME);
    fixture.subject.order_usec = 60 * MSEC;
    assert_int_equal(verdict(&fixture), GUARANTEE_LATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_no_false_yes),
        cmocka_unit_test(test_free_heights),
        cmocka_unit_test(test_suggestion_is_the_highest),
        cmocka_unit_test(test_rate_is_the_highest),
        cmocka_unit_test(test_never_lost_where_yes),
        cmocka_unit_test(test_held_is_enough),
        cmocka_unit_test(test_who_can_be_held),
        cmocka_unit_test(test_extension_must_gain),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_never_full_is_exact),
        cmocka_unit_test(test_peak_counts),
        cmocka_unit_test(test_the_lowest_decides),
        cmocka_unit_test(test_crossed_together),
        cmocka_unit_test(test_can_it_act),
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_under_way),
        cmocka_unit_test(test_held_by_an_operator),
        cmocka_unit_test(test_an_order_at_work),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_waits_for_a_time_rung),
        cmocka_unit_test(test_held_extension_must_gain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
