/*
 * Inside the loader: one call of tn_get() under way, and the steps of a rung.
 */
#ifndef TN_LOADER_JOB_H
#define TN_LOADER_JOB_H

#include "compat/compat.h"
#include "loader/load.h"
#include "loader/loader.h"
#include "loader/target.h"
#include "recipe/signature.h"
#include "store/refusal.h"
#include "store/spool.h"
#include "store/store.h"
#include "toolchain/trial.h"

/** Everything that the steps share. Zeroed parts are not reached yet. */
struct tn_job {
    const struct tn_get_options *options;
    struct tn_get_result *result;
    struct tn_store *store;
    struct tn_spec spec;
    struct tn_model model[TN_LADDER_MAX]; /* facts of spec.variant[i], once read */
    bool model_read[TN_LADDER_MAX];
    struct tn_device *machine; /* heap: large */
    struct tn_device *named;   /* of --for, or NULL */
    struct tn_target target;
    struct tn_shapes shapes; /* asked for: the command line's, then the spec's */
    bool accept_may_load;
    bool build_forbidden;
    bool from_file; /* MODEL is a file, or a release whose files were fetched; not a name */
    int fetched_fd; /* lock on those files; -1 = none */
    bool signature_required;
    struct tn_keyring trusted; /* read where signatures are required */
    json_t *revoked;   /* those of the release that is got: [{"digest", "key", "why"}] or NULL */
    size_t distrusted; /* engines and releases that were passed over for their signature */
    /* of the engine that is being proved: */
    const char *source; /* "store", "remote", "built", "waited"; static */
    bool tried;         /* a child has loaded it in this call */
    int crashes; /* processes that died while they deserialized it; counted for a load only */
    /* engines that failed a proof in this call: not taken again, even where they could not be set
     * aside */
    struct tn_digest failed[2 * TN_LADDER_MAX];
    size_t failed_count;
};

/** Opens the stores, reads the spec, learns machine and target, merges the shapes. */
int tn_job_begin(struct tn_job *job, struct tn_error *err);
void tn_job_done(struct tn_job *job);

/** The precisions to try: the command line's, else the spec's, else the file's own. */
int tn_job_ladder(struct tn_job *job, struct tn_ladder *ret_ladder, struct tn_error *err);

/** One rung, ready to be looked up and built. Borrowed parts belong to the job. */
struct tn_rung {
    enum tn_precision precision;
    const struct tn_model *model; /* source variant */
    enum tn_precision model_precision;
    char derived_by[160];    /* "" = the file itself */
    bool derived_by_any;     /* derived, but no toolchain here can say by what */
    struct tn_shapes shapes; /* complete */
    struct tn_recipe recipe;
    struct tn_digest key;
    struct tn_rung_report *report;
};

/** Whether signatures are required, and whose count. @return as tn_config_keyring() */
int tn_job_trust_begin(struct tn_job *job, struct tn_error *err);

/** Whether an engine of a store may be taken: built on this host, or signed by a trusted key, which
 * is verified once and noted. Without the requirement all may. @return 0, TN_E_UNTRUSTED with the
 * cure (counted in job->distrusted), TN_E_NOMEM */
int tn_job_trusts(struct tn_job *job, struct tn_entry *entry, struct tn_error *err);

/** The same of a remote's record before it is fetched, and of a release before its models are
 * built. @return as tn_job_trusts() */
int tn_job_trusts_record(struct tn_job *job, const struct tn_record *record,
                         const json_t *signatures, struct tn_error *err);
int tn_job_trusts_release(struct tn_job *job, const json_t *release, struct tn_error *err);

/** Whether an engine is of a variant of that release. @return as tn_job_trusts() */
int tn_job_belongs(struct tn_job *job, const json_t *release, const struct tn_record *record,
                   struct tn_error *err);

/** Puts the signatures that came with an engine into its mark; failure only means that they are not
 * there. */
void tn_job_keep_signatures(const struct tn_job *job, const struct tn_entry *entry,
                            const json_t *signatures);

/** The code of a call that found no engine: TN_E_UNTRUSTED where one was passed over for its
 * signature, else TN_E_NOENGINE. */
