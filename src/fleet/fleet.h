/*
 * The fleet in memory: devices, releases, channels, deployments, actions, evidence; and what
 * follows from them. No HTTP and no SQL in it.
 *
 * Every change is an event: it changes memory, puts the rows that it touches into the database's
 * open transaction, and matches what it may have made matchable — never by a sweep over all
 * devices. The caller commits (tn_fleet_commit) before it answers anybody. Nothing here waits or
 * reads a clock: `now_ms` is wall time in ms, given by the caller; the clock that measures matches
 * is the caller's too, and decides nothing.
 *
 * One thread. Pointers handed out live until the next call that changes the fleet.
 */
#ifndef TN_FLEET_FLEET_H
#define TN_FLEET_FLEET_H

#include "db/db.h"
#include "fleet/blob.h"
#include "recipe/signature.h"

#include <jansson.h>

struct tn_fleet;
struct tn_fleet_device;

/** Thresholds and limits; zero = the default in brackets. */
struct tn_fleet_options {
    int64_t poll_seconds;          /* between two polls, until an operator says otherwise (300) */
    int64_t evidence_devices;      /* lasting failures of different devices that stop an engine for
                                      a class (2; 1 while nobody of the class has loaded it) */
    int64_t evidence_ratio;        /* … when fewer than 1 in this many reporters succeeded (10) */
    int64_t pause_devices;         /* a deployment pauses itself after so many have finished (5) */
    int64_t pause_percent;         /* … of which so many percent failed (20) */
    int64_t history_most;          /* status rows kept per action (100) */
    int64_t keep_actions_ms;       /* ended actions that decide nothing any more (90 days) */
    int64_t keep_audit_ms;         /* entries of the audit log (0: for ever) */
    int64_t attributes_most;       /* per device (200), each name and value <= 128 bytes */
    int64_t devices_most;          /* (2000000) */
    int64_t (*monotonic_ns)(void); /* how long a match takes (NULL: not measured) */
};

/** Loads all rows but those of settled actions. @return 0, TN_E_CORRUPT (rows that contradict),
 * TN_E_NOMEM, TN_E_IO */
int tn_fleet_open(struct tn_db *db, struct tn_blobs *blobs, const struct tn_fleet_options *options,
                  struct tn_fleet **ret_fleet, struct tn_error *err);
void tn_fleet_close(struct tn_fleet *fleet);

/** Whether a commit is due: something was written, or failed in the middle and must be undone. */
bool tn_fleet_dirty(const struct tn_fleet *fleet);

/** Makes everything so far durable. On failure nothing of it counts: memory is loaded anew.
 * @return as tn_db_commit() */
int tn_fleet_commit(struct tn_fleet *fleet, struct tn_error *err);

/** Writes last-seen times that are older than `every_ms` in memory only; call it now and then. A
 * part of them at one time, those that wait for longest first; with `every_ms` 0 all. */
int tn_fleet_flush_seen(struct tn_fleet *fleet, int64_t now_ms, int64_t every_ms,
                        struct tn_error *err);

/* ---- devices ---- */

/** @param token  the device's own token, or NULL
 *  @param by     "gateway", "operator", "token"
 *  @return 0 (also when it is there already), TN_E_USAGE (an id that no path can carry),
 * TN_E_TOOBIG */
int tn_fleet_enroll(struct tn_fleet *fleet, const char *id, const char *token, const char *by,
                    int64_t now_ms, struct tn_fleet_device **ret_device, struct tn_error *err);
struct tn_fleet_device *tn_fleet_device(struct tn_fleet *fleet, const char *id);
size_t tn_fleet_device_count(const struct tn_fleet *fleet);

/** In constant time. False without a token of its own. */
bool tn_fleet_token_is(const struct tn_fleet_device *device, const char *token);
/** A new random token (64 hex, shown once), or none when `ret_token` is NULL (revoked). */
int tn_fleet_token_new(struct tn_fleet *fleet, struct tn_fleet_device *device, char ret_token[65],
                       const char *who, int64_t now_ms, struct tn_error *err);

/** Bounds of the time between two polls. */
enum { TN_POLL_LEAST_S = 1, TN_POLL_MOST_S = 23 * 3600 };
/** Seconds between two polls: the device's own time, else the server's. NULL = the server's. */
int64_t tn_fleet_poll_seconds(const struct tn_fleet *fleet, const struct tn_fleet_device *device);
/** From the next poll on. @param device NULL = all that have no time of their own
 *  @param seconds 0 = a device takes the server's time, the server that of its options
 *  @return 0, TN_E_INVALID (out of bounds) */
