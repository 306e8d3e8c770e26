#include "tenond/rest_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tenond/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MOST = 16 << 20 };

void tn_rest_server(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    json_t *json = json_object();
    char now[TN_RFC3339_BYTES];

    tn_clock_rfc3339(tn_clock_wall(), now);
    tn_json_set_int(json, "api", 1);
    tn_json_set_str(json, "version", TN_VERSION);
    tn_json_set_str(json, "time", now);
    tn_json_set_int(json, "devices", (int64_t)tn_fleet_device_count(tenond->fleet));
    tn_json_set_int(json, "poll_seconds", tn_fleet_poll_seconds(tenond->fleet, NULL));
    tn_json_set_int(json, "uptime_ms", tn_tenond_now_ms() - tenond->started_ms);
    tn_json_set_str(json, "role", tn_fleet_role_name((enum tn_role)tn_http_note(request)));
    tn_json_set_str(json, "token", tn_http_who(request));
    tn_http_reply_json(request, 200, json);
}

/* ---- settings ---- */

void tn_rest_settings(struct tn_http_request *request, void *user)
{
    const struct tn_tenond *tenond = user;

    tn_http_reply_json(request, 200,
                       json_pack("{s:I, s:I}", "poll_seconds",
                                 (json_int_t)tn_fleet_poll_seconds(tenond->fleet, NULL),
                                 "poll_default_seconds",
                                 (json_int_t)(tenond->options.poll_ns / TN_NSEC_PER_S)));
}

void tn_rest_settings_put(struct tn_http_request *request, void *user)
{
    if (tn_rest_poll_set(request, user, NULL))
        tn_rest_settings(request, user);
}

/* ---- tokens ---- */

void tn_rest_tokens(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_page page = { .cursor = "" };

    tn_rest_reply_page(request, tn_fleet_tokens_json(tenond->fleet), &page);
}

void tn_rest_token_new(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    const char *name = tn_json_str(body, "name", "");
    const char *wanted = tn_json_str(body, "role", "");
    struct tn_tenond *tenond = user;
    enum tn_role role = tn_fleet_role_parse(wanted);
    struct tn_error err = { 0 };
    char token[65], id[17];

    if (!body)
        return;
    if (role == TN_ROLE_NONE) {
        tn_http_problem(request, 400, "INVALID", "role is admin, publisher, viewer or gateway");
        return;
    }
    if (tn_fleet_role_token_new(tenond->fleet, role, name, token, id, tn_http_who(request),
                                tn_tenond_now_ms(), &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 201,
                           json_pack("{s:s, s:s, s:s, s:s}", "id", id, "name", name, "role", wanted,
                                     "token", token));
}

void tn_rest_token_delete(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };

    tn_rest_reply_done(request,
                       tn_fleet_role_token_revoke(tenond->fleet, tn_http_part(request, "token"),
                                                  tn_http_who(request), tn_tenond_now_ms(), &err),
                       NULL, &err);
}

/* ---- backup ---- */

static bool is_file_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= 128 && name[0] != '.' && !strchr(name, '/') &&
           tn_text_is_clean(name, length);
}

struct backup {
    char *folder, *from, *path, *name;
    int rc;
    struct tn_error err;
};

static void backup_free(struct backup *backup)
{
    if (!backup)
        return;
    free(backup->folder);
    free(backup->from);
    free(backup->path);
    free(backup->name);
    free(backup);
}

static struct backup *backup_new(const char *data, const char *name)
{
    struct backup *backup = calloc(1, sizeof(*backup));

    if (!backup)
        return NULL;
    backup->name = strdup(name);
    backup->from = tn_path_join(data, "tenond.db");
    backup->folder = tn_path_join(data, "backups");
    backup->path = backup->folder ? tn_path_join(backup->folder, name) : NULL;
    if (backup->name && backup->from && backup->path)
        return backup;
    backup_free(backup);
    return NULL;
}

static void back_up(void *user)
{
    struct backup *backup = user;

    backup->rc = tn_dir_make(backup->folder, 0700, &backup->err);
    if (backup->rc == TN_OK)
        backup->rc = tn_db_backup(backup->from, backup->path, &backup->err);
}

static void end_backup(struct tn_http_request *request, void *user)
{
    struct backup *backup = user;

    if (backup->rc < 0)
        tn_http_reply_error(request, &backup->err);
    else
        tn_http_reply_json(request, 201, json_pack("{s:s+}", "path", "backups/", backup->name));
    backup_free(backup);
}

void tn_rest_backup(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    char otherwise[64], now[TN_RFC3339_BYTES];
    struct tn_tenond *tenond = user;
    struct backup *backup;
    const char *name;

    if (!body)
        return;
    tn_clock_rfc3339(tn_clock_wall(), now);
    (void)snprintf(otherwise, sizeof(otherwise), "tenond-%s.db", now);
    name = tn_json_str(body, "path", otherwise);
    if (!is_file_name(name)) {
        tn_http_problem(request, 400, "USAGE",
                        "path is a file name in the folder 'backups' of the server's data");
        return;
    }
    backup = backup_new(tenond->options.data, name);
    if (backup)
        tn_http_reply_later(request, back_up, end_backup, backup);
    else
        tn_http_problem(request, 503, "NOMEM", "no memory for a backup");
}

/* ---- audit ---- */

void tn_rest_audit(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    struct tn_page page;
    json_t *items;

    if (!tn_rest_page(request, &page))
        return;
    items = tn_fleet_audit_json(tenond->fleet, &page, &err);
    tn_rest_reply_items(request, items, &page, &err);
}

/* ---- for machines ---- */

void tn_rest_metrics(struct tn_http_request *request, void *user)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(METRICS_MOST);
    struct tn_error err = { 0 };

    if (tn_metrics_write(user, &text, &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", tn_buf_text(&text),
                      text.size);
}

void tn_rest_health(struct tn_http_request *request, void *user)
{
    (void)user;
    tn_http_reply(request, 200, "text/plain", "ok\n", 3);
}
