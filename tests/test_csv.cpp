#include "gnn/data/csv.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/files.h"

namespace gnn::testing {
namespace {

constexpr CsvOptions tiny = {.height = 2, .width = 2, .classes = 3};

ImageDataset load(const TempFolder& folder, const std::string& text) {
  return load_csv(folder.write("x.csv", text), tiny);
}

void expect_two_images(const ImageDataset& data) {
  EXPECT_EQ(data.images.shape(), Shape({2, 1, 2, 2}));
  EXPECT_EQ(data.images.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{0, 1, 2, 3, 255, 254, 0, 9}));
  EXPECT_EQ(data.labels.to_vector<std::int64_t>(), (std::vector<std::int64_t>{2, 0}));
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"0", "1", "2"}));
}

TEST(Csv, ReadsItsManyForms) {
  const TempFolder folder;
  const std::string rows = "2,0,1,2,3\n0,255,254,0,9\n";
  expect_two_images(load(folder, rows));
  expect_two_images(load(folder, rows.substr(0, rows.size() - 1)));      // no newline at the end
  expect_two_images(load(folder, rows + "\n\n \n"));                     // empty lines there
  expect_two_images(load(folder, "2,0,1,2,3\r\n0,255,254,0,9\r\n"));     // Windows
  expect_two_images(load(folder, " 2, 0 ,1,\t2,3\n0,255,254,0,009\n"));  // blanks, leading zeros
  expect_two_images(load(folder, "label,p0,p1,p2,p3\n" + rows));         // header
  expect_two_images(load(folder, "\xef\xbb\xbf\"label\",\"1x1\",\"1x2\",\"2x1\",\"2x2\"\r\n" + rows));
  expect_two_images(load(folder, "label,0,1,2,3\n" + rows));  // numbered columns
  expect_two_images(load(folder, "\xef\xbb\xbf" + rows));     // byte order mark
  expect_two_images(load(folder, gzip("label,p0,p1,p2,p3\n" + rows)));
}

TEST(Csv, ReadsMnistSizedRowsAcrossBuffers) {
  const TempFolder folder;
  std::string text;
  std::vector<std::uint8_t> pixels;
  for (int row = 0; row < 1500; ++row) {  // 3.5 MB: several buffers
    text += std::to_string(row % 10);
    for (int p = 0; p < 784; ++p) {
      pixels.push_back(static_cast<std::uint8_t>((row * 31 + p * 7) % 256));
      text += "," + std::to_string(pixels.back());
    }
    text += "\n";
  }
  const ImageDataset data = load_csv(folder.write("train.csv", text));
  EXPECT_EQ(data.name, "train.csv");
  EXPECT_EQ(data.images.shape(), Shape({1500, 1, 28, 28}));
  EXPECT_EQ(data.images.to_vector<std::uint8_t>(), pixels);
  EXPECT_EQ(data.labels.to_vector<std::int64_t>()[1499], 9);
  EXPECT_NEAR(data.mean, 0.5, 0.01);
  EXPECT_NEAR(data.std, 0.289, 0.01);
}

TEST(Csv, ErrorsNameLineAndField) {
  const TempFolder folder;
  const auto refused = [&](const std::string& text, const std::vector<std::string>& parts) {
    expect_error<DataError>([&] { load(folder, text); }, parts);
  };
  const std::string row = "2,0,1,2,3\n";
  refused(row + "1,0,1,2\n", {"x.csv", "line 2", "expected 5 fields", "got 4"});
  refused(row + row + "1,0,1,2,3,4\n", {"line 3", "expected 5 fields", "got 6"});
  refused("label,p0,p1,p2\n" + row, {"line 1", "expected 5 fields", "got 4"});
  refused(row + "1,0,,2,3\n", {"line 2, field 3 (pixel 1)", "got nothing"});
  refused(row + "1,0,1,2,\n", {"line 2, field 5 (pixel 3)", "got nothing"});
  refused(row + "1,0,x7,2,3\n", {"line 2, field 3 (pixel 1)", "'x7'"});
  refused(row + "1,0,1.5,2,3\n", {"line 2, field 3", "'1.5'"});
  refused(row + "1,0,-1,2,3\n", {"line 2, field 3", "from 0 to 255", "'-1'"});
  refused(row + "1,0,256,2,3\n", {"line 2, field 3", "from 0 to 255", "'256'"});
  refused(row + "1,0,99999999999999999999999,2,3\n", {"line 2, field 3", "'99999999999999999999…'"});
  refused(row + "3,0,1,2,3\n", {"line 2, field 1 (the label)", "from 0 to 2", "'3'"});
  refused(row + "one,0,1,2,3\n", {"line 2, field 1 (the label)", "'one'"});
  refused(row + "1;0;1;2;3\n", {"line 2, field 1 (the label)"});
  refused(row + "\n" + row, {"line 2 is empty, and line 3 is not"});
  refused(row + std::string(5000, '1') + "\n", {"line 2 is longer"});
  refused(row + "1,\x01\xff,1,2,3\n", {"line 2, field 2", "got '?"});
}

TEST(Csv, ADamagedFirstRowIsNoHeader) {
  const TempFolder folder;
  const auto refused = [&](const std::string& first) {
    expect_error<DataError>([&] { load(folder, first + "\n2,0,1,2,3\n"); }, {"line 1, field 1 (the label)"});
  };
  refused("x,0,0,0,0");
  refused(",0,0,0,0");
  refused("x,7,8,0,1");
  refused("-1,a,1,2,3");
}

TEST(Csv, RefusesFilesWithoutImagesAndBadOptions) {
  const TempFolder folder;
  expect_error<DataError>([&] { load(folder, ""); }, {"x.csv", "0 bytes"});
  expect_error<DataError>([&] { load(folder, "\n\n"); }, {"line 2", "without any image"});
  expect_error<DataError>([&] { load(folder, "label,p0,p1,p2,p3\n"); }, {"line 1", "without any image"});
  expect_error<DataError>([&] { load_csv(folder.path()); }, {"it is a folder"});
  const std::string packed = gzip("2,0,1,2,3\n");
  expect_error<DataError>([&] { load(folder, packed.substr(0, packed.size() - 1)); },
                          {"x.csv", "ends early"});
  EXPECT_THROW(load_csv("x.csv", {.height = 0}), ValueError);
  EXPECT_THROW(load_csv("x.csv", {.channels = 65536, .height = 65536, .width = 65536}), ValueError);
}

}  // namespace
}  // namespace gnn::testing
