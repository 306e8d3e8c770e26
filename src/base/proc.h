/*
 * One child process, run to its end: input text in, lines out, under limits.
 *
 * posix_spawn in its own process group, reaped by pid (an ignored SIGCHLD is tolerated), every
 * other descriptor closed, all signals reset. The child and all of its group are killed (SIGTERM,
 * SIGKILL half a second later) at the deadline, when it floods, or when the caller says stop; what
 * is left of its group when it ends is killed too. Its stdin (a socket) stays open for its whole
 * life: the end of that tells the child that the parent is gone.
 *
 * Blocks. Any thread; no handler, no thread of its own, never SIGPIPE. The calling thread is the
 * one whose death PR_SET_PDEATHSIG reports.
 */
#ifndef TN_BASE_PROC_H
#define TN_BASE_PROC_H

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tn_stream { TN_STREAM_OUT, TN_STREAM_ERR, TN_STREAM_TICK };

/** One line without its newline (a longer one comes cut at 64 KiB), or a tick four times a second
 * (line NULL). Untrusted bytes. @return false to stop the child */
typedef bool (*tn_line_fn)(enum tn_stream stream, const char *line, size_t length, void *user);

struct tn_proc_options {
    const char *const *argv;        /* argv[0] is a path, not searched */
    const char *const *environment; /* whole; NULL-ended */
    const char *folder;             /* working folder; NULL = the parent's */
    const char *input;              /* written to its stdin, which then stays open */
    tn_nsec time_limit;             /* 0 = none */
    int64_t address_space_bytes; /* RLIMIT_AS, set before it runs its own code as far as possible; 0
                                    = none */
    int64_t file_bytes;          /* RLIMIT_FSIZE; 0 = none */
    int64_t output_bytes;        /* stdout + stderr together; 0 = 64 MiB */
    bool background;             /* nice 10, oom_score_adj 1000 */
};

struct tn_proc_result {
    int exit_status; /* -1 when it ended by a signal */
    int signal;      /* 0 when it exited */
    bool timed_out, flooded, stopped;
    bool status_lost; /* SIGCHLD is ignored here or another thread reaped it: it has ended, how is
                         not known (exit_status -1, signal 0) */
    bool abandoned;   /* not even SIGKILL ended it within 5 s (stuck in a driver): not reaped */
    tn_nsec elapsed;
    int64_t peak_rss_bytes; /* not below the caller's own RSS at the start (exec keeps that mark);
                               TN_UNKNOWN with status_lost */
};

/** @return 0 (it ran; look at the result), TN_E_NOTFOUND, TN_E_ACCESS, TN_E_NOMEM, TN_E_IO */
int tn_proc_run(const struct tn_proc_options *options, tn_line_fn line, void *user,
                struct tn_proc_result *ret_result, struct tn_error *err);

#endif
