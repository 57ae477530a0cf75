#include "gnn/data/idx.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "gnn/core/check.h"
#include "gnn/data/input_file.h"

namespace gnn {
namespace {

// A compressed file can claim a thousand times its size and still be right, so beyond this the content is
// counted before memory is asked for.
constexpr std::uint64_t trusted_bytes = 256u << 20;

enum class Code : unsigned char {
  uint8 = 0x08,
  int8 = 0x09,
  int16 = 0x0b,
  int32 = 0x0c,
  float32 = 0x0d,
  float64 = 0x0e
};

struct Header {
  Code code{};
  DType dtype{};  // of the result
  std::vector<std::int64_t> sizes;
  std::uint64_t bytes = 0;  // of all elements in the file; UINT64_MAX: more than that
};

std::optional<DType> dtype_of_code(Code code) {
  switch (code) {
    case Code::uint8:
      return DType::uint8;
    case Code::int8:
    case Code::int16:
    case Code::int32:
      return DType::int32;
    case Code::float32:
      return DType::float32;
    case Code::float64:
      return DType::float64;
  }
  return {};
}

std::size_t size_of_code(Code code) {
  if (code == Code::int8) return 1;
  if (code == Code::int16) return 2;
  return size_of(*dtype_of_code(code));
}

template <class T>
T from_big_endian(const unsigned char* bytes) {
  std::array<unsigned char, sizeof(T)> value;
  std::copy_n(bytes, sizeof(T), value.begin());
  if constexpr (std::endian::native == std::endian::little) std::ranges::reverse(value);
  return std::bit_cast<T>(value);
}

Header read_header(InputFile& file) {
  std::array<unsigned char, 4> magic{};
  const std::size_t got = file.read(magic.data(), magic.size());
  check<DataError>(got == magic.size(),
                   "{}: byte {}: the content ends within IDX's 4-byte magic number; get the file again",
                   file.name(), got);
  Header header;
  header.code = static_cast<Code>(magic[2]);
  const std::optional<DType> dtype = dtype_of_code(header.code);
  const std::size_t dims = magic[3];
  if (magic[0] != 0 || magic[1] != 0 || !dtype || dims == 0) {
    fail<DataError>(
        "{}: byte 0: not an IDX file: expected the magic number 00 00 08..0e 01..08, got "
        "{:02x} {:02x} {:02x} {:02x}{}; give an IDX file such as train-images-idx3-ubyte",
        file.name(), magic[0], magic[1], magic[2], magic[3],
        magic[0] == '<' ? " (it looks like a web page: was the download refused?)" : "");
  }
  check<DataError>(dims <= Shape::max_dims, "{}: byte 3: {} dimensions, a tensor has at most {}", file.name(),
                   dims, Shape::max_dims);
  header.dtype = *dtype;

  std::array<unsigned char, 4 * Shape::max_dims> raw{};
  const std::size_t got_sizes = file.read(raw.data(), 4 * dims);
  check<DataError>(got_sizes == 4 * dims,
                   "{}: byte {}: the content ends within the sizes of its {} dimensions; get the file again",
                   file.name(), file.position(), dims);
  header.bytes = size_of_code(header.code);
  bool empty = false;
  for (std::size_t axis = 0; axis < dims; ++axis) {
    const std::uint64_t size = from_big_endian<std::uint32_t>(raw.data() + 4 * axis);
    header.sizes.push_back(static_cast<std::int64_t>(size));
    empty = empty || size == 0;
    const bool fits = size == 0 || header.bytes <= UINT64_MAX / size;
    if (size != 0) header.bytes = fits ? header.bytes * size : UINT64_MAX;
  }
  if (empty) {
    check<DataError>(header.bytes <= (std::uint64_t{1} << 60),
                     "{}: byte 4: impossible sizes [{}]; get the file again", file.name(),
                     fmt::join(header.sizes, ", "));
    header.bytes = 0;
  }
  return header;
}

std::string describe(const Header& header) {
  return fmt::format("[{}], {} bytes", fmt::join(header.sizes, ", "),
                     header.bytes == UINT64_MAX ? "more than 2^64" : std::to_string(header.bytes));
}

// Throws unless the content can hold what the header declares, before memory of that size is asked for.
void check_size(const std::filesystem::path& path, const InputFile& file, const Header& header) {
  std::uint64_t content = file.content_limit();
  if (file.compressed() && header.bytes > trusted_bytes && header.bytes <= content) {
    InputFile counted(path);
    content = counted.skip_to_end();
  }
  const std::uint64_t begin = file.position();
  const std::uint64_t available = content - begin;
  check<DataError>(
      header.bytes <= available,
      "{}: byte {}: the content ends early: the header declares {}, but {} {} follow it; the file is "
      "truncated or its header is damaged: get it again",
      file.name(), content, describe(header), file.compressed() ? "at most" : "only", available);
  check<DataError>(
      file.compressed() || header.bytes == available,
      "{}: byte {}: {} bytes follow the last element: the header declares {}; the file or its header "
      "is damaged: get it again",
      file.name(), begin + header.bytes, available - header.bytes, describe(header));
}

// Reads big-endian Stored elements and widens them to T.
template <class Stored, class T>
void convert(const std::vector<unsigned char>& raw, T* values) {
  for (std::size_t i = 0; i < raw.size() / sizeof(Stored); ++i) {
    values[i] = static_cast<T>(from_big_endian<Stored>(raw.data() + i * sizeof(Stored)));
  }
}

void convert_all(Code code, const std::vector<unsigned char>& raw, Tensor& tensor) {
  switch (code) {
    case Code::uint8:
      return convert<std::uint8_t>(raw, tensor.mutable_data<std::uint8_t>());
    case Code::int8:
      return convert<std::int8_t>(raw, tensor.mutable_data<std::int32_t>());
    case Code::int16:
      return convert<std::int16_t>(raw, tensor.mutable_data<std::int32_t>());
    case Code::int32:
      return convert<std::int32_t>(raw, tensor.mutable_data<std::int32_t>());
    case Code::float32:
      return convert<float>(raw, tensor.mutable_data<float>());
    case Code::float64:
      return convert<double>(raw, tensor.mutable_data<double>());
  }
}

void read_elements(InputFile& file, const Header& header, void* target) {
  const std::uint64_t begin = file.position();
  const std::size_t got = file.read(target, header.bytes);
  check<DataError>(
      got == header.bytes,
      "{}: byte {} of the decompressed content: it ends early: the header declares {}, but only {} "
      "follow it; the file is truncated or its header is damaged: get it again",
      file.name(), begin + got, describe(header), got);
  unsigned char extra = 0;
  check<DataError>(
      file.read(&extra, 1) == 0,
      "{}: byte {} of the decompressed content: bytes follow the last element: the header declares {}; "
      "the file or its header is damaged: get it again",
      file.name(), begin + got, describe(header));
}

}  // namespace

Tensor load_idx(const std::filesystem::path& path) {
  InputFile file(path);
  const Header header = read_header(file);
  check_size(path, file, header);
  Tensor tensor = empty(Shape(header.sizes), {.dtype = header.dtype});
  if (header.code == Code::uint8) {  // images and labels: straight into place
    read_elements(file, header, header.bytes == 0 ? nullptr : tensor.mutable_raw_data());
    return tensor;
  }
  std::vector<unsigned char> raw(header.bytes);
  read_elements(file, header, raw.data());
  convert_all(header.code, raw, tensor);
  return tensor;
}

}  // namespace gnn
