/*
 * trtexec: its output (every real transcript of $TENON_TEST_FACTS/trtexec, where that folder is),
 * and builds with a stand-in that has its own idea of what each release knows.
 */
#include "toolchain/trtexec.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "standin.h"
#include "tn_test.h"
#include "toolchain/toolchain.h"
#include "toolchain/trtexec_command.h"
#include "toolchain/trtexec_output.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned outputs;

/* --- transcripts ------------------------------------------------------------------------------*/

struct heard {
    struct tn_hearing hearing;
    struct tn_trtexec_output output;
    struct tn_build_result result;
    bool passed;
};

static void hear_begin(struct heard *heard, enum tn_trtexec_work work)
{
    *heard = (struct heard) { .passed = false };
    assert_int_equal(tn_hearing_init(&heard->hearing, NULL, NULL, NULL, NULL), TN_OK);
    tn_trtexec_output_begin(&heard->output, &heard->hearing, work);
}

static void hear_end(struct heard *heard, const struct tn_proc_result *end)
{
    heard->passed = tn_trtexec_output_end(&heard->output, end);
    tn_hearing_judge(&heard->hearing, end, &heard->result);
}

static void hear_done(struct heard *heard)
{
    tn_build_result_done(&heard->result);
    tn_hearing_done(&heard->hearing);
}

/* Lines of a transcript: seconds, 'o' or 'e', text; "<<<" marks a cut. Splits `text`. */
static void hear_transcript(struct heard *heard, char *text)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strlen(line) < 12 || tn_text_starts(line, "<<<"))
            continue;
        (void)tn_trtexec_output_line(line[10] == 'o' ? TN_STREAM_OUT : TN_STREAM_ERR, line + 12,
                                     strlen(line + 12), &heard->output);
    }
}

static struct tn_proc_result end_of(const char *word)
{
    static const char killed[] = "signal ";
    struct tn_proc_result end = { .exit_status = -1 };

    if (tn_text_starts(word, killed))
        end.signal = (int)strtol(word + sizeof(killed) - 1, NULL, 10);
    else
        end.exit_status = (int)strtol(word, NULL, 10);
    return end;
}

/* What the transcript's own last line says, found apart from the code under test. */
static enum tn_trtexec_word last_word(const char *text)
{
    bool passed = strstr(text, " o &&&& PASSED ") != NULL;
    bool failed = strstr(text, " o &&&& FAILED ") != NULL;

    assert_false(passed && failed);
    return passed ? TN_TRTEXEC_PASSED : failed ? TN_TRTEXEC_FAILED : TN_TRTEXEC_SILENT;
}

static void assert_release(const char *name, const char *text, const struct tn_version *version)
{
    static const struct {
        const char *prefix, *version;
    } releases[] = { { "8.6-", "8.6.1" },
                     { "10.6-", "10.6.0.26" },
                     { "10.15-", "10.15.1.29" },
                     { "11.1-", "11.1.0.106" } };
    char is[TN_VERSION_TEXT];

    if (!strstr(text, "&&&& RUNNING")) {
        assert_int_equal(version->parts, 0);
        return;
    }
    tn_version_print(version, is);
    for (size_t i = 0; i < TN_COUNT(releases); i++)
        if (tn_text_starts(name, releases[i].prefix)) {
            assert_string_equal(is, releases[i].version);
            return;
        }
    fail_msg("%s is of no release", name);
}

/* Words of the first telling line and the class, for one of each kind of end. */
static const struct {
    const char *name, *reason, *words;
} told[] = {
    { "10.6-onnx-unsupported-op.txt", "unsupported-operator",
      "node 0 [Det -> \"y\"]: In function" },
    { "10.15-onnx-custom-op.txt", "unsupported-operator", "[AcmeGrid -> \"y\"]" },
    { "10.6-onnx-bad-channels.txt", "weights", "failed to broadcast" },
    { "10.6-onnx-missing.txt", "model-missing", "Could not open file /models/missing.onnx" },
    { "10.6-onnx-ext.txt", "external-data-missing", "ext.weights" },
    { "8.6-onnx-truncated.txt", "not-onnx", "Failed to parse ONNX model from file" },
    { "8.6-onnx-custom-op.txt", "plugin-missing", "AcmeGrid" },
    { "10.6-onnx-text.txt", "empty-model", "at least one output" },
    { "8.6-option-stronglyTyped.txt", "option", "Unknown option: --stronglyTyped" },
    { "10.6-option-workspace.txt", "option", "Unknown option: --workspace 64" },
    { "11.1-option-fp16.txt", "option", "Unknown option: --fp16" },
    { "8.6-nogpu-build.txt", "cuda-unavailable", "driver version is insufficient" },
    { "11.1-nogpu-build.txt", "cuda-unavailable", "driver version is insufficient" },
    { "10.6-load-device-7.txt", "cuda-unavailable", "Cannot find device ID 7!" },
    { "8.6-gpu-memory-none-load.txt", "no-memory", "Cuda failure: out of memory" },
    { "10.6-gpu-memory-little-build.txt", "kernel-failed", "Cask" },
    { "10.6-save-dev-full.txt", "not-written", "Saving engine to file failed" },
    { "10.6-stale-libs.txt", "library-missing", "libcudart.so.12" },
    { "10.15-build-no-resource.txt", "library-missing", "Unable to load library" },
    { "10.6-build-mempool-tiny.txt", "workspace", "insufficient workspace" },
    { "10.6-build-dynamic-hw-no-shapes.txt", "no-profile", "no shapes were provided" },
    { "10.6-kill-kill.txt", "signal", "SIGKILL" },
    { "10.6-kill-term.txt", "signal", "SIGTERM" },
    { "10.6-load-tiny86.txt", "trt-version", "weight-separated" },
};

