#include "http/route.h"

#include "base/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct segment {
    const char *text;
    size_t length;
};

struct path {
    size_t count;
    struct segment segment[TN_ROUTE_SEGMENTS];
};

struct pattern {
    const struct tn_route *route;
    struct path path;
};

struct tn_routes {
    size_t count;
    struct pattern pattern[];
};

/* Cuts "/a/b" into "a" and "b". @return false when there are too many or it does not begin with '/'
 */
static bool cut_path(const char *text, struct path *ret_path)
{
    ret_path->count = 0;
    while (*text == '/') {
        size_t length = strcspn(text + 1, "/");

        if (ret_path->count == TN_ROUTE_SEGMENTS)
            return false;
        ret_path->segment[ret_path->count++] = (struct segment) { text + 1, length };
        text += 1 + length;
    }
    return *text == '\0' && ret_path->count > 0;
}

int tn_routes_new(const struct tn_route *rows, struct tn_routes **ret_routes, struct tn_error *err)
{
    struct tn_routes *routes;
    size_t count = 0;

    while (rows[count].path)
        count++;
    routes = calloc(1, sizeof(*routes) + count * sizeof(routes->pattern[0]));
    if (!routes)
        return tn_fail(err, TN_E_NOMEM, "no memory for %zu routes", count);
    for (; routes->count < count; routes->count++) {
        struct pattern *pattern = &routes->pattern[routes->count];
        bool cut = cut_path(rows[routes->count].path, &pattern->path);

        assert(cut);
        (void)cut;
        pattern->route = &rows[routes->count];
    }
    *ret_routes = routes;
    return TN_OK;
}

void tn_routes_free(struct tn_routes *routes)
{
    free(routes);
}

size_t tn_routes_count(const struct tn_routes *routes)
{
    return routes->count;
}

const struct tn_route *tn_routes_row(const struct tn_routes *routes, size_t index)
{
    assert(index < routes->count);
    return routes->pattern[index].route;
}

bool tn_percent_decode(const char *text, size_t length, char *ret_text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (used + 1 >= size)
            return false;
        if (c == '%') {
            int high = i + 2 < length ? tn_text_hex_value(text[i + 1]) : -1;
            int low = i + 2 < length ? tn_text_hex_value(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        ret_text[used++] = c;
    }
    if (size == 0)
        return false;
    ret_text[used] = '\0';
    return tn_text_is_clean(ret_text, used);
}

static bool is_name(const struct segment *pattern)
{
    return pattern->text[0] == '{';
}

/* A value that may stand for a name in a path. */
static bool is_value(const char *text)
{
    return *text && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 && !strchr(text, '/');
}

static bool matches(const struct path *pattern, const struct path *path)
{
    if (pattern->count != path->count)
        return false;
    for (size_t i = 0; i < path->count; i++) {
        const struct segment *want = &pattern->segment[i], *got = &path->segment[i];

        if (is_name(want))
            continue;
        if (want->length != got->length || memcmp(want->text, got->text, got->length) != 0)
            return false;
    }
    return true;
}

/* @return 0, 404 for a value that no path may carry, 414 for one that is too long */
static int take_parts(const struct path *pattern, const struct path *path,
                      struct tn_route_match *match)
{
    size_t used = 0;

    match->count = 0;
    for (size_t i = 0; i < path->count; i++) {
        char *value = match->text + used;

        if (!is_name(&pattern->segment[i]))
            continue;
        assert(match->count < TN_ROUTE_PARTS);
        if (path->segment[i].length >= sizeof(match->text) - used)
            return 414;
        if (!tn_percent_decode(path->segment[i].text, path->segment[i].length, value,
                               sizeof(match->text) - used) ||
            !is_value(value))
            return 404;
        match->part[match->count].name = pattern->segment[i].text + 1;
        match->part[match->count++].value = value;
        used += strlen(value) + 1;
    }
    return 0;
}

static void allow(char *allowed, size_t size, const char *method)
{
    size_t used = strlen(allowed);

    (void)snprintf(allowed + used, size - used, "%s%s", used > 0 ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        allow(allowed, size, "HEAD");
}

/* The row of the method itself; for HEAD else the row of GET. */
static const struct pattern *choose(const struct tn_routes *routes, const char *method,
                                    const struct path *path, struct tn_route_match *match)
{
    const struct pattern *get = NULL;

    match->allowed[0] = '\0';
    for (size_t i = 0; i < routes->count; i++) {
        const struct pattern *pattern = &routes->pattern[i];

        if (!matches(&pattern->path, path))
            continue;
        if (strcmp(pattern->route->method, method) == 0)
            return pattern;
        if (strcmp(pattern->route->method, "GET") == 0)
            get = pattern;
        allow(match->allowed, sizeof(match->allowed), pattern->route->method);
    }
    return strcmp(method, "HEAD") == 0 ? get : NULL;
}

int tn_routes_find(const struct tn_routes *routes, const char *method, const char *text,
                   struct tn_route_match *ret_match)
{
    const struct pattern *pattern;
    struct path path;

    if (!cut_path(text, &path))
        return 404;
    pattern = choose(routes, method, &path, ret_match);
    if (!pattern)
        return ret_match->allowed[0] ? 405 : 404;
    ret_match->route = pattern->route;
    ret_match->index = (size_t)(pattern - routes->pattern);
    return take_parts(&pattern->path, &path, ret_match);
}

const char *tn_route_part(const struct tn_route_match *match, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < match->count; i++)
        if (strncmp(match->part[i].name, name, length) == 0 && match->part[i].name[length] == '}')
            return match->part[i].value;
    assert(match->count == SIZE_MAX); /* the name is not in the pattern */
    return "";
}
