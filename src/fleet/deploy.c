/*
 * Which device gets what. A device is looked at when something happened that can change its answer,
 * and then by all running deployments that want it: of two of one model the later one counts.
 */
#include "fleet/fleet_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPLOYMENTS_MAX = 100000, WHY_MAX = 200 };

static const char *const state_names[] = { "running", "paused", "stopped" };

const char *deployment_state_name(enum deployment_state state)
{
    return state_names[state];
}

static const char *const assignment_names[TN_ASSIGNMENTS] = { "forced", "soft", "download-only" };

const char *assignment_name(enum tn_assignment assignment)
{
    return assignment_names[assignment];
}

static int assignment_of(const char *name, enum tn_assignment *ret_assignment)
{
    for (size_t i = 0; name && i < TN_COUNT(assignment_names); i++)
        if (strcmp(assignment_names[i], name) == 0) {
            *ret_assignment = (enum tn_assignment)i;
            return TN_OK;
        }
    return name ? TN_E_INVALID : TN_OK; /* forced, as rows of before have it */
}

static int state_of(const char *name, enum deployment_state *ret_state)
{
    for (size_t i = 0; name && i < TN_COUNT(state_names); i++)
        if (strcmp(state_names[i], name) == 0) {
            *ret_state = (enum deployment_state)i;
            return TN_OK;
        }
    return TN_E_INVALID;
}

/* ---- rows ---- */

void deployment_free(struct deployment *deployment)
{
    if (!deployment)
        return;
    tn_filter_free(deployment->filter);
    free(deployment->model);
    free(deployment->channel);
    free(deployment->version);
    free(deployment->filter_text);
    free(deployment->why);
    free(deployment->created_by);
    free(deployment);
}

int deployment_put(struct tn_fleet *fleet, const struct deployment *deployment,
                   struct tn_error *err)
{
    struct tn_row_deployment row = { .id = deployment->id,
                                     .model = deployment->model,
                                     .channel = deployment->channel,
                                     .version = deployment->version,
                                     .filter = deployment->filter_text,
                                     .first = deployment->first,
                                     .accept_may_load = deployment->accept_may_load,
                                     .state = state_names[deployment->state],
                                     .why = deployment->why,
                                     .created_ms = deployment->created_ms,
                                     .created_by = deployment->created_by,
                                     .brake_from = deployment->brake_from,
                                     .confirm = deployment->confirm,
                                     .counted = 1,
                                     .assigned = deployment->assigned,
                                     .finished = deployment->finished,
                                     .failed = deployment->failed,
                                     .canceled = deployment->canceled,
                                     .withdrawn = deployment->withdrawn,
                                     .braked_finished = deployment->braked_finished,
                                     .braked_failed = deployment->braked_failed,
                                     .type = assignment_names[deployment->assignment] };

    return fleet_put(fleet, TN_TABLE_DEPLOYMENT, &row, err);
}

/* An older program's row says 0 of all of them. */
static void take_counts(struct deployment *deployment, const struct tn_row_deployment *row)
{
    deployment->counted = row->counted != 0;
    deployment->assigned = row->assigned;
    deployment->finished = row->finished;
    deployment->failed = row->failed;
    deployment->canceled = row->canceled;
    deployment->withdrawn = row->withdrawn;
    deployment->braked_finished = row->braked_finished;
    deployment->braked_failed = row->braked_failed;
}

/* Of a row: nothing is added to the fleet on failure. */
static struct deployment *deployment_new(const struct tn_row_deployment *row, struct tn_error *err)
{
    struct deployment *deployment = calloc(1, sizeof(*deployment));
    int rc = deployment ? TN_OK : tn_fail(err, TN_E_NOMEM, "a deployment");