static void assert_told(const char *name, const struct tn_build_result *result)
{
    if (result->first_line[0] == '\0' || tn_log_is_noise(result->first_line))
        fail_msg("%s: no telling line: '%s'", name, result->first_line);
    for (size_t i = 0; i < TN_COUNT(told); i++) {
        if (strcmp(told[i].name, name) != 0)
            continue;
        if (strcmp(result->reason, told[i].reason) != 0 ||
            !strstr(result->first_line, told[i].words))
            fail_msg("%s: %s: '%s'", name, result->reason, result->first_line);
    }
}

static void check_transcript(const char *path, const char *name, const char *exit_word)
{
    struct tn_proc_result end = end_of(exit_word);
    struct heard heard;
    char *text = read_text(path);
    enum tn_trtexec_word word = last_word(text);
    char *copy = strdup(text);

    assert_non_null(copy);
    hear_begin(&heard, TN_TRTEXEC_BUILDS);
    hear_transcript(&heard, copy);
    hear_end(&heard, &end);
    if (heard.output.word != word)
        fail_msg("%s: taken for %d, is %d", name, (int)heard.output.word, (int)word);
    assert_release(name, text, &heard.output.version);
    if (heard.passed != (end.exit_status == 0 && word == TN_TRTEXEC_PASSED &&
                         !strstr(text, "no shapes were provided")))
        fail_msg("%s: passed is wrong", name);
    if (end.exit_status != 0)
        assert_told(name, &heard.result);
    hear_done(&heard);
    free(copy);
    free(text);
}

TEST(trtexec_output__reads_every_real_transcript)
{
    const char *facts = getenv("TENON_TEST_FACTS");
    char path[PATH_MAX], *save = NULL, *index;
    int seen = 0;

    (void)snprintf(path, sizeof(path), "%s/trtexec/INDEX.tsv", facts ? facts : "");
    if (access(path, R_OK) < 0)
        skip();
    index = read_text(path);
    (void)strtok_r(index, "\n", &save); /* names of the columns */
    for (char *row = strtok_r(NULL, "\n", &save); row; row = strtok_r(NULL, "\n", &save)) {
        char *field[4] = { row };

        for (int i = 1; i < 4; i++) {
            field[i] = strchr(field[i - 1], '\t');
            assert_non_null(field[i]);
            *field[i]++ = '\0';
        }
        (void)snprintf(path, sizeof(path), "%s/trtexec/%s", facts, field[0]);
        check_transcript(path, field[0], field[3]);
        seen++;
    }
    free(index);
    assert_true(seen >= 152);
}

static void hear_text_of(enum tn_trtexec_work work, struct heard *heard, const char *text,
                         int status)
{
    struct tn_proc_result end = { .exit_status = status };
    char *copy = strdup(text);

    assert_non_null(copy);
    hear_begin(heard, work);
    hear_transcript(heard, copy);
    hear_end(heard, &end);
    free(copy);
}

static void hear_text(struct heard *heard, const char *text, int status)
{
    hear_text_of(TN_TRTEXEC_BUILDS, heard, text, status);
}

#define BANNER "    0.001 o &&&& RUNNING TensorRT.trtexec [TensorRT v101501] [b29] # trtexec\n"
#define STAMP  "[01/02/2026-03:04:05] "

