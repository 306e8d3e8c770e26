/*
 * Builds with the real TensorRT-RTX: $TENON_RTX_PYTHON is the Python of an environment that has it,
 * onnx and onnxconverter-common (1.7.1.116 when this was written), $TENON_RTX16_PYTHON one of
 * 1.6.1.120, $TENON_TEST_WHEELS a folder with wheels of packages that hold models. What is not
 * there is skipped. Only children that misbehave in ways the real one does not are fakes.
 */
#include "toolchain/toolchain.h"

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "tn_test.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[PATH_MAX]; /* models, plans: made once, removed at the end */
static unsigned outputs;

/* --- fixtures ---------------------------------------------------------------------------------*/

static struct tn_toolchain toolchain_of(const char *variable, uint32_t minor, uint32_t build)
{
    struct tn_toolchain toolchain = { .id = "rtx-under-test", .kind = "python" };
    const char *python = getenv(variable);

    if (!python || !*python)
        skip();
    toolchain.builds.kind = TN_RUNTIME_RTX;
    toolchain.builds.version = tn_version_make(1, minor, 1, build);
    assert_true(tn_text_copy(toolchain.path, sizeof(toolchain.path), python));
    return toolchain;
}

static struct tn_toolchain rtx17(void)
{
    return toolchain_of("TENON_RTX_PYTHON", 7, 116);
}

static struct tn_toolchain rtx16(void)
{
    return toolchain_of("TENON_RTX16_PYTHON", 6, 120);
}

