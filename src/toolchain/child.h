/*
 * What every child of a toolchain gets: a trusted program, a clean environment, a temporary folder
 * beside its output, limits.
 *
 * An object belongs to one thread. Begin with tn_child_open(), end with tn_child_done(), also after
 * a failure.
 */
#ifndef TN_TOOLCHAIN_CHILD_H
#define TN_TOOLCHAIN_CHILD_H

#include "base/proc.h"
#include "toolchain/toolchain.h"

enum { TN_CHILD_VARIABLES_MAX = 8 };

/** All borrowed. */
struct tn_child_setup {
    const struct tn_toolchain *toolchain;
    const char *output_path; /* the file it makes; a folder beside it is its TMPDIR */
    const char *visible_gpu; /* CUDA_VISIBLE_DEVICES; "" = none */
    struct tn_child_limits limits;
};

struct tn_child_environment {
    const char *list[TN_CHILD_VARIABLES_MAX + 1];
    char *text[TN_CHILD_VARIABLES_MAX];
    size_t count;
};

struct tn_child {
    char *temporary;
    struct tn_child_environment environment;
    struct tn_proc_options options; /* all but argv and input */
};

/** @return 0; TN_E_NOTFOUND (the program), TN_E_UNTRUSTED, TN_E_NOMEM, TN_E_IO */
int tn_child_open(struct tn_child *child, const struct tn_child_setup *setup, struct tn_error *err);

/** The host's MemAvailable in bytes; 0 = not known. */
int64_t tn_child_memory_available(void);

/** The temporary folder is gone afterwards. Call it when the child has ended. */
void tn_child_done(struct tn_child *child);

#endif
