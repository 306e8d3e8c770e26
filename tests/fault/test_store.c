/* Every operation that changes a store, with each of its system calls failing once: all or nothing
 * is left behind, the next call works, no temporary file stays, and the error has words. */
#include "store/fixture.h"

#include "base/json.h"
#include "fault.h"
#include "store/aside.h"
#include "store/collect.h"
#include "store/derived.h"
#include "store/host.h"
#include "store/loading.h"
#include "store/lock.h"
#include "store/mark.h"
#include "store/object.h"
#include "store/refusal.h"
#include "store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int all_errnos[] = { EIO, ENOSPC, EACCES, EINTR, ENOLCK, EBADF, ESTALE };

/* ---- a store of its own for each run ---- */

struct scene {
    char root[64];
    char other[128]; /* a file or folder that an operation is given */
    struct tn_store *store;
    struct tn_entry first, second; /* what prepare() put */
    struct tn_lock lock;
};

static int put_model(struct scene *scene, const char *model, const char *bytes,
                     struct tn_entry *ret_entry, struct tn_error *err)
{
    return put_into(scene->store, model, bytes, ret_entry, err);
}

static struct tn_entry put_well(struct scene *scene, const char *model, const char *bytes)
{
    struct tn_entry entry = { 0 };
    struct tn_error err = { 0 };

    if (put_model(scene, model, bytes, &entry, &err) != TN_OK)
        fail_msg("put: %s", err.text);
    return entry;
}

static struct scene scene_new(void)
{
    struct scene scene = { .lock = TN_LOCK_NONE };
    struct tn_error err = { 0 };

