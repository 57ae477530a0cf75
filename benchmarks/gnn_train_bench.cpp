// libgnn's half of `./dev bench train`: trains and runs a net as benchmarks/scripts/train.py tells it on
// standard input, and answers every command with one line of JSON. benchmarks/torch_train.py is the other
// half: the same commands, nets, data and hyper-parameters. Times are wall and processor seconds of the steps
// alone.
//
//   save FILE      writes the initial weights, the inputs and the labels (safetensors) for the other half
//   losses N       N training steps from the initial weights: the loss of each, and of each batch before, in
//                  evaluation mode
//   steps N        N training steps from the initial weights, timed
//   infer N        N forward passes in evaluation mode, timed
//   mnist DIR      loads MNIST and starts again with the initial weights
//   mnist_steps N  N training steps on shuffled MNIST, timed with the loading of batches
//   accuracy       on MNIST's test images
//
// Only libgnn's public interface is used.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gnn/gnn.h"

namespace {

using nlohmann::json;

struct Options {
  std::string net;
  std::int64_t batch = 64;
  int threads = 1;
  std::int64_t batches = 16;
  double dropout = 0.5;
};

struct Net {
  std::unique_ptr<gnn::Module> module;
  gnn::Shape image;
};

Net make_net(const Options& options) {
  if (options.net == "lenet") return {std::make_unique<gnn::LeNet>(), {1, 28, 28}};
  if (options.net == "lenet5") {
    return {std::make_unique<gnn::LeNet5>(
                gnn::LeNet5Options{.activation = gnn::Nonlinearity::relu, .pooling = gnn::Pooling::max}),
            {1, 28, 28}};
  }
  if (options.net == "mlp") {
    return {std::make_unique<gnn::MLP>(std::vector<std::int64_t>{784, 512, 256, 10},
                                       gnn::MLPOptions{.dropout = options.dropout}),
            {1, 28, 28}};
  }
  if (options.net == "cifar") {
    using namespace gnn;
    return {std::make_unique<Sequential>(Conv2d(3, 64, 3, {.padding = 1}), ReLU(), MaxPool2d(2),
                                         Conv2d(64, 128, 3, {.padding = 1}), ReLU(), MaxPool2d(2),
                                         Conv2d(128, 256, 3, {.padding = 1}), ReLU(), MaxPool2d(2), Flatten(),
                                         Linear(256 * 4 * 4, 10)),
            {3, 32, 32}};
  }
  throw std::invalid_argument("there is no net \"" + options.net + "\"; they are lenet, lenet5, mlp, cifar");
}

/// Wall and processor time (of all threads) since it was made.
class Stopwatch {
 public:
  json elapsed() const {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin_;
    return {{"wall", wall.count()}, {"cpu", processor_seconds() - processor_begin_}};
  }

 private:
  static double processor_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double processor_begin_ = processor_seconds();
};

class Worker {
 public:
  explicit Worker(const Options& options) : options_(options), net_(make_net(options)) {
    gnn::Generator generator(1);
    const std::int64_t samples = options.batches * options.batch;
    inputs_ = gnn::randn({samples, net_.image[0], net_.image[1], net_.image[2]}, {}, &generator);
    std::vector<std::int64_t> labels;
    for (const std::int64_t i : gnn::permutation(samples, 1)) labels.push_back(i % 10);
    labels_ = gnn::from_values(labels, {samples});
    for (const gnn::NamedTensor& state : net_.module->state_dict()) {
      initial_.push_back({state.name, gnn::clone(state.tensor.detach())});
    }
    reset();
  }

  json run(const std::string& command, const std::string& argument) {
    if (command == "save") return save(argument);
    if (command == "losses") return losses(std::stoll(argument));
    if (command == "steps") return steps(std::stoll(argument));
    if (command == "infer") return infer(std::stoll(argument));
    if (command == "mnist") return load_mnist(argument);
    if (command == "mnist_steps") return mnist_steps(std::stoll(argument));
    if (command == "accuracy") return accuracy();
    throw std::invalid_argument("unknown command \"" + command + "\"");
  }

 private:
  void reset() {
    net_.module->load_state_dict(initial_);
    net_.module->train();
    optimizer_.emplace(net_.module->parameters(),
                       gnn::SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4});
  }

  gnn::Tensor batch_of(const gnn::Tensor& all, std::int64_t step) const {
    const std::int64_t begin = step % options_.batches * options_.batch;
    return gnn::slice(all, begin, begin + options_.batch);
  }

  gnn::Tensor step(const gnn::Tensor& inputs, const gnn::Tensor& labels) {
    optimizer_->zero_grad();
    gnn::Tensor loss = gnn::cross_entropy((*net_.module)(inputs), labels);
    loss.backward();
    optimizer_->step();
    return loss;
  }

