/* intent: what is written is what is read, and nothing else is taken for an intent. */
#include "cowherd/intent.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

/* Every field with a value of its own, so that none can stand in for another. */
static struct intent an_intent(void)
{
    return (struct intent){
        .action = ACTION_DROP,
        .role = ROLE_BACKUP,
        .role_forced = true,
        .drop_open = true,
        .lost = true,
        .rung = "at 95% = drop",
        .name = "root-snapshot",
        .uuid = "CRYPT-1234",
        .device = makedev(254, 3),
        .disk_sequence = 41,
        .origin = makedev(8, 17),
        .store = makedev(259, 1048575),
        .store_disk_sequence = 39,
        .length_sectors = 20480,
        .chunk_sectors = 16,
        .store_type = STORE_PERSISTENT_OVERFLOW,
        .origin_user = makedev(254, 2),
        .origin_user_disk_sequence = 40,
        .origin_user_name = "root",
        .origin_user_uuid = "CRYPT-5678",
        .handing_over = true,
        .interrupted = true,
        .from_sectors = 98304,
        .grow_to_sectors = 131072,
        .limit_sectors = 262144,
        .extend_from = "/dev/disk/by-label/spare",
        .asked_lvm = true,
        .used_centipercent = 9512,
        .hysteresis_centipercent = 200,
        .free_bytes = 1 << 30,
        .cookie = 0x0d4d1234,
        .boot_id = "01234567-89ab-cdef-0123-456789abcdef",
    };
}

static void assert_same(const struct intent *a, const struct intent *b)
{
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->role, b->role);
    assert_int_equal(a->role_forced, b->role_forced);
    assert_int_equal(a->drop_open, b->drop_open);
    assert_int_equal(a->lost, b->lost);
    assert_string_equal(a->rung, b->rung);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->uuid, b->uuid);
    assert_true(a->device == b->device);
    assert_true(a->disk_sequence == b->disk_sequence);
    assert_true(a->origin == b->origin);
    assert_true(a->store == b->store);
    assert_true(a->length_sectors == b->length_sectors);
    assert_int_equal(a->chunk_sectors, b->chunk_sectors);
    assert_int_equal(a->store_type, b->store_type);
    assert_true(a->origin_user == b->origin_user);
    assert_true(a->origin_user_disk_sequence == b->origin_user_disk_sequence);
    assert_true(a->store_disk_sequence == b->store_disk_sequence);
    assert_string_equal(a->origin_user_name, b->origin_user_name);
    assert_string_equal(a->origin_user_uuid, b->origin_user_uuid);
    assert_int_equal(a->handing_over, b->handing_over);
    assert_int_equal(a->interrupted, b->interrupted);
    assert_true(a->from_sectors == b->from_sectors);
    assert_true(a->grow_to_sectors == b->grow_to_sectors);
    assert_true(a->limit_sectors == b->limit_sectors);
    assert_string_equal(a->extend_from, b->extend_from);
    assert_int_equal(a->asked_lvm, b->asked_lvm);
    assert_int_equal(a->used_centipercent, b->used_centipercent);
    assert_int_equal(a->hysteresis_centipercent, b->hysteresis_centipercent);
    assert_int_equal(a->free_bytes, b->free_bytes);
    assert_int_equal(a->cookie, b->cookie);
    assert_string_equal(a->boot_id, b->boot_id);
}

static void format(const struct intent *intent, char text[INTENT_TEXT_MAX])
{
    int n = intent_format(intent, text, INTENT_TEXT_MAX);
    assert_true(n > 0);
    assert_int_equal((size_t)n, strlen(text));
}

static void assert_round_trip(const struct intent *intent)
{
    char text[INTENT_TEXT_MAX];
    struct intent read;
    memset(&read, 0xa5, sizeof(read));
    format(intent, text);
    assert_int_equal(intent_parse(text, &read), 0);
    assert_same(&read, intent);
    assert_false(read.cancelled);
}

/* Refused, and the intent that was there stays. */
static void assert_refused(const char *text)
{
    struct intent read, before;
    memset(&read, 0xa5, sizeof(read));
    memset(&before, 0xa5, sizeof(before));
    assert_int_equal(intent_parse(text, &read), -EBADMSG);
    assert_memory_equal(&read, &before, sizeof(read));
}

