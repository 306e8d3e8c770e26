#include "net/servers.h"

#include "base/file.h"
#include "base/text.h"

#include "tn_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static struct tn_error err;
static char folder[64];

/* A home of its own; nothing of the machine's user is read. */
static int make_home(void **state)
{
    (void)state;
    (void)tn_text_copy(folder, sizeof(folder), "/tmp/tn-servers-XXXXXX");
    memset(&err, 0, sizeof(err));
    return mkdtemp(folder) && setenv("XDG_CONFIG_HOME", folder, 1) == 0 &&
                   unsetenv("TENON_SERVER") == 0 && unsetenv("TENON_TOKEN_FILE") == 0
               ? 0
               : 1;
}

static int remove_home(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

static const char *put(const char *name, const char *text, mode_t mode)
{
    static char path[128];
    char below[96];

    (void)snprintf(below, sizeof(below), "%s/tenon", folder);
    assert_int_equal(tn_dir_make(below, 0700, &err), TN_OK);
    assert_int_equal(tn_file_replace(below, name, text, strlen(text), mode, &err), TN_OK);
    (void)snprintf(path, sizeof(path), "%s/%s", below, name);
    return path;
}

static int choose(const char *url, const char *token_file, struct tn_server *ret_server)
{
    struct tn_server_choice choice = { .url = url, .token_file = token_file };

    memset(&err, 0, sizeof(err));
    memset(ret_server, 0, sizeof(*ret_server));
    return tn_server_choose(&choice, ret_server, &err);
}

static void keep(const char *url, const char *token)
{
    struct tn_server server = { 0 };

    assert_int_equal(tn_url_parse(url, &server.url, &err), TN_OK);
    (void)tn_text_copy(server.token, sizeof(server.token), token);
    assert_int_equal(tn_server_keep(&server, &err), TN_OK);
}

TEST(choose__says_what_to_do_when_no_server_is_known)
{
    struct tn_server server;

    assert_int_equal(choose(NULL, NULL, &server), TN_E_USAGE);
    assert_non_null(strstr(err.text, "tenon login"));
}

TEST(choose__takes_the_server_of_the_last_login)
{
    struct tn_server server;

    keep("http://127.0.0.1:1", "first-token");
    keep("http://127.0.0.1:2", "second-token");
    assert_int_equal(choose(NULL, NULL, &server), TN_OK);
    assert_string_equal(server.url.text, "http://127.0.0.1:2");
    assert_string_equal(server.token, "second-token");
    keep("http://127.0.0.1:1", "third-token");
    assert_int_equal(choose(NULL, NULL, &server), TN_OK);
    assert_string_equal(server.token, "third-token");
}

TEST(choose__finds_the_kept_token_of_an_address_however_it_is_written)
{
    struct tn_server server;

    keep("http://localhost:8600", SECRET);
    assert_int_equal(choose("HTTP://LOCALHOST:8600/", NULL, &server), TN_OK);
    assert_string_equal(server.token, SECRET);
    assert_int_equal(choose("http://localhost:8601", NULL, &server), TN_OK);
    assert_string_equal(server.token, "");
}

TEST(choose__goes_by_argument_then_environment_then_login)
{
    struct tn_server server;
    const char *file;

    keep("http://127.0.0.1:1", "kept");
    assert_int_equal(setenv("TENON_SERVER", "http://127.0.0.1:2", 1), 0);
    assert_int_equal(choose(NULL, NULL, &server), TN_OK);
    assert_string_equal(server.url.text, "http://127.0.0.1:2");
    file = put("token", " from-file\n", 0600);
    assert_int_equal(setenv("TENON_TOKEN_FILE", file, 1), 0);
    assert_int_equal(choose("http://127.0.0.1:1", NULL, &server), TN_OK);
    assert_string_equal(server.url.text, "http://127.0.0.1:1");
    assert_string_equal(server.token, "from-file");
    (void)unsetenv("TENON_SERVER");
    (void)unsetenv("TENON_TOKEN_FILE");
}

TEST(choose__reads_config_yaml_after_the_logins)
{
    struct tn_server server;

    (void)put("config.yaml",
              "servers:\n  - { url: https://fleet.example, ca: /ca.pem }\n"
              "  - { url: http://10.0.0.1, insecure-http: true }\n",
              0644);
    assert_int_equal(choose(NULL, NULL, &server), TN_OK);
    assert_string_equal(server.url.text, "https://fleet.example");
    assert_string_equal(server.ca, "/ca.pem");
    assert_int_equal(choose("http://10.0.0.1", NULL, &server), TN_OK);
    assert_true(server.insecure_http);
    keep("http://127.0.0.1:1", "kept");
    assert_int_equal(choose(NULL, NULL, &server), TN_OK);
    assert_string_equal(server.url.text, "http://127.0.0.1:1");
}

TEST(choose__refuses_a_config_with_a_bad_address_or_key)
{
    struct tn_server server;

    (void)put("config.yaml", "servers:\n  - { url: fleet.example }\n", 0644);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_INVALID);
    assert_non_null(strstr(err.text, "config.yaml:2:"));
    (void)put("config.yaml", "servers:\n  - { url: http://a, token: x }\n", 0644);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_INVALID);
    (void)put("config.yaml", "servers: []\n", 0666);
    assert_int_equal(chmod(put("config.yaml", "servers: []\n", 0666), 0666), 0);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_UNTRUSTED);
}

