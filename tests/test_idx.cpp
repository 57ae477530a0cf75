#include "gnn/data/idx.h"

#include <gtest/gtest.h>

#include "gnn/core/allocator.h"
#include "support/errors.h"
#include "support/files.h"
#include "support/idx_files.h"

namespace gnn::testing {
namespace {

using std::string_literals::operator""s;

TEST(Idx, ReadsEveryType) {
  const TempFolder folder;
  const auto load = [&](const std::string& bytes) { return load_idx(folder.write("x", bytes)); };
  EXPECT_EQ(load(idx_header(0x08, {3}) + "\x00\x7f\xff"s).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{0, 127, 255}));
  EXPECT_EQ(load(idx_header(0x09, {2}) + "\x7f\x80"s).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{127, -128}));
  EXPECT_EQ(load(idx_header(0x0b, {2}) + "\x01\x02\xff\xfe"s).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{258, -2}));
  EXPECT_EQ(load(idx_header(0x0c, {1}) + "\x01\x02\x03\x04"s).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{0x01020304}));
  EXPECT_EQ(load(idx_header(0x0d, {1}) + "\x3f\xc0\x00\x00"s).to_vector<float>(), (std::vector<float>{1.5F}));
  EXPECT_EQ(load(idx_header(0x0e, {1}) + "\xbf\xe0\x00\x00\x00\x00\x00\x00"s).to_vector<double>(),
            (std::vector<double>{-0.5}));
}

TEST(Idx, ReadsShapesUpToEightDimensions) {
  const TempFolder folder;
  EXPECT_EQ(load_idx(folder.write("x", idx_header(8, {2, 1, 3}) + "abcdef")).shape(), Shape({2, 1, 3}));
  EXPECT_EQ(load_idx(folder.write("x", idx_header(8, {1, 1, 1, 1, 1, 1, 1, 2}) + "ab")).shape(),
            Shape({1, 1, 1, 1, 1, 1, 1, 2}));
  EXPECT_EQ(load_idx(folder.write("x", idx_header(8, {0, 28, 28}))).shape(), Shape({0, 28, 28}));
  EXPECT_EQ(load_idx(folder.write("x", idx_header(8, {4000000000, 4, 0}))).numel(), 0);
}

TEST(Idx, GzipIsRecognisedByContentNotByName) {
  const TempFolder folder;
  const std::string content = idx_images(40);
  const auto plain = load_idx(folder.write("plain", content)).to_vector<std::uint8_t>();
  EXPECT_EQ(load_idx(folder.write("packed", gzip(content))).to_vector<std::uint8_t>(), plain);
  EXPECT_EQ(load_idx(folder.write("plain.gz", content)).to_vector<std::uint8_t>(), plain);
  // A gzip file may have several members; the cut may be anywhere.
  for (const std::size_t cut : {std::size_t{1}, std::size_t{16}, content.size() / 2, content.size() - 1}) {
    const std::string members = gzip(content.substr(0, cut)) + gzip(content.substr(cut));
    EXPECT_EQ(load_idx(folder.write("members.gz", members)).to_vector<std::uint8_t>(), plain);
  }
}

TEST(Idx, RefusesWhatIsNoFile) {
  const TempFolder folder;
  const std::string missing = (folder.path() / "missing").string();
  expect_error<DataError>([&] { load_idx(missing); }, {missing, "no such file"});
  expect_error<DataError>([&] { load_idx(folder.path()); },
                          {folder.path().string(), "it is a folder, expected a file"});
  expect_error<DataError>([&] { load_idx("/dev/null"); }, {"/dev/null", "not a regular file"});
  expect_error<DataError>([&] { load_idx(folder.write("empty", "")); }, {"empty", "0 bytes", "get it again"});
}

TEST(Idx, RefusesWrongMagicNumbers) {
  const TempFolder folder;
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    const auto file = folder.write("bad", bytes);
    expect_error<DataError>([&] { load_idx(file); }, parts);
    EXPECT_EQ(read_file(file), bytes);  // reading changes nothing
  };
  refused("\x01\x00\x08\x01"s, {"bad", "byte 0", "01 00 08 01", "not an IDX file"});
  refused("\x00\x00\x0a\x01\x00\x00\x00\x01x"s, {"byte 0", "00 00 0a 01"});
  refused("\x00\x00\x08\x00"s, {"byte 0", "00 00 08 00"});
  refused("\x00\x00\x08\x09"s, {"byte 3", "9 dimensions", "at most 8"});
  refused("<!DOCTYPE html>", {"byte 0", "web page"});
  refused("\x00\x00\x08"s, {"byte 3", "magic number"});
  refused(gzip("\x00\x00"s), {"byte 2", "magic number"});
  refused(idx_header(8, {60000, 28, 28}).substr(0, 13), {"byte 13", "sizes of its 3 dimensions"});
}

