/* tenon name: engine file names, read and made; a file's header counts more than its name. */
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "compat/compat.h"
#include "device/device.h"
#include "plan/plan.h"
#include "recipe/name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct tn_option options[] = {
    { "model", 'm', TN_ARG_TEXT, "MODEL", NULL, false, "Make a name: the model's." },
    { "shapes", 's', TN_ARG_TEXT, "SHAPES", NULL, false,
      "Its shapes: 1x3x640x640, 1-4-8x3x640x640+s, or NAME=MIN[:OPT:MAX],… in the model's order." },
    { "runtime", 'r', TN_ARG_TEXT, "RUNTIME", NULL, false,
      "The version it is built by: trt8.4.1.5, rtx1.7.1.116." },
    { "arch", 'a', TN_ARG_TEXT, "GPU", NULL, false, "The GPU it is for: t4, sm89, sm80-121." },
    { "precision", 'p', TN_ARG_CHOICE, NULL, "fp32|fp16|bf16|fp8|int8|fp4|int4", false,
      "Its precision." },
    { "of", 0, TN_ARG_FILE, "ENGINE", NULL, false,
      "Take from the engine's header what it states; the options above give the rest." },
    { 0 },
};

static const char *const examples[] = {
    "tenon name yolov5s_1x3x640x640_trt8.4.1.5_t4_fp16.engine",
    "Explain a name; if the file is there, hold its header against it.",
    "tenon name --model yolov5s --shapes 1x3x640x640 --runtime trt8.4.1.5 --arch t4 --precision "
    "fp16",
    "Make a name.",
    "mv model.plan \"$(tenon name --of model.plan --model det --shapes 1x3x640x640 --precision "
    "fp16)\"",
    "Give a file the name that its header deserves.",
    NULL,
};

/* What the header of an engine says about the parts of its name. */
struct header {
    struct tn_plan plan;
    struct tn_runtime_id runtime;
    char arch[48];   /* "" = not stated */
    char shapes[64]; /* "" = not stated, or an axis is open */
};

/* ---- headers ---- */

static struct tn_runtime_id runtime_of(const struct tn_plan *plan)
{
    return (struct tn_runtime_id) { .kind = plan->flavor == TN_FLAVOR_RTX ? TN_RUNTIME_RTX
                                            : plan->flavor == TN_FLAVOR_TENSORRT
                                                ? TN_RUNTIME_TRT
                                                : TN_RUNTIME_UNKNOWN,
                                    .version = plan->version };
}

/* A board's name where exactly one fits, else the compute capability; RTX: the mask. */
static void read_arch(const struct tn_plan *plan, char ret_arch[48])
{
    struct tn_gpu gpu = plan->gpu;
    const char *names[2];

    if (plan->has_gpu && tn_compat_guess_boards(&gpu, names, TN_COUNT(names)) == 1)
        (void)tn_text_copy(gpu.product, sizeof(gpu.product), names[0]);
    tn_engine_name_arch(plan->has_gpu ? &gpu : NULL, &plan->ccs, ret_arch);
}

static int read_shapes(int fd, const struct tn_plan *plan, char ret_shapes[64],
                       struct tn_error *err)
{
    tn_auto(tn_plan_io_done) struct tn_plan_io io = { 0 };
    tn_auto(tn_shapes_done) struct tn_shapes shapes = { 0 };
    int rc = tn_plan_read_io(fd, plan, &io, err);

    if (rc < 0 || !io.found)
        return rc;
    for (size_t i = 0; i < io.count && rc == TN_OK; i++) {
        struct tn_shape_range range = { .min = io.io[i].dims,
                                        .opt = io.io[i].dims,
                                        .max = io.io[i].dims };

        if (io.io[i].output)
            continue;
        if (tn_dims_dynamic(&range.min))
            return TN_OK; /* the header has no ranges */
        (void)tn_text_copy(range.input, sizeof(range.input), io.io[i].name);
        rc = tn_shapes_add(&shapes, &range, err);
    }
    return rc < 0 ? rc : tn_engine_name_ranges(&shapes, ret_shapes, err);
}

static int read_header(const char *path, int *ret_fd, struct header *ret_header,
                       struct tn_error *err)
{
    struct header header = { .arch = "" };
    tn_auto(tn_fd_done) int fd = -1;
    struct stat st;
    int rc = tn_file_open(path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, &header.plan, err);
    if (rc == TN_OK && header.plan.kind == TN_FILE_ENGINE)
        rc = read_shapes(fd, &header.plan, header.shapes, err);
    if (rc < 0)
        return rc;
    header.runtime = runtime_of(&header.plan);
    read_arch(&header.plan, header.arch);
    *ret_header = header;
    if (ret_fd) {
        *ret_fd = fd;
        fd = -1;
    }
    return TN_OK;
}

