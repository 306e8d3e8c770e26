/*
 * tenon push: a model's files, its release, and the engines of the stores that belong to it.
 *
 *   collect  spec -> variants -> files by content; engines whose recipe is the spec's
 *   send     files, release, engines: a release names only what is there, an engine only a release
 */
#include "cli/net.h"

#include "base/text.h"
#include "loader/facts.h"
#include "net/transfer.h"
#include "recipe/signature.h"
#include "recipe/spec.h"
#include "store/mark.h"
#include "store/object.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that the server is to have. */
struct blob {
    struct tn_upload_file file; /* its path is ours */
    char name[256];             /* for people, and for who fetches it */
    struct tn_transfer transfer;
};

struct push {
    struct tn_net *net;
    struct tn_store *store;
    struct tn_spec spec;
    struct tn_shapes shapes; /* the command line's, then the spec's */
    char model[128];
    const char *version;
    struct tn_model variant[TN_LADDER_MAX];
    struct tn_recipe wanted[TN_LADDER_MAX]; /* of a variant: what engines have in common */
    struct tn_shapes complete;              /* of the first variant: every dynamic input */
    int read;                               /* variants that were read */
    struct blob *blob;
    size_t blob_count;
    struct tn_entries engines;
    json_t *skipped; /* engines of this model that are not this release's */
    const char *release_state;
    size_t engines_added, engines_there, engines_revoked; /* the last are some of both */
    struct tn_ed25519_secret secret;                      /* of --sign */
    bool sign;
    tn_nsec start;
    const char *sending; /* name of the blob under way */
    struct tn_error *err;
    int rc;
};

static void push_done(struct push *push)
{
    for (int i = 0; i < push->read; i++) {
        tn_model_done(&push->variant[i]);
        tn_recipe_done(&push->wanted[i]);
    }
    for (size_t i = 0; i < push->blob_count; i++)
        free((void *)push->blob[i].file.path);
    free(push->blob);
    tn_entries_done(&push->engines);
    tn_shapes_done(&push->shapes);
    tn_shapes_done(&push->complete);
    tn_spec_done(&push->spec);
    tn_json_done(&push->skipped);
    tn_ed25519_done(&push->secret);
    tn_store_close(push->store);
}

/* ---- collecting ---- */

static int add_blob(struct push *push, const char *path, const struct tn_digest *digest,
                    int64_t bytes, const char *name)
{
    struct blob *grown;
    char *kept;

    for (size_t i = 0; i < push->blob_count; i++)
        if (tn_digest_equal(&push->blob[i].file.digest, digest))
            return TN_OK;
    grown = realloc(push->blob, (push->blob_count + 1) * sizeof(*grown));
    if (grown)
        push->blob = grown;
    kept = strdup(path);
    if (!grown || !kept) {
        free(kept);
        return tn_fail(push->err, TN_E_NOMEM, "collect what to send");
    }
    grown[push->blob_count] = (struct blob) { .file = { kept, *digest, bytes } };
    (void)tn_text_copy(grown[push->blob_count++].name, sizeof(grown->name), name);
    return TN_OK;
}

static int hash_file(const char *path, struct tn_digest *ret_digest, int64_t *ret_bytes,
                     struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(path, &fd, NULL, err);

    return rc == TN_OK ? tn_digest_fd(fd, ret_digest, ret_bytes, err) : rc;
}

static int add_file(struct push *push, json_t *list, const char *path, const char *name)
{
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX];
    int64_t bytes;
    json_t *one;
    int rc = hash_file(path, &digest, &bytes, push->err);

    if (rc == TN_OK)
        rc = add_blob(push, path, &digest, bytes, name);
    if (rc < 0)
        return rc;
    one = json_object();
    tn_digest_hex(&digest, hex);
    tn_json_set_str(one, "digest", hex);
    tn_json_set_int(one, "bytes", bytes);
    tn_json_set_str(one, "name", name);
    (void)json_array_append_new(list, one);
    return TN_OK;
}

