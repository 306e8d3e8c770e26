/*
 * Who guesses too often: counts failures per key (an address, an address and what it claims to be)
 * in windows of a minute. A table of fixed size; when it is full the oldest window is forgotten.
 * Pure but for the random seed, which keeps clients from choosing their slots.
 */
#ifndef TN_HTTP_ATTEMPTS_H
#define TN_HTTP_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

enum { TN_ATTEMPTS_SLOTS = 4096, TN_ATTEMPTS_WINDOW_S = 60 };

struct tn_attempts {
    uint64_t seed;
    int64_t last_s; /* of the newest failure; see tn_attempts_quiet() */
    bool any;
    struct {
        uint64_t key; /* 0 = free */
        int64_t since_s;
        uint32_t count;
    } slot[TN_ATTEMPTS_SLOTS];
};

void tn_attempts_init(struct tn_attempts *attempts, uint64_t seed);

/** A key of two texts; `subject` may be NULL. */
uint64_t tn_attempts_key(const struct tn_attempts *attempts, const char *address,
                         const char *subject);

/** Counts a failure at `now_s` (any clock that does not jump back). */
void tn_attempts_failed(struct tn_attempts *attempts, uint64_t key, int64_t now_s);

/** Whether nobody failed for a whole window: then no key needs to be made or looked up. */
bool tn_attempts_quiet(const struct tn_attempts *attempts, int64_t now_s);

/** Failures of the key in its window. */
uint32_t tn_attempts_count(const struct tn_attempts *attempts, uint64_t key, int64_t now_s);

#endif
