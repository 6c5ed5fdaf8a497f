// cvae-self-test BUNDLE: compare the random numbers, and ONNX Runtime on this machine, with the bundle's golden vectors.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "graph.hpp"
#include "random.hpp"

namespace {

using Json = nlohmann::json;

int failures = 0;

void report(bool right, const std::string& what) {
    std::cout << (right ? "ok    " : "WRONG ") << what << "\n";
    failures += right ? 0 : 1;
}

template <typename Value>
std::vector<Value> decoded(const Json& tensor) {
    static const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0, held = 0;
    for (const char letter : tensor.at("data").get<std::string>()) {
        if (letter == '=') {
            break;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(digits.find(letter));
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes.push_back(static_cast<char>(bits >> held));
        }
    }
    std::vector<Value> values(bytes.size() / sizeof(Value));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(Value));
    return values;
}

// The distance of two float32 numbers in units in the last place.
std::int64_t ulps(float a, float b) {
    const auto place = [](float value) {
        std::int32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        return bits < 0 ? -static_cast<std::int64_t>(bits & 0x7FFFFFFF) : std::int64_t{bits};
    };
    return std::abs(place(a) - place(b));
}

void check_latents(const std::string& what, const std::vector<float>& found, const std::vector<float>& expected) {
    std::int64_t most = 0;
    for (std::size_t index = 0; index < std::min(found.size(), expected.size()); ++index) {
        most = std::max(most, ulps(found[index], expected[index]));
    }
    report(found.size() == expected.size() && most <= 1, what + ": " + std::to_string(most) + " ulp from the known values");
}

void check_random_numbers(const Json& cases) {
    const cvae::Words answers[][3] = {
        {{0, 0}, {0, 0}, {0x6B200159, 0x99BA4EFE}},
        {{0xFFFFFFFF, 0xFFFFFFFF}, {0xFFFFFFFF, 0xFFFFFFFF}, {0x1CB996FC, 0xBB002BE7}},
        {{0x243F6A88, 0x85A308D3}, {0x13198A2E, 0x03707344}, {0xC4923A9C, 0x483DF7A0}},
    };
    for (const auto& [counter, key, output] : answers) {
        report(cvae::threefry2x32(counter, key) == output, "Threefry-2x32: a known answer");
    }
    const std::uint32_t known[] = {0x3EE1AB1E, 0x3F6B2E29, 0xBF62950F, 0x3ED83464, 0x3FA26778};
    std::vector<float> noise(5);
    std::memcpy(noise.data(), known, sizeof known);
    check_latents("posterior noise, seed 7, n 12", cvae::normals(7, cvae::POSTERIOR, 12, 1, 5), noise);
    for (const Json& entry : cases) {
        // Strings, because JSON's numbers are exact only up to 2^53 in some languages.
        const std::string seed = entry.at("seed"), first = entry.at("first");
        const auto found = cvae::normals(std::stoull(seed), cvae::PRIOR, std::stoull(first), entry.at("count"),
                                         entry.at("latent_dim"));
        check_latents("latents, seed " + seed + ", first " + first, found, decoded<float>(entry.at("z")));
    }
}

template <typename Value>
void check_output(const std::string& what, const Ort::Value& found, const Json& golden, double allowed) {
    const auto expected = decoded<Value>(golden);
    const auto info = found.GetTensorTypeAndShapeInfo();
    bool right = info.GetElementType() == Ort::TypeToTensorType<Value>::type &&
                 info.GetElementCount() == expected.size();
    double most = 0;
    for (std::size_t at = 0; right && at < expected.size(); ++at) {
        const double difference = std::abs(static_cast<double>(found.GetTensorData<Value>()[at]) - expected[at]);
        most = std::max(most, difference);
        right = !std::isnan(difference);
    }
    std::ostringstream text;
    text << what << ": largest difference " << most << ", allowed " << allowed;
    report(right && most <= allowed, text.str());
}

void check_graph(Ort::Env& env, const std::filesystem::path& bundle, const Json& golden) {
    static const std::map<std::string, ONNXTensorElementDataType> types = {
        {"float32", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
        {"int64", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
        {"uint32", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32},
        {"uint8", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
    };
    const std::string file = golden.at("file");
    Ort::Session session = cvae::open_graph(env, bundle / file);
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<const char*> inputs, outputs;
    std::vector<std::vector<char>> data;  // of the tensors, which do not copy it
    std::vector<Ort::Value> fed;
    for (const auto& [name, tensor] : golden.at("inputs").get_ref<const Json::object_t&>()) {
        const cvae::Shape shape = tensor.at("shape");
        auto& bytes = data.emplace_back(decoded<char>(tensor));
        inputs.push_back(name.c_str());
        fed.push_back(Ort::Value::CreateTensor(memory, bytes.data(), bytes.size(), shape.data(), shape.size(),
                                               types.at(tensor.at("dtype"))));
    }
    const auto& expected = golden.at("outputs").get_ref<const Json::object_t&>();
    for (const auto& output : expected) {
        outputs.push_back(output.first.c_str());
    }
    const auto made =
        session.Run(Ort::RunOptions(), inputs.data(), fed.data(), fed.size(), outputs.data(), outputs.size());
    std::size_t index = 0;
    for (const auto& [name, tensor] : expected) {
        const auto check = tensor.at("dtype") == "uint8" ? check_output<std::uint8_t> : check_output<float>;
        check(file + ", " + name, made[index++], tensor, golden.at("atol"));
    }
}

void check_bundle(const std::string& bundle) {
    const std::string path = bundle + "/golden.json";
    std::ifstream file(path);
    if (!file) {
        throw cvae::BundleError(path + ": expected a bundle's golden vectors, found no such file");
    }
    const Json golden = Json::parse(file);
    check_random_numbers(golden.at("rng"));
    Ort::Env env = cvae::quiet_env("cvae-self-test");
    std::size_t graphs = 0;
    for (const Json& entry : golden.at("cases")) {
        const std::string file = entry.at("file");
        if (std::filesystem::is_regular_file(std::filesystem::path(bundle) / file)) {
            check_graph(env, bundle, entry);
            ++graphs;
        } else {  // an app needs only the graphs that it runs
            std::cout << "none  " << file << "\n";
        }
    }
    if (graphs == 0) {
        throw cvae::BundleError(bundle + ": expected graphs beside golden.json, found none; cvae-export makes them");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "Usage: cvae-self-test BUNDLE\n";
        return 2;
    }
    try {
        check_bundle(argv[1]);
    } catch (const cvae::BundleError& error) {
        std::cerr << "cvae-self-test: " << error.what() << "\n";
        return 5;
    } catch (const Json::exception& error) {
        std::cerr << "cvae-self-test: " << argv[1] << "/golden.json: expected golden vectors, found: " << error.what()
                  << "\n";
        return 5;
    } catch (const std::exception& error) {
        std::cerr << "cvae-self-test: " << error.what() << "\n";
        return 1;
    }
    return failures == 0 ? 0 : 3;
}
