#include "recipe/spec.h"

#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRECISIONS "fp32|fp16|bf16|fp8|int8|fp4|int4"

const struct tn_yaml_row tn_spec_rows[] = {
    { "name", TN_YAML_STRING, NULL, NULL,
      "The model's name, first part of the names of its engines." },
    { "variants", TN_YAML_MAP, NULL, NULL,
      "ONNX files by precision: `fp32`, `fp16`, `bf16`, `fp8`, `int8`, `fp4`, `int4`. A precision "
      "that is not here is derived from the fp32 file when a converter is there." },
    { "variants.*", TN_YAML_STRING, NULL, "", "Path of the file; relative to this file's folder." },
    { "shapes.*.min", TN_YAML_STRING, NULL, NULL,
      "Smallest shape of the input of that name, as `1x3x640x640` (`s` for a scalar). Alone it is "
      "the only shape." },
    { "shapes.*.opt", TN_YAML_STRING, NULL, "min", "Shape to tune for; given together with max." },
    { "shapes.*.max", TN_YAML_STRING, NULL, "min", "Largest shape; given together with opt." },
    { "options.tf32", TN_YAML_BOOL, NULL, "true", "Whether fp32 layers may use TF32." },
    { "options.workspace", TN_YAML_SIZE, NULL, "the builder's",
      "Bytes that layers may use while they run." },
    { "options.hardware-compatibility", TN_YAML_CHOICE, "none|ampere+|same-compute-capability",
      "none", "GPUs beyond the one it is built on that may load the engine." },
    { "options.version-compatible", TN_YAML_BOOL, NULL, "false",
      "Build an engine that other TensorRT versions of the same major may load." },
    { "options.flags", TN_YAML_LIST, NULL, "[]",
      "Further builder flags by TensorRT's name without k, such as `REFIT`. Precision flags are "
      "refused: `policy.precision` chooses." },
    { "options.flags[]", TN_YAML_STRING, NULL, "", "One flag." },
    { "options.dla", TN_YAML_STRING, NULL, "none", "Number of the DLA core, or `none`." },
    { "options.optimization-level", TN_YAML_INT, NULL, "the builder's",
      "0 to 5: how long the builder searches." },
    { "options.compute-capabilities", TN_YAML_LIST_OR_CHOICE, "default", "default",
      "TensorRT-RTX: compute capabilities to build for; `default` = the toolchain's own list." },
    { "options.compute-capabilities[]", TN_YAML_STRING, NULL, "", "One, such as `8.9` or `89`." },
    { "options.calibration", TN_YAML_STRING, NULL, "none",
      "Path of an int8 calibration cache, or `none`." },
    { "options.timing-cache", TN_YAML_STRING, NULL, "none",
      "Path of a timing cache that every build must use, or `none`." },
    { "plugins", TN_YAML_LIST, NULL, "[]", "Libraries that the engine needs." },
    { "plugins[].library", TN_YAML_STRING, NULL, NULL,
      "Path of the library; relative to this file's folder." },
    { "plugins[].sha256", TN_YAML_STRING, NULL, "",
      "64 hex characters; a library with another content is refused." },
    { "policy.precision", TN_YAML_LIST, NULL, "the model's own",
      "The ladder: precisions in the order in which they are tried." },
    { "policy.precision[]", TN_YAML_CHOICE, PRECISIONS, "", "One rung." },
    { "policy.build", TN_YAML_CHOICE, "allowed|forbidden", "allowed",
      "Whether a missing engine may be built." },
    { "policy.accept", TN_YAML_CHOICE, "loads|may-load", "loads",
      "The least verdict of an engine that was built for another device class." },
    { "policy.level", TN_YAML_CHOICE, "header|loaded|accurate", "decided by the machine",
      "How far an engine must be verified: `loaded` where a GPU answers, else `header`." },
    { "policy.allow-host-code", TN_YAML_BOOL, NULL, "false",
      "Whether engines that carry host code (plugins, a lean runtime) may be loaded." },
    { "policy.signature", TN_YAML_CHOICE, "none|required", "none",
      "`required`: an engine that was not built on this host must have a valid signature of a "
      "trusted key (`trusted-keys` in config.yaml), else it is passed over." },
    { "policy.evidence", TN_YAML_STRING, NULL, "none",
      "Evidence of real loads that an engine must have." },
    { "policy.fill-holes", TN_YAML_BOOL, NULL, "false",
      "Whether the server turns holes of the fleet map into build jobs." },
    { "accuracy.inputs", TN_YAML_STRING, NULL, "",
      "Folder of golden inputs; relative to this file's folder." },
    { "accuracy.metric", TN_YAML_CHOICE, "relative-l2", "relative-l2",
      "How outputs are compared." },
    { "accuracy.tolerance.*", TN_YAML_NUMBER, NULL, "",
      "Largest difference allowed, by precision." },
    { 0 },
};

