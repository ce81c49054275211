#include "status_table.h"
#include "bar.h"
#include "columns.h"
#include "figures.h"
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#define WARNING_PERCENT  70 /* the built-in ladder's rungs */
#define CRITICAL_PERCENT 90
#define BAR_LEAST        8
#define BAR_NATURAL      22
#define NAME_LEAST       12
#define RUNG_LEAST       16
#define UNLIMITED        100000
#define HELD             " (held)" /* less than RUNG_LEAST */
#define REASON_LEAST     30        /* of a guarantee: a shorter piece of a sentence says nothing */

enum table_column { NAME, ROLE, STATE, USED, PERCENT, FREE, RATE, LEFT, NEXT_RUNG, GUARANTEE, N_COLUMNS };

static const struct {
    const char *title;
    unsigned least; /* 0: its widest cell */
    unsigned dropped;
    unsigned grown;
    int flags;
} layout[N_COLUMNS] = {
    [NAME] = {"NAME", NAME_LEAST, 0, 0, 0},
    [ROLE] = {"ROLE", 0, 2, 0, 0},
    [STATE] = {"STATE", 0, 0, 0, 0},
    [USED] = {"USED", BAR_LEAST, 3, 2, 0},
    [PERCENT] = {"USE%", 0, 0, 0, SCOLS_FL_RIGHT},
    [FREE] = {"FREE", 0, 4, 0, SCOLS_FL_RIGHT},
    [RATE] = {"RATE", 0, 1, 0, SCOLS_FL_RIGHT},
    [LEFT] = {"LEFT", 0, 6, 0, SCOLS_FL_RIGHT},
    [NEXT_RUNG] = {"NEXT RUNG", RUNG_LEAST, 5, 1, 0},
    [GUARANTEE] = {"GUARANTEE", 9, 7, 3, 0},
};

struct row {
    const struct account *account;
    char *cells[N_COLUMNS]; /* but the bar's, which is made when its width is known */
};

struct rows {
    struct row *items;
    size_t n_items;
};

bool status_table_is_lost(const struct account *account)
{
    static const char *const lost[] = {"Invalid", "Overflow", "Merge failed"};
    for (size_t i = 0; account->state && i < sizeof(lost) / sizeof(lost[0]); i++)
        if (strcmp(account->state, lost[i]) == 0)
            return true;
    return false;
}

static char *text_of(const char *text)
{
    return strdup(text ? text : "-");
}

static char *amount_text(uint64_t bytes, bool is_rate, const struct status_table_options *options)
{
    char text[FIGURES_MAX];
    if (options->bytes)
        snprintf(text, sizeof(text), "%" PRIu64, bytes);
    else if (is_rate)
        figures_rate(bytes, text);
    else
        figures_bytes(bytes, text);
    return strdup(text);
}

static char *percent_cell(const struct account *account)
{
    char text[FIGURES_MAX];
    if (!account->has_usage)
        return strdup("-");
    figures_percent(account->used_percent, text);
    strcat(text, "%");
    return strdup(text);
}

static char *left_cell(const struct account *account, const struct status_table_options *options)
{
    char text[FIGURES_MAX];
    if (!account->has_usage || !account->has_rate || account->seconds_left < 0)
        return strdup("-");
    if (options->bytes)
        snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)account->seconds_left);
    else
        figures_time(account->seconds_left, text);
    return strdup(text);
}

/* What comes next: the action that is under way, else the rung that is reached first. */
static char *next_cell(const struct account *account)
{
    const struct account_action *action = &account->action;
    const char *held = account->held_until_usec ? HELD : "";
    char *text;
    int n;
    if (action->kind && action->reason)
        n = asprintf(&text, "%s %s: %s%s", action->kind, action->phase ? action->phase : "", action->reason,
                     held);
    else if (action->kind && action->progress_percent >= 0)
        n = asprintf(&text, "%s %d%%%s", action->kind, (int)action->progress_percent, held);
    else if (action->kind)
        n = asprintf(&text, "%s %s%s", action->kind, action->phase ? action->phase : "", held);
    else
        n = asprintf(&text, "%s%s", account->next_rung ? account->next_rung : "-", held);
    return n < 0 ? NULL : text;
}

