#include <cstdint>

#include "gnn/kernels/launch.cuh"
#include "gnn/kernels/load_step.h"

namespace gnn::kernels {
namespace {

// One block: a batch's indices and a few words more.
__global__ void load_step_kernel(const std::int64_t* header) {
  auto* const table = reinterpret_cast<std::int64_t*>(header[0]);
  const std::int64_t* const row = table + 1 + table[0] * header[1];
  const auto* slot = reinterpret_cast<const std::int64_t*>(header[3]);
  for (std::int64_t s = 0; s < header[2]; ++s, slot += 3) {
    auto* const target = reinterpret_cast<std::int64_t*>(slot[0]);
    for (std::int64_t i = threadIdx.x; i < slot[2]; i += blockDim.x) target[i] = row[slot[1] + i];
  }
  __syncthreads();  // all have read the row's number
  if (threadIdx.x == 0) ++table[0];
}

}  // namespace

void LoadStep::cuda(const Tensor& header) {
  launch(load_step_kernel, 1, elementwise_block, 0, header.device(), header.data<std::int64_t>());
}

}  // namespace gnn::kernels
