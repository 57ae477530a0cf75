#include "gnn/train/captured_step.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "gnn/core/allocator.h"
#include "gnn/core/backend.h"
#include "gnn/core/capture.h"
#include "gnn/core/check.h"
#include "gnn/core/precision.h"
#include "gnn/kernels/conv2d_algorithm.h"
#include "gnn/kernels/load_step.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

/// Steps that values are sent for at a time when no loader says how many are to come.
constexpr std::int64_t usual_rows = 64;

std::int64_t address_of(const Tensor& tensor) {
  return reinterpret_cast<std::int64_t>(tensor.raw_data());
}

/// The values of coming steps, on the host and on the device: what kernels::LoadStep reads.
class StepTable {
 public:
  StepTable(Tensor header, const std::vector<std::shared_ptr<StepInput>>& inputs)
      : header_(std::move(header)), inputs_(inputs) {
    std::vector<std::int64_t> slots;
    for (const auto& input : inputs_) {
      const std::int64_t size = input->values().numel();
      slots.insert(slots.end(), {address_of(input->values()), words_, size});
      words_ += size;
    }
    slots_ = from_values(slots, {static_cast<std::int64_t>(inputs_.size()), 3}, header_.device());
    row_.resize(static_cast<std::size_t>(words_));
  }

  /// Makes sure that the device's next row is that of the step to come.
  void prepare() {
    if (table_.defined()) {
      if (words_ == 0) return;
      write_row(0, row_);
      if (next_ < rows_ && std::ranges::equal(row_, host_row(next_))) return;
      // After a wrong forecast, fewer rows: a rate that is nobody's function of the step is sent step by
      // step.
      ahead_ = next_ < rows_ ? 1 : std::min(2 * ahead_, most_rows);
    }
    send();
  }

  void advance() {
    for (const auto& input : inputs_) input->advance();
    ++next_;
  }

 private:
  static constexpr std::int64_t most_rows = std::int64_t{1} << 30;

  void write_row(std::int64_t ahead, std::span<std::uint64_t> row) const {
    for (const auto& input : inputs_) {
      const auto size = static_cast<std::size_t>(input->values().numel());
      input->write(ahead, row.first(size));
      row = row.subspan(size);
    }
  }

  std::span<std::uint64_t> host_row(std::int64_t row) {
    return std::span(host_).subspan(static_cast<std::size_t>(1 + row * words_),
                                    static_cast<std::size_t>(words_));
  }

  void send() {
    rows_ = std::numeric_limits<std::int64_t>::max();
    for (const auto& input : inputs_) rows_ = std::min(rows_, input->foreseen());
    if (rows_ == std::numeric_limits<std::int64_t>::max()) rows_ = usual_rows;
    rows_ = std::min(rows_, ahead_);
    next_ = 0;
    const std::int64_t size = 1 + rows_ * words_;
    host_.assign(static_cast<std::size_t>(size), 0);  // the first word is the next row's number
    for (std::int64_t row = 0; row < rows_; ++row) write_row(row, host_row(row));
    const Device device = header_.device();
    if (!table_.defined() || table_.numel() < size) {
      // Room for more: the next epoch has the steps that this one made before the recording, too.
      table_ = empty({2 * size}, {.dtype = DType::int64, .device = device});
      const auto inputs = static_cast<std::int64_t>(inputs_.size());
      header_.copy_from(
          from_values<std::int64_t>({address_of(table_), words_, inputs, address_of(slots_)}, {4}, device));
    }
    // One copy; pageable memory has been read when the call returns.
    table_.alias({size}).copy_from(from_memory(host_.data(), {size}, DType::int64, {}));
  }

  Tensor header_;
  const std::vector<std::shared_ptr<StepInput>>& inputs_;
  std::int64_t words_ = 0;  // of a row
  Tensor slots_;
  Tensor table_;
  std::vector<std::uint64_t> host_;  // what was sent
  std::vector<std::uint64_t> row_;
  std::int64_t rows_ = 0;
  std::int64_t next_ = 0;
  std::int64_t ahead_ = most_rows;  // rows to send at a time
};

/// What a recording depends on, beside its inputs.
struct Signature {
  struct Parameter {
    const void* data;
    DType dtype;
    bool requires_grad;
    bool operator==(const Parameter&) const = default;
  };
  Stream stream;
  std::string_view precision;
  std::string_view conv2d_algorithm;
  std::vector<Parameter> parameters;

  Signature(const std::vector<Tensor>& tensors, Device device)
      : stream(Stream::current(device)),
        precision(get_float32_matmul_precision()),
        conv2d_algorithm(get_conv2d_algorithm()) {
    parameters.reserve(tensors.size());
    for (const Tensor& tensor : tensors)
      parameters.push_back({tensor.raw_data(), tensor.dtype(), tensor.requires_grad()});
  }
  bool operator==(const Signature&) const = default;
};

/// Where it is; nullptr: nowhere.
const void* memory_of(const Tensor& tensor) {
  return tensor.defined() ? tensor.raw_data() : nullptr;
}

std::vector<Tensor> grads_of(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> grads;
  for (const Tensor& parameter : parameters) grads.push_back(parameter.grad());
  return grads;
}

void set_grads(std::vector<Tensor>& parameters, const std::vector<Tensor>& grads) {
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].set_grad(grads[i]);
}

