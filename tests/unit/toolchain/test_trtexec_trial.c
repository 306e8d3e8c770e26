/*
 * Trial loads through trtexec: with the stand-in and a driver that a file describes
 * (tests/scenario/fake_cuda.c), and as every real transcript of a load went.
 */
#include "base/json.h"
#include "standin.h"
#include "toolchain/trial.h"

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char uuid[] = "GPU-00000000-1111-2222-3333-444444444444";

/* --- one trial --------------------------------------------------------------------------------*/

struct job {
    struct tn_toolchain toolchain;
    struct tn_shapes shapes;
    struct tn_version stands_in; /* what it says it is */
    struct tn_version plan;      /* what the plan says */
    const char *load, *transcript;
    int exit_status;
    int init, context, integrated; /* of the driver */
    int64_t free_bytes;
    struct tn_trial_request request;
    struct tn_trial_result result;
    struct tn_error err;
};

static void job_init(struct job *job, const char *release)
{
    *job = (struct job) { .toolchain = { .id = "trtexec-under-test", .kind = "trtexec" },
                          .load = "",
                          .free_bytes = INT64_C(1) << 33 };
    job->toolchain.builds.kind = TN_RUNTIME_TRT;
    assert_int_equal(tn_version_parse(release, &job->toolchain.builds.version, NULL), TN_OK);
    job->stands_in = job->plan = job->toolchain.builds.version;
    (void)tn_text_copy(job->toolchain.path, sizeof(job->toolchain.path), in_folder("trtexec"));
    (void)tn_text_copy(job->toolchain.library_folder, sizeof(job->toolchain.library_folder),
                       in_folder("lib"));
    job->request = (struct tn_trial_request) { .toolchain = &job->toolchain,
                                               .plan_path = in_folder("made.plan"),
                                               .gpu_uuid = uuid,
                                               .log_path = in_folder("trial.log"),
                                               .time_limit = 120 * TN_NSEC_PER_S };
}

static void job_done(struct job *job)
{
    tn_shapes_done(&job->shapes);
}

static void write_gpus(const struct job *job)
{
    FILE *file = fopen(in_folder("lib/gpus.txt"), "we");

    assert_non_null(file);
    (void)fprintf(file,
                  "cuda = 13000\ninit = %d\n[gpu]\nname = NVIDIA H200\nuuid = %s\n"
                  "memory = 150109880320\nfree = %lld\ncontext = %d\nattribute.18 = %d\n",
                  job->init, uuid, (long long)job->free_bytes, job->context, job->integrated);
    assert_int_equal(fclose(file), 0);
}

static void prepare(const struct job *job)
{
    json_t *setup =
        json_pack("{s[iiii] ss ss ss? si}", "release", job->stands_in.part[0],
                  job->stands_in.part[1], job->stands_in.part[2], job->stands_in.part[3], "behave",
                  "", "load", job->load, "transcript", job->transcript, "exit", job->exit_status);

    assert_non_null(setup);
    assert_int_equal(json_dump_file(setup, in_folder("standin.json"), 0), 0);
    json_decref(setup);
    (void)unlink(in_folder("asked.txt"));
    write_gpus(job);
}

static void run(struct job *job)
{
    prepare(job);
    if (tn_trial_run(&job->request, &job->result, &job->err) < 0)
        fail_msg("%s", job->err.text);
}

/* On a plan of the right kind, which is written anew. */
static void run_on_plan(struct job *job)
{
    write_plan(&job->plan);
    run(job);
}

static void assert_ended(const struct job *job, enum tn_build_outcome outcome, const char *stage,
                         const char *reason, const char *words)
{
    const struct tn_trial_result *result = &job->result;

    if (result->outcome != outcome || strcmp(result->stage, stage) != 0 ||
        strcmp(result->reason, reason) != 0 || !strstr(result->first_line, words))
        fail_msg("%d %s: %s: %s", (int)result->outcome, result->stage, result->reason,
                 result->first_line);
}

static void assert_loaded(const struct job *job, bool ran)
{
    if (job->result.outcome != TN_BUILD_DONE)
        fail_msg("%s: %s: %s", job->result.stage, job->result.reason, job->result.first_line);
    assert_int_equal(job->result.ran, ran);
    assert_string_equal(job->result.suspect, "");
}

