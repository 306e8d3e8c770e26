/*
 * tenon.hpp as an application uses it, for the scenarios:
 *
 *     wrapper MODE MODEL [RUNTIME]
 *
 * Prints what came of it, or "NAME: text" of the error.
 */
#include <NvInfer.h>
#include <cstring>
#include <iostream>
#include <tenon/tenon.hpp>

namespace
{

class logger : public tenon::logger<nvinfer1::ILogger>
{
  public:
    int lines = 0;

  private:
    void line(Severity, const char *) noexcept override
    {
        lines++;
    }
};

/* What TensorRT up to 7 was like: no public destructor. */
class old_engine
{
  public:
    void destroy()
    {
        std::cout << "destroyed\n";
        delete this;
    }

  protected:
    ~old_engine() = default;
};

struct old_runtime {
    old_engine *deserializeCudaEngine(const void *, std::size_t)
    {
        return new old_engine;
    }
};

void get(const std::string &model, const tenon::wish &wanted)
{
    const tenon::loader loader;
    const tenon::engine engine = loader.get(model, wanted);

    const std::string report = engine.report(), label = "\"digest\":\"";

    loader.mark(report.substr(report.find(label) + label.size(), 64), "pin");
    std::cout << engine.path() << ' ' << engine.size() << ' '
              << std::string(static_cast<const char *>(engine.data()), 4) << '\n'
              << report << '\n'
              << loader.list() << '\n'
              << loader.collect(0, true) << '\n';
}

void load(const std::string &model, const tenon::wish &wanted)
{
    logger log;
    nvinfer1::IRuntime runtime(log);
    auto engine = tenon::load(model, runtime, wanted);

    std::cout << engine->getNbIOTensors() << ' ' << (*engine).getNbIOTensors() << ' '
              << (engine.get() != nullptr) << ' ' << engine.from().path() << '\n';
}

void make(const std::string &model, const tenon::wish &wanted)
{
    static logger log;
    const tenon::loader loader;
    auto engine = loader.load(
        model, [] { return nvinfer1::createInferRuntime(log); }, wanted);

    std::cout << engine->getNbIOTensors() << '\n';
}

void old(const std::string &model, const tenon::wish &wanted)
{
    old_runtime runtime;

    (void)tenon::load(model, runtime, wanted);
}

void fail(const std::string &model, const tenon::wish &wanted)
{
    (void)tenon::loader {}.load_with(
        model,
        [](const void *, std::size_t, tn_log *) -> int * {
            throw std::logic_error("my own fault");
        },
        wanted);
}

void stop(const std::string &model, const tenon::wish &asked)
{
    tenon::wish wanted = asked;

    wanted.event = [](const tn_engine_event &event) { return !std::strlen(event.doing); };
    (void)tenon::get(model, wanted);
}

void raise(const std::string &model, const tenon::wish &asked)
{
    tenon::wish wanted = asked;

    wanted.event = [](const tn_engine_event &) -> bool { throw std::logic_error("from an event"); };
    (void)tenon::get(model, wanted);
}

void ask(const std::string &model, const tenon::wish &)
{
    tenon::question question;

    question.device = "t4+" + tenon::runtime_name(8, 4, 1, 5);
    std::cout << tenon::inspect(model) << '\n'
              << tenon::check(model, question) << '\n'
              << tenon::device() << '\n';
}

const struct {
    const char *name;
    void (*run)(const std::string &model, const tenon::wish &wanted);
} modes[] = {
    { "get", get },   { "load", load },   { "make", make }, { "old", old },
    { "fail", fail }, { "raise", raise }, { "stop", stop }, { "ask", ask },
};

} // namespace

int main(int argc, char **argv)
{
    tenon::wish wanted;

    if (argc > 3)
        wanted.runtime = argv[3];
    try {
        for (const auto &mode : modes)
            if (argc > 2 && std::strcmp(mode.name, argv[1]) == 0)
                mode.run(argv[2], wanted);
        return 0;
    } catch (const tenon::error &why) {
        std::cout << why.name() << ": " << why.what() << '\n';
        return 1;
    } catch (const std::logic_error &why) {
        std::cout << "thrown: " << why.what() << '\n';
        return 1;
    }
}
