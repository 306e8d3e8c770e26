#include "tn_test.h"

#include "http/range.h"

#include <stdlib.h>

static const char etag[] = "\"ac27\"";

static int part_of(const char *header, int64_t size, struct tn_range *range)
{
    const struct tn_conditions conditions = { .range = header };

    *range = (struct tn_range) { -1, -1 };
    return tn_range_answer(&conditions, etag, size, range);
}

TEST(range__gives_the_bytes_that_the_standard_gives)
{
    static const struct {
        const char *header;
        int64_t size;
        int status;
        int64_t from, bytes;
    } rows[] = {
        { "bytes=0-99", 200, 206, 0, 100 },
        { "bytes=0-0", 200, 206, 0, 1 },
        { "bytes=150-", 200, 206, 150, 50 },
        { "bytes=-10", 200, 206, 190, 10 },
        { "bytes=-500", 200, 206, 0, 200 },
        { "bytes=0-500", 200, 206, 0, 200 },
        { "BYTES= 5-6 ", 200, 206, 5, 2 },
        { "bytes=199-199", 200, 206, 199, 1 },
        { "bytes=0-99999999999999999999999", 200, 206, 0, 200 },
        { "bytes=200-", 200, 416, -1, -1 },
        { "bytes=99999999999999999999999-", 200, 416, -1, -1 },
        { "bytes=-0", 200, 416, -1, -1 },
        { "bytes=0-", 0, 416, -1, -1 },
        { "bytes=5-4", 200, 200, 0, 200 },
        { "bytes=0-9,20-29", 200, 200, 0, 200 },
        { "bytes=-", 200, 200, 0, 200 },
        { "bytes=", 200, 200, 0, 200 },
        { "bytes=a-b", 200, 200, 0, 200 },
        { "bytes=1-2x", 200, 200, 0, 200 },
        { "lines=1-2", 200, 200, 0, 200 },
        { "", 200, 200, 0, 200 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tn_range range;

        assert_int_equal(part_of(rows[i].header, rows[i].size, &range), rows[i].status);
        assert_int_equal(range.from, rows[i].from);
        assert_int_equal(range.bytes, rows[i].bytes);
    }
}

static int status_of(struct tn_conditions conditions)
{
    struct tn_range range;

    return tn_range_answer(&conditions, etag, 200, &range);
}

TEST(conditions__are_looked_at_in_the_order_of_the_standard)
{
    assert_int_equal(status_of((struct tn_conditions) { .if_match = "\"nope\"" }), 412);
    assert_int_equal(status_of((struct tn_conditions) { .if_match = "\"x\", \"ac27\"" }), 200);
    assert_int_equal(status_of((struct tn_conditions) { .if_match = "W/\"ac27\"" }), 412);
    assert_int_equal(status_of((struct tn_conditions) { .if_match = "*" }), 200);
    assert_int_equal(status_of((struct tn_conditions) { .if_none_match = "\"ac27\"" }), 304);
    assert_int_equal(status_of((struct tn_conditions) { .if_none_match = "W/\"ac27\"" }), 304);
    assert_int_equal(
        status_of((struct tn_conditions) { .if_match = "\"n\"", .if_none_match = "\"ac27\"" }),
        412);
}

TEST(if_range__gives_a_part_only_of_the_same_bytes)
{
    assert_int_equal(status_of((struct tn_conditions) { .if_range = etag, .range = "bytes=1-2" }),
                     206);
    assert_int_equal(
        status_of((struct tn_conditions) { .if_range = "\"old\"", .range = "bytes=1-2" }), 200);
    assert_int_equal(
        status_of((struct tn_conditions) { .if_range = "W/\"ac27\"", .range = "bytes=1-2" }), 200);
    assert_int_equal(status_of((struct tn_conditions) { .if_range = "Sun, 22 Nov 2026 23:08:09 GMT",
                                                        .range = "bytes=1-2" }),
                     200);
}

TEST(etag_list__survives_what_is_no_list)
{
    static const char *const broken[] = { "",     ",",      "\"",        "W/",
                                          "ac27", "\"ac27", "x\"ac27\"", "\"a\" \"ac27\"" };

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_false(tn_etag_listed(broken[i], etag, true));
}

TEST(content_range__is_read_or_refused)
{
    struct tn_range range;
    int64_t total;
    static const char *const broken[] = { "bytes 5-4/10",  "bytes 0-10/10", "bytes 0-9/*",
                                          "bytes */10",    "bytes 0-9",     "0-9/10",
                                          "bytes 0-9/10x", "bytes -1-9/10", "" };

    assert_true(tn_content_range_read("bytes 3-9/10", &range, &total));
    assert_int_equal(range.from, 3);
    assert_int_equal(range.bytes, 7);
    assert_int_equal(total, 10);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_false(tn_content_range_read(broken[i], &range, &total));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range__gives_the_bytes_that_the_standard_gives),
        cmocka_unit_test(conditions__are_looked_at_in_the_order_of_the_standard),
        cmocka_unit_test(if_range__gives_a_part_only_of_the_same_bytes),
        cmocka_unit_test(etag_list__survives_what_is_no_list),
        cmocka_unit_test(content_range__is_read_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
