#include "fleet/fleet_priv.h"

#include "base/text.h"
#include "recipe/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 128, VARIANTS_MAX = 64, PREFIX_MIN = 6, DEPTH_MAX = 8 };

/* ---- looking ---- */

struct release *release_find(const struct tn_fleet *fleet, const char *model, const char *version)
{
    tn_auto(tn_str_free) char *key = pair_key(model, version);

    return key ? tn_map_get(&fleet->releases, key) : NULL;
}

struct release *release_there(const struct tn_fleet *fleet, const char *model, const char *version)
{
    struct release *release = release_find(fleet, model, version);

    return release && !release->removed_ms ? release : NULL;
}

const struct channel *channel_find(const struct tn_fleet *fleet, const char *model,
                                   const char *name)
{
    tn_auto(tn_str_free) char *key = pair_key(model, name);

    return key ? tn_map_get(&fleet->channels, key) : NULL;
}

struct engine *engine_find(const struct tn_fleet *fleet, const char *hex)
{
    return tn_map_get(&fleet->engines, hex);
}

struct engine *engine_of_release(const struct release *release, const char *hex)
{
    for (size_t i = 0; i < release->engines.count; i++) {
        struct engine *engine = release->engines.item[i];

        if (strcmp(engine->hex, hex) == 0)
            return engine;
    }
    return NULL;
}

int engine_by_prefix(const struct tn_fleet *fleet, const char *text, struct engine **ret_engine,
                     struct tn_error *err)
{
    struct engine *found = NULL;
    struct engine *engine;
    size_t at = 0;

    if (strlen(text) < PREFIX_MIN)
        return tn_fail(err, TN_E_USAGE, "'%.40s': at least %d digits of the digest", text,
                       (int)PREFIX_MIN);
    while ((engine = tn_map_next(&fleet->engines, &at)) != NULL) {
        if (!tn_text_starts(engine->hex, text))
            continue;
        if (found)
            return tn_fail(err, TN_E_USAGE, "several engines begin with '%.64s'", text);
        found = engine;
    }
    if (!found)
        return tn_fail(err, TN_E_NOTFOUND, "no engine '%.64s'", text);
    *ret_engine = found;
    return TN_OK;
}

static void attachment_key(const char *hex, const char *kind, char ret_key[96])
{
    (void)snprintf(ret_key, 96, "%.64s %.16s", hex, kind);
}

const struct attachment *attachment_find(const struct tn_fleet *fleet, const char *hex,
                                         const char *kind)
{
    char key[96];

    attachment_key(hex, kind, key);
    return tn_map_get(&fleet->attachments, key);
}

void engine_touch(struct tn_fleet *fleet, const char *hex)
{
    for (struct engine *engine = engine_find(fleet, hex); engine; engine = engine->same)
        engine->release->generation++;
}

/* ---- files that a manifest names ---- */

typedef int (*digest_fn)(struct tn_fleet *fleet, const struct tn_digest *digest, void *user,
                         struct tn_error *err);

/* Every member "digest" below `json`: a variant's, and of the files that belong to it. */
static int each_digest(struct tn_fleet *fleet, const json_t *json, int depth, digest_fn each,
                       void *user, struct tn_error *err)
{
    const char *text = tn_json_str(json, "digest", NULL);
    struct tn_digest digest;
    const char *key;
    json_t *child;
    size_t at;
    int rc = TN_OK;

    if (depth > DEPTH_MAX)
        return tn_fail(err, TN_E_INVALID, "the manifest is nested too deeply");
    if (text) {
        rc = tn_digest_parse(text, &digest, err);
        if (rc == TN_OK)
            rc = each(fleet, &digest, user, err);
    }
    json_array_foreach(json, at, child)
    {
        if (rc == TN_OK)
            rc = each_digest(fleet, child, depth + 1, each, user, err);
    }
    json_object_foreach((json_t *)json, key, child)
    {
        if (rc == TN_OK && !json_is_string(child))
            rc = each_digest(fleet, child, depth + 1, each, user, err);
    }
    return rc;
}

static int keep_one(struct tn_fleet *fleet, const struct tn_digest *digest, void *user,
                    struct tn_error *err)
{
    (void)user;
    return keep_blob(fleet, digest, err);
}

static int note_missing(struct tn_fleet *fleet, const struct tn_digest *digest, void *user,
                        struct tn_error *err)
{
    char hex[TN_DIGEST_HEX];

    (void)err;
    tn_digest_hex(digest, hex);
    if (!tn_blobs_has(fleet->blobs, digest, NULL))
        tn_json_append_str(user, hex);
    return TN_OK;
}

json_t *tn_fleet_missing_blobs(struct tn_fleet *fleet, const json_t *manifest)
{
    json_t *missing = json_array();

    (void)each_digest(fleet, json_object_get(manifest, "variants"), 0, note_missing, missing, NULL);
    return missing;
}

