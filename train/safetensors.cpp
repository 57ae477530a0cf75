#include "gnn/train/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "gnn/core/atomic_file.h"
#include "gnn/core/check.h"
#include "gnn/layers/copy.h"

namespace gnn {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors data is little-endian and is not swapped");

/// The format's own limit, which keeps a damaged length from allocating the machine's memory.
constexpr std::uint64_t header_limit = 100'000'000;
constexpr const char* metadata_key = "__metadata__";

constexpr std::array<std::pair<DType, const char*>, 7> dtype_codes{{
    {DType::float32, "F32"},
    {DType::float64, "F64"},
    {DType::float16, "F16"},
    {DType::bfloat16, "BF16"},
    {DType::int32, "I32"},
    {DType::int64, "I64"},
    {DType::uint8, "U8"},
}};

const char* code_of(DType dtype) {
  return std::find_if(dtype_codes.begin(), dtype_codes.end(), [&](const auto& c) { return c.first == dtype; })
      ->second;
}

/// The header, padded with spaces so that the data behind it starts at a multiple of 8.
std::string make_header(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::set<std::string> names;
  std::uint64_t offset = 0;
  for (const NamedTensor& entry : tensors) {
    check<ValueError>(entry.name != metadata_key, "save_tensors: the name \"{}\" is reserved", entry.name);
    check<ValueError>(names.insert(entry.name).second, "save_tensors: the name \"{}\" is repeated",
                      entry.name);
    check<ValueError>(entry.tensor.defined(), "save_tensors: the tensor \"{}\" is undefined", entry.name);
    const Shape& shape = entry.tensor.shape();
    const std::uint64_t end = offset + entry.tensor.nbytes();
    header[entry.name] = {{"dtype", code_of(entry.tensor.dtype())},
                          {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
                          {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail<ValueError>("save_tensors: a name or the metadata is not valid UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  check<ValueError>(text.size() <= header_limit,
                    "save_tensors: the header would have {} bytes; the format's limit is {}", text.size(),
                    header_limit);
  return text;
}

/// A tensor as the header describes it.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin;
  std::uint64_t end;
};

/// Reads and checks one file.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) bad("there is no such file");
    if (!std::filesystem::is_regular_file(status)) bad("it is not a regular file");
    size_ = std::filesystem::file_size(path, error);
    if (error) bad(error.message());
    file_.open(path, std::ios::binary);
    if (!file_) bad("it cannot be opened; check its permissions");
  }

  Metadata read_metadata() {
    Metadata metadata;
    read_entries(metadata);
    return metadata;
  }

  TensorFile read(Device device) {
    TensorFile result;
    for (const Entry& entry : read_entries(result.metadata)) {
      Tensor tensor = empty(entry.shape, {entry.dtype, Device::cpu()});
      if (entry.end > entry.begin)
        read_bytes(data_start_ + entry.begin, tensor.mutable_raw_data(), entry.end - entry.begin);
      result.tensors.push_back({entry.name, to(tensor, device)});
    }
    return result;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    fail<DataError>("cannot read '{}': {}", path_, what);
  }
  [[noreturn]] void bad_tensor(const std::string& name, const std::string& what) const {
    bad(fmt::format("tensor \"{}\" in the header: {}", name, what));
  }

  /// The header's, in the order of their data.
  std::vector<Entry> read_entries(Metadata& metadata) {
    std::vector<Entry> entries = parse_header(read_header(), metadata);
    sort_by_data(entries);
    return entries;
  }

  void read_bytes(std::uint64_t position, void* target, std::uint64_t count) {
    file_.seekg(static_cast<std::streamoff>(position));
    file_.read(static_cast<char*>(target), static_cast<std::streamsize>(count));
    if (!file_) bad(fmt::format("reading {} bytes at byte {} failed", count, position));
  }

  std::string read_header() {
    if (size_ < 8) bad(fmt::format("it has {} bytes, and a safetensors file at least 8", size_));
    std::uint64_t length = 0;
    read_bytes(0, &length, 8);
    if (length > header_limit) {
      bad(fmt::format("byte 0: a header of {} bytes, over the limit of {}; is it a safetensors file?", length,
                      header_limit));
    }
    if (length > size_ - 8) {
      bad(fmt::format("byte 0: a header of {} bytes, but only {} follow; the file is truncated", length,
                      size_ - 8));
    }
    std::string header(length, '\0');
    read_bytes(8, header.data(), length);
    data_start_ = 8 + length;
    if (header.empty() || header.front() != '{') bad("byte 8: the header does not begin with '{'");
    return header;
  }

  nlohmann::json parse_json(const std::string& text) const {
    std::vector<std::set<std::string>> keys;  // of the open objects
    const auto refuse_repeated = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
      using Event = nlohmann::json::parse_event_t;
      if (event == Event::object_start) keys.emplace_back();
      if (event == Event::object_end) keys.pop_back();
      if (event == Event::key && !keys.back().insert(value.get<std::string>()).second) {
        bad(fmt::format("the header has \"{}\" twice", value.get<std::string>()));
      }
      return true;
    };
    try {
      return nlohmann::json::parse(text, refuse_repeated);
    } catch (const nlohmann::json::parse_error& error) {
      bad(fmt::format("byte {}: the header is not valid JSON", 7 + std::max<std::size_t>(error.byte, 1)));
    } catch (const nlohmann::json::exception& error) {
      bad(fmt::format("the header is not valid JSON: {}", error.what()));
    }
  }

  std::vector<Entry> parse_header(const std::string& text, Metadata& metadata) const {
    const nlohmann::json header = parse_json(text);
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == metadata_key) {
        metadata = parse_metadata(value);
      } else {
        entries.push_back(parse_entry(name, value));
      }
    }
    return entries;
  }

  Metadata parse_metadata(const nlohmann::json& value) const {
    if (!value.is_object()) bad("\"__metadata__\" in the header is not an object");
    Metadata metadata;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) bad(fmt::format("\"__metadata__\" in the header: \"{}\" is not a string", key));
      metadata[key] = text.get<std::string>();
    }
    return metadata;
  }

  Entry parse_entry(const std::string& name, const nlohmann::json& value) const {
    if (!value.is_object()) bad_tensor(name, "expected an object");
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!value.contains(key)) bad_tensor(name, fmt::format("\"{}\" is missing", key));
    }
    const DType dtype = parse_dtype_code(name, value["dtype"]);
    const Shape shape = parse_shape(name, value["shape"]);
    const std::vector<std::int64_t> offsets = parse_sizes(name, "data_offsets", value["data_offsets"]);
    if (offsets.size() != 2)
      bad_tensor(name, fmt::format("\"data_offsets\" has {} numbers, not 2", offsets.size()));
    const auto begin = static_cast<std::uint64_t>(offsets[0]);
    const auto end = static_cast<std::uint64_t>(offsets[1]);
    const std::uint64_t data_size = size_ - data_start_;
    if (begin > end) bad_tensor(name, fmt::format("its data ends at {} before it begins at {}", end, begin));
    if (end > data_size) {
      bad_tensor(name, fmt::format("its data ends at byte {} of {}; the file is truncated", end, data_size));
    }
    const auto count = static_cast<std::uint64_t>(shape.numel());
    // numel() is below 2^62 and the file's size below 2^63: the product is taken only where it cannot
    // overflow.
    if (count > data_size || count * size_of(dtype) != end - begin) {
      bad_tensor(name, fmt::format("{} {} does not fill its {} bytes", dtype, shape, end - begin));
    }
    return {name, dtype, shape, begin, end};
  }

  DType parse_dtype_code(const std::string& name, const nlohmann::json& value) const {
    if (!value.is_string()) bad_tensor(name, "\"dtype\" is not a string");
    const auto text = value.get<std::string>();
    const auto found = std::find_if(dtype_codes.begin(), dtype_codes.end(),
                                    [&](const auto& code) { return code.second == text; });
    if (found == dtype_codes.end()) {
      bad_tensor(name, fmt::format("libgnn has no dtype {}; it has F32, F64, F16, BF16, I32, I64, U8", text));
    }
    return found->first;
  }

  std::vector<std::int64_t> parse_sizes(const std::string& name, const char* key,
                                        const nlohmann::json& value) const {
    constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!value.is_array()) bad_tensor(name, fmt::format("\"{}\" is not an array", key));
    std::vector<std::int64_t> sizes;
    for (const nlohmann::json& size : value) {
      if (!size.is_number_unsigned() || size.get<std::uint64_t>() > limit) {
        bad_tensor(name, fmt::format("\"{}\" has {}, which is not a whole number from 0 to 2^63 - 1", key,
                                     size.dump()));
      }
      sizes.push_back(size.get<std::int64_t>());
    }
    return sizes;
  }

  Shape parse_shape(const std::string& name, const nlohmann::json& value) const {
    const std::vector<std::int64_t> sizes = parse_sizes(name, "shape", value);
    try {
      return Shape(sizes);
    } catch (const ShapeError& error) {
      bad_tensor(name, error.what());
    }
  }

  /// Sorts the tensors by their data, which together they must cover without gaps or overlaps.
  void sort_by_data(std::vector<Entry>& entries) const {
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t end = 0;
    for (const Entry& entry : entries) {
      if (entry.begin < end) {
        bad_tensor(entry.name, fmt::format("its data begins at {} in that of another, which ends at {}",
                                           entry.begin, end));
      }
      if (entry.begin > end) {
        bad_tensor(entry.name,
                   fmt::format("its data begins at {}, but the data before ends at {}", entry.begin, end));
      }
      end = entry.end;
    }
    if (end != size_ - data_start_) {
      bad(fmt::format("byte {}: {} bytes follow that belong to no tensor", data_start_ + end,
                      size_ - data_start_ - end));
    }
  }

  std::string path_;
  std::uint64_t size_ = 0;
  std::uint64_t data_start_ = 0;
  std::ifstream file_;
};

}  // namespace

void save_tensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                  const Metadata& metadata) {
  const std::string header = make_header(tensors, metadata);
  AtomicFile file(path);
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header);
  for (const NamedTensor& entry : tensors) {
    const Tensor host = to(entry.tensor.detach(), Device::cpu());
    file.write(host.raw_data(), host.nbytes());
  }
  file.commit();
}

TensorFile load_tensors(const std::filesystem::path& path, Device device) {
  return Reader(path).read(device);
}

Metadata load_metadata(const std::filesystem::path& path) {
  return Reader(path).read_metadata();
}

}  // namespace gnn
