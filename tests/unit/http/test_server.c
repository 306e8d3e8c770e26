/*
 * The server over real loopback sockets, stepped by the test: no thread, no wait for wall time.
 */
#include "tn_test.h"

#include "base/file.h"
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS_MOST = 3000, ANSWER_MOST = 4 << 20, FILE_BYTES = 1000000 };

/* The world behind the handlers: a number that is changed, and one that is durable. */
struct world {
    int64_t value, durable;
    bool dirty;
    int fail; /* what the next commits return */
    int commits;
    size_t streamed;
    int streams_open;
    char *file;
};

static struct world world;

static void get_value(struct tn_http_request *request, void *user)
{
    struct world *w = user;
    char text[32];

    (void)snprintf(text, sizeof(text), "%d", (int)w->value);
    tn_http_reply(request, 200, "text/plain", text, strlen(text));
}

static void put_value(struct tn_http_request *request, void *user)
{
    struct world *w = user;
    size_t size;

    w->value = atoi(tn_http_body(request, &size));
    w->dirty = true;
    tn_http_reply(request, 200, NULL, NULL, 0);
}

static void say_names(struct tn_http_request *request, void *user)
{
    json_t *json = json_object();
    const char *query = tn_http_query(request, "q");

    (void)user;
    json_object_set_new(json, "name", json_string(tn_http_part(request, "name")));
    json_object_set_new(json, "query", query ? json_string(query) : json_null());
    json_object_set_new(json, "origin", json_string(tn_http_origin(request)));
    tn_http_reply_json(request, 200, json);
}

static void get_file(struct tn_http_request *request, void *user)
{
    struct world *w = user;
    const struct tn_http_file file = {
        .fd = open(w->file, O_RDONLY | O_CLOEXEC),
        .bytes = FILE_BYTES,
        .etag = "\"tag\"",
        .name = "x.plan",
    };

    tn_http_reply_file(request, &file);
}

static void silent(struct tn_http_request *request, void *user)
{
    (void)request;
    (void)user;
}

static void *stream_open(struct tn_http_request *request, void *user)
{
    struct world *w = user;

    (void)request;
    w->streams_open++;
    return w;
}

static int stream_write(struct tn_http_request *request, void *stream, const void *data,
                        size_t size)
{
    struct world *w = stream;

    if (memchr(data, '!', size)) {
        tn_http_problem(request, 422, "CORRUPT", "no");
        return TN_E_CORRUPT;
    }
    w->streamed += size;
    return TN_OK;
}

static void stream_close(void *stream)
{
    ((struct world *)stream)->streams_open--;
}

static void stream_end(struct tn_http_request *request, void *user)
{
    (void)user;
    tn_http_reply(request, 201, NULL, NULL, 0);
}

static const struct tn_stream stream = { stream_open, stream_write, stream_close };

static const struct tn_route routes[] = {
    { .method = "GET", .path = "/value", .run = get_value },
    { .method = "PUT", .path = "/value", .body_most = 16, .run = put_value },
    { .method = "GET", .path = "/names/{name}", .run = say_names },
    { .method = "GET", .path = "/file", .run = get_file },
    { .method = "GET", .path = "/silent", .run = silent },
    { .method = "GET", .path = "/secret", .access = 1, .run = get_value },
    { .method = "PUT", .path = "/secret", .access = 1, .body_most = 16, .run = put_value },
    { .method = "PUT", .path = "/stream", .run = stream_end, .stream = &stream },
    { 0 },
};

static bool admit(struct tn_http_request *request, const struct tn_route *route, void *user)
{
    (void)user;
    if (route->access == 0)
        return true;
    tn_http_problem(request, 401, "ACCESS", "no");
    return false;
}

static bool is_dirty(void *user)
{
    return ((struct world *)user)->dirty;
}

static int commit(void *user, struct tn_error *err)
{
    struct world *w = user;

    w->dirty = false;
    w->commits++;
    if (w->fail < 0) {
        w->value = w->durable;
        return tn_fail(err, w->fail, "no");
    }
    w->durable = w->value;
    return TN_OK;
}

static struct tn_http *open_server(struct tn_http_options options)
{
    struct tn_http *http = NULL;
    struct tn_error err = { 0 };

    options.listen = "127.0.0.1:0";
    options.routes = routes;
    options.admit = admit;
    options.dirty = is_dirty;
    options.commit = commit;
    options.user = &world;
    world.value = world.durable = 0;
    world.dirty = false;
    world.fail = world.commits = world.streams_open = 0;
    world.streamed = 0;
    assert_int_equal(tn_http_open(&options, &http, &err), TN_OK);
    return http;
}