/* {"precision", "digest", "bytes", "name"} of the ONNX file; with external data also "model_digest"
 * (of the whole) and "external", the same of each further file by its location. */
static int add_variant(struct push *push, int at, json_t *variants)
{
    const struct tn_model *model = &push->variant[at];
    tn_auto(tn_json_done) json_t *files = json_array();
    json_t *external = json_array();
    json_t *json;
    char hex[TN_DIGEST_HEX];
    int rc = add_file(push, files, model->path, tn_path_base(model->path));

    for (size_t i = 0; rc == TN_OK && i < model->external_count; i++)
        rc = add_file(push, external, model->external[i].path, model->external[i].location);
    json = json_incref(json_array_get(files, 0));
    tn_json_set_str(json, "precision", tn_precision_name(push->spec.variant[at].precision));
    tn_digest_hex(&model->digest, hex);
    tn_json_set_str(json, "model_digest", hex);
    if (model->external_count > 0)
        tn_json_set(json, "external", json_incref(external));
    json_decref(external);
    if (rc < 0) {
        json_decref(json);
        return rc;
    }
    return json_array_append_new(variants, json) == 0
               ? TN_OK
               : tn_fail(push->err, TN_E_NOMEM, "collect what to send");
}

/* What every engine of the variant has, whatever it is built for: a recipe for a made-up target. */
static int make_wanted(struct push *push, int at, struct tn_error *err)
{
    const struct tn_model *model = &push->variant[at];
    struct tn_shapes shapes = { 0 };
    struct tn_want want = { .model = model,
                            .model_precision = push->spec.variant[at].precision,
                            .precision = push->spec.variant[at].precision,
                            .flavor = TN_FLAVOR_RTX,
                            .version = { .part = { 1, 0, 0, 0 }, .parts = 4 },
                            .platform = "any",
                            .shapes = &shapes,
                            .options = &push->spec.options };
    int rc = tn_recipe_complete_shapes(model, &push->shapes, &shapes, NULL, err);

    if (rc == TN_OK)
        rc = tn_recipe_make(&want, &push->wanted[at], err);
    if (rc == TN_OK && at == 0)
        push->complete = shapes;
    else
        tn_shapes_done(&shapes);
    return rc;
}

static int read_variant(struct push *push, int at)
{
    struct tn_variant *variant = &push->spec.variant[at];
    int rc;

    tn_meter_show(&push->net->meter, "reading", tn_path_base(variant->path),
                  tn_clock_monotonic() - push->start);
    rc = tn_facts_model(push->store, variant->path, &push->variant[at], push->err);
    if (rc < 0)
        return rc;
    push->read = at + 1;
    if (variant->precision == TN_PRECISION_UNKNOWN)
        variant->precision = push->variant[at].precision;
    for (size_t i = 0; i < push->variant[at].external_count; i++)
        if (push->variant[at].external[i].stamp.size == 0 &&
            push->variant[at].external[i].needed_bytes > 0)
            return tn_fail(push->err, TN_E_NOTFOUND,
                           "'%s' has external data in '%s', which is not there",
                           push->variant[at].path, push->variant[at].external[i].location);
    return make_wanted(push, at, push->err);
}

static int read_shapes(struct push *push)
{
    const char *given = tn_given(push->net->call, "shapes");
    int rc = given ? tn_shapes_parse(given, &push->shapes, push->err) : TN_OK;

    if (rc < 0)
        return push->err->code = TN_E_USAGE;
    for (size_t i = 0; rc == TN_OK && i < push->spec.shapes.count; i++)
        if (!tn_shapes_find(&push->shapes, push->spec.shapes.range[i].input))
            rc = tn_shapes_add(&push->shapes, &push->spec.shapes.range[i], push->err);
    return rc;
}

static int read_spec(struct push *push)
{
    const struct tn_invocation *call = push->net->call;
    const char *named = tn_given(call, "model");
    int rc = tn_store_open(tn_given(call, "store"), &push->store, push->err);

    if (rc == TN_OK)
        rc = tn_spec_read_with(call->args[0], tn_facts_digest, push->store, &push->spec, push->err);
    if (rc == TN_OK)
        rc = read_shapes(push);
    for (int i = 0; rc == TN_OK && i < push->spec.variant_count; i++)
        rc = read_variant(push, i);
    (void)tn_text_copy(push->model, sizeof(push->model), named ? named : push->spec.name);
    return rc;
}

