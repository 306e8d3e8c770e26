/* Which engine is the best for a device, and why the others are not. */
#include "fixture.h"

#include "device/filter.h"

static struct place place_with_release(void)
{
    struct place place = place_new();

    add_release(&place, "m", "1");
    return place;
}

static const char *add_precision(struct place *place, const struct board *board, enum which which,
                                 const char *precision)
{
    return add_engine_with(place, "1", board, which,
                           &(struct engine_options) { .precision = precision });
}

/* What the device is offered by a deployment to all. */
static const char *offer(struct place *place, const struct board *board, enum which which)
{
    (void)add_device(place, "d1", board, which);
    (void)deploy(place, "1");
    return offered(place, "d1");
}

TEST(engine__of_the_exact_class_and_release_is_the_one)
{
    struct place place = place_with_release();
    const char *engine;

    (void)add_engine(&place, "1", &ampere, TRT_10_6);
    (void)add_engine(&place, "1", &orin, TRT_10_6);
    (void)add_engine(&place, "1", &ada, TRT_10_9);
    (void)add_engine(&place, "1", &ada, RTX_1_7);
    engine = add_engine(&place, "1", &ada, TRT_10_6);
    assert_string_equal(offer(&place, &ada, TRT_10_6), engine);
    place_done(&place);
}

TEST(engine__of_another_board_of_the_compute_capability_is_taken_only_where_that_is_accepted)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);

    assert_string_equal(offer(&place, &small_ada, TRT_10_6), "");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .accept_may_load = true });
    assert_string_equal(offered(&place, "d1"), engine);
    place_done(&place);
}

TEST(engine__of_the_own_class_goes_before_one_that_may_load_whatever_its_precision)
{
    struct place place = place_with_release();
    const char *own;

    (void)add_precision(&place, &ada, TRT_10_6, "int8");
    own = add_precision(&place, &small_ada, TRT_10_6, "fp32");
    (void)add_device(&place, "d1", &small_ada, TRT_10_6);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .accept_may_load = true });
    assert_string_equal(offered(&place, "d1"), own);
    place_done(&place);
}

TEST(engine__of_the_own_class_goes_before_a_portable_one)
{
    struct place place = place_with_release();
    const char *own, *portable;

    portable = add_engine_with(&place, "1", &ampere, TRT_10_6,
                               &(struct engine_options) { .precision = "int8", .portable = true });
    assert_string_equal(offer(&place, &ada, TRT_10_6), portable);
    own = add_precision(&place, &ada, TRT_10_6, "fp32");
    assert_string_equal(offered(&place, "d1"), own);
    place_done(&place);
}

TEST(precisions__go_in_the_order_of_the_release_and_by_default_from_int8_to_fp32)
{
    struct place place = place_with_release();
    const char *int8;

    (void)add_precision(&place, &ada, TRT_10_6, "fp32");
    (void)add_precision(&place, &ada, TRT_10_6, "fp16");
    int8 = add_precision(&place, &ada, TRT_10_6, "int8");
    (void)add_precision(&place, &ada, TRT_10_6, "bf16");
    assert_string_equal(offer(&place, &ada, TRT_10_6), int8);
    place_done(&place);
}

static void add_ordered_release(struct place *place, const char *version, json_t *order)
{
    json_t *manifest = json_pack("{s:s,s:s,s:[],s:{s:{s:o}}}", "model", "m", "version", version,
                                 "variants", "spec", "policy", "precision", order);

    WELL(tn_fleet_release_add(place->fleet, manifest, "test", NOW, &err));
    json_decref(manifest);
}