static char *guarantee_cell(const struct account *account)
{
    char *text;
    if (!account->guarantee || !account->guarantee_reason)
        return text_of(account->guarantee);
    return asprintf(&text, "%s: %s", account->guarantee, account->guarantee_reason) < 0 ? NULL : text;
}

static int fill_row(const struct account *account, const struct status_table_options *options,
                    struct row *row)
{
    bool has_rate = account->has_usage && account->has_rate;
    *row = (struct row){
        .account = account,
        .cells =
            {
                [NAME] = text_of(account->name),
                [ROLE] = text_of(account->role),
                [STATE] = text_of(account->state),
                [PERCENT] = percent_cell(account),
                [FREE] = account->has_usage ? amount_text(account->free_bytes, false, options)
                                            : text_of(NULL),
                [RATE] = has_rate ? amount_text(account->fill_rate_bytes, true, options) : text_of(NULL),
                [LEFT] = left_cell(account, options),
                [NEXT_RUNG] = next_cell(account),
                [GUARANTEE] = guarantee_cell(account),
            },
    };
    for (size_t i = 0; i < N_COLUMNS; i++)
        if (i != USED && !row->cells[i])
            return -ENOMEM;
    return 0;
}

static void rows_done(struct rows *rows)
{
    for (size_t i = 0; i < rows->n_items; i++)
        for (size_t j = 0; j < N_COLUMNS; j++)
            free(rows->items[i].cells[j]);
    free(rows->items);
}

static int fill_rows(const struct accounts *accounts, const struct status_table_options *options,
                     struct rows *rows)
{
    int r = 0;
    rows->items = calloc(accounts->n_items + 1, sizeof(*rows->items));
    if (!rows->items)
        return -ENOMEM;
    for (; rows->n_items < accounts->n_items && r == 0; rows->n_items++)
        r = fill_row(&accounts->items[rows->n_items], options, &rows->items[rows->n_items]);
    return r;
}

static unsigned widest(const struct rows *rows, size_t column)
{
    unsigned width = (unsigned)strlen(layout[column].title);
    for (size_t i = 0; i < rows->n_items; i++) {
        unsigned columns = columns_of_text(rows->items[i].cells[column]);
        width = columns > width ? columns : width;
    }
    return width;
}

static void measure(const struct rows *rows, const struct status_table_options *options, unsigned *widths)
{
    struct column_need needs[N_COLUMNS];
    for (size_t i = 0; i < N_COLUMNS; i++) {
        unsigned natural = i == USED ? BAR_NATURAL : widest(rows, i), least = layout[i].least;
        needs[i] = (struct column_need){
            .least = least && least < natural ? least : natural,
            .natural = natural,
            .dropped = layout[i].dropped,
            .grown = layout[i].grown,
        };
    }
    columns_fit(needs, N_COLUMNS, options->width, widths);
    /* The word alone, where there is no room for the reason. */
    if (widths[GUARANTEE] < REASON_LEAST && widths[GUARANTEE] < needs[GUARANTEE].natural) {
        needs[GUARANTEE].natural = needs[GUARANTEE].least;
        columns_fit(needs, N_COLUMNS, options->width, widths);
    }
}

static const char *colour_of(const struct account *account)
{
    if (status_table_is_lost(account))
        return "red";
    if (!account->has_usage)
        return "yellow";
    if (account->state && strcmp(account->state, "merging") == 0)
        return "cyan";
    if (account->used_percent >= CRITICAL_PERCENT)
        return "red";
    return account->used_percent >= WARNING_PERCENT ? "yellow" : "green";
}

static int set_colours(struct libscols_line *line, const struct account *account, const size_t *places)
{
    bool is_quiet = account->state && strcmp(account->state, "valid") == 0;
    int r = 0;
    if (places[STATE] < N_COLUMNS && !is_quiet)
        r = scols_cell_set_color(scols_line_get_cell(line, places[STATE]), colour_of(account));
    if (places[USED] < N_COLUMNS && r == 0)
        r = scols_cell_set_color(scols_line_get_cell(line, places[USED]), colour_of(account));
    if (places[GUARANTEE] < N_COLUMNS && account->guarantee && strcmp(account->guarantee, "no") == 0 &&
        r == 0)
        r = scols_cell_set_color(scols_line_get_cell(line, places[GUARANTEE]), "yellow");
    return r;
}

