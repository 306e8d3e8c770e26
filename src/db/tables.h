/*
 * The tables as rows of C: which column is which member of which struct. The SQL text of a table is
 * made from its rows and from nothing else, so no value ever becomes part of it.
 */
#ifndef TN_DB_TABLES_H
#define TN_DB_TABLES_H

#include "base/buf.h"
#include "db/db.h"

#include <stddef.h>

enum tn_column_kind {
    TN_COLUMN_TEXT,    /* const char *, may be NULL unless a key */
    TN_COLUMN_INTEGER, /* int64_t */
};

struct tn_column {
    const char *name; /* also the member's name */
    size_t offset;
    enum tn_column_kind kind;
    bool key;
    int since;  /* schema version that brought it; 0 = came with its table */
    bool fixed; /* never changes once its row is there: a later put does not write it again */
};

enum {
    TN_TABLE_COLUMNS_MAX = 24,
    TN_TABLE_INDEXES_MAX = 4,
    TN_TABLE_ROW_MAX = 256 /* bytes of the largest row struct */
};

/** A partial index: it costs only the rows that it is for. */
struct tn_index {
    const char *name;
    int since;           /* schema version that brought it */
    const char *columns; /* "a", "b" */
    const char *where;
};

struct tn_table_desc {
    const char *name;
    int since;   /* schema version that brought the table */
    bool serial; /* its key is one integer, which SQLite gives where a row says 0 */
    struct tn_column column[TN_TABLE_COLUMNS_MAX]; /* ended by a NULL name */
    struct tn_index index[TN_TABLE_INDEXES_MAX];   /* the same */
};

/** What a question asks of which table. */
struct tn_query_desc {
    enum tn_table table;
    const char *index; /* to be used, whatever SQLite knows of the table; NULL = the key */
    const char *where; /* ?1 = number, ?2 = text */
};

/** By enum tn_query. */
extern const struct tn_query_desc tn_db_queries[TN_QUERY_COUNT];

/** The schema that this program writes (PRAGMA user_version). */
enum { TN_DB_SCHEMA = 6 };

/** By enum tn_table. */
extern const struct tn_table_desc tn_db_tables[TN_TABLE_COUNT];

/* SQL of one table, appended. */
void tn_table_create_sql(const struct tn_table_desc *table, struct tn_buf *sql);
void tn_table_add_column_sql(const struct tn_table_desc *table, const struct tn_column *column,
                             struct tn_buf *sql);
void tn_table_create_index_sql(const struct tn_table_desc *table, const struct tn_index *index,
                               struct tn_buf *sql);
/** Every column in the order of the rows, by key. */
void tn_table_select_sql(const struct tn_table_desc *table, struct tn_buf *sql);
/** Newest first, before a given key (?1); serial tables only. */
void tn_table_newest_sql(const struct tn_table_desc *table, struct tn_buf *sql);
void tn_table_query_sql(const struct tn_query_desc *query, struct tn_buf *sql);
/** One parameter per column, in order. */
void tn_table_put_sql(const struct tn_table_desc *table, struct tn_buf *sql);
/** One parameter per key column, in order. */
void tn_table_delete_sql(const struct tn_table_desc *table, struct tn_buf *sql);

#endif
