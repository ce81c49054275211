#include "fixture_herd.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK 8
#define LINE  64

struct action alert_action = {.kind = ACTION_ALERT};
struct action extend_action = {.kind = ACTION_EXTEND};
struct action drop_action = {.kind = ACTION_DROP};

struct rung rungs[] = {
    RUNG(50, alert_action, "at 50% = alert"),
    RUNG(60, extend_action, "at 60% = extend 20%"),
    RUNG(70, drop_action, "at 70% = drop"),
};

struct policy any_policy = {.pattern = "*", .rungs = rungs, .n_rungs = 3, .hysteresis_centipercent = 200};

struct target snapshot_target(dev_t origin, dev_t store, uint64_t used_percent)
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

struct dm_device *add_device(struct observation *seen, const char *name, unsigned device_minor)
{
    struct dm_device *device = observation_add(seen);
    assert_non_null(device);
    strcpy(device->name, name);
    snprintf(device->uuid, sizeof(device->uuid), "uuid-%u", device_minor);
    device->number = makedev(254, device_minor);
    device->disk_sequence = 100 + device_minor;
    return device;
}

struct dm_device *add_snapshot(struct observation *seen, const char *name, unsigned device_minor,
                               uint64_t used_percent)
{
    struct dm_device *device = add_device(seen, name, device_minor);
    struct target target = snapshot_target(ORIGIN, STORE + device_minor, used_percent);
    assert_int_equal(dm_table_add(&device->active, &target), 0);
    return device;
}

struct dm_device *add_origin_user(struct observation *seen, enum target_kind kind)
{
    struct dm_device *device = add_device(seen, "origin", 50);
    struct target target = {.kind = kind, .length_sectors = 262144, .origin = ORIGIN};
    if (kind == TARGET_SNAPSHOT_MERGE)
        target = snapshot_target(ORIGIN, makedev(8, 99), 1), target.kind = kind;
    assert_int_equal(dm_table_add(&device->active, &target), 0);
    return device;
}

void make_unreadable(struct dm_device *device)
{
    struct dm_device bare = {.number = device->number, .error = -EBADMSG};
    strcpy(bare.name, device->name);
    dm_device_done(device);
    *device = bare;
}

void use_percent(struct dm_device *device, uint64_t percent)
{
    device->active.targets[0].status.used_sectors = (TOTAL * percent + 99) / 100;
}

void set_state(struct dm_device *device, enum snapshot_state snapshot_state)
{
    device->active.targets[0].status = (struct snapshot_status){.state = snapshot_state};
}

void set_valid(struct dm_device *device, uint64_t percent)
{
    device->active.targets[0].status = snapshot_target(ORIGIN, STORE, percent).status;
}

static const char *finding_name(enum finding_kind kind)
{
    static const char *const names[] = {
        [FINDING_FOUND] = "found", [FINDING_RENAMED] = "renamed", [FINDING_ROLE] = "role",
        [FINDING_GONE] = "gone",   [FINDING_CROSSED] = "crossed", [FINDING_LOST] = "lost",
    };
    return names[kind];
}

void take_finding(const struct finding *finding, void *user)
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

int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->view = (struct herd_view){
        .policies = &any_policy, .n_policies = 1, .tell = take_finding, .user = fixture};
    fixture->now_usec = 1000 * SECOND;
    *state = fixture;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *fixture = *state;
    herd_done(&fixture->herd);
    herd_done(&fixture->herd);
    observation_done(&fixture->seen);
    free(fixture);
    return 0;
}

void expect_look(struct fixture *fixture, const char *told)
{
    fixture->now_usec += SECOND;
    fixture->told[0] = '\0';
    assert_int_equal(herd_look(&fixture->herd, &fixture->seen, fixture->now_usec, &fixture->view), 0);
    assert_string_equal(fixture->told, told);
}

void expect_sample(struct fixture *fixture, const struct dm_device *device, const char *told,
                   bool expected_stale)
{
    bool stale = !expected_stale;
    fixture->now_usec += SECOND;
    fixture->told[0] = '\0';
    herd_sample(&fixture->herd, device, fixture->now_usec, &fixture->view, &stale);
    assert_string_equal(fixture->told, told);
    assert_int_equal(stale, expected_stale);
}
