#include "tree.h"

#include "base/json.h"

/* --- helpers ---------------------------------------------------------------------------------- */

static const struct tn_runtime *runtime_at(const struct tn_device *device, const char *id)
{
    char text[TN_RUNTIME_TEXT];

    for (int i = 0; i < device->runtime_count; i++) {
        tn_runtime_id_print(&device->runtime[i].id, text);
        if (strcmp(text, id) == 0)
            return &device->runtime[i];
    }
    for (int i = 0; i < device->runtime_count; i++) {
        tn_runtime_id_print(&device->runtime[i].id, text);
        print_message("  has %s (%s) %s\n", text, device->runtime[i].found_by,
                      device->runtime[i].path);
    }
    fail_msg("no runtime %s", id);
    return NULL;
}

static bool has_note(const struct tn_device *device, const char *part)
{
    for (int i = 0; i < device->note_count; i++)
        if (strstr(device->note[i], part))
            return true;
    return false;
}

static void show_notes(const struct tn_device *device)
{
    for (int i = 0; i < device->note_count; i++)
        print_message("  note: %s\n", device->note[i]);
}

#define ASSERT_NOTE(device, part)                                                                  \
    do {                                                                                           \
        if (!has_note(device, part)) {                                                             \
            show_notes(device);                                                                    \
            fail_msg("no note with '%s'", part);                                                   \
        }                                                                                          \
    } while (0)

/* --- an x86 server with TensorRT from packages ------------------------------------------------ */

#define DPKG(name, version)                                                                        \
    "Package: " name "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " version      \
    "\nDescription: x\n more\n\n"

static const struct tree_file debian[] = {
    { "/etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\nID=ubuntu\n" },
    { "/sys/module/nvidia/version", "550.54.15\n" },
    { "/proc/sys/kernel/random/boot_id", "2b1d\n" },
    { "/var/lib/dpkg/status",
      DPKG("bash", "5.2") DPKG("libnvinfer10", "10.3.0.26-1+cuda12.5") DPKG("libnvinfer-lean10",
                                                                            "10.3.0.26-1+cuda12.5")
          DPKG("libnvinfer-bin", "10.3.0.26-1+cuda12.5") "Package: libnvinfer8\nStatus: deinstall "
                                                         "ok config-files\nVersion: 8.6.1.6-1\n" },
    { "/usr/lib/x86_64-linux-gnu/libnvinfer.so", .link = "libnvinfer.so.10" },
    { "/usr/lib/x86_64-linux-gnu/libnvinfer.so.10", .link = "libnvinfer.so.10.3.0" },
    { "/usr/lib/x86_64-linux-gnu/libnvinfer.so.10.3.0", "elf" },
    { "/usr/lib/x86_64-linux-gnu/libnvinfer_lean.so.10", .link = "libnvinfer_lean.so.10.3.0" },
    { "/usr/lib/x86_64-linux-gnu/libnvinfer_lean.so.10.3.0", "elf" },
    { "/usr/lib/x86_64-linux-gnu/libnvinfer_plugin.so.10", "elf" },
    { "/lib", .link = "usr/lib" },
    { "/usr/src/tensorrt/bin/trtexec", "elf", .mode = 0755 },
    { .path = NULL },
};

TEST(packages_give_the_fourth_part_of_the_version)
{
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", debian);
    tree_probe(&tree, &device);
    assert_string_equal(device.os, "Ubuntu 22.04.5 LTS");
    assert_string_equal(device.platform, "linux-x86_64");
    assert_string_equal(device.driver_text, "550.54.15");
    assert_int_equal(device.driver.part[1], 54);
    assert_int_equal(device.runtime_count, 2);
    assert_string_equal(runtime_at(&device, "trt10.3.0.26")->path,
                        "/usr/lib/x86_64-linux-gnu/libnvinfer.so.10.3.0");
    assert_string_equal(runtime_at(&device, "lean10.3.0.26")->found_by, "dynamic-loader, dpkg");
    assert_int_equal(device.toolchain_count, 1);
    assert_string_equal(device.toolchain[0].kind, "trtexec");
    assert_int_equal(device.toolchain[0].builds.version.part[3], 26);
    assert_string_equal(device.toolchain[0].id, "trt10.3.0.26");
    ASSERT_NOTE(&device, "libcuda.so.1 is not");
    assert_int_equal(device.note_count, 1);
    assert_false(device.gpu_asked);
    tree_done(&tree);
}

