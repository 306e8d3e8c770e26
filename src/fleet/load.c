/* Loads that devices tell of, as counters for metrics: rows of the transaction in which they were
 * told, so that each counts once and none begins anew with the server. */
#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS_MAX = 1024,
    SERIES_MAX = 1000, /* beyond it loads are counted together */
};

/* ---- counters ---- */

static const char *const cold_names[LOAD_COLDS] = { "0", "1", "unknown" };

const char *load_cold_name(enum load_cold cold)
{
    return cold_names[cold];
}

void load_series_free(struct load_series *series)
{
    if (series)
        free(series->key);
    free(series);
}

static struct load_series *series_new(struct tn_fleet *fleet, const char *labels)
{
    struct load_series *series = calloc(1, sizeof(*series));

    if (series && copy_text(labels, &series->key, NULL) == TN_OK &&
        tn_map_put(&fleet->loads, series->key, series, NULL) == TN_OK)
        return series;
    load_series_free(series);
    return NULL;
}

/* Who sends ever other facts of itself must not make ever more series. */
static struct load_series *series_get(struct tn_fleet *fleet, const char *labels)
{
    static const char together[] =
        "model=\"other\",release=\"other\",class=\"other\",trt=\"other\",by=\"other\"";
    struct load_series *series = tn_map_get(&fleet->loads, labels);

    if (!series && fleet->loads.count >= SERIES_MAX) {
        labels = together;
        series = tn_map_get(&fleet->loads, labels);
    }
    return series ? series : series_new(fleet, labels);
}

/* @param engine NULL = one that no release has: its device's words about it are no labels */
static void add_labels(struct tn_buf *labels, const struct engine *engine, const char *class,
                       enum tn_outcome_by by)
{
    char version[TN_VERSION_TEXT] = "unknown";

    if (engine)
        tn_version_print(&engine->plan.version, version);
    figure_label(labels, "model", engine ? engine->release->model : "unknown");
    figure_label(labels, "release", engine ? engine->release->version : "unknown");
    figure_label(labels, "class", class);
    figure_label(labels, "trt", version);
    figure_label(labels, "by", tn_outcome_by_name(by));
}

const char *load_class_label(const struct tn_fleet_device *device)
{
    return device->class ? device->class->gpu_class : "unknown";
}

void load_expect(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                 struct engine *engine)
{
    if (engine->expected && engine->expected == device->class)
        return;
    engine->expected = device->class;
    for (int by = 0; by < TN_OUTCOME_BYS; by++) {
        tn_auto(tn_buf_done) struct tn_buf labels = TN_BUF(LABELS_MAX);

        add_labels(&labels, engine, load_class_label(device), (enum tn_outcome_by)by);
        (void)series_get(fleet, tn_buf_text(&labels)); /* without memory a figure less, ignoring */
    }
}

static enum load_cold cold_of(const struct tn_outcome *outcome)
{
    return outcome->cold < 0 ? LOAD_COLD_UNKNOWN : outcome->cold ? LOAD_COLD : LOAD_WARM;
}

int load_count(struct tn_fleet *fleet, const struct tn_fleet_device *device,
               const struct engine *engine, const struct tn_outcome *outcome, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf labels = TN_BUF(LABELS_MAX);
    struct load_series *series;
    const char *class = load_class_label(device);

    /* a second GPU of another kind: measured, but not as one of the device's class */
    if (outcome->gpu_class[0] && strcmp(outcome->gpu_class, class) != 0)
        class = "other";
    add_labels(&labels, engine, class, outcome->by);
    series = series_get(fleet, tn_buf_text(&labels));
    if (!series)
        return fleet_hurt(fleet, tn_fail(err, TN_E_NOMEM, "a load of '%s'", device->id));
    series->count[outcome->result]++;
    if (outcome->seconds >= 0 && outcome->seconds < 86400)
        histogram_add(&series->times[cold_of(outcome)], figure_load_bounds, outcome->seconds);
    if (!series->changed) {
        series->changed = true;
        series->next_changed = fleet->changed_loads;
        fleet->changed_loads = series;
    }
    return TN_OK;
}