int tn_job_none(const struct tn_job *job);

/** Adds a warning to the result; more than fit are dropped. */
void tn_job_warn(struct tn_job *job, const char *format, ...) TN_PRINTF(2, 3);

/** Appends to a rung's reason, "; " between. */
void tn_rung_because(struct tn_rung_report *report, const char *format, ...) TN_PRINTF(2, 3);

/** Reports what is going on. @return false when the caller wants to stop */
bool tn_job_event(const struct tn_job *job, enum tn_precision rung, const char *doing,
                  const char *phase, long holder, tn_nsec elapsed);

/** Facts of variant number `at`, read at most once. */
int tn_job_model(struct tn_job *job, int at, const struct tn_model **ret_model,
                 struct tn_error *err);

/**
 * Decides the rung's source, shapes, recipe and key.
 * @return 1 ready; 0 the rung does not exist or cannot be asked for (its report says why); or an
 * error
 */
int tn_rung_prepare(struct tn_job *job, enum tn_precision precision, struct tn_rung_report *report,
                    struct tn_rung *ret_rung, struct tn_error *err);
void tn_rung_done(struct tn_rung *rung);

/** Whether the server revoked the engine of this recipe in the release that is got: who makes it
 * anew makes what nobody is to have. The reason goes into the report. */
bool tn_rung_is_revoked(const struct tn_job *job, struct tn_rung *rung);

/**
 * Looks for the rung's engine in all stores: first its key, then engines that differ only in what
 * they are tuned for.
 * @param last_resort also take what may load
 * @return 1 found, 0 none (passed-over ones are in the report), or an error
 */
int tn_rung_find(struct tn_job *job, struct tn_rung *rung, bool last_resort,
                 struct tn_entry *ret_entry, struct tn_error *err);

/** What the rules say of an engine for the job's target. */
int tn_job_verdict(const struct tn_job *job, const struct tn_entry *entry,
                   struct tn_answer *ret_answer, struct tn_error *err);

#define TN_STAGE_PREFLIGHT "preflight" /* of a failure that looking at the model found */

/** Whether an earlier failure of this recipe forbids another try now; the report then says which,
 * and when the next may be. */
bool tn_rung_skip(const struct tn_job *job, struct tn_rung *rung);

/** Writes a failure into a report: class, first line, cure, log. */
void tn_rung_failed(struct tn_rung_report *report, const struct tn_refusal *why);

/** The rung failed now: into its report, and kept for the next call as `why->kind` says. */
void tn_rung_remember(struct tn_job *job, struct tn_rung *rung, const struct tn_refusal *why);

/** It succeeded, or --retry was given: nothing of earlier failures counts any more. */
void tn_rung_forget(struct tn_job *job, const struct tn_rung *rung);

/** A trial of these bytes under these conditions (driver, GPU, runtime), as failures are remembered
 * of one. @return 0, TN_E_NOMEM */
int tn_trial_key(const struct tn_entry *entry, const char *conditions, struct tn_digest *ret_key,
                 struct tn_error *err);

/** Whether trouble of an earlier trial forbids another one now; a warning then says which, and when
 * the next may be. @param ret_before filled when it does */
bool tn_trial_skip(struct tn_job *job, const struct tn_digest *key, struct tn_refusal *ret_before);

/** The child of a trial had trouble. What the driver itself said before is asked anew each time:
 * that costs little, and a repaired device is noticed at once. */
void tn_trial_remember(struct tn_job *job, const struct tn_digest *key,
                       const struct tn_trial_result *result);

/** The level that this call is to reach. */
enum tn_level tn_job_wanted_level(const struct tn_job *job);

/** What came of proving an engine. Failures are negative codes. */
enum tn_proof {
    TN_PROOF_REFUSED = 0, /* it was set aside: why is to be remembered, and the next rung tried */
    TN_PROOF_GOOD = 1,    /* it may be handed out */
    TN_PROOF_CHANGED = 2, /* its bytes were not those that were built and it was set aside, or it
                             is gone: another engine of the same recipe is as good as before */
};

