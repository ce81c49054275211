/* status: every line that the kernel writes, and that everything else is refused without a trace. */
#include "cowherd/status.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static void expect_status(const char *line, struct snapshot_status expected)
{
    struct snapshot_status status;
    memset(&status, 0xa5, sizeof(status));
    assert_int_equal(snapshot_status_parse(line, &status), 0);
    assert_int_equal(status.state, expected.state);
    assert_true(status.used_sectors == expected.used_sectors);
    assert_true(status.total_sectors == expected.total_sectors);
    assert_true(status.metadata_sectors == expected.metadata_sectors);
    assert_int_equal(status.has_metadata, expected.has_metadata);
}

static void expect_no_status(const char *line)
{
    struct snapshot_status status;
    struct snapshot_status before;
    memset(&before, 0xa5, sizeof(before));
    status = before;
    if (snapshot_status_parse(line, &status) != -EBADMSG)
        fail_msg("accepted: \"%s\"", line);
    assert_memory_equal(&status, &before, sizeof(status));
}

static void test_status_numbers(void **state)
{
    (void)state;
    expect_status("16/65536 16", (struct snapshot_status){SNAPSHOT_VALID, 16, 65536, 16, true});
    expect_status("4808/65536 40", (struct snapshot_status){SNAPSHOT_VALID, 4808, 65536, 40, true});
    expect_status("0/0 0", (struct snapshot_status){SNAPSHOT_VALID, 0, 0, 0, true});
    expect_status("16/65536", (struct snapshot_status){SNAPSHOT_VALID, 16, 65536, 0, false});
    expect_status("80/64 16", (struct snapshot_status){SNAPSHOT_VALID, 80, 64, 16, true});
    expect_status("18446744073709551615/18446744073709551615 18446744073709551615",
                  (struct snapshot_status){SNAPSHOT_VALID, UINT64_MAX, UINT64_MAX, UINT64_MAX, true});
}

static void test_status_words(void **state)
{
    (void)state;
    expect_status("Invalid", (struct snapshot_status){.state = SNAPSHOT_INVALID});
    expect_status("Overflow", (struct snapshot_status){.state = SNAPSHOT_OVERFLOW});
    expect_status("Merge failed", (struct snapshot_status){.state = SNAPSHOT_MERGE_FAILED});
    expect_status("Unknown", (struct snapshot_status){.state = SNAPSHOT_UNKNOWN});
}

static void test_status_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        " ",
        "16",
        "16/",
        "/65536",
        "/",
        "16/65536 ",
        "16/65536 16 ",
        "16/65536 16\n",
        "16/65536 16 0",
        "16/65536  16",
        "16/65536\t16",
        " 16/65536 16",
        "16 /65536 16",
        "16/ 65536 16",
        "+16/65536 16",
        "-16/65536 16",
        "16/-65536 16",
        "16/65536 -16",
        "0x10/65536 16",
        "016/65536 16",
        "00/65536 16",
        "16/65536 16.0",
        "16/65536 x",
        "16x/65536 16",
        "18446744073709551616/65536 16",
        "16/18446744073709551616 16",
        "16/65536 18446744073709551616",
        "16/99999999999999999999 16",
        "16/184467440737095516150 16",
        "valid",
        "invalid",
        "Invalid ",
        "Invalid\n",
        "InvalidX",
        "Inval",
        "Merge",
        "Merge  failed",
        "Merge failed 16/65536",
        "Overflow 16/65536 16",
    };
    for (size_t i = 0; i < N_ELEMENTS(lines); i++)
        expect_no_status(lines[i]);
}

/* Every prefix of a good line but those that are the older, shorter line is refused. */
static void test_status_cut_off(void **state)
{
    (void)state;
    static const char line[] = "4808/65536 40";
    for (size_t length = 0; length < strlen(line); length++) {
        char part[sizeof(line)];
        snprintf(part, sizeof(part), "%.*s", (int)length, line);
        struct snapshot_status status;
        bool is_older_line = length > 5 && length <= 10;
        bool is_shorter_number = length == strlen("4808/65536 4");
        assert_int_equal(snapshot_status_parse(part, &status),
                         is_older_line || is_shorter_number ? 0 : -EBADMSG);
    }
}

static void test_is_merged(void **state)
{
    (void)state;
    struct snapshot_status status = {SNAPSHOT_VALID, 16, 64, 16, true};
    assert_true(snapshot_status_is_merged(&status));
    status.used_sectors = 24;
    assert_false(snapshot_status_is_merged(&status));
    status = (struct snapshot_status){SNAPSHOT_VALID, 0, 64, 0, false};
    assert_false(snapshot_status_is_merged(&status));
    /* "Overflow" hides how far a merge is. */
    status = (struct snapshot_status){SNAPSHOT_OVERFLOW, 0, 0, 0, true};
    assert_false(snapshot_status_is_merged(&status));
}

