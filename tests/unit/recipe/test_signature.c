#include "tn_test.h"

#include "recipe/config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tn_error err;

static struct tn_record record_new(void)
{
    struct tn_record record = { .plan_bytes = 12345, .sequence = 7 };

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        record.recipe.value[i] = strdup("-");
    memset(&record.digest, 0xab, sizeof(record.digest));
    assert_int_equal(tn_recipe_key(&record.recipe, &record.key, &err), TN_OK);
    (void)tn_text_copy(record.model_name, sizeof(record.model_name), "yolo");
    (void)tn_text_copy(record.name, sizeof(record.name), "yolo_1_fp16.engine");
    record.facts = json_pack("{s:s}", "kind", "engine");
    record.built = json_pack("{s:i, s:f}", "build_ms", 5, "share", 0.1);
    return record;
}

static struct tn_buf text_of(const struct tn_record *record)
{
    struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);

    assert_int_equal(tn_signed_record(record, &text, &err), TN_OK);
    return text;
}

/* A key, alone in a ring. */
struct signer {
    struct tn_ed25519_secret secret;
    struct tn_trusted_key trusted;
    struct tn_keyring ring;
};

static void signer_new(struct signer *signer)
{
    assert_int_equal(tn_ed25519_new(&signer->secret, &err), TN_OK);
    signer->trusted = (struct tn_trusted_key) { .key = signer->secret.public_key };
    assert_int_equal(tn_ed25519_id(&signer->trusted.key, &signer->trusted.id, &err), TN_OK);
    signer->ring = (struct tn_keyring) { .key = &signer->trusted, .count = 1 };
}

static struct tn_signatures signed_by(const struct signer *signer, const struct tn_buf *text)
{
    struct tn_signatures list = { .count = 1 };

    assert_int_equal(tn_signature_make(&signer->secret, text, &list.item[0], &err), TN_OK);
    return list;
}

TEST(signed_record__is_one_line_of_canonical_json_without_what_a_store_sets)
{
    tn_auto(tn_record_done) struct tn_record record = record_new();
    tn_auto(tn_buf_done) struct tn_buf text = text_of(&record);
    tn_auto(tn_buf_done) struct tn_buf again = { 0 };
    tn_auto(tn_json_done) json_t *json = NULL;
    char hex[TN_DIGEST_HEX];

    assert_int_equal(tn_json_parse(text.data, text.size, "text", &json, &err), TN_OK);
    assert_string_equal(tn_json_str(json, "_type", ""), "engine-record");
    assert_string_equal(tn_json_str(json, "spec_version", ""), "tenon-signature/1");
    assert_int_equal(strncmp(text.data, "{\"_type\":\"engine-record\",\"record\":{\"built\":{", 44),
                     0);
    assert_null(strchr(text.data, '\n'));
    assert_null(json_object_get(json_object_get(json, "record"), "sequence"));
    record.sequence = 99;
    tn_digest_hex(&record.key, hex);
    (void)snprintf(record.name, sizeof(record.name), "yolo_1_fp16.%.8s.engine", hex);
    again = text_of(&record);
    assert_string_equal(again.data, text.data);
}

/* Whatever order and blanks the JSON came in: what was read is what counts. */
TEST(signed_record__does_not_depend_on_how_the_json_was_written)
{
    tn_auto(tn_record_done) struct tn_record record = record_new();
    tn_auto(tn_record_done) struct tn_record again = { 0 };
    tn_auto(tn_buf_done) struct tn_buf text = text_of(&record);
    tn_auto(tn_buf_done) struct tn_buf other = { 0 };
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(&record);
    tn_auto(tn_json_done) json_t *parsed = NULL;
    tn_auto(tn_str_free) char *loose = NULL;

    tn_json_set_str(json, "later", "a member that this version does not know");
    loose = json_dumps(json, JSON_INDENT(7) | JSON_ENSURE_ASCII);
    assert_int_equal(tn_json_parse(loose, strlen(loose), "record", &parsed, &err), TN_OK);
    assert_int_equal(tn_record_from_json(parsed, &again, &err), TN_OK);
    other = text_of(&again);
    assert_string_equal(other.data, text.data);
}

