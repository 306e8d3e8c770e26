#include "http/http_priv.h"

#include "base/file.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* "127.0.0.1:8600", "[::1]:8600", "tenon.example:8600" → host and port. */
static bool cut_address(const char *text, char *ret_host, size_t size, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;

    if (!colon || length == 0 || colon[1] == '\0')
        return false;
    if (text[0] == '[') {
        if (length < 3 || text[length - 1] != ']')
            return false;
        text++;
        length -= 2;
    } else if (memchr(text, ':', length)) {
        return false;
    }
    *ret_port = colon + 1;
    return tn_text_copy_n(ret_host, size, text, length);
}

/* getaddrinfo() would take 65536 for 0. */
static int read_address(const char *text, char *ret_host, size_t size, const char **ret_port,
                        struct tn_error *err)
{
    int64_t number;

    if (!cut_address(text, ret_host, size, ret_port))
        return tn_fail(err, TN_E_USAGE, "'%s' is not ADDRESS:PORT", text);
    if (!tn_text_i64(*ret_port, &number) || number < 0 || number > UINT16_MAX)
        return tn_fail(err, TN_E_USAGE, "'%s': a port is a number from 0 to %d", text, UINT16_MAX);
    return TN_OK;
}

int tn_http_check_listen(const char *address, struct tn_error *err)
{
    char host[256];
    const char *port = NULL;

    return read_address(address, host, sizeof(host), &port, err);
}

int tn_http_check_proxy(const char *address, struct tn_error *err)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN] = "";
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;

    if (inet_pton(family, address, bytes) != 1 || !inet_ntop(family, bytes, text, sizeof(text)))
        return tn_fail(err, TN_E_USAGE, "'%s' is no address of one machine, as 192.0.2.7 or ::1",
                       address);
    if (strcmp(text, address) != 0) /* it is compared as text */
        return tn_fail(err, TN_E_USAGE, "'%s' is written %s", address, text);
    return TN_OK;
}

static int describe(int fd, bool tls, char *ret_url, size_t size, struct tn_error *err)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof(bound);
    char host[INET6_ADDRSTRLEN], port[8];
    bool v6;

    if (getsockname(fd, (struct sockaddr *)&bound, &length) < 0)
        return tn_fail_os(err, TN_E_IO, "name of the listening socket");
    if (getnameinfo((struct sockaddr *)&bound, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return tn_fail(err, TN_E_IO, "address of the listening socket");
    v6 = bound.ss_family == AF_INET6;
    (void)snprintf(ret_url, size, "%s://%s%s%s:%s", tls ? "https" : "http", v6 ? "[" : "", host,
                   v6 ? "]" : "", port);
    return TN_OK;
}

static int open_socket(const struct addrinfo *at, const char *address, int *ret_fd,
                       struct tn_error *err)
{
    const int yes = 1;
    tn_auto(tn_fd_done) int fd =
        socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "socket for '%s'", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0)
        return tn_fail_os(err, errno == EADDRINUSE ? TN_E_AGAIN : TN_E_IO, "bind to '%s'", address);
    if (listen(fd, BACKLOG) < 0)
        return tn_fail_os(err, errno == EADDRINUSE ? TN_E_AGAIN : TN_E_IO, "listen on '%s'",
                          address);
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}

int tn_listen(const char *address, bool tls, char *ret_url, size_t size, int *ret_fd,
              struct tn_error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    tn_auto(tn_fd_done) int fd = -1;
    struct addrinfo *found = NULL;
    char host[256];
    const char *port = NULL;
    int rc;

    rc = read_address(address, host, sizeof(host), &port, err);
    if (rc < 0)
        return rc;
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return tn_fail(err, TN_E_USAGE, "address '%s': %s", address, gai_strerror(rc));
    rc = open_socket(found, address, &fd, err);
    freeaddrinfo(found);
    if (rc < 0)
        return rc;
    rc = describe(fd, tls, ret_url, size, err);
    if (rc < 0)
        return rc;
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}
