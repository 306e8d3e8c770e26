#include "net/servers.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CREDENTIALS_BYTES_MAX = 1 << 18, SERVERS_MAX = 64 };

#define SCHEMA      "tenon-credentials/1"
#define CREDENTIALS "credentials"

void tn_server_done(struct tn_server *server)
{
    explicit_bzero(server->token, sizeof(server->token));
}

/* ---- tokens ---- */

/* Takes the token out of a file's text: one word of visible ASCII. */
static int take_token(const char *text, const char *what, char ret_token[TN_TOKEN_MAX + 1],
                      struct tn_error *err)
{
    size_t blanks = strspn(text, " \t\r\n");
    size_t length = strcspn(text + blanks, " \t\r\n");

    text += blanks;
    if (length == 0)
        return tn_fail(err, TN_E_INVALID, "%s holds no token", what);
    if (length > TN_TOKEN_MAX)
        return tn_fail(err, TN_E_INVALID, "%s: a token has at most %d characters", what,
                       TN_TOKEN_MAX);
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)text[i]))
            return tn_fail(err, TN_E_INVALID, "%s holds no token: byte %zu is not printable", what,
                           i + 1);
    if (text[length + strspn(text + length, " \t\r\n")])
        return tn_fail(err, TN_E_INVALID, "%s holds more than one word", what);
    memcpy(ret_token, text, length);
    ret_token[length] = '\0';
    return TN_OK;
}

static void wipe(struct tn_buf *text)
{
    if (text->data)
        explicit_bzero(text->data, text->capacity);
    tn_buf_done(text);
}

