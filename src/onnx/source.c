#include "onnx/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 256 * 1024 };

int tn_source_open(struct tn_source *source, const char *path, struct tn_error *err)
{
    struct stat st;
    int rc;

    *source = (struct tn_source) { .fd = -1 };
    rc = tn_file_open(path, &source->fd, &st, err);
    if (rc == TN_OK)
        rc = tn_hash_begin(&source->hash, err);
    /* of a whole page: the kernel copies half as fast to an address off its 64-byte lines */
    if (rc == TN_OK && !(source->buffer = aligned_alloc(4096, BUFFER_BYTES)))
        rc = tn_fail(err, TN_E_NOMEM, "read '%s'", path);
    if (rc < 0) {
        tn_source_close(source);
        return rc;
    }
    /* read ahead: a cold file is hashed as fast as the disk gives it */
    (void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    source->stamp = tn_stamp_of(&st);
    return TN_OK;
}

void tn_source_close(struct tn_source *source)
{
    tn_hash_done(&source->hash);
    free(source->buffer);
    if (source->buffer || source->fd > 0)
        tn_fd_done(&source->fd);
    source->buffer = NULL;
    source->fd = -1;
}

/* The next piece of the file replaces the buffer; nothing comes at its end or after a failure. */
static bool refill(struct tn_source *source)
{
    size_t got = 0;

    source->offset += (int64_t)source->end;
    source->at = source->end = 0;
    if (source->rc == TN_OK)
        source->rc = tn_file_read_at(source->fd, source->offset, source->buffer, BUFFER_BYTES, &got,
                                     &source->error);
    if (source->rc == TN_OK)
        source->rc = tn_hash_add(&source->hash, source->buffer, got, &source->error);
    if (source->rc == TN_OK)
        source->end = got;
    return source->end > 0;
}

static bool take(struct tn_source *source, unsigned char *ret_bytes, size_t size)
{
    while (size > 0) {
        size_t part = source->end - source->at;

        if (part == 0) {
            if (!refill(source))
                return false;
            continue;
        }
        if (part > size)
            part = size;
        if (ret_bytes) {
            memcpy(ret_bytes, source->buffer + source->at, part);
            ret_bytes += part;
        }
        source->at += part;
        size -= part;
    }
    return true;
}

size_t tn_source_peek(struct tn_source *source, const unsigned char **ret_bytes, size_t size)
{
    if (source->at == source->end)
        (void)refill(source);
    *ret_bytes = source->buffer + source->at;
    return source->end - source->at < size ? source->end - source->at : size;
}

int64_t tn_source_offset(const struct tn_source *source)
{
    return source->offset + (int64_t)source->at;
}

static bool stream_read(pb_istream_t *in, pb_byte_t *ret_bytes, size_t size)
{
    struct tn_source *source = in->state;

    if (take(source, ret_bytes, size))
        return true;
    in->bytes_left = 0;
    PB_RETURN_ERROR(in, "end-of-stream");
}

pb_istream_t tn_source_stream(struct tn_source *source)
{
    /* The size of the file bounds every length below it: the decoder checks each against its
     * parent. */
    return (pb_istream_t) { .callback = stream_read,
                            .state = source,
                            .bytes_left = (size_t)(source->stamp.size - tn_source_offset(source)) };
}

bool tn_source_owns(const pb_istream_t *in)
{
    return in->callback == stream_read;
}

bool tn_source_skip(pb_istream_t *in)
{
    /* pb_read(in, NULL, n) takes 16 bytes a call, so the source skips by itself. Single numbers
     * come as a stream over a small buffer of the decoder's own. */
    if (!tn_source_owns(in))
        return pb_read(in, NULL, in->bytes_left);
    if (!take(in->state, NULL, in->bytes_left)) {
        in->bytes_left = 0;
        PB_RETURN_ERROR(in, "end-of-stream");
    }
    in->bytes_left = 0;
    return true;
}

int tn_source_finish(struct tn_source *source, const char *path, struct tn_digest *ret_digest,
                     struct tn_error *err)
{
    struct tn_stamp now;
    struct stat st;

    while (refill(source))
        continue;
    if (source->rc < 0)
        return tn_fail(err, source->rc, "'%s': %s", path, source->error.text);
    if (fstat(source->fd, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "stat '%s'", path);
    now = tn_stamp_of(&st);
    if (!tn_stamp_equal(&now, &source->stamp) || source->offset != source->stamp.size)
        return tn_fail(err, TN_E_AGAIN, "'%s' changed while it was read", path);
    return tn_hash_end(&source->hash, ret_digest, err);
}
