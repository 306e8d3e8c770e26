/*
 * tenon device: the fingerprint of this machine, of a bundled board, or of a file; and the one-line
 * check of a deploy script.
 */
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "device/filter.h"

#include <stdlib.h>
#include <string.h>

static const struct tn_option options[] = {
    { "require", 'r', TN_ARG_TEXT, "EXPR", NULL, false,
      "Exit 0 if the device satisfies EXPR, 1 if not, and say why." },
    { "device", 'd', TN_ARG_DEVICE, "NAME|FILE", NULL, false,
      "A bundled board with runtimes (t4+trt8.4.1.5) or a fingerprint file (default: this "
      "machine)." },
    { "boards", 0, TN_ARG_NONE, NULL, NULL, false, "List the bundled boards." },
    { "toolchains", 0, TN_ARG_FILE, "FILE", NULL, false,
      "A further toolchains.yaml (default: the usual places)." },
    { "output", 'o', TN_ARG_FILE, "FILE", NULL, false,
      "Write the fingerprint as JSON to FILE, whole or not at all." },
    { .name = NULL },
};

/* --- human ------------------------------------------------------------------------------------ */

static void print_safe(const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(16384);

    tn_text_add_safe(&safe, text, strlen(text));
    (void)fputs(tn_buf_text(&safe), stdout);
}

static void print_fact(const char *name, const char *value)
{
    if (!value[0])
        return;
    (void)printf("  %-12s ", name);
    print_safe(value);
    (void)putchar('\n');
}

static void add_part(struct tn_buf *text, const char *part)
{
    if (part[0])
        tn_buf_addf(text, "%s%s", text->size ? ", " : "", part);
}

static void add_size(struct tn_buf *text, int64_t bytes, const char *what)
{
    if (bytes < 0)
        return;
    tn_buf_adds(text, text->size ? ", " : "");
    tn_text_add_bytes(text, bytes);
    tn_buf_addf(text, " %s", what);
}

static void print_gpu(const struct tn_gpu *gpu)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1024);
    char cc[TN_CC_TEXT], index[24] = "-";

    if (gpu->index >= 0)
        (void)snprintf(index, sizeof(index), "%lld", (long long)gpu->index);
    (void)printf("  %-2s ", index);
    print_safe(gpu->name[0] ? gpu->name : "?");
    tn_gpu_cc_print(gpu, cc);
    if (cc[0])
        tn_buf_addf(&text, "compute capability %s", cc);
    if (gpu->sm_count >= 0)
        tn_buf_addf(&text, ", %lld SMs", (long long)gpu->sm_count);
    add_size(&text, gpu->memory_bytes, "memory");
    add_size(&text, gpu->l2_bytes, "L2");
    if (gpu->bus_bits >= 0)
        tn_buf_addf(&text, ", %lld bit", (long long)gpu->bus_bits);
    if (gpu->integrated >= 0)
        add_part(&text, gpu->integrated ? "integrated" : "discrete");
    if (gpu->ecc > 0)
        add_part(&text, "ECC");
    if (gpu->mig[0])
        tn_buf_addf(&text, ", MIG %s", gpu->mig);
    (void)printf("\n     %s\n", tn_buf_text(&text));
    if (gpu->uuid[0])
        (void)printf("     %s\n", gpu->uuid);
}

static void print_gpus(const struct tn_device *device)
{
    if (device->gpu_count == 0) {
        (void)printf("GPUs          none%s\n",
                     device->gpu_asked ? "" : ": no NVIDIA driver could be asked");
        return;
    }
    (void)puts("GPUs");
    for (int i = 0; i < device->gpu_count; i++)
        print_gpu(&device->gpu[i]);
}

static void print_system(const struct tn_device *device)
{
    char cuda[48] = "";

    if (device->cuda >= 0)
        (void)snprintf(cuda, sizeof(cuda), "%lld.%lld", (long long)device->cuda / 1000,
                       (long long)device->cuda % 1000 / 10);
    (void)puts("System");
    print_fact("driver", device->driver_text);
    print_fact("CUDA", cuda);
    print_fact("OS", device->os);
    print_fact("platform", device->platform);
    print_fact("module", device->jetson_module);
    print_fact("L4T", device->l4t);
    print_fact("JetPack", device->jetpack);
}