    if (rc == TN_OK)
        rc = copy_text(row->model, &deployment->model, err);
    if (rc == TN_OK)
        rc = copy_text(row->channel, &deployment->channel, err);
    if (rc == TN_OK)
        rc = copy_text(row->version, &deployment->version, err);
    if (rc == TN_OK)
        rc = copy_text(row->filter, &deployment->filter_text, err);
    if (rc == TN_OK)
        rc = copy_text(row->why, &deployment->why, err);
    if (rc == TN_OK)
        rc = copy_text(row->created_by, &deployment->created_by, err);
    if (rc == TN_OK && row->filter)
        rc = tn_filter_parse(row->filter, &deployment->filter, err);
    if (rc == TN_OK)
        rc = state_of(row->state, &deployment->state);
    if (rc == TN_OK)
        rc = assignment_of(row->type, &deployment->assignment);
    if (rc < 0) {
        deployment_free(deployment);
        return NULL;
    }
    deployment->id = row->id;
    deployment->first = row->first;
    deployment->accept_may_load = row->accept_may_load != 0;
    deployment->confirm = row->confirm != 0;
    deployment->created_ms = row->created_ms;
    deployment->brake_from = row->brake_from;
    take_counts(deployment, row);
    return deployment;
}

static int join(struct tn_fleet *fleet, struct deployment *deployment, struct tn_error *err)
{
    int rc = list_add(&fleet->deployments, deployment, err);

    if (rc < 0) {
        deployment_free(deployment);
        return rc;
    }
    fleet->next_deployment = deployment->id + 1;
    return TN_OK;
}

bool deployment_load_row(const void *row, void *user)
{
    struct tn_fleet *fleet = user;
    struct deployment *deployment = deployment_new(row, NULL);

    return fleet_hurt(fleet, deployment ? join(fleet, deployment, NULL) : TN_E_CORRUPT) == TN_OK;
}

struct deployment *deployment_find(const struct tn_fleet *fleet, int64_t id)
{
    size_t low = 0;
    size_t high = fleet->deployments.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct deployment *deployment = fleet->deployments.item[middle];

