#include "toolchain/hearing.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    IO_MAX = 512,
    WARNINGS_MAX = 8,
    LOG_MAX = 16 << 20,
    TELLING_MAX = 4 << 10 /* bytes of a line that are searched for words */
};

/* Ends that the worker or this module finds itself; the library's own are rows of
 * compat/logclass.c, and where both know one it has the same name. */
struct own_class {
    const char *name;
    bool lasting;
    const char *cure;
};

static const struct own_class own_classes[] = {
    /* from the worker */
    { "empty-model", true, "look at the ONNX file: tenon inspect MODEL" },
    { "model-missing", false, "check the path" },
    { "not-onnx", true, "tenon inspect MODEL says what the file is" },
    { "bad-profile", true,
      "tenon inspect MODEL lists the inputs; order a range MIN <= OPT <= MAX" },
    { "shape-tensor", true, "export the model with that shape as a constant" },
    { "option", true, "leave the option out for this release, or choose another toolchain" },
    { "compute-capability", true, "name compute capabilities that this release knows" },
    { "no-calibration", true, "give a Q/DQ variant, or calibration: in the model's options" },
    { "timing-cache", true, "make the timing cache anew with this TensorRT on this GPU" },
    { "plugin-changed", false, "run the command again: the plugin's digest is part of the key" },
    { "plugin-missing", false, "check the plugin's path, and that its own libraries are found" },
    { "module-missing", false, "install the TensorRT module into this environment" },
    { "library-missing", false, "install TensorRT's libraries beside the module" },
    { "converter-missing", false, "install onnxconverter-common into the toolchain's environment" },
    { "memory-limit", false, "free memory or raise the limit, and try again" },
    { "file-limit", false, "raise the limit on file size" },
    { "no-space", false, "free space on that file system" },
    { "write", false, "check the folder that is written to" },
    { "cuda-unavailable", false,
      "look at the driver: nvidia-smi; nothing is wrong with the engine" },
    { "no-memory", false, "free memory on the GPU, and try again" },
    { "not-an-engine", true, "tenon inspect FILE says what the file is" },
    { "wrapped", true, "tenon check FILE says how to strip the wrapper" },
    { "truncated", true, "copy the file again and compare its SHA-256, or build it again" },
    { "run-failed", true, "build the engine again" },
    { "exception", false, "" },
    { "conversion", true, "give a variant of that precision in model.yaml" },
    /* from here */
    { "timeout", false, "give it more time, or look why the machine is slow" },
    { "signal", false, "" },
    { "flooded", false, "" },
    { "stuck", false, "the GPU's driver does not answer: look at the kernel's log" },
    { "no-result", false, "" },
    { "no-file", false, "" },
    { "toolchain-changed", false, "probe the machine again: tenon device" },
    { "unclassified", false, "" },
};

static const struct own_class *own_class(const char *name)
{
    for (size_t i = 0; i < TN_COUNT(own_classes); i++)
        if (strcmp(own_classes[i].name, name) == 0)
            return &own_classes[i];
    return NULL;
}

/* --- the log ----------------------------------------------------------------------------------*/

static int open_log(const char *path, FILE **ret_log, struct tn_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open build log '%s'", path);
    *ret_log = fdopen(fd, "w");
    if (*ret_log)
        return TN_OK;
    (void)close(fd);
    return tn_fail(err, TN_E_NOMEM, "open build log '%s'", path);
}

void tn_hearing_log(struct tn_hearing *hearing, const char *mark, const char *text, size_t length)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(1 << 20);
    double seconds = (double)(tn_clock_monotonic() - hearing->begun) / (double)TN_NSEC_PER_S;

    if (!hearing->log || hearing->log_bytes > LOG_MAX)
        return;
    tn_text_add_safe(&safe, text, length);
    /* A log that cannot be written (no space) costs the log, not the build. */
    hearing->log_bytes += fprintf(hearing->log, "%9.3f %s %s\n", seconds, mark, tn_buf_text(&safe));
}

