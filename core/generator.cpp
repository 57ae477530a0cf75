#include "gnn/core/generator.h"

#include <numeric>
#include <utility>

#include "gnn/core/check.h"
#include "gnn/core/philox.h"

namespace gnn {
namespace {

/// Random 64-bit words of one sequence, in order.
class Words {
 public:
  Words(std::uint64_t seed, std::uint64_t sequence) : seed_(seed), sequence_(sequence) {}

  std::uint64_t next() {
    if (used_ == 4) {
      block_ = philox_block(seed_, offset_++, sequence_);
      used_ = 0;
    }
    const std::uint64_t low = block_.word[used_];
    const std::uint64_t high = block_.word[used_ + 1];
    used_ += 2;
    return high << 32 | low;
  }

  /// Uniform in [0, bound): the words above the largest multiple of `bound` are drawn again, so that there is
  /// no bias.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t rejected = (0 - bound) % bound;  // 2^64 mod bound
    std::uint64_t word = next();
    while (word < rejected) word = next();
    return word % bound;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t sequence_;
  std::uint64_t offset_ = 0;
  PhiloxBlock block_{};
  std::size_t used_ = 4;
};

}  // namespace

GeneratorState Generator::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Generator::set_state(const GeneratorState& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

GeneratorState Generator::reserve(std::int64_t words) {
  check<ValueError>(words >= 0, "Generator::reserve: expected a number of words >= 0, got {}", words);
  const std::lock_guard lock(mutex_);
  const GeneratorState before = state_;
  const auto count = static_cast<std::uint64_t>(words);
  state_.offset += count / 4 + (count % 4 != 0 ? 1 : 0);
  return before;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) {
  default_generator().manual_seed(seed);
}

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t sequence) {
  check<ValueError>(n >= 0, "permutation: expected n >= 0, got {}", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Words words(seed, ~sequence);  // far from the sequences of generators, which start at 0
  for (std::size_t left = order.size(); left > 1; --left) {
    std::swap(order[left - 1], order[words.below(left)]);
  }
  return order;
}

}  // namespace gnn