TEST(a_package_that_contradicts_its_file_is_noted_and_not_believed)
{
    static const struct tree_file wrong = { "/var/lib/dpkg/status",
                                            DPKG("libnvinfer10", "10.6.0.26-1+cuda12.6") };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", debian);
    tree_write(&tree, &wrong);
    tree_probe(&tree, &device);
    assert_string_equal(runtime_at(&device, "trt10.3.0")->found_by, "dynamic-loader, file name");
    ASSERT_NOTE(&device, "package libnvinfer10 is 10.6.0.26-1+cuda12.6");
    tree_done(&tree);
}

TEST(a_second_tensorrt_is_listed_with_a_warning)
{
    static const struct tree_file other[] = {
        { "/opt/TensorRT-8.6.1.6/lib/libnvinfer.so.8", .link = "libnvinfer.so.8.6.1" },
        { "/opt/TensorRT-8.6.1.6/lib/libnvinfer.so.8.6.1", "elf" },
    };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", debian);
    for (size_t i = 0; i < TN_COUNT(other); i++)
        tree_write(&tree, &other[i]);
    tree_probe(&tree, &device);
    assert_string_equal(runtime_at(&device, "trt8.6.1")->found_by, "file name");
    ASSERT_NOTE(&device, "two TensorRTs disagree: trt10.3.0.26");
    tree_done(&tree);
}

TEST(ld_library_path_wins_over_the_system_and_shadows_it)
{
    static const struct tree_file other[] = {
        { "/opt/mine/libnvinfer.so.10", .link = "libnvinfer.so.10.6.0" },
        { "/opt/mine/libnvinfer.so.10.6.0", "elf" },
    };
    const struct tn_runtime *chosen = NULL;
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", debian);
    for (size_t i = 0; i < TN_COUNT(other); i++)
        tree_write(&tree, &other[i]);
    tree_set(&tree, "LD_LIBRARY_PATH", "/nowhere:/opt/mine:");
    tree_probe(&tree, &device);
    assert_string_equal(runtime_at(&device, "trt10.6.0")->found_by, "dynamic-loader, file name");
    assert_string_equal(runtime_at(&device, "trt10.3.0.26")->found_by, "dpkg");
    assert_int_equal(tn_device_runtime(&device, "trt", &chosen, NULL), TN_OK);
    assert_string_equal(chosen->path, "/opt/mine/libnvinfer.so.10.6.0");
    tree_done(&tree);
}

/* --- ld.so.cache ------------------------------------------------------------------------------ */

static void put_u32(unsigned char *bytes, size_t at, uint32_t value)
{
    memcpy(bytes + at, &value, sizeof(value));
}

