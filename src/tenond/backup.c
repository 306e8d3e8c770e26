/*
 * A backup is made in an order that a kill may end anywhere: the database is copied beside the
 * earlier one, then come the files that it names, and one rename makes both the backup.
 */
#include "tenond/backup.h"

#include "base/digest.h"
#include "base/event.h"
#include "base/file.h"
#include "base/text.h"
#include "db/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20, SHARD = 2, DEPTH_MOST = 4 };

static const char database[] = "tenond.db", fresh[] = ".tenond.db.new", part_name[] = ".part";

struct backup {
    const char *data, *to;
    int64_t taken, there; /* files that are new in the backup, and that it had */
    int64_t corrupt;      /* files that are not what their names say */
};

static int no_memory(struct tn_error *err)
{
    return tn_fail(err, TN_E_NOMEM, "no memory for a path");
}

/* ---- files ---- */

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

static int copy_to(const char *from, const char *part, struct tn_error *err)
{
    tn_auto(tn_fd_done) int in = -1, out = -1;
    int rc = tn_file_open(from, &in, NULL, err);

    if (rc < 0)
        return rc;
    out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0400);
    if (out < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", part);
    rc = copy_bytes(in, out, from, err);
    if (rc == TN_OK && fsync(out) < 0)
        rc = tn_fail_os(err, TN_E_IO, "fsync '%s'", part);
    return rc;
}

/* Of "…/ab/<62 hex>"; a note beside a file has no digest. */
static bool digest_of_path(const char *path, struct tn_digest *ret_digest)
{
    const char *name = tn_path_base(path);
    const char *shard = name - 1 - SHARD;
    char hex[TN_DIGEST_HEX];

    if (strlen(name) != TN_DIGEST_HEX - 1 - SHARD || shard <= path || shard[-1] != '/')
        return false;
    (void)snprintf(hex, sizeof(hex), "%.*s%s", (int)SHARD, shard, name);
    return tn_digest_parse(hex, ret_digest, NULL) == TN_OK;
}

/* @return 0, TN_E_CORRUPT when the bytes are not those that the name promises */
static int check_content(const char *part, const char *name, struct tn_error *err)
{
    struct tn_digest promised, found;
    tn_auto(tn_fd_done) int fd = -1;
    int rc;

    if (!digest_of_path(name, &promised))
        return TN_OK;
    rc = tn_file_open(part, &fd, NULL, err);
    if (rc == TN_OK)
        rc = tn_digest_fd(fd, &found, NULL, err);
    if (rc == TN_OK && !tn_digest_equal(&promised, &found))
        rc = tn_fail(err, TN_E_CORRUPT, "'%s' does not hold what its name says", name);
    return rc;
}

/* Files never change once they have their name, so that a link is as good as a copy. */
static int bring(const char *from, const char *part, const char *target, struct tn_error *err)
{
    int rc = TN_OK;

    if (unlink(part) < 0 && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "remove '%s'", part);
    if (link(from, part) < 0)
        rc = copy_to(from, part, err);
    if (rc == TN_OK)
        rc = check_content(part, target, err);
    if (rc == TN_OK && rename(part, target) < 0)
        rc = tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", part, target);
    if (rc < 0)
        (void)unlink(part);
    return rc;
}

static int take_file(struct backup *backup, const char *from, const char *folder, const char *name,
                     struct tn_error *err)
{
    tn_auto(tn_str_free) char *target = tn_path_join(folder, name);
    tn_auto(tn_str_free) char *part = tn_path_join(folder, part_name);
    int rc;

    if (!target || !part)
        return no_memory(err);
    if (access(target, F_OK) == 0) {
        backup->there++;
        return TN_OK;
    }
    rc = bring(from, part, target, err);
    backup->taken += rc == TN_OK;
    if (rc == TN_E_NOTFOUND)
        return TN_OK; /* nothing refers to it any more: the server has removed it */
    if (rc != TN_E_CORRUPT)
        return rc;
    tn_event_error("file_left_out", err);
    backup->corrupt++;
    return TN_OK;
}

static int take_folder(struct backup *backup, const char *from, const char *to, int depth,
                       struct tn_error *err);

static int take_entry(struct backup *backup, const char *from, const char *to, const char *name,
                      int depth, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(from, name);
    tn_auto(tn_str_free) char *target = tn_path_join(to, name);
    struct stat st;

    if (!path || !target)
        return no_memory(err);
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? TN_OK : tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    if (S_ISDIR(st.st_mode))
        return take_folder(backup, path, target, depth + 1, err);
    return S_ISREG(st.st_mode) ? take_file(backup, path, to, name, err) : TN_OK;
}