int release_keep(struct tn_fleet *fleet, const struct release *release, struct tn_error *err)
{
    int rc =
        each_digest(fleet, json_object_get(release->manifest, "variants"), 0, keep_one, NULL, err);

    for (size_t i = 0; rc == TN_OK && i < release->engines.count; i++)
        rc = keep_blob(fleet, &((const struct engine *)release->engines.item[i])->digest, err);
    return rc;
}

/* ---- engines in memory ---- */

static void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    json_decref(engine->record);
    free(engine->record_text);
    free(engine->revoked_why);
    signing_free(engine->signing);
    free(engine);
}

static int read_plan(const struct tn_fleet *fleet, const struct tn_digest *digest,
                     struct tn_plan *ret_plan, int64_t *ret_bytes, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_blobs_read(fleet->blobs, digest, &fd, ret_bytes, err);

    return rc < 0 ? rc : tn_plan_read(fd, *ret_bytes, ret_plan, err);
}

static int learn_plan(struct tn_fleet *fleet, struct engine *engine, const struct tn_plan *plan,
                      struct tn_error *err)
{
    engine->plan = *plan;
    engine->plan_known = true;
    return kind_get(fleet, plan, &engine->kind, err);
}

/* Rungs in the order of the release's policy; what it does not name comes after. */
static int rung_of(const struct tn_ladder *order, enum tn_precision precision)
{
    for (size_t i = 0; i < order->count; i++)
        if (order->rung[i] == precision)
            return (int)i;
    return (int)order->count;
}

/* Of a record that was checked when it came in. */
static struct engine *engine_new(struct release *release, const char *record_text,
                                 struct tn_error *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    const char *precision;
    int rc =
        engine ? tn_json_parse(record_text, strlen(record_text), "the record", &engine->record, err)
               : tn_fail(err, TN_E_NOMEM, "an engine");

    if (rc == TN_OK)
        rc = copy_text(record_text, &engine->record_text, err);
    if (rc == TN_OK)
        rc = tn_digest_parse(tn_json_str(engine->record, "digest", ""), &engine->digest, err);
    if (rc < 0) {
        engine_free(engine);
        return NULL;
    }
    precision = tn_json_str(json_object_get(engine->record, "recipe"), "precision", "");
    engine->release = release;
    tn_digest_hex(&engine->digest, engine->hex);
    engine->name = tn_json_str(engine->record, "name", "");
    engine->precision = tn_precision_parse(precision, strlen(precision));
    engine->rung = rung_of(&release->order, engine->precision);
    engine->sequence = tn_json_int(engine->record, "sequence", 0);
    engine->bytes = tn_json_int(engine->record, "plan_bytes", 0);
    return engine;
}

static bool was_added_after(const struct engine *engine, const struct engine *other)
{
    if (engine->added_ms != other->added_ms)
        return engine->added_ms > other->added_ms;
    return strcmp(engine->release->key, other->release->key) > 0;
}

/* Of all with these bytes the one that was added last comes first: rows come in another order. */
static int chain(struct tn_fleet *fleet, struct engine *engine, struct tn_error *err)
{
    struct engine *before = tn_map_get(&fleet->engines, engine->hex);

    if (!before || was_added_after(engine, before)) {
        engine->same = before;
        return tn_map_put(&fleet->engines, engine->hex, engine, err);
    }
    while (before->same && !was_added_after(engine, before->same))
        before = before->same;
    engine->same = before->same;
    before->same = engine;
    return TN_OK;
}

/* From here on it belongs to the release. */
static int engine_join(struct tn_fleet *fleet, struct engine *engine, struct tn_error *err)
{
    struct release *release = engine->release;
    int rc = list_add(&release->engines, engine, err);

    if (rc < 0) {
        engine_free(engine);
        return rc;
    }
    if (engine->kind && !engine->revoked_ms)
        rc = kind_add(engine->kind, engine, err);
    if (rc == TN_OK)
        rc = chain(fleet, engine, err);
    if (rc == TN_OK)
        rc = keep_blob(fleet, &engine->digest, err);
    release->generation++;
    return rc;
}

bool engine_load_row(const void *row_, void *user)
{
    const struct tn_row_engine *row = row_;
    struct tn_fleet *fleet = user;
    struct release *release = release_find(fleet, row->model, row->version);
    struct engine *engine =
        release ? engine_new(release, row->record ? row->record : "", NULL) : NULL;
    struct tn_plan plan;
    int64_t bytes = 0;
    int rc = engine ? copy_text(row->revoked_why, &engine->revoked_why, NULL) : TN_E_CORRUPT;

    if (rc == TN_OK && (rc = signing_load(row->signatures, &engine->signing, NULL)) < 0)
        engine_free(engine);
    if (rc < 0)
        return fleet_hurt(fleet, rc) == TN_OK;
    engine->added_ms = row->added_ms;
    engine->revoked_ms = row->revoked_ms;
    /* a file that is missing or cannot be read now makes it no candidate, nothing worse */
    if (read_plan(fleet, &engine->digest, &plan, &bytes, NULL) == TN_OK)
        rc = learn_plan(fleet, engine, &plan, NULL);
    if (rc < 0) {
        engine_free(engine);
        return fleet_hurt(fleet, rc) == TN_OK;
    }
    return fleet_hurt(fleet, engine_join(fleet, engine, NULL)) == TN_OK;
}

