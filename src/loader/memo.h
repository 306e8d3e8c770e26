/*
 * What tn_get() answered before, for the process that asks again and again.
 *
 * An answer is remembered with the stamps of everything that it rests on: model, spec, plugins,
 * store folders, index entries, marks, this host's notes, the plan and its record, the notes of
 * rungs passed over. It is given again while every stamp is the same, the environment says the
 * same, and this machine's stamp is; a stamp has the change time, so that a chmod, chown or rename
 * shows. Any difference, and the whole of tn_get() runs.
 *
 * The machine's stamp (installed libraries, toolchains, pythons: tens of system calls) is compared
 * at most once a second, the driver's at each call: what a package manager installs comes over
 * seconds anyway. Trust and stores are never older than the call.
 *
 * Only hits of exactly the wanted recipe, proved to the wanted level, at a rung where nothing was
 * passed over are remembered; no answer with a back-off in it; nothing whose files are younger than
 * two seconds, since a change within a file system's step would not show; and nothing for longer
 * than an hour, so that the daily last use goes on. May be shared by any number of threads.
 */
#ifndef TN_LOADER_MEMO_H
#define TN_LOADER_MEMO_H

#include "base/buf.h"
#include "loader/loader.h"

struct tn_memo;

/** Where elapsed time and the machine's facts come from. Zeroed = the real ones. */
struct tn_memo_world {
    tn_nsec (*monotonic)(void);
    void (*device)(const char *python, struct tn_buf *text); /* tn_device_stamp_for() */
};

enum { TN_MEMO_ANSWERS_MAX = 16 }; /* beyond that the one asked for longest ago goes */

/** @param world copied; NULL = the real one
 * @return 0, TN_E_NOMEM */
int tn_memo_new(const struct tn_memo_world *world, struct tn_memo **ret_memo, struct tn_error *err);

/** No other thread may be using it. NULL is fine. */
void tn_memo_free(struct tn_memo *memo);

/** tn_get(), or its answer of before; `memo` may be NULL.
 * @param ret_remembered whether it was an answer of before; may be NULL
 * @return as tn_get() */
int tn_memo_get(struct tn_memo *memo, const struct tn_get_options *options,
                struct tn_get_result *ret_result, bool *ret_remembered, struct tn_error *err);

#endif
