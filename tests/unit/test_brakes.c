/* brakes: for whom writers are held; a limit that cannot be put back is tried again after its pause, and the loop is told
 * when. */
#include "../../daemon/action/limits.h"
#include "../../daemon/report/journal_private.h"
#include "cowherd/brakes.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned n_started;
static bool can_start; /* children, which end without a result */

/* An earlier daemon has left one limit, and no child can be started to put it back. */
int brake_limit_list(const char *directory, dev_t *devices, size_t max)
{
    (void)directory;
    assert_true(max > 0);
    devices[0] = makedev(8, 16);
    return 1;
}

int child_start(child_function function, const void *argument, struct child *ret_child)
{
    (void)function, (void)argument;
    n_started++;
    if (!can_start)
        return -EAGAIN;
    *ret_child = (struct child){.pid = fork(), .result_fd = -1};
    if (ret_child->pid == 0)
        _exit(0);
    return 0;
}

int child_take_result(struct child *child, void *ret_result, size_t size)
{
    (void)child, (void)ret_result, (void)size;
    return -EPIPE;
}

void brake_limit_run(const void *limit, int result_fd)
{
    (void)limit, (void)result_fd;
}

int brake_limit_set(const struct brake_limit *limit, struct brake_limit_result *ret_result)
{
    (void)limit, (void)ret_result;
    return 0;
}

/* What is said is of no matter here. */
static int take_entry(const struct iovec *fields, int n_fields)
{
    (void)fields, (void)n_fields;
    return 0;
}

static struct brakes begin(void)
{
    struct brakes brakes = {.runtime_directory = "/nowhere"};
    struct journal_outlet outlet = {.send = take_entry, .line_fd = -1};
    assert_true(journal_open_outlet("test", &outlet, &brakes.journal) >= 0);
    assert_true(sd_event_new(&brakes.event) >= 0);
    return brakes;
}

static void end(struct brakes *brakes)
{
    sd_event *event = brakes->event;
    struct journal *journal = brakes->journal;
    brakes_done(brakes);
    sd_event_unref(event);
    journal_close(journal, 10000000);
}

static void consider(struct brakes *brakes, uint64_t now_usec)
{
    static const struct herd herd;
    static const struct errands errands;
    struct brakes_view view = {.herd = &herd, .errands = &errands, .now_usec = now_usec};
    brakes_consider(brakes, &view);
}

static void test_what_cannot_be_put_back_is_tried_again(void **state)
{
    struct brakes brakes = begin();
    (void)state;
    assert_int_equal(brakes_next_usec(&brakes), UINT64_MAX);
    brakes_recall(&brakes);
    assert_int_equal(n_started, 1);
    uint64_t next_usec = brakes_next_usec(&brakes);
    assert_true(next_usec != UINT64_MAX);
    consider(&brakes, next_usec - 1);
    assert_int_equal(n_started, 1);
    consider(&brakes, next_usec);
    assert_int_equal(n_started, 2);
    assert_int_equal(brakes_next_usec(&brakes), next_usec + LIMIT_REFRESH_USEC);
    end(&brakes);
}

/* The loop hears of children by it. */
static void block_child_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

static void count_failure(void *user)
{
    unsigned *n_failed = user;
    ++*n_failed;
}

/* It ends between two looks, the next of which may be far off. */
static void test_the_loop_is_told_of_a_child_that_has_failed(void **state)
{
    unsigned n_failed = 0;
    struct brakes brakes = begin();
    (void)state;
    brakes.failed = count_failure;
    brakes.user = &n_failed;
    block_child_signal();
    can_start = true;
    brakes_recall(&brakes);
    can_start = false;
    assert_int_equal(brakes_next_usec(&brakes), UINT64_MAX);
    assert_true(sd_event_run(brakes.event, UINT64_MAX) > 0);
    assert_int_equal(n_failed, 1);
    assert_true(brakes_next_usec(&brakes) != UINT64_MAX);
    end(&brakes);
}

/* A snapshot whose store had 1000 sectors when its extension was decided, and has 2000 now. */
static struct member extended_member(void)
{
    return (struct member){
        .name = "s",
        .uuid = "LVM-s",
        .device = makedev(253, 1),
        .disk_sequence = 7,
        .target = {.kind = TARGET_SNAPSHOT,
                   .origin = makedev(8, 1),
                   .store = makedev(8, 2),
                   .chunk_sectors = 8,
                   .status = {.state = SNAPSHOT_VALID}},
        .role = ROLE_LIVE,
        .has_sample = true,
        .sample = {.total_sectors = 2000, .chunks_left = 125},
    };
}

