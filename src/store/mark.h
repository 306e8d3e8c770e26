/*
 * marks/<digest>.json: an operator's will about an engine. Pinned: collection never takes it.
 * Blessed: of the engines of its recipe it is handed out first. Signatures of its record: made
 * here, or come with it; which of them count is asked when it matters (recipe/signature.h).
 * Revoked: a server said that nobody is to be given it any more; a blessing that comes after that
 * overrules it. Never rebuilt, never guessed; members that this version does not know are kept.
 *
 * A mark carries a sequence number. Where two engines of a recipe are blessed (a kill between two
 * writes), the higher number is the operator's last word.
 */
#ifndef TN_STORE_MARK_H
#define TN_STORE_MARK_H

#include "recipe/signature.h"
#include "store/folder.h"

struct tn_entry;

/** A server's word that nobody is to be given an engine any more. */
struct tn_revocation {
    bool in_force; /* said, and not overruled by a blessing since */
    char by[200];  /* the server's address; "" = never said */
    char why[200]; /* "" = none was given */
};

struct tn_mark {
    bool pinned;
    bool blessed;
    int64_t sequence; /* of the last change; 0 = there is no mark */
    struct tn_revocation revoked;
};

/** The mark of an engine in store `at`; zeroed when there is none or it cannot be read. */
struct tn_mark tn_mark_read(const struct tn_store *store, size_t at,
                            const struct tn_digest *digest);

/** The mark of an engine of the first store, for who must not take trouble for its absence.
 * @return 0 (also without one), TN_E_IO, TN_E_ACCESS, TN_E_NOMEM */
int tn_mark_look(const struct tn_store *store, const struct tn_digest *digest,
                 struct tn_mark *ret_mark, struct tn_error *err);

/** As tn_mark_read(), of many: `marks` is the open folder marks/ of their store, or none. */
struct tn_mark tn_mark_read_in(const struct tn_folder *marks, const struct tn_digest *digest);

/** Pins or unpins an engine of the first store. @return 0, TN_E_ACCESS (another store), TN_E_IO, …
 */
int tn_mark_pin(const struct tn_store *store, const struct tn_entry *entry, bool pinned,
                struct tn_error *err);

/** Blesses an engine of the first store, also where it was revoked before; other engines of its
 * recipe lose the blessing. @return as tn_mark_pin() */
int tn_mark_bless(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err);

/**
 * Marks an engine as revoked, in the first store, wherever it lies, and before it comes. The first
 * word stays: what was overruled is not said anew.
 * @param told       by whom and why; `in_force` is not read
 * @param ret_stands what holds now; also when it could not be written
 * @return 1 it is news, 0 it was known, or as tn_mark_pin()
 */
int tn_mark_revoke(const struct tn_store *store, const struct tn_digest *digest,
                   const struct tn_revocation *told, struct tn_revocation *ret_stands,
                   struct tn_error *err);

enum { TN_REVOCATION_TEXT = 420 };
/** "revoked on SERVER: why". */
void tn_revocation_print(const struct tn_revocation *revoked, char ret_text[TN_REVOCATION_TEXT]);
/** {"by", "in_force", "why"}; null where it was never said. A new object. */
json_t *tn_revocation_to_json(const struct tn_revocation *revoked);

/** Adds signatures to those that the mark of an engine of the first store holds.
 * @return as tn_mark_pin(), TN_E_TOOBIG */
int tn_mark_sign(const struct tn_store *store, const struct tn_entry *entry,
                 const struct tn_signatures *signatures, struct tn_error *err);

/** Signatures of an engine: in the mark of its own store, and in that of the first. None where they
 * cannot be read. */
void tn_mark_signatures(const struct tn_store *store, const struct tn_entry *entry,
                        struct tn_signatures *ret_signatures);

#endif
