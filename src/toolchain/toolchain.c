#include "toolchain/toolchain.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "toolchain/hearing.h"
#include "toolchain/trtexec.h"
#include "toolchain/worker.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tn_build_result_done(struct tn_build_result *result)
{
    tn_json_done(&result->io);
    tn_json_done(&result->warnings);
}

bool tn_toolchain_precision_by_flag(const struct tn_toolchain *toolchain)
{
    return toolchain->builds.kind == TN_RUNTIME_TRT && toolchain->builds.version.parts > 0 &&
           toolchain->builds.version.part[0] <= 10;
}

/* --- requests ---------------------------------------------------------------------------------*/

static json_t *dims_to_json(const struct tn_dims *dims)
{
    json_t *list = json_array();

    for (int i = 0; i < dims->count; i++)
        (void)json_array_append_new(list, json_integer(dims->dim[i]));
    return list;
}

static json_t *shapes_to_json(const struct tn_shapes *shapes)
{
    json_t *list = json_array();

    for (size_t i = 0; shapes && i < shapes->count; i++) {
        const struct tn_shape_range *range = &shapes->range[i];
        json_t *item = json_object();

        tn_json_set(item, "input", json_string(range->input));
        tn_json_set(item, "min", dims_to_json(&range->min));
        tn_json_set(item, "opt", dims_to_json(&range->opt));
        tn_json_set(item, "max", dims_to_json(&range->max));
        (void)json_array_append_new(list, item);
    }
    return list;
}

static json_t *plugins_to_json(const struct tn_build_options *options)
{
    json_t *list = json_array();

    for (int i = 0; i < options->plugin_count; i++) {
        char hex[TN_DIGEST_HEX];

        tn_digest_hex(&options->plugin[i].digest, hex);
        (void)json_array_append_new(
            list, json_pack("{ss ss}", "path", options->plugin[i].path, "sha256", hex));
    }
    return list;
}

/* HardwareCompatibilityLevel as the API names it. */
static const char *hw_compat_api(enum tn_hw_compat level)
{
    switch (level) {
    case TN_HW_COMPAT_AMPERE_PLUS:
        return "AMPERE_PLUS";
    case TN_HW_COMPAT_SAME_CC:
        return "SAME_COMPUTE_CAPABILITY";
    case TN_HW_COMPAT_NONE:
    case TN_HW_COMPAT_UNKNOWN:
        break;
    }
    return NULL;
}

static json_t *integer_or_null(int64_t value, bool given)
{
    return given ? json_integer(value) : json_null();
}

static json_t *options_to_json(const struct tn_build_options *options)
{
    json_t *json = json_object(), *flags = json_array(), *ccs = json_array();

    for (int i = 0; i < options->flag_count; i++)
        (void)json_array_append_new(flags, json_string(options->flag[i]));
    for (int i = 0; i < options->cc_count; i++)
        (void)json_array_append_new(ccs, json_integer(options->cc[i]));
    tn_json_set(json, "flags", flags);
    tn_json_set(json, "ccs", options->cc_count > 0 ? ccs : NULL);
    if (options->cc_count == 0)
        json_decref(ccs);
    tn_json_set(json, "tf32", json_boolean(options->tf32));
    tn_json_set(json, "workspace_bytes",
                integer_or_null(options->workspace_bytes, options->workspace_bytes > 0));
    tn_json_set_str(json, "hw_compat", hw_compat_api(options->hw_compat));
    tn_json_set(json, "dla_core", integer_or_null(options->dla_core, options->dla_core >= 0));
    tn_json_set(json, "optimization_level",
                integer_or_null(options->optimization_level, options->optimization_level >= 0));
    tn_json_set(json, "plugins", plugins_to_json(options));
    tn_json_set_str(json, "calibration", options->calibration);
    tn_json_set_str(json, "timing_cache", options->timing_cache);
    return json;
}

static int set_path(json_t *request, const char *key, const char *path, struct tn_error *err)
{
    if (json_object_set_new(request, key, json_string(path)) < 0)
        return tn_fail(err, TN_E_INVALID, "path '%s' is not UTF-8", path);
    return TN_OK;
}

