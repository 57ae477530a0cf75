// The contract at the top of core/allocator.h, with caching and without. Runs twice: as it is, and with
// GNN_NO_CACHING=1, which decides what holds outside of these tests.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gnn/core/allocator.h"
#include "gnn/core/backend.h"
#include "gnn/core/error.h"
#include "gnn/core/tensor.h"
#include "gnn/layers/fill.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

/// Sizes are exact without guard bands; the cache is empty before each test.
class AllocatorTest : public DeviceTest {
 protected:
  void SetUp() override {
    guards_ = set_guard_bands(false);
    empty_cache(device());
    reset_peak_stats(device());
    start_ = memory_stats(device());
  }
  void TearDown() override {
    set_memory_limit(device(), 0);
    set_guard_bands(guards_);
    set_caching(caching_);
    EXPECT_EQ(memory_stats(device()).allocated_bytes, start_.allocated_bytes) << "blocks are still live";
  }
  Tensor block(std::int64_t bytes) { return empty({bytes}, {DType::uint8, device()}); }
  std::int64_t allocated() const { return memory_stats(device()).allocated_bytes - start_.allocated_bytes; }
  std::int64_t reserved() const { return memory_stats(device()).reserved_bytes - start_.reserved_bytes; }
  std::int64_t driver_calls() const {
    return memory_stats(device()).driver_allocations - start_.driver_allocations;
  }

  bool guards_ = false;
  bool caching_ = caching_enabled();
  MemoryStats start_;
};

constexpr std::int64_t mebibyte = 1 << 20;

/// What holds with and without caching.
class Allocator : public AllocatorTest {};
GNN_INSTANTIATE_FOR_DEVICES(Allocator);

class CachingAllocator : public AllocatorTest {
 protected:
  void SetUp() override {
    set_caching(true);
    AllocatorTest::SetUp();
  }
};
GNN_INSTANTIATE_FOR_DEVICES(CachingAllocator);

class UncachedAllocator : public AllocatorTest {
 protected:
  void SetUp() override {
    set_caching(false);
    AllocatorTest::SetUp();
  }
  std::int64_t driver_frees() const { return memory_stats(device()).driver_frees - start_.driver_frees; }
};
GNN_INSTANTIATE_FOR_DEVICES(UncachedAllocator);

TEST_P(CachingAllocator, RoundsAndCutsSegments) {
  const Tensor a = block(1);
  EXPECT_EQ(allocated(), 512);
  EXPECT_EQ(reserved(), 2 * mebibyte);
  const Tensor b = block(513);
  EXPECT_EQ(allocated(), 512 + 1024);
  EXPECT_EQ(driver_calls(), 1) << "both small blocks come from one segment";
  const Tensor c = block(3 * mebibyte);
  EXPECT_EQ(reserved(), 22 * mebibyte);
  const Tensor d = block(30 * mebibyte + 1);
  EXPECT_EQ(reserved(), 22 * mebibyte + 32 * mebibyte);
  EXPECT_EQ(driver_calls(), 3);
}