TEST(check__takes_a_trusted_keys_signature_and_refuses_all_else_with_the_key)
{
    tn_auto(tn_record_done) struct tn_record record = record_new();
    tn_auto(tn_buf_done) struct tn_buf text = text_of(&record);
    tn_auto(tn_buf_done) struct tn_buf other = { 0 };
    struct tn_signatures list, none = { .count = 0 };
    struct signer ours, theirs;
    struct tn_digest keyid;
    char hex[TN_DIGEST_HEX];

    signer_new(&ours);
    signer_new(&theirs);
    list = signed_by(&ours, &text);
    assert_int_equal(tn_signatures_check(&list, &text, &ours.ring, &keyid, &err), TN_OK);
    assert_true(tn_digest_equal(&keyid, &ours.trusted.id));

    tn_digest_hex(&ours.trusted.id, hex);
    assert_int_equal(tn_signatures_check(&list, &text, &theirs.ring, NULL, &err), TN_E_UNTRUSTED);
    assert_non_null(strstr(err.text, hex));
    assert_int_equal(tn_signatures_check(&none, &text, &ours.ring, NULL, &err), TN_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "not signed"));

    memset(&record.digest, 0xac, sizeof(record.digest));
    other = text_of(&record);
    assert_int_equal(tn_signatures_check(&list, &other, &ours.ring, NULL, &err), TN_E_UNTRUSTED);
    assert_non_null(strstr(err.text, hex));
    assert_non_null(strstr(err.text, "wrong"));
    assert_int_equal(tn_signature_check(&list.item[0], &other, &ours.ring), TN_TRUST_WRONG);
    assert_int_equal(tn_signature_check(&list.item[0], &other, &theirs.ring), TN_TRUST_UNKNOWN);
}

/* A key id is a claim: a signature under a trusted key's id is still verified with that key. */
TEST(check__refuses_a_signature_under_a_borrowed_key_id)
{
    tn_auto(tn_record_done) struct tn_record record = record_new();
    tn_auto(tn_buf_done) struct tn_buf text = text_of(&record);
    struct signer ours, theirs;
    struct tn_signatures list;

    signer_new(&ours);
    signer_new(&theirs);
    list = signed_by(&theirs, &text);
    list.item[0].keyid = ours.trusted.id;
    assert_int_equal(tn_signatures_check(&list, &text, &ours.ring, NULL, &err), TN_E_UNTRUSTED);
}

TEST(signed_manifest__is_another_text_than_a_record_of_the_same_members)
{
    tn_auto(tn_record_done) struct tn_record record = record_new();
    tn_auto(tn_buf_done) struct tn_buf text = text_of(&record);
    tn_auto(tn_buf_done) struct tn_buf manifest = TN_BUF(TN_SIGNED_BYTES_MAX);
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(&record);
    struct tn_signatures list;
    struct signer ours;

    signer_new(&ours);
    list = signed_by(&ours, &text);
    (void)json_object_del(json, "sequence");
    tn_json_set(json, "signatures", tn_signatures_to_json(&list));
    tn_json_set(json, "engines", json_array());
    assert_int_equal(tn_signed_manifest(json, &manifest, &err), TN_OK);
    assert_null(strstr(manifest.data, "\"signatures\""));
    assert_null(strstr(manifest.data, "\"engines\""));
    assert_non_null(json_object_get(json, "signatures"));
    assert_int_equal(tn_signatures_check(&list, &manifest, &ours.ring, NULL, &err), TN_E_UNTRUSTED);
}

/* ---- lists ---- */

#define HEX64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX128 HEX64 HEX64

TEST(from_json__refuses_what_is_no_list_of_signatures)
{
    static const char *const bad[] = {
        "{\"keyid\":\"" HEX64 "\"}",
        "[1]",
        "[{}]",
        "[{\"keyid\":\"" HEX64 "\"}]",
        "[{\"keyid\":\"" HEX64 "\",\"sig\":\"\"}]",
        "[{\"keyid\":\"" HEX64 "\",\"sig\":\"" HEX64 "\"}]",
        "[{\"keyid\":\"" HEX64 "\",\"sig\":\"" HEX128 "0\"}]",
        "[{\"keyid\":\"" HEX64 "\",\"sig\":7}]",
        "[{\"keyid\":\"x\",\"sig\":\"" HEX128 "\"}]",
    };
    struct tn_signatures list = { .count = 77 };

    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        tn_auto(tn_json_done) json_t *json = NULL;

        assert_int_equal(tn_json_parse(bad[i], strlen(bad[i]), "list", &json, &err), TN_OK);
        assert_int_equal(tn_signatures_from_json(json, &list, &err), TN_E_INVALID);
        assert_int_equal(list.count, 77);
    }
    assert_int_equal(tn_signatures_from_json(NULL, &list, &err), TN_OK);
    assert_int_equal(list.count, 0);
}

