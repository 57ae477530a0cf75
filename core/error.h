#pragma once

#include <stdexcept>
#include <string>

#include "gnn/core/export.h"

namespace gnn {

/// Base of every exception that libgnn throws. The message names the operation (and, inside a module's
/// forward pass, the layer), what was expected and what came.
class GNN_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
};

/// Shapes that do not fit together or do not fit the operation.
class GNN_API ShapeError : public Error {
  using Error::Error;
};

/// A dtype that the operation does not take, or two that should be equal and are not.
class GNN_API DTypeError : public Error {
  using Error::Error;
};

/// An unknown or unavailable device, or tensors that live on different devices.
class GNN_API DeviceError : public Error {
  using Error::Error;
};

/// An index, axis or label outside its range.
class GNN_API IndexError : public Error {
  using Error::Error;
};

/// A parameter with a value that makes no sense (stride 0, probability 2, an empty name …).
class GNN_API ValueError : public Error {
  using Error::Error;
};

/// No memory left on the device, even after the allocator returned its cache to the driver.
class GNN_API OutOfMemoryError : public Error {
  using Error::Error;
};

/// Misuse of the tape: backward twice, a saved tensor changed in place, no gradient to compute.
class GNN_API AutogradError : public Error {
  using Error::Error;
};

/// A call of the CUDA runtime, of cuBLAS or of cuDNN that failed.
class GNN_API CudaError : public Error {
  using Error::Error;
};

/// Something that cannot be part of a captured training step (see train/captured_step.h); names it.
class GNN_API CaptureError : public Error {
  using Error::Error;
};

/// A file or data set that is missing, damaged or of the wrong kind; names the file and the position.
class GNN_API DataError : public Error {
  using Error::Error;
};

/// Training that cannot go on: the loss became NaN or infinite.
class GNN_API TrainingError : public Error {
  using Error::Error;
};

}  // namespace gnn