static int engine_put(struct tn_fleet *fleet, const struct engine *engine, struct tn_error *err)
{
    tn_auto(tn_str_free) char *signatures = signing_row(engine->signing);
    struct tn_row_engine row = { .model = engine->release->model,
                                 .version = engine->release->version,
                                 .digest = engine->hex,
                                 .record = engine->record_text,
                                 .bytes = engine->bytes,
                                 .added_ms = engine->added_ms,
                                 .revoked_ms = engine->revoked_ms,
                                 .revoked_why = engine->revoked_why,
                                 .signatures = signatures };

    if (engine->signing && !signatures)
        return fleet_hurt(fleet, tn_fail(err, TN_E_NOMEM, "an engine"));
    return fleet_put(fleet, TN_TABLE_ENGINE, &row, err);
}

/* ---- adding an engine ---- */

/* The bytes decide: what the record claims about them must be what their own header says. */
static int check_plan(const struct engine *engine, const struct tn_plan *plan, int64_t bytes,
                      struct tn_error *err)
{
    const json_t *recipe = json_object_get(engine->record, "recipe");
    const char *flavor = tn_json_str(recipe, "flavor", "");
    const char *version = tn_json_str(recipe, "trt.version", "");
    const char *found = tn_flavor_name(plan->flavor);
    char number[TN_VERSION_TEXT];

    tn_version_print(&plan->version, number);
    if (plan->kind != TN_FILE_ENGINE || plan->wrapper[0])
        return tn_fail(err, TN_E_INVALID, "engine %.12s: the file is %s%s", engine->hex,
                       plan->wrapper[0] ? "wrapped by " : "no engine but ",
                       plan->wrapper[0] ? plan->wrapper : tn_file_kind_name(plan->kind));
    if (plan->complete == 0 || bytes != engine->bytes)
        return tn_fail(err, TN_E_CORRUPT,
                       "engine %.12s: the file has %lld bytes, the record says %lld, the header "
                       "%lld",
                       engine->hex, (long long)bytes, (long long)engine->bytes,
                       (long long)plan->expected_size);
    if (found && strcmp(found, flavor) != 0)
        return tn_fail(err, TN_E_INVALID, "engine %.12s: the record says %s, its header %s",
                       engine->hex, flavor, found);
    if (number[0] && strcmp(number, version) != 0)
        return tn_fail(err, TN_E_INVALID,
                       "engine %.12s: the record says TensorRT %s, its header %s", engine->hex,
                       version, number);
    return TN_OK;
}

static int engine_check(struct tn_fleet *fleet, struct engine *engine, struct tn_error *err)
{
    struct tn_plan plan;
    int64_t bytes = 0;
    int rc = read_plan(fleet, &engine->digest, &plan, &bytes, err);

    if (rc == TN_E_NOTFOUND)
        return tn_fail(err, rc, "engine %.12s: its file has not been uploaded", engine->hex);
    if (rc == TN_OK)
        rc = check_plan(engine, &plan, bytes, err);
    return rc < 0 ? rc : learn_plan(fleet, engine, &plan, err);
}

static int engine_publish(struct tn_fleet *fleet, struct engine *engine, const char *who,
                          int64_t now_ms, struct tn_error *err)
{
    int rc;

    engine->added_ms = now_ms;
    rc = fleet_hurt(fleet, engine_join(fleet, engine, err));
    if (rc == TN_OK)
        rc = engine_put(fleet, engine, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "engine-add", now_ms,
                         json_pack("{s:s,s:s,s:s}", "model", engine->release->model, "version",
                                   engine->release->version, "digest", engine->hex),
                         err);
    return rc < 0 ? rc : deploy_engine(fleet, engine, now_ms, err);
}

/* Signatures that came, over the record that is kept.
 * @param ret_signing all that count now; NULL = those that were there */
static int engine_signing(const struct tn_fleet *fleet, const struct engine *engine,
                          const json_t *given, struct signing **ret_signing, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    struct tn_signatures all;
    bool news = false;
    int rc;

    if (!given && !fleet->signatures_required)
        return TN_OK;
    rc = engine_signed_text(engine->record, &text, err);
    if (rc == TN_OK)
        rc = signing_check(fleet, engine->signing, given, &text, &all, &news, err);
    if (rc < 0)
        return tn_while(err, rc, "engine %.12s", engine->hex);
    if (news && (*ret_signing = signing_new(&all, err)) == NULL)
        return TN_E_NOMEM;
    return TN_OK;
}

