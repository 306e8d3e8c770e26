#include "tn_test.h"

#include "base/json.h"
#include "device/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *lookup(const char *name, void *user)
{
    static const char *const facts[][2] = {
        { "gpu.compute_capability", "8.7" },
        { "runtime.trt", "8.5.2.2" },
        { "driver", "580.159.04" },
        { "gpu.product", "orin-nano" },
        { "gpu.name", "NVIDIA Tegra Orin (nvgpu)" },
        { "gpu.memory_bytes", "150109880320" },
        { "gpu.sm_count", "8" },
        { "jetson.jetpack", "5.1.1" },
        { "os", "Ubuntu 20.04" },
        { "load", "0.75" },
    };

    (void)user;
    for (size_t i = 0; i < TN_COUNT(facts); i++)
        if (strcmp(facts[i][0], name) == 0)
            return facts[i][1];
    return NULL;
}

static bool matches(const char *text)
{
    struct tn_filter *filter = NULL;
    struct tn_error err = { 0 };
    bool answer;

    if (tn_filter_parse(text, &filter, &err) != TN_OK)
        fail_msg("%s: %s", text, err.text);
    answer = tn_filter_matches(filter, lookup, NULL);
    tn_filter_free(filter);
    return answer;
}

struct row {
    const char *text;
    bool answer;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matches(rows[i].text) != rows[i].answer)
            fail_msg("'%s' must be %s", rows[i].text, rows[i].answer ? "true" : "false");
}

TEST(versions_compare_by_the_parts_of_the_shorter)
{
    static const struct row rows[] = {
        { "trt>=8.4", true },
        { "trt >= 8.5.2.2", true },
        { "trt > 8.5", false },
        { "trt = 8.5", true },
        { "trt == 8.5.2", true },
        { "trt != 8.5", false },
        { "trt < 8.10", true },
        { "trt <= 8.5.2.1", false },
        { "trt < 10", true },
        { "cc = 8.7", true },
        { "cc=8", true },
        { "cc >= 8.10", false },
        { "driver>=580.95.05", true },
        { "jetpack = 5.1", true },
        { "jetpack >= 5.1.2", false },
    };

    check(rows, TN_COUNT(rows));
}

TEST(numbers_compare_as_numbers_and_text_without_case)
{
    static const struct row rows[] = {
        { "gpu.memory_bytes >= 150109880320", true },
        { "gpu.memory_bytes > 150109880320", false },
        { "gpu.memory_bytes < 9e12", true },
        { "gpu.sm_count < 16", true },
        { "gpu.sm_count > 16", false },
        { "load > 0.5", true },
        { "load > 7.5e-1", false },
        { "gpu = ORIN-NANO", true },
        { "gpu != t4", true },
        { "gpu.name = 'nvidia tegra orin (nvgpu)'", true },
        { "os = \"Ubuntu 20.04\"", true },
        { "os = \"Ubuntu 22.04\"", false },
    };

    check(rows, TN_COUNT(rows));
}

TEST(a_comparison_with_a_missing_attribute_is_false)
{
    static const struct row rows[] = {
        { "rtx >= 1", false },
        { "rtx < 99", false },
        { "rtx != 1", false },
        { "rtx in (1, 2)", false },
        { "not rtx >= 1", true },
        { "not (rtx >= 1)", true },
        { "rtx >= 1 or cc = 8.7", true },
    };

    check(rows, TN_COUNT(rows));
}

TEST(and_binds_closer_than_or_and_not_closest)
{
    static const struct row rows[] = {
        { "cc=8.7 or cc=1 and cc=2", true }, { "(cc=8.7 or cc=1) and cc=2", false },
        { "cc=1 and cc=2 or cc=8.7", true }, { "not cc=1 and cc=8.7", true },
        { "not (cc=1 and cc=8.7)", true },   { "not not cc=8.7", true },
        { "NOT cc=8.7 OR CC=8.7", true },    { "not cc=8.7 and not cc=8.7", false },
        { "cc in (7.5, 8.7)", true },        { "cc in (7.5)", false },
        { "not cc in (7.5,8.6)", true },     { "gpu in ('orin-nano', t4) and trt>=8.4", true },
        { "((((cc=8.7))))", true },
    };

    check(rows, TN_COUNT(rows));
}

static int parse_code(const char *text, struct tn_error *err)
{
    struct tn_filter *filter = NULL;
    int rc = tn_filter_parse(text, &filter, err);

    tn_filter_free(filter);
    return rc;
}

TEST(mistakes_are_told_with_their_column)
{
    static const struct {
        const char *text, *told;
    } rows[] = {
        { "", "column 1: expected the name of an attribute, found the end" },
        { "trt", "column 4: expected = != < <= > >= or in, found the end" },
        { "trt >=", "column 7: expected a value" },
        { "trt >= 8.4 cc = 1", "column 12: expected and, or, or the end, found 'cc'" },
        { "(trt >= 8.4", "column 12: expected and, or, or ')', found the end" },
        { "trt >= 8.4)", "column 11: expected and, or, or the end, found ')'" },
        { "trt in 8.4", "column 8: expected '(' after in, found '8.4'" },
        { "trt in ()", "column 9: expected a value" },
        { "trt in (8.4", "column 12: expected ',' or ')', found the end" },
        { "and", "column 1: expected the name of an attribute, found 'and'" },
        { "not", "column 4: expected the name of an attribute" },
        { "os = 'x", "column 8: expected the closing quote" },
        { "cc = 8.7 &&", "column 10: expected and, or, or the end" },
        { "cc ! 8", "column 4: expected = !=" },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_error err = { 0 };

        if (parse_code(rows[i].text, &err) != TN_E_INVALID || !strstr(err.text, rows[i].told))
            fail_msg("'%s' gives '%s'", rows[i].text, err.text);
    }
}

