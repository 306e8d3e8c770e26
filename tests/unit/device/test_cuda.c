/*
 * GPUs through a fake of the driver's functions. The fake hides devices as libcuda documents it:
 * CUDA_VISIBLE_DEVICES by index or UUID, in that order, the list ending at the first unknown entry.
 */
#include "tree.h"

struct fake_gpu {
    const char *name;
    unsigned char uuid[16];
    int major, minor, sms;
    size_t bytes;
};

static const struct fake_gpu machine[] = {
    { "NVIDIA H200",
      { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8 },
      9,
      0,
      132,
      (size_t)150109880320 },
    { "NVIDIA L4", { 0xaa }, 8, 9, 58, (size_t)23609475072 },
};

static const struct fake_gpu mig[] = {
    { "NVIDIA H200 MIG 1g.18gb", { 0xbb, 0xcc }, 9, 0, 16, (size_t)17716740096 },
};

static struct {
    int init_result;
    const struct fake_gpu *gpu;
    int count;
    const char *visible;
    int shown[4], shown_count;
} fake;

static int fake_entry(const char *entry, size_t length)
{
    char text[64];
    uint64_t index;

    if (tn_text_u64(entry, length, &index))
        return index < (uint64_t)fake.count ? (int)index : -1;
    for (int i = 0; i < fake.count; i++) {
        (void)snprintf(text, sizeof(text), "GPU-%02x%02x", fake.gpu[i].uuid[0],
                       fake.gpu[i].uuid[1]);
        if (length >= 6 && strncmp(text, entry, length < 8 ? length : 8) == 0)
            return i;
    }
    return -1;
}

static int fake_init(unsigned flags)
{
    fake.shown_count = 0;
    if (fake.init_result != 0)
        return fake.init_result;
    for (int i = 0; !fake.visible && i < fake.count; i++)
        fake.shown[fake.shown_count++] = i;
    for (const char *at = fake.visible; at && *at;) {
        size_t length = strcspn(at, ",");
        int gpu = fake_entry(at, length);

        if (gpu < 0)
            break;
        fake.shown[fake.shown_count++] = gpu;
        at += length;
        at += *at == ',';
    }
    return fake.shown_count ? (int)flags : 100;
}

static int fake_version(int *ret)
{
    *ret = 13000;
    return 0;
}

static int fake_count(int *ret)
{
    *ret = fake.shown_count;
    return 0;
}

static int fake_device(int *ret, int ordinal)
{
    *ret = fake.shown[ordinal];
    return ordinal < fake.shown_count ? 0 : 101;
}

static int fake_name(char *name, int size, int device)
{
    (void)snprintf(name, (size_t)size, "%s", fake.gpu[device].name);
    return 0;
}

static int fake_uuid(unsigned char ret[16], int device)
{
    memcpy(ret, fake.gpu[device].uuid, 16);
    return 0;
}

static int fake_attribute(int *ret, int which, int device)
{
    const struct fake_gpu *gpu = &fake.gpu[device];

    switch (which) {
    case 13:
        *ret = 1980000;
        break;
    case 16:
        *ret = gpu->sms;
        break;
    case 18:
        *ret = 0;
        break;
    case 32:
        *ret = 1;
        break;
    case 37:
        *ret = 6016;
        break;
    case 38:
        *ret = 62914560;
        break;
    case 75:
        *ret = gpu->major;
        break;
    case 76:
        *ret = gpu->minor;
        break;
    default:
        return 1; /* memory clock: this driver does not tell */
    }
    return 0;
}

static int fake_memory(size_t *ret, int device)
{
    *ret = fake.gpu[device].bytes;
    return 0;
}

static int fake_nvml(char *text, unsigned size)
{
    (void)snprintf(text, size, "580.159.04");
    return 0;
}

static const struct tn_cuda table = {
    .init = fake_init,
    .driver_version = fake_version,
    .count = fake_count,
    .device = fake_device,
    .name = fake_name,
    .uuid = fake_uuid,
    .attribute = fake_attribute,
    .memory = fake_memory,
    .nvml_driver = fake_nvml,
};

static struct tn_device probe(const struct fake_gpu *gpu, int count, const char *visible,
                              int init_result)
{
    static const struct tree_file files[] = { { "/etc/hostname", "x" }, { .path = NULL } };
    struct tn_device device;
    struct tree tree;

    fake.gpu = gpu;
    fake.count = count;
    fake.visible = visible;
    fake.init_result = init_result;
    tree_make(&tree, "x86_64", files);
    tree.setup.cuda = &table;
    if (visible)
        tree_set(&tree, "CUDA_VISIBLE_DEVICES", visible);
    tree_probe(&tree, &device);
    tree_done(&tree);
    return device;
}