TEST(trtexec_output__keeps_the_lines_of_one_message_together)
{
    struct heard heard;

    hear_text(&heard,
              BANNER "    0.001 e " STAMP
                     "[E] [TRT] a.cpp:7: While parsing node number 5 [Foo -> \"z\"]:\n"
                     "    0.001 e " STAMP "[E] [TRT] a.cpp:8: --- Begin node ---\n"
                     "    0.001 e name: \"out of memory\"\n"
                     "    0.001 e " STAMP "[E] [TRT] a.cpp:9: --- End node ---\n"
                     "    0.001 e " STAMP
                     "[E] [TRT] a.cpp:10: ERROR: b.cpp:3 In function checkFoo:\n"
                     "    0.001 e [8] false\n"
                     "    0.001 e " STAMP "[E] Failed to parse onnx file\n"
                     "    0.001 e " STAMP "[E] Engine set up failed\n"
                     "    0.001 o &&&& FAILED TensorRT.trtexec\n",
              1);
    assert_false(heard.passed);
    assert_string_equal(heard.result.reason, "unsupported-operator");
    assert_string_equal(heard.result.stage, "parse");
    assert_int_equal(heard.result.outcome, TN_BUILD_REFUSED);
    assert_string_equal(heard.result.first_line,
                        "node 5 [Foo -> \"z\"]: In function checkFoo: [8] false");
    hear_done(&heard);
}

TEST(trtexec_output__takes_no_chatter_for_the_reason)
{
    struct heard heard;

    hear_text(&heard,
              BANNER "    0.001 o " STAMP "[I] Start parsing network model.\n"
                     "    0.001 e " STAMP "[W] [TRT] a warning of\n"
                     "    0.001 e two lines\n"
                     "    0.001 e [libprotobuf WARNING a.cc:6] Reading dangerously large message.\n"
                     "    0.001 o " STAMP "[I] Finished parsing network model.\n"
                     "    0.001 e " STAMP "[E] Error[9]: something new\n"
                     "    0.001 e " STAMP "[E] Engine set up failed\n",
              1);
    assert_string_equal(heard.result.stage, "profile");
    assert_string_equal(heard.result.reason, "unclassified");
    assert_int_equal(heard.result.outcome, TN_BUILD_TROUBLE);
    assert_string_equal(heard.result.first_line, "Error[9]: something new");
    hear_done(&heard);
}

TEST(trtexec_output__takes_neither_word_nor_status_alone_for_success)
{
    static const char passed[] = BANNER "    0.001 o &&&& PASSED TensorRT.trtexec\n";
    struct heard heard;

    hear_text(&heard, passed, 0);
    assert_true(heard.passed);
    hear_done(&heard);
    hear_text(&heard, passed, 1);
    assert_false(heard.passed);
    assert_int_equal(heard.result.outcome, TN_BUILD_TROUBLE);
    hear_done(&heard);
    hear_text(&heard, BANNER, 0);
    assert_false(heard.passed);
    assert_string_equal(heard.result.reason, "no-result");
    hear_done(&heard);
}

/* For the sanitizers: whatever the bytes, it ends with an outcome that is no success. */
TEST(trtexec_output__survives_damaged_lines)
{
    static const char whole[] =
        BANNER "    0.001 o " STAMP "[I] TensorRT version: 10.15.1\n"
               "    0.001 e " STAMP "[E] [TRT] a.cpp:7: While parsing node number 5 [F -> \"z\"]:\n"
               "    0.001 e " STAMP "[E] [TRT] a.cpp:10: ERROR: b.cpp:3 In function checkFoo:\n"
               "    0.001 e [8] false\n"
               "    0.001 e " STAMP "[W] [TRT] The timing cache will not be used!\n"
               "    0.001 o " STAMP "[I] [TRT] Loaded engine size: 3 MiB\n"
               "    0.001 o " STAMP "[I] Engine deserialized in 0.01 sec.\n"
               "    0.001 e " STAMP "[W] Dynamic dimensions required, but no shapes were provided\n"
               "    0.001 e " STAMP "[E]";
    uint32_t seed = 1;

    for (int round = 0; round < 3000; round++) {
        char text[sizeof(whole)];
        struct heard heard;

        memcpy(text, whole, sizeof(whole));
        for (int i = 0; i < 6; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[(seed >> 8) % (sizeof(whole) - 1)] = (char)(1 + (seed >> 24) % 255);
        }
        hear_text_of(round % 2 ? TN_TRTEXEC_LOADS : TN_TRTEXEC_BUILDS, &heard, text, 1);
        assert_int_not_equal(heard.result.outcome, TN_BUILD_DONE);
        hear_done(&heard);
    }
}

