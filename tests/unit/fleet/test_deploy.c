/* Who gets what, when, and when no more. */
#include "fixture.h"

/* m@1 with one engine for `ada` and RTX for none; the device d1 has an ada. */
static struct place place_with(const char **ret_engine)
{
    struct place place = place_new();
    const char *engine;

    add_release(&place, "m", "1");
    engine = add_engine(&place, "1", &ada, TRT_10_6);
    if (ret_engine)
        *ret_engine = engine;
    return place;
}

static int64_t number_of(struct place *place, int64_t deployment, const char *key)
{
    json_t *json = tn_fleet_deployment_json(place->fleet, deployment);
    int64_t number = tn_json_int(json, key, -1);

    json_decref(json);
    return number;
}

/* ---- the main path ---- */

TEST(device__is_offered_fetches_and_keeps_what_it_was_assigned)
{
    const char *engine;
    struct place place = place_with(&engine);
    struct tn_fleet_action action;
    struct tn_fleet_device *d1 = add_device(&place, "d1", &ada, TRT_10_6);
    struct tn_digest digest;

    WELL(tn_digest_parse(engine, &digest, &err));
    assert_string_equal(offered(&place, "d1"), "");
    assert_false(tn_fleet_may_download(place.fleet, d1, &digest));
    (void)deploy(&place, "1");
    assert_true(tn_fleet_action(place.fleet, d1, &action));
    assert_string_equal(action.digest, engine);
    assert_string_equal(action.state, "pending");
    assert_true(tn_digest_equal(&action.file, &digest));
    assert_true(tn_fleet_may_download(place.fleet, d1, &digest));
    WELL(tn_fleet_retrieved(place.fleet, d1, action.id, NOW, &err));
    assert_true(tn_fleet_action(place.fleet, d1, &action));
    assert_string_equal(action.state, "retrieved");
    assert_int_equal(say(&place, "d1", action.id,
                         (struct tn_feedback) { .execution = "proceeding", .finished = "none" }),
                     TN_OK);
    place_restart(&place);
    assert_true(tn_fleet_action(place.fleet, device(&place, "d1"), &action));
    assert_string_equal(action.state, "running");
    finish(&place, "d1", true);
    assert_string_equal(offered(&place, "d1"), "");
    assert_string_equal(installed(&place, "d1"), engine);
    place_restart(&place);
    assert_string_equal(installed(&place, "d1"), engine);
    assert_true(tn_fleet_may_download(place.fleet, device(&place, "d1"), &digest));
    place_done(&place);
}

TEST(device__that_registers_later_is_offered_what_runs)
{
    const char *engine;
    struct place place = place_with(&engine);

    (void)deploy(&place, "1");
    (void)enroll(&place, "d1");
    assert_string_equal(offered(&place, "d1"), "");
    give_attributes(&place, "d1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), engine);
    place_done(&place);
}

TEST(device__that_runs_the_engine_already_gets_no_action)
{
    struct place place = place_with(NULL);

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    finish(&place, "d1", true);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    place_done(&place);
}

TEST(device__may_download_again_what_it_runs_of_every_model)
{
    struct place place = place_with(NULL);
    struct tn_digest digest;
    struct made plan;
    json_t *record;
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    WELL(tn_digest_parse(offered(&place, "d1"), &digest, &err));
    finish(&place, "d1", true);
    add_release(&place, "other", "1");
    made_engine(&place, &ada, TRT_10_6, &(struct engine_options) { 0 }, &plan);
    (void)put_blob(&place, plan.data, plan.size);
    record = record_for(&plan, TRT_10_6, "fp16");
    WELL(tn_fleet_engine_add(place.fleet, "other", "1", record, "test", NOW, &err));
    json_decref(record);
    WELL(tn_fleet_deploy(place.fleet, &(struct tn_deploy) { .model = "other", .version = "1" },
                         "test", NOW, &id, &err));
    finish(&place, "d1", true);
    assert_true(tn_fleet_may_download(place.fleet, device(&place, "d1"), &digest));
    WELL(tn_digest_of(plan.data, plan.size, &digest, &err));
    assert_true(tn_fleet_may_download(place.fleet, device(&place, "d1"), &digest));
    digest.sha256[0] ^= 1;
    assert_false(tn_fleet_may_download(place.fleet, device(&place, "d1"), &digest));
    place_done(&place);
}

TEST(device__that_changes_its_runtime_is_matched_anew)
{
    struct place place = place_with(NULL);
    const char *newer = add_engine(&place, "1", &ada, TRT_10_9);

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    finish(&place, "d1", true);
    give_attributes(&place, "d1", &ada, TRT_10_9);
    assert_string_equal(offered(&place, "d1"), newer);
    place_done(&place);
}

TEST(device__that_changed_before_it_fetched_the_engine_is_not_offered_it_any_more)
{
    const char *engine;
    struct place place = place_with(&engine);
    json_t *nothing = json_object();

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), engine);
    give_attributes(&place, "d1", &ada, TRT_10_9); /* it would not load there, and there is none */
    assert_string_equal(offered(&place, "d1"), "");
    give_attributes(&place, "d1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), engine);
    label(&place, "d1", "delivery", "swupdate"); /* in a container that nobody attached */
    assert_string_equal(offered(&place, "d1"), "");
    label(&place, "d1", "delivery", NULL);
    assert_string_equal(offered(&place, "d1"), engine);
    WELL(tn_fleet_attributes(place.fleet, device(&place, "d1"), TN_ATTRIBUTES_REPLACE, nothing, NOW,
                             &err));
    assert_string_equal(offered(&place, "d1"), "");
    json_decref(nothing);
    place_done(&place);
}

TEST(device__that_no_filter_wants_any_more_is_not_offered_what_it_has_not_fetched)
{
    const char *engine;
    struct place place = place_with(&engine);

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    label(&place, "d1", "site", "north");
    label(&place, "d2", "site", "north");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .filter = "site=north" });
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d2"), action_id(&place, "d2"), NOW, &err));
    label(&place, "d1", "site", NULL);
    label(&place, "d2", "site", NULL);
    assert_string_equal(offered(&place, "d1"), "");
    assert_string_equal(offered(&place, "d2"), engine); /* it may be half-way through */
    place_restart(&place);
    assert_string_equal(offered(&place, "d1"), "");
    place_done(&place);
}

TEST(first__place_of_a_device_that_changed_goes_to_the_next_at_once)
{
    const char *engine;
    struct place place = place_with(&engine);

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .first = 1 });
    assert_string_equal(offered(&place, "d2"), "");
    give_attributes(&place, "d1", &ada, TRT_10_9);
    assert_string_equal(offered(&place, "d1"), "");
    assert_string_equal(offered(&place, "d2"), engine);
    place_done(&place);
}

