/* Actions that have ended: few stay in memory, all are found. */
#include "fixture.h"

#include "db/sqlite.h"

enum { ROUNDS = 50, DAY_MS = 24 * 3600 * 1000 };

static const int64_t later_ms = INT64_C(91) * DAY_MS;

/* m@1 and m@2 for `ada`, and d1 that has one. */
static struct place place_with_two(void)
{
    struct place place = place_new();

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    (void)add_engine(&place, "1", &ada, TRT_10_6);
    (void)add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    return place;
}

/* d1 installs one release and the other, again and again. @return the first action */
static int64_t live(struct place *place)
{
    int64_t first = 0;

    for (int i = 0; i < ROUNDS; i++) {
        (void)deploy(place, i % 2 ? "2" : "1");
        first = first ? first : action_id(place, "d1");
        finish(place, "d1", true);
    }
    return first;
}

static int64_t rows_where(struct place *place, const char *where)
{
    sqlite3 *sqlite = NULL;
    char sql[128];
    int64_t count = -1;

    place_commit(place);
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM action WHERE %s", where);
    WELL(tn_sqlite_open(place->path, SQLITE_OPEN_READWRITE, &sqlite, &err));
    WELL(tn_sqlite_number(sqlite, sql, &count, &err));
    tn_sqlite_done(&sqlite);
    return count;
}

static json_t *actions(struct place *place, bool failed, const char *cursor, char ret_cursor[288])
{
    struct tn_page page = { .cursor = cursor, .limit = 20 };
    json_t *array = tn_fleet_actions_json(place->fleet, failed, &page);

    assert_non_null(array);
    (void)snprintf(ret_cursor, 288, "%s", page.ret_cursor);
    return array;
}

static int64_t number_of(struct place *place, int64_t deployment, const char *key)
{
    json_t *json = tn_fleet_deployment_json(place->fleet, deployment);
    int64_t number = tn_json_int(json, key, -1);

    json_decref(json);
    return number;
}

static void take_finished(const char *metric, const char *labels, double value, void *user)
{
    if (strcmp(metric, "actions") == 0 && strcmp(labels, "state=\"finished\"") == 0)
        *(double *)user = value;
}

static double finished_figure(struct place *place)
{
    double value = -1;

    tn_fleet_figures(place->fleet, NOW, take_finished, &value);
    return value;
}

/* ---- memory ---- */

TEST(ended__are_read_at_the_start_only_when_they_decide)
{
    struct place place = place_with_two();

    (void)live(&place);
    assert_int_equal(rows_where(&place, "1"), ROUNDS);
    assert_true(rows_where(&place, "settled = 0") <= 2);
    place_restart(&place);
    assert_true(finished_figure(&place) == ROUNDS);
    assert_int_equal(number_of(&place, 1, "finished"), 1);
    assert_int_equal(number_of(&place, 1, "assigned"), 1);
    place_done(&place);
}

TEST(ended__are_listed_and_shown_as_before)
{
    struct place place = place_with_two();
    int64_t first = live(&place), last = 0;
    char cursor[288] = "", before[288] = "";
    size_t seen = 0;
    json_t *json;

    do {
        json_t *array, *item;
        size_t i;

        memcpy(before, cursor, sizeof(before));
        array = actions(&place, false, before, cursor);
        json_array_foreach(array, i, item)
        {
            assert_true(last == 0 || tn_json_int(item, "id", 0) < last);
            last = tn_json_int(item, "id", 0);
            assert_string_equal(tn_json_str(item, "state", ""), "finished");
            seen++;
        }
        json_decref(array);
    } while (cursor[0]);
    assert_int_equal(seen, ROUNDS);
    json = tn_fleet_action_json(place.fleet, first);
    assert_string_equal(tn_json_str(json, "device", ""), "d1");
    assert_int_equal(json_array_size(json_object_get(json, "history")), 1);
    json_decref(json);
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_int_equal(json_array_size(json_object_get(json, "history")), 20);
    assert_int_equal(tn_json_int(json_array_get(json_object_get(json, "history"), 0), "id", 0),
                     first + ROUNDS - 1);
    assert_int_equal(tn_json_int(json_array_get(json_object_get(json, "history"), 19), "id", 0),
                     first + ROUNDS - 20);
    json_decref(json);
    place_done(&place);
}

TEST(ended__stay_ended_however_long_ago)
{
    const struct tn_feedback word = { .execution = "closed", .finished = "failure" };
    struct place place = place_with_two();
    struct tn_fleet_action action;
    int64_t first = live(&place);

    (void)add_device(&place, "d2", &ada, TRT_10_6);
    assert_int_equal(say(&place, "d1", first, word), TN_E_CANCELLED);
    assert_int_equal(say(&place, "d2", first, word), TN_E_NOTFOUND);
    assert_int_equal(tn_fleet_cancel(place.fleet, first, "test", NOW, NULL), TN_E_USAGE);
    assert_int_equal(
        tn_fleet_cancel_feedback(place.fleet, device(&place, "d1"), first, &word, NOW, NULL),
        TN_E_CANCELLED);
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d1"), first, NOW, &err));
    assert_true(tn_fleet_action_by_id(place.fleet, device(&place, "d1"), first, &action));
    assert_string_equal(action.state, "finished");
    assert_string_equal(action.version, "1");
    assert_false(tn_fleet_action_by_id(place.fleet, device(&place, "d2"), first, &action));
    place_done(&place);
}

