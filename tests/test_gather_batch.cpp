#include "cases/gather_batch.h"

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(GatherBatchOp, cases::gather_batch());

class GatherBatch : public DeviceTest {
 protected:
  static void gather(const Tensor& images, const Tensor& indices, Tensor& out, const Tensor& labels = {},
                     Tensor out_labels = {}) {
    kernels::run<kernels::GatherBatch>(images, labels, indices, 2, -1, out, out_labels);
  }
};

TEST_P(GatherBatch, LabelsFollowTheIndices) {
  const Tensor labels = from_values<std::int64_t>({7, 2, 9, 4}, {4}, device());
  const Tensor indices = from_values<std::int64_t>({3, 0, 0, 2, 1}, {5}, device());
  Tensor out_labels = empty({5}, {DType::int64, device()});
  for (const std::int64_t pixels : {0, 1, 4, 33}) {
    const Tensor images =
        to_tensor({{4, pixels}, random_values(4 * pixels, 0, 255, 1)}, DType::uint8, device());
    Tensor out = empty({5, pixels}, {.device = device()});
    Tensor alone = empty({5, pixels}, {.device = device()});
    out_labels.copy_from(zeros({5}, {DType::int64, device()}));
    gather(images, indices, out, labels, out_labels);
    gather(images, indices, alone);
    EXPECT_EQ(out_labels.to_vector<std::int64_t>(), (std::vector<std::int64_t>{4, 7, 7, 9, 2}));
    EXPECT_EQ(out.to_vector<float>(), alone.to_vector<float>());
  }
}

// Samples of 4 pixels at addresses that cannot be read four at a time.
TEST_P(GatherBatch, UnalignedViews) {
  const Tensor memory = from_values<std::uint8_t>({99, 1, 2, 3, 4, 5, 6, 7, 8}, {9}, device());
  const Tensor indices = from_values<std::int64_t>({1, 0}, {2}, device());
  const Tensor target = zeros({9}, {.device = device()});
  Tensor out = target.alias({2, 4}, 1);
  gather(memory.alias({2, 4}, 1), indices, out);
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
  EXPECT_THROW(gather(images, indices, wrong), ShapeError);
  Tensor integers = empty({5, 2, 2}, {DType::int64, device()});
  EXPECT_THROW(gather(images, indices, integers), DTypeError);
  Tensor out = empty({5, 2, 2}, {.device = device()});
  const auto labels = [](std::int64_t count) { return zeros({count}, {DType::int64, device()}); };
  EXPECT_THROW(gather(images, indices, out, labels(4), labels(5)), ShapeError);
  EXPECT_THROW(gather(images, indices, out, labels(3), labels(3)), ShapeError);
  EXPECT_THROW(gather(images, indices, out, labels(3)), ValueError);
}

GNN_INSTANTIATE_FOR_DEVICES(GatherBatch);

}  // namespace
}  // namespace gnn::testing