static int64_t waiting_for(struct place *place, const char *version)
{
    json_t *map = tn_fleet_map_json(place->fleet, "m", version, false, NULL);
    int64_t waiting = tn_json_int(json_array_get(map, 0), "waiting", -1);

    json_decref(map);
    return waiting;
}

TEST(hole__of_a_release_that_a_later_deployment_replaced_is_none_any_more)
{
    struct place place = place_new();
    int64_t older;
    json_t *json;

    add_release(&place, "m", "1");
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    older = deploy_with(&place, (struct tn_deploy) { .version = "1" });
    assert_int_equal(waiting_for(&place, "1"), 1);
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "waiting"), 0)),
                        "m@1");
    json_decref(json);
    add_release(&place, "m", "2");
    (void)add_engine(&place, "2", &ada, TRT_10_6);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "2" });
    assert_int_equal(waiting_for(&place, "1"), 0);
    finish(&place, "d1", true);
    assert_int_equal(waiting_for(&place, "1"), 0);
    json = tn_fleet_deployment_json(place.fleet, older);
    assert_int_equal(tn_json_int(json, "holes", -1), 0);
    json_decref(json);
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_int_equal(json_array_size(json_object_get(json, "waiting")), 0);
    json_decref(json);
    place_done(&place);
}

TEST(hole__closes_by_itself_when_its_engine_is_added)
{
    struct place place = place_with(NULL);
    const char *added;

    (void)add_device(&place, "d1", &ampere, TRT_10_6);
    (void)add_device(&place, "d2", &ampere, TRT_10_6);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    added = add_engine(&place, "1", &ampere, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), added);
    assert_string_equal(offered(&place, "d2"), added);
    place_done(&place);
}

static void lose_file(struct place *place, const char *hex)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", place->data, hex, hex + 2);
    assert_int_equal(unlink(path), 0);
    place_restart(place);
}

TEST(engine__whose_file_was_lost_is_given_out_again_once_it_is_pushed_again)
{
    struct place place = place_new();
    struct made plan;
    const char *hex;
    json_t *record;

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    made_engine(&place, &ada, TRT_10_6, &(struct engine_options) { 0 }, &plan);
    (void)put_blob(&place, plan.data, plan.size);
    record = record_for(&plan, TRT_10_6, "fp16");
    hex = tn_json_str(record, "digest", NULL);
    WELL(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, &err));
    WELL(tn_fleet_engine_add(place.fleet, "m", "2", record, "test", NOW, &err));
    lose_file(&place, hex);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    (void)put_blob(&place, plan.data, plan.size);
    WELL(tn_fleet_engine_add(place.fleet, "m", "2", record, "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), hex);
    json_decref(record);
    place_done(&place);
}

TEST(filter__chooses_by_attributes_and_by_labels_and_a_label_set_later_counts)
{
    const char *engine;
    struct place place = place_with(&engine);
    struct tn_error err = { 0 };
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    label(&place, "d1", "site", "north");
    (void)deploy_with(&place,
                      (struct tn_deploy) { .version = "1", .filter = "site=north and cc>=8.9" });
    assert_string_equal(offered(&place, "d1"), engine);
    assert_string_equal(offered(&place, "d2"), "");
    label(&place, "d2", "site", "north");
    assert_string_equal(offered(&place, "d2"), engine);
    assert_int_equal(
        tn_fleet_deploy(place.fleet,
                        &(struct tn_deploy) { .model = "m", .version = "1", .filter = "site = " },
                        "test", NOW, &id, &err),
        TN_E_INVALID);
    assert_non_null(strstr(err.text, "column"));
    place_done(&place);
}

TEST(filter__takes_the_operators_word_before_that_of_the_device)
{
    const char *engine;
    struct place place = place_with(&engine);
    json_t *claims = json_pack("{s:s,s:s}", "site", "north", "delivery", "swupdate");

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    label(&place, "d1", "site", "south");
    label(&place, "d1", "delivery", "plan");
    WELL(tn_fleet_attributes(place.fleet, device(&place, "d1"), TN_ATTRIBUTES_MERGE, claims, NOW,
                             &err));
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .filter = "site=north" });
    assert_string_equal(offered(&place, "d1"), "");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .filter = "site=south" });
    assert_string_equal(offered(&place, "d1"), engine);
    json_decref(claims);
    place_done(&place);
}

TEST(deploy__refuses_a_release_or_channel_that_is_not_there)
{
    struct place place = place_with(NULL);
    int64_t id;

    assert_int_equal(tn_fleet_deploy(place.fleet,
                                     &(struct tn_deploy) { .model = "m", .version = "9" }, "test",
                                     NOW, &id, NULL),
                     TN_E_NOTFOUND);
    assert_int_equal(
        tn_fleet_deploy(place.fleet, &(struct tn_deploy) { .model = "m" }, "test", NOW, &id, NULL),
        TN_E_NOTFOUND);
    assert_null(tn_fleet_deployment_json(place.fleet, 1));
    place_done(&place);
}

/* ---- channels, and more than one deployment ---- */

TEST(channel__that_moves_gives_its_devices_the_other_release)
{
    struct place place = place_with(NULL);
    const char *second;

    add_release(&place, "m", "2");
    second = add_engine(&place, "2", &ada, TRT_10_6);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    (void)deploy_with(&place, (struct tn_deploy) { .channel = "stable" });
    finish(&place, "d1", true);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "2", "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), second);
    /* d2 had not fetched the first one: it never needs to */
    assert_string_equal(offered(&place, "d2"), second);
    place_restart(&place);
    assert_string_equal(offered(&place, "d2"), second);
    place_done(&place);
}

TEST(channel__that_moves_to_a_hole_takes_back_what_was_not_fetched)
{
    const char *engine;
    struct place place = place_with(&engine);

    add_release(&place, "m", "2");
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    (void)deploy_with(&place, (struct tn_deploy) { .channel = "stable" });
    assert_string_equal(offered(&place, "d1"), engine);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "2", "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), "");
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), engine);
    place_done(&place);
}

TEST(deployment__that_is_newer_and_a_hole_for_a_device_takes_back_what_an_older_one_offered)
{
    const char *engine;
    struct place place = place_with(&engine);

    add_release(&place, "m", "2");
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    label(&place, "d2", "site", "north");
    (void)deploy(&place, "1");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "2", .filter = "site=north" });
    assert_string_equal(offered(&place, "d1"), engine);
    assert_string_equal(offered(&place, "d2"), "");
    place_done(&place);
}

