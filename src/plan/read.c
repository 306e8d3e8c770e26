/*
 * Plans in open files: the few reads that the facts need, and the whole read of a verification.
 */
#include "base/file.h"
#include "base/macros.h"
#include "plan/parse.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { PIECE_BYTES = 256 << 10, ARCHIVE_HEADER_BYTES = 0x18 };

static void free_piece(unsigned char **piece)
{
    free(*piece);
}

static size_t at_most(int64_t bytes, size_t limit)
{
    return bytes < (int64_t)limit ? (size_t)(bytes < 0 ? 0 : bytes) : limit;
}

/* A wrapper longer than the head: the plan behind it. */
static int read_inner(int fd, const unsigned char *tail, size_t tail_bytes, struct tn_plan *plan,
                      struct tn_error *err)
{
    unsigned char head[TN_PLAN_HEAD_BYTES];
    struct tn_plan_bytes bytes = { .head = head,
                                   .tail = tail_bytes ? tail : NULL,
                                   .tail_bytes = tail_bytes,
                                   .base = plan->wrapper_bytes,
                                   .size = plan->size - plan->wrapper_bytes };
    int rc = tn_file_read_at(fd, bytes.base, head, at_most(bytes.size, sizeof(head)),
                             &bytes.head_bytes, err);

    if (rc == TN_OK)
        (void)tn_plan_inner(&bytes, plan);
    return rc;
}

/* A plan that carries its lean runtime has the archive behind that runtime, megabytes away. */
static int read_far_archive(int fd, struct tn_plan *plan, struct tn_error *err)
{
    unsigned char data[TN_PLAN_HEAD_BYTES];
    size_t got;
    int rc = TN_OK;

    for (int i = 0; i < plan->section_count && rc == TN_OK; i++) {
        const struct tn_plan_section *section = &plan->section[i];

        if (strcmp(section->tag, "ENGN") != 0 || section->offset >= plan->size)
            continue;
        rc = tn_file_read_at(fd, section->offset, data, at_most(section->length, sizeof(data)),
                             &got, err);
        if (rc == TN_OK)
            tn_plan_archive(data, got, section->offset, section->length, plan);
        tn_plan_flags_by_release(plan);
        break;
    }
    return rc;
}

int tn_plan_read(int fd, int64_t file_size, struct tn_plan *ret_plan, struct tn_error *err)
{
    unsigned char head[TN_PLAN_HEAD_BYTES];
    unsigned char tail[TN_PLAN_TAIL_BYTES];
    size_t head_bytes = 0;
    size_t tail_bytes = 0;
    struct tn_plan plan;
    int rc = TN_OK;

    if (file_size > 0)
        rc = tn_file_read_at(fd, 0, head, at_most(file_size, sizeof(head)), &head_bytes, err);
    if (rc < 0)
        return rc;
    tn_plan_parse(head, head_bytes, NULL, 0, file_size, &plan);
    if ((plan.kind == TN_FILE_ENGINE || plan.wrapper[0]) && file_size > (int64_t)sizeof(head)) {
        rc = tn_file_read_at(fd, file_size - TN_PLAN_TAIL_BYTES, tail, sizeof(tail), &tail_bytes,
                             err);
        if (rc < 0)
            return rc;
        tn_plan_parse(head, head_bytes, tail_bytes == sizeof(tail) ? tail : NULL, tail_bytes,
                      file_size, &plan);
    }
    if (plan.wrapper[0] && plan.kind == TN_FILE_UNKNOWN)
        rc = read_inner(fd, tail, tail_bytes, &plan, err);
    if (rc == TN_OK && plan.kind == TN_FILE_ENGINE && plan.payload_offset < 0)
        rc = read_far_archive(fd, &plan, err);
    if (rc == TN_OK)
        *ret_plan = plan;
    return rc;
}

/* Where the CRC-32 of TensorRT 6.0 to 8.0 stands in the archive header; -1 for the others. */
static int crc_position(const struct tn_plan *plan)
{
    return strcmp(plan->layout, "P-old") == 0  ? 0x14
           : strcmp(plan->layout, "P-80") == 0 ? 0x0c
                                               : TN_UNKNOWN;
}

/* The part of a piece at `at` that lies within [from, to). */
static uLong add_crc(uLong crc, const unsigned char *piece, int64_t at, int64_t size, int64_t from,
                     int64_t to)
{
    int64_t begin = at < from ? from : at;
    int64_t end = at + size > to ? to : at + size;

    return begin < end ? crc32(crc, piece + (begin - at), (uInt)(end - begin)) : crc;
}

static int hash_with_crc(int fd, int64_t from, int64_t to, struct tn_hash *hash, uLong *ret_crc,
                         int64_t *ret_bytes, struct tn_error *err)
{
    tn_auto(free_piece) unsigned char *piece = malloc(PIECE_BYTES);
    uLong crc = crc32(0, NULL, 0);
    int64_t at = 0;
    size_t got;
    int rc;

    if (!piece)
        return tn_fail(err, TN_E_NOMEM, "verify a plan");
    do {
        rc = tn_file_read_at(fd, at, piece, PIECE_BYTES, &got, err);
        if (rc == TN_OK)
            rc = tn_hash_add(hash, piece, got, err);
        if (rc < 0)
            return rc;
        crc = add_crc(crc, piece, at, (int64_t)got, from, to);
        at += (int64_t)got;
    } while (got == PIECE_BYTES);
    *ret_crc = crc;
    *ret_bytes = at;
    return TN_OK;
}

/* Digest and CRC in one pass. */
static int verify_crc(int fd, int crc_at, struct tn_plan *plan, struct tn_digest *ret_digest,
                      int64_t *ret_bytes, struct tn_error *err)
{
    tn_auto(tn_hash_done) struct tn_hash hash = { { 0 } };
    unsigned char header[ARCHIVE_HEADER_BYTES];
    uLong crc = 0;
    size_t got;
    int rc = tn_file_read_at(fd, plan->wrapper_bytes, header, sizeof(header), &got, err);

    if (rc == TN_OK)
        rc = tn_hash_begin(&hash, err);
    if (rc == TN_OK)
        rc = hash_with_crc(fd, plan->wrapper_bytes + ARCHIVE_HEADER_BYTES, plan->expected_size,
                           &hash, &crc, ret_bytes, err);
    if (rc == TN_OK)
        rc = tn_hash_end(&hash, ret_digest, err);
    if (rc == TN_OK && got == sizeof(header) && plan->expected_size <= plan->size)
        plan->integrity =
            tn_le32(header + crc_at) == crc ? TN_INTEGRITY_CRC_OK : TN_INTEGRITY_CRC_BAD;
    return rc;
}

int tn_plan_verify(int fd, struct tn_plan *plan, struct tn_digest *ret_digest, struct tn_error *err)
{
    int crc_at = crc_position(plan);
    struct tn_digest digest;
    int64_t bytes = 0;
    int rc = crc_at >= 0 ? verify_crc(fd, crc_at, plan, &digest, &bytes, err)
                         : tn_digest_fd(fd, &digest, &bytes, err);

    if (rc < 0)
        return rc;
    if (bytes != plan->size) {
        plan->integrity = TN_INTEGRITY_UNKNOWN;
        return tn_fail(err, TN_E_IO, "the file changed while it was read");
    }
    *ret_digest = digest;
    return TN_OK;
}
