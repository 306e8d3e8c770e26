/*
 * libtenon for C++17: an engine that loads, owned, with exceptions.
 *
 *     logger log; // class logger : public tenon::logger<nvinfer1::ILogger> {};
 *     auto engine = tenon::load("model.onnx", [&] { return nvinfer1::createInferRuntime(log); });
 *     auto *context = engine->createExecutionContext();
 *
 * Header only, over <tenon/tenon.h>, whose comments are the contract: what is said here is what
 * differs. Needs no NvInfer.h: what it takes of TensorRT are template parameters. A function that
 * fails throws tenon::error. Objects belong to one thread at a time; a loader and log_line() to
 * any.
 */
#ifndef TENON_TENON_HPP
#define TENON_TENON_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <dlfcn.h>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tenon/tenon.h>

namespace tenon
{

/** A call failed; what() says why. */
class error : public std::runtime_error
{
  public:
    explicit error(const tn_error &why) : std::runtime_error(why.text), code_(why.code), os_(why.os)
    {
    }

    /** TN_E_*. */
    int code() const noexcept
    {
        return code_;
    }

    /** errno of the failing call, or 0. */
    int os() const noexcept
    {
        return os_;
    }

    /** "AGAIN". */
    const char *name() const noexcept
    {
        return tn_error_name(code_);
    }

  private:
    int code_;
    int os_;
};

/** What is wanted, as struct tn_engine_options. Empty text = the default. */
struct wish {
    std::string precision {}, shapes {}, runtime {}, gpu {}, for_device {}, level {}, accept {};
    bool no_build = false, retry = false, allow_host_code = false, no_verify = false;
    std::chrono::milliseconds build_time_limit { 0 };
    std::int64_t build_memory_bytes = 0;
    /** Called now and then; false stops. What it throws comes out of the call. */
    std::function<bool(const tn_engine_event &)> event {};
};

/** What is asked, as struct tn_check_options. */
struct question {
    std::string device {}, runtime {}, gpu {};
    bool allow_host_code = false, trial = false;
    std::chrono::milliseconds trial_limit { 0 };
};

namespace detail
{

inline const char *or_null(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

/** Calls a function that takes a struct tn_error * last. */
template <class Function, class... Arguments> void call(Function *function, Arguments... arguments)
{
    tn_error why {};

    if (function(arguments..., &why) < 0)
        throw error(why);
}

/** The same for one that gives text before it. */
template <class Function, class... Arguments>
std::string answer(Function *function, Arguments... arguments)
{
    char *text = nullptr;

    call(function, arguments..., &text);
    const std::unique_ptr<char, void (*)(void *)> owned { text, tn_free };
    return owned.get();
}

/** Ends an object of TensorRT: by delete, up to 7 by destroy(). */
struct destroyer {
    template <class Object> void operator()(Object *object) const
    {
        if constexpr (std::is_destructible_v<Object>)
            delete object;
        else
            object->destroy();
    }
};

/* ---- lines of the log ---- */

/** The deserializations under way; `guard` is held while a line is handed over, so that its log
 * cannot end meanwhile. */
struct lines {
    std::mutex guard {};
    std::vector<tn_log *> under_way {};
};

/** Never destroyed: TensorRT may log while the process exits. */
inline lines &all_lines()
{
    static lines *const all = new lines;

    return *all;
}

inline tn_log *&log_of_thread()
{
    static thread_local tn_log *log = nullptr;

    return log;
}

/** Directs lines to a log while it lives. */
class listening
{
  public:
    explicit listening(tn_log *log) : log_(log), before_(std::exchange(log_of_thread(), log))
    {
        const std::lock_guard<std::mutex> held { all_lines().guard };

        all_lines().under_way.push_back(log);
    }

    ~listening()
    {
        const std::lock_guard<std::mutex> held { all_lines().guard };
        auto &all = all_lines().under_way;

        all.erase(std::find(all.begin(), all.end(), log_));
        log_of_thread() = before_;
    }

    listening(const listening &) = delete;
    listening &operator=(const listening &) = delete;

  private:
    tn_log *log_;
    tn_log *before_;
};

} // namespace detail

/** Gives Tenon a line of the application's ILogger; severities are nvinfer1's. It counts for the
 * deserialization under way in this thread, else, since TensorRT has threads of its own, for each
 * one under way. */
inline void log_line(int severity, const char *text) noexcept
{
    const std::lock_guard<std::mutex> held { detail::all_lines().guard };

    if (detail::log_of_thread())
        return tn_log_line(detail::log_of_thread(), severity, text);
    for (tn_log *log : detail::all_lines().under_way)
        tn_log_line(log, severity, text);
}

/** An ILogger (`Base`) whose lines reach Tenon. An application that prints them, too, overrides
 * line(). TensorRT keeps the first logger of a process: use one, and let it live long. */
template <class Base> class logger : public Base
{
  public:
    using severity_type = typename Base::Severity;

    void log(severity_type severity, const char *text) noexcept override
    {
        log_line(static_cast<int>(severity), text);
        line(severity, text);
    }

  protected:
    virtual void line(severity_type, const char *) noexcept
    {
    }
};

/** wish.runtime of the TensorRT that is linked: runtime_name(getInferLibMajorVersion(),
 * getInferLibMinorVersion(), getInferLibPatchVersion(), getInferLibBuildVersion()).
 * @param kind "trt", "lean", "dispatch" or "rtx" */
inline std::string runtime_name(int major, int minor, int patch, int build,
                                const char *kind = "trt")
{
    return kind + std::to_string(major) + '.' + std::to_string(minor) + '.' +
           std::to_string(patch) + '.' + std::to_string(build);
}

/** Why CUDA cannot start here, as TensorRT would say it; empty when it can. Without a driver some
 * releases do not say it: they crash. */
inline std::string driver_trouble()
{
    static const std::string failure = "CUDA initialization failure with error: ";
    void *cuda = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    const char *why = cuda ? "cuInit is missing" : dlerror();
    auto *init = cuda ? reinterpret_cast<int (*)(unsigned)>(dlsym(cuda, "cuInit")) : nullptr;

    if (!init)
        return failure + "35: no NVIDIA driver answers (" + (why ? why : "libcuda.so.1") + ")";
    const int code = init(0);
    return code == 0 ? std::string {} : failure + std::to_string(code) + ": cuInit";
}

/** An engine that was handed out. */
class engine
{
  public:
    explicit engine(tn_engine *owned) : owned_(owned)
    {
    }

