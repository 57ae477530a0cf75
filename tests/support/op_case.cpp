#include "support/op_case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace gnn::testing {
namespace {

/// splitmix64 (Steele, Lea, Flood 2014): enough for test data, and independent of the library's own
/// generator.
class TestRandom {
 public:
  explicit TestRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

double round_to(double value, DType dtype) {
  return dispatch_all("round_to", dtype, [value](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      return static_cast<double>(static_cast<float>(T(static_cast<float>(value))));
    } else {
      return static_cast<double>(static_cast<T>(value));
    }
  });
}

std::vector<double> fill_values(const Input& input, std::uint64_t seed) {
  const std::int64_t count = input.shape.numel();
  if (!input.values.empty()) return input.values;
  std::vector<double> values = random_values(count, input.low, input.high, seed);
  if (input.fill == Fill::integer) {
    for (double& v : values)
      v = std::min(input.high, std::floor(input.low + (v - input.low) / (input.high - input.low) *
                                                          (input.high - input.low + 1)));
    if (input.low == input.high) std::fill(values.begin(), values.end(), input.low);
  } else if (input.fill == Fill::distinct) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    // An even number of steps keeps the middle of a symmetric range, 0, between two values.
    const double steps = static_cast<double>(count + count % 2);
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      values[order[rank]] = input.low + (input.high - input.low) * (static_cast<double>(rank) + 0.5) / steps;
    }
  }
  return values;
}

}  // namespace

std::vector<double> random_values(std::int64_t count, double low, double high, std::uint64_t seed) {
  TestRandom random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = low + (high - low) * random.uniform();
  return values;
}

std::vector<Array> make_inputs(const OpCase& op_case, DType dtype) {
  std::vector<Array> arrays;
  std::uint64_t seed = 1;
  for (const Input& input : op_case.inputs) {
    Array filled{input.shape, fill_values(input, seed++)};
    for (double& value : filled.values) value = round_to(value, input.dtype.value_or(dtype));
    arrays.push_back(std::move(filled));
  }
  return arrays;
}

std::vector<Tensor> to_tensors(const OpCase& op_case, std::span<const Array> arrays, DType dtype,
                               Device device, bool requires_grad) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Input& input = op_case.inputs[i];
    tensors.push_back(to_tensor(arrays[i], input.dtype.value_or(dtype), device));
    if (requires_grad && input.differentiable) tensors.back().set_requires_grad();
  }
  return tensors;
}

Tensor to_tensor(const Array& array, DType dtype, Device device) {
  return dispatch_all("to_tensor", dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    std::vector<T> values;
    values.reserve(array.values.size());
    for (const double value : array.values) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        values.push_back(T(static_cast<float>(value)));
      } else {
        values.push_back(static_cast<T>(value));
      }
    }
    return from_values(values, array.shape, device);
  });
}

std::vector<Device> test_devices() {
  if (const char* only = std::getenv("GNN_TEST_DEVICE"); only != nullptr) return {Device::parse(only)};
  std::vector<Device> devices{Device::cpu()};
  if (cuda::is_available()) devices.push_back(Device::cuda(0));
  return devices;
}

Array to_array(const Tensor& tensor) {
  return {tensor.shape(), tensor.to_doubles()};
}

}  // namespace gnn::testing