/* That nothing was said is no reason to never try again, in whatever step it was. */
TEST(trtexec_output__takes_an_end_without_a_word_for_no_lasting_failure)
{
    struct heard heard;

    hear_text(&heard,
              BANNER "    0.001 o " STAMP "[I] Start parsing network model.\n"
                     "    0.001 o &&&& FAILED TensorRT.trtexec\n",
              1);
    assert_string_equal(heard.result.stage, "parse");
    assert_string_equal(heard.result.reason, "no-result");
    assert_int_equal(heard.result.outcome, TN_BUILD_TROUBLE);
    hear_done(&heard);
    hear_text_of(TN_TRTEXEC_LOADS, &heard,
                 BANNER "    0.001 o " STAMP "[I] [TRT] Loaded engine size: 3 MiB\n"
                        "    0.001 o &&&& FAILED TensorRT.trtexec\n",
                 1);
    assert_string_equal(heard.result.stage, "deserialize");
    assert_string_equal(heard.result.reason, "no-result");
    assert_int_equal(heard.result.outcome, TN_BUILD_TROUBLE);
    hear_done(&heard);
}

TEST(trtexec_output__believes_no_version_that_is_none)
{
    static const char *const lines[] = {
        "    0.001 o &&&& RUNNING TensorRT.trtexec [TensorRT v] # x\n",
        "    0.001 o &&&& RUNNING TensorRT.trtexec # trtexec [TensorRT v8601]\n",
        "    0.001 o &&&& RUNNING TensorRT.trtexec [TensorRT v99999999999999999999] # x\n",
        "    0.001 o &&&& RUNNING TensorRT.trtexec [TensorRT v12\n",
    };

    for (size_t i = 0; i < TN_COUNT(lines); i++) {
        struct heard heard;

        hear_text(&heard, lines[i], 1);
        assert_int_equal(heard.output.version.parts, 0);
        hear_done(&heard);
    }
}

/* --- builds -----------------------------------------------------------------------------------*/

struct job {
    struct tn_toolchain toolchain;
    struct tn_build_options options;
    struct tn_shapes shapes;
    char model[PATH_MAX], output[PATH_MAX], log[PATH_MAX];
    struct tn_version stands_in; /* what it says it is */
    struct tn_version plan;      /* what its plan says */
    const char *behave, *transcript;
    int exit_status;
    struct tn_build_request request;
    struct tn_build_result result;
    struct tn_error err;
};

static void job_init(struct job *job, const char *release)
{
    char name[32];

    *job = (struct job) { .toolchain = { .id = "trtexec-under-test", .kind = "trtexec" },
                          .options = tn_options_default(),
                          .behave = "" };
    job->toolchain.builds.kind = TN_RUNTIME_TRT;
    assert_int_equal(tn_version_parse(release, &job->toolchain.builds.version, NULL), TN_OK);
    job->stands_in = job->plan = job->toolchain.builds.version;
    (void)tn_text_copy(job->toolchain.path, sizeof(job->toolchain.path), in_folder("trtexec"));
    (void)tn_text_copy(job->model, sizeof(job->model), in_folder("model.onnx"));
    (void)snprintf(name, sizeof(name), "out%u.plan", ++outputs);
    (void)tn_text_copy(job->output, sizeof(job->output), in_folder(name));
    (void)snprintf(name, sizeof(name), "out%u.log", outputs);
    (void)tn_text_copy(job->log, sizeof(job->log), in_folder(name));
    job->request = (struct tn_build_request) {
        .toolchain = &job->toolchain,
        .model_path = job->model,
        .precision = TN_PRECISION_FP32,
        .shapes = &job->shapes,
        .options = &job->options,
        .device_index = 0,
        .gpu_uuid = "GPU-00000000-1111-2222-3333-444444444444",
        .output_path = job->output,
        .log_path = job->log,
        .limits = { .time = 120 * TN_NSEC_PER_S },
    };
}

static void job_done(struct job *job)
{
    tn_build_result_done(&job->result);
    tn_shapes_done(&job->shapes);
}

static void prepare_standin(const struct job *job)
{
    json_t *setup = json_pack("{s[iiii] ss ss ss? si}", "release", job->stands_in.part[0],
                              job->stands_in.part[1], job->stands_in.part[2],
                              job->stands_in.part[3], "plan", in_folder("made.plan"), "behave",
                              job->behave, "transcript", job->transcript, "exit", job->exit_status);

    assert_non_null(setup);
    assert_int_equal(json_dump_file(setup, in_folder("standin.json"), 0), 0);
    json_decref(setup);
    (void)unlink(in_folder("asked.txt"));
    write_plan(&job->plan);
}

static void run(struct job *job)
{
    prepare_standin(job);
    if (tn_toolchain_build(&job->request, &job->result, &job->err) < 0)
        fail_msg("%s", job->err.text);
    if (job->result.outcome != TN_BUILD_DONE)
        assert_int_equal(access(job->output, F_OK), -1);
}

