/*
 * What devices say about engines. A failure counts against a class only when another device of the
 * class would meet it too: never trouble of the device, never bytes that did not arrive whole.
 */
#include "fleet/fleet_priv.h"

#include "base/text.h"
#include "compat/logclass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_MAX = 64 };

/* Reasons (design.md §6, classes of the log, and the agent's own "run-failed") that are the same
 * for the whole class. All others, known or not, hold back only the device that said them. */
static const char *const class_reasons[] = {
    "flavor",       "trt-version", "platform",     "compute-capability",
    "device-model", "host-code",   "lean-runtime", "plugin-missing",
    "needs-refit",  "dla",         "run-failed",   "suspect-output",
};

static bool counts_for_class(const char *reason)
{
    for (size_t i = 0; i < TN_COUNT(class_reasons); i++)
        if (strcmp(class_reasons[i], reason) == 0)
            return true;
    return false;
}

static void key_of(const char *hex, const char *rest, char ret_key[PROOF_KEY_MAX + 80])
{
    size_t first = strnlen(hex, 64);
    size_t second = strnlen(rest, PROOF_KEY_MAX);

    memcpy(ret_key, hex, first);
    ret_key[first] = ' ';
    memcpy(ret_key + first + 1, rest, second);
    ret_key[first + 1 + second] = '\0';
}

void evidence_free(struct evidence *evidence)
{
    if (!evidence)
        return;
    free(evidence->device);
    free(evidence->class_key);
    free(evidence->reason);
    free(evidence->key);
    free(evidence);
}

void tally_free(struct tally *tally)
{
    if (tally)
        free(tally->key);
    free(tally);
}

void override_free(struct override *override)
{
    if (!override)
        return;
    free(override->class_key);
    free(override->by);
    free(override->key);
    free(override);
}

/* ---- tallies ---- */

/* Beside those of each engine, one per class of all engines together. */
static const char any_engine[] = "*";

static struct tally *tally_find(const struct tn_fleet *fleet, const char *hex,
                                const char *class_key)
{
    char key[PROOF_KEY_MAX + 80];

    key_of(hex, class_key, key);
    return tn_map_get(&fleet->tallies, key);
}

static struct tally *tally_get(struct tn_fleet *fleet, const char *hex, const char *class_key,
                               struct tn_error *err)
{
    struct tally *tally = tally_find(fleet, hex, class_key);
    char key[PROOF_KEY_MAX + 80];

    if (tally)
        return tally;
    key_of(hex, class_key, key);
    tally = calloc(1, sizeof(*tally));
    if (!tally || copy_text(key, &tally->key, err) < 0 ||
        tn_map_put(&fleet->tallies, tally->key, tally, err) < 0) {
        tally_free(tally);
        (void)tn_fail(err, TN_E_NOMEM, "evidence");
        return NULL;
    }
    return tally;
}

/* Only a lasting failure is a failure of the class; other failures say nothing of it. */
static void tally_count(struct tally *tally, const struct evidence *evidence, int by)
{
    if (!tally || (!evidence->ok && !evidence->lasting))
        return;
    tally->reporters += by;
    tally->ok += evidence->ok ? by : 0;
    tally->failed += evidence->ok ? 0 : by;
}

/* ---- what follows ---- */

static const struct override *override_find(const struct tn_fleet *fleet, const char *hex,
                                            const char *class_key)
{
    char key[PROOF_KEY_MAX + 80];

    if (fleet->overrides.count == 0)
        return NULL;
    key_of(hex, class_key, key);
    return tn_map_get(&fleet->overrides, key);
}

bool evidence_stops(const struct tn_fleet *fleet, const char *hex, const char *class_key,
                    char ret_why[160])
{
    const struct override *override = override_find(fleet, hex, class_key);
    const struct tally *tally = tally_find(fleet, hex, class_key);
    int64_t needed;

    if (override && !override->allow)
        (void)snprintf(ret_why, 160, "stopped for this class by %.80s", override->by);
    if (override || !tally)
        return override && !override->allow;
    needed = tally->ok == 0 ? 1 : fleet->options.evidence_devices;
    if (tally->failed < needed || tally->ok * fleet->options.evidence_ratio >= tally->reporters)
        return false;
    (void)snprintf(ret_why, 160, "%lld of %lld devices of this class say that it fails",
                   (long long)tally->failed, (long long)tally->reporters);
    return true;
}

