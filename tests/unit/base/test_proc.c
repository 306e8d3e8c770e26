/* Real children: sh and python3 do what children do. */
#include "base/proc.h"

#include "base/buf.h"
#include "base/text.h"
#include "tn_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct heard {
    struct tn_buf out, err;
    unsigned ticks, lines;
    size_t longest;
    bool stop_at_tick;
    const char *stop_at;
};

static bool hear(enum tn_stream stream, const char *line, size_t length, void *user)
{
    struct heard *heard = user;
    struct tn_buf *buf = stream == TN_STREAM_OUT ? &heard->out : &heard->err;

    if (stream == TN_STREAM_TICK) {
        assert_null(line);
        heard->ticks++;
        return !heard->stop_at_tick;
    }
    assert_int_equal(strlen(line) <= length, 1);
    heard->lines++;
    heard->longest = length > heard->longest ? length : heard->longest;
    tn_buf_add(buf, line, length);
    tn_buf_adds(buf, "|");
    return !heard->stop_at || strcmp(heard->stop_at, line) != 0;
}

static struct heard new_heard(void)
{
    return (struct heard) { .out = TN_BUF(1 << 20), .err = TN_BUF(1 << 20) };
}

static void heard_done(struct heard *heard)
{
    tn_buf_done(&heard->out);
    tn_buf_done(&heard->err);
}

static const char *const environment[] = { "PATH=/usr/bin:/bin", "GREETING=hello", NULL };

static struct tn_proc_result run_script(const char *interpreter, const char *script,
                                        struct tn_proc_options options, struct heard *heard)
{
    const char *argv[] = { interpreter, "-c", script, NULL };
    struct tn_proc_result result = { 0 };
    struct tn_error err = { 0 };

    options.argv = argv;
    options.environment = environment;
    if (tn_proc_run(&options, hear, heard, &result, &err) != TN_OK)
        fail_msg("%s", err.text);
    return result;
}

static struct tn_proc_result sh(const char *script, struct tn_proc_options options,
                                struct heard *heard)
{
    return run_script("/bin/sh", script, options, heard);
}

static struct tn_proc_result python(const char *script, struct tn_proc_options options,
                                    struct heard *heard)
{
    return run_script("/usr/bin/python3", script, options, heard);
}

static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* A process that has ended, also as a zombie of somebody else, within a second. */
static void assert_gone(pid_t pid)
{
    for (int i = 0; i < 100; i++) {
        char path[64], text[256] = "";
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
        file = fopen(path, "re");
        if (!file)
            return;
        (void)!fread(text, 1, sizeof(text) - 1, file);
        (void)fclose(file);
        if (strstr(text, ") Z "))
            return;
        (void)usleep(10000);
    }
    fail_msg("process %ld still lives", (long)pid);
}

TEST(proc__gives_lines_of_both_streams_and_the_exit_status)
{
    struct heard heard = new_heard();
    struct tn_proc_result result = sh("echo one; echo two >&2; printf 'no newline'; exit 7",
                                      (struct tn_proc_options) { 0 }, &heard);

    assert_string_equal(tn_buf_text(&heard.out), "one|no newline|");
    assert_string_equal(tn_buf_text(&heard.err), "two|");
    assert_int_equal(result.exit_status, 7);
    assert_int_equal(result.signal, 0);
    assert_false(result.timed_out || result.flooded || result.stopped || result.status_lost);
    assert_true(result.peak_rss_bytes > 100000);
    assert_true(result.elapsed > 0 && result.elapsed < 30 * TN_NSEC_PER_S);
    assert_no_child();
    heard_done(&heard);
}

TEST(proc__names_the_signal_that_ended_the_child)
{
    struct heard heard = new_heard();
    struct tn_proc_result result = sh("kill -SEGV $$", (struct tn_proc_options) { 0 }, &heard);

    assert_int_equal(result.exit_status, -1);
    assert_int_equal(result.signal, SIGSEGV);
    assert_no_child();
    heard_done(&heard);
}

TEST(proc__says_when_the_program_is_missing_or_may_not_run)
{
    struct tn_proc_result result = { .exit_status = 42 };
    struct tn_error err = { 0 };
    const char *argv[] = { "/nonexistent/program", NULL };
    struct tn_proc_options options = { .argv = argv, .environment = environment };

    assert_int_equal(tn_proc_run(&options, hear, NULL, &result, &err), TN_E_NOTFOUND);
    assert_non_null(strstr(err.text, "/nonexistent/program"));
    argv[0] = "/etc/passwd";
    assert_int_equal(tn_proc_run(&options, hear, NULL, &result, &err), TN_E_ACCESS);
    argv[0] = "/bin/true";
    options.folder = "/nonexistent/folder";
    assert_int_equal(tn_proc_run(&options, hear, NULL, &result, &err), TN_E_NOTFOUND);
    assert_non_null(strstr(err.text, "/nonexistent/folder"));
    assert_int_equal(result.exit_status, 42);
    assert_no_child();
}