/* ---- engines ---- */

/* The variant that the engine was built from, or -1. */
static int variant_of(const struct push *push, const struct tn_record *record)
{
    const char *digest = record->recipe.value[TN_RECIPE_MODEL_DIGEST];

    for (int i = 0; i < push->read; i++)
        if (digest && strcmp(digest, push->wanted[i].value[TN_RECIPE_MODEL_DIGEST]) == 0)
            return i;
    return -1;
}

/* The first field of those that make an engine another one, not one for another device.
 * @return its name, or NULL when it belongs */
static const char *foreign_field(const struct tn_recipe *wanted, const struct tn_recipe *there)
{
    static const enum tn_recipe_field same[] = { TN_RECIPE_SHAPES, TN_RECIPE_TF32, TN_RECIPE_FLAGS,
                                                 TN_RECIPE_PLUGINS, TN_RECIPE_CALIBRATION };

    for (size_t i = 0; i < TN_COUNT(same); i++)
        if (strcmp(wanted->value[same[i]], there->value[same[i]]) != 0)
            return tn_recipe_field_name(same[i]);
    return NULL;
}

static void skip(struct push *push, const struct tn_entry *entry, const char *format, ...)
    TN_PRINTF(3, 4);
static void skip(struct push *push, const struct tn_entry *entry, const char *format, ...)
{
    json_t *one = json_object();
    char reason[700];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    tn_json_set_str(one, "name", entry->record.name);
    tn_json_set_str(one, "reason", reason);
    (void)json_array_append_new(push->skipped, one);
}

static bool have_engine(const struct push *push, const struct tn_entry *entry)
{
    for (size_t i = 0; i < push->engines.count; i++)
        if (tn_digest_equal(&push->engines.item[i].record.digest, &entry->record.digest))
            return true;
    return false;
}

static bool keep_engine(struct push *push, struct tn_entry *entry)
{
    struct tn_entry *grown =
        realloc(push->engines.item, (push->engines.count + 1) * sizeof(*grown));

    if (!grown) {
        push->rc = tn_fail(push->err, TN_E_NOMEM, "collect engines");
        return false;
    }
    push->engines.item = grown;
    grown[push->engines.count++] = *entry;
    *entry = (struct tn_entry) { 0 };
    return true;
}

static bool consider(struct tn_entry *entry, void *user)
{
    struct push *push = user;
    int variant = variant_of(push, &entry->record);
    const char *field;
    struct tn_error why = { 0 };

    if (variant < 0 || have_engine(push, entry))
        return true;
    field = foreign_field(&push->wanted[variant], &entry->record.recipe);
    if (field)
        skip(push, entry, "built with other %s than the release's", field);
    else if (tn_object_verify(push->store, entry, false, &why) != TN_OK)
        skip(push, entry, "%s", why.text);
    else
        return keep_engine(push, entry);
    return true;
}

static int collect_engines(struct push *push)
{
    int rc = TN_OK;

    push->skipped = json_array();
    if (tn_given(push->net->call, "no-engines"))
        return TN_OK;
    rc = tn_objects_each(push->store, consider, NULL, push, push->err);
    if (rc == TN_OK)
        rc = push->rc;
    for (size_t i = 0; rc == TN_OK && i < push->engines.count; i++) {
        const struct tn_entry *entry = &push->engines.item[i];

        rc = add_blob(push, entry->path, &entry->record.digest, entry->record.plan_bytes,
                      entry->record.name);
    }
    return rc;
}

/* ---- the release ---- */

static json_t *ladder_json(const struct tn_ladder *ladder)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ladder->count; i++)
        tn_json_append_str(list, tn_precision_name(ladder->rung[i]));
    return list;
}