TEST(precisions__follow_the_policy_of_the_spec_as_a_list_or_as_text_also_after_a_restart)
{
    struct place place = place_new();
    const char *fp16;

    add_ordered_release(&place, "1", json_pack("[s,s]", "fp16", "int8"));
    add_ordered_release(&place, "2", json_string("fp16,int8"));
    for (int version = 1; version <= 2; version++) {
        const char *text = version == 1 ? "1" : "2";

        (void)add_engine_with(&place, text, &ada, TRT_10_6,
                              &(struct engine_options) { .precision = "int8" });
        fp16 = add_engine_with(&place, text, &ada, TRT_10_6,
                               &(struct engine_options) { .precision = "fp16" });
        place_restart(&place);
        (void)add_device(&place, text, &ada, TRT_10_6);
        (void)deploy_with(&place, (struct tn_deploy) { .version = text });
        assert_string_equal(offered(&place, text), fp16);
    }
    place_done(&place);
}

TEST(evidence__of_the_own_class_goes_before_everything)
{
    struct place place = place_with_release();
    const char *fp32 = add_precision(&place, &ada, TRT_10_6, "fp32");

    assert_string_equal(offer(&place, &ada, TRT_10_6), fp32);
    finish_saying(&place, "d1", "ok", "", false);
    (void)add_precision(&place, &ada, TRT_10_6, "int8");
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d2"), fp32);
    place_done(&place);
}

TEST(evidence__of_a_class_makes_a_may_load_engine_good_enough_for_it)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);

    (void)add_device(&place, "d1", &small_ada, TRT_10_6);
    label(&place, "d1", "site", "lab");
    (void)deploy_with(
        &place,
        (struct tn_deploy) { .version = "1", .filter = "site = lab", .accept_may_load = true });
    finish_saying(&place, "d1", "ok", "", false);
    (void)add_device(&place, "d2", &small_ada, TRT_10_6);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d2"), engine);
    place_done(&place);
}

/* Engines of one kind lie together, whatever their release and whenever they came. */
TEST(engine__that_comes_later_to_the_older_of_two_releases_is_found_and_a_revoked_one_is_not)
{
    struct place place = place_with_release();
    const char *older, *newer;

    add_release(&place, "m", "2");
    newer = add_engine(&place, "2", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .filter = "id = d1" });
    (void)deploy_with(&place, (struct tn_deploy) { .version = "2", .filter = "id = d2" });
    assert_string_equal(offered(&place, "d1"), "");
    assert_string_equal(offered(&place, "d2"), newer);
    older = add_engine(&place, "1", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), older);
    for (int again = 0; again < 2; again++) {
        if (again)
            place_restart(&place);
        else
            WELL(tn_fleet_engine_revoke(place.fleet, newer, "bad", "test", NOW, &err));
        assert_string_equal(offered(&place, "d1"), older);
        assert_string_equal(offered(&place, "d2"), "");
    }
    (void)add_device(&place, "d2", &small_ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d2"), "");
    place_done(&place);
}

TEST(rtx_engine__goes_to_the_compute_capabilities_that_it_names)
{
    static const struct board volta = { "volta", 7, 0, 80, 4096, 6291456, UINT64_C(17179869184),
                                        false };
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, RTX_1_7);

    assert_string_equal(offer(&place, &ampere, RTX_1_7), engine);
    (void)add_device(&place, "d2", &volta, RTX_1_7);
    assert_string_equal(offered(&place, "d2"), "");
    (void)add_device(&place, "d3", &ada, TRT_10_6);
    assert_string_equal(offered(&place, "d3"), "");
    place_done(&place);
}

TEST(rtx_engine__that_names_one_compute_capability_alone_goes_before_the_one_for_all)
{
    struct place place = place_with_release();
    const char *one;

    (void)add_engine_with(&place, "1", &ada, RTX_1_7,
                          &(struct engine_options) { .precision = "int8" });
    one = add_engine_with(&place, "1", &ada, RTX_1_7,
                          &(struct engine_options) { .precision = "fp32", .mask = 0x08 });
    assert_string_equal(offer(&place, &ada, RTX_1_7), one);
    place_done(&place);
}