        if (deployment->id == id)
            return deployment;
        if (deployment->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- what they are for, and which count ---- */

static struct release *release_of(const struct tn_fleet *fleet, const struct deployment *deployment)
{
    const struct channel *channel;

    if (deployment->version)
        return release_there(fleet, deployment->model, deployment->version);
    channel = channel_find(fleet, deployment->model, deployment->channel);
    return channel ? release_there(fleet, deployment->model, channel->version) : NULL;
}

static struct deployment *later_of(const struct list *running, size_t at)
{
    const struct deployment *deployment = running->item[at];

    for (size_t i = at + 1; i < running->count; i++) {
        struct deployment *other = running->item[i];

        if (strcmp(other->model, deployment->model) == 0)
            return other;
    }
    return NULL;
}

int deployments_settle(struct tn_fleet *fleet, struct tn_error *err)
{
    int rc = TN_OK;

    fleet->running.count = 0;
    for (size_t i = 0; rc == TN_OK && i < fleet->deployments.count; i++) {
        struct deployment *deployment = fleet->deployments.item[i];

        deployment->release = release_of(fleet, deployment);
        if (deployment->state == DEPLOYMENT_RUNNING)
            rc = list_add(&fleet->running, deployment, err);
    }
    for (size_t i = 0; i < fleet->running.count; i++)
        ((struct deployment *)fleet->running.item[i])->later = later_of(&fleet->running, i);
    return rc;
}

bool deployment_wants(const struct deployment *deployment, struct tn_fleet_device *device)
{
    return !deployment->filter || tn_filter_matches(deployment->filter, device_word, device);
}

static bool superseded(const struct deployment *deployment, struct tn_fleet_device *device)
{
    for (const struct deployment *later = deployment->later; later; later = later->later)
        if (deployment_wants(later, device))
            return true;
    return false;
}

/* ---- one device ---- */

/* It failed here under this deployment, or the operator took it back. */
static bool tried(const struct tn_fleet_device *device, const struct deployment *deployment,
                  const struct engine *engine)
{
    for (const struct action *action = device->actions; action; action = action->older)
        if (action->deployment == deployment && strcmp(action->engine->hex, engine->hex) == 0 &&
            (action->state == ACTION_ERROR || action->state == ACTION_CANCELED))
            return true;
    return false;
}

static bool is_acceptable(const struct candidate *candidate, const struct deployment *deployment)
{
    return !candidate->stopped && (candidate->verdict != TN_VERDICT_MAY_LOAD ||
                                   deployment->accept_may_load || candidate->proven);
}

const struct candidate *deploy_pick(struct tn_fleet *fleet, struct tn_fleet_device *device,
                                    const struct deployment *deployment)
{
    const struct match *match;

    if (!device->class || !deployment->release)
        return NULL;
    match = match_get(fleet, device->class, deployment->release, deployment->accept_may_load);
    for (size_t i = 0; match && i < match->count; i++) {
        const struct candidate *candidate = &match->candidate[i];
        const char *hex = candidate->engine->hex;

        if (!is_acceptable(candidate, deployment) || tried(device, deployment, candidate->engine))
            continue;
        if (device->failures == 0 ||
            !evidence_holds(fleet, hex, device->class->proof_key[candidate->runtime], device->id))
            return candidate;
    }
    return NULL;
}

bool deployment_waits(struct tn_fleet *fleet, const struct deployment *deployment,
                      struct tn_fleet_device *device)
{
    return deployment->state == DEPLOYMENT_RUNNING && deployment->release && !device->active &&
           deployment_wants(deployment, device) && !superseded(deployment, device) &&
           !deploy_pick(fleet, device, deployment);
}

/* What was offered and not yet fetched makes way for what is meant now, also for nothing: what an
 * older deployment or the channel's last release offered is not meant any more. */
static int replace_pending(struct tn_fleet *fleet, struct tn_fleet_device *device,
                           const struct deployment *deployment, const struct candidate *pick,
                           int64_t now_ms, struct tn_error *err)
{
    struct action *active = device->active;

    if (!action_unfetched(active) || strcmp(active->deployment->model, deployment->model) != 0)
        return TN_OK;
    if (pick && strcmp(active->engine->hex, pick->engine->hex) == 0 &&
        active->deployment->assignment == deployment->assignment &&
        active->deployment->confirm == deployment->confirm)
        return TN_OK;
    if (!pick && active->deployment == deployment && active->engine->release == deployment->release)
        return TN_OK;
    return action_withdraw(fleet, active, "superseded before the device fetched it", now_ms, err);
}

/* `first N`: every place is taken, and not by what this device is to do now. */
static bool is_full(const struct deployment *deployment, const struct tn_fleet_device *device)
{
    return deployment->first > 0 && deployment->assigned >= deployment->first &&
           !(device->active && device->active->deployment == deployment);
}

/* All that the deployment asks for is there already. */
static bool is_done(const struct tn_fleet_device *device, const struct deployment *deployment,
                    const struct engine *engine)
{
    const struct action *action = action_installed(device, deployment->model);

    if (action && strcmp(action->engine->hex, engine->hex) == 0)
        return true;
    if (deployment->assignment != TN_ASSIGN_DOWNLOAD_ONLY)
        return false;
    action = action_downloaded(device, deployment->model);
    return action && strcmp(action->engine->hex, engine->hex) == 0;
}

static int consider(struct tn_fleet *fleet, struct tn_fleet_device *device,
                    struct deployment *deployment, int64_t now_ms, struct tn_error *err)
{
    const struct candidate *pick = deploy_pick(fleet, device, deployment);
    int rc = TN_OK;

    if (is_full(deployment, device))
        return TN_OK;
    if (device->active)
        rc = replace_pending(fleet, device, deployment, pick, now_ms, err);
    if (rc < 0 || !pick || device->active || is_done(device, deployment, pick->engine))
        return rc;
    return action_assign(fleet, device, deployment, pick->engine, now_ms, err);
}

int deploy_device(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                  struct tn_error *err)
{
    int rc = TN_OK;

    if (!device->class || (device->active && !action_unfetched(device->active)))
        return TN_OK;
    for (size_t i = 0; rc == TN_OK && i < fleet->running.count; i++) {
        struct deployment *deployment = fleet->running.item[i];

        if (deployment->release && deployment_wants(deployment, device) &&
            !superseded(deployment, device))
            rc = consider(fleet, device, deployment, now_ms, err);
    }
    return rc;
}

/* Whether what the device is to do is for such a device at all. */
static bool is_meant(struct tn_fleet *fleet, struct tn_fleet_device *device,
                     const struct action *action)
{
    struct candidate candidate;

    return device->class && deployment_wants(action->deployment, device) &&
           match_possible(fleet, device->class, action->engine, &candidate) &&
           is_acceptable(&candidate, action->deployment);
}

int deploy_changed(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                   struct tn_error *err)
{
    struct action *active = device->active;
    int rc = TN_OK;

    if (active && action_unfetched(active) && !is_meant(fleet, device, active)) {
        bool freed = active->deployment->first > 0;

        rc = action_withdraw(fleet, active, "the device changed before it fetched it", now_ms, err);
        if (rc == TN_OK && freed)
            rc = deploy_freed(fleet, now_ms, err);
    }
    return rc < 0 ? rc : deploy_device(fleet, device, now_ms, err);
}

/* ---- many devices ---- */

int deploy_all(struct tn_fleet *fleet, struct deployment *deployment, int64_t now_ms,
               struct tn_error *err)
{
    int rc = TN_OK;

    if (deployment->state != DEPLOYMENT_RUNNING || !deployment->release)
        return TN_OK;
    device_sort(fleet); /* `first N` takes the same ones whoever registered when */
    for (size_t i = 0; rc == TN_OK && i < fleet->device_list.count; i++) {
        struct tn_fleet_device *device = fleet->device_list.item[i];

        if (device->class && deployment_wants(deployment, device) &&
            !superseded(deployment, device))
            rc = consider(fleet, device, deployment, now_ms, err);
    }
    return rc;
}

static int deploy_class(struct tn_fleet *fleet, struct class *class, int64_t now_ms,
                        struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < class->devices.count; i++)
        rc = deploy_device(fleet, class->devices.item[i], now_ms, err);
    return rc;
}

static bool is_deployed(const struct tn_fleet *fleet, const struct release *release)
{
    for (size_t i = 0; i < fleet->running.count; i++)
        if (((const struct deployment *)fleet->running.item[i])->release == release)
            return true;
    return false;
}

int deploy_engine(struct tn_fleet *fleet, struct engine *engine, int64_t now_ms,
                  struct tn_error *err)
{
    struct class *class;
    size_t at = 0;
    int rc = TN_OK;