static json_t *dims_json(const struct tn_dims *dims)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(512);

    tn_dims_add(&text, dims);
    return json_string(tn_buf_text(&text));
}

static json_t *shapes_json(const struct tn_shapes *shapes)
{
    json_t *json = json_object();

    for (size_t i = 0; i < shapes->count; i++) {
        json_t *range = json_object();

        tn_json_set(range, "min", dims_json(&shapes->range[i].min));
        tn_json_set(range, "opt", dims_json(&shapes->range[i].opt));
        tn_json_set(range, "max", dims_json(&shapes->range[i].max));
        tn_json_set(json, shapes->range[i].input, range);
    }
    return json;
}

static json_t *options_json(const struct tn_build_options *options, const struct tn_recipe *recipe)
{
    json_t *json = json_object();
    json_t *flags = json_array();

    for (int i = 0; i < options->flag_count; i++)
        tn_json_append_str(flags, options->flag[i]);
    tn_json_set(json, "flags", flags);
    tn_json_set(json, "tf32", json_boolean(options->tf32));
    tn_json_set_str(json, "hardware-compatibility", recipe->value[TN_RECIPE_HW_COMPAT]);
    if (options->workspace_bytes > 0)
        tn_json_set_int(json, "workspace", options->workspace_bytes);
    if (options->optimization_level >= 0)
        tn_json_set_int(json, "optimization-level", options->optimization_level);
    return json;
}

/* What somebody needs to build further engines of this release: a model.yaml without its name and
 * its variants, whose files have other names elsewhere. */
static json_t *spec_json(const struct push *push)
{
    json_t *json = json_object();

    if (push->complete.count > 0)
        tn_json_set(json, "shapes", shapes_json(&push->complete));
    tn_json_set(json, "options", options_json(&push->spec.options, &push->wanted[0]));
    if (push->spec.policy.ladder.count > 0) {
        json_t *policy = json_object();

        tn_json_set(policy, "precision", ladder_json(&push->spec.policy.ladder));
        tn_json_set(json, "policy", policy);
    }
    return json;
}

/* Files that a build needs and a release does not hold. */
static json_t *needs_json(const struct tn_build_options *options)
{
    json_t *list = json_array();

    for (int i = 0; i < options->plugin_count; i++)
        tn_json_append_str(list, tn_path_base(options->plugin[i].path));
    if (options->calibration[0])
        tn_json_append_str(list, tn_path_base(options->calibration));
    if (options->timing_cache[0])
        tn_json_append_str(list, tn_path_base(options->timing_cache));
    return list;
}

static int make_manifest(struct push *push, json_t **ret_json)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    json_t *variants = json_array();
    int rc = TN_OK;

    tn_json_set(json, "variants", variants);
    for (int i = 0; rc == TN_OK && i < push->read; i++)
        rc = add_variant(push, i, variants);
    if (rc < 0)
        return rc;
    tn_json_set_str(json, "model", push->model);
    tn_json_set_str(json, "version", push->version);
    tn_json_set(json, "spec", spec_json(push));
    tn_json_set(json, "needs", needs_json(&push->spec.options));
    *ret_json = json;
    json = NULL;
    return TN_OK;
}

/* ---- signatures ---- */

/* Before anything is sent: a key that cannot be read is no reason to publish unsigned. */
static int read_key(struct push *push)
{
    const char *path = tn_given(push->net->call, "sign");

    push->sign = path != NULL;
    return path ? tn_ed25519_read(path, &push->secret, push->err) : TN_OK;
}

static int add_signature(struct push *push, const struct tn_buf *text, struct tn_signatures *list)
{
    struct tn_signature signature;
    int rc = tn_signature_make(&push->secret, text, &signature, push->err);

    return rc == TN_OK ? tn_signatures_add(list, &signature, push->err) : rc;
}

static int sign_manifest(struct push *push, json_t *manifest)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    struct tn_signatures list = { .count = 0 };
    int rc = push->sign ? tn_signed_manifest(manifest, &text, push->err) : TN_OK;

    if (rc == TN_OK && push->sign)
        rc = add_signature(push, &text, &list);
    if (rc == TN_OK && push->sign)
        tn_json_set(manifest, "signatures", tn_signatures_to_json(&list));
    return rc;
}

