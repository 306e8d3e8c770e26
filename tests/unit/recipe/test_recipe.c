#include "recipe/recipe.h"

#include "base/json.h"
#include "base/text.h"

#include "tn_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tn_error err;

/* A want and all that it points to, so that a test may change any of it. */
struct case_file {
    struct tn_model model;
    struct tn_model_io io[3];
    struct tn_gpu gpu;
    struct tn_shapes shapes;
    struct tn_build_options options;
    struct tn_want want;
};

static struct tn_dims dims(const char *text)
{
    struct tn_dims result;

    assert_true(tn_dims_parse(text, strlen(text), &result));
    return result;
}

static void add_range(struct tn_shapes *shapes, const char *text)
{
    struct tn_shapes more;

    assert_int_equal(tn_shapes_parse(text, &more, &err), TN_OK);
    for (size_t i = 0; i < more.count; i++)
        assert_int_equal(tn_shapes_add(shapes, &more.range[i], &err), TN_OK);
    tn_shapes_done(&more);
}

static void set_up(struct case_file *f, enum tn_flavor flavor)
{
    memset(f, 0, sizeof(*f));
    memset(&f->model.digest, 0x11, sizeof(f->model.digest));
    (void)tn_text_copy(f->model.path, sizeof(f->model.path), "/models/det.onnx");
    f->io[0].io = (struct tn_io) { .name = "x", .dims = dims("-1x3x-1x-1") };
    f->io[1].io = (struct tn_io) { .name = "scale", .dims = dims("1x2") };
    f->io[2].io = (struct tn_io) { .name = "y", .dims = dims("-1x1x-1x-1"), .output = true };
    f->model.io = f->io;
    f->model.io_count = 3;
    f->model.input_count = 2;
    add_range(&f->shapes, "x=1x3x320x320:2x3x640x640:4x3x960x960");
    f->gpu = tn_gpu_unknown();
    f->gpu.cc_major = 8;
    f->gpu.cc_minor = 9;
    f->gpu.sm_count = 128;
    f->gpu.bus_bits = 384;
    f->gpu.l2_bytes = 75497472;
    f->gpu.memory_bytes = INT64_C(25386352640);
    f->gpu.integrated = 0;
    f->options = tn_options_default();
    f->want = (struct tn_want) { .model = &f->model,
                                 .model_precision = TN_PRECISION_FP32,
                                 .precision = TN_PRECISION_FP16,
                                 .flavor = flavor,
                                 .version = tn_version_make(10, 6, 0, 26),
                                 .platform = "linux-x86_64",
                                 .gpu = flavor == TN_FLAVOR_RTX ? NULL : &f->gpu,
                                 .shapes = &f->shapes,
                                 .options = &f->options };
}

static void tear_down(struct case_file *f)
{
    tn_shapes_done(&f->shapes);
}

static struct tn_recipe make(const struct case_file *f)
{
    struct tn_recipe recipe = { 0 };

    if (tn_recipe_make(&f->want, &recipe, &err) != TN_OK)
        fail_msg("%s", err.text);
    return recipe;
}

static void refused(const struct case_file *f, const char *part)
{
    struct tn_recipe recipe = { 0 };

    assert_int_equal(tn_recipe_make(&f->want, &recipe, &err), TN_E_INVALID);
    if (!strstr(err.text, part))
        fail_msg("'%s' does not say '%s'", err.text, part);
    assert_null(recipe.value[0]);
}

/* ---- the bytes ---- */

TEST(recipe__text_of_a_classic_engine_is_exactly_this)
{
    struct case_file f;
    struct tn_recipe recipe;
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 16);
    struct tn_digest key, again;

    set_up(&f, TN_FLAVOR_TENSORRT);
    assert_int_equal(tn_options_add_flag(&f.options, "REFIT", &err), TN_OK);
    assert_int_equal(tn_options_add_flag(&f.options, "DEBUG", &err), TN_OK);
    f.options.workspace_bytes = 1 << 30;
    recipe = make(&f);
    assert_int_equal(tn_recipe_text(&recipe, &text, &err), TN_OK);
    assert_string_equal(
        tn_buf_text(&text),
        "tenon-recipe/1\n"
        "model.digest=1111111111111111111111111111111111111111111111111111111111111111\n"
        "model.precision=fp32\n"
        "derived.by=-\n"
        "flavor=tensorrt\n"
        "trt.version=10.6.0.26\n"
        "platform=linux-x86_64\n"
        "class=sm89-128sm-384bit-l2.75497472-24GiB-discrete\n"
        "precision=fp16\n"
        "shapes=x=1x3x320x320:2x3x640x640:4x3x960x960;scale=1x2:1x2:1x2\n"
        "tf32=on\n"
        "flags=DEBUG,REFIT\n"
        "hw-compat=none\n"
        "ccs=-\n"
        "dla=-\n"
        "workspace=1073741824\n"
        "opt-level=default\n"
        "plugins=-\n"
        "calibration.digest=-\n"
        "timing-cache.digest=-\n");
    assert_int_equal(tn_recipe_key(&recipe, &key, &err), TN_OK);
    assert_int_equal(tn_digest_of(text.data, text.size, &again, &err), TN_OK);
    assert_true(tn_digest_equal(&key, &again));
    tn_recipe_done(&recipe);
    tear_down(&f);
}

