#include "recipe/spec.h"

#include "base/file.h"
#include "base/text.h"

#include "tn_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tn_error err;
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)tn_text_copy(folder, sizeof(folder), "/tmp/tn-spec-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

static const char *put(const char *name, const char *text)
{
    static char path[128];

    assert_int_equal(tn_file_replace(folder, name, text, strlen(text), 0644, &err), TN_OK);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int read_text(const char *text, struct tn_spec *ret_spec)
{
    memset(&err, 0, sizeof(err));
    return tn_spec_read(put("model.yaml", text), ret_spec, &err);
}

/* The rest of the message after "FOLDER/". */
static void refused(const char *text, int code, const char *message)
{
    struct tn_spec spec;

    assert_int_equal(read_text(text, &spec), code);
    assert_true(tn_text_starts(err.text, folder));
    assert_string_equal(err.text + strlen(folder) + 1, message);
    assert_int_equal(err.code, code);
}

#define HEAD "name: yolo\nvariants: { fp32: yolo.onnx }\n"

TEST(spec__reads_the_example_of_the_design)
{
    struct tn_spec spec;
    char sha256[TN_DIGEST_HEX], text[4096];
    struct tn_digest digest;
    char path[160];

    (void)put("libmyplugin.so", "plugin");
    (void)put("c.cache", "calibration");
    (void)put("t.cache", "timing");
    assert_int_equal(tn_digest_of("plugin", 6, &digest, &err), TN_OK);
    tn_digest_hex(&digest, sha256);
    (void)snprintf(
        text, sizeof(text),
        "name: yolov5s\n"
        "variants: { fp32: yolov5s.onnx, int8: /abs/yolov5s-qdq.onnx }\n"
        "shapes:   { images: { min: 1x3x640x640, opt: 4x3x640x640, max: 8x3x640x640 }, n: { min: s "
        "} }\n"
        "options:  { tf32: false, workspace: 2GiB, hardware-compatibility: ampere+, "
        "version-compatible: true, flags: [refit, kDEBUG], dla: 1,\n"
        "            optimization-level: 3, compute-capabilities: [8.9, 75], calibration: c.cache, "
        "timing-cache: t.cache }\n"
        "plugins:  [ { library: libmyplugin.so, sha256: %s } ]\n"
        "policy:   { precision: [int8, fp16, fp32], build: forbidden, accept: may-load, level: "
        "loaded, allow-host-code: true,\n"
        "            signature: required, evidence: class, fill-holes: true }\n"
        "accuracy: { inputs: golden/, metric: relative-l2, tolerance: { fp16: 1.5e-2, int8: 1.5e-1 "
        "} }\n",
        sha256);
    if (read_text(text, &spec) != TN_OK)
        fail_msg("%s", err.text);
    assert_string_equal(spec.name, "yolov5s");
    assert_false(spec.plain);
    assert_int_equal(spec.variant_count, 2);
    (void)snprintf(path, sizeof(path), "%s/yolov5s.onnx", folder);
    assert_string_equal(tn_spec_variant(&spec, TN_PRECISION_FP32)->path, path);
    assert_string_equal(tn_spec_variant(&spec, TN_PRECISION_INT8)->path, "/abs/yolov5s-qdq.onnx");
    assert_null(tn_spec_variant(&spec, TN_PRECISION_FP16));
    assert_int_equal(spec.shapes.count, 2);
    assert_string_equal(spec.shapes.range[0].input, "images");
    assert_int_equal(spec.shapes.range[0].opt.dim[0], 4);
    assert_int_equal(spec.shapes.range[0].max.dim[0], 8);
    assert_int_equal(spec.shapes.range[1].max.count, 0);
    assert_false(spec.options.tf32);
    assert_int_equal(spec.options.workspace_bytes, INT64_C(2) << 30);
    assert_int_equal(spec.options.hw_compat, TN_HW_COMPAT_AMPERE_PLUS);
    assert_int_equal(spec.options.flag_count, 3);
    assert_string_equal(spec.options.flag[2], "VERSION_COMPATIBLE");
    assert_int_equal(spec.options.dla_core, 1);
    assert_int_equal(spec.options.optimization_level, 3);
    assert_int_equal(spec.options.cc_count, 2);
    assert_int_equal(spec.options.cc[0], 75);
    assert_int_equal(tn_digest_of("calibration", 11, &digest, &err), TN_OK);
    assert_true(tn_digest_equal(&spec.options.calibration_digest, &digest));
    assert_int_equal(tn_digest_of("timing", 6, &digest, &err), TN_OK);
    assert_true(tn_digest_equal(&spec.options.timing_cache_digest, &digest));
    assert_int_equal(spec.options.plugin_count, 1);
    (void)snprintf(path, sizeof(path), "%s/libmyplugin.so", folder);
    assert_string_equal(spec.options.plugin[0].path, path);
    assert_int_equal(spec.policy.ladder.count, 3);
    assert_int_equal(spec.policy.ladder.rung[0], TN_PRECISION_INT8);
    assert_true(spec.policy.build_forbidden && spec.policy.accept_may_load);
    assert_int_equal(spec.policy.level, TN_LEVEL_LOADED);
    assert_true(spec.policy.allow_host_code && spec.policy.fill_holes);
    assert_true(spec.policy.signature_required);
    assert_string_equal(spec.policy.evidence, "class");
    (void)snprintf(path, sizeof(path), "%s/golden/", folder);
    assert_string_equal(spec.accuracy_inputs, path);
    tn_spec_done(&spec);
}

TEST(spec__what_is_left_out_has_its_default)
{
    struct tn_spec spec;
    struct tn_build_options options = tn_options_default();

    assert_int_equal(read_text(HEAD, &spec), TN_OK);
    assert_memory_equal(&spec.options, &options, sizeof(options));
    assert_int_equal(spec.policy.ladder.count, 0);
    assert_false(spec.policy.build_forbidden || spec.policy.accept_may_load ||
                 spec.policy.allow_host_code || spec.policy.fill_holes);
    assert_int_equal(spec.policy.level, TN_LEVEL_NONE);
    assert_false(spec.policy.signature_required);
    assert_int_equal(spec.shapes.count, 0);
    assert_string_equal(spec.accuracy_inputs, "");
    tn_spec_done(&spec);
    /* the words that stand for the defaults */
    assert_int_equal(read_text(HEAD "options: { dla: none, calibration: none, timing-cache: none, "
                                    "compute-capabilities: default, "
                                    "hardware-compatibility: none, flags: [] }\nplugins: []\n",
                               &spec),
                     TN_OK);
    assert_memory_equal(&spec.options, &options, sizeof(options));
    tn_spec_done(&spec);
}

TEST(spec__messages_carry_line_and_column)
{
    refused("name: yolo\n", TN_E_INVALID, "model.yaml:1:1: key 'variants' is missing");
    refused(HEAD "varients: { fp16: b.onnx }\n", TN_E_INVALID,
            "model.yaml:3:1: unknown key 'varients'; did you mean 'variants'?");
    refused(HEAD "options:\n  worckspace: 2GiB\n", TN_E_INVALID,
            "model.yaml:4:3: unknown key 'worckspace'; did you mean 'workspace'?");
    refused("name: yolo\nvariants: { fp23: a.onnx }\n", TN_E_INVALID,
            "model.yaml:2:13: 'fp23' is not a precision: use fp32, fp16, bf16, fp8, int8, fp4 or "
            "int4");
    refused("name: yolo\nvariants: {}\n", TN_E_INVALID, "model.yaml:2:11: a model needs a variant");
    refused("name: yolo\nvariants: { fp32: '' }\n", TN_E_INVALID,
            "model.yaml:2:19: a path is empty");
    refused("name: a/b\nvariants: { fp32: a.onnx }\n", TN_E_INVALID,
            "model.yaml:1:7: a name has 1 to 127 characters, no '/' and no leading '.'");
    refused(HEAD "shapes: { x: { min: 1x, } }\n", TN_E_INVALID,
            "model.yaml:3:21: '1x' is not a shape such as 1x3x640x640");
    refused(HEAD "shapes: { x: { min: 1, max: 2 } }\n", TN_E_INVALID,
            "model.yaml:3:14: opt and max are given together, or min alone");
    refused(HEAD "shapes:\n  x: { min: 2, opt: 1, max: 3 }\n", TN_E_INVALID,
            "model.yaml:4:6: the shapes of input 'x' must have one rank and satisfy MIN <= OPT <= "
            "MAX");
    refused(HEAD "options: { flags: [REFIT, FP16] }\n", TN_E_INVALID,
            "model.yaml:3:27: flag FP16 is not taken: the ladder chooses the precision");
    refused(HEAD "options: { dla: first }\n", TN_E_INVALID,
            "model.yaml:3:17: 'first' is not the number of a DLA core, nor none");
    refused(HEAD "options: { optimization-level: 6 }\n", TN_E_INVALID,
            "model.yaml:3:32: the optimization level goes from 0 to 5");
    refused(HEAD "options: { compute-capabilities: [75, ada] }\n", TN_E_INVALID,
            "model.yaml:3:34: 'ada' is not a compute capability such as 8.9 or 89");
    refused(HEAD "options: { compute-capabilities: [] }\n", TN_E_INVALID,
            "model.yaml:3:34: an empty list: write default for the toolchain's own");
    refused(HEAD "options: { hardware-compatibility: ampere }\n", TN_E_INVALID,
            "model.yaml:3:36: options.hardware-compatibility must be none, ampere+ or "
            "same-compute-capability, not 'ampere'");
    refused(HEAD "policy: { precision: [fp16, fp16] }\n", TN_E_INVALID,
            "model.yaml:3:29: precision fp16 stands twice");
    refused(HEAD "policy: { precision: fp16 }\n", TN_E_INVALID,
            "model.yaml:3:22: policy.precision must be a list, not 'fp16'");
    refused(HEAD "policy: { build: maybe }\n", TN_E_INVALID,
            "model.yaml:3:18: policy.build must be allowed or forbidden, not 'maybe'");
    refused(HEAD "policy: { allow-host-code: maybe }\n", TN_E_INVALID,
            "model.yaml:3:28: policy.allow-host-code must be true or false, not 'maybe'");
    refused(HEAD "accuracy: { tolerance: { fp15: 1 } }\n", TN_E_INVALID,
            "model.yaml:3:26: 'fp15' is not a precision: use fp32, fp16, bf16, fp8, int8, fp4 or "
            "int4");
    refused(HEAD "accuracy: { tolerance: { fp16: -1 } }\n", TN_E_INVALID,
            "model.yaml:3:32: a tolerance is not negative");
}

TEST(spec__files_that_belong_to_the_key_must_be_there_and_be_what_is_declared)
{
    char wanted[300];

    (void)put("p.so", "plugin");
    (void)snprintf(wanted, sizeof(wanted),
                   "model.yaml:3:23: open '%s/q.so': No such file or directory", folder);
    refused(HEAD "plugins: [ {library:  q.so} ]\n", TN_E_NOTFOUND, wanted);
    (void)snprintf(wanted, sizeof(wanted),
                   "model.yaml:3:35: '%s/p.so' has another content than this digest", folder);
    refused(HEAD "plugins: [{library: p.so, sha256: "
                 "0000000000000000000000000000000000000000000000000000000000000000}]\n",
            TN_E_CORRUPT, wanted);
    refused(HEAD "plugins: [{ sha256: 00 }]\n", TN_E_INVALID,
            "model.yaml:3:11: key 'library' is missing");
    (void)snprintf(wanted, sizeof(wanted),
                   "model.yaml:3:25: open '%s/none.cache': No such file or directory", folder);
    refused(HEAD "options: { calibration: none.cache }\n", TN_E_NOTFOUND, wanted);
    (void)snprintf(wanted, sizeof(wanted),
                   "model.yaml:3:26: '%s/.' is a folder, not a regular file", folder);
    refused(HEAD "options: { timing-cache: . }\n", TN_E_INVALID, wanted);
}

TEST(spec__holds_its_limits)
{
    struct tn_buf text = TN_BUF(1 << 16);
    struct tn_spec spec;

    (void)put("p.so", "plugin");
    tn_buf_adds(&text, HEAD "plugins:\n");
    for (int i = 0; i < TN_PLUGINS_MAX; i++)
        tn_buf_adds(&text, "  - library: p.so\n");
    assert_int_equal(read_text(tn_buf_text(&text), &spec), TN_OK);
    assert_int_equal(spec.options.plugin_count, TN_PLUGINS_MAX);
    tn_spec_done(&spec);
    tn_buf_adds(&text, "  - library: p.so\n");
    assert_int_equal(read_text(tn_buf_text(&text), &spec), TN_E_TOOBIG);
    tn_buf_clear(&text);
    tn_buf_adds(&text, "name: x\nvariants:\n  fp32: ");
    for (int i = 0; i < 1024; i++)
        tn_buf_adds(&text, "a");
    assert_int_equal(read_text(tn_buf_text(&text), &spec), TN_E_TOOBIG);
    tn_buf_clear(&text);
    tn_buf_adds(&text, HEAD "shapes: { ");
    for (int i = 0; i < TN_TENSOR_NAME_MAX; i++)
        tn_buf_adds(&text, "a");
    tn_buf_adds(&text, ": { min: 1 } }");
    assert_int_equal(read_text(tn_buf_text(&text), &spec), TN_E_TOOBIG);
    tn_buf_done(&text);
}

TEST(spec__a_plain_onnx_file_is_a_spec_of_one_variant)
{
    struct tn_spec spec;
    const char *path = put("det_v4.onnx", "x");
    char missing[128];

    assert_int_equal(tn_spec_read(path, &spec, &err), TN_OK);
    assert_true(spec.plain);
    assert_string_equal(spec.name, "det_v4");
    assert_string_equal(spec.path, path);
    assert_int_equal(spec.variant_count, 1);
    assert_string_equal(spec.variant[0].path, path);
    assert_int_equal(spec.variant[0].precision, TN_PRECISION_UNKNOWN);
    assert_true(spec.options.tf32);
    tn_spec_done(&spec);
    (void)snprintf(missing, sizeof(missing), "%s/none.onnx", folder);
    assert_int_equal(tn_spec_read(missing, &spec, &err), TN_E_NOTFOUND);
    (void)snprintf(missing, sizeof(missing), "%s/none.yml", folder);
    assert_int_equal(tn_spec_read(missing, &spec, &err), TN_E_NOTFOUND);
    assert_int_equal(tn_spec_read("model.pt", &spec, &err), TN_E_INVALID);
    assert_int_equal(tn_spec_read(put(".onnx", "x"), &spec, &err), TN_E_INVALID);
}

TEST(spec__a_path_without_a_folder_resolves_beside_it)
{
    struct tn_spec spec;
    char *old = getcwd(NULL, 0);

    (void)put("model.yaml", HEAD);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(tn_spec_read("model.yaml", &spec, &err), TN_OK);
    assert_string_equal(spec.variant[0].path, "yolo.onnx");
    tn_spec_done(&spec);
    assert_int_equal(chdir(old), 0);
    free(old);
}

TEST(spec__every_row_has_a_type_that_fits_and_a_meaning)
{
    for (const struct tn_yaml_row *row = tn_spec_rows; row->path; row++) {
        assert_true(row->help && row->help[0]);
        assert_int_equal(row->choices != NULL,
                         row->type == TN_YAML_CHOICE || row->type == TN_YAML_LIST_OR_CHOICE);
    }
}

TEST(spec__levels_have_names)
{
    assert_null(tn_level_name(TN_LEVEL_NONE));
    assert_string_equal(tn_level_name(TN_LEVEL_HEADER), "header");
    assert_string_equal(tn_level_name(TN_LEVEL_LOADED), "loaded");
    assert_string_equal(tn_level_name(TN_LEVEL_ACCURATE), "accurate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spec__reads_the_example_of_the_design),
        cmocka_unit_test(spec__what_is_left_out_has_its_default),
        cmocka_unit_test(spec__messages_carry_line_and_column),
        cmocka_unit_test(spec__files_that_belong_to_the_key_must_be_there_and_be_what_is_declared),
        cmocka_unit_test(spec__holds_its_limits),
        cmocka_unit_test(spec__a_plain_onnx_file_is_a_spec_of_one_variant),
        cmocka_unit_test(spec__a_path_without_a_folder_resolves_beside_it),
        cmocka_unit_test(spec__every_row_has_a_type_that_fits_and_a_meaning),
        cmocka_unit_test(spec__levels_have_names),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
