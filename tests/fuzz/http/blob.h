/* A file on the server, for the targets that have a fleet. */
#ifndef TN_FUZZ_HTTP_BLOB_H
#define TN_FUZZ_HTTP_BLOB_H

#include "fleet/blob.h"

#include <stdlib.h>
#include <string.h>

/* What a target needs before it begins is no finding when it fails. */
static inline void must(int rc)
{
    if (rc != TN_OK)
        abort();
}

static inline void put_blob(struct tn_blobs *blobs)
{
    static const char bytes[] = "a model";
    struct tn_upload *upload = NULL;
    struct tn_digest digest;

    must(tn_digest_of(bytes, strlen(bytes), &digest, NULL));
    must(tn_upload_open(blobs, &digest, 0, (int64_t)strlen(bytes), &upload, NULL));
    must(tn_upload_write(upload, bytes, strlen(bytes), NULL));
    must(tn_upload_commit(upload, NULL));
    tn_upload_close(upload);
}

#endif
