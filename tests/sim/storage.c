/* What outlives the daemon: intents, stores, limits of writers, the configuration's file. */
#include "storage.h"
#include "../../daemon/config/file.h"
#include "children.h"
#include "cowherd/action_times.h"
#include "cowherd/brake_limit.h"
#include "cowherd/intent_file.h"
#include "cowherd/operator_hold_file.h"
#include "cowherd/store_device.h"
#include "cowherd/store_growth.h"
#include "cowherd/text_file.h"
#include "devices.h"
#include "oracle.h"
#include "world.h"
#include "writers.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS_MAX 32
#define BOOT_ID     "00000000-0000-0000-0000-000000000000"

static struct intent records[RECORDS_MAX];
static size_t n_records;
static char kept_text[ACTION_TIMES_TEXT_MAX + 1]; /* what actions took */
static bool is_kept, is_being_kept;

void storage_clear(void)
{
    n_records = 0;
    is_kept = is_being_kept = false;
}

static struct intent *find(const struct intent *like)
{
    for (size_t i = 0; i < n_records; i++)
        if (records[i].origin == like->origin && records[i].store == like->store)
            return &records[i];
    return NULL;
}

const struct intent *storage_record(const struct intent *like)
{
    const struct intent *record = find(like);
    return record && strcmp(record->uuid, like->uuid) == 0 ? record : NULL;
}

bool storage_has(const char *uuid)
{
    for (size_t i = 0; i < n_records; i++)
        if (strcmp(records[i].uuid, uuid) == 0)
            return true;
    return false;
}

/* ---- intents */

int intent_file_store(const char *directory, const struct intent *intent)
{
    (void)directory;
    int r = children_call();
    if (r < 0 || world.disk_full)
        return r < 0 ? r : -ENOSPC;
    struct intent *record = find(intent);
    if (record && intent_must_yield(intent, record))
        return -ESTALE;
    if (!record)
        record = &records[n_records++];
    *record = *intent;
    record->cancelled = false; /* not recorded */
    record->held[0] = '\0';
    return 0;
}

int intent_file_read(const char *directory, const struct intent *intent, struct intent *ret_intent)
{
    (void)directory;
    const struct intent *record = find(intent);
    if (!record)
        return -ENOENT;
    *ret_intent = *record;
    return 0;
}

int intent_file_remove(const char *directory, const struct intent *intent)
{
    (void)directory;
    int r = children_call();
    struct intent *record = r < 0 ? NULL : find(intent);
    if (record && intent_same_snapshot(record, intent))
        *record = records[--n_records];
    return r;
}

int intent_file_sweep(const char *directory)
{
    (void)directory;
    return 0;
}

int intent_file_list(const char *directory, struct intent **ret_intents, size_t *ret_n_intents,
                     size_t *ret_n_broken, char broken[static 256])
{
    (void)directory, (void)broken;
    *ret_intents = calloc(n_records + 1, sizeof(**ret_intents));
    memcpy(*ret_intents, records, n_records * sizeof(*records));
    *ret_n_intents = n_records;
    *ret_n_broken = 0;
    return 0;
}

int intent_boot_id(char boot_id[static BOOT_ID_BYTES])
{
    strcpy(boot_id, BOOT_ID);
    return 0;
}

/* No operator is played. */
int operator_hold_file_store(const char *directory, const struct operator_holds *holds, const char *boot_id)
{
    (void)directory, (void)holds, (void)boot_id;
    return 0;
}

int operator_hold_file_read(const char *directory, const char *boot_id, struct operator_holds *ret_holds)
{
    (void)directory, (void)boot_id, (void)ret_holds;
    return 0;
}

/* ---- what actions took: the one text file that the daemon keeps */

int text_file_replace(int directory, const char *name, const char *temporary, const char *text, size_t length)
{
    (void)directory, (void)name, (void)temporary;
    is_being_kept = true;
    int r = children_call();
    is_being_kept = false;
    if (r == 0 && world.disk_full)
        r = -ENOSPC;
    if (r < 0) {
        oracle_memory_is_lost();
        return r;
    }
    memcpy(kept_text, text, length);
    kept_text[length] = '\0';
    is_kept = true;
    return 0;
}

bool storage_was_being_kept(void)
{
    bool was = is_being_kept;
    is_being_kept = false;
    return was;
}

int text_file_read(int directory, const char *name, char *text, size_t size)
{
    (void)directory, (void)name;
    if (!is_kept)
        return -ENOENT;
    snprintf(text, size, "%s", kept_text);
    return 0;
}

/* ---- stores */

int store_device_zero(dev_t store, bool only_if_merged)
{
    int r = children_call();
    struct group *group = devices_group_of(store);
    if (r < 0 || !group)
        return r < 0 ? r : -ENXIO;
    return model_zero(&group->machine, store, only_if_merged);
}

int store_device_is_merged(dev_t store, uint32_t chunk_sectors)
{
    (void)chunk_sectors;
    int r = children_call();
    struct group *group = devices_group_of(store);
    if (r < 0 || !group)
        return r < 0 ? r : -ENXIO;
    return model_is_merged(&group->machine, store);
}

