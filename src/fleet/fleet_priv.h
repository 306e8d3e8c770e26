/*
 * What the modules of src/fleet share: the fleet in memory and the steps between its parts.
 *
 *   device.c   devices, their attributes and labels
 *   class.c    match classes: devices that differ in nothing that decides about an engine
 *   release.c  releases, engines, attachments, channels
 *   kind.c     kinds of engines: those in which nothing differs that decides about a device
 *   keep.c     which files something refers to; releases that are removed; pins
 *   match.c    (class, release) -> ranked candidates with reasons; kept until something changes
 *   deploy.c   deployments; which device gets what next
 *   action.c   what one device is to do, and its words about it
 *   ended.c    which ended actions stay in memory; how the others are read
 *   evidence.c what devices said about engines; when an engine is stopped
 *   declare.c  what a device says it runs already
 *   poll.c     how often devices are to ask
 *   audit.c    who did what, and how long that is kept
 *   load.c     counters of loads; outcome.c: the loads that devices tell of, each counted once
 *   token.c    tokens; view.c, map.c, figures.c: answers
 *
 * Every mutation checks first and changes then. A failure after the first change (memory, disk)
 * marks the fleet as damaged (fleet_hurt()): tn_fleet_commit() then rolls back and loads anew.
 */
#ifndef TN_FLEET_FLEET_PRIV_H
#define TN_FLEET_FLEET_PRIV_H

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "compat/compat.h"
#include "device/filter.h"
#include "fleet/fleet.h"
#include "fleet/pairs.h"
#include "plan/plan.h"
#include "store/outcome.h"
#include "types/precision.h"

enum {
    ENGINES_PER_RELEASE_MAX = 4096,
    STATUS_DETAILS_MAX = 4096,   /* bytes of details kept per status row */
    HISTORY_DETAILS_MAX = 65536, /* and per action: all of it is written with each row */
    DETAIL_MAX = 240,            /* bytes of an action's telling line */
    CLASS_KEY_MAX = 512,
    PROOF_KEY_MAX = 320,
    KIND_INDEX_KEY = 96,
};

/* A list that doubles: of pointers. */
struct list {
    void **item;
    size_t count, capacity;
};

struct action;
struct class;
struct deployment;
struct device_loads;
struct engine;
struct kind;
struct release;

/* ---- devices ---- */

struct tn_fleet_device {
    char *id;
    struct tn_digest token_hash;
    bool has_token;
    char *registered_by;
    int64_t created_ms, seen_ms, attributes_ms;
    int64_t seen_saved_ms;
    int64_t ended_action;    /* the newest that ended and may have changed it; 0 = none */
    int64_t told_action;     /* what that was when it gave its attributes */
    int64_t poll_seconds;    /* 0 = the server's */
    int64_t auto_confirm_ms; /* since when it confirms all that it is given; 0 = it does not */
    char *declared_model, *declared_version; /* said to run, by an engine that is not known */
    struct tn_pairs attributes, labels;
    struct class *class; /* NULL without attributes */
    size_t class_at;     /* place in its class */
    struct action *active;
    struct action *actions; /* newest first: the active one, and what decides something (ended.c) */
    struct tn_fleet_device *seen_before, *seen_after; /* list of those seen since the last flush */
    bool seen_listed;
    int64_t failures; /* engines of which it said that they failed, or more; 0 = surely none */
    struct device_loads *loads; /* NULL = it has told of none */
};

/* ---- match classes ---- */

/* The ranked candidates of a release for a class; valid while `generation` is the release's. */
struct candidate {
    struct engine *engine;
    enum tn_verdict verdict; /* loads or may-load */
    int runtime;             /* of the class: the one it was checked with */
    bool proven, exact;
    bool stopped; /* by evidence of the class, or by an operator */
};

struct match {
    bool may_load; /* those that nobody proved are among them */
    uint64_t generation;
    size_t count;
    struct candidate candidate[]; /* best first */
};

