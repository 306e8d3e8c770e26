#include "tn_test.h"

#include "compat/logscan.h"

#include <stdio.h>
#include <string.h>

static struct tn_logscan scanned(const char *text)
{
    static struct tn_logscan scan;
    size_t size = strlen(text);

    tn_logscan_init(&scan);
    for (size_t i = 0; i < size; i += 3) /* in small pieces, as a pipe may give them */
        tn_logscan_feed(&scan, text + i, strnlen(text + i, 3));
    tn_logscan_end(&scan);
    return scan;
}

static void tells(const char *text, int64_t number, const char *name)
{
    struct tn_logscan scan = scanned(text);

    assert_int_equal(scan.line_number, number);
    if (!scan.row)
        fail_msg("no row for '%s'", scan.line);
    assert_string_equal(scan.row->name, name);
}

TEST(logscan__known_error_comes_before_generic_and_unknown_ones)
{
    tells("[E] something odd\n[E] [TRT] Engine deserialization failed\nERROR: [TRT]: OutOfMemory\n",
          3, "no-memory");
}

TEST(logscan__prefixes_of_many_programs_are_errors)
{
    static const char *const heads[] = {
        "[TRT] ERROR: ",
        "[TensorRT] ERROR: ",
        "ERROR: [TRT]: ",
        "[11/23/2026-00:17:52] [E] Error[4]: ",
        "[11/23/2026-00:17:52] [E] [TRT] 4: [runtime.cpp::parsePlan::314] ",
        "[F] [TRT] ",
        "E1123 10:00:00.123456 17 logging.cc:43] ",
        "    0.012 E ",
        "    0.012 P ",
        "2026-11-23 10:00:00.1 [E:onnxruntime:Default, tensorrt_execution_provider.h:86 log] ",
        "IRuntime::deserializeCudaEngine: Error Code 1: ",
        "INTERNAL_ERROR: ",
    };
    char line[256];

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct tn_logscan scan;

        (void)snprintf(line, sizeof(line), "a line before\n%sa thing that nobody knows", heads[i]);
        scan = scanned(line);
        if (scan.rank != TN_LOGSCAN_UNKNOWN_ERROR || scan.line_number != 2)
            fail_msg("'%s' is no error", line);
    }
}

TEST(logscan__what_a_log_calls_information_is_no_error)
{
    assert_int_equal(scanned("[I] [TRT] Engine out of memory: no\n[V] [TRT] bad_alloc\n").rank,
                     TN_LOGSCAN_NOTHING);
    assert_int_equal(scanned("[I] [TRT] Engine generation completed\n").rank, TN_LOGSCAN_NOTHING);
    assert_int_equal(scanned("").rank, TN_LOGSCAN_NOTHING);
}

TEST(logscan__colour_codes_and_all_line_ends_are_understood)
{
    tells("\x1b[32mfine\x1b[0m\r\n\x1b]0;title\a\x1b[1;31mOut\x1b[0mOfMemory\r\n", 2, "no-memory");
    tells("10%\r20%\rERROR: OutOfMemory\r\n", 1, "no-memory");
    tells("\x1b[31\nOutOfMemory", 2, "no-memory");
    assert_string_equal(scanned("\x1b[31mERROR: OutOfMemory\x1b[0m\n").line, "ERROR: OutOfMemory");
}

TEST(logscan__a_line_without_end_is_cut_and_a_warning_ranks_below_errors)
{
    static char big[3 * TN_LOGSCAN_LINE_MAX];
    struct tn_logscan scan;

    memset(big, 'x', sizeof(big) - 1);
    memcpy(big, "[E] ", 4);
    scan = scanned(big);
    assert_int_equal(scan.rank, TN_LOGSCAN_UNKNOWN_ERROR);
    assert_int_equal(strlen(scan.line), TN_LOGSCAN_LINE_MAX - 1);
    assert_int_equal(
        scanned("[W] Using an engine plan file across different models of devices\n").rank,
        TN_LOGSCAN_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logscan__known_error_comes_before_generic_and_unknown_ones),
        cmocka_unit_test(logscan__prefixes_of_many_programs_are_errors),
        cmocka_unit_test(logscan__what_a_log_calls_information_is_no_error),
        cmocka_unit_test(logscan__colour_codes_and_all_line_ends_are_understood),
        cmocka_unit_test(logscan__a_line_without_end_is_cut_and_a_warning_ranks_below_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
