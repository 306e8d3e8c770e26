/*
 * What `tenon get`, `tenon build` and `tenon cache explain` have in common.
 */
#ifndef TN_CLI_GET_H
#define TN_CLI_GET_H

#include "cli/command.h"
#include "loader/loader.h"

/* Rows of options that say what is wanted, and that limit a build. */
/* clang-format off */
#define TN_GET_WANTED_OPTIONS                                                                      \
    { "precision", 'p', TN_ARG_TEXT, "LADDER", NULL, false,                                        \
      "Precisions to try in this order, such as int8,fp16,fp32 (default: the spec's, else the "    \
      "file's own)." },                                                                            \
    { "shapes", 's', TN_ARG_TEXT, "SHAPES", NULL, false,                                           \
      "Ranges of dynamic inputs: NAME=MIN[:OPT:MAX],… (a dynamic leading axis alone defaults to "  \
      "1)." },                                                                                     \
    { "runtime", 'r', TN_ARG_TEXT, "RUNTIME", NULL, false,                                         \
      "TensorRT to get engines for: rtx1.7.1.116, trt10.6.0.26, trt, … (default: the one that is " \
      "found)." },                                                                                 \
    { "gpu", 'g', TN_ARG_TEXT, "GPU", NULL, false,                                                 \
      "Index, UUID or name of the GPU (default: the first visible)." },                            \
    { "for", 'f', TN_ARG_DEVICE, "DEVICE", NULL, false,                                            \
      "Get it for another device: a board (rtx4090+rtx1.7.1.116) or a fingerprint file." }
#define TN_GET_LIMIT_OPTIONS                                                                       \
    { "time-limit", 't', TN_ARG_TEXT, "TIME", NULL, false,                                         \
      "Limit of one build, such as 90s or 30m (default: 2h)." },                                   \
    { "memory-limit", 'm', TN_ARG_TEXT, "SIZE", NULL, false,                                       \
      "Address space of one build, such as 8GiB." }
/* clang-format on */

/** Fills `get` from whatever options of these the command has. @return 0, or 2 with the mistake
 * printed */
int tn_cli_get_read(const struct tn_invocation *call, const char *model,
                    struct tn_get_options *get);

/** Gets the engine and prints the answer. @return the exit status */
int tn_cli_get_run(const struct tn_invocation *call, struct tn_get_options *get);

#endif
