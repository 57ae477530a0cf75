#include "gnn/kernels/conv2d_quads.cuh"

#include <algorithm>
#include <limits>
#include <vector>

namespace gnn::kernels {
namespace {

/// Of parts of at most `limit` that make up `whole`, the largest when they are as equal as possible.
std::int64_t balanced(std::int64_t whole, std::int64_t limit) {
  return whole == 0 ? 0 : divide_up(whole, divide_up(whole, limit));
}

/// A tile as it is tried.
struct Tile {
  std::int64_t k, slots, h, w;

  std::int64_t outputs() const { return k * slots; }
  std::int64_t lanes() const { return divide_up(h * w * slots, 32) * 32; }
};

class Planner {
 public:
  Planner(const QuadCorrelation& correlation, std::int64_t element_bytes)
      : c_(correlation), bytes_(element_bytes), width_(16 / element_bytes) {}

  bool best(Tile& best) const {
    double fewest = std::numeric_limits<double>::infinity();
    for (const std::int64_t k : quad_channels) {
      const std::int64_t all_slots = divide_up(c_.out_channels, k);
      // With more than eight, weights that lanes load at the same time are in the same banks.
      for (std::int64_t slots = std::min<std::int64_t>(all_slots, 8); slots >= 1; --slots) {
        Tile tile{k, slots, 0, balanced(c_.quads.w, 32)};
        for (tile.h = std::min(quad_threads / (tile.w * slots), c_.quads.h); tile.h >= 1; --tile.h) {
          if (tile.h != balanced(c_.quads.h, tile.h) || channels_at_a_time(tile) == 0) continue;
          const double needed = cycles(tile);
          if (needed < fewest) {
            fewest = needed;
            best = tile;
          }
        }
      }
    }
    return fewest < std::numeric_limits<double>::infinity();
  }

  /// Input channels that fit into shared memory together, as equal parts of all; 0 when not even one does.
  std::int64_t channels_at_a_time(const Tile& tile) const {
    const std::int64_t area = c_.kernel.area();
    const std::int64_t each = area * static_cast<std::int64_t>(sizeof(QuadOffsets)) +
                              (tile.outputs() * area + channel_elements(tile)) * bytes_;
    // Of the rows of weights, and the bias.
    const std::int64_t padding = (tile.outputs() * (2 * width_ + 1) + width_) * bytes_;
    const std::int64_t limit = std::max<std::int64_t>(direct_shared_bytes - padding, 0) / each;
    return limit == 0 ? 0 : std::max<std::int64_t>(balanced(c_.in_channels, limit), 1);
  }

  /// Clock cycles of one multiprocessor: instructions of the loop over the taps (four warps at a time issue
  /// one each), and elements staged, times the blocks, over those that run at the same time.
  double cycles(const Tile& tile) const {
    const auto blocks =
        static_cast<double>(c_.images * divide_up(c_.quads.h, tile.h) * divide_up(c_.quads.w, tile.w) *
                            c_.groups * divide_up(c_.out_channels, tile.outputs()));
    const auto patch = static_cast<double>(c_.in_channels * c_.kernel.area());
    constexpr double pixels_and_addresses = 12;
    const double per_tap = static_cast<double>(4 * tile.k) +
                           static_cast<double>(tile.k) / static_cast<double>(width_) + pixels_and_addresses;
    const double sums = patch * per_tap * static_cast<double>(tile.lanes()) / 32 / 4;
    const double staged = 0.35 * static_cast<double>(c_.in_channels * input_h(tile) * input_w(tile)) +
                          0.12 * patch * static_cast<double>(tile.outputs());
    return blocks * (sums + staged) / std::min(blocks, static_cast<double>(direct_blocks));
  }

  std::int64_t input_h(const Tile& tile) const {
    return (2 * tile.h - 1) * c_.stride.h + (c_.kernel.h - 1) * c_.dilation.h + 1;
  }
  std::int64_t input_w(const Tile& tile) const {
    return (2 * tile.w - 1) * c_.stride.w + (c_.kernel.w - 1) * c_.dilation.w + 1;
  }
  std::int64_t phase_rows(const Tile& tile) const { return divide_up(input_h(tile), 2 * c_.stride.h); }
  std::int64_t phases() const { return 4 * c_.stride.area(); }

  /// Such that the lanes of a warp load different banks.
  std::int64_t row_pitch(const Tile& tile) const {
    std::array<PitchedPlace, 32> lanes;
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(tile.h * tile.w * tile.slots, 32));
    for (std::size_t lane = 0; lane < count; ++lane) {
      const std::int64_t quad = static_cast<std::int64_t>(lane) / tile.slots;
      lanes[lane] = {quad / tile.w, quad % tile.w};
    }
    return quiet_pitch(std::span(lanes).first(count), bytes_, phase_columns(tile), widest_row(tile));
  }

  /// Such that the first two warps store into different banks.
  std::int64_t phase_pitch(const Tile& tile, std::int64_t row_pitch) const {
    std::array<PitchedPlace, 64> lanes;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      const std::int64_t y = static_cast<std::int64_t>(lane) / input_w(tile);
      const std::int64_t x = static_cast<std::int64_t>(lane) % input_w(tile);
      lanes[lane] = {y % (2 * c_.stride.h) * 2 * c_.stride.w + x % (2 * c_.stride.w),
                     y / (2 * c_.stride.h) * row_pitch + x / (2 * c_.stride.w)};
    }
    const std::int64_t least = phase_rows(tile) * row_pitch;
    return quiet_pitch(lanes, bytes_, least, least + 31);
  }

