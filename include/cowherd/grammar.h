/* The grammar of a rung: its words to a condition and actions. Pure: text in, data or message out.
 *
 * Conditions: "at N%", "at SIZE free", "at TIME left", "on lost", "on stalled". Actions: "alert [notice|warning|critical]"
 * ("alert" alone is a warning), "exec HOOK", "extend N%|SIZE", "merge", "drop", comma-separated; a rung alerts once, runs a
 * hook once and changes the device in one way at most. Sizes and times are those of value.h. All words are as they are
 * spelt here.
 *
 * Every parser returns 0 or -EINVAL (-ENOMEM); on -EINVAL *ret_error points to a static sentence that says what is wrong with
 * the text, and the other ret_ arguments are untouched.
 */
#pragma once

#include "cowherd/policy.h"

/* The words before the "=" of a rung: "at 70%". */
int grammar_parse_condition(const char *text, struct condition *ret_condition, const char **ret_error);

/* The words behind it: "alert critical, exec page". Also checks what a condition may not do (on lost =
 * extend) and that one rung changes the device in one way at most. */
int grammar_parse_actions(const char *text, enum condition_kind condition, struct action **ret_actions,
                          size_t *ret_n_actions, const char **ret_error);
