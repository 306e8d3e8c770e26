#include "tn_test.h"

#include "base/json.h"
#include "base/macros.h"

#include <string.h>

/* What is written without objects must be read as what was said. */
static const struct {
    const char *text, *read;
} rows[] = {
    { "", "" },
    { "plain ~", "plain ~" },
    { "a \"quoted\" back\\slash", "a \"quoted\" back\\slash" },
    { "tab\tand\nline\x01", "tab\tand\nline\x01" },
    { "\x7f", "\x7f" },
    { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
    { "cut \xe2\x82", "cut \\xe2\\x82" },
};

TEST(add_text__is_read_back_as_it_was_whatever_its_characters)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256);
        tn_auto(tn_json_done) json_t *json = NULL;

        tn_json_add_open(&text, "[");
        tn_json_add_text(&text, rows[i].text);
        tn_buf_adds(&text, "]");
        assert_int_equal(tn_json_parse(tn_buf_text(&text), text.size, "test", &json, NULL), TN_OK);
        assert_string_equal(json_string_value(json_array_get(json, 0)), rows[i].read);
    }
}

TEST(add__puts_commas_where_they_must_stand_and_nowhere_else)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256);

    tn_json_add_open(&text, "{");
    tn_json_add_key(&text, "list");
    tn_json_add_open(&text, "[");
    tn_json_add_text(&text, "ends like one {[:");
    tn_json_add_int(&text, INT64_MIN);
    tn_json_add_int(&text, 0);
    tn_json_add_open(&text, "[");
    tn_buf_adds(&text, "]");
    tn_json_add_text(&text, NULL);
    tn_buf_adds(&text, "]");
    tn_json_add_key(&text, "last");
    tn_json_add_int(&text, 7);
    tn_buf_adds(&text, "}");
    assert_string_equal(tn_buf_text(&text), "{\"list\":[\"ends like one {[:\",-9223372036854775808,"
                                            "0,[],null],\"last\":7}");
}

TEST(addf__at_the_limit_leaves_what_was_there)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(10);

    tn_buf_addf(&text, "%s", "12345");
    tn_buf_addf(&text, "%s", "67890");
    assert_string_equal(tn_buf_text(&text), "1234567890");
    assert_int_equal(tn_buf_check(&text, "text", NULL), TN_OK);
    tn_buf_addf(&text, "%d", 1);
    assert_string_equal(tn_buf_text(&text), "1234567890");
    tn_buf_adds(&text, "2");
    assert_string_equal(tn_buf_text(&text), "1234567890");
    assert_int_equal(tn_buf_check(&text, "text", NULL), TN_E_TOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_text__is_read_back_as_it_was_whatever_its_characters),
        cmocka_unit_test(add__puts_commas_where_they_must_stand_and_nowhere_else),
        cmocka_unit_test(addf__at_the_limit_leaves_what_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
