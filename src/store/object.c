#include "store/object.h"

#include "base/text.h"
#include "store/folder.h"
#include "store/host.h"
#include "store/lock.h"
#include "store/mark.h"
#include "store/refusal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define DAY (86400 * TN_NSEC_PER_S)

void tn_entry_done(struct tn_entry *entry)
{
    tn_record_done(&entry->record);
}

void tn_entries_done(struct tn_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        tn_entry_done(&entries->item[i]);
    free(entries->item);
    *entries = (struct tn_entries) { 0 };
}

/* "objects/sha256/ab/<rest>" of a digest. */
static void object_folder(const struct tn_digest *digest, char ret_below[96])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    (void)snprintf(ret_below, 96, "objects/sha256/%.2s/%s", hex, hex + 2);
}

/* Name of an engine's mark, and of this host's note of it. */
static void json_name(const struct tn_digest *digest, char ret_name[TN_DIGEST_HEX + 8])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    (void)snprintf(ret_name, TN_DIGEST_HEX + 8, "%s.json", hex);
}

static void plan_note_name(const struct tn_digest *digest, char ret_name[96])
{
    char name[TN_DIGEST_HEX + 8];

    json_name(digest, name);
    (void)snprintf(ret_name, 96, "plans/%s", name);
}

/* ---- reading one object ---- */

/* What stands about the engines of one store outside of objects/. What cannot be opened or trusted
 * is as if it were not there. */
struct shelf {
    const struct tn_store *store;
    size_t at;
    struct tn_folder marks, notes;
    struct tn_folder first_marks; /* of the first store; none where this is it */
};

#define NO_SHELF                                                                                   \
    ((struct shelf) {                                                                              \
        .marks = TN_FOLDER_NONE, .notes = TN_FOLDER_NONE, .first_marks = TN_FOLDER_NONE })

static struct shelf shelf_open(const struct tn_store *store, size_t at)
{
    struct shelf shelf = NO_SHELF;

    shelf.store = store;
    shelf.at = at;
    (void)tn_folder_open(store, at, "marks", &shelf.marks, NULL);
    if (at != 0)
        (void)tn_folder_open(store, 0, "marks", &shelf.first_marks, NULL);
    (void)tn_host_folder(store, "plans", &shelf.notes, NULL);
    return shelf;
}

static void shelf_done(struct shelf *shelf)
{
    tn_folder_done(&shelf->marks);
    tn_folder_done(&shelf->notes);
    tn_folder_done(&shelf->first_marks);
}

static void read_marks(const struct shelf *shelf, struct tn_entry *entry)
{
    struct tn_mark mark = tn_mark_read_in(&shelf->marks, &entry->record.digest);

    entry->blessed = mark.blessed;
    entry->pinned = mark.pinned;
    entry->mark_sequence = mark.sequence;
    entry->revoked = mark.revoked;
    if (shelf->at != 0 && !mark.revoked.in_force)
        entry->revoked = tn_mark_read_in(&shelf->first_marks, &entry->record.digest).revoked;
}

/* Those that fit, newest first. */
static void read_proofs(const json_t *list, struct tn_entry *entry)
{
    size_t used = 0, i;
    const json_t *item;

    json_array_foreach(list, i, item)
    {
        const char *line = json_string_value(item);
        size_t length = line ? strlen(line) : 0;

        if (length == 0 || strchr(line, '\n') || used + length + 2 > sizeof(entry->loaded_under))
            continue;
        memcpy(entry->loaded_under + used, line, length);
        used += length;
        entry->loaded_under[used++] = '\n';
    }
    entry->loaded_under[used] = '\0';
}

static void read_signed(const json_t *json, struct tn_entry *entry)
{
    entry->signed_by.known =
        tn_digest_parse(tn_json_str(json, "keyid", ""), &entry->signed_by.keyid, NULL) == TN_OK &&
        tn_digest_parse(tn_json_str(json, "text", ""), &entry->signed_by.text, NULL) == TN_OK;
}

static void read_note(const struct shelf *shelf, struct tn_entry *entry)
{
    char name[TN_DIGEST_HEX + 8];
    tn_auto(tn_json_done) json_t *note = NULL;
    const char *level;

    entry->level = TN_LEVEL_HEADER;
    entry->last_used = TN_UNKNOWN;
    json_name(&entry->record.digest, name);
    if (tn_folder_read_json(&shelf->notes, name, TN_HOST_NOTE_BYTES_MAX, &note, NULL) != TN_OK)
        return;
    entry->last_used = tn_json_int(note, "last_used", TN_UNKNOWN);
    entry->verified = tn_stamp_from_json(json_object_get(note, "stamp"), &entry->verified_stamp);
    read_proofs(json_object_get(note, "loaded_under"), entry);
    entry->built_here = tn_json_bool(note, "built_here", false);
    read_signed(json_object_get(note, "signed_by"), entry);
    level = tn_json_str(note, "level", "header");
    if (strcmp(level, "loaded") == 0)
        entry->level = TN_LEVEL_LOADED;
    else if (strcmp(level, "accurate") == 0)
        entry->level = TN_LEVEL_ACCURATE;
}

static int check_size(const struct tn_entry *entry, const struct stat *st, struct tn_error *err)
{
    if (entry->record.plan_bytes != st->st_size)
        return tn_fail(err, TN_E_CORRUPT, "plan '%s' has %lld bytes, its record says %lld",
                       entry->path, (long long)st->st_size, (long long)entry->record.plan_bytes);
    return TN_OK;
}

static int check_plan_file(const struct tn_store *store, const struct tn_entry *entry,
                           struct stat *ret_stat, struct tn_error *err)
{
    int rc;

    if (lstat(entry->path, ret_stat) < 0)
        return tn_fail_os(err, TN_E_IO, "plan '%s'", entry->path);
    if (!S_ISREG(ret_stat->st_mode))
        return tn_fail(err, TN_E_UNTRUSTED, "plan '%s' is not a regular file", entry->path);
    rc = check_size(entry, ret_stat, err);
    return rc < 0 ? rc : tn_store_trusts(store, entry->store, ret_stat, entry->path, err);
}

static int read_fields(const struct tn_folder *object, const char *record_name,
                       struct tn_entry *entry, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc = tn_folder_read_json(object, record_name, TN_RECORD_BYTES_MAX, &json, err);

    if (rc == TN_OK)
        rc = tn_record_from_json(json, &entry->record, err);
    return rc < 0 ? tn_while(err, rc, "record of '%s'", entry->path) : TN_OK;
}

/* Reads one record of the object `digest`, whose folder is open. Different recipes may give the
 * same bytes: the first one's record is record.json, the others' are record-<key>.json. */
