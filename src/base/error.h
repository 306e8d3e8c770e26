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

#include <tenon/tenon.h> /* the table of codes, struct tn_error, tn_error_name(), tn_error_meaning() */

/** Sets `err` (may be NULL) and returns `code`. Control bytes in the text are shown as '?'. */
int tn_fail(struct tn_error *err, int code, const char *format, ...) TN_PRINTF(3, 4);

/** Like tn_fail(), with errno appended; ENOMEM, ENOSPC, EDQUOT, EACCES, EPERM, EROFS and ENOENT
 * choose their own code whatever `code` says. */
int tn_fail_os(struct tn_error *err, int code, const char *format, ...) TN_PRINTF(3, 4);

/** Puts "clause: " in front of the text already there and returns `code`. */
int tn_while(struct tn_error *err, int code, const char *format, ...) TN_PRINTF(3, 4);

/** Exit status of the command for a code: 0 for TN_OK, 70 for a code that is not in the table. */
int tn_error_exit_status(int code);

#endif
