/* The proofs of an engine: the trial in a child and the application's own deserialization, over a
 * real store. The child is a stand-in interpreter that says what the test wrote down. */
#include "../store/fixture.h"

#include "base/text.h"
#include "loader/job.h"
#include "store/loading.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION_LINE                                                                               \
    "1: [stdArchiveReader.cpp::40] Error Code 1: Serialization (Serialization assertion "          \
    "stdVersionRead == serializationVersion failed.)"
#define DEVICE_LINE "CUDA initialization failure with error: 35"
#define MEMORY_LINE "Error Code 1: Cuda Runtime (out of memory)"

#define GOOD_TRIAL "{\"type\":\"result\",\"ok\":true,\"seconds\":{\"deserialize\":0.5}}"
#define BAD_TRIAL                                                                                  \
    "{\"type\":\"stage\",\"stage\":\"deserialize\"}\n"                                             \
    "{\"type\":\"log\",\"severity\":\"E\",\"text\":\"" VERSION_LINE "\"}\n"                        \
    "{\"type\":\"result\",\"ok\":false,\"stage\":\"deserialize\",\"class\":\"exception\"}"
#define NO_DRIVER_TRIAL                                                                            \
    "{\"type\":\"result\",\"ok\":false,\"stage\":\"driver\",\"class\":\"cuda-unavailable\","       \
    "\"text\":\"no libcuda.so.1\"}"
#define NO_MEMORY_TRIAL                                                                            \
    "{\"type\":\"result\",\"ok\":false,\"stage\":\"context\",\"class\":\"no-memory\","             \
    "\"text\":\"too little\"}"

/* ---- what the application does ---- */

struct application {
    const char *line; /* logged as an error; NULL = nothing */
    bool fails;
    int calls;
    char seen[64]; /* the bytes that it was given */
};

static void *deserialize(const void *plan, size_t bytes, struct tn_log *log, void *user)
{
    struct application *application = user;

    application->calls++;
    assert_true(bytes < sizeof(application->seen));
    memcpy(application->seen, plan, bytes);
    if (application->line)
        tn_log_line(log, TN_LINE_ERROR, application->line);
    return application->fails ? NULL : application;
}

/* ---- a call of tn_get() that has found its engine ---- */

struct scene {
    struct place place;
    struct tn_get_options options;
    struct tn_get_result result;
    struct tn_load load;
    struct application application;
    struct tn_toolchain toolchain;
    struct tn_job job;
    struct tn_entry entry;
    struct tn_refusal why;
    struct tn_error err;
    char folder[64]; /* of the stand-in */
};

static void write_in(const struct scene *scene, const char *name, const char *text, mode_t mode)
{
    assert_int_equal(tn_file_replace(scene->folder, name, text, strlen(text), mode, NULL), TN_OK);
}

/* From now on a trial is possible, and says `answer` before it does `end`. */
static void give_gpu(struct scene *scene, const char *answer, const char *end)
{
    char script[300];

    (void)snprintf(script, sizeof(script), "#!/bin/sh\nprintf x >> %s/trials\ncat %s/answer\n%s\n",
                   scene->folder, scene->folder, end);
    write_in(scene, "python", script, 0700);
    write_in(scene, "answer", answer, 0600);
    scene->toolchain =
        (struct tn_toolchain) { .id = "t", .kind = "python", .builds.kind = TN_RUNTIME_RTX };
    scene->toolchain.builds.version = tn_version_make(1, 7, 1, 116);
    (void)snprintf(scene->toolchain.path, sizeof(scene->toolchain.path), "%s/python",
                   scene->folder);
    scene->job.target.toolchain = &scene->toolchain;
    scene->job.target.has_gpu = true;
    scene->job.target.gpu_here = true;
    (void)snprintf(scene->job.target.gpu.uuid, sizeof(scene->job.target.gpu.uuid), "GPU-test-%ld",
                   (long)getpid());
}

static int trials(const struct scene *scene)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(100);
    tn_auto(tn_str_free) char *path = tn_path_join(scene->folder, "trials");

    return tn_file_read(path, &text, NULL) == TN_OK ? (int)text.size : 0;
}

