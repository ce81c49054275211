#include "cowherd/grammar.h"

#include "cowherd/value.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS           " \t"
#define CENTIPERCENT_MAX 10000

static int refuse(const char **ret_error, const char *sentence)
{
    *ret_error = sentence;
    return -EINVAL;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, BLANKS);
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
    r = value_parse_percent(text, &centipercent, ret_error);
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

    r = value_take_size(&text, &bytes, ret_error);
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

    r = value_take_time(&text, &usec, ret_error);
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
        r = value_parse_percent(rest, &action->amount, ret_error);
    else
        r = value_parse_size(rest, &action->amount, ret_error);
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
