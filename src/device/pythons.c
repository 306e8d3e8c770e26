/*
 * Pythons and where their packages lie, without starting one: from links, pyvenv.cfg and the
 * layout that every Python has. A few system calls each: the stamp of a warm start uses this too.
 */
#include "base/file.h"
#include "base/text.h"
#include "device/scan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 5, OLDEST_MINOR = 6, NEWEST_MINOR = 16 };

/* "/usr/bin/python3" -> "/usr/bin"; in place. */
static void to_folder(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash)
        slash[slash == path] = '\0';
}

/* 11 of ".../python3.11"; -1 */
static int minor_of_name(const char *path)
{
    static const char stem[] = "python3.";
    const char *base = tn_path_base(path);
    struct tn_version version;

    if (!tn_text_starts(base, stem))
        return -1;
    version = tn_version_lead(base + strlen(stem));
    return version.parts == 1 && version.part[0] < 100 ? (int)version.part[0] : -1;
}

/* Follows bin/python3 -> python3.11 until a name tells the version. */
static int minor_of_links(const struct tn_probe_setup *setup, const char *program)
{
    char path[TN_SCAN_PATH], full[TN_SCAN_PATH], target[TN_SCAN_PATH], folder[TN_SCAN_PATH];
    int minor = minor_of_name(program);

    (void)tn_text_copy(path, sizeof(path), program);
    for (int i = 0; i < LINKS_MAX && minor < 0; i++) {
        ssize_t length =
            tn_setup_path(setup, path, full) ? readlink(full, target, sizeof(target) - 1) : -1;

        if (length <= 0)
            return -1;
        target[length] = '\0';
        minor = minor_of_name(target);
        (void)tn_text_copy(folder, sizeof(folder), path);
        to_folder(folder);
        if (target[0] == '/')
            (void)tn_text_copy(path, sizeof(path), target);
        else if (!tn_format_path(path, "%s/%s", folder, target))
            return -1;
    }
    return minor;
}

static int minor_of_folders(const struct tn_probe_setup *setup, const char *prefix)
{
    char path[TN_SCAN_PATH];
    struct stat st;

    if (!tn_format_path(path, "%s/lib", prefix) || !tn_setup_stat(setup, path, &st))
        return -1; /* a shim such as pyenv's */
    for (int minor = NEWEST_MINOR; minor >= OLDEST_MINOR; minor--)
        if (tn_format_path(path, "%s/lib/python3.%d", prefix, minor) &&
            tn_setup_stat(setup, path, &st))
            return minor;
    return -1;
}

/* --- pyvenv.cfg ------------------------------------------------------------------------------- */

struct venv {
    bool is; /* a pyvenv.cfg is there */
    bool system_sites;
    int minor; /* -1 unknown */
    char home[TN_SCAN_PATH];
};

static const char *config_value(const char *line, const char *key)
{
    size_t length = strlen(key);

    if (strncmp(line, key, length) != 0)
        return NULL;
    line += length;
    line += strspn(line, " \t");
    if (*line != '=')
        return NULL;
    line++;
    return line + strspn(line, " \t");
}

static void take_config_line(struct venv *venv, const char *line)
{
    const char *version = config_value(line, "version");
    const char *home = config_value(line, "home");
    const char *system = config_value(line, "include-system-site-packages");
    struct tn_version number;

    if (!version)
        version = config_value(line, "version_info");
    number = tn_version_lead(version ? version : "");
    if (number.parts >= 2 && number.part[0] == 3 && number.part[1] < 100)
        venv->minor = (int)number.part[1];
    if (home)
        (void)tn_text_copy_n(venv->home, sizeof(venv->home), home, strcspn(home, "\r\n"));
    if (system)
        venv->system_sites = tn_text_starts(system, "true");
}

static struct venv read_venv(const struct tn_probe_setup *setup, const char *prefix)
{
    struct venv venv = { .minor = -1 };
    char path[TN_SCAN_PATH], text[4096];

    if (!tn_format_path(path, "%s/pyvenv.cfg", prefix) ||
        !tn_setup_head(setup, path, text, sizeof(text)))
        return venv;
    venv.is = true;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        take_config_line(&venv, line);
    }
    return venv;
}

/* --- sites ------------------------------------------------------------------------------------ */

