#include "loader/memo.h"

#include "base/json.h"
#include "base/text.h"
#include "loader/facts.h"
#include "recipe/config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCHES_MAX = 256, KEY_BYTES_MAX = 1 << 18 };

static const tn_nsec answer_life = 3600 * TN_NSEC_PER_S;
static const tn_nsec device_life = TN_NSEC_PER_S;

/* A path that an answer rests on, as it was. */
struct watch {
    char *path;
    bool there;
    struct tn_stamp stamp; /* of what the path leads to */
};

/* An answer. Immutable once it is in the table but for what the lock guards. */
struct answer {
    char *key; /* the question: options and environment */
    size_t key_size;
    char *device; /* tn_device_stamp() when it was given */
    struct watch watch[WATCHES_MAX];
    size_t watch_count;
    struct tn_get_result result;
    tn_nsec kept;
    /* under the lock: */
    tn_nsec device_seen; /* when the device's stamp was last found the same */
    uint64_t used;       /* order of use */
    unsigned users;      /* threads that look at it, and the table */
};

struct tn_memo {
    struct tn_memo_world world;
    pthread_mutex_t lock;
    struct answer *answer[TN_MEMO_ANSWERS_MAX];
    uint64_t uses;
};

/* ---- answers ---- */

static void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    for (size_t i = 0; i < answer->watch_count; i++)
        free(answer->watch[i].path);
    tn_get_result_done(&answer->result);
    free(answer->key);
    free(answer->device);
    free(answer);
}

static void answer_done(struct answer **answer)
{
    answer_free(*answer);
}

/* The lock is held. */
static void unref(struct answer *answer, unsigned users)
{
    answer->users -= users;
    if (answer->users == 0)
        answer_free(answer);
}

static bool copy_recipe(const struct tn_recipe *recipe, struct tn_recipe *ret_recipe)
{
    tn_auto(tn_recipe_done) struct tn_recipe copy = { 0 };

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        copy.value[i] = recipe->value[i] ? strdup(recipe->value[i]) : NULL;
        if (recipe->value[i] && !copy.value[i])
            return false;
    }
    *ret_recipe = copy;
    copy = (struct tn_recipe) { 0 };
    return true;
}

/* JSON of a record is never changed, so it can be shared. */
static bool copy_result(const struct tn_get_result *result, struct tn_get_result *ret_result)
{
    struct tn_recipe recipe;

    if (!copy_recipe(&result->entry.record.recipe, &recipe))
        return false;
    *ret_result = *result;
    ret_result->entry.record.recipe = recipe;
    json_incref(ret_result->entry.record.facts);
    json_incref(ret_result->entry.record.built);
    return true;
}

/* ---- the question ---- */

static void add_text(struct tn_buf *key, const char *text)
{
    tn_buf_adds(key, text ? text : "\001");
    tn_buf_add(key, "", 1);
}

/* Every environment variable that stores, specs and fingerprints look at. */
static void add_environment(struct tn_buf *key)
{
    static const char *const names[] = {
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "LD_LIBRARY_PATH",
        "PATH",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "TRT_VERSION",
    };

    for (size_t i = 0; i < TN_COUNT(names); i++)
        add_text(key, getenv(names[i]));
    for (char **one = environ; one && *one; one++)
        if (tn_text_starts(*one, "TENON_"))
            add_text(key, *one);
}

_Static_assert(sizeof(struct tn_get_options) == 144, "a new option belongs into add_options()");

static void add_options(struct tn_buf *key, const struct tn_get_options *options)
{
    const struct {
        int64_t level, time, memory;
        bool may_load, no_build, no_verify, exact, host_code, is_signed;
    } plain = { .level = options->level,
                .time = options->build_time_limit,
                .memory = options->build_memory_bytes,
                .may_load = options->accept_may_load,
                .no_build = options->no_build,
                .no_verify = options->no_verify,
                .exact = options->exact,
                .host_code = options->allow_host_code,
                .is_signed = options->signature_required };

    add_text(key, options->model);
    add_text(key, options->precision);
    add_text(key, options->shapes);
    add_text(key, options->runtime);
    add_text(key, options->gpu);
    add_text(key, options->for_device);
    add_text(key, options->store);
    add_text(key, options->python);
    add_text(key, options->trusted_keys);
    tn_buf_addf(key, "%lld %lld %lld %d%d%d%d%d%d", (long long)plain.level, (long long)plain.time,
                (long long)plain.memory, plain.may_load, plain.no_build, plain.no_verify,
                plain.exact, plain.host_code, plain.is_signed);
}