TEST(recipe__rtx_has_no_class_and_a_default_list_of_capabilities)
{
    struct case_file f;
    struct tn_recipe recipe;

    set_up(&f, TN_FLAVOR_RTX);
    recipe = make(&f);
    assert_string_equal(recipe.value[TN_RECIPE_FLAVOR], "tensorrt-rtx");
    assert_string_equal(recipe.value[TN_RECIPE_CLASS], "-");
    assert_string_equal(recipe.value[TN_RECIPE_CCS], "default");
    tn_recipe_done(&recipe);
    assert_int_equal(tn_options_set_ccs(&f.options, "89,75", &err), TN_OK);
    recipe = make(&f);
    assert_string_equal(recipe.value[TN_RECIPE_CCS], "75,89");
    tn_recipe_done(&recipe);
    tear_down(&f);
}

TEST(recipe__plugins_are_sorted_by_name_and_hold_no_path)
{
    struct case_file f;
    struct tn_recipe recipe;

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.options.plugin_count = 2;
    (void)tn_text_copy(f.options.plugin[0].path, 512, "/b/libz.so");
    (void)tn_text_copy(f.options.plugin[1].path, 512, "/a/lib:a,b.so");
    memset(&f.options.plugin[0].digest, 0x22, 32);
    memset(&f.options.plugin[1].digest, 0x33, 32);
    recipe = make(&f);
    assert_string_equal(
        recipe.value[TN_RECIPE_PLUGINS],
        "lib\\:a\\,b.so:3333333333333333333333333333333333333333333333333333333333333333,"
        "libz.so:2222222222222222222222222222222222222222222222222222222222222222");
    tn_recipe_done(&recipe);
    tear_down(&f);
}

/* ---- every field ---- */

