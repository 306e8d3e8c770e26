/* tenon check: will this engine load there, and if not, why. */
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "compat/compat.h"
#include "toolchain/trial.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLACES_MAX = 256,
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

/* One GPU with one runtime. */
struct place {
    const struct tn_device *device;
    const struct tn_gpu *gpu; /* NULL = not known */
    struct tn_runtime_id runtime;
};

struct job {
    const struct tn_invocation *call;
    struct tn_device *device; /* device_count of them */
    size_t device_count;
    struct place place[PLACES_MAX];
    size_t place_count;
    int path_width, label_width;
    size_t wont, may, unknown; /* verdicts other than loads */
    size_t trouble;            /* trials that failed for reasons of the device */
    tn_nsec trial_time_limit;
};

/* What a trial of one engine on one place gave. */
struct tried {
    bool made;
    struct tn_trial_result result;
};

static void job_done(struct job *job)
{
    free(job->device);
}

/* ---- where -------------------------------------------------------------------------------- */

static int get_devices(struct job *job, struct tn_error *err)
{
    size_t named = 0;
    int rc = TN_OK;

    while (tn_given_at(job->call, "device", named))
        named++;
    job->device_count = named ? named : 1;
    job->device = calloc(job->device_count, sizeof(*job->device));
    if (!job->device)
        return tn_fail(err, TN_E_NOMEM, "keep %zu devices", job->device_count);
    if (named == 0)
        return tn_device_learn(&(struct tn_probe_options) { 0 }, job->device, err);
    for (size_t i = 0; rc == TN_OK && i < named; i++)
        rc = tn_device_get(tn_given_at(job->call, "device", i), &job->device[i], err);
    return rc;
}

static int add_place(struct job *job, const struct tn_device *device, const struct tn_gpu *gpu,
                     struct tn_runtime_id runtime, struct tn_error *err)
{
    if (job->place_count == PLACES_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d pairs of GPU and runtime", PLACES_MAX);
    job->place[job->place_count++] = (struct place) { device, gpu, runtime };
    return TN_OK;
}

static int add_all_runtimes(struct job *job, const struct tn_device *device,
                            const struct tn_gpu *gpu, struct tn_error *err)
{
    int rc = TN_OK;

    if (device->runtime_count == 0)
        return add_place(job, device, gpu, (struct tn_runtime_id) { 0 }, err);
    for (int i = 0; rc == TN_OK && i < device->runtime_count; i++)
        rc = add_place(job, device, gpu, device->runtime[i].id, err);
    return rc;
}

/* A board by name has no runtime of its own, so the option may give it one. */
static bool give_runtime(const struct job *job, const struct tn_device *device, const char *wanted,
                         struct tn_runtime_id *ret_id)
{
    return wanted && tn_given(job->call, "device") && device->runtime_count == 0 &&
           tn_runtime_id_parse(wanted, ret_id, NULL) == TN_OK;
}

static int add_runtimes(struct job *job, const struct tn_device *device, const struct tn_gpu *gpu,
                        struct tn_error *err)
{
    const char *wanted = tn_given(job->call, "runtime");
    struct tn_runtime_id id = { .kind = TN_RUNTIME_UNKNOWN };
    const struct tn_runtime *runtime;
    int rc;

    if (wanted && strcmp(wanted, "all") == 0)
        return add_all_runtimes(job, device, gpu, err);
    if (give_runtime(job, device, wanted, &id))
        return add_place(job, device, gpu, id, err);
    rc = tn_device_runtime(device, wanted, &runtime, err);
    if (rc == TN_OK)
        id = runtime->id;
    else if (rc != TN_E_NOTFOUND || wanted || device->runtime_count > 0)
        return rc;
    return add_place(job, device, gpu, id, err);
}

static int add_device(struct job *job, const struct tn_device *device, struct tn_error *err)
{
    const char *wanted = tn_given(job->call, "gpu");
    const struct tn_gpu *gpu = NULL;
    int rc;

    if (device->gpu_count > 0 || wanted) {
        rc = tn_device_gpu(device, wanted, &gpu, err);
        if (rc < 0)
            return rc;
    }
    if (!wanted && tn_device_boards_differ(device))
        tn_cli_warn(job->call, "%s has different GPUs; checked is %s (--gpu chooses another)",
                    device->label, gpu->name);
    return add_runtimes(job, device, gpu, err);
}

static int get_places(struct job *job, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < job->device_count; i++)
        rc = add_device(job, &job->device[i], err);
    return rc;
}

