#include "tn_test.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/pagecache.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, PAGES = 300 };

/* A file of 300 pages where files are on a disk; files in memory alone are never cold. */
static bool made(char ret_path[64])
{
    tn_auto(tn_fd_done) int fd = -1;
    static const char page[4096] = "x";
    struct statfs fs;

    (void)snprintf(ret_path, 64, "/var/tmp/tenon-pagecache-XXXXXX");
    fd = mkstemp(ret_path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(tn_file_write_all(fd, page, sizeof(page), NULL), TN_OK);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fstatfs(fd, &fs), 0);
    if (fs.f_type != TMPFS_MAGIC)
        return true;
    (void)unlink(ret_path);
    return false;
}

static void forget_from(const char *path, off_t from)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(posix_fadvise(fd, from, 0, POSIX_FADV_DONTNEED), 0);
}

static void read_all(const char *path)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(PAGES * 4096 + 1);

    assert_int_equal(tn_file_read(path, &text, NULL), TN_OK);
}

TEST(file__is_cold_until_it_was_read)
{
    char path[64];

    if (!made(path))
        skip();
    assert_int_equal(tn_pagecache_cold(path), 0);
    forget_from(path, 0);
    assert_int_equal(tn_pagecache_cold(path), 1);
    assert_int_equal(tn_pagecache_cold(path), 1); /* asking does not read it */
    read_all(path);
    assert_int_equal(tn_pagecache_cold(path), 0);
    (void)unlink(path);
}

TEST(file__of_which_most_is_there_is_warm)
{
    char path[64];

    if (!made(path))
        skip();
    forget_from(path, 200 * 4096);
    assert_int_equal(tn_pagecache_cold(path), 0);
    forget_from(path, 100 * 4096);
    assert_int_equal(tn_pagecache_cold(path), 1);
    (void)unlink(path);
}

/* What another user is told, who may only read it. */
static int asked_by_another(const char *path)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(setuid(NOBODY) < 0 ? 9 : tn_pagecache_cold(path) + 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 9);
    return WEXITSTATUS(status) - 1;
}

TEST(file__of_another_user_is_told_apart_too)
{
    char path[64];

    if (geteuid() != 0 || !made(path) || access(path, R_OK) < 0)
        skip();
    if (asked_by_another(path) == -1) { /* it cannot come here, or the file system cannot tell */
        (void)unlink(path);
        skip();
    }
    forget_from(path, 0);
    assert_int_equal(asked_by_another(path), 1);
    read_all(path);
    assert_int_equal(asked_by_another(path), 0);
    (void)unlink(path);
}

TEST(file__that_is_empty_or_not_there_is_neither)
{
    assert_int_equal(tn_pagecache_cold("/dev/null"), -1);
    assert_int_equal(tn_pagecache_cold("no/such/file"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file__is_cold_until_it_was_read),
        cmocka_unit_test(file__of_which_most_is_there_is_warm),
        cmocka_unit_test(file__of_another_user_is_told_apart_too),
        cmocka_unit_test(file__that_is_empty_or_not_there_is_neither),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
