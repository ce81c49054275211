#include "cowherd/hooks.h"
#include "cowherd/hook.h"
#include "cowherd/hook_supervisor.h"
#include "cowherd/watched_child.h"
#include "cowherd/words.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond the hook's own deadline and grace: for systemd to start a unit on a busy machine. */
#define OVERHEAD_USEC UINT64_C(30000000)

struct hook_call {
    struct hooks *hooks;
    struct subject subject; /* its texts are the call's own */
    char *name, *uuid;
    char *hook, *action, *rung, *program;
    char *block; /* its order */
    size_t block_size;
    uint64_t timeout_usec;
    bool of_stalled;
    bool running;
    bool overdue;
    uint64_t start_usec;
    struct watched_child child;
};

static uint64_t now_usec_of(sd_event *event)
{
    uint64_t now = 0;
    sd_event_now(event, CLOCK_BOOTTIME, &now);
    return now;
}

static void free_call(struct hook_call *call)
{
    watched_child_leave(&call->child);
    free(call->name);
    free(call->uuid);
    free(call->hook);
    free(call->action);
    free(call->rung);
    free(call->program);
    free(call->block);
    free(call);
}

static void remove_call(struct hook_call *call)
{
    struct hooks *hooks = call->hooks;
    for (size_t i = 0; i < hooks->n_items; i++)
        if (hooks->items[i] == call) {
            hooks->n_items--;
            memmove(hooks->items + i, hooks->items + i + 1, (hooks->n_items - i) * sizeof(call));
            break;
        }
    free_call(call);
}

static bool same_snapshot(const struct subject *a, const struct subject *b)
{
    if (*a->uuid || *b->uuid)
        return strcmp(a->uuid, b->uuid) == 0;
    return strcmp(a->name, b->name) == 0;
}

static void tell_failed(struct hooks *hooks, const struct subject *subject, const char *hook,
                        const struct stage *stage, bool of_stalled)
{
    announce_hook_failed(hooks->journal, subject, hook, stage);
    if (!of_stalled)
        hooks->failed(subject, hooks->user);
}

/* What came of a call is said, and the call forgotten. */
static void conclude(struct hook_call *call, const struct hook_outcome *outcome)
{
    struct hooks *hooks = call->hooks;
    char result[EVENT_RESULT_MAX];
    bool succeeded = hook_outcome_text(outcome, call->program, call->timeout_usec, result);
    struct stage stage = {
        .action = call->action,
        .rung = call->rung,
        .result = result,
        .took_usec = now_usec_of(hooks->event) - call->start_usec,
    };
    if (succeeded)
        announce_hook_done(hooks->journal, &call->subject, call->hook, &stage);
    else
        tell_failed(hooks, &call->subject, call->hook, &stage, call->of_stalled);
    remove_call(call);
}

static void start_waiting(struct hooks *hooks);

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct hook_call *call = user;
    struct hooks *hooks = call->hooks;
    struct hook_outcome outcome;
    (void)source, (void)info;
    if (watched_child_take_result(&call->child, &outcome, sizeof(outcome)) < 0)
        outcome = (struct hook_outcome){.end = call->overdue ? HOOK_OVERDUE : HOOK_NO_WORD};
    conclude(call, &outcome);
    start_waiting(hooks);
    return 0;
}

/* Neither cowherd-hook nor systemd has kept the deadline, or the order was never taken: the hook's unit is
 * left to systemd, which ends it. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    struct hook_call *call = user;
    (void)source, (void)usec;
    call->overdue = true;
    watched_child_kill(&call->child);
    return 0;
}

static int start_child(struct hook_call *call)
{
    struct hook_task task = {
        .name = call->hook,
        .block = call->block,
        .block_size = call->block_size,
        .timeout_usec = call->timeout_usec,
    };
    bool has_deadline = call->timeout_usec <= UINT64_MAX / 2;
    struct child_watch watch = {
        .deadline_usec = has_deadline ? call->timeout_usec + 4 * HOOK_GRACE_USEC + OVERHEAD_USEC : UINT64_MAX,
        .on_exit = on_exit_child,
        .on_deadline = on_deadline,
        .user = call,
    };
    return watched_child_start(&call->child, hook_run, &task, call->hooks->event, &watch);
}

static void start(struct hook_call *call)
{
    struct stage stage = {.action = call->action, .rung = call->rung};
    call->start_usec = now_usec_of(call->hooks->event);
    call->running = true;
    announce_hook_start(call->hooks->journal, &call->subject, call->hook, &stage);
    int r = start_child(call);
    if (r < 0) {
        struct hook_outcome outcome = {.end = HOOK_REFUSED};
        outcome.n_output = (uint32_t)snprintf(outcome.output, sizeof(outcome.output),
                                              "no child can be started: %s", strerror(-r));
        conclude(call, &outcome);
    }
}

/* The oldest call that may run now: its snapshot has none running and none that waits longer. */
static struct hook_call *next_call(const struct hooks *hooks)
{
    size_t n_running = 0;
    for (size_t i = 0; i < hooks->n_items; i++)
        n_running += hooks->items[i]->running;
    if (n_running >= HOOKS_RUNNING_MAX)
        return NULL;
    for (size_t i = 0; i < hooks->n_items; i++) {
        struct hook_call *call = hooks->items[i];
        bool is_blocked = call->running;
        for (size_t j = 0; j < hooks->n_items && !is_blocked; j++)
            is_blocked = hooks->items[j]->running && same_snapshot(&hooks->items[j]->subject, &call->subject);
        if (!is_blocked)
            return call;
    }
    return NULL;
}

