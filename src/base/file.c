#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tn_fd_done(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void tn_str_free(char **path)
{
    free(*path);
    *path = NULL;
}

int tn_file_open(const char *path, int *ret_fd, struct stat *ret_stat, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", path);
    if (fstat(fd, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "stat '%s'", path);
    if (!S_ISREG(st.st_mode))
        return tn_fail(err, TN_E_INVALID, "'%s' is %s, not a regular file", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "a device, pipe or socket");
    *ret_fd = fd;
    fd = -1;
    if (ret_stat)
        *ret_stat = st;
    return TN_OK;
}

int tn_file_read_at(int fd, int64_t offset, void *ret_data, size_t size, size_t *ret_got,
                    struct tn_error *err)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = pread(fd, (char *)ret_data + got, size - got, offset + (int64_t)got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_fail_os(err, TN_E_IO, "read at byte %lld",
                              (long long)offset + (long long)got);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_got = got;
    return TN_OK;
}

int tn_file_read_fd(int fd, const char *what, struct tn_buf *ret_text, struct tn_error *err)
{
    char piece[16384];
    size_t got;
    int64_t at = 0;

    do {
        int rc = tn_file_read_at(fd, at, piece, sizeof(piece), &got, err);

        if (rc < 0)
            return tn_while(err, rc, "'%s'", what);
        tn_buf_add(ret_text, piece, got);
        at += (int64_t)got;
    } while (got == sizeof(piece) && !ret_text->failed);
    return tn_buf_check(ret_text, what, err);
}

int tn_file_read(const char *path, struct tn_buf *ret_text, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(path, &fd, NULL, err);

    return rc < 0 ? rc : tn_file_read_fd(fd, path, ret_text, err);
}

int tn_file_write_all(int fd, const void *data, size_t size, struct tn_error *err)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(fd, (const char *)data + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_fail_os(err, TN_E_IO, "write");
        done += (size_t)n;
    }
    return TN_OK;
}

int tn_dir_sync(const char *path, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open folder '%s'", path);
    /* EINVAL: this file system has no fsync for folders; its renames are as durable as it gets */
    if (fsync(fd) < 0 && errno != EINVAL)
        return tn_fail_os(err, TN_E_IO, "fsync folder '%s'", path);
    return TN_OK;
}

void tn_unlink_done(const char **path)
{
    if (*path)
        (void)unlink(*path);
}

int tn_file_replace(const char *folder, const char *name, const void *data, size_t size,
                    mode_t mode, struct tn_error *err)
{
    tn_auto(tn_str_free) char *final = tn_path_join(folder, name);
    tn_auto(tn_str_free) char *temporary = tn_path_join(folder, ".tmp-XXXXXX");
    tn_auto(tn_unlink_done) const char *undo = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    int rc;

    if (!final || !temporary)
        return tn_fail(err, TN_E_NOMEM, "replace '%s'", name);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "create a temporary file in '%s'", folder);
    undo = temporary;
    rc = tn_file_write_all(fd, data, size, err);
    if (rc < 0)
        return tn_while(err, rc, "'%s'", final);
    if (fchmod(fd, mode) < 0)
        return tn_fail_os(err, TN_E_IO, "chmod '%s'", temporary);
    if (fsync(fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", temporary);
    if (rename(temporary, final) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", temporary, final);
    undo = NULL;
    return tn_dir_sync(folder, err);
}

int tn_dir_make(const char *path, mode_t mode, struct tn_error *err)
{
    tn_auto(tn_str_free) char *prefix = strdup(path);
    struct stat st;

    if (!prefix)
        return tn_fail(err, TN_E_NOMEM, "make folder '%s'", path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return TN_OK; /* nothing is asked of parents that may be read-only or foreign */
    for (char *slash = prefix + 1; *prefix; slash++) {
        char kept = *slash;

        if (kept != '/' && kept != '\0')
            continue;
        *slash = '\0';
        if (mkdir(prefix, mode) < 0 && errno != EEXIST)
            return tn_fail_os(err, TN_E_IO, "make folder '%s'", prefix);
        *slash = kept;
        if (kept == '\0')
            break;
    }
    if (stat(path, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "make folder '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return tn_fail(err, TN_E_IO, "'%s' exists and is not a folder", path);
    return TN_OK;
}

static int remove_at(int parent, const char *name, struct tn_error *err);

void tn_dir_done(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static int remove_children(int parent, const char *name, struct tn_error *err)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    tn_auto(tn_dir_done) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return tn_fail_os(err, TN_E_IO, "open folder '%s'", name);
    }
    while ((entry = readdir(dir)) != NULL) {
        int rc;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = remove_at(dirfd(dir), entry->d_name, err);
        if (rc < 0)
            return rc;
    }
    return TN_OK;
}

static int remove_at(int parent, const char *name, struct tn_error *err)
{
    int rc;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return TN_OK;
    if (errno != EISDIR && errno != EPERM)
        return tn_fail_os(err, TN_E_IO, "remove '%s'", name);
    rc = remove_children(parent, name, err);
    if (rc < 0)
        return tn_while(err, rc, "remove '%s'", name);
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "remove folder '%s'", name);
    return TN_OK;
}

int tn_dir_remove(const char *path, struct tn_error *err)
{
    return remove_at(AT_FDCWD, path, err);
}

char *tn_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    size_t size = length + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        (void)snprintf(path, size, "%s%s%s", folder,
                       length > 0 && folder[length - 1] == '/' ? "" : "/", name);
    return path;
}

const char *tn_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * TN_NSEC_PER_S + time->tv_nsec;
}

struct tn_stamp tn_stamp_of(const struct stat *st)
{
    return (struct tn_stamp) { .device = (uint64_t)st->st_dev,
                               .inode = (uint64_t)st->st_ino,
                               .size = (int64_t)st->st_size,
                               .mtime = nanoseconds(&st->st_mtim),
                               .ctime = nanoseconds(&st->st_ctim) };
}

bool tn_stamp_equal(const struct tn_stamp *a, const struct tn_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime == b->mtime && a->ctime == b->ctime;
}

bool tn_stamp_settled(const struct tn_stamp *stamp, tn_nsec wall)
{
    return stamp->mtime <= wall - 2 * TN_NSEC_PER_S && stamp->ctime <= wall - 2 * TN_NSEC_PER_S;
}

int tn_file_trusted(const struct stat *st, const char *path, struct tn_error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return tn_fail(err, TN_E_UNTRUSTED, "'%s' belongs to user %u: neither root nor you", path,
                       (unsigned)st->st_uid);
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
        !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
        return tn_fail(err, TN_E_UNTRUSTED,
                       "'%s' can be written by other users (mode %04o): chmod go-w it", path,
                       (unsigned)st->st_mode & 07777);
    return TN_OK;
}
