#include "toolchain/trtexec_trial.h"

#include "base/file.h"
#include "base/json.h"
#include "base/libexec.h"
#include "plan/plan.h"
#include "toolchain/child.h"
#include "toolchain/trial_result.h"
#include "toolchain/trtexec_command.h"
#include "toolchain/trtexec_output.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct trial {
    const struct tn_trial_request *request;
    const char *output;
    tn_nsec end; /* of the time for both children */
    int64_t plan_bytes;
    struct tn_hearing hearing;
    struct tn_trial_result result;
};

static void trial_done(struct trial *trial)
{
    tn_hearing_done(&trial->hearing);
}

/* --- before the start -------------------------------------------------------------------------*/

/* @return 1 go on, 0 the result says why not, or an error */
static int look_at_plan(struct trial *trial, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    char text[200];
    struct tn_plan plan;
    struct stat st;
    int rc = tn_file_open(trial->request->plan_path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, &plan, err);
    if (rc < 0)
        return rc;
    trial->plan_bytes = st.st_size;
    if (plan.kind == TN_FILE_ENGINE && plan.complete != 0 && plan.wrapper_bytes == 0)
        return 1;
    if (plan.kind != TN_FILE_ENGINE)
        (void)snprintf(text, sizeof(text), "the file is no engine (%s)",
                       tn_file_kind_name(plan.kind));
    else if (plan.wrapper_bytes > 0)
        (void)snprintf(text, sizeof(text), "%lld bytes stand before the engine (%s)",
                       (long long)plan.wrapper_bytes, plan.wrapper);
    else
        (void)snprintf(text, sizeof(text), "the file has %lld bytes and its header promises %lld",
                       (long long)plan.size, (long long)plan.expected_size);
    tn_trial_result_fail(&trial->result, "file",
                         plan.kind != TN_FILE_ENGINE ? "not-an-engine"
                         : plan.wrapper_bytes > 0    ? "wrapped"
                                                     : "truncated",
                         text);
    return 0;
}

/* --- children ---------------------------------------------------------------------------------*/

/* @return 0 when the child ran to some end, or why it did not */
static int run_child(struct trial *trial, struct tn_trtexec_command *command, tn_line_fn line,
                     void *user, struct tn_proc_result *ret_end, struct tn_error *err)
{
    const struct tn_trial_request *request = trial->request;
    tn_auto(tn_child_done) struct tn_child child = { .temporary = NULL };
    tn_nsec left = trial->end - tn_clock_monotonic();
    struct tn_child_setup setup = { .toolchain = request->toolchain,
                                    .output_path = trial->output,
                                    .visible_gpu = request->gpu_uuid,
                                    .limits = { .time = left > 0 ? left : 1 } };
    int rc = tn_child_open(&child, &setup, err);

    if (rc < 0)
        return rc;
    child.options.argv = (const char *const *)command->argument;
    rc = tn_proc_run(&child.options, line, user, ret_end, err);
    if (rc == TN_OK && ret_end->stopped)
        rc = tn_fail(err, TN_E_CANCELLED, "the trial was stopped");
    return rc;
}

/* Takes what was heard of one child's end into the result; the next one begins anew. */
static void judge(struct trial *trial, const struct tn_proc_result *end)
{
    struct tn_build_result judged = { .outcome = TN_BUILD_TROUBLE };

    tn_hearing_judge(&trial->hearing, end, &judged);
    tn_trial_result_take(&trial->result, &trial->hearing, &judged);
    tn_build_result_done(&judged);
}

/* On an integrated GPU CUDA does not count what the system would give back. */
static int64_t free_bytes(const json_t *answer)
{
    if (tn_json_bool(answer, "integrated", false))
        return tn_child_memory_available();
    return tn_json_int(answer, "free_bytes", 0);
}

