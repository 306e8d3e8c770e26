#include "store/refusal.h"

#include "base/text.h"
#include "compat/logclass.h"
#include "store/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const tn_nsec backoff_first = 60 * TN_NSEC_PER_S;
static const tn_nsec backoff_most = 3600 * TN_NSEC_PER_S;
static const tn_nsec backoff_memory = 86400 * TN_NSEC_PER_S; /* of how many came in a row */

enum { FAILURES_MAX = 1000, NOTE_NAME_BYTES = TN_DIGEST_HEX + 24 };

const char *tn_refusal_folder(enum tn_refusal_kind kind)
{
    return kind == TN_REFUSAL_LASTING ? "refusals" : "backoff";
}

static void name_note(enum tn_refusal_kind kind, const struct tn_digest *key,
                      char ret_name[NOTE_NAME_BYTES])
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(key, hex);
    (void)snprintf(ret_name, NOTE_NAME_BYTES, "%s/%s.json", tn_refusal_folder(kind), hex);
}

/* @return the note of this key, or NULL */
static json_t *read_note(const struct tn_store *store, const struct tn_digest *key,
                         enum tn_refusal_kind kind)
{
    char name[NOTE_NAME_BYTES], hex[TN_DIGEST_HEX];
    tn_auto(tn_json_done) json_t *json = NULL;
    json_t *taken;

    name_note(kind, key, name);
    tn_digest_hex(key, hex);
    if (tn_host_read(store, name, &json, NULL) != TN_OK ||
        strcmp(tn_json_str(json, "key", ""), hex) != 0)
        return NULL;
    taken = json;
    json = NULL;
    return taken;
}

static void remove_note(const struct tn_store *store, const struct tn_digest *key,
                        enum tn_refusal_kind kind)
{
    char name[NOTE_NAME_BYTES];
    tn_auto(tn_str_free) char *path = NULL;

    name_note(kind, key, name);
    path = tn_store_path(store, 0, "hosts/%s/%s", tn_store_host(store), name);
    if (path)
        (void)unlink(path);
}

/* ---- how long ---- */

static tn_nsec length_of(int64_t failures)
{
    tn_nsec length = backoff_first;

    for (int64_t i = 1; i < failures && length < backoff_most; i++)
        length *= 2;
    return length < backoff_most ? length : backoff_most;
}

/* Time since the note was made. Negative: the clocks do not say. */
static tn_nsec elapsed_since(const json_t *note, const struct tn_moment *now)
{
    const char *boot = tn_json_str(note, "boot", "");
    bool same_boot = *boot && strcmp(boot, now->boot) == 0;
    int64_t then = tn_json_int(note, same_boot ? "monotonic_ns" : "wall_ns", -1);

    return then < 0 ? -1 : (same_boot ? now->monotonic : now->wall) - then;
}

static tn_nsec time_left(const json_t *note, const struct tn_moment *now)
{
    tn_nsec length = length_of(tn_json_int(note, "failures", 1));
    tn_nsec elapsed = elapsed_since(note, now);

    return elapsed < 0 || elapsed >= length ? 0 : length - elapsed;
}

bool tn_refusal_over(const json_t *note, enum tn_refusal_kind kind, const struct tn_moment *now)
{
    if (!note)
        return true;
    if (kind == TN_REFUSAL_LASTING)
        return tn_json_int(note, "classifier", -1) != TN_LOGCLASS_VERSION;
    return elapsed_since(note, now) > length_of(tn_json_int(note, "failures", 1)) + backoff_memory;
}

/* ---- notes ---- */

static void fill(const json_t *note, enum tn_refusal_kind kind, struct tn_refusal *ret_refusal)
{
    *ret_refusal = (struct tn_refusal) { .kind = kind };
#define TAKE(member, key)                                                                          \
    (void)tn_text_copy(ret_refusal->member, sizeof(ret_refusal->member), tn_json_str(note, key, ""))
    TAKE(name, "class");
    TAKE(stage, "stage");
    TAKE(first_line, "first_line");
    TAKE(cure, "cure");
    TAKE(log, "log");
    TAKE(time, "time");
#undef TAKE
}

static enum tn_refusal_kind find_lasting(const struct tn_store *store, const struct tn_digest *key,
                                         struct tn_refusal *ret_refusal)
{
    tn_auto(tn_json_done) json_t *note = read_note(store, key, TN_REFUSAL_LASTING);

    if (!note || tn_json_int(note, "classifier", -1) != TN_LOGCLASS_VERSION)
        return TN_REFUSAL_NONE;
    fill(note, TN_REFUSAL_LASTING, ret_refusal);
    return TN_REFUSAL_LASTING;
}

