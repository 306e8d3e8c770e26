#include "db/tables.h"

#define COLUMN(row, member, kind_, key_, since_)                                                   \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct tn_row_##row, member),                          \
        .kind = TN_COLUMN_##kind_, .key = key_, .since = since_                                    \
    }
#define TEXT(row, member)    COLUMN(row, member, TEXT, false, 0)
#define INTEGER(row, member) COLUMN(row, member, INTEGER, false, 0)
#define KEY(row, member)     COLUMN(row, member, TEXT, true, 0)
#define SERIAL(row, member)  COLUMN(row, member, INTEGER, true, 0)
#define FIXED(row, member, kind_)                                                                  \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct tn_row_##row, member),                          \
        .kind = TN_COLUMN_##kind_, .fixed = true                                                   \
    }
/* What an older file lacks. */
#define LATER_TEXT(row, member, since)    COLUMN(row, member, TEXT, false, since)
#define LATER_INTEGER(row, member, since) COLUMN(row, member, INTEGER, false, since)

/* A new column goes to the end of its table with `since`, a new table to the end with `since`, and
 * TN_DB_SCHEMA counts up: older files then get them at their next start (schema.c). A column that
 * is not here any more stays in older files, unread and empty: device.flags of schema 1 to 4. */
/* clang-format off */
const struct tn_table_desc tn_db_tables[TN_TABLE_COUNT] = {
    [TN_TABLE_DEVICE] = { "device", 1, false, .column = {
        KEY(device, id), TEXT(device, token_hash), TEXT(device, attributes), TEXT(device, labels),
        TEXT(device, registered_by), INTEGER(device, created_ms), INTEGER(device, seen_ms),
        INTEGER(device, attributes_ms), LATER_INTEGER(device, told_action, 5),
        LATER_INTEGER(device, poll_seconds, 5), LATER_TEXT(device, declared_model, 5),
        LATER_TEXT(device, declared_version, 5), LATER_INTEGER(device, auto_confirm_ms, 6) } },
    [TN_TABLE_RELEASE] = { "release", 1, false, .column = {
        KEY(release, model), KEY(release, version), TEXT(release, manifest),
        INTEGER(release, created_ms), TEXT(release, created_by),
        LATER_INTEGER(release, removed_ms, 2), LATER_TEXT(release, signatures, 3) } },
    [TN_TABLE_ENGINE] = { "engine", 1, false, .column = {
        KEY(engine, model), KEY(engine, version), KEY(engine, digest), TEXT(engine, record),
        INTEGER(engine, bytes), INTEGER(engine, added_ms), INTEGER(engine, revoked_ms),
        TEXT(engine, revoked_why), LATER_TEXT(engine, signatures, 3) } },
    [TN_TABLE_ATTACHMENT] = { "attachment", 1, false, .column = {
        KEY(attachment, digest), KEY(attachment, kind), TEXT(attachment, file),
        TEXT(attachment, name), INTEGER(attachment, bytes) } },
    [TN_TABLE_CHANNEL] = { "channel", 1, false, .column = {
        KEY(channel, model), KEY(channel, name), TEXT(channel, version),
        INTEGER(channel, changed_ms) } },
    [TN_TABLE_DEPLOYMENT] = { "deployment", 1, true, .column = {
        SERIAL(deployment, id), TEXT(deployment, model), TEXT(deployment, channel),
        TEXT(deployment, version), TEXT(deployment, filter), INTEGER(deployment, first),
        INTEGER(deployment, accept_may_load), TEXT(deployment, state), TEXT(deployment, why),
        INTEGER(deployment, created_ms), TEXT(deployment, created_by),
        INTEGER(deployment, brake_from), LATER_TEXT(deployment, type, 5),
        LATER_INTEGER(deployment, counted, 5), LATER_INTEGER(deployment, assigned, 5),
        LATER_INTEGER(deployment, finished, 5), LATER_INTEGER(deployment, failed, 5),
        LATER_INTEGER(deployment, canceled, 5), LATER_INTEGER(deployment, withdrawn, 5),
        LATER_INTEGER(deployment, braked_finished, 5),
        LATER_INTEGER(deployment, braked_failed, 5), LATER_INTEGER(deployment, confirm, 6) } },
    [TN_TABLE_ACTION] = { "action", 1, true, .column = {
        SERIAL(action, id), FIXED(action, device, TEXT), FIXED(action, deployment, INTEGER),
        FIXED(action, model, TEXT), FIXED(action, version, TEXT), FIXED(action, digest, TEXT),
        TEXT(action, state), TEXT(action, detail), TEXT(action, history),
        FIXED(action, created_ms, INTEGER), INTEGER(action, changed_ms),
        { .name = "settled", .offset = offsetof(struct tn_row_action, settled),
          .kind = TN_COLUMN_INTEGER, .since = 5, .fixed = true } },
      .index = { { "action_unsettled", 5, "\"id\"", "\"settled\" = 0" },
        { "action_of_device", 5, "\"device\", \"id\"", "\"settled\" = 1" },
        { "action_failed", 5, "\"id\"", "\"state\" = 'error'" } } },
    [TN_TABLE_EVIDENCE] = { "evidence", 1, false, .column = {
        KEY(evidence, digest), KEY(evidence, device), TEXT(evidence, class_key),
        TEXT(evidence, result), TEXT(evidence, reason), INTEGER(evidence, lasting),
        INTEGER(evidence, time_ms) } },
    [TN_TABLE_OVERRIDE] = { "override", 1, false, .column = {
        KEY(override, digest), KEY(override, class_key), TEXT(override, verdict),
        TEXT(override, by), INTEGER(override, time_ms) } },
    [TN_TABLE_TOKEN] = { "token", 1, false, .column = {
        KEY(token, id), TEXT(token, hash), TEXT(token, role), TEXT(token, name),
        INTEGER(token, created_ms), INTEGER(token, revoked_ms) } },
    [TN_TABLE_AUDIT] = { "audit", 1, true, .column = {
        SERIAL(audit, seq), INTEGER(audit, time_ms), TEXT(audit, who), TEXT(audit, what),
        TEXT(audit, detail) } },
    [TN_TABLE_SETTING] = { "setting", 1, false, .column = {
        KEY(setting, name), TEXT(setting, value) } },
    [TN_TABLE_PIN] = { "pin", 2, false, .column = {
        KEY(pin, digest), TEXT(pin, by), INTEGER(pin, time_ms) } },
    [TN_TABLE_SPOOL] = { "spool", 4, false, .column = {
        KEY(spool, device), KEY(spool, spool), INTEGER(spool, position), INTEGER(spool, heard_ms),
        TEXT(spool, last) } },
    [TN_TABLE_LOAD] = { "load", 4, false, .column = {
        KEY(load, labels), INTEGER(load, ok), INTEGER(load, failed), INTEGER(load, trouble),
        TEXT(load, times) } },
};

