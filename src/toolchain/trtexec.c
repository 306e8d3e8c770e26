#include "toolchain/trtexec.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "plan/plan.h"
#include "toolchain/child.h"
#include "toolchain/trtexec_command.h"
#include "toolchain/trtexec_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t cache_most = (size_t)256 << 20;

/* --- before the start -------------------------------------------------------------------------*/

static void fail_at(struct tn_build_result *result, const char *stage, const char *reason,
                    const char *text)
{
    (void)tn_text_copy(result->stage, sizeof(result->stage), stage);
    tn_hearing_fail(result, reason, "%s", text);
}

/* trtexec would notice after the builder's start only, half a minute and gigabytes later. */
static bool readable(const char *path, const char *reason, struct tn_build_result *result)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_error why = { 0 };

    if (tn_file_open(path, &fd, NULL, &why) == TN_OK)
        return true;
    fail_at(result, "spawn", reason, why.text);
    return false;
}

static bool plugin_is_whole(const struct tn_plugin *plugin, struct tn_build_result *result)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_digest digest;
    struct tn_error why = { 0 };
    int rc = tn_file_open(plugin->path, &fd, NULL, &why);

    if (rc == TN_OK)
        rc = tn_digest_fd(fd, &digest, NULL, &why);
    if (rc < 0) {
        fail_at(result, "import", "plugin-missing", why.text);
        return false;
    }
    if (tn_digest_equal(&digest, &plugin->digest))
        return true;
    (void)tn_text_copy(result->stage, sizeof(result->stage), "import");
    tn_hearing_fail(result, "plugin-changed",
                    "plugin library '%s' is not the one that was asked for", plugin->path);
    return false;
}

/* @return whether the files of the request are there; else the result says which is not */
static bool files_are_there(const struct tn_build_request *request, struct tn_build_result *result)
{
    const struct tn_build_options *options = request->options;

    if (!readable(request->model_path, "model-missing", result))
        return false;
    if (options->calibration[0] && request->precision == TN_PRECISION_INT8 &&
        !readable(options->calibration, "no-calibration", result))
        return false;
    for (int i = 0; i < options->plugin_count; i++)
        if (!plugin_is_whole(&options->plugin[i], result))
            return false;
    return true;
}

/* --- one run ----------------------------------------------------------------------------------*/

struct build {
    const struct tn_build_request *request;
    struct tn_child child;
    struct tn_trtexec_command command;
    struct tn_hearing hearing;
    struct tn_trtexec_output output;
    char part[PATH_MAX]; /* what trtexec writes: not whole until it was looked at */
};

static void build_done(struct build *build)
{
    tn_hearing_done(&build->hearing);
    tn_trtexec_command_done(&build->command);
    tn_child_done(&build->child);
    if (build->part[0])
        (void)unlink(build->part);
}

/* A timing cache that trtexec cannot use it overwrites: it is given a copy. */
static int copy_cache(const struct build *build, char **ret_path, struct tn_error *err)
{
    static const char name[] = "timing.cache";
    const char *from = build->request->options->timing_cache;
    tn_auto(tn_buf_done) struct tn_buf bytes = TN_BUF(cache_most);
    int rc;

    if (!from[0])
        return TN_OK;
    rc = tn_file_read(from, &bytes, err);
    if (rc == TN_OK)
        rc = tn_file_replace(build->child.temporary, name, tn_buf_text(&bytes), bytes.size, 0600,
                             err);
    if (rc < 0)
        return tn_while(err, rc, "timing cache");
    *ret_path = tn_path_join(build->child.temporary, name);
    return *ret_path ? TN_OK : tn_fail(err, TN_E_NOMEM, "copy the timing cache");
}

static int make_command(struct build *build, struct tn_error *err)
{
    tn_auto(tn_str_free) char *cache = NULL;
    struct tn_trtexec_files files = { .plan = build->part };
    int rc = copy_cache(build, &cache, err);

    files.timing_cache = cache;
    if (rc == TN_OK)
        rc = tn_trtexec_command_start(&build->command, build->request->toolchain->path, err);
    return rc < 0 ? rc : tn_trtexec_command_fill(&build->command, build->request, &files, err);
}

static void begin_hearing(struct build *build)
{
    const struct tn_toolchain *toolchain = build->request->toolchain;
    const struct tn_build_options *options = build->request->options;
    char text[128];

    tn_trtexec_output_begin(&build->output, &build->hearing, TN_TRTEXEC_BUILDS);
    build->output.needs_calibration =
        build->request->precision == TN_PRECISION_INT8 && !options->calibration[0];
    build->output.needs_cache = options->timing_cache[0] != '\0';
    tn_trtexec_caution(&toolchain->builds.version, text);
    if (text[0])
        tn_hearing_warn(&build->hearing, text);
    if (build->command.note[0])
        tn_hearing_warn(&build->hearing, build->command.note);
}

/* --- the file ---------------------------------------------------------------------------------*/

/* Opens what trtexec wrote, makes it last, and digests it. @return 0, or an error: not a file that
 * can be had */