static void write_cache(const struct tree *tree, const unsigned char *bytes, size_t size)
{
    char path[256];
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s/etc/ld.so.cache", tree->root);
    out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

TEST(the_loaders_cache_is_read_and_a_broken_one_harms_nothing)
{
    static const struct tree_file files[] = {
        { "/etc/os-release", "PRETTY_NAME=Odd\n" },
        { "/data/trt/libnvinfer.so.10", .link = "libnvinfer.so.10.6.0" },
        { "/data/trt/libnvinfer.so.10.6.0", "elf" },
        { .path = NULL },
    };
    static const char name[] = "libnvinfer.so.10", path[] = "/data/trt/libnvinfer.so.10";
    unsigned char cache[48 + 24 + sizeof(name) + sizeof(path)] = "glibc-ld.so.cache1.1";
    struct tn_device device;
    struct tree tree;

    put_u32(cache, 20, 1);
    put_u32(cache, 24, sizeof(name) + sizeof(path));
    put_u32(cache, 48 + 4, 72);
    put_u32(cache, 48 + 8, 72 + sizeof(name));
    memcpy(cache + 72, name, sizeof(name));
    memcpy(cache + 72 + sizeof(name), path, sizeof(path));
    tree_make(&tree, "x86_64", files);
    write_cache(&tree, cache, sizeof(cache));
    tree_probe(&tree, &device);
    assert_string_equal(device.os, "Odd");
    assert_string_equal(runtime_at(&device, "trt10.6.0")->found_by, "dynamic-loader, file name");
    for (size_t size = 0; size < sizeof(cache); size++) { /* the path is always cut */
        write_cache(&tree, cache, size);
        tree_probe(&tree, &device);
        assert_int_equal(device.runtime_count, 0);
    }
    for (size_t at = 20; at < 72; at++) {
        unsigned char kept = cache[at];

        cache[at] = 0xff;
        write_cache(&tree, cache, sizeof(cache));
        tree_probe(&tree, &device);
        assert_true(device.runtime_count <= 1);
        cache[at] = kept;
    }
    tree_done(&tree);
}

/* --- Jetson ----------------------------------------------------------------------------------- */

static const struct tree_file jetpack5[] = {
    { "/etc/os-release", "PRETTY_NAME=\"Ubuntu 20.04.6 LTS\"\n" },
    { "/etc/nv_tegra_release",
      "# R35 (release), REVISION: 3.1, GCID: 32827747, BOARD: t186ref, EABI: aarch64\n" },
    { "/proc/device-tree/model", "NVIDIA Orin NX Developer Kit" },
    { "/proc/device-tree/compatible", "nvidia,p3768-0000+p3767-0000 nvidia,tegra234" },
    { "/proc/driver/nvidia/version",
      "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  35.3.1  Release Build\nGCC\n" },
    { "/usr/lib/aarch64-linux-gnu/libnvinfer.so.8", .link = "libnvinfer.so.8.5.2" },
    { "/usr/lib/aarch64-linux-gnu/libnvinfer.so.8.5.2", "elf" },
    { .path = NULL },
};

TEST(jetpack_5_in_a_container_without_packages_still_gives_the_exact_version)
{
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "aarch64", jetpack5);
    tree_probe(&tree, &device);
    assert_string_equal(device.platform, "linux-aarch64-tegra");
    assert_string_equal(device.l4t, "35.3.1");
    assert_string_equal(device.jetpack, "5.1.1");
    assert_string_equal(device.jetson_module, "Jetson Orin NX");
    assert_string_equal(device.driver_text, "35.3.1");
    assert_string_equal(runtime_at(&device, "trt8.5.2.2")->found_by, "dynamic-loader, jetpack");
    tree_done(&tree);
}

static int orin_init(unsigned flags)
{
    return (int)flags;
}

static int orin_version(int *ret)
{
    *ret = 12060;
    return 0;
}

static int orin_count(int *ret)
{
    *ret = 1;
    return 0;
}

static int orin_device(int *ret, int ordinal)
{
    *ret = ordinal;
    return 0;
}

static int orin_name(char *name, int size, int device)
{
    (void)device;
    (void)snprintf(name, (size_t)size, "Orin");
    return 0;
}

static int orin_attribute(int *ret, int which, int device)
{
    (void)device;
    *ret = which == 75 ? 8 : which == 76 ? 7 : which == 16 ? 8 : which == 18 ? 1 : 0;
    return 0;
}

static int orin_memory(size_t *ret, int device)
{
    (void)device;
    *ret = (size_t)7989903360;
    return 0;
}

