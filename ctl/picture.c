#include "picture.h"
#include "bar.h"
#include "columns.h"
#include "figures.h"
#include "printable.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_LEAST   4 /* lines of the screen that the journal gets where a table is long */
#define PROGRESS_WIDTH 42
#define LINE_MAX_BYTES 2048

static bool is_merge(const struct account *account)
{
    return account->action.kind && strcmp(account->action.kind, "merge") == 0 &&
           account->action.progress_percent >= 0;
}

static unsigned count_merges(const struct accounts *accounts)
{
    unsigned n = 0;
    for (size_t i = 0; i < accounts->n_items; i++)
        n += is_merge(&accounts->items[i]);
    return n;
}

static void put_title(const struct picture *picture, FILE *stream)
{
    char clock[16];
    time_t now = (time_t)(picture->now_usec / 1000000);
    struct tm parts;
    size_t n = picture->accounts ? picture->accounts->n_items : 0, n_lost = 0;
    for (size_t i = 0; i < n; i++)
        n_lost += status_table_is_lost(&picture->accounts->items[i]);
    localtime_r(&now, &parts);
    strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    fprintf(stream, "%scowherd%s  %s  %zu snapshot%s", picture->table.has_colour ? "\033[1m" : "",
            picture->table.has_colour ? "\033[0m" : "", clock, n, n == 1 ? "" : "s");
    if (n_lost)
        fprintf(stream, ", %zu lost", n_lost);
    fputs("\n\n", stream);
}

/* As much of a line as the screen has room for. */
static void put_cut(const char *line, const struct status_table_options *table, FILE *stream)
{
    char *cut = table->width ? columns_cut(line, table->width, table->is_utf8 ? "…" : "+") : strdup(line);
    printable_print(cut ? cut : "", stream);
    fputc('\n', stream);
    free(cut);
}

static void put_merge(const struct account *account, const struct status_table_options *table, FILE *stream)
{
    char bar[BAR_MAX], percent[FIGURES_MAX], line[LINE_MAX_BYTES];
    double progress = account->action.progress_percent;
    snprintf(line, sizeof(line), "merge  %s %6s%%  %s",
             bar_text(progress, PROGRESS_WIDTH, table->is_utf8, bar), figures_percent(progress, percent),
             account->name);
    put_cut(line, table, stream);
}

static void put_merges(const struct picture *picture, FILE *stream)
{
    if (count_merges(picture->accounts) > 0)
        fputc('\n', stream);
    for (size_t i = 0; i < picture->accounts->n_items; i++)
        if (is_merge(&picture->accounts->items[i]))
            put_merge(&picture->accounts->items[i], &picture->table, stream);
}

/* Whom to show where not all can be: the lost ones, then the fullest. */
static int compare_urgency(const void *left, const void *right)
{
    const struct account *a = left, *b = right;
    int lost = status_table_is_lost(b) - status_table_is_lost(a);
    return lost ? lost : (a->used_percent < b->used_percent) - (a->used_percent > b->used_percent);
}

static int put_some(const struct picture *picture, unsigned room, FILE *stream)
{
    const struct accounts *all = picture->accounts;
    struct account *sorted = calloc(all->n_items, sizeof(*sorted));
    if (!sorted)
        return -1;
    memcpy(sorted, all->items, all->n_items * sizeof(*sorted));
    qsort(sorted, all->n_items, sizeof(*sorted), compare_urgency);
    struct accounts some = {.items = sorted, .n_items = room, .is_offline = all->is_offline};
    int r = status_table_print(&some, &picture->table, stream);
    free(sorted);
    fprintf(stream, "and %zu more\n", all->n_items - room);
    return r;
}

static unsigned taken_lines(const struct picture *picture)
{
    unsigned merges = count_merges(picture->accounts);
    return 2 + 1 + (merges ? merges + 1 : 0) + 1 + EVENTS_LEAST; /* title, titles, merges, blank, events */
}

static int put_table(const struct picture *picture, FILE *stream)
{
    unsigned taken = taken_lines(picture), room = picture->lines > taken + 1 ? picture->lines - taken : 2;
    if (picture->accounts->n_items == 0) {
        fputs("no snapshots\n", stream);
        return 0;
    }
    if (picture->lines && picture->accounts->n_items > room)
        return put_some(picture, room - 1, stream);
    return status_table_print(picture->accounts, &picture->table, stream);
}

static void put_entry(const struct log_entry *entry, const struct status_table_options *table, FILE *stream)
{
    char date[16];
    time_t seconds = (time_t)(entry->realtime_usec / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    unsigned taken = (unsigned)strftime(date, sizeof(date), "%H:%M:%S ", &parts);
    struct log_entry cut = {
        .priority = entry->priority,
        .message = columns_cut(entry->message ? entry->message : "",
                               table->width > taken ? table->width - taken : 0, table->is_utf8 ? "…" : "+"),
    };
    fputs(date, stream);
    log_entry_print_message(&cut, table->has_colour, stream);
    fputc('\n', stream);
    free(cut.message);
}

static unsigned count_lines(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* As many as there is room for below what is drawn so far. */
static void put_recent(const struct picture *picture, unsigned drawn, FILE *stream)
{
    const struct recent *recent = picture->recent;
    if (picture->lines < drawn + 2 || (recent->journal && recent->n_entries == 0))
        return;
    if (!recent->journal) {
        fputc('\n', stream);
        put_cut(recent->failure.sentence, &picture->table, stream);
        return;
    }
    size_t room = picture->lines - drawn - 1;
    size_t first = recent->n_entries > room ? recent->n_entries - room : 0;
    fputc('\n', stream);
    for (size_t i = first; i < recent->n_entries; i++)
        put_entry(&recent->entries[i], &picture->table, stream);
}

static int put_herd(const struct picture *picture, FILE *stream)
{
    if (!picture->accounts) {
        printable_print(picture->failure->sentence, stream);
        fputc('\n', stream);
        return 0;
    }
    if (put_table(picture, stream) < 0)
        return -1;
    put_merges(picture, stream);
    if (picture->accounts->is_offline) {
        printable_print(picture->accounts->why_offline.sentence, stream);
        fputs(": fill rate, time left and guarantee are not known\n", stream);
    }
    return 0;
}

char *picture_draw(const struct picture *picture)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    if (picture->lines)
        put_title(picture, stream);
    int r = put_herd(picture, stream);
    fflush(stream);
    if (r >= 0 && picture->lines)
        put_recent(picture, count_lines(text), stream);
    if (fclose(stream) != 0 || r < 0) {
        free(text);
        return NULL;
    }
    return text;
}
