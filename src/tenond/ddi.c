#include "tenond/ddi.h"

#include "base/json.h"
#include "base/text.h"
#include "tenond/ddi_json.h"
#include "tenond/tenond.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BASE_SEGMENTS = 4,
    POLL_MOST = 4096,
    BASE_MOST = 2048,
    HISTORY_MOST = 100,
    DEPLOYMENT_MOST = 1 << 20 /* with a whole history */
};

static const char type_text[] = "text/plain";

/* ---- answers ---- */

/* hawkBit's type unless the client asks for plain JSON; the type of a reply follows Accept. */
static const char *type_for(const struct tn_http_request *request)
{
    const char *accept = tn_http_header(request, "Accept");

    if (!accept || strstr(accept, "application/hal+json") || !strstr(accept, "application/json"))
        return "application/hal+json";
    return strstr(accept, "charset=UTF-8") ? "application/json;charset=UTF-8" : "application/json";
}

/* A reply that a client may hold against If-None-Match. */
static void reply_cacheable(struct tn_http_request *request, const char *text, size_t size)
{
    const char *known = tn_http_header(request, "If-None-Match");
    uint64_t hash = UINT64_C(14695981039346656037);
    char etag[24];

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    (void)snprintf(etag, sizeof(etag), "\"%016" PRIx64 "\"", hash);
    tn_http_set_header(request, "ETag", etag);
    if (known && tn_etag_listed(known, etag, true))
        tn_http_reply(request, 304, NULL, NULL, 0);
    else
        tn_http_reply(request, 200, type_for(request), text, size);
}

static void reply_text(struct tn_http_request *request, const struct tn_buf *text)
{
    if (tn_buf_check(text, "a reply", NULL) == TN_OK)
        reply_cacheable(request, tn_buf_text(text), text->size);
}

static void reply_empty(struct tn_http_request *request, int status)
{
    tn_http_reply(request, status, NULL, NULL, 0);
}

/* The shape of hawkBit's errors, which clients show to people. */
static void reply_trouble(struct tn_http_request *request, int status, const char *code,
                          const char *message)
{
    json_t *json = json_pack("{s:s, s:s}", "errorCode", code, "message", message);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    tn_http_reply(request, status, type_for(request), text, text ? strlen(text) : 0);
    free(text);
}

static void reply_unreadable(struct tn_http_request *request)
{
    reply_trouble(request, 400, "hawkbit.server.error.rest.body.notReadable",
                  "The given request body is not well formed");
}

static void reply_unknown_action(struct tn_http_request *request, int64_t id)
{
    char message[80];

    (void)snprintf(message, sizeof(message),
                   "Action with given identifier {%" PRId64 "} does not exist.", id);
    reply_trouble(request, 404, "hawkbit.server.error.repo.entityNotFound", message);
}

static void reply_unassigned(struct tn_http_request *request)
{
    reply_trouble(request, 404, "hawkbit.server.error.repo.entityNotFound",
                  "No assignment found for this software module to the target.");
}

/* ---- what the path names ---- */

struct tn_fleet_device *tn_tenond_device(struct tn_tenond *tenond, struct tn_http_request *request)
{
    struct tn_fleet_device *device = tn_fleet_device(tenond->fleet, tn_http_part(request, "id"));

    if (!device)
        reply_trouble(request, 404, "hawkbit.server.error.repo.entityNotFound",
                      "The target does not exist.");
    return device;
}

/* "http://HOST/default/controller/v1/ID", everything as the client wrote it. */
static void base_of(struct tn_http_request *request, struct tn_buf *ret_base)
{
    const char *path = tn_http_path(request), *end = path;

    for (int i = 0; i < BASE_SEGMENTS; i++)
        end += 1 + strcspn(end + 1, "/");
    tn_buf_adds(ret_base, tn_http_origin(request));
    tn_buf_add(ret_base, path, (size_t)(end - path));
}

/* The same with the tenant's own name, for the links of files: older Zephyr polls "/default/…" and
 * looks for "/DEFAULT/controller/v1" in them. */
