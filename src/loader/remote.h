/*
 * Where engines and models come from when no store has them: a server, as the loader sees it.
 *
 * The loader links no network library: the program fills these functions (tenon-net as a child).
 * Engines of a remote are candidates after those of the stores. What a remote says is foreign: an
 * engine is fetched into the first store, verified by its digest, and its own header must agree
 * with its record before anything else looks at it.
 */
#ifndef TN_LOADER_REMOTE_H
#define TN_LOADER_REMOTE_H

#include "base/digest.h"
#include "base/json.h"

struct tn_job;
struct tn_rung;
struct tn_entry;

/** How far a transfer is. @return false to stop it */
typedef bool (*tn_remote_watch_fn)(int64_t done, int64_t total, void *user);

/** One remote. Functions block and return 0 or an error; `self` is theirs. */
struct tn_remote {
    const char *name; /* its address, for messages */
    void *self;

    /**
     * A release with its engines: {"model", "version", "variants": [{"precision", "digest",
     * "bytes", "name", "external"}], "spec", "needs", "signatures", "engines": [record, …],
     * "revoked": [{"digest", "key", "why"}]}. What was revoked is not among the engines; it is not
     * taken from a store either, nor made anew from its recipe. A record has its signatures as a
     * further member.
     * @param at a version or a channel
     * @return 0, TN_E_NOTFOUND, TN_E_AGAIN (not reached), …
     */
    int (*release)(void *self, const char *model, const char *at, json_t **ret_release,
                   struct tn_error *err);

    /** The engines of all releases of a model: an array of records. @return as release() */
    int (*engines)(void *self, const char *model, json_t **ret_records, struct tn_error *err);

    /** Fetches a blob into `path`, going on where a part of it lies; verified on success.
     * @return 0, TN_E_CORRUPT, TN_E_NOTFOUND, TN_E_AGAIN, TN_E_CANCELLED, … */
    int (*fetch)(void *self, const struct tn_digest *digest, int64_t bytes, const char *path,
                 tn_remote_watch_fn watch, void *user, struct tn_error *err);
};

/**
 * Brings the rung's engine from a remote into the first store: of exactly its key, else one that
 * differs only in what it is tuned for and would be taken.
 * @return 1 there is one now in the store, 0 none (why is in the report), or an error
 */
int tn_rung_fetch(struct tn_job *job, struct tn_rung *rung, struct tn_error *err);

/**
 * Gets an engine of MODEL@RELEASE or MODEL@CHANNEL: from the stores where one of the release's lies
 * there, else fetched, else prepared for a build: then the job's spec is one of files that were
 * fetched, and the caller goes on rung by rung.
 * A listing that was seen before is used, with a warning, when no remote can be reached.
 * @return 1 the result has it, 0 build from the job's spec, or an error
 */
int tn_job_get_release(struct tn_job *job, struct tn_error *err);

#endif