/* ---- answers ------------------------------------------------------------------------------ */

static const char *gpu_name(const struct place *place)
{
    if (!place->gpu)
        return NULL;
    return place->gpu->name[0] ? place->gpu->name : place->gpu->product;
}

static const char *runtime_name(const struct place *place, char text[TN_RUNTIME_TEXT])
{
    if (place->runtime.kind == TN_RUNTIME_UNKNOWN)
        return NULL;
    tn_runtime_id_print(&place->runtime, text);
    return text;
}

static json_t *reasons_json(const struct tn_answer *answer)
{
    json_t *reasons = json_array();

    for (int i = 0; i < answer->reason_count; i++) {
        const struct tn_reason *reason = &answer->reason[i];
        json_t *json = json_object();

        tn_json_set_str(json, "code", tn_reason_name(reason->code));
        tn_json_set_str(json, "detail", reason->detail);
        tn_json_set_str(json, "remedy", reason->remedy);
        tn_json_set_str(json, "ground", reason->ground);
        (void)json_array_append_new(reasons, json);
    }
    return reasons;
}

static json_t *trial_json(const struct tried *tried)
{
    static const char *const outcomes[] = { "loaded", "refused", "trouble" };
    json_t *json, *phases;

    if (!tried->made)
        return NULL;
    json = json_object();
    phases = json_object();
    for (int i = 0; i < tried->result.phase_count; i++)
        tn_json_set_int(phases, tried->result.phase[i].name, tried->result.phase[i].ms);
    tn_json_set_str(json, "outcome", outcomes[tried->result.outcome]);
    tn_json_set(json, "phases_ms", phases);
    tn_json_set(json, "ran", json_boolean(tried->result.ran));
    tn_json_set_int(json, "total_ms", tried->result.total_ms);
    return json;
}

static int print_json(const char *path, const struct place *place, const struct tn_answer *answer,
                      const struct tried *tried, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    char runtime[TN_RUNTIME_TEXT];

    tn_json_set_str(json, "path", path);
    tn_json_set_str(json, "device", place->device->label);
    tn_json_set_str(json, "gpu", gpu_name(place));
    tn_json_set_str(json, "runtime", runtime_name(place, runtime));
    tn_json_set_str(json, "verdict", tn_verdict_name(answer->verdict));
    tn_json_set(json, "reasons", reasons_json(answer));
    tn_json_set_str(json, "by", answer->by);
    tn_json_set(json, "trial", trial_json(tried));
    return tn_json_line(stdout, json, err);
}

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

static void print_answer(const struct job *job, const char *path, const struct place *place,
                         const struct tn_answer *answer, const struct tried *tried)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(TEXT_MAX);
    char text[TN_RUNTIME_TEXT];
    const char *runtime = runtime_name(place, text);

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
    if (tried->made && job->call->verbose)
        print_phases(&tried->result);
}

static void count(struct job *job, enum tn_verdict verdict)
{
    job->wont += verdict == TN_VERDICT_WONT_LOAD;
    job->may += verdict == TN_VERDICT_MAY_LOAD;
    job->unknown += verdict == TN_VERDICT_UNKNOWN;
}

static int read_engine(const char *path, struct tn_plan *ret_plan, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct stat st;
    int rc = tn_file_open(path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, ret_plan, err);
    return rc;
}

/* ---- trials ------------------------------------------------------------------------------- */

static const char trial_ground[] = "measured: a trial load on this GPU, now";

static const struct tn_toolchain *toolchain_of(const struct place *place)
{
    for (int i = 0; i < place->device->toolchain_count; i++) {
        const struct tn_toolchain *one = &place->device->toolchain[i];

        if (one->builds.kind == place->runtime.kind && tn_trial_possible(one) &&
            tn_version_same(&one->builds.version, &place->runtime.version))
            return one;
    }
    return NULL;
}

