/* tenon key: keys, and signatures of engines in the store. */
#include "base/text.h"
#include "cli/commands.h"
#include "recipe/config.h"
#include "store/mark.h"
#include "store/object.h"

#include <stdio.h>
#include <string.h>

static const struct tn_option options[] = {
    { "comment", 0, TN_ARG_TEXT, "TEXT", NULL, false,
      "With new: a line in FILE.pub that says whose key it is." },
    { "key", 0, TN_ARG_FILE, "FILE", NULL, false, "With sign: the private key." },
    { "trusted-keys", 0, TN_ARG_FOLDER, "DIR", NULL, false,
      "With verify: folder of the public keys (*.pub) that count (default: those of "
      "config.yaml)." },
    { "store", 0, TN_ARG_FOLDER, "LIST", NULL, false,
      "Stores, colon-separated (default: $TENON_STORE)." },
    { 0 },
};

static const char *const examples[] = {
    "tenon key new release --comment 'releases of team vision'",
    "Make release, which stays with you, and release.pub, which goes to who is to trust it.",
    "tenon key show release.pub",
    "The key's id and public half.",
    "tenon key sign 3f9a12 --key release",
    "Sign the record of an engine in the store; 'tenon push' sends the signature along.",
    "tenon key verify 3f9a12 --trusted-keys /etc/tenon/keys",
    "Whether a trusted key has signed it.",
    NULL,
};

/* ---- keys ---- */

static int print_key(const struct tn_invocation *call, const char *path,
                     const struct tn_ed25519_public *key, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    char id[TN_DIGEST_HEX], hex[2 * TN_ED25519_BYTES + 1];
    struct tn_digest keyid;
    int rc = tn_ed25519_id(key, &keyid, err);

    if (rc < 0)
        return rc;
    tn_digest_hex(&keyid, id);
    tn_text_hex(key->bytes, TN_ED25519_BYTES, hex);
    if (!call->json) {
        (void)printf("id       %s\npublic   %s\n", id, hex);
        if (key->comment[0])
            (void)printf("comment  %s\n", key->comment);
        return TN_OK;
    }
    tn_json_set_str(json, "path", path);
    tn_json_set_str(json, "keyid", id);
    tn_json_set_str(json, "public", hex);
    tn_json_set_str(json, "comment", key->comment);
    return tn_json_line(stdout, json, err);
}

static int key_new(const struct tn_invocation *call, struct tn_error *err)
{
    tn_auto(tn_ed25519_done) struct tn_ed25519_secret secret = { .seed = { 0 } };
    const char *comment = tn_given(call, "comment");
    int rc;

    if (comment &&
        (!tn_text_is_clean(comment, strlen(comment)) || strlen(comment) > TN_ED25519_COMMENT_MAX))
        return tn_cli_usage(call, "--comment is one line of at most %d bytes",
                            TN_ED25519_COMMENT_MAX);
    rc = tn_ed25519_new(&secret, err);
    if (rc == TN_OK && comment)
        (void)tn_text_copy(secret.public_key.comment, sizeof(secret.public_key.comment), comment);
    if (rc == TN_OK)
        rc = tn_ed25519_write(&secret, call->args[1], err);
    return rc < 0 ? rc : print_key(call, call->args[1], &secret.public_key, err);
}

/* A public file is asked first: a private one need not be opened to say whose it is. */
static int key_show(const struct tn_invocation *call, struct tn_error *err)
{
    tn_auto(tn_ed25519_done) struct tn_ed25519_secret secret = { .seed = { 0 } };
    struct tn_ed25519_public key;
    int rc = tn_ed25519_read_public(call->args[1], &key, err);

    if (rc == TN_E_INVALID) {
        rc = tn_ed25519_read(call->args[1], &secret, err);
        key = secret.public_key;
    }
    return rc < 0 ? rc : print_key(call, call->args[1], &key, err);
}

/* ---- engines of the store ---- */

/* An engine with what is signed of it. */
struct engine {
    struct tn_store *store;
    struct tn_entry entry;
    struct tn_buf text;
};

static void engine_done(struct engine *engine)
{
    tn_buf_done(&engine->text);
    tn_entry_done(&engine->entry);
    tn_store_close(engine->store);
}

/* A plan whose bytes are not those of its record has nothing that could be signed. */
static int engine_find(const struct tn_invocation *call, struct engine *engine,
                       struct tn_error *err)
{
    int rc = tn_store_look(tn_given(call, "store"), &engine->store, err);

    engine->text = TN_BUF(TN_SIGNED_BYTES_MAX);
    if (rc == TN_OK)
        rc = tn_objects_by_name(engine->store, call->args[1], &engine->entry, err);
    if (rc == TN_OK)
        rc = tn_object_verify(engine->store, &engine->entry, false, err);
    return rc < 0 ? rc : tn_signed_record(&engine->entry.record, &engine->text, err);
}

static int print_signature(const struct tn_invocation *call, const struct tn_entry *entry,
                           const struct tn_signature *signature, enum tn_trust trust,
                           struct tn_error *err)
{
    struct tn_signatures one = { .item = { *signature }, .count = 1 };
    tn_auto(tn_json_done) json_t *list = tn_signatures_to_json(&one);
    json_t *json = json_array_get(list, 0);
    char hex[TN_DIGEST_HEX];

