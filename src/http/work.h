/*
 * Threads for what would keep the loop from serving: an fsync of gigabytes, a copy of a database.
 *
 * A job is run by one of few threads, in the order of submission, and comes back to the loop:
 * `done` is called there, once for every job that was submitted, by tn_work_deliver() or
 * tn_work_close(). While it runs, a job owns what it works on; the loop must not touch that. All
 * functions belong to the loop's thread.
 */
#ifndef TN_HTTP_WORK_H
#define TN_HTTP_WORK_H

#include "base/error.h"

struct tn_job {
    void (*run)(struct tn_job *job);  /* in another thread */
    void (*done)(struct tn_job *job); /* in the loop; the job is the caller's again */
    struct tn_job *next;              /* of struct tn_work */
};

struct tn_work;

/** @return 0, TN_E_NOMEM, TN_E_AGAIN (no thread could be started), TN_E_IO */
int tn_work_open(struct tn_work **ret_work, struct tn_error *err);
/** Waits until every job was run, and delivers them. NULL is fine. */
void tn_work_close(struct tn_work *work);

/** Readable when something is to be delivered. */
int tn_work_fd(const struct tn_work *work);
void tn_work_submit(struct tn_work *work, struct tn_job *job);
/** Calls `done` of the jobs that were run; costs no system call when there are none. */
void tn_work_deliver(struct tn_work *work);

#endif
