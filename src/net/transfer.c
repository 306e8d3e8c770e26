#include "net/transfer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PATH_BYTES = 128 };

static void blob_path(const struct tn_digest *digest, char ret_path[PATH_BYTES])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    (void)snprintf(ret_path, PATH_BYTES, "/api/v1/blobs/sha256/%s", hex);
}

int tn_blob_there(struct tn_client *client, const struct tn_digest *digest, bool *ret_there,
                  int64_t *ret_offset, struct tn_error *err)
{
    tn_auto(tn_reply_done) struct tn_reply reply = { 0 };
    char path[PATH_BYTES];
    int rc;

    blob_path(digest, path);
    rc = tn_client_call(client, "HEAD", path, NULL, &reply, err);
    if (rc < 0)
        return rc;
    if (reply.status != 200 && reply.status != 404)
        return tn_client_check(client, &reply, err);
    *ret_there = reply.status == 200;
    *ret_offset = *ret_there ? reply.length : reply.upload_offset;
    if (*ret_offset < 0)
        *ret_offset = 0;
    return TN_OK;
}

/* ---- sending ---- */

/* @return 1 done, 0 ask again where to go on, or an error */
static int send_once(struct tn_client *client, const struct tn_upload_file *file, int fd,
                     int64_t offset, struct tn_error *err)
{
    tn_auto(tn_reply_done) struct tn_reply reply = { 0 };
    char path[PATH_BYTES];
    int rc;

    blob_path(&file->digest, path);
    rc = tn_client_send_file(client, path, fd, offset, file->bytes, &reply, err);
    if (rc < 0)
        return rc;
    if (reply.status == 202 || reply.status == 409 || reply.status == 429 || reply.status == 503) {
        (void)tn_fail(err, TN_E_AGAIN, "the server took only a part (%ld)", reply.status);
        return 0;
    }
    if (reply.status == 422)
        return tn_fail(err, TN_E_CORRUPT,
                       "the server got other bytes than those of its digest: did '%s' change?",
                       file->path);
    rc = tn_client_check(client, &reply, err);
    return rc < 0 ? rc : 1;
}

static int open_to_send(const struct tn_upload_file *file, int *ret_fd, struct tn_error *err)
{
    struct stat st;
    int rc = tn_file_open(file->path, ret_fd, &st, err);

    if (rc == TN_OK && st.st_size != file->bytes)
        rc = tn_fail(err, TN_E_CORRUPT, "'%s' has %lld bytes, not the %lld that it had", file->path,
                     (long long)st.st_size, (long long)file->bytes);
    return rc;
}

int tn_upload(struct tn_client *client, const struct tn_upload_file *file,
              struct tn_transfer *ret_transfer, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_transfer transfer = { 0 };
    bool there = false;
    unsigned vain = 0; /* tries in a row that brought nothing */
    int64_t offset, before = 0;
    int rc = open_to_send(file, &fd, err);

    while (rc == TN_OK) {
        rc = tn_blob_there(client, &file->digest, &there, &offset, err);
        if (rc < 0 || there)
            break;
        if (offset > file->bytes)
            return tn_fail(err, TN_E_CORRUPT, "the server has more of it than there is");
        if (transfer.tries++ == 0)
            transfer.resumed_bytes = offset;
        vain = offset > before ? 1 : vain + 1;
        before = offset;
        rc = send_once(client, file, fd, offset, err);
        if (rc == TN_E_AGAIN)
            rc = 0;
        if (rc == 0 && !tn_client_pause(client, vain))
            rc = TN_E_AGAIN;
        if (rc > 0)
            break;
    }
    if (rc < 0)
        return rc;
    transfer.there = transfer.tries == 0;
    transfer.bytes = transfer.there ? 0 : file->bytes - transfer.resumed_bytes;
    *ret_transfer = transfer;
    return TN_OK;
}

/* ---- fetching ---- */

struct fetch {
    struct tn_hash hash;
    int fd;
    int64_t have; /* bytes in the file, all of them hashed */
    int64_t bytes;
};

static void fetch_done(struct fetch *fetch)
{
    tn_hash_done(&fetch->hash);
    tn_fd_done(&fetch->fd);
}

static int take_bytes(const void *data, size_t size, void *user, struct tn_error *err)
{
    struct fetch *fetch = user;
    int rc;

    if ((int64_t)size > fetch->bytes - fetch->have)
        return tn_fail(err, TN_E_CORRUPT, "more bytes came than the %lld that it has",
                       (long long)fetch->bytes);
    rc = tn_file_write_all(fetch->fd, data, size, err);
    if (rc == TN_OK)
        rc = tn_hash_add(&fetch->hash, data, size, err);
    if (rc == TN_OK)
        fetch->have += (int64_t)size;
    return rc;
}

