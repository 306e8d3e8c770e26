/* Devices, their attributes and tokens, pages, and what a failed commit leaves. */
#include "fixture.h"

#include "fleet/fleet_priv.h"

/* ---- registering ---- */

TEST(enroll__keeps_a_device_and_its_token_across_a_restart)
{
    struct place place = place_new();
    struct tn_fleet_device *made = NULL;

    WELL(tn_fleet_enroll(place.fleet, "d1", "secret-of-d1", "operator", NOW, &made, &err));
    assert_int_equal(tn_fleet_device_count(place.fleet), 1);
    place_restart(&place);
    assert_true(tn_fleet_token_is(device(&place, "d1"), "secret-of-d1"));
    assert_false(tn_fleet_token_is(device(&place, "d1"), "secret-of-d2"));
    assert_false(tn_fleet_token_is(device(&place, "d1"), ""));
    place_done(&place);
}

TEST(enroll__of_a_known_device_changes_nothing_but_a_new_token)
{
    struct place place = place_new();
    struct tn_fleet_device *made = NULL;

    WELL(tn_fleet_enroll(place.fleet, "d1", "one", "operator", NOW, &made, &err));
    place_commit(&place);
    assert_ptr_equal(enroll(&place, "d1"), made);
    assert_false(tn_db_dirty(place.db));
    WELL(tn_fleet_enroll(place.fleet, "d1", "two", "operator", NOW, &made, &err));
    assert_true(tn_fleet_token_is(made, "two"));
    assert_false(tn_fleet_token_is(made, "one"));
    place_done(&place);
}

TEST(enroll__refuses_ids_that_no_path_can_carry_and_more_devices_than_agreed)
{
    static const char *const bad[] = { "",    ".",     "..",   "a/b", "a b",     "a?b",
                                       "a#b", "a%2fb", "a\nb", "\"",  "\303\274" };
    struct place place = place_new();
    struct tn_fleet_device *made = NULL;
    char longest[130];

    for (size_t i = 0; i < TN_COUNT(bad); i++)
        assert_int_equal(tn_fleet_enroll(place.fleet, bad[i], NULL, "gateway", NOW, &made, NULL),
                         TN_E_USAGE);
    memset(longest, 'x', 129);
    longest[129] = '\0';
    assert_int_equal(tn_fleet_enroll(place.fleet, longest, NULL, "gateway", NOW, &made, NULL),
                     TN_E_USAGE);
    longest[128] = '\0';
    WELL(tn_fleet_enroll(place.fleet, longest, NULL, "gateway", NOW, &made, &err));
    place.options.devices_most = 2;
    place_restart(&place);
    (void)enroll(&place, "b");
    assert_int_equal(tn_fleet_enroll(place.fleet, "c", NULL, "gateway", NOW, &made, NULL),
                     TN_E_TOOBIG);
    assert_int_equal(tn_fleet_device_count(place.fleet), 2);
    place_done(&place);
}

TEST(device_token__that_is_new_replaces_the_old_one_and_none_lets_nobody_in)
{
    struct place place = place_new();
    char first[65], second[65];

    (void)enroll(&place, "d1");
    assert_false(tn_fleet_token_is(device(&place, "d1"), ""));
    WELL(tn_fleet_token_new(place.fleet, device(&place, "d1"), first, "test", NOW, &err));
    assert_int_equal(strlen(first), 64);
    WELL(tn_fleet_token_new(place.fleet, device(&place, "d1"), second, "test", NOW, &err));
    assert_string_not_equal(first, second);
    place_restart(&place);
    assert_false(tn_fleet_token_is(device(&place, "d1"), first));
    assert_true(tn_fleet_token_is(device(&place, "d1"), second));
    WELL(tn_fleet_token_new(place.fleet, device(&place, "d1"), NULL, "test", NOW, &err));
    place_restart(&place);
    assert_false(tn_fleet_token_is(device(&place, "d1"), second));
    place_done(&place);
}

/* ---- attributes ---- */

