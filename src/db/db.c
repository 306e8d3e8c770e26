#include "db/db.h"

#include "base/clock.h"
#include "base/file.h"
#include "db/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SQL_MAX = 4096 };

struct statements {
    sqlite3_stmt *select, *put, *delete;
};

struct tn_db {
    char *path, *wal_path;
    int lock_fd; /* of PATH.lock, flocked: one server per database */
    sqlite3 *sqlite;
    struct statements of[TN_TABLE_COUNT];
    sqlite3_stmt *begin, *commit, *rollback;
    struct tn_checkpointer *checkpointer;
    bool dirty; /* a transaction is open */
    int lost;   /* why SQLite itself rolled it back (a full disk, no memory), or 0 */
    struct tn_db_figures figures;
};

/* ---- opening ---- */

/* A lock file beside it: closing any descriptor of the database itself would drop SQLite's locks.
 * It is never removed, or two processes could each lock their own. */
static int take_lock(const char *path, int *ret_fd, struct tn_error *err)
{
    tn_auto(tn_str_free) char *lock = NULL;
    tn_auto(tn_fd_done) int fd = -1;

    if (asprintf(&lock, "%s.lock", path) < 0) {
        lock = NULL;
        return tn_fail(err, TN_E_NOMEM, "open '%s'", path);
    }
    fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", lock);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return tn_fail(err, TN_E_AGAIN, "another tenond has it open");
        return tn_fail_os(err, TN_E_IO, "lock '%s'", lock);
    }
    *ret_fd = fd;
    fd = -1;
    return TN_OK;
}

/* Only its owner may read it: token hashes are in there. SQLite gives the mode on to its log. */
static int make_file(const char *path, struct tn_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", path);
    (void)close(fd);
    return TN_OK;
}

static int set_up(sqlite3 *sqlite, struct tn_error *err)
{
    int rc = tn_sqlite_run(sqlite, "PRAGMA journal_mode=WAL", err);

    if (rc == TN_OK)
        rc = tn_sqlite_run(sqlite, "PRAGMA synchronous=FULL", err);
    return rc < 0 ? rc : tn_sqlite_run(sqlite, "PRAGMA wal_autocheckpoint=0", err);
}

static int check_integrity(sqlite3 *sqlite, struct tn_error *err)
{
    static const char sql[] = "PRAGMA quick_check(1)";
    tn_auto(tn_statement_done) sqlite3_stmt *statement = NULL;
    const char *answer;
    int code = sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return tn_sqlite_fail(sqlite, code, err, sql);
    answer = (const char *)sqlite3_column_text(statement, 0);
    if (!answer || strcmp(answer, "ok") != 0)
        return tn_fail(err, TN_E_CORRUPT, "database: integrity check: %.200s",
                       answer ? answer : "no answer");
    return TN_OK;
}

static int prepare(sqlite3 *sqlite, const char *sql, sqlite3_stmt **ret_statement,
                   struct tn_error *err)
{
    int code = sqlite3_prepare_v3(sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL);

    return code == SQLITE_OK ? TN_OK : tn_sqlite_fail(sqlite, code, err, sql);
}

static int prepare_made(sqlite3 *sqlite, const struct tn_table_desc *table,
                        void (*make)(const struct tn_table_desc *table, struct tn_buf *sql),
                        sqlite3_stmt **ret_statement, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf sql = TN_BUF(SQL_MAX);
    int rc;

    make(table, &sql);
    rc = tn_buf_check(&sql, "SQL", err);
    return rc < 0 ? rc : prepare(sqlite, tn_buf_text(&sql), ret_statement, err);
}

static int prepare_all(struct tn_db *db, struct tn_error *err)
{
    int rc = prepare(db->sqlite, "BEGIN IMMEDIATE", &db->begin, err);

    if (rc == TN_OK)
        rc = prepare(db->sqlite, "COMMIT", &db->commit, err);
    if (rc == TN_OK)
        rc = prepare(db->sqlite, "ROLLBACK", &db->rollback, err);
    for (int i = 0; rc == TN_OK && i < TN_TABLE_COUNT; i++) {
        const struct tn_table_desc *table = &tn_db_tables[i];
        struct statements *of = &db->of[i];

        rc = prepare_made(db->sqlite, table, tn_table_select_sql, &of->select, err);
        if (rc == TN_OK)
            rc = prepare_made(db->sqlite, table, tn_table_put_sql, &of->put, err);
        if (rc == TN_OK)
            rc = prepare_made(db->sqlite, table, tn_table_delete_sql, &of->delete, err);
    }
    return rc;
}

