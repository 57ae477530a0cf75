#include "cases/conv2d_pool.h"
#include "support/bench.h"

// Of four positions that are pooled one has a gradient, so that the sums for either gradient have a quarter
// of the forward pass's terms; where it was is a byte for each element of the output. (On CUDA the direct
// kernel for the input's gradient adds the zeros as well: so much less of the roof it reaches.)
static const gnn::bench::Register registered("conv2d_pool", gnn::testing::cases::conv2d_pool(),
                                             {.flops = 0.5, .saved_bytes = 1});
