// Results and gradients that PyTorch computed (tests/torch_values.py), on every device in float64 and
// float32.

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "gnn/gnn.h"
#include "support/op_check.h"

namespace gnn::testing {
namespace {

using Json = nlohmann::json;
using Tensors = std::span<const Tensor>;
/// inputs with gradients, constants (labels, class weights), arguments
using Op = std::function<Tensor(Tensors, Tensors, const Json&)>;

Size2 size2(const Json& pair) {
  return {pair.at(0).get<std::int64_t>(), pair.at(1).get<std::int64_t>()};
}

Reduction reduction(const Json& arguments) {
  const std::string name = arguments.at("reduction");
  return name == "none" ? Reduction::none : name == "sum" ? Reduction::sum : Reduction::mean;
}

Axes axes(const Json& arguments) {
  return Axes(arguments.at("axes").get<std::vector<std::int64_t>>());
}

Op unary(Tensor (*f)(const Tensor&)) {
  return [f](Tensors in, Tensors, const Json&) { return f(in[0]); };
}

Op binary(Tensor (*f)(const Tensor&, const Tensor&)) {
  return [f](Tensors in, Tensors, const Json&) { return f(in[0], in[1]); };
}

const std::map<std::string, Op>& ops() {
  static const std::map<std::string, Op> table = {
      {"relu", unary(relu)},
      {"sigmoid", unary(sigmoid)},
      {"tanh", unary(gnn::tanh)},
      {"silu", unary(silu)},
      {"neg", unary(neg)},
      {"exp", unary(gnn::exp)},
      {"abs", unary(gnn::abs)},
      {"square", unary(square)},
      {"sin", unary(gnn::sin)},
      {"cos", unary(gnn::cos)},
      {"log", unary(gnn::log)},
      {"sqrt", unary(gnn::sqrt)},
      {"reciprocal", unary(reciprocal)},
      {"leaky_relu",
       [](Tensors in, Tensors, const Json& a) { return leaky_relu(in[0], a["negative_slope"]); }},
      {"elu", [](Tensors in, Tensors, const Json& a) { return elu(in[0], a["alpha"]); }},
      {"softplus", [](Tensors in, Tensors, const Json& a) { return softplus(in[0], a["beta"]); }},
      {"gelu",
       [](Tensors in, Tensors, const Json& a) {
         return gelu(in[0], a["approximate"] == "tanh" ? GeluApproximation::tanh : GeluApproximation::none);
       }},
      {"add", binary(add)},
      {"sub", binary(sub)},
      {"mul", binary(mul)},
      {"div", binary(gnn::div)},
      {"pow", binary(gnn::pow)},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"sum", [](Tensors in, Tensors, const Json& a) { return sum(in[0], axes(a), a["keepdim"]); }},
      {"mean", [](Tensors in, Tensors, const Json& a) { return mean(in[0], axes(a), a["keepdim"]); }},
      {"max", [](Tensors in, Tensors, const Json& a) { return gnn::max(in[0], axes(a), a["keepdim"]); }},
      {"softmax", [](Tensors in, Tensors, const Json& a) { return softmax(in[0], a["axis"]); }},
      {"log_softmax", [](Tensors in, Tensors, const Json& a) { return log_softmax(in[0], a["axis"]); }},
      {"transpose", unary(transpose)},
      {"cross_entropy",
       [](Tensors in, Tensors constants, const Json& a) {
         CrossEntropyOptions options;
         options.label_smoothing = a["label_smoothing"];
         options.reduction = reduction(a);
         if (constants.size() > 1) options.weight = constants[1];
         return cross_entropy(in[0], constants[0], options);
       }},
      {"mse_loss", [](Tensors in, Tensors, const Json& a) { return mse_loss(in[0], in[1], reduction(a)); }},
      {"l1_loss", [](Tensors in, Tensors, const Json& a) { return l1_loss(in[0], in[1], reduction(a)); }},
      {"matmul", [](Tensors in, Tensors, const Json&) { return matmul(in[0], in[1]); }},
      {"linear", [](Tensors in, Tensors,
                    const Json&) { return linear(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); }},
      {"conv2d",
       [](Tensors in, Tensors, const Json& a) {
         return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(),
                       {.stride = size2(a["stride"]),
                        .padding = size2(a["padding"]),
                        .dilation = size2(a["dilation"]),
                        .groups = a["groups"]});
       }},
      {"max_pool2d",
       [](Tensors in, Tensors, const Json& a) {
         return max_pool2d(in[0], size2(a["kernel"]),
                           {.stride = size2(a["stride"]),
                            .padding = size2(a["padding"]),
                            .dilation = size2(a["dilation"]),
                            .ceil_mode = a["ceil_mode"]});
       }},
      {"avg_pool2d",
       [](Tensors in, Tensors, const Json& a) {
         return avg_pool2d(in[0], size2(a["kernel"]),
                           {.stride = size2(a["stride"]),
                            .padding = size2(a["padding"]),
                            .ceil_mode = a["ceil_mode"],
                            .count_include_pad = a["count_include_pad"]});
       }},
  };
  return table;
}

Array array_of(const Json& record) {
  return {Shape(record.at("shape").get<std::vector<std::int64_t>>()),
          record.at("values").get<std::vector<double>>()};
}

Json load() {
  std::ifstream file(GNN_TEST_DATA_DIR "/torch_values.json");
  return Json::parse(file);
}

void check_record(const Json& record, DType dtype, Device device) {
  const std::string op = record.at("op");
  const std::string what =
      op + " " + record.at("arguments").dump() + " " + std::string(name_of(dtype)) + " " + device.to_string();
  // Inputs have four decimals, so float32 rounds them: 1e-7 relative each, amplified by exp(30) nowhere
  // (gradients of saturated functions are small) and summed over at most 24 terms of size 4.
  const double tolerance = dtype == DType::float64 ? 1e-12 : 4e-6;
  std::vector<Tensor> inputs;
  for (const Json& input : record.at("inputs")) {
    inputs.push_back(to_tensor(array_of(input), dtype, device).set_requires_grad());
  }
  std::vector<Tensor> constants;
  for (const Json& constant : record.at("constants")) {
    const bool labels = constants.empty();  // class indices come first, weights second
    constants.push_back(to_tensor(array_of(constant), labels ? DType::int64 : dtype, device));
  }
  const Tensor output = ops().at(op)(inputs, constants, record.at("arguments"));
  expect_close(to_array(output), array_of(record.at("output")), tolerance, what);
  output.backward(to_tensor(array_of(record.at("cotangent")), dtype, device));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(inputs[i].grad().defined()) << what << ": input " << i << " got no gradient";
    expect_close(to_array(inputs[i].grad()), array_of(record.at("gradients").at(i)), tolerance,
                 what + ": gradient of input " + std::to_string(i));
  }
}

TEST(TorchValues, EveryRecordMatches) {
  const Json records = load();
  ASSERT_GT(records.size(), 100U);
  for (const Json& record : records) {
    for (const Device device : test_devices()) {
      for (const DType dtype : {DType::float64, DType::float32}) check_record(record, dtype, device);
    }
  }
}

TEST(TorchValues, EveryOpHasARecord) {
  const Json records = load();
  std::set<std::string> recorded;
  for (const Json& record : records) recorded.insert(record.at("op").get<std::string>());
  for (const auto& [name, op] : ops()) EXPECT_EQ(recorded.count(name), 1U) << name;
}

}  // namespace
}  // namespace gnn::testing
