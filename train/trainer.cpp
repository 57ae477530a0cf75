#include "gnn/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/core/text.h"
#include "gnn/layers/cross_entropy.h"
#include "gnn/train/captured_step.h"
#include "gnn/train/grad_norm.h"
#include "gnn/train/progress.h"
#include "gnn/train/step_log.h"

namespace gnn {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// "loss 0.0412  accuracy 98.71 %", the names behind `prefix`.
std::string scores(const char* prefix, double loss, double accuracy) {
  std::string text = fmt::format("{}loss {:.4f}", prefix, loss);
  if (!std::isnan(accuracy)) text += fmt::format("  {}accuracy {:.2f} %", prefix, 100 * accuracy);
  return text;
}

/// What an epoch came to, in one line.
std::string summary_of(const EpochResult& result, const FitOptions& options) {
  std::string line = scores("", result.train_loss, result.train_accuracy);
  if (options.validation != nullptr) {
    const std::string prefix = options.validation_name + " ";
    line += "  " + scores(prefix.c_str(), result.validation_loss, result.validation_accuracy);
  }
  return line + fmt::format("  lr {:.4g}  {}  {} samples/s", result.lr, format_duration(result.seconds),
                            format_count(std::llround(result.samples_per_second)));
}

/// What fit() shows its progress with.
std::function<void(const ProgressState&)> display_of(const FitOptions& options) {
  if (options.on_progress) return options.on_progress;
  if (!options.progress) return [](const ProgressState&) {};
  return [bar = std::shared_ptr<Progress>()](const ProgressState& state) mutable {
    if (state.done == 0) bar = std::make_shared<Progress>(state.label, state.total);
    if (state.finished) {
      bar->finish(state.label + "  " + state.note);
    } else {
      bar->update(state.done, state.note);
    }
  };
}

/// The best epoch so far and its weights.
class BestEpoch {
 public:
  BestEpoch(const EarlyStopping& options, Module& model) : options_(options), model_(model) {}

  /// True when training should end.
  bool update(const EpochResult& result) {
    if (options_.patience == 0) return false;
    const bool by_loss = options_.monitor == Monitor::validation_loss;
    const double value =
        by_loss ? -result.validation_loss : result.validation_accuracy;  // the higher the better
    if (epoch_ == 0 || value > value_ + options_.min_delta) {
      value_ = value;
      epoch_ = result.epoch;
      if (options_.restore_best) keep_weights();
    }
    last_ = result.epoch;
    return last_ - epoch_ >= options_.patience;
  }

  void restore() {
    if (options_.restore_best && last_ != epoch_) model_.load_state_dict(weights_);
  }

  std::int64_t epoch() const { return epoch_; }

 private:
  void keep_weights() {
    std::vector<NamedTensor> state = model_.state_dict();
    weights_.resize(state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      if (!weights_[i].tensor.defined()) weights_[i] = {state[i].name, empty_like(state[i].tensor)};
      weights_[i].tensor.copy_from(state[i].tensor);
    }
  }

  EarlyStopping options_;
  Module& model_;
  std::vector<NamedTensor> weights_;
  double value_ = 0;
  std::int64_t epoch_ = 0;  // the best
  std::int64_t last_ = 0;
};

void check_options(const DataLoader& train, const FitOptions& options) {
  const EarlyStopping& stopping = options.early_stopping;
  check<ValueError>(options.epochs >= 1, "fit: expected epochs >= 1, got {}", options.epochs);
  check<ValueError>(train.batches() > 0, "fit: the training data has no batches");
  check<ValueError>(options.validation == nullptr || options.validation->batches() > 0,
                    "fit: the validation data has no batches");
  check<ValueError>(options.clip_grad_norm >= 0, "fit: expected clip_grad_norm >= 0, got {}",
                    options.clip_grad_norm);
  check<ValueError>(stopping.patience >= 0, "fit: expected patience >= 0, got {}", stopping.patience);
  check<ValueError>(stopping.min_delta >= 0, "fit: expected min_delta >= 0, got {}", stopping.min_delta);
  check<ValueError>(stopping.patience == 0 || options.validation != nullptr,
                    "fit: early stopping needs validation data");
}

/// Those of the model and those that the optimizer has besides.
std::vector<Tensor> all_parameters(const Module& model, const Optimizer& optimizer) {
  std::vector<Tensor> all = model.parameters();
  for (const ParameterGroup& group : optimizer.groups()) {
    for (const Tensor& parameter : group.parameters) {
      if (std::ranges::none_of(all, [&](const Tensor& other) { return other.is_same(parameter); }))
        all.push_back(parameter);
    }
  }
  return all;
}

}  // namespace

