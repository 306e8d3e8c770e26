/* What devices say about engines: when that stops an engine for a class, and when it must not. */
#include "fixture.h"

/* m@1 with two engines for ada, the better one first, deployed to `count` devices d00 … */
struct scene {
    struct place place;
    const char *best, *second;
    int64_t deployment;
};

static void name_of(int number, char ret_id[16])
{
    (void)snprintf(ret_id, 16, "d%02d", number);
}

static struct scene scene_new(int count)
{
    struct scene scene = { .place = place_new() };

    scene.place.options.pause_devices = 1000; /* the brake is another test's matter */
    place_restart(&scene.place);
    add_release(&scene.place, "m", "1");
    scene.second = add_engine(&scene.place, "1", &ada, TRT_10_6);
    scene.best = add_engine_with(&scene.place, "1", &ada, TRT_10_6,
                                 &(struct engine_options) { .precision = "int8" });
    for (int i = 0; i < count; i++) {
        char id[16];

        name_of(i, id);
        (void)add_device(&scene.place, id, &ada, TRT_10_6);
    }
    scene.deployment = deploy(&scene.place, "1");
    return scene;
}

static const char *next_device(struct scene *scene, const char *id)
{
    (void)add_device(&scene->place, id, &ada, TRT_10_6);
    return offered(&scene->place, id);
}

TEST(one_lasting_failure__stops_an_engine_that_nobody_of_the_class_has_loaded)
{
    struct scene scene = scene_new(3);

    assert_string_equal(offered(&scene.place, "d00"), scene.best);
    finish_saying(&scene.place, "d00", "failed", "run-failed", true);
    assert_string_equal(offered(&scene.place, "d00"), scene.second);
    /* those who had not fetched it yet get the next best, and so do those who come later */
    assert_string_equal(offered(&scene.place, "d01"), scene.second);
    assert_string_equal(next_device(&scene, "e"), scene.second);
    place_restart(&scene.place);
    assert_string_equal(next_device(&scene, "f"), scene.second);
    place_done(&scene.place);
}

TEST(stopped_engine__stays_with_the_devices_that_have_fetched_or_run_it)
{
    struct scene scene = scene_new(4);
    struct tn_fleet_action action;

    finish(&scene.place, "d01", true);
    WELL(tn_fleet_retrieved(scene.place.fleet, device(&scene.place, "d02"),
                            action_id(&scene.place, "d02"), NOW, &err));
    finish_saying(&scene.place, "d00", "failed", "compute-capability", true);
    assert_string_equal(installed(&scene.place, "d01"), scene.best);
    assert_true(tn_fleet_action(scene.place.fleet, device(&scene.place, "d02"), &action));
    assert_string_equal(action.digest, scene.best);
    assert_false(action.canceling);
    place_done(&scene.place);
}

TEST(one_failure_among_successes__holds_only_the_device_that_said_it)
{
    struct scene scene = scene_new(3);

    finish_saying(&scene.place, "d00", "ok", "", false);
    finish_saying(&scene.place, "d01", "failed", "run-failed", true);
    assert_string_equal(offered(&scene.place, "d01"), scene.second);
    assert_string_equal(offered(&scene.place, "d02"), scene.best);
    assert_string_equal(next_device(&scene, "e"), scene.best);
    place_done(&scene.place);
}

TEST(two_failures__do_not_stop_an_engine_that_one_in_ten_has_loaded)
{
    struct scene scene = scene_new(3);

    finish_saying(&scene.place, "d00", "ok", "", false);
    finish_saying(&scene.place, "d01", "failed", "run-failed", true);
    finish_saying(&scene.place, "d02", "failed", "run-failed", true);
    assert_string_equal(next_device(&scene, "e"), scene.best);
    place_done(&scene.place);
}

TEST(one_failure__is_not_enough_where_somebody_has_loaded_it_whatever_the_ratio)
{
    struct scene scene = scene_new(4);

    scene.place.options.evidence_ratio = 1;
    place_restart(&scene.place);
    finish_saying(&scene.place, "d00", "ok", "", false);
    finish_saying(&scene.place, "d01", "failed", "run-failed", true);
    assert_string_equal(offered(&scene.place, "d03"), scene.best);
    finish_saying(&scene.place, "d02", "failed", "run-failed", true);
    assert_string_equal(offered(&scene.place, "d03"), scene.second);
    place_done(&scene.place);
}

