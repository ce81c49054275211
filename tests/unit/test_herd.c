/* herd: who is watched and for how long, and what each look tells - in which order and how often. */
#include "cowherd/herd.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define SECOND   UINT64_C(1000000)
#define ORIGIN   makedev(8, 1)
#define STORE    makedev(8, 2)
#define TOTAL    65536
#define CHUNK    8
#define LINE     64
#define TOLD_MAX 4096

static bool without_memory;

/* Stand in for libc's, so that the lack of memory can be tried. */
void *reallocarray(void *memory, size_t n, size_t size)
{
    return without_memory ? NULL : realloc(memory, n * size);
}

/* ---- rungs: alert at 50%, extend at 60%, drop at 70% */

static struct action alert_action = {.kind = ACTION_ALERT};
static struct action extend_action = {.kind = ACTION_EXTEND};
static struct action drop_action = {.kind = ACTION_DROP};

#define RUNG(percent, action_, text_)                                                                        \
    {                                                                                                        \
        .condition = {CONDITION_USED, (percent)*100}, .actions = &(action_), .n_actions = 1, .text = (text_) \
    }

static struct rung rungs[] = {
    RUNG(50, alert_action, "at 50% = alert"),
    RUNG(60, extend_action, "at 60% = extend 20%"),
    RUNG(70, drop_action, "at 70% = drop"),
};

static struct policy any_policy = {
    .pattern = "*", .rungs = rungs, .n_rungs = 3, .hysteresis_centipercent = 200};

/* ---- what is seen */

static struct target snapshot_target(dev_t origin, dev_t store, uint64_t used_percent)
{
    return (struct target){
        .kind = TARGET_SNAPSHOT,
        .length_sectors = 262144,
        .origin = origin,
        .store = store,
        .chunk_sectors = CHUNK,
        .status = {.state = SNAPSHOT_VALID,
                   .used_sectors = (TOTAL * used_percent + 99) / 100,
                   .total_sectors = TOTAL,
                   .metadata_sectors = 16,
                   .has_metadata = true},
    };
}

static struct dm_device *add_device(struct observation *seen, const char *name, unsigned device_minor)
{
    struct dm_device *device = observation_add(seen);
    assert_non_null(device);
    strcpy(device->name, name);
    snprintf(device->uuid, sizeof(device->uuid), "uuid-%u", device_minor);
    device->number = makedev(254, device_minor);
    device->disk_sequence = 100 + device_minor;
    return device;
}

static struct dm_device *add_snapshot(struct observation *seen, const char *name, unsigned device_minor,
                                      uint64_t used_percent)
{
    struct dm_device *device = add_device(seen, name, device_minor);
    struct target target = snapshot_target(ORIGIN, STORE + device_minor, used_percent);
    assert_int_equal(dm_table_add(&device->active, &target), 0);
    return device;
}

static struct dm_device *add_origin_user(struct observation *seen, enum target_kind kind)
{
    struct dm_device *device = add_device(seen, "origin", 50);
    struct target target = {.kind = kind, .length_sectors = 262144, .origin = ORIGIN};
    if (kind == TARGET_SNAPSHOT_MERGE)
        target = snapshot_target(ORIGIN, makedev(8, 99), 1), target.kind = kind;
    assert_int_equal(dm_table_add(&device->active, &target), 0);
    return device;
}

/* A lookup that failed: the device is there, and nothing else is known. */
static void make_unreadable(struct dm_device *device)
{
    struct dm_device bare = {.number = device->number, .error = -EBADMSG};
    strcpy(bare.name, device->name);
    dm_device_done(device);
    *device = bare;
}

/* ---- what is told: a line each, "found a backup", "crossed a 1", … */

struct fixture {
    struct herd herd;
    struct observation seen;
    struct herd_view view;
    uint64_t now_usec;
    char told[TOLD_MAX];
};

static const char *finding_name(enum finding_kind kind)
{
    static const char *const names[] = {
        [FINDING_FOUND] = "found", [FINDING_RENAMED] = "renamed", [FINDING_ROLE] = "role",
        [FINDING_GONE] = "gone",   [FINDING_CROSSED] = "crossed", [FINDING_LOST] = "lost",
    };
    return names[kind];
}

