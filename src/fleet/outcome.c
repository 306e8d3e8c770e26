/*
 * Loads that devices tell of: as the `engine` of a feedback, or as outcomes of the device's spool
 * (store/spool.h), which it sends in batches. Each outcome has a place in its spool, and the server
 * remembers how far each spool was counted: a batch that comes twice counts once. Counters, places
 * and evidence are rows of one transaction, so that this holds over a kill, too.
 */
#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    SPOOLS_MAX = 4,       /* of a device: one per user whose programs load engines there */
    SPOOL_NAME_MAX = 32,  /* bytes */
    SHOWN_MAX = 1024,     /* bytes of a text of the last load */
    PER_HOUR_MAX = 20000, /* outcomes of a device that are counted; a full spool has some 1500 */
};

static const int64_t hour_ms = 3600 * 1000;

struct spool {
    char name[SPOOL_NAME_MAX + 1]; /* "" = the feedbacks of its actions */
    int64_t position, heard_ms;
};

/* What is known of the loads of a device. */
struct device_loads {
    struct spool spool[SPOOLS_MAX];
    size_t count;
    int64_t since_ms, taken; /* outcomes of this hour */
    json_t *last;            /* load that it told of */
    int64_t last_ms;         /* when it was told: after all before it, whatever the clock says */
};

void device_loads_free(struct device_loads *loads)
{
    if (loads)
        json_decref(loads->last);
    free(loads);
}

const json_t *device_last_load(const struct tn_fleet_device *device)
{
    return device->loads ? device->loads->last : NULL;
}

static struct device_loads *loads_of(struct tn_fleet *fleet, struct tn_fleet_device *device,
                                     struct tn_error *err)
{
    if (!device->loads)
        device->loads = calloc(1, sizeof(*device->loads));
    if (!device->loads)
        (void)fleet_hurt(fleet, tn_fail(err, TN_E_NOMEM, "loads of '%s'", device->id));
    return device->loads;
}

/* ---- spools ---- */

static struct spool *spool_find(const struct tn_fleet_device *device, const char *name)
{
    struct device_loads *loads = device->loads;

    for (size_t i = 0; loads && i < loads->count; i++)
        if (strcmp(loads->spool[i].name, name) == 0)
            return &loads->spool[i];
    return NULL;
}

static int spool_delete(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                        const struct spool *spool, struct tn_error *err)
{
    return fleet_delete(fleet, TN_TABLE_SPOOL,
                        &(struct tn_row_spool) { .device = device->id, .spool = spool->name }, err);
}

int device_loads_remove(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                        struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; device->loads && rc == TN_OK && i < device->loads->count; i++)
        rc = spool_delete(fleet, device, &device->loads->spool[i], err);
    return rc;
}

/* The place of a new one: of too many the one that was silent for longest goes. */
static struct spool *spool_add(struct tn_fleet *fleet, struct tn_fleet_device *device,
                               const char *name, struct tn_error *err)
{
    struct device_loads *loads = loads_of(fleet, device, err);
    struct spool *spool;

    if (!loads)
        return NULL;
    spool = &loads->spool[0];
    for (size_t i = 1; loads->count == SPOOLS_MAX && i < SPOOLS_MAX; i++)
        if (loads->spool[i].heard_ms < spool->heard_ms)
            spool = &loads->spool[i];
    if (loads->count < SPOOLS_MAX)
        spool = &loads->spool[loads->count++];
    else if (spool_delete(fleet, device, spool, err) < 0)
        return NULL;
    *spool = (struct spool) { .position = 0 };
    (void)tn_text_copy(spool->name, sizeof(spool->name), name);
    return spool;
}

bool spool_load_row(const void *row_, void *user)
{
    const struct tn_row_spool *row = row_;
    struct tn_fleet *fleet = user;
    struct tn_fleet_device *device = tn_map_get(&fleet->devices, row->device);
    struct spool *spool;

    if (!device || strlen(row->spool) > SPOOL_NAME_MAX)
        return fleet_hurt(fleet, TN_E_CORRUPT) == TN_OK;
    if (device->loads && device->loads->count == SPOOLS_MAX)
        return true;
    spool = spool_add(fleet, device, row->spool, NULL);
    if (!spool)
        return false;
    spool->position = row->position;
    spool->heard_ms = row->heard_ms;
    if (row->last && row->heard_ms >= device->loads->last_ms) {
        json_decref(device->loads->last);
        device->loads->last = NULL;
        device->loads->last_ms = row->heard_ms;
        (void)tn_json_parse(row->last, strlen(row->last), "last load", &device->loads->last, NULL);
    }
    return true;
}

/* ---- the last load ---- */

/* A device's word, fit to be shown. */
static void set_safe(json_t *json, const char *key, const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(SHOWN_MAX);

    tn_text_add_safe(&safe, text, strlen(text)); /* beyond the limit is dropped */
    tn_json_set_str(json, key, safe.size > 0 ? tn_buf_text(&safe) : NULL);
}