int tn_fleet_poll_set(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t seconds,
                      const char *who, int64_t now_ms, struct tn_error *err);
/** A token that the operator chose, in place of the one there was. @return 0, TN_E_USAGE */
int tn_fleet_token_set(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *token,
                       const char *who, int64_t now_ms, struct tn_error *err);

/** A poll: memory only. */
void tn_fleet_seen(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t now_ms);

enum tn_attributes_mode { TN_ATTRIBUTES_MERGE, TN_ATTRIBUTES_REPLACE, TN_ATTRIBUTES_REMOVE };
/** The device's own facts; matches it anew when its class changed.
 * @return 0, TN_E_INVALID (not strings, too long), TN_E_TOOBIG (too many) */
int tn_fleet_attributes(struct tn_fleet *fleet, struct tn_fleet_device *device,
                        enum tn_attributes_mode mode, const json_t *data, int64_t now_ms,
                        struct tn_error *err);
/** Whether a device may have these, with nothing besides: before it is registered with them.
 * @return as tn_fleet_attributes() */
int tn_fleet_attributes_check(const struct tn_fleet *fleet, const json_t *data,
                              struct tn_error *err);
/** Whether the poll should ask for attributes (never given, or the device ended an action since).
 */
bool tn_fleet_wants_attributes(const struct tn_fleet_device *device);
/**
 * The device says that it runs a release already. Which engine: the one that `digest` names, else
 * the only one of the release that its class can load. That one counts as installed, as if an
 * action had finished. Where several could be meant, or none is known, model and version alone are
 * kept, until an action for the model finishes: then no engine of the model counts as installed.
 *
 * @param digest      64 hex, or NULL
 * @param ret_changed whether it was known before
 * @return 0, TN_E_NOTFOUND (no such release, or it was removed, or it has no such engine)
 */
int tn_fleet_declare(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *model,
                     const char *version, const char *digest, int64_t now_ms, bool *ret_changed,
                     struct tn_error *err);
/** @param value NULL removes it */
int tn_fleet_label(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *name,
                   const char *value, const char *who, int64_t now_ms, struct tn_error *err);
/** All of them or none. @param labels object of texts; null removes one. @return as
 * tn_fleet_attributes() */
int tn_fleet_labels(struct tn_fleet *fleet, struct tn_fleet_device *device, const json_t *labels,
                    const char *who, int64_t now_ms, struct tn_error *err);
int tn_fleet_device_remove(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *who,
                           int64_t now_ms, struct tn_error *err);

/* ---- releases ---- */

/** The keys that count from now on, borrowed until the next call or the end (NULL = none, as at the
 * start). With `required` nothing comes in any more without a good signature of one of them, or
 * with one of another key; what is there stays. */
void tn_fleet_trust(struct tn_fleet *fleet, const struct tn_keyring *keys, bool required);

/** Publishes a release: {"model","version","variants":[{"precision","digest","bytes","name"}],
 * "spec":…}. Every blob that it names must be there. The same again is fine; another content under
 * the name is TN_E_USAGE. Its member `signatures` is not part of it: those of trusted keys must be
 * good (else TN_E_UNTRUSTED), and those that are new are added to what is there. Its time of
 * creation is after those of the model's releases before it, whatever the clock says. */
int tn_fleet_release_add(struct tn_fleet *fleet, const json_t *manifest, const char *who,
                         int64_t now_ms, struct tn_error *err);
/** Digests that the variants of a manifest name and that are no blobs yet: an array of texts. */
json_t *tn_fleet_missing_blobs(struct tn_fleet *fleet, const json_t *manifest);
/** Adds an engine by its record; its plan must be a blob. The plan's own header is read and must
 * agree with the record (flavor, version, completeness). `signatures` as above, over the record.
 * @return 0, TN_E_NOTFOUND (release or blob), TN_E_INVALID, TN_E_CORRUPT, TN_E_UNTRUSTED */
int tn_fleet_engine_add(struct tn_fleet *fleet, const char *model, const char *version,
                        const json_t *record, const char *who, int64_t now_ms,
                        struct tn_error *err);
/** Devices that run it keep it; nobody gets it any more. `digest` may be a unique prefix of >= 6.
 */
int tn_fleet_engine_revoke(struct tn_fleet *fleet, const char *digest, const char *why,
                           const char *who, int64_t now_ms, struct tn_error *err);
