/* tenon inspect: what the bytes of an engine say about it. */
#include "base/file.h"
#include "base/macros.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct tn_option options[] = {
    { "verify", 0, TN_ARG_NONE, NULL, NULL, false,
      "Read whole files: print the SHA-256 and check the CRC where TensorRT wrote one (6.0 to "
      "8.0)." },
    { "files-from", 0, TN_ARG_FILE, "FILE", NULL, false,
      "Also inspect the files that FILE names, one per line; '-' reads the list from standard "
      "input." },
    { 0 },
};

static const char *const examples[] = {
    "tenon inspect model.engine",
    "The TensorRT version, the GPU that it was built on, whether it is whole.",
    "tenon inspect --json models/ | jq -r 'select(.complete == false).path'",
    "Every truncated engine below a folder.",
    "tenon inspect --verify model.engine",
    "Read all of it: digest, and the CRC of an old plan.",
    "curl -s https://example.com/model.engine | tenon inspect -",
    "Look at a download without keeping it.",
    NULL,
};

/* Endings that say that a file is meant to be one of ours, whatever is in it. */
static const char *const endings[] = { ".engine", ".plan", ".trt", ".onnx", ".cache" };

struct session {
    const struct tn_invocation *call;
    struct tn_inspect_options look;
    bool lines;           /* one line per file instead of a block */
    size_t shown, passed; /* files answered; files in folders that are none of ours */
    bool not_good;        /* some file is no whole engine */
    int error_status;     /* exit status of the first error; 0 */
    bool stopped;         /* standard output is gone: nobody listens */
};

static void note_error(struct session *session, const struct tn_error *err)
{
    int status = tn_cli_error(session->call, err);

    if (session->error_status == 0)
        session->error_status = status;
}

static int print_json(const struct tn_inspected *found, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_inspected_json(found);

    return tn_json_line(stdout, json, err);
}

static void print(struct session *session, const struct tn_inspected *found)
{
    struct tn_error err;

    if (session->call->json) {
        if (print_json(found, &err) < 0)
            note_error(session, &err);
    } else if (session->lines) {
        if (session->shown == 0)
            tn_inspected_heading(stdout);
        tn_inspected_line(stdout, found);
    } else {
        tn_inspected_block(stdout, found);
    }
    session->shown++;
    session->stopped = ferror(stdout) != 0;
}

static bool is_ours(const struct tn_inspected *found)
{
    const char *name = tn_path_base(found->path);

    for (size_t i = 0; i < TN_COUNT(endings); i++)
        if (tn_text_ends(name, endings[i]))
            return true;
    return found->plan.kind != TN_FILE_UNKNOWN && found->plan.kind != TN_FILE_EMPTY;
}

/* One open file. In a folder only what could be meant as an engine or a model is shown. */
static void inspect_open(struct session *session, int fd, int64_t size, const char *path,
                         const char *readable, bool in_folder)
{
    struct tn_inspected found = { .path = path };
    struct tn_error err;

    if (tn_inspect_file(fd, size, path, readable, &session->look, &found, &err) < 0) {
        (void)tn_while(&err, err.code, "'%s'", path);
        note_error(session, &err);
    } else if (in_folder && !is_ours(&found)) {
        session->passed++;
    } else {
        session->not_good |= !tn_inspected_good(&found);
        print(session, &found);
    }
    tn_inspected_done(&found);
}

static void visit(const char *path, const struct tn_error *walk_err, void *user)
{
    struct session *session = user;
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_error err;
    struct stat st;

    if (session->stopped)
        return;
    if (walk_err)
        note_error(session, walk_err);
    else if (tn_file_open(path, &fd, &st, &err) < 0)
        note_error(session, &err);
    else
        inspect_open(session, fd, st.st_size, path, path, true);
}

static void inspect_folder(struct session *session, const char *folder)
{
    size_t links;
    size_t shown = session->shown;

    session->passed = 0;
    links = tn_inspect_walk(folder, visit, session);
    if (session->call->quiet || (session->passed == 0 && links == 0 && session->shown > shown))
        return;
    (void)fflush(stdout);
    (void)fprintf(stderr, "tenon inspect: %s: %zu file%s shown, %zu other%s passed over", folder,
                  session->shown - shown, session->shown - shown == 1 ? "" : "s", session->passed,
                  session->passed == 1 ? "" : "s");
    if (links > 0)
        (void)fprintf(stderr, ", %zu link%s not followed", links, links == 1 ? "" : "s");
    (void)fputc('\n', stderr);
}

