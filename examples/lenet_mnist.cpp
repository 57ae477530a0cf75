// Trains LeNet on MNIST and tests it: lenet_mnist --help.
//
// The part to copy is train_lenet(): model, optimizer, data loaders and fit are about 20 lines. The rest is
// the command line, the report and the picture.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gnn/gnn.h"

namespace {

struct Options {
  std::int64_t epochs = 10;
  std::int64_t batch_size = 64;
  std::optional<double> lr;  // empty: the optimizer's own default
  std::string optimizer = "sgd";
  std::uint64_t seed = 1;
  std::string device = "auto";
  std::filesystem::path data;
  int threads = 0;  // 0: all cores
  std::filesystem::path checkpoint;
  std::filesystem::path report;
  std::filesystem::path picture;
};

struct Outcome {
  gnn::History history;
  gnn::Evaluation test;
  std::string parameters_sha256;
};

// Ctrl-C ends the training after the present step; a second one ends the program.
gnn::Trainer* running_trainer = nullptr;
extern "C" void stop_training(int signal) {
  if (running_trainer != nullptr) running_trainer->stop();
  std::signal(signal, SIG_DFL);
}

class StopOnSignal {
 public:
  explicit StopOnSignal(gnn::Trainer& trainer) {
    running_trainer = &trainer;
    std::signal(SIGINT, stop_training);
    std::signal(SIGTERM, stop_training);
  }
  ~StopOnSignal() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    running_trainer = nullptr;
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
};

std::unique_ptr<gnn::Optimizer> make_optimizer(const Options& options, const gnn::Module& model) {
  const auto lr = [&](double by_default) { return options.lr.value_or(by_default); };
  const std::vector<gnn::Tensor> parameters = model.parameters();
  if (options.optimizer == "adam")
    return std::make_unique<gnn::Adam>(parameters, gnn::AdamOptions{.lr = lr(1e-3)});
  if (options.optimizer == "adamw")
    return std::make_unique<gnn::AdamW>(parameters, gnn::AdamWOptions{.lr = lr(1e-3)});
  // Momentum and weight decay of Caffe's LeNet.
  return std::make_unique<gnn::SGD>(parameters,
                                    gnn::SGDOptions{.lr = lr(0.01), .momentum = 0.9, .weight_decay = 5e-4});
}

Outcome train_lenet(const Options& options, const gnn::ImageDatasets& data, gnn::Device device) {
  gnn::manual_seed(options.seed);
  gnn::LeNet model;
  model.to(device);
  std::printf("%s\n", gnn::summary(model, {options.batch_size, 1, 28, 28}).c_str());
  std::fflush(stdout);  // progress is on stderr

  gnn::DataLoader train(
      data.train,
      {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed, .device = device});
  gnn::DataLoader test(data.test, {.batch_size = 1000, .device = device});
  const std::unique_ptr<gnn::Optimizer> optimizer = make_optimizer(options, model);
  gnn::CosineLR schedule(*optimizer, options.epochs * train.batches());

  gnn::Trainer trainer(model, *optimizer);
  const StopOnSignal stop_on_signal(trainer);
  const auto save = [&](gnn::Trainer&, const gnn::EpochResult&) {
    if (!options.checkpoint.empty()) gnn::save_checkpoint(options.checkpoint, model);
  };
  // The test set is evaluated for the curves and nothing is chosen by it: the result is that of the last
  // epoch.
  const gnn::History history = trainer.fit(train, {.epochs = options.epochs,
                                                   .validation = &test,
                                                   .validation_name = "test",
                                                   .schedule = &schedule,
                                                   .schedule_every_step = true,
                                                   .on_epoch = {save}});
  if (history.stopped) return {history, {}, {}};
  return {history, trainer.evaluate(test), gnn::sha256(model)};
}

gnn::ImageDatasets load_data(const std::filesystem::path& folder) {
  if (folder.empty() && gnn::find_dataset("mnist").empty() && !gnn::find_dataset("fashion-mnist").empty()) {
    gnn::ImageDatasets data = gnn::load_fashion_mnist();
    for (gnn::ImageDataset* part : {&data.train, &data.test})
      part->name += " (substitute: MNIST was not found)";
    return data;
  }
  return gnn::load_mnist(folder);
}

void write_report(const Options& options, const gnn::ImageDatasets& data, gnn::Device device,
                  const Outcome& outcome) {
  nlohmann::ordered_json report = {
      {"model", "LeNet"},
      {"dataset", data.train.name},
      {"device", device.to_string()},
      {"device_name", device.is_cuda() ? gnn::cuda::device_name(device.index) : "CPU"},
      {"threads", gnn::num_threads()},
      {"seed", options.seed},
      {"epochs", options.epochs},
      {"batch_size", options.batch_size},
      {"optimizer", options.optimizer},
      {"lr", outcome.history.epochs.front().lr},
      {"test_accuracy", outcome.test.accuracy},
      {"test_loss", outcome.test.loss},
      {"seconds", outcome.history.seconds},
      {"images_per_second", outcome.history.samples_per_second},
      {"parameters_sha256", outcome.parameters_sha256}};
  for (const gnn::EpochResult& epoch : outcome.history.epochs) {
    report["seconds_at_epoch_end"].push_back(epoch.elapsed_seconds);
    report["lr_by_epoch"].push_back(epoch.lr);
    report["train_loss"].push_back(epoch.train_loss);
    report["train_accuracy"].push_back(epoch.train_accuracy);
    report["test_loss_by_epoch"].push_back(epoch.validation_loss);
    report["test_accuracy_by_epoch"].push_back(epoch.validation_accuracy);
  }
  gnn::write_file_atomically(options.report, report.dump(2) + "\n");
}

void write_picture(const Options& options, const gnn::ImageDatasets& data, gnn::Device device,
                   const Outcome& outcome) {
  gnn::TrainingPicture picture;
  picture.title = "LeNet on " + data.train.name;
  char accuracy[64];
  std::snprintf(accuracy, sizeof accuracy, "test accuracy %.2f %%, ", 100 * outcome.test.accuracy);
  picture.subtitle = accuracy + std::to_string(options.epochs) +
                     (options.epochs == 1 ? " epoch" : " epochs") + ", seed " + std::to_string(options.seed) +
                     ", " + device.to_string();
  for (const gnn::EpochResult& epoch : outcome.history.epochs) {
    picture.train_loss.push_back(epoch.train_loss);
    picture.validation_loss.push_back(epoch.validation_loss);
    picture.validation_accuracy.push_back(epoch.validation_accuracy);
  }
  picture.class_names = data.test.class_names;
  const gnn::ConfusionMatrix& confusion = *outcome.test.confusion;
  for (std::int64_t label = 0; label < confusion.classes(); ++label) {
    std::vector<std::int64_t>& row = picture.confusion.emplace_back();
    for (std::int64_t predicted = 0; predicted < confusion.classes(); ++predicted) {
      row.push_back(confusion.count(label, predicted));
    }
  }
  for (const gnn::Misclassified& sample : outcome.test.misclassified) {
    if (sample.predicted < 0) continue;
    const gnn::Tensor image = data.test.images.alias({28, 28}, sample.index * 28 * 28);
    picture.misclassified.push_back({image, sample.label, sample.predicted});
  }
  gnn::write_training_picture(options.picture, picture);
}

int run(const Options& options) {
  // Found out now, not after the training.
  for (const std::filesystem::path& path : {options.checkpoint, options.report, options.picture}) {
    if (!path.empty()) gnn::AtomicFile probe(path);
  }
  if (options.threads > 0) gnn::set_num_threads(options.threads);
  const gnn::Device device = gnn::Device::parse(options.device);
  if (device.is_cuda()) {
    std::printf("Device: %s, %s\n", device.to_string().c_str(), gnn::cuda::device_name(device.index).c_str());
  } else {
    std::printf("Device: cpu, %d threads\n", gnn::num_threads());
  }
  const gnn::ImageDatasets data = load_data(options.data);
  std::printf("Data: %s, %lld training and %lld test images\n\n", data.train.name.c_str(),
              static_cast<long long>(data.train.size()), static_cast<long long>(data.test.size()));
  std::fflush(stdout);

  const Outcome outcome = train_lenet(options, data, device);
  const std::size_t complete = outcome.history.epochs.size();
  if (outcome.history.stopped) {
    std::fprintf(stderr, "lenet_mnist: stopped in epoch %zu of %lld", complete + 1,
                 static_cast<long long>(options.epochs));
    if (!options.checkpoint.empty() && complete > 0) {
      std::fprintf(stderr, "; %s has the weights after epoch %zu", options.checkpoint.c_str(), complete);
    }
    std::fprintf(stderr, "\n");
    return 130;
  }
  std::printf("\nTest accuracy on %s: %.2f %% (loss %.4f)\n", data.test.name.c_str(),
              100 * outcome.test.accuracy, outcome.test.loss);
  std::printf("Training: %.1f s, %.0f images/s\n", outcome.history.seconds,
              outcome.history.samples_per_second);
  std::printf("SHA-256 of all parameters: %s\n", outcome.parameters_sha256.c_str());
  if (!options.report.empty()) write_report(options, data, device, outcome);
  if (!options.picture.empty()) write_picture(options, data, device, outcome);
  for (const std::filesystem::path& path : {options.checkpoint, options.report, options.picture}) {
    if (!path.empty()) std::printf("Wrote %s\n", path.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains LeNet on MNIST and tests it.", "lenet_mnist");
  app.option_defaults()->always_capture_default();
  app.add_option("--epochs", options.epochs, "Passes over the training images")->check(CLI::Range(1, 100000));
  app.add_option("--batch-size", options.batch_size, "Images per step")->check(CLI::Range(1, 60000));
  app.add_option("--optimizer", options.optimizer, "sgd (momentum 0.9, weight decay 5e-4), adam or adamw")
      ->check(CLI::IsMember({"sgd", "adam", "adamw"}));
  app.add_option("--lr", options.lr, "Learning rate at the start [sgd: 0.01, adam and adamw: 0.001]");
  app.add_option("--seed", options.seed, "Of initial weights and the order of the images");
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N");
  app.add_option(
         "--data", options.data,
         "Folder with MNIST's four files [$GNN_DATA_DIR/mnist, else the cache folder, else Fashion-MNIST]")
      ->default_str("");
  app.add_option("--threads", options.threads, "CPU threads; they do not change the result [all cores]")
      ->check(CLI::Range(1, 4096))
      ->default_str("");
  app.add_option("--checkpoint", options.checkpoint,
                 "Write the weights to this safetensors file after every epoch")
      ->default_str("");
  app.add_option("--report", options.report, "Write results to this JSON file")->default_str("");
  app.add_option("--picture", options.picture, "Write curves, confusion matrix and mistakes to this SVG file")
      ->default_str("");
  try {
    app.parse(argc, argv);
    return run(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "lenet_mnist: %s\n", error.what());
    return 1;
  }
}
