/*
 * A folder of a store, proven once and held open: what is read through it needs no second proof of
 * the way there, and nobody can put another folder in its place meanwhile.
 *
 * A walk of a thousand engines proves objects/, marks/ and the host's notes once each, and one step
 * per engine. Hold one for a call, not longer: a folder that others may write by then is only
 * noticed when it is opened again.
 */
#ifndef TN_STORE_FOLDER_H
#define TN_STORE_FOLDER_H

#include "store/store.h"

struct tn_folder {
    const struct tn_store *store; /* borrowed */
    size_t at;                    /* number of the store in the list */
    int fd;                       /* for openat() and fstatat() only; -1 = there is none */
    char *path;                   /* for messages; owned */
};
#define TN_FOLDER_NONE ((struct tn_folder) { .fd = -1 })

/** Opens `below` of store `at` after proving the way, as tn_store_trusts_folder() does.
 * @return as that */
int tn_folder_open(const struct tn_store *store, size_t at, const char *below,
                   struct tn_folder *ret_folder, struct tn_error *err);

/** One step down: the folder `name` in `parent`, if root and this user alone can change it and it
 * is no link. @return 0, TN_E_UNTRUSTED, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_IO, TN_E_NOMEM */
int tn_folder_enter(const struct tn_folder *parent, const char *name, struct tn_folder *ret_folder,
                    struct tn_error *err);

/** Called with each name but "." and "..". @return false to stop */
typedef bool (*tn_folder_name_fn)(const char *name, void *user);

/** The names in it, in the file system's order. @return 0, TN_E_ACCESS, TN_E_IO */
int tn_folder_each(const struct tn_folder *folder, tn_folder_name_fn each, void *user,
                   struct tn_error *err);

/** Facts of the regular file `name`, if root and this user alone can change it.
 * @return 0, TN_E_UNTRUSTED, TN_E_NOTFOUND (also where there is no folder), TN_E_IO */
int tn_folder_stat(const struct tn_folder *folder, const char *name, struct stat *ret_stat,
                   struct tn_error *err);

/** Reads the JSON file `name`, if root and this user alone can change it.
 * @return as tn_folder_stat(), TN_E_INVALID, TN_E_TOOBIG, TN_E_ACCESS */
int tn_folder_read_json(const struct tn_folder *folder, const char *name, size_t limit,
                        json_t **ret_json, struct tn_error *err);

void tn_folder_done(struct tn_folder *folder);

#endif