static const char *const level_names[] = { NULL, "header", "loaded", "accurate" };

const char *tn_level_name(enum tn_level level)
{
    return level_names[level];
}

const struct tn_variant *tn_spec_variant(const struct tn_spec *spec, enum tn_precision precision)
{
    for (int i = 0; i < spec->variant_count; i++)
        if (spec->variant[i].precision == precision)
            return &spec->variant[i];
    return NULL;
}

void tn_spec_done(struct tn_spec *spec)
{
    tn_shapes_done(&spec->shapes);
    *spec = (struct tn_spec) { 0 };
}

/* A reading under way. */
struct reading {
    struct tn_yaml *yaml;
    struct tn_spec *spec;
    struct tn_error *err;
    tn_file_digest_fn digest_file;
    void *user; /* of digest_file */
};

static void yaml_done(struct tn_yaml **yaml)
{
    tn_yaml_free(*yaml);
}

static const struct tn_yaml_node *at(const struct reading *in, const char *path)
{
    return tn_yaml_find(in->yaml, path);
}

/* The error in `err` came from a part that does not know where in the file it stands. */
static int fail_here(const struct reading *in, const struct tn_yaml_node *node, int code)
{
    struct tn_error inner = { .text = "" };

    if (!in->err)
        return code;
    inner = *in->err;
    (void)tn_yaml_fail(in->yaml, node, code, in->err, "%s", inner.text);
    in->err->os = inner.os;
    return code;
}

/* ---- paths ---- */

static int resolve(const struct reading *in, const struct tn_yaml_node *node, char *ret_path,
                   size_t size)
{
    const char *spec = in->spec->path;
    const char *text = tn_yaml_text(node, "");
    int folder = text[0] == '/' ? 0 : (int)(tn_path_base(spec) - spec);
    int length = snprintf(ret_path, size, "%.*s%s", folder, spec, text);

    if (text[0] == '\0')
        return tn_yaml_fail(in->yaml, node, TN_E_INVALID, in->err, "a path is empty");
    if (length < 0 || (size_t)length >= size)
        return tn_yaml_fail(in->yaml, node, TN_E_TOOBIG, in->err, "path longer than %zu bytes",
                            size - 1);
    return TN_OK;
}

static int hash_file(const struct reading *in, const struct tn_yaml_node *node, const char *path,
                     struct tn_digest *ret_digest)
{
    int rc = in->digest_file(path, in->user, ret_digest, in->err);

    return rc < 0 ? fail_here(in, node, rc) : TN_OK;
}

static bool is_none(const struct tn_yaml_node *node)
{
    return !node || strcmp(tn_yaml_text(node, ""), "none") == 0;
}

/* A file of the options: path and digest, or nothing for `none`. */
static int read_file(const struct reading *in, const char *key, char *ret_path, size_t size,
                     struct tn_digest *ret_digest)
{
    const struct tn_yaml_node *node = at(in, key);
    int rc;

    if (is_none(node))
        return TN_OK;
    rc = resolve(in, node, ret_path, size);
    return rc < 0 ? rc : hash_file(in, node, ret_path, ret_digest);
}

