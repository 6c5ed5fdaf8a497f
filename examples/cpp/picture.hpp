// Write binary PGM and PPM files, which need no library, and lay out grids.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace cvae {

struct Picture {
    std::size_t height = 0, width = 0, channels = 0;
    std::vector<std::uint8_t> pixels;  // row by row, the channels of a pixel together
};

inline std::string shape_of(const Picture& picture) {
    return std::to_string(picture.height) + " x " + std::to_string(picture.width) + " x " +
           std::to_string(picture.channels);
}

// Converts values in [0, 1] to levels 0 to 255, rounded half to even.
inline std::vector<std::uint8_t> to_levels(const std::vector<float>& values) {
    std::vector<std::uint8_t> levels(values.size());
    std::transform(values.begin(), values.end(), levels.begin(), [](float value) {
        return static_cast<std::uint8_t>(std::nearbyint(std::clamp(value, 0.0f, 1.0f) * 255.0f));
    });
    return levels;
}

// Lays out images row by row, with a line of mid-grey between and around them. `levels` holds the images one after another.
inline Picture grid(const std::vector<std::uint8_t>& levels, const Picture& shape, std::size_t columns) {
    const std::size_t row_bytes = shape.width * shape.channels;
    const std::size_t count = levels.size() / (shape.height * row_bytes);
    const std::size_t rows = (count + columns - 1) / columns;
    Picture whole{rows * (shape.height + 1) + 1, columns * (shape.width + 1) + 1, shape.channels, {}};
    whole.pixels.assign(whole.height * whole.width * whole.channels, 128);
    for (std::size_t line = 0; line < count * shape.height; ++line) {
        const std::size_t image = line / shape.height;
        const std::size_t y = 1 + image / columns * (shape.height + 1) + line % shape.height;
        const std::size_t x = 1 + image % columns * (shape.width + 1);
        std::copy_n(&levels[line * row_bytes], row_bytes, &whole.pixels[(y * whole.width + x) * whole.channels]);
    }
    return whole;
}

// Reads a number of a PGM's header. Comments go from # to the end of their line.
inline std::size_t header_number(std::istream& file) {
    while ((file >> std::ws) && file.peek() == '#') {
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    std::size_t number = 0;
    return file >> number ? number : 0;
}

inline Picture read_picture(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error(path.string() + ": cannot be opened for reading");
    }
    std::string magic(2, ' ');
    file.read(magic.data(), 2);
    Picture picture;
    picture.channels = magic == "P6" ? 3 : 1;
    picture.width = header_number(file);
    picture.height = header_number(file);
    const std::size_t levels = header_number(file);
    file.get();  // the single white space that ends the header
    constexpr std::size_t largest = 1 << 14;
    if ((magic != "P5" && magic != "P6") || levels != 255 || picture.width - 1 >= largest ||
        picture.height - 1 >= largest) {
        throw std::runtime_error(path.string() + ": expected a binary PGM or PPM file (P5 or P6) with levels 0 to 255 "
                                                 "and at most 16384 pixels a side; convert it first");
    }
    picture.pixels.resize(picture.height * picture.width * picture.channels);
    file.read(reinterpret_cast<char*>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size()));
    if (static_cast<std::size_t>(file.gcount()) != picture.pixels.size()) {
        throw std::runtime_error(path.string() + ": expected " + std::to_string(picture.pixels.size()) +
                                 " bytes of pixels, found " + std::to_string(file.gcount()) + "; the file is cut short");
    }
    return picture;
}

inline void write_file(const std::filesystem::path& path, const std::string& head, const void* data, std::size_t size) {
    std::ofstream file(path, std::ios::binary);
    file << head;
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    file.close();
    if (!file) {
        throw std::runtime_error(path.string() + ": cannot be written");
    }
}

inline void write_picture(const std::filesystem::path& path, const Picture& picture) {
    const std::string head = std::string(picture.channels == 1 ? "P5" : "P6") + "\n" + std::to_string(picture.width) +
                             " " + std::to_string(picture.height) + "\n255\n";
    write_file(path, head, picture.pixels.data(), picture.pixels.size());
}

}  // namespace cvae
