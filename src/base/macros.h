/*
 * Small compiler helpers that every layer uses. No behaviour lives here.
 */
#ifndef TN_BASE_MACROS_H
#define TN_BASE_MACROS_H

/** Runs `done(&variable)` when the variable leaves scope; see docs/ARCHITECTURE.md, "Cleanup". */
#define tn_auto(done) __attribute__((cleanup(done)))

#define TN_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

#define TN_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** The value of a fact that is not known: int64_t facts are never negative otherwise. */
#define TN_UNKNOWN (-1)

#endif
