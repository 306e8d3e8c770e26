#include "device/cuda.h"

#include "base/text.h"
#include "device/note.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Numbers of the driver API (cuda.h, CUdevice_attribute and CUresult), stable since they exist. */
enum {
    ATTRIBUTE_CORE_KHZ = 13,
    ATTRIBUTE_SM_COUNT = 16,
    ATTRIBUTE_INTEGRATED = 18,
    ATTRIBUTE_ECC = 32,
    ATTRIBUTE_MEMORY_KHZ = 36,
    ATTRIBUTE_BUS_BITS = 37,
    ATTRIBUTE_L2_BYTES = 38,
    ATTRIBUTE_CC_MAJOR = 75,
    ATTRIBUTE_CC_MINOR = 76,
    RESULT_NO_DEVICE = 100,
};

/* --- the real libraries ----------------------------------------------------------------------- */

/* dlsym() gives an object pointer; ISO C has no cast from it to a function pointer. */
#define LOAD(to, library, symbol)                                                                  \
    do {                                                                                           \
        void *address = dlsym(library, symbol);                                                    \
        memcpy(&(to), &address, sizeof(address));                                                  \
    } while (0)

static int nvml_driver(char *ret_text, unsigned size)
{
    int (*init)(void);
    int (*get)(char *text, unsigned size);
    int (*shutdown)(void);
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    int result;

    if (!library)
        return -1;
    LOAD(init, library, "nvmlInit_v2");
    LOAD(get, library, "nvmlSystemGetDriverVersion");
    LOAD(shutdown, library, "nvmlShutdown");
    if (!init || !get || !shutdown)
        return -1;
    result = init();
    if (result != 0)
        return result;
    result = get(ret_text, size);
    (void)shutdown();
    return result;
}

static bool complete(const struct tn_cuda *cuda)
{
    return cuda->init && cuda->driver_version && cuda->count && cuda->device && cuda->name &&
           cuda->attribute && cuda->memory;
}

void tn_cuda_open(struct tn_cuda *ret_cuda)
{
    struct tn_cuda cuda = { .nvml_driver = nvml_driver };
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

    *ret_cuda = cuda;
    if (!library)
        return;
    LOAD(cuda.init, library, "cuInit");
    LOAD(cuda.driver_version, library, "cuDriverGetVersion");
    LOAD(cuda.count, library, "cuDeviceGetCount");
    LOAD(cuda.device, library, "cuDeviceGet");
    LOAD(cuda.name, library, "cuDeviceGetName");
    LOAD(cuda.uuid, library, "cuDeviceGetUuid_v2"); /* 11.4; gives a MIG slice its own UUID */
    if (!cuda.uuid)
        LOAD(cuda.uuid, library, "cuDeviceGetUuid");
    LOAD(cuda.attribute, library, "cuDeviceGetAttribute");
    LOAD(cuda.memory, library, "cuDeviceTotalMem_v2");
    if (complete(&cuda))
        *ret_cuda = cuda;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_word(const char *word, size_t length, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == length && strncasecmp(word, *list, length) == 0)
            return true;
    return false;
}

/* Part of a name that tells size or form, not the model: "80GB", "HBM3", "PCIe", "SXM4". */
static bool is_variant(const char *word, size_t length, bool first)
{
    static const char *const forms[] = { "pcie", "sxm",  "sxm2",  "sxm3", "sxm4", "sxm5",
                                         "hbm2", "hbm3", "hbm3e", "nvl",  "mig",  NULL };

    if (is_word(word, length, forms))
        return true;
    return !first && length > 2 && isdigit((unsigned char)word[0]) &&
           strncasecmp(word + length - 2, "gb", 2) == 0;
}

static void add_lower(char *text, size_t size, const char *word, size_t length)
{
    size_t used = strlen(text);

    for (size_t i = 0; i < length && used + 1 < size; i++) {
        unsigned char c = (unsigned char)word[i];

        if (isalnum(c) || c == '.' || c == '-')
            text[used++] = (char)tolower(c);
    }
    text[used] = '\0';
}

void tn_gpu_product(const char *name, char *ret_product, size_t size)
{
    static const char *const noise[] = { "nvidia", "tesla",      "geforce",  "quadro",
                                         "gpu",    "generation", "graphics", NULL };
    const char *at = name + strspn(name, " -");

    ret_product[0] = '\0';
    while (*at) {
        size_t length = strcspn(at, " -");
        bool first = ret_product[0] == '\0';

        if (!is_word(at, length, noise)) {
            if (is_variant(at, length, first))
                return;
            /* "RTX 4090" is one word to people, "4070 Ti" and "3060 Laptop" are two */
            if (!first && strcmp(ret_product, "rtx") != 0 && strcmp(ret_product, "gtx") != 0)
                add_lower(ret_product, size, "-", 1);
            add_lower(ret_product, size, at, length);
        }
        at += length;
        at += strspn(at, " -");
    }
}

