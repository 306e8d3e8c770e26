#include "toolchain/worker.h"

#include "base/libexec.h"
#include "toolchain/child.h"

#include <stdlib.h>
#include <unistd.h>

/* --- requests ---------------------------------------------------------------------------------*/

/* Python modules of a flavor, the wrapper before what it wraps. */
static json_t *modules_of(enum tn_runtime_kind kind)
{
    return kind == TN_RUNTIME_RTX ? json_pack("[ss]", "tensorrt_rtx", "tensorrt_rtx_bindings")
                                  : json_pack("[ss]", "tensorrt", "tensorrt_bindings");
}

json_t *tn_worker_request(const struct tn_toolchain *toolchain, const char *op)
{
    json_t *request = json_object();

    if (!request)
        return NULL;
    tn_json_set_str(request, "op", op);
    tn_json_set_str(request, "flavor", tn_flavor_name(tn_runtime_flavor(toolchain->builds.kind)));
    tn_json_set(request, "modules", modules_of(toolchain->builds.kind));
    return request;
}

static int print_request(const struct tn_worker_run *run, const struct tn_proc_options *options,
                         char **ret_text, struct tn_error *err)
{
    json_t *limits = json_object();

    tn_json_set(limits, "memory_bytes",
                options->address_space_bytes > 0 ? json_integer(options->address_space_bytes)
                                                 : NULL);
    tn_json_set_int(limits, "disk_bytes", options->file_bytes);
    tn_json_set(run->request, "limits", limits);
    tn_json_set(run->request, "parent", json_integer(getpid()));
    *ret_text = json_dumps(run->request, JSON_COMPACT | JSON_ENSURE_ASCII);
    return *ret_text ? TN_OK : tn_fail(err, TN_E_NOMEM, "print the worker's request");
}

int tn_worker_run(const struct tn_worker_run *run, struct tn_proc_result *ret_end,
                  struct tn_error *err)
{
    char worker[PATH_MAX];
    /* Isolated: neither PYTHON* nor the folder of the script nor a user's packages count. */
    const char *argv[] = { run->toolchain->path, "-I", "-B", worker, NULL };
    struct tn_child_setup setup = { .toolchain = run->toolchain,
                                    .output_path = run->output_path,
                                    .visible_gpu = run->visible_gpu,
                                    .limits = run->limits };
    tn_auto(tn_child_done) struct tn_child child = { .temporary = NULL };
    tn_auto(tn_str_free) char *request = NULL;
    tn_auto(tn_buf_done) struct tn_buf input = TN_BUF(4 << 20);
    int rc = tn_libexec_find("tenon_worker.py", worker, err);

    if (rc == TN_OK)
        rc = tn_child_open(&child, &setup, err);
    if (rc == TN_OK)
        rc = print_request(run, &child.options, &request, err);
    if (rc < 0)
        return rc;
    tn_buf_addf(&input, "%s\n", request);
    rc = tn_buf_check(&input, "the worker's request", err);
    child.options.argv = argv;
    child.options.input = tn_buf_text(&input);
    return rc < 0 ? rc : tn_proc_run(&child.options, run->line, run->user, ret_end, err);
}
