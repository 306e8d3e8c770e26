/*
 * derived/ of the first store: ONNX variants that converters made, by content, and an index by
 * (source content, converter). All of it can be made again.
 */
#ifndef TN_STORE_DERIVED_H
#define TN_STORE_DERIVED_H

#include "base/digest.h"
#include "store/store.h"

/** The variant that `converter` made of a model, its bytes checked against their digest.
 * @param ret_path new memory, free it
 * @return 0, TN_E_NOTFOUND (none, or a broken one), TN_E_NOMEM */
int tn_derived_find(const struct tn_store *store, const struct tn_digest *source,
                    const char *converter, char **ret_path, struct tn_error *err);

/** The pair (source content, converter) as one digest: derived/<it>.json is its index entry. */
int tn_derived_id(const struct tn_digest *source, const char *converter, struct tn_digest *ret_id,
                  struct tn_error *err);

/** Takes a finished file into derived/ (renamed, so on the same file system) and indexes it.
 * @param ret_path where it lies now; free it */
int tn_derived_take(const struct tn_store *store, const struct tn_digest *source,
                    const char *converter, const char *file, char **ret_path, struct tn_error *err);

#endif
