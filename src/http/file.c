/*
 * Files: ranges and conditions, and the one rate that all downloads share.
 *
 * Without a rate the kernel sends the file (sendfile). With one, the body comes from a reader that
 * takes tokens; without tokens it suspends its connection and queues up, and the loop wakes the
 * queue in turn when tokens have grown, so that each gets its share.
 */
#include "http/http_priv.h"

#include "base/file.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, REFILL_MS = 50 };

static void queue_up(struct tn_transfer *transfer)
{
    struct tn_http *http = transfer->http;

    assert(!transfer->waiting);
    transfer->waiting = true;
    transfer->next = NULL;
    if (http->last_waiting)
        http->last_waiting->next = transfer;
    else
        http->first_waiting = transfer;
    http->last_waiting = transfer;
    http->figures.waiting_downloads++;
    if (transfer->connection)
        transfer->connection->deadline = INT64_MAX; /* it is we who are slow */
    MHD_suspend_connection(transfer->mhd);
}

static void wake_first(struct tn_http *http)
{
    struct tn_transfer *transfer = http->first_waiting;

    http->first_waiting = transfer->next;
    if (!http->first_waiting)
        http->last_waiting = NULL;
    transfer->waiting = false;
    http->figures.waiting_downloads--;
    tn_connection_phase(http, transfer->connection, TN_PHASE_ANSWER, PIECE);
    http->resumed = true;
    MHD_resume_connection(transfer->mhd);
}

static void unqueue(struct tn_transfer *transfer)
{
    struct tn_http *http = transfer->http;
    struct tn_transfer **at = &http->first_waiting, *before = NULL;

    for (; *at && *at != transfer; at = &(*at)->next)
        before = *at;
    if (!*at)
        return;
    *at = transfer->next;
    if (http->last_waiting == transfer)
        http->last_waiting = before;
    http->figures.waiting_downloads--;
}

int64_t tn_transfers_refill(struct tn_http *http)
{
    int64_t rate = http->options.download_bytes_per_s;
    tn_nsec passed = http->now - http->refilled;

    if (rate == 0)
        return -1;
    if (passed >= (tn_nsec)REFILL_MS * TN_NSEC_PER_MS) {
        /* at most a second's worth is saved up */
        http->refilled = http->now;
        http->tokens +=
            passed >= TN_NSEC_PER_S ? rate : (int64_t)((double)rate * (double)passed / 1e9);
        http->tokens = http->tokens > rate ? rate : http->tokens;
        for (int64_t left = http->tokens; left > 0 && http->first_waiting; left -= PIECE)
            wake_first(http);
    }
    return http->first_waiting ? (int64_t)REFILL_MS * TN_NSEC_PER_MS : -1;
}

void tn_transfers_release(struct tn_http *http)
{
    while (http->first_waiting)
        wake_first(http);
}

static ssize_t read_piece(void *user, uint64_t at, char *data, size_t most)
{
    struct tn_transfer *transfer = user;
    struct tn_http *http = transfer->http;
    ssize_t got;

    if (http->tokens <= 0) {
        queue_up(transfer);
        return 0;
    }
    if (http->tokens < (int64_t)most)
        most = (size_t)http->tokens;
    do
        got = pread(transfer->fd, data, most, transfer->from + (int64_t)at);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    http->tokens -= got;
    tn_connection_phase(http, transfer->connection, TN_PHASE_ANSWER, PIECE);
    return got;
}

static void end_transfer(void *user)
{
    struct tn_transfer *transfer = user;

    if (transfer->waiting)
        unqueue(transfer);
    tn_fd_done(&transfer->fd);
    free(transfer);
}

static struct MHD_Response *paced(struct tn_http_request *request, int fd,
                                  const struct tn_range *range)
{
    struct tn_transfer *transfer = calloc(1, sizeof(*transfer));
    struct MHD_Response *answer;

    if (!transfer) {
        tn_fd_done(&fd);
        return NULL;
    }
    *transfer = (struct tn_transfer) { .http = request->http,
                                       .connection = request->connection,
                                       .mhd = request->mhd,
                                       .fd = fd,
                                       .from = range->from };
    answer = MHD_create_response_from_callback((uint64_t)range->bytes, PIECE, read_piece, transfer,
                                               end_transfer);
    if (!answer)
        end_transfer(transfer);
    return answer;
}

/* The answer's body; takes the descriptor. */
static struct MHD_Response *body_of(struct tn_http_request *request, int fd,
                                    const struct tn_range *range)
{
    struct MHD_Response *answer;

    if (request->http->options.download_bytes_per_s > 0 && strcmp(request->method, "GET") == 0)
        return paced(request, fd, range);
    answer =
        MHD_create_response_from_fd_at_offset64((uint64_t)range->bytes, fd, (uint64_t)range->from);
    if (!answer)
        tn_fd_done(&fd);
    return answer;
}

static void add_modified(struct tn_http_request *request, int fd)
{
    char text[40];
    struct stat st;
    struct tm utc;

    if (fstat(fd, &st) == 0 && gmtime_r(&st.st_mtime, &utc) &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc) > 0)
        tn_http_set_header(request, MHD_HTTP_HEADER_LAST_MODIFIED, text);
}

static void add_disposition(struct tn_http_request *request, const char *name)
{
    char text[160];

    if (name && !strpbrk(name, "\"\\;\r\n") &&
        (size_t)snprintf(text, sizeof(text), "attachment;filename=%s", name) < sizeof(text))
        tn_http_set_header(request, MHD_HTTP_HEADER_CONTENT_DISPOSITION, text);
}

static void add_content_range(struct tn_http_request *request, int status,
                              const struct tn_range *range, int64_t size)
{
    char text[96];

    if (status == 206)
        (void)snprintf(text, sizeof(text), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range->from,
                       range->from + range->bytes - 1, size);
    else
        (void)snprintf(text, sizeof(text), "bytes */%" PRId64, size);
    tn_http_set_header(request, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

void tn_http_reply_file(struct tn_http_request *request, const struct tn_http_file *file)
{
    bool head = strcmp(request->method, "HEAD") == 0;
    const struct tn_conditions conditions = {
        .if_match = tn_http_header(request, MHD_HTTP_HEADER_IF_MATCH),
        .if_none_match = tn_http_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH),
        .if_range = tn_http_header(request, MHD_HTTP_HEADER_IF_RANGE),
        .range = head ? NULL : tn_http_header(request, MHD_HTTP_HEADER_RANGE),
    };
    struct tn_range range = { 0 };
    int status = tn_range_answer(&conditions, file->etag, file->bytes, &range);
    struct MHD_Response *answer;
    int fd = file->fd;

    tn_http_set_header(request, MHD_HTTP_HEADER_ETAG, file->etag);
    tn_http_set_header(request, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    add_modified(request, fd);
    add_disposition(request, file->name);
    if (status == 206 || status == 416)
        add_content_range(request, status, &range, file->bytes);
    if (status != 200 && status != 206) {
        tn_fd_done(&fd);
        tn_http_reply(request, status, NULL, NULL, 0);
        return;
    }
    answer = body_of(request, fd, &range);
    if (!answer)
        return; /* answered as a failure of the server */
    (void)MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  file->type ? file->type : "application/octet-stream");
    tn_reply_take(request, status, answer);
    request->file_bytes = head ? -1 : range.bytes;
}
