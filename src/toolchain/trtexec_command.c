#include "toolchain/trtexec_command.h"

#include "base/libexec.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- releases ---------------------------------------------------------------------------------*/

struct release {
    uint32_t major, minor; /* 0.0 = no bound */
};

static int compare_release(const struct tn_version *version, struct release release)
{
    struct tn_version bound = { .part = { release.major, release.minor }, .parts = 2 };

    return tn_version_compare(version, &bound);
}

bool tn_trtexec_supported(const struct tn_version *release)
{
    static const struct release first = { 8, 2 }, after = { 12, 0 };

    return release->parts > 0 && compare_release(release, first) >= 0 &&
           compare_release(release, after) < 0;
}

bool tn_trtexec_tried(const struct tn_version *release)
{
    static const char *const tried[] = { "8.6.1", "10.6", "10.15", "11.1" };
    struct tn_version one;

    for (size_t i = 0; i < TN_COUNT(tried); i++)
        if (release->parts >= 2 && tn_version_parse(tried[i], &one, NULL) == TN_OK &&
            tn_version_compare(release, &one) == 0)
            return true;
    return false;
}

int tn_trtexec_check(const struct tn_toolchain *toolchain, struct tn_error *err)
{
    char release[TN_VERSION_TEXT];

    tn_version_print(&toolchain->builds.version, release);
    if (tn_trtexec_supported(&toolchain->builds.version))
        return TN_OK;
    return tn_fail(err, TN_E_UNSUPPORTED, "toolchain %s: trtexec %s; 8.2 to 11 can be driven here",
                   toolchain->id, *release ? release : "of a release that is not known");
}

void tn_trtexec_caution(const struct tn_version *release, char ret_text[128])
{
    char text[TN_VERSION_TEXT];

    ret_text[0] = '\0';
    tn_version_print(release, text);
    if (!tn_trtexec_tried(release))
        (void)snprintf(ret_text, 128, "trtexec %s: options from the release tables, not tried",
                       text);
}

/* --- options ----------------------------------------------------------------------------------*/

/* What is asked for, how trtexec spells it, and which releases know that spelling. A spelling that
 * ends in '=' or ':' takes a value. NULL: nothing need be said. */
struct option {
    const char *asked, *spelling;
    struct release from, before;
};

