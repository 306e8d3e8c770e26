/* Loads that devices tell of outside an action: each counts once, and only what is the engine's own
 * counts against it. */
#include "fixture.h"

#include "store/outcome.h"

enum { HOUR_MS = 3600 * 1000 };

static const char spool[] = "0123456789abcdef";

/* m@1 with one engine for ada, and devices d0, d1, d2 of that board. */
struct scene {
    struct place place;
    const char *engine;
};

static struct scene scene_new(void)
{
    struct scene scene = { .place = place_new() };

    add_release(&scene.place, "m", "1");
    scene.engine = add_engine(&scene.place, "1", &ada, TRT_10_6);
    (void)add_device(&scene.place, "d0", &ada, TRT_10_6);
    (void)add_device(&scene.place, "d1", &ada, TRT_10_6);
    (void)add_device(&scene.place, "d2", &ada, TRT_10_6);
    return scene;
}

/* ---- what a device sends ---- */

static struct tn_outcome outcome_of(const char *engine)
{
    struct tn_outcome outcome = { .by = TN_OUTCOME_APPLICATION,
                                  .result = TN_OUTCOME_OK,
                                  .time = 1795400000 * TN_NSEC_PER_S,
                                  .seconds = 0.75 };

    assert_int_equal(tn_digest_parse(engine, &outcome.digest, NULL), TN_OK);
    (void)snprintf(outcome.runtime, sizeof(outcome.runtime), "trt10.6.0.26");
    (void)snprintf(outcome.model, sizeof(outcome.model), "its own name");
    return outcome;
}

static struct tn_outcome failure_of(const char *engine, const char *class_name)
{
    struct tn_outcome outcome = outcome_of(engine);

    outcome.result = TN_OUTCOME_FAILED;
    outcome.lasting = true;
    outcome.seconds = -1;
    (void)snprintf(outcome.class_name, sizeof(outcome.class_name), "%s", class_name);
    (void)snprintf(outcome.first_line, sizeof(outcome.first_line), "it failed");
    return outcome;
}

static json_t *batch_of(const char *name)
{
    json_t *body = json_pack("{s:s,s:[]}", "spool", name, "outcomes");

    assert_non_null(body);
    return body;
}

static void add(json_t *body, const struct tn_outcome *outcome, int64_t position)
{
    json_t *line = tn_outcome_to_json(outcome);

    tn_json_set_int(line, "position", position);
    assert_int_equal(json_array_append_new(json_object_get(body, "outcomes"), line), 0);
}

static struct tn_outcomes send(struct place *place, const char *id, json_t *body_steal)
{
    struct tn_outcomes answer = { 0 };

    WELL(tn_fleet_outcomes(place->fleet, device(place, id), body_steal, NOW, &answer, &err));
    json_decref(body_steal);
    return answer;
}

/* `count` loads of one engine, from position `first` on. */
static struct tn_outcomes send_loads(struct place *place, const char *id, const char *engine,
                                     int64_t first, int64_t count)
{
    json_t *body = batch_of(spool);
    struct tn_outcome outcome = outcome_of(engine);

    for (int64_t i = 0; i < count; i++)
        add(body, &outcome, first + i);
    return send(place, id, body);
}

/* One outcome of a device, alone in its spool. */
static void tell(struct place *place, const char *id, const struct tn_outcome *outcome)
{
    json_t *body = batch_of("alone");

    add(body, outcome, 1);
    assert_int_equal(send(place, id, body).counted, 1);
}

static void assert_answer(struct tn_outcomes answer, int64_t position, int64_t counted,
                          int64_t known)
{
    assert_int_equal(answer.position, position);
    assert_int_equal(answer.counted, counted);
    assert_int_equal(answer.known, known);
    assert_int_equal(answer.skipped, 0);
}

static void assert_ok(struct place *place, double count)
{
    assert_figure(place, "engine_loads_total", "by=\"application\",result=\"ok\"", count);
}

/* ---- once ---- */

TEST(outcome__counts_once_however_often_it_is_sent)
{
    struct scene scene = scene_new();

    assert_answer(send_loads(&scene.place, "d0", scene.engine, 10, 3), 12, 3, 0);
    assert_answer(send_loads(&scene.place, "d0", scene.engine, 10, 3), 12, 0, 3);
    assert_answer(send_loads(&scene.place, "d0", scene.engine, 11, 4), 14, 2, 2);
    assert_answer(send_loads(&scene.place, "d0", scene.engine, 1, 0), 14, 0, 0);
    assert_ok(&scene.place, 5);
    place_done(&scene.place);
}

