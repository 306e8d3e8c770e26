/*
 * The command line of trtexec for one build or one load: one table of its options by release range.
 * What a release has no option for is refused here, before anything starts.
 *
 * An object belongs to one thread. Zeroed = empty; end with tn_trtexec_command_done().
 */
#ifndef TN_TOOLCHAIN_TRTEXEC_COMMAND_H
#define TN_TOOLCHAIN_TRTEXEC_COMMAND_H

#include "toolchain/toolchain.h"

enum { TN_TRTEXEC_ARGUMENTS_MAX = 96 };

struct tn_trtexec_command {
    char *argument[TN_TRTEXEC_ARGUMENTS_MAX + 1]; /* owned; NULL-ended */
    int count;
    char refusal[480]; /* what this release cannot be asked for; "" = nothing */
    char note[160];    /* how trtexec differs from what was asked, tolerably; "" = nothing */
};

/** Files that the child uses instead of the ones of the request. All borrowed. */
struct tn_trtexec_files {
    const char *plan;         /* to write */
    const char *timing_cache; /* a copy, since trtexec overwrites it; NULL = none */
};

/** Begins with the words that start `program` (absolute path) tied to this process: tenon-start.
 * @return 0, TN_E_NOTFOUND, TN_E_UNTRUSTED, TN_E_NOMEM */
int tn_trtexec_command_start(struct tn_trtexec_command *command, const char *program,
                             struct tn_error *err);

/**
 * Appends the options of a build.
 * @return 0, also with `refusal` set: then the command must not be run; TN_E_NOMEM, TN_E_TOOBIG
 */
int tn_trtexec_command_fill(struct tn_trtexec_command *command,
                            const struct tn_build_request *request,
                            const struct tn_trtexec_files *files, struct tn_error *err);

/** What is to be loaded. All borrowed. */
struct tn_trtexec_load {
    const struct tn_toolchain *toolchain;
    const char *plan;
    const struct tn_shapes *shapes; /* of the run: their opt; NULL = trtexec's own choice */
    bool allow_host_code;
};

/**
 * Appends the options of a load and one inference. Shapes that trtexec cannot be told are left to
 * it.
 * @return as tn_trtexec_command_fill()
 */
int tn_trtexec_command_load(struct tn_trtexec_command *command, const struct tn_trtexec_load *load,
                            struct tn_error *err);

void tn_trtexec_command_done(struct tn_trtexec_command *command);

/** From 8.2 to 11. */
bool tn_trtexec_supported(const struct tn_version *release);

/** @return 0, or TN_E_UNSUPPORTED: its release is not known or not one of those driven here */
int tn_trtexec_check(const struct tn_toolchain *toolchain, struct tn_error *err);

/** "trtexec 9.3.0.1: options from the release tables, not tried", or "" where they were. */
void tn_trtexec_caution(const struct tn_version *release, char ret_text[128]);

/** Whether the options of this release were seen in real runs, and are not only known from tables:
 * 8.6.1, 10.6, 10.15, 11.1. */
bool tn_trtexec_tried(const struct tn_version *release);

#endif