static void test_states(void **state)
{
    (void)state;
    assert_false(snapshot_state_is_lost(SNAPSHOT_VALID));
    assert_true(snapshot_state_is_lost(SNAPSHOT_INVALID));
    assert_true(snapshot_state_is_lost(SNAPSHOT_OVERFLOW));
    assert_true(snapshot_state_is_lost(SNAPSHOT_MERGE_FAILED));
    assert_false(snapshot_state_is_lost(SNAPSHOT_UNKNOWN));
    assert_string_equal(snapshot_state_name(SNAPSHOT_VALID), "valid");
    assert_string_equal(snapshot_state_name(SNAPSHOT_INVALID), "Invalid");
    assert_string_equal(snapshot_state_name(SNAPSHOT_OVERFLOW), "Overflow");
    assert_string_equal(snapshot_state_name(SNAPSHOT_MERGE_FAILED), "Merge failed");
    assert_string_equal(snapshot_state_name(SNAPSHOT_UNKNOWN), "Unknown");
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(target_kind_name(TARGET_OTHER), "other");
    assert_string_equal(target_kind_name(TARGET_SNAPSHOT), "snapshot");
    assert_string_equal(target_kind_name(TARGET_SNAPSHOT_MERGE), "snapshot-merge");
    assert_string_equal(target_kind_name(TARGET_SNAPSHOT_ORIGIN), "snapshot-origin");
    assert_string_equal(target_kind_name(TARGET_LINEAR), "linear");
    assert_string_equal(target_kind_name(TARGET_ERROR), "error");
    assert_string_equal(store_type_name(STORE_PERSISTENT), "P");
    assert_string_equal(store_type_name(STORE_PERSISTENT_OVERFLOW), "PO");
    assert_string_equal(store_type_name(STORE_TRANSIENT), "N");
}

static void expect_target(const char *kind, const char *parameters, struct target expected)
{
    struct target target;
    memset(&target, 0xa5, sizeof(target));
    assert_int_equal(target_parse(kind, parameters, 2048, 4096, &target), 0);
    assert_int_equal(target.kind, expected.kind);
    assert_int_equal(target.start_sectors, 2048);
    assert_int_equal(target.length_sectors, 4096);
    assert_true(target.origin == expected.origin);
    assert_true(target.store == expected.store);
    assert_true(target.offset_sectors == expected.offset_sectors);
    assert_int_equal(target.chunk_sectors, expected.chunk_sectors);
    assert_int_equal(target.store_type, expected.store_type);
    assert_int_equal(target.status.state, SNAPSHOT_UNKNOWN);
    assert_true(target.status.used_sectors == 0 && target.status.total_sectors == 0);
}

static void expect_no_target(const char *kind, const char *parameters)
{
    struct target target;
    struct target before;
    memset(&before, 0xa5, sizeof(before));
    target = before;
    if (target_parse(kind, parameters, 0, 8, &target) != -EBADMSG)
        fail_msg("accepted: %s \"%s\"", kind, parameters);
    assert_memory_equal(&target, &before, sizeof(target));
}

static struct target snapshot(enum target_kind kind, enum store_type type, uint32_t chunk_sectors)
{
    return (struct target){.kind = kind,
                           .origin = makedev(254, 1),
                           .store = makedev(254, 2),
                           .chunk_sectors = chunk_sectors,
                           .store_type = type};
}

static void test_target_snapshot(void **state)
{
    (void)state;
    expect_target("snapshot", "254:1 254:2 P 8", snapshot(TARGET_SNAPSHOT, STORE_PERSISTENT, 8));
    expect_target("snapshot", "254:1 254:2 PO 32", snapshot(TARGET_SNAPSHOT, STORE_PERSISTENT_OVERFLOW, 32));
    expect_target("snapshot", "254:1 254:2 N 1", snapshot(TARGET_SNAPSHOT, STORE_TRANSIENT, 1));
    expect_target("snapshot-merge", "254:1 254:2 P 8", snapshot(TARGET_SNAPSHOT_MERGE, STORE_PERSISTENT, 8));
    /* A loaded snapshot-merge that waits for the handover. */
    expect_target("snapshot-merge", "254:1 254:2 P 0", snapshot(TARGET_SNAPSHOT_MERGE, STORE_PERSISTENT, 0));
    expect_target("snapshot", "254:1 254:2 P 2147483648",
                  snapshot(TARGET_SNAPSHOT, STORE_PERSISTENT, UINT32_C(1) << 31));
}

