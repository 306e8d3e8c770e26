#include "loader/check.h"

#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- where -------------------------------------------------------------------------------- */

static int get_devices(struct tn_check *check, struct tn_error *err)
{
    const struct tn_check_wish *wish = &check->wish;
    int rc = TN_OK;

    check->device_count = wish->device_count ? wish->device_count : 1;
    check->device = calloc(check->device_count, sizeof(*check->device));
    check->place = calloc(TN_CHECK_PLACES_MAX, sizeof(*check->place));
    if (!check->device || !check->place)
        return tn_fail(err, TN_E_NOMEM, "keep %zu devices", check->device_count);
    if (wish->device_count == 0)
        return tn_device_learn(&(struct tn_probe_options) { .python = wish->python }, check->device,
                               err);
    for (size_t i = 0; rc == TN_OK && i < wish->device_count; i++)
        rc = tn_device_get(wish->device[i], &check->device[i], err);
    return rc;
}

static int add_place(struct tn_check *check, const struct tn_check_place *place,
                     struct tn_runtime_id runtime, struct tn_error *err)
{
    struct tn_check_place *added;

    if (check->place_count == TN_CHECK_PLACES_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d pairs of GPU and runtime",
                       TN_CHECK_PLACES_MAX);
    added = &check->place[check->place_count++];
    *added = *place;
    added->runtime = runtime;
    return TN_OK;
}

static int add_all_runtimes(struct tn_check *check, const struct tn_check_place *place,
                            struct tn_error *err)
{
    int rc = TN_OK;

    if (place->device->runtime_count == 0)
        return add_place(check, place, (struct tn_runtime_id) { 0 }, err);
    for (int i = 0; rc == TN_OK && i < place->device->runtime_count; i++)
        rc = add_place(check, place, place->device->runtime[i].id, err);
    return rc;
}

/* A board by name has no runtime of its own, so the wish may give it one. */
static bool give_runtime(const struct tn_check_wish *wish, const struct tn_device *device,
                         struct tn_runtime_id *ret_id)
{
    return wish->runtime && wish->device_count > 0 && device->runtime_count == 0 &&
           tn_runtime_id_parse(wish->runtime, ret_id, NULL) == TN_OK;
}

static int add_runtimes(struct tn_check *check, const struct tn_check_place *place,
                        struct tn_error *err)
{
    const char *wanted = check->wish.runtime;
    struct tn_runtime_id id = { .kind = TN_RUNTIME_UNKNOWN };
    const struct tn_runtime *runtime;
    int rc;

    if (wanted && strcmp(wanted, "all") == 0)
        return add_all_runtimes(check, place, err);
    if (give_runtime(&check->wish, place->device, &id))
        return add_place(check, place, id, err);
    rc = tn_device_runtime(place->device, wanted, &runtime, err);
    if (rc == TN_OK)
        id = runtime->id;
    else if (rc != TN_E_NOTFOUND || wanted || place->device->runtime_count > 0)
        return rc;
    return add_place(check, place, id, err);
}

static int add_device(struct tn_check *check, const struct tn_device *device, struct tn_error *err)
{
    const char *wanted = check->wish.gpu;
    struct tn_check_place place = { .device = device };

    if (device->gpu_count > 0 || wanted) {
        int rc = tn_device_gpu(device, wanted, &place.gpu, err);

        if (rc < 0)
            return rc;
    }
    place.others = !wanted && tn_device_boards_differ(device);
    return add_runtimes(check, &place, err);
}

int tn_check_begin(const struct tn_check_wish *wish, struct tn_check *ret_check,
                   struct tn_error *err)
{
    int rc;

    *ret_check = (struct tn_check) { .wish = *wish };
    if (wish->trial && wish->device_count > 0)
        return tn_fail(err, TN_E_USAGE, "a trial loads on this machine: it goes without a device");
    rc = get_devices(ret_check, err);
    if (rc < 0)
        return rc;
    ret_check->nowhere = wish->device_count == 0 && ret_check->device[0].gpu_count == 0;
    for (size_t i = 0; rc == TN_OK && !ret_check->nowhere && i < ret_check->device_count; i++)
        rc = add_device(ret_check, &ret_check->device[i], err);
    return rc;
}

