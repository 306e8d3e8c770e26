/* The server's files, with each of their system calls failing once: a blob is there whole or not at
 * all, what arrived is not lost for that, a backup is the old or the new one, and the next call
 * works. SQLite's own writes are its own business; those around it are ours. */
#include "tn_test.h"

#include "base/file.h"
#include "db/db.h"
#include "fault.h"
#include "fleet/blob.h"
#include "tenond/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 5000, HALF = 2345 };

static const int all_errnos[] = { EIO, ENOSPC, EACCES, EINTR, ENOLCK, ESTALE };
static unsigned char bytes[SIZE];

struct scene {
    char data[64];
    struct tn_digest digest;
    struct tn_blobs *blobs;
};

static struct scene scene_new(void)
{
    struct scene scene = { .data = "" };

    (void)snprintf(scene.data, sizeof(scene.data), "%s/tenon-fault-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(scene.data));
    memset(bytes, 'p', sizeof(bytes));
    assert_int_equal(tn_digest_of(bytes, SIZE, &scene.digest, NULL), TN_OK);
    assert_int_equal(tn_blobs_open(scene.data, &scene.blobs, NULL), TN_OK);
    return scene;
}

static void scene_done(struct scene *scene)
{
    tn_blobs_close(scene->blobs);
    assert_int_equal(tn_dir_remove(scene->data, NULL), TN_OK);
}

static unsigned strays_seen;

static int see_stray(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    strays_seen += strncmp(path + at->base, ".tmp-", 5) == 0 || strstr(path, ".tmp-") != NULL;
    return 0;
}

static unsigned strays(const struct scene *scene)
{
    strays_seen = 0;
    assert_int_equal(nftw(scene->data, see_stray, 8, FTW_PHYS), 0);
    return strays_seen;
}

/* ---- operations ---- */

/* Goes on where the last one ended, as a client does. */
static int upload(struct scene *scene, struct tn_error *err)
{
    int64_t at = tn_upload_offset(scene->blobs, &scene->digest);
    struct tn_upload *part = NULL;
    int rc;

    if (tn_blobs_has(scene->blobs, &scene->digest, NULL))
        return TN_OK;
    rc = tn_upload_open(scene->blobs, &scene->digest, at, SIZE, &part, err);
    if (rc == TN_OK && at < HALF) {
        rc = tn_upload_write(part, bytes + at, (size_t)(HALF - at), err);
        at = HALF;
    }
    if (rc == TN_OK)
        rc = tn_upload_write(part, bytes + at, (size_t)(SIZE - at), err);
    if (rc == TN_OK)
        rc = tn_upload_commit(part, err);
    tn_upload_close(part);
    return rc;
}

static bool blob_is_whole(struct scene *scene)
{
    struct tn_digest found;
    int64_t length;
    int fd = -1;
    bool whole;

    if (tn_blobs_read(scene->blobs, &scene->digest, &fd, &length, NULL) != TN_OK)
        return false;
    whole = tn_digest_fd(fd, &found, NULL, NULL) == TN_OK &&
            tn_digest_equal(&found, &scene->digest) && length == SIZE &&
            tn_blobs_bytes(scene->blobs) == SIZE;
    (void)close(fd);
    return whole;
}

static bool blob_is_whole_or_absent(struct scene *scene)
{
    return blob_is_whole(scene) || !tn_blobs_has(scene->blobs, &scene->digest, NULL);
}

static void prepare_half(struct scene *scene)
{
    struct tn_upload *part = NULL;

    assert_int_equal(tn_upload_open(scene->blobs, &scene->digest, 0, SIZE, &part, NULL), TN_OK);
    assert_int_equal(tn_upload_write(part, bytes, HALF, NULL), TN_OK);
    tn_upload_close(part);
}

static void prepare_blob(struct scene *scene)
{
    assert_int_equal(upload(scene, NULL), TN_OK);
}

static int hashes(struct scene *scene, struct tn_error *err)
{
    struct tn_blob_hashes got;
    int rc = tn_blobs_hashes(scene->blobs, &scene->digest, &got, err);

    if (rc == TN_OK)
        assert_string_equal(got.md5, "9bf6cfa75c9e9db1c48ce66206ee73d0");
    return rc;
}

static void db_path(const struct scene *scene, const char *name, char ret_path[128])
{
    (void)snprintf(ret_path, 128, "%s/%s", scene->data, name);
}

static bool see_setting(const void *row, void *user)
{
    *(bool *)user = strcmp(((const struct tn_row_setting *)row)->name, "kept") == 0;
    return false;
}

static bool holds_setting(const struct scene *scene, const char *name)
{
    struct tn_db *db = NULL;
    bool seen = false;
    char path[128];

    db_path(scene, name, path);
    if (access(path, F_OK) != 0 || tn_db_open(path, &db, NULL) != TN_OK)
        return false;
    assert_int_equal(tn_db_each(db, TN_TABLE_SETTING, see_setting, &seen, NULL), TN_OK);
    tn_db_close(db);
    return seen;
}

static void make_db(const struct scene *scene, const char *name)
{
    struct tn_row_setting row = { .name = "kept" };
    struct tn_db *db = NULL;
    char path[128];

    db_path(scene, name, path);
    assert_int_equal(tn_db_open(path, &db, NULL), TN_OK);
    assert_int_equal(tn_db_put(db, TN_TABLE_SETTING, &row, NULL), TN_OK);
    assert_int_equal(tn_db_commit(db, NULL), TN_OK);
    tn_db_close(db);
}

static void prepare_db(struct scene *scene)
{
    make_db(scene, "a.db");
}

static int open_db(struct scene *scene, struct tn_error *err)
{
    struct tn_db *db = NULL;
    char path[128];
    int rc;

    db_path(scene, "a.db", path);
    rc = tn_db_open(path, &db, err);
    assert_true((rc == TN_OK) == (db != NULL));
    tn_db_close(db);
    return rc;
}

static bool db_is_sound(struct scene *scene)
{
    return holds_setting(scene, "a.db");
}

/* Opened before the fault is armed: only the backup's own calls fail, beside a server. */
static struct tn_db *open_for_backup;

static void prepare_backup(struct scene *scene)
{
    char path[128];

    prepare_db(scene);
    db_path(scene, "a.db", path);
    assert_int_equal(tn_db_open(path, &open_for_backup, NULL), TN_OK);
}

static int backup(struct scene *scene, struct tn_error *err)
{
    char from[128], path[128];

    db_path(scene, "a.db", from);
    db_path(scene, "b.db", path);
    return tn_db_backup(from, path, err);
}

static bool backup_is_whole(struct scene *scene)
{
    return holds_setting(scene, "b.db");
}

static bool backup_is_whole_or_absent(struct scene *scene)
{
    char path[128];

    db_path(scene, "b.db", path);
    return access(path, F_OK) != 0 || backup_is_whole(scene);
}

/* ---- a whole folder ---- */

static int backup_folder(struct scene *scene, struct tn_error *err)
{
    char to[128];

    db_path(scene, "copy", to);
    return tn_tenond_backup(scene->data, to, err);
}

/* An earlier backup is there; the blob is new. */
static void prepare_folder(struct scene *scene)
{
    make_db(scene, "tenond.db");
    assert_int_equal(backup_folder(scene, NULL), TN_OK);
    prepare_blob(scene);
}

static bool earlier_is_whole(struct scene *scene)
{
    return holds_setting(scene, "copy/tenond.db");
}

static bool folder_is_whole(struct scene *scene)
{
    char hex[TN_DIGEST_HEX], path[200];
    struct stat st;

    tn_digest_hex(&scene->digest, hex);
    (void)snprintf(path, sizeof(path), "%s/copy/blobs/sha256/%.2s/%s", scene->data, hex, hex + 2);
    return earlier_is_whole(scene) && stat(path, &st) == 0 && st.st_size == SIZE;
}

/* ---- collecting ---- */

static int set_old(const char *path, const struct stat *st, int type, struct FTW *at)
{
    static const struct timespec long_ago[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };

    (void)st;
    (void)type;
    (void)at;
    return utimensat(AT_FDCWD, path, long_ago, 0);
}

static void prepare_old(struct scene *scene)
{
    prepare_blob(scene);
    assert_int_equal(nftw(scene->data, set_old, 8, FTW_PHYS), 0);
}

static bool keep_none(const struct tn_digest *digest, void *user)
{
    (void)digest;
    (void)user;
    return false;
}

static int collect(struct scene *scene, struct tn_error *err)
{
    tn_auto(tn_old_blobs_done) struct tn_old_blobs old = { .digest = NULL };
    int64_t rc = tn_blobs_find_old(scene->blobs, &old, err);

    if (rc == TN_OK)
        rc = tn_blobs_take(scene->blobs, &old, keep_none, NULL, err);
    if (rc >= 0)
        rc = tn_blobs_sweep(scene->blobs, err);
    return rc < 0 ? (int)rc : TN_OK;
}

static bool blob_is_absent(struct scene *scene)
{
    return !tn_blobs_has(scene->blobs, &scene->digest, NULL) && tn_blobs_bytes(scene->blobs) == 0;
}

static bool blob_is_there_or_not(struct scene *scene)
{
    return blob_is_whole(scene) || blob_is_absent(scene);
}

/* ---- the loop ---- */

struct operation {
    const char *name;
    void (*prepare)(struct scene *scene);
    int (*act)(struct scene *scene, struct tn_error *err);
    bool (*done)(struct scene *scene);  /* what success promises; may be NULL */
    bool (*sound)(struct scene *scene); /* what must hold whatever happened; may be NULL */
};

static const struct operation operations[] = {
    { "upload", NULL, upload, blob_is_whole, blob_is_whole_or_absent },
    { "upload, the second half", prepare_half, upload, blob_is_whole, blob_is_whole_or_absent },
    { "hashes", prepare_blob, hashes, NULL, blob_is_whole },
    { "open database", prepare_db, open_db, NULL, db_is_sound },
    { "backup", prepare_backup, backup, backup_is_whole, backup_is_whole_or_absent },
    { "backup of a folder", prepare_folder, backup_folder, folder_is_whole, earlier_is_whole },
    { "collect", prepare_old, collect, blob_is_absent, blob_is_there_or_not },
};

/* @return false when the n-th call was beyond the end */
static bool fail_one(const struct operation *operation, unsigned nth, int os)
{
    struct scene scene = scene_new();
    struct tn_error err = { 0 };
    const char *hit;
    int rc;

    if (operation->prepare)
        operation->prepare(&scene);
    fault_arm(nth, os);
    rc = operation->act(&scene, &err);
    hit = fault_disarm();
    if (rc == TN_OK && operation->done && !operation->done(&scene))
        fail_msg("%s: %s of %s: success without its effect", operation->name, strerror(os),
                 hit ? hit : "nothing");
    if (rc < 0 && (!hit || !err.text[0]))
        fail_msg("%s: failed (%d) by itself or without words: %s", operation->name, rc, err.text);
    if (operation->sound && !operation->sound(&scene))
        fail_msg("%s: %s of %s left half of it", operation->name, strerror(os), hit ? hit : "?");
    if (strays(&scene) > 0)
        fail_msg("%s: %s of %s left a temporary file", operation->name, strerror(os),
                 hit ? hit : "?");
    rc = operation->act(&scene, &err);
    if (rc < 0)
        fail_msg("%s: after %s of %s it fails for ever: %s", operation->name, strerror(os),
                 hit ? hit : "?", err.text);
    tn_db_close(open_for_backup);
    open_for_backup = NULL;
    scene_done(&scene);
    return hit != NULL;
}

TEST(every_operation__leaves_all_or_nothing_whichever_call_fails)
{
    for (size_t i = 0; i < TN_COUNT(operations); i++) {
        unsigned faults = 0;

        for (size_t k = 0; k < TN_COUNT(all_errnos); k++)
            for (unsigned nth = 1; fail_one(&operations[i], nth, all_errnos[k]); nth++)
                faults++;
        print_message("%s: %u faults\n", operations[i].name, faults);
        assert_true(faults > 0);
    }
}

TEST(upload__writes_all_when_every_write_is_short)
{
    struct scene scene = scene_new();

    fault_arm(UINT32_MAX, EIO);
    fault_short_writes(true);
    assert_int_equal(upload(&scene, NULL), TN_OK);
    fault_short_writes(false);
    (void)fault_disarm();
    assert_true(blob_is_whole(&scene));
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation__leaves_all_or_nothing_whichever_call_fails),
        cmocka_unit_test(upload__writes_all_when_every_write_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
