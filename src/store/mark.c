#include "store/mark.h"

#include "base/json.h"
#include "base/text.h"
#include "store/lock.h"
#include "store/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The mark as it lies there; NULL when there is none that counts. @return 0, or trouble: then it
 * may be there all the same */
static int read_json(const struct tn_store *store, size_t at, const struct tn_digest *digest,
                     json_t **ret_json, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    struct tn_error why = { 0 };
    int rc;

    tn_digest_hex(digest, hex);
    (void)snprintf(name, sizeof(name), "%s.json", hex);
    *ret_json = NULL;
    rc = tn_store_read_json(store, at, "marks", name, TN_RECORD_BYTES_MAX, ret_json, &why);
    return tn_store_trouble(rc) ? tn_fail(err, rc, "%s", why.text) : TN_OK;
}

static struct tn_mark from_json(const json_t *json)
{
    struct tn_mark mark = { .pinned = tn_json_bool(json, "pinned", false),
                            .blessed = tn_json_bool(json, "blessed", false),
                            .sequence = tn_json_int(json, "sequence", 0) };
    const json_t *revoked = json_object_get(json, "revoked");

    if (!json_is_object(revoked))
        return mark;
    (void)tn_text_copy(mark.revoked.by, sizeof(mark.revoked.by), tn_json_str(revoked, "by", "?"));
    (void)tn_text_copy(mark.revoked.why, sizeof(mark.revoked.why), tn_json_str(revoked, "why", ""));
    mark.revoked.in_force = !mark.blessed || !tn_json_bool(revoked, "overruled", false);
    return mark;
}

int tn_mark_look(const struct tn_store *store, const struct tn_digest *digest,
                 struct tn_mark *ret_mark, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc = read_json(store, 0, digest, &json, err);

    if (rc == TN_OK)
        *ret_mark = json ? from_json(json) : (struct tn_mark) { 0 };
    return rc;
}

struct tn_mark tn_mark_read(const struct tn_store *store, size_t at, const struct tn_digest *digest)
{
    tn_auto(tn_json_done) json_t *json = NULL;

    (void)read_json(store, at, digest, &json, NULL);
    return json ? from_json(json) : (struct tn_mark) { 0 };
}

struct tn_mark tn_mark_read_in(const struct tn_folder *marks, const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    tn_auto(tn_json_done) json_t *json = NULL;

    tn_digest_hex(digest, hex);
    (void)snprintf(name, sizeof(name), "%s.json", hex);
    if (tn_folder_read_json(marks, name, TN_RECORD_BYTES_MAX, &json, NULL) != TN_OK)
        return (struct tn_mark) { 0 };
    return from_json(json);
}

/* Whether a mark says nothing any more, also nothing that only a later version knows. */
static bool is_empty(const json_t *json)
{
    static const char *const known[] = { "pinned", "blessed", "sequence" };
    struct tn_mark mark = from_json(json);
    size_t count = 0;

    for (size_t i = 0; i < TN_COUNT(known); i++)
        count += json_object_get(json, known[i]) != NULL;
    return !mark.pinned && !mark.blessed && json_object_size(json) == count;
}

static int write_json(const struct tn_store *store, const struct tn_digest *digest,
                      const json_t *json, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_str_free) char *text = tn_json_text(json);
    int rc;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "mark of the engine");
    tn_digest_hex(digest, hex);
    (void)snprintf(name, sizeof(name), "%s.json", hex);
    rc = tn_store_folder(store, "marks", &folder, err);
    if (rc < 0)
        return rc;
    if (!is_empty(json))
        return tn_file_replace(folder, name, text, strlen(text), 0644, err);
    path = tn_path_join(folder, name);
    if (!path)
        return tn_fail(err, TN_E_NOMEM, "mark of the engine");
    if (unlink(path) < 0 && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "remove '%s'", path);
    return tn_dir_sync(folder, err);
}