/* What the store's mark holds, and ours. */
static int engine_signatures(struct push *push, const struct tn_entry *entry,
                             struct tn_signatures *ret_list)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    int rc = push->sign ? tn_signed_record(&entry->record, &text, push->err) : TN_OK;

    tn_mark_signatures(push->store, entry, ret_list);
    return rc == TN_OK && push->sign ? add_signature(push, &text, ret_list) : rc;
}

/* Whether the server has all of them. */
static bool has_all(const json_t *there, const struct tn_signatures *wanted)
{
    struct tn_signatures list = { .count = 0 };

    if (there && tn_signatures_from_json(there, &list, NULL) < 0)
        return false;
    for (size_t i = 0; i < wanted->count; i++)
        if (!tn_signatures_have(&list, &wanted->item[i]))
            return false;
    return true;
}

static void release_path(const struct push *push, struct tn_buf *path)
{
    tn_buf_adds(path, "/api/v1/models");
    tn_url_add_segment(path, push->model);
    tn_buf_adds(path, "/releases");
    tn_url_add_segment(path, push->version);
}

/* ---- sending ---- */

static bool show_transfer(int64_t done, int64_t total, void *user)
{
    struct push *push = user;

    tn_net_show_transfer(push->net, push->sending, done, total, tn_clock_monotonic() - push->start);
    return true;
}

static int ask_blob(struct push *push, struct blob *blob)
{
    int64_t offset;
    int rc = tn_blob_there(push->net->client, &blob->file.digest, &blob->transfer.there, &offset,
                           push->err);

    blob->transfer.resumed_bytes = blob->transfer.there ? 0 : offset;
    return rc;
}

/* Async-signal-safe: says what the person may be afraid for, then dies of the signal. */
static void on_interrupt(int number)
{
    static const char text[] = "\ninterrupted: the same push goes on where it stopped\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int send_blobs(struct push *push)
{
    bool dry_run = tn_given(push->net->call, "dry-run") != NULL;
    int rc = TN_OK;

    if (!push->net->call->quiet && signal(SIGINT, on_interrupt) == SIG_IGN)
        (void)signal(SIGINT, SIG_IGN); /* started in the background: stays so */
    tn_client_watch(push->net->client, show_transfer, push);
    for (size_t i = 0; rc == TN_OK && i < push->blob_count; i++) {
        struct blob *blob = &push->blob[i];

        push->sending = blob->name;
        rc = dry_run ? ask_blob(push, blob)
                     : tn_upload(push->net->client, &blob->file, &blob->transfer, push->err);
        if (rc < 0)
            (void)tn_while(push->err, rc, "send '%s'", blob->name);
    }
    tn_client_watch(push->net->client, NULL, NULL);
    tn_meter_end(&push->net->meter);
    return rc;
}

/* A PUT whose answer tells whether it was there. */
static int put(struct push *push, const char *path, const json_t *body, bool *ret_there)
{
    tn_auto(tn_reply_done) struct tn_reply reply = { 0 };
    int rc = tn_client_call(push->net->client, "PUT", path, body, &reply, push->err);

    if (rc == TN_OK)
        rc = tn_client_check(push->net->client, &reply, push->err);
    *ret_there = rc == TN_OK && reply.status == 200;
    return rc;
}

static int publish(struct push *push, const json_t *manifest)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    bool there = false;
    int rc;

    release_path(push, &path);
    rc = put(push, tn_buf_text(&path), manifest, &there);
    push->release_state = there ? "there" : "published";
    return rc < 0 ? tn_while(push->err, rc, "publish %s@%s", push->model, push->version) : TN_OK;
}

