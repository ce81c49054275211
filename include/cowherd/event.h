/* Events: everything the daemon says, as plain data. One event is one journal entry (or one line on standard
 * error).
 *
 * The field names are the contract with those who search the journal: MESSAGE, MESSAGE_ID, PRIORITY,
 * COWHERD_EVENT, COWHERD_SNAPSHOT, COWHERD_UUID, COWHERD_ROLE, COWHERD_USED_SECTORS, COWHERD_TOTAL_SECTORS,
 * COWHERD_PERCENT, COWHERD_RATE (bytes/s), COWHERD_SECONDS_LEFT, COWHERD_RUNG (as written), COWHERD_ACTION,
 * COWHERD_RESULT.
 */
#pragma once

#include "cowherd/ladder.h"
#include "cowherd/policy.h"
#include <stdbool.h>
#include <stddef.h>

enum event_kind {
    EVENT_FOUND,
    EVENT_GONE,
    EVENT_RUNG,
    EVENT_ACTION_START,
    EVENT_ACTION_DONE,
    EVENT_ACTION_FAILED,
    EVENT_DEFERRED,
    EVENT_LOST,
    EVENT_BRAKE,
    EVENT_CONFIG,
};

#define EVENT_KINDS        (EVENT_CONFIG + 1)
#define EVENT_SENTENCE_MAX 1024 /* bytes of MESSAGE with its end; longer is cut at a character */
#define EVENT_RESULT_MAX   512  /* the same of every other text: what waits for journald must stay small */

/* "found", "action-start", …: the value of COWHERD_EVENT. */
const char *event_kind_name(enum event_kind kind);

/* MESSAGE_ID of a kind: 32 hexadecimal digits, never changed once released. */
const char *event_kind_message_id(enum event_kind kind);

/* Everything an event may say. What is NULL or empty (or has_sample false) is left out of the entry. */
struct event {
    enum event_kind kind;
    int priority;         /* of syslog: LOG_CRIT … */
    const char *snapshot; /* dm name, raw bytes */
    const char *uuid;
    enum role role; /* ROLE_UNSET: left out */
    bool has_sample;
    struct sample sample;
    const char *rung;
    const char *action;
    const char *result;
    const char *sentence; /* MESSAGE, for people */
    uint64_t took_usec;   /* action-done: since its start; 0: not known. Only for listeners (journal.h) */
};

/* Text helpers for sentences; they write into a buffer of the caller's and return it. Every number is rounded
 * down: nobody is promised more room or time than there is. */
#define EVENT_TEXT_MAX 64
const char *event_text_percent(const struct sample *sample, char text[static EVENT_TEXT_MAX]); /* "71.42" */
const char *event_text_bytes(uint64_t bytes, char text[static EVENT_TEXT_MAX]); /* "1.5 GiB", "2 MiB" */

/* The two largest units, "2 min 5 s", "3 d 4 h"; milliseconds only below a second; "ever" if unknown. */
const char *event_text_time(uint64_t usec, char text[static EVENT_TEXT_MAX]);

/* A dm name for people: bytes that would break a line or a terminal as \xNN, the backslash too (no two names
 * read the same), valid UTF-8 kept. A name longer than the kernel's 127 bytes is cut. */
#define EVENT_NAME_MAX (4 * 128 + 1)
const char *event_text_name(const char *name, char text[static EVENT_NAME_MAX]);

/* Bytes of the character that text starts with when it may be shown as it is: valid UTF-8 and no control
 * character. 0 where it may not, or size is 0. */
size_t event_text_character(const char *text, size_t size);

/* The length of text when it is cut to bytes_max at a character. */
size_t event_text_cut(const char *text, size_t bytes_max);

/* The syslog priority of an alert level: notice 5, warning 4, critical 2. */
int event_priority(enum alert_level level);
