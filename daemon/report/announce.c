#include "cowherd/announce.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

struct subject subject_of_member(const struct member *member)
{
    return (struct subject){
        .name = member->name,
        .uuid = member->uuid,
        .role = member->role,
        .has_sample = member->has_sample,
        .sample = member->sample,
    };
}

struct subject subject_of_intent(const struct intent *intent)
{
    return (struct subject){.name = intent->name, .uuid = intent->uuid, .role = intent->role};
}

/* Fills in the sentence, sends, and hands out the facts where they are wanted. */
__attribute__((format(printf, 5, 0))) static void vsay(struct journal *journal, struct event *event,
                                                       const struct subject *subject,
                                                       struct event_fields *ret_facts, const char *format,
                                                       va_list arguments)
{
    char sentence[EVENT_SENTENCE_MAX];
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    event->sentence = sentence;
    if (subject) {
        event->snapshot = subject->name;
        event->uuid = subject->uuid;
        event->role = subject->role;
        event->has_sample = subject->has_sample;
        event->sample = subject->sample;
    }
    journal_event(journal, event);
    if (ret_facts)
        event_fields_make(event, ret_facts);
}

__attribute__((format(printf, 4, 5))) static void say(struct journal *journal, struct event *event,
                                                      const struct subject *subject, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsay(journal, event, subject, NULL, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 5, 6))) static void say_facts(struct journal *journal, struct event *event,
                                                            const struct subject *subject,
                                                            struct event_fields *ret_facts,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsay(journal, event, subject, ret_facts, format, arguments);
    va_end(arguments);
}

#define FULLNESS_MAX 256

/* "71.42 % full, 9.1 MiB left, full in 2 min 5 s at 75 KiB/s" */
static const char *describe_fullness(const struct subject *subject, char text[static FULLNESS_MAX])
{
    char percent[EVENT_TEXT_MAX], left[EVENT_TEXT_MAX], time[EVENT_TEXT_MAX], rate[EVENT_TEXT_MAX];
    const struct sample *sample = &subject->sample;
    if (!subject->has_sample) {
        snprintf(text, FULLNESS_MAX, "its fill level not known");
        return text;
    }
    int n = snprintf(text, FULLNESS_MAX, "%s %% full, %s left", event_text_percent(sample, percent),
                     event_text_bytes(sample->bytes_left, left));
    if (sample->time_left_usec != TIME_UNKNOWN_USEC)
        snprintf(text + n, FULLNESS_MAX - (size_t)n, ", gone in %s at %s/s",
                 event_text_time(sample->time_left_usec, time),
                 event_text_bytes(sample->rate_bytes_per_second, rate));
    return text;
}

/* What a full store takes with it. */
static const char *stake(enum role role)
{
    return role == ROLE_BACKUP ? "the way back" : "the running system";
}

static bool is_guarded(const struct member *member)
{
    for (size_t i = 0; member->policy && i < member->policy->n_rungs; i++)
        if (member->policy->rungs[i].condition.kind < CONDITION_LOST)
            return true;
    return false;
}

void announce_found(struct journal *journal, const struct member *member, const char *guarantee)
{
    char name[EVENT_NAME_MAX], fullness[FULLNESS_MAX], size[EVENT_TEXT_MAX];
    struct subject subject = subject_of_member(member);
    struct event event = {.kind = EVENT_FOUND, .priority = LOG_INFO};
    say(journal, &event, &subject, "Watching %s, a %s snapshot with a store of %s: %s.%s%s Guarantee: %s.",
        event_text_name(member->name, name), role_name(member->role),
        event_text_bytes(member->sample.total_sectors * UINT64_C(512), size),
        describe_fullness(&subject, fullness), is_guarded(member) ? "" : " No rung guards it.",
        member->alone ? "" : " Its device has other targets beside it: it is never changed.", guarantee);
}

void announce_renamed(struct journal *journal, const struct member *member)
{
    char name[EVENT_NAME_MAX];
    struct subject subject = subject_of_member(member);
    struct event event = {.kind = EVENT_FOUND, .priority = LOG_INFO};
    say(journal, &event, &subject, "A %s snapshot has another name now: %s.", role_name(member->role),
        event_text_name(member->name, name));
}

void announce_role(struct journal *journal, const struct member *member)
{
    char name[EVENT_NAME_MAX];
    struct subject subject = subject_of_member(member);
    struct event event = {.kind = EVENT_FOUND, .priority = LOG_INFO};
    say(journal, &event, &subject, "%s is a %s snapshot now: the system runs on %s.",
        event_text_name(member->name, name), role_name(member->role),
        member->role == ROLE_BACKUP ? "its origin" : "it");
}