/* The engines that the release has, by digest. */
static int ask_engines(struct push *push, json_t *ret_there)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *items = json_array();
    const json_t *one;
    size_t at;
    int rc;

    release_path(push, &path);
    tn_buf_adds(&path, "/engines");
    rc = tn_net_items(push->net, tn_buf_text(&path), items, push->err);
    json_array_foreach(items, at, one)
    {
        tn_json_set(ret_there, tn_json_str(one, "digest", ""), json_incref((json_t *)one));
    }
    return rc;
}

static int add_engine(struct push *push, const struct tn_record *record,
                      const struct tn_signatures *signatures)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *body = tn_record_to_json(record);
    char hex[TN_DIGEST_HEX];
    bool there;
    int rc;

    if (!body)
        return tn_fail(push->err, TN_E_NOMEM, "add engines");
    if (signatures->count > 0)
        tn_json_set(body, "signatures", tn_signatures_to_json(signatures));
    tn_digest_hex(&record->digest, hex);
    release_path(push, &path);
    tn_buf_adds(&path, "/engines");
    tn_url_add_segment(&path, hex);
    rc = put(push, tn_buf_text(&path), body, &there);
    return rc < 0 ? tn_while(push->err, rc, "add engine '%s'", record->name) : TN_OK;
}

static size_t count_revoked(const struct push *push, const json_t *there)
{
    size_t count = 0;

    for (size_t i = 0; i < push->engines.count; i++) {
        char hex[TN_DIGEST_HEX];

        tn_digest_hex(&push->engines.item[i].record.digest, hex);
        count += tn_net_is_revoked(json_object_get(there, hex));
    }
    return count;
}

static int add_engines(struct push *push)
{
    tn_auto(tn_json_done) json_t *there = json_object();
    int rc = push->engines.count > 0 ? ask_engines(push, there) : TN_OK;

    for (size_t i = 0; rc == TN_OK && i < push->engines.count; i++) {
        const struct tn_entry *entry = &push->engines.item[i];
        struct tn_signatures signatures;
        const json_t *known;
        char hex[TN_DIGEST_HEX];

        tn_digest_hex(&entry->record.digest, hex);
        known = json_object_get(there, hex);
        rc = engine_signatures(push, entry, &signatures);
        push->engines_there += known != NULL;
        if (rc < 0 || tn_net_is_revoked(known) ||
            (known && has_all(json_object_get(known, "signatures"), &signatures)))
            continue;
        rc = add_engine(push, &entry->record, &signatures);
        push->engines_added += rc == TN_OK && !known;
    }
    /* what was added may have been revoked in another release before: it is here, too */
    if (rc == TN_OK && push->engines_added > 0)
        rc = ask_engines(push, there);
    push->engines_revoked = count_revoked(push, there);
    return rc;
}

/* ---- the answer ---- */

static json_t *blob_json(const struct blob *blob)
{
    json_t *json = json_object();
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&blob->file.digest, hex);
    tn_json_set_str(json, "digest", hex);
    tn_json_set_str(json, "name", blob->name);
    tn_json_set_int(json, "size_bytes", blob->file.bytes);
    tn_json_set_int(json, "sent_bytes", blob->transfer.bytes);
    tn_json_set_int(json, "resumed_bytes", blob->transfer.resumed_bytes);
    tn_json_set(json, "there", json_boolean(blob->transfer.there));
    return json;
}

static int say_json(struct push *push)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    json_t *blobs = json_array();
    bool dry_run = tn_given(push->net->call, "dry-run") != NULL;

    for (size_t i = 0; i < push->blob_count; i++)
        (void)json_array_append_new(blobs, blob_json(&push->blob[i]));
    tn_json_set(json, "blobs", blobs);
    tn_json_set_str(json, "model", push->model);
    tn_json_set_str(json, "version", push->version);
    tn_json_set_str(json, "release", push->release_state);
    tn_json_set(json, "dry_run", json_boolean(dry_run));
    tn_json_set_int(json, "variants", push->read);
    tn_json_set_int(json, "engines", (int64_t)push->engines.count);
    tn_json_set_int(json, "engines_added", dry_run ? -1 : (int64_t)push->engines_added);
    tn_json_set_int(json, "engines_revoked", dry_run ? -1 : (int64_t)push->engines_revoked);
    tn_json_set(json, "signed", json_boolean(push->sign));
    tn_json_set(json, "skipped", json_incref(push->skipped));
    return tn_json_line(stdout, json, push->err);
}

