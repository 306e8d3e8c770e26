/* The database: every table there and back, transactions, kills, other schemas, broken files. */
#include "tn_test.h"

#include "base/file.h"
#include "db/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char folder[64];
    char path[96];
    struct tn_db *db;
};

static struct tn_db *open_well(const struct place *place)
{
    struct tn_db *db = NULL;
    struct tn_error err = { 0 };

    if (tn_db_open(place->path, &db, &err) != TN_OK)
        fail_msg("open: %s", err.text);
    return db;
}

static struct place place_new(void)
{
    struct place place = { .folder = "/tmp/tenon-test-XXXXXX" };

    assert_non_null(mkdtemp(place.folder));
    (void)snprintf(place.path, sizeof(place.path), "%s/tenond.db", place.folder);
    place.db = open_well(&place);
    return place;
}

static void place_reopen(struct place *place)
{
    tn_db_close(place->db);
    place->db = open_well(place);
}

static void place_done(struct place *place)
{
    tn_db_close(place->db);
    assert_int_equal(tn_dir_remove(place->folder, NULL), TN_OK);
}

static void put_well(struct tn_db *db, enum tn_table table, const void *row)
{
    struct tn_error err = { 0 };

    if (tn_db_put(db, table, row, &err) != TN_OK)
        fail_msg("put: %s", err.text);
}

static void commit_well(struct tn_db *db)
{
    struct tn_error err = { 0 };

    if (tn_db_commit(db, &err) != TN_OK)
        fail_msg("commit: %s", err.text);
}

/* ---- rows without naming their members: the table says where they are ---- */

static const char awkward[] = "z\303\274rich '); DROP TABLE \"device\";-- \360\237\246\212\n%s";
static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, 4294967296, INT64_MAX };

union space {
    max_align_t aligned;
    unsigned char bytes[TN_TABLE_ROW_MAX];
};

/* Key number `n` of its table; other members vary with the variant: NULL, empty, awkward, numbers
 * at both ends. */
static void fill(enum tn_table table, int n, size_t variant, union space *ret_row)
{
    static char keys[3][TN_TABLE_COLUMNS_MAX][80];
    const struct tn_table_desc *desc = &tn_db_tables[table];

    *ret_row = (union space) { 0 };
    for (size_t i = 0; desc->column[i].name; i++) {
        const struct tn_column *column = &desc->column[i];
        void *member = ret_row->bytes + column->offset;

        if (column->kind == TN_COLUMN_INTEGER) {
            *(int64_t *)member =
                column->key || column->fixed ? n + 1 : numbers[(variant + i) % TN_COUNT(numbers)];
            continue;
        }
        (void)snprintf(keys[n][i], sizeof(keys[n][i]), "%d %s", n, awkward);
        *(const char **)member = column->key || column->fixed ? keys[n][i]
                                 : (variant + i) % 3 == 0     ? NULL
                                 : (variant + i) % 3 == 1     ? ""
                                                              : awkward;
    }
}

static bool equal(enum tn_table table, const void *a, const void *b)
{
    for (const struct tn_column *column = tn_db_tables[table].column; column->name; column++) {
        const void *of_a = (const unsigned char *)a + column->offset;
        const void *of_b = (const unsigned char *)b + column->offset;
        const char *text_a, *text_b;

        if (column->kind == TN_COLUMN_INTEGER) {
            if (*(const int64_t *)of_a != *(const int64_t *)of_b)
                return false;
            continue;
        }
        text_a = *(const char *const *)of_a;
        text_b = *(const char *const *)of_b;
        if (!text_a != !text_b || (text_a && strcmp(text_a, text_b) != 0))
            return false;
    }
    return true;
}

struct expected {
    enum tn_table table;
    union space row[3];
    int seen;
};

static bool compare(const void *row, void *user)
{
    struct expected *expected = user;

    assert_true(expected->seen < 3);
    assert_true(equal(expected->table, row, expected->row[expected->seen].bytes));
    expected->seen++;
    return true;
}

static bool count_row(const void *row, void *user)
{
    (void)row;
    ++*(int *)user;
    return true;
}

static int rows_in(struct tn_db *db, enum tn_table table)
{
    int count = 0;

    assert_int_equal(tn_db_each(db, table, count_row, &count, NULL), TN_OK);
    return count;
}

