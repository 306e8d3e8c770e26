/*
 * Inside the public interface: the objects behind its handles.
 */
#ifndef TN_API_LOADER_H
#define TN_API_LOADER_H

#include "base/json.h"
#include "loader/loader.h"
#include "loader/memo.h"
#include "store/store.h"

#include <tenon/tenon.h>

struct tn_loader {
    char *store;  /* list of stores, or NULL = the defaults */
    char *python; /* an interpreter that may build and try, or NULL */
    struct tn_memo *memo;
};

struct tn_engine {
    struct tn_get_result got;
    struct tn_mapping plan;
    void *object; /* the application's; NULL after tn_engine_get() */
};

/**
 * A caller's options as ours. His struct may be older (shorter: the rest is zero) or newer than
 * ours; what we do not know of it must be zero, else we would ignore a wish.
 * @param theirs may be NULL: all defaults
 * @return 0 or TN_E_USAGE
 */
int tn_api_options(void *ret_ours, size_t ours, const void *theirs, size_t size,
                   struct tn_error *err);

/** JSON as text for the caller. @param json NULL = memory ran out while it was made
 * @return 0 or TN_E_NOMEM */
int tn_api_text(const json_t *json, char **ret_json, struct tn_error *err);

#endif
