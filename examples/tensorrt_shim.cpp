#include "tensorrt_shim.h"

#include <cstdint>
#include <cstdio>
#include <dlfcn.h>
#include <memory>
#include <mutex>
#include <new>
#include <string>

/* TensorRT's own header where it is installed. Without it (Python wheels carry none) the little
 * that is needed of its binary interface, which is the same in 10, 11 and RTX 1. */
#if defined(__has_include)
#if __has_include(<NvInfer.h>)
#include <NvInfer.h>
#define HAVE_NVINFER 1
#endif
#endif

#ifndef HAVE_NVINFER
namespace nvinfer1
{
class ILogger
{
  public:
    enum class Severity : int32_t { kINTERNAL_ERROR, kERROR, kWARNING, kINFO, kVERBOSE };
    virtual void log(Severity severity, char const *text) noexcept = 0;
    virtual ~ILogger() = default;
};

/* What the objects hand their calls to; the first slots of its table are the destructor's. */
class VEngine
{
  public:
    virtual ~VEngine() = default;
    virtual void *getPImpl() noexcept = 0;
    virtual int32_t getNbLayers() const noexcept = 0;
};

class ICudaEngine
{
  public:
    virtual ~ICudaEngine() = default;
    int32_t getNbLayers() const noexcept
    {
        return mImpl->getNbLayers();
    }

  protected:
    VEngine *mImpl;
};

class VRuntime
{
  public:
    virtual ~VRuntime() = default;
    virtual void *getPImpl() noexcept = 0;
    virtual ICudaEngine *deserializeCudaEngine(void const *plan, std::size_t bytes) noexcept = 0;
};

class IRuntime
{
  public:
    virtual ~IRuntime() = default;
    ICudaEngine *deserializeCudaEngine(void const *plan, std::size_t bytes) noexcept
    {
        return mImpl->deserializeCudaEngine(plan, bytes);
    }

  protected:
    VRuntime *mImpl;
};
} // namespace nvinfer1
#endif

namespace
{

template <typename Function> Function symbol(void *library, const char *name)
{
    return library ? reinterpret_cast<Function>(dlsym(library, name)) : nullptr;
}

/* TensorRT keeps its logger as long as its runtime, and logs from threads of its own; Tenon's log
 * lives for one call. Between calls errors go to standard error. */
class Logger final : public nvinfer1::ILogger
{
  public:
    void log(Severity severity, char const *text) noexcept override
    {
        std::lock_guard<std::mutex> guard(mutex_);

        if (log_)
            tn_log_line(log_, static_cast<int>(severity), text);
        else if (severity <= Severity::kERROR)
            std::fprintf(stderr, "TensorRT: %s\n", text);
    }

    void feed(tn_log *log)
    {
        std::lock_guard<std::mutex> guard(mutex_);

        log_ = log;
    }

  private:
    std::mutex mutex_;
    tn_log *log_ = nullptr;
};

/* As CUDA says it, so that Tenon knows the lines. */
const char *driver_trouble()
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    auto init = symbol<int (*)(unsigned)>(driver, "cuInit");
    auto count_devices = symbol<int (*)(int *)>(driver, "cuDeviceGetCount");
    int count = 0;

    if (!init || !count_devices)
        return "CUDA initialization failure with error: 35 (there is no libcuda.so.1)";
    if (init(0) != 0)
        return "CUDA initialization failure: cuInit() failed";
    if (count_devices(&count) != 0 || count == 0)
        return "CUDA initialization failure with error: 100 (no GPU is visible)";
    return nullptr;
}

std::string runtime_of(void *library)
{
    static const char *const names[] = { "getInferLibMajorVersion", "getInferLibMinorVersion",
                                         "getInferLibPatchVersion", "getInferLibBuildVersion" };
    std::string text;

    for (const char *name : names) {
        auto part = symbol<int32_t (*)()>(library, name);

        if (!part)
            return "";
        if (text.empty())
            text = part() == 1 ? "rtx" : "trt";
        else
            text += '.';
        text += std::to_string(part());
    }
    return text;
}

} // namespace

struct trt {
    void *library = nullptr;
    std::string runtime;
    std::string trouble; /* why there is no library */
    Logger logger;
    std::unique_ptr<nvinfer1::IRuntime> object;
};

struct trt *trt_open(const char *library)
{
    static const char *const usual[] = { "libnvinfer.so.11", "libnvinfer.so.10",
                                         "libtensorrt_rtx.so.1" };
    trt *made = new (std::nothrow) trt;

    if (!made)
        return nullptr;
    if (library)
        made->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    for (const char *name : usual)
        if (!library && !made->library)
            made->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!made->library)
        made->trouble = dlerror();
    made->runtime = runtime_of(made->library);
    return made;
}

const char *trt_runtime(const struct trt *trt)
{
    return trt->runtime.empty() ? nullptr : trt->runtime.c_str();
}

static nvinfer1::IRuntime *create_runtime(struct trt *trt)
{
    auto create = symbol<void *(*)(void *, int32_t)>(trt->library, "createInferRuntime_INTERNAL");
    auto version = symbol<int32_t (*)()>(trt->library, "getInferLibVersion");

    if (!create || !version || trt->runtime.empty())
        return nullptr; /* 8.x has another interface and no build number */
    return static_cast<nvinfer1::IRuntime *>(create(&trt->logger, version()));
}

static void *deserialize(struct trt *trt, const void *plan, size_t bytes, struct tn_log *log)
{
    const char *trouble = driver_trouble();

    if (!trouble && !trt->library)
        trouble = trt->trouble.c_str();
    if (trouble) {
        tn_log_line(log, TN_LINE_ERROR, trouble);
        return nullptr;
    }
    if (!trt->object)
        trt->object.reset(create_runtime(trt));
    return trt->object ? trt->object->deserializeCudaEngine(plan, bytes) : nullptr;
}

void *trt_deserialize(const void *plan, size_t bytes, struct tn_log *log, void *user)
{
    struct trt *trt = static_cast<struct trt *>(user);

    trt->logger.feed(log);
    void *engine = deserialize(trt, plan, bytes, log);
    trt->logger.feed(nullptr);
    return engine;
}

int trt_layers(void *engine)
{
    return static_cast<nvinfer1::ICudaEngine *>(engine)->getNbLayers();
}

void trt_engine_free(void *engine)
{
    delete static_cast<nvinfer1::ICudaEngine *>(engine);
}

void trt_close(struct trt *trt)
{
    delete trt; /* the library stays open: its threads may outlive the runtime */
}
