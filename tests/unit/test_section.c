/* The keys that the code knows, man/cowherd.conf.5 and conf/cowherd.conf: what one of them has, all have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/config/section.h"

#define LINE_MAX_BYTES 1024
#define N_SECTIONS     (SECTION_HOOK + 1)

/* How often each key is described in a file, by section and place. */
struct described {
    unsigned times[N_SECTIONS][SECTION_KEYS_MAX];
};

static const struct section_keys *keys_of(enum section_kind section)
{
    static const struct section_keys none;
    return section == SECTION_DAEMON     ? &daemon_keys
           : section == SECTION_SNAPSHOT ? &snapshot_keys
           : section == SECTION_HOOK     ? &hook_keys
                                         : &none;
}

/* A section's header at the start of a line's rest, or what it was before. */
static enum section_kind section_of(const char *text, enum section_kind before)
{
    for (enum section_kind kind = SECTION_DAEMON; kind <= SECTION_HOOK; kind++) {
        size_t length = strlen(section_kind_name(kind));
        if (*text == '[' && strncmp(text + 1, section_kind_name(kind), length) == 0)
            return kind;
    }
    return before;
}

static void describe(struct described *described, enum section_kind section, const char *key,
                     const char *file)
{
    int place = section_keys_find(keys_of(section), key);
    if (place < 0)
        fail_msg("%s describes \"%s\" in [%s], which the code does not know", file, key,
                 section_kind_name(section));
    else
        described->times[section][place]++;
}

static void check_all(const struct described *described, const char *file)
{
    for (enum section_kind section = SECTION_DAEMON; section <= SECTION_HOOK; section++)
        for (size_t i = 0; i < keys_of(section)->n_keys; i++)
            if (described->times[section][i] != 1)
                fail_msg("%s describes \"%s\" of [%s] %u times", file, keys_of(section)->keys[i].name,
                         section_kind_name(section), described->times[section][i]);
}

static FILE *open_source(const char *file)
{
    char path[LINE_MAX_BYTES];
    snprintf(path, sizeof(path), "%s/%s", SOURCE_DIR, file);
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    return stream;
}

/* In the manual page: ".It Ic key No = value", below ".Ss [section". */
static void test_manual_page_has_every_key_and_no_other(void **state)
{
    (void)state;
    static const char file[] = "man/cowherd.conf.5";
    char line[LINE_MAX_BYTES], key[LINE_MAX_BYTES];
    enum section_kind section = SECTION_NONE;
    struct described described = {0};
    FILE *stream = open_source(file);
    while (fgets(line, sizeof(line), stream)) {
        if (strncmp(line, ".Ss ", 4) == 0)
            section = section_of(line + 4, SECTION_NONE);
        if (sscanf(line, ".It Ic %s No =", key) == 1 && strstr(line, " No = "))
            describe(&described, section, key, file);
    }
    fclose(stream);
    check_all(&described, file);
}

/* In the shipped file: ";key = value", or "#key = value" in an example. */
static void test_shipped_file_has_every_key_and_no_other(void **state)
{
    (void)state;
    static const char file[] = "conf/cowherd.conf";
    char line[LINE_MAX_BYTES], key[LINE_MAX_BYTES];
    enum section_kind section = SECTION_NONE;
    struct described described = {0};
    bool seen[N_SECTIONS][SECTION_KEYS_MAX] = {{false}};
    FILE *stream = open_source(file);
    while (fgets(line, sizeof(line), stream)) {
        const char *text = line + strspn(line, ";#");
        section = section_of(text, section);
        if (sscanf(text, "%[a-z-] =", key) != 1 || text[strlen(key)] != ' ' || text[strlen(key) + 1] != '=')
            continue;
        int place = section_keys_find(keys_of(section), key);
        if (place >= 0 && seen[section][place])
            continue; /* several examples may set it */
        describe(&described, section, key, file);
        seen[section][place] = true;
    }
    fclose(stream);
    check_all(&described, file);
}

/* Actions and conditions: ".It Ic word ..." below ".Ss Rungs". */
static void test_manual_page_has_every_rung(void **state)
{
    (void)state;
    static const char *const words[] = {"at",    "at",   "at",     "on",    "on",
                                        "alert", "exec", "extend", "merge", "drop"};
    char line[LINE_MAX_BYTES], word[LINE_MAX_BYTES];
    bool within = false;
    size_t n = 0;
    FILE *stream = open_source("man/cowherd.conf.5");
    while (fgets(line, sizeof(line), stream)) {
        if (strncmp(line, ".Ss ", 4) == 0)
            within = strncmp(line + 4, "Rungs", 5) == 0;
        if (!within || sscanf(line, ".It Ic %s", word) != 1)
            continue;
        assert_true(n < sizeof(words) / sizeof(words[0]));
        assert_string_equal(word, words[n]);
        if (n >= 5)
            assert_string_equal(word, action_kind_name((enum action_kind)(n - 5)));
        n++;
    }
    fclose(stream);
    assert_int_equal(n, sizeof(words) / sizeof(words[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manual_page_has_every_key_and_no_other),
        cmocka_unit_test(test_shipped_file_has_every_key_and_no_other),
        cmocka_unit_test(test_manual_page_has_every_rung),
    };

    return cmocka_run_group_tests_name("section", tests, NULL, NULL);
}
