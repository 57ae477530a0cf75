// The Trainer over a model that is Python's, its results, and metrics.

#include <nanobind/ndarray.h>

#include "bindings.h"
#include "loader.h"
#include "named_tensors.h"

namespace gnn::python {
namespace {

/// Calls a function of Python's inside of a training step. Where the step is being captured, what cannot be
/// captured comes as the Python exception of that name, and must come out as the C++ one.
template <class F>
Tensor in_step(const F& function) {
  try {
    return function();
  } catch (nb::python_error& error) {
    const nb::gil_scoped_acquire gil;
    if (!error.matches(nb::module_::import_("libgnn._core").attr("CaptureError"))) throw;
    throw CaptureError(nb::str(error.value()).c_str());
  }
}

/// A Python model as the Trainer's Module: its parameters and buffers, and forward(input, training).
class PythonModel final : public Module {
 public:
  using Forward = std::function<Tensor(const Tensor& input, bool training)>;

  PythonModel(Forward forward, const NamedPairs& parameters, const NamedPairs& buffers)
      : Module("Module"), forward_(std::move(forward)) {
    // The names are only for the Trainer, which keeps and restores the best weights by them.
    for (const auto& [name, tensor] : parameters) {
      if (tensor.requires_grad()) {
        parameter(without_dots(name), tensor);
      } else {
        buffer(without_dots(name), tensor);  // frozen
      }
    }
    for (const auto& [name, tensor] : buffers) buffer(without_dots(name), tensor);
  }

  Tensor forward(const Tensor& input) override {
    return in_step([&] { return forward_(input, is_training()); });
  }

 private:
  static std::string without_dots(std::string name) {
    for (char& c : name) c = c == '.' ? '/' : c;
    return name;
  }

  Forward forward_;
};

/// A Trainer with the model that it trains.
struct Training {
  Training(PythonModel::Forward forward, const NamedPairs& parameters, const NamedPairs& buffers,
           Optimizer& optimizer, LossFunction loss)
      : model(std::move(forward), parameters, buffers),
        trainer(model, optimizer, in_steps(std::move(loss))) {}

  static LossFunction in_steps(LossFunction loss) {
    if (!loss) return {};
    return [loss = std::move(loss)](const Tensor& output, const Tensor& labels) {
      return in_step([&] { return loss(output, labels); });
    };
  }

