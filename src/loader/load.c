/* The application deserializes the engine that would be handed out. What its failure means: */
#include "loader/load.h"

#include "base/pagecache.h"
#include "base/text.h"
#include "compat/applog.h"
#include "loader/job.h"
#include "store/loading.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int tn_mapping_open(const struct tn_entry *entry, struct tn_mapping *ret_mapping,
                    struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct stat st;
    void *bytes;
    int rc = tn_file_open(entry->path, &fd, &st, err);

    if (rc < 0)
        return rc;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return tn_fail_os(err, TN_E_IO, "map '%s'", entry->path);
    *ret_mapping = (struct tn_mapping) { bytes, (size_t)st.st_size };
    return TN_OK;
}

void tn_mapping_done(struct tn_mapping *mapping)
{
    if (mapping->bytes)
        (void)munmap(mapping->bytes, mapping->size);
    *mapping = (struct tn_mapping) { 0 };
}

enum { CRASHES_MAX = 3 };

/* ---- one call of the callback ---- */

static void call_application(const struct tn_job *job, const struct tn_entry *entry,
                             const struct tn_mapping *plan, struct tn_log *log)
{
    tn_auto(tn_loading_done) struct tn_loading mark = TN_LOADING_NONE;
    struct tn_load *load = job->options->load;
    tn_nsec start;

    (void)tn_loading_begin(job->store, &entry->record.digest, &mark, NULL);
    start = tn_clock_monotonic();
    load->object = load->deserialize(plan->bytes, plan->size, log, load->user);
    load->elapsed = tn_clock_monotonic() - start;
}

/* ---- what a failure means ---- */

/* Whose fault it was, once the bytes are known to be those that were built. */
enum blame {
    BLAME_DEVICE,      /* a line of that class: the engine is kept, nothing is remembered */
    BLAME_APPLICATION, /* a child loaded it under this driver, GPU and runtime: kept */
    BLAME_ENGINE,      /* a lasting reason: aside, and the recipe is not tried again */
    BLAME_UNKNOWN,     /* aside, and tried again later */
};

static enum blame blame_of(const struct tn_entry *entry, const struct tn_log *log)
{
    if (log->row && log->row->scope == TN_LOG_DEVICE)
        return BLAME_DEVICE;
    if (entry->level >= TN_LEVEL_LOADED)
        return BLAME_APPLICATION;
    return log->row && tn_log_lasting(log->row) ? BLAME_ENGINE : BLAME_UNKNOWN;
}

static const char *class_of(const struct tn_log *log)
{
    if (log->row && log->row->scope != TN_LOG_GENERIC)
        return log->row->name;
    return log->rank == TN_APPLOG_NOTHING ? "silent" : "unclassified";
}

static const char *line_of(const struct tn_log *log)
{
    return log->line[0] ? log->line
                        : "the application's deserialization returned nothing and "
                          "logged no error";
}

static const char *cure_of(const struct tn_log *log)
{
    return log->row && log->row->scope != TN_LOG_GENERIC ? log->row->cure : "";
}

static int device_trouble(const struct tn_entry *entry, const struct tn_log *log,
                          struct tn_error *err)
{
    return tn_fail(err, TN_E_AGAIN, "%s: %.160s; %s; the engine is kept: '%s'", log->row->name,
                   log->line, log->row->cure, entry->path);
}

/* The child had the same driver, GPU and runtime by all that is known. A line of a lasting class
 * then says that the application is another case: its TensorRT has another version than this call
 * asked for, a plugin is not registered in it, it does not allow host code. */
static int application_trouble(const struct tn_job *job, const struct tn_entry *entry,
                               const struct tn_log *log, struct tn_error *err)
{
    bool lasting = log->row && tn_log_lasting(log->row);

    return tn_fail(err, lasting ? TN_E_UNSUPPORTED : TN_E_AGAIN,
                   "the application could not load what loaded before under %s and this driver: "
                   "%s: %.160s; the engine is kept: '%s'",
                   job->result->runtime, class_of(log), line_of(log), entry->path);
}

static void fill_why(const struct tn_log *log, enum tn_refusal_kind kind,
                     struct tn_refusal *ret_why)
{
    *ret_why = (struct tn_refusal) { .kind = kind, .stage = "load" };
    (void)tn_text_copy(ret_why->name, sizeof(ret_why->name), class_of(log));
    (void)tn_text_copy(ret_why->first_line, sizeof(ret_why->first_line), line_of(log));
    (void)tn_text_copy(ret_why->cure, sizeof(ret_why->cure), cure_of(log));
}

static int judge(struct tn_job *job, struct tn_entry *entry, const struct tn_log *log,
                 struct tn_refusal *ret_why, struct tn_error *err)
{
    enum blame blame = blame_of(entry, log);

    if (blame != BLAME_DEVICE && tn_job_changed(job, entry, ret_why))
        return TN_PROOF_CHANGED;
    switch (blame) {
    case BLAME_DEVICE:
        return device_trouble(entry, log, err);
    case BLAME_APPLICATION:
        return application_trouble(job, entry, log, err);
    case BLAME_ENGINE:
    case BLAME_UNKNOWN:
        break;
    }
    fill_why(log, blame == BLAME_ENGINE ? TN_REFUSAL_LASTING : TN_REFUSAL_BACKOFF, ret_why);
    tn_job_set_aside(job, entry, ret_why);
    return TN_PROOF_REFUSED;
}