static int engine_sign(struct tn_fleet *fleet, struct engine *engine, struct signing *signing,
                       const char *who, int64_t now_ms, struct tn_error *err)
{
    int rc;

    signing_free(engine->signing);
    engine->signing = signing;
    rc = engine_put(fleet, engine, err);
    if (rc < 0)
        return rc;
    return fleet_audit(fleet, who, "engine-sign", now_ms,
                       json_pack("{s:s,s:s,s:s}", "model", engine->release->model, "version",
                                 engine->release->version, "digest", engine->hex),
                       err);
}

/* Its file could not be read at the start, and was checked now: it is a candidate like any other.
 */
static int engine_return(struct tn_fleet *fleet, struct engine *engine, int64_t now_ms,
                         struct tn_error *err)
{
    int rc = fleet_hurt(fleet, kind_add(engine->kind, engine, err));

    engine->release->generation++;
    return rc < 0 ? rc : deploy_engine(fleet, engine, now_ms, err);
}

/* The file that came for one release is that of all; where it has not come nothing changes. */
static int engines_return(struct tn_fleet *fleet, struct engine *engine, int64_t now_ms,
                          struct tn_error *err)
{
    int rc = TN_OK;

    for (; rc == TN_OK && engine; engine = engine->same) {
        if (!engine->kind && !engine->revoked_ms && engine_check(fleet, engine, NULL) == TN_OK)
            rc = engine_return(fleet, engine, now_ms, err);
    }
    return rc;
}

/* Once more: further signatures are news, and a file that had been lost. */
static int engine_again(struct tn_fleet *fleet, struct engine *engine, const json_t *signatures,
                        const char *who, int64_t now_ms, struct tn_error *err)
{
    struct signing *signing = NULL;
    int rc;

    if (engine->revoked_ms)
        return tn_fail(err, TN_E_USAGE, "engine %.12s was revoked: %s", engine->hex,
                       engine->revoked_why ? engine->revoked_why : "");
    rc = engine_signing(fleet, engine, signatures, &signing, err);
    if (rc == TN_OK)
        rc = engines_return(fleet, engine_find(fleet, engine->hex), now_ms, err);
    if (rc < 0) {
        signing_free(signing);
        return rc;
    }
    return signing ? engine_sign(fleet, engine, signing, who, now_ms, err) : TN_OK;
}

/* What is stored: the signatures lie beside it. */
static json_t *without_signatures(const json_t *json)
{
    json_t *bare = json_copy((json_t *)json);

    (void)json_object_del(bare, "signatures");
    return bare;
}

/* These very bytes may be in another release, and revoked there: they are so here, too. */
static int take_revocation(const struct tn_fleet *fleet, struct engine *engine,
                           struct tn_error *err)
{
    const struct engine *same = tn_map_get(&fleet->engines, engine->hex);

    while (same && !same->revoked_ms)
        same = same->same;
    if (!same)
        return TN_OK;
    engine->revoked_ms = same->revoked_ms;
    return copy_text(same->revoked_why, &engine->revoked_why, err);
}

static int engine_first(struct tn_fleet *fleet, struct release *release, const json_t *record,
                        const char *who, int64_t now_ms, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *bare = without_signatures(record);
    tn_auto(tn_str_free) char *text = bare ? tn_json_text(bare) : NULL;
    struct engine *engine = text ? engine_new(release, text, err) : NULL;
    int rc;

    if (!engine)
        return tn_fail(err, TN_E_NOMEM, "an engine");
    rc = engine_check(fleet, engine, err);
    if (rc == TN_OK)
        rc = engine_signing(fleet, engine, json_object_get(record, "signatures"), &engine->signing,
                            err);
    if (rc == TN_OK)
        rc = take_revocation(fleet, engine, err);
    if (rc == TN_OK)
        return engine_publish(fleet, engine, who, now_ms, err);
    engine_free(engine);
    return rc;
}

int tn_fleet_engine_add(struct tn_fleet *fleet, const char *model, const char *version,
                        const json_t *record, const char *who, int64_t now_ms, struct tn_error *err)
{
    struct release *release = release_there(fleet, model, version);
    tn_auto(tn_record_done) struct tn_record checked = { 0 };
    char hex[TN_DIGEST_HEX];
    struct engine *there;
    int rc;

    if (!release)
        return tn_fail(err, TN_E_NOTFOUND, "no release %.80s@%.80s", model, version);
    if (release->engines.count >= ENGINES_PER_RELEASE_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d engines in %.80s@%.80s",
                       (int)ENGINES_PER_RELEASE_MAX, model, version);
    rc = tn_record_from_json(record, &checked, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&checked.digest, hex);
    there = engine_of_release(release, hex);
    return there
               ? engine_again(fleet, there, json_object_get(record, "signatures"), who, now_ms, err)
               : engine_first(fleet, release, record, who, now_ms, err);
}

bool tn_fleet_has_engine(const struct tn_fleet *fleet, const char *model, const char *version,
                         const char *hex)
{
    const struct release *release = release_find(fleet, model, version);

    return release && engine_of_release(release, hex);
}

/* ---- revoking ---- */