TEST(outcome__of_another_device_or_another_spool_is_another_one)
{
    struct scene scene = scene_new();
    struct tn_outcome outcome = outcome_of(scene.engine);

    assert_answer(send_loads(&scene.place, "d0", scene.engine, 1, 2), 2, 2, 0);
    assert_answer(send_loads(&scene.place, "d1", scene.engine, 1, 2), 2, 2, 0);
    tell(&scene.place, "d0", &outcome);
    assert_ok(&scene.place, 5);
    place_done(&scene.place);
}

TEST(outcome__counts_once_over_a_restart_and_its_counters_go_on)
{
    struct scene scene = scene_new();

    (void)send_loads(&scene.place, "d0", scene.engine, 1, 3);
    place_restart(&scene.place);
    assert_answer(send_loads(&scene.place, "d0", scene.engine, 1, 4), 4, 1, 3);
    assert_ok(&scene.place, 4);
    assert_figure(&scene.place, "engine_deserialize_seconds_count", "cold=\"0\"", 4);
    assert_figure(&scene.place, "engine_deserialize_seconds_sum", "cold=\"0\"", 3);
    assert_figure(&scene.place, "engine_deserialize_seconds_bucket", "le=\"0.64\"", 0);
    assert_figure(&scene.place, "engine_deserialize_seconds_bucket", "le=\"1.28\"", 4);
    place_done(&scene.place);
}

TEST(outcome__that_was_never_committed_was_not_counted)
{
    struct scene scene = scene_new();

    (void)send_loads(&scene.place, "d0", scene.engine, 1, 1);
    place_commit(&scene.place);
    (void)send_loads(&scene.place, "d0", scene.engine, 2, 2);
    place_close(&scene.place); /* killed before it could answer */
    place_open(&scene.place);
    assert_ok(&scene.place, 1);
    assert_answer(send_loads(&scene.place, "d0", scene.engine, 2, 2), 3, 2, 0);
    assert_ok(&scene.place, 3);
    place_done(&scene.place);
}

TEST(device__that_was_removed_begins_anew)
{
    struct scene scene = scene_new();

    (void)send_loads(&scene.place, "d0", scene.engine, 1, 2);
    WELL(tn_fleet_device_remove(scene.place.fleet, device(&scene.place, "d0"), "test", NOW, &err));
    (void)add_device(&scene.place, "d0", &ada, TRT_10_6);
    place_restart(&scene.place);
    assert_answer(send_loads(&scene.place, "d0", scene.engine, 1, 2), 2, 2, 0);
    place_done(&scene.place);
}

TEST(spools__of_a_device_are_few_and_the_most_silent_one_is_forgotten)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    struct scene scene = scene_new();
    struct tn_outcome outcome = outcome_of(scene.engine);
    struct tn_outcomes answer;

    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < TN_COUNT(names); i++) {
            json_t *body = batch_of(names[i]);

            add(body, &outcome, 1);
            WELL(tn_fleet_outcomes(scene.place.fleet, device(&scene.place, "d0"), body,
                                   NOW + (int64_t)i, &answer, &err));
            json_decref(body);
            if (round == 0)
                assert_int_equal(answer.counted, 1);
            place_restart(&scene.place);
            if (round == 1 && i == 1) /* b made way for a, and c for b */
                break;
        }
    assert_int_equal(answer.counted, 1);
    place_done(&scene.place);
}

/* ---- labels ---- */

struct series {
    int count;
    bool foreign;
};

static void see_series(const char *metric, const char *labels, double value, void *user)
{
    struct series *series = user;

    (void)value;
    if (strncmp(metric, "engine_", strlen("engine_")) != 0)
        return;
    series->count++;
    series->foreign |= strstr(labels, "its own name") != NULL;
}

TEST(unknown_engines__are_counted_together_without_a_word_of_the_devices)
{
    struct scene scene = scene_new();
    json_t *body = batch_of(spool);
    struct series series = { .count = 0 };

    for (int i = 1; i <= 100; i++) {
        char digest[TN_DIGEST_HEX];
        struct tn_outcome outcome;

        (void)snprintf(digest, sizeof(digest), "%064d", i);
        outcome = outcome_of(digest);
        add(body, &outcome, i);
    }
    assert_int_equal(send(&scene.place, "d0", body).counted, 100);
    assert_figure(&scene.place, "engine_loads_total",
                  "trt=\"unknown\",by=\"application\",result=\"ok\"", 100);
    tn_fleet_figures(scene.place.fleet, NOW, see_series, &series);
    assert_int_equal(series.count, TN_OUTCOME_RESULTS + 19); /* one series, one histogram */
    assert_false(series.foreign);
    place_done(&scene.place);
}

