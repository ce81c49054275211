#include "cowherd/journal.h"
#include "cowherd/event_fields.h"
#include "journal_private.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* CODE_FILE= would always be this file */
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* What the sending thread may use beyond the system's minimum. Small, for locked memory counts all of it.
 * Measured on a painted stack with the largest entries: 11 KiB (15 KiB with sanitizers), with thread-local
 * data and sd_journal_sendv() of systemd 252, also where that takes its way through a memfd. */
#define SEND_STACK_BYTES ((size_t)64 * 1024)

/* A line to a pipe is not mixed with other writers' up to this size. */
#define LINE_BYTES_MAX PIPE_BUF

/* An entry that waits: one small block, nothing in it points anywhere else. */
struct entry {
    struct entry *next;
    unsigned long dropped_before; /* entries dropped between the one before it and this one */
    struct field_sizes sizes;
    char text[];
};

struct journal {
    struct journal_outlet outlet;
    char *identifier; /* "SYSLOG_IDENTIFIER=cowherd" */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below; held for a few instructions only */
    pthread_cond_t changed;
    struct entry *first;
    struct entry **end;
    unsigned n_entries;
    unsigned long dropped;
    unsigned long dropped_untold; /* since the last entry that was queued */
    bool closing;
    struct listener {
        void (*tell)(const struct event *event, void *user);
        void *user;
    } listeners[JOURNAL_LISTENERS_MAX]; /* the loop's alone, like their number */
    size_t n_listeners;
};

/* --- fields as a line --- */

struct line {
    char *text;
    size_t size;
    size_t length;
};

/* Appends all of it or nothing; what ends a line (quote, line end, zero) always keeps its room. */
static bool line_add(struct line *line, const char *bytes, size_t n_bytes)
{
    if (line->length + n_bytes + strlen("\"\n") + 1 > line->size)
        return false;
    memcpy(line->text + line->length, bytes, n_bytes);
    line->length += n_bytes;
    return true;
}

static bool is_plain(const char *value, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t bytes = event_text_character(value + i, size - i);
        if (bytes == 0 || memchr(" \"'\\", value[i], 4))
            return false;
        i += bytes;
    }
    return true;
}

/* Appends the value's first character as it stands between quotes. Returns how many bytes of the value that
 * took, 0 where the line is full. */
static size_t line_add_character(struct line *line, const char *value, size_t size)
{
    static const char specials[] = "\"\\\n\t\r", letters[] = "\"\\ntr";
    const char *special = memchr(specials, value[0], sizeof specials - 1);
    size_t bytes = event_text_character(value, size);
    char escape[8];

    if (special) {
        char pair[] = {'\\', letters[special - specials]};
        return line_add(line, pair, sizeof pair);
    }
    if (bytes > 0)
        return line_add(line, value, bytes) ? bytes : 0;
    int n = snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)value[0]);
    return line_add(line, escape, (size_t)n);
}

/* Appends "NAME=value". A plain value is written whole or not at all: half a number is a wrong number.
 * Returns false where the line is full. */
static bool line_add_field(struct line *line, const char *field, size_t size)
{
    const char *value = (const char *)memchr(field, '=', size) + 1;
    size_t n_name = (size_t)(value - field), n_value = size - n_name;

    if (is_plain(value, n_value))
        return line_add(line, field, size);

    char opening[EVENT_FIELD_OTHERS_MAX];
    memcpy(opening, field, n_name);
    opening[n_name] = '"';
    if (!line_add(line, opening, n_name + 1))
        return false;
    size_t at = 0, bytes = 1;
    while (at < n_value && (bytes = line_add_character(line, value + at, n_value - at)) > 0)
        at += bytes;
    line->text[line->length++] = '"';
    return bytes > 0;
}

static size_t fields_line(const struct field_sizes *fields, const char *text, char *buffer, size_t size)
{
    struct line line = {.text = buffer, .size = size};
    bool room = true;

    for (uint16_t i = 0; i < fields->n && room; i++) {
        size_t before = line.length;
        room = (i == 0 || line_add(&line, " ", 1)) && line_add_field(&line, text, fields->sizes[i]);
        if (line.length == before + 1)
            line.length = before; /* a blank that nothing follows */
        text += fields->sizes[i];
    }
    if (line.length + 1 < size)
        buffer[line.length++] = '\n';
    if (size > 0)
        buffer[line.length] = '\0';
    return line.length;
}

