#include "recipe/options.h"

#include "tn_test.h"

#include <stdio.h>

static struct tn_error err;

TEST(options__default_is_what_a_bare_builder_does)
{
    struct tn_build_options options = tn_options_default();

    assert_true(options.tf32);
    assert_int_equal(options.workspace_bytes, 0);
    assert_int_equal(options.hw_compat, TN_HW_COMPAT_NONE);
    assert_int_equal(options.dla_core, -1);
    assert_int_equal(options.optimization_level, -1);
    assert_int_equal(options.flag_count + options.cc_count + options.plugin_count, 0);
}

TEST(options__flags_are_sorted_and_single_however_they_are_written)
{
    struct tn_build_options options = tn_options_default();

    assert_int_equal(tn_options_add_flag(&options, "kSTRIP_PLAN", &err), TN_OK);
    assert_int_equal(tn_options_add_flag(&options, "refit", &err), TN_OK);
    assert_int_equal(tn_options_add_flag(&options, "REFIT", &err), TN_OK);
    assert_int_equal(tn_options_add_flag(&options, "strip-plan", &err), TN_OK);
    assert_int_equal(tn_options_add_flag(&options, "kDEBUG", &err), TN_OK);
    assert_int_equal(options.flag_count, 3);
    assert_string_equal(options.flag[0], "DEBUG");
    assert_string_equal(options.flag[1], "REFIT");
    assert_string_equal(options.flag[2], "STRIP_PLAN");
}

TEST(options__refuses_precision_flags_and_what_is_no_flag)
{
    static const char *const refused[] = { "FP16", "kINT8", "bf16", "FP8",     "int4",
                                           "fp4",  "TF32",  "",     "4BIT",    "A,B",
                                           "A B",  "A=B",   "k",    "REFIT\n", "-x" };
    struct tn_build_options options = tn_options_default();

    for (size_t i = 0; i < TN_COUNT(refused); i++)
        if (tn_options_add_flag(&options, refused[i], &err) != TN_E_INVALID &&
            refused[i][0] != 'k') /* a lone k is a letter like any other */
            fail_msg("'%s' was taken", refused[i]);
    assert_true(options.flag_count <= 1);
}

TEST(options__holds_no_more_flags_than_it_has_room_for)
{
    struct tn_build_options options = tn_options_default();
    char name[16];

    for (int i = 0; i < TN_FLAGS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "F%02d", TN_FLAGS_MAX - i);
        assert_int_equal(tn_options_add_flag(&options, name, &err), TN_OK);
    }
    assert_int_equal(tn_options_add_flag(&options, "ONE_MORE", &err), TN_E_TOOBIG);
    assert_int_equal(tn_options_add_flag(&options, "F01", &err), TN_OK);
    for (int i = 1; i < TN_FLAGS_MAX; i++)
        assert_true(options.flag[i - 1][1] <= options.flag[i][1]);
}

TEST(options__compute_capabilities_are_a_sorted_set)
{
    struct tn_build_options options = tn_options_default();

    assert_int_equal(tn_options_set_ccs(&options, "120,75,8.9,89,sm86,12.1", &err), TN_OK);
    assert_int_equal(options.cc_count, 5);
    assert_int_equal(options.cc[0], 75);
    assert_int_equal(options.cc[1], 86);
    assert_int_equal(options.cc[2], 89);
    assert_int_equal(options.cc[3], 120);
    assert_int_equal(options.cc[4], 121);
    assert_int_equal(tn_options_set_ccs(&options, "90", &err), TN_OK);
    assert_int_equal(options.cc_count, 1);
}

TEST(options__refuses_what_is_no_compute_capability_and_keeps_the_list)
{
    static const char *const refused[] = {
        "", "75,", ",75", "8.10", "x", "8", "1000", "8.9.1", "-75", "sm", "99999999999999999999"
    };
    struct tn_build_options options = tn_options_default();

    assert_int_equal(tn_options_set_ccs(&options, "75", &err), TN_OK);
    for (size_t i = 0; i < TN_COUNT(refused); i++)
        assert_int_equal(tn_options_set_ccs(&options, refused[i], &err), TN_E_INVALID);
    assert_int_equal(tn_options_set_ccs(&options, "70,71,72,73,74,75,76,77,78", &err), TN_E_TOOBIG);
    assert_int_equal(options.cc_count, 1);
    assert_int_equal(options.cc[0], 75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__default_is_what_a_bare_builder_does),
        cmocka_unit_test(options__flags_are_sorted_and_single_however_they_are_written),
        cmocka_unit_test(options__refuses_precision_flags_and_what_is_no_flag),
        cmocka_unit_test(options__holds_no_more_flags_than_it_has_room_for),
        cmocka_unit_test(options__compute_capabilities_are_a_sorted_set),
        cmocka_unit_test(options__refuses_what_is_no_compute_capability_and_keeps_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
