/*
 * Why there is no engine of the wanted recipe: what is wanted, rung by rung, beside what the stores
 * hold of the same model. Prepares exactly as tn_get() does, and builds nothing.
 */
#ifndef TN_LOADER_EXPLAIN_H
#define TN_LOADER_EXPLAIN_H

#include "loader/loader.h"

/** An engine of the same model name or content. */
struct tn_explain_engine {
    struct tn_entry entry;
    bool differs[TN_RECIPE_FIELD_COUNT];
    int count; /* of fields that differ; 0 = this is the wanted one */
};

struct tn_explain_rung {
    struct tn_rung_report report; /* reason: why the rung does not exist; "" when it does */
    bool exists;
    struct tn_recipe recipe;
    struct tn_digest key;
    struct tn_explain_engine *engine; /* nearest first: fewest fields, then the newer one */
    size_t engine_count;
};

struct tn_explanation {
    struct tn_get_result got; /* model, runtime, gpu and warnings are filled */
    struct tn_explain_rung rung[TN_LADDER_MAX];
    size_t rung_count;
};

/** @return 0; TN_E_USAGE (the model is a name, which says nothing of what is wanted), or as
 * tn_get()
 */
int tn_explain(const struct tn_get_options *options, struct tn_explanation *ret_explanation,
               struct tn_error *err);
void tn_explanation_done(struct tn_explanation *explanation);

#endif