/* Copies a pipe to a file without a name, so that its end can be read and it can be read again. */
static int spool(int from, int *ret_fd, struct tn_error *err)
{
    const char *folder = getenv("TMPDIR");
    tn_auto(tn_fd_done) int fd = -1;
    char piece[65536];
    ssize_t got;

    folder = folder && *folder ? folder : "/tmp";
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "create a temporary file in '%s'", folder);
    while ((got = read(from, piece, sizeof(piece))) != 0) {
        int rc = got < 0 ? TN_OK : tn_file_write_all(fd, piece, (size_t)got, err);

        if (got < 0 && errno != EINTR)
            return tn_fail_os(err, TN_E_IO, "read standard input");
        if (rc < 0)
            return tn_while(err, rc, "temporary file in '%s'", folder);
    }
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}

static void inspect_stdin(struct session *session)
{
    tn_auto(tn_fd_done) int spooled = -1;
    char readable[32];
    struct tn_error err;
    struct stat st;
    int fd = STDIN_FILENO;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_CUR) != 0) {
        if (spool(fd, &spooled, &err) < 0) {
            note_error(session, &err);
            return;
        }
        fd = spooled;
    }
    if (fstat(fd, &st) < 0) {
        (void)tn_fail_os(&err, TN_E_IO, "stat standard input");
        note_error(session, &err);
        return;
    }
    (void)snprintf(readable, sizeof(readable), "/proc/self/fd/%d", fd);
    inspect_open(session, fd, st.st_size, "-", readable, false);
}

static void inspect_path(struct session *session, const char *path)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_error err;
    struct stat st;

    if (session->stopped)
        return;
    if (strcmp(path, "-") == 0) {
        inspect_stdin(session);
        return;
    }
    if (tn_file_open(path, &fd, &st, &err) == TN_OK)
        inspect_open(session, fd, st.st_size, path, path, false);
    else if (err.code == TN_E_INVALID && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        inspect_folder(session, path);
    else
        note_error(session, &err);
}

static void close_list(FILE **list)
{
    if (*list && *list != stdin)
        (void)fclose(*list);
}

static void free_line(char **line)
{
    free(*line);
}

static void inspect_list(struct session *session, const char *name)
{
    tn_auto(close_list) FILE *list = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    tn_auto(free_line) char *line = NULL;
    size_t capacity = 0;
    struct tn_error err;
    ssize_t length;

    if (!list) {
        (void)tn_fail_os(&err, TN_E_IO, "open '%s'", name);
        note_error(session, &err);
        return;
    }
    while ((length = getline(&line, &capacity, list)) > 0) {
        if (line[length - 1] == '\n')
            line[--length] = '\0';
        if (length > 0)
            inspect_path(session, line);
    }
    if (ferror(list)) {
        (void)tn_fail_os(&err, TN_E_IO, "read '%s'", name);
        note_error(session, &err);
    }
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int run(const struct tn_invocation *call)
{
    const char *list = tn_given(call, "files-from");
    struct session session = { .call = call };

    if (call->arg_count == 0 && !list)
        return tn_cli_usage(call, "FILE is missing");
    session.look.verify = tn_given(call, "verify") != NULL;
    session.lines = list || call->arg_count > 1 || is_folder(call->args[0]);
    session.look.details = call->json || !session.lines;
    if (call->json || session.lines) /* many answers: few writes */
        (void)setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (size_t i = 0; i < call->arg_count; i++)
        inspect_path(&session, call->args[i]);
    if (list)
        inspect_list(&session, list);
    return session.error_status ? session.error_status : session.not_good;
}

const struct tn_command tn_cmd_inspect = {
    .name = "inspect",
    .args = "FILE|DIR|-…",
    .min_args = 0,
    .max_args = SIZE_MAX,
    .summary = "Say what an engine file is, without TensorRT and without a GPU.",
    .details =
        "Reads the first and last bytes of serialized engines of TensorRT 5 and later and of "
        "TensorRT-RTX, and tells\nthem from what is mistaken for them: timing caches, Git LFS "
        "pointers, models, empty files. What the bytes do\nnot establish is unknown, not "
        "guessed; a layout newer than this program is not called damaged. Models are read\n"
        "whole: inputs, outputs, and the traps that stop a build.\n\n"
        "Folders are walked without following links to folders; files that neither are nor are "
        "named like "
        "engines or models are\npassed over. '-' reads standard input; a pipe is copied to a "
        "nameless file in $TMPDIR first, because the end of\nan engine says whether it is "
        "whole. One file is described in a block, several in a line each. The real precision\n"
        "of the weights of TensorRT-RTX engines is read from engines up to 64 MiB, of any with "
        "--verify.",
    .options = options,
    .examples = examples,
    .exits = "0 every file is a whole engine, or a model without stoppers; 1 some file is not; 66 "
             "a file is missing; others by docs/errors.md. A file that cannot be read does not "
             "stop the others.",
    .run = run,
};
