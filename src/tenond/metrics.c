#include "tenond/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

enum type { COUNTER, GAUGE, HISTOGRAM };

static const char *const type_names[] = { "counter", "gauge", "histogram" };

/* Rows: name without "tenon_", type, help. One place; docs/metrics.md is cut from here. */
#define METRICS(M)                                                                                 \
    M(engine_loads_total, COUNTER,                                                                 \
      "Engine loads by model, release, class, TensorRT version, who measured (application or "     \
      "trial) and result (ok, failed, or trouble of the device).")                                 \
    M(engine_deserialize_seconds, HISTOGRAM,                                                       \
      "Seconds from the plan's bytes to a loaded engine, by model, release, class, TensorRT "      \
      "version, who measured, and whether the plan came from the disk (cold: 1, 0, unknown).")     \
    M(device_engines, GAUGE,                                                                       \
      "Devices that run an engine, by model, release, class, precision, TensorRT version.")        \
    M(devices, GAUGE, "Devices by state.")                                                         \
    M(devices_silent, GAUGE, "Devices that have polled before and missed three polls.")            \
    M(holes, GAUGE, "Cells of the map without an engine for which devices wait.")                  \
    M(devices_waiting, GAUGE, "Devices that wait in holes.")                                       \
    M(actions, GAUGE, "Actions by state.")                                                         \
    M(deployments_running, GAUGE, "Deployments that are running.")                                 \
    M(deployments_paused, GAUGE, "Deployments that paused themselves, or that somebody paused.")   \
    M(releases, GAUGE, "Releases.")                                                                \
    M(engines, GAUGE, "Engines in force.")                                                         \
    M(device_classes, GAUGE, "Match classes: devices that differ in nothing that decides.")        \
    M(matches_total, COUNTER, "Matches of a class against a release.")                             \
    M(match_seconds, HISTOGRAM, "Seconds of a match of a class against a release.")                \
    M(assignments_total, COUNTER, "Actions that were given to devices.")                           \
    M(build_info, GAUGE, "1, labelled with the version of the server.")                            \
    M(start_time_seconds, GAUGE, "When the server started, seconds since 1970.")                   \
    M(http_requests_total, COUNTER, "Answers by method, route and class of status.")               \
    M(http_connections, GAUGE, "Connections that are open.")                                       \
    M(http_connections_total, COUNTER, "Connections that were accepted.")                          \
    M(http_deadlines_missed_total, COUNTER, "Connections ended because they were too slow.")       \
    M(polls_total, COUNTER, "Polls of devices.")                                                   \
    M(registrations_total, COUNTER, "Devices that registered through the gateway.")                \
    M(device_refusals_total, COUNTER, "Requests of devices refused for their token.")              \
    M(commit_groups_total, COUNTER, "Group commits: wake-ups of the loop that changed something.") \
    M(commit_requests_total, COUNTER, "Requests that waited for a group commit.")                  \
    M(commit_failures_total, COUNTER, "Group commits that failed; their requests got 503.")        \
    M(download_bytes_total, COUNTER, "Bytes of files that were sent to the end of a request.")     \
    M(downloads_aborted_total, COUNTER, "Downloads that ended before their end.")                  \
    M(downloads_waiting, GAUGE, "Downloads that wait for the rate limit.")                         \
    M(db_commits_total, COUNTER, "Transactions made durable.")                                     \
    M(db_rows_total, COUNTER, "Rows written.")                                                     \
    M(db_commit_seconds_total, COUNTER, "Time spent in commits.")                                  \
    M(db_file_bytes, GAUGE, "Size of the database file.")                                          \
    M(db_wal_bytes, GAUGE, "Size of the write-ahead log.")                                         \
    M(db_checkpoints_total, COUNTER, "Checkpoints of the write-ahead log.")                        \
    M(db_checkpoint_restarts_total, COUNTER, "Checkpoints that had to hold the writer.")           \
    M(db_checkpoint_failures_total, COUNTER, "Checkpoints that failed.")                           \
    M(blob_bytes, GAUGE, "Bytes of plans, models and containers.")                                 \
    M(data_free_bytes, GAUGE, "Free bytes of the file system that holds the data.")                \
    M(data_size_bytes, GAUGE, "Size of the file system that holds the data.")

static const struct row {
    const char *name;
    enum type type;
    const char *help;
} rows[] = {
#define M(name, type, help) { "tenon_" #name, type, help },
    METRICS(M)
#undef M
};

enum index {
#define M(name, type, help) AT_##name,
    METRICS(M)
#undef M
        ROW_COUNT
};

enum { FAMILY_MOST = 8 << 20 };

/* Lines by family: what belongs together must stand together. */
struct page {
    struct tn_buf lines[ROW_COUNT];
    struct tn_tenond *tenond;
};

/* A sample of a histogram has a suffix behind its family's name. */
static bool belongs(const struct row *row, const char *name)
{
    static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
    size_t length = strlen(row->name);

    if (strncmp(row->name, name, length) != 0)
        return false;
    if (name[length] == '\0')
        return true;
    for (size_t i = 0; row->type == HISTOGRAM && i < TN_COUNT(suffixes); i++)
        if (strcmp(name + length, suffixes[i]) == 0)
            return true;
    return false;
}

static size_t find(const char *name)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (belongs(&rows[i], name))
            return i;
    return TN_COUNT(rows);
}

bool tn_metrics_known(const char *name)
{
    return find(name) < TN_COUNT(rows);
}

