#include "store/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_NOTE_BYTES_MAX = 4 << 20 };

static void free_text(char **text)
{
    free(*text);
}

int tn_host_read(const struct tn_store *store, const char *name, json_t **ret_json,
                 struct tn_error *err)
{
    tn_auto(tn_path_free) char *path =
        tn_store_path(store, 0, "hosts/%s/%s", tn_store_host(store), name);

    if (!path)
        return tn_fail(err, TN_E_NOMEM, "host note '%s'", name);
    return tn_json_read(path, HOST_NOTE_BYTES_MAX, ret_json, err);
}

int tn_host_write(const struct tn_store *store, const char *name, const json_t *json,
                  struct tn_error *err)
{
    char below[256];
    const char *base = tn_path_base(name);
    tn_auto(tn_path_free) char *folder = NULL;
    tn_auto(free_text) char *text = tn_json_text(json);
    int rc;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "host note '%s'", name);
    (void)snprintf(below, sizeof(below), "hosts/%s/%.*s", tn_store_host(store), (int)(base - name),
                   name);
    rc = tn_store_folder(store, below, &folder, err);
    if (rc == TN_OK)
        rc = tn_file_replace(folder, base, text, strlen(text), 0644, err);
    return rc;
}
