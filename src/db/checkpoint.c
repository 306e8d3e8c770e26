/*
 * The write-ahead log is moved into the database file by a thread of its own, so that no commit
 * waits for it (measured: 20 ms at the 99th percentile otherwise).
 *
 * Two traps: a second connection that has read nothing yet checkpoints nothing, so it reads first;
 * and a passive checkpoint never lets the log begin anew under unbroken load, so above a limit the
 * writer is kept out for one that does.
 */
#include "base/clock.h"
#include "db/sqlite.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { PAUSE_MS = 200, LIMIT_BYTES = 64 << 20 };

struct tn_checkpointer {
    pthread_t thread;
    bool running;
    pthread_mutex_t writer; /* held while the writer has a transaction open */
    pthread_mutex_t guard;  /* the members below */
    pthread_cond_t changed;
    bool work, stop;
    struct tn_checkpoint_figures figures;
    sqlite3 *sqlite; /* the thread's own */
    int page_bytes;
};

static void count_checkpoint(struct tn_checkpointer *c, int code, bool restart)
{
    (void)pthread_mutex_lock(&c->guard);
    c->figures.checkpoints++;
    c->figures.restarts += restart && code == SQLITE_OK;
    c->figures.failures += code != SQLITE_OK && code != SQLITE_BUSY;
    (void)pthread_mutex_unlock(&c->guard);
}

/* @return bytes in the log; a failure (a full disk) leaves all of it there for the next time */
static int64_t passive(struct tn_checkpointer *c)
{
    int in_log = 0;
    int moved = 0;
    int code =
        sqlite3_wal_checkpoint_v2(c->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);

    count_checkpoint(c, code, false);
    return in_log > 0 ? (int64_t)in_log * c->page_bytes : 0;
}

/* Most is moved while the writer goes on; only the rest needs it to wait. */
static void start_log_anew(struct tn_checkpointer *c)
{
    int code;

    (void)passive(c);
    (void)pthread_mutex_lock(&c->writer);
    code = sqlite3_wal_checkpoint_v2(c->sqlite, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    (void)pthread_mutex_unlock(&c->writer);
    count_checkpoint(c, code, true);
}

/* Waits until there is work, then until more of it has come together. @return false at the end */
static bool wait_for_work(struct tn_checkpointer *c)
{
    struct timespec until;
    bool stop;

    (void)pthread_mutex_lock(&c->guard);
    while (!c->work && !c->stop)
        (void)pthread_cond_wait(&c->changed, &c->guard);
    {
        tn_nsec at = tn_clock_monotonic() + PAUSE_MS * TN_NSEC_PER_MS;

        until = (struct timespec) { .tv_sec = (time_t)(at / TN_NSEC_PER_S),
                                    .tv_nsec = (long)(at % TN_NSEC_PER_S) };
    }
    while (!c->stop && pthread_cond_timedwait(&c->changed, &c->guard, &until) != ETIMEDOUT)
        continue;
    stop = c->stop;
    c->work = false;
    (void)pthread_mutex_unlock(&c->guard);
    return !stop;
}

static void *run(void *user)
{
    struct tn_checkpointer *c = user;

    while (wait_for_work(c))
        if (passive(c) > LIMIT_BYTES)
            start_log_anew(c);
    return NULL;
}

static int open_own(struct tn_checkpointer *c, const char *path, struct tn_error *err)
{
    int64_t number = 0;
    int rc = tn_sqlite_open(path, SQLITE_OPEN_READWRITE, &c->sqlite, err);

    /* a backup reads one snapshot to its end: the next try comes soon, and the writer must not wait
     * for this one */
    if (rc == TN_OK)
        (void)sqlite3_busy_timeout(c->sqlite, 0);
    if (rc == TN_OK)
        rc = tn_sqlite_number(c->sqlite, "PRAGMA page_size", &number, err);
    c->page_bytes = (int)number;
    if (rc == TN_OK)
        rc = tn_sqlite_number(c->sqlite, "SELECT count(*) FROM sqlite_schema", &number, err);
    return rc;
}

/* Deadlines by the monotonic clock: a wall clock that jumps must not stop checkpoints. */
static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

int tn_checkpointer_start(const char *path, struct tn_checkpointer **ret_checkpointer,
                          struct tn_error *err)
{
    struct tn_checkpointer *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return tn_fail(err, TN_E_NOMEM, "database: checkpoint thread");
    (void)pthread_mutex_init(&c->writer, NULL);
    (void)pthread_mutex_init(&c->guard, NULL);
    init_condition(&c->changed);
    rc = open_own(c, path, err);
    if (rc == TN_OK && (errno = pthread_create(&c->thread, NULL, run, c)) != 0)
        rc = tn_fail_os(err, TN_E_AGAIN, "database: start the checkpoint thread");
    c->running = rc == TN_OK;
    if (rc < 0) {
        tn_checkpointer_stop(c);
        return rc;
    }
    *ret_checkpointer = c;
    return TN_OK;
}

void tn_checkpointer_stop(struct tn_checkpointer *c)
{
    if (!c)
        return;
    if (c->running) {
        (void)pthread_mutex_lock(&c->guard);
        c->stop = true;
        (void)pthread_cond_signal(&c->changed);
        (void)pthread_mutex_unlock(&c->guard);
        (void)pthread_join(c->thread, NULL);
    }
    tn_sqlite_done(&c->sqlite);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->guard);
    (void)pthread_mutex_destroy(&c->writer);
    free(c);
}

void tn_checkpointer_writer_enter(struct tn_checkpointer *c)
{
    (void)pthread_mutex_lock(&c->writer);
}

void tn_checkpointer_writer_leave(struct tn_checkpointer *c, bool committed)
{
    (void)pthread_mutex_unlock(&c->writer);
    if (!committed)
        return;
    (void)pthread_mutex_lock(&c->guard);
    if (!c->work) {
        c->work = true;
        (void)pthread_cond_signal(&c->changed);
    }
    (void)pthread_mutex_unlock(&c->guard);
}

struct tn_checkpoint_figures tn_checkpointer_figures(struct tn_checkpointer *c)
{
    struct tn_checkpoint_figures figures;

    (void)pthread_mutex_lock(&c->guard);
    figures = c->figures;
    (void)pthread_mutex_unlock(&c->guard);
    return figures;
}
