// Shapes, dtypes, half types, devices, tensors, errors.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gnn/core/context.h"
#include "gnn/core/dtype.h"
#include "gnn/core/error.h"
#include "gnn/core/stream.h"
#include "gnn/core/tensor.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ(Shape().numel(), 1);
  EXPECT_EQ(Shape({2, 0, 3}).numel(), 0);
  EXPECT_EQ(Shape({64, 1, 28, 28}).numel(), 50176);
  EXPECT_EQ(Shape({64, 1, 28, 28}).to_string(), "[64, 1, 28, 28]");
  EXPECT_EQ(Shape().to_string(), "[]");
  EXPECT_EQ(Shape({2, 3}).size(-1), 3);
  EXPECT_EQ(Shape({2, 3}).with(0, 7), Shape({7, 3}));
  EXPECT_FALSE(Shape({2, 3}) == Shape({2, 3, 1}));
}

TEST(Shape, RejectsNonsense) {
  EXPECT_THROW(Shape({1, -1}), ShapeError);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError);
  EXPECT_THROW(Shape({std::int64_t{1} << 31, std::int64_t{1} << 31}), ShapeError);
  EXPECT_THROW(Shape({std::numeric_limits<std::int64_t>::max(), 2}), ShapeError);
  EXPECT_EQ(message_of<IndexError>([] {
              Shape({2, 3}).size(2);
            }),
            "axis 2 is out of range for shape [2, 3] with 2 dimensions");
}

TEST(Shape, Broadcasts) {
  EXPECT_EQ(broadcast_shapes("add", {5, 1, 3}, {4, 1}), Shape({5, 4, 3}));
  EXPECT_EQ(broadcast_shapes("add", {}, {2}), Shape({2}));
  EXPECT_EQ(broadcast_shapes("add", {0, 1}, {1, 3}), Shape({0, 3}));
  EXPECT_EQ(message_of<ShapeError>([] {
              broadcast_shapes("add", {2, 3}, {4, 3});
            }),
            "add: shapes [2, 3] and [4, 3] cannot be broadcast together");
}

TEST(DType, NamesAndSizes) {
  EXPECT_EQ(parse_dtype("bfloat16"), DType::bfloat16);
  EXPECT_EQ(size_of(DType::float64), 8U);
  EXPECT_EQ(name_of(dtype_of<std::uint8_t>), "uint8");
  EXPECT_TRUE(is_floating(DType::float16));
  EXPECT_FALSE(is_floating(DType::int32));
  EXPECT_THROW(parse_dtype("float8"), DTypeError);
}

TEST(Half, KnownValues) {
  EXPECT_EQ(Half(1.0F).bits, 0x3c00);
  EXPECT_EQ(Half(-2.0F).bits, 0xc000);
  EXPECT_EQ(Half(65504.0F).bits, 0x7bff);
  EXPECT_EQ(Half(65520.0F).bits, 0x7c00);         // rounds to infinity
  EXPECT_EQ(Half(0x1p-24F).bits, 0x0001);         // smallest subnormal
  EXPECT_EQ(Half(0x1p-25F).bits, 0x0000);         // tie to even: 0
  EXPECT_EQ(Half(0x1.000002p-25F).bits, 0x0001);  // just above the tie
  EXPECT_EQ(Half(1.0F + 0x1p-11F).bits, 0x3c00);  // tie to even: down
  EXPECT_EQ(Half(1.0F + 0x3p-11F).bits, 0x3c02);  // tie to even: up
  EXPECT_EQ(BFloat16(1.0F + 0x1p-8F).bits, 0x3f80);
  EXPECT_EQ(BFloat16(std::numeric_limits<float>::infinity()).bits, 0x7f80);
  EXPECT_TRUE(std::isnan(static_cast<float>(Half(std::nanf("")))));
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::nanf("")))));
}

TEST(Device, ParsesAndExplains) {
  EXPECT_EQ(Device::parse("cpu"), Device::cpu());
  EXPECT_EQ(Device::parse("auto").is_cuda(), cuda::is_available());
  for (const char* text : {"gpu", "", "cuda:", "cuda:-1", "cuda:1x", "CPU"}) {
    EXPECT_THROW(Device::parse(text), DeviceError) << text;
  }
  EXPECT_EQ(message_of<DeviceError>([] { Device::parse("tpu"); }),
            "unknown device 'tpu': expected cpu, cuda, cuda:N or auto");
  if (cuda::is_available()) {
    EXPECT_EQ(cuda::unavailable_reason(), "");
    EXPECT_THROW(Device::parse("cuda:99"), DeviceError);
  } else {
    EXPECT_FALSE(cuda::unavailable_reason().empty());
    EXPECT_NE(message_of<DeviceError>([] { Device::parse("cuda"); }).find(cuda::unavailable_reason()),
              std::string::npos);
  }
  EXPECT_THROW(set_num_threads(0), ValueError);
}