static int read_record(const struct shelf *shelf, const struct tn_folder *object,
                       const struct tn_digest *digest, const char *record_name,
                       struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(tn_entry_done) struct tn_entry entry = { .store = shelf->at };
    struct stat st;
    int rc;

    if (snprintf(entry.path, sizeof(entry.path), "%s/plan", object->path) >=
        (int)sizeof(entry.path))
        return tn_fail(err, TN_E_TOOBIG, "the path of store '%s' is too long",
                       tn_store_root(shelf->store, shelf->at));
    rc = read_fields(object, record_name, &entry, err);
    if (rc < 0)
        return rc;
    if (!tn_digest_equal(digest, &entry.record.digest))
        return tn_fail(err, TN_E_CORRUPT, "%s of '%s' speaks of another plan", record_name,
                       entry.path);
    rc = tn_folder_stat(object, "plan", &st, err);
    if (rc == TN_OK)
        rc = check_size(&entry, &st, err);
    if (rc < 0)
        return rc;
    read_marks(shelf, &entry);
    read_note(shelf, &entry);
    *ret_entry = entry;
    entry = (struct tn_entry) { 0 };
    return TN_OK;
}

static void record_name_of(const struct tn_digest *key, char ret_name[96])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(key, hex);
    (void)snprintf(ret_name, 96, "record-%s.json", hex);
}

/* The object `digest` as the engine of recipe `key`; NULL = of the recipe that made it first. */
static int read_object(const struct shelf *shelf, const struct tn_digest *digest,
                       const struct tn_digest *key, struct tn_entry *ret_entry,
                       struct tn_error *err)
{
    tn_auto(tn_folder_done) struct tn_folder object = TN_FOLDER_NONE;
    struct tn_entry entry;
    char name[96];
    int rc;

    object_folder(digest, name);
    rc = tn_folder_open(shelf->store, shelf->at, name, &object, err);
    if (rc == TN_OK)
        rc = read_record(shelf, &object, digest, "record.json", &entry, err);
    if (rc == TN_OK && key && !tn_digest_equal(&entry.record.key, key)) {
        tn_entry_done(&entry);
        record_name_of(key, name);
        rc = read_record(shelf, &object, digest, name, &entry, err);
    }
    if (rc == TN_OK)
        *ret_entry = entry;
    return rc;
}

/* The same in the first store, for one object alone. */
static int read_mine(const struct tn_store *store, const struct tn_digest *digest,
                     const struct tn_digest *key, struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(shelf_done) struct shelf shelf = shelf_open(store, 0);

    return read_object(&shelf, digest, key, ret_entry, err);
}

/* ---- lists ---- */

int tn_entries_add(struct tn_entries *entries, struct tn_entry *entry_steal, struct tn_error *err)
{
    if (entries->count == entries->room) {
        size_t room = entries->room ? entries->room * 2 : 4;
        struct tn_entry *grown = realloc(entries->item, room * sizeof(*grown));

        if (!grown)
            return tn_fail(err, TN_E_NOMEM, "list of engines");
        entries->item = grown;
        entries->room = room;
    }
    entries->item[entries->count++] = *entry_steal;
    *entry_steal = (struct tn_entry) { 0 };
    return TN_OK;
}

int tn_entry_compare(const struct tn_entry *a, const struct tn_entry *b)
{
    if (a->revoked.in_force != b->revoked.in_force)
        return a->revoked.in_force ? 1 : -1;
    if (a->blessed != b->blessed)
        return a->blessed ? -1 : 1;
    if (a->blessed && a->mark_sequence != b->mark_sequence)
        return a->mark_sequence > b->mark_sequence ? -1 : 1;
    if (a->level != b->level)
        return a->level > b->level ? -1 : 1;
    if (a->store != b->store)
        return a->store < b->store ? -1 : 1;
    return (a->record.sequence < b->record.sequence) - (a->record.sequence > b->record.sequence);
}

static int better_first(const void *a, const void *b)
{
    return tn_entry_compare(a, b);
}

static bool has_digest(const struct tn_entries *entries, const struct tn_digest *digest)
{
    for (size_t i = 0; i < entries->count; i++)
        if (tn_digest_equal(&entries->item[i].record.digest, digest))
            return true;
    return false;
}

/* Adds one engine that an index names; `passed` hears why not. @return 0, TN_E_NOMEM */
static int find_one(const struct shelf *shelf, const char *index_name,
                    const struct tn_digest *digest, const struct tn_digest *key,
                    tn_passed_fn passed, void *user, struct tn_entries *entries,
                    struct tn_error *err)
{
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    struct tn_error why = { 0 };
    int rc = read_object(shelf, digest, key, &entry, &why);

    if (rc == TN_OK)
        return tn_entries_add(entries, &entry, err);
    if (passed && rc != TN_E_NOTFOUND)
        passed(index_name, &why, user);
    return rc == TN_E_NOMEM ? tn_fail(err, rc, "%s", why.text) : TN_OK;
}

/* Adds the engines that the index of store `at` names for a key. */
static int find_in_place(const struct tn_store *store, size_t at, const struct tn_digest *key,
                         tn_passed_fn passed, void *user, struct tn_entries *entries,
                         struct tn_error *err)
{
    char name[TN_DIGEST_HEX + 8];
    tn_auto(tn_json_done) json_t *index = NULL;
    tn_auto(shelf_done) struct shelf shelf = NO_SHELF;
    const json_t *digests, *item;
    size_t i;

    json_name(key, name);
    if (tn_store_read_json(store, at, "records", name, TN_RECORD_BYTES_MAX, &index, NULL) != TN_OK)
        return TN_OK; /* no entry, or one that cannot be read: the objects are the truth */
    shelf = shelf_open(store, at);
    digests = json_object_get(index, "digests");
    json_array_foreach(digests, i, item)
    {
        struct tn_digest digest;
        int rc;

        if (!json_is_string(item) ||
            tn_digest_parse(json_string_value(item), &digest, NULL) != TN_OK ||
            has_digest(entries, &digest))
            continue;
        rc = find_one(&shelf, name, &digest, key, passed, user, entries, err);
        if (rc < 0)
            return rc;
    }
    return TN_OK;
}

int tn_objects_find(const struct tn_store *store, const struct tn_digest *key, tn_passed_fn passed,
                    void *user, struct tn_entries *ret_entries, struct tn_error *err)
{
    struct tn_entries entries = { 0 };
    int rc = TN_OK;

    for (size_t at = 0; rc == TN_OK && at < tn_store_count(store); at++)
        rc = find_in_place(store, at, key, passed, user, &entries, err);
    if (rc < 0) {
        tn_entries_done(&entries);
        return rc;
    }
    if (entries.count > 1)
        qsort(entries.item, entries.count, sizeof(*entries.item), better_first);
    *ret_entries = entries;
    return TN_OK;
}

/* One store's engines: objects/sha256/<high>/<low>, each folder proven when it is entered. */
struct walk {
    struct shelf shelf;
    struct tn_folder all, high, object; /* the way to where it is now */
    struct tn_digest digest;            /* of the object */
    tn_entry_fn each;
    tn_passed_fn passed;
    void *user;
    bool stopped;
};

static void walk_done(struct walk *walk)
{
    shelf_done(&walk->shelf);
    tn_folder_done(&walk->all);
}