static const char *in_folder(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    assert_true(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
    return path;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A model that make_models.py wrote; skips where it could not. */
static const char *model(const char *name)
{
    const char *path = in_folder(name);

    if (!exists(path))
        skip();
    return path;
}

/* A request with room for what it points at. */
struct job {
    struct tn_toolchain toolchain;
    struct tn_build_options options;
    struct tn_shapes shapes;
    char model[PATH_MAX], output[PATH_MAX];
    struct tn_build_request request;
    struct tn_build_result result;
    struct tn_error err;
};

static void job_init(struct job *job, struct tn_toolchain toolchain, const char *model_name,
                     const char *shapes)
{
    char name[32];

    *job = (struct job) { .toolchain = toolchain };
    job->options.tf32 = true;
    job->options.dla_core = -1;
    job->options.optimization_level = -1;
    (void)tn_text_copy(job->model, sizeof(job->model), model(model_name));
    (void)snprintf(name, sizeof(name), "out%u.plan", ++outputs);
    (void)tn_text_copy(job->output, sizeof(job->output), in_folder(name));
    if (shapes)
        assert_int_equal(tn_shapes_parse(shapes, &job->shapes, &job->err), TN_OK);
    job->request = (struct tn_build_request) {
        .toolchain = &job->toolchain,
        .model_path = job->model,
        .precision = TN_PRECISION_FP32,
        .shapes = &job->shapes,
        .options = &job->options,
        .device_index = -1,
        .output_path = job->output,
        .limits = { .time = 120 * TN_NSEC_PER_S },
    };
}

static void job_done(struct job *job)
{
    tn_shapes_done(&job->shapes);
    tn_build_result_done(&job->result);
}

/* Nothing whose name begins with the output's is there, but perhaps the output itself. */
static void assert_nothing_beside(const char *output)
{
    const char *base = tn_path_base(output);
    DIR *dir = opendir(folder);
    const struct dirent *at;

    assert_non_null(dir);
    while ((at = readdir(dir)) != NULL)
        if (tn_text_starts(at->d_name, base) && strcmp(at->d_name, base) != 0)
            fail_msg("left behind: %s", at->d_name);
    (void)closedir(dir);
}

static void run(struct job *job)
{
    if (tn_toolchain_build(&job->request, &job->result, &job->err) != TN_OK)
        fail_msg("%s", job->err.text);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_nothing_beside(job->output);
    assert_int_equal(exists(job->output), job->result.outcome == TN_BUILD_DONE);
}

static void run_well(struct job *job)
{
    run(job);
    if (job->result.outcome != TN_BUILD_DONE)
        fail_msg("%s: %s: %s", job->result.stage, job->result.reason, job->result.first_line);
}

static void assert_ended(const struct job *job, enum tn_build_outcome outcome, const char *stage,
                         const char *reason, const char *words)
{
    const struct tn_build_result *result = &job->result;

    if (result->outcome != outcome || strcmp(result->stage, stage) != 0 ||
        strcmp(result->reason, reason) != 0 || !strstr(result->first_line, words))
        fail_msg("outcome %d, stage '%s', reason '%s', line '%s'; wanted %d, '%s', '%s', '%s'",
                 (int)result->outcome, result->stage, result->reason, result->first_line,
                 (int)outcome, stage, reason, words);
}

/* One failing build. */
static void assert_fails(struct tn_toolchain toolchain, const char *model_name, const char *shapes,
                         enum tn_build_outcome outcome, const char *stage, const char *reason,
                         const char *words)
{
    struct job job;

    job_init(&job, toolchain, model_name, shapes);
    run(&job);
    assert_ended(&job, outcome, stage, reason, words);
    job_done(&job);
}

static const char dynamic_shapes[] = "x=1x3x16x16:1x3x32x32:2x3x64x64";

static bool stop_in_a_phase(const struct tn_progress *progress, void *user)
{
    (void)user;
    return *progress->phase == '\0';
}

/* --- builds that work -------------------------------------------------------------------------*/

static bool note_phase(const struct tn_progress *progress, void *user)
{
    struct tn_buf *phases = user;

    assert_true(progress->elapsed >= 0);
    if (*progress->phase)
        tn_buf_addf(phases, "%s\n", progress->phase);
    return true;
}

TEST(toolchain_build__makes_a_whole_plan_and_says_all_about_it)
{
    tn_auto(tn_buf_done) struct tn_buf phases = TN_BUF(1 << 20);
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_digest digest;
    struct stat st;
    unsigned char head[32];
    size_t got;
    struct job job;

    job_init(&job, rtx17(), "dynamic.onnx", dynamic_shapes);
    job.request.progress = note_phase;
    job.request.user = &phases;
    job.request.log_path = in_folder("build.log");
    run_well(&job);

    assert_int_equal(tn_file_open(job.output, &fd, &st, NULL), TN_OK);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, job.result.plan_bytes);
    assert_int_equal(tn_digest_fd(fd, &digest, NULL, NULL), TN_OK);
    assert_true(tn_digest_equal(&digest, &job.result.digest));
    assert_int_equal(tn_file_read_at(fd, 0, head, sizeof(head), &got, NULL), TN_OK);
    assert_memory_equal(head, "vtrt", 4);
    assert_memory_equal(head + 0x18, "\1\7\1\x74", 4);

    assert_true(tn_version_same(&job.result.version, &job.toolchain.builds.version));
    assert_int_equal(json_array_size(job.result.io), 2);
    assert_string_equal(tn_json_str(json_array_get(job.result.io, 0), "name", ""), "x");
    assert_string_equal(tn_json_str(json_array_get(job.result.io, 0), "dtype", ""), "float32");
    assert_int_equal(json_integer_value(json_array_get(
                         json_object_get(json_array_get(job.result.io, 0), "dims"), 0)),
                     -1);
    assert_true(tn_json_bool(json_array_get(job.result.io, 1), "output", false));
    assert_true(job.result.import_seconds > 0 && job.result.build_seconds > 0);
    assert_true(job.result.total_seconds >= job.result.build_seconds);
    assert_true(job.result.peak_rss_bytes > 50 << 20);
    assert_true(exists(in_folder("build.log")));
    job_done(&job);
}

TEST(toolchain_build__says_phases_while_a_real_model_is_built)
{
    tn_auto(tn_buf_done) struct tn_buf phases = TN_BUF(1 << 20);
    struct job job;

    job_init(&job, rtx17(), "ocr_det.onnx", "x=1x3x320x320:1x3x640x640:1x3x960x960");
    job.request.progress = note_phase;
    job.request.user = &phases;
    run_well(&job);
    assert_non_null(strstr(tn_buf_text(&phases), "Building engine > "));
    assert_true(job.result.plan_bytes > 5 << 20);
    job_done(&job);
}

/* --- the traps of a model ---------------------------------------------------------------------*/

TEST(toolchain_build__refuses_an_empty_file_which_the_parser_takes)
{
    assert_fails(rtx17(), "empty.onnx", NULL, TN_BUILD_REFUSED, "parse", "empty-model",
                 "has no bytes");
}

TEST(toolchain_build__refuses_a_git_lfs_pointer)
{
    assert_fails(rtx17(), "lfs.onnx", NULL, TN_BUILD_REFUSED, "parse", "not-onnx",
                 "MODEL_DESERIALIZE_FAILED");
}

TEST(toolchain_build__names_the_operator_that_the_parser_does_not_know)
{
    assert_fails(rtx17(), "fancy.onnx", NULL, TN_BUILD_REFUSED, "parse", "unsupported-operator",
                 "(FancyOp): INVALID_NODE");
}

TEST(toolchain_build__names_the_operator_of_another_release_too)
{
    assert_fails(rtx16(), "fancy.onnx", NULL, TN_BUILD_REFUSED, "parse", "unsupported-operator",
                 "Op type FancyOp is not supported in TensorRT-RTX");
}

TEST(toolchain_build__names_an_operator_of_which_the_log_only_says_false)
{
    assert_fails(rtx17(), "det.onnx", NULL, TN_BUILD_REFUSED, "parse", "unsupported-operator",
                 "node 0 'the_det' (Det): UNSUPPORTED_NODE");
}

TEST(toolchain_build__refuses_string_tensors)
{
    assert_fails(rtx17(), "strings.onnx", NULL, TN_BUILD_REFUSED, "parse", "unsupported-type",
                 "ONNX date type");
}

TEST(toolchain_build__says_that_external_data_is_missing)
{
    assert_fails(rtx17(), "ext-gone.onnx", NULL, TN_BUILD_REFUSED, "parse", "external-data-missing",
                 "ext-gone.data");
}

TEST(toolchain_build__says_that_external_data_is_short)
{
    assert_fails(rtx17(), "ext-short.onnx", NULL, TN_BUILD_REFUSED, "parse", "external-data-short",
                 "out of range");
}

TEST(toolchain_build__survives_the_bus_error_of_1_6_over_short_external_data)
{
    struct job job;

    job_init(&job, rtx16(), "ext-short.onnx", NULL);
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "build", "signal", "died on signal 7 (SIGBUS)");
    assert_int_equal(job.result.signal, SIGBUS);
    job_done(&job);
}

