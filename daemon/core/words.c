#include "cowherd/words.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static int refuse(const char **ret_error, const char *sentence)
{
    *ret_error = sentence;
    return -EINVAL;
}

/* Takes what stands between the quotes, from behind the first to behind the second. */
static int take_quoted(const char **text, char **end, const char **ret_error)
{
    const char *at = *text, quote = *at++;
    for (; *at != quote; at++) {
        if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        if (*at == '\0')
            return refuse(ret_error, "a quote is not closed (a comment begins at a blank and \";\")");
        *(*end)++ = *at;
    }
    *text = at + 1;
    return 0;
}

/* Takes one word and ends it with a zero. */
static int take_word(const char **text, char **end, const char **ret_error)
{
    while (**text != '\0' && !is_blank(**text)) {
        if (**text == '\'' || **text == '"') {
            int r = take_quoted(text, end, ret_error);
            if (r < 0)
                return r;
            continue;
        }
        if (**text == '\\' && *++*text == '\0')
            return refuse(ret_error, "nothing follows the backslash");
        *(*end)++ = *(*text)++;
    }
    *(*end)++ = '\0';
    return 0;
}

int words_split(const char *text, char ***ret_words, size_t *ret_n_words, const char **ret_error)
{
    /* A word takes two bytes of the text at least, but for the last; its copy is no longer than itself. */
    size_t length = strlen(text), n = 0, n_max = length / 2 + 1;
    char **words = calloc(1, (n_max + 1) * sizeof(*words) + length + 1);
    if (!words)
        return -ENOMEM;
    char *end = (char *)(words + n_max + 1);
    for (;;) {
        while (is_blank(*text))
            text++;
        if (*text == '\0')
            break;
        words[n++] = end;
        int r = take_word(&text, &end, ret_error);
        if (r < 0) {
            free(words);
            return r;
        }
    }
    *ret_words = words;
    *ret_n_words = n;
    return 0;
}