/* Relative paths mean another thing in another folder, trust is another for another user. */
static bool make_key(const struct tn_get_options *options, struct tn_buf *key)
{
    char folder[4096];

    if (options->retry || options->force || options->load || options->remote_count > 0 ||
        !getcwd(folder, sizeof(folder)))
        return false; /* they ask for more than an answer */
    tn_buf_add(key, &(uid_t) { geteuid() }, sizeof(uid_t));
    add_text(key, folder);
    add_options(key, options);
    add_environment(key);
    return !key->failed;
}

/* ---- does it still hold? ---- */

static bool unchanged(const struct watch *watch)
{
    struct tn_stamp stamp;
    struct stat st;

    if (stat(watch->path, &st) < 0)
        return !watch->there && errno == ENOENT;
    stamp = tn_stamp_of(&st);
    return watch->there && tn_stamp_equal(&stamp, &watch->stamp);
}

static bool same_device(const struct tn_memo *memo, const struct tn_get_options *options,
                        const struct answer *answer)
{
    tn_auto(tn_buf_done) struct tn_buf device = TN_BUF(65536);

    memo->world.device(options->python, &device);
    return !device.failed && strcmp(tn_buf_text(&device), answer->device) == 0;
}

/* @param device_due whether the second of the device's stamp is over */
static bool holds(const struct tn_memo *memo, const struct tn_get_options *options,
                  const struct answer *answer, bool device_due)
{
    for (size_t i = 0; i < answer->watch_count; i++)
        if (!unchanged(&answer->watch[i]))
            return false;
    return !device_due || same_device(memo, options, answer);
}

/* ---- the table ---- */

/* @return the answer to `key`, held for the caller, or NULL */
static struct answer *take(struct tn_memo *memo, const struct tn_buf *key, tn_nsec now,
                           bool *ret_device_due)
{
    struct answer *found = NULL;

    (void)pthread_mutex_lock(&memo->lock);
    for (size_t i = 0; i < TN_MEMO_ANSWERS_MAX && !found; i++) {
        struct answer *one = memo->answer[i];

        if (one && one->key_size == key->size && memcmp(one->key, key->data, key->size) == 0)
            found = one;
    }
    if (found) {
        found->users++;
        found->used = ++memo->uses;
        *ret_device_due = now - found->device_seen >= device_life;
    }
    (void)pthread_mutex_unlock(&memo->lock);
    return found;
}

/* Ends take(): an answer that does not hold leaves the table. */
static void give_back(struct tn_memo *memo, struct answer *answer, bool held, tn_nsec device_seen)
{
    unsigned users = 1;

    (void)pthread_mutex_lock(&memo->lock);
    if (device_seen > answer->device_seen)
        answer->device_seen = device_seen;
    for (size_t i = 0; i < TN_MEMO_ANSWERS_MAX && !held; i++)
        if (memo->answer[i] == answer) {
            memo->answer[i] = NULL;
            users++;
        }
    unref(answer, users);
    (void)pthread_mutex_unlock(&memo->lock);
}

