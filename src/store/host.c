#include "store/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "hosts/<id>/kind" of the note "kind/name". */
static void folder_of(const struct tn_store *store, const char *name, char ret_below[256])
{
    const char *slash = strrchr(name, '/');

    (void)snprintf(ret_below, 256, "hosts/%s%s%.*s", tn_store_host(store), slash ? "/" : "",
                   slash ? (int)(slash - name) : 0, name);
}

int tn_host_read(const struct tn_store *store, const char *name, json_t **ret_json,
                 struct tn_error *err)
{
    char below[256];

    folder_of(store, name, below);
    return tn_store_read_json(store, 0, below, tn_path_base(name), TN_HOST_NOTE_BYTES_MAX, ret_json,
                              err);
}

int tn_host_folder(const struct tn_store *store, const char *kind, struct tn_folder *ret_folder,
                   struct tn_error *err)
{
    char below[256];

    (void)snprintf(below, sizeof(below), "hosts/%s/%s", tn_store_host(store), kind);
    return tn_folder_open(store, 0, below, ret_folder, err);
}

int tn_host_write(const struct tn_store *store, const char *name, const json_t *json,
                  struct tn_error *err)
{
    char below[256];
    const char *base = tn_path_base(name);
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *text = tn_json_text(json);
    int rc;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "host note '%s'", name);
    folder_of(store, name, below);
    rc = tn_store_folder(store, below, &folder, err);
    if (rc == TN_OK)
        rc = tn_file_replace(folder, base, text, strlen(text), 0644, err);
    return rc;
}
