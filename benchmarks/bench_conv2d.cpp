#include "cases/conv2d.h"
#include "support/bench.h"

static const gnn::bench::Register registered("conv2d", gnn::testing::cases::conv2d());