TEST(two_gpus_are_listed_with_their_attributes)
{
    struct tn_device device = probe(machine, 2, NULL, 0);
    const struct tn_gpu *gpu = &device.gpu[0];

    assert_true(device.gpu_asked);
    assert_int_equal(device.gpu_count, 2);
    assert_int_equal(device.cuda, 13000);
    assert_string_equal(device.driver_text, "580.159.04");
    assert_int_equal(device.driver.part[2], 4);
    assert_string_equal(gpu->uuid, "GPU-01234567-89ab-cdef-0102-030405060708");
    assert_string_equal(gpu->product, "h200");
    assert_int_equal(gpu->memory_bytes, INT64_C(150109880320));
    assert_int_equal(gpu->core_khz, 1980000);
    assert_int_equal(gpu->memory_khz, TN_UNKNOWN);
    assert_int_equal(gpu->ecc, 1);
    assert_int_equal(gpu->integrated, 0);
    assert_string_equal(device.gpu[1].product, "l4");
    assert_int_equal(device.gpu[1].index, 1);
}

TEST(the_order_is_that_of_cuda_visible_devices)
{
    struct tn_device device = probe(machine, 2, "1,0", 0);
    const struct tn_gpu *gpu = NULL;

    assert_int_equal(tn_device_gpu(&device, NULL, &gpu, NULL), TN_OK);
    assert_string_equal(gpu->product, "l4");
    device = probe(machine, 2, "GPU-0123", 0);
    assert_int_equal(device.gpu_count, 1);
    assert_string_equal(device.gpu[0].product, "h200");
}

TEST(an_empty_cuda_visible_devices_hides_every_gpu_and_says_so)
{
    static const char *const hiding[] = { "", "-1", "7" };

    for (size_t i = 0; i < TN_COUNT(hiding); i++) {
        struct tn_device device = probe(machine, 2, hiding[i], 0);

        assert_true(device.gpu_asked);
        assert_int_equal(device.gpu_count, 0);
        assert_int_equal(device.note_count, 1);
        assert_non_null(strstr(device.note[0], "hides every GPU"));
    }
}

TEST(a_mig_slice_is_a_gpu_of_its_own)
{
    struct tn_device device = probe(mig, 1, NULL, 0);

    assert_string_equal(device.gpu[0].mig, "1g.18gb");
    assert_string_equal(device.gpu[0].product, "h200");
    assert_int_equal(device.gpu[0].sm_count, 16);
    assert_string_equal(device.gpu[0].uuid, "MIG-bbcc0000-0000-0000-0000-000000000000");
}

TEST(a_driver_that_fails_is_noted_and_the_rest_is_still_known)
{
    static const struct {
        int result;
        const char *told;
    } rows[] = {
        { 35, "update the driver" },
        { 999, "reload the driver" },
        { 803, "different versions" },
        { 777, "error 777" },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_device device = probe(machine, 2, NULL, rows[i].result);

        assert_false(device.gpu_asked);
        assert_int_equal(device.gpu_count, 0);
        assert_int_equal(device.cuda, 13000);
        assert_int_equal(device.note_count, 1);
        assert_non_null(strstr(device.note[0], rows[i].told));
    }
}

TEST(a_machine_without_devices_is_asked_and_has_none)
{
    struct tn_device device = probe(machine, 2, NULL, 100);

    assert_true(device.gpu_asked);
    assert_int_equal(device.gpu_count, 0);
    assert_int_equal(device.note_count, 0);
}

TEST(product_names_are_short_and_fit_into_file_names)
{
    static const char *const rows[][2] = {
        { "NVIDIA GeForce RTX 4090", "rtx4090" },
        { "NVIDIA GeForce RTX 4070 Ti SUPER", "rtx4070-ti-super" },
        { "NVIDIA GeForce RTX 3060 Laptop GPU", "rtx3060-laptop" },
        { "GeForce GTX 1650", "gtx1650" },
        { "Tesla V100-SXM2-16GB", "v100" },
        { "Tesla T4", "t4" },
        { "NVIDIA A100-SXM4-80GB", "a100" },
        { "NVIDIA A100 80GB PCIe", "a100" },
        { "NVIDIA H100 NVL", "h100" },
        { "NVIDIA H200 MIG 1g.18gb", "h200" },
        { "NVIDIA RTX A6000", "rtxa6000" },
        { "NVIDIA RTX 6000 Ada Generation", "rtx6000-ada" },
        { "NVIDIA L40S", "l40s" },
        { "Orin", "orin" },
        { "", "" },
        { "a_\x01/../b", "a..b" },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char product[48];

        tn_gpu_product(rows[i][0], product, sizeof(product));
        assert_string_equal(product, rows[i][1]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_gpus_are_listed_with_their_attributes),
        cmocka_unit_test(the_order_is_that_of_cuda_visible_devices),
        cmocka_unit_test(an_empty_cuda_visible_devices_hides_every_gpu_and_says_so),
        cmocka_unit_test(a_mig_slice_is_a_gpu_of_its_own),
        cmocka_unit_test(a_driver_that_fails_is_noted_and_the_rest_is_still_known),
        cmocka_unit_test(a_machine_without_devices_is_asked_and_has_none),
        cmocka_unit_test(product_names_are_short_and_fit_into_file_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