static int set_attributes(struct place *place, enum tn_attributes_mode mode, json_t *steal)
{
    int rc = tn_fleet_attributes(place->fleet, device(place, "d1"), mode, steal, NOW, NULL);

    json_decref(steal);
    return rc;
}

static void assert_attributes(struct place *place, const char *text)
{
    json_t *json = tn_fleet_device_json(place->fleet, device(place, "d1"));
    char *found = tn_json_text(json_object_get(json, "attributes"));

    assert_string_equal(found, text);
    free(found);
    json_decref(json);
}

TEST(attributes__are_merged_replaced_and_removed_and_survive_a_restart)
{
    struct place place = place_new();

    (void)enroll(&place, "d1");
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s,s:s}", "b", "2", "a", "1")),
        TN_OK);
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s,s:s}", "a", "x", "c", "")),
        TN_OK);
    place_restart(&place);
    assert_attributes(&place, "{\"a\":\"x\",\"b\":\"2\",\"c\":\"\"}");
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_REMOVE, json_pack("{s:s,s:n}", "a", "-", "z")), TN_OK);
    assert_attributes(&place, "{\"b\":\"2\",\"c\":\"\"}");
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_REPLACE, json_pack("{s:i,s:b}", "n", 42, "t", 1)),
        TN_OK);
    place_restart(&place);
    assert_attributes(&place, "{\"n\":\"42\",\"t\":\"true\"}");
    place_done(&place);
}

TEST(attributes__that_are_too_long_too_many_or_no_text_are_refused_whole)
{
    struct place place = place_new();
    char longest[130];

    (void)enroll(&place, "d1");
    memset(longest, 'x', 129);
    longest[129] = '\0';
    assert_int_equal(set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s}", "a", "1")),
                     TN_OK);
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s,s:s}", "b", "2", "c", longest)),
        TN_E_INVALID);
    assert_int_equal(set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s}", longest, "1")),
                     TN_E_INVALID);
    assert_int_equal(set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s}", "", "1")),
                     TN_E_INVALID);
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s}", "a", "\x1b[2J")),
        TN_E_INVALID);
    assert_int_equal(set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:[]}", "a")),
                     TN_E_INVALID);
    assert_int_equal(set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("[s]", "a")),
                     TN_E_INVALID);
    longest[128] = '\0';
    place.options.attributes_most = 2;
    place_restart(&place);
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s,s:s}", "b", "2", "c", "3")),
        TN_E_TOOBIG);
    assert_attributes(&place, "{\"a\":\"1\"}");
    assert_int_equal(
        set_attributes(&place, TN_ATTRIBUTES_MERGE, json_pack("{s:s}", longest, longest)), TN_OK);
    place_done(&place);
}

TEST(labels__belong_to_the_operator_and_stay_when_attributes_are_replaced)
{
    struct place place = place_new();
    json_t *json;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    label(&place, "d1", "site", "north");
    label(&place, "d1", "gone", "1");
    label(&place, "d1", "gone", NULL);
    give_attributes(&place, "d1", &ampere, TRT_10_6);
    place_restart(&place);
    json = tn_fleet_device_json(place.fleet, device(&place, "d1"));
    assert_string_equal(tn_json_str(json_object_get(json, "labels"), "site", ""), "north");
    assert_int_equal(json_object_size(json_object_get(json, "labels")), 1);
    json_decref(json);
    place_done(&place);
}

/* ---- last seen ---- */

static int64_t seen_of(struct place *place, const char *id)
{
    json_t *json = tn_fleet_device_json(place->fleet, device(place, id));
    int64_t seen = tn_json_int(json, "seen_ms", 0);

    json_decref(json);
    return seen;
}