static bool has_phase(const struct job *job, const char *name)
{
    for (int i = 0; i < job->result.phase_count; i++)
        if (strcmp(job->result.phase[i].name, name) == 0)
            return true;
    return false;
}

/* --- tests ------------------------------------------------------------------------------------*/

TEST(trtexec_trial__loads_and_runs_once_and_tells_every_phase)
{
    static const char *const releases[] = { "8.2.5.1",  "8.4.1.5",   "8.6.1.6",    "9.3.0.1",
                                            "10.0.1.6", "10.6.0.26", "10.15.1.29", "11.1.0.106" };
    static const char *const names[] = { "driver",      "context",      "library", "runtime",
                                         "deserialize", "exec-context", "run" };

    for (size_t i = 0; i < TN_COUNT(releases); i++) {
        struct job job;
        char word[PATH_MAX + 32];

        job_init(&job, releases[i]);
        run_on_plan(&job);
        assert_loaded(&job, true);
        assert_int_equal(job.result.phase_count, TN_COUNT(names));
        for (size_t k = 0; k < TN_COUNT(names); k++) {
            assert_string_equal(job.result.phase[k].name, names[k]);
            assert_true(job.result.phase[k].ms >= 0 &&
                        job.result.phase[k].ms <= job.result.total_ms);
        }
        (void)snprintf(word, sizeof(word), "--loadEngine=%s", job.request.plan_path);
        assert_true(was_asked(word));
        (void)snprintf(word, sizeof(word), "CUDA_VISIBLE_DEVICES=%s", uuid);
        assert_true(was_asked(word));
        assert_true(was_asked("--iterations=1"));
        assert_false(was_asked("--versionCompatible"));
        job_done(&job);
    }
}

TEST(trtexec_trial__allows_host_code_only_when_asked_and_where_there_is_such_a_thing)
{
    static const struct {
        const char *release;
        bool asked;
    } rows[] = { { "8.6.1.6", true }, { "10.6.0.26", true }, { "8.5.3.1", false } };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct job job;

        job_init(&job, rows[i].release);
        job.request.allow_host_code = true;
        run_on_plan(&job);
        assert_loaded(&job, true);
        assert_int_equal(was_asked("--versionCompatible"), rows[i].asked);
        job_done(&job);
    }
}

TEST(trtexec_trial__runs_the_shapes_that_are_known)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.request.shapes = &job.shapes;
    assert_int_equal(tn_shapes_parse("a:0=1x3:2x3:4x3,b=1x2", &job.shapes, NULL), TN_OK);
    run_on_plan(&job);
    assert_loaded(&job, true);
    assert_true(was_asked("--shapes='a:0':2x3,b:1x2"));
    job_done(&job);
    job_init(&job, "10.6.0.26");
    job.request.shapes = &job.shapes;
    assert_int_equal(tn_shapes_parse("a*b=1x3,c=1x2", &job.shapes, NULL), TN_OK);
    run_on_plan(&job);
    assert_loaded(&job, true);
    assert_false(was_asked("--shapes=c:1x2"));
    job_done(&job);
}

TEST(trtexec_trial__is_refused_a_plan_of_another_release)
{
    static const char *const pairs[][2] = { { "8.6.1.6", "10.6.0.26" },
                                            { "10.6.0.26", "8.6.1.6" },
                                            { "10.15.1.29", "10.6.0.26" },
                                            { "10.6.0.26", "10.6.0.25" } };

    for (size_t i = 0; i < TN_COUNT(pairs); i++) {
        struct job job;

        job_init(&job, pairs[i][0]);
        assert_int_equal(tn_version_parse(pairs[i][1], &job.plan, NULL), TN_OK);
        run_on_plan(&job);
        assert_ended(&job, TN_BUILD_REFUSED, "deserialize", "trt-version", "");
        assert_true(has_phase(&job, "deserialize"));
        assert_false(has_phase(&job, "exec-context"));
        job_done(&job);
    }
}