static bool is_hex(const char *text, size_t length)
{
    return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static void pass(const struct walk *walk, const struct tn_folder *in, const char *name,
                 const struct tn_error *why)
{
    tn_auto(tn_str_free) char *path = name ? tn_path_join(in->path, name) : strdup(in->path);

    if (walk->passed && path)
        walk->passed(path, why, walk->user);
}

static void walk_record(struct walk *walk, const char *record_name)
{
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    struct tn_error why = { 0 };

    if (read_record(&walk->shelf, &walk->object, &walk->digest, record_name, &entry, &why) == TN_OK)
        walk->stopped = !walk->each(&entry, walk->user);
    else
        pass(walk, &walk->object, NULL, &why);
}

static bool walk_further_record(const char *name, void *user)
{
    struct walk *walk = user;

    if (tn_text_starts(name, "record-") && tn_text_ends(name, ".json"))
        walk_record(walk, name);
    return !walk->stopped;
}

/* objects/sha256/<high>/<low> */
static bool walk_object(const char *low, void *user)
{
    struct walk *walk = user;
    char hex[TN_DIGEST_HEX];
    struct tn_error why = { 0 };

    if (!is_hex(low, TN_DIGEST_HEX - 3))
        return true;
    (void)snprintf(hex, sizeof(hex), "%.2s%s", tn_path_base(walk->high.path), low);
    if (tn_digest_parse(hex, &walk->digest, NULL) != TN_OK)
        return true;
    if (tn_folder_enter(&walk->high, low, &walk->object, &why) < 0) {
        pass(walk, &walk->high, low, &why);
        return true;
    }
    walk_record(walk, "record.json");
    if (!walk->stopped && tn_folder_each(&walk->object, walk_further_record, walk, &why) < 0)
        pass(walk, &walk->object, NULL, &why);
    tn_folder_done(&walk->object);
    return !walk->stopped;
}

static bool walk_high(const char *name, void *user)
{
    struct walk *walk = user;
    struct tn_error why = { 0 };

    if (!is_hex(name, 2))
        return true;
    if (tn_folder_enter(&walk->all, name, &walk->high, &why) < 0) {
        pass(walk, &walk->all, name, &why);
        return true;
    }
    if (tn_folder_each(&walk->high, walk_object, walk, &why) < 0)
        pass(walk, &walk->high, NULL, &why);
    tn_folder_done(&walk->high);
    return !walk->stopped;
}

/* A store that may not be trusted holds nothing; what is in the way is reported. */
static int walk_store(const struct tn_store *store, size_t at, tn_entry_fn each,
                      tn_passed_fn passed, void *user, bool *ret_stopped, struct tn_error *err)
{
    tn_auto(walk_done) struct walk walk = {
        .shelf = NO_SHELF,
        .all = TN_FOLDER_NONE,
        .each = each,
        .passed = passed,
        .user = user,
    };
    struct tn_error why = { 0 };
    int rc = tn_folder_open(store, at, "objects/sha256", &walk.all, &why);

    if (rc == TN_E_UNTRUSTED && passed)
        passed(tn_store_root(store, at), &why, user);
    if (rc == TN_E_NOTFOUND || rc == TN_E_UNTRUSTED)
        return TN_OK;
    if (rc < 0)
        return tn_fail(err, rc, "%s", why.text);
    walk.shelf = shelf_open(store, at);
    rc = tn_folder_each(&walk.all, walk_high, &walk, err);
    *ret_stopped = walk.stopped;
    return rc;
}

int tn_objects_each(const struct tn_store *store, tn_entry_fn each, tn_passed_fn passed, void *user,
                    struct tn_error *err)
{
    bool stopped = false;
    int rc = TN_OK;

    for (size_t at = 0; rc == TN_OK && at < tn_store_count(store) && !stopped; at++)
        rc = walk_store(store, at, each, passed, user, &stopped, err);
    return rc;
}

struct search {
    const char *text;
    struct tn_entries found;
    struct tn_error *err;
    int rc;
};

static bool match_name(struct tn_entry *entry, void *user)
{
    struct search *search = user;
    char hex[TN_DIGEST_HEX];
    const char *prefix = tn_text_starts(search->text, "sha256:") ? search->text + 7 : search->text;

    tn_digest_hex(&entry->record.digest, hex);
    if (strcmp(entry->record.name, tn_path_base(search->text)) != 0 &&
        !(strlen(prefix) >= 6 && tn_text_starts(hex, prefix)))
        return true;
    if (has_digest(&search->found, &entry->record.digest))
        return true;
    search->rc = tn_entries_add(&search->found, entry, search->err);
    return search->rc == TN_OK;
}

int tn_objects_by_name(const struct tn_store *store, const char *text, struct tn_entry *ret_entry,
                       struct tn_error *err)
{
    struct search search = { .text = text, .err = err };
    int rc = tn_objects_each(store, match_name, NULL, &search, err);

    if (rc == TN_OK)
        rc = search.rc;
    if (rc == TN_OK && search.found.count == 0)
        rc = tn_fail(err, TN_E_NOTFOUND, "no engine '%s' in the store '%s'", text,
                     tn_store_root(store, 0));
    if (rc == TN_OK && search.found.count > 1)
        rc = tn_fail(err, TN_E_USAGE, "'%s' means %zu engines: give more of the digest", text,
                     search.found.count);
    if (rc == TN_OK) {
        *ret_entry = search.found.item[0];
        search.found.count = 0;
    }
    tn_entries_done(&search.found);
    return rc;
}

/* ---- wholeness and use ---- */

static int hash_plan(const struct tn_entry *entry, struct tn_stamp *ret_stamp, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_digest digest;
    struct stat st;
    int rc = tn_file_open(entry->path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_digest_fd(fd, &digest, NULL, err);
    if (rc < 0)
        return tn_while(err, rc, "plan '%s'", entry->path);
    if (!tn_digest_equal(&digest, &entry->record.digest)) {
        char found[TN_DIGEST_HEX];

        tn_digest_hex(&digest, found);
        return tn_fail(err, TN_E_CORRUPT,
                       "plan '%s' was changed: its bytes now have the digest %.12s…", entry->path,
                       found);
    }
    *ret_stamp = tn_stamp_of(&st);
    return TN_OK;
}

/* Changes members of an engine's note on this host; failure only costs a hash next time. */
static void update_note(const struct tn_store *store, const struct tn_digest *digest,
                        json_t *changes)
{
    char name[96];
    tn_auto(tn_json_done) json_t *note = NULL;

    if (!changes)
        return;
    plan_note_name(digest, name);
    if (tn_host_read(store, name, &note, NULL) != TN_OK)
        note = json_object();
    (void)json_object_update(note, changes);
    (void)tn_host_write(store, name, note, NULL);
}

int tn_object_verify(const struct tn_store *store, const struct tn_entry *entry, bool always_hash,
                     struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *changes = NULL;
    struct tn_stamp stamp;
    struct stat st;
    int rc = check_plan_file(store, entry, &st, err);

    if (rc < 0)
        return rc;
    stamp = tn_stamp_of(&st);
    if (!always_hash && entry->verified && tn_stamp_equal(&entry->verified_stamp, &stamp))
        return TN_OK;
    rc = hash_plan(entry, &stamp, err);
    if (rc < 0)
        return rc;
    if (tn_stamp_settled(&stamp, tn_clock_wall())) {
        changes = json_pack("{so}", "stamp", tn_stamp_to_json(&stamp));
        update_note(store, &entry->record.digest, changes);
    }
    return TN_OK;
}

enum tn_level tn_object_level_under(const struct tn_entry *entry, const char *conditions)
{
    size_t length = strlen(conditions);

    for (const char *at = entry->loaded_under; *at; at += strcspn(at, "\n") + 1)
        if (strncmp(at, conditions, length) == 0 && at[length] == '\n')
            return entry->level;
    return TN_LEVEL_HEADER;
}

enum { PROOFS_MAX = 40 };

/* The new proof before the older ones that the note holds. */
static json_t *add_proof(const struct tn_store *store, const struct tn_entry *entry,
                         const char *conditions)
{
    tn_auto(tn_json_done) json_t *note = NULL;
    json_t *proofs = json_array();
    const json_t *older;
    char name[96];
    size_t i;

    plan_note_name(&entry->record.digest, name);
    (void)tn_host_read(store, name, &note, NULL);
    (void)json_array_append_new(proofs, json_string(conditions));
    json_array_foreach(json_object_get(note, "loaded_under"), i, older)
    {
        const char *line = json_string_value(older);

        if (line && strcmp(line, conditions) != 0 && json_array_size(proofs) < PROOFS_MAX)
            (void)json_array_append_new(proofs, json_string(line));
    }
    return proofs;
}

void tn_object_proved(const struct tn_store *store, const struct tn_entry *entry,
                      const char *conditions)
{
    tn_auto(tn_json_done) json_t *changes =
        json_pack("{ss so}", "level", tn_level_name(TN_LEVEL_LOADED), "loaded_under",
                  add_proof(store, entry, conditions));

    update_note(store, &entry->record.digest, changes);
}

void tn_object_built_here(const struct tn_store *store, struct tn_entry *entry)
{
    tn_auto(tn_json_done) json_t *changes = json_pack("{sb}", "built_here", 1);

    update_note(store, &entry->record.digest, changes);
    entry->built_here = true;
}

void tn_object_signed(const struct tn_store *store, struct tn_entry *entry,
                      const struct tn_digest *keyid, const struct tn_digest *text)
{
    tn_auto(tn_json_done) json_t *changes = NULL;
    char keyid_hex[TN_DIGEST_HEX], text_hex[TN_DIGEST_HEX];

    tn_digest_hex(keyid, keyid_hex);
    tn_digest_hex(text, text_hex);
    changes = json_pack("{s{ssss}}", "signed_by", "keyid", keyid_hex, "text", text_hex);
    update_note(store, &entry->record.digest, changes);
    entry->signed_by.keyid = *keyid;
    entry->signed_by.text = *text;
    entry->signed_by.known = true;
}

tn_nsec tn_object_last_used(const struct tn_store *store, const struct tn_digest *digest)
{
    char name[96];
    tn_auto(tn_json_done) json_t *note = NULL;

    plan_note_name(digest, name);
    if (tn_host_read(store, name, &note, NULL) != TN_OK)
        return TN_UNKNOWN;
    return tn_json_int(note, "last_used", TN_UNKNOWN);
}

void tn_object_used(const struct tn_store *store, const struct tn_entry *entry)
{
    tn_nsec now = tn_clock_wall();
    tn_nsec last = entry->last_used;
    tn_auto(tn_json_done) json_t *changes = NULL;

    if (last >= 0 && now - last < DAY && now >= last)
        return;
    changes = json_pack("{sI}", "last_used", (json_int_t)now);
    update_note(store, &entry->record.digest, changes);
}

/* ---- writing ---- */

enum { HOUR_S = 3600, DAY_S = 86400, FOLDER_TRIES = 16 };

/* Takes a folder in tmp/ for this process. @return 1, 0 (a sweep was faster), or an error */
static int lock_folder(const char *path, int *ret_fd, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat ours, named;

    if (fd < 0)
        return errno == ENOENT ? 0 : tn_fail_os(err, TN_E_IO, "open folder '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return 0; /* any other failure: no locks here, and sweeps go by age */
    if (fstat(fd, &ours) < 0 || lstat(path, &named) < 0 || ours.st_ino != named.st_ino)
        return 0;
    *ret_fd = fd;
    fd = -1;
    return 1;
}

/* Removes one folder of tmp/ when its maker is dead: the lock of tn_put_begin() can be taken. Where
 * nothing is locked, age has to do. */
static void sweep_folder(const char *path, tn_nsec now)
{
    tn_auto(tn_fd_done) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool of_put = tn_text_starts(tn_path_base(path), "put-");
    struct stat st;
    bool locked;

    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno == EWOULDBLOCK)
        return;
    if ((of_put && locked) || tn_stamp_of(&st).ctime < now - DAY_S * TN_NSEC_PER_S)
        (void)tn_dir_remove(path, NULL);
}

/* Removes temporary files that a killed process left beside the files they were to become. */
static void sweep_files(const struct tn_store *store, const char *below, tn_nsec now)
{
    tn_auto(tn_str_free) char *folder = tn_store_path(store, 0, "%s", below);
    tn_auto(tn_dir_done) DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir)) != NULL)
        if (tn_text_starts(entry->d_name, ".tmp-") &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            tn_stamp_of(&st).mtime < now - HOUR_S * TN_NSEC_PER_S)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
}

