#include "fault.h"

#include "base/clock.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned calls_left;
static int armed_os;
static const char *hit;
static bool short_writes;
static int64_t clock_ahead;

/* Which calls give which errno, besides EIO that all of them can give. */
struct can_row {
    int os;
    const char *calls; /* each between blanks */
};

static const struct can_row can_rows[] = {
    { ENOSPC, " open mkostemp mkdtemp write pwrite fsync rename link symlink mkdir ftruncate " },
    { EACCES,
      " open openat mkostemp mkdtemp rename link symlink unlink unlinkat mkdir chmod fchmod " },
    { EINTR, " open write pwrite fsync flock ftruncate " },
    { ENOLCK, " flock " },
    { EBADF, " flock " }, /* NFS, for a folder */
    { ESTALE, " open rename fsync mkdir " },
};

static bool can_give(const char *call, int os)
{
    char wanted[32] = " ";

    if (os == EIO)
        return true;
    (void)strncat(wanted, call, sizeof(wanted) - 3);
    (void)strcat(wanted, " ");
    for (size_t i = 0; i < TN_COUNT(can_rows); i++)
        if (can_rows[i].os == os && strstr(can_rows[i].calls, wanted))
            return true;
    return false;
}

void fault_arm(unsigned nth, int os)
{
    calls_left = nth;
    armed_os = os;
    hit = NULL;
}

const char *fault_disarm(void)
{
    calls_left = 0;
    return hit;
}

void fault_short_writes(bool on)
{
    short_writes = on;
}

void fault_clock(int64_t ahead)
{
    clock_ahead = ahead;
}

/* Whether this call is the one; errno is set then. */
static bool strikes(const char *call)
{
    if (calls_left == 0 || !can_give(call, armed_os) || --calls_left > 0)
        return false;
    hit = call;
    errno = armed_os;
    return true;
}

/* One row per wrapped call: result, name, parameters, arguments. The 64-bit names are what the
 * library's calls become with _FILE_OFFSET_BITS=64. */
#define WRAP(type, call, shown, params, args)                                                      \
    type __real_##call params;                                                                     \
    type __wrap_##call params;                                                                     \
    type __wrap_##call params                                                                      \
    {                                                                                              \
        return strikes(#shown) ? (type)-1 : __real_##call args;                                    \
    }

WRAP(int, fsync, fsync, (int fd), (fd))
WRAP(int, rename, rename, (const char *from, const char *to), (from, to))
WRAP(int, link, link, (const char *from, const char *to), (from, to))
WRAP(int, symlink, symlink, (const char *target, const char *path), (target, path))
WRAP(int, unlink, unlink, (const char *path), (path))
WRAP(int, unlinkat, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
WRAP(int, flock, flock, (int fd, int how), (fd, how))
WRAP(int, mkdir, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, chmod, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, ftruncate, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, ftruncate64, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, mkostemp, mkostemp, (char *path, int flags), (path, flags))
WRAP(int, mkostemp64, mkostemp, (char *path, int flags), (path, flags))
WRAP(ssize_t, pwrite, pwrite, (int fd, const void *data, size_t size, off_t at),
     (fd, data, size, at))
WRAP(ssize_t, pwrite64, pwrite, (int fd, const void *data, size_t size, off_t at),
     (fd, data, size, at))

char *__real_mkdtemp(char *path);
char *__wrap_mkdtemp(char *path);
char *__wrap_mkdtemp(char *path)
{
    return strikes("mkdtemp") ? NULL : __real_mkdtemp(path);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (strikes("write"))
        return -1;
    return __real_write(fd, data, short_writes && calls_left > 0 && size > 1 ? size / 2 : size);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define WRAP_OPEN(call)                                                                            \
    int __real_##call(const char *path, int flags, ...);                                           \
    int __wrap_##call(const char *path, int flags, ...);                                           \
    int __wrap_##call(const char *path, int flags, ...)                                            \
    {                                                                                              \
        va_list args;                                                                              \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(args, flags);                                                                     \
        mode = mode_of(flags, args);                                                               \
        va_end(args);                                                                              \
        return strikes("open") ? -1 : __real_##call(path, flags, mode);                            \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_OPENAT(call)                                                                          \
    int __real_##call(int folder, const char *path, int flags, ...);                               \
    int __wrap_##call(int folder, const char *path, int flags, ...);                               \
    int __wrap_##call(int folder, const char *path, int flags, ...)                                \
    {                                                                                              \
        va_list args;                                                                              \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(args, flags);                                                                     \
        mode = mode_of(flags, args);                                                               \
        va_end(args);                                                                              \
        return strikes("openat") ? -1 : __real_##call(folder, path, flags, mode);                  \
    }
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

tn_nsec __real_tn_clock_wall(void);
tn_nsec __wrap_tn_clock_wall(void);
tn_nsec __wrap_tn_clock_wall(void)
{
    return __real_tn_clock_wall() + clock_ahead;
}