static void take_finding(const struct finding *finding, void *user)
{
    struct fixture *fixture = user;
    char line[LINE + DM_NAME_BYTES];
    const struct member *member = finding->member;
    int n = snprintf(line, sizeof(line), "%s %s", finding_name(finding->kind), member->name);
    if (finding->kind == FINDING_FOUND || finding->kind == FINDING_ROLE)
        snprintf(line + n, sizeof(line) - (size_t)n, " %s\n", role_name(member->role));
    else if (finding->kind == FINDING_CROSSED)
        snprintf(line + n, sizeof(line) - (size_t)n, " %u\n", finding->crossed);
    else if (finding->kind == FINDING_LOST)
        snprintf(line + n, sizeof(line) - (size_t)n, " %s\n",
                 snapshot_state_name(member->target.status.state));
    else
        snprintf(line + n, sizeof(line) - (size_t)n, "\n");
    assert_true(finding->kind == FINDING_CROSSED || finding->crossed == 0);
    assert_true(strlen(fixture->told) + strlen(line) < TOLD_MAX);
    strcat(fixture->told, line);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->view = (struct herd_view){
        .policies = &any_policy, .n_policies = 1, .tell = take_finding, .user = fixture};
    fixture->now_usec = 1000 * SECOND;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    herd_done(&fixture->herd);
    herd_done(&fixture->herd);
    observation_done(&fixture->seen);
    free(fixture);
    return 0;
}

/* A second later the machine is looked at; what was told is compared. */
static void expect_look(struct fixture *fixture, const char *told)
{
    fixture->now_usec += SECOND;
    fixture->told[0] = '\0';
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, fixture->now_usec, &fixture->view), 0);
    assert_string_equal(fixture->told, told);
}

static void expect_sample(struct fixture *fixture, const struct dm_device *device, const char *told,
                          bool expected_stale)
{
    bool stale = !expected_stale;
    fixture->now_usec += SECOND;
    fixture->told[0] = '\0';
    herd_sample(&fixture->herd, device, fixture->now_usec, &fixture->view, &stale);
    assert_string_equal(fixture->told, told);
    assert_int_equal(stale, expected_stale);
}

static void use_percent(struct dm_device *device, uint64_t percent)
{
    device->active.targets[0].status.used_sectors = (TOTAL * percent + 99) / 100;
}

static void set_state(struct dm_device *device, enum snapshot_state snapshot_state)
{
    device->active.targets[0].status = (struct snapshot_status){.state = snapshot_state};
}

static void set_valid(struct dm_device *device, uint64_t percent)
{
    device->active.targets[0].status = snapshot_target(ORIGIN, STORE, percent).status;
}

/* ---- found and gone */

static void test_found_and_gone(void **state)
{
    struct fixture *fixture = *state;
    expect_look(fixture, "");
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 1);
    observation_done(&fixture->seen);
    expect_look(fixture, "gone a\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 0);
}

static void test_only_snapshots_are_watched(void **state)
{
    struct fixture *fixture = *state;
    static const enum target_kind kinds[] = {TARGET_OTHER, TARGET_LINEAR, TARGET_ERROR,
                                             TARGET_SNAPSHOT_ORIGIN};
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct target target = {.kind = kinds[i], .origin = ORIGIN};
        dm_table_add(&add_device(&fixture->seen, "other", i)->active, &target);
    }
    struct target waiting = snapshot_target(ORIGIN, STORE, 10);
    dm_table_add(&add_device(&fixture->seen, "waiting", 9)->inactive, &waiting);
    expect_look(fixture, "");
}

/* The gone first, then the others in the order they are seen. */
static void test_order(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 10);
    add_snapshot(&fixture->seen, "c", 3, 10);
    expect_look(fixture, "found a live\nfound b live\nfound c live\n");
    observation_done(&fixture->seen);
    add_snapshot(&fixture->seen, "d", 4, 75);
    add_snapshot(&fixture->seen, "b", 2, 55);
    set_state(add_snapshot(&fixture->seen, "e", 5, 10), SNAPSHOT_OVERFLOW);
    expect_look(fixture, "gone a\ngone c\nfound d live\ncrossed d 7\ncrossed b 1\nfound e live\n"
                         "lost e Overflow\n");
}

