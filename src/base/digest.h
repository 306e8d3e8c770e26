/*
 * SHA-256 through libcrypto: of memory, of a stream, of an open file. Constant memory.
 */
#ifndef TN_BASE_DIGEST_H
#define TN_BASE_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_DIGEST_HEX 65 /* bytes of a lower-case hex digest with its NUL */

struct tn_digest {
    unsigned char sha256[32];
};

/** A digest under way. Zeroed = not begun. */
struct tn_hash {
    _Alignas(uint64_t) unsigned char state[128];
};

int tn_hash_begin(struct tn_hash *hash, struct tn_error *err);
/** @return 0; TN_E_NOMEM if libcrypto failed */
int tn_hash_add(struct tn_hash *hash, const void *data, size_t size, struct tn_error *err);
/** Ends the digest; `hash` may be begun again. */
int tn_hash_end(struct tn_hash *hash, struct tn_digest *ret_digest, struct tn_error *err);
void tn_hash_done(struct tn_hash *hash);

int tn_digest_of(const void *data, size_t size, struct tn_digest *ret_digest, struct tn_error *err);

/**
 * Digest of an open file from its start to its end, read with pread() in 256 KiB pieces.
 * @param ret_bytes bytes that were read; may be NULL
 * @return 0, TN_E_IO or TN_E_NOMEM
 */
int tn_digest_fd(int fd, struct tn_digest *ret_digest, int64_t *ret_bytes, struct tn_error *err);

/** Writes 64 lower-case hex characters and a NUL. */
void tn_digest_hex(const struct tn_digest *digest, char ret_hex[TN_DIGEST_HEX]);

/** Reads 64 hex characters, with or without "sha256:" in front. @return 0 or TN_E_INVALID */
int tn_digest_parse(const char *text, struct tn_digest *ret_digest, struct tn_error *err);

bool tn_digest_equal(const struct tn_digest *a, const struct tn_digest *b);

#endif
