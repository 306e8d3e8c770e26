/* Engines and models of remotes: brought into the store, then treated like all others. */
#include "loader/remote.h"

#include "base/text.h"
#include "loader/facts.h"
#include "loader/job.h"
#include "store/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { ENGINE_BYTES_MAX_SHIFT = 40, RECORDS_MAX = 20000, PLACE_BYTES = 160 };

/* ---- fetching a blob into the store ---- */

struct watch {
    const struct tn_job *job;
    enum tn_precision rung;
    const char *doing;
    tn_nsec start;
};

static bool on_bytes(int64_t done, int64_t total, void *user)
{
    const struct watch *watch = user;
    tn_auto(tn_buf_done) struct tn_buf far = TN_BUF(64);

    tn_text_add_bytes(&far, done);
    if (total > 0) {
        tn_buf_adds(&far, " of ");
        tn_text_add_bytes(&far, total);
    }
    return tn_job_event(watch->job, watch->rung, watch->doing, tn_buf_text(&far), 0,
                        tn_clock_monotonic() - watch->start);
}

/* A folder in tmp/ whose name says what is fetched, so that another process goes on with it; locked
 * while in use. What nobody comes back to is swept after a day. */
struct place {
    char *folder;
    int lock_fd;
};

static void place_done(struct place *place)
{
    free(place->folder);
    tn_fd_done(&place->lock_fd);
}