  PythonModel model;
  Trainer trainer;
};

using OnEpoch = std::function<void(const EpochResult& result)>;
using OnStep = std::function<void(std::int64_t step, const Tensor& loss)>;

History fit(Training& self, Loader& train, std::int64_t epochs, Loader* validation,
            std::string validation_name, Schedule* schedule, bool schedule_every_step, double clip_grad_norm,
            const std::optional<EarlyStopping>& early_stopping, const std::vector<OnEpoch>& on_epoch,
            const std::vector<OnStep>& on_step, bool capture, bool progress,
            std::function<void(const ProgressState&)> on_progress) {
  const Loader::Use use_train(train);
  std::optional<Loader::Use> use_validation;
  if (validation != nullptr) use_validation.emplace(*validation);
  FitOptions options{.epochs = epochs,
                     .validation = validation == nullptr ? nullptr : &validation->get(),
                     .validation_name = std::move(validation_name),
                     .schedule = schedule,
                     .schedule_every_step = schedule_every_step,
                     .clip_grad_norm = clip_grad_norm,
                     .early_stopping = early_stopping.value_or(EarlyStopping{}),
                     .on_epoch = {},
                     .on_step = {},
                     .capture = capture,
                     .progress = progress,
                     .on_progress = std::move(on_progress)};
  for (const OnEpoch& callback : on_epoch)
    options.on_epoch.push_back([&callback](Trainer&, const EpochResult& result) { callback(result); });
  for (const OnStep& callback : on_step) {
    options.on_step.push_back(
        [&callback](Trainer&, std::int64_t step, const Tensor& loss) { callback(step, loss); });
  }
  return self.trainer.fit(train.get(), options);
}

Monitor parse_monitor(const std::string& text) {
  if (text == "validation_loss") return Monitor::validation_loss;
  if (text == "validation_accuracy") return Monitor::validation_accuracy;
  throw ValueError("EarlyStopping: expected monitor 'validation_loss' or 'validation_accuracy', got '" +
                   text + "'");
}

void bind_results(nb::module_& m) {
  nb::class_<EpochResult>(
      m, "EpochResult",
      "What an epoch came to. Accuracies are from 0 to 1, and NaN where they are not known: "
      "without validation, or for outputs that are not [N, classes] with int64 labels [N].")
      .def_ro("epoch", &EpochResult::epoch, "Its number, from 1.")
      .def_ro("train_loss", &EpochResult::train_loss, "Mean over the samples, each at the time of its step.")
      .def_ro("train_accuracy", &EpochResult::train_accuracy)
      .def_ro("validation_loss", &EpochResult::validation_loss)
      .def_ro("validation_accuracy", &EpochResult::validation_accuracy)
      .def_ro("lr", &EpochResult::lr, "Of the first parameter group in the epoch's first step.")
      .def_ro("seconds", &EpochResult::seconds, "Of its training, without validation.")
      .def_ro("elapsed_seconds", &EpochResult::elapsed_seconds,
              "From the start of fit() to the epoch's end, validation included.")
      .def_ro("samples_per_second", &EpochResult::samples_per_second, "Of its training.")
      .def("__repr__", [](const EpochResult& self) {
        return nb::str(
                   "EpochResult(epoch={}, train_loss={:.6g}, train_accuracy={:.6g}, validation_loss={:.6g}, "
                   "validation_accuracy={:.6g}, lr={:.6g})")
            .format(self.epoch, self.train_loss, self.train_accuracy, self.validation_loss,
                    self.validation_accuracy, self.lr);
      });
  nb::class_<History>(m, "History", "What Trainer.fit() did.")
      .def_ro("epochs", &History::epochs, "An EpochResult for each complete epoch.")
      .def_ro("steps", &History::steps, "Optimizer steps, also those of an epoch that was stopped.")
      .def_ro("seconds", &History::seconds, "Of all, with validation and callbacks.")
      .def_ro("samples_per_second", &History::samples_per_second, "Of training alone.")
      .def_ro("best_epoch", &History::best_epoch,
              "The epoch (from 1) whose weights early stopping found best; 0 when it is off.")
      .def_ro("stopped_early", &History::stopped_early, "By early stopping.")
      .def_ro("stopped", &History::stopped, "By Trainer.stop(); the running epoch is not in epochs.")
      .def_ro("captured_steps", &History::captured_steps,
              "Steps that were replays of a captured one: always 0 on the CPU.")
      .def_ro("capture_reason", &History::capture_reason, "Why the others were not.")
      .def("__repr__", [](const History& self) {
        return nb::str("History(epochs={}, steps={}, seconds={:.1f})")
            .format(self.epochs.size(), self.steps, self.seconds);
      });
  nb::class_<Misclassified>(m, "Misclassified", "A sample whose predicted class is not its label.")
      .def_ro("index", &Misclassified::index, "In the data set.")
      .def_ro("label", &Misclassified::label)
      .def_ro("predicted", &Misclassified::predicted, "-1: no prediction, the output had a NaN.")
      .def("__repr__", [](const Misclassified& self) {
        return nb::str("Misclassified(index={}, label={}, predicted={})")
            .format(self.index, self.label, self.predicted);
      });
  nb::class_<EarlyStopping>(
      m, "EarlyStopping",
      "Ends Trainer.fit() when the monitored value of the validation data ('validation_loss' or "
      "'validation_accuracy') has not improved by more than min_delta for patience epochs, and goes back to "
      "the best "
      "epoch's weights unless restore_best is False. Its choice makes the validation data part of training: "
      "never "
      "give it the test set.\n\nRaises ValueError for another monitor; fit() does for negative numbers.")
      .def(
          "__init__",
          [](EarlyStopping* self, std::int64_t patience, const std::string& monitor, double min_delta,
             bool restore_best) {
            new (self) EarlyStopping{patience, parse_monitor(monitor), min_delta, restore_best};
          },
          "patience"_a, nb::kw_only(), "monitor"_a = "validation_loss", "min_delta"_a = 0.0,
          "restore_best"_a = true)
      .def_ro("patience", &EarlyStopping::patience)
      .def_ro("min_delta", &EarlyStopping::min_delta)
      .def_ro("restore_best", &EarlyStopping::restore_best);
}

using Counts = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<2>, nb::c_contig>;

/// Rows are true classes, columns predicted ones.
Counts counts_of(const ConfusionMatrix& matrix) {
  auto counts = std::make_unique<std::vector<std::int64_t>>(matrix.counts());
  std::int64_t* const data = counts->data();
  const nb::capsule owner(counts.release(),
                          [](void* p) noexcept { delete static_cast<std::vector<std::int64_t>*>(p); });
  const auto classes = static_cast<std::size_t>(matrix.classes());
  return Counts(data, {classes, classes}, owner);
}

void bind_metrics(nb::module_& m) {
  m.def(
      "accuracy", &accuracy, "logits"_a, "labels"_a, releases_gil(),
      "The share of rows of logits [N, C] (float32 or float64) whose largest value is at the class in labels "
      "(int64 [N]); of equal values the first counts, and a row with a NaN is wrong. NaN for N = 0. Waits "
      "for the "
      "device.\n\nRaises ShapeError, DTypeError, and IndexError for a label outside of [0, C).");
  m.def("predicted_classes", &predicted_classes, "logits"_a, releases_gil(),
        "The class of the largest value in each row of logits [N, C], as a list; -1 for a row with a NaN.");
  nb::class_<ConfusionMatrix>(
      m, "ConfusionMatrix",
      "Counts how often each true class was predicted as which class.\n\n"
      "str() is a table with recalls and precisions. Raises ValueError unless classes >= 1 "
      "and class_names are none or one per class.")
      .def(nb::init<std::int64_t, std::vector<std::string>>(), "classes"_a,
           "class_names"_a = std::vector<std::string>{})
      .def("add", nb::overload_cast<const Tensor&, const Tensor&>(&ConfusionMatrix::add), "logits"_a,
           "labels"_a, releases_gil(),
           "Counts a batch: logits [N, classes], labels int64 [N]. Raises as accuracy().")
      .def("add", nb::overload_cast<std::int64_t, std::int64_t>(&ConfusionMatrix::add), "label"_a,
           "predicted"_a, "Counts one sample; predicted is -1 for none. Raises IndexError.")
      .def_prop_ro("classes", &ConfusionMatrix::classes)
      .def_prop_ro("class_names", &ConfusionMatrix::class_names)
      .def("counts", &counts_of, "A NumPy array, int64 [classes, classes]: true class by predicted class.")
      .def_prop_ro("total", &ConfusionMatrix::total, "Number of samples.")
      .def_prop_ro("correct", &ConfusionMatrix::correct, "Number of right predictions.")
      .def_prop_ro("accuracy", &ConfusionMatrix::accuracy, "correct / total; NaN without samples.")
      .def("recall", &ConfusionMatrix::recall, "label"_a,
           "Of the samples of a class, the share that was predicted as such.")
      .def("precision", &ConfusionMatrix::precision, "label"_a,
           "Of the samples predicted as a class, the share that is of it.")
      .def("__str__", &ConfusionMatrix::to_string);
  nb::class_<Evaluation>(m, "Evaluation", "How a model does on some data.")
      .def_ro("loss", &Evaluation::loss, "Mean over the samples.")
      .def_ro("samples", &Evaluation::samples, "Their number.")
      .def_ro("seconds", &Evaluation::seconds)
      .def_ro("accuracy", &Evaluation::accuracy,
              "From 0 to 1; NaN unless outputs are [N, classes] with int64 labels [N].")
      .def_ro("confusion_matrix", &Evaluation::confusion, "A ConfusionMatrix; None where accuracy is NaN.")
      .def_prop_ro(
          "confusion",
          [](const Evaluation& self) {
            return self.confusion ? std::optional<Counts>(counts_of(*self.confusion)) : std::nullopt;
          },
          nb::rv_policy::automatic,
          "Its counts as a NumPy array, int64 [classes, classes]: true class by predicted class.")
      .def_ro("misclassified", &Evaluation::misclassified, "A list of Misclassified, in the loader's order.")
      .def("__repr__", [](const Evaluation& self) {
        return nb::str("Evaluation(loss={:.6g}, accuracy={:.6g}, samples={})")
            .format(self.loss, self.accuracy, self.samples);
      });
}

void bind_training(nb::module_& m) {
  nb::class_<ProgressState>(m, "ProgressState")
      .def_ro("label", &ProgressState::label)
      .def_ro("done", &ProgressState::done)
      .def_ro("total", &ProgressState::total)
      .def_ro("unit", &ProgressState::unit)
      .def_ro("note", &ProgressState::note)
      .def_ro("finished", &ProgressState::finished);
  nb::class_<Progress>(m, "Progress", "A bar on a terminal, plain lines elsewhere, on stderr.")
      .def(
          "__init__",
          [](Progress* self, std::string label, std::int64_t total) {
            new (self) Progress(std::move(label), total);
          },
          "label"_a, "total"_a)
      .def(
          "update",
          [](Progress& self, std::int64_t done, const std::string& note) { self.update(done, note); },
          "done"_a, "note"_a)
      .def(
          "finish", [](Progress& self, const std::string& line) { self.finish(line); }, "line"_a);
  nb::class_<Training>(m, "Training")
      .def(nb::init<PythonModel::Forward, NamedPairs, NamedPairs, Optimizer&, LossFunction>(), "forward"_a,
           "parameters"_a, "buffers"_a, "optimizer"_a, "loss"_a.none(), nb::keep_alive<1, 5>())
      .def("fit", &fit, "train"_a, "epochs"_a, "validation"_a.none(), "validation_name"_a,
           "schedule"_a.none(), "schedule_every_step"_a, "clip_grad_norm"_a, "early_stopping"_a.none(),
           "on_epoch"_a, "on_step"_a, "capture"_a, "progress"_a, "on_progress"_a, releases_gil())
      .def(
          "evaluate",
          [](Training& self, Loader& data) {
            const Loader::Use use(data);
            return self.trainer.evaluate(data.get());
          },
          "data"_a, releases_gil())
      .def("stop", [](Training& self) { self.trainer.stop(); })
      .def_prop_ro("is_training", [](const Training& self) { return self.model.is_training(); });
}

}  // namespace

void bind_trainer(nb::module_& m) {
  bind_results(m);
  bind_metrics(m);
  bind_training(m);
}

}  // namespace gnn::python