/* ---- a client in the same thread ---- */

struct client {
    int fd;
    char *got;
    size_t size;
    bool closed;
};

static struct client join(const struct tn_http *http)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port =
                                  htons((uint16_t)atoi(strrchr(tn_http_url(http), ':') + 1)) };
    struct client client = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                             .got = calloc(1, ANSWER_MOST) };

    assert_true(client.fd >= 0 && client.got);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    return client;
}

static void leave(struct client *client)
{
    (void)close(client->fd);
    free(client->got);
}

static void say(struct client *client, const char *text)
{
    assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void take(struct client *client)
{
    ssize_t got = recv(client->fd, client->got + client->size, ANSWER_MOST - 1 - client->size, 0);

    if (got > 0)
        client->size += (size_t)got;
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        client->closed = true;
}

/* Where the body of the one answer begins, or NULL while it is not whole. */
static const char *whole(const struct client *client)
{
    const char *body = strstr(client->got, "\r\n\r\n");
    const char *length = strstr(client->got, "Content-Length: ");

    if (!body || !length || length > body ||
        client->size < (size_t)(body + 4 - client->got) + (size_t)atol(length + 16))
        return NULL;
    return body + 4;
}

/* Steps until the answer is whole. @return its body */
static const char *hear(struct tn_http *http, struct client *client)
{
    for (int i = 0; i < STEPS_MOST && !whole(client) && !client->closed; i++) {
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        take(client);
    }
    assert_non_null(whole(client));
    return whole(client);
}

static int status_of(const struct client *client)
{
    return atoi(client->got + 9);
}

static void forget(struct client *client)
{
    (void)memset(client->got, 0, client->size);
    client->size = 0;
}

/* One request on a connection of its own. @return its status */
static int ask(struct tn_http *http, const char *request)
{
    struct client client = join(http);
    int status;

    say(&client, request);
    (void)hear(http, &client);
    status = status_of(&client);
    leave(&client);
    return status;
}

#define HOST "Host: dev.example:8600\r\n"

/* ---- requests ---- */

TEST(get__hands_out_decoded_names_and_the_origin_as_the_client_wrote_it)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client client = join(http);

    say(&client, "GET /names/a%20b?q=x%3Dy+z HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(http, &client),
                        "{\"name\":\"a b\",\"origin\":\"http://dev.example:8600\",\"query\":\"x=y "
                        "z\"}");
    forget(&client);
    say(&client, "GET /names/2 HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(http, &client),
                        "{\"name\":\"2\",\"origin\":\"http://dev.example:8600\",\"query\":null}");
    leave(&client);
    tn_http_close(http);
}

TEST(request__is_refused_by_its_headers_alone)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });

    assert_int_equal(ask(http, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(ask(http, "DELETE /value HTTP/1.1\r\n" HOST "\r\n"), 405);
    assert_int_equal(ask(http, "GET /secret HTTP/1.1\r\n" HOST "\r\n"), 401);
    assert_int_equal(ask(http, "PUT /secret HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n"), 401);
    assert_int_equal(ask(http, "PUT /value HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n"), 413);
    assert_int_equal(ask(http, "GET /value HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"), 413);
    assert_int_equal(ask(http, "GET /value HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(
        ask(http, "PUT /stream HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"), 411);
    assert_int_equal(world.streams_open, 0);
    assert_int_equal(world.value, 0);
    tn_http_close(http);
}

TEST(chunked_body__is_refused_once_it_grows_beyond_its_limit)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });

    assert_int_equal(ask(http, "PUT /value HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                               "4\r\n0042\r\n0\r\n\r\n"),
                     200);
    assert_int_equal(world.durable, 42);
    assert_int_equal(ask(http, "PUT /value HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                               "c\r\n000000000000\r\nc\r\n000000000000\r\n0\r\n\r\n"),
                     413);
    assert_int_equal(world.durable, 42);
    tn_http_close(http);
}

TEST(handler__that_does_not_answer_is_answered_500)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });

    assert_int_equal(ask(http, "GET /silent HTTP/1.1\r\n" HOST "\r\n"), 500);
    tn_http_close(http);
}