TEST(proc__gives_its_own_environment_folder_group_signals_and_no_descriptor)
{
    struct heard heard = new_heard();
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, as in other people's programs */
    sigset_t blocked, before;
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);

    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &blocked, &before);
    (void)python("import os, re\n"
                 "print(sorted(k for k in os.environ if k != 'LC_CTYPE'), os.environ['GREETING'])\n"
                 "print(os.getcwd(), os.getpgid(0) == os.getpid())\n"
                 "status = open('/proc/self/status').read()\n"
                 "print(re.search(r'SigBlk:\\s*(\\S+)', status).group(1).strip('0') or 'none')\n"
                 "print(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:3],\n"
                 "      max(int(f) for f in os.listdir('/proc/self/fd')) < 5)\n",
                 (struct tn_proc_options) { .folder = "/usr" }, &heard);
    assert_string_equal(tn_buf_text(&heard.out),
                        "['GREETING', 'PATH'] hello|/usr True|none|[0, 1, 2] True|");
    heard_done(&heard);

    heard = new_heard();
    /* glibc leaves its own two signals, 32 and 33, ignored: only the named ones count. */
    (void)sh("grep SigIgn /proc/self/status", (struct tn_proc_options) { 0 }, &heard);
    assert_true(tn_text_starts(tn_buf_text(&heard.out), "SigIgn:"));
    assert_int_equal(strtoull(tn_buf_text(&heard.out) + 7, NULL, 16) & 0x7fffffff, 0);
    heard_done(&heard);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)signal(SIGPIPE, pipe_before);
    (void)close(leak);
}

TEST(proc__writes_input_larger_than_the_pipe_and_keeps_stdin_open)
{
    enum { SIZE = 3 << 20 };
    struct heard heard = new_heard();
    char *input = malloc(SIZE + 2);

    assert_non_null(input);
    memset(input, 'x', SIZE);
    memcpy(input + SIZE, "\n", 2);
    (void)python("import select, sys\n"
                 "print(len(sys.stdin.buffer.readline()), flush=True)\n"
                 "print(select.select([0], [], [], 0.3)[0])\n",
                 (struct tn_proc_options) { .input = input }, &heard);
    assert_string_equal(tn_buf_text(&heard.out), "3145729|[]|");
    free(input);
    heard_done(&heard);
}

TEST(proc__survives_a_child_that_closes_its_stdin)
{
    enum { SIZE = 3 << 20 };
    struct heard heard = new_heard();
    char *input = malloc(SIZE + 1);
    struct tn_proc_result result;

    assert_non_null(input);
    memset(input, 'x', SIZE);
    input[SIZE] = '\0';
    result = sh("exec 0<&-; echo done", (struct tn_proc_options) { .input = input }, &heard);
    assert_int_equal(result.exit_status, 0);
    assert_string_equal(tn_buf_text(&heard.out), "done|");
    free(input);
    heard_done(&heard);
}

TEST(proc__ends_a_child_that_hangs_with_sigterm_at_its_deadline)
{
    struct heard heard = new_heard();
    struct tn_proc_result result =
        sh("trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.05; done",
           (struct tn_proc_options) { .time_limit = 400 * TN_NSEC_PER_MS }, &heard);

    assert_true(result.timed_out);
    assert_int_equal(result.exit_status, 3);
    assert_string_equal(tn_buf_text(&heard.out), "ready|told|");
    assert_true(result.elapsed >= 400 * TN_NSEC_PER_MS);
    assert_no_child();
    heard_done(&heard);
}

TEST(proc__kills_a_child_that_ignores_sigterm)
{
    struct heard heard = new_heard();
    struct tn_proc_result result = python(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n",
        (struct tn_proc_options) { .time_limit = 300 * TN_NSEC_PER_MS }, &heard);

    assert_true(result.timed_out);
    assert_int_equal(result.signal, SIGKILL);
    assert_true(result.elapsed < 5 * TN_NSEC_PER_S);
    assert_no_child();
    heard_done(&heard);
}

TEST(proc__ticks_while_a_child_is_silent_and_stops_it_when_told)
{
    struct heard heard = new_heard();
    struct tn_proc_result result;

    heard.stop_at_tick = true;
    result = sh("sleep 600", (struct tn_proc_options) { 0 }, &heard);
    assert_int_equal(heard.ticks, 1);
    assert_true(result.stopped);
    assert_false(result.timed_out);
    assert_int_equal(result.signal, SIGTERM);
    assert_true(result.elapsed < 5 * TN_NSEC_PER_S);
    heard_done(&heard);
}

