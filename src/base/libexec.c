#include "base/libexec.h"

#include "base/file.h"
#include "base/text.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the folder of the program or library: bin/, lib/ and lib/TRIPLET/ of an installation, build/
 * and build/tests/ of the source tree. */
static const char *const beside[] = {
    "../libexec/tenon", "../../libexec/tenon", ".", "..", "../workers", "../../workers",
};

static int trust(const char *path, struct tn_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "look at '%s'", path);
    return tn_file_trusted(&st, path, err);
}

/* A file is as good as its folder: who may write there may replace it. */
int tn_libexec_trust(const char *path, struct tn_error *err)
{
    char folder[PATH_MAX];
    size_t length = (size_t)(tn_path_base(path) - path);
    int rc = trust(path, err);

    if (rc < 0)
        return rc;
    if (length == 0)
        return trust(".", err);
    (void)tn_text_copy_n(folder, sizeof(folder), path, length);
    return trust(folder, err);
}

static bool take_if_there(const char *folder, size_t folder_length, const char *below,
                          const char *name, char ret_path[PATH_MAX])
{
    char path[PATH_MAX];
    int length =
        snprintf(path, sizeof(path), "%.*s/%s/%s", (int)folder_length, folder, below, name);

    return length > 0 && (size_t)length < sizeof(path) && realpath(path, ret_path) != NULL;
}

static bool find_beside(const char *object, const char *name, char ret_path[PATH_MAX])
{
    const char *slash = strrchr(object, '/');

    for (size_t i = 0; slash && i < TN_COUNT(beside); i++)
        if (take_if_there(object, (size_t)(slash - object), beside[i], name, ret_path))
            return true;
    return false;
}

static bool find(const char *given, const char *name, char ret_path[PATH_MAX])
{
    char program[PATH_MAX] = "";
    Dl_info info = { 0 };
    ssize_t length;

    if (given)
        return take_if_there(given, strlen(given), ".", name, ret_path);
    /* A library names itself by its absolute path, a program as it was called. */
    if (dladdr(beside, &info) && info.dli_fname && info.dli_fname[0] == '/' &&
        find_beside(info.dli_fname, name, ret_path))
        return true;
    length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length > 0 && find_beside(program, name, ret_path))
        return true;
    return take_if_there(TN_LIBEXEC_DIR, strlen(TN_LIBEXEC_DIR), ".", name, ret_path);
}

int tn_libexec_find(const char *name, char ret_path[PATH_MAX], struct tn_error *err)
{
    const char *given = getenv("TENON_LIBEXEC");
    int rc;

    if (given && !*given)
        given = NULL;
    if (!find(given, name, ret_path))
        return tn_fail(err, TN_E_NOTFOUND, "%s is not in %s%s", name, given ? "TENON_LIBEXEC=" : "",
                       given ? given : TN_LIBEXEC_DIR);
    rc = tn_libexec_trust(ret_path, err);
    return rc < 0 ? tn_while(err, rc, "helper %s", name) : TN_OK;
}