TEST(series__are_bounded_whatever_a_device_says_of_itself)
{
    enum { CLASSES = 1100 };
    struct scene scene = scene_new();
    struct tn_outcome outcome = outcome_of(scene.engine);
    struct series series = { .count = 0 };

    outcome.seconds = -1;
    for (int i = 1; i <= CLASSES; i++) {
        struct board board = ada;
        json_t *body = batch_of(spool);

        board.sms = (uint32_t)i;
        give_attributes(&scene.place, "d0", &board, TRT_10_6);
        add(body, &outcome, i);
        (void)send(&scene.place, "d0", body);
    }
    tn_fleet_figures(scene.place.fleet, NOW, see_series, &series);
    assert_int_equal(series.count, TN_OUTCOME_RESULTS * 1001);
    assert_figure(&scene.place, "engine_loads_total", "by=\"other\",result=\"ok\"", CLASSES - 1000);
    place_done(&scene.place);
}

TEST(times__are_told_apart_by_where_the_plan_came_from)
{
    struct scene scene = scene_new();
    json_t *body = batch_of(spool);
    struct tn_outcome outcome = outcome_of(scene.engine);

    add(body, &outcome, 1);
    outcome.cold = 1;
    outcome.seconds = 2;
    add(body, &outcome, 2);
    outcome.cold = TN_UNKNOWN;
    outcome.seconds = 4;
    add(body, &outcome, 3);
    (void)send(&scene.place, "d0", body);
    assert_ok(&scene.place, 3);
    assert_figure(&scene.place, "engine_deserialize_seconds_sum", "cold=\"0\"", 0.75);
    assert_figure(&scene.place, "engine_deserialize_seconds_sum", "cold=\"1\"", 2);
    assert_figure(&scene.place, "engine_deserialize_seconds_sum", "cold=\"unknown\"", 4);
    place_done(&scene.place);
}

TEST(counters__of_an_engine_that_is_given_out_are_there_before_it_was_loaded)
{
    struct scene scene = scene_new();

    (void)deploy(&scene.place, "1");
    assert_ok(&scene.place, 0);
    place_restart(&scene.place);
    assert_ok(&scene.place, 0);
    assert_figure(&scene.place, "engine_loads_total", "by=\"trial\",result=\"failed\"", 0);
    place_done(&scene.place);
}

TEST(load__that_comes_as_an_outcome_too_is_not_counted_from_the_feedback)
{
    struct scene scene = scene_new();
    json_t *word = json_pack("{s:s,s:f,s:s,s:b}", "result", "ok", "seconds", 0.5, "by",
                             "application", "spooled", 1);

    (void)deploy(&scene.place, "1");
    assert_int_equal(
        say(&scene.place, "d0", action_id(&scene.place, "d0"),
            (struct tn_feedback) { .execution = "closed", .finished = "success", .engine = word }),
        TN_OK);
    assert_ok(&scene.place, 0);
    finish_saying(&scene.place, "d1", "ok", "", false);
    assert_ok(&scene.place, 1);
    json_decref(word);
    place_done(&scene.place);
}

/* ---- evidence ---- */

static bool offered_next(struct scene *scene, const char *id)
{
    (void)add_device(&scene->place, id, &ada, TRT_10_6);
    return strcmp(offered(&scene->place, id), scene->engine) == 0;
}

TEST(lasting_failure__of_an_engine_that_nobody_has_loaded_stops_it)
{
    struct scene scene = scene_new();
    struct tn_outcome outcome = failure_of(scene.engine, "plugin-missing");

    (void)deploy(&scene.place, "1");
    assert_string_equal(offered(&scene.place, "d1"), scene.engine);
    tell(&scene.place, "d0", &outcome);
    assert_string_equal(offered(&scene.place, "d1"), "");
    place_restart(&scene.place);
    assert_false(offered_next(&scene, "e"));
    place_done(&scene.place);
}

TEST(load__that_worked_is_evidence_for_the_engine)
{
    struct scene scene = scene_new();
    struct tn_outcome loaded = outcome_of(scene.engine);
    struct tn_outcome failed = failure_of(scene.engine, "plugin-missing");

    (void)deploy(&scene.place, "1");
    tell(&scene.place, "d0", &loaded);
    tell(&scene.place, "d1", &failed);
    assert_true(offered_next(&scene, "e")); /* one failure is not enough then */
    place_done(&scene.place);
}

