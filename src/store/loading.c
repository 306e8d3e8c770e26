#include "store/loading.h"

#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void folder_below(const struct tn_store *store, char ret_below[128])
{
    (void)snprintf(ret_below, 128, "hosts/%s/loading", tn_store_host(store));
}

/* In containers that share a store all are process 1: the clock tells them apart. */
static void name_mark(const struct tn_digest *digest, char ret_name[TN_DIGEST_HEX + 64])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    (void)snprintf(ret_name, TN_DIGEST_HEX + 64, "%s.%ld-%llx", hex, (long)getpid(),
                   (unsigned long long)tn_clock_monotonic());
}

int tn_loading_begin(const struct tn_store *store, const struct tn_digest *digest,
                     struct tn_loading *ret_loading, struct tn_error *err)
{
    char below[128], name[TN_DIGEST_HEX + 64], temporary_name[TN_DIGEST_HEX + 80];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *temporary = NULL;
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_unlink_done) const char *undo = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    int rc;

    folder_below(store, below);
    rc = tn_store_folder(store, below, &folder, err);
    if (rc < 0)
        return rc;
    name_mark(digest, name);
    (void)snprintf(temporary_name, sizeof(temporary_name), ".tmp-%s", name);
    temporary = tn_path_join(folder, temporary_name);
    path = tn_path_join(folder, name);
    if (!temporary || !path)
        return tn_fail(err, TN_E_NOMEM, "mark an engine that is being loaded");
    fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", temporary);
    undo = temporary;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return tn_fail_os(err, TN_E_IO, "lock '%s'", temporary);
    if (rename(temporary, path) < 0) /* appears locked: at no instant it looks like a crash */
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", temporary, path);
    undo = NULL;
    *ret_loading = (struct tn_loading) { .fd = fd, .path = path };
    fd = -1;
    path = NULL;
    return TN_OK;
}

void tn_loading_done(struct tn_loading *loading)
{
    /* while it is locked, so that nobody takes it for an orphan's; one that stays says so */
    if (loading->path && unlink(loading->path) < 0)
        (void)tn_file_write_all(loading->fd, "alive\n", 6, NULL);
    if (loading->fd >= 0)
        (void)close(loading->fd);
    free(loading->path);
    *loading = TN_LOADING_NONE;
}

enum mark {
    MARK_HELD, /* or taken away meanwhile */
    MARK_ALIVE,
    MARK_ORPHAN,
};

static enum mark look_at(int folder, const char *name)
{
    tn_auto(tn_fd_done) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0)
        return MARK_HELD;
    return st.st_size > 0 ? MARK_ALIVE : MARK_ORPHAN;
}

/* Counts the orphans of an engine. Those beyond `keep` are removed, as is what says nothing. */
static int walk(const struct tn_store *store, const struct tn_digest *digest, int keep)
{
    char below[128], hex[TN_DIGEST_HEX];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_dir_done) DIR *dir = NULL;
    const struct dirent *entry;
    int count = 0;

    folder_below(store, below);
    tn_digest_hex(digest, hex);
    if (tn_store_trusts_folder(store, 0, below, NULL) != TN_OK)
        return 0;
    folder = tn_store_path(store, 0, "%s", below);
    dir = folder ? opendir(folder) : NULL;
    while (dir && (entry = readdir(dir)) != NULL) {
        enum mark mark =
            tn_text_starts(entry->d_name, hex) ? look_at(dirfd(dir), entry->d_name) : MARK_HELD;

        if (mark == MARK_ORPHAN && count < keep)
            count++;
        else if (mark != MARK_HELD)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    return count;
}

int tn_loading_crashes(const struct tn_store *store, const struct tn_digest *digest)
{
    return walk(store, digest, TN_LOADING_KEPT_MAX);
}

void tn_loading_forget(const struct tn_store *store, const struct tn_digest *digest)
{
    (void)walk(store, digest, 0);
}
