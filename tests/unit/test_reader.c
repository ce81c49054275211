/* reader: which bytes and lines are a text that can be read, up to the limits of libinih. */
#include "../../daemon/config/reader.h"
#include "fixture_configuration.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Byte order mark, \r\n, blanks before keys and headers, comments, no newline at the end. */
static void test_lines(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_text("\xef\xbb\xbf[daemon] ; one\r\n\r\n   # two\r\n\t;three\r\n  brake = no\r\n\t  "
                "dry-run\t=\tyes\t;four\r\n"
                "  [ snapshot \t a b ] ;]\r\n  at  70%  =  alert ;\r\n\tat 80%=exec #;5\r\n[hook "
                "#;5]\ncommand=/a=b:c",
                &configuration);
    assert_false(configuration.brake);
    assert_true(configuration.dry_run);
    assert_string_equal(configuration.policies[1].pattern, "a b");
    assert_int_equal(configuration.policies[1].line, 7);
    assert_string_equal(configuration.policies[1].rungs[0].text, "at  70%  =  alert");
    assert_string_equal(configuration.policies[1].rungs[1].text, "at 80%=exec #;5");
    assert_int_equal(configuration.policies[1].rungs[1].line, 9);
    assert_string_equal(configuration.policies[1].rungs[1].actions[0].hook, "#;5");
    assert_string_equal(configuration.hooks[0].command, "/a=b:c");
    configuration_done(&configuration);
}

/* libinih's own limits are 49 bytes and the first "]". */
static void test_long_and_odd_patterns(void **state)
{
    static const char uuid[] =
        "LVM-0123456789abcdefghijklmnopqrstuv0123456789abcdefghijklmnopqrstuv-cow[0-9][!a]*";
    char text[READER_LINE_BYTES_MAX + 64], pattern[READER_LINE_BYTES_MAX + 1] = "";
    const size_t around = strlen("[snapshot ]");
    struct configuration configuration;

    (void)state;
    snprintf(text, sizeof(text), "[snapshot uuid:%s]\nat 1%% = drop\n", uuid);
    accept_text(text, &configuration);
    assert_string_equal(configuration.policies[1].pattern, uuid);
    configuration_done(&configuration);
    memset(pattern, 'x', READER_LINE_BYTES_MAX - around);
    snprintf(text, sizeof(text), "[snapshot %s]\nat 1%% = drop\n", pattern);
    accept_text(text, &configuration);
    assert_string_equal(configuration.policies[1].pattern, pattern);
    configuration_done(&configuration);
}

/* Keys of every length that libinih takes come through whole; one byte more is an error. */
static void test_line_limit(void **state)
{
    char text[READER_LINE_BYTES_MAX + 64], value[READER_LINE_BYTES_MAX + 8];
    struct configuration configuration;

    (void)state;
    for (size_t n = 1; n <= READER_LINE_BYTES_MAX - strlen("command="); n++) {
        memset(value, 'y', n);
        value[0] = '/';
        value[n] = '\0';
        snprintf(text, sizeof(text), "[hook a]\ncommand=%s\n[hook b]\ncommand=/b\n", value);
        accept_text(text, &configuration);
        assert_int_equal(configuration.n_hooks, 2);
        assert_string_equal(configuration.hooks[0].command, value);
        assert_string_equal(configuration.hooks[1].command, "/b");
        configuration_done(&configuration);
    }
    strcat(value, "y");
    snprintf(text, sizeof(text), "[hook a]\ncommand=/a\ncommand=%s\n[hook b]\ncommand=/b\n", value);
    refuse_text(text, "f:3: the line is too long: 200 bytes, 199 at most\n");
    snprintf(text, sizeof(text), "[hook a]\r\ncommand=/a\r\n#       %s\r\n", value);
    refuse_text(text, "f:3: the line is too long: 200 bytes, 199 at most\n");
}

static void test_long_header_keeps_its_keys_to_itself(void **state)
{
    char text[1024], pattern[READER_LINE_BYTES_MAX + 1] = "";

    (void)state;
    memset(pattern, 'x', READER_LINE_BYTES_MAX - 10);
    snprintf(text, sizeof(text), "[snapshot a]\nat 1%% = alert\n[snapshot %s]\nat 1%% = drop\nfoo = bar\n",
             pattern);
    refuse_text(text, "f:3: the line is too long: 200 bytes, 199 at most\n");
}

/* ---- bytes that are not text */