TEST(poll__changes_memory_alone_until_it_is_flushed)
{
    struct place place = place_new();

    (void)enroll(&place, "d1");
    (void)enroll(&place, "d2");
    place_commit(&place);
    tn_fleet_seen(place.fleet, device(&place, "d1"), 5000);
    tn_fleet_seen(place.fleet, device(&place, "d2"), 5000);
    tn_fleet_seen(place.fleet, device(&place, "d1"), 6000);
    assert_false(tn_db_dirty(place.db));
    assert_int_equal(seen_of(&place, "d1"), 6000);
    WELL(tn_fleet_flush_seen(place.fleet, 6500, 60000, &err));
    assert_false(tn_db_dirty(place.db));
    WELL(tn_fleet_flush_seen(place.fleet, 70000, 60000, &err));
    assert_true(tn_db_dirty(place.db));
    place_restart(&place);
    assert_int_equal(seen_of(&place, "d1"), 6000);
    WELL(tn_fleet_flush_seen(place.fleet, 200000, 60000, &err));
    assert_false(tn_db_dirty(place.db)); /* nobody was seen since */
    place_done(&place);
}

TEST(poll__of_a_device_that_is_then_removed_is_forgotten_with_it)
{
    struct place place = place_new();

    for (int i = 0; i < 3; i++) {
        char id[8];

        (void)snprintf(id, sizeof(id), "d%d", i);
        tn_fleet_seen(place.fleet, enroll(&place, id), 5000);
    }
    WELL(tn_fleet_device_remove(place.fleet, device(&place, "d1"), "test", NOW, &err));
    WELL(tn_fleet_flush_seen(place.fleet, 70000000, 1, &err));
    place_restart(&place);
    assert_int_equal(tn_fleet_device_count(place.fleet), 2);
    assert_int_equal(seen_of(&place, "d2"), 5000);
    place_done(&place);
}

/* ---- tokens of the REST interface ---- */

TEST(role_token__opens_its_role_until_it_is_revoked_and_is_never_stored_in_the_clear)
{
    struct place place = place_new();
    char token[65], id[17], name[64], other[65], other_id[17];
    char *text;
    json_t *json;

    WELL(tn_fleet_role_token_new(place.fleet, TN_ROLE_PUBLISHER, "ci", token, id, "root", NOW,
                                 &err));
    place_restart(&place);
    assert_int_equal(tn_fleet_role(place.fleet, token, name), TN_ROLE_PUBLISHER);
    assert_string_equal(name, "ci");
    token[0] = token[0] == 'a' ? 'b' : 'a';
    assert_int_equal(tn_fleet_role(place.fleet, token, name), TN_ROLE_NONE);
    assert_int_equal(tn_fleet_role(place.fleet, "", name), TN_ROLE_NONE);
    token[0] = token[0] == 'a' ? 'b' : 'a';
    json = tn_fleet_tokens_json(place.fleet);
    text = tn_json_text(json);
    assert_null(strstr(text, token));
    free(text);
    json_decref(json);
    WELL(tn_fleet_role_token_new(place.fleet, TN_ROLE_GATEWAY, NULL, other, other_id, "root", NOW,
                                 &err));
    assert_int_equal(tn_fleet_role(place.fleet, other, name), TN_ROLE_GATEWAY);
    assert_string_equal(name, "gateway");
    WELL(tn_fleet_role_token_revoke(place.fleet, id, "root", NOW, &err));
    place_restart(&place);
    assert_int_equal(tn_fleet_role(place.fleet, token, name), TN_ROLE_NONE);
    assert_int_equal(tn_fleet_role_token_revoke(place.fleet, "ffff", "root", NOW, NULL),
                     TN_E_NOTFOUND);
    assert_int_equal(
        tn_fleet_role_token_new(place.fleet, TN_ROLE_NONE, "x", token, id, "root", NOW, NULL),
        TN_E_USAGE);
    place_done(&place);
}

/* ---- pages ---- */

