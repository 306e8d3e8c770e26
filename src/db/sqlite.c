#include "db/sqlite.h"

#include <errno.h>

enum { BUSY_MS = 5000, WAL_KEPT_BYTES = 64 << 20 };

static int our_code(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return TN_E_NOMEM;
    case SQLITE_FULL:
        return TN_E_NOSPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        return TN_E_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TN_E_AGAIN;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return TN_E_ACCESS;
    default:
        return TN_E_IO;
    }
}

int tn_sqlite_fail(sqlite3 *sqlite, int code, struct tn_error *err, const char *tried)
{
    int ours = our_code(code);
    int os = sqlite ? sqlite3_system_errno(sqlite) : 0;

    if (ours == TN_E_IO && os != 0) {
        errno = os;
        return tn_fail_os(err, TN_E_IO, "database: %.80s: %s", tried, sqlite3_errstr(code));
    }
    return tn_fail(err, ours, "database: %.80s: %s", tried,
                   sqlite ? sqlite3_errmsg(sqlite) : sqlite3_errstr(code));
}

int tn_sqlite_run(sqlite3 *sqlite, const char *sql, struct tn_error *err)
{
    int code = sqlite3_exec(sqlite, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? TN_OK : tn_sqlite_fail(sqlite, code, err, sql);
}

void tn_statement_done(sqlite3_stmt **statement)
{
    (void)sqlite3_finalize(*statement);
    *statement = NULL;
}

void tn_sqlite_done(sqlite3 **sqlite)
{
    (void)sqlite3_close(*sqlite);
    *sqlite = NULL;
}

int tn_sqlite_number(sqlite3 *sqlite, const char *sql, int64_t *ret_value, struct tn_error *err)
{
    tn_auto(tn_statement_done) sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return tn_sqlite_fail(sqlite, code, err, sql);
    *ret_value = sqlite3_column_int64(statement, 0);
    return TN_OK;
}

int tn_sqlite_open(const char *path, int flags, sqlite3 **ret_sqlite, struct tn_error *err)
{
    tn_auto(tn_sqlite_done) sqlite3 *sqlite = NULL;
    char pragma[80];
    int code = sqlite3_open_v2(path, &sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    int rc;

    if (code != SQLITE_OK) {
        rc = tn_sqlite_fail(sqlite, code, err, "open");
        return tn_while(err, rc, "'%s'", path);
    }
    (void)sqlite3_extended_result_codes(sqlite, 1);
    (void)sqlite3_busy_timeout(sqlite, BUSY_MS);
    /* a file that somebody prepared runs no SQL of his: no triggers, views or functions in it */
    (void)sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_snprintf((int)sizeof(pragma), pragma, "PRAGMA journal_size_limit=%d",
                           (int)WAL_KEPT_BYTES);
    rc = tn_sqlite_run(sqlite, pragma, err);
    if (rc < 0)
        return tn_while(err, rc, "'%s'", path);
    *ret_sqlite = sqlite;
    sqlite = NULL;
    return TN_OK;
}