static int take_place(const struct tn_job *job, const struct tn_digest *digest, const char *kind,
                      struct place *ret_place, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], below[PLACE_BYTES];
    int rc;

    tn_digest_hex(digest, hex);
    (void)snprintf(below, sizeof(below), "tmp/%s-%s", kind, hex);
    rc = tn_store_folder(job->store, below, &ret_place->folder, err);
    if (rc < 0)
        return rc;
    ret_place->lock_fd = open(ret_place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret_place->lock_fd < 0)
        return tn_fail_os(err, TN_E_IO, "open '%s'", ret_place->folder);
    if (flock(ret_place->lock_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return tn_fail(err, TN_E_AGAIN, "another process fetches it");
    return TN_OK;
}

/* ---- bringing an engine ---- */

/* Whether a plan was set aside on this host before: it is not fetched to fail once more. */
static bool was_set_aside(const struct tn_job *job, const struct tn_digest *digest)
{
    tn_auto(tn_str_free) char *folder = tn_store_path(job->store, 0, "aside");
    tn_auto(tn_dir_done) DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    while (dir && (entry = readdir(dir)) != NULL)
        if (tn_text_starts(entry->d_name, hex))
            return !job->options->retry;
    return false;
}

/* The plan's own header against what its record claims. */
static int check_plan(const char *path, const struct tn_record *record, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    char version[TN_VERSION_TEXT];
    const char *flavor;
    struct tn_plan plan;
    struct stat st;
    int rc = tn_file_open(path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, &plan, err);
    if (rc < 0)
        return rc;
    flavor = tn_flavor_name(plan.flavor);
    if (plan.kind != TN_FILE_ENGINE || plan.complete == 0)
        return tn_fail(err, TN_E_CORRUPT, "what was fetched is no whole engine");
    tn_version_print(&plan.version, version);
    if (!flavor || strcmp(flavor, record->recipe.value[TN_RECIPE_FLAVOR]) != 0 ||
        strcmp(version, record->recipe.value[TN_RECIPE_TRT_VERSION]) != 0)
        return tn_fail(err, TN_E_CORRUPT, "its record says %s %s, its bytes say %s %s",
                       record->recipe.value[TN_RECIPE_FLAVOR],
                       record->recipe.value[TN_RECIPE_TRT_VERSION], flavor ? flavor : "?", version);
    return TN_OK;
}

static int publish(const struct tn_job *job, const char *fetched, struct tn_record *record,
                   struct tn_entry *ret_entry, struct tn_error *err)
{
    struct tn_put put = { .lock_fd = -1 };
    int rc = check_plan(fetched, record, err);

    if (rc == TN_OK)
        rc = tn_put_begin(job->store, &put, err);
    if (rc == TN_OK && rename(fetched, put.plan_path) < 0)
        rc = tn_fail_os(err, TN_E_IO, "rename '%s'", fetched);
    if (rc == TN_OK)
        rc = tn_put_commit(&put, record, ret_entry, err);
    tn_put_done(&put);
    return rc;
}

static int bring(struct tn_job *job, const struct tn_remote *remote, enum tn_precision rung,
                 struct tn_record *record, const json_t *signatures, struct tn_entry *ret_entry,
                 struct tn_error *err)
{
    tn_auto(place_done) struct place place = { .lock_fd = -1 };
    tn_auto(tn_str_free) char *path = NULL;
    struct watch watch = { job, rung, "fetching", tn_clock_monotonic() };
    int rc = tn_store_writable(job->store, err);

    if (rc == TN_OK)
        rc = tn_job_trusts_record(job, record, signatures, err);
    if (rc == TN_OK)
        rc = take_place(job, &record->digest, "fetch", &place, err);
    path = rc == TN_OK ? tn_path_join(place.folder, "plan") : NULL;
    if (rc == TN_OK && !path)
        rc = tn_fail(err, TN_E_NOMEM, "fetch an engine");
    if (rc == TN_OK)
        rc = remote->fetch(remote->self, &record->digest, record->plan_bytes, path, on_bytes,
                           &watch, err);
    if (rc == TN_OK)
        rc = publish(job, path, record, ret_entry, err);
    if (rc < 0)
        return rc;
    tn_job_keep_signatures(job, ret_entry, signatures);
    (void)tn_dir_remove(place.folder, NULL);
    return tn_job_trusts(job, ret_entry, err); /* by its mark, as from now on */
}

/* ---- which engines ---- */

static bool has_cc(const char *ccs, int64_t wanted)
{
    char one[16];
    size_t length;

    (void)snprintf(one, sizeof(one), "%lld", (long long)wanted);
    length = strlen(one);
    for (const char *at = ccs; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, one, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* Whether it may be worth its transfer, by its recipe alone: the verdict comes from its bytes. */
static bool promising(const struct tn_job *job, const struct tn_recipe *recipe)
{
    const struct tn_target *target = &job->target;
    const char *flags = recipe->value[TN_RECIPE_FLAGS];
    char version[TN_VERSION_TEXT];
    tn_auto(tn_buf_done) struct tn_buf class_key = TN_BUF(512);

    tn_version_print(&target->runtime.version, version);
    if (strcmp(recipe->value[TN_RECIPE_FLAVOR], tn_flavor_name(target->flavor)) != 0 ||
        strcmp(recipe->value[TN_RECIPE_PLATFORM], target->platform) != 0)
        return false;
    if (strcmp(recipe->value[TN_RECIPE_TRT_VERSION], version) != 0 &&
        !strstr(flags, "VERSION_COMPATIBLE"))
        return false;
    if (!target->has_gpu) /* for no GPU in particular: not for one that somebody else has */
        return target->flavor != TN_FLAVOR_RTX ||
               strcmp(recipe->value[TN_RECIPE_CCS], "default") == 0;
    if (target->flavor == TN_FLAVOR_RTX)
        return strcmp(recipe->value[TN_RECIPE_CCS], "default") == 0 ||
               has_cc(recipe->value[TN_RECIPE_CCS],
                      target->gpu.cc_major * 10 + target->gpu.cc_minor);
    return job->accept_may_load || strcmp(recipe->value[TN_RECIPE_HW_COMPAT], "none") != 0 ||
           (tn_gpu_class_add(&class_key, &target->gpu) &&
            strcmp(recipe->value[TN_RECIPE_CLASS], tn_buf_text(&class_key)) == 0);
}

static bool acceptable(const struct tn_job *job, const struct tn_answer *answer)
{
    return answer->verdict == TN_VERDICT_LOADS ||
           (!job->target.has_gpu && answer->verdict != TN_VERDICT_WONT_LOAD) ||
           (job->accept_may_load && answer->verdict == TN_VERDICT_MAY_LOAD);
}

/* ---- what a server takes back ---- */

/* Who has it in a store should hear once that it is not handed out any more. */
static void warn_of_kept(struct tn_job *job, const struct tn_digest *digest,
                         const struct tn_revocation *revoked)
{
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    char hex[TN_DIGEST_HEX], text[TN_REVOCATION_TEXT];

    tn_digest_hex(digest, hex);
    tn_revocation_print(revoked, text);
    if (tn_objects_by_name(job->store, hex, &entry, NULL) == TN_OK)
        tn_job_warn(job, "the store's %.12s was passed over, and will be: %s", hex, text);
}

/* What holds of an engine of a remote's list: what the remote says now is marked, so that the
 * store's own copy is passed over from now on, with or without the remote. A listing that was kept,
 * or another server, may still give what was taken back before. */
static struct tn_revocation revocation_of(struct tn_job *job, const struct tn_remote *remote,
                                          const struct tn_digest *digest, const json_t *json)
{
    const char *why = json_string_value(json_object_get(json, "revoked"));
    struct tn_revocation told = { .in_force = true }, stands;
    int rc;

    if (!why)
        return tn_mark_read(job->store, 0, digest).revoked;
    (void)tn_text_copy(told.by, sizeof(told.by), remote->name);
    (void)tn_text_copy(told.why, sizeof(told.why), why);
    rc = tn_mark_revoke(job->store, digest, &told, &stands, NULL);
    if (rc < 0)
        tn_job_pass_over_now(job, digest); /* nothing can be marked: at least not now */
    if (rc != 0)
        warn_of_kept(job, digest, &stands);
    return stands;
}

/* Whether it may be given to anybody; else why not is in the report. */
static bool in_force(struct tn_job *job, const struct tn_remote *remote,
                     const struct tn_record *record, const json_t *json,
                     struct tn_rung_report *report)
{
    const struct tn_revocation stands = revocation_of(job, remote, &record->digest, json);

    if (stands.in_force)
        tn_rung_revoked(report, record, &stands);
    return !stands.in_force;
}

/* ---- a rung of a file ---- */

static int records_of(struct tn_job *job, const struct tn_remote *remote, json_t **ret_records,
                      struct tn_error *err)
{
    int rc = remote->engines(remote->self, job->spec.name, ret_records, err);

    if (rc == TN_OK && json_array_size(*ret_records) > RECORDS_MAX)
        return tn_fail(err, TN_E_TOOBIG, "'%s' lists more than %d engines", remote->name,
                       RECORDS_MAX);
    return rc;
}

static bool same_but_tuning(const struct tn_rung *rung, const struct tn_recipe *candidate)
{
    enum tn_recipe_field but[5];
    size_t count = 0;

    but[count++] = TN_RECIPE_CLASS;
    but[count++] = TN_RECIPE_CCS;
    if (rung->derived_by_any)
        but[count++] = TN_RECIPE_DERIVED_BY;
    if (strstr(candidate->value[TN_RECIPE_FLAGS], "VERSION_COMPATIBLE"))
        but[count++] = TN_RECIPE_TRT_VERSION;
    but[count] = TN_RECIPE_FIELD_COUNT;
    return tn_recipe_equal_but(candidate, &rung->recipe, but);
}

/* One record of the list. @return 1 it lies in the store now, 0 not this one, or an error */
static int consider(struct tn_job *job, const struct tn_remote *remote, struct tn_rung *rung,
                    const json_t *json, bool exact)
{
    tn_auto(tn_record_done) struct tn_record record = { 0 };
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    struct tn_error why = { 0 };
    int rc;

    if (tn_record_from_json(json, &record, &why) < 0)
        return 0;
    if (exact != tn_digest_equal(&record.key, &rung->key))
        return 0;
    if (!exact && (job->options->exact || !same_but_tuning(rung, &record.recipe)))
        return 0;
    if (!promising(job, &record.recipe) || !in_force(job, remote, &record, json, rung->report))
        return 0;
    if (was_set_aside(job, &record.digest)) {
        tn_rung_because(rung->report, "%s of '%s' was set aside here before", record.name,
                        remote->name);
        return 0;
    }
    rc = bring(job, remote, rung->precision, &record, json_object_get(json, "signatures"), &entry,
               &why);
    if (rc == TN_OK)
        return 1;
    tn_rung_because(rung->report, "%s of '%s': %s", record.name, remote->name, why.text);
    return rc == TN_E_CANCELLED ? rc : 0;
}

static int fetch_from(struct tn_job *job, const struct tn_remote *remote, struct tn_rung *rung)
{
    tn_auto(tn_json_done) json_t *records = NULL;
    struct tn_error why = { 0 };
    int rc = records_of(job, remote, &records, &why);

    if (rc == TN_E_NOTFOUND)
        return 0;
    if (rc < 0) {
        tn_job_warn(job, "'%s' was passed over: %s", remote->name, why.text);
        return rc == TN_E_CANCELLED ? rc : 0;
    }
    rc = 0;
    for (int exact = 1; exact >= 0; exact--)
        for (size_t i = 0; rc == 0 && i < json_array_size(records); i++)
            rc = consider(job, remote, rung, json_array_get(records, i), exact);
    return rc;
}

int tn_rung_fetch(struct tn_job *job, struct tn_rung *rung, struct tn_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < job->options->remote_count; i++)
        rc = fetch_from(job, &job->options->remote[i], rung);
    return rc < 0 ? tn_fail(err, rc, "fetching was stopped") : rc;
}

/* ---- a release: the listing ---- */

/* Its name in hosts/<id>/releases/. */
static int listing_name(const struct tn_remote *remote, const char *model, const char *at,
                        char ret_name[PLACE_BYTES], struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(4096);
    char hex[TN_DIGEST_HEX];
    struct tn_digest digest;
    int rc;

    tn_buf_addf(&text, "%s\n%s\n%s", remote->name, model, at);
    rc = tn_digest_of(tn_buf_text(&text), text.size, &digest, err);
    tn_digest_hex(&digest, hex);
    (void)snprintf(ret_name, PLACE_BYTES, "releases/%s.json", hex);
    return rc;
}

/* What the remote says, kept for the day when it cannot be reached; else what was kept. */
static int listing_of(struct tn_job *job, const struct tn_remote *remote, const char *model,
                      const char *at, json_t **ret_release, struct tn_error *err)
{
    char name[PLACE_BYTES];
    struct tn_error why = { 0 };
    int rc = listing_name(remote, model, at, name, err);

    if (rc < 0)
        return rc;
    rc = remote->release(remote->self, model, at, ret_release, &why);
    if (rc == TN_OK)
        (void)tn_host_write(job->store, name, *ret_release, NULL);
    if (rc == TN_E_AGAIN && tn_host_read(job->store, name, ret_release, NULL) == TN_OK) {
        tn_job_warn(job, "%s; what it said last about %s@%s is used", why.text, model, at);
        return TN_OK;
    }
    return rc < 0 ? tn_fail(err, rc, "%s", why.text) : TN_OK;
}

static int find_release(struct tn_job *job, const char *model, const char *at,
                        const struct tn_remote **ret_remote, json_t **ret_release,
                        struct tn_error *err)
{
    int rc = TN_E_NOTFOUND;

    if (job->options->remote_count == 0)
        return tn_fail(err, TN_E_USAGE,
                       "'%s@%s' is a release of a server, and none is known: give --remote URL, or "
                       "tenon login",
                       model, at);
    for (size_t i = 0; rc < 0 && rc != TN_E_CANCELLED && i < job->options->remote_count; i++) {
        *ret_remote = &job->options->remote[i];
        rc = listing_of(job, *ret_remote, model, at, ret_release, err);
    }
    return rc;
}

/* ---- a release: its engines ---- */

/* The ladder asked for, else the release's, else the precision of its first variant: another one
 * changes numbers, and is asked for. */
static int release_ladder(const struct tn_job *job, const json_t *release,
                          struct tn_ladder *ret_ladder, struct tn_error *err)
{
    const json_t *rungs =
        json_object_get(json_object_get(json_object_get(release, "spec"), "policy"), "precision");
    const json_t *variant = json_array_get(json_object_get(release, "variants"), 0);
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256);
    const json_t *one;
    size_t at;

    if (job->options->precision)
        return tn_ladder_parse(job->options->precision, ret_ladder, err);
    json_array_foreach(rungs, at, one)
    {
        tn_buf_addf(&text, "%s%s", at ? "," : "",
                    json_is_string(one) ? json_string_value(one) : "?");
    }
    if (text.size == 0)
        tn_buf_adds(&text, tn_json_str(variant, "precision", "?"));
    return tn_ladder_parse(tn_buf_text(&text), ret_ladder, err);
}

/* By the mark of its own store, which somebody else may have written. */
static int check_in_force(const struct tn_entry *entry, struct tn_error *err)
{
    char why[TN_REVOCATION_TEXT];

    if (!entry->revoked.in_force)
        return TN_OK;
    tn_revocation_print(&entry->revoked, why);
    return tn_fail(err, TN_E_NOENGINE, "%s", why);
}

/* One engine of the release, from the store or the remote.
 * @return 1 the result has it, 0 not this one, or an error */
static int find_engine(struct tn_job *job, const struct tn_remote *remote, enum tn_precision rung,
                       struct tn_record *record, const json_t *signatures, struct tn_error *err)
{
    struct tn_entry *entry = &job->result->entry;
    char hex[TN_DIGEST_HEX];
    int rc;

    job->source = "store";
    tn_digest_hex(&record->digest, hex);
    rc = tn_objects_by_name(job->store, hex, entry, err);
    if (rc == TN_OK)
        rc = check_in_force(entry, err);
    if (rc == TN_OK)
        rc = tn_object_verify(job->store, entry, false, err);
    if (rc == TN_OK) {
        tn_job_keep_signatures(job, entry, signatures);
        rc = tn_job_trusts(job, entry, err);
    }
    if (rc != TN_E_NOTFOUND)
        return rc;
    job->source = "remote";
    if (was_set_aside(job, &record->digest))
        return tn_fail(err, TN_E_NOENGINE, "it was set aside here before");
    return bring(job, remote, rung, record, signatures, entry, err);
}

/* One engine of the release, proved. @return 1 the result has it, 0 not this one, or an error */
static int take_engine(struct tn_job *job, const struct tn_remote *remote, const json_t *release,
                       struct tn_rung_report *report, struct tn_record *record,
                       const json_t *signatures, struct tn_error *err)
{
    struct tn_get_result *result = job->result;
    struct tn_answer answer;
    struct tn_refusal why;
    struct tn_error bad = { 0 };
    int rc = tn_job_belongs(job, release, record, &bad);

    if (rc == TN_OK)
        rc = find_engine(job, remote, report->precision, record, signatures, &bad);
    if (rc == TN_OK)
        rc = tn_job_verdict(job, &result->entry, &answer, &bad);
    if (rc == TN_OK && !acceptable(job, &answer))
        rc = tn_fail(&bad, TN_E_NOENGINE, "%s, %s", tn_verdict_name(answer.verdict),
                     answer.reason_count ? answer.reason[0].detail : "");
    if (rc == TN_OK) {
        rc = tn_job_prove(job, &(struct tn_rung) { .precision = report->precision }, &why, err);
        if (rc == TN_PROOF_GOOD) {
            result->source = job->source;
            result->precision = report->precision;
            report->result = strcmp(job->source, "store") == 0 ? "hit" : job->source;
            report->reason[0] = '\0';
            return 1;
        }
        if (rc >= 0)
            tn_rung_failed(report, &why);
    } else
        tn_rung_because(report, "%s: %s", record->name, bad.text);
    tn_entry_done(&result->entry);
    result->entry = (struct tn_entry) { 0 };
    return rc == TN_E_CANCELLED ? rc : 0;
}

/* @return 1 the result has an engine, 0 this rung has none, or an error */
static int try_rung(struct tn_job *job, const struct tn_remote *remote, const json_t *release,
                    enum tn_precision precision, struct tn_error *err)
{
    struct tn_rung_report *report = &job->result->rung[job->result->rung_count++];
    const json_t *json;
    size_t at, others = 0;
    int rc = 0;

    *report = (struct tn_rung_report) { .precision = precision, .result = "missing" };
    json_array_foreach(json_object_get(release, "engines"), at, json)
    {
        tn_auto(tn_record_done) struct tn_record record = { 0 };

        if (rc != 0 || tn_record_from_json(json, &record, NULL) < 0 ||
            strcmp(record.recipe.value[TN_RECIPE_PRECISION], tn_precision_name(precision)) != 0)
            continue;
        if (!promising(job, &record.recipe))
            others++;
        else if (in_force(job, remote, &record, json, report))
            rc = take_engine(job, remote, release, report, &record,
                             json_object_get(json, "signatures"), err);
    }
    if (rc == 0 && !report->reason[0])
        tn_rung_because(report, "the release has no %s engine for this device (%zu for others)",
                        tn_precision_name(precision), others);
    return rc;
}

/* ---- a release: building from its model ---- */

/* A location as a release names it: relative, below the folder. */
static bool is_inside(const char *location)
{
    return *location && *location != '/' && strcmp(location, "..") != 0 &&
           !tn_text_starts(location, "../") && !strstr(location, "/../") &&
           !tn_text_ends(location, "/..") && strlen(location) < 512;
}

static int fetch_file(struct tn_job *job, const struct tn_remote *remote, const json_t *file,
                      const char *folder, struct tn_error *err)
{
    const char *name = tn_json_str(file, "name", "");
    struct watch watch = { job, TN_PRECISION_UNKNOWN, "fetching the model", tn_clock_monotonic() };
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_str_free) char *below = NULL;
    struct tn_digest digest;
    int rc = tn_digest_parse(tn_json_str(file, "digest", ""), &digest, err);

    if (rc == TN_OK && !is_inside(name))
        rc = tn_fail(err, TN_E_INVALID, "the release has a file '%.100s'", name);
    if (rc < 0)
        return rc;
    path = tn_path_join(folder, name);
    below = path ? strndup(path, (size_t)(tn_path_base(path) - path)) : NULL;
    if (!below)
        return tn_fail(err, TN_E_NOMEM, "fetch a model");
    rc = tn_dir_make(below, 0700, err);
    if (rc == TN_OK)
        rc = remote->fetch(remote->self, &digest, tn_json_int(file, "bytes", -1), path, on_bytes,
                           &watch, err);
    return rc < 0 ? tn_while(err, rc, "fetch '%s'", name) : rc;
}