    if (!is_deployed(fleet, engine->release))
        return TN_OK;
    while (rc == TN_OK && (class = tn_map_next(&fleet->classes, &at)) != NULL) {
        struct candidate candidate;

        if (match_possible(fleet, class, engine, &candidate))
            rc = deploy_class(fleet, class, now_ms, err);
    }
    return rc;
}

static int withdraw_in(struct tn_fleet *fleet, struct class *class, const char *hex, int64_t now_ms,
                       struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < class->devices.count; i++) {
        struct tn_fleet_device *device = class->devices.item[i];
        struct action *active = device->active;

        if (!active || !action_unfetched(active) || strcmp(active->engine->hex, hex) != 0)
            continue;
        rc = action_withdraw(fleet, active, "evidence stopped the engine for this class", now_ms,
                             err);
        if (rc == TN_OK)
            rc = deploy_device(fleet, device, now_ms, err);
    }
    return rc;
}

int deploy_withdraw(struct tn_fleet *fleet, const char *hex, const char *class_key, int64_t now_ms,
                    struct tn_error *err)
{
    struct class *class;
    size_t at = 0;
    int rc = TN_OK;

    while (rc == TN_OK && (class = tn_map_next(&fleet->classes, &at)) != NULL)
        if (class_has_proof_key(class, class_key))
            rc = withdraw_in(fleet, class, hex, now_ms, err);
    return rc;
}

