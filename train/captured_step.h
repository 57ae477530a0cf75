#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gnn/core/tensor.h"

namespace gnn {

struct CapturedStepOptions {
  /// false: every call runs the function.
  bool capture = true;
  /// The parameters that the step computes gradients of, all of them: a replay sets their gradients. When one
  /// gets other memory (Module::to), or begins or ceases to require a gradient, and where a step adds to
  /// gradients that are not those of the recording, it is recorded anew.
  std::vector<Tensor> parameters = {};
};

/// A training step that is recorded once and then issued to a CUDA device by one call per step, where the
/// launches of a small network's kernels take longer than the kernels:
///
///   gnn::DataLoader::Iterator batch = train.begin();
///   gnn::CapturedStep step(device, [&] {
///     optimizer.zero_grad();
///     gnn::Tensor loss = gnn::cross_entropy(net(batch->inputs), batch->labels);
///     loss.backward();
///     optimizer.step();
///     ++batch;
///     return loss;
///   }, {.parameters = net.parameters()});
///   while (batch != train.end()) step();
///
/// The first call runs the function. The second records what it issues to the device (a CUDA graph) and
/// launches that; later ones launch it again, which gives the same results, bit for bit, as running the
/// function would. What differs from step to step is kept right: the batch of a DataLoader that keeps its
/// data set on the device, learning rates and weight decay, numbers of updates, random numbers. It is sent to
/// the device for many steps at a time (an epoch, with a DataLoader; see Optimizer::foresee_lr); other calls
/// copy nothing, allocate nothing and do not wait.
///
/// Everything else is as it was in the recording, because the function does not run in a replay: other host
/// code in it has no effect, and tensors keep their addresses (new values come by Tensor::copy_from). After a
/// change that matters, reset(). Of itself it is recorded anew when a parameter changed (see the options),
/// after Optimizer::load_state_dict, for another float32_matmul_precision or conv2d_algorithm, another
/// current stream, and when batches have another size for two steps; a single smaller batch, the last of an
/// epoch, runs the function.
///
/// What cannot be part of a recording: whatever waits for the device (item, to_vector, synchronize), copies
/// from or to the host, work on the CPU, other devices or other streams, batches that are filled on the host,
/// hooks of gradients, a second step of an optimizer, the first update of a parameter, seeding a generator.
/// Then, or when CUDA reports an error, or without caching (GNN_NO_CACHING), every call runs the function,
/// and reason() says why. So it is on the CPU.
///
/// The recording's memory belongs to it until it ends. What the function uses (loaders, optimizers,
/// generators, tensors) must live as long. Not for several threads at a time.
class GNN_API CapturedStep {
 public:
  /// Throws DeviceError for a device that cannot be used.
  CapturedStep(Device device, std::function<Tensor()> step, CapturedStepOptions options = {});
  /// Waits for the device when something was recorded.
  ~CapturedStep();
  CapturedStep(const CapturedStep&) = delete;
  CapturedStep& operator=(const CapturedStep&) = delete;

  /// Makes one step. Returns what the function returns (anything, also an undefined tensor), with the values
  /// of this step: a replay's are in the recording's memory, where the next one overwrites them. Throws what
  /// the function throws; after an exception of libgnn while recording, it is called again without.
  Tensor operator()();
  /// Forgets the recording, and why there was none; the next step records.
  void reset();

  /// Steps that were replayed.
  std::int64_t replays() const;
  /// Why steps are not recorded; empty when nothing speaks against it.
  const std::string& reason() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gnn