static void test_many(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        add_snapshot(&fixture->seen, name, i, 10);
    }
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, SECOND, &fixture->view), 0);
    assert_int_equal(fixture->herd.n_members, 100);
    for (unsigned i = 0; i < 100; i += 2)
        fixture->seen.devices[i].active.targets[0].kind = TARGET_LINEAR;
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, 2 * SECOND, &fixture->view), 0);
    assert_int_equal(fixture->herd.n_members, 50);
    for (unsigned i = 0; i < 50; i++)
        assert_true(fixture->herd.members[i]->device == makedev(254, 2 * i + 1));
}

/* Found in any order, each is known again, and gone alone. */
static void test_many_in_disorder(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 101; i++) {
        unsigned number = i * 37 % 101;
        snprintf(name, sizeof(name), "s%u", number);
        add_snapshot(&fixture->seen, name, number, 10);
    }
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, SECOND, &fixture->view), 0);
    assert_int_equal(fixture->herd.n_members, 101);
    expect_look(fixture, "");
    for (unsigned i = 0; i < 101; i++)
        assert_true(fixture->herd.members[i]->device == makedev(254, i));
    fixture->seen.devices[7].active.targets[0].kind = TARGET_LINEAR;
    snprintf(name, sizeof(name), "gone s%u\n", 7 * 37 % 101);
    expect_look(fixture, name);
}

static void test_what_a_member_knows(void **state)
{
    struct fixture *fixture = *state;
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    add_snapshot(&fixture->seen, "a", 1, 25);
    expect_look(fixture, "found a backup\n");
    const struct member *member = fixture->herd.members[0];
    assert_string_equal(member->name, "a");
    assert_string_equal(member->uuid, "uuid-1");
    assert_true(member->device == makedev(254, 1));
    assert_int_equal(member->disk_sequence, 101);
    assert_true(member->target.origin == ORIGIN && member->target.store == STORE + 1);
    assert_true(member->alone);
    assert_false(member->role_forced);
    assert_true(member->origin_user == makedev(254, 50));
    assert_int_equal(member->origin_user_disk_sequence, 150);
    assert_string_equal(member->origin_user_name, "origin");
    assert_string_equal(member->origin_user_uuid, "uuid-50");
    assert_ptr_equal(member->policy, &any_policy);
    assert_int_equal(member->asked_usec, fixture->now_usec);
    assert_true(member->has_sample);
    assert_int_equal(member->sample.taken_usec, fixture->now_usec);
    assert_int_equal(member->sample.used_sectors, TOTAL / 4);
    assert_int_equal(member->sample.total_sectors, TOTAL);
    assert_int_equal(member->sample.bytes_left, member->sample.chunks_left * 4096);
    /* 8192 chunks: 2 for header and first area, 31 areas of 256 more; 2048 are used, 8 of them metadata */
    assert_int_equal(member->sample.chunks_left, 8159 - 2039);
    assert_true(member->sample.time_left_usec == TIME_UNKNOWN_USEC);
}

static void test_rate(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    device->active.targets[0].status.used_sectors += 2048; /* a MiB in a second */
    expect_look(fixture, "");
    const struct member *member = fixture->herd.members[0];
    assert_int_equal(member->sample.peak_bytes_per_second, 1048576);
    assert_int_equal(member->sample.rate_bytes_per_second, 1048576 / 6); /* dt / (dt + window) */
    assert_true(member->sample.time_left_usec != TIME_UNKNOWN_USEC);
}

/* ---- identity */

static void test_number_is_reused(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    strcpy(device->uuid, "another");
    expect_look(fixture, "gone a\nfound a live\n");
    device->uuid[0] = '\0';
    expect_look(fixture, "gone a\nfound a live\n");
    device->disk_sequence++;
    expect_look(fixture, "gone a\nfound a live\n");
    device->active.targets[0].store++;
    expect_look(fixture, "gone a\nfound a live\n");
    device->active.targets[0].origin++;
    expect_look(fixture, "gone a\nfound a live\n");
    device->number++;
    expect_look(fixture, "gone a\nfound a live\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 1);
}

/* Another snapshot has a ladder, a rate and a loss of its own. */
static void test_reuse_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 75);
    expect_look(fixture, "found a live\ncrossed a 7\n");
    device->disk_sequence++;
    expect_look(fixture, "gone a\nfound a live\ncrossed a 7\n");
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
    device->disk_sequence++;
    expect_look(fixture, "gone a\nfound a live\nlost a Invalid\n");
    assert_false(fixture->herd.members[0]->has_sample);
}

