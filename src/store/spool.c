#include "store/spool.h"

#include "base/text.h"
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define SPOOL_SCHEMA "tenon-spool/1"
#define CURRENT      "outcomes.jsonl"

enum {
    FULL_MAX = 2 * TN_SPOOL_SEGMENT_BYTES, /* a file grows beyond its size while writers meet */
    READ_MAX = 2 * FULL_MAX,
    POSITION_BITS = 24, /* a place in a file */
    HEAD_MAX = 256,
    LISTED_MAX = 64, /* files of a folder that something went wrong in */
};

static const tn_nsec patience = TN_NSEC_PER_S;

/* ---- files ---- */

static int spool_folder(const struct tn_store *store, char **ret_folder, struct tn_error *err)
{
    char below[128];

    (void)snprintf(below, sizeof(below), "hosts/%s/spool", tn_store_host(store));
    return tn_store_folder(store, below, ret_folder, err);
}

struct segments {
    int64_t number[LISTED_MAX]; /* ascending */
    size_t count;
};

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* "outcomes-<number>.jsonl" */
static bool number_of(const char *name, int64_t *ret_number)
{
    const char *digits = name + strlen("outcomes-");
    uint64_t number;

    if (!tn_text_starts(name, "outcomes-") || !tn_text_ends(name, ".jsonl") ||
        !tn_text_u64(digits, strcspn(digits, "."), &number) || number > INT64_MAX / 2)
        return false;
    *ret_number = (int64_t)number;
    return true;
}

static char *segment_path(const char *folder, int64_t number)
{
    char name[48];

    (void)snprintf(name, sizeof(name), "outcomes-%08lld.jsonl", (long long)number);
    return tn_path_join(folder, name);
}

static struct segments list_segments(const char *folder)
{
    tn_auto(tn_dir_done) DIR *dir = opendir(folder);
    struct segments list = { .count = 0 };
    const struct dirent *entry;

    while (dir && list.count < LISTED_MAX && (entry = readdir(dir)) != NULL)
        if (number_of(entry->d_name, &list.number[list.count]))
            list.count++;
    qsort(list.number, list.count, sizeof(list.number[0]), ascending);
    return list;
}

struct head {
    char spool[TN_SPOOL_ID_BYTES]; /* "" = not known */
    int64_t sequence, dropped;
};

static bool is_head(const json_t *json, struct head *ret_head)
{
    if (strcmp(tn_json_str(json, "schema", ""), SPOOL_SCHEMA) != 0)
        return false;
    *ret_head = (struct head) { .sequence = tn_json_int(json, "sequence", 0),
                                .dropped = tn_json_int(json, "dropped", 0) };
    (void)tn_text_copy(ret_head->spool, sizeof(ret_head->spool), tn_json_str(json, "spool", ""));
    return true;
}

/* Walks the lines of one file. */
struct reading {
    tn_outcome_fn each; /* NULL = count only */
    void *user;
    struct head head; /* of the last file that had one */
    struct head here; /* of this file */
    int64_t count;    /* outcomes */
    bool stopped;
};

/* Files are numbered and only ever added to. */
static void place(const struct head *head, size_t offset, struct tn_outcome *outcome)
{
    if (head->sequence <= 0 || head->sequence > INT64_MAX >> POSITION_BITS || !head->spool[0])
        return;
    (void)tn_text_copy(outcome->spool, sizeof(outcome->spool), head->spool);
    outcome->position = (head->sequence << POSITION_BITS) + (int64_t)offset;
}

static void take_line(struct reading *reading, const char *line, size_t length, size_t offset)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_outcome outcome;

    if (length == 0 || length > TN_SPOOL_LINE_MAX ||
        tn_json_parse(line, length, "outcome", &json, NULL) != TN_OK)
        return;
    if (is_head(json, &reading->here)) {
        reading->head = reading->here;
        return;
    }
    if (!tn_outcome_from_json(json, &outcome))
        return;
    place(&reading->here, offset, &outcome);
    reading->count++;
    if (reading->each)
        reading->stopped = !reading->each(&outcome, reading->user);
}