static void other_model(struct case_file *f)
{
    f->model.digest.sha256[31] ^= 1;
}
static void other_model_precision(struct case_file *f)
{
    f->want.model_precision = TN_PRECISION_INT8;
}
static void derived(struct case_file *f)
{
    f->want.derived_by = "onnxconverter-common 1.16.0 float16 keep_io_types";
}
static void derived_by_dash(struct case_file *f)
{
    f->want.derived_by = "-";
}
static void other_flavor(struct case_file *f)
{
    f->want.flavor = f->want.flavor == TN_FLAVOR_RTX ? TN_FLAVOR_TENSORRT : TN_FLAVOR_RTX;
    f->want.gpu = &f->gpu;
}
static void version_0(struct case_file *f)
{
    f->want.version.part[0]++;
}
static void version_1(struct case_file *f)
{
    f->want.version.part[1]++;
}
static void version_2(struct case_file *f)
{
    f->want.version.part[2]++;
}
static void version_3(struct case_file *f)
{
    f->want.version.part[3]++;
}
static void version_huge(struct case_file *f)
{
    f->want.version = tn_version_make(4000000000u, 4000000000u, 4000000000u, 4000000001u);
}
static void other_platform(struct case_file *f)
{
    f->want.platform = "linux-aarch64-tegra";
}
static void class_cc(struct case_file *f)
{
    f->gpu.cc_minor = 6;
}
static void class_sm(struct case_file *f)
{
    f->gpu.sm_count--;
}
static void class_bus(struct case_file *f)
{
    f->gpu.bus_bits = 256;
}
static void class_l2(struct case_file *f)
{
    f->gpu.l2_bytes++;
}
static void class_memory(struct case_file *f)
{
    f->gpu.memory_bytes += INT64_C(1) << 30;
}
static void class_integrated(struct case_file *f)
{
    f->gpu.integrated = 1;
}
static void class_mig(struct case_file *f)
{
    (void)tn_text_copy(f->gpu.mig, sizeof(f->gpu.mig), "1g.18gb");
}
static void other_precision(struct case_file *f)
{
    f->want.precision = TN_PRECISION_INT8;
}
static void shape_min(struct case_file *f)
{
    f->shapes.range[0].min.dim[2]--;
}
static void shape_opt(struct case_file *f)
{
    f->shapes.range[0].opt.dim[3]++;
}
static void shape_max(struct case_file *f)
{
    f->shapes.range[0].max.dim[0]++;
}
static void shape_fixed(struct case_file *f)
{
    f->io[1].io.dims.dim[1] = 3;
}
static void shape_rank(struct case_file *f)
{
    f->io[1].io.dims.count = 1;
}
static void shape_name(struct case_file *f)
{
    (void)tn_text_copy(f->io[1].io.name, TN_TENSOR_NAME_MAX, "scale2");
}
static void no_tf32(struct case_file *f)
{
    f->options.tf32 = false;
}
static void one_flag(struct case_file *f)
{
    (void)tn_options_add_flag(&f->options, "REFIT", &err);
}
static void hw_ampere(struct case_file *f)
{
    f->options.hw_compat = TN_HW_COMPAT_AMPERE_PLUS;
}
static void hw_same_cc(struct case_file *f)
{
    f->options.hw_compat = TN_HW_COMPAT_SAME_CC;
}
static void some_ccs(struct case_file *f)
{
    (void)tn_options_set_ccs(&f->options, "89", &err);
}
static void dla_0(struct case_file *f)
{
    f->options.dla_core = 0;
}
static void workspace(struct case_file *f)
{
    f->options.workspace_bytes = 1;
}
static void opt_level_0(struct case_file *f)
{
    f->options.optimization_level = 0;
}
static void one_plugin(struct case_file *f)
{
    f->options.plugin_count = 1;
    (void)tn_text_copy(f->options.plugin[0].path, 512, "/p/libp.so");
}
static void one_plugin_changed(struct case_file *f)
{
    one_plugin(f);
    f->options.plugin[0].digest.sha256[0] = 1;
}
static void calibration(struct case_file *f)
{
    (void)tn_text_copy(f->options.calibration, 512, "c.cache");
}
static void calibration_changed(struct case_file *f)
{
    calibration(f);
    f->options.calibration_digest.sha256[9] = 1;
}
static void timing_cache(struct case_file *f)
{
    (void)tn_text_copy(f->options.timing_cache, 512, "t.cache");
}
static void timing_cache_changed(struct case_file *f)
{
    timing_cache(f);
    f->options.timing_cache_digest.sha256[9] = 1;
}

static const struct {
    enum tn_flavor flavor;
    enum tn_recipe_field field;
    void (*change)(struct case_file *f);
} changes[] = {
    { TN_FLAVOR_TENSORRT, TN_RECIPE_MODEL_DIGEST, other_model },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_MODEL_PRECISION, other_model_precision },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_DERIVED_BY, derived },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_DERIVED_BY, derived_by_dash },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_FLAVOR, other_flavor },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TRT_VERSION, version_0 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TRT_VERSION, version_1 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TRT_VERSION, version_2 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TRT_VERSION, version_3 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_PLATFORM, other_platform },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_cc },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_sm },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_bus },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_l2 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_memory },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_integrated },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CLASS, class_mig },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_PRECISION, other_precision },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_SHAPES, shape_min },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_SHAPES, shape_opt },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_SHAPES, shape_max },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_SHAPES, shape_fixed },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_SHAPES, shape_rank },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_SHAPES, shape_name },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TF32, no_tf32 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_FLAGS, one_flag },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_HW_COMPAT, hw_ampere },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_HW_COMPAT, hw_same_cc },
    { TN_FLAVOR_RTX, TN_RECIPE_CCS, some_ccs },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_DLA, dla_0 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_WORKSPACE, workspace },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_OPT_LEVEL, opt_level_0 },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_PLUGINS, one_plugin },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_PLUGINS, one_plugin_changed },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CALIBRATION, calibration },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_CALIBRATION, calibration_changed },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TIMING_CACHE, timing_cache },
    { TN_FLAVOR_TENSORRT, TN_RECIPE_TIMING_CACHE, timing_cache_changed },
};

