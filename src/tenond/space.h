/*
 * A disk that is known to be full: writes are refused before they change anything, because a commit
 * that fails costs the fleet a reading of the whole database. Something is tried again as soon as
 * more is free than when it failed, and now and then in any case: a quota does not show.
 *
 * A plain value, zeroed = nothing is known. Reads no clock.
 */
#ifndef TN_TENOND_SPACE_H
#define TN_TENOND_SPACE_H

#include "base/clock.h"

#include <stdbool.h>

struct tn_space {
    bool full;
    uint64_t free_bytes; /* when a commit failed last */
    tn_nsec wait, retry_at;
};

/** What a commit gave: TN_E_NOSPACE makes it known, TN_OK ends it, anything else says nothing. */
void tn_space_learn(struct tn_space *space, const char *folder, int rc, tn_nsec now);
/** Whether a write has a chance. Costs one system call while the disk is known to be full. */
bool tn_space_admits(const struct tn_space *space, const char *folder, tn_nsec now);

#endif