/* Under the number of its release. */
struct matched {
    size_t release;
    struct match *match;
};

/* A kind of engines that a class may get. */
struct fit {
    const struct kind *kind;
    enum tn_verdict verdict; /* loads or may-load */
    int runtime;             /* of the class: the one that likes it best */
    bool exact;
};

struct class
{
    char *key;
    struct tn_device_facts facts;
    char *gpu_class;                               /* "sm89-128sm-…" */
    bool gpu_class_known;                          /* in every part */
    char delivery[16];                             /* "swupdate", "rauc"; "" = the plan itself */
    char *proof_key[TN_DEVICE_FACTS_RUNTIMES + 1]; /* by runtime: the key of evidence */
    struct list devices;
    struct matched *matched; /* by release: sorted, so that few lines of memory are read */
    size_t matched_count, matched_capacity;
    struct fit *fit; /* found when `fit_kinds` was the number of the fleet's kinds */
    size_t fit_count, fit_capacity, fit_kinds;
    /* What all devices of the class said of any engine, by runtime; NULL = nothing. Found when
     * `any_tallies` was the number of the fleet's tallies. */
    const struct tally *any[TN_DEVICE_FACTS_RUNTIMES + 1];
    size_t any_tallies;
    bool fit_near; /* those for other boards of its compute capability are among them */
};

/* ---- kinds of engines ---- */

/* An engine under the number of its release, beside it: who looks for the engines of a release
 * touches no engine. */
struct held {
    size_t release;
    struct engine *engine;
};

struct kind {
    char *key;         /* its facts as text */
    struct held *held; /* its engines that are in force, by release */
    size_t held_count, held_capacity;
    struct tn_plan plan; /* what of it counts: tn_compat_part() */
    char *gpu_class;     /* of classic engines, where known in every part; else NULL */
    char *index_key;     /* its place in the fleet's index; NULL = loose */
    struct kind *next_indexed;
    char *exact_key; /* and in that by class, of a classic one */
    struct kind *next_exact;
};

/* ---- releases ---- */

struct attachment {
    char *key; /* "digest kind" */
    char kind[16];
    struct tn_digest file;
    char *name;
    int64_t bytes;
};

/** Signatures of a release or an engine, and what is said of them. */
struct signing {
    json_t *list;    /* {keyid, sig}, and `trusted` once they were judged */
    uint64_t judged; /* trust generation; 0 = not yet */
};

struct engine {
    char hex[TN_DIGEST_HEX];
    struct tn_digest digest;
    struct release *release;
    struct engine *same; /* the same plan in another release */
    struct kind *kind;   /* NULL while its plan is not known */
    json_t *record;
    char *record_text;
    const char *name; /* in `record` */
    enum tn_precision precision;
    int rung; /* place in the release's order of precisions */
    int64_t sequence;
    struct tn_plan plan;
    bool plan_known; /* its blob was there to be read */
    int64_t bytes, added_ms, revoked_ms;
    char *revoked_why;
    struct signing *signing;      /* NULL = not signed */
    const struct class *expected; /* its loads were announced for this class last */
};

struct release {
    size_t number;       /* of this start: how many were there before it */
    uint64_t generation; /* changes with anything that changes a match */
    char *key;           /* "model\nversion" */
    char *model, *version;
    char *manifest_text, *created_by;
    json_t *manifest;
    struct signing *signing; /* NULL = not signed */
    int64_t created_ms;
    int64_t removed_ms; /* 0 = there; else it is remembered for the actions that name it */
    struct list engines;
    struct tn_ladder order; /* of precisions */
};

struct channel {
    char *key; /* "model\nname" */
    char *model, *name, *version;
    int64_t changed_ms;
};

/* ---- deployments and actions ---- */

enum deployment_state { DEPLOYMENT_RUNNING, DEPLOYMENT_PAUSED, DEPLOYMENT_STOPPED };