/* ---- sections ---- */

static bool name_allowed(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/')
            return false;
    return name[0] != '\0' && name[0] != '.';
}

static int read_name(const struct reading *in)
{
    const struct tn_yaml_node *node = at(in, "name");
    const char *name = tn_yaml_text(node, "");

    if (!name_allowed(name) || !tn_text_copy(in->spec->name, sizeof(in->spec->name), name))
        return tn_yaml_fail(in->yaml, node, TN_E_INVALID, in->err,
                            "a name has 1 to %zu characters, no '/' and no leading '.'",
                            sizeof(in->spec->name) - 1);
    return TN_OK;
}

static int read_precision_key(const struct reading *in, const struct tn_yaml_node *map, size_t i,
                              enum tn_precision *ret_precision)
{
    const char *key = map->key[i];

    *ret_precision = tn_precision_parse(key, strlen(key));
    if (*ret_precision == TN_PRECISION_UNKNOWN)
        return tn_yaml_fail_key(in->yaml, map->item[i], TN_E_INVALID, in->err,
                                "'%.40s' is not a precision: use fp32, fp16, bf16, fp8, int8, fp4 "
                                "or int4",
                                key);
    return TN_OK;
}

static int read_variants(const struct reading *in)
{
    const struct tn_yaml_node *map = at(in, "variants");

    if (map->count == 0)
        return tn_yaml_fail(in->yaml, map, TN_E_INVALID, in->err, "a model needs a variant");
    for (size_t i = 0; i < map->count; i++) {
        /* keys are unique and known, so there are at most TN_LADDER_MAX */
        struct tn_variant *variant = &in->spec->variant[in->spec->variant_count];
        int rc = read_precision_key(in, map, i, &variant->precision);

        if (rc == TN_OK)
            rc = resolve(in, map->item[i], variant->path, sizeof(variant->path));
        if (rc < 0)
            return rc;
        in->spec->variant_count++;
    }
    return TN_OK;
}

static int read_dims(const struct reading *in, const struct tn_yaml_node *node,
                     struct tn_dims *ret_dims)
{
    const char *text = tn_yaml_text(node, "");

    if (!tn_dims_parse(text, strlen(text), ret_dims))
        return tn_yaml_fail(in->yaml, node, TN_E_INVALID, in->err,
                            "'%.60s' is not a shape such as 1x3x640x640", text);
    return TN_OK;
}

static int read_range(const struct reading *in, const char *input, const struct tn_yaml_node *map)
{
    const struct tn_yaml_node *min = tn_yaml_child(map, "min");
    const struct tn_yaml_node *opt = tn_yaml_child(map, "opt");
    const struct tn_yaml_node *max = tn_yaml_child(map, "max");
    struct tn_shape_range range = { .input = "" };
    int rc;

    if (!tn_text_copy(range.input, sizeof(range.input), input))
        return tn_yaml_fail_key(in->yaml, map, TN_E_TOOBIG, in->err,
                                "an input's name is longer than %d bytes", TN_TENSOR_NAME_MAX - 1);
    if (!opt != !max)
        return tn_yaml_fail(in->yaml, map, TN_E_INVALID, in->err,
                            "opt and max are given together, or min alone");
    rc = read_dims(in, min, &range.min);
    if (rc == TN_OK)
        rc = read_dims(in, opt ? opt : min, &range.opt);
    if (rc == TN_OK)
        rc = read_dims(in, max ? max : min, &range.max);
    if (rc < 0)
        return rc;
    rc = tn_shapes_add(&in->spec->shapes, &range, in->err);
    return rc < 0 ? fail_here(in, map, rc) : TN_OK;
}

static int read_shapes(const struct reading *in)
{
    const struct tn_yaml_node *map = at(in, "shapes");
    int rc = TN_OK;

    for (size_t i = 0; map && i < map->count && rc == TN_OK; i++)
        rc = read_range(in, map->key[i], map->item[i]);
    return rc;
}