static int open_inside(struct tn_db *db, struct tn_error *err)
{
    int rc = take_lock(db->path, &db->lock_fd, err);

    if (rc == TN_OK)
        rc = make_file(db->path, err);
    if (rc == TN_OK)
        rc = tn_sqlite_open(db->path, SQLITE_OPEN_READWRITE, &db->sqlite, err);
    if (rc == TN_OK)
        rc = set_up(db->sqlite, err);
    if (rc == TN_OK)
        rc = check_integrity(db->sqlite, err);
    if (rc == TN_OK)
        rc = tn_schema_update(db->sqlite, tn_db_tables, TN_TABLE_COUNT, TN_DB_SCHEMA, err);
    if (rc == TN_OK)
        rc = prepare_all(db, err);
    return rc < 0 ? rc : tn_checkpointer_start(db->path, &db->checkpointer, err);
}

int tn_db_open(const char *path, struct tn_db **ret_db, struct tn_error *err)
{
    struct tn_db *db = calloc(1, sizeof(*db));
    int rc;

    if (!db)
        return tn_fail(err, TN_E_NOMEM, "open '%s'", path);
    db->lock_fd = -1;
    db->path = strdup(path);
    if (asprintf(&db->wal_path, "%s-wal", path) < 0)
        db->wal_path = NULL;
    rc = db->path && db->wal_path ? open_inside(db, err)
                                  : tn_fail(err, TN_E_NOMEM, "open '%s'", path);
    if (rc < 0) {
        tn_db_close(db);
        return tn_while(err, rc, "'%s'", path);
    }
    *ret_db = db;
    return TN_OK;
}

void tn_db_close(struct tn_db *db)
{
    if (!db)
        return;
    tn_db_rollback(db);
    tn_checkpointer_stop(db->checkpointer);
    for (int i = 0; i < TN_TABLE_COUNT; i++) {
        tn_statement_done(&db->of[i].select);
        tn_statement_done(&db->of[i].put);
        tn_statement_done(&db->of[i].delete);
    }
    tn_statement_done(&db->begin);
    tn_statement_done(&db->commit);
    tn_statement_done(&db->rollback);
    tn_sqlite_done(&db->sqlite);
    tn_fd_done(&db->lock_fd);
    free(db->path);
    free(db->wal_path);
    free(db);
}

/* ---- rows ---- */

union row_space {
    max_align_t aligned;
    unsigned char bytes[TN_TABLE_ROW_MAX];
};

static void read_row(sqlite3_stmt *statement, const struct tn_table_desc *table,
                     union row_space *ret_row)
{
    int at = 0;

    *ret_row = (union row_space) { 0 };
    for (const struct tn_column *column = table->column; column->name; column++, at++) {
        void *member = ret_row->bytes + column->offset;

        if (column->kind == TN_COLUMN_INTEGER)
            *(int64_t *)member = sqlite3_column_int64(statement, at);
        else
            *(const char **)member = (const char *)sqlite3_column_text(statement, at);
    }
}

static int read_rows(sqlite3 *sqlite, sqlite3_stmt *statement, const struct tn_table_desc *table,
                     tn_row_fn each, void *user, struct tn_error *err)
{
    union row_space row;
    int code;

    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        read_row(statement, table, &row);
        if (!each(row.bytes, user))
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return tn_sqlite_fail(sqlite, code, err, table->name);
    return TN_OK;
}

int tn_db_each(struct tn_db *db, enum tn_table table, tn_row_fn each, void *user,
               struct tn_error *err)
{
    sqlite3_stmt *statement = db->of[table].select;
    int rc;

    /* one statement per table: a callback must not read the table that it is called from */
    assert(!sqlite3_stmt_busy(statement));
    rc = read_rows(db->sqlite, statement, &tn_db_tables[table], each, user, err);
    (void)sqlite3_reset(statement);
    return rc;
}

