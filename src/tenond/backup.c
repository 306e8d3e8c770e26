#include "tenond/backup.h"

#include "base/file.h"
#include "db/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20, DEPTH_MOST = 4 };

static void db_done(struct tn_db **db)
{
    tn_db_close(*db);
}

static int copy_bytes(int from, int to, const char *path, struct tn_error *err)
{
    for (;;) {
        ssize_t copied = copy_file_range(from, NULL, to, NULL, PIECE, 0);

        if (copied == 0)
            return TN_OK;
        if (copied < 0 && errno != EINTR)
            return tn_fail_os(err, TN_E_IO, "copy '%s'", path);
    }
}

/* Whole under a temporary name first: a backup that was killed has no half files. */
static int copy_file(const char *from, const char *folder, const char *name, struct tn_error *err)
{
    tn_auto(tn_str_free) char *target = tn_path_join(folder, name);
    tn_auto(tn_str_free) char *part = tn_path_join(folder, ".part");
    tn_auto(tn_fd_done) int in = -1, out = -1;
    int rc;

    if (!target || !part)
        return tn_fail(err, TN_E_NOMEM, "no memory for a path");
    if (access(target, F_OK) == 0)
        return TN_OK;
    rc = tn_file_open(from, &in, NULL, err);
    if (rc < 0)
        return rc;
    out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", part);
    rc = copy_bytes(in, out, from, err);
    if (rc == TN_OK && (fsync(out) < 0 || rename(part, target) < 0))
        rc = tn_fail_os(err, TN_E_IO, "publish '%s'", target);
    if (rc < 0)
        (void)unlink(part);
    return rc;
}

static int copy_folder(const char *from, const char *to, int depth, struct tn_error *err);

static int copy_entry(const char *from, const char *to, const struct dirent *entry, int depth,
                      struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(from, entry->d_name);
    tn_auto(tn_str_free) char *target = tn_path_join(to, entry->d_name);
    struct stat st;

    if (!path || !target)
        return tn_fail(err, TN_E_NOMEM, "no memory for a path");
    if (lstat(path, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    if (S_ISDIR(st.st_mode))
        return copy_folder(path, target, depth + 1, err);
    return S_ISREG(st.st_mode) ? copy_file(path, to, entry->d_name, err) : TN_OK;
}

static int copy_folder(const char *from, const char *to, int depth, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = NULL;
    const struct dirent *entry;
    int rc;

    if (depth > DEPTH_MOST)
        return tn_fail(err, TN_E_INVALID, "'%s' is nested too deep", from);
    rc = tn_dir_make(to, 0700, err);
    if (rc < 0)
        return rc;
    dir = opendir(from);
    if (!dir)
        return errno == ENOENT ? TN_OK : tn_fail_os(err, TN_E_IO, "open '%s'", from);
    while (rc == TN_OK && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            rc = copy_entry(from, to, entry, depth, err);
    return rc < 0 ? rc : tn_dir_sync(to, err);
}

static int copy_database(const char *data, const char *to, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(data, "tenond.db");
    tn_auto(tn_str_free) char *target = tn_path_join(to, "tenond.db");
    tn_auto(db_done) struct tn_db *db = NULL;
    int rc;

    if (!path || !target)
        return tn_fail(err, TN_E_NOMEM, "no memory for a path");
    if (access(path, F_OK) < 0)
        return tn_fail_os(err, TN_E_NOTFOUND, "database '%s'", path);
    rc = tn_db_open(path, &db, err);
    if (rc == TN_E_AGAIN)
        return tn_while(err, rc, "the server runs; 'tenon backup' asks it for a copy");
    return rc < 0 ? rc : tn_db_backup(db, target, err);
}

/* The database first: files that come later do no harm, files that are missing would. */
int tn_tenond_backup(const char *data, const char *to, struct tn_error *err)
{
    tn_auto(tn_str_free) char *from_blobs = tn_path_join(data, "blobs");
    tn_auto(tn_str_free) char *to_blobs = tn_path_join(to, "blobs");
    int rc;

    if (!from_blobs || !to_blobs)
        return tn_fail(err, TN_E_NOMEM, "no memory for a path");
    rc = tn_dir_make(to, 0700, err);
    if (rc == TN_OK)
        rc = copy_database(data, to, err);
    return rc < 0 ? rc : copy_folder(from_blobs, to_blobs, 0, err);
}
