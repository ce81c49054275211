#include "history.h"
#include "counters.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define START  UINT64_C(100000000)
#define MIB    (UINT64_C(1) << 20)

const char *item_kind_name(enum item_kind kind)
{
    static const char *const names[] = {
        [ITEM_WRITE] = "write",
        [ITEM_UNMOUNT] = "unmount",
        [ITEM_OPEN] = "open",
        [ITEM_CLOSE] = "close",
        [ITEM_CREATE] = "create",
        [ITEM_REMOVE] = "remove",
        [ITEM_MERGE] = "merge",
        [ITEM_IO_ERROR] = "I/O error",
        [ITEM_RELOAD] = "reload",
        [ITEM_CRASH] = "crash",
        [ITEM_CRASH_AT_CALL] = "crash at a call",
        [ITEM_STOP] = "stop",
        [ITEM_SLEEP] = "sleep",
        [ITEM_LATE] = "late",
        [ITEM_FAIL] = "a call fails",
        [ITEM_HANG] = "a call hangs",
        [ITEM_BLIND] = "looks fail",
        [ITEM_UNREADABLE] = "unreadable",
        [ITEM_NO_SPACE] = "no space",
        [ITEM_DISK_FULL] = "disk full",
        [ITEM_CPU] = "cpu",
        [ITEM_REPLACE] = "replace at a call",
    };
    return names[kind];
}

/* ---- the machine */

static void make_bounds(struct random *random, struct history *history)
{
    unsigned dice = (unsigned)random_between(random, 1, 100);
    if (dice <= 60) { /* a day or so */
        history->length_usec = random_between(random, 12 * HOUR, 36 * HOUR);
        history->shortest_usec = random_magnitude(random, 250000, 2 * SECOND);
        history->assumed_bytes_per_second = random_magnitude(random, MIB, 64 * MIB);
    } else if (dice <= 90) { /* closely watched */
        history->length_usec = random_between(random, 2 * MINUTE, HOUR);
        history->shortest_usec = random_between(random, 20000, 200000);
        history->assumed_bytes_per_second = random_magnitude(random, 8 * MIB, 512 * MIB);
    } else if (dice <= 94) { /* hardly in time */
        history->is_tight = true;
        history->length_usec = random_between(random, 2 * MINUTE, 30 * MINUTE);
        history->shortest_usec = random_between(random, 20000, 50000);
        history->assumed_bytes_per_second = random_magnitude(random, 32 * MIB, 512 * MIB);
    } else { /* weeks */
        history->length_usec = random_between(random, 2 * DAY, 14 * DAY);
        history->shortest_usec = random_magnitude(random, SECOND, 4 * SECOND);
        history->assumed_bytes_per_second = random_magnitude(random, MIB, 16 * MIB);
    }
    history->length_usec += START;
    history->longest_usec = random_between(random, 5 * SECOND, 30 * SECOND);
    history->hysteresis_centipercent = (uint32_t)random_between(random, 1, 5) * 100;
    history->late_usec = random_magnitude(random, 50, 20000);
    history->call_usec = random_percent(random, 85) ? random_magnitude(random, 100, 20000)
                                                    : random_magnitude(random, 50000, 2 * SECOND);
    if (history->is_tight)
        history->call_usec = random_between(random, 8000, 20000);
    history->n_cpus = random_percent(random, 70) ? (unsigned)random_between(random, 1, COUNTERS_CPUS_MAX) : 0;
}

/* A store whose last chunk is an area's: there is no room for the metadata chunk behind it, so it holds one less. */
static void end_with_area(struct group_setup *group)
{
    uint64_t stride = group->chunk_sectors * UINT64_C(512) / 16 + 1;
    uint64_t chunks = group->store_sectors / group->chunk_sectors;
    group->store_sectors = (chunks / stride * stride + stride + 1) * group->chunk_sectors;
}