/* The suffix is what a short text still says. */
static char *cut_before(const char *text, const char *suffix, unsigned width, const char *mark)
{
    char *whole = NULL, *rest = strndup(text, strlen(text) - strlen(suffix));
    char *cut = rest ? columns_cut(rest, width - (unsigned)strlen(suffix), mark) : NULL;
    if (cut && asprintf(&whole, "%s%s", cut, suffix) < 0)
        whole = NULL;
    free(cut);
    free(rest);
    return whole;
}

/* The text of a cell as it fits into its column: the bar as long as that, a guarantee without room for its reason its
 * word. Allocated. */
static char *fit_cell(const struct row *row, size_t column, unsigned width,
                      const struct status_table_options *options)
{
    const struct account *account = row->account;
    const char *text = row->cells[column], *mark = options->is_utf8 ? "…" : "+";
    char bar[BAR_MAX];
    if (column == USED)
        return strdup(account->has_usage ? bar_text(account->used_percent, width, options->is_utf8, bar)
                                         : "-");
    if (column == GUARANTEE && width < REASON_LEAST && account->guarantee && columns_of_text(text) > width)
        text = account->guarantee;
    if (column == NEXT_RUNG && account->held_until_usec)
        return cut_before(text, HELD, width, mark);
    return columns_cut(text, width, mark);
}

static int add_line(struct libscols_table *table, const struct row *row, const size_t *places,
                    const unsigned *widths, const struct status_table_options *options)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    int r = line ? 0 : -ENOMEM;
    for (size_t i = 0; i < N_COLUMNS && r == 0; i++) {
        if (places[i] == N_COLUMNS)
            continue;
        char *text = fit_cell(row, i, widths[i], options);
        r = text ? scols_line_refer_data(line, places[i], text) : -ENOMEM;
    }
    return r == 0 ? set_colours(line, row->account, places) : r;
}

/* places: the column's number in the table; N_COLUMNS: it is not shown. */
static int add_columns(struct libscols_table *table, const unsigned *widths, size_t *places)
{
    size_t n = 0;
    for (size_t i = 0; i < N_COLUMNS; i++) {
        places[i] = N_COLUMNS;
        if (!widths[i])
            continue;
        if (!scols_table_new_column(table, layout[i].title, widths[i], layout[i].flags))
            return -ENOMEM;
        places[i] = n++;
    }
    return 0;
}

static int set_up(struct libscols_table *table, const struct status_table_options *options, FILE *stream)
{
    int r = scols_table_set_stream(table, stream);
    if (r == 0)
        r = scols_table_enable_noheadings(table, options->no_header);
    if (r == 0)
        r = scols_table_enable_colors(table, options->has_colour);
    /* All has been fitted: the library has nothing to cut, which it does without a mark. */
    if (r == 0)
        r = scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
    if (r == 0)
        r = scols_table_set_termwidth(table, UNLIMITED);
    return r;
}

static int print(struct libscols_table *table, const struct rows *rows,
                 const struct status_table_options *options, FILE *stream)
{
    unsigned widths[N_COLUMNS];
    size_t places[N_COLUMNS];
    measure(rows, options, widths);
    int r = set_up(table, options, stream);
    if (r == 0)
        r = add_columns(table, widths, places);
    for (size_t i = 0; i < rows->n_items && r == 0; i++)
        r = add_line(table, &rows->items[i], places, widths, options);
    return r == 0 ? scols_print_table(table) : r;
}

int status_table_print(const struct accounts *accounts, const struct status_table_options *options,
                       FILE *stream)
{
    struct rows rows = {0};
    struct libscols_table *table = scols_new_table();
    int r = table ? fill_rows(accounts, options, &rows) : -ENOMEM;
    if (r == 0)
        r = print(table, &rows, options, stream);
    rows_done(&rows);
    scols_unref_table(table);
    return r;
}