TEST(devices__come_in_pages_by_id_whatever_the_order_in_which_they_registered)
{
    struct place place = place_new();
    struct tn_page page = { .cursor = "", .limit = 2 };
    char cursor[160] = "";
    char seen[64] = "";
    int pages = 0;

    (void)enroll(&place, "c");
    (void)enroll(&place, "a");
    (void)enroll(&place, "e");
    (void)enroll(&place, "d");
    (void)enroll(&place, "b");
    do {
        json_t *array;
        const json_t *item;
        size_t at;

        page.cursor = cursor;
        array = tn_fleet_devices_json(place.fleet, NULL, &page, NULL);
        json_array_foreach(array, at, item)(void) strcat(seen, tn_json_str(item, "id", "?"));
        json_decref(array);
        memcpy(cursor, page.ret_cursor, sizeof(cursor));
        pages++;
    } while (cursor[0]);
    assert_string_equal(seen, "abcde");
    assert_int_equal(pages, 3);
    place_done(&place);
}

TEST(devices__are_chosen_by_a_filter_that_is_refused_with_its_column)
{
    struct place place = place_new();
    struct tn_page page = { .cursor = "" };
    struct tn_error err = { 0 };
    json_t *array;

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    (void)add_device(&place, "d2", &orin, TRT_10_6);
    (void)add_device(&place, "d3", &ada, RTX_1_7);
    array = tn_fleet_devices_json(place.fleet, "cc = 8.9 and trt < 11", &page, &err);
    assert_int_equal(json_array_size(array), 1);
    assert_string_equal(tn_json_str(json_array_get(array, 0), "id", ""), "d1");
    json_decref(array);
    assert_null(tn_fleet_devices_json(place.fleet, "cc = = 8.9", &page, &err));
    assert_int_equal(err.code, TN_E_INVALID);
    assert_non_null(strstr(err.text, "column"));
    /* what looks like SQL is a text like any other */
    array = tn_fleet_devices_json(place.fleet, "id = \"x' OR '1'='1\"", &page, &err);
    assert_int_equal(json_array_size(array), 0);
    json_decref(array);
    place_done(&place);
}

TEST(actions_and_deployments__come_newest_first_in_pages)
{
    struct place place = place_new();
    struct tn_page page = { .cursor = "", .limit = 2 };
    char cursor[160];
    json_t *array;

    add_release(&place, "m", "1");
    (void)add_engine(&place, "1", &ada, TRT_10_6);
    for (int i = 0; i < 3; i++) {
        char id[8];

        (void)snprintf(id, sizeof(id), "d%d", i);
        (void)add_device(&place, id, &ada, TRT_10_6);
    }
    (void)deploy(&place, "1");
    array = tn_fleet_actions_json(place.fleet, false, &page);
    assert_int_equal(json_array_size(array), 2);
    assert_int_equal(tn_json_int(json_array_get(array, 0), "id", 0), 3);
    json_decref(array);
    memcpy(cursor, page.ret_cursor, sizeof(cursor));
    page.cursor = cursor;
    array = tn_fleet_actions_json(place.fleet, false, &page);
    assert_int_equal(json_array_size(array), 1);
    assert_int_equal(tn_json_int(json_array_get(array, 0), "id", 0), 1);
    assert_string_equal(page.ret_cursor, "");
    json_decref(array);
    finish(&place, "d1", false);
    page.cursor = "";
    array = tn_fleet_actions_json(place.fleet, true, &page);
    assert_int_equal(json_array_size(array), 1);
    assert_string_equal(tn_json_str(json_array_get(array, 0), "device", ""), "d1");
    json_decref(array);
    array = tn_fleet_deployments_json(place.fleet, &page);
    assert_int_equal(tn_json_int(json_array_get(array, 0), "failed", 0), 1);
    json_decref(array);
    place_done(&place);
}

