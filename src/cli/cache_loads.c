#include "cli/cache_loads.h"

#include "cli/prom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Metrics of the latest outcome of each (model, by): name, help, sample. */
enum sample { SAMPLE_SUCCESS, SAMPLE_SECONDS, SAMPLE_RUNG, SAMPLE_TIME };

static const struct {
    struct tn_metric metric;
    enum sample sample;
} metrics[] = {
    { { "tenon_load_success", "gauge",
        "Whether the last load of a model worked, by application and trial." },
      SAMPLE_SUCCESS },
    { { "tenon_load_seconds", "gauge", "Deserialization of the last load." }, SAMPLE_SECONDS },
    { { "tenon_load_rung", "gauge",
        "Rung of the ladder that the last load was of; 1 is the first wish." },
      SAMPLE_RUNG },
    { { "tenon_load_timestamp_seconds", "gauge", "When that was, in s since 1970." }, SAMPLE_TIME },
};

static const struct tn_metric outcomes_metric = { "tenon_outcomes", "gauge",
                                                  "Loads in this host's spool, by result." };
static const struct tn_metric dropped_metric = {
    "tenon_outcomes_dropped", "gauge", "Loads that the spool has dropped, as it is bounded."
};

/* ---- gathering ---- */

static struct tn_outcome *same_of(const struct tn_loads *loads, const struct tn_outcome *outcome)
{
    for (size_t i = 0; i < loads->count; i++)
        if (loads->latest[i].by == outcome->by &&
            strcmp(loads->latest[i].model, outcome->model) == 0)
            return &loads->latest[i];
    return NULL;
}

static bool take(const struct tn_outcome *outcome, void *user)
{
    struct tn_loads *loads = user;
    struct tn_outcome *same = same_of(loads, outcome);
    struct tn_outcome *grown;

    loads->outcomes[outcome->by][outcome->result]++;
    if (same) {
        *same = *outcome;
        return true;
    }
    grown = realloc(loads->latest, (loads->count + 1) * sizeof(*grown));
    if (!grown) {
        loads->no_memory = true;
        return false;
    }
    loads->latest = grown;
    loads->latest[loads->count++] = *outcome;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct tn_outcome *x = a, *y = b;
    int order = strcmp(x->model, y->model);

    return order ? order : (int)x->by - (int)y->by;
}

int tn_loads_gather(const struct tn_store *store, struct tn_loads *ret_loads, struct tn_error *err)
{
    struct tn_loads loads = { .count = 0 };
    int rc = tn_spool_each(store, take, &loads, &loads.dropped, err);

    if (rc == TN_OK && loads.no_memory)
        rc = tn_fail(err, TN_E_NOMEM, "loads in the spool");
    if (rc < 0) {
        tn_loads_done(&loads);
        return rc;
    }
    if (loads.count > 1)
        qsort(loads.latest, loads.count, sizeof(*loads.latest), by_name);
    *ret_loads = loads;
    return TN_OK;
}

void tn_loads_done(struct tn_loads *loads)
{
    free(loads->latest);
    *loads = (struct tn_loads) { .count = 0 };
}

/* ---- answers ---- */

static void add_labels(struct tn_buf *text, const struct tn_outcome *outcome)
{
    char rung[16];

    (void)snprintf(rung, sizeof(rung), "%d", outcome->rung);
    tn_prom_label(text, "{", "model", outcome->model);
    tn_prom_label(text, ",", "by", tn_outcome_by_name(outcome->by));
    tn_prom_label(text, ",", "precision", outcome->precision);
    tn_prom_label(text, ",", "rung", rung);
    tn_prom_label(text, ",", "source", outcome->source);
    tn_prom_label(text, ",", "runtime", outcome->runtime);
    tn_prom_label(text, ",", "gpu_class", outcome->gpu_class);
}

/* What is not known has no sample. */
static void add_sample(struct tn_buf *text, const char *name, enum sample sample,
                       const struct tn_outcome *outcome)
{
    bool known = (sample != SAMPLE_SECONDS || outcome->seconds >= 0) &&
                 (sample != SAMPLE_RUNG || outcome->rung > 0);

    if (!known)
        return;
    tn_buf_adds(text, name);
    add_labels(text, outcome);
    switch (sample) {
    case SAMPLE_SUCCESS:
        tn_buf_addf(text, "} %d\n", outcome->result == TN_OUTCOME_OK);
        break;
    case SAMPLE_SECONDS:
        tn_buf_addf(text, "} %.6f\n", outcome->seconds);
        break;
    case SAMPLE_RUNG:
        tn_buf_addf(text, "} %d\n", outcome->rung);
        break;
    case SAMPLE_TIME:
        tn_buf_addf(text, "} %lld\n", (long long)(outcome->time / TN_NSEC_PER_S));
        break;
    }
}

