/*
 * Content-addressed files of the server: DATA/blobs/sha256/ab/<rest>, plans, ONNX files and foreign
 * containers alike. Uploads are resumable: what arrived lies in DATA/uploads/<digest>.part.
 *
 * A blob appears whole and verified by one rename; it is never changed. Blocking on disk; one
 * thread, but for what says that any may call it. Only this user may read the folders.
 *
 *   blobs/sha256/ab/<62 hex>         the bytes, 0444
 *   blobs/sha256/ab/<62 hex>.hashes  "<md5> <sha1>\n", a note that may be lost
 *   uploads/<64 hex>.part            what has arrived so far; flocked by its writer
 *   uploads/<64 hex>.gone            a blob that nothing refers to, until its bytes are freed
 */
#ifndef TN_FLEET_BLOB_H
#define TN_FLEET_BLOB_H

#include "fleet/hashes.h"

struct tn_blobs;

/** Makes the folders where they are missing. @return 0, TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO,
 * TN_E_NOMEM */
int tn_blobs_open(const char *data_folder, struct tn_blobs **ret_blobs, struct tn_error *err);
void tn_blobs_close(struct tn_blobs *blobs);

/** @return 0 with an open descriptor (the caller closes it), TN_E_NOTFOUND, TN_E_IO */
int tn_blobs_read(const struct tn_blobs *blobs, const struct tn_digest *digest, int *ret_fd,
                  int64_t *ret_bytes, struct tn_error *err);
bool tn_blobs_has(const struct tn_blobs *blobs, const struct tn_digest *digest, int64_t *ret_bytes);

/** MD5 and SHA-1 of a blob (DDI clients compare them), computed on the way in and kept beside it; a
 * lost note is computed anew. Those of the last blobs asked for are kept in memory. @return 0,
 * TN_E_NOTFOUND, TN_E_IO */
int tn_blobs_hashes(struct tn_blobs *blobs, const struct tn_digest *digest,
                    struct tn_blob_hashes *ret_hashes, struct tn_error *err);

/** An upload under way; one writer per digest (flock). */
struct tn_upload;

/** How many bytes of it have arrived so far (0 = none). */
int64_t tn_upload_offset(const struct tn_blobs *blobs, const struct tn_digest *digest);

/**
 * Goes on at `offset`, which must be what tn_upload_offset() says. The kept part is not hashed
 * again as long as this process remembers its digests (the last 16 uploads that were broken off);
 * else tn_upload_commit() hashes all of it.
 * @return 0, TN_E_AGAIN (another writer), TN_E_USAGE (offset; or a total below it), TN_E_NOSPACE
 *         (the rest would not fit, or leave less than 64 MiB), TN_E_IO
 */
int tn_upload_open(struct tn_blobs *blobs, const struct tn_digest *digest, int64_t offset,
                   int64_t total_bytes, struct tn_upload **ret_upload, struct tn_error *err);
/** @return 0, TN_E_TOOBIG (more than the total), TN_E_NOSPACE, TN_E_IO; after a failure only
 * tn_upload_close() */
int tn_upload_write(struct tn_upload *upload, const void *data, size_t size, struct tn_error *err);
/** Ends the connection's part: what arrived stays for a later tn_upload_open(). Frees `upload`;
 * NULL is fine. */
void tn_upload_close(struct tn_upload *upload);
/** All is there: verifies the digest, fsync, rename. A wrong digest removes the part. Afterwards
 * only tn_upload_close(). Any thread may call it while nobody else uses `upload`: it takes as long
 * as the disk does.
 * @return 0, TN_E_CORRUPT, TN_E_USAGE (bytes are missing), TN_E_NOSPACE, TN_E_IO */
int tn_upload_commit(struct tn_upload *upload, struct tn_error *err);

/*
 * Collecting: blobs that nothing refers to and uploads that nobody writes go, both only when they
 * are older than a day, since what was just uploaded is not yet named by its release. In three
 * steps, of which only the middle one must not run beside other users of `blobs`, and is short.
 */

struct tn_old_blobs {
    struct tn_digest *digest;
    size_t count, capacity;
};
void tn_old_blobs_done(struct tn_old_blobs *old);

/** 1. Adds those that are old. Any thread. @return 0, TN_E_IO, TN_E_NOMEM */
int tn_blobs_find_old(const struct tn_blobs *blobs, struct tn_old_blobs *old, struct tn_error *err);
/** 2. Takes those away for which `keep` says false: they are no blobs any more.
 * @return their bytes, or TN_E_IO */
int64_t tn_blobs_take(struct tn_blobs *blobs, const struct tn_old_blobs *old,
                      bool (*keep)(const struct tn_digest *digest, void *user), void *user,
                      struct tn_error *err);
/** 3. Frees what was taken away, notes without a blob, and old uploads. Any thread.
 * @return bytes of the uploads, or TN_E_IO, TN_E_NOMEM */
int64_t tn_blobs_sweep(const struct tn_blobs *blobs, struct tn_error *err);

/** Sum of all blobs in bytes, kept up to date. */
int64_t tn_blobs_bytes(const struct tn_blobs *blobs);

#endif
