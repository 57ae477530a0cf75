#include "cases/im2col.h"

#include "gnn/core/error.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

GNN_TEST_OP(Im2colOp, cases::im2col());

TEST(Im2col, ChecksItsShapes) {
  const Tensor x = zeros({2, 3, 8, 8});
  Tensor columns = zeros({2, 27, 36});
  EXPECT_NO_THROW(kernels::run<kernels::Im2col>(x, columns, kernels::Im2colParameters{.kernel = 3}));
  EXPECT_THROW(kernels::run<kernels::Im2col>(x, columns, kernels::Im2colParameters{.kernel = 5}), ShapeError);
  EXPECT_THROW(kernels::run<kernels::Im2col>(x, columns, kernels::Im2colParameters{.kernel = 3, .stride = 0}),
               ShapeError);
  Tensor doubles = zeros({2, 27, 36}, {.dtype = DType::float64});
  EXPECT_THROW(kernels::run<kernels::Im2col>(x, doubles, kernels::Im2colParameters{.kernel = 3}), DTypeError);
}

}  // namespace
}  // namespace gnn::testing