TEST(jetpack_6_by_packages_and_the_module_names_the_product)
{
    static const struct tree_file files[] = {
        { "/var/lib/dpkg/status",
          DPKG("nvidia-l4t-core", "36.4.3-20250107174145") DPKG("nvidia-jetpack", "6.2+b77")
              DPKG("libnvinfer10", "10.3.0.30-1+cuda12.5")
                  DPKG("libnvinfer-dispatch10", "10.3.0.30-1+cuda12.5") },
        { "/proc/device-tree/model",
          "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super" },
        { "/proc/device-tree/compatible", "nvidia,p3768-0000+p3767-0005-super nvidia,tegra234" },
        { "/usr/lib/aarch64-linux-gnu/libnvinfer.so.10", .link = "libnvinfer.so.10.3.0" },
        { "/usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0", "elf" },
        { "/usr/lib/aarch64-linux-gnu/libnvinfer_dispatch.so.10", "elf" },
        { .path = NULL },
    };
    static const struct tn_cuda orin = {
        .init = orin_init,
        .driver_version = orin_version,
        .count = orin_count,
        .device = orin_device,
        .name = orin_name,
        .attribute = orin_attribute,
        .memory = orin_memory,
    };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "aarch64", files);
    tree.setup.cuda = &orin;
    tree_probe(&tree, &device);
    assert_string_equal(device.l4t, "36.4.3");
    assert_string_equal(device.jetpack, "6.2");
    assert_string_equal(device.jetson_module, "Jetson Orin Nano");
    assert_int_equal(device.cuda, 12060);
    assert_int_equal(device.gpu_count, 1);
    assert_string_equal(device.gpu[0].name, "Orin");
    assert_string_equal(device.gpu[0].product, "orin-nano");
    assert_int_equal(device.gpu[0].integrated, 1);
    assert_string_equal(device.gpu[0].uuid, "");
    assert_string_equal(runtime_at(&device, "trt10.3.0.30")->found_by, "dynamic-loader, dpkg");
    (void)runtime_at(&device, "dispatch10.3.0.30");
    tree_done(&tree);
}

/* --- containers ------------------------------------------------------------------------------- */

TEST(a_containers_trt_version_completes_the_file_name)
{
    static const struct tree_file files[] = {
        { "/usr/lib/x86_64-linux-gnu/libnvinfer.so.8", .link = "libnvinfer.so.8.6.1" },
        { "/usr/lib/x86_64-linux-gnu/libnvinfer.so.8.6.1", "elf" },
        { .path = NULL },
    };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", files);
    tree_set(&tree, "TRT_VERSION", "8.6.1.2+cuda12.0.1.011");
    tree_probe(&tree, &device);
    assert_string_equal(runtime_at(&device, "trt8.6.1.2")->found_by,
                        "dynamic-loader, env TRT_VERSION");
    tree_set(&tree, "TRT_VERSION", "10.3.0.26");
    tree_probe(&tree, &device);
    (void)runtime_at(&device, "trt8.6.1");
    ASSERT_NOTE(&device, "TRT_VERSION says 10.3.0.26, but the library is trt8.6.1");
    tree_done(&tree);
}

TEST(a_trt_version_without_a_library_is_noted)
{
    static const struct tree_file files[] = { { "/etc/hostname", "x" }, { .path = NULL } };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", files);
    tree_set(&tree, "TRT_VERSION", "10.3.0.26");
    tree_probe(&tree, &device);
    assert_int_equal(device.runtime_count, 0);
    ASSERT_NOTE(&device, "no libnvinfer was found");
    tree_done(&tree);
}

/* --- pip environments ------------------------------------------------------------------------- */

#define SITE "/opt/venv/lib/python3.11/site-packages"

