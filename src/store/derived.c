#include "store/derived.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int tn_derived_id(const struct tn_digest *source, const char *converter, struct tn_digest *ret_id,
                  struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(4096);
    char hex[TN_DIGEST_HEX];
    int rc;

    tn_digest_hex(source, hex);
    tn_buf_addf(&text, "tenon-derived/1\n%s\n%s\n", hex, converter);
    rc = tn_buf_check(&text, "derived model", err);
    return rc < 0 ? rc : tn_digest_of(text.data, text.size, ret_id, err);
}

static int index_name(const struct tn_digest *source, const char *converter,
                      char ret_name[TN_DIGEST_HEX + 8], struct tn_error *err)
{
    char hex[TN_DIGEST_HEX];
    struct tn_digest id;
    int rc = tn_derived_id(source, converter, &id, err);

    if (rc < 0)
        return rc;
    tn_digest_hex(&id, hex);
    (void)snprintf(ret_name, TN_DIGEST_HEX + 8, "%s.json", hex);
    return TN_OK;
}

static int digest_of_file(const char *path, struct tn_digest *ret_digest, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(path, &fd, NULL, err);

    return rc < 0 ? rc : tn_digest_fd(fd, ret_digest, NULL, err);
}

/* On disk and read-only, with its digest. */
static int seal_file(const char *path, struct tn_digest *ret_digest, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(path, &fd, NULL, err);

    if (rc < 0)
        return rc;
    if (fchmod(fd, 0444) < 0)
        return tn_fail_os(err, TN_E_IO, "chmod '%s'", path);
    if (fsync(fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", path);
    return tn_digest_fd(fd, ret_digest, NULL, err);
}

int tn_derived_find(const struct tn_store *store, const struct tn_digest *source,
                    const char *converter, char **ret_path, struct tn_error *err)
{
    char name[TN_DIGEST_HEX + 8];
    char file[TN_DIGEST_HEX + 8], hex[TN_DIGEST_HEX];
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_json_done) json_t *index = NULL;
    struct tn_digest wanted, found;
    int rc = index_name(source, converter, name, err);

    if (rc < 0)
        return rc;
    rc = tn_store_read_json(store, 0, "derived", name, 65536, &index, err);
    if (rc == TN_OK)
        rc = tn_digest_parse(tn_json_str(index, "digest", ""), &wanted, err);
    if (rc < 0)
        return tn_while(err, TN_E_NOTFOUND, "derived model");
    tn_digest_hex(&wanted, hex);
    (void)snprintf(file, sizeof(file), "%s.onnx", hex);
    rc = tn_store_trusts_file(store, 0, "derived", file, err);
    if (rc < 0)
        return tn_while(err, TN_E_NOTFOUND, "derived model");
    path = tn_store_path(store, 0, "derived/%s", file);
    if (!path)
        return tn_fail(err, TN_E_NOMEM, "derived model");
    rc = digest_of_file(path, &found, err);
    if (rc < 0 || !tn_digest_equal(&wanted, &found))
        return tn_fail(err, TN_E_NOTFOUND, "derived model '%s' is gone or was changed", path);
    *ret_path = path;
    path = NULL;
    return TN_OK;
}

int tn_derived_take(const struct tn_store *store, const struct tn_digest *source,
                    const char *converter, const char *file, char **ret_path, struct tn_error *err)
{
    char name[TN_DIGEST_HEX + 8], hex[TN_DIGEST_HEX], source_hex[TN_DIGEST_HEX];
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *path = NULL;
    tn_auto(tn_json_done) json_t *index = NULL;
    tn_auto(tn_str_free) char *text = NULL;
    struct tn_digest digest;
    int rc = index_name(source, converter, name, err);

    if (rc == TN_OK)
        rc = seal_file(file, &digest, err);
    if (rc == TN_OK)
        rc = tn_store_folder(store, "derived", &folder, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&digest, hex);
    tn_digest_hex(source, source_hex);
    path = tn_store_path(store, 0, "derived/%s.onnx", hex);
    index = json_pack("{ss ss ss}", "digest", hex, "source", source_hex, "converter", converter);
    text = index ? tn_json_text(index) : NULL;
    if (!path || !text)
        return tn_fail(err, TN_E_NOMEM, "derived model");
    if (rename(file, path) < 0)
        return tn_fail_os(err, TN_E_IO, "rename '%s' to '%s'", file, path);
    rc = tn_dir_sync(folder, err);
    if (rc == TN_OK)
        rc = tn_file_replace(folder, name, text, strlen(text), 0644, err);
    if (rc < 0)
        return rc;
    *ret_path = path;
    path = NULL;
    return TN_OK;
}
