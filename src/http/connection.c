/*
 * Connections and their deadlines; the phases stand in server.h.
 *
 * libmicrohttpd's own time-out counts inactivity only: a header that drips a byte a second keeps
 * its connection for ever. So every phase has an end, and who misses it is shut down; the daemon
 * then sees the end of the stream and cleans up.
 */
#include "http/http_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { SWEEP_MS = 1000, LONGEST_S = 7 * 24 * 3600 };

static void opened(struct tn_http *http, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct tn_connection *connection = calloc(1, sizeof(*connection));

    if (!connection || !info) {
        free(connection);
        if (info)
            (void)shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    connection->fd = info->connect_fd;
    connection->next = http->connections;
    if (http->connections)
        http->connections->previous = connection;
    http->connections = connection;
    http->figures.connections++;
    http->figures.accepted++;
    tn_connection_phase(http, connection, TN_PHASE_HEAD, 0);
    *context = connection;
}

static void closed(struct tn_http *http, struct tn_connection *connection)
{
    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        http->connections = connection->next;
    http->figures.connections--;
    free(connection);
}

void tn_connection_notify(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct tn_http *http = user;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        opened(http, mhd, context);
    } else if (*context) {
        closed(http, *context);
        *context = NULL;
    }
}

void tn_connection_phase(struct tn_http *http, struct tn_connection *connection,
                         enum tn_phase phase, int64_t bytes)
{
    const struct tn_http_options *options = &http->options;
    int64_t ms = phase == TN_PHASE_IDLE ? options->idle_ms : options->head_ms;
    int64_t s = bytes / options->slowest_bytes_per_s; /* as many as the client says: bounded */

    assert(bytes >= 0);
    if (!connection)
        return;
    connection->phase = phase;
    connection->deadline =
        http->now + ms * TN_NSEC_PER_MS + (s < LONGEST_S ? s : LONGEST_S) * TN_NSEC_PER_S;
}

/* A client that died in the middle of a body: all that it sent was read, and no more will come.
 * libmicrohttpd misses that where the last bytes and the end arrived as one edge; a lock on the
 * upload would then outlive its writer by hours. */
static bool ended_early(const struct tn_connection *connection)
{
    char byte;

    return connection->phase == TN_PHASE_BODY &&
           recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool must_go(const struct tn_http *http, const struct tn_connection *connection)
{
    return connection->deadline <= http->now || ended_early(connection) ||
           (http->draining && connection->phase == TN_PHASE_IDLE);
}

void tn_connections_sweep(struct tn_http *http)
{
    if (http->now < http->next_sweep)
        return;
    http->next_sweep = http->now + (int64_t)SWEEP_MS * TN_NSEC_PER_MS;
    for (struct tn_connection *at = http->connections; at; at = at->next) {
        if (at->late || !must_go(http, at))
            continue;
        at->late = true;
        http->figures.late += at->phase != TN_PHASE_IDLE;
        (void)shutdown(at->fd, SHUT_RDWR);
    }
}