static const struct option options[] = {
    { "a model", "--onnx=", { 8, 2 }, { 0, 0 } },
    { "a file to write", "--saveEngine=", { 8, 2 }, { 0, 0 } },
    { "a build alone", "--buildOnly", { 8, 2 }, { 8, 6 } },
    { "a build alone", "--skipInference", { 8, 6 }, { 0, 0 } },
    { "shapes min", "--minShapes=", { 8, 2 }, { 0, 0 } },
    { "shapes opt", "--optShapes=", { 8, 2 }, { 0, 0 } },
    { "shapes max", "--maxShapes=", { 8, 2 }, { 0, 0 } },
    { "workspace", "--workspace=", { 8, 2 }, { 8, 4 } },
    { "workspace", "--memPoolSize=workspace:", { 8, 4 }, { 0, 0 } },
    { "tf32 off", "--noTF32", { 8, 2 }, { 0, 0 } },
    { "optimization-level", "--builderOptimizationLevel=", { 8, 6 }, { 0, 0 } },
    { "dla", "--useDLACore=", { 8, 2 }, { 0, 0 } },
    { "plugins", "--plugins=", { 8, 2 }, { 8, 6 } },
    { "plugins", "--staticPlugins=", { 8, 6 }, { 0, 0 } },
    { "calibration", "--calib=", { 8, 2 }, { 11, 0 } },
    { "timing-cache", "--timingCacheFile=", { 8, 2 }, { 0, 0 } },
    { "hardware-compatibility ampere+",
      "--hardwareCompatibilityLevel=ampere+",
      { 8, 6 },
      { 0, 0 } },
    { "hardware-compatibility same-compute-capability",
      "--hardwareCompatibilityLevel=sameComputeCapability",
      { 10, 9 },
      { 0, 0 } },

    { "an engine to load", "--loadEngine=", { 8, 2 }, { 0, 0 } },
    { "one inference", "--iterations=1", { 8, 2 }, { 0, 0 } },
    { "no time of inference", "--duration=0", { 8, 2 }, { 0, 0 } },
    { "no warm-up", "--warmUp=0", { 8, 2 }, { 0, 0 } },
    { "averages of one", "--avgRuns=1", { 8, 2 }, { 0, 0 } },
    { "shapes of a run", "--shapes=", { 8, 2 }, { 0, 0 } },
    { "host code", "--versionCompatible", { 8, 6 }, { 0, 0 } }, /* before, engines hold none */

    /* from 11 on the model alone says it */
    { "precision fp32", NULL, { 8, 2 }, { 0, 0 } },
    { "precision fp16", "--fp16", { 8, 2 }, { 11, 0 } },
    { "precision fp16", NULL, { 11, 0 }, { 0, 0 } },
    { "precision bf16", "--bf16", { 9, 0 }, { 11, 0 } },
    { "precision bf16", NULL, { 11, 0 }, { 0, 0 } },
    { "precision int8", "--int8", { 8, 2 }, { 11, 0 } },
    { "precision int8", NULL, { 11, 0 }, { 0, 0 } },
    { "precision fp8", "--fp8", { 8, 6 }, { 11, 0 } },
    { "precision fp8", NULL, { 11, 0 }, { 0, 0 } },
    { "precision int4", "--int4", { 10, 2 }, { 11, 0 } },
    { "precision int4", NULL, { 11, 0 }, { 0, 0 } },
    { "precision fp4", NULL, { 11, 0 }, { 0, 0 } },

    { "flag REFIT", "--refit", { 8, 2 }, { 0, 0 } },
    { "flag STRIP_PLAN", "--stripWeights", { 10, 0 }, { 0, 0 } },
    { "flags STRIP_PLAN and REFIT", "--stripAllWeights", { 10, 2 }, { 0, 0 } },
    { "flag VERSION_COMPATIBLE", "--versionCompatible", { 8, 6 }, { 0, 0 } },
    { "flag EXCLUDE_LEAN_RUNTIME", "--excludeLeanRuntime", { 8, 6 }, { 0, 0 } },
    { "flag GPU_FALLBACK", "--allowGPUFallback", { 8, 2 }, { 0, 0 } },
    { "flag SPARSE_WEIGHTS", "--sparsity=enable", { 8, 2 }, { 0, 0 } },
    { "flag DIRECT_IO", "--directIO", { 8, 4 }, { 0, 0 } },
    { "flag OBEY_PRECISION_CONSTRAINTS", "--precisionConstraints=obey", { 8, 4 }, { 11, 0 } },
    { "flag PREFER_PRECISION_CONSTRAINTS", "--precisionConstraints=prefer", { 8, 4 }, { 11, 0 } },
    { "flag SAFETY_SCOPE", "--restricted", { 8, 4 }, { 11, 0 } },
    { "flag ENABLE_TACTIC_HEURISTIC", "--heuristic", { 8, 5 }, { 10, 0 } },
    { "flag DISABLE_TIMING_CACHE", "--noBuilderCache", { 8, 2 }, { 0, 0 } },
    { "flag ERROR_ON_TIMING_CACHE_MISS", "--errorOnTimingCacheMiss", { 9, 0 }, { 0, 0 } },
    { "flag DISABLE_COMPILATION_CACHE", "--noCompilationCache", { 9, 0 }, { 0, 0 } },
    { "flag WEIGHT_STREAMING", "--allowWeightStreaming", { 10, 0 }, { 0, 0 } },
    { "flag MONITOR_MEMORY", "--monitorMemory", { 10, 6 }, { 0, 0 } },
};

struct filling {
    struct tn_trtexec_command *command;
    const struct tn_toolchain *toolchain;
    const struct tn_build_request *request; /* NULL: a load */
    struct tn_error *err;
    int rc;
};