static void make_group(struct random *random, const struct history *history, struct group_setup *group)
{
    uint64_t seconds = random_magnitude(random, 4, history->is_tight ? 8 : 1500);
    group->is_live = random_percent(random, 45);
    group->has_sibling = !group->is_live && random_percent(random, 30);
    group->is_linear = random_percent(random, 40);
    group->store_type = random_percent(random, 50) ? STORE_PERSISTENT : STORE_PERSISTENT_OVERFLOW;
    group->chunk_sectors = UINT32_C(8) << random_between(random, 0, 6);
    group->store_sectors = (history->assumed_bytes_per_second * seconds + 4 * MIB) / 512;
    group->store_sectors -= random_percent(random, 50) ? group->store_sectors % group->chunk_sectors : 0;
    if (random_percent(random, 20))
        end_with_area(group);
    group->sibling_sectors = group->store_sectors * random_between(random, 50, 150) / 100;
    group->origin_sectors = group->store_sectors *
                            random_between(random, random_percent(random, 10) ? 0 : 10, 60);
    group->origin_sectors += group->store_sectors / 2;
    group->write_bytes = UINT32_C(4096) << random_between(random, 0, 8);
    group->merge_bytes_per_second = random_magnitude(random, MIB, 200 * MIB);
    group->writer_cpus = (unsigned)random_between(random, 1, history->n_cpus ? history->n_cpus : 1);
    group->writes_per_chunk = random_percent(random, 60) ? 1 : (unsigned)random_between(random, 2, 3);
    group->rewrites = group->is_live && history->length_usec <= START + HOUR && random_percent(random, 50);
}

/* ---- the configuration */

__attribute__((format(printf, 2, 3))) static void append(char text[TEXT_BYTES], const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, TEXT_BYTES - length, format, arguments);
    va_end(arguments);
}

static void make_condition(struct random *random, const struct group_setup *group, unsigned percent,
                           struct rung_setup *rung, char text[32])
{
    uint64_t free_kib = group->store_sectors / 2 * (100 - percent) / 100;
    if (random_percent(random, 15)) {
        rung->condition = CONDITION_TIME;
        rung->value = random_magnitude(random, 2, 3600) * SECOND;
        snprintf(text, 32, "%" PRIu64 "s left", rung->value / SECOND);
    } else if (random_percent(random, 20) && free_kib > 0) {
        rung->condition = CONDITION_FREE;
        rung->value = free_kib * 1024;
        snprintf(text, 32, "%" PRIu64 "KiB free", free_kib);
    } else {
        rung->condition = CONDITION_USED;
        rung->value = percent * 100;
        snprintf(text, 32, "%u%%", percent);
    }
}

static enum action_kind choose_action(struct random *random, const struct group_setup *group, bool is_last)
{
    if (is_last && random_percent(random, 60))
        return group->is_live || random_percent(random, 20) ? ACTION_MERGE : ACTION_DROP;
    if (random_percent(random, 40))
        return ACTION_EXTEND;
    return random_percent(random, 8) ? ACTION_DROP : ACTION_ALERT;
}

static void make_rung(struct random *random, const struct group_setup *group, unsigned percent, bool is_last,
                      struct rung_setup *rung)
{
    char condition[32];
    make_condition(random, group, percent, rung, condition);
    rung->action = choose_action(random, group, is_last);
    if (rung->action == ACTION_EXTEND) {
        unsigned more = (unsigned)random_between(random, 5, 100);
        rung->amount = more * 100;
        snprintf(rung->text, sizeof(rung->text), "at %s = extend %u%%", condition, more);
    } else {
        snprintf(rung->text, sizeof(rung->text), "at %s = %s", condition, action_kind_name(rung->action));
    }
}

static bool is_text_taken(const struct ladder_setup *ladder, const char *text)
{
    size_t condition = strcspn(text, "=");
    for (size_t i = 0; i < ladder->n_rungs; i++)
        if (strncmp(ladder->rungs[i].text, text, condition) == 0)
            return true;
    return false;
}

static void make_ladder(struct random *random, const struct group_setup *group, struct ladder_setup *ladder)
{
    size_t wanted = (size_t)random_between(random, 1, 5);
    unsigned percent = (unsigned)random_between(random, 20, 70);
    for (size_t i = 0; i < wanted && percent <= 97; i++) {
        struct rung_setup rung = {0};
        make_rung(random, group, percent, i + 1 == wanted, &rung);
        if (!is_text_taken(ladder, rung.text))
            ladder->rungs[ladder->n_rungs++] = rung;
        percent += (unsigned)random_between(random, 1, 20);
    }
    ladder->drop_open = random_percent(random, 30);
}