    /** Absolute path of the plan. */
    const char *path() const noexcept
    {
        return tn_engine_path(owned_.get());
    }

    /** The plan's bytes, mapped read-only. */
    const void *data() const noexcept
    {
        return tn_engine_bytes(owned_.get(), nullptr);
    }

    std::size_t size() const noexcept
    {
        std::size_t bytes = 0;

        (void)tn_engine_bytes(owned_.get(), &bytes);
        return bytes;
    }

    /** JSON: the object that `tenon get --json` prints, with `record`. */
    std::string report() const
    {
        return detail::answer(tn_engine_report, static_cast<const tn_engine *>(owned_.get()));
    }

  private:
    struct closer {
        void operator()(tn_engine *engine) const noexcept
        {
            tn_engine_close(engine);
        }
    };

    std::unique_ptr<tn_engine, closer> owned_;
};

/** An engine that the application's TensorRT has loaded: its object, an ICudaEngine in general, to
 * which this is an owning pointer. */
template <class Object> class loaded
{
  public:
    using pointer = std::unique_ptr<Object, detail::destroyer>;

    loaded(engine &&from, std::shared_ptr<void> runtime, pointer &&object)
        : from_(std::move(from)), runtime_(std::move(runtime)), object_(std::move(object))
    {
    }

    Object *get() const noexcept
    {
        return object_.get();
    }

    Object *operator->() const noexcept
    {
        return object_.get();
    }

    Object &operator*() const noexcept
    {
        return *object_;
    }

    /** Which engine it is. */
    const tenon::engine &from() const noexcept
    {
        return from_;
    }

  private:
    tenon::engine from_;
    std::shared_ptr<void> runtime_; /* outlives the object */
    pointer object_;
};

namespace detail
{

/** One call under way: what the library calls back, and what that threw. No exception crosses it.
 */
template <class Object, class Deserialize> struct under_way {
    const wish &options;
    Deserialize &deserialize;
    typename loaded<Object>::pointer object {};
    std::exception_ptr problem {};

    static bool on_event(const tn_engine_event *event, void *user) noexcept
    {
        auto *self = static_cast<under_way *>(user);

        try {
            return self->options.event(*event);
        } catch (...) {
            self->problem = std::current_exception();
            return false;
        }
    }

    static void *on_deserialize(const void *plan, std::size_t bytes, tn_log *log,
                                void *user) noexcept
    {
        auto *self = static_cast<under_way *>(user);

        try {
            const listening heard { log };

            self->object.reset(self->deserialize(plan, bytes, log));
        } catch (const std::exception &thrown) {
            self->stop(log, thrown.what());
        } catch (...) {
            self->stop(log, "an exception");
        }
        return self->object.get();
    }

    void stop(tn_log *log, const char *what) noexcept
    {
        char line[512] = TN_LINE_STOPPED;
        std::size_t at = sizeof(TN_LINE_STOPPED) - 1;

        problem = std::current_exception();
        while (*what && at + 1 < sizeof(line))
            line[at++] = *what++;
        line[at] = '\0';
        tn_log_line(log, TN_LINE_ERROR, line);
    }
};

inline tn_engine_options options_of(const wish &wanted)
{
    tn_engine_options options {};

    options.size = sizeof(options);
    options.precision = or_null(wanted.precision);
    options.shapes = or_null(wanted.shapes);
    options.runtime = or_null(wanted.runtime);
    options.gpu = or_null(wanted.gpu);
    options.for_device = or_null(wanted.for_device);
    options.level = or_null(wanted.level);
    options.accept = or_null(wanted.accept);
    options.no_build = wanted.no_build;
    options.retry = wanted.retry;
    options.allow_host_code = wanted.allow_host_code;
    options.no_verify = wanted.no_verify;
    options.build_time_limit_ms = wanted.build_time_limit.count();
    options.build_memory_bytes = wanted.build_memory_bytes;
    return options;
}

/** Gets an engine; with a deserialization also has it loaded. */
template <class Object, class Deserialize>
engine hand_out(tn_loader *loader, const std::string &model, under_way<Object, Deserialize> &state,
                decltype(&tn_engine_get) function, tn_deserialize_fn deserialize)
{
    tn_engine_options options = options_of(state.options);
    tn_engine *made = nullptr;
    tn_error why {};

    options.event = state.options.event ? state.on_event : nullptr;
    options.deserialize = deserialize;
    options.user = &state;
    const int rc = function(loader, model.c_str(), &options, &made, &why);
    engine owned { made };
    if (state.problem)
        std::rethrow_exception(state.problem);
    if (rc < 0)
        throw error(why);
    return owned;
}

template <class Runtime>
using engine_of = std::remove_pointer_t<decltype(std::declval<Runtime &>().deserializeCudaEngine(
    std::declval<const void *>(), std::size_t {}))>;

template <class Thing, class = void> struct is_runtime : std::false_type {
};
template <class Thing> struct is_runtime<Thing, std::void_t<engine_of<Thing>>> : std::true_type {
};

template <class Deserialize>
using object_of =
    std::remove_pointer_t<std::invoke_result_t<Deserialize &, const void *, std::size_t, tn_log *>>;

} // namespace detail

/** The stores and this machine, as one process uses them; any number of threads may share it. */
class loader
{
  public:
    /** @param store colon-separated folders; empty = $TENON_STORE, else the user's
     * @param python an interpreter whose TensorRT may build and try; empty = those found */
    explicit loader(const std::string &store = {}, const std::string &python = {})
    {
        tn_loader_options options {};
        tn_loader *made = nullptr;

        options.size = sizeof(options);
        options.store = detail::or_null(store);
        options.python = detail::or_null(python);
        detail::call(tn_loader_open, static_cast<const tn_loader_options *>(&options), &made);
        owned_.reset(made);
    }

