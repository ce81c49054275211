/* The configuration as read from real files, in a directory of the test's own. */
#include "cowherd/configuration.h"

#include "../../daemon/config/reader.h"
#include "../../daemon/config/section.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static char root[] = "/tmp/cowherd-test-configuration-XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    assert_in_range(snprintf(path, sizeof(paths[0]), "%s/%s", root, name), 1, sizeof(paths[0]) - 1);
    return path;
}

static void run(const char *command)
{
    char *line;

    assert_true(asprintf(&line, "cd '%s' && %s", root, command) > 0);
    assert_int_equal(system(line), 0);
    free(line);
}

/* Every test starts with the three directories, empty. */
static int set_up(void **state)
{
    (void)state;
    run("rm -rf ./* && mkdir -p etc/cowherd.conf.d run/cowherd.conf.d lib/cowherd.conf.d");
    return 0;
}

static void write_bytes(const char *name, const void *bytes, size_t n_bytes)
{
    FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0644), 0);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* The messages, a line each: "NAME:LINE: text", warnings with "warning: " before the text. */
static char *render(const struct config_messages *messages)
{
    size_t size, n_errors = 0;
    char *text;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    for (size_t i = 0; i < messages->n_items; i++) {
        const struct config_message *message = &messages->items[i];

        assert_memory_equal(message->file, root, strlen(root));
        fprintf(stream, "%s:%u: %s%s\n", message->file + strlen(root) + 1, message->line,
                message->is_warning ? "warning: " : "", message->text);
        n_errors += !message->is_warning;
    }
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(messages->n_errors, n_errors);
    return text;
}

/* Reads with the messages that are expected; the result is 0 where none of them is an error. */
static void read_places(const struct config_places *places, struct configuration *configuration, int expected,
                        const char *expected_messages)
{
    struct config_messages messages = {0};
    struct configuration before;
    char *text;
    int r;

    memset(configuration, 0x55, sizeof(*configuration));
    before = *configuration;
    r = configuration_read(places, configuration, &messages);
    text = render(&messages);
    assert_string_equal(text, expected_messages);
    assert_int_equal(r, expected);
    if (r < 0) /* untouched */
        assert_memory_equal(configuration, &before, sizeof(before));
    assert_true((r == -EINVAL) == (messages.n_errors > 0));
    free(text);
    config_messages_done(&messages);
}

static struct config_places the_file(void)
{
    return (struct config_places){.file = path_of("f"), .owner = getuid()};
}

static struct config_places the_directories(void)
{
    return (struct config_places){.directories = {path_of("etc"), path_of("run"), path_of("lib")},
                                  .owner = getuid()};
}

static void accept_with(const char *text, const char *warnings, struct configuration *configuration)
{
    const struct config_places places = the_file();

    write_text("f", text);
    read_places(&places, configuration, 0, warnings);
}

static void accept(const char *text, struct configuration *configuration)
{
    accept_with(text, "", configuration);
}

static void refuse_bytes(const void *bytes, size_t n_bytes, const char *messages)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    write_bytes("f", bytes, n_bytes);
    read_places(&places, &configuration, -EINVAL, messages);
}

static void refuse(const char *text, const char *messages)
{
    refuse_bytes(text, strlen(text), messages);
}

static void refuse_directories(const char *messages)
{
    const struct config_places places = the_directories();
    struct configuration configuration;

    read_places(&places, &configuration, -EINVAL, messages);
}

static void accept_directories(struct configuration *configuration)
{
    const struct config_places places = the_directories();

    read_places(&places, configuration, 0, "");
}

/* The defaults. */

static void assert_alert(const struct rung *rung, const char *text, enum condition_kind kind, uint64_t value,
                         enum alert_level level)
{
    assert_string_equal(rung->text, text);
    assert_int_equal(rung->condition.kind, kind);
    assert_int_equal(rung->condition.value, value);
    assert_int_equal(rung->n_actions, 1);
    assert_int_equal(rung->actions[0].kind, ACTION_ALERT);
    assert_int_equal(rung->actions[0].level, level);
}

static void assert_default_policy(const struct policy *policy)
{
    assert_string_equal(policy->pattern, "*");
    assert_false(policy->by_uuid);
    assert_int_equal(policy->role, ROLE_UNSET);
    assert_int_equal(policy->hysteresis_centipercent, 200);
    assert_false(policy->drop_open);
    assert_int_equal(policy->extend_limit_bytes, 0);
    assert_null(policy->extend_from);
    assert_int_equal(policy->n_rungs, 4);
    assert_alert(&policy->rungs[0], "at 70% = alert", CONDITION_USED, 7000, ALERT_WARNING);
    assert_alert(&policy->rungs[1], "at 90% = alert critical", CONDITION_USED, 9000, ALERT_CRITICAL);
    assert_alert(&policy->rungs[2], "on lost = alert critical", CONDITION_LOST, 0, ALERT_CRITICAL);
    assert_alert(&policy->rungs[3], "on stalled = alert critical", CONDITION_STALLED, 0, ALERT_CRITICAL);
}

static void assert_default_daemon(const struct configuration *configuration)
{
    assert_int_equal(configuration->longest_poll_usec, 10000000);
    assert_int_equal(configuration->shortest_poll_usec, 50000);
    assert_int_equal(configuration->assumed_bytes_per_second, 256 * MIB);
    assert_true(configuration->brake);
    assert_false(configuration->dry_run);
    assert_int_equal(configuration->hook_timeout_usec, 30000000);
    assert_null(configuration->metrics_file);
    assert_int_equal(configuration->n_hooks, 0);
}

static void assert_defaults(const struct configuration *configuration)
{
    assert_default_daemon(configuration);
    assert_int_equal(configuration->n_policies, 1);
    assert_default_policy(&configuration->policies[0]);
}

static void test_default(void **state)
{
    struct configuration configuration;

    (void)state;
    assert_int_equal(configuration_default(&configuration), 0);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    assert_null(configuration.policies);
}

static void test_default_places(void **state)
{
    (void)state;
    assert_null(config_places_default.file);
    assert_string_equal(config_places_default.directories[0], "/etc/cowherd");
    assert_string_equal(config_places_default.directories[1], "/run/cowherd");
    assert_string_equal(config_places_default.directories[2], "/usr/lib/cowherd");
    assert_int_equal(config_places_default.owner, 0);
}

