#pragma once

namespace gnn::emulation {

/// True when kernels of `device` may use memory of device `owner`: their own, or cudaDeviceEnablePeerAccess.
bool can_access(int device, int owner);

}  // namespace gnn::emulation
