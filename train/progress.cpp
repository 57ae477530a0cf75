#include "gnn/train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "gnn/core/text.h"

namespace gnn {
namespace {

constexpr int narrowest_bar = 8;
constexpr int widest_bar = 30;

bool is_terminal(std::FILE* stream) {
  const char* term = std::getenv("TERM");
  return ::isatty(::fileno(stream)) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

int columns_of(std::FILE* stream) {
  winsize size{};
  return ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// Whether the locale's encoding is UTF-8, by the variables' order of precedence.
bool locale_is_utf8() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    std::string name(value);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return name.find("utf-8") != std::string::npos || name.find("utf8") != std::string::npos;
  }
  return false;
}

std::string bar(double fraction, int width, BarStyle style) {
  const int full = static_cast<int>(fraction * width);
  std::string text;
  for (int i = 0; i < width; ++i) {
    if (style == BarStyle::utf8) {
      text += i < full ? "━" : i == full ? "╺" : "┄";
    } else {
      text += i < full ? '#' : '-';
    }
  }
  return text;
}

}  // namespace

std::string progress_line(const ProgressState& state, int columns, BarStyle style) {
  const double fraction =
      state.total > 0
          ? std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0)
          : 1;
  std::string tail = fmt::format("{:3.0f} %  {}/{}", std::floor(100 * fraction), format_count(state.done),
                                 format_count(state.total));
  if (state.done > 0 && state.seconds > 0) {
    const double rate = static_cast<double>(state.done) / state.seconds;
    tail += fmt::format(
        "  {} {}/s", rate < 10 ? fmt::format("{:.1f}", rate) : format_count(std::llround(rate)), state.unit);
  }
  if (!state.note.empty()) tail += "  " + state.note;
  if (state.done > 0 && state.done < state.total) {
    tail += "  ETA " + format_duration(state.seconds * (1 - fraction) / fraction);
  }
  const int room = columns - static_cast<int>(state.label.size() + tail.size()) - 4;
  if (style != BarStyle::none && room >= narrowest_bar) {
    return fmt::format("{}  {}  {}", state.label, bar(fraction, std::min(room, widest_bar), style), tail);
  }
  return (state.label + "  " + tail).substr(0, static_cast<std::size_t>(std::max(columns, 0)));
}

Progress::Progress(std::string label, std::int64_t total, const ProgressOptions& options)
    : options_(options), terminal_(options.terminal.value_or(is_terminal(options.stream))) {
  state_.label = std::move(label);
  state_.total = total;
  state_.unit = options.unit;
}

Progress::~Progress() {
  if (drawn_ && !finished_) std::fputc('\n', options_.stream);
}

void Progress::update(std::int64_t done, std::string_view note) {
  const Clock::time_point now = Clock::now();
  const double since = std::chrono::duration<double>(now - shown_).count();
  if (finished_ || since < (terminal_ ? options_.redraw_seconds : options_.line_seconds)) return;
  shown_ = now;
  state_.done = done;
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  state_.note = note;
  if (terminal_) {
    // \x1b[K clears what an earlier, longer line left; the last column stays free, where some terminals wrap.
    fmt::print(options_.stream, "\r{}\x1b[K",
               progress_line(state_, columns_of(options_.stream) - 1,
                             locale_is_utf8() ? BarStyle::utf8 : BarStyle::ascii));
    drawn_ = true;
  } else {
    fmt::print(options_.stream, "{}\n",
               progress_line(state_, std::numeric_limits<int>::max(), BarStyle::none));
  }
  std::fflush(options_.stream);
}

void Progress::finish(std::string_view line) {
  if (finished_) return;
  finished_ = true;
  fmt::print(options_.stream, "{}{}\n", drawn_ ? "\r\x1b[K" : "", line);
  std::fflush(options_.stream);
}

}  // namespace gnn