/* Length, chunk size, kind and what waits are no identity: a merge or a growth keeps the member. */
static void test_changes_that_keep_a_member(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    const struct member *member = fixture->herd.members[0];
    device->active.targets[0].status.total_sectors *= 2;
    device->active.targets[0].length_sectors *= 2;
    device->suspended = true;
    device->open_count = 1;
    expect_look(fixture, "");
    device->active.targets[0].kind = TARGET_SNAPSHOT_MERGE;
    expect_look(fixture, "");
    assert_ptr_equal(fixture->herd.members[0], member);
    assert_int_equal(member->target.kind, TARGET_SNAPSHOT_MERGE);
    assert_int_equal(member->sample.total_sectors, 2 * TOTAL);
}

static void test_rename(void **state)
{
    struct fixture *fixture = *state;
    struct rung other[] = {RUNG(5, alert_action, "at 5% = alert"), RUNG(50, alert_action, "at 50% = alert")};
    struct policy policies[] = {
        {.pattern = "a*", .rungs = rungs, .n_rungs = 3, .hysteresis_centipercent = 200},
        {.pattern = "b*", .rungs = other, .n_rungs = 2, .hysteresis_centipercent = 200},
    };
    fixture->view.policies = policies;
    fixture->view.n_policies = 2;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 55);
    expect_look(fixture, "found a live\ncrossed a 1\n");
    const struct member *member = fixture->herd.members[0];
    assert_ptr_equal(member->policy, &policies[0]);
    strcpy(device->name, "b");
    expect_look(fixture, "renamed b\ncrossed b 1\n"); /* at 5%; at 50% stands in both and stays fired */
    assert_ptr_equal(fixture->herd.members[0], member);
    assert_ptr_equal(member->policy, &policies[1]);
    strcpy(device->name, "c");
    expect_look(fixture, "renamed c\n");
    assert_null(member->policy);
    strcpy(device->name, "a");
    expect_look(fixture, "renamed a\ncrossed a 1\n"); /* nothing guarded it meanwhile: all begins anew */
}

/* A name that goes to another device is that one's; members are told apart by device. */
static void test_names_swapped(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *a = add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 55);
    expect_look(fixture, "found a live\nfound b live\ncrossed b 1\n");
    a = &fixture->seen.devices[0];
    strcpy(a->name, "b");
    strcpy(fixture->seen.devices[1].name, "a");
    expect_look(fixture, "renamed b\nrenamed a\n");
    assert_string_equal(fixture->herd.members[0]->name, "b");
    use_percent(a, 55);
    expect_look(fixture, "crossed b 1\n");
}

static void test_longest_names(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    memset(device->name, 'n', DM_NAME_BYTES - 1);
    memset(device->uuid, 'u', DM_UUID_BYTES - 1);
    fixture->now_usec += SECOND;
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, fixture->now_usec, &fixture->view), 0);
    assert_string_equal(fixture->herd.members[0]->name, device->name);
    assert_string_equal(fixture->herd.members[0]->uuid, device->uuid);
    device->name[0] = 'm';
    fixture->told[0] = '\0';
    fixture->now_usec += SECOND;
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, fixture->now_usec, &fixture->view), 0);
    assert_memory_equal(fixture->told, "renamed mnn", 11);
    assert_string_equal(fixture->herd.members[0]->name, device->name);
}

/* ---- lookup errors */

