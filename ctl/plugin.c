#include "plugin.h"
#include "cowherd/bytes_text.h"
#include "cowherd/event.h"
#include "figures.h"
#include "status_table.h"
#include <math.h>
#include <string.h>

#define PROBLEMS_MAX 10 /* named in the line; a longer one is cut by those who send it on */

const char *plugin_state_name(enum plugin_state state)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    return names[state];
}

enum plugin_state plugin_worse(enum plugin_state a, enum plugin_state b)
{
    static const int weights[] = {
        [PLUGIN_OK] = 0, [PLUGIN_UNKNOWN] = 1, [PLUGIN_WARNING] = 2, [PLUGIN_CRITICAL] = 3};
    return weights[a] >= weights[b] ? a : b;
}

static bool is_merging(const struct account *account)
{
    return account->state && strcmp(account->state, "merging") == 0;
}

enum plugin_state plugin_judge(const struct account *account, const struct limits *warning,
                               const struct limits *critical)
{
    double left = account->has_rate ? account->seconds_left : -1;
    if (status_table_is_lost(account))
        return PLUGIN_CRITICAL;
    if (!account->has_usage)
        return PLUGIN_UNKNOWN;
    if (is_merging(account)) /* nothing fills it any more */
        return PLUGIN_OK;
    if (limits_are_reached(critical, account->used_percent, left))
        return PLUGIN_CRITICAL;
    return limits_are_reached(warning, account->used_percent, left) ? PLUGIN_WARNING : PLUGIN_OK;
}

void plugin_put_name(const char *name, FILE *stream)
{
    char text[EVENT_NAME_MAX];
    for (const char *at = event_text_name(name, text); *at; at++) {
        if (*at == '|')
            fputs("\\x7c", stream);
        else
            fputc(*at, stream);
    }
}

void plugin_put_label(const char *name, const char *suffix, FILE *stream)
{
    char text[EVENT_NAME_MAX];
    fputc('\'', stream);
    for (const char *at = event_text_name(name, text); *at; at++) {
        if (*at == '\'')
            fputs("''", stream);
        else if (*at == '=' || *at == '|')
            fprintf(stream, "\\x%02x", (unsigned char)*at);
        else
            fputc(*at, stream);
    }
    fprintf(stream, "%s'", suffix);
}

static void put_percent_limit(double percent, FILE *stream)
{
    if (percent >= 0)
        fprintf(stream, ";%g", percent);
    else
        fputc(';', stream);
}

/* "600:": it is worth a warning below. */
static void put_time_limit(double seconds, FILE *stream)
{
    if (seconds >= 0)
        fprintf(stream, ";%.15g:", seconds);
    else
        fputc(';', stream);
}

static void put_data(const struct account *account, const struct limits *warning,
                     const struct limits *critical, FILE *stream)
{
    char text[FIGURES_MAX];
    if (!account->has_usage)
        return;
    fputc(' ', stream);
    plugin_put_label(account->name, "", stream);
    fprintf(stream, "=%s%%", figures_percent(account->used_percent, text));
    put_percent_limit(warning->percent, stream);
    put_percent_limit(critical->percent, stream);
    fputs(";0;100", stream);
    if (!account->has_rate || account->seconds_left < 0)
        return;
    fputc(' ', stream);
    plugin_put_label(account->name, " left", stream);
    fprintf(stream, "=%.0fs", floor(account->seconds_left));
    put_time_limit(warning->seconds, stream);
    put_time_limit(critical->seconds, stream);
    fputs(";0", stream);
}

/* "root-backup 93.25 %, 15.9 MiB free, full in 217s" */
static void put_fullness(const struct account *account, FILE *stream)
{
    char percent[FIGURES_MAX], left[FIGURES_MAX], bytes[BYTES_TEXT_MAX];
    plugin_put_name(account->name, stream);
    if (!account->has_usage) {
        fprintf(stream, " %s", account->state ? account->state : "Unknown");
        return;
    }
    fprintf(stream, " %s %%, %s free", figures_percent(account->used_percent, percent),
            bytes_text(account->free_bytes, bytes));
    if (account->has_rate && account->seconds_left >= 0)
        fprintf(stream, ", full in %s", figures_time(account->seconds_left, left));
}

static const struct account *find_fullest(const struct accounts *accounts)
{
    const struct account *fullest = NULL;
    for (size_t i = 0; i < accounts->n_items; i++) {
        const struct account *account = &accounts->items[i];
        if (account->has_usage && (!fullest || account->used_percent > fullest->used_percent))
            fullest = account;
    }
    return fullest;
}

/* Those of this state, after their state's name. Returns how many. */
static size_t put_problems(const struct accounts *accounts, const struct limits *warning,
                           const struct limits *critical, enum plugin_state state, FILE *stream)
{
    size_t n = 0;
    for (size_t i = 0; i < accounts->n_items; i++) {
        if (plugin_judge(&accounts->items[i], warning, critical) != state || n++ >= PROBLEMS_MAX)
            continue;
        if (n == 1)
            fprintf(stream, "; %s: ",
                    state == PLUGIN_CRITICAL  ? "critical"
                    : state == PLUGIN_WARNING ? "warning"
                                              : "unknown");
        else
            fputs(", ", stream);
        put_fullness(&accounts->items[i], stream);
    }
    if (n > PROBLEMS_MAX)
        fprintf(stream, " and %zu more", n - PROBLEMS_MAX);
    return n;
}

static void put_summary(const struct accounts *accounts, const struct limits *warning,
                        const struct limits *critical, FILE *stream)
{
    const struct account *fullest = find_fullest(accounts);
    size_t n = 0;
    fprintf(stream, "%zu snapshot%s", accounts->n_items, accounts->n_items == 1 ? "" : "s");
    if (accounts->is_offline)
        fprintf(stream, "; %s%s", accounts->why_offline.sentence,
                accounts->why_offline.is_unguarded ? ": nothing guards them" : "");
    n += put_problems(accounts, warning, critical, PLUGIN_CRITICAL, stream);
    n += put_problems(accounts, warning, critical, PLUGIN_WARNING, stream);
    n += put_problems(accounts, warning, critical, PLUGIN_UNKNOWN, stream);
    if (n == 0 && fullest) {
        fputs("; fullest: ", stream);
        put_fullness(fullest, stream);
    }
}

enum plugin_state plugin_report(const struct accounts *accounts, const struct limits *warning,
                                const struct limits *critical, FILE *stream)
{
    enum plugin_state state = accounts->is_offline ? PLUGIN_WARNING : PLUGIN_OK;
    for (size_t i = 0; i < accounts->n_items; i++)
        state = plugin_worse(state, plugin_judge(&accounts->items[i], warning, critical));
    fprintf(stream, "COWHERD %s - ", plugin_state_name(state));
    put_summary(accounts, warning, critical, stream);
    if (find_fullest(accounts))
        fputc('|', stream);
    for (size_t i = 0; i < accounts->n_items; i++)
        put_data(&accounts->items[i], warning, critical, stream);
    fputc('\n', stream);
    return state;
}