static void test_target_features(void **state)
{
    (void)state;
    struct target expected = snapshot(TARGET_SNAPSHOT, STORE_PERSISTENT, 8);
    expect_target("snapshot", "254:1 254:2 P 8 1 discard_zeroes_cow", expected);
    expect_target("snapshot", "254:1 254:2 P 8 2 discard_zeroes_cow discard_passdown_origin", expected);
    static const char *const lines[] = {
        "254:1 254:2 P 8 0",
        "254:1 254:2 P 8 1",
        "254:1 254:2 P 8 1 ",
        "254:1 254:2 P 8 1 a b",
        "254:1 254:2 P 8 2 a",
        "254:1 254:2 P 8 2 a ",
        "254:1 254:2 P 8 2 a b ",
        "254:1 254:2 P 8 1  a",
        "254:1 254:2 P 8 1 a\n",
        "254:1 254:2 P 8 -1 a",
        "254:1 254:2 P 8 4294967295 a",
        "254:1 254:2 P 8 18446744073709551616 a",
        "254:1 254:2 P 8 a",
        "254:1 254:2 P 8 1 a\x7f",
        "254:1 254:2 P 8 1 \xc3\xa4",
    };
    for (size_t i = 0; i < N_ELEMENTS(lines); i++)
        expect_no_target("snapshot", lines[i]);
}

static void test_target_snapshot_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "254:1",
        "254:1 254:2",
        "254:1 254:2 P",
        "254:1 254:2 P ",
        "254:1 254:2  P 8",
        "254:1  254:2 P 8",
        " 254:1 254:2 P 8",
        "254:1 254:2 P 8 ",
        "254:1 254:2 P 8\n",
        "254:1 254:2 P 08",
        "254:1 254:2 P 9",
        "254:1 254:2 P 4294967296",
        "254:1 254:2 P -8",
        "254:1 254:2 P 8x",
        "254:1 254:2 p 8",
        "254:1 254:2 POP 8",
        "254:1 254:2 O 8",
        "254:1 254:2  8",
        "254:1 254:2 X 8",
        "254:1 254: P 8",
        "254:1 :2 P 8",
        "254:1 254 P 8",
        "254:1: 254:2 P 8",
        "4096:1 254:2 P 8",
        "254:1048576 254:2 P 8",
        "254:-1 254:2 P 8",
        "+254:1 254:2 P 8",
        "/dev/sda 254:2 P 8",
    };
    for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
        expect_no_target("snapshot", lines[i]);
        expect_no_target("snapshot-merge", lines[i]);
    }
}

static void test_target_others(void **state)
{
    (void)state;
    expect_target("snapshot-origin", "4095:1048575",
                  (struct target){.kind = TARGET_SNAPSHOT_ORIGIN, .origin = makedev(4095, 1048575)});
    expect_target(
        "linear", "8:16 18446744073709551615",
        (struct target){.kind = TARGET_LINEAR, .origin = makedev(8, 16), .offset_sectors = UINT64_MAX});
    expect_target("error", "", (struct target){.kind = TARGET_ERROR});
    expect_target("crypt", "aes-xts-plain64 0 0 8:3 4096", (struct target){.kind = TARGET_OTHER});
    expect_target("other", "", (struct target){.kind = TARGET_OTHER});
    expect_target("", "", (struct target){.kind = TARGET_OTHER});
    expect_target("Snapshot", "254:1 254:2 P 8", (struct target){.kind = TARGET_OTHER});
}

static void test_target_others_refused(void **state)
{
    (void)state;
    expect_no_target("snapshot-origin", "");
    expect_no_target("snapshot-origin", "8:16 ");
    expect_no_target("snapshot-origin", "8:16 0");
    expect_no_target("linear", "8:16");
    expect_no_target("linear", "8:16 ");
    expect_no_target("linear", "8:16 0 ");
    expect_no_target("linear", "8:16 0 0");
    expect_no_target("linear", "8:16 18446744073709551616");
    expect_no_target("error", " ");
    expect_no_target("error", "8:16 0");
}

static void test_target_is_snapshot(void **state)
{
    (void)state;
    for (enum target_kind kind = TARGET_OTHER; kind <= TARGET_ERROR; kind++) {
        struct target target = {.kind = kind};
        assert_int_equal(target_is_snapshot(&target),
                         kind == TARGET_SNAPSHOT || kind == TARGET_SNAPSHOT_MERGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_numbers),
        cmocka_unit_test(test_status_words),
        cmocka_unit_test(test_status_refused),
        cmocka_unit_test(test_status_cut_off),
        cmocka_unit_test(test_is_merged),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_target_snapshot),
        cmocka_unit_test(test_target_features),
        cmocka_unit_test(test_target_snapshot_refused),
        cmocka_unit_test(test_target_others),
        cmocka_unit_test(test_target_others_refused),
        cmocka_unit_test(test_target_is_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
