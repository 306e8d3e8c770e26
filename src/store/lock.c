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

/* A waiter makes three system calls each time: a thousandth of a processor, and it is awake well
 * within 50 ms of the end of the work. */
static const struct timespec pause_between_tries = { .tv_nsec = 20 * 1000 * 1000 };
static const tn_nsec say_every = 200 * TN_NSEC_PER_MS;

enum { NOTE_BYTES = 256 };

static void read_holder(int fd, struct tn_lock_holder *ret_holder)
{
    char text[NOTE_BYTES + 1];
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(4 * NOTE_BYTES);
    ssize_t got = pread(fd, text, NOTE_BYTES, 0);
    size_t first;
    uint64_t pid;

    *ret_holder = (struct tn_lock_holder) { 0 };
    if (got <= 0)
        return;
    text[got] = '\0';
    first = strcspn(text, "\n");
    if (tn_text_u64(text, first, &pid) && pid < INT32_MAX)
        ret_holder->pid = (long)pid;
    if (text[first] == '\0')
        return;
    tn_text_add_safe(&safe, text + first + 1, strcspn(text + first + 1, "\n"));
    (void)tn_text_copy(ret_holder->doing, sizeof(ret_holder->doing), tn_buf_text(&safe));
}

/* One write of one length: no reader sees an empty file. */
static void write_holder(int fd, const char *doing)
{
    char text[NOTE_BYTES];
    struct tn_lock_holder holder;
    int length;

    (void)tn_text_copy(holder.doing, sizeof(holder.doing), doing);
    memset(text, '\n', sizeof(text));
    length = snprintf(text, sizeof(text), "%ld\n%s\n", (long)getpid(), holder.doing);
    text[length] = '\n';
    (void)!pwrite(fd, text, sizeof(text), 0);
}

/* A holder may remove the file when it is done: then this lock is on a file without a name. */
static bool still_named(int fd, const char *path)
{
    struct stat open_file, named;

    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 &&
           open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

static bool no_flock_here(int os)
{
    return os == ENOLCK || os == EOPNOTSUPP || os == EINVAL || os == ENOSYS;
}

/* Keeps its descriptor from try to try in `fd`. @return 1 taken, 0 held by another, or an error */
static int try_lock(const char *path, int *fd, struct tn_error *err)
{
    if (*fd < 0)
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return tn_fail_os(err, TN_E_IO, "open lock '%s'", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) < 0 && !no_flock_here(errno))
        return errno == EWOULDBLOCK || errno == EINTR ? 0
                                                      : tn_fail_os(err, TN_E_IO, "lock '%s'", path);
    if (still_named(*fd, path))
        return 1;
    tn_fd_done(fd); /* of a file that is gone: the next try opens the one that has the name now */
    return 0;
}

static int wait_turn(const char *path, tn_wait_fn wait, void *user, int *fd, bool *ret_waited,
                     struct tn_error *err)
{
    tn_nsec start = tn_clock_monotonic();
    int rc;

    while ((rc = try_lock(path, fd, err)) == 0) {
        struct tn_lock_holder holder = { 0 };

        if (*fd >= 0)
            read_holder(*fd, &holder);
        if (!wait || !wait(&holder, tn_clock_monotonic() - start, user))
            return tn_fail(err, TN_E_AGAIN, "process %ld works on it (lock '%s')", holder.pid,
                           path);
        *ret_waited = true;
        (void)nanosleep(&pause_between_tries, NULL);
    }
    return rc < 0 ? rc : TN_OK;
}

int tn_lock_take(const struct tn_store *store, const char *name, tn_wait_fn wait, void *user,
                 struct tn_lock *ret_lock, bool *ret_waited, struct tn_error *err)
{
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    bool waited = false;
    int rc = tn_store_folder(store, "locks", &folder, err);

    if (rc < 0)
        return rc;
    path = tn_path_join(folder, name);
    if (!path)
        return tn_fail(err, TN_E_NOMEM, "lock '%s'", name);
    rc = wait_turn(path, wait, user, &fd, &waited, err);
    if (rc < 0)
        return rc;
    write_holder(fd, "");
    *ret_lock = (struct tn_lock) { .fd = fd };
    fd = -1;
    if (ret_waited)
        *ret_waited = waited;
    return TN_OK;
}

static bool wait_briefly(const struct tn_lock_holder *holder, tn_nsec waited, void *user)
{
    (void)holder;
    (void)user;
    return waited < 10 * TN_NSEC_PER_S;
}

int tn_lock_take_briefly(const struct tn_store *store, const char *name, struct tn_lock *ret_lock,
                         struct tn_error *err)
{
    return tn_lock_take(store, name, wait_briefly, NULL, ret_lock, NULL, err);
}

void tn_lock_say(struct tn_lock *lock, const char *doing)
{
    tn_nsec now = tn_clock_monotonic();

    if (lock->fd < 0 || (lock->noted && now - lock->noted < say_every))
        return;
    lock->noted = now;
    write_holder(lock->fd, doing);
}

bool tn_lock_held(const struct tn_store *store, const char *name)
{
    tn_auto(tn_str_free) char *path = tn_store_path(store, 0, "locks/%s", name);
    tn_auto(tn_fd_done) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void tn_lock_done(struct tn_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd); /* the file stays: removing it would race with the next holder */
    lock->fd = -1;
}
