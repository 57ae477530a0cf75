#include "gnn/train/checkpoint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gnn/core/atomic_file.h"
#include "gnn/core/error.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace {

namespace fs = std::filesystem;
using gnn::DType;
using gnn::NamedTensor;
using gnn::Tensor;

/// A fresh folder for each test, removed at its end.
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string name = (fs::temp_directory_path() / "gnn-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    path_ = folder_ / "file";
  }
  ~FolderTest() override { fs::remove_all(folder_); }

  static void write(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
  fs::path path_;
};

void expect_error(const std::string& expected, const auto& function) {
  try {
    function();
    FAIL() << "nothing was thrown; expected: " << expected;
  } catch (const gnn::DataError& error) {
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos)
        << "expected: " << expected << "\ngot: " << error.what();
  }
}

// ---- AtomicFile

using AtomicFileTest = FolderTest;

TEST_F(AtomicFileTest, AppearsOnCommit) {
  {
    gnn::AtomicFile file(path_);
    file.write("one ");
    EXPECT_FALSE(fs::exists(path_));
    file.write("two");
    file.commit();
    EXPECT_EQ(read(path_), "one two");
    expect_error("complete", [&] { file.write("three"); });
    expect_error("complete", [&] { file.commit(); });
  }
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, WithoutCommitNothingChanges) {
  write(path_, "old");
  {
    gnn::AtomicFile file(path_);
    file.write("new");
    EXPECT_EQ(files(), 2u);
  }
  EXPECT_EQ(read(path_), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, FollowsLinksAndKeepsPermissions) {
  const fs::path target = folder_ / "target";
  write(target, "old");
  fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(target, path_);
  gnn::write_file_atomically(path_, "new");
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(read(target), "new");
  EXPECT_EQ(fs::status(target).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(AtomicFileTest, WritesToDevicesDirectly) {
  gnn::write_file_atomically("/dev/null", "gone");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(AtomicFileTest, ErrorsNameTheFile) {
  expect_error("Is a directory", [&] { gnn::AtomicFile file(folder_); });
  expect_error("No such file or directory", [&] { gnn::AtomicFile file(folder_ / "missing" / "file"); });
  expect_error("No such file or directory", [&] { gnn::AtomicFile file(fs::path{}); });
  write(folder_ / "plain", "");
  expect_error((folder_ / "plain" / "file").string(),
               [&] { gnn::AtomicFile file(folder_ / "plain" / "file"); });
  EXPECT_EQ(files(), 1u);
}

TEST_F(AtomicFileTest, AFullDiskLeavesTheOldFile) {
  write(path_, "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1000;  // write() fails beyond, as on a full disk
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error("at byte 1000", [&] { gnn::write_file_atomically(path_, std::string(5000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ(read(path_), "old");
  EXPECT_EQ(files(), 1u);
}

// ---- safetensors

class SafetensorsTest : public FolderTest {
 protected:
  /// The file of this header, spelled out, and `data` bytes.
  void write_file(const std::string& header, std::size_t data) {
    std::string content(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(content.data(), &length, 8);
    write(path_, content + header + std::string(data, '\1'));
  }
  void expect_bad(const std::string& header, std::size_t data, const std::string& expected) {
    write_file(header, data);
    expect_error(path_.string(), [&] { gnn::load_tensors(path_); });
    expect_error(expected, [&] { gnn::load_tensors(path_); });
    expect_error(expected, [&] { gnn::load_metadata(path_); });
  }
};

std::vector<NamedTensor> all_dtypes() {
  std::vector<NamedTensor> tensors;
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int32,
                            DType::int64, DType::uint8}) {
    Tensor tensor = gnn::zeros({3, 5}, {.dtype = dtype});
    auto* bytes = static_cast<unsigned char*>(tensor.mutable_raw_data());
    for (std::size_t i = 0; i < tensor.nbytes(); ++i) bytes[i] = static_cast<unsigned char>(37 * i + 11);
    tensors.push_back({"a." + std::string(gnn::name_of(dtype)), tensor});
  }
  tensors.push_back({"scalar", gnn::from_values(std::vector<float>{2.5f}, {})});
  tensors.push_back({"empty", gnn::zeros({0, 4})});
  tensors.push_back({"name with \" and \xc3\xa4", gnn::zeros({1}, {.dtype = DType::uint8})});
  return tensors;
}

TEST_F(SafetensorsTest, RoundTripIsExact) {
  const std::vector<NamedTensor> tensors = all_dtypes();
  const gnn::Metadata metadata{{"epoch", "3"}, {"note", "line\nbreak"}};
  gnn::save_tensors(path_, tensors, metadata);
  EXPECT_EQ(gnn::load_metadata(path_), metadata);
  for (const gnn::Device device : gnn::testing::test_devices()) {
    const gnn::TensorFile file = gnn::load_tensors(path_, device);
    EXPECT_EQ(file.metadata, metadata);
    ASSERT_EQ(file.tensors.size(), tensors.size());
    for (const NamedTensor& want : tensors) {
      const auto got = std::find_if(file.tensors.begin(), file.tensors.end(),
                                    [&](const NamedTensor& entry) { return entry.name == want.name; });
      ASSERT_NE(got, file.tensors.end()) << want.name;
      EXPECT_EQ(got->tensor.shape(), want.tensor.shape());
      ASSERT_EQ(got->tensor.dtype(), want.tensor.dtype());
      EXPECT_EQ(got->tensor.device(), device);
      Tensor host = gnn::empty_like(want.tensor);
      host.copy_from(got->tensor);
      if (want.tensor.nbytes() > 0) {
        EXPECT_EQ(std::memcmp(host.raw_data(), want.tensor.raw_data(), want.tensor.nbytes()), 0) << want.name;
      }
    }
  }
}

TEST_F(SafetensorsTest, SavesFromAnyDevice) {
  const std::vector<float> values{1, 2, 3};
  for (const gnn::Device device : gnn::testing::test_devices()) {
    gnn::save_tensors(path_, std::vector<NamedTensor>{{"x", gnn::from_values(values, {3}, device)}});
    EXPECT_EQ(gnn::load_tensors(path_).tensors[0].tensor.to_vector<float>(), values);
  }
}

// The bytes that safetensors 0.4 writes for torch.tensor([[1., 2.]]), spelled out from the format's
// description.
TEST_F(SafetensorsTest, WritesTheFormat) {
  gnn::save_tensors(path_,
                    std::vector<NamedTensor>{{"x", gnn::from_values(std::vector<float>{1, 2}, {1, 2})}});
  const std::string content = read(path_);
  const std::string header = R"({"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  ASSERT_EQ(content.size(), 8 + 56u + 8);
  EXPECT_EQ(content.substr(0, 8), std::string("\x38\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(content.substr(8, header.size()), header);
  EXPECT_EQ(content.substr(8 + header.size(), 56 - header.size()), std::string(56 - header.size(), ' '));
  EXPECT_EQ(content.substr(64), std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

TEST_F(SafetensorsTest, ReadsWhatOthersWrite) {
  write_file(R"( {"x":)", 0);
  expect_error("does not begin with '{'", [&] { gnn::load_tensors(path_); });
  // Any order, padding, unknown keys, no tensors at all.
  write_file(
      R"({"b":{"data_offsets":[4,6],"shape":[2],"dtype":"U8"},"a":{"dtype":"I32","shape":[],"data_offsets":[0,4],)"
      R"("extra":1}}   )",
      6);
  const gnn::TensorFile file = gnn::load_tensors(path_);
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[0].name, "a");
  EXPECT_EQ(file.tensors[0].tensor.item(), 0x01010101);
  EXPECT_EQ(file.tensors[1].name, "b");
  write_file("{}", 0);
  EXPECT_TRUE(gnn::load_tensors(path_).tensors.empty());
}

TEST_F(SafetensorsTest, RefusesDamagedFiles) {
  expect_error("there is no such file", [&] { gnn::load_tensors(folder_ / "missing"); });
  expect_error("not a regular file", [&] { gnn::load_tensors(folder_); });
  write(path_, "");
  expect_error("it has 0 bytes", [&] { gnn::load_tensors(path_); });
  write(path_, std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10));
  expect_error("over the limit", [&] { gnn::load_tensors(path_); });
  write(path_, std::string("\x10\0\0\0\0\0\0\0{}", 10));
  expect_error("only 2 follow; the file is truncated", [&] { gnn::load_tensors(path_); });
  expect_bad("{]", 0, "byte 9: the header is not valid JSON");
  expect_bad("{\"\xff\":1}", 0, "not valid JSON");
  expect_bad(
      R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
      1, "\"x\" twice");
  expect_bad(R"({"x":1})", 0, "tensor \"x\" in the header: expected an object");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1]}})", 1, "\"data_offsets\" is missing");
  expect_bad(R"({"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, "no dtype F8_E4M3");
  expect_bad(R"({"x":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1, "\"dtype\" is not a string");
  expect_bad(R"({"x":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, "\"shape\" is not an array");
  expect_bad(R"({"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "\"shape\" has -1");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1, "\"shape\" has 1.5");
  expect_bad(R"({"x":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}})", 1,
             "\"shape\" has");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1, "tensor \"x\"");
  expect_bad(R"({"x":{"dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,1]}})", 1,
             "tensor \"x\"");
  expect_bad(R"({"x":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,0]}})", 0,
             "does not fill its 0 bytes");
  expect_bad(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
             "float32 [2] does not fill its 4 bytes");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "has 1 numbers, not 2");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "before it begins");
  expect_bad(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1,
             "byte 2 of 1; the file is truncated");
  expect_bad(
      R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
      3, "tensor \"y\" in the header: its data begins at 1 in that of another");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "the data before ends at 0");
  expect_bad(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2,
             "1 bytes follow that belong to no tensor");
  expect_bad(R"({"__metadata__":[]})", 0, "\"__metadata__\" in the header is not an object");
  expect_bad(R"({"__metadata__":{"a":1}})", 0, "\"a\" is not a string");
  expect_bad("{" + std::string(200000, '['), 0, "not valid JSON");
}

