/*
 * Stands in for libcuda.so.1 and libnvidia-ml.so.1 in tests: a machine whose GPUs a file describes.
 *
 * The file is `gpus.txt` in the folder that the library was opened from, `key = value` lines; a
 * line `[gpu]` begins the next GPU:
 *
 *     driver = 580.159.04      of NVML; none = there is no NVML
 *     cuda = 13000
 *     init = 0                 result of cuInit
 *     log = /path              one line "cuInit PROGRAM" per cuInit
 *     [gpu]
 *     name = NVIDIA H200
 *     uuid = GPU-01234567-89ab-cdef-0123-456789abcdef
 *     memory = 150109880320    bytes
 *     free = 149000000000      bytes
 *     context = 0              result of cuDevicePrimaryCtxRetain
 *     by-uuid = 1              shown only where CUDA_VISIBLE_DEVICES names it (further MIG slices)
 *     attribute.16 = 132       by the number of CUdevice_attribute
 *
 * CUDA_VISIBLE_DEVICES counts as CUDA documents it: indices or beginnings of UUIDs, in that order,
 * the list ends at the first entry that is none.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    GPUS_MAX = 16,
    ATTRIBUTES_MAX = 256,
    INVALID_VALUE = 1,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
};

struct gpu {
    char name[96], uuid[64];
    size_t memory, free;
    int context;
    bool by_uuid;
    int attribute[ATTRIBUTES_MAX]; /* -1 = not known */
};

static struct {
    char driver[32], log[512];
    int cuda, init;
    struct gpu gpu[GPUS_MAX];
    int count;
    int shown[GPUS_MAX], shown_count;
    int current;
    bool read, started;
} machine;

/* --- the file ---------------------------------------------------------------------------------*/

static void keep(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%.*s", (int)size - 1, text);
}

static void take_machine(const char *key, const char *value)
{
    if (strcmp(key, "driver") == 0)
        keep(machine.driver, sizeof(machine.driver), value);
    else if (strcmp(key, "log") == 0)
        keep(machine.log, sizeof(machine.log), value);
    else if (strcmp(key, "cuda") == 0)
        machine.cuda = (int)strtol(value, NULL, 10);
    else if (strcmp(key, "init") == 0)
        machine.init = (int)strtol(value, NULL, 10);
}

static void take_gpu(struct gpu *gpu, const char *key, const char *value)
{
    int attribute;

    if (strcmp(key, "name") == 0)
        keep(gpu->name, sizeof(gpu->name), value);
    else if (strcmp(key, "uuid") == 0)
        keep(gpu->uuid, sizeof(gpu->uuid), value);
    else if (strcmp(key, "memory") == 0)
        gpu->memory = gpu->free = strtoull(value, NULL, 10);
    else if (strcmp(key, "free") == 0)
        gpu->free = strtoull(value, NULL, 10);
    else if (strcmp(key, "context") == 0)
        gpu->context = (int)strtol(value, NULL, 10);
    else if (strcmp(key, "by-uuid") == 0)
        gpu->by_uuid = *value == '1';
    else if (sscanf(key, "attribute.%d", &attribute) == 1 && attribute >= 0 &&
             attribute < ATTRIBUTES_MAX)
        gpu->attribute[attribute] = (int)strtol(value, NULL, 10);
}

static void begin_gpu(void)
{
    if (machine.count == GPUS_MAX)
        abort();
    for (int i = 0; i < ATTRIBUTES_MAX; i++)
        machine.gpu[machine.count].attribute[i] = -1;
    machine.count++;
}

static void read_machine(void)
{
    char path[4096], line[512], key[64], value[512];
    Dl_info self;
    FILE *file;

    if (machine.read)
        return;
    machine.read = true;
    if (!dladdr(&machine, &self) || !strrchr(self.dli_fname, '/'))
        return;
    (void)snprintf(path, sizeof(path), "%.*s/gpus.txt",
                   (int)(strrchr(self.dli_fname, '/') - self.dli_fname), self.dli_fname);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "[gpu]", 5) == 0)
            begin_gpu();
        else if (sscanf(line, "%63s = %511[^\n]", key, value) != 2)
            continue;
        else if (machine.count == 0)
            take_machine(key, value);
        else
            take_gpu(&machine.gpu[machine.count - 1], key, value);
    }
    if (file)
        (void)fclose(file);
}

static void log_start(void)
{
    char program[512] = "?";
    FILE *file = machine.log[0] ? fopen(machine.log, "ae") : NULL;

    if (!file)
        return;
    (void)!readlink("/proc/self/exe", program, sizeof(program) - 1);
    (void)fprintf(file, "cuInit %s\n", strrchr(program, '/') ? strrchr(program, '/') + 1 : program);
    (void)fclose(file);
}

/* --- what is shown ----------------------------------------------------------------------------*/

static int find(const char *entry, size_t length)
{
    char *end;
    long index = strtol(entry, &end, 10);

    if (length > 0 && (size_t)(end - entry) == length)
        return index >= 0 && index < machine.count ? (int)index : -1;
    for (int i = 0; i < machine.count && length > 4; i++)
        if (strncasecmp(machine.gpu[i].uuid, entry, length) == 0)
            return i;
    return -1;
}

