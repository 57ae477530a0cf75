#include "cases/max_pool2d.h"
#include "support/bench.h"

static const gnn::bench::Register registered("max_pool2d", gnn::testing::cases::max_pool2d());
