#include "gnn/data/svg.h"

#include <cstdint>
#include <iterator>

namespace gnn {
namespace {

// Length of the UTF-8 sequence that starts `text` and XML 1.0 allows; 0: none does.
std::size_t allowed_character(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  const std::size_t length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : 2;
  if (first < 0xc2 || first >= 0xf5 || text.size() < length) return 0;
  std::uint32_t code = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return 0;
    code = (code << 6) | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < smallest[length] || code > 0x10ffff || surrogate || code == 0xfffe || code == 0xffff) return 0;
  return length;
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = allowed_character(text);
    switch (length == 1 ? text[0] : '\0') {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = i; j < i + 3; ++j) {
      group = group << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : digits[group >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

double text_width(std::string_view text, double size) {
  double width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;  // inside a UTF-8 sequence
    const bool narrow = std::string_view(" .,:;'|!()[]ijltfI").find(c) != std::string_view::npos;
    const bool wide = std::string_view("mwMW%@").find(c) != std::string_view::npos || byte >= 0x80;
    width += size * (narrow ? 0.34 : wide ? 0.9 : 0.6);
  }
  return width;
}

std::string fit_text(const std::string& text, double size, double width) {
  if (text_width(text, size) <= width) return text;
  std::string cut = text;
  while (!cut.empty() && text_width(cut + "…", size) > width) {
    while (!cut.empty() && (static_cast<unsigned char>(cut.back()) & 0xc0) == 0x80) cut.pop_back();
    if (!cut.empty()) cut.pop_back();
  }
  return cut + "…";
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  put(R"(<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{0:g}" height="{1:g}" viewBox="0 0 {0:g} {1:g}" role="img" font-family="Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif">
<title>{2}</title>
<desc>{3}</desc>
)",
      width, height, escape_xml(title), escape_xml(description));
}

void Svg::text(Point at, std::string_view text, const TextStyle& style) {
  put(R"(<text x="{:.5g}" y="{:.5g}" font-size="{:g}" fill="{}")", at.x, at.y, style.size, style.color);
  if (style.anchor != "start") put(R"( text-anchor="{}")", style.anchor);
  if (style.bold) put(R"( font-weight="600")");
  if (style.rotate != 0) put(R"x( transform="rotate({:g} {:.5g} {:.5g})")x", style.rotate, at.x, at.y);
  put(">{}</text>\n", escape_xml(text));
}

void Svg::end_shape(std::string_view element, std::string_view tooltip) {
  if (tooltip.empty()) {
    put("/>\n");
  } else {
    put("><title>{}</title></{}>\n", escape_xml(tooltip), element);
  }
}

void Svg::box(Point corner, double width, double height, std::string_view fill, std::string_view stroke,
              double radius, std::string_view tooltip) {
  put(R"(<rect x="{:.5g}" y="{:.5g}" width="{:.5g}" height="{:.5g}" fill="{}")", corner.x, corner.y, width,
      height, fill);
  if (!stroke.empty()) put(R"( stroke="{}")", stroke);
  if (radius > 0) put(R"( rx="{:g}")", radius);
  end_shape("rect", tooltip);
}

void Svg::line(Point from, Point to, std::string_view color, double width) {
  put(R"(<line x1="{:.5g}" y1="{:.5g}" x2="{:.5g}" y2="{:.5g}" stroke="{}" stroke-width="{:g}"/>)"
      "\n",
      from.x, from.y, to.x, to.y, color, width);
}

void Svg::curve(const std::vector<Point>& points, std::string_view color, double width) {
  if (points.size() < 2) return;
  put(R"(<polyline fill="none" stroke="{}" stroke-width="{:g}" stroke-linejoin="round" stroke-linecap="round" points=")",
      color, width);
  for (const Point& point : points) put("{:.5g},{:.5g} ", point.x, point.y);
  put("\"/>\n");
}

void Svg::dot(Point center, double radius, std::string_view color, std::string_view tooltip) {
  put(R"(<circle cx="{:.5g}" cy="{:.5g}" r="{:g}" fill="{}")", center.x, center.y, radius, color);
  end_shape("circle", tooltip);
}

void Svg::image(Point corner, double width, double height, std::string_view png) {
  // xlink:href is what every viewer knows; SVG 2's plain href is not.
  const std::string data = "data:image/png;base64," + base64(png);
  put(R"(<image x="{:.5g}" y="{:.5g}" width="{:.5g}" height="{:.5g}" preserveAspectRatio="none" xlink:href="{}"/>)"
      "\n",
      corner.x, corner.y, width, height, data);
}

std::string Svg::finish() {
  put("</svg>\n");
  return std::move(out_);
}

}  // namespace gnn
