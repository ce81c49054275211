#include "log_entry.h"
#include "figures.h"
#include "json.h"
#include "printable.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/* The value of a field of the current entry, allocated; NULL where it has none. */
static int read_field(sd_journal *journal, const char *field, char **ret_value)
{
    const void *data;
    size_t size, before = strlen(field) + 1; /* "FIELD=" */
    int r = sd_journal_get_data(journal, field, &data, &size);
    if (r == -ENOENT) {
        *ret_value = NULL;
        return 0;
    }
    if (r < 0)
        return r;
    *ret_value = strndup((const char *)data + before, size - before);
    return *ret_value ? 0 : -ENOMEM;
}

static int read_priority(sd_journal *journal, int *ret_priority)
{
    char *text = NULL;
    int r = read_field(journal, "PRIORITY", &text);
    if (r < 0)
        return r;
    *ret_priority = text && text[0] >= '0' && text[0] <= '7' ? text[0] - '0' : LOG_INFO;
    free(text);
    return 0;
}

int log_entry_read(sd_journal *journal, struct log_entry *ret_entry)
{
    struct log_entry entry = {0};
    int r = sd_journal_get_realtime_usec(journal, &entry.realtime_usec);
    if (r >= 0)
        r = read_priority(journal, &entry.priority);
    if (r >= 0)
        r = read_field(journal, "MESSAGE", &entry.message);
    if (r >= 0)
        *ret_entry = entry;
    return r;
}

void log_entry_done(struct log_entry *entry)
{
    free(entry->message);
    *entry = (struct log_entry){0};
}

/* As journalctl colours them. */
static const char *colour_of(int priority)
{
    if (priority <= LOG_ERR)
        return "\033[1;31m";
    if (priority == LOG_WARNING)
        return "\033[1;33m";
    return priority == LOG_NOTICE ? "\033[1m" : "";
}

void log_entry_print_message(const struct log_entry *entry, bool has_colour, FILE *stream)
{
    const char *colour = has_colour ? colour_of(entry->priority) : "";
    fputs(colour, stream);
    printable_print(entry->message ? entry->message : "", stream);
    fputs(colour[0] ? "\033[0m" : "", stream);
}

void log_entry_print(const struct log_entry *entry, bool has_colour, FILE *stream)
{
    char date[32];
    time_t seconds = (time_t)(entry->realtime_usec / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S ", &parts);
    fputs(date, stream);
    log_entry_print_message(entry, has_colour, stream);
}

static const struct {
    const char *key;
    const char *field;
    bool is_number;
} members[] = {
    {"event", "COWHERD_EVENT", false},
    {"snapshot", "COWHERD_SNAPSHOT", false},
    {"uuid", "COWHERD_UUID", false},
    {"role", "COWHERD_ROLE", false},
    {"used_sectors", "COWHERD_USED_SECTORS", true},
    {"total_sectors", "COWHERD_TOTAL_SECTORS", true},
    {"used_percent", "COWHERD_PERCENT", true},
    {"fill_rate_bytes", "COWHERD_RATE", true},
    {"seconds_left", "COWHERD_SECONDS_LEFT", true},
    {"rung", "COWHERD_RUNG", false},
    {"action", "COWHERD_ACTION", false},
    {"result", "COWHERD_RESULT", false},
    {"message_id", "MESSAGE_ID", false},
    {"message", "MESSAGE", false},
};

/* "infinity" is no number of JSON's: null, as in the status. */
static void put_number(const char *text, FILE *stream)
{
    char *end;
    if (!text || !text[0] || text[strspn(text, "0123456789.")]) {
        fputs("null", stream);
        return;
    }
    double number = strtod(text, &end);
    if (strchr(text, '.'))
        json_put_real(stream, number, 2);
    else
        json_put_number(stream, strtoull(text, NULL, 10));
}

static int put_member(sd_journal *journal, size_t i, FILE *stream)
{
    char *value = NULL;
    int r = read_field(journal, members[i].field, &value);
    if (r < 0)
        return r;
    fprintf(stream, ", \"%s\": ", members[i].key);
    if (members[i].is_number)
        put_number(value, stream);
    else
        json_put_text(stream, value);
    free(value);
    return 0;
}

int log_entry_print_json(sd_journal *journal, FILE *stream)
{
    uint64_t realtime_usec;
    int priority;
    char date[FIGURES_MAX];
    int r = sd_journal_get_realtime_usec(journal, &realtime_usec);
    if (r >= 0)
        r = read_priority(journal, &priority);
    if (r < 0)
        return r;
    fprintf(stream, "{\"time\": \"%s\", \"priority\": %d", figures_date(realtime_usec, date), priority);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]) && r >= 0; i++)
        r = put_member(journal, i, stream);
    fputs("}\n", stream);
    return r;
}
