/*
 * One action = one device, one engine. Its states:
 *
 *   pending    offered; the device has not fetched it     -> retrieved, canceled, withdrawn
 *   retrieved  the device knows of it                     -> running, finished, error, canceling
 *   running    it said that it works on it                -> finished, error, canceled, canceling
 *   canceling  the operator asked it to stop              -> canceled, running, finished, error
 *   finished, downloaded, error, canceled, withdrawn      -> nothing: an ended action stays ended
 *
 * Of a download-only deployment `downloaded` stands where `finished` does for the others.
 */
#include "fleet/fleet_priv.h"

#include "base/text.h"
#include "compat/logclass.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACTION_ID_MAX = INT32_MAX,
    HISTORY_TEXT_MAX = 4 << 20, /* escapes, and many rows without details */
    WITHDRAWN_MOST = 8,         /* kept of one device */
    CONFIRMATION_DETAILS = 20,
};

static const char *const state_names[ACTION_STATES] = {
    "wait_for_confirmation",
    "pending",
    "retrieved",
    "running",
    "canceling",
    "finished",
    "downloaded",
    "error",
    "canceled",
    "withdrawn",
};

const char *action_state_name(enum action_state state)
{
    return state_names[state];
}

bool action_active(const struct action *action)
{
    return action->state < ACTION_FINISHED;
}

bool action_unfetched(const struct action *action)
{
    return action->state == ACTION_WAITING || action->state == ACTION_PENDING;
}

/* ---- DDI's words ---- */

enum execution { CLOSED, PROCEEDING, CANCELED, SCHEDULED, REJECTED, RESUMED, DOWNLOAD, DOWNLOADED };
static const char *const executions[] = { "closed",   "proceeding", "canceled", "scheduled",
                                          "rejected", "resumed",    "download", "downloaded" };

enum outcome { SUCCESS, FAILURE, NONE };
static const char *const outcomes[] = { "success", "failure", "none" };

/* @return the place of a word in a list, or -1 */
static int word(const char *const *words, size_t count, const char *text)
{
    for (size_t i = 0; text && i < count; i++)
        if (strcmp(words[i], text) == 0)
            return (int)i;
    return -1;
}

/* ---- history ---- */

static void status_done(struct status *status)
{
    free(status->details);
}

static void history_done(struct action *action)
{
    for (size_t i = 0; i < action->history_count; i++)
        status_done(&action->history[i]);
    free(action->history);
    action->history = NULL;
    action->history_count = 0;
}

void action_done(struct action *action)
{
    history_done(action);
    free(action->detail);
    action->detail = NULL;
}

void action_free(struct action *action)
{
    if (action)
        action_done(action);
    free(action);
}

static size_t details_bytes(const struct action *action)
{
    size_t bytes = 0;

    for (size_t i = 0; i < action->history_count; i++)
        bytes += action->history[i].details ? strlen(action->history[i].details) : 0;
    return bytes;
}

/* When it is full the oldest but the first goes: how it began and how it went lately stays. */
static void history_drop(struct action *action)
{
    status_done(&action->history[1]);
    memmove(&action->history[1], &action->history[2],
            (action->history_count - 2) * sizeof(*action->history));
    action->history_count--;
}

static int history_add(struct action *action, const struct status *status_take, size_t most,
                       struct tn_error *err)
{
    struct status *bigger = realloc(action->history, (action->history_count + 1) * sizeof(*bigger));

    if (!bigger)
        return tn_fail(err, TN_E_NOMEM, "the history of action %lld", (long long)action->id);
    action->history = bigger;
    action->history[action->history_count++] = *status_take;
    while (action->history_count > 2 &&
           (action->history_count > most || details_bytes(action) > HISTORY_DETAILS_MAX))
        history_drop(action);
    return TN_OK;
}

/* For people. */
static json_t *history_json(const struct action *action)
{
    json_t *array = json_array();

    for (size_t i = 0; i < action->history_count; i++) {
        const struct status *status = &action->history[i];
        json_t *json = json_object();

        set_time(json, "time", status->time_ms);
        tn_json_set_str(json, "execution", status->execution);
        tn_json_set_str(json, "finished", status->finished);
        tn_json_set(json, "code",
                    status->code == INT64_MIN ? json_null() : json_integer(status->code));
        tn_json_set_str(json, "details", status->details);
        (void)json_array_append_new(array, json);
    }
    return array;
}

