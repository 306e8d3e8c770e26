/*
 * The command line of trtexec for one build: one table of its options by release range. What a
 * release has no option for is refused here, before anything starts.
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

/** Appends one word of one's own. */
int tn_trtexec_command_add(struct tn_trtexec_command *command, const char *text,
                           struct tn_error *err);

/**
 * Appends the options of a build.
 * @return 0, also with `refusal` set: then the command must not be run; TN_E_NOMEM, TN_E_TOOBIG
 */
int tn_trtexec_command_fill(struct tn_trtexec_command *command,
                            const struct tn_build_request *request,
                            const struct tn_trtexec_files *files, struct tn_error *err);

void tn_trtexec_command_done(struct tn_trtexec_command *command);

/** From 8.2 to 11. */
bool tn_trtexec_supported(const struct tn_version *release);

/** Whether the options of this release were seen in real runs, and are not only known from tables:
 * 8.6.1, 10.6, 10.15, 11.1. */
bool tn_trtexec_tried(const struct tn_version *release);

#endif