/* hosts/<id>/ and the folders in it. */
static void sweep_host(const struct tn_store *store, tn_nsec now)
{
    tn_auto(tn_str_free) char *folder = tn_store_path(store, 0, "hosts/%s", tn_store_host(store));
    tn_auto(tn_dir_done) DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    char below[512];

    while (dir && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof(below), "hosts/%s/%s", tn_store_host(store), entry->d_name);
        sweep_files(store, below, now);
    }
}

/* What dead processes left. `ours` was made just now: its time is the file system's own, which is
 * compared with that of other files there, whatever this machine's clock says. */
static void sweep(const struct tn_store *store, const char *tmp, const char *ours)
{
    static const char *const folders[] = { ".", "records", "engines", "marks", "derived" };
    tn_auto(tn_dir_done) DIR *dir = opendir(tmp);
    const struct dirent *entry;
    struct stat st;
    tn_nsec now;

    if (!dir || stat(ours, &st) < 0)
        return;
    now = tn_stamp_of(&st).mtime;
    while ((entry = readdir(dir)) != NULL) {
        tn_auto(tn_str_free) char *path = tn_path_join(tmp, entry->d_name);

        if (path && entry->d_name[0] != '.' && strcmp(path, ours) != 0)
            sweep_folder(path, now);
    }
    for (size_t i = 0; i < TN_COUNT(folders); i++)
        sweep_files(store, folders[i], now);
    sweep_host(store, now);
}

