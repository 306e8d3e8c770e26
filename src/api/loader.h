/*
 * Inside the public interface: the objects behind its handles.
 */
#ifndef TN_API_LOADER_H
#define TN_API_LOADER_H

#include "loader/loader.h"
#include "loader/memo.h"
#include "store/store.h"

#include <tenon/tenon.h>

struct tn_loader {
    char *store; /* list of stores, or NULL = the defaults */
    struct tn_memo *memo;
};

struct tn_engine {
    struct tn_get_result got;
    struct tn_mapping plan;
    void *object; /* the application's; NULL after tn_engine_get() */
};

#endif
