/* inquiry: what the kernel's answers say, line by line. Asking it is tests/vm's. */
#include "../../daemon/kernel/inquiry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LINE_BYTES 64

/* An answer of two lines. */
struct answer {
    _Alignas(8) unsigned char bytes[sizeof(struct dm_ioctl) + 2 * LINE_BYTES];
    struct inquiry inquiry;
};

/* As the kernel writes it: a kind's first 15 bytes, zeros up to there, and not the last byte. */
static void put_line(struct answer *answer, unsigned i, const char *kind, const char *text)
{
    char *place = (char *)answer->bytes + sizeof(struct dm_ioctl) + i * LINE_BYTES;
    struct dm_target_spec line = {.sector_start = i * 8, .length = 8, .next = (i + 1) * LINE_BYTES};
    memcpy(line.target_type, kind, strnlen(kind, DM_MAX_TYPE_NAME - 1));
    memcpy(place, &line, sizeof(line) - 1);
    strcpy(place + sizeof(line), text);
}

static void make_answer(struct answer *answer, int dirt)
{
    memset(answer->bytes, dirt, sizeof(answer->bytes));
    answer->inquiry = (struct inquiry){(struct dm_ioctl *)(void *)answer->bytes, sizeof(answer->bytes)};
    *answer->inquiry.answer = (struct dm_ioctl){
        .data_start = sizeof(struct dm_ioctl),
        .data_size = sizeof(answer->bytes),
        .target_count = 2,
    };
    put_line(answer, 0, "linear", "254:1 0");
    put_line(answer, 1, "snapshot-origin", "254:1");
}

static void assert_lines(const struct answer *answer)
{
    struct inquiry_line line;
    size_t place = 0;
    assert_true(inquiry_next_line(&answer->inquiry, &place, &line));
    assert_string_equal(line.kind, "linear");
    assert_string_equal(line.text, "254:1 0");
    assert_true(inquiry_next_line(&answer->inquiry, &place, &line));
    assert_string_equal(line.kind, "snapshot-origin");
    assert_string_equal(line.text, "254:1");
    assert_int_equal(line.start_sectors, 8);
    assert_false(inquiry_next_line(&answer->inquiry, &place, &line));
}

static void test_lines(void **state)
{
    (void)state;
    struct answer answer;
    make_answer(&answer, 0);
    assert_lines(&answer);
}

/* The memory of an answer is as malloc() gives it, or holds the one before. */
static void test_lines_in_memory_that_was_used(void **state)
{
    (void)state;
    struct answer answer;
    make_answer(&answer, 'x');
    assert_lines(&answer);
}

static void test_no_lines(void **state)
{
    (void)state;
    struct answer answer;
    struct inquiry_line line;
    size_t place = 0;
    make_answer(&answer, 'x');
    answer.inquiry.answer->target_count = 0;
    assert_false(inquiry_next_line(&answer.inquiry, &place, &line));
}

/* A list of one device, as long as the kernel says: none where there is none. */
static void make_list(struct answer *answer, bool is_empty)
{
    struct dm_name_list *name = (void *)(answer->bytes + sizeof(struct dm_ioctl));
    make_answer(answer, 'x');
    *name = (struct dm_name_list){.dev = 65024};
    answer->inquiry.answer->data_size = sizeof(struct dm_ioctl) + (is_empty ? 0 : LINE_BYTES);
}

static void test_names(void **state)
{
    (void)state;
    struct answer answer;
    make_list(&answer, false);
    const struct dm_name_list *name = inquiry_first_name(&answer.inquiry);
    assert_non_null(name);
    assert_int_equal(name->dev, 65024);
    assert_null(inquiry_next_name(name));
}

static void test_no_names_after_some(void **state)
{
    (void)state;
    struct answer answer;
    make_list(&answer, true);
    assert_null(inquiry_first_name(&answer.inquiry));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lines_in_memory_that_was_used),
        cmocka_unit_test(test_no_lines),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_names_after_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