/* Nothing of what is there counts. */
static int start_over(struct fetch *fetch, struct tn_error *err)
{
    tn_hash_done(&fetch->hash);
    fetch->have = 0;
    if (ftruncate(fetch->fd, 0) < 0 || lseek(fetch->fd, 0, SEEK_SET) < 0)
        return tn_fail_os(err, TN_E_IO, "empty a part");
    return tn_hash_begin(&fetch->hash, err);
}

/* Hashes what an earlier try left. */
static int hash_part(struct fetch *fetch, struct tn_error *err)
{
    static char piece[1 << 16];
    size_t got;
    int rc = tn_hash_begin(&fetch->hash, err);

    do {
        if (rc == TN_OK)
            rc = tn_file_read_at(fetch->fd, fetch->have, piece, sizeof(piece), &got, err);
        if (rc == TN_OK)
            rc = tn_hash_add(&fetch->hash, piece, got, err);
        if (rc < 0)
            return rc;
        fetch->have += (int64_t)got;
    } while (got == sizeof(piece));
    if (fetch->have > fetch->bytes)
        return start_over(fetch, err);
    if (lseek(fetch->fd, fetch->have, SEEK_SET) < 0)
        return tn_fail_os(err, TN_E_IO, "go to the end of a part");
    return TN_OK;
}

static int open_part(const char *path, int64_t bytes, struct fetch *ret_fetch, struct tn_error *err)
{
    ret_fetch->bytes = bytes;
    ret_fetch->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (ret_fetch->fd < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", path);
    if (flock(ret_fetch->fd, LOCK_EX | LOCK_NB) < 0)
        return tn_fail(err, TN_E_AGAIN, "another process fetches '%s'", path);
    return hash_part(ret_fetch, err);
}

/* @return 0, TN_E_AGAIN to go on where it broke off, or an error that lasts */
static int receive_once(struct tn_client *client, const char *url_path, struct fetch *fetch,
                        struct tn_error *err)
{
    tn_auto(tn_reply_done) struct tn_reply reply = { 0 };
    int rc = tn_client_receive(client, url_path, fetch->have, take_bytes, fetch, &reply, err);

    if (rc == TN_OK && reply.status != 200 && reply.status != 206)
        rc = tn_client_check(client, &reply, err);
    if (rc == TN_OK && fetch->have < fetch->bytes)
        rc = tn_fail(err, TN_E_CORRUPT, "it has %lld bytes, not %lld", (long long)fetch->have,
                     (long long)fetch->bytes);
    return rc;
}

static int verify(struct fetch *fetch, const struct tn_digest *digest, struct tn_error *err)
{
    struct tn_digest got;
    int rc = tn_hash_end(&fetch->hash, &got, err);

    if (rc == TN_OK && !tn_digest_equal(&got, digest))
        rc = tn_fail(err, TN_E_CORRUPT, "what the server sent is not what it was asked for");
    if (rc == TN_OK && fsync(fetch->fd) < 0)
        rc = tn_fail_os(err, TN_E_IO, "fsync a fetched file");
    return rc;
}

int tn_download(struct tn_client *client, const struct tn_digest *digest, int64_t bytes,
                const char *path, struct tn_transfer *ret_transfer, struct tn_error *err)
{
    tn_auto(fetch_done) struct fetch fetch = { .fd = -1 };
    struct tn_transfer transfer = { 0 };
    char url_path[PATH_BYTES];
    unsigned vain = 0; /* tries in a row that brought nothing */
    int rc = open_part(path, bytes, &fetch, err);

    transfer.resumed_bytes = fetch.have;
    transfer.there = fetch.have == bytes;
    blob_path(digest, url_path);
    while (rc == TN_OK && fetch.have < bytes) {
        int64_t before = fetch.have;

        transfer.tries++;
        rc = receive_once(client, url_path, &fetch, err);
        vain = fetch.have > before ? 1 : vain + 1;
        if (rc == TN_E_UNSUPPORTED && before > 0)
            rc = start_over(&fetch, err);
        else if (rc == TN_E_AGAIN && tn_client_pause(client, vain))
            rc = TN_OK;
    }
    if (rc == TN_OK)
        rc = verify(&fetch, digest, err);
    if (rc == TN_E_CORRUPT)
        (void)unlink(path);
    if (rc < 0)
        return rc;
    transfer.bytes = bytes - transfer.resumed_bytes;
    *ret_transfer = transfer;
    return TN_OK;
}
