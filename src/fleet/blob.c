#include "fleet/blob.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { KEPT_MAX = 16, NOTES_MAX = 64, PATH_BYTES = 1200, FREE_BYTES = 64 << 20 };

static const tn_nsec young = 24 * 3600 * TN_NSEC_PER_S;
static const char hashes_suffix[] = ".hashes";
static const char part_suffix[] = ".part";
static const char gone_suffix[] = ".gone";

/* Digests of an upload that was broken off, so that its next part need not read it again. */
struct kept {
    struct tn_digest digest;
    int64_t bytes; /* 0 = empty place */
    struct tn_hashes hashes;
};

/* A note that was read: every device of a deployment asks for the same few. */
struct note {
    struct tn_digest digest;
    struct tn_blob_hashes hashes; /* sha256 "" = empty place */
};

struct tn_blobs {
    char folder[1024], uploads[1024]; /* DATA/blobs/sha256, DATA/uploads */
    _Atomic int64_t bytes;            /* uploads may end in another thread */
    struct kept kept[KEPT_MAX];
    size_t next_kept;
    struct note notes[NOTES_MAX]; /* by the digest's first byte: a later one takes the place */
};

struct tn_upload {
    struct tn_blobs *blobs;
    struct tn_digest digest;
    struct tn_hashes hashes;
    int fd;
    int64_t bytes, total;
    bool broken;   /* its digests are behind its bytes, or it has ended */
    bool unhashed; /* what was kept of it is not in its digests: all is hashed at the end */
};

/* ---- names ---- */

static void shard_path(const struct tn_blobs *blobs, const struct tn_digest *digest,
                       char ret_path[PATH_BYTES])
{
    (void)snprintf(ret_path, PATH_BYTES, "%s/%02x", blobs->folder, digest->sha256[0]);
}

static void blob_path(const struct tn_blobs *blobs, const struct tn_digest *digest,
                      char ret_path[PATH_BYTES])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    (void)snprintf(ret_path, PATH_BYTES, "%s/%.2s/%s", blobs->folder, hex, hex + 2);
}

static void hashes_path(const struct tn_blobs *blobs, const struct tn_digest *digest,
                        char ret_path[PATH_BYTES])
{
    char blob[PATH_BYTES];

    blob_path(blobs, digest, blob);
    (void)snprintf(ret_path, PATH_BYTES, "%.*s%s", (int)(PATH_BYTES - sizeof(hashes_suffix)), blob,
                   hashes_suffix);
}

static void part_path(const struct tn_blobs *blobs, const struct tn_digest *digest,
                      char ret_path[PATH_BYTES])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    (void)snprintf(ret_path, PATH_BYTES, "%s/%s%s", blobs->uploads, hex, part_suffix);
}

/* ---- walking ---- */

struct found {
    const char *path;
    struct stat st;
    struct tn_digest digest;
    bool blob; /* else a note, or a temporary file */
};

typedef int (*found_fn)(const struct tn_blobs *blobs, const struct found *found, void *user,
                        struct tn_error *err);

static bool digest_of_names(const char *shard, const char *name, struct tn_digest *ret_digest)
{
    char hex[TN_DIGEST_HEX + 1];

    return strlen(shard) == 2 && strlen(name) == 62 &&
           snprintf(hex, sizeof(hex), "%s%s", shard, name) == TN_DIGEST_HEX - 1 &&
           tn_digest_parse(hex, ret_digest, NULL) == TN_OK;
}

static int open_folder(const char *path, DIR **ret_dir, struct tn_error *err)
{
    *ret_dir = opendir(path);
    return *ret_dir ? TN_OK : tn_fail_os(err, TN_E_IO, "open folder '%s'", path);
}