static int new_request(const struct tn_toolchain *toolchain, const char *op,
                       enum tn_precision precision, const char *model, const char *output,
                       json_t **ret_request, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *request = tn_worker_request(toolchain, op);
    int rc;

    if (!request)
        return tn_fail(err, TN_E_NOMEM, "a request for the worker");
    tn_json_set_str(request, "precision", tn_precision_name(precision));
    rc = set_path(request, "model", model, err);
    if (rc == TN_OK)
        rc = set_path(request, "output", output, err);
    if (rc < 0)
        return rc;
    *ret_request = request;
    request = NULL;
    return TN_OK;
}

/* --- one run ----------------------------------------------------------------------------------*/

static bool is_trtexec(const struct tn_toolchain *toolchain)
{
    return strcmp(toolchain->kind, "trtexec") == 0;
}

static int check_toolchain(const struct tn_toolchain *toolchain, struct tn_error *err)
{
    if (is_trtexec(toolchain) && toolchain->builds.kind != TN_RUNTIME_TRT)
        return tn_fail(err, TN_E_UNSUPPORTED,
                       "toolchain %s: only the trtexec of TensorRT can be driven here; for "
                       "TensorRT-RTX use a Python environment",
                       toolchain->id);
    if (!is_trtexec(toolchain) && strcmp(toolchain->kind, "python") != 0)
        return tn_fail(err, TN_E_UNSUPPORTED, "toolchain %s is of unknown kind '%s'", toolchain->id,
                       toolchain->kind);
    if (tn_runtime_flavor(toolchain->builds.kind) == TN_FLAVOR_UNKNOWN)
        return tn_fail(err, TN_E_USAGE, "toolchain %s does not say what it builds", toolchain->id);
    return TN_OK;
}

static int check_output(const char *path, struct tn_error *err)
{
    struct stat st;

    if (lstat(path, &st) == 0)
        return tn_fail(err, TN_E_USAGE, "'%s' exists already", path);
    return TN_OK;
}

static void remove_output(const char *path)
{
    tn_auto(tn_buf_done) struct tn_buf part = TN_BUF(PATH_MAX);

    tn_buf_addf(&part, "%s.part", path);
    if (part.size > 0)
        (void)unlink(tn_buf_text(&part));
    (void)unlink(path);
}

/* The worker's word is checked against the file; its content against the digest by the caller. */
static void check_file(const char *path, struct tn_build_result *result)
{
    struct stat st;

    if (result->plan_bytes < 0)
        tn_hearing_fail(result, "no-result", "its result names no size or no SHA-256");
    else if (lstat(path, &st) < 0)
        tn_hearing_fail(result, "no-file", "it reported success, but '%s' is not there", path);
    else if (!S_ISREG(st.st_mode) || st.st_size != result->plan_bytes)
        tn_hearing_fail(result, "no-file", "it reported %lld bytes, but '%s' is something else",
                        (long long)result->plan_bytes, path);
}

static void check_release(const struct tn_toolchain *toolchain, struct tn_build_result *result)
{
    const struct tn_version *wanted = &toolchain->builds.version;
    char is[TN_VERSION_TEXT], was[TN_VERSION_TEXT];

    if (wanted->parts == 0 ||
        (result->version.parts > 0 && tn_version_compare(wanted, &result->version) == 0))
        return;
    tn_version_print(&result->version, is);
    tn_version_print(wanted, was);
    (void)tn_text_copy(result->stage, sizeof(result->stage), "import");
    tn_hearing_fail(result, "toolchain-changed", "toolchain %s is now '%s', not %s", toolchain->id,
                    is, was);
}

