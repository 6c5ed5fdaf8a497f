// Run one graph of a bundle in ONNX Runtime.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iomanip>
#include <numeric>
#include <optional>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace cvae {

struct BundleError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

using Shape = std::vector<std::int64_t>;

inline std::size_t size_of(const Shape& shape) {
    return static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

// The program's environment. Without this variable, ONNX Runtime's official builds send telemetry to Microsoft.
inline Ort::Env quiet_env(const char* name) {
#ifdef _WIN32
    _putenv_s("ORT_DISABLE_TELEMETRY", "1");
#else
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);
#endif
    return Ort::Env(ORT_LOGGING_LEVEL_ERROR, name);
}

// A value of a graph's metadata, which describes the model as the manifest does, in JSON. So one file is enough.
inline std::string metadata(const Ort::Session& session, const char* key) {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto value = session.GetModelMetadata().LookupCustomMetadataMapAllocated(key, allocator);
    return value == nullptr ? "none" : value.get();
}

// The characters of a name in JSON, as metadata has them.
inline std::string in_json(const std::string& name) {
    std::ostringstream text;
    text << std::hex << std::setfill('0');
    for (const char16_t unit : std::filesystem::path(name).u16string()) {  // a path converts UTF-8 to UTF-16
        if (unit < ' ' || unit > '~') {
            text << "\\u" << std::setw(4) << static_cast<unsigned>(unit);
        } else {
            text << (unit == '"' || unit == '\\' ? "\\" : "") << static_cast<char>(unit);
        }
    }
    return text.str();
}