static int walk_shard(const struct tn_blobs *blobs, const char *shard, found_fn each, void *user,
                      struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = NULL;
    tn_auto(tn_str_free) char *folder = tn_path_join(blobs->folder, shard);
    const struct dirent *entry;
    int rc = folder ? open_folder(folder, &dir, err) : tn_fail(err, TN_E_NOMEM, "blobs");

    while (rc == TN_OK && (entry = readdir(dir)) != NULL) {
        tn_auto(tn_str_free) char *path = tn_path_join(folder, entry->d_name);
        struct found found = { .path = path };

        if (!path)
            return tn_fail(err, TN_E_NOMEM, "blobs");
        if (lstat(path, &found.st) < 0 || !S_ISREG(found.st.st_mode))
            continue;
        found.blob = digest_of_names(shard, entry->d_name, &found.digest);
        rc = each(blobs, &found, user, err);
    }
    return rc;
}

static int walk(const struct tn_blobs *blobs, found_fn each, void *user, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = NULL;
    const struct dirent *entry;
    int rc = open_folder(blobs->folder, &dir, err);

    while (rc == TN_OK && (entry = readdir(dir)) != NULL)
        if (strlen(entry->d_name) == 2 && strcmp(entry->d_name, "..") != 0)
            rc = walk_shard(blobs, entry->d_name, each, user, err);
    return rc;
}

/* ---- opening ---- */

static int add_bytes(const struct tn_blobs *blobs, const struct found *found, void *user,
                     struct tn_error *err)
{
    (void)blobs;
    (void)err;
    if (found->blob)
        ((struct tn_blobs *)user)->bytes += found->st.st_size;
    return TN_OK;
}

int tn_blobs_open(const char *data_folder, struct tn_blobs **ret_blobs, struct tn_error *err)
{
    struct tn_blobs *blobs = calloc(1, sizeof(*blobs));
    int rc = TN_OK;

    if (!blobs)
        return tn_fail(err, TN_E_NOMEM, "open '%s'", data_folder);
    if (snprintf(blobs->folder, sizeof(blobs->folder), "%s/blobs/sha256", data_folder) >=
            (int)sizeof(blobs->folder) ||
        snprintf(blobs->uploads, sizeof(blobs->uploads), "%s/uploads", data_folder) >=
            (int)sizeof(blobs->uploads))
        rc = tn_fail(err, TN_E_TOOBIG, "'%.80s…': the path is too long", data_folder);
    if (rc == TN_OK)
        rc = tn_dir_make(blobs->folder, 0700, err);
    if (rc == TN_OK)
        rc = tn_dir_make(blobs->uploads, 0700, err);
    if (rc == TN_OK)
        rc = walk(blobs, add_bytes, blobs, err);
    if (rc < 0) {
        tn_blobs_close(blobs);
        return rc;
    }
    *ret_blobs = blobs;
    return TN_OK;
}

void tn_blobs_close(struct tn_blobs *blobs)
{
    free(blobs);
}

int64_t tn_blobs_bytes(const struct tn_blobs *blobs)
{
    return blobs->bytes;
}

/* ---- reading ---- */

int tn_blobs_read(const struct tn_blobs *blobs, const struct tn_digest *digest, int *ret_fd,
                  int64_t *ret_bytes, struct tn_error *err)
{
    char path[PATH_BYTES];
    struct stat st;
    int rc;

    blob_path(blobs, digest, path);
    rc = tn_file_open(path, ret_fd, &st, err);
    if (rc == TN_OK)
        *ret_bytes = st.st_size;
    return rc;
}

bool tn_blobs_has(const struct tn_blobs *blobs, const struct tn_digest *digest, int64_t *ret_bytes)
{
    char path[PATH_BYTES];
    struct stat st;

    blob_path(blobs, digest, path);
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    if (ret_bytes)
        *ret_bytes = st.st_size;
    return true;
}

