#include "search.h"

#include "message.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAIN_NAME      "cowherd.conf"
#define DROP_IN_NAME   "cowherd.conf.d"
#define DROP_IN_SUFFIX ".conf"
#define N_DIRECTORIES  (sizeof(((struct config_places *)0)->directories) / sizeof(char *))

static void close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static void free_string(char **string)
{
    free(*string);
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Masked as systemd's are: the name leads to /dev/null. */
static bool is_masked(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

/* Adds directory/name. Returns 0 or -ENOMEM. */
static int add_path(struct config_paths *paths, const char *directory, const char *name)
{
    char **items, *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return -ENOMEM;
    items = reallocarray(paths->items, paths->n_items + 1, sizeof(*items));
    if (!items) {
        free(path);
        return -ENOMEM;
    }
    paths->items = items;
    paths->items[paths->n_items++] = path;
    return 0;
}

static void remove_masked(struct config_paths *paths)
{
    size_t n_kept = 0;

    for (size_t i = 0; i < paths->n_items; i++)
        if (is_masked(paths->items[i]))
            free(paths->items[i]);
        else
            paths->items[n_kept++] = paths->items[i];
    paths->n_items = n_kept;
}

/* The strongest directory's file is the only one. A name that is there counts even where it leads nowhere:
 * it is then an error to be read, not a silent step to the next. */
static int find_main(const struct config_places *places, struct config_paths *paths)
{
    for (size_t i = 0; i < N_DIRECTORIES; i++) {
        __attribute__((cleanup(free_string))) char *path = NULL;
        struct stat status;

        if (!places->directories[i])
            continue;
        if (asprintf(&path, "%s/%s", places->directories[i], MAIN_NAME) < 0) {
            path = NULL;
            return -ENOMEM;
        }
        if (lstat(path, &status) == 0 || errno != ENOENT)
            return add_path(paths, places->directories[i], MAIN_NAME);
    }
    return 0;
}

static bool is_drop_in(const char *name)
{
    size_t length = strlen(name), suffix = strlen(DROP_IN_SUFFIX);

    return name[0] != '.' && length > suffix && strcmp(name + length - suffix, DROP_IN_SUFFIX) == 0;
}

static bool has_name(const struct config_paths *paths, const char *name)
{
    for (size_t i = 0; i < paths->n_items; i++)
        if (strcmp(name_of(paths->items[i]), name) == 0)
            return true;
    return false;
}

/* Adds what one directory has and no stronger one before it. */
static int list_drop_ins(const char *path, struct config_paths *paths, struct config_messages *messages)
{
    __attribute__((cleanup(close_directory))) DIR *directory = opendir(path);
    struct dirent *entry;
    int r;

    if (!directory && errno == ENOENT)
        return 0;
    if (!directory)
        return config_error(messages, path, 0, "the directory cannot be opened: %s", strerror(errno));
    while (errno = 0, (entry = readdir(directory))) {
        if (!is_drop_in(entry->d_name) || has_name(paths, entry->d_name))
            continue;
        r = add_path(paths, path, entry->d_name);
        if (r < 0)
            return r;
    }
    if (errno != 0)
        return config_error(messages, path, 0, "the directory cannot be read: %s", strerror(errno));
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(name_of(*(char *const *)a), name_of(*(char *const *)b));
}

static int find_drop_ins(const struct config_places *places, struct config_paths *paths,
                         struct config_messages *messages)
{
    for (size_t i = 0; i < N_DIRECTORIES; i++) {
        __attribute__((cleanup(free_string))) char *path = NULL;
        int r;

        if (!places->directories[i])
            continue;
        if (asprintf(&path, "%s/%s", places->directories[i], DROP_IN_NAME) < 0) {
            path = NULL;
            return -ENOMEM;
        }
        r = list_drop_ins(path, paths, messages);
        if (r < 0)
            return r;
    }
    if (paths->n_items > 0)
        qsort(paths->items, paths->n_items, sizeof(*paths->items), compare_names);
    return 0;
}

int config_paths_find(const struct config_places *places, struct config_paths *ret_paths,
                      struct config_messages *messages)
{
    __attribute__((cleanup(config_paths_done))) struct config_paths all = {0}, drop_ins = {0};
    char **items;
    int r;

    r = find_main(places, &all);
    if (r < 0)
        return r;
    r = find_drop_ins(places, &drop_ins, messages);
    if (r < 0)
        return r;
    if (drop_ins.n_items > 0) {
        items = reallocarray(all.items, all.n_items + drop_ins.n_items, sizeof(*items));
        if (!items)
            return -ENOMEM;
        all.items = items;
        memcpy(all.items + all.n_items, drop_ins.items, drop_ins.n_items * sizeof(*items));
        all.n_items += drop_ins.n_items;
        drop_ins.n_items = 0;
    }
    remove_masked(&all);
    *ret_paths = all;
    all = (struct config_paths){0};
    return 0;
}

void config_paths_done(struct config_paths *paths)
{
    for (size_t i = 0; i < paths->n_items; i++)
        free(paths->items[i]);
    free(paths->items);
    *paths = (struct config_paths){0};
}
