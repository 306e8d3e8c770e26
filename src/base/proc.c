/*
 * Phases: spawned -> running -> (told: SIGTERM sent) -> (killed: SIGKILL sent) -> ended -> reaped.
 * The child stays a zombie until its group has been killed, so that its number cannot have been
 * given to anybody else by then.
 */
#include "base/proc.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 64 * 1024, READ_BYTES = 16 * 1024, READS_PER_TURN = 16 };

static const tn_nsec tick_every = 250 * TN_NSEC_PER_MS;
static const tn_nsec term_to_kill = 500 * TN_NSEC_PER_MS;
static const tn_nsec kill_to_give_up = 5 * TN_NSEC_PER_S;
/* How often to ask for the child's end on kernels without pidfd_open (before 5.3). */
static const tn_nsec ask_every = 20 * TN_NSEC_PER_MS;
static const int64_t output_default = INT64_C(64) << 20;

struct reader {
    int fd; /* -1 after its end */
    enum tn_stream stream;
    char *text; /* LINE_BYTES and a NUL */
    size_t length;
};

struct run {
    const struct tn_proc_options *options;
    tn_line_fn line;
    void *user;
    pid_t pid;
    int pidfd; /* -1 where the kernel has none */
    int input;
    const char *input_left;
    struct reader reader[2];
    int64_t output_left;
    tn_nsec begun, next_tick, deadline, kill_at, give_up_at; /* 0 = not set */
    bool quiet;                                              /* the caller hears no more lines */
    bool ended;
    struct tn_proc_result result;
};

/* --- starting ---------------------------------------------------------------------------------*/

/* The two ends of one channel; both above the standard descriptors, because those are overwritten
 * one after the other in the child and a caller may have closed its own. */
struct channel {
    int ours, theirs;
};

static void channel_done(struct channel *channel)
{
    tn_fd_done(&channel->ours);
    tn_fd_done(&channel->theirs);
}

static int lift(int *fd, struct tn_error *err)
{
    int higher;

    if (*fd > STDERR_FILENO)
        return TN_OK;
    higher = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher < 0)
        return tn_fail_os(err, TN_E_IO, "duplicate a descriptor");
    (void)close(*fd);
    *fd = higher;
    return TN_OK;
}

static int set_channel(struct channel *ret_channel, int ours, int theirs, struct tn_error *err)
{
    struct channel channel = { ours, theirs };
    int rc = lift(&channel.ours, err);

    if (rc == TN_OK)
        rc = lift(&channel.theirs, err);
    if (rc == TN_OK && fcntl(channel.ours, F_SETFL, O_NONBLOCK) < 0)
        rc = tn_fail_os(err, TN_E_IO, "set a descriptor to non-blocking");
    if (rc < 0)
        channel_done(&channel);
    else
        *ret_channel = channel;
    return rc;
}

/* A socket and not a pipe: only send() can be told not to raise SIGPIPE in the caller. */
static int open_input(struct channel *ret_channel, struct tn_error *err)
{
    int fds[2];
    int rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return tn_fail_os(err, TN_E_IO, "make a socket pair");
    rc = set_channel(ret_channel, fds[0], fds[1], err);
    if (rc == TN_OK)
        (void)shutdown(ret_channel->ours, SHUT_RD);
    return rc;
}

static int open_output(struct channel *ret_channel, struct tn_error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return tn_fail_os(err, TN_E_IO, "make a pipe");
    return set_channel(ret_channel, fds[0], fds[1], err);
}

static int fill_actions(posix_spawn_file_actions_t *actions, const struct tn_proc_options *options,
                        const struct channel channel[3])
{
    int os = 0;

    for (int i = 0; os == 0 && i < 3; i++)
        os = posix_spawn_file_actions_adddup2(actions, channel[i].theirs, i);
    if (os == 0)
        os = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    if (os == 0 && options->folder)
        os = posix_spawn_file_actions_addchdir_np(actions, options->folder);
    return os;
}

