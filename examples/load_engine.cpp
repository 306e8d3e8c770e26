/*
 * A service start in C++: an engine that loads, whatever machine this is.
 *
 *     g++ -std=c++17 load_engine.cpp $(pkg-config --cflags --libs tenon) -lnvinfer -o load_engine
 *     ./load_engine model.onnx
 *
 * Exit: 0 loaded, 75 the device has trouble and the engine is kept, 1 there is no engine.
 */
#include <NvInfer.h>
#include <iostream>
#include <tenon/tenon.hpp>

/* What TensorRT says reaches Tenon; this shows the errors to people, too. */
class logger : public tenon::logger<nvinfer1::ILogger>
{
    void line(Severity severity, const char *text) noexcept override
    {
        if (severity <= Severity::kERROR)
            std::cerr << "TensorRT: " << text << '\n';
    }
};

int main(int argc, char **argv)
{
    static logger log; /* TensorRT keeps a pointer to it */

    if (argc != 2) {
        std::cerr << "usage: load_engine MODEL\n";
        return 2;
    }
    try {
        auto engine = tenon::load(argv[1], [] { return nvinfer1::createInferRuntime(log); });
        std::cout << engine.from().path() << ": " << engine->getNbIOTensors() << " tensors\n";
        return 0;
    } catch (const tenon::error &why) {
        std::cerr << "load_engine: " << why.what() << '\n';
        return why.code() == TN_E_AGAIN ? 75 : 1;
    }
}