    /** tn_engine_get(). */
    engine get(const std::string &model, const wish &wanted = {}) const
    {
        void *(*none)(const void *, std::size_t, tn_log *) = nullptr;
        detail::under_way<int, decltype(none)> state { wanted, none };

        return detail::hand_out(owned_.get(), model, state, tn_engine_get, nullptr);
    }

    /**
     * tn_engine_load() with a function of the application's: `Object *(const void *plan,
     * std::size_t bytes, tn_log *log)`, nullptr = it failed. What it throws comes out of this call,
     * and no engine is blamed for it. Lines given to log_line() meanwhile reach the log.
     */
    template <class Deserialize>
    loaded<detail::object_of<Deserialize>>
    load_with(const std::string &model, Deserialize deserialize, const wish &wanted = {},
              std::shared_ptr<void> keep = nullptr) const
    {
        using object = detail::object_of<Deserialize>;
        using state_type = detail::under_way<object, Deserialize>;
        state_type state { wanted, deserialize };
        engine from = detail::hand_out(owned_.get(), model, state, tn_engine_load,
                                       state_type::on_deserialize);

        return { std::move(from), std::move(keep), std::move(state.object) };
    }

    /** tn_engine_load() by the application's runtime, an nvinfer1::IRuntime, which has to outlive
     * the engine. Its logger should be a tenon::logger. */
    template <class Runtime, std::enable_if_t<detail::is_runtime<Runtime>::value, bool> = true>
    loaded<detail::engine_of<Runtime>> load(const std::string &model, Runtime &runtime,
                                            const wish &wanted = {}) const
    {
        return load_with(
            model,
            [&runtime](const void *plan, std::size_t bytes, tn_log *) {
                return runtime.deserializeCudaEngine(plan, bytes);
            },
            wanted);
    }