TEST(channel__that_moves_back_gives_again_what_was_only_withdrawn)
{
    const char *first;
    struct place place = place_with(&first);
    struct tn_fleet_action action;
    int64_t id;

    add_release(&place, "m", "2");
    (void)add_engine(&place, "2", &ada, TRT_10_6);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    id = deploy_with(&place, (struct tn_deploy) { .channel = "stable", .first = 1 });
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "2", "test", NOW, &err));
    place_restart(&place);
    assert_true(tn_fleet_action_by_id(place.fleet, device(&place, "d1"), 1, &action));
    assert_string_equal(action.state, "canceled");
    assert_int_equal(
        say(&place, "d1", 1, (struct tn_feedback) { .execution = "closed", .finished = "success" }),
        TN_E_CANCELLED);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), first);
    assert_int_equal(number_of(&place, id, "assigned"), 1);
    assert_int_equal(number_of(&place, id, "canceled"), 0);
    place_done(&place);
}

TEST(deployment__of_the_same_model_that_is_newer_counts_for_the_devices_that_both_want)
{
    const char *first;
    struct place place = place_with(&first);
    const char *second;
    json_t *json;

    add_release(&place, "m", "2");
    second = add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    label(&place, "d1", "site", "north");
    (void)deploy(&place, "1");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "2", .filter = "site=north" });
    assert_string_equal(offered(&place, "d1"), second);
    assert_string_equal(offered(&place, "d2"), first);
    finish(&place, "d1", true);
    assert_string_equal(offered(&place, "d1"), "");
    /* one was withdrawn when the newer came, one was done; nothing goes back and forth */
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_int_equal(json_array_size(json_object_get(json, "history")), 2);
    json_decref(json);
    place_done(&place);
}

TEST(device__has_one_action_at_a_time_and_the_next_when_that_ends)
{
    const char *first;
    struct place place = place_with(&first);
    const char *second;
    int64_t action;

    add_release(&place, "m", "2");
    second = add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    action = action_id(&place, "d1");
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d1"), action, NOW, &err));
    (void)deploy(&place, "2");
    assert_int_equal(action_id(&place, "d1"), action);
    finish(&place, "d1", true);
    assert_string_equal(offered(&place, "d1"), second);
    place_done(&place);
}

/* ---- brakes ---- */

static void add_devices(struct place *place, int count)
{
    for (int i = 0; i < count; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "d%02d", i);
        (void)add_device(place, id, &ada, TRT_10_6);
    }
}

static void assert_state(struct place *place, int64_t deployment, const char *state)
{
    json_t *json = tn_fleet_deployment_json(place->fleet, deployment);

    assert_string_equal(tn_json_str(json, "state", ""), state);
    json_decref(json);
}

TEST(first__stops_after_so_many_devices_also_after_a_restart)
{
    struct place place = place_with(NULL);
    int64_t id;

    add_devices(&place, 4);
    id = deploy_with(&place, (struct tn_deploy) { .version = "1", .first = 2 });
    assert_int_equal(number_of(&place, id, "assigned"), 2);
    place_restart(&place);
    finish(&place, "d00", true);
    (void)add_device(&place, "e", &ada, TRT_10_6);
    assert_int_equal(number_of(&place, id, "assigned"), 2);
    assert_string_equal(offered(&place, "e"), "");
    assert_string_equal(offered(&place, "d03"), "");
    place_done(&place);
}

TEST(brake__pauses_when_five_have_finished_and_a_fifth_of_them_failed)
{
    struct place place = place_with(NULL);
    int64_t id;

    add_devices(&place, 8);
    id = deploy(&place, "1");
    finish(&place, "d00", false);
    finish(&place, "d01", true);
    finish(&place, "d02", true);
    finish(&place, "d03", true);
    assert_state(&place, id, "running");
    finish(&place, "d04", false);
    assert_state(&place, id, "paused");
    assert_figure(&place, "deployments_paused", "", 1);
    assert_figure(&place, "deployments_running", "", 0);
    /* what was assigned and not yet fetched is held back */
    assert_string_equal(offered(&place, "d05"), "");
    assert_int_equal(tn_fleet_retrieved(place.fleet, device(&place, "d05"), 6, NOW, NULL),
                     TN_E_NOTFOUND);
    assert_int_equal(say(&place, "d05", 6,
                         (struct tn_feedback) { .execution = "closed", .finished = "success" }),
                     TN_E_NOTFOUND);
    place_restart(&place);
    assert_state(&place, id, "paused");
    assert_string_equal(offered(&place, "d05"), "");
    place_done(&place);
}

TEST(brake__lets_go_on_below_a_fifth)
{
    struct place place = place_with(NULL);
    int64_t id;

    add_devices(&place, 8);
    id = deploy(&place, "1");
    for (int i = 0; i < 5; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "d%02d", i);
        finish(&place, name, true);
    }
    finish(&place, "d05", false);
    assert_state(&place, id, "running");
    place_done(&place);
}

TEST(brake__counts_anew_when_the_operator_resumes_also_after_a_restart)
{
    const char *engine;
    struct place place = place_with(&engine);
    int64_t id;

    add_devices(&place, 12);
    id = deploy(&place, "1");
    for (int i = 0; i < 5; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "d%02d", i);
        finish(&place, name, i > 0);
    }
    assert_state(&place, id, "paused");
    WELL(tn_fleet_deployment_set(place.fleet, id, "running", NULL, "test", NOW, &err));
    assert_string_equal(offered(&place, "d05"), engine);
    finish(&place, "d05", false);
    assert_state(&place, id, "running");
    place_restart(&place);
    finish(&place, "d06", false);
    assert_state(&place, id, "running");
    place_done(&place);
}

TEST(brake__counts_after_a_resume_what_was_under_way_before)
{
    struct place place = place_with(NULL);
    int64_t id;

    add_devices(&place, 12);
    id = deploy(&place, "1"); /* all have an action from now on */
    for (int i = 0; i < 5; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "d%02d", i);
        finish(&place, name, i > 0);
    }
    assert_state(&place, id, "paused");
    WELL(tn_fleet_deployment_set(place.fleet, id, "running", NULL, "test", NOW, &err));
    for (int i = 5; i < 10; i++) {
        char name[16];

        assert_state(&place, id, "running");
        (void)snprintf(name, sizeof(name), "d%02d", i);
        finish(&place, name, false);
        place_restart(&place);
    }
    assert_state(&place, id, "paused");
    place_done(&place);
}