static void file_base_of(struct tn_http_request *request, struct tn_buf *ret_base)
{
    size_t tenant = strlen(tn_http_origin(request)) + 1;

    base_of(request, ret_base);
    for (size_t i = tenant; i < ret_base->size && ret_base->data[i] != '/'; i++)
        ret_base->data[i] = (char)toupper((unsigned char)ret_base->data[i]);
}

/* The number in the path. @return 0 after it was answered */
static int64_t action_id(struct tn_http_request *request)
{
    const char *text = tn_http_part(request, "action");
    int64_t id = tn_ddi_id(text);

    if (id > 0)
        return id;
    if (text[strspn(text, "0123456789")] == '\0')
        reply_unknown_action(request, 0);
    else
        reply_unreadable(request);
    return 0;
}

/* An action of the device that asks. @return whether it is there; else it is answered */
static bool action_of(struct tn_tenond *tenond, struct tn_http_request *request,
                      struct tn_fleet_device **ret_device, struct tn_fleet_action *ret_action)
{
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    int64_t id = device ? action_id(request) : 0;

    if (id == 0)
        return false;
    if (!tn_fleet_action_by_id(tenond->fleet, device, id, ret_action)) {
        reply_unknown_action(request, id);
        return false;
    }
    *ret_device = device;
    return true;
}

static bool hashes_of(struct tn_tenond *tenond, struct tn_http_request *request,
                      const struct tn_fleet_action *action, struct tn_blob_hashes *ret_hashes)
{
    struct tn_error err = { 0 };

    if (tn_blobs_hashes(tenond->blobs, &action->file, ret_hashes, &err) == TN_OK)
        return true;
    tn_http_reply_error(request, &err);
    return false;
}

/* ---- poll ---- */

/* Another one when the deployment would read otherwise: a cache must not answer with the old one.
 */
static uint32_t mark_of(const struct tn_fleet_action *action)
{
    uint32_t mark;

    (void)memcpy(&mark, action->file.sha256, sizeof(mark));
    return (mark ^ ((uint32_t)action->assignment << 29)) & 0x7fffffff;
}

void tn_ddi_poll(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(POLL_MOST);
    tn_auto(tn_buf_done) struct tn_buf base = TN_BUF(BASE_MOST);
    struct tn_fleet_action action;
    struct tn_ddi_poll poll;

    if (!device)
        return;
    tenond->polls++;
    tn_fleet_seen(tenond->fleet, device, tn_tenond_now_ms());
    base_of(request, &base);
    poll = (struct tn_ddi_poll) {
        .base = tn_buf_text(&base),
        .sleep_s = tn_ddi_sleep_s(tn_fleet_poll_seconds(tenond->fleet, device),
                                  tn_http_part(request, "id")),
        .attributes = tn_fleet_wants_attributes(device),
    };
    if (tn_fleet_action(tenond->fleet, device, &action)) {
        *(action.canceling ? &poll.cancel_id
          : action.waiting ? &poll.confirmation_id
                           : &poll.deployment_id) = action.id;
        poll.deployment_mark = mark_of(&action);
    }
    if (tn_fleet_installed(tenond->fleet, device, &action))
        poll.installed_id = action.id;
    tn_ddi_poll_write(&text, &poll);
    reply_text(request, &text);
}

/* ---- attributes ---- */

static bool mode_of(const json_t *json, enum tn_attributes_mode *ret_mode)
{
    static const struct {
        const char *word;
        enum tn_attributes_mode mode;
    } modes[] = {
        { "merge", TN_ATTRIBUTES_MERGE },
        { "replace", TN_ATTRIBUTES_REPLACE },
        { "remove", TN_ATTRIBUTES_REMOVE },
    };
    const char *word = tn_json_str(json, "mode", "merge");

    for (size_t i = 0; i < TN_COUNT(modes); i++)
        if (strcasecmp(modes[i].word, word) == 0) {
            *ret_mode = modes[i].mode;
            return true;
        }
    return false;
}

static json_t *body_json(struct tn_http_request *request)
{
    json_t *json = NULL;
    const char *text;
    size_t size;

    text = tn_http_body(request, &size);
    if (tn_json_parse(text, size, "body", &json, NULL) < 0 || !json_is_object(json)) {
        json_decref(json);
        reply_unreadable(request);
        return NULL;
    }
    return json;
}

