/* Any bytes as a record; one that is taken must come back with the same key after a round trip. */
#include "base/json.h"
#include "recipe/record.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct tn_record *record)
{
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(record);
    struct tn_record again = { 0 };
    struct tn_error err = { 0 };

    if (tn_record_from_json(json, &again, &err) != TN_OK ||
        tn_recipe_differs(&record->recipe, &again.recipe) != TN_RECIPE_FIELD_COUNT ||
        !tn_digest_equal(&record->key, &again.key))
        abort();
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
    if (tn_record_from_json(json, &record, &err) == TN_E_CORRUPT) {
        mend_key(json);
        (void)tn_record_from_json(json, &record, &err);
    }
    if (record.facts)
        check_round_trip(&record);
    tn_record_done(&record);
    return 0;
}