void announce_gone(struct journal *journal, const struct member *member)
{
    char name[EVENT_NAME_MAX];
    struct subject subject = subject_of_member(member);
    struct event event = {.kind = EVENT_GONE, .priority = LOG_INFO};
    say(journal, &event, &subject, "%s is no snapshot any more: it is not watched any longer.",
        event_text_name(member->name, name));
}

/* What it does, as written: what changes the device, else the first. */
static const char *action_text(const struct rung *rung)
{
    const struct action *action = rung_changing_action(rung);
    return action ? action->text : rung->actions[0].text;
}

void announce_rung(struct journal *journal, const struct subject *subject, const struct rung *rung,
                   const char *reason, struct event_fields *ret_facts)
{
    char name[EVENT_NAME_MAX], fullness[FULLNESS_MAX];
    struct event event = {
        .kind = EVENT_RUNG,
        .priority = event_priority(rung_alert_level(rung)),
        .rung = rung->text,
        .action = action_text(rung),
        .result = reason,
    };
    if (rung->condition.kind == CONDITION_LOST)
        say_facts(journal, &event, subject, ret_facts, "Snapshot %s is lost (%s): %s.",
                  event_text_name(subject->name, name), reason, rung->text);
    else if (rung->condition.kind == CONDITION_STALLED)
        say_facts(journal, &event, subject, ret_facts, "What is to save %s does not come forward (%s): %s.",
                  event_text_name(subject->name, name), describe_fullness(subject, fullness), rung->text);
    else
        say_facts(journal, &event, subject, ret_facts,
                  "The store of %s is %s: %s. When it is full, %s is lost.",
                  event_text_name(subject->name, name), describe_fullness(subject, fullness), rung->text,
                  stake(subject->role));
}

void announce_lost(struct journal *journal, const struct subject *subject, const struct rung *rung,
                   const char *reason, struct event_fields *ret_facts)
{
    char name[EVENT_NAME_MAX];
    struct event event = {
        .kind = EVENT_LOST,
        .priority = rung ? event_priority(rung_alert_level(rung)) : LOG_ERR,
        .rung = rung ? rung->text : NULL,
        .action = rung ? action_text(rung) : NULL,
        .result = reason,
    };
    say_facts(journal, &event, subject, ret_facts, "Snapshot %s is lost, and with it %s: %s.",
              event_text_name(subject->name, name), stake(subject->role), reason);
}

static struct event stage_event(enum event_kind kind, int priority, const struct stage *stage)
{
    return (struct event){
        .kind = kind,
        .priority = priority,
        .rung = stage->rung,
        .action = stage->action,
        .result = stage->result,
    };
}

void announce_start(struct journal *journal, const struct subject *subject, const struct stage *stage)
{
    char name[EVENT_NAME_MAX], fullness[FULLNESS_MAX];
    struct event event = stage_event(EVENT_ACTION_START, LOG_NOTICE, stage);
    if (stage->dry_run) {
        event.result = "dry-run";
        say(journal, &event, subject, "Would now %s %s, %s; nothing is changed, for this is a dry run.",
            stage->action, event_text_name(subject->name, name), describe_fullness(subject, fullness));
    } else if (stage->goes_on)
        say(journal, &event, subject, "Going on with the %s of %s, which was begun before.", stage->action,
            event_text_name(subject->name, name));
    else
        say(journal, &event, subject, "Beginning to %s %s: %s.", stage->action,
            event_text_name(subject->name, name), describe_fullness(subject, fullness));
}

static const char *describe_outcome(const char *action, enum role role)
{
    if (strcmp(action, action_kind_name(ACTION_EXTEND)) == 0)
        return "its store has grown";
    bool keeps_new = (role == ROLE_LIVE) == (strcmp(action, "merge") == 0);
    return keeps_new ? "the new data is kept, there is no way back any more"
                     : "the old data is back, the new data is gone";
}

void announce_done(struct journal *journal, const struct subject *subject, const struct stage *stage)
{
    char name[EVENT_NAME_MAX], took[EVENT_TEXT_MAX];
    struct event event = stage_event(EVENT_ACTION_DONE, LOG_NOTICE, stage);
    if (!event.result || !*event.result)
        event.result = "done";
    event.took_usec = stage->took_usec;
    say(journal, &event, subject, "Done: the %s of %s (%s)%s%s.", stage->action,
        event_text_name(subject->name, name), describe_outcome(stage->action, subject->role),
        stage->took_usec ? ", after " : "", stage->took_usec ? event_text_time(stage->took_usec, took) : "");
}

