// Uses libgnn as a program outside this project does: trains a small network on XOR and saves it.

#include <gnn/gnn.h>

#include <cstdio>

namespace {

struct Net : gnn::Module {
  Net() : Module("Net") {}
  gnn::Tensor forward(const gnn::Tensor& x) override { return output(gnn::tanh(hidden(x))); }

  gnn::Linear hidden = child("hidden", gnn::Linear(2, 8));
  gnn::Linear output = child("output", gnn::Linear(8, 2));
};

}  // namespace

int main() {
  gnn::manual_seed(1);
  const gnn::Tensor x = gnn::from_values<float>({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  const gnn::Tensor labels = gnn::from_values<std::int64_t>({0, 1, 1, 0}, {4});
  Net net;
  gnn::Adam optimizer(net.parameters(), {.lr = 0.05});
  for (int step = 0; step < 200; ++step) {
    optimizer.zero_grad();
    gnn::cross_entropy(net(x), labels).backward();
    optimizer.step();
  }
  const double accuracy = gnn::accuracy(net(x), labels);
  gnn::save_checkpoint("xor.safetensors", net);
  std::remove("xor.safetensors");

  // Exceptions cross the library's border, and no GPU is a reason, not a crash.
  bool caught = false;
  try {
    net(gnn::zeros({4, 3}));
  } catch (const gnn::ShapeError&) {
    caught = true;
  }
  std::printf(
      "XOR: accuracy %g; CUDA: %s; cuDNN: %s\n", accuracy,
      gnn::cuda::is_available() ? "available" : gnn::cuda::unavailable_reason().c_str(),
      gnn::cudnn::is_available() ? gnn::cudnn::version().c_str() : gnn::cudnn::unavailable_reason().c_str());
  return accuracy == 1 && caught ? 0 : 1;
}
