/* Signatures in the rows: of a database that knew none, over restarts, and when keys change. */
#include "fixture.h"

#include "db/sqlite.h"
#include "recipe/signature.h"

struct signer {
    struct tn_ed25519_secret secret;
    struct tn_trusted_key trusted;
    struct tn_keyring ring;
};

static void signer_new(struct signer *signer)
{
    WELL(tn_ed25519_new(&signer->secret, &err));
    signer->trusted = (struct tn_trusted_key) { .key = signer->secret.public_key };
    WELL(tn_ed25519_id(&signer->trusted.key, &signer->trusted.id, &err));
    signer->ring = (struct tn_keyring) { .key = &signer->trusted, .count = 1 };
}

/* The record or manifest with a signature by this key as its member. */
static json_t *signed_by(const struct signer *signer, const json_t *json, bool is_record)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    tn_auto(tn_record_done) struct tn_record record = { 0 };
    struct tn_signatures list = { .count = 1 };
    json_t *copy = json_deep_copy(json);

    if (is_record) {
        WELL(tn_record_from_json(json, &record, &err));
        WELL(tn_signed_record(&record, &text, &err));
    } else {
        WELL(tn_signed_manifest(json, &text, &err));
    }
    WELL(tn_signature_make(&signer->secret, &text, &list.item[0], &err));
    tn_json_set(copy, "signatures", tn_signatures_to_json(&list));
    return copy;
}

static void check_said(struct place *place, const char *model, const char *of_release,
                       const char *of_engine)
{
    tn_auto(tn_json_done) json_t *release = tn_fleet_release_json(place->fleet, model, "1");
    const json_t *engine = json_array_get(json_object_get(release, "engines"), 0);

    assert_non_null(release);
    assert_string_equal(tn_json_str(release, "signed", ""), of_release);
    assert_string_equal(tn_json_str(engine, "signed", ""), of_engine);
    assert_int_equal(json_array_size(json_object_get(engine, "signatures")),
                     strcmp(of_engine, "no") != 0);
}

/* ---- a database that knew none ---- */

