#include "gnn/data/csv.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gnn/core/check.h"
#include "gnn/data/input_file.h"

namespace gnn {
namespace {

/// The lines of a file, without their ends.
class LineReader {
 public:
  LineReader(const std::filesystem::path& path, std::size_t longest)
      : file_(path), longest_(longest), buffer_(std::max<std::size_t>(2 * longest, 1u << 20)) {}

  /// False at the end of the file; `line` is valid until the next call.
  bool next(std::string_view& line) {
    for (;;) {
      const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
      const std::size_t newline = rest.find('\n');
      check<DataError>(std::min(newline, rest.size()) <= longest_,
                       "{}: line {} is longer than {} characters; is it a CSV file?", name(), number_ + 1,
                       longest_);
      if (newline != rest.npos || (finished_ && !rest.empty())) {
        line = rest.substr(0, newline);
        begin_ += std::min(line.size() + 1, rest.size());
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (number_++ == 0 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);  // byte order mark
        return true;
      }
      if (finished_) return false;
      refill();
    }
  }

  /// Of the line that next() gave last, from 1.
  std::int64_t number() const { return number_; }
  const std::string& name() const { return file_.name(); }

 private:
  void refill() {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    const std::size_t got = file_.read(buffer_.data() + end_, buffer_.size() - end_);
    end_ += got;
    finished_ = got == 0;
  }

  InputFile file_;
  std::size_t longest_;
  std::vector<char> buffer_;  // holds at least two lines, so there is room for a read after any partial one
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool finished_ = false;
  std::int64_t number_ = 0;
};

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the next field off the line.
std::string_view next_field(std::string_view& line, bool& more) {
  const std::size_t comma = line.find(',');
  const std::string_view field = line.substr(0, comma);
  more = comma != line.npos;
  line.remove_prefix(more ? comma + 1 : line.size());
  return trim(field);
}

// The whole number that `text` is, if it is one below a million; -1 otherwise.
std::int64_t parse_number(std::string_view text) {
  if (text.empty() || text.size() > 6) return -1;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// For messages: damaged files have damaged fields.
std::string quoted(std::string_view field) {
  std::string text = "'";
  for (const char c : field.substr(0, 20)) text += c >= ' ' && c <= '~' ? c : '?';
  return text + (field.size() > 20 ? "…'" : "'");
}

class CsvReader {
 public:
  CsvReader(const std::filesystem::path& path, const CsvOptions& options)
      : fields_(options.channels * options.height * options.width + 1),
        classes_(options.classes),
        // Blanks aside, a number has three digits and a comma; a header may have longer names.
        lines_(path, static_cast<std::size_t>(fields_) * 32 + 1024) {}

  void read() {
    std::string_view line;
    std::int64_t first_empty = 0;
    while (lines_.next(line)) {
      if (trim(line).empty()) {
        if (first_empty == 0) first_empty = lines_.number();
        continue;
      }
      check<DataError>(first_empty == 0, "{}: line {} is empty, and line {} is not; delete the empty line",
                       lines_.name(), first_empty, lines_.number());
      if (lines_.number() == 1 && is_header(line)) continue;
      read_row(line);
    }
    check<DataError>(!labels.empty(),
                     "{}: line {}: it ends without any image; expected lines 'label,p0,p1,…'", lines_.name(),
                     lines_.number());
  }

  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;

 private:
  // A damaged first row must not pass for a header: a header has no numbers, or numbers that count up.
  bool is_header(std::string_view line) const {
    bool more = true;
    if (parse_number(next_field(line, more)) >= 0) return false;
    std::int64_t previous = -1;
    std::int64_t count = 1;
    bool any_number = false;
    bool any_name = false;
    for (; more; ++count) {
      const std::int64_t value = parse_number(next_field(line, more));
      if (value < 0) {
        any_name = true;
      } else if (any_number && value != previous + 1) {
        return false;
      } else {
        any_number = true;
        previous = value;
      }
    }
    if (any_number && any_name) return false;
    check_count(count);
    return true;
  }

  void check_count(std::int64_t count) const {
    check<DataError>(
        count == fields_,
        "{}: line {}: expected {} fields (the label and {} pixels), got {}; check the image size, the "
        "separator (a comma) and that every image has a label",
        lines_.name(), lines_.number(), fields_, fields_ - 1, count);
  }

  [[noreturn]] void fail_field(std::string_view field, std::int64_t column, std::int64_t limit) const {
    fail<DataError>(
        "{}: line {}, field {} ({}): expected a whole number from 0 to {}, got {}; correct or delete the "
        "line",
        lines_.name(), lines_.number(), column + 1,
        column == 0 ? "the label" : "pixel " + std::to_string(column - 1), limit,
        field.empty() ? "nothing" : quoted(field));
  }

  void read_row(std::string_view line) {
    const std::string_view whole = line;
    bool more = true;
    const std::string_view label_field = next_field(line, more);
    const std::int64_t label = parse_number(label_field);
    if (label < 0 || label >= classes_) fail_field(label_field, 0, classes_ - 1);
    std::int64_t column = 1;
    for (; more && column < fields_; ++column) {
      const std::string_view field = next_field(line, more);
      const std::int64_t value = parse_number(field);
      if (value < 0 || value > 255) fail_field(field, column, 255);
      pixels.push_back(static_cast<std::uint8_t>(value));
    }
    if (more || column < fields_) check_count(1 + std::ranges::count(whole, ','));
    labels.push_back(label);
  }

  std::int64_t fields_;
  std::int64_t classes_;
  LineReader lines_;
};

}  // namespace

ImageDataset load_csv(const std::filesystem::path& path, const CsvOptions& options) {
  for (const std::int64_t value : {options.channels, options.height, options.width, options.classes}) {
    check<ValueError>(value >= 1 && value <= 65536,
                      "load_csv: expected channels, height, width and classes from 1 to 65536, got {}",
                      value);
  }
  check<ValueError>(options.channels * options.height * options.width <= 1 << 22,
                    "load_csv: images of {} x {} x {} are too large for text", options.channels,
                    options.height, options.width);
  CsvReader reader(path, options);
  reader.read();
  ImageDataset dataset;
  dataset.name = path.filename().string();
  const auto count = static_cast<std::int64_t>(reader.labels.size());
  dataset.images = from_values(reader.pixels, {count, options.channels, options.height, options.width});
  dataset.labels = from_values(reader.labels, {count});
  for (std::int64_t c = 0; c < options.classes; ++c) dataset.class_names.push_back(std::to_string(c));
  const PixelStatistics statistics = pixel_statistics(dataset.images);
  dataset.mean = statistics.mean;
  dataset.std = statistics.std;
  return dataset;
}

}  // namespace gnn