TEST(releases__come_in_pages_newest_first_and_by_model)
{
    struct place place = place_new();
    struct tn_page page = { .cursor = "", .limit = 2 };
    json_t *array, *release;

    add_release(&place, "m", "1");
    add_release(&place, "m", "2");
    add_release(&place, "other", "1");
    (void)add_engine(&place, "2", &ada, TRT_10_6);
    WELL(tn_fleet_channel_set(place.fleet, "m", "stable", "2", "test", NOW, &err));
    array = tn_fleet_releases_json(place.fleet, "m", &page);
    assert_int_equal(json_array_size(array), 2);
    assert_string_equal(page.ret_cursor, "");
    json_decref(array);
    page.limit = 2;
    array = tn_fleet_releases_json(place.fleet, NULL, &page);
    assert_int_equal(json_array_size(array), 2);
    assert_string_not_equal(page.ret_cursor, "");
    json_decref(array);
    assert_string_equal(tn_fleet_channel(place.fleet, "m", "stable"), "2");
    assert_null(tn_fleet_channel(place.fleet, "m", "beta"));
    release = tn_fleet_release_json(place.fleet, "m", "2");
    assert_int_equal(json_array_size(json_object_get(release, "engines")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(release, "channels"), 0)),
                        "stable");
    json_decref(release);
    assert_null(tn_fleet_release_json(place.fleet, "m", "3"));
    assert_null(tn_fleet_engines_json(place.fleet, "n", "1"));
    place_done(&place);
}

/* ---- a commit that fails ---- */

static int64_t publish_at(struct place *place, const char *version, int64_t now_ms)
{
    json_t *manifest = json_pack("{s:s,s:s,s:[]}", "model", "m", "version", version, "variants");
    json_t *release;
    int64_t created_ms;

    assert_non_null(manifest);
    WELL(tn_fleet_release_add(place->fleet, manifest, "test", now_ms, &err));
    json_decref(manifest);
    release = tn_fleet_release_json(place->fleet, "m", version);
    created_ms = tn_json_int(release, "created_ms", 0);
    json_decref(release);
    return created_ms;
}

TEST(releases__published_between_two_pages_shift_none)
{
    static const char *const newest_first[] = { "4", "3", "2", "1" };
    struct place place = place_new();
    struct tn_page page = { .limit = 1 };
    char cursor[sizeof(page.ret_cursor)] = "";
    char version[8];

    for (int i = 1; i <= 4; i++) {
        (void)snprintf(version, sizeof(version), "%d", i);
        (void)publish_at(&place, version, NOW + i);
    }
    for (size_t i = 0; i < TN_COUNT(newest_first); i++) {
        json_t *array;

        page.cursor = cursor;
        array = tn_fleet_releases_json(place.fleet, NULL, &page);
        assert_int_equal(json_array_size(array), 1);
        assert_string_equal(tn_json_str(json_array_get(array, 0), "version", ""), newest_first[i]);
        json_decref(array);
        memcpy(cursor, page.ret_cursor, sizeof(cursor));
        (void)snprintf(version, sizeof(version), "new-%zu", i);
        (void)publish_at(&place, version, NOW + 100);
    }
    assert_string_equal(cursor, "");
    place_done(&place);
}

TEST(releases__keep_their_order_when_the_clock_is_put_back)
{
    static const char *const newest_first[] = { "b", "a", "c" };
    struct place place = place_new();
    struct tn_page page = { .cursor = "" };
    json_t *array;

    assert_int_equal(publish_at(&place, "c", NOW), NOW);
    assert_int_equal(publish_at(&place, "a", NOW - 500), NOW + 1);
    assert_int_equal(publish_at(&place, "b", NOW + 1), NOW + 2);
    place_restart(&place);
    array = tn_fleet_releases_json(place.fleet, "m", &page);
    assert_int_equal(json_array_size(array), TN_COUNT(newest_first));
    for (size_t i = 0; i < TN_COUNT(newest_first); i++)
        assert_string_equal(tn_json_str(json_array_get(array, i), "version", ""), newest_first[i]);
    json_decref(array);
    place_done(&place);
}

static void take_silent(const char *metric, const char *labels, double value, void *user)
{
    (void)labels;
    if (strcmp(metric, "devices_silent") == 0)
        *(double *)user = value;
}

static int silent_at(struct place *place, int64_t now_ms)
{
    double silent = -1;

    tn_fleet_figures(place->fleet, now_ms, take_silent, &silent);
    return (int)silent;
}

