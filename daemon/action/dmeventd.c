#include "cowherd/dmeventd.h"
#include "cowherd/lvm_name.h"
#include "cowherd/lvm_tool.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PID_FILE      "/run/dmeventd.pid"
#define DEADLINE_USEC UINT64_C(60000000) /* for two of lvm's commands, which have their own before it */

/* lvm tells dmeventd, and starts it, only after it has activated a volume. */
#define SECOND_TRY_SECONDS 5

struct answer {
    bool watched;
};

static bool is_running(void)
{
    int pid = 0;
    FILE *file = fopen(PID_FILE, "re");
    if (!file)
        return false;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static bool lvm_says_monitored(const struct dmeventd_question *question)
{
    struct lvm_name name;
    struct lvm_output output;
    char uuid[LVM_UUID_BYTES], select[64];
    if (lvm_name_split(question->name, &name) < 0 || lvm_uuid_of_volume(question->uuid, uuid) < 0)
        return false;
    snprintf(select, sizeof(select), "lv_uuid=%s", uuid);
    struct lvm_command command = {
        .arguments = {"lvs", "-a", "--noheadings", "-o", "seg_monitor", "-S", select, name.group}};
    if (lvm_tool_run(&command, &output) != 0)
        return false;
    return lvm_output_has(&output, "monitored") && !lvm_output_has(&output, "not monitored");
}

static bool is_watched(const struct dmeventd_question *question)
{
    return is_running() && lvm_says_monitored(question);
}

static void examine(const void *argument, int result_fd)
{
    struct answer answer = {.watched = is_watched(argument)};
    if (!answer.watched) {
        nanosleep(&(struct timespec){.tv_sec = SECOND_TRY_SECONDS}, NULL);
        answer.watched = is_watched(argument);
    }
    if (write(result_fd, &answer, sizeof(answer)) != sizeof(answer))
        _exit(1);
}

static struct dmeventd_question *find(const struct dmeventd_questions *questions, const char *uuid)
{
    for (size_t i = 0; i < questions->n_items; i++)
        if (strcmp(questions->items[i].uuid, uuid) == 0)
            return &questions->items[i];
    return NULL;
}

static void ask_next(struct dmeventd_questions *questions);

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct dmeventd_questions *questions = user;
    struct dmeventd_question *question = find(questions, questions->asked_uuid);
    struct answer answer;
    (void)source, (void)info;
    int r = watched_child_take_result(&questions->child, &answer, sizeof(answer));
    questions->asking = false;
    if (r == 0 && answer.watched && question) {
        question->told = true;
        questions->tell(question->uuid, questions->user);
    }
    ask_next(questions);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *user)
{
    const struct dmeventd_questions *questions = user;
    (void)source, (void)usec;
    watched_child_kill(&questions->child);
    return 0;
}

static int start(struct dmeventd_questions *questions, const struct dmeventd_question *question)
{
    struct child_watch watch = {
        .deadline_usec = DEADLINE_USEC,
        .on_exit = on_exit_child,
        .on_deadline = on_deadline,
        .user = questions,
    };
    return watched_child_start(&questions->child, examine, question, questions->event, &watch);
}

/* Who cannot be asked for now is, when he is named again. */
static void ask_next(struct dmeventd_questions *questions)
{
    for (size_t i = 0; i < questions->n_items && !questions->asking; i++) {
        struct dmeventd_question *question = &questions->items[i];
        if (!question->waits)
            continue;
        question->waits = false;
        strcpy(questions->asked_uuid, question->uuid);
        questions->asking = start(questions, question) >= 0;
    }
}

static struct dmeventd_question *add(struct dmeventd_questions *questions, const char *uuid)
{
    struct dmeventd_question *items = reallocarray(questions->items, questions->n_items + 1, sizeof(*items));
    if (!items)
        return NULL;
    questions->items = items;
    struct dmeventd_question *question = &items[questions->n_items++];
    *question = (struct dmeventd_question){0};
    snprintf(question->uuid, sizeof(question->uuid), "%s", uuid);
    return question;
}

void dmeventd_ask(struct dmeventd_questions *questions, const char *name, const char *uuid)
{
    struct dmeventd_question *question = find(questions, uuid);
    if (!question)
        question = add(questions, uuid);
    if (!question || question->told)
        return;
    snprintf(question->name, sizeof(question->name), "%s", name);
    question->waits = true;
    ask_next(questions);
}

void dmeventd_forget(struct dmeventd_questions *questions, const char *uuid)
{
    struct dmeventd_question *question = find(questions, uuid);
    if (question)
        *question = questions->items[--questions->n_items];
}

void dmeventd_done(struct dmeventd_questions *questions)
{
    if (questions->asking)
        watched_child_leave(&questions->child);
    free(questions->items);
    *questions = (struct dmeventd_questions){0};
}
