// Trains LeNet for a few steps on random images, the last of them between profiler_start() and
// profiler_stop(). ./dev kernels --traffic counts it, and a profiler can record it on a GPU, for example:
//   nsys profile -c cudaProfilerApi profile_step
//   ncu --profile-from-start off profile_step

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "gnn/gnn.h"

namespace {

constexpr std::int64_t batch_size = 64;
constexpr std::int64_t warm_up = 3;
constexpr std::int64_t steps = warm_up + 1;

gnn::ImageDataset random_images(std::int64_t count) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    labels.push_back(i % 10);
    for (int pixel = 0; pixel < 28 * 28; ++pixel) {
      state = state * 1664525 + 1013904223;
      pixels.push_back(static_cast<std::uint8_t>(state >> 24));
    }
  }
  gnn::ImageDataset data;
  data.name = "random";
  data.images = gnn::from_values(pixels, {count, 1, 28, 28});
  data.labels = gnn::from_values(labels, {count});
  for (int label = 0; label < 10; ++label) data.class_names.push_back(std::to_string(label));
  return data;
}

void run(gnn::Device device) {
  gnn::manual_seed(1);
  gnn::LeNet model;
  model.to(device);
  gnn::SGD optimizer(model.parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  gnn::DataLoader loader(random_images(batch_size * steps),
                         {.batch_size = batch_size, .shuffle = true, .device = device});
  const auto mark_last_step = [&](gnn::Trainer&, std::int64_t step, const gnn::Tensor&) {
    if (step < warm_up) return;
    gnn::synchronize(device);
    if (step == warm_up) {
      gnn::cuda::profiler_start();
    } else {
      gnn::cuda::profiler_stop();
    }
  };
  gnn::Trainer(model, optimizer)
      .fit(loader, {.epochs = 1, .on_step = {mark_last_step}, .capture = false, .progress = false});
}

}  // namespace

int main() {
  try {
    run(gnn::Device::parse("cuda"));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "profile_step: %s\n", error.what());
    return 1;
  }
}
