/*
 * A file read front to back, once, through a buffer that feeds SHA-256 as it is filled: whatever
 * the decoder takes or skips, the digest covers every byte. Constant memory (256 KiB).
 *
 * Internal to src/onnx. An object belongs to one thread.
 */
#ifndef TN_ONNX_SOURCE_H
#define TN_ONNX_SOURCE_H

#include "base/digest.h"
#include "base/file.h"

#include <pb_decode.h>

struct tn_source {
    int fd;
    struct tn_hash hash;
    unsigned char *buffer;
    size_t at, end;        /* bytes of the buffer that are taken; that are valid */
    int64_t offset;        /* in the file, of the buffer's first byte */
    struct tn_stamp stamp; /* when it was opened */
    int rc;                /* the first failure; the source gives nothing more after it */
    struct tn_error error;
};

/** Opens a regular file. @return as tn_file_open(), TN_E_NOMEM */
int tn_source_open(struct tn_source *source, const char *path, struct tn_error *err);
void tn_source_close(struct tn_source *source);

/** Up to `size` of the next bytes, which stay in the source. `size` is at most 4096. */
size_t tn_source_peek(struct tn_source *source, const unsigned char **ret_bytes, size_t size);

/** Bytes taken so far. */
int64_t tn_source_offset(const struct tn_source *source);

/** A decoder's stream over the rest of a source. */
pb_istream_t tn_source_stream(struct tn_source *source);

/** Whether `in` is a stream over a source: a field with a length, not a single number. */
bool tn_source_owns(const pb_istream_t *in);

/** Takes everything that `in` has left, in one step where it is a source's stream. */
bool tn_source_skip(pb_istream_t *in);

/**
 * Reads to the end of the file and ends the digest.
 * @return 0, TN_E_IO, TN_E_NOMEM, TN_E_AGAIN (the file changed while it was read)
 */
int tn_source_finish(struct tn_source *source, const char *path, struct tn_digest *ret_digest,
                     struct tn_error *err);

#endif
