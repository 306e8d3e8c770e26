/*
 * The answer of tn_get() as the object that `tenon get --json` prints and tn_engine_report() gives.
 */
#ifndef TN_LOADER_GET_JSON_H
#define TN_LOADER_GET_JSON_H

#include "loader/loader.h"

/** A new object, or NULL when memory has run out. */
json_t *tn_get_result_to_json(const struct tn_get_result *result);

#endif
