#include "fleet/hashes.h"

#include "base/file.h"

/* As in base/digest.c: the plain calls, the same code underneath. */
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdlib.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct tn_hashes *)0)->sha256),
               "sha256 is too small");
_Static_assert(sizeof(SHA_CTX) <= sizeof(((struct tn_hashes *)0)->sha1), "sha1 is too small");
_Static_assert(sizeof(MD5_CTX) <= sizeof(((struct tn_hashes *)0)->md5), "md5 is too small");

enum { PIECE_BYTES = 256 * 1024 };

int tn_hashes_begin(struct tn_hashes *hashes, struct tn_error *err)
{
    if (SHA256_Init((SHA256_CTX *)hashes->sha256) != 1 || SHA1_Init((SHA_CTX *)hashes->sha1) != 1 ||
        MD5_Init((MD5_CTX *)hashes->md5) != 1)
        return tn_fail(err, TN_E_NOMEM, "digests: libcrypto could not start");
    return TN_OK;
}

int tn_hashes_add(struct tn_hashes *hashes, const void *data, size_t size, struct tn_error *err)
{
    if (SHA256_Update((SHA256_CTX *)hashes->sha256, data, size) != 1 ||
        SHA1_Update((SHA_CTX *)hashes->sha1, data, size) != 1 ||
        MD5_Update((MD5_CTX *)hashes->md5, data, size) != 1)
        return tn_fail(err, TN_E_NOMEM, "digests: libcrypto failed");
    return TN_OK;
}

static void put_hex(const unsigned char *bytes, size_t count, char *ret_hex)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        ret_hex[2 * i] = hex[bytes[i] >> 4];
        ret_hex[2 * i + 1] = hex[bytes[i] & 15];
    }
    ret_hex[2 * count] = '\0';
}

int tn_hashes_end(struct tn_hashes *hashes, struct tn_digest *ret_digest,
                  struct tn_blob_hashes *ret_hashes, struct tn_error *err)
{
    unsigned char sha1[SHA_DIGEST_LENGTH];
    unsigned char md5[MD5_DIGEST_LENGTH];
    struct tn_digest digest;

    if (SHA256_Final(digest.sha256, (SHA256_CTX *)hashes->sha256) != 1 ||
        SHA1_Final(sha1, (SHA_CTX *)hashes->sha1) != 1 ||
        MD5_Final(md5, (MD5_CTX *)hashes->md5) != 1)
        return tn_fail(err, TN_E_NOMEM, "digests: libcrypto failed");
    tn_digest_hex(&digest, ret_hashes->sha256);
    put_hex(sha1, sizeof(sha1), ret_hashes->sha1);
    put_hex(md5, sizeof(md5), ret_hashes->md5);
    *ret_digest = digest;
    return TN_OK;
}

static void free_piece(unsigned char **piece)
{
    free(*piece);
}

int tn_hashes_add_fd(struct tn_hashes *hashes, int fd, int64_t bytes, struct tn_error *err)
{
    tn_auto(free_piece) unsigned char *piece = aligned_alloc(4096, PIECE_BYTES);
    int64_t at = 0;
    int rc = piece ? TN_OK : tn_fail(err, TN_E_NOMEM, "digests: out of memory");

    while (rc == TN_OK && at < bytes) {
        int64_t left = bytes - at;
        size_t got = 0;

        rc = tn_file_read_at(fd, at, piece, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &got,
                             err);
        if (rc == TN_OK && got == 0)
            rc = tn_fail(err, TN_E_IO, "the file ends at byte %lld of %lld", (long long)at,
                         (long long)bytes);
        if (rc == TN_OK)
            rc = tn_hashes_add(hashes, piece, got, err);
        at += (int64_t)got;
    }
    return rc;
}