static int stop_actions(struct tn_fleet *fleet, const char *hex, const char *why, int64_t now_ms,
                        struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->device_list.count; i++) {
        struct tn_fleet_device *device = fleet->device_list.item[i];

        if (!device->active || strcmp(device->active->engine->hex, hex) != 0)
            continue;
        rc = action_stop(fleet, device->active, why, now_ms, err);
        if (rc == TN_OK)
            rc = deploy_device(fleet, device, now_ms, err);
    }
    return rc;
}

int tn_fleet_engine_revoke(struct tn_fleet *fleet, const char *digest, const char *why,
                           const char *who, int64_t now_ms, struct tn_error *err)
{
    struct engine *engine;
    char hex[TN_DIGEST_HEX];
    int rc = engine_by_prefix(fleet, digest, &engine, err);

    if (rc < 0)
        return rc;
    memcpy(hex, engine->hex, sizeof(hex));
    for (; rc == TN_OK && engine; engine = engine->same) {
        if (engine->revoked_ms)
            continue;
        engine->revoked_ms = now_ms;
        if (engine->kind)
            kind_remove(engine->kind, engine);
        rc = fleet_hurt(fleet, copy_text(why ? why : "", &engine->revoked_why, err));
        if (rc == TN_OK)
            rc = engine_put(fleet, engine, err);
        engine->release->generation++;
    }
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "engine-revoke", now_ms,
                         json_pack("{s:s,s:s}", "digest", hex, "why", why ? why : ""), err);
    return rc < 0 ? rc : stop_actions(fleet, hex, "the engine was revoked", now_ms, err);
}

/* ---- releases ---- */

void release_free(struct release *release)
{
    if (!release)
        return;
    for (size_t i = 0; i < release->engines.count; i++)
        engine_free(release->engines.item[i]);
    list_done(&release->engines);
    json_decref(release->manifest);
    free(release->manifest_text);
    free(release->created_by);
    signing_free(release->signing);
    free(release->model);
    free(release->version);
    free(release->key);
    free(release);
}

/* They stand in paths, in "model@version", and in keys of ours. */
static int check_name(const char *what, const char *name, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(8 * NAME_BYTES_MAX);

    tn_text_add_safe(&safe, name, strlen(name));
    if (!name[0] || strlen(name) > NAME_BYTES_MAX || strcmp(tn_buf_text(&safe), name) != 0 ||
        strpbrk(name, "/@") || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return tn_fail(err, TN_E_INVALID,
                       "%s '%.60s': 1 to %d bytes of plain text without '/' and '@'", what, name,
                       (int)NAME_BYTES_MAX);
    return TN_OK;
}

/* The spec's policy.precision as a list or as text, else the usual order. */
static struct tn_ladder read_order(const json_t *manifest)
{
    const json_t *policy = json_object_get(json_object_get(manifest, "spec"), "policy");
    const json_t *named = json_object_get(policy, "precision");
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256);
    struct tn_ladder order;
    const json_t *item;
    size_t at;

    json_array_foreach(named, at, item)
    {
        tn_buf_addf(&text, "%s%s", at ? "," : "",
                    json_is_string(item) ? json_string_value(item) : "?");
    }
    if (json_is_string(named))
        tn_buf_adds(&text, json_string_value(named));
    if (tn_ladder_parse(tn_buf_text(&text), &order, NULL) < 0)
        (void)tn_ladder_parse("int8,fp8,fp16,bf16,fp32", &order, NULL);
    return order;
}

static struct release *release_new(struct tn_fleet *fleet, const char *model, const char *version,
                                   const char *manifest_text, struct tn_error *err)
{
    struct release *release = calloc(1, sizeof(*release));
    int rc = release ? tn_json_parse(manifest_text, strlen(manifest_text), "the manifest",
                                     &release->manifest, err)
                     : tn_fail(err, TN_E_NOMEM, "a release");

    if (rc == TN_OK)
        rc = copy_text(manifest_text, &release->manifest_text, err);
    if (rc == TN_OK)
        rc = copy_text(model, &release->model, err);
    if (rc == TN_OK)
        rc = copy_text(version, &release->version, err);
    if (rc == TN_OK && (release->key = pair_key(model, version)) == NULL)
        rc = tn_fail(err, TN_E_NOMEM, "a release");
    if (rc == TN_OK)
        rc = each_digest(fleet, json_object_get(release->manifest, "variants"), 0, keep_one, NULL,
                         err);
    if (rc == TN_OK)
        rc = list_add(&fleet->release_list, release, err);
    if (rc == TN_OK && (rc = tn_map_put(&fleet->releases, release->key, release, err)) < 0)
        fleet->release_list.count--;
    if (rc < 0) {
        release_free(release);
        return NULL;
    }
    release->number = fleet->releases.count;
    release->order = read_order(release->manifest);
    return release;
}