/* Each of the 256 bytes alone in a comment, a key and a header. */
static void test_every_byte(void **state)
{
    struct configuration configuration;
    const struct config_places places = the_file();
    char expected[160];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[] = "[daemon]\n# ?x\nbrake = no\n";

        text[11] = (char)byte;
        write_bytes("f", text, strlen("[daemon]\n# ?x\nbrake = no\n"));
        if ((byte >= ' ' && byte < 0x7f) || byte == '\t') {
            read_places(&places, &configuration, 0, "");
            configuration_done(&configuration);
            continue;
        }
        if (byte == '\n')
            snprintf(expected, sizeof(expected),
                     "f:3: \"x\": \"=\" is missing between a key and its value\n");
        else if (byte < 0x80)
            snprintf(expected, sizeof(expected), "f:2: byte 0x%02x has no place in a text file\n", byte);
        else
            snprintf(expected, sizeof(expected), "f:2: byte 0x%02x is not part of a UTF-8 character\n", byte);
        read_places(&places, &configuration, -EINVAL, expected);
    }
}

static void test_zero_bytes(void **state)
{
    static const char key[] = "[daemon]\nbrake = no\0\ndry-run = yes\n",
                      header[] = "[daemon]\n\0[hook a]\nfoo = 1\n",
                      hidden[] = "[daemon]\nbrake = \0no\n[snap\0shot a]\nat 1% = drop\n", only[] = "\0\0\0";

    (void)state;
    refuse_bytes(key, sizeof(key) - 1, "f:2: byte 0x00 has no place in a text file\n");
    refuse_bytes(header, sizeof(header) - 1,
                 "f:2: byte 0x00 has no place in a text file\nf:3: unknown key \"foo\" in [daemon]\n");
    refuse_bytes(hidden, sizeof(hidden) - 1,
                 "f:2: byte 0x00 has no place in a text file\nf:3: byte 0x00 has no place in a text file\n");
    refuse_bytes(only, sizeof(only) - 1, "f:1: byte 0x00 has no place in a text file\n");
}

static void refuse_character(const char *character)
{
    char text[64], message[96];

    snprintf(text, sizeof(text), "# %s\n", character);
    snprintf(message, sizeof(message), "f:1: byte 0x%02x is not part of a UTF-8 character\n",
             (unsigned)(unsigned char)character[0]);
    refuse_text(text, message);
}

static void accept_character(const char *character)
{
    struct configuration configuration;
    char text[64];

    snprintf(text, sizeof(text), "# %s\n", character);
    accept_text(text, &configuration);
    configuration_done(&configuration);
}

static void test_utf8(void **state)
{
    (void)state;
    accept_character("\xc2\xa0");         /* U+00A0 */
    accept_character("\xdf\xbf");         /* U+07FF */
    accept_character("\xe0\xa0\x80");     /* U+0800 */
    accept_character("\xed\x9f\xbf");     /* U+D7FF */
    accept_character("\xee\x80\x80");     /* U+E000 */
    accept_character("\xef\xbf\xbf");     /* U+FFFF */
    accept_character("\xf0\x90\x80\x80"); /* U+10000 */
    accept_character("\xf4\x8f\xbf\xbf"); /* U+10FFFF */
    refuse_character("\xc2\x9b");         /* a terminal's CSI */
    refuse_character("\xc1\xbf");         /* longer than need be */
    refuse_character("\xe0\x9f\xbf");
    refuse_character("\xf0\x8f\xbf\xbf");
    refuse_character("\xed\xa0\x80"); /* half a pair */
    refuse_character("\xf4\x90\x80\x80");
    refuse_character("\xf5\x80\x80\x80");
    refuse_character("\xe2\x82"); /* cut off */
    refuse_character("\xe2\x82x");
    refuse_character("\x80");
    refuse_text("# ok\n\xef\xbb\xbf[daemon]\n", "f:2: a byte order mark belongs at the start of a file\n");
    refuse_text("\xef\xbb\xbf\xef\xbb\xbf[daemon]\n",
                "f:1: a byte order mark belongs at the start of a file\n");
}

static void test_lone_carriage_return(void **state)
{
    (void)state;
    refuse_text("[daemon]\rbrake = no\n", "f:1: byte 0x0d has no place in a text file\n");
    refuse_text("[daemon]\r\r\n", "f:1: byte 0x0d has no place in a text file\n");
}

/* ---- lines that are no lines of this grammar */

static void test_broken_header(void **state)
{
    (void)state;
    /* The keys below are nobody's: not of the section before, and no errors of their own. */
    refuse_text("[snapshot a]\nat 1% = alert\n[snapshot b\nat 1% = merge\nfoo = bar\nat 120% = "
                "drop\n[daemon]\nfoo = 1\n",
                "f:3: \"[snapshot b\": a section ends with \"]\"\nf:8: unknown key \"foo\" in [daemon]\n");
    refuse_text("[snapshot b] junk\nat 1% = merge\n",
                "f:1: \"[snapshot b] junk\": a section ends with \"]\"\n");
    refuse_text("[\n[ ;]\n",
                "f:1: \"[\": a section ends with \"]\"\nf:2: \"[\": a section ends with \"]\"\n");
}