static void key_of(const struct case_file *f, struct tn_recipe *ret_recipe,
                   struct tn_digest *ret_key)
{
    *ret_recipe = make(f);
    assert_int_equal(tn_recipe_key(ret_recipe, ret_key, &err), TN_OK);
}

TEST(recipe__every_field_changes_the_key_and_is_named)
{
    bool walked[TN_RECIPE_FIELD_COUNT] = { false };
    struct tn_digest keys[2 * TN_COUNT(changes)];

    for (size_t i = 0; i < TN_COUNT(changes); i++) {
        struct case_file f;
        struct tn_recipe before, after;

        set_up(&f, changes[i].flavor);
        key_of(&f, &before, &keys[2 * i]);
        changes[i].change(&f);
        key_of(&f, &after, &keys[2 * i + 1]);
        assert_int_equal(tn_recipe_differs(&before, &after), changes[i].field);
        assert_int_equal(tn_recipe_differs(&before, &before), TN_RECIPE_FIELD_COUNT);
        walked[changes[i].field] = true;
        tn_recipe_done(&before);
        tn_recipe_done(&after);
        tear_down(&f);
    }
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        if (!walked[i])
            fail_msg("no change reaches %s", tn_recipe_field_name((enum tn_recipe_field)i));
    for (size_t i = 0; i < TN_COUNT(changes); i++) /* no two changes share a key */
        for (size_t j = 0; j < i; j++)
            assert_false(tn_digest_equal(&keys[2 * i + 1], &keys[2 * j + 1]));
}

TEST(recipe__what_is_not_in_the_key_does_not_change_it)
{
    struct case_file f;
    struct tn_recipe before, after;

    set_up(&f, TN_FLAVOR_TENSORRT);
    before = make(&f);
    (void)tn_text_copy(f.gpu.name, sizeof(f.gpu.name), "NVIDIA GeForce RTX 4090");
    (void)tn_text_copy(f.gpu.uuid, sizeof(f.gpu.uuid), "GPU-1");
    f.gpu.core_khz = 1;
    f.gpu.memory_bytes -= 1; /* within one GiB */
    (void)tn_text_copy(f.model.path, sizeof(f.model.path), "/else/where.onnx");
    memset(&f.options.calibration_digest, 7, 32); /* no calibration file: nothing to say */
    after = make(&f);
    assert_int_equal(tn_recipe_differs(&before, &after), TN_RECIPE_FIELD_COUNT);
    tn_recipe_done(&after);
    f.want.flavor = TN_FLAVOR_RTX; /* the GPU does not matter to RTX */
    tn_recipe_done(&before);
    before = make(&f);
    f.want.gpu = NULL;
    after = make(&f);
    assert_int_equal(tn_recipe_differs(&before, &after), TN_RECIPE_FIELD_COUNT);
    tn_recipe_done(&before);
    tn_recipe_done(&after);
    tear_down(&f);
}

TEST(recipe__four_huge_version_parts_are_not_cut)
{
    struct case_file f;
    struct tn_recipe recipe;

    set_up(&f, TN_FLAVOR_TENSORRT);
    version_huge(&f);
    recipe = make(&f);
    assert_string_equal(recipe.value[TN_RECIPE_TRT_VERSION],
                        "4000000000.4000000000.4000000000.4000000001");
    tn_recipe_done(&recipe);
    tear_down(&f);
}

/* ---- foreign text ---- */

/* Names that would run into one another if they were written as they are. */
static const char *const nasty[] = {
    "a",
    "a=1x2:1x2:1x2;b",
    "a=1x2:1x2:1x2",
    "a\\",
    "a\\\\",
    "a\n",
    "a\\n",
    "a;",
    "a\\;",
    "a\\=",
    "a=",
    "a:b",
    "a,b",
    "a\x01",
    "a\\x01",
    "a\xff",
    "a\\xff",
    "-",
    "\\-",
    "a\xc2",
    "é",
    "\xc2\x85",
    "\\x85",
    "a\r",
    "a\\\n",
    "a\\\\n",
    ";",
    "=",
    "\\",
    "\n",
    " ",
    "a ",
};

