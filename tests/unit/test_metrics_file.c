#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/metrics_file.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_OF_TEST 512

static char directory[] = "/tmp/cowherd-metrics.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[PATH_MAX_OF_TEST];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void assert_content(const char *path, const char *content)
{
    char text[64] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    assert_int_equal(n, strlen(content));
    assert_string_equal(text, content);
}

static unsigned n_files(void)
{
    unsigned n = 0;
    DIR *open = opendir(directory);
    assert_non_null(open);
    while (readdir(open))
        n++;
    closedir(open);
    return n - 2;
}

static int empty_directory(void **state)
{
    (void)state;
    char command[PATH_MAX_OF_TEST];
    snprintf(command, sizeof(command), "rm -rf %s/* %s/.[!.]*", directory, directory);
    return system(command);
}

static int make_directory(void **state)
{
    (void)state;
    umask(0077); /* as the unit has it */
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    return empty_directory(state) + rmdir(directory);
}

static void test_the_file_is_replaced_and_everybody_may_read_it(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(metrics_file_replace(path_of("cowherd.prom"), "a 1\n", 4), 0);
    assert_content(path_of("cowherd.prom"), "a 1\n");
    assert_int_equal(metrics_file_replace(path_of("cowherd.prom"), "b\n", 2), 0);
    assert_content(path_of("cowherd.prom"), "b\n");
    assert_int_equal(stat(path_of("cowherd.prom"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_int_equal(n_files(), 1);
}

/* A reader that has it open goes on reading what it was: it is another file, not the same one written anew. */
static void test_a_reader_never_sees_half_of_it(void **state)
{
    (void)state;
    char text[8] = "";
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "old\n", 4), 0);
    FILE *file = fopen(path_of("m.prom"), "re");
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "new\n", 4), 0);
    assert_int_equal(fread(text, 1, sizeof(text) - 1, file), 4);
    assert_string_equal(text, "old\n");
    fclose(file);
}

static void test_what_a_killed_write_left_is_in_nobodys_way(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path_of(".m.prom.new"), 0600), 0);
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "x\n", 2), 0);
    assert_content(path_of("m.prom"), "x\n");
    assert_int_equal(n_files(), 1);
}

static void test_a_link_leads_nowhere(void **state)
{
    (void)state;
    char other[PATH_MAX_OF_TEST];
    snprintf(other, sizeof(other), "%s/precious", directory);
    FILE *file = fopen(other, "we");
    fputs("kept", file);
    fclose(file);
    assert_int_equal(symlink(other, path_of(".m.prom.new")), 0);
    assert_int_equal(symlink(other, path_of("m.prom")), 0);
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "x\n", 2), 0);
    assert_content(other, "kept");
    assert_content(path_of("m.prom"), "x\n");
}

/* Root may replace anything, /dev/null too. */
static void test_what_is_no_file_is_let_be(void **state)
{
    struct stat status;
    (void)state;
    assert_int_equal(mkfifo(path_of("m.prom"), 0600), 0);
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "x\n", 2), -EEXIST);
    assert_int_equal(metrics_file_remove(path_of("m.prom")), -EEXIST);
    assert_int_equal(stat(path_of("m.prom"), &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    assert_int_equal(n_files(), 1);
}

static void test_what_cannot_be_written_leaves_nothing_behind(void **state)
{
    (void)state;
    char long_name[NAME_MAX + 1];
    memset(long_name, 'n', NAME_MAX);
    long_name[NAME_MAX] = '\0';
    assert_int_equal(metrics_file_replace(path_of("none/m.prom"), "x", 1), -ENOENT);
    assert_int_equal(metrics_file_replace(path_of("none/"), "x", 1), -EISDIR);
    assert_int_equal(metrics_file_replace(path_of(long_name), "x", 1), -ENAMETOOLONG);
    assert_int_equal(mkdir(path_of("m.prom"), 0700), 0);
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "x", 1), -EISDIR);
    assert_int_equal(n_files(), 1);
}

/* A limit stands for a full disk. */
static void test_a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    struct rlimit limit, small = {.rlim_cur = 2};
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "old\n", 4), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small.rlim_max = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    int r = metrics_file_replace(path_of("m.prom"), "new\n", 4);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(r, -EFBIG);
    assert_content(path_of("m.prom"), "old\n");
    assert_int_equal(n_files(), 1);
}

static void test_one_that_is_not_wanted_is_removed(void **state)
{
    (void)state;
    assert_int_equal(metrics_file_replace(path_of("m.prom"), "x\n", 2), 0);
    assert_int_equal(metrics_file_remove(path_of("m.prom")), 0);
    assert_int_equal(n_files(), 0);
    assert_int_equal(metrics_file_remove(path_of("m.prom")), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_file_is_replaced_and_everybody_may_read_it, empty_directory),
        cmocka_unit_test_setup(test_a_reader_never_sees_half_of_it, empty_directory),
        cmocka_unit_test_setup(test_what_a_killed_write_left_is_in_nobodys_way, empty_directory),
        cmocka_unit_test_setup(test_what_is_no_file_is_let_be, empty_directory),
        cmocka_unit_test_setup(test_a_link_leads_nowhere, empty_directory),
        cmocka_unit_test_setup(test_what_cannot_be_written_leaves_nothing_behind, empty_directory),
        cmocka_unit_test_setup(test_a_failed_write_keeps_the_old_file, empty_directory),
        cmocka_unit_test_setup(test_one_that_is_not_wanted_is_removed, empty_directory),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