static void assert_not_started(struct job *job, const char *stage, const char *reason,
                               const char *words)
{
    run_on_plan(job);
    assert_ended(job, TN_BUILD_TROUBLE, stage, reason, words);
    assert_false(was_started());
    job_done(job);
}

TEST(trtexec_trial__asks_the_driver_before_it_starts_anything)
{
    struct job job;

    job_init(&job, "8.6.1.6");
    job.init = 999;
    assert_not_started(&job, "driver", "cuda-unavailable", "cuInit: CUDA_ERROR_UNKNOWN (999)");
    job_init(&job, "10.6.0.26");
    job.context = 2;
    assert_not_started(&job, "context", "no-memory", "CUDA_ERROR_OUT_OF_MEMORY");
    job_init(&job, "10.6.0.26");
    job.request.gpu_uuid = "GPU-99999999-1111-2222-3333-444444444444";
    assert_not_started(&job, "driver", "cuda-unavailable", "CUDA_ERROR_NO_DEVICE");
    job_init(&job, "10.6.0.26");
    job.free_bytes = INT64_C(512) << 20;
    assert_not_started(&job, "context", "no-memory", "536870912 bytes of GPU memory are free");
    job_init(&job, "10.6.0.26");
    job.toolchain.library_folder[0] = '\0';
    if (access("/proc/driver/nvidia", F_OK) != 0)
        assert_not_started(&job, "driver", "cuda-unavailable", "libcuda.so.1");
}

TEST(trtexec_trial__counts_the_host_s_memory_where_the_gpu_shares_it)
{
    struct job job;

    job_init(&job, "8.6.1.6");
    job.free_bytes = 4096;
    job.integrated = 1;
    run_on_plan(&job);
    assert_loaded(&job, true);
    job_done(&job);
}

static void assert_refused_unseen(const char *data, size_t size, const char *reason)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    write_file(in_folder("made.plan"), data, size);
    run(&job);
    assert_ended(&job, TN_BUILD_REFUSED, "file", reason, "");
    assert_false(was_started());
    job_done(&job);
}

/* 10.6 aborts over text, and loads a plan with a byte too many that no application can. */
TEST(trtexec_trial__looks_at_the_file_itself_first)
{
    static const struct tn_version release = { .part = { 10, 6, 0, 26 }, .parts = 4 };
    char wrapped[4 + 20] = "\x14\0\0\0{\"stride\": 32 }     ";
    tn_auto(tn_buf_done) struct tn_buf plan = TN_BUF(1 << 20);
    tn_auto(tn_buf_done) struct tn_buf behind = TN_BUF(1 << 20);
    struct job job;

    write_plan(&release);
    assert_int_equal(tn_file_read(in_folder("made.plan"), &plan, NULL), TN_OK);
    assert_refused_unseen("no engine", 9, "not-an-engine");
    assert_refused_unseen("", 0, "not-an-engine");
    assert_refused_unseen(tn_buf_text(&plan), plan.size - 1, "truncated");
    tn_buf_add(&behind, wrapped, sizeof(wrapped));
    tn_buf_add(&behind, plan.data, plan.size);
    assert_refused_unseen(tn_buf_text(&behind), behind.size, "wrapped");
    tn_buf_add(&plan, "x", 1);
    assert_refused_unseen(tn_buf_text(&plan), plan.size, "truncated");

    job_init(&job, "10.6.0.26");
    job.request.plan_path = in_folder("nowhere.plan");
    prepare(&job);
    assert_int_equal(tn_trial_run(&job.request, &job.result, &job.err), TN_E_NOTFOUND);
    job_done(&job);
}

static void assert_behaviour(const char *load, enum tn_build_outcome outcome, const char *stage,
                             const char *reason, const char *words)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.load = load;
    if (strcmp(load, "hang") == 0)
        job.request.time_limit = 2 * TN_NSEC_PER_S;
    run_on_plan(&job);
    assert_ended(&job, outcome, stage, reason, words);
    assert_false(job.result.ran);
    job_done(&job);
}