static void add_status(struct tn_buf *text, const struct status *status)
{
    tn_json_add_open(text, "{");
    tn_json_add_key(text, "time_ms");
    tn_json_add_int(text, status->time_ms);
    tn_json_add_key(text, "execution");
    tn_json_add_text(text, status->execution);
    tn_json_add_key(text, "finished");
    tn_json_add_text(text, status->finished);
    if (status->code != INT64_MIN) {
        tn_json_add_key(text, "code");
        tn_json_add_int(text, status->code);
    }
    if (status->details) {
        tn_json_add_key(text, "details");
        tn_json_add_text(text, status->details);
    }
    tn_buf_adds(text, "}");
}

/* As a row has it; nothing of an action that no word was said about. */
static void history_write(const struct action *action, struct tn_buf *text)
{
    if (action->history_count == 0)
        return;
    tn_json_add_open(text, "[");
    for (size_t i = 0; i < action->history_count; i++)
        add_status(text, &action->history[i]);
    tn_buf_adds(text, "]");
}

static int history_read(struct action *action, const char *text)
{
    tn_auto(tn_json_done) json_t *array = NULL;
    const json_t *json;
    size_t at;
    int rc = text ? tn_json_parse(text, strlen(text), "history", &array, NULL) : TN_OK;

    json_array_foreach(array, at, json)
    {
        int execution =
            word(executions, TN_COUNT(executions), tn_json_str(json, "execution", NULL));
        int finished = word(outcomes, TN_COUNT(outcomes), tn_json_str(json, "finished", NULL));
        struct status status = { .time_ms = tn_json_int(json, "time_ms", 0),
                                 .execution = execution < 0 ? NULL : executions[execution],
                                 .finished = finished < 0 ? NULL : outcomes[finished],
                                 .code = tn_json_int(json, "code", INT64_MIN) };

        if (rc == TN_OK)
            rc = copy_text(tn_json_str(json, "details", NULL), &status.details, NULL);
        if (rc == TN_OK)
            rc = history_add(action, &status, SIZE_MAX, NULL);
    }
    return rc;
}

/* ---- rows ---- */

static int action_put(struct tn_fleet *fleet, const struct action *action, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf history = TN_BUF(HISTORY_TEXT_MAX);
    struct tn_row_action row = { .id = action->id,
                                 .device = action->device->id,
                                 .deployment = action->deployment ? action->deployment->id : 0,
                                 .model = action->engine->release->model,
                                 .version = action->engine->release->version,
                                 .digest = action->engine->hex,
                                 .state = state_names[action->state],
                                 .detail = action->detail,
                                 .created_ms = action->created_ms,
                                 .changed_ms = action->changed_ms };
    int rc;

    history_write(action, &history);
    rc = fleet_hurt(fleet, tn_buf_check(&history, "the history of an action", err));
    if (rc < 0)
        return rc;
    row.history = history.data;
    return fleet_put(fleet, TN_TABLE_ACTION, &row, err);
}

/* What the device never fetched cannot have changed it: it would have said a word. What it declared
 * was so before. */
static bool has_touched(const struct action *action)
{
    return action->deployment && action->state != ACTION_WITHDRAWN &&
           (action->state != ACTION_CANCELED || action->history_count > 0);
}

static void join(struct tn_fleet *fleet, struct action *action)
{
    if (action->id >= fleet->next_action)
        fleet->next_action = action->id + 1;
    action->older = action->device->actions;
    action->device->actions = action;
    if (action_active(action))
        action->device->active = action;
    else if (has_touched(action))
        action->device->ended_action = action->id;
    if (action_active(action) || action->state == ACTION_FINISHED)
        load_expect(fleet, action->device, action->engine);
}

int action_of_row(const struct tn_fleet *fleet, const struct tn_row_action *row,
                  struct action *ret_action)
{
    struct release *release = release_find(fleet, row->model, row->version);
    int state = word(state_names, TN_COUNT(state_names), row->state);
    tn_auto(action_done) struct action action = {
        .id = row->id,
        .device = tn_map_get(&fleet->devices, row->device),
        .deployment = deployment_find(fleet, row->deployment),
        .engine = release ? engine_of_release(release, row->digest) : NULL,
        .state = (enum action_state)state,
        .created_ms = row->created_ms,
        .changed_ms = row->changed_ms,
    };
    bool known = action.deployment || row->deployment == 0;
    int rc = state >= 0 && action.device && known && action.engine ? TN_OK : TN_E_CORRUPT;