static const char *word_for(const struct blob *blob, bool dry_run)
{
    if (blob->transfer.there)
        return "there";
    if (dry_run)
        return blob->transfer.resumed_bytes > 0 ? "would resume" : "would send";
    return blob->transfer.resumed_bytes > 0 ? "resumed" : "sent";
}

/* A release without engines is a hole for everybody. */
static void hint_build(const struct push *push)
{
    const struct tn_invocation *call = push->net->call;

    if (!call->quiet && push->engines.count == 0 && !tn_given(call, "no-engines"))
        (void)fprintf(stderr,
                      "the stores hold no engine of it: 'tenon get %s --for BOARD' builds "
                      "one ('tenon device --boards' lists them); then push again\n",
                      call->args[0]);
}

static void say_text(const struct push *push)
{
    bool dry_run = tn_given(push->net->call, "dry-run") != NULL;
    const json_t *one;
    size_t at;

    for (size_t i = 0; i < push->blob_count; i++) {
        tn_auto(tn_buf_done) struct tn_buf size = TN_BUF(64);

        tn_text_add_bytes(&size, push->blob[i].file.bytes);
        (void)printf("%-12s %10s  %s\n", word_for(&push->blob[i], dry_run), tn_buf_text(&size),
                     push->blob[i].name);
    }
    json_array_foreach(push->skipped, at, one)
    {
        (void)printf("%-12s %10s  %s: %s\n", "left out", "", tn_json_str(one, "name", ""),
                     tn_json_str(one, "reason", ""));
    }
    if (dry_run) {
        (void)printf("%s@%s: nothing was sent\n", push->model, push->version);
        return;
    }
    (void)printf("%s@%s: release %s; %zu engine%s added, %zu there", push->model, push->version,
                 push->release_state, push->engines_added, push->engines_added == 1 ? "" : "s",
                 push->engines_there);
    if (push->engines_revoked)
        (void)printf(", %zu of them revoked", push->engines_revoked);
    (void)printf("%s\n", push->sign ? "; signed" : "");
}

/* Before anything is sent. */
static int check_names(struct push *push)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    int rc;

    release_path(push, &path);
    rc = tn_net_check_path(tn_buf_text(&path), push->err);
    return rc < 0 ? tn_while(push->err, rc, "publish '%s@%s'", push->model, push->version) : TN_OK;
}

static int work(struct push *push)
{
    tn_auto(tn_json_done) json_t *manifest = NULL;
    bool dry_run = tn_given(push->net->call, "dry-run") != NULL;
    int rc = read_key(push);

    if (rc == TN_OK)
        rc = tn_net_open(push->net, push->err);
    if (rc == TN_OK)
        rc = read_spec(push);
    if (rc == TN_OK)
        rc = check_names(push);
    if (rc == TN_OK)
        rc = make_manifest(push, &manifest);
    if (rc == TN_OK)
        rc = sign_manifest(push, manifest);
    if (rc == TN_OK)
        rc = collect_engines(push);
    if (rc == TN_OK)
        rc = send_blobs(push);
    if (rc == TN_OK && !dry_run)
        rc = publish(push, manifest);
    if (rc == TN_OK && !dry_run)
        rc = add_engines(push);
    if (rc < 0)
        return rc;
    if (push->net->call->json)
        return say_json(push);
    say_text(push);
    hint_build(push);
    return TN_OK;
}

int tn_net_push(struct tn_net *net, struct tn_error *err)
{
    struct push push = { .net = net,
                         .version = tn_given(net->call, "release"),
                         .start = tn_clock_monotonic(),
                         .sending = "",
                         .err = err };
    int rc;

    if (!push.version)
        return tn_cli_usage(net->call, "--release is missing: the version to publish, as 1.2.0");
    rc = work(&push);
    push_done(&push);
    return rc;
}
