/*
 * What the spool tells of loads: the latest of each model, and how many there were. For
 * `tenon cache stats`.
 */
#ifndef TN_CLI_CACHE_LOADS_H
#define TN_CLI_CACHE_LOADS_H

#include "store/spool.h"

struct tn_loads {
    struct tn_outcome *latest; /* one for each (model, by), in the order of their names */
    size_t count;
    int64_t outcomes[TN_OUTCOME_BYS][TN_OUTCOME_RESULTS];
    int64_t dropped;
    bool no_memory;
};

/** @return 0, TN_E_NOMEM, TN_E_IO, TN_E_UNTRUSTED */
int tn_loads_gather(const struct tn_store *store, struct tn_loads *ret_loads, struct tn_error *err);
void tn_loads_done(struct tn_loads *loads);

/** Adds the metrics tenon_load_… and tenon_outcomes… */
void tn_loads_add_prom(struct tn_buf *text, const struct tn_loads *loads);

/** Adds the members `loads`, `outcomes`, `outcomes_dropped`. */
void tn_loads_add_json(json_t *json, const struct tn_loads *loads);

void tn_loads_print(const struct tn_loads *loads);

#endif