static void write_ladder(const struct history *history, const struct ladder_setup *ladder, unsigned group,
                         char kind, char text[TEXT_BYTES])
{
    append(text, "[snapshot %c%u]\n", kind, group);
    for (size_t i = 0; i < ladder->n_rungs; i++)
        append(text, "%s\n", ladder->rungs[i].text);
    append(text, "on lost = alert\non stalled = alert\nhysteresis = %u%%\ndrop-open = %s\n",
           history->hysteresis_centipercent / 100, ladder->drop_open ? "yes" : "no");
    append(text, "extend-limit = %" PRIu64 "KiB\nextend-from = /dev/spare\n",
           history->groups[group].store_sectors * 4);
}

static void write_config(const struct history *history, struct config_setup *config)
{
    append(config->text, "[daemon]\nlongest-poll = %" PRIu64 "ms\nshortest-poll = %" PRIu64 "ms\n",
           history->longest_usec / 1000, history->shortest_usec / 1000);
    append(config->text, "assumed-fill-rate = %" PRIu64 "B\nbrake = %s\ndry-run = %s\n",
           history->assumed_bytes_per_second, config->brake ? "yes" : "no", config->dry_run ? "yes" : "no");
    for (unsigned i = 0; i < history->n_groups; i++) {
        write_ladder(history, &config->ladders[i], i, 's', config->text);
        if (history->groups[i].has_sibling)
            write_ladder(history, &config->ladders[i], i, 't', config->text);
    }
}

/* Another configuration is the first one with some ladders anew. */
static void make_config(struct random *random, struct history *history, size_t index)
{
    struct config_setup *config = &history->configs[index];
    config->brake = random_percent(random, 70);
    config->dry_run = random_percent(random, 4);
    for (size_t i = 0; i < history->n_groups; i++)
        if (index > 0 && random_percent(random, 50))
            config->ladders[i] = history->configs[0].ladders[i];
        else
            make_ladder(random, &history->groups[i], &config->ladders[i]);
    write_config(history, config);
}

/* ---- what happens */

static void add(struct history *history, uint64_t at_usec, enum item_kind kind, unsigned group, uint64_t a,
                uint64_t b)
{
    if (history->n_items < ITEMS_MAX && at_usec < history->length_usec)
        history->items[history->n_items++] = (struct item){at_usec, kind, group, a, b};
}

/* What must be written so that the store fills that fast: a small write costs a whole chunk. */
static uint64_t written(const struct group_setup *group, uint64_t fill_bytes_per_second)
{
    uint64_t chunk_bytes = group->chunk_sectors * UINT64_C(512), write = group->write_bytes;
    return write >= chunk_bytes ? fill_bytes_per_second
                                : (uint64_t)((unsigned __int128)fill_bytes_per_second * write / chunk_bytes);
}

/* One stretch of writing and the rest behind it; returns when that is over. */
static uint64_t add_burst(struct random *random, struct history *history, unsigned index, uint64_t at_usec,
                          bool is_bold)
{
    const struct group_setup *group = &history->groups[index];
    uint64_t percent = random_percent(random, is_bold ? 20 : 0) ? random_between(random, 100, 800)
                                                                : random_magnitude(random, 1, 98);
    if (history->is_tight)
        percent = random_between(random, 80, 98);
    uint64_t rate = history->assumed_bytes_per_second * percent / 100;
    uint64_t volume = group->store_sectors * 512 / 100 *
                      random_magnitude(random, 1, history->is_tight ? 120 : 90);
    uint64_t usec = volume * 100 / (rate / 10000 + 1);
    uint64_t rest = random_magnitude(random, SECOND / 10, (history->length_usec - START) / 8 + SECOND);
    unsigned steps = random_percent(random, 30) ? (unsigned)random_between(random, 2, 5) : 1;
    for (unsigned i = 0; i < steps; i++) /* a sawtooth */
        add(history, at_usec + usec / steps * i, ITEM_WRITE, index, written(group, rate * (i + 1) / steps),
            0);
    bool unmounts = random_percent(random, 25);
    add(history, at_usec + usec, unmounts ? ITEM_UNMOUNT : ITEM_WRITE, index, 0, 0);
    return at_usec + usec + rest;
}

static void add_writers(struct random *random, struct history *history, unsigned index, bool is_bold)
{
    uint64_t at_usec = START + random_magnitude(random, 1, 10 * MINUTE);
    size_t most = history->n_items + ITEMS_MAX / 2 / history->n_groups;
    while (at_usec < history->length_usec && history->n_items < most) {
        at_usec = add_burst(random, history, index, at_usec, is_bold);
        if (random_percent(random, 30))
            add(history, at_usec - 1000, ITEM_CREATE, index, 0, 0);
    }
}

