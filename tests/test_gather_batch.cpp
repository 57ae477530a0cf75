#include "cases/gather_batch.h"

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(GatherBatchOp, cases::gather_batch());

class GatherBatch : public DeviceTest {};

TEST_P(GatherBatch, LabelsFollowTheIndices) {
  const Tensor labels = from_values<std::int64_t>({7, 2, 9, 4}, {4}, device());
  const Tensor indices = from_values<std::int64_t>({3, 0, 0, 2, 1}, {5}, device());
  Tensor out = empty({5}, {DType::int64, device()});
  kernels::run<kernels::GatherLabels>(labels, indices, out);
  EXPECT_EQ(out.to_vector<std::int64_t>(), (std::vector<std::int64_t>{4, 7, 7, 9, 2}));
}

// Samples of 4 pixels at addresses that cannot be read four at a time.
TEST_P(GatherBatch, UnalignedViews) {
  const Tensor memory = from_values<std::uint8_t>({99, 1, 2, 3, 4, 5, 6, 7, 8}, {9}, device());
  const Tensor indices = from_values<std::int64_t>({1, 0}, {2}, device());
  const Tensor target = zeros({9}, {.device = device()});
  Tensor out = target.alias({2, 4}, 1);
  kernels::run<kernels::GatherBatch>(memory.alias({2, 4}, 1), indices, 2, -1, out);
  EXPECT_EQ(target.to_vector<float>(), (std::vector<float>{0, 9, 11, 13, 15, 1, 3, 5, 7}));
}

TEST_P(GatherBatch, DevicesGiveTheSameBits) {
  const OpCase mnist = cases::gather_batch().at(15);
  ASSERT_EQ(mnist.name, "float32_mnist_64");
  const std::vector<Array> arrays = make_inputs(mnist, DType::float32);
  const Tensor here = mnist.op(to_tensors(mnist, arrays, DType::float32, device(), false));
  const Tensor cpu = mnist.op(to_tensors(mnist, arrays, DType::float32, Device::cpu(), false));
  EXPECT_EQ(here.to_vector<float>(), cpu.to_vector<float>());
}

TEST_P(GatherBatch, ShapesMustFit) {
  const Tensor images = zeros({3, 2, 2}, {DType::uint8, device()});
  const Tensor indices = zeros({5}, {DType::int64, device()});
  Tensor wrong = empty({5, 2, 3}, {.device = device()});
  EXPECT_THROW(kernels::run<kernels::GatherBatch>(images, indices, 1, 0, wrong), ShapeError);
  Tensor integers = empty({5, 2, 2}, {DType::int64, device()});
  EXPECT_THROW(kernels::run<kernels::GatherBatch>(images, indices, 1, 0, integers), DTypeError);
  EXPECT_THROW(
      kernels::run<kernels::GatherLabels>(zeros({3, 1}, {DType::int64, device()}), indices, integers),
      ShapeError);
}

GNN_INSTANTIATE_FOR_DEVICES(GatherBatch);

}  // namespace
}  // namespace gnn::testing