    if (rc == TN_OK)
        rc = copy_text(row->detail, &action.detail, NULL);
    if (rc == TN_OK)
        rc = history_read(&action, row->history);
    if (rc < 0)
        return rc;
    *ret_action = action;
    action = (struct action) { .id = 0 };
    return TN_OK;
}

/* How an ended one went is read again when somebody asks. */
bool action_load_row(const void *row, void *user)
{
    struct tn_fleet *fleet = user;
    struct action *action = calloc(1, sizeof(*action));
    int rc = action ? action_of_row(fleet, row, action) : TN_E_NOMEM;

    if (rc < 0) {
        action_free(action);
        return fleet_hurt(fleet, rc) == TN_OK;
    }
    join(fleet, action);
    if (!action_active(action))
        history_done(action);
    if (action->deployment && !action->deployment->counted)
        rc = deploy_count_loaded(fleet, action, NULL);
    return fleet_hurt(fleet, rc) == TN_OK;
}

/* ---- giving ---- */

/* A new action like this one, under the next number. */
static int give(struct tn_fleet *fleet, const struct action *like, struct tn_error *err)
{
    struct action *action;
    int rc;

    if (fleet->next_action > ACTION_ID_MAX) /* device clients read it as 32 bits */
        return tn_fail(err, TN_E_TOOBIG, "more than %d actions", (int)ACTION_ID_MAX);
    action = calloc(1, sizeof(*action));
    if (!action)
        return fleet_hurt(fleet, tn_fail(err, TN_E_NOMEM, "an action"));
    *action = *like;
    action->id = fleet->next_action;
    join(fleet, action);
    rc = action->deployment ? fleet_hurt(fleet, deploy_given(fleet, action->deployment, 1, err))
                            : TN_OK;
    return rc < 0 ? rc : action_put(fleet, action, err);
}

int action_assign(struct tn_fleet *fleet, struct tn_fleet_device *device,
                  struct deployment *deployment, struct engine *engine, int64_t now_ms,
                  struct tn_error *err)
{
    bool waits = deployment->confirm && device->auto_confirm_ms == 0;
    const struct action like = { .device = device,
                                 .deployment = deployment,
                                 .engine = engine,
                                 .state = waits ? ACTION_WAITING : ACTION_PENDING,
                                 .created_ms = now_ms,
                                 .changed_ms = now_ms };
    int rc = give(fleet, &like, err);

    fleet->assigned_count += rc == TN_OK;
    return rc;
}

int action_declare(struct tn_fleet *fleet, struct tn_fleet_device *device, struct engine *engine,
                   int64_t now_ms, struct tn_error *err)
{
    const struct action like = { .device = device,
                                 .engine = engine,
                                 .state = ACTION_FINISHED,
                                 .created_ms = now_ms,
                                 .changed_ms = now_ms };
    int rc = give(fleet, &like, err);

    return rc < 0 ? rc : ended_settle(fleet, device, now_ms, err);
}

/* ---- what a device may see ---- */

/* A paused deployment offers nothing that was not fetched yet. */
static bool is_offered(const struct action *action)
{
    return action_active(action) &&
           (!action_unfetched(action) || action->deployment->state == DEPLOYMENT_RUNNING);
}

void action_fill(const struct tn_fleet *fleet, const struct action *action,
                 struct tn_fleet_action *ret_action)
{
    const struct engine *engine = action->engine;
    const struct class *class = action->device->class;
    const struct attachment *attachment =
        class && class->delivery[0] ? attachment_find(fleet, engine->hex, class->delivery) : NULL;

    *ret_action = (struct tn_fleet_action) {
        .id = action->id,
        /* a device knows nothing of the difference: it must not do it, that is all */
        .state = state_names[action->state == ACTION_WITHDRAWN ? ACTION_CANCELED : action->state],
        .canceling = action->state == ACTION_CANCELING,
        .waiting = action->state == ACTION_WAITING,
        .assignment = action->deployment ? action->deployment->assignment : TN_ASSIGN_FORCED,
        .model = engine->release->model,
        .version = engine->release->version,
        .digest = engine->hex,
        .name = engine->name,
        .file_name = attachment ? attachment->name : engine->name,
        .file = attachment ? attachment->file : engine->digest,
        .file_bytes = attachment ? attachment->bytes : engine->bytes,
        .record = engine->record,
        .created_ms = action->created_ms,
        .changed_ms = action->changed_ms,
    };
}