TEST(recipe__no_two_tensor_names_give_the_same_bytes)
{
    char *values[TN_COUNT(nasty)];

    for (size_t i = 0; i < TN_COUNT(nasty); i++) {
        struct case_file f;
        struct tn_recipe recipe;

        set_up(&f, TN_FLAVOR_TENSORRT);
        (void)tn_text_copy(f.io[1].io.name, TN_TENSOR_NAME_MAX, nasty[i]);
        recipe = make(&f);
        values[i] = strdup(recipe.value[TN_RECIPE_SHAPES]);
        for (const char *c = values[i]; *c; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
        for (size_t j = 0; j < i; j++)
            if (strcmp(values[i], values[j]) == 0)
                fail_msg("names %zu and %zu both give %s", j, i, values[i]);
        tn_recipe_done(&recipe);
        tear_down(&f);
    }
    for (size_t i = 0; i < TN_COUNT(nasty); i++)
        free(values[i]);
}

TEST(recipe__inputs_cannot_be_moved_into_a_name)
{
    struct case_file f;
    struct tn_recipe two, one;

    set_up(&f, TN_FLAVOR_TENSORRT);
    tear_down(&f);
    f.shapes = (struct tn_shapes) { 0 };
    f.io[0].io = (struct tn_io) { .name = "a", .dims = dims("1") };
    f.io[1].io = (struct tn_io) { .name = "b", .dims = dims("2") };
    two = make(&f);
    assert_string_equal(two.value[TN_RECIPE_SHAPES], "a=1:1:1;b=2:2:2");
    f.model.input_count = 1;
    f.io[0].io = (struct tn_io) { .name = "a=1:1:1;b", .dims = dims("2") };
    one = make(&f);
    assert_int_equal(tn_recipe_differs(&one, &two), TN_RECIPE_SHAPES);
    f.model.input_count = 0;
    tn_recipe_done(&one);
    one = make(&f);
    assert_string_equal(one.value[TN_RECIPE_SHAPES], "-");
    tn_recipe_done(&one);
    tn_recipe_done(&two);
}

TEST(recipe__nothing_foreign_can_add_a_line)
{
    struct case_file f;
    struct tn_recipe recipe;
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 16);
    size_t lines = 0;

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.want.derived_by = "x\nflavor=tensorrt-rtx";
    f.want.platform = "p\nclass=-\n";
    (void)tn_text_copy(f.gpu.mig, sizeof(f.gpu.mig), "1g\nx");
    (void)tn_text_copy(f.io[1].io.name, TN_TENSOR_NAME_MAX, "n\ntf32=off");
    recipe = make(&f);
    assert_int_equal(tn_recipe_text(&recipe, &text, &err), TN_OK);
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    assert_int_equal(lines, TN_RECIPE_FIELD_COUNT + 1);
    tn_recipe_done(&recipe);
    tear_down(&f);
}

TEST(recipe__the_largest_model_fits)
{
    static struct tn_model_io io[TN_IO_MAX];
    struct case_file f;
    struct tn_recipe recipe;

    set_up(&f, TN_FLAVOR_TENSORRT);
    tear_down(&f);
    f.shapes = (struct tn_shapes) { 0 };
    f.model.io = io;
    f.model.input_count = f.model.io_count = TN_IO_MAX;
    for (size_t i = 0; i < TN_IO_MAX; i++) {
        memset(io[i].io.name, 1, TN_TENSOR_NAME_MAX - 1); /* four bytes each in the key */
        io[i].io.name[0] = (char)(i + 1 == '\n' ? 0xff : i + 1);
        io[i].io.dims.count = TN_DIMS_MAX;
        for (int axis = 0; axis < TN_DIMS_MAX; axis++)
            io[i].io.dims.dim[axis] = INT64_C(1000000000000000000);
    }
    assert_true(tn_recipe_make(&f.want, &recipe, &err) == TN_E_TOOBIG ||
                (tn_recipe_done(&recipe), true));
    for (size_t i = 0; i < TN_IO_MAX; i++)
        io[i].io.dims.count = 8;
    recipe = make(&f);
    tn_recipe_done(&recipe);
}

/* ---- refusals ---- */

TEST(recipe__refuses_what_it_does_not_know_for_certain)
{
    struct case_file f;

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.want.version.parts = 3;
    refused(&f, "not '10.6.0'");
    f.want.version.parts = 4;
    f.gpu.l2_bytes = TN_UNKNOWN;
    refused(&f, "l2.?");
    f.want.gpu = NULL;
    refused(&f, "none is known");
    f.want.gpu = &f.gpu;
    f.gpu.l2_bytes = 1;
    f.want.platform = "";
    refused(&f, "platform");
    f.want.platform = "linux-x86_64";
    f.want.flavor = TN_FLAVOR_UNKNOWN;
    refused(&f, "flavor");
    f.want.flavor = TN_FLAVOR_TENSORRT;
    f.want.precision = TN_PRECISION_UNKNOWN;
    refused(&f, "precision of the rung");
    f.want.precision = TN_PRECISION_FP16;
    f.want.model_precision = TN_PRECISION_UNKNOWN;
    refused(&f, "precision of the model");
    f.want.model_precision = TN_PRECISION_FP32;
    f.options.hw_compat = TN_HW_COMPAT_UNKNOWN;
    refused(&f, "hardware compatibility");
    f.options.hw_compat = TN_HW_COMPAT_NONE;
    f.want.shapes = NULL;
    refused(&f, "'x' is open");
    f.want.shapes = &f.shapes;
    add_range(&f.shapes, "y=1x1x1x1");
    refused(&f, "'y' is not an input");
    tear_down(&f);
}

