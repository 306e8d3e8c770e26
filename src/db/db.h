/*
 * The fleet's durable rows, behind one interface that owns the row structs. Today SQLite; no SQL
 * stands anywhere else.
 *
 * Rows that decide something are read once, at start; after that the fleet lives in memory and only
 * writes here. What has ended is read when somebody asks for it. Writes
 * go into one open transaction; tn_db_commit() makes all of them durable at once (group commit: the
 * server calls it once per wake-up of its loop, and answers nobody before it). Every value is
 * bound, never part of SQL text.
 *
 * A `struct tn_db` belongs to one thread; the checkpoint thread inside is its own business. Text in
 * rows is UTF-8 without NUL; a NULL pointer is stored as NULL and read as NULL. Times are wall time
 * in ms since 1970. Text of a row that tn_db_each() hands out lives for that call.
 */
#ifndef TN_DB_DB_H
#define TN_DB_DB_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct tn_db;

/** A device that was registered. Key: id. */
struct tn_row_device {
    const char *id;            /* controller id */
    const char *token_hash;    /* 64 hex of the SHA-256 of its own token; NULL = none */
    const char *attributes;    /* JSON object of strings: the device's own */
    const char *labels;        /* JSON object of strings: the operator's */
    const char *registered_by; /* "gateway", "operator", "token" */
    int64_t created_ms, seen_ms, attributes_ms; /* 0 = never */
    int64_t told_action;  /* the newest of its actions that had ended when it gave its attributes */
    int64_t poll_seconds; /* its own; 0 = the server's */
    const char *declared_model, *declared_version; /* what it says it runs; NULL = nothing */
    int64_t auto_confirm_ms; /* since when it confirms all that it is given; 0 = it does not */
};

/** What an operator publishes. Key: model, version. Immutable but for `removed_ms` and further
 * signatures. */
struct tn_row_release {
    const char *model, *version;
    const char *manifest; /* JSON: variants (precision, digest, bytes, name), spec */
    int64_t created_ms;
    const char *created_by;
    int64_t removed_ms;     /* 0 = there; the row stays, since actions name it */
    const char *signatures; /* JSON list of {keyid, sig} over the manifest; NULL = none */
};

/** An engine of a release. Key: model, version, digest. */
struct tn_row_engine {
    const char *model, *version;
    const char *digest; /* 64 hex of the plan */
    const char *record; /* the engine's record, JSON */
    int64_t bytes;
    int64_t added_ms;
    int64_t revoked_ms; /* 0 = in force */
    const char *revoked_why;
    const char *signatures; /* JSON list of {keyid, sig} over the record; NULL = none */
};

/** A foreign client's container of an engine. Key: digest (of the engine), kind. */
struct tn_row_attachment {
    const char *digest; /* of the engine */
    const char *kind;   /* "swupdate", "rauc" */
    const char *file;   /* 64 hex of its content */
    const char *name;   /* file name */
    int64_t bytes;
};

/** Key: model, name. */
struct tn_row_channel {
    const char *model, *name, *version;
    int64_t changed_ms;
};

/** Key: id. */
struct tn_row_deployment {
    int64_t id;
    const char *model;
    const char *channel; /* NULL: `version` is fixed */
    const char *version; /* NULL: the channel's */
    const char *filter;  /* --to */
    int64_t first;       /* 0 = all */
    int64_t accept_may_load;
    const char *state; /* "running", "paused", "stopped" */
    const char *why;   /* of the pause */
    int64_t created_ms;
    const char *created_by;
    int64_t brake_from; /* the first action after it was resumed has this id, or a higher one */
    const char *type;   /* "forced", "soft", "download-only"; NULL = forced */
    int64_t counted;    /* 0: an older program's row, whose actions are still to be counted */
    int64_t assigned, finished, failed, canceled, withdrawn; /* its actions, by how they ended */
    int64_t braked_finished, braked_failed;                  /* those that count for its brake */
    int64_t confirm;                                         /* 1: devices are asked before */
};

/** What one device is to do. Key: id. All but state, detail, history and changed_ms never change.
 */
struct tn_row_action {
    int64_t id; /* 1 … 2^31-1 */
    const char *device;
    int64_t deployment; /* 0 = none: the device declared that it runs the engine */
    const char *model, *version, *digest;
    const char *state;   /* "wait_for_confirmation", "pending", "retrieved", "running", "canceling",
                            "finished", "downloaded", "error", "canceled", "withdrawn" */
    const char *detail;  /* the telling line of the last status */
    const char *history; /* JSON array of {time_ms, execution, finished, code, details}, capped */
    int64_t created_ms, changed_ms;
    int64_t settled; /* 1: it has ended and decides nothing any more; tn_db_settle() */
};

/** One device's word about one engine. Key: digest, device. */
struct tn_row_evidence {
    const char *digest, *device;
    const char *class_key; /* device class and runtime */
    const char *result;    /* "ok", "failed" */
    const char *reason;    /* class of the telling line */
    int64_t lasting;
    int64_t time_ms;
};

/** An operator's word that overrules evidence. Key: digest, class_key. */
struct tn_row_override {
    const char *digest, *class_key;
    const char *verdict; /* "allow", "stop" */
    const char *by;
    int64_t time_ms;
};

/** A token of the REST interface, or the gateway token of the devices. Key: id. */
struct tn_row_token {
    const char *id;   /* short, shown in lists */
    const char *hash; /* 64 hex */
    const char *role; /* "admin", "publisher", "viewer", "gateway" */
    const char *name;
    int64_t created_ms, revoked_ms;
};

/** What somebody did. Key: seq, given by tn_db_put() when 0. Never changed. */
struct tn_row_audit {
    int64_t seq, time_ms;
    const char *who, *what, *detail; /* detail: JSON object */
};