static void test_lookup_error_forgets_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 55);
    add_snapshot(&fixture->seen, "b", 2, 10);
    expect_look(fixture, "found a live\ncrossed a 1\nfound b live\n");
    uint64_t asked_usec = fixture->now_usec;
    make_unreadable(&fixture->seen.devices[0]);
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 2);
    assert_int_equal(fixture->herd.members[0]->asked_usec, asked_usec); /* nobody was asked */
    assert_int_equal(fixture->herd.members[1]->asked_usec, fixture->now_usec);
    observation_done(&fixture->seen);
    add_snapshot(&fixture->seen, "a", 1, 55);
    expect_look(fixture, "gone b\n"); /* and a has not been forgotten: at 50% has fired */
}

static void test_lookup_error_of_another_keeps_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 10);
    expect_look(fixture, "found a live\nfound b live\n");
    observation_done(&fixture->seen);
    make_unreadable(add_snapshot(&fixture->seen, "a", 1, 10));
    expect_look(fixture, "gone b\n"); /* the kernel does not list it */
}

static void test_lookup_error_flips_no_role(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    expect_look(fixture, "found a backup\n");
    make_unreadable(&fixture->seen.devices[1]);
    expect_look(fixture, "");
    const struct member *member = fixture->herd.members[0];
    assert_int_equal(member->role, ROLE_BACKUP);
    assert_true(member->origin_user == makedev(254, 50)); /* as last seen */
    assert_int_equal(member->origin_user_disk_sequence, 150);
    dm_device_done(&fixture->seen.devices[1]);
    fixture->seen.n_devices = 1;
    expect_look(fixture, "role a live\n");
    make_unreadable(add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN));
    expect_look(fixture, "");
    assert_int_equal(member->role, ROLE_LIVE);
    assert_true(member->origin_user == 0);
    assert_string_equal(member->origin_user_name, "");
}

/* ---- role */

static void test_role(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    struct dm_device *origin_user = add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    expect_look(fixture, "role a backup\n");
    expect_look(fixture, "");
    origin_user->active.targets[0].origin = ORIGIN + 100;
    expect_look(fixture, "role a live\n");
    assert_true(fixture->herd.members[0]->origin_user == 0);
    assert_int_equal(fixture->herd.members[0]->origin_user_disk_sequence, 0);
}

/* A sibling's merge writes to the origin: the system runs there. It is a snapshot itself, too. */
static void test_merging_sibling_is_an_origin_user(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_MERGE);
    expect_look(fixture, "found a backup\nfound origin live\n");
    assert_true(fixture->herd.members[0]->origin_user == makedev(254, 50));
    assert_true(fixture->herd.members[1]->origin_user == 0); /* not its own */
}

static void test_role_forced(void **state)
{
    struct fixture *fixture = *state;
    struct policy policies[] = {{.pattern = "a", .role = ROLE_LIVE}, {.pattern = "b", .role = ROLE_BACKUP}};
    fixture->view.policies = policies;
    fixture->view.n_policies = 2;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_ORIGIN);
    device = &fixture->seen.devices[0];
    expect_look(fixture, "");
    const struct member *member = fixture->herd.members[0];
    assert_true(member->role_forced);
    assert_true(member->origin_user == makedev(254, 50)); /* is known all the same */
    strcpy(device->name, "b");
    expect_look(fixture, "renamed b\nrole b backup\n");
    strcpy(device->name, "c");
    expect_look(fixture, "renamed c\n");
    assert_false(member->role_forced);
    dm_device_done(&fixture->seen.devices[1]);
    fixture->seen.n_devices = 1;
    expect_look(fixture, "role c live\n");
    strcpy(device->name, "b");
    expect_look(fixture, "renamed b\nrole b backup\n");
    assert_true(member->role_forced);
}

/* ---- crossed and lost */

static void test_crossed_once(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 49);
    expect_look(fixture, "found a live\n");
    use_percent(device, 50);
    expect_look(fixture, "crossed a 1\n");
    expect_look(fixture, "");
    use_percent(device, 71);
    expect_look(fixture, "crossed a 6\n");
    use_percent(device, 69);
    expect_look(fixture, ""); /* within the hysteresis */
    use_percent(device, 71);
    expect_look(fixture, "");
    use_percent(device, 47);
    expect_look(fixture, "");
    use_percent(device, 65);
    expect_look(fixture, "crossed a 3\n");
}