static const struct tn_version *release_of(const struct filling *filling)
{
    return &filling->toolchain->builds.version;
}

static void refuse(struct filling *filling, const char *format, ...) TN_PRINTF(2, 3);

/* The first refusal stands. */
static void refuse(struct filling *filling, const char *format, ...)
{
    va_list args;

    if (filling->command->refusal[0])
        return;
    va_start(args, format);
    (void)vsnprintf(filling->command->refusal, sizeof(filling->command->refusal), format, args);
    va_end(args);
}

/* Says since and until when some other release has it. */
static void refuse_unknown(struct filling *filling, const char *asked)
{
    char release[TN_VERSION_TEXT], when[80] = "no release that is known here has one";
    const struct option *first = NULL, *last = NULL;

    for (size_t i = 0; i < TN_COUNT(options); i++)
        if (strcmp(options[i].asked, asked) == 0) {
            first = first ? first : &options[i];
            last = &options[i];
        }
    if (first && last->before.major)
        (void)snprintf(when, sizeof(when), "releases from %u.%u to before %u.%u have one",
                       first->from.major, first->from.minor, last->before.major,
                       last->before.minor);
    else if (first)
        (void)snprintf(when, sizeof(when), "releases from %u.%u on have one", first->from.major,
                       first->from.minor);
    tn_version_print(release_of(filling), release);
    refuse(filling, "trtexec of TensorRT %s has no option for %s; %s", release, asked, when);
}

static const struct option *find(const struct filling *filling, const char *asked)
{
    for (size_t i = 0; i < TN_COUNT(options); i++)
        if (strcmp(options[i].asked, asked) == 0 &&
            compare_release(release_of(filling), options[i].from) >= 0 &&
            (!options[i].before.major ||
             compare_release(release_of(filling), options[i].before) < 0))
            return &options[i];
    return NULL;
}

static int append(struct tn_trtexec_command *command, const char *text, struct tn_error *err)
{
    char *copy;

    if (command->count == TN_TRTEXEC_ARGUMENTS_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d arguments for trtexec",
                       TN_TRTEXEC_ARGUMENTS_MAX);
    copy = strdup(text);
    if (!copy)
        return tn_fail(err, TN_E_NOMEM, "an argument for trtexec");
    command->argument[command->count++] = copy;
    return TN_OK;
}

int tn_trtexec_command_start(struct tn_trtexec_command *command, const char *program,
                             struct tn_error *err)
{
    char starter[PATH_MAX], parent[16];
    int rc = tn_libexec_find("tenon-start", starter, err);

    (void)snprintf(parent, sizeof(parent), "%ld", (long)getpid());
    if (rc == TN_OK)
        rc = append(command, starter, err);
    if (rc == TN_OK)
        rc = append(command, parent, err);
    return rc < 0 ? rc : append(command, program, err);
}

void tn_trtexec_command_done(struct tn_trtexec_command *command)
{
    for (int i = 0; i < command->count; i++)
        free(command->argument[i]);
    *command = (struct tn_trtexec_command) { .count = 0 };
}

/* One option, with its value where it takes one. */
static void add(struct filling *filling, const char *asked, const char *value)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(64 << 10);
    const struct option *option = find(filling, asked);

    if (!option)
        refuse_unknown(filling, asked);
    if (filling->rc < 0 || !option || !option->spelling)
        return;
    tn_buf_adds(&text, option->spelling);
    tn_buf_adds(&text, value);
    filling->rc = tn_buf_check(&text, asked, filling->err);
    if (filling->rc == TN_OK)
        filling->rc = append(filling->command, tn_buf_text(&text), filling->err);
}

static void add_number(struct filling *filling, const char *asked, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    add(filling, asked, text);
}

/* --- shapes -----------------------------------------------------------------------------------*/

/* trtexec splits at commas before it looks at quotes, takes quotes out of names, and from 9 on
 * reads a star as any text: such names cannot be said to it. @return the byte that stands against
 * it, or NULL */
