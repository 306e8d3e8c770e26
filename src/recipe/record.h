/*
 * The record that lies beside a plan: recipe, facts, how it was built. Written once, never changed.
 */
#ifndef TN_RECIPE_RECORD_H
#define TN_RECIPE_RECORD_H

#include "recipe/recipe.h"

#define TN_RECORD_SCHEMA "tenon-record/1"

struct tn_record {
    struct tn_digest digest; /* of the plan */
    int64_t plan_bytes;
    struct tn_digest key; /* of the recipe; checked when read */
    struct tn_recipe recipe;
    char model_name[128];
    char name[256];   /* engine file name: no '/', no leading '.', ends in ".engine" */
    int64_t sequence; /* of the store's writer: the higher of two is the newer; no clock */
    json_t *facts;    /* as `tenon inspect --json`, without path; object */
    json_t *built; /* toolchain kind path version, driver cuda host container seconds peak_rss_bytes
                      time environment warnings io; object */
};

/** Members `schema digest plan_bytes key recipe model name sequence facts built`; a new reference,
 * NULL without memory. */
json_t *tn_record_to_json(const struct tn_record *record);

/** Reads foreign JSON; `facts` and `built` of the result are shared with `json`.
 * @return 0; TN_E_INVALID for another schema or a missing or unsafe field; TN_E_CORRUPT when the
 * key is not the hash of the recipe */
int tn_record_from_json(const json_t *json, struct tn_record *ret_record, struct tn_error *err);
void tn_record_done(struct tn_record *record);

#endif
