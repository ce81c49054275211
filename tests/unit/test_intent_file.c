/* intent_file: one file for each intent of each boot; what is removed is that one alone. */
#include "cowherd/intent_file.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/cowherd-test.XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory); /* every test leaves it empty */
}

static struct intent an_intent(const char *boot_id)
{
    struct intent intent = {
        .action = ACTION_MERGE, .origin = makedev(254, 1), .store = makedev(254, 2), .name = "backup"};
    snprintf(intent.boot_id, sizeof(intent.boot_id), "%s", boot_id);
    return intent;
}

static size_t count(void)
{
    struct intent *intents = NULL;
    size_t n = 0, n_broken = 0;
    char broken[256];
    assert_int_equal(intent_file_list(directory, &intents, &n, &n_broken, broken), 0);
    assert_int_equal(n_broken, 0);
    free(intents);
    return n;
}

static void test_the_same_numbers_in_another_boot_are_another_intent(void **state)
{
    (void)state;
    struct intent former = an_intent("11111111-1111-1111-1111-111111111111"), read;
    struct intent latter = an_intent("22222222-2222-2222-2222-222222222222");
    strcpy(latter.name, "other");
    assert_int_equal(intent_file_store(directory, &former), 0);
    assert_int_equal(intent_file_store(directory, &latter), 0);
    assert_int_equal(count(), 2);
    assert_int_equal(intent_file_read(directory, &former, &read), 0);
    assert_string_equal(read.name, "backup");
    assert_int_equal(intent_file_remove(directory, &former), 0);
    assert_int_equal(intent_file_read(directory, &former, &read), -ENOENT);
    assert_int_equal(intent_file_read(directory, &latter, &read), 0);
    assert_string_equal(read.name, "other");
    assert_int_equal(intent_file_remove(directory, &latter), 0);
    assert_int_equal(count(), 0);
}

static void test_stored_again_it_takes_the_place_of_itself(void **state)
{
    (void)state;
    struct intent intent = an_intent("11111111-1111-1111-1111-111111111111"), read;
    assert_int_equal(intent_file_store(directory, &intent), 0);
    intent.handing_over = true;
    assert_int_equal(intent_file_store(directory, &intent), 0);
    assert_int_equal(count(), 1);
    assert_int_equal(intent_file_read(directory, &intent, &read), 0);
    assert_true(read.handing_over);
    assert_int_equal(intent_file_remove(directory, &intent), 0);
    assert_int_equal(intent_file_remove(directory, &intent), 0); /* none there is no error */
}

/* The snapshot was taken away and another one made over the same origin and store. */
static void test_of_a_newer_snapshot_in_its_place_nothing_is_touched(void **state)
{
    (void)state;
    struct intent gone = an_intent("11111111-1111-1111-1111-111111111111"), newer = gone, read;
    gone.disk_sequence = 7;
    newer.disk_sequence = 8;
    strcpy(newer.uuid, "newer");
    assert_int_equal(intent_file_store(directory, &gone), 0);
    assert_int_equal(intent_file_store(directory, &newer), 0);
    assert_int_equal(intent_file_remove(directory, &gone), 0); /* none there is no error */
    assert_int_equal(intent_file_store(directory, &gone), -ESTALE);
    assert_int_equal(count(), 1);
    assert_int_equal(intent_file_read(directory, &gone, &read), 0);
    assert_string_equal(read.uuid, "newer");
    assert_int_equal(intent_file_remove(directory, &newer), 0);
    assert_int_equal(count(), 0);
}

/* Whose it is cannot be told: it is counted as broken, and left. */
static void test_what_is_no_whole_record_is_left(void **state)
{
    (void)state;
    char path[sizeof(directory) + 128];
    struct intent intent = an_intent("11111111-1111-1111-1111-111111111111");
    snprintf(path, sizeof(path), "%s/254:1-254:2@%s.intent", directory, intent.boot_id);
    FILE *file = fopen(path, "w");
    assert_true(file && fputs("action=1\n", file) >= 0 && fclose(file) == 0);
    assert_int_equal(intent_file_remove(directory, &intent), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_same_numbers_in_another_boot_are_another_intent,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_of_a_newer_snapshot_in_its_place_nothing_is_touched,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_what_is_no_whole_record_is_left, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_stored_again_it_takes_the_place_of_itself, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