static void test_no_file_is_default(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_directories(&configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    run("rm -r etc run lib");
    accept_directories(&configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    accept("", &configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
}

/* The file that is shipped. */

/* The shipped file with the mark taken off its lines: ";" off the defaults, with examples "#" before a word
 * too. */
static char *shipped(bool defaults, bool examples)
{
    char *text, *line = NULL;
    size_t size = 0, line_size = 0;
    FILE *file = fopen(SOURCE_DIR "/conf/cowherd.conf", "re"), *stream = open_memstream(&text, &size);
    ssize_t n;

    assert_non_null(file);
    assert_non_null(stream);
    while ((n = getline(&line, &line_size, file)) > 0) {
        bool is_default = line[0] == ';', is_example = line[0] == '#' && !strchr(" \n", line[1]);

        fputs(line + ((is_default && defaults) || (is_example && examples)), stream);
    }
    free(line);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void test_shipped_file(void **state)
{
    struct configuration configuration;
    char *text = shipped(false, false);

    (void)state;
    accept(text, &configuration);
    assert_defaults(&configuration);
    configuration_done(&configuration);
    free(text);
}

/* What the shipped file says are the defaults are the defaults: all of them. */
static void test_shipped_defaults(void **state)
{
    struct configuration configuration;
    char *text = shipped(true, false);

    (void)state;
    accept(text, &configuration);
    assert_default_daemon(&configuration);
    assert_int_equal(configuration.n_policies, 2);
    assert_default_policy(&configuration.policies[0]);
    assert_default_policy(&configuration.policies[1]);
    assert_string_equal(configuration.policies[1].file, path_of("f"));
    configuration_done(&configuration);
    for (size_t i = 0; i < daemon_keys.n_keys; i++) {
        char line[64];

        snprintf(line, sizeof(line), "\n%s =", daemon_keys.keys[i].name);
        assert_non_null(strstr(text, line));
    }
    free(text);
}

static void test_shipped_examples(void **state)
{
    static const struct section_keys *const sections[] = {&daemon_keys, &snapshot_keys, &hook_keys};
    struct configuration configuration;
    char *text = shipped(true, true);

    (void)state;
    accept(text, &configuration);
    assert_int_equal(configuration.n_policies, 3);
    assert_string_equal(configuration.policies[2].pattern, "vg0-*");
    assert_int_equal(configuration.policies[2].role, ROLE_BACKUP);
    assert_int_equal(configuration.policies[2].n_rungs, 7);
    assert_int_equal(configuration.policies[2].extend_limit_bytes, 8 * GIB);
    assert_string_equal(configuration.policies[2].extend_from, "/dev/disk/by-id/ata-spare-part2");
    assert_int_equal(configuration.n_hooks, 3);
    assert_string_equal(configuration.hooks[0].command, "/usr/libexec/page-oncall --reason cow");
    configuration_done(&configuration);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sections[i]->n_keys; k++) {
            char line[64];

            snprintf(line, sizeof(line), "\n%s =", sections[i]->keys[k].name);
            assert_non_null(strstr(text, line));
        }
    free(text);
}

/* Good files. */

static void test_everything(void **state)
{
    struct configuration configuration;
    const struct policy *policy;

    (void)state;
    accept("[daemon]\nlongest-poll = 1h\nshortest-poll=1ms\nassumed-fill-rate = 1B ; at least\nbrake = no\n"
           "dry-run = yes\nhook-timeout = 1min\nmetrics-file = /run/cowherd.prom\n\n"
           "[snapshot uuid:CRYPT-*]\nrole = live\nhysteresis = 50%\ndrop-open = yes\nextend-limit = 3GiB\n"
           "extend-from = /dev/disk/by-id/x y\nat 2min left = merge, exec page ; now\n\n"
           "[hook page]\ncommand = /bin/page a;b 'c d' ; e\n",
           &configuration);
    assert_int_equal(configuration.longest_poll_usec, UINT64_C(3600000000));
    assert_int_equal(configuration.shortest_poll_usec, 1000);
    assert_int_equal(configuration.assumed_bytes_per_second, 1);
    assert_false(configuration.brake);
    assert_true(configuration.dry_run);
    assert_int_equal(configuration.hook_timeout_usec, 60000000);
    assert_string_equal(configuration.metrics_file, "/run/cowherd.prom");
    assert_int_equal(configuration.n_policies, 2);
    assert_default_policy(&configuration.policies[0]);
    policy = &configuration.policies[1];
    assert_string_equal(policy->pattern, "CRYPT-*");
    assert_true(policy->by_uuid);
    assert_int_equal(policy->role, ROLE_LIVE);
    assert_int_equal(policy->hysteresis_centipercent, 5000);
    assert_true(policy->drop_open);
    assert_int_equal(policy->extend_limit_bytes, 3 * GIB);
    assert_string_equal(policy->extend_from, "/dev/disk/by-id/x y");
    assert_string_equal(policy->file, path_of("f"));
    assert_int_equal(policy->line, 10);
    assert_int_equal(policy->n_rungs, 1);
    assert_string_equal(policy->rungs[0].text, "at 2min left = merge, exec page");
    assert_int_equal(policy->rungs[0].line, 16);
    assert_int_equal(policy->rungs[0].n_actions, 2);
    assert_string_equal(policy->rungs[0].actions[1].hook, "page");
    assert_int_equal(configuration.n_hooks, 1);
    assert_string_equal(configuration.hooks[0].name, "page");
    assert_string_equal(configuration.hooks[0].command, "/bin/page a;b 'c d'");
    assert_int_equal(configuration.hooks[0].line, 18);
    assert_string_equal(configuration.hooks[0].file, path_of("f"));
    configuration_done(&configuration);
}

/* Byte order mark, \r\n, blanks before keys and headers, comments, no newline at the end. */
static void test_lines(void **state)
{
    struct configuration configuration;

    (void)state;
    accept("\xef\xbb\xbf[daemon] ; one\r\n\r\n   # two\r\n\t;three\r\n  brake = no\r\n\t  "
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
    accept(text, &configuration);
    assert_string_equal(configuration.policies[1].pattern, uuid);
    configuration_done(&configuration);
    memset(pattern, 'x', READER_LINE_BYTES_MAX - around);
    snprintf(text, sizeof(text), "[snapshot %s]\nat 1%% = drop\n", pattern);
    accept(text, &configuration);
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
        accept(text, &configuration);
        assert_int_equal(configuration.n_hooks, 2);
        assert_string_equal(configuration.hooks[0].command, value);
        assert_string_equal(configuration.hooks[1].command, "/b");
        configuration_done(&configuration);
    }
    strcat(value, "y");
    snprintf(text, sizeof(text), "[hook a]\ncommand=/a\ncommand=%s\n[hook b]\ncommand=/b\n", value);
    refuse(text, "f:3: the line is too long: 200 bytes, 199 at most\n");
    snprintf(text, sizeof(text), "[hook a]\r\ncommand=/a\r\n#       %s\r\n", value);
    refuse(text, "f:3: the line is too long: 200 bytes, 199 at most\n");
}

static void test_long_header_keeps_its_keys_to_itself(void **state)
{
    char text[1024], pattern[READER_LINE_BYTES_MAX + 1] = "";

    (void)state;
    memset(pattern, 'x', READER_LINE_BYTES_MAX - 10);
    snprintf(text, sizeof(text), "[snapshot a]\nat 1%% = alert\n[snapshot %s]\nat 1%% = drop\nfoo = bar\n",
             pattern);
    refuse(text, "f:3: the line is too long: 200 bytes, 199 at most\n");
}

/* Files that cannot be trusted or read. */

static void test_missing_file(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    read_places(&places, &configuration, -EINVAL,
                "f:0: the file cannot be opened: No such file or directory\n");
}

static void test_unreadable_file(void **state)
{
    const struct config_places places = the_file();
    const bool is_root = geteuid() == 0;
    struct configuration configuration;

    (void)state;
    write_text("f", "[daemon]\n");
    assert_int_equal(chmod(places.file, 0), 0);
    assert_int_equal(chmod(root, 0755), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0); /* root may read everything */
    read_places(&places, &configuration, -EINVAL, "f:0: the file cannot be opened: Permission denied\n");
    if (is_root)
        assert_int_equal(seteuid(0), 0);
}

static void test_not_a_regular_file(void **state)
{
    static const char *const makers[] = {"mkdir f", "mkfifo f", "ln -s /dev/null f", "ln -s /dev/zero f",
                                         "ln -s etc f"};
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        run("rm -rf f");
        run(makers[i]);
        read_places(&places, &configuration, -EINVAL, "f:0: this is not a regular file\n");
    }
}

static void test_dangling_link(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    run("ln -s nowhere f && ln -s nowhere etc/cowherd.conf && ln -s nowhere lib/cowherd.conf.d/a.conf");
    read_places(&places, &configuration, -EINVAL,
                "f:0: the file cannot be opened: No such file or directory\n");
    refuse_directories("etc/cowherd.conf:0: the file cannot be opened: No such file or directory\n"
                       "lib/cowherd.conf.d/a.conf:0: the file cannot be opened: No such file or directory\n");
}

static void test_link_to_a_good_file(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    write_text("g", "[daemon]\nbrake = no\n");
    run("ln -s g f");
    read_places(&places, &configuration, 0, "");
    assert_false(configuration.brake);
    configuration_done(&configuration);
}

static void test_owner(void **state)
{
    struct config_places places = the_file();
    struct configuration configuration;
    char message[128];

    (void)state;
    write_text("f", "[daemon]\n");
    places.owner = getuid() + 1;
    snprintf(message, sizeof(message), "f:0: the file belongs to user %u; it must be user %u's\n", getuid(),
             getuid() + 1);
    read_places(&places, &configuration, -EINVAL, message);
}

/* Every mode with the owner's rw: what others may write is refused. */
static void test_modes(void **state)
{
    const struct config_places places = the_file();
    const bool root_group = getgid() == 0;
    struct configuration configuration;

    (void)state;
    write_text("f", "[daemon]\n");
    for (mode_t mode = 0; mode <= 077; mode++) {
        assert_int_equal(chmod(places.file, 0600 | mode), 0);
        if ((mode & 02) || ((mode & 020) && !root_group)) {
            read_places(&places, &configuration, -EINVAL,
                        "f:0: the file can be written by others than its owner\n");
        } else {
            read_places(&places, &configuration, 0, "");
            configuration_done(&configuration);
        }
    }
}

/* Only root can give a file to another group. */
static void test_group_that_is_not_roots(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    if (geteuid() != 0)
        skip();
    write_text("f", "[daemon]\n");
    assert_int_equal(chown(places.file, 0, 1), 0);
    assert_int_equal(chmod(places.file, 0664), 0);
    read_places(&places, &configuration, -EINVAL, "f:0: the file can be written by others than its owner\n");
    assert_int_equal(chmod(places.file, 0644), 0);
    read_places(&places, &configuration, 0, "");
    configuration_done(&configuration);
}

static void test_noise(void **state)
{
    const size_t n_bytes = MIB;
    unsigned char *noise = malloc(n_bytes);
    uint32_t seed = 1;

    (void)state;
    assert_non_null(noise);
    for (size_t i = 0; i < n_bytes; i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (unsigned char)(seed >> 24);
    }
    refuse_bytes(noise, n_bytes, "f:0: the file is too large: 256 KiB at most\n");
    free(noise);
}

static void test_size_limit(void **state)
{
    char *bytes = malloc(CONFIG_FILE_BYTES_MAX + 1);
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, '\n', CONFIG_FILE_BYTES_MAX + 1);
    refuse_bytes(bytes, CONFIG_FILE_BYTES_MAX + 1, "f:0: the file is too large: 256 KiB at most\n");
    write_bytes("f", bytes, CONFIG_FILE_BYTES_MAX);
    read_places(&places, &configuration, 0, "");
    configuration_done(&configuration);
    free(bytes);
}

/* Bytes that are not text. */

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
    refuse(text, message);
}