void tn_ddi_config_data(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    tn_auto(tn_json_done) json_t *json = device ? body_json(request) : NULL;
    const json_t *data = json_object_get(json, "data");
    enum tn_attributes_mode mode;
    struct tn_error err = { 0 };
    int rc;

    if (!json)
        return;
    if (!json_is_object(data) || !mode_of(json, &mode)) {
        reply_unreadable(request);
        return;
    }
    rc = tn_fleet_attributes(tenond->fleet, device, mode, data, tn_tenond_now_ms(), &err);
    if (rc == TN_OK)
        reply_empty(request, 200);
    else if (rc == TN_E_INVALID)
        reply_trouble(request, 400, "hawkbit.server.error.repo.invalidTargetAttributes",
                      "The given target attributes are invalid");
    else if (rc == TN_E_TOOBIG)
        reply_trouble(request, 403, "hawkbit.server.error.quota.tooManyEntries",
                      "Too many entries have been inserted.");
    else
        tn_http_reply_error(request, &err);
}

/* ---- deployments ---- */

static bool is_active(const struct tn_fleet_action *action)
{
    static const char *const ended[] = { "finished", "downloaded", "error", "canceled" };

    for (size_t i = 0; i < TN_COUNT(ended); i++)
        if (strcmp(action->state, ended[i]) == 0)
            return false;
    return true;
}

static const char *upper(const char *state, char *ret_text, size_t size)
{
    (void)tn_text_copy(ret_text, size, state);
    for (char *at = ret_text; *at; at++)
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    return ret_text;
}

/* The lines of one row of history, last first, which cuts the row's text.
 * @return how many of `most` are left */
static int64_t add_messages(struct tn_buf *json, char *text, int64_t most)
{
    size_t end = strlen(text);

    for (; end > 0 && most > 0; most--) {
        size_t start = end;

        while (start > 0 && text[start - 1] != '\n')
            start--;
        text[end] = '\0';
        tn_json_add_text(json, text + start);
        end = start > 0 ? start - 1 : 0;
    }
    return most;
}

/* ?actionHistory=N: the newest N messages; negative = all that are kept. */
static void add_history(struct tn_tenond *tenond, struct tn_http_request *request,
                        const struct tn_fleet_action *action, struct tn_buf *json)
{
    const char *wanted = tn_http_query(request, "actionHistory");
    tn_auto(tn_json_done) json_t *whole = NULL;
    const json_t *history;
    int64_t most;
    char state[24];

    if (!wanted || !tn_text_i64(wanted, &most) || most == 0)
        return;
    whole = tn_fleet_action_json(tenond->fleet, action->id);
    history = json_object_get(whole, "history");
    most = most < 0 || most > HISTORY_MOST ? HISTORY_MOST : most;
    tn_buf_addf(json, ",\"actionHistory\":{\"status\":\"%s\",\"messages\":[",
                upper(action->state, state, sizeof(state)));
    for (size_t i = json_array_size(history); i-- > 0 && most > 0;) {
        const char *details = tn_json_str(json_array_get(history, i), "details", "");
        tn_auto(tn_str_free) char *text = strdup(details);

        most = text ? add_messages(json, text, most) : 0;
    }
    tn_buf_adds(json, "]}");
}

static void reply_deployment(struct tn_tenond *tenond, struct tn_http_request *request,
                             const struct tn_fleet_action *action)
{
    tn_auto(tn_buf_done) struct tn_buf base = TN_BUF(BASE_MOST);
    tn_auto(tn_buf_done) struct tn_buf json = TN_BUF(DEPLOYMENT_MOST);
    struct tn_blob_hashes hashes;
    struct tn_ddi_place place;

    if (!hashes_of(tenond, request, action, &hashes))
        return;
    file_base_of(request, &base);
    place = (struct tn_ddi_place) { tn_buf_text(&base), tn_http_is_tls(request) };
    tn_ddi_deployment_write(&json, &place, action, &hashes);
    add_history(tenond, request, action, &json);
    tn_buf_adds(&json, "}");
    reply_text(request, &json);
}

