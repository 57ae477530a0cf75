#include "cases/gemm.h"

#include <cmath>
#include <limits>

#include "gnn/core/error.h"
#include "gnn/kernels/gemm.h"
#include "gnn/kernels/run.h"
#include "support/errors.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(GemmOp, cases::gemm());

Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype = DType::float32,
                     Device device = Device::cpu()) {
  return to_tensor({shape, random_values(shape.numel(), -1, 1, seed)}, dtype, device);
}

class GemmOnDevice : public DeviceTest {};
GNN_INSTANTIATE_FOR_DEVICES(GemmOnDevice);

TEST_P(GemmOnDevice, AlphaAndBeta) {
  for (const double beta : {0.0, 1.0, -0.5}) {
    for (const std::int64_t k : {0, 3, 200}) {
      const Tensor a = random_tensor({7, k}, 1, DType::float64, device());
      const Tensor b = random_tensor({k, 70}, 2, DType::float64, device());
      Tensor c = random_tensor({7, 70}, 3, DType::float64, device());
      Array want = cases::matmul_reference(to_array(a), to_array(b), false, false);
      const Array before = to_array(c);
      for (std::int64_t i = 0; i < want.shape.numel(); ++i) want[i] = 0.25 * want[i] + beta * before[i];
      if (beta == 0) {
        c = to_tensor({c.shape(), std::vector<double>(490, std::nan(""))}, DType::float64, device());
      }
      kernels::run<kernels::Gemm>(a, b, c, kernels::GemmOptions{.alpha = 0.25, .beta = beta});
      expect_close(to_array(c), want, 1e-14, device().to_string());
    }
  }
}

TEST(Gemm, BitwiseTheSameForAnyNumberOfThreads) {
  const int before = num_threads();
  struct Sizes {
    std::int64_t m, n, k;
  };
  for (const Sizes s : {Sizes{64, 500, 800}, Sizes{700, 65, 33}, Sizes{5, 1000, 300}, Sizes{300, 10, 1000}}) {
    const Tensor a = random_tensor({s.m, s.k}, 1);
    const Tensor b = random_tensor({s.k, s.n}, 2);
    set_num_threads(1);
    const std::vector<float> one = matmul(a, b).to_vector<float>();
    for (const int threads : {2, 3, 7}) {
      set_num_threads(threads);
      EXPECT_EQ(matmul(a, b).to_vector<float>(), one) << threads << " threads";
    }
  }
  set_num_threads(before);
}

TEST_P(GemmOnDevice, NanAndInfinityGoThrough) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor a = from_values<float>({1, inf, 0, std::nanf("")}, {2, 2}, device());
  const Tensor b = from_values<float>({1, 1, 1, 1}, {2, 2}, device());
  const std::vector<float> c = matmul(a, b).to_vector<float>();
  EXPECT_EQ(c[0], inf);
  EXPECT_TRUE(std::isnan(c[2]));
}

TEST(Gemm, ErrorsNameShapesAndDtypes) {
  EXPECT_EQ(message_of([] {
              matmul(zeros({2, 3}), zeros({4, 5}));
            }),
            "matmul: the inner sizes differ: [2, 3] times [4, 5]");
  EXPECT_EQ(message_of([] {
              matmul(zeros({2, 3}), zeros({3, 5}), {.trans_a = true});
            }),
            "matmul: the inner sizes differ: [2, 3] (transposed) times [3, 5]");
  EXPECT_THROW(matmul(zeros({3}), zeros({3, 5})), ShapeError);
  EXPECT_THROW(matmul(zeros({2, 2, 3}), zeros({4, 3, 5})), ShapeError);
  EXPECT_THROW(matmul(zeros({1, 2, 2, 3}), zeros({3, 5})), ShapeError);
  EXPECT_THROW(matmul(zeros({2, 3}), zeros({3, 5}, {.dtype = DType::float64})), DTypeError);
  const Tensor integers = from_values<std::int64_t>({1}, {1, 1});
  EXPECT_THROW(matmul(integers, integers), DTypeError);
}

TEST(Gemm, KernelChecksItsShapes) {
  const Tensor a = zeros({2, 3});
  const Tensor b = zeros({3, 4});
  Tensor wrong = zeros({2, 5});
  EXPECT_THROW(kernels::run<kernels::Gemm>(a, b, wrong), ShapeError);
  Tensor batched = zeros({2, 2, 4});
  EXPECT_NO_THROW(kernels::run<kernels::Gemm>(a, b, batched));
}

}  // namespace
}  // namespace gnn::testing