static void take_uuid(const struct tn_cuda *cuda, int handle, struct tn_gpu *gpu)
{
    unsigned char id[16];
    size_t used;

    if (!cuda->uuid || cuda->uuid(id, handle) != 0)
        return;
    used = (size_t)snprintf(gpu->uuid, sizeof(gpu->uuid), "%s-", gpu->mig[0] ? "MIG" : "GPU");
    for (size_t i = 0; i < sizeof(id); i++)
        used += (size_t)snprintf(gpu->uuid + used, sizeof(gpu->uuid) - used, "%s%02x",
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
}

static void take_name(const struct tn_cuda *cuda, int handle, struct tn_gpu *gpu)
{
    const char *mig;

    if (cuda->name(gpu->name, (int)sizeof(gpu->name), handle) != 0)
        gpu->name[0] = '\0';
    gpu->name[sizeof(gpu->name) - 1] = '\0';
    tn_gpu_product(gpu->name, gpu->product, sizeof(gpu->product));
    mig = strstr(gpu->name, " MIG ");
    if (mig)
        (void)tn_text_copy(gpu->mig, sizeof(gpu->mig), mig + strlen(" MIG "));
}

/* --- the probe -------------------------------------------------------------------------------- */

static int64_t attribute(const struct tn_cuda *cuda, int which, int handle)
{
    int value = -1;

    return cuda->attribute(&value, which, handle) == 0 && value >= 0 ? value : TN_UNKNOWN;
}

static void take_gpu(const struct tn_cuda *cuda, int ordinal, int handle, struct tn_gpu *ret_gpu)
{
    struct tn_gpu gpu = tn_gpu_unknown();
    size_t bytes = 0;

    gpu.index = ordinal;
    take_name(cuda, handle, &gpu);
    take_uuid(cuda, handle, &gpu);
    gpu.cc_major = attribute(cuda, ATTRIBUTE_CC_MAJOR, handle);
    gpu.cc_minor = attribute(cuda, ATTRIBUTE_CC_MINOR, handle);
    gpu.sm_count = attribute(cuda, ATTRIBUTE_SM_COUNT, handle);
    gpu.l2_bytes = attribute(cuda, ATTRIBUTE_L2_BYTES, handle);
    gpu.bus_bits = attribute(cuda, ATTRIBUTE_BUS_BITS, handle);
    gpu.core_khz = attribute(cuda, ATTRIBUTE_CORE_KHZ, handle);
    gpu.memory_khz = attribute(cuda, ATTRIBUTE_MEMORY_KHZ, handle);
    gpu.integrated = attribute(cuda, ATTRIBUTE_INTEGRATED, handle);
    gpu.ecc = attribute(cuda, ATTRIBUTE_ECC, handle);
    if (cuda->memory(&bytes, handle) == 0 && bytes <= INT64_MAX)
        gpu.memory_bytes = (int64_t)bytes;
    *ret_gpu = gpu;
}

/* What a person can do about a driver that does not start. */
static const struct {
    int result;
    const char *meaning;
} start_failures[] = {
    { 3, "the driver is shutting down" },
    { 34, "a stub of libcuda was found, not the driver: take its folder out of LD_LIBRARY_PATH" },
    { 35, "the driver is older than this CUDA needs: update the driver" },
    { 46, "the GPU is in use exclusively or not available" },
    { 304, "the operating system refused: may this user open /dev/nvidia*?" },
    { 802, "the system is not ready: is the fabric manager running?" },
    { 803,
      "libcuda and the kernel driver are of different versions: reboot, or reload the driver" },
    { 804, "forward compatibility is not supported on this GPU" },
    { 999, "unknown error: reload the driver (nvidia_uvm), or reboot" },
};

static const char *start_failure(int result)
{
    for (size_t i = 0; i < TN_COUNT(start_failures); i++)
        if (start_failures[i].result == result)
            return start_failures[i].meaning;
    return "the CUDA driver does not start";
}

static void take_gpus(const struct tn_cuda *cuda, struct tn_device *device)
{
    int count = 0;
    int result = cuda->count(&count);

    if (result != 0) {
        tn_device_note(device, "CUDA cannot count its devices (error %d)", result);
        return;
    }
    device->gpu_asked = true;
    if (count > TN_DEVICE_GPUS_MAX)
        tn_device_note(device, "%d GPUs; only the first %d are listed", count, TN_DEVICE_GPUS_MAX);
    for (int i = 0; i < count && i < TN_DEVICE_GPUS_MAX; i++) {
        int handle;

        result = cuda->device(&handle, i);
        if (result == 0)
            take_gpu(cuda, i, handle, &device->gpu[device->gpu_count++]);
        else
            tn_device_note(device, "GPU %d does not answer (error %d)", i, result);
    }
}

static void take_driver(const struct tn_cuda *cuda, struct tn_device *device)
{
    char text[sizeof(device->driver_text)] = "";

    if (device->driver_text[0] || !cuda->nvml_driver)
        return;
    if (cuda->nvml_driver(text, sizeof(text)) != 0)
        return;
    text[sizeof(text) - 1] = '\0';
    (void)tn_text_copy(device->driver_text, sizeof(device->driver_text), text);
    (void)tn_version_parse(text, &device->driver, NULL);
}

void tn_cuda_probe(const struct tn_cuda *cuda, struct tn_device *device)
{
    int version = 0;
    int result;

    take_driver(cuda, device);
    if (!cuda->init) {
        if (device->driver_text[0])
            tn_device_note(device,
                           "the kernel driver %s is there but libcuda.so.1 is not; in a container: "
                           "NVIDIA_DRIVER_CAPABILITIES must have 'compute'",
                           device->driver_text);
        return;
    }
    if (cuda->driver_version(&version) == 0 && version > 0)
        device->cuda = version;
    result = cuda->init(0);
    if (result == RESULT_NO_DEVICE)
        device->gpu_asked = true;
    else if (result != 0)
        tn_device_note(device, "CUDA initialization failure with error %d: %s", result,
                       start_failure(result));
    else
        take_gpus(cuda, device);
}
