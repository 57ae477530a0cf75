#include "gnn/data/report_picture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

#include "gnn/data/chart.h"
#include "gnn/data/svg.h"
#include "support/errors.h"
#include "support/files.h"

namespace gnn::testing {
namespace {

using std::string_literals::operator""s;

// Checks what "well-formed" asks of documents without DTD and CDATA: tags match, attributes are quoted and
// unique, & and < only where they may be, characters allowed.
void expect_well_formed(const std::string& xml) {
  const std::regex token(
      R"re(<\?xml [^?]*\?>|<([a-z]+)((?: [a-zA-Z0-9:-]+="[^"<]*")*)(/?)>|</([a-z]+)>|[^<]+)re");
  std::vector<std::string> open;
  std::size_t covered = 0;
  for (std::sregex_iterator it(xml.begin(), xml.end(), token), end; it != end; ++it) {
    ASSERT_EQ(static_cast<std::size_t>(it->position()), covered) << xml.substr(covered, 80);
    covered += static_cast<std::size_t>(it->length());
    if ((*it)[1].matched && !(*it)[3].length()) open.push_back((*it)[1]);
    if ((*it)[4].matched) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), (*it)[4].str());
      open.pop_back();
    }
  }
  EXPECT_EQ(covered, xml.size());
  EXPECT_TRUE(open.empty());
  EXPECT_FALSE(std::regex_search(xml, std::regex("&(?!(amp|lt|gt|quot|apos);)")));
  for (const char c : xml) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TrainingPicture sample() {
  TrainingPicture picture;
  picture.title = "LeNet on MNIST";
  picture.subtitle = "seed 1";
  picture.train_loss = {0.3, 0.05, 0.02};
  picture.validation_loss = {0.07, 0.04, 0.03};
  picture.validation_accuracy = {0.978, 0.987, 0.9912};
  picture.confusion = {{971, 2}, {7, 1020}};
  picture.class_names = {"zero", "one"};
  Tensor image = zeros({28, 28}, {.dtype = DType::uint8});
  picture.misclassified = {{image, 0, 1}, {image.alias({1, 28, 28}), 1, 0}};
  return picture;
}

TEST(ReportPicture, IsWellFormedAndComplete) {
  const std::string svg = training_picture_svg(sample());
  expect_well_formed(svg);
  for (const char* part :
       {"LeNet on MNIST", "seed 1", "99.12 %", "Loss", "Accuracy", "Confusion matrix", ">971<", ">7<",
        "true zero, predicted one: 2 (0.21 %)", "→ one", "2 of 9", ">epoch<"}) {
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(count(svg, "data:image/png;base64,"), 2U);
  EXPECT_EQ(count(svg, "<polyline"), 3U);
  EXPECT_EQ(count(svg, "http"), 2U);  // the two name spaces: nothing is loaded from elsewhere
}

TEST(ReportPicture, EscapesTextFromOutside) {
  TrainingPicture picture = sample();
  picture.title = "<script>alert(\"1 & 2\")</script> \x01\xff '";
  picture.class_names = {"a<b", "c&d"};
  picture.validation_name = "<dev>";
  const std::string svg = training_picture_svg(picture);
  expect_well_formed(svg);
  EXPECT_NE(svg.find("&lt;script&gt;alert(&quot;1 &amp; 2&quot;)&lt;/script&gt; \uFFFD\uFFFD &apos;"),
            std::string::npos);
  EXPECT_EQ(escape_xml("Ä→😀\t"), "Ä→😀\t");
  EXPECT_EQ(escape_xml("\xc0\xaf"), "\uFFFD\uFFFD");            // an overlong '/'
  EXPECT_EQ(escape_xml("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(escape_xml("\xe2\x86"), "\uFFFD\uFFFD");            // cut
}

TEST(ReportPicture, AnythingMayBeMissing) {
  expect_well_formed(training_picture_svg({}));
  TrainingPicture picture = sample();
  picture.class_names.clear();
  picture.validation_accuracy = {std::numeric_limits<double>::quiet_NaN()};
  picture.validation_loss.clear();
  picture.train_loss = {1, std::numeric_limits<double>::infinity(), 0.5, 0.25,
                        -std::numeric_limits<double>::quiet_NaN()};
  const std::string svg = training_picture_svg(picture);
  expect_well_formed(svg);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_EQ(count(svg, "<polyline"), 1U);  // a gap at the infinite value
  picture.train_loss = {0, 0};
  picture.validation_accuracy = {1.0};
  picture.confusion = {{0, 0}, {0, 5}};
  expect_well_formed(training_picture_svg(picture));
  picture.confusion.assign(200, std::vector<std::int64_t>(200));
  EXPECT_NE(training_picture_svg(picture).find("200 classes: too many to draw"), std::string::npos);
}

TEST(ReportPicture, RefusesPartsThatDoNotFit) {
  TrainingPicture picture = sample();
  picture.confusion = {{1, 2}, {3}};
  EXPECT_THROW(training_picture_svg(picture), ShapeError);
  picture.confusion = {{1}};
  EXPECT_THROW(training_picture_svg(picture), ShapeError);  // two class names
  picture.confusion = {{1, 2}, {3, -1}};
  EXPECT_THROW(training_picture_svg(picture), ValueError);
  picture = sample();
  picture.misclassified[0].predicted = 2;
  EXPECT_THROW(training_picture_svg(picture), ValueError);
  picture = sample();
  picture.misclassified[0].image = zeros({28, 28});
  EXPECT_THROW(training_picture_svg(picture), DTypeError);
  const TempFolder folder;
  const auto nowhere = folder.path() / "no" / "such.svg";
  expect_error<DataError>([&] { write_training_picture(nowhere, sample()); }, {nowhere.string()});
  write_training_picture(folder.path() / "a.svg", sample());
  EXPECT_EQ(read_file(folder.path() / "a.svg"), training_picture_svg(sample()));
}

TEST(ReportPicture, AxesEndOnRoundNumbers) {
  const Axis loss = nice_axis(0, 0.31, 5);
  EXPECT_EQ(loss.ticks.size(), 5U);  // 0 0.1 0.2 0.3 0.4
  EXPECT_NEAR(loss.high, 0.4, 1e-12);
  EXPECT_EQ(loss.decimals, 1);
  const Axis accuracy = nice_axis(97.6, 99.3, 5);
  EXPECT_NEAR(accuracy.low, 97.5, 1e-9);
  EXPECT_NEAR(accuracy.high, 99.5, 1e-9);
  const Axis flat = nice_axis(3, 3, 5);
  EXPECT_GT(flat.high, flat.low);
}

TEST(ReportPicture, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("M"), "TQ==");
  EXPECT_EQ(base64("Ma"), "TWE=");
  EXPECT_EQ(base64("Man"), "TWFu");
  EXPECT_EQ(base64("\xff\x00\xfe\xfd"s), "/wD+/Q==");
}

}  // namespace
}  // namespace gnn::testing