static void test_lost_once(void **state)
{
    static const struct {
        enum snapshot_state state;
        const char *told;
    } states[] = {{SNAPSHOT_INVALID, "lost a Invalid\n"},
                  {SNAPSHOT_OVERFLOW, "lost a Overflow\n"},
                  {SNAPSHOT_MERGE_FAILED, "lost a Merge failed\n"}};

    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        set_state(device, states[i].state);
        expect_look(fixture, states[i].told);
        expect_look(fixture, "");
        set_state(device, SNAPSHOT_UNKNOWN);
        expect_look(fixture, ""); /* nothing is concluded from it */
        set_state(device, states[i].state);
        expect_look(fixture, "");
        set_valid(device, 10);
        expect_look(fixture, "");
    }
}

static void test_one_loss_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    set_state(device, SNAPSHOT_OVERFLOW);
    expect_look(fixture, "lost a Overflow\n");
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "");
}

/* The last figures stay, for who tells of the loss. */
static void test_sample_of_a_lost_one(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 40);
    expect_look(fixture, "found a live\n");
    struct sample before = fixture->herd.members[0]->sample;
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
    const struct member *member = fixture->herd.members[0];
    assert_memory_equal(&member->sample, &before, sizeof(before));
    assert_int_equal(member->target.status.state, SNAPSHOT_INVALID);
    assert_int_equal(member->asked_usec, fixture->now_usec);
    set_state(device, SNAPSHOT_UNKNOWN);
    expect_look(fixture, "");
    assert_memory_equal(&member->sample, &before, sizeof(before));
}

static void test_unknown_from_the_start(void **state)
{
    struct fixture *fixture = *state;
    set_state(add_snapshot(&fixture->seen, "a", 1, 10), SNAPSHOT_UNKNOWN);
    expect_look(fixture, "found a live\n");
    assert_false(fixture->herd.members[0]->has_sample);
}

static void test_merging_climbs_no_ladder(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 80);
    device->active.targets[0].kind = TARGET_SNAPSHOT_MERGE;
    expect_look(fixture, "found a live\n");
    use_percent(device, 99);
    expect_look(fixture, "");
    set_state(device, SNAPSHOT_MERGE_FAILED);
    expect_look(fixture, "lost a Merge failed\n"); /* but it can be lost */
    set_valid(device, 80);
    device->active.targets[0].store = STORE + 1;
    device->active.targets[0].kind = TARGET_SNAPSHOT;
    expect_look(fixture, "crossed a 7\n");
}

static void test_without_policy(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.n_policies = 0;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 99);
    expect_look(fixture, "found a live\n");
    assert_null(fixture->herd.members[0]->policy);
    set_state(device, SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
}

/* ---- ours */

static bool owns(const struct dm_device *device, const struct target *target, void *user)
{
    assert_non_null(user);
    return strcmp(device->name, "origin") == 0 && target->kind == TARGET_SNAPSHOT_MERGE;
}

static void test_ours_is_no_member(void **state)
{
    struct fixture *fixture = *state;
    fixture->view.is_ours = owns;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_origin_user(&fixture->seen, TARGET_SNAPSHOT_MERGE);
    expect_look(fixture, "found a backup\n"); /* it uses the origin all the same */
    fixture->view.is_ours = NULL;
    expect_look(fixture, "found origin live\n");
    fixture->view.is_ours = owns;
    expect_look(fixture, "gone origin\n");
}

/* ---- two targets on one device */

static void test_two_targets(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct target second = snapshot_target(ORIGIN, STORE + 77, 55);
    second.start_sectors = 262144;
    dm_table_add(&device->active, &second);
    expect_look(fixture, "found a live\nfound a live\ncrossed a 1\n");
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 2);
    assert_false(fixture->herd.members[0]->alone);
    assert_false(fixture->herd.members[1]->alone);
    make_unreadable(device);
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 2);
    dm_device_done(device);
    fixture->seen.n_devices = 0;
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "gone a\n");
    assert_true(fixture->herd.members[0]->alone);
    assert_int_equal(fixture->herd.members[0]->target.start_sectors, 0);
}