int tn_fleet_attach(struct tn_fleet *fleet, const char *digest, const char *kind, const char *name,
                    const struct tn_digest *file, const char *who, int64_t now_ms,
                    struct tn_error *err);
int tn_fleet_channel_set(struct tn_fleet *fleet, const char *model, const char *channel,
                         const char *version, const char *who, int64_t now_ms,
                         struct tn_error *err);
/** Whether the release has this engine already, in force or revoked. */
bool tn_fleet_has_engine(const struct tn_fleet *fleet, const char *model, const char *version,
                         const char *hex);

/** Removes a release: nobody gets it any more, its version is never used again, devices that run it
 * keep it, files that nothing else refers to may be collected.
 * @return 0 (also when it was removed before), TN_E_NOTFOUND, TN_E_USAGE (a channel or a deployment
 * that was not stopped means it) */
int tn_fleet_release_remove(struct tn_fleet *fleet, const char *model, const char *version,
                            const char *who, int64_t now_ms, struct tn_error *err);
/** The file of a pinned engine stays whatever refers to it. `digest` may be a prefix as above. */
int tn_fleet_engine_pin(struct tn_fleet *fleet, const char *digest, bool pinned, const char *who,
                        int64_t now_ms, struct tn_error *err);
/** Finds out anew which blobs a release, an attachment, a device or a pin refers to; until then one
 * that was once referred to is kept. Before each collection. @return 0, TN_E_NOMEM (all are kept)
 */
int tn_fleet_keep_anew(struct tn_fleet *fleet, struct tn_error *err);
/** Blobs that nothing refers to may go. */
bool tn_fleet_keeps_blob(const struct tn_digest *digest, void *fleet);

/* ---- deployments ---- */

/** What the devices of a deployment are told; hawkBit's words. */
enum tn_assignment {
    TN_ASSIGN_FORCED,        /* download and install now */
    TN_ASSIGN_SOFT,          /* the device may wait with both */
    TN_ASSIGN_DOWNLOAD_ONLY, /* fetch it now, install nothing */
    TN_ASSIGNMENTS
};

struct tn_deploy {
    const char *model, *channel,
        *version;       /* one of channel, version; both NULL = channel "stable" */
    const char *filter; /* NULL = every device */
    int64_t first;      /* stop after so many; 0 = all */
    bool accept_may_load;
    const char *type; /* "forced", "soft", "download-only"; NULL = forced */
    bool confirm;     /* each device is asked before; who does not know how to answer waits */
};
/** Assigns at once to every device that matches and has an engine. @return 0, TN_E_INVALID (filter,
 * with a caret), TN_E_NOTFOUND */
int tn_fleet_deploy(struct tn_fleet *fleet, const struct tn_deploy *deploy, const char *who,
                    int64_t now_ms, int64_t *ret_id, struct tn_error *err);
/** @param state "running", "paused" or "stopped" */
int tn_fleet_deployment_set(struct tn_fleet *fleet, int64_t id, const char *state, const char *why,
                            const char *who, int64_t now_ms, struct tn_error *err);

/** Makes a soft deployment forced, for what is under way too. @return 0 (also when it is),
 * TN_E_NOTFOUND, TN_E_USAGE (it is download-only) */
int tn_fleet_deployment_force(struct tn_fleet *fleet, int64_t id, const char *who, int64_t now_ms,
                              struct tn_error *err);

/* ---- actions ---- */

/** What a device is to do now. Borrowed. */
struct tn_fleet_action {
    int64_t id;
    const char *state; /* "wait_for_confirmation" "pending" "retrieved" "running" "canceling"
                          "finished" "downloaded" "error" "canceled" */
    enum tn_assignment assignment;
    bool canceling;
    bool waiting; /* for the device's word: it is not to install it yet */
    const char *model, *version;
    const char *digest; /* of the engine */
    const char *name;   /* engine file name */
    /* what is to be downloaded: the plan, or the container of a foreign client */
    const char *file_name;
    struct tn_digest file;
    int64_t file_bytes;
    const json_t *record; /* of the engine */
    int64_t created_ms, changed_ms;
};
/** The active action of a device; what a paused deployment has not yet handed out is not offered.
 * @return false = none */
bool tn_fleet_action(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                     struct tn_fleet_action *ret_action);
/** Any action of this device, also a finished one. */
bool tn_fleet_action_by_id(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                           int64_t id, struct tn_fleet_action *ret_action);
/** The last finished one: what is installed. */
bool tn_fleet_installed(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                        struct tn_fleet_action *ret_action);
/** Whether the device may download this file now: assigned or installed. */
bool tn_fleet_may_download(const struct tn_fleet *fleet, const struct tn_fleet_device *device,
                           const struct tn_digest *file);

