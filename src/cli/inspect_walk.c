/* Folders for `tenon inspect`. */
#include "base/file.h"
#include "base/macros.h"
#include "cli/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, ENTRIES_MAX = 4 << 20 };

struct entry {
    char *name;
    unsigned char type; /* DT_* */
};

struct listing {
    struct entry *entry;
    size_t count, capacity;
};

static void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->entry[i].name);
    free(listing->entry);
}

static bool add_entry(struct listing *listing, const char *name, unsigned char type)
{
    if (listing->count == ENTRIES_MAX)
        return false;
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
        struct entry *grown = realloc(listing->entry, capacity * sizeof(*grown));

        if (!grown)
            return false;
        listing->entry = grown;
        listing->capacity = capacity;
    }
    listing->entry[listing->count] = (struct entry) { strdup(name), type };
    return listing->entry[listing->count].name && ++listing->count;
}

/* Some file systems do not give types with names. */
static unsigned char type_of(DIR *dir, const struct dirent *found)
{
    struct stat st;

    if (found->d_type != DT_UNKNOWN)
        return found->d_type;
    if (fstatat(dirfd(dir), found->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return (unsigned char)IFTODT(st.st_mode);
}

/* A link to a file is that file (the store's engines/ holds nothing else); one to a folder is not
 * followed, since it may lead anywhere, also in a circle. */
static bool leads_to_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int list_folder(const char *folder, struct listing *listing, struct tn_error *err)
{
    tn_auto(tn_dir_done) DIR *dir = opendir(folder);
    const struct dirent *found;

    if (!dir)
        return tn_fail_os(err, TN_E_IO, "open folder '%s'", folder);
    for (errno = 0; (found = readdir(dir)) != NULL; errno = 0) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        if (!add_entry(listing, found->d_name, type_of(dir, found)))
            return tn_fail(err, TN_E_NOMEM, "list folder '%s'", folder);
    }
    if (errno != 0)
        return tn_fail_os(err, TN_E_IO, "read folder '%s'", folder);
    if (listing->count > 1)
        qsort(listing->entry, listing->count, sizeof(*listing->entry), by_name);
    return TN_OK;
}

struct walk {
    tn_inspect_visit *visit;
    void *user;
    size_t links;
};

static void walk_folder(const char *folder, int depth, struct walk *walk)
{
    tn_auto(listing_done) struct listing listing = { NULL, 0, 0 };
    struct tn_error err;

    if (list_folder(folder, &listing, &err) < 0) {
        walk->visit(folder, &err, walk->user);
        return;
    }
    for (size_t i = 0; i < listing.count; i++) {
        tn_auto(tn_str_free) char *path = tn_path_join(folder, listing.entry[i].name);

        if (!path) {
            (void)tn_fail(&err, TN_E_NOMEM, "list folder '%s'", folder);
            walk->visit(folder, &err, walk->user);
            return;
        }
        if (listing.entry[i].type == DT_REG ||
            (listing.entry[i].type == DT_LNK && leads_to_file(path)))
            walk->visit(path, NULL, walk->user);
        else if (listing.entry[i].type == DT_LNK)
            walk->links++;
        else if (listing.entry[i].type == DT_DIR && depth < DEPTH_MAX)
            walk_folder(path, depth + 1, walk);
    }
}

size_t tn_inspect_walk(const char *folder, tn_inspect_visit *visit, void *user)
{
    struct walk walk = { visit, user, 0 };

    walk_folder(folder, 0, &walk);
    return walk.links;
}