void tn_ddi_deployment_base(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device;
    struct tn_fleet_action action;
    struct tn_error err = { 0 };
    int64_t now = tn_tenond_now_ms();

    if (!action_of(tenond, request, &device, &action))
        return;
    /* also once it was withdrawn: who saw the link before must not install it now */
    if (action.canceling || action.waiting || strcmp(action.state, "canceled") == 0) {
        reply_empty(request, 404);
        return;
    }
    tn_fleet_seen(tenond->fleet, device, now);
    /* a finished one is shown and stays finished (hawkBit puts it back to "retrieved") */
    if (is_active(&action) && strcmp(tn_http_method(request), "GET") == 0) {
        if (strcmp(action.state, "pending") == 0 && !tn_tenond_may_write(tenond, request))
            return;
        if (tn_fleet_retrieved(tenond->fleet, device, action.id, now, &err) < 0) {
            tn_http_reply_error(request, &err);
            return;
        }
        (void)tn_fleet_action_by_id(tenond->fleet, device, action.id, &action);
    }
    reply_deployment(tenond, request, &action);
}

void tn_ddi_installed_base(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device;
    struct tn_fleet_action action;

    if (!action_of(tenond, request, &device, &action))
        return;
    if (strcmp(action.state, "finished") != 0)
        reply_unknown_action(request, action.id);
    else
        reply_deployment(tenond, request, &action);
}

/* The device runs that release already; `digest` is our own agent's word for which engine. */
void tn_ddi_declare(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    tn_auto(tn_json_done) json_t *json = device ? body_json(request) : NULL;
    const char *name = tn_json_str(json, "name", NULL);
    const char *version = tn_json_str(json, "version", NULL);
    struct tn_error err = { 0 };
    bool changed = false;
    int rc;

    if (!json)
        return;
    if (!name || !version) {
        reply_unreadable(request);
        return;
    }
    rc = tn_fleet_declare(tenond->fleet, device, name, version, tn_json_str(json, "digest", NULL),
                          tn_tenond_now_ms(), &changed, &err);
    if (rc == TN_OK)
        reply_empty(request, changed ? 201 : 200);
    else if (rc == TN_E_NOTFOUND)
        reply_trouble(request, 404, "hawkbit.server.error.repo.entityNotFound", err.text);
    else
        tn_http_reply_error(request, &err);
}

typedef int (*feedback_fn)(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                           const struct tn_feedback *feedback, int64_t now_ms,
                           struct tn_error *err);

/* `rc` is what the fleet said to a device's word about action `id`. */
static void reply_to_word(struct tn_http_request *request, int64_t id, int rc,
                          const struct tn_error *err)
{
    if (rc == TN_OK)
        reply_empty(request, 200);
    else if (rc == TN_E_NOTFOUND)
        reply_unknown_action(request, id);
    else if (rc == TN_E_CANCELLED)
        reply_empty(request, 410);
    else if (rc == TN_E_INVALID)
        reply_unreadable(request);
    else
        tn_http_reply_error(request, err);
}

static void take_feedback(struct tn_tenond *tenond, struct tn_http_request *request,
                          feedback_fn take)
{
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    int64_t id = device ? action_id(request) : 0;
    tn_auto(tn_json_done) json_t *json = id > 0 ? body_json(request) : NULL;
    struct tn_ddi_feedback feedback;
    struct tn_error err = { 0 };
    int rc;

    if (!json)
        return;
    if (!tn_ddi_feedback_read(json, &feedback)) {
        reply_unreadable(request);
        return;
    }
    rc = take(tenond->fleet, device, id, &feedback.feedback, tn_tenond_now_ms(), &err);
    reply_to_word(request, id, rc, &err);
}

void tn_ddi_deployment_feedback(struct tn_http_request *request, void *user)
{
    take_feedback(user, request, tn_fleet_feedback);
}

void tn_ddi_cancel_feedback(struct tn_http_request *request, void *user)
{
    take_feedback(user, request, tn_fleet_cancel_feedback);
}