struct Recording {
  Recording(Signature with, std::vector<Tensor> parameters)
      : signature(std::move(with)), memory(std::move(parameters)) {}

  Signature signature;
  std::vector<Tensor> memory;  // of the parameters: kept while replays may use it
  std::vector<std::shared_ptr<StepInput>> inputs;
  std::optional<StepTable> table;
  Tensor result;                          // of the function
  std::vector<const void*> grads_before;  // memory of the parameters' gradients, before and after a step
  std::vector<Tensor> grads;
  Graph graph;  // the last member: it is the first to go, and waits for the device
};

}  // namespace

class CapturedStep::Impl {
 public:
  Impl(Device device, std::function<Tensor()> step, CapturedStepOptions options)
      : device_(device), step_(std::move(step)), options_(std::move(options)) {
    check<ValueError>(step_ != nullptr, "CapturedStep: expected a function, got none");
    if (device_.is_cuda()) backend(device_);  // must exist
    forget();
  }

  Tensor run() {
    if (!reason_.empty() || Capture::current() != nullptr) return step_();
    if (recording_ && !fits()) {
      if (++misfits_ == 1) return step_();
      recording_.reset();
    }
    if (!recording_ && !warm_) {
      Tensor result = step_();
      warm_ = true;  // what is made once (states, handles, counters) is there
      return result;
    }
    const std::vector<Tensor> grads = recording_ ? std::vector<Tensor>{} : grads_of(options_.parameters);
    try {
      if (!recording_) record();
      replay();
    } catch (...) {
      // Nothing has run, and the host is as it was before.
      if (!grads.empty()) set_grads(options_.parameters, grads);
      recording_.reset();
      if (pool_) detail::forget_guard_bands(pool_->stream());
      pool_.reset();
      try {
        throw;
      } catch (const Error& error) {
        reason_ = error.what();
      }  // anything else is the function's own affair, such as Ctrl-C in Python, and passes
      return step_();
    }
    misfits_ = 0;
    ++replays_;
    return recording_->result;
  }

  void forget() {
    recording_.reset();
    misfits_ = 0;
    reason_ = device_.is_cpu()     ? "the device is the CPU"
              : !options_.capture  ? "capturing is turned off"
              : !caching_enabled() ? "memory is not cached (GNN_NO_CACHING)"
                                   : "";
  }

  const std::string& reason() const { return reason_; }
  std::int64_t replays() const { return replays_; }

 private:
  bool fits() const {
    return recording_->signature == Signature(options_.parameters, device_) && gradients_fit() &&
           std::ranges::all_of(recording_->inputs, [](const auto& input) { return input->fits(); });
  }

  /// A step that replaces gradients does not mind what there is. One that adds to them must find them where
  /// they were, or, so as not to add, none.
  bool gradients_fit() const {
    for (std::size_t i = 0; i < options_.parameters.size(); ++i) {
      const void* const before = recording_->grads_before[i];
      const bool replaced = before != nullptr && before != memory_of(recording_->grads[i]);
      if (!replaced && memory_of(options_.parameters[i].grad()) != before) return false;
    }
    return true;
  }

  void record() {
    std::vector<Tensor> memory;
    for (const Tensor& parameter : options_.parameters) memory.push_back(parameter.detach());
    auto recording = std::make_unique<Recording>(Signature(options_.parameters, device_), std::move(memory));
    for (const Tensor& parameter : options_.parameters)
      recording->grads_before.push_back(memory_of(parameter.grad()));
    if (!pool_) pool_.emplace(device_);
    // CUDA loads a kernel's code at its first launch, which is better not while recording: one for nothing.
    const Tensor header = zeros({4}, {.dtype = DType::int64, .device = device_});
    const Tensor no_rows = zeros({1}, header.options());
    header.alias({1}).copy_from(from_values<std::int64_t>({address_of(no_rows)}, {1}, device_));
    kernels::run<kernels::LoadStep>(header);
    {
      Capture capture(*pool_);
      kernels::run<kernels::LoadStep>(header);
      recording->result = step_();
      recording->grads = grads_of(options_.parameters);
      recording->inputs = capture.inputs();
      recording->graph = capture.finish();
    }
    recording->table.emplace(header, recording->inputs);
    recording_ = std::move(recording);
  }

  void replay() {
    recording_->table->prepare();
    recording_->graph.launch(Stream::current(device_));
    recording_->table->advance();
    set_grads(options_.parameters, recording_->grads);
  }

  Device device_;
  std::function<Tensor()> step_;
  CapturedStepOptions options_;
  std::optional<CapturePool> pool_;  // where there is or was a recording
  std::unique_ptr<Recording> recording_;
  std::string reason_;
  bool warm_ = false;
  int misfits_ = 0;  // steps in a row that were not like the recording
  std::int64_t replays_ = 0;
};

CapturedStep::CapturedStep(Device device, std::function<Tensor()> step, CapturedStepOptions options)
    : impl_(std::make_unique<Impl>(device, std::move(step), std::move(options))) {}

CapturedStep::~CapturedStep() = default;

Tensor CapturedStep::operator()() {
  return impl_->run();
}

void CapturedStep::reset() {
  impl_->forget();
}

std::int64_t CapturedStep::replays() const {
  return impl_->replays();
}

const std::string& CapturedStep::reason() const {
  return impl_->reason();
}

}  // namespace gnn
