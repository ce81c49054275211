/* The reader: bytes of one file to sections and keys, over libinih.
 *
 * libinih splits keys from values; what it would do silently is done here in its stead: it cuts lines, and
 * section names at 49 bytes or at their first "]" (a glob may hold one), passes over empty sections, gives
 * no line numbers, hands the keys below a broken header to the section before, takes an indented line for
 * the continuation of the one above and ":" for "=". So it is given one checked line at a time, never a
 * header or a comment, and no line on which it could fail.
 *
 * A line may end with \n or \r\n, the last with nothing; a byte order mark may precede the first. A comment
 * is a line whose first byte after blanks is ";" or "#", or ";" after a blank to the end of a line.
 */
#pragma once

#include <stddef.h>

/* The longest line, in bytes without its end. Measured with libinih r55 (INI_MAX_LINE 200): of 199 bytes and
 * a zero in its buffer nothing is lost, of a 200th byte on all is read as a new line. test_reader tries
 * both sides. */
#define READER_LINE_BYTES_MAX 199

/* What the reader calls, in the order of the lines. Each returns 0 or a negative errno, which ends the
 * reading. The strings live until the call returns. */
struct reader_listener {
    /* "[name]", the name without blanks around it; or NULL: a header that cannot be read, of which bad_line
     * was told before. Keys below belong to nothing. */
    int (*section)(void *user, unsigned line, const char *name);
    /* text is the whole line as written, without its comment and blanks around it. */
    int (*key)(void *user, unsigned line, const char *key, const char *value, const char *text);
    /* A line that cannot be read, and a sentence that says why. */
    int (*bad_line)(void *user, unsigned line, const char *sentence);
};

/* Reads n_bytes. Returns 0 or what a listener returned. */
int reader_read(const char *bytes, size_t n_bytes, const struct reader_listener *listener, void *user);