static int read_lines(int fd, struct reading *reading, struct tn_error *err)
{
    tn_auto(tn_str_free) char *text = malloc(READ_MAX);
    size_t size;
    int rc = text ? tn_file_read_at(fd, 0, text, READ_MAX, &size, err)
                  : tn_fail(err, TN_E_NOMEM, "read the spool");

    if (rc < 0)
        return rc;
    reading->here = (struct head) { .sequence = 0 };
    for (const char *at = text, *end; !reading->stopped && at < text + size; at = end + 1) {
        end = memchr(at, '\n', size - (size_t)(at - text));
        if (!end)
            break; /* torn, or still being written */
        take_line(reading, at, (size_t)(end - at), (size_t)(at - text));
    }
    return TN_OK;
}

/* A file that is gone holds nothing: another process has dropped it. */
static int read_segment(const char *folder, int64_t number, struct reading *reading,
                        struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = segment_path(folder, number);
    tn_auto(tn_fd_done) int fd = -1;
    int rc = path ? tn_file_open(path, &fd, NULL, err) : tn_fail(err, TN_E_NOMEM, "read the spool");

    if (rc == TN_E_NOTFOUND) {
        if (err)
            *err = (struct tn_error) { 0 };
        return TN_OK;
    }
    return rc < 0 ? rc : read_lines(fd, reading, err);
}

/* ---- beginning a file; the lock is held ---- */

/* The first line of a file, if it has one. */
static struct head head_of(int fd)
{
    struct head head = { .sequence = 0 };
    tn_auto(tn_json_done) json_t *json = NULL;
    char text[HEAD_MAX];
    size_t size;
    const char *end;

    if (tn_file_read_at(fd, 0, text, sizeof(text), &size, NULL) < 0)
        return head;
    end = memchr(text, '\n', size);
    if (end && tn_json_parse(text, (size_t)(end - text), "spool", &json, NULL) == TN_OK)
        (void)is_head(json, &head);
    return head;
}

/* Outcomes of a file, by its lines: writers wait for this. */
static int64_t count_lines(int fd)
{
    tn_auto(tn_str_free) char *text = malloc(READ_MAX);
    size_t size;
    int64_t count = 0;

    if (!text || tn_file_read_at(fd, 0, text, READ_MAX, &size, NULL) < 0)
        return 0;
    for (const char *at = text, *end; at < text + size; at = end + 1) {
        end = memchr(at, '\n', size - (size_t)(at - text));
        if (!end)
            break;
        count += end > at;
    }
    return count > 0 ? count - 1 : 0;
}

static int open_segment(const char *folder, int64_t number)
{
    tn_auto(tn_str_free) char *path = segment_path(folder, number);
    int fd = -1;

    return path && tn_file_open(path, &fd, NULL, NULL) == TN_OK ? fd : -1;
}

/* What the newest file says of the spool; a spool that has none begins as a new one. */
static struct head newest_head(const char *folder, const char *path, const struct segments *list)
{
    tn_auto(tn_fd_done) int newest = -1;
    struct head head = { .sequence = 0 };
    uint64_t random = 0;

    if (tn_file_open(path, &newest, NULL, NULL) < 0 && list->count > 0)
        newest = open_segment(folder, list->number[list->count - 1]);
    if (newest >= 0)
        head = head_of(newest);
    if (strlen(head.spool) == TN_SPOOL_ID_BYTES - 1)
        return head;
    /* without random numbers it stays without a name: its outcomes are kept all the same */
    if (getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random))
        (void)snprintf(head.spool, sizeof(head.spool), "%016llx", (unsigned long long)random);
    return head;
}

/* How many outcomes the oldest files hold, which are to be dropped. */
static int64_t count_dropped(const char *folder, const struct segments *list, size_t drop)
{
    int64_t count = 0;

    for (size_t i = 0; i < drop; i++) {
        tn_auto(tn_fd_done) int fd = open_segment(folder, list->number[i]);

        count += fd >= 0 ? count_lines(fd) : 0;
    }
    return count;
}

