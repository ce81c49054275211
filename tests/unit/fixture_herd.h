/* A machine with dm devices, and what each look at it tells of the herd. */
#pragma once

#include "cowherd/herd.h"
#include <sys/sysmacros.h>

#define SECOND   UINT64_C(1000000)
#define ORIGIN   makedev(8, 1)
#define STORE    makedev(8, 2)
#define TOTAL    65536
#define TOLD_MAX 4096

struct fixture {
    struct herd herd;
    struct observation seen;
    struct herd_view view;
    uint64_t now_usec;
    char told[TOLD_MAX];
};

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int set_up(void **state);
int tear_down(void **state);

/* ---- rungs: alert at 50%, extend at 60%, drop at 70% */

extern struct action alert_action, extend_action, drop_action;
extern struct rung rungs[];
extern struct policy any_policy;

#define RUNG(percent, action_, text_)                                                                        \
    {                                                                                                        \
        .condition = {CONDITION_USED, (percent)*100}, .actions = &(action_), .n_actions = 1, .text = (text_) \
    }

/* ---- what is seen: devices 254:MINOR of the UUID uuid-MINOR */

struct target snapshot_target(dev_t origin, dev_t store, uint64_t used_percent);
struct dm_device *add_device(struct observation *seen, const char *name, unsigned device_minor);
struct dm_device *add_snapshot(struct observation *seen, const char *name, unsigned device_minor,
                               uint64_t used_percent);

/* The device 254:50 "origin" over ORIGIN, of this kind. */
struct dm_device *add_origin_user(struct observation *seen, enum target_kind kind);

/* A lookup that failed: the device is there, and nothing else is known. */
void make_unreadable(struct dm_device *device);

void use_percent(struct dm_device *device, uint64_t percent);
void set_state(struct dm_device *device, enum snapshot_state snapshot_state);
void set_valid(struct dm_device *device, uint64_t percent);

/* ---- what is told: a line each, "found a backup", "crossed a 1", … */

void take_finding(const struct finding *finding, void *user);

/* A second later the machine, or one device, is looked at; what was told is compared. */
void expect_look(struct fixture *fixture, const char *told);
void expect_sample(struct fixture *fixture, const struct dm_device *device, const char *told,
                   bool expected_stale);