    /* in memory where that is possible: a thousand stores are made, each with many an fsync */
    (void)snprintf(scene.root, sizeof(scene.root), "%s/tenon-fault-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(scene.root));
    (void)snprintf(scene.other, sizeof(scene.other), "%s-other", scene.root);
    assert_int_equal(tn_store_open(scene.root, &scene.store, &err), TN_OK);
    return scene;
}

static void scene_done(struct scene *scene)
{
    tn_lock_done(&scene->lock);
    tn_entry_done(&scene->first);
    tn_entry_done(&scene->second);
    tn_store_close(scene->store);
    assert_int_equal(tn_dir_remove(scene->root, NULL), TN_OK);
    assert_int_equal(tn_dir_remove(scene->other, NULL), TN_OK);
}

/* ---- what may be looked for afterwards ---- */

struct wanted {
    const struct tn_store *store;
    struct tn_digest key;
    bool there;
    unsigned broken;
};

static bool look_at(struct tn_entry *entry, void *user)
{
    struct wanted *wanted = user;

    if (tn_object_verify(wanted->store, entry, true, NULL) != TN_OK)
        wanted->broken++;
    else if (tn_digest_equal(&entry->record.key, &wanted->key))
        wanted->there = true;
    return true;
}

static void count_broken(const char *path, const struct tn_error *why, void *user)
{
    struct wanted *wanted = user;

    (void)path;
    (void)why;
    wanted->broken++;
}

/* Whether `model` has a whole engine; `ret_broken` counts objects that are not whole. */
static bool has(const struct scene *scene, const char *model, unsigned *ret_broken)
{
    struct tn_record record = record_of(model);
    struct wanted wanted = { .store = scene->store, .key = record.key };

    assert_int_equal(tn_objects_each(scene->store, look_at, count_broken, &wanted, NULL), TN_OK);
    tn_record_done(&record);
    if (ret_broken)
        *ret_broken = wanted.broken;
    return wanted.there;
}

static bool indexed(const struct scene *scene, const char *model)
{
    struct tn_record record = record_of(model);
    struct tn_entries found = { 0 };
    bool there;

    assert_int_equal(tn_objects_find(scene->store, &record.key, NULL, NULL, &found, NULL), TN_OK);
    there = found.count > 0;
    tn_entries_done(&found);
    tn_record_done(&record);
    return there;
}

/* The number that a shell command prints when it is run in the store. */
static long count_of(const struct scene *scene, const char *shell)
{
    char command[512], answer[32] = "";
    FILE *pipe;

    (void)snprintf(command, sizeof(command), "cd %s && %s", scene->root, shell);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    (void)!fgets(answer, sizeof(answer), pipe);
    assert_int_equal(pclose(pipe), 0);
    return strtol(answer, NULL, 10);
}

static unsigned strays_seen;

static int see_stray(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    strays_seen +=
        strncmp(path + at->base, ".tmp-", 5) == 0 || strncmp(path + at->base, "put-", 4) == 0;
    return 0;
}

static unsigned strays(const struct scene *scene)
{
    strays_seen = 0;
    assert_int_equal(nftw(scene->root, see_stray, 8, FTW_PHYS), 0);
    return strays_seen;
}

/* ---- operations ---- */

struct operation {
    const char *name;
    void (*prepare)(struct scene *scene); /* may be NULL */
    int (*act)(struct scene *scene, struct tn_error *err);
    bool (*done)(struct scene *scene);  /* the effect is there, whole */
    bool (*sound)(struct scene *scene); /* what must hold whatever happened; may be NULL */
    bool best_effort;                   /* success does not promise the effect */
    bool may_take_hold;                 /* failure may come after the effect (folder not synced) */
};

static int put_a(struct scene *scene, struct tn_error *err)
{
    struct tn_entry entry = { 0 };
    int rc = put_model(scene, "a", "plan of a", &entry, err);

    tn_entry_done(&entry);
    return rc;
}

static bool a_is_there(struct scene *scene)
{
    return has(scene, "a", NULL);
}

static bool nothing_broken(struct scene *scene)
{
    unsigned broken;

    (void)has(scene, "a", &broken);
    return broken == 0;
}

/* Another recipe gave the same bytes before. */
static void prepare_same_bytes(struct scene *scene)
{
    scene->first = put_well(scene, "b", "plan of a");
}

static bool b_is_still_there(struct scene *scene)
{
    return nothing_broken(scene) && has(scene, "b", NULL) && indexed(scene, "b");
}

/* The same recipe has an engine already: the index must keep both. */
static void prepare_same_recipe(struct scene *scene)
{
    scene->first = put_well(scene, "a", "another plan of a");
}

static bool both_are_there(struct scene *scene)
{
    return count_of(scene, "for f in objects/sha256/*/*/plan; do cat $f; echo; done | grep -cx "
                           "'plan of a' || true") == 1;
}

static bool first_is_still_indexed(struct scene *scene)
{
    return nothing_broken(scene) && indexed(scene, "a");
}

static void prepare_broken(struct scene *scene)
{
    int fd;

    scene->first = put_well(scene, "a", "plan of a");
    assert_int_equal(chmod(scene->first.path, 0644), 0);
    fd = open(scene->first.path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PLAN", 4), 4);
    assert_int_equal(close(fd), 0);
}

static void prepare_good(struct scene *scene)
{
    scene->first = put_well(scene, "a", "plan of a");
}

static bool is_aside(struct scene *scene)
{
    return !has(scene, "a", NULL) && !indexed(scene, "a") &&
           count_of(scene, "cat aside/*/plan | wc -c") == 9 &&
           count_of(scene, "cat aside/*/reason.json | grep -c because || true") == 1;
}

static int set_aside(struct scene *scene, struct tn_error *err)
{
    int rc = tn_object_set_aside(scene->store, &scene->first, "because", err);

    return rc == TN_E_NOTFOUND ? TN_OK : rc; /* nothing is left to move */
}

static int verify(struct scene *scene, struct tn_error *err)
{
    return tn_object_verify(scene->store, &scene->first, false, err);
}

static bool is_noted(struct scene *scene)
{
    return count_of(scene, "cat hosts/*/plans/*.json 2>/dev/null | grep -c stamp || true") == 1;
}

static bool a_is_indexed(struct scene *scene)
{
    return nothing_broken(scene) && indexed(scene, "a");
}

static int note_of(const struct scene *scene)
{
    tn_auto(tn_json_done) json_t *note = NULL;

    if (tn_host_read(scene->store, "kind/n.json", &note, NULL) != TN_OK)
        return -1;
    return (int)tn_json_int(note, "n", -2);
}

static int write_note(struct scene *scene, int n, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *note = json_pack("{si}", "n", n);

    return tn_host_write(scene->store, "kind/n.json", note, err);
}

static int write_note_1(struct scene *scene, struct tn_error *err)
{
    return write_note(scene, 1, err);
}

static void prepare_note(struct scene *scene)
{
    assert_int_equal(write_note(scene, 0, NULL), TN_OK);
}

static bool note_is_1(struct scene *scene)
{
    return note_of(scene) == 1;
}

static bool note_is_old_or_new(struct scene *scene)
{
    return note_of(scene) == 0 || note_of(scene) == 1;
}

static int take_derived(struct scene *scene, struct tn_error *err)
{
    char file[160];
    char *kept = NULL;
    struct tn_digest source;
    int rc;

    (void)mkdir(scene->other, 0700);
    (void)snprintf(file, sizeof(file), "%s/new.onnx", scene->other);
    (void)unlink(file);
    write_bytes(file, "onnx");
    assert_int_equal(tn_digest_of("m", 1, &source, NULL), TN_OK);
    rc = tn_derived_take(scene->store, &source, "c 1.0", file, &kept, err);
    assert_true((rc == TN_OK) == (kept != NULL));
    free(kept);
    return rc;
}

static void prepare_other(struct scene *scene)
{
    assert_int_equal(mkdir(scene->other, 0700), 0);
}

static bool derived_is_there(struct scene *scene)
{
    char *kept = NULL;
    struct tn_digest source;
    int rc;

    assert_int_equal(tn_digest_of("m", 1, &source, NULL), TN_OK);
    rc = tn_derived_find(scene->store, &source, "c 1.0", &kept, NULL);
    free(kept);
    return rc == TN_OK;
}

static int take_lock(struct scene *scene, struct tn_error *err)
{
    int rc = scene->lock.fd >= 0
                 ? TN_OK
                 : tn_lock_take(scene->store, "l", NULL, NULL, &scene->lock, NULL, err);

    assert_true((rc == TN_OK) == (scene->lock.fd >= 0));
    return rc;
}

static bool lock_is_held(struct scene *scene)
{
    return scene->lock.fd >= 0;
}

static int replace_file(struct scene *scene, struct tn_error *err)
{
    return tn_file_replace(scene->root, "file", "new", 3, 0600, err);
}

static void prepare_file(struct scene *scene)
{
    assert_int_equal(tn_file_replace(scene->root, "file", "older", 5, 0644, NULL), TN_OK);
}

static bool file_is(struct scene *scene, const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf found = TN_BUF(64);
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/file", scene->root);
    return tn_file_read(path, &found, NULL) == TN_OK && strcmp(tn_buf_text(&found), text) == 0;
}

static bool file_is_new(struct scene *scene)
{
    return file_is(scene, "new");
}

static bool file_is_old_or_new(struct scene *scene)
{
    return file_is(scene, "older") || file_is(scene, "new");
}

static int make_folder(struct scene *scene, struct tn_error *err)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/a/b/c", scene->other);
    return tn_dir_make(path, 0700, err);
}

static bool folder_is_made(struct scene *scene)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/a/b/c", scene->other);
    return access(path, F_OK) == 0;
}