bool tn_fleet_action(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                     struct tn_fleet_action *ret_action)
{
    if (!device->active || !is_offered(device->active))
        return false;
    action_fill(fleet, device->active, ret_action);
    return true;
}

/* One of its actions, from memory or, when it is settled, read into `space`. */
static struct action *of_device(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                                int64_t id, struct action *space)
{
    for (struct action *action = device->actions; action; action = action->older)
        if (action->id == id)
            return action;
    return ended_find(fleet, id, space) && space->device == device ? space : NULL;
}

bool tn_fleet_action_by_id(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                           int64_t id, struct tn_fleet_action *ret_action)
{
    tn_auto(action_done) struct action read = { .id = 0 };
    const struct action *action = of_device(fleet, device, id, &read);

    /* what is not offered yet is none of its business */
    if (!action || (action_active(action) && !is_offered(action)))
        return false;
    action_fill(fleet, action, ret_action);
    return true;
}

/* What it declared since says that it runs another one now, and not which. */
static bool is_outdated(const struct tn_fleet_device *device, const struct action *action)
{
    return device->declared_model &&
           strcmp(device->declared_model, action->engine->release->model) == 0;
}

static const struct action *newest(const struct tn_fleet_device *device, enum action_state state,
                                   const char *model)
{
    for (const struct action *action = device->actions; action; action = action->older)
        if (action->state == state &&
            (!model || strcmp(action->engine->release->model, model) == 0) &&
            !(state == ACTION_FINISHED && is_outdated(device, action)))
            return action;
    return NULL;
}

const struct action *action_installed(const struct tn_fleet_device *device, const char *model)
{
    return newest(device, ACTION_FINISHED, model);
}

const struct action *action_downloaded(const struct tn_fleet_device *device, const char *model)
{
    return newest(device, ACTION_DOWNLOADED, model);
}

bool tn_fleet_installed(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                        struct tn_fleet_action *ret_action)
{
    const struct action *action = action_installed(device, NULL);

    if (!action)
        return false;
    action_fill(fleet, action, ret_action);
    return true;
}

static bool is_file_of(const struct tn_fleet *fleet, const struct action *action,
                       const struct tn_digest *file)
{
    struct tn_fleet_action filled;

    action_fill(fleet, action, &filled);
    return tn_digest_equal(&filled.file, file);
}

bool tn_fleet_may_download(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                           const struct tn_digest *file)
{
    const struct action *active = device->active;

    if (active && is_offered(active) && active->state != ACTION_CANCELING &&
        is_file_of(fleet, active, file))
        return true;
    for (const struct action *action = device->actions; action; action = action->older)
        if (action->state == ACTION_FINISHED && is_file_of(fleet, action, file) &&
            action_installed(device, action->engine->release->model) == action)
            return true;
    return false;
}

/* ---- ending ---- */

static int set_detail(struct action *action, const char *text, struct tn_error *err)
{
    char cut[DETAIL_MAX];
    char *copy = NULL;
    int rc;

    (void)tn_text_copy(cut, sizeof(cut), text);
    rc = copy_text(cut, &copy, err);
    if (rc < 0)
        return rc;
    free(action->detail);
    action->detail = copy;
    return TN_OK;
}

/* The one place where a state changes after the beginning. */
static int change(struct tn_fleet *fleet, struct action *action, enum action_state state,
                  int64_t now_ms, struct tn_error *err)
{
    int rc;

    action->state = state;
    action->changed_ms = now_ms;
    rc = action_put(fleet, action, err);
    if (rc < 0 || action_active(action))
        return rc;
    action->device->active = NULL;
    if (has_touched(action))
        action->device->ended_action = action->id;
    history_done(action);
    if (state == ACTION_FINISHED && declared_forget(action->device, action->engine->release->model))
        rc = device_put(fleet, action->device, err);
    if (rc == TN_OK)
        rc = deploy_ended(fleet, action, now_ms, err);
    return rc < 0 ? rc : ended_settle(fleet, action->device, now_ms, err);
}