TEST(Idx, RefusesTruncatedFiles) {
  const TempFolder folder;
  const std::string content = idx_images(3);
  for (const std::size_t size : {std::size_t{16}, std::size_t{17}, content.size() - 1}) {
    const auto file = folder.write("short", content.substr(0, size));
    expect_error<DataError>([&] { load_idx(file); }, {"short", "byte " + std::to_string(size),
                                                      "[3, 28, 28], 2352 bytes", "get it again"});
  }
  const auto file = folder.write("short.gz", gzip(content.substr(0, 1000)));
  expect_error<DataError>([&] { load_idx(file); },
                          {"short.gz", "byte 1000 of the decompressed content", "2352"});
}

TEST(Idx, RefusesOversizedFiles) {
  const TempFolder folder;
  const auto file = folder.write("long", idx_images(3) + "abc");
  expect_error<DataError>([&] { load_idx(file); }, {"long", "byte 2368", "3 bytes follow", "2352 bytes"});
  const auto packed = folder.write("long.gz", gzip(idx_images(3) + "abc"));
  expect_error<DataError>([&] { load_idx(packed); }, {"long.gz", "byte 2368 of the decompressed content"});
}

TEST(Idx, LyingHeadersAllocateNothing) {
  const TempFolder folder;
  const std::string many = idx_header(8, {4000000000, 28, 28}) + "abc";
  const std::string endless = idx_header(0x0e, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}) + "abc";
  // Compressed, the file's size allows the 300 MB that this one declares, so its content is counted.
  const std::string hidden = gzip(idx_header(8, {300000000}) + std::string(1000, 'x') + random_bytes(400000));
  reset_peak_stats(Device::cpu());
  const std::int64_t before = memory_stats(Device::cpu()).peak_reserved_bytes;
  expect_error<DataError>([&] { load_idx(folder.write("many", many)); },
                          {"many", "byte 19", "[4000000000, 28, 28]"});
  expect_error<DataError>([&] { load_idx(folder.write("endless", endless)); }, {"endless", "more than 2^64"});
  expect_error<DataError>(
      [&] {
        load_idx(folder.write("none", idx_header(8, {4000000000, 4000000000, 0})));
      },
      {"none", "byte 4", "impossible sizes [4000000000, 4000000000, 0]"});
  expect_error<DataError>([&] { load_idx(folder.write("many.gz", gzip(many))); }, {"many.gz", "at most"});
  expect_error<DataError>([&] { load_idx(folder.write("hidden.gz", hidden)); }, {"hidden.gz", "byte 401008"});
  EXPECT_EQ(memory_stats(Device::cpu()).peak_reserved_bytes, before);
}

TEST(Idx, RefusesDamagedGzip) {
  const TempFolder folder;
  const std::string packed = gzip(idx_images(40));
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    const auto file = folder.write("bad.gz", bytes);
    expect_error<DataError>([&] { load_idx(file); }, parts);
  };
  // Cut anywhere: in its header, its data, its checksum.
  for (const std::size_t size :
       {std::size_t{2}, std::size_t{9}, packed.size() / 2, packed.size() - 8, packed.size() - 1}) {
    refused(packed.substr(0, size), {"bad.gz", "byte " + std::to_string(size), "ends early", "get it again"});
  }
  refused(packed + "trailing", {"bad.gz", "byte " + std::to_string(packed.size()), "8 bytes follow the end"});
  refused(packed + "\0"s, {"bad.gz", "byte " + std::to_string(packed.size()), "1 bytes follow the end"});
  refused(packed + "\x1f\x8bxyzxyzxyzxyz", {"bad.gz", "after the end of the gzip data"});
  std::string flipped = packed;
  flipped[packed.size() - 6] ^= 0x10;  // in the checksum
  refused(flipped, {"bad.gz", "incorrect data check"});
  flipped = packed;
  flipped[10] = static_cast<char>(0xff);  // the type of the first block
  refused(flipped, {"bad.gz", "damaged gzip data"});
}

}  // namespace
}  // namespace gnn::testing
