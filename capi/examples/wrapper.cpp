// A small wrapper for C++17: handles that free themselves, and errors as exceptions.
//
// c++ -std=c++17 wrapper.cpp $(pkg-config --cflags --libs resnetc) -o wrapper
// ./wrapper resnet20-fashion-mnist.onnx
#include <cstdio>
#include <exception>
#include <memory>
#include <resnetc.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace resnet {

// A function as the deleter of a `unique_ptr`.
template <auto free> struct Free {
    template <typename T> void operator()(T *handle) const noexcept { free(handle); }
};

class Error : public std::runtime_error {
  public:
    // Takes over an error of the library.
    explicit Error(resnetc_error *error)
        : Error(std::unique_ptr<resnetc_error, Free<resnetc_error_free>>(error)) {}

    resnetc_status status() const noexcept { return status_; }
    const std::string &code() const noexcept { return code_; }

  private:
    explicit Error(std::unique_ptr<resnetc_error, Free<resnetc_error_free>> error)
        : std::runtime_error(resnetc_error_message(error.get())),
          status_(resnetc_error_status(error.get())), code_(resnetc_error_code(error.get())) {}

    resnetc_status status_;
    std::string code_;
};

inline void check(resnetc_error *error) {
    if (error != nullptr) {
        throw Error(error);
    }
}

class Options {
  public:
    Options &set(const char *name, const std::string &value) {
        resnetc_error *error = nullptr;
        resnetc_options_set(options_.get(), name, value.c_str(), &error);
        check(error);
        return *this;
    }
    const resnetc_options *get() const noexcept { return options_.get(); }

  private:
    std::unique_ptr<resnetc_options, Free<resnetc_options_free>> options_{resnetc_options_new()};
};

// One per thread. It may outlive its model.
class Context {
  public:
    explicit Context(const resnetc_model *model) {
        resnetc_error *error = nullptr;
        resnetc_context *context = nullptr;
        resnetc_context_new(model, &context, &error);
        check(error);
        context_.reset(context);
    }
    float *input(std::size_t index) {
        resnetc_error *error = nullptr;
        void *data = resnetc_context_input(context_.get(), index, &error);
        check(error);
        return static_cast<float *>(data);
    }
    const float *output(std::size_t index) const {
        resnetc_error *error = nullptr;
        const void *data = resnetc_context_output(context_.get(), index, &error);
        check(error);
        return static_cast<const float *>(data);
    }
    void run() {
        resnetc_error *error = nullptr;
        resnetc_run(context_.get(), &error);
        check(error);
    }

  private:
    std::unique_ptr<resnetc_context, Free<resnetc_context_free>> context_;
};

// Immutable, and shared by its copies.
class Model {
  public:
    explicit Model(const std::string &name, const Options &options = {}) {
        resnetc_error *error = nullptr;
        resnetc_model *model = nullptr;
        resnetc_load(name.c_str(), options.get(), &model, &error);
        check(error);
        model_.reset(model, Free<resnetc_model_free>());
    }
    const resnetc_port &input(std::size_t index) const {
        resnetc_error *error = nullptr;
        const resnetc_port *port = resnetc_model_input(model_.get(), index, &error);
        check(error);
        return *port;
    }
    const resnetc_port &output(std::size_t index) const {
        resnetc_error *error = nullptr;
        const resnetc_port *port = resnetc_model_output(model_.get(), index, &error);
        check(error);
        return *port;
    }
    Context context() const { return Context(model_.get()); }

  private:
    std::shared_ptr<resnetc_model> model_;
};

} // namespace resnet

int main(int argc, char **argv) try {
    if (argc != 2) {
        std::fprintf(stderr, "usage: wrapper MODEL\n");
        return 2;
    }
    resnet::Model model(argv[1], resnet::Options().set("numerics", "exact").set("threads", "1"));
    resnet::Context context = model.context();
    float *pixels = context.input(0);
    for (std::size_t i = 0; i < model.input(0).elements; i++) {
        pixels[i] = static_cast<float>(i % 29) / 32.0f;
    }
    context.run();
    const float *scores = context.output(0);
    for (std::size_t i = 0; i < model.output(0).elements; i++) {
        std::printf("%.9g\n", static_cast<double>(scores[i]));
    }
    try {
        model.input(7);
        return 1;
    } catch (const resnet::Error &error) {
        std::fprintf(stderr, "as expected: %s [%s]\n", error.what(), error.code().c_str());
    }
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
}
