#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_SHOWN = 20, LIMIT_DEFAULT = 100, LIMIT_MOST = 1000 };

void set_time(json_t *json, const char *key, int64_t time_ms)
{
    char text[TN_RFC3339_BYTES] = "";
    char in_ms[64];

    if (time_ms > 0)
        tn_clock_rfc3339(time_ms * TN_NSEC_PER_MS, text);
    (void)snprintf(in_ms, sizeof(in_ms), "%s_ms", key);
    tn_json_set_str(json, key, text);
    tn_json_set_int(json, in_ms, time_ms > 0 ? time_ms : TN_UNKNOWN);
}

static size_t limit_of(const struct tn_page *page)
{
    return page->limit == 0 ? LIMIT_DEFAULT : page->limit < LIMIT_MOST ? page->limit : LIMIT_MOST;
}

static void set_cursor(struct tn_page *page, const char *text)
{
    (void)tn_text_copy(page->ret_cursor, sizeof(page->ret_cursor), text);
}

/* ---- devices ---- */

const char *device_state(const struct tn_fleet_device *device)
{
    if (device->active)
        return "pending";
    if (!device->class)
        return "unknown";
    if (!device->actions || device->actions->state == ACTION_DOWNLOADED ||
        device->actions->state >= ACTION_CANCELED)
        return action_installed(device, NULL) ? "in-sync" : "registered";
    return device->actions->state == ACTION_ERROR ? "error" : "in-sync";
}

static json_t *runtimes_json(const struct class *class)
{
    json_t *array = json_array();

    for (int i = 0; class && i < class->facts.runtime_count; i++) {
        char text[TN_RUNTIME_TEXT];

        class_runtime_text(class, i, text);
        tn_json_append_str(array, text);
    }
    return array;
}

/* The newest finished action of each model. */
static json_t *installed_json(const struct tn_fleet_device *device)
{
    json_t *array = json_array();

    for (const struct action *action = device->actions; action; action = action->older)
        if (action->state == ACTION_FINISHED &&
            action_installed(device, action->engine->release->model) == action)
            (void)json_array_append_new(array, action_to_json(action, false));
    return array;
}

/* The releases that it is to have and for which no engine loads on it: "yolo@1.2.0". */
static json_t *waiting_json(struct tn_fleet *fleet, struct tn_fleet_device *device)
{
    json_t *array = json_array();

    for (size_t i = 0; device->class && i < fleet->running.count; i++) {
        const struct deployment *deployment = fleet->running.item[i];
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1024);

        if (!deployment_waits(fleet, deployment, device))
            continue;
        tn_buf_addf(&text, "%s@%s", deployment->model, deployment->release->version);
        tn_json_append_str(array, tn_buf_text(&text));
    }
    return array;
}

static json_t *device_summary(struct tn_fleet *fleet, struct tn_fleet_device *device)
{
    const struct class *class = device->class;
    const struct action *installed = action_installed(device, NULL);
    json_t *json = json_object();
    char runtime[TN_RUNTIME_TEXT] = "";

    tn_json_set_str(json, "id", device->id);
    tn_json_set_str(json, "state", device_state(device));
    tn_json_set_str(json, "registered_by", device->registered_by);
    tn_json_set_int(json, "poll_seconds", tn_fleet_poll_seconds(fleet, device));
    tn_json_set(json, "poll_own", json_boolean(device->poll_seconds > 0));
    tn_json_set(json, "token", json_boolean(device->has_token));
    set_time(json, "auto_confirm", device->auto_confirm_ms);
    set_time(json, "created", device->created_ms);
    set_time(json, "seen", device->seen_ms);
    set_time(json, "attributes_time", device->attributes_ms);
    tn_json_set(json, "labels", tn_pairs_to_json(&device->labels));
    tn_json_set_str(json, "platform", class ? class->facts.platform : NULL);
    tn_json_set_str(json, "gpu", tn_pairs_get(&device->attributes, "gpu.product"));
    tn_json_set_str(json, "class", class ? class->gpu_class : NULL);
    if (class)
        class_runtime_text(class, 0, runtime);
    tn_json_set_str(json, "runtime", runtime);
    tn_json_set(json, "runtimes", runtimes_json(class));
    tn_json_set(json, "attributes", tn_pairs_to_json(&device->attributes));
    tn_json_set(json, "declared",
                device->declared_model ? json_pack("{s:s,s:s}", "model", device->declared_model,
                                                   "version", device->declared_version)
                                       : json_null());
    tn_json_set(json, "action",
                device->active ? action_to_json(device->active, false) : json_null());
    tn_json_set(json, "waiting", waiting_json(fleet, device));
    tn_json_set(json, "installed", installed ? action_to_json(installed, false) : json_null());
    return json;
}