static int fetch_variants(struct tn_job *job, const struct tn_remote *remote, const json_t *release,
                          const char *folder, json_t *names, struct tn_error *err)
{
    const json_t *variant, *file;
    size_t at, which;
    int rc = TN_OK;

    json_array_foreach(json_object_get(release, "variants"), at, variant)
    {
        if (rc == TN_OK)
            rc = fetch_file(job, remote, variant, folder, err);
        json_array_foreach(json_object_get(variant, "external"), which, file)
        {
            if (rc == TN_OK)
                rc = fetch_file(job, remote, file, folder, err);
        }
        tn_json_set_str(names, tn_json_str(variant, "precision", "?"),
                        tn_json_str(variant, "name", "?"));
    }
    return rc;
}

/* JSON is YAML: the release's spec with its name and files is a model.yaml. */
static int write_spec(const json_t *release, json_t *names_steal, const char *folder,
                      struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *names = names_steal;
    tn_auto(tn_json_done) json_t *spec = json_deep_copy(json_object_get(release, "spec"));
    tn_auto(tn_str_free) char *text = NULL;

    if (!spec)
        spec = json_object();
    tn_json_set_str(spec, "name", tn_json_str(release, "model", "model"));
    tn_json_set(spec, "variants", json_incref(names));
    text = tn_json_text(spec);
    if (!text)
        return tn_fail(err, TN_E_NOMEM, "write a spec");
    return tn_file_replace(folder, "model.yaml", text, strlen(text), 0600, err);
}