/* The same origin and store twice on one device are two members, told apart by where they are. */
static void test_two_alike_targets(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct target second = device->active.targets[0];
    second.start_sectors = 262144;
    dm_table_add(&device->active, &second);
    expect_look(fixture, "found a live\nfound a live\n");
    use_percent(device, 55);
    expect_look(fixture, "crossed a 1\n");
    expect_sample(fixture, device, "", false);
}

static void test_a_linear_neighbour(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    assert_true(fixture->herd.members[0]->alone);
    struct target linear = {.kind = TARGET_LINEAR, .start_sectors = 262144};
    dm_table_add(&device->active, &linear);
    expect_look(fixture, "");
    assert_int_equal(fixture->herd.n_members, 1);
    assert_false(fixture->herd.members[0]->alone);
}

/* ---- between complete looks */

static void test_sample(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "b", 2, 10);
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found b live\nfound a live\n");
    use_percent(device, 62);
    uint64_t looked_usec = fixture->now_usec;
    expect_sample(fixture, device, "crossed a 3\n", false);
    expect_sample(fixture, device, "", false);
    assert_int_equal(fixture->herd.members[0]->sample.taken_usec, fixture->now_usec);
    assert_int_equal(fixture->herd.members[1]->sample.taken_usec, looked_usec); /* nobody else's */
    set_state(device, SNAPSHOT_INVALID);
    expect_sample(fixture, device, "lost a Invalid\n", false);
    expect_sample(fixture, device, "", false);
}

static void test_stale_sample(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    struct member before = *fixture->herd.members[0];
    struct dm_device another = *device;
    struct target target = snapshot_target(ORIGIN, STORE + 1, 90);
    another.active.targets = &target;
    strcpy(another.uuid, "another");
    expect_sample(fixture, &another, "", true);
    another = *device, another.active.targets = &target, another.disk_sequence++;
    expect_sample(fixture, &another, "", true);
    another = *device, another.active.targets = &target, target.store++;
    expect_sample(fixture, &another, "", true);
    target.store--, target.origin++;
    expect_sample(fixture, &another, "", true);
    target.origin--, target.kind = TARGET_LINEAR;
    expect_sample(fixture, &another, "", true);
    another.active.n_targets = 0; /* as when it could not be read */
    expect_sample(fixture, &another, "", true);
    assert_memory_equal(fixture->herd.members[0], &before, sizeof(before));
}

static void test_sample_of_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    expect_look(fixture, "found a live\n");
    struct observation other = {0};
    expect_sample(fixture, add_origin_user(&other, TARGET_SNAPSHOT_ORIGIN), "", false);
    observation_done(&other);
}

/* One of its two targets has changed: the other one's figures count, and a complete look is due. */
static void test_half_a_sample(void **state)
{
    struct fixture *fixture = *state;
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 10);
    struct target second = snapshot_target(ORIGIN, STORE + 77, 10);
    second.start_sectors = 262144;
    dm_table_add(&device->active, &second);
    expect_look(fixture, "found a live\nfound a live\n");
    use_percent(device, 55);
    expect_sample(fixture, device, "crossed a 1\n", false);
    device->active.n_targets = 1;
    use_percent(device, 62);
    expect_sample(fixture, device, "crossed a 2\n", true);
}

/* ---- policies */

static void test_set_policies(void **state)
{
    struct fixture *fixture = *state;
    struct rung changed[] = {
        RUNG(40, alert_action, "at 40% = alert"),
        RUNG(70, drop_action, "at 70% = drop"),
        RUNG(50, alert_action, "at 50% = alert"),
    };
    struct policy policy = {.pattern = "*", .rungs = changed, .n_rungs = 3, .hysteresis_centipercent = 200};
    struct dm_device *device = add_snapshot(&fixture->seen, "a", 1, 55);
    expect_look(fixture, "found a live\ncrossed a 1\n");
    herd_set_policies(&fixture->herd, &policy, 1);
    fixture->view.policies = &policy;
    assert_ptr_equal(fixture->herd.members[0]->policy, &policy);
    expect_look(fixture, "crossed a 1\n"); /* the new one alone */
    use_percent(device, 71);
    expect_look(fixture, "crossed a 2\n");
    herd_set_policies(&fixture->herd, NULL, 0);
    assert_null(fixture->herd.members[0]->policy);
    fixture->view.n_policies = 0;
    expect_look(fixture, "");
    herd_set_policies(&fixture->herd, &any_policy, 1);
    fixture->view = (struct herd_view){
        .policies = &any_policy, .n_policies = 1, .tell = take_finding, .user = fixture};
    expect_look(fixture, "crossed a 7\n");
}

