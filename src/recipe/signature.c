#include "recipe/signature.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SUFFIX = 8, SIG_HEX = 2 * TN_ED25519_SIGNATURE_BYTES + 1 };

#define SPEC_VERSION "tenon-signature/1"

/* ---- keys ---- */

void tn_keyring_done(struct tn_keyring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        free(ring->key[i].path);
    free(ring->key);
    *ring = (struct tn_keyring) { .count = 0 };
}

const struct tn_trusted_key *tn_keyring_find(const struct tn_keyring *ring,
                                             const struct tn_digest *id)
{
    for (size_t i = 0; i < ring->count; i++)
        if (tn_digest_equal(&ring->key[i].id, id))
            return &ring->key[i];
    return NULL;
}

/* Takes the path, whatever happens. */
static int add_key(struct tn_keyring *ring, char *path_take, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = path_take;
    struct tn_trusted_key key;
    struct tn_trusted_key *grown;
    int rc = path ? tn_ed25519_read_public(path, &key.key, err)
                  : tn_fail(err, TN_E_NOMEM, "trusted keys");

    if (rc == TN_OK)
        rc = tn_ed25519_id(&key.key, &key.id, err);
    if (rc < 0 || tn_keyring_find(ring, &key.id))
        return rc;
    if (ring->count == TN_KEYRING_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d trusted keys", TN_KEYRING_MAX);
    grown = realloc(ring->key, (ring->count + 1) * sizeof(*grown));
    if (!grown)
        return tn_fail(err, TN_E_NOMEM, "trusted keys");
    key.path = path;
    path = NULL;
    ring->key = grown;
    grown[ring->count++] = key;
    return TN_OK;
}

static int check_folder(const char *folder, struct tn_error *err)
{
    struct stat st;

    if (stat(folder, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "folder of trusted keys '%s'", folder);
    return tn_file_trusted(&st, folder, err);
}

int tn_keyring_read(const char *folder, struct tn_keyring *ring, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = NULL;
    const struct dirent *entry;
    int rc = check_folder(folder, err);

    if (rc < 0)
        return rc;
    dir = opendir(folder);
    if (!dir)
        return tn_fail_os(err, TN_E_IO, "folder of trusted keys '%s'", folder);
    while (rc == TN_OK && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && tn_text_ends(entry->d_name, ".pub"))
            rc = add_key(ring, tn_path_join(folder, entry->d_name), err);
    return rc;
}

/* ---- lists ---- */

static int read_one(const json_t *json, struct tn_signature *ret_signature, struct tn_error *err)
{
    const char *keyid = tn_json_str(json, "keyid", "");
    const char *sig = tn_json_str(json, "sig", "");

    if (!tn_text_unhex(keyid, sizeof(ret_signature->keyid.sha256), ret_signature->keyid.sha256))
        return tn_fail(err, TN_E_INVALID, "a signature's 'keyid' is 64 hex digits, not '%.70s'",
                       keyid);
    if (!tn_text_unhex(sig, sizeof(ret_signature->value.bytes), ret_signature->value.bytes))
        return tn_fail(err, TN_E_INVALID,
                       "the signature of key %.16s…: 'sig' is 128 hex digits, not '%.140s'", keyid,
                       sig);
    return TN_OK;
}

int tn_signatures_from_json(const json_t *json, struct tn_signatures *ret_list,
                            struct tn_error *err)
{
    struct tn_signatures list = { .count = 0 };
    const json_t *one;
    size_t at;
    int rc = TN_OK;

    if (json && !json_is_null(json) && !json_is_array(json))
        return tn_fail(err, TN_E_INVALID, "'signatures' is a list");
    json_array_foreach(json, at, one)
    {
        struct tn_signature signature;

        if (rc == TN_OK)
            rc = read_one(one, &signature, err);
        if (rc == TN_OK)
            rc = tn_signatures_add(&list, &signature, err);
    }
    if (rc == TN_OK)
        *ret_list = list;
    return rc;
}

static json_t *signature_to_json(const struct tn_signature *signature)
{
    char keyid[TN_DIGEST_HEX], sig[SIG_HEX];

    tn_digest_hex(&signature->keyid, keyid);
    tn_text_hex(signature->value.bytes, sizeof(signature->value.bytes), sig);
    return json_pack("{s:s, s:s}", "keyid", keyid, "sig", sig);
}

json_t *tn_signatures_to_json(const struct tn_signatures *list)
{
    json_t *json = json_array();

    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(json, signature_to_json(&list->item[i]));
    return json;
}

static struct tn_signature *find(const struct tn_signatures *list, const struct tn_digest *keyid)
{
    for (size_t i = 0; i < list->count; i++)
        if (tn_digest_equal(&list->item[i].keyid, keyid))
            return (struct tn_signature *)&list->item[i];
    return NULL;
}

int tn_signatures_add(struct tn_signatures *list, const struct tn_signature *signature,
                      struct tn_error *err)
{
    struct tn_signature *same = find(list, &signature->keyid);

    if (!same && list->count == TN_SIGNATURES_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d signatures", TN_SIGNATURES_MAX);
    *(same ? same : &list->item[list->count++]) = *signature;
    return TN_OK;
}

bool tn_signatures_have(const struct tn_signatures *list, const struct tn_signature *signature)
{
    const struct tn_signature *same = find(list, &signature->keyid);

    return same && memcmp(&same->value, &signature->value, sizeof(same->value)) == 0;
}

/* ---- what is signed ---- */

static int canonical(const char *type, const char *member, json_t *content_steal,
                     struct tn_buf *ret_text, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_pack("{s:s, s:o, s:s}", "_type", type, member,
                                                   content_steal, "spec_version", SPEC_VERSION);
    tn_auto(tn_str_free) char *text = json ? tn_json_text(json) : NULL;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "what is signed");
    tn_buf_adds(ret_text, text);
    return tn_buf_check(ret_text, "what is signed", err);
}

/* Two engines of one name in a store: one gets eight digits of its key (store/object.c). */
static void set_signed_name(json_t *json, const struct tn_record *record)
{
    char hex[TN_DIGEST_HEX], suffix[32], name[sizeof(record->name)];

    tn_digest_hex(&record->key, hex);
    (void)snprintf(suffix, sizeof(suffix), ".%.*s.engine", KEY_SUFFIX, hex);
    if (!tn_text_ends(record->name, suffix))
        return;
    (void)snprintf(name, sizeof(name), "%.*s.engine", (int)(strlen(record->name) - strlen(suffix)),
                   record->name);
    tn_json_set_str(json, "name", name);
}

int tn_signed_record(const struct tn_record *record, struct tn_buf *ret_text, struct tn_error *err)
{
    json_t *json = tn_record_to_json(record);

    if (!json)
        return tn_fail(err, TN_E_NOMEM, "what is signed");
    (void)json_object_del(json, "sequence");
    set_signed_name(json, record);
    return canonical("engine-record", "record", json, ret_text, err);
}

int tn_signed_manifest(const json_t *manifest, struct tn_buf *ret_text, struct tn_error *err)
{
    json_t *bare = json_copy((json_t *)manifest);

    if (!bare)
        return tn_fail(err, TN_E_NOMEM, "what is signed");
    (void)json_object_del(bare, "signatures");
    (void)json_object_del(bare, "engines");
    return canonical("release-manifest", "manifest", bare, ret_text, err);
}

int tn_signature_make(const struct tn_ed25519_secret *secret, const struct tn_buf *text,
                      struct tn_signature *ret_signature, struct tn_error *err)
{
    struct tn_signature signature;
    int rc = tn_ed25519_id(&secret->public_key, &signature.keyid, err);

    if (rc == TN_OK)
        rc = tn_ed25519_sign(secret, tn_buf_text(text), text->size, &signature.value, err);
    if (rc == TN_OK)
        *ret_signature = signature;
    return rc;
}

/* ---- checking ---- */

const char *tn_trust_name(enum tn_trust trust)
{
    static const char *const names[] = { "unknown", "trusted", "wrong" };

    return names[trust];
}

enum tn_trust tn_signature_check(const struct tn_signature *signature, const struct tn_buf *text,
                                 const struct tn_keyring *ring)
{
    const struct tn_trusted_key *key = tn_keyring_find(ring, &signature->keyid);

    if (!key)
        return TN_TRUST_UNKNOWN;
    return tn_ed25519_verify(&key->key, tn_buf_text(text), text->size, &signature->value, NULL) ==
                   TN_OK
               ? TN_TRUST_GOOD
               : TN_TRUST_WRONG;
}

static int say_why(const struct tn_signatures *list, const struct tn_signature *wrong,
                   struct tn_error *err)
{
    char hex[TN_DIGEST_HEX];

    if (list->count == 0)
        return tn_fail(err, TN_E_UNTRUSTED, "it is not signed");
    tn_digest_hex(wrong ? &wrong->keyid : &list->item[0].keyid, hex);
    if (wrong)
        return tn_fail(err, TN_E_UNTRUSTED,
                       "the signature of key %s is wrong: it is of other content", hex);
    return tn_fail(err, TN_E_UNTRUSTED, "it is signed by key %s, which is not trusted here", hex);
}

int tn_signatures_check(const struct tn_signatures *list, const struct tn_buf *text,
                        const struct tn_keyring *ring, struct tn_digest *ret_keyid,
                        struct tn_error *err)
{
    const struct tn_signature *wrong = NULL;

    for (size_t i = 0; i < list->count; i++) {
        enum tn_trust trust = tn_signature_check(&list->item[i], text, ring);

        if (trust == TN_TRUST_WRONG)
            wrong = &list->item[i];
        if (trust != TN_TRUST_GOOD)
            continue;
        if (ret_keyid)
            *ret_keyid = list->item[i].keyid;
        return TN_OK;
    }
    return say_why(list, wrong, err);
}