TEST(stream__is_closed_whatever_becomes_of_the_request)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client client;

    assert_int_equal(ask(http, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"),
                     201);
    assert_int_equal(world.streamed, 5);
    assert_int_equal(ask(http, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell!"),
                     422);
    client = join(http);
    say(&client, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
    for (int i = 0; i < STEPS_MOST && world.streamed < 7; i++)
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
    assert_int_equal(world.streams_open, 1);
    leave(&client);
    for (int i = 0; i < STEPS_MOST && world.streams_open > 0; i++)
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
    assert_int_equal(world.streams_open, 0);
    tn_http_close(http);
}

/* ---- durability ---- */

#define PUT(value) "PUT /value HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n" value

TEST(change__is_answered_after_its_commit)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });

    assert_int_equal(ask(http, PUT("7")), 200);
    assert_int_equal(world.durable, 7);
    assert_int_equal(world.commits, 1);
    tn_http_close(http);
}

/* Both requests lie in the sockets before the server looks. */
static void two_at_once(struct tn_http *http, struct client *one, struct client *two)
{
    struct tn_http_figures figures;

    *one = join(http);
    *two = join(http);
    for (int i = 0; i < STEPS_MOST; i++) {
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        tn_http_figures(http, &figures);
        if (figures.connections == 2)
            break;
    }
    say(one, PUT("7"));
    say(two, PUT("8"));
    (void)hear(http, one);
    (void)hear(http, two);
}

TEST(changes__of_one_wake_up_share_a_commit)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client one, two;

    two_at_once(http, &one, &two);
    assert_int_equal(status_of(&one), 200);
    assert_int_equal(status_of(&two), 200);
    assert_int_equal(world.commits, 1);
    leave(&one);
    leave(&two);
    tn_http_close(http);
}

TEST(failed_commit__is_answered_503_to_the_whole_group)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client one, two;

    world.fail = TN_E_NOSPACE;
    two_at_once(http, &one, &two);
    assert_int_equal(status_of(&one), 503);
    assert_int_equal(status_of(&two), 503);
    assert_int_equal(world.value, 0);
    leave(&one);
    leave(&two);
    world.fail = 0;
    assert_int_equal(ask(http, PUT("9")), 200);
    assert_int_equal(world.durable, 9);
    tn_http_close(http);
}

TEST(reader__does_not_see_what_is_not_durable)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client client = join(http);

    world.value = 5;
    world.dirty = true;
    world.fail = TN_E_IO;
    say(&client, "GET /value HTTP/1.1\r\n" HOST "\r\n");
    (void)hear(http, &client);
    /* either it was read after the failure, or it is withdrawn: never "5" */
    assert_true(status_of(&client) == 503 || strcmp(whole(&client), "0") == 0);
    leave(&client);
    tn_http_close(http);
}

/* ---- files ---- */

static int make_file(void **state)
{
    static char path[] = "/tmp/tn-http-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < FILE_BYTES; i++) {
        char c = (char)('a' + i % 23);

        if (write(fd, &c, 1) != 1)
            return -1;
    }
    world.file = path;
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(world.file);
}

static void expect_bytes(const char *body, int from, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(body[i], 'a' + (from + i) % 23);
}

TEST(file__is_sent_whole_or_in_part_with_its_headers)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client client = join(http);

    say(&client, "GET /file HTTP/1.1\r\n" HOST "\r\n");
    expect_bytes(hear(http, &client), 0, FILE_BYTES);
    assert_non_null(strstr(client.got, "ETag: \"tag\"\r\n"));
    assert_non_null(strstr(client.got, "Accept-Ranges: bytes\r\n"));
    assert_non_null(strstr(client.got, "Content-Disposition: attachment;filename=x.plan\r\n"));
    forget(&client);
    say(&client, "GET /file HTTP/1.1\r\n" HOST "Range: bytes=500-1499\r\n\r\n");
    expect_bytes(hear(http, &client), 500, 1000);
    assert_int_equal(status_of(&client), 206);
    assert_non_null(strstr(client.got, "Content-Range: bytes 500-1499/1000000\r\n"));
    forget(&client);
    say(&client, "GET /file HTTP/1.1\r\n" HOST "Range: bytes=1000000-\r\n\r\n");
    (void)hear(http, &client);
    assert_int_equal(status_of(&client), 416);
    assert_non_null(strstr(client.got, "Content-Range: bytes */1000000\r\n"));
    forget(&client);
    say(&client, "GET /file HTTP/1.1\r\n" HOST "If-Match: \"other\"\r\n\r\n");
    (void)hear(http, &client);
    assert_int_equal(status_of(&client), 412);
    leave(&client);
    tn_http_close(http);
}

