#include "recipe/record.h"

#include "base/json.h"
#include "base/text.h"

#include "tn_test.h"

#include <stdlib.h>
#include <string.h>

static struct tn_error err;

static struct tn_record sample(void)
{
    struct tn_record record = { .plan_bytes = 12345, .sequence = 7 };

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        record.recipe.value[i] = strdup(i % 2 ? "-" : "value \\n = ;");
    memset(&record.digest, 0xab, sizeof(record.digest));
    assert_int_equal(tn_recipe_key(&record.recipe, &record.key, &err), TN_OK);
    (void)tn_text_copy(record.model_name, sizeof(record.model_name), "yolov5s");
    (void)tn_text_copy(record.name, sizeof(record.name), "yolov5s_1_trt8.4.1.5_t4_fp16.engine");
    record.facts = json_pack("{s:s}", "kind", "engine");
    record.built = json_pack("{s:f}", "seconds", 1.5);
    return record;
}

TEST(record__comes_back_from_json_as_it_went)
{
    struct tn_record record = sample(), again = { 0 };
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(&record);
    tn_auto(tn_json_done) json_t *parsed = NULL;
    char *text = tn_json_text(json);

    assert_int_equal(tn_json_parse(text, strlen(text), "record", &parsed, &err), TN_OK);
    assert_int_equal(tn_record_from_json(parsed, &again, &err), TN_OK);
    assert_true(tn_digest_equal(&record.digest, &again.digest));
    assert_true(tn_digest_equal(&record.key, &again.key));
    assert_int_equal(tn_recipe_differs(&record.recipe, &again.recipe), TN_RECIPE_FIELD_COUNT);
    assert_int_equal(again.plan_bytes, 12345);
    assert_int_equal(again.sequence, 7);
    assert_string_equal(again.model_name, "yolov5s");
    assert_string_equal(again.name, record.name);
    assert_string_equal(tn_json_str(again.facts, "kind", ""), "engine");
    assert_true(json_real_value(json_object_get(again.built, "seconds")) == 1.5);
    tn_record_done(&again);
    tn_record_done(&record);
    tn_record_done(&record);
    free(text);
}

TEST(record__refuses_a_key_that_is_not_the_hash_of_its_recipe)
{
    struct tn_record record = sample(), again = { 0 };
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(&record);

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        json_t *recipe = json_object_get(json, "recipe");
        const char *field = tn_recipe_field_name((enum tn_recipe_field)i);
        json_t *old = json_incref(json_object_get(recipe, field));

        tn_json_set_str(recipe, field, "other");
        assert_int_equal(tn_record_from_json(json, &again, &err), TN_E_CORRUPT);
        tn_json_set(recipe, field, old);
    }
    assert_int_equal(tn_record_from_json(json, &again, &err), TN_OK);
    tn_record_done(&again);
    tn_record_done(&record);
}

TEST(record__refuses_missing_wrong_and_unsafe_members)
{
    static const struct {
        const char *key, *value; /* JSON; NULL = leave out */
    } wrong[] = {
        { "schema", NULL },
        { "schema", "\"tenon-record/2\"" },
        { "digest", NULL },
        { "digest", "\"abc\"" },
        { "digest", "7" },
        { "plan_bytes", NULL },
        { "plan_bytes", "-1" },
        { "plan_bytes", "1.5" },
        { "key", NULL },
        { "recipe", NULL },
        { "recipe", "[]" },
        { "model", NULL },
        { "model", "\"\"" },
        { "model", "\"a\\nb\"" },
        { "name", NULL },
        { "name", "\"../x.engine\"" },
        { "name", "\".engine\"" },
        { "name", "\"x.plan\"" },
        { "name", "\"a\\u001bb.engine\"" },
        { "sequence", NULL },
        { "sequence", "-3" },
        { "sequence", "\"3\"" },
        { "facts", NULL },
        { "facts", "[]" },
        { "built", NULL },
        { "built", "null" },
    };
    struct tn_record record = sample(), again = { 0 };

    for (size_t i = 0; i < TN_COUNT(wrong); i++) {
        tn_auto(tn_json_done) json_t *json = tn_record_to_json(&record);

        if (wrong[i].value)
            tn_json_set(json, wrong[i].key, json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
        else
            (void)json_object_del(json, wrong[i].key);
        memset(&err, 0, sizeof(err));
        if (tn_record_from_json(json, &again, &err) != TN_E_INVALID)
            fail_msg("%s = %s was taken", wrong[i].key, wrong[i].value ? wrong[i].value : "none");
        assert_true(err.text[0] != '\0');
    }
    assert_int_equal(tn_record_from_json(NULL, &again, &err), TN_E_INVALID);
    tn_record_done(&record);
}

TEST(record__without_facts_has_empty_ones)
{
    struct tn_record record = sample(), again = { 0 };
    tn_auto(tn_json_done) json_t *json = NULL;

    json_decref(record.facts);
    record.facts = NULL;
    json = tn_record_to_json(&record);
    assert_int_equal(tn_record_from_json(json, &again, &err), TN_OK);
    assert_int_equal(json_object_size(again.facts), 0);
    tn_record_done(&again);
    tn_record_done(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record__comes_back_from_json_as_it_went),
        cmocka_unit_test(record__refuses_a_key_that_is_not_the_hash_of_its_recipe),
        cmocka_unit_test(record__refuses_missing_wrong_and_unsafe_members),
        cmocka_unit_test(record__without_facts_has_empty_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
