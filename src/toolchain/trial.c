#include "toolchain/trial.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "toolchain/hearing.h"
#include "toolchain/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Kept free beside the plan for contexts and activations (design.md §7). */
static const int64_t margin_bytes = INT64_C(512) << 20;
static const tn_nsec least_time = 60 * TN_NSEC_PER_S;
static const int64_t bytes_per_further_second = INT64_C(50) << 20;

/* In the order in which the worker goes through them. */
static const char *const phases[] = { "driver",      "context",      "library", "runtime",
                                      "deserialize", "exec-context", "run" };

/* --- one at a time ----------------------------------------------------------------------------*/

static int open_gpu_lock(const char *uuid)
{
    static const char *const folders[] = { "/run/lock", "/tmp" };
    char path[PATH_MAX];

    for (size_t i = 0; i < TN_COUNT(folders); i++) {
        int fd;

        (void)snprintf(path, sizeof(path), "%s/tenon-gpu-%.60s", folders[i], uuid);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0)
            return fd;
    }
    return -1; /* nowhere to lock: trials may meet, which only costs time */
}

static int lock_gpu(const char *uuid, tn_nsec limit, int *ret_fd, struct tn_error *err)
{
    static const struct timespec pause_between_tries = { .tv_nsec = 20 * 1000 * 1000 };
    tn_auto(tn_fd_done) int fd = open_gpu_lock(uuid);
    tn_nsec end = tn_clock_monotonic() + limit;

    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        if (tn_clock_monotonic() > end)
            return tn_fail(err, TN_E_AGAIN, "another trial has held GPU %s for %.0f s", uuid,
                           (double)limit / (double)TN_NSEC_PER_S);
        (void)nanosleep(&pause_between_tries, NULL);
    }
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}

/* --- request and answer -----------------------------------------------------------------------*/

static tn_nsec time_limit(const struct tn_trial_request *request)
{
    struct stat st;

    if (request->time_limit > 0)
        return request->time_limit;
    if (stat(request->plan_path, &st) < 0)
        return least_time;
    return least_time + st.st_size / bytes_per_further_second * TN_NSEC_PER_S;
}

static int make_request(const struct tn_trial_request *request, json_t **ret_json,
                        struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_worker_request(request->toolchain, "trial");
    char release[TN_VERSION_TEXT];

    if (!json)
        return tn_fail(err, TN_E_NOMEM, "a request for the worker");
    tn_version_print(&request->toolchain->builds.version, release);
    tn_json_set_str(json, "release", release);
    tn_json_set(json, "allow_host_code", json_boolean(request->allow_host_code));
    tn_json_set(json, "margin_bytes", json_integer(margin_bytes));
    if (json_object_set_new(json, "model", json_string(request->plan_path)) < 0)
        return tn_fail(err, TN_E_INVALID, "path '%s' is not UTF-8", request->plan_path);
    *ret_json = json;
    json = NULL;
    return TN_OK;
}

static void take_phases(const json_t *seconds, struct tn_trial_result *result)
{
    for (size_t i = 0; i < TN_COUNT(phases); i++) {
        const json_t *value = json_object_get(seconds, phases[i]);

        if (json_is_number(value))
            result->phase[result->phase_count++] =
                (struct tn_trial_phase) { phases[i],
                                          (int64_t)(json_number_value(value) * 1e3 + 0.5) };
    }
}

static void take_suspects(const json_t *names, struct tn_trial_result *result)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(65536);
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        if (!json_is_string(name))
            continue;
        tn_buf_adds(&text, text.size ? ", " : "");
        tn_text_add_safe(&text, json_string_value(name), json_string_length(name));
    }
    (void)tn_text_copy(result->suspect, sizeof(result->suspect), tn_buf_text(&text));
}

static void take_answer(const struct tn_hearing *hearing, const struct tn_build_result *judged,
                        struct tn_trial_result *result)
{
    *result = (struct tn_trial_result) { .outcome = judged->outcome,
                                         .ran = tn_json_bool(hearing->answer, "ran", false),
                                         .total_ms = (int64_t)(judged->total_seconds * 1e3) };
    (void)tn_text_copy(result->stage, sizeof(result->stage), judged->stage);
    (void)tn_text_copy(result->reason, sizeof(result->reason), judged->reason);
    (void)tn_text_copy(result->first_line, sizeof(result->first_line), judged->first_line);
    (void)tn_text_copy(result->cure, sizeof(result->cure), judged->cure);
    take_phases(json_object_get(hearing->answer, "seconds"), result);
    take_suspects(json_object_get(hearing->answer, "suspect"), result);
}

/* --- one run ----------------------------------------------------------------------------------*/

struct folder {
    char path[PATH_MAX];
};

static void folder_done(struct folder *folder)
{
    if (folder->path[0])
        (void)tn_dir_remove(folder->path, NULL);
}

static int make_folder(struct folder *ret_folder, struct tn_error *err)
{
    const char *parent = getenv("TMPDIR");

    (void)snprintf(ret_folder->path, sizeof(ret_folder->path), "%s/tenon-trial-XXXXXX",
                   parent && parent[0] == '/' ? parent : "/tmp");
    if (mkdtemp(ret_folder->path))
        return TN_OK;
    ret_folder->path[0] = '\0';
    return tn_fail_os(err, TN_E_IO, "make a temporary folder");
}

static int run_child(const struct tn_trial_request *request, const char *output, json_t *json,
                     struct tn_trial_result *ret_result, struct tn_error *err)
{
    tn_auto(tn_hearing_done) struct tn_hearing hearing;
    struct tn_proc_result end = { 0 };
    struct tn_build_result judged = { 0 };
    struct tn_worker_run run = { .toolchain = request->toolchain,
                                 .request = json,
                                 .output_path = output,
                                 .visible_gpu = request->gpu_uuid,
                                 .limits = { .time = time_limit(request) },
                                 .line = tn_hearing_line,
                                 .user = &hearing };
    int rc = tn_hearing_init(&hearing, request->log_path, request->progress, request->user, err);

    if (rc < 0)
        return rc;
    rc = tn_worker_run(&run, &end, err);
    if (rc == TN_OK && end.stopped)
        rc = tn_fail(err, TN_E_CANCELLED, "the trial was stopped");
    if (rc < 0)
        return rc;
    tn_hearing_judge(&hearing, &end, &judged);
    take_answer(&hearing, &judged, ret_result);
    tn_build_result_done(&judged);
    return TN_OK;
}

int tn_trial_run(const struct tn_trial_request *request, struct tn_trial_result *ret_result,
                 struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    tn_auto(folder_done) struct folder folder = { "" };
    tn_auto(tn_str_free) char *output = NULL;
    tn_auto(tn_fd_done) int lock = -1;
    int rc;

    if (strcmp(request->toolchain->kind, "python") != 0)
        return tn_fail(err, TN_E_UNSUPPORTED,
                       "toolchain %s makes no trial loads: it is no Python environment",
                       request->toolchain->id);
    rc = make_request(request, &json, err);
    if (rc == TN_OK)
        rc = make_folder(&folder, err);
    if (rc < 0)
        return rc;
    output = tn_path_join(folder.path, "trial");
    if (!output)
        return tn_fail(err, TN_E_NOMEM, "trial load");
    rc = lock_gpu(request->gpu_uuid, time_limit(request), &lock, err);
    return rc < 0 ? rc : run_child(request, output, json, ret_result, err);
}
