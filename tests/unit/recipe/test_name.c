#include "recipe/name.h"

#include "base/text.h"

#include "tn_test.h"

#include <stdio.h>
#include <string.h>

static struct tn_error err;

static struct tn_engine_name parse(const char *name)
{
    struct tn_engine_name parts;

    if (tn_engine_name_parse(name, &parts, &err) != TN_OK)
        fail_msg("%s", err.text);
    return parts;
}

static void refused(const char *name, const char *message)
{
    struct tn_engine_name parts;

    assert_int_equal(tn_engine_name_parse(name, &parts, &err), TN_E_INVALID);
    assert_string_equal(err.text, message);
}

TEST(name__the_example_of_the_design_goes_both_ways)
{
    static const char example[] = "yolov5s_1x3x640x640_trt8.4.1.5_t4_fp16.engine";
    struct tn_engine_name parts = parse(example);
    char name[TN_ENGINE_NAME_MAX];

    assert_string_equal(parts.model, "yolov5s");
    assert_string_equal(parts.shapes, "1x3x640x640");
    assert_int_equal(parts.runtime.kind, TN_RUNTIME_TRT);
    assert_true(
        tn_version_same(&parts.runtime.version, &(struct tn_version) { { 8, 4, 1, 5 }, 4 }));
    assert_string_equal(parts.arch, "t4");
    assert_int_equal(parts.precision, TN_PRECISION_FP16);
    assert_string_equal(parts.key8, "");
    assert_int_equal(tn_engine_name_make(&parts, name, &err), TN_OK);
    assert_string_equal(name, example);
}

TEST(name__reads_from_the_right_short_versions_keys_and_paths)
{
    struct tn_engine_name parts =
        parse("/a/b_c/my_model_v2_1-4-8x3x320-640-960x640+s_trt8.4_sm89_int8.1a2b3c4d.engine");

    assert_string_equal(parts.model, "my_model_v2");
    assert_string_equal(parts.shapes, "1-4-8x3x320-640-960x640+s");
    assert_int_equal(parts.runtime.version.parts, 2);
    assert_string_equal(parts.key8, "1a2b3c4d");
    parts = parse("m_s1a2b3c4d_rtx1.7.1.116_sm80-121_fp16.engine");
    assert_string_equal(parts.shapes, "s1a2b3c4d");
    assert_int_equal(parts.runtime.kind, TN_RUNTIME_RTX);
    assert_string_equal(parts.arch, "sm80-121");
    parts = parse("v1.0_model_s_trt10_h200_bf16.engine");
    assert_string_equal(parts.model, "v1.0_model");
    assert_string_equal(parts.shapes, "s");
}

TEST(name__says_which_part_is_wrong)
{
    refused("model.plan", "'model.plan' does not end in .engine");
    refused("model.engine", "'model.engine' is not MODEL_SHAPES_VERSION_ARCH_PRECISION.engine: the "
                            "precision is missing");
    refused("m_fp15.engine", "'m_fp15.engine': 'fp15' is not a precision such as fp16");
    refused("m_fp16.engine", "'m_fp16.engine' is not MODEL_SHAPES_VERSION_ARCH_PRECISION.engine: "
                             "the GPU is missing");
    refused("m_1x3_trt8.4.1.5_t 4_fp16.engine",
            "'m_1x3_trt8.4.1.5_t 4_fp16.engine': 't 4' is not a GPU such as t4 or sm89");
    refused("m_1x3_8.4.1.5_t4_fp16.engine",
            "'m_1x3_8.4.1.5_t4_fp16.engine': '8.4.1.5' is not a version such as trt8.4.1.5 or "
            "rtx1.7.1.116");
    refused("m_1x3_lean8.4.1.5_t4_fp16.engine",
            "'m_1x3_lean8.4.1.5_t4_fp16.engine': 'lean8.4.1.5' is not a version such as "
            "trt8.4.1.5 or rtx1.7.1.116");
    refused("m_1x3x_trt8.4_t4_fp16.engine",
            "'m_1x3x_trt8.4_t4_fp16.engine': '1x3x' is not a shape such as 1x3x640x640 or "
            "1-4-8x3x640x640");
    refused("1x3_trt8.4_t4_fp16.engine",
            "'1x3_trt8.4_t4_fp16.engine' is not MODEL_SHAPES_VERSION_ARCH_PRECISION.engine: the "
            "shape is missing");
    refused("_1x3_trt8.4_t4_fp16.engine",
            "'_1x3_trt8.4_t4_fp16.engine': the model's name is missing or too long");
}