TEST(head__tells_the_length_and_sends_nothing)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client client = join(http);

    say(&client, "HEAD /file HTTP/1.1\r\n" HOST "\r\nGET /value HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < STEPS_MOST && !strstr(client.got, "\r\n\r\n0"); i++) {
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        take(&client);
    }
    assert_non_null(strstr(client.got, "Content-Length: 1000000\r\n"));
    assert_non_null(strstr(client.got, "\r\n\r\nHTTP/1.1 200"));
    leave(&client);
    tn_http_close(http);
}

TEST(download_rate__makes_downloads_wait_and_loses_no_byte)
{
    struct tn_http *http =
        open_server((struct tn_http_options) { .download_bytes_per_s = 4 * FILE_BYTES });
    struct client one = join(http), two = join(http);
    struct tn_http_figures figures;
    bool waited = false;

    say(&one, "GET /file HTTP/1.1\r\n" HOST "\r\n");
    say(&two, "GET /file HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < STEPS_MOST && (!whole(&one) || !whole(&two)); i++) {
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        tn_http_figures(http, &figures);
        waited = waited || figures.waiting_downloads > 0;
        take(&one);
        take(&two);
    }
    expect_bytes(whole(&one), 0, FILE_BYTES);
    expect_bytes(whole(&two), 0, FILE_BYTES);
    assert_true(waited);
    leave(&one);
    leave(&two);
    tn_http_close(http);
}

TEST(close__ends_downloads_that_wait_for_the_rate)
{
    struct tn_http *http = open_server((struct tn_http_options) { .download_bytes_per_s = 1 });
    struct client client = join(http);
    struct tn_http_figures figures = { 0 };

    say(&client, "GET /file HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < STEPS_MOST && figures.waiting_downloads == 0; i++) {
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        tn_http_figures(http, &figures);
    }
    assert_int_equal(figures.waiting_downloads, 1);
    tn_http_close(http);
    leave(&client);
}

/* ---- connections ---- */

/* Sends `drip` again and again; true when the server hangs up. */
static bool is_hung_up(struct tn_http *http, const char *first, const char *drip)
{
    struct client client = join(http);
    bool closed;

    say(&client, first);
    for (int i = 0; i < STEPS_MOST && !client.closed; i++) {
        if (drip && i % 4 == 0)
            (void)send(client.fd, drip, strlen(drip), MSG_NOSIGNAL);
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        take(&client);
    }
    closed = client.closed;
    leave(&client);
    return closed;
}