/* Runs the worker; afterwards the output is there and whole, or not there at all. */
static int run_worker(struct tn_worker_run *run, const char *log_path, tn_progress_fn progress,
                      void *user, struct tn_build_result *ret_result, struct tn_error *err)
{
    tn_auto(tn_hearing_done) struct tn_hearing hearing;
    struct tn_proc_result end = { 0 };
    int rc = tn_hearing_init(&hearing, log_path, progress, user, err);

    if (rc < 0)
        return rc;
    run->line = tn_hearing_line;
    run->user = &hearing;
    rc = tn_worker_run(run, &end, err);
    if (rc == TN_OK && end.stopped)
        rc = tn_fail(err, TN_E_CANCELLED, "stopped after %.1f s",
                     (double)end.elapsed / (double)TN_NSEC_PER_S);
    if (rc < 0) {
        remove_output(run->output_path);
        return rc;
    }
    tn_hearing_judge(&hearing, &end, ret_result);
    if (ret_result->outcome == TN_BUILD_DONE)
        check_file(run->output_path, ret_result);
    return TN_OK;
}

int tn_toolchain_build(const struct tn_build_request *request, struct tn_build_result *ret_result,
                       struct tn_error *err)
{
    const struct tn_toolchain *toolchain = request->toolchain;
    tn_auto(tn_json_done) json_t *json = NULL;
    char index[16] = "", release[TN_VERSION_TEXT];
    struct tn_worker_run run = {
        .toolchain = toolchain,
        .output_path = request->output_path,
        .visible_gpu = request->gpu_uuid ? request->gpu_uuid : index,
        .limits = request->limits,
    };
    int rc = check_toolchain(toolchain, err);

    if (request->device_index >= 0)
        (void)snprintf(index, sizeof(index), "%d", request->device_index);
    if (rc == TN_OK)
        rc = check_output(request->output_path, err);
    if (rc == TN_OK && is_trtexec(toolchain))
        return tn_trtexec_build(request, ret_result, err);
    if (rc == TN_OK)
        rc = new_request(toolchain, "build", request->precision, request->model_path,
                         request->output_path, &json, err);
    if (rc < 0)
        return rc;
    tn_version_print(&toolchain->builds.version, release);
    tn_json_set_str(json, "release", release);
    tn_json_set(json, "shapes", shapes_to_json(request->shapes));
    tn_json_set(json, "options", options_to_json(request->options));
    run.request = json;

    rc = run_worker(&run, request->log_path, request->progress, request->user, ret_result, err);
    if (rc < 0)
        return rc;
    if (ret_result->outcome == TN_BUILD_DONE)
        check_release(toolchain, ret_result);
    if (ret_result->outcome != TN_BUILD_DONE)
        remove_output(request->output_path);
    return TN_OK;
}

/* --- converters -------------------------------------------------------------------------------*/

/* One row per precision that a converter makes. The text after the version is part of every key:
 * it changes when the arguments in workers/tenon_worker.py do. */
struct converter {
    enum tn_precision to;
    const char *package;     /* as pip knows it */
    const char *record;      /* what its record folder's name begins with */
    const char *description; /* function and arguments */
};

static const struct converter converters[] = {
    { TN_PRECISION_FP16, "onnxconverter-common", "onnxconverter_common-",
      "float16 keep_io_types=True" },
};

static const struct converter *converter_to(enum tn_precision to)
{
    for (size_t i = 0; i < TN_COUNT(converters); i++)
        if (converters[i].to == to)
            return &converters[i];
    return NULL;
}

/* Calls `entry` with the path of everything in a folder whose name begins with `prefix`, until it
 * says true. */
typedef bool (*entry_fn)(const char *path, const char *name, void *user);

static bool each_entry(const char *folder, const char *prefix, entry_fn entry, void *user)
{
    DIR *dir = opendir(folder);
    const struct dirent *at;
    bool found = false;

    if (!dir)
        return false;
    while (!found && (at = readdir(dir)) != NULL) {
        tn_auto(tn_str_free) char *path = NULL;

        if (!tn_text_starts(at->d_name, prefix))
            continue;
        path = tn_path_join(folder, at->d_name);
        found = path && entry(path, at->d_name, user);
    }
    (void)closedir(dir);
    return found;
}

struct record_search {
    const struct converter *converter;
    char version[48];
};

