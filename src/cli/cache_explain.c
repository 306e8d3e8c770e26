/* tenon cache explain: which field of the key differs between what is wanted and what is there. */
#include "base/text.h"
#include "cli/cache.h"
#include "cli/get.h"
#include "loader/explain.h"

static json_t *differences_json(const struct tn_explain_rung *rung,
                                const struct tn_explain_engine *engine)
{
    json_t *list = json_array();

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        json_t *one;

        if (!engine->differs[i])
            continue;
        one = json_object();
        tn_json_set_str(one, "field", tn_recipe_field_name((enum tn_recipe_field)i));
        tn_json_set_str(one, "wanted", rung->recipe.value[i]);
        tn_json_set_str(one, "there", engine->entry.record.recipe.value[i]);
        (void)json_array_append_new(list, one);
    }
    return list;
}

static const char *first_field(const struct tn_explain_engine *engine)
{
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        if (engine->differs[i])
            return tn_recipe_field_name((enum tn_recipe_field)i);
    return NULL;
}

static json_t *engine_json(const struct tn_explain_rung *rung,
                           const struct tn_explain_engine *engine)
{
    json_t *json = json_object();
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&engine->entry.record.digest, hex);
    tn_json_set_str(json, "digest", hex);
    tn_json_set_str(json, "path", engine->entry.path);
    tn_json_set_str(json, "name", engine->entry.record.name);
    tn_json_set_str(json, "first", first_field(engine));
    tn_json_set(json, "revoked", tn_revocation_to_json(&engine->entry.revoked));
    tn_json_set(json, "differences", differences_json(rung, engine));
    return json;
}

static int rung_json(const struct tn_explain_rung *rung, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    json_t *engines = json_array();
    char hex[TN_DIGEST_HEX] = "";

    if (rung->exists)
        tn_digest_hex(&rung->key, hex);
    for (size_t i = 0; i < rung->engine_count; i++)
        (void)json_array_append_new(engines, engine_json(rung, &rung->engine[i]));
    tn_json_set_str(json, "rung", tn_precision_name(rung->report.precision));
    tn_json_set_str(json, "wanted_key", hex);
    tn_json_set(json, "wanted", rung->exists ? tn_recipe_to_json(&rung->recipe) : json_null());
    tn_json_set_str(json, "reason", rung->report.reason);
    tn_json_set(json, "engines", engines);
    return tn_json_line(stdout, json, err);
}

static void engine_text(const struct tn_explain_rung *rung, const struct tn_explain_engine *engine)
{
    const struct tn_revocation *revoked = &engine->entry.revoked;
    char hex[TN_DIGEST_HEX], why[TN_REVOCATION_TEXT];

    tn_digest_hex(&engine->entry.record.digest, hex);
    (void)printf("  %.12s  %s: %s%s\n", hex, engine->entry.record.name,
                 engine->count ? "differs first in " : "the wanted one",
                 engine->count ? first_field(engine) : "");
    tn_revocation_print(revoked, why);
    if (revoked->by[0])
        (void)printf("    %s%s\n", why,
                     revoked->in_force ? "; tenon cache bless overrules it" : "; overruled");
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        if (engine->differs[i])
            (void)printf("    %-18s wanted %s\n    %-18s there  %s\n",
                         tn_recipe_field_name((enum tn_recipe_field)i), rung->recipe.value[i], "",
                         engine->entry.record.recipe.value[i]);
}

static void rung_text(const struct tn_explain_rung *rung)
{
    const char *name = tn_precision_name(rung->report.precision);
    char hex[TN_DIGEST_HEX];

    if (!rung->exists) {
        (void)printf("%s: %s\n", name, rung->report.reason);
        return;
    }
    tn_digest_hex(&rung->key, hex);
    (void)printf("%s: wanted key %.12s; %zu engine%s of this model\n", name, hex,
                 rung->engine_count, rung->engine_count == 1 ? "" : "s");
    for (size_t i = 0; i < rung->engine_count; i++)
        engine_text(rung, &rung->engine[i]);
}

static void explanation_done(struct tn_explanation *explanation)
{
    tn_explanation_done(explanation);
}

int tn_cache_explain(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    tn_auto(explanation_done) struct tn_explanation told = { .rung_count = 0 };
    struct tn_get_options get;
    int rc;

    (void)store;
    if (call->arg_count != 2)
        return tn_fail(err, TN_E_USAGE, "explain takes one model");
    rc = tn_cli_get_read(call, call->args[1], &get);
    if (rc != 0)
        return rc;
    rc = tn_explain(&get, &told, err);
    for (size_t i = 0; i < told.got.warning_count; i++)
        tn_cli_warn(call, "%s", told.got.warning[i]);
    for (size_t i = 0; rc == TN_OK && i < told.rung_count; i++) {
        if (call->json)
            rc = rung_json(&told.rung[i], err);
        else
            rung_text(&told.rung[i]);
    }
    return rc;
}