void tn_loads_add_prom(struct tn_buf *text, const struct tn_loads *loads)
{
    for (size_t m = 0; m < TN_COUNT(metrics); m++) {
        tn_prom_head(text, &metrics[m].metric);
        for (size_t i = 0; i < loads->count; i++)
            add_sample(text, metrics[m].metric.name, metrics[m].sample, &loads->latest[i]);
    }
    tn_prom_head(text, &outcomes_metric);
    for (int by = 0; by < TN_OUTCOME_BYS; by++)
        for (int result = 0; result < TN_OUTCOME_RESULTS; result++)
            tn_buf_addf(text, "%s{by=\"%s\",result=\"%s\"} %lld\n", outcomes_metric.name,
                        tn_outcome_by_name((enum tn_outcome_by)by),
                        tn_outcome_result_name((enum tn_outcome_result)result),
                        (long long)loads->outcomes[by][result]);
    tn_prom_head(text, &dropped_metric);
    tn_buf_addf(text, "%s %lld\n", dropped_metric.name, (long long)loads->dropped);
}

static json_t *load_json(const struct tn_outcome *outcome)
{
    json_t *json = json_object();
    char hex[TN_DIGEST_HEX], when[TN_RFC3339_BYTES];

    tn_digest_hex(&outcome->digest, hex);
    tn_clock_rfc3339(outcome->time, when);
    tn_json_set_str(json, "model", outcome->model);
    tn_json_set_str(json, "by", tn_outcome_by_name(outcome->by));
    tn_json_set_str(json, "result", tn_outcome_result_name(outcome->result));
    tn_json_set_str(json, "class", outcome->class_name);
    tn_json_set_str(json, "first_line", outcome->first_line);
    tn_json_set_str(json, "digest", hex);
    tn_json_set_str(json, "name", outcome->name);
    tn_json_set_str(json, "precision", outcome->precision);
    tn_json_set_int(json, "rung", outcome->rung > 0 ? outcome->rung : TN_UNKNOWN);
    tn_json_set_str(json, "source", outcome->source);
    tn_json_set_str(json, "runtime", outcome->runtime);
    tn_json_set_str(json, "gpu", outcome->gpu);
    tn_json_set_str(json, "gpu_class", outcome->gpu_class);
    tn_json_set_str(json, "driver", outcome->driver);
    tn_json_set(json, "seconds", outcome->seconds >= 0 ? json_real(outcome->seconds) : json_null());
    tn_json_set_tri(json, "cold", outcome->cold);
    tn_json_set_str(json, "time", when);
    return json;
}

void tn_loads_add_json(json_t *json, const struct tn_loads *loads)
{
    json_t *list = json_array();
    json_t *outcomes = json_object();

    for (size_t i = 0; i < loads->count; i++)
        (void)json_array_append_new(list, load_json(&loads->latest[i]));
    for (int by = 0; by < TN_OUTCOME_BYS; by++) {
        json_t *results = json_object();

        for (int result = 0; result < TN_OUTCOME_RESULTS; result++)
            tn_json_set_int(results, tn_outcome_result_name((enum tn_outcome_result)result),
                            loads->outcomes[by][result]);
        tn_json_set(outcomes, tn_outcome_by_name((enum tn_outcome_by)by), results);
    }
    tn_json_set(json, "loads", list);
    tn_json_set(json, "outcomes", outcomes);
    tn_json_set_int(json, "outcomes_dropped", loads->dropped);
}

void tn_loads_print(const struct tn_loads *loads)
{
    for (size_t i = 0; i < loads->count; i++) {
        const struct tn_outcome *one = &loads->latest[i];
        char when[TN_RFC3339_BYTES];

        tn_clock_rfc3339(one->time, when);
        (void)printf("load     %s by %s: %s", one->model, tn_outcome_by_name(one->by),
                     tn_outcome_result_name(one->result));
        if (one->class_name[0])
            (void)printf(" (%s)", one->class_name);
        (void)printf(", %s, rung %d, %s, %s", one->precision, one->rung, one->runtime, one->source);
        if (one->seconds >= 0)
            (void)printf(", %.3f s%s", one->seconds, one->cold > 0 ? " from disk" : "");
        (void)printf(", %s\n", when);
    }
}
