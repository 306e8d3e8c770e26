#include "tenond/space.h"

#include "base/error.h"

#include <sys/statvfs.h>

static const tn_nsec first_wait = TN_NSEC_PER_S, longest_wait = 60 * TN_NSEC_PER_S;

/* 0 where nobody says: then only time helps. */
static uint64_t free_bytes(const char *folder)
{
    struct statvfs fs;

    return statvfs(folder, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

void tn_space_learn(struct tn_space *space, const char *folder, int rc, tn_nsec now)
{
    if (rc == TN_OK)
        *space = (struct tn_space) { .full = false };
    if (rc != TN_E_NOSPACE)
        return;
    space->wait = space->wait ? 2 * space->wait : first_wait;
    if (space->wait > longest_wait)
        space->wait = longest_wait;
    space->full = true;
    space->free_bytes = free_bytes(folder);
    space->retry_at = now + space->wait;
}

bool tn_space_admits(const struct tn_space *space, const char *folder, tn_nsec now)
{
    return !space->full || now >= space->retry_at || free_bytes(folder) > space->free_bytes;
}