static bool same_key(const struct answer *a, const struct answer *b)
{
    return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

/* The place of the same question, else a free one, else that of the oldest use. */
static size_t place_for(const struct tn_memo *memo, const struct answer *answer)
{
    size_t best = 0;

    for (size_t i = 0; i < TN_MEMO_ANSWERS_MAX; i++)
        if (memo->answer[i] && same_key(memo->answer[i], answer))
            return i;
    for (size_t i = 1; i < TN_MEMO_ANSWERS_MAX && memo->answer[best]; i++)
        if (!memo->answer[i] || memo->answer[i]->used < memo->answer[best]->used)
            best = i;
    return best;
}

static void keep(struct tn_memo *memo, struct answer *answer_take)
{
    size_t at;

    (void)pthread_mutex_lock(&memo->lock);
    at = place_for(memo, answer_take);
    if (memo->answer[at])
        unref(memo->answer[at], 1);
    answer_take->users = 1;
    answer_take->used = ++memo->uses;
    memo->answer[at] = answer_take;
    (void)pthread_mutex_unlock(&memo->lock);
}

/* ---- what an answer rests on ---- */

/* Writing an answer down. `good` becomes false when it cannot be remembered. */
struct keeping {
    struct answer *answer;
    const struct tn_store *store;
    tn_nsec asked; /* wall time when the question came */
    bool good;
};

/* Changed neither since the question came nor so shortly before that it might not show. */
static bool settled(const struct keeping *keeping, const struct stat *st)
{
    struct tn_stamp stamp = tn_stamp_of(st);

    return tn_stamp_settled(&stamp, keeping->asked);
}

/* What is not there may have gone since the question came: then its folder was changed. */
static bool absence_settled(const struct keeping *keeping, const char *path)
{
    tn_auto(tn_str_free) char *above = strdup(path);
    char *slash;
    struct stat st;

    while (above && (slash = strrchr(above, '/')) != NULL && slash != above) {
        *slash = '\0';
        if (stat(above, &st) == 0)
            return settled(keeping, &st);
    }
    return above && stat(slash ? "/" : ".", &st) == 0 && settled(keeping, &st);
}

static void watch(struct keeping *keeping, const char *path)
{
    struct answer *answer = keeping->answer;
    struct watch *added = &answer->watch[answer->watch_count];
    struct stat st;

    for (size_t i = 0; i < answer->watch_count; i++)
        if (strcmp(answer->watch[i].path, path) == 0)
            return;
    if (answer->watch_count == WATCHES_MAX || (added->path = strdup(path)) == NULL) {
        keeping->good = false;
        return;
    }
    answer->watch_count++;
    added->there = stat(path, &st) == 0;
    if (added->there)
        added->stamp = tn_stamp_of(&st);
    keeping->good &=
        added->there ? settled(keeping, &st) : errno == ENOENT && absence_settled(keeping, path);
}

/* `below` of store `at`, and every folder on the way to it. */
static void watch_way(struct keeping *keeping, size_t at, const char *below)
{
    tn_auto(tn_str_free) char *path = tn_store_path(keeping->store, at, "%s", below);
    size_t root = strlen(tn_store_root(keeping->store, at));

    if (!path) {
        keeping->good = false;
        return;
    }
    watch(keeping, tn_store_root(keeping->store, at));
    for (char *slash = path + root + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        watch(keeping, path);
        *slash = '/';
    }
    watch(keeping, path);
}

static void watch_named(struct keeping *keeping, size_t at, const char *folder,
                        const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX], below[320];

    tn_digest_hex(digest, hex);
    if (at == 0 && strncmp(folder, "hosts/", 6) == 0)
        (void)snprintf(below, sizeof(below), "hosts/%s/%s/%s.json", tn_store_host(keeping->store),
                       folder + 6, hex);
    else
        (void)snprintf(below, sizeof(below), "%s/%s.json", folder, hex);
    watch_way(keeping, at, below);
}

/* Plan, record, marks and this host's note of an engine that was found or compared with it. */
static void watch_entry(struct keeping *keeping, const struct tn_entry *entry)
{
    const char *root = tn_store_root(keeping->store, entry->store);
    const char *below = entry->path + strlen(root) + 1;
    char record[1100];

    watch_way(keeping, entry->store, below);
    (void)snprintf(record, sizeof(record), "%.*srecord.json", (int)(tn_path_base(below) - below),
                   below);
    watch_way(keeping, entry->store, record);
    watch_named(keeping, 0, "hosts/plans", &entry->record.digest);
}