/* ---- what decides ---- */

TEST(failed__are_not_given_again_however_many_came_between)
{
    struct place place = place_new();
    const char *bad, *good;
    int64_t other;

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    bad = add_engine(&place, "1", &ada, TRT_10_6);
    good = add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), bad);
    finish(&place, "d1", false);
    for (int i = 0; i < 5; i++) {
        other = deploy(&place, "2");
        if (i == 0)
            assert_string_equal(offered(&place, "d1"), good);
        if (offered(&place, "d1")[0])
            finish(&place, "d1", false);
        WELL(tn_fleet_deployment_set(place.fleet, other, "stopped", "", "test", NOW, &err));
        place_restart(&place);
        assert_string_equal(offered(&place, "d1"), "");
    }
    /* only those of the stopped deployments, but the newest, are of no use */
    assert_true(rows_where(&place, "settled = 0") <= 2);
    place_done(&place);
}

TEST(removed_device__gives_back_its_places_and_leaves_no_action)
{
    struct place place = place_with_two();
    char cursor[288];
    int64_t only;
    json_t *array;

    (void)live(&place);
    only = deploy_with(&place, (struct tn_deploy) { .version = "1", .first = 1 });
    finish(&place, "d1", true);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d2"), "");
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d1"), "test", NOW, &err));
    /* the next one has it at once */
    assert_string_not_equal(offered(&place, "d2"), "");
    assert_int_equal(number_of(&place, only, "assigned"), 1);
    assert_int_equal(number_of(&place, only, "finished"), 0);
    assert_int_equal(number_of(&place, 1, "finished"), 0);
    assert_true(finished_figure(&place) == 0);
    array = actions(&place, false, "", cursor);
    assert_int_equal(json_array_size(array), 1);
    assert_string_equal(tn_json_str(json_array_get(array, 0), "device", ""), "d2");
    json_decref(array);
    (void)add_device(&place, "d3", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d3"), "");
    place_restart(&place);
    assert_int_equal(number_of(&place, only, "assigned"), 1);
    place_done(&place);
}

/* ---- age ---- */

TEST(number__of_an_action_is_given_once_also_when_its_device_is_gone)
{
    struct place place = place_with_two();
    int64_t first;

    (void)deploy(&place, "1");
    first = action_id(&place, "d1");
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d1"), "test", NOW, &err));
    place_restart(&place);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    assert_true(action_id(&place, "d1") > first);
    place_done(&place);
}

TEST(old__are_removed_but_not_what_decides_and_not_from_the_figures)
{
    struct place place = place_with_two();
    int64_t first = live(&place);

    WELL(tn_fleet_forget_actions(place.fleet, NOW + DAY_MS, 1000, &err));
    assert_int_equal(rows_where(&place, "1"), ROUNDS);
    WELL(tn_fleet_forget_actions(place.fleet, NOW + later_ms, 10, &err));
    assert_int_equal(rows_where(&place, "1"), ROUNDS - 10);
    assert_null(tn_fleet_action_json(place.fleet, first));
    while (rows_where(&place, "settled = 1") > 0)
        WELL(tn_fleet_forget_actions(place.fleet, NOW + later_ms, 10, &err));
    assert_true(rows_where(&place, "1") >= 1);
    assert_string_not_equal(installed(&place, "d1"), "");
    assert_true(finished_figure(&place) == ROUNDS);
    place_restart(&place);
    assert_true(finished_figure(&place) == ROUNDS);
    assert_string_not_equal(installed(&place, "d1"), "");
    place_done(&place);
}

/* ---- an older program's file ---- */

TEST(older_file__is_counted_and_settled_once)
{
    struct place place = place_with_two();
    sqlite3 *sqlite = NULL;

    (void)live(&place);
    place_commit(&place);
    place_close(&place);
    WELL(tn_sqlite_open(place.path, SQLITE_OPEN_READWRITE, &sqlite, &err));
    WELL(tn_sqlite_run(sqlite,
                       "UPDATE action SET settled = 0; UPDATE deployment SET counted = 0, "
                       "assigned = 0, finished = 0, braked_finished = 0",
                       &err));
    tn_sqlite_done(&sqlite);
    place_open(&place);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rows_where(&place, "1"), ROUNDS);
        assert_true(rows_where(&place, "settled = 0") <= 2);
        assert_true(finished_figure(&place) == ROUNDS);
        assert_int_equal(number_of(&place, 1, "assigned"), 1);
        place_restart(&place);
    }
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ended__are_read_at_the_start_only_when_they_decide),
        cmocka_unit_test(ended__are_listed_and_shown_as_before),
        cmocka_unit_test(ended__stay_ended_however_long_ago),
        cmocka_unit_test(failed__are_not_given_again_however_many_came_between),
        cmocka_unit_test(removed_device__gives_back_its_places_and_leaves_no_action),
        cmocka_unit_test(number__of_an_action_is_given_once_also_when_its_device_is_gone),
        cmocka_unit_test(old__are_removed_but_not_what_decides_and_not_from_the_figures),
        cmocka_unit_test(older_file__is_counted_and_settled_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
