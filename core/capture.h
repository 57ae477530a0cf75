#pragma once

// Recording what a thread issues to a device as one graph, which is launched as often as wanted: what
// train/captured_step.h is made of. Not installed.

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "gnn/core/stream.h"
#include "gnn/core/tensor.h"

namespace gnn {

/// Something of a recorded step that is different in every replay: random numbers, batch, learning rate …
/// Whoever finds itself in a recording (Capture::current()) adds one. It stands for host state, which the
/// recording changes as any step does, and which undo() and advance() keep right.
class StepInput {
 public:
  virtual ~StepInput() = default;

  /// The recording has ended and has not run: takes back what it changed on the host. Called once.
  virtual void undo() = 0;
  /// A step was replayed: changes on the host what the step would have changed.
  virtual void advance() = 0;
  /// Whether the next step is one that the recording can stand for.
  virtual bool fits() const { return true; }
  /// How many steps from now on write() knows about.
  virtual std::int64_t foreseen() const { return std::numeric_limits<std::int64_t>::max(); }
  /// Writes the values that kernels read in the step after the next `ahead` ones, as they would be if nobody
  /// interfered; a wrong forecast costs a copy to the device, never a wrong result.
  virtual void write(std::int64_t ahead, std::span<std::uint64_t> words) const = 0;

  /// Where kernels find the present step's values: int64 [words] on the device.
  const Tensor& values() const { return values_; }

 private:
  friend class Capture;
  const void* owner_ = nullptr;
  Tensor values_;
};

/// Why what waits for the device cannot be recorded.
inline constexpr const char* waits_for_device = "it waits for the device, and while recording nothing runs";

/// Throws CaptureError naming `op` and the reason when this thread records.
void forbid_in_capture(const char* op, const char* why);

/// Makes `stream` the current one of its device, in a capture too; returns the one before.
Stream exchange_current_stream(const Stream& stream);

/// The memory of recordings on a device: blocks that they allocate stay reserved for their replays. Waits for
/// the device at its end and gives the memory back, what tensors still hold when those are freed.
class CapturePool {
 public:
  explicit CapturePool(Device device);
  ~CapturePool();
  CapturePool(const CapturePool&) = delete;
  CapturePool& operator=(const CapturePool&) = delete;

  /// The stream that is recorded; nothing runs on it.
  const Stream& stream() const { return stream_; }

 private:
  Stream stream_;
};

/// A recorded graph.
class Graph {
 public:
  Graph() = default;
  Graph(Device device, void* native);
  /// Issues all of it to `stream`, in one call.
  void launch(const Stream& stream) const;

 private:
  Device device_;
  std::shared_ptr<void> native_;
};

/// While one of these is alive, work that this thread issues to the pool's device is recorded, not run.
class Capture {
 public:
  /// Throws CaptureError when this thread records already.
  explicit Capture(const CapturePool& pool);
  /// Without finish(): throws the recording away.
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Ends the recording. Throws CaptureError, or CudaError, when it did not work.
  Graph finish();

  /// This thread's, or nullptr.
  static Capture* current();
  Device device() const { return stream_.device(); }

  /// The input that `owner` added to this recording; nullptr: none.
  StepInput* find(const void* owner) const;
  /// Adds one that takes `words` 8-byte words for each step.
  void add(const void* owner, std::shared_ptr<StepInput> input, std::int64_t words);
  /// The input of type Input that `owner` added, else a new one, Input(args…).
  template <class Input, class... Args>
  Input& find_or_add(const void* owner, std::int64_t words, Args&&... args) {
    if (StepInput* found = find(owner)) return static_cast<Input&>(*found);
    auto input = std::make_shared<Input>(std::forward<Args>(args)...);
    add(owner, input, words);
    return *input;
  }
  const std::vector<std::shared_ptr<StepInput>>& inputs() const { return inputs_; }

 private:
  void leave();

  Stream stream_;
  Stream outer_;  // what was current before
  std::vector<std::shared_ptr<StepInput>> inputs_;
  bool recording_ = false;
};

}  // namespace gnn