size_t journal_event_line(const struct event *event, char *buffer, size_t size)
{
    struct event_fields fields;

    event_fields_make(event, &fields);
    return fields_line(&fields.sizes, fields.text, buffer, size);
}

/* --- the outlet --- */

static int send_to_journald(const struct iovec *fields, int n_fields)
{
    /* sd_journal_sendv() says that all went well where there is no socket. */
    if (access(JOURNAL_SOCKET, F_OK) < 0)
        return -errno;
    return sd_journal_sendv(fields, n_fields);
}

struct journal_outlet journal_outlet_for(int fd, const char *journal_stream)
{
    struct journal_outlet outlet = {.send = send_to_journald, .line_fd = -1};
    struct stat status;
    char stream[64];

    /* A closed fd is found out now: its number may belong to anything later. */
    if (fstat(fd, &status) < 0)
        return outlet;
    if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) /* /dev/null */
        return outlet;
    outlet.line_fd = fd;
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    outlet.line_always = !journal_stream || strcmp(stream, journal_stream) != 0;
    return outlet;
}

static void write_line(const struct journal *journal, const struct field_sizes *fields, const char *text)
{
    char line[LINE_BYTES_MAX];

    size_t length = fields_line(fields, text, line, sizeof line);
    if (write(journal->outlet.line_fd, line, length) < 0)
        return; /* nobody is left to be told */
}

static void deliver(const struct journal *journal, const struct field_sizes *fields, const char *text)
{
    struct iovec vector[EVENT_FIELDS_MAX + 1];
    const char *at = text;

    for (uint16_t i = 0; i < fields->n; i++) {
        vector[i] = (struct iovec){.iov_base = (char *)at, .iov_len = fields->sizes[i]};
        at += fields->sizes[i];
    }
    vector[fields->n] = (struct iovec){.iov_base = journal->identifier,
                                       .iov_len = strlen(journal->identifier)};

    int r = journal->outlet.send(vector, fields->n + 1);
    if (journal->outlet.line_fd >= 0 && (r < 0 || journal->outlet.line_always))
        write_line(journal, fields, text);
}

/* --- the thread --- */

/* Waits for something to send. Returns false when there is nothing left and nothing will come. */
static bool take(struct journal *journal, struct entry **ret_entry, unsigned long *ret_dropped)
{
    pthread_mutex_lock(&journal->lock);
    while (!journal->first && journal->dropped_untold == 0 && !journal->closing)
        pthread_cond_wait(&journal->changed, &journal->lock);

    struct entry *entry = journal->first;
    unsigned long dropped = 0;
    if (entry) {
        journal->first = entry->next;
        if (!journal->first)
            journal->end = &journal->first;
        journal->n_entries--;
        dropped = entry->dropped_before;
    } else {
        dropped = journal->dropped_untold;
        journal->dropped_untold = 0;
    }
    pthread_mutex_unlock(&journal->lock);

    *ret_entry = entry;
    *ret_dropped = dropped;
    return entry || dropped > 0;
}

static void tell_dropped(const struct journal *journal, unsigned long dropped)
{
    struct event_fields fields;
    char message[96];

    snprintf(message, sizeof message, "%lu log entries were dropped because the journal did not take them",
             dropped);
    event_fields_make_message(LOG_WARNING, message, &fields);
    deliver(journal, &fields.sizes, fields.text);
}

static void *send_entries(void *argument)
{
    struct journal *journal = argument;
    struct entry *entry;
    unsigned long dropped;

    while (take(journal, &entry, &dropped)) {
        if (dropped > 0)
            tell_dropped(journal, dropped);
        if (entry)
            deliver(journal, &entry->sizes, entry->text);
        free(entry);
    }
    return NULL;
}

/* Every signal is blocked in the thread: they are the loop's, and SIGPIPE is nobody's. */
static int start_thread(struct journal *journal)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    int r = -pthread_attr_init(&attributes);
    if (r < 0)
        return r;
    r = -pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN) + SEND_STACK_BYTES);
    if (r == 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&journal->thread, &attributes, send_entries, journal);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return r;
}

