/*
 * The stand-in for trtexec (trtexec_standin.py) in a folder of the test's own, for C tests.
 */
#ifndef TN_TEST_STANDIN_H
#define TN_TEST_STANDIN_H

#include "../plan/make_plan.h"
#include "base/file.h"
#include "base/text.h"
#include "tn_test.h"
#include "types/version.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[PATH_MAX];

static inline const char *in_folder(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % TN_COUNT(paths)];

    assert_true(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
    return path;
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline char *read_text(const char *path)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(8 << 20);
    struct tn_error err = { 0 };

    if (tn_file_read(path, &text, &err) < 0)
        fail_msg("%s", err.text);
    tn_buf_adds(&text, "");
    return text.size > 0 ? tn_buf_steal(&text) : strdup("");
}

/** made.plan there becomes a plan of this release. */
static inline void write_plan(const struct tn_version *version)
{
    struct made_kind kind = made_kinds[version->part[0] >= 10                          ? 11
                                       : version->part[0] == 8 && version->part[1] < 6 ? 6
                                                                                       : 8];
    struct made_facts facts;
    static struct made made;

    for (int i = 0; i < 4; i++)
        kind.version[i] = (unsigned char)version->part[i];
    facts = made_facts_of(&kind);
    make_plan(&made, &facts);
    write_file(in_folder("made.plan"), made.data, made.size);
}

/* Whether the stand-in was asked for exactly this word. */
static inline bool was_asked(const char *word)
{
    char *text = read_text(in_folder("asked.txt")), *save = NULL;
    bool found = false;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        found |= strcmp(line, word) == 0;
    free(text);
    return found;
}

static inline bool was_started(void)
{
    return access(in_folder("asked.txt"), F_OK) == 0;
}

/* Kills `parent`, a process of this test that runs the stand-in and has told so through `told`
 * (closed here), and sees the stand-in end with it. */
static inline void assert_dies_with(pid_t parent, int told)
{
    struct pollfd gone = { .events = POLLIN };
    char byte, *text;
    int status;

    assert_int_equal(read(told, &byte, 1), 1);
    text = read_text(in_folder("pid.txt"));
    gone.fd = (int)syscall(SYS_pidfd_open, strtol(text, NULL, 10), 0);
    free(text);
    assert_true(gone.fd >= 0);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(poll(&gone, 1, 10000), 1);
    (void)close(gone.fd);
    (void)close(told);
}

/* --- the group: for cmocka_run_group_tests_name() ---------------------------------------------*/

static inline int make_standin(void **state)
{
    char script[PATH_MAX], *text;
    tn_auto(tn_buf_done) struct tn_buf program = TN_BUF(1 << 20);
    (void)state;

    (void)snprintf(folder, sizeof(folder), "%s/tn-trtexec-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(script, sizeof(script), "%s/tests/unit/toolchain/trtexec_standin.py",
                   getenv("TENON_SOURCE_ROOT"));
    text = read_text(script);
    tn_buf_addf(&program, "#!/usr/bin/python3 -IB\n%s", text);
    free(text);
    write_file(in_folder("trtexec"), tn_buf_text(&program), program.size);
    assert_int_equal(chmod(in_folder("trtexec"), 0700), 0);
    write_file(in_folder("model.onnx"), "onnx", 4);
    return 0;
}

static inline int remove_standin(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

#endif
