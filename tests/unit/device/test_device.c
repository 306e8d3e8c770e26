#include "tn_test.h"

#include "base/json.h"
#include "device/device.h"

#include <stdlib.h>
#include <string.h>

static struct tn_device named(const char *text)
{
    struct tn_device device;
    struct tn_error err = { 0 };

    if (tn_device_named(text, &device, &err) != TN_OK)
        fail_msg("%s: %s", text, err.text);
    return device;
}

TEST(every_board_name_gives_a_device_with_platform_and_compute_capability)
{
    const char *const *names = tn_device_board_names();
    size_t count = 0;

    for (; names[count]; count++) {
        struct tn_device device = named(names[count]);

        assert_string_equal(device.gpu[0].product, names[count]);
        assert_string_equal(tn_device_board_gpu(count)->product, names[count]);
        assert_true(device.gpu[0].cc_major > 0 && device.gpu[0].cc_minor >= 0);
        assert_true(device.platform[0] && device.arch[0]);
        assert_int_equal(device.gpu[0].integrated, device.jetson_module[0] != '\0');
    }
    assert_int_equal(count, 19);
    assert_null(tn_device_board_gpu(count));
}

TEST(the_measured_board_has_the_measured_values)
{
    struct tn_device device = named("H200+lean10.15.1.29");

    assert_int_equal(device.gpu[0].memory_bytes, INT64_C(150109880320));
    assert_int_equal(device.gpu[0].l2_bytes, 62914560);
    assert_int_equal(device.gpu[0].bus_bits, 6016);
    assert_int_equal(device.gpu[0].sm_count, 132);
    assert_int_equal(device.runtime_count, 1);
    assert_int_equal(device.runtime[0].id.kind, TN_RUNTIME_LEAN);
    assert_int_equal(device.runtime[0].id.version.part[3], 29);
    assert_string_equal(device.runtime[0].found_by, "given");
}

TEST(aliases_and_case_do_not_matter)
{
    assert_string_equal(named("Orin-AGX").label, "agx-orin");
    assert_string_equal(named("RTX-4090+RTX1.7.1.116").label, "rtx4090");
    assert_int_equal(named("jetson-orin-nano+dispatch10.3.0.30").runtime[0].id.kind,
                     TN_RUNTIME_DISPATCH);
}

TEST(an_unknown_board_or_runtime_is_refused_with_a_hint)
{
    struct tn_device device;
    struct tn_error err = { 0 };

    assert_int_equal(tn_device_named("rtx409", &device, &err), TN_E_NOTFOUND);
    assert_non_null(strstr(err.text, "rtx4090"));
    assert_int_equal(tn_device_named("", &device, &err), TN_E_NOTFOUND);
    assert_int_equal(tn_device_named("t4+", &device, &err), TN_E_USAGE);
    assert_int_equal(tn_device_named("t4+trt8.4+", &device, &err), TN_E_USAGE);
    assert_int_equal(tn_device_named("t4+onnx1.2", &device, &err), TN_E_USAGE);
    assert_int_equal(tn_device_named("t4+trt1.2.3.4.5", &device, &err), TN_E_USAGE);
    assert_int_equal(tn_device_get("/nonexistent/x.json", &device, &err), TN_E_NOTFOUND);
}

TEST(a_fingerprint_survives_the_way_through_json)
{
    tn_auto(tn_json_done) json_t *first = NULL, *second = NULL;
    struct tn_device device = named("orin-nano+trt10.3.0.30+dispatch10.3.0.30"), again;
    struct tn_error err = { 0 };

    strcpy(device.os, "Ubuntu 22.04.5 LTS");
    strcpy(device.driver_text, "540.4.0");
    strcpy(device.l4t, "36.4.3");
    strcpy(device.jetpack, "6.2");
    strcpy(device.note[0], "a \"note\"");
    device.note_count = 1;
    device.cuda = 12060;
    device.toolchain_count = 1;
    strcpy(device.toolchain[0].id, "trt10.3.0.30");
    strcpy(device.toolchain[0].kind, "trtexec");
    strcpy(device.toolchain[0].path, "/usr/src/tensorrt/bin/trtexec");
    device.toolchain[0].builds = device.runtime[0].id;
    first = tn_device_to_json(&device);
    assert_int_equal(tn_device_from_json(first, &again, &err), TN_OK);
    second = tn_device_to_json(&again);
    assert_true(json_equal(first, second));
    assert_int_equal(again.cuda, 12060);
    assert_int_equal(again.driver.part[0], 540);
    assert_string_equal(tn_json_str(first, "cuda", ""), "12.6");
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(first, "gpus"), 0), "sm_count")));
}

