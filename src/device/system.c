/*
 * What the system's own files say: OS, architecture, kernel driver, dpkg's packages, Jetson facts.
 */
#include "base/text.h"
#include "device/boards.h"
#include "device/note.h"
#include "device/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { DPKG_BYTES_MAX = 64 << 20, SMALL_FILE_MAX = 64 << 10 };

static void take_os(struct tn_scan *scan)
{
    static const char key[] = "\nPRETTY_NAME=";
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(SMALL_FILE_MAX);
    char quote;
    const char *at;

    tn_buf_adds(&text, "\n");
    if (!tn_setup_read(scan->setup, "/etc/os-release", &text) &&
        !tn_setup_read(scan->setup, "/usr/lib/os-release", &text))
        return;
    at = strstr(tn_buf_text(&text), key);
    if (!at)
        return;
    at += strlen(key);
    quote = *at == '"' || *at == '\'' ? *at++ : '\n';
    (void)tn_text_copy_n(scan->device->os, sizeof(scan->device->os), at,
                         strcspn(at, (const char[]) { quote, '\n', '\0' }));
}

static void take_arch(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;
    struct utsname name;
    const char *arch = scan->setup->arch;

    if (!arch && uname(&name) == 0)
        arch = name.machine;
    (void)tn_text_copy(device->arch, sizeof(device->arch), arch ? arch : "");
    if (device->arch[0])
        (void)snprintf(device->platform, sizeof(device->platform), "linux-%s", device->arch);
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Release Build …": the first word
 * that is a version of two parts or more. */
static bool version_in(const char *line, char *ret_text, size_t size)
{
    while (*line) {
        size_t length = strcspn(line, " \t");
        struct tn_version version = tn_version_lead(line);

        if (version.parts >= 2 && tn_text_copy_n(ret_text, size, line, length) &&
            tn_version_parse(ret_text, &version, NULL) == TN_OK)
            return true;
        line += length;
        line += strspn(line, " \t");
    }
    return false;
}

static void take_driver(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;
    char line[256], text[sizeof(device->driver_text)];

    if (!tn_setup_line(scan->setup, "/sys/module/nvidia/version", line, sizeof(line)) &&
        !tn_setup_line(scan->setup, "/proc/driver/nvidia/version", line, sizeof(line)))
        return;
    if (!version_in(line, text, sizeof(text)))
        return;
    (void)tn_text_copy(device->driver_text, sizeof(device->driver_text), text);
    (void)tn_version_parse(text, &device->driver, NULL);
}

/* --- dpkg ------------------------------------------------------------------------------------- */

static bool matters(const char *name)
{
    return tn_text_starts(name, "libnvinfer") || tn_text_starts(name, "tensorrt") ||
           tn_text_starts(name, "libtensorrt") || strcmp(name, "nvidia-l4t-core") == 0 ||
           strcmp(name, "nvidia-jetpack") == 0;
}

/* Copies the value of "Key: value" in one paragraph. */
static bool field(const char *paragraph, const char *key, char *ret_text, size_t size)
{
    size_t length = strlen(key);

    for (const char *line = paragraph; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0)
            return tn_text_copy_n(ret_text, size, line + length, strcspn(line + length, "\n"));
    }
    return false;
}

static void take_paragraph(struct tn_scan *scan, const char *paragraph)
{
    struct tn_package package;
    char status[64];

    if (!tn_text_starts(paragraph, "Package: ") ||
        !field(paragraph, "Package: ", package.name, sizeof(package.name)) ||
        !matters(package.name) || scan->package_count == TN_SCAN_PACKAGES_MAX)
        return;
    if (field(paragraph, "Status: ", status, sizeof(status)) &&
        strstr(status, " installed") != NULL &&
        field(paragraph, "Version: ", package.version, sizeof(package.version)))
        scan->package[scan->package_count++] = package;
}

