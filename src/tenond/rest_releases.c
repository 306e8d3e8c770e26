#include "tenond/rest_priv.h"

#include <string.h>

void tn_rest_releases(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_page page;

    if (tn_rest_page(request, &page))
        tn_rest_reply_page(
            request, tn_fleet_releases_json(tenond->fleet, tn_http_query(request, "model"), &page),
            &page);
}

void tn_rest_release(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;

    tn_rest_reply_one(request,
                      tn_fleet_release_json(tenond->fleet, tn_http_part(request, "model"),
                                            tn_http_part(request, "version")),
                      "release", tn_http_part(request, "version"));
}

/* The names of the path count; a manifest that says others is refused. */
static bool name_manifest(struct tn_http_request *request, json_t *manifest, const char *part)
{
    const char *wanted = tn_http_part(request, part);
    const char *given = tn_json_str(manifest, part, wanted);

    if (strcmp(given, wanted) == 0) {
        tn_json_set_str(manifest, part, wanted);
        return true;
    }
    tn_http_problem(request, 400, "INVALID", "the manifest's %s is '%s', the path's '%s'", part,
                    given, wanted);
    return false;
}

static void publish(struct tn_tenond *tenond, struct tn_http_request *request,
                    const json_t *manifest)
{
    const char *model = tn_http_part(request, "model"), *version = tn_http_part(request, "version");
    tn_auto(tn_json_done) json_t *before = tn_fleet_release_json(tenond->fleet, model, version);
    struct tn_error err = { 0 };
    int rc = tn_fleet_release_add(tenond->fleet, manifest, tn_http_who(request), tn_tenond_now_ms(),
                                  &err);

    if (rc == TN_E_USAGE)
        tn_http_problem(request, 409, "USAGE", "%s", err.text);
    else if (rc < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, before ? 200 : 201,
                           tn_fleet_release_json(tenond->fleet, model, version));
}

void tn_rest_release_put(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *manifest = tn_rest_body(request);
    json_t *missing;

    if (!manifest || !name_manifest(request, manifest, "model") ||
        !name_manifest(request, manifest, "version"))
        return;
    missing = tn_fleet_missing_blobs(((struct tn_tenond *)user)->fleet, manifest);
    if (json_array_size(missing) > 0) {
        tn_http_problem_with(request, 424, "NOTFOUND", "files of the release are not here yet",
                             json_pack("{s:o}", "missing", missing));
        return;
    }
    json_decref(missing);
    publish(user, request, manifest);
}

void tn_rest_release_delete(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    int rc = tn_fleet_release_remove(tenond->fleet, tn_http_part(request, "model"),
                                     tn_http_part(request, "version"), tn_http_who(request),
                                     tn_tenond_now_ms(), &err);

    if (rc == TN_E_USAGE)
        tn_http_problem(request, 409, "USAGE", "%s", err.text);
    else
        tn_rest_reply_done(request, rc,
                           json_pack("{s:s, s:s, s:b}", "model", tn_http_part(request, "model"),
                                     "version", tn_http_part(request, "version"), "removed", 1),
                           &err);
}

void tn_rest_engines(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_page page = { .cursor = "" };
    json_t *items = tn_fleet_engines_json(tenond->fleet, tn_http_part(request, "model"),
                                          tn_http_part(request, "version"));

    if (items)
        tn_rest_reply_page(request, items, &page);
    else
        tn_http_problem(request, 404, "NOTFOUND", "no release or channel %s@%s",
                        tn_http_part(request, "model"), tn_http_part(request, "version"));
}

