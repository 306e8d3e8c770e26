/*
 * A trial load: a child loads a plan on a GPU of this machine and runs it once, so that nobody has
 * to find out in production. design.md §7 gives the rules.
 *
 * The toolchain makes it: its Python through the worker, or trtexec (which looks at no output).
 *
 * One trial at a time per GPU and machine (flock on tenon-gpu-<uuid> in /run/lock where that can be
 * written). Never where no driver answers. The caller's process touches no CUDA. Blocks; any
 * thread.
 */
#ifndef TN_TOOLCHAIN_TRIAL_H
#define TN_TOOLCHAIN_TRIAL_H

#include "toolchain/toolchain.h"

/** Whether this toolchain can make trial loads: a Python environment, or trtexec 8.2 to 11. */
bool tn_trial_possible(const struct tn_toolchain *toolchain);

struct tn_trial_request {
    const struct tn_toolchain *toolchain; /* of exactly the runtime's version */
    const char *plan_path;
    const char *gpu_uuid;           /* "GPU-…"; the only one that the child sees */
    const struct tn_shapes *shapes; /* of the first run: their opt. NULL = the child's choice; the
                                       Python module takes the engine's own in any case */
    bool allow_host_code;
    tn_nsec time_limit;   /* 0 = 60 s and one more per 50 MiB of plan */
    const char *log_path; /* everything the child says; NULL = not kept */
    tn_progress_fn progress;
    void *user;
};

enum { TN_TRIAL_PHASES_MAX = 12 };

struct tn_trial_phase {
    const char
        *name; /* "driver", "context", "library", "runtime", "deserialize", "exec-context", "run" */
    int64_t ms;
};

struct tn_trial_result {
    enum tn_build_outcome
        outcome;     /* DONE = it loaded; REFUSED = it never will here; TROUBLE = try later */
    char stage[16];  /* a phase; "file": its bytes forbade it, and nothing was started */
    char reason[48]; /* class of the telling line, as in a build; "" when it loaded */
    char first_line[480];
    char cure[200];
    bool ran;          /* one inference was made: all shapes were known, and it fitted */
    char suspect[160]; /* outputs that were all zero or not a number; "" = none, or not looked at */
    struct tn_trial_phase phase[TN_TRIAL_PHASES_MAX]; /* those that were reached, in order */
    int phase_count;
    int64_t total_ms; /* from spawn to the end, of all its children */
};

/** @return 0 with the outcome in `ret_result`; TN_E_AGAIN (another trial holds the GPU for longer
 * than the time limit), TN_E_UNSUPPORTED (kind of toolchain), TN_E_CANCELLED, or why no child could
 * be started */
int tn_trial_run(const struct tn_trial_request *request, struct tn_trial_result *ret_result,
                 struct tn_error *err);

#endif