static void add(const char *name, const char *labels, double value, void *user)
{
    struct page *page = user;
    size_t at = find(name);

    assert(at < TN_COUNT(rows));
    if (at == TN_COUNT(rows))
        return;
    tn_buf_addf(&page->lines[at], "%s%s%s%s %.17g\n", name, labels && *labels ? "{" : "",
                labels ? labels : "", labels && *labels ? "}" : "", value);
}

/* The fleet gives its names without the prefix. */
static void add_figure(const char *metric, const char *labels, double value, void *user)
{
    char name[96];

    (void)snprintf(name, sizeof(name), "tenon_%s", metric);
    add(name, labels, value, user);
}

static void add_one(struct page *page, enum index at, double value)
{
    add(rows[at].name, NULL, value, page);
}

static void add_requests(struct page *page)
{
    char labels[256];

    for (size_t row = 0;; row++) {
        const struct tn_route *route = &tn_tenond_routes[row];

        for (size_t class = 0; class < 5; class ++) {
            int64_t count = tn_http_requests(page->tenond->http, row, class);

            if (count == 0)
                continue;
            (void)snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\",status=\"%zuxx\"",
                           route->path ? route->method : "", route->path ? route->path : "",
                           class + 1);
            add(rows[AT_http_requests_total].name, labels, (double)count, page);
        }
        if (!route->path)
            return;
    }
}

static void add_http(struct page *page)
{
    struct tn_http_figures figures;

    tn_http_figures(page->tenond->http, &figures);
    add_one(page, AT_http_connections, (double)figures.connections);
    add_one(page, AT_http_connections_total, (double)figures.accepted);
    add_one(page, AT_http_deadlines_missed_total, (double)figures.late);
    add_one(page, AT_commit_groups_total, (double)figures.groups);
    add_one(page, AT_commit_requests_total, (double)figures.grouped);
    add_one(page, AT_commit_failures_total, (double)figures.failed_groups);
    add_one(page, AT_download_bytes_total, (double)figures.download_bytes);
    add_one(page, AT_downloads_aborted_total, (double)figures.downloads_aborted);
    add_one(page, AT_downloads_waiting, (double)figures.waiting_downloads);
}

static void add_db(struct page *page)
{
    struct tn_db_figures figures;

    tn_db_figures(page->tenond->db, &figures);
    add_one(page, AT_db_commits_total, (double)figures.commits);
    add_one(page, AT_db_rows_total, (double)figures.rows);
    add_one(page, AT_db_commit_seconds_total, figures.commit_seconds);
    add_one(page, AT_db_file_bytes, (double)figures.file_bytes);
    add_one(page, AT_db_wal_bytes, (double)figures.wal_bytes);
    add_one(page, AT_db_checkpoints_total, (double)figures.checkpoints);
    add_one(page, AT_db_checkpoint_restarts_total, (double)figures.checkpoint_restarts);
    add_one(page, AT_db_checkpoint_failures_total, (double)figures.checkpoint_failures);
}

static void add_disk(struct page *page)
{
    struct statvfs fs;

    add_one(page, AT_blob_bytes, (double)tn_blobs_bytes(page->tenond->blobs));
    if (statvfs(page->tenond->options.data, &fs) < 0)
        return;
    add_one(page, AT_data_free_bytes, (double)fs.f_bavail * (double)fs.f_frsize);
    add_one(page, AT_data_size_bytes, (double)fs.f_blocks * (double)fs.f_frsize);
}

static void add_server(struct page *page)
{
    const struct tn_tenond *tenond = page->tenond;

    add(rows[AT_build_info].name, "version=\"" TN_VERSION "\"", 1, page);
    add_one(page, AT_start_time_seconds, (double)tenond->started_ms / 1000.0);
    add_one(page, AT_polls_total, (double)tenond->polls);
    add_one(page, AT_registrations_total, (double)tenond->registrations);
    add_one(page, AT_device_refusals_total, (double)tenond->refusals);
}

static int print(struct page *page, struct tn_buf *text, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; i < ROW_COUNT && rc == TN_OK; i++) {
        struct tn_buf *lines = &page->lines[i];

        rc = tn_buf_check(lines, rows[i].name, err);
        if (rc < 0 || lines->size == 0)
            continue;
        tn_buf_addf(text, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name,
                    type_names[rows[i].type]);
        tn_buf_add(text, lines->data, lines->size);
    }
    return rc < 0 ? rc : tn_buf_check(text, "metrics", err);
}

int tn_metrics_write(struct tn_tenond *tenond, struct tn_buf *text, struct tn_error *err)
{
    struct page page = { .tenond = tenond };
    int rc;

    for (size_t i = 0; i < ROW_COUNT; i++)
        page.lines[i] = TN_BUF(FAMILY_MOST);
    add_server(&page);
    add_requests(&page);
    add_http(&page);
    add_db(&page);
    add_disk(&page);
    tn_fleet_figures(tenond->fleet, tn_tenond_now_ms(), add_figure, &page);
    rc = print(&page, text, err);
    for (size_t i = 0; i < ROW_COUNT; i++)
        tn_buf_done(&page.lines[i]);
    return rc;
}

void tn_metrics_markdown(FILE *out)
{
    (void)fputs("| metric | type | what it says |\n| --- | --- | --- |\n", out);
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        (void)fprintf(out, "| `%s` | %s | %s |\n", rows[i].name, type_names[rows[i].type],
                      rows[i].help);
}