struct deployment {
    int64_t id;
    char *model, *channel, *version, *filter_text, *why, *created_by;
    struct tn_filter *filter; /* NULL = every device */
    int64_t first;
    bool accept_may_load;
    enum tn_assignment assignment;
    enum deployment_state state;
    int64_t created_ms;
    struct release *release;  /* what it is for now; NULL = none yet */
    struct deployment *later; /* the next running one of the same model */
    bool confirm;             /* devices are asked before */
    int64_t brake_from;       /* first id after it was resumed: what ended before is known */
    int64_t assigned, finished, failed, canceled, withdrawn;
    int64_t braked_finished, braked_failed; /* devices, by the last end of each that counts */
    bool counted;                           /* the figures came with its row */
    bool count_changed;                     /* since the last commit, which writes them */
};

enum action_state {
    ACTION_WAITING, /* for the device's word that it may be given to it */
    ACTION_PENDING,
    ACTION_RETRIEVED,
    ACTION_RUNNING,
    ACTION_CANCELING,
    ACTION_FINISHED,
    ACTION_DOWNLOADED, /* all that a download-only deployment asked for; nothing was installed */
    ACTION_ERROR,
    ACTION_CANCELED,
    ACTION_WITHDRAWN, /* by the server, before the device had fetched it: as if never given */
    ACTION_STATES
};

struct status {
    int64_t time_ms;
    const char *execution, *finished; /* static */
    int64_t code;                     /* INT64_MIN = none */
    char *details;
};

struct action {
    int64_t id;
    struct tn_fleet_device *device;
    struct action *older;          /* of the same device */
    struct deployment *deployment; /* NULL: the device declared it (declare.c) */
    struct engine *engine;
    enum action_state state;
    char *detail;
    struct status *history; /* of an active one; the others' is read from the database */
    size_t history_count;
    int64_t created_ms, changed_ms;
};

/* ---- evidence ---- */

struct evidence {
    char *key; /* "digest device" */
    char *device, *class_key, *reason;
    char hex[TN_DIGEST_HEX];
    bool ok, lasting;
    int64_t time_ms;
};

/* What all devices of a class said about an engine. */
struct tally {
    char *key; /* "digest class_key" */
    int64_t reporters, ok, failed;
};

struct override {
    char *key; /* "digest class_key" */
    char *class_key, *by;
    char hex[TN_DIGEST_HEX];
    bool allow;
    int64_t time_ms;
};

/* An engine whose file is kept whatever refers to it. */
struct pin {
    char hex[TN_DIGEST_HEX];
    char *by;
    int64_t time_ms;
};

struct token {
    char id[17], hash[TN_DIGEST_HEX];
    enum tn_role role;
    char *name;
    int64_t created_ms, revoked_ms;
};

/* Durations, counted as Prometheus does: each bucket holds those below it too. */
enum { BUCKETS = 16 };
struct histogram {
    int64_t count;
    double seconds;
    int64_t bucket[BUCKETS];
};

/* Whether a plan came from the disk when it was loaded. */
enum load_cold { LOAD_WARM, LOAD_COLD, LOAD_COLD_UNKNOWN, LOAD_COLDS };

/* One series of loads, counted since the database was made. */
struct load_series {
    char *key;                         /* its labels, as they are printed */
    int64_t count[TN_OUTCOME_RESULTS]; /* by enum tn_outcome_result */
    struct histogram times[LOAD_COLDS];
    bool changed; /* since the last commit */
    struct load_series *next_changed;
};

/* ---- the fleet ---- */

