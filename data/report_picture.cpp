#include "gnn/data/report_picture.h"

#include <algorithm>
#include <cmath>

#include "gnn/core/atomic_file.h"
#include "gnn/core/check.h"
#include "gnn/data/chart.h"
#include "gnn/data/png.h"
#include "gnn/data/svg.h"

namespace gnn {
namespace {

constexpr double picture_width = 1200;
constexpr double picture_height = 800;
constexpr std::size_t most_classes = 60;  // in a heat map of 300 pixels

constexpr std::string_view ink = "#1f2933";
constexpr std::string_view quiet = "#52606d";
constexpr std::string_view blue = "#2563eb";
constexpr std::string_view orange = "#ea580c";
constexpr std::string_view red = "#c81e1e";

struct Color {
  double red;
  double green;
  double blue;
};
constexpr Color correct_color{29, 78, 196};
constexpr Color wrong_color{214, 40, 40};

// From white (0) to `color` (1).
std::string shade(const Color& color, double amount) {
  const auto channel = [&](double full) {
    return static_cast<int>(std::lround(255 + (full - 255) * amount));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", channel(color.red), channel(color.green), channel(color.blue));
}

std::string class_name(const TrainingPicture& picture, std::int64_t label) {
  return picture.class_names.empty() ? std::to_string(label)
                                     : picture.class_names[static_cast<std::size_t>(label)];
}

void check_picture(const TrainingPicture& picture) {
  const std::size_t classes = picture.confusion.size();
  check<ShapeError>(classes == 0 || picture.class_names.empty() || picture.class_names.size() == classes,
                    "training picture: {} class names for a confusion matrix of {} classes",
                    picture.class_names.size(), classes);
  for (const std::vector<std::int64_t>& row : picture.confusion) {
    check<ShapeError>(row.size() == classes,
                      "training picture: a row of {} counts in a confusion matrix of {} classes", row.size(),
                      classes);
    check<ValueError>(row.empty() || std::ranges::min(row) >= 0,
                      "training picture: a negative count in the confusion matrix");
  }
  const auto known = static_cast<std::int64_t>(picture.class_names.size());
  for (const MisclassifiedImage& sample : picture.misclassified) {
    for (const std::int64_t label : {sample.label, sample.predicted}) {
      check<ValueError>(label >= 0 && (known == 0 || label < known),
                        "training picture: label {} is not one of {} classes", label, known);
    }
  }
}

void draw_card(Svg& svg, Point corner, double width, double height) {
  svg.box(corner, width, height, "#ffffff", "#dde2e8", 8);
}

void draw_header(Svg& svg, const TrainingPicture& picture) {
  svg.text({40, 54}, fit_text(picture.title, 26, 860), {.size = 26, .bold = true});
  svg.text({40, 80}, fit_text(picture.subtitle, 14, 860), {.size = 14, .color = quiet});
  const auto& accuracy = picture.validation_accuracy;
  if (accuracy.empty() || !std::isfinite(accuracy.back())) return;
  svg.text({1160, 54}, fmt::format("{:.2f} %", accuracy.back() * 100),
           {.size = 30, .anchor = "end", .bold = true});
  svg.text({1160, 80}, picture.validation_name + " accuracy", {.size = 14, .color = quiet, .anchor = "end"});
}

void draw_curves(Svg& svg, const TrainingPicture& picture, double top, double height) {
  Chart loss{.title = "Loss", .series = {}};
  if (!picture.train_loss.empty()) loss.series.push_back({"train", blue, picture.train_loss});
  if (!picture.validation_loss.empty())
    loss.series.push_back({picture.validation_name, orange, picture.validation_loss});
  draw_card(svg, {40, top}, 350, height);
  draw_chart(svg, loss, {40, top}, 350, height);

  Chart accuracy{.title = "Accuracy", .series = {}, .percent = true};
  if (!picture.validation_accuracy.empty()) {
    accuracy.series.push_back({picture.validation_name, orange, picture.validation_accuracy});
  }
  draw_card(svg, {410, top}, 350, height);
  draw_chart(svg, accuracy, {410, top}, 350, height);
}

std::int64_t sum(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;
  return total;
}

double share(std::int64_t count, std::int64_t total) {
  return total == 0 ? 0 : static_cast<double>(count) / static_cast<double>(total);
}

// The class names along the edges; only every n-th where there are too many.
void draw_class_names(Svg& svg, const TrainingPicture& picture, Point corner, double cell, double margin) {
  const std::size_t classes = picture.confusion.size();
  const std::size_t every = static_cast<std::size_t>(std::ceil(12 / cell));
  const double side = cell * static_cast<double>(classes);
  const double size = std::clamp(cell * 0.45, 9.0, 12.0);
  double widest = 0;
  for (std::size_t i = 0; i < classes; ++i) {
    widest = std::max(widest, text_width(class_name(picture, static_cast<std::int64_t>(i)), size));
  }
  for (std::size_t i = 0; i < classes; i += every) {
    const double middle = (static_cast<double>(i) + 0.5) * cell;
    const std::string name = fit_text(class_name(picture, static_cast<std::int64_t>(i)), size, margin);
    svg.text({corner.x - 6, corner.y + middle + size * 0.35}, name,
             {.size = size, .color = quiet, .anchor = "end"});
    if (widest <= cell) {
      svg.text({corner.x + middle, corner.y + side + 15}, name,
               {.size = size, .color = quiet, .anchor = "middle"});
    } else {
      svg.text({corner.x + middle + 4, corner.y + side + 10}, name,
               {.size = size, .color = quiet, .anchor = "end", .rotate = -45});
    }
  }
}

void draw_cells(Svg& svg, const TrainingPicture& picture, Point corner, double cell) {
  const std::size_t classes = picture.confusion.size();
  double worst = 0;  // the largest share of a class that became one other class
  for (std::size_t row = 0; row < classes; ++row) {
    const std::int64_t total = sum(picture.confusion[row]);
    for (std::size_t column = 0; column < classes; ++column) {
      if (column != row) worst = std::max(worst, share(picture.confusion[row][column], total));
    }
  }
  for (std::size_t row = 0; row < classes; ++row) {
    const std::int64_t total = sum(picture.confusion[row]);
    for (std::size_t column = 0; column < classes; ++column) {
      const std::int64_t count = picture.confusion[row][column];
      const double fraction = share(count, total);
      const Point at{corner.x + static_cast<double>(column) * cell,
                     corner.y + static_cast<double>(row) * cell};
      // Errors are few: their shades are relative to the most frequent one, and start at a visible one.
      const double amount = count == 0 ? 0 : row == column ? fraction : 0.06 + 0.8 * fraction / worst;
      svg.box(at, cell, cell,
              count == 0 ? "#ffffff" : shade(row == column ? correct_color : wrong_color, amount), "#edf0f3",
              0,
              fmt::format("true {}, predicted {}: {} ({:.2f} %)",
                          class_name(picture, static_cast<std::int64_t>(row)),
                          class_name(picture, static_cast<std::int64_t>(column)), count, fraction * 100));
      const std::string text = std::to_string(count);
      const double size = std::min(11.0, (cell - 7) / (0.6 * static_cast<double>(text.size())));
      if (count == 0 || size < 6) continue;
      svg.text(
          {at.x + cell / 2, at.y + cell / 2 + size * 0.36}, text,
          {.size = std::floor(size * 2) / 2, .color = amount > 0.55 ? "#ffffff" : ink, .anchor = "middle"});
    }
  }
}

void draw_confusion(Svg& svg, const TrainingPicture& picture, Point corner, double width, double height) {
  draw_card(svg, corner, width, height);
  svg.text({corner.x + 20, corner.y + 30}, "Confusion matrix", {.size = 15, .bold = true});
  const std::size_t classes = picture.confusion.size();
  if (classes == 0 || classes > most_classes) {
    svg.text({corner.x + 20, corner.y + 60},
             classes == 0 ? "not evaluated" : fmt::format("{} classes: too many to draw", classes),
             {.size = 13, .color = quiet});
    return;
  }
  double margin = 0;
  for (std::size_t i = 0; i < classes; ++i) {
    margin = std::max(margin, text_width(class_name(picture, static_cast<std::int64_t>(i)), 12));
  }
  margin = std::min(margin, 70.0);
  const double under = std::max(16.0, margin * 0.75);  // the names of the columns, tilted when they are long
  const double side = std::min(width - margin - 62, height - 46 - under - 34);
  const Point at{corner.x + 42 + margin + (width - margin - 62 - side) / 2, corner.y + 46};
  const double cell = side / static_cast<double>(classes);
  draw_cells(svg, picture, at, cell);
  draw_class_names(svg, picture, at, cell, margin);
  svg.text({at.x + side / 2, at.y + side + under + 22}, "predicted",
           {.size = 12, .color = quiet, .anchor = "middle"});
  const double left = at.x - margin - 18;
  svg.text({left, at.y + side / 2}, "true", {.size = 12, .color = quiet, .anchor = "middle", .rotate = -90});
}

// Enlarged without smoothing, which viewers would otherwise do each in their way.
std::string enlarged_png(const Tensor& image, std::int64_t side) {
  const bool planar = image.dim() == 3;
  const std::int64_t channels = planar ? image.size(0) : 1;
  check<ShapeError>((image.dim() == 2 || planar) && image.numel() > 0,
                    "training picture: expected images [H, W] or [C, H, W], got {}", image.shape());
  const std::int64_t height = image.size(-2);
  const std::int64_t width = image.size(-1);
  const std::int64_t scale = std::max<std::int64_t>(1, side / std::max(height, width));
  if (scale == 1) return encode_png(image);
  Tensor large = empty({channels, height * scale, width * scale}, {.dtype = DType::uint8});
  const std::uint8_t* from = image.data<std::uint8_t>();
  std::uint8_t* to = large.mutable_data<std::uint8_t>();
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = 0; y < height * scale; ++y) {
      for (std::int64_t x = 0; x < width * scale; ++x)
        *to++ = from[(c * height + y / scale) * width + x / scale];
    }
  }
  return encode_png(large);
}

void draw_misclassified(Svg& svg, const TrainingPicture& picture, Point corner, double width, double height) {
  constexpr std::size_t columns = 12;
  constexpr std::size_t rows = 2;
  draw_card(svg, corner, width, height);
  std::int64_t errors = 0;
  for (std::size_t i = 0; i < picture.confusion.size(); ++i)
    errors += sum(picture.confusion[i]) - picture.confusion[i][i];
  errors = std::max(errors, static_cast<std::int64_t>(picture.misclassified.size()));
  const std::size_t shown = std::min(picture.misclassified.size(), columns * rows);
  svg.text({corner.x + 20, corner.y + 30}, fmt::format("Misclassified {} images", picture.validation_name),
           {.size = 15, .bold = true});
  svg.text({corner.x + width - 20, corner.y + 30},
           errors == 0 ? "none" : fmt::format("true → predicted, {} of {}", shown, errors),
           {.size = 12, .color = quiet, .anchor = "end"});

  const double column_width = (width - 32) / columns;
  const double row_height = (height - 48) / rows;
  for (std::size_t i = 0; i < shown; ++i) {
    const MisclassifiedImage& sample = picture.misclassified[i];
    const std::string label = class_name(picture, sample.label);
    const std::string predicted = class_name(picture, sample.predicted);
    const bool brief = label.size() <= 2 && predicted.size() <= 2;
    const double side = brief ? 76 : 66;
    const double middle = corner.x + 16 + (static_cast<double>(i % columns) + 0.5) * column_width;
    const double top = corner.y + 44 + static_cast<double>(i / columns) * row_height;
    svg.image({middle - side / 2, top}, side, side, enlarged_png(sample.image, 140));
    if (brief) {
      svg.text({middle + 4, top + side + 17}, label + " →", {.size = 14, .color = ink, .anchor = "end"});
      svg.text({middle + 10, top + side + 17}, predicted, {.size = 14, .color = red, .bold = true});
    } else {
      svg.text({middle, top + side + 13}, fit_text(label, 11, column_width - 6),
               {.size = 11, .color = ink, .anchor = "middle"});
      svg.text({middle, top + side + 26}, fit_text("→ " + predicted, 11, column_width - 6),
               {.size = 11, .color = red, .anchor = "middle"});
    }
  }
}

}  // namespace

std::string training_picture_svg(const TrainingPicture& picture) {
  check_picture(picture);
  Svg svg(picture_width, picture_height, picture.title, picture.subtitle);
  svg.box({0, 0}, picture_width, picture_height, "#f5f7fa");
  draw_header(svg, picture);
  draw_curves(svg, picture, 100, 400);
  draw_confusion(svg, picture, {780, 100}, 380, 400);
  draw_misclassified(svg, picture, {40, 520}, 1120, 256);
  return svg.finish();
}

void write_training_picture(const std::filesystem::path& path, const TrainingPicture& picture) {
  write_file_atomically(path, training_picture_svg(picture));
}

}  // namespace gnn
