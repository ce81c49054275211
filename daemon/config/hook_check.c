#include "cowherd/configuration.h"
#include "cowherd/words.h"
#include "message.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Why a program cannot be run, or NULL. Root may run what anybody may. */
static const char *find_problem(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "it is not a regular file";
    return access(path, X_OK) < 0 ? "it is not executable" : NULL;
}

static int check(const struct hook *hook, struct config_messages *messages)
{
    const char *error, *problem;
    char **words;
    size_t n_words;
    int r = words_split(hook->command, &words, &n_words, &error);

    if (r < 0)
        return r;
    problem = find_problem(words[0]);
    if (problem)
        r = config_warning(messages, hook->file, hook->line, "[hook %s] cannot run %s: %s", hook->name,
                           words[0], problem);
    free(words);
    return r;
}

int configuration_check_hooks(const struct configuration *configuration, struct config_messages *messages)
{
    for (size_t i = 0; i < configuration->n_hooks; i++) {
        int r = check(&configuration->hooks[i], messages);

        if (r < 0)
            return r;
    }
    return 0;
}