static const struct tree_file venv[] = {
    { "/opt/venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n"
                              "version = 3.11.2\n" },
    { "/opt/venv/bin/python", .link = "python3" },
    { "/opt/venv/bin/python3", "elf", .mode = 0755 },
    { SITE "/tensorrt_rtx_libs/libtensorrt_rtx.so.1", "elf" },
    { SITE "/tensorrt_rtx_bindings/__init__.py", "" },
    { SITE "/tensorrt_rtx_cu13_libs-1.7.1.116.dist-info/METADATA",
      "Metadata-Version: 2.4\nName: tensorrt_rtx_cu13_libs\nVersion: 1.7.1.116\n\nVersion: 9\n" },
    { SITE "/tensorrt_rtx_cu13_bindings-1.7.1.116.dist-info/RECORD", "" },
    { SITE "/numpy/__init__.py", "" },
    { .path = NULL },
};

TEST(a_pip_environment_gives_runtime_and_toolchain)
{
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    tree_set(&tree, "VIRTUAL_ENV", "/opt/venv");
    tree_probe(&tree, &device);
    assert_string_equal(runtime_at(&device, "rtx1.7.1.116")->found_by, "pip");
    assert_int_equal(device.toolchain_count, 1);
    assert_string_equal(device.toolchain[0].id, "rtx1.7.1.116");
    assert_string_equal(device.toolchain[0].kind, "python");
    assert_string_equal(device.toolchain[0].path, "/opt/venv/bin/python3");
    assert_string_equal(device.toolchain[0].library_folder, SITE "/tensorrt_rtx_libs");
    assert_int_equal(device.note_count, 0);
    tree_done(&tree);
}

TEST(python_on_the_path_is_looked_at_once_and_a_wheel_in_the_loaders_path_is_one_library)
{
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    tree_set(&tree, "VIRTUAL_ENV", "/opt/venv");
    tree_set(&tree, "PATH", "/bin:/opt/venv/bin:/usr/bin");
    tree_set(&tree, "LD_LIBRARY_PATH", SITE "/tensorrt_rtx_libs");
    tree_probe(&tree, &device);
    assert_int_equal(device.runtime_count, 1);
    assert_string_equal(runtime_at(&device, "rtx1.7.1.116")->found_by, "dynamic-loader, pip");
    assert_int_equal(device.toolchain_count, 1);
    tree_done(&tree);
}

TEST(the_callers_own_python_comes_first_and_only_by_an_absolute_path)
{
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    tree_set(&tree, "PATH", "/opt/venv/bin");
    tree.setup.python = "/opt/venv/bin/python3";
    tree_probe(&tree, &device);
    assert_int_equal(device.toolchain_count, 1);
    tree_set(&tree, "PATH", "/usr/bin");
    tree_probe(&tree, &device);
    assert_int_equal(device.toolchain_count, 1);
    assert_string_equal(device.toolchain[0].path, "/opt/venv/bin/python3");
    tree.setup.python = "opt/venv/bin/python3";
    tree_probe(&tree, &device);
    assert_int_equal(device.toolchain_count, 0);
    tree_done(&tree);
}

TEST(several_wheels_in_one_environment_are_kept_apart)
{
    static const struct tree_file more[] = {
        { SITE "/tensorrt_libs/libnvinfer.so.10", "elf" },
        { SITE "/tensorrt_bindings/__init__.py", "" },
        { SITE "/tensorrt/__init__.py", "" },
        { SITE "/tensorrt_cu12_libs-10.6.0.26.dist-info/METADATA", "Version: 10.6.0.26\n" },
        { SITE "/tensorrt_lean_libs/libnvinfer_lean.so.10", "elf" },
        { SITE "/tensorrt_lean_libs/libnvinfer_vc_plugin.so.10", "elf" },
        { SITE "/tensorrt_lean_cu12_libs-10.15.1.29.dist-info/METADATA", "no version here\n" },
    };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    for (size_t i = 0; i < TN_COUNT(more); i++)
        tree_write(&tree, &more[i]);
    tree_set(&tree, "VIRTUAL_ENV", "/opt/venv");
    tree_probe(&tree, &device);
    assert_int_equal(device.runtime_count, 3);
    (void)runtime_at(&device, "trt10.6.0.26");
    (void)runtime_at(&device, "lean10.15.1.29");
    assert_int_equal(device.toolchain_count, 2);
    tree_done(&tree);
}