/* --- telling lines ----------------------------------------------------------------------------*/

static void keep_telling(struct tn_telling *telling, enum tn_telling_rank rank,
                         const struct tn_log_class *row, const char *text)
{
    if (rank <= telling->rank)
        return;
    telling->rank = rank;
    telling->row = row;
    tn_text_one_line(telling->line, sizeof(telling->line), text);
}

void tn_hearing_consider(struct tn_hearing *hearing, struct tn_telling *telling, const char *line,
                         size_t length)
{
    char text[TELLING_MAX];
    const struct tn_log_class *row;

    (void)tn_text_copy_n(text, sizeof(text), line, length);
    row = tn_log_classify(text);
    if (text[strspn(text, " \t\r\n")] == '\0')
        return;
    if (row && strcmp(row->name, "no-memory") == 0)
        keep_telling(&hearing->memory, TN_TELLING_KNOWN, row, text);
    if (row && row->scope == TN_LOG_GENERIC)
        keep_telling(telling, TN_TELLING_GENERIC, row, text);
    else if (row && row->scope != TN_LOG_WARNING)
        keep_telling(telling, TN_TELLING_KNOWN, row, text);
    else
        keep_telling(telling, TN_TELLING_UNKNOWN, NULL, text);
}

void tn_hearing_warn(struct tn_hearing *hearing, const char *text)
{
    if (json_array_size(hearing->warnings) < WARNINGS_MAX)
        tn_json_append_str(hearing->warnings, text);
}

/* --- the kinds of line ------------------------------------------------------------------------*/

static void hear_log(struct tn_hearing *hearing, const json_t *line)
{
    const char *severity = tn_json_str(line, "severity", "");
    const char *text = tn_json_str(line, "text", "");

    tn_hearing_log(hearing, severity, text, strlen(text));
    if (strcmp(severity, "E") == 0 || strcmp(severity, "F") == 0)
        tn_hearing_consider(hearing, &hearing->error, text, strlen(text));
    else if (strcmp(severity, "W") == 0)
        tn_hearing_warn(hearing, text);
}

/* The parser's own log line often lacks the operator ("[8] false"); its list of errors has it. */
static void hear_parse_error(struct tn_hearing *hearing, const json_t *line)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(8 << 10);
    const char *name = tn_json_str(line, "node_name", "");
    const char *op = tn_json_str(line, "op", "");
    const char *code = tn_json_str(line, "code", "");
    const char *dot = strrchr(code, '.');

    if (tn_json_int(line, "node", -1) >= 0)
        tn_buf_addf(&text, "node %lld ", (long long)tn_json_int(line, "node", -1));
    if (*name)
        tn_buf_addf(&text, "'%s' ", name);
    if (*op)
        tn_buf_addf(&text, "(%s)", op);
    tn_buf_addf(&text, "%s%s in %s: %s", text.size > 0 ? ": " : "", dot ? dot + 1 : code,
                tn_json_str(line, "func", "the parser"), tn_json_str(line, "desc", ""));
    tn_hearing_log(hearing, "P", tn_buf_text(&text), text.size);
    tn_hearing_consider(hearing, *op ? &hearing->parse_error : &hearing->error, tn_buf_text(&text),
                        text.size);
}

static void hear_io(struct tn_hearing *hearing, const json_t *line)
{
    json_t *io;

    if (json_array_size(hearing->io) >= IO_MAX || !json_is_string(json_object_get(line, "name")))
        return;
    io = json_object();
    tn_json_set(io, "name", json_incref(json_object_get(line, "name")));
    tn_json_set(io, "dims", json_incref(json_object_get(line, "dims")));
    tn_json_set(io, "dtype", json_incref(json_object_get(line, "dtype")));
    tn_json_set(io, "output", json_boolean(tn_json_bool(line, "output", false)));
    (void)json_array_append_new(hearing->io, io);
}

