/*
 * The one place that reads a clock. Durations use the monotonic clock; wall time is recorded for
 * people and never decides what is newer.
 */
#ifndef TN_BASE_CLOCK_H
#define TN_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t tn_nsec;

#define TN_NSEC_PER_S    INT64_C(1000000000)
#define TN_NSEC_PER_MS   INT64_C(1000000)
#define TN_RFC3339_BYTES 32

/** One instant by both clocks, to be kept in a file: the monotonic one counts only within a boot.
 */
struct tn_moment {
    tn_nsec monotonic, wall;
    char boot[40]; /* the kernel's id of this boot; "" = not known */
};

tn_nsec tn_clock_monotonic(void);

/** Nanoseconds since 1970, as the system believes. */
tn_nsec tn_clock_wall(void);

/** Both clocks now. */
void tn_clock_moment(struct tn_moment *ret_moment);

/** "2026-11-23T01:02:03Z"; UTC, whole seconds. */
void tn_clock_rfc3339(tn_nsec wall, char ret_text[TN_RFC3339_BYTES]);

/** Reads exactly that form back. @return false for anything else */
bool tn_clock_parse(const char *text, tn_nsec *ret_wall);

#endif