TEST(every_table__gives_back_nulls_text_of_any_kind_and_big_numbers_after_a_restart)
{
    struct place place = place_new();

    for (size_t variant = 0; variant < TN_COUNT(numbers); variant++)
        for (int table = 0; table < TN_TABLE_COUNT; table++) {
            struct expected expected = { .table = (enum tn_table)table };

            for (int n = 2; n >= 0; n--) {
                fill((enum tn_table)table, n, variant, &expected.row[n]);
                put_well(place.db, (enum tn_table)table, expected.row[n].bytes);
            }
            commit_well(place.db);
            place_reopen(&place);
            assert_int_equal(tn_db_each(place.db, (enum tn_table)table, compare, &expected, NULL),
                             TN_OK);
            assert_int_equal(expected.seen, 3);
        }
    place_done(&place);
}

TEST(every_table__replaces_a_row_of_the_same_key_and_deletes_by_key_alone)
{
    struct place place = place_new();

    for (int table = 0; table < TN_TABLE_COUNT; table++) {
        union space row, other;

        fill((enum tn_table)table, 0, 0, &row);
        fill((enum tn_table)table, 1, 0, &other);
        put_well(place.db, (enum tn_table)table, row.bytes);
        put_well(place.db, (enum tn_table)table, other.bytes);
        fill((enum tn_table)table, 0, 1, &row);
        put_well(place.db, (enum tn_table)table, row.bytes);
        assert_int_equal(rows_in(place.db, (enum tn_table)table), 2);
        fill((enum tn_table)table, 0, 2, &row);
        assert_int_equal(tn_db_delete(place.db, (enum tn_table)table, row.bytes, NULL), TN_OK);
        assert_int_equal(tn_db_delete(place.db, (enum tn_table)table, row.bytes, NULL), TN_OK);
        assert_int_equal(rows_in(place.db, (enum tn_table)table), 1);
    }
    place_done(&place);
}

/* ---- the audit log ---- */

struct seqs {
    int64_t seq[4];
    int count, most;
};

static bool note_seq(const void *row, void *user)
{
    struct seqs *seqs = user;

    seqs->seq[seqs->count++] = ((const struct tn_row_audit *)row)->seq;
    return seqs->count < seqs->most;
}

TEST(newest__pages_backwards_through_a_log_that_numbers_itself)
{
    struct place place = place_new();
    struct seqs seqs = { .most = 2 };

    for (int i = 0; i < 3; i++)
        put_well(place.db, TN_TABLE_AUDIT,
                 &(struct tn_row_audit) { .time_ms = i, .who = "w", .what = "x", .detail = "{}" });
    assert_int_equal(tn_db_newest(place.db, TN_TABLE_AUDIT, 0, note_seq, &seqs, NULL), TN_OK);
    assert_int_equal(seqs.count, 2);
    assert_int_equal(seqs.seq[0], 3);
    assert_int_equal(seqs.seq[1], 2);
    seqs.most = 4;
    assert_int_equal(tn_db_newest(place.db, TN_TABLE_AUDIT, 2, note_seq, &seqs, NULL), TN_OK);
    assert_int_equal(seqs.count, 3);
    assert_int_equal(seqs.seq[2], 1);
    place_done(&place);
}

/* ---- transactions ---- */

TEST(rollback__forgets_everything_since_the_last_commit)
{
    struct place place = place_new();
    struct tn_row_setting row = { .name = "a", .value = "1" };

    put_well(place.db, TN_TABLE_SETTING, &row);
    assert_true(tn_db_dirty(place.db));
    commit_well(place.db);
    assert_false(tn_db_dirty(place.db));
    row.name = "b";
    put_well(place.db, TN_TABLE_SETTING, &row);
    tn_db_rollback(place.db);
    assert_false(tn_db_dirty(place.db));
    assert_int_equal(rows_in(place.db, TN_TABLE_SETTING), 1);
    place_done(&place);
}

/* Files of this process can grow to `bytes`: a write beyond fails, as on a full disk. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* More than SQLite's cache holds is written before the commit. @return the code of the failure */
static int put_until_refused(struct tn_db *db)
{
    static char value[64 * 1024];
    char name[16];
    struct tn_row_setting row = { .name = name, .value = value };
    int rc = TN_OK;

    (void)memset(value, 'v', sizeof(value) - 1);
    for (int i = 0; rc == TN_OK && i < 200; i++) {
        (void)snprintf(name, sizeof(name), "big-%d", i);
        rc = tn_db_put(db, TN_TABLE_SETTING, &row, NULL);
    }
    return rc;
}