void tn_check_done(struct tn_check *check)
{
    free(check->device);
    free(check->place);
    *check = (struct tn_check) { 0 };
}

/* ---- trials ------------------------------------------------------------------------------- */

static const char trial_ground[] = "measured: a trial load on this GPU, now";

static const struct tn_toolchain *toolchain_of(const struct tn_check_place *place)
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

static void take_loaded(const struct tn_trial_result *trial, struct tn_answer *answer)
{
    char detail[240];

    if (stripped(answer))
        return; /* it loads, and gives zeros: the rules have said so */
    *answer = (struct tn_answer) { .verdict = TN_VERDICT_LOADS, .by = "trial" };
    if (!trial->suspect[0])
        return;
    (void)snprintf(detail, sizeof(detail), "all zero or not a number in a run on seeded input: %s",
                   trial->suspect);
    add_reason(answer, TN_REASON_SUSPECT_OUTPUT, TN_VERDICT_LOADS, detail,
               "compare its outputs with the model's before you trust it");
}

static void take_trial(struct tn_check_result *result)
{
    const struct tn_trial_result *trial = &result->trial;
    struct tn_answer *answer = &result->answer;

    switch (trial->outcome) {
    case TN_BUILD_DONE:
        take_loaded(trial, answer);
        break;
    case TN_BUILD_REFUSED:
        if (trial->phase_count == 0 && answer->verdict == TN_VERDICT_WONT_LOAD)
            break; /* nothing was started, since the bytes forbid it: the rules say so too */
        add_reason(answer, reason_of(trial->reason), TN_VERDICT_WONT_LOAD, trial->first_line,
                   trial->cure);
        answer->verdict = TN_VERDICT_WONT_LOAD;
        answer->by = "trial";
        break;
    case TN_BUILD_TROUBLE:
        add_reason(answer, reason_of(trial->reason), TN_VERDICT_UNKNOWN, trial->first_line,
                   trial->cure);
        if (answer->verdict < TN_VERDICT_UNKNOWN)
            answer->verdict = TN_VERDICT_UNKNOWN;
        result->trouble = true;
        break;
    }
}

static void try_engine(const struct tn_check *check, const struct tn_check_place *place,
                       const char *path, struct tn_check_result *result)
{
    struct tn_trial_request request = {
        .toolchain = toolchain_of(place),
        .plan_path = path,
        .gpu_uuid = place->gpu ? place->gpu->uuid : "",
        .allow_host_code = check->wish.allow_host_code,
        .time_limit = check->wish.trial_time_limit,
    };
    char runtime[TN_RUNTIME_TEXT];
    struct tn_error err = { 0 };

    tn_runtime_id_print(&place->runtime, runtime);
    if (!request.toolchain) {
        (void)snprintf(result->warning, sizeof(result->warning),
                       "no toolchain here loads with %s: '%.480s' was not tried", runtime, path);
        return;
    }
    result->tried = tn_trial_run(&request, &result->trial, &err) == TN_OK;
    if (result->tried) {
        take_trial(result);
        return;
    }
    (void)snprintf(result->warning, sizeof(result->warning), "'%.128s' was not tried: %s", path,
                   err.text);
    result->trouble = true;
}

/* ---- answers ------------------------------------------------------------------------------ */

int tn_check_read(const char *path, struct tn_plan *ret_plan, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct stat st;
    int rc = tn_file_open(path, &fd, &st, err);

    return rc == TN_OK ? tn_plan_read(fd, st.st_size, ret_plan, err) : rc;
}

void tn_check_answer(const struct tn_check *check, const struct tn_check_place *place,
                     const char *path, const struct tn_plan *plan,
                     struct tn_check_result *ret_result)
{
    const struct tn_compat_target target = {
        .gpu = place->gpu,
        .runtime = place->runtime,
        .platform = place->device->platform,
        .cuda_driver = place->device->cuda,
        .gpu_free_bytes = TN_UNKNOWN,
        .allow_host_code = check->wish.allow_host_code,
    };

    *ret_result = (struct tn_check_result) { .tried = false };
    tn_compat_check(plan, &target, &ret_result->answer);
    if (check->wish.trial && plan->kind == TN_FILE_ENGINE)
        try_engine(check, place, path, ret_result);
}

