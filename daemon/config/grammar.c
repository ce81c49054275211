#include "cowherd/grammar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS           " \t"
#define LETTERS          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PERCENT_DIGITS   2 /* decimals; the smallest step is then a hundredth of a percent */
#define CENTI            100
#define CENTIPERCENT_MAX (100 * CENTI)

struct unit {
    const char *name;
    uint64_t factor;
};

struct quantity {
    const struct unit *units;
    size_t n_units;
    const char *no_unit;
    const char *not_whole;
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

static const struct unit time_units[] = {
    {"ms", UINT64_C(1000)},          {"s", UINT64_C(1000000)},         {"min", UINT64_C(60) * 1000000},
    {"h", UINT64_C(3600) * 1000000}, {"d", UINT64_C(86400) * 1000000},
};

static const struct quantity size_quantity = {
    .units = size_units,
    .n_units = sizeof(size_units) / sizeof(size_units[0]),
    .no_unit = "a size needs a unit: B, KiB, MiB, GiB, TiB",
    .not_whole = "a size is a whole number",
};

static const struct quantity time_quantity = {
    .units = time_units,
    .n_units = sizeof(time_units) / sizeof(time_units[0]),
    .no_unit = "a time needs a unit: ms, s, min, h, d",
    .not_whole = "a time is a whole number",
};

static int refuse(const char **ret_error, const char *sentence)
{
    *ret_error = sentence;
    return -EINVAL;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, BLANKS);
}

/* The parsers below read from *text and leave it behind what they took; on -EINVAL it stays. */

static int take_number(const char **text, uint64_t *ret_number, const char **ret_error)
{
    const char *at = *text;
    uint64_t number = 0;

    if (*at == '-')
        return refuse(ret_error, "a number cannot be negative");
    if (*at < '0' || *at > '9')
        return refuse(ret_error, "a number is expected");
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return refuse(ret_error, "the number is too large");
    *text = at;
    *ret_number = number;
    return 0;
}

static const struct unit *find_unit(const struct quantity *quantity, const char *name, size_t length)
{
    for (size_t i = 0; i < quantity->n_units; i++)
        if (strlen(quantity->units[i].name) == length && memcmp(quantity->units[i].name, name, length) == 0)
            return &quantity->units[i];
    return NULL;
}

static int take_quantity(const struct quantity *quantity, const char **text, uint64_t *ret_value,
                         const char **ret_error)
{
    const char *at = skip_blanks(*text);
    const struct unit *unit;
    uint64_t value;
    size_t length;
    int r;

    r = take_number(&at, &value, ret_error);
    if (r < 0)
        return r;
    if (*at == '.')
        return refuse(ret_error, quantity->not_whole);
    at = skip_blanks(at);
    length = strspn(at, LETTERS);
    unit = find_unit(quantity, at, length);
    if (!unit)
        return refuse(ret_error, quantity->no_unit);
    if (__builtin_mul_overflow(value, unit->factor, &value))
        return refuse(ret_error, "the number is too large");
    *text = at + length;
    *ret_value = value;
    return 0;
}

/* The digits behind the point as hundredths: "5" is 50. */
static int take_decimals(const char **text, uint64_t *ret_centi, const char **ret_error)
{
    size_t digits = strspn(*text, "0123456789");
    uint64_t centi;

    if (digits == 0)
        return refuse(ret_error, "a number is expected");
    if (digits > PERCENT_DIGITS)
        return refuse(ret_error, "a percentage has two decimals at most");
    centi = (uint64_t)((*text)[0] - '0') * 10;
    if (digits == PERCENT_DIGITS)
        centi += (uint64_t)((*text)[1] - '0');
    *text += digits;
    *ret_centi = centi;
    return 0;
}

static int take_percent(const char **text, uint64_t *ret_centipercent, const char **ret_error)
{
    const char *at = skip_blanks(*text);
    uint64_t whole, centi = 0;
    int r;

    r = take_number(&at, &whole, ret_error);
    if (r < 0)
        return r;
    if (*at == '.') {
        at++;
        r = take_decimals(&at, &centi, ret_error);
        if (r < 0)
            return r;
    }
    at = skip_blanks(at);
    if (*at != '%')
        return refuse(ret_error, "a percentage ends with %");
    if (__builtin_mul_overflow(whole, CENTI, &whole) || __builtin_add_overflow(whole, centi, &whole))
        return refuse(ret_error, "the number is too large");
    *text = at + 1;
    *ret_centipercent = whole;
    return 0;
}

/* Nothing but blanks may follow. */
static int expect_end(const char *text, const char **ret_error)
{
    if (*skip_blanks(text) != '\0')
        return refuse(ret_error, "something follows that does not belong there");
    return 0;
}

int grammar_parse_size(const char *text, uint64_t *ret_bytes, const char **ret_error)
{
    uint64_t bytes;
    int r;

    r = take_quantity(&size_quantity, &text, &bytes, ret_error);
    if (r < 0)
        return r;
    r = expect_end(text, ret_error);
    if (r < 0)
        return r;
    *ret_bytes = bytes;
    return 0;
}