TEST(toolchain_build__builds_with_whole_external_data)
{
    struct job job;

    job_init(&job, rtx17(), "ext-whole.onnx", NULL);
    run_well(&job);
    job_done(&job);
}

TEST(toolchain_build__calls_a_missing_model_trouble)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.request.model_path = "/nonexistent/model.onnx";
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "parse", "model-missing", "/nonexistent/model.onnx");
    job_done(&job);
}

/* --- the traps of a profile -------------------------------------------------------------------*/

TEST(toolchain_build__refuses_a_misspelt_input_which_the_library_takes)
{
    assert_fails(rtx17(), "dynamic.onnx", "X=1x3x32x32", TN_BUILD_REFUSED, "profile", "bad-profile",
                 "no input 'X'; it has 'x'");
}

TEST(toolchain_build__refuses_a_dynamic_input_without_a_range)
{
    assert_fails(rtx17(), "dynamic.onnx", NULL, TN_BUILD_REFUSED, "build", "no-profile",
                 "no optimization profile has been defined");
}

TEST(toolchain_build__refuses_another_rank)
{
    assert_fails(rtx17(), "dynamic.onnx", "x=1x3x32", TN_BUILD_REFUSED, "build", "bad-profile",
                 "has 4 dimensions but profile 0 has 3");
}

TEST(toolchain_build__refuses_another_size_of_a_fixed_axis)
{
    assert_fails(rtx17(), "dynamic.onnx", "x=1x5x32x32", TN_BUILD_REFUSED, "build", "bad-profile",
                 "Dimension mismatch for tensor x");
}

/* tn_shapes_add() refuses it; the worker must notice the -1 all the same. */
TEST(toolchain_build__refuses_min_above_max)
{
    struct job job;

    job_init(&job, rtx17(), "dynamic.onnx", dynamic_shapes);
    job.shapes.range[0].min.dim[3] = 1000;
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "profile", "bad-profile", "MIN<=OPT<=MAX");
    job_done(&job);
}

/* --- options ----------------------------------------------------------------------------------*/

TEST(toolchain_build__builds_with_options)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.options.tf32 = false;
    job.options.workspace_bytes = 64 << 20;
    job.options.optimization_level = 1;
    job.options.flag_count = 1;
    (void)tn_text_copy(job.options.flag[0], sizeof(job.options.flag[0]), "STRICT_NANS");
    job.options.cc_count = 2;
    job.options.cc[0] = 86;
    job.options.cc[1] = 120;
    run_well(&job);
    job_done(&job);
}