/* A class of a log line and a reason have one name where they mean one thing. */
static enum tn_reason_code reason_of(const char *name)
{
    for (int code = 0; code <= TN_REASON_UNKNOWN; code++)
        if (strcmp(tn_reason_name((enum tn_reason_code)code), name) == 0)
            return (enum tn_reason_code)code;
    return TN_REASON_UNKNOWN;
}

/* Puts what the trial found in front of the rules' reasons. */
static void add_reason(struct tn_answer *answer, enum tn_reason_code code, enum tn_verdict verdict,
                       const char *detail, const char *remedy)
{
    int kept = answer->reason_count < TN_REASONS_MAX ? answer->reason_count : TN_REASONS_MAX - 1;

    memmove(answer->reason + 1, answer->reason, (size_t)kept * sizeof(answer->reason[0]));
    answer->reason[0] =
        (struct tn_reason) { .code = code, .verdict = verdict, .ground = trial_ground };
    (void)tn_text_copy(answer->reason[0].detail, sizeof(answer->reason[0].detail), detail);
    (void)tn_text_copy(answer->reason[0].remedy, sizeof(answer->reason[0].remedy), remedy);
    answer->reason_count = kept + 1;
}

static bool stripped(const struct tn_answer *answer)
{
    for (int i = 0; i < answer->reason_count; i++)
        if (answer->reason[i].code == TN_REASON_NEEDS_REFIT)
            return true;
    return false;
}

static void take_loaded(const struct tn_trial_result *result, struct tn_answer *answer)
{
    char detail[240];

    if (stripped(answer))
        return; /* it loads, and gives zeros: the rules have said so */
    *answer = (struct tn_answer) { .verdict = TN_VERDICT_LOADS, .by = "trial" };
    if (!result->suspect[0])
        return;
    (void)snprintf(detail, sizeof(detail), "all zero or not a number in a run on seeded input: %s",
                   result->suspect);
    add_reason(answer, TN_REASON_SUSPECT_OUTPUT, TN_VERDICT_LOADS, detail,
               "compare its outputs with the model's before you trust it");
}

static void take_trial(struct job *job, const struct tn_trial_result *result,
                       struct tn_answer *answer)
{
    switch (result->outcome) {
    case TN_BUILD_DONE:
        take_loaded(result, answer);
        break;
    case TN_BUILD_REFUSED:
        if (result->phase_count == 0 && answer->verdict == TN_VERDICT_WONT_LOAD)
            break; /* nothing was started, since the bytes forbid it: the rules say so too */
        add_reason(answer, reason_of(result->reason), TN_VERDICT_WONT_LOAD, result->first_line,
                   result->cure);
        answer->verdict = TN_VERDICT_WONT_LOAD;
        answer->by = "trial";
        break;
    case TN_BUILD_TROUBLE:
        add_reason(answer, reason_of(result->reason), TN_VERDICT_UNKNOWN, result->first_line,
                   result->cure);
        if (answer->verdict < TN_VERDICT_UNKNOWN)
            answer->verdict = TN_VERDICT_UNKNOWN;
        job->trouble++;
        break;
    }
}

static void try_engine(struct job *job, const char *path, const struct place *place,
                       struct tn_answer *answer, struct tried *ret_tried)
{
    const struct tn_toolchain *toolchain = toolchain_of(place);
    struct tn_trial_request request = {
        .toolchain = toolchain,
        .plan_path = path,
        .gpu_uuid = place->gpu ? place->gpu->uuid : "",
        .allow_host_code = tn_given(job->call, "allow-host-code") != NULL,
        .time_limit = job->trial_time_limit,
    };
    char runtime[TN_RUNTIME_TEXT];
    struct tn_error err = { 0 };

    tn_runtime_id_print(&place->runtime, runtime);
    if (!toolchain) {
        tn_cli_warn(job->call, "no toolchain here loads with %s: '%s' was not tried", runtime,
                    path);
        return;
    }
    ret_tried->made = tn_trial_run(&request, &ret_tried->result, &err) == TN_OK;
    if (ret_tried->made) {
        take_trial(job, &ret_tried->result, answer);
        return;
    }
    tn_cli_warn(job->call, "'%s' was not tried: %s", path, err.text);
    job->trouble++;
}

