/*
 * libtenon: an engine that loads, inside another program.
 *
 *     struct tn_engine_options want = { .size = sizeof(want), .deserialize = my_deserialize };
 *     if (tn_engine_load(NULL, "model.onnx", &want, &engine, &err) < 0)
 *         fail(err.text);
 *     use(tn_engine_object(engine));
 *
 * The library keeps no global state, prints nothing, installs no signal handler, and loads neither
 * TensorRT nor CUDA into the process: the application keeps its own. Every function may be called
 * from any thread; an object belongs to one thread unless its comment says otherwise. Strings in
 * options are borrowed for the call. Text that a function returns in new memory is freed with
 * tn_free(). Times are in milliseconds where the name ends in _ms, sizes in bytes.
 *
 * Stable ABI of 0.x: names stay, structs grow at their end only. A caller sets `size` of an options
 * struct to its own sizeof, so that a newer library knows which members it has.
 */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#else
#define TN_API
#endif

/* Rows: name, code (never reused), exit status of the command, meaning. docs/errors.md is cut from
 * here, as are tn_error_name() and tn_error_meaning(). */
#define TN_ERRORS(X)                                                                               \
    X(NOMEM, -1, 71, "memory could not be allocated")                                              \
    X(IO, -2, 74, "a file operation failed")                                                       \
    X(NOTFOUND, -3, 66, "a file or object that was named does not exist")                          \
    X(CORRUPT, -4, 65, "content does not match its digest or cannot be decoded")                   \
    X(TOOBIG, -6, 65, "larger than the limit in force")                                            \
    X(INVALID, -7, 65, "input that breaks the rules of its format")                                \
    X(USAGE, -8, 2, "a command line or request that makes no sense")                               \
    X(UNTRUSTED, -9, 77, "another user could change it, or no trusted key signed it: not used")    \
    X(ACCESS, -10, 77, "permission denied")                                                        \
    X(NOSPACE, -11, 73, "no space left on the device")                                             \
    X(AGAIN, -12, 75, "the device or a resource is not ready; the same call may work later")       \
    X(UNSUPPORTED, -13, 69, "this build or this machine cannot do it")                             \
    X(NOENGINE, -16, 1, "no rung of the ladder gave an engine")                                    \
    X(CANCELLED, -18, 75, "the caller asked to stop")

enum tn_error_code {
    TN_OK = 0,
#define X(name, code, exit_status, meaning) TN_E_##name = (code),
    TN_ERRORS(X)
#undef X
};

struct tn_error {
    int code; /* TN_E_*, or 0 while nothing has failed */
    int os;   /* errno of the failing call, or 0 */
    /** "put 3f9a…: fsync 'tmp/17': No space left on device"; control bytes escaped */
    char text[480];
};

/** "0.1.0". Static storage. */
TN_API const char *tn_library_version(void);

/** "NOSPACE" for TN_E_NOSPACE; "OK" for 0; "UNKNOWN" for anything else. Static storage. */
TN_API const char *tn_error_name(int code);

/** The table's sentence for a code. Static storage. */
TN_API const char *tn_error_meaning(int code);

/**
 * The facts that a file's bytes state about the engine in it: the object that
 * `tenon inspect --json` prints, without the guess of a board. Needs neither TensorRT nor a GPU and
 * reads at most the head and the tail.
 *
 * @param path     file to read
 * @param ret_json on success a JSON object as text; free it with tn_free()
 * @param err      says what failed; may be NULL
 * @return 0, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_INVALID (not a regular file), TN_E_IO, TN_E_NOMEM
 */
TN_API int tn_plan_inspect(const char *path, char **ret_json, struct tn_error *err);

/* ---- a loader ---------------------------------------------------------------------------- */

/**
 * The stores and this machine, as one process uses them. It remembers the answers of earlier calls
 * and proves them by stamps, so that a repeated tn_engine_get() takes microseconds; what is
 * installed on the machine is looked at once a second. May be shared by any number of threads.
 * Functions that take a loader accept NULL: one with defaults for that call alone.
 */
struct tn_loader;

/** Zeroed = defaults. */
struct tn_loader_options {
    size_t size;       /* sizeof(struct tn_loader_options) */
    const char *store; /* colon-separated folders; NULL = $TENON_STORE, else the user's */
    /** A Python whose TensorRT may build engines and try them in a child, such as the one that the
     * application runs in; NULL = only those that `tenon device` lists. */
    const char *python;
};

/**
 * @param options may be NULL
 * @param ret_loader on success a loader, owned by the caller: tn_loader_close()
 * @return 0, TN_E_UNTRUSTED (a store that others may write), TN_E_USAGE (no place for a store),
 *         TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM
 */
TN_API int tn_loader_open(const struct tn_loader_options *options, struct tn_loader **ret_loader,
                          struct tn_error *err);

/** NULL is fine. No other thread may be using it; engines that it gave stay valid. */
TN_API void tn_loader_close(struct tn_loader *loader);