static uint64_t argument_for(struct random *random, const struct history *history, enum item_kind kind)
{
    switch (kind) {
    case ITEM_RELOAD:
        return random_between(random, 0, history->n_configs - 1);
    case ITEM_CRASH:
    case ITEM_STOP:
        return random_magnitude(random, 1000, 10 * MINUTE);
    case ITEM_CRASH_AT_CALL:
    case ITEM_FAIL:
    case ITEM_HANG:
        return random_between(random, 1, 20);
    case ITEM_REPLACE:
        return random_between(random, 1, 4);
    case ITEM_SLEEP:
        return random_magnitude(random, SECOND, 8 * HOUR);
    case ITEM_LATE:
        return random_magnitude(random, 1000, 10 * SECOND);
    default:
        return random_between(random, 0, 1);
    }
}

static uint64_t second_argument_for(struct random *random, enum item_kind kind)
{
    static const int errors[] = {5, 12, 16, 28}; /* EIO, ENOMEM, EBUSY, ENOSPC */
    switch (kind) {
    case ITEM_RELOAD:
        return random_percent(random, 20);
    case ITEM_FAIL:
        return (uint64_t)errors[random_between(random, 0, 3)];
    case ITEM_HANG:
        return random_magnitude(random, SECOND / 10, 2 * MINUTE);
    default:
        return random_magnitude(random, 1000, 10 * MINUTE);
    }
}

static bool is_undone(enum item_kind kind)
{
    return kind == ITEM_UNREADABLE || kind == ITEM_NO_SPACE || kind == ITEM_DISK_FULL;
}

/* Half of them where writers begin or have just begun, for that is where things happen. */
static uint64_t time_for(struct random *random, const struct history *history, size_t n_writes)
{
    if (n_writes == 0 || random_percent(random, 50))
        return random_between(random, START, history->length_usec - 1);
    uint64_t near = history->items[random_between(random, 0, n_writes - 1)].at_usec;
    return near + random_magnitude(random, 1, 10 * MINUTE);
}

static void add_troubles(struct random *random, struct history *history, bool is_calm)
{
    size_t n_writes = history->n_items;
    uint64_t n = random_magnitude(random, 1, 60);
    for (uint64_t i = 0; i < n; i++) {
        enum item_kind kind = is_calm ? (random_percent(random, 70) ? ITEM_RELOAD : ITEM_SLEEP)
                                      : (enum item_kind)random_between(random, ITEM_UNMOUNT, ITEM_REPLACE);
        uint64_t at_usec = time_for(random, history, n_writes);
        unsigned group = (unsigned)random_between(random, 0, history->n_groups - 1);
        uint64_t a = argument_for(random, history, kind), b = second_argument_for(random, kind);
        add(history, at_usec, kind, group, is_undone(kind) ? 1 : a, b);
        if (is_undone(kind))
            add(history, at_usec + random_magnitude(random, SECOND, 10 * MINUTE), kind, group, 0, 0);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->at_usec != y->at_usec)
        return x->at_usec < y->at_usec ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

void history_make(uint64_t seed, struct history *ret_history)
{
    struct random random;
    struct history *history = ret_history;
    memset(history, 0, sizeof(*history));
    history->seed = seed;
    history->looks_max = UINT64_MAX;
    history->releases_fail = seed % 4 == 0;
    random_seed(&random, seed);
    make_bounds(&random, history);
    history->n_groups = (size_t)random_between(&random, 1, GROUPS_MAX);
    for (size_t i = 0; i < history->n_groups; i++)
        make_group(&random, history, &history->groups[i]);
    history->n_configs = (size_t)random_between(&random, 1, CONFIGS_MAX);
    for (size_t i = 0; i < history->n_configs; i++)
        make_config(&random, history, i);
    bool is_bold = random_percent(&random, 30), is_calm = random_percent(&random, 40);
    for (unsigned i = 0; i < history->n_groups; i++)
        add_writers(&random, history, i, is_bold);
    add_troubles(&random, history, is_calm);
    qsort(history->items, history->n_items, sizeof(history->items[0]), by_time);
}
