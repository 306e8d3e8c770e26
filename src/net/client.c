#include "net/client.h"

#include "base/text.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
    TRIES_MAX = 8,
    FIRST_PAUSE_MS = 200,
    LONGEST_PAUSE_MS = 5000,
    RETRY_AFTER_MAX_S = 60,
    CONNECT_LIMIT_S = 10,
    STALL_LIMIT_S = 60,
    ANSWER_BYTES_MAX = 64 << 20,
    PIECE_BYTES = 256 << 10,
};

struct tn_client {
    struct tn_server server;
    CURL *curl;
    struct curl_slist *authorization; /* one line, or NULL */
    char curl_text[CURL_ERROR_SIZE];
    bool answered; /* the server has answered something before */
    tn_transfer_fn watch;
    void *watch_user;
};

/* One exchange under way: what the callbacks of curl fill. */
struct exchange {
    struct tn_client *client;
    struct tn_reply reply;
    char type[64]; /* Content-Type */
    long retry_after_s;
    struct tn_buf body; /* of an answer that is not handed on */
    /* sending */
    int fd;
    int64_t at, end;
    /* receiving */
    int64_t offset;
    tn_bytes_fn each;
    void *user;
    int64_t received;
    int rc; /* of `each`, or a local failure */
    struct tn_error err;
};

/* ---- opening ---- */

static int set_up(struct tn_client *client)
{
    char line[TN_TOKEN_MAX + 32];
    CURL *curl = client->curl;

    if (client->server.token[0]) {
        (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", client->server.token);
        client->authorization = curl_slist_append(NULL, line);
        explicit_bzero(line, sizeof(line));
        if (!client->authorization)
            return TN_E_NOMEM;
    }
    if (client->server.ca[0] &&
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->server.ca) != CURLE_OK)
        return TN_E_NOMEM;
    return curl_easy_setopt(curl, CURLOPT_USERAGENT, "tenon/" TN_VERSION) == CURLE_OK ? TN_OK
                                                                                      : TN_E_NOMEM;
}

int tn_client_open(const struct tn_server *server, struct tn_client **ret_client,
                   struct tn_error *err)
{
    tn_auto(tn_client_done) struct tn_client *client = calloc(1, sizeof(*client));

    if (!client)
        return tn_fail(err, TN_E_NOMEM, "open a client");
    client->server = *server;
    client->curl = curl_easy_init();
    if (!client->curl || set_up(client) < 0)
        return tn_fail(err, TN_E_NOMEM, "open a client");
    *ret_client = client;
    client = NULL;
    return TN_OK;
}

void tn_client_close(struct tn_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    if (client->authorization)
        explicit_bzero(client->authorization->data, strlen(client->authorization->data));
    curl_slist_free_all(client->authorization);
    tn_server_done(&client->server);
    free(client);
}

void tn_client_done(struct tn_client **client)
{
    tn_client_close(*client);
}

const struct tn_server *tn_client_server(const struct tn_client *client)
{
    return &client->server;
}

void tn_client_watch(struct tn_client *client, tn_transfer_fn watch, void *user)
{
    client->watch = watch;
    client->watch_user = user;
}

void tn_reply_done(struct tn_reply *reply)
{
    tn_json_done(&reply->json);
    free(reply->text);
    *reply = (struct tn_reply) { 0 };
}

static void exchange_done(struct exchange *exchange)
{
    tn_reply_done(&exchange->reply);
    tn_buf_done(&exchange->body);
}

/* ---- callbacks of curl ---- */

/* The value of a header line "Name: value\r\n" when it is that one. */
static bool header_is(const char *line, size_t length, const char *name, char *ret_value,
                      size_t size)
{
    size_t named = strlen(name);

    if (length <= named || strncasecmp(line, name, named) != 0 || line[named] != ':')
        return false;
    line += named + 1;
    length -= named + 1;
    while (length > 0 && (*line == ' ' || *line == '\t'))
        line++, length--;
    while (length > 0 && strchr("\r\n \t", line[length - 1]))
        length--;
    (void)tn_text_copy_n(ret_value, size, line, length);
    return true;
}

static int64_t number_of(const char *text)
{
    uint64_t value;

    return tn_text_u64(text, strlen(text), &value) && value <= INT64_MAX ? (int64_t)value
                                                                         : TN_UNKNOWN;
}

static void clear_reply(struct tn_reply *reply)
{
    tn_reply_done(reply);
    reply->upload_offset = TN_UNKNOWN;
    reply->length = TN_UNKNOWN;
}

