#include "store/store.h"

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SYSTEM_STORE "/var/lib/tenon"

struct place {
    char *root;
    bool present;
    uid_t owner; /* trusted besides root and us: whoever root gave the system store to */
};

struct tn_store {
    struct place place[TN_STORES_MAX];
    size_t count;
    char host[TN_DIGEST_HEX];
    struct tn_error not_writable; /* code 0 while the first store can be written */
};

void tn_store_done(struct tn_store **store)
{
    tn_store_close(*store);
}

void tn_store_close(struct tn_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++)
        free(store->place[i].root);
    free(store);
}

/* The place that a user's engines go to by habit. */
static int default_list(struct tn_buf *list, struct tn_error *err)
{
    const char *given = getenv("TENON_STORE");
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (given && *given)
        tn_buf_adds(list, given);
    else if (geteuid() == 0)
        tn_buf_adds(list, SYSTEM_STORE);
    else if (cache && *cache == '/')
        tn_buf_addf(list, "%s/tenon:%s", cache, SYSTEM_STORE);
    else if (home && *home == '/')
        tn_buf_addf(list, "%s/.cache/tenon:%s", home, SYSTEM_STORE);
    else
        return tn_fail(err, TN_E_USAGE,
                       "no place for engines: set TENON_STORE, XDG_CACHE_HOME or HOME");
    return tn_buf_check(list, "store list", err);
}

static char *absolute(const char *path, size_t length)
{
    tn_auto(tn_str_free) char *folder = NULL;
    char *copy = strndup(path, length);
    char *joined;

    while (copy && length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    if (!copy || copy[0] == '/')
        return copy;
    folder = getcwd(NULL, 0);
    joined = folder ? tn_path_join(folder, copy) : NULL;
    free(copy);
    return joined;
}

static int add_place(struct tn_store *store, const char *path, size_t length, struct tn_error *err)
{
    struct place *place = &store->place[store->count];

    if (length == 0)
        return TN_OK;
    if (store->count == TN_STORES_MAX)
        return tn_fail(err, TN_E_USAGE, "more than %d stores in the list", TN_STORES_MAX);
    place->root = absolute(path, length);
    if (!place->root)
        return tn_fail(err, TN_E_NOMEM, "store list");
    place->owner = geteuid();
    store->count++;
    return TN_OK;
}

static int split_list(struct tn_store *store, const char *list, struct tn_error *err)
{
    int rc = TN_OK;

    for (const char *at = list; rc == TN_OK; at += strcspn(at, ":") + 1) {
        rc = add_place(store, at, strcspn(at, ":"), err);
        if (at[strcspn(at, ":")] == '\0')
            break;
    }
    if (rc == TN_OK && store->count == 0)
        return tn_fail(err, TN_E_USAGE, "the store list is empty");
    return rc;
}

int tn_store_trusts(const struct tn_store *store, size_t at, const struct stat *st,
                    const char *path, struct tn_error *err)
{
    struct stat as_ours = *st;

    if (st->st_uid == store->place[at].owner)
        as_ours.st_uid = 0;
    return tn_file_trusted(&as_ours, path, err);
}

int tn_store_trusts_step(const struct tn_store *store, size_t at, const struct stat *st, bool file,
                         const char *path, struct tn_error *err)
{
    if (file ? !S_ISREG(st->st_mode) : !S_ISDIR(st->st_mode))
        return tn_fail(err, TN_E_UNTRUSTED, "'%s' is not a %s", path, file ? "file" : "folder");
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) /* sticky does not help: names could be added */
        return tn_fail(err, TN_E_UNTRUSTED,
                       "'%s' can be written by other users (mode %04o): chmod go-w it", path,
                       (unsigned)st->st_mode & 07777);
    return tn_store_trusts(store, at, st, path, err);
}

/* One step down. Links are not followed: where they lead, others may have a say. */
static int trusts_step(const struct tn_store *store, size_t at, const char *path, bool file,
                       struct tn_error *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    return tn_store_trusts_step(store, at, &st, file, path, err);
}

int tn_store_trusts_folder(const struct tn_store *store, size_t at, const char *below,
                           struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_store_path(store, at, "%s", below);
    const char *root = store->place[at].root;
    size_t root_length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    int rc = TN_OK;

    if (!path)
        return tn_fail(err, TN_E_NOMEM, "look at the store");
    for (char *slash = path + root_length; rc == TN_OK && *slash;) {
        size_t length = strcspn(slash + 1, "/");
        char kept = slash[1 + length];

        slash[1 + length] = '\0';
        if (length > 0)
            rc = trusts_step(store, at, path, false, err);
        slash[1 + length] = kept;
        slash += 1 + length;
    }
    return rc;
}

int tn_store_trusts_file(const struct tn_store *store, size_t at, const char *below,
                         const char *name, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = NULL;
    int rc = tn_store_trusts_folder(store, at, below, err);

    if (rc < 0)
        return rc;
    path = tn_store_path(store, at, "%s/%s", below, name);
    return path ? trusts_step(store, at, path, true, err)
                : tn_fail(err, TN_E_NOMEM, "look at the store");
}

int tn_store_read_json(const struct tn_store *store, size_t at, const char *below, const char *name,
                       size_t limit, json_t **ret_json, struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = NULL;
    int rc = tn_store_trusts_file(store, at, below, name, err);

    if (rc < 0)
        return rc;
    path = tn_store_path(store, at, "%s/%s", below, name);
    return path ? tn_json_read(path, limit, ret_json, err)
                : tn_fail(err, TN_E_NOMEM, "read '%s'", name);
}