struct tn_fleet {
    struct tn_db *db;
    struct tn_blobs *blobs;
    struct tn_fleet_options options;
    int64_t poll_seconds;             /* as the operator set it; 0 = the option */
    const struct tn_keyring *trusted; /* never NULL */
    bool signatures_required;
    uint64_t trust_generation; /* from 1; counts up with each change of the keys */
    int damaged;               /* TN_E_* of a change that could not be made whole; 0 = none */
    struct tn_map devices, classes, releases, channels, engines, attachments, evidence, tallies,
        overrides, tokens_by_hash, loads, pins;
    struct tn_map kept_blobs; /* what is referred to, and since tn_fleet_keep_anew() more */
    struct tn_map kinds;      /* of engines, by key; never fewer */
    struct tn_map kind_index; /* index key -> first kind */
    struct tn_map kind_exact; /* the same with the class */
    struct list loose_kinds;  /* those that more than one key can reach */
    struct list device_list;  /* sorted by id when `devices_sorted` */
    bool devices_sorted;
    struct list release_list; /* those that were not removed */
    struct list deployments;  /* by id */
    struct list running;      /* those of them that are, by id */
    struct list recounted;    /* deployments whose figures the next commit writes */
    struct list tokens;
    struct tn_fleet_device *seen, *seen_last; /* those that wait longest to be written first */
    int64_t next_action, next_deployment;
    int64_t forgotten; /* settled actions up to this id were too old and were removed */
    int64_t match_count;
    struct histogram match_times;
    int64_t assigned_count;
    struct load_series *changed_loads; /* since the last commit */
};

/* ---- audit.c ---- */

/** A line of the audit log; `detail_steal` may be NULL. */
int fleet_audit(struct tn_fleet *fleet, const char *who, const char *what, int64_t now_ms,
                json_t *detail_steal, struct tn_error *err);

/* ---- fleet.c ---- */

/** Marks memory as ahead of the disk when `rc` is a failure; returns `rc`. */
int fleet_hurt(struct tn_fleet *fleet, int rc);
int fleet_put(struct tn_fleet *fleet, enum tn_table table, const void *row, struct tn_error *err);
int fleet_delete(struct tn_fleet *fleet, enum tn_table table, const void *row,
                 struct tn_error *err);
/** Numbers of the fleet itself that are kept. */
enum setting { SETTING_POLL_SECONDS, SETTING_NEXT_ACTION, SETTINGS };
/** Puts what the fleet has of it now; 0 is kept as nothing. */
int setting_put(struct tn_fleet *fleet, enum setting setting, struct tn_error *err);
int list_add(struct list *list, void *item, struct tn_error *err);
void list_remove_at(struct list *list, size_t at);
void list_done(struct list *list);
/** strdup() that keeps NULL. @return 0 or TN_E_NOMEM */
int copy_text(const char *text, char **ret_text, struct tn_error *err);
/** "a\nb" in new memory, or NULL. */
char *pair_key(const char *a, const char *b);

/* ---- device.c ---- */

bool device_load_row(const void *row, void *fleet);
void device_free(struct tn_fleet_device *device);
int device_put(struct tn_fleet *fleet, const struct tn_fleet_device *device, struct tn_error *err);
/** An attribute, or a label under its bare name or `label.NAME`; `user` is the device. */
const char *device_attribute(const char *name, void *user);
/** The same for filters and deliveries: a label goes before the attribute of its name. */
const char *device_word(const char *name, void *user);
void device_sort(struct tn_fleet *fleet);

/* ---- declare.c ---- */

/** Forgets what the device declared of this model. @return whether its row is to be written */
bool declared_forget(struct tn_fleet_device *device, const char *model);

/* ---- class.c ---- */

/** Puts the device into the class of its attributes and labels. @return 0, TN_E_NOMEM */
int class_join(struct tn_fleet *fleet, struct tn_fleet_device *device, struct tn_error *err);
void class_leave(struct tn_fleet *fleet, struct tn_fleet_device *device);
void class_free(struct class *class);
/** Its compat target for runtime number `runtime` (runtime_count 0: an unknown one). */
struct tn_compat_target class_target(const struct class *class, int runtime);
/** "trt10.6.0.26" of runtime number `runtime`; "" without one. */
bool class_has_proof_key(const struct class *class, const char *key);
void class_runtime_text(const struct class *class, int runtime, char ret_text[TN_RUNTIME_TEXT]);

