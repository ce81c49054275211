#include "cowherd/event_fields.h"
#include "cowherd/fill_rate.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static void add(struct event_fields *fields, const char *name, const char *value, size_t value_max)
{
    if (!value || value[0] == '\0')
        return;

    struct field_sizes *sizes = &fields->sizes;
    size_t n_name = strlen(name), n_value = event_text_cut(value, value_max - 1);
    char *text = fields->text + sizes->bytes;
    memcpy(text, name, n_name);
    text[n_name] = '=';
    memcpy(text + n_name + 1, value, n_value);
    sizes->sizes[sizes->n] = (uint16_t)(n_name + 1 + n_value);
    sizes->bytes = (uint16_t)(sizes->bytes + sizes->sizes[sizes->n]);
    sizes->n++;
}

static void add_number(struct event_fields *fields, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value);
    add(fields, name, text, sizeof text);
}

static void add_sample(struct event_fields *fields, const struct sample *sample)
{
    char percent[EVENT_TEXT_MAX];

    add_number(fields, "COWHERD_USED_SECTORS", sample->used_sectors);
    add_number(fields, "COWHERD_TOTAL_SECTORS", sample->total_sectors);
    add(fields, "COWHERD_PERCENT", event_text_percent(sample, percent), sizeof percent);
    add_number(fields, "COWHERD_RATE", sample->rate_bytes_per_second);
    if (sample->time_left_usec == TIME_UNKNOWN_USEC)
        add(fields, "COWHERD_SECONDS_LEFT", "infinity", sizeof "infinity");
    else
        add_number(fields, "COWHERD_SECONDS_LEFT", sample->time_left_usec / 1000000);
}

void event_fields_make(const struct event *event, struct event_fields *ret_fields)
{
    ret_fields->sizes = (struct field_sizes){0};
    add_number(ret_fields, "PRIORITY", LOG_PRI((unsigned)event->priority));
    add(ret_fields, "COWHERD_EVENT", event_kind_name(event->kind), EVENT_FIELD_OTHERS_MAX);
    add(ret_fields, "COWHERD_SNAPSHOT", event->snapshot, EVENT_RESULT_MAX);
    add(ret_fields, "COWHERD_UUID", event->uuid, EVENT_RESULT_MAX);
    if (event->role != ROLE_UNSET)
        add(ret_fields, "COWHERD_ROLE", role_name(event->role), EVENT_FIELD_OTHERS_MAX);
    if (event->has_sample)
        add_sample(ret_fields, &event->sample);
    add(ret_fields, "COWHERD_RUNG", event->rung, EVENT_RESULT_MAX);
    add(ret_fields, "COWHERD_ACTION", event->action, EVENT_RESULT_MAX);
    add(ret_fields, "COWHERD_RESULT", event->result, EVENT_RESULT_MAX);
    add(ret_fields, "MESSAGE_ID", event_kind_message_id(event->kind), EVENT_FIELD_OTHERS_MAX);
    add(ret_fields, "MESSAGE", event->sentence, EVENT_SENTENCE_MAX);
}

void event_fields_make_message(int priority, const char *message, struct event_fields *ret_fields)
{
    ret_fields->sizes = (struct field_sizes){0};
    add_number(ret_fields, "PRIORITY", LOG_PRI((unsigned)priority));
    add(ret_fields, "MESSAGE", message, EVENT_SENTENCE_MAX);
}
