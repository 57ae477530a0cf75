// The check of results before a benchmark times them (benchmarks/support/prepared.h): it must be able to
// fail.

#include <gtest/gtest.h>

#include <string>

#include "gnn/core/error.h"
#include "gnn/layers/binary.h"
#include "gnn/layers/unary.h"
#include "gnn/layers/views.h"
#include "support/op_case.h"
#include "support/prepared.h"

namespace gnn::bench {
namespace {

using testing::Array;
using testing::OpCase;

/// x0 * x1 + 3 x0, element by element.
OpCase make_case() {
  OpCase op_case;
  op_case.name = "case";
  op_case.inputs = {{.shape = {40, 50}}, {.shape = {40, 50}}};
  op_case.op = [](std::span<const Tensor> in) { return in[0] * in[1] + in[0] * 3; };
  op_case.reference = [](std::span<const Array> in) {
    Array y = in[0];
    for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] *= in[1].values[i] + 3;
    return y;
  };
  return op_case;
}

std::string error_of(const OpCase& op_case, DType dtype = DType::float32,
                     Direction direction = Direction::forward_backward) {
  static int count = 0;  // every case has a name of its own
  std::string errors;
  for (const Device device : testing::test_devices()) {
    errors += prepare("case" + std::to_string(count++), op_case, op_case.op, dtype, device, direction).error;
  }
  return errors;
}

TEST(BenchmarkCheck, RightResultsPass) {
  for (const DType dtype : {DType::float32, DType::float64}) {
    EXPECT_EQ(error_of(make_case(), dtype, Direction::forward), "");
    EXPECT_EQ(error_of(make_case(), dtype), "");
  }
}

TEST(BenchmarkCheck, CountsBytes) {
  const OpCase op_case = make_case();
  const Prepared& p =
      prepare("bytes", op_case, op_case.op, DType::float64, Device::cpu(), Direction::forward_backward);
  EXPECT_EQ(p.output_bytes, 16000);
  EXPECT_EQ(p.input_bytes, 32000);
  EXPECT_EQ(p.gradient_bytes, 32000);
}

TEST(BenchmarkCheck, SeesAWrongResult) {
  OpCase op_case = make_case();
  op_case.op = [](std::span<const Tensor> in) { return in[0] * in[1] + in[0] * 3.0001; };
  EXPECT_NE(error_of(op_case, DType::float32, Direction::forward).find("the result: element 0: expected"),
            std::string::npos);
  op_case = make_case();
  op_case.op = [](std::span<const Tensor> in) { return reshape(in[0] * in[1] + in[0] * 3, {50, 40}); };
  EXPECT_NE(error_of(op_case).find("the result: expected shape [40, 50], got [50, 40]"), std::string::npos);
}

TEST(BenchmarkCheck, SeesANaN) {
  OpCase op_case = make_case();
  op_case.op = [](std::span<const Tensor> in) { return sqrt(-abs(in[0] * in[1])) + in[0]; };
  EXPECT_NE(error_of(op_case, DType::float32, Direction::forward).find("got "), std::string::npos);
}

TEST(BenchmarkCheck, SeesAGradientThatIsWrongInEveryPrecision) {
  OpCase op_case = make_case();
  // A term of one input's gradient is lost.
  op_case.op = [](std::span<const Tensor> in) { return in[0] * in[1] + in[0].detach() * 3; };
  EXPECT_NE(error_of(op_case).find("the derivative along a random direction"), std::string::npos);
  op_case.op = [](std::span<const Tensor> in) { return in[0] * in[1].detach() + in[0] * 3; };
  EXPECT_NE(error_of(op_case).find("input 1 got no gradient"), std::string::npos);
}

TEST(BenchmarkCheck, SeesAGradientThatIsWrongInFloat32) {
  OpCase op_case = make_case();
  op_case.op = [](std::span<const Tensor> in) {
    const Tensor last = in[0].dtype() == DType::float32 ? in[0].detach() : in[0];
    return in[0] * in[1] + last * 3;
  };
  EXPECT_NE(error_of(op_case).find("the gradient of input 0: element 0"), std::string::npos);
  EXPECT_EQ(error_of(op_case, DType::float64), "");
}

}  // namespace
}  // namespace gnn::bench
