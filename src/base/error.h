/*
 * Errors: one table of codes, one caller-owned struct that carries the text.
 *
 * Every function that can fail returns 0 or one TN_E_* code and takes a `struct tn_error *` last,
 * which may be NULL. The first failing place writes what was tried, on what, and errno; each layer
 * that knows more puts one clause in front with tn_while(). Nothing here allocates, so it works
 * when memory has run out. No global state; any thread.
 */
#ifndef TN_BASE_ERROR_H
#define TN_BASE_ERROR_H

#include "base/macros.h"

/* Rows: name, code (never reused), exit status of the command, meaning. docs/errors.md is cut from
 * here (tools/gen-docs), as are tn_error_name() and tn_error_meaning(). */
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
    X(CHILD, -14, 70, "a child process failed or broke its contract")                              \
    X(TIMEOUT, -15, 75, "a time limit passed")                                                     \
    X(NOENGINE, -16, 1, "no rung of the ladder gave an engine")                                    \
    X(FORBIDDEN, -17, 77, "policy forbids it")                                                     \
    X(CANCELLED, -18, 75, "the caller asked to stop")

enum tn_error_code {
    TN_OK = 0,
#define X(name, code, exit_status, meaning) TN_E_##name = code,
    TN_ERRORS(X)
#undef X
};

struct tn_error {
    int code; /* TN_E_*, or 0 while nothing has failed */
    int os;   /* errno of the failing call, or 0 */
    char
        text[480]; /* "put 3f9a…: fsync 'tmp/17': No space left on device"; control bytes escaped */
};

/** Sets `err` (may be NULL) and returns `code`. Control bytes in the text are shown as '?'. */
int tn_fail(struct tn_error *err, int code, const char *format, ...) TN_PRINTF(3, 4);

/** Like tn_fail(), with errno appended; ENOMEM, ENOSPC, EDQUOT, EACCES, EPERM, EROFS and ENOENT
 * choose their own code whatever `code` says. */
int tn_fail_os(struct tn_error *err, int code, const char *format, ...) TN_PRINTF(3, 4);

/** Puts "clause: " in front of the text already there and returns `code`. */
int tn_while(struct tn_error *err, int code, const char *format, ...) TN_PRINTF(3, 4);

/** "NOSPACE" for TN_E_NOSPACE; "OK" for 0; "UNKNOWN" for anything else. Static storage. */
const char *tn_error_name(int code);

/** The table's sentence for a code. Static storage. */
const char *tn_error_meaning(int code);

/** Exit status of the command for a code: 0 for TN_OK, 70 for a code that is not in the table. */
int tn_error_exit_status(int code);

#endif