int tn_db_newest(struct tn_db *db, enum tn_table table, int64_t before, tn_row_fn each, void *user,
                 struct tn_error *err)
{
    tn_auto(tn_statement_done) sqlite3_stmt *statement = NULL;
    int rc;

    assert(tn_db_tables[table].serial);
    rc = prepare_made(db->sqlite, &tn_db_tables[table], tn_table_newest_sql, &statement, err);
    if (rc < 0)
        return rc;
    (void)sqlite3_bind_int64(statement, 1, before > 0 ? before : INT64_MAX);
    return read_rows(db->sqlite, statement, &tn_db_tables[table], each, user, err);
}

static int bind_value(sqlite3_stmt *statement, int at, const struct tn_table_desc *table,
                      const struct tn_column *column, const void *row)
{
    const void *member = (const unsigned char *)row + column->offset;

    if (column->kind == TN_COLUMN_TEXT)
        return sqlite3_bind_text(statement, at, *(const char *const *)member, -1, SQLITE_STATIC);
    if (table->serial && column->key && *(const int64_t *)member == 0)
        return sqlite3_bind_null(statement, at); /* SQLite gives the next number */
    return sqlite3_bind_int64(statement, at, *(const int64_t *)member);
}

static int bind_row(sqlite3_stmt *statement, const struct tn_table_desc *table, bool keys_only,
                    const void *row)
{
    int at = 0;
    int code = SQLITE_OK;

    for (const struct tn_column *column = table->column; code == SQLITE_OK && column->name;
         column++)
        if (column->key || !keys_only)
            code = bind_value(statement, ++at, table, column, row);
    return code;
}

/* A row that is written after SQLite has rolled back would be committed alone. */
static int check_not_lost(const struct tn_db *db, struct tn_error *err)
{
    if (db->lost == TN_OK)
        return TN_OK;
    return tn_fail(err, db->lost, "database: a failure before has undone the transaction");
}

static int begin(struct tn_db *db, struct tn_error *err)
{
    int code;

    if (db->dirty)
        return check_not_lost(db, err);
    tn_checkpointer_writer_enter(db->checkpointer);
    code = sqlite3_step(db->begin);
    (void)sqlite3_reset(db->begin);
    if (code != SQLITE_DONE) {
        tn_checkpointer_writer_leave(db->checkpointer, false);
        return tn_sqlite_fail(db->sqlite, code, err, "BEGIN");
    }
    db->dirty = true;
    return TN_OK;
}

/* A row that fails undoes only itself, and the transaction stays as it was; or SQLite undoes all of
 * it, and it can only be rolled back. */
static int write_row(struct tn_db *db, sqlite3_stmt *statement, enum tn_table table, bool keys_only,
                     const void *row, struct tn_error *err)
{
    int rc = begin(db, err);
    int code;

    if (rc < 0)
        return rc;
    code = bind_row(statement, &tn_db_tables[table], keys_only, row);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        rc = tn_sqlite_fail(db->sqlite, code, err, tn_db_tables[table].name);
    (void)sqlite3_reset(statement);
    if (rc < 0 && sqlite3_get_autocommit(db->sqlite))
        db->lost = rc;
    (void)sqlite3_clear_bindings(statement); /* the row's texts are the caller's */
    db->figures.rows += rc == TN_OK;
    return rc;
}

int tn_db_put(struct tn_db *db, enum tn_table table, const void *row, struct tn_error *err)
{
    return write_row(db, db->of[table].put, table, false, row, err);
}

int tn_db_delete(struct tn_db *db, enum tn_table table, const void *row, struct tn_error *err)
{
    return write_row(db, db->of[table].delete, table, true, row, err);
}

/* ---- transactions ---- */

bool tn_db_dirty(const struct tn_db *db)
{
    return db->dirty;
}

static void end_transaction(struct tn_db *db, bool committed)
{
    db->dirty = false;
    db->lost = TN_OK;
    tn_checkpointer_writer_leave(db->checkpointer, committed);
}