TEST(hostile_fingerprints_are_refused_not_believed)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"schema\":\"tenon-fingerprint/9\"}",
        "{\"schema\":\"tenon-fingerprint/1\",\"gpus\":{}}",
        "{\"schema\":\"tenon-fingerprint/1\",\"gpus\":[1]}",
        "{\"schema\":\"tenon-fingerprint/1\",\"gpus\":[{\"compute_capability\":\"8\"}]}",
        "{\"schema\":\"tenon-fingerprint/"
        "1\",\"gpus\":[{\"compute_capability\":\"99999999999.1\"}]}",
        "{\"schema\":\"tenon-fingerprint/1\",\"runtimes\":[{\"kind\":\"rm -rf\"}]}",
        "{\"schema\":\"tenon-fingerprint/1\",\"runtimes\":[null]}",
        "{\"schema\":\"tenon-fingerprint/"
        "1\",\"runtimes\":[{\"kind\":\"trt\",\"version\":\"1..2\"}]}",
        "{\"schema\":\"tenon-fingerprint/1\",\"notes\":[7]}",
        "{\"schema\":\"tenon-fingerprint/1\",\"cuda\":\"4294967295.4294967295\"}",
        "{\"schema\":\"tenon-fingerprint/1\",\"arch\":\"0123456789abcdef\"}",
        "{\"schema\":\"tenon-fingerprint/"
        "1\",\"gpus\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"
        "{}]}",
    };

    for (size_t i = 0; i < TN_COUNT(texts); i++) {
        tn_auto(tn_json_done) json_t *json = NULL;
        struct tn_error err = { 0 };
        struct tn_device device;
        int rc;

        assert_int_equal(tn_json_parse(texts[i], strlen(texts[i]), "test", &json, &err), TN_OK);
        rc = tn_device_from_json(json, &device, &err);
        if (rc != TN_E_INVALID && rc != TN_E_TOOBIG)
            fail_msg("%s: %d", texts[i], rc);
        assert_true(err.text[0]);
    }
}

TEST(numbers_that_make_no_sense_become_unknown)
{
    static const char text[] =
        "{\"schema\":\"tenon-fingerprint/1\",\"gpus\":[{\"sm_count\":-5,\"l2_bytes\":\"x\","
        "\"integrated\":7,\"name\":17}],\"driver\":\"not a version\",\"jetson\":[]}";
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_error err = { 0 };
    struct tn_device device;

    assert_int_equal(tn_json_parse(text, strlen(text), "test", &json, &err), TN_OK);
    assert_int_equal(tn_device_from_json(json, &device, &err), TN_OK);
    assert_int_equal(device.gpu[0].sm_count, TN_UNKNOWN);
    assert_int_equal(device.gpu[0].l2_bytes, TN_UNKNOWN);
    assert_int_equal(device.gpu[0].integrated, TN_UNKNOWN);
    assert_int_equal(device.driver.parts, 0);
    assert_true(device.gpu_asked);
}

/* --- which runtime, which GPU ----------------------------------------------------------------- */

static void add(struct tn_device *device, const char *id, const char *path, const char *found_by)
{
    struct tn_runtime *runtime = &device->runtime[device->runtime_count++];

    assert_int_equal(tn_runtime_id_parse(id, &runtime->id, NULL), TN_OK);
    strcpy(runtime->path, path);
    strcpy(runtime->found_by, found_by);
}

static const char *chosen(const struct tn_device *device, const char *wanted)
{
    static char text[TN_RUNTIME_TEXT];
    const struct tn_runtime *runtime = NULL;
    struct tn_error err = { 0 };
    int rc = tn_device_runtime(device, wanted, &runtime, &err);

    if (rc < 0)
        return tn_error_name(rc);
    tn_runtime_id_print(&runtime->id, text);
    return text;
}