/* @return 1 go on, 0 the result says why not, or an error */
static int ask_driver(struct trial *trial, struct tn_error *err)
{
    tn_auto(tn_trtexec_command_done) struct tn_trtexec_command command = { .count = 0 };
    struct tn_proc_result end = { 0 };
    char program[PATH_MAX], text[200];
    int64_t have;
    int rc = tn_libexec_find("tenon-gpu", program, err);

    if (rc == TN_OK)
        rc = tn_trtexec_command_start(&command, program, err);
    if (rc == TN_OK)
        rc = run_child(trial, &command, tn_hearing_line, &trial->hearing, &end, err);
    if (rc < 0)
        return rc;
    judge(trial, &end);
    if (trial->result.outcome != TN_BUILD_DONE)
        return 0;
    have = free_bytes(trial->hearing.answer);
    tn_json_done(&trial->hearing.answer);
    if (have >= trial->plan_bytes + TN_TRIAL_MARGIN)
        return 1;
    (void)snprintf(text, sizeof(text),
                   "%lld bytes of GPU memory are free; the plan has %lld, and %lld are kept for "
                   "its work",
                   (long long)have, (long long)trial->plan_bytes, (long long)TN_TRIAL_MARGIN);
    tn_trial_result_fail(&trial->result, "context", "no-memory", text);
    return 0;
}

/* --- trtexec ----------------------------------------------------------------------------------*/

static json_t *answer_loaded(const struct tn_trtexec_output *output)
{
    json_t *answer = json_object();

    tn_json_set(answer, "ok", json_true());
    tn_json_set_str(answer, "stage", output->hearing->stage);
    tn_json_set(answer, "ran", json_boolean(tn_trtexec_output_ran(output)));
    tn_json_set(answer, "seconds", tn_trtexec_output_seconds(output));
    return answer;
}

/* trtexec tells the release that it was compiled for. Another one than the toolchain's proves
 * nothing for the runtime that was meant. */
static void check_release(struct trial *trial, const struct tn_version *says)
{
    const struct tn_version *wanted = &trial->request->toolchain->builds.version;
    char is[TN_VERSION_TEXT], was[TN_VERSION_TEXT], text[200];

    if (says->parts == 0 || tn_version_compare(wanted, says) == 0)
        return;
    tn_version_print(says, is);
    tn_version_print(wanted, was);
    (void)snprintf(text, sizeof(text), "toolchain %.64s is now trtexec %s, not %s",
                   trial->request->toolchain->id, is, was);
    tn_trial_result_fail(&trial->result, "library", "toolchain-changed", text);
}

/* What was asked of trtexec (an option, a shape, a file that has gone) says nothing of the engine.
 */
static void check_blame(struct trial *trial)
{
    const struct tn_telling *telling = tn_hearing_best(&trial->hearing);

    if (trial->result.outcome == TN_BUILD_REFUSED && telling->rank == TN_TELLING_KNOWN &&
        telling->row && telling->row->scope != TN_LOG_PLAN)
        trial->result.outcome = TN_BUILD_TROUBLE;
}

static int load(struct trial *trial, struct tn_error *err)
{
    const struct tn_trial_request *request = trial->request;
    tn_auto(tn_trtexec_command_done) struct tn_trtexec_command command = { .count = 0 };
    struct tn_trtexec_load wanted = { .toolchain = request->toolchain,
                                      .plan = request->plan_path,
                                      .shapes = request->shapes,
                                      .allow_host_code = request->allow_host_code };
    struct tn_trtexec_output output;
    struct tn_proc_result end = { 0 };
    int rc = tn_trtexec_command_start(&command, request->toolchain->path, err);

    if (rc == TN_OK)
        rc = tn_trtexec_command_load(&command, &wanted, err);
    if (rc < 0)
        return rc;
    tn_trtexec_output_begin(&output, &trial->hearing, TN_TRTEXEC_LOADS);
    rc = run_child(trial, &command, tn_trtexec_output_line, &output, &end, err);
    if (rc < 0)
        return rc;
    if (tn_trtexec_output_end(&output, &end))
        trial->hearing.answer = answer_loaded(&output);
    judge(trial, &end);
    check_blame(trial);
    check_release(trial, &output.version);
    return TN_OK;
}

int tn_trtexec_trial(const struct tn_trial_request *request, const char *output, tn_nsec limit,
                     struct tn_trial_result *ret_result, struct tn_error *err)
{
    tn_auto(trial_done) struct trial trial = { .request = request,
                                               .output = output,
                                               .end = tn_clock_monotonic() + limit };
    int rc = tn_trtexec_check(request->toolchain, err);

    if (rc == TN_OK)
        rc = tn_hearing_init(&trial.hearing, request->log_path, request->progress, request->user,
                             err);
    if (rc == TN_OK)
        rc = look_at_plan(&trial, err);
    if (rc > 0)
        rc = ask_driver(&trial, err);
    if (rc > 0)
        rc = load(&trial, err);
    if (rc < 0)
        return rc;
    *ret_result = trial.result;
    return TN_OK;
}
