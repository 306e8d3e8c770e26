/*
 * Facts that cost time to learn, kept in the store under stamps: a model's and this machine's.
 */
#ifndef TN_LOADER_FACTS_H
#define TN_LOADER_FACTS_H

#include "device/device.h"
#include "onnx/onnx.h"
#include "store/store.h"

/** Facts of a model file: from the cache when every file of it is as it was, else read anew and
 * kept. */
int tn_facts_model(const struct tn_store *store, const char *path, struct tn_model *ret_model,
                   struct tn_error *err);

/** The facts that tn_facts_model() would give without reading the model: kept before, and every
 * file of it is as it was. @return whether there are any */
bool tn_facts_model_known(const struct tn_store *store, const char *path,
                          struct tn_model *ret_model);

/** Digest of a file that a spec names: by its stamp when that is known, else by reading it.
 * @param store the open `struct tn_store *`, as void for tn_spec_read_with() */
int tn_facts_digest(const char *path, void *store, struct tn_digest *ret_digest,
                    struct tn_error *err);

/** This machine's fingerprint: from the cache when its stamp is the same, else probed and kept.
 * @param python an interpreter that the caller knows of, or NULL */
int tn_facts_device(const struct tn_store *store, const char *python, struct tn_device *ret_device,
                    struct tn_error *err);

#endif