static int read_flags(const struct reading *in)
{
    const struct tn_yaml_node *list = at(in, "options.flags");
    int rc = TN_OK;

    if (tn_yaml_bool(at(in, "options.version-compatible"), false))
        rc = tn_options_add_flag(&in->spec->options, "VERSION_COMPATIBLE", in->err);
    for (size_t i = 0; list && i < list->count && rc == TN_OK; i++) {
        rc = tn_options_add_flag(&in->spec->options, tn_yaml_text(list->item[i], ""), in->err);
        if (rc < 0)
            return fail_here(in, list->item[i], rc);
    }
    return rc;
}

static int read_dla(const struct reading *in)
{
    const struct tn_yaml_node *node = at(in, "options.dla");
    const char *text = tn_yaml_text(node, "");
    uint64_t core;

    if (is_none(node))
        return TN_OK;
    if (!tn_text_u64(text, strlen(text), &core) || core > 15)
        return tn_yaml_fail(in->yaml, node, TN_E_INVALID, in->err,
                            "'%.40s' is not the number of a DLA core, nor none", text);
    in->spec->options.dla_core = (int)core;
    return TN_OK;
}

static int read_optimization_level(const struct reading *in)
{
    const struct tn_yaml_node *node = at(in, "options.optimization-level");
    int64_t level = tn_yaml_int(node, -1);

    if (node && (level < 0 || level > 5))
        return tn_yaml_fail(in->yaml, node, TN_E_INVALID, in->err,
                            "the optimization level goes from 0 to 5");
    in->spec->options.optimization_level = (int)level;
    return TN_OK;
}

static int read_ccs(const struct reading *in)
{
    const struct tn_yaml_node *list = at(in, "options.compute-capabilities");
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1024);
    int rc;

    if (!list || list->kind != TN_YAML_LIST_NODE)
        return TN_OK;
    if (list->count == 0)
        return tn_yaml_fail(in->yaml, list, TN_E_INVALID, in->err,
                            "an empty list: write default for the toolchain's own");
    for (size_t i = 0; i < list->count; i++)
        tn_buf_addf(&text, "%s%s", i ? "," : "", list->item[i]->text);
    rc = tn_buf_check(&text, "compute capabilities", in->err);
    if (rc == TN_OK)
        rc = tn_options_set_ccs(&in->spec->options, tn_buf_text(&text), in->err);
    return rc < 0 ? fail_here(in, list, rc) : TN_OK;
}

static void read_hw_compat(const struct reading *in)
{
    const char *text = tn_yaml_text(at(in, "options.hardware-compatibility"), "none");

    in->spec->options.hw_compat = strcmp(text, "ampere+") == 0 ? TN_HW_COMPAT_AMPERE_PLUS
                                  : strcmp(text, "same-compute-capability") == 0
                                      ? TN_HW_COMPAT_SAME_CC
                                      : TN_HW_COMPAT_NONE;
}

static int read_options(const struct reading *in)
{
    struct tn_build_options *options = &in->spec->options;
    int rc;

    options->tf32 = tn_yaml_bool(at(in, "options.tf32"), options->tf32);
    options->workspace_bytes = tn_yaml_size(at(in, "options.workspace"), 0);
    read_hw_compat(in);
    rc = read_flags(in);
    if (rc == TN_OK)
        rc = read_dla(in);
    if (rc == TN_OK)
        rc = read_optimization_level(in);
    if (rc == TN_OK)
        rc = read_ccs(in);
    if (rc == TN_OK)
        rc = read_file(in, "options.calibration", options->calibration,
                       sizeof(options->calibration), &options->calibration_digest);
    if (rc == TN_OK)
        rc = read_file(in, "options.timing-cache", options->timing_cache,
                       sizeof(options->timing_cache), &options->timing_cache_digest);
    return rc;
}