/* ---- comparison and JSON ---- */

TEST(recipe__equal_but_forgives_only_the_fields_that_are_named)
{
    static const enum tn_recipe_field but[] = { TN_RECIPE_CLASS, TN_RECIPE_CCS,
                                                TN_RECIPE_FIELD_COUNT };
    static const enum tn_recipe_field nothing[] = { TN_RECIPE_FIELD_COUNT };
    struct case_file f;
    struct tn_recipe a, b;

    set_up(&f, TN_FLAVOR_TENSORRT);
    a = make(&f);
    class_sm(&f);
    b = make(&f);
    assert_true(tn_recipe_equal_but(&a, &b, but));
    assert_false(tn_recipe_equal_but(&a, &b, nothing));
    assert_true(tn_recipe_equal_but(&a, &a, nothing));
    shape_max(&f);
    tn_recipe_done(&b);
    b = make(&f);
    assert_false(tn_recipe_equal_but(&a, &b, but));
    tn_recipe_done(&a);
    tn_recipe_done(&b);
    tear_down(&f);
}

TEST(recipe__comes_back_from_json_with_the_same_key)
{
    for (size_t i = 0; i < TN_COUNT(nasty); i++) {
        struct case_file f;
        struct tn_recipe recipe, again = { 0 };
        struct tn_digest a, b;
        tn_auto(tn_json_done) json_t *json = NULL;

        set_up(&f, TN_FLAVOR_TENSORRT);
        (void)tn_text_copy(f.io[1].io.name, TN_TENSOR_NAME_MAX, nasty[i]);
        f.want.derived_by = nasty[i];
        key_of(&f, &recipe, &a);
        json = tn_recipe_to_json(&recipe);
        assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_OK);
        assert_int_equal(tn_recipe_key(&again, &b, &err), TN_OK);
        assert_true(tn_digest_equal(&a, &b));
        tn_recipe_done(&recipe);
        tn_recipe_done(&again);
        tear_down(&f);
    }
}

TEST(recipe__refuses_json_with_missing_foreign_or_unclean_fields)
{
    struct case_file f;
    struct tn_recipe recipe, again = { 0 };
    tn_auto(tn_json_done) json_t *json = NULL;

    set_up(&f, TN_FLAVOR_TENSORRT);
    recipe = make(&f);
    json = tn_recipe_to_json(&recipe);
    tn_json_set_str(json, "more", "x");
    assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_E_INVALID);
    (void)json_object_del(json, "more");
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        const char *name = tn_recipe_field_name((enum tn_recipe_field)i);
        json_t *old = json_incref(json_object_get(json, name));

        (void)json_object_del(json, name);
        assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_E_INVALID);
        assert_non_null(strstr(err.text, name));
        tn_json_set(json, name, json_integer(3));
        assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_E_INVALID);
        tn_json_set(json, name, json_string(""));
        assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_E_INVALID);
        tn_json_set(json, name, json_string("a\nb"));
        assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_E_INVALID);
        tn_json_set(json, name, old);
    }
    assert_int_equal(tn_recipe_from_json(json, &again, &err), TN_OK);
    tn_recipe_done(&again);
    assert_int_equal(tn_recipe_from_json(NULL, &again, &err), TN_E_INVALID);
    tn_recipe_done(&recipe);
    tear_down(&f);
}

/* ---- completing shapes ---- */

static int complete(const struct case_file *f, const char *given, struct tn_shapes *ret_shapes,
                    struct tn_buf *note)
{
    struct tn_shapes shapes = { 0 };
    int rc;

    if (given)
        assert_int_equal(tn_shapes_parse(given, &shapes, &err), TN_OK);
    rc = tn_recipe_complete_shapes(&f->model, &shapes, ret_shapes, note, &err);
    tn_shapes_done(&shapes);
    return rc;
}

