/* Attributes packed into one piece of memory. */
#include "tn_test.h"

#include "base/json.h"
#include "fleet/pairs.h"

#include <stdlib.h>
#include <string.h>

static void assert_text(const struct tn_pairs *pairs, const char *text)
{
    json_t *json = tn_pairs_to_json(pairs);
    char *found = tn_json_text(json);

    assert_string_equal(found, text);
    free(found);
    json_decref(json);
}

TEST(pairs__stay_sorted_and_counted_whatever_the_order_in_which_they_come)
{
    struct tn_pairs pairs = { .text = NULL };

    assert_null(tn_pairs_get(&pairs, "a"));
    assert_int_equal(tn_pairs_set(&pairs, "b", "2", 10, NULL), TN_OK);
    assert_int_equal(tn_pairs_set(&pairs, "a", "1", 10, NULL), TN_OK);
    assert_int_equal(tn_pairs_set(&pairs, "ab", "", 10, NULL), TN_OK);
    assert_int_equal(tn_pairs_set(&pairs, "b", "longer than before", 10, NULL), TN_OK);
    assert_int_equal(pairs.count, 3);
    assert_text(&pairs, "{\"a\":\"1\",\"ab\":\"\",\"b\":\"longer than before\"}");
    assert_string_equal(tn_pairs_get(&pairs, "ab"), "");
    assert_int_equal(tn_pairs_set(&pairs, "ab", NULL, 10, NULL), TN_OK);
    assert_int_equal(tn_pairs_set(&pairs, "never", NULL, 10, NULL), TN_OK);
    assert_int_equal(pairs.count, 2);
    assert_null(tn_pairs_get(&pairs, "ab"));
    tn_pairs_done(&pairs);
}

TEST(pairs__refuse_one_too_many_but_let_one_that_is_there_change)
{
    struct tn_pairs pairs = { .text = NULL };

    assert_int_equal(tn_pairs_set(&pairs, "a", "1", 1, NULL), TN_OK);
    assert_int_equal(tn_pairs_set(&pairs, "b", "2", 1, NULL), TN_E_TOOBIG);
    assert_int_equal(tn_pairs_set(&pairs, "a", "3", 1, NULL), TN_OK);
    assert_text(&pairs, "{\"a\":\"3\"}");
    tn_pairs_done(&pairs);
}

TEST(pairs__of_foreign_text_are_whole_utf8_without_control_bytes)
{
    static const char *const bad[] = { "a\nb", "\x7f", "\xff\xfe", "caf\xc3" };
    struct tn_pairs pairs = { .text = NULL };

    for (size_t i = 0; i < TN_COUNT(bad); i++)
        assert_int_equal(tn_pairs_set(&pairs, "a", bad[i], 10, NULL), TN_E_INVALID);
    assert_int_equal(tn_pairs_set(&pairs, "caf\xc3\xa9", "\xf0\x9f\xa6\x8a", 10, NULL), TN_OK);
    assert_int_equal(pairs.count, 1);
    tn_pairs_done(&pairs);
}

TEST(pairs__read_back_what_was_printed_and_nothing_else)
{
    static const char text[] = "{\"a\":\"1\",\"b\":\"\",\"c\\\"\":\"\303\251\"}";
    static const char *const bad[] = { "{\"b\":\"1\",\"a\":\"1\"}", "{\"a\":1}", "[]x", "" };
    struct tn_pairs pairs = { .text = NULL };
    struct tn_pairs copy = { .text = NULL };

    assert_int_equal(tn_pairs_read(text, &pairs, NULL), TN_OK);
    assert_text(&pairs, text);
    assert_int_equal(tn_pairs_copy(&pairs, &copy, NULL), TN_OK);
    assert_true(tn_pairs_equal(&pairs, &copy));
    assert_int_equal(tn_pairs_set(&copy, "b", "x", 10, NULL), TN_OK);
    assert_false(tn_pairs_equal(&pairs, &copy));
    for (size_t i = 0; i < TN_COUNT(bad); i++)
        assert_true(tn_pairs_read(bad[i], &copy, NULL) < 0);
    tn_pairs_done(&pairs);
    tn_pairs_done(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs__stay_sorted_and_counted_whatever_the_order_in_which_they_come),
        cmocka_unit_test(pairs__refuse_one_too_many_but_let_one_that_is_there_change),
        cmocka_unit_test(pairs__of_foreign_text_are_whole_utf8_without_control_bytes),
        cmocka_unit_test(pairs__read_back_what_was_printed_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
