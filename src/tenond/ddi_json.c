#include "tenond/ddi_json.h"

#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SLEEP_MOST_S = 24 * 3600 - 1, URL_MOST = 4096 };

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The members `code` and `details`; all others are empty then. */
static void read_details(const json_t *json, struct tn_ddi_feedback *ret_feedback)
{
    const json_t *details = json_object_get(json, "details");
    const json_t *code = json_object_get(json, "code");
    struct tn_feedback *feedback = &ret_feedback->feedback;

    *feedback = (struct tn_feedback) {
        .details = ret_feedback->details,
        .code = json_is_integer(code) ? json_integer_value(code) : INT64_MIN,
    };
    for (size_t i = 0; i < json_array_size(details) && feedback->detail_count < TN_DDI_DETAILS;
         i++) {
        const char *text = json_string_value(json_array_get(details, i));

        if (text)
            ret_feedback->details[feedback->detail_count++] = text;
    }
}

bool tn_ddi_feedback_read(const json_t *json, struct tn_ddi_feedback *ret_feedback)
{
    const json_t *status = json_object_get(json, "status");
    const json_t *engine = json_object_get(json, "engine");
    struct tn_feedback *feedback = &ret_feedback->feedback;

    read_details(status, ret_feedback);
    feedback->execution = text_of(status, "execution");
    feedback->finished = text_of(json_object_get(status, "result"), "finished");
    feedback->engine = json_is_object(engine) ? engine : NULL;
    return feedback->execution && feedback->finished;
}

const char *tn_ddi_confirmation_read(const json_t *json, struct tn_ddi_feedback *ret_said)
{
    read_details(json, ret_said);
    return text_of(json, "confirmation");
}

void tn_ddi_add_url(struct tn_buf *text, const char *url)
{
    for (; *url; url++) {
        unsigned char c = (unsigned char)*url;

        if (c <= ' ' || c == '"' || c == '\\' || c >= 0x7f)
            tn_buf_addf(text, "%%%02X", c);
        else
            tn_buf_add(text, url, 1);
    }
}

static void add_link(struct tn_buf *text, bool *first, const char *rel, const char *base)
{
    tn_buf_addf(text, "%s\"%s\":{\"href\":\"", *first ? ",\"_links\":{" : ",", rel);
    tn_ddi_add_url(text, base);
    *first = false;
}

void tn_ddi_poll_write(struct tn_buf *text, const struct tn_ddi_poll *poll)
{
    int64_t s = poll->sleep_s > SLEEP_MOST_S ? SLEEP_MOST_S : poll->sleep_s;
    bool first = true;

    tn_buf_addf(text, "{\"config\":{\"polling\":{\"sleep\":\"%02d:%02d:%02d\"}}", (int)(s / 3600),
                (int)(s / 60 % 60), (int)(s % 60));
    if (poll->cancel_id) {
        /* a leading zero: newer Zephyr skips the first digit of this id, others read the number */
        add_link(text, &first, "cancelAction", poll->base);
        tn_buf_addf(text, "/cancelAction/0%" PRId64 "\"}", poll->cancel_id);
    }
    if (poll->deployment_id && !poll->cancel_id) {
        add_link(text, &first, "deploymentBase", poll->base);
        tn_buf_addf(text, "/deploymentBase/%" PRId64 "?c=%" PRIu32 "\"}", poll->deployment_id,
                    poll->deployment_mark);
    }
    if (poll->confirmation_id) {
        add_link(text, &first, "confirmationBase", poll->base);
        tn_buf_addf(text, "/confirmationBase/%" PRId64 "?c=%" PRIu32 "\"}", poll->confirmation_id,
                    poll->deployment_mark);
    }
    if (poll->installed_id) {
        add_link(text, &first, "installedBase", poll->base);
        tn_buf_addf(text, "/installedBase/%" PRId64 "\"}", poll->installed_id);
    }
    if (poll->attributes) {
        add_link(text, &first, "configData", poll->base);
        tn_buf_adds(text, "/configData\"}");
    }
    tn_buf_adds(text, first ? "}" : "}}");
}

/* What stands in a path without being cut or decoded to something else. */
static void add_encoded(struct tn_buf *text, const char *name)
{
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        if (c <= ' ' || c >= 0x7f || strchr("\"\\%/?#<>`{}|^", c))
            tn_buf_addf(text, "%%%02X", c);
        else
            tn_buf_add(text, name, 1);
    }
}

static void add_href(struct tn_buf *json, const char *rel, const char *url, const char *suffix)
{
    tn_json_add_key(json, rel);
    tn_buf_addf(json, "{\"href\":\"%s%s\"}", url, suffix);
}

static void add_member(struct tn_buf *json, const char *key, const char *value)
{
    tn_json_add_key(json, key);
    tn_json_add_text(json, value);
}