static bool is_hex(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

/* @return whether the note is there and has its form */
static bool read_note(const char *path, struct tn_blob_hashes *ret_hashes)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(128);
    const char *line;

    if (tn_file_read(path, &text, NULL) != TN_OK || text.size != 32 + 1 + 40 + 1)
        return false;
    line = tn_buf_text(&text);
    if (!is_hex(line, 32) || line[32] != ' ' || !is_hex(line + 33, 40) || line[73] != '\n')
        return false;
    (void)tn_text_copy_n(ret_hashes->md5, sizeof(ret_hashes->md5), line, 32);
    (void)tn_text_copy_n(ret_hashes->sha1, sizeof(ret_hashes->sha1), line + 33, 40);
    return true;
}

static int write_note(const struct tn_blobs *blobs, const struct tn_digest *digest,
                      const struct tn_blob_hashes *hashes, struct tn_error *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES], line[96];
    int length = snprintf(line, sizeof(line), "%s %s\n", hashes->md5, hashes->sha1);

    shard_path(blobs, digest, folder);
    hashes_path(blobs, digest, path);
    return tn_file_replace(folder, tn_path_base(path), line, (size_t)length, 0444, err);
}

static int hash_blob(const struct tn_blobs *blobs, const struct tn_digest *digest,
                     struct tn_blob_hashes *ret_hashes, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_hashes hashes;
    struct tn_digest found;
    int64_t bytes = 0;
    int rc = tn_blobs_read(blobs, digest, &fd, &bytes, err);

    if (rc == TN_OK)
        rc = tn_hashes_begin(&hashes, err);
    if (rc == TN_OK)
        rc = tn_hashes_add_fd(&hashes, fd, bytes, err);
    return rc < 0 ? rc : tn_hashes_end(&hashes, &found, ret_hashes, err);
}

static int find_hashes(const struct tn_blobs *blobs, const struct tn_digest *digest,
                       struct tn_blob_hashes *ret_hashes, struct tn_error *err)
{
    char path[PATH_BYTES];
    int rc;

    hashes_path(blobs, digest, path);
    if (read_note(path, ret_hashes)) {
        tn_digest_hex(digest, ret_hashes->sha256);
        return TN_OK;
    }
    rc = hash_blob(blobs, digest, ret_hashes, err);
    if (rc == TN_OK)
        (void)write_note(blobs, digest, ret_hashes, NULL); /* ignoring: it is computed again */
    return rc;
}

int tn_blobs_hashes(struct tn_blobs *blobs, const struct tn_digest *digest,
                    struct tn_blob_hashes *ret_hashes, struct tn_error *err)
{
    struct note *note = &blobs->notes[digest->sha256[0] % NOTES_MAX];
    struct tn_blob_hashes hashes;
    char hex[TN_DIGEST_HEX];
    int rc;

    if (!tn_blobs_has(blobs, digest, NULL)) {
        tn_digest_hex(digest, hex);
        return tn_fail(err, TN_E_NOTFOUND, "no blob %.12s", hex);
    }
    if (!note->hashes.sha256[0] || !tn_digest_equal(&note->digest, digest)) {
        rc = find_hashes(blobs, digest, &hashes, err);
        if (rc < 0)
            return rc;
        *note = (struct note) { .digest = *digest, .hashes = hashes };
    }
    *ret_hashes = note->hashes;
    return TN_OK;
}

/* ---- uploads ---- */

int64_t tn_upload_offset(const struct tn_blobs *blobs, const struct tn_digest *digest)
{
    char path[PATH_BYTES];
    struct stat st;

    part_path(blobs, digest, path);
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
}

static struct kept *find_kept(struct tn_blobs *blobs, const struct tn_digest *digest)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (blobs->kept[i].bytes > 0 && tn_digest_equal(&blobs->kept[i].digest, digest))
            return &blobs->kept[i];
    return NULL;
}

static void keep_hashes(struct tn_upload *upload)
{
    struct tn_blobs *blobs = upload->blobs;
    struct kept *place = find_kept(blobs, &upload->digest);

    if (upload->unhashed)
        return;
    if (!place)
        place = &blobs->kept[blobs->next_kept++ % KEPT_MAX];
    *place = (struct kept) { .digest = upload->digest,
                             .bytes = upload->bytes,
                             .hashes = upload->hashes };
}

