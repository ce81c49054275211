/* Values: words of the configuration, and of cowctl's options, to numbers. Pure: text in, value or message out.
 *
 * Sizes: N B, KiB, MiB, GiB, TiB. Times: N ms, s, min, h, d. Percentages: N or N.N or N.NN, then %. Between number and unit
 * there may be blanks. Booleans: yes, true, on, 1; no, false, off, 0. All words are as they are spelt here.
 *
 * Every function returns 0 or -EINVAL; then *ret_error points to a static sentence that says what is wrong with the text, and
 * all else is untouched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

int value_parse_size(const char *text, uint64_t *ret_bytes, const char **ret_error);
int value_parse_time(const char *text, uint64_t *ret_usec, const char **ret_error);
int value_parse_percent(const char *text, uint64_t *ret_centipercent, const char **ret_error);
int value_parse_bool(const char *text, bool *ret_bool, const char **ret_error);

/* A size or a time that *text begins with; *text is left behind it. */
int value_take_size(const char **text, uint64_t *ret_bytes, const char **ret_error);
int value_take_time(const char **text, uint64_t *ret_usec, const char **ret_error);