TEST(proc__gives_no_line_after_the_caller_said_stop)
{
    struct heard heard = new_heard();
    struct tn_proc_result result;

    heard.stop_at = "two";
    result =
        sh("echo one; echo two; echo three; sleep 600", (struct tn_proc_options) { 0 }, &heard);
    assert_true(result.stopped);
    assert_string_equal(tn_buf_text(&heard.out), "one|two|");
    heard_done(&heard);
}

TEST(proc__ends_a_child_that_floods)
{
    struct heard heard = new_heard();
    struct tn_proc_result result =
        sh("while :; do echo 0123456789012345678901234567890123456789; done",
           (struct tn_proc_options) { .output_bytes = 100000, .time_limit = 60 * TN_NSEC_PER_S },
           &heard);

    assert_true(result.flooded);
    assert_false(result.timed_out);
    assert_true(heard.out.size <= 100000 + 64 * 1024);
    assert_no_child();
    heard_done(&heard);
}

TEST(proc__cuts_a_long_line_and_finds_the_next)
{
    struct heard heard = new_heard();

    (void)python("print('x' * 200000)\nprint('next')\n", (struct tn_proc_options) { 0 }, &heard);
    assert_int_equal(heard.lines, 2);
    assert_int_equal(heard.longest, 65536);
    assert_string_equal(tn_buf_text(&heard.out) + 65536, "|next|");
    heard_done(&heard);
}

TEST(proc__does_not_wait_for_a_grandchild_that_holds_the_pipe)
{
    struct heard heard = new_heard();
    struct tn_proc_result result =
        sh("sleep 600 & echo $!; exit 0", (struct tn_proc_options) { 0 }, &heard);

    assert_int_equal(result.exit_status, 0);
    assert_true(result.elapsed < 10 * TN_NSEC_PER_S);
    assert_gone((pid_t)strtol(tn_buf_text(&heard.out), NULL, 10)); /* its group went with it */
    heard_done(&heard);

    heard = new_heard();
    result = python("import subprocess\n"
                    "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)\n",
                    (struct tn_proc_options) { 0 }, &heard);
    assert_int_equal(result.exit_status, 0);
    assert_true(result.elapsed < 10 * TN_NSEC_PER_S);
    (void)kill((pid_t)strtol(tn_buf_text(&heard.out), NULL, 10), SIGKILL);
    heard_done(&heard);
}

TEST(proc__kills_grandchildren_of_the_group_at_the_deadline)
{
    struct heard heard = new_heard();
    struct tn_proc_result result =
        sh("trap '' TERM; sleep 600 & echo $!; sleep 600",
           (struct tn_proc_options) { .time_limit = 300 * TN_NSEC_PER_MS }, &heard);

    assert_true(result.timed_out);
    assert_gone((pid_t)strtol(tn_buf_text(&heard.out), NULL, 10));
    assert_no_child();
    heard_done(&heard);
}

TEST(proc__tolerates_an_ignored_sigchld)
{
    struct heard heard = new_heard();
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    struct tn_proc_result result = sh("echo hello; exit 3", (struct tn_proc_options) { 0 }, &heard);

    (void)signal(SIGCHLD, before);
    assert_string_equal(tn_buf_text(&heard.out), "hello|");
    assert_true(result.status_lost);
    assert_int_equal(result.exit_status, -1);
    assert_int_equal(result.signal, 0);
    assert_true(result.elapsed < 10 * TN_NSEC_PER_S);
    heard_done(&heard);
}

TEST(proc__limits_memory_files_and_core)
{
    struct heard heard = new_heard();
    struct tn_proc_result result = python(
        "import resource as r, time\n"
        "for i in range(3000):\n" /* they are set after the start, the last one RLIMIT_CORE */
        "    if r.getrlimit(r.RLIMIT_FSIZE)[0] == 4096 and r.getrlimit(r.RLIMIT_CORE)[0] == 0: "
        "break\n"
        "    time.sleep(0.01)\n"
        "print(r.getrlimit(r.RLIMIT_AS)[1], r.getrlimit(r.RLIMIT_FSIZE)[1],\n"
        "      r.getrlimit(r.RLIMIT_CORE)[1])\n"
        "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('no memory')\n",
        (struct tn_proc_options) { .address_space_bytes = 512 << 20, .file_bytes = 4096 }, &heard);

    assert_int_equal(result.exit_status, 0);
    assert_string_equal(tn_buf_text(&heard.out), "536870912 4096 0|no memory|");
    heard_done(&heard);
}