/* ---- a name against a header ---- */

/* "sm89" or the name of a bundled board: its compute capability times ten; -1 for others. */
static int64_t cc_of_arch(const char *arch)
{
    const char *const *boards = tn_device_board_names();
    uint64_t cc;

    if (tn_text_starts(arch, "sm") && tn_text_u64(arch + 2, strlen(arch + 2), &cc) && cc < 10000)
        return (int64_t)cc;
    for (size_t i = 0; boards[i]; i++) {
        const struct tn_gpu *gpu = tn_device_board_gpu(i);

        if (strcmp(boards[i], arch) == 0 && gpu->cc_major >= 0 && gpu->cc_minor >= 0)
            return gpu->cc_major * 10 + gpu->cc_minor;
    }
    return TN_UNKNOWN;
}

static bool arch_differs(const struct tn_engine_name *parts, const struct header *header)
{
    const struct tn_gpu *gpu = &header->plan.gpu;
    int64_t cc = cc_of_arch(parts->arch);

    if (header->plan.ccs.count > 0)
        return strcmp(parts->arch, header->arch) != 0;
    return cc >= 0 && gpu->cc_major >= 0 && gpu->cc_minor >= 0 &&
           cc != gpu->cc_major * 10 + gpu->cc_minor;
}

static bool runtime_differs(const struct tn_runtime_id *said, const struct tn_runtime_id *found)
{
    if (found->kind != TN_RUNTIME_UNKNOWN && found->kind != said->kind)
        return true;
    return found->version.parts > 0 && tn_version_compare(&said->version, &found->version) != 0;
}

/* Appends what the header says otherwise, as "runtime rtx1.7.1.116, arch sm89". */
static void add_differences(struct tn_buf *text, const struct tn_engine_name *parts,
                            const struct header *header)
{
    char runtime[TN_RUNTIME_TEXT];

    if (header->plan.kind != TN_FILE_ENGINE) {
        tn_buf_addf(text, "kind %s", tn_file_kind_name(header->plan.kind));
        return;
    }
    tn_runtime_id_print(&header->runtime, runtime);
    if (runtime_differs(&parts->runtime, &header->runtime))
        tn_buf_addf(text, "runtime %s", runtime);
    if (arch_differs(parts, header))
        tn_buf_addf(text, "%sarch %s", text->size ? ", " : "", header->arch);
    if (header->shapes[0] && strcmp(header->shapes, parts->shapes) != 0)
        tn_buf_addf(text, "%sshapes %s", text->size ? ", " : "", header->shapes);
}

/* ---- answers ---- */

static json_t *parts_to_json(const char *name, const struct tn_engine_name *parts)
{
    json_t *json = json_object();
    char version[TN_VERSION_TEXT], runtime[TN_RUNTIME_TEXT];

    tn_version_print(&parts->runtime.version, version);
    tn_runtime_id_print(&parts->runtime, runtime);
    tn_json_set_str(json, "name", name);
    tn_json_set_str(json, "model", parts->model);
    tn_json_set_str(json, "shapes", parts->shapes);
    tn_json_set_str(json, "runtime", runtime);
    tn_json_set_str(json, "flavor", tn_flavor_name(tn_runtime_flavor(parts->runtime.kind)));
    tn_json_set_str(json, "version", version);
    tn_json_set_str(json, "arch", parts->arch);
    tn_json_set_str(json, "precision", tn_precision_name(parts->precision));
    tn_json_set_str(json, "key8", parts->key8);
    return json;
}

static json_t *header_to_json(const struct header *header)
{
    json_t *json = json_object();
    char version[TN_VERSION_TEXT];

    tn_version_print(&header->plan.version, version);
    tn_json_set_str(json, "kind", tn_file_kind_name(header->plan.kind));
    tn_json_set_str(json, "flavor", tn_flavor_name(header->plan.flavor));
    tn_json_set_str(json, "version", version);
    tn_json_set_str(json, "arch", header->arch);
    tn_json_set_str(json, "shapes", header->shapes);
    return json;
}

static void print_parts(const char *path, const struct tn_engine_name *parts)
{
    char runtime[TN_RUNTIME_TEXT];

    tn_runtime_id_print(&parts->runtime, runtime);
    (void)printf("%s\n  model      %s\n  shapes     %s\n  runtime    %s\n  arch       %s\n"
                 "  precision  %s\n",
                 path, parts->model, parts->shapes, runtime, parts->arch,
                 tn_precision_name(parts->precision));
    if (parts->key8[0])
        (void)printf("  key        %s…\n", parts->key8);
}