void announce_failed(struct journal *journal, const struct subject *subject, const struct stage *stage)
{
    char name[EVENT_NAME_MAX];
    struct event event = stage_event(EVENT_ACTION_FAILED, stage->half_done ? LOG_CRIT : LOG_ERR, stage);
    say(journal, &event, subject, "Cannot %s %s: %s.%s", stage->action, event_text_name(subject->name, name),
        stage->result,
        stage->half_done ? " Its origin may be half rolled back, old and new data mixed: do not use it."
                         : "");
}

void announce_deferred(struct journal *journal, const struct subject *subject, const struct stage *stage)
{
    char name[EVENT_NAME_MAX];
    struct event event = stage_event(EVENT_DEFERRED, stage->half_done ? LOG_CRIT : LOG_WARNING, stage);
    if (stage->half_done)
        say(journal, &event, subject,
            "The origin of %s may be half rolled back, old and new data mixed, for the machine went down in "
            "the "
            "middle of it, and the rest must wait: %s. It follows by itself as soon as it can.",
            event_text_name(subject->name, name), stage->result);
    else
        say(journal, &event, subject, "The %s of %s must wait: %s. It follows by itself as soon as it can.",
            stage->action, event_text_name(subject->name, name), stage->result);
}

void announce_hook_start(struct journal *journal, const struct subject *subject, const char *hook,
                         const struct stage *stage)
{
    char name[EVENT_NAME_MAX], fullness[FULLNESS_MAX];
    struct event event = stage_event(EVENT_ACTION_START, LOG_NOTICE, stage);
    if (stage->dry_run)
        event.result = "dry-run";
    say(journal, &event, subject, "%s the hook %s for %s, %s%s.",
        stage->dry_run ? "Would now run" : "Running", hook, event_text_name(subject->name, name),
        describe_fullness(subject, fullness),
        stage->dry_run ? "; nothing is run, for this is a dry run" : "");
}

/* What a hook wrote, as one line without its full stop: its beginning, or, of what went well, its last line. */
static const char *one_line(const char *result, bool last, char text[static EVENT_NAME_MAX])
{
    char line[EVENT_RESULT_MAX];
    const char *newline = last ? strrchr(result, '\n') : NULL;
    snprintf(line, sizeof(line), "%s", newline ? newline + 1 : result);
    for (char *at = line; *at; at++)
        if (*at == '\n')
            *at = ' ';
    size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '.')
        line[length - 1] = '\0';
    return event_text_name(line, text);
}

void announce_hook_done(struct journal *journal, const struct subject *subject, const char *hook,
                        const struct stage *stage)
{
    char name[EVENT_NAME_MAX], took[EVENT_TEXT_MAX], line[EVENT_NAME_MAX];
    struct event event = stage_event(EVENT_ACTION_DONE, LOG_NOTICE, stage);
    event.took_usec = stage->took_usec;
    say(journal, &event, subject, "The hook %s of %s has run, after %s: %s.", hook,
        event_text_name(subject->name, name), event_text_time(stage->took_usec, took),
        one_line(stage->result, true, line));
}

void announce_hook_failed(struct journal *journal, const struct subject *subject, const char *hook,
                          const struct stage *stage)
{
    char name[EVENT_NAME_MAX], line[EVENT_NAME_MAX];
    struct event event = stage_event(EVENT_ACTION_FAILED, LOG_ERR, stage);
    say(journal, &event, subject, "The hook %s of %s failed: %s.", hook, event_text_name(subject->name, name),
        one_line(stage->result, false, line));
}

static struct event brake_event(int priority, const struct brake_stage *stage, const char *result)
{
    return (struct event){
        .kind = EVENT_BRAKE,
        .priority = priority,
        .rung = stage->rung,
        .action = stage->action,
        .result = result,
    };
}

/* Who is held: whoever writes to where the system runs. */
static const char *held_of(const struct subject *subject)
{
    return subject->role == ROLE_BACKUP ? "the origin of " : "";
}

void announce_brake_engaged(struct journal *journal, const struct subject *subject,
                            const struct brake_stage *stage)
{
    char name[EVENT_NAME_MAX], rate[EVENT_TEXT_MAX], took[EVENT_TEXT_MAX], left[EVENT_TEXT_MAX];
    char result[2 * EVENT_TEXT_MAX] = "engaged copy throttle";
    event_text_bytes(stage->rate.bytes_per_second, rate);
    event_text_time(stage->expected_usec, took);
    event_text_bytes(subject->sample.bytes_left, left);
    if (!stage->by_throttle)
        snprintf(result, sizeof(result), "engaged %s/s", rate);
    struct event event = brake_event(LOG_NOTICE, stage, result);
    if (stage->by_throttle)
        say(journal, &event, subject,
            "Holding back all copying of dm-snapshot, for no control group can be limited: the %s of %s, "
            "expected to take %s, is to come before the %s left are gone.",
            stage->action, event_text_name(subject->name, name), took, left);
    else
        say(journal, &event, subject,
            "Holding writers to %s%s to %s and %" PRIu64 " writes a second: the %s, expected to take %s, "
            "is to come before the %s left are gone.",
            held_of(subject), event_text_name(subject->name, name), rate, stage->rate.writes_per_second,
            stage->action, took, left);
}