TEST(trtexec_trial__ends_right_whatever_it_does)
{
    assert_behaviour("silent", TN_BUILD_TROUBLE, "run", "no-result", "status 0");
    assert_behaviour("passed-1", TN_BUILD_TROUBLE, "run", "no-result", "status 1");
    assert_behaviour("SEGV", TN_BUILD_TROUBLE, "deserialize", "signal", "SIGSEGV");
    assert_behaviour("ABRT", TN_BUILD_TROUBLE, "deserialize", "signal", "SIGABRT");
    assert_behaviour("run-KILL", TN_BUILD_TROUBLE, "exec-context", "signal", "SIGKILL");
    assert_behaviour("hang", TN_BUILD_TROUBLE, "deserialize", "timeout", "Deserializing");
    assert_behaviour("flood", TN_BUILD_TROUBLE, "deserialize", "flooded", "more than");
    assert_behaviour("unknown", TN_BUILD_REFUSED, "deserialize", "unclassified", "nobody");
    assert_behaviour("no-memory", TN_BUILD_TROUBLE, "exec-context", "no-memory", "OutOfMemory");
    assert_behaviour("made-up-memory", TN_BUILD_TROUBLE, "exec-context", "no-memory", "Cuda");
}

TEST(trtexec_trial__blames_no_engine_for_shapes_that_trtexec_made_up)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.load = "made-up";
    run_on_plan(&job);
    assert_loaded(&job, false);
    assert_true(has_phase(&job, "exec-context"));
    assert_false(has_phase(&job, "run"));
    job_done(&job);
}

TEST(trtexec_trial__proves_nothing_with_another_release_than_was_promised)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.stands_in = job.plan = tn_version_make(10, 6, 0, 27);
    run_on_plan(&job);
    assert_ended(&job, TN_BUILD_TROUBLE, "library", "toolchain-changed", "10.6.0.27");
    job_done(&job);
    job_init(&job, "12.0.0.1");
    write_plan(&job.plan);
    prepare(&job);
    assert_false(tn_trial_possible(&job.toolchain));
    assert_int_equal(tn_trial_run(&job.request, &job.result, &job.err), TN_E_UNSUPPORTED);
    job_done(&job);
}

TEST(trtexec_trial__waits_for_another_one_on_the_same_gpu)
{
    char own[64], path[128];
    struct job job;
    int fd;

    job_init(&job, "10.6.0.26");
    write_plan(&job.plan);
    prepare(&job);
    (void)snprintf(own, sizeof(own), "GPU-test-trtexec-%ld", (long)getpid());
    (void)snprintf(path, sizeof(path), "%s/tenon-gpu-%s",
                   access("/run/lock", W_OK) == 0 ? "/run/lock" : "/tmp", own);
    job.request.gpu_uuid = own;
    job.request.time_limit = 100 * TN_NSEC_PER_MS;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(tn_trial_run(&job.request, &job.result, &job.err), TN_E_AGAIN);
    assert_false(was_started());
    (void)close(fd);
    (void)unlink(path);
    job_done(&job);
}

static bool stop_in_load(const struct tn_progress *progress, void *user)
{
    (void)user;
    return strcmp(progress->phase, "Deserializing") != 0;
}

TEST(trtexec_trial__stops_when_its_caller_says_so)
{
    struct job job;

    job_init(&job, "10.6.0.26");
    job.load = "hang";
    job.request.progress = stop_in_load;
    write_plan(&job.plan);
    prepare(&job);
    assert_int_equal(tn_trial_run(&job.request, &job.result, &job.err), TN_E_CANCELLED);
    job_done(&job);
}

static bool tell_of_load(const struct tn_progress *progress, void *user)
{
    const int *pipe_end = user;

    return strcmp(progress->phase, "Deserializing") != 0 || write(*pipe_end, "!", 1) == 1;
}

TEST(trtexec_trial__dies_with_its_parent)
{
    int ends[2];
    struct job job;
    pid_t tester;

    job_init(&job, "10.6.0.26");
    job.load = "hang";
    write_plan(&job.plan);
    prepare(&job);
    assert_int_equal(pipe(ends), 0);
    tester = fork();
    if (tester == 0) {
        job.request.progress = tell_of_load;
        job.request.user = &ends[1];
        (void)tn_trial_run(&job.request, &job.result, &job.err);
        _exit(1);
    }
    (void)close(ends[1]);
    assert_dies_with(tester, ends[0]);
    job_done(&job);
}