Trainer::Trainer(Module& model, Optimizer& optimizer, LossFunction loss)
    : model_(model), optimizer_(optimizer), loss_(std::move(loss)) {
  if (!loss_)
    loss_ = [](const Tensor& output, const Tensor& labels) { return cross_entropy(output, labels); };
}

Tensor Trainer::loss_of(const Tensor& output, const Tensor& labels) const {
  Tensor loss = loss_(output, labels);
  check<ShapeError>(loss.numel() == 1,
                    "Trainer: expected a loss of one element, got {}; reduce it to its mean", loss.shape());
  return loss;
}

/// What a fit() keeps from step to step.
struct Trainer::Fit {
  Fit(Trainer& trainer, DataLoader& loader, const FitOptions& with)
      : options(with),
        display(display_of(with)),
        train(loader),
        parameters(trainer.model_.parameters()),
        step(loader.options().device, [this, &trainer] { return make_step(trainer); },
             {.capture = with.capture && with.on_step.empty(),
              .parameters = all_parameters(trainer.model_, trainer.optimizer_)}) {
    const Schedule* const schedule = with.schedule;
    if (schedule != nullptr && with.schedule_every_step &&
        schedule->state().base_lrs.size() == trainer.optimizer_.groups().size()) {
      trainer.optimizer_.foresee_lr(
          [schedule](std::size_t group, std::int64_t steps) { return schedule->lr_after(group, steps); });
      forecast.emplace(trainer.optimizer_);
    }
  }

  /// All of a step that is the device's; may be captured. Returns the loss.
  Tensor make_step(Trainer& trainer) {
    const Batch& now = **batch;
    trainer.optimizer_.zero_grad();
    const Tensor output = trainer.model_(now.inputs);
    Tensor loss = trainer.loss_of(output, now.labels);
    loss.backward();
    if (options.clip_grad_norm > 0) clip_grad_norm(parameters, options.clip_grad_norm);
    trainer.optimizer_.step();
    log.add(loss, output, now.labels);
    ++*batch;
    return loss;
  }

  /// Why steps are not captured.
  std::string capture_reason() const {
    return options.capture && !options.on_step.empty()
               ? "on_step callbacks run between steps and may read or change anything"
               : step.reason();
  }

  /// Says on stderr, once, that steps are not captured though they might be.
  void explain() {
    const std::string reason = capture_reason();
    if (explained || reason.empty() || !options.capture || train.options().device.is_cpu()) return;
    explained = true;
    fmt::print(stderr, "Training steps are not captured: {}\n", reason);
  }

  /// Takes the schedule's forecast from the optimizer again.
  struct Forecast {
    explicit Forecast(Optimizer& of) : optimizer(of) {}
    ~Forecast() { optimizer.foresee_lr({}); }
    Forecast(const Forecast&) = delete;
    Forecast& operator=(const Forecast&) = delete;
    Optimizer& optimizer;
  };

  const FitOptions& options;
  std::function<void(const ProgressState&)> display;
  DataLoader& train;
  std::vector<Tensor> parameters;
  StepLog log;
  std::optional<DataLoader::Iterator> batch;
  std::optional<Forecast> forecast;
  CapturedStep step;
  History history = {};
  bool explained = false;
};

