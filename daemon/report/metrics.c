#include "cowherd/metrics.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512

/* ---- labels */

/* Bytes of the UTF-8 character that text starts with; 0 where it starts none. Of the control characters those above 0x7f
 * are no characters for people, but they are UTF-8. */
static size_t character_of(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80)
        return 1;
    if (size > 1 && bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0)
        return 2;
    return event_text_character(text, size);
}

static void put_byte(FILE *out, char byte)
{
    if (byte == '\n')
        fputs("\\n", out);
    else if (byte == '\\' || byte == '"')
        fprintf(out, "\\%c", byte);
    else
        fputc(byte, out);
}

static void put_value(FILE *out, const char *value)
{
    size_t left = value ? strlen(value) : 0;
    for (const char *at = value; left > 0;) {
        size_t bytes = character_of(at, left);
        if (bytes == 0)
            fprintf(out, "\\\\x%02x", (unsigned char)*at);
        for (size_t i = 0; i < bytes; i++)
            put_byte(out, at[i]);
        at += bytes ? bytes : 1;
        left -= bytes ? bytes : 1;
    }
}

static void put_label(FILE *out, const char *name, const char *value)
{
    fprintf(out, ",%s=\"", name);
    put_value(out, value);
    fputc('"', out);
}

/* snapshot="…",uuid="…". Returns NULL without memory. */
static char *labels_of(const char *name, const char *uuid, uint64_t start_sectors)
{
    char *labels = NULL;
    size_t length;
    FILE *out = open_memstream(&labels, &length);
    if (!out)
        return NULL;
    fputs("snapshot=\"", out);
    put_value(out, name);
    if (start_sectors > 0)
        fprintf(out, "@%" PRIu64, start_sectors);
    fputc('"', out);
    put_label(out, "uuid", uuid);
    if (fclose(out) == 0)
        return labels;
    free(labels);
    return NULL;
}

/* ---- what is written about */

struct subject_of_metrics {
    const struct account *account;
    char *labels;
    char *device_labels; /* of its counters, which are a device's; NULL: another target of it was before */
};

struct page {
    FILE *out;
    const struct metrics *metrics;
    struct subject_of_metrics *subjects;
    size_t n_subjects;
    char **odd; /* what a family has already of labels that two different texts may be written as */
    size_t n_odd;
};

static bool has_labels(const struct page *page, const char *labels)
{
    for (size_t i = 0; i < page->n_subjects; i++)
        if (strcmp(page->subjects[i].labels, labels) == 0)
            return true;
    return false;
}

static bool has_device_labels(const struct page *page, const char *labels)
{
    for (size_t i = 0; i < page->n_subjects; i++)
        if (page->subjects[i].device_labels && strcmp(page->subjects[i].device_labels, labels) == 0)
            return true;
    return false;
}

static int add_subject(struct page *page, const struct account *account)
{
    struct subject_of_metrics subject = {
        .account = account,
        .labels = labels_of(account->name, account->uuid, account->start_sectors),
        .device_labels = labels_of(account->name, account->uuid, 0),
    };
    bool complete = subject.labels && subject.device_labels;
    if (!complete || has_labels(page, subject.labels)) {
        free(subject.labels);
        free(subject.device_labels);
        return complete ? 0 : -ENOMEM;
    }
    if (has_device_labels(page, subject.device_labels)) {
        free(subject.device_labels);
        subject.device_labels = NULL;
    }
    page->subjects[page->n_subjects++] = subject;
    return 0;
}

static void free_subjects(struct page *page)
{
    for (size_t i = 0; i < page->n_subjects; i++) {
        free(page->subjects[i].labels);
        free(page->subjects[i].device_labels);
    }
    free(page->subjects);
}

static int take_subjects(struct page *page)
{
    const struct metrics *metrics = page->metrics;
    page->subjects = calloc(metrics->n_accounts + 1, sizeof(*page->subjects));
    int r = page->subjects ? 0 : -ENOMEM;
    for (size_t i = 0; i < metrics->n_accounts && r == 0; i++)
        r = add_subject(page, &metrics->accounts[i]);
    return r;
}

