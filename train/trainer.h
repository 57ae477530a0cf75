#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"
#include "gnn/data/data_loader.h"
#include "gnn/layers/module.h"
#include "gnn/train/metrics.h"
#include "gnn/train/optimizer.h"
#include "gnn/train/progress.h"
#include "gnn/train/schedule.h"

namespace gnn {

class Trainer;

/// The loss of a batch, a tensor of one element that is its mean over the samples: loss(output, labels).
/// Where steps are captured (FitOptions::capture), it is called for some of them only.
using LossFunction = std::function<Tensor(const Tensor& output, const Tensor& labels)>;

/// What an epoch came to. Accuracies are from 0 to 1, and NaN where they are not known: without validation,
/// or for outputs that are not [N, classes] with int64 labels [N].
struct EpochResult {
  std::int64_t epoch = 0;  ///< from 1
  double train_loss = 0;   ///< mean over the samples, each at the time of its step
  double train_accuracy = std::numeric_limits<double>::quiet_NaN();
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  double validation_accuracy = std::numeric_limits<double>::quiet_NaN();
  double lr = 0;                  ///< of the first parameter group in the epoch's first step
  double seconds = 0;             ///< of its training, without validation
  double elapsed_seconds = 0;     ///< from the start of fit() to its end, validation included
  double samples_per_second = 0;  ///< of its training
};

struct History {
  std::vector<EpochResult> epochs;  ///< the complete ones
  std::int64_t steps = 0;           ///< optimizer steps, also those of an epoch that was stopped
  double seconds = 0;               ///< of all, with validation and callbacks
  double samples_per_second = 0;    ///< of training alone
  /// The epoch (from 1) whose weights early stopping found best; 0 when it is off.
  std::int64_t best_epoch = 0;
  bool stopped_early = false;  ///< by early stopping
  bool stopped = false;        ///< by Trainer::stop(); the running epoch is not in `epochs`
  /// Steps that were replays of a captured one, and why the others were not, where that was not by design
  /// (the first step, a smaller last batch). Always 0 on the CPU.
  std::int64_t captured_steps = 0;
  std::string capture_reason = {};
};

/// What early stopping watches.
enum class Monitor { validation_loss, validation_accuracy };

/// Ends training when the monitored value has not improved by more than `min_delta` for `patience` epochs (0:
/// never ends it, the default) and goes back to the best epoch's weights. Its choice makes the validation
/// data part of training: never give it the test set.
struct EarlyStopping {
  std::int64_t patience = 0;
  Monitor monitor = Monitor::validation_loss;
  double min_delta = 0;
  bool restore_best = true;
};

using EpochCallback = std::function<void(Trainer& trainer, const EpochResult& result)>;
/// `step` counts all steps of the fit() from 1. The loss is on the device: reading it makes the host wait.
using StepCallback = std::function<void(Trainer& trainer, std::int64_t step, const Tensor& loss)>;

struct FitOptions {
  std::int64_t epochs = 1;
  /// Evaluated after every epoch; nullptr: none.
  DataLoader* validation = nullptr;
  /// What the progress lines call it.
  std::string validation_name = "validation";
  /// Stepped after every epoch, or after every step; nullptr: the learning rate stays as it is.
  Schedule* schedule = nullptr;
  bool schedule_every_step = false;
  /// Limit for the norm of all gradients together (clip_grad_norm); 0: none.
  double clip_grad_norm = 0;
  EarlyStopping early_stopping = {};
  /// Called after every epoch (its validation included), and after every step, in order.
  std::vector<EpochCallback> on_epoch = {};
  std::vector<StepCallback> on_step = {};
  /// On CUDA: issue a step by one call, as CapturedStep does, where that is possible: the data set is kept on
  /// the device, model and loss do nothing that waits for it, no gradient has a hook, and there is no on_step
  /// callback, which might read or change anything. Results are the same, bit for bit, unless code of a
  /// model's or loss's own, on the host, does something else from step to step: turn it off for those. After
  /// on_epoch callbacks the step is captured anew.
  bool capture = true;
  /// A progress bar on a terminal, plain lines elsewhere, on stderr.
  bool progress = true;
  /// Shows the progress instead of stderr, whatever `progress` says: called at the start of every epoch (with
  /// nothing done), whenever the loss was read from the device, and at the epoch's end, validation included,
  /// with `finished` and the epoch's results as its note. What it throws ends fit().
  std::function<void(const ProgressState& state)> on_progress = {};
};

struct Misclassified {
  std::int64_t index = 0;  ///< in the data set
  std::int64_t label = 0;
  std::int64_t predicted = 0;  ///< -1: no prediction, the output had a NaN
};

struct Evaluation {
  double loss = 0;  ///< mean over the samples
  std::int64_t samples = 0;
  double seconds = 0;
  // For classifiers, whose output is [N, classes] with int64 labels [N]:
  double accuracy = std::numeric_limits<double>::quiet_NaN();
  std::optional<ConfusionMatrix> confusion = {};
  std::vector<Misclassified> misclassified = {};  ///< in the loader's order
};

/// Trains and evaluates a model:
///
///   gnn::SGD optimizer(model.parameters(), {.lr = 0.01, .momentum = 0.9});
///   gnn::Trainer trainer(model, optimizer);
///   trainer.fit(train_loader, {.epochs = 10, .validation = &validation_loader});
///
/// Model and loaders are on the same device. Model and optimizer must outlive the trainer. Training is
/// deterministic: the loss is kept on the device and read there every 50 steps, or every 5 when they are
/// slow, and reading does not change a result. On CUDA, steps are captured where they can be; History says
/// so, and so does, once, the progress on stderr where they cannot.
class GNN_API Trainer {
 public:
  /// The default loss is cross_entropy().
  Trainer(Module& model, Optimizer& optimizer, LossFunction loss = {});

  /// Trains for the given number of epochs, in training mode; the modules' modes are put back. Throws
  /// TrainingError, naming the step, when the loss of a step is NaN or infinite; ValueError for options that
  /// make no sense and a loader without samples; ShapeError for a loss that is not one number; and what
  /// model, loss, loaders and callbacks throw. The steps until then stay made.
  History fit(DataLoader& train, const FitOptions& options = {});

  /// Loss and, for a classifier, accuracy, confusion matrix and misclassified samples, in evaluation mode and
  /// without recording; the modules' modes are put back. Throws ValueError for a loader without samples.
  Evaluation evaluate(DataLoader& data);

  /// Makes the running fit(), or else the next, return after its present step. May be called from callbacks,
  /// other threads and signal handlers.
  void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

  Module& model() { return model_; }
  Optimizer& optimizer() { return optimizer_; }

 private:
  struct Fit;

  bool train_epoch(Fit& fit, EpochResult& result);
  Tensor loss_of(const Tensor& output, const Tensor& labels) const;

  Module& model_;
  Optimizer& optimizer_;
  LossFunction loss_;
  std::atomic<bool> stop_{false};
  static_assert(std::atomic<bool>::is_always_lock_free, "stop() is to be safe in signal handlers");
};

}  // namespace gnn