static void test_text(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    char text[INTENT_TEXT_MAX];
    intent.cancelled = true; /* is not recorded */
    format(&intent, text);
    assert_string_equal(text, "action=4\n"
                              "role=1\n"
                              "role-forced=1\n"
                              "drop-open=1\n"
                              "lost=1\n"
                              "rung=at 95% = drop\n"
                              "name=root-snapshot\n"
                              "uuid=CRYPT-1234\n"
                              "device=254:3\n"
                              "disk-sequence=41\n"
                              "origin=8:17\n"
                              "store=259:1048575\n"
                              "store-disk-sequence=39\n"
                              "length-sectors=20480\n"
                              "chunk-sectors=16\n"
                              "store-type=1\n"
                              "origin-user=254:2\n"
                              "origin-user-disk-sequence=40\n"
                              "origin-user-name=root\n"
                              "origin-user-uuid=CRYPT-5678\n"
                              "handing-over=1\n"
                              "interrupted=1\n"
                              "grow-to-sectors=131072\n"
                              "limit-sectors=262144\n"
                              "extend-from=/dev/disk/by-label/spare\n"
                              "asked-lvm=1\n"
                              "used-centipercent=9512\n"
                              "hysteresis-centipercent=200\n"
                              "cookie=223154740\n"
                              "boot-id=01234567-89ab-cdef-0123-456789abcdef\n"
                              "free-bytes=1073741824\n"
                              "from-sectors=98304\n"
                              "end\n");
}

static void test_round_trip(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    assert_round_trip(&intent);
    intent.cancelled = true;
    assert_round_trip(&intent);
    intent = (struct intent){.action = ACTION_MERGE};
    assert_round_trip(&intent);
}

static void test_round_trip_of_limits(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    intent.action = ACTION_EXTEND;
    intent.role = ROLE_LIVE;
    intent.store_type = STORE_TRANSIENT;
    intent.device = makedev(UINT32_MAX, UINT32_MAX);
    intent.origin = makedev(0, UINT32_MAX);
    intent.store = makedev(UINT32_MAX, 0);
    intent.disk_sequence = intent.length_sectors = intent.origin_user_disk_sequence = UINT64_MAX;
    intent.chunk_sectors = intent.used_centipercent = intent.hysteresis_centipercent = intent.cookie =
        UINT32_MAX;
    assert_round_trip(&intent);
}

/* dm takes any bytes in a name but a zero and a slash. */
static void test_round_trip_of_names(void **state)
{
    static const char *const names[] = {
        "",
        "\n",
        "end\n",
        "a\nend\n",
        "\nname=b",
        "\\",
        "\\\\x0a",
        "\\x0a",
        "trailing\\",
        "=",
        "a=b=",
        " blanks ",
        "\t\r\v\x1b\x01\x1f\x7f",
        "`a;touch $(id)`",
        "%s%n%d",
        "Grüße 雪 \xf0\x9f\x90\x84",
        "\xff\xfe\x80 no UTF-8",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct intent intent = an_intent();
        strcpy(intent.name, names[i]);
        assert_round_trip(&intent);
        strcpy(intent.uuid, names[i]);
        strcpy(intent.rung, names[i]);
        strcpy(intent.boot_id, names[i]);
        assert_round_trip(&intent);
    }
}

static void test_round_trip_of_every_byte(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        struct intent intent = an_intent();
        intent.name[0] = (char)byte;
        intent.uuid[strlen(intent.uuid) - 1] = (char)byte;
        assert_round_trip(&intent);
        char text[INTENT_TEXT_MAX];
        format(&intent, text); /* and whoever prints the file is safe */
        for (const unsigned char *c = (const unsigned char *)text; *c; c++)
            assert_true((*c >= 0x20 || *c == '\n') && *c != 0x7f);
    }
}

/* A name breaks no line and starts none. */
static void test_names_stay_on_their_line(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    char plain[INTENT_TEXT_MAX], text[INTENT_TEXT_MAX];
    strcpy(intent.name, "aXend");
    format(&intent, plain);
    strcpy(intent.name, "a\nend");
    format(&intent, text);
    size_t lines = 0, plain_lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    for (const char *c = plain; *c; c++)
        plain_lines += *c == '\n';
    assert_int_equal(lines, plain_lines);
    assert_non_null(strstr(text, "\nname=a\\x0aend\n"));
}