bool release_load_row(const void *row_, void *user)
{
    const struct tn_row_release *row = row_;
    struct tn_fleet *fleet = user;
    struct release *release =
        release_new(fleet, row->model, row->version, row->manifest ? row->manifest : "", NULL);
    int rc = release ? copy_text(row->created_by, &release->created_by, NULL) : TN_E_CORRUPT;

    if (rc == TN_OK)
        rc = signing_load(row->signatures, &release->signing, NULL);
    if (rc == TN_OK) {
        release->created_ms = row->created_ms;
        release->removed_ms = row->removed_ms;
    }
    if (rc == TN_OK && release->removed_ms)
        fleet->release_list.count--; /* where release_new() has just put it */
    return fleet_hurt(fleet, rc) == TN_OK;
}

static int check_variant(const json_t *variant, struct tn_error *err)
{
    const char *precision = tn_json_str(variant, "precision", "");
    const char *name = tn_json_str(variant, "name", "");
    struct tn_digest digest;

    if (tn_precision_parse(precision, strlen(precision)) == TN_PRECISION_UNKNOWN)
        return tn_fail(err, TN_E_INVALID, "a variant's precision '%.40s' is none", precision);
    if (tn_json_int(variant, "bytes", TN_UNKNOWN) < 0)
        return tn_fail(err, TN_E_INVALID, "variant %s: 'bytes' is missing", precision);
    if (check_name("a variant's file name", name, err) < 0)
        return TN_E_INVALID;
    return tn_digest_parse(tn_json_str(variant, "digest", ""), &digest, err);
}

static int check_manifest(struct tn_fleet *fleet, const json_t *manifest, struct tn_error *err)
{
    const json_t *variants = json_object_get(manifest, "variants");
    tn_auto(tn_json_done) json_t *missing = NULL;
    const json_t *variant;
    size_t at;
    int rc = check_name("model", tn_json_str(manifest, "model", ""), err);

    if (rc == TN_OK)
        rc = check_name("version", tn_json_str(manifest, "version", ""), err);
    if (rc == TN_OK && (!json_is_array(variants) || json_array_size(variants) > VARIANTS_MAX))
        rc = tn_fail(err, TN_E_INVALID, "'variants' is a list of at most %d", (int)VARIANTS_MAX);
    json_array_foreach(variants, at, variant)
    {
        if (rc == TN_OK)
            rc = check_variant(variant, err);
    }
    if (rc < 0)
        return rc;
    missing = json_array();
    rc = each_digest(fleet, variants, 0, note_missing, missing, err);
    if (rc < 0)
        return rc;
    if (json_array_size(missing) > 0)
        return tn_fail(err, TN_E_NOTFOUND, "%zu files have not been uploaded, the first is %.64s",
                       json_array_size(missing), json_string_value(json_array_get(missing, 0)));
    return TN_OK;
}

/* The order of releases is the order of their times, also when the clock was put back between two:
 * a later one is never created before an earlier one of its model. */
static int64_t creation_time(const struct tn_fleet *fleet, const struct release *release,
                             int64_t now_ms)
{
    int64_t time_ms = now_ms;

    for (size_t i = 0; i < fleet->release_list.count; i++) {
        const struct release *other = fleet->release_list.item[i];

        if (other != release && other->created_ms >= time_ms &&
            strcmp(other->model, release->model) == 0)
            time_ms = other->created_ms + 1;
    }
    return time_ms;
}

int release_put(struct tn_fleet *fleet, const struct release *release, struct tn_error *err)
{
    tn_auto(tn_str_free) char *signatures = signing_row(release->signing);
    struct tn_row_release row = { .model = release->model,
                                  .version = release->version,
                                  .manifest = release->manifest_text,
                                  .created_ms = release->created_ms,
                                  .created_by = release->created_by,
                                  .removed_ms = release->removed_ms,
                                  .signatures = signatures };

    if (release->signing && !signatures)
        return fleet_hurt(fleet, tn_fail(err, TN_E_NOMEM, "a release"));
    return fleet_put(fleet, TN_TABLE_RELEASE, &row, err);
}

/* Whether what was published before may be published again. */
static int check_same(const struct release *release, const char *text, struct tn_error *err)
{
    if (release->removed_ms)
        return tn_fail(err, TN_E_USAGE,
                       "release %.80s@%.80s was removed, and a version is never used twice: give "
                       "another one",
                       release->model, release->version);
    if (strcmp(release->manifest_text, text) != 0)
        return tn_fail(err, TN_E_USAGE,
                       "release %.80s@%.80s is published with other content, and a release never "
                       "changes: give another version",
                       release->model, release->version);
    return TN_OK;
}

/* Once more: only further signatures are news. */
static int release_again(struct tn_fleet *fleet, struct release *release, struct signing *signing,
                         const char *who, int64_t now_ms, struct tn_error *err)
{
    int rc;

    if (!signing)
        return TN_OK;
    signing_free(release->signing);
    release->signing = signing;
    rc = release_put(fleet, release, err);
    if (rc < 0)
        return rc;
    return fleet_audit(fleet, who, "release-sign", now_ms,
                       json_pack("{s:s,s:s}", "model", release->model, "version", release->version),
                       err);
}