static int fill_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int os = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    if (os == 0)
        os = posix_spawnattr_setpgroup(attributes, 0);
    if (os == 0)
        os = posix_spawnattr_setsigmask(attributes, &none);
    return os ? os : posix_spawnattr_setsigdefault(attributes, &all);
}

static int spawn_with(const struct tn_proc_options *options, const struct channel channel[3],
                      pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int os = posix_spawn_file_actions_init(&actions);

    if (os)
        return os;
    os = posix_spawnattr_init(&attributes);
    if (os == 0) {
        os = fill_actions(&actions, options, channel);
        if (os == 0)
            os = fill_attributes(&attributes);
        if (os == 0)
            os = posix_spawn(ret_pid, options->argv[0], &actions, &attributes,
                             (char *const *)(uintptr_t)options->argv,
                             (char *const *)(uintptr_t)options->environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return os;
}

/* A child that has already gone is no error here: its end is noticed in the loop. */
static void limit_child(pid_t pid, int resource, int64_t limit)
{
    enum __rlimit_resource which = (enum __rlimit_resource)resource;
    struct rlimit now;

    if (prlimit(pid, which, NULL, &now) < 0)
        return;
    if (now.rlim_max == RLIM_INFINITY || (rlim_t)limit < now.rlim_max)
        now.rlim_max = (rlim_t)limit;
    now.rlim_cur = now.rlim_max;
    (void)prlimit(pid, which, &now, NULL);
}

static void write_oom_score(pid_t pid)
{
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%ld/oom_score_adj", (long)pid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "1000", 4) < 0)
        errno = 0; /* a hint to the kernel; the run goes on without it */
    (void)close(fd);
}

static void restrain(pid_t pid, const struct tn_proc_options *options)
{
    if (options->address_space_bytes > 0)
        limit_child(pid, RLIMIT_AS, options->address_space_bytes);
    if (options->file_bytes > 0)
        limit_child(pid, RLIMIT_FSIZE, options->file_bytes);
    limit_child(pid, RLIMIT_CORE, 0);
    if (!options->background)
        return;
    write_oom_score(pid);
    (void)setpriority(PRIO_PROCESS, (id_t)pid, getpriority(PRIO_PROCESS, 0) + 10);
}

static void channels_done(struct channel (*channel)[3])
{
    for (int i = 0; i < 3; i++)
        channel_done(&(*channel)[i]);
}

static int keep_ours(struct run *run, int fd, enum tn_stream stream, struct tn_error *err)
{
    struct reader *reader = &run->reader[stream];

    reader->text = malloc(LINE_BYTES + 1);
    if (!reader->text)
        return tn_fail(err, TN_E_NOMEM, "buffer for the child's lines");
    reader->stream = stream;
    reader->fd = fd;
    return TN_OK;
}

static int start(struct run *run, struct tn_error *err)
{
    tn_auto(channels_done) struct channel channel[3] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
    const struct tn_proc_options *options = run->options;
    int rc = open_input(&channel[0], err);

    for (int i = 1; rc == TN_OK && i < 3; i++)
        rc = open_output(&channel[i], err);
    for (int i = 1; rc == TN_OK && i < 3; i++) {
        rc = keep_ours(run, channel[i].ours, i == 1 ? TN_STREAM_OUT : TN_STREAM_ERR, err);
        channel[i].ours = rc == TN_OK ? -1 : channel[i].ours;
    }
    if (rc < 0)
        return rc;

    errno = spawn_with(options, channel, &run->pid);
    if (errno)
        return tn_fail_os(err, TN_E_IO, "start '%s'%s%s", options->argv[0],
                          options->folder ? " in " : "", options->folder ? options->folder : "");
    restrain(run->pid, options);
    run->pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
    run->input = channel[0].ours;
    channel[0].ours = -1;
    return TN_OK;
}

/* --- input and output -------------------------------------------------------------------------*/

static void send_input(struct run *run)
{
    while (run->input_left && *run->input_left) {
        ssize_t sent = send(run->input, run->input_left, strlen(run->input_left), MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        /* A child that does not want its input may still do its work: its result tells. */
        run->input_left = sent < 0 ? NULL : run->input_left + sent;
    }
    run->input_left = NULL;
}

static void terminate(struct run *run)
{
    if (run->kill_at || run->ended)
        return;
    (void)kill(-run->pid, SIGTERM);
    run->kill_at = tn_clock_monotonic() + term_to_kill;
}

static void tell(struct run *run, enum tn_stream stream, const char *line, size_t length)
{
    if (run->quiet || !run->line)
        return;
    if (run->line(stream, line, length, run->user))
        return;
    run->quiet = true;
    run->result.stopped = true;
    terminate(run);
}

static void end_line(struct run *run, struct reader *reader)
{
    reader->text[reader->length] = '\0';
    tell(run, reader->stream, reader->text, reader->length);
    reader->length = 0;
}

static void feed(struct run *run, struct reader *reader, const char *data, size_t size)
{
    const char *end = data + size;

    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        size_t piece = (size_t)((newline ? newline : end) - data);
        size_t room = LINE_BYTES - reader->length;
        size_t kept = piece < room ? piece : room;

        memcpy(reader->text + reader->length, data, kept);
        reader->length += kept;
        if (newline)
            end_line(run, reader);
        data += piece + (newline ? 1 : 0);
    }
}

static void account(struct run *run, size_t size)
{
    run->output_left -= (int64_t)size;
    if (run->output_left >= 0 || run->result.flooded)
        return;
    run->result.flooded = true;
    run->quiet = true;
    terminate(run);
}

/* Reads what is there, bounded so that a chattering child cannot keep the deadline from being
 * looked at. @return whether there may be more */
static bool read_some(struct run *run, struct reader *reader)
{
    char data[READ_BYTES];

    for (int i = 0; reader->fd >= 0 && i < READS_PER_TURN; i++) {
        ssize_t size = read(reader->fd, data, sizeof(data));

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (size <= 0) {
            tn_fd_done(&reader->fd);
            return false;
        }
        account(run, (size_t)size);
        feed(run, reader, data, (size_t)size);
    }
    return reader->fd >= 0;
}

/* --- the loop ---------------------------------------------------------------------------------*/

static void look_for_end(struct run *run)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
        /* ECHILD: SIGCHLD is ignored in this process, or somebody waits for any child. */
        run->ended = errno != EINTR;
        run->result.status_lost = run->ended;
    } else {
        run->ended = info.si_pid == run->pid;
    }
}

