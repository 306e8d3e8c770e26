#include "base/digest.h"

#include "base/text.h"

/* The calls of OpenSSL 1.1: EVP of 3.x reads a configuration and sets up providers first, which is
 * a third of a warm `tenon get`. Same code underneath, processor instructions included. */
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct tn_hash *)0)->state),
               "tn_hash.state is too small");

enum { PIECE_BYTES = 256 * 1024 };

int tn_hash_begin(struct tn_hash *hash, struct tn_error *err)
{
    if (SHA256_Init((SHA256_CTX *)hash->state) != 1)
        return tn_fail(err, TN_E_NOMEM, "SHA-256: libcrypto could not start");
    return TN_OK;
}

int tn_hash_add(struct tn_hash *hash, const void *data, size_t size, struct tn_error *err)
{
    if (SHA256_Update((SHA256_CTX *)hash->state, data, size) != 1)
        return tn_fail(err, TN_E_NOMEM, "SHA-256: libcrypto failed");
    return TN_OK;
}

int tn_hash_end(struct tn_hash *hash, struct tn_digest *ret_digest, struct tn_error *err)
{
    if (SHA256_Final(ret_digest->sha256, (SHA256_CTX *)hash->state) != 1)
        return tn_fail(err, TN_E_NOMEM, "SHA-256: libcrypto failed");
    return TN_OK;
}

void tn_hash_done(struct tn_hash *hash)
{
    *hash = (struct tn_hash) { { 0 } };
}

int tn_digest_of(const void *data, size_t size, struct tn_digest *ret_digest, struct tn_error *err)
{
    tn_auto(tn_hash_done) struct tn_hash hash = { { 0 } };
    int rc = tn_hash_begin(&hash, err);

    if (rc == TN_OK)
        rc = tn_hash_add(&hash, data, size, err);
    return rc == TN_OK ? tn_hash_end(&hash, ret_digest, err) : rc;
}

static void free_piece(unsigned char **piece)
{
    free(*piece);
}

int tn_digest_fd(int fd, struct tn_digest *ret_digest, int64_t *ret_bytes, struct tn_error *err)
{
    tn_auto(tn_hash_done) struct tn_hash hash = { { 0 } };
    /* of a whole page: the kernel copies half as fast to an address off its 64-byte lines */
    tn_auto(free_piece) unsigned char *piece = aligned_alloc(4096, PIECE_BYTES);
    int64_t at = 0;
    int rc;

    if (!piece)
        return tn_fail(err, TN_E_NOMEM, "SHA-256: out of memory");
    rc = tn_hash_begin(&hash, err);
    while (rc == TN_OK) {
        ssize_t got = pread(fd, piece, PIECE_BYTES, at);

        if (got < 0)
            return tn_fail_os(err, TN_E_IO, "read at byte %lld", (long long)at);
        if (got == 0)
            break;
        rc = tn_hash_add(&hash, piece, (size_t)got, err);
        at += got;
    }
    if (rc == TN_OK)
        rc = tn_hash_end(&hash, ret_digest, err);
    if (rc == TN_OK && ret_bytes)
        *ret_bytes = at;
    return rc;
}

void tn_digest_hex(const struct tn_digest *digest, char ret_hex[TN_DIGEST_HEX])
{
    tn_text_hex(digest->sha256, sizeof(digest->sha256), ret_hex);
}

int tn_digest_parse(const char *text, struct tn_digest *ret_digest, struct tn_error *err)
{
    static const char prefix[] = "sha256:";
    bool has_prefix = strncmp(text, prefix, sizeof(prefix) - 1) == 0;
    struct tn_digest digest;

    if (!tn_text_unhex(text + (has_prefix ? sizeof(prefix) - 1 : 0), sizeof(digest.sha256),
                       digest.sha256))
        return tn_fail(err, TN_E_INVALID, "'%.80s' is not a SHA-256 digest (64 hex digits)", text);
    *ret_digest = digest;
    return TN_OK;
}

bool tn_digest_equal(const struct tn_digest *a, const struct tn_digest *b)
{
    return memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}