TEST(failure__that_is_not_the_engines_own_counts_against_no_class)
{
    enum { ROWS = 6 };

    for (int row = 0; row < ROWS; row++) {
        struct scene scene = scene_new();
        struct tn_outcome outcome = failure_of(scene.engine, "plugin-missing");

        if (row == 0) /* the application's fault, or changed bytes */
            outcome.lasting = false;
        if (row == 1)
            outcome.result = TN_OUTCOME_TROUBLE;
        if (row == 2) /* a TensorRT that the device has not said it has */
            (void)snprintf(outcome.runtime, sizeof(outcome.runtime), "trt10.9.0.34");
        if (row == 3) /* its second GPU */
            (void)snprintf(outcome.gpu_class, sizeof(outcome.gpu_class), "sm86-82sm");
        if (row == 4) /* nothing that another device would meet */
            (void)snprintf(outcome.class_name, sizeof(outcome.class_name), "no-memory");
        if (row == 5) /* of an engine that nobody published */
            memset(&outcome.digest, 7, sizeof(outcome.digest));
        (void)deploy(&scene.place, "1");
        tell(&scene.place, "d0", &outcome);
        assert_string_equal(offered(&scene.place, "d1"), scene.engine);
        assert_true(offered_next(&scene, "e"));
        place_done(&scene.place);
    }
}

TEST(device__whose_engine_loads_no_more_gets_the_next_best)
{
    struct scene scene = scene_new();
    struct tn_outcome outcome = failure_of(scene.engine, "plugin-missing");
    const char *second;

    (void)deploy(&scene.place, "1");
    finish(&scene.place, "d0", true);
    finish_saying(&scene.place, "d1", "ok", "", false);
    second = add_engine_with(&scene.place, "1", &ada, TRT_10_6,
                             &(struct engine_options) { .precision = "fp32" });
    assert_string_equal(offered(&scene.place, "d0"), "");
    tell(&scene.place, "d0", &outcome);
    assert_string_equal(offered(&scene.place, "d0"), second);
    place_done(&scene.place);
}

/* ---- what is refused ---- */

TEST(batch__that_is_malformed_changes_nothing)
{
    static const char *const broken[] = {
        "{}",
        "{\"spool\":\"a\"}",
        "{\"outcomes\":[]}",
        "{\"spool\":\"\",\"outcomes\":[]}",
        "{\"spool\":\"a b\",\"outcomes\":[]}",
        "{\"spool\":7,\"outcomes\":[]}",
        "{\"spool\":\"012345678901234567890123456789012\",\"outcomes\":[]}",
        "{\"spool\":\"a\",\"outcomes\":{}}",
        "{\"spool\":\"a\",\"outcomes\":[{}]}",
        "{\"spool\":\"a\",\"outcomes\":[7]}",
        "{\"spool\":\"a\",\"outcomes\":[{\"position\":0}]}",
        "{\"spool\":\"a\",\"outcomes\":[{\"position\":\"1\"}]}",
        "{\"spool\":\"a\",\"outcomes\":[{\"position\":2},{\"position\":2}]}",
        "{\"spool\":\"a\",\"outcomes\":[{\"position\":2},{\"position\":1}]}",
    };
    struct scene scene = scene_new();
    struct tn_outcomes answer;

    place_commit(&scene.place);
    for (size_t i = 0; i < TN_COUNT(broken); i++) {
        tn_auto(tn_json_done) json_t *body = NULL;
        struct tn_error err = { 0 };

        assert_int_equal(tn_json_parse(broken[i], strlen(broken[i]), "test", &body, NULL), TN_OK);
        assert_int_equal(tn_fleet_outcomes(scene.place.fleet, device(&scene.place, "d0"), body, NOW,
                                           &answer, &err),
                         TN_E_INVALID);
        assert_false(tn_fleet_dirty(scene.place.fleet));
    }
    place_done(&scene.place);
}

TEST(line__that_is_not_understood_is_passed_over_and_not_asked_for_again)
{
    struct scene scene = scene_new();
    struct tn_outcome outcome = outcome_of(scene.engine);
    json_t *body = batch_of(spool);
    struct tn_outcomes answer;

    assert_int_equal(
        json_array_append_new(json_object_get(body, "outcomes"),
                              json_pack("{s:s,s:i}", "schema", "tenon-outcome/2", "position", 3)),
        0);
    add(body, &outcome, 4);
    answer = send(&scene.place, "d0", body);
    assert_int_equal(answer.skipped, 1);
    assert_int_equal(answer.counted, 1);
    assert_int_equal(answer.position, 4);
    place_done(&scene.place);
}