struct tn_feedback {
    const char *execution; /* DDI's words */
    const char *finished;  /* "success", "failure", "none" */
    const char *const *details;
    size_t detail_count;
    int64_t code; /* INT64_MIN = none */
    /* Tenon's own agent: {result, reason, lasting, seconds, cold, by, spooled}; may be NULL */
    const json_t *engine;
};
/** The device fetched its deployment. */
int tn_fleet_retrieved(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                       int64_t now_ms, struct tn_error *err);
/** @return 0; TN_E_NOTFOUND (no such action of this device); TN_E_CANCELLED (no longer active:
 * 410); TN_E_INVALID (words that DDI does not have) */
int tn_fleet_feedback(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                      const struct tn_feedback *feedback, int64_t now_ms, struct tn_error *err);
int tn_fleet_cancel_feedback(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                             const struct tn_feedback *feedback, int64_t now_ms,
                             struct tn_error *err);
int tn_fleet_cancel(struct tn_fleet *fleet, int64_t id, const char *who, int64_t now_ms,
                    struct tn_error *err);

/** The device's word about an action that waits for it: confirmed, it is to do; denied, it waits
 * on.
 * @param confirmation "confirmed" or "denied"
 * @param said details and code; the rest is not read
 * @return 0; TN_E_NOTFOUND (no such action, or it does not wait); TN_E_CANCELLED (it has ended:
 * 410); TN_E_INVALID (another word) */
int tn_fleet_confirm(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t id,
                     const char *confirmation, const struct tn_feedback *said, int64_t now_ms,
                     struct tn_error *err);
/** From now on the device confirms all that it is given, what waits now as well; or it does not. */
int tn_fleet_auto_confirm(struct tn_fleet *fleet, struct tn_fleet_device *device, bool active,
                          int64_t now_ms, struct tn_error *err);
/** Since when it does; 0 = it does not. */
int64_t tn_fleet_auto_confirm_ms(const struct tn_fleet_device *device);
/** Removes at most `most` actions that ended long ago and decide nothing any more; call it now and
 * then. The figures of their deployments stay. */
int tn_fleet_forget_actions(struct tn_fleet *fleet, int64_t now_ms, size_t most,
                            struct tn_error *err);
int tn_fleet_override(struct tn_fleet *fleet, const char *digest, const char *class_key,
                      const char *verdict, const char *who, int64_t now_ms, struct tn_error *err);

/* ---- loads outside an action ---- */

enum { TN_OUTCOMES_MAX = 500 /* of one batch */ };

struct tn_outcomes {
    int64_t position; /* up to which the spool is counted now */
    int64_t counted;
    int64_t known;   /* counted before */
    int64_t skipped; /* passed over: no outcomes that this server understands */
};

/**
 * What the spool of a device tells of loads there: {"spool": NAME, "outcomes": [a line of the spool
 * with its `position`, …]}, docs/schemas/outcomes.schema.json. Each position counts once, whatever
 * is sent again and whatever was restarted in between. Metrics count all of them, under `unknown`
 * where no release has the engine; success, and a lasting fault of the engine's own, are evidence.
 *
 * @return 0; TN_E_INVALID (no name, no list, positions that do not grow), TN_E_TOOBIG (more than
 * TN_OUTCOMES_MAX), TN_E_AGAIN (more in an hour than a device has to tell): nothing was counted
 */
int tn_fleet_outcomes(struct tn_fleet *fleet, struct tn_fleet_device *device, const json_t *body,
                      int64_t now_ms, struct tn_outcomes *ret_answer, struct tn_error *err);

/* ---- tokens of the REST interface ---- */

enum tn_role { TN_ROLE_NONE, TN_ROLE_VIEWER, TN_ROLE_PUBLISHER, TN_ROLE_ADMIN, TN_ROLE_GATEWAY };
/** "viewer", …; the reverse gives TN_ROLE_NONE for any other text. */
const char *tn_fleet_role_name(enum tn_role role);
enum tn_role tn_fleet_role_parse(const char *name);
/** Looks a token up by its hash, compared in constant time. */
enum tn_role tn_fleet_role(const struct tn_fleet *fleet, const char *token, char ret_name[64]);
/** @param name of whoever gets it, 1 to 63 bytes of plain text; NULL or "" = the role's */
int tn_fleet_role_token_new(struct tn_fleet *fleet, enum tn_role role, const char *name,
                            char ret_token[65], char ret_id[17], const char *who, int64_t now_ms,
                            struct tn_error *err);
