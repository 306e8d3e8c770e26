/* Any bytes on a connection to the whole server, over a real socket: paths, queries and every
 * header as it sees them. Nobody without a token gets anything, nothing of a request becomes a
 * header of the answer or a line of the log, and no secret shows in either. */
#include "blob.h"

#include "base/file.h"
#include "base/text.h"
#include "tenond/tenond.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define HAS_SANITIZER 1
#endif
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000, INPUT_MOST = 16384, ANSWER_MOST = 1 << 20, STEPS_MOST = 6, WAIT_MS = 1 };

#define SECRET "s3cret-of-"
static const char device_token[] = SECRET "d";
static const char viewer_token[] = SECRET "v";

static struct tn_tenond tenond;
static char folder[64], answer[ANSWER_MOST], input[INPUT_MOST + 1], log_text[1 << 16];
static int real_stderr = -1, log_fd = -1;

static void fail(const char *why)
{
    (void)dup2(real_stderr, STDERR_FILENO);
    (void)fprintf(stderr, "%s\nrequest: %s\nanswer: %.4000s\nlog: %s\n", why, input, answer,
                  log_text);
    abort();
}

/* ---- a server with one device, one viewer and one file ---- */

static void remove_folder(void)
{
    (void)dup2(real_stderr, STDERR_FILENO);
    tn_http_close(tenond.http);
    tn_fleet_close(tenond.fleet);
    tn_blobs_close(tenond.blobs);
    tn_db_close(tenond.db);
    (void)tn_dir_remove(folder, NULL);
}

static bool is_dirty(void *user)
{
    return tn_fleet_dirty(((struct tn_tenond *)user)->fleet);
}

static int commit(void *user, struct tn_error *err)
{
    return tn_fleet_commit(((struct tn_tenond *)user)->fleet, err);
}

static void put_viewer(struct tn_db *db)
{
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX];
    struct tn_row_token row = {
        .id = "0000000000000001", .hash = hex, .role = "viewer", .name = "v", .created_ms = NOW
    };

    must(tn_digest_of(viewer_token, strlen(viewer_token), &digest, NULL));
    tn_digest_hex(&digest, hex);
    must(tn_db_put(db, TN_TABLE_TOKEN, &row, NULL));
    must(tn_db_commit(db, NULL));
}

static void open_parts(void)
{
    struct tn_fleet_device *device;
    char path[96];

    (void)snprintf(folder, sizeof(folder), "%s/tenon-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        abort();
    (void)snprintf(path, sizeof(path), "%s/tenond.db", folder);
    must(tn_db_open(path, &tenond.db, NULL));
    must(tn_blobs_open(folder, &tenond.blobs, NULL));
    put_viewer(tenond.db);
    put_blob(tenond.blobs);
    must(tn_fleet_open(tenond.db, tenond.blobs, NULL, &tenond.fleet, NULL));
    must(tn_fleet_enroll(tenond.fleet, "d", device_token, "operator", NOW, &device, NULL));
    must(tn_fleet_commit(tenond.fleet, NULL));
}

static void open_server(void)
{
    const struct tn_http_options options = {
        .listen = "127.0.0.1:0",
        .trusted_proxy = "127.0.0.1",
        .routes = tn_tenond_routes,
        .admit = tn_tenond_admit,
        .dirty = is_dirty,
        .commit = commit,
        .user = &tenond,
    };

    (void)signal(SIGPIPE, SIG_IGN);
    tenond.options.data = folder;
    tenond.options.poll_ns = INT64_C(30000000000);
    open_parts();
    must(tn_http_open(&options, &tenond.http, NULL));
    real_stderr = dup(STDERR_FILENO);
    log_fd = memfd_create("log", MFD_CLOEXEC);
    if (real_stderr < 0 || log_fd < 0)
        abort();
#ifdef HAS_SANITIZER
    __sanitizer_set_report_fd((void *)(intptr_t)real_stderr);
#endif
}

/* ---- one connection ---- */

static int join(void)
{
    const struct linger at_once = { .l_onoff = 1 };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)atoi(strrchr(tn_http_url(tenond.http), ':') + 1));
    /* no port stays behind: there are fewer of them than inputs */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        abort();
    return fd;
}

