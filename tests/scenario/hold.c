/*
 * Makes a call of the server wait until a test has seen it: preloaded, it holds the first fsync()
 * or fdatasync() of a file whose path contains $HOLD_PATH.
 *
 *   $HOLD_AT.reached, $HOLD_AT.go   FIFOs of the test; opening one waits for its other end
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_flag held = ATOMIC_FLAG_INIT;

static int is_wanted(int fd)
{
    const char *part = getenv("HOLD_PATH");
    char link[64], path[PATH_MAX];
    ssize_t length;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = '\0';
    return part && strstr(path, part) != NULL;
}

static void meet(const char *end, int flags)
{
    const char *at = getenv("HOLD_AT");
    char path[PATH_MAX];
    int fd;

    (void)snprintf(path, sizeof(path), "%s.%s", at ? at : "", end);
    fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
}

static void hold(int fd)
{
    if (!is_wanted(fd) || atomic_flag_test_and_set(&held))
        return;
    meet("reached", O_WRONLY);
    meet("go", O_RDONLY);
}

#define HELD(name)                                                                                 \
    int name(int fd)                                                                               \
    {                                                                                              \
        int (*real)(int) = (int (*)(int))(uintptr_t)dlsym(RTLD_NEXT, #name);                       \
                                                                                                   \
        hold(fd);                                                                                  \
        return real(fd);                                                                           \
    }

int fsync(int fd);
int fdatasync(int fd);
HELD(fsync)
HELD(fdatasync)