/* ---- release.c ---- */

/** Puts the release's row. @return 0, TN_E_NOMEM, … */
int release_put(struct tn_fleet *fleet, const struct release *release, struct tn_error *err);
bool release_load_row(const void *row, void *fleet);
bool engine_load_row(const void *row, void *fleet);
bool attachment_load_row(const void *row, void *fleet);
bool channel_load_row(const void *row, void *fleet);
void release_free(struct release *release);
void attachment_free(struct attachment *attachment);
void channel_free(struct channel *channel);
/** Also one that was removed. */
struct release *release_find(const struct tn_fleet *fleet, const char *model, const char *version);
/** NULL when there is none or it was removed. */
struct release *release_there(const struct tn_fleet *fleet, const char *model, const char *version);
/** Keeps the files of its variants and its engines. */
int release_keep(struct tn_fleet *fleet, const struct release *release, struct tn_error *err);
const struct channel *channel_find(const struct tn_fleet *fleet, const char *model,
                                   const char *name);
struct engine *engine_of_release(const struct release *release, const char *hex);
const struct attachment *attachment_find(const struct tn_fleet *fleet, const char *hex,
                                         const char *kind);
/** Forgets what was matched against every release that holds this plan. */
void engine_touch(struct tn_fleet *fleet, const char *hex);
/** The first of all engines with these bytes (`same` leads to the others), or NULL. */
struct engine *engine_find(const struct tn_fleet *fleet, const char *hex);
/** By a whole digest or a unique prefix. @return 0, TN_E_NOTFOUND, TN_E_USAGE (several) */
int engine_by_prefix(const struct tn_fleet *fleet, const char *text, struct engine **ret_engine,
                     struct tn_error *err);

/* ---- kind.c ---- */

/** The kind of an engine with this plan; made where it is the first of it. */
int kind_get(struct tn_fleet *fleet, const struct tn_plan *plan, struct kind **ret_kind,
             struct tn_error *err);
void kind_free(struct kind *kind);
/** An engine in force, of this kind, is among those that a match finds. */
int kind_add(struct kind *kind, struct engine *engine, struct tn_error *err);
void kind_remove(struct kind *kind, const struct engine *engine);
/** @return its engines in a release, `ret_count` of them; valid until the next change */
const struct held *kind_engines(const struct kind *kind, const struct release *release,
                                size_t *ret_count);
/** The key under which a kind of exactly this release of TensorRT is found: with the compute
 * capability for a classic one. @return false when not all of it is known */
bool kind_index_key(enum tn_flavor flavor, const struct tn_version *version,
                    const struct tn_gpu *gpu, char ret_key[KIND_INDEX_KEY]);
/** The index key of one class alone, in new memory; NULL when that has run out. */
char *kind_exact_key(const char *index_key, const char *gpu_class);

/* ---- keep.c ---- */

bool pin_load_row(const void *row, void *fleet);
void pin_free(struct pin *pin);
int keep_blob(struct tn_fleet *fleet, const struct tn_digest *digest, struct tn_error *err);

/* ---- match.c ---- */

/** The candidates of a release for a class, best first; from memory while nothing has changed.
 * @param may_load those too that may load only and that no device of the class has proved
 * @return NULL when memory has run out; valid until the next change */
const struct match *match_get(struct tn_fleet *fleet, struct class *class,
                              const struct release *release, bool may_load);
void match_free(struct match *match);
/** Whether this engine would be a candidate of the class at all. */
bool match_possible(struct tn_fleet *fleet, struct class *class, const struct engine *engine,
                    struct candidate *ret_candidate);
/** Every engine of the release with its verdict and reasons for the class: for `map --why`. */
json_t *match_why(struct tn_fleet *fleet, const struct class *class, const struct release *release);

/* ---- deploy.c ---- */