/* ---- reading names ---- */

static int show_name(const struct tn_invocation *call, const char *path,
                     const struct tn_engine_name *parts, const struct header *header)
{
    tn_auto(tn_buf_done) struct tn_buf differences = TN_BUF(512);
    bool differs;

    if (header)
        add_differences(&differences, parts, header);
    differs = differences.size > 0;
    if (call->json) {
        tn_auto(tn_json_done) json_t *json = parts_to_json(tn_path_base(path), parts);
        struct tn_error err = { 0 };

        tn_json_set_str(json, "path", header ? path : NULL);
        tn_json_set(json, "header", header ? header_to_json(header) : NULL);
        tn_json_set_tri(json, "agrees", header ? !differs : TN_UNKNOWN);
        if (tn_json_line(stdout, json, &err) < 0)
            return tn_cli_error(call, &err);
    } else {
        print_parts(path, parts);
        if (header)
            (void)printf("  header     %s%s\n", differs ? "DISAGREES: it says " : "agrees",
                         tn_buf_text(&differences));
    }
    return differs ? 1 : 0;
}

static int explain_name(const struct tn_invocation *call, const char *path)
{
    struct tn_engine_name parts;
    struct tn_error err = { 0 };
    struct header header;
    int rc = tn_engine_name_parse(path, &parts, &err);

    if (rc < 0) {
        (void)tn_cli_error(call, &err);
        return 1;
    }
    rc = read_header(path, NULL, &header, &err);
    if (rc < 0 && rc != TN_E_NOTFOUND)
        return tn_cli_error(call, &err);
    return show_name(call, path, &parts, rc == TN_OK ? &header : NULL);
}

static int explain_names(const struct tn_invocation *call)
{
    int worst = 0;

    for (size_t i = 0; i < call->arg_count; i++) {
        int status = explain_name(call, call->args[i]);

        worst = status > worst ? status : worst;
    }
    return worst;
}

/* ---- making names ---- */

/* A part of the name as the options and the header give it. */
struct making {
    const struct tn_invocation *call;
    const char *of;       /* path of the engine, or NULL */
    struct header header; /* of it */
    struct tn_engine_name parts;
};

static int take_shapes(struct making *making, struct tn_error *err)
{
    const char *given = tn_given(making->call, "shapes");
    tn_auto(tn_shapes_done) struct tn_shapes shapes = { 0 };
    int rc;

    if (!given) {
        (void)tn_text_copy(making->parts.shapes, sizeof(making->parts.shapes),
                           making->header.shapes);
        return TN_OK;
    }
    if (!strchr(given, '='))
        return tn_text_copy(making->parts.shapes, sizeof(making->parts.shapes), given)
                   ? TN_OK
                   : tn_fail(err, TN_E_USAGE,
                             "shapes of more than 60 characters: give them as NAME=SHAPE,…");
    rc = tn_shapes_parse(given, &shapes, err);
    return rc < 0 ? rc : tn_engine_name_ranges(&shapes, making->parts.shapes, err);
}

static int take_runtime(struct making *making, struct tn_error *err)
{
    const char *given = tn_given(making->call, "runtime");
    char found[TN_RUNTIME_TEXT];
    int rc;

    making->parts.runtime = making->header.runtime;
    if (!given)
        return TN_OK;
    rc = tn_runtime_id_parse(given, &making->parts.runtime, err);
    if (rc < 0)
        return rc;
    tn_runtime_id_print(&making->header.runtime, found);
    if (making->of && runtime_differs(&making->parts.runtime, &making->header.runtime))
        return tn_fail(err, TN_E_USAGE, "--runtime %.60s: the header of '%.160s' says %s", given,
                       making->of, found);
    return TN_OK;
}

static int take_arch(struct making *making, struct tn_error *err)
{
    const char *given = tn_given(making->call, "arch");

    if (!tn_text_copy(making->parts.arch, sizeof(making->parts.arch),
                      given ? given : making->header.arch))
        return tn_fail(err, TN_E_USAGE, "--arch is longer than %zu characters",
                       sizeof(making->parts.arch) - 1);
    if (making->of && given && arch_differs(&making->parts, &making->header))
        return tn_fail(err, TN_E_USAGE, "--arch %.40s: the header of '%.160s' says %s", given,
                       making->of, making->header.arch);
    return TN_OK;
}

