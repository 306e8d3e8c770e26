/*
 * tenon-start PARENT PROGRAM [ARGUMENT]…: becomes PROGRAM, tied to its parent.
 *
 * For programs that cannot be asked to do so themselves (trtexec): they die when PARENT, the
 * process that started this one, dies; they get no new privileges, and no network where the kernel
 * allows that to anybody. Exit: 71 the parent has gone, 126 PROGRAM cannot be run, 2 usage; else
 * PROGRAM's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written;

    if (fd < 0)
        return false;
    written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    return close(fd) == 0 && written;
}

/* A user namespace in which this process stays itself, and in it a network with nothing. */
static bool enter_namespaces(uid_t uid, gid_t gid)
{
    char users[64], groups[64];

    (void)snprintf(users, sizeof(users), "%u %u 1", (unsigned)uid, (unsigned)uid);
    (void)snprintf(groups, sizeof(groups), "%u %u 1", (unsigned)gid, (unsigned)gid);
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", users) &&
           write_text("/proc/self/gid_map", groups);
}

/* Tried in a child: there is no way back from a namespace whose maps cannot be written, as under
 * Ubuntu's AppArmor rules since 23.10. */
static bool namespaces_work(uid_t uid, gid_t gid)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(enter_namespaces(uid, gid) ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void deny_network(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare(CLONE_NEWNET) == 0 || uid == 0 || !namespaces_work(uid, gid))
        return;
    (void)enter_namespaces(uid, gid);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    deny_network();
    /* After the namespaces: a change of credentials clears it. Before the look at the parent: it
     * may have died in between. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (strtol(argv[1], NULL, 10) != (long)getppid())
        return 71;
    (void)execv(argv[2], argv + 2);
    (void)fprintf(stderr, "tenon-start: %s: %s\n", argv[2], strerror(errno));
    return 126;
}
