#include "gnn/data/mnist.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "support/errors.h"
#include "support/files.h"
#include "support/idx_files.h"

namespace gnn::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* train_images = "train-images-idx3-ubyte";
constexpr const char* train_labels = "train-labels-idx1-ubyte";
constexpr const char* test_images = "t10k-images-idx3-ubyte";
constexpr const char* test_labels = "t10k-labels-idx1-ubyte";

std::string labels_of(int count) {
  std::string labels;
  for (int i = 0; i < count; ++i) labels += static_cast<char>(i % 10);
  return idx_labels(labels);
}

// 12 training and 5 test images in the subfolder `name`.
fs::path write_small_set(const TempFolder& folder, const std::string& name) {
  folder.write(name + "/" + train_images, idx_images(12));
  folder.write(name + "/" + train_labels + ".gz", gzip(labels_of(12)));
  folder.write(name + "/t10k-images.idx3-ubyte", idx_images(5));
  folder.write(name + "/" + test_labels, labels_of(5));
  return folder.path() / name;
}

void expect_small_set(const ImageDatasets& data, const std::string& name) {
  EXPECT_EQ(data.train.name, name);
  EXPECT_EQ(data.test.name, name);
  EXPECT_EQ(data.train.images.shape(), Shape({12, 1, 28, 28}));
  EXPECT_EQ(data.test.images.shape(), Shape({5, 1, 28, 28}));
  EXPECT_EQ(data.train.size(), 12);
  EXPECT_EQ(data.train.labels.to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1}));
  EXPECT_EQ(data.test.images.to_vector<std::uint8_t>()[784], 31);
  EXPECT_EQ(data.train.class_names.size(), 10U);
}

TEST(Mnist, LoadsFoldersOfFourFilesInAnySpelling) {
  const TempFolder folder;
  const fs::path directory = write_small_set(folder, "digits");
  expect_small_set(load_mnist(directory), "digits");
  expect_small_set(load_mnist(directory / ""), "digits");
  const ImageDatasets data = load_mnist(directory);
  const PixelStatistics pixels = pixel_statistics(data.train.images);
  EXPECT_EQ(data.train.mean, pixels.mean);
  EXPECT_EQ(data.test.mean, pixels.mean);  // nothing is learnt from the test images
  EXPECT_EQ(data.test.std, pixels.std);
}

TEST(Mnist, IsFoundInTheDataFolderThenInTheCache) {
  const TempFolder folder;
  const ScopedEnvironment data("GNN_DATA_DIR", (folder.path() / "data").c_str());
  const ScopedEnvironment cache("XDG_CACHE_HOME", (folder.path() / "cache").c_str());
  EXPECT_EQ(data_cache_folder(), folder.path() / "cache" / "libgnn");
  EXPECT_EQ(find_dataset("mnist"), "");
  expect_error<DataError>([] { load_mnist(); },
                          {"mnist is not on this machine", (folder.path() / "data" / "mnist").string(),
                           (folder.path() / "cache" / "libgnn" / "mnist").string(), "./dev data mnist"});
  write_small_set(folder, "cache/libgnn/mnist");
  EXPECT_EQ(find_dataset("mnist"), folder.path() / "cache" / "libgnn" / "mnist");
  expect_small_set(load_mnist(), "mnist");
  write_small_set(folder, "data/mnist");
  EXPECT_EQ(find_dataset("mnist"), folder.path() / "data" / "mnist");
  write_small_set(folder, "data/fashion-mnist");
  expect_small_set(load_fashion_mnist(), "fashion-mnist");
  {
    const ScopedEnvironment none("XDG_CACHE_HOME", nullptr);
    const ScopedEnvironment home("HOME", "/home/somebody");
    EXPECT_EQ(data_cache_folder(), "/home/somebody/.cache/libgnn");
  }
}