  json save(const std::string& path) {
    std::vector<gnn::NamedTensor> tensors = initial_;
    tensors.push_back({"inputs", inputs_});
    tensors.push_back({"labels", labels_});
    gnn::save_tensors(path, tensors);
    return json::object();
  }

  json losses(std::int64_t count) {
    reset();
    json answer{{"losses", json::array()}, {"inference_losses", json::array()}};
    {
      const gnn::NoGrad no_grad;
      const gnn::ModeScope evaluation(*net_.module, false);
      for (std::int64_t i = 0; i < count; ++i) {
        const gnn::Tensor loss =
            gnn::cross_entropy((*net_.module)(batch_of(inputs_, i)), batch_of(labels_, i));
        answer["inference_losses"].push_back(loss.item());
      }
    }
    for (std::int64_t i = 0; i < count; ++i) {
      answer["losses"].push_back(step(batch_of(inputs_, i), batch_of(labels_, i)).item());
    }
    return answer;
  }

  json steps(std::int64_t count) {
    reset();
    const Stopwatch stopwatch;
    for (std::int64_t i = 0; i < count; ++i) step(batch_of(inputs_, i), batch_of(labels_, i));
    return stopwatch.elapsed();
  }

  json infer(std::int64_t count) {
    const gnn::NoGrad no_grad;
    const gnn::ModeScope evaluation(*net_.module, false);
    const Stopwatch stopwatch;
    for (std::int64_t i = 0; i < count; ++i) (*net_.module)(batch_of(inputs_, i));
    return stopwatch.elapsed();
  }

  json load_mnist(const std::string& directory) {
    gnn::ImageDatasets data = gnn::load_mnist(directory);
    reset();
    // With one thread for computing, none of its own for loading.
    train_.emplace(data.train, gnn::DataLoaderOptions{.batch_size = options_.batch,
                                                      .shuffle = true,
                                                      .seed = 1,
                                                      .prefetch = options_.threads > 1 ? 2 : 0});
    test_.emplace(data.test, gnn::DataLoaderOptions{.batch_size = 1000});
    batch_.reset();
    return {{"batches", train_->batches()}, {"images", train_->samples()}, {"name", data.train.name}};
  }

  json mnist_steps(std::int64_t count) {
    if (!train_) throw std::invalid_argument("mnist_steps: \"mnist DIR\" comes first");
    const Stopwatch stopwatch;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!batch_ || *batch_ == std::default_sentinel) batch_.emplace(train_->begin());
      step((*batch_)->inputs, (*batch_)->labels);
      ++*batch_;
    }
    return stopwatch.elapsed();
  }

  json accuracy() {
    if (!test_) throw std::invalid_argument("accuracy: \"mnist DIR\" comes first");
    const gnn::NoGrad no_grad;
    const gnn::ModeScope evaluation(*net_.module, false);
    double correct = 0;
    for (const gnn::Batch& batch : *test_) {
      correct += gnn::accuracy((*net_.module)(batch.inputs), batch.labels) * static_cast<double>(batch.size);
    }
    return {{"accuracy", correct / static_cast<double>(test_->samples())}};
  }

  Options options_;
  Net net_;
  gnn::Tensor inputs_;
  gnn::Tensor labels_;
  std::vector<gnn::NamedTensor> initial_;
  std::optional<gnn::SGD> optimizer_;
  std::optional<gnn::DataLoader> train_;
  std::optional<gnn::DataLoader> test_;
  std::optional<gnn::DataLoader::Iterator> batch_;
};

json peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

std::string version() {
  return std::to_string(GNN_VERSION_MAJOR) + "." + std::to_string(GNN_VERSION_MINOR) + "." +
         std::to_string(GNN_VERSION_PATCH);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("libgnn's half of ./dev bench train; commands come on standard input.");
  app.add_option("--net", options.net, "lenet, lenet5, mlp or cifar")->required();
  app.add_option("--batch", options.batch)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  app.add_option("--batches", options.batches, "different batches")->check(CLI::PositiveNumber);
  app.add_option("--dropout", options.dropout, "of the MLP");
  CLI11_PARSE(app, argc, argv);
  try {
#if !defined(NDEBUG)
    throw std::runtime_error("this is not a Release build; its figures mean nothing");
#endif
    std::cout << json{{"framework", "libgnn"}, {"version", version()}}.dump() << std::endl;
    gnn::set_num_threads(options.threads);
    Worker worker(options);
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      std::string command, argument;
      words >> command >> std::ws;
      std::getline(words, argument);
      json answer = worker.run(command, argument);
      answer["peak_memory"] = peak_memory();
      std::cout << answer.dump() << std::endl;
    }
  } catch (const std::exception& error) {
    std::cout << json{{"error", error.what()}}.dump() << std::endl;
    return 1;
  }
  return 0;
}
