/* Messages: findings about the configuration's text, collected and never printed here. */
#pragma once

#include "cowherd/configuration.h"

/* Add an error or a warning. Those of one file are kept in the order of its lines, also where something is
 * only noticed at the end of a section. Bytes that are not printable become '?'. Return 0 or -ENOMEM. */
int config_error(struct config_messages *messages, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int config_warning(struct config_messages *messages, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
