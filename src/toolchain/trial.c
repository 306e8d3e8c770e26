#include "toolchain/trial.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "toolchain/trial_result.h"
#include "toolchain/trtexec_command.h"
#include "toolchain/trtexec_trial.h"
#include "toolchain/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const tn_nsec least_time = 60 * TN_NSEC_PER_S;
static const int64_t bytes_per_further_second = INT64_C(50) << 20;

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

/* --- the request -------------------------------------------------------------------------------*/

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
    tn_json_set(json, "margin_bytes", json_integer(TN_TRIAL_MARGIN));
    if (json_object_set_new(json, "model", json_string(request->plan_path)) < 0)
        return tn_fail(err, TN_E_INVALID, "path '%s' is not UTF-8", request->plan_path);
    *ret_json = json;
    json = NULL;
    return TN_OK;
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

static int run_worker(const struct tn_trial_request *request, const char *output,
                      struct tn_trial_result *ret_result, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    tn_auto(tn_hearing_done) struct tn_hearing hearing;
    struct tn_proc_result end = { 0 };
    struct tn_build_result judged = { 0 };
    struct tn_worker_run run = { .toolchain = request->toolchain,
                                 .output_path = output,
                                 .visible_gpu = request->gpu_uuid,
                                 .limits = { .time = time_limit(request) },
                                 .line = tn_hearing_line,
                                 .user = &hearing };
    int rc = tn_hearing_init(&hearing, request->log_path, request->progress, request->user, err);

    if (rc == TN_OK)
        rc = make_request(request, &json, err);
    if (rc < 0)
        return rc;
    run.request = json;
    rc = tn_worker_run(&run, &end, err);
    if (rc == TN_OK && end.stopped)
        rc = tn_fail(err, TN_E_CANCELLED, "the trial was stopped");
    if (rc < 0)
        return rc;
    tn_hearing_judge(&hearing, &end, &judged);
    *ret_result = (struct tn_trial_result) { .outcome = judged.outcome };
    tn_trial_result_take(ret_result, &hearing, &judged);
    tn_build_result_done(&judged);
    return TN_OK;
}

static bool is_trtexec(const struct tn_toolchain *toolchain)
{
    return strcmp(toolchain->kind, "trtexec") == 0;
}

bool tn_trial_possible(const struct tn_toolchain *toolchain)
{
    if (is_trtexec(toolchain))
        return toolchain->builds.kind == TN_RUNTIME_TRT &&
               tn_trtexec_supported(&toolchain->builds.version);
    return strcmp(toolchain->kind, "python") == 0;
}

int tn_trial_run(const struct tn_trial_request *request, struct tn_trial_result *ret_result,
                 struct tn_error *err)
{
    tn_auto(folder_done) struct folder folder = { "" };
    tn_auto(tn_str_free) char *output = NULL;
    tn_auto(tn_fd_done) int lock = -1;
    tn_nsec limit = time_limit(request);
    int rc;

    if (!tn_trial_possible(request->toolchain))
        return tn_fail(err, TN_E_UNSUPPORTED,
                       "toolchain %s makes no trial loads: it is neither a Python environment nor "
                       "trtexec 8.2 to 11",
                       request->toolchain->id);
    rc = make_folder(&folder, err);
    if (rc < 0)
        return rc;
    output = tn_path_join(folder.path, "trial");
    if (!output)
        return tn_fail(err, TN_E_NOMEM, "trial load");
    rc = lock_gpu(request->gpu_uuid, limit, &lock, err);
    if (rc < 0)
        return rc;
    return is_trtexec(request->toolchain)
               ? tn_trtexec_trial(request, output, limit, ret_result, err)
               : run_worker(request, output, ret_result, err);
}
