/*
 * Containers of foreign update clients, as far as it takes to tell one from another file: what
 * `tenon engine attach` looks at before it sends anything.
 */
#ifndef TN_CLI_CONTAINER_H
#define TN_CLI_CONTAINER_H

#include "base/error.h"

#include <stdint.h>

/** The kind that a file's name says ("a.swu" -> "swupdate"), or NULL. */
const char *tn_container_kind(const char *path);

/** Whether the file is a container of the kind: an SWUpdate image begins as a cpio archive whose
 * first member is sw-description; a RAUC bundle ends with a CMS signature and its length, whatever
 * stands before it. @return 0, TN_E_INVALID (it is not, and what it lacks), TN_E_IO */
int tn_container_check(const char *kind, int fd, int64_t bytes, struct tn_error *err);

#endif