static void print_runtimes(const struct tn_device *device)
{
    size_t width = 0, found_width = 0;

    for (int i = 0; i < device->runtime_count; i++) {
        char id[TN_RUNTIME_TEXT];
        size_t found = strlen(device->runtime[i].found_by);

        tn_runtime_id_print(&device->runtime[i].id, id);
        width = strlen(id) > width ? strlen(id) : width;
        found_width = found > found_width ? found : found_width;
    }
    (void)puts(device->runtime_count ? "Runtimes" : "Runtimes      none found");
    for (int i = 0; i < device->runtime_count; i++) {
        const struct tn_runtime *runtime = &device->runtime[i];
        char id[TN_RUNTIME_TEXT];

        tn_runtime_id_print(&runtime->id, id);
        (void)printf("  %-*s  %-*s  ", (int)width, id, (int)found_width, runtime->found_by);
        print_safe(runtime->path);
        (void)putchar('\n');
    }
}

static void print_toolchains(const struct tn_device *device)
{
    size_t width = 0;

    for (int i = 0; i < device->toolchain_count; i++)
        width = strlen(device->toolchain[i].id) > width ? strlen(device->toolchain[i].id) : width;
    (void)puts(device->toolchain_count ? "Toolchains" : "Toolchains    none found");
    for (int i = 0; i < device->toolchain_count; i++) {
        const struct tn_toolchain *toolchain = &device->toolchain[i];
        char id[TN_RUNTIME_TEXT];

        tn_runtime_id_print(&toolchain->builds, id);
        (void)printf("  %-*s  %-7s  builds %s  ", (int)width, toolchain->id, toolchain->kind, id);
        print_safe(toolchain->path);
        (void)putchar('\n');
    }
}

static void print_human(const struct tn_device *device)
{
    print_gpus(device);
    print_system(device);
    print_runtimes(device);
    print_toolchains(device);
    if (device->note_count)
        (void)puts("Notes");
    for (int i = 0; i < device->note_count; i++) {
        (void)fputs("  ", stdout);
        print_safe(device->note[i]);
        (void)putchar('\n');
    }
}

/* --- boards ----------------------------------------------------------------------------------- */

static int list_boards(const struct tn_invocation *call)
{
    const char *const *names = tn_device_board_names();
    struct tn_error err = { 0 };

    for (size_t i = 0; names[i]; i++) {
        tn_auto(tn_json_done) json_t *json = NULL;
        struct tn_device device;
        int rc;

        if (!call->json) {
            (void)puts(names[i]);
            continue;
        }
        rc = tn_device_named(names[i], &device, &err);
        json = rc < 0 ? NULL : tn_device_to_json(&device);
        if (rc == TN_OK)
            rc = tn_json_line(stdout, json, &err);
        if (rc < 0)
            return tn_cli_error(call, &err);
    }
    return 0;
}

/* --- the check -------------------------------------------------------------------------------- */

/* The column that an expression error begins with: "column 12: …". */
static int column_of(const char *text)
{
    uint64_t column;
    size_t skip = strlen("column ");

    if (!tn_text_starts(text, "column "))
        return 0;
    return tn_text_u64(text + skip, strspn(text + skip, "0123456789"), &column) && column < 4096
               ? (int)column
               : 0;
}

static int syntax_error(const struct tn_invocation *call, const char *text,
                        const struct tn_error *err)
{
    int column = column_of(err->text);

    (void)fprintf(stderr, "tenon %s: --require: %s\n", call->command->name, err->text);
    if (column > 0 && !strpbrk(text, "\t\r\n"))
        (void)fprintf(stderr, "  %s\n  %*s\n", text, column, "^");
    return tn_error_exit_status(TN_E_USAGE);
}

static void free_filter(struct tn_filter **filter)
{
    tn_filter_free(*filter);
}

static int print_unmet(const struct tn_invocation *call, const char *explanation)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    json_t *unmet = json_array();
    struct tn_error err = { 0 };

    json = json_object();
    for (const char *line = explanation; *line;) {
        size_t length = strcspn(line, "\n");

        if (!call->json && !call->quiet)
            (void)printf("no: %.*s\n", (int)length, line);
        (void)json_array_append_new(unmet, json_stringn(line, length));
        line += length;
        line += *line == '\n';
    }
    tn_json_set_tri(json, "satisfied", json_array_size(unmet) == 0);
    tn_json_set(json, "unmet", unmet);
    if (call->json && tn_json_line(stdout, json, &err) < 0)
        return tn_cli_error(call, &err);
    return *explanation ? 1 : 0;
}