TEST(put__after_a_write_failed_in_the_middle_is_not_committed_alone)
{
    struct place place = place_new();
    struct tn_row_setting row = { .name = "small", .value = "1" };
    int rc;

    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(1 << 20);
    rc = put_until_refused(place.db);
    assert_true(rc == TN_E_IO || rc == TN_E_NOSPACE);
    assert_int_equal(tn_db_put(place.db, TN_TABLE_SETTING, &row, NULL), rc);
    assert_int_equal(tn_db_commit(place.db, NULL), rc);
    limit_files(RLIM_INFINITY);
    assert_false(tn_db_dirty(place.db));
    assert_int_equal(rows_in(place.db, TN_TABLE_SETTING), 0);
    put_well(place.db, TN_TABLE_SETTING, &row);
    commit_well(place.db);
    place_reopen(&place);
    assert_int_equal(rows_in(place.db, TN_TABLE_SETTING), 1);
    place_done(&place);
}

TEST(close__commits_nothing)
{
    struct place place = place_new();

    put_well(place.db, TN_TABLE_SETTING, &(struct tn_row_setting) { .name = "a", .value = "1" });
    place_reopen(&place);
    assert_int_equal(rows_in(place.db, TN_TABLE_SETTING), 0);
    place_done(&place);
}

/* A server that puts one row and commits, puts another, says so, and is killed. */
static void serve_and_wait(const char *path, int said)
{
    struct tn_db *db = NULL;

    if (tn_db_open(path, &db, NULL) != TN_OK)
        _exit(1);
    (void)tn_db_put(db, TN_TABLE_SETTING, &(struct tn_row_setting) { .name = "kept" }, NULL);
    if (tn_db_commit(db, NULL) != TN_OK)
        _exit(2);
    (void)tn_db_put(db, TN_TABLE_SETTING, &(struct tn_row_setting) { .name = "lost" }, NULL);
    if (write(said, "x", 1) == 1)
        (void)pause();
    _exit(3);
}

static bool is_kept(const void *row, void *user)
{
    assert_string_equal(((const struct tn_row_setting *)row)->name, "kept");
    ++*(int *)user;
    return true;
}