static int read_plugin(const struct reading *in, const struct tn_yaml_node *map,
                       struct tn_plugin *plugin)
{
    const struct tn_yaml_node *library = tn_yaml_child(map, "library");
    const struct tn_yaml_node *declared = tn_yaml_child(map, "sha256");
    struct tn_digest digest;
    int rc = resolve(in, library, plugin->path, sizeof(plugin->path));

    if (rc == TN_OK)
        rc = hash_file(in, library, plugin->path, &plugin->digest);
    if (rc < 0 || !declared)
        return rc;
    rc = tn_digest_parse(tn_yaml_text(declared, ""), &digest, in->err);
    if (rc < 0)
        return fail_here(in, declared, rc);
    if (!tn_digest_equal(&digest, &plugin->digest))
        return tn_yaml_fail(in->yaml, declared, TN_E_CORRUPT, in->err,
                            "'%.160s' has another content than this digest", plugin->path);
    return TN_OK;
}

static int read_plugins(const struct reading *in)
{
    const struct tn_yaml_node *list = at(in, "plugins");
    struct tn_build_options *options = &in->spec->options;

    for (size_t i = 0; list && i < list->count; i++) {
        int rc;

        if (i == TN_PLUGINS_MAX)
            return tn_yaml_fail(in->yaml, list->item[i], TN_E_TOOBIG, in->err,
                                "more than %d plugin libraries", TN_PLUGINS_MAX);
        rc = read_plugin(in, list->item[i], &options->plugin[i]);
        if (rc < 0)
            return rc;
        options->plugin_count++;
    }
    return TN_OK;
}

static int read_ladder(const struct reading *in)
{
    const struct tn_yaml_node *list = at(in, "policy.precision");
    struct tn_ladder *ladder = &in->spec->policy.ladder;

    for (size_t i = 0; list && i < list->count; i++) {
        const char *text = tn_yaml_text(list->item[i], "");
        enum tn_precision rung = tn_precision_parse(text, strlen(text));

        for (size_t j = 0; j < ladder->count; j++)
            if (ladder->rung[j] == rung)
                return tn_yaml_fail(in->yaml, list->item[i], TN_E_INVALID, in->err,
                                    "precision %s stands twice", text);
        ladder->rung[ladder->count++] = rung;
    }
    return TN_OK;
}

static enum tn_level read_level(const struct reading *in)
{
    const char *text = tn_yaml_text(at(in, "policy.level"), "");

    for (size_t i = 1; i < TN_COUNT(level_names); i++)
        if (strcmp(text, level_names[i]) == 0)
            return (enum tn_level)i;
    return TN_LEVEL_NONE;
}

static int read_word(const struct reading *in, const char *key, char *ret_word, size_t size)
{
    const struct tn_yaml_node *node = at(in, key);

    if (!tn_text_copy(ret_word, size, tn_yaml_text(node, "none")))
        return tn_yaml_fail(in->yaml, node, TN_E_TOOBIG, in->err, "longer than %zu bytes",
                            size - 1);
    return TN_OK;
}

static int read_policy(const struct reading *in)
{
    struct tn_policy *policy = &in->spec->policy;
    int rc = read_ladder(in);

    policy->build_forbidden =
        strcmp(tn_yaml_text(at(in, "policy.build"), "allowed"), "forbidden") == 0;
    policy->accept_may_load =
        strcmp(tn_yaml_text(at(in, "policy.accept"), "loads"), "may-load") == 0;
    policy->level = read_level(in);
    policy->allow_host_code = tn_yaml_bool(at(in, "policy.allow-host-code"), false);
    policy->fill_holes = tn_yaml_bool(at(in, "policy.fill-holes"), false);
    policy->signature_required =
        strcmp(tn_yaml_text(at(in, "policy.signature"), "none"), "required") == 0;
    if (rc == TN_OK)
        rc = read_word(in, "policy.evidence", policy->evidence, sizeof(policy->evidence));
    return rc;
}