static int end_pending(struct tn_fleet *fleet, struct action *action, enum action_state state,
                       const char *why, int64_t now_ms, struct tn_error *err)
{
    int rc = fleet_hurt(fleet, set_detail(action, why, err));

    assert(action_unfetched(action));
    return rc < 0 ? rc : change(fleet, action, state, now_ms, err);
}

int action_withdraw(struct tn_fleet *fleet, struct action *action, const char *why, int64_t now_ms,
                    struct tn_error *err)
{
    return end_pending(fleet, action, ACTION_WITHDRAWN, why, now_ms, err);
}

int action_stop(struct tn_fleet *fleet, struct action *action, const char *why, int64_t now_ms,
                struct tn_error *err)
{
    int rc;

    if (action_unfetched(action))
        return end_pending(fleet, action, ACTION_CANCELED, why, now_ms, err);
    if (action->state == ACTION_CANCELING)
        return TN_OK;
    rc = fleet_hurt(fleet, set_detail(action, why, err));
    return rc < 0 ? rc : change(fleet, action, ACTION_CANCELING, now_ms, err);
}

int tn_fleet_cancel(struct tn_fleet *fleet, int64_t id, const char *who, int64_t now_ms,
                    struct tn_error *err)
{
    tn_auto(action_done) struct action read = { .id = 0 };
    struct tn_fleet_device *device;
    int rc;

    if (!ended_find(fleet, id, &read))
        return tn_fail(err, TN_E_NOTFOUND, "no action %lld", (long long)id);
    if (!action_active(&read))
        return tn_fail(err, TN_E_USAGE, "action %lld has ended: %s", (long long)id,
                       state_names[read.state]);
    device = read.device;
    rc = action_stop(fleet, device->active, "canceled by the operator", now_ms, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "action-cancel", now_ms,
                         json_pack("{s:I,s:s}", "id", (json_int_t)id, "device", device->id), err);
    return rc < 0 ? rc : deploy_device(fleet, device, now_ms, err);
}

/* ---- what the device says ---- */

int tn_fleet_retrieved(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                       int64_t now_ms, struct tn_error *err)
{
    tn_auto(action_done) struct action read = { .id = 0 };
    struct action *action = of_device(fleet, device, id, &read);

    if (!action || (action_active(action) && !is_offered(action)))
        return tn_fail(err, TN_E_NOTFOUND, "no action %lld of this device", (long long)id);
    if (action->state != ACTION_PENDING)
        return TN_OK;
    return change(fleet, action, ACTION_RETRIEVED, now_ms, err);
}

/* The first line that a class of failures knows, else the last one. */
static const char *telling_line(const struct tn_feedback *feedback)
{
    const char *last = NULL;

    for (size_t i = 0; i < feedback->detail_count; i++) {
        const struct tn_log_class *row = tn_log_classify(feedback->details[i]);

        if (row && row->scope != TN_LOG_GENERIC && row->scope != TN_LOG_WARNING)
            return feedback->details[i];
        if (feedback->details[i][0])
            last = feedback->details[i];
    }
    return last;
}

static int keep_status(struct tn_fleet *fleet, struct action *action,
                       const struct tn_feedback *feedback, int64_t now_ms, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf details = TN_BUF(STATUS_DETAILS_MAX);
    int execution = word(executions, TN_COUNT(executions), feedback->execution);
    int finished = word(outcomes, TN_COUNT(outcomes), feedback->finished);
    struct status status = { .time_ms = now_ms,
                             .execution = executions[execution],
                             .finished = outcomes[finished],
                             .code = feedback->code };
    const char *line = telling_line(feedback);
    int rc = line ? set_detail(action, line, err) : TN_OK;

    /* lines beyond the limit are dropped: the buffer keeps what fits */
    for (size_t i = 0; i < feedback->detail_count && !details.failed; i++) {
        if (i > 0)
            tn_buf_adds(&details, "\n");
        tn_text_add_safe(&details, feedback->details[i], strlen(feedback->details[i]));
    }
    if (rc == TN_OK && details.size > 0)
        rc = copy_text(tn_buf_text(&details), &status.details, err);
    if (rc == TN_OK)
        rc = history_add(action, &status, (size_t)fleet->options.history_most, err);
    if (rc < 0)
        status_done(&status);
    return fleet_hurt(fleet, rc);
}