const struct tally *evidence_any(const struct tn_fleet *fleet, struct class *class, int runtime)
{
    if (class->any_tallies != fleet->tallies.count) { /* there are never fewer */
        for (int i = 0; i <= class->facts.runtime_count; i++)
            class->any[i] = tally_find(fleet, any_engine, class->proof_key[i]);
        class->any_tallies = fleet->tallies.count;
    }
    return class->any[runtime];
}

bool evidence_proves(const struct tn_fleet *fleet, const char *hex, const char *class_key)
{
    const struct tally *tally = tally_find(fleet, hex, class_key);

    return tally && tally->ok > 0;
}

bool evidence_holds(const struct tn_fleet *fleet, const char *hex, const char *class_key,
                    const char *device)
{
    const struct override *override = override_find(fleet, hex, class_key);
    const struct evidence *evidence;
    char key[PROOF_KEY_MAX + 80];

    key_of(hex, device, key);
    evidence = tn_map_get(&fleet->evidence, key);
    return evidence && !evidence->ok && !(override && override->allow);
}

/* ---- rows ---- */

static void count_device(struct tn_fleet *fleet, const struct evidence *evidence, int by)
{
    struct tn_fleet_device *device = tn_map_get(&fleet->devices, evidence->device);

    if (device && !evidence->ok)
        device->failures += by;
}

static struct evidence *evidence_new(const struct tn_row_evidence *row, struct tn_error *err)
{
    struct evidence *evidence = calloc(1, sizeof(*evidence));
    char key[PROOF_KEY_MAX + 80];
    int rc = evidence ? copy_text(row->device, &evidence->device, err)
                      : tn_fail(err, TN_E_NOMEM, "evidence");

    key_of(row->digest, row->device, key);
    if (rc == TN_OK)
        rc = copy_text(key, &evidence->key, err);
    if (rc == TN_OK)
        rc = copy_text(row->class_key ? row->class_key : "", &evidence->class_key, err);
    if (rc == TN_OK)
        rc = copy_text(row->reason, &evidence->reason, err);
    if (rc < 0) {
        evidence_free(evidence);
        return NULL;
    }
    (void)tn_text_copy(evidence->hex, sizeof(evidence->hex), row->digest);
    evidence->ok = row->result && strcmp(row->result, "ok") == 0;
    evidence->lasting = row->lasting != 0;
    evidence->time_ms = row->time_ms;
    return evidence;
}

/* The device's newer word replaces its older one. */
static int evidence_set(struct tn_fleet *fleet, const struct tn_row_evidence *row,
                        struct tn_error *err)
{
    struct evidence *evidence = evidence_new(row, err);
    struct evidence *old = evidence ? tn_map_get(&fleet->evidence, evidence->key) : NULL;
    struct tally *tally =
        evidence ? tally_get(fleet, evidence->hex, evidence->class_key, err) : NULL;
    struct tally *any = evidence ? tally_get(fleet, any_engine, evidence->class_key, err) : NULL;

    if (!tally || !any || tn_map_put(&fleet->evidence, evidence->key, evidence, err) < 0) {
        evidence_free(evidence);
        return TN_E_NOMEM;
    }
    if (old) {
        tally_count(tally_find(fleet, old->hex, old->class_key), old, -1);
        tally_count(tally_find(fleet, any_engine, old->class_key), old, -1);
        count_device(fleet, old, -1);
    }
    tally_count(tally, evidence, 1);
    tally_count(any, evidence, 1);
    count_device(fleet, evidence, 1);
    evidence_free(old);
    return TN_OK;
}

bool evidence_load_row(const void *row, void *fleet)
{
    return fleet_hurt(fleet, evidence_set(fleet, row, NULL)) == TN_OK;
}

static int override_set(struct tn_fleet *fleet, const struct tn_row_override *row,
                        struct tn_error *err)
{
    struct override *override = calloc(1, sizeof(*override));
    char key[PROOF_KEY_MAX + 80];
    struct override *old;
    int rc = override ? copy_text(row->class_key, &override->class_key, err)
                      : tn_fail(err, TN_E_NOMEM, "an override");