static void assert_nothing_beside(const struct job *job)
{
    static const char *const suffixes[] = { ".part", ".tmp" };
    char path[PATH_MAX + 8];

    for (size_t i = 0; i < TN_COUNT(suffixes); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", job->output, suffixes[i]);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void run_well(struct job *job)
{
    struct stat st;

    run(job);
    if (job->result.outcome != TN_BUILD_DONE)
        fail_msg("%s: %s: %s", job->result.stage, job->result.reason, job->result.first_line);
    assert_int_equal(stat(job->output, &st), 0);
    assert_int_equal(st.st_size, job->result.plan_bytes);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(tn_version_same(&job->result.version, &job->plan));
    assert_true(job->result.peak_rss_bytes > 0);
    assert_nothing_beside(job);
}

static void assert_ended(const struct job *job, enum tn_build_outcome outcome, const char *stage,
                         const char *reason, const char *words)
{
    const struct tn_build_result *result = &job->result;

    if (result->outcome != outcome || strcmp(result->stage, stage) != 0 ||
        strcmp(result->reason, reason) != 0 || !strstr(result->first_line, words))
        fail_msg("%d %s: %s: %s", (int)result->outcome, result->stage, result->reason,
                 result->first_line);
    assert_nothing_beside(job);
}

static void ask_much(struct job *job)
{
    job->request.precision = TN_PRECISION_FP16;
    job->options.tf32 = false;
    job->options.workspace_bytes = INT64_C(64) << 20;
    assert_int_equal(tn_options_add_flag(&job->options, "REFIT", NULL), TN_OK);
    assert_int_equal(
        tn_shapes_parse("Input:0=1x3x8x8:2x3x8x8:4x3x8x8,b/c=1x2", &job->shapes, &job->err), TN_OK);
}

TEST(trtexec__asks_each_release_in_its_own_words)
{
    static const struct {
        const char *release;
        const char *asked[4], *not_asked[3];
    } rows[] = {
        { "8.2.5.1", { "--workspace=64", "--buildOnly", "--fp16" }, { "--skipInference" } },
        { "8.4.1.5",
          { "--memPoolSize=workspace:64", "--buildOnly", "--fp16" },
          { "--workspace=64" } },
        { "8.6.1.6",
          { "--memPoolSize=workspace:64", "--skipInference", "--fp16" },
          { "--buildOnly" } },
        { "9.3.0.1",
          { "--memPoolSize=workspace:64", "--skipInference", "--fp16" },
          { "--buildOnly" } },
        { "10.6.0.26", { "--memPoolSize=workspace:64", "--skipInference", "--fp16" }, { NULL } },
        { "11.1.0.106", { "--memPoolSize=workspace:64", "--skipInference" }, { "--fp16" } },
    };
    static const char *const always[] = {
        "--noTF32",
        "--refit",
        "--minShapes='Input:0':1x3x8x8,b/c:1x2",
        "--optShapes='Input:0':2x3x8x8,b/c:1x2",
        "--maxShapes='Input:0':4x3x8x8,b/c:1x2",
        "CUDA_VISIBLE_DEVICES=GPU-00000000-1111-2222-3333-444444444444",
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct job job;

        job_init(&job, rows[i].release);
        ask_much(&job);
        run_well(&job);
        for (size_t k = 0; k < 4 && rows[i].asked[k]; k++)
            assert_true(was_asked(rows[i].asked[k]));
        for (size_t k = 0; k < 3 && rows[i].not_asked[k]; k++)
            assert_false(was_asked(rows[i].not_asked[k]));
        for (size_t k = 0; k < TN_COUNT(always); k++)
            assert_true(was_asked(always[k]));
        job_done(&job);
    }
}

/* Whatever is accepted for a release, the stand-in's own table must know; whatever it does not know
 * must have been refused before the start. */
TEST(trtexec__asks_no_release_for_an_option_that_it_lacks)
{
    static const char *const releases[] = { "8.2.5.1",   "8.4.1.5",    "8.5.3.1",   "8.6.1.6",
                                            "9.3.0.1",   "10.0.1.6",   "10.3.0.26", "10.6.0.26",
                                            "10.9.0.34", "10.15.1.29", "11.1.0.106" };
    static const char *const flags[] = { "REFIT",
                                         "STRIP_PLAN",
                                         "VERSION_COMPATIBLE",
                                         "EXCLUDE_LEAN_RUNTIME",
                                         "GPU_FALLBACK",
                                         "SPARSE_WEIGHTS",
                                         "DIRECT_IO",
                                         "OBEY_PRECISION_CONSTRAINTS",
                                         "SAFETY_SCOPE",
                                         "ENABLE_TACTIC_HEURISTIC",
                                         "DISABLE_TIMING_CACHE",
                                         "ERROR_ON_TIMING_CACHE_MISS",
                                         "WEIGHT_STREAMING",
                                         "DISABLE_COMPILATION_CACHE",
                                         "MONITOR_MEMORY",
                                         "DEBUG" };
    int refused = 0, built = 0;

    for (size_t i = 0; i < TN_COUNT(releases); i++)
        for (size_t k = 0; k < TN_COUNT(flags) + 3; k++) {
            struct job job;

            job_init(&job, releases[i]);
            if (k < TN_COUNT(flags))
                assert_int_equal(tn_options_add_flag(&job.options, flags[k], NULL), TN_OK);
            else if (k == TN_COUNT(flags))
                job.options.hw_compat = TN_HW_COMPAT_SAME_CC;
            else if (k == TN_COUNT(flags) + 1)
                job.options.optimization_level = 2;
            else
                job.request.precision = TN_PRECISION_BF16;
            run(&job);
            refused += job.result.outcome == TN_BUILD_REFUSED;
            built += job.result.outcome == TN_BUILD_DONE;
            if (job.result.outcome != TN_BUILD_DONE) {
                assert_ended(&job, TN_BUILD_REFUSED, "spawn", "option", "has no option for");
                assert_false(was_started());
            }
            job_done(&job);
        }
    assert_true(refused > 40 && built > 100);
}

static void assert_refused(struct job *job, const char *words)
{
    run(job);
    assert_ended(job, TN_BUILD_REFUSED, "spawn", "option", words);
    assert_false(was_started());
    job_done(job);
}

TEST(trtexec__refuses_before_the_start_what_cannot_be_said)
{
    struct job job;

    job_init(&job, "8.5.3.1");
    job.options.optimization_level = 3;
    assert_refused(&job, "TensorRT 8.5.3.1 has no option for optimization-level; releases from 8.6 "
                         "on have one");
    job_init(&job, "10.6.0.26");
    job.request.precision = TN_PRECISION_FP4;
    assert_refused(&job, "precision fp4");
    job_init(&job, "8.4.1.5");
    job.options.workspace_bytes = 1000;
    assert_refused(&job, "whole MiB");
    job_init(&job, "10.6.0.26");
    assert_int_equal(tn_shapes_parse("a'b=1x2", &job.shapes, NULL), TN_OK);
    assert_refused(&job, "its name holds '");
    job_init(&job, "10.6.0.26");
    assert_int_equal(tn_shapes_parse("a*b=1x2", &job.shapes, NULL), TN_OK);
    assert_refused(&job, "its name holds *");
}

TEST(trtexec__tells_a_workspace_to_the_byte)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.options.workspace_bytes = (INT64_C(3) << 20) + (1 << 18) + 1;
    run_well(&job);
    assert_true(was_asked("--memPoolSize=workspace:3.25000095367431640625"));
    job_done(&job);
}

TEST(trtexec__strips_as_each_refit_wants_it)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    assert_int_equal(tn_options_add_flag(&job.options, "STRIP_PLAN", NULL), TN_OK);
    run_well(&job);
    assert_true(was_asked("--stripWeights"));
    assert_int_equal(json_array_size(job.result.warnings), 1);
    job_done(&job);
    job_init(&job, "10.6.0.26");
    assert_int_equal(tn_options_add_flag(&job.options, "STRIP_PLAN", NULL), TN_OK);
    assert_int_equal(tn_options_add_flag(&job.options, "REFIT", NULL), TN_OK);
    run_well(&job);
    assert_true(was_asked("--stripAllWeights"));
    assert_false(was_asked("--refit"));
    job_done(&job);
}

