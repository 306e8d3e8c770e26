/* Any text as the address of a server, and as a segment of a path: what we take for this machine is
 * what libcurl connects to, and a segment comes back as it was. */
#include "http/route.h"
#include "net/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_this_machine(const char *host)
{
    struct in_addr address;

    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* libcurl reads the address once more: it must see the same host and no user. */
static void check_with_curl(const struct tn_url *url)
{
    CURLU *handle = curl_url();
    char *host = NULL, *user = NULL;

    if (!handle)
        return;
    if (curl_url_set(handle, CURLUPART_URL, url->text, 0) == CURLUE_OK) {
        if (curl_url_get(handle, CURLUPART_USER, &user, 0) == CURLUE_OK)
            abort();
        if (curl_url_get(handle, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
            (url->loopback && !is_this_machine(host)))
            abort();
    }
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(handle);
}

static void check_address(const char *text)
{
    struct tn_url url, again;

    if (tn_url_parse(text, &url, NULL) != TN_OK)
        return;
    if (strpbrk(url.text, "@?# \r\n\t\\"))
        abort();
    if (tn_url_parse(url.text, &again, NULL) != TN_OK || strcmp(url.text, again.text) != 0 ||
        url.tls != again.tls || url.loopback != again.loopback)
        abort();
    check_with_curl(&url);
}

static void check_segment(const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(1 << 20);
    const char *made;
    char *back = malloc(strlen(text) + 1);

    tn_url_add_segment(&path, text);
    made = tn_buf_text(&path);
    if (made[0] != '/' || strpbrk(made + 1, "/?#& ") || strcmp(made, "/.") == 0 ||
        strcmp(made, "/..") == 0)
        abort();
    if (back && tn_percent_decode(made + 1, strlen(made + 1), back, strlen(text) + 1) &&
        strcmp(back, text) != 0)
        abort();
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size > 4096 || (text = malloc(size + 1)) == NULL)
        return 0;
    if (size > 0)
        (void)memcpy(text, data, size);
    text[size] = '\0';
    check_address(text);
    check_segment(text);
    free(text);
    return 0;
}