    if (!call->json) {
        (void)printf("%-8s %s  %s\n", tn_trust_name(trust), tn_json_str(json, "keyid", ""),
                     entry->record.name);
        return TN_OK;
    }
    tn_digest_hex(&entry->record.digest, hex);
    tn_json_set_str(json, "digest", hex);
    tn_json_set_str(json, "name", entry->record.name);
    tn_json_set_str(json, "trust", tn_trust_name(trust));
    return tn_json_line(stdout, json, err);
}

static int key_sign(const struct tn_invocation *call, struct tn_error *err)
{
    tn_auto(tn_ed25519_done) struct tn_ed25519_secret secret = { .seed = { 0 } };
    tn_auto(engine_done) struct engine engine = { .store = NULL };
    struct tn_signatures list = { .count = 1 };
    const char *key = tn_given(call, "key");
    int rc;

    if (!key)
        return tn_cli_usage(call, "sign needs --key: the private key that 'tenon key new' made");
    rc = tn_ed25519_read(key, &secret, err);
    if (rc == TN_OK)
        rc = engine_find(call, &engine, err);
    if (rc == TN_OK)
        rc = tn_signature_make(&secret, &engine.text, &list.item[0], err);
    if (rc == TN_OK)
        rc = tn_mark_sign(engine.store, &engine.entry, &list, err);
    return rc < 0 ? rc : print_signature(call, &engine.entry, &list.item[0], TN_TRUST_GOOD, err);
}

static int key_verify(const struct tn_invocation *call, struct tn_error *err)
{
    tn_auto(engine_done) struct engine engine = { .store = NULL };
    tn_auto(tn_keyring_done) struct tn_keyring ring = { .count = 0 };
    struct tn_signatures list;
    int rc = tn_config_keyring(tn_given(call, "trusted-keys"), &ring, NULL, NULL, err);

    if (rc == TN_OK)
        rc = engine_find(call, &engine, err);
    if (rc < 0)
        return rc;
    tn_mark_signatures(engine.store, &engine.entry, &list);
    for (size_t i = 0; rc == TN_OK && i < list.count; i++)
        rc = print_signature(call, &engine.entry, &list.item[i],
                             tn_signature_check(&list.item[i], &engine.text, &ring), err);
    if (rc == TN_OK)
        rc = tn_signatures_check(&list, &engine.text, &ring, NULL, err);
    return rc < 0 ? tn_while(err, rc, "%s", engine.entry.record.name) : rc;
}

/* The very bytes, without a line break, for other tools. */
static int key_text(const struct tn_invocation *call, struct tn_error *err)
{
    tn_auto(engine_done) struct engine engine = { .store = NULL };
    int rc = engine_find(call, &engine, err);

    if (rc < 0)
        return rc;
    (void)fwrite(engine.text.data, 1, engine.text.size, stdout);
    return TN_OK;
}

/* ---- the verb ---- */

static const struct verb {
    const char *name;
    int (*run)(const struct tn_invocation *call, struct tn_error *err);
    const char *argument;
    const char *options; /* of its own, each with a blank behind it */
} verbs[] = {
    { "new", key_new, "FILE", "comment " },
    { "show", key_show, "FILE", "" },
    { "sign", key_sign, "ENGINE", "key store " },
    { "verify", key_verify, "ENGINE", "trusted-keys store " },
    { "text", key_text, "ENGINE", "store " },
};

static const struct verb *find_verb(const char *name)
{
    size_t at = 0;

    while (strcmp(verbs[at].name, name) != 0) /* run.c let only known ones through */
        at++;
    return &verbs[at];
}

/* @return 0, or 2 with the mistake printed */
static int check_usage(const struct tn_invocation *call, const struct verb *verb)
{
    if (call->arg_count == 1)
        return tn_cli_usage(call, "%s needs %s", verb->name, verb->argument);
    for (size_t i = 0; options[i].name; i++) {
        char word[64];

        (void)snprintf(word, sizeof(word), "%s ", options[i].name);
        if (tn_given(call, options[i].name) && !strstr(verb->options, word))
            return tn_cli_usage(call, "%s takes no --%s", verb->name, options[i].name);
    }
    return 0;
}

static int run(const struct tn_invocation *call)
{
    const struct verb *verb = find_verb(call->args[0]);
    struct tn_error err = { 0 };
    int rc = check_usage(call, verb);

    if (rc == 0)
        rc = verb->run(call, &err);
    return rc < 0 ? tn_cli_error(call, &err) : rc;
}

const struct tn_command tn_cmd_key = {
    .name = "key",
    .args = "VERB FILE|ENGINE",
    .min_args = 1,
    .max_args = 2,
    .verbs = "new|show|sign|verify|text",
    .summary = "Make Ed25519 keys; sign and verify engines of the store.",
    .details =
        "new FILE: a new key pair. FILE is private (mode 0600, never over another file), FILE.pub "
        "goes into the folders of who is to trust it. openssl reads both.\n\n"
        "show FILE: id and public half of a key, private or public.\n\n"
        "sign ENGINE: sign the record of an engine, which holds the digest of its plan. The "
        "signature is kept beside the engine and goes along with 'tenon push'.\n\n"
        "verify ENGINE: the signatures of an engine, and whether one of a trusted key is among "
        "them.\n\n"
        "text ENGINE: the very bytes that are signed, to verify by hand.\n\n"
        "ENGINE is a digest, a unique prefix of at least six hex digits, or an engine's file name.",
    .options = options,
    .examples = examples,
    .exits = "0 done; 2 usage; 66 no such engine; 77 no trusted signature, or a private key that "
             "others may read; others as in docs/errors.md.",
    .run = run,
};