TEST(trtexec__says_when_a_release_was_not_tried)
{
    static const struct {
        const char *release;
        bool tried;
    } rows[] = { { "8.6.1.6", true },    { "10.6.0.26", true },  { "10.15.1.29", true },
                 { "11.1.0.106", true }, { "8.5.3.1", false },   { "10.9.0.34", false },
                 { "8.6.0.12", false },  { "11.4.0.106", false } };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct job job;
        const char *text;

        job_init(&job, rows[i].release);
        run_well(&job);
        text = json_string_value(json_array_get(job.result.warnings, 0));
        assert_int_equal(text != NULL, !rows[i].tried);
        if (text)
            assert_non_null(strstr(text, "options from the release tables, not tried"));
        job_done(&job);
    }
}

TEST(trtexec__drives_no_release_that_it_does_not_know)
{
    static const char *const releases[] = { "8.0.1.6", "7.2.3.4", "12.0.0.1" };
    struct job job;

    for (size_t i = 0; i < TN_COUNT(releases); i++) {
        job_init(&job, releases[i]);
        assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_UNSUPPORTED);
        job_done(&job);
    }
    job_init(&job, "10.6.0.26");
    job.toolchain.builds.version.parts = 0;
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_UNSUPPORTED);
    job_done(&job);
}

