/* Which files are kept; releases that are removed; pins. */
#include "fixture.h"

#include "fleet/fleet_priv.h"

static void collect(struct place *place)
{
    struct tn_error why = { 0 };
    tn_auto(tn_old_blobs_done) struct tn_old_blobs old = { .digest = NULL };

    WELL(tn_fleet_keep_anew(place->fleet, &err));
    if (tn_blobs_find_old(place->blobs, &old, &why) < 0 ||
        tn_blobs_take(place->blobs, &old, tn_fleet_keeps_blob, place->fleet, &why) < 0 ||
        tn_blobs_sweep(place->blobs, &why) < 0)
        fail_msg("collect: %s", why.text);
}

static bool kept(struct place *place, const char *hex)
{
    struct tn_digest digest;

    WELL(tn_digest_parse(hex, &digest, &err));
    WELL(tn_fleet_keep_anew(place->fleet, &err));
    return tn_fleet_keeps_blob(&digest, place->fleet);
}

static int release_rm(struct place *place, const char *version)
{
    struct tn_error err = { 0 };

    return tn_fleet_release_remove(place->fleet, "m", version, "test", NOW, &err);
}

static bool is_listed(struct place *place, const char *version)
{
    struct tn_page page = { .cursor = "" };
    json_t *list = tn_fleet_releases_json(place->fleet, "m", &page);
    bool found = false;
    const json_t *one;
    size_t at;

    json_array_foreach(list, at, one)
    {
        found = found || strcmp(tn_json_str(one, "version", ""), version) == 0;
    }
    json_decref(list);
    return found;
}

TEST(release_remove__is_refused_while_a_channel_or_a_deployment_means_it)
{
    struct place place = place_new();
    int64_t id;

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "1", "test", NOW, &err));
    assert_int_equal(release_rm(&place, "1"), TN_E_USAGE);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "2", "test", NOW, &err));
    id = deploy(&place, "1");
    assert_int_equal(release_rm(&place, "1"), TN_E_USAGE);
    WELL(tn_fleet_deployment_set(place.fleet, id, "paused", "", "test", NOW, &err));
    assert_int_equal(release_rm(&place, "1"), TN_E_USAGE);
    WELL(tn_fleet_deployment_set(place.fleet, id, "stopped", "", "test", NOW, &err));
    assert_int_equal(release_rm(&place, "1"), TN_OK);
    assert_int_equal(release_rm(&place, "3"), TN_E_NOTFOUND);
    place_done(&place);
}

TEST(release_remove__hides_it_and_its_version_is_never_used_again)
{
    struct place place = place_new();
    struct tn_error err = { 0 };
    json_t *manifest = json_pack("{s:s,s:s,s:[]}", "model", "m", "version", "1", "variants");

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    (void)add_engine(&place, "1", &ada, TRT_10_6);
    assert_int_equal(release_rm(&place, "1"), TN_OK);
    for (int restarted = 0; restarted < 2; restarted++) {
        assert_false(is_listed(&place, "1"));
        assert_true(is_listed(&place, "2"));
        assert_null(tn_fleet_release_json(place.fleet, "m", "1"));
        assert_int_equal(tn_fleet_channel_set(place.fleet, "m", "c", "1", "test", NOW, &err),
                         TN_E_NOTFOUND);
        assert_int_equal(tn_fleet_release_add(place.fleet, manifest, "test", NOW, &err),
                         TN_E_USAGE);
        assert_non_null(strstr(err.text, "never used twice"));
        place_restart(&place);
    }
    json_decref(manifest);
    place_done(&place);
}

TEST(files__of_a_removed_release_go_but_for_what_a_device_runs_or_a_pin_holds)
{
    struct place place = place_new();
    const char *runs, *pinned, *unused;

    add_release(&place, "m", "1");
    runs = add_engine(&place, "1", &ada, TRT_10_6);
    pinned = add_engine(&place, "1", &ampere, TRT_10_6);
    unused = add_engine(&place, "1", &orin, TRT_10_6);
    (void)add_device(&place, "a", &ada, TRT_10_6);
    WELL(tn_fleet_deployment_set(place.fleet, deploy(&place, "1"), "running", "", "test", NOW,
                                 &err));
    finish(&place, "a", true);
    WELL(tn_fleet_engine_pin(place.fleet, pinned, true, "test", NOW, &err));
    WELL(tn_fleet_deployment_set(place.fleet, 1, "stopped", "", "test", NOW, &err));
    assert_true(kept(&place, unused));
    assert_int_equal(release_rm(&place, "1"), TN_OK);
    for (int restarted = 0; restarted < 2; restarted++) {
        assert_true(kept(&place, runs));
        assert_true(kept(&place, pinned));
        assert_false(kept(&place, unused));
        place_restart(&place);
    }
    WELL(tn_fleet_engine_pin(place.fleet, pinned, false, "test", NOW, &err));
    assert_false(kept(&place, pinned));
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "a"), "test", NOW, &err));
    assert_false(kept(&place, runs));
    place_done(&place);
}