static const char *unsayable(const struct filling *filling, const char *name)
{
    static const struct release stars = { 9, 0 };
    const char *at = strpbrk(name, ",'");

    if (!at && compare_release(release_of(filling), stars) >= 0)
        at = strchr(name, '*');
    return at;
}

static void add_dims(struct tn_buf *text, const char *name, const struct tn_dims *dims)
{
    const char *quote = strchr(name, ':') ? "'" : "";

    tn_buf_addf(text, "%s%s%s%s:", text->size > 0 ? "," : "", quote, name, quote);
    tn_dims_add(text, dims);
}

static void add_shape(struct filling *filling, struct tn_buf *text, const char *name,
                      const struct tn_dims *dims)
{
    const char *at = unsayable(filling, name);

    if (at)
        refuse(filling,
               "trtexec cannot be told a shape of input '%.200s': its name holds %c; rename it",
               name, *at);
    if (at)
        return;
    if (dims->count == 0)
        refuse(filling, "input '%.200s' is a scalar: trtexec takes no range of it", name);
    add_dims(text, name, dims);
}

static void add_shapes(struct filling *filling)
{
    const struct tn_shapes *shapes = filling->request->shapes;
    static const char *const asked[] = { "shapes min", "shapes opt", "shapes max" };

    for (size_t which = 0; shapes && shapes->count > 0 && which < TN_COUNT(asked); which++) {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(48 << 10);

        for (size_t i = 0; i < shapes->count; i++) {
            const struct tn_shape_range *range = &shapes->range[i];
            const struct tn_dims *dims[] = { &range->min, &range->opt, &range->max };

            add_shape(filling, &text, range->input, dims[which]);
        }
        if (filling->rc == TN_OK)
            filling->rc = tn_buf_check(&text, asked[which], filling->err);
        if (filling->rc == TN_OK)
            add(filling, asked[which], tn_buf_text(&text));
    }
}

/* --- build options ----------------------------------------------------------------------------*/

/* In MiB, every digit: fractions of a power of two end. Not printf, whose point is the locale's. */
static void print_mib(int64_t bytes, char *ret_text, size_t size)
{
    const int64_t mib = INT64_C(1) << 20;
    int64_t rest = bytes % mib;
    int length = snprintf(ret_text, size, "%lld%s", (long long)(bytes / mib), rest ? "." : "");

    for (; rest > 0 && (size_t)length + 1 < size; rest = rest * 10 % mib)
        ret_text[length++] = (char)('0' + rest * 10 / mib);
    ret_text[length] = '\0';
}

/* With a fraction from 8.6 on, as its help says. */
static void add_workspace(struct filling *filling, int64_t bytes)
{
    static const struct release fractions = { 8, 6 };
    char text[48];

    if (bytes <= 0)
        return;
    print_mib(bytes, text, sizeof(text));
    if (strchr(text, '.') && compare_release(release_of(filling), fractions) < 0)
        refuse(filling,
               "trtexec before 8.6 takes a workspace in whole MiB only, and %lld bytes are none",
               (long long)bytes);
    add(filling, "workspace", text);
}

static bool has_flag(const struct tn_build_options *build, const char *name)
{
    for (int i = 0; i < build->flag_count; i++)
        if (strcmp(build->flag[i], name) == 0)
            return true;
    return false;
}

/* --stripWeights strips for a refit with the same weights, --stripAllWeights with any. */
static void add_strip(struct filling *filling)
{
    const struct tn_build_options *build = filling->request->options;

    if (has_flag(build, "REFIT")) {
        add(filling, "flags STRIP_PLAN and REFIT", "");
        return;
    }
    add(filling, "flag STRIP_PLAN", "");
    if (!has_flag(build, "REFIT_IDENTICAL"))
        (void)tn_text_copy(filling->command->note, sizeof(filling->command->note),
                           "trtexec adds REFIT_IDENTICAL to STRIP_PLAN");
}

