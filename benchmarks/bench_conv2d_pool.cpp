#include "cases/conv2d_pool.h"
#include "support/bench.h"

static const gnn::bench::Register registered("conv2d_pool", gnn::testing::cases::conv2d_pool());