 private:
  std::int64_t phase_columns(const Tile& tile) const { return divide_up(input_w(tile), 2 * c_.stride.w); }
  /// Half as much memory again is what it may cost to have no conflicts.
  std::int64_t widest_row(const Tile& tile) const { return phase_columns(tile) * 3 / 2 + 4; }
  /// At most, whatever the pitches.
  std::int64_t channel_elements(const Tile& tile) const {
    return phases() * (phase_rows(tile) * widest_row(tile) + 31);
  }

  const QuadCorrelation& c_;
  std::int64_t bytes_;
  std::int64_t width_;
};

bool make_plan(const QuadCorrelation& c, std::int64_t element_bytes, QuadPlan& p) {
  const Planner planner(c, element_bytes);
  Tile tile{};
  if (!planner.best(tile)) return false;
  const std::int64_t area = c.kernel.area();
  const std::int64_t chunk = planner.channels_at_a_time(tile);
  const std::int64_t taps = chunk * area;
  const std::int64_t width = 16 / element_bytes;
  // Rows of weights start at different banks: the pitch is an odd number of vectors.
  const std::int64_t weight_pitch = (divide_up(taps, width) | 1) * width;
  const std::int64_t row_pitch = planner.row_pitch(tile);
  const std::int64_t phase_pitch = planner.phase_pitch(tile, row_pitch);
  const std::int64_t channel_pitch = planner.phases() * phase_pitch;
  std::int64_t splits = 1;  // 16 taps each are worth having another
  while (2 * splits * tile.lanes() <= quad_threads && taps >= 32 * splits && splits < 8) splits *= 2;

  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  p.in_channels = narrow(c.in_channels);
  p.out_channels = narrow(c.out_channels);
  p.groups = narrow(c.groups);
  p.kernel_h = narrow(c.kernel.h);
  p.kernel_w = narrow(c.kernel.w);
  p.stride_h = narrow(c.stride.h);
  p.stride_w = narrow(c.stride.w);
  p.dilation_h = narrow(c.dilation.h);
  p.dilation_w = narrow(c.dilation.w);
  p.quads_h = narrow(c.quads.h);
  p.quads_w = narrow(c.quads.w);
  p.k = narrow(tile.k);
  p.slots = narrow(tile.slots);
  p.splits = narrow(splits);
  p.lanes = narrow(tile.lanes());
  p.tile_h = narrow(tile.h);
  p.tile_w = narrow(tile.w);
  p.tiles_h = narrow(divide_up(c.quads.h, tile.h));
  p.tiles_w = narrow(divide_up(c.quads.w, tile.w));
  p.chunk = narrow(chunk);
  p.input_h = narrow(planner.input_h(tile));
  p.input_w = narrow(planner.input_w(tile));
  p.row_pitch = narrow(row_pitch);
  p.phase_pitch = narrow(phase_pitch);
  p.channel_pitch = narrow(channel_pitch);
  p.weight_pitch = narrow(weight_pitch);
  p.bias_pitch = narrow(divide_up(tile.outputs(), width) * width);
  p.period_h = FastDivide(2 * c.stride.h);
  p.period_w = FastDivide(2 * c.stride.w);
  p.kernel_area = FastDivide(area);
  const std::int64_t staged = taps * static_cast<std::int64_t>(sizeof(QuadOffsets)) +
                              (tile.outputs() * weight_pitch + chunk * channel_pitch) * element_bytes;
  const std::int64_t combined = splits / 2 * 4 * tile.k * tile.lanes() * element_bytes;
  p.shared_bytes = p.bias_pitch * element_bytes + std::max(staged, combined);
  p.tiles = c.images * p.tiles_h * p.tiles_w;
  p.channel_blocks = c.groups * divide_up(c.out_channels, tile.outputs());
  constexpr std::int64_t most_tiles =
      std::numeric_limits<std::int32_t>::max();  // and the grid's second size:
  return p.tiles <= most_tiles && p.channel_blocks <= 65535;
}

}  // namespace

bool plan_quads(const QuadCorrelation& correlation, std::int64_t element_bytes, QuadPlan& plan) {
  struct Known {
    QuadCorrelation correlation;
    std::int64_t element_bytes;
    bool fits;
    QuadPlan plan;
  };
  // To plan takes ten microseconds, longer than to launch, and a network asks for a few plans again and
  // again.
  constexpr std::size_t most = 64;
  thread_local std::vector<Known> known;
  auto found = std::ranges::find_if(known, [&](const Known& k) {
    return k.correlation == correlation && k.element_bytes == element_bytes;
  });
  if (found == known.end()) {
    if (known.size() == most) known.clear();
    known.push_back({correlation, element_bytes, false, {}});
    found = known.end() - 1;
    found->fits = make_plan(correlation, element_bytes, found->plan);
  }
  plan = found->plan;
  return found->fits;
}

}  // namespace gnn::kernels
