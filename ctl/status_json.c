#include "status_json.h"
#include "figures.h"
#include "json.h"
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>

/* What a value is made of. */
struct source {
    const struct account *account;
    bool is_offline;
};

static void put_null(FILE *stream)
{
    fputs("null", stream);
}

/* Each writes the member of the account that value points to. */

static void put_text(const struct source *source, const void *value, FILE *stream)
{
    (void)source;
    json_put_text(stream, *(char *const *)value);
}

static void put_text_or_empty(const struct source *source, const void *value, FILE *stream)
{
    const char *text = *(char *const *)value;
    (void)source;
    json_put_text(stream, text ? text : "");
}

static void put_number(const struct source *source, const void *value, FILE *stream)
{
    (void)source;
    json_put_number(stream, *(const uint32_t *)value);
}

static void put_usage(const struct source *source, const void *value, FILE *stream)
{
    if (source->account->has_usage)
        json_put_number(stream, *(const uint64_t *)value);
    else
        put_null(stream);
}

static void put_usage_32(const struct source *source, const void *value, FILE *stream)
{
    uint64_t number = *(const uint32_t *)value;
    put_usage(source, &number, stream);
}

static void put_used_percent(const struct source *source, const void *value, FILE *stream)
{
    if (source->account->has_usage)
        json_put_real(stream, *(const double *)value, 2);
    else
        put_null(stream);
}

static void put_rate(const struct source *source, const void *value, FILE *stream)
{
    if (source->account->has_rate)
        put_usage(source, value, stream);
    else
        put_null(stream);
}

static void put_seconds_left(const struct source *source, const void *value, FILE *stream)
{
    const struct account *account = source->account;
    if (account->has_rate && account->has_usage && account->seconds_left >= 0)
        json_put_real(stream, *(const double *)value, 1);
    else
        put_null(stream);
}

static void put_date(const struct source *source, const void *value, FILE *stream)
{
    uint64_t realtime_usec = *(const uint64_t *)value;
    char text[FIGURES_MAX];
    (void)source;
    json_put_text(stream, realtime_usec ? figures_date(realtime_usec, text) : NULL);
}

static void put_flag(const struct source *source, const void *value, FILE *stream)
{
    (void)source;
    fputs(*(const bool *)value ? "true" : "false", stream);
}

static void put_member(const char *key, const char *text, FILE *stream)
{
    fprintf(stream, "\"%s\": ", key);
    json_put_text(stream, text);
}

static void put_rung(const struct account_rung *rung, bool is_offline, FILE *stream)
{
    fputc('{', stream);
    put_member("rung", rung->text, stream);
    fputs(", ", stream);
    put_member("state", is_offline ? NULL : rung->fired ? "fired" : "armed", stream);
    fputs(", ", stream);
    put_member("in_time", rung->in_time, stream);
    fputs(", ", stream);
    put_member("reason", rung->reason, stream);
    fputc('}', stream);
}

static void put_rungs(const struct source *source, const void *value, FILE *stream)
{
    const struct account_rung *rungs = *(struct account_rung *const *)value;
    fputc('[', stream);
    for (size_t i = 0; i < source->account->n_rungs; i++) {
        fputs(i ? ", " : "", stream);
        put_rung(&rungs[i], source->is_offline, stream);
    }
    fputc(']', stream);
}

static void put_progress(double percent, FILE *stream)
{
    fputs("\"progress_percent\": ", stream);
    if (percent >= 0)
        json_put_real(stream, percent, 2);
    else
        put_null(stream);
}

static void put_action(const struct source *source, const void *value, FILE *stream)
{
    const struct account_action *action = value;
    (void)source;
    if (!action->kind) {
        put_null(stream);
        return;
    }
    fputc('{', stream);
    put_member("action", action->kind, stream);
    fputs(", ", stream);
    put_member("state", action->phase, stream);
    fputs(", ", stream);
    put_member("rung", action->rung, stream);
    fputs(", ", stream);
    put_member("reason", action->reason, stream);
    fputs(", ", stream);
    put_progress(action->progress_percent, stream);
    fputc('}', stream);
}