static size_t on_header(char *line, size_t one, size_t length, void *user)
{
    struct exchange *exchange = user;
    char value[64];

    /* a new status line: 100 Continue came before, or a proxy's answer to CONNECT */
    if (length > 5 && memcmp(line, "HTTP/", 5) == 0) {
        clear_reply(&exchange->reply);
        exchange->type[0] = '\0';
        exchange->retry_after_s = 0;
    } else if (header_is(line, length, "Upload-Offset", value, sizeof(value)))
        exchange->reply.upload_offset = number_of(value);
    else if (header_is(line, length, "Content-Length", value, sizeof(value)))
        exchange->reply.length = number_of(value);
    else if (header_is(line, length, "Retry-After", value, sizeof(value)))
        exchange->retry_after_s = (long)number_of(value);
    else
        (void)(header_is(line, length, "Content-Type", exchange->type, sizeof(exchange->type)) ||
               header_is(line, length, "X-Request-Id", exchange->reply.request_id,
                         sizeof(exchange->reply.request_id)));
    return one * length;
}

static long status_of(const struct exchange *exchange)
{
    long status = 0;

    (void)curl_easy_getinfo(exchange->client->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool watched(struct exchange *exchange, int64_t done, int64_t total)
{
    struct tn_client *client = exchange->client;

    if (!client->watch || client->watch(done, total, client->watch_user))
        return true;
    exchange->rc = tn_fail(&exchange->err, TN_E_CANCELLED, "stopped");
    return false;
}

static size_t on_body(char *data, size_t one, size_t length, void *user)
{
    struct exchange *exchange = user;
    long status = status_of(exchange);
    int64_t total;

    if (status == 200 && exchange->each && exchange->offset > 0) {
        exchange->rc = tn_fail(&exchange->err, TN_E_UNSUPPORTED, "the server sends no parts");
        return 0;
    }
    if (!exchange->each || (status != 200 && status != 206)) {
        tn_buf_add(&exchange->body, data, length);
        return exchange->body.failed ? 0 : one * length;
    }
    exchange->rc = exchange->each(data, length, exchange->user, &exchange->err);
    if (exchange->rc < 0)
        return 0;
    exchange->received += (int64_t)length;
    total = exchange->reply.length;
    if (!watched(exchange, exchange->offset + exchange->received,
                 total < 0 ? TN_UNKNOWN : exchange->offset + total))
        return 0;
    return one * length;
}

static size_t on_send(char *room, size_t one, size_t size, void *user)
{
    struct exchange *exchange = user;
    int64_t left = exchange->end - exchange->at;
    size_t got;

    (void)one;
    if (left < (int64_t)size)
        size = (size_t)left;
    exchange->rc =
        size ? tn_file_read_at(exchange->fd, exchange->at, room, size, &got, &exchange->err)
             : TN_OK;
    if (size == 0)
        return 0;
    if (exchange->rc == TN_OK && got < size)
        exchange->rc =
            tn_fail(&exchange->err, TN_E_CORRUPT, "the file became shorter while it was sent");
    if (exchange->rc < 0)
        return CURL_READFUNC_ABORT;
    exchange->at += (int64_t)got;
    return watched(exchange, exchange->at, exchange->end) ? got : CURL_READFUNC_ABORT;
}

/* ---- one exchange ---- */

static void common_options(struct exchange *exchange, const char *url)
{
    struct tn_client *client = exchange->client;
    CURL *curl = client->curl;

    /* options that take a plain value cannot fail; strings were copied or the exchange fails */
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_LIMIT_S);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_LIMIT_S);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE_BYTES);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_text);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
    /* no CURLOPT_SEEKFUNCTION: curl would send a large body once more from its start by itself */
    /* what is for this machine goes to no proxy */
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, client->server.url.loopback ? "*" : NULL);
}

/* Back to a plain GET, the connection kept. */
static void forget_method(CURL *curl)
{
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_RANGE, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
}

static int add_header(struct curl_slist **headers, const char *line, struct tn_error *err)
{
    struct curl_slist *grown = curl_slist_append(*headers, line);

    if (!grown)
        return tn_fail(err, TN_E_NOMEM, "ask the server");
    *headers = grown;
    return TN_OK;
}

