/*
 * What the parts of src/db share: SQLite's codes as ours, one statement run, the schema, and the
 * thread that moves the write-ahead log into the database file.
 */
#ifndef TN_DB_SQLITE_H
#define TN_DB_SQLITE_H

#include "db/tables.h"

#include <sqlite3.h>

/** TN_E_* of what the connection's last call gave (`code`), with its words. */
int tn_sqlite_fail(sqlite3 *sqlite, int code, struct tn_error *err, const char *tried);

/** Runs SQL without results. */
int tn_sqlite_run(sqlite3 *sqlite, const char *sql, struct tn_error *err);

/** The first column of the first row as a number. */
int tn_sqlite_number(sqlite3 *sqlite, const char *sql, int64_t *ret_value, struct tn_error *err);

void tn_sqlite_done(sqlite3 **sqlite);
void tn_statement_done(sqlite3_stmt **statement);

/** A connection for one thread at a time, with the pragmas that every one of ours has.
 * @param flags SQLITE_OPEN_READWRITE … */
int tn_sqlite_open(const char *path, int flags, sqlite3 **ret_sqlite, struct tn_error *err);

/**
 * Brings the schema of a file to `version` in one transaction: tables, columns and indexes with a
 * `since` above the file's version are added; the file's version is then `version`.
 * @return 0, TN_E_UNSUPPORTED (the file is newer than `version`), TN_E_CORRUPT, …
 */
int tn_schema_update(sqlite3 *sqlite, const struct tn_table_desc *tables, size_t count, int version,
                     struct tn_error *err);

/* ---- the checkpoint thread ---- */

struct tn_checkpointer;

/** Starts it, with a connection of its own to `path`. */
int tn_checkpointer_start(const char *path, struct tn_checkpointer **ret_checkpointer,
                          struct tn_error *err);
/** Ends and joins it. NULL is fine. */
void tn_checkpointer_stop(struct tn_checkpointer *checkpointer);

/** The writer holds this while it has a transaction open; waits while a checkpoint needs all
 * writers out, which happens only with a log above 64 MiB. */
void tn_checkpointer_writer_enter(struct tn_checkpointer *checkpointer);
/** @param committed something new is in the log */
void tn_checkpointer_writer_leave(struct tn_checkpointer *checkpointer, bool committed);

struct tn_checkpoint_figures {
    int64_t checkpoints, restarts, failures;
};
struct tn_checkpoint_figures tn_checkpointer_figures(struct tn_checkpointer *checkpointer);

#endif