static int open_store(struct scene *scene, struct tn_error *err)
{
    struct tn_store *store = NULL;
    int rc = tn_store_open(scene->other, &store, err);

    if (rc == TN_OK)
        rc = tn_store_writable(store, err);
    tn_store_close(store);
    return rc;
}

static bool other_is_there(struct scene *scene)
{
    return access(scene->other, F_OK) == 0;
}

/* ---- an operator's will ---- */

static int pin_first(struct scene *scene, struct tn_error *err)
{
    return tn_mark_pin(scene->store, &scene->first, true, err);
}

static int unpin_first(struct scene *scene, struct tn_error *err)
{
    return tn_mark_pin(scene->store, &scene->first, false, err);
}

static bool first_is_pinned(struct scene *scene)
{
    return tn_mark_read(scene->store, 0, &scene->first.record.digest).pinned;
}

static int sign_first(struct scene *scene, struct tn_error *err)
{
    const struct tn_signatures one = { .count = 1 };

    return tn_mark_sign(scene->store, &scene->first, &one, err);
}

/* ... and what the mark said before stays said */
static bool first_is_signed(struct scene *scene)
{
    struct tn_signatures there;

    tn_mark_signatures(scene->store, &scene->first, &there);
    return there.count == 1 && first_is_pinned(scene);
}

