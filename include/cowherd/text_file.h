/* A text kept in a file of its own, whole or not at all.
 *
 * Written to a temporary file, synced, renamed, and the directory synced: a reader finds the old text or the new one. It
 * may block on the disk. 0 or a negative errno.
 */
#pragma once

#include <stddef.h>

/* Puts a text in place of the file's; temporary is a name in the same directory, removed again on failure. */
int text_file_replace(int directory, const char *name, const char *temporary, const char *text,
                      size_t length);

/* Reads a file into a buffer, with a terminating zero. -EBADMSG where it does not fit or has a zero itself. */
int text_file_read(int directory, const char *name, char *text, size_t size);