static int release_first(struct tn_fleet *fleet, const json_t *manifest, const char *text,
                         struct signing *signing, const char *who, int64_t now_ms,
                         struct tn_error *err)
{
    const char *model = tn_json_str(manifest, "model", "");
    const char *version = tn_json_str(manifest, "version", "");
    struct release *release = release_new(fleet, model, version, text, err);
    int rc;

    if (!release) {
        signing_free(signing);
        return fleet_hurt(fleet, TN_E_NOMEM);
    }
    release->signing = signing;
    release->created_ms = creation_time(fleet, release, now_ms);
    rc = fleet_hurt(fleet, copy_text(who, &release->created_by, err));
    if (rc == TN_OK)
        rc = release_put(fleet, release, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "release-add", now_ms,
                         json_pack("{s:s,s:s}", "model", model, "version", version), err);
    return rc < 0 ? rc : fleet_hurt(fleet, deployments_settle(fleet, err));
}

/* As engine_signing(). */
static int release_signing(const struct tn_fleet *fleet, const struct release *there,
                           const json_t *manifest, struct signing **ret_signing,
                           struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    const json_t *given = json_object_get(manifest, "signatures");
    struct tn_signatures all;
    bool news = false;
    int rc;

    if (!given && !fleet->signatures_required)
        return TN_OK;
    rc = tn_signed_manifest(manifest, &text, err);
    if (rc == TN_OK)
        rc = signing_check(fleet, there ? there->signing : NULL, given, &text, &all, &news, err);
    if (rc < 0)
        return tn_while(err, rc, "release %.80s@%.80s", tn_json_str(manifest, "model", ""),
                        tn_json_str(manifest, "version", ""));
    if (news && (*ret_signing = signing_new(&all, err)) == NULL)
        return TN_E_NOMEM;
    return TN_OK;
}

int tn_fleet_release_add(struct tn_fleet *fleet, const json_t *manifest, const char *who,
                         int64_t now_ms, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *bare = without_signatures(manifest);
    tn_auto(tn_str_free) char *text = NULL;
    struct signing *signing = NULL;
    struct release *release;
    int rc = check_manifest(fleet, manifest, err);

    if (rc < 0)
        return rc;
    text = bare ? tn_json_text(bare) : NULL;
    if (!text)
        return tn_fail(err, TN_E_NOMEM, "a release");
    release = release_find(fleet, tn_json_str(manifest, "model", ""),
                           tn_json_str(manifest, "version", ""));
    if (release)
        rc = check_same(release, text, err);
    else if (channel_find(fleet, tn_json_str(manifest, "model", ""),
                          tn_json_str(manifest, "version", "")))
        rc = tn_fail(err, TN_E_USAGE, "%.80s@%.80s is a channel: give the release another version",
                     tn_json_str(manifest, "model", ""), tn_json_str(manifest, "version", ""));
    if (rc == TN_OK)
        rc = release_signing(fleet, release, manifest, &signing, err);
    if (rc < 0)
        return rc;
    return release ? release_again(fleet, release, signing, who, now_ms, err)
                   : release_first(fleet, manifest, text, signing, who, now_ms, err);
}

/* ---- attachments ---- */

static const struct {
    const char *kind, *suffix;
} attachment_kinds[] = { { "swupdate", ".swu" }, { "rauc", ".raucb" } };

void attachment_free(struct attachment *attachment)
{
    if (!attachment)
        return;
    free(attachment->name);
    free(attachment->key);
    free(attachment);
}

static int attachment_set(struct tn_fleet *fleet, const struct tn_row_attachment *row,
                          struct tn_error *err)
{
    struct attachment *attachment = calloc(1, sizeof(*attachment));
    char key[96];
    struct attachment *old;
    int rc = attachment ? copy_text(row->name, &attachment->name, err)
                        : tn_fail(err, TN_E_NOMEM, "an attachment");

    attachment_key(row->digest, row->kind, key);
    if (rc == TN_OK)
        rc = copy_text(key, &attachment->key, err);
    if (rc == TN_OK)
        rc = tn_digest_parse(row->file ? row->file : "", &attachment->file, err);
    if (rc == TN_OK)
        rc = keep_blob(fleet, &attachment->file, err);
    old = tn_map_get(&fleet->attachments, key);
    if (rc == TN_OK)
        rc = tn_map_put(&fleet->attachments, attachment->key, attachment, err);
    if (rc < 0) {
        attachment_free(attachment);
        return rc;
    }
    (void)tn_text_copy(attachment->kind, sizeof(attachment->kind), row->kind);
    attachment->bytes = row->bytes;
    attachment_free(old);
    return TN_OK;
}

bool attachment_load_row(const void *row, void *fleet)
{
    return fleet_hurt(fleet, attachment_set(fleet, row, NULL)) == TN_OK;
}