static void accept_character(const char *character)
{
    struct configuration configuration;
    char text[64];

    snprintf(text, sizeof(text), "# %s\n", character);
    accept(text, &configuration);
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
    refuse("# ok\n\xef\xbb\xbf[daemon]\n", "f:2: a byte order mark belongs at the start of a file\n");
    refuse("\xef\xbb\xbf\xef\xbb\xbf[daemon]\n", "f:1: a byte order mark belongs at the start of a file\n");
}

static void test_lone_carriage_return(void **state)
{
    (void)state;
    refuse("[daemon]\rbrake = no\n", "f:1: byte 0x0d has no place in a text file\n");
    refuse("[daemon]\r\r\n", "f:1: byte 0x0d has no place in a text file\n");
}

/* Lines that are no lines of this grammar. */

static void test_broken_header(void **state)
{
    (void)state;
    /* The keys below are nobody's: not of the section before, and no errors of their own. */
    refuse("[snapshot a]\nat 1% = alert\n[snapshot b\nat 1% = merge\nfoo = bar\nat 120% = "
           "drop\n[daemon]\nfoo = 1\n",
           "f:3: \"[snapshot b\": a section ends with \"]\"\nf:8: unknown key \"foo\" in [daemon]\n");
    refuse("[snapshot b] junk\nat 1% = merge\n", "f:1: \"[snapshot b] junk\": a section ends with \"]\"\n");
    refuse("[\n[ ;]\n", "f:1: \"[\": a section ends with \"]\"\nf:2: \"[\": a section ends with \"]\"\n");
}

