/* The devices of a group: one origin with its snapshots and their stores, under names and numbers that come again. */
#pragma once

#include "world.h"

dev_t devices_origin(const struct group *group);
dev_t devices_store(const struct group *group, size_t store);

bool devices_is_dm(dev_t number);

/* What is on a device or a store number; NULL: nothing. */
struct group *devices_group_of(dev_t number);
struct model_device *devices_find(dev_t number, struct group **ret_group);

/* The device that the system writes to. */
struct model_device *devices_written(struct group *group);

bool devices_have_snapshot(const struct group *group);
bool devices_are_merging(const struct group *group);

/* Everything anew where the snapshot is missing: the same names and numbers, other UUIDs. */
void devices_create(struct group *group);

/* Everything of it goes, and is made anew, unless somebody is at work on it. */
void devices_replace(struct group *group);

/* What their administrator does. */
void devices_remove_snapshots(struct group *group);
void devices_merge_by_somebody(struct group *group);
void devices_fail_io(struct group *group);

/* A user comes, if it is wanted and nobody has the device for himself, or goes; is_open: whether he is there. */
void devices_open(struct group *group, struct model_device *device, bool *is_open, bool wanted);
void devices_close(struct group *group, size_t index, bool *is_open);

/* Nobody writes any more. */
void devices_unmount(struct group *group);
