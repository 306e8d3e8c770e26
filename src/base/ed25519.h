/*
 * Ed25519 (RFC 8032) through libcrypto: keys, signatures, and key files that openssl reads, too.
 *
 *   FILE      private: PKCS#8 PEM, mode 0600, refused when others may read or change it
 *   FILE.pub  public: SPKI PEM; a line "Comment: …" may stand in front
 *
 * Keys are held by value; a private one ends with tn_ed25519_done(), which wipes it. Blocking
 * where files are read or written; no state; any thread.
 */
#ifndef TN_BASE_ED25519_H
#define TN_BASE_ED25519_H

#include "base/digest.h"

enum { TN_ED25519_BYTES = 32, TN_ED25519_SIGNATURE_BYTES = 64, TN_ED25519_COMMENT_MAX = 200 };

struct tn_ed25519_public {
    unsigned char bytes[TN_ED25519_BYTES];
    char comment[TN_ED25519_COMMENT_MAX + 1]; /* "" = none; says nothing that is proved */
};

struct tn_ed25519_secret {
    unsigned char seed[TN_ED25519_BYTES];
    struct tn_ed25519_public public_key;
};
void tn_ed25519_done(struct tn_ed25519_secret *secret);

struct tn_ed25519_signature {
    unsigned char bytes[TN_ED25519_SIGNATURE_BYTES];
};

/** A new key from the system's random numbers. @return 0, TN_E_IO, TN_E_NOMEM */
int tn_ed25519_new(struct tn_ed25519_secret *ret_secret, struct tn_error *err);

/** The key of a seed, as RFC 8032 derives it. @return 0, TN_E_NOMEM */
int tn_ed25519_of_seed(const unsigned char seed[TN_ED25519_BYTES],
                       struct tn_ed25519_secret *ret_secret, struct tn_error *err);

/**
 * Its id as TUF computes it: SHA-256 of the canonical JSON
 * {"keytype":"ed25519","keyval":{"public":HEX},"scheme":"ed25519"}.
 * @return 0, TN_E_NOMEM
 */
int tn_ed25519_id(const struct tn_ed25519_public *key, struct tn_digest *ret_id,
                  struct tn_error *err);

/** @return 0, TN_E_NOMEM */
int tn_ed25519_sign(const struct tn_ed25519_secret *secret, const void *data, size_t size,
                    struct tn_ed25519_signature *ret_signature, struct tn_error *err);

/** Whether the signature is this key's, over exactly these bytes. An S that is not reduced (a
 * second signature made out of a first) and a key that is no point are never. @return 0,
 * TN_E_UNTRUSTED, TN_E_NOMEM */
int tn_ed25519_verify(const struct tn_ed25519_public *key, const void *data, size_t size,
                      const struct tn_ed25519_signature *signature, struct tn_error *err);

/**
 * Writes `path` and `path`.pub, both or neither, whole under their names or not at all; never over
 * a file that is there. The comment is the public key's.
 * @return 0, TN_E_USAGE (one of them exists), TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM
 */
int tn_ed25519_write(const struct tn_ed25519_secret *secret, const char *path,
                     struct tn_error *err);

/** Reads a private key file. @return 0, TN_E_UNTRUSTED (others may read or change it),
 * TN_E_INVALID (another kind of key, encrypted, or no key), TN_E_NOTFOUND, TN_E_ACCESS, TN_E_IO */
int tn_ed25519_read(const char *path, struct tn_ed25519_secret *ret_secret, struct tn_error *err);

/** Reads a public key file. Uses nothing of libcrypto that has to be set up first: who only asks
 * which keys are trusted pays microseconds. @return 0, TN_E_UNTRUSTED (others may change it),
 * TN_E_INVALID, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_IO */
int tn_ed25519_read_public(const char *path, struct tn_ed25519_public *ret_key,
                           struct tn_error *err);

#endif