TEST(many_failures__stop_an_engine_that_fewer_than_one_in_ten_has_loaded)
{
    struct scene scene = scene_new(11);

    finish_saying(&scene.place, "d00", "ok", "", false);
    for (int i = 1; i <= 9; i++) {
        char id[16];

        name_of(i, id);
        finish_saying(&scene.place, id, "failed", "run-failed", true);
        assert_string_equal(offered(&scene.place, "d10"), scene.best); /* 1 of 10 is not fewer */
    }
    assert_string_equal(next_device(&scene, "e"), scene.best);
    finish_saying(&scene.place, "d10", "failed", "run-failed", true);
    assert_string_equal(next_device(&scene, "f"), scene.second);
    place_done(&scene.place);
}

TEST(trouble_of_the_device__and_bytes_that_changed_on_the_way_count_against_no_class)
{
    static const struct {
        const char *reason;
        bool lasting;
    } rows[] = {
        { "cuda-unavailable", true }, { "no-memory", true },   { "digest-mismatch", true },
        { "driver-old", true },       { "run-failed", false }, { "truncated", true },
        { "something-new", true },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct scene scene = scene_new(1);

        finish_saying(&scene.place, "d00", "failed", rows[i].reason, rows[i].lasting);
        assert_string_equal(offered(&scene.place, "d00"), scene.second);
        assert_string_equal(next_device(&scene, "e"), scene.best);
        place_done(&scene.place);
    }
}

static bool is_unknown_reason(const void *row_, void *user)
{
    const struct tn_row_evidence *row = row_;

    assert_string_equal(row->reason, "unknown");
    ++*(int *)user;
    return true;
}

TEST(reason__that_is_no_word_is_not_kept)
{
    struct scene scene = scene_new(2);
    char text[70000];
    int rows = 0;

    (void)memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    finish_saying(&scene.place, "d00", "failed", text, true);
    finish_saying(&scene.place, "d01", "failed", "\x1b[2J", true);
    place_commit(&scene.place);
    WELL(tn_db_each(scene.place.db, TN_TABLE_EVIDENCE, is_unknown_reason, &rows, &err));
    assert_int_equal(rows, 2);
    place_done(&scene.place);
}

TEST(failure__of_one_class_says_nothing_of_another)
{
    struct scene scene = scene_new(1);

    (void)deploy_with(&scene.place, (struct tn_deploy) { .version = "1", .accept_may_load = true });
    finish_saying(&scene.place, "d00", "failed", "run-failed", true);
    (void)add_device(&scene.place, "e", &small_ada, TRT_10_6);
    assert_string_equal(offered(&scene.place, "e"), scene.best);
    place_done(&scene.place);
}

TEST(failure__of_a_device_holds_it_back_from_the_same_engine_in_later_deployments_too)
{
    struct scene scene = scene_new(1);

    finish_saying(&scene.place, "d00", "failed", "no-memory", false);
    (void)deploy(&scene.place, "1");
    place_restart(&scene.place);
    assert_string_equal(offered(&scene.place, "d00"), scene.second);
    place_done(&scene.place);
}

TEST(device__that_says_later_that_it_loads_takes_its_failure_back)
{
    struct scene scene = scene_new(1);
    json_t *map;

    finish_saying(&scene.place, "d00", "failed", "run-failed", true);
    map = tn_fleet_map_json(scene.place.fleet, "m", "1", false, NULL);
    WELL(tn_fleet_override(scene.place.fleet, scene.best,
                           tn_json_str(json_array_get(map, 0), "class_key", ""), "allow", "boss",
                           NOW, &err));
    json_decref(map);
    (void)deploy(&scene.place, "1");
    assert_string_equal(offered(&scene.place, "d00"), scene.best);
    finish_saying(&scene.place, "d00", "ok", "", false);
    assert_string_equal(next_device(&scene, "e"), scene.best);
    map = tn_fleet_map_json(scene.place.fleet, "m", "1", false, NULL);
    assert_true(tn_json_bool(json_object_get(json_array_get(map, 0), "engine"), "proven", false));
    json_decref(map);
    place_done(&scene.place);
}

TEST(lines_of_a_foreign_client__that_fail_for_a_lasting_reason_are_evidence)
{
    static const char *const lasting[] = {
        "install script failed", "[E] The engine plan file is generated on an incompatible device"
    };
    static const char *const device_trouble[] = { "CUDA initialization failure with error: 35" };
    struct scene scene = scene_new(2);

    assert_int_equal(say(&scene.place, "d00", action_id(&scene.place, "d00"),
                         (struct tn_feedback) { .execution = "closed",
                                                .finished = "failure",
                                                .details = device_trouble,
                                                .detail_count = 1 }),
                     TN_OK);
    assert_string_equal(offered(&scene.place, "d01"), scene.best);
    assert_int_equal(say(&scene.place, "d01", action_id(&scene.place, "d01"),
                         (struct tn_feedback) { .execution = "closed",
                                                .finished = "failure",
                                                .details = lasting,
                                                .detail_count = 2 }),
                     TN_OK);
    assert_string_equal(next_device(&scene, "e"), scene.second);
    place_done(&scene.place);
}