/* Place of the first device after the cursor. */
static size_t after(const struct list *devices, const char *cursor)
{
    size_t low = 0;
    size_t high = devices->count;

    while (cursor && cursor[0] && low < high) {
        size_t middle = low + (high - low) / 2;
        const struct tn_fleet_device *device = devices->item[middle];

        if (strcmp(device->id, cursor) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void free_filter(struct tn_filter **filter)
{
    tn_filter_free(*filter);
}

json_t *tn_fleet_devices_json(struct tn_fleet *fleet, const char *where, struct tn_page *page,
                              struct tn_error *err)
{
    tn_auto(free_filter) struct tn_filter *filter = NULL;
    const struct list *devices = &fleet->device_list;
    size_t limit = limit_of(page);
    json_t *array;

    if (where && where[0] && tn_filter_parse(where, &filter, err) < 0)
        return NULL;
    array = json_array();
    if (!array)
        (void)tn_fail(err, TN_E_NOMEM, "devices");
    set_cursor(page, "");
    device_sort(fleet);
    for (size_t i = after(devices, page->cursor); array && i < devices->count; i++) {
        struct tn_fleet_device *device = devices->item[i];

        if (filter && !tn_filter_matches(filter, device_word, device))
            continue;
        if (json_array_size(array) == limit) { /* there is one more */
            const json_t *last = json_array_get(array, limit - 1);

            set_cursor(page, tn_json_str(last, "id", ""));
            break;
        }
        (void)json_array_append_new(array, device_summary(fleet, device));
    }
    return array;
}

/* Its newest actions: what memory keeps and what is settled, both newest first. */
struct device_history {
    const struct tn_fleet *fleet;
    const struct action *kept; /* the next one of memory */
    json_t *array;
};

/* @return whether there is room for more */
static bool add_kept(struct device_history *history, int64_t down_to)
{
    for (; history->kept && history->kept->id > down_to; history->kept = history->kept->older)
        if (json_array_size(history->array) < HISTORY_SHOWN)
            (void)json_array_append_new(history->array, action_to_json(history->kept, false));
    return json_array_size(history->array) < HISTORY_SHOWN;
}

static bool add_settled(const void *row, void *user)
{
    tn_auto(action_done) struct action action = { .id = 0 };
    struct device_history *history = user;

    if (action_of_row(history->fleet, row, &action) < 0)
        return true;
    if (!add_kept(history, action.id))
        return false;
    (void)json_array_append_new(history->array, action_to_json(&action, false));
    return true;
}

json_t *tn_fleet_device_json(struct tn_fleet *fleet, struct tn_fleet_device *device)
{
    const json_t *load = device_last_load(device);
    const struct tn_question settled = { .query = TN_QUERY_ACTIONS_OF_DEVICE,
                                         .text = device->id,
                                         .number = INT64_MAX };
    struct device_history history = { fleet, device->actions, json_array() };
    json_t *json = device_summary(fleet, device);

    tn_json_set(json, "models", installed_json(device));
    tn_json_set(json, "load", load ? json_deep_copy(load) : json_null());
    (void)tn_db_find(fleet->db, &settled, add_settled, &history,
                     NULL); /* what is there, ignoring */
    (void)add_kept(&history, 0);
    tn_json_set(json, "history", history.array);
    return json;
}

/* ---- releases ---- */

static json_t *engine_json(const struct tn_fleet *fleet, const struct engine *engine)
{
    json_t *json = json_object();
    json_t *attachments = json_array();
    static const char *const kinds[] = { "swupdate", "rauc" };
    struct tn_runtime_id built = { .kind = engine->plan.flavor == TN_FLAVOR_RTX ? TN_RUNTIME_RTX
                                                                                : TN_RUNTIME_TRT,
                                   .version = engine->plan.version };
    char text[TN_RUNTIME_TEXT];
    char cc[TN_CC_TEXT];

    tn_runtime_id_print(&built, text);
    tn_gpu_cc_print(&engine->plan.gpu, cc);
    tn_json_set_str(json, "digest", engine->hex);
    tn_json_set_str(json, "name", engine->name);
    tn_json_set_str(json, "precision", tn_precision_name(engine->precision));
    tn_json_set_str(json, "runtime", engine->plan_known ? text : NULL);
    tn_json_set_str(json, "platform", engine->plan.platform);
    tn_json_set_str(json, "compute_capability", cc);
    tn_json_set_str(json, "class", engine->kind ? engine->kind->gpu_class : NULL);
    tn_json_set_int(json, "bytes", engine->bytes);
    set_time(json, "added", engine->added_ms);
    tn_json_set_str(json, "state", engine->revoked_ms ? "revoked" : "in-force");
    tn_json_set_str(json, "revoked_why", engine->revoked_why);
    tn_json_set(json, "pinned", json_boolean(tn_map_get(&fleet->pins, engine->hex)));
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        const struct attachment *attachment = attachment_find(fleet, engine->hex, kinds[i]);
        char hex[TN_DIGEST_HEX];

        if (!attachment)
            continue;
        tn_digest_hex(&attachment->file, hex);
        (void)json_array_append_new(attachments,
                                    json_pack("{s:s,s:s,s:s,s:I}", "kind", attachment->kind, "name",
                                              attachment->name, "digest", hex, "bytes",
                                              (json_int_t)attachment->bytes));
    }
    tn_json_set(json, "attachments", attachments);
    engine_set_signatures(json, fleet, engine);
    tn_json_set(json, "record", json_incref(engine->record));
    return json;
}

static json_t *engines_of(const struct tn_fleet *fleet, const struct release *release)
{
    json_t *array = json_array();

    for (size_t i = 0; i < release->engines.count; i++)
        (void)json_array_append_new(array, engine_json(fleet, release->engines.item[i]));
    return array;
}

static json_t *channels_of(const struct tn_fleet *fleet, const struct release *release)
{
    json_t *array = json_array();
    const struct channel *channel;
    size_t at = 0;

    while ((channel = tn_map_next(&fleet->channels, &at)) != NULL)
        if (strcmp(channel->model, release->model) == 0 &&
            strcmp(channel->version, release->version) == 0)
            tn_json_append_str(array, channel->name);
    return array;
}

static json_t *release_summary(const struct tn_fleet *fleet, const struct release *release)
{
    json_t *json = json_object();
    json_int_t in_force = 0;

    for (size_t i = 0; i < release->engines.count; i++)
        in_force += ((const struct engine *)release->engines.item[i])->revoked_ms == 0;
    tn_json_set_str(json, "model", release->model);
    tn_json_set_str(json, "version", release->version);
    set_time(json, "created", release->created_ms);
    tn_json_set_str(json, "created_by", release->created_by);
    tn_json_set(json, "channels", channels_of(fleet, release));
    tn_json_set(json, "variants", json_incref(json_object_get(release->manifest, "variants")));
    tn_json_set_int(json, "engines", (int64_t)release->engines.count);
    tn_json_set_int(json, "engines_in_force", (int64_t)in_force);
    release_set_signatures(json, fleet, release);
    return json;
}

static int by_release(const void *a, const void *b)
{
    const struct release *const *x = a;
    const struct release *const *y = b;
    int order = strcmp((*x)->model, (*y)->model);

    if (order != 0)
        return order;
    if ((*x)->created_ms != (*y)->created_ms)
        return (*x)->created_ms > (*y)->created_ms ? -1 : 1;
    return strcmp((*x)->version, (*y)->version);
}

static void release_sort(struct tn_fleet *fleet)
{
    if (fleet->release_list.count > 1)
        qsort(fleet->release_list.item, fleet->release_list.count, sizeof(void *), by_release);
}

/* A cursor is the key of the last release that was given, "MODEL/CREATED/VERSION": one that is
 * published between two pages moves none of the others. No name has a '/' in it. */
static void set_release_cursor(struct tn_page *page, const struct release *release)
{
    (void)snprintf(page->ret_cursor, sizeof(page->ret_cursor), "%s/%lld/%s", release->model,
                   (long long)release->created_ms, release->version);
}

/* Cuts `cursor` at its slashes. @return false = it is none, and the list begins at its beginning */
static bool read_release_cursor(char *cursor, struct release *ret_place)
{
    char *created = cursor ? strchr(cursor, '/') : NULL;
    char *version = created ? strchr(created + 1, '/') : NULL;

    if (!version)
        return false;
    *created++ = *version++ = '\0';
    *ret_place = (struct release) { .model = cursor, .version = version };
    return tn_text_i64(created, &ret_place->created_ms);
}

static bool is_after(const struct release *release, const struct release *place)
{
    return by_release(&release, &place) > 0;
}

json_t *tn_fleet_releases_json(struct tn_fleet *fleet, const char *model, struct tn_page *page)
{
    tn_auto(tn_str_free) char *cursor = page->cursor ? strdup(page->cursor) : NULL;
    struct release place = { .key = NULL };
    bool begun = !read_release_cursor(cursor, &place);
    const struct release *last = NULL;
    json_t *array = json_array();
    size_t limit = limit_of(page);

    set_cursor(page, "");
    release_sort(fleet); /* model by model, the newest first */
    for (size_t i = 0; i < fleet->release_list.count; i++) {
        const struct release *release = fleet->release_list.item[i];

        if ((model && model[0] && strcmp(release->model, model) != 0) ||
            (!begun && !is_after(release, &place)))
            continue;
        if (last && json_array_size(array) == limit) {
            set_release_cursor(page, last);
            break;
        }
        last = release;
        (void)json_array_append_new(array, release_summary(fleet, release));
    }
    return array;
}

json_t *tn_fleet_release_json(struct tn_fleet *fleet, const char *model, const char *version)
{
    const struct release *release = release_there(fleet, model, version);
    json_t *json = release ? release_summary(fleet, release) : NULL;

    if (!json)
        return NULL;
    tn_json_set(json, "manifest", json_incref(release->manifest));
    tn_json_set(json, "engines", engines_of(fleet, release));
    return json;
}

json_t *tn_fleet_engine_json(struct tn_fleet *fleet, const char *digest)
{
    struct engine *engine;

    return engine_by_prefix(fleet, digest, &engine, NULL) == TN_OK ? engine_json(fleet, engine)
                                                                   : NULL;
}

json_t *tn_fleet_engines_json(struct tn_fleet *fleet, const char *model, const char *name)
{
    const char *version = tn_fleet_channel(fleet, model, name);
    const struct release *release = release_there(fleet, model, version ? version : name);

    return release ? engines_of(fleet, release) : NULL;
}

const char *tn_fleet_channel(const struct tn_fleet *fleet, const char *model, const char *channel)
{
    const struct channel *found = channel_find(fleet, model, channel);

    return found ? found->version : NULL;
}

/* ---- deployments ---- */

static json_t *deployment_json(const struct deployment *deployment)
{
    json_t *json = json_object();

    tn_json_set_int(json, "id", deployment->id);
    tn_json_set_str(json, "model", deployment->model);
    tn_json_set_str(json, "channel", deployment->channel);
    tn_json_set_str(json, "version",
                    deployment->release ? deployment->release->version : deployment->version);
    tn_json_set_str(json, "to", deployment->filter_text);
    tn_json_set(json, "first", deployment->first ? json_integer(deployment->first) : json_null());
    tn_json_set(json, "accept_may_load", json_boolean(deployment->accept_may_load));
    tn_json_set(json, "confirm", json_boolean(deployment->confirm));
    tn_json_set_str(json, "type", assignment_name(deployment->assignment));
    tn_json_set_str(json, "state", deployment_state_name(deployment->state));
    tn_json_set_str(json, "why", deployment->why);
    set_time(json, "created", deployment->created_ms);
    tn_json_set_str(json, "created_by", deployment->created_by);
    tn_json_set_int(json, "assigned", deployment->assigned);
    tn_json_set_int(json, "finished", deployment->finished);
    tn_json_set_int(json, "failed", deployment->failed);
    tn_json_set_int(json, "canceled", deployment->canceled);
    return json;
}

/* The devices that it is meant for, and those of them that have nothing: no engine for them, no
 * fingerprint of them. */
static void set_counts(struct tn_fleet *fleet, const struct deployment *deployment, json_t *json)
{
    int64_t wanted = 0, waiting = 0;

    for (size_t i = 0; i < fleet->device_list.count; i++) {
        struct tn_fleet_device *device = fleet->device_list.item[i];

        if (!deployment_wants(deployment, device))
            continue;
        wanted++;
        waiting += deployment_waits(fleet, deployment, device);
    }
    tn_json_set_int(json, "devices", wanted);
    tn_json_set_int(json, "holes", waiting);
}

json_t *tn_fleet_deployment_json(struct tn_fleet *fleet, int64_t id)
{
    const struct deployment *deployment = deployment_find(fleet, id);
    json_t *json = deployment ? deployment_json(deployment) : NULL;

    if (json)
        set_counts(fleet, deployment, json);
    return json;
}

/* Where a list by id is entered from the newest side: below the cursor's id. */
static int64_t below(const struct tn_page *page)
{
    int64_t id;

    return page->cursor && tn_text_i64(page->cursor, &id) ? id : INT64_MAX;
}

static void set_id_cursor(struct tn_page *page, int64_t id)
{
    (void)snprintf(page->ret_cursor, sizeof(page->ret_cursor), "%lld", (long long)id);
}

/* A page of a list that is in the order of ids, the newest first. `show` gives NULL for what is not
 * to be seen. */
static json_t *newest_page(const struct list *list, int64_t (*id_of)(const void *item),
                           json_t *(*show)(const void *item), struct tn_page *page)
{
    json_t *array = json_array();
    size_t limit = limit_of(page);
    int64_t before = below(page);
    int64_t last = 0;

    set_cursor(page, "");
    for (size_t i = list->count; i-- > 0;) {
        const void *item = list->item[i];
        json_t *json = item && id_of(item) < before ? show(item) : NULL;

        if (!json)
            continue;
        if (json_array_size(array) == limit) { /* there is one more */
            json_decref(json);
            set_id_cursor(page, last);
            break;
        }
        last = id_of(item);
        (void)json_array_append_new(array, json);
    }
    return array;
}

static int64_t deployment_id(const void *item)
{
    return ((const struct deployment *)item)->id;
}

static json_t *show_deployment(const void *item)
{
    return deployment_json(item);
}

json_t *tn_fleet_deployments_json(struct tn_fleet *fleet, struct tn_page *page)
{
    return newest_page(&fleet->deployments, deployment_id, show_deployment, page);
}

/* ---- actions ---- */

struct action_page {
    const struct tn_fleet *fleet;
    json_t *array;
    size_t limit;
    int64_t last;
    bool more;
};

static bool add_action(const void *row, void *user)
{
    tn_auto(action_done) struct action action = { .id = 0 };
    struct action_page *page = user;

    if (json_array_size(page->array) == page->limit) {
        page->more = true;
        return false;
    }
    if (action_of_row(page->fleet, row, &action) < 0)
        return true; /* no list ends for want of one */
    (void)json_array_append_new(page->array, action_to_json(&action, false));
    page->last = action.id;
    return true;
}

json_t *tn_fleet_actions_json(struct tn_fleet *fleet, bool failed_only, struct tn_page *page)
{
    const struct tn_question failed = { .query = TN_QUERY_ACTIONS_FAILED, .number = below(page) };
    struct action_page actions = { fleet, json_array(), limit_of(page), 0, false };
    int rc = failed_only ? tn_db_find(fleet->db, &failed, add_action, &actions, NULL)
                         : tn_db_newest(fleet->db, TN_TABLE_ACTION, below(page), add_action,
                                        &actions, NULL);

    set_cursor(page, "");
    if (actions.more)
        set_id_cursor(page, actions.last);
    if (rc == TN_OK)
        return actions.array;
    json_decref(actions.array);
    return NULL;
}

json_t *tn_fleet_action_json(struct tn_fleet *fleet, int64_t id)
{
    tn_auto(action_done) struct action action = { .id = 0 };

    return ended_find(fleet, id, &action) ? action_to_json(&action, true) : NULL;
}

/* ---- the audit log ---- */

struct audit_page {
    json_t *array;
    size_t limit;
    int64_t last;
    bool more;
};

static bool add_audit(const void *row_, void *user)
{
    const struct tn_row_audit *row = row_;
    struct audit_page *page = user;
    json_t *json, *detail = NULL;

    if (json_array_size(page->array) == page->limit) {
        page->more = true;
        return false;
    }
    json = json_object();
    if (row->detail)
        (void)tn_json_parse(row->detail, strlen(row->detail), "audit", &detail, NULL);
    tn_json_set_int(json, "seq", row->seq);
    set_time(json, "time", row->time_ms);
    tn_json_set_str(json, "who", row->who);
    tn_json_set_str(json, "what", row->what);
    tn_json_set(json, "detail", detail ? detail : json_null());
    (void)json_array_append_new(page->array, json);
    page->last = row->seq;
    return true;
}

json_t *tn_fleet_audit_json(struct tn_fleet *fleet, struct tn_page *page, struct tn_error *err)
{
    struct audit_page audit = { .array = json_array(), .limit = limit_of(page) };
    int64_t before = below(page);
    int rc = tn_db_newest(fleet->db, TN_TABLE_AUDIT, before == INT64_MAX ? 0 : before, add_audit,
                          &audit, err);

    set_cursor(page, "");
    if (audit.more)
        set_id_cursor(page, audit.last);
    if (rc == TN_OK)
        return audit.array;
    json_decref(audit.array);
    return NULL;
}