/* The lock counts only on the file that still has the name: a commit may have renamed it. */
static int lock_part(const char *path, int *ret_fd, struct stat *ret_stat, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat named;

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return tn_fail(err, TN_E_AGAIN, "another client is uploading it");
        return tn_fail_os(err, TN_E_IO, "lock '%s'", path);
    }
    if (fstat(fd, ret_stat) < 0)
        return tn_fail_os(err, TN_E_IO, "stat '%s'", path);
    if (lstat(path, &named) < 0 || named.st_ino != ret_stat->st_ino)
        return tn_fail(err, TN_E_AGAIN, "another client has just uploaded it");
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}

static int check_space(const struct tn_blobs *blobs, int64_t wanted, struct tn_error *err)
{
    struct statvfs fs;
    uint64_t left;

    if (statvfs(blobs->uploads, &fs) < 0)
        return TN_OK; /* writing will tell */
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left >= (uint64_t)wanted + FREE_BYTES)
        return TN_OK;
    return tn_fail(err, TN_E_NOSPACE, "%lld MiB are wanted, %lld MiB are free",
                   (long long)(wanted >> 20), (long long)(left >> 20));
}

static int load_hashes(struct tn_upload *upload, struct tn_error *err)
{
    const struct kept *kept = find_kept(upload->blobs, &upload->digest);

    if (kept && kept->bytes == upload->bytes) {
        upload->hashes = kept->hashes;
        return TN_OK;
    }
    upload->unhashed = upload->bytes > 0;
    return tn_hashes_begin(&upload->hashes, err);
}

/* Of a part that an earlier process has left: only now, because it takes as long as reading it. */
static int hash_all(struct tn_upload *upload, struct tn_error *err)
{
    int rc = upload->unhashed ? tn_hashes_begin(&upload->hashes, err) : TN_OK;

    return rc < 0 || !upload->unhashed
               ? rc
               : tn_hashes_add_fd(&upload->hashes, upload->fd, upload->bytes, err);
}

static int open_part(struct tn_upload *upload, int64_t offset, struct tn_error *err)
{
    char path[PATH_BYTES];
    struct stat st;
    int rc;

    part_path(upload->blobs, &upload->digest, path);
    rc = lock_part(path, &upload->fd, &st, err);
    if (rc < 0)
        return rc;
    if (st.st_size != offset)
        return tn_fail(err, TN_E_USAGE, "the upload goes on at byte %lld, not %lld",
                       (long long)st.st_size, (long long)offset);
    upload->bytes = offset;
    rc = check_space(upload->blobs, upload->total - offset, err);
    if (rc == TN_OK)
        rc = load_hashes(upload, err);
    if (rc == TN_OK && lseek(upload->fd, offset, SEEK_SET) < 0)
        rc = tn_fail_os(err, TN_E_IO, "seek in '%s'", path);
    return rc;
}

int tn_upload_open(struct tn_blobs *blobs, const struct tn_digest *digest, int64_t offset,
                   int64_t total_bytes, struct tn_upload **ret_upload, struct tn_error *err)
{
    struct tn_upload *upload;
    char hex[TN_DIGEST_HEX];
    int rc;

    tn_digest_hex(digest, hex);
    if (offset < 0 || total_bytes < offset)
        return tn_fail(err, TN_E_USAGE, "upload %.12s: byte %lld of %lld", hex, (long long)offset,
                       (long long)total_bytes);
    upload = malloc(sizeof(*upload));
    if (!upload)
        return tn_fail(err, TN_E_NOMEM, "upload %.12s", hex);
    *upload = (struct tn_upload) {
        .blobs = blobs, .digest = *digest, .fd = -1, .total = total_bytes, .broken = true
    };
    rc = open_part(upload, offset, err);
    if (rc < 0) {
        tn_upload_close(upload);
        return tn_while(err, rc, "upload %.12s", hex);
    }
    upload->broken = false;
    *ret_upload = upload;
    return TN_OK;
}