/* A new folder of this process alone. @return 1, 0 (a sweep took it, try again), or an error */
static int make_put_folder(const char *tmp, struct tn_put *put, struct tn_error *err)
{
    int rc;

    put->folder = tn_path_join(tmp, "put-XXXXXX");
    if (!put->folder)
        return tn_fail(err, TN_E_NOMEM, "new engine");
    if (!mkdtemp(put->folder)) {
        rc = tn_fail_os(err, TN_E_IO, "make a folder in '%s'", tmp);
        free(put->folder);
        put->folder = NULL;
        return rc;
    }
    rc = lock_folder(put->folder, &put->lock_fd, err);
    if (rc == 0)
        tn_put_done(put);
    return rc;
}

int tn_put_begin(const struct tn_store *store, struct tn_put *ret_put, struct tn_error *err)
{
    tn_auto(tn_put_done) struct tn_put put = { .lock_fd = -1 };
    tn_auto(tn_str_free) char *tmp = NULL;
    int rc = tn_store_folder(store, "tmp", &tmp, err);

    if (rc < 0)
        return rc;
    rc = 0;
    for (int i = 0; rc == 0 && i < FOLDER_TRIES; i++)
        rc = make_put_folder(tmp, &put, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return tn_fail(err, TN_E_AGAIN, "folders in '%s' are taken away at once", tmp);
    sweep(store, tmp, put.folder);
    put.store = store;
    put.plan_path = tn_path_join(put.folder, "plan");
    if (!put.plan_path)
        return tn_fail(err, TN_E_NOMEM, "new engine");
    *ret_put = put;
    put = (struct tn_put) { .lock_fd = -1 };
    return TN_OK;
}

void tn_put_done(struct tn_put *put)
{
    if (put->folder) {
        (void)tn_dir_remove(put->folder, NULL);
        tn_fd_done(&put->lock_fd);
    }
    free(put->folder);
    free(put->plan_path);
    *put = (struct tn_put) { .lock_fd = -1 };
}

/* Read-only, on disk, and with its true digest and size in the record. */
static int seal_plan(struct tn_put *put, struct tn_record *record, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(put->plan_path, &fd, NULL, err);

    if (rc < 0)
        return rc;
    if (fchmod(fd, 0444) < 0)
        return tn_fail_os(err, TN_E_IO, "chmod '%s'", put->plan_path);
    if (fsync(fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", put->plan_path);
    return tn_digest_fd(fd, &record->digest, &record->plan_bytes, err);
}

static int record_text(const struct tn_record *record, char **ret_text, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(record);

    *ret_text = json ? json_dumps(json, JSON_SORT_KEYS | JSON_INDENT(1)) : NULL;
    return *ret_text ? TN_OK : tn_fail(err, TN_E_NOMEM, "record of the engine");
}

static int write_record(const struct tn_put *put, const struct tn_record *record,
                        struct tn_error *err)
{
    tn_auto(tn_str_free) char *text = NULL;
    int rc = record_text(record, &text, err);

    return rc < 0 ? rc : tn_file_replace(put->folder, "record.json", text, strlen(text), 0444, err);
}

/* The bytes are there already, by an earlier build: this recipe's record is laid beside them. */
static int publish_beside(const struct tn_put *put, const struct tn_record *record,
                          const char *final, struct tn_error *err)
{
    tn_auto(tn_entry_done) struct tn_entry there = { 0 };
    tn_auto(tn_str_free) char *from = tn_path_join(put->folder, "record.json");
    tn_auto(tn_str_free) char *to = NULL;
    char name[96];
    int rc = read_mine(put->store, &record->digest, NULL, &there, err);

    if (rc == TN_OK)
        rc = tn_object_verify(put->store, &there, true, err);
    if (rc < 0 || tn_digest_equal(&there.record.key, &record->key))
        return rc;
    record_name_of(&record->key, name);
    to = tn_path_join(final, name);
    if (!from || !to)
        return tn_fail(err, TN_E_NOMEM, "record of the engine");
    if (rename(from, to) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", from, to);
    (void)tn_dir_sync(final, NULL); /* visible already: see tn_put_commit() */
    return TN_OK;
}

/* Moves an object's folder to aside/<digest>-<time>; gone already is as good. */
static int move_aside(const struct tn_store *store, const struct tn_digest *digest,
                      struct tn_error *err)
{
    char below[96], hex[TN_DIGEST_HEX], name[160];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *from = NULL;
    tn_nsec now = tn_clock_wall();
    int rc = tn_store_folder(store, "aside", &folder, err);

    if (rc < 0)
        return rc;
    object_folder(digest, below);
    tn_digest_hex(digest, hex);
    from = tn_store_path(store, 0, "%s", below);
    for (int i = 0; i < 100; i++) { /* a clock may stand still */
        tn_auto(tn_str_free) char *to = NULL;

        (void)snprintf(name, sizeof(name), "%s-%llx", hex, (unsigned long long)now + (unsigned)i);
        to = tn_path_join(folder, name);
        if (!from || !to)
            return tn_fail(err, TN_E_NOMEM, "set '%s' aside", hex);
        if (rename(from, to) == 0) {
            (void)tn_dir_sync(folder, NULL);
            return TN_OK;
        }
        if (errno != EEXIST && errno != ENOTEMPTY)
            break;
    }
    return errno == ENOENT ? TN_OK : tn_fail_os(err, TN_E_IO, "set '%s' aside", from);
}

static int write_reason(const struct tn_store *store, const struct tn_digest *digest,
                        const char *reason, struct tn_error *err)
{
    char below[96], hex[TN_DIGEST_HEX], when[TN_RFC3339_BYTES];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_json_done) json_t *why = json_object();
    tn_auto(tn_str_free) char *text = NULL;

    object_folder(digest, below);
    tn_digest_hex(digest, hex);
    tn_clock_rfc3339(tn_clock_wall(), when);
    tn_json_set_str(why, "digest", hex);
    tn_json_set_str(why, "reason", reason);
    tn_json_set_str(why, "time", when);
    text = tn_json_text(why);
    folder = tn_store_path(store, 0, "%s", below);
    if (!text || !folder)
        return tn_fail(err, TN_E_NOMEM, "set '%s' aside", hex);
    return tn_file_replace(folder, "reason.json", text, strlen(text), 0644, err);
}

/* Makes room for a good object where a broken one stands. */
static int replace_broken(const struct tn_put *put, const struct tn_record *record,
                          const char *final, const char *why, struct tn_error *err)
{
    int rc;

    (void)write_reason(put->store, &record->digest, why, NULL); /* its folder may be a ruin */
    rc = move_aside(put->store, &record->digest, err);
    if (rc == TN_OK && rename(put->folder, final) < 0)
        rc = tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", put->folder, final);
    return rc;
}

/* One rename makes the object appear. */
static int publish(struct tn_put *put, const struct tn_record *record, struct tn_error *err)
{
    char below[96], parent_below[96];
    tn_auto(tn_str_free) char *parent = NULL;
    tn_auto(tn_str_free) char *final = NULL;
    struct tn_error why = { 0 };
    int rc;

    object_folder(&record->digest, below);
    (void)snprintf(parent_below, sizeof(parent_below), "%.*s", (int)(strrchr(below, '/') - below),
                   below);
    rc = tn_store_folder(put->store, parent_below, &parent, err);
    if (rc < 0)
        return rc;
    final = tn_store_path(put->store, 0, "%s", below);
    if (!final)
        return tn_fail(err, TN_E_NOMEM, "publish the engine");
    if (chmod(put->folder, 0755) < 0)
        return tn_fail_os(err, TN_E_IO, "chmod '%s'", put->folder);
    if (rename(put->folder, final) < 0) {
        if (errno != ENOTEMPTY && errno != EEXIST)
            return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", put->folder, final);
        rc = publish_beside(put, record, final, &why);
        if (tn_store_trouble(rc))
            return tn_fail(err, rc, "%s", why.text);
        if (rc < 0)
            rc = replace_broken(put, record, final, why.text, err);
    }
    if (rc == TN_OK)
        (void)tn_dir_sync(parent, NULL); /* visible already: see tn_put_commit() */
    return rc;
}

/* Adds (or takes out) one digest of a key's index entry. */
static int change_index(const struct tn_store *store, const struct tn_digest *key,
                        const struct tn_digest *digest, bool add, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], plan_hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_json_done) json_t *old = NULL;
    tn_auto(tn_json_done) json_t *index = NULL;
    tn_auto(tn_str_free) char *text = NULL;
    json_t *digests = json_array();
    const json_t *item;
    size_t i;
    int rc;

    tn_digest_hex(key, hex);
    tn_digest_hex(digest, plan_hex);
    (void)snprintf(name, sizeof(name), "%s.json", hex);
    index = json_pack("{ss so}", "key", hex, "digests", digests);
    rc = tn_store_folder(store, "records", &folder, err);
    if (rc < 0)
        return rc;
    path = tn_path_join(folder, name);
    if (!path || !index)
        return tn_fail(err, TN_E_NOMEM, "index of the store");
    rc = tn_json_read(path, TN_RECORD_BYTES_MAX, &old, err);
    if (tn_store_trouble(rc))
        return rc; /* written anew, it would forget the others */
    if (rc == TN_OK)
        json_array_foreach(json_object_get(old, "digests"), i, item)
        {
            if (json_is_string(item) && strcmp(json_string_value(item), plan_hex) != 0)
                tn_json_append_str(digests, json_string_value(item));
        }
    if (add)
        tn_json_append_str(digests, plan_hex);
    if (json_array_size(digests) == 0) /* the last engine of its key is gone */
        return unlink(path) == 0 || errno == ENOENT ? TN_OK
                                                    : tn_fail_os(err, TN_E_IO, "remove '%s'", path);
    text = tn_json_text(index);
    if (!text)
        return tn_fail(err, TN_E_NOMEM, "index of the store");
    return tn_file_replace(folder, name, text, strlen(text), 0644, err);
}

static int update_index(const struct tn_store *store, const struct tn_digest *key,
                        const struct tn_digest *digest, bool add, struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    int rc = tn_lock_take_briefly(store, "index", &lock, err);

    return rc < 0 ? rc : change_index(store, key, digest, add, err);
}

/* engines/<name> -> ../objects/…/plan; replaced by rename so that it always points somewhere. */
static int link_name(const struct tn_store *store, const struct tn_record *record,
                     struct tn_error *err)
{
    char below[96], target[128], hex[TN_DIGEST_HEX], temporary_name[80];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *temporary = NULL;
    tn_auto(tn_str_free) char *final = NULL;
    int rc = tn_store_folder(store, "engines", &folder, err);

    if (rc < 0)
        return rc;
    object_folder(&record->digest, below);
    (void)snprintf(target, sizeof(target), "../%s/plan", below);
    tn_digest_hex(&record->digest, hex); /* in containers that share a store, all are process 1 */
    (void)snprintf(temporary_name, sizeof(temporary_name), ".tmp-%.16s-%ld-%llx", hex,
                   (long)getpid(), (unsigned long long)tn_clock_monotonic());
    temporary = tn_path_join(folder, temporary_name);
    final = tn_path_join(folder, record->name);
    if (!temporary || !final)
        return tn_fail(err, TN_E_NOMEM, "link '%s'", record->name);
    if (symlink(target, temporary) < 0)
        return tn_fail_os(err, TN_E_IO, "link '%s'", temporary);
    if (rename(temporary, final) < 0) {
        rc = tn_fail_os(err, TN_E_IO, "link '%s'", final);
        (void)unlink(temporary);
        return rc;
    }
    return TN_OK;
}

static bool keep_highest(struct tn_entry *entry, void *user)
{
    int64_t *highest = user;

    if (entry->store == 0 && entry->record.sequence > *highest)
        *highest = entry->record.sequence;
    return true;
}

/* The store's own counter, from the engines when it is lost; two engines with one number differ by
 * digest, which is enough to order them. */
static int64_t next_sequence(const struct tn_store *store)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    tn_auto(tn_str_free) char *text = NULL;
    int64_t last = 0;

    if (tn_store_read_json(store, 0, ".", "sequence.json", 4096, &json, NULL) == TN_OK)
        last = tn_json_int(json, "next", 1) - 1;
    else
        (void)tn_objects_each(store, keep_highest, NULL, &last, NULL);
    json_decref(json);
    json = json_pack("{sI}", "next", (json_int_t)(last + 2));
    text = json ? tn_json_text(json) : NULL;
    if (text)
        (void)tn_file_replace(tn_store_root(store, 0), "sequence.json", text, strlen(text), 0644,
                              NULL);
    return last + 1;
}

