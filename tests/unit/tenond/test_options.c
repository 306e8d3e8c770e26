#include "tn_test.h"

#include "base/macros.h"
#include "tenond/options.h"

#include <getopt.h>
#include <string.h>

static int read_words(const char *const *words, struct tn_tenond_options *options)
{
    char *argv[16] = { (char *)(uintptr_t) "tenond" };
    int argc = 1;

    for (; *words; words++)
        argv[argc++] = (char *)(uintptr_t)*words;
    optind = 0; /* a new scan */
    return tn_tenond_options_read(argc, argv, options, NULL);
}

#define READ(...) read_words((const char *const[]) { __VA_ARGS__, NULL }, &options)

TEST(options__have_defaults_that_listen_on_loopback_only)
{
    struct tn_tenond_options options;

    assert_int_equal(READ("--data", "d"), TN_OK);
    assert_string_equal(options.verb, "serve");
    assert_string_equal(options.listen, "127.0.0.1:8600");
    assert_int_equal(options.poll_ns, INT64_C(300000000000));
    assert_int_equal(options.connections, 10000);
    assert_int_equal(options.download_bytes_per_s, 0);
    assert_int_equal(options.keep_audit_ns, 0);
}

TEST(options__are_read_with_their_units)
{
    struct tn_tenond_options options;

    assert_int_equal(READ("--data=d", "--poll", "90s", "--download-rate", "2MiB", "--verbose"),
                     TN_OK);
    assert_int_equal(options.poll_ns, INT64_C(90000000000));
    assert_int_equal(options.download_bytes_per_s, 2 << 20);
    assert_true(options.verbose != 0);
    assert_int_equal(READ("--data", "d", "--keep-audit", "400d"), TN_OK);
    assert_true(options.keep_audit_ns == 400 * INT64_C(86400000000000));
    assert_int_equal(READ("--data", "d", "--keep-audit", "0"), TN_OK);
    assert_int_equal(READ("backup", "--data", "d", "--to", "e"), TN_OK);
    assert_string_equal(options.verb, "backup");
}

TEST(options__that_make_no_sense_are_refused)
{
    struct tn_tenond_options options;

    assert_int_equal(READ("--verbose"), TN_E_USAGE);
    assert_int_equal(READ("--data"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--bogus"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "run"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "serve", "more"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--tls-cert", "c"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--poll", "0s"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--poll", "soon"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--connections", "0"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--connections", "-4"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--keep-audit", "23h"), TN_E_USAGE);
    assert_int_equal(READ("backup", "--data", "d"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--trusted-proxy", "proxy.example"), TN_E_USAGE);
    assert_int_equal(READ("--data", "d", "--trusted-proxy", "0::1"), TN_E_USAGE);
}

TEST(options__listen_on_a_port_that_there_is)
{
    static const char *const wrong[] = { "8600",         ":8600",
                                         "127.0.0.1:",   "127.0.0.1:65536",
                                         "127.0.0.1:-1", "127.0.0.1:http",
                                         "::1:8600",     "[]:1" };
    static const char *const right[] = { "127.0.0.1:0", "[::1]:65535", "tenon.example:8600" };
    struct tn_tenond_options options;

    for (size_t i = 0; i < TN_COUNT(wrong); i++)
        assert_int_equal(READ("--data", "d", "--listen", wrong[i]), TN_E_USAGE);
    for (size_t i = 0; i < TN_COUNT(right); i++)
        assert_int_equal(READ("--data", "d", "--listen", right[i]), TN_OK);
    assert_int_equal(READ("--data", "d", "--trusted-proxy", "::1"), TN_OK);
    assert_int_equal(READ("--data", "d", "--trusted-proxy", "192.0.2.7"), TN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__have_defaults_that_listen_on_loopback_only),
        cmocka_unit_test(options__are_read_with_their_units),
        cmocka_unit_test(options__that_make_no_sense_are_refused),
        cmocka_unit_test(options__listen_on_a_port_that_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