int tn_upload_write(struct tn_upload *upload, const void *data, size_t size, struct tn_error *err)
{
    int rc;

    if (upload->broken)
        return tn_fail(err, TN_E_USAGE, "upload: it has failed before");
    if ((int64_t)size > upload->total - upload->bytes)
        return tn_fail(err, TN_E_TOOBIG, "upload: more than the %lld bytes that were promised",
                       (long long)upload->total);
    rc = tn_file_write_all(upload->fd, data, size, err);
    if (rc == TN_OK && !upload->unhashed)
        rc = tn_hashes_add(&upload->hashes, data, size, err);
    if (rc == TN_OK) {
        upload->bytes += (int64_t)size;
        return TN_OK;
    }
    /* what was hashed stays; if the rest cannot be cut off, it is hashed by the next part */
    upload->broken = true;
    if (ftruncate(upload->fd, upload->bytes) < 0)
        return tn_while(err, rc, "upload");
    keep_hashes(upload);
    return tn_while(err, rc, "upload");
}

void tn_upload_close(struct tn_upload *upload)
{
    if (!upload)
        return;
    if (!upload->broken && upload->bytes > 0)
        keep_hashes(upload);
    tn_fd_done(&upload->fd);
    free(upload);
}

/* Nobody sees the note before its blob. */
static int publish(struct tn_upload *upload, const char *part, const struct tn_blob_hashes *hashes,
                   struct tn_error *err)
{
    struct tn_blobs *blobs = upload->blobs;
    char folder[PATH_BYTES], path[PATH_BYTES];
    bool replaced = tn_blobs_has(blobs, &upload->digest, NULL);
    int rc;