/* A file with its first line, not yet in its place. No fsync: others may wait for this, and a power
 * cut costs outcomes. */
static int write_head(const char *folder, const char *head, char **ret_path, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(folder, ".tmp-XXXXXX");
    tn_auto(tn_unlink_done) const char *undo = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    int rc;

    if (!path)
        return tn_fail(err, TN_E_NOMEM, "begin a file of the spool");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", path);
    undo = path;
    rc = tn_file_write_all(fd, head, strlen(head), err);
    if (rc < 0)
        return rc;
    if (fchmod(fd, 0644) < 0)
        return tn_fail_os(err, TN_E_IO, "chmod '%s'", path);
    undo = NULL;
    *ret_path = path;
    path = NULL;
    return TN_OK;
}

/* Begins a file; the full one, where there is one, is put away first: between the two renames
 * writers find none and wait for the lock. */
static int begin_current(const char *folder, const char *path, bool put_away, struct tn_error *err)
{
    struct segments list = list_segments(folder);
    size_t kept = TN_SPOOL_SEGMENTS_MAX - 1 - put_away;
    size_t drop = list.count > kept ? list.count - kept : 0;
    int64_t next = list.count > 0 ? list.number[list.count - 1] + 1 : 1;
    tn_auto(tn_str_free) char *full = segment_path(folder, next);
    tn_auto(tn_str_free) char *made = NULL;
    tn_auto(tn_unlink_done) const char *undo = NULL;
    struct head before = newest_head(folder, path, &list);
    char head[HEAD_MAX];
    int rc;

    (void)snprintf(head, sizeof(head),
                   "{\"dropped\":%lld,\"schema\":\"" SPOOL_SCHEMA
                   "\",\"sequence\":%lld,\"spool\":\"%s\"}\n",
                   (long long)(before.dropped + count_dropped(folder, &list, drop)),
                   (long long)next + put_away, before.spool);
    rc = full ? write_head(folder, head, &made, err)
              : tn_fail(err, TN_E_NOMEM, "begin a file of the spool");
    if (rc < 0)
        return rc;
    undo = made;
    if (put_away && rename(path, full) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", path, full);
    if (rename(made, path) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", made, path);
    undo = NULL;
    for (size_t i = 0; i < drop; i++) {
        tn_auto(tn_str_free) char *gone = segment_path(folder, list.number[i]);

        if (gone)
            (void)unlink(gone);
    }
    return TN_OK;
}

static bool wait_briefly(const struct tn_lock_holder *holder, tn_nsec waited, void *user)
{
    (void)holder;
    (void)user;
    return waited < patience;
}

/* The first process that finds no current file begins one. */
static int make_current(const struct tn_store *store, const char *folder, const char *path,
                        struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    int rc = tn_lock_take(store, "spool", wait_briefly, NULL, &lock, NULL, err);

    if (rc < 0 || access(path, F_OK) == 0)
        return rc;
    return begin_current(folder, path, false, err);
}

/* Puts a full file away, unless another process has done so. */
static int put_away(const struct tn_store *store, const char *folder, const char *path, int fd,
                    tn_wait_fn wait, struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    struct stat ours, named;
    int rc = tn_lock_take(store, "spool", wait, NULL, &lock, NULL, err);

    if (rc < 0 || fstat(fd, &ours) < 0 || stat(path, &named) < 0 || ours.st_ino != named.st_ino)
        return rc;
    return begin_current(folder, path, true, err);
}

/* ---- writing ---- */

enum { OPEN_TRIES = 8, OPEN_FLAGS = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW };

/* @return 1, 0 (not there, or full: it was seen to, try again), or an error */
static int try_open(const struct tn_store *store, const char *folder, const char *path, int *ret_fd,
                    int64_t *ret_size, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, OPEN_FLAGS);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return make_current(store, folder, path, err);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", path);
    if (fstat(fd, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    if (st.st_size > FULL_MAX) /* whoever puts it away is slower than those that write */
        return put_away(store, folder, path, fd, wait_briefly, err);
    *ret_fd = fd;
    *ret_size = st.st_size;
    fd = -1;
    return 1;
}

static int open_current(const struct tn_store *store, const char *folder, const char *path,
                        int *ret_fd, int64_t *ret_size, struct tn_error *err)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < OPEN_TRIES; i++)
        rc = try_open(store, folder, path, ret_fd, ret_size, err);
    if (rc == 0)
        return tn_fail(err, TN_E_AGAIN, "'%s' is put away at once, again and again", path);
    return rc < 0 ? rc : TN_OK;
}

/* Whether the file ends within a line: its writer died or had no space. Or it is still at it, for
 * the size grows page by page: that costs an empty line. */
static bool ends_torn(int fd, int64_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int line_of(const struct tn_outcome *outcome, struct tn_buf *line, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_outcome_to_json(outcome);
    tn_auto(tn_str_free) char *text = json ? tn_json_text(json) : NULL;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "an outcome for the spool");
    tn_buf_addf(line, "%s\n", text);
    return tn_buf_check(line, "outcome", err);
}

int tn_spool_add(const struct tn_store *store, const struct tn_outcome *outcome,
                 struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(TN_SPOOL_LINE_MAX + 2);
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    int64_t size = 0;
    int rc = spool_folder(store, &folder, err);

    if (rc < 0)
        return rc;
    path = tn_path_join(folder, CURRENT);
    rc = path ? open_current(store, folder, path, &fd, &size, err)
              : tn_fail(err, TN_E_NOMEM, "an outcome for the spool");
    if (rc < 0)
        return rc;
    if (ends_torn(fd, size))
        tn_buf_adds(&line, "\n");
    rc = line_of(outcome, &line, err);
    if (rc == TN_OK)
        rc = tn_file_write_all(fd, line.data, line.size, err); /* one write() unless cut short */
    if (rc == TN_OK && size + (int64_t)line.size >= TN_SPOOL_SEGMENT_BYTES)
        (void)put_away(store, folder, path, fd, NULL, NULL); /* else the next writer does */
    return rc;
}

/* ---- reading ---- */

/* The current file is opened first: when it is put away meanwhile, its number is known and it is
 * not read twice. */
static int read_all(const char *folder, struct reading *reading, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_path_join(folder, CURRENT);
    tn_auto(tn_fd_done) int fd = -1;
    struct reading current = { .each = NULL };
    struct segments list;
    int rc = path ? tn_file_open(path, &fd, NULL, err) : tn_fail(err, TN_E_NOMEM, "read the spool");

    if (rc == TN_E_NOTFOUND)
        rc = TN_OK;
    else if (rc == TN_OK)
        rc = read_lines(fd, &current, err);
    list = list_segments(folder);
    for (size_t i = 0; rc == TN_OK && i < list.count && !reading->stopped; i++)
        if (current.head.sequence <= 0 || list.number[i] < current.head.sequence)
            rc = read_segment(folder, list.number[i], reading, err);
    if (rc == TN_OK && fd >= 0 && !reading->stopped)
        rc = read_lines(fd, reading, err);
    if (rc == TN_OK && err)
        *err = (struct tn_error) { 0 };
    return rc;
}

int tn_spool_each(const struct tn_store *store, tn_outcome_fn each, void *user,
                  int64_t *ret_dropped, struct tn_error *err)
{
    struct reading reading = { .each = each, .user = user };
    tn_auto(tn_str_free) char *folder = NULL;
    char below[128];
    int rc;

    (void)snprintf(below, sizeof(below), "hosts/%s/spool", tn_store_host(store));
    rc = tn_store_trusts_folder(store, 0, below, err);
    if (rc == TN_OK) {
        folder = tn_store_path(store, 0, "%s", below);
        rc = folder ? read_all(folder, &reading, err) : tn_fail(err, TN_E_NOMEM, "read the spool");
    } else if (rc == TN_E_NOTFOUND) {
        rc = TN_OK;
        if (err)
            *err = (struct tn_error) { 0 };
    }
    if (rc == TN_OK && ret_dropped)
        *ret_dropped = reading.head.dropped;
    return rc;
}
