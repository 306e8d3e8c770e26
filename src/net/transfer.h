/*
 * Blobs of a server by their SHA-256: sent once, resumed where they broke off, fetched and verified
 * on the way. Blocking; the thread of the client.
 */
#ifndef TN_NET_TRANSFER_H
#define TN_NET_TRANSFER_H

#include "net/client.h"

/** A file to be sent. */
struct tn_upload_file {
    const char *path;
    struct tn_digest digest; /* of its bytes */
    int64_t bytes;
};

/** What a transfer took. */
struct tn_transfer {
    bool there;            /* nothing had to be sent or fetched */
    int64_t bytes;         /* that went over the wire now */
    int64_t resumed_bytes; /* that an earlier try had brought */
    unsigned tries;
};

/**
 * Makes sure that the server has a blob: asks first, sends what is missing, and asks again when the
 * connection breaks.
 * @return 0; TN_E_CORRUPT (what arrived is not the digest: the file changed); TN_E_NOTFOUND, … of
 *         the file; as tn_client_call() and tn_client_check()
 */
int tn_upload(struct tn_client *client, const struct tn_upload_file *file,
              struct tn_transfer *ret_transfer, struct tn_error *err);

/** Whether the server has it, and how much of it has arrived. @param ret_offset bytes; the whole
 * when it is there */
int tn_blob_there(struct tn_client *client, const struct tn_digest *digest, bool *ret_there,
                  int64_t *ret_offset, struct tn_error *err);

/**
 * Fetches a blob into `path`, going on where a part of it lies there already. The file is whole,
 * verified and fsynced on success; a part stays on failure, unless its bytes are wrong: then it is
 * removed.
 * @param bytes what it must have
 * @return 0; TN_E_CORRUPT (other bytes than the digest's); TN_E_NOTFOUND; TN_E_AGAIN (another
 *         process fetches it, or the connection broke too often); TN_E_NOSPACE, TN_E_IO, …
 */
int tn_download(struct tn_client *client, const struct tn_digest *digest, int64_t bytes,
                const char *path, struct tn_transfer *ret_transfer, struct tn_error *err);

#endif