TEST(an_environment_that_others_can_change_is_no_toolchain)
{
    static const char *const opened[] = { "/opt/venv/bin/python3", "/opt/venv/bin", SITE,
                                          SITE "/tensorrt_rtx_libs" };
    struct tn_device device;
    struct tree tree;
    char path[256];

    for (size_t i = 0; i < TN_COUNT(opened); i++) {
        tree_make(&tree, "x86_64", venv);
        tree_set(&tree, "VIRTUAL_ENV", "/opt/venv");
        (void)snprintf(path, sizeof(path), "%s%s", tree.root, opened[i]);
        assert_int_equal(chmod(path, 0777), 0);
        tree_probe(&tree, &device);
        assert_int_equal(device.toolchain_count, 0);
        assert_int_equal(device.runtime_count, 1); /* it is there all the same */
        ASSERT_NOTE(&device, "toolchain not used");
        tree_done(&tree);
    }
}

/* --- toolchains.yaml -------------------------------------------------------------------------- */

TEST(toolchains_yaml_names_environments_and_programs)
{
    static const struct tree_file yaml = { "/opt/tenon/bin/toolchains.yaml",
                                           "toolchains:\n"
                                           "  - { id: newest, kind: python, python: "
                                           "/opt/venv/bin/python }\n"
                                           "  - id: old\n    kind: trtexec\n"
                                           "    trtexec: /opt/old/bin/trtexec\n"
                                           "    library: /opt/old/lib\n" };
    static const struct tree_file program = { "/opt/old/bin/trtexec", "elf", .mode = 0755 };
    static const struct tree_file library = { "/opt/old/lib/libnvinfer.so.8", "elf" };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    tree_write(&tree, &yaml);
    tree_write(&tree, &program);
    tree_write(&tree, &library);
    tree_set(&tree, "VIRTUAL_ENV", "/opt/venv"); /* the same environment: listed once */
    tree_probe(&tree, &device);
    assert_int_equal(device.toolchain_count, 2);
    assert_string_equal(device.toolchain[0].id, "newest");
    assert_string_equal(device.toolchain[0].path, "/opt/venv/bin/python");
    assert_int_equal(device.toolchain[0].builds.kind, TN_RUNTIME_RTX);
    assert_string_equal(device.toolchain[1].id, "old");
    assert_string_equal(device.toolchain[1].library_folder, "/opt/old/lib");
    tree_done(&tree);
}

TEST(a_trtexec_of_an_unpacked_archive_has_the_version_of_its_folder_and_so_has_its_library)
{
    static const struct tree_file yaml = { "/opt/tenon/bin/toolchains.yaml",
                                           "toolchains:\n"
                                           "  - kind: trtexec\n"
                                           "    trtexec: /data/TensorRT-8.6.1.6/bin/trtexec\n"
                                           "    library: /data/TensorRT-8.6.1.6/lib\n" };
    static const struct tree_file program = { "/data/TensorRT-8.6.1.6/bin/trtexec", "elf",
                                              .mode = 0755 };
    static const struct tree_file library = { "/data/TensorRT-8.6.1.6/lib/libnvinfer.so.8.6.1",
                                              "elf" };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    tree_write(&tree, &yaml);
    tree_write(&tree, &program);
    tree_write(&tree, &library);
    tree_probe(&tree, &device);
    assert_true(device.toolchain_count > 0);
    assert_string_equal(device.toolchain[0].id, "trt8.6.1.6");
    assert_string_equal(device.runtime[device.runtime_count - 1].path,
                        "/data/TensorRT-8.6.1.6/lib/libnvinfer.so.8.6.1");
    assert_int_equal(device.runtime[device.runtime_count - 1].id.version.parts, 4);
    assert_string_equal(device.runtime[device.runtime_count - 1].found_by, "toolchains.yaml");
    tree_done(&tree);
}