static void scene_new(struct scene *scene)
{
    *scene = (struct scene) { .place = place_new(), .folder = "/tmp/tenon-test-XXXXXX" };
    assert_non_null(mkdtemp(scene->folder));
    (void)setenv("TMPDIR", scene->folder, 1);
    scene->load = (struct tn_load) { .deserialize = deserialize, .user = &scene->application };
    scene->options.load = &scene->load;
    scene->job = (struct tn_job) { .options = &scene->options,
                                   .result = &scene->result,
                                   .store = scene->place.store,
                                   .source = "store" };
    scene->job.machine = calloc(1, sizeof(*scene->job.machine));
    assert_non_null(scene->job.machine);
    (void)tn_text_copy(scene->job.machine->driver_text, 32, "570.86.15");
    scene->job.target.here = true;
    scene->job.target.gpu = tn_gpu_unknown();
    scene->job.target.runtime =
        (struct tn_runtime_id) { TN_RUNTIME_RTX, tn_version_make(1, 7, 1, 116) };
    (void)tn_text_copy(scene->result.runtime, sizeof(scene->result.runtime), "rtx1.7.1.116");
    scene->result.rung_count = 1;
    scene->entry = put(&scene->place, "a", "plan of a");
}

static void scene_done(struct scene *scene)
{
    tn_mapping_done(&scene->load.plan);
    tn_entry_done(&scene->entry);
    free(scene->job.machine);
    place_done(&scene->place);
    assert_int_equal(tn_dir_remove(scene->folder, NULL), TN_OK);
    (void)unsetenv("TMPDIR");
}

/* What tn_get() does with an engine that it found. */
static int prove(struct scene *scene)
{
    struct tn_rung rung = { .precision = TN_PRECISION_FP16 };
    int rc;

    scene->err = (struct tn_error) { 0 };
    scene->load.object = NULL;
    rc = tn_job_try(&scene->job, &rung, &scene->entry, &scene->why, &scene->err);
    if (rc == TN_PROOF_GOOD)
        rc = tn_job_load(&scene->job, TN_PRECISION_FP16, &scene->entry, &scene->why, &scene->err);
    return rc;
}

/* The engine as a later call finds it. */
static void find_again(struct scene *scene)
{
    struct tn_entries found = { 0 };

    tn_mapping_done(&scene->load.plan);
    assert_int_equal(
        tn_objects_find(scene->place.store, &scene->entry.record.key, NULL, NULL, &found, NULL),
        TN_OK);
    assert_int_equal(found.count, 1);
    tn_entry_done(&scene->entry);
    scene->entry = found.item[0];
    found.count = 0;
    tn_entries_done(&found);
}

static bool is_aside(const struct scene *scene)
{
    return access(scene->entry.path, F_OK) != 0;
}

static void change_bytes(const struct scene *scene)
{
    FILE *file;

    assert_int_equal(chmod(scene->entry.path, 0644), 0);
    file = fopen(scene->entry.path, "r+");
    assert_non_null(file);
    assert_int_equal(fputc('P', file), 'P');
    assert_int_equal(fclose(file), 0);
}