TEST(Device, AProfiledRegionIsHarmlessEverywhere) {
  // With a profiler or without, with a GPU or without; in pairs or not.
  cuda::profiler_stop();
  cuda::profiler_start();
  cuda::profiler_start();
  for (const Device device : test_devices()) {
    EXPECT_EQ(from_values<double>({2.5}, {}, device).item(), 2.5);
    synchronize(device);
  }
  cuda::profiler_stop();
  cuda::profiler_stop();
}

TEST(Tensor, RoundTripsThroughEveryDevice) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  for (const Device device : test_devices()) {
    const Tensor x = from_values(values, {2, 3}, device);
    EXPECT_EQ(x.to_vector<float>(), values);
    EXPECT_EQ(x.device(), device);
    EXPECT_EQ(x.nbytes(), 24U);
    EXPECT_EQ(zeros({2}, {DType::int64, device}).to_vector<std::int64_t>(),
              (std::vector<std::int64_t>{0, 0}));
    Tensor host = empty({2, 3});
    host.copy_from(x);
    EXPECT_EQ(host.to_vector<float>(), values);
    Tensor back = empty({2, 3}, {DType::float32, device});
    back.copy_from(host);
    EXPECT_EQ(back.to_vector<float>(), values);
    EXPECT_EQ(from_values<double>({2.5}, {}, device).item(), 2.5);
    EXPECT_EQ(empty({0, 4}, {DType::float32, device}).to_vector<float>(), std::vector<float>{});
  }
}

TEST(Tensor, ViewsShareMemoryAndItsVersion) {
  Tensor x = from_values<float>({1, 2, 3, 4}, {2, 2});
  Tensor row = x.alias({2}, 2);
  const std::uint64_t version = x.version();
  row.mutable_data<float>()[0] = 30;
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 2, 30, 4}));
  EXPECT_EQ(x.version(), version + 1);
  EXPECT_FALSE(x.owns_memory_alone());
  EXPECT_THROW((void)x.alias({3}, 2), ShapeError);
  EXPECT_THROW((void)x.alias({1}, -1), ShapeError);
}

TEST(Tensor, ForeignMemoryIsReleasedOnce) {
  std::vector<double> memory{1, 2, 3};
  int released = 0;
  {
    const Tensor x = from_memory(memory.data(), {3}, DType::float64, [&released] { ++released; });
    const Tensor view = x.alias({1}, 1);
    EXPECT_EQ(view.item(), 2);
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
  EXPECT_THROW(from_memory(nullptr, {3}, DType::float64, {}), ValueError);
}

TEST(Tensor, ErrorsSayWhatCame) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(message_of<ShapeError>([&] { (void)x.item(); }),
            "item: expected a tensor of one element, got shape [2, 3]");
  EXPECT_EQ(message_of<DTypeError>([&] { (void)x.data<double>(); }),
            "data: the tensor holds float32, not float64");
  EXPECT_EQ(message_of<ShapeError>([] {
              from_values<float>({1, 2}, {3});
            }),
            "from_values: 2 values do not fill shape [3]");
  EXPECT_THROW((void)Tensor().shape(), ValueError);
  Tensor y = zeros({3, 2});
  EXPECT_THROW(y.copy_from(x), ShapeError);
  {
    const LayerScope net("net");
    const LayerScope layer("conv2");
    EXPECT_EQ(message_of<ShapeError>([&] { (void)x.item(); }),
              "item: expected a tensor of one element, got shape [2, 3] [in layer net.conv2]");
  }
  EXPECT_EQ(Error("plain").what(), std::string("plain"));
}

TEST(Tensor, SetDataReachesEveryHandle) {
  Tensor x = zeros({2});
  const Tensor same = x;
  x.set_data(from_values<double>({1, 2}, {2}));
  EXPECT_EQ(same.dtype(), DType::float64);
  EXPECT_EQ(same.to_vector<double>(), (std::vector<double>{1, 2}));
  EXPECT_THROW(x.set_data(zeros({3})), ShapeError);
}

TEST(Stream, OrdersWorkAndEventsConnectStreams) {
  for (const Device device : test_devices()) {
    EXPECT_EQ(Stream::current(device), Stream(device));
    const Stream side = Stream::create(device);
    Tensor x;
    Event ready(device);
    {
      const StreamGuard guard(side);
      EXPECT_EQ(Stream::current(device), side);
      x = from_values<float>({7}, {1}, device);
      ready.record(side);
    }
    EXPECT_EQ(Stream::current(device), Stream(device));
    ready.wait(Stream::current(device));
    EXPECT_EQ(x.item(), 7);
    ready.synchronize();
    EXPECT_TRUE(ready.done());
    Event later(device);
    later.record(side);
    later.synchronize();
    EXPECT_GE(later.milliseconds_since(ready), 0);
    synchronize(device);
  }
}

}  // namespace
}  // namespace gnn::testing
