// profile_pooling WIDTH...: conv2d_pool(), forward and backward, with a result of each width before pooling
// and of so many channels that on CUDA it is by matrix products (conv2d_pool_direct.h), between
// profiler_start() and profiler_stop(). ./dev kernels --traffic counts it for widths whose rows begin amid a
// sector of memory, which LeNet does not have.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "gnn/gnn.h"

namespace {

void run(std::int64_t width, gnn::DType dtype) {
  constexpr std::int64_t images = 2;
  constexpr std::int64_t channels = 160;
  const gnn::TensorOptions options{dtype, gnn::Device::parse("cuda")};
  const gnn::Tensor x = gnn::ones({images, channels, width, width}, options).set_requires_grad();
  const gnn::Tensor weight = gnn::ones({channels, channels, 1, 1}, options);
  const gnn::Tensor bias = gnn::ones({channels}, options).set_requires_grad();
  gnn::cuda::profiler_start();
  const gnn::Tensor y = gnn::conv2d_pool(x, weight, bias, {.relu = true});
  y.backward(y.detach());
  gnn::synchronize(options.device);
  gnn::cuda::profiler_stop();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::runtime_error("expected widths, for example: profile_pooling 14 17");
    for (int i = 1; i < argc; ++i) {
      for (const gnn::DType dtype : {gnn::DType::float32, gnn::DType::float64})
        run(std::stoll(argv[i]), dtype);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "profile_pooling: %s\n", error.what());
    return 1;
  }
}