static void take_packages(struct tn_scan *scan)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(DPKG_BYTES_MAX);
    char *at, *end;

    if (!tn_setup_read(scan->setup, "/var/lib/dpkg/status", &text) || !text.data)
        return;
    for (at = text.data; at; at = end ? end + 2 : NULL) {
        end = strstr(at, "\n\n");
        if (end)
            *end = '\0';
        take_paragraph(scan, at);
    }
}

void tn_scan_system(struct tn_scan *scan)
{
    take_os(scan);
    take_arch(scan);
    take_driver(scan);
    take_packages(scan);
}

/* --- Jetson ----------------------------------------------------------------------------------- */

/* L4T -> JetPack and its TensorRT (four parts only where they were seen or documented; the others
 * are left to package records and file names). */
static const struct {
    const char *l4t, *jetpack, *tensorrt;
} jetpacks[] = {
    { "32.1", "4.2", "" },
    { "32.2", "4.2.1", "" },
    { "32.2.1", "4.2.2", "" },
    { "32.2.3", "4.2.3", "" },
    { "32.3.1", "4.3", "6.0.1.10" },
    { "32.4.2", "4.4 DP", "7.1.0.16" },
    { "32.4.3", "4.4", "" },
    { "32.4.4", "4.4.1", "" },
    { "32.5", "4.5", "" },
    { "32.5.1", "4.5.1", "" },
    { "32.5.2", "4.5.1", "" },
    { "32.6.1", "4.6", "8.0.1.6" },
    { "32.7.1", "4.6.1", "" },
    { "32.7.2", "4.6.2", "" },
    { "32.7.3", "4.6.3", "" },
    { "32.7.4", "4.6.4", "" },
    { "32.7.5", "4.6.5", "" },
    { "34.1", "5.0 DP", "" },
    { "34.1.1", "5.0.1 DP", "" },
    { "35.1", "5.0.2", "" },
    { "35.2.1", "5.1", "8.5.2.2" },
    { "35.3.1", "5.1.1", "8.5.2.2" },
    { "35.4.1", "5.1.2", "8.5.2.2" },
    { "35.5", "5.1.3", "8.5.2.2" },
    { "35.6", "5.1.4", "8.5.2.2" },
    { "36.2", "6.0 DP", "" },
    { "36.3", "6.0", "" },
    { "36.4.0", "6.1", "10.3.0.30" },
    { "36.4.2", "6.1.1", "10.3.0.30" },
    { "36.4.3", "6.2", "10.3.0.30" },
    { "36.4.4", "6.2.1", "10.3.0.30" },
    { "36.5", "6.2.2", "10.3.0.30" },
    { "38.2", "7.0", "" },
    { "38.4", "7.1", "10.13.3.9" },
    { "39.2", "7.2", "10.16.2.10" },
    { "39.2.1", "7.2.1", "10.16.2.10" },
};

/* The row that gives the most parts of those that agree: "35.5" for 35.5.0, "32.2.1" not "32.2". */
static int jetpack_row(const char *l4t)
{
    struct tn_version wanted = tn_version_lead(l4t);
    int best = -1, best_parts = 0;

    for (size_t i = 0; wanted.parts >= 2 && i < TN_COUNT(jetpacks); i++) {
        struct tn_version row = tn_version_lead(jetpacks[i].l4t);

        if (row.parts > best_parts && row.parts <= wanted.parts &&
            tn_version_compare(&row, &wanted) == 0) {
            best = (int)i;
            best_parts = row.parts;
        }
    }
    return best;
}

struct tn_version tn_jetpack_tensorrt(const char *l4t)
{
    int row = jetpack_row(l4t);

    return tn_version_lead(row < 0 ? "" : jetpacks[row].tensorrt);
}