void tn_rest_engine_put(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *record = tn_rest_body(request);
    const char *hex = tn_http_part(request, "hex");
    struct tn_tenond *tenond = user;
    struct tn_digest digest;
    struct tn_error err = { 0 };

    if (!record || !tn_rest_digest(request, "hex", &digest))
        return;
    if (strcmp(tn_json_str(record, "digest", ""), hex) != 0) {
        tn_http_problem(request, 400, "INVALID", "the record is of another engine");
        return;
    }
    if (!tn_blobs_has(tenond->blobs, &digest, NULL)) {
        tn_http_problem_with(request, 424, "NOTFOUND", "the engine's bytes are not here yet",
                             json_pack("{s:[s]}", "missing", hex));
        return;
    }
    if (tn_fleet_engine_add(tenond->fleet, tn_http_part(request, "model"),
                            tn_http_part(request, "version"), record, tn_http_who(request),
                            tn_tenond_now_ms(), &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 201, json_pack("{s:s}", "digest", hex));
}

void tn_rest_engine_revoke(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    struct tn_tenond *tenond = user;
    const char *hex = tn_http_part(request, "hex");
    struct tn_error err = { 0 };
    int rc;

    if (!body)
        return;
    rc = tn_fleet_engine_revoke(tenond->fleet, hex, tn_json_str(body, "why", ""),
                                tn_http_who(request), tn_tenond_now_ms(), &err);
    tn_rest_reply_done(request, rc, tn_fleet_engine_json(tenond->fleet, hex), &err);
}

void tn_rest_engine_override(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    const char *class_key = tn_json_str(body, "class", NULL);
    const char *verdict = tn_json_str(body, "verdict", NULL);
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    int rc;

    if (!body)
        return;
    if (!class_key || !verdict) {
        tn_http_problem(request, 400, "INVALID", "members 'class' and 'verdict' are needed");
        return;
    }
    rc = tn_fleet_override(tenond->fleet, tn_http_part(request, "hex"), class_key, verdict,
                           tn_http_who(request), tn_tenond_now_ms(), &err);
    tn_rest_reply_done(request, rc,
                       tn_fleet_engine_json(tenond->fleet, tn_http_part(request, "hex")), &err);
}

static void pin(struct tn_http_request *request, struct tn_tenond *tenond, bool pinned)
{
    struct tn_error err = { 0 };
    int rc = tn_fleet_engine_pin(tenond->fleet, tn_http_part(request, "hex"), pinned,
                                 tn_http_who(request), tn_tenond_now_ms(), &err);

    tn_rest_reply_done(request, rc,
                       tn_fleet_engine_json(tenond->fleet, tn_http_part(request, "hex")), &err);
}

void tn_rest_engine_pin(struct tn_http_request *request, void *user)
{
    pin(request, user, true);
}

void tn_rest_engine_unpin(struct tn_http_request *request, void *user)
{
    pin(request, user, false);
}

void tn_rest_attachment_put(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    struct tn_tenond *tenond = user;
    struct tn_digest file;
    struct tn_error err = { 0 };
    int rc;

    if (!body)
        return;
    rc = tn_digest_parse(tn_json_str(body, "file", ""), &file, &err);
    if (rc == TN_OK)
        rc = tn_fleet_attach(tenond->fleet, tn_http_part(request, "hex"),
                             tn_http_part(request, "kind"), tn_json_str(body, "name", ""), &file,
                             tn_http_who(request), tn_tenond_now_ms(), &err);
    tn_rest_reply_done(request, rc,
                       tn_fleet_engine_json(tenond->fleet, tn_http_part(request, "hex")), &err);
}

void tn_rest_channel_put(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    const char *version = tn_json_str(body, "version", NULL);
    const char *model = tn_http_part(request, "model"), *name = tn_http_part(request, "name");
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    int rc;

    if (!body)
        return;
    if (!version) {
        tn_http_problem(request, 400, "INVALID", "member 'version' is needed");
        return;
    }
    rc = tn_fleet_channel_set(tenond->fleet, model, name, version, tn_http_who(request),
                              tn_tenond_now_ms(), &err);
    tn_rest_reply_done(
        request, rc,
        json_pack("{s:s, s:s, s:s}", "model", model, "channel", name, "version", version), &err);
}

void tn_rest_map(struct tn_http_request *request, void *user)
{
    const char *why = tn_http_query(request, "why");
    struct tn_tenond *tenond = user;
    struct tn_page page = { .cursor = "" };
    struct tn_error err = { 0 };
    json_t *items =
        tn_fleet_map_json(tenond->fleet, tn_http_query(request, "model"),
                          tn_http_query(request, "version"), why && strcmp(why, "1") == 0, &err);

    tn_rest_reply_items(request, items, &page, &err);
}