TEST(credentials__are_for_the_owner_alone)
{
    struct tn_server server;
    char path[128];
    struct stat st;

    keep("http://127.0.0.1:1", SECRET);
    (void)snprintf(path, sizeof(path), "%s/tenon/credentials", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_null(strstr(err.text, SECRET));
}

TEST(credentials__of_another_format_are_refused)
{
    struct tn_server server;

    (void)put("credentials", "{\"schema\":\"tenon-credentials/2\"}", 0600);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_INVALID);
    (void)put("credentials", "{", 0600);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_INVALID);
    (void)put("credentials",
              "{\"schema\":\"tenon-credentials/1\",\"servers\":[{\"url\":\"http://a\","
              "\"token\":\"two words\"}]}",
              0600);
    assert_int_equal(choose(NULL, NULL, &server), TN_E_INVALID);
    assert_null(strstr(err.text, "two"));
}

TEST(forget__removes_one_server_and_says_whether_it_was_there)
{
    struct tn_server server;
    bool was;

    keep("http://127.0.0.1:1", "one");
    keep("http://127.0.0.1:2", "two");
    assert_int_equal(tn_url_parse("http://127.0.0.1:2", &server.url, &err), TN_OK);
    assert_int_equal(tn_server_forget(&server.url, &was, &err), TN_OK);
    assert_true(was);
    assert_int_equal(tn_server_forget(&server.url, &was, &err), TN_OK);
    assert_false(was);
    assert_int_equal(choose(NULL, NULL, &server), TN_OK);
    assert_string_equal(server.token, "one");
}

TEST(token__is_one_printable_word_of_bounded_length)
{
    char token[TN_TOKEN_MAX + 1] = "untouched";
    char longest[TN_TOKEN_MAX + 2];

    assert_int_equal(tn_token_read(put("token", "\n", 0600), token, &err), TN_E_INVALID);
    assert_int_equal(tn_token_read(put("token", "two words", 0600), token, &err), TN_E_INVALID);
    assert_null(strstr(err.text, "words"));
    assert_int_equal(tn_token_read(put("token", "a\tb", 0600), token, &err), TN_E_INVALID);
    assert_int_equal(tn_token_read(put("token", "a\x01z", 0600), token, &err), TN_E_INVALID);
    assert_int_equal(tn_token_read(put("token", "\xc3\xa4", 0600), token, &err), TN_E_INVALID);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(tn_token_read(put("token", longest, 0600), token, &err), TN_E_INVALID);
    assert_string_equal(token, "untouched");
    longest[TN_TOKEN_MAX] = '\0';
    assert_int_equal(tn_token_read(put("token", longest, 0600), token, &err), TN_OK);
    assert_string_equal(token, longest);
    assert_int_equal(tn_token_read("/nonexistent/token", token, &err), TN_E_NOTFOUND);
}

TEST(token__comes_from_no_file_that_others_may_change)
{
    char token[TN_TOKEN_MAX + 1];
    const char *file = put("token", SECRET, 0600);

    assert_int_equal(chmod(file, 0622), 0);
    assert_int_equal(tn_token_read(file, token, &err), TN_E_UNTRUSTED);
}

static int may_send(const char *url, const char *token, bool insecure)
{
    struct tn_server server = { .insecure_http = insecure };

    assert_int_equal(tn_url_parse(url, &server.url, &err), TN_OK);
    (void)tn_text_copy(server.token, sizeof(server.token), token);
    return tn_server_may_send_token(&server, &err);
}

TEST(token__goes_over_plain_http_to_this_machine_only)
{
    assert_int_equal(may_send("http://127.0.0.1:8600", SECRET, false), TN_OK);
    assert_int_equal(may_send("https://fleet.example", SECRET, false), TN_OK);
    assert_int_equal(may_send("http://fleet.example", SECRET, false), TN_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "--insecure-http"));
    assert_null(strstr(err.text, SECRET));
    assert_int_equal(may_send("http://127.0.0.1.example", SECRET, false), TN_E_UNTRUSTED);
    assert_int_equal(may_send("http://fleet.example", SECRET, true), TN_OK);
    assert_int_equal(may_send("http://fleet.example", "", false), TN_OK);
}

struct seen {
    char url[8][64];
    size_t count;
};

static bool note(const struct tn_server *server, void *user)
{
    struct seen *seen = user;

    assert_true(seen->count < 8);
    (void)tn_text_copy(seen->url[seen->count++], 64, server->url.text);
    return true;
}

TEST(servers__are_told_each_once_logins_first)
{
    struct seen seen = { .count = 0 };

    (void)put("config.yaml", "servers:\n  - { url: http://a }\n  - { url: HTTP://B/ }\n", 0644);
    keep("http://b", "x");
    assert_int_equal(tn_servers_each(note, &seen, &err), TN_OK);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.url[0], "http://b");
    assert_string_equal(seen.url[1], "http://a");
}

#define HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME(choose__says_what_to_do_when_no_server_is_known),
        HOME(choose__takes_the_server_of_the_last_login),
        HOME(choose__finds_the_kept_token_of_an_address_however_it_is_written),
        HOME(choose__goes_by_argument_then_environment_then_login),
        HOME(choose__reads_config_yaml_after_the_logins),
        HOME(choose__refuses_a_config_with_a_bad_address_or_key),
        HOME(credentials__are_for_the_owner_alone),
        HOME(credentials__of_another_format_are_refused),
        HOME(forget__removes_one_server_and_says_whether_it_was_there),
        HOME(token__is_one_printable_word_of_bounded_length),
        HOME(token__comes_from_no_file_that_others_may_change),
        HOME(token__goes_over_plain_http_to_this_machine_only),
        HOME(servers__are_told_each_once_logins_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