const struct tn_query_desc tn_db_queries[TN_QUERY_COUNT] = {
    [TN_QUERY_ACTION] = { TN_TABLE_ACTION, NULL, "\"id\" = ?1" },
    [TN_QUERY_ACTIONS_UNSETTLED] = { TN_TABLE_ACTION, "action_unsettled",
        "\"settled\" = 0 ORDER BY \"id\"" },
    [TN_QUERY_ACTIONS_FAILED] = { TN_TABLE_ACTION, "action_failed",
        "\"state\" = 'error' AND \"id\" < ?1 ORDER BY \"id\" DESC" },
    [TN_QUERY_ACTIONS_OF_DEVICE] = { TN_TABLE_ACTION, "action_of_device",
        "\"settled\" = 1 AND \"device\" = ?2 AND \"id\" < ?1 ORDER BY \"id\" DESC" },
    [TN_QUERY_ACTIONS_SETTLED] = { TN_TABLE_ACTION, NULL,
        "\"settled\" = 1 AND \"id\" > ?1 ORDER BY \"id\"" },
    [TN_QUERY_AUDIT] = { TN_TABLE_AUDIT, NULL, "\"seq\" > ?1 ORDER BY \"seq\"" },
};
/* clang-format on */

_Static_assert(sizeof(struct tn_row_action) <= TN_TABLE_ROW_MAX &&
                   sizeof(struct tn_row_deployment) <= TN_TABLE_ROW_MAX,
               "TN_TABLE_ROW_MAX holds every row struct");

static void add_column(const struct tn_column *column, struct tn_buf *sql)
{
    tn_buf_addf(sql, "\"%s\" %s", column->name,
                column->kind == TN_COLUMN_TEXT ? "TEXT" : "INTEGER");
}

/* "a", "b", …: of the key, or all. */
static void add_names(const struct tn_table_desc *table, bool keys_only, struct tn_buf *sql)
{
    const char *comma = "";

    for (const struct tn_column *column = table->column; column->name; column++) {
        if (keys_only && !column->key)
            continue;
        tn_buf_addf(sql, "%s\"%s\"", comma, column->name);
        comma = ", ";
    }
}

