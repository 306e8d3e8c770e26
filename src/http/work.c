#include "http/work.h"

#include "base/file.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { THREADS = 2 }; /* a long copy must not hold up every upload */

struct queue {
    struct tn_job *first, **end;
};

struct tn_work {
    pthread_t thread[THREADS];
    unsigned threads;      /* that were started */
    pthread_mutex_t guard; /* the members below */
    pthread_cond_t changed;
    struct queue wanted, finished;
    bool stop;         /* once nothing is wanted any more */
    atomic_bool ready; /* something is finished */
    int fd;
};

static void queue_init(struct queue *queue)
{
    *queue = (struct queue) { NULL, &queue->first };
}

static void queue_add(struct queue *queue, struct tn_job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

static struct tn_job *queue_take(struct queue *queue)
{
    struct tn_job *job = queue->first;

    if (!job)
        return NULL;
    queue->first = job->next;
    if (!queue->first)
        queue->end = &queue->first;
    return job;
}

/* ---- the threads ---- */

/* @return NULL at the end */
static struct tn_job *next_wanted(struct tn_work *work)
{
    struct tn_job *job;

    (void)pthread_mutex_lock(&work->guard);
    while (!work->wanted.first && !work->stop)
        (void)pthread_cond_wait(&work->changed, &work->guard);
    job = queue_take(&work->wanted);
    (void)pthread_mutex_unlock(&work->guard);
    return job;
}

static void finish(struct tn_work *work, struct tn_job *job)
{
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&work->guard);
    queue_add(&work->finished, job);
    atomic_store(&work->ready, true);
    (void)pthread_mutex_unlock(&work->guard);
    while (write(work->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void *run(void *user)
{
    struct tn_work *work = user;
    struct tn_job *job;

    while ((job = next_wanted(work)) != NULL) {
        job->run(job);
        finish(work, job);
    }
    return NULL;
}

/* ---- the loop's side ---- */

int tn_work_open(struct tn_work **ret_work, struct tn_error *err)
{
    struct tn_work *work = calloc(1, sizeof(*work));
    int rc = TN_OK;

    if (!work)
        return tn_fail(err, TN_E_NOMEM, "threads for work");
    (void)pthread_mutex_init(&work->guard, NULL);
    (void)pthread_cond_init(&work->changed, NULL);
    queue_init(&work->wanted);
    queue_init(&work->finished);
    work->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (work->fd < 0)
        rc = tn_fail_os(err, TN_E_IO, "eventfd");
    while (rc == TN_OK && work->threads < THREADS)
        if ((errno = pthread_create(&work->thread[work->threads], NULL, run, work)) == 0)
            work->threads++;
        else
            rc = tn_fail_os(err, TN_E_AGAIN, "start a thread");
    if (rc < 0) {
        tn_work_close(work);
        return rc;
    }
    *ret_work = work;
    return TN_OK;
}

void tn_work_close(struct tn_work *work)
{
    if (!work)
        return;
    (void)pthread_mutex_lock(&work->guard);
    work->stop = true;
    (void)pthread_cond_broadcast(&work->changed);
    (void)pthread_mutex_unlock(&work->guard);
    for (unsigned i = 0; i < work->threads; i++)
        (void)pthread_join(work->thread[i], NULL);
    tn_work_deliver(work);
    tn_fd_done(&work->fd);
    (void)pthread_cond_destroy(&work->changed);
    (void)pthread_mutex_destroy(&work->guard);
    free(work);
}

int tn_work_fd(const struct tn_work *work)
{
    return work->fd;
}

void tn_work_submit(struct tn_work *work, struct tn_job *job)
{
    (void)pthread_mutex_lock(&work->guard);
    queue_add(&work->wanted, job);
    (void)pthread_cond_signal(&work->changed);
    (void)pthread_mutex_unlock(&work->guard);
}

static struct tn_job *next_finished(struct tn_work *work)
{
    struct tn_job *job;

    (void)pthread_mutex_lock(&work->guard);
    job = queue_take(&work->finished);
    atomic_store(&work->ready, work->finished.first != NULL);
    (void)pthread_mutex_unlock(&work->guard);
    return job;
}

/* The descriptor is emptied first: who finishes after that makes it readable again. */
void tn_work_deliver(struct tn_work *work)
{
    struct tn_job *job;
    uint64_t count;

    if (!atomic_load(&work->ready))
        return;
    if (read(work->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    while ((job = next_finished(work)) != NULL)
        job->done(job);
}