/* ---- counting and braking ---- */

/* Many actions may end before the next commit: it writes the figures once. */
static int count_changed(struct tn_fleet *fleet, struct deployment *deployment,
                         struct tn_error *err)
{
    int rc = deployment->count_changed ? TN_OK : list_add(&fleet->recounted, deployment, err);

    deployment->count_changed = rc == TN_OK;
    return rc;
}

int deploy_put_counts(struct tn_fleet *fleet, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->recounted.count; i++) {
        struct deployment *deployment = fleet->recounted.item[i];

        rc = deployment_put(fleet, deployment, err);
        deployment->counted = true;
        deployment->count_changed = false;
    }
    fleet->recounted.count = 0;
    return rc;
}

int deploy_given(struct tn_fleet *fleet, struct deployment *deployment, int by,
                 struct tn_error *err)
{
    deployment->assigned += by;
    return count_changed(fleet, deployment, err);
}

static bool has_finished(const struct action *action)
{
    return action->state == ACTION_FINISHED || action->state == ACTION_DOWNLOADED;
}

/* A withdrawn one counts as never given. */
static void count_end(struct deployment *deployment, const struct action *action, int by)
{
    deployment->finished += has_finished(action) ? by : 0;
    deployment->failed += action->state == ACTION_ERROR ? by : 0;
    deployment->canceled += action->state == ACTION_CANCELED ? by : 0;
    deployment->withdrawn += action->state == ACTION_WITHDRAWN ? by : 0;
    deployment->assigned -= action->state == ACTION_WITHDRAWN ? by : 0;
}

static bool counts_for_brake(const struct deployment *deployment, const struct action *action)
{
    return action->deployment == deployment &&
           (has_finished(action) || action->state == ACTION_ERROR);
}

/* The brake asks how many devices failed, not how often one did: a device's newer end takes the
 * place of its older one, unless that may have come before the deployment was resumed. So a device
 * that was under way then and has two ends since may count twice, once. */
static void count_for_brake(struct deployment *deployment, const struct action *action)
{
    const struct action *before = action->older;

    if (!counts_for_brake(deployment, action))
        return;
    while (before &&
           !(counts_for_brake(deployment, before) && before->id >= deployment->brake_from))
        before = before->older;
    deployment->braked_finished += has_finished(action);
    deployment->braked_failed += action->state == ACTION_ERROR;
    deployment->braked_finished -= before && has_finished(before);
    deployment->braked_failed -= before && before->state == ACTION_ERROR;
}

int deploy_count_loaded(struct tn_fleet *fleet, const struct action *action, struct tn_error *err)
{
    count_end(action->deployment, action, 1);
    if (action->id >= action->deployment->brake_from) /* nobody knows when the others ended */
        count_for_brake(action->deployment, action);
    return deploy_given(fleet, action->deployment, 1, err);
}

int deploy_count_removed(struct tn_fleet *fleet, const struct action *action, struct tn_error *err)
{
    count_end(action->deployment, action, -1);
    return deploy_given(fleet, action->deployment, -1, err);
}

int deploy_freed(struct tn_fleet *fleet, int64_t now_ms, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->running.count; i++) {
        struct deployment *deployment = fleet->running.item[i];

        if (deployment->first > 0 && deployment->assigned < deployment->first)
            rc = deploy_all(fleet, deployment, now_ms, err);
    }
    return rc;
}

static bool must_brake(const struct tn_fleet *fleet, const struct deployment *deployment)
{
    int64_t ended = deployment->braked_finished + deployment->braked_failed;

    return deployment->state == DEPLOYMENT_RUNNING && ended >= fleet->options.pause_devices &&
           deployment->braked_failed * 100 >= fleet->options.pause_percent * ended;
}