void tn_table_create_sql(const struct tn_table_desc *table, struct tn_buf *sql)
{
    tn_buf_addf(sql, "CREATE TABLE \"%s\" (", table->name);
    for (const struct tn_column *column = table->column; column->name; column++) {
        add_column(column, sql);
        tn_buf_adds(sql, column->key ? " NOT NULL, " : ", ");
    }
    tn_buf_adds(sql, "PRIMARY KEY (");
    add_names(table, true, sql);
    /* an integer key is SQLite's own row number; every other table is a tree by its key */
    tn_buf_adds(sql, table->serial ? ")) STRICT" : ")) STRICT, WITHOUT ROWID");
}

void tn_table_add_column_sql(const struct tn_table_desc *table, const struct tn_column *column,
                             struct tn_buf *sql)
{
    tn_buf_addf(sql, "ALTER TABLE \"%s\" ADD COLUMN ", table->name);
    add_column(column, sql);
    if (column->kind == TN_COLUMN_INTEGER)
        tn_buf_adds(sql, " DEFAULT 0");
}

void tn_table_create_index_sql(const struct tn_table_desc *table, const struct tn_index *index,
                               struct tn_buf *sql)
{
    tn_buf_addf(sql, "CREATE INDEX \"%s\" ON \"%s\" (%s) WHERE %s", index->name, table->name,
                index->columns, index->where);
}

static void add_select(const struct tn_table_desc *table, struct tn_buf *sql)
{
    tn_buf_adds(sql, "SELECT ");
    add_names(table, false, sql);
    tn_buf_addf(sql, " FROM \"%s\"", table->name);
}

void tn_table_select_sql(const struct tn_table_desc *table, struct tn_buf *sql)
{
    add_select(table, sql);
    tn_buf_adds(sql, " ORDER BY ");
    add_names(table, true, sql);
}

void tn_table_newest_sql(const struct tn_table_desc *table, struct tn_buf *sql)
{
    add_select(table, sql);
    tn_buf_addf(sql, " WHERE \"%s\" < ?1 ORDER BY \"%s\" DESC", table->column[0].name,
                table->column[0].name);
}

void tn_table_query_sql(const struct tn_query_desc *query, struct tn_buf *sql)
{
    add_select(&tn_db_tables[query->table], sql);
    if (query->index)
        tn_buf_addf(sql, " INDEXED BY \"%s\"", query->index);
    tn_buf_addf(sql, " WHERE %s", query->where);
}

static bool has_fixed(const struct tn_table_desc *table)
{
    for (const struct tn_column *column = table->column; column->name; column++)
        if (column->fixed)
            return true;
    return false;
}

/* Only what may change, so that indexes over the rest are left alone. */
static void add_update(const struct tn_table_desc *table, struct tn_buf *sql)
{
    const char *before = " DO UPDATE SET ";

    tn_buf_adds(sql, " ON CONFLICT (");
    add_names(table, true, sql);
    tn_buf_adds(sql, ")");
    for (const struct tn_column *column = table->column; column->name; column++) {
        if (column->key || column->fixed)
            continue;
        tn_buf_addf(sql, "%s\"%s\" = excluded.\"%s\"", before, column->name, column->name);
        before = ", ";
    }
}

void tn_table_put_sql(const struct tn_table_desc *table, struct tn_buf *sql)
{
    bool fixed = has_fixed(table);
    const char *mark = "?";

    tn_buf_addf(sql, "%s INTO \"%s\" (", fixed ? "INSERT" : "REPLACE", table->name);
    add_names(table, false, sql);
    tn_buf_adds(sql, ") VALUES (");
    for (const struct tn_column *column = table->column; column->name; column++) {
        tn_buf_adds(sql, mark);
        mark = ", ?";
    }
    tn_buf_adds(sql, ")");
    if (fixed)
        add_update(table, sql);
}

void tn_table_delete_sql(const struct tn_table_desc *table, struct tn_buf *sql)
{
    const char *before = "WHERE";

    tn_buf_addf(sql, "DELETE FROM \"%s\"", table->name);
    for (const struct tn_column *column = table->column; column->name; column++) {
        if (!column->key)
            continue;
        tn_buf_addf(sql, " %s \"%s\" = ?", before, column->name);
        before = "AND";
    }
}