static void test_bad_headers(void **state)
{
    static const char unknown[] = "a section is [daemon], [snapshot GLOB] or [hook NAME]",
                      pattern[] = "a pattern is missing: [snapshot GLOB] or [snapshot uuid:GLOB]";
    char expected[1024];

    (void)state;
    snprintf(expected, sizeof(expected),
             "f:1: []: %s\nf:3: [deamon]: %s\nf:4: [Daemon]: %s\nf:5: [snapshots a]: %s\n", unknown, unknown,
             unknown, unknown);
    refuse("[]\nx = 1\n[deamon]\n[Daemon]\n[snapshots a]\nat 1% = drop\n", expected);
    snprintf(expected, sizeof(expected),
             "f:1: [snapshot]: %s\nf:2: [snapshot]: %s\nf:3: [snapshot uuid:]: %s\n", pattern, pattern,
             pattern);
    refuse("[snapshot]\n[snapshot  ]\n[snapshot uuid:]\nat 1% = drop\n", expected);
    refuse("[daemon x]\nbrake = no\n", "f:1: [daemon x]: there is one daemon: its section has no name\n");
    refuse("[hook]\ncommand = /a\n", "f:1: [hook]: a name is missing: [hook NAME]\n");
    refuse("[hook a,b]\n", "f:1: [hook a,b]: a hook's name has no commas\n");
}

static void test_no_section(void **state)
{
    (void)state;
    refuse("brake = no\n\n[daemon]\n", "f:1: \"brake = no\" stands before any section\n");
}

static void test_no_separator(void **state)
{
    (void)state;
    refuse("[daemon]\nbrake\n", "f:2: \"brake\": \"=\" is missing between a key and its value\n");
    refuse("[daemon]\nbrake ;= no\n", "f:2: \"brake\": \"=\" is missing between a key and its value\n");
    refuse("[daemon]\nbrake: no\n", "f:2: \"brake: no\": \"=\" is missing between a key and its value\n");
    refuse("[daemon]\nbrake: a = no\n",
           "f:2: \"brake: a = no\": \"=\" is missing between a key and its value\n");
    refuse("[daemon]\n = no\n", "f:2: \"= no\": the key before \"=\" is missing\n");
    /* libinih would take the second line for more of the first. */
    refuse("[daemon]\nmetrics-file = /a\n   /b\n",
           "f:3: \"/b\": \"=\" is missing between a key and its value\n");
}

static void test_unknown_keys(void **state)
{
    (void)state;
    refuse("[daemon]\nfoo = bar\nBrake = no\nat 70% = alert\nrole = live\n",
           "f:2: unknown key \"foo\" in [daemon]\nf:3: unknown key \"Brake\" in [daemon]\n"
           "f:4: unknown key \"at 70%\" in [daemon]\nf:5: unknown key \"role\" in [daemon]\n");
    refuse("[snapshot a]\nat 1% = alert\nbrake = no\natt 5% = drop\nat\t\x7f = drop\n",
           "f:3: unknown key \"brake\" in [snapshot]\nf:4: unknown key \"att 5%\" in [snapshot]\n"
           "f:5: byte 0x7f has no place in a text file\n");
    refuse("[hook a]\ncommand = /a\nfoo\tbar = /b\n", "f:3: unknown key \"foo bar\" in [hook]\n");
}

static void test_same_key_twice(void **state)
{
    (void)state;
    refuse("[daemon]\nbrake = no\n[snapshot a]\nat 1% = alert\nrole = live\nrole = live\n[snapshot b]\nat 1% "
           "= alert\n"
           "role = live\n[daemon]\nbrake = yes\nbrake = yes\n",
           "f:6: \"role\" is set in line 5 already\nf:11: \"brake\" is set in line 2 already\n"
           "f:12: \"brake\" is set in line 2 already\n");
    refuse("[hook a]\ncommand = /a\ncommand = /b\n", "f:3: \"command\" is set in line 2 already\n");
}

static void test_bad_daemon_values(void **state)
{
    (void)state;
    refuse("[daemon]\nlongest-poll = 61min\nshortest-poll = 0ms\nassumed-fill-rate = 0B\nbrake = "
           "perhaps\ndry-run =\n"
           "hook-timeout = 0s\nmetrics-file = relative\n",
           "f:2: \"longest-poll = 61min\": longest-poll is at most 1h\n"
           "f:3: \"shortest-poll = 0ms\": shortest-poll is at least 1ms\n"
           "f:4: \"assumed-fill-rate = 0B\": assumed-fill-rate is more than 0\n"
           "f:5: \"brake = perhaps\": yes or no is expected\n"
           "f:6: \"dry-run =\": yes or no is expected\n"
           "f:7: \"hook-timeout = 0s\": hook-timeout is more than 0\n"
           "f:8: \"metrics-file = relative\": an absolute path is expected\n");
    refuse(
        "[daemon]\nlongest-poll = 10\nshortest-poll = 50 us\nassumed-fill-rate = 256\nhook-timeout = -1s\n",
        "f:2: \"longest-poll = 10\": a time needs a unit: ms, s, min, h, d\n"
        "f:3: \"shortest-poll = 50 us\": a time needs a unit: ms, s, min, h, d\n"
        "f:4: \"assumed-fill-rate = 256\": a size needs a unit: B, KiB, MiB, GiB, TiB\n"
        "f:5: \"hook-timeout = -1s\": a number cannot be negative\n");
    refuse("[daemon]\nlongest-poll = 0s\n", "f:2: \"longest-poll = 0s\": longest-poll is at least 1ms\n");
}