TEST(files__that_two_releases_share_stay_with_the_other)
{
    struct place place = place_new();
    struct made plan;
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX];
    json_t *record;

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    made_engine(&place, &ada, TRT_10_6, &(struct engine_options) { 0 }, &plan);
    digest = put_blob(&place, plan.data, plan.size);
    record = record_for(&plan, TRT_10_6, "fp16");
    WELL(tn_fleet_engine_add(place.fleet, "m", "1", record, "test", NOW, &err));
    WELL(tn_fleet_engine_add(place.fleet, "m", "2", record, "test", NOW, &err));
    json_decref(record);
    tn_digest_hex(&digest, hex);
    assert_int_equal(release_rm(&place, "1"), TN_OK);
    assert_true(kept(&place, hex));
    assert_int_equal(release_rm(&place, "2"), TN_OK);
    assert_false(kept(&place, hex));
    place_done(&place);
}

TEST(files__that_are_young_outlive_a_collection_though_nothing_refers_to_them)
{
    struct place place = place_new();
    struct tn_digest digest = put_blob(&place, "just uploaded", 13);

    collect(&place);
    assert_true(tn_blobs_has(place.blobs, &digest, NULL));
    place_done(&place);
}

TEST(files__stay_while_the_fleet_could_not_be_read_again)
{
    const struct tn_row_action stray = stray_action();
    struct place place = place_new();
    const char *engine;

    add_release(&place, "m", "1");
    engine = add_engine(&place, "1", &ada, TRT_10_6);
    place_commit(&place);
    WELL(tn_db_put(place.db, TN_TABLE_ACTION, &stray, &err));
    WELL(tn_db_commit(place.db, &err));
    (void)fleet_hurt(place.fleet, TN_E_NOMEM);
    assert_int_equal(tn_fleet_commit(place.fleet, NULL), TN_E_IO);
    assert_true(tn_fleet_keep_anew(place.fleet, NULL) < 0);
    WELL(tn_db_delete(place.db, TN_TABLE_ACTION, &stray, &err));
    WELL(tn_db_commit(place.db, &err));
    assert_int_equal(tn_fleet_commit(place.fleet, NULL), TN_E_AGAIN);
    assert_true(kept(&place, engine));
    place_done(&place);
}

TEST(pin__of_an_unknown_engine_is_refused_and_twice_is_fine)
{
    struct place place = place_new();
    struct tn_error why = { 0 };
    const char *engine;

    add_release(&place, "m", "1");
    engine = add_engine(&place, "1", &ada, TRT_10_6);
    assert_int_equal(tn_fleet_engine_pin(place.fleet, "0123456789", true, "test", NOW, &why),
                     TN_E_NOTFOUND);
    WELL(tn_fleet_engine_pin(place.fleet, engine, true, "test", NOW, &err));
    WELL(tn_fleet_engine_pin(place.fleet, engine, true, "test", NOW, &err));
    WELL(tn_fleet_engine_pin(place.fleet, engine, false, "test", NOW, &err));
    WELL(tn_fleet_engine_pin(place.fleet, engine, false, "test", NOW, &err));
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(release_remove__is_refused_while_a_channel_or_a_deployment_means_it),
        cmocka_unit_test(release_remove__hides_it_and_its_version_is_never_used_again),
        cmocka_unit_test(files__of_a_removed_release_go_but_for_what_a_device_runs_or_a_pin_holds),
        cmocka_unit_test(files__that_two_releases_share_stay_with_the_other),
        cmocka_unit_test(files__that_are_young_outlive_a_collection_though_nothing_refers_to_them),
        cmocka_unit_test(files__stay_while_the_fleet_could_not_be_read_again),
        cmocka_unit_test(pin__of_an_unknown_engine_is_refused_and_twice_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