static void usage(const struct case_file *f, const char *given, const char *message)
{
    struct tn_shapes shapes;

    assert_int_equal(complete(f, given, &shapes, NULL), TN_E_USAGE);
    assert_string_equal(err.text, message);
}

TEST(complete__fixed_inputs_need_nothing)
{
    struct case_file f;
    struct tn_shapes shapes;
    struct tn_buf note = TN_BUF(256);

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.io[0].io.dims = dims("1x3x8x8");
    assert_int_equal(tn_recipe_complete_shapes(&f.model, NULL, &shapes, NULL, &err), TN_OK);
    assert_int_equal(shapes.count, 0);
    assert_int_equal(complete(&f, "scale=1x2", &shapes, &note), TN_OK);
    assert_int_equal(shapes.count, 0);
    assert_string_equal(tn_buf_text(&note), "");
    tear_down(&f);
}

TEST(complete__a_leading_axis_alone_becomes_one_and_is_noted)
{
    struct case_file f;
    struct tn_shapes shapes;
    tn_auto(tn_buf_done) struct tn_buf note = TN_BUF(256);

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.io[0].io.dims = dims("-1x3x8x8");
    f.io[1].io.dims = dims("-1");
    assert_int_equal(complete(&f, NULL, &shapes, &note), TN_OK);
    assert_int_equal(shapes.count, 2);
    assert_int_equal(shapes.range[0].min.dim[0], 1);
    assert_int_equal(shapes.range[0].max.dim[0], 1);
    assert_int_equal(shapes.range[0].opt.dim[3], 8);
    assert_string_equal(tn_buf_text(&note), "the leading axis of input x is set to 1\n"
                                            "the leading axis of input scale is set to 1");
    tn_shapes_done(&shapes);
    tear_down(&f);
}

TEST(complete__other_open_axes_end_in_a_ready_line)
{
    struct case_file f;

    set_up(&f, TN_FLAVOR_TENSORRT);
    usage(&f, NULL,
          "det.onnx has open axes: x ?x3x?x?; give a range, such as --shapes "
          "x=1x3x320x320:1x3x640x640:2x3x960x960");
    f.io[0].io.dims = dims("-1x-1");
    (void)tn_text_copy(f.io[0].axis[0], 64, "batch");
    (void)tn_text_copy(f.io[0].axis[1], 64, "sequence_length");
    (void)tn_text_copy(f.io[0].io.name, TN_TENSOR_NAME_MAX, "ids");
    f.io[1].io.dims = dims("-1x-1x-1x3");
    usage(&f, NULL,
          "det.onnx has open axes: ids batchxsequence_length, scale ?x?x?x3; give a range, such "
          "as --shapes ids=1x1:1x128:2x512,scale=1x320x320x3:1x640x640x3:2x960x960x3");
    f.io[1].io.dims = dims("2x-1x128");
    usage(&f, "ids=1x1",
          "det.onnx has open axes: scale 2x?x128; give a range, such as --shapes "
          "ids=1x1,scale=2x1x128:2x1x128:2x2x128");
    f.io[1].io.dims = dims("1x2");
    usage(&f, "scale=1x2",
          "det.onnx has open axes: ids batchxsequence_length; give a range, such as --shapes "
          "ids=1x1:1x128:2x512");
    tear_down(&f);
}

TEST(complete__the_ready_line_parses_and_completes)
{
    struct case_file f;
    struct tn_shapes shapes;
    const char *line;

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.io[1].io.dims = dims("2x-1x80x-1");
    assert_int_equal(complete(&f, NULL, &shapes, NULL), TN_E_USAGE);
    line = strstr(err.text, "--shapes ");
    assert_non_null(line);
    line = strdup(line + strlen("--shapes "));
    assert_int_equal(complete(&f, line, &shapes, NULL), TN_OK);
    assert_int_equal(shapes.count, 2);
    tn_shapes_done(&shapes);
    free((void *)(uintptr_t)line);
    tear_down(&f);
}