static struct intent extension_to(const struct member *member, uint64_t sectors)
{
    return (struct intent){
        .action = ACTION_EXTEND,
        .uuid = "LVM-s",
        .device = member->device,
        .disk_sequence = member->disk_sequence,
        .origin = member->target.origin,
        .store = member->target.store,
        .grow_to_sectors = sectors,
    };
}

static unsigned started_for(struct member *member, struct errand *errand)
{
    struct herd herd = {.members = &member, .n_members = 1};
    struct errands errands = {.items = &errand, .n_items = 1};
    struct brakes_view view = {.herd = &herd,
                               .errands = &errands,
                               .enabled = true,
                               .assumed_bytes_per_second = 1 << 28,
                               .look_usec = 50000,
                               .now_usec = 1000000};
    struct brakes brakes = begin();
    unsigned before = n_started;
    brakes_consider(&brakes, &view);
    end(&brakes);
    return n_started - before;
}

static void test_the_next_extension_is_held_for_while_the_last_one_ends(void **state)
{
    (void)state;
    struct member member = extended_member();
    struct errand errand = {
        .pursuit = {.phase = PURSUIT_ACTING, .intent = extension_to(&member, 2000)},
        .has_sample = true,
        .sample = {.total_sectors = 1000},
    };
    assert_int_equal(started_for(&member, &errand), 0);
    errand.successor = extension_to(&member, 4000);
    errand.has_successor = true;
    assert_true(started_for(&member, &errand) > 0);
}

/* What writers are held to for an lvm merge, of which nobody knows what it takes, while its snapshot has 16 MiB left. */
static uint64_t held_at(struct brakes *brakes, struct errand *errand, uint64_t now_usec, uint64_t taken_usec)
{
    struct member member = extended_member();
    struct member *members = &member;
    struct herd herd = {.members = &members, .n_members = 1};
    struct errands errands = {.items = &errand, .n_items = 1};
    errand->pursuit.intent = extension_to(&member, 0);
    errand->pursuit.intent.action = ACTION_MERGE;
    member.sample.chunks_left = 4096;
    member.sample.taken_usec = taken_usec;
    struct brakes_view view = {.herd = &herd,
                               .errands = &errands,
                               .enabled = true,
                               .assumed_bytes_per_second = 1 << 28,
                               .look_usec = 50000,
                               .now_usec = now_usec,
                               .slept_usec = 7000000};
    brakes_consider(brakes, &view);
    return brakes->limits[0]->wanted.bytes_per_second;
}

static void test_a_failed_attempt_brings_it_no_nearer(void **state)
{
    (void)state;
    const uint64_t second = 1000000, room = 4096 * 4096;
    struct brakes brakes = begin();
    struct errand errand = {.pursuit.phase = PURSUIT_ACTING, .acting = true, .attempt_usec = second};
    assert_int_equal(held_at(&brakes, &errand, second, 8 * second), room / 6);
    assert_int_equal(held_at(&brakes, &errand, 2 * second, 9 * second), room / 4);
    errand.acting = false;
    errand.pursuit.phase = PURSUIT_RETRYING;
    assert_int_equal(held_at(&brakes, &errand, 2 * second, 9 * second), room / 6);
    errand.acting = true;
    errand.pursuit.phase = PURSUIT_ACTING;
    errand.attempt_usec = 2 * second;
    assert_int_equal(held_at(&brakes, &errand, 2200000, 9200000), 10 * room / 56);
    /* seen before it was started */
    assert_int_equal(held_at(&brakes, &errand, 2200000, 8900000), room / 6);
    end(&brakes);
}

/* The turn that started its child may have gone on for a while before writers were thought of. */
static void test_its_time_begins_with_its_child(void **state)
{
    (void)state;
    const uint64_t second = 1000000, room = 4096 * 4096;
    struct brakes brakes = begin();
    struct errand errand = {.pursuit.phase = PURSUIT_ACTING, .acting = true, .attempt_usec = second};
    assert_int_equal(held_at(&brakes, &errand, 3 * second, 8 * second), room / 8); /* 2 s, so 4 s in all */
    end(&brakes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_put_back_is_tried_again),
        cmocka_unit_test(test_the_loop_is_told_of_a_child_that_has_failed),
        cmocka_unit_test(test_the_next_extension_is_held_for_while_the_last_one_ends),
        cmocka_unit_test(test_a_failed_attempt_brings_it_no_nearer),
        cmocka_unit_test(test_its_time_begins_with_its_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
