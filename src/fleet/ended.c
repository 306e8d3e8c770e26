/*
 * Actions that have ended. A device keeps in memory those that still decide something: what it
 * runs, what it must not be given again, how its last one went. All others are settled: their rows
 * are read when somebody asks, and removed when they are old.
 */
#include "fleet/fleet_priv.h"

#include <stdlib.h>
#include <string.h>

enum { WITHDRAWN_MOST = 8 /* kept of one device */ };

/* ---- which ones stay ---- */

static bool same_end(const struct action *a, const struct action *b)
{
    return a->state == b->state &&
           strcmp(a->engine->release->model, b->engine->release->model) == 0;
}

/* It is not to be given again (deploy.c), as long as its deployment can give anything. */
static bool is_barred(const struct action *action)
{
    return (action->state == ACTION_ERROR || action->state == ACTION_CANCELED) &&
           action->deployment->state != DEPLOYMENT_STOPPED;
}

/* The brake takes the last end of each device (deploy.c). An earlier one of a deployment that a
 * later one has put aside may count twice, should that ever be taken back. */
static bool counts_for_brake(const struct action *action)
{
    return action->state == ACTION_FINISHED || action->state == ACTION_DOWNLOADED ||
           action->state == ACTION_ERROR;
}

static bool is_put_aside(const struct deployment *deployment)
{
    return !deployment || deployment->state == DEPLOYMENT_STOPPED || deployment->later;
}

/* Of each model and each way to end, the newest says how things are. */
static bool decides(const struct action *action)
{
    int withdrawn = 0, ends = 0, of_deployment = 0;

    if (action_active(action) || is_barred(action) || action->id == action->device->ended_action)
        return true;
    for (const struct action *newer = action->device->actions; newer != action;
         newer = newer->older) {
        withdrawn += newer->state == ACTION_WITHDRAWN;
        ends += same_end(newer, action);
        of_deployment += counts_for_brake(newer) && newer->deployment == action->deployment;
    }
    if (action->state == ACTION_WITHDRAWN)
        return withdrawn < WITHDRAWN_MOST;
    return ends == 0 ||
           (of_deployment == 0 && counts_for_brake(action) && !is_put_aside(action->deployment));
}

/* No number is given twice: devices, logs and brakes remember it. Where the newest goes, the next
 * number stays in a row of its own. */
static int delete_row(struct tn_fleet *fleet, int64_t id, struct tn_error *err)
{
    int rc = fleet_delete(fleet, TN_TABLE_ACTION, &(struct tn_row_action) { .id = id }, err);

    return rc < 0 || id + 1 < fleet->next_action ? rc
                                                 : setting_put(fleet, SETTING_NEXT_ACTION, err);
}

static int let_go(struct tn_fleet *fleet, struct action *action, int64_t now_ms,
                  struct tn_error *err)
{
    bool old = action->changed_ms < now_ms - fleet->options.keep_actions_ms;
    /* who changes its facts for ever is given, and loses, an action each time */
    bool needless = old || action->state == ACTION_WITHDRAWN;
    int rc = needless ? delete_row(fleet, action->id, err)
                      : fleet_hurt(fleet, tn_db_settle(fleet->db, action->id, err));

    action_free(action);
    return rc;
}

int ended_settle(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                 struct tn_error *err)
{
    struct action **place = &device->actions;
    int rc = TN_OK;

    while (rc == TN_OK && *place) {
        struct action *action = *place;

        if (decides(action)) {
            place = &action->older;
            continue;
        }
        *place = action->older;
        rc = let_go(fleet, action, now_ms, err);
    }
    return rc;
}

int ended_settle_all(struct tn_fleet *fleet, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->device_list.count; i++)
        rc = ended_settle(fleet, fleet->device_list.item[i], 0, err);
    return rc;
}

/* ---- the rest is read ---- */

struct reading {
    const struct tn_fleet *fleet;
    struct action *action;
    bool found;
};

static bool read_one(const void *row, void *user)
{
    struct reading *reading = user;

    reading->found = action_of_row(reading->fleet, row, reading->action) == TN_OK;
    return false;
}

bool ended_find(const struct tn_fleet *fleet, int64_t id, struct action *ret_action)
{
    const struct tn_question question = { .query = TN_QUERY_ACTION, .number = id };
    struct reading reading = { .fleet = fleet, .action = ret_action };

    return tn_db_find(fleet->db, &question, read_one, &reading, NULL) == TN_OK && reading.found;
}

/* ---- removing ---- */

struct removal {
    struct tn_fleet *fleet;
    bool freed; /* a place of a `first N` */
    int rc;
    struct tn_error *err;
};

static int remove_one(struct removal *removal, const struct action *action)
{
    struct tn_fleet *fleet = removal->fleet;
    int rc = delete_row(fleet, action->id, removal->err);

    if (rc < 0 || !action->deployment)
        return rc;
    removal->freed = removal->freed || action->deployment->first > 0;
    return fleet_hurt(fleet, deploy_count_removed(fleet, action, removal->err));
}

static bool remove_settled(const void *row, void *user)
{
    tn_auto(action_done) struct action action = { .id = 0 };
    struct removal *removal = user;

    removal->rc = fleet_hurt(removal->fleet, action_of_row(removal->fleet, row, &action));
    if (removal->rc == TN_OK)
        removal->rc = remove_one(removal, &action);
    return removal->rc == TN_OK;
}

int ended_remove_device(struct tn_fleet *fleet, struct tn_fleet_device *device, bool *ret_freed,
                        struct tn_error *err)
{
    const struct tn_question question = { .query = TN_QUERY_ACTIONS_OF_DEVICE,
                                          .text = device->id,
                                          .number = INT64_MAX };
    struct removal removal = { .fleet = fleet, .err = err };
    int rc = tn_db_find(fleet->db, &question, remove_settled, &removal, err);

    rc = fleet_hurt(fleet, rc < 0 ? rc : removal.rc);
    while (device->actions) {
        struct action *action = device->actions;

        if (rc == TN_OK)
            rc = remove_one(&removal, action);
        device->actions = action->older;
        action_free(action);
    }
    device->active = NULL;
    *ret_freed = removal.freed;
    return rc;
}

struct forgetting {
    struct removal removal;
    int64_t before_ms;
    size_t left;
};

/* The rows come in the order in which they were made: behind the first that is young they all are.
 */
static bool forget_one(const void *row_, void *user)
{
    const struct tn_row_action *row = row_;
    struct forgetting *forgetting = user;
    struct tn_fleet *fleet = forgetting->removal.fleet;

    if (forgetting->left == 0 || row->changed_ms >= forgetting->before_ms)
        return false;
    forgetting->left--;
    fleet->forgotten = row->id;
    forgetting->removal.rc = delete_row(fleet, row->id, forgetting->removal.err);
    return forgetting->removal.rc == TN_OK;
}

int tn_fleet_forget_actions(struct tn_fleet *fleet, int64_t now_ms, size_t most,
                            struct tn_error *err)
{
    const struct tn_question question = { .query = TN_QUERY_ACTIONS_SETTLED,
                                          .number = fleet->forgotten };
    struct forgetting forgetting = { .removal = { .fleet = fleet, .err = err },
                                     .before_ms = now_ms - fleet->options.keep_actions_ms,
                                     .left = most };
    int rc = tn_db_find(fleet->db, &question, forget_one, &forgetting, err);

    return rc < 0 ? rc : forgetting.removal.rc;
}
