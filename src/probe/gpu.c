/*
 * tenon-gpu: whether the driver answers, and how much memory the first visible GPU has free.
 *
 * A program of its own: it makes a CUDA context, which the library never does in its caller's
 * process, and a driver that crashes or hangs ends only this one. For programs that cannot be asked
 * (trtexec): where no driver answers they are not even started.
 *
 * Prints JSON lines as workers/tenon_worker.py does: `stage` ("driver", "context") and one `result`
 * {ok, stage, class, text, seconds, free_bytes, integrated}. Exit: 0 it answers, 1 it does not.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Numbers of the driver API, stable since they exist. */
enum { OUT_OF_MEMORY = 2, ATTRIBUTE_INTEGRATED = 18 };

/* Contexts are pointers there. */
struct driver {
    int (*init)(unsigned flags);
    int (*device)(int *ret_device, int ordinal);
    int (*attribute)(int *ret_value, int attribute, int device);
    int (*retain)(void **ret_context, int device);
    int (*use)(void *context);
    int (*memory)(size_t *ret_free, size_t *ret_total);
    int (*error_name)(int result, const char **ret_name);
};

struct answer {
    const char *stage;
    double seconds[2];
    int stages; /* that have begun */
    size_t free_bytes;
    int integrated;
};

static double now(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void enter(struct answer *answer, const char *stage)
{
    answer->stage = stage;
    answer->stages++;
    (void)printf("{\"type\":\"stage\",\"stage\":\"%s\"}\n", stage);
    (void)fflush(stdout);
}

/* Plain ASCII without quotes, so that nothing in it ends the string. */
static void print_plain(const char *text)
{
    for (; *text; text++)
        (void)putchar(*text < ' ' || *text > '~' || *text == '"' || *text == '\\' ? '?' : *text);
}

static void print_seconds(const struct answer *answer)
{
    (void)printf(",\"seconds\":{\"driver\":%.6f", answer->seconds[0]);
    if (answer->stages > 1)
        (void)printf(",\"context\":%.6f", answer->seconds[1]);
    (void)printf("}}\n");
}

static int fail(const struct answer *answer, const char *class, const char *what, const char *why)
{
    (void)printf("{\"type\":\"result\",\"ok\":false,\"stage\":\"%s\",\"class\":\"%s\",\"text\":\"",
                 answer->stage, class);
    print_plain(what);
    (void)printf(": ");
    print_plain(why);
    (void)printf("\"");
    print_seconds(answer);
    return 1;
}

static int fail_call(const struct answer *answer, const struct driver *driver, const char *call,
                     int result)
{
    const char *name = NULL;
    char why[128];

    if (driver->error_name(result, &name) != 0 || !name)
        name = "unknown error";
    (void)snprintf(why, sizeof(why), "%.100s (%d)", name, result);
    return fail(answer, result == OUT_OF_MEMORY ? "no-memory" : "cuda-unavailable", call, why);
}

/* ISO C has no cast from object to function pointer. */
static bool load(void *library, const char *name, void *to, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(to, &symbol, size);
    return symbol != NULL;
}

/* @return NULL, or what is missing */
static const char *open_driver(struct driver *driver)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return dlerror();
#define LOAD(member, symbol) load(library, symbol, &driver->member, sizeof(driver->member))
    if (LOAD(init, "cuInit") && LOAD(device, "cuDeviceGet") &&
        LOAD(attribute, "cuDeviceGetAttribute") && LOAD(retain, "cuDevicePrimaryCtxRetain") &&
        LOAD(use, "cuCtxSetCurrent") && LOAD(memory, "cuMemGetInfo_v2") &&
        LOAD(error_name, "cuGetErrorName"))
        return NULL;
#undef LOAD
    return "it lacks functions of CUDA 7 and later";
}

/* @return NULL, or the call that failed with `ret_result` */
static const char *open_context(const struct driver *driver, struct answer *answer, int *ret_result)
{
    void *context = NULL;
    int device = 0;
    size_t total;

    *ret_result = driver->device(&device, 0);
    if (*ret_result != 0)
        return "cuDeviceGet";
    *ret_result = driver->retain(&context, device);
    if (*ret_result != 0)
        return "cuDevicePrimaryCtxRetain";
    *ret_result = driver->use(context);
    if (*ret_result != 0)
        return "cuCtxSetCurrent";
    *ret_result = driver->memory(&answer->free_bytes, &total);
    if (*ret_result != 0)
        return "cuMemGetInfo_v2";
    if (driver->attribute(&answer->integrated, ATTRIBUTE_INTEGRATED, device) != 0)
        answer->integrated = 0;
    return NULL;
}

int main(void)
{
    struct answer answer = { .stage = "" };
    struct driver driver = { 0 };
    const char *fault;
    double begun = now();
    int result;

    enter(&answer, "driver");
    fault = open_driver(&driver);
    if (fault)
        return fail(&answer, "cuda-unavailable", "dlopen", fault);
    result = driver.init(0);
    answer.seconds[0] = now() - begun;
    if (result != 0)
        return fail_call(&answer, &driver, "cuInit", result);
    enter(&answer, "context");
    begun = now();
    fault = open_context(&driver, &answer, &result);
    answer.seconds[1] = now() - begun;
    if (fault)
        return fail_call(&answer, &driver, fault, result);
    (void)printf("{\"type\":\"result\",\"ok\":true,\"stage\":\"context\",\"free_bytes\":%zu,"
                 "\"integrated\":%s",
                 answer.free_bytes, answer.integrated > 0 ? "true" : "false");
    print_seconds(&answer);
    return fflush(stdout) == 0 ? 0 : 1;
}