static const char no_gpu_remedy[] =
    "name a device: --device t4+trt8.4.1.5 (a bundled board), or --device FILE.json ('tenon device "
    "--output FILE.json' writes it there)";

const char *tn_check_nowhere_reason(const struct tn_check *check)
{
    return check->device[0].gpu_asked ? "this machine has no GPU"
                                      : "no GPU here: no NVIDIA driver answers";
}

const char *tn_check_nowhere_remedy(void)
{
    return no_gpu_remedy;
}

void tn_check_nowhere(const struct tn_check *check, struct tn_check_place *ret_place,
                      struct tn_check_result *ret_result)
{
    struct tn_reason *reason = &ret_result->answer.reason[0];

    *ret_place = (struct tn_check_place) { .device = &check->device[0] };
    *ret_result = (struct tn_check_result) {
        .answer = { .verdict = TN_VERDICT_UNKNOWN, .reason_count = 1, .by = "rule" }
    };
    *reason = (struct tn_reason) { .code = TN_REASON_CUDA_UNAVAILABLE,
                                   .verdict = TN_VERDICT_UNKNOWN,
                                   .ground = "measured: libcuda on this machine was asked" };
    (void)tn_text_copy(reason->detail, sizeof(reason->detail), tn_check_nowhere_reason(check));
    (void)tn_text_copy(reason->remedy, sizeof(reason->remedy), no_gpu_remedy);
}

/* ---- as text and JSON --------------------------------------------------------------------- */

const char *tn_check_runtime_name(const struct tn_check_place *place, char text[TN_RUNTIME_TEXT])
{
    if (place->runtime.kind == TN_RUNTIME_UNKNOWN)
        return NULL;
    tn_runtime_id_print(&place->runtime, text);
    return text;
}

void tn_check_others_text(const struct tn_check_place *place, struct tn_buf *text)
{
    tn_buf_addf(text, "%s has different GPUs; checked is %s (--gpu chooses another)",
                place->device->label, place->gpu->name);
}

static const char *gpu_name(const struct tn_check_place *place)
{
    if (!place->gpu)
        return NULL;
    return place->gpu->name[0] ? place->gpu->name : place->gpu->product;
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

static json_t *trial_json(const struct tn_check_result *result)
{
    static const char *const outcomes[] = { "loaded", "refused", "trouble" };
    const struct tn_trial_result *trial = &result->trial;
    json_t *json, *phases;

    if (!result->tried)
        return NULL;
    json = json_object();
    phases = json_object();
    for (int i = 0; i < trial->phase_count; i++)
        tn_json_set_int(phases, trial->phase[i].name, trial->phase[i].ms);
    tn_json_set_str(json, "outcome", outcomes[trial->outcome]);
    tn_json_set(json, "phases_ms", phases);
    tn_json_set(json, "ran", json_boolean(trial->ran));
    tn_json_set_int(json, "total_ms", trial->total_ms);
    return json;
}

static json_t *warnings_json(const struct tn_check_place *place,
                             const struct tn_check_result *result)
{
    tn_auto(tn_buf_done) struct tn_buf others = TN_BUF(1024);
    json_t *warnings = json_array();

    if (place->others) {
        tn_check_others_text(place, &others);
        tn_json_append_str(warnings, tn_buf_text(&others));
    }
    if (result->warning[0])
        tn_json_append_str(warnings, result->warning);
    return warnings;
}

json_t *tn_check_to_json(const char *path, const struct tn_check_place *place,
                         const struct tn_check_result *result)
{
    json_t *json = json_object();
    char runtime[TN_RUNTIME_TEXT];

    tn_json_set_str(json, "path", path);
    tn_json_set_str(json, "device", place->device->label);
    tn_json_set_str(json, "gpu", gpu_name(place));
    tn_json_set_str(json, "runtime", tn_check_runtime_name(place, runtime));
    tn_json_set_str(json, "verdict", tn_verdict_name(result->answer.verdict));
    tn_json_set(json, "reasons", reasons_json(&result->answer));
    tn_json_set_str(json, "by", result->answer.by);
    tn_json_set(json, "trial", trial_json(result));
    tn_json_set(json, "warnings", warnings_json(place, result));
    return json;
}
