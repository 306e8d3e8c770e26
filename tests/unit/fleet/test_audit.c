/* The audit log: kept for ever, unless its operator says how long. */
#include "fixture.h"

static const int64_t day_ms = 86400000;

enum { ENTRIES = 1500, KEPT_LEAST = 1000 };

/* Entries a minute apart, from NOW on. */
static struct place place_with_entries(void)
{
    struct place place = place_new();

    (void)enroll(&place, "d1");
    for (int i = 0; i < ENTRIES; i++) {
        char value[16];

        (void)snprintf(value, sizeof(value), "%d", i);
        WELL(tn_fleet_label(place.fleet, device(&place, "d1"), "n", value, "test",
                            NOW + i * INT64_C(60000), &err));
    }
    return place;
}

static void keep_for(struct place *place, int64_t keep_ms)
{
    place_commit(place);
    place_close(place);
    place->options.keep_audit_ms = keep_ms;
    place_open(place);
}

/* All pages of 400; the newest must be there, and nothing be missing between two. */
static int count_entries(struct place *place)
{
    struct tn_page page = { .cursor = "", .limit = 400 };
    char cursor[288] = "";
    int count = 0, pages = 0;

    do {
        json_t *array;

        page.cursor = cursor;
        array = tn_fleet_audit_json(place->fleet, &page, NULL);
        assert_non_null(array);
        for (size_t i = 0; i < json_array_size(array); i++, count++)
            assert_int_equal(
                atoi(tn_json_str(json_object_get(json_array_get(array, i), "detail"), "value", "")),
                ENTRIES - 1 - count);
        json_decref(array);
        (void)snprintf(cursor, sizeof(cursor), "%s", page.ret_cursor);
        assert_true(++pages < 10);
    } while (cursor[0]);
    return count;
}

static void forget(struct place *place, int64_t now_ms, size_t most)
{
    WELL(tn_fleet_forget_audit(place->fleet, now_ms, most, &err));
}

TEST(audit__is_kept_for_ever_unless_the_operator_says_how_long)
{
    struct place place = place_with_entries();

    forget(&place, NOW + 10000 * day_ms, ENTRIES);
    place_commit(&place);
    forget(&place, NOW + 10000 * day_ms, ENTRIES);
    assert_false(tn_fleet_dirty(place.fleet));
    assert_int_equal(count_entries(&place), ENTRIES);
    place_done(&place);
}

TEST(audit__what_is_old_goes_in_bounded_steps_and_the_rest_is_paged_as_before)
{
    struct place place = place_with_entries();
    int64_t old = 300; /* minutes: the entries 0 … 299 are older */

    keep_for(&place, day_ms);
    forget(&place, NOW + day_ms + old * 60000, 200);
    assert_int_equal(count_entries(&place), ENTRIES - 200);
    forget(&place, NOW + day_ms + old * 60000, 200);
    forget(&place, NOW + day_ms + old * 60000, 200);
    assert_int_equal(count_entries(&place), ENTRIES - (int)old);
    place_restart(&place);
    assert_int_equal(count_entries(&place), ENTRIES - (int)old);
    place_done(&place);
}

TEST(audit__newest_entries_stay_however_far_the_clock_jumps)
{
    struct place place = place_with_entries();

    keep_for(&place, day_ms);
    for (int i = 0; i < 10; i++)
        forget(&place, NOW + 10000 * day_ms, 200);
    assert_int_equal(count_entries(&place), KEPT_LEAST);
    forget(&place, 0, 200); /* and a clock before all of them takes nothing */
    assert_int_equal(count_entries(&place), KEPT_LEAST);
    place_done(&place);
}

TEST(audit__entry_of_a_clock_that_was_ahead_does_not_keep_the_older_ones)
{
    struct place place = place_new();

    (void)enroll(&place, "d1");
    for (int i = 0; i < ENTRIES; i++) {
        char value[16];
        int64_t ahead = i == 7 ? 10000 * day_ms : 0;

        (void)snprintf(value, sizeof(value), "%d", i);
        WELL(tn_fleet_label(place.fleet, device(&place, "d1"), "n", value, "test", NOW + ahead,
                            &err));
    }
    keep_for(&place, day_ms);
    forget(&place, NOW + 2 * day_ms, 100);
    assert_int_equal(count_entries(&place), ENTRIES - 100);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audit__is_kept_for_ever_unless_the_operator_says_how_long),
        cmocka_unit_test(audit__what_is_old_goes_in_bounded_steps_and_the_rest_is_paged_as_before),
        cmocka_unit_test(audit__newest_entries_stay_however_far_the_clock_jumps),
        cmocka_unit_test(audit__entry_of_a_clock_that_was_ahead_does_not_keep_the_older_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