static void fill_from(const char *path, const char *sql_file)
{
    tn_auto(tn_buf_done) struct tn_buf sql = TN_BUF(1 << 20);
    tn_auto(tn_str_free) char *source = tn_path_join(getenv("TENON_TEST_DATA"), sql_file);
    sqlite3 *sqlite = NULL;

    WELL(tn_file_read(source, &sql, &err));
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, tn_buf_text(&sql), NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

TEST(schema_1__is_brought_up_to_date_and_its_release_can_be_signed_then)
{
    struct place place = place_new();
    tn_auto(tn_json_done) json_t *release = NULL;
    tn_auto(tn_json_done) json_t *record = NULL;
    struct signer signer;

    signer_new(&signer);
    place_close(&place);
    assert_int_equal(unlink(place.path), 0);
    fill_from(place.path, "tenond-schema-1.sql");
    place_open(&place);
    check_said(&place, "small", "no", "no");
    release = tn_fleet_release_json(place.fleet, "small", "1");
    record = signed_by(
        &signer, json_object_get(json_array_get(json_object_get(release, "engines"), 0), "record"),
        true);
    WELL(tn_fleet_engine_add(place.fleet, "small", "1", record, "test", NOW, &err));
    place_restart(&place);
    check_said(&place, "small", "no", "untrusted");
    tn_fleet_trust(place.fleet, &signer.ring, false);
    check_said(&place, "small", "no", "trusted");
    place_done(&place);
}

/* ---- coming in ---- */

struct offer {
    json_t *record;
    struct made plan;
};

static struct offer offer_new(struct place *place)
{
    struct offer offer;

    made_engine(place, &ada, RTX_1_7, &(struct engine_options) { 0 }, &offer.plan);
    (void)put_blob(place, offer.plan.data, offer.plan.size);
    offer.record = record_for(&offer.plan, RTX_1_7, "fp16");
    return offer;
}

static int add(struct place *place, json_t *record_steal)
{
    int rc = tn_fleet_engine_add(place->fleet, "m", "1", record_steal, "test", NOW, NULL);

    json_decref(record_steal);
    place_commit(place);
    return rc;
}

TEST(engine_add__with_a_wrong_signature_adds_nothing_whatever_else_is_signed)
{
    struct place place = place_new();
    struct offer offer, other;
    tn_auto(tn_json_done) json_t *engines = NULL;
    struct signer signer;
    json_t *borrowed, *good;

    signer_new(&signer);
    tn_fleet_trust(place.fleet, &signer.ring, false);
    add_release(&place, "m", "1");
    offer = offer_new(&place);
    other = offer_new(&place);
    good = signed_by(&signer, other.record, true);
    borrowed = json_deep_copy(offer.record);
    tn_json_set(borrowed, "signatures", json_incref(json_object_get(good, "signatures")));
    assert_int_equal(add(&place, borrowed), TN_E_UNTRUSTED);
    engines = tn_fleet_engines_json(place.fleet, "m", "1");
    assert_int_equal(json_array_size(engines), 0);
    assert_int_equal(add(&place, good), TN_OK);
    check_said(&place, "m", "no", "trusted");
    json_decref(offer.record);
    json_decref(other.record);
    place_done(&place);
}

TEST(engine_add__where_signatures_are_required_needs_one_of_a_trusted_key_and_no_strangers)
{
    struct place place = place_new();
    struct signer ours, theirs;
    struct offer offer;
    json_t *both;

    signer_new(&ours);
    signer_new(&theirs);
    add_release(&place, "m", "1");
    tn_fleet_trust(place.fleet, &ours.ring, true);
    offer = offer_new(&place);
    assert_int_equal(add(&place, json_incref(offer.record)), TN_E_UNTRUSTED);
    assert_int_equal(add(&place, signed_by(&theirs, offer.record, true)), TN_E_UNTRUSTED);
    both = signed_by(&ours, offer.record, true);
    {
        tn_auto(tn_json_done) json_t *stranger = signed_by(&theirs, offer.record, true);

        (void)json_array_extend(json_object_get(both, "signatures"),
                                json_object_get(stranger, "signatures"));
    }
    assert_int_equal(add(&place, both), TN_E_UNTRUSTED);
    assert_int_equal(add(&place, signed_by(&ours, offer.record, true)), TN_OK);
    assert_int_equal(add(&place, signed_by(&theirs, offer.record, true)), TN_E_UNTRUSTED);
    assert_int_equal(add(&place, json_incref(offer.record)), TN_OK); /* what is there is enough */
    json_decref(offer.record);
    place_done(&place);
}

TEST(engine_add__stores_the_record_that_was_signed_not_what_was_said_beside_it)
{
    struct place place = place_new();
    struct offer offer;
    struct signer signer;
    json_t *release;

    signer_new(&signer);
    add_release(&place, "m", "1");
    offer = offer_new(&place);
    assert_int_equal(add(&place, signed_by(&signer, offer.record, true)), TN_OK);
    place_restart(&place);
    release = tn_fleet_release_json(place.fleet, "m", "1");
    assert_true(json_equal(
        json_object_get(json_array_get(json_object_get(release, "engines"), 0), "record"),
        offer.record));
    json_decref(release);
    json_decref(offer.record);
    place_done(&place);
}

TEST(release_add__takes_signatures_beside_the_same_content_only)
{
    struct place place = place_new();
    tn_auto(tn_json_done) json_t *release = NULL;
    tn_auto(tn_json_done) json_t *good = NULL;
    struct signer signer;
    json_t *manifest;

    signer_new(&signer);
    tn_fleet_trust(place.fleet, &signer.ring, false);
    add_release(&place, "m", "1");
    (void)add_engine(&place, "1", &ada, RTX_1_7);
    release = tn_fleet_release_json(place.fleet, "m", "1");
    good = signed_by(&signer, json_object_get(release, "manifest"), false);
    manifest = json_deep_copy(good);
    tn_json_set(manifest, "spec", json_object());
    assert_int_equal(tn_fleet_release_add(place.fleet, manifest, "test", NOW, NULL), TN_E_USAGE);
    tn_json_set_str(manifest, "version", "2");
    assert_int_equal(tn_fleet_release_add(place.fleet, manifest, "test", NOW, NULL),
                     TN_E_UNTRUSTED);
    assert_null(tn_fleet_release_json(place.fleet, "m", "2"));
    json_decref(manifest);
    check_said(&place, "m", "no", "no");
    WELL(tn_fleet_release_add(place.fleet, good, "test", NOW, &err));
    WELL(tn_fleet_release_add(place.fleet, good, "test", NOW, &err));
    place_restart(&place);
    tn_fleet_trust(place.fleet, &signer.ring, false);
    check_said(&place, "m", "trusted", "no");
    tn_fleet_trust(place.fleet, NULL, false);
    check_said(&place, "m", "untrusted", "no");
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_1__is_brought_up_to_date_and_its_release_can_be_signed_then),
        cmocka_unit_test(engine_add__with_a_wrong_signature_adds_nothing_whatever_else_is_signed),
        cmocka_unit_test(
            engine_add__where_signatures_are_required_needs_one_of_a_trusted_key_and_no_strangers),
        cmocka_unit_test(engine_add__stores_the_record_that_was_signed_not_what_was_said_beside_it),
        cmocka_unit_test(release_add__takes_signatures_beside_the_same_content_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