static void add_flags(struct filling *filling)
{
    const struct tn_build_options *build = filling->request->options;
    bool strip = has_flag(build, "STRIP_PLAN");

    for (int i = 0; i < build->flag_count; i++) {
        char asked[80];

        if (strip && (strcmp(build->flag[i], "REFIT") == 0 ||
                      strcmp(build->flag[i], "REFIT_IDENTICAL") == 0))
            continue; /* said together with STRIP_PLAN */
        if (strcmp(build->flag[i], "STRIP_PLAN") == 0) {
            add_strip(filling);
            continue;
        }
        (void)snprintf(asked, sizeof(asked), "flag %s", build->flag[i]);
        add(filling, asked, "");
    }
}

static void add_hw_compat(struct filling *filling, enum tn_hw_compat level)
{
    char asked[80];

    if (level != TN_HW_COMPAT_AMPERE_PLUS && level != TN_HW_COMPAT_SAME_CC)
        return;
    (void)snprintf(asked, sizeof(asked), "hardware-compatibility %s", tn_hw_compat_name(level));
    add(filling, asked, "");
}

static void add_precision(struct filling *filling)
{
    const char *name = tn_precision_name(filling->request->precision);
    char asked[32];

    (void)snprintf(asked, sizeof(asked), "precision %s", name ? name : "?");
    add(filling, asked, "");
}

static void add_options(struct filling *filling, const struct tn_trtexec_files *files)
{
    const struct tn_build_options *build = filling->request->options;

    if (!build->tf32)
        add(filling, "tf32 off", "");
    add_workspace(filling, build->workspace_bytes);
    add_hw_compat(filling, build->hw_compat);
    add_flags(filling);
    if (build->cc_count > 0)
        refuse(filling, "compute capabilities can be named for TensorRT-RTX only");
    if (build->dla_core >= 0)
        add_number(filling, "dla", build->dla_core);
    if (build->optimization_level >= 0)
        add_number(filling, "optimization-level", build->optimization_level);
    for (int i = 0; i < build->plugin_count; i++)
        add(filling, "plugins", build->plugin[i].path);
    /* Quantized models need none and the precisions beside int8 use none, as with the module. */
    if (build->calibration[0] && filling->request->precision == TN_PRECISION_INT8)
        add(filling, "calibration", build->calibration);
    if (files->timing_cache)
        add(filling, "timing-cache", files->timing_cache);
}

int tn_trtexec_command_fill(struct tn_trtexec_command *command,
                            const struct tn_build_request *request,
                            const struct tn_trtexec_files *files, struct tn_error *err)
{
    struct filling filling = {
        .command = command, .toolchain = request->toolchain, .request = request, .err = err
    };

    add(&filling, "a model", request->model_path);
    add(&filling, "a file to write", files->plan);
    add(&filling, "a build alone", "");
    add_precision(&filling);
    add_shapes(&filling);
    add_options(&filling, files);
    return filling.rc;
}

/* --- loads ------------------------------------------------------------------------------------*/

/* All of them or none: half of the shapes would be taken for all. */
static void add_shapes_of_run(struct filling *filling, const struct tn_shapes *shapes)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(48 << 10);

    for (size_t i = 0; shapes && i < shapes->count; i++) {
        const struct tn_shape_range *range = &shapes->range[i];

        if (unsayable(filling, range->input) || range->opt.count == 0)
            return;
        add_dims(&text, range->input, &range->opt);
    }
    if (text.size > 0 && tn_buf_check(&text, "shapes of a run", NULL) == TN_OK)
        add(filling, "shapes of a run", tn_buf_text(&text));
}

int tn_trtexec_command_load(struct tn_trtexec_command *command, const struct tn_trtexec_load *load,
                            struct tn_error *err)
{
    static const char *const once[] = { "one inference", "no time of inference", "no warm-up",
                                        "averages of one" };
    struct filling filling = { .command = command, .toolchain = load->toolchain, .err = err };

    add(&filling, "an engine to load", load->plan);
    for (size_t i = 0; i < TN_COUNT(once); i++)
        add(&filling, once[i], "");
    add_shapes_of_run(&filling, load->shapes);
    if (load->allow_host_code && find(&filling, "host code"))
        add(&filling, "host code", "");
    return filling.rc;
}