TEST(the_runtime_is_the_one_that_the_dynamic_loader_opens)
{
    struct tn_device device;

    tn_device_init(&device);
    strcpy(device.label, "this machine");
    assert_string_equal(chosen(&device, NULL), "NOTFOUND");
    add(&device, "trt10.6.0.26", "/venv/libnvinfer.so.10", "pip");
    assert_string_equal(chosen(&device, NULL), "trt10.6.0.26");
    add(&device, "lean10.3.0.30", "/usr/lib/libnvinfer_lean.so.10", "dynamic-loader, dpkg");
    add(&device, "trt10.3.0.30", "/usr/lib/libnvinfer.so.10", "dynamic-loader, dpkg");
    assert_string_equal(chosen(&device, NULL), "trt10.3.0.30");
    assert_string_equal(chosen(&device, "lean"), "lean10.3.0.30");
    assert_string_equal(chosen(&device, "trt10.6.0.26"), "trt10.6.0.26");
    assert_string_equal(chosen(&device, "trt10.6"), "trt10.6.0.26");
    assert_string_equal(chosen(&device, "rtx"), "NOTFOUND");
    assert_string_equal(chosen(&device, "nonsense"), "USAGE");
    add(&device, "rtx1.7.1.116", "/usr/lib/libtensorrt_rtx.so.1", "dynamic-loader");
    assert_string_equal(chosen(&device, NULL), "USAGE");
}

TEST(several_runtimes_that_disagree_are_listed)
{
    struct tn_device device = named("t4+trt8.4.1.5+trt8.6.1.6");
    const struct tn_runtime *runtime;
    struct tn_error err = { 0 };

    assert_int_equal(tn_device_runtime(&device, NULL, &runtime, &err), TN_E_USAGE);
    assert_non_null(strstr(err.text, "trt8.4.1.5"));
    assert_non_null(strstr(err.text, "trt8.6.1.6"));
    assert_non_null(strstr(err.text, "--runtime"));
}

TEST(the_environment_chooses_for_this_machine_only)
{
    struct tn_device device = named("t4+trt8.4.1.5+trt8.6.1.6");

    assert_int_equal(setenv("TENON_RUNTIME", "trt8.6", 1), 0);
    assert_string_equal(chosen(&device, NULL), "USAGE");
    strcpy(device.label, "this machine");
    assert_string_equal(chosen(&device, NULL), "trt8.6.1.6");
    assert_string_equal(chosen(&device, "trt8.4"), "trt8.4.1.5");
    assert_int_equal(unsetenv("TENON_RUNTIME"), 0);
}

TEST(a_gpu_is_chosen_by_index_uuid_or_name)
{
    struct tn_device device = named("t4");
    const struct tn_gpu *gpu = NULL;
    struct tn_error err = { 0 };

    device.gpu[1] = named("h200").gpu[0];
    device.gpu[1].index = 1;
    strcpy(device.gpu[1].uuid, "GPU-01234567-89ab-cdef-0123-456789abcdef");
    device.gpu_count = 2;
    assert_int_equal(tn_device_gpu(&device, NULL, &gpu, &err), TN_OK);
    assert_ptr_equal(gpu, &device.gpu[0]);
    assert_int_equal(tn_device_gpu(&device, "1", &gpu, &err), TN_OK);
    assert_ptr_equal(gpu, &device.gpu[1]);
    assert_int_equal(tn_device_gpu(&device, "GPU-0123", &gpu, &err), TN_OK);
    assert_ptr_equal(gpu, &device.gpu[1]);
    assert_int_equal(tn_device_gpu(&device, "nvidia h200", &gpu, &err), TN_OK);
    assert_ptr_equal(gpu, &device.gpu[1]);
    assert_int_equal(tn_device_gpu(&device, "2", &gpu, &err), TN_E_NOTFOUND);
    assert_int_equal(tn_device_gpu(&device, "a100", &gpu, &err), TN_E_NOTFOUND);
    assert_non_null(strstr(err.text, "H200"));
    device.gpu_count = 0;
    assert_int_equal(tn_device_gpu(&device, NULL, &gpu, &err), TN_E_NOTFOUND);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_board_name_gives_a_device_with_platform_and_compute_capability),
        cmocka_unit_test(the_measured_board_has_the_measured_values),
        cmocka_unit_test(aliases_and_case_do_not_matter),
        cmocka_unit_test(an_unknown_board_or_runtime_is_refused_with_a_hint),
        cmocka_unit_test(a_fingerprint_survives_the_way_through_json),
        cmocka_unit_test(hostile_fingerprints_are_refused_not_believed),
        cmocka_unit_test(numbers_that_make_no_sense_become_unknown),
        cmocka_unit_test(the_runtime_is_the_one_that_the_dynamic_loader_opens),
        cmocka_unit_test(several_runtimes_that_disagree_are_listed),
        cmocka_unit_test(the_environment_chooses_for_this_machine_only),
        cmocka_unit_test(a_gpu_is_chosen_by_index_uuid_or_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
