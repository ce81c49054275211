/* The journal: where events go, without ever waiting for it.
 *
 * sd_journal_sendv() blocks without limit while journald is stuck, so a thread of its own sends; the daemon's
 * loop only puts entries into a bounded queue. When that is full an event is dropped and counted, and the
 * next entry that gets through is preceded by one which says how many were lost. Where there is no journal
 * socket the same fields go to standard error, one key=value line an event; when standard error is something
 * else than the journal (a terminal, a file) it gets the lines besides the journal.
 *
 * fork(): the thread and its lock do not exist usefully in a child, which may have been forked while the lock
 * was held. A child must call nothing of this module and leave by exec or _exit(); then the lock does not
 * matter to it. Nothing here holds a lock of the C library's that fork() does not take care of itself.
 */
#pragma once

#include "cowherd/event.h"
#include <stddef.h>

#define JOURNAL_QUEUE_MAX 1024 /* entries waiting: below 1 MiB of usual ones when journald is stuck */

struct journal;

/* Starts the sending thread. program is SYSLOG_IDENTIFIER. Returns 0 or a negative errno. */
int journal_open(const char *program, struct journal **ret_journal);

/* Queues one event. Never blocks, never fails: what does not fit is counted. */
void journal_event(struct journal *journal, const struct event *event);

/* Has every event told to somebody else too (the bus, the metrics), in the caller's thread, before it is queued. Returns 0, or
 * -ENOSPC when there are JOURNAL_LISTENERS_MAX already. */
#define JOURNAL_LISTENERS_MAX 4
int journal_listen(struct journal *journal, void (*listener)(const struct event *event, void *user),
                   void *user);

/* Queues a plain message without COWHERD_ fields, for what is not an event (a library's complaint). */
void journal_message(struct journal *journal, int priority, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Entries dropped so far because the queue was full (or memory had run out). */
unsigned long journal_dropped(struct journal *journal);

/* Waits at most wait_usec for the queue to drain, then leaves; the thread is joined, or abandoned where
 * stuck. Does nothing with NULL. */
void journal_close(struct journal *journal, unsigned long wait_usec);

/* One event as a key=value line with its line end and a terminating zero (what standard error gets): values
 * with blanks, quotes, backslashes or control bytes are quoted and escaped as in C, what is not UTF-8 as
 * \xNN. Returns the length without the zero, cut to size: still a whole line with its quotes closed. */
size_t journal_event_line(const struct event *event, char *buffer, size_t size);