static int check_attachment(const char *kind, const char *name, struct tn_error *err)
{
    for (size_t i = 0; i < TN_COUNT(attachment_kinds); i++) {
        if (strcmp(attachment_kinds[i].kind, kind) != 0)
            continue;
        if (!tn_text_ends(name, attachment_kinds[i].suffix))
            return tn_fail(err, TN_E_INVALID, "'%.80s': a file for %s ends in %s", name, kind,
                           attachment_kinds[i].suffix);
        return check_name("the file name", name, err);
    }
    return tn_fail(err, TN_E_INVALID, "'%.40s' is no kind of attachment: swupdate, rauc", kind);
}

int tn_fleet_attach(struct tn_fleet *fleet, const char *digest, const char *kind, const char *name,
                    const struct tn_digest *file, const char *who, int64_t now_ms,
                    struct tn_error *err)
{
    struct tn_row_attachment row = { .kind = kind, .name = name };
    struct engine *engine;
    char hex[TN_DIGEST_HEX];
    int rc = engine_by_prefix(fleet, digest, &engine, err);

    if (rc == TN_OK)
        rc = check_attachment(kind, name, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(file, hex);
    if (!tn_blobs_has(fleet->blobs, file, &row.bytes))
        return tn_fail(err, TN_E_NOTFOUND, "file %.12s has not been uploaded", hex);
    row.digest = engine->hex;
    row.file = hex;
    rc = fleet_hurt(fleet, attachment_set(fleet, &row, err));
    if (rc == TN_OK)
        rc = fleet_put(fleet, TN_TABLE_ATTACHMENT, &row, err);
    if (rc == TN_OK)
        rc = fleet_audit(
            fleet, who, "engine-attach", now_ms,
            json_pack("{s:s,s:s,s:s}", "digest", row.digest, "kind", kind, "file", hex), err);
    engine_touch(fleet, engine->hex);
    for (; rc == TN_OK && engine; engine = engine->same)
        rc = deploy_engine(fleet, engine, now_ms, err);
    return rc;
}

/* ---- channels ---- */

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    free(channel->model);
    free(channel->name);
    free(channel->version);
    free(channel->key);
    free(channel);
}

static int channel_put(struct tn_fleet *fleet, const struct tn_row_channel *row,
                       struct tn_error *err)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    struct channel *old = (struct channel *)channel_find(fleet, row->model, row->name);
    int rc = channel ? copy_text(row->model, &channel->model, err)
                     : tn_fail(err, TN_E_NOMEM, "a channel");

    if (rc == TN_OK)
        rc = copy_text(row->name, &channel->name, err);
    if (rc == TN_OK)
        rc = copy_text(row->version, &channel->version, err);
    if (rc == TN_OK && (channel->key = pair_key(row->model, row->name)) == NULL)
        rc = tn_fail(err, TN_E_NOMEM, "a channel");
    if (rc == TN_OK)
        rc = tn_map_put(&fleet->channels, channel->key, channel, err);
    if (rc < 0) {
        channel_free(channel);
        return rc;
    }
    channel->changed_ms = row->changed_ms;
    channel_free(old);
    return TN_OK;
}

bool channel_load_row(const void *row, void *fleet)
{
    return fleet_hurt(fleet, channel_put(fleet, row, NULL)) == TN_OK;
}

/* Deployments of the channel have another target now. */
static int channel_moved(struct tn_fleet *fleet, const char *model, const char *channel,
                         int64_t now_ms, struct tn_error *err)
{
    int rc = fleet_hurt(fleet, deployments_settle(fleet, err));

    for (size_t i = 0; rc == TN_OK && i < fleet->running.count; i++) {
        struct deployment *deployment = fleet->running.item[i];

        if (deployment->channel && strcmp(deployment->channel, channel) == 0 &&
            strcmp(deployment->model, model) == 0)
            rc = deploy_all(fleet, deployment, now_ms, err);
    }
    return rc;
}

int tn_fleet_channel_set(struct tn_fleet *fleet, const char *model, const char *channel,
                         const char *version, const char *who, int64_t now_ms, struct tn_error *err)
{
    struct tn_row_channel row = {
        .model = model, .name = channel, .version = version, .changed_ms = now_ms
    };
    const struct channel *now = channel_find(fleet, model, channel);
    int rc = check_name("channel", channel, err);

    if (rc == TN_OK && !release_there(fleet, model, version))
        rc = tn_fail(err, TN_E_NOTFOUND, "no release %.80s@%.80s", model, version);
    else if (rc == TN_OK && release_find(fleet, model, channel))
        rc = tn_fail(err, TN_E_USAGE, "%.80s@%.80s is a release: give the channel another name",
                     model, channel);
    if (rc < 0 || (now && strcmp(now->version, version) == 0))
        return rc;
    rc = fleet_hurt(fleet, channel_put(fleet, &row, err));
    if (rc == TN_OK)
        rc = fleet_put(fleet, TN_TABLE_CHANNEL, &row, err);
    if (rc == TN_OK)
        rc = fleet_audit(
            fleet, who, "channel-set", now_ms,
            json_pack("{s:s,s:s,s:s}", "model", model, "channel", channel, "version", version),
            err);
    return rc < 0 ? rc : channel_moved(fleet, model, channel, now_ms, err);
}
