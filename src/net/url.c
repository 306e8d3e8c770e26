#include "net/url.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

/* What RFC 3986 calls unreserved; everything else is written as %XX. */
static bool is_plain(unsigned char byte)
{
    return isalnum(byte) || (byte && strchr("-._~", byte));
}

static void add_encoded(struct tn_buf *path, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (is_plain(byte))
            tn_buf_add(path, text, 1);
        else
            tn_buf_addf(path, "%%%02X", byte);
    }
}

void tn_url_add_segment(struct tn_buf *path, const char *segment)
{
    /* "." and ".." would be taken for steps of the path */
    bool dots = strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;

    tn_buf_adds(path, "/");
    if (!dots)
        add_encoded(path, segment);
    else
        for (; *segment; segment++)
            tn_buf_adds(path, "%2E");
}

void tn_url_add_query(struct tn_buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    tn_buf_addf(path, "%c%s=", strchr(tn_buf_text(path), '?') ? '&' : '?', name);
    add_encoded(path, value);
}

/* ---- reading ---- */

struct parts {
    const char *host;
    size_t host_length;
    const char *port; /* NULL = none */
    size_t port_length;
};

static bool host_byte(unsigned char byte)
{
    return isalnum(byte) || (byte && strchr("-._", byte));
}

/* "[::1]:8600" or "host:8600" */
static int split_authority(const char *text, size_t length, struct parts *ret_parts,
                           struct tn_error *err)
{
    const char *end = text + length;
    const char *at = text;

    if (length > 0 && text[0] == '[') {
        at = memchr(text, ']', length);
        if (!at)
            return tn_fail(err, TN_E_USAGE, "the address has '[' without ']'");
        for (const char *c = text + 1; c < at; c++)
            if (!isxdigit((unsigned char)*c) && !strchr(":.", *c))
                return tn_fail(err, TN_E_USAGE, "the address has no valid IPv6 host");
        at++;
    } else {
        while (at < end && host_byte((unsigned char)*at))
            at++;
    }
    ret_parts->host = text;
    ret_parts->host_length = (size_t)(at - text);
    if (ret_parts->host_length == 0)
        return tn_fail(err, TN_E_USAGE, "the address names no host");
    if (at < end && *at == ':') {
        ret_parts->port = at + 1;
        ret_parts->port_length = (size_t)(end - at - 1);
        at = end;
    }
    if (at != end)
        return tn_fail(err, TN_E_USAGE, "the address has a host with a character that none has");
    return TN_OK;
}

static bool is_loopback(const char *host, size_t length)
{
    static const char *const names[] = { "localhost", "[::1]" };
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (length == strlen(names[i]) && strncasecmp(host, names[i], length) == 0)
            return true;
    /* 127.0.0.0/8 written in four numbers: "127.evil.example" is a name, and so is "127.0.0.999" */
    return tn_text_copy_n(text, sizeof(text), host, length) &&
           inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

static int check_port(const struct parts *parts, struct tn_error *err)
{
    uint64_t port = 0;

    if (!parts->port)
        return TN_OK;
    if (!tn_text_u64(parts->port, parts->port_length, &port) || port == 0 || port > 65535)
        return tn_fail(err, TN_E_USAGE, "the address has no valid port (1 to 65535)");
    return TN_OK;
}

static int check_prefix(const char *prefix, struct tn_error *err)
{
    for (; *prefix; prefix++)
        if (!is_plain((unsigned char)*prefix) && *prefix != '/' && *prefix != '%')
            return tn_fail(err, TN_E_USAGE,
                           "the address has a character in its path that is not allowed there");
    return TN_OK;
}

static void lower(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
}

int tn_url_parse(const char *text, struct tn_url *ret_url, struct tn_error *err)
{
    struct tn_url url = { .tls = strncasecmp(text, "https://", 8) == 0 };
    size_t scheme = url.tls ? 8 : 7;
    struct parts parts = { 0 };
    size_t authority, length;
    int rc;

    if (!url.tls && strncasecmp(text, "http://", 7) != 0)
        return tn_fail(err, TN_E_USAGE,
                       "an address starts with http:// or https://, as http://127.0.0.1:8600");
    if (strpbrk(text, "@?#"))
        return tn_fail(err, TN_E_USAGE,
                       "an address has no user, password, query or fragment; a token comes from a "
                       "file (--token-file)");
    authority = strcspn(text + scheme, "/");
    rc = split_authority(text + scheme, authority, &parts, err);
    if (rc == TN_OK)
        rc = check_port(&parts, err);
    if (rc == TN_OK)
        rc = check_prefix(text + scheme + authority, err);
    if (rc < 0)
        return rc;
    url.loopback = is_loopback(parts.host, parts.host_length);
    if (!tn_text_copy(url.text, sizeof(url.text), text))
        return tn_fail(err, TN_E_USAGE, "an address has at most %d bytes", TN_URL_MAX - 1);
    lower(url.text, scheme + parts.host_length);
    length = strlen(url.text);
    while (length > scheme && url.text[length - 1] == '/')
        url.text[--length] = '\0';
    *ret_url = url;
    return TN_OK;
}