static void sooner(tn_nsec *when, tn_nsec other)
{
    if (other && other < *when)
        *when = other;
}

static int wait_ms(const struct run *run, tn_nsec now)
{
    tn_nsec wake = run->next_tick;

    sooner(&wake, run->give_up_at ? 0 : run->kill_at);
    sooner(&wake, run->give_up_at);
    sooner(&wake, run->kill_at ? 0 : run->deadline);
    if (run->pidfd < 0)
        sooner(&wake, now + ask_every);
    return wake <= now ? 0 : (int)((wake - now + TN_NSEC_PER_MS - 1) / TN_NSEC_PER_MS);
}

static int wait_for_events(struct run *run, struct tn_error *err)
{
    struct pollfd want[4] = {
        { .fd = run->input_left ? run->input : -1, .events = POLLOUT },
        { .fd = run->reader[0].fd, .events = POLLIN },
        { .fd = run->reader[1].fd, .events = POLLIN },
        { .fd = run->pidfd, .events = POLLIN },
    };

    if (poll(want, TN_COUNT(want), wait_ms(run, tn_clock_monotonic())) < 0 && errno != EINTR)
        return tn_fail_os(err, TN_E_IO, "wait for '%s'", run->options->argv[0]);
    return TN_OK;
}

static void keep_time(struct run *run)
{
    tn_nsec now = tn_clock_monotonic();

    if (run->deadline && now >= run->deadline && !run->kill_at) {
        run->result.timed_out = true;
        terminate(run);
    }
    if (run->kill_at && now >= run->kill_at && !run->give_up_at) {
        (void)kill(-run->pid, SIGKILL);
        run->give_up_at = now + kill_to_give_up;
    }
    if (now >= run->next_tick) {
        run->next_tick = now + tick_every;
        tell(run, TN_STREAM_TICK, NULL, 0);
    }
}