static enum action_state still_open(const struct action *action)
{
    return action->state == ACTION_CANCELING ? ACTION_CANCELING : ACTION_RUNNING;
}

static int check_words(const struct tn_feedback *feedback, struct tn_error *err)
{
    if (word(executions, TN_COUNT(executions), feedback->execution) < 0)
        return tn_fail(err, TN_E_INVALID, "execution '%.40s' is not one of DDI's",
                       feedback->execution ? feedback->execution : "");
    if (word(outcomes, TN_COUNT(outcomes), feedback->finished) < 0)
        return tn_fail(err, TN_E_INVALID, "finished '%.40s' is not one of DDI's",
                       feedback->finished ? feedback->finished : "");
    return TN_OK;
}

static enum action_state next_state(const struct action *action, const struct tn_feedback *feedback)
{
    bool download_only = action->deployment->assignment == TN_ASSIGN_DOWNLOAD_ONLY;
    bool failed = strcmp(feedback->finished, outcomes[FAILURE]) == 0;

    switch ((enum execution)word(executions, TN_COUNT(executions), feedback->execution)) {
    case CLOSED: /* it was told to install nothing: this cannot mean that it did */
        return failed ? ACTION_ERROR : download_only ? ACTION_DOWNLOADED : ACTION_FINISHED;
    case CANCELED:
        return ACTION_CANCELED;
    case DOWNLOADED:
        if (download_only)
            return failed ? ACTION_ERROR : ACTION_DOWNLOADED;
        return still_open(action);
    case REJECTED: /* a warning: it stays open */
    case PROCEEDING:
    case SCHEDULED:
    case RESUMED:
    case DOWNLOAD:
    default:
        return still_open(action);
    }
}

static int ended(struct tn_fleet *fleet, struct action *action, const struct tn_feedback *feedback,
                 int64_t now_ms, struct tn_error *err)
{
    int rc = TN_OK;

    if (action->state != ACTION_CANCELED)
        rc = evidence_take(fleet, action, feedback, now_ms, err);
    return rc < 0 ? rc : deploy_device(fleet, action->device, now_ms, err);
}

int tn_fleet_feedback(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                      const struct tn_feedback *feedback, int64_t now_ms, struct tn_error *err)
{
    tn_auto(action_done) struct action read = { .id = 0 };
    struct action *action = of_device(fleet, device, id, &read);
    int rc = check_words(feedback, err);

    if (rc < 0)
        return rc;
    if (!action || (action_active(action) && !is_offered(action)) ||
        action->state == ACTION_WAITING)
        return tn_fail(err, TN_E_NOTFOUND, "no action %lld of this device", (long long)id);
    if (!action_active(action))
        return tn_fail(err, TN_E_CANCELLED, "action %lld has ended: %s", (long long)id,
                       state_names[action->state]);
    rc = keep_status(fleet, action, feedback, now_ms, err);
    if (rc == TN_OK)
        rc = change(fleet, action, next_state(action, feedback), now_ms, err);
    return rc < 0 || action_active(action) ? rc : ended(fleet, action, feedback, now_ms, err);
}

/* "closed" accepts the cancellation unless it failed; "rejected" refuses it. Anything else is only
 * noted. */
static enum action_state next_canceling(const struct tn_feedback *feedback)
{
    bool failed = strcmp(feedback->finished, outcomes[FAILURE]) == 0;

    if (strcmp(feedback->execution, executions[CLOSED]) == 0)
        return failed ? ACTION_RUNNING : ACTION_CANCELED;
    return strcmp(feedback->execution, executions[REJECTED]) == 0 ? ACTION_RUNNING
                                                                  : ACTION_CANCELING;
}

int tn_fleet_cancel_feedback(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                             const struct tn_feedback *feedback, int64_t now_ms,
                             struct tn_error *err)
{
    tn_auto(action_done) struct action read = { .id = 0 };
    struct action *action = of_device(fleet, device, id, &read);
    int rc = check_words(feedback, err);

    if (rc < 0)
        return rc;
    if (!action || (action_active(action) && action->state != ACTION_CANCELING))
        return tn_fail(err, TN_E_NOTFOUND, "action %lld is not being canceled", (long long)id);
    if (action->state == ACTION_CANCELED)
        return TN_OK; /* said twice */
    if (!action_active(action))
        return tn_fail(err, TN_E_CANCELLED, "action %lld has ended: %s", (long long)id,
                       state_names[action->state]);
    rc = keep_status(fleet, action, feedback, now_ms, err);
    if (rc == TN_OK)
        rc = change(fleet, action, next_canceling(feedback), now_ms, err);
    return rc < 0 || action_active(action) ? rc : deploy_device(fleet, device, now_ms, err);
}