/* ---- an engine --------------------------------------------------------------------------- */

/** An engine that was handed out: its file, mapped, and what is known of it. It belongs to one
 * thread at a time. */
struct tn_engine;

/** Lines that the application's TensorRT logs while it deserializes. Valid during one call of
 * tn_deserialize_fn; any thread may feed it. */
struct tn_log;

/** Severities of nvinfer1::ILogger, with its numbers. */
enum tn_line_severity {
    TN_LINE_INTERNAL_ERROR = 0,
    TN_LINE_ERROR = 1,
    TN_LINE_WARNING = 2,
    TN_LINE_INFO = 3,
    TN_LINE_VERBOSE = 4
};

/** Gives Tenon one line of the application's ILogger, so that a failure can be explained. Nothing
 * is kept beyond the telling lines; NULL is ignored. An error that begins with TN_LINE_STOPPED says
 * that the callback fails for a reason of the application's own, such as an exception: the engine
 * is kept, nothing is remembered, and the call fails with TN_E_AGAIN. */
#define TN_LINE_STOPPED "the application stopped: "
TN_API void tn_log_line(struct tn_log *log, int severity, const char *text);

/**
 * The application's deserialization, IRuntime::deserializeCudaEngine() in general.
 *
 * @param plan  the engine's bytes, mapped for reading; valid until tn_engine_close()
 * @param log   feed it what the ILogger is told
 * @param user  tn_engine_options.user
 * @return the application's object, handed out by tn_engine_object(); NULL = it failed
 */
typedef void *(*tn_deserialize_fn)(const void *plan, size_t bytes, struct tn_log *log, void *user);

/** What is going on in a call that takes long. Strings live for the call. */
struct tn_engine_event {
    size_t size;        /* of this struct in the library */
    const char *rung;   /* "fp16" */
    const char *doing;  /* "building", "waiting", "trying it on the GPU", "deserializing", … */
    const char *phase;  /* of the builder, also of the one that is waited for; "" = unknown */
    int64_t holder;     /* waiting: pid of the process that builds; 0 = unknown */
    int64_t elapsed_ms; /* since this step began */
};
/** @return false to stop: the call then fails with TN_E_CANCELLED */
typedef bool (*tn_engine_event_fn)(const struct tn_engine_event *event, void *user);

/** What is wanted, as the options of `tenon get`. Zeroed = defaults. */
struct tn_engine_options {
    size_t size;            /* sizeof(struct tn_engine_options) */
    const char *precision;  /* ladder "int8,fp16,fp32"; NULL = the spec's, else the file's own */
    const char *shapes;     /* "NAME=MIN[:OPT:MAX],…" of dynamic inputs */
    const char *runtime;    /* the TensorRT that will load it, "trt10.6.0.26"; NULL = decide */
    const char *gpu;        /* index, UUID or name; NULL = the first visible */
    const char *for_device; /* fingerprint file or board; NULL = this machine */
    const char *level;      /* "header" or "loaded"; NULL = loaded where a GPU answers */
    const char *accept;     /* "may-load": also that, where none can be built; NULL = "loads" */
    bool no_build;          /* take what is in the stores */
    bool retry;             /* forget what failed before */
    bool allow_host_code;   /* engines with code for the host are welcome */
    bool no_verify;         /* hand out the bytes without comparing them with their digest */
    int64_t build_time_limit_ms;   /* of one build; 0 = 2 h */
    int64_t build_memory_bytes;    /* address space of one build; 0 = by the machine's memory */
    tn_engine_event_fn event;      /* may be NULL */
    tn_deserialize_fn deserialize; /* tn_engine_load() needs it */
    void *user;                    /* for event and deserialize */
};

/**
 * Gets an engine that loads: from the stores, else by a build, else at the next precision. Blocks,
 * for minutes when it builds; of several processes that want one engine one builds.
 *
 * @param loader     may be NULL
 * @param model      ONNX file, model.yaml, or a name in the stores
 * @param options    may be NULL
 * @param ret_engine on success an engine, owned by the caller: tn_engine_close()
 * @param err        says rung by rung why there is none; may be NULL
 * @return 0; TN_E_NOENGINE (no rung gave one); TN_E_AGAIN (one was found, but the level that was
 *         asked for could not be reached on this machine now); TN_E_NOTFOUND, TN_E_INVALID,
 *         TN_E_USAGE (the request); TN_E_UNTRUSTED; TN_E_CANCELLED; TN_E_IO, TN_E_NOSPACE, …
 */
TN_API int tn_engine_get(struct tn_loader *loader, const char *model,
                         const struct tn_engine_options *options, struct tn_engine **ret_engine,
                         struct tn_error *err);