TEST(devices__are_silent_after_three_polls_and_when_heard_in_a_future_that_was_taken_back)
{
    struct place place = place_new();
    const int64_t three_polls = INT64_C(3) * 300 * 1000;

    tn_fleet_seen(place.fleet, enroll(&place, "d1"), 2 * three_polls);
    assert_int_equal(silent_at(&place, 3 * three_polls), 0);
    assert_int_equal(silent_at(&place, 3 * three_polls + 1), 1);
    assert_int_equal(silent_at(&place, three_polls), 0);
    assert_int_equal(silent_at(&place, three_polls - 1), 1);
    place_done(&place);
}

TEST(polls__of_all_devices_are_kept_at_the_end_however_many)
{
    enum { MANY = 2500 };
    struct place place = place_new();
    char id[16];

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof(id), "d%04d", i);
        tn_fleet_seen(place.fleet, enroll(&place, id), NOW);
    }
    WELL(tn_fleet_flush_seen(place.fleet, NOW, 0, &err));
    place_restart(&place);
    assert_int_equal(silent_at(&place, NOW + 3600 * 1000), MANY);
    place_done(&place);
}

TEST(polls__that_wait_for_longest_are_written_first)
{
    enum { MANY = 2500, MINUTE_MS = 60 * 1000 };
    struct place place = place_new();
    char id[16];

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof(id), "d%04d", i);
        (void)enroll(&place, id);
    }
    for (int64_t minute = 1; minute <= 2; minute++) { /* more in each than are written in it */
        for (int i = 0; i < MANY; i++) {
            (void)snprintf(id, sizeof(id), "d%04d", i);
            tn_fleet_seen(place.fleet, device(&place, id), NOW + minute * MINUTE_MS);
        }
        WELL(tn_fleet_flush_seen(place.fleet, NOW + minute * MINUTE_MS, MINUTE_MS, &err));
    }
    place_restart(&place);
    assert_int_equal(silent_at(&place, NOW + 3600 * 1000), MANY);
    place_done(&place);
}

TEST(commit__that_fails_leaves_memory_and_disk_as_they_were_before)
{
    struct place place = place_new();
    const char *engine;

    add_release(&place, "m", "1");
    engine = add_engine(&place, "1", &ada, TRT_10_6);
    (void)add_device(&place, "d1", &ada, TRT_10_6);
    place_commit(&place);
    (void)enroll(&place, "d2");
    (void)deploy(&place, "1");
    assert_string_equal(offered(&place, "d1"), engine);
    (void)fleet_hurt(place.fleet, TN_E_NOMEM); /* as when memory runs out in the middle of it */
    assert_int_equal(tn_fleet_commit(place.fleet, NULL), TN_E_AGAIN);
    assert_null(tn_fleet_device(place.fleet, "d2"));
    assert_string_equal(offered(&place, "d1"), "");
    (void)deploy(&place, "1");
    place_restart(&place);
    assert_string_equal(offered(&place, "d1"), engine);
    assert_null(tn_fleet_device(place.fleet, "d2"));
    place_done(&place);
}

TEST(commit__that_fails_forgets_no_poll)
{
    struct place place = place_new();
    const int64_t later = NOW + 3600 * 1000;

    (void)enroll(&place, "d1");
    place_commit(&place);
    tn_fleet_seen(place.fleet, device(&place, "d1"), later);
    WELL(tn_fleet_flush_seen(place.fleet, later, 0, &err));
    (void)enroll(&place, "d2");
    (void)fleet_hurt(place.fleet, TN_E_NOMEM);
    assert_int_equal(tn_fleet_commit(place.fleet, NULL), TN_E_AGAIN);
    assert_null(tn_fleet_device(place.fleet, "d2"));
    assert_int_equal(silent_at(&place, later), 0);
    WELL(tn_fleet_flush_seen(place.fleet, later, 0, &err));
    place_restart(&place);
    assert_int_equal(silent_at(&place, later), 0);
    place_done(&place);
}