static int take_file(const char *part, int *ret_fd, struct tn_digest *ret_digest,
                     int64_t *ret_bytes, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    int rc;

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", part);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return tn_fail(err, TN_E_INVALID, "'%s' is empty or no file", part);
    if (fchmod(fd, 0600) < 0 || fsync(fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", part);
    rc = tn_digest_fd(fd, ret_digest, ret_bytes, err);
    if (rc < 0)
        return rc;
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}

static int rename_file(const char *part, const char *output, struct tn_error *err)
{
    char folder[PATH_MAX];
    size_t length = (size_t)(tn_path_base(output) - output);

    if (rename(part, output) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", part, output);
    (void)tn_text_copy_n(folder, sizeof(folder), length > 0 ? output : "./",
                         length > 0 ? length : 2);
    return tn_dir_sync(folder, err);
}

/* PASSED does not mean that the engine is good: its own header must say that it is whole, and of
 * the release that was promised. trtexec's own version is compiled in and not asked of the library.
 * @return NULL, or the class of what is wrong, with words in `err` */
static const char *fault_of(const struct tn_toolchain *toolchain, const struct tn_plan *plan,
                            struct tn_error *err)
{
    const struct tn_version *wanted = &toolchain->builds.version;
    char is[TN_VERSION_TEXT], was[TN_VERSION_TEXT];

    tn_version_print(&plan->version, is);
    tn_version_print(wanted, was);
    if (plan->kind != TN_FILE_ENGINE || plan->complete == 0) {
        (void)tn_fail(err, TN_E_INVALID,
                      "trtexec reported success, but its file is no whole "
                      "engine (%s)",
                      tn_file_kind_name(plan->kind));
        return "no-file";
    }
    if (plan->version.parts > 0 && tn_version_compare(wanted, &plan->version) == 0)
        return NULL;
    (void)tn_fail(err, TN_E_INVALID, "toolchain %s promised TensorRT %s and its plan says '%s'",
                  toolchain->id, was, is);
    return "toolchain-changed";
}

static json_t *answer_done(const struct build *build, const struct tn_plan *plan,
                           const struct tn_digest *digest, int64_t bytes)
{
    char hex[TN_DIGEST_HEX], release[TN_VERSION_TEXT];
    json_t *answer = json_object();

    tn_digest_hex(digest, hex);
    tn_version_print(&plan->version, release);
    tn_json_set(answer, "ok", json_true());
    tn_json_set_str(answer, "stage", "write");
    tn_json_set_str(answer, "release", release);
    tn_json_set_str(answer, "sha256", hex);
    tn_json_set_int(answer, "bytes", bytes);
    tn_json_set(answer, "seconds", tn_trtexec_output_seconds(&build->output));
    return answer;
}

/* @return NULL with the hearing's answer made, or the class of what is wrong, with words in `err`
 */
static const char *take_plan(struct build *build, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    const char *fault = NULL;
    struct tn_digest digest;
    struct tn_plan plan;
    int64_t bytes;
    int rc = take_file(build->part, &fd, &digest, &bytes, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, bytes, &plan, err);
    if (rc < 0)
        return "no-file";
    fault = fault_of(build->request->toolchain, &plan, err);
    if (fault)
        return fault;
    if (rename_file(build->part, build->request->output_path, err) < 0)
        return "write";
    build->hearing.answer = answer_done(build, &plan, &digest, bytes);
    return NULL;
}

/* --- the whole --------------------------------------------------------------------------------*/

static int prepare(struct build *build, struct tn_error *err)
{
    const struct tn_build_request *request = build->request;
    char index[16] = "";
    struct tn_child_setup setup = {
        .toolchain = request->toolchain,
        .output_path = request->output_path,
        .visible_gpu = request->gpu_uuid ? request->gpu_uuid : index,
        .limits = request->limits,
    };
    int rc;

    if (request->device_index >= 0)
        (void)snprintf(index, sizeof(index), "%d", request->device_index);
    if (snprintf(build->part, sizeof(build->part), "%s.part", request->output_path) >= PATH_MAX)
        return tn_fail(err, TN_E_TOOBIG, "path '%s' is too long", request->output_path);
    rc = tn_child_open(&build->child, &setup, err);
    return rc < 0 ? rc : make_command(build, err);
}

static int run(struct build *build, struct tn_build_result *result, struct tn_error *err)
{
    struct tn_proc_result end = { 0 };
    struct tn_error why = { 0 };
    const char *fault = NULL;
    int rc;

    build->child.options.argv = (const char *const *)build->command.argument;
    rc = tn_proc_run(&build->child.options, tn_trtexec_output_line, &build->output, &end, err);
    if (rc == TN_OK && end.stopped && !build->output.spoilt)
        rc = tn_fail(err, TN_E_CANCELLED, "stopped after %.1f s",
                     (double)end.elapsed / (double)TN_NSEC_PER_S);
    if (rc < 0)
        return rc;
    if (tn_trtexec_output_end(&build->output, &end))
        fault = take_plan(build, &why);
    tn_hearing_judge(&build->hearing, &end, result);
    if (fault)
        fail_at(result, "write", fault, why.text);
    if (build->output.version.parts > 0 && result->version.parts == 0)
        result->version = build->output.version;
    return TN_OK;
}

int tn_trtexec_build(const struct tn_build_request *request, struct tn_build_result *ret_result,
                     struct tn_error *err)
{
    tn_auto(build_done) struct build build = { .request = request };
    int rc = tn_trtexec_check(request->toolchain, err);

    if (rc < 0)
        return rc;
    *ret_result = (struct tn_build_result) { .outcome = TN_BUILD_TROUBLE };
    if (!files_are_there(request, ret_result))
        return TN_OK;
    rc = prepare(&build, err);
    if (rc < 0)
        return rc;
    if (build.command.refusal[0]) {
        fail_at(ret_result, "spawn", "option", build.command.refusal);
        return TN_OK;
    }
    rc = tn_hearing_init(&build.hearing, request->log_path, request->progress, request->user, err);
    if (rc < 0)
        return rc;
    begin_hearing(&build);
    rc = run(&build, ret_result, err);
    if (rc < 0 || ret_result->outcome != TN_BUILD_DONE)
        (void)unlink(request->output_path);
    return rc;
}