/**
 * Gets an engine and has the application deserialize it. An engine that fails for a reason of its
 * own is set aside with that reason, and the next one is got (built anew, or the next rung).
 * Trouble of the device (no driver, no memory) is TN_E_AGAIN, and the engine is kept. The outcome
 * and its seconds go to the spool of the first store.
 *
 * A crash inside the callback cannot be survived: a trial in a child comes first, unless the engine
 * is already known to load under this driver and runtime, or nothing here can make one.
 *
 * @return as tn_engine_get(); TN_E_AGAIN also when the callback failed for a reason of the device,
 * or without one for an engine that is known to load here; TN_E_UNSUPPORTED when it failed for a
 * lasting reason though that very engine loads here in a child: the application differs (another
 * TensorRT than options.runtime says, a plugin that it did not register). In both cases the text
 * names the engine, which is kept
 */
TN_API int tn_engine_load(struct tn_loader *loader, const char *model,
                          const struct tn_engine_options *options, struct tn_engine **ret_engine,
                          struct tn_error *err);

/** Absolute path of the plan. Lives as long as the engine. */
TN_API const char *tn_engine_path(const struct tn_engine *engine);

/** The plan's bytes, mapped read-only; they stay what they are when the file is replaced or
 * collected. Live as long as the engine. */
TN_API const void *tn_engine_bytes(const struct tn_engine *engine, size_t *ret_bytes);

/** What the callback returned; NULL after tn_engine_get(). The application destroys it. */
TN_API void *tn_engine_object(const struct tn_engine *engine);

/**
 * What is known of it: the object that `tenon get --json` prints, with `record`, the engine's own
 * (recipe, facts, how it was built).
 * @param ret_json on success JSON text; free it with tn_free()
 * @return 0, TN_E_NOMEM
 */
TN_API int tn_engine_report(const struct tn_engine *engine, char **ret_json, struct tn_error *err);

/** Unmaps and frees; the application's object is left alone. NULL is fine. */
TN_API void tn_engine_close(struct tn_engine *engine);

/* ---- questions --------------------------------------------------------------------------- */

/** Zeroed = this machine, with the runtime that an application here would load. */
struct tn_check_options {
    size_t size;            /* sizeof(struct tn_check_options) */
    const char *device;     /* board with its runtime ("t4+trt8.4.1.5") or fingerprint file */
    const char *runtime;    /* "trt10.6.0.26", "all"; NULL = decide */
    const char *gpu;        /* index, UUID or name */
    bool allow_host_code;   /* the application lets code inside an engine run */
    bool trial;             /* prove it by loading it in a child on this machine's GPU */
    int64_t trial_limit_ms; /* of one trial; 0 = 60 s, more for large engines */
    const char *python;     /* as in struct tn_loader_options */
};

/**
 * Whether an engine will load on a device, and if not, why.
 *
 * @param path     plan file
 * @param options  may be NULL
 * @param ret_json on success a JSON array, one object per GPU and runtime as `tenon check --json`
 *                 prints it; free it with tn_free()
 * @return 0 (whatever the verdicts), TN_E_NOTFOUND, TN_E_ACCESS, TN_E_USAGE, TN_E_INVALID, TN_E_IO
 */
TN_API int tn_check(const char *path, const struct tn_check_options *options, char **ret_json,
                    struct tn_error *err);

/**
 * The fingerprint of this machine: the object that `tenon device --json` prints. Opens libcuda and
 * NVML where they are; never TensorRT.
 * @param ret_json on success JSON text; free it with tn_free()
 * @return 0 (a missing driver is a fact), TN_E_INVALID (a toolchains.yaml), TN_E_NOMEM
 */
TN_API int tn_device_probe(char **ret_json, struct tn_error *err);

/* ---- the store --------------------------------------------------------------------------- */

/** All engines of the loader's stores that can be used, newest first: a JSON array of what `tenon
 * cache ls --json` prints.
 * @return 0, TN_E_IO, TN_E_NOMEM, … */
TN_API int tn_store_list(struct tn_loader *loader, char **ret_json, struct tn_error *err);

/** An operator's will about one engine, by digest, prefix of at least 6 digits, or name: what is
 * "pin" (never collected), "unpin", "bless" (handed out before others of its recipe) or "verify"
 * (its bytes are hashed now; an engine whose bytes were changed is set aside).
 * @return 0, TN_E_NOTFOUND, TN_E_USAGE (several, or no such word), TN_E_CORRUPT, TN_E_ACCESS, … */
TN_API int tn_store_mark(struct tn_loader *loader, const char *engine, const char *what,
                         struct tn_error *err);

/**
 * Collects the first store down to its bound, oldest use first; never what is pinned, in use, or
 * was used in the last day.
 * @param bound_bytes 0 = the default: 20 GiB or 20 % of the file system
 * @param ret_json    the sum that `tenon cache gc --json` prints last; free it with tn_free();
 *                    may be NULL
 * @return 0, TN_E_AGAIN (another process collects), TN_E_ACCESS, TN_E_IO, …
 */
TN_API int tn_store_collect(struct tn_loader *loader, int64_t bound_bytes, bool dry_run,
                            char **ret_json, struct tn_error *err);

/** Frees what the library returned; NULL is fine. */
TN_API void tn_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif
