#include "tenond/rest_priv.h"

#include "base/text.h"
#include "device/device.h"
#include "device/filter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The filter with a caret below the column that the error names. */
static void reply_filter_error(struct tn_http_request *request, const char *where,
                               const struct tn_error *err)
{
    json_t *members = json_object();
    int column = 0;

    if (err->code == TN_E_INVALID && where && sscanf(err->text, "column %d:", &column) == 1 &&
        column >= 1 && (size_t)column <= strlen(where) + 1) {
        tn_json_set_int(members, "column", column);
        tn_json_set(members, "caret", json_sprintf("%s\n%*s", where, column, "^"));
    }
    tn_http_problem_with(request, 400, tn_error_name(err->code), err->text, members);
}

void tn_rest_devices(struct tn_http_request *request, void *user)
{
    const char *where = tn_http_query(request, "where");
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    struct tn_page page;
    json_t *items;

    if (!tn_rest_page(request, &page))
        return;
    if (!where && tn_http_query_given(request, "where")) { /* all devices would be a wrong answer */
        tn_http_problem(request, 400, "INVALID", "where cannot be read, or is over 2 KiB");
        return;
    }
    items = tn_fleet_devices_json(tenond->fleet, where, &page, &err);
    if (!items && err.code != 0)
        reply_filter_error(request, where, &err);
    else
        tn_rest_reply_page(request, items, &page);
}

/* @return NULL after 404 was answered */
static struct tn_fleet_device *device_of(struct tn_tenond *tenond, struct tn_http_request *request)
{
    const char *id = tn_http_part(request, "id");
    struct tn_fleet_device *device = tn_fleet_device(tenond->fleet, id);

    if (!device)
        tn_http_problem(request, 404, "NOTFOUND", "no device '%s'", id);
    return device;
}

void tn_rest_device(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = device_of(tenond, request);

    if (device)
        tn_http_reply_json(request, 200, tn_fleet_device_json(tenond->fleet, device));
}

/* Attributes are texts on the wire of the device protocol; a board's numbers become texts. */
static json_t *as_texts(json_t *attributes)
{
    json_t *texts = json_object(), *value;
    const char *name;

    json_object_foreach(attributes, name, value)
    {
        char number[32];

        if (json_is_integer(value)) {
            (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                           json_integer_value(value));
            tn_json_set_str(texts, name, number);
        } else if (json_is_boolean(value)) {
            tn_json_set_str(texts, name, json_is_true(value) ? "true" : "false");
        } else if (json_is_string(value)) {
            tn_json_set(texts, name, json_incref(value));
        }
    }
    json_decref(attributes);
    return texts;
}

/* The attributes that a pre-registration gives, or NULL for none. */
static int given_attributes(const json_t *body, json_t **ret_attributes, struct tn_error *err)
{
    const char *board = tn_json_str(body, "device", NULL);
    json_t *given = json_object_get(body, "attributes");
    struct tn_device device;
    int rc;

    *ret_attributes = NULL;
    if (!board) {
        if (json_is_object(given))
            *ret_attributes = as_texts(json_incref(given));
        return TN_OK;
    }
    rc = tn_device_named(board, &device, err);
    if (rc == TN_OK)
        *ret_attributes = as_texts(tn_device_attributes(&device));
    return rc;
}

/* A token that a known device does not have yet: who sets it can be the device from then on. */
static bool changes_token(const struct tn_fleet_device *device, const char *token)
{
    return device && token && !tn_fleet_token_is(device, token);
}

static int register_device(struct tn_tenond *tenond, const char *id, const char *token,
                           const char *who, struct tn_fleet_device **ret_device,
                           struct tn_error *err)
{
    *ret_device = tn_fleet_device(tenond->fleet, id);
    if (changes_token(*ret_device, token))
        return tn_fleet_token_set(tenond->fleet, *ret_device, token, who, tn_tenond_now_ms(), err);
    return tn_fleet_enroll(tenond->fleet, id, token, "operator", tn_tenond_now_ms(), ret_device,
                           err);
}

void tn_rest_device_put(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    tn_auto(tn_json_done) json_t *attributes = NULL;
    struct tn_tenond *tenond = user;
    const char *id = tn_http_part(request, "id");
    const char *token = tn_json_str(body, "token", NULL);
    struct tn_fleet_device *device = tn_fleet_device(tenond->fleet, id);
    struct tn_error err = { 0 };
    bool known = device != NULL;
    char owner[64];
    int rc;

    if (!body)
        return;
    if (token && tn_fleet_role(tenond->fleet, token, owner) != TN_ROLE_NONE) {
        tn_http_problem(request, 400, "USAGE", "this is the token '%s': a device needs its own",
                        owner);
        return;
    }
    if (changes_token(device, token) && tn_http_note(request) < (int)TN_ROLE_ADMIN) {
        tn_http_problem(request, 403, "ACCESS", "only an admin changes the token of a device");
        return;
    }
    rc = given_attributes(body, &attributes, &err);
    if (rc == TN_OK && attributes) /* all of it or nothing */
        rc = tn_fleet_attributes_check(tenond->fleet, attributes, &err);
    if (rc == TN_OK)
        rc = register_device(tenond, id, token, tn_http_who(request), &device, &err);
    if (rc == TN_OK && attributes)
        rc = tn_fleet_attributes(tenond->fleet, device, TN_ATTRIBUTES_REPLACE, attributes,
                                 tn_tenond_now_ms(), &err);
    if (rc < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, known ? 200 : 201, tn_fleet_device_json(tenond->fleet, device));
}

void tn_rest_device_delete(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = device_of(tenond, request);
    struct tn_error err = { 0 };

    if (device)
        tn_rest_reply_done(request,
                           tn_fleet_device_remove(tenond->fleet, device, tn_http_who(request),
                                                  tn_tenond_now_ms(), &err),
                           NULL, &err);
}

void tn_rest_device_labels(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = device_of(tenond, request);
    tn_auto(tn_json_done) json_t *body = device ? tn_rest_body(request) : NULL;
    struct tn_error err = { 0 };

    if (!body)
        return;
    if (tn_fleet_labels(tenond->fleet, device, body, tn_http_who(request), tn_tenond_now_ms(),
                        &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 200, tn_fleet_device_json(tenond->fleet, device));
}

void tn_rest_device_poll(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_fleet_device *device = device_of(tenond, request);

    if (device && tn_rest_poll_set(request, tenond, device))
        tn_http_reply_json(request, 200, tn_fleet_device_json(tenond->fleet, device));
}

static void change_token(struct tn_http_request *request, struct tn_tenond *tenond, bool revoke)
{
    struct tn_fleet_device *device = device_of(tenond, request);
    struct tn_error err = { 0 };
    char token[65] = "";

    if (!device)
        return;
    if (tn_fleet_token_new(tenond->fleet, device, revoke ? NULL : token, tn_http_who(request),
                           tn_tenond_now_ms(), &err) < 0)
        tn_http_reply_error(request, &err);
    else if (revoke)
        tn_http_reply_json(request, 200, json_object());
    else
        tn_http_reply_json(request, 201, json_pack("{s:s}", "token", token));
}

void tn_rest_device_token(struct tn_http_request *request, void *user)
{
    change_token(request, user, false);
}

void tn_rest_device_token_delete(struct tn_http_request *request, void *user)
{
    change_token(request, user, true);
}
