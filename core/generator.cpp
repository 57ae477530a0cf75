#include "gnn/core/generator.h"

#include <memory>
#include <numeric>
#include <utility>

#include "gnn/core/capture.h"
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

/// The numbers of a captured step, which are others in every replay.
class Generator::Input final : public StepInput {
 public:
  Input(Generator& generator, const GeneratorState& start) : generator_(generator), start_(start) {}

  /// The part of the step's numbers that begins at `state`.
  RandomRange range(const GeneratorState& state) const {
    RandomRange result;
    result.offset = state.offset - start_.offset;
    result.base = static_cast<const std::uint64_t*>(values().raw_data());
    return result;
  }

  void write(std::int64_t ahead, std::span<std::uint64_t> words) const override {
    const GeneratorState now = generator_.state();
    words[0] = now.seed;
    words[1] = now.offset + static_cast<std::uint64_t>(ahead) * blocks_;
  }
  void advance() override {
    const std::lock_guard lock(generator_.mutex_);
    generator_.state_.offset += blocks_;
  }
  void undo() override {
    const std::lock_guard lock(generator_.mutex_);
    blocks_ = generator_.state_.offset - start_.offset;
    generator_.state_ = start_;
  }

 private:
  Generator& generator_;
  GeneratorState start_;      // of the recording
  std::uint64_t blocks_ = 0;  // that a step takes
};

GeneratorState Generator::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Generator::set_state(const GeneratorState& state) {
  forbid_in_capture("seeding a generator", "every step would draw the same numbers");
  const std::lock_guard lock(mutex_);
  state_ = state;
}

RandomRange Generator::reserve(std::int64_t words) {
  check<ValueError>(words >= 0, "Generator::reserve: expected a number of words >= 0, got {}", words);
  const std::lock_guard lock(mutex_);
  const GeneratorState before = state_;
  const auto count = static_cast<std::uint64_t>(words);
  state_.offset += count / 4 + (count % 4 != 0 ? 1 : 0);
  Capture* const capture = Capture::current();
  if (capture == nullptr) return before;
  return capture->find_or_add<Input>(this, 2, *this, before).range(before);
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
