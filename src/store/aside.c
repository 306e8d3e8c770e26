#include "store/aside.h"

#include "base/json.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

void tn_asides_done(struct tn_asides *asides)
{
    free(asides->item);
    *asides = (struct tn_asides) { 0 };
}

int64_t tn_folder_bytes(const char *path)
{
    tn_auto(tn_dir_done) DIR *dir = opendir(path);
    const struct dirent *entry;
    int64_t bytes = 0;

    if (!dir)
        return TN_UNKNOWN;
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;

        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            bytes += st.st_size;
    }
    return bytes;
}

/* A broken object may have no record, or one that is broken too: what can be read is taken. */
static void read_record(const char *folder, struct tn_aside *aside)
{
    tn_auto(tn_str_free) char *path = tn_path_join(folder, "record.json");
    tn_auto(tn_json_done) json_t *json = NULL;

    if (!path || tn_json_read(path, 1 << 20, &json, NULL) != TN_OK)
        return;
    (void)tn_text_copy(aside->name, sizeof(aside->name), tn_json_str(json, "name", ""));
    (void)tn_text_copy(aside->model, sizeof(aside->model), tn_json_str(json, "model", ""));
    (void)tn_text_copy(aside->digest, sizeof(aside->digest), tn_json_str(json, "digest", ""));
}

static void read_reason(const char *folder, struct tn_aside *aside)
{
    tn_auto(tn_str_free) char *path = tn_path_join(folder, "reason.json");
    tn_auto(tn_json_done) json_t *json = NULL;

    if (!path || tn_json_read(path, 1 << 20, &json, NULL) != TN_OK)
        return;
    (void)tn_text_copy(aside->reason, sizeof(aside->reason), tn_json_str(json, "reason", ""));
    (void)tn_text_copy(aside->time, sizeof(aside->time), tn_json_str(json, "time", ""));
    if (tn_json_str(json, "digest", NULL))
        (void)tn_text_copy(aside->digest, sizeof(aside->digest), tn_json_str(json, "digest", ""));
}

/* "<digest>-<hex nanoseconds>": the folder's own time is changed by what is written into it. */
static tn_nsec when_of(const char *name, const struct stat *st)
{
    const char *dash = strrchr(name, '-');
    char *end = NULL;
    unsigned long long when = dash ? strtoull(dash + 1, &end, 16) : 0;

    return end && end != dash + 1 && *end == '\0' && when <= INT64_MAX ? (tn_nsec)when
                                                                       : tn_stamp_of(st).mtime;
}

static bool read_one(const char *root, const char *name, struct tn_aside *ret_aside)
{
    tn_auto(tn_str_free) char *folder = tn_path_join(root, name);
    struct stat st;

    *ret_aside = (struct tn_aside) { 0 };
    if (!folder || lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode) ||
        !tn_text_copy(ret_aside->folder, sizeof(ret_aside->folder), name))
        return false;
    ret_aside->when = when_of(name, &st);
    read_record(folder, ret_aside);
    read_reason(folder, ret_aside);
    if (!ret_aside->time[0])
        tn_clock_rfc3339(ret_aside->when, ret_aside->time);
    ret_aside->bytes = tn_folder_bytes(folder);
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const struct tn_aside *x = a, *y = b;

    return (x->when < y->when) - (x->when > y->when);
}

int tn_aside_list(const struct tn_store *store, struct tn_asides *ret_asides, struct tn_error *err)
{
    tn_auto(tn_str_free) char *root = tn_store_path(store, 0, "aside");
    tn_auto(tn_dir_done) DIR *dir = root ? opendir(root) : NULL;
    tn_auto(tn_asides_done) struct tn_asides all = { 0 };
    const struct dirent *entry;

    if (!root)
        return tn_fail(err, TN_E_NOMEM, "list what was set aside");
    if (!dir && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "list '%s'", root);
    while (dir && (entry = readdir(dir)) != NULL) {
        struct tn_aside *grown;

        if (entry->d_name[0] == '.')
            continue;
        grown = realloc(all.item, (all.count + 1) * sizeof(*grown));
        if (!grown)
            return tn_fail(err, TN_E_NOMEM, "list what was set aside");
        all.item = grown;
        all.count += read_one(root, entry->d_name, &all.item[all.count]);
    }
    if (all.count > 1)
        qsort(all.item, all.count, sizeof(*all.item), newest_first);
    *ret_asides = all;
    all = (struct tn_asides) { 0 };
    return TN_OK;
}

static bool is_meant(const struct tn_aside *aside, const char *text)
{
    return strcmp(aside->folder, text) == 0 || strcmp(aside->name, text) == 0 ||
           (strlen(text) >= 6 && tn_text_starts(aside->digest, text));
}

int tn_aside_find(const struct tn_asides *asides, const char *text,
                  const struct tn_aside **ret_aside, struct tn_error *err)
{
    const struct tn_aside *found = NULL;
    size_t count = 0;

    for (size_t i = 0; i < asides->count; i++)
        if (is_meant(&asides->item[i], text)) {
            found = &asides->item[i];
            count++;
        }
    if (count == 0)
        return tn_fail(err, TN_E_NOTFOUND, "nothing that was set aside is called '%s'", text);
    if (count > 1)
        return tn_fail(err, TN_E_USAGE,
                       "'%s' means %zu things that were set aside: give the folder's name, such as "
                       "'%s'",
                       text, count, found->folder);
    *ret_aside = found;
    return TN_OK;
}