TEST(name__refuses_shapes_that_are_none)
{
    static const char *const bad[] = {
        "",      "x",         "1x",       "x1",         "1xx2",  "1-2",
        "1-2-",  "4-2-8",     "1-2-3-4",  "-1x3",       "1+",    "+1",
        "s1234", "sXXXXXXXX", "s1a2b3c4", "s1a2b3c4d5", "1x3+t", "1x2x3x4x5x6x7x8x9x1x2x3x4x5x6x7x8"
    };
    char name[TN_ENGINE_NAME_MAX];
    struct tn_engine_name parts;

    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        (void)snprintf(name, sizeof(name), "m_%s_trt8.4_t4_fp16.engine", bad[i]);
        if (tn_engine_name_parse(name, &parts, &err) != TN_E_INVALID)
            fail_msg("'%s' was taken for a shape", bad[i]);
        parts = parse("m_1_trt8.4_t4_fp16.engine");
        (void)tn_text_copy(parts.shapes, sizeof(parts.shapes), bad[i]);
        assert_int_equal(tn_engine_name_make(&parts, name, &err), TN_E_INVALID);
    }
}

TEST(name__makes_a_model_fit_for_a_file_name)
{
    struct tn_engine_name parts = parse("m_1_trt8.4.1.5_t4_fp16.engine");
    char name[TN_ENGINE_NAME_MAX];

    (void)tn_text_copy(parts.model, sizeof(parts.model), "../my_model v2/é\n");
    assert_int_equal(tn_engine_name_make(&parts, name, &err), TN_OK);
    assert_string_equal(name, "-.-my-model-v2----_1_trt8.4.1.5_t4_fp16.engine");
    (void)tn_text_copy(parts.key8, sizeof(parts.key8), "0123abcd");
    assert_int_equal(tn_engine_name_make(&parts, name, &err), TN_OK);
    assert_true(tn_text_ends(name, "_fp16.0123abcd.engine"));
    memset(parts.model, 'm', sizeof(parts.model) - 1);
    assert_int_equal(tn_engine_name_make(&parts, name, &err), TN_OK);
    assert_int_equal(strlen(name), 127 + strlen("_1_trt8.4.1.5_t4_fp16.0123abcd.engine"));
}

TEST(name__refuses_parts_that_it_could_not_read_back)
{
    struct tn_engine_name good = parse("m_1_trt8.4.1.5_t4_fp16.engine"), bad;
    char name[TN_ENGINE_NAME_MAX];

    bad = good;
    bad.model[0] = '\0';
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    (void)tn_text_copy(bad.arch, sizeof(bad.arch), "a_b");
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    bad.arch[0] = '\0';
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    bad.runtime.kind = TN_RUNTIME_LEAN;
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    bad.runtime.version.parts = 0;
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    bad.precision = TN_PRECISION_UNKNOWN;
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    (void)tn_text_copy(bad.key8, sizeof(bad.key8), "0123ABCD");
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_INVALID);
    bad = good;
    memset(bad.model, 'm', sizeof(bad.model) - 1);
    (void)tn_text_copy(bad.shapes, sizeof(bad.shapes),
                       "1000000000000000000x1000000000000000000x100000000000000000000");
    bad.shapes[59] = '\0';
    memset(bad.arch, 'a', sizeof(bad.arch) - 1);
    bad.runtime.version = tn_version_make(4000000000u, 4000000000u, 4000000000u, 4000000000u);
    assert_int_equal(tn_engine_name_make(&bad, name, &err), TN_E_TOOBIG);
}

/* ---- thousands of parts ---- */

static uint64_t seed = 42;

static unsigned pick(unsigned below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % below;
}

