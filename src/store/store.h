/*
 * Where engines live: a list of folders, the first written, the others only read.
 *
 *   objects/sha256/ab/<rest>/plan         read-only, named by content
 *                           /record.json  recipe, facts, how it was built; written once
 *                           /record-<recipe key>.json  of further recipes that gave the same bytes
 *   records/<recipe key>.json             index: key -> digests; rebuilt from objects
 *   derived/                              ONNX variants made by converters, by content
 *   engines/<name>.engine                 relative links for people and scripts
 *   marks/<digest>.json                   an operator's will: pins, blessing
 *   hosts/<machine-id>/                   what is true of this host: stamps, facts caches, last use
 *   aside/ logs/ locks/ tmp/              refused plans with reasons; build logs; flock files;
 * swept
 *
 * Many processes may use one store at once. A kill at any instant leaves the old state or the new
 * one: an object appears by one rename of its whole folder, the index follows, and what the index
 * misses is found by looking at the objects. A `struct tn_store` belongs to one thread.
 *
 * This module knows places and trust; folder.h reads much from one folder; object.h what lies in
 * objects/, host.h what in hosts/, derived.h what in derived/, lock.h the flock files.
 */
#ifndef TN_STORE_STORE_H
#define TN_STORE_STORE_H

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"

struct tn_store;

enum { TN_STORES_MAX = 8, TN_RECORD_BYTES_MAX = 1 << 20 };

/**
 * Opens a list of stores.
 *
 * @param list colon-separated folders; NULL = $TENON_STORE, else the user's
 *             $XDG_CACHE_HOME/tenon (root: /var/lib/tenon) and, for reading, /var/lib/tenon.
 *             The first is made (0700) when it is missing; the others may be missing.
 * @return 0; TN_E_UNTRUSTED (a folder that others may write, or of another user);
 *         TN_E_USAGE (no HOME to derive a place from); TN_E_IO, TN_E_ACCESS, TN_E_NOSPACE
 */
int tn_store_open(const char *list, struct tn_store **ret_store, struct tn_error *err);
/** Like tn_store_open(), for looking only: nothing is made, and a first store that is missing holds
 * nothing. */
int tn_store_look(const char *list, struct tn_store **ret_store, struct tn_error *err);

/** Whether the folder of store `at` is there. */
bool tn_store_present(const struct tn_store *store, size_t at);

void tn_store_close(struct tn_store *store);
void tn_store_done(struct tn_store **store); /* for tn_auto() */

size_t tn_store_count(const struct tn_store *store);

/** Absolute path of store number `at`; 0 is the one that is written. */
const char *tn_store_root(const struct tn_store *store, size_t at);

/** Whether the first store can be written; else `err` says why not. @return 0, TN_E_ACCESS, … */
int tn_store_writable(const struct tn_store *store, struct tn_error *err);

/** Whether the owner and mode of something inside store `at` may be trusted. @return 0 or
 * TN_E_UNTRUSTED */
int tn_store_trusts(const struct tn_store *store, size_t at, const struct stat *st,
                    const char *path, struct tn_error *err);

/** The same, and that it is a folder (`file`: a regular file) that nobody else may write, sticky or
 * not. `st` is of the thing itself, not of where a link leads. @return 0 or TN_E_UNTRUSTED */
int tn_store_trusts_step(const struct tn_store *store, size_t at, const struct stat *st, bool file,
                         const char *path, struct tn_error *err);

/**
 * Whether all folders from the root of store `at` down to `below` can be changed by root and this
 * user alone, and are folders, not links: what another user could put there is never used.
 * @return 0, TN_E_UNTRUSTED, TN_E_NOTFOUND, TN_E_IO, TN_E_ACCESS
 */
int tn_store_trusts_folder(const struct tn_store *store, size_t at, const char *below,
                           struct tn_error *err);

/** The same, and that `below/name` is a regular file of ours or root's. */
int tn_store_trusts_file(const struct tn_store *store, size_t at, const char *below,
                         const char *name, struct tn_error *err);

/** Reads the JSON file `below/name` of store `at` when it may be trusted.
 * @return as tn_store_trusts_file(), TN_E_INVALID, TN_E_TOOBIG */
int tn_store_read_json(const struct tn_store *store, size_t at, const char *below, const char *name,
                       size_t limit, json_t **ret_json, struct tn_error *err);

/** Whether a failure says something of the moment (disk, memory, permission), not of what is there:
 * then nothing may be concluded from it, and nothing written over. */
bool tn_store_trouble(int code);

/** "ROOT/…" in new memory (free it), or NULL when memory has run out. */
char *tn_store_path(const struct tn_store *store, size_t at, const char *format, ...)
    TN_PRINTF(3, 4);

/** Makes a folder below the first store and returns its path (free it).
 * @return 0, or why it cannot be made or must not be used: TN_E_UNTRUSTED, TN_E_ACCESS, … */
int tn_store_folder(const struct tn_store *store, const char *below, char **ret_path,
                    struct tn_error *err);

/** This machine in the store: machine-id, else a digest of the host's name. Never empty. */
const char *tn_store_host(const struct tn_store *store);

#endif