static void show(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");

    machine.shown_count = 0;
    for (int i = 0; !visible && i < machine.count; i++)
        if (!machine.gpu[i].by_uuid)
            machine.shown[machine.shown_count++] = i;
    for (const char *at = visible; at && *at && machine.shown_count < GPUS_MAX;) {
        size_t length = strcspn(at, ",");
        int gpu = find(at, length);

        if (gpu < 0)
            return;
        machine.shown[machine.shown_count++] = gpu;
        at += length;
        at += *at == ',';
    }
}

static struct gpu *gpu_of(int device)
{
    return machine.started && device >= 0 && device < machine.count ? &machine.gpu[device] : NULL;
}

/* --- libcuda ----------------------------------------------------------------------------------*/

int cuInit(unsigned flags);
int cuDriverGetVersion(int *ret_version);
int cuDeviceGetCount(int *ret_count);
int cuDeviceGet(int *ret_device, int ordinal);
int cuDeviceGetName(char *ret_name, int size, int device);
int cuDeviceGetUuid_v2(unsigned char ret_uuid[16], int device);
int cuDeviceGetAttribute(int *ret_value, int attribute, int device);
int cuDeviceTotalMem_v2(size_t *ret_bytes, int device);
int cuDevicePrimaryCtxRetain(void **ret_context, int device);
int cuCtxSetCurrent(void *context);
int cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total);
int cuGetErrorName(int result, const char **ret_name);
int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlSystemGetDriverVersion(char *ret_text, unsigned size);

int cuInit(unsigned flags)
{
    read_machine();
    log_start();
    if (flags != 0)
        return INVALID_VALUE;
    if (machine.init != 0)
        return machine.init;
    show();
    if (machine.shown_count == 0)
        return NO_DEVICE;
    machine.started = true;
    return 0;
}

int cuDriverGetVersion(int *ret_version)
{
    read_machine();
    *ret_version = machine.cuda;
    return 0;
}

int cuDeviceGetCount(int *ret_count)
{
    *ret_count = machine.shown_count;
    return machine.started ? 0 : NOT_INITIALIZED;
}

int cuDeviceGet(int *ret_device, int ordinal)
{
    if (ordinal < 0 || ordinal >= machine.shown_count)
        return INVALID_DEVICE;
    *ret_device = machine.shown[ordinal];
    return 0;
}

int cuDeviceGetName(char *ret_name, int size, int device)
{
    const struct gpu *gpu = gpu_of(device);

    if (!gpu)
        return INVALID_DEVICE;
    (void)snprintf(ret_name, (size_t)size, "%s", gpu->name);
    return 0;
}

int cuDeviceGetUuid_v2(unsigned char ret_uuid[16], int device)
{
    const struct gpu *gpu = gpu_of(device);
    const char *at;

    if (!gpu)
        return INVALID_DEVICE;
    at = gpu->uuid + 4;
    for (int i = 0; i < 16; i++) {
        unsigned byte = 0;

        at += *at == '-';
        if (sscanf(at, "%2x", &byte) == 1)
            at += 2;
        ret_uuid[i] = (unsigned char)byte;
    }
    return 0;
}

int cuDeviceGetAttribute(int *ret_value, int attribute, int device)
{
    const struct gpu *gpu = gpu_of(device);

    if (!gpu || attribute < 0 || attribute >= ATTRIBUTES_MAX || gpu->attribute[attribute] < 0)
        return INVALID_VALUE;
    *ret_value = gpu->attribute[attribute];
    return 0;
}

int cuDeviceTotalMem_v2(size_t *ret_bytes, int device)
{
    const struct gpu *gpu = gpu_of(device);

    if (!gpu)
        return INVALID_DEVICE;
    *ret_bytes = gpu->memory;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **ret_context, int device)
{
    struct gpu *gpu = gpu_of(device);

    if (!gpu)
        return INVALID_DEVICE;
    machine.current = device;
    *ret_context = gpu;
    return gpu->context;
}

int cuCtxSetCurrent(void *context)
{
    return context ? 0 : INVALID_VALUE;
}

int cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total)
{
    const struct gpu *gpu = gpu_of(machine.current);

    if (!gpu)
        return NOT_INITIALIZED;
    *ret_free = gpu->free;
    *ret_total = gpu->memory;
    return 0;
}

int cuGetErrorName(int result, const char **ret_name)
{
    static const struct {
        int result;
        const char *name;
    } names[] = {
        { 2, "CUDA_ERROR_OUT_OF_MEMORY" },
        { NO_DEVICE, "CUDA_ERROR_NO_DEVICE" },
        { INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE" },
        { 803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" },
        { 999, "CUDA_ERROR_UNKNOWN" },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].result == result) {
            *ret_name = names[i].name;
            return 0;
        }
    return INVALID_VALUE;
}

/* --- NVML -------------------------------------------------------------------------------------*/

int nvmlInit_v2(void)
{
    read_machine();
    return machine.driver[0] ? 0 : 9; /* driver not loaded */
}

int nvmlShutdown(void)
{
    return 0;
}

int nvmlSystemGetDriverVersion(char *ret_text, unsigned size)
{
    (void)snprintf(ret_text, size, "%s", machine.driver);
    return 0;
}