static void prepare_pinned(struct scene *scene)
{
    prepare_good(scene);
    assert_int_equal(pin_first(scene, NULL), TN_OK);
}

static int revoke_first(struct scene *scene, struct tn_error *err)
{
    const struct tn_revocation told = { .by = "https://fleet:8600", .why = "wrong weights" };
    struct tn_revocation stands;
    int rc = tn_mark_revoke(scene->store, &scene->first.record.digest, &told, &stands, err);

    assert_true(stands.in_force); /* for this call, also where it could not be written */
    return rc < 0 ? rc : TN_OK;
}

static bool first_is_revoked(struct scene *scene)
{
    return tn_mark_read(scene->store, 0, &scene->first.record.digest).revoked.in_force &&
           first_is_pinned(scene);
}

static void prepare_revoked(struct scene *scene)
{
    prepare_pinned(scene);
    assert_int_equal(revoke_first(scene, NULL), TN_OK);
}

static bool first_is_overruled(struct scene *scene)
{
    const struct tn_mark mark = tn_mark_read(scene->store, 0, &scene->first.record.digest);

    return mark.blessed && mark.revoked.by[0] && !mark.revoked.in_force && mark.pinned;
}

static bool first_is_unmarked(struct scene *scene)
{
    return count_of(scene, "ls marks 2>/dev/null | wc -l") == 0;
}

/* Of two engines of a recipe the other one is blessed. */
static void prepare_blessed(struct scene *scene)
{
    scene->first = put_well(scene, "a", "plan of a");
    scene->second = put_well(scene, "a", "another plan of a");
    assert_int_equal(tn_mark_bless(scene->store, &scene->second, NULL), TN_OK);
    assert_int_equal(tn_mark_pin(scene->store, &scene->first, true, NULL), TN_OK);
}

static int bless_first(struct scene *scene, struct tn_error *err)
{
    return tn_mark_bless(scene->store, &scene->first, err);
}

/* The digest of the one that is handed out. */
static struct tn_digest chosen(struct scene *scene)
{
    struct tn_entries found = { 0 };
    struct tn_digest digest;

    assert_int_equal(
        tn_objects_find(scene->store, &scene->first.record.key, NULL, NULL, &found, NULL), TN_OK);
    assert_true(found.count > 0 && found.item[0].blessed);
    digest = found.item[0].record.digest;
    tn_entries_done(&found);
    return digest;
}

static bool first_is_chosen(struct scene *scene)
{
    struct tn_digest digest = chosen(scene);

    return tn_digest_equal(&digest, &scene->first.record.digest);
}

static bool one_is_chosen(struct scene *scene)
{
    (void)chosen(scene); /* asserts that a blessed one comes first */
    return a_is_indexed(scene) && first_is_pinned(scene);
}

/* ---- aside and back ---- */

static int put_aside(struct scene *scene, struct tn_error *err)
{
    struct tn_put one = { .lock_fd = -1 };
    struct tn_digest key = { { 7 } };
    int rc = tn_put_begin(scene->store, &one, err);

    if (rc == TN_OK) {
        write_plan(&one, "odd plan");
        rc = tn_put_set_aside(&one, &key, "because", err);
    }
    tn_put_done(&one);
    return rc;
}

static bool odd_plan_is_aside(struct scene *scene)
{
    return count_of(scene, "cat aside/*/plan 2>/dev/null | grep -c 'odd plan' || true") > 0;
}

static bool each_aside_has_its_reason(struct scene *scene)
{
    return nothing_broken(scene) &&
           count_of(scene, "ls aside/*/plan 2>/dev/null | wc -l") ==
               count_of(scene, "ls aside/*/reason.json 2>/dev/null | wc -l");
}

static void prepare_aside(struct scene *scene)
{
    prepare_good(scene);
    assert_int_equal(tn_object_set_aside(scene->store, &scene->first, "because", NULL), TN_OK);
}