int grammar_parse_time(const char *text, uint64_t *ret_usec, const char **ret_error)
{
    uint64_t usec;
    int r;

    r = take_quantity(&time_quantity, &text, &usec, ret_error);
    if (r < 0)
        return r;
    r = expect_end(text, ret_error);
    if (r < 0)
        return r;
    *ret_usec = usec;
    return 0;
}

int grammar_parse_percent(const char *text, uint64_t *ret_centipercent, const char **ret_error)
{
    uint64_t centipercent;
    int r;

    r = take_percent(&text, &centipercent, ret_error);
    if (r < 0)
        return r;
    r = expect_end(text, ret_error);
    if (r < 0)
        return r;
    *ret_centipercent = centipercent;
    return 0;
}

int grammar_parse_bool(const char *text, bool *ret_bool, const char **ret_error)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i].word) == 0) {
            *ret_bool = words[i].value;
            return 0;
        }
    return refuse(ret_error, "yes or no is expected");
}

/* Whether the text starts with that word; *ret_rest is what follows, without blanks before it. (strchr finds
 * the terminating zero too: a word ends at a blank or with the text.) */
static bool take_word(const char *text, const char *word, const char **ret_rest)
{
    size_t length = strlen(word);

    text = skip_blanks(text);
    if (strncmp(text, word, length) != 0 || !strchr(BLANKS, text[length]))
        return false;
    *ret_rest = skip_blanks(text + length);
    return true;
}

/* Whether the text's last word is that one. */
static bool ends_with_word(const char *text, const char *word)
{
    size_t text_length = strlen(text), length = strlen(word);

    while (text_length > 0 && strchr(BLANKS, text[text_length - 1]))
        text_length--;
    return text_length > length && memcmp(text + text_length - length, word, length) == 0 &&
           strchr(BLANKS, text[text_length - length - 1]);
}

static int parse_used(const char *text, struct condition *ret_condition, const char **ret_error)
{
    uint64_t centipercent;
    int r;

    if (!strchr(text, '%'))
        return refuse(ret_error, "after \"at\" comes N%, SIZE free or TIME left");
    r = grammar_parse_percent(text, &centipercent, ret_error);
    if (r < 0)
        return r;
    if (centipercent > CENTIPERCENT_MAX)
        return refuse(ret_error, "a percentage is at most 100%");
    if (centipercent == 0)
        return refuse(ret_error, "every store has passed 0% from the start");
    *ret_condition = (struct condition){.kind = CONDITION_USED, .value = centipercent};
    return 0;
}

static int parse_free(const char *text, struct condition *ret_condition, const char **ret_error)
{
    const char *rest;
    uint64_t bytes;
    int r;

    r = take_quantity(&size_quantity, &text, &bytes, ret_error);
    if (r < 0)
        return r;
    if (!take_word(text, "free", &rest) || *rest)
        return refuse(ret_error, "one size is expected before \"free\"");
    *ret_condition = (struct condition){.kind = CONDITION_FREE, .value = bytes};
    return 0;
}

static int parse_left(const char *text, struct condition *ret_condition, const char **ret_error)
{
    const char *rest;
    uint64_t usec;
    int r;

    r = take_quantity(&time_quantity, &text, &usec, ret_error);
    if (r < 0)
        return r;
    if (!take_word(text, "left", &rest) || *rest)
        return refuse(ret_error, "one time is expected before \"left\"");
    if (usec == 0)
        return refuse(ret_error, "with no time left it is too late");
    *ret_condition = (struct condition){.kind = CONDITION_TIME, .value = usec};
    return 0;
}

static int parse_on(const char *text, struct condition *ret_condition, const char **ret_error)
{
    const char *rest;

    if (take_word(text, "lost", &rest) && *rest == '\0')
        *ret_condition = (struct condition){.kind = CONDITION_LOST};
    else if (take_word(text, "stalled", &rest) && *rest == '\0')
        *ret_condition = (struct condition){.kind = CONDITION_STALLED};
    else
        return refuse(ret_error, "after \"on\" comes lost or stalled");
    return 0;
}

int grammar_parse_condition(const char *text, struct condition *ret_condition, const char **ret_error)
{
    const char *rest;

    if (take_word(text, "on", &rest))
        return parse_on(rest, ret_condition, ret_error);
    if (!take_word(text, "at", &rest))
        return refuse(ret_error, "a rung starts with \"at\" or \"on\"");
    if (ends_with_word(rest, "free"))
        return parse_free(rest, ret_condition, ret_error);
    if (ends_with_word(rest, "left"))
        return parse_left(rest, ret_condition, ret_error);
    return parse_used(rest, ret_condition, ret_error);
}

static int parse_alert(const char *rest, struct action *action, const char **ret_error)
{
    action->kind = ACTION_ALERT;
    if (*rest == '\0' || strcmp(rest, "warning") == 0)
        action->level = ALERT_WARNING;
    else if (strcmp(rest, "notice") == 0)
        action->level = ALERT_NOTICE;
    else if (strcmp(rest, "critical") == 0)
        action->level = ALERT_CRITICAL;
    else
        return refuse(ret_error, "an alert is notice, warning or critical");
    return 0;
}

