/* Figures for metrics: names without the server's prefix, labels as Prometheus writes them. */
#include "fleet/fleet_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 1024 };

void figure_label(struct tn_buf *labels, const char *name, const char *value)
{
    tn_buf_addf(labels, "%s%s=\"", labels->size ? "," : "", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            tn_buf_adds(labels, "\\");
        tn_buf_add(labels, value, 1);
    }
    tn_buf_adds(labels, "\"");
}

struct figures {
    tn_figure_fn each;
    void *user;
};

static void one(const struct figures *figures, const char *metric, const char *name,
                const char *value, double number)
{
    tn_auto(tn_buf_done) struct tn_buf labels = TN_BUF(LABELS_MAX);

    if (name)
        figure_label(&labels, name, value);
    figures->each(metric, tn_buf_text(&labels), number, figures->user);
}

/* A time that is still to come was noted before the clock was put back: the device has not been
 * heard since. One that an operator announced and that has never polled has missed nothing yet. */
static bool is_silent(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                      int64_t now_ms)
{
    int64_t most = 3 * tn_fleet_poll_seconds(fleet, device) * 1000;

    return device->seen_ms && (now_ms - device->seen_ms > most || device->seen_ms - now_ms > most);
}

static void devices(const struct figures *figures, const struct tn_fleet *fleet, int64_t now_ms)
{
    static const char *const states[] = { "unknown", "registered", "pending", "in-sync", "error" };
    int64_t count[TN_COUNT(states)] = { 0 };
    int64_t silent = 0;

    for (size_t i = 0; i < fleet->device_list.count; i++) {
        const struct tn_fleet_device *device = fleet->device_list.item[i];
        const char *state = device_state(device);

        for (size_t k = 0; k < TN_COUNT(states); k++)
            count[k] += strcmp(states[k], state) == 0;
        silent += is_silent(fleet, device, now_ms);
    }
    for (size_t k = 0; k < TN_COUNT(states); k++)
        one(figures, "devices", "state", states[k], (double)count[k]);
    one(figures, "devices_silent", NULL, NULL, (double)silent);
}

static void actions(const struct figures *figures, const struct tn_fleet *fleet)
{
    int64_t count[ACTION_STATES] = { 0 };

    for (size_t i = 0; i < fleet->device_list.count; i++) {
        const struct tn_fleet_device *device = fleet->device_list.item[i];

        if (device->active)
            count[device->active->state]++;
    }
    for (size_t i = 0; i < fleet->deployments.count; i++) {
        const struct deployment *deployment = fleet->deployments.item[i];
        bool download = deployment->assignment == TN_ASSIGN_DOWNLOAD_ONLY;

        count[download ? ACTION_DOWNLOADED : ACTION_FINISHED] += deployment->finished;
        count[ACTION_ERROR] += deployment->failed;
        count[ACTION_CANCELED] += deployment->canceled;
        count[ACTION_WITHDRAWN] += deployment->withdrawn;
    }
    for (int k = 0; k < ACTION_STATES; k++)
        one(figures, "actions", "state", action_state_name((enum action_state)k), (double)count[k]);
}

static double paused(const struct tn_fleet *fleet)
{
    size_t count = 0;

    for (size_t i = 0; i < fleet->deployments.count; i++)
        count +=
            ((const struct deployment *)fleet->deployments.item[i])->state == DEPLOYMENT_PAUSED;
    return (double)count;
}

static void release_labels(struct tn_buf *labels, const struct release *release)
{
    figure_label(labels, "model", release->model);
    figure_label(labels, "release", release->version);
}

static bool is_deployed(const struct tn_fleet *fleet, const struct release *release)
{
    for (size_t i = 0; i < fleet->running.count; i++)
        if (((const struct deployment *)fleet->running.item[i])->release == release)
            return true;
    return false;
}

/* Classes without an engine although a running deployment wants devices of them. */
static void holes(const struct figures *figures, struct tn_fleet *fleet)
{
    for (size_t i = 0; i < fleet->release_list.count; i++) {
        const struct release *release = fleet->release_list.item[i];
        tn_auto(tn_buf_done) struct tn_buf labels = TN_BUF(LABELS_MAX);
        int64_t count = 0;
        int64_t waiting = 0;
        struct class *class;
        size_t at = 0;

        if (!is_deployed(fleet, release))
            continue;
        while ((class = tn_map_next(&fleet->classes, &at)) != NULL) {
            int64_t here = map_waiting(fleet, class, release);

            waiting += here;
            count += here > 0;
        }
        release_labels(&labels, release);
        figures->each("holes", tn_buf_text(&labels), (double)count, figures->user);
        figures->each("devices_waiting", tn_buf_text(&labels), (double)waiting, figures->user);
    }
}

/* ---- what runs where ---- */

struct in_force {
    char *labels;
    int64_t count;
};

static void count_in_force(struct tn_map *map, const struct action *action)
{
    const struct class *class = action->device->class;
    tn_auto(tn_buf_done) struct tn_buf labels = TN_BUF(LABELS_MAX);
    const struct engine *engine = action->engine;
    const char *precision = tn_precision_name(engine->precision);
    char version[TN_VERSION_TEXT];
    struct in_force *entry;

    tn_version_print(&engine->plan.version, version);
    release_labels(&labels, engine->release);
    figure_label(&labels, "class", class ? class->gpu_class : "unknown");
    figure_label(&labels, "precision", precision ? precision : "unknown");
    figure_label(&labels, "trt", version);
    entry = tn_map_get(map, tn_buf_text(&labels));
    if (!entry) {
        entry = calloc(1, sizeof(*entry));
        if (entry)
            entry->labels = tn_buf_steal(&labels);
        if (!entry || !entry->labels || tn_map_put(map, entry->labels, entry, NULL) < 0) {
            if (entry)
                free(entry->labels);
            free(entry);
            return; /* a figure less, ignoring */
        }
    }
    entry->count++;
}