TEST(success_of_a_foreign_client__means_a_file_and_proves_no_engine)
{
    struct scene scene = scene_new(2);

    finish(&scene.place, "d00", true);
    finish_saying(&scene.place, "d01", "failed", "run-failed", true);
    assert_string_equal(next_device(&scene, "e"), scene.second);
    place_done(&scene.place);
}

/* ---- the operator ---- */

static void class_key(struct place *place, char ret_key[320])
{
    json_t *map = tn_fleet_map_json(place->fleet, "m", "1", false, NULL);

    (void)snprintf(ret_key, 320, "%s", tn_json_str(json_array_get(map, 0), "class_key", ""));
    json_decref(map);
}

TEST(operator__overrules_evidence_in_both_directions_and_it_is_in_the_audit_log)
{
    struct scene scene = scene_new(2);
    struct tn_page page = { .cursor = "" };
    char key[320];
    json_t *audit;

    class_key(&scene.place, key);
    finish_saying(&scene.place, "d00", "failed", "run-failed", true);
    assert_string_equal(offered(&scene.place, "d01"), scene.second);
    WELL(tn_fleet_override(scene.place.fleet, scene.best, key, "allow", "boss", NOW, &err));
    assert_string_equal(next_device(&scene, "e"), scene.best);
    assert_string_equal(offered(&scene.place, "d01"), scene.best); /* had not fetched the other */
    place_restart(&scene.place);
    assert_string_equal(next_device(&scene, "f"), scene.best);
    WELL(tn_fleet_override(scene.place.fleet, scene.best, key, "stop", "boss", NOW, &err));
    assert_string_equal(offered(&scene.place, "e"), scene.second);
    assert_string_equal(next_device(&scene, "g"), scene.second);
    audit = tn_fleet_audit_json(scene.place.fleet, &page, NULL);
    assert_string_equal(tn_json_str(json_array_get(audit, 0), "what", ""), "evidence-override");
    assert_string_equal(tn_json_str(json_array_get(audit, 0), "who", ""), "boss");
    json_decref(audit);
    assert_int_equal(
        tn_fleet_override(scene.place.fleet, scene.best, key, "perhaps", "boss", NOW, NULL),
        TN_E_INVALID);
    assert_int_equal(
        tn_fleet_override(scene.place.fleet, "ffffffffff", key, "stop", "b", NOW, NULL),
        TN_E_NOTFOUND);
    place_done(&scene.place);
}

TEST(device__that_is_removed_and_comes_back_is_not_offered_what_failed_on_it)
{
    struct place place = place_new();
    const char *engine;

    add_release(&place, "m", "1");
    engine = add_engine(&place, "1", &ada, TRT_10_6);
    (void)add_device(&place, "other", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    finish_saying(&place, "other", "ok", "", false);
    finish_saying(&place, "d1", "failed", "no-memory", false);
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d1"), "test", NOW, &err));
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), "");
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d2"), engine);
    place_done(&place);
}

/* ---- figures ---- */

TEST(figures__count_loads_times_states_holes_and_what_runs)
{
    struct scene scene = scene_new(3);
    struct place *place = &scene.place;

    finish_saying(place, "d00", "ok", "", false);
    finish_saying(place, "d01", "failed", "no-memory", false);
    (void)add_device(place, "h", &ampere, TRT_10_6);
    assert_figure(place, "engine_loads_total", "by=\"application\",result=\"ok\"", 1);
    assert_figure(place, "engine_loads_total", "by=\"application\",result=\"failed\"", 1);
    assert_figure(place, "engine_deserialize_seconds_count", "release=\"1\"", 2);
    assert_figure(place, "engine_deserialize_seconds_bucket", "le=\"0.64\"", 0);
    assert_figure(place, "engine_deserialize_seconds_bucket", "le=\"1.28\"", 2);
    assert_figure(place, "engine_deserialize_seconds_sum", "", 1.5);
    assert_figure(place, "devices", "in-sync", 1);
    assert_figure(place, "devices", "registered", 1);
    assert_figure(place, "devices", "pending", 2);
    assert_figure(place, "actions", "finished", 1);
    assert_figure(place, "actions", "error", 1);
    assert_figure(place, "holes", "model=\"m\",release=\"1\"", 1);
    assert_figure(place, "devices_waiting", "", 1);
    assert_figure(place, "device_engines", "precision=\"int8\",trt=\"10.6.0.26\"", 1);
    assert_figure(place, "device_engines", "release=\"1\",class=\"sm89-", 1);
    assert_figure(place, "engines", "", 2);
    place_done(place);
}

