#include "loader/facts.h"

#include "base/text.h"
#include "store/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "<kind>/<32 hex of the absolute path>.json" */
static int note_name_of(const char *kind, const char *path, char ret_name[64], struct tn_error *err)
{
    tn_auto(tn_str_free) char *folder = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
    tn_auto(tn_str_free) char *full = folder ? tn_path_join(folder, path) : NULL;
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX];
    int rc;

    if (!full)
        return tn_fail(err, TN_E_NOMEM, "facts of '%s'", path);
    rc = tn_digest_of(full, strlen(full), &digest, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&digest, hex);
    (void)snprintf(ret_name, 64, "%.16s/%.32s.json", kind, hex);
    return TN_OK;
}

static bool settled(const struct tn_model *model, tn_nsec wall)
{
    bool all = tn_stamp_settled(&model->stamp, wall);

    for (size_t i = 0; all && i < model->external_count; i++)
        all = tn_stamp_settled(&model->external[i].stamp, wall);
    return all;
}

static bool cached_model(const struct tn_store *store, const char *note_name,
                         struct tn_model *ret_model)
{
    tn_auto(tn_json_done) json_t *note = NULL;
    struct tn_model model;

    if (tn_host_read(store, note_name, &note, NULL) != TN_OK ||
        tn_model_from_json(note, &model, NULL) != TN_OK)
        return false;
    if (!tn_model_unchanged(&model)) {
        tn_model_done(&model);
        return false;
    }
    *ret_model = model;
    return true;
}

bool tn_facts_model_known(const struct tn_store *store, const char *path,
                          struct tn_model *ret_model)
{
    char note_name[64];

    return note_name_of("models", path, note_name, NULL) == TN_OK &&
           cached_model(store, note_name, ret_model);
}

int tn_facts_model(const struct tn_store *store, const char *path, struct tn_model *ret_model,
                   struct tn_error *err)
{
    char note_name[64];
    tn_auto(tn_json_done) json_t *note = NULL;
    int rc = note_name_of("models", path, note_name, err);

    if (rc < 0)
        return rc;
    if (cached_model(store, note_name, ret_model)) {
        (void)tn_text_copy(ret_model->path, sizeof(ret_model->path), path);
        return TN_OK;
    }
    rc = tn_model_read(path, ret_model, err);
    if (rc < 0)
        return rc;
    if (!settled(ret_model, tn_clock_wall()))
        return TN_OK; /* a change within the clock's step would not show: read again next time */
    note = tn_model_to_json(ret_model);
    (void)tn_host_write(store, note_name, note, NULL); /* only a read is lost */
    return TN_OK;
}

int tn_facts_digest(const char *path, void *store, struct tn_digest *ret_digest,
                    struct tn_error *err)
{
    char note_name[64], hex[TN_DIGEST_HEX];
    tn_auto(tn_fd_done) int fd = -1;
    tn_auto(tn_json_done) json_t *note = NULL;
    tn_auto(tn_json_done) json_t *fresh = NULL;
    struct tn_stamp stamp, kept;
    struct stat st;
    int rc = note_name_of("files", path, note_name, err);

    if (rc == TN_OK)
        rc = tn_file_open(path, &fd, &st, err);
    if (rc < 0)
        return rc;
    stamp = tn_stamp_of(&st);
    if (tn_host_read(store, note_name, &note, NULL) == TN_OK &&
        tn_stamp_from_json(json_object_get(note, "stamp"), &kept) &&
        tn_stamp_equal(&kept, &stamp) &&
        tn_digest_parse(tn_json_str(note, "digest", ""), ret_digest, NULL) == TN_OK)
        return TN_OK;
    rc = tn_digest_fd(fd, ret_digest, NULL, err);
    if (rc < 0 || !tn_stamp_settled(&stamp, tn_clock_wall()))
        return rc;
    tn_digest_hex(ret_digest, hex);
    fresh = json_pack("{ss so}", "digest", hex, "stamp", tn_stamp_to_json(&stamp));
    if (fresh)
        (void)tn_host_write(store, note_name, fresh, NULL); /* only a hash is lost */
    return TN_OK;
}

int tn_facts_device(const struct tn_store *store, const char *python, struct tn_device *ret_device,
                    struct tn_error *err)
{
    const struct tn_probe_options options = { .python = python };
    /* two places, so that a service and the command do not take turns in one */
    const char *name = python ? "fingerprint-python.json" : "fingerprint.json";
    tn_auto(tn_buf_done) struct tn_buf stamp = TN_BUF(65536);
    tn_auto(tn_json_done) json_t *note = NULL;
    tn_auto(tn_json_done) json_t *fresh = NULL;
    int rc;

    tn_device_stamp_for(&options, &stamp);
    rc = tn_buf_check(&stamp, "stamp of this machine", err);
    if (rc < 0)
        return rc;
    if (tn_host_read(store, name, &note, NULL) == TN_OK &&
        strcmp(tn_json_str(note, "stamp", ""), tn_buf_text(&stamp)) == 0 &&
        tn_device_from_json(json_object_get(note, "device"), ret_device, NULL) == TN_OK)
        return TN_OK;
    rc = tn_device_learn(&options, ret_device, err);
    if (rc < 0)
        return rc;
    fresh = json_object();
    tn_json_set_str(fresh, "stamp", tn_buf_text(&stamp));
    tn_json_set(fresh, "device", tn_device_to_json(ret_device));
    (void)tn_host_write(store, name, fresh, NULL); /* only a probe is lost */
    return TN_OK;
}