static int take_folder(struct backup *backup, const char *from, const char *to, int depth,
                       struct tn_error *err)
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
            rc = take_entry(backup, from, to, entry->d_name, depth, err);
    return rc < 0 ? rc : tn_dir_sync(to, err);
}

static int take_blobs(struct backup *backup, struct tn_error *err)
{
    tn_auto(tn_str_free) char *from = tn_path_join(backup->data, "blobs");
    tn_auto(tn_str_free) char *to = tn_path_join(backup->to, "blobs");

    return from && to ? take_folder(backup, from, to, 0, err) : no_memory(err);
}

/* ---- the database ---- */

/* What a killed backup left. */
static int sweep(const char *to, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = opendir(to);
    const struct dirent *entry;

    if (!dir)
        return tn_fail_os(err, TN_E_IO, "open '%s'", to);
    while ((entry = readdir(dir)) != NULL)
        if (tn_text_starts(entry->d_name, fresh))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    return TN_OK;
}

/* A log beside a database belongs to it: put beside another one it would spoil that. */
static int check_no_log(const char *to, struct tn_error *err)
{
    tn_auto(tn_str_free) char *log = tn_path_join(to, "tenond.db-wal");
    struct stat st;

    if (!log)
        return no_memory(err);
    if (lstat(log, &st) < 0 || st.st_size == 0)
        return TN_OK;
    return tn_fail(err, TN_E_USAGE,
                   "a server that ran on '%s' was killed: that is no backup any more; name another "
                   "folder",
                   to);
}

/* Nobody else writes into `to` while the lock is held: no second backup, no server. */
static int lock_target(const struct backup *backup, int *ret_fd, struct tn_error *err)
{
    tn_auto(tn_str_free) char *target = tn_path_join(backup->to, database);
    struct stat data, to;
    int rc;

    if (!target)
        return no_memory(err);
    if (stat(backup->data, &data) == 0 && stat(backup->to, &to) == 0 && data.st_dev == to.st_dev &&
        data.st_ino == to.st_ino)
        return tn_fail(err, TN_E_USAGE, "--to is the folder of --data itself");
    rc = tn_db_lock(target, ret_fd, err);
    if (rc < 0)
        return tn_while(err, rc, "'%s'", backup->to);
    rc = check_no_log(backup->to, err);
    return rc < 0 ? rc : sweep(backup->to, err);
}

static int copy_database(const struct backup *backup, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(backup->data, database);
    tn_auto(tn_str_free) char *target = tn_path_join(backup->to, fresh);

    if (!path || !target)
        return no_memory(err);
    if (access(path, F_OK) < 0)
        return tn_fail_os(err, TN_E_NOTFOUND, "database '%s'", path);
    return tn_db_backup(path, target, err);
}

static int publish(const struct backup *backup, struct tn_error *err)
{
    tn_auto(tn_str_free) char *from = tn_path_join(backup->to, fresh);
    tn_auto(tn_str_free) char *target = tn_path_join(backup->to, database);

    if (!from || !target)
        return no_memory(err);
    if (rename(from, target) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", from, target);
    return tn_dir_sync(backup->to, err);
}

static void tell(const struct backup *backup)
{
    struct tn_event event;

    tn_event_begin(&event, TN_EVENT_INFO, "backed_up");
    tn_event_text(&event, "data", backup->data);
    tn_event_text(&event, "to", backup->to);
    tn_event_int(&event, "files_new", backup->taken);
    tn_event_int(&event, "files_there", backup->there);
    tn_event_int(&event, "files_left_out", backup->corrupt);
    tn_event_end(&event);
}

/* The database is older than the files: those that came since do no harm, missing ones would. */
int tn_tenond_backup(const char *data, const char *to, struct tn_error *err)
{
    struct backup backup = { .data = data, .to = to };
    tn_auto(tn_fd_done) int lock = -1;
    int rc = tn_dir_make(to, 0700, err);

    if (rc == TN_OK)
        rc = lock_target(&backup, &lock, err);
    if (rc == TN_OK)
        rc = copy_database(&backup, err);
    if (rc == TN_OK)
        rc = take_blobs(&backup, err);
    if (rc == TN_OK)
        rc = publish(&backup, err);
    if (rc == TN_OK)
        tell(&backup);
    if (rc == TN_OK && backup.corrupt > 0)
        return tn_fail(err, TN_E_CORRUPT,
                       "%lld files are not what their names say and were left out; all else is in "
                       "the backup",
                       (long long)backup.corrupt);
    return rc;
}
