#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { ID_MAX = 128, FLUSH_MOST = 2000, LABELS_MOST = 64 };

/* ---- looking ---- */

struct tn_fleet_device *tn_fleet_device(struct tn_fleet *fleet, const char *id)
{
    return tn_map_get(&fleet->devices, id);
}

size_t tn_fleet_device_count(const struct tn_fleet *fleet)
{
    return fleet->devices.count;
}

/* The aliases (cc, trt, …) are the filter's; here a name is an attribute, else a label. */
const char *device_attribute(const char *name, void *user)
{
    const struct tn_fleet_device *device = user;
    const char *value = NULL;

    if (tn_text_starts(name, "label."))
        return tn_pairs_get(&device->labels, name + strlen("label."));
    if (strcmp(name, "id") == 0)
        return device->id;
    value = tn_pairs_get(&device->attributes, name);
    return value ? value : tn_pairs_get(&device->labels, name);
}

/* What filters and deliveries ask for: a device must not overrule the operator's word about it. */
const char *device_word(const char *name, void *user)
{
    const struct tn_fleet_device *device = user;
    const char *label = tn_pairs_get(&device->labels, name);

    return label ? label : device_attribute(name, user);
}

static int by_id(const void *a, const void *b)
{
    const struct tn_fleet_device *const *x = a;
    const struct tn_fleet_device *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

void device_sort(struct tn_fleet *fleet)
{
    if (!fleet->devices_sorted && fleet->device_list.count > 1)
        qsort(fleet->device_list.item, fleet->device_list.count, sizeof(void *), by_id);
    fleet->devices_sorted = true;
}

/* ---- rows ---- */

void device_free(struct tn_fleet_device *device)
{
    if (!device)
        return;
    tn_pairs_done(&device->attributes);
    tn_pairs_done(&device->labels);
    device_loads_free(device->loads);
    free(device->registered_by);
    free(device->declared_model);
    free(device->declared_version);
    free(device->id);
    free(device);
}

/* The JSON text of pairs, NULL when there are none (or no memory: the caller checks). */
static int pairs_text(const struct tn_pairs *pairs, char **ret_text, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;

    *ret_text = NULL;
    if (pairs->count == 0)
        return TN_OK;
    json = tn_pairs_to_json(pairs);
    *ret_text = json ? tn_json_text(json) : NULL;
    return *ret_text ? TN_OK : tn_fail(err, TN_E_NOMEM, "attributes");
}

int device_put(struct tn_fleet *fleet, const struct tn_fleet_device *device, struct tn_error *err)
{
    tn_auto(tn_str_free) char *attributes = NULL;
    tn_auto(tn_str_free) char *labels = NULL;
    char hash[TN_DIGEST_HEX];
    struct tn_row_device row;
    int rc = pairs_text(&device->attributes, &attributes, err);

    if (rc == TN_OK)
        rc = pairs_text(&device->labels, &labels, err);
    if (rc < 0)
        return fleet_hurt(fleet, rc);
    tn_digest_hex(&device->token_hash, hash);
    row = (struct tn_row_device) { .id = device->id,
                                   .token_hash = device->has_token ? hash : NULL,
                                   .attributes = attributes,
                                   .labels = labels,
                                   .registered_by = device->registered_by,
                                   .created_ms = device->created_ms,
                                   .seen_ms = device->seen_ms,
                                   .attributes_ms = device->attributes_ms,
                                   .told_action = device->told_action,
                                   .poll_seconds = device->poll_seconds,
                                   .auto_confirm_ms = device->auto_confirm_ms,
                                   .declared_model = device->declared_model,
                                   .declared_version = device->declared_version };
    return fleet_put(fleet, TN_TABLE_DEVICE, &row, err);
}

static struct tn_fleet_device *device_new(struct tn_fleet *fleet, const char *id, const char *by,
                                          struct tn_error *err)
{
    struct tn_fleet_device *device = calloc(1, sizeof(*device));
    int rc = device ? copy_text(id, &device->id, err) : tn_fail(err, TN_E_NOMEM, "a device");

    if (rc == TN_OK)
        rc = copy_text(by, &device->registered_by, err);
    if (rc == TN_OK)
        rc = tn_map_reserve(&fleet->devices, fleet->devices.count + 1, err);
    if (rc == TN_OK)
        rc = list_add(&fleet->device_list, device, err);
    if (rc < 0) {
        device_free(device);
        return NULL;
    }
    (void)tn_map_put(&fleet->devices, device->id, device, NULL); /* room was made */
    return device;
}

bool device_load_row(const void *row_, void *user)
{
    const struct tn_row_device *row = row_;
    struct tn_fleet *fleet = user;
    struct tn_fleet_device *device = device_new(fleet, row->id, row->registered_by, NULL);
    int rc = device ? TN_OK : TN_E_NOMEM;

    if (rc == TN_OK && row->attributes)
        rc = tn_pairs_read(row->attributes, &device->attributes, NULL);
    if (rc == TN_OK && row->labels)
        rc = tn_pairs_read(row->labels, &device->labels, NULL);
    if (rc == TN_OK && row->token_hash)
        rc = tn_digest_parse(row->token_hash, &device->token_hash, NULL);
    if (rc == TN_OK)
        rc = copy_text(row->declared_model, &device->declared_model, NULL);
    if (rc == TN_OK)
        rc = copy_text(row->declared_version, &device->declared_version, NULL);
    if (rc < 0)
        return fleet_hurt(fleet, rc) == TN_OK;
    device->has_token = row->token_hash != NULL;
    device->created_ms = row->created_ms;
    device->seen_ms = device->seen_saved_ms = row->seen_ms;
    device->attributes_ms = row->attributes_ms;
    device->told_action = row->told_action;
    device->poll_seconds = row->poll_seconds;
    device->auto_confirm_ms = row->auto_confirm_ms;
    return fleet_hurt(fleet, class_join(fleet, device, NULL)) == TN_OK;
}

/* ---- registering ---- */

/* It stands in paths, links and logs as it is. */
static int check_id(const char *id, struct tn_error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@+=,!$&'()*;";
    size_t length = strlen(id);

    if (length == 0 || length > ID_MAX)
        return tn_fail(err, TN_E_USAGE, "a device id has 1 to %d characters, this has %zu",
                       (int)ID_MAX, length);
    if (strspn(id, allowed) != length || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return tn_fail(err, TN_E_USAGE,
                       "device id '%.128s': letters, digits and -._~:@+=,!$&'()*; are allowed", id);
    return TN_OK;
}

int tn_fleet_enroll(struct tn_fleet *fleet, const char *id, const char *token, const char *by,
                    int64_t now_ms, struct tn_fleet_device **ret_device, struct tn_error *err)
{
    struct tn_fleet_device *device = tn_map_get(&fleet->devices, id);
    struct tn_digest hash = { { 0 } };
    int rc = device ? TN_OK : check_id(id, err);

    if (rc == TN_OK && token)
        rc = token_hash(token, &hash, err);
    if (rc == TN_OK && !device && (int64_t)fleet->devices.count >= fleet->options.devices_most)
        rc = tn_fail(err, TN_E_TOOBIG, "more than %lld devices",
                     (long long)fleet->options.devices_most);
    if (rc < 0)
        return rc;
    if (device && (!token || (device->has_token && hash_equal(&hash, &device->token_hash)))) {
        *ret_device = device;
        return TN_OK;
    }
    if (!device) {
        device = device_new(fleet, id, by, err);
        if (!device)
            return fleet_hurt(fleet, TN_E_NOMEM);
        device->created_ms = now_ms;
        /* its evidence outlived it, if it was here before: as many as there can be */
        device->failures = (int64_t)fleet->evidence.count;
        fleet->devices_sorted = false;
    }
    if (token) {
        device->token_hash = hash;
        device->has_token = true;
    }
    rc = device_put(fleet, device, err);
    if (rc == TN_OK)
        *ret_device = device;
    return rc;
}

bool tn_fleet_token_is(const struct tn_fleet_device *device, const char *token)
{
    struct tn_digest hash;

    return token_hash(token, &hash, NULL) == TN_OK && hash_equal(&hash, &device->token_hash) &&
           device->has_token;
}

/* @param token NULL = none any more */
static int change_token(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *token,
                        const char *who, int64_t now_ms, struct tn_error *err)
{
    struct tn_digest hash = { { 0 } };
    int rc = token ? token_hash(token, &hash, err) : TN_OK;

    if (rc < 0)
        return rc;
    device->token_hash = hash;
    device->has_token = token != NULL;
    rc = device_put(fleet, device, err);
    return rc < 0 ? rc
                  : fleet_audit(fleet, who, token ? "device-token-new" : "device-token-revoke",
                                now_ms, json_pack("{s:s}", "device", device->id), err);
}

int tn_fleet_token_set(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *token,
                       const char *who, int64_t now_ms, struct tn_error *err)
{
    return change_token(fleet, device, token, who, now_ms, err);
}

int tn_fleet_token_new(struct tn_fleet *fleet, struct tn_fleet_device *device, char ret_token[65],
                       const char *who, int64_t now_ms, struct tn_error *err)
{
    char token[65] = "";
    int rc = ret_token ? token_random(token, err) : TN_OK;

    if (rc == TN_OK)
        rc = change_token(fleet, device, ret_token ? token : NULL, who, now_ms, err);
    if (rc == TN_OK && ret_token)
        memcpy(ret_token, token, sizeof(token));
    return rc;
}

static void seen_unlist(struct tn_fleet *fleet, struct tn_fleet_device *device)
{
    if (!device->seen_listed)
        return;
    if (device->seen_before)
        device->seen_before->seen_after = device->seen_after;
    else
        fleet->seen = device->seen_after;
    if (device->seen_after)
        device->seen_after->seen_before = device->seen_before;
    else
        fleet->seen_last = device->seen_before;
    device->seen_before = device->seen_after = NULL;
    device->seen_listed = false;
}

/* Its actions go with it. Evidence stays: it is about engines. */
int tn_fleet_device_remove(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *who,
                           int64_t now_ms, struct tn_error *err)
{
    bool freed = false;
    int rc = ended_remove_device(fleet, device, &freed, err);
    size_t at = 0;

    if (rc == TN_OK)
        rc = device_loads_remove(fleet, device, err);
    if (rc == TN_OK)
        rc =
            fleet_delete(fleet, TN_TABLE_DEVICE, &(struct tn_row_device) { .id = device->id }, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "device-remove", now_ms,
                         json_pack("{s:s}", "device", device->id), err);
    while (fleet->device_list.item[at] != device)
        at++;
    list_remove_at(&fleet->device_list, at);
    (void)tn_map_remove(&fleet->devices, device->id);
    seen_unlist(fleet, device);
    class_leave(fleet, device);
    device_free(device);
    return rc < 0 || !freed ? rc : deploy_freed(fleet, now_ms, err);
}

/* ---- last seen ---- */

void tn_fleet_seen(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms)
{
    device->seen_ms = now_ms;
    if (device->seen_listed)
        return;
    device->seen_before = fleet->seen_last;
    if (fleet->seen_last)
        fleet->seen_last->seen_after = device;
    else
        fleet->seen = device;
    fleet->seen_last = device;
    device->seen_listed = true;
}

int tn_fleet_flush_seen(struct tn_fleet *fleet, int64_t now_ms, int64_t every_ms,
                        struct tn_error *err)
{
    struct tn_fleet_device *device = fleet->seen;
    int rc = TN_OK;

    for (int written = 0; device && rc == TN_OK && (written < FLUSH_MOST || every_ms == 0);) {
        struct tn_fleet_device *after = device->seen_after;
        int64_t age = now_ms - device->seen_saved_ms;

        /* a clock that was put back must not keep a device unwritten for years */
        if (age >= every_ms || age < 0) {
            rc = device_put(fleet, device, err);
            device->seen_saved_ms = now_ms;
            seen_unlist(fleet, device);
            written++;
        }
        device = after;
    }
    return rc;
}

/* ---- attributes and labels ---- */

/* Numbers and booleans are what tn_device_attributes() gives; they become their text. */
static int value_text(const char *name, const json_t *value, char ret_text[64],
                      const char **ret_value, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *flat = NULL;
    struct tn_flat_attributes view;
    const char *text;

    if (json_is_string(value)) {
        *ret_value = json_string_value(value);
        return TN_OK;
    }
    flat = json_pack("{s:O}", "v", value);
    view = (struct tn_flat_attributes) { .json = flat };
    text = flat ? tn_flat_attribute("v", &view) : NULL;
    if (!text)
        return tn_fail(err, TN_E_INVALID, "attribute '%.128s' is not a text", name);
    (void)tn_text_copy(ret_text, 64, text);
    *ret_value = ret_text;
    return TN_OK;
}

static int apply(struct tn_pairs *pairs, enum tn_attributes_mode mode, const json_t *data,
                 size_t most, struct tn_error *err)
{
    const char *name;
    json_t *value;
    int rc = TN_OK;

    json_object_foreach((json_t *)data, name, value)
    {
        char space[64];
        const char *text = NULL;

        if (rc == TN_OK && mode != TN_ATTRIBUTES_REMOVE)
            rc = value_text(name, value, space, &text, err);
        if (rc == TN_OK)
            rc = tn_pairs_set(pairs, name, text, most, err);
    }
    return rc;
}

/* The device has other facts now: its class may change, and filters may match that did not. */
static int settle(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                  struct tn_error *err)
{
    int rc = fleet_hurt(fleet, class_join(fleet, device, err));

    if (rc == TN_OK)
        rc = device_put(fleet, device, err);
    return rc < 0 ? rc : deploy_changed(fleet, device, now_ms, err);
}

int tn_fleet_attributes(struct tn_fleet *fleet, struct tn_fleet_device *device,
                        enum tn_attributes_mode mode, const json_t *data, int64_t now_ms,
                        struct tn_error *err)
{
    tn_auto(tn_pairs_done) struct tn_pairs pairs = { .text = NULL };
    int rc = TN_OK;

    if (!json_is_object(data))
        return tn_fail(err, TN_E_INVALID, "attributes are an object of texts");
    if (mode != TN_ATTRIBUTES_REPLACE)
        rc = tn_pairs_copy(&device->attributes, &pairs, err);
    if (rc == TN_OK)
        rc = apply(&pairs, mode, data, (size_t)fleet->options.attributes_most, err);
    if (rc < 0)
        return tn_while(err, rc, "device '%s'", device->id);
    device->attributes_ms = now_ms;
    device->told_action = device->ended_action;
    if (tn_pairs_equal(&pairs, &device->attributes))
        return device_put(fleet, device, err);
    tn_pairs_done(&device->attributes);
    device->attributes = pairs;
    pairs = (struct tn_pairs) { .text = NULL };
    return settle(fleet, device, now_ms, err);
}

int tn_fleet_attributes_check(const struct tn_fleet *fleet, const json_t *data,
                              struct tn_error *err)
{
    tn_auto(tn_pairs_done) struct tn_pairs pairs = { .text = NULL };

    return apply(&pairs, TN_ATTRIBUTES_REPLACE, data, (size_t)fleet->options.attributes_most, err);
}

bool tn_fleet_wants_attributes(const struct tn_fleet_device *device)
{
    return device->attributes_ms == 0 || device->ended_action > device->told_action;
}

static int apply_labels(struct tn_pairs *pairs, const json_t *labels, struct tn_error *err)
{
    const char *name;
    json_t *value;
    int rc = TN_OK;

    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (rc == TN_OK && !json_is_string(value) && !json_is_null(value))
            rc = tn_fail(err, TN_E_INVALID, "label '%.128s' is neither a text nor null", name);
        if (rc == TN_OK && json_string_length(value) > 0 && !tn_filter_is_name(name))
            rc = tn_fail(err, TN_E_INVALID,
                         "label '%.128s': a filter can name letters, digits and ._-+:/@~*%%", name);
        if (rc == TN_OK)
            rc = tn_pairs_set(pairs, name, json_string_value(value), LABELS_MOST, err);
    }
    return rc;
}

static int audit_labels(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                        const json_t *labels, const char *who, int64_t now_ms, struct tn_error *err)
{
    const char *name;
    json_t *value;
    int rc = TN_OK;

    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (rc == TN_OK)
            rc = fleet_audit(
                fleet, who, "device-label", now_ms,
                json_pack("{s:s,s:s,s:O}", "device", device->id, "name", name, "value", value),
                err);
    }
    return rc;
}

int tn_fleet_labels(struct tn_fleet *fleet, struct tn_fleet_device *device, const json_t *labels,
                    const char *who, int64_t now_ms, struct tn_error *err)
{
    tn_auto(tn_pairs_done) struct tn_pairs pairs = { .text = NULL };
    int rc = tn_pairs_copy(&device->labels, &pairs, err);

    if (rc == TN_OK)
        rc = apply_labels(&pairs, labels, err);
    if (rc < 0)
        return tn_while(err, rc, "label of '%s'", device->id);
    tn_pairs_done(&device->labels);
    device->labels = pairs;
    pairs = (struct tn_pairs) { .text = NULL };
    rc = audit_labels(fleet, device, labels, who, now_ms, err);
    return rc < 0 ? rc : settle(fleet, device, now_ms, err);
}

int tn_fleet_label(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *name,
                   const char *value, const char *who, int64_t now_ms, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *labels = json_pack("{s:s?}", name, value);

    if (!labels) /* not UTF-8, or no memory */
        return tn_fail(err, TN_E_INVALID, "the label is not plain text");
    return tn_fleet_labels(fleet, device, labels, who, now_ms, err);
}
