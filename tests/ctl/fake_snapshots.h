/* The snapshots that the fake herd shows, as the properties of org.cowherd.Herd1.Snapshot have them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RUNGS_MAX 16
#define TEXT_MAX  512

struct rung {
    char text[TEXT_MAX];
    int fired;
    char in_time[8];
    char reason[TEXT_MAX];
};

struct snapshot {
    char name[TEXT_MAX];
    char uuid[TEXT_MAX], role[TEXT_MAX], state[TEXT_MAX], origin[TEXT_MAX], origin_device[TEXT_MAX];
    char store[TEXT_MAX], store_device[TEXT_MAX], section[TEXT_MAX], next_rung[TEXT_MAX];
    char guarantee[TEXT_MAX], guarantee_reason[TEXT_MAX];
    char action[TEXT_MAX], phase[TEXT_MAX], action_rung[TEXT_MAX], action_reason[TEXT_MAX];
    uint32_t major, minor, chunk_sectors;
    uint64_t start_sectors, used_sectors, total_sectors, metadata_sectors, chunks_left, free_bytes;
    uint64_t fill_rate_bytes, held_until, looked_at;
    double used_percent, seconds_left, progress;
    int has_usage, counted;
    struct rung rungs[RUNGS_MAX];
    size_t n_rungs;
};

extern struct snapshot **snapshots;
extern size_t n_snapshots;

/* A backup snapshot, half full. */
struct snapshot *snapshots_add(const char *name);

/* Or NULL. */
struct snapshot *snapshots_find(const char *name);

void snapshots_remove(struct snapshot *snapshot);

/* Says why, and ends the program. */
void die(const char *what, int r);
