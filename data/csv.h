#pragma once

#include <cstdint>
#include <filesystem>

#include "gnn/data/dataset.h"

namespace gnn {

/// What a row of a CSV file of images holds: the label, then channels * height * width pixels.
struct CsvOptions {
  std::int64_t channels = 1;
  std::int64_t height = 28;
  std::int64_t width = 28;
  std::int64_t classes = 10;
};

/// Reads labelled images from a CSV file, plain or gzip: one image per line, `label,p0,p1,…`, all whole
/// numbers, labels 0 … classes - 1, pixels 0 … 255 in row-major order (channel by channel). The first line
/// may be a header: no numbers in it, or numbers that count up after the first field ("label,0,1,2,…").
/// Fields may have blanks around them and lines may end in CR LF; empty lines are taken only at the end.
///
/// `mean` and `std` of the result are those of its pixels; for test data set them to the training data's. The
/// class names are "0", "1", …; the name is the file's.
/// Throws DataError, naming the file, the line, the field and what to do, for a missing or extra field,
/// anything that is not a whole number, a value out of range, and what InputFile finds (missing, empty,
/// damaged gzip); ValueError for options below 1.
GNN_API ImageDataset load_csv(const std::filesystem::path& path, const CsvOptions& options = {});

}  // namespace gnn