TEST(toolchain_build__refuses_a_flag_that_the_release_lacks)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.options.flag_count = 1;
    (void)tn_text_copy(job.options.flag[0], sizeof(job.options.flag[0]), "FP16");
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "config", "option", "no builder flag FP16; it has DEBUG");
    job_done(&job);
}

TEST(toolchain_build__refuses_a_compute_capability_that_does_not_exist)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.options.cc_count = 1;
    job.options.cc[0] = 90;
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "config", "compute-capability", "cannot build for SM90");
    assert_non_null(strstr(job.result.first_line, "SM121"));
    job_done(&job);
}

TEST(toolchain_build__refuses_what_a_compute_capability_cannot_do)
{
    struct job job;

    job_init(&job, rtx17(), "matmul.onnx", NULL);
    job.options.cc_count = 1;
    job.options.cc[0] = 75;
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "build", "precision-unsupported", "Turing (SM75)");
    job_done(&job);
}

TEST(toolchain_build__refuses_hardware_compatibility_on_rtx_which_ignores_it)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.options.hw_compat = TN_HW_COMPAT_AMPERE_PLUS;
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "config", "option", "hardware compatibility");
    job_done(&job);
}

TEST(toolchain_build__refuses_a_workspace_of_one_kilobyte)
{
    struct job job;

    job_init(&job, rtx17(), "ocr_det.onnx", "x=1x3x320x320:1x3x640x640:1x3x960x960");
    job.options.workspace_bytes = 1024;
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "build", "workspace", "within workspace limit");
    job_done(&job);
}

TEST(toolchain_build__refuses_a_plugin_that_is_not_the_one_asked_for)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.options.plugin_count = 1;
    (void)tn_text_copy(job.options.plugin[0].path, sizeof(job.options.plugin[0].path),
                       "/etc/passwd");
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "import", "plugin-changed", "/etc/passwd");
    job_done(&job);
}

/* --- limits -----------------------------------------------------------------------------------*/

TEST(toolchain_build__ends_at_its_deadline_and_says_in_which_phase)
{
    struct job job;

    job_init(&job, rtx17(), "densenet.onnx", NULL);
    job.request.limits.time = 1500 * TN_NSEC_PER_MS;
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "build", "timeout", "in stage build, Building engine");
    assert_true(job.result.total_seconds < 10);
    job_done(&job);
}

TEST(toolchain_build__calls_an_abort_under_a_memory_limit_by_its_name)
{
    struct job job;

    job_init(&job, rtx17(), "ocr_det.onnx", "x=1x3x320x320:1x3x640x640:1x3x960x960");
    job.request.limits.memory_bytes = INT64_C(400) << 20;
    run(&job);
    assert_int_equal(job.result.outcome, TN_BUILD_TROUBLE);
    if (strcmp(job.result.reason, "memory-limit") != 0 &&
        strcmp(job.result.reason, "no-memory") != 0 && strcmp(job.result.reason, "signal") != 0)
        fail_msg("%s: %s", job.result.reason, job.result.first_line);
    job_done(&job);
}

TEST(toolchain_build__leaves_nothing_when_the_file_may_not_grow)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.request.limits.disk_bytes = 4096;
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "write", "file-limit", "File too large");
    job_done(&job);
}

TEST(toolchain_build__is_cancelled_by_its_caller)
{
    struct job job;
    struct tn_error err = { 0 };

    job_init(&job, rtx17(), "densenet.onnx", NULL);
    job.request.progress = stop_in_a_phase;
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &err), TN_E_CANCELLED);
    assert_false(exists(job.output));
    assert_nothing_beside(job.output);
    job_done(&job);
}

TEST(toolchain_build__notices_that_the_toolchain_is_of_another_release)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.toolchain.builds.version = tn_version_make(1, 7, 1, 117);
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "import", "toolchain-changed", "1.7.1.116");
    job_done(&job);
}

/* --- requests that make no sense --------------------------------------------------------------*/

TEST(toolchain_build__refuses_to_overwrite_and_to_drive_trtexec)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    job.request.output_path = job.model;
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_USAGE);
    assert_true(exists(job.model));
    job.request.output_path = job.output;
    (void)tn_text_copy(job.toolchain.kind, sizeof(job.toolchain.kind), "trtexec");
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_UNSUPPORTED);
    assert_non_null(strstr(job.err.text, "trtexec"));
    job_done(&job);
}

