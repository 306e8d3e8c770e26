/* tenon check: will this engine load there, and if not, why. */
#include "base/text.h"
#include "cli/commands.h"
#include "loader/check.h"

#include <string.h>

enum {
    EXIT_YES = 0,
    EXIT_NO = 1,
    EXIT_UNSURE = 3,
    EXIT_TROUBLE = 75,
    TEXT_MAX = 4096,
};

static const struct tn_option options[] = {
    { "device", 'd', TN_ARG_DEVICE, "NAME|FILE", NULL, true,
      "A bundled board with its runtime (t4+trt8.4.1.5) or a fingerprint file; repeatable "
      "(default: this machine)." },
    { "runtime", 'r', TN_ARG_TEXT, "RUNTIME|all", NULL, false,
      "The runtime that loads, such as trt10.6.0.26; 'all' for each one of the device (default: "
      "the one that an application there would open)." },
    { "gpu", 0, TN_ARG_TEXT, "INDEX|UUID|NAME", NULL, false,
      "The GPU (default: the first of CUDA_VISIBLE_DEVICES or of the machine)." },
    { "allow-host-code", 0, TN_ARG_NONE, NULL, NULL, false,
      "The application allows the lean runtime inside an engine to run." },
    { "trial", 't', TN_ARG_NONE, NULL, NULL, false,
      "Load it on this machine's GPU in a child and run it once: a proof instead of rules; with "
      "-v each phase in milliseconds." },
    { "time-limit", 0, TN_ARG_TEXT, "TIME", NULL, false,
      "Limit of one trial, such as 90s (default: 60s and more for large engines)." },
    { "accept", 0, TN_ARG_CHOICE, NULL, "loads|may-load", false,
      "With 'may-load' that verdict is a yes, too (default: loads)." },
    { 0 },
};

static const char *const examples[] = {
    "tenon check yolov5s.engine",
    "Would this machine load it?",
    "tenon check *.engine --device t4+trt8.4.1.5 --device orin-nano+trt10.3.0.30",
    "A fleet, without having the devices.",
    "tenon check --trial --verbose model.engine",
    "Load it here, run it once, and show where the time goes.",
    "tenon check model.plan --device h200 --runtime rtx1.7.1.116 --json",
    "The answer for a script.",
    NULL,
};

struct job {
    const struct tn_invocation *call;
    struct tn_check check;
    int path_width, label_width;
    size_t wont, may, unknown; /* verdicts other than loads */
    size_t trouble;            /* trials that failed for reasons of the device */
};

/* ---- printing ----------------------------------------------------------------------------- */

/* Details may quote bytes of the file. */
static void print_safe(const char *before, const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(TEXT_MAX);

    tn_text_add_safe(&line, text, strlen(text));
    (void)printf("%s%s\n", before, tn_buf_text(&line));
}

static void print_phases(const struct tn_trial_result *result)
{
    for (int i = 0; i < result->phase_count; i++)
        (void)printf("    %-13s %6lld ms\n", result->phase[i].name, (long long)result->phase[i].ms);
    (void)printf("    %-13s %6lld ms%s\n", "whole child", (long long)result->total_ms,
                 result->ran ? "" : "  (not run: shapes are not known, or it would not fit)");
}

static void print_answer(const struct job *job, const char *path,
                         const struct tn_check_place *place, const struct tn_check_result *result)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(TEXT_MAX);
    const struct tn_answer *answer = &result->answer;
    char text[TN_RUNTIME_TEXT];
    const char *runtime = tn_check_runtime_name(place, text);

    tn_text_add_safe(&safe, path, strlen(path));
    (void)printf("%-9s  %-*s  %-*s  %s\n", tn_verdict_name(answer->verdict), job->path_width,
                 tn_buf_text(&safe), job->label_width, place->device->label,
                 runtime ? runtime : "no runtime named");
    for (int i = 0; i < answer->reason_count && !job->call->quiet; i++) {
        const struct tn_reason *reason = &answer->reason[i];

        (void)printf("    %s", tn_reason_name(reason->code));
        print_safe(": ", reason->detail);
        if (reason->remedy[0])
            print_safe("        -> ", reason->remedy);
        if (job->call->verbose)
            print_safe("        ", reason->ground);
    }
    if (result->tried && job->call->verbose)
        print_phases(&result->trial);
}

static int print_json(const char *path, const struct tn_check_place *place,
                      const struct tn_check_result *result, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_check_to_json(path, place, result);

    return tn_json_line(stdout, json, err);
}

static void warn_of_others(const struct job *job)
{
    const struct tn_device *told = NULL;

    for (size_t i = 0; i < job->check.place_count; i++) {
        const struct tn_check_place *place = &job->check.place[i];
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1024);

        if (!place->others || place->device == told)
            continue; /* a device with several runtimes has several places */
        told = place->device;
        tn_check_others_text(place, &text);
        tn_cli_warn(job->call, "%s", tn_buf_text(&text));
    }
}

/* ---- engines ------------------------------------------------------------------------------ */

static void count(struct job *job, const struct tn_check_result *result)
{
    enum tn_verdict verdict = result->answer.verdict;

    job->wont += verdict == TN_VERDICT_WONT_LOAD;
    job->may += verdict == TN_VERDICT_MAY_LOAD;
    job->unknown += verdict == TN_VERDICT_UNKNOWN;
    job->trouble += result->trouble;
}

