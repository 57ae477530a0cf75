#include "gnn/train/progress.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "gnn/core/text.h"

namespace {

using gnn::BarStyle;
using gnn::progress_line;
using gnn::ProgressState;

TEST(Progress, Durations) {
  EXPECT_EQ(gnn::format_duration(0), "0:00");
  EXPECT_EQ(gnn::format_duration(7.4), "0:07");
  EXPECT_EQ(gnn::format_duration(59.6), "1:00");
  EXPECT_EQ(gnn::format_duration(3723), "1:02:03");
  EXPECT_EQ(gnn::format_duration(-1), "0:00");
}

TEST(Progress, Counts) {
  EXPECT_EQ(gnn::format_count(0), "0");
  EXPECT_EQ(gnn::format_count(999), "999");
  EXPECT_EQ(gnn::format_count(60000), "60,000");
  EXPECT_EQ(gnn::format_count(1234567), "1,234,567");
  EXPECT_EQ(gnn::format_count(-123), "-123");
  EXPECT_EQ(gnn::format_count(-1234), "-1,234");
}

TEST(Progress, Bytes) {
  EXPECT_EQ(gnn::format_bytes(0), "0 B");
  EXPECT_EQ(gnn::format_bytes(1023), "1023 B");
  EXPECT_EQ(gnn::format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(gnn::format_bytes(1724320), "1.64 MiB");
  EXPECT_EQ(gnn::format_bytes(std::int64_t{5} << 40), "5.00 TiB");
}

const ProgressState half{"Epoch 1/3", 500, 1000, 2, "samples", "loss 0.5"};

TEST(Progress, Line) {
  EXPECT_EQ(progress_line(half, 200, BarStyle::none),
            "Epoch 1/3   50 %  500/1,000  250 samples/s  loss 0.5  ETA 0:02");
  EXPECT_EQ(progress_line(half, 200, BarStyle::ascii),
            "Epoch 1/3  ###############---------------   50 %  500/1,000  250 samples/s  loss 0.5  ETA 0:02");
  EXPECT_NE(progress_line(half, 200, BarStyle::utf8).find("━╺┄"), std::string::npos);
}

TEST(Progress, LineFitsTheTerminal) {
  for (int columns = 0; columns < 120; ++columns) {
    EXPECT_LE(progress_line(half, columns, BarStyle::ascii).size(), static_cast<std::size_t>(columns));
  }
}

TEST(Progress, LineAtTheEdges) {
  EXPECT_EQ(progress_line({"x", 0, 10}, 200, BarStyle::none), "x    0 %  0/10");
  EXPECT_EQ(progress_line({"x", 10, 10, 4}, 200, BarStyle::none), "x  100 %  10/10  2.5 samples/s");
  EXPECT_EQ(progress_line({"x", 0, 0}, 200, BarStyle::none), "x  100 %  0/0");
  EXPECT_EQ(progress_line({"x", 999, 1000, 1, "img"}, 200, BarStyle::none),
            "x   99 %  999/1,000  999 img/s  ETA 0:00");
}

std::string written(const gnn::ProgressOptions& base, const auto& use) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  gnn::ProgressOptions options = base;
  options.stream = file.get();
  use(options);
  std::string text(static_cast<std::size_t>(std::ftell(file.get())), '\0');
  std::rewind(file.get());
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file.get()), text.size());
  return text;
}

TEST(Progress, DrawsOverOneLineOnATerminal) {
  const std::string text =
      written({.terminal = true, .redraw_seconds = 0}, [](const gnn::ProgressOptions& options) {
        gnn::Progress progress("x", 2, options);
        progress.update(1, "note");
        progress.finish("done");
        progress.update(2);
        progress.finish("again");
      });
  EXPECT_EQ(text.front(), '\r');
  EXPECT_NE(text.find("note"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\x1b[K\r\x1b[Kdone\n")) << text;
}

TEST(Progress, AnUnfinishedBarEndsItsLine) {
  const std::string text =
      written({.terminal = true, .redraw_seconds = 0}, [](const gnn::ProgressOptions& options) {
        gnn::Progress progress("x", 2, options);
        progress.update(1);
      });
  EXPECT_TRUE(text.ends_with("\x1b[K\n"));
}

TEST(Progress, WritesPlainLinesElsewhere) {
  const std::string text = written({.line_seconds = 0}, [](const gnn::ProgressOptions& options) {
    gnn::Progress progress("x", 2, options);
    progress.update(1);
    progress.finish("done");
  });
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_TRUE(text.starts_with("x   50 %  1/2  ")) << text;
  EXPECT_TRUE(text.ends_with("\ndone\n")) << text;
}

TEST(Progress, DoesNotWriteTooOften) {
  const std::string text =
      written({.terminal = true, .redraw_seconds = 1000}, [](const gnn::ProgressOptions& options) {
        gnn::Progress progress("x", 2, options);
        progress.update(1);
      });
  EXPECT_EQ(text, "");
}

}  // namespace
