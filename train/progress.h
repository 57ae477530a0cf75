#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "gnn/core/export.h"

namespace gnn {

/// What a progress bar shows.
struct ProgressState {
  std::string label;
  std::int64_t done = 0;
  std::int64_t total = 0;
  double seconds = 0;  ///< since the start
  std::string unit = "samples";
  std::string note = {};  ///< free text behind the rate, for example "loss 0.0412"
  bool finished = false;  ///< the work is over; `note` is what it came to
};

/// What the bar is drawn with: not at all, "###---", or line-drawing characters.
enum class BarStyle { none, ascii, utf8 };

/// The state as one line of at most `columns` columns: label, bar, percentage, count, rate, note and the time
/// left; a line that is too long loses the bar first, then its end.
GNN_API std::string progress_line(const ProgressState& state, int columns, BarStyle style);

struct ProgressOptions {
  std::FILE* stream = stderr;
  std::string unit = "samples";
  /// Draw over one line (a terminal) or write plain lines; empty: what `stream` is, with TERM=dumb as plain.
  std::optional<bool> terminal = {};
  /// Least seconds between two drawings, and between two plain lines.
  double redraw_seconds = 0.1;
  double line_seconds = 10;
};

/// Shows how far long work has come: a bar on a terminal, now and then a plain line elsewhere. A Progress
/// that is destroyed unfinished leaves what it showed last.
class GNN_API Progress {
 public:
  Progress(std::string label, std::int64_t total, const ProgressOptions& options = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows that `done` of the total are done, unless something was shown a moment ago.
  void update(std::int64_t done, std::string_view note = {});
  /// Puts `line` in the bar's place, or writes it as a plain line; nothing more is shown.
  void finish(std::string_view line);

 private:
  using Clock = std::chrono::steady_clock;

  ProgressState state_;
  ProgressOptions options_;
  bool terminal_;
  bool drawn_ = false;
  bool finished_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
};

}  // namespace gnn