static int read_accuracy(const struct reading *in)
{
    const struct tn_yaml_node *tolerance = at(in, "accuracy.tolerance");
    const struct tn_yaml_node *inputs = at(in, "accuracy.inputs");

    for (size_t i = 0; tolerance && i < tolerance->count; i++) {
        enum tn_precision precision;
        int rc = read_precision_key(in, tolerance, i, &precision);

        if (rc < 0)
            return rc;
        if (!(tn_yaml_number(tolerance->item[i], -1) >= 0))
            return tn_yaml_fail(in->yaml, tolerance->item[i], TN_E_INVALID, in->err,
                                "a tolerance is not negative");
    }
    if (!inputs)
        return TN_OK;
    return resolve(in, inputs, in->spec->accuracy_inputs, sizeof(in->spec->accuracy_inputs));
}

/* ---- files ---- */

static struct tn_spec spec_default(void)
{
    return (struct tn_spec) { .options = tn_options_default(), .policy = { .evidence = "none" } };
}

static int read_yaml(struct tn_spec *spec, tn_file_digest_fn digest_file, void *user,
                     struct tn_error *err)
{
    static int (*const sections[])(
        const struct reading *) = { read_name,    read_variants, read_shapes,  read_options,
                                    read_plugins, read_policy,   read_accuracy };
    tn_auto(yaml_done) struct tn_yaml *yaml = NULL;
    struct reading in = { .spec = spec, .err = err, .digest_file = digest_file, .user = user };
    int rc = tn_yaml_read(spec->path, tn_spec_rows, &yaml, err);

    in.yaml = yaml;
    for (size_t i = 0; i < TN_COUNT(sections) && rc == TN_OK; i++)
        rc = sections[i](&in);
    return rc;
}

static int take_onnx(struct tn_spec *spec, struct tn_error *err)
{
    const char *base = tn_path_base(spec->path);
    size_t stem = strlen(base) - strlen(".onnx");
    struct stat st;

    if (stat(spec->path, &st) < 0)
        return tn_fail_os(err, TN_E_IO, "model '%s'", spec->path);
    if (!tn_text_copy_n(spec->name, sizeof(spec->name), base, stem) || !name_allowed(spec->name))
        return tn_fail(err, TN_E_INVALID,
                       "'%.160s': the file's name gives no model name of 1 to %zu characters",
                       spec->path, sizeof(spec->name) - 1);
    spec->plain = true;
    spec->variant_count = 1;
    (void)tn_text_copy(spec->variant[0].path, sizeof(spec->variant[0].path), spec->path);
    return TN_OK;
}

static int read_and_hash(const char *path, void *user, struct tn_digest *ret_digest,
                         struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(path, &fd, NULL, err);

    (void)user;
    return rc < 0 ? rc : tn_digest_fd(fd, ret_digest, NULL, err);
}

int tn_spec_read(const char *path, struct tn_spec *ret_spec, struct tn_error *err)
{
    return tn_spec_read_with(path, read_and_hash, NULL, ret_spec, err);
}

int tn_spec_read_with(const char *path, tn_file_digest_fn digest_file, void *user,
                      struct tn_spec *ret_spec, struct tn_error *err)
{
    tn_auto(tn_spec_done) struct tn_spec spec = spec_default();
    int rc;

    if (!tn_text_copy(spec.path, sizeof(spec.path), path))
        return tn_fail(err, TN_E_TOOBIG, "'%.80s…': path longer than %zu bytes", path,
                       sizeof(spec.path) - 1);
    if (tn_text_ends(path, ".onnx"))
        rc = take_onnx(&spec, err);
    else if (tn_text_ends(path, ".yaml") || tn_text_ends(path, ".yml"))
        rc = read_yaml(&spec, digest_file, user, err);
    else
        rc = tn_fail(err, TN_E_INVALID,
                     "'%.200s' is neither an ONNX file (.onnx) nor a spec (.yaml, .yml)", path);
    if (rc < 0)
        return rc;
    *ret_spec = spec;
    spec = (struct tn_spec) { 0 };
    return TN_OK;
}
