/* The grammar: words of the configuration to values, and back. Pure: text in, value or message out.
 *
 * Sizes: N B, KiB, MiB, GiB, TiB. Times: N ms, s, min, h, d. Percentages: N or N.N or N.NN, then %. Between
 * number and unit there may be blanks. Conditions: "at N%", "at SIZE free", "at TIME left", "on lost", "on
 * stalled". Actions: "alert [notice|warning|critical]" ("alert" alone is a warning), "exec HOOK", "extend
 * N%|SIZE", "merge", "drop", comma-separated; a rung alerts once, runs a hook once and changes the device in
 * one way at most. Booleans: yes, true, on, 1; no, false, off, 0. All words are as they are spelt here.
 *
 * Every parser returns 0 or -EINVAL (-ENOMEM); on -EINVAL *ret_error points to a static sentence that says
 * what is wrong with the text, and the other ret_ arguments are untouched.
 */
#pragma once

#include "cowherd/policy.h"

int grammar_parse_size(const char *text, uint64_t *ret_bytes, const char **ret_error);
int grammar_parse_time(const char *text, uint64_t *ret_usec, const char **ret_error);
int grammar_parse_percent(const char *text, uint64_t *ret_centipercent, const char **ret_error);
int grammar_parse_bool(const char *text, bool *ret_bool, const char **ret_error);

/* The words before the "=" of a rung: "at 70%". */
int grammar_parse_condition(const char *text, struct condition *ret_condition, const char **ret_error);

/* The words behind it: "alert critical, exec page". Also checks what a condition may not do (on lost =
 * extend) and that one rung changes the device in one way at most. */
int grammar_parse_actions(const char *text, enum condition_kind condition, struct action **ret_actions,
                          size_t *ret_n_actions, const char **ret_error);