/* Rows: what curl found out, the code it becomes, and what a person does about it. */
static const struct cause {
    CURLcode curl;
    int code;
    const char *text;
} causes[] = {
    { CURLE_COULDNT_CONNECT, TN_E_AGAIN, "nobody answers there: is tenond running, at that port?" },
    { CURLE_COULDNT_RESOLVE_HOST, TN_E_AGAIN, "no such host: is the address right?" },
    { CURLE_COULDNT_RESOLVE_PROXY, TN_E_AGAIN,
      "the proxy of the environment (http_proxy, https_proxy) is not found" },
    { CURLE_OPERATION_TIMEDOUT, TN_E_AGAIN, "no answer in time" },
    { CURLE_PEER_FAILED_VERIFICATION, TN_E_UNTRUSTED,
      "its certificate is not trusted: give the one that vouches for it with --ca FILE" },
    { CURLE_SSL_CACERT_BADFILE, TN_E_UNTRUSTED, "the file of --ca holds no certificates" },
    { CURLE_SSL_CONNECT_ERROR, TN_E_UNTRUSTED,
      "no TLS connection: does the server speak https at that port?" },
    { CURLE_UNSUPPORTED_PROTOCOL, TN_E_INVALID, "what answers there does not speak HTTP" },
    { CURLE_WEIRD_SERVER_REPLY, TN_E_INVALID, "what answers there does not speak HTTP" },
    { CURLE_HTTP2, TN_E_AGAIN, "the connection broke" },
    { CURLE_GOT_NOTHING, TN_E_AGAIN,
      "the connection was closed without an answer: http where https is spoken?" },
    { CURLE_RECV_ERROR, TN_E_AGAIN, "the connection broke" },
    { CURLE_SEND_ERROR, TN_E_AGAIN, "the connection broke" },
    { CURLE_SEND_FAIL_REWIND, TN_E_AGAIN, "the connection broke" },
    { CURLE_PARTIAL_FILE, TN_E_AGAIN, "the connection broke" },
    { CURLE_OUT_OF_MEMORY, TN_E_NOMEM, "out of memory" },
};

static int curl_failed(const struct exchange *exchange, CURLcode got, struct tn_error *err)
{
    const struct tn_client *client = exchange->client;
    const char *detail = client->curl_text[0] ? client->curl_text : curl_easy_strerror(got);

    if (exchange->rc < 0)
        return tn_fail(err, exchange->rc, "%s", exchange->err.text);
    if (exchange->body.failed)
        return tn_fail(err, exchange->body.failed, "'%s' answered with more than %d MiB",
                       client->server.url.text, ANSWER_BYTES_MAX >> 20);
    for (size_t i = 0; i < TN_COUNT(causes); i++)
        if (causes[i].curl == got)
            return tn_fail(err, causes[i].code, "'%s': %s (%s)", client->server.url.text,
                           causes[i].text, detail);
    return tn_fail(err, TN_E_IO, "'%s': %s", client->server.url.text, detail);
}

static int take_body(struct exchange *exchange, struct tn_error *err)
{
    struct tn_reply *reply = &exchange->reply;
    const char *text = tn_buf_text(&exchange->body);
    bool json = strstr(exchange->type, "json") != NULL;

    if (exchange->body.size == 0)
        return TN_OK;
    if (json)
        return tn_json_parse(text, exchange->body.size, exchange->client->server.url.text,
                             &reply->json, err);
    reply->text = tn_buf_steal(&exchange->body);
    return reply->text ? TN_OK : tn_fail(err, TN_E_NOMEM, "read the answer");
}

static int perform(struct exchange *exchange, const char *path, struct curl_slist *headers,
                   struct tn_error *err)
{
    struct tn_client *client = exchange->client;
    tn_auto(tn_buf_done) struct tn_buf url = TN_BUF(16384);
    CURLcode got;
    int rc = tn_server_may_send_token(&client->server, err);

    tn_buf_addf(&url, "%s%s", client->server.url.text, path);
    if (rc == TN_OK)
        rc = tn_buf_check(&url, "the address", err);
    if (rc < 0)
        return rc;
    tn_buf_clear(&exchange->body);
    exchange->body.limit = ANSWER_BYTES_MAX;
    clear_reply(&exchange->reply);
    exchange->rc = TN_OK;
    common_options(exchange, tn_buf_text(&url));
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    client->curl_text[0] = '\0';
    got = curl_easy_perform(client->curl);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    exchange->reply.status = status_of(exchange);
    client->answered = client->answered || exchange->reply.status > 0;
    if (got != CURLE_OK)
        return curl_failed(exchange, got, err);
    return take_body(exchange, err);
}