TEST(trtexec__is_caught_when_its_plan_is_of_another_release)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.plan = tn_version_make(10, 3, 0, 26);
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "write", "toolchain-changed", "10.3.0.26");
    job_done(&job);
    job_init(&job, "10.6.0.26");
    job.plan = tn_version_make(10, 6, 0, 25); /* all four parts count */
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "write", "toolchain-changed", "10.6.0.25");
    job_done(&job);
}

static void assert_behaviour(const char *behave, enum tn_build_outcome outcome, const char *stage,
                             const char *reason, const char *words)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.behave = behave;
    if (strcmp(behave, "hang") == 0)
        job.request.limits.time = 2 * TN_NSEC_PER_S;
    run(&job);
    assert_ended(&job, outcome, stage, reason, words);
    job_done(&job);
}

TEST(trtexec__ends_right_whatever_it_does)
{
    assert_behaviour("operator", TN_BUILD_REFUSED, "parse", "unsupported-operator",
                     "node 3 [Wobble -> \"y\"]");
    assert_behaviour("no-shapes", TN_BUILD_REFUSED, "profile", "no-profile", "input: x");
    assert_behaviour("no-file", TN_BUILD_TROUBLE, "write", "no-file", "No such file");
    assert_behaviour("flood", TN_BUILD_TROUBLE, "build", "flooded", "more than");
    assert_behaviour("SEGV", TN_BUILD_TROUBLE, "build", "signal", "SIGSEGV");
    assert_behaviour("KILL", TN_BUILD_TROUBLE, "build", "signal", "SIGKILL");
    assert_behaviour("XFSZ", TN_BUILD_TROUBLE, "build", "file-limit", "grew beyond");
    assert_behaviour("Cuda", TN_BUILD_TROUBLE, "build", "no-memory", "out of memory");
    assert_behaviour("hang", TN_BUILD_TROUBLE, "build", "timeout", "Searching tactics");
}

TEST(trtexec__gives_out_no_int8_that_nothing_calibrated)
{
    struct job job;

    job_init(&job, "8.6.1.6");
    job.request.precision = TN_PRECISION_INT8;
    run(&job);
    assert_int_equal(job.result.outcome, TN_BUILD_REFUSED);
    assert_string_equal(job.result.reason, "no-calibration");
    job_done(&job);
    job_init(&job, "8.6.1.6");
    job.request.precision = TN_PRECISION_INT8;
    (void)tn_text_copy(job.options.calibration, sizeof(job.options.calibration),
                       in_folder("model.onnx"));
    run_well(&job);
    job_done(&job);
}

TEST(trtexec__never_points_at_the_pinned_timing_cache_itself)
{
    char cache[PATH_MAX], *text;
    struct job job;

    (void)tn_text_copy(cache, sizeof(cache), in_folder("pinned.cache"));
    write_file(cache, "precious", 8);
    job_init(&job, "10.6.0.26");
    (void)tn_text_copy(job.options.timing_cache, sizeof(job.options.timing_cache), cache);
    job.behave = "cache-refused";
    run(&job);
    assert_int_equal(job.result.outcome, TN_BUILD_REFUSED);
    assert_string_equal(job.result.reason, "timing-cache");
    text = read_text(cache);
    assert_string_equal(text, "precious");
    free(text);
    job_done(&job);
}

TEST(trtexec__looks_for_the_files_before_the_start)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.request.model_path = in_folder("nowhere.onnx");
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "spawn", "model-missing", "nowhere.onnx");
    assert_false(was_started());
    job_done(&job);
    job_init(&job, "10.6.0.26");
    job.options.plugin_count = 1;
    (void)tn_text_copy(job.options.plugin[0].path, sizeof(job.options.plugin[0].path),
                       in_folder("model.onnx"));
    run(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "import", "plugin-changed", "model.onnx");
    job_done(&job);
}

static bool stop_in_search(const struct tn_progress *progress, void *user)
{
    (void)user;
    return strcmp(progress->phase, "Searching tactics") != 0;
}

TEST(trtexec__stops_when_its_caller_says_so)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.behave = "hang";
    job.request.progress = stop_in_search;
    prepare_standin(&job);
    assert_int_equal(tn_toolchain_build(&job.request, &job.result, &job.err), TN_E_CANCELLED);
    assert_nothing_beside(&job);
    job_done(&job);
}