TEST(brake__counts_devices_and_not_how_often_one_fails)
{
    static const struct board *const boards[] = { &ada, &small_ada, &ampere, &orin };
    struct place place = place_with(NULL);
    int64_t id;

    for (size_t i = 1; i < TN_COUNT(boards); i++)
        (void)add_engine(&place, "1", boards[i], TRT_10_6);
    for (size_t i = 0; i < TN_COUNT(boards); i++)
        (void)add_engine(&place, "1", boards[i], TRT_10_9);
    (void)enroll(&place, "liar");
    id = deploy(&place, "1");
    for (size_t i = 0; i < 2 * TN_COUNT(boards); i++) {
        give_attributes(&place, "liar", boards[i / 2], i % 2 ? TRT_10_9 : TRT_10_6);
        finish(&place, "liar", false);
    }
    assert_state(&place, id, "running");
    assert_int_equal(number_of(&place, id, "failed"), 8);
    place_restart(&place);
    for (int i = 0; i < 4; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "d%02d", i);
        (void)add_device(&place, name, &ada, TRT_10_6);
        assert_state(&place, id, "running");
        finish(&place, name, true);
    }
    assert_state(&place, id, "paused"); /* one of five */
    place_done(&place);
}

TEST(device__that_changes_its_facts_for_ever_leaves_few_actions)
{
    struct place place = place_with(NULL);
    struct tn_page page = { .limit = 1000 };
    json_t *actions;

    (void)add_engine(&place, "1", &ada, TRT_10_9);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    for (int i = 0; i < 2000; i++) {
        give_attributes(&place, "d1", &ada, i % 2 ? TRT_10_6 : TRT_10_9);
        if (i % 100 == 99)
            place_commit(&place);
    }
    for (int restarts = 0; restarts < 2; restarts++) {
        actions = tn_fleet_actions_json(place.fleet, false, &page);
        assert_int_equal(json_array_size(actions), 9); /* 8 that were withdrawn, and the last */
        json_decref(actions);
        place_restart(&place);
    }
    assert_int_equal(action_id(&place, "d1"), 2001);
    finish(&place, "d1", true);
    place_done(&place);
}

TEST(deployment__that_is_stopped_takes_back_what_was_not_fetched_and_never_runs_again)
{
    const char *engine;
    struct place place = place_with(&engine);
    int64_t id;

    add_devices(&place, 2);
    id = deploy(&place, "1");
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d00"), action_id(&place, "d00"), NOW,
                            &err));
    WELL(tn_fleet_deployment_set(place.fleet, id, "stopped", "enough", "test", NOW, &err));
    assert_string_equal(offered(&place, "d00"), engine);
    assert_string_equal(offered(&place, "d01"), "");
    assert_int_equal(tn_fleet_deployment_set(place.fleet, id, "running", NULL, "test", NOW, NULL),
                     TN_E_USAGE);
    assert_int_equal(tn_fleet_deployment_set(place.fleet, id, "asleep", NULL, "test", NOW, NULL),
                     TN_E_INVALID);
    assert_int_equal(tn_fleet_deployment_set(place.fleet, 99, "paused", NULL, "test", NOW, NULL),
                     TN_E_NOTFOUND);
    place_done(&place);
}

/* ---- failures, and the next best ---- */

TEST(failure__leads_to_the_next_best_engine_and_not_to_the_same_again)
{
    const char *best;
    struct place place = place_with(NULL);
    const char *second;

    best = add_engine_with(&place, "1", &ada, TRT_10_6,
                           &(struct engine_options) { .precision = "int8" });
    second = offered(&place, (add_device(&place, "d0", &ada, TRT_10_6), "d0"));
    assert_string_equal(second, "");
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d0"), best);
    finish(&place, "d0", false);
    assert_string_not_equal(offered(&place, "d0"), best);
    assert_string_not_equal(offered(&place, "d0"), "");
    finish(&place, "d0", false);
    assert_string_equal(offered(&place, "d0"), "");
    place_restart(&place);
    give_attributes(&place, "d0", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d0"), "");
    /* a failure that lasts was not claimed: a new deployment tries again */
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d0"), best);
    place_done(&place);
}

TEST(revoked_engine__goes_to_nobody_and_those_who_run_it_keep_it)
{
    const char *engine;
    struct place place = place_with(&engine);
    struct tn_fleet_action action;
    const char *newer;

    add_devices(&place, 3);
    (void)deploy(&place, "1");
    finish(&place, "d00", true);
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d01"), action_id(&place, "d01"), NOW,
                            &err));
    WELL(tn_fleet_engine_revoke(place.fleet, engine, "wrong numbers", "test", NOW, &err));
    assert_string_equal(installed(&place, "d00"), engine);
    assert_string_equal(offered(&place, "d00"), "");
    assert_true(tn_fleet_action(place.fleet, device(&place, "d01"), &action));
    assert_true(action.canceling);
    assert_false(tn_fleet_may_download(place.fleet, device(&place, "d01"), &action.file));
    assert_string_equal(offered(&place, "d02"), "");
    place_restart(&place);
    (void)add_device(&place, "e", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "e"), "");
    newer = add_engine(&place, "1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "e"), newer);
    assert_string_equal(offered(&place, "d00"), newer);
    assert_string_equal(offered(&place, "d02"), newer);
    place_done(&place);
}

/* ---- canceling ---- */