TEST_P(CachingAllocator, ReusesAndMerges) {
  const void* first = nullptr;
  {
    const Tensor a = block(1000);
    const Tensor b = block(1000);
    const Tensor c = block(1000);
    first = a.raw_data();
  }
  EXPECT_EQ(allocated(), 0);
  const Tensor whole = block(900'000);  // only fits when the three and the rest have merged again
  EXPECT_EQ(whole.raw_data(), first);
  EXPECT_EQ(driver_calls(), 1);
}

TEST_P(Allocator, EmptyTensorsTakeNothing) {
  const Tensor nothing = block(0);
  EXPECT_EQ(nothing.raw_data(), nullptr);
  EXPECT_EQ(memory_stats(device()).allocations, start_.allocations);
}

TEST_P(CachingAllocator, EmptyCacheKeepsWhatIsUsed) {
  const Tensor kept = block(30 * mebibyte);
  { const Tensor dropped = block(50 * mebibyte); }
  EXPECT_EQ(reserved(), 80 * mebibyte);
  empty_cache(device());
  EXPECT_EQ(reserved(), 30 * mebibyte);
}

TEST_P(CachingAllocator, OutOfMemoryFreesTheCacheFirstAndThenSaysTheNumbers) {
  set_memory_limit(device(), static_cast<std::size_t>(start_.reserved_bytes + 60 * mebibyte));
  { const Tensor cached = block(40 * mebibyte); }
  const Tensor fits = block(50 * mebibyte);  // only after the cached 40 MiB went back
  EXPECT_EQ(reserved(), 50 * mebibyte);
  try {
    const Tensor too_much = block(20 * mebibyte);
    FAIL() << "70 MiB were allocated under a limit of 60 MiB";
  } catch (const OutOfMemoryError& error) {
    EXPECT_NE(std::string(error.what()).find("20971520 bytes were asked for"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(allocated(), 50 * mebibyte) << "a failed allocation changes nothing";
  const Tensor still_works = block(1000);
}

TEST_P(CachingAllocator, StreamsDoNotShareFreedBlocks) {
  const Stream side = Stream::create(device());
  const void* freed = nullptr;
  {
    const Tensor a = block(1000);
    freed = a.raw_data();
  }
  if (device().is_cuda()) {
    const StreamGuard guard(side);
    EXPECT_NE(block(1000).raw_data(), freed);
  }
  EXPECT_EQ(block(1000).raw_data(), freed);
}

TEST_P(CachingAllocator, ABlockUsedByAnotherStreamWaitsForIt) {
  const Stream side = Stream::create(device());
  const void* freed = nullptr;
  {
    const Tensor a = block(1000);
    a.record_stream(side);
    freed = a.raw_data();
  }
  side.synchronize();
  EXPECT_EQ(block(1000).raw_data(), freed);
}

TEST_P(Allocator, PeaksAreRemembered) {
  { const Tensor a = block(5 * mebibyte); }
  EXPECT_EQ(memory_stats(device()).peak_allocated_bytes - start_.allocated_bytes, 5 * mebibyte);
  reset_peak_stats(device());
  EXPECT_EQ(memory_stats(device()).peak_allocated_bytes, memory_stats(device()).allocated_bytes);
}

TEST_P(Allocator, GuardBandsCatchWritesOnBothSides) {
  set_guard_bands(true);
  {
    Tensor a = block(100);
    EXPECT_EQ(a.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(100, 0xff)) << "new memory is poisoned";
    auto* data = a.mutable_data<std::uint8_t>();
    const auto write = [&](std::uint8_t* target) {  // the host cannot write to CUDA's memory
      backend(device()).fill_bytes(device().index, target, 1, 1, Stream::current(device()).native());
    };
    write(data + 100);
    write(data - 3);
  }
  const std::vector<std::string> violations = check_guard_bands(device());
  ASSERT_EQ(violations.size(), 2U);
  const std::string name = device().to_string();
  EXPECT_EQ(violations[0], name + ": a write 3 bytes before the start of a block of 100 bytes");
  EXPECT_EQ(violations[1], name + ": a write 1 bytes behind the end of a block of 100 bytes");
  set_guard_bands(false);
}

TEST(Caching, FollowsTheEnvironment) {
  const char* value = std::getenv("GNN_NO_CACHING");
  EXPECT_EQ(caching_enabled(), value == nullptr || std::string(value).empty() || std::string(value) == "0");
}

TEST_P(UncachedAllocator, BlocksKeepToWhatTheyWereAllocatedWith) {
  set_caching(true);
  Tensor cached = block(1000);
  set_caching(false);
  Tensor uncached = block(1000);
  const std::int64_t held = reserved();
  cached = Tensor();
  EXPECT_EQ(reserved(), held) << "a cached block goes back to the cache";
  const Tensor other = block(1000);
  EXPECT_EQ(reserved(), held + 1000) << "and is not taken from there without caching";
  set_caching(true);
  uncached = Tensor();
  EXPECT_EQ(reserved(), held) << "an uncached one goes back to the driver";
}

TEST_P(UncachedAllocator, EveryBlockIsADriverAllocationOfItsSize) {
  for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{513}, 3 * mebibyte, 30 * mebibyte + 1}) {
    const MemoryStats before = memory_stats(device());
    {
      const Tensor a = block(bytes);
      EXPECT_EQ(allocated(), bytes);
      EXPECT_EQ(reserved(), bytes);
      EXPECT_EQ(memory_stats(device()).driver_allocations, before.driver_allocations + 1);
      EXPECT_EQ(memory_stats(device()).driver_frees, before.driver_frees);
    }
    EXPECT_EQ(allocated(), 0);
    EXPECT_EQ(reserved(), 0) << "freed blocks go back to the driver";
    EXPECT_EQ(memory_stats(device()).driver_frees, before.driver_frees + 1);
  }
  EXPECT_EQ(memory_stats(device()).peak_reserved_bytes - start_.reserved_bytes, 30 * mebibyte + 1);
}

TEST_P(UncachedAllocator, GuardBandsAddToTheSize) {
  set_guard_bands(true);
  const Tensor a = block(100);
  set_guard_bands(false);
  EXPECT_EQ(allocated(), 100 + 2 * 512);
  EXPECT_EQ(reserved(), 100 + 2 * 512);
}

TEST_P(UncachedAllocator, TheMemoryLimitHolds) {
  set_memory_limit(device(), static_cast<std::size_t>(start_.reserved_bytes + 60 * mebibyte));
  {
    const Tensor held = block(40 * mebibyte);
    try {
      const Tensor too_much = block(20 * mebibyte + 1);
      FAIL() << "more than the limit was allocated";
    } catch (const OutOfMemoryError& error) {
      EXPECT_NE(std::string(error.what()).find("20971521 bytes were asked for"), std::string::npos)
          << error.what();
    }
    EXPECT_EQ(reserved(), 40 * mebibyte) << "a failed allocation changes nothing";
    const Tensor exactly_the_rest = block(20 * mebibyte);
  }
  const Tensor all = block(60 * mebibyte);
}

TEST_P(UncachedAllocator, ABlockIsFreedWhenTheStreamsThatUsedItAreDone) {
  const Stream side = Stream::create(device());
  Tensor target = block(20 * mebibyte);
  Event used(device());
  {
    const Tensor source = full({20 * mebibyte}, 7, {DType::uint8, device()});
    Event filled(device());
    filled.record(Stream::current(device()));
    filled.wait(side);
    const StreamGuard guard(side);
    target.copy_from(source);
    source.record_stream(side);
    target.record_stream(side);
    used.record(side);
  }
  EXPECT_TRUE(used.done());
  EXPECT_EQ(driver_frees(), 1);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(20 * mebibyte, 7));
}

#ifdef __SANITIZE_ADDRESS__
TEST(UncachedAllocatorOnTheCpu, AddressSanitizerSeesTheFirstByteOutside) {
  const bool guards = set_guard_bands(false);
  const bool caching = set_caching(false);
  Tensor a = empty({100}, {DType::uint8, Device::cpu()});
  auto* data = a.mutable_data<std::uint8_t>();
  EXPECT_DEATH(data[100] = 1, "heap-buffer-overflow");
  EXPECT_DEATH(data[-1] = 1, "heap-buffer-overflow");
  a = Tensor();
  EXPECT_DEATH(data[0] = 1, "heap-use-after-free");
  set_caching(caching);
  set_guard_bands(guards);
}
#endif

TEST_P(Allocator, ThreadsMayAllocateAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      std::vector<Tensor> held;
      for (int i = 0; i < 500; ++i) {
        held.push_back(block(100 + 700 * ((i * 7 + t) % 50)));
        if (held.size() > 10) held.erase(held.begin() + (i * 3) % 10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocated(), 0);
}

}  // namespace
}  // namespace gnn::testing
