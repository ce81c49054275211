/* What a monitoring plugin says: one line, with performance data, by the guidelines of monitoring-plugins.org. Pure.
 */
#pragma once

#include "accounts.h"
#include "check_limits.h"
#include <stdio.h>

enum plugin_state { PLUGIN_OK, PLUGIN_WARNING, PLUGIN_CRITICAL, PLUGIN_UNKNOWN }; /* the exit codes */

const char *plugin_state_name(enum plugin_state state);

/* The worse of two: critical, warning, unknown, ok. */
enum plugin_state plugin_worse(enum plugin_state a, enum plugin_state b);

enum plugin_state plugin_judge(const struct account *account, const struct limits *warning,
                               const struct limits *critical);

/* A name as text of a plugin may hold it: no line end, no "|"; in a label's quotes no "'" alone and no "=". */
void plugin_put_name(const char *name, FILE *stream);
void plugin_put_label(const char *name, const char *suffix, FILE *stream);

/* "COWHERD OK - 3 snapshots; fullest: …| 'NAME'=42.10%;70;90;0;100 …" and the line's end. Returns the state. */
enum plugin_state plugin_report(const struct accounts *accounts, const struct limits *warning,
                                const struct limits *critical, FILE *stream);
