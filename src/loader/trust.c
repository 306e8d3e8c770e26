/* Whose engines are taken where signatures are required. */
#include "loader/job.h"

#include "base/text.h"
#include "recipe/config.h"
#include "store/mark.h"

#include <string.h>

#define CURE                                                                                       \
    "sign it (tenon key sign, tenon push --sign), trust its key (trusted-keys in config.yaml, "    \
    "--trusted-keys), or build it here"

int tn_job_trust_begin(struct tn_job *job, struct tn_error *err)
{
    job->signature_required =
        job->options->signature_required || job->spec.policy.signature_required;
    job->result->signature_required = job->signature_required;
    if (!job->signature_required)
        return TN_OK;
    return tn_config_keyring(job->options->trusted_keys, &job->trusted, NULL, NULL, err);
}

int tn_job_none(const struct tn_job *job)
{
    return job->distrusted > 0 ? TN_E_UNTRUSTED : TN_E_NOENGINE;
}

static int refuse(struct tn_job *job, const char *name, const struct tn_error *why,
                  struct tn_error *err)
{
    job->distrusted++;
    return tn_fail(err, TN_E_UNTRUSTED, "%s is not trusted: %s; %s", name, why->text, CURE);
}

static int signed_text(const struct tn_record *record, struct tn_buf *ret_text,
                       struct tn_digest *ret_digest, struct tn_error *err)
{
    int rc = tn_signed_record(record, ret_text, err);

    return rc < 0 ? rc : tn_digest_of(tn_buf_text(ret_text), ret_text->size, ret_digest, err);
}

/* Verified before over this very text, by a key that still counts. */
static bool was_verified(const struct tn_job *job, const struct tn_entry *entry,
                         const struct tn_digest *text)
{
    return entry->signed_by.known && tn_digest_equal(&entry->signed_by.text, text) &&
           tn_keyring_find(&job->trusted, &entry->signed_by.keyid);
}

int tn_job_trusts(struct tn_job *job, struct tn_entry *entry, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    struct tn_signatures signatures;
    struct tn_digest digest, keyid;
    struct tn_error why = { 0 };
    int rc;

    if (!job->signature_required || entry->built_here)
        return TN_OK;
    rc = signed_text(&entry->record, &text, &digest, err);
    if (rc < 0 || was_verified(job, entry, &digest))
        return rc;
    tn_mark_signatures(job->store, entry, &signatures);
    if (tn_signatures_check(&signatures, &text, &job->trusted, &keyid, &why) < 0)
        return refuse(job, entry->record.name, &why, err);
    tn_object_signed(job->store, entry, &keyid, &digest);
    return TN_OK;
}

static int check_foreign(struct tn_job *job, const char *name, const json_t *signatures,
                         const struct tn_buf *text, struct tn_error *err)
{
    struct tn_signatures list = { .count = 0 };
    struct tn_error why = { 0 };

    if (tn_signatures_from_json(signatures, &list, &why) == TN_OK &&
        tn_signatures_check(&list, text, &job->trusted, NULL, &why) == TN_OK)
        return TN_OK;
    return refuse(job, name, &why, err);
}

int tn_job_trusts_record(struct tn_job *job, const struct tn_record *record,
                         const json_t *signatures, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    int rc = job->signature_required ? tn_signed_record(record, &text, err) : TN_OK;

    if (rc < 0 || !job->signature_required)
        return rc;
    return check_foreign(job, record->name, signatures, &text, err);
}

int tn_job_trusts_release(struct tn_job *job, const json_t *release, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    char name[300];
    int rc = job->signature_required ? tn_signed_manifest(release, &text, err) : TN_OK;

    if (rc < 0 || !job->signature_required)
        return rc;
    (void)snprintf(name, sizeof(name), "release %.120s@%.120s", tn_json_str(release, "model", ""),
                   tn_json_str(release, "version", ""));
    return check_foreign(job, name, json_object_get(release, "signatures"), &text, err);
}

/* A trusted key's word about an engine is not its word about any release: the engine must be of a
 * variant that the release, which is signed as well, names. */
int tn_job_belongs(struct tn_job *job, const json_t *release, const struct tn_record *record,
                   struct tn_error *err)
{
    const json_t *variant;
    size_t at;

    if (!job->signature_required)
        return TN_OK;
    json_array_foreach(json_object_get(release, "variants"), at, variant)
    {
        if (strcmp(tn_json_str(variant, "model_digest", tn_json_str(variant, "digest", "")),
                   record->recipe.value[TN_RECIPE_MODEL_DIGEST]) == 0)
            return TN_OK;
    }
    job->distrusted++;
    return tn_fail(err, TN_E_UNTRUSTED, "%s is of a model that the signed release does not hold",
                   record->name);
}

void tn_job_keep_signatures(const struct tn_job *job, const struct tn_entry *entry,
                            const json_t *signatures)
{
    struct tn_signatures list = { .count = 0 };

    if (entry->store == 0 && tn_signatures_from_json(signatures, &list, NULL) == TN_OK &&
        list.count > 0)
        (void)tn_mark_sign(job->store, entry, &list, NULL);
}
