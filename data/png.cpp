#include "gnn/data/png.h"

#include <zlib.h>

#include <array>
#include <string_view>

#include "gnn/core/atomic_file.h"
#include "gnn/core/check.h"

namespace gnn {
namespace {

constexpr unsigned char grey = 0;
constexpr unsigned char rgb = 2;

void append_big_endian(std::string& bytes, std::uint64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((value >> shift) & 0xff);
}

const unsigned char* unsigned_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Length, type, data, CRC-32 of type and data.
void append_chunk(std::string& png, std::string_view type, std::string_view data) {
  append_big_endian(png, data.size());
  const std::size_t begin = png.size();
  png += type;
  png += data;
  append_big_endian(png, crc32_z(0, unsigned_bytes(png) + begin, png.size() - begin));
}

std::string compress_bytes(std::string_view bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string compressed(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(compressed.data()), &size, unsigned_bytes(bytes),
                               static_cast<uLong>(bytes.size()), 9);
  check<Error>(status == Z_OK, "encode_png: zlib failed with status {}", status);
  compressed.resize(size);
  return compressed;
}

}  // namespace

std::string encode_png(const Tensor& image) {
  check<DeviceError>(image.device().is_cpu(), "encode_png: expected an image on the CPU, got {}",
                     image.device());
  check<DTypeError>(image.dtype() == DType::uint8, "encode_png: expected a uint8 image, got {}",
                    image.dtype());
  const bool planar = image.dim() == 3;
  check<ShapeError>(image.dim() == 2 || (planar && (image.size(0) == 1 || image.size(0) == 3)),
                    "encode_png: expected an image [H, W], [1, H, W] or [3, H, W], got {}", image.shape());
  const std::int64_t channels = planar ? image.size(0) : 1;
  const std::int64_t height = image.size(-2);
  const std::int64_t width = image.size(-1);
  check<ShapeError>(height >= 1 && width >= 1 && height <= INT32_MAX && width <= INT32_MAX,
                    "encode_png: expected an image of 1 to 2^31 - 1 pixels a side, got {}", image.shape());

  std::string header;
  append_big_endian(header, static_cast<std::uint64_t>(width));
  append_big_endian(header, static_cast<std::uint64_t>(height));
  header += static_cast<char>(8);  // bits per channel
  header += static_cast<char>(channels == 1 ? grey : rgb);
  header.append(3, '\0');  // deflate, adaptive filters, no interlacing

  // Each row begins with its filter: 0, none. Pixels interleave their channels.
  std::string rows;
  rows.reserve(static_cast<std::size_t>(height * (width * channels + 1)));
  const std::uint8_t* pixels = image.data<std::uint8_t>();
  for (std::int64_t y = 0; y < height; ++y) {
    rows += '\0';
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) {
        rows += static_cast<char>(pixels[(c * height + y) * width + x]);
      }
    }
  }

  std::string png = "\x89PNG\r\n\x1a\n";
  append_chunk(png, "IHDR", header);
  append_chunk(png, "IDAT", compress_bytes(rows));
  append_chunk(png, "IEND", "");
  return png;
}

void write_png(const std::filesystem::path& path, const Tensor& image) {
  write_file_atomically(path, encode_png(image));
}

}  // namespace gnn