TEST(toolchain_build__does_not_start_an_interpreter_that_others_may_change)
{
    struct job job;

    job_init(&job, rtx17(), "static.onnx", NULL);
    assert_int_equal(symlink(job.toolchain.path, in_folder("python")), 0);
    (void)tn_text_copy(job.toolchain.path, sizeof(job.toolchain.path), in_folder("python"));
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_UNTRUSTED);
    assert_int_equal(chmod(folder, 0700), 0);
    (void)tn_text_copy(job.toolchain.path, sizeof(job.toolchain.path), "/nonexistent/bin/python");
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_NOTFOUND);
    assert_nothing_beside(job.output);
    job_done(&job);
}

TEST(toolchain__knows_where_precision_comes_from)
{
    struct tn_toolchain toolchain = { .builds = { .kind = TN_RUNTIME_TRT } };

    toolchain.builds.version = tn_version_make(10, 15, 1, 29);
    assert_true(tn_toolchain_precision_by_flag(&toolchain));
    toolchain.builds.version = tn_version_make(11, 0, 0, 114);
    assert_false(tn_toolchain_precision_by_flag(&toolchain));
    toolchain.builds.kind = TN_RUNTIME_RTX;
    toolchain.builds.version = tn_version_make(1, 7, 1, 116);
    assert_false(tn_toolchain_precision_by_flag(&toolchain));
}

/* --- converting -------------------------------------------------------------------------------*/

static int convert(struct job *job)
{
    return tn_toolchain_convert(&job->toolchain, TN_PRECISION_FP16, job->model, job->output,
                                &job->request.limits, NULL, NULL, &job->result, &job->err);
}

TEST(toolchain_convert__derives_fp16_that_builds)
{
    struct job half, job;

    job_init(&half, rtx17(), "ocr_det.onnx", NULL);
    if (convert(&half) != TN_OK)
        fail_msg("%s", half.err.text);
    if (half.result.outcome != TN_BUILD_DONE)
        fail_msg("%s: %s", half.result.reason, half.result.first_line);
    assert_nothing_beside(half.output);
    assert_true(half.result.plan_bytes < 3 << 20); /* 4.7 MB before */

    job_init(&job, rtx17(), "ocr_det.onnx", "x=1x3x320x320:1x3x640x640:1x3x960x960");
    job.request.model_path = half.output;
    job.request.precision = TN_PRECISION_FP16;
    run_well(&job);
    assert_string_equal(tn_json_str(json_array_get(job.result.io, 0), "dtype", ""), "float32");
    assert_true(job.result.plan_bytes < 9 << 20);
    job_done(&job);
    job_done(&half);
}

TEST(toolchain_convert__magika_falls_at_the_parser_with_its_line)
{
    struct job half, job;

    job_init(&half, rtx17(), "magika.onnx", NULL);
    if (convert(&half) != TN_OK || half.result.outcome != TN_BUILD_DONE)
        fail_msg("%s %s", half.err.text, half.result.first_line);
    job_init(&job, rtx17(), "magika.onnx", "bytes=1x2048:8x2048:64x2048");
    job.request.model_path = half.output;
    job.request.precision = TN_PRECISION_FP16;
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "parse", "mixed-types", "must have same input types");
    job_done(&job);
    job_done(&half);
}

TEST(toolchain_convert__says_why_a_file_cannot_be_converted)
{
    struct job job;

    job_init(&job, rtx17(), "lfs.onnx", NULL);
    assert_int_equal(convert(&job), TN_OK);
    assert_ended(&job, TN_BUILD_REFUSED, "parse", "not-onnx", "lfs.onnx");
    assert_false(exists(job.output));
    assert_nothing_beside(job.output);
    job_done(&job);
}

TEST(toolchain_converter__is_read_from_package_records)
{
    struct tn_toolchain toolchain = rtx17();
    char name[TN_CONVERTER_MAX] = "";
    struct tn_error err = { 0 };

    assert_int_equal(tn_toolchain_converter(&toolchain, TN_PRECISION_FP16, name, &err), TN_OK);
    assert_string_equal(name, "onnxconverter-common 1.16.0 float16 keep_io_types=True");
    assert_int_equal(tn_toolchain_converter(&toolchain, TN_PRECISION_INT8, name, &err),
                     TN_E_UNSUPPORTED);
    toolchain = rtx16();
    assert_int_equal(tn_toolchain_converter(&toolchain, TN_PRECISION_FP16, name, &err),
                     TN_E_NOTFOUND);
    assert_non_null(strstr(err.text, "pip install onnxconverter-common"));
}

