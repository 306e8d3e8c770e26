/* Any text as the path of a request against the server's own table: a part that is handed out can
 * stand for a name, and nothing else. */
#include "base/text.h"
#include "tenond/tenond.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const struct tn_route_match *match)
{
    for (size_t i = 0; i < match->count; i++) {
        const char *value = match->part[i].value;

        if (!*value || strchr(value, '/') || strcmp(value, ".") == 0 || strcmp(value, "..") == 0 ||
            !tn_text_is_clean(value, strlen(value)))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "POST", "DELETE", "PATCH" };
    static struct tn_routes *routes;
    struct tn_route_match match;
    char *text = malloc(size + 1);

    if (!routes && tn_routes_new(tn_tenond_routes, &routes, NULL) < 0)
        abort();
    if (!text)
        return 0;
    if (size > 0)
        (void)memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < TN_COUNT(methods); i++)
        if (tn_routes_find(routes, methods[i], text, &match) == 0)
            check_parts(&match);
    free(text);
    return 0;
}
