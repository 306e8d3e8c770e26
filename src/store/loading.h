/*
 * Marks of applications that deserialize an engine in their own process, so that a crash in there
 * is seen by the next process.
 *
 *   hosts/<machine-id>/loading/<digest>.<pid>-<n>
 *
 * A mark appears locked (flock) and stays so while the callback runs: the lock dies with its
 * process. A mark that nobody holds is of a process that died in there. Marks are notes: losing one
 * costs a crash that nobody remembers, and where files cannot be locked there are none.
 * Any thread; a mark belongs to the thread that made it.
 */
#ifndef TN_STORE_LOADING_H
#define TN_STORE_LOADING_H

#include "store/store.h"

/** More marks than this of one engine are not kept. */
enum { TN_LOADING_KEPT_MAX = 8 };

struct tn_loading {
    int fd; /* -1 = no mark */
    char *path;
};
#define TN_LOADING_NONE ((struct tn_loading) { .fd = -1 })

/** Sets a mark in the first store. @return 0, or why there is none; callers may ignore that */
int tn_loading_begin(const struct tn_store *store, const struct tn_digest *digest,
                     struct tn_loading *ret_loading, struct tn_error *err);

/** Takes the mark away: the process came out alive. Safe on none. */
void tn_loading_done(struct tn_loading *loading);

/** How many processes died while they deserialized this engine, since it last loaded. */
int tn_loading_crashes(const struct tn_store *store, const struct tn_digest *digest);

/** Forgets them: it loaded, or it is gone. */
void tn_loading_forget(const struct tn_store *store, const struct tn_digest *digest);

#endif
