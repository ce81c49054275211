#include "cowherd/hook.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX        "COWHERD_"
#define MESSAGE       "MESSAGE="
#define STRINGS_MAX   (2 + EVENT_FIELDS_MAX)
#define CLEAN_PATH    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CLEAN_LANG    "LANG=C.UTF-8"
#define OVERHEAD_EACH sizeof(PREFIX) /* a field's prefix and its zero */

static bool begins(const char *field, size_t size, const char *prefix)
{
    return size >= strlen(prefix) && memcmp(field, prefix, strlen(prefix)) == 0;
}

static char *add(char **end, const char *prefix, const char *bytes, size_t size)
{
    char *string = *end, *at = stpcpy(string, prefix);
    memcpy(at, bytes, size);
    at[size] = '\0';
    *end = at + size + 1;
    return string;
}

int hook_environment(const struct event_fields *facts, char ***ret_environment)
{
    size_t bytes = sizeof(CLEAN_PATH) + sizeof(CLEAN_LANG) + facts->sizes.bytes +
                   EVENT_FIELDS_MAX * OVERHEAD_EACH;
    char **environment = calloc(1, (STRINGS_MAX + 1) * sizeof(*environment) + bytes);
    if (!environment)
        return -ENOMEM;
    char *end = (char *)(environment + STRINGS_MAX + 1);
    size_t n = 0;
    environment[n++] = add(&end, "", CLEAN_PATH, strlen(CLEAN_PATH));
    environment[n++] = add(&end, "", CLEAN_LANG, strlen(CLEAN_LANG));
    const char *field = facts->text;
    for (uint16_t i = 0; i < facts->sizes.n; i++) {
        uint16_t size = facts->sizes.sizes[i];
        if (begins(field, size, PREFIX))
            environment[n++] = add(&end, "", field, size);
        else if (begins(field, size, MESSAGE))
            environment[n++] = add(&end, PREFIX, field, size);
        field += size;
    }
    *ret_environment = environment;
    return 0;
}