TEST(batch__has_a_size_and_a_device_an_hourly_number)
{
    enum { HOURLY = 20000 };
    struct scene scene = scene_new();
    struct tn_outcome outcome = outcome_of(scene.engine);
    struct tn_outcomes answer;
    json_t *body = batch_of(spool);
    int64_t next = 1;

    for (int i = 1; i <= TN_OUTCOMES_MAX + 1; i++)
        add(body, &outcome, i);
    assert_int_equal(
        tn_fleet_outcomes(scene.place.fleet, device(&scene.place, "d0"), body, NOW, &answer, NULL),
        TN_E_TOOBIG);
    json_decref(body);
    for (; next <= HOURLY; next += TN_OUTCOMES_MAX)
        (void)send_loads(&scene.place, "d0", scene.engine, next, TN_OUTCOMES_MAX);
    body = batch_of(spool);
    add(body, &outcome, next);
    assert_int_equal(
        tn_fleet_outcomes(scene.place.fleet, device(&scene.place, "d0"), body, NOW, &answer, NULL),
        TN_E_AGAIN);
    WELL(tn_fleet_outcomes(scene.place.fleet, device(&scene.place, "d0"), body, NOW + HOUR_MS,
                           &answer, &err));
    assert_int_equal(answer.counted, 1);
    json_decref(body);
    assert_answer(send_loads(&scene.place, "d1", scene.engine, 1, 1), 1, 1, 0);
    place_done(&scene.place);
}

/* ---- shown ---- */

TEST(device__shows_its_last_load)
{
    struct scene scene = scene_new();
    struct tn_outcome outcome = outcome_of(scene.engine);

    for (int i = 0; i < 2; i++) {
        tn_auto(tn_json_done) json_t *json = NULL;
        const json_t *load;

        json = tn_fleet_device_json(scene.place.fleet, device(&scene.place, "d0"));
        load = json_object_get(json, "load");
        if (i == 0) {
            assert_true(json_is_null(load));
            outcome.cold = 1;
            tell(&scene.place, "d0", &outcome);
            place_restart(&scene.place);
            continue;
        }
        assert_string_equal(tn_json_str(load, "model", ""), "m");
        assert_string_equal(tn_json_str(load, "version", ""), "1");
        assert_string_equal(tn_json_str(load, "by", ""), "application");
        assert_string_equal(tn_json_str(load, "result", ""), "ok");
        assert_string_equal(tn_json_str(load, "time", ""), "2026-11-23T02:13:20Z");
        assert_true(tn_json_bool(load, "cold", false));
    }
    place_done(&scene.place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcome__counts_once_however_often_it_is_sent),
        cmocka_unit_test(outcome__of_another_device_or_another_spool_is_another_one),
        cmocka_unit_test(outcome__counts_once_over_a_restart_and_its_counters_go_on),
        cmocka_unit_test(outcome__that_was_never_committed_was_not_counted),
        cmocka_unit_test(device__that_was_removed_begins_anew),
        cmocka_unit_test(spools__of_a_device_are_few_and_the_most_silent_one_is_forgotten),
        cmocka_unit_test(unknown_engines__are_counted_together_without_a_word_of_the_devices),
        cmocka_unit_test(series__are_bounded_whatever_a_device_says_of_itself),
        cmocka_unit_test(times__are_told_apart_by_where_the_plan_came_from),
        cmocka_unit_test(counters__of_an_engine_that_is_given_out_are_there_before_it_was_loaded),
        cmocka_unit_test(load__that_comes_as_an_outcome_too_is_not_counted_from_the_feedback),
        cmocka_unit_test(lasting_failure__of_an_engine_that_nobody_has_loaded_stops_it),
        cmocka_unit_test(load__that_worked_is_evidence_for_the_engine),
        cmocka_unit_test(failure__that_is_not_the_engines_own_counts_against_no_class),
        cmocka_unit_test(device__whose_engine_loads_no_more_gets_the_next_best),
        cmocka_unit_test(batch__that_is_malformed_changes_nothing),
        cmocka_unit_test(line__that_is_not_understood_is_passed_over_and_not_asked_for_again),
        cmocka_unit_test(batch__has_a_size_and_a_device_an_hourly_number),
        cmocka_unit_test(device__shows_its_last_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
