/*
 * Builds with the real TensorRT-RTX: $TENON_RTX_PYTHON is the Python of an environment that has it,
 * onnx and onnxconverter-common (1.7.1.116 when this was written), $TENON_RTX16_PYTHON one of
 * 1.6.1.120, $TENON_MODELS the folder of packages that hold models, as tools/test makes it. What is
 * not there is skipped. Only children that misbehave in ways the real one does not are fakes.
 */
#include "toolchain/toolchain.h"

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "tn_test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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

/* 1.6 reads on behind the end of the file: what lies there decides whether it dies, and of what. */
TEST(toolchain_build__survives_what_1_6_reads_behind_short_external_data)
{
    struct job job;

    job_init(&job, rtx16(), "ext-short.onnx", NULL);
    run(&job);
    if (job.result.outcome == TN_BUILD_DONE)
        skip(); /* of whatever lay there: the preflight of a build never lets it come so far */
    assert_ended(&job, TN_BUILD_TROUBLE, "build", "signal", "died on signal ");
    assert_true(job.result.signal == SIGBUS || job.result.signal == SIGSEGV);
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
    /* How far it comes in that time is the machine's affair. */
    assert_ended(&job, TN_BUILD_TROUBLE, job.result.stage, "timeout", "no end after 1.");
    assert_true(job.result.total_seconds < 10);
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

/* --- the child's world ------------------------------------------------------------------------*/

TEST(toolchain_build__names_what_ran_out_under_every_memory_limit)
{
    static const char *const expected[] = { "memory-limit", "no-memory", "library-missing",
                                            "signal" };

    for (int64_t mib = 320; mib <= 400; mib += 10) {
        struct job job;
        bool known = false;

        job_init(&job, rtx17(), "ocr_det.onnx", "x=1x3x320x320:1x3x640x640:1x3x960x960");
        job.request.limits.memory_bytes = mib << 20;
        run(&job);
        for (size_t i = 0; i < TN_COUNT(expected); i++)
            known |= strcmp(job.result.reason, expected[i]) == 0;
        if (job.result.outcome != TN_BUILD_TROUBLE || !known)
            fail_msg("%lld MiB: outcome %d, %s: %s", (long long)mib, (int)job.result.outcome,
                     job.result.reason, job.result.first_line);
        if (job.result.signal == SIGABRT)
            assert_string_equal(job.result.reason, "memory-limit");
        job_done(&job);
    }
}

/* In a copy of this process with a file system of its own, which goes when it ends. */
static int build_on_a_full_disk(void)
{
    struct job job;
    char small[PATH_MAX];

    job_init(&job, rtx17(), "static.onnx", NULL);
    (void)tn_text_copy(small, sizeof(small), in_folder("small"));
    if (mkdir(small, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", small, "tmpfs", 0, "size=64k,mode=0700") < 0)
        return 77;
    (void)tn_text_copy(job.output, sizeof(job.output), in_folder("small/out.plan"));
    if (tn_toolchain_build(&job.request, &job.result, &job.err) != TN_OK ||
        job.result.outcome != TN_BUILD_TROUBLE || strcmp(job.result.stage, "write") != 0 ||
        strcmp(job.result.reason, "no-space") != 0) {
        print_error("%s: %s: %s %s\n", job.result.stage, job.result.reason, job.result.first_line,
                    job.err.text);
        return 1;
    }
    return rmdir(small) < 0 && errno == EBUSY && !exists(job.output) &&
                   !exists(in_folder("small/out.plan.part"))
               ? 0
               : 2;
}

TEST(toolchain_build__leaves_nothing_when_the_disk_is_full)
{
    int status = 0;
    pid_t pid;

    (void)rtx17();
    pid = fork();
    if (pid == 0)
        _exit(build_on_a_full_disk());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* not root, or a container without mounts */
    assert_int_equal(status, 0);
}

static pid_t child_of(pid_t pid)
{
    char path[64], text[32] = "";

    (void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    for (int i = 0; i < 500 && !text[0]; i++) {
        FILE *file = fopen(path, "re");

        assert_non_null(file);
        (void)!fread(text, 1, sizeof(text) - 1, file);
        (void)fclose(file);
        (void)usleep(10000);
    }
    return (pid_t)strtol(text, NULL, 10);
}

/* Ended, be it as a zombie that is not ours, within a second. */
static void assert_gone_within_a_second(pid_t pid)
{
    char path[64], text[256];

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    for (int i = 0; i < 100; i++) {
        FILE *file = fopen(path, "re");
        size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

        if (file)
            (void)fclose(file);
        text[size] = '\0';
        if (size == 0 || strstr(text, ") Z "))
            return;
        (void)usleep(10000);
    }
    fail_msg("process %ld still lives", (long)pid);
}

static bool tell_of_phase(const struct tn_progress *progress, void *user)
{
    if (*progress->phase)
        (void)!write(*(int *)user, "p", 1);
    return true;
}

TEST(toolchain_build__worker_is_gone_a_second_after_its_parent_was_killed)
{
    struct job job;
    int fds[2];
    char byte;
    pid_t pid, worker;

    job_init(&job, rtx17(), "densenet.onnx", NULL);
    job.request.progress = tell_of_phase;
    job.request.user = &fds[1];
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0)
        _exit(tn_toolchain_build(&job.request, &job.result, &job.err) != TN_OK);
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1); /* it builds now */
    worker = child_of(pid);
    assert_true(worker > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_gone_within_a_second(worker);
    (void)close(fds[0]);

    /* What may be left is the empty folder beside the output, which its owner sweeps. */
    (void)strncat(job.output, ".tmp", sizeof(job.output) - strlen(job.output) - 1);
    assert_int_equal(rmdir(job.output), 0);
    job.output[strlen(job.output) - 4] = '\0';
    assert_false(exists(job.output));
    assert_nothing_beside(job.output);
    job_done(&job);
}

TEST(toolchain_build__works_where_sigchld_is_ignored)
{
    struct job job;
    void (*before)(int);

    job_init(&job, rtx17(), "static.onnx", NULL);
    before = signal(SIGCHLD, SIG_IGN);
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_OK);
    (void)signal(SIGCHLD, before);
    assert_int_equal(job.result.outcome, TN_BUILD_DONE);
    job_done(&job);
}

static void *build_one(void *user)
{
    struct job *job = user;

    (void)tn_toolchain_build(&job->request, &job->result, &job->err);
    return NULL;
}

TEST(toolchain_build__runs_in_two_threads_at_once)
{
    struct job job[2];
    pthread_t thread[2];

    for (int i = 0; i < 2; i++)
        job_init(&job[i], rtx17(), "static.onnx", NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, build_one, &job[i]), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(job[i].err.code, TN_OK);
        assert_int_equal(job[i].result.outcome, TN_BUILD_DONE);
        job_done(&job[i]);
    }
}

struct heard {
    const struct tn_log_class *row;
};

static bool hear_worker(enum tn_stream stream, const char *line, size_t length, void *user)
{
    struct heard *heard = user;
    (void)length;

    if (stream != TN_STREAM_OUT)
        return true;
    if (strstr(line, "\"severity\": \"E\"") && !heard->row)
        heard->row = tn_log_classify(line);
    return true;
}

/* A recipe cannot ask for "the GPU here", so the worker is asked itself. */
TEST(worker__current_compute_capability_without_a_gpu_needs_a_gpu)
{
    struct tn_toolchain toolchain = rtx17();
    char worker[PATH_MAX], input[4 * PATH_MAX];
    const char *argv[] = { toolchain.path, "-I", "-B", worker, NULL };
    const char *const environment[] = { "PATH=/usr/bin:/bin", "CUDA_VISIBLE_DEVICES=", NULL };
    struct tn_proc_options options = {
        .argv = argv, .environment = environment, .input = input, .time_limit = 60 * TN_NSEC_PER_S
    };
    struct tn_proc_result result;
    struct heard heard = { 0 };

    (void)snprintf(worker, sizeof(worker), "%s/workers/tenon_worker.py",
                   getenv("TENON_SOURCE_ROOT"));
    (void)snprintf(input, sizeof(input),
                   "{\"op\":\"build\",\"flavor\":\"tensorrt-rtx\",\"precision\":\"fp32\","
                   "\"modules\":[\"tensorrt_rtx_bindings\"],\"options\":{\"ccs\":[\"CURRENT\"]},"
                   "\"model\":\"%s\",\"output\":\"%s\"}\n",
                   model("static.onnx"), in_folder("current.plan"));
    assert_int_equal(tn_proc_run(&options, hear_worker, &heard, &result, NULL), TN_OK);
    assert_false(result.timed_out);
    if (result.exit_status == 0)
        skip(); /* there is a GPU here */
    assert_false(exists(in_folder("current.plan")));
    assert_non_null(heard.row);
    assert_string_equal(heard.row->name, "needs-gpu");
}

/* --- children that misbehave ------------------------------------------------------------------*/

/* A build by a fake worker; any Python will do. */
static void run_fake_for(struct job *job, tn_nsec time, const char *script)
{
    static const char model_name[] = "fake.onnx";
    struct tn_toolchain toolchain = { .id = "fake",
                                      .kind = "python",
                                      .builds = { .kind = TN_RUNTIME_RTX } };
    FILE *file = fopen(in_folder("tenon_worker.py"), "we");
    FILE *empty = fopen(in_folder(model_name), "we");

    assert_non_null(file);
    assert_non_null(empty);
    assert_true(fputs(script, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(fclose(empty), 0);
    (void)tn_text_copy(toolchain.path, sizeof(toolchain.path), "/usr/bin/python3");
    job_init(job, toolchain, model_name, NULL);
    job->request.limits.time = time;
    assert_int_equal(setenv("TENON_LIBEXEC", folder, 1), 0);
    run(job);
    assert_int_equal(unsetenv("TENON_LIBEXEC"), 0);
}

static void run_fake(struct job *job, const char *script)
{
    run_fake_for(job, 60 * TN_NSEC_PER_S, script);
}

static void assert_fake_ends(const char *script, const char *stage, const char *reason,
                             const char *words)
{
    struct job job;

    run_fake(&job, script);
    assert_ended(&job, TN_BUILD_TROUBLE, stage, reason, words);
    job_done(&job);
}

TEST(toolchain_build__ends_a_worker_that_hangs)
{
    struct job job;

    run_fake_for(&job, TN_NSEC_PER_S,
                 "import os, signal, time\n"
                 "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                 "open(os.environ['TMPDIR'] + '/left', 'w').write('x')\n"
                 "time.sleep(600)\n");
    assert_ended(&job, TN_BUILD_TROUBLE, "spawn", "timeout", "in stage spawn");
    assert_true(job.result.total_seconds < 10);
    job_done(&job);
}

TEST(toolchain_build__ends_a_worker_that_floods)
{
    assert_fake_ends("while True: print('x' * 60000)\n", "spawn", "flooded", "more than");
}

TEST(toolchain_build__takes_no_garbage_for_a_result)
{
    assert_fake_ends("import os\n"
                     "os.write(1, b'\\x00\\xff\\x1b[31m{]\\n\\n[1,2]\\n\"x\"\\n{\"type\":3}\\n')\n"
                     "os.write(1, b'{\"type\":\"result\",\"ok\":true} trailing\\n')\n"
                     "os.write(1, b'{\"type\":\"result\",\"ok\":1,\"ok\":true}\\n')\n"
                     "os.write(1, b'[' * 60000 + b'\\n')\n"
                     "os.write(1, b'{\"type\":\"io\",\"name\":7}\\n')\n"
                     "os.write(1, b'{\"type\":\"log\",\"severity\":{},\"text\":null}')\n",
                     "spawn", "no-result", "exited with status 0 without a result");
}

TEST(toolchain_build__does_not_believe_a_result_without_a_file)
{
    assert_fake_ends("print('{\"type\":\"result\",\"ok\":true,\"bytes\":10,\"stage\":\"write\",'\n"
                     "      '\"sha256\":\"' + '0' * 64 + '\"}')\n",
                     "write", "no-file", "is not there");
    assert_fake_ends("import json\nr = json.loads(input())\n"
                     "open(r['output'], 'w').write('plan')\n"
                     "print('{\"type\":\"result\",\"ok\":true,\"bytes\":10,\"stage\":\"write\",'\n"
                     "      '\"sha256\":\"' + '0' * 64 + '\"}')\n",
                     "write", "no-file", "something else");
    assert_fake_ends("import json\nr = json.loads(input())\n"
                     "open(r['output'] + '.part', 'w').write('plan')\n"
                     "print('{\"type\":\"result\",\"ok\":true,\"bytes\":-4,\"sha256\":5}')\n",
                     "spawn", "no-result", "no SHA-256");
}

TEST(toolchain_build__says_of_which_signal_a_worker_died)
{
    assert_fake_ends("import os, sys\n"
                     "print(\"terminate called after throwing an instance of 'std::bad_alloc'\",\n"
                     "      file=sys.stderr, flush=True)\nos.abort()\n",
                     "spawn", "memory-limit", "(died on signal 6, SIGABRT)");
    assert_fake_ends("print('{\"type\":\"stage\",\"stage\":\"build\"}', flush=True)\n"
                     "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
                     "build", "signal", "died on signal 11 (SIGSEGV)");
    assert_fake_ends("import os\nos.kill(os.getpid(), 9)\n", "spawn", "signal", "SIGKILL");
}

TEST(toolchain_build__shows_the_line_that_tells_without_what_a_terminal_obeys)
{
    struct job job;

    run_fake(&job,
             "import json\n"
             "def say(**line): print(json.dumps(line))\n"
             "say(type='log', severity='E', text='first, but no row knows it')\n"
             "say(type='log', severity='E', text='[checkMacros.cpp::catchCudaError::229]')\n"
             "say(type='log', severity='E',\n"
             "    text='Error Code 4:\\n  \\x1b[2Jno optimization profile has been defined')\n"
             "say(type='log', severity='W', text='beware')\n"
             "say(type='result', ok=False, stage='build', **{'class': None})\n");
    assert_ended(&job, TN_BUILD_REFUSED, "build", "no-profile",
                 "Error Code 4: \\x1b[2Jno optimization profile");
    assert_true(job.result.cure[0] != '\0');
    assert_int_equal(json_array_size(job.result.warnings), 1);
    job_done(&job);
}

TEST(toolchain_build__shows_the_child_little_of_our_environment)
{
    struct job job;

    assert_int_equal(setenv("SECRET_TOKEN", "hush", 1), 0);
    run_fake(&job, "import json, os\n"
                   "e = ' '.join(sorted(k for k in os.environ if k != 'LC_CTYPE'))\n"
                   "e += ' <%s>' % os.environ['CUDA_VISIBLE_DEVICES']\n"
                   "e += str(os.path.isdir(os.environ['TMPDIR']))\n"
                   "print(json.dumps(dict(type='result', ok=False, stage='build', text=e)))\n");
    assert_int_equal(unsetenv("SECRET_TOKEN"), 0);
    assert_string_equal(job.result.first_line,
                        "CUDA_DEVICE_ORDER CUDA_VISIBLE_DEVICES HOME LANG PATH TMPDIR <>True");
    job_done(&job);
}

TEST(toolchain_build__needs_a_worker_that_nobody_else_may_change)
{
    struct job job;

    run_fake(&job, "");
    assert_int_equal(setenv("TENON_LIBEXEC", folder, 1), 0);
    assert_int_equal(chmod(in_folder("tenon_worker.py"), 0666), 0);
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_UNTRUSTED);
    assert_int_equal(unlink(in_folder("tenon_worker.py")), 0);
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_NOTFOUND);
    assert_int_equal(unsetenv("TENON_LIBEXEC"), 0);
    job_done(&job);
}

/* JetPack 4 has Python 3.6: $TENON_PYTHON36. It has no TensorRT here, but must get that far. */
TEST(toolchain_build__worker_runs_on_python_3_6)
{
    struct tn_toolchain toolchain = toolchain_of("TENON_PYTHON36", 7, 116);
    struct job job;

    job_init(&job, toolchain, "static.onnx", NULL);
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "import", "module-missing", "no module tensorrt_rtx");
    job_done(&job);
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
    const char *python = getenv("TENON_RTX_PYTHON"), *models = getenv("TENON_MODELS");
    const char *argv[] = { python, "-I", "-B", script, folder, models, NULL };
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
        cmocka_unit_test(toolchain_build__survives_what_1_6_reads_behind_short_external_data),
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
        cmocka_unit_test(toolchain_build__names_what_ran_out_under_every_memory_limit),
        cmocka_unit_test(toolchain_build__leaves_nothing_when_the_disk_is_full),
        cmocka_unit_test(toolchain_build__worker_is_gone_a_second_after_its_parent_was_killed),
        cmocka_unit_test(toolchain_build__works_where_sigchld_is_ignored),
        cmocka_unit_test(toolchain_build__runs_in_two_threads_at_once),
        cmocka_unit_test(worker__current_compute_capability_without_a_gpu_needs_a_gpu),
        cmocka_unit_test(toolchain_build__ends_a_worker_that_hangs),
        cmocka_unit_test(toolchain_build__ends_a_worker_that_floods),
        cmocka_unit_test(toolchain_build__takes_no_garbage_for_a_result),
        cmocka_unit_test(toolchain_build__does_not_believe_a_result_without_a_file),
        cmocka_unit_test(toolchain_build__says_of_which_signal_a_worker_died),
        cmocka_unit_test(toolchain_build__shows_the_line_that_tells_without_what_a_terminal_obeys),
        cmocka_unit_test(toolchain_build__shows_the_child_little_of_our_environment),
        cmocka_unit_test(toolchain_build__needs_a_worker_that_nobody_else_may_change),
        cmocka_unit_test(toolchain_build__worker_runs_on_python_3_6),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