bool tn_hearing_report(struct tn_hearing *hearing)
{
    struct tn_progress progress = {
        .phase = hearing->phase,
        .elapsed = tn_clock_monotonic() - hearing->begun,
    };

    return !hearing->progress || hearing->progress(&progress, hearing->user);
}

static bool hear_json(struct tn_hearing *hearing, const json_t *line)
{
    const char *type = tn_json_str(line, "type", "");

    if (strcmp(type, "progress") == 0) {
        (void)tn_text_copy(hearing->phase, sizeof(hearing->phase), tn_json_str(line, "phase", ""));
        return tn_hearing_report(hearing);
    }
    if (strcmp(type, "stage") == 0)
        (void)tn_text_copy(hearing->stage, sizeof(hearing->stage), tn_json_str(line, "stage", ""));
    else if (strcmp(type, "log") == 0)
        hear_log(hearing, line);
    else if (strcmp(type, "parse-error") == 0)
        hear_parse_error(hearing, line);
    else if (strcmp(type, "io") == 0)
        hear_io(hearing, line);
    else if (strcmp(type, "result") == 0 && !hearing->answer)
        hearing->answer = json_incref((json_t *)(uintptr_t)line);
    return true;
}

static void hear_raw(struct tn_hearing *hearing, const char *line, size_t length)
{
    tn_hearing_log(hearing, "-", line, length);
    tn_hearing_consider(hearing, &hearing->raw, line, length);
}

bool tn_hearing_line(enum tn_stream stream, const char *line, size_t length, void *user)
{
    struct tn_hearing *hearing = user;
    tn_auto(tn_json_done) json_t *json = NULL;

    if (stream == TN_STREAM_TICK)
        return tn_hearing_report(hearing);
    if (stream == TN_STREAM_OUT && tn_json_parse(line, length, "line", &json, NULL) == TN_OK &&
        json_is_object(json))
        return hear_json(hearing, json);
    hear_raw(hearing, line, length);
    return true;
}

int tn_hearing_init(struct tn_hearing *hearing, const char *log_path, tn_progress_fn progress,
                    void *user, struct tn_error *err)
{
    *hearing = (struct tn_hearing) {
        .progress = progress,
        .user = user,
        .begun = tn_clock_monotonic(),
        .stage = "spawn",
        .io = json_array(),
        .warnings = json_array(),
    };
    if (!hearing->io || !hearing->warnings)
        return tn_fail(err, TN_E_NOMEM, "lists for a worker's lines");
    return log_path ? open_log(log_path, &hearing->log, err) : TN_OK;
}

void tn_hearing_done(struct tn_hearing *hearing)
{
    if (hearing->log)
        (void)fclose(hearing->log);
    hearing->log = NULL;
    tn_json_done(&hearing->io);
    tn_json_done(&hearing->warnings);
    tn_json_done(&hearing->answer);
}

/* --- the verdict ------------------------------------------------------------------------------*/

static void set_failure(struct tn_build_result *result, const char *reason, bool lasting,
                        const char *line, const char *cure)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(64 << 10);

    tn_text_add_safe(&safe, line, strlen(line));
    result->outcome = lasting ? TN_BUILD_REFUSED : TN_BUILD_TROUBLE;
    (void)tn_text_copy(result->reason, sizeof(result->reason), reason);
    (void)tn_text_copy(result->first_line, sizeof(result->first_line), tn_buf_text(&safe));
    (void)tn_text_copy(result->cure, sizeof(result->cure), cure);
}

