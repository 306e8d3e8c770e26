/*
 * Signatures of records and of release manifests, and which keys count.
 *
 * A signature is Ed25519 over one line of canonical JSON (UTF-8, keys sorted, no blanks, no line
 * break at its end), made from what this program has read and acts on:
 *
 *   {"_type":"engine-record","record":{…},"spec_version":"tenon-signature/1"}
 *       the record without `sequence`, and `name` without the digits of the key that a store may
 *       put in front of ".engine": both are the store's own. `digest` in it is the plan's.
 *   {"_type":"release-manifest","manifest":{…},"spec_version":"tenon-signature/1"}
 *       the manifest as it was published
 *
 * `_type` keeps one kind from standing for another, and both from standing for TUF's roles, whose
 * key ids and signatures have the same shape: {"keyid": HEX, "sig": HEX}. What changes the lines
 * changes `spec_version`. docs/signing.md verifies one by hand.
 *
 * No state; lists and key rings belong to one thread.
 */
#ifndef TN_RECIPE_SIGNATURE_H
#define TN_RECIPE_SIGNATURE_H

#include "base/ed25519.h"
#include "recipe/record.h"

enum { TN_SIGNATURES_MAX = 16, TN_SIGNED_BYTES_MAX = 2 << 20, TN_KEYRING_MAX = 256 };

/* ---- keys ---- */

/** A key that the operator trusts. */
struct tn_trusted_key {
    struct tn_digest id;
    struct tn_ed25519_public key;
    char *path; /* of its file */
};

/** Zeroed = none. */
struct tn_keyring {
    struct tn_trusted_key *key;
    size_t count;
};
void tn_keyring_done(struct tn_keyring *ring);

/** Adds the keys of all files *.pub in a folder. A file that is no key is an error: a list that is
 * shorter than its author thinks is no help.
 * @return 0, TN_E_UNTRUSTED (others may change the folder or a file), TN_E_NOTFOUND, TN_E_INVALID,
 *         TN_E_TOOBIG, TN_E_IO, TN_E_NOMEM */
int tn_keyring_read(const char *folder, struct tn_keyring *ring, struct tn_error *err);

/** The key with this id, or NULL. */
const struct tn_trusted_key *tn_keyring_find(const struct tn_keyring *ring,
                                             const struct tn_digest *id);

/* ---- signatures ---- */

struct tn_signature {
    struct tn_digest keyid;
    struct tn_ed25519_signature value;
};

/** At most one of each key. */
struct tn_signatures {
    struct tn_signature item[TN_SIGNATURES_MAX];
    size_t count;
};

/** Reads a list of {"keyid", "sig"}; NULL is an empty one, other members are left alone.
 * @return 0, TN_E_INVALID, TN_E_TOOBIG */
int tn_signatures_from_json(const json_t *json, struct tn_signatures *ret_list,
                            struct tn_error *err);
json_t *tn_signatures_to_json(const struct tn_signatures *list);

/** Adds one, in place of what the same key signed before. @return 0, TN_E_TOOBIG */
int tn_signatures_add(struct tn_signatures *list, const struct tn_signature *signature,
                      struct tn_error *err);
bool tn_signatures_have(const struct tn_signatures *list, const struct tn_signature *signature);

/** What is signed of a record, and of a manifest (whose members `signatures` and `engines` do not
 * belong to it). @return 0, TN_E_TOOBIG, TN_E_NOMEM */
int tn_signed_record(const struct tn_record *record, struct tn_buf *ret_text, struct tn_error *err);
int tn_signed_manifest(const json_t *manifest, struct tn_buf *ret_text, struct tn_error *err);

/** @return 0, TN_E_NOMEM */
int tn_signature_make(const struct tn_ed25519_secret *secret, const struct tn_buf *text,
                      struct tn_signature *ret_signature, struct tn_error *err);

enum tn_trust {
    TN_TRUST_UNKNOWN, /* nobody here knows the key */
    TN_TRUST_GOOD,
    TN_TRUST_WRONG, /* a trusted key's, but not of this text */
};
const char *tn_trust_name(enum tn_trust trust); /* "unknown", "trusted", "wrong" */

enum tn_trust tn_signature_check(const struct tn_signature *signature, const struct tn_buf *text,
                                 const struct tn_keyring *ring);

/**
 * Whether a list has a good signature of a trusted key; one good one is enough, whatever the others
 * are.
 * @param ret_keyid whose; may be NULL
 * @return 0, or TN_E_UNTRUSTED with why: none, only unknown keys, or a wrong one
 */
int tn_signatures_check(const struct tn_signatures *list, const struct tn_buf *text,
                        const struct tn_keyring *ring, struct tn_digest *ret_keyid,
                        struct tn_error *err);

#endif
