// What ./dev bench ab measures: the same calls of two builds of libgnn, each in a module of its own that
// benchmarks/scripts/ab.py loads into one process.

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gnn/gnn.h"
#include "gnn/kernels/conv2d.h"
#include "gnn/kernels/conv2d_pool.h"
#include "gnn/kernels/gemm.h"

namespace {

using namespace gnn;

struct Call {
  std::string name;
  std::function<void()> run;
};

std::vector<Call>& calls() {
  static std::vector<Call> all;
  return all;
}

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// A training step, and a forward pass in evaluation mode.
void add_net(const std::string& name, std::shared_ptr<Module> net, std::int64_t batch) {
  const Tensor x = randn({batch, 1, 28, 28});
  std::vector<std::int64_t> classes;
  for (std::int64_t i = 0; i < batch; ++i) classes.push_back(i * 7 % 10);
  const Tensor labels = from_values(classes, {batch});
  auto optimizer =
      std::make_shared<SGD>(net->parameters(), SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  calls().push_back({name + "_step", [=] {
                       optimizer->zero_grad();
                       cross_entropy((*net)(x), labels).backward();
                       optimizer->step();
                     }});
  calls().push_back({name + "_inference", [=] {
                       const NoGrad no_grad;
                       const ModeScope evaluation(*net, false);
                       (*net)(x);
                     }});
}

/// conv2d's forward pass and each of its gradients.
void add_conv2d(const std::string& name, const Shape& image, std::int64_t channels, std::int64_t kernel,
                const kernels::Conv2dParameters& parameters) {
  const Tensor x = randn(image);
  const Tensor weight = randn({channels, image[1], kernel, kernel});
  const Tensor bias = randn({channels});
  const kernels::Conv2dSizes sizes = kernels::conv2d_sizes("ab", x, weight, parameters);
  const Tensor dy = randn({sizes.n, sizes.o, sizes.oh, sizes.ow});
  calls().push_back({name + "_forward", [=, y = empty_like(dy)]() mutable {
                       kernels::Conv2dForward::cpu(x, weight, bias, y, parameters);
                     }});
  calls().push_back({name + "_dweight", [=, dweight = empty_like(weight)]() mutable {
                       kernels::Conv2dWeightGradient::cpu(x, dy, dweight, parameters);
                     }});
  calls().push_back({name + "_dx", [=, dx = empty_like(x)]() mutable {
                       kernels::Conv2dInputGradient::cpu(dy, weight, dx, parameters);
                     }});
}

/// conv2d_pool's forward pass and each of its gradients.
void add_conv2d_pool(const std::string& name, const Shape& image, std::int64_t channels, std::int64_t kernel,
                     const kernels::Conv2dPoolParameters& parameters) {
  const Tensor x = randn(image);
  const Tensor weight = randn({channels, image[1], kernel, kernel});
  const Tensor bias = randn({channels});
  const kernels::Conv2dSizes sizes = kernels::conv2d_sizes("ab", x, weight, parameters.conv);
  Tensor y = empty({sizes.n, sizes.o, sizes.oh / 2, sizes.ow / 2}, {});
  Tensor choice = empty(y.shape(), {.dtype = DType::uint8});
  const Tensor dy = randn(y.shape());
  kernels::Conv2dPoolForward::cpu(x, weight, bias, y, choice, parameters);
  calls().push_back({name + "_forward", [=]() mutable {
                       kernels::Conv2dPoolForward::cpu(x, weight, bias, y, choice, parameters);
                     }});
  calls().push_back({name + "_dweight",
                     [=, none = Tensor(), dweight = empty_like(weight), dbias = empty_like(bias)]() mutable {
                       kernels::Conv2dPoolBackward::cpu(x, weight, dy, choice, none, dweight, dbias,
                                                        parameters);
                     }});
  calls().push_back({name + "_dx", [=, none = Tensor(), dx = empty_like(x)]() mutable {
                       kernels::Conv2dPoolBackward::cpu(x, weight, dy, choice, dx, none, none, parameters);
                     }});
}

/// The three products of a linear layer, of whose input and gradient only that share is not zero.
void add_linear(const std::string& name, std::int64_t batch, std::int64_t in, std::int64_t out,
                double share = 1) {
  const Tensor x = dropout(randn({batch, in}), 1 - share);
  const Tensor weight = randn({out, in});
  const Tensor dy = dropout(randn({batch, out}), 1 - share);
  calls().push_back({name + "_forward", [=, y = empty_like(dy)]() mutable {
                       kernels::Gemm::cpu(x, weight, y, {.trans_b = true});
                     }});
  calls().push_back(
      {name + "_dx", [=, dx = empty_like(x)]() mutable { kernels::Gemm::cpu(dy, weight, dx); }});
  calls().push_back({name + "_dweight", [=, dweight = empty_like(weight)]() mutable {
                       kernels::Gemm::cpu(dy, x, dweight, {.trans_a = true});
                     }});
}

}  // namespace

/// Makes the calls, with the same random numbers in every build; returns how many there are.
extern "C" [[gnu::visibility("default")]] int gnn_ab_begin(int threads) {
  set_num_threads(threads);
  manual_seed(1);
  add_net("lenet_64", std::make_shared<LeNet>(), 64);
  add_net("lenet_128", std::make_shared<LeNet>(), 128);
  add_net("lenet5_64",
          std::make_shared<LeNet5>(LeNet5Options{.activation = Nonlinearity::relu, .pooling = Pooling::max}),
          64);
  const std::vector<std::int64_t> widths{784, 512, 256, 10};
  add_net("mlp_64", std::make_shared<MLP>(widths, MLPOptions{.dropout = 0.5}), 64);
  add_net("mlp_512", std::make_shared<MLP>(widths, MLPOptions{.dropout = 0.5}), 512);
  add_conv2d_pool("lenet_conv1", {64, 1, 28, 28}, 20, 5, {});
  add_conv2d_pool("lenet_conv2", {64, 20, 12, 12}, 50, 5, {});
  add_conv2d_pool("lenet5_conv1", {64, 1, 28, 28}, 6, 5, {.conv = {.padding = 2}, .relu = true});
  add_conv2d_pool("lenet5_conv2", {64, 6, 14, 14}, 16, 5, {.conv = {}, .relu = true});
  add_conv2d_pool("3x3_3_to_64", {32, 3, 32, 32}, 64, 3, {.conv = {.padding = 1}, .relu = true});
  add_conv2d_pool("3x3_64_to_128", {32, 64, 16, 16}, 128, 3, {.conv = {.padding = 1}, .relu = true});
  add_conv2d("conv2d_lenet_conv2", {64, 20, 12, 12}, 50, 5, {});
  add_conv2d("conv2d_3x3_16_to_16", {32, 16, 32, 32}, 16, 3, {.padding = 1});
  add_conv2d("conv2d_3x3_64_to_64", {32, 64, 16, 16}, 64, 3, {.padding = 1});
  add_conv2d("conv2d_5x5_32_to_32", {32, 32, 16, 16}, 32, 5, {.padding = 2});
  add_conv2d("conv2d_3x3_16_to_4", {32, 16, 32, 32}, 4, 3, {.padding = 1});
  add_conv2d("conv2d_5x5_16_to_6", {32, 16, 16, 16}, 6, 5, {.padding = 2});
  for (const std::int64_t batch : {1, 16}) {
    for (const std::int64_t pixels : {3, 4, 5, 7, 8, 14}) {
      add_conv2d("conv2d_3x3_" + std::to_string(pixels) + "_pixels_" + std::to_string(batch),
                 {batch, 256, pixels, pixels}, 256, 3, {.padding = 1});
    }
  }
  add_linear("linear_800_500", 64, 800, 500);
  add_linear("linear_784_512", 64, 784, 512);
  add_linear("linear_800_500_half_zeros", 64, 800, 500, 0.5);
  add_linear("linear_800_500_of_16", 16, 800, 500);
  add_linear("linear_800_500_of_4", 4, 800, 500);
  return static_cast<int>(calls().size());
}

extern "C" [[gnu::visibility("default")]] const char* gnn_ab_name(int call) {
  return calls()[static_cast<std::size_t>(call)].name.c_str();
}

/// One call; returns its processor seconds, of all threads. The first- and second-level caches are swept
/// before, untimed: what the other build left there would help or hinder.
extern "C" [[gnu::visibility("default")]] double gnn_ab_run(int call) {
  static std::vector<char> sweep(4 << 20);
  for (std::size_t i = 0; i < sweep.size(); i += 64) ++sweep[i];
  const double begin = processor_seconds();
  calls()[static_cast<std::size_t>(call)].run();
  return processor_seconds() - begin;
}
