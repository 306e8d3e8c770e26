#include "base/pagecache.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LOOKS = 64 };

struct file {
    int fd;
    unsigned char *bytes; /* mapped */
    size_t size, page;
};

/* @return 1 (this page is in memory), 0, or -1 */
typedef int (*look_fn)(const struct file *file, size_t offset);

static int look_mapped(const struct file *file, size_t offset)
{
    unsigned char state;

    return mincore(file->bytes + offset, 1, &state) < 0 ? -1 : state & 1;
}

/* A read that may not wait for the disk. */
static int look_reading(const struct file *file, size_t offset)
{
    char byte;
    struct iovec into = { &byte, 1 };

    if (preadv2(file->fd, &into, 1, (off_t)offset, RWF_NOWAIT) == 1)
        return 1;
    return errno == EAGAIN ? 0 : -1;
}

/* Of a file that the caller may not write, mincore() says that all of it is there. */
static look_fn look_of(const char *path)
{
    struct stat st;
    bool mine = stat(path, &st) == 0 && st.st_uid == geteuid();

    return mine || faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ? look_mapped : look_reading;
}

static int sample(const struct file *file, look_fn look)
{
    size_t pages = (file->size + file->page - 1) / file->page;
    size_t looks = pages < LOOKS ? pages : LOOKS;
    size_t there = 0;

    for (size_t i = 0; i < looks; i++) {
        /* from the middle of each part: heads are read by everybody who asks what a file is */
        int found = look(file, (2 * i + 1) * pages / (2 * looks) * file->page);

        if (found < 0)
            return -1;
        there += (size_t)found;
    }
    return 2 * there < looks;
}

int tn_pagecache_cold(const char *path)
{
    struct file file = { .page = (size_t)sysconf(_SC_PAGESIZE) };
    tn_auto(tn_fd_done) int fd = -1;
    struct stat st;
    int cold;

    if (tn_file_open(path, &fd, &st, NULL) < 0 || st.st_size <= 0)
        return -1;
    file.fd = fd;
    file.size = (size_t)st.st_size;
    file.bytes = mmap(NULL, file.size, PROT_READ, MAP_SHARED, fd, 0);
    if (file.bytes == MAP_FAILED)
        return -1;
    cold = sample(&file, look_of(path));
    (void)munmap(file.bytes, file.size);
    return cold;
}
