/*
 * Files: bounded reads, writes that are all or nothing, stamps, and whether a file may be trusted.
 *
 * Descriptors opened here are close-on-exec. Nothing here keeps state; any thread.
 */
#ifndef TN_BASE_FILE_H
#define TN_BASE_FILE_H

#include "base/buf.h"
#include "base/clock.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Cleanups for tn_auto(); each accepts what was never set. */
void tn_fd_done(int *fd);               /* closes unless negative */
void tn_str_free(char **text);          /* frees */
void tn_dir_done(DIR **dir);            /* closedir() */
void tn_unlink_done(const char **path); /* an armed guard: removes the file that it names */

/**
 * Opens a regular file for reading; never blocks on a FIFO, refuses folders and devices.
 * @param ret_stat may be NULL
 * @return 0, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_INVALID (not a regular file), TN_E_IO
 */
int tn_file_open(const char *path, int *ret_fd, struct stat *ret_stat, struct tn_error *err);

/** Reads a whole file into `ret_text`, whose limit bounds it. @return as tn_file_open(),
 * TN_E_TOOBIG */
int tn_file_read(const char *path, struct tn_buf *ret_text, struct tn_error *err);

/** Reads the whole of an open file; `what` names it in messages. @return 0, TN_E_TOOBIG, TN_E_IO,
 * TN_E_NOMEM */
int tn_file_read_fd(int fd, const char *what, struct tn_buf *ret_text, struct tn_error *err);

/** Reads up to `size` bytes at `offset`; fewer only at the end of the file. */
int tn_file_read_at(int fd, int64_t offset, void *ret_data, size_t size, size_t *ret_got,
                    struct tn_error *err);

int tn_file_write_all(int fd, const void *data, size_t size, struct tn_error *err);

/**
 * Replaces `folder/name`: temporary file in the same folder, fsync, rename, fsync of the folder.
 * Killed at any instant, the old or the new content is there, never a mixture.
 */
int tn_file_replace(const char *folder, const char *name, const void *data, size_t size,
                    mode_t mode, struct tn_error *err);

/** fsync of a folder, so that names in it survive a power cut. */
int tn_dir_sync(const char *path, struct tn_error *err);

/** Makes a folder and its parents; existing ones are left as they are. */
int tn_dir_make(const char *path, mode_t mode, struct tn_error *err);

/** Removes a folder and all below it; does not follow links. Missing = done. */
int tn_dir_remove(const char *path, struct tn_error *err);

/** "folder/name" in new memory (free it), or NULL when memory has run out. */
char *tn_path_join(const char *folder, const char *name);

/** The text after the last '/'; the text itself without one. */
const char *tn_path_base(const char *path);

/** What tells one state of a file from another without reading it. */
struct tn_stamp {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t mtime; /* ns since 1970 */
    int64_t ctime; /* ns since 1970: a change that puts mtime back still shows */
};

struct tn_stamp tn_stamp_of(const struct stat *st);
bool tn_stamp_equal(const struct tn_stamp *a, const struct tn_stamp *b);

/** Whether a file with this stamp was old enough at `wall` that a later change must show in the
 * stamp: its mtime is two seconds older (file systems count time in steps). */
bool tn_stamp_settled(const struct tn_stamp *stamp, tn_nsec wall);

/**
 * Whether only root and this user can change the file or folder: owner root or us, not writable by
 * group or others (a sticky folder such as /tmp is fine for a folder that we own inside it).
 * @return 0 or TN_E_UNTRUSTED with who could change it
 */
int tn_file_trusted(const struct stat *st, const char *path, struct tn_error *err);

#endif