static json_t *load_json(const struct engine *engine, const struct tn_outcome *outcome)
{
    json_t *json = json_object();
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&outcome->digest, hex);
    set_time(json, "time", outcome->time / TN_NSEC_PER_MS);
    tn_json_set_str(json, "by", tn_outcome_by_name(outcome->by));
    tn_json_set_str(json, "result", tn_outcome_result_name(outcome->result));
    tn_json_set(json, "seconds", outcome->seconds >= 0 ? json_real(outcome->seconds) : json_null());
    tn_json_set_tri(json, "cold", outcome->cold);
    tn_json_set_str(json, "digest", hex);
    set_safe(json, "model", engine ? engine->release->model : outcome->model);
    tn_json_set_str(json, "version", engine ? engine->release->version : NULL);
    set_safe(json, "runtime", outcome->runtime);
    set_safe(json, "class", outcome->class_name);
    set_safe(json, "first_line", outcome->first_line);
    return json;
}

/* Keeps the place up to which a spool was counted, and the load that stood there. */
static int keep_last(struct tn_fleet *fleet, struct tn_fleet_device *device, struct spool *spool,
                     json_t *last_steal, int64_t now_ms, struct tn_error *err)
{
    struct device_loads *loads = device->loads;
    tn_auto(tn_str_free) char *text = last_steal ? tn_json_text(last_steal) : NULL;
    int64_t heard_ms = now_ms > loads->last_ms ? now_ms : loads->last_ms + 1;
    struct tn_row_spool row = { .device = device->id,
                                .spool = spool->name,
                                .position = spool->position,
                                .heard_ms = heard_ms,
                                .last = text };

    json_decref(loads->last);
    loads->last = last_steal;
    loads->last_ms = spool->heard_ms = heard_ms;
    return fleet_put(fleet, TN_TABLE_SPOOL, &row, err);
}

int load_told(struct tn_fleet *fleet, struct tn_fleet_device *device, const struct engine *engine,
              const json_t *word, int64_t now_ms, struct tn_error *err)
{
    struct tn_outcome outcome = { .time = now_ms * TN_NSEC_PER_MS, .digest = engine->digest };
    const json_t *seconds = json_object_get(word, "seconds");
    const json_t *cold = json_object_get(word, "cold");
    struct spool *spool;
    int rc;

    if (tn_json_bool(word, "spooled", false))
        return TN_OK;
    outcome.by = strcmp(tn_json_str(word, "by", "trial"), "application") == 0
                     ? TN_OUTCOME_APPLICATION
                     : TN_OUTCOME_TRIAL;
    outcome.result =
        strcmp(tn_json_str(word, "result", ""), "ok") == 0 ? TN_OUTCOME_OK : TN_OUTCOME_FAILED;
    outcome.seconds = json_is_number(seconds) ? json_number_value(seconds) : -1;
    outcome.cold = json_is_boolean(cold) ? json_is_true(cold) : TN_UNKNOWN;
    (void)tn_text_copy(outcome.class_name, sizeof(outcome.class_name),
                       tn_json_str(word, "reason", ""));
    spool = spool_find(device, "");
    if (!spool)
        spool = spool_add(fleet, device, "", err);
    rc = spool ? load_count(fleet, device, engine, &outcome, err) : TN_E_NOMEM;
    return rc < 0 ? rc : keep_last(fleet, device, spool, load_json(engine, &outcome), now_ms, err);
}

/* ---- a batch of outcomes ---- */

/* Of several releases that hold these bytes the one that the device runs. */
static struct engine *engine_told(const struct tn_fleet *fleet,
                                  const struct tn_fleet_device *device,
                                  const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX];
    struct engine *first;

    tn_digest_hex(digest, hex);
    first = engine_find(fleet, hex);
    for (struct engine *engine = first; engine; engine = engine->same) {
        const struct action *runs = action_installed(device, engine->release->model);

        if (runs && runs->engine == engine)
            return engine;
    }
    return first;
}

/* Only what the engine itself is to blame for counts against it, and only what loaded for it. */
static int hear(struct tn_fleet *fleet, struct tn_fleet_device *device, struct engine *engine,
                const struct tn_outcome *outcome, int64_t now_ms, struct tn_error *err)
{
    bool ok = outcome->result == TN_OUTCOME_OK;
    const char *class_key = evidence_class_key(fleet, device, engine, outcome->runtime);

    if (!class_key || (!ok && (outcome->result != TN_OUTCOME_FAILED || !outcome->lasting)) ||
        (outcome->gpu_class[0] && strcmp(outcome->gpu_class, load_class_label(device)) != 0))
        return TN_OK;
    return evidence_hear(fleet,
                         &(struct tn_row_evidence) { .digest = engine->hex,
                                                     .device = device->id,
                                                     .class_key = class_key,
                                                     .result = ok ? "ok" : "failed",
                                                     .reason = ok ? NULL : outcome->class_name,
                                                     .lasting = !ok,
                                                     .time_ms = now_ms },
                         err);
}