TEST(kill__between_put_and_commit_leaves_exactly_what_was_committed)
{
    struct place place = place_new();
    int pipes[2];
    int status = 0;
    int count = 0;
    char byte;
    pid_t child;

    tn_db_close(place.db);
    assert_int_equal(pipe(pipes), 0);
    child = fork();
    if (child == 0)
        serve_and_wait(place.path, pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    place.db = open_well(&place);
    assert_int_equal(tn_db_each(place.db, TN_TABLE_SETTING, is_kept, &count, NULL), TN_OK);
    assert_int_equal(count, 1);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    place_done(&place);
}

/* ---- opening ---- */

TEST(open__refuses_a_second_server_until_the_first_has_gone)
{
    struct place place = place_new();
    struct tn_db *second = NULL;
    struct tn_error err = { 0 };

    assert_int_equal(tn_db_open(place.path, &second, &err), TN_E_AGAIN);
    assert_null(second);
    assert_non_null(strstr(err.text, "another tenond"));
    place_reopen(&place);
    place_done(&place);
}

TEST(open__lets_nobody_else_read_the_file_and_its_log)
{
    struct place place = place_new();
    char wal[128];
    struct stat st;

    put_well(place.db, TN_TABLE_SETTING, &(struct tn_row_setting) { .name = "a" });
    commit_well(place.db);
    (void)snprintf(wal, sizeof(wal), "%s-wal", place.path);
    assert_int_equal(stat(place.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    place_done(&place);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *sqlite = NULL;

    assert_int_equal(tn_sqlite_open(path, SQLITE_OPEN_READWRITE, &sqlite, NULL), TN_OK);
    assert_int_equal(tn_sqlite_run(sqlite, sql, NULL), TN_OK);
    tn_sqlite_done(&sqlite);
}

TEST(open__refuses_the_schema_of_a_newer_program_and_changes_nothing)
{
    struct place place = place_new();
    struct tn_error err = { 0 };
    char back[48];

    tn_db_close(place.db);
    place.db = NULL;
    run_sql(place.path, "PRAGMA user_version=99");
    assert_int_equal(tn_db_open(place.path, &place.db, &err), TN_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "version 99"));
    (void)snprintf(back, sizeof(back), "PRAGMA user_version=%d", TN_DB_SCHEMA);
    run_sql(place.path, back);
    place.db = open_well(&place);
    place_done(&place);
}

static bool check_old_device(const void *row_, void *user)
{
    const struct tn_row_device *row = row_;
    int *count = user;

    assert_string_equal(row->id, *count == 0 ? "d1" : "d2");
    assert_int_equal(row->attributes_ms, *count == 0 ? 7 : 0);
    assert_int_equal(row->told_action, *count == 0 ? 0 : 5);
    ++*count;
    return true;
}

static void drop(const char *path, const char *what, const char *name)
{
    char sql[200];

    (void)snprintf(sql, sizeof(sql), "%s \"%s\"", what, name);
    run_sql(path, sql);
}

/* Takes everything out of a file that came after a schema. */
static void back_to_schema(const char *path, int version)
{
    char pragma[40];

    for (int i = 0; i < TN_TABLE_COUNT; i++) {
        const struct tn_table_desc *table = &tn_db_tables[i];
        char alter[96];

        (void)snprintf(alter, sizeof(alter), "ALTER TABLE \"%s\" DROP COLUMN", table->name);
        for (const struct tn_index *index = table->index; index->name; index++)
            if (index->since > version)
                drop(path, "DROP INDEX", index->name);
        for (const struct tn_column *column = table->column; column->name; column++)
            if (column->since > version)
                drop(path, alter, column->name);
        if (table->since > version)
            drop(path, "DROP TABLE", table->name);
    }
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", version);
    run_sql(path, pragma);
}

TEST(open__brings_the_devices_of_schema_1_to_the_one_of_today)
{
    struct place place = place_new();
    int count = 0;

    tn_db_close(place.db);
    back_to_schema(place.path, 1);
    run_sql(place.path, "ALTER TABLE device ADD COLUMN flags INTEGER;"
                        "INSERT INTO device (id, attributes_ms, flags) VALUES ('d1', 7, 1)");
    place.db = open_well(&place);
    put_well(place.db, TN_TABLE_DEVICE, &(struct tn_row_device) { .id = "d2", .told_action = 5 });
    commit_well(place.db);
    place_reopen(&place);
    assert_int_equal(tn_db_each(place.db, TN_TABLE_DEVICE, check_old_device, &count, NULL), TN_OK);
    assert_int_equal(count, 2);
    place_done(&place);
}

static bool asks_nobody(const void *row, void *user)
{
    *(int *)user += ((const struct tn_row_deployment *)row)->confirm == 0 &&
                    ((const struct tn_row_deployment *)row)->assigned == 3;
    return true;
}

static bool confirms_nothing(const void *row, void *user)
{
    *(int *)user += ((const struct tn_row_device *)row)->auto_confirm_ms == 0 &&
                    ((const struct tn_row_device *)row)->poll_seconds == 7;
    return true;
}

TEST(open__deployments_of_schema_5_ask_no_device)
{
    struct place place = place_new();
    int count = 0;

    tn_db_close(place.db);
    back_to_schema(place.path, 5);
    run_sql(place.path, "INSERT INTO device (id, poll_seconds) VALUES ('d1', 7);"
                        "INSERT INTO deployment (id, assigned) VALUES (1, 3)");
    place.db = open_well(&place);
    assert_int_equal(tn_db_each(place.db, TN_TABLE_DEPLOYMENT, asks_nobody, &count, NULL), TN_OK);
    assert_int_equal(tn_db_each(place.db, TN_TABLE_DEVICE, confirms_nothing, &count, NULL), TN_OK);
    assert_int_equal(count, 2);
    place_done(&place);
}

static void overwrite(const char *path, off_t from, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char junk[4096];

    memset(junk, 0xa5, sizeof(junk));
    assert_true(fd >= 0);
    for (size_t done = 0; done < size; done += sizeof(junk))
        assert_int_equal(pwrite(fd, junk, sizeof(junk), from + (off_t)done), sizeof(junk));
    (void)close(fd);
}

TEST(open__says_corrupt_of_a_file_that_is_no_database_or_a_damaged_one)
{
    struct place place = place_new();
    struct tn_error err = { 0 };

    for (int i = 0; i < 400; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "name %d", i);
        put_well(place.db, TN_TABLE_SETTING,
                 &(struct tn_row_setting) { .name = name, .value = awkward });
    }
    commit_well(place.db);
    tn_db_close(place.db); /* the last connection: all of the log is moved into the file */
    place.db = NULL;
    overwrite(place.path, 8192, 65536);
    assert_int_equal(tn_db_open(place.path, &place.db, &err), TN_E_CORRUPT);
    assert_null(place.db);
    overwrite(place.path, 0, 4096);
    assert_int_equal(tn_db_open(place.path, &place.db, &err), TN_E_CORRUPT);
    place_done(&place);
}

TEST(open__says_why_a_folder_that_is_not_there_cannot_hold_it)
{
    struct tn_db *db = NULL;
    struct tn_error err = { 0 };

    assert_int_equal(tn_db_open("/tmp/tenon-no-such-folder/tenond.db", &db, &err), TN_E_NOTFOUND);
    assert_null(db);
}

/* ---- migrations: an imagined second version of one table, and a table more ---- */

struct old_row {
    const char *name;
};
struct new_row {
    const char *name, *colour;
    int64_t weight;
};

#define COLUMN(row, member, kind_, key_, since_)                                                   \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct row, member), .kind = TN_COLUMN_##kind_,        \
        .key = key_, .since = since_                                                               \
    }