static bool given_up(const struct run *run)
{
    return run->give_up_at && tn_clock_monotonic() >= run->give_up_at;
}

static int loop(struct run *run, struct tn_error *err)
{
    while (!run->ended && !given_up(run)) {
        int rc = wait_for_events(run, err);

        if (rc < 0)
            return rc;
        send_input(run);
        for (int i = 0; i < 2; i++)
            (void)read_some(run, &run->reader[i]);
        keep_time(run);
        look_for_end(run);
    }
    return TN_OK;
}

/* What the child wrote before its end is still in the pipes; what a grandchild in another group may
 * write later is not waited for. */
static void drain(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        struct reader *reader = &run->reader[i];

        while (!run->result.flooded && read_some(run, reader))
            continue;
        if (reader->length > 0)
            end_line(run, reader);
    }
}

static void reap(struct run *run)
{
    struct rusage usage = { 0 };
    int status = 0;
    pid_t pid;

    run->result.exit_status = -1;
    run->result.peak_rss_bytes = TN_UNKNOWN;
    if (!run->ended) {
        run->result.abandoned = true; /* not even SIGKILL ended it: stuck in a driver */
        return;
    }
    do
        pid = wait4(run->pid, &status, 0, &usage);
    while (pid < 0 && errno == EINTR);
    if (pid < 0) {
        run->result.status_lost = true;
        return;
    }
    run->result.status_lost = false;
    run->result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    run->result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    run->result.peak_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
}

/* After trouble in our own loop: the child must not outlive the call. */
static void kill_now(struct run *run)
{
    tn_nsec until = tn_clock_monotonic() + kill_to_give_up;

    run->quiet = true;
    (void)kill(-run->pid, SIGKILL);
    while (!run->ended && tn_clock_monotonic() < until) {
        struct timespec pause = { .tv_nsec = (long)ask_every };

        look_for_end(run);
        if (!run->ended)
            (void)nanosleep(&pause, NULL);
    }
}

static void run_done(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        tn_fd_done(&run->reader[i].fd);
        free(run->reader[i].text);
    }
    tn_fd_done(&run->input);
    tn_fd_done(&run->pidfd);
}

static void set_clocks(struct run *run)
{
    const struct tn_proc_options *options = run->options;

    run->begun = tn_clock_monotonic();
    run->next_tick = run->begun + tick_every;
    run->deadline = options->time_limit > 0 ? run->begun + options->time_limit : 0;
    run->output_left = options->output_bytes > 0 ? options->output_bytes : output_default;
}

int tn_proc_run(const struct tn_proc_options *options, tn_line_fn line, void *user,
                struct tn_proc_result *ret_result, struct tn_error *err)
{
    tn_auto(run_done) struct run run = {
        .options = options,
        .line = line,
        .user = user,
        .pidfd = -1,
        .input = -1,
        .input_left = options->input,
        .reader = { { .fd = -1 }, { .fd = -1 } },
    };
    int rc;

    set_clocks(&run);
    rc = start(&run, err);
    if (rc < 0)
        return rc;
    rc = loop(&run, err);
    if (rc < 0)
        kill_now(&run);
    (void)kill(-run.pid, SIGKILL); /* grandchildren of its group; the child itself has ended */
    drain(&run);
    reap(&run);
    run.result.elapsed = tn_clock_monotonic() - run.begun;
    if (rc == TN_OK)
        *ret_result = run.result;
    return rc;
}
