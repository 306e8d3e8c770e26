#include "toolchain/worker.h"

#include "base/file.h"
#include "base/libexec.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tn_nsec time_default = 2 * 3600 * TN_NSEC_PER_S;
static const int64_t disk_default = INT64_C(64) << 30;
/* An address space is not memory: a build takes about three times its RSS (facts of
 * toolchains.md §5). */
static const int64_t memory_least = INT64_C(4) << 30;
static const int64_t memory_most = INT64_C(1) << 40;
static const int64_t output_most = INT64_C(32) << 20; /* the worker cuts its log lines itself */

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

/* --- environment ------------------------------------------------------------------------------*/

enum { VARIABLES_MAX = 8, VARIABLE_BYTES = PATH_MAX + 64 };

struct environment {
    const char *list[VARIABLES_MAX + 1];
    char *text[VARIABLES_MAX];
    size_t count;
};

static void environment_done(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->text[i]);
}

static int add_variable(struct environment *environment, const char *name, const char *value,
                        struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(VARIABLE_BYTES);
    int rc;

    tn_buf_addf(&text, "%s=%s", name, value);
    rc = tn_buf_check(&text, name, err);
    if (rc < 0)
        return rc;
    environment->text[environment->count] = tn_buf_steal(&text);
    environment->list[environment->count] = environment->text[environment->count];
    environment->count++;
    return TN_OK;
}

/* All that the child sees of ours. Nothing of PYTHON*, LD_* or the CUDA settings of the caller can
 * change what it builds. */
static int fill_environment(const struct tn_worker_run *run, const char *temporary,
                            struct environment *environment, struct tn_error *err)
{
    const char *home = getenv("HOME");
    const struct {
        const char *name, *value;
    } variables[] = {
        { "PATH", "/usr/bin:/bin" },
        { "LANG", "C.UTF-8" },
        { "HOME", home && *home ? home : "/" },
        { "TMPDIR", temporary },
        { "CUDA_VISIBLE_DEVICES", run->visible_gpu },
        { "CUDA_DEVICE_ORDER", "PCI_BUS_ID" },
        { "LD_LIBRARY_PATH", run->toolchain->library_folder },
    };
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < TN_COUNT(variables); i++)
        if (*variables[i].value || strcmp(variables[i].name, "CUDA_VISIBLE_DEVICES") == 0)
            rc = add_variable(environment, variables[i].name, variables[i].value, err);
    return rc;
}

/* --- limits -----------------------------------------------------------------------------------*/

static int64_t available_memory(void)
{
    static const char key[] = "MemAvailable:";
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(64 << 10);
    const char *at;

    if (tn_file_read("/proc/meminfo", &text, NULL) < 0)
        return 0;
    at = strstr(tn_buf_text(&text), key);
    return at ? strtoll(at + sizeof(key) - 1, NULL, 10) * 1024 : 0;
}

static int64_t memory_limit(const struct tn_worker_run *run)
{
    int64_t limit = 3 * available_memory();

    if (run->limits.memory_bytes > 0)
        return run->limits.memory_bytes;
    if (*run->visible_gpu)
        return 0; /* CUDA reserves address space for all memory of host and GPUs */
    if (limit < memory_least)
        return memory_least;
    return limit > memory_most ? memory_most : limit;
}

/* --- running ----------------------------------------------------------------------------------*/

struct temporary {
    char *path;
};

static void temporary_done(struct temporary *temporary)
{
    if (temporary->path)
        (void)tn_dir_remove(temporary->path, NULL);
    free(temporary->path);
}

/* Beside the output and not in /tmp: the owner of that folder sweeps it after a kill. */
static int make_temporary(const char *output_path, struct temporary *ret_temporary,
                          struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(PATH_MAX);
    int rc;

    tn_buf_addf(&path, "%s.tmp", output_path);
    rc = tn_buf_check(&path, output_path, err);
    if (rc < 0)
        return rc;
    if (mkdir(tn_buf_text(&path), 0700) < 0)
        return tn_fail_os(err, TN_E_IO, "make folder '%s'", tn_buf_text(&path));
    ret_temporary->path = tn_buf_steal(&path);
    return TN_OK;
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

static int trust_toolchain(const struct tn_toolchain *toolchain, struct tn_error *err)
{
    int rc = tn_libexec_trust(toolchain->path, err);
    struct stat st;

    if (rc == TN_OK && *toolchain->library_folder) {
        if (stat(toolchain->library_folder, &st) < 0)
            rc = tn_fail_os(err, TN_E_IO, "look at '%s'", toolchain->library_folder);
        else
            rc = tn_file_trusted(&st, toolchain->library_folder, err);
    }
    return rc < 0 ? tn_while(err, rc, "toolchain %s", toolchain->id) : TN_OK;
}

static void free_text(char **text)
{
    free(*text);
}

int tn_worker_run(const struct tn_worker_run *run, struct tn_proc_result *ret_end,
                  struct tn_error *err)
{
    char worker[PATH_MAX];
    /* Isolated: neither PYTHON* nor the folder of the script nor a user's packages count. */
    const char *argv[] = { run->toolchain->path, "-I", "-B", worker, NULL };
    tn_auto(temporary_done) struct temporary temporary = { 0 };
    tn_auto(environment_done) struct environment environment = { 0 };
    tn_auto(free_text) char *request = NULL;
    tn_auto(tn_buf_done) struct tn_buf input = TN_BUF(4 << 20);
    struct tn_proc_options options = {
        .argv = argv,
        .environment = environment.list,
        .time_limit = run->limits.time > 0 ? run->limits.time : time_default,
        .address_space_bytes = memory_limit(run),
        .file_bytes = run->limits.disk_bytes > 0 ? run->limits.disk_bytes : disk_default,
        .output_bytes = output_most,
        .background = true,
    };
    int rc = tn_libexec_find("tenon_worker.py", worker, err);

    if (rc == TN_OK)
        rc = trust_toolchain(run->toolchain, err);
    if (rc == TN_OK)
        rc = make_temporary(run->output_path, &temporary, err);
    if (rc == TN_OK)
        rc = fill_environment(run, temporary.path, &environment, err);
    if (rc == TN_OK)
        rc = print_request(run, &options, &request, err);
    if (rc < 0)
        return rc;
    tn_buf_addf(&input, "%s\n", request);
    rc = tn_buf_check(&input, "the worker's request", err);
    options.input = tn_buf_text(&input);
    return rc < 0 ? rc : tn_proc_run(&options, run->line, run->user, ret_end, err);
}