void tn_db_rollback(struct tn_db *db)
{
    if (!db->dirty)
        return;
    /* some failures (a full disk) have rolled back already */
    if (!sqlite3_get_autocommit(db->sqlite)) {
        (void)sqlite3_step(db->rollback);
        (void)sqlite3_reset(db->rollback);
    }
    end_transaction(db, false);
}

int tn_db_commit(struct tn_db *db, struct tn_error *err)
{
    tn_nsec start = tn_clock_monotonic();
    int code;
    int rc;

    if (!db->dirty)
        return TN_OK;
    rc = check_not_lost(db, err);
    if (rc < 0) {
        tn_db_rollback(db);
        return rc;
    }
    code = sqlite3_step(db->commit);
    if (code != SQLITE_DONE) {
        rc = tn_sqlite_fail(db->sqlite, code, err, "COMMIT");
        (void)sqlite3_reset(db->commit);
        tn_db_rollback(db);
        return rc;
    }
    (void)sqlite3_reset(db->commit);
    end_transaction(db, true);
    db->figures.commits++;
    db->figures.commit_seconds += (double)(tn_clock_monotonic() - start) / (double)TN_NSEC_PER_S;
    return TN_OK;
}

/* ---- backup ---- */

static int copy_pages(const char *from, const char *to, struct tn_error *err)
{
    tn_auto(tn_sqlite_done) sqlite3 *source = NULL;
    tn_auto(tn_sqlite_done) sqlite3 *target = NULL;
    sqlite3_backup *backup;
    int code;
    int rc = tn_sqlite_open(from, SQLITE_OPEN_READWRITE, &source, err);

    if (rc == TN_OK)
        rc = tn_sqlite_open(to, SQLITE_OPEN_READWRITE, &target, err);
    if (rc < 0)
        return rc;
    backup = sqlite3_backup_init(target, "main", source, "main");
    if (!backup)
        return tn_sqlite_fail(target, sqlite3_errcode(target), err, "backup");
    code = sqlite3_backup_step(backup, -1); /* one snapshot; writers go on into the log */
    (void)sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE)
        return tn_sqlite_fail(target, code, err, "backup");
    /* one file that stands alone, without a log beside it */
    return tn_sqlite_run(target, "PRAGMA journal_mode=DELETE", err);
}

static int sync_file(const char *path, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", path);
    return TN_OK;
}

static int sync_folder_of(const char *path, struct tn_error *err)
{
    tn_auto(tn_str_free) char *folder = strdup(path);
    char *slash;

    if (!folder)
        return tn_fail(err, TN_E_NOMEM, "backup '%s'", path);
    slash = strrchr(folder, '/');
    if (!slash)
        return tn_dir_sync(".", err);
    slash[slash == folder] = '\0';
    return tn_dir_sync(folder, err);
}

int tn_db_backup(struct tn_db *db, const char *path, struct tn_error *err)
{
    tn_auto(tn_str_free) char *temporary = NULL;
    tn_auto(tn_unlink_done) const char *undo = NULL;
    int fd;
    int rc;

    if (asprintf(&temporary, "%s.tmp-XXXXXX", path) < 0) {
        temporary = NULL;
        return tn_fail(err, TN_E_NOMEM, "backup '%s'", path);
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", temporary);
    (void)close(fd);
    undo = temporary;
    rc = copy_pages(db->path, temporary, err);
    if (rc == TN_OK)
        rc = sync_file(temporary, err);
    if (rc < 0)
        return tn_while(err, rc, "backup '%s'", path);
    if (rename(temporary, path) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", temporary, path);
    undo = NULL;
    return sync_folder_of(path, err);
}

/* ---- figures ---- */

static int64_t file_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

void tn_db_figures(const struct tn_db *db, struct tn_db_figures *ret_figures)
{
    struct tn_checkpoint_figures checkpoint = tn_checkpointer_figures(db->checkpointer);

    *ret_figures = db->figures;
    ret_figures->checkpoints = checkpoint.checkpoints;
    ret_figures->checkpoint_restarts = checkpoint.restarts;
    ret_figures->checkpoint_failures = checkpoint.failures;
    ret_figures->wal_bytes = file_bytes(db->wal_path);
    ret_figures->file_bytes = file_bytes(db->path);
}