bool deployment_load_row(const void *row, void *fleet);
void deployment_free(struct deployment *deployment);
int deployment_put(struct tn_fleet *fleet, const struct deployment *deployment,
                   struct tn_error *err);
struct deployment *deployment_find(const struct tn_fleet *fleet, int64_t id);
const char *deployment_state_name(enum deployment_state state);
const char *assignment_name(enum tn_assignment assignment);
/** Finds out anew what each deployment is for and which of them run; after a change of either. */
int deployments_settle(struct tn_fleet *fleet, struct tn_error *err);
bool deployment_wants(const struct deployment *deployment, struct tn_fleet_device *device);
/** Whether a running deployment wants the device, no later one of its model does, and it has no
 * engine for it: the device waits in a hole. */
bool deployment_waits(struct tn_fleet *fleet, const struct deployment *deployment,
                      struct tn_fleet_device *device);
/** Gives the device its next action, if it has none and a running deployment has one for it. */
int deploy_device(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                  struct tn_error *err);
/** The same for one that has other facts or labels now: first what it has not fetched yet is taken
 * back, where it is not for such a device any more. */
int deploy_changed(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                   struct tn_error *err);
/** The same for every device of the classes for which this engine is a candidate. */
int deploy_engine(struct tn_fleet *fleet, struct engine *engine, int64_t now_ms,
                  struct tn_error *err);
/** The same for every device that the deployment is meant for. */
int deploy_all(struct tn_fleet *fleet, struct deployment *deployment, int64_t now_ms,
               struct tn_error *err);
/** The engine that the device would get of this deployment's release; NULL = a hole. */
const struct candidate *deploy_pick(struct tn_fleet *fleet, struct tn_fleet_device *device,
                                    const struct deployment *deployment);
/** Nobody of the class is to get this engine any more: what was not yet fetched is withdrawn, and
 * the devices get their next best. */
int deploy_withdraw(struct tn_fleet *fleet, const char *hex, const char *class_key, int64_t now_ms,
                    struct tn_error *err);
/** An action has ended: counts it, and pauses the deployment where its brake says so. */
int deploy_ended(struct tn_fleet *fleet, const struct action *action, int64_t now_ms,
                 struct tn_error *err);
/** One more action, or one less. @return 0, TN_E_NOMEM */
int deploy_given(struct tn_fleet *fleet, struct deployment *deployment, int by,
                 struct tn_error *err);
/** The same of an action that may have ended: of a row that nobody has counted, or that goes with
 * its device. What the brake has seen it does not forget. */
int deploy_count_loaded(struct tn_fleet *fleet, const struct action *action, struct tn_error *err);
int deploy_count_removed(struct tn_fleet *fleet, const struct action *action, struct tn_error *err);
/** Writes the figures that have changed. */
int deploy_put_counts(struct tn_fleet *fleet, struct tn_error *err);
/** Gives places of `first N` that have become free to those who come next. */
int deploy_freed(struct tn_fleet *fleet, int64_t now_ms, struct tn_error *err);

/* ---- action.c ---- */

/** One that is not settled. */
bool action_load_row(const void *row, void *fleet);
/** With its history; for action_done(). @return 0, TN_E_CORRUPT (it names what is not there),
 * TN_E_NOMEM; nothing is filled then */
int action_of_row(const struct tn_fleet *fleet, const struct tn_row_action *row,
                  struct action *ret_action);
void action_done(struct action *action);
void action_free(struct action *action);
const char *action_state_name(enum action_state state);
bool action_active(const struct action *action);
/** The device has not fetched it: it may be taken back, and nobody hears of it. */
bool action_unfetched(const struct action *action);
int action_assign(struct tn_fleet *fleet, struct tn_fleet_device *device,
                  struct deployment *deployment, struct engine *engine, int64_t now_ms,
                  struct tn_error *err);
/** The device runs this engine already: an action that has finished without a deployment. */
int action_declare(struct tn_fleet *fleet, struct tn_fleet_device *device, struct engine *engine,
                   int64_t now_ms, struct tn_error *err);