/* "# R35 (release), REVISION: 3.1, GCID: …" */
static bool l4t_of_line(const char *line, char *ret_l4t, size_t size)
{
    static const char key[] = "REVISION: ";
    const char *major = strstr(line, "# R");
    const char *minor = strstr(line, key);
    struct tn_version a, b;

    if (!major || !minor)
        return false;
    a = tn_version_lead(major + 3);
    b = tn_version_lead(minor + strlen(key));
    if (a.parts == 0 || b.parts == 0)
        return false;
    if (b.parts > 1)
        (void)snprintf(ret_l4t, size, "%u.%u.%u", a.part[0], b.part[0], b.part[1]);
    else
        (void)snprintf(ret_l4t, size, "%u.%u", a.part[0], b.part[0]);
    return true;
}

static void take_l4t(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;
    const char *package = tn_scan_package(scan, "nvidia-l4t-core");
    char line[256];

    if (tn_setup_line(scan->setup, "/etc/nv_tegra_release", line, sizeof(line)) &&
        l4t_of_line(line, device->l4t, sizeof(device->l4t)))
        return;
    if (package)
        (void)tn_text_copy_n(device->l4t, sizeof(device->l4t), package, strcspn(package, "-+"));
}

static void take_jetpack(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;
    const char *package = tn_scan_package(scan, "nvidia-jetpack");
    int row = jetpack_row(device->l4t);

    if (package)
        (void)tn_text_copy_n(device->jetpack, sizeof(device->jetpack), package,
                             strcspn(package, "-+"));
    else if (row >= 0)
        (void)tn_text_copy(device->jetpack, sizeof(device->jetpack), jetpacks[row].jetpack);
}

/* Part numbers of modules in /proc/device-tree/compatible; models are named less steadily. */
static const struct {
    const char *part, *board;
} modules[] = {
    { "p3767-0000", "orin-nx" },   { "p3767-0001", "orin-nx" },   { "p3767-0003", "orin-nano" },
    { "p3767-0004", "orin-nano" }, { "p3767-0005", "orin-nano" }, { "p3701", "agx-orin" },
    { "p3668", "xavier-nx" },      { "p2888", "agx-xavier" },     { "p2972", "agx-xavier" },
    { "p3448", "jetson-nano" },    { "p3450", "jetson-nano" },    { "p3834", "thor" },
};

static const struct tn_board *board_of(const char *compatible, const char *model)
{
    for (size_t i = 0; i < TN_COUNT(modules); i++)
        if (strstr(compatible, modules[i].part))
            return tn_board_find(modules[i].board, strlen(modules[i].board));
    return tn_board_of_module(model);
}

/* The device tree's strings end with NULs, several in a row. */
static bool read_strings(const struct tn_scan *scan, const char *path, char *ret_text, size_t size)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(4096);

    if (!tn_setup_read(scan->setup, path, &text))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\0')
            text.data[i] = ' ';
    (void)tn_text_copy(ret_text, size, tn_buf_text(&text));
    for (size_t end = strlen(ret_text); end > 0 && strchr(" \n", ret_text[end - 1]); end--)
        ret_text[end - 1] = '\0';
    return true;
}

void tn_scan_jetson(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;
    char compatible[512] = "", model[128] = "";
    const struct tn_board *board;

    (void)read_strings(scan, "/proc/device-tree/compatible", compatible, sizeof(compatible));
    (void)read_strings(scan, "/proc/device-tree/model", model, sizeof(model));
    take_l4t(scan);
    if (!device->l4t[0] && !strstr(compatible, "nvidia,tegra"))
        return;
    take_jetpack(scan);
    board = board_of(compatible, model);
    (void)tn_text_copy(device->jetson_module, sizeof(device->jetson_module),
                       board ? board->module : model);
    (void)tn_text_copy(device->platform, sizeof(device->platform), "linux-aarch64-tegra");
    /* CUDA calls every Orin "Orin": the module names the product */
    for (int i = 0; board && i < device->gpu_count; i++)
        if (device->gpu[i].integrated != 0)
            (void)tn_text_copy(device->gpu[i].product, sizeof(device->gpu[i].product),
                               board->gpu.product);
}
