#include "onnx/external.h"

#include "base/text.h"
#include "onnx/source.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The folder of a path, in new memory; "." without a slash. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static bool location_stays(const char *location)
{
    if (location[0] == '/')
        return false;
    for (const char *at = location;; at++) {
        size_t length = strcspn(at, "/");

        if (length == 2 && at[0] == '.' && at[1] == '.')
            return false;
        at += length;
        if (*at == '\0')
            return true;
    }
}

/* Whether `path` lies below `folder`; both resolved. */
static bool below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    if (length == 1) /* the root: everything does */
        return true;
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* Whether a resolved path lies in the model's folder, either the one that its path names or the one
 * that the model itself really lies in: caches link both the model and its data into one place. */
static int check_below(const char *real, const struct tn_model *model, struct tn_error *err)
{
    tn_auto(tn_str_free) char *named = folder_of(model->path);
    tn_auto(tn_str_free) char *named_real = named ? realpath(named, NULL) : NULL;
    tn_auto(tn_str_free) char *model_real = realpath(model->path, NULL);
    tn_auto(tn_str_free) char *model_folder = model_real ? folder_of(model_real) : NULL;

    if (!named_real || !model_folder)
        return tn_fail_os(err, TN_E_IO, "find the folder of '%s'", model->path);
    if (below(real, named_real) || below(real, model_folder))
        return TN_OK;
    return tn_fail(err, TN_E_UNTRUSTED, "external data '%s' lies outside the model's folder", real);
}

/* @param ret_real NULL when there is no such file */
static int resolve(struct tn_model *model, struct tn_model_external *external, char **ret_real,
                   struct tn_error *err)
{
    tn_auto(tn_str_free) char *folder = folder_of(model->path);
    tn_auto(tn_str_free) char *path = folder ? tn_path_join(folder, external->location) : NULL;
    char *real;
    struct stat st;
    int rc;

    if (!path)
        return tn_fail(err, TN_E_NOMEM, "external data '%s'", external->location);
    if (!location_stays(external->location))
        return tn_fail(err, TN_E_UNTRUSTED,
                       "external data '%s': a model may only name files in its own folder",
                       external->location);
    if (!tn_text_copy(external->path, sizeof(external->path), path))
        return tn_fail(err, TN_E_TOOBIG, "external data '%s': the path is too long",
                       external->location);
    *ret_real = NULL;
    real = realpath(path, NULL);
    if (!real && (errno == ENOENT || errno == ENOTDIR))
        return TN_OK;
    if (!real)
        return tn_fail_os(err, TN_E_IO, "external data '%s'", path);
    rc = check_below(real, model, err);
    /* looked at before it is opened: opening a device can already do something */
    if (rc == TN_OK && (lstat(real, &st) < 0 || !S_ISREG(st.st_mode)))
        rc = tn_fail(err, TN_E_UNTRUSTED, "external data '%s' is not a regular file", path);
    if (rc < 0)
        free(real);
    else
        *ret_real = real;
    return rc;
}

static int read_one(struct tn_model *model, struct tn_model_external *external,
                    struct tn_digest *ret_digest, struct tn_error *err)
{
    tn_auto(tn_str_free) char *real = NULL;
    tn_auto(tn_source_close) struct tn_source source = { .fd = -1 };
    int rc = resolve(model, external, &real, err);

    if (rc < 0 || !real)
        return rc;
    rc = tn_source_open(&source, real, err);
    if (rc == TN_OK)
        rc = tn_source_finish(&source, external->path, ret_digest, err);
    if (rc == TN_OK)
        external->stamp = source.stamp;
    return rc;
}

static int by_location(const void *a, const void *b)
{
    return strcmp(((const struct tn_model_external *)a)->location,
                  ((const struct tn_model_external *)b)->location);
}

/* One line of the recipe in onnx.h. */
static int add_line(struct tn_hash *hash, const struct tn_model_external *external,
                    const struct tn_digest *digest, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], line[128 + sizeof(external->location)];
    bool there = external->stamp.inode != 0;

    tn_digest_hex(digest, hex);
    (void)snprintf(line, sizeof(line), "%s %lld %s %zu %s\n", there ? "external" : "missing",
                   there ? (long long)external->stamp.size : 0LL, there ? hex : "-",
                   strlen(external->location), external->location);
    return tn_hash_add(hash, line, strlen(line), err);
}

static int add_model(struct tn_hash *hash, const struct tn_model *model, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX], text[160];

    tn_digest_hex(&model->digest, hex);
    (void)snprintf(text, sizeof(text), "tenon-model/1\nonnx %lld %s\n",
                   (long long)model->stamp.size, hex);
    return tn_hash_add(hash, text, strlen(text), err);
}

static int digest_all(struct tn_model *model, struct tn_hash *hash, struct tn_error *err)
{
    int rc = add_model(hash, model, err);

    for (size_t i = 0; i < model->external_count && rc == TN_OK; i++) {
        struct tn_digest digest = { 0 };

        rc = read_one(model, &model->external[i], &digest, err);
        if (rc == TN_OK)
            rc = add_line(hash, &model->external[i], &digest, err);
        model->size_bytes += model->external[i].stamp.size;
    }
    return rc < 0 ? rc : tn_hash_end(hash, &model->digest, err);
}

int tn_external_read(struct tn_model *model, struct tn_error *err)
{
    tn_auto(tn_hash_done) struct tn_hash hash = { { 0 } };
    int rc;

    if (model->external_count == 0)
        return TN_OK;
    qsort(model->external, model->external_count, sizeof(*model->external), by_location);
    rc = tn_hash_begin(&hash, err);
    return rc < 0 ? rc : digest_all(model, &hash, err);
}
