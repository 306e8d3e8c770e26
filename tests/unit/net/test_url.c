#include "net/url.h"

#include "tn_test.h"

#include <string.h>

static struct tn_error err;

static struct tn_url parsed(const char *text)
{
    struct tn_url url;

    memset(&err, 0, sizeof(err));
    assert_int_equal(tn_url_parse(text, &url, &err), TN_OK);
    return url;
}

static void refused(const char *text, const char *why)
{
    struct tn_url url = { .text = "untouched" };

    memset(&err, 0, sizeof(err));
    assert_int_equal(tn_url_parse(text, &url, &err), TN_E_USAGE);
    assert_non_null(strstr(err.text, why));
    assert_string_equal(url.text, "untouched");
}

TEST(url__is_normalised_so_that_one_server_has_one_name)
{
    assert_string_equal(parsed("http://127.0.0.1:8600").text, "http://127.0.0.1:8600");
    assert_string_equal(parsed("HTTP://LocalHost:8600///").text, "http://localhost:8600");
    assert_string_equal(parsed("https://Fleet.Example/Prefix/").text,
                        "https://fleet.example/Prefix");
    assert_string_equal(parsed("http://[::1]:8600/").text, "http://[::1]:8600");
}

TEST(url__knows_tls_and_this_machine)
{
    assert_true(parsed("https://fleet.example").tls);
    assert_false(parsed("http://fleet.example").tls);
    assert_true(parsed("http://127.0.0.1").loopback);
    assert_true(parsed("http://127.1.2.3:80").loopback);
    assert_true(parsed("http://localhost").loopback);
    assert_true(parsed("http://LOCALHOST:1").loopback);
    assert_true(parsed("http://[::1]").loopback);
}

TEST(url__takes_no_name_that_only_looks_like_this_machine_for_it)
{
    assert_false(parsed("http://127.0.0.1.evil.example").loopback);
    assert_false(parsed("http://localhost.evil.example").loopback);
    assert_false(parsed("http://127.evil").loopback);
    assert_false(parsed("http://127.0.1").loopback);
    assert_false(parsed("http://127.0.0.999").loopback);
    assert_false(parsed("http://127..0.1").loopback);
    assert_false(parsed("http://127.0.0.1.").loopback);
    assert_false(parsed("http://128.0.0.1").loopback);
    assert_false(parsed("http://[::ffff:8.8.8.8]").loopback);
    assert_false(parsed("http://0.0.0.0").loopback);
}

TEST(url__refuses_what_is_no_address_of_a_server)
{
    char longest[TN_URL_MAX + 8] = "http://";

    refused("", "starts with http");
    refused("fleet.example:8600", "starts with http");
    refused("ftp://fleet.example", "starts with http");
    refused("http://", "no host");
    refused("http:///path", "no host");
    refused("http://:8600", "no host");
    refused("http://a b", "character");
    refused("http://a:0", "port");
    refused("http://a:65536", "port");
    refused("http://a:80x", "port");
    refused("http://a:", "port");
    refused("http://[::1", "without ']'");
    refused("http://[host]", "IPv6");
    refused("http://[::1]x", "character");
    refused("http://a/b c", "path");
    refused("http://a/\r\nX: y", "path");
    memset(longest + 7, 'a', sizeof(longest) - 8);
    refused(longest, "at most");
}

TEST(url__never_repeats_a_secret_that_stands_in_an_address)
{
    refused("http://user:hunter2@fleet.example", "no user");
    assert_null(strstr(err.text, "hunter2"));
    refused("http://fleet.example?token=hunter2", "query");
    assert_null(strstr(err.text, "hunter2"));
    refused("http://fleet.example#hunter2", "fragment");
    assert_null(strstr(err.text, "hunter2"));
}

TEST(segment__stays_one_segment_whatever_it_holds)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(1024);

    tn_buf_adds(&path, "/api");
    tn_url_add_segment(&path, "yolo-v5_s.1~x");
    tn_url_add_segment(&path, "a/b?c#d%e f");
    tn_url_add_segment(&path, "\xc3\xa4\n");
    tn_url_add_segment(&path, "..");
    tn_url_add_segment(&path, ".");
    tn_url_add_segment(&path, "...");
    tn_url_add_segment(&path, "");
    assert_string_equal(tn_buf_text(&path),
                        "/api/yolo-v5_s.1~x/a%2Fb%3Fc%23d%25e%20f/%C3%A4%0A/%2E%2E/%2E/.../");
}

TEST(query__begins_once_and_goes_on)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(1024);

    tn_buf_adds(&path, "/devices");
    tn_url_add_query(&path, "none", NULL);
    assert_string_equal(tn_buf_text(&path), "/devices");
    tn_url_add_query(&path, "where", "cc=8.7 & x");
    tn_url_add_query(&path, "limit", "5");
    assert_string_equal(tn_buf_text(&path), "/devices?where=cc%3D8.7%20%26%20x&limit=5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url__is_normalised_so_that_one_server_has_one_name),
        cmocka_unit_test(url__knows_tls_and_this_machine),
        cmocka_unit_test(url__takes_no_name_that_only_looks_like_this_machine_for_it),
        cmocka_unit_test(url__refuses_what_is_no_address_of_a_server),
        cmocka_unit_test(url__never_repeats_a_secret_that_stands_in_an_address),
        cmocka_unit_test(segment__stays_one_segment_whatever_it_holds),
        cmocka_unit_test(query__begins_once_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