static int check_engine(struct job *job, const char *path, struct tn_error *err)
{
    struct tn_plan plan;
    int rc = read_engine(path, &plan, err);

    for (size_t i = 0; rc == TN_OK && i < job->place_count; i++) {
        const struct place *place = &job->place[i];
        const struct tn_compat_target target = {
            .gpu = place->gpu,
            .runtime = place->runtime,
            .platform = place->device->platform,
            .cuda_driver = place->device->cuda,
            .gpu_free_bytes = TN_UNKNOWN,
            .allow_host_code = tn_given(job->call, "allow-host-code") != NULL,
        };
        struct tn_answer answer;
        struct tried tried = { .made = false };

        tn_compat_check(&plan, &target, &answer);
        if (tn_given(job->call, "trial") && plan.kind == TN_FILE_ENGINE)
            try_engine(job, path, place, &answer, &tried);
        count(job, answer.verdict);
        if (job->call->json)
            rc = print_json(path, place, &answer, &tried, err);
        else
            print_answer(job, path, place, &answer, &tried);
    }
    return rc;
}

/* ---- no GPU ------------------------------------------------------------------------------- */

static const char no_gpu_remedy[] =
    "name a device: --device t4+trt8.4.1.5 (a bundled board), or --device FILE.json ('tenon device "
    "--output FILE.json' writes it there)";

/* Without a GPU and without --device there is nothing to compare with: said once, and as an answer
 * of each engine for scripts. */
static int no_gpu(struct job *job, struct tn_error *err)
{
    const struct place nowhere = { .device = &job->device[0] };
    const struct tried untried = { .made = false };
    const char *why = job->device[0].gpu_asked ? "this machine has no GPU"
                                               : "no GPU here: no NVIDIA driver answers";
    struct tn_answer answer = { .verdict = TN_VERDICT_UNKNOWN, .reason_count = 1, .by = "rule" };
    struct tn_reason *reason = &answer.reason[0];
    int rc = TN_OK;

    if (!job->call->json) {
        (void)fprintf(stderr, "tenon check: %s; %s\n", why, no_gpu_remedy);
        return TN_OK;
    }
    *reason = (struct tn_reason) { .code = TN_REASON_CUDA_UNAVAILABLE,
                                   .verdict = TN_VERDICT_UNKNOWN,
                                   .ground = "measured: libcuda on this machine was asked" };
    (void)tn_text_copy(reason->detail, sizeof(reason->detail), why);
    (void)tn_text_copy(reason->remedy, sizeof(reason->remedy), no_gpu_remedy);
    for (size_t i = 0; rc == TN_OK && i < job->call->arg_count; i++)
        rc = print_json(job->call->args[i], &nowhere, &answer, &untried, err);
    return rc;
}

/* ---- the command -------------------------------------------------------------------------- */

static void measure_columns(struct job *job)
{
    for (size_t i = 0; i < job->call->arg_count; i++)
        if ((int)strlen(job->call->args[i]) > job->path_width)
            job->path_width = (int)strlen(job->call->args[i]);
    for (size_t i = 0; i < job->device_count; i++)
        if ((int)strlen(job->device[i].label) > job->label_width)
            job->label_width = (int)strlen(job->device[i].label);
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

    for (size_t i = 0; i < job->call->arg_count; i++) {
        struct tn_error err = { 0 };

        if (check_engine(job, job->call->args[i], &err) < 0)
            failed = tn_cli_error(job->call, &err);
    }
    return failed ? failed : status_of(job);
}

static int run(const struct tn_invocation *call)
{
    tn_auto(job_done) struct job job = { .call = call };
    const char *limit = tn_given(call, "time-limit");
    struct tn_error err = { 0 };

    if (tn_given(call, "trial") && tn_given(call, "device"))
        return tn_cli_usage(call, "--trial loads on this machine: it goes without --device");
    if (limit && (!tn_text_duration(limit, &job.trial_time_limit) || job.trial_time_limit == 0))
        return tn_cli_usage(call, "--time-limit takes a time such as 90s, not '%s'", limit);
    if (get_devices(&job, &err) < 0)
        return tn_cli_error(call, &err);
    if (!tn_given(call, "device") && job.device[0].gpu_count == 0)
        return no_gpu(&job, &err) < 0 ? tn_cli_error(call, &err) : EXIT_UNSURE;
    if (get_places(&job, &err) < 0)
        return tn_cli_error(call, &err);
    measure_columns(&job);
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
