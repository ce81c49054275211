#include "reader.h"

#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define SENTENCE_MAX    (READER_LINE_BYTES_MAX + 100) /* a line quoted, and what is wrong with it */

struct reader {
    const struct reader_listener *listener;
    void *user;
    const char *next; /* the rest of the file */
    const char *end;
    unsigned line;
    char text[READER_LINE_BYTES_MAX + 1];  /* the line without its comment */
    char given[READER_LINE_BYTES_MAX + 2]; /* the same with a \n, for libinih */
    const char *pending;                   /* what libinih has not yet taken of it, or NULL */
    int error;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/* Bytes of the UTF-8 character at text, or 0 where there is none: also for what is longer than need be,
 * halves of UTF-16 pairs, and the control characters from U+0080 to U+009F. */
static size_t utf8_length(const unsigned char *text, size_t n)
{
    size_t length;

    if (text[0] < 0x80)
        return 1;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xc2 && text[1] < 0xa0) || (text[0] == 0xe0 && text[1] < 0xa0) ||
        (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf0 && text[1] < 0x90) ||
        (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* Writes what is wrong with the bytes of a line; false where nothing is. */
static bool find_fault(const char *line, size_t n, char sentence[static SENTENCE_MAX])
{
    const unsigned char *bytes = (const unsigned char *)line;

    if (n > READER_LINE_BYTES_MAX) {
        snprintf(sentence, SENTENCE_MAX, "the line is too long: %zu bytes, %d at most", n,
                 READER_LINE_BYTES_MAX);
        return true;
    }
    for (size_t i = 0, length; i < n; i += length) {
        length = utf8_length(bytes + i, n - i);
        if (is_control(bytes[i]))
            snprintf(sentence, SENTENCE_MAX, "byte 0x%02x has no place in a text file", bytes[i]);
        else if (length == 0)
            snprintf(sentence, SENTENCE_MAX, "byte 0x%02x is not part of a UTF-8 character", bytes[i]);
        else if (length == strlen(BYTE_ORDER_MARK) && memcmp(bytes + i, BYTE_ORDER_MARK, length) == 0)
            snprintf(sentence, SENTENCE_MAX, "a byte order mark belongs at the start of a file");
        else
            continue;
        return true;
    }
    return false;
}

/* Takes the next line off the file, without its end; false at the end of the file. */
static bool take_line(struct reader *reader, const char **ret_line, size_t *ret_n)
{
    size_t left = (size_t)(reader->end - reader->next);
    const char *newline;
    size_t n;

    if (left == 0)
        return false;
    newline = memchr(reader->next, '\n', left);
    n = newline ? (size_t)(newline - reader->next) : left;
    *ret_line = reader->next;
    reader->next += newline ? n + 1 : n;
    reader->line++;
    if (n > 0 && (*ret_line)[n - 1] == '\r')
        n--;
    *ret_n = n;
    return true;
}

/* Where the comment starts, by libinih's rule, or the end of the line. */
static size_t find_comment(const char *line, size_t n)
{
    if (n > 0 && (line[0] == ';' || line[0] == '#'))
        return 0;
    for (size_t i = 1; i < n; i++)
        if (line[i] == ';' && is_blank(line[i - 1]))
            return i;
    return n;
}

/* Copies a line to reader->text, without the comment and the blanks around it. */
static void keep_text(struct reader *reader, const char *line, size_t n)
{
    n = find_comment(line, n);
    while (n > 0 && is_blank(line[n - 1]))
        n--;
    memcpy(reader->text, line, n);
    reader->text[n] = '\0';
}

static int tell_bad_line(struct reader *reader, const char *sentence)
{
    return reader->listener->bad_line(reader->user, reader->line, sentence);
}

static int tell_bad_header(struct reader *reader, const char *sentence)
{
    int r;

    r = tell_bad_line(reader, sentence);
    if (r < 0)
        return r;
    return reader->listener->section(reader->user, reader->line, NULL);
}

/* A header, in reader->text. Its name ends at the last "]", so that a glob may hold some. */
static int read_header(struct reader *reader)
{
    char sentence[SENTENCE_MAX], *name = reader->text + 1;
    size_t n = strlen(name);

    if (n == 0 || name[n - 1] != ']') {
        snprintf(sentence, sizeof(sentence), "\"%s\": a section ends with \"]\"", reader->text);
        return tell_bad_header(reader, sentence);
    }
    do
        name[--n] = '\0';
    while (n > 0 && is_blank(name[n - 1]));
    while (is_blank(*name))
        name++;
    return reader->listener->section(reader->user, reader->line, name);
}

/* A key, in reader->text: checked here, so that libinih only ever gets what it can split. */
static int read_key(struct reader *reader)
{
    size_t separator = strcspn(reader->text, "=:");
    char sentence[SENTENCE_MAX];

    if (reader->text[separator] != '=') {
        snprintf(sentence, sizeof(sentence), "\"%s\": \"=\" is missing between a key and its value",
                 reader->text);
        return tell_bad_line(reader, sentence);
    }
    if (separator == 0) {
        snprintf(sentence, sizeof(sentence), "\"%s\": the key before \"=\" is missing", reader->text);
        return tell_bad_line(reader, sentence);
    }
    stpcpy(stpcpy(reader->given, reader->text), "\n");
    reader->pending = reader->given;
    return 0;
}

static int read_line(struct reader *reader, const char *line, size_t n)
{
    char sentence[SENTENCE_MAX];
    bool faulty = find_fault(line, n, sentence);

    while (n > 0 && is_blank(*line)) {
        line++;
        n--;
    }
    if (faulty)
        return n > 0 && *line == '[' ? tell_bad_header(reader, sentence) : tell_bad_line(reader, sentence);
    keep_text(reader, line, n);
    if (reader->text[0] == '\0')
        return 0;
    return reader->text[0] == '[' ? read_header(reader) : read_key(reader);
}

/* Reads on until there is a key for libinih; false at the end or on an error. */
static bool read_up_to_key(struct reader *reader)
{
    const char *line;
    size_t n;

    while (!reader->pending && reader->error == 0 && take_line(reader, &line, &n))
        reader->error = read_line(reader, line, n);
    return reader->pending && reader->error == 0;
}

/* libinih's reader. Like fgets(3), it hands out a line in pieces where the buffer is small; here no piece but
 * a single "\n" is ever left over. */
static char *give_line(char *buffer, int size, void *user)
{
    struct reader *reader = user;
    size_t n;

    if (!read_up_to_key(reader))
        return NULL;
    n = strlen(reader->pending);
    if (n > (size_t)size - 1)
        n = (size_t)size - 1;
    memcpy(buffer, reader->pending, n);
    buffer[n] = '\0';
    reader->pending += n;
    if (*reader->pending == '\0')
        reader->pending = NULL;
    return buffer;
}

/* libinih's handler: it is called for the line that give_line() gave last. */
static int take_key(void *user, const char *section, const char *key, const char *value)
{
    struct reader *reader = user;

    (void)section; /* always empty: headers are not given to libinih */
    reader->error = reader->listener->key(reader->user, reader->line, key, value, reader->text);
    return reader->error == 0;
}

int reader_read(const char *bytes, size_t n_bytes, const struct reader_listener *listener, void *user)
{
    struct reader reader = {.listener = listener, .user = user, .next = bytes, .end = bytes + n_bytes};
    const size_t mark = strlen(BYTE_ORDER_MARK);

    if (n_bytes >= mark && memcmp(bytes, BYTE_ORDER_MARK, mark) == 0)
        reader.next += mark;
    if (ini_parse_stream(give_line, &reader, take_key, &reader) == -2)
        return -ENOMEM; /* only of a libinih built with its line on the heap */
    return reader.error;
}