static void watch_engines(struct keeping *keeping, const struct tn_digest *key)
{
    tn_auto(tn_entries_done) struct tn_entries found = { 0 };

    for (size_t at = 0; at < tn_store_count(keeping->store); at++) {
        watch_named(keeping, at, "records", key);
        watch_way(keeping, at, "marks"); /* each change of a mark is a rename or removal in it */
    }
    if (tn_objects_find(keeping->store, key, NULL, NULL, &found, NULL) != TN_OK)
        keeping->good = false;
    for (size_t i = 0; i < found.count; i++)
        watch_entry(keeping, &found.item[i]);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* A rung that was passed over stays so while nothing of its recipe comes and its failure is
 * remembered; engines near it come with a new name in records/, which is watched. */
static void watch_rung(struct keeping *keeping, const struct tn_rung_report *report)
{
    static const struct tn_digest none;

    keeping->good &= same_text(report->result, "refused") || same_text(report->result, "skipped") ||
                     same_text(report->result, "missing");
    if (tn_digest_equal(&report->key, &none))
        return;
    watch_engines(keeping, &report->key);
    watch_named(keeping, 0, "hosts/refusals", &report->key);
    watch_named(keeping, 0, "hosts/backoff", &report->key);
}

/* Whether a rung of this call was made from the variant. */
static bool variant_was_read(const struct keeping *keeping, const struct tn_spec *spec,
                             const struct tn_variant *variant)
{
    const struct tn_get_result *result = &keeping->answer->result;

    for (size_t i = 0; i < result->rung_count; i++) {
        const struct tn_variant *own = tn_spec_variant(spec, result->rung[i].precision);

        if (own == variant || (!own && variant->precision == TN_PRECISION_FP32))
            return true;
    }
    return spec->plain;
}

static void watch_variant(struct keeping *keeping, const struct tn_variant *variant)
{
    struct tn_model model;

    if (!tn_facts_model_known(keeping->store, variant->path, &model)) {
        keeping->good = false; /* too young, or changed since */
        return;
    }
    for (size_t i = 0; i < model.external_count; i++)
        watch(keeping, model.external[i].path);
    tn_model_done(&model);
}

static void watch_spec(struct keeping *keeping, const char *path)
{
    tn_auto(tn_spec_done) struct tn_spec spec = { 0 };

    watch(keeping, path);
    if (tn_spec_read_with(path, tn_facts_digest, (void *)(uintptr_t)keeping->store, &spec, NULL) !=
        TN_OK) {
        keeping->good = false;
        return;
    }
    for (int i = 0; i < spec.variant_count; i++) {
        watch(keeping, spec.variant[i].path);
        if (variant_was_read(keeping, &spec, &spec.variant[i]))
            watch_variant(keeping, &spec.variant[i]);
    }
    for (int i = 0; i < spec.options.plugin_count; i++)
        watch(keeping, spec.options.plugin[i].path);
    if (spec.options.calibration[0])
        watch(keeping, spec.options.calibration);
    if (spec.options.timing_cache[0])
        watch(keeping, spec.options.timing_cache);
}

static void watch_folder(const char *folder, void *keeping)
{
    watch(keeping, folder);
}

/* Whose signatures count: what config.yaml says, and the keys, each file of them. */
static void watch_trust(struct keeping *keeping, const struct tn_get_options *options)
{
    tn_auto(tn_keyring_done) struct tn_keyring ring = { .count = 0 };
    char path[TN_CONFIG_FILES][PATH_MAX];

    tn_config_paths(path);
    for (size_t i = 0; i < TN_CONFIG_FILES; i++)
        if (path[i][0])
            watch(keeping, path[i]);
    if (tn_config_keyring(options->trusted_keys, &ring, watch_folder, keeping, NULL) < 0)
        keeping->good = false;
    for (size_t i = 0; i < ring.count; i++)
        watch(keeping, ring.key[i].path);
}

static void watch_all(struct keeping *keeping, const struct tn_get_options *options)
{
    static const char *const host[] = { "/etc/machine-id", "/sys/module/nvidia" };
    const struct tn_get_result *result = &keeping->answer->result;

    watch_spec(keeping, options->model);
    for (size_t i = 0; i < TN_COUNT(host); i++)
        watch(keeping, host[i]);
    if (options->for_device)
        watch(keeping, options->for_device);
    for (size_t at = 0; at < tn_store_count(keeping->store); at++)
        watch(keeping, tn_store_root(keeping->store, at));
    for (size_t i = 0; i + 1 < result->rung_count; i++)
        watch_rung(keeping, &result->rung[i]);
    watch_engines(keeping, &result->entry.record.key);
    if (result->signature_required)
        watch_trust(keeping, options);
}

/* ---- keeping ---- */

/* A hit of exactly the wanted recipe, at whose rung nothing was passed over, and proved as far as
 * was wanted: what had trouble is tried again by the next call. */
static bool is_plain_hit(const struct tn_get_result *result)
{
    const struct tn_rung_report *last;

    if (result->rung_count == 0 || result->level < result->wanted_level || !result->source ||
        !same_text(result->source, "store"))
        return false;
    last = &result->rung[result->rung_count - 1];
    return same_text(last->result, "hit") && !last->reason[0] &&
           tn_digest_equal(&last->key, &result->entry.record.key);
}

/* What was known when the question came. */
struct asked {
    struct tn_buf key, device;
    tn_nsec wall, monotonic;
};

static void asked_done(struct asked *asked)
{
    tn_buf_done(&asked->key);
    tn_buf_done(&asked->device);
}

static void remember(struct tn_memo *memo, const struct tn_get_options *options,
                     struct asked *asked, const struct tn_get_result *result)
{
    tn_auto(answer_done) struct answer *answer = NULL;
    tn_auto(tn_store_done) struct tn_store *store = NULL;
    struct keeping keeping = { .asked = asked->wall, .good = true };

    if (!is_plain_hit(result) || tn_store_look(options->store, &store, NULL) != TN_OK)
        return;
    answer = calloc(1, sizeof(*answer));
    if (!answer || !copy_result(result, &answer->result))
        return;
    answer->kept = answer->device_seen = asked->monotonic;
    answer->key_size = asked->key.size;
    answer->key = tn_buf_steal(&asked->key);
    answer->device = tn_buf_steal(&asked->device);
    keeping.answer = answer;
    keeping.store = store;
    watch_all(&keeping, options);
    if (!keeping.good || !answer->key || !answer->device || !same_device(memo, options, answer))
        return;
    keep(memo, answer);
    answer = NULL;
}

/* @return whether an answer of before still holds; it is in `ret_result` then */
static bool recall(struct tn_memo *memo, const struct tn_get_options *options,
                   const struct asked *asked, struct tn_get_result *ret_result)
{
    bool device_due = false;
    struct answer *answer = take(memo, &asked->key, asked->monotonic, &device_due);
    bool held, copied;

    if (!answer)
        return false;
    held =
        asked->monotonic - answer->kept < answer_life && holds(memo, options, answer, device_due);
    copied = held && copy_result(&answer->result, ret_result);
    give_back(memo, answer, held, held && device_due ? asked->monotonic : 0);
    if (copied)
        ret_result->seconds = (double)(memo->world.monotonic() - asked->monotonic) / 1e9;
    return copied;
}

int tn_memo_get(struct tn_memo *memo, const struct tn_get_options *options,
                struct tn_get_result *ret_result, bool *ret_remembered, struct tn_error *err)
{
    tn_auto(asked_done) struct asked asked = { .key = TN_BUF(KEY_BYTES_MAX),
                                               .device = TN_BUF(65536) };
    bool can = memo && make_key(options, &asked.key);
    int rc;

    if (ret_remembered)
        *ret_remembered = false;
    if (!can)
        return tn_get(options, ret_result, err);
    asked.monotonic = memo->world.monotonic();
    if (recall(memo, options, &asked, ret_result)) {
        if (ret_remembered)
            *ret_remembered = true;
        return TN_OK;
    }
    asked.wall = tn_clock_wall();
    memo->world.device(options->python, &asked.device);
    rc = tn_get(options, ret_result, err);
    if (rc == TN_OK && !asked.device.failed)
        remember(memo, options, &asked, ret_result);
    return rc;
}

/* ---- a memo ---- */

static void device_here(const char *python, struct tn_buf *text)
{
    tn_device_stamp_for(&(struct tn_probe_options) { .python = python }, text);
}

int tn_memo_new(const struct tn_memo_world *world, struct tn_memo **ret_memo, struct tn_error *err)
{
    struct tn_memo *memo = calloc(1, sizeof(*memo));

    if (!memo || pthread_mutex_init(&memo->lock, NULL) != 0) {
        free(memo);
        return tn_fail(err, TN_E_NOMEM, "memory of answers");
    }
    if (world)
        memo->world = *world;
    if (!memo->world.monotonic)
        memo->world.monotonic = tn_clock_monotonic;
    if (!memo->world.device)
        memo->world.device = device_here;
    *ret_memo = memo;
    return TN_OK;
}

void tn_memo_free(struct tn_memo *memo)
{
    if (!memo)
        return;
    for (size_t i = 0; i < TN_MEMO_ANSWERS_MAX; i++)
        answer_free(memo->answer[i]);
    (void)pthread_mutex_destroy(&memo->lock);
    free(memo);
}