static void count_series(const char *metric, const char *labels, double value, void *user)
{
    struct wanted *wanted = user;

    if (strcmp(metric, "engine_loads_total") != 0 || !strstr(labels, "result=\"ok\""))
        return;
    wanted->found++;
    wanted->value += value;
}

TEST(figures__of_a_device_that_is_another_each_time_stay_few)
{
    struct place place = place_new();
    struct wanted wanted = { .found = 0 };

    add_release(&place, "m", "1");
    (void)add_engine_with(&place, "1", &ada, RTX_1_7, &(struct engine_options) { .mask = 0x08 });
    (void)add_engine_with(&place, "1", &ada, RTX_1_7, &(struct engine_options) { .mask = 0x04 });
    (void)enroll(&place, "d1");
    (void)deploy(&place, "1");
    for (uint32_t i = 0; i < 1200; i++) {
        struct board board = i % 2 ? ada : ampere;

        board.sms = i + 1;
        give_attributes(&place, "d1", &board, RTX_1_7);
        finish_saying(&place, "d1", "ok", "", false);
    }
    tn_fleet_figures(place.fleet, NOW, count_series, &wanted);
    assert_int_equal(wanted.found, 1001);
    assert_int_equal((int)wanted.value, 1200);
    place_done(&place);
}

TEST(figures__call_silent_who_has_polled_and_stopped_not_who_is_awaited)
{
    struct place place = place_new();
    struct tn_fleet_device *device;

    WELL(tn_fleet_enroll(place.fleet, "awaited", "t", "operator", NOW, &device, &err));
    WELL(tn_fleet_enroll(place.fleet, "gone", "t", "operator", NOW, &device, &err));
    tn_fleet_seen(place.fleet, device, NOW - 901 * 1000);
    WELL(tn_fleet_enroll(place.fleet, "late", "t", "operator", NOW, &device, &err));
    tn_fleet_seen(place.fleet, device, NOW - 900 * 1000);
    assert_figure(&place, "devices_silent", "", 1);
    place_done(&place);
}

static int64_t ticks;

/* Each look is 15 µs after the one before. */
static int64_t tick(void)
{
    return ticks += 15000;
}

TEST(figures__measure_matches_with_the_clock_they_are_given)
{
    struct scene scene = scene_new(1);
    struct place *place = &scene.place;

    assert_figure(place, "match_seconds_count", "", 0);
    place->options.monotonic_ns = tick;
    place_restart(place);
    (void)offered(place, "d00");
    (void)next_device(&scene, "e");
    assert_figure(place, "match_seconds_count", "", 1);
    assert_figure(place, "match_seconds_bucket", "le=\"1e-05\"", 0);
    assert_figure(place, "match_seconds_bucket", "le=\"2e-05\"", 1);
    assert_figure(place, "match_seconds_bucket", "le=\"+Inf\"", 1);
    place_done(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lasting_failure__stops_an_engine_that_nobody_of_the_class_has_loaded),
        cmocka_unit_test(stopped_engine__stays_with_the_devices_that_have_fetched_or_run_it),
        cmocka_unit_test(one_failure_among_successes__holds_only_the_device_that_said_it),
        cmocka_unit_test(two_failures__do_not_stop_an_engine_that_one_in_ten_has_loaded),
        cmocka_unit_test(
            one_failure__is_not_enough_where_somebody_has_loaded_it_whatever_the_ratio),
        cmocka_unit_test(many_failures__stop_an_engine_that_fewer_than_one_in_ten_has_loaded),
        cmocka_unit_test(
            trouble_of_the_device__and_bytes_that_changed_on_the_way_count_against_no_class),
        cmocka_unit_test(reason__that_is_no_word_is_not_kept),
        cmocka_unit_test(failure__of_one_class_says_nothing_of_another),
        cmocka_unit_test(
            failure__of_a_device_holds_it_back_from_the_same_engine_in_later_deployments_too),
        cmocka_unit_test(device__that_says_later_that_it_loads_takes_its_failure_back),
        cmocka_unit_test(lines_of_a_foreign_client__that_fail_for_a_lasting_reason_are_evidence),
        cmocka_unit_test(success_of_a_foreign_client__means_a_file_and_proves_no_engine),
        cmocka_unit_test(
            operator__overrules_evidence_in_both_directions_and_it_is_in_the_audit_log),
        cmocka_unit_test(device__that_is_removed_and_comes_back_is_not_offered_what_failed_on_it),
        cmocka_unit_test(figures__count_loads_times_states_holes_and_what_runs),
        cmocka_unit_test(figures__of_a_device_that_is_another_each_time_stay_few),
        cmocka_unit_test(figures__call_silent_who_has_polled_and_stopped_not_who_is_awaited),
        cmocka_unit_test(figures__measure_matches_with_the_clock_they_are_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