TEST(cancel__of_what_was_not_fetched_ends_it_at_once_and_it_does_not_come_back)
{
    struct place place = place_with(NULL);
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    id = action_id(&place, "d1");
    WELL(tn_fleet_cancel(place.fleet, id, "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), "");
    assert_false(tn_fleet_wants_attributes(device(&place, "d1")));
    assert_int_equal(tn_fleet_cancel(place.fleet, id, "test", NOW, NULL), TN_E_USAGE);
    assert_int_equal(tn_fleet_cancel(place.fleet, 77, "test", NOW, NULL), TN_E_NOTFOUND);
    place_restart(&place);
    assert_false(tn_fleet_wants_attributes(device(&place, "d1")));
    give_attributes(&place, "d1", &small_ada, TRT_10_6);
    give_attributes(&place, "d1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), "");
    place_done(&place);
}

static int say_cancel(struct place *place, const char *id, int64_t action, const char *execution,
                      const char *finished)
{
    struct tn_feedback feedback = { .execution = execution,
                                    .finished = finished,
                                    .code = INT64_MIN };

    return tn_fleet_cancel_feedback(place->fleet, device(place, id), action, &feedback, NOW, NULL);
}

TEST(cancel__is_accepted_or_refused_by_the_device_and_may_be_said_twice)
{
    struct place place = place_with(NULL);
    struct tn_fleet_action action;
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    id = action_id(&place, "d1");
    assert_int_equal(say_cancel(&place, "d1", id, "closed", "success"), TN_E_NOTFOUND);
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d1"), id, NOW, &err));
    WELL(tn_fleet_cancel(place.fleet, id, "test", NOW, &err));
    assert_int_equal(say_cancel(&place, "d1", id, "rejected", "none"), TN_OK);
    assert_true(tn_fleet_action(place.fleet, device(&place, "d1"), &action));
    assert_string_equal(action.state, "running");
    WELL(tn_fleet_cancel(place.fleet, id, "test", NOW, &err));
    assert_int_equal(say_cancel(&place, "d1", id, "proceeding", "none"), TN_OK);
    assert_true(tn_fleet_action(place.fleet, device(&place, "d1"), &action));
    assert_true(action.canceling);
    assert_int_equal(say_cancel(&place, "d1", id, "closed", "success"), TN_OK);
    assert_false(tn_fleet_action(place.fleet, device(&place, "d1"), &action));
    assert_int_equal(say_cancel(&place, "d1", id, "closed", "success"), TN_OK);
    place_done(&place);
}

/* ---- feedback ---- */

TEST(feedback__after_the_end_is_refused_and_changes_nothing)
{
    struct place place = place_with(NULL);
    struct tn_fleet_action action;
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    id = action_id(&place, "d1");
    finish(&place, "d1", true);
    assert_int_equal(say(&place, "d1", id,
                         (struct tn_feedback) { .execution = "closed", .finished = "failure" }),
                     TN_E_CANCELLED);
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d1"), id, NOW, &err));
    assert_true(tn_fleet_action_by_id(place.fleet, device(&place, "d1"), id, &action));
    assert_string_equal(action.state, "finished");
    place_done(&place);
}

TEST(feedback__of_another_device_or_in_other_words_is_refused)
{
    struct place place = place_with(NULL);
    struct tn_fleet_action action;
    int64_t id;

    add_devices(&place, 2);
    (void)deploy(&place, "1");
    id = action_id(&place, "d00");
    assert_int_equal(say(&place, "d01", id,
                         (struct tn_feedback) { .execution = "closed", .finished = "success" }),
                     TN_E_NOTFOUND);
    assert_int_equal(tn_fleet_retrieved(place.fleet, device(&place, "d01"), id, NOW, NULL),
                     TN_E_NOTFOUND);
    assert_false(tn_fleet_action_by_id(place.fleet, device(&place, "d01"), id, &action));
    assert_int_equal(say(&place, "d00", id,
                         (struct tn_feedback) { .execution = "dancing", .finished = "success" }),
                     TN_E_INVALID);
    assert_int_equal(say(&place, "d00", id,
                         (struct tn_feedback) { .execution = "closed", .finished = "perhaps" }),
                     TN_E_INVALID);
    assert_true(tn_fleet_action(place.fleet, device(&place, "d00"), &action));
    assert_string_equal(action.state, "pending");
    place_done(&place);
}

TEST(feedback__words_of_ddi_lead_to_the_states_of_ddi)
{
    static const struct {
        const char *execution, *finished, *state;
    } rows[] = {
        { "proceeding", "none", "running" }, { "scheduled", "none", "running" },
        { "download", "none", "running" },   { "downloaded", "success", "running" },
        { "resumed", "none", "running" },    { "rejected", "none", "running" },
        { "closed", "none", "finished" },    { "closed", "success", "finished" },
        { "closed", "failure", "error" },    { "canceled", "none", "canceled" },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct place place = place_with(NULL);
        struct tn_fleet_action action;
        int64_t id;

        (void)add_device(&place, "d1", &ada, TRT_10_6);
        (void)deploy(&place, "1");
        id = action_id(&place, "d1");
        assert_int_equal(say(&place, "d1", id,
                             (struct tn_feedback) { .execution = rows[i].execution,
                                                    .finished = rows[i].finished }),
                         TN_OK);
        assert_true(tn_fleet_action_by_id(place.fleet, device(&place, "d1"), id, &action));
        assert_string_equal(action.state, rows[i].state);
        place_done(&place);
    }
}

TEST(feedback__keeps_the_first_and_the_last_rows_up_to_a_limit_and_the_telling_line)
{
    static const char *const lines[] = {
        "starting", "[TRT] Failed: expecting library version 10.6.0.26 got 10.9.0.34", "giving up"
    };
    struct place place = place_with(NULL);
    json_t *json;
    const json_t *history;
    int64_t id;

    place.options.history_most = 4;
    place_restart(&place);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    id = action_id(&place, "d1");
    assert_int_equal(
        say(&place, "d1", id, (struct tn_feedback) { .execution = "download", .finished = "none" }),
        TN_OK);
    for (int i = 0; i < 30; i++)
        assert_int_equal(
            say(&place, "d1", id,
                (struct tn_feedback) { .execution = "proceeding", .finished = "none" }),
            TN_OK);
    assert_int_equal(say(&place, "d1", id,
                         (struct tn_feedback) { .execution = "closed",
                                                .finished = "failure",
                                                .details = lines,
                                                .detail_count = TN_COUNT(lines) }),
                     TN_OK);
    place_restart(&place);
    json = tn_fleet_action_json(place.fleet, id);
    history = json_object_get(json, "history");
    assert_int_equal(json_array_size(history), 4);
    assert_string_equal(tn_json_str(json_array_get(history, 0), "execution", ""), "download");
    assert_string_equal(tn_json_str(json_array_get(history, 3), "execution", ""), "closed");
    assert_non_null(strstr(tn_json_str(json_array_get(history, 3), "details", ""), "giving up"));
    assert_string_equal(tn_json_str(json, "detail", ""), lines[1]);
    json_decref(json);
    place_done(&place);
}

TEST(attributes__are_wanted_at_first_and_again_after_an_action_has_ended)
{
    struct place place = place_with(NULL);

    assert_true(tn_fleet_wants_attributes(enroll(&place, "d1")));
    give_attributes(&place, "d1", &ada, TRT_10_6);
    assert_false(tn_fleet_wants_attributes(device(&place, "d1")));
    (void)deploy(&place, "1");
    finish(&place, "d1", true);
    place_restart(&place);
    assert_true(tn_fleet_wants_attributes(device(&place, "d1")));
    give_attributes(&place, "d1", &ada, TRT_10_6);
    assert_false(tn_fleet_wants_attributes(device(&place, "d1")));
    place_restart(&place);
    assert_false(tn_fleet_wants_attributes(device(&place, "d1")));
    place_done(&place);
}

TEST(device__that_is_removed_takes_its_actions_along_and_may_come_back)
{
    const char *engine;
    struct place place = place_with(&engine);
    int64_t id, other;

    add_devices(&place, 2);
    (void)deploy(&place, "1");
    id = action_id(&place, "d00");
    other = action_id(&place, "d01");
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d00"), "test", NOW, &err));
    assert_null(tn_fleet_device(place.fleet, "d00"));
    assert_null(tn_fleet_action_json(place.fleet, id));
    assert_int_equal(action_id(&place, "d01"), other);
    place_restart(&place);
    assert_null(tn_fleet_device(place.fleet, "d00"));
    (void)add_device(&place, "d00", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d00"), engine);
    assert_true(action_id(&place, "d00") > other);
    place_done(&place);
}

/* ---- soft and download-only ---- */

static enum tn_assignment assignment_of(struct place *place, const char *id)
{
    struct tn_fleet_action action;

    assert_true(tn_fleet_action(place->fleet, device(place, id), &action));
    return action.assignment;
}

static const char *state_of(struct place *place, const char *id, int64_t number)
{
    struct tn_fleet_action action;

    assert_true(tn_fleet_action_by_id(place->fleet, device(place, id), number, &action));
    return action.state;
}

TEST(deployment__of_a_type_that_is_not_known_is_refused)
{
    struct place place = place_with(NULL);
    struct tn_deploy deploy = { .model = "m", .version = "1", .type = "gentle" };
    int64_t id = 0;

    assert_int_equal(tn_fleet_deploy(place.fleet, &deploy, "test", NOW, &id, NULL), TN_E_INVALID);
    place_done(&place);
}

TEST(deployment__that_is_soft_can_be_forced_and_stays_so)
{
    struct place place = place_with(NULL);
    int64_t id, fetch;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    id = deploy_with(&place, (struct tn_deploy) { .version = "1", .type = "soft" });
    assert_int_equal(assignment_of(&place, "d1"), TN_ASSIGN_SOFT);
    place_restart(&place);
    assert_int_equal(assignment_of(&place, "d1"), TN_ASSIGN_SOFT);
    WELL(tn_fleet_retrieved(place.fleet, device(&place, "d1"), action_id(&place, "d1"), NOW, &err));
    WELL(tn_fleet_deployment_force(place.fleet, id, "test", NOW, &err));
    WELL(tn_fleet_deployment_force(place.fleet, id, "test", NOW, &err));
    place_restart(&place);
    assert_int_equal(assignment_of(&place, "d1"), TN_ASSIGN_FORCED);
    fetch = deploy_with(&place, (struct tn_deploy) { .version = "1", .type = "download-only" });
    assert_int_equal(tn_fleet_deployment_force(place.fleet, fetch, "test", NOW, NULL), TN_E_USAGE);
    assert_int_equal(tn_fleet_deployment_force(place.fleet, 99, "test", NOW, NULL), TN_E_NOTFOUND);
    place_done(&place);
}

/* How a client may end a download: rauc-hawkbit-updater says the first. */
static const struct tn_feedback fetched[] = {
    { .execution = "downloaded", .finished = "success" },
    { .execution = "downloaded", .finished = "none" },
    { .execution = "closed", .finished = "success" },
};

TEST(download_only__ends_without_counting_as_installed_and_is_not_given_again)
{
    const char *engine;
    struct place place = place_with(&engine);
    int64_t id, number;

    for (size_t i = 0; i < TN_COUNT(fetched); i++) {
        char name[] = { 'd', (char)('1' + i), '\0' };

        (void)add_device(&place, name, &ada, TRT_10_6);
    }
    id = deploy_with(&place, (struct tn_deploy) { .version = "1", .type = "download-only" });
    for (size_t i = 0; i < TN_COUNT(fetched); i++) {
        char name[] = { 'd', (char)('1' + i), '\0' };

        number = action_id(&place, name);
        assert_int_equal(assignment_of(&place, name), TN_ASSIGN_DOWNLOAD_ONLY);
        assert_int_equal(say(&place, name, number, fetched[i]), TN_OK);
        assert_string_equal(state_of(&place, name, number), "downloaded");
        assert_string_equal(installed(&place, name), "");
        assert_string_equal(offered(&place, name), "");
        assert_int_equal(say(&place, name, number, fetched[i]), TN_E_CANCELLED);
    }
    assert_int_equal(number_of(&place, id, "finished"), 3);
    place_restart(&place);
    assert_int_equal(number_of(&place, id, "finished"), 3);
    give_attributes(&place, "d1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), "");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .type = "download-only" });
    assert_string_equal(offered(&place, "d1"), "");
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), engine);
    finish(&place, "d1", true);
    assert_string_equal(installed(&place, "d1"), engine);
    place_done(&place);
}

TEST(download_only__leaves_what_is_installed_as_it_was)
{
    const char *first;
    struct place place = place_with(&first);
    const char *second;

    add_release(&place, "m", "2");
    second = add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    finish(&place, "d1", true);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "2", .type = "download-only" });
    assert_string_equal(offered(&place, "d1"), second);
    assert_int_equal(say(&place, "d1", action_id(&place, "d1"), fetched[0]), TN_OK);
    assert_string_equal(installed(&place, "d1"), first);
    place_restart(&place);
    assert_string_equal(installed(&place, "d1"), first);
    place_done(&place);
}

TEST(download_only__that_fails_is_an_error_and_counts_for_the_brake)
{
    struct place place = place_with(NULL);
    int64_t id, number;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    id = deploy_with(&place, (struct tn_deploy) { .version = "1", .type = "download-only" });
    number = action_id(&place, "d1");
    assert_int_equal(say(&place, "d1", number,
                         (struct tn_feedback) { .execution = "downloaded", .finished = "failure" }),
                     TN_OK);
    assert_string_equal(state_of(&place, "d1", number), "error");
    number = action_id(&place, "d2");
    assert_int_equal(say(&place, "d2", number,
                         (struct tn_feedback) { .execution = "download", .finished = "none" }),
                     TN_OK);
    assert_string_equal(state_of(&place, "d2", number), "running");
    assert_int_equal(number_of(&place, id, "failed"), 1);
    place_done(&place);
}

TEST(forced__takes_the_place_of_a_download_that_was_not_fetched_yet)
{
    const char *engine;
    struct place place = place_with(&engine);

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .type = "download-only" });
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .first = 1 });
    assert_int_equal(assignment_of(&place, "d1"), TN_ASSIGN_FORCED);
    /* no place for it there: it keeps what it was given */
    assert_int_equal(assignment_of(&place, "d2"), TN_ASSIGN_DOWNLOAD_ONLY);
    place_done(&place);
}