// Every cut and every flipped bit of a header gives a DataError or a file that is still consistent: nothing
// else.
TEST_F(SafetensorsTest, SurvivesDamageAnywhere) {
  gnn::save_tensors(path_, all_dtypes(), {{"a", "b"}});
  const std::string whole = read(path_);
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    write(path_, whole.substr(0, length));
    EXPECT_THROW(gnn::load_tensors(path_), gnn::DataError) << length;
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    write(path_, damaged);
    try {
      gnn::load_tensors(path_);
    } catch (const gnn::DataError&) {
    }
  }
}

TEST_F(SafetensorsTest, RefusesWhatItCannotSave) {
  write(path_, "old");
  const Tensor x = gnn::zeros({1});
  const auto save = [&](const std::vector<NamedTensor>& tensors) { gnn::save_tensors(path_, tensors); };
  EXPECT_THROW(save({{"x", x}, {"x", x}}), gnn::ValueError);
  EXPECT_THROW(save({{"__metadata__", x}}), gnn::ValueError);
  EXPECT_THROW(save({{"\xff", x}}), gnn::ValueError);
  EXPECT_THROW(save({{"x", Tensor()}}), gnn::ValueError);
  EXPECT_EQ(read(path_), "old");
  EXPECT_EQ(files(), 1u);
}