TEST(add__keeps_one_signature_of_each_key_and_no_more_than_the_limit)
{
    struct tn_signatures list = { .count = 0 }, again;
    struct tn_signature one = { .keyid = { { 0 } } };
    tn_auto(tn_json_done) json_t *json = NULL;

    for (int i = 0; i < TN_SIGNATURES_MAX; i++) {
        one.keyid.sha256[0] = (unsigned char)i;
        assert_int_equal(tn_signatures_add(&list, &one, &err), TN_OK);
        assert_int_equal(tn_signatures_add(&list, &one, &err), TN_OK);
    }
    assert_int_equal(list.count, TN_SIGNATURES_MAX);
    one.keyid.sha256[0] = 200;
    assert_int_equal(tn_signatures_add(&list, &one, &err), TN_E_TOOBIG);
    json = tn_signatures_to_json(&list);
    assert_int_equal(tn_signatures_from_json(json, &again, &err), TN_OK);
    assert_int_equal(again.count, list.count);
    assert_memory_equal(again.item, list.item, sizeof(list.item));
}

/* ---- the keys that count ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/tenon-ring-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

static void put_key(const char *name)
{
    struct tn_ed25519_secret secret;
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(tn_ed25519_new(&secret, &err), TN_OK);
    assert_int_equal(tn_ed25519_write(&secret, path, &err), TN_OK);
}

TEST(keyring__reads_the_public_keys_of_a_folder_and_nothing_else_in_it)
{
    tn_auto(tn_keyring_done) struct tn_keyring ring = { .count = 0 };

    put_key("a");
    put_key("b");
    assert_int_equal(tn_keyring_read(folder, &ring, &err), TN_OK);
    assert_int_equal(ring.count, 2);
    assert_int_equal(tn_keyring_read(folder, &ring, &err), TN_OK);
    assert_int_equal(ring.count, 2);
}

TEST(keyring__refuses_a_folder_or_a_key_that_others_may_change_and_a_file_that_is_no_key)
{
    tn_auto(tn_keyring_done) struct tn_keyring ring = { .count = 0 };
    char path[96];

    put_key("a");
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(tn_keyring_read(folder, &ring, &err), TN_E_UNTRUSTED);
    assert_int_equal(chmod(folder, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/a.pub", folder);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(tn_keyring_read(folder, &ring, &err), TN_E_UNTRUSTED);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(truncate(path, 40), 0);
    assert_int_equal(tn_keyring_read(folder, &ring, &err), TN_E_INVALID);
    assert_int_equal(tn_keyring_read("/nowhere/at/all", &ring, &err), TN_E_NOTFOUND);
    assert_int_equal(ring.count, 0);
}

TEST(config__names_the_folder_of_the_keys_that_count)
{
    tn_auto(tn_keyring_done) struct tn_keyring ring = { .count = 0 };
    char path[96], text[160];
    FILE *file;

    put_key("a");
    assert_int_equal(setenv("XDG_CONFIG_HOME", folder, 1), 0);
    (void)snprintf(path, sizeof(path), "%s/tenon", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/tenon/config.yaml", folder);
    for (int relative = 0; relative < 2; relative++) {
        (void)snprintf(text, sizeof(text), "trusted-keys: %s\n", relative ? "keys" : folder);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(tn_config_keyring(NULL, &ring, NULL, NULL, &err),
                         relative ? TN_E_INVALID : TN_OK);
    }
    assert_non_null(strstr(err.text, "absolute"));
    assert_int_equal(ring.count, 1);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_record__is_one_line_of_canonical_json_without_what_a_store_sets),
        cmocka_unit_test(signed_record__does_not_depend_on_how_the_json_was_written),
        cmocka_unit_test(check__takes_a_trusted_keys_signature_and_refuses_all_else_with_the_key),
        cmocka_unit_test(check__refuses_a_signature_under_a_borrowed_key_id),
        cmocka_unit_test(signed_manifest__is_another_text_than_a_record_of_the_same_members),
        cmocka_unit_test(from_json__refuses_what_is_no_list_of_signatures),
        cmocka_unit_test(add__keeps_one_signature_of_each_key_and_no_more_than_the_limit),
        IN_FOLDER(keyring__reads_the_public_keys_of_a_folder_and_nothing_else_in_it),
        IN_FOLDER(
            keyring__refuses_a_folder_or_a_key_that_others_may_change_and_a_file_that_is_no_key),
        IN_FOLDER(config__names_the_folder_of_the_keys_that_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