/* @return whether the server is done with the connection */
static bool hear(int fd, size_t *size)
{
    ssize_t got;

    while ((got = recv(fd, answer + *size, ANSWER_MOST - 1 - *size, MSG_DONTWAIT)) > 0)
        *size += (size_t)got;
    answer[*size] = '\0';
    return got == 0 || (errno != EAGAIN && errno != EINTR);
}

static size_t talk(size_t length)
{
    size_t size = 0;
    int fd = join();

    (void)send(fd, input, length, MSG_NOSIGNAL);
    must(tn_http_step(tenond.http, WAIT_MS, NULL));
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < STEPS_MOST && !hear(fd, &size); i++)
        must(tn_http_step(tenond.http, WAIT_MS, NULL));
    (void)close(fd);
    must(tn_http_step(tenond.http, 0, NULL));
    return size;
}

/* ---- what must hold ---- */

static bool is_known_header(const char *line, size_t length)
{
    static const char *const names[] = {
        "Date",          "Connection",       "Content-Type",  "Content-Length",
        "Cache-Control", "WWW-Authenticate", "Allow",         "ETag",
        "Accept-Ranges", "Last-Modified",    "Content-Range", "Content-Disposition",
        "Retry-After",   "Upload-Offset",
    };

    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (length > strlen(names[i]) && line[strlen(names[i])] == ':' &&
            strncmp(line, names[i], strlen(names[i])) == 0)
            return tn_text_is_clean(line, length);
    return false;
}

/* Of the first answer. */
static void check_headers(void)
{
    const char *end = strstr(answer, "\r\n\r\n");
    const char *line = strstr(answer, "\r\n");

    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || !end)
        fail("no answer of HTTP");
    while (line < end) {
        size_t length = strcspn(line + 2, "\r\n");

        if (!is_known_header(line + 2, length))
            fail("a header that is none of ours");
        line += 2 + length;
    }
}

static void check_status(void)
{
    int status = atoi(answer + 9);
    const char *end = strstr(answer, "\r\n\r\n");

    if (status == 500)
        fail("a handler did not answer");
    if (status / 100 == 2 && !strstr(input, SECRET) && strncmp(end + 4, "ok\n", 3) != 0 &&
        !strstr(input, "HEAD"))
        fail("somebody without a token got something");
}

static void check_log(void)
{
    ssize_t size = pread(log_fd, log_text, sizeof(log_text) - 1, 0);
    char *next;

    log_text[size > 0 ? size : 0] = '\0';
    for (char *line = log_text; *line; line = next) {
        size_t length = strcspn(line, "\n");

        next = line + length + (line[length] == '\n');
        if (strncmp(line, "time=", 5) != 0 || !tn_text_is_clean(line, length))
            fail("a line of the log that is none");
    }
}

/* A client that writes a token where it does not belong tells it himself. */
static void check_secrets(void)
{
    const char *first = strstr(input, SECRET);
    const char *authorization = strcasestr(input, "\nAuthorization:");

    if (!first || !authorization || first < authorization || strstr(first + 1, SECRET) ||
        memchr(authorization + 1, '\n', (size_t)(first - authorization - 1)))
        return;
    if (strstr(answer, SECRET) || strstr(log_text, SECRET))
        fail("a token shows");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t heard;

    if (size == 0 || size > INPUT_MOST || memchr(data, '\0', size))
        return 0;
    if (!tenond.http)
        open_server();
    (void)memcpy(input, data, size);
    input[size] = '\0';
    tn_attempts_init(&tenond.attempts, 1);
    if (ftruncate(log_fd, 0) < 0 || lseek(log_fd, 0, SEEK_SET) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0)
        abort();
    heard = talk(size);
    (void)dup2(real_stderr, STDERR_FILENO);
    check_log();
    if (heard == 0 || strncmp(answer, "HTTP/1.1 100", 12) == 0)
        return 0;
    check_headers();
    check_status();
    check_secrets();
    return 0;
}