static int change_state(struct tn_fleet *fleet, struct deployment *deployment,
                        enum deployment_state state, const char *why, struct tn_error *err)
{
    char *copy = NULL;
    int rc = fleet_hurt(fleet, copy_text(why, &copy, err));

    if (rc < 0)
        return rc;
    free(deployment->why);
    deployment->why = copy;
    deployment->state = state;
    rc = fleet_hurt(fleet, deployments_settle(fleet, err));
    return rc < 0 ? rc : deployment_put(fleet, deployment, err);
}

int deploy_ended(struct tn_fleet *fleet, const struct action *action, int64_t now_ms,
                 struct tn_error *err)
{
    struct deployment *deployment = action->deployment;
    char why[WHY_MAX];
    int rc = fleet_hurt(fleet, count_changed(fleet, deployment, err));

    count_end(deployment, action, 1);
    count_for_brake(deployment, action);
    if (rc < 0 || !must_brake(fleet, deployment))
        return rc;
    (void)snprintf(why, sizeof(why), "%lld of %lld devices failed",
                   (long long)deployment->braked_failed,
                   (long long)(deployment->braked_finished + deployment->braked_failed));
    rc = change_state(fleet, deployment, DEPLOYMENT_PAUSED, why, err);
    return rc < 0
               ? rc
               : fleet_audit(fleet, "server", "deployment-pause", now_ms,
                             json_pack("{s:I,s:s}", "id", (json_int_t)deployment->id, "why", why),
                             err);
}

/* ---- what an operator does ---- */

static int make_row(struct tn_fleet *fleet, const struct tn_deploy *deploy, const char *who,
                    int64_t now_ms, struct tn_row_deployment *ret_row, struct tn_error *err)
{
    enum tn_assignment assignment = TN_ASSIGN_FORCED;

    if (!deploy->model || !deploy->model[0] || (deploy->channel && deploy->version))
        return tn_fail(err, TN_E_INVALID, "name a model, and a channel or a version of it");
    if (deploy->first < 0)
        return tn_fail(err, TN_E_INVALID, "'first' is a number of devices");
    if (assignment_of(deploy->type, &assignment) < 0)
        return tn_fail(err, TN_E_INVALID, "type '%.40s': forced, soft or download-only",
                       deploy->type);
    if (fleet->deployments.count >= DEPLOYMENTS_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d deployments", (int)DEPLOYMENTS_MAX);
    *ret_row = (struct tn_row_deployment) {
        .id = fleet->next_deployment,
        .model = deploy->model,
        .channel = deploy->channel           ? deploy->channel
                   : deploy->version == NULL ? "stable"
                                             : NULL,
        .version = deploy->version,
        .filter = deploy->filter && deploy->filter[0] ? deploy->filter : NULL,
        .first = deploy->first,
        .accept_may_load = deploy->accept_may_load,
        .confirm = deploy->confirm,
        .state = state_names[DEPLOYMENT_RUNNING],
        .created_ms = now_ms,
        .created_by = who,
        .type = assignment_names[assignment],
        .counted = 1,
    };
    return TN_OK;
}

int tn_fleet_deploy(struct tn_fleet *fleet, const struct tn_deploy *deploy, const char *who,
                    int64_t now_ms, int64_t *ret_id, struct tn_error *err)
{
    struct tn_error why = { 0 };
    struct tn_row_deployment row = { 0 };
    struct deployment *deployment;
    int rc = make_row(fleet, deploy, who, now_ms, &row, err);

    if (rc < 0)
        return rc;
    deployment = deployment_new(&row, &why);
    if (!deployment)
        return tn_fail(err, why.code ? why.code : TN_E_NOMEM, "%s", why.text);
    if (!release_of(fleet, deployment)) {
        deployment_free(deployment);
        return tn_fail(err, TN_E_NOTFOUND, "no %s %.80s@%.80s", row.version ? "release" : "channel",
                       row.model, row.version ? row.version : row.channel);
    }
    rc = fleet_hurt(fleet, join(fleet, deployment, err));
    if (rc == TN_OK)
        rc = fleet_hurt(fleet, deployments_settle(fleet, err));
    if (rc == TN_OK)
        rc = deployment_put(fleet, deployment, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "deploy", now_ms,
                         json_pack("{s:I,s:s,s:s,s:s?,s:s,s:b}", "id", (json_int_t)deployment->id,
                                   "model", row.model, "what",
                                   row.version ? row.version : row.channel, "to", row.filter,
                                   "type", row.type, "confirm", (int)deployment->confirm),
                         err);
    if (rc == TN_OK)
        rc = deploy_all(fleet, deployment, now_ms, err);
    if (rc == TN_OK)
        *ret_id = deployment->id;
    return rc;
}

/* Nobody fetches any more what a stopped deployment offered. */
static int withdraw_all(struct tn_fleet *fleet, const struct deployment *deployment, int64_t now_ms,
                        struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->device_list.count; i++) {
        struct tn_fleet_device *device = fleet->device_list.item[i];
        struct action *action = device->active;

        if (!action || action->deployment != deployment || !action_unfetched(action))
            continue;
        rc = action_withdraw(fleet, action, "the deployment was stopped", now_ms, err);
        if (rc == TN_OK)
            rc = deploy_device(fleet, device, now_ms, err);
    }
    return rc;
}