static int check_engine(struct job *job, const char *path, struct tn_error *err)
{
    struct tn_plan plan;
    int rc = tn_check_read(path, &plan, err);

    for (size_t i = 0; rc == TN_OK && i < job->check.place_count; i++) {
        const struct tn_check_place *place = &job->check.place[i];
        struct tn_check_result result;

        tn_check_answer(&job->check, place, path, &plan, &result);
        count(job, &result);
        if (result.warning[0])
            tn_cli_warn(job->call, "%s", result.warning);
        if (job->call->json)
            rc = print_json(path, place, &result, err);
        else
            print_answer(job, path, place, &result);
    }
    return rc;
}

/* Without a GPU and without --device there is nothing to compare with: said once, and as an answer
 * of each engine for scripts. */
static int no_gpu(const struct job *job, struct tn_error *err)
{
    struct tn_check_place place;
    struct tn_check_result result;
    int rc = TN_OK;

    if (!job->call->json) {
        (void)fprintf(stderr, "tenon check: %s; %s\n", tn_check_nowhere_reason(&job->check),
                      tn_check_nowhere_remedy());
        return TN_OK;
    }
    tn_check_nowhere(&job->check, &place, &result);
    for (size_t i = 0; rc == TN_OK && i < job->call->arg_count; i++)
        rc = print_json(job->call->args[i], &place, &result, err);
    return rc;
}

/* ---- the command -------------------------------------------------------------------------- */

static void measure_columns(struct job *job)
{
    for (size_t i = 0; i < job->call->arg_count; i++)
        if ((int)strlen(job->call->args[i]) > job->path_width)
            job->path_width = (int)strlen(job->call->args[i]);
    for (size_t i = 0; i < job->check.device_count; i++)
        if ((int)strlen(job->check.device[i].label) > job->label_width)
            job->label_width = (int)strlen(job->check.device[i].label);
}

static int status_of(const struct job *job)
{
    const char *accept = tn_given(job->call, "accept");
    bool may_is_yes = accept && strcmp(accept, "may-load") == 0;

    if (job->wont > 0)
        return EXIT_NO;
    if (job->trouble > 0)
        return EXIT_TROUBLE;
    return job->unknown > 0 || (job->may > 0 && !may_is_yes) ? EXIT_UNSURE : EXIT_YES;
}

static int check_engines(struct job *job)
{
    int failed = 0;

    warn_of_others(job);
    measure_columns(job);
    for (size_t i = 0; i < job->call->arg_count; i++) {
        struct tn_error err = { 0 };

        if (check_engine(job, job->call->args[i], &err) < 0)
            failed = tn_cli_error(job->call, &err);
    }
    return failed ? failed : status_of(job);
}

/* The devices that were named, in order. @return how many, or more than `max` */
static size_t devices_of(const struct tn_invocation *call, const char *ret_device[], size_t max)
{
    size_t named = 0;
    const char *device;

    while ((device = tn_given_at(call, "device", named)) != NULL) {
        if (named < max)
            ret_device[named] = device;
        named++;
    }
    return named;
}

static void job_done(struct job *job)
{
    tn_check_done(&job->check);
}

static int run(const struct tn_invocation *call)
{
    tn_auto(job_done) struct job job = { .call = call };
    const char *limit = tn_given(call, "time-limit");
    const char *device[TN_CHECK_PLACES_MAX];
    struct tn_check_wish wish = { .device = device,
                                  .device_count = devices_of(call, device, TN_COUNT(device)),
                                  .runtime = tn_given(call, "runtime"),
                                  .gpu = tn_given(call, "gpu"),
                                  .allow_host_code = tn_given(call, "allow-host-code") != NULL,
                                  .trial = tn_given(call, "trial") != NULL };
    struct tn_error err = { 0 };

    if (wish.trial && wish.device_count > 0)
        return tn_cli_usage(call, "--trial loads on this machine: it goes without --device");
    if (wish.device_count > TN_COUNT(device))
        return tn_cli_usage(call, "more than %d devices", TN_CHECK_PLACES_MAX);
    if (limit && (!tn_text_duration(limit, &wish.trial_time_limit) || wish.trial_time_limit == 0))
        return tn_cli_usage(call, "--time-limit takes a time such as 90s, not '%s'", limit);
    if (tn_check_begin(&wish, &job.check, &err) < 0)
        return tn_cli_error(call, &err);
    if (job.check.nowhere)
        return no_gpu(&job, &err) < 0 ? tn_cli_error(call, &err) : EXIT_UNSURE;
    return check_engines(&job);
}

const struct tn_command tn_cmd_check = {
    .name = "check",
    .args = "ENGINE…",
    .min_args = 1,
    .max_args = (size_t)-1,
    .summary = "Say whether an engine will load on a device, and if not, why.",
    .details = "Compares what the bytes of each engine state with a GPU and a runtime: this "
               "machine's, a bundled board's, or those of a fingerprint file. Nothing is loaded, "
               "no GPU is needed, unless --trial asks for a proof on this machine's.\n"
               "The verdict is `loads` (every gate was passed by a rule that rests on "
               "documentation or measurement), `may-load` (something is not known, or known from "
               "reports only), `wont-load`, or `unknown`. Each reason has a code, a remedy and the "
               "ground of its rule; -v prints the grounds. docs/compatibility.md explains them.",
    .options = options,
    .examples = examples,
    .exits = "0 every engine loads; 1 some engine won't load; 2 usage; 3 not certain: some "
             "may-load or unknown, or there is neither a GPU nor --device; 66 a file or device is "
             "not there; 75 a trial failed for reasons of the device.",
    .run = run,
};
