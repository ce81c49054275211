/* Names of snapshots as people type them, and as they are said. Pure.
 *
 * A dm name is any bytes but a zero and a slash. People see it escaped as event_text_name() does (\xNN), and may type it
 * so, or as it is.
 */
#pragma once

#include "cowherd/account.h"
#include "failure.h"

/* A dm name is 127 bytes at most; of four characters each. */
#define NAMES_TEXT_MAX 513

/* \xNN to bytes; what is no such escape stays as it is. text may be of any length: it is cut. Returns bytes. */
const char *names_unescape(const char *text, char bytes[static NAMES_TEXT_MAX]);

/* As D-Bus and JSON carry it: bytes that are not UTF-8 as \xNN, all else as it is. Returns text. */
const char *names_utf8(const char *name, char text[static NAMES_TEXT_MAX]);

/* As an argument of the daemon's methods: as it is, or, where it is not UTF-8, as messages have it. Returns text. */
const char *names_argument(const char *name, char text[static NAMES_TEXT_MAX]);

/* Bytes of the UTF-8 character that text begins with, a control character too; 0: it begins with none. */
size_t names_utf8_length(const char *text);

/* Whether the pattern is the snapshot's name, raw or escaped, or its UUID. */
bool names_is(const char *pattern, const struct account *account);

/* The same, or a glob that matches its name. */
bool names_match(const char *pattern, const struct account *account);

/* Where one name is taken and nobody has it: adds that a glob is none. */
void names_refuse_glob(const char *name, struct failure *failure);