int tn_fleet_role_token_revoke(struct tn_fleet *fleet, const char *id, const char *who,
                               int64_t now_ms, struct tn_error *err);

/* ---- views: new JSON values; NULL when memory has run out or there is no such thing ---- */

/** A page: at most `limit` (0 = 100, at most 1000) from `cursor` (NULL or "" = the first);
 * `ret_cursor` is where the next page begins, "" = this was the last. It names what was given last,
 * so that what comes or goes between two pages shifts nothing. Lists are JSON arrays. Wall
 * times come as RFC 3339 (`created`) and in ms since 1970 (`created_ms`). */
struct tn_page {
    const char *cursor;
    size_t limit;
    char ret_cursor[288]; /* two names of 128 bytes and a number */
};
json_t *tn_fleet_devices_json(struct tn_fleet *fleet, const char *where, struct tn_page *page,
                              struct tn_error *err);
json_t *tn_fleet_device_json(struct tn_fleet *fleet, struct tn_fleet_device *device);
json_t *tn_fleet_releases_json(struct tn_fleet *fleet, const char *model, struct tn_page *page);
json_t *tn_fleet_release_json(struct tn_fleet *fleet, const char *model, const char *version);
/** @param name a version or a channel. @return NULL: no such one */
json_t *tn_fleet_engines_json(struct tn_fleet *fleet, const char *model, const char *name);
/** By digest or prefix; NULL = none, or several. */
json_t *tn_fleet_engine_json(struct tn_fleet *fleet, const char *digest);
/** Newest first. */
json_t *tn_fleet_deployments_json(struct tn_fleet *fleet, struct tn_page *page);
/** With `devices`: those that its filter holds for, and `holes`: those of them that it has no
 * engine for. NULL = no such deployment. */
json_t *tn_fleet_deployment_json(struct tn_fleet *fleet, int64_t id);
/** Newest first. */
json_t *tn_fleet_actions_json(struct tn_fleet *fleet, bool failed_only, struct tn_page *page);
json_t *tn_fleet_action_json(struct tn_fleet *fleet, int64_t id);
json_t *tn_fleet_tokens_json(struct tn_fleet *fleet);
/** What a channel means now, or NULL. */
const char *tn_fleet_channel(const struct tn_fleet *fleet, const char *model, const char *channel);
/** The audit log, newest first: {seq, time, who, what, detail}. */
json_t *tn_fleet_audit_json(struct tn_fleet *fleet, struct tn_page *page, struct tn_error *err);
/** Removes at most `most` entries that are older than options say, but never the newest 1000; call
 * it now and then. @return as tn_db_delete() */
int tn_fleet_forget_audit(struct tn_fleet *fleet, int64_t now_ms, size_t most,
                          struct tn_error *err);
/**
 * The four-way map: an array of rows {model, version, platform, runtime, class, class_key, gpu,
 * cuda, delivery, devices, running, waiting, engine {digest, name, precision, proven, exact}|null,
 * name, verdict, state: "engine"|"hole"}; with `why` the verdict and reasons of every engine of the
 * release. One row per release and match class.
 * @param model   NULL = all
 * @param version or channel; NULL = what runs, else what "stable" means, else the newest
 * @return NULL with TN_E_NOTFOUND (no such release), TN_E_NOMEM
 */
json_t *tn_fleet_map_json(struct tn_fleet *fleet, const char *model, const char *version, bool why,
                          struct tn_error *err);

/** Figures for metrics: flat rows, the lines of one metric together, names without a prefix, labels
 * as Prometheus writes them ("" = none): devices{state} devices_silent actions{state}
 * holes{model,release} devices_waiting{model,release}
 * device_engines{model,release,class,precision,trt}
 * engine_loads_total{model,release,class,trt,by,result}
 * engine_deserialize_seconds_{bucket,sum,count}{model,release,class,trt,by,cold} releases engines
 * device_classes deployments_running deployments_paused matches_total
 * match_seconds_{bucket,sum,count} assignments_total. */
typedef void (*tn_figure_fn)(const char *metric, const char *labels, double value, void *user);
void tn_fleet_figures(struct tn_fleet *fleet, int64_t now_ms, tn_figure_fn each, void *user);

#endif
