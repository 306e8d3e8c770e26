/* tenon get: the path of an engine that loads, on standard output; all else on standard error. */
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/get.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "loader/get_json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct tn_option options[] = {
    TN_GET_WANTED_OPTIONS,
    { "store", 0, TN_ARG_FOLDER, "LIST", NULL, false,
      "Stores, colon-separated; the first is written (default: $TENON_STORE)." },
    { "remote", 0, TN_ARG_TEXT, "URL", NULL, true,
      "Server to ask after the stores (default: those of logins and config.yaml)." },
    { "output", 'o', TN_ARG_FILE, "FILE", NULL, false,
      "Also copy the engine to FILE (shared blocks where possible)." },
    { "symlink", 'l', TN_ARG_FILE, "FILE", NULL, false,
      "Also make FILE a symbolic link to the engine." },
    { "level", 0, TN_ARG_CHOICE, NULL, "header|loaded", false,
      "Verification to reach (default: loaded where a GPU answers, else header)." },
    { "accept", 0, TN_ARG_CHOICE, NULL, "loads|may-load", false,
      "Also take an engine that may load where none can be built (default: loads)." },
    { "no-build", 'n', TN_ARG_NONE, NULL, NULL, false,
      "Take what is in the stores; start no build." },
    { "retry", 0, TN_ARG_NONE, NULL, NULL, false,
      "Forget what failed before (refusals and back-off) and try those rungs again." },
    { "allow-host-code", 0, TN_ARG_NONE, NULL, NULL, false,
      "Accept engines that carry code for the host." },
    { "require-signature", 0, TN_ARG_NONE, NULL, NULL, false,
      "Take only engines that were built on this host or are signed by a trusted key; see "
      "docs/signing.md." },
    { "trusted-keys", 0, TN_ARG_FOLDER, "DIR", NULL, false,
      "Folder of the public keys (*.pub) that count (default: those of config.yaml)." },
    TN_GET_LIMIT_OPTIONS,
    { 0 },
};

static const char *const examples[] = {
    "tenon get model.onnx",
    "Print the path of an engine of this model for this machine; build it if there is none.",
    "ENGINE=$(tenon get -q model.onnx --precision fp16,fp32)",
    "For a start script: fp16 if it can be had, else fp32.",
    "tenon get detector.onnx --shapes x=1x3x320x320:1x3x640x640:2x3x960x960",
    "Give the range of a dynamic input.",
    "tenon get model.onnx --for rtx4090+rtx1.7.1.116 --output model.engine",
    "Build ahead of time for another device and copy the engine.",
    "tenon get yolo@stable --remote http://127.0.0.1:8600",
    "The engine of what the channel points to, fetched and verified; built from the release's "
    "model "
    "if none fits.",
    NULL,
};

struct watching {
    struct tn_meter meter;
};

static bool show_event(const struct tn_get_event *event, void *user)
{
    struct watching *watching = user;
    char step[160];

    if (event->holder > 0)
        (void)snprintf(step, sizeof(step), "%s: waiting for process %ld",
                       tn_precision_name(event->rung), event->holder);
    else if (event->rung == TN_PRECISION_UNKNOWN) /* before the first rung */
        (void)snprintf(step, sizeof(step), "%s", event->doing);
    else
        (void)snprintf(step, sizeof(step), "%s: %s", tn_precision_name(event->rung), event->doing);
    tn_meter_show(&watching->meter, step, event->phase, event->elapsed);
    return true;
}

/* ---- options ---- */

int tn_cli_get_read(const struct tn_invocation *call, const char *model, struct tn_get_options *get)
{
    const char *level = tn_given(call, "level");
    const char *accept = tn_given(call, "accept");
    const char *time = tn_given(call, "time-limit");
    const char *memory = tn_given(call, "memory-limit");

    *get =
        (struct tn_get_options) { .model = model,
                                  .precision = tn_given(call, "precision"),
                                  .shapes = tn_given(call, "shapes"),
                                  .runtime = tn_given(call, "runtime"),
                                  .gpu = tn_given(call, "gpu"),
                                  .for_device = tn_given(call, "for"),
                                  .store = tn_given(call, "store"),
                                  .accept_may_load = accept && strcmp(accept, "may-load") == 0,
                                  .no_build = tn_given(call, "no-build") != NULL,
                                  .retry = tn_given(call, "retry") != NULL,
                                  .allow_host_code = tn_given(call, "allow-host-code") != NULL,
                                  .signature_required = tn_given(call, "require-signature") != NULL,
                                  .trusted_keys = tn_given(call, "trusted-keys") };
    if (level)
        get->level = strcmp(level, "loaded") == 0 ? TN_LEVEL_LOADED : TN_LEVEL_HEADER;
    if (time && (!tn_text_duration(time, &get->build_time_limit) || get->build_time_limit == 0))
        return tn_cli_usage(call, "--time-limit takes a time such as 90s or 30m, not '%s'", time);
    if (memory && (!tn_text_size(memory, &get->build_memory_bytes) || get->build_memory_bytes == 0))
        return tn_cli_usage(call, "--memory-limit takes a size such as 8GiB, not '%s'", memory);
    return 0;
}