static void test_bad_snapshot_values(void **state)
{
    (void)state;
    refuse(
        "[snapshot a]\nat 1% = alert\nrole = none\nhysteresis = 50.01%\ndrop-open = 2\nextend-limit = 0GiB\n"
        "extend-from =\n",
        "f:3: \"role = none\": a role is backup or live\nf:4: \"hysteresis = 50.01%\": hysteresis is at most "
        "50%\n"
        "f:5: \"drop-open = 2\": yes or no is expected\n"
        "f:6: \"extend-limit = 0GiB\": extend-limit is more than 0; leave it out for no limit\n"
        "f:7: \"extend-from =\": an absolute path is expected\n");
    refuse("[snapshot a]\nat 1% = alert\nhysteresis = 2\nextend-limit = 8\n",
           "f:3: \"hysteresis = 2\": a percentage ends with %\n"
           "f:4: \"extend-limit = 8\": a size needs a unit: B, KiB, MiB, GiB, TiB\n");
    refuse("[hook a]\ncommand = page\n[hook b]\ncommand =\n[hook c]\n[daemon]\n",
           "f:2: \"command = page\": an absolute path is expected\nf:4: \"command =\": an absolute path is "
           "expected\n"
           "f:5: [hook c] has no command\n");
    refuse("[hook a]\ncommand = /a \"b ; c\"\n[hook b]\ncommand = '/b\n[hook c]\ncommand = /c \\\n"
           "[hook d]\ncommand = '' /d\n",
           "f:2: \"command = /a \"b\": a quote is not closed (a comment begins at a blank and \";\")\n"
           "f:4: \"command = '/b\": a quote is not closed (a comment begins at a blank and \";\")\n"
           "f:6: \"command = /c \\\": nothing follows the backslash\n"
           "f:8: \"command = '' /d\": an absolute path is expected\n");
}

static void test_hysteresis_bounds(void **state)
{
    struct configuration configuration;

    (void)state;
    accept("[snapshot a]\nhysteresis = 0%\nat 1% = alert\n[snapshot b]\nat 1% = alert\nhysteresis = 50%\n",
           &configuration);
    assert_int_equal(configuration.policies[1].hysteresis_centipercent, 0);
    assert_int_equal(configuration.policies[2].hysteresis_centipercent, 5000);
    configuration_done(&configuration);
}

static void test_polls_against_each_other(void **state)
{
    struct configuration configuration;

    (void)state;
    accept("[daemon]\nshortest-poll = 10s\n", &configuration); /* as long as the longest */
    assert_int_equal(configuration.shortest_poll_usec, configuration.longest_poll_usec);
    configuration_done(&configuration);
    refuse("[daemon]\nshortest-poll = 11s\n",
           "f:2: shortest-poll (11000ms) is longer than longest-poll (10000ms)\n");
    refuse("[daemon]\nlongest-poll = 49ms\n",
           "f:2: shortest-poll (50ms) is longer than longest-poll (49ms)\n");
    refuse("[daemon]\nshortest-poll = 3s\nbrake = no\nlongest-poll = 2s\ndry-run = no\n",
           "f:4: shortest-poll (3000ms) is longer than longest-poll (2000ms)\n");
    refuse("[daemon]\nlongest-poll = 2s\nshortest-poll = 3s\n",
           "f:3: shortest-poll (3000ms) is longer than longest-poll (2000ms)\n");
    /* Nothing is concluded from a value that was refused. */
    refuse("[daemon]\nlongest-poll = 20ms\nshortest-poll = 5\n",
           "f:3: \"shortest-poll = 5\": a time needs a unit: ms, s, min, h, d\n");
}

static void test_polls_of_two_files(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf", "[daemon]\nshortest-poll = 20s\nlongest-poll = 30s\n");
    write_text("etc/cowherd.conf.d/a.conf", "\n[daemon]\nlongest-poll = 15s\n");
    refuse_directories(
        "etc/cowherd.conf.d/a.conf:3: shortest-poll (20000ms) is longer than longest-poll (15000ms)\n");
    write_text("etc/cowherd.conf.d/b.conf", "[daemon]\nshortest-poll = 1s\n");
    accept_directories(&configuration);
    assert_int_equal(configuration.shortest_poll_usec, 1000000);
    assert_int_equal(configuration.longest_poll_usec, 15000000);
    configuration_done(&configuration);
}

/* Rungs. */

static void test_impossible_rungs(void **state)
{
    (void)state;
    refuse(
        "[snapshot a]\nat 120% = drop\nat 0% = alert\nat -1MiB free = alert\nat 0s left = alert\n"
        "at 99999999999999999999% = alert\nat 5 = alert\nat 5% = explode\non fire = alert\non lost = merge\n"
        "on stalled = drop\nat 5% = extend 0%\nat 5% = merge, drop\non lost = alert, extend 1GiB\nat 5% =\n",
        "f:2: \"at 120%\": a percentage is at most 100%\n"
        "f:3: \"at 0%\": every store has passed 0% from the start\n"
        "f:4: \"at -1MiB free\": a number cannot be negative\n"
        "f:5: \"at 0s left\": with no time left it is too late\n"
        "f:6: \"at 99999999999999999999%\": the number is too large\n"
        "f:7: \"at 5\": after \"at\" comes N%, SIZE free or TIME left\n"
        "f:8: \"explode\": an action is alert, exec, extend, merge or drop\n"
        "f:9: \"on fire\": after \"on\" comes lost or stalled\n"
        "f:10: \"merge\": on lost can only alert, exec and drop\n"
        "f:11: \"drop\": on stalled can only alert and exec\n"
        "f:12: \"extend 0%\": extend by nothing changes nothing\n"
        "f:13: \"merge, drop\": a rung changes the device in one way at most\n"
        "f:14: \"alert, extend 1GiB\": on lost can only alert, exec and drop\n"
        "f:15: \"\": an action is missing\n");
}

