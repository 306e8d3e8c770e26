/*
 * The telling line of what an application's TensorRT logs during one deserialization: the object
 * behind `struct tn_log` of the public header, fed by tn_log_line().
 *
 * Rank of lines, the first of the highest rank tells: one about too little memory (what fails after
 * it fails of it, and would look lasting); an error that a row of logclass.h knows; an error that
 * no row knows; a generic line. Warnings and below tell nothing but memory. Memory is bounded: of a
 * line its first TN_APPLOG_LINE_MAX bytes count, and one line is kept.
 *
 * tn_log_line() may be called from any thread between init and done; the rest by the owner alone,
 * who asks after the call that the log was lent to has returned.
 */
#ifndef TN_COMPAT_APPLOG_H
#define TN_COMPAT_APPLOG_H

#include "compat/logclass.h"

#include <pthread.h>
#include <tenon/tenon.h>

enum { TN_APPLOG_LINE_MAX = 4096 };

enum tn_applog_rank {
    TN_APPLOG_NOTHING,
    TN_APPLOG_GENERIC,
    TN_APPLOG_UNKNOWN,
    TN_APPLOG_KNOWN,
    TN_APPLOG_MEMORY,
};

struct tn_log {
    pthread_mutex_t mutex;
    /* the answer */
    enum tn_applog_rank rank;
    const struct tn_log_class *row; /* NULL: nothing told, or an error that no row knows */
    char line[480];                 /* one line, control bytes escaped; "" = nothing told */
};

void tn_applog_init(struct tn_log *log);
void tn_applog_done(struct tn_log *log);

#endif
