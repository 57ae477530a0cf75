#include "gnn/data/chart.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gnn {
namespace {

constexpr std::string_view grid_color = "#e4e7eb";
constexpr std::string_view axis_color = "#9aa5b1";
constexpr std::string_view label_color = "#52606d";

// Value as the reader sees it: a fraction becomes per cent.
double shown(const Chart& chart, double value) {
  return chart.percent ? value * 100 : value;
}

std::string last_value(const Chart& chart, const Series& series) {
  const auto last =
      std::find_if(series.values.rbegin(), series.values.rend(), [](double v) { return std::isfinite(v); });
  if (last == series.values.rend()) return series.name;
  if (chart.percent) return fmt::format("{} {:.2f} %", series.name, shown(chart, *last));
  return fmt::format("{} {:.4g}", series.name, *last);
}

Axis value_axis(const Chart& chart) {
  double low = INFINITY;
  double high = -INFINITY;
  for (const Series& series : chart.series) {
    for (const double value : series.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, shown(chart, value));
      high = std::max(high, shown(chart, value));
    }
  }
  if (low > high) return nice_axis(0, 1, 5);
  if (!chart.percent) return nice_axis(std::min(low, 0.0), high > 0 ? high : 1, 5);
  const double margin = std::max(0.1, 0.15 * (high - low));
  return nice_axis(std::max(0.0, low - margin), std::min(100.0, high + margin), 5);
}

// Epoch numbers to label: all while they fit, else every 2nd, 5th, 10th …
std::vector<std::size_t> epoch_ticks(std::size_t epochs) {
  const Axis axis = nice_axis(0, static_cast<double>(epochs), 8);
  const std::size_t step =
      axis.ticks.size() < 2
          ? 1
          : std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(axis.ticks[1] - axis.ticks[0])));
  std::vector<std::size_t> ticks;
  if (step > 1) ticks.push_back(1);
  for (std::size_t epoch = step; epoch <= epochs; epoch += step) ticks.push_back(epoch);
  return ticks;
}

}  // namespace

Axis nice_axis(double low, double high, int count) {
  if (!(high > low)) high = low + 1;
  const double raw = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double factor = raw / power;
  const double step = power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
  Axis axis;
  // The small shift keeps a bound that is a tick up to rounding from gaining another one.
  const auto first = static_cast<std::int64_t>(std::floor(low / step + 1e-9));
  const auto last = static_cast<std::int64_t>(std::ceil(high / step - 1e-9));
  for (std::int64_t i = first; i <= last; ++i) axis.ticks.push_back(static_cast<double>(i) * step);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  axis.decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 12);
  return axis;
}

void draw_chart(Svg& svg, const Chart& chart, Point corner, double width, double height) {
  svg.text({corner.x + 20, corner.y + 30}, chart.title, {.size = 15, .bold = true});
  double legend = corner.x + 20;
  for (const Series& series : chart.series) {
    const std::string label = last_value(chart, series);
    svg.line({legend, corner.y + 49}, {legend + 16, corner.y + 49}, series.color, 3);
    svg.text({legend + 22, corner.y + 53}, label, {.size = 12, .color = label_color});
    legend += 22 + text_width(label, 12) + 18;
  }

  const double left = corner.x + (chart.percent ? 68 : 58);
  const double right = corner.x + width - 24;
  const double top = corner.y + 74;
  const double bottom = corner.y + height - 48;
  const Axis axis = value_axis(chart);
  const auto y_of = [&](double value) {
    return bottom - (value - axis.low) / (axis.high - axis.low) * (bottom - top);
  };
  std::size_t epochs = 1;
  for (const Series& series : chart.series) epochs = std::max(epochs, series.values.size());
  // A single epoch sits in the middle.
  const auto x_of = [&](std::size_t epoch) {
    if (epochs == 1) return (left + right) / 2;
    return left + 8 + (right - left - 16) * static_cast<double>(epoch - 1) / static_cast<double>(epochs - 1);
  };

  for (const double tick : axis.ticks) {
    svg.line({left, y_of(tick)}, {right, y_of(tick)}, grid_color);
    svg.text({left - 8, y_of(tick) + 4},
             fmt::format("{:.{}f}{}", tick, axis.decimals, chart.percent ? " %" : ""),
             {.size = 11, .color = label_color, .anchor = "end"});
  }
  svg.line({left, bottom}, {right, bottom}, axis_color);
  double free_from = left;
  for (const std::size_t epoch : epoch_ticks(epochs)) {
    const double x = x_of(epoch);
    if (x < free_from) continue;
    svg.line({x, bottom}, {x, bottom + 4}, axis_color);
    svg.text({x, bottom + 18}, std::to_string(epoch), {.size = 11, .color = label_color, .anchor = "middle"});
    free_from = x + 18;
  }
  svg.text({(left + right) / 2, bottom + 38}, "epoch",
           {.size = 12, .color = label_color, .anchor = "middle"});

  for (const Series& series : chart.series) {
    std::vector<Point> run;
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      if (std::isfinite(series.values[i])) {
        run.push_back({x_of(i + 1), y_of(shown(chart, series.values[i]))});
      } else {
        svg.curve(std::exchange(run, {}), series.color, 2.25);
      }
    }
    svg.curve(run, series.color, 2.25);
    if (epochs > 40) continue;  // dots would cover the curve
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      const double value = shown(chart, series.values[i]);
      if (!std::isfinite(value)) continue;
      svg.dot({x_of(i + 1), y_of(value)}, 3, series.color,
              fmt::format("epoch {}: {} {:.{}f}{}", i + 1, series.name, value, chart.percent ? 2 : 5,
                          chart.percent ? " %" : ""));
    }
  }
}

}  // namespace gnn
