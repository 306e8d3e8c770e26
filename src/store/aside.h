/*
 * aside/ of the first store: engines that were set aside, each with the reason. Nothing here is
 * handed out; collection removes it, and tn_object_restore() puts an engine back.
 */
#ifndef TN_STORE_ASIDE_H
#define TN_STORE_ASIDE_H

#include "base/clock.h"
#include "store/store.h"

/** One thing that was set aside. Text is foreign; a missing part is "". */
struct tn_aside {
    char folder[256]; /* name below aside/ */
    char digest[TN_DIGEST_HEX];
    char reason[1024];
    char time[64];  /* RFC 3339, as recorded; else of the folder */
    char name[256]; /* of the engine, from its record */
    char model[128];
    int64_t bytes; /* of all its files */
    tn_nsec when;  /* order of setting aside: the number in the folder's name */
};

struct tn_asides {
    struct tn_aside *item;
    size_t count;
};
void tn_asides_done(struct tn_asides *asides);

/** Everything in aside/, newest first. @return 0 (also without any), TN_E_NOMEM, TN_E_IO */
int tn_aside_list(const struct tn_store *store, struct tn_asides *ret_asides, struct tn_error *err);

/** The one thing in a list that `text` means: its folder's name, the digest of the engine or at
 * least 6 digits of it, or the engine's name.
 * @return 0, TN_E_NOTFOUND, TN_E_USAGE (several) */
int tn_aside_find(const struct tn_asides *asides, const char *text,
                  const struct tn_aside **ret_aside, struct tn_error *err);

/** Bytes of the files directly in a folder, or TN_UNKNOWN where it cannot be read. */
int64_t tn_folder_bytes(const char *path);

#endif