TEST(schema__gives_an_older_file_the_columns_and_tables_that_it_lacks)
{
    static const struct tn_table_desc one[] = {
        { "thing", 1, false, { COLUMN(old_row, name, TEXT, true, 0) }, { { 0 } } },
    };
    static const struct tn_table_desc two[] = {
        { "thing",
          1,
          false,
          { COLUMN(new_row, name, TEXT, true, 0), COLUMN(new_row, colour, TEXT, false, 2),
            COLUMN(new_row, weight, INTEGER, false, 2) },
          { { "heavy", 2, "\"name\"", "\"weight\" > 0" } } },
        { "other", 2, false, { COLUMN(old_row, name, TEXT, true, 0) }, { { 0 } } },
    };
    sqlite3 *sqlite = NULL;
    int64_t value = -1;
    struct tn_error err = { 0 };

    assert_int_equal(tn_sqlite_open(":memory:", SQLITE_OPEN_READWRITE, &sqlite, NULL), TN_OK);
    assert_int_equal(tn_schema_update(sqlite, one, 1, 1, &err), TN_OK);
    assert_int_equal(tn_sqlite_run(sqlite, "INSERT INTO thing VALUES ('a')", NULL), TN_OK);
    assert_int_equal(tn_schema_update(sqlite, two, 2, 2, &err), TN_OK);
    assert_int_equal(tn_sqlite_number(sqlite,
                                      "SELECT weight FROM thing WHERE name='a' AND colour IS NULL",
                                      &value, &err),
                     TN_OK);
    assert_int_equal(value, 0);
    assert_int_equal(tn_sqlite_number(sqlite, "SELECT count(*) FROM other", &value, &err), TN_OK);
    assert_int_equal(tn_sqlite_number(sqlite,
                                      "SELECT count(*) FROM thing INDEXED BY heavy WHERE weight>0",
                                      &value, &err),
                     TN_OK);
    assert_int_equal(tn_sqlite_number(sqlite, "PRAGMA user_version", &value, &err), TN_OK);
    assert_int_equal(value, 2);
    assert_int_equal(tn_schema_update(sqlite, one, 1, 1, &err), TN_E_UNSUPPORTED);
    tn_sqlite_done(&sqlite);
}

TEST(schema__that_cannot_be_made_leaves_the_file_as_it_was)
{
    static const struct tn_table_desc twice[] = {
        { "thing", 1, false, { COLUMN(old_row, name, TEXT, true, 0) }, { { 0 } } },
        { "thing", 1, false, { COLUMN(old_row, name, TEXT, true, 0) }, { { 0 } } },
    };
    sqlite3 *sqlite = NULL;
    int64_t value = -1;

    assert_int_equal(tn_sqlite_open(":memory:", SQLITE_OPEN_READWRITE, &sqlite, NULL), TN_OK);
    assert_true(tn_schema_update(sqlite, twice, 2, 1, NULL) < 0);
    assert_int_equal(tn_sqlite_number(sqlite, "SELECT count(*) FROM sqlite_schema", &value, NULL),
                     TN_OK);
    assert_int_equal(value, 0);
    assert_int_equal(tn_sqlite_number(sqlite, "PRAGMA user_version", &value, NULL), TN_OK);
    assert_int_equal(value, 0);
    tn_sqlite_done(&sqlite);
}

