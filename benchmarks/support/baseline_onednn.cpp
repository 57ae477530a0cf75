// Convolutions and matrix products by oneDNN 2, which picks the memory formats: what has another one is
// reordered, and that is timed, as the tensors come and go in libgnn's format.

#include <dnnl.hpp>
#include <memory>
#include <string>
#include <unordered_map>

#include "support/bench.h"

namespace gnn::bench {
namespace {

using dnnl::memory;

struct Runtime {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

Runtime& runtime() {
  static Runtime instance;
  return instance;
}

memory::desc described(const memory::dims& dims, memory::format_tag format) {
  return {dims, memory::data_type::f32, format};
}

memory wrap(const memory::desc& desc, const Tensor& tensor) {
  return {desc, runtime().engine, const_cast<float*>(tensor.data<float>())};  // inputs are only read
}

/// A primitive, the plain formats of its tensors, and buffers in the formats that it wants.
class Primitive {
 public:
  /// `descriptor`: of a primitive with source, weights, bias and destination.
  template <class Descriptor>
  Primitive(const Descriptor& descriptor, dnnl::primitive primitive, std::vector<memory::desc> plain)
      : primitive_(std::move(primitive)),
        plain_(std::move(plain)),
        wanted_{descriptor.src_desc(), descriptor.weights_desc(), descriptor.bias_desc(),
                descriptor.dst_desc()} {
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      buffers_.push_back(wanted_[i] == plain_[i] ? memory() : memory(wanted_[i], runtime().engine));
    }
  }

  void run(std::span<const Tensor> in, Tensor& out) {
    const int names[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};
    std::unordered_map<int, memory> arguments;
    for (std::size_t i = 0; i < 3; ++i) {
      memory plain = wrap(plain_[i], in[i]);
      if (buffers_[i]) dnnl::reorder(plain, buffers_[i]).execute(runtime().stream, plain, buffers_[i]);
      arguments.insert({names[i], buffers_[i] ? buffers_[i] : plain});
    }
    memory result = wrap(plain_[3], out);
    arguments.insert({names[3], buffers_[3] ? buffers_[3] : result});
    primitive_.execute(runtime().stream, arguments);
    if (buffers_[3]) dnnl::reorder(buffers_[3], result).execute(runtime().stream, buffers_[3], result);
    runtime().stream.wait();
  }

 private:
  dnnl::primitive primitive_;
  std::vector<memory::desc> plain_;
  std::vector<memory::desc> wanted_;
  std::vector<memory> buffers_;
};

Primitive make_convolution(const memory::dims& x, const memory::dims& w, const memory::dims& y,
                           std::int64_t padding) {
  using Tag = memory::format_tag;
  const memory::dims pad{padding, padding};
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto, described(x, Tag::any),
      described(w, Tag::any), described({w[0]}, Tag::x), described(y, Tag::any), {1, 1}, pad, pad);
  const dnnl::convolution_forward::primitive_desc chosen(desc, runtime().engine);
  return {
      chosen,
      dnnl::convolution_forward(chosen),
      {described(x, Tag::nchw), described(w, Tag::oihw), described({w[0]}, Tag::x), described(y, Tag::nchw)}};
}

Primitive make_linear(const memory::dims& x, const memory::dims& w) {
  using Tag = memory::format_tag;
  const memory::dims y{x[0], w[0]};
  const dnnl::inner_product_forward::desc desc(dnnl::prop_kind::forward_inference, described(x, Tag::any),
                                               described(w, Tag::any), described({w[0]}, Tag::x),
                                               described(y, Tag::any));
  const dnnl::inner_product_forward::primitive_desc chosen(desc, runtime().engine);
  return {chosen,
          dnnl::inner_product_forward(chosen),
          {described(x, Tag::nc), described(w, Tag::oi), described({w[0]}, Tag::x), described(y, Tag::nc)}};
}

memory::dims dims_of(const Tensor& tensor) {
  memory::dims dims;
  for (std::size_t i = 0; i < tensor.shape().dim(); ++i) dims.push_back(tensor.shape()[i]);
  return dims;
}

std::vector<Baseline> baselines() {
  std::vector<Baseline> list;
  const auto add = [&](const std::string& name, const auto& make, const auto& shape_of_result) {
    list.push_back({name, "oneDNN", DType::float32,
                    [=, primitive = std::shared_ptr<Primitive>()](std::span<const Tensor> in) mutable {
                      const Shape shape = shape_of_result(in);
                      if (!primitive) primitive = std::make_shared<Primitive>(make(in, shape));
                      Tensor out = empty(shape, in[0].options());
                      primitive->run(in, out);
                      return out;
                    }});
  };
  const auto add_convolution = [&](const std::string& name, std::int64_t padding) {
    const auto size = [padding](std::int64_t image, std::int64_t kernel) {
      return image + 2 * padding - kernel + 1;
    };
    add(
        name,
        [=](std::span<const Tensor> in, const Shape& shape) {
          return make_convolution(dims_of(in[0]), dims_of(in[1]), {shape[0], shape[1], shape[2], shape[3]},
                                  padding);
        },
        [=](std::span<const Tensor> in) {
          return Shape{in[0].size(0), in[1].size(0), size(in[0].size(2), in[1].size(2)),
                       size(in[0].size(3), in[1].size(3))};
        });
  };
  const auto add_linear = [&](const std::string& name) {
    add(
        name,
        [](std::span<const Tensor> in, const Shape&) { return make_linear(dims_of(in[0]), dims_of(in[1])); },
        [](std::span<const Tensor> in) {
          return Shape{in[0].size(0), in[1].size(0)};
        });
  };
  add_convolution("conv2d/lenet_conv1_64", 0);
  add_convolution("conv2d/lenet_conv2_64", 0);
  add_convolution("conv2d/3x3_64_channels", 1);
  add_linear("linear/64x800_to_500");
  add_linear("linear/64x500_to_10");
  add_linear("linear/256x4096_to_4096");
  return list;
}

const RegisterBaselines registered(baselines());

}  // namespace
}  // namespace gnn::bench
