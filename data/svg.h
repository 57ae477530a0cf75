#pragma once

// The few shapes that pictures are made of, as SVG text. Not installed.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "gnn/core/export.h"

namespace gnn {

struct Point {
  double x = 0;
  double y = 0;
};

struct TextStyle {
  double size = 12;
  std::string_view color = "#1f2933";
  std::string_view anchor = "start";  // start, middle, end
  bool bold = false;
  double rotate = 0;  // degrees, around the text's position
};

/// `text` as XML character data or attribute value: the five special characters escaped, what XML 1.0 does
/// not allow (control characters, bytes that are no UTF-8) replaced by U+FFFD.
GNN_API std::string escape_xml(std::string_view text);

/// `bytes` in base64.
GNN_API std::string base64(std::string_view bytes);

/// `text` cut to about `width` pixels at that font size, with an ellipsis.
std::string fit_text(const std::string& text, double size, double width);
/// About how wide a proportional sans-serif font sets it: exact widths are the viewer's business.
double text_width(std::string_view text, double size);

/// An SVG picture being drawn; later shapes lie above earlier ones.
class Svg {
 public:
  Svg(double width, double height, std::string_view title, std::string_view description);

  void text(Point at, std::string_view text, const TextStyle& style = {});
  /// A box; an empty stroke draws none. `tooltip` is shown by browsers.
  void box(Point corner, double width, double height, std::string_view fill, std::string_view stroke = {},
           double radius = 0, std::string_view tooltip = {});
  void line(Point from, Point to, std::string_view color, double width = 1);
  void curve(const std::vector<Point>& points, std::string_view color, double width);
  void dot(Point center, double radius, std::string_view color, std::string_view tooltip = {});
  /// A PNG file, embedded.
  void image(Point corner, double width, double height, std::string_view png);

  /// The whole document; nothing can be added after it.
  std::string finish();

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }
  void end_shape(std::string_view element, std::string_view tooltip);
  std::string out_;
};

}  // namespace gnn