/* Adds PREFIX/LIB/python3.MINOR/LEAF where it is a folder and not listed. */
static void add_site(const struct tn_probe_setup *setup, struct tn_python *python,
                     const char *prefix, const char *lib, int minor, const char *leaf)
{
    char version[16] = "";
    char *site = python->site[python->site_count];
    struct tn_stamp stamp;
    struct stat st;

    if (minor >= 0)
        (void)snprintf(version, sizeof(version), ".%d", minor);
    if (python->site_count == TN_SCAN_SITES_MAX ||
        !tn_format_path(site, "%s/%s/python3%s/%s", prefix, lib, version, leaf) ||
        !tn_setup_stat(setup, site, &st) || !S_ISDIR(st.st_mode))
        return;
    stamp = tn_stamp_of(&st);
    for (int i = 0; i < python->site_count; i++) /* lib64 is often a link to lib */
        if (python->site_stamp[i].device == stamp.device &&
            python->site_stamp[i].inode == stamp.inode)
            return;
    python->site_stamp[python->site_count] = stamp;
    python->site_count++;
}

static void add_system_sites(const struct tn_probe_setup *setup, struct tn_python *python,
                             const char *prefix, int minor)
{
    const char *home = tn_setup_env(setup, "HOME");
    char user[TN_SCAN_PATH];

    if (home && tn_format_path(user, "%s/.local", home))
        add_site(setup, python, user, "lib", minor, "site-packages");
    if (strcmp(prefix, "/usr") == 0) { /* Debian's own layout */
        add_site(setup, python, "/usr/local", "lib", minor, "dist-packages");
        add_site(setup, python, "/usr", "lib", -1, "dist-packages");
        add_site(setup, python, "/usr", "lib", minor, "dist-packages");
    }
    add_site(setup, python, prefix, "lib", minor, "site-packages");
    add_site(setup, python, prefix, "lib64", minor, "site-packages");
}

bool tn_python_at(const struct tn_probe_setup *setup, const char *program,
                  struct tn_python *ret_python)
{
    struct tn_python python = { .site_count = 0 };
    struct venv venv;
    int minor;

    if (program[0] != '/' || !tn_text_copy(python.program, sizeof(python.program), program))
        return false;
    (void)tn_text_copy(python.prefix, sizeof(python.prefix), program);
    to_folder(python.prefix);
    to_folder(python.prefix);
    venv = read_venv(setup, python.prefix);
    minor = venv.minor >= 0 ? venv.minor : minor_of_links(setup, program);
    if (minor < 0)
        minor = minor_of_folders(setup, python.prefix);
    if (minor < 0)
        return false;
    if (venv.is) {
        add_site(setup, &python, python.prefix, "lib", minor, "site-packages");
        add_site(setup, &python, python.prefix, "lib64", minor, "site-packages");
    } else {
        add_system_sites(setup, &python, python.prefix, minor);
    }
    if (venv.is && venv.system_sites && venv.home[0] == '/') {
        to_folder(venv.home);
        add_system_sites(setup, &python, venv.home, minor);
    }
    *ret_python = python;
    return true;
}

/* --- which Pythons ---------------------------------------------------------------------------- */

struct search {
    const struct tn_probe_setup *setup;
    char found[TN_SCAN_PATH];
};

static void take_path_folder(const char *folder, void *user)
{
    struct search *search = user;
    char path[TN_SCAN_PATH];
    struct stat st;

    if (!search->found[0] && folder[0] == '/' && tn_format_path(path, "%s/python3", folder) &&
        tn_setup_stat(search->setup, path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111))
        (void)tn_text_copy(search->found, sizeof(search->found), path);
}

void tn_python_each(const struct tn_probe_setup *setup,
                    void (*take)(const struct tn_python *python, void *user), void *user)
{
    static const char *const variables[] = { "VIRTUAL_ENV", "CONDA_PREFIX" };
    struct search search = { .setup = setup };
    struct tn_python python;
    char program[TN_SCAN_PATH];

    if (setup->python && setup->python[0] == '/' && tn_python_at(setup, setup->python, &python))
        take(&python, user);
    for (size_t i = 0; i < TN_COUNT(variables); i++) {
        const char *prefix = tn_setup_env(setup, variables[i]);

        if (prefix && tn_format_path(program, "%s/bin/python3", prefix) &&
            tn_python_at(setup, program, &python))
            take(&python, user);
    }
    tn_split_path(tn_setup_env(setup, "PATH"), take_path_folder, &search);
    if (search.found[0] && tn_python_at(setup, search.found, &python))
        take(&python, user);
}
