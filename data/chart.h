#pragma once

// Line charts for report_picture. Not installed.

#include <string>
#include <vector>

#include "gnn/data/svg.h"

namespace gnn {

struct Series {
  std::string name;
  std::string_view color;
  std::vector<double> values;  // of epochs 1, 2, …; gaps where not finite
};

struct Axis {
  double low = 0;
  double high = 1;
  std::vector<double> ticks;  // within [low, high]
  int decimals = 0;           // that the ticks need
};

/// An axis over [low, high], widened to whole ticks at 1, 2 or 5 times a power of ten, about `count` of them.
GNN_API Axis nice_axis(double low, double high, int count);

struct Chart {
  std::string title;
  std::vector<Series> series;
  bool percent =
      false;  // values are fractions, shown in per cent; the axis need not start at 0 but ends by 100
};

/// Draws the chart with its title and legend into the rectangle.
void draw_chart(Svg& svg, const Chart& chart, Point corner, double width, double height);

}  // namespace gnn
