#pragma once

#include <string>
#include <vector>

#include "gnn/kernels/gather_batch.h"
#include "gnn/kernels/run.h"
#include "support/op_case.h"

namespace gnn::testing::cases {

inline std::vector<OpCase> gather_batch() {
  std::vector<OpCase> table;
  // MNIST's mean and standard deviation.
  const double scale = 1 / (255 * 0.3081);
  const double shift = -0.1307 / 0.3081;
  const auto add = [&](const std::string& size, const Shape& images, std::int64_t batch) -> OpCase& {
    for (const DType dtype : {DType::float64, DType::float32}) {
      OpCase op_case;
      op_case.name = std::string(name_of(dtype)) + "_" + size;
      op_case.inputs = {constant(images, DType::uint8, 0, 255),
                        constant({batch}, DType::int64, 0, static_cast<double>(images[0] - 1))};
      op_case.op = [=](std::span<const Tensor> in) {
        Tensor out = empty(in[0].shape().with(0, batch), {dtype, in[0].device()});
        Tensor no_labels;
        kernels::run<kernels::GatherBatch>(in[0], Tensor(), in[1], scale, shift, out, no_labels);
        return out;
      };
      op_case.reference = [=](std::span<const Array> in) {
        Array out = array(images.with(0, batch));
        const std::int64_t pixels = images.with(0, 1).numel();
        for (std::int64_t i = 0; i < out.shape.numel(); ++i) {
          const auto image = static_cast<std::int64_t>(in[1][i / pixels]);
          out[i] = in[0][image * pixels + i % pixels] * scale + shift;
        }
        return out;
      };
      // Scale, shift and the result are rounded: 3 half units in the last place of numbers below 4.
      op_case.tolerance = dtype == DType::float32 ? 1.8e-7 : 3.4e-16;
      op_case.tolerance64 = op_case.tolerance;  // the dtype is the case's own
      op_case.gradient = false;
      op_case.bytes =
          static_cast<double>(images.with(0, batch).numel()) * (1.0 + static_cast<double>(size_of(dtype)));
      table.push_back(op_case);
    }
    return table.back();  // float32
  };
  add("empty_batch", {3, 2, 2}, 0);
  add("empty_images", {3, 0, 2}, 2);
  add("one_pixel", {1, 1}, 1);
  add("scalars", {7}, 31);
  add("31x33", {5, 1, 31, 33}, 4);
  add("1023", {4, 1023}, 3);
  add("rgb", {9, 3, 8, 8}, 33);
  add("mnist_64", {1000, 1, 28, 28}, 64).benchmark = true;
  OpCase& large = add("mnist_4096", {60000, 1, 28, 28}, 4096);
  large.benchmark = true;
  large.benchmark_only = true;
  table[table.size() - 2].benchmark_only = true;  // its float64 twin
  return table;
}

}  // namespace gnn::testing::cases
