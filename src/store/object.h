/*
 * Engines in a store: objects/sha256/ab/<rest>/{plan,record.json} and the index records/<key>.json.
 *
 * An object appears whole, by one rename of its folder. What is known of it on this host (the stamp
 * under which its bytes were verified, the level it reached, when it was last used) lies in
 * hosts/<id>/plans/<digest>.json.
 */
#ifndef TN_STORE_OBJECT_H
#define TN_STORE_OBJECT_H

#include "recipe/record.h"
#include "recipe/spec.h"
#include "store/mark.h"
#include "store/store.h"

/** One engine of a store. Owned: tn_entry_done(). */
struct tn_entry {
    size_t store;    /* number in the list */
    char path[1024]; /* of the plan */
    struct tn_record record;
    bool blessed; /* by an operator's mark */
    bool pinned;
    int64_t mark_sequence;        /* of the mark; of two blessed ones the higher was said last */
    struct tn_revocation revoked; /* by the mark of its own store, or of the first one */
    enum tn_level level;          /* as this host knows it; at least header */
    tn_nsec last_used;            /* wall time that this host knows of, or TN_UNKNOWN */
    bool verified;                /* this host hashed the plan while it had the stamp below */
    struct tn_stamp verified_stamp;
    char loaded_under[4096]; /* conditions of the latest proofs, a line each; "" = none */
    bool built_here;         /* this host made it: nobody else has to vouch for it */
    struct {
        struct tn_digest keyid, text; /* whose signature was found good, and of what */
        bool known;
    } signed_by;
};
void tn_entry_done(struct tn_entry *entry);

/** Negative when `a` is handed out before `b` of the same recipe: one that is not revoked, then an
 * operator's mark, then the higher level, then the earlier store of the list, then the newer one.
 */
int tn_entry_compare(const struct tn_entry *a, const struct tn_entry *b);

struct tn_entries {
    struct tn_entry *item;
    size_t count, room; /* room: of the array, for tn_entries_add() */
};
void tn_entries_done(struct tn_entries *entries);

/** Appends an engine and leaves `entry_steal` empty. @return 0, TN_E_NOMEM (it is still there) */
int tn_entries_add(struct tn_entries *entries, struct tn_entry *entry_steal, struct tn_error *err);

/** Why something in a store was passed over. `path` and `why` live for the call. */
typedef void (*tn_passed_fn)(const char *path, const struct tn_error *why, void *user);

/**
 * Engines of a recipe key in all stores, best first: blessed, then level, then sequence number.
 * What cannot be used (missing, broken record, untrusted) is reported to `passed` (may be NULL).
 * @return 0 (also with none), TN_E_NOMEM
 */
int tn_objects_find(const struct tn_store *store, const struct tn_digest *key, tn_passed_fn passed,
                    void *user, struct tn_entries *ret_entries, struct tn_error *err);

/** Stamp of a key's entry in the index of the first store: it changes when an engine of it comes or
 * goes. @return false when there is no entry */
bool tn_objects_stamp(const struct tn_store *store, const struct tn_digest *key,
                      struct tn_stamp *ret_stamp);

/** Called with each engine. @return false to stop */
typedef bool (*tn_entry_fn)(struct tn_entry *entry, void *user);

/** All engines of all stores, by folder order; the index is not used. */
int tn_objects_each(const struct tn_store *store, tn_entry_fn each, tn_passed_fn passed, void *user,
                    struct tn_error *err);

/** One engine by its digest, or by a unique prefix of at least 6 hex digits, or by its file name.
 * @return 0, TN_E_NOTFOUND, TN_E_USAGE (several) */
int tn_objects_by_name(const struct tn_store *store, const char *text, struct tn_entry *ret_entry,
                       struct tn_error *err);

/**
 * Whether the plan's bytes are those of its digest: by its stamp when that was verified before,
 * else by hashing (and the stamp is kept).
 * @param always_hash do not trust a stamp
 * @return 0, TN_E_CORRUPT, TN_E_NOTFOUND, TN_E_UNTRUSTED, TN_E_IO
 */
int tn_object_verify(const struct tn_store *store, const struct tn_entry *entry, bool always_hash,
                     struct tn_error *err);

/** Notes that the engine was handed out; at most one write a day, failure ignored. */
void tn_object_used(const struct tn_store *store, const struct tn_entry *entry);

