/*
 * What failed on this host and is not to be tried again at once, under its recipe key.
 *
 *   hosts/<machine-id>/refusals/<key>.json   lasting: until a key field or the classifier changes
 *   hosts/<machine-id>/backoff/<key>.json    may work later: 1 min, doubling to 1 h
 *
 * Both are notes: losing one costs one more try. A back-off is measured by the monotonic clock of
 * the same boot; after another boot by the wall clock, and a clock that went backwards ends it: no
 * clock can make it last longer than its own length.
 */
#ifndef TN_STORE_REFUSAL_H
#define TN_STORE_REFUSAL_H

#include "base/clock.h"
#include "store/store.h"

enum tn_refusal_kind {
    TN_REFUSAL_NONE,
    TN_REFUSAL_LASTING,
    TN_REFUSAL_BACKOFF,
};

struct tn_refusal {
    enum tn_refusal_kind kind;
    char name[48];               /* class: "unsupported-operator", "timeout", … */
    char stage[16];              /* "preflight", "parse", "build", "verify", … */
    char first_line[480];        /* what told */
    char cure[200];              /* "" = none known */
    char log[1024];              /* path of what the child said; "" = none */
    char time[TN_RFC3339_BYTES]; /* when it failed, for people; set when it is kept */
    tn_nsec left;                /* back-off: time until the next try; set when it is found */
};

/**
 * What is remembered of `key`, if it still counts at `now`.
 * @return its kind; `ret_refusal` is filled unless that is TN_REFUSAL_NONE
 */
enum tn_refusal_kind tn_refusal_find(const struct tn_store *store, const struct tn_digest *key,
                                     const struct tn_moment *now, struct tn_refusal *ret_refusal);

/** Remembers a failure, by its kind; a further back-off of the same key is twice as long. @return 0
 * or why it could not be written; callers may ignore that */
int tn_refusal_keep(const struct tn_store *store, const struct tn_digest *key,
                    const struct tn_moment *now, const struct tn_refusal *refusal,
                    struct tn_error *err);

/** "refusals" or "backoff": the folder in hosts/<machine-id>/ of a kind's notes. */
const char *tn_refusal_folder(enum tn_refusal_kind kind);

/** Whether a note, as it was read (NULL = it could not be), has nothing to say any more: it is of
 * another version of the classifier, or a back-off that ended a day ago. Until then it makes the
 * next one longer. */
bool tn_refusal_over(const json_t *note, enum tn_refusal_kind kind, const struct tn_moment *now);

/** How many recipes are not tried now: for a lasting reason, and in back-off. */
void tn_refusals_count(const struct tn_store *store, const struct tn_moment *now,
                       int64_t *ret_lasting, int64_t *ret_backoff);

/** Forgets refusal and back-off of a key; none there is fine. */
void tn_refusal_forget(const struct tn_store *store, const struct tn_digest *key);

#endif
