#include "cowherd/action_memory.h"
#include "cleanup.h"
#include "cowherd/text_file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define NAME      (ACTION_MEMORY_FILE + 1)
#define TEMPORARY ".action-times.new" /* swept away with half-written intents (intent_file.h) */
#define DAY       86400

static uint32_t today(void)
{
    time_t now = time(NULL);
    return now > 0 ? (uint32_t)(now / DAY) : 0;
}

int action_memory_read(const char *state_directory, struct action_times *ret_times)
{
    _cleanup_text_ char *text = malloc(ACTION_TIMES_TEXT_MAX + 1);
    _cleanup_fd_ int directory = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!text)
        return -ENOMEM;
    if (directory < 0)
        return errno == ENOENT ? 0 : -errno;
    int r = text_file_read(directory, NAME, text, ACTION_TIMES_TEXT_MAX + 1);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : action_times_parse(text, ret_times);
}

void action_memory_recall(struct action_memory *memory)
{
    if (!memory->state_directory)
        return;
    int r = action_memory_read(memory->state_directory, &memory->times);
    if (r < 0)
        journal_message(memory->journal, LOG_WARNING,
                        "What actions took before is not known, %s" ACTION_MEMORY_FILE " is ignored: %s",
                        memory->state_directory, strerror(-r));
}

static int store(const struct action_memory *memory)
{
    static char text[ACTION_TIMES_TEXT_MAX]; /* of the child's own */
    int length = action_times_format(&memory->times, today(), text, sizeof(text));
    if (length < 0)
        return length;
    _cleanup_fd_ int directory = open(memory->state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    return text_file_replace(directory, NAME, TEMPORARY, text, (size_t)length);
}

/* A child_function (child.h). */
static void run(const void *argument, int result_fd)
{
    int r = store(argument);
    if (write(result_fd, &r, sizeof(r)) != sizeof(r))
        _exit(1);
}

static void tell_failure(struct action_memory *memory, int error)
{
    if (!memory->failure_told)
        journal_message(memory->journal, LOG_WARNING, "What actions took cannot be kept in %s: %s",
                        memory->state_directory, strerror(-error));
    memory->failure_told = true;
}

static void write_later(struct action_memory *memory);

static int on_exit_child(sd_event_source *source, const siginfo_t *info, void *user)
{
    struct action_memory *memory = user;
    int r;
    (void)source, (void)info;
    if (watched_child_take_result(&memory->child, &r, sizeof(r)) < 0)
        r = -EPIPE;
    memory->writing = false;
    if (r < 0)
        tell_failure(memory, r);
    else
        memory->failure_told = false;
    if (memory->changed)
        write_later(memory);
    return 0;
}

static int began(struct action_memory *memory, int r)
{
    if (r < 0)
        return r;
    memory->writing = true;
    memory->changed = false;
    return 0;
}

/* It has no deadline: one that hangs on the disk is waited for. */
static int start_child(struct action_memory *memory)
{
    struct child_watch watch = {.deadline_usec = UINT64_MAX, .on_exit = on_exit_child, .user = memory};
    return began(memory, watched_child_start(&memory->child, run, memory, memory->event, &watch));
}

static int start_unwatched_child(struct action_memory *memory)
{
    return began(memory, child_start(run, memory, &memory->child.child));
}

static int on_delay(sd_event_source *source, uint64_t usec, void *user)
{
    struct action_memory *memory = user;
    (void)source, (void)usec;
    memory->delay_source = sd_event_source_disable_unref(memory->delay_source);
    int r = 0;
    if (!memory->writing) /* one that hangs on the disk is not joined by another */
        r = start_child(memory);
    if (r < 0)
        tell_failure(memory, r);
    return 0;
}

static void write_later(struct action_memory *memory)
{
    memory->changed = true;
    if (!memory->state_directory || memory->delay_source)
        return;
    int r = sd_event_add_time_relative(memory->event, &memory->delay_source, CLOCK_MONOTONIC,
                                       ACTION_MEMORY_DELAY_USEC, 0, on_delay, memory);
    if (r < 0)
        tell_failure(memory, r);
}

void action_memory_learn(struct action_memory *memory, enum action_kind action, struct action_subject subject,
                         uint64_t took_usec)
{
    action_times_take(&memory->times, action, subject, took_usec, today());
    write_later(memory);
}

void action_memory_see(struct action_memory *memory, struct action_subject subject)
{
    if (action_times_see(&memory->times, subject, today()))
        write_later(memory);
}

void action_memory_done(struct action_memory *memory)
{
    if (memory->changed && memory->state_directory && !memory->writing)
        start_unwatched_child(memory); /* the event loop has ended: nobody watches this one but us */
    if (memory->writing) {
        struct pollfd end = {.fd = memory->child.child.result_fd, .events = POLLIN};
        poll(&end, 1, (int)(ACTION_MEMORY_LAST_USEC / 1000));
        watched_child_leave(&memory->child);
        memory->writing = false;
    }
    memory->delay_source = sd_event_source_disable_unref(memory->delay_source);
}