static void pick_text(char *text, size_t most, const char *alphabet, const char *first)
{
    size_t length = 1 + pick((unsigned)most);

    text[0] = first[pick((unsigned)strlen(first))];
    for (size_t i = 1; i < length; i++)
        text[i] = alphabet[pick((unsigned)strlen(alphabet))];
    text[length] = '\0';
}

static void pick_shapes(char text[64])
{
    tn_auto(tn_shapes_done) struct tn_shapes shapes = { 0 };
    unsigned tensors = 1 + pick(3);

    for (unsigned t = 0; t < tensors; t++) {
        struct tn_shape_range range = { .input = "" };

        (void)snprintf(range.input, sizeof(range.input), "t%u", t);
        range.min.count = range.opt.count = range.max.count = (int)pick(5);
        for (int i = 0; i < range.min.count; i++) {
            range.min.dim[i] = pick(1000);
            range.opt.dim[i] = range.min.dim[i] + (pick(3) ? 0 : pick(300));
            range.max.dim[i] = range.opt.dim[i] + (pick(3) ? 0 : pick(300));
        }
        assert_int_equal(tn_shapes_add(&shapes, &range, &err), TN_OK);
    }
    assert_int_equal(tn_engine_name_ranges(&shapes, text, &err), TN_OK);
}

TEST(name__random_parts_come_back_as_they_went)
{
    static const char letters[] = "abcxyzABCXYZ0123456789", all[] = "abcxyzABCXYZ0123456789.-";
    size_t hashed = 0;

    for (int i = 0; i < 20000; i++) {
        struct tn_engine_name parts = { 0 }, again;
        char name[TN_ENGINE_NAME_MAX];

        pick_text(parts.model, 60, all, letters);
        pick_shapes(parts.shapes);
        hashed += parts.shapes[0] == 's' && strlen(parts.shapes) == 9;
        parts.runtime.kind = pick(2) ? TN_RUNTIME_TRT : TN_RUNTIME_RTX;
        parts.runtime.version = tn_version_make(pick(12), pick(20), pick(200), pick(100000));
        parts.runtime.version.parts = 1 + (int)pick(4);
        for (int part = parts.runtime.version.parts; part < 4; part++)
            parts.runtime.version.part[part] = 0;
        pick_text(parts.arch, 20, "abcsm0123456789-", "abcsm");
        parts.precision = (enum tn_precision)(1 + pick(7));
        if (pick(2))
            (void)snprintf(parts.key8, sizeof(parts.key8), "%08x", pick(1u << 30));
        assert_int_equal(tn_engine_name_make(&parts, name, &err), TN_OK);
        if (tn_engine_name_parse(name, &again, &err) != TN_OK)
            fail_msg("%s", err.text);
        assert_string_equal(again.model, parts.model);
        assert_string_equal(again.shapes, parts.shapes);
        assert_string_equal(again.arch, parts.arch);
        assert_string_equal(again.key8, parts.key8);
        assert_int_equal(again.precision, parts.precision);
        assert_int_equal(again.runtime.kind, parts.runtime.kind);
        assert_int_equal(again.runtime.version.parts, parts.runtime.version.parts);
        assert_int_equal(tn_version_compare(&again.runtime.version, &parts.runtime.version), 0);
    }
    assert_true(hashed > 10 && hashed < 10000);
}

TEST(name__random_bytes_end_in_an_answer)
{
    static const char bytes[] = "_.xs+-0123456789abtrpfen\xff\n /";

    for (int i = 0; i < 50000; i++) {
        char name[320];
        struct tn_engine_name parts;

        pick_text(name, 300, bytes, bytes);
        if (pick(2) && strlen(name) > 40)
            memcpy(name + strlen(name) - 12, "_fp16.engine", 12);
        memset(&err, 0, sizeof(err));
        if (tn_engine_name_parse(name, &parts, &err) != TN_OK)
            assert_true(err.text[0] != '\0');
    }
}

/* ---- parts from facts ---- */