static int digest_of_release(const json_t *release, struct tn_digest *ret_digest,
                             struct tn_error *err)
{
    tn_auto(tn_str_free) char *text = tn_json_text(json_object_get(release, "variants"));

    return text ? tn_digest_of(text, strlen(text), ret_digest, err)
                : tn_fail(err, TN_E_INVALID, "the release has no variants");
}

static int prepare_build(struct tn_job *job, const struct tn_remote *remote, const json_t *release,
                         struct tn_error *err)
{
    tn_auto(place_done) struct place place = { .lock_fd = -1 };
    tn_auto(tn_str_free) char *path = NULL;
    json_t *names = json_object();
    struct tn_digest digest;
    int rc = digest_of_release(release, &digest, err);

    if (rc == TN_OK)
        rc = take_place(job, &digest, "model", &place, err);
    if (rc == TN_OK)
        rc = fetch_variants(job, remote, release, place.folder, names, err);
    if (rc < 0) {
        json_decref(names);
        return rc;
    }
    rc = write_spec(release, names, place.folder, err);
    path = rc == TN_OK ? tn_path_join(place.folder, "model.yaml") : NULL;
    if (rc == TN_OK && !path)
        rc = tn_fail(err, TN_E_NOMEM, "prepare a build");
    if (rc == TN_OK)
        rc = tn_spec_read_with(path, tn_facts_digest, job->store, &job->spec, err);
    if (rc == TN_OK) {
        job->from_file = true;
        job->fetched_fd = place.lock_fd; /* the lock is held as long as the job reads the files */
        place.lock_fd = -1;
    }
    return rc;
}