static int parse_exec(const char *rest, struct action *action, const char **ret_error)
{
    if (*rest == '\0')
        return refuse(ret_error, "exec takes the name of a hook");
    action->kind = ACTION_EXEC;
    action->hook = strdup(rest);
    return action->hook ? 0 : -ENOMEM;
}

static int parse_extend(const char *rest, struct action *action, const char **ret_error)
{
    int r;

    if (*rest == '\0')
        return refuse(ret_error, "extend takes N% or a SIZE");
    action->kind = ACTION_EXTEND;
    action->is_percent = strchr(rest, '%') != NULL;
    if (action->is_percent)
        r = grammar_parse_percent(rest, &action->amount, ret_error);
    else
        r = grammar_parse_size(rest, &action->amount, ret_error);
    if (r < 0)
        return r;
    if (action->amount == 0)
        return refuse(ret_error, "extend by nothing changes nothing");
    return 0;
}

static int parse_plain(enum action_kind kind, const char *rest, struct action *action, const char **ret_error)
{
    if (*rest != '\0')
        return refuse(ret_error, "nothing may follow merge and drop");
    action->kind = kind;
    return 0;
}

static int parse_words(const char *text, struct action *action, const char **ret_error)
{
    const char *rest;

    if (*text == '\0')
        return refuse(ret_error, "an action is missing");
    if (take_word(text, "alert", &rest))
        return parse_alert(rest, action, ret_error);
    if (take_word(text, "exec", &rest))
        return parse_exec(rest, action, ret_error);
    if (take_word(text, "extend", &rest))
        return parse_extend(rest, action, ret_error);
    if (take_word(text, "merge", &rest))
        return parse_plain(ACTION_MERGE, rest, action, ret_error);
    if (take_word(text, "drop", &rest))
        return parse_plain(ACTION_DROP, rest, action, ret_error);
    return refuse(ret_error, "an action is alert, exec, extend, merge or drop");
}

/* One action: length bytes of text, blanks around it allowed. */
static int parse_action(const char *text, size_t length, struct action *ret_action, const char **ret_error)
{
    struct action action = {0};
    size_t before = strspn(text, BLANKS);
    int r;

    while (length > before && strchr(BLANKS, text[length - 1]))
        length--;
    action.text = strndup(text + before, length - before);
    if (!action.text)
        return -ENOMEM;
    r = parse_words(action.text, &action, ret_error);
    if (r < 0) {
        action_done(&action);
        return r;
    }
    *ret_action = action;
    return 0;
}

static bool may(enum condition_kind condition, enum action_kind action)
{
    if (action == ACTION_ALERT || action == ACTION_EXEC)
        return true;
    if (condition == CONDITION_LOST)
        return action == ACTION_DROP;
    return condition != CONDITION_STALLED;
}

/* What one action forbids another of the same rung. */
static int check_pair(const struct action *a, const struct action *b, const char **ret_error)
{
    if (action_kind_changes(a->kind) && action_kind_changes(b->kind))
        return refuse(ret_error, "a rung changes the device in one way at most");
    if (a->kind == ACTION_ALERT && b->kind == ACTION_ALERT)
        return refuse(ret_error, "a rung alerts once");
    if (a->kind == ACTION_EXEC && b->kind == ACTION_EXEC && strcmp(a->hook, b->hook) == 0)
        return refuse(ret_error, "a rung runs a hook once");
    return 0;
}

static int check_action(const struct rung *rung, const struct action *action, const char **ret_error)
{
    int r;

    if (!may(rung->condition.kind, action->kind))
        return refuse(ret_error, rung->condition.kind == CONDITION_LOST
                                     ? "on lost can only alert, exec and drop"
                                     : "on stalled can only alert and exec");
    for (size_t i = 0; i < rung->n_actions; i++) {
        r = check_pair(&rung->actions[i], action, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_action(struct rung *rung, const char *text, size_t length, const char **ret_error)
{
    struct action action, *actions;
    int r;

    r = parse_action(text, length, &action, ret_error);
    if (r < 0)
        return r;
    r = check_action(rung, &action, ret_error);
    if (r < 0) {
        action_done(&action);
        return r;
    }
    actions = reallocarray(rung->actions, rung->n_actions + 1, sizeof(*actions));
    if (!actions) {
        action_done(&action);
        return -ENOMEM;
    }
    rung->actions = actions;
    rung->actions[rung->n_actions++] = action;
    return 0;
}

int grammar_parse_actions(const char *text, enum condition_kind condition, struct action **ret_actions,
                          size_t *ret_n_actions, const char **ret_error)
{
    struct rung rung = {.condition.kind = condition};
    size_t length;
    int r;

    for (;; text += length + 1) {
        length = strcspn(text, ",");
        r = add_action(&rung, text, length, ret_error);
        if (r < 0) {
            rung_done(&rung);
            return r;
        }
        if (text[length] == '\0')
            break;
    }
    *ret_actions = rung.actions;
    *ret_n_actions = rung.n_actions;
    return 0;
}