static void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    pthread_cond_destroy(&journal->changed);
    pthread_mutex_destroy(&journal->lock);
    free(journal->identifier);
    free(journal);
}

int journal_open_outlet(const char *program, const struct journal_outlet *outlet,
                        struct journal **ret_journal)
{
    struct journal *journal = malloc(sizeof *journal);

    if (!journal)
        return -ENOMEM;
    *journal = (struct journal){
        .outlet = *outlet,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .end = &journal->first,
    };
    int r = asprintf(&journal->identifier, "SYSLOG_IDENTIFIER=%s", program);
    if (r < 0) {
        free(journal);
        return -ENOMEM;
    }
    r = start_thread(journal);
    if (r < 0) {
        journal_free(journal);
        return r;
    }
    *ret_journal = journal;
    return 0;
}

int journal_open(const char *program, struct journal **ret_journal)
{
    struct journal_outlet outlet = journal_outlet_for(STDERR_FILENO, getenv("JOURNAL_STREAM"));

    return journal_open_outlet(program, &outlet, ret_journal);
}

/* --- the loop's side --- */

static struct entry *entry_new(const struct event_fields *fields)
{
    struct entry *entry = malloc(sizeof *entry + fields->sizes.bytes);

    if (!entry)
        return NULL;
    entry->next = NULL;
    entry->sizes = fields->sizes;
    memcpy(entry->text, fields->text, fields->sizes.bytes);
    return entry;
}

/* Takes the entry over; NULL is one that there was no memory for. */
static void queue(struct journal *journal, struct entry *entry)
{
    pthread_mutex_lock(&journal->lock);
    bool taken = entry && journal->n_entries < JOURNAL_QUEUE_MAX;
    if (taken) {
        entry->dropped_before = journal->dropped_untold;
        journal->dropped_untold = 0;
        *journal->end = entry;
        journal->end = &entry->next;
        journal->n_entries++;
    } else {
        journal->dropped++;
        journal->dropped_untold++;
    }
    pthread_mutex_unlock(&journal->lock);

    pthread_cond_signal(&journal->changed);
    if (!taken)
        free(entry);
}

void journal_event(struct journal *journal, const struct event *event)
{
    struct event_fields fields;

    for (size_t i = 0; i < journal->n_listeners; i++)
        journal->listeners[i].tell(event, journal->listeners[i].user);
    event_fields_make(event, &fields);
    queue(journal, entry_new(&fields));
}

int journal_listen(struct journal *journal, void (*listener)(const struct event *event, void *user),
                   void *user)
{
    if (journal->n_listeners == JOURNAL_LISTENERS_MAX)
        return -ENOSPC;
    journal->listeners[journal->n_listeners++] = (struct listener){.tell = listener, .user = user};
    return 0;
}

void journal_message(struct journal *journal, int priority, const char *format, ...)
{
    char message[EVENT_SENTENCE_MAX + 1]; /* one more, so that the fields see a cut and mends it */
    struct event_fields fields;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    event_fields_make_message(priority, message, &fields);
    queue(journal, entry_new(&fields));
}

unsigned long journal_dropped(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    unsigned long dropped = journal->dropped;
    pthread_mutex_unlock(&journal->lock);
    return dropped;
}

/* Of the monotonic clock: a wall clock that is set back must not hold up the daemon's end. */
static struct timespec deadline_in(unsigned long wait_usec)
{
    struct timespec deadline;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += (time_t)(wait_usec / 1000000);
    deadline.tv_nsec += (long)(wait_usec % 1000000) * 1000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    return deadline;
}

void journal_close(struct journal *journal, unsigned long wait_usec)
{
    if (!journal)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->closing = true;
    pthread_mutex_unlock(&journal->lock);
    pthread_cond_signal(&journal->changed);

    struct timespec deadline = deadline_in(wait_usec);
    if (pthread_clockjoin_np(journal->thread, NULL, CLOCK_MONOTONIC, &deadline) != 0) {
        /* Stuck in a send that may still end: the thread goes on using the journal and its queue, so they are
         * leaked on purpose. The process ends soon after. */
        pthread_detach(journal->thread);
        return;
    }
    journal_free(journal);
}
