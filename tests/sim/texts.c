/* What the daemon writes for people, who are not here: a third of the time would go into it. Linked with --wrap. */
#include "../../daemon/guarantees.h"
#include "cowherd/announce.h"
#include "world.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STATUS_SHARE 64 /* one of so many STATUS lines is written */

const char *__real_announce_status(const struct herd *herd, size_t n_actions, const char *config_error,
                                   char text[static STATUS_MAX]);
const char *__wrap_announce_status(const struct herd *herd, size_t n_actions, const char *config_error,
                                   char text[static STATUS_MAX]);
void __real_guarantees_status(const struct manager *manager, char *text, size_t size);
void __wrap_guarantees_status(const struct manager *manager, char *text, size_t size);
int __wrap_snprintf(char *text, size_t size, const char *format, ...);

const char *__wrap_announce_status(const struct herd *herd, size_t n_actions, const char *config_error,
                                   char text[static STATUS_MAX])
{
    if (world.n_status++ % STATUS_SHARE == 0)
        return __real_announce_status(herd, n_actions, config_error, text);
    text[0] = '\0';
    return text;
}

/* It comes behind that. */
void __wrap_guarantees_status(const struct manager *manager, char *text, size_t size)
{
    if (world.n_status % STATUS_SHARE == 1)
        __real_guarantees_status(manager, text, size);
}

static int copy_text(char *text, size_t size, const char *from)
{
    size_t length = strlen(from), copied = length < size ? length : size - 1;
    if (size > 0)
        *(char *)mempcpy(text, from, copied) = '\0';
    return (int)length;
}

/* Most of what is formatted in a look is a copy. */
int __wrap_snprintf(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = strcmp(format, "%s") == 0 ? copy_text(text, size, va_arg(arguments, const char *))
                                      : vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return n;
}