TEST(commit__is_due_after_a_failure_that_wrote_nothing)
{
    struct place place = place_new();

    (void)add_device(&place, "d1", &ada, TRT_10_6);
    assert_true(tn_fleet_dirty(place.fleet));
    place_commit(&place);
    assert_false(tn_fleet_dirty(place.fleet));
    (void)fleet_hurt(place.fleet, TN_E_NOMEM);
    assert_false(tn_db_dirty(place.db));
    assert_true(tn_fleet_dirty(place.fleet));
    assert_int_equal(tn_fleet_commit(place.fleet, NULL), TN_E_AGAIN);
    assert_false(tn_fleet_dirty(place.fleet));
    assert_non_null(tn_fleet_device(place.fleet, "d1"));
    place_done(&place);
}

TEST(open__refuses_rows_that_name_what_is_not_there)
{
    struct place place = place_new();
    const struct tn_row_action row = stray_action();

    WELL(tn_db_put(place.db, TN_TABLE_ACTION, &row, &err));
    place_commit(&place);
    tn_fleet_close(place.fleet);
    place.fleet = NULL;
    assert_int_equal(tn_fleet_open(place.db, place.blobs, &place.options, &place.fleet, NULL),
                     TN_E_CORRUPT);
    assert_null(place.fleet);
    place_done(&place);
}

TEST(audit__says_who_did_what_newest_first_in_pages)
{
    struct place place = place_new();
    struct tn_page page = { .cursor = "", .limit = 1 };
    char cursor[160];
    json_t *array;

    (void)enroll(&place, "d1");
    label(&place, "d1", "a", "1");
    label(&place, "d1", "a", "2");
    array = tn_fleet_audit_json(place.fleet, &page, NULL);
    assert_string_equal(
        tn_json_str(json_object_get(json_array_get(array, 0), "detail"), "value", ""), "2");
    json_decref(array);
    memcpy(cursor, page.ret_cursor, sizeof(cursor));
    page.cursor = cursor;
    array = tn_fleet_audit_json(place.fleet, &page, NULL);
    assert_int_equal(json_array_size(array), 1);
    assert_string_equal(tn_json_str(json_array_get(array, 0), "who", ""), "test");
    assert_string_equal(
        tn_json_str(json_object_get(json_array_get(array, 0), "detail"), "value", ""), "1");
    assert_string_equal(page.ret_cursor, "");
    json_decref(array);
    place_done(&place);
}

/* ---- polling ---- */

static int set_poll(struct place *place, const char *id, int64_t seconds)
{
    return tn_fleet_poll_set(place->fleet, id ? device(place, id) : NULL, seconds, "test", NOW,
                             NULL);
}

TEST(poll__is_the_devices_own_else_the_operators_else_that_of_the_options)
{
    struct place place = place_new();

    (void)enroll(&place, "d1");
    (void)enroll(&place, "d2");
    assert_int_equal(tn_fleet_poll_seconds(place.fleet, NULL), 300);
    assert_int_equal(set_poll(&place, NULL, 60), TN_OK);
    assert_int_equal(set_poll(&place, "d1", 7), TN_OK);
    give_attributes(&place, "d1", &ada, TRT_10_6);
    place_restart(&place);
    assert_int_equal(tn_fleet_poll_seconds(place.fleet, NULL), 60);
    assert_int_equal(tn_fleet_poll_seconds(place.fleet, device(&place, "d1")), 7);
    assert_int_equal(tn_fleet_poll_seconds(place.fleet, device(&place, "d2")), 60);
    assert_int_equal(set_poll(&place, NULL, 0), TN_OK);
    assert_int_equal(set_poll(&place, "d1", 0), TN_OK);
    place_restart(&place);
    assert_int_equal(tn_fleet_poll_seconds(place.fleet, device(&place, "d1")), 300);
    place_done(&place);
}