int store_device_read(dev_t store, const struct exception_store *geometry,
                      struct store_contents *ret_contents)
{
    (void)geometry;
    int r = children_call();
    struct group *group = devices_group_of(store);
    if (r < 0 || !group)
        return r < 0 ? r : -ENXIO;
    *ret_contents = (struct store_contents){
        .exceptions = group->machine.stores[store == devices_store(group, CT) ? CT : C].exceptions};
    return 0;
}

bool store_contents_say_full(const struct exception_store *geometry, const struct store_contents *contents)
{
    return contents->exceptions >= exception_store_capacity(geometry) / 2;
}

/* ---- extensions */

int store_growth_lock(const char *state_directory, int *lock_fd, char reason[static GROWTH_REASON_MAX])
{
    (void)state_directory, (void)lock_fd;
    reason[0] = '\0';
    return 0;
}

static int begin_growth(const struct intent *intent, char reason[static GROWTH_REASON_MAX],
                        struct group **ret_group)
{
    reason[0] = '\0';
    int r = children_call();
    *ret_group = devices_group_of(intent->store);
    if (r == 0 && world.no_space) {
        snprintf(reason, GROWTH_REASON_MAX, "no space");
        r = -ENOSPC;
    }
    return r == 0 && !*ret_group ? -ENXIO : r;
}

int store_growth_load(const struct intent *intent, const char *state_directory, int *lock_fd,
                      char reason[static GROWTH_REASON_MAX])
{
    struct group *group;
    (void)state_directory, (void)lock_fd;
    int r = begin_growth(intent, reason, &group);
    struct model_device *store = r == 0 ? devices_find(intent->store, NULL) : NULL;
    if (!store)
        return r < 0 ? r : -ENXIO;
    struct target table = store->active.targets[0];
    table.length_sectors = intent->grow_to_sectors;
    return model_load(&group->machine, store, &table);
}

int store_growth_loop(const struct intent *intent, char reason[static GROWTH_REASON_MAX])
{
    struct group *group;
    int r = begin_growth(intent, reason, &group);
    if (r < 0)
        return r;
    oracle_grows(group, intent->grow_to_sectors);
    group->machine.stores[C].total_sectors = intent->grow_to_sectors;
    return 0;
}

/* ---- limits of writers */

static struct group *held_group(dev_t device)
{
    struct group *group;
    struct model_device *found = devices_find(device, &group);
    return found && found == devices_written(group) ? group : NULL;
}

int brake_limit_set(const struct brake_limit *limit, struct brake_limit_result *ret_result)
{
    int r = children_call();
    struct group *group = held_group(limit->device);
    bool is_release = limit->rate.bytes_per_second == UINT64_MAX && !children_is_daemon();
    if (r == 0 && is_release && world.history->releases_fail && ++world.n_releases % 2 == 1)
        r = -EIO;
    if (ret_result)
        *ret_result = (struct brake_limit_result){.n_groups = 1, .error = r};
    if (r < 0 || !group)
        return r < 0 ? r : -ESTALE;
    group->cap = limit->rate;
    if (limit->rate.bytes_per_second != UINT64_MAX)
        writers_take_slice(group);
    world_trace("writers of group %u are held to %" PRIu64 " bytes, %" PRIu64 " writes a second",
                group->index, limit->rate.bytes_per_second, limit->rate.writes_per_second);
    return 0;
}

void brake_limit_run(const void *limit, int result_fd)
{
    struct brake_limit order = *(const struct brake_limit *)limit;
    struct brake_limit_result result = {0};
    int r = brake_limit_set(&order, &result);
    result.error = r;
    if (write(result_fd, &result, sizeof(result)) != sizeof(result))
        _exit(1);
}

int brake_limit_list(const char *directory, dev_t *devices, size_t max)
{
    int n = 0;
    (void)directory;
    for (size_t i = 0; i < world.history->n_groups && (size_t)n < max; i++)
        if (world.groups[i].cap.bytes_per_second != UINT64_MAX)
            devices[n++] = devices_written(&world.groups[i])->number;
    return n;
}

bool brake_limit_is_possible(void)
{
    return true;
}

int brake_limit_release_all(const char *directory)
{
    (void)directory;
    return 0;
}

/* ---- the configuration */

int config_file_read(const char *path, unsigned owner, struct config_file *ret_file,
                     char reason[static FILE_REASON_MAX])
{
    (void)path, (void)owner, (void)reason;
    char *text = malloc(TEXT_BYTES + 64);
    if (!text)
        return -ENOMEM;
    strcpy(text, world.history->configs[world.config].text);
    if (world.config_is_bad)
        strcat(text, "at 101% = nonsense\n");
    oracle_config_read(world.config);
    *ret_file = (struct config_file){.bytes = text, .n_bytes = strlen(text)};
    return 0;
}

void config_file_done(struct config_file *file)
{
    free(file->bytes);
}
