/*
 * Helpers that the library starts: the worker, the probe. Where they lie, and that nobody else can
 * change them.
 */
#ifndef TN_BASE_LIBEXEC_H
#define TN_BASE_LIBEXEC_H

#include "base/error.h"

#include <limits.h>

/**
 * Finds a helper by its file name: $TENON_LIBEXEC, or beside this library or program
 * (../libexec/tenon; in the source tree the build folder and workers/), or the folder of the
 * installation. A file or folder that others may change is refused.
 * @return 0, TN_E_NOTFOUND with the place looked at, TN_E_UNTRUSTED
 */
int tn_libexec_find(const char *name, char ret_path[PATH_MAX], struct tn_error *err);

/** Whether only root and this user can change a file and the folder that it lies in.
 * @return 0, TN_E_UNTRUSTED, TN_E_NOTFOUND, TN_E_IO */
int tn_libexec_trust(const char *path, struct tn_error *err);

#endif