static int restore(struct scene *scene, struct tn_error *err)
{
    tn_auto(tn_asides_done) struct tn_asides all = { 0 };
    tn_auto(tn_entry_done) struct tn_entry back = { 0 };
    int rc = tn_aside_list(scene->store, &all, err);

    if (rc < 0 || all.count == 0)
        return rc; /* it is back already */
    return tn_object_restore(scene->store, all.item[0].folder, &back, err);
}

static bool is_here_or_aside(struct scene *scene)
{
    long aside = count_of(scene, "ls aside/*/plan 2>/dev/null | wc -l");

    return nothing_broken(scene) && aside == (has(scene, "a", NULL) ? 0 : 1);
}

/* ---- what leaves ---- */

static void used_at(struct scene *scene, const struct tn_entry *entry, tn_nsec when)
{
    tn_auto(tn_json_done) json_t *note = json_pack("{sI}", "last_used", (json_int_t)when);
    char hex[TN_DIGEST_HEX], name[96];

    tn_digest_hex(&entry->record.digest, hex);
    (void)snprintf(name, sizeof(name), "plans/%s.json", hex);
    assert_int_equal(tn_host_write(scene->store, name, note, NULL), TN_OK);
}

/* b was used long before a, which was built last. */
static void prepare_old(struct scene *scene)
{
    const tn_nsec day = 86400 * TN_NSEC_PER_S;

    scene->second = put_well(scene, "b", "plan of b");
    scene->first = put_well(scene, "a", "plan of a");
    used_at(scene, &scene->second, 100 * day);
    used_at(scene, &scene->first, 900 * day);
}

static int collect_all(struct scene *scene, struct tn_error *err)
{
    static const struct tn_collect_options nothing = { .has_max_bytes = true };
    tn_auto(tn_collection_done) struct tn_collection all = { 0 };
    int rc = tn_collect_plan(scene->store, &nothing, &all, err);

    return rc < 0 ? rc : tn_collect_run(scene->store, &all, err);
}

static bool b_is_gone(struct scene *scene)
{
    return !has(scene, "b", NULL) && !indexed(scene, "b");
}

static void prepare_old_pinned(struct scene *scene)
{
    prepare_old(scene);
    assert_int_equal(tn_mark_pin(scene->store, &scene->second, true, NULL), TN_OK);
}

static bool b_is_kept(struct scene *scene)
{
    return has(scene, "b", NULL) && indexed(scene, "b") && a_is_indexed(scene);
}

static int remove_first(struct scene *scene, struct tn_error *err)
{
    return tn_object_remove(scene->store, &scene->first.record.digest, err);
}

static bool a_is_gone(struct scene *scene)
{
    return !has(scene, "a", NULL) && !indexed(scene, "a");
}

/* ---- what is remembered of failures ---- */

static int refuse(struct scene *scene, struct tn_error *err)
{
    struct tn_refusal why = { .kind = TN_REFUSAL_LASTING, .name = "refused", .stage = "build" };
    struct tn_moment now;

    tn_clock_moment(&now);
    return tn_refusal_keep(scene->store, &scene->first.record.key, &now, &why, err);
}

static enum tn_refusal_kind remembered(struct scene *scene)
{
    struct tn_refusal why;
    struct tn_moment now;

    tn_clock_moment(&now);
    return tn_refusal_find(scene->store, &scene->first.record.key, &now, &why);
}

static bool is_refused(struct scene *scene)
{
    return remembered(scene) == TN_REFUSAL_LASTING;
}

static void prepare_backoff(struct scene *scene)
{
    struct tn_refusal why = { .kind = TN_REFUSAL_BACKOFF, .name = "timeout", .stage = "build" };
    struct tn_moment now;

    prepare_good(scene);
    tn_clock_moment(&now);
    assert_int_equal(tn_refusal_keep(scene->store, &scene->first.record.key, &now, &why, NULL),
                     TN_OK);
}

static bool something_is_remembered(struct scene *scene)
{
    return remembered(scene) != TN_REFUSAL_NONE;
}

static void prepare_refused(struct scene *scene)
{
    prepare_good(scene);
    assert_int_equal(refuse(scene, NULL), TN_OK);
}

static int forget(struct scene *scene, struct tn_error *err)
{
    (void)err;
    tn_refusal_forget(scene->store, &scene->first.record.key);
    return TN_OK;
}