TEST(jetson__gets_no_engine_of_a_server_and_a_server_none_of_a_jetson)
{
    struct place place = place_with_release();
    struct board server = orin;
    const char *engine;

    server.jetson = false;
    (void)add_engine(&place, "1", &server, TRT_10_6);
    assert_string_equal(offer(&place, &orin, TRT_10_6), "");
    engine = add_engine(&place, "1", &orin, TRT_10_6);
    assert_string_equal(offered(&place, "d1"), engine);
    place_done(&place);
}

TEST(device__of_which_only_a_short_version_is_known_gets_an_engine_only_where_may_load_is_accepted)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);
    json_t *attributes = attributes_of(&ada, TRT_10_6);

    (void)json_object_set_new(attributes, "runtime.trt", json_string("10.6"));
    WELL(tn_fleet_attributes(place.fleet, enroll(&place, "d1"), TN_ATTRIBUTES_REPLACE, attributes,
                             NOW, &err));
    json_decref(attributes);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .accept_may_load = true });
    assert_string_equal(offered(&place, "d1"), engine);
    place_done(&place);
}

TEST(device__without_a_fingerprint_is_never_guessed_at)
{
    struct place place = place_with_release();
    json_t *attributes = json_pack("{s:s}", "colour", "red");

    (void)add_engine(&place, "1", &ada, TRT_10_6);
    (void)enroll(&place, "d1");
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    WELL(tn_fleet_attributes(place.fleet, device(&place, "d1"), TN_ATTRIBUTES_REPLACE, attributes,
                             NOW, &err));
    json_decref(attributes);
    assert_string_equal(offered(&place, "d1"), "");
    place_done(&place);
}

TEST(device__that_is_registered_as_a_bundled_board_is_matched_by_the_boards_facts)
{
    static const struct board h200 = { "h200", 9, 0, 132, 6016, 62914560, UINT64_C(150109880320),
                                       false };
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &h200, TRT_10_6);
    json_t *attributes = json_pack("{s:s,s:s}", "gpu.product", "H200", "runtime.trt", "10.6.0.26");

    WELL(tn_fleet_attributes(place.fleet, enroll(&place, "d1"), TN_ATTRIBUTES_MERGE, attributes,
                             NOW, &err));
    json_decref(attributes);
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), engine);
    place_done(&place);
}

TEST(fingerprint__flattened_and_read_back_has_the_same_class)
{
    struct place place = place_with_release();
    struct tn_device named;
    json_t *flat, *json;

    WELL(tn_device_named("h200+trt10.6.0.26", &named, &err));
    flat = tn_device_attributes(&named);
    WELL(tn_fleet_attributes(place.fleet, enroll(&place, "d1"), TN_ATTRIBUTES_REPLACE, flat, NOW,
                             &err));
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_string_equal(tn_json_str(json, "class", ""),
                        "sm90-132sm-6016bit-l2.62914560-140GiB-discrete");
    assert_string_equal(tn_json_str(json, "runtime", ""), "trt10.6.0.26");
    assert_string_equal(tn_json_str(json, "platform", ""), "linux-x86_64");
    json_decref(json);
    json_decref(flat);
    place_done(&place);
}

TEST(class__of_the_largest_numbers_that_a_device_can_send_is_one_too)
{
    struct place place = place_with_release();
    json_t *flat = json_pack("{s:s,s:s,s:s,s:s,s:s}", "gpu.memory_bytes", "9223372036854775807",
                             "gpu.compute_capability", "4294967295.4294967295", "gpu.sm_count",
                             "9223372036854775807", "gpu.bus_bits", "9223372036854775807",
                             "gpu.l2_bytes", "9223372036854775807");
    json_t *json;

    WELL(tn_fleet_attributes(place.fleet, enroll(&place, "d1"), TN_ATTRIBUTES_REPLACE, flat, NOW,
                             &err));
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_string_equal(tn_json_str(json, "class", ""),
                        "sm?-9223372036854775807sm-9223372036854775807bit-"
                        "l2.9223372036854775807-8589934592GiB-?");
    json_decref(json);
    json_decref(flat);
    place_done(&place);
}

