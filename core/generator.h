#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "gnn/core/export.h"

namespace gnn {

/// All that a Generator is: save it and set it back to draw the same numbers again.
struct GeneratorState {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;  ///< blocks of four 32-bit words handed out so far (see core/philox.h)

  bool operator==(const GeneratorState&) const = default;
};

/// Numbers that a Generator has handed out: those from a position of its sequence on.
struct RandomRange : GeneratorState {
  RandomRange() = default;
  RandomRange(const GeneratorState& state) : GeneratorState(state) {}

  /// In a captured step: where the device keeps {seed, offset} of the step. `offset` counts from there then,
  /// and `seed` has no meaning.
  const std::uint64_t* base = nullptr;

  /// The position itself; to be asked where `base` can be read.
  GNN_HD GeneratorState start() const {
    return base == nullptr ? GeneratorState{seed, offset} : GeneratorState{base[0], base[1] + offset};
  }
};

/// A source of random numbers, the same on every device: a seed and the position in its Philox sequence.
/// Functions that draw numbers reserve a range of the sequence; which number an element gets depends on that
/// range and the element's index alone, not on threads or launch geometry. Several threads may use one
/// generator; which of them gets which range is then up to their timing.
class GNN_API Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) : state_{seed, 0} {}
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  /// Restarts the sequence of `seed` from its beginning.
  void manual_seed(std::uint64_t seed) { set_state({seed, 0}); }
  std::uint64_t seed() const { return state().seed; }
  std::uint64_t offset() const { return state().offset; }
  GeneratorState state() const;
  /// Throws CaptureError inside a captured step.
  void set_state(const GeneratorState& state);

  /// Takes the next `words` 32-bit numbers, rounded up to whole blocks of four, out of the sequence; returns
  /// the state before, which names them. Throws ValueError for a negative number.
  RandomRange reserve(std::int64_t words);

 private:
  class Input;

  mutable std::mutex mutex_;
  GeneratorState state_;
};

/// The generator that functions use when they are given none. Its seed is 0 at program start, so that a
/// program which never seeds is reproducible as well.
GNN_API Generator& default_generator();

/// Seeds the default generator.
GNN_API void manual_seed(std::uint64_t seed);

/// The numbers 0 … n-1 in random order (Fisher-Yates, each order equally likely), the same on every machine
/// for the same arguments. Different values of `sequence` (an epoch, say) give independent orders under one
/// seed, and none of them shares numbers with a Generator of that seed. Throws ValueError for n < 0.
GNN_API std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t sequence = 0);

}  // namespace gnn