static int read_standard_input(struct tn_buf *ret_text, struct tn_error *err)
{
    char piece[512];
    ssize_t got;

    while ((got = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
        tn_buf_add(ret_text, piece, (size_t)got);
    explicit_bzero(piece, sizeof(piece));
    if (got < 0)
        return tn_fail_os(err, TN_E_IO, "read a token from standard input");
    return tn_buf_check(ret_text, "the token on standard input", err);
}

int tn_token_read(const char *path, char ret_token[TN_TOKEN_MAX + 1], struct tn_error *err)
{
    tn_auto(wipe) struct tn_buf text = TN_BUF(4096);
    struct stat st;
    char what[300];
    int rc;

    if (strcmp(path, "-") == 0) {
        rc = read_standard_input(&text, err);
        return rc < 0 ? rc : take_token(tn_buf_text(&text), "standard input", ret_token, err);
    }
    (void)snprintf(what, sizeof(what), "token file '%.200s'", path);
    if (stat(path, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "%s", what);
    rc = tn_file_trusted(&st, path, err);
    if (rc == TN_OK)
        rc = tn_file_read(path, &text, err);
    return rc < 0 ? rc : take_token(tn_buf_text(&text), what, ret_token, err);
}

/* ---- credentials ---- */

/* Owner-only, or not at all: who may read it has the tokens. */
static int check_private(const char *path, bool *ret_there, struct tn_error *err)
{
    struct stat st;
    int rc;

    *ret_there = stat(path, &st) == 0;
    if (!*ret_there)
        return errno == ENOENT || errno == ENOTDIR ? TN_OK
                                                   : tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    rc = tn_file_trusted(&st, path, err);
    if (rc == TN_OK && (st.st_mode & 077))
        rc = tn_fail(err, TN_E_UNTRUSTED, "'%s' can be read by others: chmod 600 '%s'", path, path);
    return rc;
}

/* @param ret_json an object, empty when there is no file */
static int read_credentials(json_t **ret_json, struct tn_error *err)
{
    char folder[PATH_MAX], path[PATH_MAX + 16];
    tn_auto(tn_json_done) json_t *json = NULL;
    bool there = false;
    int rc = tn_config_folder(folder, NULL);

    if (rc == TN_OK) {
        (void)snprintf(path, sizeof(path), "%s/" CREDENTIALS, folder);
        rc = check_private(path, &there, err);
        if (rc == TN_OK && there)
            rc = tn_json_read(path, CREDENTIALS_BYTES_MAX, &json, err);
        if (rc < 0)
            return rc;
    }
    if (json && strcmp(tn_json_str(json, "schema", ""), SCHEMA) != 0)
        return tn_fail(err, TN_E_INVALID, "'%s' is not a %s file: remove it and log in again", path,
                       SCHEMA);
    if (!json)
        json = json_pack("{s:s, s:[]}", "schema", SCHEMA, "servers");
    if (json && !json_is_array(json_object_get(json, "servers")))
        tn_json_set(json, "servers", json_array());
    if (!json)
        return tn_fail(err, TN_E_NOMEM, "read credentials");
    *ret_json = json;
    json = NULL;
    return TN_OK;
}

static int write_credentials(const json_t *json, struct tn_error *err)
{
    char folder[PATH_MAX];
    char *text = NULL;
    int rc = tn_config_folder(folder, err);

    if (rc == TN_OK)
        rc = tn_dir_make(folder, 0700, err);
    if (rc < 0)
        return rc;
    text = tn_json_text(json);
    if (!text)
        return tn_fail(err, TN_E_NOMEM, "write credentials");
    rc = tn_file_replace(folder, CREDENTIALS, text, strlen(text), 0600, err);
    explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}

static json_t *find_kept(const json_t *credentials, const char *url, size_t *ret_at)
{
    json_t *one;
    size_t at;

    json_array_foreach(json_object_get(credentials, "servers"), at, one)
    {
        if (strcmp(tn_json_str(one, "url", ""), url) != 0)
            continue;
        if (ret_at)
            *ret_at = at;
        return one;
    }
    return NULL;
}

static int server_of_kept(const json_t *kept, struct tn_server *ret_server, struct tn_error *err)
{
    const char *token = tn_json_str(kept, "token", "");
    int rc = tn_url_parse(tn_json_str(kept, "url", ""), &ret_server->url, err);

    if (rc < 0)
        return tn_while(err, TN_E_INVALID, "credentials");
    (void)tn_text_copy(ret_server->ca, sizeof(ret_server->ca), tn_json_str(kept, "ca", ""));
    ret_server->insecure_http = tn_json_bool(kept, "insecure_http", false);
    return *token ? take_token(token, "credentials", ret_server->token, err) : TN_OK;
}

int tn_server_keep(const struct tn_server *server, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    json_t *servers, *one;
    size_t at;
    int rc = read_credentials(&json, err);

    if (rc < 0)
        return rc;
    servers = json_object_get(json, "servers");
    if (find_kept(json, server->url.text, &at))
        (void)json_array_remove(servers, at);
    if (json_array_size(servers) >= SERVERS_MAX)
        return tn_fail(err, TN_E_TOOBIG, "credentials of %d servers are kept: log out of one",
                       SERVERS_MAX);
    one = json_object();
    tn_json_set_str(one, "url", server->url.text);
    tn_json_set_str(one, "ca", server->ca);
    tn_json_set(one, "insecure_http", json_boolean(server->insecure_http));
    tn_json_set_str(one, "token", server->token);
    if (json_array_insert_new(servers, 0, one) < 0)
        return tn_fail(err, TN_E_NOMEM, "keep credentials");
    return write_credentials(json, err);
}

int tn_server_forget(const struct tn_url *url, bool *ret_was, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    size_t at;
    int rc = read_credentials(&json, err);

    *ret_was = rc == TN_OK && find_kept(json, url->text, &at);
    if (rc < 0 || !*ret_was)
        return rc;
    (void)json_array_remove(json_object_get(json, "servers"), at);
    return write_credentials(json, err);
}

/* ---- config.yaml ---- */

static int server_of_config(const struct tn_yaml *yaml, const struct tn_yaml_node *node,
                            struct tn_server *ret_server, struct tn_error *err)
{
    const struct tn_yaml_node *url = tn_yaml_child(node, "url");
    struct tn_error why = { 0 };

    if (tn_url_parse(tn_yaml_text(url, ""), &ret_server->url, &why) < 0)
        return tn_yaml_fail(yaml, url, TN_E_INVALID, err, "%s", why.text);
    (void)tn_text_copy(ret_server->ca, sizeof(ret_server->ca),
                       tn_yaml_text(tn_yaml_child(node, "ca"), ""));
    ret_server->insecure_http = tn_yaml_bool(tn_yaml_child(node, "insecure-http"), false);
    return TN_OK;
}

struct walk {
    tn_server_fn each;
    void *user;
    bool stopped;
    const json_t *credentials; /* servers that were said already */
};

static int walk_config(const struct tn_yaml *yaml, void *user, struct tn_error *err)
{
    const struct tn_yaml_node *servers = tn_yaml_find(yaml, "servers");
    struct walk *walk = user;
    int rc = TN_OK;

    for (size_t i = 0; servers && rc == TN_OK && !walk->stopped && i < servers->count; i++) {
        struct tn_server server = { 0 };

        rc = server_of_config(yaml, servers->item[i], &server, err);
        if (rc == TN_OK && !find_kept(walk->credentials, server.url.text, NULL))
            walk->stopped = !walk->each(&server, walk->user);
    }
    return rc < 0 ? rc : walk->stopped;
}

static int walk_kept(struct walk *walk, struct tn_error *err)
{
    const json_t *one;
    size_t at;

    json_array_foreach(json_object_get(walk->credentials, "servers"), at, one)
    {
        tn_auto(tn_server_done) struct tn_server server = { 0 };
        int rc = server_of_kept(one, &server, err);

        if (rc < 0)
            return rc;
        walk->stopped = !walk->each(&server, walk->user);
        if (walk->stopped)
            break;
    }
    return TN_OK;
}

int tn_servers_each(tn_server_fn each, void *user, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *credentials = NULL;
    struct walk walk = { .each = each, .user = user };
    int rc = read_credentials(&credentials, err);

    walk.credentials = credentials;
    if (rc == TN_OK)
        rc = walk_kept(&walk, err);
    return rc == TN_OK && !walk.stopped ? tn_config_each(walk_config, &walk, err) : rc;
}

/* ---- choosing ---- */

struct wanted {
    const char *url; /* NULL = the first */
    struct tn_server *found;
    bool any;
};

static bool take_wanted(const struct tn_server *server, void *user)
{
    struct wanted *wanted = user;

    if (wanted->url && strcmp(wanted->url, server->url.text) != 0)
        return true;
    *wanted->found = *server;
    wanted->any = true;
    return false;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* What is known of the server; one that nothing is known of is just its address. */
static int find_server(const char *url, struct tn_server *ret_server, struct tn_error *err)
{
    struct tn_url parsed;
    struct wanted wanted = { .found = ret_server };
    int rc = TN_OK;

    if (url) {
        rc = tn_url_parse(url, &parsed, err);
        wanted.url = parsed.text;
    }
    if (rc == TN_OK)
        rc = tn_servers_each(take_wanted, &wanted, err);
    if (rc < 0)
        return rc;
    if (!url && !wanted.any)
        return tn_fail(err, TN_E_USAGE,
                       "no server is known: tenon login URL --token-file FILE, or give --server "
                       "URL");
    if (url && !wanted.any)
        ret_server->url = parsed;
    return TN_OK;
}

int tn_server_choose(const struct tn_server_choice *choice, struct tn_server *ret_server,
                     struct tn_error *err)
{
    const char *token_file =
        choice->token_file ? choice->token_file : environment("TENON_TOKEN_FILE");
    tn_auto(tn_server_done) struct tn_server server = { 0 };
    int rc = find_server(choice->url ? choice->url : environment("TENON_SERVER"), &server, err);

    if (rc == TN_OK && choice->ca && !realpath(choice->ca, server.ca))
        rc = tn_fail_os(err, TN_E_IO, "--ca '%s'", choice->ca);
    if (rc == TN_OK && token_file)
        rc = tn_token_read(token_file, server.token, err);
    if (rc < 0)
        return rc;
    server.insecure_http = server.insecure_http || choice->insecure_http;
    *ret_server = server;
    return TN_OK;
}

int tn_server_may_send_token(const struct tn_server *server, struct tn_error *err)
{
    if (server->url.tls || server->url.loopback || server->insecure_http || !server->token[0])
        return TN_OK;
    return tn_fail(err, TN_E_UNTRUSTED,
                   "'%s' is another machine and plain http: everybody on the way could read the "
                   "token. Use https, or allow it with --insecure-http",
                   server->url.text);
}
