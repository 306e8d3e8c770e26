#include "recipe/record.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

void tn_record_done(struct tn_record *record)
{
    tn_recipe_done(&record->recipe);
    json_decref(record->facts);
    json_decref(record->built);
    *record = (struct tn_record) { 0 };
}

static void set_digest(json_t *json, const char *key, const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    tn_json_set_str(json, key, hex);
}

static json_t *object_or_empty(json_t *object)
{
    return object ? json_incref(object) : json_object();
}

json_t *tn_record_to_json(const struct tn_record *record)
{
    json_t *json = json_object();

    if (!json)
        return NULL;
    tn_json_set_str(json, "schema", TN_RECORD_SCHEMA);
    set_digest(json, "digest", &record->digest);
    tn_json_set_int(json, "plan_bytes", record->plan_bytes);
    set_digest(json, "key", &record->key);
    tn_json_set(json, "recipe", tn_recipe_to_json(&record->recipe));
    tn_json_set_str(json, "model", record->model_name);
    tn_json_set_str(json, "name", record->name);
    tn_json_set_int(json, "sequence", record->sequence);
    tn_json_set(json, "facts", object_or_empty(record->facts));
    tn_json_set(json, "built", object_or_empty(record->built));
    return json;
}

/* ---- foreign JSON ---- */

static int read_digest(const json_t *json, const char *key, struct tn_digest *ret_digest,
                       struct tn_error *err)
{
    const char *text = tn_json_str(json, key, NULL);

    if (!text || tn_digest_parse(text, ret_digest, NULL) != TN_OK)
        return tn_fail(err, TN_E_INVALID, "record: '%s' is missing or no SHA-256", key);
    return TN_OK;
}

static int read_count(const json_t *json, const char *key, int64_t *ret_value, struct tn_error *err)
{
    *ret_value = tn_json_int(json, key, TN_UNKNOWN);
    if (*ret_value < 0)
        return tn_fail(err, TN_E_INVALID, "record: '%s' is missing or negative", key);
    return TN_OK;
}

static int read_text(const json_t *json, const char *key, char *ret_text, size_t size,
                     struct tn_error *err)
{
    const char *text = tn_json_str(json, key, "");

    if (!*text || !tn_text_is_clean(text, strlen(text)) || !tn_text_copy(ret_text, size, text))
        return tn_fail(err, TN_E_INVALID, "record: '%s' is missing, too long or not plain text",
                       key);
    return TN_OK;
}

/* The name becomes that of a link in engines/: it must not lead anywhere else. */
static int read_name(const json_t *json, char *ret_name, size_t size, struct tn_error *err)
{
    int rc = read_text(json, "name", ret_name, size, err);

    if (rc < 0)
        return rc;
    if (strchr(ret_name, '/') || ret_name[0] == '.' || !tn_text_ends(ret_name, ".engine"))
        return tn_fail(err, TN_E_INVALID, "record: '%.80s' is not the name of an engine file",
                       ret_name);
    return TN_OK;
}

static int read_object(const json_t *json, const char *key, json_t **ret_object,
                       struct tn_error *err)
{
    json_t *object = json_object_get(json, key);

    if (!json_is_object(object))
        return tn_fail(err, TN_E_INVALID, "record: '%s' is missing or not an object", key);
    *ret_object = json_incref(object);
    return TN_OK;
}

static int check_key(const struct tn_record *record, struct tn_error *err)
{
    struct tn_digest key;
    int rc = tn_recipe_key(&record->recipe, &key, err);

    if (rc == TN_OK && !tn_digest_equal(&key, &record->key))
        rc = tn_fail(err, TN_E_CORRUPT, "record: its key is not the SHA-256 of its recipe");
    return rc;
}

static int read_fields(const json_t *json, struct tn_record *record, struct tn_error *err)
{
    int rc = read_digest(json, "digest", &record->digest, err);

    if (rc == TN_OK)
        rc = read_count(json, "plan_bytes", &record->plan_bytes, err);
    if (rc == TN_OK)
        rc = read_digest(json, "key", &record->key, err);
    if (rc == TN_OK)
        rc = tn_recipe_from_json(json_object_get(json, "recipe"), &record->recipe, err);
    if (rc == TN_OK)
        rc = read_text(json, "model", record->model_name, sizeof(record->model_name), err);
    if (rc == TN_OK)
        rc = read_name(json, record->name, sizeof(record->name), err);
    if (rc == TN_OK)
        rc = read_count(json, "sequence", &record->sequence, err);
    if (rc == TN_OK)
        rc = read_object(json, "facts", &record->facts, err);
    if (rc == TN_OK)
        rc = read_object(json, "built", &record->built, err);
    return rc < 0 ? rc : check_key(record, err);
}

int tn_record_from_json(const json_t *json, struct tn_record *ret_record, struct tn_error *err)
{
    tn_auto(tn_record_done) struct tn_record record = { 0 };
    const char *schema = tn_json_str(json, "schema", "");
    int rc;

    if (strcmp(schema, TN_RECORD_SCHEMA) != 0)
        return tn_fail(err, TN_E_INVALID, "record: schema '%.40s' is not " TN_RECORD_SCHEMA,
                       schema);
    rc = read_fields(json, &record, err);
    if (rc < 0)
        return rc;
    *ret_record = record;
    record = (struct tn_record) { 0 };
    return TN_OK;
}
