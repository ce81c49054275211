#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cowherd/words.h"
#include <errno.h>
#include <stdlib.h>

/* The words, each between < and >. */
static void expect(const char *text, const char *expected)
{
    char **words, joined[1024] = "";
    const char *error = NULL;
    size_t n_words;

    assert_int_equal(words_split(text, &words, &n_words, &error), 0);
    for (size_t i = 0; i < n_words; i++)
        sprintf(joined + strlen(joined), "<%s>", words[i]);
    assert_string_equal(joined, expected);
    assert_null(words[n_words]);
    free(words);
}

static void refuse(const char *text, const char *expected)
{
    char **words = (char **)1;
    const char *error = NULL;
    size_t n_words = 7;

    assert_int_equal(words_split(text, &words, &n_words, &error), -EINVAL);
    assert_string_equal(error, expected);
    assert_ptr_equal(words, (char **)1);
    assert_int_equal(n_words, 7);
}

static void test_blanks_separate(void **state)
{
    (void)state;
    expect("", "");
    expect(" \t ", "");
    expect("/bin/page", "</bin/page>");
    expect("  a\tb  \t c ", "<a><b><c>");
    expect("a b c d e f g", "<a><b><c><d><e><f><g>");
}

static void test_quotes_keep_together(void **state)
{
    (void)state;
    expect("'a b' \"c d\"", "<a b><c d>");
    expect("a'b c'd\"e f\"g", "<ab cde fg>");
    expect("'' \"\" a''", "<><><a>");
    expect("'\"' \"'\"", "<\"><'>");
    expect("'a\\' 'b'", "<a\\><b>");
    expect("\"a\\\"b\" \"a\\\\\" \"a\\n\"", "<a\"b><a\\><a\\n>");
    expect("a\\ b \\' \\\" \\\\ \\n", "<a b><'><\"><\\><n>");
}

static void test_nothing_is_expanded(void **state)
{
    (void)state;
    expect("$HOME `id` $(id) * ~ %n ; | & > \"$HOME\" \"`id`\"",
           "<$HOME><`id`><$(id)><*><~><%n><;><|><&><>><$HOME><`id`>");
    expect("\xff\x01 \xc3\xa4\nb", "<\xff\x01><\xc3\xa4\nb>");
}

static void test_open_quotes_are_errors(void **state)
{
    static const char open[] = "a quote is not closed (a comment begins at a blank and \";\")";

    (void)state;
    refuse("'", open);
    refuse("a 'b", open);
    refuse("a \"b'", open);
    refuse("\"a\\\"", open);
    refuse("\"a\\", open);
    refuse("a \\", "nothing follows the backslash");
}

/* Every text of six bytes out of these: nothing is added to it, and it takes no more room than there is, which
 * the sanitizers watch. */
static void test_all_short_texts(void **state)
{
    static const char bytes[] = "a '\"\\";
    char text[7] = "";

    (void)state;
    for (int number = 0; number < 15625; number++) {
        char **words;
        const char *error;
        size_t n_words, length = 0;
        for (int i = 0, rest = number; i < 6; i++, rest /= 5)
            text[i] = bytes[rest % 5];
        if (words_split(text, &words, &n_words, &error) < 0)
            continue;
        for (size_t i = 0; i < n_words; i++)
            length += strlen(words[i]);
        assert_true(length <= 6);
        free(words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blanks_separate),     cmocka_unit_test(test_quotes_keep_together),
        cmocka_unit_test(test_nothing_is_expanded), cmocka_unit_test(test_open_quotes_are_errors),
        cmocka_unit_test(test_all_short_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