void tn_hearing_fail(struct tn_build_result *result, const char *reason, const char *format, ...)
{
    const struct own_class *own = own_class(reason);
    char text[sizeof(result->first_line)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    set_failure(result, reason, own && own->lasting, text, own ? own->cure : "");
}

static void fail_telling(struct tn_build_result *result, const struct tn_telling *telling,
                         bool lasting)
{
    if (telling->row && telling->rank == TN_TELLING_KNOWN)
        set_failure(result, telling->row->name, tn_log_lasting(telling->row), telling->line,
                    telling->row->cure ? telling->row->cure : "");
    else
        set_failure(result, "unclassified", lasting, telling->line, "");
}

static bool same_class(const struct tn_telling *a, const struct tn_telling *b)
{
    if (a->rank != b->rank || a->rank == TN_TELLING_NONE)
        return false;
    return a->row == b->row || (a->row && b->row && strcmp(a->row->name, b->row->name) == 0);
}

/* The line to show: one about memory before all (what fails after it fails of it, and would look
 * lasting); a known one before an unknown one, the library's log before its list of parse
 * errors before bare stderr; but of one and the same class the entry of the list, since it names
 * node and operator. */
const struct tn_telling *tn_hearing_best(const struct tn_hearing *hearing)
{
    const struct tn_telling *best = &hearing->error;

    if (hearing->memory.rank != TN_TELLING_NONE)
        return &hearing->memory;
    if (hearing->parse_error.rank > best->rank || same_class(&hearing->parse_error, best))
        best = &hearing->parse_error;
    return hearing->raw.rank > best->rank ? &hearing->raw : best;
}

/* A parser, a converter or a runtime that says no will say no again; what the builder says in words
 * that no row knows may be the machine's fault. */
static bool lasts_unless_known(const char *stage)
{
    static const char *const stages[] = { "parse", "convert", "deserialize", "exec-context" };

    for (size_t i = 0; i < TN_COUNT(stages); i++)
        if (strcmp(stage, stages[i]) == 0)
            return true;
    return false;
}

/* A limit on address space shows in many words: "Invalid Node", "No such file". The worker says
 * when it was near its limit; then nothing that the library says is taken for lasting. */
static bool fail_of_memory(const struct tn_hearing *hearing, const struct tn_telling *telling,
                           struct tn_build_result *result)
{
    if (!tn_json_bool(hearing->answer, "memory_short", false))
        return false;
    tn_hearing_fail(result, "memory-limit", "%s (the memory limit was nearly reached)",
                    telling->rank != TN_TELLING_NONE
                        ? telling->line
                        : tn_json_str(hearing->answer, "text", "it gave no reason"));
    return true;
}

static void fail_unclassified(struct tn_build_result *result, const char *text)
{
    set_failure(result, "unclassified", lasts_unless_known(result->stage),
                text ? text : "the worker gave no reason", "");
}

static void judge_refusal(const struct tn_hearing *hearing, struct tn_build_result *result)
{
    const struct tn_telling *telling = tn_hearing_best(hearing);
    const char *name = tn_json_str(hearing->answer, "class", "");
    const char *text = tn_json_str(hearing->answer, "text", NULL);
    const struct own_class *own = own_class(name);

    /* Python's exception stands for what the library said before. */
    if (own && strcmp(name, "exception") == 0 && telling->rank == TN_TELLING_KNOWN)
        own = NULL;
    if (own && (text || telling->rank == TN_TELLING_NONE))
        tn_hearing_fail(result, own->name, "%s", text ? text : own->name);
    else if (own)
        set_failure(result, own->name, own->lasting, telling->line, own->cure);
    else if (fail_of_memory(hearing, telling, result))
        return;
    else if (telling->rank != TN_TELLING_NONE)
        fail_telling(result, telling, lasts_unless_known(result->stage));
    else
        fail_unclassified(result, text);
}

static void judge_signal(const struct tn_hearing *hearing, int number,
                         struct tn_build_result *result)
{
    const struct tn_telling *telling = tn_hearing_best(hearing);
    const char *name = sigabbrev_np(number);
    const char *last = telling->rank > TN_TELLING_NONE ? telling->line : "it said nothing";

    if (!name)
        name = "?";
    if (hearing->memory.rank != TN_TELLING_NONE)
        tn_hearing_fail(result, "memory-limit", "%s (died on signal %d, SIG%s)", last, number,
                        name);
    else if (number == SIGXFSZ)
        tn_hearing_fail(result, "file-limit", "a file grew beyond its limit");
    else if (number == SIGKILL)
        tn_hearing_fail(result, "signal",
                        "killed by signal 9 (SIGKILL), as the kernel does when memory runs out");
    else
        tn_hearing_fail(result, "signal", "died on signal %d (SIG%s); %s", number, name, last);
}

static void judge_no_result(const struct tn_hearing *hearing, const struct tn_proc_result *end,
                            struct tn_build_result *result)
{
    const struct tn_telling *telling = tn_hearing_best(hearing);
    const char *last = telling->rank > TN_TELLING_NONE ? telling->line : "it said nothing";
    double seconds = (double)end->elapsed / (double)TN_NSEC_PER_S;

    if (end->abandoned)
        tn_hearing_fail(result, "stuck", "not even SIGKILL ended it within 5 s");
    else if (end->timed_out)
        tn_hearing_fail(result, "timeout", "no end after %.1f s, in stage %s%s%s", seconds,
                        hearing->stage, *hearing->phase ? ", " : "", hearing->phase);
    else if (end->flooded)
        tn_hearing_fail(result, "flooded", "it wrote more than the parent reads; %s", last);
    else if (end->signal)
        judge_signal(hearing, end->signal, result);
    else if (hearing->memory.rank != TN_TELLING_NONE)
        tn_hearing_fail(result, "memory-limit", "%s (it ended without a result)", last);
    else if (end->status_lost)
        tn_hearing_fail(result, "no-result", "it ended without a result; %s", last);
    else
        tn_hearing_fail(result, "no-result", "it exited with status %d without a result; %s",
                        end->exit_status, last);
}

static void take_figures(const struct tn_hearing *hearing, const struct tn_proc_result *end,
                         struct tn_build_result *result)
{
    const json_t *seconds = json_object_get(hearing->answer, "seconds");
    const char *release = tn_json_str(hearing->answer, "release", "");

    result->import_seconds = json_number_value(json_object_get(seconds, "import"));
    result->parse_seconds = json_number_value(json_object_get(seconds, "parse"));
    result->build_seconds = json_number_value(json_object_get(seconds, "build"));
    result->total_seconds = (double)end->elapsed / (double)TN_NSEC_PER_S;
    result->peak_rss_bytes = tn_json_int(hearing->answer, "rss_bytes", end->peak_rss_bytes);
    result->plan_bytes = tn_json_int(hearing->answer, "bytes", TN_UNKNOWN);
    result->signal = end->signal;
    if (tn_version_parse(release, &result->version, NULL) < 0)
        result->version = (struct tn_version) { 0 };
}

static json_t *hand_over(json_t **list)
{
    json_t *full = json_array_size(*list) > 0 ? *list : NULL;

    if (full)
        *list = NULL;
    return full;
}

void tn_hearing_judge(struct tn_hearing *hearing, const struct tn_proc_result *end,
                      struct tn_build_result *ret_result)
{
    bool ended_by_us = end->timed_out || end->flooded || end->abandoned;
    const char *digest = tn_json_str(hearing->answer, "sha256", "");

    *ret_result = (struct tn_build_result) { .outcome = TN_BUILD_TROUBLE };
    take_figures(hearing, end, ret_result);
    (void)tn_text_copy(ret_result->stage, sizeof(ret_result->stage),
                       tn_json_str(hearing->answer, "stage", hearing->stage));
    if (!hearing->answer || ended_by_us)
        judge_no_result(hearing, end, ret_result);
    else if (!tn_json_bool(hearing->answer, "ok", false))
        judge_refusal(hearing, ret_result);
    else
        ret_result->outcome = TN_BUILD_DONE;
    if (tn_digest_parse(digest, &ret_result->digest, NULL) < 0)
        ret_result->plan_bytes = TN_UNKNOWN; /* a file without a digest counts as none */
    ret_result->io = hand_over(&hearing->io);
    ret_result->warnings = hand_over(&hearing->warnings);
}
