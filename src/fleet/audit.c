/* The audit log: rows that are only ever added, and go in the end by age alone. */
#include "fleet/fleet_priv.h"

enum { KEPT_LEAST = 1000 /* the newest entries, however old: a clock that jumped takes none */ };

int fleet_audit(struct tn_fleet *fleet, const char *who, const char *what, int64_t now_ms,
                json_t *detail_steal, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *detail = detail_steal;
    tn_auto(tn_str_free) char *text = detail ? tn_json_text(detail) : NULL;
    struct tn_row_audit row = { .time_ms = now_ms, .who = who, .what = what, .detail = text };

    return fleet_put(fleet, TN_TABLE_AUDIT, &row, err);
}

/* ---- age ---- */

struct forgetting {
    struct tn_fleet *fleet;
    int64_t before_ms;
    int64_t last; /* the last one that may go */
    size_t left;
    int64_t old; /* the last one that is old, of those that were looked at */
    int rc;
    struct tn_error *err;
};

static bool take_newest(const void *row, void *user)
{
    *(int64_t *)user = ((const struct tn_row_audit *)row)->seq;
    return false;
}

/* They lie in the order in which they happened, whatever the clock said: one that seems young
 * between old ones is old. */
static bool look(const void *row_, void *user)
{
    const struct tn_row_audit *row = row_;
    struct forgetting *forgetting = user;

    if (forgetting->left == 0 || row->seq > forgetting->last)
        return false;
    forgetting->left--;
    if (row->time_ms < forgetting->before_ms)
        forgetting->old = row->seq;
    return true;
}

static bool forget(const void *row_, void *user)
{
    const struct tn_row_audit *row = row_;
    struct forgetting *forgetting = user;

    if (row->seq > forgetting->old)
        return false;
    forgetting->rc = fleet_delete(forgetting->fleet, TN_TABLE_AUDIT,
                                  &(struct tn_row_audit) { .seq = row->seq }, forgetting->err);
    return forgetting->rc == TN_OK;
}

int tn_fleet_forget_audit(struct tn_fleet *fleet, int64_t now_ms, size_t most, struct tn_error *err)
{
    const struct tn_question oldest_first = { .query = TN_QUERY_AUDIT };
    struct forgetting forgetting = { .fleet = fleet, .left = most, .err = err };
    int64_t newest = 0;
    int rc;

    if (fleet->options.keep_audit_ms == 0)
        return TN_OK;
    rc = tn_db_newest(fleet->db, TN_TABLE_AUDIT, 0, take_newest, &newest, err);
    forgetting.before_ms = now_ms - fleet->options.keep_audit_ms;
    forgetting.last = newest - KEPT_LEAST;
    if (rc == TN_OK)
        rc = tn_db_find(fleet->db, &oldest_first, look, &forgetting, err);
    if (rc == TN_OK && forgetting.old > 0)
        rc = tn_db_find(fleet->db, &oldest_first, forget, &forgetting, err);
    return rc < 0 ? rc : forgetting.rc;
}