TEST(a_toolchains_yaml_with_a_mistake_is_an_error_with_its_place)
{
    static const char *const texts[] = {
        "toolchains:\n  - { kind: perl, python: /x }\n",
        "toolchains:\n  - { kind: python }\n",
        "toolchains:\n  - { kind: python, python: relative/python }\n",
        "toolchains:\n  - { kind: trtexec, trtexec: /x, library: lib }\n",
        "toolchain: []\n",
        "toolchains: [\n",
    };

    for (size_t i = 0; i < TN_COUNT(texts); i++) {
        struct tree_file yaml = { "/etc/tenon/toolchains.yaml", texts[i] };
        struct tn_error err = { 0 };
        struct tn_device device;
        struct tree tree;

        tree_make(&tree, "x86_64", venv);
        tree_write(&tree, &yaml);
        if (tn_device_probe_with(NULL, &tree.setup, &device, &err) != TN_E_INVALID ||
            !strstr(err.text, "toolchains.yaml:"))
            fail_msg("%s gives '%s'", texts[i], err.text);
        tree_done(&tree);
    }
}

TEST(a_named_toolchains_file_must_exist_and_one_of_others_is_not_read)
{
    static const struct tree_file yaml = { "/etc/tenon/toolchains.yaml", "nonsense: [",
                                           .mode = 0666 };
    struct tn_error err = { 0 };
    struct tn_device device;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    tree_write(&tree, &yaml);
    tree_probe(&tree, &device);
    ASSERT_NOTE(&device, "not read");
    tree_set(&tree, "TENON_TOOLCHAINS", "/missing.yaml");
    assert_int_equal(tn_device_probe_with(NULL, &tree.setup, &device, &err), TN_E_INVALID);
    assert_non_null(strstr(err.text, "/missing.yaml"));
    tree_done(&tree);
}

/* --- the stamp -------------------------------------------------------------------------------- */

static char *stamp(struct tree *tree)
{
    struct tn_buf text = TN_BUF(65536);

    tn_device_stamp_with(&tree->setup, &text);
    assert_int_equal(tn_buf_check(&text, "stamp", NULL), TN_OK);
    return tn_buf_steal(&text);
}

static void assert_changes(struct tree *tree, char **before, bool changes, const char *what)
{
    char *after = stamp(tree);

    if ((strcmp(*before, after) != 0) != changes)
        fail_msg("%s: the stamp must %s", what, changes ? "change" : "stay");
    free(*before);
    *before = after;
}

