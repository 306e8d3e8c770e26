/*
 * Get an engine that loads: rung by rung from the store, else from a remote, else by a build, else
 * the next rung.
 *
 * Blocking. Reads and writes the store, starts children for builds, prints nothing. One call per
 * thread. A warm call opens no CUDA and no TensorRT, hashes no file, takes no lock and starts no
 * process.
 */
#ifndef TN_LOADER_LOADER_H
#define TN_LOADER_LOADER_H

#include "base/clock.h"
#include "loader/load.h"
#include "loader/remote.h"
#include "plan/plan.h"
#include "recipe/spec.h"
#include "store/object.h"

/** What is going on, for people who wait. */
struct tn_get_event {
    enum tn_precision rung;
    const char *doing; /* "reading the model", "deriving fp16", "building", "waiting" */
    const char *phase; /* of the builder, also of the one that is waited for; "" when unknown */
    long holder;       /* waiting: pid that builds, 0 unknown */
    tn_nsec elapsed;   /* since this step began */
};
/** @return false to stop: tn_get() then fails with TN_E_CANCELLED */
typedef bool (*tn_get_event_fn)(const struct tn_get_event *event, void *user);

/** What is wanted. All strings borrowed; zeroed = defaults. */
struct tn_get_options {
    const char
        *model; /* file (.onnx, .yaml, .yml, with '/', or existing), else a name in the store */
    const char
        *precision;      /* ladder "fp16,fp32"; NULL = the spec's, else the file's own precision */
    const char *shapes;  /* "NAME=MIN[:OPT:MAX],…" */
    const char *runtime; /* "rtx1.7.1.116", "trt", …; NULL = decide */
    const char *gpu;     /* index, UUID or name */
    const char *for_device; /* fingerprint file or board name */
    const char *store;      /* colon-separated list */
    const char *python;     /* an interpreter that may build and try; NULL = those found */
    enum tn_level level;    /* TN_LEVEL_NONE = the spec's, else what this machine can do */
    bool accept_may_load;
    bool no_build;
    bool retry; /* forget refusals and back-off of the rungs that this call comes to */
    bool exact; /* only an engine of exactly this recipe is a hit; else it is built */
    bool force; /* build also on a hit: another engine of the same recipe, with a newer number */
    bool allow_host_code;
    bool no_verify;             /* take the bytes of plans for what their records say */
    bool signature_required;    /* also where the spec does not say so */
    struct tn_load *load;       /* the application loads it, too; NULL = it is only handed out */
    tn_nsec build_time_limit;   /* of one build; 0 = the toolchain's default */
    int64_t build_memory_bytes; /* address space of a build; 0 = the toolchain's default */
    const char *trusted_keys;   /* folder of keys that count; NULL = those of config.yaml */
    const struct tn_remote *remote; /* asked after the stores, in this order; may be NULL */
    size_t remote_count;
    tn_get_event_fn event;
    void *user;
};

/** How one rung went. */
struct tn_rung_report {
    enum tn_precision precision;
    const char *result;   /* "hit", "remote", "built", "waited", "failed" (now), "refused" (a
                             remembered lasting failure), "backoff" (trouble a short while ago),
                             "skipped", "missing"; static */
    char reason[1536];    /* why it was passed over; "" for the one that gave the engine */
    char class_name[48];  /* of the failure: "unsupported-operator", "timeout", …; "" = none */
    tn_nsec retry_in;     /* "backoff": until it would be tried again */
    struct tn_digest key; /* of the recipe that was wanted; zeroed = it came to none */
};

enum { TN_GET_WARNINGS_MAX = 12 };

struct tn_get_result {
    struct tn_entry entry; /* the engine; empty when none was found */
    char model[128];
    enum tn_precision precision;
    struct tn_rung_report rung[TN_LADDER_MAX];
    size_t rung_count;
    const char *source; /* "store", "remote", "built", "waited"; NULL = none */
    enum tn_level level, wanted_level;
    char runtime[TN_RUNTIME_TEXT]; /* "rtx1.7.1.116" */
    char gpu[96];                  /* name of the GPU it is for; "" = none was asked for */
    double seconds;                /* of the whole call */
    double build_seconds;    /* of the build, when there was one; else of the build that made the
                                engine */
    bool signature_required; /* by the options or the spec */
    char derived_by[160];    /* converter, "" = the file itself */
    char log[1024];          /* everything that the last build of this call said; "" = no build */
    char note[320];          /* trouble that cost nothing now, such as a collection that failed */
    char warning[TN_GET_WARNINGS_MAX][320];
    size_t warning_count;
};

/**
 * Gets an engine.
 *
 * @param ret_result always filled as far as the call came; end it with tn_get_result_done()
 * @return 0; TN_E_NOENGINE (no rung gave one: the text tells rung by rung what was tried);
 *         TN_E_UNTRUSTED (the same, and one was passed over for want of a trusted signature);
 *         TN_E_USAGE, TN_E_INVALID, TN_E_NOTFOUND, … for a request that cannot be begun;
 *         TN_E_AGAIN (an engine was found, but the wanted level could not be reached on this
 *         machine now; the result holds it); with `load` also TN_E_AGAIN and TN_E_UNSUPPORTED as of
 *         tn_job_load(): the engine is kept in its store, the text names its path
 */
int tn_get(const struct tn_get_options *options, struct tn_get_result *ret_result,
           struct tn_error *err);
void tn_get_result_done(struct tn_get_result *result);

#endif