TEST(complete__a_long_line_goes_into_the_note)
{
    static struct tn_model_io io[100];
    struct case_file f;
    struct tn_shapes shapes;
    tn_auto(tn_buf_done) struct tn_buf note = TN_BUF(1 << 16);

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.model.io = io;
    f.model.io_count = f.model.input_count = TN_COUNT(io);
    for (size_t i = 0; i < TN_COUNT(io); i++) {
        (void)snprintf(io[i].io.name, TN_TENSOR_NAME_MAX, "past_key_values.%zu.key", i);
        io[i].io.dims = dims("-1x8x-1x64");
        (void)tn_text_copy(io[i].axis[2], 64, "past_sequence_length");
    }
    assert_int_equal(complete(&f, NULL, &shapes, &note), TN_E_USAGE);
    assert_non_null(strstr(err.text, " more; give a range, such as --shapes NAME=MIN:OPT:MAX,"));
    assert_true(tn_text_ends(err.text, "(see the note)"));
    assert_true(tn_text_starts(tn_buf_text(&note), "--shapes past_key_values.0.key="));
    assert_int_equal(complete(&f, tn_buf_text(&note) + strlen("--shapes "), &shapes, NULL), TN_OK);
    assert_int_equal(shapes.count, TN_COUNT(io));
    tn_shapes_done(&shapes);
    tear_down(&f);
}

TEST(complete__what_is_given_must_fit)
{
    struct case_file f;
    struct tn_shapes shapes;

    set_up(&f, TN_FLAVOR_TENSORRT);
    usage(&f, "scal=1x2", "'scal' is not an input of det.onnx; did you mean 'scale'?");
    usage(&f, "something=1x2", "'something' is not an input of det.onnx, which has x, scale");
    usage(&f, "x=1x3x640", "input x ?x3x?x? has 4 axes, the given shape 3");
    usage(&f, "x=1x4x640x640", "input x ?x3x?x?: axis 1 is fixed at 3");
    usage(&f, "x=1x3x640x640,scale=1x3", "input scale 1x2: axis 1 is fixed at 2");
    usage(&f, "x=1x1x6x6:1x3x6x6:1x3x6x6", "input x ?x3x?x?: axis 1 is fixed at 3");
    assert_int_equal(complete(&f, "x=1x3x6x6:1x3x7x7:2x3x8x8", &shapes, NULL), TN_OK);
    assert_int_equal(shapes.count, 1);
    assert_int_equal(shapes.range[0].max.dim[0], 2);
    tn_shapes_done(&shapes);
    tear_down(&f);
}

TEST(complete__an_unknown_rank_must_be_given)
{
    struct case_file f;
    struct tn_shapes shapes;

    set_up(&f, TN_FLAVOR_TENSORRT);
    f.io[0].io.dims.count = -1;
    usage(&f, NULL, "det.onnx has open axes: x ?; give a range, such as --shapes x=SHAPE");
    assert_int_equal(complete(&f, "x=1x3", &shapes, NULL), TN_OK);
    assert_int_equal(shapes.range[0].min.count, 2);
    tn_shapes_done(&shapes);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipe__text_of_a_classic_engine_is_exactly_this),
        cmocka_unit_test(recipe__rtx_has_no_class_and_a_default_list_of_capabilities),
        cmocka_unit_test(recipe__plugins_are_sorted_by_name_and_hold_no_path),
        cmocka_unit_test(recipe__every_field_changes_the_key_and_is_named),
        cmocka_unit_test(recipe__what_is_not_in_the_key_does_not_change_it),
        cmocka_unit_test(recipe__four_huge_version_parts_are_not_cut),
        cmocka_unit_test(recipe__no_two_tensor_names_give_the_same_bytes),
        cmocka_unit_test(recipe__inputs_cannot_be_moved_into_a_name),
        cmocka_unit_test(recipe__nothing_foreign_can_add_a_line),
        cmocka_unit_test(recipe__the_largest_model_fits),
        cmocka_unit_test(recipe__refuses_what_it_does_not_know_for_certain),
        cmocka_unit_test(recipe__equal_but_forgives_only_the_fields_that_are_named),
        cmocka_unit_test(recipe__comes_back_from_json_with_the_same_key),
        cmocka_unit_test(recipe__refuses_json_with_missing_foreign_or_unclean_fields),
        cmocka_unit_test(complete__fixed_inputs_need_nothing),
        cmocka_unit_test(complete__a_leading_axis_alone_becomes_one_and_is_noted),
        cmocka_unit_test(complete__other_open_axes_end_in_a_ready_line),
        cmocka_unit_test(complete__the_ready_line_parses_and_completes),
        cmocka_unit_test(complete__a_long_line_goes_into_the_note),
        cmocka_unit_test(complete__what_is_given_must_fit),
        cmocka_unit_test(complete__an_unknown_rank_must_be_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