TEST(the_stamp_changes_with_each_fact_and_only_then)
{
    static const struct tree_file yaml = { "/etc/tenon/toolchains.yaml",
                                           "toolchains: [{kind: python, "
                                           "python: /opt/venv/bin/python3},\n"
                                           "  {kind: trtexec, trtexec: /data/trt/bin/trtexec, "
                                           "library: /data/trt/lib}]\n" };
    static const struct tree_file named = { "/data/trt/lib/libnvinfer.so.10.6.0", "x" };
    static const struct tree_file program = { "/data/trt/bin/trtexec", "x", .mode = 0755 };
    static const struct tree_file wheel = { SITE "/tensorrt_rtx_libs-9.dist-info/METADATA", "" };
    static const struct tree_file driver = { "/sys/module/nvidia/version", "580.1\n" };
    static const struct tree_file boot = { "/proc/sys/kernel/random/boot_id", "other\n" };
    static const struct tree_file packages = { "/var/lib/dpkg/status", "x" };
    static const struct tree_file library = { "/opt/mine/libnvinfer.so.10", "x" };
    static const struct tree_file slice = { "/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access",
                                            "x" };
    char *before;
    struct tree tree;

    tree_make(&tree, "x86_64", venv);
    before = stamp(&tree);
    assert_changes(&tree, &before, false, "nothing");
    tree_write(&tree, &yaml);
    assert_changes(&tree, &before, true, "toolchains.yaml");
    tree_write(&tree, &wheel);
    assert_changes(&tree, &before, true, "a wheel in a named environment");
    tree_write(&tree, &named);
    assert_changes(&tree, &before, true, "a library in a named folder");
    tree_write(&tree, &program);
    assert_changes(&tree, &before, true, "a named program");
    tree_write(&tree, &driver);
    assert_changes(&tree, &before, true, "driver");
    tree_write(&tree, &boot);
    assert_changes(&tree, &before, true, "boot");
    tree_write(&tree, &packages);
    assert_changes(&tree, &before, true, "packages");
    tree_write(&tree, &slice);
    assert_changes(&tree, &before, true, "MIG slice");
    tree_set(&tree, "CUDA_VISIBLE_DEVICES", "1");
    assert_changes(&tree, &before, true, "CUDA_VISIBLE_DEVICES");
    tree_set(&tree, "CUDA_VISIBLE_DEVICES", "");
    assert_changes(&tree, &before, true, "an empty CUDA_VISIBLE_DEVICES");
    tree.setup.python = "/opt/venv/bin/python3";
    assert_changes(&tree, &before, true, "the caller's own python");
    tree_set(&tree, "LD_LIBRARY_PATH", "/opt/mine");
    assert_changes(&tree, &before, true, "LD_LIBRARY_PATH");
    tree_write(&tree, &library);
    assert_changes(&tree, &before, true, "a library in LD_LIBRARY_PATH");
    assert_changes(&tree, &before, false, "nothing");
    free(before);
    tree_done(&tree);
}

TEST(this_machine_can_be_probed)
{
    struct tn_device device;
    struct tn_error err = { 0 };

    assert_int_equal(tn_device_learn(NULL, &device, &err), TN_OK);
    assert_string_equal(device.label, "this machine");
    assert_true(device.arch[0]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages_give_the_fourth_part_of_the_version),
        cmocka_unit_test(a_package_that_contradicts_its_file_is_noted_and_not_believed),
        cmocka_unit_test(a_second_tensorrt_is_listed_with_a_warning),
        cmocka_unit_test(ld_library_path_wins_over_the_system_and_shadows_it),
        cmocka_unit_test(the_loaders_cache_is_read_and_a_broken_one_harms_nothing),
        cmocka_unit_test(jetpack_5_in_a_container_without_packages_still_gives_the_exact_version),
        cmocka_unit_test(jetpack_6_by_packages_and_the_module_names_the_product),
        cmocka_unit_test(a_containers_trt_version_completes_the_file_name),
        cmocka_unit_test(a_trt_version_without_a_library_is_noted),
        cmocka_unit_test(a_pip_environment_gives_runtime_and_toolchain),
        cmocka_unit_test(
            python_on_the_path_is_looked_at_once_and_a_wheel_in_the_loaders_path_is_one_library),
        cmocka_unit_test(the_callers_own_python_comes_first_and_only_by_an_absolute_path),
        cmocka_unit_test(several_wheels_in_one_environment_are_kept_apart),
        cmocka_unit_test(an_environment_that_others_can_change_is_no_toolchain),
        cmocka_unit_test(toolchains_yaml_names_environments_and_programs),
        cmocka_unit_test(
            a_trtexec_of_an_unpacked_archive_has_the_version_of_its_folder_and_so_has_its_library),
        cmocka_unit_test(a_toolchains_yaml_with_a_mistake_is_an_error_with_its_place),
        cmocka_unit_test(a_named_toolchains_file_must_exist_and_one_of_others_is_not_read),
        cmocka_unit_test(the_stamp_changes_with_each_fact_and_only_then),
        cmocka_unit_test(this_machine_can_be_probed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