    key_of(row->digest, row->class_key, key);
    if (rc == TN_OK)
        rc = copy_text(key, &override->key, err);
    if (rc == TN_OK)
        rc = copy_text(row->by ? row->by : "", &override->by, err);
    old = tn_map_get(&fleet->overrides, key);
    if (rc == TN_OK)
        rc = tn_map_put(&fleet->overrides, override->key, override, err);
    if (rc < 0) {
        override_free(override);
        return rc;
    }
    (void)tn_text_copy(override->hex, sizeof(override->hex), row->digest);
    override->allow = row->verdict && strcmp(row->verdict, "allow") == 0;
    override->time_ms = row->time_ms;
    override_free(old);
    return TN_OK;
}

bool override_load_row(const void *row, void *fleet)
{
    return fleet_hurt(fleet, override_set(fleet, row, NULL)) == TN_OK;
}

/* ---- a device's word ---- */

/* The runtime of the class that has this name. @return -1 = it has none such */
static int runtime_named(const struct class *class, const char *name)
{
    for (int i = 0; i < class->facts.runtime_count; i++) {
        char text[TN_RUNTIME_TEXT];

        class_runtime_text(class, i, text);
        if (strcmp(text, name) == 0)
            return i;
    }
    return -1;
}

const char *evidence_class_key(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                               const struct engine *engine, const char *runtime)
{
    struct class *class = device->class;
    struct candidate candidate = { .runtime = 0 };

    if (!class)
        return NULL;
    if (runtime[0])
        candidate.runtime = runtime_named(class, runtime);
    else if (!match_possible(fleet, class, engine, &candidate))
        candidate.runtime = 0;
    return candidate.runtime < 0 ? NULL : class->proof_key[candidate.runtime];
}

/* Our own agent says what happened; of another client the lines of a failure may tell. A foreign
 * "success" means that a file was installed, not that an engine loaded. @return false = nothing */
static bool read_word(const struct action *action, const struct tn_feedback *feedback,
                      struct tn_row_evidence *row)
{
    const char *result = tn_json_str(feedback->engine, "result", NULL);

    if (result) {
        bool ok = strcmp(result, "ok") == 0;

        if (!ok && strcmp(result, "failed") != 0)
            return false;
        row->result = ok ? "ok" : "failed";
        row->reason = tn_json_str(feedback->engine, "reason", ok ? NULL : "unknown");
        row->lasting = !ok && tn_json_bool(feedback->engine, "lasting", false);
        return true;
    }
    if (action->state != ACTION_ERROR)
        return false;
    for (size_t i = 0; i < feedback->detail_count; i++) {
        const struct tn_log_class *class = tn_log_classify(feedback->details[i]);

        if (!class || class->scope != TN_LOG_PLAN)
            continue;
        row->result = "failed";
        row->reason = class->name;
        row->lasting = true;
        return true;
    }
    return false;
}

static int stopped_now(struct tn_fleet *fleet, const struct tn_row_evidence *row, const char *why,
                       struct tn_error *err)
{
    int rc = fleet_audit(
        fleet, "server", "evidence-stop", row->time_ms,
        json_pack("{s:s,s:s,s:s}", "digest", row->digest, "class", row->class_key, "why", why),
        err);

    return rc < 0 ? rc : deploy_withdraw(fleet, row->digest, row->class_key, row->time_ms, err);
}

/* A word of the tables of reasons, or one that the agent knows and we do not: never a text. */
static const char *clean_reason(const char *reason)
{
    size_t length = reason ? strlen(reason) : 0;

    return length <= REASON_MAX && (length == 0 || tn_text_is_clean(reason, length)) ? reason
                                                                                     : "unknown";
}

/* A device that loads its engine every day says nothing new. */
static bool is_known(const struct tn_fleet *fleet, const struct tn_row_evidence *row)
{
    const struct evidence *known;
    char key[PROOF_KEY_MAX + 80];

    key_of(row->digest, row->device, key);
    known = tn_map_get(&fleet->evidence, key);
    return known && known->ok == (strcmp(row->result, "ok") == 0) &&
           known->lasting == (row->lasting != 0) && strcmp(known->class_key, row->class_key) == 0 &&
           strcmp(known->reason ? known->reason : "", row->reason ? row->reason : "") == 0;
}