static void test_rung_at_100(void **state)
{
    struct configuration configuration;

    (void)state;
    accept("[snapshot a]\nat 100% = drop\n", &configuration);
    assert_int_equal(configuration.policies[1].rungs[0].condition.value, 10000);
    configuration_done(&configuration);
}

static void test_rungs_at_one_height(void **state)
{
    struct configuration configuration;

    (void)state;
    refuse("[snapshot a]\nat 90% = merge\nat 90.0% = drop\n",
           "f:3: \"at 90.0% = drop\": line 2 changes the device at the same height already\n");
    refuse("[snapshot a]\nat 1GiB free = merge\nat 5% = alert\nat 1024MiB free = extend 5%, alert\n",
           "f:4: \"at 1024MiB free = extend 5%, alert\": line 2 changes the device at the same height "
           "already\n");
    refuse("[snapshot a]\nat 60s left = extend 1GiB\nat 1min left = extend 1GiB\n",
           "f:3: \"at 1min left = extend 1GiB\": line 2 says the same already\n");
    refuse("[snapshot a]\nat 5% = alert\nat 5% = alert warning\n",
           "f:3: \"at 5% = alert warning\": line 2 says the same already\n");
    refuse("[snapshot a]\non lost = drop\non lost = alert, drop\nat 99% = alert\n",
           "f:3: \"on lost = alert, drop\": line 2 changes the device at the same height already\n");
    /* The same numbers of another kind, another section, and an alert beside an action are no conflict. */
    accept("[snapshot a]\nat 1s left = merge\nat 1000KiB free = drop\nat 1% = drop\n"
           "on lost = alert\non lost = drop\nat 1s left = alert\n[snapshot b]\nat 1% = merge\n",
           &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 6);
    configuration_done(&configuration);
    accept("[snapshot a]\nat 99% = alert\non lost = alert\non lost = alert critical\non lost = exec x\non "
           "lost = exec y\n"
           "[hook x]\ncommand = /x\n[hook y]\ncommand = /y\n",
           &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 5);
    configuration_done(&configuration);
}

static void test_unknown_hook(void **state)
{
    struct configuration configuration;

    (void)state;
    refuse("[snapshot a]\nat 5% = exec page\nat 6% = alert, exec mail, exec sms\n[hook mail]\ncommand = "
           "/m\n[snapshot b]\n"
           "brake = no\nat 9% = exec Mail\n",
           "f:2: \"exec page\": there is no [hook page]\nf:3: \"exec sms\": there is no [hook sms]\n"
           "f:7: unknown key \"brake\" in [snapshot]\nf:8: \"exec Mail\": there is no [hook Mail]\n");
    accept("[snapshot a]\nat 5% = exec page\n[hook page]\ncommand = /p\n",
           &configuration); /* defined below */
    configuration_done(&configuration);
    write_text("lib/cowherd.conf", "[snapshot a]\nat 5% = exec page\n");
    refuse_directories("lib/cowherd.conf:2: \"exec page\": there is no [hook page]\n");
    write_text("run/cowherd.conf.d/z.conf", "[hook page]\ncommand = /p\n");
    accept_directories(&configuration);
    configuration_done(&configuration);
}

static void test_rung_limit(void **state)
{
    struct configuration configuration;
    char text[4096] = "[snapshot a]\n";
    size_t n = strlen(text);

    (void)state;
    for (unsigned i = 1; i <= POLICY_RUNGS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "at %u%% = alert\n", i);
    accept(text, &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 32);
    configuration_done(&configuration);
    strcat(text, "at 33% = alert\nat 34% = alert\n");
    refuse(text, "f:34: \"at 33% = alert\": a section has at most 32 rungs\n");
}

/* Warnings. */

static void test_ladder_that_does_not_rise(void **state)
{
    static const char order[] = "a ladder is written in order of escalation";
    struct configuration configuration;
    char expected[1024];

    (void)state;
    snprintf(expected, sizeof(expected),
             "f:4: warning: \"at 75%% = drop\" is not higher than line 2, \"at 80%% = alert\": %s\n"
             "f:6: warning: \"at 75%% = alert\" is not higher than line 4, \"at 75%% = drop\": %s\n",
             order, order);
    accept_with(
        "[snapshot a]\nat 80% = alert\nat 1GiB free = alert\nat 75% = drop\non lost = alert\nat 75% = alert\n"
        "at 76% = alert\n[snapshot b]\nat 5% = alert\n",
        expected, &configuration);
    assert_int_equal(configuration.policies[1].n_rungs, 6);
    configuration_done(&configuration);
}

static void test_sections_without_rungs(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_with("[snapshot a]\n[snapshot uuid:b]\nrole = live\n[snapshot c]\non lost = alert\n",
                "f:1: warning: [snapshot a] has no rungs: nothing guards its snapshots\n"
                "f:2: warning: [snapshot uuid:b] has no rungs: nothing guards its snapshots\n"
                "f:4: warning: [snapshot c] has no rungs: nothing guards its snapshots\n",
                &configuration);
    assert_int_equal(configuration.n_policies, 4);
    assert_int_equal(configuration.policies[1].n_rungs, 0);
    configuration_done(&configuration);
}

static void test_same_pattern_twice(void **state)
{
    struct configuration configuration;

    (void)state;
    accept_with(
        "[snapshot a]\nat 1% = alert\n[snapshot uuid:a]\nat 1% = alert\n[snapshot  a]\nat 2% = alert\n"
        "[snapshot *]\nat 1% = alert\n",
        "f:5: warning: [snapshot a] hides the section of line 1\n", &configuration);
    assert_int_equal(configuration.n_policies, 5);
    configuration_done(&configuration);
}

/* Warnings and errors of one file stand in the order of its lines. */
static void test_order_of_messages(void **state)
{
    (void)state;
    refuse("[snapshot a]\nfoo = 1\n[hook h]\nbar = 1\n[daemon]\nbaz = 1\n",
           "f:1: warning: [snapshot a] has no rungs: nothing guards its snapshots\n"
           "f:2: unknown key \"foo\" in [snapshot]\n"
           "f:3: [hook h] has no command\nf:4: unknown key \"bar\" in [hook]\n"
           "f:6: unknown key \"baz\" in [daemon]\n");
}