/* ---- rows of counters ---- */

/* {"bounds": […], "0": {"count", "seconds", "bucket": […]}, "1": …, "unknown": …} */
static json_t *times_json(const struct load_series *series)
{
    json_t *json = json_object();
    json_t *bounds = json_array();

    for (int i = 0; i < BUCKETS; i++)
        (void)json_array_append_new(bounds, json_real(figure_load_bounds[i]));
    tn_json_set(json, "bounds", bounds);
    for (int cold = 0; cold < LOAD_COLDS; cold++) {
        const struct histogram *times = &series->times[cold];
        json_t *bucket = json_array();

        for (int i = 0; i < BUCKETS; i++)
            (void)json_array_append_new(bucket, json_integer(times->bucket[i]));
        tn_json_set(json, cold_names[cold],
                    json_pack("{s:I,s:f,s:o}", "count", (json_int_t)times->count, "seconds",
                              times->seconds, "bucket", bucket));
    }
    return json;
}

/* Buckets of a program that had others say nothing: then the times begin anew. */
static bool same_bounds(const json_t *json)
{
    const json_t *bounds = json_object_get(json, "bounds");

    for (size_t i = 0; i < BUCKETS; i++) {
        double difference = json_number_value(json_array_get(bounds, i)) - figure_load_bounds[i];

        if (difference > 1e-9 || difference < -1e-9)
            return false;
    }
    return json_array_size(bounds) == BUCKETS;
}

static void times_read(const json_t *json, struct load_series *series)
{
    for (int cold = 0; same_bounds(json) && cold < LOAD_COLDS; cold++) {
        const json_t *from = json_object_get(json, cold_names[cold]);
        struct histogram *times = &series->times[cold];

        times->count = tn_json_int(from, "count", 0);
        times->seconds = json_number_value(json_object_get(from, "seconds"));
        for (size_t i = 0; i < BUCKETS; i++)
            times->bucket[i] =
                json_integer_value(json_array_get(json_object_get(from, "bucket"), i));
    }
}

bool load_load_row(const void *row_, void *user)
{
    const struct tn_row_load *row = row_;
    struct load_series *series = series_new(user, row->labels);
    tn_auto(tn_json_done) json_t *times = NULL;

    if (!series)
        return fleet_hurt(user, TN_E_NOMEM) == TN_OK;
    series->count[TN_OUTCOME_OK] = row->ok;
    series->count[TN_OUTCOME_FAILED] = row->failed;
    series->count[TN_OUTCOME_TROUBLE] = row->trouble;
    if (row->times && tn_json_parse(row->times, strlen(row->times), "times", &times, NULL) == TN_OK)
        times_read(times, series);
    return true;
}

static int series_put(struct tn_fleet *fleet, const struct load_series *series,
                      struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = times_json(series);
    tn_auto(tn_str_free) char *times = tn_json_text(json);
    struct tn_row_load row = { .labels = series->key,
                               .ok = series->count[TN_OUTCOME_OK],
                               .failed = series->count[TN_OUTCOME_FAILED],
                               .trouble = series->count[TN_OUTCOME_TROUBLE],
                               .times = times };

    if (!times)
        return fleet_hurt(fleet, tn_fail(err, TN_E_NOMEM, "counters of loads"));
    return fleet_put(fleet, TN_TABLE_LOAD, &row, err);
}

int loads_put(struct tn_fleet *fleet, struct tn_error *err)
{
    int rc = TN_OK;

    for (; fleet->changed_loads && rc == TN_OK;
         fleet->changed_loads = fleet->changed_loads->next_changed) {
        fleet->changed_loads->changed = false;
        rc = series_put(fleet, fleet->changed_loads, err);
    }
    return rc;
}