/* --- the group --------------------------------------------------------------------------------*/

static void run_or_die(const char *const *argv)
{
    const char *const environment[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL };
    struct tn_proc_options options = { .argv = argv, .environment = environment };
    struct tn_proc_result result;
    struct tn_error err = { 0 };

    if (tn_proc_run(&options, NULL, NULL, &result, &err) != TN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(result.exit_status, 0);
}

static int make_folder(void **state)
{
    char script[PATH_MAX];
    const char *python = getenv("TENON_RTX_PYTHON"), *wheels = getenv("TENON_TEST_WHEELS");
    const char *argv[] = { python, "-I", "-B", script, folder, wheels, NULL };
    (void)state;

    (void)snprintf(folder, sizeof(folder), "%s/tn-toolchain-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(script, sizeof(script), "%s/tests/unit/toolchain/make_models.py",
                   getenv("TENON_SOURCE_ROOT"));
    if (python && *python)
        run_or_die(argv);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(toolchain_build__makes_a_whole_plan_and_says_all_about_it),
        cmocka_unit_test(toolchain_build__says_phases_while_a_real_model_is_built),
        cmocka_unit_test(toolchain_build__refuses_an_empty_file_which_the_parser_takes),
        cmocka_unit_test(toolchain_build__refuses_a_git_lfs_pointer),
        cmocka_unit_test(toolchain_build__names_the_operator_that_the_parser_does_not_know),
        cmocka_unit_test(toolchain_build__names_the_operator_of_another_release_too),
        cmocka_unit_test(toolchain_build__names_an_operator_of_which_the_log_only_says_false),
        cmocka_unit_test(toolchain_build__refuses_string_tensors),
        cmocka_unit_test(toolchain_build__says_that_external_data_is_missing),
        cmocka_unit_test(toolchain_build__says_that_external_data_is_short),
        cmocka_unit_test(toolchain_build__survives_the_bus_error_of_1_6_over_short_external_data),
        cmocka_unit_test(toolchain_build__builds_with_whole_external_data),
        cmocka_unit_test(toolchain_build__calls_a_missing_model_trouble),
        cmocka_unit_test(toolchain_build__refuses_a_misspelt_input_which_the_library_takes),
        cmocka_unit_test(toolchain_build__refuses_a_dynamic_input_without_a_range),
        cmocka_unit_test(toolchain_build__refuses_another_rank),
        cmocka_unit_test(toolchain_build__refuses_another_size_of_a_fixed_axis),
        cmocka_unit_test(toolchain_build__refuses_min_above_max),
        cmocka_unit_test(toolchain_build__builds_with_options),
        cmocka_unit_test(toolchain_build__refuses_a_flag_that_the_release_lacks),
        cmocka_unit_test(toolchain_build__refuses_a_compute_capability_that_does_not_exist),
        cmocka_unit_test(toolchain_build__refuses_what_a_compute_capability_cannot_do),
        cmocka_unit_test(toolchain_build__refuses_hardware_compatibility_on_rtx_which_ignores_it),
        cmocka_unit_test(toolchain_build__refuses_a_workspace_of_one_kilobyte),
        cmocka_unit_test(toolchain_build__refuses_a_plugin_that_is_not_the_one_asked_for),
        cmocka_unit_test(toolchain_build__ends_at_its_deadline_and_says_in_which_phase),
        cmocka_unit_test(toolchain_build__calls_an_abort_under_a_memory_limit_by_its_name),
        cmocka_unit_test(toolchain_build__leaves_nothing_when_the_file_may_not_grow),
        cmocka_unit_test(toolchain_build__is_cancelled_by_its_caller),
        cmocka_unit_test(toolchain_build__notices_that_the_toolchain_is_of_another_release),
        cmocka_unit_test(toolchain_build__refuses_to_overwrite_and_to_drive_trtexec),
        cmocka_unit_test(toolchain_build__does_not_start_an_interpreter_that_others_may_change),
        cmocka_unit_test(toolchain__knows_where_precision_comes_from),
        cmocka_unit_test(toolchain_convert__derives_fp16_that_builds),
        cmocka_unit_test(toolchain_convert__magika_falls_at_the_parser_with_its_line),
        cmocka_unit_test(toolchain_convert__says_why_a_file_cannot_be_converted),
        cmocka_unit_test(toolchain_converter__is_read_from_package_records),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
