/*
 * hosts/<machine-id>/ of the first store: JSON notes that are true of this host only. All of them
 * can be lost without harm; writing is best effort where the header says so.
 */
#ifndef TN_STORE_HOST_H
#define TN_STORE_HOST_H

#include "base/json.h"
#include "store/folder.h"

enum { TN_HOST_NOTE_BYTES_MAX = 4 << 20 };

/** Reads hosts/<id>/<name> (e.g. "models/1a2b.json"). @return 0, TN_E_NOTFOUND, TN_E_INVALID, … */
int tn_host_read(const struct tn_store *store, const char *name, json_t **ret_json,
                 struct tn_error *err);

/** Opens hosts/<id>/<kind>, to read many notes of one kind. @return as tn_folder_open() */
int tn_host_folder(const struct tn_store *store, const char *kind, struct tn_folder *ret_folder,
                   struct tn_error *err);

/** Replaces it. @return 0 or why it could not be written; callers may ignore that */
int tn_host_write(const struct tn_store *store, const char *name, const json_t *json,
                  struct tn_error *err);

#endif
