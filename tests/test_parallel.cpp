// How parallel_for() cuts its loop into pieces.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "gnn/kernels/parallel.h"

namespace gnn::kernels {
namespace {

using Pieces = std::vector<std::pair<std::int64_t, std::int64_t>>;

Pieces pieces_of(std::int64_t count, std::int64_t grain, int threads) {
  const int before = num_threads();
  set_num_threads(threads);
  std::mutex mutex;
  Pieces pieces;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    pieces.emplace_back(begin, end);
  });
  set_num_threads(before);
  std::sort(pieces.begin(), pieces.end());
  return pieces;
}

TEST(ParallelFor, PiecesCoverTheLoopAndAreEqualWithinOne) {
  for (const std::int64_t grain : {1, 7}) {
    for (std::int64_t count = 0; count < 300; ++count) {
      const Pieces pieces = pieces_of(count, grain, 1);
      EXPECT_EQ(static_cast<std::int64_t>(pieces.size()),
                std::min<std::int64_t>((count + grain - 1) / grain, 64));
      std::int64_t next = 0;
      std::int64_t least = count;
      std::int64_t largest = 0;
      for (const auto& [begin, end] : pieces) {
        EXPECT_EQ(begin, next) << count << " by " << grain;
        next = end;
        least = std::min(least, end - begin);
        largest = std::max(largest, end - begin);
      }
      EXPECT_EQ(next, count) << "by " << grain;
      EXPECT_LE(largest, least + 1) << count << " by " << grain;
    }
  }
}

TEST(ParallelFor, PiecesDoNotDependOnTheNumberOfThreads) {
  for (const std::int64_t count : {1, 2, 63, 65, 100, 129}) {
    EXPECT_EQ(pieces_of(count, 1, 1), pieces_of(count, 1, 3)) << count;
  }
}

}  // namespace
}  // namespace gnn::kernels
