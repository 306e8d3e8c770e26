#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tn_folder_done(struct tn_folder *folder)
{
    tn_fd_done(&folder->fd);
    tn_str_free(&folder->path);
}

/* Only fstatat() finds out why without following or waiting; `os` is why it could not be opened. */
static int why_not_opened(const struct tn_folder *parent, const char *name, bool file, int os,
                          struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(parent->path, name);
    struct stat st;
    int rc;

    if (!path)
        return tn_fail(err, TN_E_NOMEM, "look at '%s'", name);
    if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    rc = tn_store_trusts_step(parent->store, parent->at, &st, file, path, err);
    errno = os;
    return rc < 0 ? rc : tn_fail_os(err, TN_E_IO, "open '%s'", path);
}

static int trusts(const struct tn_folder *parent, const char *name, bool file,
                  const struct stat *st, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = NULL;

    if (tn_store_trusts_step(parent->store, parent->at, st, file, name, NULL) == TN_OK)
        return TN_OK;
    path = tn_path_join(parent->path, name); /* only an error needs its words */
    return path ? tn_store_trusts_step(parent->store, parent->at, st, file, path, err)
                : tn_fail(err, TN_E_NOMEM, "look at '%s'", name);
}

/* Takes a descriptor that openat() gave. */
static int take(const struct tn_folder *parent, const char *name, int fd_take,
                struct tn_folder *ret_folder, struct tn_error *err)
{
    tn_auto(tn_folder_done) struct tn_folder folder = { .store = parent->store,
                                                        .at = parent->at,
                                                        .fd = fd_take };
    struct stat st;
    int rc;

    if (fstat(folder.fd, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s/%s'", parent->path, name);
    rc = trusts(parent, name, false, &st, err);
    if (rc < 0)
        return rc;
    folder.path = tn_path_join(parent->path, name);
    if (!folder.path)
        return tn_fail(err, TN_E_NOMEM, "folder '%s'", name);
    *ret_folder = folder;
    folder = TN_FOLDER_NONE;
    return TN_OK;
}

int tn_folder_enter(const struct tn_folder *parent, const char *name, struct tn_folder *ret_folder,
                    struct tn_error *err)
{
    int fd = openat(parent->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? why_not_opened(parent, name, false, errno, err)
                  : take(parent, name, fd, ret_folder, err);
}

int tn_folder_open(const struct tn_store *store, size_t at, const char *below,
                   struct tn_folder *ret_folder, struct tn_error *err)
{
    tn_auto(tn_folder_done) struct tn_folder folder = { .store = store, .at = at, .fd = -1 };
    struct stat st;
    int rc = tn_store_trusts_folder(store, at, below, err);

    if (rc < 0)
        return rc;
    folder.path = tn_store_path(store, at, "%s", below);
    if (!folder.path)
        return tn_fail(err, TN_E_NOMEM, "folder '%s' of the store", below);
    folder.fd = open(folder.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder.fd < 0 || fstat(folder.fd, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", folder.path);
    rc = tn_store_trusts_step(store, at, &st, false, folder.path, err);
    if (rc < 0)
        return rc;
    *ret_folder = folder;
    folder = TN_FOLDER_NONE;
    return TN_OK;
}

int tn_folder_each(const struct tn_folder *folder, tn_folder_name_fn each, void *user,
                   struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd =
        openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    tn_auto(tn_dir_done) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!dir)
        return tn_fail_os(err, TN_E_IO, "list '%s'", folder->path);
    fd = -1; /* the stream's from here on */
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        bool self = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;

        if (!self && !each(entry->d_name, user))
            return TN_OK;
    }
    return errno ? tn_fail_os(err, TN_E_IO, "list '%s'", folder->path) : TN_OK;
}

static int no_folder(const char *name, struct tn_error *err)
{
    errno = ENOENT;
    return tn_fail_os(err, TN_E_NOTFOUND, "'%s'", name);
}

int tn_folder_stat(const struct tn_folder *folder, const char *name, struct stat *ret_stat,
                   struct tn_error *err)
{
    if (folder->fd < 0)
        return no_folder(name, err);
    if (fstatat(folder->fd, name, ret_stat, AT_SYMLINK_NOFOLLOW) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s/%s'", folder->path, name);
    return trusts(folder, name, true, ret_stat, err);
}

int tn_folder_read_json(const struct tn_folder *folder, const char *name, size_t limit,
                        json_t **ret_json, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(limit);
    struct stat st;
    int rc;

    if (folder->fd < 0)
        return no_folder(name, err);
    fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return why_not_opened(folder, name, true, errno, err);
    if (fstat(fd, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s/%s'", folder->path, name);
    rc = trusts(folder, name, true, &st, err);
    if (rc == TN_OK)
        rc = tn_file_read_fd(fd, name, &text, err);
    if (rc == TN_OK)
        rc = tn_json_parse(tn_buf_text(&text), text.size, name, ret_json, err);
    return rc < 0 ? tn_while(err, rc, "in '%s'", folder->path) : TN_OK;
}
