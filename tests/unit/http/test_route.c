#include "tn_test.h"

#include "http/route.h"

#include <stdio.h>
#include <string.h>

static void nothing(struct tn_http_request *request, void *user)
{
    (void)request;
    (void)user;
}

static const struct tn_route rows[] = {
    { .method = "GET", .path = "/healthz", .run = nothing },
    { .method = "GET", .path = "/v1/devices/{id}", .run = nothing },
    { .method = "PUT", .path = "/v1/devices/{id}", .run = nothing },
    { .method = "GET", .path = "/v1/models/{model}/releases/{version}", .run = nothing },
    { .method = "HEAD", .path = "/v1/blobs/{hex}", .run = nothing },
    { .method = "GET", .path = "/v1/blobs/{hex}", .run = nothing },
    { 0 },
};

struct find {
    struct tn_routes *routes;
    struct tn_route_match match;
};

static int find(struct find *find, const char *method, const char *path)
{
    return tn_routes_find(find->routes, method, path, &find->match);
}

static int setup(void **state)
{
    static struct find find;

    *state = &find;
    return tn_routes_new(rows, &find.routes, NULL);
}

static int teardown(void **state)
{
    tn_routes_free(((struct find *)*state)->routes);
    return 0;
}

#define ROUTE_TEST(name) static void name(void **state)

ROUTE_TEST(find__decodes_parts_after_the_path_was_cut)
{
    struct find *f = *state;

    assert_int_equal(find(f, "GET", "/v1/models/yolo%20v5/releases/1.2.0%2B1"), 0);
    assert_string_equal(tn_route_part(&f->match, "model"), "yolo v5");
    assert_string_equal(tn_route_part(&f->match, "version"), "1.2.0+1");
    assert_int_equal(f->match.index, 3);
}

ROUTE_TEST(find__matches_no_part_that_could_leave_its_place)
{
    static const char *const bad[] = {
        "/v1/devices/..",
        "/v1/devices/.",
        "/v1/devices/",
        "/v1/devices/%2e%2e",
        "/v1/devices/a%2Fb",
        "/v1/devices/a%00b",
        "/v1/devices/a%0d%0a",
        "/v1/devices/%ff",
        "/v1/devices/%c0%af",
        "/v1/devices/%",
        "/v1/devices/%4",
        "/v1/devices/%zz",
        "/v1/devices/a/b",
        "/v1//devices/a",
        "v1/devices/a",
        "",
        "/",
        "//////////////////////////////",
        "/v1/devices/a/",
        "/v1/devices/%ed%a0%80x",
        "/V1/devices/a",
    };
    struct find *f = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(find(f, "GET", bad[i]), 404);
}

ROUTE_TEST(find__refuses_a_part_that_is_too_long)
{
    char path[4000];
    struct find *f = *state;

    (void)memset(path, 'a', sizeof(path));
    (void)memcpy(path, "/v1/devices/", 12);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(find(f, "GET", path), 414);
}

ROUTE_TEST(find__names_the_methods_that_a_path_takes)
{
    struct find *f = *state;

    assert_int_equal(find(f, "DELETE", "/v1/devices/a"), 405);
    assert_string_equal(f->match.allowed, "GET, HEAD, PUT");
}

ROUTE_TEST(find__serves_head_by_get_unless_it_has_a_row)
{
    struct find *f = *state;

    assert_int_equal(find(f, "HEAD", "/v1/devices/a"), 0);
    assert_int_equal(f->match.index, 1);
    assert_int_equal(find(f, "HEAD", "/v1/blobs/aa"), 0);
    assert_int_equal(f->match.index, 4);
    assert_int_equal(find(f, "GET", "/v1/blobs/aa"), 0);
    assert_int_equal(f->match.index, 5);
}

TEST(percent_decode__never_writes_beyond_its_room)
{
    char text[4] = "zzz";

    assert_true(tn_percent_decode("abc", 3, text, sizeof(text)));
    assert_string_equal(text, "abc");
    assert_false(tn_percent_decode("abcd", 4, text, sizeof(text)));
    assert_true(tn_percent_decode("%41%42%43", 9, text, sizeof(text)));
    assert_string_equal(text, "ABC");
    assert_false(tn_percent_decode("", 0, text, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find__decodes_parts_after_the_path_was_cut),
        cmocka_unit_test(find__matches_no_part_that_could_leave_its_place),
        cmocka_unit_test(find__refuses_a_part_that_is_too_long),
        cmocka_unit_test(find__names_the_methods_that_a_path_takes),
        cmocka_unit_test(find__serves_head_by_get_unless_it_has_a_row),
        cmocka_unit_test(percent_decode__never_writes_beyond_its_room),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
