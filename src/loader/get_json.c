#include "loader/get_json.h"

#include "base/json.h"

#include <string.h>

static json_t *ladder_json(const struct tn_get_result *result)
{
    json_t *ladder = json_array();

    for (size_t i = 0; i < result->rung_count; i++) {
        json_t *rung = json_object();

        tn_json_set_str(rung, "rung", tn_precision_name(result->rung[i].precision));
        tn_json_set_str(rung, "result", result->rung[i].result);
        tn_json_set_str(rung, "reason", result->rung[i].reason);
        tn_json_set_str(rung, "class", result->rung[i].class_name);
        tn_json_set_int(rung, "retry_in_ms",
                        strcmp(result->rung[i].result, "backoff") == 0
                            ? result->rung[i].retry_in / TN_NSEC_PER_MS
                            : TN_UNKNOWN);
        (void)json_array_append_new(ladder, rung);
    }
    return ladder;
}

json_t *tn_get_result_to_json(const struct tn_get_result *result)
{
    json_t *json = json_object();
    const struct tn_record *record = &result->entry.record;
    bool found = result->source != NULL;
    char hex[TN_DIGEST_HEX] = "";
    json_t *warnings = json_array();

    if (found)
        tn_digest_hex(&record->digest, hex);
    tn_json_set_str(json, "digest", hex);
    if (found)
        tn_digest_hex(&record->key, hex);
    tn_json_set_str(json, "key", hex);
    tn_json_set_str(json, "path", found ? result->entry.path : NULL);
    tn_json_set_str(json, "name", found ? record->name : NULL);
    tn_json_set_str(json, "model", result->model);
    tn_json_set_str(json, "precision", found ? tn_precision_name(result->precision) : NULL);
    tn_json_set(json, "ladder", ladder_json(result));
    tn_json_set_str(json, "source", result->source);
    tn_json_set_str(json, "level", found ? tn_level_name(result->level) : NULL);
    tn_json_set_str(json, "wanted_level", tn_level_name(result->wanted_level));
    tn_json_set_str(json, "runtime", result->runtime);
    tn_json_set_str(json, "gpu", result->gpu);
    tn_json_set_str(json, "version", found ? record->recipe.value[TN_RECIPE_TRT_VERSION] : NULL);
    tn_json_set_str(json, "log", result->log);
    tn_json_set_str(json, "note", result->note);
    tn_json_set(json, "seconds", json_real(result->seconds));
    for (size_t i = 0; i < result->warning_count; i++)
        tn_json_append_str(warnings, result->warning[i]);
    tn_json_set(json, "warnings", warnings);
    return json;
}
