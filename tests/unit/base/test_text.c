#include "tn_test.h"

#include "base/macros.h"
#include "base/text.h"

#include <string.h>

/* Text, and what a terminal may see of it. */
static const struct {
    const char *text, *safe;
} rows[] = {
    { "", "" },
    { "plain ~", "plain ~" },
    { "tab\there", "tab\\x09here" },
    { "\x7f", "\\x7f" },
    { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
    { "\xe2\x82\xac", "\xe2\x82\xac" },
    { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
    { "C1 \xc2\x9b is a control", "C1 \\xc2\\x9b is a control" },
    { "\xc2\xa0", "\xc2\xa0" },
    { "cut \xe2\x82", "cut \\xe2\\x82" },
    { "overlong \xc0\xaf", "overlong \\xc0\\xaf" },
    { "surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80" },
    { "\xff\nend", "\\xff\\x0aend" },
};

TEST(add_safe__shows_controls_and_broken_characters_as_hex_and_nothing_else)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_auto(tn_buf_done) struct tn_buf out = TN_BUF(256);

        tn_text_add_safe(&out, rows[i].text, strlen(rows[i].text));
        assert_string_equal(tn_buf_text(&out), rows[i].safe);
    }
}

TEST(is_safe__is_true_of_exactly_the_text_that_stays_as_it_is)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        assert_int_equal(tn_text_is_clean(rows[i].text, strlen(rows[i].text)),
                         strcmp(rows[i].text, rows[i].safe) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_safe__shows_controls_and_broken_characters_as_hex_and_nothing_else),
        cmocka_unit_test(is_safe__is_true_of_exactly_the_text_that_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