/** The level that the engine reached on this host under these conditions (driver, GPU, runtime, as
 * one line); under others it is only header. The latest proofs count, of several GPUs for example.
 */
enum tn_level tn_object_level_under(const struct tn_entry *entry, const char *conditions);

/** Notes that the engine loaded under these conditions; failure only costs another trial. */
void tn_object_proved(const struct tn_store *store, const struct tn_entry *entry,
                      const char *conditions);

/** Notes that this host built the engine; failure only means that it counts as foreign. */
void tn_object_built_here(const struct tn_store *store, struct tn_entry *entry);

/** Notes that a key's signature was verified over a text (its SHA-256), so that it is not verified
 * again; whether the key is still trusted is another question. Failure is ignored. */
void tn_object_signed(const struct tn_store *store, struct tn_entry *entry,
                      const struct tn_digest *keyid, const struct tn_digest *text);

/** Wall time of the last use that this host knows of, in ns, or TN_UNKNOWN. */
tn_nsec tn_object_last_used(const struct tn_store *store, const struct tn_digest *digest);

/** An engine on its way in: a folder in tmp/ where the plan is made. Zeroed = none. */
struct tn_put {
    const struct tn_store *store;
    char *folder;    /* tmp/<unique>/, itself locked while in use */
    char *plan_path; /* to be created by the builder */
    int lock_fd;
};

/** Also sweeps what dead processes left: their folders in tmp/, and temporary files older than an
 * hour. @return 0, TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_UNTRUSTED, TN_E_AGAIN */
int tn_put_begin(const struct tn_store *store, struct tn_put *ret_put, struct tn_error *err);

/**
 * Publishes the plan with its record: fsync, one rename, then the index and the link by name.
 * `record->digest`, `plan_bytes` and `sequence` are set here from the file. An object that is there
 * already is kept and used; a broken one is set aside.
 * @return 0, also when only the index or the link could not be written: the objects are the truth.
 *         On failure nothing was published
 */
int tn_put_commit(struct tn_put *put, struct tn_record *record, struct tn_entry *ret_entry,
                  struct tn_error *err);

/**
 * Moves an uncommitted plan to aside/ with the reason, instead of publishing it.
 * @return 0, TN_E_IO, TN_E_NOSPACE, TN_E_NOMEM; the plan is then forgotten with `put`
 */
int tn_put_set_aside(struct tn_put *put, const struct tn_digest *key, const char *reason,
                     struct tn_error *err);

/** Forgets an uncommitted plan; safe after commit and on a zeroed object. */
void tn_put_done(struct tn_put *put);

/**
 * Moves an engine of the first store to aside/ with the reason; the index forgets it.
 * @return 0, TN_E_ACCESS (it lies in a store that is only read), TN_E_NOTFOUND, TN_E_NOSPACE,
 *         TN_E_IO: it stays where it is
 */
int tn_object_set_aside(const struct tn_store *store, const struct tn_entry *entry,
                        const char *reason, struct tn_error *err);

/**
 * Puts an engine that was set aside back: by one rename, after its bytes were hashed. The index
 * names it again, and the refusals of its recipes are forgotten.
 * @param folder its name below aside/
 * @return 0, TN_E_NOTFOUND, TN_E_INVALID (it never was an engine of a store: there is no record),
 *         TN_E_CORRUPT, TN_E_UNTRUSTED, TN_E_USAGE (the same engine is in the store), TN_E_ACCESS,
 *         TN_E_IO: it stays where it is
 */
int tn_object_restore(const struct tn_store *store, const char *folder, struct tn_entry *ret_entry,
                      struct tn_error *err);

/**
 * Removes an engine of the first store for good: by one rename out of objects/, then the index, its
 * links by name and this host's note forget it. Marks stay.
 * @return 0 (also when it is not there), TN_E_ACCESS, TN_E_IO
 */
int tn_object_remove(const struct tn_store *store, const struct tn_digest *digest,
                     struct tn_error *err);

/** A new name in tmp/ for something that is to be removed (free it). */
int tn_object_gone_path(const struct tn_store *store, const char *label, char **ret_path,
                        struct tn_error *err);

/** Removes what a killed removal left in tmp/; only for the one process that collects. */
void tn_object_sweep_gone(const struct tn_store *store);

#endif
