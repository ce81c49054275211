#include "cowherd/tally.h"
#include <stdlib.h>
#include <string.h>

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

static bool is_of(const struct tally_record *record, const char *snapshot, const char *uuid)
{
    return strcmp(record->snapshot, snapshot) == 0 && strcmp(record->uuid, uuid) == 0;
}

static bool counts(const struct tally_record *record, const char *rung)
{
    return rung && record->rung ? strcmp(record->rung, rung) == 0 : rung == record->rung;
}

static struct tally_record *find(const struct tally *tally, const char *snapshot, const char *uuid,
                                 const char *rung)
{
    for (size_t i = 0; i < tally->n_records; i++)
        if (is_of(&tally->records[i], snapshot, uuid) && counts(&tally->records[i], rung))
            return &tally->records[i];
    return NULL;
}

static void free_record(struct tally_record *record)
{
    free(record->snapshot);
    free(record->uuid);
    free(record->rung);
}

static void remove_record(struct tally *tally, size_t i)
{
    free_record(&tally->records[i]);
    tally->records[i] = tally->records[--tally->n_records];
}

static void remove_oldest(struct tally *tally)
{
    size_t oldest = 0;
    for (size_t i = 1; i < tally->n_records; i++)
        if (tally->records[i].counted < tally->records[oldest].counted)
            oldest = i;
    remove_record(tally, oldest);
}

static struct tally_record *add(struct tally *tally, const char *snapshot, const char *uuid, const char *rung)
{
    if (tally->n_records == TALLY_RECORDS_MAX)
        remove_oldest(tally);
    struct tally_record record = {
        .snapshot = strdup(snapshot), .uuid = strdup(uuid), .rung = rung ? strdup(rung) : NULL};
    struct tally_record *records = reallocarray(tally->records, tally->n_records + 1, sizeof(*records));
    if (records)
        tally->records = records;
    if (!records || !record.snapshot || !record.uuid || (rung && !record.rung)) {
        free_record(&record);
        return NULL;
    }
    records[tally->n_records] = record;
    return &records[tally->n_records++];
}

static void count(struct tally *tally, const struct event *event, const char *rung, uint64_t now_usec)
{
    const char *snapshot = text_or_empty(event->snapshot), *uuid = text_or_empty(event->uuid);
    struct tally_record *record = find(tally, snapshot, uuid, rung);
    if (!record)
        record = add(tally, snapshot, uuid, rung);
    if (!record)
        return;
    record->count++;
    record->counted = ++tally->n_events;
    record->gone_usec = now_usec; /* should it have gone already */
}

/* "exec page-oncall" is of the kind "exec". TALLY_ACTIONS: of none. */
static size_t kind_of(const char *action)
{
    size_t kind = ACTION_EXEC, length = strcspn(text_or_empty(action), " ");
    for (; kind < TALLY_ACTIONS; kind++) {
        const char *name = action_kind_name((enum action_kind)kind);
        if (strlen(name) == length && memcmp(name, action, length) == 0)
            break;
    }
    return kind;
}

static void count_action(struct tally *tally, const struct event *event)
{
    size_t kind = kind_of(event->action);
    if (kind == TALLY_ACTIONS)
        return;
    struct tally_action *action = &tally->actions[kind];
    tally->n_events++;
    if (event->kind == EVENT_ACTION_FAILED) {
        action->failed++;
        return;
    }
    action->done++;
    if (event->took_usec > 0) {
        action->timed++;
        action->took_usec += event->took_usec;
    }
}

static void note_gone(struct tally *tally, const struct event *event, bool is_gone, uint64_t now_usec)
{
    for (size_t i = 0; i < tally->n_records; i++) {
        struct tally_record *record = &tally->records[i];
        if (!is_of(record, text_or_empty(event->snapshot), text_or_empty(event->uuid)))
            continue;
        record->is_gone = is_gone;
        record->gone_usec = now_usec;
    }
}

static void forget_gone(struct tally *tally, uint64_t now_usec)
{
    for (size_t i = tally->n_records; i > 0; i--) {
        const struct tally_record *record = &tally->records[i - 1];
        if (record->is_gone && now_usec - record->gone_usec >= TALLY_KEPT_USEC)
            remove_record(tally, i - 1);
    }
}

void tally_take(struct tally *tally, const struct event *event, uint64_t now_usec)
{
    forget_gone(tally, now_usec);
    switch (event->kind) {
    case EVENT_RUNG:
        if (event->rung)
            count(tally, event, event->rung, now_usec);
        break;
    case EVENT_LOST:
        count(tally, event, NULL, now_usec);
        break;
    case EVENT_ACTION_DONE:
    case EVENT_ACTION_FAILED:
        count_action(tally, event);
        break;
    case EVENT_FOUND:
    case EVENT_GONE:
        note_gone(tally, event, event->kind == EVENT_GONE, now_usec);
        break;
    case EVENT_ACTION_START:
    case EVENT_DEFERRED:
    case EVENT_BRAKE:
    case EVENT_CONFIG:
        break;
    }
}

uint64_t tally_count(const struct tally *tally, const char *snapshot, const char *uuid, const char *rung)
{
    const struct tally_record *record = find(tally, snapshot, uuid, rung);
    return record ? record->count : 0;
}

void tally_done(struct tally *tally)
{
    for (size_t i = 0; i < tally->n_records; i++)
        free_record(&tally->records[i]);
    free(tally->records);
    *tally = (struct tally){0};
}