static void test_no_separator(void **state)
{
    (void)state;
    refuse_text("[daemon]\nbrake\n", "f:2: \"brake\": \"=\" is missing between a key and its value\n");
    refuse_text("[daemon]\nbrake ;= no\n", "f:2: \"brake\": \"=\" is missing between a key and its value\n");
    refuse_text("[daemon]\nbrake: no\n",
                "f:2: \"brake: no\": \"=\" is missing between a key and its value\n");
    refuse_text("[daemon]\nbrake: a = no\n",
                "f:2: \"brake: a = no\": \"=\" is missing between a key and its value\n");
    refuse_text("[daemon]\n = no\n", "f:2: \"= no\": the key before \"=\" is missing\n");
    /* libinih would take the second line for more of the first. */
    refuse_text("[daemon]\nmetrics-file = /a\n   /b\n",
                "f:3: \"/b\": \"=\" is missing between a key and its value\n");
}

/* ---- the reader alone: whatever letters a line is made of, what libinih makes of it is what we show as written */

static int count_section(void *user, unsigned line, const char *name)
{
    (void)line, (void)name;
    ++*(unsigned *)user;
    return 0;
}

static int check_key(void *user, unsigned line, const char *key, const char *value, const char *text)
{
    const char *separator = strchr(text, '=');

    assert_int_equal(line, 2);
    assert_non_null(separator);
    assert_memory_equal(text, key, strlen(key));
    assert_int_equal(strspn(text + strlen(key), " "), separator - text - (ptrdiff_t)strlen(key));
    assert_string_equal(separator + 1 + strspn(separator + 1, " "), value);
    ++*(unsigned *)user;
    return 0;
}

static int count_bad_line(void *user, unsigned line, const char *sentence)
{
    assert_int_equal(line, 2);
    assert_non_null(sentence);
    ++*(unsigned *)user;
    return 0;
}

static void test_all_short_lines(void **state)
{
    static const struct reader_listener listener = {count_section, check_key, count_bad_line};
    static const char letters[] = "a =;:#[]";
    enum { N_LETTERS = 8, LENGTH = 6 };
    char bytes[LENGTH + 4] = "\n";

    (void)state;
    for (unsigned code = 0; code < 1U << (3 * LENGTH); code++) {
        unsigned n_calls = 0;
        size_t blanks;

        for (unsigned i = 0; i < LENGTH; i++)
            bytes[1 + i] = letters[(code >> (3 * i)) % N_LETTERS];
        blanks = strspn(bytes + 1, " ");
        assert_int_equal(reader_read(bytes, 1 + LENGTH, &listener, &n_calls), 0);
        if (blanks == LENGTH || bytes[1 + blanks] == ';' || bytes[1 + blanks] == '#')
            assert_int_equal(n_calls, 0);
        else if (n_calls != 2) /* a bad header is told twice: as a line and as a section without a name */
            assert_int_equal(n_calls, 1);
        else
            assert_int_equal(bytes[1 + blanks], '[');
    }
}

static int fail_section(void *user, unsigned line, const char *name)
{
    (void)name;
    *(unsigned *)user = line;
    return -ENOMEM;
}

static int fail_key(void *user, unsigned line, const char *key, const char *value, const char *text)
{
    (void)key, (void)value, (void)text;
    *(unsigned *)user = line;
    return -EIO;
}

static void test_listener_ends_the_reading(void **state)
{
    static const struct reader_listener key_fails = {count_section, fail_key, count_bad_line},
                                        section_fails = {fail_section, check_key, count_bad_line};
    static const char text[] = "[a]\nb = 1\nc = 1\n[d]\n";
    unsigned line = 0;

    (void)state;
    assert_int_equal(reader_read(text, strlen(text), &key_fails, &line), -EIO);
    assert_int_equal(line, 2);
    assert_int_equal(reader_read(text, strlen(text), &section_fails, &line), -ENOMEM);
    assert_int_equal(line, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines, set_up),
        cmocka_unit_test_setup(test_long_and_odd_patterns, set_up),
        cmocka_unit_test_setup(test_line_limit, set_up),
        cmocka_unit_test_setup(test_long_header_keeps_its_keys_to_itself, set_up),
        cmocka_unit_test_setup(test_every_byte, set_up),
        cmocka_unit_test_setup(test_zero_bytes, set_up),
        cmocka_unit_test_setup(test_utf8, set_up),
        cmocka_unit_test_setup(test_lone_carriage_return, set_up),
        cmocka_unit_test_setup(test_broken_header, set_up),
        cmocka_unit_test_setup(test_no_separator, set_up),
        cmocka_unit_test_setup(test_all_short_lines, set_up),
        cmocka_unit_test_setup(test_listener_ends_the_reading, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