void tn_ddi_cancel_action(struct tn_http_request *request, void *user)
{
    tn_auto(tn_buf_done) struct tn_buf json = TN_BUF(POLL_MOST);
    struct tn_fleet_device *device;
    struct tn_fleet_action action;

    if (!action_of(user, request, &device, &action))
        return;
    if (!action.canceling) {
        reply_empty(request, 404);
        return;
    }
    tn_buf_addf(&json, "{\"id\":\"%" PRId64 "\",\"cancelAction\":{\"stopId\":\"%" PRId64 "\"}}",
                action.id, action.id);
    reply_text(request, &json);
}

/* ---- confirmations ---- */

static void add_link(struct tn_buf *json, const char *name, const char *base)
{
    tn_json_add_key(json, name);
    tn_buf_adds(json, "{\"href\":\"");
    tn_ddi_add_url(json, base);
    tn_buf_adds(json, "/confirmationBase/");
}

void tn_ddi_confirmation_base(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    const struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    tn_auto(tn_buf_done) struct tn_buf base = TN_BUF(BASE_MOST);
    tn_auto(tn_buf_done) struct tn_buf json = TN_BUF(POLL_MOST);
    int64_t since = device ? tn_fleet_auto_confirm_ms(device) : 0;
    const char *change = since ? "deactivateAutoConfirm" : "activateAutoConfirm";
    struct tn_fleet_action action;

    if (!device)
        return;
    base_of(request, &base);
    tn_buf_addf(&json, "{\"autoConfirm\":{\"active\":%s,\"activatedAt\":%" PRId64 "}",
                since ? "true" : "false", since);
    tn_json_add_key(&json, "_links");
    tn_json_add_open(&json, "{");
    add_link(&json, change, tn_buf_text(&base));
    tn_buf_addf(&json, "%s\"}", change);
    if (tn_fleet_action(tenond->fleet, device, &action) && action.waiting) {
        add_link(&json, "confirmationBase", tn_buf_text(&base));
        tn_buf_addf(&json, "%" PRId64 "?c=%" PRIu32 "\"}", action.id, mark_of(&action));
    }
    tn_buf_adds(&json, "}}");
    reply_text(request, &json);
}

void tn_ddi_confirmation(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device;
    struct tn_fleet_action action;

    if (!action_of(tenond, request, &device, &action))
        return;
    if (!action.waiting)
        reply_unknown_action(request, action.id);
    else
        reply_deployment(tenond, request, &action);
}

void tn_ddi_confirmation_feedback(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    int64_t id = device ? action_id(request) : 0;
    tn_auto(tn_json_done) json_t *json = id > 0 ? body_json(request) : NULL;
    struct tn_ddi_feedback said;
    struct tn_error err = { 0 };
    const char *word;

    if (!json)
        return;
    word = tn_ddi_confirmation_read(json, &said);
    reply_to_word(
        request, id,
        tn_fleet_confirm(tenond->fleet, device, id, word, &said.feedback, tn_tenond_now_ms(), &err),
        &err);
}

/* Who wants it and why, as hawkBit's clients may say, is the device's own business. */
static void auto_confirm(struct tn_tenond *tenond, struct tn_http_request *request, bool active)
{
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    struct tn_error err = { 0 };

    if (!device)
        return;
    if (tn_fleet_auto_confirm(tenond->fleet, device, active, tn_tenond_now_ms(), &err) < 0)
        tn_http_reply_error(request, &err);
    else
        reply_empty(request, 200);
}

void tn_ddi_auto_confirm(struct tn_http_request *request, void *user)
{
    auto_confirm(user, request, true);
}

void tn_ddi_no_auto_confirm(struct tn_http_request *request, void *user)
{
    auto_confirm(user, request, false);
}

/* ---- loads outside an action ---- */

static void reply_outcomes(struct tn_http_request *request, const struct tn_outcomes *outcomes)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256);

    tn_buf_addf(&text,
                "{\"position\":%" PRId64 ",\"counted\":%" PRId64 ",\"known\":%" PRId64
                ",\"skipped\":%" PRId64 "}",
                outcomes->position, outcomes->counted, outcomes->known, outcomes->skipped);
    tn_http_reply(request, 200, type_for(request), tn_buf_text(&text), text.size);
}