/* Weights of one type tell the precision; a mixture does not. */
static void take_precision(struct making *making, int fd)
{
    static const struct {
        const char *weights;
        enum tn_precision precision;
    } types[] = { { "half", TN_PRECISION_FP16 },
                  { "bf16", TN_PRECISION_BF16 },
                  { "float", TN_PRECISION_FP32 } };
    const char *given = tn_given(making->call, "precision");
    char weights[64] = "";

    if (given)
        making->parts.precision = tn_precision_parse(given, strlen(given));
    else if (fd >= 0)
        (void)tn_plan_weight_precision(fd, &making->header.plan, weights, NULL);
    for (size_t i = 0; i < TN_COUNT(types); i++)
        if (strcmp(weights, types[i].weights) == 0)
            making->parts.precision = types[i].precision;
}

static int read_parts(struct making *making, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = TN_OK;

    if (making->of)
        rc = read_header(making->of, &fd, &making->header, err);
    if (rc == TN_OK && making->of && making->header.plan.kind != TN_FILE_ENGINE)
        rc = tn_fail(err, TN_E_INVALID, "'%.200s' is no engine (%s)", making->of,
                     tn_file_kind_name(making->header.plan.kind));
    if (rc == TN_OK)
        rc = take_shapes(making, err);
    if (rc == TN_OK)
        rc = take_runtime(making, err);
    if (rc == TN_OK)
        rc = take_arch(making, err);
    if (rc == TN_OK)
        take_precision(making, fd);
    return rc;
}

static const char *missing_option(const struct tn_engine_name *parts)
{
    return parts->model[0] == '\0'                    ? "model"
           : parts->shapes[0] == '\0'                 ? "shapes"
           : parts->runtime.version.parts == 0        ? "runtime"
           : parts->arch[0] == '\0'                   ? "arch"
           : parts->precision == TN_PRECISION_UNKNOWN ? "precision"
                                                      : NULL;
}

static int make_name(const struct tn_invocation *call)
{
    struct making making = { .call = call, .of = tn_given(call, "of") };
    struct tn_error err = { 0 };
    const char *model = tn_given(call, "model");
    char name[TN_ENGINE_NAME_MAX];
    const char *missing;
    int rc;

    if (model && !tn_text_copy(making.parts.model, sizeof(making.parts.model), model))
        return tn_cli_usage(call, "--model is longer than %zu bytes",
                            sizeof(making.parts.model) - 1);
    rc = read_parts(&making, &err);
    if (rc < 0)
        return tn_cli_error(call, &err);
    missing = missing_option(&making.parts);
    if (missing)
        return tn_cli_usage(
            call, making.of ? "the header does not state it: give --%s" : "--%s is missing",
            missing);
    rc = tn_engine_name_make(&making.parts, name, &err);
    if (rc < 0)
        return tn_cli_error(call, &err);
    if (call->json) {
        tn_auto(tn_json_done) json_t *json = parts_to_json(name, &making.parts);

        rc = tn_json_line(stdout, json, &err);
        return rc < 0 ? tn_cli_error(call, &err) : 0;
    }
    (void)printf("%s\n", name);
    return 0;
}

static int run(const struct tn_invocation *call)
{
    bool making = false;

    for (const struct tn_option *option = options; option->name; option++)
        making |= tn_given(call, option->name) != NULL;
    if (making && call->arg_count > 0)
        return tn_cli_usage(call, "either names to explain, or the parts of one to make");
    if (!making && call->arg_count == 0)
        return tn_cli_usage(call, "NAME… or --model, --shapes, … is missing");
    return making ? make_name(call) : explain_names(call);
}

const struct tn_command tn_cmd_name = {
    .name = "name",
    .args = "[NAME…]",
    .min_args = 0,
    .max_args = 1 << 20,
    .summary = "Explain the name of an engine file, or make one.",
    .details =
        "A name is MODEL_SHAPES_VERSION_ARCH_PRECISION.engine, read from the right. SHAPES are "
        "those of the inputs in the model's order, joined by '+'; an axis with a range is "
        "MIN-OPT-MAX; a scalar is 's'; over 60 characters they become 's' and 8 hex digits "
        "of their SHA-256. VERSION is trt8.4.1.5 or rtx1.7.1.116. ARCH is the GPU's short "
        "name or its compute capability, as t4 or sm89. A dot and 8 hex digits before "
        ".engine are the beginning of the recipe key.\n\n"
        "Where a file of that name is there, its header is held against the name: the "
        "header counts.",
    .options = options,
    .examples = examples,
    .exits =
        "0 done, and no header disagrees with its name; 1 a header disagrees, or a name is not "
        "made by the rule; 2 usage.",
    .run = run,
};