/* The system store belongs to whomever root gave it to: its parents must be root's alone. */
static void trust_system_owner(struct place *place, const struct stat *st)
{
    struct stat parent;

    if (strcmp(place->root, SYSTEM_STORE) == 0 && stat("/var/lib", &parent) == 0 &&
        parent.st_uid == 0 && (parent.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        place->owner = st->st_uid;
}

static int look_at_place(struct tn_store *store, size_t at, struct tn_error *err)
{
    struct place *place = &store->place[at];
    struct stat st;

    if (stat(place->root, &st) < 0) {
        if (errno == ENOENT)
            return TN_OK;
        return tn_fail_os(err, TN_E_IO, "store '%s'", place->root);
    }
    if (!S_ISDIR(st.st_mode))
        return tn_fail(err, TN_E_USAGE, "store '%s' is not a folder", place->root);
    trust_system_owner(place, &st);
    place->present = true;
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) !=
        0) /* sticky does not help here: names could be added */
        return tn_fail(
            err, TN_E_UNTRUSTED,
            "store '%s' can be written by other users (mode %04o), and loading an engine runs "
            "code: chmod go-w it",
            place->root, (unsigned)st.st_mode & 07777);
    return tn_store_trusts(store, at, &st, place->root, err);
}

/* Makes the first store where that is wanted, and notes why it cannot be written. */
static int settle_first(struct tn_store *store, bool make, struct tn_error *err)
{
    struct place *first = &store->place[0];
    struct tn_error why = { 0 };

    if (!first->present && make && tn_dir_make(first->root, 0700, &why) == TN_OK)
        return look_at_place(store, 0, err);
    if (!first->present || access(first->root, W_OK) < 0) {
        if (!why.code)
            (void)tn_fail_os(&why, TN_E_ACCESS, "store '%s'", first->root);
        store->not_writable = why;
    }
    return TN_OK;
}

/* machine-id (systemd) names the host; without one the host's name has to do. */
static int find_host(struct tn_store *store, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf id = TN_BUF(256);
    struct utsname name;
    struct tn_digest digest;
    int rc;

    if (tn_file_read("/etc/machine-id", &id, NULL) == TN_OK &&
        strspn(tn_buf_text(&id), "0123456789abcdef") == 32) {
        (void)tn_text_copy_n(store->host, sizeof(store->host), id.data, 32);
        return TN_OK;
    }
    (void)uname(&name);
    rc = tn_digest_of(name.nodename, strlen(name.nodename), &digest, err);
    if (rc == TN_OK)
        tn_digest_hex(&digest, store->host);
    store->host[32] = '\0';
    return rc;
}

static int open_list(const char *list, bool make, struct tn_store **ret_store, struct tn_error *err)
{
    tn_auto(tn_store_done) struct tn_store *store = calloc(1, sizeof(*store));
    tn_auto(tn_buf_done) struct tn_buf usual = TN_BUF(16384);
    int rc;

    if (!store)
        return tn_fail(err, TN_E_NOMEM, "open the store");
    if (!list) {
        rc = default_list(&usual, err);
        if (rc < 0)
            return rc;
        list = tn_buf_text(&usual);
    }
    rc = split_list(store, list, err);
    for (size_t i = 0; rc == TN_OK && i < store->count; i++)
        rc = look_at_place(store, i, err);
    if (rc == TN_OK)
        rc = settle_first(store, make, err);
    if (rc == TN_OK)
        rc = find_host(store, err);
    if (rc < 0)
        return rc;
    *ret_store = store;
    store = NULL;
    return TN_OK;
}

int tn_store_open(const char *list, struct tn_store **ret_store, struct tn_error *err)
{
    return open_list(list, true, ret_store, err);
}

int tn_store_look(const char *list, struct tn_store **ret_store, struct tn_error *err)
{
    return open_list(list, false, ret_store, err);
}

bool tn_store_present(const struct tn_store *store, size_t at)
{
    return store->place[at].present;
}

size_t tn_store_count(const struct tn_store *store)
{
    return store->count;
}

const char *tn_store_root(const struct tn_store *store, size_t at)
{
    return store->place[at].root;
}

int tn_store_writable(const struct tn_store *store, struct tn_error *err)
{
    if (store->not_writable.code == TN_OK)
        return TN_OK;
    if (err)
        *err = store->not_writable;
    return store->not_writable.code;
}

bool tn_store_trouble(int code)
{
    return code == TN_E_IO || code == TN_E_NOMEM || code == TN_E_ACCESS || code == TN_E_NOSPACE;
}

const char *tn_store_host(const struct tn_store *store)
{
    return store->host;
}

char *tn_store_path(const struct tn_store *store, size_t at, const char *format, ...)
{
    tn_auto(tn_str_free) char *below = NULL;
    va_list args;
    int length;

    va_start(args, format);
    length = vasprintf(&below, format, args);
    va_end(args);
    if (length < 0) {
        below = NULL;
        return NULL;
    }
    return tn_path_join(store->place[at].root, below);
}

int tn_store_folder(const struct tn_store *store, const char *below, char **ret_path,
                    struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_store_path(store, 0, "%s", below);
    int rc = tn_store_writable(store, err);

    if (rc < 0)
        return rc;
    if (!path)
        return tn_fail(err, TN_E_NOMEM, "folder '%s' of the store", below);
    rc = tn_dir_make(path, 0755, err);
    if (rc == TN_OK)
        rc = tn_store_trusts_folder(store, 0, below, err);
    if (rc < 0)
        return rc;
    *ret_path = path;
    path = NULL;
    return TN_OK;
}
