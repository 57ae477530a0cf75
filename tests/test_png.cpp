#include "gnn/data/png.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/files.h"

namespace gnn::testing {
namespace {

using std::string_literals::operator""s;

std::uint32_t big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(i));
  return value;
}

// Bit by bit, from the definition in the PNG specification, annex D.
std::uint32_t reference_crc(const std::string& bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

struct Decoded {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::string header_rest;  // depth, colour type, compression, filter, interlace
  std::string rows;
};

Decoded decode(const std::string& png) {
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  Decoded image;
  std::string types;
  for (std::size_t at = 8; at < png.size();) {
    const std::size_t size = big_endian(png, at);
    const std::string type = png.substr(at + 4, 4);
    const std::string data = png.substr(at + 8, size);
    EXPECT_EQ(data.size(), size);
    EXPECT_EQ(big_endian(png, at + 8 + size), reference_crc(type + data)) << type;
    at += size + 12;
    types += type;
    if (type == "IHDR") {
      image.width = big_endian(data, 0);
      image.height = big_endian(data, 4);
      image.header_rest = data.substr(8);
    } else if (type == "IDAT") {
      image.rows.resize(1u << 20);
      uLongf length = image.rows.size();
      EXPECT_EQ(uncompress(reinterpret_cast<Bytef*>(image.rows.data()), &length,
                           reinterpret_cast<const Bytef*>(data.data()), size),
                Z_OK);
      image.rows.resize(length);
    }
  }
  EXPECT_EQ(types, "IHDRIDATIEND");
  return image;
}

TEST(Png, GreyImages) {
  const std::vector<std::uint8_t> pixels = {0, 1, 128, 255, 7, 9};
  for (const Shape& shape : {Shape{2, 3}, Shape{1, 2, 3}}) {
    const Decoded image = decode(encode_png(from_values(pixels, shape)));
    EXPECT_EQ(image.width, 3U);
    EXPECT_EQ(image.height, 2U);
    EXPECT_EQ(image.header_rest, "\x08\x00\x00\x00\x00"s);
    EXPECT_EQ(image.rows, "\x00\x00\x01\x80\x00\xff\x07\x09"s);
  }
}

TEST(Png, ColourPlanesAreInterleaved) {
  const std::vector<std::uint8_t> planes = {1, 2, 11, 12, 21, 22};
  const Decoded image = decode(encode_png(from_values(planes, {3, 1, 2})));
  EXPECT_EQ(image.header_rest, "\x08\x02\x00\x00\x00"s);
  EXPECT_EQ(image.rows, "\x00\x01\x0b\x15\x02\x0c\x16"s);
}

TEST(Png, LargeImages) {
  std::vector<std::uint8_t> pixels(1023 * 33);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
  const Decoded image = decode(encode_png(from_values(pixels, {33, 1023})));
  std::string rows;
  for (std::size_t y = 0; y < 33; ++y) {
    rows += '\0';
    for (std::size_t x = 0; x < 1023; ++x) rows += static_cast<char>(pixels[y * 1023 + x]);
  }
  EXPECT_TRUE(image.rows == rows);
}

TEST(Png, RefusesWhatIsNoImage) {
  const auto bytes = [](const Shape& shape) { return zeros(shape, {.dtype = DType::uint8}); };
  EXPECT_THROW(encode_png(bytes({4})), ShapeError);
  EXPECT_THROW(encode_png(bytes({2, 3, 4})), ShapeError);
  EXPECT_THROW(encode_png(bytes({0, 3})), ShapeError);
  EXPECT_THROW(encode_png(zeros({2, 2})), DTypeError);
  EXPECT_THROW(encode_png(Tensor()), ValueError);
}

TEST(Png, FilesAreWrittenWholeOrNotAtAll) {
  const TempFolder folder;
  const Tensor image = zeros({2, 2}, {.dtype = DType::uint8});
  const auto file = folder.write("a.png", "what was there before");
  write_png(file, image);
  EXPECT_EQ(read_file(file), encode_png(image));
  const auto nowhere = folder.path() / "no" / "such" / "a.png";
  expect_error<DataError>([&] { write_png(nowhere, image); },
                          {nowhere.string(), "No such file or directory"});
  std::filesystem::create_directory(folder.path() / "taken");
  EXPECT_THROW(write_png(folder.path() / "taken", image), DataError);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 2U);  // nothing half-written is left
}

}  // namespace
}  // namespace gnn::testing
