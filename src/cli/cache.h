/*
 * The verbs of `tenon cache`. Each prints its answer.
 * @return the exit status (0, 1), or a negative error code with `err` set
 */
#ifndef TN_CLI_CACHE_H
#define TN_CLI_CACHE_H

#include "cli/command.h"
#include "store/store.h"

int tn_cache_ls(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_show(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_verify(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_pin(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_unpin(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_bless(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_aside(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_gc(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
int tn_cache_explain(const struct tn_invocation *call, struct tn_store *store,
                     struct tn_error *err);
int tn_cache_stats(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);

#endif