TEST(connection__that_drips_its_bytes_is_ended)
{
    const struct tn_http_options quick = { .idle_ms = 50, .head_ms = 50 };
    struct tn_http *http = open_server(quick);
    struct tn_http_figures figures;

    assert_true(is_hung_up(http, "GET /value HTTP/1.1\r\n", "X: y\r\n"));
    assert_true(is_hung_up(http, "G", "E"));
    assert_true(
        is_hung_up(http, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", "x"));
    tn_http_figures(http, &figures);
    assert_int_equal(figures.late, 3);
    assert_true(is_hung_up(http, "GET /value HTTP/1.1\r\n" HOST "\r\n", NULL));
    tn_http_figures(http, &figures);
    assert_int_equal(figures.late, 3); /* an idle one is no fault of its client */
    assert_int_equal(world.streams_open, 0);
    tn_http_close(http);
}

TEST(download__that_waits_for_the_rate_is_not_late)
{
    const struct tn_http_options slow = { .head_ms = 50,
                                          .slowest_bytes_per_s = 1 << 30,
                                          .download_bytes_per_s = 1 };
    struct tn_http *http = open_server(slow);
    struct client client = join(http);
    struct tn_http_figures figures = { 0 };

    say(&client, "GET /file HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < STEPS_MOST && figures.waiting_downloads == 0; i++) {
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
        tn_http_figures(http, &figures);
    }
    /* the sweep that ends this one would end the other too */
    assert_true(is_hung_up(http, "GET /value HTTP/1.1\r\n", "X: y\r\n"));
    tn_http_figures(http, &figures);
    assert_int_equal(figures.late, 1);
    assert_int_equal(figures.waiting_downloads, 1);
    leave(&client);
    tn_http_close(http);
}

/* 10 TB at the slowest rate are more nanoseconds than a number holds. */
TEST(deadline__of_a_body_of_any_announced_size_lies_in_the_future)
{
    const struct tn_http_options quick = { .idle_ms = 50, .head_ms = 50 };
    struct tn_http *http = open_server(quick);
    struct client patient = join(http);
    struct tn_http_figures figures;

    say(&patient, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 10240000000000\r\n\r\nx");
    for (int i = 0; i < STEPS_MOST && world.streamed < 1; i++)
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
    /* the sweep that ends this one would end the other too */
    assert_true(is_hung_up(http, "GET /value HTTP/1.1\r\n", "X: y\r\n"));
    tn_http_figures(http, &figures);
    assert_int_equal(figures.late, 1);
    assert_int_equal(world.streams_open, 1);
    leave(&patient);
    tn_http_close(http);
}

TEST(drain__refuses_new_connections_and_finishes_what_is_in_progress)
{
    struct tn_http *http = open_server((struct tn_http_options) { 0 });
    struct client idle = join(http), busy = join(http);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int late;

    to.sin_port = htons((uint16_t)atoi(strrchr(tn_http_url(http), ':') + 1));
    say(&idle, "GET /value HTTP/1.1\r\n" HOST "\r\n");
    (void)hear(http, &idle);
    say(&busy, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
    for (int i = 0; i < STEPS_MOST && world.streamed < 2; i++)
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
    tn_http_drain(http);
    late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(connect(late, (struct sockaddr *)&to, sizeof(to)) < 0);
    (void)close(late);
    say(&busy, "llo");
    (void)hear(http, &busy);
    assert_int_equal(status_of(&busy), 201);
    for (int i = 0; i < STEPS_MOST && tn_http_connections(http) > 0; i++)
        assert_int_equal(tn_http_step(http, 10, NULL), TN_OK);
    assert_int_equal(tn_http_connections(http), 0);
    leave(&idle);
    leave(&busy);
    tn_http_close(http);
}

TEST(open__says_why_it_cannot_listen)
{
    struct tn_http *first = open_server((struct tn_http_options) { 0 }), *second = NULL;
    struct tn_error err = { 0 };
    struct tn_http_options options = { .listen = strstr(tn_http_url(first), "127"),
                                       .routes = routes,
                                       .admit = admit,
                                       .dirty = is_dirty,
                                       .commit = commit };
    static const char *const broken[] = { "",         ":",     "8600",           "127.0.0.1",
                                          "::1:8600", "[::1]", "127.0.0.1:http", "[]:80" };

    assert_int_equal(tn_http_open(&options, &second, &err), TN_E_AGAIN);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        options.listen = broken[i];
        assert_int_equal(tn_http_open(&options, &second, &err), TN_E_USAGE);
    }
    assert_null(second);
    tn_http_close(first);
}

TEST(secrets__are_equal_only_when_whole)
{
    assert_true(tn_secret_equal("abc", "abc"));
    assert_false(tn_secret_equal("abc", "abd"));
    assert_false(tn_secret_equal("abc", "ab"));
    assert_false(tn_secret_equal("ab", "abc"));
    assert_false(tn_secret_equal("", "a"));
    assert_true(tn_secret_equal("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get__hands_out_decoded_names_and_the_origin_as_the_client_wrote_it),
        cmocka_unit_test(request__is_refused_by_its_headers_alone),
        cmocka_unit_test(chunked_body__is_refused_once_it_grows_beyond_its_limit),
        cmocka_unit_test(handler__that_does_not_answer_is_answered_500),
        cmocka_unit_test(stream__is_closed_whatever_becomes_of_the_request),
        cmocka_unit_test(change__is_answered_after_its_commit),
        cmocka_unit_test(changes__of_one_wake_up_share_a_commit),
        cmocka_unit_test(failed_commit__is_answered_503_to_the_whole_group),
        cmocka_unit_test(reader__does_not_see_what_is_not_durable),
        cmocka_unit_test(file__is_sent_whole_or_in_part_with_its_headers),
        cmocka_unit_test(head__tells_the_length_and_sends_nothing),
        cmocka_unit_test(download_rate__makes_downloads_wait_and_loses_no_byte),
        cmocka_unit_test(close__ends_downloads_that_wait_for_the_rate),
        cmocka_unit_test(connection__that_drips_its_bytes_is_ended),
        cmocka_unit_test(download__that_waits_for_the_rate_is_not_late),
        cmocka_unit_test(deadline__of_a_body_of_any_announced_size_lies_in_the_future),
        cmocka_unit_test(drain__refuses_new_connections_and_finishes_what_is_in_progress),
        cmocka_unit_test(open__says_why_it_cannot_listen),
        cmocka_unit_test(secrets__are_equal_only_when_whole),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