static struct intent fill_texts(char byte)
{
    struct intent intent = an_intent();
    memset(intent.name, byte, sizeof(intent.name) - 1);
    memset(intent.uuid, byte, sizeof(intent.uuid) - 1);
    memset(intent.rung, byte, sizeof(intent.rung) - 1);
    memset(intent.boot_id, byte, sizeof(intent.boot_id) - 1);
    memset(intent.origin_user_name, byte, sizeof(intent.origin_user_name) - 1);
    memset(intent.origin_user_uuid, byte, sizeof(intent.origin_user_uuid) - 1);
    memset(intent.extend_from, byte, sizeof(intent.extend_from) - 1);
    intent.grow_to_sectors = intent.limit_sectors = UINT64_MAX;
    intent.disk_sequence = intent.length_sectors = intent.origin_user_disk_sequence = UINT64_MAX;
    intent.device = intent.origin = intent.store = intent.origin_user = makedev(UINT32_MAX, UINT32_MAX);
    intent.chunk_sectors = intent.used_centipercent = intent.hysteresis_centipercent = intent.cookie =
        UINT32_MAX;
    return intent;
}

static void test_longest_texts(void **state)
{
    (void)state;
    struct intent intent = fill_texts('x');
    assert_int_equal(strlen(intent.name), 127);
    assert_round_trip(&intent);
    intent = fill_texts('\n'); /* four characters each: the longest text there is */
    assert_round_trip(&intent);
}

static void assert_text_refused(const struct intent *intent, const char *key, size_t length)
{
    char text[INTENT_TEXT_MAX], longer[2 * INTENT_TEXT_MAX], value[INTENT_TEXT_MAX];
    format(intent, text);
    char *from = strstr(text, key);
    assert_non_null(from);
    memset(value, 'x', length);
    value[length] = '\0';
    snprintf(longer, sizeof(longer), "%.*s%s%s%s", (int)(from - text), text, key, value, strchr(from, '\n'));
    assert_refused(longer);
    value[length - 1] = '\0'; /* one less fits */
    struct intent read;
    snprintf(longer, sizeof(longer), "%.*s%s%s%s", (int)(from - text), text, key, value, strchr(from, '\n'));
    assert_int_equal(intent_parse(longer, &read), 0);
}

static void test_too_long_texts(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    assert_text_refused(&intent, "name=", DM_NAME_BYTES);
    assert_text_refused(&intent, "uuid=", DM_UUID_BYTES);
    assert_text_refused(&intent, "rung=", INTENT_RUNG_MAX);
    assert_text_refused(&intent, "boot-id=", BOOT_ID_BYTES);
    assert_text_refused(&intent, "origin-user-name=", DM_NAME_BYTES);
    assert_text_refused(&intent, "origin-user-uuid=", DM_UUID_BYTES);
    assert_text_refused(&intent, "extend-from=", INTENT_PATH_MAX);
}

static void test_truncations(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    char text[INTENT_TEXT_MAX], cut[INTENT_TEXT_MAX];
    strcpy(intent.name, "a\nend\n"); /* what looks like the end is none */
    format(&intent, text);
    for (size_t n = 0; n < strlen(text); n++) {
        memcpy(cut, text, n);
        cut[n] = '\0';
        assert_refused(cut);
    }
}

static void test_nothing_behind_the_end(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    char text[INTENT_TEXT_MAX], longer[INTENT_TEXT_MAX + 16];
    format(&intent, text);
    static const char *const more[] = {"\n", "end\n", "x", " ", "name=b\n"};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        snprintf(longer, sizeof(longer), "%s%s", text, more[i]);
        assert_refused(longer);
    }
}