static int no_build_because(const struct tn_job *job, const json_t *release, struct tn_error *err)
{
    const json_t *needs = json_object_get(release, "needs");
    tn_auto(tn_buf_done) struct tn_buf why = TN_BUF(8192);

    for (size_t i = 0; i < job->result->rung_count; i++)
        tn_buf_addf(&why, "%s%s: %s", i ? "; " : "",
                    tn_precision_name(job->result->rung[i].precision), job->result->rung[i].reason);
    if (json_array_size(needs) > 0)
        tn_buf_addf(&why, "; a build needs files that a release does not hold (%s)",
                    json_is_string(json_array_get(needs, 0))
                        ? json_string_value(json_array_get(needs, 0))
                        : "?");
    return tn_fail(err, tn_job_none(job), "%s: no engine: %s", job->options->model,
                   tn_buf_text(&why));
}

int tn_job_get_release(struct tn_job *job, struct tn_error *err)
{
    const char *separator = strchr(job->options->model, '@');
    tn_auto(tn_json_done) json_t *release = NULL;
    const struct tn_remote *remote = NULL;
    struct tn_ladder ladder = { .count = 0 };
    char model[128];
    int rc;

    if (!tn_text_copy_n(model, sizeof(model), job->options->model,
                        (size_t)(separator - job->options->model)))
        return tn_fail(err, TN_E_USAGE, "a model's name has at most 127 bytes");
    (void)tn_text_copy(job->result->model, sizeof(job->result->model), model);
    rc = find_release(job, model, separator + 1, &remote, &release, err);
    if (rc == TN_OK)
        rc = tn_job_trusts_release(job, release, err);
    if (rc == TN_OK)
        rc = release_ladder(job, release, &ladder, err);
    for (size_t i = 0; rc == 0 && i < ladder.count; i++)
        rc = try_rung(job, remote, release, ladder.rung[i], err);
    if (rc != 0)
        return rc;
    if (job->build_forbidden || !job->target.toolchain ||
        json_array_size(json_object_get(release, "needs")) > 0)
        return no_build_because(job, release, err);
    job->result->rung_count = 0; /* they are tried once more, with a build */
    rc = prepare_build(job, remote, release, err);
    return rc < 0 ? rc : 0;
}
