#include "gnn/kernels/run.h"

#include "gnn/core/capture.h"
#include "gnn/core/check.h"

namespace gnn::kernels {

void DeviceOf::see(const Tensor& tensor) {
  if (!tensor.defined()) return;  // an optional argument that was left out
  const Device device = tensor.device();
  check<DeviceError>(!found_ || device == device_, "{}: expected all tensors on {}, got one on {}", kernel_,
                     device_, device);
  device_ = device;
  found_ = true;
}

Device DeviceOf::get() const {
  check<ValueError>(found_, "{}: expected at least one tensor, got none", kernel_);
  if (const Capture* capture = Capture::current()) {
    check<CaptureError>(device_ == capture->device(),
                        "{} on {} cannot be part of a captured step, which is recorded once and then runs on "
                        "{} alone",
                        kernel_, device_, capture->device());
  }
  return device_;
}

}  // namespace gnn::kernels