void tn_ddi_outcomes(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    tn_auto(tn_json_done) json_t *json = device ? body_json(request) : NULL;
    int64_t now = tn_tenond_now_ms();
    struct tn_outcomes outcomes;
    struct tn_error err = { 0 };
    int rc;

    if (!json)
        return;
    tn_fleet_seen(tenond->fleet, device, now);
    rc = tn_fleet_outcomes(tenond->fleet, device, json, now, &outcomes, &err);
    if (rc == TN_OK) {
        reply_outcomes(request, &outcomes);
    } else if (rc == TN_E_INVALID) {
        reply_unreadable(request);
    } else if (rc == TN_E_TOOBIG) {
        reply_trouble(request, 403, "hawkbit.server.error.quota.tooManyEntries", err.text);
    } else if (rc == TN_E_AGAIN) {
        tn_http_set_header(request, "Retry-After", "600");
        reply_trouble(request, 429, "tenon.server.error.tooManyOutcomes", err.text);
    } else {
        tn_http_reply_error(request, &err);
    }
}

/* ---- files ---- */

/* The action whose file the path names, when this device may have it. */
static bool assigned(struct tn_tenond *tenond, struct tn_http_request *request,
                     struct tn_fleet_action *ret_action)
{
    struct tn_fleet_device *device = tn_tenond_device(tenond, request);
    int64_t id = tn_ddi_id(tn_http_part(request, "module"));

    if (!device)
        return false;
    if (id > 0 && tn_fleet_action_by_id(tenond->fleet, device, id, ret_action) &&
        tn_fleet_may_download(tenond->fleet, device, &ret_action->file))
        return true;
    reply_unassigned(request);
    return false;
}

void tn_ddi_artifacts(struct tn_http_request *request, void *user)
{
    tn_auto(tn_buf_done) struct tn_buf base = TN_BUF(BASE_MOST);
    tn_auto(tn_buf_done) struct tn_buf json = TN_BUF(DEPLOYMENT_MOST);
    struct tn_tenond *tenond = user;
    struct tn_blob_hashes hashes;
    struct tn_fleet_action action;
    struct tn_ddi_place place;

    if (!assigned(tenond, request, &action) || !hashes_of(tenond, request, &action, &hashes))
        return;
    file_base_of(request, &base);
    place = (struct tn_ddi_place) { tn_buf_text(&base), tn_http_is_tls(request) };
    tn_json_add_open(&json, "[");
    tn_ddi_artifact_write(&json, &place, &action, &hashes);
    tn_buf_adds(&json, "]");
    reply_text(request, &json);
}

static void reply_md5sum(struct tn_http_request *request, const struct tn_fleet_action *action,
                         const struct tn_blob_hashes *hashes)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(BASE_MOST);

    tn_buf_addf(&text, "%s  %s", hashes->md5, action->file_name);
    tn_http_reply(request, 200, type_text, tn_buf_text(&text), text.size);
}

void tn_ddi_download(struct tn_http_request *request, void *user)
{
    const char *wanted = tn_http_part(request, "file");
    struct tn_tenond *tenond = user;
    struct tn_http_file file = { .fd = -1 };
    struct tn_blob_hashes hashes;
    struct tn_fleet_action action;
    struct tn_error err = { 0 };
    char etag[48];
    size_t length;

    if (!assigned(tenond, request, &action) || !hashes_of(tenond, request, &action, &hashes))
        return;
    length = strlen(action.file_name);
    if (strncmp(wanted, action.file_name, length) != 0 ||
        (wanted[length] && strcmp(wanted + length, ".MD5SUM") != 0)) {
        reply_unassigned(request);
        return;
    }
    if (wanted[length]) {
        reply_md5sum(request, &action, &hashes);
        return;
    }
    if (tn_blobs_read(tenond->blobs, &action.file, &file.fd, &file.bytes, &err) < 0) {
        tn_http_reply_error(request, &err);
        return;
    }
    (void)snprintf(etag, sizeof(etag), "\"%s\"", hashes.sha1);
    file.etag = etag;
    file.name = action.file_name;
    tn_http_reply_file(request, &file);
}
