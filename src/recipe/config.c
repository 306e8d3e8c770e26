#include "recipe/config.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG "config.yaml"

const struct tn_yaml_row tn_config_rows[] = {
    { "servers", TN_YAML_LIST, NULL, "", "Servers to know of; the first is used by default." },
    { "servers[]", TN_YAML_MAP, NULL, "", "One server." },
    { "servers[].url", TN_YAML_STRING, NULL, NULL,
      "Its address, as https://fleet.example:8600; http only reaches this machine." },
    { "servers[].ca", TN_YAML_STRING, NULL, "",
      "File of the certificates that vouch for it (PEM); default: the system's." },
    { "servers[].insecure-http", TN_YAML_BOOL, NULL, "false",
      "Send the token also over plain http to another machine, where everybody on the way can read "
      "it." },
    { "trusted-keys", TN_YAML_STRING, NULL, "",
      "Folder of the public keys (`*.pub`) whose signatures count here; an absolute path. Where "
      "both files name one, the keys of both count." },
    { NULL, TN_YAML_STRING, NULL, NULL, NULL },
};

/* ---- places ---- */

int tn_config_folder(char ret_folder[PATH_MAX], struct tn_error *err)
{
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int length = -1;

    if (xdg && xdg[0] == '/')
        length = snprintf(ret_folder, PATH_MAX, "%s/tenon", xdg);
    else if (home && home[0] == '/')
        length = snprintf(ret_folder, PATH_MAX, "%s/.config/tenon", home);
    if (length < 0)
        return tn_fail(err, TN_E_USAGE,
                       "neither XDG_CONFIG_HOME nor HOME says where credentials are kept");
    if (length + 32 >= PATH_MAX)
        return tn_fail(err, TN_E_TOOBIG, "the path of the configuration is too long");
    return TN_OK;
}

void tn_config_paths(char ret_path[TN_CONFIG_FILES][PATH_MAX])
{
    char folder[PATH_MAX];

    ret_path[0][0] = '\0';
    if (tn_config_folder(folder, NULL) == TN_OK)
        (void)snprintf(ret_path[0], PATH_MAX, "%.*s/" CONFIG, PATH_MAX - 32, folder);
    (void)snprintf(ret_path[1], PATH_MAX, "/etc/tenon/" CONFIG);
}

/* ---- reading ---- */

static int read_one(const char *path, tn_config_fn each, void *user, struct tn_error *err)
{
    struct tn_yaml *yaml = NULL;
    struct stat st;
    int rc;

    if (stat(path, &st) < 0)
        return TN_OK;
    rc = tn_file_trusted(&st, path, err);
    if (rc == TN_OK)
        rc = tn_yaml_read(path, tn_config_rows, &yaml, err);
    if (rc == TN_OK)
        rc = each(yaml, user, err);
    tn_yaml_free(yaml);
    return rc;
}

int tn_config_each(tn_config_fn each, void *user, struct tn_error *err)
{
    char path[TN_CONFIG_FILES][PATH_MAX];
    int rc = TN_OK;

    tn_config_paths(path);
    for (size_t i = 0; rc == TN_OK && i < TN_CONFIG_FILES; i++)
        if (path[i][0])
            rc = read_one(path[i], each, user, err);
    return rc < 0 ? rc : TN_OK;
}

/* ---- trusted keys ---- */

struct gathering {
    struct tn_keyring *ring;
    tn_folder_fn folders;
    void *user;
};

static int gather(const char *folder, const struct gathering *gathering, struct tn_error *err)
{
    if (gathering->folders)
        gathering->folders(folder, gathering->user);
    return tn_keyring_read(folder, gathering->ring, err);
}

static int gather_of_config(const struct tn_yaml *yaml, void *user, struct tn_error *err)
{
    const struct tn_yaml_node *node = tn_yaml_find(yaml, "trusted-keys");
    const char *folder = tn_yaml_text(node, "");
    int rc;

    if (!node)
        return TN_OK;
    if (folder[0] != '/')
        return tn_yaml_fail(yaml, node, TN_E_INVALID, err, "'%.100s' is no absolute path", folder);
    rc = gather(folder, user, err);
    return rc < 0 ? tn_while(err, rc, "trusted-keys") : TN_OK;
}

int tn_config_keyring(const char *folder, struct tn_keyring *ring, tn_folder_fn folders, void *user,
                      struct tn_error *err)
{
    struct gathering gathering = { .ring = ring, .folders = folders, .user = user };

    return folder ? gather(folder, &gathering, err)
                  : tn_config_each(gather_of_config, &gathering, err);
}