/* ---- --output, --symlink ---- */

static int copy_bytes(int from, int to, struct tn_error *err)
{
    static char piece[1 << 20];
    int64_t at = 0;
    size_t got;

    if (ioctl(to, FICLONE, from) == 0)
        return TN_OK;
    do {
        int rc = tn_file_read_at(from, at, piece, sizeof(piece), &got, err);

        if (rc == TN_OK)
            rc = tn_file_write_all(to, piece, got, err);
        if (rc < 0)
            return rc;
        at += (int64_t)got;
    } while (got == sizeof(piece));
    return TN_OK;
}

/* The copy appears whole under its name or not at all. */
static int copy_to(const char *plan, const char *output, struct tn_error *err)
{
    tn_auto(tn_fd_done) int from = -1;
    tn_auto(tn_fd_done) int to = -1;
    tn_auto(tn_unlink_done) const char *undo = NULL;
    char temporary[PATH_MAX];
    int rc = tn_file_open(plan, &from, NULL, err);

    if (rc < 0)
        return rc;
    if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", output) >= (int)sizeof(temporary))
        return tn_fail(err, TN_E_TOOBIG, "the path '%.100s…' is too long", output);
    to = mkostemp(temporary, O_CLOEXEC);
    if (to < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", temporary);
    undo = temporary;
    rc = copy_bytes(from, to, err);
    if (rc < 0)
        return tn_while(err, rc, "copy to '%s'", output);
    if (fchmod(to, 0644) < 0 || fsync(to) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", temporary);
    if (rename(temporary, output) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", temporary, output);
    undo = NULL;
    return TN_OK;
}

/* Replaces a link, never a file: somebody's only copy may stand there. */
static int link_to(const char *plan, const char *link_path, struct tn_error *err)
{
    tn_auto(tn_unlink_done) const char *undo = NULL;
    char temporary[PATH_MAX];
    struct stat st;

    if (lstat(link_path, &st) == 0 && !S_ISLNK(st.st_mode))
        return tn_fail(err, TN_E_USAGE, "'%s' exists and is no symbolic link: not replaced",
                       link_path);
    if (snprintf(temporary, sizeof(temporary), "%s.%ld", link_path, (long)getpid()) >=
        (int)sizeof(temporary))
        return tn_fail(err, TN_E_TOOBIG, "the path '%.100s…' is too long", link_path);
    if (symlink(plan, temporary) < 0)
        return tn_fail_os(err, TN_E_IO, "link '%s'", temporary);
    undo = temporary;
    if (rename(temporary, link_path) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", temporary, link_path);
    undo = NULL;
    return TN_OK;
}

static int hand_over(const struct tn_invocation *call, const struct tn_get_result *result,
                     struct tn_error *err)
{
    const char *output = tn_given(call, "output");
    const char *link_path = tn_given(call, "symlink");
    int rc = TN_OK;

    if (output)
        rc = copy_to(result->entry.path, output, err);
    if (rc == TN_OK && link_path)
        rc = link_to(result->entry.path, link_path, err);
    return rc;
}

/* ---- printing ---- */

static void print_json(const struct tn_get_result *result, const struct tn_error *failure,
                       struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_get_result_to_json(result);

    if (failure->code)
        tn_json_set_str(json, "error", failure->text);
    (void)tn_json_line(stdout, json, err);
}

static void print_rungs(const struct tn_get_result *result)
{
    for (size_t i = 0; i < result->rung_count; i++)
        if (result->rung[i].reason[0])
            (void)fprintf(stderr, "  %-6s %s: %s\n", tn_precision_name(result->rung[i].precision),
                          result->rung[i].result, result->rung[i].reason);
}

/* "8.0 8.6 8.9 12.0 12.1 and later", or the class of a classic engine. */
static void add_where(struct tn_buf *text, const struct tn_record *record)
{
    const json_t *ccs = json_object_get(record->facts, "compute_capabilities");
    const json_t *item;
    size_t i;

    json_array_foreach(ccs, i, item)
    {
        if (json_is_string(item))
            tn_buf_addf(text, "%s%s", i ? ", " : "compute capability ", json_string_value(item));
    }
    if (tn_json_bool(record->facts, "later_compute_capabilities", false))
        tn_buf_adds(text, " and later");
    if (text->size == 0)
        tn_buf_addf(text, "device class %s", record->recipe.value[TN_RECIPE_CLASS]);
    tn_buf_addf(text, " (%s)", record->recipe.value[TN_RECIPE_PLATFORM]);
}

static void print_summary(const struct tn_invocation *call, const struct tn_get_result *result)
{
    const struct tn_record *record = &result->entry.record;
    tn_auto(tn_buf_done) struct tn_buf where = TN_BUF(512);
    tn_auto(tn_buf_done) struct tn_buf size = TN_BUF(64);

    add_where(&where, record);
    tn_text_add_bytes(&size, record->plan_bytes);
    print_rungs(result);
    (void)fprintf(stderr, "  name     %s\n", record->name);
    (void)fprintf(stderr, "  version  %s %s, %s, %s\n", record->recipe.value[TN_RECIPE_FLAVOR],
                  record->recipe.value[TN_RECIPE_TRT_VERSION], tn_precision_name(result->precision),
                  tn_buf_text(&size));
    (void)fprintf(stderr, "  loads on %s\n", tn_buf_text(&where));
    (void)fprintf(stderr, "  level    %s%s\n", tn_level_name(result->level),
                  result->level == TN_LEVEL_HEADER
                      ? " (its bytes were checked; no trial load was made)"
                      : "");
    if (strcmp(result->source, "store") == 0)
        (void)fprintf(stderr, "  source   store, in %.1f ms (its build took %.1f s)\n",
                      result->seconds * 1e3, result->build_seconds);
    else
        (void)fprintf(stderr, "  source   %s, in %.1f s\n", result->source, result->seconds);
    if (result->log[0] && (call->verbose || call->command == &tn_cmd_build))
        (void)fprintf(stderr, "  log      %s\n", result->log);
    if (result->note[0] && call->verbose)
        (void)fprintf(stderr, "  note     %s\n", result->note);
    if (call->verbose) {
        tn_auto(tn_buf_done) struct tn_buf recipe = TN_BUF(65536);

        (void)tn_recipe_text(&record->recipe, &recipe, NULL);
        (void)fprintf(stderr, "%s", tn_buf_text(&recipe));
    }
}

static int report(const struct tn_invocation *call, const struct tn_get_result *result,
                  const struct tn_error *failure)
{
    struct tn_error err = { 0 };

    for (size_t i = 0; i < result->warning_count; i++)
        tn_cli_warn(call, "%s", result->warning[i]);
    if (call->json)
        print_json(result, failure, &err);
    else if (result->source)
        (void)printf("%s\n", result->entry.path);
    (void)fflush(stdout);
    if ((failure->code == TN_E_NOENGINE || failure->code == TN_E_UNTRUSTED) &&
        result->rung_count > 0) {
        (void)fprintf(stderr, "tenon %s: no rung gave an engine of '%s' for %s\n",
                      call->command->name, result->model, result->runtime);
        print_rungs(result);
        return tn_error_exit_status(failure->code);
    }
    if (failure->code)
        return tn_cli_error(call, failure);
    if (err.code)
        return tn_cli_error(call, &err);
    if (!call->quiet && !call->json)
        print_summary(call, result);
    return 0;
}

int tn_cli_get_run(const struct tn_invocation *call, struct tn_get_options *get)
{
    struct watching watching = { .meter = tn_meter_start(call) };
    struct tn_get_result result;
    struct tn_error err = { 0 };
    int status;

    get->event = show_event;
    get->user = &watching;
    if (tn_get(get, &result, &err) == TN_OK)
        (void)hand_over(call, &result, &err);
    tn_meter_end(&watching.meter);
    status = report(call, &result, &err);
    tn_get_result_done(&result);
    return status;
}

static int run(const struct tn_invocation *call)
{
    struct tn_get_options get;
    struct tn_remotes remotes = { .count = 0 };
    int status = tn_cli_get_read(call, call->args[0], &get);

    if (status == 0)
        status = tn_remotes_find(call, &remotes);
    get.remote = remotes.remote;
    get.remote_count = remotes.count;
    if (status == 0)
        status = tn_cli_get_run(call, &get);
    tn_remotes_done(&remotes);
    return status;
}

const struct tn_command tn_cmd_get = {
    .name = "get",
    .args = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .summary =
        "Get an engine that loads: from the store, a server, a build, else at the next precision.",
    .details = "MODEL is an ONNX file, a model.yaml, the name of a model in the store, or "
               "MODEL@RELEASE or MODEL@CHANNEL of a server. The path of the engine goes to\n"
               "standard output, everything else to standard error, so ENGINE=$(tenon get "
               "model.onnx) works in a script.\n\n"
               "Rung by rung: for the first precision of the ladder the stores, then the servers, "
               "then a build; only then the next. An engine\n"
               "with other shapes, options or plugins is never taken. A second call finds the "
               "engine in milliseconds.\n\n"
               "A rung that failed for a lasting reason is remembered on this host and skipped at "
               "once (refused) until the model,\n"
               "an option or a version changes; after a time-out, a crash or too little memory the "
               "next try waits a minute, then\n"
               "two, up to an hour (backoff). --retry tries again now. Of several processes that "
               "want one engine one builds, the\n"
               "others wait for it and show its progress.",
    .options = options,
    .examples = examples,
    .exits = "0 an engine; 1 no rung gave one; 2 usage (also: a dynamic input needs --shapes); 75 "
             "try later; 77 no trusted signature; others as in docs/errors.md.",
    .run = run,
};
