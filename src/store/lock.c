#include "store/lock.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const struct timespec pause_between_tries = { .tv_nsec = 50 * 1000 * 1000 };

static long read_holder(int fd)
{
    char text[32];
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    uint64_t pid;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    return tn_text_u64(text, strcspn(text, "\n"), &pid) && pid < INT32_MAX ? (long)pid : 0;
}

/* The holder's pid in the file helps people and progress; nothing depends on it. */
static void write_holder(int fd)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, text, (size_t)length, 0);
}

/* A holder may remove the file when it is done: then this lock is on a file without a name. */
static bool still_named(int fd, const char *path)
{
    struct stat open_file, named;

    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 &&
           open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

/* @return 1 taken, 0 held by another, or an error code */
static int try_lock(const char *path, int *ret_fd, long *ret_holder, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open lock '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            *ret_holder = read_holder(fd);
            return 0;
        }
        if (errno != ENOLCK && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)
            return errno == EINTR ? 0 : tn_fail_os(err, TN_E_IO, "lock '%s'", path);
    }
    if (!still_named(fd, path))
        return 0;
    write_holder(fd);
    *ret_fd = fd;
    fd = -1;
    return 1;
}

int tn_lock_take(const struct tn_store *store, const char *name, tn_wait_fn wait, void *user,
                 struct tn_lock *ret_lock, bool *ret_waited, struct tn_error *err)
{
    tn_auto(tn_path_free) char *folder = NULL;
    tn_auto(tn_path_free) char *path = NULL;
    tn_nsec start = tn_clock_monotonic();
    bool waited = false;
    int rc = tn_store_folder(store, "locks", &folder, err);

    if (rc < 0)
        return rc;
    path = tn_path_join(folder, name);
    if (!path)
        return tn_fail(err, TN_E_NOMEM, "lock '%s'", name);
    for (;;) {
        long holder = 0;

        rc = try_lock(path, &ret_lock->fd, &holder, err);
        if (rc != 0)
            break;
        if (!wait || !wait(holder, tn_clock_monotonic() - start, user))
            return tn_fail(err, TN_E_AGAIN, "process %ld works on it (lock '%s')", holder, path);
        waited = true;
        (void)nanosleep(&pause_between_tries, NULL);
    }
    if (rc < 0)
        return rc;
    if (ret_waited)
        *ret_waited = waited;
    return TN_OK;
}

bool tn_lock_held(const struct tn_store *store, const char *name)
{
    tn_auto(tn_path_free) char *path = tn_store_path(store, 0, "locks/%s", name);
    tn_auto(tn_fd_done) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void tn_lock_done(struct tn_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd); /* the file stays: removing it would race with the next holder */
    lock->fd = -1;
}