static void die_while_loading(const struct scene *scene, int times)
{
    for (int i = 0; i < times; i++) {
        struct tn_loading mark = TN_LOADING_NONE;
        pid_t child = fork();

        if (child == 0) {
            (void)tn_loading_begin(scene->place.store, &scene->entry.record.digest, &mark, NULL);
            (void)raise(SIGKILL);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
}

struct last {
    struct tn_outcome outcome;
    int count;
};

static bool see(const struct tn_outcome *outcome, void *user)
{
    struct last *last = user;

    last->outcome = *outcome;
    last->count++;
    return true;
}

static struct last outcomes(const struct scene *scene)
{
    struct last last = { .count = 0 };

    assert_int_equal(tn_spool_each(scene->place.store, see, &last, NULL, NULL), TN_OK);
    return last;
}

#define assert_contains(text, part)                                                                \
    if (!strstr(text, part))                                                                       \
    fail_msg("no '%s' in: %s", part, text)

/* ---- it loads ---- */

TEST(load__success_is_a_proof_for_later_calls)
{
    struct scene scene;
    struct last last;

    scene_new(&scene);
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_ptr_equal(scene.load.object, &scene.application);
    assert_string_equal(scene.application.seen, "plan of a");
    assert_int_equal(scene.load.plan.size, 9);
    assert_int_equal(scene.entry.level, TN_LEVEL_LOADED);
    last = outcomes(&scene);
    assert_int_equal(last.count, 1);
    assert_int_equal(last.outcome.by, TN_OUTCOME_APPLICATION);
    assert_int_equal(last.outcome.result, TN_OUTCOME_OK);
    assert_true(last.outcome.seconds >= 0);
    assert_string_equal(last.outcome.runtime, "rtx1.7.1.116");
    assert_string_equal(last.outcome.source, "store");
    assert_true(tn_digest_equal(&last.outcome.digest, &scene.entry.record.digest));
    find_again(&scene);
    assert_int_equal(scene.entry.level, TN_LEVEL_LOADED);
    (void)tn_text_copy(scene.job.machine->driver_text, 32, "580.1");
    scene.options.load = NULL;
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(scene.entry.level, TN_LEVEL_HEADER); /* proved under another driver */
    scene_done(&scene);
}

TEST(load__is_not_asked_for_an_engine_that_is_only_got)
{
    struct scene scene;

    scene_new(&scene);
    scene.options.load = NULL;
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(scene.application.calls, 0);
    assert_int_equal(outcomes(&scene).count, 0);
    scene_done(&scene);
}

static bool say_stop(const struct tn_get_event *event, void *user)
{
    (void)user;
    return strcmp(event->doing, "deserializing") != 0;
}

TEST(load__caller_that_stops_is_not_called_any_more)
{
    struct scene scene;

    scene_new(&scene);
    scene.options.event = say_stop;
    assert_int_equal(prove(&scene), TN_E_CANCELLED);
    assert_int_equal(scene.application.calls, 0);
    scene_done(&scene);
}

/* ---- it fails ---- */

TEST(load__lasting_reason_sets_aside_and_is_a_refusal)
{
    struct scene scene;
    struct last last;

    scene_new(&scene);
    scene.application = (struct application) { .fails = true, .line = VERSION_LINE };
    assert_int_equal(prove(&scene), TN_PROOF_REFUSED);
    assert_int_equal(scene.why.kind, TN_REFUSAL_LASTING);
    assert_string_equal(scene.why.name, "trt-version");
    assert_string_equal(scene.why.stage, "load");
    assert_contains(scene.why.first_line, "stdVersionRead");
    assert_true(is_aside(&scene));
    assert_true(tn_job_has_failed(&scene.job, &scene.entry));
    assert_int_equal(scene.application.calls, 1);
    last = outcomes(&scene);
    assert_int_equal(last.outcome.result, TN_OUTCOME_FAILED);
    assert_string_equal(last.outcome.class_name, "trt-version");
    scene_done(&scene);
}

TEST(load__trouble_of_the_device_keeps_the_engine)
{
    static const char *const lines[] = { DEVICE_LINE, MEMORY_LINE };

    for (size_t i = 0; i < TN_COUNT(lines); i++) {
        struct scene scene;
        struct last last;

        scene_new(&scene);
        scene.application = (struct application) { .fails = true, .line = lines[i] };
        assert_int_equal(prove(&scene), TN_E_AGAIN);
        assert_false(is_aside(&scene));
        assert_contains(scene.err.text, scene.entry.path);
        assert_contains(scene.err.text, lines[i]);
        assert_int_equal(scene.result.warning_count, 0);
        last = outcomes(&scene);
        assert_int_equal(last.outcome.result, TN_OUTCOME_TROUBLE);
        scene_done(&scene);
    }
}

TEST(load__silence_sets_aside_for_a_while_what_never_loaded)
{
    struct scene scene;

    scene_new(&scene);
    scene.application.fails = true;
    assert_int_equal(prove(&scene), TN_PROOF_REFUSED);
    assert_int_equal(scene.why.kind, TN_REFUSAL_BACKOFF);
    assert_string_equal(scene.why.name, "silent");
    assert_true(is_aside(&scene));
    scene_done(&scene);
}

TEST(load__unknown_error_is_no_lasting_reason)
{
    struct scene scene;

    scene_new(&scene);
    scene.application = (struct application) { .fails = true, .line = "nobody knows this line" };
    assert_int_equal(prove(&scene), TN_PROOF_REFUSED);
    assert_int_equal(scene.why.kind, TN_REFUSAL_BACKOFF);
    assert_string_equal(scene.why.name, "unclassified");
    assert_string_equal(scene.why.first_line, "nobody knows this line");
    scene_done(&scene);
}

TEST(load__keeps_what_loaded_here_before)
{
    static const struct {
        const char *line;
        int code;
    } rows[] = { { NULL, TN_E_AGAIN }, { VERSION_LINE, TN_E_UNSUPPORTED } };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct scene scene;

        scene_new(&scene);
        assert_int_equal(prove(&scene), TN_PROOF_GOOD);
        find_again(&scene);
        scene.application = (struct application) { .fails = true, .line = rows[i].line };
        assert_int_equal(prove(&scene), rows[i].code);
        assert_false(is_aside(&scene));
        assert_contains(scene.err.text, "loaded before under rtx1.7.1.116");
        assert_contains(scene.err.text, scene.entry.path);
        scene_done(&scene);
    }
}

TEST(load__bytes_that_were_changed_are_no_fault_of_the_recipe)
{
    struct scene scene;

    scene_new(&scene);
    change_bytes(&scene);
    scene.application = (struct application) { .fails = true, .line = VERSION_LINE };
    assert_int_equal(prove(&scene), TN_PROOF_CHANGED);
    assert_string_equal(scene.application.seen, "Plan of a");
    assert_int_equal(scene.why.kind, TN_REFUSAL_NONE);
    assert_string_equal(scene.why.name, "corrupt");
    assert_true(is_aside(&scene));
    scene_done(&scene);
}

TEST(load__engine_that_went_away_is_no_fault_of_the_recipe)
{
    struct scene scene;

    scene_new(&scene);
    assert_int_equal(tn_object_set_aside(scene.place.store, &scene.entry, "by another", NULL),
                     TN_OK);
    assert_int_equal(prove(&scene), TN_PROOF_CHANGED);
    assert_int_equal(scene.application.calls, 0);
    assert_int_equal(scene.why.kind, TN_REFUSAL_NONE);
    scene_done(&scene);
}

/* ---- it crashes ---- */

TEST(load__third_death_sets_aside_where_no_child_can_be_asked)
{
    struct scene scene;

    scene_new(&scene);
    die_while_loading(&scene, 2);
    scene.application.fails = true;
    scene.application.line = DEVICE_LINE; /* says nothing of the engine */
    assert_int_equal(prove(&scene), TN_E_AGAIN);
    assert_int_equal(scene.application.calls, 1);
    die_while_loading(&scene, 1);
    assert_int_equal(prove(&scene), TN_PROOF_REFUSED);
    assert_int_equal(scene.application.calls, 1);
    assert_int_equal(scene.why.kind, TN_REFUSAL_BACKOFF);
    assert_string_equal(scene.why.name, "crash");
    assert_true(is_aside(&scene));
    assert_int_equal(tn_loading_crashes(scene.place.store, &scene.entry.record.digest), 0);
    scene_done(&scene);
}

TEST(load__success_forgets_deaths)
{
    struct scene scene;

    scene_new(&scene);
    die_while_loading(&scene, 2);
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(tn_loading_crashes(scene.place.store, &scene.entry.record.digest), 0);
    scene_done(&scene);
}

/* ---- after a trial ---- */

TEST(load__comes_after_one_trial_in_a_child)
{
    struct scene scene;
    struct last last;

    scene_new(&scene);
    give_gpu(&scene, GOOD_TRIAL, "");
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(trials(&scene), 1);
    assert_int_equal(scene.application.calls, 1);
    last = outcomes(&scene);
    assert_int_equal(last.count, 2);
    find_again(&scene);
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(trials(&scene), 1);
    assert_int_equal(scene.application.calls, 2);
    scene_done(&scene);
}

TEST(load__death_asks_a_child_again_although_it_was_proved)
{
    struct scene scene;

    scene_new(&scene);
    give_gpu(&scene, GOOD_TRIAL, "");
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    find_again(&scene);
    die_while_loading(&scene, 4);
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(trials(&scene), 2);
    assert_int_equal(scene.application.calls, 2);
    scene_done(&scene);
}

TEST(load__is_not_risked_where_the_child_found_no_driver_or_died)
{
    static const char *const ends[][2] = { { NO_DRIVER_TRIAL, "" }, { "", "kill -SEGV $$" } };

    for (size_t i = 0; i < TN_COUNT(ends); i++) {
        struct scene scene;

        scene_new(&scene);
        give_gpu(&scene, ends[i][0], ends[i][1]);
        assert_int_equal(prove(&scene), TN_E_AGAIN);
        assert_int_equal(scene.application.calls, 0);
        assert_false(is_aside(&scene));
        assert_contains(scene.err.text, scene.entry.path);
        assert_int_equal(outcomes(&scene).outcome.result, TN_OUTCOME_TROUBLE);
        scene_done(&scene);
    }
}

TEST(load__is_not_risked_while_a_child_that_died_is_still_remembered)
{
    struct scene scene;

    scene_new(&scene);
    give_gpu(&scene, "", "kill -SEGV $$");
    assert_int_equal(prove(&scene), TN_E_AGAIN);
    assert_int_equal(prove(&scene), TN_E_AGAIN);
    assert_int_equal(trials(&scene), 1);
    assert_int_equal(scene.application.calls, 0);
    assert_contains(scene.err.text, "signal");
    assert_contains(scene.err.text, scene.entry.path);
    scene.options.retry = true;
    assert_int_equal(prove(&scene), TN_E_AGAIN);
    assert_int_equal(trials(&scene), 2);
    scene_done(&scene);
}

TEST(load__is_tried_where_the_child_had_too_little_memory)
{
    struct scene scene;

    scene_new(&scene);
    give_gpu(&scene, NO_MEMORY_TRIAL, "");
    assert_int_equal(prove(&scene), TN_PROOF_GOOD);
    assert_int_equal(scene.application.calls, 1);
    scene_done(&scene);
}

TEST(trial__that_refuses_changed_bytes_does_not_blame_the_recipe)
{
    struct scene scene;

    scene_new(&scene);
    give_gpu(&scene, BAD_TRIAL, "");
    change_bytes(&scene);
    assert_int_equal(prove(&scene), TN_PROOF_CHANGED);
    assert_int_equal(scene.application.calls, 0);
    assert_true(is_aside(&scene));
    scene_done(&scene);
}

TEST(trial__that_dies_of_changed_bytes_does_not_blame_the_device)
{
    struct scene scene;

    scene_new(&scene);
    give_gpu(&scene, "", "kill -SEGV $$");
    change_bytes(&scene);
    assert_int_equal(prove(&scene), TN_PROOF_CHANGED);
    assert_true(is_aside(&scene));
    scene_done(&scene);
}

TEST(trial__that_refuses_whole_bytes_is_a_refusal)
{
    struct scene scene;

    scene_new(&scene);
    give_gpu(&scene, BAD_TRIAL, "");
    assert_int_equal(prove(&scene), TN_PROOF_REFUSED);
    assert_int_equal(scene.why.kind, TN_REFUSAL_LASTING);
    assert_string_equal(scene.why.name, "trt-version");
    assert_string_equal(scene.why.stage, "trial");
    assert_int_equal(scene.application.calls, 0);
    assert_true(is_aside(&scene));
    assert_int_equal(outcomes(&scene).outcome.result, TN_OUTCOME_FAILED);
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load__success_is_a_proof_for_later_calls),
        cmocka_unit_test(load__is_not_asked_for_an_engine_that_is_only_got),
        cmocka_unit_test(load__caller_that_stops_is_not_called_any_more),
        cmocka_unit_test(load__lasting_reason_sets_aside_and_is_a_refusal),
        cmocka_unit_test(load__trouble_of_the_device_keeps_the_engine),
        cmocka_unit_test(load__silence_sets_aside_for_a_while_what_never_loaded),
        cmocka_unit_test(load__unknown_error_is_no_lasting_reason),
        cmocka_unit_test(load__keeps_what_loaded_here_before),
        cmocka_unit_test(load__bytes_that_were_changed_are_no_fault_of_the_recipe),
        cmocka_unit_test(load__engine_that_went_away_is_no_fault_of_the_recipe),
        cmocka_unit_test(load__third_death_sets_aside_where_no_child_can_be_asked),
        cmocka_unit_test(load__success_forgets_deaths),
        cmocka_unit_test(load__comes_after_one_trial_in_a_child),
        cmocka_unit_test(load__death_asks_a_child_again_although_it_was_proved),
        cmocka_unit_test(load__is_not_risked_where_the_child_found_no_driver_or_died),
        cmocka_unit_test(load__is_not_risked_while_a_child_that_died_is_still_remembered),
        cmocka_unit_test(load__is_tried_where_the_child_had_too_little_memory),
        cmocka_unit_test(trial__that_refuses_changed_bytes_does_not_blame_the_recipe),
        cmocka_unit_test(trial__that_dies_of_changed_bytes_does_not_blame_the_device),
        cmocka_unit_test(trial__that_refuses_whole_bytes_is_a_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