/* Another engine of the same name and another key: this one gets eight digits of its key. */
static void settle_name(const struct tn_store *store, struct tn_record *record)
{
    tn_auto(tn_str_free) char *path = tn_store_path(store, 0, "engines/%s", record->name);
    char target[256], hex[TN_DIGEST_HEX];
    struct tn_digest digest;
    struct tn_entry other;
    bool same;
    ssize_t length = path ? readlink(path, target, sizeof(target) - 1) : -1;
    char *dot = strrchr(record->name, '.');

    if (length < 0 || !dot)
        return;
    target[length] = '\0';
    if (sscanf(target, "../objects/sha256/%2[0-9a-f]/%62[0-9a-f]/plan", hex, hex + 2) != 2 ||
        tn_digest_parse(hex, &digest, NULL) != TN_OK ||
        read_mine(store, &digest, NULL, &other, NULL) != TN_OK)
        return;
    same = tn_digest_equal(&other.record.key, &record->key) ||
           strcmp(other.record.name, record->name) != 0;
    tn_entry_done(&other);
    if (same || strlen(record->name) + 10 > sizeof(record->name))
        return;
    tn_digest_hex(&record->key, hex);
    (void)snprintf(dot, sizeof(record->name) - (size_t)(dot - record->name), ".%.8s.engine", hex);
}

/* The entry as it will be, made before anything can be seen: from then on nothing may fail. */
static int entry_to_be(const struct tn_put *put, const struct tn_record *record,
                       struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_record_to_json(record);
    struct tn_entry entry = { .level = TN_LEVEL_HEADER };
    char below[96];
    int rc;

    object_folder(&record->digest, below);
    if (!json)
        return tn_fail(err, TN_E_NOMEM, "record of the engine");
    if (snprintf(entry.path, sizeof(entry.path), "%s/%s/plan", tn_store_root(put->store, 0),
                 below) >= (int)sizeof(entry.path))
        return tn_fail(err, TN_E_TOOBIG, "the path of store '%s' is too long",
                       tn_store_root(put->store, 0));
    rc = tn_record_from_json(json, &entry.record, err);
    if (rc == TN_OK)
        *ret_entry = entry;
    return rc;
}

