/* Words: a command as a line of text, split as a shell would split it, and nothing else that a shell does.
 *
 * Blanks and tabs separate. 'single quotes' keep everything in them as it is. "double quotes" too, but for \"
 * and \\. Outside of quotes a backslash keeps the next byte as it is. $, `, *, ~, %, ;, | and the like are
 * bytes like others: nothing is ever expanded.
 */
#pragma once

#include <stddef.h>

/* Returns 0 and the words, NULL behind the last, in one block for free(); -ENOMEM; -EINVAL and a sentence
 * that says what is wrong with the quotes. A text of blanks has no words. */
int words_split(const char *text, char ***ret_words, size_t *ret_n_words, const char **ret_error);