/* ---- backup ---- */

TEST(backup__holds_what_is_committed_and_opens_as_a_database_of_its_own)
{
    struct place place = place_new();
    struct place copy = { .folder = "" };
    struct tn_error err = { 0 };
    int count = 0;

    (void)snprintf(copy.path, sizeof(copy.path), "%s/copy.db", place.folder);
    put_well(place.db, TN_TABLE_SETTING, &(struct tn_row_setting) { .name = "kept" });
    commit_well(place.db);
    put_well(place.db, TN_TABLE_SETTING, &(struct tn_row_setting) { .name = "lost" });
    if (tn_db_backup(place.path, copy.path, &err) != TN_OK)
        fail_msg("backup: %s", err.text);
    commit_well(place.db);
    copy.db = open_well(&copy);
    assert_int_equal(tn_db_each(copy.db, TN_TABLE_SETTING, is_kept, &count, NULL), TN_OK);
    assert_int_equal(count, 1);
    tn_db_close(copy.db);
    place_done(&place);
}

TEST(backup__that_fails_leaves_no_file)
{
    struct place place = place_new();
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/none/copy.db", place.folder);
    assert_true(tn_db_backup(place.path, path, NULL) < 0);
    (void)snprintf(path, sizeof(path), "%s/taken", place.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(tn_db_backup(place.path, path, NULL) < 0);
    assert_int_equal(rmdir(path), 0);
    place_done(&place);
}

/* ---- the log ---- */

TEST(checkpoints__begin_the_log_anew_under_unbroken_load)
{
    enum { MIB = 1 << 20, MOST = 20000 };
    struct place place = place_new();
    struct tn_db_figures figures = { 0 };
    char *big = malloc(MIB);
    int commits;

    assert_non_null(big);
    memset(big, 'x', MIB - 1);
    big[MIB - 1] = '\0';
    /* until a checkpoint was seen to work, and the log, which only a restart bounds, began anew */
    for (commits = 0; commits < MOST && figures.checkpoint_restarts < 2; commits++) {
        put_well(place.db, TN_TABLE_SETTING,
                 &(struct tn_row_setting) { .name = "big", .value = big });
        commit_well(place.db);
        tn_db_figures(place.db, &figures);
    }
    assert_true(commits < MOST);
    assert_int_equal(figures.commits, commits);
    assert_int_equal(figures.rows, commits);
    assert_int_equal(figures.checkpoint_failures, 0);
    assert_true(figures.commit_seconds > 0);
    free(big);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            every_table__gives_back_nulls_text_of_any_kind_and_big_numbers_after_a_restart),
        cmocka_unit_test(every_table__replaces_a_row_of_the_same_key_and_deletes_by_key_alone),
        cmocka_unit_test(newest__pages_backwards_through_a_log_that_numbers_itself),
        cmocka_unit_test(rollback__forgets_everything_since_the_last_commit),
        cmocka_unit_test(put__after_a_write_failed_in_the_middle_is_not_committed_alone),
        cmocka_unit_test(close__commits_nothing),
        cmocka_unit_test(kill__between_put_and_commit_leaves_exactly_what_was_committed),
        cmocka_unit_test(open__refuses_a_second_server_until_the_first_has_gone),
        cmocka_unit_test(open__lets_nobody_else_read_the_file_and_its_log),
        cmocka_unit_test(open__refuses_the_schema_of_a_newer_program_and_changes_nothing),
        cmocka_unit_test(open__brings_the_devices_of_schema_1_to_the_one_of_today),
        cmocka_unit_test(open__deployments_of_schema_5_ask_no_device),
        cmocka_unit_test(open__says_corrupt_of_a_file_that_is_no_database_or_a_damaged_one),
        cmocka_unit_test(open__says_why_a_folder_that_is_not_there_cannot_hold_it),
        cmocka_unit_test(schema__gives_an_older_file_the_columns_and_tables_that_it_lacks),
        cmocka_unit_test(schema__that_cannot_be_made_leaves_the_file_as_it_was),
        cmocka_unit_test(backup__holds_what_is_committed_and_opens_as_a_database_of_its_own),
        cmocka_unit_test(backup__that_fails_leaves_no_file),
        cmocka_unit_test(checkpoints__begin_the_log_anew_under_unbroken_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