int tn_put_commit(struct tn_put *put, struct tn_record *record, struct tn_entry *ret_entry,
                  struct tn_error *err)
{
    tn_auto(tn_entry_done) struct tn_entry made = { 0 };
    int rc = seal_plan(put, record, err);

    if (rc < 0)
        return rc;
    record->sequence = next_sequence(put->store);
    settle_name(put->store, record);
    rc = entry_to_be(put, record, &made, err);
    if (rc == TN_OK)
        rc = write_record(put, record, err);
    if (rc == TN_OK)
        rc = publish(put, record, err);
    if (rc < 0)
        return tn_while(err, rc, "put the engine into the store");
    /* From here on others can see it, so it is there. What follows can be made again: the index
     * from the objects, the link at the next put. */
    (void)update_index(put->store, &record->key, &record->digest, true, NULL);
    (void)link_name(put->store, record, NULL);
    if (read_mine(put->store, &record->digest, &record->key, ret_entry, NULL) != TN_OK) {
        *ret_entry = made;
        made = (struct tn_entry) { 0 };
    }
    return TN_OK;
}

int tn_object_set_aside(const struct tn_store *store, const struct tn_entry *entry,
                        const char *reason, struct tn_error *err)
{
    int rc;

    if (entry->store != 0)
        return tn_fail(err, TN_E_ACCESS, "'%s' lies in a store that is only read", entry->path);
    rc = write_reason(store, &entry->record.digest, reason, err);
    if (rc == TN_OK)
        rc = move_aside(store, &entry->record.digest, err);
    if (rc < 0)
        return rc;
    /* an index that still names it costs a look; it is passed over */
    (void)update_index(store, &entry->record.key, &entry->record.digest, false, NULL);
    return TN_OK;
}

/* ---- back from aside ---- */

/* Reads what was set aside, and hashes it: whatever made it go there, its bytes are what they were.
 */
static int read_aside(const struct tn_folder *aside, struct tn_record *ret_record,
                      struct tn_error *err)
{
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    struct tn_stamp stamp;
    struct stat st;
    int rc = tn_folder_stat(aside, "record.json", &st, err);

    if (rc == TN_E_NOTFOUND)
        return tn_fail(err, TN_E_INVALID, "'%s' never was an engine of a store: it has no record",
                       aside->path);
    if (snprintf(entry.path, sizeof(entry.path), "%s/plan", aside->path) >= (int)sizeof(entry.path))
        return tn_fail(err, TN_E_TOOBIG, "the path '%s' is too long", aside->path);
    if (rc == TN_OK)
        rc = read_fields(aside, "record.json", &entry, err);
    if (rc == TN_OK)
        rc = tn_folder_stat(aside, "plan", &st, err);
    if (rc == TN_OK)
        rc = hash_plan(&entry, &stamp, err);
    if (rc < 0)
        return rc;
    *ret_record = entry.record;
    entry.record = (struct tn_record) { 0 };
    return TN_OK;
}

static int move_back(const struct tn_folder *aside, const struct tn_digest *digest,
                     struct tn_error *err)
{
    char below[96], above[96];
    tn_auto(tn_str_free) char *parent = NULL;
    tn_auto(tn_str_free) char *to = NULL;
    int rc;

    object_folder(digest, below);
    (void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(below, '/') - below), below);
    rc = tn_store_folder(aside->store, above, &parent, err);
    if (rc < 0)
        return rc;
    to = tn_store_path(aside->store, 0, "%s", below);
    if (!to)
        return tn_fail(err, TN_E_NOMEM, "put '%s' back", aside->path);
    if (rename(aside->path, to) < 0)
        return errno == EEXIST || errno == ENOTEMPTY
                   ? tn_fail(err, TN_E_USAGE, "the engine is in the store already: '%s'", to)
                   : tn_fail_os(err, TN_E_IO, "put '%s' back", aside->path);
    (void)tn_dir_sync(parent, NULL); /* visible already */
    return TN_OK;
}

struct returning {
    const struct tn_store *store;
    const struct tn_folder *object;
    const struct tn_digest *digest;
};

/* Each recipe that the engine is of knows it again, and may be built again. */
static bool welcome_record(const char *name, void *user)
{
    const struct returning *returning = user;
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_record record = { 0 };

    if (!tn_text_starts(name, "record") || !tn_text_ends(name, ".json") ||
        tn_folder_read_json(returning->object, name, TN_RECORD_BYTES_MAX, &json, NULL) != TN_OK ||
        tn_record_from_json(json, &record, NULL) != TN_OK)
        return true;
    (void)update_index(returning->store, &record.key, returning->digest, true, NULL);
    (void)link_name(returning->store, &record, NULL);
    tn_refusal_forget(returning->store, &record.key);
    tn_record_done(&record);
    return true;
}

static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

int tn_object_restore(const struct tn_store *store, const char *folder, struct tn_entry *ret_entry,
                      struct tn_error *err)
{
    tn_auto(tn_folder_done) struct tn_folder aside = TN_FOLDER_NONE;
    tn_auto(tn_entry_done) struct tn_entry made = { .level = TN_LEVEL_HEADER,
                                                    .last_used = TN_UNKNOWN };
    tn_auto(tn_str_free) char *below = tn_path_join("aside", folder);
    struct returning returning = { store, &aside, &made.record.digest };
    char to[96];
    int rc = tn_store_writable(store, err);

    if (rc == TN_OK && (!below || !is_plain_name(folder)))
        rc = tn_fail(err, below ? TN_E_NOTFOUND : TN_E_NOMEM, "nothing in aside/ is called '%s'",
                     folder);
    if (rc == TN_OK)
        rc = tn_folder_open(store, 0, below, &aside, err);
    if (rc == TN_OK)
        rc = read_aside(&aside, &made.record, err);
    if (rc < 0)
        return rc;
    object_folder(&made.record.digest, to);
    if (snprintf(made.path, sizeof(made.path), "%s/%s/plan", tn_store_root(store, 0), to) >=
        (int)sizeof(made.path))
        return tn_fail(err, TN_E_TOOBIG, "the path of store '%s' is too long",
                       tn_store_root(store, 0));
    rc = move_back(&aside, &made.record.digest, err);
    if (rc < 0)
        return rc;
    /* It is there again. What follows can be made again, as in tn_put_commit(). */
    (void)unlinkat(aside.fd, "reason.json", 0); /* the descriptor went along with the folder */
    (void)tn_folder_each(&aside, welcome_record, &returning, NULL);
    if (read_mine(store, &made.record.digest, &made.record.key, ret_entry, NULL) != TN_OK) {
        *ret_entry = made;
        made = (struct tn_entry) { 0 };
    }
    return TN_OK;
}

