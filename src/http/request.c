#include "http/http_priv.h"

#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { QUERY_MOST = 2048 };

const char *tn_http_method(const struct tn_http_request *request)
{
    return request->method;
}

const char *tn_http_path(const struct tn_http_request *request)
{
    return request->path;
}

const char *tn_http_part(const struct tn_http_request *request, const char *name)
{
    return tn_route_part(&request->match, name);
}

/* The library was told not to decode, so that paths are cut before they are decoded; it hands out
 * the raw text with '+' as a blank. */
const char *tn_http_query(struct tn_http_request *request, const char *name)
{
    const char *raw = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);
    char text[QUERY_MOST];
    char *kept;

    if (!raw || !tn_percent_decode(raw, strlen(raw), text, sizeof(text)))
        return NULL;
    if (strcmp(raw, text) == 0)
        return raw;
    assert(request->query_count < TN_QUERIES);
    kept = request->query_count < TN_QUERIES ? strdup(text) : NULL;
    if (kept)
        request->query[request->query_count++] = kept;
    return kept;
}

bool tn_http_query_given(const struct tn_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name) != NULL;
}

const char *tn_http_header(const struct tn_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

static enum MHD_Result keep_last(void *user, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    const char **pair = user; /* the name that is looked for, and its value */

    (void)kind;
    if (strcasecmp(name, pair[0]) == 0)
        pair[1] = value;
    return MHD_YES;
}

/* Of a header that stands there several times, as a proxy adds its own behind the client's. */
static const char *last_header(const struct tn_http_request *request, const char *name)
{
    const char *pair[2] = { name, NULL };

    (void)MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, keep_last, pair);
    return pair[1];
}

/* The numeric address of the other end of the connection; one of IPv4 that came in over a socket of
 * IPv6 as what it is, so that it equals --trusted-proxy. */
static bool peer_address(const struct tn_http_request *request, char *ret_text, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    static const char mapped[] = "::ffff:";
    socklen_t length;

    if (!info || !info->client_addr)
        return false;
    length = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : sizeof(struct sockaddr_in);
    if (getnameinfo(info->client_addr, length, ret_text, (socklen_t)size, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return false;
    if (tn_text_starts(ret_text, mapped) && strchr(ret_text, '.'))
        (void)memmove(ret_text, ret_text + strlen(mapped), strlen(ret_text + strlen(mapped)) + 1);
    return true;
}

static bool is_behind_proxy(const struct tn_http_request *request)
{
    const char *proxy = request->http->options.trusted_proxy;
    char peer[TN_ADDRESS_TEXT];

    return proxy && peer_address(request, peer, sizeof(peer)) && strcmp(peer, proxy) == 0;
}

const char *tn_http_address(struct tn_http_request *request)
{
    const char *forwarded, *last;

    if (request->address[0])
        return request->address;
    if (!peer_address(request, request->address, sizeof(request->address)))
        (void)tn_text_copy(request->address, sizeof(request->address), "unknown");
    forwarded = is_behind_proxy(request) ? last_header(request, "X-Forwarded-For") : NULL;
    if (forwarded) {
        /* the last entry is the proxy's own observation; earlier ones are the client's claims */
        last = strrchr(forwarded, ',');
        last = last ? last + 1 + strspn(last + 1, " ") : forwarded;
        if (*last && tn_text_is_clean(last, strlen(last)))
            (void)tn_text_copy(request->address, sizeof(request->address), last);
    }
    return request->address;
}

bool tn_http_is_tls(const struct tn_http_request *request)
{
    const char *forwarded;

    if (request->http->options.tls_cert)
        return true;
    if (!request->http->options.trusted_proxy)
        return false;
    forwarded = last_header(request, "X-Forwarded-Proto");
    return forwarded && strcasecmp(forwarded, "https") == 0 && is_behind_proxy(request);
}

/* What may stand in a Host header and then, unescaped, in a URL in JSON. */
static bool is_host(const char *host)
{
    size_t length = strlen(host);

    if (length == 0 || length > 255)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr("-._:[]", host[i]))
            return false;
    return true;
}

const char *tn_http_origin(struct tn_http_request *request)
{
    const char *host;

    if (request->origin[0])
        return request->origin;
    host = tn_http_header(request, "Host");
    if (host && is_host(host))
        (void)snprintf(request->origin, sizeof(request->origin), "%s://%s",
                       tn_http_is_tls(request) ? "https" : "http", host);
    else
        (void)tn_text_copy(request->origin, sizeof(request->origin), request->http->url);
    return request->origin;
}

void *tn_http_stream(const struct tn_http_request *request)
{
    return request->stream;
}

int64_t tn_http_body_bytes(const struct tn_http_request *request)
{
    const char *length = tn_http_header(request, "Content-Length");
    uint64_t bytes;

    if (tn_http_header(request, "Transfer-Encoding"))
        return -1;
    if (!length)
        return 0;
    return tn_text_u64(length, strlen(length), &bytes) && bytes <= INT64_MAX ? (int64_t)bytes : -1;
}

const char *tn_http_body(const struct tn_http_request *request, size_t *ret_size)
{
    *ret_size = request->body.size;
    return tn_buf_text(&request->body);
}

void tn_http_set_who(struct tn_http_request *request, const char *who)
{
    (void)tn_text_copy(request->who, sizeof(request->who), who);
}

const char *tn_http_who(const struct tn_http_request *request)
{
    return request->who;
}

void tn_http_set_note(struct tn_http_request *request, int number)
{
    request->note = number;
}

int tn_http_note(const struct tn_http_request *request)
{
    return request->note;
}