static bool tell_of_search(const struct tn_progress *progress, void *user)
{
    const int *pipe_end = user;

    return strcmp(progress->phase, "Searching tactics") != 0 || write(*pipe_end, "!", 1) == 1;
}

TEST(trtexec__dies_with_its_parent)
{
    int ends[2];
    struct job job;
    pid_t builder;

    job_init(&job, "10.6.0.26");
    job.behave = "hang";
    prepare_standin(&job);
    assert_int_equal(pipe(ends), 0);
    builder = fork();
    if (builder == 0) {
        job.request.progress = tell_of_search;
        job.request.user = &ends[1];
        (void)tn_toolchain_build(&job.request, &job.result, &job.err);
        _exit(1);
    }
    (void)close(ends[1]);
    assert_dies_with(builder, ends[0]);
    job_done(&job);
}

/* A real build of 10.6, and real failures, as they were recorded. */
TEST(trtexec__ends_as_real_transcripts_do)
{
    static const struct {
        const char *file, *release;
        int status;
        const char *reason; /* NULL = built */
    } rows[] = {
        { "10.6-build-fp16-shapes.txt", "10.6.0.26", 0, NULL },
        { "8.6-build-fp16-shapes.txt", "8.6.1.6", 0, NULL },
        { "8.6-option-stronglyTyped.txt", "8.6.1.6", 1, "option" },
        { "10.15-nogpu-build.txt", "10.15.1.29", 1, "cuda-unavailable" },
        { "11.1-nogpu-build.txt", "11.1.0.106", 1, "cuda-unavailable" },
        { "10.6-onnx-unsupported-op.txt", "10.6.0.26", 1, "unsupported-operator" },
    };
    const char *facts = getenv("TENON_TEST_FACTS");

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char path[PATH_MAX];
        struct job job;

        (void)snprintf(path, sizeof(path), "%s/trtexec/%s", facts ? facts : "", rows[i].file);
        if (access(path, R_OK) < 0)
            skip();
        job_init(&job, rows[i].release);
        job.transcript = path;
        job.exit_status = rows[i].status;
        if (rows[i].reason) {
            run(&job);
            assert_string_equal(job.result.reason, rows[i].reason);
        } else {
            run_well(&job);
        }
        job_done(&job);
    }
}

TEST(trtexec__has_no_converter)
{
    char name[TN_CONVERTER_MAX];
    struct job job;

    job_init(&job, "10.6.0.26");
    assert_int_equal(tn_toolchain_converter(&job.toolchain, TN_PRECISION_FP16, name, &job.err),
                     TN_E_UNSUPPORTED);
    assert_non_null(strstr(job.err.text, "no Python environment"));
    job_done(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trtexec_output__reads_every_real_transcript),
        cmocka_unit_test(trtexec_output__keeps_the_lines_of_one_message_together),
        cmocka_unit_test(trtexec_output__takes_no_chatter_for_the_reason),
        cmocka_unit_test(trtexec_output__takes_neither_word_nor_status_alone_for_success),
        cmocka_unit_test(trtexec_output__survives_damaged_lines),
        cmocka_unit_test(trtexec_output__takes_an_end_without_a_word_for_no_lasting_failure),
        cmocka_unit_test(trtexec_output__believes_no_version_that_is_none),
        cmocka_unit_test(trtexec__asks_each_release_in_its_own_words),
        cmocka_unit_test(trtexec__asks_no_release_for_an_option_that_it_lacks),
        cmocka_unit_test(trtexec__refuses_before_the_start_what_cannot_be_said),
        cmocka_unit_test(trtexec__tells_a_workspace_to_the_byte),
        cmocka_unit_test(trtexec__strips_as_each_refit_wants_it),
        cmocka_unit_test(trtexec__says_when_a_release_was_not_tried),
        cmocka_unit_test(trtexec__drives_no_release_that_it_does_not_know),
        cmocka_unit_test(trtexec__is_caught_when_its_plan_is_of_another_release),
        cmocka_unit_test(trtexec__ends_right_whatever_it_does),
        cmocka_unit_test(trtexec__gives_out_no_int8_that_nothing_calibrated),
        cmocka_unit_test(trtexec__never_points_at_the_pinned_timing_cache_itself),
        cmocka_unit_test(trtexec__looks_for_the_files_before_the_start),
        cmocka_unit_test(trtexec__stops_when_its_caller_says_so),
        cmocka_unit_test(trtexec__dies_with_its_parent),
        cmocka_unit_test(trtexec__ends_as_real_transcripts_do),
        cmocka_unit_test(trtexec__has_no_converter),
    };

    return cmocka_run_group_tests_name("trtexec", tests, make_standin, remove_standin);
}