/** An engine whose file is kept whatever refers to it. Key: digest. */
struct tn_row_pin {
    const char *digest, *by;
    int64_t time_ms;
};

/** A value of the server itself. Key: name. */
struct tn_row_setting {
    const char *name, *value;
};

/** How far the outcomes of one spool of a device were counted. Key: device, spool. */
struct tn_row_spool {
    const char *device, *spool; /* spool "": the feedbacks of its actions */
    int64_t position, heard_ms;
    const char *last; /* JSON: the load that it told of last */
};

/** Loads that were counted under one set of labels. Key: labels. */
struct tn_row_load {
    const char *labels; /* as metrics print them */
    int64_t ok, failed, trouble;
    const char *times; /* JSON: histograms by `cold` */
};

enum tn_table {
    TN_TABLE_DEVICE,
    TN_TABLE_RELEASE,
    TN_TABLE_ENGINE,
    TN_TABLE_ATTACHMENT,
    TN_TABLE_CHANNEL,
    TN_TABLE_DEPLOYMENT,
    TN_TABLE_ACTION,
    TN_TABLE_EVIDENCE,
    TN_TABLE_OVERRIDE,
    TN_TABLE_TOKEN,
    TN_TABLE_AUDIT,
    TN_TABLE_SETTING,
    TN_TABLE_PIN,
    TN_TABLE_SPOOL,
    TN_TABLE_LOAD,
    TN_TABLE_COUNT
};

/**
 * Opens or makes the database file, brings an older schema up to date in one transaction, and
 * checks its integrity.
 * @param path "DATA/tenond.db"; only one process may have it open for writing
 * @return 0; TN_E_CORRUPT; TN_E_AGAIN (another server has it); TN_E_UNSUPPORTED (a newer schema);
 *         TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM
 */
int tn_db_open(const char *path, struct tn_db **ret_db, struct tn_error *err);
/** Commits nothing: what was not committed is gone. NULL is fine. */
void tn_db_close(struct tn_db *db);

/** Called with each row, in key order. @return false to stop */
typedef bool (*tn_row_fn)(const void *row, void *user);
int tn_db_each(struct tn_db *db, enum tn_table table, tn_row_fn each, void *user,
               struct tn_error *err);

/**
 * Rows of a table whose key is a number (deployment, action, audit), newest first, from the one
 * before `before` (0 = from the newest).
 */
int tn_db_newest(struct tn_db *db, enum tn_table table, int64_t before, tn_row_fn each, void *user,
                 struct tn_error *err);

/** Questions that an index answers; what a question does not take is not looked at. */
enum tn_query {
    TN_QUERY_ACTION,            /* by `number`, its id */
    TN_QUERY_ACTIONS_UNSETTLED, /* all, by id */
    TN_QUERY_ACTIONS_FAILED,    /* before id `number`, newest first */
    TN_QUERY_ACTIONS_OF_DEVICE, /* the settled ones of `text` before id `number`, newest first */
    TN_QUERY_ACTIONS_SETTLED,   /* after id `number`, oldest first */
    TN_QUERY_AUDIT,             /* after seq `number`, oldest first */
    TN_QUERY_COUNT
};
struct tn_question {
    enum tn_query query;
    const char *text;
    int64_t number;
};
/** The callback may read and change the table, but not rows that are still to come. */
int tn_db_find(struct tn_db *db, const struct tn_question *question, tn_row_fn each, void *user,
               struct tn_error *err);

/** Marks an action as settled; a write as tn_db_put(). */
int tn_db_settle(struct tn_db *db, int64_t action, struct tn_error *err);

/** Inserts or replaces a row (of the struct that belongs to `table`; what never changes of it stays
 * as it is) in the open transaction, which
 * begins with the first write. A failure may have undone the transaction (a full disk): until
 * tn_db_rollback() every write and the commit then fail with the same code.
 * @return 0, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM */
int tn_db_put(struct tn_db *db, enum tn_table table, const void *row, struct tn_error *err);

/** Removes the row with the key members of `row`; none there is fine. */
int tn_db_delete(struct tn_db *db, enum tn_table table, const void *row, struct tn_error *err);

/** Whether something waits for tn_db_commit(). */
bool tn_db_dirty(const struct tn_db *db);

/** Makes everything since the last commit durable. On failure all of it is rolled back: the caller
 * must then load anew (the fleet in memory is ahead of the disk). */
int tn_db_commit(struct tn_db *db, struct tn_error *err);

/** Forgets everything since the last commit. */
void tn_db_rollback(struct tn_db *db);

/**
 * A whole copy of what is committed in the database `from`, whether this process, another one or
 * nobody has it open: one file that opens as a database of its own, made under a temporary name,
 * checked, fsynced, renamed. Writers go on meanwhile. Blocks as long as the copy takes; any thread.
 * @return 0, TN_E_CORRUPT, TN_E_AGAIN, TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM
 */
int tn_db_backup(const char *from, const char *path, struct tn_error *err);

/** Keeps servers away from the database `path`, which need not exist yet, until `*ret_fd` is
 * closed. @return 0, TN_E_AGAIN (a server has it), TN_E_IO, TN_E_NOMEM */
int tn_db_lock(const char *path, int *ret_fd, struct tn_error *err);

/** Figures for metrics. */
struct tn_db_figures {
    int64_t commits, rows, wal_bytes, file_bytes;
    int64_t checkpoints, checkpoint_restarts, checkpoint_failures;
    double commit_seconds; /* sum */
};
void tn_db_figures(const struct tn_db *db, struct tn_db_figures *ret_figures);

#endif