static void note_outcome(const struct tn_job *job, const struct tn_entry *entry,
                         const struct tn_log *log, int cold, bool lasting)
{
    const struct tn_load *load = job->options->load;
    bool trouble = log->row && log->row->scope == TN_LOG_DEVICE;
    struct tn_heard heard = { .by = TN_OUTCOME_APPLICATION,
                              .result = load->object ? TN_OUTCOME_OK
                                        : trouble    ? TN_OUTCOME_TROUBLE
                                                     : TN_OUTCOME_FAILED,
                              .seconds = (double)load->elapsed / (double)TN_NSEC_PER_S,
                              .cold = cold,
                              .lasting = lasting,
                              .class_name = load->object ? "" : class_of(log),
                              .first_line = load->object ? "" : log->line };

    tn_job_outcome(job, entry, &heard);
}

/* ---- crashes ---- */

/* No child can be asked first, and each of the last processes that loaded it died in there. */
static bool too_many_crashes(struct tn_job *job, struct tn_entry *entry, struct tn_refusal *ret_why)
{
    if (job->crashes < CRASHES_MAX || job->tried)
        return false;
    *ret_why = (struct tn_refusal) { .kind = TN_REFUSAL_BACKOFF, .stage = "load", .name = "crash" };
    (void)snprintf(ret_why->first_line, sizeof(ret_why->first_line),
                   "the last %d processes died while they deserialized it", job->crashes);
    tn_job_outcome(job, entry,
                   &(struct tn_heard) { .by = TN_OUTCOME_APPLICATION,
                                        .result = TN_OUTCOME_FAILED,
                                        .seconds = -1,
                                        .cold = TN_UNKNOWN,
                                        .class_name = ret_why->name,
                                        .first_line = ret_why->first_line });
    tn_job_set_aside(job, entry, ret_why);
    return true;
}

/* Another process set it aside since it was found: what it got instead is there, too. */
static int went_away(const struct tn_error *gone, struct tn_refusal *ret_why)
{
    *ret_why =
        (struct tn_refusal) { .kind = TN_REFUSAL_NONE, .stage = "load", .name = "went-away" };
    (void)tn_text_copy(ret_why->first_line, sizeof(ret_why->first_line), gone->text);
    return TN_PROOF_CHANGED;
}

int tn_job_load(struct tn_job *job, enum tn_precision rung, struct tn_entry *entry,
                struct tn_refusal *ret_why, struct tn_error *err)
{
    struct tn_load *load = job->options->load;
    struct tn_mapping plan = { 0 };
    struct tn_error gone = { 0 };
    struct tn_log log;
    int cold, rc;

    if (!load)
        return TN_PROOF_GOOD;
    if (too_many_crashes(job, entry, ret_why))
        return TN_PROOF_REFUSED;
    if (!tn_job_event(job, rung, "deserializing", NULL, 0, 0))
        return tn_fail(err, TN_E_CANCELLED, "stopped before the application loads the engine");
    rc = tn_mapping_open(entry, &plan, &gone);
    if (rc == TN_E_NOTFOUND)
        return went_away(&gone, ret_why);
    if (rc < 0)
        return tn_fail(err, rc, "%s", gone.text);
    tn_applog_init(&log);
    cold = tn_pagecache_cold(entry->path);
    call_application(job, entry, &plan, &log);
    if (load->object) {
        tn_job_proved(job, entry);
        tn_loading_forget(job->store, &entry->record.digest);
        load->plan = plan;
        rc = TN_PROOF_GOOD;
    } else {
        tn_mapping_done(&plan);
        rc = judge(job, entry, &log, ret_why, err);
    }
    note_outcome(job, entry, &log, cold,
                 rc == TN_PROOF_REFUSED && ret_why->kind == TN_REFUSAL_LASTING);
    tn_applog_done(&log);
    return rc;
}

/* ---- before an engine was found ---- */

struct kept {
    const char *model;
    char path[1024];
    tn_nsec used;
};

static bool see_kept(struct tn_entry *entry, void *user)
{
    struct kept *kept = user;

    if (strcmp(entry->record.model_name, kept->model) == 0 && entry->loaded_under[0] &&
        !entry->revoked.in_force && (!kept->path[0] || entry->last_used > kept->used)) {
        kept->used = entry->last_used;
        (void)tn_text_copy(kept->path, sizeof(kept->path), entry->path);
    }
    return true;
}

int tn_job_no_device(const struct tn_job *job, struct tn_error *err)
{
    struct kept kept = { .model = job->from_file ? job->spec.name : job->options->model };
    struct tn_error why = err ? *err : (struct tn_error) { 0 };

    (void)tn_objects_each(job->store, see_kept, NULL, &kept, NULL);
    if (!kept.path[0])
        return TN_E_AGAIN;
    return tn_fail(err, TN_E_AGAIN, "%.240s; the engine that loaded last is kept: '%s'", why.text,
                   kept.path);
}