/* ---- foreign containers ---- */

TEST(swupdate_device__gets_the_container_and_nothing_where_there_is_none)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);
    struct tn_digest container = put_blob(&place, "a container", 11);
    struct tn_fleet_action action;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ada, TRT_10_6);
    label(&place, "d1", "delivery", "swupdate");
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), "");
    assert_string_equal(offered(&place, "d2"), engine);
    WELL(tn_fleet_attach(place.fleet, engine, "swupdate", "m.swu", &container, "test", NOW, &err));
    assert_true(tn_fleet_action(place.fleet, device(&place, "d1"), &action));
    assert_string_equal(action.file_name, "m.swu");
    assert_true(tn_digest_equal(&action.file, &container));
    assert_int_equal(action.file_bytes, 11);
    assert_true(tn_fleet_may_download(place.fleet, device(&place, "d1"), &container));
    assert_false(tn_fleet_may_download(place.fleet, device(&place, "d2"), &container));
    place_restart(&place);
    assert_true(tn_fleet_action(place.fleet, device(&place, "d1"), &action));
    assert_string_equal(action.file_name, "m.swu");
    place_done(&place);
}

TEST(attachment__of_another_kind_or_name_or_without_its_file_is_refused)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);
    struct tn_digest container = put_blob(&place, "a container", 11);
    struct tn_digest none = { { 1 } };
    struct tn_fleet *fleet = place.fleet;

    assert_int_equal(tn_fleet_attach(fleet, engine, "zip", "m.zip", &container, "test", NOW, NULL),
                     TN_E_INVALID);
    assert_int_equal(
        tn_fleet_attach(fleet, engine, "swupdate", "m.zip", &container, "test", NOW, NULL),
        TN_E_INVALID);
    assert_int_equal(
        tn_fleet_attach(fleet, engine, "rauc", "../m.raucb", &container, "test", NOW, NULL),
        TN_E_INVALID);
    assert_int_equal(tn_fleet_attach(fleet, engine, "rauc", "m.raucb", &none, "test", NOW, NULL),
                     TN_E_NOTFOUND);
    assert_int_equal(
        tn_fleet_attach(fleet, "0123456789", "rauc", "m.raucb", &container, "test", NOW, NULL),
        TN_E_NOTFOUND);
    WELL(tn_fleet_attach(fleet, engine, "rauc", "m.raucb", &container, "test", NOW, &err));
    place_done(&place);
}

/* ---- what comes in ---- */

TEST(engine__whose_record_does_not_say_what_its_bytes_say_is_refused)
{
    struct place place = place_with_release();
    struct made plan;
    json_t *record;

    made_engine(&place, &ada, TRT_10_6, &(struct engine_options) { 0 }, &plan);
    record = record_for(&plan, TRT_10_6, "fp16");
    assert_int_equal(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, NULL),
                     TN_E_NOTFOUND);
    (void)put_blob(&place, plan.data, plan.size);
    assert_int_equal(tn_fleet_engine_add(place.fleet, "m", "9", record, "test", NOW, NULL),
                     TN_E_NOTFOUND);
    WELL(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, &err));
    WELL(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, &err));
    json_decref(record);

    made_engine(&place, &ada, TRT_10_6, &(struct engine_options) { 0 }, &plan);
    (void)put_blob(&place, plan.data, plan.size);
    record = record_for(&plan, TRT_10_9, "fp16");
    assert_int_equal(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, NULL),
                     TN_E_INVALID);
    json_decref(record);
    record = record_for(&plan, RTX_1_7, "fp16");
    assert_int_equal(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, NULL),
                     TN_E_INVALID);
    (void)json_object_set_new(record, "schema", json_string("other/1"));
    assert_int_equal(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, NULL),
                     TN_E_INVALID);
    json_decref(record);

    plan.size -= 64; /* cut short */
    (void)put_blob(&place, plan.data, plan.size);
    record = record_for(&plan, TRT_10_6, "fp16");
    assert_int_equal(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, NULL),
                     TN_E_CORRUPT);
    json_decref(record);
    place_done(&place);
}