    /** The same by a runtime that `make` creates (`IRuntime *()`) once there is an engine and a
     * driver answers; without one TensorRT is not touched. The result owns the runtime, too. */
    template <class Make, class Runtime = std::remove_pointer_t<std::invoke_result_t<Make &>>>
    loaded<detail::engine_of<Runtime>> load(const std::string &model, Make make,
                                            const wish &wanted = {}) const
    {
        struct kept {
            std::unique_ptr<Runtime, detail::destroyer> runtime {};
        };
        const auto keep = std::make_shared<kept>();

        return load_with(
            model,
            [&](const void *plan, std::size_t bytes, tn_log *log) -> detail::engine_of<Runtime> * {
                const std::string trouble = keep->runtime ? std::string {} : driver_trouble();

                if (!trouble.empty()) {
                    tn_log_line(log, TN_LINE_ERROR, trouble.c_str());
                    return nullptr;
                }
                if (!keep->runtime)
                    keep->runtime.reset(make());
                return keep->runtime ? keep->runtime->deserializeCudaEngine(plan, bytes) : nullptr;
            },
            wanted, keep);
    }

    /** JSON array: tn_store_list(). */
    std::string list() const
    {
        return detail::answer(tn_store_list, owned_.get());
    }

    /** "pin", "unpin", "bless" or "verify". */
    void mark(const std::string &engine, const std::string &what) const
    {
        detail::call(tn_store_mark, owned_.get(), engine.c_str(), what.c_str());
    }

    /** JSON object: tn_store_collect(). */
    std::string collect(std::int64_t bound_bytes = 0, bool dry_run = false) const
    {
        return detail::answer(tn_store_collect, owned_.get(), bound_bytes, dry_run);
    }

  private:
    struct closer {
        void operator()(tn_loader *loader) const noexcept
        {
            tn_loader_close(loader);
        }
    };

    std::unique_ptr<tn_loader, closer> owned_ {};
};

/** loader{}.get(). */
inline engine get(const std::string &model, const wish &wanted = {})
{
    return loader {}.get(model, wanted);
}

/** loader{}.load(), by a runtime or by what makes one. */
template <class Runtime>
auto load(const std::string &model, Runtime &&runtime, const wish &wanted = {})
{
    return loader {}.load(model, std::forward<Runtime>(runtime), wanted);
}

/** JSON object: tn_plan_inspect(). */
inline std::string inspect(const std::string &path)
{
    return detail::answer(tn_plan_inspect, path.c_str());
}

/** JSON array: tn_check(). */
inline std::string check(const std::string &path, const question &asked = {})
{
    tn_check_options options {};

    options.size = sizeof(options);
    options.device = detail::or_null(asked.device);
    options.runtime = detail::or_null(asked.runtime);
    options.gpu = detail::or_null(asked.gpu);
    options.allow_host_code = asked.allow_host_code;
    options.trial = asked.trial;
    options.trial_limit_ms = asked.trial_limit.count();
    return detail::answer(tn_check, path.c_str(), static_cast<const tn_check_options *>(&options));
}

/** JSON object: tn_device_probe(). */
inline std::string device()
{
    return detail::answer(tn_device_probe);
}

} // namespace tenon

#endif
