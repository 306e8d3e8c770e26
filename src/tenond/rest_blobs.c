/*
 * Files by content. An upload goes on where it stopped: what arrived stays under its digest, and
 * every answer that is not the end of it says how much that is.
 */
#include "tenond/rest_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct upload {
    struct tn_upload *upload; /* NULL once it is committed or broken */
    struct tn_digest digest;
    int64_t end, total; /* this part ends before `end` */
    bool known;         /* the blob is there already: what comes is thrown away */
    int rc;             /* of its commit */
    struct tn_error err;
};

static void set_offset(struct tn_http_request *request, int64_t offset)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, offset);
    tn_http_set_header(request, "Upload-Offset", text);
}

/* Which part of the whole the body is. @return false after it was answered */
static bool read_part(struct tn_http_request *request, struct tn_range *ret_part,
                      int64_t *ret_total)
{
    const char *header = tn_http_header(request, "Content-Range");
    int64_t bytes = tn_http_body_bytes(request);

    *ret_part = (struct tn_range) { 0, bytes };
    *ret_total = bytes;
    if (!header || (tn_content_range_read(header, ret_part, ret_total) && ret_part->bytes == bytes))
        return true;
    tn_http_problem(request, 400, "USAGE",
                    "Content-Range is 'bytes FIRST-LAST/TOTAL', of as many bytes as the body");
    return false;
}

static int begin(struct tn_tenond *tenond, struct upload *upload, int64_t from,
                 struct tn_error *err)
{
    upload->known = tn_blobs_has(tenond->blobs, &upload->digest, NULL);
    if (upload->known)
        return TN_OK;
    return tn_upload_open(tenond->blobs, &upload->digest, from, upload->total, &upload->upload,
                          err);
}

static void reply_refused(struct tn_tenond *tenond, struct tn_http_request *request,
                          const struct tn_digest *digest, const struct tn_error *err)
{
    set_offset(request, tn_upload_offset(tenond->blobs, digest));
    if (err->code == TN_E_USAGE || err->code == TN_E_AGAIN)
        tn_http_problem(request, 409, tn_error_name(err->code), "%s", err->text);
    else
        tn_http_reply_error(request, err);
}

static void *open_upload(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct upload *upload = calloc(1, sizeof(*upload));
    struct tn_error err = { 0 };
    struct tn_range part;

    if (!upload) {
        tn_http_problem(request, 503, "NOMEM", "no memory for an upload");
        return NULL;
    }
    if (tn_rest_digest(request, "hex", &upload->digest) &&
        read_part(request, &part, &upload->total)) {
        upload->end = part.from + part.bytes;
        if (begin(tenond, upload, part.from, &err) == TN_OK)
            return upload;
        reply_refused(tenond, request, &upload->digest, &err);
    }
    free(upload);
    return NULL;
}

static int write_upload(struct tn_http_request *request, void *stream, const void *data,
                        size_t size)
{
    struct upload *upload = stream;
    struct tn_error err = { 0 };
    int rc;

    if (upload->known)
        return TN_OK;
    rc = tn_upload_write(upload->upload, data, size, &err);
    if (rc < 0)
        tn_http_reply_error(request, &err);
    return rc;
}

static void close_upload(void *stream)
{
    struct upload *upload = stream;

    tn_upload_close(upload->upload);
    free(upload);
}

const struct tn_stream tn_rest_upload = { open_upload, write_upload, close_upload };

static void reply_whole(struct tn_http_request *request, const struct upload *upload)
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&upload->digest, hex);
    tn_http_reply_json(request, 201,
                       json_pack("{s:s, s:I, s:b}", "digest", hex, "bytes",
                                 (json_int_t)upload->total, "known", upload->known));
}

static void commit_upload(void *user)
{
    struct upload *upload = user;

    upload->rc = tn_upload_commit(upload->upload, &upload->err);
}

/* The stream is closed with its request. */
static void end_upload(struct tn_http_request *request, void *user)
{
    const struct upload *upload = user;

    if (upload->rc < 0)
        tn_http_reply_error(request, &upload->err);
    else
        reply_whole(request, upload);
}

/* The body of this request is whole. */
void tn_rest_blob_put(struct tn_http_request *request, void *user)
{
    struct upload *upload = tn_http_stream(request);

    (void)user;
    if (!upload->known && upload->end < upload->total) {
        set_offset(request, upload->end);
        tn_http_reply_json(request, 202, json_pack("{s:I}", "offset", (json_int_t)upload->end));
        return;
    }
    if (upload->known)
        reply_whole(request, upload);
    else
        tn_http_reply_later(request, commit_upload, end_upload, upload);
}

/* HEAD: whole, or how far an upload has come. */
void tn_rest_blob_head(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_digest digest;

    if (!tn_rest_digest(request, "hex", &digest))
        return;
    if (tn_blobs_has(tenond->blobs, &digest, NULL)) {
        tn_rest_blob_get(request, user);
        return;
    }
    set_offset(request, tn_upload_offset(tenond->blobs, &digest));
    tn_http_problem(request, 404, "NOTFOUND", "no such file");
}

void tn_rest_blob_get(struct tn_http_request *request, void *user)
{
    struct tn_http_file file = { .fd = -1 };
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX], etag[TN_DIGEST_HEX + 2];

    if (!tn_rest_digest(request, "hex", &digest))
        return;
    if (tn_blobs_read(tenond->blobs, &digest, &file.fd, &file.bytes, &err) < 0) {
        tn_http_reply_error(request, &err);
        return;
    }
    tn_digest_hex(&digest, hex);
    (void)snprintf(etag, sizeof(etag), "\"%s\"", hex);
    file.etag = etag;
    tn_http_reply_file(request, &file);
}