TEST(release__never_changes_and_names_no_file_that_is_not_there)
{
    struct place place = place_with_release();
    json_t *manifest, *missing;
    static const char none[] = "00000000000000000000000000000000000000000000000000000000000000ff";

    add_release(&place, "m", "1");
    manifest = json_pack("{s:s,s:s,s:[]}", "model", "m", "version", "1", "variants");
    assert_int_equal(tn_fleet_release_add(place.fleet, manifest, "test", NOW, NULL), TN_E_USAGE);
    json_decref(manifest);
    manifest = json_pack("{s:s,s:s,s:[{s:s,s:s,s:i,s:s,s:[{s:s}]}]}", "model", "m", "version", "2",
                         "variants", "precision", "fp32", "digest", none, "bytes", 1, "name",
                         "a.onnx", "files", "digest", none);
    assert_int_equal(tn_fleet_release_add(place.fleet, manifest, "test", NOW, NULL), TN_E_NOTFOUND);
    missing = tn_fleet_missing_blobs(place.fleet, manifest);
    assert_int_equal(json_array_size(missing), 2);
    assert_string_equal(json_string_value(json_array_get(missing, 0)), none);
    json_decref(missing);
    json_decref(manifest);
    manifest = json_pack("{s:s,s:s,s:[]}", "model", "a/b", "version", "1", "variants");
    assert_int_equal(tn_fleet_release_add(place.fleet, manifest, "test", NOW, NULL), TN_E_INVALID);
    json_decref(manifest);
    place_done(&place);
}

TEST(blobs__of_releases_engines_and_attachments_are_kept_and_no_others)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);
    struct tn_digest variant = put_blob(&place, "an onnx file", 12);
    struct tn_digest container = put_blob(&place, "a container", 11);
    struct tn_digest other = put_blob(&place, "something else", 14);
    struct tn_digest plan;

    WELL(tn_digest_parse(engine, &plan, &err));
    WELL(tn_fleet_attach(place.fleet, engine, "rauc", "m.raucb", &container, "test", NOW, &err));
    place_restart(&place);
    assert_true(tn_fleet_keeps_blob(&variant, place.fleet));
    assert_true(tn_fleet_keeps_blob(&container, place.fleet));
    assert_true(tn_fleet_keeps_blob(&plan, place.fleet));
    assert_false(tn_fleet_keeps_blob(&other, place.fleet));
    place_done(&place);
}

/* ---- the map ---- */

static const json_t *row_of(const json_t *map, const char *gpu)
{
    const json_t *row;
    size_t at;

    json_array_foreach(map, at, row)
    {
        if (strcmp(tn_json_str(row, "gpu", ""), gpu) == 0)
            return row;
    }
    fail_msg("no row for %s", gpu);
    return NULL;
}