static int require(const struct tn_invocation *call, const struct tn_device *device,
                   const struct tn_filter *filter)
{
    tn_auto(tn_json_done) json_t *json = tn_device_attributes(device);
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256 << 10);
    struct tn_flat_attributes flat = { .json = json };

    if (!tn_filter_matches(filter, tn_flat_attribute, &flat))
        tn_filter_explain(filter, tn_flat_attribute, &flat, &text);
    return print_unmet(call, tn_buf_text(&text));
}

/* --- the command ------------------------------------------------------------------------------ */

static int write_output(const char *path, const struct tn_device *device, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_device_to_json(device);
    tn_auto(tn_str_free) char *folder = NULL;
    tn_auto(tn_str_free) char *text = tn_json_text(json);
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(1 << 20);
    const char *name = tn_path_base(path);
    int rc;

    folder = name == path ? strdup(".") : strndup(path, (size_t)(name - path));
    if (!text || !folder)
        return tn_fail(err, TN_E_NOMEM, "write '%s'", path);
    tn_buf_addf(&line, "%s\n", text);
    rc = tn_buf_check(&line, path, err);
    return rc < 0 ? rc : tn_file_replace(folder, name, line.data, line.size, 0644, err);
}

static int get_device(const struct tn_invocation *call, struct tn_device *ret_device,
                      struct tn_error *err)
{
    struct tn_probe_options probe = { .toolchains_file = tn_given(call, "toolchains") };
    const char *named = tn_given(call, "device");

    return named ? tn_device_get(named, ret_device, err) : tn_device_learn(&probe, ret_device, err);
}

static int answer(const struct tn_invocation *call, const struct tn_filter *filter)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    const char *output = tn_given(call, "output");
    struct tn_error err = { 0 };
    struct tn_device device;
    int rc = get_device(call, &device, &err);

    if (rc == TN_OK && output)
        rc = write_output(output, &device, &err);
    if (rc == TN_OK && filter)
        return require(call, &device, filter);
    if (rc == TN_OK && call->json) {
        json = tn_device_to_json(&device);
        rc = tn_json_line(stdout, json, &err);
    } else if (rc == TN_OK && !output) {
        print_human(&device);
    }
    return rc < 0 ? tn_cli_error(call, &err) : 0;
}

static int run(const struct tn_invocation *call)
{
    tn_auto(free_filter) struct tn_filter *filter = NULL;
    const char *text = tn_given(call, "require");
    struct tn_error err = { 0 };

    if (tn_given(call, "boards"))
        return list_boards(call);
    /* a mistake in the expression is told before the machine is probed */
    if (text && tn_filter_parse(text, &filter, &err) < 0)
        return syntax_error(call, text, &err);
    return answer(call, filter);
}

static const char *const examples[] = {
    "tenon device",
    "What this machine is.",
    "tenon device --require 'trt>=8.4 and cc=8.7'",
    "Stop a deploy script on the wrong machine.",
    "tenon device --output line7.json",
    "Keep the fingerprint, for 'tenon check --device line7.json' elsewhere.",
    "tenon device --device h200+lean10.15.1.29 --json",
    "The fingerprint of a bundled board with a runtime.",
    NULL,
};

const struct tn_command tn_cmd_device = {
    .name = "device",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "Show the fingerprint of a device: GPUs, driver, TensorRT runtimes, toolchains.",
    .details =
        "Probes this machine without creating a CUDA context and without loading any TensorRT: "
        "GPUs through the driver, TensorRT libraries of the system, of containers, JetPack and pip "
        "environments, with their exact versions from package records and file names, and the "
        "installations that can build engines. Two TensorRTs that disagree are noted.\n\n"
        "EXPR joins comparisons (= != < <= > >= in) of attributes by and, or, not and parentheses: "
        "`cc` compute capability, `trt` and `rtx` runtime versions, `gpu` short name, `jetpack`, "
        "`driver`, and every member of the fingerprint with dots (`gpu.sm_count`, `runtime.lean`, "
        "`cuda`). Versions compare as versions, by the parts that the shorter gives; a comparison "
        "with something that is not known is false.\n\n"
        "Toolchains are found in $VIRTUAL_ENV, $CONDA_PREFIX, the python3 and trtexec on PATH, "
        "/usr/src/tensorrt/bin, and in toolchains.yaml beside the program, in /etc/tenon and at "
        "$TENON_TOOLCHAINS.",
    .options = options,
    .examples = examples,
    .exits = "0 done, or the requirement holds; 1 it does not; 2 usage, or a mistake in EXPR; 65 a "
             "file that is no fingerprint; 66 no such board or file.",
    .run = run,
};