TEST(proc__puts_a_background_child_last_in_line)
{
    struct heard heard = new_heard();

    (void)python("import os, time\n"
                 "for i in range(3000):\n"
                 "    if os.nice(0) >= 10: break\n"
                 "    time.sleep(0.01)\n"
                 "print(os.nice(0) >= 10, open('/proc/self/oom_score_adj').read().strip())\n",
                 (struct tn_proc_options) { .background = true }, &heard);
    assert_string_equal(tn_buf_text(&heard.out), "True 1000|");
    heard_done(&heard);
}

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

TEST(proc__leaves_no_descriptor_behind)
{
    struct heard heard = new_heard();
    unsigned before = open_descriptors();
    const char *argv[] = { "/nonexistent", NULL };
    struct tn_proc_options options = { .argv = argv, .environment = environment };
    struct tn_proc_result result;

    (void)sh("echo x", (struct tn_proc_options) { 0 }, &heard);
    assert_true(tn_proc_run(&options, hear, &heard, &result, NULL) < 0);
    assert_int_equal(open_descriptors(), before);
    heard_done(&heard);
}

/* In a copy of this process, since its standard descriptors are closed for good. */
TEST(proc__works_when_the_caller_has_no_standard_descriptors)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        struct heard heard = new_heard();
        const char *argv[] = { "/bin/sh", "-c", "read x; echo $x; echo err >&2", NULL };
        struct tn_proc_options options = { .argv = argv,
                                           .environment = environment,
                                           .input = "in\n" };
        struct tn_proc_result result;

        (void)close(0);
        (void)close(1);
        (void)close(2);
        if (tn_proc_run(&options, hear, &heard, &result, NULL) < 0)
            _exit(1);
        _exit(strcmp(tn_buf_text(&heard.out), "in|") != 0 ||
              strcmp(tn_buf_text(&heard.err), "err|") != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The number of the only child of `pid`, once it has one. */
static pid_t child_of(pid_t pid)
{
    char path[64], text[32] = "";

    (void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    for (int i = 0; i < 500 && !text[0]; i++) {
        FILE *file = fopen(path, "re");

        assert_non_null(file);
        (void)!fread(text, 1, sizeof(text) - 1, file);
        (void)fclose(file);
        (void)usleep(10000);
    }
    return (pid_t)strtol(text, NULL, 10);
}

TEST(proc__child_learns_that_its_parent_was_killed)
{
    pid_t child, pid = fork();

    if (pid == 0) {
        const char *argv[] = { "/bin/sh", "-c", "read x", NULL };
        struct tn_proc_options options = { .argv = argv, .environment = environment };
        struct tn_proc_result result;

        (void)tn_proc_run(&options, NULL, NULL, &result, NULL);
        _exit(0);
    }
    child = child_of(pid);
    assert_true(child > 0);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_gone(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proc__gives_lines_of_both_streams_and_the_exit_status),
        cmocka_unit_test(proc__names_the_signal_that_ended_the_child),
        cmocka_unit_test(proc__says_when_the_program_is_missing_or_may_not_run),
        cmocka_unit_test(proc__gives_its_own_environment_folder_group_signals_and_no_descriptor),
        cmocka_unit_test(proc__writes_input_larger_than_the_pipe_and_keeps_stdin_open),
        cmocka_unit_test(proc__survives_a_child_that_closes_its_stdin),
        cmocka_unit_test(proc__ends_a_child_that_hangs_with_sigterm_at_its_deadline),
        cmocka_unit_test(proc__kills_a_child_that_ignores_sigterm),
        cmocka_unit_test(proc__ticks_while_a_child_is_silent_and_stops_it_when_told),
        cmocka_unit_test(proc__gives_no_line_after_the_caller_said_stop),
        cmocka_unit_test(proc__ends_a_child_that_floods),
        cmocka_unit_test(proc__cuts_a_long_line_and_finds_the_next),
        cmocka_unit_test(proc__does_not_wait_for_a_grandchild_that_holds_the_pipe),
        cmocka_unit_test(proc__kills_grandchildren_of_the_group_at_the_deadline),
        cmocka_unit_test(proc__tolerates_an_ignored_sigchld),
        cmocka_unit_test(proc__limits_memory_files_and_core),
        cmocka_unit_test(proc__puts_a_background_child_last_in_line),
        cmocka_unit_test(proc__leaves_no_descriptor_behind),
        cmocka_unit_test(proc__works_when_the_caller_has_no_standard_descriptors),
        cmocka_unit_test(proc__child_learns_that_its_parent_was_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