/** Takes back what the device never fetched; it may be given again. Of those of a device the oldest
 * are forgotten (ended.c). */
int action_withdraw(struct tn_fleet *fleet, struct action *action, const char *why, int64_t now_ms,
                    struct tn_error *err);
/** Cancels at once what was never fetched, asks the device to cancel the rest; does not match anew.
 * What was canceled is not given again by the same deployment. */
int action_stop(struct tn_fleet *fleet, struct action *action, const char *why, int64_t now_ms,
                struct tn_error *err);
json_t *action_to_json(const struct action *action, bool with_history);
void action_fill(const struct tn_fleet *fleet, const struct action *action,
                 struct tn_fleet_action *ret_action);
/** The engine of a model that the device runs as far as is known, or NULL. */
const struct action *action_installed(const struct tn_fleet_device *device, const char *model);
/** The engine of a model that the device fetched last without installing it, or NULL. */
const struct action *action_downloaded(const struct tn_fleet_device *device, const char *model);

/* ---- ended.c ---- */

/** Lets go of the device's ended actions that decide nothing any more. The newest of each way to
 * end stays, so what has just ended is still there. */
int ended_settle(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms,
                 struct tn_error *err);
/** The same of all devices: an older program settled nothing. */
int ended_settle_all(struct tn_fleet *fleet, struct tn_error *err);
/** Any action from the database, for action_done(). An active one is not the one in memory. */
bool ended_find(const struct tn_fleet *fleet, int64_t id, struct action *ret_action);
/** Removes all actions of the device, settled or not, and frees their places.
 * @param ret_freed whether there was one of a `first N`: deploy_freed() */
int ended_remove_device(struct tn_fleet *fleet, struct tn_fleet_device *device, bool *ret_freed,
                        struct tn_error *err);

/* ---- evidence.c ---- */

bool evidence_load_row(const void *row, void *fleet);
bool override_load_row(const void *row, void *fleet);
void evidence_free(struct evidence *evidence);
void tally_free(struct tally *tally);
void override_free(struct override *override);
/** A device's final word about the engine of its action. */
int evidence_take(struct tn_fleet *fleet, const struct action *action,
                  const struct tn_feedback *feedback, int64_t now_ms, struct tn_error *err);
/** Under which key evidence of this device about this engine stands.
 * @param runtime that loaded it; "" = the one that it would be given for
 * @return NULL: none, as the device has no class or has not said that it has this runtime */
const char *evidence_class_key(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                               struct engine *engine, const char *runtime);
/** Takes a device's word about an engine, and stops the engine where it is one too many. A word
 * that is lasting counts against the class only when its reason does. */
int evidence_hear(struct tn_fleet *fleet, const struct tn_row_evidence *word, struct tn_error *err);
/** Whether new assignments of the engine to this class are stopped; fills `ret_why`. */
bool evidence_stops(const struct tn_fleet *fleet, const char *hex, const char *class_key,
                    char ret_why[160]);
/** What the devices of the class said of any engine with this runtime of theirs; NULL = nothing. */
const struct tally *evidence_any(const struct tn_fleet *fleet, struct class *class, int runtime);
/** Whether somebody of the class has loaded it. */
bool evidence_proves(const struct tn_fleet *fleet, const char *hex, const char *class_key);
/** Whether this very device has said that it failed, and no operator has overruled that. */
bool evidence_holds(const struct tn_fleet *fleet, const char *hex, const char *class_key,
                    const char *device);

/* ---- load.c ---- */

bool load_load_row(const void *row, void *fleet);
void load_series_free(struct load_series *series);
/** The device is to load this engine: its counters show 0 from now on, so that the first load is a
 * growth that Prometheus sees. */
void load_expect(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                 struct engine *engine);
/** @param engine NULL = one that no release has */
int load_count(struct tn_fleet *fleet, const struct tn_fleet_device *device,
               const struct engine *engine, const struct tn_outcome *outcome, struct tn_error *err);