bool Trainer::train_epoch(Fit& fit, EpochResult& result) {
  const FitOptions& options = fit.options;
  ProgressState progress{.label = fmt::format("Epoch {:>{}}/{}", result.epoch,
                                              fmt::formatted_size("{}", options.epochs), options.epochs),
                         .total = fit.train.samples()};
  fit.display(progress);
  result.lr = optimizer_.lr();
  const Stopwatch watch;
  StepLog& log = fit.log;
  log.restart(fit.history.steps);
  for (fit.batch = fit.train.begin(); *fit.batch != fit.train.end();) {
    if (stop_.load(std::memory_order_relaxed)) return false;
    const Tensor loss = fit.step();
    ++fit.history.steps;
    if (options.schedule != nullptr && options.schedule_every_step) options.schedule->step();
    for (const StepCallback& callback : options.on_step) callback(*this, fit.history.steps, loss);
    if (log.due()) {
      log.read();
      progress.done = log.samples();
      progress.seconds = watch.seconds();
      progress.note = scores("", log.loss(), log.accuracy());
      fit.display(progress);
    }
  }
  log.read();
  result.train_loss = log.loss();
  result.train_accuracy = log.accuracy();
  result.seconds = watch.seconds();
  result.samples_per_second = static_cast<double>(log.samples()) / result.seconds;
  if (options.validation != nullptr) {
    const Evaluation evaluation = evaluate(*options.validation);
    result.validation_loss = evaluation.loss;
    result.validation_accuracy = evaluation.accuracy;
  }
  progress.done = log.samples();
  progress.seconds = watch.seconds();
  progress.note = summary_of(result, options);
  progress.finished = true;
  fit.display(progress);
  if (options.progress) fit.explain();
  return true;
}

History Trainer::fit(DataLoader& train, const FitOptions& options) {
  check_options(train, options);
  const ModeScope mode(model_, true);
  Fit fit(*this, train, options);
  History& history = fit.history;
  BestEpoch best(options.early_stopping, model_);
  const Stopwatch watch;
  double training_seconds = 0;
  double trained_samples = 0;
  for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
    EpochResult result{.epoch = epoch};
    if (!train_epoch(fit, result)) {
      history.stopped = true;
      break;
    }
    result.elapsed_seconds = watch.seconds();
    training_seconds += result.seconds;
    trained_samples += result.samples_per_second * result.seconds;
    history.epochs.push_back(result);
    if (options.schedule != nullptr && !options.schedule_every_step) options.schedule->step();
    for (const EpochCallback& callback : options.on_epoch) callback(*this, result);
    if (!options.on_epoch.empty() && fit.step.reason().empty()) fit.step.reset();
    if (best.update(result)) {
      history.stopped_early = true;
      break;
    }
  }
  best.restore();
  stop_ = false;
  history.best_epoch = best.epoch();
  history.seconds = watch.seconds();
  if (training_seconds > 0) history.samples_per_second = trained_samples / training_seconds;
  history.captured_steps = fit.step.replays();
  history.capture_reason = fit.capture_reason();
  return history;
}

Evaluation Trainer::evaluate(DataLoader& data) {
  check<ValueError>(data.batches() > 0, "evaluate: the data has no batches");
  const NoGrad no_grad;
  const ModeScope mode(model_, false);
  const Stopwatch watch;
  Evaluation result;
  double loss_sum = 0;
  for (const Batch& batch : data) {
    const Tensor output = model_(batch.inputs);
    loss_sum += loss_of(output, batch.labels).item() * static_cast<double>(batch.size);
    result.samples += batch.size;
    if (!is_classification(output, batch.labels)) continue;
    if (!result.confusion) result.confusion.emplace(output.size(1));
    const std::vector<std::int64_t> labels = batch.labels.to_vector<std::int64_t>();
    const std::vector<std::int64_t> predicted = predicted_classes(output);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      result.confusion->add(labels[i], predicted[i]);
      if (labels[i] != predicted[i])
        result.misclassified.push_back({batch.indices[i], labels[i], predicted[i]});
    }
  }
  result.loss = loss_sum / static_cast<double>(result.samples);
  if (result.confusion) result.accuracy = result.confusion->accuracy();
  result.seconds = watch.seconds();
  return result;
}

}  // namespace gnn
