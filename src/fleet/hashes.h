/*
 * SHA-256, SHA-1 and MD5 of the same bytes in one pass: device clients compare the old two, Tenon
 * trusts the first alone.
 */
#ifndef TN_FLEET_HASHES_H
#define TN_FLEET_HASHES_H

#include "base/digest.h"

/** Lower-case hex. */
struct tn_blob_hashes {
    char md5[33], sha1[41], sha256[65];
};

/** The three under way; a plain value. */
struct tn_hashes {
    _Alignas(uint64_t) unsigned char sha256[128];
    _Alignas(uint64_t) unsigned char sha1[112];
    _Alignas(uint64_t) unsigned char md5[112];
};

int tn_hashes_begin(struct tn_hashes *hashes, struct tn_error *err);
int tn_hashes_add(struct tn_hashes *hashes, const void *data, size_t size, struct tn_error *err);
/** @param ret_digest the SHA-256 once more, as bytes */
int tn_hashes_end(struct tn_hashes *hashes, struct tn_digest *ret_digest,
                  struct tn_blob_hashes *ret_hashes, struct tn_error *err);

/** Adds the first `bytes` bytes of an open file. @return 0, TN_E_IO (also when it is shorter) */
int tn_hashes_add_fd(struct tn_hashes *hashes, int fd, int64_t bytes, struct tn_error *err);

#endif