/* The text with its n-th line left out, or said twice at once, or once more at the end. */
static void edit_line(const char *text, size_t n, int copies, bool at_end, char edited[2 * INTENT_TEXT_MAX])
{
    const char *line = text;
    for (size_t i = 0; i < n; i++)
        line = strchr(line, '\n') + 1;
    int before = (int)(line - text), length = (int)(strchr(line, '\n') + 1 - line);
    int rest = (int)strlen(text) - before - length - (int)strlen("end\n");
    snprintf(edited, 2 * INTENT_TEXT_MAX, "%.*s%.*s%.*s%.*s%.*send\n", before, text, copies ? length : 0,
             line, copies > 1 && !at_end ? length : 0, line, rest, line + length,
             copies > 1 && at_end ? length : 0, line);
}

static void test_each_key_once(void **state)
{
    (void)state;
    struct intent intent = an_intent(), read;
    char text[INTENT_TEXT_MAX], edited[2 * INTENT_TEXT_MAX];
    size_t lines = 0;
    format(&intent, text);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 33); /* 32 keys and the end */
    for (size_t i = 0; i < lines - 1; i++) {
        edit_line(text, i, 1, false, edited);
        assert_string_equal(edited, text);
        assert_int_equal(intent_parse(edited, &read), 0);
        edit_line(text, i, 0, false, edited);
        if (i < lines - 3)
            assert_refused(edited);
        edit_line(text, i, 2, false, edited);
        assert_refused(edited);
        edit_line(text, i, 2, true, edited);
        assert_refused(edited);
    }
}

/* A daemon that was upgraded goes on with what the one before it recorded. */
static void test_a_record_of_the_first_daemons(void **state)
{
    (void)state;
    struct intent intent = an_intent(), read;
    char text[INTENT_TEXT_MAX];
    format(&intent, text);
    strcpy(strstr(text, "free-bytes="), "end\n");
    assert_int_equal(intent_parse(text, &read), 0);
    intent.free_bytes = intent.from_sectors = 0;
    assert_same(&intent, &read);
}

/* A text in which the value of one key is another. */
static void with_value(const char *key, const char *value, char edited[INTENT_TEXT_MAX + 512])
{
    struct intent intent = an_intent();
    char text[INTENT_TEXT_MAX], line[64];
    format(&intent, text);
    snprintf(line, sizeof(line), "\n%s=", key);
    const char *from = strncmp(text, line + 1, strlen(line) - 1) == 0 ? text - 1 : strstr(text, line);
    assert_non_null(from);
    const char *after = strchr(from + 1, '\n');
    snprintf(edited, INTENT_TEXT_MAX + 512, "%.*s%s=%s%s", (int)(from + 1 - text), text, key, value, after);
}

static bool accepts(const char *key, const char *value)
{
    char edited[INTENT_TEXT_MAX + 512];
    struct intent read;
    with_value(key, value, edited);
    if (intent_parse(edited, &read) == 0)
        return true;
    assert_refused(edited);
    return false;
}

static void test_numbers(void **state)
{
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "-1",
                                        "+1",
                                        "0x",
                                        "1.0",
                                        "1e1",
                                        "a",
                                        "18446744073709551616",
                                        "99999999999999999999999999999999999999"};
    static const char *const wide[] = {"disk-sequence",  "store-disk-sequence",
                                       "length-sectors", "origin-user-disk-sequence",
                                       "free-bytes",     "from-sectors"};
    static const char *const narrow[] = {"chunk-sectors", "used-centipercent", "hysteresis-centipercent",
                                         "cookie"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        for (size_t j = 0; j < sizeof(wide) / sizeof(wide[0]); j++)
            assert_false(accepts(wide[j], wrong[i]));
        for (size_t j = 0; j < sizeof(narrow) / sizeof(narrow[0]); j++)
            assert_false(accepts(narrow[j], wrong[i]));
    }
    for (size_t j = 0; j < sizeof(wide) / sizeof(wide[0]); j++)
        assert_true(accepts(wide[j], "18446744073709551615"));
    for (size_t j = 0; j < sizeof(narrow) / sizeof(narrow[0]); j++) {
        assert_true(accepts(narrow[j], "4294967295"));
        assert_false(accepts(narrow[j], "4294967296"));
    }
}

