#include "tn_test.h"

#include "base/macros.h"
#include "compat/applog.h"

#include <pthread.h>
#include <string.h>

static const char *const version =
    "1: [stdArchiveReader.cpp::StdArchiveReader::40] Error Code 1: Serialization (Serialization "
    "assertion stdVersionRead == serializationVersion failed.)";
static const char *const memory = "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime "
                                  "(out of memory)";
static const char *const generic = "[checkMacros.cpp::catchCudaError::278] Error Code 1";

struct row {
    int severity;
    const char *text;
};

static struct tn_log log_of(const struct row *rows, size_t count)
{
    struct tn_log log;

    tn_applog_init(&log);
    for (size_t i = 0; i < count; i++)
        tn_log_line(&log, rows[i].severity, rows[i].text);
    return log;
}

TEST(applog__known_error_tells_before_what_comes_around_it)
{
    const struct row rows[] = { { TN_LINE_ERROR, generic },
                                { TN_LINE_ERROR, "an error that nobody knows" },
                                { TN_LINE_INTERNAL_ERROR, version },
                                { TN_LINE_ERROR, "Deserialize the cuda engine failed." } };
    struct tn_log log = log_of(rows, TN_COUNT(rows));

    assert_int_equal(log.rank, TN_APPLOG_KNOWN);
    assert_string_equal(log.row->name, "trt-version");
    assert_string_equal(log.line, version);
    tn_applog_done(&log);
}

TEST(applog__memory_tells_before_all_also_as_a_warning)
{
    const struct row rows[] = { { TN_LINE_ERROR, version }, { TN_LINE_WARNING, memory } };
    struct tn_log log = log_of(rows, TN_COUNT(rows));

    assert_int_equal(log.rank, TN_APPLOG_MEMORY);
    assert_string_equal(log.row->name, "no-memory");
    tn_applog_done(&log);
}

TEST(applog__warnings_and_chatter_tell_nothing)
{
    const struct row rows[] = { { TN_LINE_WARNING, version }, { TN_LINE_INFO, version },
                                { TN_LINE_VERBOSE, memory },  { TN_LINE_ERROR, "" },
                                { TN_LINE_ERROR, " \n\t" },   { TN_LINE_ERROR, NULL } };
    struct tn_log log = log_of(rows, TN_COUNT(rows));

    assert_int_equal(log.rank, TN_APPLOG_NOTHING);
    assert_string_equal(log.line, "");
    tn_log_line(NULL, TN_LINE_ERROR, version);
    tn_applog_done(&log);
}

TEST(applog__first_of_equals_tells_as_one_safe_line)
{
    const struct row rows[] = { { TN_LINE_ERROR, "first\n   of \x07 two" },
                                { TN_LINE_ERROR, "second" } };
    struct tn_log log = log_of(rows, TN_COUNT(rows));

    assert_int_equal(log.rank, TN_APPLOG_UNKNOWN);
    assert_null(log.row);
    assert_string_equal(log.line, "first of \\x07 two");
    tn_applog_done(&log);
}

TEST(applog__long_line_is_cut)
{
    char text[TN_APPLOG_LINE_MAX + 500];
    struct tn_log log;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tn_applog_init(&log);
    tn_log_line(&log, TN_LINE_ERROR, text);
    assert_int_equal(strlen(log.line), sizeof(log.line) - 1);
    tn_applog_done(&log);
}

enum { THREADS = 8, LINES = 500 };

static void *feed(void *user)
{
    for (int i = 0; i < LINES; i++) {
        tn_log_line(user, TN_LINE_ERROR, "an error that nobody knows");
        tn_log_line(user, TN_LINE_ERROR, i == LINES / 2 ? version : generic);
    }
    return NULL;
}

TEST(applog__takes_lines_from_many_threads)
{
    struct tn_log log;
    pthread_t thread[THREADS];

    tn_applog_init(&log);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, feed, &log), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_string_equal(log.row->name, "trt-version");
    assert_string_equal(log.line, version);
    tn_applog_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applog__known_error_tells_before_what_comes_around_it),
        cmocka_unit_test(applog__memory_tells_before_all_also_as_a_warning),
        cmocka_unit_test(applog__warnings_and_chatter_tell_nothing),
        cmocka_unit_test(applog__first_of_equals_tells_as_one_safe_line),
        cmocka_unit_test(applog__long_line_is_cut),
        cmocka_unit_test(applog__takes_lines_from_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