TEST(poll__out_of_bounds_is_refused_and_changes_nothing)
{
    struct place place = place_new();

    (void)enroll(&place, "d1");
    for (size_t i = 0; i < 2; i++) {
        const char *id = i ? "d1" : NULL;

        assert_int_equal(set_poll(&place, id, -1), TN_E_INVALID);
        assert_int_equal(set_poll(&place, id, TN_POLL_MOST_S + 1), TN_E_INVALID);
        assert_int_equal(set_poll(&place, id, TN_POLL_MOST_S), TN_OK);
        assert_int_equal(set_poll(&place, id, TN_POLL_LEAST_S), TN_OK);
    }
    assert_int_equal(tn_fleet_poll_seconds(place.fleet, device(&place, "d1")), 1);
    place_done(&place);
}

struct silent {
    double count;
};

static void find_silent(const char *metric, const char *labels, double value, void *user)
{
    (void)labels;
    if (strcmp(metric, "devices_silent") == 0)
        ((struct silent *)user)->count = value;
}

TEST(device__is_silent_by_its_own_time)
{
    struct place place = place_new();
    struct silent silent = { -1 };

    (void)enroll(&place, "d1");
    tn_fleet_seen(place.fleet, device(&place, "d1"), NOW);
    assert_int_equal(set_poll(&place, "d1", 3600), TN_OK);
    tn_fleet_figures(place.fleet, NOW + 2 * 3600 * 1000, find_silent, &silent);
    assert_true(silent.count == 0);
    assert_int_equal(set_poll(&place, "d1", 60), TN_OK);
    tn_fleet_figures(place.fleet, NOW + 2 * 3600 * 1000, find_silent, &silent);
    assert_true(silent.count == 1);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enroll__keeps_a_device_and_its_token_across_a_restart),
        cmocka_unit_test(enroll__of_a_known_device_changes_nothing_but_a_new_token),
        cmocka_unit_test(enroll__refuses_ids_that_no_path_can_carry_and_more_devices_than_agreed),
        cmocka_unit_test(device_token__that_is_new_replaces_the_old_one_and_none_lets_nobody_in),
        cmocka_unit_test(attributes__are_merged_replaced_and_removed_and_survive_a_restart),
        cmocka_unit_test(attributes__that_are_too_long_too_many_or_no_text_are_refused_whole),
        cmocka_unit_test(labels__belong_to_the_operator_and_stay_when_attributes_are_replaced),
        cmocka_unit_test(poll__changes_memory_alone_until_it_is_flushed),
        cmocka_unit_test(poll__of_a_device_that_is_then_removed_is_forgotten_with_it),
        cmocka_unit_test(
            role_token__opens_its_role_until_it_is_revoked_and_is_never_stored_in_the_clear),
        cmocka_unit_test(devices__come_in_pages_by_id_whatever_the_order_in_which_they_registered),
        cmocka_unit_test(devices__are_chosen_by_a_filter_that_is_refused_with_its_column),
        cmocka_unit_test(actions_and_deployments__come_newest_first_in_pages),
        cmocka_unit_test(releases__come_in_pages_newest_first_and_by_model),
        cmocka_unit_test(releases__published_between_two_pages_shift_none),
        cmocka_unit_test(releases__keep_their_order_when_the_clock_is_put_back),
        cmocka_unit_test(
            devices__are_silent_after_three_polls_and_when_heard_in_a_future_that_was_taken_back),
        cmocka_unit_test(polls__of_all_devices_are_kept_at_the_end_however_many),
        cmocka_unit_test(polls__that_wait_for_longest_are_written_first),
        cmocka_unit_test(commit__that_fails_leaves_memory_and_disk_as_they_were_before),
        cmocka_unit_test(commit__that_fails_forgets_no_poll),
        cmocka_unit_test(commit__is_due_after_a_failure_that_wrote_nothing),
        cmocka_unit_test(open__refuses_rows_that_name_what_is_not_there),
        cmocka_unit_test(audit__says_who_did_what_newest_first_in_pages),
        cmocka_unit_test(poll__is_the_devices_own_else_the_operators_else_that_of_the_options),
        cmocka_unit_test(poll__out_of_bounds_is_refused_and_changes_nothing),
        cmocka_unit_test(device__is_silent_by_its_own_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