static bool nothing_is_remembered(struct scene *scene)
{
    return remembered(scene) == TN_REFUSAL_NONE;
}

static int add_outcome(struct scene *scene, struct tn_error *err)
{
    static const struct tn_outcome outcome = { .model = "new", .seconds = 1 };

    return tn_spool_add(scene->store, &outcome, err);
}

/* A file that is one outcome short of being full. */
static void prepare_spool(struct scene *scene)
{
    static const struct tn_outcome outcome = { .model = "old", .seconds = 1 };
    tn_auto(tn_str_free) char *path = tn_store_path(
        scene->store, 0, "hosts/%s/spool/outcomes.jsonl", tn_store_host(scene->store));
    FILE *file;

    assert_int_equal(tn_spool_add(scene->store, &outcome, NULL), TN_OK);
    file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_true(fprintf(file, "%*s\n", (int)(TN_SPOOL_SEGMENT_BYTES - 2 - ftell(file)), "") > 0);
    assert_int_equal(fclose(file), 0);
}

struct spooled {
    bool older, newer;
};

static bool see_outcome(const struct tn_outcome *outcome, void *user)
{
    struct spooled *spooled = user;

    spooled->older |= strcmp(outcome->model, "old") == 0;
    spooled->newer |= strcmp(outcome->model, "new") == 0;
    return true;
}

static struct spooled look_at_spool(struct scene *scene)
{
    struct spooled spooled = { false, false };

    assert_int_equal(tn_spool_each(scene->store, see_outcome, &spooled, NULL, NULL), TN_OK);
    return spooled;
}

static bool outcome_is_there(struct scene *scene)
{
    return look_at_spool(scene).newer;
}

static bool older_outcome_is_there(struct scene *scene)
{
    return look_at_spool(scene).older;
}

static int mark_loading(struct scene *scene, struct tn_error *err)
{
    struct tn_loading mark = TN_LOADING_NONE;
    struct tn_digest digest;
    int rc;

    assert_int_equal(tn_digest_of("m", 1, &digest, NULL), TN_OK);
    rc = tn_loading_begin(scene->store, &digest, &mark, err);
    assert_true((rc == TN_OK) == (mark.fd >= 0));
    assert_int_equal(tn_loading_crashes(scene->store, &digest), 0);
    tn_loading_done(&mark);
    return rc;
}

static bool no_death_is_counted(struct scene *scene)
{
    struct tn_digest digest;

    assert_int_equal(tn_digest_of("m", 1, &digest, NULL), TN_OK);
    return tn_loading_crashes(scene->store, &digest) == 0;
}

static const struct operation operations[] = {
    { "put", NULL, put_a, a_is_there, nothing_broken, false, false },
    { "put of another recipe's bytes", prepare_same_bytes, put_a, a_is_there, b_is_still_there,
      false, false },
    { "put of a second plan", prepare_same_recipe, put_a, both_are_there, first_is_still_indexed,
      false, false },
    { "put over a broken object", prepare_broken, put_a, a_is_there, NULL, false, false },
    { "put again", prepare_good, put_a, a_is_there, a_is_indexed, false, true },
    { "set aside", prepare_good, set_aside, is_aside, nothing_broken, false, false },
    { "verify", prepare_good, verify, is_noted, a_is_indexed, true, false },
    { "host note", prepare_note, write_note_1, note_is_1, note_is_old_or_new, false, true },
    { "derived model", prepare_other, take_derived, derived_is_there, NULL, false, true },
    { "lock", NULL, take_lock, lock_is_held, NULL, false, false },
    { "file", prepare_file, replace_file, file_is_new, file_is_old_or_new, false, true },
    { "folder", NULL, make_folder, folder_is_made, NULL, false, false },
    { "store", NULL, open_store, other_is_there, NULL, false, false },
    { "pin", prepare_good, pin_first, first_is_pinned, a_is_indexed, false, true },
    { "unpin", prepare_pinned, unpin_first, first_is_unmarked, a_is_indexed, false, true },
    { "sign", prepare_pinned, sign_first, first_is_signed, first_is_pinned, false, true },
    { "revoke", prepare_pinned, revoke_first, first_is_revoked, first_is_pinned, false, true },
    { "overrule", prepare_revoked, bless_first, first_is_overruled, first_is_pinned, false, true },
    { "bless", prepare_blessed, bless_first, first_is_chosen, one_is_chosen, false, true },
    { "put aside", NULL, put_aside, odd_plan_is_aside, each_aside_has_its_reason, false, false },
    { "restore", prepare_aside, restore, a_is_there, is_here_or_aside, false, false },
    { "collect", prepare_old, collect_all, b_is_gone, a_is_indexed, true, true },
    { "collect but the pinned", prepare_old_pinned, collect_all, b_is_kept, b_is_kept, false,
      true },
    { "remove", prepare_good, remove_first, a_is_gone, nothing_broken, false, true },
    { "refusal", prepare_backoff, refuse, is_refused, something_is_remembered, false, true },
    { "refusal forgotten", prepare_refused, forget, nothing_is_remembered, a_is_indexed, true,
      false },

    { "outcome", NULL, add_outcome, outcome_is_there, NULL, false, true },
    { "outcome into a full file", prepare_spool, add_outcome, outcome_is_there,
      older_outcome_is_there, false, true },
    { "mark of a load", NULL, mark_loading, no_death_is_counted, NULL, true, true },
};

