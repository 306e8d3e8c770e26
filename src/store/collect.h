/*
 * Collection: what leaves the first store so that it stays within its bound.
 *
 * The decision is a pure function over a list. Oldest use goes first; never what is pinned, what a
 * process works on, the engine built last, or what was used within the last day. Age counts from
 * the newest use in the store, not from now: clocks of devices lie. Things set aside keep to a
 * tenth of the bound, logs to 100 MiB. A derived model goes with the last engine that was made from
 * it, a note of a failure when it has nothing to say any more or 90 days of use are over.
 */
#ifndef TN_STORE_COLLECT_H
#define TN_STORE_COLLECT_H

#include "store/object.h"

/* A use is noted at most daily: what was noted within two days may have been used within one. */
#define TN_COLLECT_YOUNG      (2 * INT64_C(86400) * TN_NSEC_PER_S)
#define TN_COLLECT_LOGS_BYTES (INT64_C(100) << 20)
#define TN_COLLECT_BYTES      (INT64_C(20) << 30)

#define TN_COLLECT_NOTE_AGE (90 * INT64_C(86400) * TN_NSEC_PER_S)

enum tn_collect_kind {
    TN_COLLECT_ENGINE,
    TN_COLLECT_ASIDE,
    TN_COLLECT_LOG,
    TN_COLLECT_DERIVED,
    TN_COLLECT_NOTE, /* of this host: a failure that is not tried again, see refusal.h */
};
enum { TN_COLLECT_KINDS = TN_COLLECT_NOTE + 1 };
const char *tn_collect_kind_name(enum tn_collect_kind kind);

/** Something in the store. The caller fills what stands above the line. */
struct tn_collect_item {
    enum tn_collect_kind kind;
    int64_t bytes;
    tn_nsec used;     /* last use; of other kinds the time of writing */
    int64_t sequence; /* of engines */
    bool pinned, locked;
    bool over; /* of notes: it has nothing to say any more */
    bool twin; /* a further record of the engine before it in the list: shares its fate */
    struct tn_digest group;  /* the derived model it is, or was made from; zeroed = none */
    struct tn_digest digest; /* of engines */
    struct tn_digest key;    /* of engines */
    char *path;              /* owned */
    char name[256];          /* engine, or file */
    /* ---- */
    bool goes;
    const char *why; /* static: why it goes or stays */
};

struct tn_collect_bounds {
    int64_t max_bytes; /* of everything in the list */
    int64_t aside_bytes, log_bytes;
    int64_t free_bytes;      /* of the file system now */
    int64_t keep_free_bytes; /* what must be left free of it */
    tn_nsec older_than;      /* also goes what was not used for longer; 0 = no such wish */
};

/** Decides in place. Pure. */
void tn_collect_decide(struct tn_collect_item *items, size_t count,
                       const struct tn_collect_bounds *bounds);

/** What is asked for. Zeroed = the default bound. */
struct tn_collect_options {
    bool has_max_bytes;
    int64_t max_bytes;
    tn_nsec older_than;
    /** What tn_objects_each() gave, of a caller who walked the store already; NULL = it is walked.
     * Without further records of the same bytes the sizes are still right. */
    const struct tn_entries *engines;
};

struct tn_collection {
    struct tn_collect_item *item;
    size_t count;
    struct tn_collect_bounds bounds;
    int64_t total_bytes;
};
void tn_collection_done(struct tn_collection *collection);

/** Lists the first store and decides; changes nothing. @return 0, TN_E_NOMEM, TN_E_IO */
int tn_collect_plan(const struct tn_store *store, const struct tn_collect_options *options,
                    struct tn_collection *ret_collection, struct tn_error *err);

/**
 * Removes what goes. One process at a time; each engine by one rename out of objects/, so that a
 * kill leaves it whole or gone. What was pinned, locked or used since the plan stays, and its item
 * says so.
 * @return 0; TN_E_AGAIN (another process collects); TN_E_ACCESS, TN_E_IO
 */
int tn_collect_run(const struct tn_store *store, struct tn_collection *collection,
                   struct tn_error *err);

/** Plan and run with the default bound: after each build. */
int tn_collect(const struct tn_store *store, struct tn_error *err);

#endif