// The value of the input label for a class. Without a class, it is the number of classes. `names` is a list in JSON.
inline std::int64_t label_of(const std::string& names, const std::optional<std::string>& label) {
    const std::regex quoted(R"-("((?:[^"\\]|\\.)*)")-");
    const std::string wanted = in_json(label.value_or(""));
    std::int64_t index = 0;
    for (std::sregex_iterator name(names.begin(), names.end(), quoted), end; name != end; ++name, ++index) {
        if (label && (*name)[1] == wanted) {
            return index;
        }
    }
    if (label) {
        throw std::runtime_error("--label: expected one of " + names + "; found '" + *label + "'");
    }
    return index;
}

// Opens a graph of a bundle. 0 threads: one per core.
inline Ort::Session open_graph(Ort::Env& env, const std::filesystem::path& path, int threads = 0) {
    if (!std::filesystem::is_regular_file(path)) {
        throw BundleError(path.parent_path().string() + ": expected a bundle, a folder with " +
                          path.filename().string() + "; cvae-export makes one");
    }
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    options.AddConfigEntry("session.load_model_format", "ONNX");  // otherwise the file's content decides
    try {
        Ort::Session session(env, path.c_str(), options);
        const std::string format = metadata(session, "cvae.format");
        if (format != "1" && format != "2") {
            throw BundleError(path.string() + ": expected format 1 or 2, found " + format +
                              "; use the version of cvae-toolkit that wrote it, or export the bundle again");
        }
        return session;
    } catch (const Ort::Exception& error) {
        throw BundleError(path.string() + ": expected a graph that ONNX Runtime opens; export it again. It says: " +
                          error.what());
    }
}

// The values of a named input, item by item. In the shape, -1 is the number of items. It is that of the graph's first
// input if not given.
struct Input {
    template <typename Value>
    Input(const char* name, const std::vector<Value>& values, const Shape& shape = {})
        : name(name), data(values.data()), count(values.size()), size(sizeof(Value)), shape(shape),
          type(Ort::TypeToTensorType<Value>::type) {}

    const char* name;
    const void* data;
    std::size_t count, size;  // of the values, and of one of them in bytes
    Shape shape;
    ONNXTensorElementDataType type;
};

class Graph {
  public:
    // Opens a graph of a bundle by role: encoder, decoder, prior, prior_density or scorer.
    Graph(Ort::Env& env, const std::filesystem::path& bundle, const std::string& role, int threads,
          const std::optional<std::string>& label)
        : path_(bundle / (role + ".onnx")), session_(open_graph(env, path_, threads)) {
        expect("cvae.role", '"' + role + '"');
        expect("cvae.rng", "\"threefry2x32-20/box-muller\"");
        const bool takes_images = role == "encoder" || role == "scorer";
        const bool scores = role == "scorer" || role == "prior_density";
        check(session_.GetInputTypeInfo(0), takes_images ? 4 : 2,
              takes_images ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
        check(session_.GetOutputTypeInfo(0), role == "decoder" ? 4 : scores ? 1 : 2,
              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
        if (const std::string names = metadata(session_, "cvae.labels"); names != "none") {
            label_ = label_of(names, label);
        } else if (label) {
            throw std::runtime_error("--label: expected none, since the model has no labels; found '" + *label + "'");
        }
    }

    // If not, the prior is N(0, I).
    bool has_learned_prior() const { return metadata(session_, "cvae.prior") != "none"; }

    bool is_bernoulli() const { return metadata(session_, "cvae.likelihood") == "\"bernoulli\""; }

    // The smallest pixel value that becomes 1. If there is none, grey levels are the targets of the likelihood.
    std::optional<int> threshold() const {
        const std::string preprocessing = metadata(session_, "cvae.preprocessing");
        std::smatch found;
        const bool given = std::regex_search(preprocessing, found, std::regex(R"-("binarize_at": (\d+))-"));
        return given ? std::optional(std::stoi(found[1])) : std::nullopt;
    }

    // Of a latent.
    std::size_t length() const { return std::stoul(metadata(session_, "cvae.latent_dim")); }

    // Shapes without the batch axis.
    Shape input_shape() const { return without_batch(session_.GetInputTypeInfo(0)); }
    Shape output_shape() const { return without_batch(session_.GetOutputTypeInfo(0)); }

    // Feeds `count` items to the named input. Returns the named output.
    template <typename Value>
    std::vector<float> run(const char* input, const std::vector<Value>& values, std::size_t count,
                           const char* output) {
        return run({{input, values}}, count, {output})[0];
    }

    // Feeds `count` items, with the label of each if the model has labels. Returns the named outputs.
    std::vector<std::vector<float>> run(std::vector<Input> inputs, std::size_t count,
                                        const std::vector<const char*>& outputs) {
        const Shape of_first = session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
        const std::vector<std::int64_t> labels(count, label_.value_or(0));
        if (label_) {
            inputs.emplace_back("label", labels, Shape{-1});
        }
        const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
        std::vector<std::vector<float>> results(outputs.size());
        // Run in parts, because a graph's memory grows with the batch.
        constexpr std::size_t most = 256;
        for (std::size_t begin = 0; begin < count; begin += most) {
            const std::size_t rows = std::min(most, count - begin);
            std::vector<const char*> names;
            std::vector<Ort::Value> fed;
            for (const auto& [name, data, values, size, shape, type] : inputs) {
                Shape batch = shape.empty() ? of_first : shape, item = batch;
                std::replace(batch.begin(), batch.end(), std::int64_t{-1}, static_cast<std::int64_t>(rows));
                std::replace(item.begin(), item.end(), std::int64_t{-1}, std::int64_t{1});
                if (values != count * size_of(item)) {
                    throw std::invalid_argument(path_.string() + ": expected " + std::to_string(count * size_of(item)) +
                                                " values of " + name + ", found " + std::to_string(values));
                }
                // ONNX Runtime only reads its inputs, but its API takes non-const pointers.
                auto* first = const_cast<char*>(static_cast<const char*>(data)) + begin * size_of(item) * size;
                names.push_back(name);
                fed.push_back(Ort::Value::CreateTensor(memory, first, size_of(batch) * size, batch.data(), batch.size(),
                                                       type));
            }
            const auto made =
                session_.Run(Ort::RunOptions(), names.data(), fed.data(), fed.size(), outputs.data(), outputs.size());
            for (std::size_t index = 0; index < outputs.size(); ++index) {
                const auto* first = made[index].GetTensorData<float>();
                const std::size_t size = made[index].GetTensorTypeAndShapeInfo().GetElementCount();
                results[index].insert(results[index].end(), first, first + size);
            }
        }
        return results;
    }

  private:
    void expect(const char* key, const std::string& expected) const {
        if (const std::string found = metadata(session_, key); found != expected) {
            throw BundleError(path_.string() + ": expected " + key + " " + expected + ", found " + found +
                              "; export the bundle again");
        }
    }

    void check(const Ort::TypeInfo& info, std::size_t rank, ONNXTensorElementDataType type) const {
        const Shape shape = without_batch(info);
        const bool sized = std::all_of(shape.begin(), shape.end(), [](std::int64_t length) { return length > 0; });
        if (!sized || shape.size() + 1 != rank || info.GetTensorTypeAndShapeInfo().GetElementType() != type) {
            throw BundleError(path_.string() + ": expected images [batch, H, W, C], latents [batch, L] or scores "
                                               "[batch] of known sizes, uint8 for images that are fed and otherwise "
                                               "float32; export it again");
        }
    }

    static Shape without_batch(const Ort::TypeInfo& info) {
        Shape shape = info.GetTensorTypeAndShapeInfo().GetShape();
        shape.erase(shape.begin(), shape.begin() + (shape.empty() ? 0 : 1));
        return shape;
    }

    std::filesystem::path path_;
    Ort::Session session_;
    std::optional<std::int64_t> label_;  // if the model has labels
};

}  // namespace cvae
