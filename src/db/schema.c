/* Older files are brought up to date from the rows of tables.c: what they lack is added. */
#include "db/sqlite.h"

enum { SQL_MAX = 4096 };

static int create_table(sqlite3 *sqlite, const struct tn_table_desc *table, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf sql = TN_BUF(SQL_MAX);
    int rc;

    tn_table_create_sql(table, &sql);
    rc = tn_buf_check(&sql, "SQL", err);
    return rc < 0 ? rc : tn_sqlite_run(sqlite, tn_buf_text(&sql), err);
}

static int add_columns(sqlite3 *sqlite, const struct tn_table_desc *table, int64_t have,
                       struct tn_error *err)
{
    int rc = TN_OK;

    for (const struct tn_column *column = table->column; rc == TN_OK && column->name; column++) {
        tn_auto(tn_buf_done) struct tn_buf sql = TN_BUF(SQL_MAX);

        if (column->since <= have)
            continue;
        tn_table_add_column_sql(table, column, &sql);
        rc = tn_buf_check(&sql, "SQL", err);
        if (rc == TN_OK)
            rc = tn_sqlite_run(sqlite, tn_buf_text(&sql), err);
    }
    return rc;
}

static int create_indexes(sqlite3 *sqlite, const struct tn_table_desc *table, int64_t have,
                          struct tn_error *err)
{
    int rc = TN_OK;

    for (const struct tn_index *index = table->index; rc == TN_OK && index->name; index++) {
        tn_auto(tn_buf_done) struct tn_buf sql = TN_BUF(SQL_MAX);

        if (index->since <= have)
            continue;
        tn_table_create_index_sql(table, index, &sql);
        rc = tn_buf_check(&sql, "SQL", err);
        if (rc == TN_OK)
            rc = tn_sqlite_run(sqlite, tn_buf_text(&sql), err);
    }
    return rc;
}

static int update_tables(sqlite3 *sqlite, const struct tn_table_desc *tables, size_t count,
                         int64_t have, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < count; i++) {
        rc = tables[i].since > have ? create_table(sqlite, &tables[i], err)
                                    : add_columns(sqlite, &tables[i], have, err);
        if (rc == TN_OK)
            rc = create_indexes(sqlite, &tables[i], have, err);
    }
    return rc;
}

int tn_schema_update(sqlite3 *sqlite, const struct tn_table_desc *tables, size_t count, int version,
                     struct tn_error *err)
{
    char pragma[48];
    int64_t have = 0;
    int rc = tn_sqlite_number(sqlite, "PRAGMA user_version", &have, err);

    if (rc < 0)
        return rc;
    if (have > version)
        return tn_fail(err, TN_E_UNSUPPORTED,
                       "database: its schema is version %lld, this program knows %d: start the "
                       "newer program, or restore a backup that the older one made",
                       (long long)have, version);
    if (have == version)
        return TN_OK;
    (void)sqlite3_snprintf((int)sizeof(pragma), pragma, "PRAGMA user_version=%d", version);
    rc = tn_sqlite_run(sqlite, "BEGIN IMMEDIATE", err);
    if (rc == TN_OK)
        rc = update_tables(sqlite, tables, count, have, err);
    if (rc == TN_OK)
        rc = tn_sqlite_run(sqlite, pragma, err);
    if (rc == TN_OK)
        rc = tn_sqlite_run(sqlite, "COMMIT", err);
    if (rc < 0) {
        (void)tn_sqlite_run(sqlite, "ROLLBACK", NULL);
        return tn_while(err, rc, "schema from version %lld to %d", (long long)have, version);
    }
    return TN_OK;
}