TEST(map__shows_an_engine_or_a_hole_with_its_devices_for_each_class_and_says_why)
{
    struct place place = place_with_release();
    const char *engine = add_engine(&place, "1", &ada, TRT_10_6);
    struct tn_error err = { 0 };
    const json_t *row, *why;
    json_t *map;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &ampere, TRT_10_6);
    (void)add_device(&place, "d3", &ampere, TRT_10_6);
    (void)add_device(&place, "d4", &ada, TRT_10_9);
    (void)deploy_with(&place, (struct tn_deploy) { .version = "1", .filter = "id != d4" });
    map = tn_fleet_map_json(place.fleet, "m", NULL, true, &err);
    assert_int_equal(json_array_size(map), 3);
    row = row_of(map, "ampere");
    assert_string_equal(tn_json_str(row, "state", ""), "hole");
    assert_int_equal(tn_json_int(row, "devices", 0), 2);
    assert_int_equal(tn_json_int(row, "waiting", 0), 2);
    assert_string_equal(tn_json_str(row, "runtime", ""), "trt10.6.0.26");
    why = json_array_get(json_object_get(row, "why"), 0);
    assert_string_equal(tn_json_str(why, "digest", ""), engine);
    assert_string_equal(tn_json_str(why, "verdict", ""), "wont-load");
    assert_string_equal(tn_json_str(json_array_get(json_object_get(why, "reasons"), 0), "code", ""),
                        "compute-capability");
    finish(&place, "d1", true);
    json_decref(map);
    map = tn_fleet_map_json(place.fleet, "m", "1", false, &err);
    row = json_array_get(map, 2);
    assert_null(json_object_get(row, "why"));
    assert_string_equal(tn_json_str(row, "state", ""), "hole");
    assert_int_equal(tn_json_int(row, "waiting", -1), 0);
    row = json_array_get(map, 1);
    assert_string_equal(tn_json_str(row, "state", ""), "engine");
    assert_string_equal(tn_json_str(json_object_get(row, "engine"), "digest", ""), engine);
    assert_int_equal(tn_json_int(row, "running", 0), 1);
    json_decref(map);
    assert_null(tn_fleet_map_json(place.fleet, "m", "7", false, &err));
    assert_int_equal(err.code, TN_E_NOTFOUND);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine__of_the_exact_class_and_release_is_the_one),
        cmocka_unit_test(
            engine__of_another_board_of_the_compute_capability_is_taken_only_where_that_is_accepted),
        cmocka_unit_test(
            engine__of_the_own_class_goes_before_one_that_may_load_whatever_its_precision),
        cmocka_unit_test(engine__of_the_own_class_goes_before_a_portable_one),
        cmocka_unit_test(
            precisions__go_in_the_order_of_the_release_and_by_default_from_int8_to_fp32),
        cmocka_unit_test(
            precisions__follow_the_policy_of_the_spec_as_a_list_or_as_text_also_after_a_restart),
        cmocka_unit_test(evidence__of_the_own_class_goes_before_everything),
        cmocka_unit_test(evidence__of_a_class_makes_a_may_load_engine_good_enough_for_it),
        cmocka_unit_test(
            engine__that_comes_later_to_the_older_of_two_releases_is_found_and_a_revoked_one_is_not),
        cmocka_unit_test(rtx_engine__goes_to_the_compute_capabilities_that_it_names),
        cmocka_unit_test(
            rtx_engine__that_names_one_compute_capability_alone_goes_before_the_one_for_all),
        cmocka_unit_test(jetson__gets_no_engine_of_a_server_and_a_server_none_of_a_jetson),
        cmocka_unit_test(
            device__of_which_only_a_short_version_is_known_gets_an_engine_only_where_may_load_is_accepted),
        cmocka_unit_test(device__without_a_fingerprint_is_never_guessed_at),
        cmocka_unit_test(
            device__that_is_registered_as_a_bundled_board_is_matched_by_the_boards_facts),
        cmocka_unit_test(fingerprint__flattened_and_read_back_has_the_same_class),
        cmocka_unit_test(class__of_the_largest_numbers_that_a_device_can_send_is_one_too),
        cmocka_unit_test(swupdate_device__gets_the_container_and_nothing_where_there_is_none),
        cmocka_unit_test(attachment__of_another_kind_or_name_or_without_its_file_is_refused),
        cmocka_unit_test(engine__whose_record_does_not_say_what_its_bytes_say_is_refused),
        cmocka_unit_test(release__never_changes_and_names_no_file_that_is_not_there),
        cmocka_unit_test(blobs__of_releases_engines_and_attachments_are_kept_and_no_others),
        cmocka_unit_test(
            map__shows_an_engine_or_a_hole_with_its_devices_for_each_class_and_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