/** The device's GPU class as metrics have it. */
const char *load_class_label(const struct tn_fleet_device *device);
/** Puts the counters that have changed into the open transaction. */
int loads_put(struct tn_fleet *fleet, struct tn_error *err);
/** "0", "1", "unknown". */
const char *load_cold_name(enum load_cold cold);

/* ---- outcome.c ---- */

bool spool_load_row(const void *row, void *fleet);
void device_loads_free(struct device_loads *loads);
/** Forgets how far the spools of a device were counted; what was counted stays. */
int device_loads_remove(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                        struct tn_error *err);
/** {time, by, result, …} of the load that the device told of last, or NULL. Borrowed. */
const json_t *device_last_load(const struct tn_fleet_device *device);
/** Counts the load that a feedback told of, unless it says that an outcome does. */
int load_told(struct tn_fleet *fleet, struct tn_fleet_device *device, const struct engine *engine,
              const json_t *word, int64_t now_ms, struct tn_error *err);

/* ---- view.c, map.c, figures.c ---- */

/** `key` as RFC 3339 and `key`_ms as a number; both null for 0. */
void set_time(json_t *json, const char *key, int64_t time_ms);
/** DDI's words: unknown, registered, pending, in-sync, error. */
const char *device_state(const struct tn_fleet_device *device);
/** What a device of the class would get of the release, or NULL: a hole. */
const struct candidate *map_pick(struct tn_fleet *fleet, struct class *class,
                                 const struct release *release);
/** Devices of the class that a running deployment of the release wants and has nothing for. */
int64_t map_waiting(struct tn_fleet *fleet, const struct class *class,
                    const struct release *release);
/** Appends NAME="VALUE" as Prometheus escapes it, with a comma between two. */
void figure_label(struct tn_buf *labels, const char *name, const char *value);
/** Upper bounds of the buckets, in seconds: of an engine's load, of a match. */
extern const double figure_load_bounds[BUCKETS], figure_match_bounds[BUCKETS];
void histogram_add(struct histogram *histogram, const double bounds[BUCKETS], double seconds);

/* ---- token.c ---- */

bool token_load_row(const void *row, void *fleet);
void token_free(struct token *token);
int token_random(char ret_token[65], struct tn_error *err);
int token_hash(const char *token, struct tn_digest *ret_hash, struct tn_error *err);
bool hash_equal(const struct tn_digest *a, const struct tn_digest *b);

/* ---- signing.c ---- */

void signing_free(struct signing *signing);
/** NULL without memory. */
struct signing *signing_new(const struct tn_signatures *signatures, struct tn_error *err);
/** Of a row; `ret_signing` stays NULL for one without signatures. @return 0, TN_E_INVALID, … */
int signing_load(const char *row_text, struct signing **ret_signing, struct tn_error *err);
/** For the row, in new memory; NULL = none. */
char *signing_row(const struct signing *signing);
/** What is signed of an engine's record. @return 0, TN_E_INVALID, TN_E_TOOBIG, TN_E_NOMEM */
int engine_signed_text(const json_t *record, struct tn_buf *ret_text, struct tn_error *err);
/**
 * Whether signatures that came may be kept beside those that are there, and whether all together
 * are enough.
 * @param there may be NULL
 * @return 0, TN_E_UNTRUSTED with key and cure, TN_E_INVALID, TN_E_TOOBIG
 */
int signing_check(const struct tn_fleet *fleet, const struct signing *there, const json_t *given,
                  const struct tn_buf *text, struct tn_signatures *ret_all, bool *ret_news,
                  struct tn_error *err);
/** Members `signatures` and `signed` ("trusted", "untrusted", "no"). */
void engine_set_signatures(json_t *json, const struct tn_fleet *fleet, const struct engine *engine);
void release_set_signatures(json_t *json, const struct tn_fleet *fleet,
                            const struct release *release);

#endif
