#include "toolchain/child.h"

#include "base/file.h"
#include "base/libexec.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tn_nsec time_default = 2 * 3600 * TN_NSEC_PER_S;
static const int64_t disk_default = INT64_C(64) << 30;
/* An address space is not memory: a build takes about three times its RSS (facts of
 * toolchains.md §5). */
static const int64_t memory_least = INT64_C(4) << 30;
static const int64_t memory_most = INT64_C(1) << 40;
static const int64_t output_most = INT64_C(32) << 20; /* the worker cuts its log lines itself */

/* --- environment ------------------------------------------------------------------------------*/

enum { VARIABLE_BYTES = PATH_MAX + 64 };

static void environment_done(struct tn_child_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->text[i]);
}

static int add_variable(struct tn_child_environment *environment, const char *name,
                        const char *value, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(VARIABLE_BYTES);
    int rc;

    tn_buf_addf(&text, "%s=%s", name, value);
    rc = tn_buf_check(&text, name, err);
    if (rc < 0)
        return rc;
    environment->text[environment->count] = tn_buf_steal(&text);
    environment->list[environment->count] = environment->text[environment->count];
    environment->count++;
    return TN_OK;
}

/* All that the child sees of ours. Nothing of PYTHON*, LD_* or the CUDA settings of the caller can
 * change what it builds. */
static int fill_environment(const struct tn_child_setup *setup, const char *temporary,
                            struct tn_child_environment *environment, struct tn_error *err)
{
    const char *home = getenv("HOME");
    const struct {
        const char *name, *value;
    } variables[] = {
        { "PATH", "/usr/bin:/bin" },
        { "LANG", "C.UTF-8" },
        { "HOME", home && *home ? home : "/" },
        { "TMPDIR", temporary },
        { "CUDA_VISIBLE_DEVICES", setup->visible_gpu },
        { "CUDA_DEVICE_ORDER", "PCI_BUS_ID" },
        { "LD_LIBRARY_PATH", setup->toolchain->library_folder },
    };
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < TN_COUNT(variables); i++)
        if (*variables[i].value || strcmp(variables[i].name, "CUDA_VISIBLE_DEVICES") == 0)
            rc = add_variable(environment, variables[i].name, variables[i].value, err);
    return rc;
}

/* --- limits -----------------------------------------------------------------------------------*/

int64_t tn_child_memory_available(void)
{
    static const char key[] = "MemAvailable:";
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(64 << 10);
    const char *at;

    if (tn_file_read("/proc/meminfo", &text, NULL) < 0)
        return 0;
    at = strstr(tn_buf_text(&text), key);
    return at ? strtoll(at + sizeof(key) - 1, NULL, 10) * 1024 : 0;
}

static int64_t memory_limit(const struct tn_child_setup *setup)
{
    int64_t limit = 3 * tn_child_memory_available();

    if (setup->limits.memory_bytes > 0)
        return setup->limits.memory_bytes;
    if (*setup->visible_gpu)
        return 0; /* CUDA reserves address space for all memory of host and GPUs */
    if (limit < memory_least)
        return memory_least;
    return limit > memory_most ? memory_most : limit;
}

/* --- temporary folder
 * ----------------------------------------------------------------------------------*/

/* Beside the output and not in /tmp: the owner of that folder sweeps it after a kill. */
static int make_temporary(const char *output_path, char **ret_path, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(PATH_MAX);
    int rc;

    tn_buf_addf(&path, "%s.tmp", output_path);
    rc = tn_buf_check(&path, output_path, err);
    if (rc < 0)
        return rc;
    if (mkdir(tn_buf_text(&path), 0700) < 0)
        return tn_fail_os(err, TN_E_IO, "make folder '%s'", tn_buf_text(&path));
    *ret_path = tn_buf_steal(&path);
    return TN_OK;
}

/* --- the whole ---------------------------------------------------------------------------------*/

static int trust_toolchain(const struct tn_toolchain *toolchain, struct tn_error *err)
{
    int rc = tn_libexec_trust(toolchain->path, err);
    struct stat st;

    if (rc == TN_OK && *toolchain->library_folder) {
        if (stat(toolchain->library_folder, &st) < 0)
            rc = tn_fail_os(err, TN_E_IO, "look at '%s'", toolchain->library_folder);
        else
            rc = tn_file_trusted(&st, toolchain->library_folder, err);
    }
    return rc < 0 ? tn_while(err, rc, "toolchain %s", toolchain->id) : TN_OK;
}

int tn_child_open(struct tn_child *child, const struct tn_child_setup *setup, struct tn_error *err)
{
    int rc;

    *child = (struct tn_child) { .temporary = NULL };
    rc = trust_toolchain(setup->toolchain, err);
    if (rc == TN_OK)
        rc = make_temporary(setup->output_path, &child->temporary, err);
    if (rc == TN_OK)
        rc = fill_environment(setup, child->temporary, &child->environment, err);
    if (rc < 0)
        return rc;
    child->options = (struct tn_proc_options) {
        .environment = child->environment.list,
        .time_limit = setup->limits.time > 0 ? setup->limits.time : time_default,
        .address_space_bytes = memory_limit(setup),
        .file_bytes = setup->limits.disk_bytes > 0 ? setup->limits.disk_bytes : disk_default,
        .output_bytes = output_most,
        .background = true,
    };
    return TN_OK;
}

void tn_child_done(struct tn_child *child)
{
    environment_done(&child->environment);
    child->environment.count = 0;
    if (child->temporary)
        (void)tn_dir_remove(child->temporary, NULL);
    free(child->temporary);
    child->temporary = NULL;
}