/* ---- confirmations ---- */

static const char *const confirmations[] = { "confirmed", "denied" };

/* What it said, as a row of its history. */
static int keep_confirmation(struct tn_fleet *fleet, struct action *action, const char *word_,
                             const struct tn_feedback *said, int64_t now_ms, struct tn_error *err)
{
    const char *details[CONFIRMATION_DETAILS] = { word_ };
    struct tn_feedback row = { .execution = executions[PROCEEDING],
                               .finished = outcomes[NONE],
                               .details = details,
                               .detail_count = 1,
                               .code = said ? said->code : INT64_MIN };

    for (size_t i = 0; said && i < said->detail_count && row.detail_count < TN_COUNT(details); i++)
        details[row.detail_count++] = said->details[i];
    return keep_status(fleet, action, &row, now_ms, err);
}

int tn_fleet_confirm(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                     const char *confirmation, const struct tn_feedback *said, int64_t now_ms,
                     struct tn_error *err)
{
    tn_auto(action_done) struct action read = { .id = 0 };
    struct action *action = of_device(fleet, device, id, &read);
    int which = word(confirmations, TN_COUNT(confirmations), confirmation);
    int rc;

    if (which < 0)
        return tn_fail(err, TN_E_INVALID, "a confirmation is 'confirmed' or 'denied'");
    if (action && !action_active(action))
        return tn_fail(err, TN_E_CANCELLED, "action %lld has ended: %s", (long long)id,
                       state_names[action->state]);
    if (!action || action->state != ACTION_WAITING || !is_offered(action))
        return tn_fail(err, TN_E_NOTFOUND, "action %lld waits for no confirmation", (long long)id);
    rc = keep_confirmation(fleet, action, confirmations[which], said, now_ms, err);
    return rc < 0
               ? rc
               : change(fleet, action, which == 0 ? ACTION_PENDING : ACTION_WAITING, now_ms, err);
}

int64_t tn_fleet_auto_confirm_ms(const struct tn_fleet_device *device)
{
    return device->auto_confirm_ms;
}

int tn_fleet_auto_confirm(struct tn_fleet *fleet, struct tn_fleet_device *device, bool active,
                          int64_t now_ms, struct tn_error *err)
{
    struct action *action = device->active;
    int rc;

    if (active == (device->auto_confirm_ms != 0))
        return TN_OK;
    device->auto_confirm_ms = !active ? 0 : now_ms > 0 ? now_ms : 1;
    rc = device_put(fleet, device, err);
    if (rc < 0 || !active || !action || action->state != ACTION_WAITING)
        return rc;
    rc = keep_confirmation(fleet, action, "confirmed: the device confirms everything", NULL, now_ms,
                           err);
    return rc < 0 ? rc : change(fleet, action, ACTION_PENDING, now_ms, err);
}

/* ---- JSON ---- */

json_t *action_to_json(const struct action *action, bool with_history)
{
    const struct engine *engine = action->engine;
    json_t *json = json_object();

    tn_json_set_int(json, "id", action->id);
    tn_json_set_str(json, "device", action->device->id);
    tn_json_set_int(json, "deployment", action->deployment ? action->deployment->id : -1);
    tn_json_set_str(json, "model", engine->release->model);
    tn_json_set_str(json, "version", engine->release->version);
    tn_json_set_str(json, "digest", engine->hex);
    tn_json_set_str(json, "name", engine->name);
    tn_json_set_str(json, "precision", tn_precision_name(engine->precision));
    tn_json_set_str(json, "type",
                    action->deployment ? assignment_name(action->deployment->assignment)
                                       : "declared");
    tn_json_set_str(json, "state", state_names[action->state]);
    tn_json_set_str(json, "detail", action->detail);
    tn_json_set(json, "offered", json_boolean(is_offered(action)));
    set_time(json, "created", action->created_ms);
    set_time(json, "changed", action->changed_ms);
    if (with_history)
        tn_json_set(json, "history", history_json(action));
    return json;
}