bool tn_objects_stamp(const struct tn_store *store, const struct tn_digest *key,
                      struct tn_stamp *ret_stamp)
{
    char hex[TN_DIGEST_HEX];
    tn_auto(tn_str_free) char *path = NULL;
    struct stat st;

    tn_digest_hex(key, hex);
    path = tn_store_path(store, 0, "records/%s.json", hex);
    if (!path || stat(path, &st) < 0)
        return false;
    *ret_stamp = tn_stamp_of(&st);
    return true;
}

int tn_put_set_aside(struct tn_put *put, const struct tn_digest *key, const char *reason,
                     struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], key_hex[TN_DIGEST_HEX];
    char name[TN_DIGEST_HEX + 24], when[TN_RFC3339_BYTES];
    struct tn_digest digest;
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *to = NULL;
    tn_auto(tn_str_free) char *plan = NULL;
    tn_auto(tn_json_done) json_t *why = NULL;
    tn_auto(tn_str_free) char *text = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_store_folder(put->store, "aside", &folder, err);

    if (rc == TN_OK)
        rc = tn_file_open(put->plan_path, &fd, NULL, err);
    if (rc == TN_OK)
        rc = tn_digest_fd(fd, &digest, NULL, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&digest, hex);
    tn_digest_hex(key, key_hex);
    (void)snprintf(name, sizeof(name), "%s-%llx", hex, (unsigned long long)tn_clock_wall());
    tn_clock_rfc3339(tn_clock_wall(), when);
    to = tn_path_join(folder, name);
    plan = to ? tn_path_join(to, "plan") : NULL;
    why = json_pack("{ss ss ss ss}", "digest", hex, "key", key_hex, "reason", reason, "time", when);
    text = why ? tn_json_text(why) : NULL;
    if (!plan || !text)
        return tn_fail(err, TN_E_NOMEM, "set the plan aside");
    rc = tn_dir_make(to, 0755, err);
    if (rc == TN_OK)
        rc = tn_file_replace(to, "reason.json", text, strlen(text), 0644, err);
    if (rc == TN_OK && rename(put->plan_path, plan) < 0)
        rc = tn_fail_os(err, TN_E_IO, "set '%s' aside", put->plan_path);
    if (rc < 0)
        (void)tn_dir_remove(to, NULL);
    return rc;
}

/* ---- removing ---- */

int tn_object_gone_path(const struct tn_store *store, const char *label, char **ret_path,
                        struct tn_error *err)
{
    char name[64];
    tn_auto(tn_str_free) char *tmp = NULL;
    int rc = tn_store_folder(store, "tmp", &tmp, err);

    if (rc < 0)
        return rc;
    (void)snprintf(name, sizeof(name), "gone-%.16s-%llx", label,
                   (unsigned long long)tn_clock_monotonic());
    *ret_path = tn_path_join(tmp, name);
    return *ret_path ? TN_OK : tn_fail(err, TN_E_NOMEM, "remove '%s'", label);
}

/* engines/<name> goes only where it still points to this engine. */
static void unlink_name(const struct tn_store *store, const char *name,
                        const struct tn_digest *digest)
{
    tn_auto(tn_str_free) char *path = tn_store_path(store, 0, "engines/%s", name);
    char below[96], target[256];
    ssize_t length = path ? readlink(path, target, sizeof(target) - 1) : -1;

    if (length < 0 || strchr(name, '/'))
        return;
    target[length] = '\0';
    object_folder(digest, below);
    if (strstr(target, below))
        (void)unlink(path);
}

/* What the records in a removed object's folder were known by. */
static int forget_records(const struct tn_store *store, const char *gone,
                          const struct tn_digest *digest, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = opendir(gone);
    const struct dirent *entry;
    int rc = TN_OK;

    while (dir && rc == TN_OK && (entry = readdir(dir)) != NULL) {
        tn_auto(tn_str_free) char *path = NULL;
        tn_auto(tn_json_done) json_t *record = NULL;
        struct tn_digest key;

        if (!tn_text_starts(entry->d_name, "record") || !tn_text_ends(entry->d_name, ".json"))
            continue;
        path = tn_path_join(gone, entry->d_name);
        if (!path || tn_json_read(path, TN_RECORD_BYTES_MAX, &record, NULL) != TN_OK)
            continue;
        unlink_name(store, tn_json_str(record, "name", ""), digest);
        if (tn_digest_parse(tn_json_str(record, "key", ""), &key, NULL) == TN_OK)
            rc = update_index(store, &key, digest, false, err);
    }
    return rc;
}

/* What a killed removal did not come to. Bytes that were put in again since are not forgotten. */
static void forget_gone(const struct tn_store *store, const char *gone)
{
    tn_auto(tn_str_free) char *path = tn_path_join(gone, "record.json");
    tn_auto(tn_str_free) char *object = NULL;
    tn_auto(tn_json_done) json_t *record = NULL;
    struct tn_digest digest;
    char below[96];

    if (!path || tn_json_read(path, TN_RECORD_BYTES_MAX, &record, NULL) != TN_OK ||
        tn_digest_parse(tn_json_str(record, "digest", ""), &digest, NULL) != TN_OK)
        return;
    object_folder(&digest, below);
    object = tn_store_path(store, 0, "%s", below);
    if (object && access(object, F_OK) < 0)
        (void)forget_records(store, gone, &digest, NULL);
}

void tn_object_sweep_gone(const struct tn_store *store)
{
    tn_auto(tn_str_free) char *tmp = tn_store_path(store, 0, "tmp");
    tn_auto(tn_dir_done) DIR *dir = tmp ? opendir(tmp) : NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        tn_auto(tn_str_free) char *path = NULL;

        if (!tn_text_starts(entry->d_name, "gone-"))
            continue;
        path = tn_path_join(tmp, entry->d_name);
        if (!path)
            return;
        forget_gone(store, path);
        (void)tn_dir_remove(path, NULL);
    }
}

int tn_object_remove(const struct tn_store *store, const struct tn_digest *digest,
                     struct tn_error *err)
{
    char below[96], hex[TN_DIGEST_HEX], note[96];
    tn_auto(tn_str_free) char *from = NULL;
    tn_auto(tn_str_free) char *gone = NULL;
    tn_auto(tn_str_free) char *note_path = NULL;
    int rc;

    object_folder(digest, below);
    tn_digest_hex(digest, hex);
    plan_note_name(digest, note);
    rc = tn_object_gone_path(store, hex, &gone, err);
    if (rc < 0)
        return rc;
    from = tn_store_path(store, 0, "%s", below);
    note_path = tn_store_path(store, 0, "hosts/%s/%s", tn_store_host(store), note);
    if (!from || !note_path)
        return tn_fail(err, TN_E_NOMEM, "remove engine %.12s", hex);
    if (rename(from, gone) < 0)
        return errno == ENOENT ? TN_OK : tn_fail_os(err, TN_E_IO, "remove engine %.12s", hex);
    rc = forget_records(store, gone, digest, err);
    if (rc < 0)
        return rc;
    (void)unlink(note_path);
    return tn_dir_remove(gone, err);
}