/**
 * Proves an engine by a trial load in a child, where that is wanted and possible and was not done
 * before under this driver, GPU and runtime. Trouble of the device is a warning: the engine is kept
 * at the level that it has; or TN_E_AGAIN where the application's own load would meet it, too.
 * @param rung    its precision, and its shapes where they are known
 * @param ret_why filled when it was refused or changed
 * @return an enum tn_proof, or an error (TN_E_CANCELLED, TN_E_AGAIN)
 */
int tn_job_try(struct tn_job *job, const struct tn_rung *rung, struct tn_entry *entry,
               struct tn_refusal *ret_why, struct tn_error *err);

/**
 * Proves an engine by the application's own deserialization, where this call brings one; comes
 * after tn_job_try().
 * @param ret_why filled when it was refused or changed
 * @return an enum tn_proof, or an error: TN_E_AGAIN (the device's trouble, or no reason was given
 *         for what loaded before; the engine is kept), TN_E_UNSUPPORTED (this application cannot
 *         load what others here can; kept), TN_E_CANCELLED
 */
int tn_job_load(struct tn_job *job, enum tn_precision rung, struct tn_entry *entry,
                struct tn_refusal *ret_why, struct tn_error *err);

/** No GPU answers, so that it is not known which engine the application is to load: adds the one of
 * the model that loaded last on this host to what `err` says. @return TN_E_AGAIN */
int tn_job_no_device(const struct tn_job *job, struct tn_error *err);

/** What is to be written down of one load; texts are borrowed, "" where nothing told. */
struct tn_heard {
    enum tn_outcome_by by;
    enum tn_outcome_result result;
    double seconds; /* of the deserialization; negative = not known */
    int cold;       /* whether the plan had to come from the disk; negative = not known */
    bool lasting;   /* it was set aside for good */
    const char *class_name;
    const char *first_line;
};
/** Adds it to the spool, with what this job knows of engine and device; failure is ignored. */
void tn_job_outcome(const struct tn_job *job, const struct tn_entry *entry,
                    const struct tn_heard *heard);

/**
 * Both proofs of the engine in the result, from where `job->source` says; one that is not good is
 * forgotten there. @return an enum tn_proof, or an error as of the two
 */
int tn_job_prove(struct tn_job *job, const struct tn_rung *rung, struct tn_refusal *ret_why,
                 struct tn_error *err);

/** It loaded: kept for later calls under this driver, GPU and runtime. */
void tn_job_proved(struct tn_job *job, struct tn_entry *entry);

/** Sets an engine aside, with a warning, and passes it over for the rest of this call. */
void tn_job_set_aside(struct tn_job *job, const struct tn_entry *entry,
                      const struct tn_refusal *why);
bool tn_job_has_failed(const struct tn_job *job, const struct tn_entry *entry);

/** Remembers that an engine of a store that is only read did not load here: it cannot be set aside,
 * so its recipe's refusal or back-off stands for it. */
void tn_job_pass_over(struct tn_job *job, const struct tn_entry *entry,
                      const struct tn_refusal *why);
/** Whether that was done, and still counts. @param ret_why filled when it does */
bool tn_job_passes_over(const struct tn_job *job, const struct tn_entry *entry,
                        struct tn_refusal *ret_why);

/** Hashes the plan: no recipe is to blame for bytes that something changed since. Sets it aside and
 * fills `ret_why` when they differ. @return whether they do */
bool tn_job_changed(struct tn_job *job, const struct tn_entry *entry, struct tn_refusal *ret_why);

/** Fills the result's levels. @return 0, or TN_E_AGAIN when a level that was asked for was not
 * reached */
int tn_job_settle_level(struct tn_job *job, struct tn_error *err);

/**
 * Builds the rung's engine, alone among all processes, unless another one finishes it first.
 * @return 1 there is one now (`ret_source` "built" or "waited"), 0 refused (the report says why),
 * or an error
 */
int tn_rung_build(struct tn_job *job, struct tn_rung *rung, struct tn_entry *ret_entry,
                  const char **ret_source, struct tn_error *err);

#endif