/* --- real loads -------------------------------------------------------------------------------*/

/* What each recorded load is to be taken for. Those of files that are looked at before the start
 * (text, ONNX, cut, empty) are here too: what trtexec says of them must not be taken for success.
 */
static const struct real {
    const char *name, *release;
    int status;
    enum tn_build_outcome outcome;
    const char *reason; /* "" = loaded */
    bool ran;
} reals[] = {
    { "10.6-load-ok", "10.6.0.26", 0, TN_BUILD_DONE, "", true },
    { "10.6-load-quick", "10.6.0.26", 0, TN_BUILD_DONE, "", true },
    { "10.6-load-quick-alone", "10.6.0.26", 0, TN_BUILD_DONE, "", true },
    { "10.6-load-exports", "10.6.0.26", 0, TN_BUILD_DONE, "", true },
    { "10.6-load-strip106", "10.6.0.26", 0, TN_BUILD_DONE, "", true },
    { "10.6-load-skipInference", "10.6.0.26", 0, TN_BUILD_DONE, "", false },
    { "8.6-load-ok", "8.6.1.6", 0, TN_BUILD_DONE, "", true },
    { "8.6-load-quick-alone", "8.6.1.6", 0, TN_BUILD_DONE, "", true },
    { "8.6-load-skipInference", "8.6.1.6", 0, TN_BUILD_DONE, "", false },
    { "8.6-load-tiny", "8.6.1.6", 1, TN_BUILD_REFUSED, "trt-version", false },
    { "10.6-load-tiny86", "10.6.0.26", 1, TN_BUILD_REFUSED, "trt-version", false },
    { "10.15-load-tiny", "10.15.1.29", 1, TN_BUILD_REFUSED, "trt-version", false },
    { "10.15-load-det2", "10.15.1.29", 1, TN_BUILD_REFUSED, "trt-version", false },
    { "10.15-load-rtx14", "10.15.1.29", 1, TN_BUILD_REFUSED, "flavor", false },
    { "10.6-load-rtx14", "10.6.0.26", 1, TN_BUILD_REFUSED, "not-an-engine", false },
    { "8.6-load-rtx14", "8.6.1.6", 1, TN_BUILD_REFUSED, "not-an-engine", false },
    { "10.6-load-det2", "10.6.0.26", 1, TN_BUILD_REFUSED, "not-an-engine", false },
    { "10.6-load-trunc-half", "10.6.0.26", 1, TN_BUILD_REFUSED, "truncated", false },
    { "8.6-load-trunc86", "8.6.1.6", 1, TN_BUILD_REFUSED, "truncated", false },
    { "8.6-load-empty", "8.6.1.6", 1, TN_BUILD_REFUSED, "truncated", false },
    { "10.6-load-text", "10.6.0.26", -6, TN_BUILD_TROUBLE, "no-memory", false },
    { "10.6-load-missing", "10.6.0.26", 1, TN_BUILD_TROUBLE, "engine-missing", false },
    { "8.6-load-missing", "8.6.1.6", 1, TN_BUILD_TROUBLE, "engine-missing", false },
    { "10.6-load-shape-outside", "10.6.0.26", 1, TN_BUILD_TROUBLE, "bad-shape", false },
    { "8.6-load-shape-outside", "8.6.1.6", 1, TN_BUILD_TROUBLE, "bad-shape", false },
    { "10.6-load-shape-name", "10.6.0.26", 1, TN_BUILD_TROUBLE, "bad-profile", false },
    { "10.6-load-device-7", "10.6.0.26", 1, TN_BUILD_TROUBLE, "cuda-unavailable", false },
    { "8.6-load-device-7", "8.6.1.6", -6, TN_BUILD_TROUBLE, "cuda-unavailable", false },
    { "10.6-load-no-gpu-visible", "10.6.0.26", 1, TN_BUILD_TROUBLE, "cuda-unavailable", false },
    { "8.6-load-no-gpu-visible", "8.6.1.6", -6, TN_BUILD_TROUBLE, "cuda-unavailable", false },
    { "10.6-nogpu-load", "10.6.0.26", 1, TN_BUILD_TROUBLE, "cuda-unavailable", false },
    { "10.6-gpu-memory-none-load", "10.6.0.26", 1, TN_BUILD_TROUBLE, "no-memory", false },
    { "8.6-gpu-memory-none-load", "8.6.1.6", -6, TN_BUILD_TROUBLE, "no-memory", false },
    { "10.6-lib-no-nvinfer", "10.6.0.26", 1, TN_BUILD_TROUBLE, "library-missing", false },
    { "10.6-lib-no-plugin", "10.6.0.26", 1, TN_BUILD_TROUBLE, "library-missing", false },
    { "8.6-lib-no-nvinfer", "8.6.1.6", -6, TN_BUILD_TROUBLE, "library-missing", false },
    { "8.6-lib-no-plugin", "8.6.1.6", 1, TN_BUILD_TROUBLE, "library-missing", false },
    { "10.6-load-useRuntime-lean", "10.6.0.26", 1, TN_BUILD_TROUBLE, "library-missing", false },
};

