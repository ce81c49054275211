#include "fake_snapshots.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct snapshot **snapshots;
size_t n_snapshots;

void die(const char *what, int r)
{
    fprintf(stderr, "fake_herd: %s: %s\n", what, strerror(-r));
    exit(1);
}

struct snapshot *snapshots_find(const char *name)
{
    for (size_t i = 0; i < n_snapshots; i++)
        if (strcmp(snapshots[i]->name, name) == 0)
            return snapshots[i];
    return NULL;
}

struct snapshot *snapshots_add(const char *name)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    snapshots = reallocarray(snapshots, n_snapshots + 1, sizeof(*snapshots));
    if (!snapshot || !snapshots)
        die("add", -ENOMEM);
    *snapshot = (struct snapshot){
        .role = "backup",
        .state = "valid",
        .origin = "/dev/vda",
        .origin_device = "254:0",
        .store = "/dev/vdb",
        .store_device = "254:16",
        .section = "snapshot *",
        .next_rung = "at 70% = alert",
        .guarantee = "no",
        .guarantee_reason = "nothing acts: no rung that is still to come extends, merges or drops",
        .major = 253,
        .minor = (uint32_t)n_snapshots,
        .chunk_sectors = 8,
        .has_usage = 1,
        .used_sectors = 32768,
        .total_sectors = 65536,
        .metadata_sectors = 144,
        .chunks_left = 4080,
        .free_bytes = 16711680,
        .used_percent = 50,
        .fill_rate_bytes = 76800,
        .seconds_left = 217.6,
        .progress = -1,
        .looked_at = UINT64_C(1795391403250000),
        .rungs = {{.text = "at 70% = alert"}, {.text = "at 90% = alert critical"}},
        .n_rungs = 2,
    };
    snprintf(snapshot->name, sizeof(snapshot->name), "%s", name);
    snapshots[n_snapshots++] = snapshot;
    return snapshot;
}

void snapshots_remove(struct snapshot *snapshot)
{
    size_t i = 0;
    while (snapshots[i] != snapshot)
        i++;
    memmove(&snapshots[i], &snapshots[i + 1], (n_snapshots - i - 1) * sizeof(*snapshots));
    n_snapshots--;
    free(snapshot);
}