/* ---- what a device declares ---- */

static int declare(struct place *place, const char *id, const char *version, const char *digest,
                   bool *ret_changed)
{
    return tn_fleet_declare(place->fleet, device(place, id), "m", version, digest, NOW, ret_changed,
                            NULL);
}

/* "m@2" or "". */
static const char *declared(struct place *place, const char *id)
{
    static char text[64];
    json_t *json = tn_fleet_device_json(place->fleet, device(place, id));
    const json_t *words = json_object_get(json, "declared");

    (void)snprintf(text, sizeof(text), "%s%s%s", tn_json_str(words, "model", ""),
                   json_is_object(words) ? "@" : "", tn_json_str(words, "version", ""));
    json_decref(json);
    return text;
}

TEST(declared__engine_is_the_only_one_that_the_class_can_load_and_counts_as_installed)
{
    const char *engine;
    struct place place = place_with(&engine);
    struct tn_digest digest;
    bool changed = false;

    (void)add_engine(&place, "1", &ampere, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    WELL(tn_digest_parse(engine, &digest, &err));
    assert_int_equal(declare(&place, "d1", "1", NULL, &changed), TN_OK);
    assert_true(changed);
    assert_string_equal(installed(&place, "d1"), engine);
    assert_true(tn_fleet_may_download(place.fleet, device(&place, "d1"), &digest));
    place_restart(&place);
    assert_string_equal(installed(&place, "d1"), engine);
    assert_int_equal(declare(&place, "d1", "1", NULL, &changed), TN_OK);
    assert_false(changed);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    assert_int_equal(tn_fleet_cancel(place.fleet, 1, "test", NOW, NULL), TN_E_USAGE);
    WELL(tn_fleet_engine_revoke(place.fleet, engine, "bad", "test", NOW, &err));
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d1"), "test", NOW, &err));
    place_done(&place);
}

TEST(declared__engine_takes_the_place_of_what_was_not_fetched_yet)
{
    const char *engine;
    struct place place = place_with(&engine);
    bool changed = false;
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    id = deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), engine);
    assert_int_equal(declare(&place, "d1", "1", NULL, &changed), TN_OK);
    assert_string_equal(offered(&place, "d1"), "");
    assert_string_equal(installed(&place, "d1"), engine);
    assert_int_equal(number_of(&place, id, "assigned"), 0);
    place_done(&place);
}

