/* Looking for an engine in the stores. */
#include "loader/job.h"

#include <stdio.h>
#include <string.h>

int tn_job_verdict(const struct tn_job *job, const struct tn_entry *entry,
                   struct tn_answer *ret_answer, struct tn_error *err)
{
    const struct tn_target *target = &job->target;
    struct tn_compat_target on = { .gpu = target->has_gpu ? &target->gpu : NULL,
                                   .runtime = target->runtime,
                                   .platform = target->platform,
                                   .cuda_driver = target->cuda_driver,
                                   .gpu_free_bytes = TN_UNKNOWN,
                                   .allow_host_code = job->options->allow_host_code ||
                                                      job->spec.policy.allow_host_code };
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_plan plan;
    struct stat st;
    int rc = tn_file_open(entry->path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, &plan, err);
    if (rc == TN_OK)
        tn_compat_check(&plan, &on, ret_answer);
    return rc;
}

static const char *first_detail(const struct tn_answer *answer)
{
    return answer->reason_count ? answer->reason[0].detail : tn_verdict_name(answer->verdict);
}

static void note_passed(const char *path, const struct tn_error *why, void *user)
{
    (void)path;
    tn_rung_because(user, "store: %s", why->text);
}

/* The release that is got had such an engine, until somebody revoked it on the server. */
static bool is_revoked(const struct tn_job *job, struct tn_rung *rung, const char *member,
                       const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX], text[200];
    const json_t *one;
    size_t at;

    tn_digest_hex(digest, hex);
    json_array_foreach(job->revoked, at, one)
    {
        const char *why = tn_json_str(one, "why", "");

        if (strcmp(tn_json_str(one, member, ""), hex) != 0)
            continue;
        (void)snprintf(text, sizeof(text), "its engine %.12s was revoked on the server%s%.100s",
                       tn_json_str(one, "digest", "?"), *why ? ": " : "", why);
        if (!strstr(rung->report->reason, text)) /* all searches come by the same engine */
            tn_rung_because(rung->report, "%s", text);
        return true;
    }
    return false;
}

bool tn_rung_is_revoked(const struct tn_job *job, struct tn_rung *rung)
{
    return is_revoked(job, rung, "key", &rung->key);
}

/* Verifies the bytes, and who vouches for them; a changed plan is set aside so that the next call
 * does not meet it again. */
static bool whole(struct tn_job *job, struct tn_rung *rung, struct tn_entry *entry)
{
    struct tn_error why = { 0 };
    struct tn_refusal fell;
    int rc;

    if (tn_job_has_failed(job, entry) || is_revoked(job, rung, "digest", &entry->record.digest))
        return false;
    if (tn_job_passes_over(job, entry, &fell)) {
        tn_rung_because(rung->report, "%s, which is only read, did not load at %s: %s",
                        tn_store_root(job->store, entry->store), fell.time, fell.first_line);
        return false;
    }
    rc = job->options->no_verify ? TN_OK : tn_object_verify(job->store, entry, false, &why);
    if (rc == TN_OK)
        rc = tn_job_trusts(job, entry, &why);
    if (rc == TN_OK)
        return true;
    if (!strstr(rung->report->reason, why.text)) /* both searches come by the same engine */
        tn_rung_because(rung->report, "store: %s", why.text);
    if (rc == TN_E_CORRUPT) {
        tn_job_warn(job, "%s: set aside", why.text);
        (void)tn_object_set_aside(job->store, entry, why.text, NULL);
    }
    return false;
}

/* An engine of exactly this recipe is taken unless the rules say that it will not load here. */
static bool take_exact(struct tn_job *job, struct tn_rung *rung, struct tn_entry *entry)
{
    struct tn_answer answer;
    struct tn_error why = { 0 };

    if (!whole(job, rung, entry))
        return false;
    if (!job->target.has_gpu)
        return true;
    if (tn_job_verdict(job, entry, &answer, &why) != TN_OK) {
        tn_rung_because(rung->report, "store: %s", why.text);
        return false;
    }
    if (answer.verdict != TN_VERDICT_WONT_LOAD)
        return true;
    rung->report->result = "failed";
    tn_rung_because(rung->report, "its engine is in the store but will not load: %s",
                    first_detail(&answer));
    return false;
}

/* What a wanted recipe and a candidate's may differ in. */
static void may_differ(const struct tn_rung *rung, const struct tn_recipe *candidate,
                       enum tn_recipe_field ret_but[5])
{
    size_t count = 0;
    const char *flags = candidate->value[TN_RECIPE_FLAGS];

    ret_but[count++] = TN_RECIPE_CLASS;
    ret_but[count++] = TN_RECIPE_CCS;
    if (rung->derived_by_any)
        ret_but[count++] = TN_RECIPE_DERIVED_BY;
    if (flags && strstr(flags, "VERSION_COMPATIBLE"))
        ret_but[count++] = TN_RECIPE_TRT_VERSION;
    ret_but[count] = TN_RECIPE_FIELD_COUNT;
}

struct near_search {
    struct tn_job *job;
    struct tn_rung *rung;
    bool last_resort;
    struct tn_entry best;
    enum tn_verdict best_verdict;
    bool found;
};

static bool consider(struct tn_entry *entry, void *user)
{
    struct near_search *search = user;
    enum tn_recipe_field but[5];
    struct tn_answer answer;
    struct tn_error why = { 0 };
    bool good;

    may_differ(search->rung, &entry->record.recipe, but);
    if (!tn_recipe_equal_but(&entry->record.recipe, &search->rung->recipe, but))
        return true;
    if (tn_job_verdict(search->job, entry, &answer, &why) != TN_OK) {
        tn_rung_because(search->rung->report, "store: %s", why.text);
        return true;
    }
    good = answer.verdict == TN_VERDICT_LOADS ||
           tn_digest_equal(&entry->record.key, &search->rung->key) ||
           (search->last_resort && answer.verdict == TN_VERDICT_MAY_LOAD);
    if (!good) {
        tn_rung_because(search->rung->report, "%s in the store: %s, %s", entry->record.name,
                        tn_verdict_name(answer.verdict), first_detail(&answer));
        return true;
    }
    if ((search->found && answer.verdict >= search->best_verdict) ||
        !whole(search->job, search->rung, entry))
        return true;
    if (search->found)
        tn_entry_done(&search->best);
    search->best = *entry;
    *entry = (struct tn_entry) { 0 };
    search->best_verdict = answer.verdict;
    search->found = true;
    return true;
}

int tn_rung_find(struct tn_job *job, struct tn_rung *rung, bool last_resort,
                 struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(tn_entries_done) struct tn_entries exact = { 0 };
    struct near_search search = { .job = job, .rung = rung, .last_resort = last_resort };
    int rc = last_resort
                 ? TN_OK
                 : tn_objects_find(job->store, &rung->key, note_passed, rung->report, &exact, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < exact.count; i++) {
        if (!take_exact(job, rung, &exact.item[i]))
            continue;
        *ret_entry = exact.item[i];
        exact.item[i] = (struct tn_entry) { 0 };
        return 1;
    }
    if (strcmp(rung->report->result, "failed") == 0)
        return 0; /* this very recipe gave an engine that will not load: others of it will not
                     either */
    if (job->options->exact)
        return 0;
    rc = tn_objects_each(job->store, consider, NULL, &search, err);
    if (rc < 0) {
        if (search.found)
            tn_entry_done(&search.best);
        return rc;
    }
    if (search.found)
        *ret_entry = search.best;
    return search.found;
}