/* "onnxconverter_common-1.16.0.dist-info" */
static bool take_record(const char *path, const char *name, void *user)
{
    struct record_search *search = user;
    const char *version = name + strlen(search->converter->record);
    size_t length = strcspn(version, "-"); /* ".egg-info" of old has "-py3.8" after the version */
    (void)path;

    if (tn_text_ends(name, ".dist-info"))
        length = strlen(version) - strlen(".dist-info");
    else if (!tn_text_ends(name, ".egg-info"))
        return false;
    return length > 0 && tn_text_copy_n(search->version, sizeof(search->version), version, length);
}

static bool look_in_packages(const char *path, const char *name, void *user)
{
    struct record_search *search = user;
    static const char *const kinds[] = { "site-packages", "dist-packages" };
    (void)name;

    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        tn_auto(tn_str_free) char *folder = tn_path_join(path, kinds[i]);

        if (folder && each_entry(folder, search->converter->record, take_record, search))
            return true;
    }
    return false;
}

/* PREFIX of an interpreter PREFIX/bin/python; a venv's link is not followed, since the packages lie
 * beside the link. */
static bool search_environment(const char *interpreter, struct record_search *search)
{
    static const char *const libraries[] = { "lib", "lib64", "local/lib" };
    char prefix[PATH_MAX];
    const char *bin = strstr(interpreter, "/bin/");

    for (const char *next = bin; next; next = strstr(next + 1, "/bin/"))
        bin = next;
    if (!bin || !tn_text_copy_n(prefix, sizeof(prefix), interpreter, (size_t)(bin - interpreter)))
        return false;
    for (size_t i = 0; i < TN_COUNT(libraries); i++) {
        tn_auto(tn_str_free) char *folder = tn_path_join(prefix, libraries[i]);

        if (folder && each_entry(folder, "python3", look_in_packages, search))
            return true;
    }
    return false;
}

int tn_toolchain_converter(const struct tn_toolchain *toolchain, enum tn_precision to,
                           char ret_name[TN_CONVERTER_MAX], struct tn_error *err)
{
    struct record_search search = { .converter = converter_to(to) };
    const char *wanted = tn_precision_name(to);

    if (!search.converter)
        return tn_fail(err, TN_E_UNSUPPORTED,
                       "nothing here derives %s from fp32: give that variant",
                       wanted ? wanted : "an unknown precision");
    if (strcmp(toolchain->kind, "python") != 0)
        return tn_fail(err, TN_E_UNSUPPORTED,
                       "toolchain %s is trtexec and no Python environment, so it has no converter: "
                       "give the %s variant",
                       toolchain->id, wanted);
    if (!search_environment(toolchain->path, &search))
        return tn_fail(err, TN_E_NOTFOUND,
                       "no converter to %s: '%s -m pip install %s' would add one", wanted,
                       toolchain->path, search.converter->package);
    (void)snprintf(ret_name, TN_CONVERTER_MAX, "%s %s %s", search.converter->package,
                   search.version, search.converter->description);
    return TN_OK;
}

int tn_toolchain_convert(const struct tn_toolchain *toolchain, enum tn_precision to,
                         const char *model_path, const char *output_path,
                         const struct tn_child_limits *limits, tn_progress_fn progress, void *user,
                         struct tn_build_result *ret_result, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    char name[TN_CONVERTER_MAX];
    struct tn_worker_run run = {
        .toolchain = toolchain,
        .output_path = output_path,
        .visible_gpu = "",
        .limits = limits ? *limits : (struct tn_child_limits) { 0 },
    };
    int rc = check_toolchain(toolchain, err);

    if (rc == TN_OK)
        rc = tn_toolchain_converter(toolchain, to, name, err);
    if (rc == TN_OK)
        rc = check_output(output_path, err);
    if (rc == TN_OK)
        rc = new_request(toolchain, "convert", to, model_path, output_path, &json, err);
    if (rc < 0)
        return rc;
    run.request = json;
    rc = run_worker(&run, NULL, progress, user, ret_result, err);
    if (rc == TN_OK && ret_result->outcome != TN_BUILD_DONE)
        remove_output(output_path);
    return rc;
}