TEST(declared__release_with_several_engines_for_the_class_keeps_the_words_alone)
{
    const char *first;
    struct place place = place_with(&first);
    const char *second;
    bool changed = false;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)deploy(&place, "1");
    finish(&place, "d1", true);
    add_release(&place, "m", "2");
    second = add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_engine_with(&place, "2", &ada, TRT_10_6,
                          &(struct engine_options) { .precision = "fp32" });
    assert_int_equal(declare(&place, "d1", "2", NULL, &changed), TN_OK);
    assert_true(changed);
    assert_string_equal(declared(&place, "d1"), "m@2");
    /* it does not run the first any more, so a deployment of that is not done */
    assert_string_equal(installed(&place, "d1"), "");
    place_restart(&place);
    assert_string_equal(declared(&place, "d1"), "m@2");
    assert_int_equal(declare(&place, "d1", "2", NULL, &changed), TN_OK);
    assert_false(changed);
    /* its own word for which one */
    assert_int_equal(declare(&place, "d1", "2", second, &changed), TN_OK);
    assert_true(changed);
    assert_string_equal(declared(&place, "d1"), "");
    assert_string_equal(installed(&place, "d1"), second);
    place_done(&place);
}

TEST(declared__words_end_when_an_action_of_the_model_finishes)
{
    const char *first;
    struct place place = place_with(&first);
    bool changed = false;

    add_release(&place, "m", "2");
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    assert_int_equal(declare(&place, "d1", "2", NULL, &changed), TN_OK);
    assert_string_equal(declared(&place, "d1"), "m@2");
    (void)deploy(&place, "1");
    finish(&place, "d1", true);
    assert_string_equal(declared(&place, "d1"), "");
    place_restart(&place);
    assert_string_equal(declared(&place, "d1"), "");
    assert_string_equal(installed(&place, "d1"), first);
    place_done(&place);
}

TEST(declared__release_or_engine_that_is_not_there_changes_nothing)
{
    struct place place = place_with(NULL);
    static const char none[] = "00000000000000000000000000000000"
                               "00000000000000000000000000000000";
    bool changed = false;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    assert_int_equal(declare(&place, "d1", "9", NULL, &changed), TN_E_NOTFOUND);
    assert_int_equal(declare(&place, "d1", "1", none, &changed), TN_E_NOTFOUND);
    assert_false(changed);
    assert_string_equal(installed(&place, "d1"), "");
    assert_string_equal(declared(&place, "d1"), "");
    place_done(&place);
}

/* ---- places of `first N` ---- */

TEST(first__place_of_a_device_that_is_removed_goes_to_the_next_at_once)
{
    const char *engine;
    struct place place = place_with(&engine);
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    (void)add_device(&place, "d3", &ada, TRT_10_6);
    id = deploy_with(&place, (struct tn_deploy) { .version = "1", .first = 1 });
    finish(&place, "d1", false);
    assert_int_equal(number_of(&place, id, "failed"), 1);
    assert_string_equal(offered(&place, "d2"), "");
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d1"), "test", NOW, &err));
    assert_int_equal(number_of(&place, id, "failed"), 0);
    assert_int_equal(number_of(&place, id, "assigned"), 1);
    assert_string_equal(offered(&place, "d2"), engine);
    assert_string_equal(offered(&place, "d3"), "");
    place_restart(&place);
    assert_int_equal(number_of(&place, id, "assigned"), 1);
    assert_string_equal(offered(&place, "d2"), engine);
    place_done(&place);
}

/* ---- confirmations ---- */

static int confirm(struct place *place, int64_t id, const char *word)
{
    return tn_fleet_confirm(place->fleet, device(place, "d1"), id, word, NULL, NOW, NULL);
}

static const char *state_now(struct place *place)
{
    struct tn_fleet_action action;

    return tn_fleet_action(place->fleet, device(place, "d1"), &action) ? action.state : "";
}

TEST(confirm__of_a_paused_deployment_waits_until_it_runs_again)
{
    struct place place = place_with(NULL);
    int64_t number, id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    number = deploy_with(&place, (struct tn_deploy) { .version = "1", .confirm = true });
    id = action_id(&place, "d1");
    WELL(tn_fleet_deployment_set(place.fleet, number, "paused", "lunch", "test", NOW, &err));
    assert_string_equal(state_now(&place), "");
    assert_int_equal(confirm(&place, id, "confirmed"), TN_E_NOTFOUND);
    place_restart(&place);
    WELL(tn_fleet_deployment_set(place.fleet, number, "running", NULL, "test", NOW, &err));
    assert_string_equal(state_now(&place), "wait_for_confirmation");
    assert_int_equal(confirm(&place, id, "perhaps"), TN_E_INVALID);
    assert_int_equal(confirm(&place, id, "denied"), TN_OK);
    assert_string_equal(state_now(&place), "wait_for_confirmation");
    assert_int_equal(confirm(&place, id, "confirmed"), TN_OK);
    assert_string_equal(state_now(&place), "pending");
    place_restart(&place);
    assert_string_equal(state_now(&place), "pending");
    finish(&place, "d1", true);
    assert_int_equal(confirm(&place, id, "confirmed"), TN_E_CANCELLED);
    place_done(&place);
}