void announce_brake_released(struct journal *journal, const struct subject *subject,
                             const struct brake_stage *stage)
{
    char name[EVENT_NAME_MAX], took[EVENT_TEXT_MAX];
    struct event event = brake_event(stage->overdue ? LOG_WARNING : LOG_NOTICE, stage, "released");
    say(journal, &event, subject, "Writers to %s%s are free again after %s%s.", held_of(subject),
        event_text_name(subject->name, name), event_text_time(stage->took_usec, took),
        stage->overdue ? ", although what they were held for has not come: nobody is held longer" : "");
}

void announce_brake_failed(struct journal *journal, const struct subject *subject,
                           const struct brake_stage *stage, const char *reason)
{
    char name[EVENT_NAME_MAX], result[EVENT_RESULT_MAX];
    snprintf(result, sizeof(result), "not engaged: %s", reason);
    struct event event = brake_event(LOG_WARNING, stage, result);
    say(journal, &event, subject,
        "Writers to %s%s cannot be held while the %s is under way: %s. It may come too late.",
        held_of(subject), event_text_name(subject->name, name), stage->action, reason);
}

void announce_config(struct journal *journal, int priority, const char *result, const char *sentence)
{
    struct event event = {.kind = EVENT_CONFIG, .priority = priority, .result = result};
    say(journal, &event, NULL, "%s", sentence);
}

void announce_hold(struct journal *journal, const struct subject *subject, const char *reason)
{
    char name[EVENT_NAME_MAX];
    struct event event = {.kind = EVENT_CONFIG, .priority = LOG_NOTICE, .action = "hold", .result = reason};
    say(journal, &event, subject, "No action is begun on %s: it is %s. Alerts and hooks go on.",
        event_text_name(subject->name, name), reason);
}

void announce_hold_end(struct journal *journal, const struct subject *subject, const char *reason)
{
    char name[EVENT_NAME_MAX];
    struct event event = {
        .kind = EVENT_CONFIG, .priority = LOG_NOTICE, .action = "release", .result = reason};
    say(journal, &event, subject, "%s is not held any more: %s. What was due meanwhile is begun.",
        event_text_name(subject->name, name), reason);
}

void announce_second_watcher(struct journal *journal, const struct member *member)
{
    char name[EVENT_NAME_MAX];
    struct subject subject = subject_of_member(member);
    struct event event = {.kind = EVENT_CONFIG, .priority = LOG_WARNING, .result = "dmeventd watches it too"};
    say(journal, &event, &subject,
        "%s is watched by lvm's dmeventd too: with a snapshot_autoextend_threshold below 100 in lvm.conf "
        "both of us extend it.",
        event_text_name(member->name, name));
}

const char *announce_status(const struct herd *herd, size_t n_actions, const char *config_error,
                            char text[static STATUS_MAX])
{
    char name[EVENT_NAME_MAX], fullness[FULLNESS_MAX];
    const struct member *fullest = herd ? herd_fullest(herd) : NULL;
    size_t lost = 0;
    for (size_t i = 0; herd && i < herd->n_members; i++)
        lost += snapshot_state_is_lost(herd->members[i]->target.status.state);
    int n = 0;
    if (config_error)
        n = snprintf(text, STATUS_MAX, "configuration refused, the former is in force (%.200s); ",
                     config_error);
    if (!herd) {
        snprintf(text + n, STATUS_MAX - (size_t)n,
                 "waiting for device-mapper, which this kernel has not loaded");
        return text;
    }
    n += snprintf(text + n, STATUS_MAX - (size_t)n, "watching %zu snapshot%s", herd->n_members,
                  herd->n_members == 1 ? "" : "s");
    if (lost)
        n += snprintf(text + n, STATUS_MAX - (size_t)n, ", %zu lost", lost);
    if (n_actions)
        n += snprintf(text + n, STATUS_MAX - (size_t)n, ", %zu action%s under way", n_actions,
                      n_actions == 1 ? "" : "s");
    if (fullest) {
        struct subject subject = subject_of_member(fullest);
        snprintf(text + n, STATUS_MAX - (size_t)n, "; fullest: %.64s (%s), %s",
                 event_text_name(fullest->name, name), role_name(fullest->role),
                 describe_fullness(&subject, fullness));
    }
    return text;
}