static int take_outcome(struct tn_fleet *fleet, struct tn_fleet_device *device,
                        const struct tn_outcome *outcome, json_t **ret_last, int64_t now_ms,
                        struct tn_error *err)
{
    struct engine *engine = engine_told(fleet, device, &outcome->digest);
    int rc = load_count(fleet, device, engine, outcome, err);

    if (rc == TN_OK && engine)
        rc = hear(fleet, device, engine, outcome, now_ms, err);
    json_decref(*ret_last);
    *ret_last = load_json(engine, outcome);
    return rc;
}

static bool is_name(const char *name)
{
    static const char allowed[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_";
    size_t length = strlen(name);

    return length > 0 && length <= SPOOL_NAME_MAX && strspn(name, allowed) == length;
}

/* @param ret_new how many stand behind `position` */
static int check_batch(const json_t *lines, int64_t position, int64_t *ret_new,
                       struct tn_error *err)
{
    const json_t *line;
    int64_t before = 0;
    size_t at;

    *ret_new = 0;
    if (!json_is_array(lines))
        return tn_fail(err, TN_E_INVALID, "outcomes: a list is due");
    if (json_array_size(lines) > TN_OUTCOMES_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d outcomes at once", (int)TN_OUTCOMES_MAX);
    json_array_foreach(lines, at, line)
    {
        int64_t here = tn_json_int(line, "position", 0);

        if (here <= before)
            return tn_fail(err, TN_E_INVALID,
                           "outcome %zu: its position is missing, or not behind the one before",
                           at);
        before = here;
        *ret_new += here > position;
    }
    return TN_OK;
}

/* An hour begins with the first batch after the one before; also when the clock was put back. */
static int check_limit(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t count,
                       int64_t now_ms, struct tn_error *err)
{
    struct device_loads *loads = loads_of(fleet, device, err);

    if (!loads)
        return TN_E_NOMEM;
    if (now_ms - loads->since_ms >= hour_ms || now_ms < loads->since_ms) {
        loads->since_ms = now_ms;
        loads->taken = 0;
    }
    if (loads->taken + count > PER_HOUR_MAX)
        return tn_fail(err, TN_E_AGAIN, "more than %d outcomes of one device in an hour",
                       (int)PER_HOUR_MAX);
    loads->taken += count;
    return TN_OK;
}

static int take_batch(struct tn_fleet *fleet, struct tn_fleet_device *device, struct spool *spool,
                      const json_t *lines, int64_t now_ms, struct tn_outcomes *answer,
                      struct tn_error *err)
{
    json_t *last = NULL;
    const json_t *line;
    int rc = TN_OK;
    size_t at;

    json_array_foreach(lines, at, line)
    {
        int64_t here = tn_json_int(line, "position", 0);
        struct tn_outcome outcome;

        if (here <= spool->position || rc < 0)
            continue;
        spool->position = here;
        if (tn_outcome_from_json(line, &outcome)) {
            rc = take_outcome(fleet, device, &outcome, &last, now_ms, err);
            answer->counted++;
        } else {
            answer->skipped++;
        }
    }
    if (!last) /* nothing but foreign lines */
        last = json_incref(device->loads->last);
    if (rc == TN_OK)
        return keep_last(fleet, device, spool, last, now_ms, err);
    json_decref(last);
    return rc;
}

int tn_fleet_outcomes(struct tn_fleet *fleet, struct tn_fleet_device *device, const json_t *body,
                      int64_t now_ms, struct tn_outcomes *ret_answer, struct tn_error *err)
{
    const char *name = tn_json_str(body, "spool", "");
    const json_t *lines = json_object_get(body, "outcomes");
    struct spool *spool = spool_find(device, name);
    struct tn_outcomes answer = { .position = spool ? spool->position : 0 };
    int64_t fresh = 0;
    int rc = is_name(name) ? check_batch(lines, answer.position, &fresh, err)
                           : tn_fail(err, TN_E_INVALID, "spool: its name is due");

    if (rc == TN_OK && fresh > 0)
        rc = check_limit(fleet, device, fresh, now_ms, err);
    if (rc < 0)
        return rc;
    answer.known = (int64_t)json_array_size(lines) - fresh;
    if (fresh > 0) {
        if (!spool)
            spool = spool_add(fleet, device, name, err);
        if (!spool)
            return TN_E_NOMEM;
        rc = take_batch(fleet, device, spool, lines, now_ms, &answer, err);
        answer.position = spool->position;
    }
    if (rc == TN_OK && answer.counted > 0) /* what it said may have cost it its engine */
        rc = deploy_device(fleet, device, now_ms, err);
    if (rc == TN_OK)
        *ret_answer = answer;
    return rc;
}