static void test_choices(void **state)
{
    (void)state;
    assert_true(accepts("role", "0"));
    assert_true(accepts("role", "2"));
    assert_false(accepts("role", "3"));
    assert_true(accepts("store-type", "2"));
    assert_false(accepts("store-type", "3"));
    assert_false(accepts("store-type", "4294967296"));
    static const char *const bools[] = {"role-forced",  "drop-open",   "lost",
                                        "handing-over", "interrupted", "asked-lvm"};
    for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
        assert_true(accepts(bools[i], "0"));
        assert_true(accepts(bools[i], "1"));
        assert_false(accepts(bools[i], "2"));
        assert_false(accepts(bools[i], ""));
        assert_false(accepts(bools[i], "yes"));
    }
}

/* An intent is to change a device: there is none to alert or to run a hook. */
static void test_actions(void **state)
{
    (void)state;
    assert_false(accepts("action", "0"));
    assert_false(accepts("action", "1"));
    assert_true(accepts("action", "3"));
    assert_true(accepts("action", "4"));
    assert_false(accepts("action", "5"));
}

static void test_devices(void **state)
{
    static const char *const keys[] = {"device", "origin", "store", "origin-user"};
    static const char *const wrong[] = {"",      "254",  ":",      "254:",         "254:3:",      ":3",
                                        "254:x", "-1:3", "254:3 ", "4294967296:1", "1:4294967296"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_true(accepts(keys[i], "0:0"));
        assert_true(accepts(keys[i], "4294967295:4294967295"));
        for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++)
            assert_false(accepts(keys[i], wrong[j]));
    }
}

static void test_escapes(void **state)
{
    static const char *const wrong[] = {"\\",  "a\\",  "\\x",   "\\x0",  "\\x0g", "\\xg0", "\\x00",
                                        "\\n", "\\\\", "\\X0a", "\\x0A", "\\012", "a\\x0"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(accepts("name", wrong[i]));
        assert_false(accepts("rung", wrong[i]));
    }
    assert_true(accepts("name", "\\x0a"));
    assert_true(accepts("name", "\\x5c"));
}

static void test_lines(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    char text[INTENT_TEXT_MAX], edited[INTENT_TEXT_MAX + 64];
    format(&intent, text);
    static const char *const first[] = {"\n",         "unknown=1\n", "=\n",       "action\n",
                                        "Action=4\n", " action=4\n", "actio=4\n", "actions=4\n",
                                        "end\n",      "# remark\n"};
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        snprintf(edited, sizeof(edited), "%s%s", first[i], text);
        assert_refused(edited);
    }
    assert_refused("");
    assert_refused("end");
    assert_refused("end\n");
    assert_refused("\n");
}

static void test_order_is_free(void **state)
{
    (void)state;
    struct intent intent = an_intent(), read;
    char text[INTENT_TEXT_MAX], edited[INTENT_TEXT_MAX];
    format(&intent, text);
    const char *second = strchr(text, '\n') + 1;
    int first = (int)(second - text);
    snprintf(edited, sizeof(edited), "%.*s%.*send\n", (int)(strlen(second) - strlen("end\n")), second, first,
             text);
    assert_int_equal(intent_parse(edited, &read), 0);
    assert_same(&read, &intent);
}

static void test_no_room(void **state)
{
    (void)state;
    struct intent intent = an_intent();
    char text[INTENT_TEXT_MAX], small[INTENT_TEXT_MAX];
    strcpy(intent.name, "a\nb");
    format(&intent, text);
    size_t length = strlen(text);
    for (size_t size = 0; size <= length; size++) {
        memset(small, '#', sizeof(small));
        assert_int_equal(intent_format(&intent, small, size), -ENOBUFS);
        assert_int_equal(small[size], '#'); /* nothing behind the room */
    }
    assert_int_equal(intent_format(&intent, small, length + 1), (int)length);
    assert_string_equal(small, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_round_trip_of_limits),
        cmocka_unit_test(test_round_trip_of_names),
        cmocka_unit_test(test_round_trip_of_every_byte),
        cmocka_unit_test(test_names_stay_on_their_line),
        cmocka_unit_test(test_longest_texts),
        cmocka_unit_test(test_too_long_texts),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_nothing_behind_the_end),
        cmocka_unit_test(test_each_key_once),
        cmocka_unit_test(test_a_record_of_the_first_daemons),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_order_is_free),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