/* One call of `operation` fails. @return false when it has fewer calls than `nth` */
static bool run_once(const struct operation *operation, int os, unsigned nth)
{
    struct scene scene = scene_new();
    struct tn_error err = { 0 };
    const char *failed;
    bool done;
    int rc;

    if (operation->prepare)
        operation->prepare(&scene);
    fault_arm(nth, os);
    rc = operation->act(&scene, &err);
    failed = fault_disarm();
    done = operation->done(&scene);

#define MUST(condition)                                                                            \
    if (!(condition))                                                                              \
    fail_msg("%s, call %u (%s) fails with %s: not " #condition " (rc %d: %s)", operation->name,    \
             nth, failed ? failed : "none", strerror(os), rc, err.text)

    MUST(failed || rc == TN_OK);
    MUST(rc == TN_OK || (err.code == rc && err.text[0]));
    MUST(rc != TN_OK || done || operation->best_effort);
    MUST(rc == TN_OK || !done || operation->may_take_hold);
    MUST(!operation->sound || operation->sound(&scene));
    MUST(strays(&scene) == 0 || (failed && strncmp(failed, "unlink", 6) == 0) ||
         (failed && strcmp(failed, "openat") == 0));

    err = (struct tn_error) { 0 };
    rc = operation->act(&scene, &err);
    MUST(rc == TN_OK);
    MUST(operation->done(&scene));
    if (operation->act == put_a)
        MUST(indexed(&scene, "a"));
    MUST(!operation->sound || operation->sound(&scene));

    tn_entry_done(&scene.second);
    scene.second = put_well(&scene, "z", "plan of z"); /* its beginning sweeps */
    MUST(indexed(&scene, "z"));
    MUST(strays(&scene) == 0);
#undef MUST
    scene_done(&scene);
    return failed != NULL;
}

static unsigned loop_over(const struct operation *operation)
{
    unsigned visited = 0;

    for (size_t i = 0; i < TN_COUNT(all_errnos); i++)
        for (unsigned nth = 1; run_once(operation, all_errnos[i], nth); nth++)
            visited++;
    return visited;
}

TEST(store__is_left_all_or_nothing_whichever_call_fails)
{
    fault_clock(10 * TN_NSEC_PER_S); /* stamps count as settled */
    for (size_t i = 0; i < TN_COUNT(operations); i++) {
        unsigned visited = loop_over(&operations[i]);

        print_message("%s: %u faults\n", operations[i].name, visited);
        assert_true(visited > 0); /* else the wraps are not in place */
    }
    fault_clock(0);
}

TEST(store__is_written_whole_by_short_writes)
{
    fault_clock(10 * TN_NSEC_PER_S);
    fault_short_writes(true);
    for (size_t i = 0; i < TN_COUNT(operations); i++)
        (void)run_once(&operations[i], EIO, 100000);
    fault_short_writes(false);
    fault_clock(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store__is_left_all_or_nothing_whichever_call_fails),
        cmocka_unit_test(store__is_written_whole_by_short_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