TEST(trtexec_trial__takes_every_real_load_for_what_it_was)
{
    const char *facts = getenv("TENON_TEST_FACTS");

    for (size_t i = 0; i < TN_COUNT(reals); i++) {
        const struct real *real = &reals[i];
        char path[PATH_MAX];
        struct job job;

        (void)snprintf(path, sizeof(path), "%s/trtexec/%s.txt", facts ? facts : "", real->name);
        if (access(path, R_OK) < 0)
            skip();
        job_init(&job, real->release);
        job.transcript = path;
        job.exit_status = real->status;
        run_on_plan(&job);
        if (job.result.outcome != real->outcome || strcmp(job.result.reason, real->reason) != 0 ||
            job.result.ran != real->ran)
            fail_msg("%s: %d, %s: %s: %s%s", real->name, (int)job.result.outcome, job.result.stage,
                     job.result.reason, job.result.first_line, job.result.ran ? ", ran" : "");
        job_done(&job);
    }
}

/* --- the group --------------------------------------------------------------------------------*/

static int make_driver(void **state)
{
    tn_auto(tn_buf_done) struct tn_buf library = TN_BUF(16 << 20);

    assert_int_equal(make_standin(state), 0);
    assert_int_equal(mkdir(in_folder("lib"), 0700), 0);
    assert_int_equal(tn_file_read(getenv("TENON_FAKE_CUDA"), &library, NULL), TN_OK);
    write_file(in_folder("lib/libcuda.so.1"), library.data, library.size);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trtexec_trial__loads_and_runs_once_and_tells_every_phase),
        cmocka_unit_test(
            trtexec_trial__allows_host_code_only_when_asked_and_where_there_is_such_a_thing),
        cmocka_unit_test(trtexec_trial__runs_the_shapes_that_are_known),
        cmocka_unit_test(trtexec_trial__is_refused_a_plan_of_another_release),
        cmocka_unit_test(trtexec_trial__asks_the_driver_before_it_starts_anything),
        cmocka_unit_test(trtexec_trial__counts_the_host_s_memory_where_the_gpu_shares_it),
        cmocka_unit_test(trtexec_trial__looks_at_the_file_itself_first),
        cmocka_unit_test(trtexec_trial__ends_right_whatever_it_does),
        cmocka_unit_test(trtexec_trial__blames_no_engine_for_shapes_that_trtexec_made_up),
        cmocka_unit_test(trtexec_trial__proves_nothing_with_another_release_than_was_promised),
        cmocka_unit_test(trtexec_trial__waits_for_another_one_on_the_same_gpu),
        cmocka_unit_test(trtexec_trial__stops_when_its_caller_says_so),
        cmocka_unit_test(trtexec_trial__dies_with_its_parent),
        cmocka_unit_test(trtexec_trial__takes_every_real_load_for_what_it_was),
    };

    return cmocka_run_group_tests_name("trtexec_trial", tests, make_driver, remove_standin);
}