static enum tn_refusal_kind find_backoff(const struct tn_store *store, const struct tn_digest *key,
                                         const struct tn_moment *now,
                                         struct tn_refusal *ret_refusal)
{
    tn_auto(tn_json_done) json_t *note = read_note(store, key, TN_REFUSAL_BACKOFF);
    tn_nsec left = note ? time_left(note, now) : 0;

    if (left == 0)
        return TN_REFUSAL_NONE;
    fill(note, TN_REFUSAL_BACKOFF, ret_refusal);
    ret_refusal->left = left;
    return TN_REFUSAL_BACKOFF;
}

enum tn_refusal_kind tn_refusal_find(const struct tn_store *store, const struct tn_digest *key,
                                     const struct tn_moment *now, struct tn_refusal *ret_refusal)
{
    enum tn_refusal_kind kind = find_lasting(store, key, ret_refusal);

    return kind != TN_REFUSAL_NONE ? kind : find_backoff(store, key, now, ret_refusal);
}

static int64_t failures_so_far(const struct tn_store *store, const struct tn_digest *key)
{
    tn_auto(tn_json_done) json_t *note = read_note(store, key, TN_REFUSAL_BACKOFF);
    int64_t failures = note ? tn_json_int(note, "failures", 0) : 0;

    return failures < 0 || failures > FAILURES_MAX ? FAILURES_MAX : failures;
}

int tn_refusal_keep(const struct tn_store *store, const struct tn_digest *key,
                    const struct tn_moment *now, const struct tn_refusal *refusal,
                    struct tn_error *err)
{
    char name[NOTE_NAME_BYTES], hex[TN_DIGEST_HEX], time[TN_RFC3339_BYTES];
    tn_auto(tn_json_done) json_t *note = json_object();
    int rc;

    tn_digest_hex(key, hex);
    tn_clock_rfc3339(now->wall, time);
    tn_json_set_str(note, "key", hex);
    tn_json_set_str(note, "class", refusal->name);
    tn_json_set_str(note, "stage", refusal->stage);
    tn_json_set_str(note, "first_line", refusal->first_line);
    tn_json_set_str(note, "cure", refusal->cure);
    tn_json_set_str(note, "log", refusal->log);
    tn_json_set_str(note, "time", time);
    if (refusal->kind == TN_REFUSAL_LASTING) {
        tn_json_set_int(note, "classifier", TN_LOGCLASS_VERSION);
    } else {
        tn_json_set_int(note, "failures", failures_so_far(store, key) + 1);
        tn_json_set_str(note, "boot", now->boot);
        tn_json_set_int(note, "monotonic_ns", now->monotonic);
        tn_json_set_int(note, "wall_ns", now->wall);
    }
    name_note(refusal->kind, key, name);
    rc = tn_host_write(store, name, note, err);
    if (rc == TN_OK && refusal->kind == TN_REFUSAL_LASTING)
        remove_note(store, key, TN_REFUSAL_BACKOFF);
    return rc;
}

static int64_t count_kind(const struct tn_store *store, const struct tn_moment *now,
                          enum tn_refusal_kind kind)
{
    tn_auto(tn_str_free) char *path =
        tn_store_path(store, 0, "hosts/%s/%s", tn_store_host(store), tn_refusal_folder(kind));
    tn_auto(tn_dir_done) DIR *dir = path ? opendir(path) : NULL;
    const struct dirent *entry;
    int64_t count = 0;

    while (dir && (entry = readdir(dir)) != NULL) {
        char hex[TN_DIGEST_HEX];
        struct tn_digest key;
        struct tn_refusal found;

        (void)tn_text_copy(hex, sizeof(hex), entry->d_name);
        if (tn_text_ends(entry->d_name, ".json") && tn_digest_parse(hex, &key, NULL) == TN_OK)
            count += tn_refusal_find(store, &key, now, &found) == kind;
    }
    return count;
}

void tn_refusals_count(const struct tn_store *store, const struct tn_moment *now,
                       int64_t *ret_lasting, int64_t *ret_backoff)
{
    *ret_lasting = count_kind(store, now, TN_REFUSAL_LASTING);
    *ret_backoff = count_kind(store, now, TN_REFUSAL_BACKOFF);
}

void tn_refusal_forget(const struct tn_store *store, const struct tn_digest *key)
{
    remove_note(store, key, TN_REFUSAL_LASTING);
    remove_note(store, key, TN_REFUSAL_BACKOFF);
}