int evidence_hear(struct tn_fleet *fleet, const struct tn_row_evidence *word, struct tn_error *err)
{
    struct tn_row_evidence row = *word;
    char why[160] = "";
    bool proven, stopped;
    int rc;

    row.reason = clean_reason(row.reason);
    row.lasting = row.lasting && counts_for_class(row.reason);
    if (is_known(fleet, &row))
        return TN_OK;
    proven = evidence_proves(fleet, row.digest, row.class_key);
    stopped = evidence_stops(fleet, row.digest, row.class_key, why);
    rc = fleet_hurt(fleet, evidence_set(fleet, &row, err));
    if (rc == TN_OK)
        rc = fleet_put(fleet, TN_TABLE_EVIDENCE, &row, err);
    if (rc < 0)
        return rc;
    if (evidence_proves(fleet, row.digest, row.class_key) == proven &&
        evidence_stops(fleet, row.digest, row.class_key, why) == stopped)
        return TN_OK;
    engine_touch(fleet, row.digest);
    if (stopped || !evidence_stops(fleet, row.digest, row.class_key, why))
        return TN_OK;
    return stopped_now(fleet, &row, why, err);
}

int evidence_take(struct tn_fleet *fleet, const struct action *action,
                  const struct tn_feedback *feedback, int64_t now_ms, struct tn_error *err)
{
    struct tn_row_evidence row = { .digest = action->engine->hex,
                                   .device = action->device->id,
                                   .time_ms = now_ms };
    int rc = TN_OK;

    if (!read_word(action, feedback, &row))
        return TN_OK;
    row.class_key = evidence_class_key(fleet, action->device, action->engine, "");
    if (!row.class_key)
        return TN_OK;
    if (json_is_object(feedback->engine))
        rc = load_told(fleet, action->device, action->engine, feedback->engine, now_ms, err);
    return rc < 0 ? rc : evidence_hear(fleet, &row, err);
}

/* ---- an operator's word ---- */

/* A class that nobody is of is a slip of the pen, unless it was spoken of before. */
static bool class_is_known(const struct tn_fleet *fleet, const char *hex, const char *class_key)
{
    const struct class *class;
    size_t at = 0;

    if (override_find(fleet, hex, class_key) || tally_find(fleet, hex, class_key))
        return true;
    while ((class = tn_map_next(&fleet->classes, &at)) != NULL)
        if (class_has_proof_key(class, class_key))
            return true;
    return false;
}

int tn_fleet_override(struct tn_fleet *fleet, const char *digest, const char *class_key,
                      const char *verdict, const char *who, int64_t now_ms, struct tn_error *err)
{
    struct tn_row_override row = {
        .class_key = class_key, .verdict = verdict, .by = who, .time_ms = now_ms
    };
    bool allow = verdict && strcmp(verdict, "allow") == 0;
    struct engine *engine;
    int rc = engine_by_prefix(fleet, digest, &engine, err);

    if (rc < 0)
        return rc;
    if (!allow && (!verdict || strcmp(verdict, "stop") != 0))
        return tn_fail(err, TN_E_INVALID, "the verdict is allow or stop");
    if (!class_key || !class_key[0] || strlen(class_key) > PROOF_KEY_MAX)
        return tn_fail(err, TN_E_INVALID, "name the class: `class_key` of the map");
    if (!class_is_known(fleet, engine->hex, class_key))
        return tn_fail(err, TN_E_NOTFOUND,
                       "no device is of class '%.120s': 'tenon map MODEL --why' names the classes",
                       class_key);
    row.digest = engine->hex;
    rc = fleet_hurt(fleet, override_set(fleet, &row, err));
    if (rc == TN_OK)
        rc = fleet_put(fleet, TN_TABLE_OVERRIDE, &row, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "evidence-override", now_ms,
                         json_pack("{s:s,s:s,s:s}", "digest", row.digest, "class", class_key,
                                   "verdict", verdict),
                         err);
    engine_touch(fleet, row.digest);
    if (rc == TN_OK && !allow)
        rc = deploy_withdraw(fleet, row.digest, class_key, now_ms, err);
    for (; rc == TN_OK && allow && engine; engine = engine->same)
        rc = deploy_engine(fleet, engine, now_ms, err);
    return rc;
}
