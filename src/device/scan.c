#include "device/scan.h"

#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *tn_setup_raw_env(const struct tn_probe_setup *setup, const char *name)
{
    return setup->env ? setup->env(name, setup->user) : getenv(name);
}

const char *tn_setup_env(const struct tn_probe_setup *setup, const char *name)
{
    const char *value = tn_setup_raw_env(setup, name);

    return value && *value ? value : NULL;
}

bool tn_format_path(char ret_path[TN_SCAN_PATH], const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(ret_path, TN_SCAN_PATH, format, args);
    va_end(args);
    return length >= 0 && length < TN_SCAN_PATH;
}

static const char *root_of(const struct tn_probe_setup *setup)
{
    return setup->root ? setup->root : "";
}

bool tn_setup_path(const struct tn_probe_setup *setup, const char *path,
                   char ret_path[TN_SCAN_PATH])
{
    return tn_format_path(ret_path, "%s%s", root_of(setup), path);
}

bool tn_setup_stat(const struct tn_probe_setup *setup, const char *path, struct stat *ret_stat)
{
    char full[TN_SCAN_PATH];

    return tn_setup_path(setup, path, full) && stat(full, ret_stat) == 0;
}

bool tn_setup_head(const struct tn_probe_setup *setup, const char *path, char *ret_text,
                   size_t size)
{
    char full[TN_SCAN_PATH];
    tn_auto(tn_fd_done) int fd = -1;
    ssize_t got;

    if (!tn_setup_path(setup, path, full))
        return false;
    fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    got = fd < 0 ? -1 : read(fd, ret_text, size - 1);
    if (got < 0)
        return false;
    ret_text[got] = '\0';
    return true;
}

bool tn_setup_line(const struct tn_probe_setup *setup, const char *path, char *ret_text,
                   size_t size)
{
    if (!tn_setup_head(setup, path, ret_text, size))
        return false;
    ret_text[strcspn(ret_text, "\r\n")] = '\0';
    return true;
}

bool tn_setup_read(const struct tn_probe_setup *setup, const char *path, struct tn_buf *ret_text)
{
    char full[TN_SCAN_PATH];

    return tn_setup_path(setup, path, full) && tn_file_read(full, ret_text, NULL) == TN_OK;
}

bool tn_setup_real(const struct tn_probe_setup *setup, const char *path,
                   char ret_path[TN_SCAN_PATH])
{
    char full[TN_SCAN_PATH], resolved[PATH_MAX], root[PATH_MAX];
    size_t length = 0;

    if (!tn_setup_path(setup, path, full) || !realpath(full, resolved))
        return false;
    if (setup->root) {
        if (!realpath(setup->root, root) || !tn_text_starts(resolved, root))
            return false;
        length = strlen(root);
    }
    return tn_text_copy(ret_path, TN_SCAN_PATH, resolved + length);
}

void tn_setup_names(const struct tn_probe_setup *setup, const char *folder,
                    void (*take)(const char *name, void *user), void *user)
{
    tn_auto(tn_dir_done) DIR *dir = NULL;
    char full[TN_SCAN_PATH];
    const struct dirent *entry;

    if (!tn_setup_path(setup, folder, full))
        return;
    dir = opendir(full);
    for (int left = TN_SCAN_ENTRIES_MAX; dir && left > 0; left--) {
        entry = readdir(dir);
        if (!entry)
            return;
        take(entry->d_name, user);
    }
}

void tn_split_path(const char *list, void (*take)(const char *part, void *user), void *user)
{
    char part[TN_SCAN_PATH];

    while (list && *list) {
        size_t length = strcspn(list, ":");

        if (length > 0 && tn_text_copy_n(part, sizeof(part), list, length))
            take(part, user);
        list += length;
        list += *list == ':';
    }
}

struct tn_version tn_version_lead(const char *text)
{
    struct tn_version version = { .parts = 0 };
    size_t length;
    uint64_t value;

    while (version.parts < 4) {
        length = strspn(text, "0123456789");
        if (!tn_text_u64(text, length, &value) || value > UINT32_MAX)
            break;
        version.part[version.parts++] = (uint32_t)value;
        text += length;
        if (*text != '.')
            break;
        text++;
    }
    return version;
}

const char *tn_scan_package(const struct tn_scan *scan, const char *name)
{
    for (int i = 0; i < scan->package_count; i++)
        if (strcmp(scan->package[i].name, name) == 0)
            return scan->package[i].version;
    return NULL;
}