TEST(limits_hold)
{
    char text[8192];
    struct tn_error err = { 0 };
    size_t used = 0;

    memset(text, '(', sizeof(text));
    text[100] = '\0';
    assert_int_equal(parse_code(text, &err), TN_E_TOOBIG);
    memset(text, ' ', sizeof(text));
    text[5000] = '\0';
    assert_int_equal(parse_code(text, &err), TN_E_TOOBIG);
    while (used < 4000)
        used += (size_t)sprintf(text + used, "%sa=1", used ? " or " : "");
    assert_int_equal(parse_code(text, &err), TN_E_TOOBIG);
    memset(text, 'a', 200);
    strcpy(text + 200, "=1");
    assert_int_equal(parse_code(text, &err), TN_E_TOOBIG);
    strcpy(text, "not not not not not not not not not not not not not not not not not not not not "
                 "not not not not not not not not not not not not not not not not a=1");
    assert_int_equal(parse_code(text, &err), TN_E_TOOBIG);
}

static const char *explained(const char *text)
{
    static char answer[1024];
    tn_auto(tn_buf_done) struct tn_buf buf = TN_BUF(sizeof(answer));
    struct tn_filter *filter = NULL;

    assert_int_equal(tn_filter_parse(text, &filter, NULL), TN_OK);
    tn_filter_explain(filter, lookup, NULL, &buf);
    tn_filter_free(filter);
    (void)snprintf(answer, sizeof(answer), "%s", tn_buf_text(&buf));
    return answer;
}

TEST(an_explanation_names_what_failed_and_what_was_found)
{
    assert_string_equal(explained("trt>=8.6 and cc=8.7"), "runtime.trt = 8.5.2.2, wanted >= 8.6");
    assert_string_equal(explained("trt>=8.6 and cc=8.6"),
                        "runtime.trt = 8.5.2.2, wanted >= 8.6\n"
                        "gpu.compute_capability = 8.7, wanted = 8.6");
    assert_string_equal(explained("rtx>=1.7"), "runtime.rtx is not known, wanted >= 1.7");
    assert_string_equal(explained("not cc=8.7"), "gpu.compute_capability = 8.7, not wanted = 8.7");
    assert_string_equal(explained("gpu in (t4, a10)"),
                        "gpu.product = orin-nano, wanted in (t4, a10)");
    assert_string_equal(explained("cc=8.7 or rtx=1"), "");
}

TEST(attributes_of_a_device_are_flat_and_have_no_paths)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_flat_attributes flat;
    struct tn_device device;
    const char *key;
    json_t *value;

    assert_int_equal(tn_device_named("h200+trt10.6.0.26+rtx1.7.1.116", &device, NULL), TN_OK);
    device.gpu[1] = device.gpu[0];
    device.gpu_count = 2;
    device.cuda = 13000;
    json = tn_device_attributes(&device);
    json_object_foreach(json, key, value)
        assert_true(json_is_string(value) || json_is_integer(value));
    flat.json = json;
    assert_string_equal(tn_flat_attribute("gpu.sm_count", &flat), "132");
    assert_string_equal(tn_flat_attribute("gpu1.product", &flat), "h200");
    assert_string_equal(tn_flat_attribute("gpu.integrated", &flat), "false");
    assert_string_equal(tn_flat_attribute("runtime.trt", &flat), "10.6.0.26");
    assert_string_equal(tn_flat_attribute("runtime.rtx", &flat), "1.7.1.116");
    assert_string_equal(tn_flat_attribute("cuda", &flat), "13.0");
    assert_null(tn_flat_attribute("driver", &flat));
    assert_null(tn_flat_attribute("gpu.uuid", &flat));
}

static void collect(const char *name, void *user)
{
    tn_buf_addf(user, "%s ", name);
}

TEST(names_of_a_filter_are_its_attributes_in_full_and_no_value)
{
    tn_auto(tn_buf_done) struct tn_buf names = TN_BUF(256);
    struct tn_filter *filter;

    assert_int_equal(
        tn_filter_parse("cc = 8.7 and not (site in (a, b, c) or trt < 10)", &filter, NULL), TN_OK);
    tn_filter_names(filter, collect, &names);
    assert_string_equal(tn_buf_text(&names), "gpu.compute_capability site runtime.trt ");
    tn_filter_free(filter);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_compare_by_the_parts_of_the_shorter),
        cmocka_unit_test(numbers_compare_as_numbers_and_text_without_case),
        cmocka_unit_test(a_comparison_with_a_missing_attribute_is_false),
        cmocka_unit_test(and_binds_closer_than_or_and_not_closest),
        cmocka_unit_test(mistakes_are_told_with_their_column),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(an_explanation_names_what_failed_and_what_was_found),
        cmocka_unit_test(names_of_a_filter_are_its_attributes_in_full_and_no_value),
        cmocka_unit_test(attributes_of_a_device_are_flat_and_have_no_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