static void in_force(const struct figures *figures, const struct tn_fleet *fleet)
{
    struct tn_map map = { .slot = NULL };
    struct in_force *entry;
    size_t at = 0;

    for (size_t i = 0; i < fleet->device_list.count; i++) {
        const struct tn_fleet_device *device = fleet->device_list.item[i];

        for (const struct action *action = device->actions; action; action = action->older)
            if (action->state == ACTION_FINISHED &&
                action_installed(device, action->engine->release->model) == action)
                count_in_force(&map, action);
    }
    while ((entry = tn_map_next(&map, &at)) != NULL) {
        figures->each("device_engines", entry->labels, (double)entry->count, figures->user);
        free(entry->labels);
        free(entry);
    }
    tn_map_done(&map);
}

/* ---- times: loads, as devices measured them; matches ---- */

/* Each twice the one before: what a quantile says then errs by less than that, and an alert may ask
 * for more than that without firing at a load that crossed a bound. */
const double figure_load_bounds[BUCKETS] = {
    0.01, 0.02, 0.04,  0.08,  0.16,  0.32,  0.64,   1.28,
    2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68
};
const double figure_match_bounds[BUCKETS] = { 1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4,
                                              5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1 };

void histogram_add(struct histogram *histogram, const double bounds[BUCKETS], double seconds)
{
    histogram->count++;
    histogram->seconds += seconds;
    for (int i = 0; i < BUCKETS; i++)
        histogram->bucket[i] += seconds <= bounds[i];
}

static void with_label(const struct figures *figures, const char *metric, const char *labels,
                       const char *more, double value)
{
    char all[LABELS_MAX + 64];

    (void)snprintf(all, sizeof(all), "%s%s%s", labels, *labels ? "," : "", more);
    figures->each(metric, all, value, figures->user);
}

static void histogram(const struct figures *figures, const char *metric, const char *labels,
                      const struct histogram *histogram, const double bounds[BUCKETS])
{
    char name[96];

    (void)snprintf(name, sizeof(name), "%s_bucket", metric);
    for (int i = 0; i < BUCKETS; i++) {
        char bound[32];

        (void)snprintf(bound, sizeof(bound), "le=\"%g\"", bounds[i]);
        with_label(figures, name, labels, bound, (double)histogram->bucket[i]);
    }
    with_label(figures, name, labels, "le=\"+Inf\"", (double)histogram->count);
    (void)snprintf(name, sizeof(name), "%s_sum", metric);
    figures->each(name, labels, histogram->seconds, figures->user);
    (void)snprintf(name, sizeof(name), "%s_count", metric);
    figures->each(name, labels, (double)histogram->count, figures->user);
}

static void add_results(const struct figures *figures, const struct load_series *series)
{
    for (int result = 0; result < TN_OUTCOME_RESULTS; result++) {
        char label[32];

        (void)snprintf(label, sizeof(label), "result=\"%s\"",
                       tn_outcome_result_name((enum tn_outcome_result)result));
        with_label(figures, "engine_loads_total", series->key, label,
                   (double)series->count[result]);
    }
}

static void add_times(const struct figures *figures, const struct load_series *series)
{
    for (int cold = 0; cold < LOAD_COLDS; cold++) {
        tn_auto(tn_buf_done) struct tn_buf labels = TN_BUF(LABELS_MAX);

        if (series->times[cold].count == 0)
            continue;
        tn_buf_adds(&labels, series->key);
        figure_label(&labels, "cold", load_cold_name((enum load_cold)cold));
        histogram(figures, "engine_deserialize_seconds", tn_buf_text(&labels), &series->times[cold],
                  figure_load_bounds);
    }
}

static void loads(const struct figures *figures, const struct tn_fleet *fleet)
{
    const struct load_series *series;

    for (size_t at = 0; (series = tn_map_next(&fleet->loads, &at)) != NULL;)
        add_results(figures, series);
    for (size_t at = 0; (series = tn_map_next(&fleet->loads, &at)) != NULL;)
        add_times(figures, series);
}

void tn_fleet_figures(struct tn_fleet *fleet, int64_t now_ms, tn_figure_fn each, void *user)
{
    const struct figures figures = { .each = each, .user = user };

    devices(&figures, fleet, now_ms);
    actions(&figures, fleet);
    holes(&figures, fleet);
    in_force(&figures, fleet);
    loads(&figures, fleet);
    one(&figures, "releases", NULL, NULL, (double)fleet->releases.count);
    one(&figures, "engines", NULL, NULL, (double)fleet->engines.count);
    one(&figures, "device_classes", NULL, NULL, (double)fleet->classes.count);
    one(&figures, "deployments_running", NULL, NULL, (double)fleet->running.count);
    one(&figures, "deployments_paused", NULL, NULL, paused(fleet));
    one(&figures, "matches_total", NULL, NULL, (double)fleet->match_count);
    histogram(&figures, "match_seconds", "", &fleet->match_times, figure_match_bounds);
    one(&figures, "assignments_total", NULL, NULL, (double)fleet->assigned_count);
}