static void test_policies_by_uuid(void **state)
{
    struct fixture *fixture = *state;
    struct policy policies[] = {{.pattern = "*"}, {.pattern = "uuid-2", .by_uuid = true}};
    fixture->view.policies = policies;
    fixture->view.n_policies = 2;
    add_snapshot(&fixture->seen, "a", 1, 10);
    add_snapshot(&fixture->seen, "b", 2, 10);
    expect_look(fixture, "found a live\nfound b live\n");
    assert_ptr_equal(fixture->herd.members[0]->policy, &policies[0]);
    assert_ptr_equal(fixture->herd.members[1]->policy, &policies[1]);
}

/* ---- the fullest */

static void test_fullest(void **state)
{
    struct fixture *fixture = *state;
    assert_null(herd_fullest(&fixture->herd));
    add_snapshot(&fixture->seen, "a", 1, 20);
    add_snapshot(&fixture->seen, "b", 2, 45);
    set_state(add_snapshot(&fixture->seen, "c", 3, 10), SNAPSHOT_INVALID);
    add_snapshot(&fixture->seen, "d", 4, 45);
    expect_look(fixture, "found a live\nfound b live\nfound c live\nlost c Invalid\nfound d live\n");
    assert_ptr_equal(herd_fullest(&fixture->herd), fixture->herd.members[1]);
    set_state(&fixture->seen.devices[1], SNAPSHOT_INVALID); /* its last sample stays the fullest */
    set_state(&fixture->seen.devices[3], SNAPSHOT_UNKNOWN);
    expect_look(fixture, "lost b Invalid\n");
    assert_ptr_equal(herd_fullest(&fixture->herd), fixture->herd.members[0]);
    set_state(&fixture->seen.devices[0], SNAPSHOT_INVALID);
    expect_look(fixture, "lost a Invalid\n");
    assert_null(herd_fullest(&fixture->herd));
}

/* ---- without memory */

static void test_without_memory(void **state)
{
    struct fixture *fixture = *state;
    add_snapshot(&fixture->seen, "a", 1, 10);
    without_memory = true;
    int r = herd_look(&fixture->herd, &fixture->seen, SECOND, &fixture->view);
    without_memory = false;
    assert_int_equal(r, -ENOMEM);
    assert_string_equal(fixture->told, "");
    assert_int_equal(fixture->herd.n_members, 0);
    expect_look(fixture, "found a live\n"); /* the next look finds it */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_found_and_gone),
        TEST(test_only_snapshots_are_watched),
        TEST(test_order),
        TEST(test_many),
        TEST(test_many_in_disorder),
        TEST(test_what_a_member_knows),
        TEST(test_rate),
        TEST(test_number_is_reused),
        TEST(test_reuse_begins_anew),
        TEST(test_changes_that_keep_a_member),
        TEST(test_rename),
        TEST(test_names_swapped),
        TEST(test_longest_names),
        TEST(test_lookup_error_forgets_nobody),
        TEST(test_lookup_error_of_another_keeps_nobody),
        TEST(test_lookup_error_flips_no_role),
        TEST(test_role),
        TEST(test_merging_sibling_is_an_origin_user),
        TEST(test_role_forced),
        TEST(test_crossed_once),
        TEST(test_lost_once),
        TEST(test_one_loss_is_told_once),
        TEST(test_sample_of_a_lost_one),
        TEST(test_unknown_from_the_start),
        TEST(test_merging_climbs_no_ladder),
        TEST(test_without_policy),
        TEST(test_ours_is_no_member),
        TEST(test_two_targets),
        TEST(test_two_alike_targets),
        TEST(test_a_linear_neighbour),
        TEST(test_sample),
        TEST(test_stale_sample),
        TEST(test_sample_of_nobody),
        TEST(test_half_a_sample),
        TEST(test_set_policies),
        TEST(test_policies_by_uuid),
        TEST(test_fullest),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