/* Messages are appended, and earlier ones are not taken for errors of this reading. */
static void test_messages_are_appended(void **state)
{
    const struct config_places places = the_file();
    struct config_messages messages = {0};
    struct configuration configuration;

    (void)state;
    write_text("f", "[daemon]\nfoo = 1\n");
    assert_int_equal(configuration_read(&places, &configuration, &messages), -EINVAL);
    assert_int_equal(messages.n_errors, 1);
    write_text("f", "[daemon]\n");
    assert_int_equal(configuration_read(&places, &configuration, &messages), 0);
    assert_int_equal(messages.n_items, 1);
    configuration_done(&configuration);
    config_messages_done(&messages);
    assert_int_equal(messages.n_items, 0);
}

/* A message a line, and all of them. */
static void test_many_errors(void **state)
{
    const struct config_places places = the_file();
    struct config_messages messages = {0};
    char *text = malloc(CONFIG_FILE_BYTES_MAX);
    struct configuration configuration;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < CONFIG_FILE_BYTES_MAX; i++)
        text[i] = i % 2 ? '\n' : 'x';
    write_bytes("f", text, CONFIG_FILE_BYTES_MAX);
    assert_int_equal(configuration_read(&places, &configuration, &messages), -EINVAL);
    assert_int_equal(messages.n_items, CONFIG_FILE_BYTES_MAX / 2);
    for (unsigned i = 0; i < CONFIG_FILE_BYTES_MAX / 2; i++)
        assert_int_equal(messages.items[i].line, i + 1);
    config_messages_done(&messages);
    free(text);
}

/* Directories. */

/* The main file: for each of the eight ways to have it in the three directories the strongest counts. */
static void test_main_file(void **state)
{
    static const char *const files[] = {"etc/cowherd.conf", "run/cowherd.conf", "lib/cowherd.conf"};
    struct configuration configuration;
    char text[64];

    (void)state;
    for (unsigned present = 1; present < 8; present++) {
        set_up(NULL);
        for (unsigned i = 0; i < 3; i++) {
            snprintf(text, sizeof(text), "[daemon]\nhook-timeout = %us\n", i + 1);
            if (present & (1U << i))
                write_text(files[i], text);
        }
        accept_directories(&configuration);
        assert_int_equal(configuration.hook_timeout_usec, (uint64_t)__builtin_ffs((int)present) * 1000000);
        configuration_done(&configuration);
    }
}

static void test_masked_main_file(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("lib/cowherd.conf", "[daemon]\nbrake = no\n");
    write_text("run/cowherd.conf.d/a.conf", "[daemon]\ndry-run = yes\n");
    run("ln -s /dev/null etc/cowherd.conf");
    accept_directories(&configuration);
    assert_true(configuration.brake);
    assert_true(configuration.dry_run);
    configuration_done(&configuration);
}

static void test_drop_ins(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf",
               "[daemon]\nbrake = no\nmetrics-file = /x\n[snapshot main]\nat 1% = alert\n");
    write_text("lib/cowherd.conf.d/10-a.conf", "[snapshot 10-lib]\nat 1% = alert\n");
    write_text("etc/cowherd.conf.d/20-b.conf",
               "[snapshot 20-etc]\nat 1% = alert\n[daemon]\nmetrics-file =\n");
    write_text("run/cowherd.conf.d/20-b.conf", "nonsense that is never read\n");
    write_text("lib/cowherd.conf.d/20-b.conf", "nonsense that is never read\n");
    write_text("run/cowherd.conf.d/30-c.conf", "[snapshot 30-run]\nat 1% = alert\n");
    write_text("lib/cowherd.conf.d/30-c.conf", "nonsense that is never read\n");
    write_text("run/cowherd.conf.d/40-d.conf", "nonsense that is never read\n");
    write_text("lib/cowherd.conf.d/50-e.conf", "");
    write_text("etc/cowherd.conf.d/60-f.conf~", "nonsense that is never read\n");
    write_text("etc/cowherd.conf.d/.hidden.conf", "nonsense that is never read\n");
    write_text("etc/cowherd.conf.d/.conf", "nonsense that is never read\n");
    write_text("etc/cowherd.conf.d/README", "nonsense that is never read\n");
    write_text("lib/cowherd.conf.d/05-z.conf", "[snapshot 05-lib]\nat 1% = alert\n");
    run("ln -s /dev/null etc/cowherd.conf.d/40-d.conf");
    accept_directories(&configuration);
    assert_false(configuration.brake);
    assert_null(configuration.metrics_file);
    assert_int_equal(configuration.n_policies, 6);
    assert_default_policy(&configuration.policies[0]);
    assert_string_equal(configuration.policies[1].pattern, "main");
    assert_string_equal(configuration.policies[2].pattern, "05-lib");
    assert_string_equal(configuration.policies[3].pattern, "10-lib");
    assert_string_equal(configuration.policies[4].pattern, "20-etc");
    assert_string_equal(configuration.policies[5].pattern, "30-run");
    assert_string_equal(configuration.policies[5].file, path_of("run/cowherd.conf.d/30-c.conf"));
    configuration_done(&configuration);
}

static void test_drop_ins_alone(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("lib/cowherd.conf.d/a.conf", "[daemon]\nbrake = no\n");
    run("rm -r etc");
    accept_directories(&configuration);
    assert_false(configuration.brake);
    configuration_done(&configuration);
}

/* --config is that file alone. */
static void test_explicit_file_is_alone(void **state)
{
    struct config_places places = the_directories();
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf", "[daemon]\nbrake = no\n");
    write_text("etc/cowherd.conf.d/a.conf", "nonsense\n");
    write_text("f", "[daemon]\ndry-run = yes\n");
    places.file = path_of("f");
    read_places(&places, &configuration, 0, "");
    assert_true(configuration.brake);
    assert_true(configuration.dry_run);
    configuration_done(&configuration);
}

static void test_errors_of_all_files(void **state)
{
    (void)state;
    write_text("etc/cowherd.conf", "[daemon]\nfoo = 1\n[snapshot a]\nat 1% = exec page\n");
    write_text("run/cowherd.conf.d/a.conf", "\n[daemon]\nbar = 1\n");
    run("mkdir lib/cowherd.conf.d/b.conf");
    write_text("etc/cowherd.conf.d/c.conf", "baz = 1\n");
    run("chmod 666 etc/cowherd.conf.d/c.conf");
    write_text("etc/cowherd.conf.d/d.conf", "[daemon]\nbaz = 1\n");
    refuse_directories("etc/cowherd.conf:2: unknown key \"foo\" in [daemon]\n"
                       "run/cowherd.conf.d/a.conf:3: unknown key \"bar\" in [daemon]\n"
                       "lib/cowherd.conf.d/b.conf:0: this is not a regular file\n"
                       "etc/cowherd.conf.d/c.conf:0: the file can be written by others than its owner\n"
                       "etc/cowherd.conf.d/d.conf:2: unknown key \"baz\" in [daemon]\n"
                       "etc/cowherd.conf:4: \"exec page\": there is no [hook page]\n");
}

