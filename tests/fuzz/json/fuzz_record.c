/* Any bytes as a record, with signatures; one that is taken must come back with the same key and
 * the same text to sign after a round trip. */
#include "base/json.h"
#include "recipe/signature.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_signed_text(const struct tn_record *record, const struct tn_record *again)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    tn_auto(tn_buf_done) struct tn_buf other = TN_BUF(TN_SIGNED_BYTES_MAX);

    if (tn_signed_record(record, &text, NULL) != TN_OK ||
        tn_signed_record(again, &other, NULL) != TN_OK ||
        strcmp(tn_buf_text(&text), tn_buf_text(&other)) != 0)
        abort();
}

static void check_signatures(const json_t *json)
{
    tn_auto(tn_json_done) json_t *back = NULL;
    struct tn_signatures list, again;

    if (tn_signatures_from_json(json, &list, NULL) != TN_OK)
        return;
    back = tn_signatures_to_json(&list);
    if (tn_signatures_from_json(back, &again, NULL) != TN_OK || again.count != list.count)
        abort();
}

static void check_round_trip(const struct tn_record *record)
{
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(record);
    struct tn_record again = { 0 };
    struct tn_error err = { 0 };

    if (tn_record_from_json(json, &again, &err) != TN_OK ||
        tn_recipe_differs(&record->recipe, &again.recipe) != TN_RECIPE_FIELD_COUNT ||
        !tn_digest_equal(&record->key, &again.key))
        abort();
    check_signed_text(record, &again);
    tn_record_done(&again);
}

/* The key is a SHA-256, which no fuzzer finds: give the recipe its key and look again. */
static void mend_key(json_t *json)
{
    struct tn_recipe recipe = { 0 };
    struct tn_digest key;
    char hex[TN_DIGEST_HEX];

    if (tn_recipe_from_json(json_object_get(json, "recipe"), &recipe, NULL) != TN_OK)
        return;
    if (tn_recipe_key(&recipe, &key, NULL) != TN_OK)
        abort();
    tn_digest_hex(&key, hex);
    tn_json_set_str(json, "key", hex);
    tn_recipe_done(&recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_record record = { 0 };
    struct tn_error err = { 0 };

    if (tn_json_parse((const char *)data, size, "fuzz", &json, &err) != TN_OK)
        return 0;
    check_signatures(json_object_get(json, "signatures"));
    if (tn_record_from_json(json, &record, &err) == TN_E_CORRUPT) {
        mend_key(json);
        (void)tn_record_from_json(json, &record, &err);
    }
    if (record.facts)
        check_round_trip(&record);
    tn_record_done(&record);
    return 0;
}