/* In the order of the schema. */
static const struct key {
    const char *name;
    void (*put)(const struct source *source, const void *value, FILE *stream);
    size_t offset;
} keys[] = {
    {"name", put_text, offsetof(struct account, name)},
    {"uuid", put_text_or_empty, offsetof(struct account, uuid)},
    {"major", put_number, offsetof(struct account, major)},
    {"minor", put_number, offsetof(struct account, minor)},
    {"role", put_text, offsetof(struct account, role)},
    {"state", put_text, offsetof(struct account, state)},
    {"origin", put_text, offsetof(struct account, origin)},
    {"store", put_text, offsetof(struct account, store)},
    {"used_sectors", put_usage, offsetof(struct account, used_sectors)},
    {"total_sectors", put_usage, offsetof(struct account, total_sectors)},
    {"metadata_sectors", put_usage, offsetof(struct account, metadata_sectors)},
    {"chunk_sectors", put_usage_32, offsetof(struct account, chunk_sectors)},
    {"chunks_left", put_usage, offsetof(struct account, chunks_left)},
    {"used_percent", put_used_percent, offsetof(struct account, used_percent)},
    {"fill_rate_bytes", put_rate, offsetof(struct account, fill_rate_bytes)},
    {"seconds_left", put_seconds_left, offsetof(struct account, seconds_left)},
    {"section", put_text, offsetof(struct account, section)},
    {"rungs", put_rungs, offsetof(struct account, rungs)},
    {"guarantee", put_text, offsetof(struct account, guarantee)},
    {"guarantee_reason", put_text, offsetof(struct account, guarantee_reason)},
    {"action", put_action, offsetof(struct account, action)},
    {"next_rung", put_text, offsetof(struct account, next_rung)},
    {"origin_device", put_text, offsetof(struct account, origin_device)},
    {"store_device", put_text, offsetof(struct account, store_device)},
    {"free_bytes", put_usage, offsetof(struct account, free_bytes)},
    {"held_until", put_date, offsetof(struct account, held_until_usec)},
    {"looked_at", put_date, offsetof(struct account, looked_usec)},
    {"counted", put_flag, offsetof(struct account, is_counted)},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* What libsmartcols takes for a number it passes on as it is. */
static int add_columns(struct libscols_table *table)
{
    int r = 0;
    for (size_t i = 0; i < N_KEYS && r == 0; i++) {
        struct libscols_column *column = scols_table_new_column(table, keys[i].name, 0, 0);
        r = column ? scols_column_set_json_type(column, SCOLS_JSON_NUMBER) : -ENOMEM;
    }
    return r;
}

static int add_value(struct libscols_line *line, size_t key, const struct source *source)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return -ENOMEM;
    keys[key].put(source, (const char *)source->account + keys[key].offset, stream);
    if (fclose(stream) != 0) {
        free(text);
        return -ENOMEM;
    }
    int r = scols_line_refer_data(line, key, text);
    if (r < 0)
        free(text);
    return r;
}

static int add_line(struct libscols_table *table, const struct source *source)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    int r = line ? 0 : -ENOMEM;
    for (size_t i = 0; i < N_KEYS && r == 0; i++)
        r = add_value(line, i, source);
    return r;
}

int status_json_print(const struct accounts *accounts, FILE *stream)
{
    struct libscols_table *table = scols_new_table();
    if (!table)
        return -ENOMEM;
    scols_table_enable_json(table, 1);
    int r = scols_table_set_name(table, "snapshots");
    if (r == 0)
        r = scols_table_set_stream(table, stream);
    if (r == 0)
        r = add_columns(table);
    for (size_t i = 0; i < accounts->n_items && r == 0; i++) {
        struct source source = {.account = &accounts->items[i], .is_offline = accounts->is_offline};
        r = add_line(table, &source);
    }
    if (r == 0)
        r = scols_print_table(table);
    scols_unref_table(table);
    return r;
}
