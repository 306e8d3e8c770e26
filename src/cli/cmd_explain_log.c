/* tenon explain-log: the line of a pasted log that tells, what it means, and the cure. */
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "compat/logscan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const examples[] = {
    "tenon explain-log build.log",
    "The line that tells, its meaning and its cure.",
    "trtexec --loadEngine=model.engine 2>&1 | tenon explain-log -",
    "From a pipe; a log may be of any size.",
    NULL,
};

static const char *scope_name(enum tn_log_scope scope)
{
    static const char *const names[] = {
        [TN_LOG_PLAN] = "plan",       [TN_LOG_RUNG] = "rung",     [TN_LOG_REQUEST] = "request",
        [TN_LOG_MODEL] = "model",     [TN_LOG_DEVICE] = "device", [TN_LOG_GENERIC] = "generic",
        [TN_LOG_WARNING] = "warning",
    };

    return names[scope];
}

static int read_all(int fd, const char *name, struct tn_logscan *scan, struct tn_error *err)
{
    static char piece[64 << 10];
    ssize_t got;

    while ((got = TEMP_FAILURE_RETRY(read(fd, piece, sizeof(piece)))) > 0)
        tn_logscan_feed(scan, piece, (size_t)got);
    tn_logscan_end(scan);
    return got < 0 ? tn_fail_os(err, TN_E_IO, "read '%s'", name) : TN_OK;
}

static int scan_log(const char *path, struct tn_logscan *scan, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc;

    tn_logscan_init(scan);
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", scan, err);
    rc = tn_file_open(path, &fd, NULL, err);
    return rc < 0 ? rc : read_all(fd, path, scan, err);
}

/* What a log marks as a warning failed nothing, whatever its row says of errors. */
static const char *scope_of(const struct tn_logscan *scan)
{
    return scope_name(scan->rank == TN_LOGSCAN_WARNING ? TN_LOG_WARNING : scan->row->scope);
}

static bool is_lasting(const struct tn_logscan *scan)
{
    return scan->rank != TN_LOGSCAN_WARNING && tn_log_lasting(scan->row);
}

static const char *class_of(const struct tn_logscan *scan)
{
    return scan->row ? scan->row->name : scan->rank ? "unknown" : NULL;
}

static int print_json(const struct tn_logscan *scan, const char *line, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    const struct tn_log_class *row = scan->row;

    tn_json_set_int(json, "line_number", scan->rank ? scan->line_number : TN_UNKNOWN);
    tn_json_set_str(json, "line", line);
    tn_json_set_str(json, "class", class_of(scan));
    tn_json_set_str(json, "scope", row ? scope_of(scan) : NULL);
    tn_json_set_tri(json, "lasting", row ? is_lasting(scan) : TN_UNKNOWN);
    tn_json_set_str(json, "meaning", row ? row->meaning : NULL);
    tn_json_set_str(json, "cure", row ? row->cure : NULL);
    return tn_json_line(stdout, json, err);
}

static void print_text(const struct tn_logscan *scan, const char *line)
{
    const struct tn_log_class *row = scan->row;

    (void)printf("line %lld: %s\n", (long long)scan->line_number, line);
    if (!row) {
        (void)printf("  class    unknown: an error of which Tenon knows nothing more\n");
        return;
    }
    (void)printf("  class    %s (%s, %s)\n", row->name, scope_of(scan),
                 is_lasting(scan) ? "lasting" : "not lasting");
    (void)printf("  meaning  %s\n", row->meaning);
    (void)printf("  cure     %s\n", row->cure);
}

static int run(const struct tn_invocation *call)
{
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(4 * TN_LOGSCAN_LINE_MAX);
    struct tn_logscan scan;
    struct tn_error err = { 0 };
    int rc = scan_log(call->args[0], &scan, &err);

    tn_text_add_safe(&line, scan.line, strlen(scan.line));
    if (rc == TN_OK && call->json)
        rc = print_json(&scan, tn_buf_text(&line), &err);
    else if (rc == TN_OK && scan.rank)
        print_text(&scan, tn_buf_text(&line));
    else if (rc == TN_OK && !call->quiet)
        (void)fprintf(stderr, "tenon explain-log: no line of it tells of a failure\n");
    if (rc < 0)
        return tn_cli_error(call, &err);
    return scan.rank > TN_LOGSCAN_GENERIC ? 0 : 1;
}

const struct tn_command tn_cmd_explain_log = {
    .name = "explain-log",
    .args = "FILE|-",
    .min_args = 1,
    .max_args = 1,
    .summary = "Find the telling line of a TensorRT log, its meaning and its cure.",
    .details =
        "Reads a log of TensorRT, trtexec, Triton, DeepStream, Python or a build log of Tenon; - "
        "is standard input.\n"
        "The first error that Tenon knows tells; the last lines of such logs are generic.",
    .examples = examples,
    .exits = "0 a line tells; 1 nothing in it tells; others as in docs/errors.md.",
    .run = run,
};