/* The lines of every request: token, and the body's type. Expect is left out: a HEAD came before
 * whatever is large. @return a list that the caller frees, NULL without memory */
static struct curl_slist *request_headers(const struct tn_client *client, const char *extra,
                                          struct tn_error *err)
{
    struct curl_slist *headers = NULL;

    if (add_header(&headers, "Expect:", err) < 0 ||
        (client->authorization && add_header(&headers, client->authorization->data, err) < 0) ||
        (extra && add_header(&headers, extra, err) < 0)) {
        curl_slist_free_all(headers);
        return NULL;
    }
    return headers;
}

static void free_headers(struct curl_slist **headers)
{
    for (struct curl_slist *one = *headers; one; one = one->next)
        explicit_bzero(one->data, strlen(one->data));
    curl_slist_free_all(*headers);
}

/* ---- trying again ---- */

static void sleep_ms(int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) < 0)
        ;
}

bool tn_client_pause(const struct tn_client *client, unsigned try)
{
    int64_t ms = FIRST_PAUSE_MS;

    if (try >= TRIES_MAX || !client->answered)
        return false;
    for (unsigned i = 1; i < try && ms < LONGEST_PAUSE_MS; i++)
        ms *= 2;
    sleep_ms(ms < LONGEST_PAUSE_MS ? ms : LONGEST_PAUSE_MS);
    return true;
}

static bool says_later(long status)
{
    return status == 429 || (status >= 502 && status <= 504);
}

/* Whether the call is worth another try, after the pause that it needs. */
static bool again(const struct exchange *exchange, int rc, unsigned try)
{
    if (rc < 0 && rc != TN_E_AGAIN)
        return false;
    if (rc == TN_OK && !says_later(exchange->reply.status))
        return false;
    if (rc == TN_OK && exchange->retry_after_s > 0 && try < TRIES_MAX) {
        if (exchange->retry_after_s > RETRY_AFTER_MAX_S)
            return false;
        sleep_ms(exchange->retry_after_s * 1000);
        return true;
    }
    return tn_client_pause(exchange->client, try);
}

/* ---- calls ---- */

