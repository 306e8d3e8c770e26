/*
 * config.yaml: what a person or an installation wrote about this machine's use of Tenon. The user's
 * ($XDG_CONFIG_HOME/tenon, else ~/.config/tenon), then the machine's (/etc/tenon); never written
 * here. A file that others may change is refused.
 *
 * No state; any thread.
 */
#ifndef TN_RECIPE_CONFIG_H
#define TN_RECIPE_CONFIG_H

#include "base/yaml.h"
#include "recipe/signature.h"

#include <limits.h>

/** Every key of config.yaml, for parser and docs. */
extern const struct tn_yaml_row tn_config_rows[];

/** The user's folder. @return 0; TN_E_USAGE when neither XDG_CONFIG_HOME nor HOME says where;
 * TN_E_TOOBIG */
int tn_config_folder(char ret_folder[PATH_MAX], struct tn_error *err);

enum { TN_CONFIG_FILES = 2 };

/** The paths of both files, whether they are there or not; "" for a user without a home. */
void tn_config_paths(char ret_path[TN_CONFIG_FILES][PATH_MAX]);

/** Called with each file that is there. @return 0 to go on, 1 to stop, or an error */
typedef int (*tn_config_fn)(const struct tn_yaml *yaml, void *user, struct tn_error *err);
/** @return 0, TN_E_UNTRUSTED (a file that others may change), TN_E_INVALID, TN_E_IO, … */
int tn_config_each(tn_config_fn each, void *user, struct tn_error *err);

/**
 * The keys that count on this machine: of `folder`, or where that is NULL of every folder that
 * `trusted-keys` of config.yaml names.
 * @param folders called with each folder that was read; may be NULL
 * @return as tn_config_each() and tn_keyring_read()
 */
typedef void (*tn_folder_fn)(const char *folder, void *user);
int tn_config_keyring(const char *folder, struct tn_keyring *ring, tn_folder_fn folders, void *user,
                      struct tn_error *err);

#endif