/* Sets a member, with a sequence number above the last one and not below `sequence`. */
static int change(const struct tn_store *store, const struct tn_digest *digest, const char *member,
                  json_t *value_steal, int64_t sequence, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *value = value_steal;
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_mark mark;
    int rc = read_json(store, 0, digest, &json, err);

    if (rc < 0)
        return rc; /* written anew, it would forget the rest of the mark */
    if (!json)
        json = json_object();
    mark = from_json(json);
    tn_json_set(json, member, json_incref(value));
    tn_json_set_int(json, "sequence", sequence > mark.sequence ? sequence : mark.sequence + 1);
    return write_json(store, digest, json, err);
}

static int take_lock(const struct tn_store *store, const struct tn_entry *entry,
                     struct tn_lock *ret_lock, struct tn_error *err)
{
    if (entry->store != 0)
        return tn_fail(err, TN_E_ACCESS, "'%s' lies in a store that is only read", entry->path);
    return tn_lock_take_briefly(store, "marks", ret_lock, err);
}

int tn_mark_pin(const struct tn_store *store, const struct tn_entry *entry, bool pinned,
                struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    int rc = take_lock(store, entry, &lock, err);

    return rc < 0 ? rc
                  : change(store, &entry->record.digest, "pinned", json_boolean(pinned), 0, err);
}

/* All engines of a recipe in the first store. The index may have lost one, or not be readable now:
 * the objects are the truth, and trouble with one of them is trouble. */
struct gathering {
    const struct tn_digest *key;
    struct tn_entries same;
    struct tn_error *err;
    int rc;
};

static bool gather(struct tn_entry *entry, void *user)
{
    struct gathering *gathering = user;

    if (entry->store == 0 && tn_digest_equal(&entry->record.key, gathering->key))
        gathering->rc = tn_entries_add(&gathering->same, entry, gathering->err);
    return gathering->rc == TN_OK && entry->store == 0;
}

static void gather_trouble(const char *path, const struct tn_error *why, void *user)
{
    struct gathering *gathering = user;

    if (tn_store_trouble(why->code) && gathering->rc == TN_OK)
        gathering->rc = tn_fail(gathering->err, why->code, "'%s': %s", path, why->text);
}

/* Takes the blessing from the others. */
static int unbless_others(const struct tn_store *store, const struct tn_entries *same,
                          const struct tn_digest *blessed, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < same->count; i++) {
        const struct tn_digest *other = &same->item[i].record.digest;
        struct tn_mark mark = { 0 };

        if (tn_digest_equal(other, blessed))
            continue;
        rc = tn_mark_look(store, other, &mark, err);
        if (rc == TN_OK && mark.blessed)
            rc = change(store, other, "blessed", json_false(), 0, err);
    }
    return rc;
}

/* A blessing counts against what was said before it, not against a later word. */
static int overrule(const struct tn_store *store, const struct tn_digest *digest,
                    struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    json_t *revoked;
    int rc = read_json(store, 0, digest, &json, err);

    revoked = rc == TN_OK ? json_object_get(json, "revoked") : NULL;
    if (!json_is_object(revoked))
        return rc;
    tn_json_set(revoked, "overruled", json_true());
    return change(store, digest, "revoked", json_incref(revoked), 0, err);
}

int tn_mark_bless(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    struct gathering all = { .key = &entry->record.key, .err = err };
    int64_t highest = 0;
    int rc = take_lock(store, entry, &lock, err);

    if (rc == TN_OK)
        rc = tn_objects_each(store, gather, gather_trouble, &all, err);
    if (rc == TN_OK)
        rc = all.rc;
    for (size_t i = 0; rc == TN_OK && i < all.same.count; i++) {
        struct tn_mark mark = { 0 };

        rc = tn_mark_look(store, &all.same.item[i].record.digest, &mark, err);
        highest = mark.sequence > highest ? mark.sequence : highest;
    }
    if (rc == TN_OK)
        rc = overrule(store, &entry->record.digest, err);
    /* the new word first: from here on it is the last one, whatever happens to the others */
    if (rc == TN_OK)
        rc = change(store, &entry->record.digest, "blessed", json_true(), highest + 1, err);
    if (rc == TN_OK)
        rc = unbless_others(store, &all.same, &entry->record.digest, err);
    tn_entries_done(&all.same);
    return rc;
}

