#include "store/outcome.h"

#include "base/text.h"

#include <string.h>

#define OUTCOME_SCHEMA "tenon-outcome/1"

static const char *const by_names[TN_OUTCOME_BYS] = { "application", "trial" };
static const char *const result_names[TN_OUTCOME_RESULTS] = { "ok", "failed", "trouble" };

const char *tn_outcome_by_name(enum tn_outcome_by by)
{
    return by_names[by];
}

const char *tn_outcome_result_name(enum tn_outcome_result result)
{
    return result_names[result];
}

/* @return its place in the list, or -1 */
static int index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

/* The members that are plain texts. */
#define TEXTS(X)                                                                                   \
    X(name, "name")                                                                                \
    X(model, "model")                                                                              \
    X(precision, "precision")                                                                      \
    X(flavor, "flavor")                                                                            \
    X(runtime, "runtime")                                                                          \
    X(source, "source")                                                                            \
    X(gpu, "gpu")                                                                                  \
    X(gpu_class, "gpu_class")                                                                      \
    X(driver, "driver")                                                                            \
    X(class_name, "class")                                                                         \
    X(first_line, "first_line")

json_t *tn_outcome_to_json(const struct tn_outcome *outcome)
{
    json_t *json = json_object();
    char hex[TN_DIGEST_HEX], when[TN_RFC3339_BYTES];

    tn_clock_rfc3339(outcome->time ? outcome->time : tn_clock_wall(), when);
    tn_json_set_str(json, "schema", OUTCOME_SCHEMA);
    tn_json_set_str(json, "time", when);
    tn_json_set_str(json, "by", by_names[outcome->by]);
    tn_json_set_str(json, "result", result_names[outcome->result]);
    tn_digest_hex(&outcome->digest, hex);
    tn_json_set_str(json, "digest", hex);
    tn_digest_hex(&outcome->key, hex);
    tn_json_set_str(json, "key", hex);
    tn_json_set_int(json, "plan_bytes", outcome->bytes);
    tn_json_set_int(json, "rung", outcome->rung > 0 ? outcome->rung : TN_UNKNOWN);
    tn_json_set(json, "seconds", outcome->seconds >= 0 ? json_real(outcome->seconds) : json_null());
    tn_json_set_tri(json, "cold", outcome->cold);
    tn_json_set(json, "lasting", json_boolean(outcome->lasting));
#define X(member, key) tn_json_set_str(json, key, outcome->member);
    TEXTS(X)
#undef X
    return json;
}

bool tn_outcome_from_json(const json_t *json, struct tn_outcome *ret_outcome)
{
    int by = index_of(by_names, TN_COUNT(by_names), tn_json_str(json, "by", ""));
    int result = index_of(result_names, TN_COUNT(result_names), tn_json_str(json, "result", ""));
    const json_t *seconds = json_object_get(json, "seconds");
    const json_t *cold = json_object_get(json, "cold");
    int64_t rung = tn_json_int(json, "rung", 0);

    if (strcmp(tn_json_str(json, "schema", ""), OUTCOME_SCHEMA) != 0 || by < 0 || result < 0)
        return false;
    *ret_outcome = (struct tn_outcome) {
        .by = (enum tn_outcome_by)by,
        .result = (enum tn_outcome_result)result,
        .bytes = tn_json_int(json, "plan_bytes", TN_UNKNOWN),
        .rung = rung > 0 && rung < 100 ? (int)rung : 0,
        .seconds = json_is_number(seconds) ? json_number_value(seconds) : -1,
        .cold = json_is_boolean(cold) ? json_is_true(cold) : TN_UNKNOWN,
        .lasting = tn_json_bool(json, "lasting", false),
    };
    (void)tn_digest_parse(tn_json_str(json, "key", ""), &ret_outcome->key, NULL);
    if (tn_digest_parse(tn_json_str(json, "digest", ""), &ret_outcome->digest, NULL) < 0 ||
        !tn_clock_parse(tn_json_str(json, "time", ""), &ret_outcome->time))
        return false;
#define X(member, key)                                                                             \
    (void)tn_text_copy(ret_outcome->member, sizeof(ret_outcome->member),                           \
                       tn_json_str(json, key, ""));
    TEXTS(X)
#undef X
    return true;
}
