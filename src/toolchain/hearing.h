/*
 * What a worker said, line by line, and what is to be made of its end: outcome, stage, reason, the
 * first telling line, the cure. Every byte is untrusted.
 *
 * An object belongs to one thread. Begin with tn_hearing_init(), end with tn_hearing_done().
 */
#ifndef TN_TOOLCHAIN_HEARING_H
#define TN_TOOLCHAIN_HEARING_H

#include "base/proc.h"
#include "toolchain/toolchain.h"

#include <stdio.h>

/* How much a line tells; the first of the highest rank is shown. */
enum tn_telling_rank {
    TN_TELLING_NONE,
    TN_TELLING_GENERIC, /* "something failed" */
    TN_TELLING_UNKNOWN, /* an error line that no row knows */
    TN_TELLING_KNOWN,
};

struct tn_telling {
    enum tn_telling_rank rank;
    const struct tn_log_class *row;
    char line[480];
};

struct tn_hearing {
    tn_progress_fn progress;
    void *user;
    tn_nsec begun;
    FILE *log;         /* NULL = not kept */
    int64_t log_bytes; /* written so far */
    char phase[512];
    char stage[16];
    struct tn_telling error;       /* of the library's error lines */
    struct tn_telling raw;         /* of what was printed to stderr */
    struct tn_telling parse_error; /* of the parser's list of errors, with node and operator */
    struct tn_telling memory;      /* of any line that speaks of too little memory */
    json_t *io, *warnings;
    json_t *answer; /* the result line; NULL until it came */
};

/** @param log_path NULL = not kept. @return 0, TN_E_NOMEM or as opening the log fails */
int tn_hearing_init(struct tn_hearing *hearing, const char *log_path, tn_progress_fn progress,
                    void *user, struct tn_error *err);

/** A tn_line_fn; `user` is the hearing. */
bool tn_hearing_line(enum tn_stream stream, const char *line, size_t length, void *user);

/* For those that hear other lines than the worker's: */

/** Writes foreign text to the log, with a mark of one letter before it. */
void tn_hearing_log(struct tn_hearing *hearing, const char *mark, const char *text, size_t length);
/** Weighs foreign text as the reason of a failure; `telling` is one of the hearing's. */
void tn_hearing_consider(struct tn_hearing *hearing, struct tn_telling *telling, const char *line,
                         size_t length);
/** Keeps one of the first few warnings. */
void tn_hearing_warn(struct tn_hearing *hearing, const char *text);
/** Tells the caller's progress function where it is. @return false to stop */
bool tn_hearing_report(struct tn_hearing *hearing);
/** The line to show so far; rank none when nothing told. */
const struct tn_telling *tn_hearing_best(const struct tn_hearing *hearing);

/** Fills everything in `ret_result` that follows from what was heard and how the child ended; the
 * files that it made are not looked at. Hands over io and warnings. */
void tn_hearing_judge(struct tn_hearing *hearing, const struct tn_proc_result *end,
                      struct tn_build_result *ret_result);

/** Makes a result a failure of a class of our own (a row of own_classes). */
void tn_hearing_fail(struct tn_build_result *result, const char *reason, const char *format, ...)
    TN_PRINTF(3, 4);

void tn_hearing_done(struct tn_hearing *hearing);

#endif
