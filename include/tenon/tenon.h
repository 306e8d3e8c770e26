/*
 * libtenon: what Tenon knows, inside another program.
 *
 * The library keeps no global state, prints nothing, installs no signal handler. Every call may be
 * made from any thread. Strings that it returns are the caller's, to be freed with tn_free().
 * This is the interface of 0.x: names stay, more come.
 */
#ifndef TENON_TENON_H
#define TENON_TENON_H

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
    X(UNTRUSTED, -9, 77, "another user could change this file or folder, so it is not used")       \
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

/** Frees what the library returned; NULL is fine. */
TN_API void tn_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif
