/* Signatures of releases and engines: checked when they come in, judged anew when the keys change.
 */
#include "fleet/fleet_priv.h"

#include "recipe/record.h"

#include <stdlib.h>
#include <string.h>

void signing_free(struct signing *signing)
{
    if (!signing)
        return;
    json_decref(signing->list);
    free(signing);
}

struct signing *signing_new(const struct tn_signatures *signatures, struct tn_error *err)
{
    struct signing *signing = calloc(1, sizeof(*signing));

    if (signing)
        signing->list = tn_signatures_to_json(signatures);
    if (signing && signing->list)
        return signing;
    signing_free(signing);
    (void)tn_fail(err, TN_E_NOMEM, "signatures");
    return NULL;
}

int signing_load(const char *row_text, struct signing **ret_signing, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_signatures list;
    int rc = TN_OK;

    if (!row_text)
        return TN_OK;
    rc = tn_json_parse(row_text, strlen(row_text), "signatures", &json, err);
    if (rc == TN_OK)
        rc = tn_signatures_from_json(json, &list, err);
    if (rc == TN_OK && (*ret_signing = signing_new(&list, err)) == NULL)
        rc = TN_E_NOMEM;
    return rc;
}

static int read_list(const struct signing *signing, struct tn_signatures *ret_list,
                     struct tn_error *err)
{
    return tn_signatures_from_json(signing ? signing->list : NULL, ret_list, err);
}

char *signing_row(const struct signing *signing)
{
    struct tn_signatures list;
    tn_auto(tn_json_done) json_t *bare = NULL;

    if (!signing || read_list(signing, &list, NULL) < 0)
        return NULL;
    bare = tn_signatures_to_json(&list); /* without what is only judged */
    return bare ? tn_json_text(bare) : NULL;
}

/* ---- coming in ---- */

int engine_signed_text(const json_t *record, struct tn_buf *ret_text, struct tn_error *err)
{
    tn_auto(tn_record_done) struct tn_record checked = { 0 };
    int rc = tn_record_from_json(record, &checked, err);

    return rc < 0 ? rc : tn_signed_record(&checked, ret_text, err);
}

static int check_one(const struct tn_fleet *fleet, const struct tn_signature *signature,
                     const struct tn_buf *text, struct tn_error *err)
{
    enum tn_trust trust = tn_signature_check(signature, text, fleet->trusted);
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&signature->keyid, hex);
    if (trust == TN_TRUST_WRONG)
        return tn_fail(err, TN_E_UNTRUSTED,
                       "the signature of key %s is not of this content: sign what is sent, as "
                       "'tenon push --sign' does",
                       hex);
    if (trust == TN_TRUST_UNKNOWN && fleet->signatures_required)
        return tn_fail(err, TN_E_UNTRUSTED,
                       "key %s is not trusted: sign with a trusted key, or have its .pub put into "
                       "the server's folder of trusted keys",
                       hex);
    return TN_OK;
}

int signing_check(const struct tn_fleet *fleet, const struct signing *there, const json_t *given,
                  const struct tn_buf *text, struct tn_signatures *ret_all, bool *ret_news,
                  struct tn_error *err)
{
    struct tn_signatures list = { .count = 0 };
    int rc = tn_signatures_from_json(given, &list, err);

    *ret_news = false;
    if (rc == TN_OK)
        rc = read_list(there, ret_all, err);
    for (size_t i = 0; rc == TN_OK && i < list.count; i++) {
        rc = check_one(fleet, &list.item[i], text, err);
        *ret_news = *ret_news || !tn_signatures_have(ret_all, &list.item[i]);
        if (rc == TN_OK)
            rc = tn_signatures_add(ret_all, &list.item[i], err);
    }
    if (rc == TN_OK && fleet->signatures_required &&
        tn_signatures_check(ret_all, text, fleet->trusted, NULL, NULL) < 0)
        rc = tn_fail(err, TN_E_UNTRUSTED,
                     "it is not signed by a trusted key, and this server takes nothing else: "
                     "'tenon push --sign KEYFILE'");
    return rc;
}

/* ---- what is said of them ---- */

void tn_fleet_trust(struct tn_fleet *fleet, const struct tn_keyring *keys, bool required)
{
    static const struct tn_keyring none = { .count = 0 };

    fleet->trusted = keys ? keys : &none;
    fleet->signatures_required = required;
    fleet->trust_generation++;
}

static void judge(const struct tn_fleet *fleet, struct signing *signing, const struct tn_buf *text)
{
    struct tn_signatures list = { .count = 0 };
    json_t *one;
    size_t at;

    (void)read_list(signing, &list, NULL);
    json_array_foreach(signing->list, at, one)
    {
        tn_json_set(one, "trusted",
                    json_boolean(at < list.count &&
                                 tn_signature_check(&list.item[at], text, fleet->trusted) ==
                                     TN_TRUST_GOOD));
    }
    signing->judged = fleet->trust_generation;
}

static const char *summary(const json_t *list)
{
    const json_t *one;
    size_t at;

    json_array_foreach(list, at, one)
    {
        if (tn_json_bool(one, "trusted", false))
            return "trusted";
    }
    return json_array_size(list) > 0 ? "untrusted" : "no";
}

static void set_signatures(json_t *json, const struct signing *signing)
{
    tn_json_set(json, "signatures", signing ? json_deep_copy(signing->list) : json_array());
    tn_json_set_str(json, "signed", summary(signing ? signing->list : NULL));
}

void engine_set_signatures(json_t *json, const struct tn_fleet *fleet, const struct engine *engine)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);

    if (engine->signing && engine->signing->judged != fleet->trust_generation &&
        engine_signed_text(engine->record, &text, NULL) == TN_OK)
        judge(fleet, engine->signing, &text);
    set_signatures(json, engine->signing);
}

void release_set_signatures(json_t *json, const struct tn_fleet *fleet,
                            const struct release *release)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);

    if (release->signing && release->signing->judged != fleet->trust_generation &&
        tn_signed_manifest(release->manifest, &text, NULL) == TN_OK)
        judge(fleet, release->signing, &text);
    set_signatures(json, release->signing);
}