/* A call that cannot be started may bring another, through `on stalled`: that one is taken here too. */
static void start_waiting(struct hooks *hooks)
{
    if (hooks->starting)
        return;
    hooks->starting = true;
    for (struct hook_call *call; (call = next_call(hooks));)
        start(call);
    hooks->starting = false;
}

static const struct hook *find_hook(const struct configuration *configuration, const char *name)
{
    for (size_t i = 0; i < configuration->n_hooks; i++)
        if (strcmp(configuration->hooks[i].name, name) == 0)
            return &configuration->hooks[i];
    return NULL;
}

/* Returns 0, or a negative errno. */
static int make_order(struct hook_call *call, const char *command, const struct event_fields *facts)
{
    char **words = NULL, **environment = NULL;
    const char *error;
    size_t n_words;
    int r = words_split(command, &words, &n_words, &error);
    if (r >= 0)
        r = hook_environment(facts, &environment);
    if (r >= 0) {
        struct hook_order order = {
            .timeout_usec = call->timeout_usec, .environment = environment, .arguments = words};
        call->program = strdup(words[0]);
        r = call->program ? hook_order_encode(&order, &call->block, &call->block_size) : -ENOMEM;
    }
    free(words);
    free(environment);
    return r;
}

static int copy_texts(struct hook_call *call, const struct subject *subject, const struct rung *rung,
                      const struct action *action)
{
    call->subject = *subject;
    call->subject.name = call->name = strdup(subject->name);
    call->subject.uuid = call->uuid = strdup(subject->uuid);
    call->hook = strdup(action->hook);
    call->action = strdup(action->text);
    call->rung = strdup(rung->text);
    return call->name && call->uuid && call->hook && call->action && call->rung ? 0 : -ENOMEM;
}

static int append(struct hooks *hooks, struct hook_call *call)
{
    struct hook_call **items = reallocarray(hooks->items, hooks->n_items + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    hooks->items = items;
    items[hooks->n_items++] = call;
    return 0;
}

static int queue(struct hooks *hooks, const struct configuration *configuration,
                 const struct subject *subject, const struct rung *rung, const struct action *action,
                 const struct event_fields *facts)
{
    const struct hook *hook = find_hook(configuration, action->hook);
    struct hook_call *call = hook ? calloc(1, sizeof(*call)) : NULL;
    if (!call)
        return hook ? -ENOMEM : -ENOENT;
    call->hooks = hooks;
    call->child = WATCHED_CHILD_NONE;
    call->timeout_usec = configuration->hook_timeout_usec;
    call->of_stalled = rung->condition.kind == CONDITION_STALLED;
    int r = copy_texts(call, subject, rung, action);
    if (r >= 0)
        r = make_order(call, hook->command, facts);
    if (r >= 0)
        r = append(hooks, call);
    if (r < 0)
        free_call(call);
    return r;
}

static bool is_full(const struct hooks *hooks, const struct subject *subject)
{
    size_t n_waiting = 0;
    for (size_t i = 0; i < hooks->n_items; i++)
        n_waiting += !hooks->items[i]->running && same_snapshot(&hooks->items[i]->subject, subject);
    return n_waiting >= HOOKS_WAITING_MAX || hooks->n_items >= HOOKS_CALLS_MAX;
}

static void run(struct hooks *hooks, const struct configuration *configuration, const struct subject *subject,
                const struct rung *rung, const struct action *action, const struct event_fields *facts)
{
    struct stage stage = {.action = action->text, .rung = rung->text, .dry_run = hooks->dry_run};
    if (hooks->dry_run) {
        announce_hook_start(hooks->journal, subject, action->hook, &stage);
        return;
    }
    int r = is_full(hooks, subject) ? -EBUSY : queue(hooks, configuration, subject, rung, action, facts);
    if (r >= 0)
        return;
    stage.result = r == -EBUSY ? "dropped, for too many hooks wait already" : strerror(-r);
    tell_failed(hooks, subject, action->hook, &stage, rung->condition.kind == CONDITION_STALLED);
}

void hooks_run(struct hooks *hooks, const struct configuration *configuration, const struct subject *subject,
               const struct rung *rung, const struct event_fields *facts)
{
    for (size_t i = 0; i < rung->n_actions; i++)
        if (rung->actions[i].kind == ACTION_EXEC)
            run(hooks, configuration, subject, rung, &rung->actions[i], facts);
    start_waiting(hooks);
}

void hooks_done(struct hooks *hooks)
{
    for (size_t i = 0; i < hooks->n_items; i++) {
        struct hook_call *call = hooks->items[i];
        struct stage stage = {
            .action = call->action, .rung = call->rung, .result = "not run: cowherd is stopped"};
        if (!call->running)
            announce_hook_failed(hooks->journal, &call->subject, call->hook, &stage);
        free_call(call);
    }
    free(hooks->items);
    hooks->items = NULL;
    hooks->n_items = 0;
}
