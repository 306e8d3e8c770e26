/*
 * Servers as the loader's remotes: each question is a child, tenon-net, so that `tenon` itself
 * links no network library and starts as fast without one.
 *
 * One JSON request on the child's standard input, JSON lines back:
 *
 *   {"do": "release", "server": URL, "model": M, "at": A, "to": FILE}      FILE: the release
 *   {"do": "engines", "server": URL, "model": M, "to": FILE}               FILE: its records
 *   {"do": "fetch", "server": URL, "digest": HEX, "bytes": N, "to": FILE}  FILE: the blob
 *
 *   {"progress": {"done": N, "total": N}} …, then {"done": true} or {"error": {"code", "text"}}
 */
#ifndef TN_CLI_REMOTE_H
#define TN_CLI_REMOTE_H

#include "cli/command.h"
#include "loader/remote.h"

enum { TN_REMOTES_MAX = 16 };

struct tn_remotes {
    struct tn_remote remote[TN_REMOTES_MAX];
    char *url[TN_REMOTES_MAX];
    size_t count;
};

/** The servers of --remote, else all that are known (logins, config.yaml). What is wrong with the
 * latter is a warning. @return 0, or an exit status with the mistake printed */
int tn_remotes_find(const struct tn_invocation *call, struct tn_remotes *ret_remotes);
void tn_remotes_done(struct tn_remotes *remotes);

#endif