// ---- Modules

class Net : public gnn::Module {
 public:
  explicit Net(float value, std::int64_t width = 3)
      : Module("Net"),
        weight(parameter(
            "weight",
            gnn::from_values(std::vector<float>(static_cast<std::size_t>(width), value), {width}))) {}
  Tensor forward(const Tensor& input) override { return input; }

  Tensor weight;
  Tensor steps = buffer("steps", gnn::zeros({1}, {.dtype = DType::int64}));
};

using CheckpointTest = FolderTest;

TEST_F(CheckpointTest, LoadsWhatItSaved) {
  Net source(1.5f);
  gnn::save_checkpoint(path_, source, {{"epoch", "7"}});
  for (const gnn::Device device : gnn::testing::test_devices()) {
    Net target(0);
    target.to(device);
    const gnn::Metadata metadata = gnn::load_checkpoint(path_, target);
    EXPECT_EQ(metadata, (gnn::Metadata{{"epoch", "7"}, {"format", "pt"}}));
    EXPECT_EQ(target.weight.to_vector<float>(), source.weight.to_vector<float>());
    EXPECT_EQ(gnn::sha256(target), gnn::sha256(source));
  }
}

TEST_F(CheckpointTest, AFileThatDoesNotFitChangesNothing) {
  gnn::save_checkpoint(path_, Net(1, 4));
  Net target(0);
  expect_error(path_.string() + "': load_state_dict: expected [3] for \"weight\", got [4]",
               [&] { gnn::load_checkpoint(path_, target); });
  EXPECT_EQ(target.weight.to_vector<float>(), (std::vector<float>{0, 0, 0}));
}

TEST_F(CheckpointTest, AnUnwritableFolderIsAnError) {
  expect_error("/proc/checkpoint", [&] { gnn::save_checkpoint("/proc/checkpoint", Net(1)); });
}

TEST(Sha256, IsThatOfNamesDtypesShapesAndBytes) {
  // printf 'weight float32 [1]\n\0\0\200?steps int64 [1]\n\0\0\0\0\0\0\0\0' | sha256sum
  EXPECT_EQ(gnn::sha256(Net(1, 1)), "8f2eaa18d51115d09377d30d2c2cd7ed92c88b168e05e28a6328438c0a7d1077");
  EXPECT_EQ(gnn::sha256(Net(1, 1).state_dict()), gnn::sha256(Net(1, 1)));
  EXPECT_NE(gnn::sha256(Net(1, 1)), gnn::sha256(Net(1, 2)));
  EXPECT_NE(gnn::sha256(Net(0, 1)), gnn::sha256(Net(-0.0f, 1)));
}

}  // namespace