static void put_header(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- gauges of a snapshot */

static bool used_bytes(const struct account *account, double *ret)
{
    *ret = (double)(account->used_sectors * SECTOR_BYTES);
    return account->has_usage;
}

static bool size_bytes(const struct account *account, double *ret)
{
    *ret = (double)(account->total_sectors * SECTOR_BYTES);
    return account->has_usage;
}

static bool metadata_bytes(const struct account *account, double *ret)
{
    *ret = (double)(account->metadata_sectors * SECTOR_BYTES);
    return account->has_usage;
}

static bool free_bytes(const struct account *account, double *ret)
{
    *ret = (double)account->free_bytes;
    return account->has_usage;
}

static bool fill_rate_bytes(const struct account *account, double *ret)
{
    *ret = (double)account->fill_rate_bytes;
    return account->has_usage && account->has_rate;
}

static bool seconds_left(const struct account *account, double *ret)
{
    *ret = account->seconds_left < 0 ? (double)INFINITY : account->seconds_left;
    return account->has_usage && account->has_rate;
}

static bool guarantee(const struct account *account, double *ret)
{
    *ret = account->guarantee && strcmp(account->guarantee, "yes") == 0;
    return account->guarantee != NULL;
}

static bool held(const struct account *account, double *ret)
{
    *ret = account->held_until_usec != 0;
    return true;
}

static const struct gauge {
    const char *name;
    const char *help;
    bool (*value)(const struct account *account, double *ret); /* whether there is one */
} gauges[] = {
    {"cowherd_snapshot_used_bytes", "Used space of the snapshot's store.", used_bytes},
    {"cowherd_snapshot_size_bytes", "Size of the snapshot's store.", size_bytes},
    {"cowherd_snapshot_metadata_bytes", "Used space of the store that holds no data.", metadata_bytes},
    {"cowherd_snapshot_free_bytes", "Data that still fits into the store, exact to the chunk.", free_bytes},
    {"cowherd_snapshot_fill_rate_bytes", "How fast the store fills, bytes per second, smoothed.",
     fill_rate_bytes},
    {"cowherd_snapshot_seconds_left", "Time until the store is full at this rate; +Inf: nothing fills it.",
     seconds_left},
    {"cowherd_snapshot_guarantee", "1: cowherd will act before the store is full; 0: it cannot promise it.",
     guarantee},
    {"cowherd_snapshot_held", "1: an operator holds back all actions on the snapshot.", held},
};

static void put_number(FILE *out, double value)
{
    if (isinf(value))
        fputs(" +Inf\n", out);
    else
        fprintf(out, " %.15g\n", value);
}

static void put_gauge(const struct page *page, const struct gauge *gauge)
{
    put_header(page->out, gauge->name, "gauge", gauge->help);
    for (size_t i = 0; i < page->n_subjects; i++) {
        double value;
        if (!gauge->value(page->subjects[i].account, &value))
            continue;
        fprintf(page->out, "%s{%s}", gauge->name, page->subjects[i].labels);
        put_number(page->out, value);
    }
}

/* ---- state and info */

static const struct state {
    const char *label;
    const char *word; /* of an account */
} states[] = {
    {"valid", "valid"},       {"merging", "merging"},           {"invalid", "Invalid"},
    {"overflow", "Overflow"}, {"merge_failed", "Merge failed"}, {"unknown", "Unknown"},
};

#define STATES        (sizeof(states) / sizeof(states[0]))
#define STATE_UNKNOWN (STATES - 1)

static size_t state_of(const struct account *account)
{
    for (size_t i = 0; i < STATES; i++)
        if (account->state && strcmp(account->state, states[i].word) == 0)
            return i;
    return STATE_UNKNOWN;
}

static void put_states(const struct page *page)
{
    put_header(page->out, "cowherd_snapshot_state", "gauge", "1 for the state that the snapshot is in.");
    for (size_t i = 0; i < page->n_subjects; i++)
        for (size_t j = 0; j < STATES; j++)
            fprintf(page->out, "cowherd_snapshot_state{%s,state=\"%s\"} %d\n", page->subjects[i].labels,
                    states[j].label, state_of(page->subjects[i].account) == j);
}

static void put_info(const struct page *page)
{
    put_header(page->out, "cowherd_snapshot_info", "gauge",
               "Role, devices and section of the configuration of the snapshot; always 1.");
    for (size_t i = 0; i < page->n_subjects; i++) {
        const struct account *account = page->subjects[i].account;
        fprintf(page->out, "cowherd_snapshot_info{%s", page->subjects[i].labels);
        put_label(page->out, "role", account->role);
        put_label(page->out, "origin", account->origin);
        put_label(page->out, "store", account->store);
        put_label(page->out, "section", account->section);
        fputs("} 1\n", page->out);
    }
}

/* ---- counters of a snapshot */

static bool has_rung(const struct account *account, size_t n_rungs, const char *text)
{
    for (size_t i = 0; i < n_rungs; i++)
        if (strcmp(account->rungs[i].text, text) == 0)
            return true;
    return false;
}

static char *labels_with_rung(const char *labels, const char *rung)
{
    char *all = NULL;
    size_t length;
    FILE *out = open_memstream(&all, &length);
    if (!out)
        return NULL;
    fputs(labels, out);
    if (rung)
        put_label(out, "rung", rung);
    if (fclose(out) == 0)
        return all;
    free(all);
    return NULL;
}

static void forget_odd(struct page *page)
{
    for (size_t i = 0; i < page->n_odd; i++)
        free(page->odd[i]);
    free(page->odd);
    page->odd = NULL;
    page->n_odd = 0;
}

/* Takes the labels over. Returns whether the family has none like them yet. */
static bool take_odd(struct page *page, char *labels)
{
    bool is_new = true;
    for (size_t i = 0; i < page->n_odd && is_new; i++)
        is_new = strcmp(page->odd[i], labels) != 0;
    char **odd = is_new ? reallocarray(page->odd, page->n_odd + 1, sizeof(*odd)) : NULL;
    if (!odd) {
        free(labels);
        return false;
    }
    page->odd = odd;
    odd[page->n_odd++] = labels;
    return true;
}

static void put_count(struct page *page, const char *labels, const char *rung, uint64_t count)
{
    char *all = labels_with_rung(labels, rung);
    if (!all)
        return;
    bool is_odd = strstr(all, "\\\\x") != NULL;
    if (!is_odd || take_odd(page, all))
        fprintf(page->out, "%s{%s} %" PRIu64 "\n",
                rung ? "cowherd_snapshot_rung_total" : "cowherd_snapshot_lost_total", all, count);
    if (!is_odd)
        free(all);
}

static uint64_t count_of(const struct page *page, const struct account *account, const char *rung)
{
    return tally_count(page->metrics->tally, account->name, account->uuid ? account->uuid : "", rung);
}

/* The snapshot of a record, when it is there. */
static const struct account *account_of(const struct page *page, const struct tally_record *record)
{
    for (size_t i = 0; i < page->n_subjects; i++) {
        const struct account *account = page->subjects[i].account;
        if (page->subjects[i].device_labels && strcmp(account->name, record->snapshot) == 0 &&
            strcmp(account->uuid ? account->uuid : "", record->uuid) == 0)
            return account;
    }
    return NULL;
}

/* Of snapshots that have gone, and of rungs that are no longer in the configuration. */
static void put_past_counts(struct page *page, bool of_rungs)
{
    const struct tally *tally = page->metrics->tally;
    for (size_t i = 0; i < tally->n_records; i++) {
        const struct tally_record *record = &tally->records[i];
        if ((record->rung != NULL) != of_rungs)
            continue;
        const struct account *account = account_of(page, record);
        if (account && (!of_rungs || has_rung(account, account->n_rungs, record->rung)))
            continue;
        char *labels = labels_of(record->snapshot, record->uuid, 0);
        if (labels && (account || !has_device_labels(page, labels)))
            put_count(page, labels, record->rung, record->count);
        free(labels);
    }
}

static void put_rungs(struct page *page)
{
    put_header(page->out, "cowherd_snapshot_rung_total", "counter",
               "How often a rung of the snapshot was crossed since cowherd was started.");
    for (size_t i = 0; i < page->n_subjects; i++) {
        const struct account *account = page->subjects[i].account;
        for (size_t j = 0; page->subjects[i].device_labels && j < account->n_rungs; j++)
            if (!has_rung(account, j, account->rungs[j].text))
                put_count(page, page->subjects[i].device_labels, account->rungs[j].text,
                          count_of(page, account, account->rungs[j].text));
    }
    put_past_counts(page, true);
    forget_odd(page);
}

static void put_losses(struct page *page)
{
    put_header(page->out, "cowherd_snapshot_lost_total", "counter",
               "How often a snapshot of this name and UUID was lost since cowherd was started.");
    for (size_t i = 0; i < page->n_subjects; i++)
        if (page->subjects[i].device_labels)
            put_count(page, page->subjects[i].device_labels, NULL,
                      count_of(page, page->subjects[i].account, NULL));
    put_past_counts(page, false);
    forget_odd(page);
}

/* ---- of the daemon */

static void put_actions(const struct page *page)
{
    const struct tally_action *actions = page->metrics->tally->actions;
    put_header(page->out, "cowherd_action_total", "counter",
               "Actions that have ended since cowherd was started, by how.");
    for (int kind = ACTION_EXEC; kind < TALLY_ACTIONS; kind++) {
        const char *name = action_kind_name((enum action_kind)kind);
        fprintf(page->out,
                "cowherd_action_total{action=\"%s\",result=\"done\"} %" PRIu64 "\n"
                "cowherd_action_total{action=\"%s\",result=\"failed\"} %" PRIu64 "\n",
                name, actions[kind].done, name, actions[kind].failed);
    }
}

static void put_durations(const struct page *page)
{
    const struct tally_action *actions = page->metrics->tally->actions;
    put_header(page->out, "cowherd_action_duration_seconds", "summary",
               "What the actions took that are done, from their beginning to their end.");
    for (int kind = ACTION_EXEC; kind < TALLY_ACTIONS; kind++) {
        const char *name = action_kind_name((enum action_kind)kind);
        fprintf(page->out,
                "cowherd_action_duration_seconds_sum{action=\"%s\"} %.15g\n"
                "cowherd_action_duration_seconds_count{action=\"%s\"} %" PRIu64 "\n",
                name, (double)actions[kind].took_usec / 1e6, name, actions[kind].timed);
    }
}

static void put_daemon(const struct page *page)
{
    const struct metrics *metrics = page->metrics;
    put_header(page->out, "cowherd_snapshots", "gauge", "Snapshots that are watched.");
    fprintf(page->out, "cowherd_snapshots %zu\n", metrics->n_accounts);
    put_header(page->out, "cowherd_configuration_error", "gauge",
               "1: the configuration on disk was refused, the former one is in force.");
    fprintf(page->out, "cowherd_configuration_error %d\n", metrics->configuration_error);
    put_header(page->out, "cowherd_build_info", "gauge", "Version of cowherd; always 1.");
    fputs("cowherd_build_info{version=\"", page->out);
    put_value(page->out, metrics->version);
    fputs("\"} 1\n", page->out);
    if (metrics->looked_usec == 0)
        return;
    put_header(page->out, "cowherd_last_look_timestamp_seconds", "gauge",
               "When cowherd last looked, seconds since 1970.");
    fprintf(page->out, "cowherd_last_look_timestamp_seconds %" PRIu64 ".%03" PRIu64 "\n",
            metrics->looked_usec / 1000000, metrics->looked_usec / 1000 % 1000);
}

static void put_all(struct page *page)
{
    put_daemon(page);
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        put_gauge(page, &gauges[i]);
    put_states(page);
    put_info(page);
    put_rungs(page);
    put_losses(page);
    put_actions(page);
    put_durations(page);
}

int metrics_format(const struct metrics *metrics, char **ret_text, size_t *ret_length)
{
    struct page page = {.metrics = metrics};
    char *text = NULL;
    size_t length;
    int r = take_subjects(&page);
    if (r == 0 && !(page.out = open_memstream(&text, &length)))
        r = -ENOMEM;
    if (page.out) {
        put_all(&page);
        bool failed = ferror(page.out);
        r = fclose(page.out) < 0 || failed ? -ENOMEM : 0;
    }
    free_subjects(&page);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}
