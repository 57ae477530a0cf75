#include "gnn/data/mnist.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "gnn/core/check.h"
#include "gnn/data/idx.h"

namespace gnn {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t classes = 10;
constexpr std::int64_t side = 28;
constexpr std::int64_t label_offset = 8;  // of the first label in an IDX file of one dimension

constexpr std::array<const char*, 4> parts = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                              "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// CRC-32 of the 60,000 training labels tells which data set a folder holds.
constexpr unsigned long mnist_labels = 0xba07e8ef;
constexpr unsigned long fashion_labels = 0x2ed6e46a;

std::vector<std::string> digits() {
  return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
}
std::vector<std::string> clothes() {
  return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
}

// The file of that part in any of its spellings; empty when there is none.
fs::path find_part(const fs::path& directory, const std::string& part) {
  std::string dotted = part;
  dotted[part.find("-idx")] = '.';
  for (const std::string& name : {part, part + ".gz", dotted, dotted + ".gz"}) {
    std::error_code error;
    if (fs::exists(directory / name, error)) return directory / name;
  }
  return {};
}

fs::path require_part(const fs::path& directory, const std::string& part) {
  const fs::path found = find_part(directory, part);
  if (!found.empty()) return found;
  std::error_code error;
  check<DataError>(fs::exists(directory, error), "cannot read the data set in '{}': there is no such folder",
                   directory.string());
  check<DataError>(fs::is_directory(directory, error),
                   "cannot read the data set in '{}': it is a file; give the folder with the four IDX files",
                   directory.string());
  fail<DataError>(
      "the data set in '{}' is not complete: it has no {} (nor {}.gz); the folder must have {}, {}, {} "
      "and {}",
      directory.string(), part, part, parts[0], parts[1], parts[2], parts[3]);
}

Tensor load_images(const fs::path& path) {
  const Tensor images = load_idx(path);
  check<DataError>(
      images.dtype() == DType::uint8 && images.dim() == 3 && images.size(1) == side && images.size(2) == side,
      "'{}': byte 0: expected {} x {} images, that is uint8 [N, {}, {}], but the header says {} {}; is "
      "it the right file?",
      path.string(), side, side, side, side, images.dtype(), images.shape());
  check<DataError>(images.size(0) > 0, "'{}': byte 4: it has no images; get the file again", path.string());
  return images.alias({images.size(0), 1, side, side});
}

Tensor load_labels(const fs::path& path, const Tensor& images, const fs::path& images_path) {
  const Tensor raw = load_idx(path);
  check<DataError>(
      raw.dtype() == DType::uint8 && raw.dim() == 1,
      "'{}': byte 0: expected labels, that is uint8 [N], but the header says {} {}; is it the right "
      "file?",
      path.string(), raw.dtype(), raw.shape());
  check<DataError>(
      raw.size(0) == images.size(0),
      "'{}': byte 4: it has {} labels, but '{}' has {} images; the two files must come from the same "
      "data set: get both again",
      path.string(), raw.size(0), images_path.string(), images.size(0));
  Tensor labels = empty({raw.size(0)}, {.dtype = DType::int64});
  const std::uint8_t* from = raw.data<std::uint8_t>();
  std::int64_t* to = labels.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < raw.numel(); ++i) {
    check<DataError>(from[i] < classes,
                     "'{}': byte {}: label {} of image {} is not one of 0 … {}; get the file again",
                     path.string(), label_offset + i, from[i], i, classes - 1);
    to[i] = from[i];
  }
  return labels;
}

unsigned long label_checksum(const Tensor& labels) {
  unsigned long sum = crc32(0, nullptr, 0);
  for (const std::int64_t label : labels.to_vector<std::int64_t>()) {
    const auto byte = static_cast<unsigned char>(label);
    sum = crc32(sum, &byte, 1);
  }
  return sum;
}

ImageDataset load_part(const fs::path& directory, const char* images_part, const char* labels_part) {
  const fs::path images_path = require_part(directory, images_part);
  const fs::path labels_path = require_part(directory, labels_part);
  ImageDataset part;
  part.images = load_images(images_path);
  part.labels = load_labels(labels_path, part.images, images_path);
  return part;
}

ImageDatasets load(const fs::path& directory) {
  for (const char* part : parts) require_part(directory, part);  // all four, before minutes go into the first
  ImageDatasets data{load_part(directory, parts[0], parts[1]), load_part(directory, parts[2], parts[3])};
  const unsigned long checksum = label_checksum(data.train.labels);
  fs::path folder = fs::absolute(directory).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // it ended in a slash
  const PixelStatistics pixels = pixel_statistics(data.train.images);
  for (ImageDataset* part : {&data.train, &data.test}) {
    part->name = checksum == mnist_labels     ? "MNIST"
                 : checksum == fashion_labels ? "Fashion-MNIST"
                                              : folder.filename().string();
    part->class_names = checksum == fashion_labels ? clothes() : digits();
    part->mean = pixels.mean;
    part->std = pixels.std;
  }
  return data;
}

std::vector<fs::path> places(std::string_view name) {
  std::vector<fs::path> found;
  const char* const data = std::getenv("GNN_DATA_DIR");
  if (data != nullptr && *data != '\0') found.push_back(fs::path(data) / name);
  found.push_back(data_cache_folder() / name);
  if (name == "fashion-mnist") found.emplace_back("/usr/share/datasets/fashion-mnist");
  return found;
}

ImageDatasets find_and_load(std::string_view name, const fs::path& directory) {
  if (!directory.empty()) return load(directory);
  const fs::path found = find_dataset(name);
  if (!found.empty()) return load(found);
  std::string searched;
  for (const fs::path& place : places(name))
    searched += (searched.empty() ? "'" : ", '") + place.string() + "'";
  fail<DataError>(
      "{} is not on this machine (looked in {}): run ./dev data {}, give the folder with its four IDX files, "
      "or set GNN_DATA_DIR to a folder that has {}/",
      name, searched, name, name);
}

}  // namespace

fs::path data_cache_folder() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return fs::path(cache) / "libgnn";
  const char* const home = std::getenv("HOME");
  return fs::path(home == nullptr ? "." : home) / ".cache" / "libgnn";
}

fs::path find_dataset(std::string_view name) {
  for (const fs::path& place : places(name)) {
    for (const char* part : parts) {
      if (!find_part(place, part).empty()) return place;
    }
  }
  return {};
}

bool has_mnist_files(const fs::path& directory) {
  return std::ranges::none_of(parts, [&](const char* part) { return find_part(directory, part).empty(); });
}

ImageDatasets load_mnist(const fs::path& directory) {
  return find_and_load("mnist", directory);
}
ImageDatasets load_fashion_mnist(const fs::path& directory) {
  return find_and_load("fashion-mnist", directory);
}

}  // namespace gnn