    shard_path(blobs, &upload->digest, folder);
    blob_path(blobs, &upload->digest, path);
    if (fchmod(upload->fd, 0444) < 0 || fsync(upload->fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", part);
    rc = tn_dir_make(folder, 0700, err);
    if (rc == TN_OK)
        rc = tn_dir_sync(blobs->folder, err);
    if (rc == TN_OK)
        rc = write_note(blobs, &upload->digest, hashes, err);
    if (rc < 0)
        return rc;
    if (rename(part, path) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", part, path);
    if (!replaced)
        blobs->bytes += upload->bytes;
    return tn_dir_sync(folder, err);
}

int tn_upload_commit(struct tn_upload *upload, struct tn_error *err)
{
    struct tn_blob_hashes hashes;
    struct tn_digest found;
    char part[PATH_BYTES], wanted[TN_DIGEST_HEX];
    int rc;

    if (upload->broken || upload->bytes != upload->total)
        return tn_fail(err, TN_E_USAGE, "upload: %lld of %lld bytes have arrived",
                       (long long)upload->bytes, (long long)upload->total);
    upload->broken = true; /* its digests end here */
    part_path(upload->blobs, &upload->digest, part);
    tn_digest_hex(&upload->digest, wanted);
    rc = hash_all(upload, err);
    if (rc == TN_OK)
        rc = tn_hashes_end(&upload->hashes, &found, &hashes, err);
    if (rc == TN_OK && !tn_digest_equal(&found, &upload->digest)) {
        (void)unlink(part);
        return tn_fail(err, TN_E_CORRUPT, "upload: the bytes have SHA-256 %s, %s was promised",
                       hashes.sha256, wanted);
    }
    if (rc == TN_OK)
        rc = publish(upload, part, &hashes, err);
    return rc < 0 ? tn_while(err, rc, "upload %.12s", wanted) : TN_OK;
}

/* ---- collecting ---- */

static bool is_old(const struct stat *st, tn_nsec now)
{
    return tn_stamp_of(st).mtime < now - young;
}

void tn_old_blobs_done(struct tn_old_blobs *old)
{
    free(old->digest);
    *old = (struct tn_old_blobs) { .digest = NULL };
}

static int add_old(const struct tn_blobs *blobs, const struct found *found, void *user,
                   struct tn_error *err)
{
    struct tn_old_blobs *old = user;

    (void)blobs;
    if (!found->blob || !is_old(&found->st, tn_clock_wall()))
        return TN_OK;
    if (old->count == old->capacity) {
        size_t capacity = old->capacity ? 2 * old->capacity : 64;
        struct tn_digest *bigger = realloc(old->digest, capacity * sizeof(*bigger));

        if (!bigger)
            return tn_fail(err, TN_E_NOMEM, "a list of %zu files", capacity);
        old->digest = bigger;
        old->capacity = capacity;
    }
    old->digest[old->count++] = found->digest;
    return TN_OK;
}

int tn_blobs_find_old(const struct tn_blobs *blobs, struct tn_old_blobs *old, struct tn_error *err)
{
    return walk(blobs, add_old, old, err);
}

/* A rename: freeing the blocks of a large file takes long. */
static int take_one(struct tn_blobs *blobs, const struct tn_digest *digest, int64_t *bytes,
                    struct tn_error *err)
{
    char path[PATH_BYTES], gone[PATH_BYTES], hex[TN_DIGEST_HEX];
    struct stat st;

    tn_digest_hex(digest, hex);
    blob_path(blobs, digest, path);
    (void)snprintf(gone, sizeof(gone), "%s/%s%s", blobs->uploads, hex, gone_suffix);
    if (lstat(path, &st) < 0)
        return TN_OK;
    if (rename(path, gone) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", path, gone);
    blobs->bytes -= st.st_size;
    *bytes += st.st_size;
    return TN_OK;
}

int64_t tn_blobs_take(struct tn_blobs *blobs, const struct tn_old_blobs *old,
                      bool (*keep)(const struct tn_digest *digest, void *user), void *user,
                      struct tn_error *err)
{
    int64_t bytes = 0;
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < old->count; i++)
        if (!keep(&old->digest[i], user))
            rc = take_one(blobs, &old->digest[i], &bytes, err);
    return rc < 0 ? rc : bytes;
}

/* A note without its blob, and what a killed write left. */
static bool is_litter(const struct found *found)
{
    tn_auto(tn_str_free) char *blob = strdup(found->path);

    if (!blob || !tn_text_ends(blob, hashes_suffix))
        return blob != NULL;
    blob[strlen(blob) - (sizeof(hashes_suffix) - 1)] = '\0';
    return access(blob, F_OK) < 0;
}

static int sweep_one(const struct tn_blobs *blobs, const struct found *found, void *user,
                     struct tn_error *err)
{
    (void)blobs;
    (void)user;
    (void)err;
    if (!found->blob && is_old(&found->st, tn_clock_wall()) && is_litter(found))
        (void)unlink(found->path);
    return TN_OK;
}

/* Under its lock, so that a writer that comes now starts a new one. */
static int64_t sweep_upload(const char *path)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !is_old(&st, tn_clock_wall()) ||
        flock(fd, LOCK_EX | LOCK_NB) < 0 || unlink(path) < 0)
        return 0;
    return st.st_size;
}

int64_t tn_blobs_sweep(const struct tn_blobs *blobs, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = NULL;
    const struct dirent *entry;
    int64_t freed = 0;
    int rc = open_folder(blobs->uploads, &dir, err);

    while (rc == TN_OK && (entry = readdir(dir)) != NULL) {
        tn_auto(tn_str_free) char *path = tn_path_join(blobs->uploads, entry->d_name);

        if (path && tn_text_ends(path, part_suffix))
            freed += sweep_upload(path);
        else if (path && tn_text_ends(path, gone_suffix))
            (void)unlink(path);
    }
    if (rc == TN_OK)
        rc = walk(blobs, sweep_one, NULL, err);
    return rc < 0 ? rc : freed;
}
