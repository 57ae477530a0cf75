#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

struct MisclassifiedImage {
  Tensor image;  ///< uint8 on the CPU: [H, W], [1, H, W] or [3, H, W]
  std::int64_t label = 0;
  std::int64_t predicted = 0;
};

/// A training run to be looked at. Whatever is left empty is left out of the picture.
struct TrainingPicture {
  std::string title;
  std::string subtitle;
  std::vector<double> train_loss;           ///< one per epoch; values that are not finite leave a gap
  std::vector<double> validation_loss;      ///< the same
  std::vector<double> validation_accuracy;  ///< the same, from 0 to 1
  std::string validation_name = "test";     ///< what the data of the last two are called
  /// Counts of true class (row) by predicted class (column), square.
  std::vector<std::vector<std::int64_t>> confusion;
  std::vector<std::string> class_names;           ///< empty: the classes' numbers
  std::vector<MisclassifiedImage> misclassified;  ///< the first 24 are shown
};

/// The picture as SVG, 1200 x 800, self-contained: loss and accuracy curves, the confusion matrix as a heat
/// map, and misclassified images with "true → predicted". Throws ShapeError or ValueError for a confusion
/// matrix that is not square, has negative counts or does not fit the class names, and for labels outside the
/// class names; what encode_png throws for an image.
GNN_API std::string training_picture_svg(const TrainingPicture& picture);

/// Writes it to `path`, whole or not at all. Throws DataError when it cannot be written.
GNN_API void write_training_picture(const std::filesystem::path& path, const TrainingPicture& picture);

}  // namespace gnn