static void test_directory_that_is_none(void **state)
{
    (void)state;
    run("rmdir run/cowherd.conf.d && touch run/cowherd.conf.d");
    refuse_directories("run/cowherd.conf.d:0: the directory cannot be opened: Not a directory\n");
}

static void test_keys_and_hooks_over_files(void **state)
{
    struct configuration configuration;

    (void)state;
    write_text("etc/cowherd.conf",
               "[daemon]\nbrake = no\n[hook a]\ncommand = /one\n[hook b]\ncommand = /b\n");
    write_text("etc/cowherd.conf.d/x.conf", "\n[daemon]\nbrake = yes\n[hook a]\ncommand = /two\n");
    accept_directories(&configuration);
    assert_true(configuration.brake);
    assert_int_equal(configuration.n_hooks, 2);
    assert_string_equal(configuration.hooks[0].name, "a");
    assert_string_equal(configuration.hooks[0].command, "/two");
    assert_int_equal(configuration.hooks[0].line, 4);
    assert_string_equal(configuration.hooks[0].file, path_of("etc/cowherd.conf.d/x.conf"));
    assert_string_equal(configuration.hooks[1].command, "/b");
    configuration_done(&configuration);
    refuse("[hook a]\ncommand = /one\n[hook a]\ncommand = /two\n", "f:3: [hook a] is in line 1 already\n");
    write_text("etc/cowherd.conf.d/x.conf", "[hook a]\n");
    refuse_directories("etc/cowherd.conf.d/x.conf:1: [hook a] has no command\n");
}

/* The reader alone: whatever letters a line is made of, what libinih makes of it is what we show as written.
 */

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

static int make_root(void **state)
{
    (void)state;
    umask(022);
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    run("rm -rf ./*");
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_default, set_up),
        cmocka_unit_test_setup(test_default_places, set_up),
        cmocka_unit_test_setup(test_no_file_is_default, set_up),
        cmocka_unit_test_setup(test_shipped_file, set_up),
        cmocka_unit_test_setup(test_shipped_defaults, set_up),
        cmocka_unit_test_setup(test_shipped_examples, set_up),
        cmocka_unit_test_setup(test_everything, set_up),
        cmocka_unit_test_setup(test_lines, set_up),
        cmocka_unit_test_setup(test_long_and_odd_patterns, set_up),
        cmocka_unit_test_setup(test_line_limit, set_up),
        cmocka_unit_test_setup(test_long_header_keeps_its_keys_to_itself, set_up),
        cmocka_unit_test_setup(test_missing_file, set_up),
        cmocka_unit_test_setup(test_unreadable_file, set_up),
        cmocka_unit_test_setup(test_not_a_regular_file, set_up),
        cmocka_unit_test_setup(test_dangling_link, set_up),
        cmocka_unit_test_setup(test_link_to_a_good_file, set_up),
        cmocka_unit_test_setup(test_owner, set_up),
        cmocka_unit_test_setup(test_modes, set_up),
        cmocka_unit_test_setup(test_group_that_is_not_roots, set_up),
        cmocka_unit_test_setup(test_noise, set_up),
        cmocka_unit_test_setup(test_size_limit, set_up),
        cmocka_unit_test_setup(test_every_byte, set_up),
        cmocka_unit_test_setup(test_zero_bytes, set_up),
        cmocka_unit_test_setup(test_utf8, set_up),
        cmocka_unit_test_setup(test_lone_carriage_return, set_up),
        cmocka_unit_test_setup(test_broken_header, set_up),
        cmocka_unit_test_setup(test_bad_headers, set_up),
        cmocka_unit_test_setup(test_no_section, set_up),
        cmocka_unit_test_setup(test_no_separator, set_up),
        cmocka_unit_test_setup(test_unknown_keys, set_up),
        cmocka_unit_test_setup(test_same_key_twice, set_up),
        cmocka_unit_test_setup(test_bad_daemon_values, set_up),
        cmocka_unit_test_setup(test_bad_snapshot_values, set_up),
        cmocka_unit_test_setup(test_hysteresis_bounds, set_up),
        cmocka_unit_test_setup(test_polls_against_each_other, set_up),
        cmocka_unit_test_setup(test_polls_of_two_files, set_up),
        cmocka_unit_test_setup(test_impossible_rungs, set_up),
        cmocka_unit_test_setup(test_rung_at_100, set_up),
        cmocka_unit_test_setup(test_rungs_at_one_height, set_up),
        cmocka_unit_test_setup(test_unknown_hook, set_up),
        cmocka_unit_test_setup(test_rung_limit, set_up),
        cmocka_unit_test_setup(test_ladder_that_does_not_rise, set_up),
        cmocka_unit_test_setup(test_sections_without_rungs, set_up),
        cmocka_unit_test_setup(test_same_pattern_twice, set_up),
        cmocka_unit_test_setup(test_order_of_messages, set_up),
        cmocka_unit_test_setup(test_messages_are_appended, set_up),
        cmocka_unit_test_setup(test_many_errors, set_up),
        cmocka_unit_test_setup(test_main_file, set_up),
        cmocka_unit_test_setup(test_masked_main_file, set_up),
        cmocka_unit_test_setup(test_drop_ins, set_up),
        cmocka_unit_test_setup(test_drop_ins_alone, set_up),
        cmocka_unit_test_setup(test_explicit_file_is_alone, set_up),
        cmocka_unit_test_setup(test_errors_of_all_files, set_up),
        cmocka_unit_test_setup(test_directory_that_is_none, set_up),
        cmocka_unit_test_setup(test_keys_and_hooks_over_files, set_up),
        cmocka_unit_test_setup(test_all_short_lines, set_up),
        cmocka_unit_test_setup(test_listener_ends_the_reading, set_up),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