int tn_fleet_deployment_set(struct tn_fleet *fleet, int64_t id, const char *state, const char *why,
                            const char *who, int64_t now_ms, struct tn_error *err)
{
    struct deployment *deployment = deployment_find(fleet, id);
    enum deployment_state wanted;
    int rc;

    if (!deployment)
        return tn_fail(err, TN_E_NOTFOUND, "no deployment %lld", (long long)id);
    if (state_of(state, &wanted) < 0)
        return tn_fail(err, TN_E_INVALID, "'%.40s': running, paused or stopped", state);
    if (deployment->state == DEPLOYMENT_STOPPED && wanted != DEPLOYMENT_STOPPED)
        return tn_fail(err, TN_E_USAGE, "deployment %lld was stopped; deploy anew", (long long)id);
    if (deployment->state == wanted)
        return TN_OK;
    if (wanted == DEPLOYMENT_RUNNING) { /* what failed so far is known: the brake counts anew */
        deployment->brake_from = fleet->next_action;
        deployment->braked_finished = deployment->braked_failed = 0;
    }
    rc = change_state(fleet, deployment, wanted, why, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "deployment-state", now_ms,
                         json_pack("{s:I,s:s,s:s?}", "id", (json_int_t)id, "state",
                                   state_names[wanted], "why", why),
                         err);
    if (rc == TN_OK && wanted == DEPLOYMENT_STOPPED)
        rc = withdraw_all(fleet, deployment, now_ms, err);
    return rc < 0 ? rc : deploy_all(fleet, deployment, now_ms, err);
}

int tn_fleet_deployment_force(struct tn_fleet *fleet, int64_t id, const char *who, int64_t now_ms,
                              struct tn_error *err)
{
    struct deployment *deployment = deployment_find(fleet, id);
    int rc;

    if (!deployment)
        return tn_fail(err, TN_E_NOTFOUND, "no deployment %lld", (long long)id);
    if (deployment->assignment == TN_ASSIGN_DOWNLOAD_ONLY)
        return tn_fail(err, TN_E_USAGE, "deployment %lld is download-only; deploy anew",
                       (long long)id);
    if (deployment->assignment == TN_ASSIGN_FORCED)
        return TN_OK;
    deployment->assignment = TN_ASSIGN_FORCED;
    rc = deployment_put(fleet, deployment, err);
    return rc < 0 ? rc
                  : fleet_audit(fleet, who, "deployment-force", now_ms,
                                json_pack("{s:I}", "id", (json_int_t)id), err);
}