/* ---- a server's word ---- */

static int write_revoked(const struct tn_store *store, const struct tn_digest *digest,
                         const struct tn_revocation *told, struct tn_error *err)
{
    json_t *revoked = json_object();

    tn_json_set_str(revoked, "by", told->by);
    tn_json_set_str(revoked, "why", told->why);
    return change(store, digest, "revoked", revoked, 0, err);
}

int tn_mark_revoke(const struct tn_store *store, const struct tn_digest *digest,
                   const struct tn_revocation *told, struct tn_revocation *ret_stands,
                   struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    struct tn_mark mark = tn_mark_read(store, 0, digest);
    int rc;

    *ret_stands = mark.revoked;
    if (mark.revoked.by[0])
        return 0;
    *ret_stands = *told;
    ret_stands->in_force = true;
    rc = tn_lock_take_briefly(store, "marks", &lock, err);
    if (rc == TN_OK)
        rc = write_revoked(store, digest, told, err);
    return rc < 0 ? rc : 1;
}

void tn_revocation_print(const struct tn_revocation *revoked, char ret_text[TN_REVOCATION_TEXT])
{
    (void)snprintf(ret_text, TN_REVOCATION_TEXT, "revoked on %s%s%s", revoked->by,
                   revoked->why[0] ? ": " : "", revoked->why);
}

json_t *tn_revocation_to_json(const struct tn_revocation *revoked)
{
    json_t *json;

    if (!revoked->by[0])
        return json_null();
    json = json_object();
    tn_json_set_str(json, "by", revoked->by);
    tn_json_set_str(json, "why", revoked->why);
    tn_json_set(json, "in_force", json_boolean(revoked->in_force));
    return json;
}

/* ---- signatures ---- */

/* Those of one store; what cannot be read is none. @return 0, or trouble */
static int add_signatures(const struct tn_store *store, size_t at, const struct tn_digest *digest,
                          struct tn_signatures *list, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_signatures there = { .count = 0 };
    int rc = read_json(store, at, digest, &json, err);

    if (rc == TN_OK)
        (void)tn_signatures_from_json(json_object_get(json, "signatures"), &there, NULL);
    for (size_t i = 0; i < there.count; i++)
        (void)tn_signatures_add(list, &there.item[i], NULL);
    return rc;
}

void tn_mark_signatures(const struct tn_store *store, const struct tn_entry *entry,
                        struct tn_signatures *ret_signatures)
{
    *ret_signatures = (struct tn_signatures) { .count = 0 };
    (void)add_signatures(store, entry->store, &entry->record.digest, ret_signatures, NULL);
    if (entry->store != 0)
        (void)add_signatures(store, 0, &entry->record.digest, ret_signatures, NULL);
}

int tn_mark_sign(const struct tn_store *store, const struct tn_entry *entry,
                 const struct tn_signatures *signatures, struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    struct tn_signatures list = { .count = 0 };
    bool news = false;
    int rc = take_lock(store, entry, &lock, err);

    if (rc == TN_OK)
        rc = add_signatures(store, 0, &entry->record.digest, &list, err);
    for (size_t i = 0; rc == TN_OK && i < signatures->count; i++) {
        news = news || !tn_signatures_have(&list, &signatures->item[i]);
        rc = tn_signatures_add(&list, &signatures->item[i], err);
    }
    if (rc < 0 || !news)
        return rc;
    return change(store, &entry->record.digest, "signatures", tn_signatures_to_json(&list), 0, err);
}