static void add_links(struct tn_buf *json, const struct tn_ddi_place *place,
                      const struct tn_fleet_action *action)
{
    tn_auto(tn_buf_done) struct tn_buf url = TN_BUF(URL_MOST);

    tn_ddi_add_url(&url, place->base);
    tn_buf_addf(&url, "/softwaremodules/%" PRId64 "/artifacts/", action->id);
    add_encoded(&url, action->file_name);
    if (place->tls) {
        add_href(json, "download", tn_buf_text(&url), "");
        add_href(json, "md5sum", tn_buf_text(&url), ".MD5SUM");
    }
    /* the name is hawkBit's: clients without TLS look for it, whatever the scheme */
    add_href(json, "download-http", tn_buf_text(&url), "");
    add_href(json, "md5sum-http", tn_buf_text(&url), ".MD5SUM");
}

void tn_ddi_artifact_write(struct tn_buf *json, const struct tn_ddi_place *place,
                           const struct tn_fleet_action *action,
                           const struct tn_blob_hashes *hashes)
{
    tn_json_add_open(json, "{");
    add_member(json, "filename", action->file_name);
    tn_json_add_key(json, "hashes");
    tn_json_add_open(json, "{");
    add_member(json, "sha1", hashes->sha1);
    add_member(json, "md5", hashes->md5);
    add_member(json, "sha256", hashes->sha256);
    tn_buf_adds(json, "}");
    tn_json_add_key(json, "size");
    tn_json_add_int(json, action->file_bytes);
    tn_json_add_key(json, "_links");
    tn_json_add_open(json, "{");
    add_links(json, place, action);
    tn_buf_adds(json, "}}");
}

/* Where the pairs of the chunk's metadata come from. */
static const struct {
    const char *key, *object, *member;
} metadata_rows[] = {
    { "engine.flavor", "facts", "flavor" },
    { "engine.version", "facts", "version" },
    { "engine.platform", "facts", "platform" },
    { "engine.precision", "recipe", "precision" },
    { "engine.key", NULL, "key" },
    { "engine.name", NULL, "name" },
};

static void add_pair(struct tn_buf *json, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    tn_json_add_open(json, "{");
    add_member(json, "key", key);
    add_member(json, "value", value);
    tn_buf_adds(json, "}");
}

static void add_metadata(struct tn_buf *json, const struct tn_fleet_action *action)
{
    const json_t *facts = json_object_get(action->record, "facts");

    add_pair(json, "engine.digest", action->digest);
    add_pair(json, "model.name", action->model);
    add_pair(json, "model.release", action->version);
    add_pair(json, "gpu.compute_capability",
             text_of(json_object_get(facts, "gpu"), "compute_capability"));
    for (size_t i = 0; i < TN_COUNT(metadata_rows); i++) {
        const json_t *from = metadata_rows[i].object
                                 ? json_object_get(action->record, metadata_rows[i].object)
                                 : action->record;

        add_pair(json, metadata_rows[i].key, text_of(from, metadata_rows[i].member));
    }
}

/* What a client is to do with the chunk, by assignment. */
static const struct {
    const char *download, *update;
} handling[TN_ASSIGNMENTS] = {
    [TN_ASSIGN_FORCED] = { "forced", "forced" },
    [TN_ASSIGN_SOFT] = { "attempt", "attempt" },
    [TN_ASSIGN_DOWNLOAD_ONLY] = { "forced", "skip" },
};

void tn_ddi_deployment_write(struct tn_buf *json, const struct tn_ddi_place *place,
                             const struct tn_fleet_action *action,
                             const struct tn_blob_hashes *hashes)
{
    tn_buf_addf(json, "{\"id\":\"%" PRId64 "\",\"%s\":{", action->id,
                action->waiting ? "confirmation" : "deployment");
    add_member(json, "download", handling[action->assignment].download);
    add_member(json, "update", handling[action->assignment].update);
    tn_buf_adds(json, ",\"chunks\":[{");
    add_member(json, "part", "bApp");
    add_member(json, "version", action->version);
    add_member(json, "name", action->model);
    tn_buf_adds(json, ",\"artifacts\":[");
    tn_ddi_artifact_write(json, place, action, hashes);
    tn_buf_adds(json, "],\"metadata\":[");
    add_metadata(json, action);
    tn_buf_adds(json, "]}]}");
}

int64_t tn_ddi_sleep_s(int64_t seconds, const char *id)
{
    uint32_t hash = 2166136261u;
    int64_t spread = seconds / 10;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return spread == 0 ? seconds : seconds - spread + (int64_t)(hash % (uint64_t)(2 * spread + 1));
}

int64_t tn_ddi_id(const char *text)
{
    uint64_t id;

    if (!tn_text_u64(text, strlen(text), &id) || id > INT32_MAX)
        return 0;
    return (int64_t)id;
}
