/*
 * Outcomes of loads on this host, by applications and by trials: from them metrics and evidence are
 * made. A bounded log in JSON lines:
 *
 *   hosts/<machine-id>/spool/outcomes.jsonl             being written
 *   hosts/<machine-id>/spool/outcomes-<sequence>.jsonl  full ones, the highest the newest
 *
 *   {"dropped":0,"schema":"tenon-spool/1","sequence":3,"spool":"9c4e…"}     first line of each
 *   {"by":"application","digest":…,"result":"ok","schema":"tenon-outcome/1",…}   one per outcome
 *
 * `spool` is drawn by lot when the first file is begun, and kept: a folder that is made anew is
 * another spool. Spool, sequence and place in the file name an outcome for ever, so that who counts
 * them elsewhere counts each once.
 *
 * `dropped` counts the outcomes that had gone with older files when this one was begun. A file is
 * full at TN_SPOOL_SEGMENT_BYTES; TN_SPOOL_SEGMENTS_MAX are kept. A line is one write() with
 * O_APPEND; what is empty, torn, foreign or of another schema is passed over by readers, and a torn
 * end costs its own line only.
 *
 * Many processes may write and read at once. Writers take a lock only to begin a file. Losing
 * outcomes harms no engine: callers ignore that one could not be written. Any thread, with a store
 * of its own.
 */
#ifndef TN_STORE_SPOOL_H
#define TN_STORE_SPOOL_H

#include "store/outcome.h"
#include "store/store.h"

enum {
    TN_SPOOL_SEGMENT_BYTES = 256 << 10,
    TN_SPOOL_SEGMENTS_MAX = 4,
    TN_SPOOL_LINE_MAX = 4096,
};

/** Appends one to the spool of the first store; `outcome->time` 0 = now. @return 0, TN_E_ACCESS,
 * TN_E_NOSPACE, TN_E_AGAIN (another process begins a file and does not come to an end), TN_E_IO */
int tn_spool_add(const struct tn_store *store, const struct tn_outcome *outcome,
                 struct tn_error *err);

/** Called with each outcome, in the order in which they were written. @return false to stop */
typedef bool (*tn_outcome_fn)(const struct tn_outcome *outcome, void *user);

/**
 * All outcomes that the first store keeps for this host.
 * @param ret_dropped how many older ones are gone; may be NULL
 * @return 0 (also with none), TN_E_UNTRUSTED, TN_E_IO, TN_E_NOMEM
 */
int tn_spool_each(const struct tn_store *store, tn_outcome_fn each, void *user,
                  int64_t *ret_dropped, struct tn_error *err);

#endif
