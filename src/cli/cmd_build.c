/* tenon build: an engine of exactly this recipe, built here, with its full log. */
#include "cli/commands.h"
#include "cli/get.h"

static const struct tn_option options[] = {
    TN_GET_WANTED_OPTIONS,
    { "store", 0, TN_ARG_FOLDER, "LIST", NULL, false,
      "Stores, colon-separated; the first is written (default: $TENON_STORE)." },
    { "output", 'o', TN_ARG_FILE, "FILE", NULL, false,
      "Also copy the engine to FILE (shared blocks where possible)." },
    { "symlink", 'l', TN_ARG_FILE, "FILE", NULL, false,
      "Also make FILE a symbolic link to the engine." },
    { "force", 0, TN_ARG_NONE, NULL, NULL, false,
      "Build also when the engine is there: a newer one of the same recipe." },
    TN_GET_LIMIT_OPTIONS,
    { 0 },
};

static const char *const examples[] = {
    "tenon build model.onnx --precision fp16",
    "Build the engine unless exactly it is in the store.",
    "tenon build model.onnx --force",
    "Build once more; the newer engine is handed out from then on.",
    NULL,
};

static int run(const struct tn_invocation *call)
{
    struct tn_get_options get;
    int status = tn_cli_get_read(call, call->args[0], &get);

    get.exact = true;
    get.force = tn_given(call, "force") != NULL;
    return status != 0 ? status : tn_cli_get_run(call, &get);
}

const struct tn_command tn_cmd_build = {
    .name = "build",
    .args = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .summary = "Build an engine of exactly this recipe, and keep the full log.",
    .details = "MODEL is an ONNX file or a model.yaml. The path of the engine goes to standard "
               "output, everything else, with the path of the log, to standard error.\n\n"
               "As tenon get, rung by rung, but only an engine whose recipe is equal in every "
               "field counts as there.",
    .options = options,
    .examples = examples,
    .exits = "0 an engine; 1 no rung gave one; 2 usage; 75 try later; others as in docs/errors.md.",
    .run = run,
};