TEST(confirm__what_waits_makes_way_for_what_is_meant_and_is_asked_anew)
{
    const char *first, *second;
    struct place place = place_with(&first);
    int64_t id;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    add_release(&place, "m", "2");
    second = add_engine(&place, "2", &ada, TRT_10_6);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    (void)deploy_with(&place, (struct tn_deploy) { .confirm = true });
    assert_string_equal(offered(&place, "d1"), first);
    id = action_id(&place, "d1");
    assert_int_equal(confirm(&place, id, "confirmed"), TN_OK);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "2", "test", NOW, &err));
    assert_string_equal(offered(&place, "d1"), second);
    assert_string_equal(state_now(&place), "wait_for_confirmation");
    assert_int_equal(confirm(&place, id, "confirmed"), TN_E_CANCELLED);
    WELL(tn_fleet_auto_confirm(place.fleet, device(&place, "d1"), true, NOW, &err));
    assert_string_equal(state_now(&place), "pending");
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirm__of_a_paused_deployment_waits_until_it_runs_again),
        cmocka_unit_test(confirm__what_waits_makes_way_for_what_is_meant_and_is_asked_anew),
        cmocka_unit_test(device__is_offered_fetches_and_keeps_what_it_was_assigned),
        cmocka_unit_test(device__that_registers_later_is_offered_what_runs),
        cmocka_unit_test(device__that_runs_the_engine_already_gets_no_action),
        cmocka_unit_test(device__may_download_again_what_it_runs_of_every_model),
        cmocka_unit_test(device__that_changes_its_runtime_is_matched_anew),
        cmocka_unit_test(
            device__that_changed_before_it_fetched_the_engine_is_not_offered_it_any_more),
        cmocka_unit_test(
            device__that_no_filter_wants_any_more_is_not_offered_what_it_has_not_fetched),
        cmocka_unit_test(first__place_of_a_device_that_changed_goes_to_the_next_at_once),
        cmocka_unit_test(hole__of_a_release_that_a_later_deployment_replaced_is_none_any_more),
        cmocka_unit_test(hole__closes_by_itself_when_its_engine_is_added),
        cmocka_unit_test(engine__whose_file_was_lost_is_given_out_again_once_it_is_pushed_again),
        cmocka_unit_test(filter__chooses_by_attributes_and_by_labels_and_a_label_set_later_counts),
        cmocka_unit_test(filter__takes_the_operators_word_before_that_of_the_device),
        cmocka_unit_test(deploy__refuses_a_release_or_channel_that_is_not_there),
        cmocka_unit_test(channel__that_moves_gives_its_devices_the_other_release),
        cmocka_unit_test(channel__that_moves_to_a_hole_takes_back_what_was_not_fetched),
        cmocka_unit_test(
            deployment__that_is_newer_and_a_hole_for_a_device_takes_back_what_an_older_one_offered),
        cmocka_unit_test(channel__that_moves_back_gives_again_what_was_only_withdrawn),
        cmocka_unit_test(
            deployment__of_the_same_model_that_is_newer_counts_for_the_devices_that_both_want),
        cmocka_unit_test(device__has_one_action_at_a_time_and_the_next_when_that_ends),
        cmocka_unit_test(first__stops_after_so_many_devices_also_after_a_restart),
        cmocka_unit_test(brake__pauses_when_five_have_finished_and_a_fifth_of_them_failed),
        cmocka_unit_test(brake__lets_go_on_below_a_fifth),
        cmocka_unit_test(brake__counts_anew_when_the_operator_resumes_also_after_a_restart),
        cmocka_unit_test(brake__counts_after_a_resume_what_was_under_way_before),
        cmocka_unit_test(brake__counts_devices_and_not_how_often_one_fails),
        cmocka_unit_test(device__that_changes_its_facts_for_ever_leaves_few_actions),
        cmocka_unit_test(
            deployment__that_is_stopped_takes_back_what_was_not_fetched_and_never_runs_again),
        cmocka_unit_test(failure__leads_to_the_next_best_engine_and_not_to_the_same_again),
        cmocka_unit_test(revoked_engine__goes_to_nobody_and_those_who_run_it_keep_it),
        cmocka_unit_test(cancel__of_what_was_not_fetched_ends_it_at_once_and_it_does_not_come_back),
        cmocka_unit_test(cancel__is_accepted_or_refused_by_the_device_and_may_be_said_twice),
        cmocka_unit_test(feedback__after_the_end_is_refused_and_changes_nothing),
        cmocka_unit_test(feedback__of_another_device_or_in_other_words_is_refused),
        cmocka_unit_test(feedback__words_of_ddi_lead_to_the_states_of_ddi),
        cmocka_unit_test(
            feedback__keeps_the_first_and_the_last_rows_up_to_a_limit_and_the_telling_line),
        cmocka_unit_test(attributes__are_wanted_at_first_and_again_after_an_action_has_ended),
        cmocka_unit_test(device__that_is_removed_takes_its_actions_along_and_may_come_back),
        cmocka_unit_test(deployment__of_a_type_that_is_not_known_is_refused),
        cmocka_unit_test(deployment__that_is_soft_can_be_forced_and_stays_so),
        cmocka_unit_test(download_only__ends_without_counting_as_installed_and_is_not_given_again),
        cmocka_unit_test(download_only__leaves_what_is_installed_as_it_was),
        cmocka_unit_test(download_only__that_fails_is_an_error_and_counts_for_the_brake),
        cmocka_unit_test(forced__takes_the_place_of_a_download_that_was_not_fetched_yet),
        cmocka_unit_test(
            declared__engine_is_the_only_one_that_the_class_can_load_and_counts_as_installed),
        cmocka_unit_test(declared__engine_takes_the_place_of_what_was_not_fetched_yet),
        cmocka_unit_test(
            declared__release_with_several_engines_for_the_class_keeps_the_words_alone),
        cmocka_unit_test(declared__words_end_when_an_action_of_the_model_finishes),
        cmocka_unit_test(declared__release_or_engine_that_is_not_there_changes_nothing),
        cmocka_unit_test(first__place_of_a_device_that_is_removed_goes_to_the_next_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