TEST(Mnist, RefusesMissingFiles) {
  const TempFolder folder;
  const fs::path directory = write_small_set(folder, "digits");
  EXPECT_TRUE(has_mnist_files(directory));
  fs::remove(directory / test_labels);
  EXPECT_FALSE(has_mnist_files(directory));
  EXPECT_FALSE(has_mnist_files(folder.path() / "nowhere"));
  expect_error<DataError>(
      [&] { load_mnist(directory); },
      {directory.string(), "not complete", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte"});
  expect_error<DataError>([&] { load_mnist(folder.path() / "nowhere"); }, {"nowhere", "no such folder"});
  expect_error<DataError>([&] { load_mnist(directory / train_images); }, {train_images, "it is a file"});
  fs::create_directory(directory / test_labels);
  expect_error<DataError>([&] { load_mnist(directory); }, {test_labels, "it is a folder, expected a file"});
}

TEST(Mnist, RefusesFilesThatDoNotFit) {
  const TempFolder folder;
  const auto refused = [&](const std::string& file, const std::string& bytes,
                           const std::vector<std::string>& parts) {
    const fs::path directory = write_small_set(folder, "digits");
    folder.write("digits/" + file, bytes);
    expect_error<DataError>([&] { load_mnist(directory); }, parts);
    fs::remove_all(directory);
  };
  refused(train_labels, idx_labels("\x01\x02\x0a\x03\x01\x01\x01\x01\x01\x01\x01\x01"),
          {train_labels, "byte 10", "label 10 of image 2"});
  refused(train_labels, labels_of(11), {train_labels, "byte 4", "11 labels", train_images, "12 images"});
  refused(test_labels, labels_of(12), {test_labels, "12 labels", "5 images"});
  refused(train_labels, idx_images(12), {train_labels, "byte 0", "expected labels", "[12, 28, 28]"});
  refused(train_images, labels_of(12), {train_images, "byte 0", "expected 28 x 28 images", "[12]"});
  refused(train_images, idx_header(8, {1, 2, 2}) + "abcd", {train_images, "28 x 28", "[1, 2, 2]"});
  refused(train_images, idx_header(9, {1, 1, 1}) + "a", {train_images, "int32"});
  refused(train_images, idx_images(0), {train_images, "byte 4", "no images"});
  refused(train_images, idx_images(12).substr(0, 5000), {train_images, "byte 5000", "ends early"});
}

TEST(Mnist, PixelStatisticsAreExact) {
  const Tensor half = from_values<std::uint8_t>({0, 255, 0, 255}, {1, 1, 2, 2});
  EXPECT_NEAR(pixel_statistics(half).mean, 0.5, 1e-15);
  EXPECT_NEAR(pixel_statistics(half).std, 0.5, 1e-15);
  const Tensor flat = from_values<std::uint8_t>(std::vector<std::uint8_t>(9973, 77), {1, 1, 1, 9973});
  EXPECT_NEAR(pixel_statistics(flat).mean, 77.0 / 255, 1e-15);
  EXPECT_EQ(pixel_statistics(flat).std, 1);  // nothing to divide by
  EXPECT_EQ(pixel_statistics(empty({0}, {.dtype = DType::uint8})).std, 1);
}

// The real data: in CI it must be there, elsewhere the test says why it cannot run.
TEST(Mnist, RealDataIsComplete) {
  if (find_dataset("mnist").empty()) {
    ASSERT_EQ(std::getenv("CI"), nullptr)
        << "CI is set, and MNIST is in neither $GNN_DATA_DIR/mnist nor the cache";
    GTEST_SKIP() << "MNIST is not on this machine; ./dev data mnist gets it";
  }
  const ImageDatasets data = load_mnist();
  EXPECT_EQ(data.train.name, "MNIST");
  EXPECT_EQ(data.train.images.shape(), Shape({60000, 1, 28, 28}));
  EXPECT_EQ(data.test.images.shape(), Shape({10000, 1, 28, 28}));
  EXPECT_NEAR(data.train.mean, 0.1307, 5e-5);
  EXPECT_NEAR(data.train.std, 0.3081, 5e-5);
  const std::vector<std::int64_t> labels = data.train.labels.to_vector<std::int64_t>();
  EXPECT_EQ(std::vector<std::int64_t>(labels.begin(), labels.begin() + 10),
            (std::vector<std::int64_t>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));
  std::array<int, 10> counts{};
  for (const std::int64_t label : data.test.labels.to_vector<std::int64_t>())
    ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts, (std::array<int, 10>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
}

TEST(Mnist, FashionMnistIsCalledByItsNameWhereverItIs) {
  const fs::path debian = "/usr/share/datasets/fashion-mnist";
  if (!fs::exists(debian)) GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  const ImageDatasets data = load_mnist(debian);
  EXPECT_EQ(data.train.name, "Fashion-MNIST");
  EXPECT_EQ(data.test.name, "Fashion-MNIST");
  EXPECT_EQ(data.train.class_names[9], "Ankle boot");
  EXPECT_NEAR(data.train.mean, 0.2860, 5e-5);
  EXPECT_NEAR(data.train.std, 0.3530, 5e-5);
}

}  // namespace
}  // namespace gnn::testing