TEST(name__shapes_of_a_model_are_in_its_order_and_hashed_when_long)
{
    struct tn_model_io io[8] = { { .io = { .name = "x", .dims = { 4, { -1, 3, -1, 640 } } } },
                                 { .io = { .name = "n", .dims = { 0, { 0 } } } },
                                 { .io = { .name = "y", .dims = { 1, { 7 } } } } };
    struct tn_model model = { .io = io, .io_count = 3, .input_count = 2 };
    struct tn_shapes shapes;
    struct tn_digest digest;
    char text[64], hex[TN_DIGEST_HEX], wanted[16];

    assert_int_equal(tn_engine_name_shapes(&model, NULL, text, &err), TN_E_INVALID);
    assert_int_equal(tn_shapes_parse("x=1x3x320x640:4x3x480x640:8x3x640x640", &shapes, &err),
                     TN_OK);
    assert_int_equal(tn_engine_name_shapes(&model, &shapes, text, &err), TN_OK);
    assert_string_equal(text, "1-4-8x3x320-480-640x640+s");
    model.input_count = 3;
    io[2].io.dims =
        (struct tn_dims) { 3, { INT64_C(10000000000), INT64_C(10000000000), INT64_C(1000000000) } };
    assert_int_equal(tn_engine_name_shapes(&model, &shapes, text, &err), TN_OK);
    assert_string_equal(text, "1-4-8x3x320-480-640x640+s+10000000000x10000000000x1000000000");
    assert_int_equal(strlen(text), 60);
    io[2].io.dims.dim[2] = INT64_C(10000000000);
    assert_int_equal(tn_engine_name_shapes(&model, &shapes, text, &err), TN_OK);
    assert_int_equal(tn_digest_of("1-4-8x3x320-480-640x640+s+10000000000x10000000000x10000000000",
                                  61, &digest, &err),
                     TN_OK);
    tn_digest_hex(&digest, hex);
    (void)snprintf(wanted, sizeof(wanted), "s%.8s", hex);
    assert_string_equal(text, wanted);
    model.input_count = 0;
    assert_int_equal(tn_engine_name_shapes(&model, &shapes, text, &err), TN_OK);
    assert_string_equal(text, "0");
    tn_shapes_done(&shapes);
}

TEST(name__arch_is_the_product_or_the_capability_or_the_mask)
{
    struct tn_gpu gpu = tn_gpu_unknown();
    struct tn_cc_set ccs = { .count = 0 };
    char arch[48];

    tn_engine_name_arch(NULL, NULL, arch);
    assert_string_equal(arch, "");
    tn_engine_name_arch(&gpu, &ccs, arch);
    assert_string_equal(arch, "");
    gpu.cc_major = 12;
    gpu.cc_minor = 0;
    tn_engine_name_arch(&gpu, NULL, arch);
    assert_string_equal(arch, "sm120");
    (void)tn_text_copy(gpu.product, sizeof(gpu.product), "RTX 4090_x");
    tn_engine_name_arch(&gpu, &ccs, arch);
    assert_string_equal(arch, "rtx-4090-x");
    ccs = (struct tn_cc_set) { .cc = { 80, 86, 121 }, .count = 3 };
    tn_engine_name_arch(&gpu, &ccs, arch);
    assert_string_equal(arch, "sm80-121");
    ccs.count = 1;
    tn_engine_name_arch(NULL, &ccs, arch);
    assert_string_equal(arch, "sm80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name__the_example_of_the_design_goes_both_ways),
        cmocka_unit_test(name__reads_from_the_right_short_versions_keys_and_paths),
        cmocka_unit_test(name__says_which_part_is_wrong),
        cmocka_unit_test(name__refuses_shapes_that_are_none),
        cmocka_unit_test(name__makes_a_model_fit_for_a_file_name),
        cmocka_unit_test(name__refuses_parts_that_it_could_not_read_back),
        cmocka_unit_test(name__random_parts_come_back_as_they_went),
        cmocka_unit_test(name__random_bytes_end_in_an_answer),
        cmocka_unit_test(name__shapes_of_a_model_are_in_its_order_and_hashed_when_long),
        cmocka_unit_test(name__arch_is_the_product_or_the_capability_or_the_mask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