static void set_method(CURL *curl, const char *method, const char *body)
{
    forget_method(curl);
    if (strcmp(method, "HEAD") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
    }
    if (strcmp(method, "GET") != 0)
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

int tn_client_call(struct tn_client *client, const char *method, const char *path,
                   const json_t *body, struct tn_reply *ret_reply, struct tn_error *err)
{
    tn_auto(exchange_done) struct exchange exchange = { .client = client };
    tn_auto(free_headers) struct curl_slist *headers =
        request_headers(client, body ? "Content-Type: application/json" : "Content-Type:", err);
    tn_auto(tn_str_free) char *text = body ? tn_json_text(body) : NULL;
    bool repeatable = strcmp(method, "POST") != 0;
    unsigned try = 1;
    int rc;

    assert(path[0] == '/');
    if (!headers || (body && !text))
        return tn_fail(err, TN_E_NOMEM, "ask the server");
    do {
        set_method(client->curl, method, text);
        rc = perform(&exchange, path, headers, err);
    } while (repeatable && again(&exchange, rc, try++));
    if (rc < 0)
        return rc;
    *ret_reply = exchange.reply;
    exchange.reply = (struct tn_reply) { 0 };
    return TN_OK;
}

int tn_client_send_file(struct tn_client *client, const char *path, int fd, int64_t offset,
                        int64_t total, struct tn_reply *ret_reply, struct tn_error *err)
{
    tn_auto(exchange_done) struct exchange exchange = {
        .client = client, .fd = fd, .at = offset, .end = total
    };
    tn_auto(free_headers) struct curl_slist *headers = NULL;
    char range[96];
    int rc;

    (void)snprintf(range, sizeof(range), "Content-Range: bytes %lld-%lld/%lld", (long long)offset,
                   (long long)total - 1, (long long)total);
    headers = request_headers(client, offset > 0 ? range : NULL, err);
    if (!headers)
        return tn_fail(err, TN_E_NOMEM, "send a file");
    forget_method(client->curl);
    (void)curl_easy_setopt(client->curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(client->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(total - offset));
    rc = perform(&exchange, path, headers, err);
    if (rc < 0)
        return rc;
    *ret_reply = exchange.reply;
    exchange.reply = (struct tn_reply) { 0 };
    return TN_OK;
}

int tn_client_receive(struct tn_client *client, const char *path, int64_t offset, tn_bytes_fn each,
                      void *user, struct tn_reply *ret_reply, struct tn_error *err)
{
    tn_auto(exchange_done) struct exchange exchange = {
        .client = client, .offset = offset, .each = each, .user = user
    };
    tn_auto(free_headers) struct curl_slist *headers = request_headers(client, NULL, err);
    char range[32];
    int rc;

    if (!headers)
        return tn_fail(err, TN_E_NOMEM, "fetch a file");
    forget_method(client->curl);
    (void)snprintf(range, sizeof(range), "%lld-", (long long)offset);
    if (offset > 0)
        (void)curl_easy_setopt(client->curl, CURLOPT_RANGE, range);
    rc = perform(&exchange, path, headers, err);
    if (rc < 0)
        return rc;
    *ret_reply = exchange.reply;
    exchange.reply = (struct tn_reply) { 0 };
    return TN_OK;
}

/* ---- answers that are errors ---- */

/* Rows: what a status means to a caller when the server names no code of its own. */
static const struct meaning {
    long status;
    int code;
} meanings[] = {
    { 400, TN_E_INVALID },     { 401, TN_E_ACCESS },      { 403, TN_E_ACCESS },
    { 404, TN_E_NOTFOUND },    { 405, TN_E_UNSUPPORTED }, { 409, TN_E_USAGE },
    { 410, TN_E_CANCELLED },   { 413, TN_E_TOOBIG },      { 422, TN_E_CORRUPT },
    { 424, TN_E_NOTFOUND },    { 429, TN_E_AGAIN },       { 431, TN_E_TOOBIG },
    { 501, TN_E_UNSUPPORTED }, { 502, TN_E_AGAIN },       { 503, TN_E_AGAIN },
    { 504, TN_E_AGAIN },       { 507, TN_E_NOSPACE },
};

static int code_of(const struct tn_reply *reply)
{
    const char *name = tn_json_str(reply->json, "code", "");

#define X(id, number, exit_status, meaning)                                                        \
    if (strcmp(name, #id) == 0)                                                                    \
        return number;
    TN_ERRORS(X)
#undef X
    for (size_t i = 0; i < TN_COUNT(meanings); i++)
        if (meanings[i].status == reply->status)
            return meanings[i].code;
    return reply->status >= 500 ? TN_E_IO : TN_E_INVALID;
}

int tn_client_check(const struct tn_client *client, const struct tn_reply *reply,
                    struct tn_error *err)
{
    const char *url = client->server.url.text;
    const char *detail = tn_json_str(reply->json, "detail", NULL);

    if (reply->status >= 200 && reply->status < 300)
        return TN_OK;
    if (!detail)
        detail = tn_json_str(reply->json, "title", NULL);
    if (reply->status == 401)
        return tn_fail(err, TN_E_ACCESS, "'%s' %s: tenon login '%s' --token-file FILE", url,
                       client->server.token[0] ? "does not know this token, or it was revoked"
                                               : "wants a token",
                       url);
    if (reply->status >= 300 && reply->status < 400)
        return tn_fail(err, TN_E_INVALID,
                       "'%s' sends callers elsewhere (%ld): give the address that it sends to", url,
                       reply->status);
    if (!detail)
        return tn_fail(err, code_of(reply), "'%s' answered %ld%s", url, reply->status,
                       reply->status == 404 ? ": is that the address of a tenond?" : "");
    return tn_fail(err, code_of(reply), "%s%s%s%s", detail,
                   reply->status >= 500 && reply->request_id[0] ? " (request " : "",
                   reply->status >= 500 ? reply->request_id : "",
                   reply->status >= 500 && reply->request_id[0] ? ")" : "");
}

int tn_client_json(struct tn_client *client, const char *method, const char *path,
                   const json_t *body, json_t **ret_json, struct tn_error *err)
{
    tn_auto(tn_reply_done) struct tn_reply reply = { 0 };
    int rc = tn_client_call(client, method, path, body, &reply, err);

    if (rc == TN_OK)
        rc = tn_client_check(client, &reply, err);
    if (rc < 0 || !ret_json)
        return rc;
    if (!reply.json)
        return tn_fail(err, TN_E_INVALID, "'%s' answered without JSON: is it a tenond?",
                       client->server.url.text);
    *ret_json = reply.json;
    reply.json = NULL;
    return TN_OK;
}
